//! attention_biased: twins against the formula and differences, every device against the twins, and what equals what.

mod problem;

use std::sync::LazyLock;

use wgrad_engine::ops::{Visibility, attention, attention_biased};
use wgrad_engine::testing::{assert_close, central_difference, devices, dot, normal, wide};
use wgrad_engine::{Device, Tensor};

use problem::{Case, NAMES, Problem};

/// Opened once: every test runs the same few pipelines, and compiling them is most of their time.
static DEVICES: LazyLock<Vec<Device>> = LazyLock::new(devices);

/// One element, odd sizes, every mask and every form of the bias, more and fewer keys than queries.
const SMALL: [Case; 8] = [
    Case::plain([1, 1, 1, 1, 1]),
    Case::plain([2, 3, 7, 2, 3]),
    Case { of_heads: true, t5: true, ..Case::plain([3, 5, 5, 2, 4]) },
    Case { of_items: true, lengths: true, ..Case::plain([2, 5, 3, 3, 2]) },
    Case { of_items: true, of_heads: true, causal: true, ..Case::plain([2, 4, 6, 2, 3]) },
    Case { bits: true, probability: 0.5, ..Case::plain([2, 5, 5, 2, 2]) },
    Case { of_heads: true, ..Case::full([2, 5, 9, 2, 3]) },
    Case { of_items: true, ..Case::full([3, 7, 5, 2, 2]) },
];

#[test]
fn twins_give_what_the_formula_gives() {
    for case in SMALL {
        let problem = Problem::new(case);
        let inputs = problem.wide_inputs();
        let [y, ..] = problem.by_twins(&inputs, [2, 3]);
        assert_close(&y, &problem.composed(&inputs), 1e-12, &format!("{case:?}"));
    }
}

