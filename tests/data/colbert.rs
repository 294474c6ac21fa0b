//! Texts as ColBERT reads them.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use wgrad::data::{ColbertCollator, Marking, PairCollator, Records, Side, Tokenizer};

/// [PAD] 0, [UNK] 1, [CLS] 2, [SEP] 3, [MASK] 4, a 5, b 6, c 7, d 8, `,` 9, `.` 10, and the markers 11 and 12.
fn tokenizer() -> Tokenizer {
    let words = "[PAD] [UNK] [CLS] [SEP] [MASK] a b c d , .";
    let tokens: Vec<String> = words.split(' ').map(str::to_owned).collect();
    let plain = Tokenizer::uncased(&tokens, Path::new("small")).expect("it has the special tokens");
    let more = plain.with_special_tokens(&["[Q]", "[D]"]);
    assert_eq!((plain.vocab_size(), more.vocab_size()), (11, 13));
    assert_eq!(
        (more.id_of("[Q]"), more.id_of("[D]"), more.id_of("[no]")),
        (Some(11), Some(12), None)
    );
    assert_eq!(more.encode("a, b", 9), plain.encode("a, b", 9), "the ids of texts stay");
    assert_eq!(
        more.with_special_tokens(&["[D]", "[Q]"]).vocab_size(),
        13,
        "nothing is added twice"
    );
    more
}

fn marking() -> Marking {
    let skipped = [",", ".", "?"].map(str::to_string);
    Marking::new(&tokenizer(), 13, [11, 12], [7, 6], &skipped)
}

#[test]
fn queries_are_filled_up_with_masks_that_count() {
    let (tokenizer, marking) = (tokenizer(), marking());
    let texts = ["a, b", "a b c d a b c d"].map(|text| tokenizer.encode(text, 20));
    let batch = marking.batch(Side::Query, &texts, |_| String::new()).unwrap();
    assert_eq!(batch.text.input_ids, [2, 11, 5, 9, 6, 3, 4, 2, 11, 5, 6, 7, 8, 3]);
    assert_eq!(batch.counted, [1; 14], "punctuation counts in queries");
    assert_eq!(batch.text.lengths, [6, 7], "no token attends to [MASK]");
    let mut attending = marking;
    attending.attends = true;
    let batch = attending.batch(Side::Query, &texts, |_| String::new()).unwrap();
    assert_eq!(batch.text.lengths, [7, 7]);
}

#[test]
fn punctuation_and_padding_do_not_count_in_documents() {
    let (tokenizer, marking) = (tokenizer(), marking());
    assert_eq!(
        marking.skipped,
        [9, 10],
        "a sign that is no token skips nothing, least of all [UNK]"
    );
    let texts = ["a, ? b", "."].map(|text| tokenizer.encode(text, 20));
    let batch = marking.batch(Side::Passage, &texts, |_| String::new()).unwrap();
    assert_eq!(batch.text.input_ids, [2, 12, 5, 9, 1, 3, 2, 12, 10, 3, 0, 0]);
    assert_eq!(batch.counted, [1, 1, 1, 0, 1, 1, 1, 1, 0, 1, 0, 0]);
    assert_eq!(batch.text.lengths, [6, 4]);
    let error = marking.batch(Side::Query, &[vec![2, 99, 3]], |row| format!("text {row}"));
    assert!(error.unwrap_err().to_string().contains("text 0: token id 99"));
}

#[test]
fn records_are_marked_as_pairs_take_them() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("r.jsonl");
    let lines = [
        r#"{"query": "a b c d a b c d", "pos": ["b, c"], "neg": ["d"]}"#,
        r#"{"query": "b", "pos": ["c"], "neg": ["b, c"]}"#,
    ];
    fs::write(&path, lines.join("\n")).unwrap();
    let records = Records::load(&path).unwrap();
    let pairs = PairCollator::new(Arc::new(tokenizer()), 13, (32, 32), 2, 5);
    let collator = ColbertCollator::new(pairs.clone(), marking());
    let batch = collator.batch(&records, 0, &[1, 0]).unwrap();
    assert_eq!(batch.query.text.input_ids, [2, 11, 6, 3, 4, 4, 4, 2, 11, 5, 6, 7, 8, 3]);
    assert_eq!(batch.document.text.lengths, [4, 6, 6, 4]);
    assert_eq!(batch.document.text.input_ids[6..12], [2, 12, 6, 9, 7, 3]);
    assert_eq!(batch.target, [0, 2]);
    let plain = pairs.batch(&records, 0, &[1, 0]).unwrap();
    assert_eq!(batch.false_negatives, plain.false_negatives);
    assert_eq!(batch, collator.batch(&records, 0, &[1, 0]).unwrap());
}
