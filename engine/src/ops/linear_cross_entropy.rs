//! The loss over a large vocabulary, without the logits of all tokens ever lying in memory.

use super::Targets;
use super::fused_loss::{CHUNK_BYTES, Chunk, Gradients, Saved, Scores, gradient_of, room_for};
use crate::device::{Buffer, Launch};
use crate::kernels::linear_cross_entropy::{BackwardBias, BackwardLogits, Forward, Params};
use crate::tensor::{Backward, Tensor};

/// Gives the mean cross-entropy of softmax(`hidden · weightᵀ + bias`) against `targets`, over the rows that count.
///
/// The logits exist for a chunk of rows at a time, at most 64 MiB of them, or 64 rows if these are more. Where a gradient is
/// wanted, it is computed along with the loss; under [`no_grad`](crate::tensor::no_grad) only the loss is. If no row counts,
/// the loss and all gradients are 0.
///
/// # Shapes
/// `hidden: [R, H]`, `weight: [V, H]`, `bias: [V]`, R targets among V → `[]`.
///
/// # Gradients
/// Flows to hidden, weight and bias: with `G = (softmax − onehot) / counted rows`, `dhidden = G·weight`,
/// `dweight = Gᵀ·hidden`, `dbias = Σ_rows G`. Keeps exactly these.
///
/// # Panics
/// If a shape does not fit.
///
/// # Source
/// Kernels `shaders/linear_cross_entropy.wgsl`, `fused_loss.wgsl` and `matmul.wgsl`; Hsu et al. 2024 (Liger Kernel),
/// arXiv:2410.10989, §3.2.
#[track_caller]
pub fn linear_cross_entropy(
    hidden: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    targets: &Targets,
) -> Tensor {
    linear_cross_entropy_smoothed(hidden, weight, bias, targets, 0.0)
}

/// As [`linear_cross_entropy`], against targets of which the share `smoothing` is spread evenly over all classes.
///
/// `ℓ = −(1 − ε)·log p_t − ε·mean_v log p_v`: a model that is never quite sure. Rows that are ignored have no part in it.
///
/// # Shapes
/// As there.
///
/// # Gradients
/// As there, with `(1 − ε)·onehot + ε / V` for `onehot`.
///
/// # Panics
/// If a shape does not fit, or `smoothing` is not in [0, 1].
///
/// # Source
/// Szegedy et al. 2016, arXiv:1512.00567, §7; `label_smoothing` of `torch.nn.functional.cross_entropy`.
#[track_caller]
pub fn linear_cross_entropy_smoothed(
    hidden: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    targets: &Targets,
    smoothing: f32,
) -> Tensor {
    let head = Head { hidden, weight, bias, targets, smoothing, chunk_bytes: CHUNK_BYTES };
    head.check("linear_cross_entropy");
    head.mean()
}

/// Gives the cross-entropy of each row: what [`linear_cross_entropy_smoothed`] takes the mean of.
///
/// For losses that weigh or choose among rows. What arrives for each row is known in backward alone, so there the logits
/// are computed again, chunk by chunk: a fourth product, and nothing of the size of the vocabulary is kept.
///
/// # Shapes
/// `hidden: [R, H]`, `weight: [V, H]`, `bias: [V]`, R targets among V → `[R]`; 0 where a target is ignored.
///
/// # Gradients
/// Flows to hidden, weight and bias: with `G_r = (softmax − target)·dℓ_r`, `dhidden = G·weight`, `dweight = Gᵀ·hidden`,
/// `dbias = Σ_rows G`. Keeps the three operands.
///
/// # Panics
/// If a shape does not fit, or `smoothing` is not in [0, 1].
///
/// # Source
/// As [`linear_cross_entropy_smoothed`].
#[track_caller]
pub fn linear_cross_entropy_rows(
    hidden: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    targets: &Targets,
    smoothing: f32,
) -> Tensor {
    let head = Head { hidden, weight, bias, targets, smoothing, chunk_bytes: CHUNK_BYTES };
    head.check("linear_cross_entropy_rows");
    head.rows()
}

/// A loss over a vocabulary, and how it is computed.
struct Head<'a> {
    hidden: &'a Tensor,
    weight: &'a Tensor,
    bias: Option<&'a Tensor>,
    targets: &'a Targets,
    smoothing: f32,
    chunk_bytes: u64,
}

