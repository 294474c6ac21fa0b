//! metrics: lines that read back, survive a kill, and equal for equal runs; events as TensorBoard writes them.

use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use wgrad::train::metrics::{Metrics, Record, read, truncate_after};
use wgrad::train::tensorboard::EventWriter;

fn at(seconds: f64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs_f64(seconds)
}

#[test]
fn values_are_written_in_order_and_no_longer_than_needed() {
    let record = Record::new(7)
        .with("tokens", 16_777_217.0)
        .with("seconds", 0.125)
        .with("learning_rate", 1e-4_f32)
        .with("loss", 0.3_f32)
        .with("loss_decoder", f64::NAN)
        .with("probe_mrr@10", 0.1);
    let expected = "{\"step\":7,\"tokens\":16777217,\"seconds\":0.125,\"learning_rate\":0.0001,\
                    \"loss\":0.3,\"loss_decoder\":null,\"probe_mrr@10\":0.1}";
    assert_eq!(record.to_json(), expected);
    let json: serde_json::Value = serde_json::from_str(expected).expect("it is JSON");
    assert_eq!(json["loss"].as_f64().map(|loss| loss as f32), Some(0.3));
}

#[test]
fn equal_runs_write_equal_lines_but_for_the_clock() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let run = |name: &str, clock: f64| {
        let path = folder.path().join(name);
        let events = folder.path().join(format!("{name}-events"));
        let mut metrics = Metrics::open(&path, &events, 0, at(clock)).expect("writable");
        for step in 1..=3 {
            let seconds = clock * step as f64;
            let record = Record::new(step).with("seconds", seconds).with("loss", 9.0 / step as f32);
            metrics.append(&record, at(clock + seconds)).expect("writable");
        }
        metrics.sync().expect("writable");
        read(&path).expect("just written")
    };
    let (a, b) = (run("a", 1.5), run("b", 2.5));
    assert_ne!(a, b);
    let without = |records: Vec<Record>| -> Vec<Record> {
        records.into_iter().map(Record::without_clock).collect()
    };
    assert_eq!(without(a.clone()), without(b));
    assert_eq!(a[2].get("loss"), Some(3.0));
}

#[test]
fn a_kill_in_the_middle_of_a_line_and_a_rewind() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("metrics.jsonl");
    truncate_after(&path, 3).expect("no file is fine");
    let whole =
        "{\"step\":1,\"loss\":2}\n{\"step\":2,\"loss\":null}\n{\"step\":2,\"heldout_loss\":3}\n";
    fs::write(&path, format!("{whole}{{\"step\":3,\"loss\":1}}\n{{\"step\":4,\"lo"))
        .expect("writable");
    assert_eq!(read(&path).expect("readable").len(), 4);
    truncate_after(&path, 2).expect("readable");
    assert_eq!(fs::read_to_string(&path).expect("readable"), whole);
    assert!(read(&path).expect("readable")[1].get("loss").expect("present").is_nan());
    truncate_after(&path, 0).expect("readable");
    assert_eq!(fs::read_to_string(&path).expect("readable"), "");
}

#[test]
fn a_broken_line_is_named() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("metrics.jsonl");
    for broken in
        ["{\"loss\":1}", "{\"step\":2,\"loss\":\"low\"}", "step 2", "[1]", "{\"step\":-1}"]
    {
        let text = format!("{{\"step\":1}}\n{broken}\n{{\"step\":3}}\n");
        fs::write(&path, &text).expect("writable");
        let error = truncate_after(&path, 1).expect_err(broken).to_string();
        assert!(error.contains("metrics.jsonl:2: expected"), "{broken}: {error}");
        assert_eq!(fs::read_to_string(&path).expect("untouched"), text);
    }
}

/// The bytes TensorBoard 2.21.0 (protobuf 7.36.2) writes with its `RecordWriter` for the same three events.
const BY_TENSORBOARD: &str = "\
    1800000000000000a37f4b220900001040fc54d9411a0d627261696e2e4576656e743a32338d2fe9\
    0f000000000000006d532b090900001040fc54d94110653a02080159da2f782700000000000000bb\
    e1b1460900006040fc54d94110652a1a0a0b0a046c6f737315000020400a0b0a047a65726f150000\
    000034368cfd";

#[test]
fn event_files_equal_those_of_tensorboard() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let start = 1_700_000_000.25;
    let mut writer = EventWriter::start(folder.path(), 100, at(start)).expect("writable");
    writer.scalars(101, at(start + 1.25), [("loss", 2.5), ("zero", 0.0)]).expect("writable");
    let name = "events.out.tfevents.1700000000.250000000.wgrad";
    let bytes = fs::read(folder.path().join(name)).expect("that is its name");
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, BY_TENSORBOARD);
}

#[test]
fn a_resumed_run_gets_an_event_file_of_its_own() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (step, time) in [(0, 5.0), (10, 6.5)] {
        EventWriter::start(folder.path(), step, at(time)).expect("writable");
    }
    let names = super::names(folder.path());
    assert_eq!(names.len(), 2, "{names:?}");
    let lengths: Vec<u64> = names
        .iter()
        .map(|name| fs::metadata(folder.path().join(name)).expect("listed").len())
        .collect();
    assert!(lengths[0] < lengths[1], "the second says which steps it replaces: {lengths:?}");
}
