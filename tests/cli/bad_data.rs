//! Texts, judgments, rankings and vectors that cannot be read: the file and the line are named.

use std::collections::BTreeMap;
use std::fs;

use wgrad_engine::file::{HostTensor, serialize};

use super::refusal::refused;
use super::world::{PRETRAIN, World};

#[test]
fn a_corpus_without_text_is_refused() {
    let world = World::new();
    world.pretrained("start", "mlm");
    world.write("empty.txt", "");
    world.write("blank.txt", "\n \n");
    for line in [
        "tokenizer train --vocab-size 100 --input",
        "prepare --tokenizer tokenizer --max-length 24 --input",
        "pretrain --config config.json --tokenizer tokenizer --steps 1 --data",
        "encode --model start/model --input",
    ] {
        refused(&world, &format!("{line} empty.txt"), &["empty.txt: empty; expected"]);
        refused(&world, &format!("{line} nowhere.txt"), &["nowhere.txt: no such file"]);
        // The reader of many files knows only that there was no text in any.
        let ended = world.run(&format!("{line} blank.txt --out blank --quiet"));
        assert_eq!(ended.code, Some(1), "wgrad {line} blank.txt\n{}", ended.stderr);
        assert!(ended.stderr.starts_with("error: "), "{}", ended.stderr);
    }
}

#[test]
fn a_malformed_line_is_named() {
    let world = World::new();
    world.pretrained("start", "mlm");
    world.write("broken.jsonl", "{\"text\":\"green\"}\n{\"text\":\n");
    world.write("silent.jsonl", "{\"text\":\"green\"}\n\n{\"title\":\"green\"}\n");
    world.write("wide.tsv", "1\ta\tb\tc\n");
    fs::write(world.path("latin.txt"), b"green\nr\xe9sum\xe9\n").expect("writable");
    for (file, expected) in [
        ("broken.jsonl", "broken.jsonl:2: expected a JSON object"),
        ("silent.jsonl", "silent.jsonl:3: expected a JSON object with `text`"),
        ("wide.tsv", "wide.tsv:1: expected `id"),
        ("latin.txt", "latin.txt:2: expected UTF-8 text"),
    ] {
        refused(&world, &format!("encode --model start/model --input {file}"), &[expected]);
        let pretrain = "pretrain --config config.json --tokenizer tokenizer --steps 1";
        refused(&world, &format!("{pretrain} --data {file}"), &[expected]);
    }
}

