//! token_max_pool: one product over the vocabulary, then a sparse backward.

use wgrad_engine::ops::token_max_pool;
use wgrad_engine::testing::bench::{Case, Run};
use wgrad_engine::testing::{normal, relative_error, wide};
use wgrad_engine::{Device, Tensor};

use super::rows_of_chunk;

/// V, as BERT has it.
const VOCABULARY: usize = 30_522;
/// Entries that are compared with the plain meaning.
const COMPARED: usize = 64;

/// A bag of words as DupMAE takes it, and the many tokens of a large batch of a small model.
pub fn cases() -> Vec<Case> {
    [("dupmae_base", [8, 128, 768]), ("bert_tiny_8192_tokens", [64, 128, 128])].map(case).into()
}

fn case((name, shape): (&'static str, [usize; 3])) -> Case {
    let [documents, tokens, channels] = shape;
    let (rows, columns) = (documents * tokens, documents * VOCABULARY);
    Case {
        stem: "token_max_pool",
        name,
        shape: format!("[{documents}, {tokens}, {channels}] → {VOCABULARY}, forward+backward"),
        flops: (2 * rows * VOCABULARY * channels + 4 * columns * channels) as u64,
        words: (2 * (rows + VOCABULARY) * channels + 3 * columns) as u64,
        prepare: Box::new(move |device| prepare(device, shape)),
    }
}

fn prepare(device: &Device, [documents, tokens, channels]: [usize; 3]) -> Run {
    let (h, w) = (normal(documents * tokens * channels, 1), normal(VOCABULARY * channels, 2));
    let hidden = Tensor::f32(device, [documents, tokens, channels], &h).tracked();
    let weight = Tensor::f32(device, [VOCABULARY, channels], &w).tracked();
    let visible = Tensor::u32(device, [documents, tokens], &vec![1; documents * tokens]);
    let dz = normal(documents * VOCABULARY, 3);
    let dz = Tensor::f32(device, [documents, VOCABULARY], &dz);
    let z = token_max_pool(&hidden, &weight, None, &visible).values.to_f32();
    let (h, w) = (wide(&h[..tokens * channels]), wide(&w[..COMPARED * channels]));
    let logit = |h: &[f64], w: &[f64]| h.iter().zip(w).map(|(h, w)| h * w).sum::<f64>();
    let most = |w: &[f64]| h.chunks_exact(channels).map(|h| logit(h, w)).fold(f64::MIN, f64::max);
    let expected: Vec<f64> = w.chunks_exact(channels).map(most).collect();
    let error = relative_error(&z[..COMPARED], &expected);
    let step = Box::new(move || {
        drop(token_max_pool(&hidden, &weight, None, &visible).values.backward_with(&dz));
    });
    let logits = 4 * rows_of_chunk(documents * tokens, VOCABULARY) * VOCABULARY;
    let lists = 4 * (2 * documents * VOCABULARY + documents * (tokens + 1));
    Run { step, error, workspace_bytes: (logits + lists) as u64 }
}
