//! Runs that are killed, stopped by Ctrl-C or out of disk, and go on as if nothing had been.

#[cfg(unix)]
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use wgrad::checkpoint::ModelDirectory;
use wgrad::data::text::TextLayout;
use wgrad::data::{TokenBlocks, Tokenizer};
use wgrad::train::pretrain::{Corpus, Start, pretrain};
use wgrad::train::progress::Verbosity;
use wgrad::train::recipe::Recipe;
use wgrad::train::session::Session;
use wgrad::train::trainer::Outcome;
use wgrad_engine::Device;

use super::runs::{assert_equal, checkpoints, start_until};
use super::world::{BASIC, CAUSAL, ELECTRA, PRETRAIN, World, XLNET_WALK};

#[test]
fn a_run_that_pauses_goes_on_as_if_it_had_not() {
    let world = World::new();
    world.succeed(&format!("{PRETRAIN} --objective mlm --steps 6 --save-every 4 --out straight"));
    let device = Device::cpu();
    let config =
        ModelDirectory::open(&world.path("straight/model")).expect("it was written").config;
    let tokenizer = Arc::new(Tokenizer::load(&world.path("tokenizer")).expect("it was trained"));
    let (text, layout) = (world.path("text.txt"), TextLayout::default());
    let blocks = TokenBlocks::load(&text, layout, &tokenizer, 24, |_| {}).expect("it is text");
    let corpus = Corpus::new(tokenizer, Arc::new(blocks));
    let train = |resume, pause_after| {
        let out = world.path("paused");
        let mut session = Session::open(&out, resume, Verbosity::Quiet).expect("it is free");
        session.pause_after = pause_after;
        let mut recipe = Recipe::default();
        for setting in ["batch_size=8", "max_length=24", "steps=6", "save_every=4"] {
            recipe.set(setting).expect("it has a key and a value");
        }
        let start = Start::Fresh(config.clone());
        pretrain(&device, &mut recipe, &corpus, start, &session)
    };
    assert_eq!(train(false, Some(3)).expect("it trains"), Outcome::Paused(3));
    assert_eq!(checkpoints(&world.path("paused")), [3]);
    assert_eq!(train(true, None).expect("it goes on"), Outcome::Done);
    assert_equal(&world.path("straight"), &world.path("paused"), 6);
}

#[test]
fn every_objective_goes_on_by_the_recipe_of_its_run() {
    let world = World::new();
    world.pretrained("start", "mlm");
    let finetune = "finetune --data beir --init start/model --batch-size 8 --quiet";
    let of_xlnet = PRETRAIN.replace("config.json", "xlnet.json");
    let of_spans = PRETRAIN.replace("--max-length 24", "--max-length 10");
    let fresh = "--config electra.json --tokenizer tokenizer";
    let second = ELECTRA.replace(fresh, "--init first/model");
    let labels = "finetune --init start/model --batch-size 8 --quiet";
    let tested = "--data classes.tsv --eval-data classes.tsv";
    world.labelled();
    for (out, command) in [
        ("mlm", format!("{PRETRAIN} --objective mlm")),
        ("cocondenser", format!("{of_spans} --objective cocondenser")),
        ("cached", format!("{of_spans} --objective cocondenser --set cache_chunk=3")),
        ("contrastive-cached", format!("{finetune} --set cache_chunk=3")),
        ("xlnet", format!("{of_xlnet} --objective xlnet")),
        ("xlnet-walk", format!("{of_xlnet} --objective xlnet {XLNET_WALK} --set accumulate=2")),
        ("retromae", format!("{PRETRAIN} --objective retromae --set accumulate=2")),
        ("basic", BASIC.to_string()),
        ("condenser", format!("{PRETRAIN} --objective condenser")),
        ("dupmae", format!("{PRETRAIN} --objective dupmae --set bow_projection=own")),
        ("electra", ELECTRA.to_string()),
        ("replace", format!("{ELECTRA} --set variant=replace_mlm")),
        ("adversarial", format!("{ELECTRA} --set variant=adversarial")),
        ("first", format!("{ELECTRA} --set variant=two_stage")),
        ("second", format!("{second} --set variant=two_stage --set stage=2")),
        ("clm", CAUSAL.to_string()),
        (
            "cpt",
            format!("{} --objective cpt --set group_size=2", finetune.replace("start/", "clm/")),
        ),
        ("lamb", format!("{PRETRAIN} --objective mlm --optimizer lamb")),
        ("mixed", format!("{PRETRAIN} --objective retromae --precision mixed")),
        ("contrastive", finetune.to_string()),
        ("hybrid", format!("{finetune} --set representation=hybrid --set top_k=8")),
        ("colbert", format!("{finetune} --objective colbert --set dim=8 --set group_size=2")),
        ("cross-encoder", format!("{finetune} --objective cross-encoder --set group_size=3")),
        ("classification", format!("{labels} --objective classification {tested}")),
        ("regression", format!("{labels} --objective regression --data numbers.tsv")),
        ("tags", format!("{labels} --objective token-classification --data tags.conll")),
    ] {
        world.succeed(&format!("{command} --steps 6 --save-every 4 --eval-every 1 --out {out}"));
        let killed = format!("{out}-killed");
        world.copy(out, &killed);
        std::fs::remove_dir_all(world.path(&killed).join("checkpoints/step-6")).expect("written");
        let name = command.split(' ').next().expect("the first word is the command");
        world.succeed(&format!("{name} --out {killed} --resume --quiet"));
        assert_equal(&world.path(out), &world.path(&killed), 6);
    }
}

