//! Rows that walk along a text against their definition (zihangdai/xlnet, `data_utils.py`).

use std::path::Path;
use std::sync::Arc;

use wgrad::data::random::{Purpose, Random};
use wgrad::data::xlnet::{Place, draw_spans};
use wgrad::data::xlnet_stream::{block_ranks, see_in_halves};
use wgrad::data::{Strides, TokenBlocks, Tokenizer, Walk, XlNetBatch, XlNetStream};

use super::{document, wikipedia};

const STRIDES: Strides =
    Strides { rows: 4, backward: 0, tokens: 48, reuse: 16, perm_size: 16, partial: 6 };

/// Documents of 50 words, none of which stands twice, a full stop after each seventh.
fn counted() -> (Tokenizer, Arc<TokenBlocks>) {
    let special = "[PAD] [UNK] [CLS] [SEP] [MASK] .".split(' ').map(str::to_owned);
    let tokens: Vec<String> = special.chain((0..2000).map(|word| format!("w{word}"))).collect();
    let tokenizer = Tokenizer::uncased(&tokens, Path::new("counted")).expect("special tokens");
    let word = |word: usize| if word % 7 == 6 { format!("w{word} .") } else { format!("w{word}") };
    let text = |at: usize| (at * 50..at * 50 + 50).map(word).collect::<Vec<_>>().join(" ");
    let documents = (0..40).map(|at| document(&text(at)));
    let blocks = TokenBlocks::from_documents(documents, &tokenizer, 34, |_| ());
    (tokenizer, Arc::new(blocks.expect("texts in memory have no errors")))
}

fn stream(strides: Strides, walk: Walk) -> (XlNetStream, Vec<u32>, Vec<bool>) {
    let (tokenizer, blocks) = counted();
    let ids = (0..blocks.len()).flat_map(|block| blocks.get(block)).collect::<Vec<u32>>();
    let opens = |id: u32| id > 5 && (id - 6).is_multiple_of(50);
    let begins =
        (0..ids.len()).map(|at| at == 0 || ids[at - 1] == 5 || opens(ids[at])).collect::<Vec<_>>();
    let whole = 0..blocks.len();
    let stream = XlNetStream::new(&tokenizer, (blocks, whole), strides, walk, 3);
    (stream.expect("there is text enough"), ids, begins)
}

#[test]
fn who_is_hidden_is_what_the_definition_says() {
    // tests/fixtures/xlnet_order.py, numpy 2.4.6, seed 7.
    let ranks = [[0, 2, 1, 3, 4, 6, 5, 7, 3, 1, 2, 0], [7, 5, 6, 4, 11, 9, 10, 8, 15, 13, 14, 12]];
    let expected = [
        "011000101111111111111111",
        "010000101111111111111111",
        "011000101111111111111111",
        "011000101111111111111111",
        "011000101111111111111111",
        "011000101111111111111111",
        "000000101111111111111111",
        "011000101111111111111111",
        "000000000100011110000011",
        "000000000100011110000011",
        "000000000100011110000011",
        "000000000100011110000011",
        "000000000100011110000011",
        "000000000000001010000011",
        "000000000000001010000011",
        "000000000000011110000011",
        "000000000000000010000011",
        "000000000100011110000011",
        "000000000100011110000011",
        "000000000100011110000011",
        "000000000100011110000011",
        "000000000100011110000011",
        "000000000000000000000000",
        "000000000000000000000010",
    ];
    let place = |(at, &rank): (usize, &u32)| match at {
        13 | 22 | 23 => Place::Functional(rank),
        1 | 2 | 6 | 9 | 14 | 15 | 16 => Place::Predicted(rank),
        _ => Place::Given,
    };
    let order: Vec<Place> = ranks.as_flattened().iter().enumerate().map(place).collect();
    let mut visible = vec![0; 24];
    see_in_halves([&order[..8], &order[8..]], &mut visible, 1);
    let bit = |row: u32, column: usize| if row >> column & 1 == 1 { '0' } else { '1' };
    let hidden: Vec<String> =
        visible.iter().map(|&row| (0..24).map(|column| bit(row, column)).collect()).collect();
    assert_eq!(hidden, expected);
}

