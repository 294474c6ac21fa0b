//! concat and split: each other's inverse on every device, gradients against differences, ids, and what they refuse.

use wgrad_engine::ops::{add, concat, multiply, split};
use wgrad_engine::params::concat::Params;
use wgrad_engine::reference::concat as twin;
use wgrad_engine::testing::{assert_close, central_difference, devices, dot, normal, normal64};
use wgrad_engine::{Device, Tensor};

/// Axes of the whole, the axis, and the lengths of its parts: one, the last axis, the first, one between, a workgroup
/// and a word more, and a real batch of queries and passages.
fn cases() -> Vec<(Vec<usize>, usize, Vec<usize>)> {
    vec![
        (vec![1], 0, vec![1]),
        (vec![3, 7], 1, vec![2, 5]),
        (vec![7, 3], 0, vec![4, 1, 2]),
        (vec![2, 9, 5], 1, vec![3, 3, 1, 2]),
        (vec![3, 257], 1, vec![256, 1]),
        (vec![48, 3, 768], 0, vec![16, 32]),
    ]
}

fn params(axes: &[usize], axis: usize, first: usize, length: usize) -> Params {
    let inner: usize = axes[axis + 1..].iter().product();
    Params {
        outer: axes[..axis].iter().product::<usize>() as u32,
        part_words: (length * inner) as u32,
        whole_words: (axes[axis] * inner) as u32,
        first: (first * inner) as u32,
    }
}

/// The shapes of the parts, and the elements of each: element by element, by its coordinates.
fn parts<E: Copy>(whole: &[E], axes: &[usize], axis: usize, lengths: &[usize]) -> Vec<Vec<E>> {
    let inner: usize = axes[axis + 1..].iter().product();
    let mut first = 0;
    let part = |&length: &usize| {
        let range = first..first + length;
        first += length;
        let inside = |at: &usize| range.contains(&(at / inner % axes[axis]));
        (0..whole.len()).filter(inside).map(|at| whole[at]).collect()
    };
    lengths.iter().map(part).collect()
}

fn with_length(axes: &[usize], axis: usize, length: usize) -> Vec<usize> {
    let mut axes = axes.to_vec();
    axes[axis] = length;
    axes
}

#[test]
fn backward_matches_differences() {
    let (axes, axis, first, length) = ([2, 5, 3], 1, 1, 2);
    let params = params(&axes, axis, first, length);
    let (part, whole) = (normal64(12, 1), normal64(30, 2));
    let (d_whole, d_part) = (normal64(30, 3), normal64(12, 4));
    let join = |part: &[f64]| {
        let mut joined = whole.clone();
        twin::join_slabs(&params, part, &mut joined);
        dot(&joined, &d_whole)
    };
    let mut d_joined = vec![f64::NAN; 12];
    twin::take_slabs(&params, &d_whole, &mut d_joined);
    assert_close(&d_joined, &central_difference(join, &part), 1e-7, "join");
    let take = |whole: &[f64]| {
        let mut taken = vec![f64::NAN; 12];
        twin::take_slabs(&params, whole, &mut taken);
        dot(&taken, &d_part)
    };
    let mut d_taken = vec![f64::NAN; 30];
    twin::spread_slabs(&params, &d_part, &mut d_taken);
    assert_close(&d_taken, &central_difference(take, &whole), 1e-7, "take");
}

/// Copies are exact, forward and back.
#[test]
fn devices_match_the_definition() {
    for device in devices() {
        for (axes, axis, lengths) in cases() {
            let context = format!("{device:?} {axes:?} at {axis} by {lengths:?}");
            let count = axes.iter().product();
            let (values, dy) = (normal(count, 1), normal(count, 2));
            let pieces = parts(&values, &axes, axis, &lengths);
            let leaf = |(piece, &length): (&Vec<f32>, &usize)| {
                Tensor::f32(&device, with_length(&axes, axis, length), piece).tracked()
            };
            let leaves: Vec<Tensor> = pieces.iter().zip(&lengths).map(leaf).collect();
            let joined = concat(&leaves.iter().collect::<Vec<_>>(), axis);
            assert_eq!(joined.shape().axes(), axes, "{context}");
            assert_eq!(joined.to_f32(), values, "{context}");
            let dy_tensor = Tensor::f32(&device, axes.clone(), &dy);
            let gradients = joined.backward_with(&dy_tensor);
            for (leaf, expected) in leaves.iter().zip(parts(&dy, &axes, axis, &lengths)) {
                let gradient = gradients.get(leaf).expect("it is tracked");
                assert_eq!(gradient.to_f32(), expected, "{context}");
            }

            let whole = Tensor::f32(&device, axes.clone(), &values).tracked();
            let taken = split(&whole, axis, &lengths);
            for ((taken, &length), expected) in taken.iter().zip(&lengths).zip(&pieces) {
                assert_eq!(taken.shape().axes(), with_length(&axes, axis, length), "{context}");
                assert_eq!(&taken.to_f32(), expected, "{context}");
            }
            let rejoined = concat(&taken.iter().collect::<Vec<_>>(), axis);
            let gradients = rejoined.backward_with(&dy_tensor);
            let gradient = gradients.get(&whole).expect("it is tracked");
            assert_eq!(gradient.to_f32(), dy, "{context}: there and back");
        }
    }
}

