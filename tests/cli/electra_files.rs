//! ELECTRA's directories: a discriminator, and its generator in a directory of its own.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use wgrad::checkpoint::{ModelDirectory, Purpose, read_config, write};
use wgrad::train::objective::electra::Judged;
use wgrad::train::objective::{ElectraObjective, Objective};
use wgrad_engine::Device;
use wgrad_engine::file::{HostTensor, TensorFile, serialize};
use wgrad_models::bert::Config;
use wgrad_models::electra::Tying;

use super::world::{CAUSAL, ELECTRA, World};

const WORDS: &str = "electra.embeddings.word_embeddings.weight";

fn model(tying: Tying, seed: u64) -> ElectraObjective {
    let mut config = Config {
        model_type: "electra".into(),
        vocab_size: 50,
        hidden_size: 16,
        num_hidden_layers: 2,
        num_attention_heads: 2,
        intermediate_size: 24,
        max_position_embeddings: 12,
        ..Config::default()
    };
    config.rest.insert("embedding_size".into(), 12.into());
    config.rest.insert("generator_hidden_size".into(), json!(0.5));
    ElectraObjective::new(&Device::cpu(), config, (tying, Judged::All), [1.0, 50.0], seed)
}

fn written(model: &ElectraObjective) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = model.encoder().config();
    write(folder.path(), config, model.weights(), Purpose::MaskedLm).expect("writable");
    folder
}

fn all(model: &ElectraObjective) -> BTreeMap<String, HostTensor> {
    model.weights().to_host(|_| true)
}

fn tensors(path: &Path) -> BTreeMap<String, HostTensor> {
    TensorFile::open(path).expect("it was written").tensors
}

#[test]
fn the_generator_is_a_model_of_its_own() {
    for tying in [Tying::All, Tying::Token, Tying::None] {
        let model = model(tying, 1);
        let folder = written(&model);
        let dir = folder.path().join("generator");
        let config = read_config(&dir.join("config.json")).expect("it was written");
        assert_eq!(config.rest["architectures"], json!(["ElectraForMaskedLM"]));
        assert_eq!((config.hidden_size, config.intermediate_size), (8, 32));
        assert_eq!(config.embedding_size(), 12);
        assert!(!config.rest.contains_key("generator_hidden_size"), "it has no generator");

        let (own, whole) = (tensors(&dir.join("model.safetensors")), all(&model));
        let discriminator = tensors(&folder.path().join("model.safetensors"));
        let is_shared = own[WORDS] == discriminator[WORDS];
        assert_eq!(is_shared, tying != Tying::None, "{tying:?}");
        for name in ["electra.embeddings_project.bias", "generator_lm_head.bias"] {
            assert_eq!(own[name], whole[&format!("generator.{name}")]);
        }
        // Five tables, the way in and out, its head and its bias, and 16 tensors a layer.
        assert_eq!(own.len(), 5 + 2 + 4 + 1 + 2 * 16, "{:?}", own.keys());
        let heads = ["electra.", "discriminator_predictions."];
        let is_known = |name: &String| heads.iter().any(|head| name.starts_with(head));
        assert!(discriminator.keys().all(is_known), "{:?}", discriminator.keys());
        assert!(!folder.path().join("head.safetensors").exists());
    }
}

#[test]
fn both_layouts_read_back_to_the_bit() {
    for tying in [Tying::All, Tying::Token, Tying::None] {
        let first = model(tying, 1);
        let folder = written(&first);
        let load = || {
            let mut read = model(tying, 2);
            let directory = ModelDirectory::open(folder.path()).expect("it was written");
            let fresh = directory.load_into(read.weights_mut()).expect("it was written");
            assert_eq!(fresh, [""; 0]);
            let name = "generator.generator_lm_head.bias";
            assert_eq!(directory.published(name), name);
            assert_eq!(directory.published(WORDS), WORDS);
            all(&read)
        };
        assert!(load() == all(&first), "{tying:?}");

        fs::remove_dir_all(folder.path().join("generator")).expect("it was written");
        let old = first.weights().to_host(|name| name.starts_with("generator."));
        fs::write(folder.path().join("head.safetensors"), serialize(&old)).expect("writable");
        assert!(load() == all(&first), "{tying:?} with its generator in head.safetensors");
    }
}

#[test]
fn shared_embeddings_are_read_from_the_discriminator() {
    let first = model(Tying::All, 1);
    let folder = written(&first);
    let path = folder.path().join("generator/model.safetensors");
    let mut own = tensors(&path);
    own.insert(WORDS.into(), HostTensor::f32([50, 12], vec![7.0; 600]));
    fs::write(&path, serialize(&own)).expect("writable");
    let directory = ModelDirectory::open(folder.path()).expect("it was written");
    let mut read = model(Tying::All, 2);
    directory.load_into(read.weights_mut()).expect("it was written");
    assert!(all(&read) == all(&first));
}

#[test]
fn a_generator_brings_its_own_sizes() {
    let folder = written(&model(Tying::All, 1));
    let change = |file: &str, key: &str, value: Option<Value>| {
        let path = folder.path().join(file);
        let text = fs::read_to_string(&path).expect("it was written");
        let mut json: Value = serde_json::from_str(&text).expect("JSON");
        let object = json.as_object_mut().expect("an object");
        object.remove(key);
        object.extend(value.map(|value| (key.to_string(), value)));
        fs::write(&path, json.to_string()).expect("writable");
    };
    // Published discriminators do not say how wide their generator is.
    change("config.json", "generator_hidden_size", None);
    let directory = ModelDirectory::open(folder.path()).expect("the generator says it");
    assert_eq!(directory.config.rest["generator_hidden_size"], json!(0.5));
    change("generator/config.json", "num_attention_heads", Some(json!(2)));
    let error = ModelDirectory::open(folder.path()).err().expect("heads of 4 channels");
    let line = error.to_string();
    assert!(line.contains("generator/config.json") && line.contains("heads of 64"), "{line}");
}

#[test]
fn what_only_an_adversary_has_lies_with_the_heads() {
    let world = World::new();
    world.succeed(&format!("{ELECTRA} --set variant=adversarial --steps 1 --out run"));
    let has = |file: &str| {
        let names = tensors(&world.path(file)).into_keys();
        names.filter(|name| name.contains("baseline")).count()
    };
    assert_eq!(has("run/model/generator/model.safetensors"), 0);
    assert_eq!(has("run/model/head.safetensors"), 2);
    world.succeed(
        "pretrain --data text.txt --init run/model --objective electra --set variant=adversarial --batch-size 8 \
         --max-length 24 --steps 1 --quiet --out again",
    );
}

#[test]
fn a_gpt2_is_given_no_token_types() {
    let world = World::new();
    world.succeed(&format!("{CAUSAL} --steps 1 --out run"));
    let config: Value =
        serde_json::from_str(&world.read("run/model/tokenizer_config.json")).expect("JSON");
    assert_eq!(config["model_input_names"], json!(["input_ids", "attention_mask"]));
}
