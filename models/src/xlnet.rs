//! XLNet (Yang et al. 2019, arXiv:1906.08237): tokens guessed in a random order, by a query stream that knows where a
//! token stands but not what it is.
//!
//! Follows transformers' `XLNetLMHeadModel`. Both streams share all parameters; the query stream is computed at the
//! predicted tokens alone, and the content stream of the last layer only where it is what is asked for.

mod config;
mod inputs;
pub mod memory;

use wgrad_engine::Tensor;
use wgrad_engine::device::Format;
use wgrad_engine::ops::{self, Distances, Ids, Segments, Transpose};
use wgrad_engine::weights::{Declarations, Init, Param};

pub use config::Config;
pub use inputs::{Inputs, Reading, Text};

use self::inputs::{Queries, View};
use crate::bert::Activation;
use crate::layers::{LayerNorm, Linear, Mode};

/// The encoder.
pub struct XlNet {
    /// Hyper-parameters.
    pub config: Config,
    /// `[V, H]`, shared by input and head.
    pub word_embedding: Param,
    /// `[1, 1, H]`: what the query stream begins with.
    pub mask_emb: Param,
    /// L layers.
    pub layers: Vec<Layer>,
}

/// What pre-training makes of a batch.
pub struct Predictions {
    /// `[B, P, H]`: the last states of the query stream.
    pub hidden: Tensor,
    /// What each layer met of the content stream, `[B, T, H]`: the states that [`memory`] keeps.
    pub contents: Vec<Tensor>,
}

/// The encoder with its language model head, which shares the word table.
pub struct XlNetLm {
    /// The encoder.
    pub xlnet: XlNet,
    /// `[V]`.
    pub bias: Param,
}

impl XlNetLm {
    /// Declares every parameter.
    pub fn declare(d: &mut Declarations, config: Config) -> Self {
        let bias = d.param("lm_loss.bias", [config.vocab_size], Init::Constant(0.0));
        Self { xlnet: XlNet::declare(d, config), bias }
    }
}

impl XlNet {
    /// Declares every parameter.
    pub fn declare(d: &mut Declarations, config: Config) -> Self {
        let (c, init) = (&config, Init::Normal(config.initializer_range));
        let (word_embedding, mask_emb, layers) = d.under("transformer", |d| {
            let mask_emb = d.param("mask_emb", [1, 1, c.d_model], init);
            let words = d.param("word_embedding.weight", [c.vocab_size, c.d_model], init);
            let layer = |l| d.under(&format!("layer.{l}"), |d| Layer::declare(d, c));
            (words, mask_emb, (0..c.n_layer).map(layer).collect())
        });
        Self { word_embedding, mask_emb, layers, config }
    }

    /// The last state of every token by the content stream alone, as in fine-tuning: → `[B, T, H]`.
    pub fn forward(&self, inputs: &Inputs, mode: &Mode) -> Tensor {
        let (mut h, distances) = self.begin(inputs, mode);
        for (l, layer) in self.layers.iter().enumerate() {
            let context = layer.context(&h, inputs.memory.get(l), &distances);
            h = layer.forward(&h, &context, &inputs.content, mode);
        }
        self.dropped(&h, mode)
    }

    /// The last state of every predicted token by the query stream (§2.3).
    ///
    /// # Panics
    /// If the inputs were made without predicted tokens.
    #[track_caller]
    pub fn predict(&self, inputs: &Inputs, mode: &Mode) -> Predictions {
        let queries =
            inputs.queries.as_ref().expect("predict: the inputs name no tokens to predict");
        let (mut h, distances) = self.begin(inputs, mode); // h⁰ = e(x)
        let mut g = self.first_query(queries, mode); // g⁰ = w
        let last = self.layers.len() - 1;
        let mut contents = Vec::with_capacity(self.layers.len());
        for (l, layer) in self.layers.iter().enumerate() {
            let context = layer.context(&h, inputs.memory.get(l), &distances);
            g = layer.forward(&g, &context, &queries.view, mode);
            contents.push(h.clone());
            if l < last {
                h = layer.forward(&h, &context, &inputs.content, mode);
            }
        }
        Predictions { hidden: self.dropped(&g, mode), contents }
    }

