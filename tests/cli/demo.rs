//! `wgrad demo --ask`, on a demo that is put together by hand: to train one takes minutes.

use serde_json::json;

use super::world::World;

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
fn an_answer_is_profiled_too() {
    let world = done();
    let asked = world.succeed(&format!("{ASK} --profile trace.json"));
    assert!(asked.stdout.contains("made_up::silver cloud"), "{}", asked.stdout);
    // The CPU has no timestamps, which is told where a table would stand.
    let told = asked.stderr.contains("nothing was timed") || world.path("trace.json").is_file();
    assert!(told, "{}", asked.stderr);
}
