//! ColBERT from text to a measured ranking, and the layouts of its directories.

use std::collections::BTreeMap;
use std::fs;

use serde_json::{Value, json};
use wgrad_engine::file::{TensorFile, serialize};

use super::world::World;

/// A world with `colbert/model`.
fn trained() -> World {
    let world = World::new();
    world.pretrained("mlm", "mlm");
    world.succeed(
        "finetune --objective colbert --data beir --init mlm/model --epochs 20 --learning-rate 0.003 --batch-size 8 --max-length 20 \
         --set dim=8 --set query_max_length=12 --set group_size=2 --eval-every 3 --quiet --out colbert",
    );
    world
}

#[test]
fn late_interaction_gives_a_ranking() {
    let world = trained();
    let metrics = world.read("colbert/metrics.jsonl");
    let lines: Vec<Value> =
        metrics.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect();
    for key in ["loss", "loss_pairwise", "loss_in_batch"] {
        assert!(lines[0][key].is_number(), "{key} in {}", lines[0]);
    }
    assert!(lines.iter().any(|line| line["probe_mrr@10"].is_number()), "it is tested on the way");

    for (kind, option) in [("passage", ""), ("query", ""), ("longer", "--max-length 16")] {
        let side = if kind == "passage" { "passage" } else { "query" };
        let out = format!("{kind}.safetensors");
        let command = format!("encode --model colbert/model --input beir --kind {side} {option}");
        let printed = world.json(&format!("{command} --out {out}"));
        let file = TensorFile::open(&world.path(&out)).expect("encode writes safetensors");
        let (shape, values) = file.floats("embeddings").expect("encode writes embeddings");
        let (count, offsets) = file.integers("offsets").expect("and where texts begin");
        assert_eq!((shape[1], count), (8, &[25][..]), "{kind}");
        assert_eq!(offsets[24] as usize, shape[0], "{kind}");
        assert_eq!(printed, json!({"texts": 24, "width": 8, "vectors": shape[0], "out": out}));
        let tokens = match kind {
            "query" => 12,
            "longer" => 16,
            _ => offsets[1],
        };
        let even = offsets.windows(2).all(|pair| pair[1] - pair[0] == tokens);
        assert_eq!(even, kind != "passage", "{kind}: queries have one length");
        for row in values.chunks_exact(8) {
            let length: f32 = row.iter().map(|x| x * x).sum();
            assert!((length - 1.0).abs() < 1e-5, "{kind}: a vector of squared length {length}");
        }
    }
    let search = "search --passages passage.safetensors --top-k 5 --out run.trec --queries";
    world.json(&format!("{search} query.safetensors"));
    let measured = world.json("evaluate --qrels beir/qrels/test.tsv --run run.trec");
    // Among 24 passages, 5 at random hold the answer one time in five.
    let found = measured["recall@10"].as_f64().expect("a number");
    assert!(found > 0.6, "recall@10 is {found}");

    // What search cannot compare, it names.
    world.succeed(
        "encode --model mlm/model --input beir --kind query --quiet --out dense.safetensors",
    );
    let file = TensorFile::open(&world.path("query.safetensors")).expect("it was written");
    let mut damaged: BTreeMap<_, _> = file.tensors;
    damaged.get_mut("offsets").expect("it was written").shape[0] -= 1;
    if let wgrad_engine::file::Values::I64(offsets) =
        &mut damaged.get_mut("offsets").expect("it was written").values
    {
        offsets.pop();
    }
    fs::write(world.path("damaged.safetensors"), serialize(&damaged)).expect("a writable folder");
    fs::copy(world.path("query.ids.txt"), world.path("damaged.ids.txt")).expect("it was written");
    for (queries, problem) in [("dense", "one model"), ("damaged", "offsets that rise from 0")] {
        let ended = world.run(&format!("{search} {queries}.safetensors"));
        assert_eq!(ended.code, Some(1), "{queries}");
        assert!(ended.stderr.contains(problem), "{queries}: {}", ended.stderr);
    }
}

#[test]
fn every_layout_of_a_directory_gives_the_same_vectors() {
    let world = trained();
    let encoded = |model: &str, kind: &str| {
        let command = format!("encode --model {model} --input beir --kind {kind} --quiet");
        world.succeed(&format!("{command} --out {kind}.safetensors"));
        fs::read(world.path(&format!("{kind}.safetensors"))).expect("encode wrote it")
    };
    let remove = |file: String| fs::remove_file(world.path(&file)).expect("it was written");
    // The authors' layout.
    world.copy("colbert/model", "authors");
    for file in ["head.safetensors", "modules.json", "config_sentence_transformers.json"] {
        remove(format!("authors/{file}"));
    }
    fs::remove_dir_all(world.path("authors/1_Dense")).expect("it was written");
    // PyLate's, with an encoder whose names have no `bert.`.
    world.copy("colbert/model", "pylate");
    for file in ["head.safetensors", "artifact.metadata"] {
        remove(format!("pylate/{file}"));
    }
    let path = world.path("pylate/model.safetensors");
    let model = TensorFile::open(&path).expect("it was written").tensors;
    let bare = |(name, tensor)| Some((String::from(str::strip_prefix(name, "bert.")?), tensor));
    let names: Vec<String> = model.keys().cloned().collect();
    let bare: BTreeMap<_, _> =
        names.iter().map(String::as_str).zip(model.into_values()).filter_map(bare).collect();
    fs::write(&path, serialize(&bare)).expect("a writable folder");
    for kind in ["query", "passage"] {
        let expected = encoded("colbert/model", kind);
        for layout in ["authors", "pylate"] {
            assert!(expected == encoded(layout, kind), "{layout}: {kind}");
        }
    }
    // Training goes on from each of them, with the width that is there.
    let finetune = "finetune --objective colbert --data beir --batch-size 8 --steps 1 --quiet";
    for layout in ["authors", "pylate"] {
        world.succeed(&format!("{finetune} --init {layout} --out {layout}-more"));
        let recipe = world.read(&format!("{layout}-more/recipe.toml"));
        for line in ["dim = 8", "query_max_length = 12"] {
            assert!(recipe.contains(line), "{layout}: {line} in\n{recipe}");
        }
    }
    let ended = world.run(&format!("{finetune} --init mlm/model --set in_batch=false --out none"));
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("expected a negative"), "{}", ended.stderr);
}
