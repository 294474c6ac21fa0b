//! RetroMAE pre-training (Xiao et al. 2022, arXiv:2205.12035, §2).

use wgrad_engine::file::TensorFile;
use wgrad_engine::ops::{Rows, Targets, Visibility, add};
use wgrad_engine::weights::{Declarations, Weights};
use wgrad_engine::{Device, Tensor};
use wgrad_losses::masked_lm;
use wgrad_models::bert::Config;
use wgrad_models::retromae::{DecoderQuery, Decoding};
use wgrad_models::{Encoder, Mode, RetroMae, Tokens, Visible};

use super::{BatchError, Batching, Collate, Objective, Pretraining, Terms, batch_file, mlm, share};
use crate::data::{DecoderMasks, MaskPool, MlmBatch, RetroMaeBatch, RetroMaeCollator};
use crate::train::Error;
use crate::train::recipe::Recipe;

/// An encoder that packs a sentence into one vector, and a weak decoder that asks it to.
pub struct RetroMaeObjective {
    /// Encoder, head and decoder.
    pub model: RetroMae,
    weights: Weights,
}

/// What one forward sees.
pub(super) struct Inputs {
    /// The corrupted sentence.
    pub(super) encoder: Tokens,
    encoder_labels: (Rows, Targets),
    /// The sentence as it was.
    decoder: Tokens,
    /// What each row of the decoder may see of it.
    visible: Visibility,
    decoder_labels: (Rows, Targets),
}

impl Inputs {
    /// Of a collated batch.
    pub(super) fn of_batch(
        device: &Device,
        config: &Config,
        batch: &RetroMaeBatch,
    ) -> Result<Self, BatchError> {
        let MlmBatch { rows, tokens, lengths, .. } = &batch.encoder;
        let (encoder, encoder_labels) = mlm::inputs(device, config, &batch.encoder)?;
        let ids = batch.decoder_input_ids();
        let shape = [*rows, *tokens];
        let decoder = Tokens::new(device, config, shape, ids, None, Visible::Lengths(lengths))?;
        let labelled = mlm::rows(device, &batch.decoder_label_positions, rows * tokens);
        let targets = Targets::new(device, &batch.decoder_labels, config.vocab_size);
        let visible = if batch.decoder_visible.is_empty() {
            decoder.visibility.clone()
        } else {
            let shape = [*rows, *tokens, *tokens];
            Visibility::all().and_bits(device, shape, &batch.decoder_visible)
        };
        let decoder_labels = (labelled, targets);
        Ok(Self { encoder, encoder_labels, decoder, visible, decoder_labels })
    }

    /// Of a batch in a file.
    pub(super) fn of_file(
        device: &Device,
        config: &Config,
        file: &TensorFile,
    ) -> Result<Self, BatchError> {
        let mask = "attention_mask";
        let encoder = batch_file::tokens(device, config, file, ("input_ids", mask))?;
        let decoder = batch_file::tokens(device, config, file, ("decoder_input_ids", mask))?;
        let shape = [encoder.rows, encoder.tokens];
        Ok(Self {
            encoder,
            encoder_labels: batch_file::labels(device, config, file, "labels", shape)?,
            decoder,
            visible: batch_file::visible(device, file, "decoder_visible", shape)?,
            decoder_labels: batch_file::labels(device, config, file, "decoder_labels", shape)?,
        })
    }
}

impl RetroMaeObjective {
    /// A fresh model.
    pub fn new(
        device: &Device,
        config: Config,
        query: DecoderQuery,
        decoding: Decoding,
        seed: u64,
    ) -> Self {
        let mut d = Declarations::default();
        let model = RetroMae::declare(&mut d, config, query, decoding);
        Self { model, weights: Weights::allocate(device, d, seed) }
    }

    /// `loss = loss_encoder + loss_decoder` (§2.3, eq. 7), both through one head.
    fn loss(&self, inputs: &Inputs, mode: &Mode) -> Terms {
        let (hidden, [loss_encoder, loss_decoder]) = losses(&self.model, inputs, mode);
        let loss = add(&loss_encoder, &loss_decoder);
        let terms = vec![("loss_encoder", loss_encoder), ("loss_decoder", loss_decoder)];
        Terms { loss, terms, hidden }
    }
}