    /// The embedded tokens `[B, T, H]`, and the sinusoids of all distances `[T + S, H]`.
    fn begin(&self, inputs: &Inputs, mode: &Mode) -> (Tensor, Tensor) {
        let [b, t] = [inputs.rows, inputs.tokens];
        let words = ops::embedding(&self.word_embedding, &inputs.ids); // [B·T, H]
        let h = self.dropped(&words, mode).reshape([b, t, self.config.d_model]);
        let distances = match mode.shared_dropout(self.config.dropout) {
            Some(dropout) => ops::dropout(&inputs.distances, &dropout),
            None => inputs.distances.clone(),
        };
        (mode.store(&h), mode.store(&distances))
    }

    /// The mask embedding at every predicted token: `[B, P, H]`.
    fn first_query(&self, queries: &Queries, mode: &Mode) -> Tensor {
        let [b, p] = queries.shape;
        let only = Ids::new(self.mask_emb.device(), &vec![0; b * p], 1).expect("row 0 of one row");
        let g = ops::embedding(&self.mask_emb.reshape([1, self.config.d_model]), &only);
        mode.store(&self.dropped(&g, mode).reshape([b, p, self.config.d_model]))
    }

    fn dropped(&self, x: &Tensor, mode: &Mode) -> Tensor {
        match mode.dropout(self.config.dropout) {
            Some(dropout) => ops::dropout(x, &dropout),
            None => x.clone(),
        }
    }
}

/// Relative attention, then a feed-forward network.
pub struct Layer {
    attention: Attention,
    feed_forward: FeedForward,
}

/// What the queries of both streams meet in one layer.
struct Context {
    /// `[B, S, A, D]`, memory first.
    k: Tensor,
    /// As `k`.
    v: Tensor,
    /// `[T + S, A, D]`: each distance as a key, in f32.
    r: Tensor,
}

impl Layer {
    fn declare(d: &mut Declarations, c: &Config) -> Self {
        Self {
            attention: d.under("rel_attn", |d| Attention::declare(d, c)),
            feed_forward: d.under("ff", |d| FeedForward::declare(d, c)),
        }
    }

    /// What is met of the content `h: [B, T, H]`, of `memory: [B, M, H]` before it and of the sinusoids
    /// `distances: [T + S, H]`.
    fn context(&self, h: &Tensor, memory: Option<&Tensor>, distances: &Tensor) -> Context {
        let attention = &self.attention;
        let known = match memory {
            Some(memory) => {
                let known = ops::concat(&[memory, &ops::cast(h, Format::Word)], 1); // [m, h]: [B, S, H]
                &ops::cast(&known, h.format())
            }
            None => h,
        };
        Context {
            k: attention.heads(known, &attention.k),
            v: attention.heads(known, &attention.v),
            r: ops::cast(&attention.heads(distances, &attention.r), Format::Word),
        }
    }

    /// One stream: `x: [B, N, H]` attends to the context → `[B, N, H]`.
    fn forward(&self, x: &Tensor, context: &Context, view: &View, mode: &Mode) -> Tensor {
        self.feed_forward.forward(&self.attention.forward(x, context, view, mode), mode)
    }
}

/// Attention by content, distance and segment (Dai et al. 2019, §3.3; §2.5), with residual and LayerNorm.
struct Attention {
    /// W_q `[H, A, D]`, as every matrix here.
    q: Param,
    /// W_{k,E}.
    k: Param,
    /// W_v.
    v: Param,
    /// W_o.
    o: Param,
    /// W_{k,R}.
    r: Param,
    /// u `[A, D]`, added to a query that meets a key.
    r_w_bias: Param,
    /// v `[A, D]`, added to a query that meets a distance.
    r_r_bias: Param,
    /// b `[A, D]`, added to a query that meets a segment.
    r_s_bias: Param,
    /// s₊ and s₋ `[2, A, D]`: keys of the same segment, and of another.
    seg_embed: Param,
    norm: LayerNorm,
    dropout: f32,
}

