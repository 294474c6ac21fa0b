//! BERT (Devlin et al. 2019, arXiv:1810.04805), as transformers computes it.
//!
//! A stack of post-norm Transformer layers (Vaswani et al. 2017, §3.1–3.3) over the sum of word, position and
//! token type embeddings, and the masked language model head of §3.1.

use serde::{Deserialize, Serialize};
use wgrad_engine::Tensor;
use wgrad_engine::ops::{self, Gelu, Rows, Visibility};
use wgrad_engine::weights::{Declarations, Init, Param};

use crate::layers::{LayerNorm, Linear, Mode};
use crate::tokens::Tokens;

/// Hyper-parameters under the keys of `config.json`; keys that this model does not read are kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// V.
    pub vocab_size: usize,
    /// H.
    pub hidden_size: usize,
    /// L.
    pub num_hidden_layers: usize,
    /// A.
    pub num_attention_heads: usize,
    /// F.
    pub intermediate_size: usize,
    /// The function between the two maps of the feed-forward network.
    pub hidden_act: Activation,
    /// Dropout of embeddings and of both sub-layers' results.
    pub hidden_dropout_prob: f32,
    /// Dropout of attention weights.
    pub attention_probs_dropout_prob: f32,
    /// The longest row.
    pub max_position_embeddings: usize,
    /// Token types.
    pub type_vocab_size: usize,
    /// Deviation of fresh weights.
    pub initializer_range: f32,
    /// ε of every LayerNorm.
    pub layer_norm_eps: f32,
    /// The id of padding.
    pub pad_token_id: u32,
    /// `bert`.
    pub model_type: String,
    /// What else stood in the file.
    #[serde(flatten)]
    pub rest: serde_json::Map<String, serde_json::Value>,
}

impl Default for Config {
    /// BERT base (Devlin et al. 2019, §3), as transformers defines it.
    fn default() -> Self {
        Self {
            vocab_size: 30_522,
            hidden_size: 768,
            num_hidden_layers: 12,
            num_attention_heads: 12,
            intermediate_size: 3072,
            hidden_act: Activation::Gelu,
            hidden_dropout_prob: 0.1,
            attention_probs_dropout_prob: 0.1,
            max_position_embeddings: 512,
            type_vocab_size: 2,
            initializer_range: 0.02,
            layer_norm_eps: 1e-12,
            pad_token_id: 0,
            model_type: "bert".into(),
            rest: serde_json::Map::new(),
        }
    }
}

/// `hidden_act`. "gelu" is the erf form, every other name of GELU the tanh form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Activation {
    /// x·Φ(x).
    #[serde(rename = "gelu", alias = "gelu_python")]
    Gelu,
    /// GELU by tanh.
    #[serde(
        rename = "gelu_new",
        alias = "gelu_pytorch_tanh",
        alias = "gelu_fast",
        alias = "gelu_accurate"
    )]
    GeluNew,
    /// max(x, 0).
    #[serde(rename = "relu")]
    Relu,
    /// x·σ(x).
    #[serde(rename = "silu", alias = "swish")]
    Silu,
}

impl Activation {
    /// `f(linear(x))`; the GELUs share the product's kernel.
    pub(crate) fn after(self, linear: &Linear, x: &Tensor) -> Tensor {
        match self {
            Self::Gelu => linear.forward_gelu(x, Gelu::Erf),
            Self::GeluNew => linear.forward_gelu(x, Gelu::Tanh),
            Self::Relu => ops::relu(&linear.forward(x)),
            Self::Silu => ops::silu(&linear.forward(x)),
        }
    }
}

/// The encoder; its parameters are published under the prefix `bert.`.
pub struct Bert {
    /// Hyper-parameters.
    pub config: Config,
    /// Input embeddings.
    pub embeddings: Embeddings,
    /// L layers.
    pub layers: Vec<Layer>,
}

