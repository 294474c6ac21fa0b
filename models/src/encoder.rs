//! What retrieval asks of a text encoder, whatever its architecture.

use wgrad_engine::Tensor;
use wgrad_engine::weights::Declarations;

use crate::bert::{Bert, Config};
use crate::gpt2::{self, Gpt2};
use crate::layers::Mode;
use crate::tokens::Tokens;
use crate::xlnet::{self, XlNet};

/// A text would get one vector in the first half of a batch, and another in the second.
const BOTH_WAYS: &str = "bi_data is true, expected false: it is for pre-training";

/// A text encoder: one state a token.
pub trait Encoder {
    /// What its `config.json` says; of other architectures than BERT's the sizes that all have, and the rest as it stands.
    fn config(&self) -> &Config;

    /// The last hidden state of every token: `[B, T]` ids → `[B, T, H]`.
    fn forward(&self, tokens: &Tokens, mode: &Mode) -> Tensor;
}

/// Declares the encoder that `config` describes, by its `model_type`.
///
/// # Errors
/// What the encoder cannot be built from.
pub fn declare(d: &mut Declarations, config: Config) -> Result<Box<dyn Encoder>, String> {
    Ok(match config.model_type.as_str() {
        "gpt2" => Box::new(Gpt2::declare(d, gpt2::Config::read(&config)?)),
        "xlnet" => {
            let config = xlnet::Config::read(&config)?;
            if config.bi_data {
                return Err(BOTH_WAYS.to_string());
            }
            Box::new(XlNet::declare(d, config))
        }
        _ => Box::new(Bert::declare(d, config)),
    })
}

impl Encoder for Bert {
    fn config(&self) -> &Config {
        &self.config
    }

    fn forward(&self, tokens: &Tokens, mode: &Mode) -> Tensor {
        Bert::forward(self, tokens, mode)
    }
}

impl Encoder for Gpt2 {
    fn config(&self) -> &Config {
        &self.config.published
    }

    /// A token's state knows nothing of what follows it: only the last one is of the whole text.
    fn forward(&self, tokens: &Tokens, mode: &Mode) -> Tensor {
        Gpt2::forward(self, tokens, mode)
    }
}

impl Encoder for XlNet {
    fn config(&self) -> &Config {
        &self.config.published
    }

    /// The content stream alone. Token types are its segments; a single one moves no score against another.
    fn forward(&self, tokens: &Tokens, mode: &Mode) -> Tensor {
        XlNet::forward(self, &xlnet::Inputs::of_tokens(&self.config, tokens), mode)
    }
}
