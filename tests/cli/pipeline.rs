//! The main job from text to a measured ranking, by the commands a person would type.

use serde_json::{Value, json};
use wgrad_engine::file::TensorFile;

use super::world::{ELECTRA, PRETRAIN, World};

/// Keys of what `evaluate --json` prints.
const MEASURES: [&str; 7] =
    ["map", "mrr@10", "ndcg@10", "queries", "recall@10", "recall@100", "recall@1000"];

#[test]
fn text_becomes_a_ranking() {
    let world = World::new();
    for objective in ["mlm", "retromae", "dupmae"] {
        let command = format!("{PRETRAIN} --objective {objective} --steps 4 --eval-every 2");
        let printed = world.json(&format!("{command} --out {objective}"));
        assert_eq!(printed, json!({"model": format!("{objective}/model"), "done": true}));
        has_run_files(&world, objective);
    }
    assert!(world.path("retromae/model/head.safetensors").is_file(), "the decoder is kept");
    assert!(!world.path("mlm/model/head.safetensors").exists(), "mlm has no head of its own");
    let first: Value = metrics(&world, "retromae")[0].clone();
    for key in
        ["step", "tokens", "seconds", "learning_rate", "loss", "loss_encoder", "loss_decoder"]
    {
        assert!(first[key].is_number(), "{key} in {first}");
    }
    assert!(metrics(&world, "dupmae")[0]["loss_bow"].is_number(), "the bag of words is a term");
    let held_out = metrics(&world, "retromae").iter().any(|line| line["heldout_loss"].is_number());
    assert!(held_out, "the held-out loss is measured");

    let command = "finetune --objective contrastive --data beir --init retromae/model --epochs 2 \
                   --batch-size 8 --eval-every 3 --quiet --out retriever";
    world.json(command);
    has_run_files(&world, "retriever");
    for file in ["modules.json", "1_Pooling/config.json", "sentence_bert_config.json"] {
        assert!(world.path("retriever/model").join(file).is_file(), "{file} of the retriever");
    }

    for (kind, n) in [("passage", 24), ("query", 24)] {
        let command = format!("encode --model retriever/model --input beir --kind {kind}");
        let printed = world.json(&format!("{command} --out {kind}.safetensors"));
        let out = format!("{kind}.safetensors");
        assert_eq!(printed, json!({"texts": n, "width": 16, "out": out}));
        let file = TensorFile::open(&world.path(&out)).expect("encode writes safetensors");
        let (shape, values) = file.floats("embeddings").expect("encode writes embeddings");
        assert_eq!(shape, [n, 16]);
        for row in values.chunks_exact(16) {
            let length: f32 = row.iter().map(|x| x * x).sum();
            assert!((length - 1.0).abs() < 1e-5, "{kind}: a vector of squared length {length}");
        }
        let first = kind.chars().next().map(|c| if c == 'p' { "d0" } else { "q0" });
        assert_eq!(world.read(&format!("{kind}.ids.txt")).lines().next(), first);
    }

    let command = "search --passages passage.safetensors --queries query.safetensors --top-k 5";
    let printed = world.json(&format!("{command} --out dense.trec"));
    assert_eq!(printed, json!({"queries": 24, "out": "dense.trec"}));
    let printed = world.json("bm25 --data beir --split test --top-k 5 --out bm25.trec");
    assert_eq!(printed, json!({"queries": 24, "out": "bm25.trec"}));
    for run in ["dense.trec", "bm25.trec"] {
        let fields = world.read(run).lines().next().map(|line| line.split(' ').count());
        assert_eq!(fields, Some(6), "{run} is in TREC form");
        let measured = world.json(&format!("evaluate --qrels beir/qrels/test.tsv --run {run}"));
        let keys: Vec<&String> = measured.as_object().expect("an object").keys().collect();
        assert_eq!(keys, MEASURES);
        assert_eq!(measured["queries"], 24);
        let found = measured["recall@10"].as_f64().expect("a number");
        // Among 24 passages, 5 at random hold the answer one time in five.
        assert!(found > 0.3, "{run}: recall@10 is {found}");
    }
}

