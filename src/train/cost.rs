//! What one training step of BERT costs by formula: FLOPs, and bytes of device memory.
//!
//! B rows of T tokens, N = B·T; H hidden, F feed-forward, A heads, V vocabulary, L layers; R labelled tokens.

use wgrad_engine::device::Format;
use wgrad_models::bert::Config;

/// What a step works on.
#[derive(Clone, Copy, Debug)]
pub struct Work<'a> {
    /// H, F, A, V and L.
    pub config: &'a Config,
    /// B.
    pub rows: usize,
    /// T.
    pub tokens: usize,
    /// R of the encoder.
    pub labels: usize,
    /// R of RetroMAE's decoder, where there is one.
    pub decoder_labels: Option<usize>,
    /// How activations lie.
    pub format: Format,
}

/// Bytes of device memory by formula.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// The parameters.
    pub parameters: u64,
    /// The two moments of AdamW or LAMB.
    pub moments: u64,
    /// The gradients that a step gathers.
    pub gradients: u64,
    /// What the graph holds at its largest, see [`Work::activation_words`].
    pub activations: u64,
}

impl Memory {
    /// All of it.
    pub fn total(&self) -> u64 {
        self.parameters + self.moments + self.gradients + self.activations
    }
}

impl Work<'_> {
    /// Floating-point operations of forward and backward, products alone:
    /// `3·(N·L·(8·H² + 4·H·F + 4·T·H) + R·(2·H² + 2·H·V))`.
    ///
    /// The backward of a product is two of its size, hence the 3. RetroMAE adds one layer and the labels of its
    /// decoder. Only labelled tokens meet the vocabulary; what attention computes again in its backward is not counted.
    ///
    /// # Source
    /// Kaplan et al. 2020, arXiv:2001.08361, table 1, with the vocabulary's product.
    pub fn flops(&self) -> u64 {
        let Config { hidden_size: h, intermediate_size: f, vocab_size: v, .. } = *self.config;
        let layers = self.config.num_hidden_layers + usize::from(self.decoder_labels.is_some());
        let layer = 8 * h * h + 4 * h * f + 4 * self.tokens * h;
        let labels = self.labels + self.decoder_labels.unwrap_or(0);
        let head = 2 * h * h + 2 * h * v;
        3 * (self.rows * self.tokens * layers * layer + labels * head) as u64
    }

    /// Bytes for a model of `parameters` numbers.
    pub fn memory(&self, parameters: usize) -> Memory {
        let of = |words: usize| 4 * words as u64;
        Memory {
            parameters: of(parameters),
            moments: of(2 * parameters),
            gradients: of(parameters),
            activations: of(self.activation_words(parameters)),
        }
    }

    /// Words that the graph holds at its largest: the larger of its state when backward begins and when it ends.
    ///
    /// When it begins, what forward kept and the head's gradients, which it computes with the loss (V·H for the word
    /// table, once a head, and V for its bias), with one chunk of logits of at most 2²⁴ words before or the first layer's
    /// dy, du and dx after. A layer keeps q, k, v, the heads' result, two sums before LayerNorm and two after it (8·N·H),
    /// the feed-forward's argument and result of GELU (2·N·F), and per row L of the softmax and two moments twice
    /// (N·A + 4·N); the embeddings keep their sum and their dropped norm (2·N·H + 2·N); a head four matrices of R·H.
    ///
    /// As f16, the matrices of a layer take half of that, and the working copies of its weights (4·H² + 2·H·F) come to it.
    ///
    /// When it ends, every parameter's gradient, and the word table's in three parts: of the head, of the embedding, their sum.
    pub fn activation_words(&self, parameters: usize) -> usize {
        let Config { hidden_size: h, intermediate_size: f, vocab_size: v, .. } = *self.config;
        let n = self.rows * self.tokens;
        let matrices = 8 * n * h + 2 * n * f;
        let matrices = match self.format {
            Format::Word => matrices,
            Format::Half => self.format.words(matrices + 4 * h * h + 2 * h * f),
        };
        let layer = matrices + n * self.config.num_attention_heads + 4 * n;
        let embeddings = 2 * n * h + 2 * n;
        let head = |labels: usize| 4 * labels * h + v * h + v;
        let logits = |labels: usize| (labels * v).min(1 << 24);
        let mut kept = embeddings + self.config.num_hidden_layers * layer + head(self.labels);
        let mut widest_logits = logits(self.labels);
        let mut heads = 1;
        if let Some(labels) = self.decoder_labels {
            // The decoder's own embeddings, its two streams, its layer and its head.
            kept += embeddings + 2 * n * h + layer + head(labels);
            widest_logits = widest_logits.max(logits(labels));
            heads += 1;
        }
        let begin = kept + widest_logits.max(2 * n * f + 2 * n * h);
        let end = parameters + (heads + 1) * v * h + 4 * n * h;
        begin.max(end)
    }
}
