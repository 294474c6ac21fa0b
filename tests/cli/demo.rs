//! `wgrad demo --ask`, on a demo that is put together by hand: to train one takes minutes.

use serde_json::json;

use super::world::{PRETRAIN, World};

/// A folder `demo` that is done, with a model that knows words but no code.
fn done() -> World {
    let world = World::new();
    world.pretrained("mlm", "mlm");
    world.copy("mlm/model", "demo/finetune/model");
    for (split, words) in
        [("train", ["green house", "silver cloud"]), ("heldout", ["bread", "river"])]
    {
        let item = |text: &&str| {
            let metadata =
                json!({"path": format!("made_up::{text}"), "place": format!("{text}.rs:1")});
            json!({"_id": text, "title": text, "text": text, "metadata": metadata}).to_string()
                + "\n"
        };
        let items = words.iter().map(item).collect::<String>();
        world.write(&format!("demo/data/{split}/corpus.jsonl"), &items);
    }
    let row = json!({"mrr@10": 0.5, "recall@100": 0.5});
    let results = json!({
        "crates": 2, "train_items": 2, "heldout_items": 2, "pretrain_seconds": 1.0, "finetune_seconds": 1.0,
        "random": row, "pretrained": row, "finetuned": row, "bm25": row,
    });
    world.write("demo/results.json", &results.to_string());
    world
}

const ASK: &str = "demo --out demo --ask \"silver cloud\"";

#[test]
fn vectors_of_another_model_are_made_again() {
    let world = done();
    let vectors =
        || std::fs::read(world.path("demo/items.safetensors")).expect("an answer keeps them");
    world.succeed(ASK);
    let (first, written) = (vectors(), modified(&world));
    world.succeed(ASK);
    assert!(first == vectors() && written == modified(&world), "they are made once");
    world.succeed(&format!("{PRETRAIN} --objective mlm --steps 2 --seed 7 --out other"));
    world.copy("other/model", "demo/finetune/model");
    world.succeed(ASK);
    assert!(first != vectors(), "they are those of the former model");
}

fn modified(world: &World) -> std::time::SystemTime {
    let found = std::fs::metadata(world.path("demo/items.safetensors"));
    found.and_then(|found| found.modified()).expect("a file has a time")
}

#[test]
fn an_answer_is_profiled_too() {
    let world = done();
    let asked = world.succeed(&format!("{ASK} --profile trace.json"));
    assert!(asked.stdout.contains("made_up::silver cloud"), "{}", asked.stdout);
    // The CPU has no timestamps, which is told where a table would stand.
    let told = asked.stderr.contains("nothing was timed") || world.path("trace.json").is_file();
    assert!(told, "{}", asked.stderr);
}
