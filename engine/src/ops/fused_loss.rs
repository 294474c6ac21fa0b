//! Losses over the rows of a product L·Rᵀ, whose gradients are computed together with them.
//!
//! The scores of a chunk of rows live once: as scores, then in place as their gradient, then as an operand of
//! dL = G·R and dR = Gᵀ·L. So a step costs the same three products whether it has one chunk or many; waiting for the
//! gradient of the loss would cost a fourth, to compute the scores again, or the memory of all scores. When that
//! gradient arrives, it scales what is there.

use super::Targets;
use super::product::{Finish, Product};
use crate::device::{Buffer, Device, Launch};
use crate::kernels::fused_loss::{Accumulate, Backward as BackwardKernel, Forward, Params};
use crate::tensor::{Backward, Tensor};

/// Most bytes of the scores of one chunk: enough rows that the products run at full speed.
pub(super) const CHUNK_BYTES: u64 = 64 << 20;
/// Chunks start at multiples of 64 rows, so that every view of them is aligned for binding.
const ROW_STEP: usize = 64;
/// Most bytes of what a chunk adds to the gradient of its right operand, at a time.
const SHARE_BYTES: usize = 32 << 20;
/// Most rows of a chunk: a lane that goes through all of them stays below the 65,535 rounds of llvmpipe's loops.
const MOST_ROWS: usize = 1 << 15;

/// A chunk of rows whose scores have been computed.
pub(super) struct Chunk<'a> {
    /// The first of its rows: a multiple of 64.
    pub first: usize,
    /// How many rows it has.
    pub rows: usize,
    /// Whether it is not the first.
    pub continues: bool,
    /// `[rows]`: the class of each row.
    pub classes: Buffer,
    /// `[1]`: what each row that counts adds to the mean.
    pub row_weight: &'a Buffer,
    /// `[rows, C]`: the scores; the gradient of the mean with respect to them, if one is wanted.
    pub scores: Buffer,
    /// `[rows]`: to be written.
    pub row_losses: Buffer,
}

/// The scores `left · rightᵀ + bias` that a loss is taken of.
pub(super) struct Scores<'a> {
    /// `[R, D]`.
    pub left: &'a Tensor,
    /// `[C, D]`.
    pub right: &'a Tensor,
    /// `[C]`.
    pub bias: Option<&'a Tensor>,
    /// The class of each row among the C.
    pub targets: &'a Targets,
    /// Most bytes of the scores of one chunk, but for the least chunk of 64 rows.
    pub chunk_bytes: u64,
}

