//! One seed, one result: to the bit, twice, and for any number of threads.

use serde_json::json;
use wgrad_engine::device::adapters;

use super::runs::{assert_equal, records};
use super::world::{BASIC, CAUSAL, ELECTRA, PRETRAIN, World, XLNET_WALK};

#[test]
fn a_run_repeats_bit_for_bit_with_any_number_of_threads() {
    let world = World::new();
    // Wide enough that matrix products are shared among threads.
    let config = world.config(&[("hidden_size", json!(64)), ("intermediate_size", json!(256))]);
    world.write("config.json", &config.to_string());
    let finetune = "finetune --data beir --init retromae-1/model --batch-size 8 --quiet";
    let of_xlnet = PRETRAIN.replace("config.json", "xlnet.json");
    let of_spans = PRETRAIN.replace("--max-length 24", "--max-length 10");
    let labels = "finetune --init retromae-1/model --batch-size 8 --max-length 24 --quiet";
    world.labelled();
    for command in [
        format!("{PRETRAIN} --objective mlm --out mlm"),
        format!("{of_spans} --objective cocondenser --set cache_chunk=5 --out cocondenser"),
        format!("{of_xlnet} --objective xlnet --out xlnet"),
        format!("{of_xlnet} --objective xlnet {XLNET_WALK} --out xlnet-walk"),
        format!("{PRETRAIN} --objective retromae --out retromae"),
        format!("{BASIC} --out basic"),
        format!("{PRETRAIN} --objective dupmae --out dupmae"),
        format!("{ELECTRA} --out electra"),
        format!("{ELECTRA} --set variant=all_tokens_mlm --out all-tokens"),
        format!("{ELECTRA} --set variant=adversarial --out adversarial"),
        format!("{CAUSAL} --out clm"),
        "finetune --objective cpt --data beir --init clm-1/model --batch-size 8 --quiet --out cpt"
            .into(),
        format!("{finetune} --out contrastive"),
        format!("{finetune} --set representation=hybrid --set top_k=8 --out hybrid"),
        format!("{finetune} --objective colbert --set dim=8 --set group_size=2 --out colbert"),
        format!("{finetune} --objective cross-encoder --set group_size=3 --out cross-encoder"),
        format!("{labels} --objective classification --data classes.tsv --out classification"),
        format!("{labels} --objective regression --data numbers.tsv --out regression"),
        format!("{labels} --objective token-classification --data tags.conll --out tags"),
    ] {
        let (command, out) = command.rsplit_once(' ').expect("the last word is the run folder");
        for (name, threads) in [("1", "1"), ("2", "2"), ("again", "2")] {
            let line = format!("{command} {out}-{name} --steps 6 --eval-every 3 --save-every 3");
            let ended = world.wgrad(&line).env("RAYON_NUM_THREADS", threads).output();
            assert!(ended.expect("the binary was built").status.success(), "wgrad {line}");
        }
        let run = |name: &str| world.path(&format!("{out}-{name}"));
        assert_equal(&run("2"), &run("again"), 6);
        assert_equal(&run("1"), &run("2"), 6);
    }
}

#[test]
fn another_seed_is_another_run() {
    let world = World::new();
    for seed in ["1", "2"] {
        let command = format!("{PRETRAIN} --objective mlm --steps 2 --seed {seed}");
        world.succeed(&format!("{command} --out seed-{seed}"));
    }
    assert_ne!(records(&world.path("seed-1")), records(&world.path("seed-2")));
}

#[test]
fn a_run_repeats_bit_for_bit_on_every_adapter() {
    let adapters = adapters();
    if adapters.is_empty() {
        eprintln!("skipped: no GPU adapter");
        return;
    }
    let world = World::new();
    for index in 0..adapters.len() {
        for name in ["once", "twice"] {
            let command = format!("{PRETRAIN} --objective retromae --steps 2 --save-every 1");
            world.succeed(&format!("{command} --out {name}-{index} --device {index}"));
        }
        let run = |name: &str| world.path(&format!("{name}-{index}"));
        assert_equal(&run("once"), &run("twice"), 2);
        std::fs::remove_dir_all(run("twice").join("checkpoints/step-2")).expect("it was written");
        world.succeed(&format!("pretrain --out twice-{index} --resume --device {index}"));
        assert_equal(&run("once"), &run("twice"), 2);
    }
}
