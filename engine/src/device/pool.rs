//! Whole buffers by size class, reused in the order they came back.
//!
//! wgpu tracks hazards per whole buffer, so a tensor has a buffer of its own. One queue runs everything in
//! order: a buffer may be written again as soon as its last handle is gone, and only uploads must wait
//! (see `submission.rs`). A loop of stable shape therefore allocates nothing after its second step.

use std::collections::HashMap;
use std::sync::Mutex;

use super::buffer::Storage;

/// Bytes of device memory, now and at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryStats {
    /// Held by live buffers.
    pub live: u64,
    /// The most that was live at once since the last [`reset`](super::Device::reset_peak).
    pub peak: u64,
    /// Held by the device: live buffers and those that wait for reuse.
    pub reserved: u64,
    /// Buffers ever created.
    pub created: u64,
}

/// The free buffers of a device.
#[derive(Default)]
pub(super) struct Pool {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    free: HashMap<usize, Vec<Storage>>,
    stats: MemoryStats,
}

/// Words of the size class that holds `words`: steps of 1/16 of the power of two below, at least 64 words.
/// At most 1/16 is wasted, and few distinct classes arise.
pub(super) fn class_of(words: usize) -> usize {
    let step = (words.next_power_of_two() / 32).max(64);
    words.max(1).next_multiple_of(step)
}

impl Pool {
    /// A free buffer of the class, or one that `create` makes.
    pub(super) fn take(
        &self,
        class: usize,
        create: impl FnOnce(MemoryStats) -> Storage,
    ) -> Storage {
        let bytes = 4 * class as u64;
        let mut inner = self.inner.lock().expect("no code panics while it holds the pool");
        inner.stats.live += bytes;
        inner.stats.peak = inner.stats.peak.max(inner.stats.live);
        if let Some(storage) = inner.free.get_mut(&class).and_then(Vec::pop) {
            return storage;
        }
        inner.stats.created += 1;
        inner.stats.reserved += bytes;
        let stats = inner.stats;
        drop(inner);
        create(stats)
    }

    pub(super) fn take_back(&self, class: usize, storage: Storage) {
        let mut inner = self.inner.lock().expect("no code panics while it holds the pool");
        inner.stats.live -= 4 * class as u64;
        inner.free.entry(class).or_default().push(storage);
    }

    /// Frees what waits for reuse; true if that was anything.
    pub(super) fn trim(&self) -> bool {
        let mut inner = self.inner.lock().expect("no code panics while it holds the pool");
        let freed: u64 =
            inner.free.iter().map(|(class, free)| 4 * (class * free.len()) as u64).sum();
        inner.stats.reserved -= freed;
        inner.free.clear();
        freed > 0
    }

    pub(super) fn stats(&self) -> MemoryStats {
        self.inner.lock().expect("no code panics while it holds the pool").stats
    }

    pub(super) fn reset_peak(&self) {
        let mut inner = self.inner.lock().expect("no code panics while it holds the pool");
        inner.stats.peak = inner.stats.live;
    }
}

#[cfg(test)]
mod tests {
    use super::class_of;

    #[test]
    fn classes_waste_at_most_a_sixteenth() {
        for words in [1, 63, 64, 65, 1000, 4096, 4097, 1_000_003, 23_440_896] {
            let class = class_of(words);
            assert!(class >= words && class.is_multiple_of(64), "{words} → {class}");
            assert!(class - words <= (words / 16).max(64), "{words} → {class}");
        }
    }
}
