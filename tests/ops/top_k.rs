//! top_k: every device against a plain sort, ties, extremes, and chunks merged into one list.

use std::collections::HashSet;

use wgrad_engine::ops::{self, RunningTopK};
use wgrad_engine::params::top_k::Params;
use wgrad_engine::reference::top_k as twin;
use wgrad_engine::testing::{devices, normal, wide};
use wgrad_engine::{Device, Tensor};

/// Rows, columns and k: one score, all of a row, off a power of two, several scores a lane, the largest list.
const SHAPES: [[usize; 3]; 6] =
    [[1, 1, 1], [3, 7, 7], [2, 300, 10], [3, 1000, 129], [2, 5000, 100], [1, 1500, 1024]];

fn expected(scores: &[f32], [rows, columns, k]: [usize; 3]) -> (Vec<f64>, Vec<u32>) {
    let (mut values, mut indices) = (vec![0.0; rows * k], vec![0; rows * k]);
    let params = Params { rows: rows as u32, columns: columns as u32, k: k as u32 };
    twin::forward::<f64>(&params, &wide(scores), (&mut values, &mut indices));
    (values, indices)
}

fn check(device: &Device, scores: &[f32], shape: [usize; 3]) {
    let [rows, columns, k] = shape;
    let (values, indices) = ops::top_k(&Tensor::f32(device, [rows, columns], scores), k);
    assert_eq!(values.shape().axes(), [rows, k]);
    let (expected_values, expected_indices) = expected(scores, shape);
    assert_eq!(indices.to_u32(), expected_indices, "{device:?} {shape:?}");
    for (value, expected) in values.to_f32().iter().zip(expected_values) {
        let both_nan = value.is_nan() && expected.is_nan();
        assert!(both_nan || f64::from(*value) == expected, "{device:?} {shape:?}: {value}");
    }
}

/// The twin itself, against what the words say.
#[test]
fn twin_keeps_the_largest() {
    for shape in SHAPES {
        let [rows, columns, k] = shape;
        let scores = normal(rows * columns, 5);
        let (values, indices) = expected(&scores, shape);
        for row in 0..rows {
            let scores = &scores[row * columns..][..columns];
            let (values, indices) = (&values[row * k..][..k], &indices[row * k..][..k]);
            assert!(values.windows(2).all(|pair| pair[0] >= pair[1]), "{shape:?}");
            let kept: HashSet<u32> = indices.iter().copied().collect();
            let others = (0..columns).filter(|&column| !kept.contains(&(column as u32)));
            let largest_other =
                others.map(|column| f64::from(scores[column])).fold(f64::MIN, f64::max);
            assert!(kept.len() == k && largest_other <= values[k - 1], "{shape:?}");
        }
    }
}

#[test]
fn devices_match_twin() {
    for device in devices() {
        for shape in SHAPES {
            check(&device, &normal(shape[0] * shape[1], 6), shape);
        }
    }
}

/// Few distinct scores: the list ends inside a run of equals, and the lower columns win.
#[test]
fn ties_go_to_the_lower_column() {
    for device in devices() {
        for shape in [[2, 1000, 37], [1, 700, 300], [1, 600, 600], [1, 300, 1]] {
            let coarse: Vec<f32> =
                normal(shape[0] * shape[1], 7).iter().map(|score| score.round()).collect();
            check(&device, &coarse, shape);
            check(&device, &vec![-2.5; shape[0] * shape[1]], shape);
        }
    }
}

#[test]
fn extremes_keep_their_order() {
    let scores =
        [-0.0, f32::NAN, 0.0, f32::MAX, f32::MIN, 1e-40, -1e-40, f32::INFINITY, -1.0, -f32::NAN];
    for device in devices() {
        for k in 1..=scores.len() {
            check(&device, &scores, [1, scores.len(), k]);
        }
    }
}

/// A corpus of 2,000 columns in chunks of 256 gives what one list over all of it gives, ties included.
#[test]
fn chunks_merge_into_the_list_of_the_whole() {
    let (rows, columns, k, chunk) = (3, 2000, 50, 256);
    let scores: Vec<f32> =
        normal(rows * columns, 8).iter().map(|score| (score * 20.0).round()).collect();
    let (values, indices) = expected(&scores, [rows, columns, k]);
    for device in devices() {
        let mut best = RunningTopK::new(rows, k);
        for first in (0..columns).step_by(chunk) {
            let last = (first + chunk).min(columns);
            let part: Vec<f32> =
                scores.chunks(columns).flat_map(|row| row[first..last].to_vec()).collect();
            let part = Tensor::f32(&device, [rows, last - first], &part);
            let (values, indices) = ops::top_k(&part, k.min(last - first));
            best.merge(first as u32, &values.to_f32(), &indices.to_u32());
        }
        for row in 0..rows {
            let whole = values[row * k..]
                .iter()
                .map(|&value| value as f32)
                .zip(indices[row * k..].to_vec());
            let whole: Vec<(f32, u32)> = whole.take(k).collect();
            assert_eq!(best.row(row), whole, "{device:?}");
        }
    }
}

#[test]
#[should_panic(expected = "top_k: k is 4, expected 1 to 3")]
fn more_than_there_are_is_refused() {
    ops::top_k(&Tensor::f32(&Device::cpu(), [2, 3], &[0.0; 6]), 4);
}
