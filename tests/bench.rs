//! `wgrad bench`: its JSON carries what scripts rely on, and its numbers hang together.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// stdout of `wgrad bench …` on the CPU, as JSON.
fn bench(arguments: &[&str]) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_wgrad"))
        .arg("bench")
        .args(arguments)
        .args(["--device", "cpu", "--quiet", "--json"])
        .output()
        .expect("the binary was built with this test");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {errors}");
    serde_json::from_slice(&output.stdout).expect("stdout is one JSON object")
}

fn number(row: &Value, key: &str) -> f64 {
    row[key].as_f64().unwrap_or_else(|| panic!("{key} is {}, expected a number", row[key]))
}

#[test]
fn kernels_report_every_column() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let page = folder.path().join("kernels.html");
    let html = page.to_str().expect("temporary folders have plain names");
    let filter = ["--filter", "add.bert_tiny_hidden", "--seconds", "0.05"];
    let report = bench(&[&["kernels", "--html", html], &filter[..]].concat());
    let page = std::fs::read_to_string(&page).expect("the page was written");
    for part in ["<svg", "<td class=\"text\">add.bert_tiny_hidden</td>", "roof %"] {
        assert!(page.contains(part), "{part} in the page");
    }
    let rows = report["rows"].as_array().expect("rows");
    let [row] = &rows[..] else { panic!("{} rows", rows.len()) };
    assert_eq!(row["name"], "add.bert_tiny_hidden");
    assert_eq!(row["shape"], "[131072]");
    let seconds = number(row, "median_seconds");
    assert!(seconds > 0.0 && number(row, "minimum_seconds") <= seconds);
    // One FLOP and three words an element.
    let close = |key, expected: f64| {
        assert!((number(row, key) / expected - 1.0).abs() < 1e-6, "{key} is {}", row[key]);
    };
    close("gflops", 131_072.0 / seconds / 1e9);
    close("gbytes_per_second", 12.0 * 131_072.0 / seconds / 1e9);
    let roofline = &report["roofline"];
    assert!(number(roofline, "product_gflops") > 0.0);
    let share = |key| number(row, key) / number(roofline, key);
    close("roofline_share", share("gflops").max(share("gbytes_per_second")));
    assert_eq!(number(row, "workspace_bytes"), 0.0);
    assert!(number(row, "max_relative_error") < 1e-7);
}

#[test]
fn steps_train_every_objective() {
    // A fresh model guesses evenly: ln 30,522 a term; a bag of words weighs a tenth, ELECTRA's coins 50 times ln 2.
    let (even, coin) = (30_522_f64.ln(), 50.0 * 2_f64.ln());
    let losses = [
        ("mlm", even),
        ("retromae", 2.0 * even),
        ("dupmae", 2.1 * even),
        ("condenser", 2.0 * even),
        ("cocondenser", 2.0 * even),
        ("electra", even + coin),
        ("xlnet", even),
        ("clm", even),
    ];
    let folder = tempfile::tempdir().expect("a temporary folder");
    let trace = folder.path().join("trace.json");
    let profile = format!("--profile={}", trace.to_str().expect("a plain name"));
    for (objective, expected) in losses {
        let sizes = ["--batch-size", "2", "--length", "16", "--steps", "1"];
        let step = ["step", "--objective", objective, &profile];
        let report = bench(&[&step, &sizes[..]].concat());
        let row = &report["rows"][0];
        assert_eq!(row["name"], format!("{objective}.tiny"));
        assert!(number(row, "median_seconds") > 0.0 && number(row, "gflops") > 0.0);
        let loss = number(row, "loss");
        assert!((loss - expected).abs() < 0.1 * expected, "{objective}: {loss}, {expected}");
        // Parameters, gradients and two moments.
        assert!(number(row, "peak_bytes") > 16.0 * number(row, "parameters"));
        let share = number(row, "gflops") / number(row, "peak_gflops");
        assert!((number(row, "roofline_share") / share - 1.0).abs() < 1e-6);
        // ELECTRA's draws take the product of its 4 labels with the vocabulary once more.
        let drawn = if objective == "electra" { 4.0 * 2.0 * 128.0 * 30_522.0 } else { 0.0 };
        let ratio = (flops_of_products(&trace) - drawn) / number(row, "flops");
        assert!((0.95..1.05).contains(&ratio), "{objective}: {ratio} of the formula");
    }
}

/// FLOPs of one of three steps by what each kernel counts. What attention's backward computes again is left out: it
/// would be twice the forward.
fn flops_of_products(trace: &Path) -> f64 {
    let trace = std::fs::read_to_string(trace).expect("a trace");
    let trace: Value = serde_json::from_str(&trace).expect("JSON");
    let flops = |event: &Value| {
        let times = match event["name"].as_str().unwrap_or_default() {
            name if name.starts_with("matmul") => 1.0,
            name if name.starts_with("token_max_pool.backward") => 1.0,
            "attention.forward" | "attention_relative.forward" => 3.0,
            _ => return 0.0,
        };
        times * number(&event["args"], "flops")
    };
    let events = trace["traceEvents"].as_array().expect("events");
    events.iter().map(flops).sum::<f64>() / 3.0
}

/// Kernels that only move have no place on a roofline, but in the table.
#[test]
fn a_page_without_flops_has_no_picture() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let page = folder.path().join("kernels.html");
    let html = page.to_str().expect("temporary folders have plain names");
    bench(&["kernels", "--html", html, "--filter", "gather_rows", "--seconds", "0"]);
    let page = std::fs::read_to_string(&page).expect("the page was written");
    assert!(page.contains("<td class=\"text\">gather_rows.") && !page.contains("<svg"), "{page}");
}

#[test]
fn kernels_are_timed_by_timestamps_where_profiled() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let trace = folder.path().join("trace.json");
    let trace = format!("--profile={}", trace.to_str().expect("a plain name"));
    let filter = ["--filter", "add.bert_tiny_hidden", "--seconds", "0.05"];
    let report = bench(&[&["kernels", &trace], &filter[..]].concat());
    let row = &report["rows"][0];
    let (median, minimum) =
        (number(row, "kernel_median_seconds"), number(row, "kernel_minimum_seconds"));
    assert!(0.0 < minimum && minimum <= median, "{row}");
    let trace = std::fs::read_to_string(trace.trim_start_matches("--profile=")).expect("a trace");
    let trace: Value = serde_json::from_str(&trace).expect("JSON");
    let events = trace["traceEvents"].as_array().expect("events");
    assert!(events.iter().any(|event| event["name"] == "add.forward"));
}

#[test]
fn a_filter_names_steps() {
    let sizes = ["--filter", "mae.tiny", "--batch-size", "1", "--length", "16", "--steps", "1"];
    let report = bench(&[&["step"], &sizes[..]].concat());
    let names: Vec<_> =
        report["rows"].as_array().expect("rows").iter().map(|row| &row["name"]).collect();
    assert_eq!(names, ["retromae.tiny", "dupmae.tiny"]);
}

#[test]
fn an_unknown_case_is_named() {
    let output = Command::new(env!("CARGO_BIN_EXE_wgrad"))
        .args(["bench", "kernels", "--filter", "no such case"])
        .output()
        .expect("the binary was built with this test");
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.starts_with("error: no case contains `no such case`"), "{error}");
}
