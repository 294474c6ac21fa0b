//! ELECTRA pre-training (Clark et al. 2020, arXiv:2003.10555, §2), and what the paper compares it with (§3.4, appendix F).

mod variants;

use wgrad_engine::file::TensorFile;
use wgrad_engine::ops::{Ids, Rows, Targets, add_scaled, scale};
use wgrad_engine::weights::{Declarations, Weights};
use wgrad_engine::{Device, Tensor};
use wgrad_losses::{masked_lm, replaced_token};
use wgrad_models::bert::Config;
use wgrad_models::electra::{Discriminator, Electra, Head, Scheme, Task, Tying, generator_config};
use wgrad_models::layers::heads_that_do_not_fit;
use wgrad_models::{Encoder, Mode, Tokens};

use super::{BatchError, Batching, Collate, Objective, Pretraining, Terms, batch_file, mlm, share};
use crate::data::collate::Unit;
use crate::data::masking::Corruption;
use crate::data::{MlmBatch, MlmCollator};
use crate::train::Error;
use crate::train::pretrain::Start;
use crate::train::recipe::Recipe;
use crate::train::trainer::TrainError;

/// Which tokens the discriminator learns from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judged {
    /// All that are no padding.
    All,
    /// Those the generator filled in: "ELECTRA 15 %" (§3.4).
    Masked,
}

/// A generator that fills in masked tokens, and an encoder that learns from the result.
pub struct ElectraObjective {
    model: Model,
    /// Weights of the generator's and the discriminator's loss: 1 and λ.
    pub loss_weights: [f32; 2],
    /// Which tokens the discriminator learns from.
    pub judged: Judged,
    weights: Weights,
}

/// What is trained.
enum Model {
    /// Both at once.
    Joint(Electra, Scheme),
    /// The generator alone, as large as the discriminator: the first of two stages (§3.2, "training algorithms").
    First(Discriminator),
    /// The discriminator alone, which begins as a copy of the generator.
    Second {
        /// What is trained.
        discriminator: Discriminator,
        /// What stage one left.
        generator: Discriminator,
        /// Its parameters, which no optimizer moves.
        frozen: Weights,
    },
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

impl Inputs {
    /// x^corrupt, flat: x with the tokens that `draw` gives at the masked rows.
    fn corrupt(&self, draw: impl FnOnce() -> Vec<u32>) -> Vec<u32> {
        self.corrupted.clone().unwrap_or_else(|| {
            let mut ids = self.originals.clone();
            for (&at, id) in self.positions.iter().zip(draw()) {
                ids[at as usize] = id;
            }
            ids
        })
    }

    /// The tokens of x^corrupt.
    fn tokens(&self, device: &Device, corrupted: &[u32]) -> Tokens {
        let table = self.masked.ids.table_rows();
        let ids = Ids::new(device, corrupted, table).expect("ids of the batch and of the table");
        self.masked.with_ids(ids)
    }

    /// Whether a token differs from what stood there. A guess that is right is original, not replaced.
    fn is_replaced(&self, corrupted: &[u32], at: u32) -> bool {
        corrupted[at as usize] != self.originals[at as usize]
    }
}

impl ElectraObjective {
    /// A fresh model of the paper's §2. `loss_weights` are those of the generator and the discriminator.
    pub fn new(
        device: &Device,
        config: Config,
        (tying, judged): (Tying, Judged),
        loss_weights: [f32; 2],
        seed: u64,
    ) -> Self {
        let how = (tying, judged, Scheme::ReplacedTokens);
        Self::of_scheme(device, config, how, loss_weights, seed)
    }

    /// A fresh model of one of the paper's schemes.
    pub fn of_scheme(
        device: &Device,
        config: Config,
        (tying, judged, scheme): (Tying, Judged, Scheme),
        loss_weights: [f32; 2],
        seed: u64,
    ) -> Self {
        let mut d = Declarations::default();
        let model = Model::Joint(Electra::declare(&mut d, config, tying, scheme), scheme);
        Self { model, loss_weights, judged, weights: Weights::allocate(device, d, seed) }
    }

