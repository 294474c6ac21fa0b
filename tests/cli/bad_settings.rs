//! Settings that are unknown, out of range or at odds with each other.

use super::refusal::{misused, refused};
use super::world::{PRETRAIN, World};

#[test]
fn an_unknown_setting_names_the_closest() {
    let world = World::new();
    for (setting, expected) in [
        ("encoder_masks=0.1", "did you mean `encoder_mask`?"),
        ("learnin_rate=0.1", "did you mean `learning_rate`?"),
        ("encoder_mask", "expected key=value"),
        ("schedule=linaer", "did you mean `linear`?"),
    ] {
        let line = format!("{PRETRAIN} --objective mlm --steps 1 --set {setting}");
        refused(&world, &line, &["--set", setting, expected]);
    }
    world.write("recipe.toml", "steps = 1\nbatchsize = 4\n");
    let line = "pretrain --data text.txt --config config.json --tokenizer tokenizer";
    let expected = ["recipe.toml:2: `batchsize`", "did you mean `batch_size`?"];
    refused(&world, &format!("{line} --recipe recipe.toml"), &expected);
    world.write("recipe.toml", "steps = 1\nsteps: 2\n");
    refused(&world, &format!("{line} --recipe recipe.toml"), &["recipe.toml:2: "]);
    let line = format!("{PRETRAIN} --objective retromae --steps 1");
    let expected = "expected 1, found 2; only decoding=basic has more";
    refused(&world, &format!("{line} --set decoder_layers=2"), &["decoder_layers", expected]);
    let expected = "expected a number of masks above 0, or per_row";
    refused(&world, &format!("{line} --set mask_pool=0"), &["--set mask_pool=0", expected]);
    let basic = format!("{line} --set decoding=basic --set mask_pool=8");
    refused(&world, &basic, &["--set mask_pool=8 is no setting here"]);
    // Settings of one objective are none of another's.
    let line = format!("{PRETRAIN} --objective mlm --steps 1 --set decoder_mask=0.5");
    refused(&world, &line, &["--set decoder_mask=0.5 is no setting here"]);
}

#[test]
fn a_value_out_of_range_names_the_range() {
    let world = World::new();
    world.pretrained("start", "mlm");
    let pretrain = "pretrain --data text.txt --config config.json --tokenizer tokenizer";
    for (flags, expected) in [
        ("--steps 0", "--steps: expected a number of steps above 0, found 0"),
        ("--epochs 0", "--epochs: expected a number of epochs above 0, found 0"),
        ("--epochs=-1", "--epochs: expected a number of epochs above 0"),
        ("--learning-rate=-1", "--learning-rate: expected a rate of at most 1, found -1"),
        ("--learning-rate=nan", "--learning-rate: expected a rate"),
        ("--warmup=-1", "--warmup: expected a share below 1, or a number of steps"),
        ("--batch-size 0", "--batch-size: expected a number of rows above 0, found 0"),
        ("--max-length 64", "--max-length: expected 4 to the model's max_position_embeddings 32"),
        ("--max-length 3", "--max-length: expected 4 to the model's max_position_embeddings 32"),
        ("--set encoder_mask=1.5", "--set encoder_mask=1.5: expected a share below 1"),
        ("--set encoder_mask=much", "--set encoder_mask=much: expected a number"),
        ("--set accumulate=0", "--set accumulate=0: expected a number of batches above 0"),
    ] {
        refused(&world, &format!("{pretrain} {flags}"), &[expected]);
    }
    let finetune = "finetune --data beir --init start/model --steps 1";
    for (flags, expected) in [
        ("--set temperature=0", "expected a temperature above 0"),
        ("--set pooling=median", "expected one of cls, mean, max, last, found \"median\""),
        ("--set group_size=0", "expected a number of passages above 0"),
        ("--max-length 64", "max_position_embeddings 32"),
    ] {
        refused(&world, &format!("{finetune} {flags}"), &[expected]);
    }
    let encode = "encode --model start/model --input text.txt";
    let expected = "expected 3 to the model's max_position_embeddings 32";
    refused(&world, &format!("{encode} --max-length 33"), &["--max-length is 33", expected]);
    refused(&world, &format!("{encode} --max-length 1"), &["--max-length is 1", expected]);
    refused(&world, &format!("{encode} --batch-size 0"), &["--batch-size is 0"]);
    refused(&world, "bm25 --data beir --top-k 0", &["--top-k is 0"]);
    let tokenizer = "tokenizer train --input text.txt --vocab-size 3";
    refused(&world, tokenizer, &["expected a vocabulary size of at least", "found 3"]);
}