/// DupMAE's two parts, from pre-training to a ranking.
#[test]
fn a_hybrid_ranks_by_both_of_its_parts() {
    let world = World::new();
    world.pretrained("dupmae", "dupmae");
    let finetune = "finetune --data beir --init dupmae/model --batch-size 8 --steps 20 --eval-every 10 \
                    --learning-rate 1e-3 --set representation=hybrid --set cls_width=6 --set top_k=9 --set temperature=4";
    world.succeed(&format!("{finetune} --quiet --out hybrid"));
    has_run_files(&world, "hybrid");
    let measured = metrics(&world, "hybrid").iter().any(|line| line["probe_mrr@10"].is_number());
    assert!(measured, "the retrieval test of both parts");
    for file in ["hybrid.json", "modules.json", "2_Dense/config.json", "2_Dense/model.safetensors"]
    {
        assert!(world.path("hybrid/model").join(file).is_file(), "{file} of the retriever");
    }
    let model = TensorFile::open(&world.path("hybrid/model/model.safetensors")).expect("a model");
    assert!(model.tensors.keys().all(|name| !name.starts_with("cls")), "BertModel has no head");
    let head = TensorFile::open(&world.path("hybrid/model/head.safetensors")).expect("a head");
    assert_eq!(head.get("cls_projection.weight").expect("the reduction").shape, [6, 16]);
    assert!(head.get("cls.predictions.bias").is_ok(), "the map to the vocabulary");

    let encode = "encode --model hybrid/model --input beir --quiet --kind";
    for kind in ["query", "passage"] {
        world.succeed(&format!("{encode} {kind} --out {kind}.safetensors"));
    }
    let open = |name: &str| TensorFile::open(&world.path(name)).expect("encode writes safetensors");
    let (queries, passages) = (open("query.safetensors"), open("passage.safetensors"));
    assert_eq!(queries.floats("embeddings").expect("a dense part").0, [24, 6]);
    assert_eq!(queries.floats("words").expect("every entry").0, [24, 120]);
    assert_eq!(passages.floats("embeddings").expect("a dense part").0, [24, 6]);
    let (shape, values) = passages.floats("word_values").expect("what passages keep");
    assert_eq!(shape, [24, 9]);
    assert!(values.chunks(9).all(|row| row.is_sorted_by(|a, b| a >= b)), "the largest first");
    let (_, indices) = passages.integers("word_indices").expect("where it stood");
    assert!(indices.iter().all(|&at| (0..120).contains(&at)), "entries of the vocabulary");

    let search = "search --top-k 5 --quiet --out run.trec --queries query.safetensors --passages";
    world.succeed(&format!("{search} passage.safetensors"));
    let measured = world.json("evaluate --qrels beir/qrels/test.tsv --run run.trec");
    // One in five at random.
    assert!(measured["recall@10"].as_f64().expect("a number") > 0.5, "{measured}");
    let swapped = world.run(&format!("{search} query.safetensors"));
    assert_eq!(swapped.code, Some(1));
    assert!(swapped.stderr.contains("expected word_indices and word_values"), "{}", swapped.stderr);

    // The directory is an encoder that another fine-tuning can begin with.
    world.succeed(
        "finetune --data beir --init hybrid/model --batch-size 8 --steps 1 --out again --quiet",
    );
    let cosine = format!("{finetune} --out refused --set similarity=cosine");
    assert!(world.run(&cosine).stderr.contains("expected one of dot"), "the paper's score is one");
}

/// The second of ELECTRA's two stages begins with the first one's network, twice: it copies one and keeps the other.
#[test]
fn a_second_stage_begins_where_the_first_ended() {
    let world = World::new();
    let stage = |number: u32| format!("{ELECTRA} --set variant=two_stage --set stage={number}");
    let refused = world.run(&format!("{} --steps 1 --out refused", stage(2)));
    assert!(refused.stderr.contains("pass --init RUN/model"), "{}", refused.stderr);
    world.succeed(&format!("{} --steps 3 --out first", stage(1)));
    let second =
        stage(2).replace("--config electra.json --tokenizer tokenizer", "--init first/model");
    world.succeed(&format!("{second} --steps 2 --learning-rate 0 --out second"));
    let open =
        |name: &str| TensorFile::open(&world.path(name)).expect("a run leaves a model").tensors;
    let (first, second) =
        (open("first/model/model.safetensors"), open("second/model/model.safetensors"));
    let mut shared = 0;
    for (name, tensor) in second.iter().filter(|(name, _)| name.starts_with("electra.")) {
        assert!(first[name] == *tensor, "{name} is not the first stage's");
        shared += 1;
    }
    assert!(shared > 20 && shared < first.len(), "{shared} tensors of the encoder");
    assert!(second.keys().any(|name| name.starts_with("discriminator_predictions.")));
    let config: Value =
        serde_json::from_str(&world.read("first/model/config.json")).expect("config.json is JSON");
    assert_eq!(config["architectures"], json!(["ElectraForMaskedLM"]));
}

