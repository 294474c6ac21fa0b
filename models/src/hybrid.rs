//! The hybrid representation of DupMAE (Liu et al. 2023, RetroMAE-2, arXiv:2305.02564): a short vector made of `[CLS]`, and
//! beside it what the other tokens say of the vocabulary, of which a passage keeps the largest entries.
//!
//! The paper's formulas; the authors' code has only the pre-training. What they leave open is a choice in [`Options`].

use serde::{Deserialize, Serialize};
use wgrad_engine::device::Format;
use wgrad_engine::ops::{self, top_k};
use wgrad_engine::weights::{Declarations, Init, Param};
use wgrad_engine::{Device, Tensor};

use crate::bert::{Bert, Config, MlmHead};
use crate::dupmae::{Projection, ToVocabulary};
use crate::layers::{Linear, Mode};
use crate::retriever::first_tokens;
use crate::tokens::Tokens;

/// What is done to the largest logits, entry by entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Saturation {
    /// Nothing, as the paper's formulas.
    #[default]
    None,
    /// max(μ, 0).
    Relu,
    /// ln(1 + max(μ, 0)), as SPLADE (Formal et al. 2021, arXiv:2107.05720, eq. 1).
    Log1p,
}

/// Which tokens speak of the vocabulary.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Speakers {
    /// Those between `[CLS]` and `[SEP]`, as the paper.
    #[default]
    Ordinary,
    /// `[SEP]` too, as in the authors' pre-training.
    All,
}

/// What a representation is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// D: width of the dense part.
    pub width: usize,
    /// K: entries of the vocabulary that a passage keeps.
    pub entries: usize,
    /// How a token's state becomes numbers over the vocabulary.
    pub projection: Projection,
    /// Which tokens speak.
    pub speakers: Speakers,
    /// What is done to the largest of what they say.
    pub saturation: Saturation,
}

/// An encoder with both maps; queries and passages share it.
pub struct Hybrid {
    /// The encoder.
    pub bert: Bert,
    /// W_cls `[D, H]`, published as `cls_projection.weight`.
    cls: Param,
    words: Words,
    /// What is made of its states.
    pub options: Options,
}

/// Wᴼ.
enum Words {
    Head(MlmHead),
    Own(Linear),
}

/// Both parts of B texts.
pub struct Representation {
    /// ĥ = W_cls·h_cls, `[B, D]`.
    pub dense: Tensor,
    /// μ, `[B, V]`: of each vocabulary entry the largest logit over the tokens that speak.
    pub words: Tensor,
}

impl Hybrid {
    /// Declares BERT's parameters, W_cls, and the head of masked language modelling or `ot_projection`.
    pub fn declare(d: &mut Declarations, config: Config, options: Options) -> Self {
        let bert = Bert::declare(d, config);
        let &Config { hidden_size, vocab_size, initializer_range, .. } = &bert.config;
        let init = Init::Normal(initializer_range);
        let cls = d.param("cls_projection.weight", [options.width, hidden_size], init);
        let words = match options.projection {
            Projection::MlmHead => Words::Head(MlmHead::declare(d, &bert)),
            Projection::Own => {
                let sizes = [hidden_size, vocab_size];
                Words::Own(Linear::declare(d, "ot_projection", sizes, initializer_range))
            }
        };
        Self { bert, cls, words, options }
    }

    /// Both parts: `[B, T]` ids, padded on the right → `[B, D]` and `[B, V]`; and the states they were made of, `[B, T, H]`.
    pub fn forward(&self, tokens: &Tokens, mode: &Mode) -> (Representation, Tensor) {
        let hidden = self.bert.forward(tokens, mode);
        let &[b, t, h] = hidden.shape().axes() else { unreachable!("hidden states are [B, T, H]") };
        let firsts = first_tokens(hidden.device(), b, t);
        let cls = ops::gather_rows(&hidden.reshape([b * t, h]), &firsts); // [B, H]
        let dense = ops::linear(&ops::cast(&cls, Format::Word), &self.cls, None); // ĥ

        let map = match &self.words {
            Words::Head(head) => ToVocabulary::Head(head),
            Words::Own(own) => ToVocabulary::Own(own),
        };
        let maxima = map.maxima(&hidden, &self.speaking(hidden.device(), tokens)); // μ
        let words = match self.options.saturation {
            Saturation::None => maxima,
            Saturation::Relu => ops::relu(&maxima),
            Saturation::Log1p => ops::log1p_relu(&maxima),
        };
        (Representation { dense, words }, hidden)
    }

    /// `[B, T]`: 1 where a token speaks.
    fn speaking(&self, device: &Device, tokens: &Tokens) -> Tensor {
        let width = tokens.tokens;
        let speaks = |at: usize| {
            let (last, is_first) = (tokens.ends[at / width] as usize, at.is_multiple_of(width));
            let within = match self.options.speakers {
                Speakers::Ordinary => at < last,
                Speakers::All => at <= last,
            };
            u32::from(within && !is_first)
        };
        let marks: Vec<u32> = (0..tokens.rows * width).map(speaks).collect();
        Tensor::u32(device, [tokens.rows, width], &marks)
    }

    /// μ of passages with all but its K largest entries 0, `[N, V]`; of equal ones the lower is kept.
    ///
    /// The gradient of what is kept passes; which is kept has none.
    pub fn sparsify(&self, words: &Tensor) -> Tensor {
        let (rows, vocabulary) = words.shape().rows_and_last();
        let (_, indices) = top_k(&words.detach(), self.kept());
        let mut kept = vec![0.0; rows * vocabulary];
        for (at, entry) in indices.to_u32().into_iter().enumerate() {
            kept[at / self.kept() * vocabulary + entry as usize] = 1.0;
        }
        ops::multiply(words, &Tensor::f32(words.device(), [rows, vocabulary], &kept))
    }

    /// K, no more than there are entries.
    pub fn kept(&self) -> usize {
        self.options.entries.min(self.bert.config.vocab_size)
    }
}

impl Representation {
    /// Both parts side by side, `[B, D + V]`: the inner product of a query and a sparsified passage is
    /// ⟨ĥ_q, ĥ_d⟩ + Σ_{v ∈ I_d} μ_qv·μ_dv, the paper's score.
    pub fn joined(&self) -> Tensor {
        ops::concat(&[&self.dense, &self.words], 1)
    }
}
