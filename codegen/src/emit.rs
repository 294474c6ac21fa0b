//! Turns what was reflected into the text of Rust files, already in rustfmt's form where it matters.

use std::fmt::Write;

use crate::reflect::{Access, EntryPoint, Field, Scalar, Shader};

const RENEW: &str = "run `UPDATE_KERNELS=1 cargo test -p wgrad-codegen`. Do not edit.";

/// `engine/src/params.rs`: the uniforms of every shader, one module a stem.
pub fn params(shaders: &[Shader]) -> String {
    let mut out = format!(
        "//! The uniforms and constants of every shader, one module a stem.\n//!\n\
         //! @generated from shaders/*.wgsl; {RENEW}\n\n"
    );
    for shader in shaders.iter().filter(|shader| shader.stem == shader.twin) {
        let stem = &shader.stem;
        let _ = writeln!(
            out,
            "/// Uniforms of `shaders/{stem}.wgsl`.\n#[rustfmt::skip]\npub mod {stem} {{"
        );
        let _ = writeln!(out, "    use bytemuck::{{Pod, Zeroable}};\n");
        let _ = writeln!(out, "    /// What every invocation of `{stem}` is told.");
        let _ = writeln!(
            out,
            "    #[repr(C)]\n    #[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]"
        );
        let _ = writeln!(out, "    pub struct Params {{");
        fields(&mut out, &shader.params, "params");
        let _ = writeln!(out, "    }}");
        if !shader.constants.is_empty() {
            let _ = writeln!(out, "\n    /// What a pipeline of `{stem}` is compiled with.");
            let _ = writeln!(
                out,
                "    #[derive(Clone, Copy, Debug, PartialEq)]\n    pub struct Constants {{"
            );
            fields(&mut out, &shader.constants, "override");
            let _ = writeln!(out, "    }}");
        }
        let _ = writeln!(out, "}}\n");
    }
    out.truncate(out.trim_end().len());
    out + "\n"
}

/// `engine/src/kernels/mod.rs`.
pub fn module_list(shaders: &[Shader]) -> String {
    let mut out = format!(
        "//! The signature of every kernel in Rust, as its shader declares it.\n//!\n\
         //! @generated from shaders/*.wgsl; {RENEW}\n\n"
    );
    for shader in shaders {
        let _ = writeln!(out, "pub mod {};", shader.stem);
    }
    out
}

/// `engine/src/kernels/<stem>.rs`; `fast` is the text of `engine/src/cpu/<twin>.rs`, empty if there is none.
pub fn kernels(shader: &Shader, fast: &str) -> String {
    let (stem, twin) = (&shader.stem, &shader.twin);
    let mut out = format!(
        "//! Signatures of `shaders/{stem}.wgsl`, one struct per entry point.\n//!\n\
         //! @generated from the shader; {RENEW}\n\n#![cfg_attr(rustfmt, rustfmt::skip)]\n\n\
         use crate::device::{{Binding, Buffer, Kernel}};\n"
    );
    let constants = if shader.constants.is_empty() { "" } else { "Constants, " };
    let _ = writeln!(out, "pub use crate::params::{twin}::{{{constants}Params}};\n");
    let _ = writeln!(
        out,
        "/// The WGSL text, shared functions first.\npub const SOURCE: &str = concat!("
    );
    for shared in &shader.uses {
        let _ = writeln!(out, "    include_str!(\"../../../shaders/{shared}\"),");
    }
    let _ = writeln!(out, "    include_str!(\"../../../shaders/{stem}.wgsl\"),\n);");
    for entry in &shader.entry_points {
        entry_point(&mut out, shader, entry, fast);
    }
    out
}

