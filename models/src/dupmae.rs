//! DupMAE (Liu et al. 2023, RetroMAE-2, arXiv:2305.02564): RetroMAE whose other tokens must work too: what the
//! vocabulary says of them, at its largest, has to name the words of the sentence.
//!
//! Follows the authors' code (staoxiao/RetroMAE at ee37587, `src/pretrain/modeling_duplex.py`) where it differs from the
//! paper; each difference is a choice in [`Projection`] and [`Pooled`].

use wgrad_engine::device::Format;
use wgrad_engine::weights::Declarations;
use wgrad_engine::{Tensor, ops};

use crate::bert::{Config, MlmHead};
use crate::layers::Linear;
use crate::retromae::{DecoderQuery, Decoding, RetroMae};

/// How a token's state becomes numbers over the vocabulary.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Projection {
    /// The head of masked language modelling, as the authors' code: no parameter of its own.
    #[default]
    MlmHead,
    /// Wᴼ, a linear map of its own, as the paper; stands under `ot_projection.`.
    Own,
}

/// Which tokens the maximum is taken over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pooled {
    /// Every token but `[CLS]`: `[SEP]` and masked tokens too, as the authors' code.
    #[default]
    All,
    /// The words of the sentence, masked or not.
    Ordinary,
    /// The words that are not to be guessed, as the paper.
    Unmasked,
}

/// RetroMAE, and the map from tokens to the vocabulary.
pub struct DupMae {
    /// The encoder, its head and the decoder.
    pub retromae: RetroMae,
    projection: Option<Linear>,
}

impl DupMae {
    /// Declares RetroMAE's parameters, and those of the projection where it has its own.
    pub fn declare(
        d: &mut Declarations,
        config: Config,
        query: DecoderQuery,
        projection: Projection,
    ) -> Self {
        let retromae = RetroMae::declare(d, config, query, Decoding::Enhanced);
        let c = &retromae.encoder.bert.config;
        let sizes = [c.hidden_size, c.vocab_size];
        let projection = (projection == Projection::Own)
            .then(|| Linear::declare(d, "ot_projection", sizes, c.initializer_range));
        Self { retromae, projection }
    }

    /// μ: of each vocabulary entry the largest logit over the tokens of a text, `max_t (h_t·Wᴼ)_v`.
    ///
    /// `hidden: [B, T, H]`, `pooled`: u32 `[B, T]`, 0 where a token does not count → `[B, V]`. The logits `[B, T, V]` are
    /// never whole in memory. A text with no token that counts has 0 everywhere.
    pub fn bag_of_words(&self, hidden: &Tensor, pooled: &Tensor) -> Tensor {
        let map = match &self.projection {
            Some(own) => ToVocabulary::Own(own),
            None => ToVocabulary::Head(&self.retromae.encoder.head),
        };
        map.maxima(hidden, pooled)
    }
}

/// Wᴼ, as [`Projection`] says.
pub(crate) enum ToVocabulary<'a> {
    Head(&'a MlmHead),
    Own(&'a Linear),
}

impl ToVocabulary<'_> {
    /// `max_t (h_t·Wᴼ)_v` over the tokens that `pooled` marks: `hidden: [B, T, H]`, u32 `[B, T]` → `[B, V]`.
    pub(crate) fn maxima(&self, hidden: &Tensor, pooled: &Tensor) -> Tensor {
        let word = |x: &Tensor| ops::cast(x, Format::Word);
        let maxima = match self {
            Self::Own(own) => {
                ops::token_max_pool(&word(hidden), &own.weight, Some(&own.bias), pooled)
            }
            Self::Head(head) => {
                let states = word(&head.transform_all(hidden)); // [B, T, H]
                ops::token_max_pool(&states, &head.decoder, Some(&head.bias), pooled)
            }
        };
        maxima.values
    }
}