/// The advice to leave a setting as it was holds only where the run still knows it.
#[test]
fn a_resume_that_is_refused_changes_nothing() {
    let world = World::new();
    let of_xlnet = PRETRAIN.replace("config.json", "xlnet.json");
    let walk = format!("{of_xlnet} --objective xlnet {XLNET_WALK} --steps 6 --save-every 4");
    world.succeed(&format!("{walk} --eval-every 1 --out whole"));
    world.copy("whole", "killed");
    std::fs::remove_dir_all(world.path("killed/checkpoints/step-6")).expect("it was written");
    let before = (world.read("killed/recipe.toml"), world.read("killed/metrics.jsonl"));
    for change in ["--batch-size 4", "--config other.json"] {
        world.write("other.json", &world.read("xlnet.json").replace("16", "32"));
        let refused = world.run(&format!("{} {change}", resume("killed")));
        assert_eq!(refused.code, Some(1), "{change}: {}", refused.stderr);
        let after = (world.read("killed/recipe.toml"), world.read("killed/metrics.jsonl"));
        assert!(after == before, "{change} changed the run\n{}", after.0);
    }
    world.succeed(&resume("killed"));
    assert_equal(&world.path("whole"), &world.path("killed"), 6);
}

/// Where documents end decides which rows there are, so a resumed run reads them as before.
#[test]
fn a_run_on_paragraphs_goes_on_with_paragraphs() {
    let world = World::new();
    let text = world.read("text.txt").replace('\n', "\n\n").replace(" number", "\nnumber");
    world.write("paragraphs.txt", &text);
    let of_paragraphs = PRETRAIN.replace("text.txt", "paragraphs.txt");
    let command = format!("{of_paragraphs} --objective mlm --layout paragraphs");
    world.succeed(&format!("{command} --steps 6 --save-every 4 --eval-every 1 --out whole"));
    world.copy("whole", "killed");
    std::fs::remove_dir_all(world.path("killed/checkpoints/step-6")).expect("it was written");
    let refused = world.run(&format!("{} --layout lines", resume("killed")));
    let expected = "expected `layout` to stay \"paragraphs\", found \"lines\"";
    assert!(refused.stderr.contains(expected), "{}", refused.stderr);
    world.succeed(&resume("killed"));
    assert_equal(&world.path("whole"), &world.path("killed"), 6);
}

