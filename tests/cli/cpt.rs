//! cpt from text to vectors: a causal model, pairs, and two kinds of texts.

use serde_json::Value;

use super::refusal::refused;
use super::world::{CAUSAL, World};

#[test]
fn queries_and_passages_are_told_apart() {
    let world = World::new();
    world.succeed(&format!("{CAUSAL} --steps 2 --out causal"));
    let finetune = "finetune --objective cpt --data beir --batch-size 8 --quiet --steps 4";
    world.succeed(&format!("{finetune} --init causal/model --eval-every 2 --out run"));
    let metrics = world.read("run/metrics.jsonl");
    let records: Vec<Value> =
        metrics.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    for key in ["scale", "probe_mrr@10"] {
        assert!(records.iter().any(|record| record[key].is_number()), "{key} is measured");
    }
    assert!(world.path("run/model/head.safetensors").is_file(), "logit_scale is kept");
    let config: Value = serde_json::from_str(&world.read("run/model/config.json")).expect("JSON");
    assert_eq!(config["architectures"][0], "GPT2Model");
    assert_eq!(config["n_embd"], 16, "the keys are GPT-2's own");
    assert!(config["hidden_size"].is_null(), "{config}");

    let encoded = |model: &str, kind: &str| {
        let command = format!("encode --model {model} --input text.txt --kind {kind} --quiet");
        world.succeed(&format!("{command} --out e.safetensors"));
        std::fs::read(world.path("e.safetensors")).expect("encode wrote it")
    };
    assert!(encoded("run/model", "query") != encoded("run/model", "passage"));
    assert!(encoded("causal/model", "query") == encoded("causal/model", "passage"));

    // The vocabulary of this text has no brackets; what was chosen once stays.
    let settings = |model: &str| -> Value {
        serde_json::from_str(&world.read(&format!("{model}/tokenizer_config.json"))).expect("JSON")
    };
    let delimiters = |model: &str| {
        let config = settings(model);
        (config["query_delimiters"].to_string(), config["passage_delimiters"].to_string())
    };
    let expected = (r#"["[CLS]","[SEP]"]"#.to_string(), r#"["[MASK]","[UNK]"]"#.to_string());
    assert_eq!(delimiters("run/model"), expected);
    world.succeed(&format!("{finetune} --init run/model --out again"));
    assert_eq!(delimiters("again/model"), expected);
    let named = r#""delimiters=river stone light paper""#;
    world.succeed(&format!("{finetune} --init run/model --set {named} --out named"));
    assert_eq!(delimiters("named/model").0, r#"["river","stone"]"#);
    for wrong in [r#""delimiters=river stone""#, r#""delimiters=a b c nonesuch""#] {
        let line = format!("{finetune} --init run/model --set {wrong}");
        refused(&world, &line, &["expected four tokens of the vocabulary"]);
    }
}

#[test]
fn a_causal_model_pools_its_last_token() {
    let world = World::new();
    world.succeed(&format!("{CAUSAL} --steps 1 --out causal"));
    let finetune = "finetune --objective contrastive --data beir --init causal/model --batch-size 8 --steps 1 --quiet";
    world.succeed(&format!("{finetune} --out run"));
    assert!(world.read("run/recipe.toml").contains("pooling = \"last\""));
    assert!(
        world.read("run/model/1_Pooling/config.json").contains("\"pooling_mode_lasttoken\": true")
    );
    let line = "pretrain --objective mlm --data text.txt --init causal/model --steps 1 --quiet";
    refused(&world, line, &["expected a model of type `bert`, found `gpt2`"]);
}