impl Attention {
    fn declare(d: &mut Declarations, c: &Config) -> Self {
        let (h, a) = (c.d_model, c.n_head);
        let init = Init::Normal(c.initializer_range);
        Self {
            q: d.param("q", [h, a, h / a], init),
            k: d.param("k", [h, a, h / a], init),
            v: d.param("v", [h, a, h / a], init),
            o: d.param("o", [h, a, h / a], init),
            r: d.param("r", [h, a, h / a], init),
            r_w_bias: d.param("r_w_bias", [a, h / a], init),
            r_r_bias: d.param("r_r_bias", [a, h / a], init),
            r_s_bias: d.param("r_s_bias", [a, h / a], init),
            seg_embed: d.param("seg_embed", [2, a, h / a], init),
            norm: LayerNorm::declare(d, "layer_norm", h, c.layer_norm_eps),
            dropout: c.dropout,
        }
    }

    /// x·W, head by head: `[.., H]` → `[.., A, D]`.
    fn heads(&self, x: &Tensor, matrix: &Param) -> Tensor {
        let &[h, a, d] = matrix.shape().axes() else { unreachable!("matrices are [H, A, D]") };
        let matrix = ops::cast(&matrix.reshape([h, a * d]), x.format());
        let y = ops::matmul(x, &matrix, Transpose::Neither); // [.., A·D]
        let lead = &x.shape().axes()[..x.shape().axes().len() - 1];
        y.reshape([lead, &[a, d]].concat())
    }

    /// LN(x + W_o·attention): `x: [B, N, H]` → `[B, N, H]`.
    fn forward(&self, x: &Tensor, context: &Context, view: &View, mode: &Mode) -> Tensor {
        let distances = Distances {
            table: &context.r,
            content_bias: &self.r_w_bias,
            distance_bias: &self.r_r_bias,
            places: view.places.as_ref(),
        };
        let segments = view.segments.as_ref().map(|(of_queries, of_keys)| Segments {
            table: &self.seg_embed,
            bias: &self.r_s_bias,
            of_queries,
            of_keys,
        });
        let mixed = ops::attention_relative(
            &self.heads(x, &self.q), // [B, N, A, D]
            &context.k,
            &context.v,
            &distances,
            segments.as_ref(),
            &view.visibility,
            mode.dropout(self.dropout).as_ref(),
        );
        let (_, h) = x.shape().rows_and_last();
        let mixed = mixed.reshape(x.shape().clone());
        let attended = ops::linear(&mixed, &self.o.reshape([h, h]), None);
        self.norm.add_and_norm(&attended, x, mode.dropout(self.dropout).as_ref())
    }
}

/// LN(x + W₂·f(W₁·x + b₁) + b₂), with dropout after f too.
struct FeedForward {
    layer_1: Linear,
    layer_2: Linear,
    norm: LayerNorm,
    activation: Activation,
    dropout: f32,
}

impl FeedForward {
    fn declare(d: &mut Declarations, c: &Config) -> Self {
        let (h, f, sigma) = (c.d_model, c.d_inner, c.initializer_range);
        Self {
            layer_1: Linear::declare(d, "layer_1", [h, f], sigma),
            layer_2: Linear::declare(d, "layer_2", [f, h], sigma),
            norm: LayerNorm::declare(d, "layer_norm", h, c.layer_norm_eps),
            activation: c.ff_activation,
            dropout: c.dropout,
        }
    }

    /// `x: [B, N, H]` → `[B, N, H]`.
    fn forward(&self, x: &Tensor, mode: &Mode) -> Tensor {
        let inner = self.activation.after(&self.layer_1, x); // [B, N, F]
        let inner = match mode.dropout(self.dropout) {
            Some(dropout) => ops::dropout(&inner, &dropout),
            None => inner,
        };
        let dropout = mode.dropout(self.dropout);
        self.norm.add_and_norm(&self.layer_2.forward(&inner), x, dropout.as_ref())
    }
}
