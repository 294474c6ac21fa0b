//! Masking against its definition (staoxiao/RetroMAE, `data.py`): exact on what is fixed, statistical on what is drawn.

use std::collections::HashMap;

use wgrad::data::masking::{
    Corruption, MaskPool, budget, draw_visibility, sample_words, word_groups, words_per_row,
};
use wgrad::data::random::{Purpose, Random};

use super::small_tokenizer;

fn random(index: u64) -> Random {
    Random::new(7, Purpose::Masking, 0, index)
}

#[test]
fn budget_rounds_halves_to_even() {
    // Printed by Python 3: min(512, max(1, round(n * p)))
    for (length, rate, expected) in [
        (5, 0.5, 2),
        (7, 0.5, 4),
        (9, 0.5, 4),
        (511, 0.5, 256),
        (5, 0.3, 2),
        (15, 0.3, 4),
        (512, 0.3, 154),
        (150, 0.15, 22),
        (3, 0.15, 1),
        (2000, 0.5, 512),
        (1, 0.0, 1),
    ] {
        assert_eq!(budget(length, rate), expected, "round({length} · {rate})");
    }
}

#[test]
fn words_are_whole() {
    let tokenizer = small_tokenizer();
    let groups = |ids: &[u32]| {
        let special = tokenizer.special();
        word_groups(ids, special.cls, special.sep, |id| tokenizer.is_continuation(id))
    };
    let ids = tokenizer.encode("unwantedly running, cat", 16);
    assert_eq!(groups(&ids), [1..5, 5..7, 7..8, 8..9]);
    // A block may begin inside a word; its first piece is then a word of its own.
    assert_eq!(groups(&[2, ids[2], ids[3], 3]), vec![1..3]);
    assert!(groups(&[2, 3]).is_empty());
}

#[test]
fn samples_words_uniformly_within_the_budget() {
    // Words of 1, 1, 1, 1 tokens, budget 2: each is taken with probability 1/2.
    // Words of 3, 1, 1 tokens, budget 2: the word of 3 never fits, so both others are always taken.
    let trials = 40_000;
    let mut taken = [0; 4];
    for trial in 0..trials {
        let mut groups = vec![0..1, 1..2, 2..3, 3..4];
        let mut count = 0;
        sample_words(&mut groups, 2, &mut random(trial), |word| {
            taken[word.start] += 1;
            count += 1;
        });
        assert_eq!(count, 2);
        let mut positions = Vec::new();
        sample_words(&mut [0..3, 3..4, 4..5], 2, &mut random(trial), |w| {
            positions.extend(w.clone())
        });
        positions.sort();
        assert_eq!(positions, [3, 4]);
    }
    let sigma = (trials as f64 * 0.25).sqrt();
    for count in taken {
        assert!((f64::from(count) - trials as f64 / 2.0).abs() < 4.0 * sigma, "{taken:?}");
    }
}

#[test]
fn a_permutation_is_uniform() {
    let trials = 24_000;
    let mut seen = HashMap::<Vec<u8>, u32>::new();
    for trial in 0..trials {
        let mut items = vec![0, 1, 2, 3];
        random(trial).shuffle(&mut items);
        *seen.entry(items).or_default() += 1;
    }
    assert_eq!(seen.len(), 24);
    let expected = trials as f64 / 24.0;
    let chi_square: f64 =
        seen.values().map(|&n| (f64::from(n) - expected).powi(2) / expected).sum();
    assert!(chi_square < 49.7, "χ²(23) = {chi_square}, 0.1 % bound 49.7");
}

#[test]
fn corrupts_80_10_10() {
    let (n, vocab_size, mask) = (100_000, 50_000, 4);
    for (corruption, masked, replaced) in
        [(Corruption::BERT, 0.8, 0.1), (Corruption::ELECTRA, 0.85, 0.0)]
    {
        let original: Vec<u32> = (0..n as u32).map(|i| 10 + i % 1000).collect();
        let mut ids = original.clone();
        let every: Vec<usize> = (0..n).collect();
        let labels = corruption.apply(&mut ids, &every, mask, vocab_size, &mut random(0));
        assert_eq!(labels, original);
        let became = ids.iter().filter(|&&id| id == mask).count() as f64;
        let kept = ids.iter().zip(&original).filter(|(id, was)| id == was).count() as f64;
        let other = n as f64 - became - kept;
        for (seen, share) in [(became, masked), (other, replaced), (kept, 1.0 - masked - replaced)]
        {
            let sigma = (n as f64 * share * (1.0 - share)).sqrt();
            // A random token equals the mask or the original with probability 2/V: below a token in expectation.
            assert!(
                (seen - n as f64 * share).abs() <= 3.0 * sigma + 5.0,
                "{seen} of {n}, expected {share}"
            );
        }
        // Random tokens cover the vocabulary evenly: 10 cells of V/10.
        let mut cells = [0.0; 10];
        for (&id, &was) in ids.iter().zip(&original) {
            if id != mask && id != was {
                cells[id as usize * 10 / vocab_size] += 1.0;
            }
        }
        let mean = other / 10.0;
        let chi_square: f64 = cells.iter().map(|c| (c - mean) * (c - mean) / mean.max(1.0)).sum();
        assert!(chi_square < 27.9, "χ²(9) = {chi_square}, 0.1 % bound 27.9");
    }
}