#[test]
fn rows_that_cannot_walk_are_refused() {
    let world = World::new();
    let of_xlnet = PRETRAIN.replace("config.json", "xlnet.json");
    let line = format!("{of_xlnet} --objective xlnet --steps 1");
    for (settings, expected) in [
        ("memory=8 reuse=0", "reuse is 0, expected tokens to move on by"),
        ("reuse=21", "expected 0, or tokens to move on by, fewer than max_length − 3"),
        (
            "reuse=10 perm_size=4",
            "perm_size is 4, expected a divisor of reuse 10 and of the other 14",
        ),
        ("bi_data=true batch_size=7", "batch_size is 7, expected an even number for bi_data"),
        ("memory=8 batch_size=500", "they need 12000 tokens, found "),
    ] {
        let set: String = settings.split(' ').map(|pair| format!(" --set {pair}")).collect();
        let flag = if set.contains("batch_size") { "" } else { "--batch-size 8" };
        let line = line.replace("--batch-size 8", flag);
        refused(&world, &format!("{line}{set}"), &[expected]);
    }
}

#[test]
fn what_is_missing_is_asked_for() {
    let world = World::new();
    refused(
        &world,
        "pretrain --config config.json --tokenizer tokenizer",
        &["`data` is not given", "--data"],
    );
    refused(&world, "pretrain --data text.txt", &["--init DIR", "--config FILE"]);
    refused(&world, "pretrain --data text.txt --config config.json", &["--tokenizer DIR"]);
    refused(&world, "finetune --data beir", &["`init` is not given", "--init"]);
    refused(&world, "finetune --data beir --init nowhere", &["nowhere/config.json"]);
    refused(
        &world,
        &format!("{PRETRAIN} --resume"),
        &["expected a run folder to resume", "nothing"],
    );
}

#[test]
fn a_folder_with_a_run_is_not_overwritten() {
    let world = World::new();
    world.pretrained("run", "mlm");
    let before = super::runs::files(&world.path("run"));
    for (line, expected) in [
        (format!("{PRETRAIN} --steps 1 --out run"), "continue that run with --resume"),
        (format!("{PRETRAIN} --out beir"), "expected an empty folder"),
        (format!("{PRETRAIN} --resume --out beir"), "expected a run folder to resume"),
        (
            "pretrain --out run --resume --seed 7 --quiet".into(),
            "expected `seed` to stay 42, found 7",
        ),
        ("pretrain --out run --resume --objective retromae --quiet".into(), "`objective` to stay"),
        ("pretrain --out run --resume --optimizer lamb --quiet".into(), "`optimizer` to stay"),
    ] {
        let ended = world.run(&line);
        assert_eq!(ended.code, Some(1), "wgrad {line}\n{}", ended.stderr);
        let is_one_line = ended.stderr.starts_with("error: ") && ended.stderr.lines().count() == 1;
        assert!(is_one_line && ended.stderr.contains(expected), "wgrad {line}\n{}", ended.stderr);
    }
    let mut after = super::runs::files(&world.path("run"));
    after.insert(".lock".into(), before[".lock"].clone()); // names the last process that tried
    let changed: Vec<&String> =
        after.keys().filter(|name| before.get(*name) != after.get(*name)).collect();
    assert!(changed.is_empty(), "{changed:?} changed");
}

