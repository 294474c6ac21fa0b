//! matmul: the products of a BERT layer, and squares to compare machines by.

use wgrad_engine::ops::{self, Gelu, Transpose};
use wgrad_engine::params::matmul::Params;
use wgrad_engine::reference::matmul as twin;
use wgrad_engine::testing::bench::{Case, Run};
use wgrad_engine::testing::{normal, relative_error, wide};
use wgrad_engine::{Device, Tensor};

/// M, N and K.
type Sizes = [usize; 3];

/// Rows of C that are checked.
const CHECKED: usize = 4;

/// 8 × 128 tokens through the maps of BERT-tiny and BERT-base; `weight_gradient` sums over the tokens.
pub fn cases() -> Vec<Case> {
    use Transpose::{Left, Neither, Right};
    let products = [
        ("square_512", [512, 512, 512], Neither),
        ("square_1024", [1024, 1024, 1024], Neither),
        ("square_2048", [2048, 2048, 2048], Neither),
        ("bert_tiny_ffn", [1024, 512, 128], Right),
        ("bert_base_projection", [1024, 768, 768], Right),
        ("bert_base_ffn_in", [1024, 3072, 768], Right),
        ("bert_base_ffn_out", [1024, 768, 3072], Right),
        ("bert_base_input_gradient", [1024, 768, 3072], Neither),
        ("bert_base_weight_gradient", [3072, 768, 1024], Left),
    ];
    let fused =
        [("bert_tiny_ffn_gelu", [1024, 512, 128]), ("bert_base_ffn_gelu", [1024, 3072, 768])];
    products.into_iter().map(product).chain(fused.map(linear_gelu)).collect()
}

fn product((name, sizes, transpose): (&'static str, Sizes, Transpose)) -> Case {
    let [m, n, k] = sizes;
    let letters = match transpose {
        Transpose::Neither => "A·B",
        Transpose::Left => "Aᵀ·B",
        Transpose::Right => "A·Bᵀ",
    };
    Case {
        stem: "matmul",
        name,
        shape: format!("{letters}, M {m}, N {n}, K {k}"),
        flops: 2 * (m * n * k) as u64,
        words: (m * k + k * n + m * n) as u64,
        prepare: Box::new(move |device| prepare_product(device, sizes, transpose)),
    }
}

fn prepare_product(device: &Device, sizes: Sizes, transpose: Transpose) -> Run {
    let [m, n, k] = sizes;
    let (a, b) = (normal(m * k, 1), normal(k * n, 2));
    let mut expected = vec![0.0; CHECKED * n];
    twin::forward(&params(sizes, transpose), (&wide(&a), &wide(&b)), &mut expected);
    let a_axes = if transpose == Transpose::Left { [k, m] } else { [m, k] };
    let b_axes = if transpose == Transpose::Right { [n, k] } else { [k, n] };
    let (a, b) = (Tensor::f32(device, a_axes, &a), Tensor::f32(device, b_axes, &b));
    let c = ops::matmul(&a, &b, transpose).to_f32();
    let error = relative_error(&c[..CHECKED * n], &expected);
    Run { step: Box::new(move || drop(ops::matmul(&a, &b, transpose))), error, workspace_bytes: 0 }
}

/// The first map of a feed-forward network with its activation, forward and backward.
fn linear_gelu((name, sizes): (&'static str, Sizes)) -> Case {
    let [m, n, k] = sizes;
    let [flops, mn, inputs] = [2 * m * n * k, m * n, m * k + k * n];
    Case {
        stem: "matmul",
        name,
        shape: format!("M {m}, N {n}, K {k}, GELU, forward+backward"),
        flops: (3 * flops + 40 * mn) as u64,
        // Forward writes C and U; backward reads U and dC, writes dU, and reads it twice and for the bias.
        words: (2 * mn + 6 * mn + 3 * inputs) as u64,
        prepare: Box::new(move |device| prepare_linear_gelu(device, sizes)),
    }
}

fn prepare_linear_gelu(device: &Device, sizes: Sizes) -> Run {
    let [m, n, k] = sizes;
    let (x, weight, bias) = (normal(m * k, 1), normal(n * k, 2), normal(n, 3));
    let (mut expected, mut u) = (vec![0.0; CHECKED * n], vec![0.0; CHECKED * n]);
    let reads = (&wide(&x)[..], &wide(&weight)[..], &wide(&bias)[..]);
    twin::forward_gelu(&params(sizes, Transpose::Right), reads, (&mut expected, &mut u));
    let leaf = |shape: &[usize], values| Tensor::f32(device, shape, values).tracked();
    let (x, weight, bias) = (leaf(&[m, k], &x), leaf(&[n, k], &weight), leaf(&[n], &bias));
    let dy = Tensor::f32(device, [m, n], &normal(m * n, 4));
    let forward = move || ops::linear_gelu(&x, &weight, &bias, Gelu::Erf);
    let error = relative_error(&forward().to_f32()[..CHECKED * n], &expected);
    let step = Box::new(move || drop(forward().backward_with(&dy)));
    Run { step, error, workspace_bytes: 4 * 2 * (m * n) as u64 }
}

/// One product, unsplit: op(A) is [M, K], op(B) [K, N].
fn params([m, n, k]: Sizes, transpose: Transpose) -> Params {
    let [m, n, k] = [m, n, k].map(|size| size as u32);
    let [a_row, a_inner] = if transpose == Transpose::Left { [1, m] } else { [k, 1] };
    let [b_inner, b_column] = if transpose == Transpose::Right { [1, k] } else { [n, 1] };
    Params {
        rows: m,
        columns: n,
        inner: k,
        batches: 1,
        a_row,
        a_inner,
        a_batch: 0,
        b_inner,
        b_column,
        b_batch: 0,
        chunk: k.next_multiple_of(16),
        splits: 1,
        gelu_form: 0,
    }
}