    /// A fresh model of one of two stages, 1 or 2.
    pub fn of_stage(
        device: &Device,
        config: Config,
        judged: Judged,
        stage: u32,
        seed: u64,
    ) -> Self {
        let declare = |task| {
            let mut d = Declarations::default();
            let model = Discriminator::declare(&mut d, config.clone(), task);
            (model, Weights::allocate(device, d, seed))
        };
        let (generator, of_generator) = declare(Task::Words);
        let (model, weights) = if stage == 1 {
            (Model::First(generator), of_generator)
        } else {
            let (discriminator, weights) = declare(Task::Detection);
            (Model::Second { discriminator, generator, frozen: of_generator }, weights)
        };
        Self { model, loss_weights: [1.0, 1.0], judged, weights }
    }

    /// The encoder that is kept.
    pub fn discriminator(&self) -> &Discriminator {
        match &self.model {
            Model::Joint(electra, _) => &electra.discriminator,
            Model::First(encoder) => encoder,
            Model::Second { discriminator, .. } => discriminator,
        }
    }

    fn loss(&self, device: &Device, inputs: &Inputs, mode: &Mode) -> Terms {
        match &self.model {
            Model::Joint(electra, Scheme::Adversarial) => {
                self.adversarial(electra, device, inputs, mode)
            }
            Model::Joint(electra, _) => self.joint(electra, inputs, mode),
            Model::First(encoder) => variants::first_stage(encoder, inputs, mode),
            Model::Second { discriminator, generator, .. } => {
                self.second_stage((discriminator, generator), inputs, mode)
            }
        }
    }

    /// `loss = loss_generator + λ·loss_discriminator` (§2); no gradient flows from the second to the generator but
    /// through the embeddings they share.
    fn joint(&self, electra: &Electra, inputs: &Inputs, mode: &Mode) -> Terms {
        let Electra { generator, discriminator } = electra;
        let (masked_rows, targets) = &inputs.labels;
        let hidden = generator.electra.forward(&inputs.masked, mode); // [B, T, H_G]
        let states = generator.head.transform(&hidden, masked_rows); // [R, E]
        let (table, bias) = (&generator.head.decoder, &generator.head.bias);
        let loss_generator = masked_lm(&states, table, bias, targets);

        let corrupted = inputs.corrupt(|| generator.head.sample(&states, mode)); // x^corrupt
        let (hidden, loss_discriminator) = self.judge(discriminator, inputs, &corrupted, mode);

        let [of_generator, lambda] = self.loss_weights;
        let loss = add_scaled(&scale(&loss_generator, of_generator), &loss_discriminator, lambda);
        let terms =
            vec![("loss_generator", loss_generator), ("loss_discriminator", loss_discriminator)];
        Terms { loss, terms, hidden }
    }

    /// The encoder's states of x^corrupt, `[B, T, H]`, and the loss of its task.
    fn judge(
        &self,
        discriminator: &Discriminator,
        inputs: &Inputs,
        corrupted: &[u32],
        mode: &Mode,
    ) -> (Tensor, Tensor) {
        let device = inputs.masked.lengths.device();
        let hidden = discriminator.electra.forward(&inputs.tokens(device, corrupted), mode);
        let loss = match &discriminator.head {
            Head::Detection(head) => {
                let judged = match self.judged {
                    Judged::All => &inputs.visible,
                    Judged::Masked => &inputs.positions,
                };
                let replaced = |&at: &u32| u32::from(inputs.is_replaced(corrupted, at));
                let replaced: Vec<u32> = judged.iter().map(replaced).collect();
                let judged = mlm::rows(device, judged, corrupted.len());
                let logits = head.logits(&hidden, &judged); // [R, 1]
                replaced_token(&logits, &Targets::new(device, &replaced, 2))
            }
            Head::Words(head) => {
                let (rows, targets) = &inputs.labels;
                masked_lm(&head.transform(&hidden, rows), &head.decoder, &head.bias, targets)
            }
            Head::WordsOrCopies(head, gate) => {
                variants::all_tokens(&hidden, (head, gate), inputs, corrupted)
            }
        };
        (hidden, loss)
    }
}

/// Whether the encoder names tokens, rather than telling which were replaced.
fn head_is_of_words(scheme: Scheme) -> bool {
    matches!(scheme, Scheme::ReplaceMlm | Scheme::AllTokensMlm)
}

impl Pretraining for ElectraObjective {
    const MODEL_TYPE: &'static str = "electra";

