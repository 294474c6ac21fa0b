//! Heads that learn from labels: one answer a text, or one a token (Devlin et al. 2019, arXiv:1810.04805, §4 and figure 4).
//!
//! They follow transformers' `…ForSequenceClassification` and `…ForTokenClassification`, names and dropout included. An
//! answer is a class, or for one output alone a number: a regression's value, a cross-encoder's relevance.

use serde_json::{Map, Value, json};
use wgrad_engine::Tensor;
use wgrad_engine::device::Format;
use wgrad_engine::ops::{self, Gelu, Rows};
use wgrad_engine::weights::Declarations;

use crate::bert::Config;
use crate::encoder::{self, Encoder};
use crate::layers::{Linear, Mode};
use crate::tokens::Tokens;

/// How the parameters of these heads begin, in the files of transformers.
pub const PUBLISHED: [&str; 3] = ["classifier.", "sequence_summary.", "logits_proj."];

/// What has an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Labelled {
    /// A text, or a pair of texts.
    Texts,
    /// A token.
    Tokens,
}

/// An encoder that gives answers.
pub struct Labeller {
    /// The encoder.
    pub encoder: Box<dyn Encoder>,
    /// From the states of a text to one vector; `None` where tokens are labelled.
    summary: Option<Summary>,
    /// From that vector to C scores.
    pub classifier: Linear,
    dropout: f32,
}

/// One vector a text, from the state of the token that stands for it.
enum Summary {
    /// BERT: tanh(W·h + b) of `[CLS]`, the pooler of next sentence prediction.
    Pooler(Linear),
    /// ELECTRA in transformers: GELU(W·h + b) of `[CLS]`. The authors' code has none of it.
    Dense(Linear),
    /// XLNet: tanh(W·h + b) of the last token.
    Last(Linear),
}

impl Labeller {
    /// Declares every parameter, with as many answers as `config` has [`labels`].
    ///
    /// # Errors
    /// What the model cannot be built from.
    pub fn declare(d: &mut Declarations, config: Config, of: Labelled) -> Result<Self, String> {
        if config.model_type == "gpt2" {
            return Err("model_type is gpt2, expected bert, electra or xlnet".into());
        }
        let classes = labels(&config)?.len();
        let (h, sigma) = (config.hidden_size, config.initializer_range);
        let dropout = dropout(&config, of);
        let mut linear = |name: &str, outputs| Linear::declare(d, name, [h, outputs], sigma);
        let (summary, classifier) = match (of, config.model_type.as_str()) {
            (Labelled::Tokens, _) => (None, linear("classifier", classes)),
            (Labelled::Texts, "electra") => {
                let dense = linear("classifier.dense", h);
                (Some(Summary::Dense(dense)), linear("classifier.out_proj", classes))
            }
            (Labelled::Texts, "xlnet") => {
                expect_summary(&config)?;
                let dense = linear("sequence_summary.summary", h);
                (Some(Summary::Last(dense)), linear("logits_proj", classes))
            }
            (Labelled::Texts, _) => {
                let dense = linear("bert.pooler.dense", h);
                (Some(Summary::Pooler(dense)), linear("classifier", classes))
            }
        };
        let encoder = encoder::declare(d, config)?;
        Ok(Self { encoder, summary, classifier, dropout })
    }

