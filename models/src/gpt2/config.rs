//! Hyper-parameters of GPT-2.

use serde::Deserialize;

use crate::bert::{self, Activation};
use crate::layers::heads_that_do_not_fit;

/// What the model reads of `config.json`, under its keys.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default)]
pub struct Config {
    /// V.
    pub vocab_size: usize,
    /// The longest row.
    pub n_positions: usize,
    /// H.
    pub n_embd: usize,
    /// L.
    pub n_layer: usize,
    /// A.
    pub n_head: usize,
    /// F; 4·H if not given.
    pub n_inner: Option<usize>,
    /// The function between the two maps of the feed-forward network.
    pub activation_function: Activation,
    /// Dropout of both sub-layers' results.
    pub resid_pdrop: f32,
    /// Dropout of embeddings.
    pub embd_pdrop: f32,
    /// Dropout of attention weights.
    pub attn_pdrop: f32,
    /// ε of every LayerNorm.
    pub layer_norm_epsilon: f32,
    /// Deviation of fresh weights.
    pub initializer_range: f32,
    /// Whether scores are divided by √D.
    pub scale_attn_weights: bool,
    /// Whether scores are also divided by the layer's number.
    pub scale_attn_by_inverse_layer_idx: bool,
    /// Whether the head is the word table.
    pub tie_word_embeddings: bool,
    /// The whole file, as directories keep it.
    #[serde(skip)]
    pub published: bert::Config,
}

impl Default for Config {
    /// GPT-2 small (Radford et al. 2019, table 2), as transformers defines it.
    fn default() -> Self {
        Self {
            vocab_size: 50_257,
            n_positions: 1024,
            n_embd: 768,
            n_layer: 12,
            n_head: 12,
            n_inner: None,
            activation_function: Activation::GeluNew,
            resid_pdrop: 0.1,
            embd_pdrop: 0.1,
            attn_pdrop: 0.1,
            layer_norm_epsilon: 1e-5,
            initializer_range: 0.02,
            scale_attn_weights: true,
            scale_attn_by_inverse_layer_idx: false,
            tie_word_embeddings: true,
            published: bert::Config::default(),
        }
    }
}

impl Config {
    /// Reads the keys of a `config.json`.
    ///
    /// # Errors
    /// What this model cannot be built from.
    pub fn read(published: &bert::Config) -> Result<Self, String> {
        let json = serde_json::Value::Object(published.rest.clone());
        let config: Self = serde_json::from_value(json).map_err(|error| error.to_string())?;
        // The sizes that all encoders have, where others look for them.
        let published = bert::Config {
            vocab_size: config.vocab_size,
            hidden_size: config.n_embd,
            max_position_embeddings: config.n_positions,
            ..published.clone()
        };
        let config = Self { published, ..config };
        config.inconsistency().map_or(Ok(config), Err)
    }

    /// F.
    pub fn inner(&self) -> usize {
        self.n_inner.unwrap_or(4 * self.n_embd)
    }

    fn inconsistency(&self) -> Option<String> {
        let sizes = [
            ("vocab_size", self.vocab_size),
            ("n_positions", self.n_positions),
            ("n_embd", self.n_embd),
            ("n_layer", self.n_layer),
            ("n_head", self.n_head),
            ("n_inner", self.inner()),
        ];
        if let Some((key, _)) = sizes.iter().find(|(_, size)| *size == 0) {
            return Some(format!("{key} is 0"));
        }
        let misfit = heads_that_do_not_fit(self.n_embd, self.n_head, ["n_embd", "n_head"]);
        if misfit.is_some() {
            return misfit;
        }
        let rates = [
            ("resid_pdrop", self.resid_pdrop),
            ("embd_pdrop", self.embd_pdrop),
            ("attn_pdrop", self.attn_pdrop),
        ];
        if let Some((key, rate)) = rates.iter().find(|(_, rate)| !(0.0..1.0).contains(rate)) {
            return Some(format!("{key} is {rate}, expected a probability below 1"));
        }
        let fixed = [
            ("scale_attn_weights", self.scale_attn_weights, true),
            ("scale_attn_by_inverse_layer_idx", self.scale_attn_by_inverse_layer_idx, false),
            ("tie_word_embeddings", self.tie_word_embeddings, true),
        ];
        let other = fixed.iter().find(|(_, found, expected)| found != expected);
        other.map(|(key, found, expected)| format!("{key} is {found}, expected {expected}"))
    }
}
