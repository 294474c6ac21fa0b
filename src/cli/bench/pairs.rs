//! The fused kernels against the same mathematics in plain ops: what fusing saves of time and of memory.

use wgrad_engine::device::Format;
use wgrad_engine::ops::{
    self, Contrastive, Distances, MaxSim, Pairs, Targets, Transpose, Visibility,
};
use wgrad_engine::testing::normal;
use wgrad_engine::{Device, Tensor};

/// One thing computed in two ways, forward and backward.
pub struct Pair {
    /// What is computed.
    pub name: &'static str,
    /// Its extents, for people.
    pub shape: String,
    /// What the plain side does.
    pub plain_is: &'static str,
    /// Bytes of the matrix that only the plain side holds.
    pub matrix_bytes: u64,
    /// A step of the fused kernel.
    pub fused: Box<Prepare>,
    /// A step of the plain ops: forward is a function of its own, so that what the graph does not keep is gone before backward.
    pub plain: Box<Prepare>,
}

/// Uploads the inputs of a step.
pub type Prepare = dyn Fn(&Device) -> Step;

/// Runs once, without waiting for the device.
pub type Step = Box<dyn FnMut()>;

/// Every pair that `device` runs in minutes; the last are too large for the plain side of many a device.
pub fn pairs(device: &Device) -> Vec<Pair> {
    let mut pairs = vec![
        attention([8, 128, 12, 64], Format::Word),
        attention([8, 512, 12, 64], Format::Word),
        attention_relative([4, 128, 12, 64], Format::Word),
        attention_relative([1, 512, 12, 64], Format::Word),
        linear_cross_entropy([1024, 768, 30_522]),
        contrastive([2048, 768]),
        token_max_pool([8, 128, 128, 30_522]),
        max_sim([32, 32, 64, 180, 128]),
        attention([1, 4096, 2, 64], Format::Word),
        linear_cross_entropy([8192, 128, 30_522]),
        token_max_pool([64, 128, 128, 30_522]),
    ];
    if !device.is_software() {
        pairs.push(linear_cross_entropy([8192, 768, 30_522]));
        pairs.push(token_max_pool([64, 128, 768, 30_522]));
    }
    pairs
}

/// Those of which both sides can keep f16: the losses take f32 only.
pub fn half_pairs() -> Vec<Pair> {
    vec![
        attention([8, 128, 12, 64], Format::Half),
        attention([8, 512, 12, 64], Format::Half),
        attention_relative([4, 128, 12, 64], Format::Half),
        attention_relative([1, 512, 12, 64], Format::Half),
        attention([1, 4096, 2, 64], Format::Half),
    ]
}

/// Sizes that take minutes a step, and show what no matrix of all pairs would fit.
pub fn large_pairs(device: &Device) -> Vec<Pair> {
    vec![contrastive(if device.is_software() { [16_384, 128] } else { [65_536, 256] })]
}

fn leaf(device: &Device, shape: impl Into<wgrad_engine::Shape>, seed: u64) -> Tensor {
    let shape = shape.into();
    let values = normal(shape.elements(), seed);
    Tensor::f32(device, shape, &values).tracked()
}

/// The same numbers in `format`, outside any graph.
fn stored(
    device: &Device,
    shape: impl Into<wgrad_engine::Shape>,
    seed: u64,
    format: Format,
) -> Tensor {
    ops::cast(&leaf(device, shape, seed).detach(), format)
}

/// Scores, softmax and mixture of every head; the plain side gets its heads apart already, `[B·A, T, D]`. Where f16 is kept, its
/// softmax is in f32, as everybody's is.
fn attention([b, t, a, d]: [usize; 4], format: Format) -> Pair {
    let rows = move |device: &Device, seed| stored(device, [b, t, a, d], seed, format);
    let apart = move |device: &Device, seed| stored(device, [b * a, t, d], seed, format);
    Pair {
        name: "attention",
        shape: format!("B {b}, T {t}, A {a}, D {d}"),
        plain_is: match format {
            Format::Word => "matmul, scale, softmax, matmul",
            Format::Half => "matmul, cast, scale, softmax, cast, matmul",
        },
        matrix_bytes: 4 * (b * a * t * t) as u64,
        fused: Box::new(move |device| {
            let [q, k, v] = [1, 2, 3].map(|seed| rows(device, seed).tracked());
            let dy = rows(device, 4);
            let all = Visibility::all();
            Box::new(move || drop(ops::attention(&q, &k, &v, &all, None).backward_with(&dy)))
        }),
        plain: Box::new(move |device| {
            let [q, k, v] = [1, 2, 3].map(|seed| apart(device, seed).tracked());
            let dy = apart(device, 4);
            let mixed = move || {
                let scores = ops::cast(&ops::matmul(&q, &k, Transpose::Right), Format::Word); // [B·A, T, T]
                let weights = ops::softmax(&ops::scale(&scores, 1.0 / (d as f32).sqrt()));
                ops::matmul(&ops::cast(&weights, format), &v, Transpose::Neither)
            };
            Box::new(move || drop(mixed().backward_with(&dy)))
        }),
    }
}

