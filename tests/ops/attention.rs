//! attention: the twin against differences, every device against the twin, and what masks and dropout must not do.

mod cooperative;
mod forced;
mod problem;

use std::sync::LazyLock;

use wgrad_engine::Device;
use wgrad_engine::device::Format;
use wgrad_engine::testing::{assert_close, central_difference, devices, dot, wide};

use forced::Forced;
use problem::{Extents, Hidden, Problem, assert_all_close};

/// Opened once: every test runs the same few pipelines, and compiling them is most of their time.
static DEVICES: LazyLock<Vec<Device>> = LazyLock::new(devices);

/// One element, no multiple of any tile, other lengths of queries and keys.
const SMALL: [Extents; 4] = [[1, 1, 1, 1, 4], [2, 3, 3, 2, 8], [2, 5, 3, 1, 12], [2, 3, 6, 2, 4]];

const MASKS: [Hidden; 5] =
    [Hidden::Nothing, Hidden::Padding, Hidden::Future, Hidden::Bits, Hidden::All];

#[test]
fn twin_backward_matches_finite_differences() {
    for extents in SMALL {
        for hidden in MASKS {
            for probability in [0.0, 0.5] {
                let problem = Problem::new(extents, hidden, probability);
                let [q, k, v, dy] =
                    [&problem.q, &problem.k, &problem.v, &problem.dy].map(|values| wide(values));
                let loss =
                    |q: &[f64], k: &[f64], v: &[f64]| dot(&problem.forward64(q, k, v).0, &dy);
                let [_, dq, dk, dv] = problem.expected();
                let context = format!("{extents:?} {hidden:?} dropout {probability}");
                let numeric = central_difference(|q| loss(q, &k, &v), &q);
                assert_close(&dq, &numeric, 1e-7, &format!("{context} dq"));
                let numeric = central_difference(|k| loss(&q, k, &v), &k);
                assert_close(&dk, &numeric, 1e-7, &format!("{context} dk"));
                let numeric = central_difference(|v| loss(&q, &k, v), &v);
                assert_close(&dv, &numeric, 1e-7, &format!("{context} dv"));
            }
        }
    }
}

/// One short of a tile, one over, every chunk count of the head's width, cross attention, widths off a chunk.
const SHAPES: [Extents; 8] = [
    [2, 3, 5, 2, 8],
    [1, 65, 65, 2, 32],
    [2, 33, 70, 1, 64],
    [1, 70, 31, 1, 100],
    [1, 40, 66, 1, 128],
    [3, 64, 64, 1, 36],
    [1, 130, 70, 1, 40],
    [1, 66, 130, 1, 72],
];

#[test]
fn devices_match_twin() {
    for device in DEVICES.iter() {
        for extents in SHAPES {
            for hidden in [Hidden::Nothing, Hidden::All] {
                for probability in [0.0, 0.1] {
                    let problem = Problem::new(extents, hidden, probability);
                    problem.check(device, 3e-6, &format!("{hidden:?} dropout {probability}"));
                }
            }
        }
        for hidden in [Hidden::Padding, Hidden::Future, Hidden::Bits] {
            let problem = Problem::new([2, 66, 66, 2, 16], hidden, 0.0);
            problem.check(device, 3e-6, &format!("{hidden:?}"));
        }
    }
}

/// How far results may be from the twin's, of the largest: weights, their gradients and results are rounded to f16.
fn tolerance(format: Format) -> f64 {
    if format == Format::Half { 1.0 / 512.0 } else { 3e-6 }
}

/// The tiled kernels of hardware adapters and the fused walk of the CPU, on devices that would choose others.
#[test]
fn kernels_not_chosen_here_match_twin() {
    let cases = [
        ([1, 65, 33, 2, 32], Hidden::Nothing),
        ([2, 33, 70, 1, 64], Hidden::All),
        ([1, 70, 31, 1, 100], Hidden::Future),
        ([1, 20, 40, 1, 128], Hidden::Bits),
        ([3, 5, 5, 2, 8], Hidden::Padding),
    ];
    for device in DEVICES.iter().filter(|device| !device.is_cpu()) {
        for format in [Format::Word, Format::Half] {
            for (extents, hidden) in cases.iter().filter(|_| device.supports(format)) {
                let mut problem = Problem::new(*extents, *hidden, 0.1);
                let [two_walks, one_walk] = Forced::new(device, &mut problem, format).tiled();
                let (expected, within) = (problem.expected(), tolerance(format));
                let context = format!("{device:?} {format:?} {extents:?} {hidden:?}");
                assert_all_close(&two_walks, &expected, within, &format!("{context} tiled"));
                assert_all_close(&one_walk, &expected, within, &format!("{context} fused"));
            }
        }
    }
}

