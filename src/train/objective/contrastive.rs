//! Contrastive fine-tuning of a retriever (Karpukhin et al. 2020, arXiv:2004.04906, §3.2).

use wgrad_engine::file::TensorFile;
use wgrad_engine::ops::{Contrastive, Targets};
use wgrad_engine::weights::{Declarations, Weights};
use wgrad_engine::{Device, Tensor};
use wgrad_losses::contrastive;
use wgrad_models::bert::Config;
use wgrad_models::encoder::declare;
use wgrad_models::{Encoder, Mode, Pooling, Retriever, Similarity, Tokens, Visible};

use super::{BatchError, Objective, Terms, batch_file};
use crate::data::{PairBatch, TokenBatch};
use crate::train::Error;

/// A retriever learning to rank each query's passage above those of all others.
pub struct ContrastiveObjective {
    /// The encoder of both sides.
    pub model: Retriever,
    /// τ, what similarities are divided by.
    pub temperature: f32,
    /// G, passages a query in a batch file.
    pub group_size: usize,
    weights: Weights,
}

impl ContrastiveObjective {
    /// A fresh model.
    ///
    /// # Errors
    /// [`Error::Setting`] for a configuration that describes no encoder.
    pub fn new(
        device: &Device,
        config: Config,
        (pooling, similarity): (Pooling, Similarity),
        (temperature, group_size): (f32, usize),
        seed: u64,
    ) -> Result<Self, Error> {
        let mut d = Declarations::default();
        let encoder = declare(&mut d, config).map_err(Error::Setting)?;
        let model = Retriever { encoder, pooling, similarity };
        let weights = Weights::allocate(device, d, seed);
        Ok(Self { model, temperature, group_size, weights })
    }

    /// `loss = contrastive(encode(queries), encode(passages))`; every passage is a candidate.
    fn loss(
        &self,
        (queries, passages): (&Tokens, &Tokens),
        targets: &Targets,
        candidate_ids: Option<&Tensor>,
        mode: &Mode,
    ) -> Terms {
        let (q, hidden) = self.model.forward(queries, mode); // [M, H]
        let (p, _) = self.model.forward(passages, mode); // [M·G, H]
        let temperature = self.temperature;
        let options = Contrastive { temperature, candidate_ids, ..Contrastive::default() };
        Terms { loss: contrastive(&q, &p, targets, &options), terms: Vec::new(), hidden }
    }
}

/// Queries and passages of a batch, the passage of each query, and which passages are copies of each other.
pub(super) fn sides_of_batch(
    device: &Device,
    config: &Config,
    batch: &PairBatch,
) -> Result<(Tokens, Tokens, Targets, Tensor), BatchError> {
    let tokens = |side: &TokenBatch| {
        let (shape, visible) = ([side.rows, side.tokens], Visible::Lengths(&side.lengths));
        Tokens::new(device, config, shape, &side.input_ids, None, visible)
    };
    let (queries, passages) = (tokens(&batch.query)?, tokens(&batch.passage)?);
    let targets = Targets::new(device, &batch.target, batch.passage.rows);
    let ids = Tensor::u32(device, [batch.passage.rows], &batch.passage_ids);
    Ok((queries, passages, targets, ids))
}

/// Queries and passages of a file, `group_size` passages a query, and the first of each group as its target.
pub(super) fn sides_of_file(
    device: &Device,
    config: &Config,
    file: &TensorFile,
    group_size: usize,
) -> Result<(Tokens, Tokens, Targets), BatchError> {
    let queries = batch_file::tokens(device, config, file, ("query_ids", "query_mask"))?;
    let passages = batch_file::tokens(device, config, file, ("passage_ids", "passage_mask"))?;
    if passages.rows != queries.rows * group_size {
        let (m, n) = (queries.rows, passages.rows);
        let problem = format!("has {n} rows, expected {m} queries × group_size {group_size}");
        let path = file.path.clone();
        return Err(BatchError::Malformed { path, name: "passage_ids", problem });
    }
    let targets = Targets::first_of_groups(device, queries.rows, group_size);
    Ok((queries, passages, targets))
}

impl Objective for ContrastiveObjective {
    type Batch = PairBatch;

    fn terms(&self, device: &Device, batch: &PairBatch, mode: &Mode) -> Result<Terms, BatchError> {
        let config = self.encoder().config();
        let (queries, passages, targets, ids) = sides_of_batch(device, config, batch)?;
        Ok(self.loss((&queries, &passages), &targets, Some(&ids), mode))
    }

    fn terms_of_file(
        &self,
        device: &Device,
        file: &TensorFile,
        mode: &Mode,
    ) -> Result<Terms, BatchError> {
        let config = self.encoder().config();
        let (queries, passages, targets) = sides_of_file(device, config, file, self.group_size)?;
        Ok(self.loss((&queries, &passages), &targets, None, mode))
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
}