#[test]
fn draws_below_a_bound_without_bias() {
    let mut random = random(3);
    let mut counts = [0u32; 6];
    for _ in 0..60_000 {
        counts[random.below(6) as usize] += 1;
    }
    let chi_square: f64 = counts.iter().map(|&n| (f64::from(n) - 1e4).powi(2) / 1e4).sum();
    assert!(chi_square < 20.5, "χ²(5) = {chi_square}, 0.1 % bound 20.5");
    assert_eq!(random.below(1), 0);
    let stream = |purpose, epoch, index| Random::new(7, purpose, epoch, index).below(u32::MAX);
    let first = stream(Purpose::Masking, 0, 0);
    assert_eq!(first, stream(Purpose::Masking, 0, 0));
    assert_ne!(first, stream(Purpose::Order, 0, 0));
    assert_ne!(first, stream(Purpose::Masking, 1, 0));
    assert_ne!(first, stream(Purpose::Masking, 0, 1));
}

#[test]
fn visibility_follows_retromae() {
    // 40 tokens: [CLS], 19 words of two pieces, [SEP]; padded to 48 columns, so two words a row.
    let (length, tokens) = (40, 48);
    let row_words = words_per_row(tokens);
    assert_eq!(row_words, 2);
    let groups: Vec<_> = (0..19).map(|w| 1 + 2 * w..3 + 2 * w).collect();
    let hidden = budget(length, 0.5);
    let mut counts = vec![0u32; length];
    let trials = 100;
    for trial in 0..3 * trials {
        let masks = [1, 8, 256][trial as usize % 3];
        let mut visible = vec![0; tokens * row_words];
        let mut shuffled = groups.clone();
        draw_visibility(
            &mut shuffled,
            length,
            hidden,
            MaskPool::Shared(masks),
            &mut random(trial),
            &mut visible,
            row_words,
        );
        let sees = |i: usize, j: usize| visible[i * row_words + j / 32] >> (j % 32) & 1 == 1;
        let mut first = Vec::new();
        for i in 0..tokens {
            if i >= length {
                assert!((0..tokens).all(|j| !sees(i, j)), "padded row {i} sees something");
                continue;
            }
            assert!((length..tokens).all(|j| !sees(i, j)), "row {i} sees padding");
            assert!(!sees(i, i), "row {i} sees itself");
            assert!(i == 0 || sees(i, 0), "row {i} does not see [CLS]");
            assert!(i == length - 1 || sees(i, length - 1), "row {i} does not see [SEP]");
            let unseen: Vec<usize> = (0..length).filter(|&j| !sees(i, j)).collect();
            assert!(
                unseen.len() == hidden || unseen.len() == hidden + 1,
                "{} hidden",
                unseen.len()
            );
            // Whole words, but for the row's own column.
            let mask: Vec<usize> = unseen.iter().copied().filter(|&j| j != i).collect();
            for word in &groups {
                let n = word.clone().filter(|j| mask.contains(j)).count();
                assert!(n == 0 || n == 2 || word.contains(&i), "row {i} hides {n} of {word:?}");
            }
            if masks == 256 {
                mask.iter().for_each(|&j| counts[j] += 1);
            }
            if i == 0 {
                first = mask;
            } else if masks == 1 {
                assert!(first.iter().filter(|&&j| j != i).eq(&mask), "row {i} takes another mask");
            }
        }
    }
    // Each of the 38 text columns is hidden from the others' rows equally often: 20 of 38 words' tokens.
    let expected = trials as f64 * 39.0 * 20.0 / 38.0;
    for &count in &counts[1..39] {
        assert!((f64::from(count) / expected - 1.0).abs() < 0.1, "{counts:?}");
    }
}

/// Rows that share 256 masks sometimes share one; rows with their own never look at another's.
#[test]
fn a_row_of_its_own_draws_its_own_mask() {
    let (length, row_words) = (66, words_per_row(66)); // 64 words of one token: no two masks of 33 are alike by chance
    let groups: Vec<_> = (1..65).map(|at| at..at + 1).collect();
    for (pool, alike) in [
        (MaskPool::PerRow, 0..=0),
        (MaskPool::Shared(1000), 20..=28), // of 66 draws among 66, 66·(1 − 1/e) = 42 differ
        (MaskPool::Shared(8), 58..=59),
    ] {
        let mut repeats = 0;
        let trials = 50;
        for trial in 0..trials {
            let mut visible = vec![0; length * row_words];
            let (mut words, mut random) = (groups.clone(), random(trial));
            let hidden = budget(length, 0.5);
            draw_visibility(&mut words, length, hidden, pool, &mut random, &mut visible, row_words);
            let masks: Vec<&[u32]> = visible.chunks_exact(row_words).collect();
            // The bit of its own column says nothing of the mask.
            for row in 0..length {
                let others = |other: usize| {
                    (0..length).all(|at| {
                        let bit = |row: &[u32]| row[at / 32] >> (at % 32) & 1;
                        at == row || at == other || bit(masks[row]) == bit(masks[other])
                    })
                };
                repeats += usize::from((0..row).any(others));
            }
        }
        assert!(alike.contains(&(repeats / trials as usize)), "{pool:?}: {repeats} in {trials}");
    }
}
