//! Batches of queries and passages.

use std::collections::HashSet;
use std::fs;
use std::sync::Arc;

use wgrad::data::{PairCollator, Records, Sampler};

use super::small_tokenizer;

fn records(lines: &[&str]) -> Records {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("r.jsonl");
    fs::write(&path, lines.join("\n")).unwrap();
    Records::load(&path).unwrap()
}

fn collator(group_size: usize) -> PairCollator {
    let tokenizer = Arc::new(small_tokenizer());
    let vocab_size = tokenizer.vocab_size();
    PairCollator::new(tokenizer, vocab_size, (16, 24), group_size, 5)
}

#[test]
fn groups_are_query_major_with_the_positive_first() {
    let records = records(&[
        r#"{"query": "a", "pos": ["cat"], "neg": ["dog", "mat"]}"#,
        r#"{"query": "b", "pos": ["cat sat on"], "neg": ["cat"]}"#,
        r#"{"query": "a", "pos": ["cat sat on"]}"#,
    ]);
    let batch = collator(2).batch(&records, 0, &[0, 1, 2]).unwrap();
    assert_eq!((batch.query.rows, batch.query.tokens, batch.passage.rows), (3, 8, 6));
    assert_eq!(batch.target, [0, 2, 4]);
    assert_eq!(batch.query_ids, [0, 1, 0]);
    let cat = batch.passage_ids[0];
    let sat = batch.passage_ids[2];
    assert_eq!((batch.passage_ids[3], batch.passage_ids[4]), (cat, sat));
    // Query a is answered by `cat` and by `cat sat on`, query b by `cat sat on` alone.
    let again = |row: u32, of: &[u32]| -> Vec<(u32, u32)> {
        (0..6)
            .filter(|&c| c != 2 * row && of.contains(&batch.passage_ids[c as usize]))
            .map(|c| (row, c))
            .collect()
    };
    let expected = [again(0, &[cat, sat]), again(1, &[sat]), again(2, &[cat, sat])].concat();
    assert_eq!(batch.false_negatives, expected);
    // The third record has no negatives of its own: a random passage that does not answer its query.
    assert!(![cat, sat].contains(&batch.passage_ids[5]));
    assert_eq!(batch.teacher_scores, None);
    assert_eq!(batch, collator(2).batch(&records, 0, &[0, 1, 2]).unwrap());
}

#[test]
fn positives_and_negatives_rotate() {
    let records = records(&[
        r#"{"query": "a", "pos": ["b", "c"], "neg": ["d", "e", "f", "cat"], "pos_scores": [10, 20], "neg_scores": [1, 2, 3, 4]}"#,
    ]);
    let collator = collator(3);
    let mut positives = HashSet::new();
    let mut negatives = HashSet::<u32>::new();
    for epoch in 0..2 {
        let batch = collator.batch(&records, epoch, &[0]).unwrap();
        positives.insert(batch.passage_ids[0]);
        negatives.extend(&batch.passage_ids[1..]);
        let of = |id: u32| [10.0, 20.0, 1.0, 2.0, 3.0, 4.0][id as usize];
        let expected: Vec<f32> = batch.passage_ids.iter().map(|&id| of(id)).collect();
        assert_eq!(batch.teacher_scores, Some(expected));
    }
    assert_eq!((positives.len(), negatives.len()), (2, 4));
}

#[test]
fn a_tiny_collection_still_gives_groups() {
    let records = records(&[r#"{"query": "a", "pos": ["b"]}"#]);
    let batch = collator(3).batch(&records, 0, &[0]).unwrap();
    assert_eq!(batch.passage_ids, [0, 0, 0]);
    assert_eq!(batch.false_negatives, [(0, 1), (0, 2)]);
}

#[test]
fn joins_texts_for_a_cross_encoder() {
    let records = records(&[r#"{"query": "a b", "pos": ["cat"], "neg": ["the dog sat"]}"#]);
    let batch = collator(2).joint_batch(&records, 0, &[0]).unwrap();
    assert_eq!((batch.pair.rows, batch.pair.tokens), (2, 8));
    assert_eq!(batch.pair.lengths, [6, 8]);
    assert_eq!(batch.token_type_ids, [0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1]);
}

#[test]
fn keeps_duplicates_apart() {
    // 12 records over 4 passages, in batches of 4: three batches without a repeated text exist in any order.
    let lines: Vec<String> = (0..12)
        .map(|i| format!(r#"{{"query": "{}", "pos": ["{}"]}}"#, i, ["a", "b", "c", "d"][i % 4]))
        .collect();
    let records = Arc::new(records(&lines.iter().map(String::as_str).collect::<Vec<_>>()));
    let collator = collator(1);
    let sampler = {
        let (records, collator) = (records.clone(), collator.clone());
        Sampler::new(1, 12, 4).without_duplicates(move |e, x| collator.keys(&records, e, x))
    };
    for epoch in 0..20 {
        let mut seen = Vec::new();
        for step in 0..3 {
            let draw = sampler.draw(epoch * 3 + step);
            let batch = collator.batch(&records, draw.epoch, &draw.examples).unwrap();
            assert!(batch.false_negatives.is_empty(), "{batch:?}");
            seen.extend(draw.examples);
        }
        seen.sort();
        assert_eq!(seen, (0..12).collect::<Vec<u32>>());
    }
    // One passage for all: duplicates cannot be kept apart, and nothing is lost.
    let same = Sampler::new(1, 1000, 10).without_duplicates(|_, _| vec![0]);
    let mut seen: Vec<u32> = (0..100).flat_map(|step| same.draw(step).examples).collect();
    seen.sort();
    assert_eq!(seen, (0..1000).collect::<Vec<u32>>());
}

#[test]
fn names_an_id_the_model_has_no_row_for() {
    let records =
        records(&[r#"{"query": "a", "pos": ["cat"]}"#, r#"{"query": "f", "pos": ["cat"]}"#]);
    let mut collator = collator(1);
    collator.model_vocab_size = 22;
    let message = collator.batch(&records, 0, &[0, 1]).unwrap_err().to_string();
    assert!(
        message.contains("query of record 1: token id 22 is outside the model's vocabulary of 22")
    );
}
