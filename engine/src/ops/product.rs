//! How a product is launched: which kernel, how many workgroups, in how many shares of K.

use bytemuck::Zeroable;

use crate::device::{Buffer, Device, Format, Fragments, Launch, Trial};
use crate::kernels::matmul::{Params, Reduce};
use crate::kernels::{matmul, matmul_cooperative, matmul_software, matmul_vec4};

use super::Gelu;
use crate::tensor::Tensor;

/// Sizes and strides of B products op(A)·op(B), side by side. Strides are words.
#[derive(Clone, Copy, Debug)]
pub(super) struct Product {
    /// M.
    pub rows: usize,
    /// N.
    pub columns: usize,
    /// K.
    pub inner: usize,
    /// B.
    pub batches: usize,
    /// From one row of op(A) to the next, one column, one batch; a row or column stride is 1.
    pub a: [usize; 3],
    /// From one row of op(B) to the next, one column, one batch; a row or column stride is 1.
    pub b: [usize; 3],
}

/// What is applied to the sums on their way out.
pub(super) enum Finish<'a> {
    /// Nothing.
    Plain,
    /// A bias a column.
    Bias(&'a Buffer),
    /// A bias a column, then GELU.
    Gelu(&'a Buffer, Gelu),
}

/// A kernel and the size of its tiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Variant {
    /// `shaders/matmul.wgsl`, any strides; also the CPU.
    Tiled,
    /// `shaders/matmul_vec4.wgsl`, strides in multiples of 4.
    Vec4,
    /// `shaders/matmul_cooperative.wgsl`, as Vec4, on adapters with fragments of this side.
    Cooperative(usize),
    /// `shaders/matmul_software.wgsl`, for emulated GPUs with subgroups of [`EMULATED_SUBGROUP`].
    Software,
}

/// Lanes of a subgroup for which `matmul_software.wgsl` is written: 256-bit vectors of f32.
const EMULATED_SUBGROUP: u32 = 8;
/// Workgroups that fill a large GPU about once; below it, tiles get smaller and K is shared out.
const FULL: usize = 128;
/// Least share of K that one workgroup sums: below it the partial sums cost more than they gain.
const LEAST_SHARE: usize = 256;
/// Most shares of K: partial sums need that many times the memory of C.
const MOST_SHARES: usize = 16;

/// Longest K that one lane may sum on lavapipe, which leaves a loop for good after 65,535 rounds
/// (`LP_MAX_TGSI_LOOP_ITERATIONS` of Mesa's llvmpipe): a multiple of 16 below it.
pub(super) const LONGEST_LOOP: usize = 65_520;

impl Product {
    /// Sizes and strides of one product: `[M, N, K]`, words from one row and one column of op(A) to the next, and of op(B).
    pub(super) fn new([rows, columns, inner]: [usize; 3], a: [usize; 2], b: [usize; 2]) -> Self {
        Self { rows, columns, inner, batches: 1, a: [a[0], a[1], 0], b: [b[0], b[1], 0] }
    }

    /// Computes C = op(A)·op(B) and finishes it; also gives what GELU was applied to.
    pub(super) fn run(
        &self,
        device: &Device,
        a: &Buffer,
        b: &Buffer,
        finish: Finish<'_>,
    ) -> (Buffer, Option<Buffer>) {
        let mut c = device.buffer_of(a.format(), self.batches * self.rows * self.columns);
        let u = self.run_into(device, a, b, finish, &mut c);
        (c, u)
    }

