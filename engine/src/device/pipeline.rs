//! Pipelines, uniforms and bind groups, each made once and found again by content.

use std::collections::HashMap;
use std::sync::Arc;

use wgpu::util::DeviceExt;

use super::Format;
use super::kernel::{Binding, Kernel};

/// A compiled entry point and the layout of its bindings.
pub(super) struct Pipeline {
    id: u32,
    pub(super) pipeline: wgpu::ComputePipeline,
    layout: wgpu::BindGroupLayout,
}

/// Stem, entry point, what an `Element` is, and the bits of its constants.
type PipelineKey = (&'static str, &'static str, Format, Vec<u64>);
/// Pipeline, uniforms, and (buffer, first word, words) of every binding.
type GroupKey = (u32, u32, Vec<(u64, usize, usize)>);

/// What a device has compiled and bound so far.
#[derive(Default)]
pub(super) struct Caches {
    modules: HashMap<(&'static str, Format), wgpu::ShaderModule>,
    pipelines: HashMap<PipelineKey, Arc<Pipeline>>,
    uniforms: HashMap<Vec<u8>, (u32, wgpu::Buffer)>,
    groups: HashMap<GroupKey, wgpu::BindGroup>,
}

/// More entries than a loop of stable shape ever has; above, caches start anew rather than grow forever.
const MOST_GROUPS: usize = 16_384;

impl Caches {
    /// The pipeline of `kernel`, compiled on first use behind `prelude`; `checked` keeps naga's run-time checks.
    pub(super) fn pipeline<K: Kernel>(
        &mut self,
        device: &wgpu::Device,
        kernel: &K,
        format: Format,
        prelude: impl FnOnce() -> String,
        checked: bool,
    ) -> Arc<Pipeline> {
        let constants = kernel.constants();
        let bits = constants.iter().map(|(_, value)| value.to_bits()).collect();
        let key: PipelineKey = (K::STEM, K::ENTRY, format, bits);
        if let Some(pipeline) = self.pipelines.get(&key) {
            return pipeline.clone();
        }
        let compiled = self.modules.entry((K::STEM, format));
        let module = compiled.or_insert_with(|| module::<K>(device, &prelude(), checked));
        let layout = layout(device, kernel);
        let label = format!("{}.{}", K::STEM, K::ENTRY);
        let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some(&label),
            bind_group_layouts: &[Some(&layout)],
            immediate_size: 0,
        });
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(&label),
            layout: Some(&pipeline_layout),
            module,
            entry_point: Some(K::ENTRY),
            compilation_options: wgpu::PipelineCompilationOptions {
                constants: &constants,
                zero_initialize_workgroup_memory: checked,
            },
            cache: None,
        });
        let id = self.pipelines.len() as u32;
        let pipeline = Arc::new(Pipeline { id, pipeline, layout });
        self.pipelines.insert(key, pipeline.clone());
        pipeline
    }

    /// The bind group of `kernel`'s uniforms and buffers.
    pub(super) fn bind_group<K: Kernel>(
        &mut self,
        device: &wgpu::Device,
        pipeline: &Pipeline,
        kernel: &K,
        bindings: &[Binding<'_>],
    ) -> wgpu::BindGroup {
        let (uniform_id, uniform) = self.uniform(device, kernel.params());
        let identity = |binding: &Binding<'_>| {
            (binding.buffer.gpu().1, binding.buffer.offset(), binding.buffer.words())
        };
        let key: GroupKey = (pipeline.id, uniform_id, bindings.iter().map(identity).collect());
        if let Some(group) = self.groups.get(&key) {
            return group.clone();
        }
        let mut entries = Vec::with_capacity(bindings.len() + 1);
        if K::USES_PARAMS {
            entries
                .push(wgpu::BindGroupEntry { binding: 0, resource: uniform.as_entire_binding() });
        }
        entries.extend(bindings.iter().map(|binding| wgpu::BindGroupEntry {
            binding: binding.slot,
            resource: wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                buffer: binding.buffer.gpu().0,
                offset: 4 * binding.buffer.offset() as u64,
                // Whole vec4s: allocations and views are multiples of 64 words.
                size: std::num::NonZeroU64::new(bound_bytes(binding)),
            }),
        }));
        let group = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some(K::STEM),
            layout: &pipeline.layout,
            entries: &entries,
        });
        if self.groups.len() >= MOST_GROUPS {
            self.groups.clear();
        }
        self.groups.insert(key, group.clone());
        group
    }

    /// Forgets bind groups, so that the buffers they hold can be freed.
    pub(super) fn forget_groups(&mut self) {
        self.groups.clear();
    }

    /// The uniform buffer that holds `bytes`; equal bytes share one, and it is never written again.
    fn uniform(&mut self, device: &wgpu::Device, bytes: &[u8]) -> (u32, wgpu::Buffer) {
        if let Some((id, buffer)) = self.uniforms.get(bytes) {
            return (*id, buffer.clone());
        }
        if self.uniforms.len() >= MOST_GROUPS {
            self.uniforms.clear();
            self.groups.clear();
        }
        let mut contents = bytes.to_vec();
        contents.resize(bytes.len().next_multiple_of(16).max(16), 0);
        let buffer = device.create_buffer_init(&wgpu::util::BufferInitDescriptor {
            label: Some("params"),
            contents: &contents,
            usage: wgpu::BufferUsages::UNIFORM,
        });
        let id = self.uniforms.len() as u32;
        self.uniforms.insert(bytes.to_vec(), (id, buffer.clone()));
        (id, buffer)
    }
}

fn bound_bytes(binding: &Binding<'_>) -> u64 {
    let element = least_bytes(binding);
    (4 * binding.buffer.words() as u64).next_multiple_of(element).max(element)
}

/// Bytes of one element as WGSL declares it, a whole word at least.
fn least_bytes(binding: &Binding<'_>) -> u64 {
    (u64::from(binding.element_bytes) * binding.buffer.format().bytes() as u64 / 4).max(4)
}

fn module<K: Kernel>(device: &wgpu::Device, prelude: &str, checked: bool) -> wgpu::ShaderModule {
    let descriptor = wgpu::ShaderModuleDescriptor {
        label: Some(K::STEM),
        source: wgpu::ShaderSource::Wgsl([prelude, K::SOURCE].concat().into()),
    };
    if checked {
        return device.create_shader_module(descriptor);
    }
    // SAFETY: the text is ours, compiled into this binary; every kernel guards its own indices and loops
    // end by their params. The whole test-suite also runs with checks on.
    unsafe {
        device.create_shader_module_trusted(descriptor, wgpu::ShaderRuntimeChecks::unchecked())
    }
}

fn layout<K: Kernel>(device: &wgpu::Device, kernel: &K) -> wgpu::BindGroupLayout {
    let entry = |binding, ty, bytes: u64| wgpu::BindGroupLayoutEntry {
        binding,
        visibility: wgpu::ShaderStages::COMPUTE,
        ty: wgpu::BindingType::Buffer {
            ty,
            has_dynamic_offset: false,
            min_binding_size: std::num::NonZeroU64::new(bytes),
        },
        count: None,
    };
    let mut entries = Vec::new();
    if K::USES_PARAMS {
        let bytes = (kernel.params().len() as u64).next_multiple_of(16);
        entries.push(entry(0, wgpu::BufferBindingType::Uniform, bytes));
    }
    entries.extend(kernel.bindings().iter().map(|binding| {
        let ty = wgpu::BufferBindingType::Storage { read_only: binding.read_only };
        entry(binding.slot, ty, least_bytes(binding))
    }));
    device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
        label: Some(K::STEM),
        entries: &entries,
    })
}
