//! Contrastive fine-tuning of a retriever (Karpukhin et al. 2020, arXiv:2004.04906, §3.2).

use std::ops::Range;

use wgrad_engine::file::TensorFile;
use wgrad_engine::ops::{Contrastive, Targets};
use wgrad_engine::weights::{Declarations, Weights};
use wgrad_engine::{Device, Tensor, no_grad};
use wgrad_losses::contrastive;
use wgrad_models::bert::Config;
use wgrad_models::encoder::declare;
use wgrad_models::{Encoder, Mode, Pooling, Retriever, Similarity};

use super::batch_file::{self, FileTokens};
use super::token_rows::TokenRows;
use super::{BatchError, Gather, Losses, Objective, Terms};
use crate::data::PairBatch;
use crate::train::Error;
use crate::train::gradient_cache::{Chunks, surrogate};

/// A retriever learning to rank each query's passage above those of all others.
pub struct ContrastiveObjective {
    /// The encoder of both sides.
    pub model: Retriever,
    /// τ, what similarities are divided by.
    pub temperature: f32,
    /// G, passages a query in a batch file.
    pub group_size: usize,
    /// Texts that are encoded together; `None` for all queries, then all passages.
    pub cache_chunk: Option<usize>,
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
        Ok(Self { model, temperature, group_size, cache_chunk: None, weights })
    }

    /// `loss = contrastive(encode(queries), encode(passages))`; every passage is a candidate.
    fn loss(&self, device: &Device, sides: &Sides<'_>, mode: &Mode) -> Result<Terms, BatchError> {
        let config = self.encoder().config();
        let all = |side: &TokenRows<'_>| side.upload(device, config, 0..side.shape[0]);
        let (q, hidden) = self.model.forward(&all(&sides.queries)?, mode); // [M, H]
        let (p, _) = self.model.forward(&all(&sides.passages)?, mode); // [M·G, H]
        Ok(Terms { loss: self.compare(&q, &p, sides), terms: Vec::new(), hidden })
    }

    fn compare(&self, queries: &Tensor, passages: &Tensor, sides: &Sides<'_>) -> Tensor {
        let (temperature, candidate_ids) = (self.temperature, sides.ids.as_ref());
        let options = Contrastive { temperature, candidate_ids, ..Contrastive::default() };
        contrastive(queries, passages, &sides.targets, &options)
    }

    /// The same with its gradients, `chunk` texts at a time.
    fn loss_in_chunks(
        &self,
        device: &Device,
        (sides, chunk): (&Sides<'_>, usize),
        (mode, scale): (&Mode, &Tensor),
        gather: &mut Gather<'_>,
    ) -> Result<Tensor, BatchError> {
        let encode = |side: &TokenRows<'_>, rows: Range<usize>, mode: &Mode| {
            let tokens = side.upload(device, self.encoder().config(), rows)?;
            Ok(self.model.forward(&tokens, mode).0)
        };
        let Sides { queries, passages, .. } = sides;
        let of_queries = Chunks::new(queries.shape, chunk, mode);
        let q = of_queries.encode(|rows, mode| encode(queries, rows, mode))?;
        let of_passages = Chunks::new(passages.shape, chunk, mode);
        let p = of_passages.encode(|rows, mode| encode(passages, rows, mode))?;
        let loss = self.compare(&q, &p, sides);
        let mut gradients = loss.backward();
        for (side, chunks, vectors) in [(queries, of_queries, q), (passages, of_passages, p)] {
            let gradient = gradients.take(&vectors).expect("the loss is of both sides");
            chunks.replay(&gradient, |rows, mode, gradient| {
                let asked = surrogate(&encode(side, rows, mode)?, gradient);
                gather(asked.backward_with(scale));
                Ok(())
            })?;
        }
        Ok(loss.detach())
    }
}

/// Texts on the host, and which passage answers which query.
pub(super) struct Sides<'a> {
    pub(super) queries: TokenRows<'a>,
    pub(super) passages: TokenRows<'a>,
    pub(super) targets: Targets,
    /// Which passages are copies of each other.
    pub(super) ids: Option<Tensor>,
}

/// The batch of a collator.
pub(super) fn sides<'a>(device: &Device, batch: &'a PairBatch) -> Sides<'a> {
    let [queries, passages] = [&batch.query, &batch.passage].map(TokenRows::of_batch);
    let targets = Targets::new(device, &batch.target, batch.passage.rows);
    let ids = Some(Tensor::u32(device, [batch.passage.rows], &batch.passage_ids));
    Sides { queries, passages, targets, ids }
}

/// Queries and passages of a file.
pub(super) fn texts_of_file(file: &TensorFile) -> Result<[FileTokens; 2], BatchError> {
    let queries = FileTokens::read(file, ("query_ids", "query_mask"))?;
    Ok([queries, FileTokens::read(file, ("passage_ids", "passage_mask"))?])
}

/// Query-major groups of `group_size` passages, of which the first is meant.
pub(super) fn sides_of_file<'a>(
    device: &Device,
    (file, queries, passages): (&TensorFile, &'a FileTokens, &'a FileTokens),
    group_size: usize,
) -> Result<Sides<'a>, BatchError> {
    let (queries, passages) = (queries.rows(), passages.rows());
    let ([m, _], [n, _]) = (queries.shape, passages.shape);
    if n != m * group_size {
        let problem = format!("has {n} rows, expected {m} queries × group_size {group_size}");
        return Err(batch_file::malformed(file, "passage_ids", problem));
    }
    let targets = Targets::first_of_groups(device, m, group_size);
    Ok(Sides { queries, passages, targets, ids: None })
}

impl Objective for ContrastiveObjective {
    type Batch = PairBatch;

    fn terms(&self, device: &Device, batch: &PairBatch, mode: &Mode) -> Result<Terms, BatchError> {
        self.loss(device, &sides(device, batch), mode)
    }

    fn terms_of_file(
        &self,
        device: &Device,
        file: &TensorFile,
        mode: &Mode,
    ) -> Result<Terms, BatchError> {
        let [queries, passages] = texts_of_file(file)?;
        self.loss(
            device,
            &sides_of_file(device, (file, &queries, &passages), self.group_size)?,
            mode,
        )
    }

    fn backward(
        &self,
        device: &Device,
        batch: &PairBatch,
        (mode, scale): (&Mode, &Tensor),
        gather: &mut Gather<'_>,
    ) -> Result<Losses, BatchError> {
        let Some(chunk) = self.cache_chunk else {
            return Ok(self.terms(device, batch, mode)?.backward(scale, gather).losses());
        };
        let sides = (&sides(device, batch), chunk);
        Ok(vec![("loss", self.loss_in_chunks(device, sides, (mode, scale), gather)?)])
    }

    fn backward_of_file(
        &self,
        device: &Device,
        file: &TensorFile,
        (mode, scale): (&Mode, &Tensor),
        gather: &mut Gather<'_>,
    ) -> Result<Terms, BatchError> {
        let Some(chunk) = self.cache_chunk else {
            return Ok(self.terms_of_file(device, file, mode)?.backward(scale, gather));
        };
        let Terms { hidden, .. } = no_grad(|| self.terms_of_file(device, file, &mode.at_row(0)))?;
        let [queries, passages] = texts_of_file(file)?;
        let sides = (&sides_of_file(device, (file, &queries, &passages), self.group_size)?, chunk);
        let loss = self.loss_in_chunks(device, sides, (mode, scale), gather)?;
        Ok(Terms { loss, terms: Vec::new(), hidden })
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
