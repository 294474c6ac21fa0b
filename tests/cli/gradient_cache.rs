//! `--set cache_chunk=N`: the same run to rounding, in the memory of N rows.

use wgrad::train::metrics::{Record, read};

use super::world::{PRETRAIN, World};

/// Weights differ by rounding after the first step, and each step adds to it.
const ROUNDING: f64 = 1e-4;

#[test]
fn a_run_with_the_gradient_cache_has_the_same_curve() {
    let world = World::new();
    world.pretrained("start", "mlm");
    let spans = PRETRAIN.replace("--max-length 24", "--max-length 10");
    let finetune = "finetune --data beir --init start/model --batch-size 8 --quiet";
    for (out, command) in [
        ("cocondenser", format!("{spans} --objective cocondenser --set accumulate=2")),
        ("contrastive", format!("{finetune} --set group_size=2")),
    ] {
        world.succeed(&format!("{command} --steps 6 --eval-every 3 --out {out}"));
        let cached = format!("{command} --steps 6 --eval-every 3 --set cache_chunk=3");
        world.succeed(&format!("{cached} --out {out}-cached"));
        let records = |run: &str| -> Vec<Record> {
            let records = read(&world.path(run).join("metrics.jsonl")).expect("a run has metrics");
            records.into_iter().map(Record::without_clock).collect()
        };
        let (whole, cached) = (records(out), records(&format!("{out}-cached")));
        assert_eq!(whole.len(), cached.len(), "{out}");
        for (whole, cached) in whole.iter().zip(&cached) {
            assert_eq!(whole.values.len(), cached.values.len(), "{out}: {whole:?}, {cached:?}");
            for ((name, of_whole), (again, of_cached)) in whole.values.iter().zip(&cached.values) {
                assert_eq!(name, again, "{out} at step {}", whole.step);
                let error = (of_whole - of_cached).abs() / of_whole.abs().max(1.0);
                assert!(
                    error <= ROUNDING,
                    "{out} at step {}: {name} {of_whole}, {of_cached}",
                    whole.step
                );
            }
        }
    }
}

#[test]
fn documents_of_one_span_are_no_examples() {
    let world = World::new();
    let ended = world.run(&format!("{PRETRAIN} --objective cocondenser --steps 2 --out run"));
    assert_eq!(ended.code, Some(1));
    for part in ["error: ", "cocondenser", "two spans", "--max-length"] {
        assert!(ended.stderr.contains(part), "expected {part:?} in\n{}", ended.stderr);
    }
}
