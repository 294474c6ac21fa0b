//! Learning from labels: classification and regression of texts, classification of tokens (Devlin et al. 2019,
//! arXiv:1810.04805, §4).

use wgrad_engine::file::TensorFile;
use wgrad_engine::ops::{Rows, Targets};
use wgrad_engine::weights::{Declarations, Weights};
use wgrad_engine::{Device, Tensor, no_grad};
use wgrad_losses::{classification, mean_squared_error};
use wgrad_models::bert::Config;
use wgrad_models::{Encoder, Labelled, Labeller, Mode, Tokens, Visible};

use super::{BatchError, Objective, Terms, batch_file};
use crate::data::{Kind, LabelBatch};
use crate::train::Error;

/// An encoder with a head, learning the answers of texts or tokens.
pub struct LabelObjective {
    /// The encoder and its head.
    pub model: Labeller,
    kind: Kind,
    weights: Weights,
}

/// The answers of a batch on a device.
enum Answers {
    Classes(Targets),
    /// `[B, 1]`.
    Numbers(Tensor),
}

impl LabelObjective {
    /// A fresh model, whose `config` names the answers.
    ///
    /// # Errors
    /// [`Error::Setting`] for a configuration that describes no such model.
    pub fn new(device: &Device, config: Config, kind: Kind, seed: u64) -> Result<Self, Error> {
        let mut d = Declarations::default();
        let of = if kind == Kind::Tags { Labelled::Tokens } else { Labelled::Texts };
        let model = Labeller::declare(&mut d, config, of).map_err(Error::Setting)?;
        let answers = model.classifier.weight.declared_shape().axes()[0];
        if kind == Kind::Number && answers != 1 {
            let problem = format!("expected a model of one label, found {answers}");
            return Err(Error::Setting(format!(
                "regression: {problem}; see id2label in config.json"
            )));
        }
        let weights = Weights::allocate(device, d, seed);
        Ok(Self { model, kind, weights })
    }

    /// C.
    pub fn answers(&self) -> usize {
        self.model.classifier.weight.declared_shape().axes()[0]
    }

    /// The scores of every answer `[N, C]`, without dropout: a row for each text, or for each tag of the batch.
    ///
    /// # Errors
    /// As [`Objective::terms`].
    pub fn predict(&self, device: &Device, batch: &LabelBatch) -> Result<Vec<f32>, BatchError> {
        let tokens = self.tokens_of(device, batch)?;
        let places = self.places(device, batch);
        let mode = Mode::evaluation();
        Ok(no_grad(|| {
            let (states, _) = self.model.states(&tokens, places.as_ref(), &mode);
            self.model.scores(&states).to_f32()
        }))
    }

    /// `loss = cross-entropy(W·h + b, class)`, or `(w·h + b − number)²`, both means.
    fn loss(
        &self,
        tokens: &Tokens,
        places: Option<&Rows>,
        answers: &Answers,
        mode: &Mode,
    ) -> Terms {
        let (h, hidden) = self.model.states(tokens, places, mode); // [N, H]
        let classifier = &self.model.classifier;
        let loss = match answers {
            Answers::Classes(y) => classification(&h, &classifier.weight, &classifier.bias, y),
            Answers::Numbers(y) => mean_squared_error(&self.model.scores(&h), y),
        };
        Terms { loss, terms: Vec::new(), hidden }
    }

    fn tokens_of(&self, device: &Device, batch: &LabelBatch) -> Result<Tokens, BatchError> {
        let LabelBatch { text, token_type_ids, .. } = batch;
        let (shape, types) = ([text.rows, text.tokens], Some(&token_type_ids[..]));
        let (config, visible) = (self.encoder().config(), Visible::Lengths(&text.lengths));
        Ok(Tokens::new(device, config, shape, &text.input_ids, types, visible)?)
    }

    fn places(&self, device: &Device, batch: &LabelBatch) -> Option<Rows> {
        let n = batch.text.rows * batch.text.tokens;
        let rows = || Rows::new(device, &batch.places, n).expect("places increase");
        (self.kind == Kind::Tags).then(rows)
    }
}

impl Objective for LabelObjective {
    type Batch = LabelBatch;

    fn terms(&self, device: &Device, batch: &LabelBatch, mode: &Mode) -> Result<Terms, BatchError> {
        let tokens = self.tokens_of(device, batch)?;
        let answers = match self.kind {
            Kind::Number => {
                Answers::Numbers(Tensor::f32(device, [batch.text.rows, 1], &batch.numbers))
            }
            _ => Answers::Classes(Targets::new(device, &batch.classes, self.answers())),
        };
        Ok(self.loss(&tokens, self.places(device, batch).as_ref(), &answers, mode))
    }

    fn terms_of_file(
        &self,
        device: &Device,
        file: &TensorFile,
        mode: &Mode,
    ) -> Result<Terms, BatchError> {
        const LABELS: &str = "labels";
        let config = self.encoder().config();
        let tokens = batch_file::tokens(device, config, file, ("input_ids", "attention_mask"))?;
        let shape = [tokens.rows, tokens.tokens];
        let malformed = |problem| batch_file::malformed(file, LABELS, problem);
        let (places, answers) = match self.kind {
            Kind::Number => {
                let (found, values) = file.floats(LABELS)?;
                if found != [tokens.rows] {
                    return Err(malformed(format!("is {found:?}, expected [{}]", tokens.rows)));
                }
                (None, Answers::Numbers(Tensor::f32(device, [tokens.rows, 1], values)))
            }
            Kind::Class => {
                let values = batch_file::shaped(file, LABELS, &[tokens.rows])?;
                let classes = batch_file::unsigned(file, LABELS, values)?;
                (None, self.classes(device, &classes).map_err(malformed)?)
            }
            Kind::Tags => {
                let values = batch_file::shaped(file, LABELS, &shape)?;
                let counts = |label| label != batch_file::IGNORED;
                let at = batch_file::marked(file, LABELS, shape, counts)?;
                let values: Vec<i64> = at.iter().map(|&at| values[at as usize]).collect();
                let classes = batch_file::unsigned(file, LABELS, &values)?;
                let rows = Rows::new(device, &at, shape[0] * shape[1]);
                let rows = rows.expect("labels are found in order");
                (Some(rows), self.classes(device, &classes).map_err(malformed)?)
            }
        };
        Ok(self.loss(&tokens, places.as_ref(), &answers, mode))
    }

    fn tokens(batch: &LabelBatch) -> u64 {
        batch.text.lengths.iter().map(|&length| u64::from(length)).sum()
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

impl LabelObjective {
    /// Classes of a file, each below C.
    fn classes(&self, device: &Device, classes: &[u32]) -> Result<Answers, String> {
        let limit = self.answers();
        match classes.iter().find(|&&class| class as usize >= limit) {
            Some(class) => Err(format!("holds class {class}, expected classes below {limit}")),
            None => Ok(Answers::Classes(Targets::new(device, classes, limit))),
        }
    }
}
