//! A text encoder for retrieval: one vector a text (Karpukhin et al. 2020, arXiv:2004.04906, §3.1).

use wgrad_engine::device::Format;
use wgrad_engine::ops::{self, Rows};
use wgrad_engine::{Device, Tensor};

use crate::encoder::Encoder;
use crate::layers::Mode;
use crate::tokens::Tokens;

/// How the states of a text become one vector.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pooling {
    /// The state of the first token.
    #[default]
    Cls,
    /// The mean over tokens that are no padding.
    Mean,
    /// The largest over tokens that are no padding, channel by channel.
    Max,
    /// The state of the last token that is no padding.
    Last,
}

impl Pooling {
    /// What fits an architecture where nobody says: of a causal one only the last state knows the whole text.
    pub fn fitting(model_type: &str) -> Self {
        if model_type == "gpt2" { Self::Last } else { Self::Cls }
    }
}

/// How two vectors are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Similarity {
    /// ⟨q, p⟩ of vectors of unit length.
    #[default]
    Cosine,
    /// ⟨q, p⟩.
    Dot,
}

/// An encoder with its pooling; queries and passages share it.
pub struct Retriever {
    /// The encoder.
    pub encoder: Box<dyn Encoder>,
    /// States to vector.
    pub pooling: Pooling,
    /// Unit length or not.
    pub similarity: Similarity,
}

/// Lengths below this are not divided by, as in torch.nn.functional.normalize.
const SHORTEST: f32 = 1e-12;

impl Retriever {
    /// One vector a row: `[B, T]` ids → `[B, H]`; and the states it was pooled from, `[B, T, H]`.
    pub fn forward(&self, tokens: &Tokens, mode: &Mode) -> (Tensor, Tensor) {
        represent(&*self.encoder, (self.pooling, self.similarity), tokens, mode)
    }
}

/// One vector a row: `[B, T]` ids → `[B, H]`; and the states it was pooled from, `[B, T, H]`.
pub fn represent(
    encoder: &dyn Encoder,
    (pooling, similarity): (Pooling, Similarity),
    tokens: &Tokens,
    mode: &Mode,
) -> (Tensor, Tensor) {
    let hidden = encoder.forward(tokens, mode);
    let &[b, t, h] = hidden.shape().axes() else { unreachable!("hidden states are [B, T, H]") };
    let rows = hidden.reshape([b * t, h]);
    let at = |places: &[u32]| {
        let places = Rows::new(hidden.device(), places, b * t).expect("texts stand one by one");
        ops::gather_rows(&rows, &places)
    };
    // Pools take the first tokens of a row, which padding may stand before.
    let states = || match &tokens.in_front {
        None => hidden.clone(),
        Some(in_front) => {
            let moved = ops::embedding(&ops::cast(&rows, Format::Word), in_front); // [B·T, H]
            moved.reshape([b, t, h])
        }
    };
    let vectors = match pooling {
        Pooling::Cls => at(&tokens.firsts),
        Pooling::Mean => ops::mean_pool(&states(), &tokens.lengths),
        Pooling::Max => ops::max_pool(&states(), &tokens.lengths),
        Pooling::Last => at(&tokens.ends),
    };
    let vectors = ops::cast(&vectors, Format::Word);
    let vectors = match similarity {
        Similarity::Cosine => ops::l2_normalize(&vectors, SHORTEST),
        Similarity::Dot => vectors,
    };
    (vectors, hidden)
}

/// The rows of `[B·T, H]` where texts begin: the states of `[CLS]`.
pub fn first_tokens(device: &Device, rows: usize, tokens: usize) -> Rows {
    let firsts: Vec<u32> = (0..rows).map(|row| (row * tokens) as u32).collect();
    Rows::new(device, &firsts, rows * tokens).expect("texts begin at increasing rows")
}
