//! A handle to device memory, counted in 4-byte words.

use std::fmt;
use std::marker::PhantomData;
use std::sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::pool::Pool;

/// Reference-counted device memory; the last handle gives it back to the pool.
///
/// Handles are cheap to clone and may be views: a range of an arena.
#[derive(Clone)]
pub struct Buffer {
    allocation: Arc<Allocation>,
    offset: usize,
    words: usize,
}

/// One whole piece of memory, owned by its pool and lent to handles.
pub(super) struct Allocation {
    pub(super) storage: Option<Storage>,
    pub(super) class: usize,
    pub(super) pool: Arc<Pool>,
}

/// Host memory, or a wgpu buffer with the number it is known by in caches.
pub(super) enum Storage {
    Cpu(RwLock<Vec<u32>>),
    Gpu { buffer: wgpu::Buffer, id: u64 },
}

impl Drop for Allocation {
    fn drop(&mut self) {
        if let Some(storage) = self.storage.take() {
            self.pool.take_back(self.class, storage);
        }
    }
}

impl Buffer {
    pub(super) fn new(allocation: Allocation, words: usize) -> Self {
        Self { allocation: Arc::new(allocation), offset: 0, words }
    }

    /// Number of 4-byte words.
    pub fn words(&self) -> usize {
        self.words
    }

    /// First word within its allocation; 0 unless this is a view.
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// A view of `words` words from `offset` on.
    ///
    /// # Panics
    /// If the range leaves the buffer or `offset` is no multiple of 64 words, the alignment of bindings.
    #[track_caller]
    pub fn view(&self, offset: usize, words: usize) -> Self {
        assert!(offset + words <= self.words, "view {offset}+{words} of {} words", self.words);
        assert!(offset.is_multiple_of(64), "view at word {offset}, expected a multiple of 64");
        Self { allocation: self.allocation.clone(), offset: self.offset + offset, words }
    }

    /// Whether two handles share memory.
    pub fn overlaps(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.allocation, &other.allocation)
            && self.offset < other.offset + other.words
            && other.offset < self.offset + self.words
    }

    /// Locks host memory for reading.
    ///
    /// # Panics
    /// If this is no buffer of a CPU device, or a kernel binds memory that it also writes.
    #[track_caller]
    pub fn read(&self) -> ReadGuard<'_> {
        let guard = self.host().try_read();
        let guard = guard.expect("a kernel binds a buffer that it also writes");
        ReadGuard { guard, offset: self.offset, words: self.words }
    }

    /// Locks host memory for writing.
    ///
    /// # Panics
    /// As [`Buffer::read`].
    #[track_caller]
    pub fn write(&mut self) -> WriteGuard<'_> {
        self.write_shared()
    }

    /// Writes through a shared handle; only the device does, on behalf of an upload.
    #[track_caller]
    pub(super) fn write_shared(&self) -> WriteGuard<'_> {
        let guard = self.host().try_write();
        let guard = guard.expect("a kernel writes a buffer that it also reads");
        WriteGuard { guard, offset: self.offset, words: self.words, exclusive: PhantomData }
    }

    #[track_caller]
    fn host(&self) -> &RwLock<Vec<u32>> {
        match self.storage() {
            Storage::Cpu(words) => words,
            Storage::Gpu { .. } => panic!("this buffer lies on a GPU"),
        }
    }

    pub(super) fn storage(&self) -> &Storage {
        self.allocation.storage.as_ref().expect("storage leaves its allocation only when dropped")
    }

    /// The wgpu buffer and its number.
    #[track_caller]
    pub(super) fn gpu(&self) -> (&wgpu::Buffer, u64) {
        match self.storage() {
            Storage::Gpu { buffer, id } => (buffer, *id),
            Storage::Cpu(_) => panic!("this buffer lies on the CPU"),
        }
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Buffer({} words)", self.words)
    }
}

/// Host memory locked for reading.
pub struct ReadGuard<'a> {
    guard: RwLockReadGuard<'a, Vec<u32>>,
    offset: usize,
    words: usize,
}

impl ReadGuard<'_> {
    /// The words as u32.
    pub fn u32(&self) -> &[u32] {
        &self.guard[self.offset..self.offset + self.words]
    }

    /// The words as f32.
    pub fn f32(&self) -> &[f32] {
        bytemuck::cast_slice(self.u32())
    }

    /// The words as i32.
    pub fn i32(&self) -> &[i32] {
        bytemuck::cast_slice(self.u32())
    }
}

/// Host memory locked for writing.
pub struct WriteGuard<'a> {
    guard: RwLockWriteGuard<'a, Vec<u32>>,
    offset: usize,
    words: usize,
    exclusive: PhantomData<&'a mut Buffer>,
}

impl WriteGuard<'_> {
    /// The words as u32.
    pub fn u32_mut(&mut self) -> &mut [u32] {
        &mut self.guard[self.offset..self.offset + self.words]
    }

    /// The words as f32.
    pub fn f32_mut(&mut self) -> &mut [f32] {
        bytemuck::cast_slice_mut(self.u32_mut())
    }

    /// The words as i32.
    pub fn i32_mut(&mut self) -> &mut [i32] {
        bytemuck::cast_slice_mut(self.u32_mut())
    }
}