fn entry_point(out: &mut String, shader: &Shader, entry: &EntryPoint, fast: &str) {
    let bound = |access: Access| {
        let chosen = entry.bindings.iter().filter(move |(_, a)| *a == access);
        chosen.map(|(at, _)| &shader.bindings[*at])
    };
    let list = |access| bound(access).map(|b| b.name.as_str()).collect::<Vec<_>>().join(", ");
    let name = camel_case(&entry.name);
    let _ = writeln!(
        out,
        "\n/// Entry point `{}`: reads {}; writes {}.\npub struct {name}<'a> {{",
        entry.name,
        if bound(Access::Read).count() == 0 { "nothing".into() } else { list(Access::Read) },
        list(Access::Write)
    );
    let _ = writeln!(out, "    /// Its uniforms.\n    pub params: Params,");
    if !shader.constants.is_empty() {
        let _ = writeln!(
            out,
            "    /// What its pipeline is compiled with.\n    pub constants: Constants,"
        );
    }
    for (at, access) in &entry.bindings {
        let binding = &shader.bindings[*at];
        let mutable = if *access == Access::Write { "mut " } else { "" };
        let _ = writeln!(out, "    /// {}", quoted(or(&binding.comment, "storage")));
        let _ = writeln!(out, "    pub {}: &'a {mutable}Buffer,", binding.name);
    }
    let _ = writeln!(out, "}}\n\nimpl Kernel for {name}<'_> {{");
    let _ = writeln!(out, "    const STEM: &'static str = \"{}\";", shader.stem);
    let _ = writeln!(out, "    const ENTRY: &'static str = \"{}\";", entry.name);
    let _ = writeln!(out, "    const SOURCE: &'static str = SOURCE;");
    let _ = writeln!(out, "    const WORKGROUP: [u32; 3] = {:?};", entry.workgroup);
    let _ = writeln!(out, "    const USES_PARAMS: bool = {};", entry.uses_params);
    if shader.is_cooperative {
        let _ = writeln!(out, "    const COOPERATIVE: bool = true;");
    }
    out.push('\n');
    let _ = writeln!(
        out,
        "    fn params(&self) -> &[u8] {{\n        bytemuck::bytes_of(&self.params)\n    }}\n"
    );
    if !shader.constants.is_empty() {
        let _ =
            writeln!(out, "    fn constants(&self) -> Vec<(&'static str, f64)> {{\n        vec![");
        for constant in &shader.constants {
            let _ = writeln!(
                out,
                "            (\"{0}\", f64::from(self.constants.{1})),",
                constant.name,
                snake(&constant.name)
            );
        }
        let _ = writeln!(out, "        ]\n    }}\n");
    }
    let _ = writeln!(out, "    fn bindings(&self) -> Vec<Binding<'_>> {{\n        vec![");
    for (at, access) in &entry.bindings {
        let binding = &shader.bindings[*at];
        let _ = writeln!(
            out,
            "            Binding {{ name: \"{}\", slot: {}, buffer: {}self.{}, float: {}, read_only: {}, written: {}, element_bytes: {}, any_float: {} }},",
            binding.name,
            binding.slot,
            if *access == Access::Write { "&*" } else { "" },
            binding.name,
            binding.scalar == Scalar::F32,
            !binding.declared_writable,
            *access == Access::Write,
            binding.element_bytes,
            binding.any_float
        );
    }
    let _ = writeln!(out, "        ]\n    }}\n\n    fn on_cpu(self) {{");
    for binding in bound(Access::Read) {
        let _ = writeln!(out, "        let {0} = self.{0}.read();", binding.name);
    }
    for binding in bound(Access::Write) {
        let _ = writeln!(out, "        let mut {0} = self.{0}.write();", binding.name);
    }
    let view = |scalar| match scalar {
        Scalar::F32 => "f32",
        Scalar::I32 => "i32",
        Scalar::U32 | Scalar::Bool => "u32",
    };
    let reads: Vec<String> =
        bound(Access::Read).map(|b| format!("{}.{}()", b.name, view(b.scalar))).collect();
    let writes: Vec<String> =
        bound(Access::Write).map(|b| format!("{}.{}_mut()", b.name, view(b.scalar))).collect();
    let is_fast =
        ["(", "<"].iter().any(|next| fast.contains(&format!("pub fn {}{next}", entry.name)));
    let path = if is_fast { "cpu" } else { "reference" };
    let generic = if is_fast { "" } else { "::<f32>" };
    let constants = if shader.twin_has_constants { "&self.constants, " } else { "" };
    let _ = writeln!(
        out,
        "        crate::{path}::{}::{}{generic}(&self.params, {constants}{}, {});\n    }}\n}}",
        shader.twin,
        entry.name,
        tuple(&reads),
        tuple(&writes)
    );
}

fn fields(out: &mut String, fields: &[Field], what: &str) {
    for field in fields {
        let scalar = match field.scalar {
            Scalar::F32 => "f32",
            Scalar::U32 => "u32",
            Scalar::I32 => "i32",
            Scalar::Bool => "bool",
        };
        let _ = writeln!(
            out,
            "        /// {}.",
            quoted(or(&field.comment, what)).trim_end_matches('.')
        );
        let _ = writeln!(out, "        pub {}: {scalar},", snake(&field.name));
    }
}

/// One value as it is, none as `()`, several as a tuple.
fn tuple(values: &[String]) -> String {
    match values {
        [one] => one.clone(),
        many => format!("({})", many.join(", ")),
    }
}

fn camel_case(name: &str) -> String {
    let capital = |word: &str| {
        let mut letters = word.chars();
        letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
    };
    name.split('_').map(capital).collect()
}

fn snake(name: &str) -> String {
    name.to_lowercase()
}

fn or<'a>(text: &'a str, otherwise: &'a str) -> &'a str {
    if text.is_empty() { otherwise } else { text }
}

/// A shader's comment as documentation: shapes `[N, C]` become code, which rustdoc takes for links otherwise.
fn quoted(comment: &str) -> String {
    let mut quoted = String::new();
    for piece in comment.split_inclusive(']') {
        match piece.split_once('[') {
            Some((before, shape)) if piece.ends_with(']') && !before.ends_with('`') => {
                quoted += &format!("{before}`[{shape}`");
            }
            _ => quoted += piece,
        }
    }
    quoted
}
