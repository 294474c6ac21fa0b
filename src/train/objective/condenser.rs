//! Condenser pre-training (Gao & Callan 2021, arXiv:2104.08253, §3).

use wgrad_engine::Device;
use wgrad_engine::file::TensorFile;
use wgrad_engine::ops::{Rows, Targets, add};
use wgrad_engine::weights::{Declarations, Weights};
use wgrad_losses::masked_lm;
use wgrad_models::bert::Config;
use wgrad_models::condenser::States;
use wgrad_models::{Condenser, Encoder, Mode, Tokens};

use super::{BatchError, Batching, Collate, Objective, Pretraining, Terms, batch_file, mlm, share};
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
    /// `loss = loss_head + loss_late` (§3.2, eq. 8), both through one head over the vocabulary.
    fn loss(&self, tokens: &Tokens, (labelled, targets): &(Rows, Targets), mode: &Mode) -> Terms {
        let head = &self.model.encoder.head;
        let States { late, head: condensed } = self.model.forward(tokens, mode);
        let of = |states| {
            let states = head.transform(states, labelled); // [R, H]
            masked_lm(&states, &head.decoder, &head.bias, targets)
        };
        let loss_head = of(&condensed);
        if !self.late_mlm {
            return Terms { loss: loss_head, terms: Vec::new(), hidden: late };
        }
        let loss_late = of(&late);
        let loss = add(&loss_head, &loss_late);
        let terms = vec![("loss_head", loss_head), ("loss_late", loss_late)];
        Terms { loss, terms, hidden: late }
    }
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