/// The encoder's last hidden state `[B, T, H]`, and the two losses: of the encoder and of the decoder.
pub(super) fn losses(model: &RetroMae, inputs: &Inputs, mode: &Mode) -> (Tensor, [Tensor; 2]) {
    let encoder = &model.encoder;
    let hidden = encoder.bert.forward(&inputs.encoder, mode); // [B, T, H]
    let decoded = model.decode(&hidden, &inputs.decoder, &inputs.visible, mode); // [B, T, H]

    let head = |states: &Tensor, (labelled, targets): &(Rows, Targets)| {
        let states = encoder.head.transform(states, labelled); // [R, H]
        masked_lm(&states, &encoder.head.decoder, &encoder.head.bias, targets)
    };
    let loss_encoder = head(&hidden, &inputs.encoder_labels);
    let loss_decoder = head(&decoded, &inputs.decoder_labels);
    (hidden, [loss_encoder, loss_decoder])
}

/// What makes the batches of RetroMAE and DupMAE, by what the recipe says of masks.
pub(super) fn collate(
    recipe: &mut Recipe,
    batching: &Batching<'_>,
    decoding: Decoding,
) -> Result<Collate<RetroMaeBatch>, Error> {
    let Batching { tokenizer, vocabulary, max_length, seed } = *batching;
    let mut collator = RetroMaeCollator::new(tokenizer, vocabulary, max_length, seed);
    collator.encoder.rate = share(recipe, "encoder_mask", 0.3)?;
    collator.decoder_rate = share(recipe, "decoder_mask", 0.5)?;
    collator.masks = match decoding {
        Decoding::Enhanced => {
            DecoderMasks::Visibility(recipe.get("mask_pool", MaskPool::RETROMAE)?)
        }
        Decoding::Basic { .. } => DecoderMasks::Tokens,
    };
    Ok(Box::new(move |blocks, epoch, examples| collator.batch(blocks, epoch, examples)))
}

/// How H₁ is made: the setting `decoder_query`.
pub(super) fn decoder_query(recipe: &mut Recipe, default: &str) -> Result<DecoderQuery, Error> {
    Ok(match recipe.choice("decoder_query", &["pos_add", "bert_embed"], default)? {
        "bert_embed" => DecoderQuery::BertEmbed,
        _ => DecoderQuery::PosAdd,
    })
}

impl Pretraining for RetroMaeObjective {
    fn from_recipe(
        device: &Device,
        config: Config,
        recipe: &mut Recipe,
        seed: u64,
    ) -> Result<Self, Error> {
        let query = decoder_query(recipe, "pos_add")?;
        let decoding = recipe.choice("decoding", &["enhanced", "basic"], "enhanced")?;
        let layers = recipe.get_in("decoder_layers", 1, 1.., "a number of layers above 0")?;
        let decoding = match (decoding, layers) {
            ("basic", layers) => Decoding::Basic { layers },
            (_, 1) => Decoding::Enhanced,
            _ => {
                let expected = format!("decoder_layers: expected 1, found {layers}");
                return Err(Error::Setting(
                    expected + "; only decoding=basic has more, enhanced decoding is one layer",
                ));
            }
        };
        Ok(Self::new(device, config, query, decoding, seed))
    }

    fn collate(
        &self,
        recipe: &mut Recipe,
        batching: &Batching<'_>,
    ) -> Result<Collate<RetroMaeBatch>, Error> {
        collate(recipe, batching, self.model.decoding)
    }
}

impl Objective for RetroMaeObjective {
    type Batch = RetroMaeBatch;

    fn terms(
        &self,
        device: &Device,
        batch: &RetroMaeBatch,
        mode: &Mode,
    ) -> Result<Terms, BatchError> {
        let config = &self.model.encoder.bert.config;
        Ok(self.loss(&Inputs::of_batch(device, config, batch)?, mode))
    }

    fn terms_of_file(
        &self,
        device: &Device,
        file: &TensorFile,
        mode: &Mode,
    ) -> Result<Terms, BatchError> {
        let config = &self.model.encoder.bert.config;
        Ok(self.loss(&Inputs::of_file(device, config, file)?, mode))
    }

    fn tokens(batch: &RetroMaeBatch) -> u64 {
        batch.encoder.lengths.iter().map(|&length| u64::from(length)).sum()
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