impl Head<'_> {
    #[track_caller]
    fn check(&self, op: &str) {
        let [_, width] = self.weight.expect_matrix(&format!("{op}: weight"));
        let vocabulary = self.targets.class_count();
        self.weight.expect_shape(&format!("{op}: weight"), &[vocabulary, width]);
        self.hidden.expect_shape(&format!("{op}: hidden"), &[self.targets.rows(), width]);
        if let Some(bias) = self.bias {
            bias.expect_shape(&format!("{op}: bias"), &[vocabulary]);
        }
        let smoothing = self.smoothing;
        assert!((0.0..=1.0).contains(&smoothing), "{op}: smoothing is {smoothing}, not in [0, 1]");
    }

    fn scores(&self) -> Scores<'_> {
        let Self { hidden, weight, bias, targets, chunk_bytes, .. } = *self;
        Scores { left: hidden, right: weight, bias, targets, chunk_bytes }
    }

    fn mean(&self) -> Tensor {
        let Self { hidden, weight, bias, targets, .. } = *self;
        let mut parents = [Some(hidden), Some(weight), bias].into_iter().flatten();
        let wants_gradient = parents.any(Tensor::wants_gradient);
        let mut dbias = bias.and_then(|bias| gradient_of(bias, targets.rows()));
        let (loss, [dhidden, dweight]) = self.scores().mean_loss(|chunk| {
            let one = RowWeights::One(chunk.row_weight);
            self.row_kernels(chunk, wants_gradient.then_some(one), &mut dbias);
        });
        match bias {
            Some(bias) => {
                let saved = Saved([dhidden, dweight, dbias]);
                loss.record("linear_cross_entropy", [hidden, weight, bias], saved)
            }
            None => {
                loss.record("linear_cross_entropy", [hidden, weight], Saved([dhidden, dweight]))
            }
        }
    }

    fn rows(&self) -> Tensor {
        let Self { hidden, weight, bias, targets, smoothing, chunk_bytes } = *self;
        let (device, rows) = (hidden.device(), targets.rows());
        let row_losses = device.buffer(rows);
        let mut none = Gradients::new([hidden, weight], [false; 2]);
        self.scores().each_chunk(&row_losses, &mut none, |chunk| {
            self.row_kernels(chunk, None, &mut None);
        });
        let losses = Tensor::new(device, [rows], row_losses);
        let saved = Again {
            hidden: hidden.detach(),
            weight: weight.detach(),
            bias: bias.map(Tensor::detach),
            targets: targets.clone(),
            smoothing,
            chunk_bytes,
        };
        match bias {
            Some(bias) => losses.record("linear_cross_entropy_rows", [hidden, weight, bias], saved),
            None => losses.record("linear_cross_entropy_rows", [hidden, weight], saved),
        }
    }

    /// The losses of a chunk; with `weights`, the gradient of their weighted sum in place of the logits, and in `dbias`.
    fn row_kernels(
        &self,
        chunk: &mut Chunk<'_>,
        weights: Option<RowWeights<'_>>,
        dbias: &mut Option<Tensor>,
    ) {
        let (device, vocabulary) = (self.hidden.device(), self.targets.class_count());
        let elements = chunk.rows * vocabulary;
        let params = Params {
            rows: chunk.rows as u32,
            vocabulary: vocabulary as u32,
            accumulates: u32::from(chunk.continues),
            weights: u32::from(matches!(weights, Some(RowWeights::Each(_)))),
            smoothing: self.smoothing,
        };
        let (mut row_max, mut row_sum) = (device.buffer(chunk.rows), device.buffer(chunk.rows));
        let forward = Forward {
            params,
            targets: &chunk.classes,
            logits: &chunk.scores,
            row_max: &mut row_max,
            row_sum: &mut row_sum,
            row_losses: &mut chunk.row_losses,
        };
        device.run(forward, Launch::rows(chunk.rows).flops(4 * elements).words(elements));
        let Some(RowWeights::One(row_weight) | RowWeights::Each(row_weight)) = weights else {
            return;
        };
        let backward = BackwardLogits {
            params,
            targets: &chunk.classes,
            row_weight,
            row_max: &row_max,
            row_sum: &row_sum,
            logits: &mut chunk.scores,
        };
        device.run(backward, Launch::rows(chunk.rows).flops(4 * elements).words(2 * elements));
        if let Some(dbias) = dbias {
            let sums = BackwardBias { params, logits: &chunk.scores, dbias: dbias.buffer_mut() };
            device.run(sums, Launch::lanes(vocabulary, 256).flops(elements).words(elements));
        }
    }
}

