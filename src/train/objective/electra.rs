//! ELECTRA pre-training (Clark et al. 2020, arXiv:2003.10555, §2).

use wgrad_engine::Device;
use wgrad_engine::file::TensorFile;
use wgrad_engine::ops::{Ids, Rows, Targets, add_scaled, scale};
use wgrad_engine::weights::{Declarations, Weights};
use wgrad_losses::{masked_lm, replaced_token};
use wgrad_models::bert::Config;
use wgrad_models::electra::{Electra, Tying, generator_config};
use wgrad_models::{Encoder, Mode, Tokens};

use super::{BatchError, Batching, Collate, Objective, Pretraining, Terms, batch_file, mlm, share};
use crate::data::collate::Unit;
use crate::data::masking::Corruption;
use crate::data::{MlmBatch, MlmCollator};
use crate::train::Error;
use crate::train::recipe::Recipe;

/// Which tokens the discriminator learns from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judged {
    /// All that are no padding.
    All,
    /// Those the generator filled in: "ELECTRA 15 %" (§3.4).
    Masked,
}

/// A generator that fills in masked tokens, and a discriminator that finds those it got wrong.
pub struct ElectraObjective {
    /// Both.
    pub model: Electra,
    /// Weights of the generator's and the discriminator's loss: 1 and λ.
    pub loss_weights: [f32; 2],
    /// Which tokens the discriminator learns from.
    pub judged: Judged,
    weights: Weights,
}

/// What one forward sees.
struct Inputs {
    /// x^masked.
    masked: Tokens,
    /// The masked rows, and what stood there.
    labels: (Rows, Targets),
    /// The masked rows, flat.
    positions: Vec<u32>,
    /// x, flat.
    originals: Vec<u32>,
    /// The rows that are no padding, flat.
    visible: Vec<u32>,
    /// x^corrupt where it is given; else the generator draws it.
    corrupted: Option<Vec<u32>>,
}

impl ElectraObjective {
    /// A fresh model. `loss_weights` are those of the generator and the discriminator.
    pub fn new(
        device: &Device,
        config: Config,
        (tying, judged): (Tying, Judged),
        loss_weights: [f32; 2],
        seed: u64,
    ) -> Self {
        let mut d = Declarations::default();
        let model = Electra::declare(&mut d, config, tying);
        Self { model, loss_weights, judged, weights: Weights::allocate(device, d, seed) }
    }

    /// `loss = loss_generator + λ·loss_discriminator` (§2); no gradient flows from the second to the generator but
    /// through the embeddings they share.
    fn loss(&self, device: &Device, inputs: &Inputs, mode: &Mode) -> Terms {
        let Electra { generator, discriminator } = &self.model;
        let Inputs { masked, labels: (masked_rows, targets), positions, .. } = inputs;
        let hidden = generator.electra.forward(masked, mode); // [B, T, H_G]
        let states = generator.transform(&hidden, masked_rows); // [R, E]
        let loss_generator = masked_lm(&states, &generator.decoder, &generator.bias, targets);

        let corrupted = inputs.corrupted.clone().unwrap_or_else(|| {
            let mut ids = inputs.originals.clone();
            for (&at, id) in positions.iter().zip(generator.sample(&states, mode)) {
                ids[at as usize] = id;
            }
            ids
        }); // x^corrupt
        let judged = match self.judged {
            Judged::All => &inputs.visible,
            Judged::Masked => positions,
        };
        // A guess that is right is original, not replaced.
        let is_replaced =
            |at: &u32| u32::from(corrupted[*at as usize] != inputs.originals[*at as usize]);
        let replaced: Vec<u32> = judged.iter().map(is_replaced).collect();
        let table = masked.ids.table_rows();
        let ids = Ids::new(device, &corrupted, table).expect("ids of the batch and of the table");
        let hidden = discriminator.electra.forward(&masked.with_ids(ids), mode); // [B, T, H]
        let judged = mlm::rows(device, judged, corrupted.len());
        let logits = discriminator.logits(&hidden, &judged); // [R, 1]
        let loss_discriminator = replaced_token(&logits, &Targets::new(device, &replaced, 2));

        let [of_generator, lambda] = self.loss_weights;
        let loss = add_scaled(&scale(&loss_generator, of_generator), &loss_discriminator, lambda);
        let terms =
            vec![("loss_generator", loss_generator), ("loss_discriminator", loss_discriminator)];
        Terms { loss, terms, hidden }
    }
}

