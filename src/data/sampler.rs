//! Which examples a step sees: a pure function of (seed, step).

use std::cmp::Reverse;
use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex};

use super::random::{Purpose, Random};

/// Batches whose examples are sorted by length together; more sorts better and shuffles less.
const BUCKET_BATCHES: usize = 64;

/// Batches' worth of examples passed over before a batch takes a duplicate: bounds the search.
const PATIENCE: usize = 64;

/// What identifies the texts of an example in an epoch; a batch without duplicates holds each number once.
pub type Keys = dyn Fn(u64, u32) -> Vec<u64> + Send + Sync;

/// The examples of one step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draw {
    /// Passes over the data before this one.
    pub epoch: u64,
    /// Places in the data set.
    pub examples: Vec<u32>,
}

/// Draws each example once an epoch, in an order of its own for every epoch.
///
/// An epoch is `examples / batch_size` full batches; those left over differ from epoch to epoch. A data set smaller
/// than one batch is one batch.
#[derive(Debug)]
pub struct Sampler {
    seed: u64,
    examples: u32,
    batch_size: usize,
    arrangement: Arrangement,
    /// Orders of the latest epochs: workers ahead of each other may be in two.
    cached: Mutex<Vec<(u64, Arc<[u32]>)>>,
}

enum Arrangement {
    Shuffled,
    ByLength(Vec<u32>),
    WithoutDuplicates(Box<Keys>),
}

impl fmt::Debug for Arrangement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Shuffled => "Shuffled",
            Self::ByLength(_) => "ByLength",
            Self::WithoutDuplicates(_) => "WithoutDuplicates",
        })
    }
}

impl Sampler {
    /// Draws uniformly shuffled examples.
    ///
    /// # Panics
    /// If there is no example, or more than 2³², or the batch size is 0.
    #[track_caller]
    pub fn new(seed: u64, examples: usize, batch_size: usize) -> Self {
        assert!(
            examples > 0 && batch_size > 0,
            "sampler: {examples} examples in batches of {batch_size}"
        );
        let examples = u32::try_from(examples).expect("a data set has fewer than 2³² examples");
        let (arrangement, cached) = (Arrangement::Shuffled, Mutex::default());
        Self { seed, examples, batch_size: batch_size.min(examples as usize), arrangement, cached }
    }

    /// Puts examples of similar length into one batch, so that less is padding; the batches stay shuffled.
    ///
    /// # Panics
    /// If there is not one length an example.
    #[track_caller]
    pub fn by_length(self, lengths: Vec<u32>) -> Self {
        assert_eq!(lengths.len(), self.examples as usize, "by_length: lengths and examples differ");
        Self { arrangement: Arrangement::ByLength(lengths), ..self }
    }

    /// Keeps examples that share a text apart: in-batch negatives must not be positives. `keys` gives the numbers of
    /// an example's texts in an epoch and must be a pure function. An example that fits nowhere fills a batch as a
    /// duplicate rather than being lost; the loss masks it.
    pub fn without_duplicates(
        self,
        keys: impl Fn(u64, u32) -> Vec<u64> + Send + Sync + 'static,
    ) -> Self {
        Self { arrangement: Arrangement::WithoutDuplicates(Box::new(keys)), ..self }
    }

    /// Steps of one epoch.
    pub fn steps_per_epoch(&self) -> u64 {
        (self.examples as usize / self.batch_size) as u64
    }

    /// Examples of a step: the batch size, or all there are.
    pub fn batch_size(&self) -> usize {
        self.batch_size
    }

    /// Draws the examples of `step`, counted from 0 over all epochs.
    pub fn draw(&self, step: u64) -> Draw {
        let epoch = step / self.steps_per_epoch();
        let start = (step % self.steps_per_epoch()) as usize * self.batch_size;
        let order = self.order(epoch);
        Draw { epoch, examples: order[start..start + self.batch_size].to_vec() }
    }

    fn order(&self, epoch: u64) -> Arc<[u32]> {
        let mut cached = self.cached.lock().expect("making an order does not panic");
        if let Some((_, order)) = cached.iter().find(|(cached, _)| *cached == epoch) {
            return order.clone();
        }
        let order: Arc<[u32]> = self.make_order(epoch).into();
        cached.push((epoch, order.clone()));
        if cached.len() > 2 {
            cached.remove(0);
        }
        order
    }

    fn make_order(&self, epoch: u64) -> Vec<u32> {
        let mut random = Random::new(self.seed, Purpose::Order, epoch, 0);
        let mut order: Vec<u32> = (0..self.examples).collect();
        random.shuffle(&mut order);
        order.truncate(self.steps_per_epoch() as usize * self.batch_size);
        match &self.arrangement {
            Arrangement::Shuffled => order,
            Arrangement::ByLength(lengths) => {
                for bucket in order.chunks_mut(BUCKET_BATCHES * self.batch_size) {
                    bucket.sort_by_key(|&example| Reverse(lengths[example as usize]));
                }
                let mut batches: Vec<&[u32]> = order.chunks(self.batch_size).collect();
                random.shuffle(&mut batches);
                batches.concat()
            }
            Arrangement::WithoutDuplicates(keys) => {
                separate(order, self.batch_size, |example| keys(epoch, example))
            }
        }
    }
}

/// Fills batches one after the other; an example that shares a key with the open batch waits for the next.
fn separate(order: Vec<u32>, batch_size: usize, keys: impl Fn(u32) -> Vec<u64>) -> Vec<u32> {
    let mut arranged = Vec::with_capacity(order.len());
    let mut pending: VecDeque<u32> = order.into();
    while !pending.is_empty() {
        let mut seen = HashSet::new();
        let mut batch = Vec::with_capacity(batch_size);
        let mut waiting = Vec::new();
        while batch.len() < batch_size && waiting.len() < PATIENCE * batch_size {
            let Some(example) = pending.pop_front() else { break };
            let keys = keys(example);
            if keys.iter().all(|key| !seen.contains(key)) {
                seen.extend(keys);
                batch.push(example);
            } else {
                waiting.push(example);
            }
        }
        let duplicates = waiting.len().min(batch_size - batch.len());
        batch.extend(waiting.drain(..duplicates));
        arranged.extend(batch);
        for example in waiting.into_iter().rev() {
            pending.push_front(example);
        }
    }
    arranged
}
