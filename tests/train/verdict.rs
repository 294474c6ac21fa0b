//! verdict: what is said at the end of a run.

use wgrad::train::metrics::Record;
use wgrad::train::verdict::verdicts;

fn records(name: &str, values: &[f64]) -> Vec<Record> {
    let record = |(at, value): (usize, &f64)| Record::new(10 * (at as u64 + 1)).with(name, *value);
    values.iter().enumerate().map(record).collect()
}

#[test]
fn the_best_evaluation_is_named() {
    for (name, values, expected) in [
        (
            "heldout_loss",
            &[3.0, 2.0, 1.0][..],
            "heldout_loss is best at the end (1.0000): more steps may help",
        ),
        ("heldout_loss", &[3.0, 1.0, 2.0], "heldout_loss was best at step 20 (1.0000), now 2.0000"),
        (
            "heldout_loss",
            &[1.0, f64::NAN, 2.0],
            "heldout_loss was best at first, step 10 (1.0000), now 2.0000: lower the rate?",
        ),
        (
            "probe_mrr@10",
            &[0.1, 0.3],
            "probe_mrr@10 is best at the end (0.3000): more steps may help",
        ),
        ("probe_mrr@10", &[0.1, 0.3, 0.2], "probe_mrr@10 was best at step 20 (0.3000), now 0.2000"),
        // Of equal ones the earliest: nothing was gained since.
        ("probe_mrr@10", &[0.1, 0.3, 0.3], "probe_mrr@10 was best at step 20 (0.3000), now 0.3000"),
    ] {
        assert_eq!(verdicts(&records(name, values)), [expected], "{values:?}");
    }
}

#[test]
fn what_was_measured_once_has_no_verdict() {
    assert!(verdicts(&records("heldout_loss", &[1.0])).is_empty());
    assert!(verdicts(&records("loss", &[3.0, 2.0])).is_empty());
    assert!(verdicts(&[]).is_empty());
}
