//! The fused kernels against the same mathematics in plain ops: what fusing saves of time and of memory.

use wgrad_engine::ops::{self, Contrastive, Targets, Transpose, Visibility};
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
    /// A step of the plain ops.
    pub plain: Box<Prepare>,
}

/// Uploads the inputs of a step.
pub type Prepare = dyn Fn(&Device) -> Step;

/// Runs once, without waiting for the device.
pub type Step = Box<dyn FnMut()>;

/// Every pair that `device` runs in minutes; the last are too large for the plain side of many a device.
pub fn pairs(device: &Device) -> Vec<Pair> {
    let mut pairs = vec![
        attention([8, 128, 12, 64]),
        attention([8, 512, 12, 64]),
        linear_cross_entropy([1024, 768, 30_522]),
        contrastive([2048, 768]),
        token_max_pool([8, 128, 128, 30_522]),
        attention([1, 4096, 2, 64]),
        linear_cross_entropy([8192, 128, 30_522]),
        token_max_pool([64, 128, 128, 30_522]),
    ];
    if !device.is_software() {
        pairs.push(linear_cross_entropy([8192, 768, 30_522]));
        pairs.push(token_max_pool([64, 128, 768, 30_522]));
    }
    pairs
}

fn leaf(device: &Device, shape: impl Into<wgrad_engine::Shape>, seed: u64) -> Tensor {
    let shape = shape.into();
    let values = normal(shape.elements(), seed);
    Tensor::f32(device, shape, &values).tracked()
}

/// Scores, softmax and mixture of every head; the plain side gets its heads apart already, `[B·A, T, D]`.
fn attention([b, t, a, d]: [usize; 4]) -> Pair {
    Pair {
        name: "attention",
        shape: format!("B {b}, T {t}, A {a}, D {d}"),
        plain_is: "matmul, scale, softmax, matmul",
        matrix_bytes: 4 * (b * a * t * t) as u64,
        fused: Box::new(move |device| {
            let [q, k, v] = [1, 2, 3].map(|seed| leaf(device, [b, t, a, d], seed));
            let dy = leaf(device, [b, t, a, d], 4).detach();
            let all = Visibility::all();
            Box::new(move || drop(ops::attention(&q, &k, &v, &all, None).backward_with(&dy)))
        }),
        plain: Box::new(move |device| {
            let [q, k, v] = [1, 2, 3].map(|seed| leaf(device, [b * a, t, d], seed));
            let dy = leaf(device, [b * a, t, d], 4).detach();
            Box::new(move || {
                let scores = ops::matmul(&q, &k, Transpose::Right); // [B·A, T, T]
                let weights = ops::softmax(&ops::scale(&scores, 1.0 / (d as f32).sqrt()));
                drop(ops::matmul(&weights, &v, Transpose::Neither).backward_with(&dy));
            })
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
            Box::new(move || {
                let logits = ops::linear(&hidden, &weight, Some(&bias)); // [R, V]
                drop(cross_entropy(&logits, &one_hot).backward());
            })
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
            Box::new(move || {
                let scores = ops::matmul(&queries, &passages, Transpose::Right); // [M, N]
                drop(cross_entropy(&ops::scale(&scores, 1.0 / TEMPERATURE), &one_hot).backward());
            })
        }),
    }
}

/// No plain op takes a maximum over an axis: the plain side is the logits and their products back alone, which any
/// composition has to do as well.
fn token_max_pool([b, t, h, v]: [usize; 4]) -> Pair {
    let inputs = move |device: &Device| {
        [leaf(device, [b, t, h], 1), leaf(device, [v, h], 2), leaf(device, [v], 3)]
    };
    Pair {
        name: "token_max_pool",
        shape: format!("B {b}, T {t}, H {h}, V {v}"),
        plain_is: "linear alone, its backward dense: no maximum yet",
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
            let dlogits = leaf(device, [b, t, v], 5).detach();
            Box::new(move || {
                drop(ops::linear(&hidden, &weight, Some(&bias)).backward_with(&dlogits))
            })
        }),
    }
}
