//! What a generated signature tells the device about itself.

use super::{Buffer, Format};

/// One entry point of a shader with everything bound, ready to run. Implemented by generated code only.
pub trait Kernel {
    /// The shader's file stem.
    const STEM: &'static str;
    /// The entry point.
    const ENTRY: &'static str;
    /// The WGSL text.
    const SOURCE: &'static str;
    /// Invocations of one workgroup.
    const WORKGROUP: [u32; 3];
    /// Whether the entry point reads its uniforms.
    const USES_PARAMS: bool;
    /// Whether the text multiplies fragments, see [`Fragments`](super::Fragments).
    const COOPERATIVE: bool = false;

    /// The uniforms, as the shader lays them out.
    fn params(&self) -> &[u8];
    /// The `override` constants by name.
    fn constants(&self) -> Vec<(&'static str, f64)> {
        Vec::new()
    }
    /// The storage buffers in binding order.
    fn bindings(&self) -> Vec<Binding<'_>>;
    /// Runs the twin (or the fast CPU path) on buffers of a CPU device.
    fn on_cpu(self);
}

/// A buffer at its slot.
#[derive(Clone, Copy)]
pub struct Binding<'a> {
    /// Its name in the shader.
    pub name: &'static str,
    /// `@binding(slot)`.
    pub slot: u32,
    /// What is bound.
    pub buffer: &'a Buffer,
    /// Whether it holds floats.
    pub float: bool,
    /// Whether WGSL declares it `read`.
    pub read_only: bool,
    /// Whether this entry point writes it.
    pub written: bool,
    /// Bytes of one element, the least that can be bound; of f32 where it may be either.
    pub element_bytes: u32,
    /// Whether WGSL declares it in terms of `Element`, so that it may hold f32 or f16.
    pub any_float: bool,
}

/// The format of the bindings that may have either; they agree, and the others are words.
///
/// # Panics
/// With the kernel and the binding that does not fit.
pub(super) fn element_format<K: Kernel>(bindings: &[Binding<'_>]) -> Format {
    let mut free = bindings.iter().filter(|binding| binding.any_float);
    let format = free.next().map_or(Format::Word, |binding| binding.buffer.format());
    for binding in bindings {
        let expected = if binding.any_float { format } else { Format::Word };
        let found = binding.buffer.format();
        assert!(
            found == expected,
            "{}.{}: {} lies as {found:?}, expected {expected:?}",
            K::STEM,
            K::ENTRY,
            binding.name
        );
    }
    format
}

/// How many workgroups to start, and what they cost by formula.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Launch {
    /// Workgroups along x, y and z.
    pub groups: [u32; 3],
    /// Floating-point operations, for profiles and for the size of submissions.
    pub flops: u64,
    /// 4-byte words read and written at least once, were everything f32.
    pub words: u64,
}

impl Launch {
    /// Largest count of workgroups along one dimension that every WebGPU device allows.
    pub const MAX_GROUPS: u32 = 65_535;

    /// Starts `groups` workgroups.
    pub fn groups(groups: [u32; 3]) -> Self {
        Self { groups, flops: 0, words: 0 }
    }

    /// Starts one workgroup per row, spread over x and y when there are more than 65,535: the shader computes
    /// `row = group.y * num_workgroups.x + group.x` and skips rows past the end.
    pub fn rows(rows: usize) -> Self {
        let rows = u32::try_from(rows).expect("rows are counted in u32 by every shader");
        let y = rows.div_ceil(Self::MAX_GROUPS).max(1);
        Self::groups([rows.div_ceil(y).max(1), y, 1])
    }

    /// Starts enough workgroups of `lanes` for `count` invocations, spread as [`Launch::rows`].
    pub fn lanes(count: usize, lanes: u32) -> Self {
        Self::rows(count.div_ceil(lanes as usize))
    }

    /// Declares the floating-point operations.
    pub fn flops(self, flops: impl TryInto<u64>) -> Self {
        Self { flops: flops.try_into().unwrap_or(u64::MAX), ..self }
    }

    /// The launch with its words as they lie: f16s take half of one. The share of what is moved that is f16 is taken to be
    /// the share of what is bound.
    pub(super) fn as_stored(self, bindings: &[Binding<'_>]) -> Self {
        let bound = |size: fn(&Buffer) -> usize| -> u128 {
            bindings.iter().map(|binding| size(binding.buffer) as u128).sum()
        };
        let (words, elements) = (bound(Buffer::words), bound(Buffer::elements));
        let stored = u128::from(self.words) * words / elements.max(1);
        Self { words: u64::try_from(stored).unwrap_or(u64::MAX), ..self }
    }

    /// Declares the 4-byte words moved, f16s counted as whole ones.
    pub fn words(self, words: impl TryInto<u64>) -> Self {
        Self { words: words.try_into().unwrap_or(u64::MAX), ..self }
    }
}
