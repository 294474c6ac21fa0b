//! Schedules against the values of Hugging Face's formulas, worked out by hand.

use wgrad_engine::schedule::{Decay, Schedule};

fn schedule(decay: Decay) -> Schedule {
    Schedule { peak: 2.0, warmup_steps: 4, total_steps: 12, decay }
}

#[test]
fn schedules_match_their_formulas() {
    let half = 0.5_f64.sqrt();
    let cases = [
        // step/4 up to the peak, then (12 − step)/8, then 0.
        (Decay::Linear, [(0, 0.0), (1, 0.5), (4, 2.0), (6, 1.5), (11, 0.25), (12, 0.0), (15, 0.0)]),
        // (1 + cos(π·(step − 4)/8)): cos of 0, π/4, π/2, 3π/4, π.
        (
            Decay::Cosine,
            [(2, 1.0), (3, 1.5), (4, 2.0), (6, 1.0 + half), (8, 1.0), (10, 1.0 - half), (12, 0.0)],
        ),
        (
            Decay::Constant,
            [(0, 0.0), (2, 1.0), (3, 1.5), (4, 2.0), (8, 2.0), (12, 2.0), (1000, 2.0)],
        ),
    ];
    for (decay, points) in cases {
        for (step, expected) in points {
            let rate = f64::from(schedule(decay).at(step));
            assert!((rate - expected).abs() < 1e-6, "{decay:?} at {step}: {rate}, not {expected}");
        }
    }
}

#[test]
fn without_warmup_the_first_step_has_the_peak() {
    let schedule = Schedule { warmup_steps: 0, ..schedule(Decay::Linear) };
    assert_eq!(schedule.at(0), 2.0);
    assert_eq!(schedule.at(6), 1.0);
}
