//! ColBERT's fine-tuning (Khattab & Zaharia 2020, arXiv:2004.12832, §3.4), with the in-batch negatives of ColBERTv2
//! (Santhanam et al. 2022, arXiv:2112.01488).

use wgrad_engine::Device;
use wgrad_engine::file::TensorFile;
use wgrad_engine::ops::{Pairs, add, scale};
use wgrad_engine::weights::{Declarations, Weights};
use wgrad_losses::{Candidates, listwise};
use wgrad_models::bert::Config;
use wgrad_models::{ColBert, Encoder, Mode, Tokens, Uncounted, Visible};

use super::{BatchError, Objective, Terms, batch_file};
use crate::data::colbert::{ColbertBatch, MarkedBatch};
use crate::train::Error;
use crate::train::recipe::Recipe;

/// A model of late interaction learning to rank each query's document above others.
pub struct ColbertObjective {
    /// The model.
    pub model: ColBert,
    /// G and the losses.
    pub settings: Settings,
    weights: Weights,
}

/// What is minimised.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// D: numbers of a token's vector.
    pub width: usize,
    /// G: documents of a query, of which the first answers it.
    pub group_size: usize,
    /// τ, what scores are divided by; the authors have none.
    pub temperature: f32,
    /// Whether the documents of other queries are negatives, too.
    pub in_batch: bool,
    /// What document tokens do that do not count.
    pub uncounted: Uncounted,
}

impl Settings {
    /// Reads them; `width` is that of the projection that the directory has, if it has one.
    ///
    /// # Errors
    /// [`Error::Setting`] for a value out of range, or if there is nothing to learn.
    pub fn of_recipe(recipe: &mut Recipe, width: Option<usize>) -> Result<Self, Error> {
        let width = recipe.get_in("dim", width.unwrap_or(128), 1.., "a width above 0")?;
        let group_size =
            recipe.get_in("group_size", 1_usize, 1.., "a number of passages above 0")?;
        let temperature = recipe.get_in("temperature", 1.0, 1e-4..=1e4, "a temperature above 0")?;
        let in_batch = recipe.get("in_batch", true)?;
        if group_size == 1 && !in_batch {
            let problem = "group_size = 1 with in_batch = false: expected a negative";
            return Err(Error::Setting(format!("{problem}; raise group_size")));
        }
        let uncounted = match recipe.choice("uncounted", &["hidden", "zero"], "hidden")? {
            "zero" => Uncounted::Zero,
            _ => Uncounted::Hidden,
        };
        Ok(Self { width, group_size, temperature, in_batch, uncounted })
    }
}

/// Documents, and which of their tokens count.
struct Documents<'a> {
    tokens: Tokens,
    counted: &'a [u32],
}

impl ColbertObjective {
    /// A fresh model.
    ///
    /// # Errors
    /// [`Error::Setting`] for a configuration that describes no encoder.
    pub fn new(
        device: &Device,
        config: Config,
        settings: Settings,
        seed: u64,
    ) -> Result<Self, Error> {
        let mut d = Declarations::default();
        let model = ColBert::declare(&mut d, config, settings.width, settings.uncounted);
        let model = model.map_err(Error::Setting)?;
        let weights = Weights::allocate(device, d, seed);
        Ok(Self { model, settings, weights })
    }

    /// `loss = loss_pairwise + loss_in_batch`: the positive among the query's own group, and among all documents but the
    /// group's negatives. `relevant` are cells of the scores that are no negatives though not the target, sorted.
    fn loss(
        &self,
        queries: &Tokens,
        documents: &Documents<'_>,
        relevant: &[(u32, u32)],
        mode: &Mode,
    ) -> Terms {
        let Settings { group_size: g, temperature, in_batch, .. } = self.settings;
        let (q, hidden) = self.model.vectors(queries, mode); // [M, S, D]
        let (d, _) = self.model.vectors(&documents.tokens, mode); // [M·G, T, D]
        let pairs = if in_batch { Pairs::All } else { Pairs::Groups };
        let scores = self.model.scores(&q, &d, documents.counted, pairs);
        let scores = scale(&scores, 1.0 / temperature); // [M, M·G], or [M, G]

        let (m, (_, columns)) = (queries.rows, scores.shape().rows_and_last());
        // In [M, G] the group of every query begins at column 0.
        let first = |i: usize| if in_batch { i * g } else { 0 };
        let positives: Vec<u32> = (0..m).map(|i| first(i) as u32).collect();
        let is_negative = |i: usize, j: usize| {
            let cell = (i as u32, (j + i * g - first(i)) as u32);
            relevant.binary_search(&cell).is_err()
        };
        let is_own = |i: usize, j: usize| (first(i)..first(i) + g).contains(&j);
        let among = |is_candidate: &dyn Fn(usize, usize) -> bool| {
            listwise(&scores, &Candidates::new(scores.device(), columns, &positives, is_candidate))
        };
        let mut terms = Vec::new();
        if g > 1 {
            let own = |i: usize, j: usize| is_own(i, j) && is_negative(i, j);
            terms.push(("loss_pairwise", among(&own)));
        }
        if in_batch {
            let others = |i: usize, j: usize| !is_own(i, j) && is_negative(i, j);
            terms.push(("loss_in_batch", among(&others)));
        }
        let loss = match terms.as_slice() {
            [(_, one), (_, other)] => add(one, other),
            [(_, only)] => only.clone(),
            _ => unreachable!("settings have a negative"),
        };
        Terms { loss, terms, hidden }
    }

    fn tokens_of(&self, device: &Device, batch: &MarkedBatch) -> Result<Tokens, BatchError> {
        let (text, config) = (&batch.text, self.encoder().config());
        let (shape, visible) = ([text.rows, text.tokens], Visible::Lengths(&text.lengths));
        Ok(Tokens::new(device, config, shape, &text.input_ids, None, visible)?)
    }
}

impl Objective for ColbertObjective {
    type Batch = ColbertBatch;

    fn terms(
        &self,
        device: &Device,
        batch: &ColbertBatch,
        mode: &Mode,
    ) -> Result<Terms, BatchError> {
        let queries = self.tokens_of(device, &batch.query)?;
        let tokens = self.tokens_of(device, &batch.document)?;
        let documents = Documents { tokens, counted: &batch.document.counted };
        Ok(self.loss(&queries, &documents, &batch.false_negatives, mode))
    }

    fn terms_of_file(
        &self,
        device: &Device,
        file: &TensorFile,
        mode: &Mode,
    ) -> Result<Terms, BatchError> {
        const SCORED: &str = "passage_scored";
        let config = self.encoder().config();
        let queries = batch_file::tokens(device, config, file, ("query_ids", "query_mask"))?;
        let tokens = batch_file::tokens(device, config, file, ("passage_ids", "passage_mask"))?;
        let (m, g, n) = (queries.rows, self.settings.group_size, tokens.rows);
        if n != m * g {
            let problem = format!("has {n} rows, expected {m} queries × group_size {g}");
            return Err(batch_file::malformed(file, "passage_ids", problem));
        }
        let scored = batch_file::shaped(file, SCORED, &[n, tokens.tokens])?;
        let counted: Vec<u32> = scored.iter().map(|&mark| u32::from(mark != 0)).collect();
        let documents = Documents { tokens, counted: &counted };
        Ok(self.loss(&queries, &documents, &[], mode))
    }

    fn tokens(batch: &ColbertBatch) -> u64 {
        let lengths = batch.query.text.lengths.iter().chain(&batch.document.text.lengths);
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
