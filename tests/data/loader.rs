//! Collation, sampling and loading: shapes, and that a batch depends on nothing but (seed, step, data set).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use wgrad::data::collate::{Counted, Unit};
use wgrad::data::masking::{Corruption, budget};
use wgrad::data::{
    DecoderMasks, Error, Loader, MlmCollator, Padding, RetroMaeBatch, RetroMaeCollator, Sampler,
    TokenBatch,
};

use super::{blocks, small_tokenizer, wikipedia};

#[test]
fn pads_on_the_right_to_a_multiple() {
    let pad = |padding, max_length| {
        TokenBatch::pad(&[vec![1, 2, 3], vec![4]], 0, padding, max_length, 5, |_| String::new())
            .unwrap()
    };
    let batch = pad(Padding::Longest(4), 10);
    assert_eq!((batch.rows, batch.tokens), (2, 4));
    assert_eq!(batch.input_ids, [1, 2, 3, 0, 4, 0, 0, 0]);
    assert_eq!(batch.lengths, [3, 1]);
    assert_eq!(pad(Padding::Longest(8), 5).tokens, 5); // not beyond what the model has positions for
    assert_eq!(pad(Padding::Fixed, 10).tokens, 10);
    let row = |row| format!("row {row}");
    let wrong = TokenBatch::pad(&[vec![1], vec![9]], 0, Padding::Fixed, 4, 5, row).unwrap_err();
    assert!(
        matches!(&wrong, Error::IdOutOfRange { id: 9, vocab_size: 5, example } if example == "row 1")
    );
}

#[test]
fn masks_for_mlm() {
    let tokenizer = small_tokenizer();
    let blocks = blocks(&["the cat sat on the mat unwantedly", "dog zzz zzz zzz", "zzz"], 16);
    let collator = MlmCollator::new(&tokenizer, 23, 16, 0.5, 1);
    for epoch in 0..200 {
        let batch = collator.batch(&blocks, epoch, &[0, 1, 2]).unwrap();
        assert_eq!((batch.rows, batch.tokens), (3, 16));
        assert_eq!(batch.lengths, [12, 6, 3]);
        assert!(batch.label_positions.is_sorted_by(|a, b| a < b));
        let of_row = |row: u32| batch.label_positions.iter().filter(|&&p| p / 16 == row).count();
        assert!(of_row(0) >= 1 && of_row(0) <= budget(12, 0.5));
        // [UNK] is never a label, but takes part in the budget; `dog` is then taken alone.
        assert_eq!((of_row(1), of_row(2)), (1, 0));
        for (&position, &label) in batch.label_positions.iter().zip(&batch.labels) {
            assert_eq!(batch.original_ids[position as usize], label);
            assert!(label >= 5, "special token {label} is a label");
        }
        for position in 0..48 {
            let same = batch.input_ids[position] == batch.original_ids[position];
            assert!(same || batch.label_positions.contains(&(position as u32)));
        }
    }
    // A word longer than the budget is still taken when there is no other.
    let long = super::blocks(&["unwantedly"], 16);
    let batch = MlmCollator::new(&tokenizer, 23, 16, 0.15, 1).batch(&long, 0, &[0]).unwrap();
    assert_eq!(batch.label_positions, [1, 2, 3, 4]);
    // Without words, single tokens; of the text alone; with ELECTRA's corruption.
    let mut single = MlmCollator::new(&tokenizer, 23, 16, 0.5, 1);
    (single.unit, single.counted, single.corruption) =
        (Unit::Token, Counted::TextOnly, Corruption::ELECTRA);
    let batch = single.batch(&long, 0, &[0]).unwrap();
    assert_eq!(batch.labels.len(), 2);
    let changed = batch.input_ids.iter().zip(&batch.original_ids).filter(|(a, b)| a != b);
    assert!(changed.clone().all(|(&id, _)| id == tokenizer.special().mask));
}