/// What the directory says to others, `max_seq_length` of sentence-transformers, holds for wgrad too.
#[test]
fn texts_are_cut_where_they_were_in_training() {
    let world = World::new();
    world.pretrained("mlm", "mlm");
    world.succeed(
        "finetune --objective contrastive --data beir --init mlm/model --steps 1 --batch-size 8 \
         --max-length 6 --quiet --out retriever",
    );
    let encoded = |out: &str, more: &str| {
        let command = format!("encode --model retriever/model --input beir {more} --quiet");
        world.succeed(&format!("{command} --out {out}"));
        std::fs::read(world.path(out)).expect("encode wrote it")
    };
    let default = encoded("default.safetensors", "");
    assert!(default == encoded("same.safetensors", "--max-length 6"));
    assert!(default != encoded("longer.safetensors", "--max-length 12"));
}

/// Passages and queries that differ in what stands after the point have each their own ids.
#[test]
fn ids_are_those_of_the_vectors_beside_them() {
    let world = World::new();
    world.pretrained("mlm", "mlm");
    let encode = "encode --model mlm/model --input beir --quiet --kind";
    for kind in ["passage", "query"] {
        world.succeed(&format!("{encode} {kind} --out marco.{kind}"));
    }
    let first = |name: &str| world.read(name).lines().next().map(str::to_string);
    assert_eq!(first("marco.passage.ids.txt").as_deref(), Some("d0"));
    assert_eq!(first("marco.query.ids.txt").as_deref(), Some("q0"));
    let search = "search --passages marco.passage --queries marco.query --top-k 3 --quiet";
    world.succeed(&format!("{search} --out run.trec"));
    assert!(world.read("run.trec").starts_with("q0 Q0 d"), "queries find passages");

    #[cfg(unix)]
    {
        let before = std::fs::read(world.path("marco.passage")).expect("encode wrote it");
        // One block of 512 or 1024 bytes: ids fit, vectors do not. Ignored, SIGXFSZ becomes an error of write().
        let mut limited = std::process::Command::new("sh");
        let script = "trap '' XFSZ; ulimit -f 1; exec \"$0\" \"$@\"";
        limited.args(["-c", script, env!("CARGO_BIN_EXE_wgrad")]);
        limited.args(format!("{encode} query --out marco.passage").split(' '));
        limited.current_dir(world.path("")).env("WGRAD_DEVICE", "cpu");
        let ended = super::world::Ended::of(&mut limited);
        assert_eq!(ended.code, Some(1), "{}", ended.stderr);
        assert!(before == std::fs::read(world.path("marco.passage")).expect("it is still there"));
        assert_eq!(first("marco.passage.ids.txt").as_deref(), Some("d0"), "ids of other vectors");
        world.succeed(&format!("{encode} query --out /dev/null"));
    }
}

/// The lines of a run's metrics.
fn metrics(world: &World, run: &str) -> Vec<Value> {
    let text = world.read(&format!("{run}/metrics.jsonl"));
    text.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
}

/// Checks the layout of a run folder.
fn has_run_files(world: &World, run: &str) {
    for file in [
        "model/config.json",
        "model/model.safetensors",
        "model/tokenizer.json",
        "recipe.toml",
        "loss.svg",
    ] {
        assert!(world.path(run).join(file).is_file(), "{run}/{file}");
    }
    for folder in ["checkpoints", "tensorboard"] {
        let entries = std::fs::read_dir(world.path(run).join(folder));
        assert!(
            entries.is_ok_and(|mut all| all.next().is_some()),
            "{run}/{folder} holds something"
        );
    }
}