#[test]
fn a_run_that_is_killed_again_and_again_ends_in_the_same_bytes() {
    const STEPS: u64 = 300; // 20 epochs, a second or so
    let world = World::new();
    let command = format!("{PRETRAIN} --objective mlm --steps {STEPS} --save-every 20");
    world.succeed(&format!("{command} --eval-every 7 --out whole"));
    let run = world.path("killed");
    let begin = format!("{command} --eval-every 7 --out killed");
    // Before the first checkpoint, and twice in the middle of an epoch.
    for (at, line) in [(4, begin), (47, resume("killed")), (111, resume("killed"))] {
        let mut process = start_until(&mut world.wgrad(&line), &run, at);
        process.kill().expect("the process still runs");
        let status = process.wait().expect("the process was killed");
        assert_eq!(status.code(), None, "killed at step {at}, not ended");
    }
    world.succeed(&resume("killed"));
    assert_equal(&world.path("whole"), &run, STEPS);
}

#[test]
fn seconds_go_on_where_the_run_goes_on() {
    let world = World::new();
    world.succeed(&format!("{PRETRAIN} --objective mlm --steps 6 --save-every 4 --out run"));
    std::fs::remove_dir_all(world.path("run/checkpoints/step-6")).expect("it was written");
    let slower = world.read("run/metrics.jsonl").replace("\"seconds\":", "\"seconds\":1000");
    world.write("run/metrics.jsonl", &slower);
    world.succeed(&resume("run"));
    let records = wgrad::train::metrics::read(&world.path("run/metrics.jsonl")).expect("whole");
    let seconds: Vec<f64> = records.iter().filter_map(|record| record.get("seconds")).collect();
    assert!(seconds.len() == 6 && seconds.is_sorted() && seconds[0] >= 1000.0, "{seconds:?}");
}

#[test]
fn a_kill_after_the_last_checkpoint_costs_no_model() {
    let world = World::new();
    world.succeed(&format!("{PRETRAIN} --objective mlm --steps 4 --out run"));
    world.copy("run", "killed");
    std::fs::remove_dir_all(world.path("killed/model")).expect("it was written");
    std::fs::remove_file(world.path("killed/loss.svg")).expect("it was written");
    world.succeed(&resume("killed"));
    assert_equal(&world.path("run"), &world.path("killed"), 4);
    assert!(world.path("killed/loss.svg").is_file());
}

#[cfg(unix)]
#[test]
fn ctrl_c_writes_a_checkpoint_that_goes_on_to_the_same_bytes() {
    const STEPS: u64 = 150;
    let world = World::new();
    // An evaluation after every step, so that one is due whenever the signal comes.
    let command = format!("{PRETRAIN} --objective mlm --steps {STEPS} --eval-every 1");
    world.succeed(&format!("{command} --out whole"));
    let run = world.path("stopped");
    for (at, line) in [(7, format!("{command} --out stopped")), (50, resume("stopped"))] {
        let process = start_until(&mut world.wgrad(&line), &run, at);
        interrupt(process.id());
        let output = process.wait_with_output().expect("the process ends");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(130), "interrupted at step {at}\n{stderr}");
        assert!(output.stdout.is_empty(), "nothing is done, so nothing is printed");
        let newest = checkpoints(&run).last().copied();
        assert_eq!(newest, Some(super::runs::last_step(&run)), "a checkpoint of the last step");
        assert!(run.join("model/model.safetensors").is_file());
    }
    world.succeed(&resume("stopped"));
    assert_equal(&world.path("whole"), &run, STEPS);
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_at_once_what_does_not_train() {
    let world = World::new();
    let line = "tokenizer train --input /dev/stdin --vocab-size 100 --out endless --quiet";
    let mut command = world.wgrad(line);
    let piped = || std::process::Stdio::piped();
    let process = command.stdin(piped()).stdout(piped()).stderr(piped()).spawn();
    let mut process = process.expect("the binary was built with this test");
    // More than a pipe holds: when all is written, the process is reading, and then waits for more.
    let mut text = process.stdin.take().expect("it is piped");
    text.write_all("green house\n".repeat(100_000).as_bytes()).expect("the process reads");
    interrupt(process.id());
    let status = process.wait().expect("the process ends");
    assert_eq!(status.code(), Some(130));
    assert!(!world.path("endless").exists());
}

