//! What attention reads, and its forward.

use super::variant::{Variant, run};
use crate::device::{Buffer, Device, Format, Launch};
use crate::kernels::attention::{self as tiled, Constants, Params};
use crate::kernels::{attention_cooperative, attention_software};
use crate::ops::cast::converted;
use crate::ops::visibility::Visibility;
use crate::random::{Dropout, dropout_threshold};
use crate::tensor::Tensor;

/// What any weight can be made of, and by which kernels.
pub(super) struct Inputs {
    pub params: Params,
    pub variant: Variant,
    pub q: Buffer,
    pub k: Buffer,
    pub v: Buffer,
    pub lengths: Buffer,
    pub bits: Buffer,
    pub key: Buffer,
}

impl Inputs {
    /// Of q, k and v.
    ///
    /// # Panics
    /// As [`attention`](super::attention).
    #[track_caller]
    pub fn new(
        [q, k, v]: [&Tensor; 3],
        visibility: &Visibility,
        dropout: Option<&Dropout>,
        variant: Variant,
    ) -> Self {
        let &[batch, queries, heads, width] = q.shape().axes() else {
            panic!("attention: q is {}, expected [B, T, A, D]", q.shape());
        };
        let keys = *k.shape().axes().get(1).unwrap_or(&0);
        k.expect_shape("attention: k", &[batch, keys, heads, width]);
        v.expect_shape("attention: v", &[batch, keys, heads, width]);
        assert!(
            width % 4 == 0 && (4..=128).contains(&width),
            "attention: a head has {width} channels, expected a multiple of 4 up to 128"
        );
        assert!(
            queries > 0 && keys > 0,
            "attention: q is {} and k {}, expected a token in each",
            q.shape(),
            k.shape()
        );
        visibility.expect_fit("attention", batch, queries, keys);
        let device = q.device();
        let params = Params {
            batch: batch as u32,
            queries: queries as u32,
            keys: keys as u32,
            heads: heads as u32,
            width: width as u32,
            scale: 1.0 / (width as f32).sqrt(),
            causal: visibility.causal.into(),
            has_lengths: visibility.lengths.is_some().into(),
            has_bits: visibility.bits.is_some().into(),
            threshold: dropout.map_or(0, |dropout| dropout_threshold(dropout.probability)),
            keep_scale: dropout.map_or(1.0, |dropout| 1.0 / (1.0 - dropout.probability)),
            site: dropout.map_or(0, |dropout| dropout.site),
            first_row: dropout.map_or(0, |dropout| dropout.first_row),
        };
        // What is absent is never read; anything may stand in its place.
        let or_any = |tensor: Option<&Tensor>| {
            tensor.map_or_else(|| device.buffer(2), |tensor| tensor.buffer().clone())
        };
        let lengths = or_any(visibility.lengths.as_ref());
        let bits = or_any(visibility.bits.as_ref());
        let key = or_any(dropout.map(|dropout| &dropout.key));

        let [q, k, v] = [q, k, v].map(|tensor| tensor.buffer().clone());
        Self { params, variant, q, k, v, lengths, bits, key }
    }

    /// The same in f32, where they are f16 and the variant adds up in the memory of its results.
    pub fn widened(&self, device: &Device) -> Option<Self> {
        let takes = self.variant != Variant::Software || self.q.format() == Format::Word;
        let wide = |buffer| converted(device, buffer, Format::Word);
        (!takes).then(|| Self {
            q: wide(&self.q),
            k: wide(&self.k),
            v: wide(&self.v),
            lengths: self.lengths.clone(),
            bits: self.bits.clone(),
            key: self.key.clone(),
            ..*self
        })
    }

    /// y, and L of every row.
    pub fn forward(&self, device: &Device) -> (Buffer, Buffer) {
        if let Some(wide) = self.widened(device) {
            let (y, lse) = wide.forward(device);
            return (converted(device, &y, Format::Half), lse);
        }
        let Self { params, variant, q, k, v, lengths, bits, key } = self;
        let [batch, queries, _, heads, _] = self.extents();
        let mut y = device.buffer_like(q);
        let mut lse = device.buffer(batch * heads * queries);
        let launch = self
            .tiles(queries)
            .flops(2 * self.product())
            .words(2 * q.elements() + 2 * k.elements());
        run!(
            device,
            variant,
            launch,
            tiled
                | attention_software
                | attention_cooperative::Forward {
                    params: *params,
                    constants: Constants { chunks: variant.forward_chunks(params) },
                    q,
                    k,
                    v,
                    lengths,
                    bits,
                    key,
                    y: &mut y,
                    lse: &mut lse,
                }
        );
        (y, lse)
    }

    /// [B, T, S, A, D].
    pub fn extents(&self) -> [usize; 5] {
        let Params { batch, queries, keys, heads, width, .. } = self.params;
        [batch, queries, keys, heads, width].map(|n| n as usize)
    }

    /// FLOPs of one product of `[T, D]` with `[D, S]` for every item and head.
    pub fn product(&self) -> usize {
        2 * self.extents().iter().product::<usize>()
    }

    /// One workgroup per tile of `rows`, block of channels, head and item.
    pub fn tiles(&self, rows: usize) -> Launch {
        let [batch, _, _, heads, width] = self.extents();
        let (tile, blocks) = (self.variant.tile_rows(), self.variant.blocks(width));
        Launch::groups([rows.div_ceil(tile), heads * blocks, batch].map(|count| count as u32))
    }
}
