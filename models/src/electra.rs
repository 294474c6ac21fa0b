//! ELECTRA (Clark et al. 2020, arXiv:2003.10555): a small generator fills in masked tokens, and the encoder that is
//! kept, the discriminator, tells for every token whether it was replaced.
//!
//! Follows the authors' code (google-research/electra at 8a46635) and transformers' names: the discriminator as
//! `ElectraForPreTraining`, the generator as `ElectraForMaskedLM` under `generator.`.

use wgrad_engine::ops::{self, Gelu, Rows};
use wgrad_engine::tensor::no_grad;
use wgrad_engine::weights::{Declarations, Init, Param};
use wgrad_engine::{Tensor, device::Format};

use crate::bert::{Activation, Bert, Config, Embeddings};
use crate::layers::{LayerNorm, Linear, Mode};

/// Which of the discriminator's embeddings the generator shares (paper §3.2, "weight sharing").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tying {
    /// Words, positions, token types and their LayerNorm, as the authors' code.
    #[default]
    All,
    /// Words alone.
    Token,
    /// None.
    None,
}

/// What the encoder learns from a text that the generator filled in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scheme {
    /// Which tokens were replaced (§2).
    #[default]
    ReplacedTokens,
    /// "Replace MLM" (§3.4): what stood at the tokens that were filled in.
    ReplaceMlm,
    /// "All-Tokens MLM" (§3.4): what stood at every token, which a gate may copy from the input.
    AllTokensMlm,
    /// As [`Scheme::ReplacedTokens`], of a generator that learns to be found out as little as it can (appendix F).
    Adversarial,
}

/// Generator and discriminator, trained together.
pub struct Electra {
    /// G: proposes tokens.
    pub generator: Generator,
    /// D: the encoder that is kept.
    pub discriminator: Discriminator,
}

impl Electra {
    /// Declares the encoder of `config` with the head of `scheme`, and the generator of [`generator_config`].
    pub fn declare(d: &mut Declarations, config: Config, tying: Tying, scheme: Scheme) -> Self {
        let generator = generator_config(&config);
        let head = match scheme {
            Scheme::ReplacedTokens | Scheme::Adversarial => Task::Detection,
            Scheme::ReplaceMlm => Task::Words,
            Scheme::AllTokensMlm => Task::WordsOrCopies,
        };
        let discriminator = Discriminator::declare(d, config, head);
        let shared = &discriminator.electra.embeddings;
        let generator =
            d.under("generator", |d| Generator::declare(d, generator, shared, (tying, scheme)));
        Self { generator, discriminator }
    }
}

/// The generator's sizes: width and depth by the factors `generator_hidden_size` (¼) and `generator_layers` (1) of
/// config.json, heads of 64 channels, F = 4·H; embeddings as wide as the discriminator's (paper §3.2).
///
/// # Source
/// google-research/electra at 8a46635, `pretrain/pretrain_helpers.py` and `util/training_utils.py`, `get_generator_config`.
pub fn generator_config(config: &Config) -> Config {
    let factor = |key: &str, default: f64| {
        config.rest.get(key).and_then(serde_json::Value::as_f64).unwrap_or(default)
    };
    let scaled = |size: usize, factor: f64| (size as f64 * factor).round_ties_even() as usize;
    let hidden_size = scaled(config.hidden_size, factor("generator_hidden_size", 0.25));
    Config {
        hidden_size,
        num_hidden_layers: scaled(config.num_hidden_layers, factor("generator_layers", 1.0)),
        num_attention_heads: (hidden_size / 64).max(1),
        intermediate_size: 4 * hidden_size,
        ..config.clone()
    }
}

/// G: a masked language model.
pub struct Generator {
    /// Its encoder.
    pub electra: Bert,
    /// Its head, over the word table that its input reads, too.
    pub head: WordHead,
    /// w of b = −log σ(wᵀ·h), what an adversarial generator expects of a draw (appendix F).
    pub baseline: Option<Linear>,
}

impl Generator {
    fn declare(
        d: &mut Declarations,
        config: Config,
        shared: &Embeddings,
        (tying, scheme): (Tying, Scheme),
    ) -> Self {
        let c = &config;
        let sizes = [c.hidden_size, 1];
        let baseline = (scheme == Scheme::Adversarial)
            .then(|| Linear::declare(d, "baseline", sizes, c.initializer_range));
        let embeddings = d.under("electra", |d| match tying {
            Tying::All => shared.clone(),
            Tying::Token => {
                let words = shared.word_embeddings.clone();
                d.under("embeddings", |d| Embeddings::over(d, c, words))
            }
            Tying::None => d.under("embeddings", |d| Embeddings::declare(d, c)),
        });
        let head = WordHead::declare(d, c, embeddings.word_embeddings.clone());
        let electra = d.under("electra", |d| Bert::over(d, config, embeddings));
        Self { electra, head, baseline }
    }
}

