//! RetroMAE (Xiao et al. 2022, arXiv:2205.12035): an encoder whose `[CLS]` vector must let a weak decoder rebuild a
//! heavily masked sentence.
//!
//! Follows the authors' code (staoxiao/RetroMAE at ee37587) where it differs from the paper; each difference
//! is a choice in [`DecoderQuery`] and [`Decoding`].

use wgrad_engine::Tensor;
use wgrad_engine::device::Format;
use wgrad_engine::ops::{self, Ids, Visibility};
use wgrad_engine::weights::Declarations;

use crate::bert::{Config, Layer, MaskedLm};
use crate::layers::Mode;
use crate::retriever::first_tokens;
use crate::tokens::Tokens;

/// How the query stream H₁ of enhanced decoding is made (paper §2.3, eq. 4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DecoderQuery {
    /// h + P: the raw position table, as the authors' `retromae`.
    #[default]
    PosAdd,
    /// dropout(LN(h + type₀ + P)), as the authors' `dupmae` and FlagEmbedding.
    BertEmbed,
}

/// Which decoder of the paper.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Decoding {
    /// §2.3: two streams, and a visibility of its own for every row; one layer.
    #[default]
    Enhanced,
    /// §2.2: the masked sentence with the `[CLS]` vector in front, under self-attention.
    Basic {
        /// Layers of the decoder, one at least; the paper tries 1 to 3 (§3.3).
        layers: usize,
    },
}

/// BERT with a decoder: its first layer stands under `c_head.`, where the authors' code has its one, and further ones under
/// `c_head.1.`, `c_head.2.`.
pub struct RetroMae {
    /// The encoder, and the head that both losses share.
    pub encoder: MaskedLm,
    decoder: Vec<Layer>,
    /// H₁.
    pub query: DecoderQuery,
    /// Which decoder.
    pub decoding: Decoding,
}

impl RetroMae {
    /// Declares BERT's parameters and those of the decoder.
    pub fn declare(
        d: &mut Declarations,
        config: Config,
        query: DecoderQuery,
        decoding: Decoding,
    ) -> Self {
        let encoder = MaskedLm::declare(d, config);
        let layers = match decoding {
            Decoding::Enhanced => 1,
            Decoding::Basic { layers } => layers,
        };
        let name = |l: usize| if l == 0 { "c_head".into() } else { format!("c_head.{l}") };
        let config = &encoder.bert.config;
        let layer = |l| d.under(&name(l), |d| Layer::declare(d, config));
        let decoder = (0..layers).map(layer).collect();
        Self { encoder, decoder, query, decoding }
    }

    /// The decoder's last state: the encoder's states `[B, T, H]` and the decoder's `inputs` → `[B, T, H]`.
    ///
    /// `visible` says which inputs each row may see: the per-row bits of enhanced decoding, all but padding of basic.
    pub fn decode(
        &self,
        encoded: &Tensor,
        inputs: &Tokens,
        visible: &Visibility,
        mode: &Mode,
    ) -> Tensor {
        let &[b, t, h] = encoded.shape().axes() else {
            unreachable!("hidden states are [B, T, H]")
        };
        let firsts = first_tokens(encoded.device(), b, t);
        let sentence = ops::gather_rows(&encoded.reshape([b * t, h]), &firsts); // [B, H]

        let words = self.encoder.bert.embeddings.forward(inputs, mode).reshape([b * t, h]);
        let context = ops::replace_rows(&words, &firsts, &sentence).reshape([b, t, h]); // H₂
        let layers = &self.decoder;
        match self.decoding {
            Decoding::Enhanced => {
                let query = self.query_stream(&sentence, inputs, mode); // H₁
                layers[0].forward(&query, &context, visible, mode)
            }
            Decoding::Basic { .. } => {
                layers.iter().fold(context, |x, layer| layer.forward(&x, &x, visible, mode))
            }
        }
    }

    /// H₁ = [h + p₀, …, h + p_T]: the sentence vector at every position; `sentence: [B, H]` → `[B, T, H]`.
    fn query_stream(&self, sentence: &Tensor, inputs: &Tokens, mode: &Mode) -> Tensor {
        let (b, t) = (inputs.rows, inputs.tokens);
        let (_, h) = sentence.shape().rows_and_last();
        let sentence = ops::cast(sentence, Format::Word);
        let embeddings = &self.encoder.bert.embeddings;
        let row_of: Vec<u32> = (0..b as u32).flat_map(|row| vec![row; t]).collect();
        let row_of = Ids::new(sentence.device(), &row_of, b).expect("every row is below B");
        let everywhere = ops::embedding(&sentence, &row_of); // [B·T, H]
        let position = ops::embedding(&embeddings.position_embeddings, &inputs.positions); // [B·T, H]
        let query = match self.query {
            DecoderQuery::PosAdd => mode.store(&ops::add(&everywhere, &position)),
            DecoderQuery::BertEmbed => {
                let token_type = ops::embedding(&embeddings.token_type_embeddings, &inputs.types);
                embeddings.normalised(&ops::add(&everywhere, &token_type), &position, mode)
            }
        };
        query.reshape([b, t, h])
    }
}