#[test]
fn names_an_id_the_model_has_no_row_for() {
    let blocks = blocks(&["cat", "f"], 16);
    let collator = MlmCollator::new(&small_tokenizer(), 20, 16, 0.5, 1);
    assert!(collator.batch(&blocks, 0, &[0]).is_ok());
    let message = collator.batch(&blocks, 0, &[0, 1]).unwrap_err().to_string();
    assert!(message.contains("block 1 of the training data: token id 22"), "{message}");
    assert!(message.contains("vocabulary of 20"), "{message}");
}

#[test]
fn retromae_labels_every_token_between_the_special_ones() {
    let tokenizer = small_tokenizer();
    let blocks = blocks(&["the cat zzz unwantedly sat", "dog"], 64);
    let collator = RetroMaeCollator::new(&tokenizer, 23, 64, 1);
    let batch = collator.batch(&blocks, 0, &[0, 1]).unwrap();
    assert_eq!(batch.encoder.lengths, [10, 3]);
    assert_eq!(batch.decoder_label_positions, [1, 2, 3, 4, 5, 6, 7, 8, 17]);
    let labels: Vec<u32> = (batch.decoder_label_positions.iter())
        .map(|&p| batch.decoder_input_ids()[p as usize])
        .collect();
    assert_eq!(batch.decoder_labels, labels);
    assert!(labels.contains(&tokenizer.special().unk));
    assert_eq!(batch.decoder_visible.len(), 2 * 16);
    // Row 1 of the short text: [CLS] dog [SEP]; its own column is hidden, and it is the one word.
    assert_eq!(batch.decoder_visible[16..20], [0b100, 0b101, 0b001, 0]);
}

#[test]
fn basic_decoding_masks_whole_words_and_asks_for_them() {
    let tokenizer = small_tokenizer();
    let blocks = blocks(&["the cat zzz unwantedly sat", "dog"], 64);
    let mut collator = RetroMaeCollator::new(&tokenizer, 23, 64, 1);
    let enhanced = collator.batch(&blocks, 0, &[0, 1]).unwrap();
    collator.masks = DecoderMasks::Tokens;
    let batch = collator.batch(&blocks, 0, &[0, 1]).unwrap();
    assert_eq!(batch.encoder, enhanced.encoder, "the encoder's masks are the same");
    assert!(batch.decoder_visible.is_empty());
    // Half of [CLS] the cat zzz un ##want ##ed ##ly sat [SEP], and half of [CLS] dog [SEP], rounded to even.
    let in_first = batch.decoder_label_positions.iter().filter(|&&at| at < 16).count();
    assert!((4..=5).contains(&in_first), "{:?}", batch.decoder_label_positions);
    assert_eq!(batch.decoder_label_positions[in_first..], [17]);
    let (original, mask) = (&batch.encoder.original_ids, tokenizer.special().mask);
    let mut labels = batch.decoder_label_positions.iter().zip(&batch.decoder_labels).peekable();
    for (at, (&id, &was)) in batch.decoder_input_ids().iter().zip(original).enumerate() {
        match labels.next_if(|(position, _)| **position as usize == at) {
            Some((_, &label)) => assert_eq!((id, label), (mask, was)),
            None => assert_eq!(id, was),
        }
    }
    let word = 4..8; // un ##want ##ed ##ly
    let masked = word.filter(|&at| batch.decoder_input_ids()[at] == mask).count();
    assert!(masked == 0 || masked == 4, "{masked} of 4 pieces are masked");
}