/// One piece alone passes a gradient to its own place and zeros elsewhere, one tensor may be two parts, and a part that
/// is not tracked wants none.
#[test]
fn gradients_go_where_they_belong() {
    for device in devices() {
        let x = Tensor::f32(&device, [2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).tracked();
        let pieces = split(&x, 1, &[1, 2]);
        let dy = Tensor::f32(&device, [2, 2], &[7.0, 8.0, 9.0, 10.0]);
        let gradients = pieces[1].backward_with(&dy);
        let dx = gradients.get(&x).expect("it is tracked").to_f32();
        assert_eq!(dx, [0.0, 7.0, 8.0, 0.0, 9.0, 10.0], "{device:?}");

        let constant = Tensor::f32(&device, [2, 1], &[3.0, 3.0]);
        let twice = concat(&[&x, &constant, &x], 1);
        let dy = Tensor::f32(&device, [2, 7], &normal(14, 1));
        let gradients = twice.backward_with(&dy);
        let [first, _, second] = split(&dy, 1, &[3, 1, 3]).try_into().expect("three pieces");
        let dx = gradients.get(&x).expect("it is tracked").to_f32();
        assert_eq!(dx, add(&first, &second).to_f32(), "{device:?}");
        assert!(!concat(&[&constant, &constant], 0).is_tracked(), "{device:?}");
    }
}

/// In the middle of a graph: d(a·b)/da through a split of a concat.
#[test]
fn products_of_pieces_have_the_right_slopes() {
    for device in devices() {
        let [a, b] = [1, 2].map(|seed| normal(6, seed));
        let [left, right] = [&a, &b].map(|v| Tensor::f32(&device, [2, 3], v).tracked());
        let pieces = split(&concat(&[&left, &right], 0), 0, &[2, 2]);
        let product = multiply(&pieces[0], &pieces[1]);
        let dy = normal(6, 3);
        let gradients = product.backward_with(&Tensor::f32(&device, [2, 3], &dy));
        let expected: Vec<f64> = dy.iter().zip(&b).map(|(dy, b)| f64::from(dy * b)).collect();
        let dx = gradients.get(&left).expect("it is tracked").to_f32();
        assert_close(&dx, &expected, 1e-6, &format!("{device:?}"));
    }
}

/// Small ids are denormal numbers when read as floats, and `u32::MAX` is a NaN: both come through.
#[test]
fn ids_keep_their_bits() {
    let ids: Vec<u32> = (0..130).chain([u32::MAX, 1 << 31, 0x7FC0_0001]).collect();
    for device in devices() {
        let (left, right) = ids.split_at(100);
        let [a, b] = [left, right].map(|part| Tensor::u32(&device, [part.len()], part));
        let joined = concat(&[&a, &b], 0);
        assert_eq!(joined.to_u32(), ids, "{device:?}");
        let pieces = split(&joined, 0, &[1, 99, 33]);
        assert_eq!(pieces[2].to_u32(), right, "{device:?}");
    }
}

/// More words than a dispatch has lanes in one dimension, 65,535 groups of 256, and not in quads.
#[test]
fn large_tensors_are_spread_over_the_grid() {
    let values: Vec<u32> = (0..17_000_001).collect();
    for device in devices() {
        let whole = Tensor::u32(&device, [values.len()], &values);
        let [first, second] =
            split(&whole, 0, &[200_001, 16_800_000]).try_into().expect("two pieces");
        assert!(concat(&[&first, &second], 0).to_u32() == values, "{device:?}");
    }
}

#[test]
#[should_panic(expected = "concat: part 1 is [2, 3], expected [3, 3]")]
fn a_part_of_other_shape_is_named() {
    let device = Device::cpu();
    let tensor = |rows: usize| Tensor::f32(&device, [rows, 3], &vec![0.0; 3 * rows]);
    concat(&[&tensor(3), &tensor(2)], 1);
}

#[test]
#[should_panic(expected = "split: sizes are [1, 1], expected a sum of 3")]
fn sizes_add_up_to_the_axis() {
    split(&Tensor::f32(&Device::cpu(), [3], &[0.0; 3]), 0, &[1, 1]);
}

#[test]
#[should_panic(expected = "split: a part is [0, 2], expected elements")]
fn an_empty_piece_is_refused() {
    split(&Tensor::f32(&Device::cpu(), [3, 2], &[0.0; 6]), 0, &[3, 0]);
}