#[cfg(unix)]
#[test]
fn a_full_disk_costs_no_checkpoint() {
    let world = World::new();
    let line = format!("{PRETRAIN} --objective mlm --steps 8 --save-every 4 --out whole");
    world.succeed(&line);
    world.copy("whole", "full");
    std::fs::remove_dir_all(world.path("full/checkpoints/step-8")).expect("it was written");
    let model = std::fs::read(world.path("full/model/model.safetensors")).expect("it was written");

    // 16 blocks of 512 or 1024 bytes: metrics fit, weights do not. Ignored, SIGXFSZ becomes an error of write().
    let mut limited = std::process::Command::new("sh");
    let script = "trap '' XFSZ; ulimit -f 16; exec \"$0\" \"$@\"";
    limited.args(["-c", script, env!("CARGO_BIN_EXE_wgrad")]);
    limited.args(resume("full").split_whitespace());
    limited.current_dir(world.path("")).env("WGRAD_DEVICE", "cpu");
    let ended = super::world::Ended::of(&mut limited);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    for part in ["error: ", "full/checkpoints/step-8", "the last one is intact"] {
        assert!(ended.stderr.contains(part), "expected {part:?} in\n{}", ended.stderr);
    }
    assert_eq!(checkpoints(&world.path("full")), [4], "and no temporary");
    let after =
        std::fs::read(world.path("full/model/model.safetensors")).expect("it is still there");
    assert_eq!(model, after, "the model is as it was");

    world.succeed(&resume("full"));
    assert_equal(&world.path("whole"), &world.path("full"), 8);
}

#[test]
fn a_truncated_checkpoint_is_passed_over() {
    let world = World::new();
    world.succeed(&format!("{PRETRAIN} --objective mlm --steps 8 --save-every 4 --out whole"));
    world.copy("whole", "damaged");
    truncate(&world.path("damaged/checkpoints/step-8/optimizer.safetensors"));
    let told = world.succeed("pretrain --out damaged --resume").stderr;
    let warning = told.lines().find(|line| line.starts_with("warning: ")).unwrap_or_default();
    assert!(warning.contains("step-8") && warning.contains("100 bytes"), "{told}");
    assert!(told.lines().any(|line| line == "resuming after step 4"), "{told}");
    assert_equal(&world.path("whole"), &world.path("damaged"), 8);
}

#[test]
fn a_run_without_an_intact_checkpoint_is_not_begun_anew() {
    let world = World::new();
    world.succeed(&format!("{PRETRAIN} --objective mlm --steps 8 --save-every 4 --out run"));
    for step in [4, 8] {
        truncate(&world.path(&format!("run/checkpoints/step-{step}/optimizer.safetensors")));
    }
    let ended = world.run(&resume("run"));
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let is_one_line = ended.stderr.starts_with("error: ") && ended.stderr.lines().count() == 1;
    assert!(
        is_one_line && ended.stderr.contains("expected an intact checkpoint"),
        "{}",
        ended.stderr
    );
    assert_eq!(checkpoints(&world.path("run")), [4, 8]);
    assert_eq!(super::runs::last_step(&world.path("run")), 8, "the metrics are whole");
}

fn resume(out: &str) -> String {
    format!("pretrain --out {out} --resume --quiet")
}

fn truncate(path: &Path) {
    let file = std::fs::File::options().write(true).open(path).expect("it was written");
    file.set_len(100).expect("the temporary folder is writable");
}

#[cfg(unix)]
fn interrupt(process: u32) {
    let sent = std::process::Command::new("kill").args(["-INT", &process.to_string()]).status();
    assert!(sent.expect("kill is part of Unix").success());
}