impl Scores<'_> {
    /// Runs `row_kernels` on each chunk in order and gives the mean loss, with the gradients of left and right where wanted.
    pub(super) fn mean_loss(
        &self,
        row_kernels: impl FnMut(&mut Chunk<'_>),
    ) -> (Tensor, [Option<Tensor>; 2]) {
        let (device, [rows, _]) = (self.left.device(), matrix(self.left));
        let row_losses = device.buffer(rows);
        let operands = [self.left, self.right];
        let mut gradients = Gradients::new(operands, operands.map(Tensor::wants_gradient));
        self.each_chunk(&row_losses, &mut gradients, row_kernels);
        (mean_of(device, &row_losses, self.targets), gradients.finish())
    }

    /// Runs `row_kernels` on each chunk in order, then the products of those gradients that are wanted.
    pub(super) fn each_chunk(
        &self,
        row_losses: &Buffer,
        gradients: &mut Gradients,
        mut row_kernels: impl FnMut(&mut Chunk<'_>),
    ) {
        let Self { left, right, bias, targets, chunk_bytes } = *self;
        let device = left.device();
        let ([rows, width], [columns, _]) = (matrix(left), matrix(right));
        let step = rows_per_chunk(device, rows, columns, chunk_bytes);
        for first in (0..rows).step_by(step.max(1)) {
            let count = step.min(rows - first);
            let part = |buffer: &Buffer, width: usize| buffer.view(first * width, count * width);
            let left = part(left.buffer(), width);
            let scores = Product::new([count, columns, width], [width, 1], [1, width]);
            let finish = bias.map_or(Finish::Plain, |bias| Finish::Bias(bias.buffer()));
            let (scores, _) = scores.run(device, &left, right.buffer(), finish);
            let mut chunk = Chunk {
                first,
                rows: count,
                continues: first > 0,
                classes: part(targets.classes(), 1),
                row_weight: targets.row_weight(),
                scores,
                row_losses: part(row_losses, 1),
            };
            row_kernels(&mut chunk);
            gradients.add(&chunk.scores, first, [&left, right.buffer()]);
        }
    }
}

/// `w·Σ` of the losses of all rows.
pub(super) fn mean_of(device: &Device, row_losses: &Buffer, targets: &Targets) -> Tensor {
    let rows = row_losses.elements();
    let mut loss = device.buffer(1);
    let params = Params { rows: rows as u32, quads: 0 };
    let mean = Forward { params, row_losses, row_weight: targets.row_weight(), loss: &mut loss };
    device.run(mean, Launch::groups([1, 1, 1]).flops(rows).words(rows));
    Tensor::new(device, [], loss)
}

/// The gradients of both operands of a product of scores, built up chunk by chunk of its rows.
pub(super) struct Gradients {
    left: Option<Tensor>,
    right: Option<Tensor>,
    width: usize,
    continues: bool,
}

impl Gradients {
    /// Memory for those that are wanted; the chunks write it.
    pub(super) fn new([left, right]: [&Tensor; 2], [to_left, to_right]: [bool; 2]) -> Self {
        let [rows, width] = matrix(left);
        let left = to_left.then(|| room_for(left, rows));
        let right = to_right.then(|| room_for(right, rows));
        Self { left, right, width, continues: false }
    }

    /// Whether none is wanted.
    pub(super) fn is_empty(&self) -> bool {
        self.left.is_none() && self.right.is_none()
    }

    /// Adds what the rows from `first` on contribute: with the gradient G of their scores, `dleft = G·right` and
    /// `dright = Gᵀ·left`, where `left` holds these rows alone.
    pub(super) fn add(&mut self, slopes: &Buffer, first: usize, [left, right]: [&Buffer; 2]) {
        let width = self.width;
        let [count, columns] = [left, right].map(|operand| operand.elements() / width.max(1));
        if let Some(dleft) = &mut self.left {
            let device = dleft.device().clone();
            let product = Product::new([count, width, columns], [columns, 1], [width, 1]);
            let mut part = dleft.buffer().view(first * width, count * width);
            product.run_into(&device, slopes, right, Finish::Plain, &mut part);
        }
        if let Some(dright) = &mut self.right {
            let device = dright.device().clone();
            let product = |rows| Product::new([rows, width, count], [1, columns], [width, 1]);
            if self.continues {
                // A share of all columns would be as large as the gradient.
                let step = SHARE_BYTES / (4 * width.max(1)) / ROW_STEP * ROW_STEP;
                let step = step.max(ROW_STEP);
                for column in (0..columns).step_by(step) {
                    let rows = step.min(columns - column);
                    let slopes = slopes.view(column, slopes.elements() - column);
                    let (share, _) = product(rows).run(&device, &slopes, left, Finish::Plain);
                    let mut part = dright.buffer().view(column * width, rows * width);
                    accumulate(&device, &share, &mut part);
                }
            } else {
                let whole = dright.buffer_mut();
                product(columns).run_into(&device, slopes, left, Finish::Plain, whole);
            }
        }
        self.continues = true;
    }

    /// Gives those of left and right.
    pub(super) fn finish(self) -> [Option<Tensor>; 2] {
        [self.left, self.right]
    }
}

/// Memory for the gradient of `parent`, if it wants one.
pub(super) fn gradient_of(parent: &Tensor, rows: usize) -> Option<Tensor> {
    parent.wants_gradient().then(|| room_for(parent, rows))
}

/// Memory for the gradient of `parent`: the chunks write it, and without rows it is zeros.
pub(super) fn room_for(parent: &Tensor, rows: usize) -> Tensor {
    let device = parent.device();
    let words = parent.shape().elements();
    let buffer = match rows {
        0 => device.upload_f32(&vec![0.0; words]),
        _ => device.buffer(words),
    };
    Tensor::new(device, parent.shape().clone(), buffer)
}

fn accumulate(device: &Device, share: &Buffer, gradient: &mut Buffer) {
    let quads = share.words().div_ceil(4);
    let params = Params { rows: 0, quads: quads as u32 };
    let kernel = Accumulate { params, share, gradient };
    device.run(kernel, Launch::lanes(quads, 256).flops(4 * quads).words(12 * quads));
}

/// Rows and width of a matrix.
#[track_caller]
pub(super) fn matrix(tensor: &Tensor) -> [usize; 2] {
    tensor.shape().axes().try_into().expect("the ops check that both operands are matrices")
}

/// As many rows as fit, evenly spread over the chunks that this makes.
pub(super) fn rows_per_chunk(
    device: &Device,
    rows: usize,
    columns: usize,
    chunk_bytes: u64,
) -> usize {
    let budget = device.limits().max_binding_bytes.min(chunk_bytes) as usize;
    let fitting = budget / (4 * columns.max(1)) / ROW_STEP * ROW_STEP;
    let fitting = fitting.clamp(ROW_STEP, MOST_ROWS);
    let chunks = rows.div_ceil(fitting).max(1);
    rows.div_ceil(chunks).next_multiple_of(ROW_STEP)
}

/// Gradients that already hold ∂L/∂parent, to be scaled by the gradient of L.
pub(super) struct Saved<const N: usize>(pub(super) [Option<Tensor>; N]);

impl<const N: usize> Backward<N> for Saved<N> {
    fn backward(self: Box<Self>, dloss: &Tensor, _: [bool; N]) -> [Option<Tensor>; N] {
        self.0.map(|gradient| {
            let mut gradient = gradient?;
            let quads = gradient.shape().elements().div_ceil(4);
            let params = Params { rows: 0, quads: quads as u32 };
            let launch = Launch::lanes(quads, 256).flops(4 * quads).words(8 * quads);
            let dloss_buffer = dloss.buffer();
            let kernel =
                BackwardKernel { params, dloss: dloss_buffer, gradient: gradient.buffer_mut() };
            dloss.device().run(kernel, launch);
            Some(gradient)
        })
    }
}
