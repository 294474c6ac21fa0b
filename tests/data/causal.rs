//! Rows of causal language modelling.

use wgrad::data::CausalCollator;

use super::{blocks, small_tokenizer};

#[test]
fn rows_are_texts_as_they_are() {
    let tokenizer = small_tokenizer();
    let special = tokenizer.special();
    let blocks = blocks(&["the cat sat", "a dog", "the mat on the mat sat on a cat"], 12);
    let collator = CausalCollator::new(&tokenizer, tokenizer.vocab_size(), 8);
    let batch = collator.batch(&blocks, &[1, 0, 2]).expect("ids of the tokenizer");
    assert_eq!([batch.rows, batch.tokens], [3, 8]);
    assert_eq!(batch.lengths, [4, 5, 8]);
    for (row, block) in [1, 0, 2].into_iter().enumerate() {
        let text = blocks.get(block);
        let length = batch.lengths[row] as usize;
        let ids = &batch.input_ids[row * 8..][..8];
        assert_eq!((ids[0], ids[length - 1]), (special.cls, special.sep));
        assert_eq!(ids[1..length - 1], text[..length - 2], "a long block loses its end");
        assert!(ids[length..].iter().all(|&id| id == special.pad));
    }
    let small = CausalCollator::new(&tokenizer, 6, 8);
    assert!(small.batch(&blocks, &[0]).is_err(), "the model has no row for these ids");
}
