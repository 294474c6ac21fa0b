//! Which keys each query of attention may see.

use crate::device::Device;
use crate::tensor::Tensor;

/// Which columns (keys) each row (query) of attention sees: the conjunction of what was asked for.
///
/// The same for every head. Made once a batch and shared by all layers; a row may see nothing, its output is then 0.
///
/// ```
/// # use wgrad_engine::{Device, ops::Visibility};
/// let device = Device::cpu();
/// let padded = Visibility::all().and_lengths(&device, &[7, 3]); // item 1 has three tokens
/// let generated = padded.and_causal();
/// ```
#[derive(Clone, Debug, Default)]
pub struct Visibility {
    /// `[B]`: columns 0 .. length.
    pub(crate) lengths: Option<Tensor>,
    /// The largest of `lengths`.
    pub(crate) longest: u32,
    /// Row i sees columns j ≤ i + S − T: the last row sees everything.
    pub(crate) causal: bool,
    /// `[B, T, ⌈S/32⌉]`: bit j % 32 of word j / 32.
    pub(crate) bits: Option<Tensor>,
}

impl Visibility {
    /// Every row sees every column.
    pub fn all() -> Self {
        Self::default()
    }

    /// Item b sees columns 0 .. `lengths[b]` only: the rest is padding.
    #[must_use]
    pub fn and_lengths(self, device: &Device, lengths: &[u32]) -> Self {
        let longest = lengths.iter().copied().max().unwrap_or(0);
        let lengths = Some(Tensor::u32(device, [lengths.len()], lengths));
        Self { lengths, longest, ..self }
    }

    /// Row i of T sees columns j ≤ i + S − T of S only: none of its future.
    #[must_use]
    pub fn and_causal(self) -> Self {
        Self { causal: true, ..self }
    }

    /// Row i of item b sees column j only if bit j % 32 of `words[b, i, j / 32]` is set.
    ///
    /// # Shapes
    /// `words: [batch, queries, ⌈keys/32⌉]`, of which bits past `keys` are ignored.
    ///
    /// # Panics
    /// If `words` has another length.
    #[must_use]
    #[track_caller]
    pub fn and_bits(
        self,
        device: &Device,
        [batch, queries, keys]: [usize; 3],
        words: &[u32],
    ) -> Self {
        let shape = [batch, queries, keys.div_ceil(32)];
        let expected: usize = shape.iter().product();
        assert!(
            words.len() == expected,
            "visibility: {} words for {shape:?}, expected {expected}",
            words.len()
        );
        Self { bits: Some(Tensor::u32(device, shape, words)), ..self }
    }

    /// Panics at the caller of `op` unless this fits `batch` items of `queries` rows and `keys` columns.
    #[track_caller]
    pub(crate) fn expect_fit(&self, op: &str, batch: usize, queries: usize, keys: usize) {
        if let Some(lengths) = &self.lengths {
            lengths.expect_shape(&format!("{op}: lengths"), &[batch]);
            let longest = self.longest;
            assert!(
                longest as usize <= keys,
                "{op}: a length is {longest}, expected at most the {keys} keys"
            );
        }
        if let Some(bits) = &self.bits {
            bits.expect_shape(&format!("{op}: bits"), &[batch, queries, keys.div_ceil(32)]);
        }
    }
}
