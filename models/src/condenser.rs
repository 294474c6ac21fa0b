//! Condenser (Gao & Callan 2021, arXiv:2104.08253): an encoder whose last `[CLS]` state alone can tell a short head what
//! the early states of the other tokens do not.
//!
//! Follows the authors' code (luyug/Condenser at 74880ab): the head is of BERT's own layers, named `c_head.0`, `c_head.1`.

use wgrad_engine::Tensor;
use wgrad_engine::ops;
use wgrad_engine::weights::Declarations;

use crate::bert::{Config, Layer, MaskedLm};
use crate::layers::Mode;
use crate::retriever::first_tokens;
use crate::tokens::Tokens;

/// The encoder, its masked language model head, and the Condenser head.
pub struct Condenser {
    /// The encoder; its head serves both losses.
    pub encoder: MaskedLm,
    /// The layers that late `[CLS]` and early tokens pass.
    pub head: Vec<Layer>,
    /// How many layers of the encoder are early.
    pub early_layers: usize,
}

/// The last states of encoder and head.
pub struct States {
    /// h^late `[B, T, H]`: of the encoder.
    pub late: Tensor,
    /// h^late_cls `[B, H]`: those of `[CLS]`, which stand for the texts.
    pub sentence: Tensor,
    /// h^cd `[B, T, H]`: of the head.
    pub head: Tensor,
}

impl Condenser {
    /// Declares the encoder, its head, and `head_layers` layers under `c_head`.
    pub fn declare(
        d: &mut Declarations,
        config: Config,
        early_layers: usize,
        head_layers: usize,
    ) -> Self {
        let encoder = MaskedLm::declare(d, config);
        let config = &encoder.bert.config;
        let layer = |l| d.under(&format!("c_head.{l}"), |d| Layer::declare(d, config));
        let head = (0..head_layers).map(layer).collect();
        Self { encoder, head, early_layers }
    }

    /// `[h^cd_cls; h^cd] = Head([h^late_cls; h^early])` (§3.2, eq. 6 and 7): `[B, T]` ids → states of encoder and head.
    pub fn forward(&self, tokens: &Tokens, mode: &Mode) -> States {
        let bert = &self.encoder.bert;
        let step = |x: Tensor, layer: &Layer| layer.forward(&x, &x, &tokens.visibility, mode);
        let (early, late) = bert.layers.split_at(self.early_layers);
        let early = early.iter().fold(bert.embeddings.forward(tokens, mode), step);
        let late = late.iter().fold(early.clone(), step);

        let &[b, t, h] = late.shape().axes() else { unreachable!("hidden states are [B, T, H]") };
        let firsts = first_tokens(late.device(), b, t);
        let sentence = ops::gather_rows(&late.reshape([b * t, h]), &firsts); // [B, H]
        let joined = ops::replace_rows(&early.reshape([b * t, h]), &firsts, &sentence);
        let head = self.head.iter().fold(joined.reshape([b, t, h]), step);
        States { late, sentence, head }
    }
}
