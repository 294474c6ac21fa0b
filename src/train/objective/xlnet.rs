//! XLNet pre-training (Yang et al. 2019, arXiv:1906.08237, §2.2 to §2.6).

use wgrad_engine::file::TensorFile;
use wgrad_engine::ops::{Rows, Targets, gather_rows};
use wgrad_engine::weights::{Declarations, Weights};
use wgrad_engine::{Device, Tensor};
use wgrad_losses::masked_lm;
use wgrad_models::bert::Config;
use wgrad_models::xlnet::{self, Inputs, Text};
use wgrad_models::{Encoder, Mode, XlNetLm};

use super::{BatchError, Batching, Collate, Objective, Pretraining, Terms, batch_file, mlm};
use crate::data::masking::words_per_row;
use crate::data::{XlNetBatch, XlNetCollator};
use crate::train::Error;
use crate::train::recipe::Recipe;

/// XLNet learning to guess tokens in a random order.
pub struct XlNetObjective {
    /// The encoder and its head.
    pub model: XlNetLm,
    weights: Weights,
}

impl XlNetObjective {
    /// A fresh model; `config` carries XLNet's own keys.
    ///
    /// # Errors
    /// [`Error::Setting`] for a configuration that is none of XLNet.
    pub fn new(device: &Device, config: Config, seed: u64) -> Result<Self, Error> {
        let own = xlnet::Config::read(&config).map_err(Error::Setting)?;
        let mut d = Declarations::default();
        let model = XlNetLm::declare(&mut d, own);
        Ok(Self { model, weights: Weights::allocate(device, d, seed) })
    }

    /// `loss = −mean log p(x_z | x_<z)` over the predicted tokens (eq. 3 and 5), by the query stream.
    fn loss(&self, inputs: &Inputs, (labelled, targets): &(Rows, Targets), mode: &Mode) -> Terms {
        let XlNetLm { xlnet, bias } = &self.model;
        let hidden = xlnet.predict(inputs, mode); // [B, P, H]
        let (rows, channels) = hidden.shape().rows_and_last();
        let states = gather_rows(&hidden.reshape([rows, channels]), labelled); // [R, H]
        let loss = masked_lm(&states, &xlnet.word_embedding, bias, targets);
        Terms { loss, terms: Vec::new(), hidden }
    }
}

impl Pretraining for XlNetObjective {
    const MODEL_TYPE: &'static str = "xlnet";

    fn from_recipe(
        device: &Device,
        config: Config,
        _: &mut Recipe,
        seed: u64,
    ) -> Result<Self, Error> {
        Self::new(device, config, seed)
    }

    fn collate(
        &self,
        recipe: &mut Recipe,
        batching: &Batching<'_>,
    ) -> Result<Collate<XlNetBatch>, Error> {
        let Batching { tokenizer, vocabulary, max_length, seed } = *batching;
        let mut collator = XlNetCollator::new(tokenizer, vocabulary, max_length, seed);
        collator.partial =
            recipe.get_in("partial", 6, 1..=64, "1 to 64 tokens for each predicted")?;
        Ok(Box::new(move |blocks, epoch, examples| collator.batch(blocks, epoch, examples)))
    }
}

impl Objective for XlNetObjective {
    type Batch = XlNetBatch;

    fn terms(&self, device: &Device, batch: &XlNetBatch, mode: &Mode) -> Result<Terms, BatchError> {
        let XlNetBatch { rows, tokens, places, .. } = batch;
        let text = Text {
            shape: [*rows, *tokens],
            ids: &batch.input_ids,
            segments: Some(&batch.segments),
            visible: &batch.visible,
            places: Some(places),
        };
        let inputs = Inputs::new(device, &self.model.xlnet.config, &text, Vec::new())?;
        let at: Vec<u32> =
            (0..places.len() as u32).filter(|&at| places[at as usize].is_some()).collect();
        let labelled = mlm::rows(device, &at, places.len());
        let targets = Targets::new(device, &batch.labels, self.model.xlnet.config.vocab_size);
        Ok(self.loss(&inputs, &(labelled, targets), mode))
    }