#[test]
fn one_permutation_orders_every_block() {
    let mut orders = std::collections::HashSet::new();
    for trial in 0..200 {
        let ranks = block_ranks(12, 4, &mut Random::new(1, Purpose::Masking, 0, trial));
        let first: Vec<u32> = ranks[..4].to_vec();
        for block in 0..3 {
            let moved: Vec<u32> = first.iter().map(|rank| rank + 4 * block).collect();
            assert_eq!(ranks[block as usize * 4..][..4], moved);
        }
        orders.insert(first);
    }
    assert_eq!(orders.len(), 24, "all orders of four");
}

#[test]
fn every_row_goes_on_where_it_stopped() {
    for backward in [0, 2] {
        let strides = Strides { backward, ..STRIDES };
        let (stream, ids, begins) = stream(strides, Walk::Training);
        let part = ids.len() / (4 - backward);
        let steps = stream.steps_per_epoch();
        assert_eq!(steps as usize, (part - 48) / 16 + 1);
        let (mut rows, mut followed) = (0, 0);
        for step in 0..2 * steps {
            let batch = stream.batch(step, 2006).expect("ids of the tokenizer");
            assert_eq!(batch.begins, step % steps == 0);
            for row in 0..4 {
                let at = (row % (4 - backward)) * part;
                let mut text = ids[at..at + part].to_vec();
                // Whether a sentence ends where a token is the last that the row comes to.
                let mut opens = begins[at..at + part].to_vec();
                if row >= 4 - backward {
                    text.reverse();
                    opens.remove(0);
                    opens.push(true);
                    opens.reverse();
                }
                rows += 1;
                followed +=
                    u32::from(check_row(&batch, row, &text[..], &opens, (step % steps) as usize));
            }
        }
        let share = f64::from(followed) / f64::from(rows);
        assert!((0.4..0.6).contains(&share), "{share} of {rows} second segments go on");
    }
}

/// Checks one row of the text that it walks along; gives whether B goes on after A.
fn check_row(batch: &XlNetBatch, row: usize, text: &[u32], opens: &[bool], at: usize) -> bool {
    let ids = &batch.input_ids[row * 48..][..48];
    let segments = &batch.segments[row * 48..][..48];
    let here = at * 16;
    assert_eq!(ids[..16], text[here..here + 16], "the tokens to remember");
    let separators: Vec<usize> = (0..48).filter(|&at| ids[at] == 3).collect();
    let &[middle, 46] = &separators[..] else { panic!("[SEP] at {separators:?}") };
    assert_eq!(ids[47], 2, "[CLS] is the last");
    let expected = |at: usize| if at <= middle { 0 } else { 1 + u32::from(at == 47) };
    assert_eq!(segments, (0..48).map(expected).collect::<Vec<_>>());
    let (a, b) = (&ids[16..middle], &ids[middle + 1..46]);
    let next = here + 16;
    assert_eq!(a, &text[next..next + a.len()], "A goes on");
    let found = (0..text.len() - b.len()).find(|&at| text[at..at + b.len()] == *b);
    let found = found.expect("B is a piece of the row's text");
    // A piece of one full stop alone may be found where it did not come from.
    assert!(opens[found] || b.len() == 1, "B begins a sentence");
    (next + 1..next + 29).contains(&found)
}

#[test]
fn each_half_predicts_its_share_in_an_order_of_its_own() {
    let (stream, ..) = stream(Strides { backward: 2, partial: 5, ..STRIDES }, Walk::Training);
    for step in 0..10 {
        let batch = stream.batch(step, 2006).expect("ids of the tokenizer");
        assert_eq!(batch.predictions, 48 / 5);
        assert_eq!(batch.lengths, [48; 4]);
        for row in 0..4 {
            let places: Vec<usize> = batch.places[row * 9..][..9]
                .iter()
                .map(|place| place.expect("every row predicts as many") as usize)
                .collect();
            assert_eq!(places.iter().filter(|&&place| place < 16).count(), 5);
            let bits = |place: usize| batch.visible[(row * 48 + place) * 2..][..2].to_vec();
            let sees = |i: usize, j: usize| bits(i)[j / 32] >> (j % 32) & 1 == 1;
            for (&place, &label) in places.iter().zip(&batch.labels[row * 9..]) {
                assert_eq!(batch.input_ids[row * 48 + place], label);
                assert!(label > 4, "special tokens are not predicted");
                assert!(!sees(place, place), "no target sees itself");
            }
            assert!((0..16).all(|i| (16..48).all(|j| !sees(i, j))), "the first half is blind");
            assert!((16..48).all(|i| (0..16).all(|j| sees(i, j))), "the second sees the first");
        }
    }
}

