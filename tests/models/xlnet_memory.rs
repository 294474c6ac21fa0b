//! What XLNet remembers, and that only distances count: whichever way a text runs and wherever its padding stands.

use std::slice::from_ref;

use wgrad_engine::testing::{devices, normal};
use wgrad_engine::{Device, Tensor};
use wgrad_models::xlnet::{Inputs, Reading, Text, memory};
use wgrad_models::{Mode, Pooling, Similarity, Tokens, Visible, XlNet, represent};

use super::xlnet::{WIDTH, bits, model, text};

/// Sums of a few hundred terms near 1, in f32.
const ROUNDING: f32 = 2e-5;

fn close(found: &[f32], expected: &[f32], context: &str) {
    assert_eq!(found.len(), expected.len(), "{context}");
    for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
        let error = (found - expected).abs();
        assert!(
            error <= ROUNDING * (1.0 + expected.abs()),
            "{context}: {found}, {expected} at {at}"
        );
    }
}

fn states(device: &Device, model: &XlNet, text: &Text<'_>, memory: Vec<Tensor>) -> Vec<f32> {
    let inputs = Inputs::new(device, &model.config, text, memory).expect("ids below V");
    model.forward(&inputs, &Mode::evaluation()).to_f32()
}

#[test]
fn two_texts_with_memory_are_one_long_text() {
    let ids: Vec<u32> = (5..19).collect();
    let (first, second) = ids.split_at(8);
    for device in devices() {
        for attn_type in ["bi", "uni"] {
            let (model, _weights) = model(&device, attn_type);
            // The first 8 tokens do not see the other 6, and the others see everything, or left to right what is before them.
            let long = bits(14, |i, j| i >= 8 || j < 8);
            let whole = states(&device, &model, &text(&ids, &long), Vec::new());

            let all = bits(8, |_, _| true);
            let read = Text { places: Some(&[Some(0)]), ..text(first, &all) };
            let inputs = Inputs::new(&device, &model.config, &read, Vec::new());
            let inputs = inputs.expect("ids below V");
            let contents = model.predict(&inputs, &Mode::evaluation()).contents;
            let empty = memory::empty(&device, &model.config, 1, 8);
            let memory = memory::after(&empty, &contents, 8);
            assert!(memory.iter().all(|layer| !layer.is_tracked()), "no gradient goes there");
            let all = bits(6, |_, _| true);
            let later = states(&device, &model, &text(second, &all), memory);
            close(&later, &whole[8 * WIDTH..], &format!("{attn_type} on {device:?}"));
        }
    }
}

#[test]
fn memory_is_the_latest_of_what_was_met() {
    for device in devices() {
        let values = normal(3 * 2 * 9 * 4, 1);
        let part = |from: usize, tokens: usize| {
            let of_row = |row: usize| values[(row * 9 + from) * 4..][..tokens * 4].to_vec();
            Tensor::f32(&device, [2, tokens, 4], &[of_row(0), of_row(1)].concat())
        };
        // Nine tokens, of which the first four are remembered; a row reads the other five and keeps some.
        let (known, met) = (part(0, 4), part(4, 5));
        for (reuse, kept) in [(1, 1), (3, 3), (4, 4), (5, 5)] {
            let after = memory::after(from_ref(&known), from_ref(&met), reuse);
            assert_eq!(after[0].to_f32(), part(kept, 4).to_f32(), "{reuse} on {device:?}");
        }
    }
}

#[test]
fn a_text_that_runs_backwards_is_the_same_text() {
    let ids: Vec<u32> = (5..14).collect();
    let mirrored: Vec<u32> = ids.iter().rev().copied().collect();
    let all = bits(9, |_, _| true);
    for device in devices() {
        let (model, _weights) = model(&device, "bi");
        let of = |ids: &[u32], reading| {
            states(&device, &model, &Text { reading, ..text(ids, &all) }, Vec::new())
        };
        let forward = of(&ids, Reading::Forward);
        let backward = of(&mirrored, Reading::Backward);
        let turned: Vec<f32> = backward.chunks(WIDTH).rev().flatten().copied().collect();
        close(&turned, &forward, &format!("{device:?}"));
        let misread = of(&mirrored, Reading::Forward);
        let turned: Vec<f32> = misread.chunks(WIDTH).rev().flatten().copied().collect();
        assert!(turned.iter().zip(&forward).any(|(a, b)| (a - b).abs() > 0.01), "{device:?}");
    }
}

#[test]
fn a_text_is_one_vector_wherever_its_padding_stands() {
    let texts: [&[u32]; 3] = [&[11, 12, 13, 14, 15, 16, 17], &[21, 22, 23], &[31, 32, 33, 34]];
    for device in devices() {
        let (model, _weights) = model(&device, "bi");
        let vectors = |tokens: usize, is_left: bool, pooling: Pooling| {
            let (mut ids, mut mask) = (Vec::new(), Vec::new());
            for text in texts {
                let mut row = vec![(0, 0); tokens];
                let at = if is_left { tokens - text.len() } else { 0 };
                text.iter().enumerate().for_each(|(offset, &id)| row[at + offset] = (id, 1));
                ids.extend(row.iter().map(|&(id, _)| id));
                mask.extend(row.iter().map(|&(_, bit)| bit));
            }
            let config = &model.config.published;
            let tokens =
                Tokens::new(&device, config, [3, tokens], &ids, None, Visible::Mask(&mask));
            let how = (pooling, Similarity::Cosine);
            let tokens = tokens.expect("ids below V");
            represent(&model, how, &tokens, &Mode::evaluation()).0.to_f32()
        };
        for pooling in [Pooling::Cls, Pooling::Mean, Pooling::Max, Pooling::Last] {
            let right = vectors(9, false, pooling);
            close(&vectors(9, true, pooling), &right, &format!("{pooling:?} on {device:?}"));
            close(&vectors(13, true, pooling), &right, &format!("{pooling:?}, longer, {device:?}"));
        }
    }
}