/// What the losses of a chunk are weighted with.
enum RowWeights<'a> {
    /// `[1]`.
    One(&'a Buffer),
    /// `[rows]`.
    Each(&'a Buffer),
}

/// The operands, from which backward computes the logits again.
struct Again {
    hidden: Tensor,
    weight: Tensor,
    bias: Option<Tensor>,
    targets: Targets,
    smoothing: f32,
    chunk_bytes: u64,
}

impl Again {
    fn gradients(
        &self,
        dlosses: &Tensor,
        [to_hidden, to_weight, to_bias]: [bool; 3],
    ) -> [Option<Tensor>; 3] {
        let Self { hidden, weight, bias, targets, smoothing, chunk_bytes } = self;
        let head = Head {
            hidden,
            weight,
            bias: bias.as_ref(),
            targets,
            smoothing: *smoothing,
            chunk_bytes: *chunk_bytes,
        };
        let rows = targets.rows();
        let mut gradients = Gradients::new([hidden, weight], [to_hidden, to_weight]);
        let wanted = bias.as_ref().filter(|_| to_bias);
        let mut dbias = wanted.map(|bias| room_for(bias, rows));
        let row_losses = dlosses.device().buffer(rows);
        head.scores().each_chunk(&row_losses, &mut gradients, |chunk| {
            let weights = dlosses.buffer().view(chunk.first, chunk.rows);
            head.row_kernels(chunk, Some(RowWeights::Each(&weights)), &mut dbias);
        });
        let [dhidden, dweight] = gradients.finish();
        [dhidden, dweight, dbias]
    }
}

impl Backward<2> for Again {
    fn backward(self: Box<Self>, dlosses: &Tensor, wants: [bool; 2]) -> [Option<Tensor>; 2] {
        let [dhidden, dweight, _] = self.gradients(dlosses, [wants[0], wants[1], false]);
        [dhidden, dweight]
    }
}

impl Backward<3> for Again {
    fn backward(self: Box<Self>, dlosses: &Tensor, wants: [bool; 3]) -> [Option<Tensor>; 3] {
        self.gradients(dlosses, wants)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_close, devices, normal, wide};

    /// 150 rows in chunks of 64, 64 and 22 give what one chunk gives.
    #[test]
    fn chunks_add_up_to_the_whole() {
        let (rows, width, vocabulary) = (150, 12, 70);
        let classes: Vec<u32> = (0..rows as u32)
            .map(|row| if row % 4 == 1 { Targets::IGNORE } else { row * 7 % vocabulary as u32 })
            .collect();
        for device in devices() {
            let leaf = |shape: &[usize], seed| {
                let values = normal(shape.iter().product(), seed);
                Tensor::f32(&device, shape, &values).tracked()
            };
            let leaves =
                [leaf(&[rows, width], 1), leaf(&[vocabulary, width], 2), leaf(&[vocabulary], 3)];
            let targets = Targets::new(&device, &classes, vocabulary);
            let upstream = Tensor::f32(&device, [rows], &normal(rows, 4));
            let run = |chunk_bytes| {
                let [hidden, weight, bias] = &leaves;
                let bias = Some(bias);
                let head =
                    Head { hidden, weight, bias, targets: &targets, smoothing: 0.1, chunk_bytes };
                let (mean, each) = (head.mean(), head.rows());
                let gradients = [mean.backward(), each.backward_with(&upstream)];
                let of = |leaf| gradients.each_ref().map(|all| all.get(leaf).map(Tensor::to_f32));
                (vec![mean.to_f32(), each.to_f32()], leaves.each_ref().map(of))
            };
            let (whole, chunked) = (run(CHUNK_BYTES), run(1));
            let context = format!("{device:?}");
            for (chunked, whole) in chunked.0.iter().zip(&whole.0) {
                assert_close(chunked, &wide(whole), 1e-7, &context);
            }
            for (chunked, whole) in chunked.1.iter().flatten().zip(whole.1.iter().flatten()) {
                let [chunked, whole] =
                    [chunked, whole].map(|of| of.as_ref().expect("all three are tracked"));
                assert_close(chunked, &wide(whole), 1e-6, &context);
            }
        }
    }
}
