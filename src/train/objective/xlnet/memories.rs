//! What the rows of XLNet's batches remember, from one batch to the next.

use std::collections::BTreeMap;

use wgrad_engine::{Device, Tensor};
use wgrad_models::xlnet::{Config, memory};

use super::XlNetObjective;
use crate::data::{Walk, XlNetBatch};

/// For each part of a batch, `[B, M, H]` a layer; none where nothing is remembered.
pub type Parts = Vec<Vec<Tensor>>;

/// The memories of the two walks: to look at held-out text leaves no trace.
#[derive(Default)]
pub struct Memories {
    /// M.
    pub tokens: usize,
    /// R: how many of the tokens of a row the next row remembers.
    pub reuse: usize,
    /// Kept in checkpoints: it was made by weights that are gone, so it cannot be made again.
    training: Parts,
    /// Begins with every evaluation.
    heldout: Parts,
}

impl Memories {
    /// Nothing yet, but room for M tokens of each row.
    pub fn begin(
        device: &Device,
        config: &Config,
        [parts, rows]: [usize; 2],
        [tokens, reuse]: [usize; 2],
    ) -> Self {
        let training = match tokens {
            0 => Parts::new(),
            _ => empty(device, config, [parts, rows / parts, tokens]),
        };
        Self { tokens, reuse, training, heldout: Parts::new() }
    }

    /// The training walk's by part and layer.
    pub fn named(&self) -> BTreeMap<String, Tensor> {
        let parts = self.training.iter().enumerate();
        let named = parts.flat_map(|(part, layers)| {
            let name = move |layer: usize| format!("memory.{part}.{layer}");
            layers.iter().enumerate().map(move |(layer, tensor)| (name(layer), tensor.clone()))
        });
        named.collect()
    }

    /// Takes the training walk's back.
    pub fn restore(&mut self, mut named: BTreeMap<String, Tensor>) {
        for (part, layers) in self.training.iter_mut().enumerate() {
            for (layer, tensor) in layers.iter_mut().enumerate() {
                let name = format!("memory.{part}.{layer}");
                *tensor = named.remove(&name).expect("names are those of `named`");
            }
        }
    }
}

fn empty(device: &Device, config: &Config, [parts, rows, tokens]: [usize; 3]) -> Parts {
    (0..parts).map(|_| memory::empty(device, config, rows, tokens)).collect()
}

impl XlNetObjective {
    /// What the rows of `batch` go on from.
    pub(super) fn recall(&self, device: &Device, batch: &XlNetBatch) -> Parts {
        let (memories, parts) = (self.memories.borrow(), self.readings.len());
        match batch.walk {
            Some(walk) if memories.tokens > 0 => match (batch.begins, walk) {
                (false, Walk::Training) => memories.training.clone(),
                (false, Walk::HeldOut) => memories.heldout.clone(),
                (true, _) => {
                    let sizes = [parts, batch.rows / parts, memories.tokens];
                    empty(device, &self.model.xlnet.config, sizes)
                }
            },
            _ => vec![Vec::new(); parts],
        }
    }

    /// Keeps for the next batch of `walk` what a batch remembered, and what its layers met.
    pub(super) fn remember(&self, walk: Option<Walk>, memory: &Parts, contents: &Parts) {
        let mut memories = self.memories.borrow_mut();
        let Some(walk) = walk.filter(|_| memories.tokens > 0) else { return };
        let reuse = memories.reuse;
        let after = memory.iter().zip(contents).map(|(m, h)| memory::after(m, h, reuse)).collect();
        match walk {
            Walk::Training => memories.training = after,
            Walk::HeldOut => memories.heldout = after,
        }
    }
}