#[test]
fn draws_every_example_once_an_epoch() {
    let sampler = Sampler::new(3, 10, 3);
    assert_eq!(sampler.steps_per_epoch(), 3);
    let epoch = |epoch: u64| -> Vec<u32> {
        (0..3).flat_map(|step| sampler.draw(epoch * 3 + step).examples).collect()
    };
    assert_ne!(epoch(0), epoch(1));
    let mut left_out = [0; 10];
    for number in 0..100 {
        let mut seen = epoch(number);
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 9);
        (0..10).filter(|e| !seen.contains(e)).for_each(|e| left_out[e as usize] += 1);
    }
    assert!(left_out.iter().all(|&n| n > 0), "{left_out:?}");
    // Any step, in any order, on any sampler of the same seed.
    let other = Sampler::new(3, 10, 3);
    for step in [250, 3, 4, 0, 251, 7] {
        assert_eq!(sampler.draw(step), other.draw(step));
    }
    assert_eq!(Sampler::new(3, 2, 8).draw(5).examples.len(), 2);

    let lengths: Vec<u32> = (0..1000).map(|i| (i * 37) % 512).collect();
    let bucketed = Sampler::new(3, 1000, 10).by_length(lengths.clone());
    let mut seen: Vec<u32> = Vec::new();
    let mut spread = 0;
    for step in 0..100 {
        let drawn = bucketed.draw(step).examples;
        let length = |e: &u32| lengths[*e as usize];
        spread += drawn.iter().map(length).max().unwrap() - drawn.iter().map(length).min().unwrap();
        seen.extend(drawn);
    }
    seen.sort();
    assert_eq!(seen, (0..1000).collect::<Vec<u32>>());
    assert!(spread / 100 < 20, "lengths in a batch differ by {} on average", spread / 100);
}

#[test]
fn batches_do_not_depend_on_workers_or_on_where_one_starts() {
    let tokenizer = small_tokenizer();
    let texts: Vec<String> = (0..50).map(|i| "the cat unwantedly sat ".repeat(1 + i % 4)).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let blocks = Arc::new(blocks(&texts, 64));
    let load = |workers, start| -> Vec<RetroMaeBatch> {
        let (blocks, sampler) = (blocks.clone(), Sampler::new(9, blocks.len(), 4));
        let collator = RetroMaeCollator::new(&tokenizer, 23, 64, 9);
        let make = move |step| {
            let draw = sampler.draw(step);
            collator.batch(&blocks, draw.epoch, &draw.examples)
        };
        Loader::new(start..40, workers, 3, make).map(Result::unwrap).collect()
    };
    let one = load(1, 0);
    assert_eq!(one.len(), 40);
    assert!(one == load(3, 0));
    assert!(one[17..] == load(2, 17));
}

#[test]
fn loader_is_bounded_ends_on_errors_and_passes_panics_on() {
    let made = Arc::new(AtomicU64::new(0));
    let count = made.clone();
    let mut loader = Loader::new(0..1000, 2, 4, move |step| {
        count.fetch_add(1, Ordering::SeqCst);
        Ok(step)
    });
    assert_eq!(loader.next().unwrap().unwrap(), 0);
    std::thread::sleep(std::time::Duration::from_millis(100));
    assert_eq!(made.load(Ordering::SeqCst), 5, "one given, four ahead");
    drop(loader);

    let fails = |step| match step {
        5 => Err(Error::Missing { path: "x".into(), expected: "y".into() }),
        _ => Ok(step),
    };
    let results: Vec<_> = Loader::new(0..1000, 3, 8, fails).collect();
    assert_eq!(results.len(), 6);
    assert!(results[..5].iter().all(Result::is_ok) && results[5].is_err());
    assert_eq!(Loader::new(3..3, 1, 1, Ok).count(), 0);

    let panics =
        Loader::new(0..9, 2, 2, |step| if step == 1 { panic!("of a worker") } else { Ok(step) });
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| panics.count()));
    assert_eq!(*caught.unwrap_err().downcast::<&str>().unwrap(), "of a worker");
}

#[test]
fn masking_is_fast() {
    let Some((tokenizer, blocks)) = wikipedia(2000, 512) else { return };
    let collator = RetroMaeCollator::new(&tokenizer, tokenizer.vocab_size(), 512, 1);
    let examples: Vec<u32> =
        (0..blocks.len() as u32).filter(|&i| blocks.block_length(i as usize) == 510).collect();
    let (rounds, rows) = (4, 32);
    let clock = Instant::now();
    for round in 0..rounds {
        let batch = collator.batch(&blocks, round, &examples[..rows]).unwrap();
        assert_eq!(batch.decoder_visible.len(), rows * 512 * 16);
    }
    let rate = (rounds * rows as u64) as f64 / clock.elapsed().as_secs_f64();
    println!("RetroMAE collation: {rate:.0} sequences of 512 tokens a second on one core");
    assert!(rate > 20.0, "{rate} sequences/s would starve a device");
}
