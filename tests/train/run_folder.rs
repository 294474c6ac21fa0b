//! run_folder: one writer, nothing overwritten, and a resume that finds what it needs.

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use wgrad::train::Error;
use wgrad::train::run_folder::RunFolder;

use super::{CHILD_FOLDER, child, names};

fn payload(text: &'static str) -> impl Fn(&Path) -> io::Result<()> {
    move |directory| {
        fs::create_dir(directory.join("optimizer"))?;
        fs::write(directory.join("optimizer/moments"), text)?;
        fs::write(directory.join("state"), text)
    }
}

#[test]
fn a_new_run_refuses_a_folder_with_something_in_it() {
    let parent = tempfile::tempdir().expect("a temporary folder");
    let root = parent.path().join("runs/first");
    let folder = RunFolder::create(&root).expect("a new folder");
    drop(folder);
    drop(RunFolder::create(&root).expect("a run that wrote nothing can be started again"));

    let folder = RunFolder::create(&root).expect("a new folder");
    folder.save_checkpoint(3, payload("three")).expect("writable");
    drop(folder);
    let error = RunFolder::create(&root).expect_err("there is a run").to_string();
    assert!(error.contains("checkpoints/step-3") && error.contains("--resume"), "{error}");

    let foreign = parent.path().join("thesis");
    fs::create_dir(&foreign).and_then(|()| fs::write(foreign.join("ch1.tex"), "")).expect("new");
    let error = RunFolder::create(&foreign).expect_err("somebody's work").to_string();
    assert!(error.contains("ch1.tex"), "{error}");
    assert_eq!(names(&foreign), ["ch1.tex"], "nothing may be put into somebody's folder");
}

#[test]
fn resuming_needs_a_run() {
    let parent = tempfile::tempdir().expect("a temporary folder");
    fs::write(parent.path().join("file"), "").expect("writable");
    fs::create_dir(parent.path().join("empty")).expect("writable");
    for (name, found) in [("missing", "nothing"), ("file", "a file"), ("empty", "neither")] {
        let error = RunFolder::resume(&parent.path().join(name)).expect_err("no run").to_string();
        assert!(error.contains(found) && error.contains(name), "{name}: {error}");
        assert_eq!(error.lines().count(), 1);
    }
    assert!(names(&parent.path().join("empty")).is_empty());
}

#[test]
fn a_second_process_is_turned_away_until_the_first_is_gone() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let mut holder = child("train::run_folder::hold_the_folder", root.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("this binary runs");
    let output = BufReader::new(holder.stdout.take().expect("piped"));
    let held = output.lines().map_while(Result::ok).any(|line| line.contains("held"));
    assert!(held, "the child did not get the folder");

    let error = RunFolder::create(root.path()).expect_err("held by the child");
    assert!(matches!(error, Error::Locked { .. }), "{error}");
    if cfg!(unix) {
        assert!(error.to_string().contains(&format!("process {}", holder.id())), "{error}");
    }
    assert!(matches!(RunFolder::resume(root.path()), Err(Error::Locked { .. })));

    holder.kill().expect("the child waits for its input");
    holder.wait().expect("the child was started here");
    RunFolder::resume(root.path()).expect("a killed process holds nothing");
}

#[test]
fn hold_the_folder() {
    let Some(root) = std::env::var_os(CHILD_FOLDER).map(PathBuf::from) else {
        return;
    };
    let _folder = RunFolder::create(&root).expect("an empty folder");
    println!("held");
    // Ends when the parent ends this process, or closes its input.
    let _ = io::stdin().read_line(&mut String::new());
}

#[test]
fn the_newest_checkpoints_are_kept() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let mut folder = RunFolder::create(root.path()).expect("an empty folder");
    assert_eq!(folder.latest_checkpoint().expect("listable"), None);
    for step in [8, 9, 10, 11] {
        folder.save_checkpoint(step, payload("content")).expect("writable");
    }
    assert_eq!(names(&root.path().join("checkpoints")), ["step-10", "step-11"]);
    folder.keep_checkpoints(1);
    folder.save_checkpoint(12, payload("content")).expect("writable");
    assert_eq!(names(&root.path().join("checkpoints")), ["step-12"]);

    let latest = folder.latest_checkpoint().expect("listable").expect("there is one");
    assert_eq!((latest.step, latest.path), (12, root.path().join("checkpoints/step-12")));
}

