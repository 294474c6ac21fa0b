//! Hyper-parameters of XLNet.

use serde::Deserialize;

use crate::bert::{self, Activation};
use crate::layers::heads_that_do_not_fit;

/// What the model reads of `config.json`, under its keys.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default)]
pub struct Config {
    /// V.
    pub vocab_size: usize,
    /// H.
    pub d_model: usize,
    /// L.
    pub n_layer: usize,
    /// A.
    pub n_head: usize,
    /// F.
    pub d_inner: usize,
    /// The function between the two maps of the feed-forward network.
    pub ff_activation: Activation,
    /// Whether a token may see what follows it.
    pub attn_type: Direction,
    /// Distances beyond this count as this; none if not positive.
    pub clamp_len: i32,
    /// Whether the second half of a batch runs backwards, in pre-training.
    pub bi_data: bool,
    /// Whether every token sees as many others.
    pub same_length: bool,
    /// Every dropout.
    pub dropout: f32,
    /// Deviation of fresh weights.
    pub initializer_range: f32,
    /// ε of every LayerNorm.
    pub layer_norm_eps: f32,
    /// The whole file, as directories keep it.
    #[serde(skip)]
    pub published: bert::Config,
}

/// `attn_type`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// All tokens, but for what a mask hides.
    #[default]
    Bi,
    /// Itself and what lies before it.
    Uni,
}

impl Default for Config {
    /// XLNet large (Yang et al. 2019, A.5), as transformers defines it.
    fn default() -> Self {
        Self {
            vocab_size: 32_000,
            d_model: 1024,
            n_layer: 24,
            n_head: 16,
            d_inner: 4096,
            ff_activation: Activation::Gelu,
            attn_type: Direction::Bi,
            clamp_len: -1,
            bi_data: false,
            same_length: false,
            dropout: 0.1,
            initializer_range: 0.02,
            layer_norm_eps: 1e-12,
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
        let config = Self { published: published.clone(), ..config };
        config.inconsistency().map_or(Ok(config), Err)
    }

    fn inconsistency(&self) -> Option<String> {
        let sizes = [
            ("vocab_size", self.vocab_size),
            ("d_model", self.d_model),
            ("n_layer", self.n_layer),
            ("n_head", self.n_head),
            ("d_inner", self.d_inner),
        ];
        if let Some((key, _)) = sizes.iter().find(|(_, size)| *size == 0) {
            return Some(format!("{key} is 0"));
        }
        let keys = ["d_model", "n_head"];
        if let Some(problem) = heads_that_do_not_fit(self.d_model, self.n_head, keys) {
            return Some(problem);
        }
        if !(0.0..1.0).contains(&self.dropout) {
            return Some(format!("dropout is {}, expected a probability below 1", self.dropout));
        }
        let problem = "same_length is true, expected false: there is no such attention here";
        self.same_length.then(|| problem.to_string())
    }
}
