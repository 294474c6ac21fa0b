//! What naga knows of a shader: its uniforms, its bindings, and which entry point uses which.

use std::fs;
use std::path::Path;

use naga::valid::{Capabilities, GlobalUse, ValidationFlags, Validator};
use naga::{AddressSpace, ScalarKind, StorageAccess, TypeInner};

/// The element type behind a binding or a uniform field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scalar {
    /// 32-bit float.
    F32,
    /// 32-bit unsigned integer, or an atomic one.
    U32,
    /// 32-bit signed integer.
    I32,
    /// Boolean (overrides only).
    Bool,
}

/// A field of `Params`, or an `override` constant.
#[derive(Clone, Debug)]
pub struct Field {
    /// Its WGSL name.
    pub name: String,
    /// Its type.
    pub scalar: Scalar,
    /// The comment behind it in the shader, if any.
    pub comment: String,
}

/// How an entry point uses a binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Only read.
    Read,
    /// Written, or read and written.
    Write,
}

/// A storage buffer of the shader.
#[derive(Clone, Debug)]
pub struct Binding {
    /// Its WGSL name, which becomes the Rust field.
    pub name: String,
    /// `@binding(slot)`.
    pub slot: u32,
    /// Its element type, whatever the vector width.
    pub scalar: Scalar,
    /// Whether WGSL declares it `read_write`.
    pub declared_writable: bool,
    /// Bytes of one element (16 for a vec4), the smallest size that can be bound.
    pub element_bytes: u32,
    /// Whether it is declared in terms of `Element`: f32 or f16, as the buffers that are bound say.
    pub any_float: bool,
    /// The comment behind it in the shader: its shape.
    pub comment: String,
}

/// A compute entry point and the bindings it reaches, in binding order.
#[derive(Clone, Debug)]
pub struct EntryPoint {
    /// Its WGSL name.
    pub name: String,
    /// Invocations of one workgroup.
    pub workgroup: [u32; 3],
    /// Whether it reads `params`.
    pub uses_params: bool,
    /// Index into [`Shader::bindings`], and how it is used.
    pub bindings: Vec<(usize, Access)>,
}

/// One `shaders/<stem>.wgsl`.
#[derive(Clone, Debug)]
pub struct Shader {
    /// The file name without its ending.
    pub stem: String,
    /// The stem whose twin judges this shader: its own, or for a variant the one its header names.
    pub twin: String,
    /// Shared files named by the header's `uses` line.
    pub uses: Vec<String>,
    /// The whole text, shared files first.
    pub source: String,
    /// Whether it multiplies fragments, whose types stand before its text.
    pub is_cooperative: bool,
    /// Fields of `Params`.
    pub params: Vec<Field>,
    /// `override` constants.
    pub constants: Vec<Field>,
    /// Whether its twin is given them: not where all are of shared files, which say how lanes divide the work.
    pub twin_has_constants: bool,
    /// Storage buffers by slot.
    pub bindings: Vec<Binding>,
    /// Entry points in the order of the file.
    pub entry_points: Vec<EntryPoint>,
}

/// What the engine puts before every shader, where `Element` is f32 (engine/src/device/format.rs).
const F32_ELEMENTS: &str = "alias Element = f32; alias Element4 = vec4<f32>; ";
/// And before that, where a shader multiplies fragments (engine/src/device/fragments.rs).
const F32_FRAGMENTS: &str = "enable wgpu_cooperative_matrix; \
    const FRAGMENT: u32 = 8u; const LANES: u32 = 32u; alias Left = coop_mat8x8<f32, A>; \
    alias Right = coop_mat8x8<f32, B>; alias Sum = coop_mat8x8<f32, C>; ";

impl Shader {
    /// Reads, parses and validates one shader of the repository at `root`.
    ///
    /// # Errors
    /// The file that is missing, or naga's diagnosis with the line.
    pub fn read(root: &Path, path: &Path) -> Result<Self, String> {
        let read = |path: &Path| {
            fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
        };
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let text = read(path)?;
        let uses = header_field(&text, "uses");
        let mut source = String::new();
        for shared in &uses {
            source += &read(&root.join("shaders").join(shared))?;
        }
        source += &text;
        let twin = header_field(&text, "variant").first().cloned().unwrap_or_else(|| stem.clone());
        Self::reflect(stem, twin, uses, source, &text)
    }

