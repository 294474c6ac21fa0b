//! ColBERT (Khattab & Zaharia 2020, arXiv:2004.12832): a vector for every token, and late interaction.
//!
//! Follows the authors' code (stanford-futuredata/ColBERT), whose names are `bert.…` and `linear.weight`.

use wgrad_engine::Tensor;
use wgrad_engine::device::Format;
use wgrad_engine::ops::{self, MaxSim, Pairs, Rows};
use wgrad_engine::weights::{Declarations, Init, Param};

use crate::bert::Config;
use crate::encoder::{Encoder, declare};
use crate::layers::Mode;
use crate::tokens::Tokens;

/// What a document token does that does not count: padding, and punctuation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Uncounted {
    /// No query token can choose it (ColBERT).
    #[default]
    Hidden,
    /// It is 0, so that it is chosen where all similarities are negative (PyLate, BGE-M3).
    Zero,
}

/// An encoder with a narrow map after it; queries and documents share both.
pub struct ColBert {
    /// The encoder.
    pub encoder: Box<dyn Encoder>,
    /// `[D, H]`, without bias.
    pub linear: Param,
    /// What tokens do that do not count.
    pub uncounted: Uncounted,
}

/// Lengths below this are not divided by, as in torch.nn.functional.normalize.
const SHORTEST: f32 = 1e-12;

impl ColBert {
    /// Declares every parameter; vectors have `width` numbers.
    ///
    /// # Errors
    /// What the encoder cannot be built from.
    pub fn declare(
        d: &mut Declarations,
        config: Config,
        width: usize,
        uncounted: Uncounted,
    ) -> Result<Self, String> {
        let (hidden, sigma) = (config.hidden_size, config.initializer_range);
        let encoder = declare(d, config)?;
        let linear = d.param("linear.weight", [width, hidden], Init::Normal(sigma));
        Ok(Self { encoder, linear, uncounted })
    }

    /// Numbers of a vector.
    pub fn width(&self) -> usize {
        self.linear.declared_shape().rows_and_last().0
    }

    /// E = Normalize(Linear(BERT(tokens))) (§3.2, eq. 1 and 2): `[B, T]` ids → `[B, T, D]`; and the states, `[B, T, H]`.
    ///
    /// Eq. 2's filter of punctuation is in [`Self::scores`]: without it these are vectors of all tokens.
    pub fn vectors(&self, tokens: &Tokens, mode: &Mode) -> (Tensor, Tensor) {
        let hidden = self.encoder.forward(tokens, mode); // [B, T, H]
        let x = ops::cast(&ops::linear(&hidden, &self.linear, None), Format::Word); // [B, T, D]
        (ops::l2_normalize(&x, SHORTEST), hidden)
    }

    /// S_qd = Σᵢ maxⱼ E_qi · E_djᵀ (§3.3, eq. 3): `[M, S, D]`, `[N, T, D]` → `[M, N]`, or `[M, N / M]` for groups.
    ///
    /// Every token of a query counts, its `[MASK]`s too; of documents those where `counted`, u32 `[N·T]`, is not 0.
    ///
    /// # Panics
    /// If a shape does not fit, or `counted` has another length.
    #[track_caller]
    pub fn scores(
        &self,
        queries: &Tensor,
        documents: &Tensor,
        counted: &[u32],
        pairs: Pairs,
    ) -> Tensor {
        let (device, (tokens, width)) = (documents.device(), documents.shape().rows_and_last());
        assert_eq!(counted.len(), tokens, "scores: one mark a token of {}", documents.shape());
        match self.uncounted {
            Uncounted::Hidden => {
                let &[n, t, _] = documents.shape().axes() else {
                    panic!("scores: documents is {}, expected [N, T, D]", documents.shape())
                };
                let mask = Tensor::u32(device, [n, t], counted);
                let options = MaxSim { pairs, query_mask: None, document_mask: Some(&mask) };
                ops::max_sim(queries, documents, &options)
            }
            Uncounted::Zero => {
                let absent = |(at, &mark): (usize, &u32)| (mark == 0).then_some(at as u32);
                let absent: Vec<u32> = counted.iter().enumerate().filter_map(absent).collect();
                let options = MaxSim { pairs, query_mask: None, document_mask: None };
                if absent.is_empty() {
                    return ops::max_sim(queries, documents, &options);
                }
                let rows = Rows::new(device, &absent, tokens).expect("they are found in order");
                let zeros = vec![0.0; absent.len() * width];
                let zeros = Tensor::f32(device, [absent.len(), width], &zeros);
                let documents = ops::replace_rows(documents, &rows, &zeros);
                ops::max_sim(queries, &documents, &options)
            }
        }
    }
}
