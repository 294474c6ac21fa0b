//! When to stop: at which step each evaluation of a run was best, and what that says.

use super::metrics::Record;

/// One line for each held-out loss and each retrieval probe that was measured at least twice.
///
/// A held-out loss is best where it is lowest, a probe where it is highest; of equal values the earliest counts.
pub fn verdicts(records: &[Record]) -> Vec<String> {
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in records.iter().flat_map(|record| &record.values) {
        let is_evaluation = name.starts_with("heldout_") || name.starts_with("probe_");
        if is_evaluation && !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    names.into_iter().filter_map(|name| verdict(name, records)).collect()
}

fn verdict(name: &str, records: &[Record]) -> Option<String> {
    let falls = name.starts_with("heldout_");
    let points: Vec<(u64, f64)> = records
        .iter()
        .filter_map(|record| Some((record.step, record.get(name)?)))
        .filter(|(_, value)| value.is_finite())
        .collect();
    let [first, .., last] = points[..] else { return None };
    let better = |a: f64, b: f64| if falls { a < b } else { a > b };
    let best = points.iter().fold(
        first,
        |best, &point| {
            if better(point.1, best.1) { point } else { best }
        },
    );
    let (step, value) = best;
    Some(if best == last {
        format!("{name} is best at the end ({value:.4}): more steps may help")
    } else if best == first {
        let now = last.1;
        format!("{name} was best at first, step {step} ({value:.4}), now {now:.4}: lower the rate?")
    } else {
        format!("{name} was best at step {step} ({value:.4}), now {:.4}", last.1)
    })
}