    /// As [`Product::run`], into memory that the caller has. A plain product of f16s may go into f32.
    pub(super) fn run_into(
        &self,
        device: &Device,
        a: &Buffer,
        b: &Buffer,
        finish: Finish<'_>,
        c: &mut Buffer,
    ) -> Option<Buffer> {
        let plain = matches!(finish, Finish::Plain);
        let (variant, splits) = self.plan(device, a.format(), plain);
        let params = self.params(splits, &finish);
        let words = self.batches * self.rows * self.columns;
        let mut u = matches!(finish, Finish::Gelu(..)).then(|| device.buffer_of(c.format(), words));
        let mut partials = (splits > 1).then(|| device.buffer(words * splits));
        let is_wide = splits > 1 || c.format() != a.format();
        let launch = self.launch(variant, splits);
        macro_rules! forward {
            ($kernels:ident) => {{
                match (finish, &mut u) {
                    (Finish::Gelu(bias, _), Some(u)) => {
                        device.run($kernels::ForwardGelu { params, a, b, bias, c, u }, launch)
                    }
                    (Finish::Bias(bias), _) => {
                        device.run($kernels::ForwardBias { params, a, b, bias, c }, launch)
                    }
                    _ if is_wide => {
                        let wide = partials.as_mut().unwrap_or(c);
                        device.run($kernels::ForwardWide { params, a, b, wide }, launch)
                    }
                    _ => device.run($kernels::Forward { params, a, b, c }, launch),
                }
            }};
        }
        match variant {
            Variant::Tiled => forward!(matmul),
            Variant::Vec4 => forward!(matmul_vec4),
            Variant::Cooperative(_) => forward!(matmul_cooperative),
            Variant::Software => forward!(matmul_software),
        }
        if let Some(partials) = &partials {
            sum_matrices_into(device, partials, splits, c);
        }
        u
    }

    fn params(&self, splits: usize, finish: &Finish<'_>) -> Params {
        let share = self.inner.div_ceil(splits).next_multiple_of(16).max(16);
        let gelu_form = if let Finish::Gelu(_, form) = finish { form.form() } else { 0 };
        let [a_row, a_inner, a_batch] = self.a.map(|stride| stride as u32);
        let [b_inner, b_column, b_batch] = self.b.map(|stride| stride as u32);
        Params {
            rows: self.rows as u32,
            columns: self.columns as u32,
            inner: self.inner as u32,
            batches: self.batches as u32,
            a_row,
            a_inner,
            a_batch,
            b_inner,
            b_column,
            b_batch,
            chunk: share as u32,
            splits: splits as u32,
            gelu_form,
        }
    }

    /// The kernel and the number of shares of K. Only a plain product can be shared out.
    fn plan(&self, device: &Device, format: Format, plain: bool) -> (Variant, usize) {
        if device.is_cpu() {
            return (Variant::Tiled, 1);
        }
        if device.is_software() && device.limits().subgroup == Some(EMULATED_SUBGROUP) {
            let splits = self.inner.div_ceil(LONGEST_LOOP).max(1);
            assert!(
                plain || splits == 1,
                "matmul: K is {}, with a bias at most 65,520 here",
                self.inner
            );
            return (Variant::Software, splits);
        }
        let tiles = |side| self.batches * self.rows.div_ceil(side) * self.columns.div_ceil(side);
        let shares = |tiles: usize| {
            let most = (self.inner / LEAST_SHARE).clamp(1, MOST_SHARES);
            let wanted = if plain { FULL.div_ceil(tiles.max(1)).min(most) } else { 1 };
            // Shares are whole steps of 16, so fewer of them may cover K.
            self.inner.div_ceil(self.inner.div_ceil(wanted).next_multiple_of(16).max(16)).max(1)
        };
        let fills = |tiles: usize| tiles * shares(tiles) >= FULL / 2;
        if self.is_aligned() {
            let fragments = proven_fragments(device, format);
            let side = fragments.map(|fragments| fragments.side as usize);
            if let Some(side) = side.filter(|side| fills(tiles(8 * side))) {
                return (Variant::Cooperative(side), shares(tiles(8 * side)));
            }
            if fills(tiles(128)) {
                return (Variant::Vec4, shares(tiles(128)));
            }
        }
        (Variant::Tiled, shares(tiles(64)))
    }

    /// Whether every row of every operand starts at a multiple of four words.
    fn is_aligned(&self) -> bool {
        let along = |strides: [usize; 3], extents: [usize; 2]| {
            let [row, column, batch] = strides;
            let [extent, line] = if column == 1 { [extents[1], row] } else { [extents[0], column] };
            [extent, line, batch].iter().all(|words| words.is_multiple_of(4))
        };
        along(self.a, [self.rows, self.inner])
            && along(self.b, [self.inner, self.columns])
            && self.columns.is_multiple_of(4)
    }

