//! portability: every kernel can become a program for Vulkan, Metal and Direct3D 12, fits what each WebGPU device
//! must offer, and has every lane at its barriers.
//!
//! A driver of this machine proves one backend only; naga writes all three anywhere.

mod module;
mod uniformity;

use naga::back::{PipelineConstants, hlsl, msl, spv};

use module::{Module, entry_points, preludes, shaders};

/// Storage buffers, bytes of workgroup memory, lanes of a workgroup, and lanes per axis.
///
/// # Source
/// The default limits of WebGPU, <https://www.w3.org/TR/webgpu/#limits>.
const STORAGE_BUFFERS: usize = 8;
const WORKGROUP_BYTES: u32 = 16 << 10;
const INVOCATIONS: u32 = 256;
const PER_AXIS: [u32; 3] = [256, 256, 64];

/// Names every entry point, at every value of its overrides, for which `check` gives a reason.
#[track_caller]
fn holds(check: impl Fn(&Module) -> Result<(), String>) {
    let modules: Vec<Module> = shaders().iter().flat_map(entry_points).collect();
    let reasons: Vec<String> = modules
        .iter()
        .filter_map(|module| check(module).err().map(|reason| format!("{module}: {reason}")))
        .collect();
    assert!(reasons.is_empty(), "{} refused:\n{}", reasons.len(), reasons.join("\n"));
    println!("{} entry points hold", modules.len());
}

#[test]
fn every_kernel_becomes_spirv() {
    // What wgpu asks for where the driver has Vulkan 1.1.
    let options = spv::Options { lang_version: (1, 3), ..spv::Options::default() };
    holds(|module| {
        let words = spv::write_vec(&module.ir, &module.info, &options, None);
        words.map(drop).map_err(|error| error.to_string())
    });
}

#[test]
fn every_kernel_becomes_metal() {
    // Metal 2.3 is that of macOS 11.
    let options = msl::Options { lang_version: (2, 3), ..msl::Options::default() };
    holds(|module| {
        if module.fragments == Some(16) {
            return Ok(()); // Metal has those of 8.
        }
        let pipeline = msl::PipelineOptions::default();
        let written = msl::write_string(&module.ir, &module.info, &options, &pipeline);
        let (_, translated) = written.map_err(|error| error.to_string())?;
        let names = translated.entry_point_names.into_iter();
        names.collect::<Result<Vec<_>, _>>().map(drop).map_err(|error| error.to_string())
    });
}

#[test]
fn every_kernel_becomes_hlsl() {
    holds(|module| {
        if module.fragments.is_some() {
            return Ok(()); // Direct3D lists none.
        }
        // 5.1 is what the compiler that comes with Windows reads; subgroups and f16 begin with 6.0.
        let shader_model =
            if module.is_baseline { hlsl::ShaderModel::V5_1 } else { hlsl::ShaderModel::V6_2 };
        let options = hlsl::Options { shader_model, ..hlsl::Options::default() };
        let (mut text, pipeline) = (String::new(), hlsl::PipelineOptions::default());
        let mut writer = hlsl::Writer::new(&mut text, &options, &pipeline);
        let written = writer.write(&module.ir, &module.info, None);
        let names = written.map_err(|error| error.to_string())?.entry_point_names.into_iter();
        names.collect::<Result<Vec<_>, _>>().map(drop).map_err(|error| error.to_string())
    });
}

#[test]
fn kernels_without_variants_need_nothing_optional() {
    holds(|module| if module.is_baseline { within_defaults(module) } else { Ok(()) });
}

/// Whether every WebGPU device can run the module, in its default limits and without optional features.
fn within_defaults(module: &Module) -> Result<(), String> {
    module.validate_without_features()?;
    let buffers = module.storage_buffers();
    if buffers > STORAGE_BUFFERS {
        return Err(format!("{buffers} storage buffers, at most {STORAGE_BUFFERS}; split it"));
    }
    let bytes = module.workgroup_bytes();
    if bytes > WORKGROUP_BYTES {
        return Err(format!("{bytes} bytes of workgroup memory, at most {WORKGROUP_BYTES}"));
    }
    let size = module.ir.entry_points[0].workgroup_size;
    let lanes: u32 = size.iter().product();
    if lanes > INVOCATIONS || size.iter().zip(PER_AXIS).any(|(&lanes, most)| lanes > most) {
        return Err(format!("a workgroup of {size:?}, at most {INVOCATIONS} and {PER_AXIS:?}"));
    }
    Ok(())
}

#[test]
fn every_lane_arrives_at_every_barrier() {
    let shaders = shaders();
    let parted: Vec<String> = shaders
        .iter()
        .flat_map(|shader| {
            let (_, _, prelude) = preludes(shader).swap_remove(0);
            let found = uniformity::parted_barriers(&(prelude + &shader.source));
            found.into_iter().map(|place| format!("{}: {place}", shader.stem))
        })
        .collect();
    assert!(parted.is_empty(), "lanes may part before:\n{}", parted.join("\n"));
}

#[test]
fn what_a_device_may_lack_is_refused() {
    let refusal = |source: &str| {
        let module = Module::new("made_up", source, "main", PipelineConstants::default(), true);
        within_defaults(&module).expect_err("this is beyond the defaults")
    };
    let buffers: String = (0..9)
        .map(|slot| format!("@group(0) @binding({slot}) var<storage> b{slot}: array<f32>;\n"))
        .collect();
    let uses: String = (0..9).map(|slot| format!("_ = b{slot}[0];")).collect();
    let nine = format!("{buffers} @compute @workgroup_size(1) fn main() {{ {uses} }}");
    assert!(refusal(&nine).contains("9 storage buffers"));

    let tile = "var<workgroup> tile: array<f32, 4097>;
        @compute @workgroup_size(1) fn main() { tile[0] = 1.0; }";
    assert!(refusal(tile).contains("16400 bytes of workgroup memory"));

    let wide = "@compute @workgroup_size(257) fn main() {}";
    assert!(refusal(wide).contains("[257, 1, 1]"));
    let deep = "@compute @workgroup_size(1, 1, 65) fn main() {}";
    assert!(refusal(deep).contains("[1, 1, 65]"));

    let half = "enable f16; @group(0) @binding(0) var<storage, read_write> b: array<f16>;
        @compute @workgroup_size(1) fn main() { b[0] = 1.0h; }";
    assert!(refusal(half).contains("FLOAT16"));
}
