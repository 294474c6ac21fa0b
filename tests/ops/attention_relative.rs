//! attention_relative: twins against the paper's code and differences, every device against the twins, and who sees what.

mod chunks;
mod problem;
mod tiles;
mod twins;

use std::sync::LazyLock;

use wgrad_engine::Device;
use wgrad_engine::device::Format;
use wgrad_engine::testing::{assert_close, central_difference, devices, dot, wide};

use problem::{Case, NAMES, Problem};

/// Opened once: every test runs the same few pipelines, and compiling them is most of their time.
static DEVICES: LazyLock<Vec<Device>> = LazyLock::new(devices);

/// One element, odd sizes, memory, every mask and option alone and together, some tokens as queries.
const SMALL: [Case; 9] = [
    Case::plain([1, 0, 1, 1, 1]),
    Case::plain([2, 3, 4, 2, 3]),
    Case { segments: true, ..Case::plain([2, 0, 5, 2, 4]) },
    Case { lengths: true, ..Case::plain([2, 2, 5, 1, 2]) },
    Case { causal: true, ..Case::plain([2, 2, 4, 2, 3]) },
    Case { bits: true, probability: 0.5, ..Case::plain([2, 1, 4, 2, 2]) },
    Case { picked: 3, segments: true, ..Case::plain([2, 2, 5, 1, 4]) },
    Case::full([2, 3, 5, 2, 3]),
    Case { picked: 4, ..Case::full([3, 2, 7, 2, 2]) },
];

#[test]
fn twins_give_what_the_code_of_the_paper_gives() {
    for case in SMALL {
        let problem = Problem::new(case);
        let inputs = problem.wide_inputs();
        let [y, ..] = problem.by_twins(&inputs);
        assert_close(&y, &problem.composed(&inputs), 1e-12, &format!("{case:?}"));
    }
}

#[test]
fn twins_backward_matches_finite_differences() {
    for case in SMALL {
        let problem = Problem::new(case);
        let (inputs, dy) = (problem.wide_inputs(), wide(&problem.dy));
        let [_, gradients @ ..] = problem.by_twins(&inputs);
        for (at, gradient) in gradients.iter().enumerate() {
            let loss = |values: &[f64]| {
                let mut inputs = inputs.clone();
                inputs[at] = values.to_vec();
                dot(&problem.composed(&inputs), &dy)
            };
            let numeric = central_difference(loss, &inputs[at]);
            assert_close(gradient, &numeric, 1e-7, &format!("{case:?} {}", NAMES[at + 1]));
        }
    }
}

/// What emulated GPUs do by parts is what the walks do at once.
#[test]
fn chunks_add_up_to_the_whole() {
    for case in [Case::full([3, 2, 5, 3, 2]), Case { picked: 4, ..Case::full([3, 2, 7, 3, 2]) }] {
        let problem = Problem::new(case);
        let inputs = problem.wide_inputs();
        let twins = problem.twins(&inputs);
        let [dq, sigma, dk, dv, of_items, _] = &twins.walked;
        let words = inputs[3].len();
        let dr: Vec<f64> =
            (0..words).map(|at| of_items.iter().skip(at).step_by(words).sum()).collect();
        let whole = [&twins.y, &twins.lse, dq, sigma, dk, dv, &dr];
        for some in [[1, 1, 1], [1, 2, 2], [2, 3, 3], [3, 3, 5]] {
            let parts = problem.by_chunks(&inputs, &twins, some);
            for (name, (part, whole)) in
                ["y", "L", "dq", "sigma", "dk", "dv", "dr"].iter().zip(parts.iter().zip(whole))
            {
                assert_close(part, whole, 1e-12, &format!("{case:?} {some:?} {name}"));
            }
        }
    }
}

/// Columns no multiple of four, of 64 lanes or of a tile, one short and one over; the widths of real heads.
const SHAPES: [Case; 6] = [
    Case::plain([1, 0, 1, 1, 4]),
    Case::full([2, 3, 5, 2, 8]),
    Case { segments: true, ..Case::plain([1, 0, 65, 2, 64]) },
    Case { picked: 9, ..Case::full([2, 30, 35, 1, 32]) },
    Case { bits: true, segments: true, ..Case::plain([2, 64, 63, 2, 16]) },
    Case { probability: 0.1, ..Case::plain([1, 7, 130, 1, 100]) },
];

/// A score is the sum of three products of a biased query: of variance 6, where those of `attention` have 1. So is the
/// error in its exponent √6 times that of `attention`, which is held to 3e-6.
const TOLERANCE: f64 = 1e-5;

#[test]
fn devices_match_twins() {
    for case in SHAPES {
        Problem::new(case).check(&DEVICES, TOLERANCE);
    }
}

