//! A text as weights over the vocabulary: for each entry the largest logit of its tokens.

use super::product::{Finish, LONGEST_LOOP, Product};
use crate::device::{Buffer, Device, Launch};
use crate::kernels::token_max_pool::{
    BackwardBias, BackwardHidden, BackwardWeight, Count, Fill, Forward, Params, Scan,
};
use crate::tensor::{Backward, Tensor};

/// The maxima, and where they were found.
pub struct MaxPooled {
    /// `[B, V]`: z, differentiable.
    pub values: Tensor,
    /// u32 `[B, V]`: the token of each maximum, the lowest of equal ones; `u32::MAX` in a text that shows no token.
    pub positions: Tensor,
}

/// Most bytes of logits at a time: enough rows that the product runs at full speed.
const CHUNK_BYTES: u64 = 64 << 20;
/// Chunks start at multiples of 64 rows, so that every view of them is aligned for binding.
const ROW_STEP: usize = 64;
/// Lanes of a workgroup of the kernels.
const LANES: u32 = 64;

/// Gives the largest logit of each vocabulary entry over the tokens of a text: `z_bv = max_t (h_bt·w_v + bias_v)`.
///
/// Logits exist for a chunk of tokens at a time, at most 64 MiB of them, or 64 tokens' if these are more, never `[B, T, V]`.
/// What follows the maximum and is monotone, such as SPLADE's log(1 + relu(z)), costs nothing more for coming after it. A text
/// of which nothing is visible has 0 everywhere and passes no gradient.
///
/// Hidden states, weight and bias must be finite, which is not checked. A NaN at the first visible token stays and takes the
/// gradient; a later one loses every comparison and is passed over in silence. WGSL does not promise a device even that.
///
/// # Shapes
/// `hidden: [B, T, H]`, `weight: [V, H]`, `bias: [V]`, `visible`: u32 `[B, T]`, 0 where a token does not count (padding,
/// `[SEP]`, masked tokens) → both `[B, V]`.
///
/// # Gradients
/// Flows to hidden, weight and bias through the positions alone, B·V·H multiply-adds each; entries whose upstream gradient
/// is 0 cost nothing. Keeps hidden, weight and the positions.
///
/// # Panics
/// If a shape does not fit, or texts have no token; on a software adapter, if there are more than 65,520 texts or entries.
///
/// # Example
/// SPLADE's weights of a text, and the score of a query as an inner product:
/// ```
/// use wgrad_engine::ops::{Transpose, log1p_relu, matmul, token_max_pool};
/// use wgrad_engine::{Device, Tensor};
///
/// let device = Device::cpu();
/// let hidden = Tensor::f32(&device, [2, 2, 1], &[1.0, 2.0, 3.0, 9.0]); // [B, T, H]
/// let weight = Tensor::f32(&device, [3, 1], &[1.0, -1.0, 0.5]); // [V, H]
/// let visible = Tensor::u32(&device, [2, 2], &[1, 1, 1, 0]);
/// let splade = |hidden: &Tensor| log1p_relu(&token_max_pool(hidden, &weight, None, &visible).values);
/// let texts = splade(&hidden); // [B, V]: ln 3 and ln 2, ln 4 and ln 2.5
/// assert!(texts.to_f32()[1] == 0.0 && (texts.to_f32()[2] - 2_f32.ln()).abs() < 1e-6);
/// let scores = matmul(&texts, &texts, Transpose::Right); // [B, B]
/// assert_eq!(scores.shape().axes(), [2, 2]);
/// ```
///
/// # Source
/// Kernels `shaders/token_max_pool.wgsl` and `matmul.wgsl`; Formal et al. 2021, arXiv:2107.05720, eq. 1.
#[track_caller]
pub fn token_max_pool(
    hidden: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    visible: &Tensor,
) -> MaxPooled {
    let [vocabulary, width] = weight.expect_matrix("token_max_pool: weight");
    let &[documents, tokens, channels] = hidden.shape().axes() else {
        panic!("token_max_pool: hidden is {}, expected [B, T, H]", hidden.shape())
    };
    assert!(tokens > 0, "token_max_pool: hidden is {}, expected a token at least", hidden.shape());
    weight.expect_shape("token_max_pool: weight", &[vocabulary, channels]);
    visible.expect_shape("token_max_pool: visible", &[documents, tokens]);
    if let Some(bias) = bias {
        bias.expect_shape("token_max_pool: bias", &[vocabulary]);
    }
    let device = hidden.device();
    assert!(
        !device.is_software() || vocabulary.max(documents) <= LONGEST_LOOP,
        "token_max_pool: {documents} texts and {vocabulary} entries, expected at most {LONGEST_LOOP} of each on a software adapter, \
         whose loops end there; Device::cpu() takes any"
    );
    let whole = Params {
        documents: documents as u32,
        tokens: tokens as u32,
        channels: width as u32,
        vocabulary: vocabulary as u32,
        first: 0,
        rows: 0,
    };
    let words = documents * vocabulary;
    let (mut z, mut positions) = (device.buffer_of_parts(words), device.buffer(words));
    let rows = documents * tokens;
    let step = rows_per_chunk(device, rows, vocabulary);
    for first in (0..rows).step_by(step.max(1)) {
        let count = step.min(rows - first);
        let part = hidden.buffer().view(first * channels, count * channels);
        let product = Product::new([count, vocabulary, channels], [channels, 1], [1, channels]);
        let finish = bias.map_or(Finish::Plain, |bias| Finish::Bias(bias.buffer()));
        let (logits, _) = product.run(device, &part, weight.buffer(), finish);
        let touched = (first + count).div_ceil(tokens) - first / tokens;
        let params = Params { first: first as u32, rows: count as u32, ..whole };
        let kernel = Forward {
            params,
            logits: &logits,
            visible: visible.buffer(),
            z: &mut z,
            positions: &mut positions,
        };
        let elements = count * vocabulary;
        let launch = Launch::lanes(touched * vocabulary, LANES).flops(elements).words(elements);
        device.run(kernel, launch);
    }
    let saved = Saved {
        params: whole,
        hidden: hidden.detach(),
        weight: weight.detach(),
        positions: positions.clone(),
    };
    let values = Tensor::new(device, [documents, vocabulary], z);
    let values = match bias {
        Some(bias) => values.record("token_max_pool", [hidden, weight, bias], saved),
        None => values.record("token_max_pool", [hidden, weight], saved),
    };
    MaxPooled { values, positions: Tensor::new(device, [documents, vocabulary], positions) }
}

