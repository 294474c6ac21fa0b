//! Spans and orders of XLNet against their definition (zihangdai/xlnet, `data_utils.py`).

use std::collections::HashMap;

use wgrad::data::XlNetCollator;
use wgrad::data::random::{Purpose, Random};
use wgrad::data::xlnet::{Place, draw_spans, places_in_order, see_by_order};

use super::{blocks, small_tokenizer, wikipedia};

/// Rows as the paper's code writes them: 1 where a column is hidden.
fn hidden(order: &[Place]) -> Vec<String> {
    let mut visible = vec![0; order.len()];
    see_by_order(order, &mut visible, 1, 0);
    let bit = |row: u32, column: usize| if row >> column & 1 == 1 { '0' } else { '1' };
    visible.iter().map(|&row| (0..order.len()).map(|column| bit(row, column)).collect()).collect()
}

#[test]
fn the_order_hides_what_is_predicted_later() {
    // Text, two targets, then [SEP] and [CLS], from left to right; worked out by hand from `_local_perm`.
    let rows = hidden(&places_in_order(&[0, 1, 2, 3, 4, 5], &[1, 3], |at| at >= 4));
    assert_eq!(rows, ["010111", "010111", "010111", "000111", "000001", "000000"]);
    // Text, [SEP], two targets, [CLS]: the matrix that readers of the authors' code derived (zihangdai/xlnet#104).
    let (given, target, special) = (Place::Given, Place::Predicted, Place::Functional);
    let rows = hidden(&[given, given, special(2), target(3), target(4), special(5)]);
    assert_eq!(rows, ["001111", "001111", "000111", "000111", "000011", "000000"]);
    // The same tokens from right to left, so that [CLS] is first and sees the given text and itself.
    let rows = hidden(&places_in_order(&[5, 4, 3, 2, 1, 0], &[1, 3], |at| at >= 4));
    assert_eq!(rows, ["010111", "010000", "010111", "010100", "010100", "010110"]);
    // Nothing is predicted: all text sees all text.
    assert_eq!(
        hidden(&places_in_order(&[2, 0, 1, 3], &[], |at| at >= 2)),
        ["0011", "0011", "0001", "0000"]
    );
}

#[test]
fn spans_begin_words_and_fill_the_budget() {
    let (mut single, trials) = (0, 4000);
    let mut at = HashMap::<usize, u32>::new();
    for trial in 0..trials {
        let mut random = Random::new(7, Purpose::Masking, 0, trial);
        let all = draw_spans(120, (20, 6), |_| true, |_| true, &mut random);
        assert_eq!(all.len(), 20, "one of six");
        assert!(all.windows(2).all(|pair| pair[0] < pair[1]) && all[19] < 120);
        all.iter().for_each(|&place| *at.entry(place).or_default() += 1);
        single += all.windows(2).filter(|pair| pair[0] + 1 < pair[1]).count();

        let some =
            draw_spans(60, (10, 6), |place| place % 4 == 0, |place| place % 5 != 0, &mut random);
        assert_eq!(some.len(), 10);
        assert!(some.iter().all(|place| place % 5 != 0), "what may not be predicted is not");
    }
    // 20 single tokens at random would leave 16 gaps a row; spans of 137/60 = 2.28 tokens leave about 10.
    let gaps = single as f64 / trials as f64;
    assert!((7.0..13.0).contains(&gaps), "{gaps} gaps a row");
    let seen = |range: std::ops::Range<usize>| -> u32 {
        range.map(|place| at.get(&place).copied().unwrap_or(0)).sum()
    };
    let (left, right) = (f64::from(seen(0..60)), f64::from(seen(60..120)));
    assert!(
        (0.8..1.25).contains(&(left / right)),
        "{left} targets on the left, {right} on the right"
    );
    assert!(
        draw_spans(9, (1, 6), |_| true, |_| false, &mut Random::new(7, Purpose::Masking, 0, 0))
            .is_empty()
    );
    assert_eq!(
        draw_spans(1, (1, 6), |_| true, |_| true, &mut Random::new(7, Purpose::Masking, 0, 0)),
        [0]
    );
}

#[test]
fn a_batch_keeps_the_text_and_says_who_sees_whom() {
    let blocks = blocks(&["the cat sat on the mat", "a b c d e f a b c d e f a"], 16);
    let collator = XlNetCollator::new(&small_tokenizer(), 26, 16, 3);
    let batch = collator.batch(&blocks, 0, &[0, 1]).expect("ids of the tokenizer");
    assert_eq!((batch.rows, batch.tokens, &batch.lengths[..]), (2, 16, &[8, 15][..]));
    assert_eq!(batch.input_ids[6..9], [3, 2, 0], "text, [SEP], [CLS], padding");
    assert_eq!(batch.segments.iter().sum::<u32>(), 4);
    assert_eq!((batch.segments[7], batch.segments[16 + 14]), (2, 2));
    assert_eq!(batch.predictions, 2, "13 / 6");
    assert_eq!(batch.places[1], None, "the first row predicts one token");
    let at: Vec<usize> = (0..4).filter(|&at| batch.places[at].is_some()).collect();
    for (&query, &label) in at.iter().zip(&batch.labels) {
        let (row, place) = (query / 2, batch.places[query].expect("it is one") as usize);
        assert_eq!(batch.input_ids[row * 16 + place], label);
        assert_eq!(batch.visible[row * 16 + place] >> place & 1, 0, "no target sees itself");
    }
    for row in 0..2 {
        let padding = !0 << batch.lengths[row];
        let rows = &batch.visible[row * 16..][..16];
        assert!(rows.iter().all(|bits| bits & padding == 0), "padding is seen by none");
        assert!(rows[batch.lengths[row] as usize..].iter().all(|&bits| bits == 0));
    }
    assert_eq!(batch, collator.batch(&blocks, 0, &[0, 1]).expect("as before"));
    assert_ne!(batch, collator.batch(&blocks, 1, &[0, 1]).expect("another epoch"));
}

#[test]
fn one_of_six_tokens_of_real_text_is_predicted() {
    let Some((tokenizer, blocks)) = wikipedia(400, 128) else { return };
    let collator = XlNetCollator::new(&tokenizer, tokenizer.vocab_size(), 128, 42);
    let examples: Vec<u32> = (0..blocks.len().min(200) as u32).collect();
    let batch = collator.batch(&blocks, 0, &examples).expect("ids of the tokenizer");
    let text: u32 = batch.lengths.iter().map(|length| length - 2).sum();
    let share = batch.labels.len() as f64 / f64::from(text);
    assert!((0.155..0.17).contains(&share), "{share} of the text is predicted");
    // A pair of targets is in either order as often: of the pairs, the left sees the right in half.
    let (mut pairs, mut seen) = (0, 0);
    let words = batch.tokens.div_ceil(32);
    for (row, places) in batch.places.chunks_exact(batch.predictions).enumerate() {
        let places: Vec<usize> = places.iter().flatten().map(|&place| place as usize).collect();
        for (at, &left) in places.iter().enumerate() {
            let bits = &batch.visible[(row * batch.tokens + left) * words..][..words];
            for &right in &places[at + 1..] {
                pairs += 1;
                seen += bits[right / 32] >> (right % 32) & 1;
            }
        }
    }
    let share = f64::from(seen) / f64::from(pairs);
    assert!((0.47..0.53).contains(&share), "{share} of {pairs} pairs");
}