/// The inputs do not exist either: whoever names the output looked at it first.
#[test]
fn an_output_that_cannot_be_written_is_found_before_the_work() {
    let world = World::new();
    for command in [
        "encode --model nowhere --input nowhere",
        "search --passages nowhere --queries nowhere",
        "rerank --model nowhere --data nowhere --run nowhere",
        "predict --model nowhere --data nowhere",
        "grad --model nowhere --objective mlm --batch nowhere",
        "bm25 --data nowhere",
    ] {
        for (out, expected) in [
            ("missing/out", "the folder missing does not exist; make it first"),
            ("text.txt/out", "text.txt is no folder"),
            ("beir", "there is a folder of that name"),
        ] {
            let ended = world.run(&format!("{command} --out {out}"));
            assert_eq!(ended.code, Some(1), "wgrad {command}\n{}", ended.stderr);
            let begins = format!("error: --out {out}: expected a file that can be written, but ");
            assert_eq!(ended.stderr, format!("{begins}{expected}\n"), "wgrad {command}");
        }
        let ended = world.run(&format!("{command} --out unwritten"));
        assert!(ended.stderr.contains("nowhere"), "wgrad {command}\n{}", ended.stderr);
        assert!(!world.path("unwritten").exists(), "wgrad {command} left a file");
    }
}

#[test]
fn an_unknown_device_is_named_with_those_there_are() {
    let world = World::new();
    let line = format!("{PRETRAIN} --steps 1");
    for device in ["nonsense", "99"] {
        let expected = format!("device `{device}` not found: expected auto, cpu, gpu");
        refused(&world, &format!("{line} --device {device}"), &[&expected]);
    }
}

#[test]
fn wrong_usage_exits_with_2() {
    let world = World::new();
    for (line, expected) in [
        ("pretrain", "--out <RUN>"),
        ("pretrain --out run --objective mlmm", "mlmm"),
        ("pretrain --out run --steps many", "many"),
        ("pretrain --out run --steps 1 --epochs 1", "cannot be used with"),
        ("pretrain --out run --init a --config b", "cannot be used with"),
        ("finetune --out run --objective mlm", "contrastive"),
        ("encode --model m --input t --out o --kind answer", "query, passage"),
        ("encode --model m --input t --out o --precision f8", "f8"),
        ("prepare --input t --tokenizer t --max-length 2 --out o", "2 is not in 3.."),
        ("prepare --input t --tokenizer t --max-length 0 --out o", "0 is not in 3.."),
        ("pretrain --out run --steps 9223372036854775808", "..=9223372036854775807"),
        ("pretrain --out run --save-every 9223372036854775808", "..=9223372036854775807"),
        ("pretrain --out run --seed 18446744073709551615", "..=9223372036854775807"),
        ("pretrian --out run", "pretrain"),
        ("pretrain --out run --no-such-flag", "--no-such-flag"),
        ("encode --model m --input t --out run --precision mixed", "this command computes in f32"),
        ("bench kernels --precision mixed", "this command computes in f32"),
    ] {
        misused(&world, line, expected);
        assert!(!world.path("run").exists(), "wgrad {line} made a folder");
    }
}

/// A command is no trace file.
#[test]
fn a_profile_may_be_asked_for_before_the_command() {
    let ended = World::new().succeed("--profile devices --json");
    assert!(ended.stdout.starts_with('{'));
}

/// It is written last of all, and asked for before anything is timed.
#[test]
fn a_trace_that_cannot_be_written_is_found_before_the_work() {
    let world = World::new();
    let ended = world.run("bench kernels --device cpu --filter add. --profile missing/trace.json");
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let expected = "error: --profile missing/trace.json: expected a file that can be written, but \
                    the folder missing does not exist; make it first\n";
    assert_eq!(ended.stderr, expected);
    assert_eq!(ended.stdout, "");
}
