//! Products of matrices in the last two axes.

use super::product::{Finish, Product, sum_matrices};
use crate::device::Format;
use crate::tensor::{Backward, Tensor};

/// Which operand of a product lies transposed in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transpose {
    /// A·B.
    Neither,
    /// Aᵀ·B.
    Left,
    /// A·Bᵀ.
    Right,
}

/// Multiplies the matrices in the last two axes: `C = A·B`, `Aᵀ·B` or `A·Bᵀ`.
///
/// # Shapes
/// `a: [.., M, K]` (`Left`: `[.., K, M]`), `b: [.., K, N]` (`Right`: `[.., N, K]`) → `[.., M, N]`.
/// The leading axes are equal, or one operand has none and meets every matrix of the other.
///
/// # Gradients
/// Flows to both: `dA = dC·Bᵀ`, `dB = Aᵀ·dC`; an operand without leading axes gets the sum. Keeps both.
///
/// # Panics
/// If the shapes do not fit, or have fewer than two axes.
///
/// # Source
/// Kernels `shaders/matmul.wgsl`, `matmul_vec4.wgsl` and `matmul_software.wgsl`.
#[track_caller]
pub fn matmul(a: &Tensor, b: &Tensor, transpose: Transpose) -> Tensor {
    let (lead, [rows, inner]) = split(a);
    if transpose != Transpose::Left && !lead.is_empty() && b.shape().axes().len() == 2 {
        // One B for all: the matrices of A are the rows of one tall matrix.
        let rows = rows * lead.iter().product::<usize>();
        let c = matmul(&a.reshape([rows, inner]), b, transpose);
        let columns = c.shape().axes()[1];
        let shape = [&a.shape().axes()[..a.shape().axes().len() - 1], &[columns]].concat();
        return c.reshape(shape);
    }
    let c = product(a, b, transpose);
    let saved =
        Saved { a: a.detach(), b: b.detach(), c_axes: c.shape().axes().to_vec(), transpose };
    c.record("matmul", [a, b], saved)
}

/// The operands; nothing else is needed.
struct Saved {
    a: Tensor,
    b: Tensor,
    c_axes: Vec<usize>,
    transpose: Transpose,
}

impl Backward<2> for Saved {
    fn backward(self: Box<Self>, dc: &Tensor, [to_a, to_b]: [bool; 2]) -> [Option<Tensor>; 2] {
        let Self { a, b, c_axes, transpose } = *self;
        let dc = &dc.reshape(c_axes);
        let da = || match transpose {
            Transpose::Neither => product(dc, &b, Transpose::Right),
            Transpose::Right => product(dc, &b, Transpose::Neither),
            Transpose::Left => product(&b, dc, Transpose::Right),
        };
        let db = || match transpose {
            Transpose::Neither => product(&a, dc, Transpose::Left),
            Transpose::Right => product(dc, &a, Transpose::Left),
            Transpose::Left => product(&a, dc, Transpose::Neither),
        };
        [to_a.then(|| summed_to(da(), &a)), to_b.then(|| summed_to(db(), &b))]
    }
}

/// op(A)·op(B) without a place in the graph.
#[track_caller]
pub(super) fn product(a: &Tensor, b: &Tensor, transpose: Transpose) -> Tensor {
    product_as(a.format(), a, b, transpose)
}

/// As [`product`], with elements of `format`.
#[track_caller]
pub(super) fn product_as(format: Format, a: &Tensor, b: &Tensor, transpose: Transpose) -> Tensor {
    let (a_lead, a_size @ [_, a_line]) = split(a);
    let (b_lead, b_size @ [_, b_line]) = split(b);
    // Extents and strides of op(A) and op(B): a transpose swaps both.
    let swap = |swapped: bool, [rows, columns]: [usize; 2]| {
        if swapped { [columns, rows] } else { [rows, columns] }
    };
    let [rows, inner] = swap(transpose == Transpose::Left, a_size);
    let [b_inner, columns] = swap(transpose == Transpose::Right, b_size);
    let leads_fit = a_lead == b_lead || a_lead.is_empty() || b_lead.is_empty();
    assert!(
        leads_fit && inner == b_inner,
        "matmul: a is {}, b is {}, transposed: {transpose:?}",
        a.shape(),
        b.shape()
    );
    let lead = if a_lead.is_empty() { b_lead } else { a_lead };
    let [a_row, a_inner] = swap(transpose == Transpose::Left, [a_line, 1]);
    let [b_inner, b_column] = swap(transpose == Transpose::Right, [b_line, 1]);
    let batch = |own: &[usize], [rows, columns]: [usize; 2]| {
        if own.is_empty() { 0 } else { rows * columns }
    };
    let product = Product {
        rows,
        columns,
        inner,
        batches: lead.iter().product(),
        a: [a_row, a_inner, batch(a_lead, a_size)],
        b: [b_inner, b_column, batch(b_lead, b_size)],
    };
    let mut c = a.device().buffer_of(format, product.batches * rows * columns);
    product.run_into(a.device(), a.buffer(), b.buffer(), Finish::Plain, &mut c);
    Tensor::new(a.device(), [lead, &[rows, columns]].concat(), c)
}

/// The sum over the leading axes that `like` lacks.
fn summed_to(gradient: Tensor, like: &Tensor) -> Tensor {
    let (lead, [rows, columns]) = split(&gradient);
    if lead.is_empty() || like.shape().axes().len() > 2 {
        return gradient;
    }
    let batches = lead.iter().product();
    let sum = sum_matrices(gradient.device(), gradient.buffer(), batches, rows * columns);
    Tensor::new(gradient.device(), [rows, columns], sum)
}

/// Leading axes, and the last two.
#[track_caller]
fn split(tensor: &Tensor) -> (&[usize], [usize; 2]) {
    let Some((lead, &size)) = tensor.shape().axes().split_last_chunk() else {
        panic!("matmul: {} is no matrix", tensor.shape());
    };
    (lead, size)
}