impl Bert {
    /// Declares every parameter.
    pub fn declare(d: &mut Declarations, config: Config) -> Self {
        let c = &config;
        let (embeddings, layers) = d.under("bert", |d| {
            let embeddings = d.under("embeddings", |d| Embeddings::declare(d, c));
            let layer = |l| d.under(&format!("encoder.layer.{l}"), |d| Layer::declare(d, c));
            (embeddings, (0..c.num_hidden_layers).map(layer).collect())
        });
        Self { embeddings, layers, config }
    }

    /// The last hidden state of every token: `[B, T]` ids → `[B, T, H]`.
    pub fn forward(&self, tokens: &Tokens, mode: &Mode) -> Tensor {
        let x = self.embeddings.forward(tokens, mode);
        self.layers.iter().fold(x, |x, layer| layer.forward(&x, &x, &tokens.visibility, mode))
    }
}

/// The encoder with the masked language model head of pre-training.
pub struct MaskedLm {
    /// The encoder.
    pub bert: Bert,
    /// The head, which shares the word table.
    pub head: MlmHead,
}

impl MaskedLm {
    /// Declares every parameter.
    pub fn declare(d: &mut Declarations, config: Config) -> Self {
        let bert = Bert::declare(d, config);
        let head = MlmHead::declare(d, &bert);
        Self { bert, head }
    }
}

/// Word + token type + position, normalised (Devlin et al. 2019, §3.1 and figure 2).
pub struct Embeddings {
    /// `[V, H]`.
    pub word_embeddings: Param,
    /// `[positions, H]`.
    pub position_embeddings: Param,
    /// `[types, H]`.
    pub token_type_embeddings: Param,
    /// Over H.
    pub layer_norm: LayerNorm,
    dropout: f32,
}

impl Embeddings {
    fn declare(d: &mut Declarations, c: &Config) -> Self {
        let mut table = |name: &str, rows| {
            d.param(
                &format!("{name}.weight"),
                [rows, c.hidden_size],
                Init::Normal(c.initializer_range),
            )
        };
        Self {
            word_embeddings: table("word_embeddings", c.vocab_size),
            position_embeddings: table("position_embeddings", c.max_position_embeddings),
            token_type_embeddings: table("token_type_embeddings", c.type_vocab_size),
            layer_norm: LayerNorm::declare(d, "LayerNorm", c.hidden_size, c.layer_norm_eps),
            dropout: c.hidden_dropout_prob,
        }
    }

    /// `[B, T]` ids → `[B, T, H]`.
    pub fn forward(&self, tokens: &Tokens, mode: &Mode) -> Tensor {
        let word = ops::embedding(&self.word_embeddings, &tokens.ids); // [B·T, H]
        let token_type = ops::embedding(&self.token_type_embeddings, &tokens.types); // [B·T, H]
        let position = ops::embedding(&self.position_embeddings, &tokens.positions); // [B·T, H]
        let x = self.normalised(&ops::add(&word, &token_type), &position, mode);
        x.reshape([tokens.rows, tokens.tokens, word.shape().axes()[1]])
    }

    /// dropout(LN(x + position)); `x, position: [N, H]`.
    pub fn normalised(&self, x: &Tensor, position: &Tensor, mode: &Mode) -> Tensor {
        let x = self.layer_norm.add_and_norm(position, x, None);
        mode.store(&match mode.dropout(self.dropout) {
            Some(dropout) => ops::dropout(&x, &dropout),
            None => x,
        })
    }
}

/// Attention and a feed-forward network, each followed by dropout, residual and LayerNorm.
pub struct Layer {
    query: Linear,
    key: Linear,
    value: Linear,
    attention_output: Linear,
    attention_norm: LayerNorm,
    intermediate: Linear,
    output: Linear,
    output_norm: LayerNorm,
    heads: usize,
    activation: Activation,
    hidden_dropout: f32,
    attention_dropout: f32,
}