#[test]
fn a_checkpoint_that_cannot_be_written_costs_no_other() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let folder = RunFolder::create(root.path()).expect("an empty folder");
    folder.save_checkpoint(1, payload("one")).expect("writable");
    folder.save_checkpoint(2, payload("two")).expect("writable");
    let failed = folder.save_checkpoint(3, |directory| {
        payload("three")(directory)?;
        Err(io::Error::from(io::ErrorKind::StorageFull))
    });
    assert!(failed.is_err());
    assert_eq!(names(&root.path().join("checkpoints")), ["step-1", "step-2"]);
}

#[test]
fn damaged_checkpoints_are_passed_over() {
    type Damage = fn(&Path) -> io::Result<()>;
    let damages: [(&str, Damage); 5] = [
        ("truncated", |at| fs::write(at.join("optimizer/moments"), "tw")),
        ("file missing", |at| fs::remove_file(at.join("state"))),
        ("manifest missing", |at| fs::remove_file(at.join("manifest.json"))),
        ("manifest truncated", |at| fs::write(at.join("manifest.json"), "{\"step\":2,")),
        ("manifest of another step", |at| {
            let manifest = fs::read_to_string(at.join("manifest.json"))?;
            fs::write(at.join("manifest.json"), manifest.replace("\"step\": 2", "\"step\": 7"))
        }),
    ];
    for (name, damage) in damages {
        let root = tempfile::tempdir().expect("a temporary folder");
        let folder = RunFolder::create(root.path()).expect("an empty folder");
        folder.save_checkpoint(1, payload("one")).expect("writable");
        folder.save_checkpoint(2, payload("two")).expect("writable");
        assert_eq!(folder.latest_checkpoint().expect("listable").map(|c| c.step), Some(2));
        damage(&root.path().join("checkpoints/step-2")).expect("writable");
        let latest = folder.latest_checkpoint().expect("listable");
        assert_eq!(latest.map(|checkpoint| checkpoint.step), Some(1), "{name}");
    }
}

#[test]
fn a_run_whose_checkpoints_are_all_damaged_says_so_and_loses_none() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let folder = RunFolder::create(root.path()).expect("an empty folder");
    folder.save_checkpoint(1, payload("one")).expect("writable");
    folder.save_checkpoint(2, payload("two")).expect("writable");
    fs::remove_file(root.path().join("checkpoints/step-1/state")).expect("it was written");
    fs::write(root.path().join("checkpoints/step-2/state"), "").expect("writable");
    let error = folder.latest_checkpoint().expect_err("none is intact").to_string();
    for part in ["step-1: state: ", "step-2: state has 0 bytes, expected 3", "--out"] {
        assert!(error.contains(part), "expected {part:?} in {error:?}");
    }
    assert_eq!(error.lines().count(), 1);
    assert_eq!(names(&root.path().join("checkpoints")), ["step-1", "step-2"]);
}

#[test]
fn resuming_clears_what_a_kill_left_and_rewinds() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let folder = RunFolder::create(root.path()).expect("an empty folder");
    folder.save_checkpoint(2, payload("two")).expect("writable");
    folder.save_checkpoint(4, payload("four")).expect("writable");
    folder.save_model(payload("model")).expect("writable");
    let lines =
        "{\"step\":1,\"loss\":3.5}\n{\"step\":2,\"loss\":3}\n{\"step\":3,\"loss\":2.5}\n{\"st";
    fs::write(folder.metrics(), lines).expect("writable");
    fs::create_dir(root.path().join("checkpoints/.step-5.77-3.partial")).expect("writable");
    fs::rename(folder.model(), root.path().join(".model.aside")).expect("writable");
    drop(folder);

    let folder = RunFolder::resume(root.path()).expect("a run");
    assert_eq!(names(&root.path().join("checkpoints")), ["step-2", "step-4"]);
    assert_eq!(fs::read_to_string(folder.model().join("state")).expect("put back"), "model");
    folder.rewind(2).expect("writable");
    let metrics = fs::read_to_string(folder.metrics()).expect("it was there");
    assert_eq!(metrics, "{\"step\":1,\"loss\":3.5}\n{\"step\":2,\"loss\":3}\n");
    assert_eq!(folder.latest_checkpoint().expect("listable").map(|c| c.step), Some(2));
}