    /// What meets the classifier, f32: `[B, H]` where texts are labelled; `[R, H]` at the `labelled` rows of `[B·T]` where
    /// tokens are. And the last hidden state, `[B, T, H]`.
    ///
    /// # Panics
    /// If tokens are labelled and `labelled` says not which.
    #[track_caller]
    pub fn states(
        &self,
        tokens: &Tokens,
        labelled: Option<&Rows>,
        mode: &Mode,
    ) -> (Tensor, Tensor) {
        let hidden = self.encoder.forward(tokens, mode);
        let at = |rows: &Rows| {
            let (n, h) = hidden.shape().rows_and_last();
            ops::cast(&ops::gather_rows(&hidden.reshape([n, h]), rows), Format::Word)
        };
        let dropped = |x: &Tensor| match mode.dropout(self.dropout) {
            Some(dropout) => ops::dropout(x, &dropout),
            None => x.clone(),
        };
        let of_texts = |places: &[u32]| {
            let rows = Rows::new(hidden.device(), places, tokens.rows * tokens.tokens);
            at(&rows.expect("texts stand one by one")) // [B, H]
        };
        let states = match &self.summary {
            None => at(labelled.expect("states: the rows of the tokens that are labelled")),
            Some(Summary::Pooler(w)) => ops::tanh(&w.forward(&of_texts(&tokens.firsts))),
            Some(Summary::Dense(w)) => {
                w.forward_gelu(&dropped(&of_texts(&tokens.firsts)), Gelu::Erf)
            }
            Some(Summary::Last(w)) => ops::tanh(&w.forward(&of_texts(&tokens.ends))),
        };
        (dropped(&states), hidden)
    }

    /// The scores of each answer: `states: [N, H]` → `[N, C]`.
    pub fn scores(&self, states: &Tensor) -> Tensor {
        self.classifier.forward(states)
    }
}

/// The names of a model's answers by their numbers, `id2label` of its `config.json`; two where it has none, as transformers.
///
/// # Errors
/// If `id2label` is no such map.
pub fn labels(config: &Config) -> Result<Vec<String>, String> {
    let Some(names) = config.rest.get("id2label").filter(|names| !names.is_null()) else {
        return Ok(vec!["LABEL_0".into(), "LABEL_1".into()]);
    };
    let wrong = || format!("id2label is {names}, expected names by \"0\", \"1\", …");
    let names = names.as_object().filter(|names| !names.is_empty()).ok_or_else(wrong)?;
    let name = |id: usize| names.get(&id.to_string())?.as_str().map(str::to_string);
    (0..names.len()).map(|id| name(id).ok_or_else(wrong)).collect()
}

/// The configuration of a model that answers with `names`; `problem` is transformers' `problem_type`.
#[must_use]
pub fn with_labels(config: &Config, names: &[String], problem: Option<&str>) -> Config {
    let mut config = config.clone();
    let by_id: Map<String, Value> =
        names.iter().enumerate().map(|(id, name)| (id.to_string(), json!(name))).collect();
    let by_name: Map<String, Value> =
        names.iter().enumerate().map(|(id, name)| (name.clone(), json!(id))).collect();
    config.rest.insert("id2label".into(), by_id.into());
    config.rest.insert("label2id".into(), by_name.into());
    config.rest.remove("num_labels");
    match problem {
        Some(problem) => config.rest.insert("problem_type".into(), json!(problem)),
        None => config.rest.remove("problem_type"),
    };
    config
}

/// Dropout of the head: `classifier_dropout`, or else that of hidden states; XLNet has one of its own, for texts alone.
fn dropout(config: &Config, of: Labelled) -> f32 {
    let number = |key: &str| config.rest.get(key).and_then(Value::as_f64).map(|x| x as f32);
    match (config.model_type.as_str(), of) {
        ("xlnet", Labelled::Texts) => number("summary_last_dropout").unwrap_or(0.1),
        ("xlnet", Labelled::Tokens) => 0.0,
        _ => number("classifier_dropout").unwrap_or(config.hidden_dropout_prob),
    }
}

/// Refuses another summary of a text than XLNet's.
fn expect_summary(config: &Config) -> Result<(), String> {
    for (key, expected) in [
        ("summary_type", json!("last")),
        ("summary_use_proj", json!(true)),
        ("summary_activation", json!("tanh")),
    ] {
        if let Some(found) = config.rest.get(key).filter(|found| **found != expected) {
            return Err(format!("{key} is {found}, expected {expected}"));
        }
    }
    Ok(())
}