/// With scores by distance; the plain side shifts all of them, row by row, as XLNet's own code does. Biases are 0, and
/// the plain side leaves them out. Where f16 is kept, scores are f32.
fn attention_relative([b, t, a, d]: [usize; 4], format: Format) -> Pair {
    let rows = move |device: &Device, seed| stored(device, [b, t, a, d], seed, format);
    let apart = move |device: &Device, seed| stored(device, [a * b, t, d], seed, format);
    Pair {
        name: "attention_relative",
        shape: format!("B {b}, T {t}, A {a}, D {d}"),
        plain_is: match format {
            Format::Word => "two matmul, split twice, add, scale, softmax, matmul",
            Format::Half => "two matmul, cast, split twice, add, scale, softmax, cast, matmul",
        },
        matrix_bytes: 4 * (2 * b * a * t * t) as u64,
        fused: Box::new(move |device| {
            let [q, k, v] = [1, 2, 3].map(|seed| rows(device, seed).tracked());
            let table = leaf(device, [2 * t, a, d], 5);
            let bias = Tensor::f32(device, [a, d], &vec![0.0; a * d]);
            let dy = rows(device, 4);
            Box::new(move || {
                let distances = Distances {
                    table: &table,
                    content_bias: &bias,
                    distance_bias: &bias,
                    places: None,
                };
                let all = Visibility::all();
                let y = ops::attention_relative(&q, &k, &v, &distances, None, &all, None);
                drop(y.backward_with(&dy));
            })
        }),
        plain: Box::new(move |device| {
            let q = stored(device, [a, b * t, d], 1, format).tracked();
            let [k, v] = [2, 3].map(|seed| apart(device, seed).tracked());
            let table = stored(device, [a, 2 * t, d], 5, format).tracked();
            let dy = apart(device, 4);
            let word = |x: Tensor| ops::cast(&x, Format::Word);
            let mixed = move || {
                let of_items = q.reshape([a * b, t, d]);
                let content = word(ops::matmul(&of_items, &k, Transpose::Right)); // [A·B, T, T]
                let far = word(ops::matmul(&q, &table, Transpose::Right)); // [A, B·T, 2·T]
                // Row i of T begins T − i further on: without the first T, rows of one less.
                let far = far.reshape([a * b, 2 * t * t]);
                let far = ops::split(&far, 1, &[t, 2 * t * t - t]).swap_remove(1);
                let far = far.reshape([a * b, t, 2 * t - 1]);
                let far = ops::split(&far, 2, &[t, t - 1]).swap_remove(0);
                let scores = ops::scale(&ops::add(&content, &far), 1.0 / (d as f32).sqrt());
                let weights = ops::cast(&ops::softmax(&scores), format);
                ops::matmul(&weights, &v, Transpose::Neither)
            };
            Box::new(move || drop(mixed().backward_with(&dy)))
        }),
    }
}

/// −mean of the rows of `scores` at their classes, by a matrix of ones and zeros.
fn cross_entropy(scores: &Tensor, one_hot: &Tensor) -> Tensor {
    let (rows, _) = scores.shape().rows_and_last();
    let picked = ops::multiply(&ops::log_softmax(scores), one_hot);
    ops::scale(&ops::sum(&picked), -1.0 / rows as f32)
}

fn one_hot(device: &Device, classes: &[u32], count: usize) -> Tensor {
    let mut values = vec![0.0; classes.len() * count];
    for (row, &class) in classes.iter().enumerate() {
        values[row * count + class as usize] = 1.0;
    }
    Tensor::f32(device, [classes.len(), count], &values)
}

fn linear_cross_entropy([r, h, v]: [usize; 3]) -> Pair {
    let classes: Vec<u32> = (0..r).map(|row| (row * 389 % v) as u32).collect();
    let plain_classes = classes.clone();
    let inputs = move |device: &Device| {
        [leaf(device, [r, h], 1), leaf(device, [v, h], 2), leaf(device, [v], 3)]
    };
    Pair {
        name: "linear_cross_entropy",
        shape: format!("R {r}, H {h}, V {v}"),
        plain_is: "linear, log_softmax, multiply by one-hot, sum",
        matrix_bytes: 4 * (r * v) as u64,
        fused: Box::new(move |device| {
            let [hidden, weight, bias] = inputs(device);
            let targets = Targets::new(device, &classes, v);
            Box::new(move || {
                drop(ops::linear_cross_entropy(&hidden, &weight, Some(&bias), &targets).backward());
            })
        }),
        plain: Box::new(move |device| {
            let [hidden, weight, bias] = inputs(device);
            let one_hot = one_hot(device, &plain_classes, v);
            let loss = move || {
                let logits = ops::linear(&hidden, &weight, Some(&bias)); // [R, V]
                cross_entropy(&logits, &one_hot)
            };
            Box::new(move || drop(loss().backward()))
        }),
    }
}