    fn terms_of_file(
        &self,
        device: &Device,
        file: &TensorFile,
        mode: &Mode,
    ) -> Result<Terms, BatchError> {
        let batch = FileBatch::read(self.encoder().config(), file)?;
        let text = Text {
            shape: batch.shape,
            ids: &batch.ids,
            segments: batch.segments.as_deref(),
            visible: &batch.visible,
            places: Some(&batch.places),
        };
        let memory = memory(device, &self.model.xlnet.config, file, batch.shape[0])?;
        let inputs = Inputs::new(device, &self.model.xlnet.config, &text, memory)?;
        let shape = [batch.shape[0], batch.places.len() / batch.shape[0]];
        let labels = batch_file::labels(device, self.encoder().config(), file, "labels", shape)?;
        Ok(self.loss(&inputs, &labels, mode))
    }

    fn tokens(batch: &XlNetBatch) -> u64 {
        batch.lengths.iter().map(|&length| u64::from(length)).sum()
    }

    fn encoder(&self) -> &dyn Encoder {
        &self.model.xlnet
    }

    fn weights(&self) -> &Weights {
        &self.weights
    }

    fn weights_mut(&mut self) -> &mut Weights {
        &mut self.weights
    }
}

/// The host arrays of a batch in a file.
struct FileBatch {
    shape: [usize; 2],
    ids: Vec<u32>,
    segments: Option<Vec<u32>>,
    visible: Vec<u32>,
    places: Vec<Option<u32>>,
}

impl FileBatch {
    /// Reads `input_ids`, `attention_mask` and `token_type_ids` if there, `perm_mask` and `target_positions`.
    fn read(config: &Config, file: &TensorFile) -> Result<Self, BatchError> {
        let shape = batch_file::two_axes(file, "input_ids")?;
        let [rows, tokens] = shape;
        let ids = batch_file::ids(config, file, "input_ids", shape)?;
        let mask = batch_file::shaped(file, "attention_mask", &shape)?;
        let segments = match file.tensors.contains_key("token_type_ids") {
            true => Some(batch_file::unsigned(
                file,
                "token_type_ids",
                batch_file::shaped(file, "token_type_ids", &shape)?,
            )?),
            false => None,
        };
        let hidden = batch_file::shaped(file, "perm_mask", &[rows, tokens, tokens])?;
        let words = words_per_row(tokens);
        let mut visible = vec![0_u32; rows * tokens * words];
        for (at, bits) in visible.chunks_exact_mut(words).enumerate() {
            for column in 0..tokens {
                let sees =
                    hidden[at * tokens + column] == 0 && mask[at / tokens * tokens + column] != 0;
                bits[column / 32] |= u32::from(sees) << (column % 32);
            }
        }
        let [_, predictions] = batch_file::two_axes(file, "target_positions")?;
        let places = batch_file::shaped(file, "target_positions", &[rows, predictions])?;
        if let Some(place) = places.iter().find(|&&place| place >= tokens as i64) {
            let problem = format!("holds {place}, expected a token below {tokens}, or −1 for none");
            return Err(batch_file::malformed(file, "target_positions", problem));
        }
        let places = places.iter().map(|&place| u32::try_from(place).ok()).collect();
        Ok(Self { shape, ids, segments, visible, places })
    }
}

/// The memory `mems` `[L, M, B, H]`, tokens first as published, as one `[B, M, H]` a layer; none without it.
fn memory(
    device: &Device,
    config: &xlnet::Config,
    file: &TensorFile,
    rows: usize,
) -> Result<Vec<Tensor>, BatchError> {
    if !file.tensors.contains_key("mems") {
        return Ok(Vec::new());
    }
    let (shape, values) = file.floats("mems")?;
    let h = config.d_model;
    let (l, b) = (config.n_layer, rows);
    let &[layers, m, batch, width] = shape else {
        let problem = format!("is {shape:?}, expected [L, M, B, H]");
        return Err(batch_file::malformed(file, "mems", problem));
    };
    if [layers, batch, width] != [l, b, h] || m == 0 {
        let problem = format!("is {shape:?}, expected [{l}, M, {b}, {h}]");
        return Err(batch_file::malformed(file, "mems", problem));
    }
    let of_layer = |values: &[f32]| {
        let by_row = |row: usize| (0..m).flat_map(move |at| &values[(at * b + row) * h..][..h]);
        let values: Vec<f32> = (0..b).flat_map(by_row).copied().collect();
        Tensor::f32(device, [b, m, h], &values)
    };
    Ok(values.chunks_exact(m * b * h).map(of_layer).collect())
}