#[test]
fn rows_that_see_nothing_are_zero_with_zero_gradients() {
    for device in DEVICES.iter() {
        for width in [8, 64, 72] {
            let mut problem = Problem::new([2, 3, 5, 1, width], Hidden::Padding, 0.0);
            problem.lengths = vec![5, 0];
            let [y, dq, dk, dv] = problem.run(device);
            for (values, name) in [(y, "y"), (dq, "dq"), (dk, "dk"), (dv, "dv")] {
                let (seen, hidden) = values.split_at(values.len() / 2);
                let context = format!("{device:?} {width} {name}");
                assert!(seen.iter().all(|x| x.is_finite() && *x != 0.0), "{context}");
                assert!(hidden.iter().all(|x| *x == 0.0), "{context}");
            }
        }
    }
}

#[test]
fn a_single_visible_key_passes_its_value() {
    for device in DEVICES.iter() {
        let mut problem = Problem::new([2, 4, 7, 2, 8], Hidden::Padding, 0.0);
        problem.lengths = vec![1, 1];
        let [y, dq, dk, _] = problem.run(device);
        let row = 2 * 8;
        for (item, y) in y.chunks_exact(4 * row).enumerate() {
            for y in y.chunks_exact(row) {
                assert_close(y, &wide(&problem.v[item * 7 * row..][..row]), 1e-6, "v of key 0");
            }
        }
        // The weight is 1 whatever the score.
        assert!(dq.iter().chain(&dk).all(|x| x.abs() < 1e-5), "{device:?}");
    }
}

/// What lies behind the length, behind the diagonal or in another item has no influence on any bit.
#[test]
fn hidden_columns_have_no_influence() {
    for device in DEVICES.iter() {
        for hidden in [Hidden::Padding, Hidden::Future, Hidden::Bits] {
            let extents = [2, 40, 40, 1, 16];
            let problem = Problem::new(extents, hidden, 0.1);
            let mut other = Problem::new(extents, hidden, 0.1);
            let (item, i) = match hidden {
                Hidden::Padding => (1, 7),
                _ => (0, 7),
            };
            let sees = |j: usize| match hidden {
                Hidden::Padding => j < problem.lengths[item] as usize,
                Hidden::Future => j <= i,
                _ => problem.bits[(item * 40 + i) * 2 + j / 32] >> (j % 32) & 1 == 1,
            };
            for j in (0..40).filter(|&j| !sees(j)) {
                for c in 0..16 {
                    other.k[(item * 40 + j) * 16 + c] = 1e3;
                    other.v[(item * 40 + j) * 16 + c] = -1e3;
                }
            }
            let at = (item * 40 + i) * 16..(item * 40 + i + 1) * 16;
            let ([y, dq, ..], [y2, dq2, ..]) = (problem.run(device), other.run(device));
            assert_eq!(y[at.clone()], y2[at.clone()], "{device:?} {hidden:?} y");
            assert_eq!(dq[at.clone()], dq2[at], "{device:?} {hidden:?} dq");
        }
    }
}

#[test]
fn items_may_change_places() {
    for device in DEVICES.iter() {
        let problem = Problem::new([2, 9, 9, 2, 8], Hidden::Padding, 0.0);
        let mut swapped = Problem::new([2, 9, 9, 2, 8], Hidden::Padding, 0.0);
        swapped.lengths.reverse();
        let half = 9 * 2 * 8;
        for values in [&mut swapped.q, &mut swapped.k, &mut swapped.v, &mut swapped.dy] {
            values.rotate_left(half);
        }
        for (mut expected, actual) in problem.run(device).into_iter().zip(swapped.run(device)) {
            expected.rotate_left(half);
            assert_eq!(expected, actual, "{device:?}");
        }
    }
}

