//! GPT-2 (Radford et al. 2019, "Language Models are Unsupervised Multitask Learners"), as transformers computes it: the
//! causal Transformer that cpt (Neelakantan et al. 2022, arXiv:2201.10005, §2) makes an encoder of.
//!
//! Pre-norm layers over the sum of word and position embeddings; a token sees itself and what lies before it. The head is
//! the word table.

mod config;

use wgrad_engine::device::Format;
use wgrad_engine::ops::{self, Rows, Visibility};
use wgrad_engine::weights::{Declarations, Init, Param};
use wgrad_engine::{Tensor, random::Dropout};

pub use config::Config;

use crate::bert::Activation;
use crate::layers::{Conv1d, LayerNorm, Mode};
use crate::tokens::Tokens;

/// The encoder, and with its word table the language model; its parameters are published under `transformer.`.
pub struct Gpt2 {
    /// Hyper-parameters.
    pub config: Config,
    /// `[V, H]`, shared by input and head.
    pub wte: Param,
    /// `[positions, H]`.
    pub wpe: Param,
    /// L layers.
    pub layers: Vec<Layer>,
    /// After the last layer.
    pub norm: LayerNorm,
}

impl Gpt2 {
    /// Declares every parameter.
    pub fn declare(d: &mut Declarations, config: Config) -> Self {
        let (c, init) = (&config, Init::Normal(config.initializer_range));
        let (wte, wpe, layers, norm) = d.under("transformer", |d| {
            let wte = d.param("wte.weight", [c.vocab_size, c.n_embd], init);
            let wpe = d.param("wpe.weight", [c.n_positions, c.n_embd], init);
            let layer = |l| d.under(&format!("h.{l}"), |d| Layer::declare(d, c));
            let layers = (0..c.n_layer).map(layer).collect();
            (wte, wpe, layers, LayerNorm::declare(d, "ln_f", c.n_embd, c.layer_norm_epsilon))
        });
        Self { wte, wpe, layers, norm, config }
    }

    /// The last hidden state of every token: `[B, T]` ids → `[B, T, H]`, f32.
    pub fn forward(&self, tokens: &Tokens, mode: &Mode) -> Tensor {
        let visibility = tokens.visibility.clone().and_causal();
        let word = ops::embedding(&self.wte, &tokens.ids); // [B·T, H]
        let position = ops::embedding(&self.wpe, &tokens.positions); // [B·T, H]
        let x = dropped(ops::add(&word, &position), mode.dropout(self.config.embd_pdrop));
        let x = x.reshape([tokens.rows, tokens.tokens, self.config.n_embd]);
        let x = self.layers.iter().fold(x, |x, layer| layer.forward(&x, &visibility, mode));
        self.norm.forward(&x)
    }

    /// What meets the word table to give the logits of the next token, at some rows: `hidden: [B, T, H]` → `[R, H]`.
    pub fn states(&self, hidden: &Tensor, rows: &Rows) -> Tensor {
        let (n, channels) = hidden.shape().rows_and_last();
        ops::gather_rows(&hidden.reshape([n, channels]), rows)
    }
}

/// Attention and a feed-forward network, each on what LayerNorm makes of the stream and added to it.
pub struct Layer {
    ln_1: LayerNorm,
    /// q, k and v side by side, each H wide.
    c_attn: Conv1d,
    attention_projection: Conv1d,
    ln_2: LayerNorm,
    c_fc: Conv1d,
    projection: Conv1d,
    heads: usize,
    activation: Activation,
    residual_dropout: f32,
    attention_dropout: f32,
}

impl Layer {
    /// Declares the 12 parameters of one layer.
    ///
    /// What is added to the stream 2·L times begins smaller by √(2·L) (Radford et al. 2019, §2.3).
    fn declare(d: &mut Declarations, c: &Config) -> Self {
        let (h, sigma, epsilon) = (c.n_embd, c.initializer_range, c.layer_norm_epsilon);
        let smaller = sigma / (2.0 * c.n_layer as f32).sqrt();
        Self {
            ln_1: LayerNorm::declare(d, "ln_1", h, epsilon),
            c_attn: Conv1d::declare(d, "attn.c_attn", [h, 3 * h], sigma),
            attention_projection: Conv1d::declare(d, "attn.c_proj", [h, h], smaller),
            ln_2: LayerNorm::declare(d, "ln_2", h, epsilon),
            c_fc: Conv1d::declare(d, "mlp.c_fc", [h, c.inner()], sigma),
            projection: Conv1d::declare(d, "mlp.c_proj", [c.inner(), h], smaller),
            heads: c.n_head,
            activation: c.activation_function,
            residual_dropout: c.resid_pdrop,
            attention_dropout: c.attn_pdrop,
        }
    }

    /// x ← x + Attention(LN(x)), then x ← x + FFN(LN(x)); `x: [B, T, H]` → `[B, T, H]`.
    ///
    /// The stream x stays f32 in mixed precision: f16 would round it anew with every addition.
    fn forward(&self, x: &Tensor, visibility: &Visibility, mode: &Mode) -> Tensor {
        let attended = self.attend(&mode.store(&self.ln_1.forward(x)), visibility, mode);
        let x = self.added(x, &attended, mode);

        let normed = mode.store(&self.ln_2.forward(&x));
        let inner = self.c_fc.forward_under(&normed, self.activation); // [B, T, F]
        self.added(&x, &self.projection.forward(&inner), mode)
    }

    /// softmax(QKᵀ/√D)·V over A heads, projected (Vaswani et al. 2017, §3.2.2).
    fn attend(&self, x: &Tensor, visibility: &Visibility, mode: &Mode) -> Tensor {
        let &[b, t, h] = x.shape().axes() else { unreachable!("hidden states are [B, T, H]") };
        let [q, k, v] =
            self.c_attn.forward_thirds(x).map(|x| x.reshape([b, t, self.heads, h / self.heads])); // [B, T, A, D]
        let dropout = mode.dropout(self.attention_dropout);
        let heads = ops::attention(&q, &k, &v, visibility, dropout.as_ref()); // [B, T, A, D]
        self.attention_projection.forward(&heads.reshape([b, t, h]))
    }

    /// x + dropout(y).
    fn added(&self, x: &Tensor, y: &Tensor, mode: &Mode) -> Tensor {
        let y = dropped(ops::cast(y, Format::Word), mode.dropout(self.residual_dropout));
        ops::add(x, &y)
    }
}

fn dropped(x: Tensor, dropout: Option<Dropout>) -> Tensor {
    match dropout {
        Some(dropout) => ops::dropout(&x, &dropout),
        None => x,
    }
}