impl Pretraining for ElectraObjective {
    const MODEL_TYPE: &'static str = "electra";

    fn from_recipe(
        device: &Device,
        config: Config,
        recipe: &mut Recipe,
        seed: u64,
    ) -> Result<Self, Error> {
        let tying = match recipe.choice("tying", &["all", "token", "none"], "all")? {
            "none" => Tying::None,
            "token" => Tying::Token,
            _ => Tying::All,
        };
        let judged = match recipe.choice("discriminator_tokens", &["all", "masked"], "all")? {
            "masked" => Judged::Masked,
            _ => Judged::All,
        };
        let mut weight =
            |key, default| recipe.get_in(key, default, 0.0..f32::MAX, "a number of 0 or more");
        let loss_weights =
            [weight("generator_weight", 1.0)?, weight("discriminator_weight", 50.0)?];
        let Config { hidden_size, num_hidden_layers, num_attention_heads, .. } =
            generator_config(&config);
        if hidden_size == 0 || num_hidden_layers == 0 || hidden_size % num_attention_heads != 0 {
            return Err(Error::Setting(format!(
                "config.json: expected generator_hidden_size and generator_layers that give a generator of whole \
                 heads, found hidden size {hidden_size}, {num_hidden_layers} layers, {num_attention_heads} heads"
            )));
        }
        Ok(Self::new(device, config, (tying, judged), loss_weights, seed))
    }

    fn collate(
        &self,
        recipe: &mut Recipe,
        batching: &Batching<'_>,
    ) -> Result<Collate<MlmBatch>, Error> {
        let Batching { tokenizer, vocabulary, max_length, seed } = *batching;
        let rate = share(recipe, "encoder_mask", 0.15)?;
        let mut collator = MlmCollator::new(tokenizer, vocabulary, max_length, rate, seed);
        (collator.unit, collator.corruption) = (Unit::Token, Corruption::ELECTRA);
        Ok(Box::new(move |blocks, epoch, examples| collator.batch(blocks, epoch, examples)))
    }
}

impl Objective for ElectraObjective {
    type Batch = MlmBatch;

    fn terms(&self, device: &Device, batch: &MlmBatch, mode: &Mode) -> Result<Terms, BatchError> {
        let (masked, labels) = mlm::inputs(device, self.encoder().config(), batch)?;
        let rows = (0_u32..).step_by(batch.tokens).zip(&batch.lengths);
        let inputs = Inputs {
            masked,
            labels,
            positions: batch.label_positions.clone(),
            originals: batch.original_ids.clone(),
            visible: rows.flat_map(|(first, &length)| first..first + length).collect(),
            corrupted: None,
        };
        Ok(self.loss(device, &inputs, mode))
    }

    fn terms_of_file(
        &self,
        device: &Device,
        file: &TensorFile,
        mode: &Mode,
    ) -> Result<Terms, BatchError> {
        let config = self.encoder().config();
        let mask = "attention_mask";
        let masked = batch_file::tokens(device, config, file, ("generator_input_ids", mask))?;
        let shape = [masked.rows, masked.tokens];
        let ids = |name| batch_file::ids(config, file, name, shape);
        let inputs = Inputs {
            labels: batch_file::labels(device, config, file, "generator_labels", shape)?,
            positions: batch_file::marked(file, "generator_labels", shape, |label| label >= 0)?,
            originals: ids("input_ids")?,
            visible: batch_file::marked(file, mask, shape, |bit| bit != 0)?,
            corrupted: Some(ids("sampled_ids")?),
            masked,
        };
        Ok(self.loss(device, &inputs, mode))
    }

    fn tokens(batch: &MlmBatch) -> u64 {
        batch.lengths.iter().map(|&length| u64::from(length)).sum()
    }

    fn encoder(&self) -> &dyn Encoder {
        &self.model.discriminator.electra
    }

    fn weights(&self) -> &Weights {
        &self.weights
    }

    fn weights_mut(&mut self) -> &mut Weights {
        &mut self.weights
    }
}