impl Layer {
    /// Declares the 16 parameters of one layer.
    pub fn declare(d: &mut Declarations, c: &Config) -> Self {
        let (h, f, sigma) = (c.hidden_size, c.intermediate_size, c.initializer_range);
        let mut linear = |name: &str, sizes| Linear::declare(d, name, sizes, sigma);
        Self {
            query: linear("attention.self.query", [h, h]),
            key: linear("attention.self.key", [h, h]),
            value: linear("attention.self.value", [h, h]),
            attention_output: linear("attention.output.dense", [h, h]),
            intermediate: linear("intermediate.dense", [h, f]),
            output: linear("output.dense", [f, h]),
            attention_norm: LayerNorm::declare(
                d,
                "attention.output.LayerNorm",
                h,
                c.layer_norm_eps,
            ),
            output_norm: LayerNorm::declare(d, "output.LayerNorm", h, c.layer_norm_eps),
            heads: c.num_attention_heads,
            activation: c.hidden_act,
            hidden_dropout: c.hidden_dropout_prob,
            attention_dropout: c.attention_probs_dropout_prob,
        }
    }

    /// `x: [B, T, H]` attends to `context: [B, S, H]` (itself in an encoder) → `[B, T, H]`. The residual is `x`.
    pub fn forward(
        &self,
        x: &Tensor,
        context: &Tensor,
        visibility: &Visibility,
        mode: &Mode,
    ) -> Tensor {
        let attended = self.attend(x, context, visibility, mode);
        let dropout = mode.dropout(self.hidden_dropout);
        let x = self.attention_norm.add_and_norm(&attended, x, dropout.as_ref());

        let inner = self.activation.after(&self.intermediate, &x); // [B, T, F]
        let dropout = mode.dropout(self.hidden_dropout);
        self.output_norm.add_and_norm(&self.output.forward(&inner), &x, dropout.as_ref())
    }

    /// softmax(QKᵀ/√D)·V over A heads, projected (Vaswani et al. 2017, §3.2.2).
    fn attend(&self, x: &Tensor, context: &Tensor, visibility: &Visibility, mode: &Mode) -> Tensor {
        let split = |x: &Tensor| {
            let &[b, t, h] = x.shape().axes() else { unreachable!("hidden states are [B, T, H]") };
            x.reshape([b, t, self.heads, h / self.heads]) // [B, T, A, D]
        };
        let q = split(&self.query.forward(x));
        let k = split(&self.key.forward(context));
        let v = split(&self.value.forward(context));
        let dropout = mode.dropout(self.attention_dropout);
        let heads = ops::attention(&q, &k, &v, visibility, dropout.as_ref()); // [B, T, A, D]
        self.attention_output.forward(&heads.reshape(x.shape().clone()))
    }
}

/// The masked language model head: a transform, then the word table again (Devlin et al. 2019, §3.1, task 1).
pub struct MlmHead {
    transform: Linear,
    norm: LayerNorm,
    /// The word table, shared with the input.
    pub decoder: Param,
    /// `[V]`.
    pub bias: Param,
    activation: Activation,
}

impl MlmHead {
    /// Declares the transform and the bias under `cls.predictions.`.
    pub fn declare(d: &mut Declarations, bert: &Bert) -> Self {
        let c = &bert.config;
        d.under("cls.predictions", |d| Self {
            transform: Linear::declare(
                d,
                "transform.dense",
                [c.hidden_size; 2],
                c.initializer_range,
            ),
            norm: LayerNorm::declare(d, "transform.LayerNorm", c.hidden_size, c.layer_norm_eps),
            decoder: bert.embeddings.word_embeddings.clone(),
            bias: d.param("bias", [c.vocab_size], Init::Constant(0.0)),
            activation: c.hidden_act,
        })
    }

    /// What is multiplied with the word table, at the labelled rows only: `hidden: [B, T, H]` → `[R, H]`.
    ///
    /// Gathering them first saves most of the vocabulary's work and changes no result.
    pub fn transform(&self, hidden: &Tensor, labelled: &Rows) -> Tensor {
        let (rows, channels) = hidden.shape().rows_and_last();
        let x = ops::gather_rows(&hidden.reshape([rows, channels]), labelled);
        self.norm.forward(&self.activation.after(&self.transform, &x))
    }
}
