//! max_sim: ColBERT's late interaction, scoring and training.

use wgrad_engine::ops::{MaxSim, Pairs, max_sim};
use wgrad_engine::tensor::no_grad;
use wgrad_engine::testing::bench::{Case, Run};
use wgrad_engine::testing::{dot, normal, relative_error, wide};
use wgrad_engine::{Device, Tensor};

/// Queries, their tokens, documents, their tokens and the width.
type Sizes = [usize; 5];

/// Most bytes of similarities at a time, as the op has it on a GPU.
const CHUNK_BYTES: usize = 64 << 20;

/// A batch of queries against the same documents, without and with gradients, and each against documents of its own.
pub fn cases() -> Vec<Case> {
    let batch = [32, 32, 64, 180, 128];
    vec![
        case("colbert_rerank", batch, Pairs::All, false),
        case("colbert_in_batch", batch, Pairs::All, true),
        case("colbert_32_way", [16, 32, 512, 180, 128], Pairs::Groups, true),
    ]
}

fn case(name: &'static str, sizes: Sizes, pairs: Pairs, trains: bool) -> Case {
    let [m, s, n, t, d] = sizes;
    let met = if pairs == Pairs::All { m * n } else { n };
    let backward = if trains { 4 * met * s * d } else { 0 };
    let vectors = (m * s + n * t) * d;
    let how = if trains { "forward+backward" } else { "forward" };
    Case {
        stem: "max_sim",
        name,
        shape: format!("[{m}, {s}, {d}] × [{n}, {t}, {d}], {pairs:?}, {how}"),
        flops: (2 * met * s * t * d + met * s * t + backward) as u64,
        words: (if trains { 2 * vectors } else { vectors } + met) as u64,
        prepare: Box::new(move |device| prepare(device, sizes, pairs, trains)),
    }
}

fn prepare(device: &Device, [m, s, n, t, d]: Sizes, pairs: Pairs, trains: bool) -> Run {
    let (q, docs) = (normal(m * s * d, 1), normal(n * t * d, 2));
    let queries = Tensor::f32(device, [m, s, d], &q).tracked();
    let documents = Tensor::f32(device, [n, t, d], &docs).tracked();
    let options = MaxSim { pairs, query_mask: None, document_mask: None };
    let scores = max_sim(&queries, &documents, &options);
    let upstream = normal(scores.shape().elements(), 3);
    let upstream = Tensor::f32(device, scores.shape().clone(), &upstream);
    // The first query meets the first document either way.
    let (q, document) = (wide(&q[..s * d]), wide(&docs[..t * d]));
    let best = |q: &[f64]| document.chunks_exact(d).map(|doc| dot(q, doc)).fold(f64::MIN, f64::max);
    let expected = q.chunks_exact(d).map(best).sum::<f64>();
    let error = relative_error(&scores.to_f32()[..1], &[expected]);
    let step: Box<dyn FnMut()> = if trains {
        Box::new(move || {
            drop(max_sim(&queries, &documents, &options).backward_with(&upstream));
        })
    } else {
        Box::new(move || drop(no_grad(|| max_sim(&queries, &documents, &options))))
    };
    let met = if pairs == Pairs::All { m * n } else { n };
    let similarities = (4 * met * s * t).min(CHUNK_BYTES);
    let maxima = 4 * met * s;
    Run { step, error, workspace_bytes: (similarities + 2 * maxima) as u64 }
}