/// How far results may be from the twins' where y, dq, dk and dv are rounded to f16, and Δ is made of the rounded y.
const ROUNDED: f64 = 1.0 / 512.0;

/// Of dm and do the errors are larger beside what is left: they add up σ, a sum of weights' gradients whose sum over all keys is 0.
#[test]
fn devices_match_twins_in_f16() {
    let mut tolerances = [ROUNDED; 9];
    tolerances[7..].fill(4.0 * ROUNDED);
    for case in SHAPES {
        let problem = Problem::new(case).rounded_to(Format::Half);
        problem.check_in(&DEVICES, Format::Half, tolerances);
    }
}

/// Rows and columns of several tiles, a part of a tile, and queries at places of their own.
#[test]
fn tiles_match_twins_on_every_device() {
    let tiled = [
        Case::full([2, 3, 68, 1, 36]),
        Case { picked: 5, ..Case::full([2, 6, 35, 2, 8]) },
        Case { segments: true, ..Case::plain([1, 0, 5, 1, 4]) },
    ];
    for device in DEVICES.iter().filter(|device| !device.is_cpu()) {
        for (format, within) in [(Format::Word, TOLERANCE), (Format::Half, ROUNDED)] {
            for case in tiled.iter().filter(|_| device.supports(format)) {
                Problem::new(*case).rounded_to(format).check_tiles(device, format, within);
            }
        }
    }
}

/// XLNet's length, and so many scores that they are made in four chunks: of one head each, and of some of its items. All
/// items are alike, so that one tells what all give.
#[test]
fn long_rows_in_several_chunks_match_twins() {
    const ITEMS: usize = 33;
    let one = Problem::new(Case { segments: true, ..Case::plain([1, 0, 512, 2, 4]) });
    let mut all = Problem::new(Case { segments: true, ..Case::plain([ITEMS, 0, 512, 2, 4]) });
    for at in 0..3 {
        all.inputs[at] = one.inputs[at].repeat(ITEMS);
    }
    for at in 3..8 {
        all.inputs[at].clone_from(&one.inputs[at]);
    }
    all.dy = one.dy.repeat(ITEMS);
    all.query_segments = one.query_segments.repeat(ITEMS);
    all.key_segments = one.key_segments.repeat(ITEMS);
    let expected = one.by_twins(&one.wide_inputs());
    for device in DEVICES.iter() {
        for (at, (actual, expected)) in all.run(device).iter().zip(&expected).enumerate() {
            // What every item has for itself, then what all share.
            let expected: Vec<f64> = if at < 4 {
                expected.repeat(ITEMS)
            } else {
                expected.iter().map(|x| x * ITEMS as f64).collect()
            };
            assert_close(actual, &expected, TOLERANCE, &format!("{device:?} {}", NAMES[at]));
        }
    }
}

/// More notes than 65,535 groups of 64 lanes along an axis make, more items than a product has matrices, and several queries for
/// a token.
#[test]
fn many_items_are_spread_over_the_grid() {
    let case = Case { segments: true, picked: 128, ..Case::plain([4700, 1, 2, 1, 4]) };
    Problem::new(case).check(&DEVICES, TOLERANCE);
}

#[test]
fn rows_that_see_nothing_are_zero_with_zero_gradients() {
    for device in DEVICES.iter() {
        let mut problem =
            Problem::new(Case { lengths: true, segments: true, ..Case::plain([2, 2, 4, 1, 8]) });
        problem.lengths = vec![6, 0];
        let [y, dq, dk, dv, ..] = problem.run(device);
        for (values, name) in [(y, "y"), (dq, "dq"), (dk, "dk"), (dv, "dv")] {
            let (seen, hidden) = values.split_at(values.len() / 2);
            assert!(seen.iter().all(|x| x.is_finite() && *x != 0.0), "{device:?} {name}");
            assert!(hidden.iter().all(|x| *x == 0.0), "{device:?} {name}");
        }
    }
}

#[test]
fn a_single_visible_key_passes_its_value() {
    for device in DEVICES.iter() {
        let mut problem =
            Problem::new(Case { lengths: true, segments: true, ..Case::plain([2, 3, 4, 2, 8]) });
        problem.lengths = vec![1, 1];
        let [y, dq, dk, _, dr, du, dw, dm, d_o] = problem.run(device);
        for (at, y) in y.chunks_exact(16).enumerate() {
            let first = at / 4 * 7 * 16;
            assert_close(y, &wide(&problem.inputs[2][first..][..16]), 1e-6, "v of key 0");
        }
        // The weight is 1 whatever the score.
        for gradient in [dq, dk, dr, du, dw, dm, d_o] {
            assert!(gradient.iter().all(|x| x.abs() < 1e-5), "{device:?}");
        }
    }
}