fn contrastive([m, d]: [usize; 2]) -> Pair {
    const TEMPERATURE: f32 = 20.0;
    let inputs = move |device: &Device| [leaf(device, [m, d], 1), leaf(device, [m, d], 2)];
    let classes = move || (0..m as u32).collect::<Vec<_>>();
    Pair {
        name: "contrastive",
        shape: format!("M {m}, N {m}, D {d}"),
        plain_is: "matmul, scale, log_softmax, multiply by one-hot, sum",
        matrix_bytes: 4 * (m * m) as u64,
        fused: Box::new(move |device| {
            let [queries, passages] = inputs(device);
            let targets = Targets::new(device, &classes(), m);
            Box::new(move || {
                let options = Contrastive { temperature: TEMPERATURE, ..Contrastive::default() };
                drop(ops::contrastive(&queries, &passages, &targets, &options).backward());
            })
        }),
        plain: Box::new(move |device| {
            let [queries, passages] = inputs(device);
            let one_hot = one_hot(device, &classes(), m);
            let loss = move || {
                let scores = ops::matmul(&queries, &passages, Transpose::Right); // [M, N]
                cross_entropy(&ops::scale(&scores, 1.0 / TEMPERATURE), &one_hot)
            };
            Box::new(move || drop(loss().backward()))
        }),
    }
}

/// All logits, then the largest of each column; the way back is dense.
fn token_max_pool([b, t, h, v]: [usize; 4]) -> Pair {
    let inputs = move |device: &Device| {
        [leaf(device, [b, t, h], 1), leaf(device, [v, h], 2), leaf(device, [v], 3)]
    };
    Pair {
        name: "token_max_pool",
        shape: format!("B {b}, T {t}, H {h}, V {v}"),
        plain_is: "linear, max_pool",
        matrix_bytes: 4 * (b * t * v) as u64,
        fused: Box::new(move |device| {
            let [hidden, weight, bias] = inputs(device);
            let visible = Tensor::u32(device, [b, t], &vec![1; b * t]);
            let dz = leaf(device, [b, v], 4).detach();
            Box::new(move || {
                let pooled = ops::token_max_pool(&hidden, &weight, Some(&bias), &visible);
                drop(pooled.values.backward_with(&dz));
            })
        }),
        plain: Box::new(move |device| {
            let [hidden, weight, bias] = inputs(device);
            let lengths = Tensor::u32(device, [b], &vec![t as u32; b]);
            let dz = leaf(device, [b, v], 4).detach();
            let pooled = move || {
                let logits = ops::linear(&hidden, &weight, Some(&bias)); // [B, T, V]
                ops::max_pool(&logits, &lengths)
            };
            Box::new(move || drop(pooled().backward_with(&dz)))
        }),
    }
}

/// Every query of S tokens with every document of T.
fn max_sim([m, s, n, t, d]: [usize; 5]) -> Pair {
    let inputs = move |device: &Device| [leaf(device, [m, s, d], 1), leaf(device, [n, t, d], 2)];
    Pair {
        name: "max_sim",
        shape: format!("{m}·{s} × {n}·{t}, D {d}"),
        plain_is: "matmul, max_pool, mean_pool, scale",
        matrix_bytes: 4 * (m * s * n * t) as u64,
        fused: Box::new(move |device| {
            let [queries, documents] = inputs(device);
            let dscores = leaf(device, [m, n], 3).detach();
            Box::new(move || {
                let options = MaxSim { pairs: Pairs::All, query_mask: None, document_mask: None };
                let scores = ops::max_sim(&queries, &documents, &options);
                drop(scores.backward_with(&dscores));
            })
        }),
        plain: Box::new(move |device| {
            let [queries, documents] = inputs(device);
            let dscores = leaf(device, [n * m, 1], 3).detach();
            let lengths = |texts: usize, tokens: usize| {
                Tensor::u32(device, [texts], &vec![tokens as u32; texts])
            };
            let (of_documents, of_queries) = (lengths(n, t), lengths(n * m, s));
            let scores = move || {
                let rows = [documents.reshape([n * t, d]), queries.reshape([m * s, d])];
                let all = ops::matmul(&rows[0], &rows[1], Transpose::Right); // [N·T, M·S]
                let best = ops::max_pool(&all.reshape([n, t, m * s]), &of_documents);
                let means = ops::mean_pool(&best.reshape([n * m, s, 1]), &of_queries);
                ops::scale(&means, s as f32)
            };
            Box::new(move || drop(scores().backward_with(&dscores)))
        }),
    }
}
