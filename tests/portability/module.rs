//! One entry point of one shader at one value of each override: what a pipeline is made of.

use std::fmt;
use std::path::Path;

use naga::back::PipelineConstants;
use naga::back::pipeline_constants::process_overrides;
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use naga::{AddressSpace, GlobalVariable, Handle, ShaderStage};
use wgrad_codegen::{Shader, read_shaders};
use wgrad_engine::device::{Format, Fragments};

/// The values that ops give to overrides, beside their defaults.
const OVERRIDES: [(&str, &[f64]); 2] = [
    // ⌈D/32⌉ for heads of D ≤ 128 channels; `engine/src/ops/attention.rs`.
    ("CHUNKS", &[1.0, 2.0, 3.0, 4.0]),
    // Lanes that share a row; `engine/src/ops/row_share.rs`.
    ("ROW_LANES", &[1.0, 64.0, 256.0]),
];

/// A module that holds one entry point, and whose overrides have become constants.
pub struct Module {
    name: String,
    pub ir: naga::Module,
    pub info: ModuleInfo,
    /// Whether it is what devices without optional features run: not a `variant` of another shader.
    pub is_baseline: bool,
    /// Rows of the fragments that it multiplies, if any.
    pub fragments: Option<u32>,
}

/// Every shader of the repository, joined with what it uses.
pub fn shaders() -> Vec<Shader> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    read_shaders(root).unwrap_or_else(|error| panic!("{error}"))
}

/// What may stand before `shader`: its elements as f32, and where it has any as f16; fragments as adapters list them.
pub fn preludes(shader: &Shader) -> Vec<(Format, Option<u32>, String)> {
    let has_elements = shader.bindings.iter().any(|binding| binding.any_float);
    let formats = if has_elements { &[Format::Word, Format::Half][..] } else { &[Format::Word] };
    if !shader.is_cooperative {
        let plain = formats.iter().map(|&format| (format, None, format.prelude().to_string()));
        return plain.collect();
    }
    // Apple's and llvmpipe's, then those of NVIDIA and, with subgroups of 64, of AMD.
    let listed = [(Format::Word, 8, 128), (Format::Word, 8, 32), (Format::Half, 8, 128)];
    let large = [(Format::Half, 16, 128), (Format::Half, 16, 256)];
    let every = listed.into_iter().chain(large).map(|(format, side, lanes)| {
        (format, Some(side), Fragments { side, lanes }.prelude(format))
    });
    every.collect()
}

/// The entry points of `shader` behind each of its [`preludes`], with defaults and then with each value of [`OVERRIDES`].
pub fn entry_points(shader: &Shader) -> Vec<Module> {
    let set = shader.constants.iter().flat_map(|constant| {
        let row = OVERRIDES.iter().find(|(name, _)| *name == constant.name);
        let (_, values) = row.unwrap_or_else(|| panic!("list the values of {}", constant.name));
        values.iter().map(|&value| PipelineConstants::from_iter([(constant.name.clone(), value)]))
    });
    let settings: Vec<_> = [PipelineConstants::default()].into_iter().chain(set).collect();
    let is_baseline = shader.twin == shader.stem;
    let mut modules = Vec::new();
    for (format, fragments, prelude) in preludes(shader) {
        let source = prelude + &shader.source;
        let stem = match (format, fragments) {
            (Format::Word, None) => shader.stem.clone(),
            (Format::Half, None) => format!("{} of f16", shader.stem),
            (_, Some(side)) => format!("{} of {format:?} {side} × {side}", shader.stem),
        };
        for entry in &shader.entry_points {
            for constants in &settings {
                let is_baseline = is_baseline && format == Format::Word;
                let constants = constants.clone();
                let module = Module::new(&stem, &source, &entry.name, constants, is_baseline);
                modules.push(Module { fragments, ..module });
            }
        }
    }
    modules
}

impl Module {
    /// Parses `source` and keeps `entry` of it with `constants` as its overrides.
    ///
    /// # Panics
    /// If the source is no WGSL, or has no such entry point or override.
    pub fn new(
        stem: &str,
        source: &str,
        entry: &str,
        constants: PipelineConstants,
        is_baseline: bool,
    ) -> Self {
        let ir = naga::front::wgsl::parse_str(source)
            .unwrap_or_else(|error| panic!("{}", error.emit_to_string_with_path(source, stem)));
        let info = validate(&ir, Capabilities::all()).unwrap_or_else(|error| panic!("{error}"));
        let kept = Some((ShaderStage::Compute, entry));
        let (ir, info) = process_overrides(&ir, &info, kept, &constants)
            .unwrap_or_else(|error| panic!("{stem}.{entry}: {error}"));
        let values: Vec<String> =
            constants.iter().map(|(n, value)| format!(" {n}={value}")).collect();
        let name = format!("{stem}.{entry}{}", values.concat());
        Self { name, ir: ir.into_owned(), info: info.into_owned(), is_baseline, fragments: None }
    }

    /// Refuses what the core of WGSL does not have.
    pub fn validate_without_features(&self) -> Result<(), String> {
        validate(&self.ir, Capabilities::empty()).map(drop)
    }

    /// Storage buffers that the entry point reaches.
    pub fn storage_buffers(&self) -> usize {
        let is_storage =
            |global: &GlobalVariable| matches!(global.space, AddressSpace::Storage { .. });
        self.reached().filter(|(_, global)| is_storage(global)).count()
    }

    /// Bytes of workgroup memory that the entry point reaches; each variable takes whole units of 16.
    pub fn workgroup_bytes(&self) -> u32 {
        let shared = self.reached().filter(|(_, global)| global.space == AddressSpace::WorkGroup);
        let size = |global: &GlobalVariable| self.ir.types[global.ty].inner.size(self.ir.to_ctx());
        shared.map(|(_, global)| size(global).next_multiple_of(16)).sum()
    }

    fn reached(&self) -> impl Iterator<Item = (Handle<GlobalVariable>, &GlobalVariable)> {
        let uses = self.info.get_entry_point(0);
        self.ir.global_variables.iter().filter(move |(handle, _)| !uses[*handle].is_empty())
    }
}

impl fmt::Display for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

fn validate(ir: &naga::Module, capabilities: Capabilities) -> Result<ModuleInfo, String> {
    let mut validator = Validator::new(ValidationFlags::all(), capabilities);
    validator.validate(ir).map_err(|error| format!("{:?}", error.into_inner()))
}