/// What lies behind the length, behind the diagonal or under a bit that is not set has no influence on any bit.
#[test]
fn hidden_columns_have_no_influence() {
    let plain = Case { segments: true, probability: 0.1, ..Case::plain([2, 5, 35, 1, 16]) };
    let masks = [
        Case { lengths: true, ..plain },
        Case { causal: true, ..plain },
        Case { bits: true, ..plain },
        Case { causal: true, picked: 9, ..plain },
    ];
    for device in DEVICES.iter() {
        for case in masks {
            let (problem, mut other) = (Problem::new(case), Problem::new(case));
            let (b, i) = (1, 7);
            let hidden: Vec<usize> = (0..40).filter(|&j| !problem.sees(b, i, j)).collect();
            assert!(!hidden.is_empty(), "{case:?} hides nothing");
            for j in hidden {
                let start = (b * 40 + j) * 16;
                other.inputs[1][start..][..16].fill(1e3);
                other.inputs[2][start..][..16].fill(-1e3);
                other.key_segments[b * 40 + j] += 1;
            }
            let at = (b * problem.queries + i) * 16..(b * problem.queries + i + 1) * 16;
            let ([y, dq, ..], [y2, dq2, ..]) = (problem.run(device), other.run(device));
            assert_eq!(y[at.clone()], y2[at.clone()], "{device:?} {case:?} y");
            assert_eq!(dq[at.clone()], dq2[at], "{device:?} {case:?} dq");
        }
    }
}

/// A memory is columns before the tokens that all rows see: the same as longer rows of which some are not asked for.
#[test]
fn memory_is_what_lies_before_the_tokens() {
    let [batch, memory, tokens, width] = [2, 6, 9, 8];
    let longer = Problem::new(Case::plain([batch, 0, memory + tokens, 1, width]));
    let mut shorter = Problem::new(Case::plain([batch, memory, tokens, 1, width]));
    shorter.inputs[1].clone_from(&longer.inputs[1]);
    shorter.inputs[2].clone_from(&longer.inputs[2]);
    shorter.inputs[4].clone_from(&longer.inputs[4]);
    shorter.inputs[5].clone_from(&longer.inputs[5]);
    let rows = memory + tokens;
    // The longer table has `memory` rows more behind: for keys after the last token of the shorter one.
    shorter.inputs[3] = longer.inputs[3][..(rows + tokens) * width].to_vec();
    let last = |values: &[f32]| -> Vec<f32> {
        let items = values.chunks_exact(rows * width);
        items.flat_map(|item| item[memory * width..].to_vec()).collect()
    };
    shorter.inputs[0] = last(&longer.inputs[0]);
    for device in DEVICES.iter() {
        let ([y, ..], [expected, ..]) = (shorter.run(device), longer.run(device));
        assert_close(&y, &wide(&last(&expected)), 1e-6, &format!("{device:?}"));
    }
}

/// Picked tokens give the rows that they have among all.
#[test]
fn picked_rows_are_those_of_all_tokens() {
    let extents = [2, 3, 10, 2, 4];
    let all = Problem::new(Case { segments: true, causal: true, ..Case::plain(extents) });
    let mut picked =
        Problem::new(Case { segments: true, causal: true, picked: 4, ..Case::plain(extents) });
    picked.inputs = all.inputs.clone();
    let pick = |values: &[f32]| -> Vec<f32> {
        let row = |(at, &place): (usize, &u32)| {
            values[(at / 4 * 10 + place as usize) * 8..][..8].to_vec()
        };
        picked.places.iter().enumerate().flat_map(row).collect()
    };
    picked.inputs[0] = pick(&all.inputs[0]);
    for device in DEVICES.iter() {
        let ([y, ..], [expected, ..]) = (picked.run(device), all.run(device));
        assert_close(&y, &wide(&pick(&expected)), 1e-6, &format!("{device:?}"));
    }
}

#[test]
fn huge_scores_stay_finite() {
    for device in DEVICES.iter() {
        let mut problem =
            Problem::new(Case { causal: true, segments: true, ..Case::plain([1, 3, 40, 1, 4]) });
        problem.inputs[0].iter_mut().for_each(|q| *q *= 1e4);
        for (name, values) in NAMES.iter().zip(problem.run(device)) {
            assert!(values.iter().all(|x| x.is_finite()), "{device:?} {name}");
        }
    }
}

#[test]
fn runs_give_the_same_bits() {
    for device in DEVICES.iter() {
        let problem = Problem::new(Case { picked: 40, ..Case::full([2, 10, 70, 2, 32]) });
        let first = problem.run(device);
        assert!((1..5).all(|_| problem.run(device) == first), "{device:?}");
    }
}