#[test]
fn huge_scores_stay_finite() {
    for device in DEVICES.iter() {
        let mut problem = Problem::new([1, 6, 35, 1, 8], Hidden::Future, 0.0);
        let largest = 1e4 * 8_f32.sqrt() / 8.0;
        // Scores of ±10⁴: each row has one or several largest, all other weights are 0 in f32.
        problem.q.iter_mut().for_each(|q| *q = largest.copysign(*q));
        problem.k.chunks_exact_mut(8).enumerate().for_each(|(j, k)| {
            k.fill(if j % 3 == 0 { 1.0 } else { -1.0 });
        });
        problem.check(device, 1e-4, "scores of 10⁴");
    }
}

#[test]
fn dropout_drops_its_share_and_keeps_the_mean() {
    for device in DEVICES.iter() {
        // Equal scores and v = 1: y is the mean of z over the keys.
        let mut problem = Problem::new([2, 64, 256, 2, 4], Hidden::Nothing, 0.25);
        problem.q.fill(0.0);
        problem.v.fill(1.0);
        let [y, ..] = problem.run(device);
        let rows: Vec<f64> = y.chunks_exact(4).map(|y| f64::from(y[0])).collect();
        let mean = rows.iter().sum::<f64>() / rows.len() as f64;
        let variance = rows.iter().map(|y| (y - mean).powi(2)).sum::<f64>() / rows.len() as f64;
        // z has variance p/(1 − p) = 1/3; 256 keys a row, 256 rows; three and four standard errors.
        let expected = 1.0 / 3.0 / 256.0;
        assert!((mean - 1.0).abs() < 3.0 * (expected / 256.0_f64).sqrt(), "{device:?} mean {mean}");
        assert!((variance / expected - 1.0).abs() < 4.0 * (2.0 / 256.0_f64).sqrt(), "{variance}");
    }
}

/// 4,096 tokens: no loop is cut short (llvmpipe leaves them after 65,535 rounds), and nothing is T × T.
#[test]
fn long_texts_need_memory_by_length_alone() {
    let (tokens, width) = (4096, 64);
    let problem = Problem::new([1, tokens, tokens, 1, width], Hidden::Padding, 0.0);
    let expected = problem.run(&Device::cpu());
    for device in DEVICES.iter().filter(|device| !device.is_cpu()) {
        device.reset_peak();
        let before = device.memory().live;
        let actual = problem.run(device);
        for (actual, expected) in actual.iter().zip(&expected) {
            assert_close(actual, &wide(expected), 1e-5, &format!("{device:?}"));
        }
        // q, k, v, dy, y and three gradients, and three floats a row.
        let bytes = device.memory().peak - before;
        let formula = 4 * (8 * tokens * width + 3 * tokens) as u64;
        assert!(bytes < formula * 5 / 4, "{device:?}: {bytes} bytes, expected about {formula}");
    }
}

/// Just below and above where an emulated GPU's one walk would run into the end of llvmpipe's loops, and exactly there.
/// Dropout makes the rounds as many as they get.
#[test]
fn one_walk_ends_before_the_loops_do() {
    for [queries, keys, width] in [[704, 704, 64], [705, 705, 64], [832, 1120, 24]] {
        let problem = Problem::new([1, queries, keys, 1, width], Hidden::Nothing, 0.1);
        let expected = problem.run(&Device::cpu());
        for device in DEVICES.iter().filter(|device| !device.is_cpu()) {
            for (actual, expected) in problem.run(device).iter().zip(&expected) {
                let context = format!("{device:?} {queries} × {keys} × {width}");
                assert_close(actual, &wide(expected), 1e-5, &context);
            }
        }
    }
}

/// Each gradient alone is that of all together, whichever kernels make it.
#[test]
fn what_is_not_wanted_changes_nothing_else() {
    for device in DEVICES.iter() {
        let problem = Problem::new([2, 33, 70, 2, 32], Hidden::All, 0.1);
        let [_, all @ ..] = problem.run(device);
        for (wanted, expected) in all.iter().enumerate() {
            let alone = problem.gradient(device, wanted);
            assert_close(&alone, &wide(expected), 1e-5, &format!("{device:?} {wanted}"));
        }
    }
}

#[test]
fn two_runs_give_the_same_bits() {
    for device in DEVICES.iter() {
        let problem = Problem::new([2, 70, 70, 2, 32], Hidden::All, 0.1);
        assert_eq!(problem.run(device), problem.run(device), "{device:?}");
    }
}
