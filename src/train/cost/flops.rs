//! Floating-point operations of a step's products.

use wgrad_models::bert::Config;

use super::{Products, Work};

impl Work<'_> {
    /// Floating-point operations of forward and backward, products alone: for BERT
    /// `3·(N·L·(8·H² + 4·H·F + 4·T·H) + R·(2·H² + 2·H·V))`.
    ///
    /// The backward of a product is two of its size, hence the 3; that of the bag of words is sparse. Only labelled tokens
    /// meet the vocabulary; what a backward computes again is not counted, and causality spares nothing.
    ///
    /// # Source
    /// Kaplan et al. 2020, arXiv:2001.08361, table 1, with the vocabulary's product and what each objective adds.
    pub fn flops(&self) -> u64 {
        let Config { hidden_size: h, vocab_size: v, num_hidden_layers: l, .. } = *self.config;
        let (n, r) = (self.rows * self.tokens, self.labels);
        let head = |labels: usize| labels * (2 * h * h + 2 * h * v);
        let thrice = match self.objective {
            Products::Mlm => self.layers(self.config, l) + head(r),
            Products::RetroMae(labels) => self.layers(self.config, l + 1) + head(r + labels),
            // The head's map of every token, then the largest of each word's logits.
            Products::DupMae(labels) => {
                self.layers(self.config, l + 1) + head(r + labels) + 2 * n * h * h
            }
            Products::Condenser(layers) => self.layers(self.config, l + layers) + head(2 * r),
            Products::CoCondenser(layers) => {
                self.layers(self.config, l + layers) + head(2 * r) + 2 * self.rows * self.rows * h
            }
            // The discriminator's head is a map of every token and one logit.
            Products::Electra(generator) => {
                self.layers(self.config, l) + 2 * n * h * (h + 1) + self.generator(generator)
            }
            Products::XlNet(predicted) => self.two_streams(predicted) + 2 * r * h * v,
            Products::Clm => self.layers(self.config, l) + 2 * r * h * v,
        };
        let once = match self.objective {
            Products::DupMae(_) => 2 * n * h * v + 4 * self.rows * h * v,
            _ => 0,
        };
        3 * thrice as u64 + once as u64
    }

    /// N·L·(8·H² + 4·H·F + 4·T·H).
    fn layers(&self, config: &Config, layers: usize) -> usize {
        let Config { hidden_size: h, intermediate_size: f, .. } = *config;
        self.rows * self.tokens * layers * (8 * h * h + 4 * h * f + 4 * self.tokens * h)
    }

    /// Its tokens as wide as the discriminator's, mapped to its own width E and back at the labels.
    fn generator(&self, config: &Config) -> usize {
        let Config { hidden_size: h, vocab_size: v, .. } = *self.config;
        let e = config.hidden_size;
        let into = 2 * self.rows * self.tokens * h * e;
        into + self.layers(config, config.num_hidden_layers) + self.labels * (2 * e * h + 2 * h * v)
    }

    /// Keys and values of every layer are of the content, which itself needs no last layer; attention takes three products,
    /// and of the 2·T distances one map a layer.
    fn two_streams(&self, predicted: usize) -> usize {
        let Config { hidden_size: h, intermediate_size: f, num_hidden_layers: l, .. } =
            *self.config;
        let (n, t) = (self.rows * self.tokens, self.tokens);
        let stream = |tokens: usize| tokens * (4 * h * h + 4 * h * f + 6 * t * h);
        let met = n * 4 * h * h + 2 * t * 2 * h * h;
        l * (met + stream(self.rows * predicted)) + (l - 1) * stream(n)
    }
}
