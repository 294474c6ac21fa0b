//! Cross-encoders, classifiers, regressions and taggers, by the commands a person would type.

use serde_json::{Value, json};

use super::refusal::refused;
use super::world::{ELECTRA, PRETRAIN, World};

#[test]
fn a_run_is_ranked_again() {
    let world = World::new();
    world.pretrained("mlm", "mlm");
    let train = "finetune --objective cross-encoder --data beir --init mlm/model --batch-size 4 \
                 --set group_size=4 --steps 3 --eval-every 3 --quiet";
    world.succeed("bm25 --data beir --split test --top-k 5 --out bm25.trec");
    for ranking in ["listwise", "pointwise"] {
        world.succeed(&format!("{train} --set ranking={ranking} --out {ranking}"));
        let metrics = world.read(&format!("{ranking}/metrics.jsonl"));
        assert!(metrics.contains("\"probe_mrr_of_20\""), "{metrics}");
        let command =
            format!("rerank --model {ranking}/model --data beir --run bm25.trec --top-k 3");
        let printed = world.json(&format!("{command} --out {ranking}.trec"));
        let out = format!("{ranking}.trec");
        assert_eq!(printed, json!({"queries": 24, "pairs": 72, "out": out}));
        let measured = world.json(&format!("evaluate --qrels beir/qrels/test.tsv --run {out}"));
        assert_eq!(measured["queries"], 24);
        // Alone or with others, a pair has one score.
        world.succeed(&format!("{command} --batch-size 1 --out alone.trec --quiet"));
        let scores = |run: &str| -> Vec<f64> {
            let text = world.read(run);
            let score =
                |line: &str| line.split(' ').nth(4).map(|score| score.parse().expect("f32"));
            text.lines().map(|line| score(line).expect("TREC")).collect()
        };
        for (a, b) in scores(&out).iter().zip(scores("alone.trec")) {
            assert!((a - b).abs() < 1e-5, "{a} and {b}");
        }
    }
    let config: Value =
        serde_json::from_str(&world.read("listwise/model/config.json")).expect("JSON");
    assert_eq!(config["architectures"], json!(["BertForSequenceClassification"]));
    assert_eq!(config["id2label"], json!({"0": "LABEL_0"}));

    let rerank = "rerank --data beir --run bm25.trec";
    let expected = ["mlm/model/config.json", "id2label names 2 answers"];
    refused(&world, &format!("{rerank} --model mlm/model"), &expected);
    world.write("other.trec", "q0 Q0 nowhere 1 0.5 x\n");
    let other = "rerank --data beir --run other.trec --model listwise/model";
    refused(&world, other, &["other.trec", "passage ids of beir", "`nowhere`"]);
    let lone = "finetune --objective cross-encoder --data beir --init mlm/model --set group_size=1";
    refused(&world, lone, &["group_size", "at least 2"]);
}

#[test]
fn labelled_texts_are_learned_and_answered() {
    let world = World::new();
    world.labelled();
    world.pretrained("bert", "mlm");
    world.succeed(&format!("{ELECTRA} --steps 2 --out electra"));
    let of_xlnet = PRETRAIN.replace("config.json", "xlnet.json");
    world.succeed(&format!("{of_xlnet} --objective xlnet --steps 2 --out xlnet"));
    for (model, prefix) in [("bert", "Bert"), ("electra", "Electra"), ("xlnet", "XLNet")] {
        for (objective, data, head, measures) in [
            ("classification", "classes.tsv", "SequenceClassification", ["accuracy", "macro_f1"]),
            ("regression", "numbers.tsv", "SequenceClassification", ["pearson", "spearman"]),
            (
                "token-classification",
                "tags.conll",
                "TokenClassification",
                ["token_accuracy", "span_f1"],
            ),
        ] {
            let out = format!("{model}-{objective}");
            world.succeed(&format!(
                "finetune --objective {objective} --data {data} --eval-data {data} --steps 4 --batch-size 8 \
                 --init {model}/model --eval-every 2 --max-length 24 --quiet --out {out}"
            ));
            let last = world.read(&format!("{out}/metrics.jsonl"));
            let last: Value =
                serde_json::from_str(last.lines().last().expect("a line")).expect("JSON");
            let config = world.read(&format!("{out}/model/config.json"));
            let config: Value = serde_json::from_str(&config).expect("JSON");
            assert_eq!(config["architectures"], json!([format!("{prefix}For{head}")]));

            let predict =
                format!("predict --model {out}/model --data {data} --batch-size 8 --out {out}.tsv");
            let printed = world.json(&predict);
            assert!(last["heldout_loss"].is_number(), "{last}");
            for name in measures {
                // Measured in training and afterwards, by the written model.
                assert_eq!(last[format!("probe_{name}")], printed[name], "{out}: {name}");
            }
            let lines = world.read(&format!("{out}.tsv")).lines().filter(|l| !l.is_empty()).count();
            assert_eq!(printed["answers"], lines, "{out}");
        }
    }
}

#[test]
fn what_does_not_fit_a_head_is_refused() {
    let world = World::new();
    world.labelled();
    world.pretrained("mlm", "mlm");
    let finetune = "finetune --init mlm/model --steps 1";
    let classes = format!("{finetune} --objective classification --data classes.tsv");
    world.write("unknown.tsv", "green\ta river\nblue\ta stone\n");
    let flags = format!("{classes} --eval-data unknown.tsv");
    refused(&world, &flags, &["unknown.tsv:1: expected one of the labels", "`green`"]);
    let numbers = format!("{finetune} --objective regression --data classes.tsv");
    refused(&world, &numbers, &["classes.tsv:1: expected a number"]);
    refused(&world, &format!("{classes} --set pooling=cls"), &["pooling", "no setting here"]);
    let eval =
        "finetune --objective contrastive --data beir --init mlm/model --eval-data classes.tsv";
    refused(&world, eval, &["eval-data", "no setting here"]);
    let predict = "predict --model mlm/model --data classes.tsv";
    refused(&world, predict, &["classes.tsv:1: expected one of the labels LABEL_0, LABEL_1"]);
    world.write("labels.tsv", "LABEL_0\ta river\n");
    let expected = ["tensors of the model's head are missing", "bert.pooler.dense.weight"];
    refused(&world, "predict --model mlm/model --data labels.tsv", &expected);
}
