//! Files of PyTorch and of the papers' authors (`tests/fixtures/torch_files.py`) read as what they hold.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use wgrad::checkpoint::{Error, ModelDirectory, pytorch};
use wgrad::train::objective::{CondenserObjective, MlmObjective, Pretraining, RetroMaeObjective};
use wgrad::train::recipe::Recipe;
use wgrad_engine::Device;
use wgrad_engine::file::{HostTensor, TensorFile};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

#[test]
fn every_layout_holds_the_tensors_of_its_case() {
    same::<RetroMaeObjective>("retromae_pos_add", "retromae_pos_add_full");
    same::<CondenserObjective>("condenser", "condenser_model_pt");
    for layout in ["mlm_b1_parts", "mlm_b1_bin", "mlm_b1_bin_parts"] {
        same::<MlmObjective>("mlm_b1", layout);
    }
}

/// Reads both directories into models of other weights, which are equal then.
fn same<O: Pretraining>(case: &str, layout: &str) {
    let about =
        fs::read_to_string(fixture(case).join("case.json")).expect("a case says what it is");
    let about: Value = serde_json::from_str(&about).expect("JSON");
    let settings = about["settings"].as_object().expect("settings are an object");
    let load = |dir: &Path, seed| {
        let mut recipe = Recipe::default();
        for (key, value) in settings {
            let value = value.as_str().expect("settings are texts");
            recipe.set(&format!("{key}={value}")).expect("a setting");
        }
        let directory = ModelDirectory::open(dir).unwrap_or_else(|error| panic!("{error}"));
        let config = directory.config.clone();
        let model = O::from_recipe(&Device::cpu(), config, &mut recipe, seed);
        let mut model = model.expect("the settings of a case");
        let fresh = directory.load_into(model.weights_mut()).expect("every tensor fits");
        assert_eq!(fresh, [""; 0], "{layout}");
        let bias = directory.published("cls.predictions.bias");
        assert!(bias.ends_with("cls.predictions.bias"), "{layout}: {bias} is an alias");
        model.weights().to_host(|_| true)
    };
    let (expected, found) =
        (load(&fixture(case), 1), load(&fixture("torch_files").join(layout), 2));
    assert!(found == expected, "{layout} differs from {case}");
}

#[test]
fn every_kind_of_storage_and_every_view_is_read() {
    let expected = TensorFile::open(&fixture("torch_files/kinds.safetensors")).expect("a fixture");
    for name in ["kinds.bin", "protocol_4.bin"] {
        let found = pytorch::read(&fixture("torch_files").join(name)).expect("tensors alone");
        assert_eq!(found.tensors.len(), 15);
        for (tensor, expected) in &expected.tensors {
            assert_eq!(&found.tensors[tensor], expected, "{tensor} of {name}");
        }
    }
}

#[test]
fn what_is_no_file_of_tensors_is_refused_in_one_line() {
    for (name, expected) in [
        ("legacy.bin", "before PyTorch 1.6"),
        ("whole_module.bin", "`torch.nn.modules.linear.Linear`, which no file of weights needs"),
        ("checkpoint.bin", "found a dictionary under `model`, expected a dictionary of tensors"),
        ("kinds.safetensors", "no whole zip archive"),
        ("nothing.bin", "No such file"),
    ] {
        let error = pytorch::read(&fixture("torch_files").join(name)).expect_err(name).to_string();
        assert!(error.contains(expected) && error.contains(name), "{error}");
        assert!(!error.contains('\n'), "{error}");
    }
}

/// A directory with `config.json` and nothing to read.
fn empty() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    copy(&fixture("mlm_b1/config.json"), &folder.path().join("config.json"));
    folder
}

fn copy(from: &Path, to: &Path) {
    fs::copy(from, to).expect("the temporary folder is writable");
}

fn refused(dir: &Path, expected: &[&str]) -> Error {
    let error = ModelDirectory::open(dir).err().expect("there is something wrong");
    let line = error.to_string();
    assert!(expected.iter().all(|part| line.contains(part)), "{line}");
    error
}

#[test]
fn safetensors_come_before_files_of_pytorch() {
    let folder = empty();
    refused(folder.path(), &["model.safetensors", "No such file", "pytorch_model.bin"]);
    fs::write(folder.path().join("pytorch_model.bin"), b"PK").expect("writable");
    let error = refused(folder.path(), &["pytorch_model.bin", "truncated"]);
    assert!(matches!(error, Error::PyTorch { .. }));
    copy(&fixture("mlm_b1/model.safetensors"), &folder.path().join("model.safetensors"));
    let directory = ModelDirectory::open(folder.path()).expect("the other file is not looked at");
    assert_eq!(directory.file, folder.path().join("model.safetensors"));
}

#[test]
fn an_index_that_does_not_fit_its_files_is_refused() {
    let folder = empty();
    let index = folder.path().join("model.safetensors.index.json");
    for (content, expected) in [
        ("{}", "missing field `weight_map`"),
        (
            r#"{"weight_map": {"a": "../model.safetensors"}}"#,
            "`../model.safetensors`, which is no file",
        ),
        (r#"{"weight_map": {"a": "/etc/passwd"}}"#, "`/etc/passwd`, which is no file"),
        (r#"{"weight_map": {"a": ".."}}"#, "`..`, which is no file"),
        (r#"{"weight_map": {"a": "absent.safetensors"}}"#, "absent.safetensors: expected"),
        (r#"{"weight_map": {"a": "part.safetensors"}}"#, "expected a tensor `a`"),
    ] {
        copy(&fixture("mlm_b1/batch.safetensors"), &folder.path().join("part.safetensors"));
        fs::write(&index, content).expect("writable");
        refused(folder.path(), &[expected]);
    }
}

#[test]
fn a_head_that_is_code_is_refused() {
    let folder = empty();
    copy(&fixture("mlm_b1/model.safetensors"), &folder.path().join("model.safetensors"));
    copy(&fixture("torch_files/whole_module.bin"), &folder.path().join("model.pt"));
    refused(folder.path(), &["model.pt", "torch.nn.modules.linear.Linear"]);
    // Our own heads come first.
    let head =
        wgrad_engine::file::serialize(&[("c".into(), HostTensor::f32([1], vec![1.0]))].into());
    fs::write(folder.path().join("head.safetensors"), head).expect("writable");
    ModelDirectory::open(folder.path()).expect("model.pt is not looked at");
}