#[test]
fn twins_backward_matches_finite_differences() {
    for case in SMALL {
        let problem = Problem::new(case);
        let (inputs, dy) = (problem.wide_inputs(), wide(&problem.dy));
        let [_, gradients @ ..] = problem.by_twins(&inputs, [1, 2]);
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

/// A bias for all, for each item, for each head, for each of both.
fn forms(case: Case) -> [Case; 4] {
    [(false, false), (true, false), (false, true), (true, true)].map(|(of_items, of_heads)| Case {
        of_items,
        of_heads,
        ..case
    })
}

#[test]
fn chunks_add_up_to_the_whole() {
    for case in forms(Case::full([3, 5, 7, 3, 2])) {
        let problem = Problem::new(case);
        let inputs = problem.wide_inputs();
        let whole = problem.by_twins(&inputs, [3, 3]);
        for some in [[1, 1], [1, 2], [2, 3]] {
            let parts = problem.by_twins(&inputs, some);
            for (name, (part, whole)) in NAMES.iter().zip(parts.iter().zip(&whole)) {
                assert_close(part, whole, 1e-12, &format!("{case:?} {some:?} {name}"));
            }
        }
    }
}

/// Columns no multiple of four, of 64 lanes or of a tile, one short and one over; the widths of real heads.
const SHAPES: [Case; 7] = [
    Case::plain([1, 1, 1, 1, 1]),
    Case { of_heads: true, ..Case::full([2, 5, 8, 2, 8]) },
    Case { of_items: true, ..Case::full([2, 7, 11, 3, 6]) },
    Case { of_heads: true, t5: true, ..Case::plain([2, 65, 65, 2, 64]) },
    Case { of_items: true, causal: true, ..Case::full([2, 9, 65, 1, 32]) },
    Case { of_items: true, of_heads: true, bits: true, ..Case::plain([2, 63, 127, 2, 16]) },
    Case { probability: 0.1, ..Case::plain([3, 130, 137, 2, 100]) },
];

/// A score is the sum of a product and a bias: of variance 2, where those of `attention` have 1. So is the error in its
/// exponent √2 times that of `attention`, which is held to 3e-6.
const TOLERANCE: f64 = 4.3e-6;

#[test]
fn devices_match_twins() {
    for case in SHAPES {
        Problem::new(case).check(&DEVICES, TOLERANCE);
    }
}

/// T5's longest rows; and so many columns that lanes go round often.
#[test]
fn long_rows_match_twins() {
    let t5 = Case { of_heads: true, t5: true, ..Case::plain([1, 512, 512, 2, 8]) };
    let wide = Case { probability: 0.1, lengths: true, ..Case::plain([2, 2, 16_390, 1, 4]) };
    for case in [t5, wide] {
        Problem::new(case).check(&DEVICES, TOLERANCE);
    }
}

/// More items than a product has matrices: a chunk is one head of half of the items, or of all. What shares a bias is met in one
/// chunk, or in several.
#[test]
fn many_items_are_spread_over_chunks() {
    let items = forms(Case::plain([5000, 7, 9, 2, 1]));
    let heads = Case::plain([3000, 5, 9, 2, 1]);
    for case in [items[0], items[1], items[2], items[3], heads] {
        Problem::new(case).check(&DEVICES, TOLERANCE);
    }
}

/// More elements of a chunk's bias than 65,535 groups of 64 lanes along an axis have; and more rows than as many groups where a
/// row has a group, which is on hardware: an emulated GPU gives it a lane, and would need 64 times as many.
#[test]
fn many_groups_are_spread_over_the_grid() {
    let case = Case { of_items: true, ..Case::plain([1025, 64, 64, 1, 1]) };
    Problem::new(case).check(&DEVICES, TOLERANCE);
}

/// With a bias of 0 and every mask, dropout included.
#[test]
fn without_a_bias_it_is_attention() {
    for case in [
        Case::full([2, 33, 70, 2, 32]),
        Case { probability: 0.1, ..Case::plain([2, 65, 65, 3, 64]) },
        Case { lengths: true, ..Case::plain([3, 40, 31, 1, 100]) },
    ] {
        let mut problem = Problem::new(case);
        problem.inputs[3].fill(0.0);
        for device in DEVICES.iter() {
            let [q, k, v, _] = problem.tensors(device).map(|tensor| tensor.tracked());
            let dropout = problem.dropout(device);
            let y = attention(&q, &k, &v, &problem.visibility(device), dropout.as_ref());
            let gradients = y.backward_with(&Tensor::f32(device, y.shape().clone(), &problem.dy));
            let of = |leaf| gradients.get(leaf).expect("q, k and v are tracked").to_f32();
            let expected = [y.to_f32(), of(&q), of(&k), of(&v)];
            for (name, (actual, expected)) in
                NAMES.iter().zip(problem.run(device).iter().zip(&expected))
            {
                let context = format!("{device:?} {case:?} {name}");
                assert_close(actual, &wide(expected), TOLERANCE, &context);
            }
        }
    }
}

/// A bias that several share is the same as one that is repeated for each, and its gradient the sum of theirs.
#[test]
fn a_shared_bias_is_one_repeated() {
    let [batch, queries, keys, heads, _] = [3, 37, 41, 2, 8];
    for device in DEVICES.iter() {
        for case in forms(Case { probability: 0.1, ..Case::plain([3, 37, 41, 2, 8]) }) {
            let shared = Problem::new(case);
            let mut repeated = Problem::new(Case { of_items: true, of_heads: true, ..case });
            let cells = queries * keys;
            let matrix = |at: usize| match (case.of_items, case.of_heads) {
                (true, true) => at,
                (true, false) => at / heads,
                (false, true) => at % heads,
                (false, false) => 0,
            };
            repeated.inputs[3] = (0..batch * heads)
                .flat_map(|at| shared.inputs[3][matrix(at) * cells..][..cells].to_vec())
                .collect();
            let ([y, dq, dk, dv, dbias], [y2, dq2, dk2, dv2, dbias2]) =
                (shared.run(device), repeated.run(device));
            assert!(
                y == y2 && dq == dq2 && dk == dk2 && dv == dv2,
                "{device:?} {case:?}: other bits"
            );
            let mut sums = vec![0.0; dbias.len()];
            for (at, g) in dbias2.iter().enumerate() {
                sums[matrix(at / cells) * cells + at % cells] += f64::from(*g);
            }
            assert_close(&dbias, &sums, 1e-6, &format!("{device:?} {case:?} dbias"));
        }
    }
}

/// Masks that come as a bias: of −10³⁰, or the least float, as other frameworks write them.
#[test]
fn a_bias_hides_as_bits_do() {
    let [batch, queries, keys] = [2, 35, 70];
    let bits = Problem::new(Case {
        of_items: true,
        bits: true,
        probability: 0.1,
        ..Case::plain([batch, queries, keys, 2, 16])
    });
    for device in DEVICES.iter() {
        let expected = bits.run(device);
        for hides in [-1e30, f32::MIN] {
            let mut problem = bits.clone();
            problem.case.bits = false;
            for (at, beta) in problem.inputs[3].iter_mut().enumerate() {
                let (row, j) = (at / keys, at % keys);
                if !bits.sees(row / queries, row % queries, j) {
                    *beta = hides;
                }
            }
            assert!(problem.run(device) == expected, "{device:?} {hides}: other bits");
        }
    }
}

#[test]
fn rows_that_see_nothing_are_zero_with_zero_gradients() {
    let case = Case { of_items: true, lengths: true, ..Case::plain([2, 4, 6, 1, 8]) };
    for device in DEVICES.iter() {
        let mut problem = Problem::new(case);
        problem.lengths = vec![6, 0];
        for (name, values) in NAMES.iter().zip(problem.run(device)) {
            let (seen, hidden) = values.split_at(values.len() / 2);
            assert!(seen.iter().all(|x| x.is_finite() && *x != 0.0), "{device:?} {name}");
            assert!(hidden.iter().all(|x| *x == 0.0), "{device:?} {name}");
        }
    }
}

#[test]
fn a_single_visible_key_passes_its_value() {
    let case = Case { of_heads: true, lengths: true, ..Case::plain([2, 4, 7, 2, 8]) };
    for device in DEVICES.iter() {
        let mut problem = Problem::new(case);
        problem.lengths = vec![1, 1];
        let [y, dq, dk, _, dbias] = problem.run(device);
        for (at, y) in y.chunks_exact(16).enumerate() {
            let first = at / 4 * 7 * 16;
            assert_close(y, &wide(&problem.inputs[2][first..][..16]), 1e-6, "v of key 0");
        }
        // The weight is 1 whatever the score.
        for gradient in [dq, dk, dbias] {
            assert!(gradient.iter().all(|x| x.abs() < 1e-5), "{device:?}");
        }
    }
}

/// What lies behind the length, behind the diagonal or under a bit that is not set has no influence on any bit.
#[test]
fn hidden_columns_have_no_influence() {
    let plain = Case { of_items: true, probability: 0.1, ..Case::plain([2, 35, 40, 1, 16]) };
    let masks = [
        Case { lengths: true, ..plain },
        Case { causal: true, ..plain },
        Case { bits: true, ..plain },
    ];
    for device in DEVICES.iter() {
        for case in masks {
            let (problem, mut other) = (Problem::new(case), Problem::new(case));
            let (b, i) = (1, 7);
            let hidden: Vec<usize> = (0..40).filter(|&j| !problem.sees(b, i, j)).collect();
            assert!(!hidden.is_empty(), "{case:?} hides nothing");
            let biases = (b * 35 + i) * 40;
            for &j in &hidden {
                let start = (b * 40 + j) * 16;
                other.inputs[1][start..][..16].fill(1e3);
                other.inputs[2][start..][..16].fill(-1e3);
                other.inputs[3][biases + j] = 1e3;
            }
            let at = (b * 35 + i) * 16..(b * 35 + i + 1) * 16;
            let ([y, dq, .., dbias], [y2, dq2, .., dbias2]) =
                (problem.run(device), other.run(device));
            assert_eq!(y[at.clone()], y2[at.clone()], "{device:?} {case:?} y");
            assert_eq!(dq[at.clone()], dq2[at], "{device:?} {case:?} dq");
            assert_eq!(dbias[biases..][..40], dbias2[biases..][..40], "{device:?} {case:?} dbias");
            assert!(hidden.iter().all(|j| dbias[biases + j] == 0.0), "{device:?} {case:?} dbias");
        }
    }
}

#[test]
fn huge_scores_stay_finite() {
    let case = Case { causal: true, of_heads: true, ..Case::plain([1, 40, 43, 2, 4]) };
    for device in DEVICES.iter() {
        for (at, factor) in [(0, 1e4), (3, 1e6)] {
            let mut problem = Problem::new(case);
            problem.inputs[at].iter_mut().for_each(|x| *x *= factor);
            for (name, values) in NAMES.iter().zip(problem.run(device)) {
                assert!(values.iter().all(|x| x.is_finite()), "{device:?} {name}");
            }
        }
    }
}

/// A gradient is the same whatever else is asked for, and what is not asked for is not there.
#[test]
fn each_gradient_comes_alone() {
    let problem = Problem::new(Case { of_heads: true, ..Case::full([2, 9, 13, 2, 8]) });
    for device in DEVICES.iter() {
        let all = problem.run(device);
        for only in 0..4 {
            let alone = problem.run_tracking(device, std::array::from_fn(|at| at == only));
            for at in 0..4 {
                let expected = if at == only { &all[at + 1][..] } else { &[] };
                assert!(alone[at + 1] == expected, "{device:?} {} of {only}", NAMES[at + 1]);
            }
        }
    }
}

#[test]
fn runs_give_the_same_bits() {
    for device in DEVICES.iter() {
        for case in forms(Case::full([2, 70, 80, 2, 32])) {
            let problem = Problem::new(case);
            let first = problem.run(device);
            assert!((1..5).all(|_| problem.run(device) == first), "{device:?} {case:?}");
        }
    }
}

#[test]
#[should_panic(expected = "attention_biased: bias is [2, 1, 4, 5], expected [3, 1, 4, 5]")]
fn a_bias_of_some_items_is_refused() {
    let device = Device::cpu();
    let of = |axes: [usize; 4]| Tensor::f32(&device, axes, &normal(axes.iter().product(), 1));
    let (q, k, bias) = (of([3, 4, 2, 8]), of([3, 5, 2, 8]), of([2, 1, 4, 5]));
    attention_biased(&q, &k, &k, &bias, 1.0, &Visibility::all(), None);
}
