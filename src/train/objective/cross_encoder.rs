//! A cross-encoder learns to re-rank: query and passage are read together (Nogueira & Cho 2019, arXiv:1901.04085).

use wgrad_engine::Device;
use wgrad_engine::device::Format;
use wgrad_engine::file::TensorFile;
use wgrad_engine::ops::{self, Targets};
use wgrad_engine::weights::{Declarations, Weights};
use wgrad_losses::{Candidates, listwise, pointwise};
use wgrad_models::bert::Config;
use wgrad_models::labels::with_labels;
use wgrad_models::{Encoder, Labelled, Labeller, Mode, Tokens, Visible};

use super::{BatchError, Objective, Terms, batch_file};
use crate::data::JointBatch;
use crate::train::Error;
use crate::train::recipe::Recipe;

/// A model of one score, learning to score each query's answer above the other passages of its group.
pub struct CrossEncoderObjective {
    /// The encoder and its head.
    pub model: Labeller,
    /// G, passages a query.
    pub group_size: usize,
    ranking: Ranking,
    weights: Weights,
}

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ranking {
    /// The passages of a group among each other.
    Listwise,
    /// Each pair with "answers" and "does not".
    Pointwise,
}

impl CrossEncoderObjective {
    /// A fresh model, by what the recipe says of `ranking` and `group_size`.
    ///
    /// # Errors
    /// [`Error::Setting`] for a value or a configuration that it cannot have.
    pub fn from_recipe(
        device: &Device,
        config: &Config,
        recipe: &mut Recipe,
        seed: u64,
    ) -> Result<Self, Error> {
        let found = &config.model_type;
        if !["bert", "electra"].contains(&found.as_str()) {
            return Err(Error::Setting(format!(
                "objective: expected a model of type `bert` or `electra`, found `{found}`; the type is model_type in config.json"
            )));
        }
        let ranking = match recipe.choice("ranking", &["listwise", "pointwise"], "listwise")? {
            "pointwise" => Ranking::Pointwise,
            _ => Ranking::Listwise,
        };
        let bounds = "a number of passages of at least 2";
        let group_size = recipe.get_in("group_size", 8, 2.., bounds)?;
        let mut d = Declarations::default();
        let model = Labeller::declare(&mut d, one_score(config), Labelled::Texts);
        let model = model.map_err(Error::Setting)?;
        let weights = Weights::allocate(device, d, seed);
        Ok(Self { model, group_size, ranking, weights })
    }

    /// `loss = −log softmax(scores of a group)` at the answer, or binary cross-entropy of each score; both means.
    fn loss(&self, pairs: &Tokens, mode: &Mode) -> Terms {
        let (states, hidden) = self.model.states(pairs, None, mode); // [B·G, H]
        let scores = self.model.scores(&states); // [B·G, 1]
        let loss = match self.ranking {
            Ranking::Listwise => {
                let queries = pairs.rows / self.group_size;
                let groups = ops::cast(&scores, Format::Word).reshape([queries, self.group_size]);
                let first = vec![0; queries];
                listwise(
                    &groups,
                    &Candidates::new(groups.device(), self.group_size, &first, |_, _| true),
                )
            }
            Ranking::Pointwise => {
                let answers = |row: usize| u32::from(row.is_multiple_of(self.group_size));
                let answers: Vec<u32> = (0..pairs.rows).map(answers).collect();
                pointwise(&scores, &Targets::new(scores.device(), &answers, 2))
            }
        };
        Terms { loss, terms: Vec::new(), hidden }
    }
}

/// The configuration of a model that gives one score, which sentence-transformers is to leave as it is.
fn one_score(config: &Config) -> Config {
    let mut config = with_labels(config, &["LABEL_0".into()], None);
    let identity = serde_json::json!({"activation_fn": "torch.nn.modules.linear.Identity"});
    config.rest.insert("sentence_transformers".into(), identity);
    config
}

impl Objective for CrossEncoderObjective {
    type Batch = JointBatch;

    fn terms(&self, device: &Device, batch: &JointBatch, mode: &Mode) -> Result<Terms, BatchError> {
        let JointBatch { pair, token_type_ids } = batch;
        let (config, shape) = (self.encoder().config(), [pair.rows, pair.tokens]);
        let (types, visible) = (Some(&token_type_ids[..]), Visible::Lengths(&pair.lengths));
        let pairs = Tokens::new(device, config, shape, &pair.input_ids, types, visible)?;
        Ok(self.loss(&pairs, mode))
    }

    fn terms_of_file(
        &self,
        device: &Device,
        file: &TensorFile,
        mode: &Mode,
    ) -> Result<Terms, BatchError> {
        let config = self.encoder().config();
        let pairs = batch_file::tokens(device, config, file, ("input_ids", "attention_mask"))?;
        if pairs.rows == 0 || !pairs.rows.is_multiple_of(self.group_size) {
            let (rows, group) = (pairs.rows, self.group_size);
            let problem = format!("has {rows} rows, expected a multiple of group_size {group}");
            return Err(batch_file::malformed(file, "input_ids", problem));
        }
        Ok(self.loss(&pairs, mode))
    }

    fn tokens(batch: &JointBatch) -> u64 {
        batch.pair.lengths.iter().map(|&length| u64::from(length)).sum()
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
