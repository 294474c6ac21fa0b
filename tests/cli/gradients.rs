//! `wgrad grad` and `wgrad devices`: what the library gives, as files and JSON.

use std::path::Path;

use wgrad::checkpoint::ModelDirectory;
use wgrad::train::gradients::gradients;
use wgrad::train::recipe::Recipe;
use wgrad_engine::Device;
use wgrad_engine::device::adapters;
use wgrad_engine::file::TensorFile;

use super::world::World;

#[test]
fn grad_writes_what_the_library_computes() {
    let world = World::new();
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    for (case, objective) in [
        ("mlm_b1", "mlm"),
        ("dupmae_code", "dupmae"),
        ("cocondenser", "cocondenser"),
        ("electra_project", "electra"),
        ("xlnet", "xlnet"),
        ("clm", "clm"),
        ("cpt", "cpt"),
        ("classification", "classification"),
        ("regression", "regression"),
        ("token_classification", "token-classification"),
    ] {
        let case = fixtures.join(case);
        let batch = case.join("batch.safetensors");
        let mut command = world.wgrad("grad --out gradients.safetensors --json --objective");
        command.arg(objective).arg("--model").arg(&case).arg("--batch").arg(&batch);
        let ended = super::world::Ended::of(&mut command);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        let printed: serde_json::Value = serde_json::from_str(&ended.stdout).expect("JSON");

        let directory = ModelDirectory::open(&case).expect("a fixture is a model directory");
        let batch = TensorFile::open(&batch).expect("a fixture has a batch");
        let mut recipe = Recipe::default();
        let expected = gradients(&Device::cpu(), objective, &mut recipe, &directory, &batch);
        let expected = expected.expect("a fixture is complete");
        let found = TensorFile::open(&world.path("gradients.safetensors")).expect("it was written");
        assert!(found.tensors == expected, "{objective}: the file differs from the library");
        assert!(printed["loss"].is_number(), "{printed}");
        let count = expected.keys().filter(|name| name.starts_with("grad.")).count();
        assert_eq!(printed["gradients"], count);
    }
}

#[test]
fn devices_are_listed_for_scripts() {
    let world = World::new();
    let printed = world.json("devices");
    let listed = printed["adapters"].as_array().expect("a list of adapters");
    assert_eq!(listed.len(), adapters().len());
    for adapter in listed {
        for key in
            ["name", "backend", "driver", "kind", "software", "max_binding_bytes", "features"]
        {
            assert!(!adapter[key].is_null(), "{key} in {adapter}");
        }
    }
    assert_eq!(world.succeed("devices").stderr, "", "a driver speaks to people");
    let hardware = listed.iter().any(|adapter| adapter["software"] == false);
    assert_eq!(printed["auto"] == "cpu", !hardware, "{printed}");
}
