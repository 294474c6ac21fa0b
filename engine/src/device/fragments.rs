//! Matrices small enough that a subgroup multiplies two of them at once: tensor cores, simdgroup matrices.

use wgpu::CooperativeScalarType::{F16, F32};

use super::Format;

/// What an adapter multiplies at once: two fragments of elements in one format, whose product is summed in f32.
///
/// # Source
/// `VK_KHR_cooperative_matrix`; Metal's `simdgroup_matrix`. WGSL has them as an extension of wgpu.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragments {
    /// Rows and columns of a fragment: 8 or 16.
    pub side: u32,
    /// Lanes of a workgroup that has four subgroups at least.
    pub lanes: u32,
}

/// Kernels that multiply fragments, each with a test of its own before it is trusted with a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trial {
    /// `shaders/matmul_cooperative.wgsl`.
    Matmul,
    /// `shaders/attention_cooperative.wgsl` and `shaders/attention_backward_cooperative.wgsl`.
    Attention,
}

/// The feature that a device with fragments is opened with.
pub(super) const FEATURE: wgpu::Features = wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX;

/// Subgroups that share a tile in every kernel with fragments.
const SUBGROUPS: u32 = 4;
/// Workgroup memory that kernels may take with fragments of 16; those of 8 fit what every adapter has.
const LARGE_BYTES: u32 = 33 << 10;
/// Most lanes of a workgroup.
const MOST_LANES: u32 = 256;

impl Fragments {
    /// The larger square of `format` that `adapter` lists; what it does not list is undefined there.
    pub(super) fn of(adapter: &wgpu::Adapter, format: Format) -> Option<Self> {
        let (scalar, needed) = match format {
            Format::Word => (F32, FEATURE | wgpu::Features::SUBGROUP),
            Format::Half => (F16, FEATURE | wgpu::Features::SUBGROUP | wgpu::Features::SHADER_F16),
        };
        let info = adapter.get_info();
        let subgroup = match info.backend {
            // Metal does not say; every GPU that lists fragments has subgroups of 32.
            wgpu::Backend::Metal => 32,
            _ => info.subgroup_max_size,
        };
        let lanes = SUBGROUPS * subgroup;
        if !adapter.features().contains(needed) || lanes > MOST_LANES {
            return None;
        }
        let listed = adapter.cooperative_matrix_properties();
        let has_room = adapter.limits().max_compute_workgroup_storage_size >= LARGE_BYTES;
        let sides = if has_room { &[16, 8][..] } else { &[8] };
        let side = sides.iter().copied().find(|&side| {
            listed.iter().any(|one| {
                [one.m_size, one.n_size, one.k_size] == [side; 3]
                    && (one.ab_type, one.cr_type) == (scalar, F32)
                    && !one.saturating_accumulation
            })
        });
        side.map(|side| Self { side, lanes })
    }

    /// Whether attention's tiles of them fit: f32 ones of 16 take more workgroup memory than there is.
    pub fn fit_attention(self, format: Format) -> bool {
        self.side == 8 || format == Format::Half
    }

    /// What stands before a shader that multiplies fragments of `format`, on its first line.
    pub fn prelude(self, format: Format) -> String {
        let Self { side, lanes } = self;
        let elements = format.prelude();
        format!(
            "enable wgpu_cooperative_matrix; {elements}\
             const FRAGMENT: u32 = {side}u; const LANES: u32 = {lanes}u; \
             alias Left = coop_mat{side}x{side}<Element, A>; \
             alias Right = coop_mat{side}x{side}<Element, B>; \
             alias Sum = coop_mat{side}x{side}<f32, C>; "
        )
    }
}