/// As many rows as fit, evenly spread over the chunks that this makes.
fn rows_per_chunk(device: &Device, rows: usize, vocabulary: usize) -> usize {
    let budget = device.limits().max_binding_bytes.min(CHUNK_BYTES) as usize;
    let fitting = (budget / (4 * vocabulary.max(1)) / ROW_STEP * ROW_STEP).max(ROW_STEP);
    let chunks = rows.div_ceil(fitting).max(1);
    rows.div_ceil(chunks).next_multiple_of(ROW_STEP)
}

/// The operands, and where each maximum was found.
struct Saved {
    params: Params,
    hidden: Tensor,
    weight: Tensor,
    positions: Buffer,
}

impl Saved {
    fn sizes(&self) -> [usize; 4] {
        let Params { documents, tokens, channels, vocabulary, .. } = self.params;
        [documents, tokens, channels, vocabulary].map(|n| n as usize)
    }

    fn to_hidden(&self, dz: &Tensor) -> Tensor {
        let [documents, tokens, channels, vocabulary] = self.sizes();
        let (device, params) = (dz.device(), self.params);
        let mut starts = device.buffer(documents * (tokens + 1));
        let mut entries = device.buffer(documents * vocabulary);
        let (positions, slopes, scanned) =
            (&self.positions, dz.buffer(), documents * tokens * vocabulary);
        let count = Count { params, positions, dz: slopes, starts: &mut starts };
        device.run(count, Launch::rows(documents * tokens).words(scanned));
        let scan = Scan { params, starts: &mut starts };
        device.run(scan, Launch::lanes(documents, LANES).words(2 * documents * tokens));
        let fill = Fill { params, positions, dz: slopes, starts: &starts, entries: &mut entries };
        device.run(fill, Launch::rows(documents * tokens).words(2 * scanned));
        let mut dhidden = device.buffer(documents * tokens * channels);
        let kernel = BackwardHidden {
            params,
            dz: dz.buffer(),
            weight: self.weight.buffer(),
            starts: &starts,
            entries: &entries,
            dhidden: &mut dhidden,
        };
        let work = documents * vocabulary * channels;
        let blocks = documents * tokens * channels.div_ceil(LANES as usize);
        device.run(kernel, Launch::rows(blocks).flops(2 * work).words(work));
        Tensor::new(device, [documents, tokens, channels], dhidden)
    }

    fn to_weight(&self, dz: &Tensor) -> Tensor {
        let [documents, _, channels, vocabulary] = self.sizes();
        let device = dz.device();
        let mut dweight = device.buffer(vocabulary * channels);
        let kernel = BackwardWeight {
            params: self.params,
            positions: &self.positions,
            dz: dz.buffer(),
            hidden: self.hidden.buffer(),
            dweight: &mut dweight,
        };
        let work = documents * vocabulary * channels;
        let launch = Launch::lanes(vocabulary * channels, LANES).flops(2 * work).words(work);
        device.run(kernel, launch);
        Tensor::new(device, [vocabulary, channels], dweight)
    }

    fn to_bias(&self, dz: &Tensor) -> Tensor {
        let [documents, _, _, vocabulary] = self.sizes();
        let device = dz.device();
        let mut dbias = device.buffer(vocabulary);
        let kernel = BackwardBias {
            params: self.params,
            positions: &self.positions,
            dz: dz.buffer(),
            dbias: &mut dbias,
        };
        let work = documents * vocabulary;
        device.run(kernel, Launch::lanes(vocabulary, LANES).flops(work).words(2 * work));
        Tensor::new(device, [vocabulary], dbias)
    }
}

impl Backward<2> for Saved {
    fn backward(self: Box<Self>, dz: &Tensor, wants: [bool; 2]) -> [Option<Tensor>; 2] {
        [wants[0].then(|| self.to_hidden(dz)), wants[1].then(|| self.to_weight(dz))]
    }
}

impl Backward<3> for Saved {
    fn backward(self: Box<Self>, dz: &Tensor, wants: [bool; 3]) -> [Option<Tensor>; 3] {
        let dhidden = wants[0].then(|| self.to_hidden(dz));
        let dweight = wants[1].then(|| self.to_weight(dz));
        [dhidden, dweight, wants[2].then(|| self.to_bias(dz))]
    }
}
