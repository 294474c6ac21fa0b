//! Runs that are killed, stopped by Ctrl-C or out of disk, and go on as if nothing had been.

use std::path::Path;

use super::runs::{assert_equal, checkpoints, start_until};
use super::world::{PRETRAIN, World};

/// Steps of a run: more than ten epochs.
const STEPS: u64 = 300;

/// A run that takes a second or so, with checkpoints and evaluations out of step with each other and with epochs.
fn command(out: &str) -> String {
    let every = "--save-every 20 --eval-every 7";
    format!("{PRETRAIN} --objective mlm --steps {STEPS} {every} --out {out}")
}

#[test]
fn a_run_that_is_killed_again_and_again_ends_in_the_same_bytes() {
    let world = World::new();
    world.succeed(&command("whole"));
    let run = world.path("killed");
    // Before the first checkpoint, in the middle of an epoch, and near the end.
    for (at, line) in [(4, command("killed")), (47, resume("killed")), (111, resume("killed"))] {
        let mut process = start_until(&mut world.wgrad(&line), &run, at);
        process.kill().expect("the process still runs");
        let status = process.wait().expect("the process was killed");
        assert_eq!(status.code(), None, "killed at step {at}, not ended");
    }
    world.succeed(&resume("killed"));
    assert_equal(&world.path("whole"), &run, STEPS);
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

#[test]
fn a_fine_tuning_goes_on_by_its_own_recipe() {
    let world = World::new();
    world.pretrained("start", "mlm");
    let command = "finetune --data beir --init start/model --batch-size 8 --steps 6 --save-every 4";
    world.succeed(&format!("{command} --quiet --out run"));
    world.copy("run", "killed");
    std::fs::remove_dir_all(world.path("killed/checkpoints/step-6")).expect("it was written");
    world.succeed("finetune --out killed --resume --quiet");
    assert_equal(&world.path("run"), &world.path("killed"), 6);
}

#[cfg(unix)]
#[test]
fn ctrl_c_writes_a_checkpoint_that_goes_on_to_the_same_bytes() {
    let world = World::new();
    world.succeed(&command("whole"));
    let run = world.path("stopped");
    // In the middle of an epoch, then where an evaluation is due, as near as signals allow.
    for (at, line) in [(25, command("stopped")), (90, resume("stopped"))] {
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
    world.succeed(&resume("damaged"));
    assert_equal(&world.path("whole"), &world.path("damaged"), 8);
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