#[test]
fn a_batch_is_a_function_of_its_step() {
    let (one, ..) = stream(STRIDES, Walk::Training);
    let (other, ..) = stream(STRIDES, Walk::Training);
    let of = |stream: &XlNetStream, step| stream.batch(step, 2006).expect("ids of the tokenizer");
    let late = of(&one, 9);
    assert_eq!(late, of(&other, 9), "whatever was made before");
    let epoch = one.steps_per_epoch();
    assert_eq!(late.input_ids[..16], of(&one, 9 + epoch).input_ids[..16]);
    assert_ne!(late.places, of(&one, 9 + epoch).places, "spans of another epoch");
    let (heldout, ..) = stream(STRIDES, Walk::HeldOut);
    assert_eq!(of(&heldout, 9), of(&heldout, 9 + epoch), "held-out batches are the same ones");
    assert!(one.batch(0, 100).is_err(), "ids that the model has no row for");
}

#[test]
fn text_that_is_too_short_for_the_rows_is_refused() {
    let (tokenizer, blocks) = counted();
    let tokens = blocks.n_tokens() as usize;
    let made = |rows: usize, blocks: &Arc<TokenBlocks>| {
        let strides = Strides { rows, ..STRIDES };
        let all = (blocks.clone(), 0..blocks.len());
        XlNetStream::new(&tokenizer, all, strides, Walk::Training, 3).is_some()
    };
    assert!(made(tokens / 48, &blocks) && !made(tokens / 48 + 1, &blocks));
}

#[test]
fn spans_have_one_to_five_tokens_by_the_inverse_of_their_length() {
    let mut counts = [0_u32; 6];
    for trial in 0..300 {
        let mut random = Random::new(11, Purpose::Masking, 0, trial);
        // So long a text that no token has to be added to the spans; they never touch.
        let all = draw_spans(6000, (200, 6), |_| true, |_| true, &mut random);
        assert_eq!(all.len(), 200);
        let mut lengths = vec![1_usize];
        for pair in all.windows(2) {
            match pair[1] - pair[0] {
                1 => *lengths.last_mut().expect("it has one") += 1,
                _ => lengths.push(1),
            }
        }
        lengths.pop(); // the last is cut by the budget
        lengths.into_iter().for_each(|length| counts[length.min(5)] += 1);
        assert!(all.last() < Some(&1400), "a span and its context are seven times as long");
    }
    let all = f64::from(counts.iter().sum::<u32>());
    for (length, count) in counts.into_iter().enumerate().skip(1) {
        let (found, expected) = (f64::from(count) / all, 60.0 / 137.0 / length as f64);
        assert!((found - expected).abs() < 0.01, "{found} of length {length}, not {expected}");
    }
}

#[test]
fn one_of_six_tokens_of_real_rows_is_predicted() {
    let Some((tokenizer, blocks)) = wikipedia(400, 128) else { return };
    let vocabulary = tokenizer.vocab_size();
    let strides =
        Strides { rows: 8, backward: 4, tokens: 128, reuse: 64, perm_size: 64, partial: 6 };
    let text = (Arc::new(blocks), 0..100);
    let stream = XlNetStream::new(&tokenizer, text, strides, Walk::Training, 42);
    let stream = stream.expect("there is text enough");
    let (mut targets, mut tokens, mut inner) = (0, 0, 0);
    for step in 0..stream.steps_per_epoch() {
        let batch = stream.batch(step, vocabulary).expect("ids of the tokenizer");
        targets += batch.labels.len();
        tokens += batch.rows * batch.tokens;
        // A span begins a word as it is written, in rows that run backwards too.
        for (row, places) in batch.places.chunks_exact(batch.predictions).enumerate() {
            let places: Vec<usize> = places.iter().flatten().map(|&place| place as usize).collect();
            let backwards = row >= 4;
            let is_first = |place: usize| match backwards {
                false => place == 0 || !places.contains(&(place - 1)),
                true => !places.contains(&(place + 1)),
            };
            let firsts = places.iter().filter(|&&place| is_first(place));
            let id = |place: usize| batch.input_ids[row * batch.tokens + place];
            inner += firsts.filter(|&&place| tokenizer.is_continuation(id(place))).count();
        }
    }
    let share = targets as f64 / tokens as f64;
    assert!((0.163..0.167).contains(&share), "{share} of all tokens is predicted, 21 of 128");
    // Only tokens that fill up the budget may stand inside a word.
    let share = inner as f64 / targets as f64;
    assert!(share < 0.05, "{share} of the targets begin inside a word");
}