/// The head of a masked language model, as `ElectraForMaskedLM` has it.
pub struct WordHead {
    dense: Linear,
    norm: LayerNorm,
    /// `[V, E]`: a word table of embeddings.
    pub decoder: Param,
    /// `[V]`.
    pub bias: Param,
}

impl WordHead {
    fn declare(d: &mut Declarations, c: &Config, decoder: Param) -> Self {
        let (h, e, sigma) = (c.hidden_size, c.embedding_size(), c.initializer_range);
        Self {
            dense: Linear::declare(d, "generator_predictions.dense", [h, e], sigma),
            norm: LayerNorm::declare(d, "generator_predictions.LayerNorm", e, c.layer_norm_eps),
            decoder,
            bias: d.param("generator_lm_head.bias", [c.vocab_size], Init::Constant(0.0)),
        }
    }

    /// LN(GELU(W·h + b)) at some rows, which meets the word table: `hidden: [B, T, H]` → `[R, E]`.
    ///
    /// The function is the erf form of GELU whatever `hidden_act` says, as in transformers.
    pub fn transform(&self, hidden: &Tensor, rows: &Rows) -> Tensor {
        let x = self.dense.forward_gelu(&rows_of(hidden, rows), Gelu::Erf);
        self.norm.forward(&x)
    }

    /// x̂ ∼ p_G(· | x^masked), by Gumbel's arg-max on the device: `states: [R, E]` → R token ids (paper §2, eq. 1).
    ///
    /// No gradient flows through a draw.
    pub fn sample(&self, states: &Tensor, mode: &Mode) -> Vec<u32> {
        let sampling = mode.sampling(states.device());
        no_grad(|| {
            let states = ops::cast(states, Format::Word);
            ops::linear_sample(&states, &self.decoder, Some(&self.bias), &sampling).to_u32()
        })
    }
}

/// D: the encoder that is kept, with what it is trained by.
pub struct Discriminator {
    /// The encoder.
    pub electra: Bert,
    /// What it says of its tokens.
    pub head: Head,
}

/// What an encoder says of its tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Whether they were replaced.
    Detection,
    /// What stood there.
    Words,
    /// What stood there, or that it stands there still.
    WordsOrCopies,
}

/// The parameters of a [`Task`].
pub enum Head {
    /// `discriminator_predictions`.
    Detection(DetectionHead),
    /// `generator_predictions` and `generator_lm_head`, as `ElectraForMaskedLM`.
    Words(WordHead),
    /// The same, and `copy_gate`, a linear map of the state: the paper asks for "a sigmoid layer" and no more.
    WordsOrCopies(WordHead, Linear),
}

impl Discriminator {
    /// Declares the encoder, and the head of its task.
    pub fn declare(d: &mut Declarations, config: Config, task: Task) -> Self {
        let electra = Bert::declare(d, config);
        let c = &electra.config;
        let words = |d: &mut Declarations| {
            WordHead::declare(d, c, electra.embeddings.word_embeddings.clone())
        };
        let head = match task {
            Task::Detection => Head::Detection(DetectionHead::declare(d, c)),
            Task::Words => Head::Words(words(d)),
            Task::WordsOrCopies => {
                let gate = Linear::declare(d, "copy_gate", [c.hidden_size, 1], c.initializer_range);
                Head::WordsOrCopies(words(d), gate)
            }
        };
        Self { electra, head }
    }
}

/// How sure the encoder is that a token was replaced.
pub struct DetectionHead {
    dense: Linear,
    dense_prediction: Linear,
    activation: Activation,
}

impl DetectionHead {
    fn declare(d: &mut Declarations, c: &Config) -> Self {
        let (h, sigma) = (c.hidden_size, c.initializer_range);
        d.under("discriminator_predictions", |d| Self {
            dense: Linear::declare(d, "dense", [h, h], sigma),
            dense_prediction: Linear::declare(d, "dense_prediction", [h, 1], sigma),
            activation: c.hidden_act,
        })
    }

    /// z = w·act(W·h + b) + b′ at some rows, `hidden: [B, T, H]` → `[R, 1]`; σ(z) is the probability of "replaced".
    ///
    /// The paper's D(x, t) is the probability of "original", σ(−z) (§2, eq. 2).
    pub fn logits(&self, hidden: &Tensor, rows: &Rows) -> Tensor {
        let x = self.activation.after(&self.dense, &rows_of(hidden, rows));
        self.dense_prediction.forward(&x)
    }
}

/// Some rows of `[B, T, H]` → `[R, H]`.
pub fn rows_of(hidden: &Tensor, rows: &Rows) -> Tensor {
    let (n, channels) = hidden.shape().rows_and_last();
    ops::gather_rows(&hidden.reshape([n, channels]), rows)
}
