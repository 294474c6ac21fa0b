//! Condenser pre-training (Gao & Callan 2021, arXiv:2104.08253, §3).

use wgrad_engine::file::TensorFile;
use wgrad_engine::ops::{Rows, Targets, add};
use wgrad_engine::weights::{Declarations, Weights};
use wgrad_engine::{Device, Tensor};
use wgrad_losses::masked_lm;
use wgrad_models::bert::Config;
use wgrad_models::condenser::States;
use wgrad_models::{Condenser, Encoder, Mode, Tokens};

use super::{
    BatchError, Batching, Collate, Losses, Objective, Pretraining, Terms, batch_file, mlm, share,
};
use crate::data::{MlmBatch, MlmCollator};
use crate::train::Error;
use crate::train::recipe::Recipe;

/// An encoder that guesses masked tokens, and a head that guesses them from its `[CLS]` and early states.
pub struct CondenserObjective {
    /// Encoder and heads.
    pub model: Condenser,
    /// Whether the encoder's own loss counts.
    pub late_mlm: bool,
    weights: Weights,
}

impl CondenserObjective {
    /// `loss = loss_head + loss_late` (§3.2, eq. 8).
    fn loss(&self, tokens: &Tokens, labels: &(Rows, Targets), mode: &Mode) -> Terms {
        let states = self.model.forward(tokens, mode);
        let terms = self.guesses(&states, labels);
        let loss = total(&terms);
        let terms = if self.late_mlm { terms } else { Vec::new() };
        Terms { loss, terms, hidden: states.late }
    }

    /// How well the head guesses the labelled tokens, and the encoder too, both through one head over the vocabulary.
    pub(super) fn guesses(&self, states: &States, (labelled, targets): &(Rows, Targets)) -> Losses {
        let head = &self.model.encoder.head;
        let of = |states| {
            let states = head.transform(states, labelled); // [R, H]
            masked_lm(&states, &head.decoder, &head.bias, targets)
        };
        let mut guesses = vec![("loss_head", of(&states.head))];
        if self.late_mlm {
            guesses.push(("loss_late", of(&states.late)));
        }
        guesses
    }
}

/// The sum of the losses.
pub(super) fn total(losses: &[(&str, Tensor)]) -> Tensor {
    let (first, others) = losses.split_first().expect("the head always guesses");
    others.iter().fold(first.1.clone(), |sum, (_, loss)| add(&sum, loss))
}

impl Pretraining for CondenserObjective {
    fn from_recipe(
        device: &Device,
        config: Config,
        recipe: &mut Recipe,
        seed: u64,
    ) -> Result<Self, Error> {
        let layers = config.num_hidden_layers;
        let bounds = format!("1 to the model's {layers} layers");
        let early = recipe.get_in("skip_from", layers.div_ceil(2), 1..=layers, &bounds)?;
        let head = recipe.get_in("n_head_layers", 2_usize, 1.., "a number of layers above 0")?;
        let late_mlm = recipe.get("late_mlm", true)?;
        let mut d = Declarations::default();
        let model = Condenser::declare(&mut d, config, early, head);
        Ok(Self { model, late_mlm, weights: Weights::allocate(device, d, seed) })
    }

    fn collate(
        &self,
        recipe: &mut Recipe,
        batching: &Batching<'_>,
    ) -> Result<Collate<MlmBatch>, Error> {
        let Batching { tokenizer, vocabulary, max_length, seed } = *batching;
        let rate = share(recipe, "encoder_mask", 0.15)?;
        let collator = MlmCollator::new(tokenizer, vocabulary, max_length, rate, seed);
        Ok(Box::new(move |blocks, epoch, examples| collator.batch(blocks, epoch, examples)))
    }
}

impl Objective for CondenserObjective {
    type Batch = MlmBatch;

    fn terms(&self, device: &Device, batch: &MlmBatch, mode: &Mode) -> Result<Terms, BatchError> {
        let (tokens, labels) = mlm::inputs(device, self.encoder().config(), batch)?;
        Ok(self.loss(&tokens, &labels, mode))
    }

    fn terms_of_file(
        &self,
        device: &Device,
        file: &TensorFile,
        mode: &Mode,
    ) -> Result<Terms, BatchError> {
        let config = self.encoder().config();
        let tokens = batch_file::tokens(device, config, file, ("input_ids", "attention_mask"))?;
        let shape = [tokens.rows, tokens.tokens];
        let labels = batch_file::labels(device, config, file, "labels", shape)?;
        Ok(self.loss(&tokens, &labels, mode))
    }

    fn tokens(batch: &MlmBatch) -> u64 {
        batch.lengths.iter().map(|&length| u64::from(length)).sum()
    }

    fn encoder(&self) -> &dyn Encoder {
        &self.model.encoder.bert
    }

    fn weights(&self) -> &Weights {
        &self.weights
    }

    fn weights_mut(&mut self) -> &mut Weights {
        &mut self.weights
    }
}
