//! Contrastive fine-tuning of DupMAE's hybrid representation (Liu et al. 2023, RetroMAE-2, arXiv:2305.02564).

use wgrad_engine::Device;
use wgrad_engine::file::TensorFile;
use wgrad_engine::ops::Contrastive;
use wgrad_engine::weights::{Declarations, Weights};
use wgrad_losses::contrastive;
use wgrad_models::bert::Config;
use wgrad_models::dupmae::Projection;
use wgrad_models::hybrid::{Options, Saturation, Speakers};
use wgrad_models::{Encoder, Hybrid, Mode};

use super::contrastive::{Sides, sides, sides_of_file, texts_of_file};
use super::token_rows::TokenRows;
use super::{BatchError, Objective, Terms};
use crate::data::PairBatch;
use crate::train::Error;
use crate::train::recipe::Recipe;

/// A retriever of a dense and a sparse part, learning to rank each query's passage above those of all others.
pub struct HybridObjective {
    /// The encoder of both sides, with its two maps.
    pub model: Hybrid,
    /// τ, what scores are divided by.
    pub temperature: f32,
    /// G, passages a query in a batch file.
    pub group_size: usize,
    weights: Weights,
}

impl HybridObjective {
    /// A fresh model.
    ///
    /// # Errors
    /// [`Error::Setting`] for a configuration that is not BERT's.
    pub fn new(
        device: &Device,
        config: Config,
        options: Options,
        (temperature, group_size): (f32, usize),
        seed: u64,
    ) -> Result<Self, Error> {
        if config.model_type != "bert" {
            let found = &config.model_type;
            return Err(Error::Setting(format!(
                "representation = hybrid: expected a model of type `bert`, found `{found}`"
            )));
        }
        let mut d = Declarations::default();
        let model = Hybrid::declare(&mut d, config, options);
        let weights = Weights::allocate(device, d, seed);
        Ok(Self { model, temperature, group_size, weights })
    }

    /// `loss = contrastive(s)`, `s_ij = ⟨ĥ_qi, ĥ_dj⟩ + Σ_{v ∈ I_dj} μ_qiv·μ_djv`; every passage is a candidate.
    ///
    /// Passages are sparse, queries are not: an entry of a query meets only those that a passage keeps.
    fn loss(&self, device: &Device, sides: &Sides<'_>, mode: &Mode) -> Result<Terms, BatchError> {
        let config = &self.model.bert.config;
        let all = |side: &TokenRows<'_>| side.upload(device, config, 0..side.shape[0]);
        let (q, hidden) = self.model.forward(&all(&sides.queries)?, mode);
        let (mut p, _) = self.model.forward(&all(&sides.passages)?, mode);
        p.words = self.model.sparsify(&p.words); // [M·G, V]
        let (temperature, candidate_ids) = (self.temperature, sides.ids.as_ref());
        let options = Contrastive { temperature, candidate_ids, ..Contrastive::default() };
        let loss = contrastive(&q.joined(), &p.joined(), &sides.targets, &options);
        Ok(Terms { loss, terms: Vec::new(), hidden })
    }
}

/// What the recipe says of a hybrid representation.
///
/// # Errors
/// [`Error::Setting`] for a value out of range.
pub fn options(recipe: &mut Recipe, config: &Config) -> Result<Options, Error> {
    let width = config.hidden_size.min(384);
    let projection = match recipe.choice("bow_projection", &["mlm_head", "own"], "mlm_head")? {
        "own" => Projection::Own,
        _ => Projection::MlmHead,
    };
    let speakers = match recipe.choice("bow_tokens", &["ordinary", "all"], "ordinary")? {
        "all" => Speakers::All,
        _ => Speakers::Ordinary,
    };
    let saturations = ["none", "relu", "log1p"];
    let saturation = match recipe.choice("bow_saturation", &saturations, "none")? {
        "relu" => Saturation::Relu,
        "log1p" => Saturation::Log1p,
        _ => Saturation::None,
    };
    Ok(Options {
        width: recipe.get_in("cls_width", width, 1.., "a number of channels above 0")?,
        entries: recipe.get_in(
            "top_k",
            384,
            1..=wgrad_engine::ops::MAX_TOP_K,
            "1 to 1024 entries",
        )?,
        projection,
        speakers,
        saturation,
    })
}

impl Objective for HybridObjective {
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
        let sides = sides_of_file(device, (file, &queries, &passages), self.group_size)?;
        self.loss(device, &sides, mode)
    }

    fn tokens(batch: &PairBatch) -> u64 {
        let lengths = batch.query.lengths.iter().chain(&batch.passage.lengths);
        lengths.map(|&length| u64::from(length)).sum()
    }

    fn encoder(&self) -> &dyn Encoder {
        &self.model.bert
    }

    fn weights(&self) -> &Weights {
        &self.weights
    }

    fn weights_mut(&mut self) -> &mut Weights {
        &mut self.weights
    }
}
