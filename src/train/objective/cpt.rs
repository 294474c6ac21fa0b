//! cpt: contrastive pre-training of a causal model on pairs (Neelakantan et al. 2022, arXiv:2201.10005, §2).

use wgrad_engine::file::TensorFile;
use wgrad_engine::ops::{self, Contrastive, Directions, Targets};
use wgrad_engine::tensor::no_grad;
use wgrad_engine::weights::{Declarations, Init, Param, Weights};
use wgrad_engine::{Device, Tensor};
use wgrad_losses::contrastive;
use wgrad_models::bert::Config;
use wgrad_models::encoder::declare;
use wgrad_models::{Encoder, Mode, Pooling, Retriever, Similarity, Tokens, Visible};

use super::{BatchError, Objective, Terms, batch_file};
use crate::data::{PairBatch, TokenBatch};
use crate::train::Error;

/// ln(1/0.07), where log τ begins (Radford et al. 2021, arXiv:2103.00020, §2.5); cpt's paper is silent.
const FIRST_LOG_SCALE: f32 = 2.659_26;
/// ln 100: scores are never multiplied by more than 100 (ibid.).
const MOST_LOG_SCALE: f32 = 4.605_170_2;

/// An encoder of both sides, and how sharp its similarities are.
pub struct CptObjective {
    /// The encoder; a text is the unit vector of its last token's state.
    pub model: Retriever,
    /// f32 `[]`: similarities are multiplied by its exponential.
    pub logit_scale: Param,
    /// G, texts of y's side a pair: the one that belongs to x, then some that do not.
    pub group_size: usize,
    weights: Weights,
}

impl CptObjective {
    /// A fresh model.
    ///
    /// # Errors
    /// [`Error::Setting`] for a configuration that describes no encoder.
    pub fn new(
        device: &Device,
        config: Config,
        group_size: usize,
        seed: u64,
    ) -> Result<Self, Error> {
        let mut d = Declarations::default();
        let encoder = declare(&mut d, config).map_err(Error::Setting)?;
        let model = Retriever { encoder, pooling: Pooling::Last, similarity: Similarity::Cosine };
        let logit_scale = d.param("logit_scale", [], Init::Constant(FIRST_LOG_SCALE));
        let weights = Weights::allocate(device, d, seed);
        Ok(Self { model, logit_scale, group_size, weights })
    }

    /// `loss = (CE(S, diagonal) + CE(Sᵀ, diagonal)) / 2` with `S = e^logit_scale · v_x·v_yᵀ`; texts of y that belong to no x
    /// are candidates only.
    fn loss(
        &self,
        (x, y): (&Tokens, &Tokens),
        candidate_ids: Option<&Tensor>,
        mode: &Mode,
    ) -> Terms {
        let (v_x, hidden) = self.model.forward(x, mode); // [M, H]
        let (v_y, _) = self.model.forward(y, mode); // [M·G, H]
        let targets = Targets::first_of_groups(v_x.device(), x.rows, self.group_size);
        let options = Contrastive {
            candidate_ids,
            log_scale: Some(&self.logit_scale),
            directions: Directions::Both,
            ..Contrastive::default()
        };
        Terms { loss: contrastive(&v_x, &v_y, &targets, &options), terms: Vec::new(), hidden }
    }
}

impl Objective for CptObjective {
    type Batch = PairBatch;

    fn terms(&self, device: &Device, batch: &PairBatch, mode: &Mode) -> Result<Terms, BatchError> {
        let tokens_of = |side: &TokenBatch| {
            let (shape, visible) = ([side.rows, side.tokens], Visible::Lengths(&side.lengths));
            Tokens::new(device, self.encoder().config(), shape, &side.input_ids, None, visible)
        };
        let (x, y) = (tokens_of(&batch.query)?, tokens_of(&batch.passage)?);
        let ids = Tensor::u32(device, [batch.passage.rows], &batch.passage_ids);
        Ok(self.loss((&x, &y), Some(&ids), mode))
    }

    fn terms_of_file(
        &self,
        device: &Device,
        file: &TensorFile,
        mode: &Mode,
    ) -> Result<Terms, BatchError> {
        let config = self.encoder().config();
        let x = batch_file::tokens(device, config, file, ("x_ids", "x_mask"))?;
        let y = batch_file::tokens(device, config, file, ("y_ids", "y_mask"))?;
        if y.rows != x.rows * self.group_size {
            let (m, g, n) = (x.rows, self.group_size, y.rows);
            let problem = format!("has {n} rows, expected {m} of x_ids × group_size {g}");
            return Err(batch_file::malformed(file, "y_ids", problem));
        }
        Ok(self.loss((&x, &y), None, mode))
    }

    fn tokens(batch: &PairBatch) -> u64 {
        let lengths = batch.query.lengths.iter().chain(&batch.passage.lengths);
        lengths.map(|&length| u64::from(length)).sum()
    }

    fn encoder(&self) -> &dyn Encoder {
        &*self.model.encoder
    }

    fn weights(&self) -> &Weights {
        &self.weights
    }

    fn weights_mut(&mut self) -> &mut Weights {
        &mut self.weights
    }

    /// logit_scale ← min(max(logit_scale, 0), ln 100), as open_clip after each step.
    fn constrain(&mut self) {
        let most = Tensor::f32(self.weights.device(), [], &[MOST_LOG_SCALE]);
        let clamped = no_grad(|| {
            let above_most = ops::relu(&ops::subtract(&self.logit_scale, &most));
            ops::subtract(&ops::relu(&self.logit_scale), &above_most)
        });
        self.weights.set(&self.logit_scale, &clamped);
    }
}
