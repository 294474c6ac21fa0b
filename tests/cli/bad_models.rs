//! Damaged, incomplete and unsuitable model directories: the file and the tensor are named.

use std::collections::BTreeMap;
use std::fs;

use serde_json::{Value, json};
use wgrad_engine::file::{HostTensor, TensorFile, Values, serialize};

use super::refusal::refused;
use super::world::{PRETRAIN, World};

const ENCODE: &str = "encode --model damaged --input text.txt";
const WORDS: &str = "bert.embeddings.word_embeddings.weight";

/// A world with a whole model in `whole/model`.
fn world() -> World {
    let world = World::new();
    world.pretrained("whole", "mlm");
    world
}

/// Puts a whole model into `damaged/`, to be damaged.
fn restore(world: &World) {
    if world.path("damaged").exists() {
        fs::remove_dir_all(world.path("damaged")).expect("the temporary folder is writable");
    }
    world.copy("whole/model", "damaged");
}

#[test]
fn a_missing_file_is_named() {
    let world = world();
    refused(&world, "encode --model nowhere --input text.txt", &["nowhere/config.json"]);
    for file in ["config.json", "model.safetensors"] {
        restore(&world);
        fs::remove_file(world.path("damaged").join(file)).expect("it was written");
        refused(&world, ENCODE, &["damaged", file, "No such file"]);
    }
    restore(&world);
    for file in ["tokenizer.json", "vocab.txt"] {
        fs::remove_file(world.path("damaged").join(file)).expect("it was written");
    }
    refused(&world, ENCODE, &["damaged: ", "tokenizer.json or vocab.txt"]);
}

#[test]
fn a_file_that_ends_too_early_is_named() {
    let world = world();
    let whole = fs::read(world.path("whole/model/model.safetensors")).expect("it was written");
    for length in [0, 5, 30, whole.len() / 2, whole.len() - 1] {
        restore(&world);
        let path = world.path("damaged/model.safetensors");
        fs::write(path, &whole[..length]).expect("the temporary folder is writable");
        refused(&world, ENCODE, &["damaged/model.safetensors", "truncated", &length.to_string()]);
    }
    for (file, expected) in [
        ("config.json", "config.json of a BERT, ELECTRA, XLNet or GPT-2 model"),
        ("tokenizer.json", "tokenizer of Hugging Face"),
        ("modules.json", "a list of modules"),
        ("1_Pooling/config.json", "[CLS] token, by the last token, by the mean"),
    ] {
        restore(&world);
        if file.starts_with("1_Pooling") {
            world.write("damaged/modules.json", "[]");
        }
        world.write(&format!("damaged/{file}"), "{");
        refused(&world, ENCODE, &[&format!("damaged/{file}"), expected, "EOF while parsing"]);
    }
}

#[test]
fn a_pooling_that_is_not_there_is_refused() {
    let world = world();
    restore(&world);
    world.write("damaged/modules.json", "[]");
    world.write("damaged/1_Pooling/config.json", r#"{"pooling_mode_weightedmean_tokens":true}"#);
    refused(&world, ENCODE, &["damaged/1_Pooling/config.json", "pooling_mode_weightedmean_tokens"]);
}

#[test]
fn a_tensor_that_does_not_fit_is_named() {
    let world = world();
    type Damage = fn(&mut BTreeMap<String, HostTensor>);
    let cases: [(Damage, &[&str]); 5] = [
        (|all| drop(all.remove(WORDS)), &["1 tensors of the encoder are missing", WORDS]),
        (
            |all| all.get_mut(WORDS).expect("it is there").shape.reverse(),
            &[WORDS, "[16, 120]", "expected [120, 16]"],
        ),
        (|all| floats(all)[7] = f32::NAN, &[WORDS, "NaN at element 7", "finite"]),
        (|all| floats(all)[8] = f32::INFINITY, &[WORDS, "inf at element 8", "finite"]),
        (
            |all| {
                let table = HostTensor { shape: vec![120, 16], values: Values::I64(vec![1; 1920]) };
                all.insert(WORDS.into(), table);
            },
            &[WORDS, "integers", "expected floats"],
        ),
    ];
    for (damage, expected) in cases {
        restore(&world);
        let path = world.path("damaged/model.safetensors");
        let mut tensors = TensorFile::open(&path).expect("it was written").tensors;
        damage(&mut tensors);
        fs::write(&path, serialize(&tensors)).expect("the temporary folder is writable");
        let parts = [expected, &["damaged/model.safetensors"]].concat();
        refused(&world, ENCODE, &parts);
        // Training refuses it too, before it makes anything.
        refused(&world, "pretrain --data text.txt --init damaged --steps 1", &parts);
    }
}

#[test]
fn a_configuration_that_makes_no_model_is_refused() {
    let world = world();
    for (key, value, expected) in [
        ("model_type", json!("t5"), "found model_type `t5`"),
        ("hidden_size", json!(15), "hidden_size 15 is no multiple of num_attention_heads 2"),
        ("hidden_size", json!(20), "10 a head, expected a multiple of 4 up to 128"),
        ("hidden_size", json!(0), "hidden_size is 0"),
        ("hidden_size", json!(-1), "expected usize"),
        ("hidden_size", json!("wide"), "expected usize"),
        ("num_attention_heads", json!(0), "num_attention_heads is 0"),
        ("num_hidden_layers", json!(0), "num_hidden_layers is 0"),
        ("type_vocab_size", json!(0), "type_vocab_size is 0"),
        ("hidden_dropout_prob", json!(1.0), "hidden_dropout_prob is 1"),
        ("hidden_act", json!("tanh"), "`gelu`"),
    ] {
        write_config(&world, "config.json", &[(key, value)]);
        refused(&world, &format!("{PRETRAIN} --steps 1"), &["config.json: ", expected]);
    }
    restore(&world);
    write_config(&world, "damaged/config.json", &[("num_hidden_layers", json!(2))]);
    refused(&world, ENCODE, &["16 tensors of the encoder are missing", "encoder.layer.1"]);
    write_config(&world, "damaged/config.json", &[("intermediate_size", json!(48))]);
    refused(&world, ENCODE, &["intermediate.dense.weight", "[32, 16]", "expected [48, 16]"]);
}

#[test]
fn a_tokenizer_with_more_tokens_than_the_model_is_refused_with_the_id() {
    let world = world();
    write_config(&world, "config.json", &[("vocab_size", json!(60))]);
    let line = format!("{PRETRAIN} --steps 20");
    refused(
        &world,
        &line,
        &["token id ", "vocabulary of 60", "tokenizer the model was trained with"],
    );
    // Nor does a finished model encode what a foreign tokenizer gives.
    let ideographs: String = ('一'..).take(200).map(|word| format!("{word}\n")).collect();
    world.write("others.txt", &ideographs);
    world.succeed("tokenizer train --input others.txt --vocab-size 205 --out damaged --quiet");
    let encode = "encode --model damaged --input others.txt";
    for file in ["config.json", "model.safetensors"] {
        fs::copy(world.path("whole/model").join(file), world.path("damaged").join(file))
            .expect("the temporary folder is writable");
    }
    refused(&world, encode, &["text ", "token id ", "vocabulary of 120"]);
}

fn write_config(world: &World, name: &str, changes: &[(&str, Value)]) {
    world.write(name, &world.config(changes).to_string());
}

fn floats(tensors: &mut BTreeMap<String, HostTensor>) -> &mut Vec<f32> {
    match &mut tensors.get_mut(WORDS).expect("a BERT has a word table").values {
        Values::F32(values) => values,
        Values::I64(_) => panic!("a word table of integers"),
    }
}
