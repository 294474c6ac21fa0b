//! Every loss term and every gradient against PyTorch and transformers in f64 (`tests/fixtures/generate.py`).
//!
//! The gates are calibrated on PyTorch's own f32 error: on the CPU and, five times wider, on a GPU adapter.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use wgrad::checkpoint::ModelDirectory;
use wgrad::train::gradients::gradients;
use wgrad::train::recipe::Recipe;
use wgrad_engine::Device;
use wgrad_engine::device::Format;
use wgrad_engine::file::{TensorFile, Values};
use wgrad_engine::testing::devices;

/// How far a device may be from the truth.
struct Gate {
    /// Of terms, relative to max(|term|, 1).
    term: f64,
    /// Of outputs, relative to 1 + |output|.
    output: f64,
    /// Of a gradient, relative to its tensor's largest.
    gradient: f64,
    /// Of a gradient, relative to the largest of all tensors.
    floor: f64,
    /// Of a gradient that is zero in theory, relative to the largest of all tensors.
    zero: f64,
}

const CPU: Gate = Gate { term: 2e-6, output: 1e-5, gradient: 5e-5, floor: 1e-7, zero: ZERO };
/// A software adapter meets five times the CPU's gate; on a hardware one the output and gradient gates are wider.
const ADAPTER: Gate = Gate { term: 1e-5, output: 5e-5, gradient: 2.5e-4, floor: 5e-7, zero: ZERO };

/// Activations and their gradients that lie as f16 are off by 2⁻¹¹ = 4.9e-4 each time they are stored. Weights moved at
/// random by as much change these gradients by up to 1.04 % in f32, in eight trials of each of two cases.
const MIXED: Gate = Gate { term: 2e-3, output: 2e-3, gradient: 2e-2, floor: 1e-4, zero: 5e-4 };

/// Below this share of the largest gradient a tensor is zero in theory: key biases, by softmax's shift invariance.
const ZERO: f64 = 1e-6;

#[test]
fn every_term_and_gradient_matches_pytorch() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut cases: Vec<PathBuf> = fs::read_dir(&folder)
        .expect("the fixtures are part of the repository")
        .map(|entry| entry.expect("a readable folder").path())
        .filter(|path| path.join("expected.safetensors").exists())
        .collect();
    cases.sort();
    assert!(cases.len() >= 11, "only {} fixtures in {}", cases.len(), folder.display());
    for device in devices() {
        for format in [Format::Word, Format::Half] {
            let takes_part = |case: &&PathBuf| {
                // Of that model's ReLUs one lies so near 0 that the same change of weights moves gradients by 27 %.
                let is_kinked = format == Format::Half && case.ends_with("mlm_relu");
                device.supports(format) && !is_kinked
            };
            for case in cases.iter().filter(takes_part) {
                check(&device, case, format);
            }
        }
    }
}

fn check(device: &Device, case: &Path, format: Format) {
    let name = case.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let context = format!("{name} on {device:?} in {format:?}");
    let about: Value = serde_json::from_str(
        &fs::read_to_string(case.join("case.json")).expect("a case has a case.json"),
    )
    .expect("case.json is JSON");
    let mut recipe = Recipe::default();
    for (key, value) in about["settings"].as_object().expect("settings are an object") {
        let value = value.as_str().expect("settings are strings");
        recipe.set(&format!("{key}={value}")).expect("a setting");
    }
    let mixed = format == Format::Half;
    recipe.flag("precision", Some(if mixed { "mixed" } else { "f32" }.to_string()));
    let objective = about["objective"].as_str().expect("a case has an objective");
    let directory = ModelDirectory::open(case).unwrap_or_else(|error| panic!("{context}: {error}"));
    let open = |file: &str| TensorFile::open(&case.join(file)).expect("a case is complete");
    let got = gradients(device, objective, &mut recipe, &directory, &open("batch.safetensors"));
    let got = got.unwrap_or_else(|error| panic!("{context}: {error}"));
    let expected = open("expected.safetensors");

    let gate = match (format, device.is_cpu()) {
        (Format::Half, _) => MIXED,
        (_, true) => CPU,
        (_, false) => ADAPTER,
    };
    let floats = |values: &Values| match values {
        Values::F32(values) => values.iter().map(|&value| f64::from(value)).collect::<Vec<_>>(),
        Values::I64(_) => panic!("{context}: integers among the results"),
    };
    let all = expected.tensors.iter().filter(|(name, _)| name.starts_with("grad."));
    let largest = all.fold(0.0, |most: f64, (_, tensor)| most.max(max(&floats(&tensor.values))));
    for (name, tensor) in &expected.tensors {
        let truth = floats(&tensor.values);
        let Some(found) = got.get(name) else {
            assert!(max(&truth) == 0.0, "{context}: {name} is missing");
            continue;
        };
        assert_eq!(found.shape, tensor.shape, "{context}: {name}");
        let found = floats(&found.values);
        let error = max(&found.iter().zip(&truth).map(|(a, b)| a - b).collect::<Vec<_>>());
        let allowed = if name.starts_with("grad.") {
            let most = max(&truth);
            if most <= ZERO * largest {
                gate.zero * largest
            } else {
                gate.gradient * most + gate.floor * largest
            }
        } else if name.starts_with("out.") {
            gate.output * (1.0 + max(&truth))
        } else {
            gate.term * max(&truth).max(1.0)
        };
        assert!(error <= allowed, "{context}: {name} is off by {error:.2e}, allowed {allowed:.2e}");
    }
    let unknown: Vec<&String> =
        got.keys().filter(|name| !expected.tensors.contains_key(*name)).collect();
    for name in unknown {
        assert_eq!(max(&floats(&got[name].values)), 0.0, "{context}: {name} is not expected");
    }
}

fn max(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |most, value| most.max(value.abs()))
}
