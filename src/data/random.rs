//! Random choices that belong to a place in the data, not to a moment of the run.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// What a stream of random numbers is for: streams of different purpose are independent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Order of the examples of an epoch.
    Order = 1,
    /// Masking of one example.
    Masking = 2,
    /// Which positive and negatives a record shows.
    Passages = 3,
    /// Random negatives of a record that has too few of its own.
    Negatives = 4,
    /// Which spans of a document are drawn.
    Spans = 5,
}

/// ChaCha8 keyed by (seed, purpose, epoch, index): the same four numbers give the same stream on every machine,
/// whatever ran before and on whichever thread.
///
/// The bounded draws are written here, not taken from `rand`, whose algorithms may change between releases: a run
/// resumed by a newer build must draw the same masks.
#[derive(Clone, Debug)]
pub struct Random(ChaCha8Rng);

impl Random {
    /// Starts the stream of one place.
    pub fn new(seed: u64, purpose: Purpose, epoch: u64, index: u64) -> Self {
        let mut key = [0; 32];
        for (bytes, word) in key.chunks_exact_mut(8).zip([seed, purpose as u64, epoch, index]) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        Self(ChaCha8Rng::from_seed(key))
    }

    /// Draws uniformly from `0..n`, without bias.
    ///
    /// # Panics
    /// If `n` is 0.
    ///
    /// # Source
    /// Lemire 2019, arXiv:1805.10941.
    pub fn below(&mut self, n: u32) -> u32 {
        assert!(n > 0, "below: the range 0..0 is empty");
        let mut product = u64::from(self.0.next_u32()) * u64::from(n);
        if (product as u32) < n {
            let rejected = n.wrapping_neg() % n;
            while (product as u32) < rejected {
                product = u64::from(self.0.next_u32()) * u64::from(n);
            }
        }
        (product >> 32) as u32
    }

    /// Draws uniformly from [0, 1), with 24 bits.
    pub fn unit(&mut self) -> f32 {
        (self.0.next_u32() >> 8) as f32 / (1u32 << 24) as f32
    }

    /// Shuffles uniformly (Fisher–Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for next in 0..items.len().saturating_sub(1) {
            self.draw(items, next);
        }
    }

    /// One step of the shuffle: moves a uniform choice of `items[next..]` to `next`, and gives it.
    pub(crate) fn draw<'a, T>(&mut self, items: &'a mut [T], next: usize) -> &'a T {
        let chosen = next + self.below((items.len() - next) as u32) as usize;
        items.swap(next, chosen);
        &items[next]
    }
}