    fn reflect(
        stem: String,
        twin: String,
        uses: Vec<String>,
        source: String,
        text: &str,
    ) -> Result<Self, String> {
        let is_cooperative = source.contains("coopMultiplyAdd(");
        let fragments = if is_cooperative { F32_FRAGMENTS } else { "" };
        let module = naga::front::wgsl::parse_str(&format!("{fragments}{F32_ELEMENTS}{source}"))
            .map_err(|error| error.emit_to_string_with_path(&source, &format!("{stem}.wgsl")))?;
        let info = Validator::new(ValidationFlags::all(), Capabilities::all())
            .validate(&module)
            .map_err(|error| error.emit_to_string_with_path(&source, &format!("{stem}.wgsl")))?;

        let mut params = Vec::new();
        let mut params_handle = None;
        let mut globals = Vec::new();
        for (handle, global) in module.global_variables.iter() {
            let name = global.name.clone().unwrap_or_default();
            let inner = &module.types[global.ty].inner;
            match (global.space, inner) {
                (AddressSpace::Uniform, TypeInner::Struct { members, .. }) => {
                    params_handle = Some(handle);
                    for member in members {
                        let name = member.name.clone().unwrap_or_default();
                        let scalar = scalar_of(&module, member.ty)
                            .ok_or(format!("{stem}.wgsl: params.{name} is no scalar"))?;
                        let comment = comment_of(text, &format!("{name}:"));
                        params.push(Field { name, scalar, comment });
                    }
                }
                (AddressSpace::Storage { access }, TypeInner::Array { base, stride, .. }) => {
                    let scalar = scalar_of(&module, *base)
                        .ok_or(format!("{stem}.wgsl: {name} holds no scalars or vectors"))?;
                    let slot = global.binding.as_ref().map_or(0, |binding| binding.binding);
                    let any_float = is_any_float(text, &name);
                    let binding = Binding {
                        any_float,
                        comment: comment_of(text, &format!("{name}:")),
                        name,
                        slot,
                        scalar,
                        declared_writable: access.contains(StorageAccess::STORE),
                        element_bytes: *stride,
                    };
                    globals.push((handle, binding));
                }
                _ => {}
            }
        }
        globals.sort_by_key(|(_, binding)| binding.slot);

        let constants = module.overrides.iter().map(|(_, constant)| {
            let name = constant.name.clone().unwrap_or_default();
            let scalar = scalar_of(&module, constant.ty).unwrap_or(Scalar::U32);
            let comment = comment_of(&source, &format!("override {name}:"));
            Field { name, scalar, comment }
        });
        let constants = constants.collect();

        let entry_points = module.entry_points.iter().enumerate().map(|(index, entry)| {
            let function = info.get_entry_point(index);
            let bindings = globals.iter().enumerate().filter_map(|(at, (handle, _))| {
                let usage = function[*handle];
                if usage.contains(GlobalUse::WRITE) || usage.contains(GlobalUse::ATOMIC) {
                    Some((at, Access::Write))
                } else if usage.is_empty() {
                    None
                } else {
                    Some((at, Access::Read))
                }
            });
            EntryPoint {
                name: entry.name.clone(),
                workgroup: entry.workgroup_size,
                uses_params: params_handle.is_some_and(|handle| !function[handle].is_empty()),
                bindings: bindings.collect(),
            }
        });
        let entry_points = entry_points.collect();
        let bindings = globals.into_iter().map(|(_, binding)| binding).collect();
        Ok(Self {
            stem,
            twin,
            uses,
            source,
            is_cooperative,
            params,
            constants,
            twin_has_constants: text.lines().any(|line| line.starts_with("override ")),
            bindings,
            entry_points,
        })
    }
}

/// Whether `text` declares the storage buffer `name` as `array<Element>` or `array<Element4>`.
fn is_any_float(text: &str, name: &str) -> bool {
    text.lines().any(|line| line.contains(&format!("> {name}: array<Element")))
}

/// The comma-separated values of a header line such as `// uses      shared/lanes.wgsl`.
fn header_field(text: &str, field: &str) -> Vec<String> {
    let lines = text.lines().take_while(|line| line.starts_with("//"));
    let values = lines.filter_map(|line| {
        let line = line.trim_start_matches('/').trim();
        line.strip_prefix(field).filter(|rest| rest.starts_with(' '))
    });
    let values = values.flat_map(|rest| rest.split(','));
    values.map(|value| value.trim().to_string()).filter(|value| !value.is_empty()).collect()
}

/// The comment behind the first line of `text` that declares `declaration`.
fn comment_of(text: &str, declaration: &str) -> String {
    let line = text.lines().find(|line| {
        let code = line.split("//").next().unwrap_or_default();
        code.trim_start().starts_with(declaration) || code.contains(&format!(" {declaration}"))
    });
    let comment = line.and_then(|line| line.split_once("//"));
    comment.map(|(_, comment)| comment.trim().to_string()).unwrap_or_default()
}

fn scalar_of(module: &naga::Module, ty: naga::Handle<naga::Type>) -> Option<Scalar> {
    match module.types[ty].inner {
        TypeInner::Scalar(scalar)
        | TypeInner::Vector { scalar, .. }
        | TypeInner::Atomic(scalar) => match scalar.kind {
            ScalarKind::Float => Some(Scalar::F32),
            ScalarKind::Uint => Some(Scalar::U32),
            ScalarKind::Sint => Some(Scalar::I32),
            ScalarKind::Bool => Some(Scalar::Bool),
            _ => None,
        },
        _ => None,
    }
}