    fn from_recipe(
        device: &Device,
        config: Config,
        recipe: &mut Recipe,
        seed: u64,
    ) -> Result<Self, Error> {
        let variants = ["electra", "replace_mlm", "all_tokens_mlm", "two_stage", "adversarial"];
        let variant = recipe.choice("variant", &variants, "electra")?;
        let scheme = match variant {
            "replace_mlm" => Scheme::ReplaceMlm,
            "all_tokens_mlm" => Scheme::AllTokensMlm,
            "adversarial" => Scheme::Adversarial,
            _ => Scheme::ReplacedTokens,
        };
        let stage = match variant {
            "two_stage" => Some(recipe.get_in("stage", 1_u32, 1..=2, "1 or 2")?),
            _ => None,
        };
        let judged = if head_is_of_words(scheme) || stage == Some(1) {
            "all"
        } else {
            recipe.choice("discriminator_tokens", &["all", "masked"], "all")?
        };
        let judged = if judged == "masked" { Judged::Masked } else { Judged::All };
        if let Some(stage) = stage {
            return Ok(Self::of_stage(device, config, judged, stage, seed));
        }
        let tying = match recipe.choice("tying", &["all", "token", "none"], "all")? {
            "none" => Tying::None,
            "token" => Tying::Token,
            _ => Tying::All,
        };
        // λ of the paper weighs a loss of two classes against one of the whole vocabulary.
        let lambda = if head_is_of_words(scheme) { 1.0 } else { 50.0 };
        let mut weight =
            |key, default| recipe.get_in(key, default, 0.0..f32::MAX, "a number of 0 or more");
        let loss_weights =
            [weight("generator_weight", 1.0)?, weight("discriminator_weight", lambda)?];
        let Config { hidden_size, num_hidden_layers, num_attention_heads, .. } =
            generator_config(&config);
        let keys = ["hidden size", "heads"];
        let misfit = match (hidden_size, num_hidden_layers) {
            (0, _) | (_, 0) => {
                Some(format!("hidden size {hidden_size} and {num_hidden_layers} layers"))
            }
            _ => heads_that_do_not_fit(hidden_size, num_attention_heads, keys),
        };
        if let Some(misfit) = misfit {
            return Err(Error::Setting(format!(
                "config.json: generator_hidden_size and generator_layers give a generator that cannot be: {misfit}"
            )));
        }
        Ok(Self::of_scheme(device, config, (tying, judged, scheme), loss_weights, seed))
    }

    fn begin(&mut self, start: &Start) -> Result<Vec<String>, TrainError> {
        match (&mut self.model, start) {
            (Model::Second { frozen, .. }, Start::Directory(directory)) => {
                directory.load_whole(frozen)?;
                Ok(directory.load_into(&mut self.weights)?)
            }
            (Model::Second { .. }, Start::Fresh(_)) => Err(Error::Setting(
                "stage = 2: expected the model that stage 1 left; pass --init RUN/model".into(),
            )
            .into()),
            (_, Start::Directory(directory)) => Ok(directory.load_into(&mut self.weights)?),
            (_, Start::Fresh(_)) => Ok(Vec::new()),
        }
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
        &self.discriminator().electra
    }

    fn weights(&self) -> &Weights {
        &self.weights
    }

    fn weights_mut(&mut self) -> &mut Weights {
        &mut self.weights
    }
}