#[test]
fn a_malformed_beir_folder_is_named_with_its_line() {
    let world = World::new();
    world.pretrained("start", "mlm");
    let broken = [
        (
            "queries.jsonl",
            r#"{"_id":"q2","text":" "}"#,
            "queries.jsonl:3: expected a query with text",
        ),
        ("queries.jsonl", r#"{"_id":"q2"}"#, "queries.jsonl:3: expected a JSON object with `text`"),
        ("queries.jsonl", r#"{"text":"green"}"#, "queries.jsonl:3: expected a query with `_id`"),
        (
            "corpus.jsonl",
            r#"{"_id":"d0","text":"x"}"#,
            "corpus.jsonl:3: expected each passage once",
        ),
        ("corpus.jsonl", "[", "corpus.jsonl:3: expected a JSON object"),
        ("qrels/train.tsv", "q1\td1", "train.tsv:3: expected `query-id"),
        ("qrels/train.tsv", "q1\td1\thigh", "train.tsv:3: expected a whole number in column 3"),
        ("qrels/train.tsv", "q1\tnone\t1", "train.tsv:3: expected a passage of corpus.jsonl"),
        ("qrels/train.tsv", "none\td1\t1", "train.tsv:3: expected a query of queries.jsonl"),
    ];
    for (file, line, expected) in broken {
        let name = format!("beir/{file}");
        let whole = world.read(&name);
        let mut lines: Vec<&str> = whole.lines().collect();
        lines[2] = line;
        world.write(&name, &(lines.join("\n") + "\n"));
        let finetune = "finetune --data beir --init start/model --steps 1";
        refused(&world, finetune, &["beir", expected]);
        world.write(&name, &whole);
    }
    refused(&world, "bm25 --data nowhere", &["nowhere/corpus.jsonl: no such file"]);
    refused(&world, "bm25 --data beir --split none", &["qrels/none.tsv: no such file"]);
}

#[test]
fn malformed_judgments_and_rankings_are_named_with_their_line() {
    let world = World::new();
    world.write("good.qrels", "q0 0 d0 1\n");
    world.write("good.trec", "q0 Q0 d0 1 0.5 x\n");
    world.succeed("evaluate --qrels good.qrels --run good.trec");
    for (content, expected) in [
        ("", "bad: expected `qid iter docid judgment`"),
        ("q0 0 d0\n", "bad:1: expected `qid iter docid judgment`"),
        ("q0 0 d0 1\nq0 0 d1 often\n", "bad:2: expected an integer judgment, found \"often\""),
        ("q0 0 d0 1\nq0 0 d0 2\n", "bad:2: expected one judgment a document"),
    ] {
        world.write("bad", content);
        evaluate_fails(&world, "--qrels bad --run good.trec", expected);
    }
    for (content, expected) in [
        ("", "bad: expected `qid Q0 docid rank score tag`"),
        ("q0 Q0 d0 1\n", "bad:1: expected `qid Q0 docid rank score tag`"),
        ("q0 Q0 d0 1 0.5 x\nq0 Q0 d1 2 nan x\n", "bad:2: expected a finite score"),
        ("q0 Q0 d0 1 0.5 x\nq0 Q0 d0 2 0.4 x\n", "bad:2: expected each document once"),
    ] {
        world.write("bad", content);
        evaluate_fails(&world, "--qrels good.qrels --run bad", expected);
    }
    evaluate_fails(&world, "--qrels good.qrels --run nowhere", "nowhere: No such file");
}

#[track_caller]
fn evaluate_fails(world: &World, flags: &str, expected: &str) {
    let ended = world.run(&format!("evaluate {flags} --json"));
    assert_eq!(ended.code, Some(1), "evaluate {flags}\n{}", ended.stderr);
    assert!(ended.stdout.is_empty(), "evaluate {flags} printed {}", ended.stdout);
    let is_one_line = ended.stderr.starts_with("error: ") && ended.stderr.lines().count() == 1;
    assert!(
        is_one_line && ended.stderr.contains(expected),
        "expected {expected}:\n{}",
        ended.stderr
    );
}

#[test]
fn vectors_that_do_not_belong_together_are_refused() {
    let world = World::new();
    vectors(&world, "wide", [2, 16], 2);
    vectors(&world, "narrow", [2, 8], 2);
    vectors(&world, "unnamed", [2, 16], 1);
    vectors(&world, "none", [0, 16], 0);
    let search = |passages: &str, queries: &str| {
        format!("search --passages {passages}.safetensors --queries {queries}.safetensors")
    };
    refused(&world, &search("wide", "narrow"), &["passages have 16 numbers, queries 8"]);
    refused(&world, &search("wide", "unnamed"), &["unnamed.ids.txt: 1 ids for 2 vectors"]);
    refused(&world, &search("wide", "nowhere"), &["nowhere.safetensors", "No such file"]);
    refused(&world, &search("none", "wide"), &["none.safetensors", "no vectors"]);
    fs::remove_file(world.path("wide.ids.txt")).expect("it was written");
    refused(&world, &search("wide", "wide"), &["wide.ids.txt: No such file"]);
    let odd = BTreeMap::from([("vectors".to_string(), HostTensor::f32([1], vec![1.0]))]);
    fs::write(world.path("odd.safetensors"), serialize(&odd)).expect("writable");
    refused(&world, &search("odd", "odd"), &["odd.safetensors", "`embeddings`, found vectors"]);
    vectors(&world, "broken", [2, 16], 2);
    let mut values = vec![0.0; 32];
    values[17] = f32::NAN;
    write_vectors(&world, "broken", [2, 16], values);
    refused(&world, &search("broken", "narrow"), &["broken.safetensors", "row 1", "NaN"]);
}

/// Writes vectors of ones and `ids` ids.
fn vectors(world: &World, name: &str, shape: [usize; 2], ids: usize) {
    write_vectors(world, name, shape, vec![1.0; shape[0] * shape[1]]);
    let ids: String = (0..ids).map(|id| format!("{id}\n")).collect();
    world.write(&format!("{name}.ids.txt"), &ids);
}

fn write_vectors(world: &World, name: &str, shape: [usize; 2], values: Vec<f32>) {
    let tensors = BTreeMap::from([("embeddings".to_string(), HostTensor::f32(shape, values))]);
    fs::write(world.path(&format!("{name}.safetensors")), serialize(&tensors)).expect("writable");
}

#[test]
fn a_failed_run_leaves_room_for_the_next() {
    let world = World::new();
    world.write("broken.jsonl", "{\"text\":\"green\"}\n{\n");
    let line = format!("{PRETRAIN} --steps 1 --out run");
    let ended = world.run(&line.replace("text.txt", "broken.jsonl"));
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    world.succeed(&line);
}
