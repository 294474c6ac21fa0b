//! linear_cross_entropy: three products of tokens × hidden × vocabulary, and what the row kernels add to them.

use wgrad_engine::Tensor;
use wgrad_engine::ops::{Targets, linear_cross_entropy};
use wgrad_engine::testing::bench::{Case, Run};
use wgrad_engine::testing::{dot, normal, relative_error, wide};

/// Tokens, hidden width and vocabulary: every token of a batch of 8 × 128 under BERT's vocabulary; base and tiny.
pub fn cases() -> Vec<Case> {
    [("bert_base_vocabulary", [1024, 768, 30_522]), ("bert_tiny_vocabulary", [1024, 128, 30_522])]
        .map(case)
        .into()
}

fn case((name, [rows, width, vocabulary]): (&'static str, [usize; 3])) -> Case {
    let (hidden_words, weight_words) = (rows * width, vocabulary * width);
    Case {
        stem: "linear_cross_entropy",
        name,
        shape: format!("[{rows}, {width}] x [{vocabulary}, {width}], forward and backward"),
        flops: 6 * (rows * weight_words) as u64,
        words: 2 * (hidden_words + weight_words + vocabulary) as u64,
        prepare: Box::new(move |device| {
            let (hidden, weight) = (normal(hidden_words, 1), normal(weight_words, 2));
            let scale = 1.0 / (width as f32).sqrt();
            let weight: Vec<f32> = weight.iter().map(|value| value * scale).collect();
            let classes: Vec<u32> = (0..rows).map(|row| (row * 29 % vocabulary) as u32).collect();

            // The truth of all rows would take minutes in f64: two rows count, the others are ignored.
            let mut sample = vec![Targets::IGNORE; rows];
            let counted = [0, rows - 1];
            for row in counted {
                sample[row] = classes[row];
            }
            let losses = counted.map(|row| {
                let of_row = wide(&hidden[row * width..][..width]);
                let logits = weight.chunks(width).map(|column| dot(&of_row, &wide(column)));
                let logits: Vec<f64> = logits.collect();
                logits.iter().map(|x| x.exp()).sum::<f64>().ln() - logits[classes[row] as usize]
            });
            let hidden = Tensor::f32(device, [rows, width], &hidden).tracked();
            let weight = Tensor::f32(device, [vocabulary, width], &weight).tracked();
            let bias = Tensor::f32(device, [vocabulary], &vec![0.0; vocabulary]).tracked();
            let sample = Targets::new(device, &sample, vocabulary);
            let loss = linear_cross_entropy(&hidden.detach(), &weight.detach(), None, &sample);
            let error = relative_error(&loss.to_f32(), &[(losses[0] + losses[1]) / 2.0]);

            let targets = Targets::new(device, &classes, vocabulary);
            let step = Box::new(move || {
                drop(linear_cross_entropy(&hidden, &weight, Some(&bias), &targets).backward());
            });
            let chunk_words = (rows * vocabulary).min(1 << 24);
            Run { step, error, workspace_bytes: 4 * chunk_words as u64 }
        }),
    }
}
