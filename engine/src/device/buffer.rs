//! A handle to device memory: so many elements of a format.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Range;
use std::sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard};

use half::f16;
use half::slice::HalfFloatSliceExt;

use super::Format;
use super::pool::Pool;

/// Reference-counted device memory; the last handle gives it back to the pool.
///
/// Handles are cheap to clone and may be views: a range of an arena.
#[derive(Clone)]
pub struct Buffer {
    allocation: Arc<Allocation>,
    /// First word.
    offset: usize,
    elements: usize,
    format: Format,
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
    pub(super) fn new(allocation: Allocation, elements: usize, format: Format) -> Self {
        Self { allocation: Arc::new(allocation), offset: 0, elements, format }
    }

    /// Number of elements.
    pub fn elements(&self) -> usize {
        self.elements
    }

    /// What an element is.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Number of 4-byte words, the last one perhaps half used.
    pub fn words(&self) -> usize {
        self.format.words(self.elements)
    }

    /// First word within its allocation; 0 unless this is a view.
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// A view of `elements` elements from element `first` on.
    ///
    /// # Panics
    /// If the range leaves the buffer, or does not begin at a multiple of 256 bytes, the alignment of bindings.
    #[track_caller]
    pub fn view(&self, first: usize, elements: usize) -> Self {
        let Self { format, .. } = *self;
        assert!(first + elements <= self.elements, "view {first}+{elements} of {}", self.elements);
        let bytes = first * format.bytes();
        assert!(bytes.is_multiple_of(256), "view at byte {bytes}, expected a multiple of 256");
        let allocation = self.allocation.clone();
        Self { allocation, offset: self.offset + bytes / 4, elements, format }
    }

    /// Whether two handles share memory.
    pub fn overlaps(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.allocation, &other.allocation)
            && self.offset < other.offset + other.words()
            && other.offset < self.offset + self.words()
    }

    /// Locks host memory for reading.
    ///
    /// # Panics
    /// If this is no buffer of a CPU device, or a kernel binds memory that it also writes.
    #[track_caller]
    pub fn read(&self) -> ReadGuard<'_> {
        let guard = self.host().try_read();
        let guard = guard.expect("a kernel binds a buffer that it also writes");
        let words = self.offset..self.offset + self.words();
        let halves =
            (self.format == Format::Half).then(|| widened(&guard[words.clone()], self.elements));
        ReadGuard { guard, words, widened: halves }
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
        let words = self.offset..self.offset + self.words();
        let Self { elements, format, .. } = *self;
        WriteGuard { guard, words, elements, format, widened: None, exclusive: PhantomData }
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
        write!(f, "Buffer({} × {:?})", self.elements, self.format)
    }
}

/// Host memory locked for reading.
pub struct ReadGuard<'a> {
    guard: RwLockReadGuard<'a, Vec<u32>>,
    words: Range<usize>,
    /// What f16s are as f32s.
    widened: Option<Vec<f32>>,
}

impl ReadGuard<'_> {
    /// The words as u32.
    pub fn u32(&self) -> &[u32] {
        &self.guard[self.words.clone()]
    }

    /// The elements as f32.
    pub fn f32(&self) -> &[f32] {
        self.widened.as_deref().unwrap_or_else(|| bytemuck::cast_slice(self.u32()))
    }

    /// The words as i32.
    pub fn i32(&self) -> &[i32] {
        bytemuck::cast_slice(self.u32())
    }
}

/// Host memory locked for writing.
pub struct WriteGuard<'a> {
    guard: RwLockWriteGuard<'a, Vec<u32>>,
    words: Range<usize>,
    elements: usize,
    format: Format,
    /// What f16s are as f32s, once they were asked for; rounded when the lock is released.
    widened: Option<Vec<f32>>,
    exclusive: PhantomData<&'a mut Buffer>,
}

impl WriteGuard<'_> {
    /// The words as u32.
    pub fn u32_mut(&mut self) -> &mut [u32] {
        &mut self.guard[self.words.clone()]
    }

    /// The elements as f32.
    pub fn f32_mut(&mut self) -> &mut [f32] {
        match self.format {
            Format::Word => bytemuck::cast_slice_mut(self.u32_mut()),
            Format::Half => {
                let Self { guard, words, elements, widened: kept, .. } = self;
                kept.get_or_insert_with(|| widened(&guard[words.clone()], *elements))
            }
        }
    }

    /// The words as i32.
    pub fn i32_mut(&mut self) -> &mut [i32] {
        bytemuck::cast_slice_mut(self.u32_mut())
    }
}

impl Drop for WriteGuard<'_> {
    fn drop(&mut self) {
        if let Some(values) = self.widened.take() {
            let halves: &mut [f16] = bytemuck::cast_slice_mut(self.u32_mut());
            halves[..values.len()].convert_from_f32_slice(&values);
        }
    }
}

/// The first `elements` f16s of `words`.
pub(super) fn widened(words: &[u32], elements: usize) -> Vec<f32> {
    let halves: &[f16] = bytemuck::cast_slice(words);
    halves[..elements].to_f32_vec()
}
