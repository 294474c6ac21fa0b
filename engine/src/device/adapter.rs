//! Which adapter to take.

use std::str::FromStr;

use super::Error;

/// What the user asked for: `auto`, `cpu`, `gpu`, an index, or part of an adapter's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selector {
    /// The best hardware adapter, and without one the CPU.
    Auto,
    /// The twins, on the host.
    Cpu,
    /// The best adapter, a software one if there is no other.
    Gpu,
    /// The adapter at this index of [`adapters`].
    Index(usize),
    /// The first adapter whose name contains this, in any case.
    Name(String),
}

impl FromStr for Selector {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text.to_lowercase().as_str() {
            "auto" | "" => Self::Auto,
            "cpu" => Self::Cpu,
            "gpu" => Self::Gpu,
            name => name.parse().map_or_else(|_| Self::Name(name.to_string()), Self::Index),
        })
    }
}

/// One adapter of this machine, for people and for scripts.
#[derive(Clone, Debug)]
pub struct AdapterSummary {
    /// Its name.
    pub name: String,
    /// Vulkan, Metal or Dx12.
    pub backend: String,
    /// Driver and version.
    pub driver: String,
    /// Discrete, integrated, virtual or software.
    pub kind: &'static str,
    /// Whether it is an emulation on the CPU.
    pub software: bool,
    /// Largest storage binding in bytes.
    pub max_binding_bytes: u64,
    /// Workgroup memory in bytes.
    pub max_workgroup_bytes: u32,
    /// Invocations of one workgroup.
    pub max_invocations: u32,
    /// Smallest and largest subgroup.
    pub subgroup: (u32, u32),
    /// The features that matter here and are present.
    pub features: Vec<&'static str>,
}

/// Every adapter of this machine, best first, in the order that indices count.
pub fn adapters() -> Vec<AdapterSummary> {
    ranked(&instance()).iter().map(summary).collect()
}

/// On Linux without a display, keeps away Mesa's layer that sorts devices for windows: it writes an error to stderr at
/// each look for adapters, and [`adapters`] sorts by itself. A layer that the user set up stays.
///
/// For the first line of `main`: does nothing once the process has other threads.
pub fn quiet_drivers() {
    const HEEDED: [&str; 4] =
        ["XDG_RUNTIME_DIR", "MESA_VK_DEVICE_SELECT", "DRI_PRIME", "NODEVICE_SELECT"];
    let alone = std::fs::read_dir("/proc/self/task").is_ok_and(|tasks| tasks.count() == 1);
    if alone && HEEDED.iter().all(|name| std::env::var_os(name).is_none()) {
        // SAFETY: the system lists no thread but this one, so nothing reads the environment meanwhile.
        unsafe { std::env::set_var("NODEVICE_SELECT", "1") };
    }
}

pub(super) fn instance() -> wgpu::Instance {
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    descriptor.backends = wgpu::Backends::VULKAN | wgpu::Backends::METAL | wgpu::Backends::DX12;
    descriptor.flags = wgpu::InstanceFlags::empty();
    wgpu::Instance::new(descriptor)
}

fn ranked(instance: &wgpu::Instance) -> Vec<wgpu::Adapter> {
    let mut adapters = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::all()));
    // Equal ranks keep the driver's order; on Windows, Vulkan stands before DX12 for the same card.
    adapters.sort_by_key(|adapter| match adapter.get_info().device_type {
        wgpu::DeviceType::DiscreteGpu => 0,
        wgpu::DeviceType::IntegratedGpu => 1,
        wgpu::DeviceType::VirtualGpu => 2,
        wgpu::DeviceType::Other => 3,
        wgpu::DeviceType::Cpu => 4,
    });
    adapters
}

/// The adapter that `selector` means; `None` is the CPU.
pub(super) fn choose(
    instance: &wgpu::Instance,
    selector: &Selector,
) -> Result<Option<wgpu::Adapter>, Error> {
    if *selector == Selector::Cpu {
        return Ok(None);
    }
    let mut adapters = ranked(instance);
    let names: Vec<String> = adapters.iter().map(|adapter| adapter.get_info().name).collect();
    let unknown = |wanted: String| Error::UnknownDevice {
        wanted,
        available: if names.is_empty() { "no adapter, only cpu".into() } else { names.join("; ") },
    };
    let at = match selector {
        Selector::Auto => {
            return Ok(adapters.into_iter().next().filter(|adapter| !is_software(adapter)));
        }
        Selector::Cpu => return Ok(None),
        Selector::Gpu if adapters.is_empty() => return Err(Error::NoAdapter),
        Selector::Gpu => 0,
        Selector::Index(index) if *index < adapters.len() => *index,
        Selector::Index(index) => return Err(unknown(index.to_string())),
        Selector::Name(part) => names
            .iter()
            .position(|name| name.to_lowercase().contains(&part.to_lowercase()))
            .ok_or_else(|| unknown(part.clone()))?,
    };
    Ok(Some(adapters.swap_remove(at)))
}

pub(super) fn is_software(adapter: &wgpu::Adapter) -> bool {
    adapter.get_info().device_type == wgpu::DeviceType::Cpu
}

/// The features that kernels use where they are present.
pub(super) const WANTED: [(wgpu::Features, &str); 3] = [
    (wgpu::Features::TIMESTAMP_QUERY, "timestamps"),
    (wgpu::Features::SHADER_F16, "f16"),
    (wgpu::Features::SUBGROUP, "subgroups"),
];

fn summary(adapter: &wgpu::Adapter) -> AdapterSummary {
    let (info, limits) = (adapter.get_info(), adapter.limits());
    let present = WANTED.iter().filter(|(feature, _)| adapter.features().contains(*feature));
    let mut features: Vec<&'static str> = present.map(|(_, name)| *name).collect();
    if !adapter.cooperative_matrix_properties().is_empty() {
        features.push("cooperative matrices");
    }
    AdapterSummary {
        backend: format!("{:?}", info.backend),
        driver: format!("{} {}", info.driver, info.driver_info).trim().to_string(),
        kind: match info.device_type {
            wgpu::DeviceType::DiscreteGpu => "discrete GPU",
            wgpu::DeviceType::IntegratedGpu => "integrated GPU",
            wgpu::DeviceType::VirtualGpu => "virtual GPU",
            wgpu::DeviceType::Other => "other",
            wgpu::DeviceType::Cpu => "software",
        },
        software: is_software(adapter),
        max_binding_bytes: limits.max_storage_buffer_binding_size,
        max_workgroup_bytes: limits.max_compute_workgroup_storage_size,
        max_invocations: limits.max_compute_invocations_per_workgroup,
        subgroup: (info.subgroup_min_size, info.subgroup_max_size),
        features,
        name: info.name,
    }
}