    #[track_caller]
    fn launch(&self, variant: Variant, splits: usize) -> Launch {
        let side = match variant {
            Variant::Vec4 => 128,
            Variant::Cooperative(side) => 8 * side,
            Variant::Tiled | Variant::Software => 64,
        };
        let groups = [self.columns.div_ceil(side), self.rows.div_ceil(side), self.batches * splits];
        assert!(
            groups.iter().all(|&count| count <= Launch::MAX_GROUPS as usize),
            "matmul: {self:?} needs {groups:?} workgroups, at most {} along an axis",
            Launch::MAX_GROUPS
        );
        let outputs = self.batches * self.rows * self.columns;
        let inputs = self.batches * self.inner * (self.rows + self.columns);
        Launch::groups(groups.map(|count| count as u32))
            .flops(2 * outputs * self.inner)
            .words(inputs + outputs * splits)
    }
}

/// The fragments of `format` that `device` multiplies rightly to the last bit: whole numbers, ragged tiles, a K of two steps
/// and a half.
fn proven_fragments(device: &Device, format: Format) -> Option<Fragments> {
    let number = |seed: usize| move |at: usize| ((at * 37 + at / 11 * seed) % 7) as f32 - 3.0;
    let (a_at, b_at) = (number(5), number(3));
    let sides = |side: usize| [8 * side + 4, 8 * side + 12, 5 * side];
    let launch = |fragments: Fragments| {
        let side = fragments.side as usize;
        let [rows, columns, inner] = sides(side);
        let operand = |words: usize, at: &dyn Fn(usize) -> f32| {
            let values: Vec<f32> = (0..words).map(at).collect();
            super::cast(&Tensor::f32(device, [words], &values), format)
        };
        let (a, b) = (operand(rows * inner, &a_at), operand(inner * columns, &b_at));
        let product = Product::new([rows, columns, inner], [inner, 1], [columns, 1]);
        let mut wide = device.buffer(rows * columns);
        let launch = product.launch(Variant::Cooperative(side), 1);
        let params = product.params(1, &Finish::Plain);
        let (a, b) = (a.buffer(), b.buffer());
        device.run(matmul_cooperative::ForwardWide { params, a, b, wide: &mut wide }, launch);
        (side, wide)
    };
    let judge = |(side, wide): (usize, Buffer)| {
        let [_, columns, inner] = sides(side);
        let sum = |at: usize| -> f32 {
            let (row, column) = (at / columns, at % columns);
            (0..inner).map(|k| a_at(row * inner + k) * b_at(k * columns + column)).sum()
        };
        let found = device.read_f32(&wide);
        found.iter().enumerate().all(|(at, &value)| value == sum(at))
    };
    device.fragments(Trial::Matmul, format, launch, judge)
}

/// The sum of `count` matrices of `words` each that lie one after another, in order.
pub(super) fn sum_matrices(
    device: &Device,
    matrices: &Buffer,
    count: usize,
    words: usize,
) -> Buffer {
    let mut c = device.buffer(words);
    sum_matrices_into(device, matrices, count, &mut c);
    c
}

fn sum_matrices_into(device: &Device, matrices: &Buffer, count: usize, c: &mut Buffer) {
    let words = c.elements();
    let params = Params {
        rows: 1,
        columns: words as u32,
        batches: 1,
        splits: count as u32,
        ..Params::zeroed()
    };
    let launch =
        Launch::lanes(words, 256).flops(words * count.saturating_sub(1)).words(words * (count + 1));
    device.run(Reduce { params, wide: matrices, c }, launch);
}

#[cfg(test)]
mod tests {
    use super::proven_fragments;
    use crate::device::Format;
    use crate::testing::devices;

    #[test]
    fn listed_fragments_multiply() {
        for device in devices() {
            for format in [Format::Word, Format::Half] {
                if let Some(listed) = device.listed_fragments(format) {
                    let proven = proven_fragments(&device, format);
                    assert_eq!(proven, Some(listed), "{device:?} {format:?}");
                }
            }
        }
    }
}
