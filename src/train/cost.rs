//! What one training step costs by formula: FLOPs, and for BERT and RetroMAE bytes of device memory.
//!
//! B rows of T tokens, N = B·T; H hidden, F feed-forward, A heads, V vocabulary, L layers; R labelled tokens.

mod flops;

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
    /// What it is to learn.
    pub objective: Products<'a>,
    /// How activations lie.
    pub format: Format,
}

/// What is learned, by the products that it takes beside the encoder's.
#[derive(Clone, Copy, Debug)]
pub enum Products<'a> {
    /// BERT's masked tokens.
    Mlm,
    /// And the decoder's, of which so many tokens are labelled.
    RetroMae(usize),
    /// As RetroMAE, and the bag of words.
    DupMae(usize),
    /// Both losses of Condenser, whose head has so many layers.
    Condenser(usize),
    /// As Condenser, and the losses between spans.
    CoCondenser(usize),
    /// Replaced tokens, by a generator of this configuration.
    Electra(&'a Config),
    /// XLNet's two streams, of which the second has so many tokens a row.
    XlNet(usize),
    /// The next token.
    Clm,
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
    /// What the graph holds at its largest.
    pub activations: u64,
}

impl Memory {
    /// All of it.
    pub fn total(&self) -> u64 {
        self.parameters + self.moments + self.gradients + self.activations
    }
}

impl Work<'_> {
    /// Bytes for a model of `parameters` numbers; `None` where there is no formula for what the graph holds.
    pub fn memory(&self, parameters: usize) -> Option<Memory> {
        let decoder_labels = match self.objective {
            Products::Mlm => None,
            Products::RetroMae(labels) => Some(labels),
            _ => return None,
        };
        let of = |words: usize| 4 * words as u64;
        Some(Memory {
            parameters: of(parameters),
            moments: of(2 * parameters),
            gradients: of(parameters),
            activations: of(self.activation_words(parameters, decoder_labels)),
        })
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
    fn activation_words(&self, parameters: usize, decoder_labels: Option<usize>) -> usize {
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
        if let Some(labels) = decoder_labels {
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
