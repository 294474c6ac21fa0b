//! f16 storage: what an op gives and sends back on f16 tensors is what it gives on the same numbers in f32, rounded.
//!
//! The f32 ops are held to their f64 twins elsewhere, so this is the other half of the proof.

use wgrad_engine::device::{Format, Options};
use wgrad_engine::ops::{self, Distances, Gelu, Rows, Segments, Visibility};
use wgrad_engine::random::Dropout;
use wgrad_engine::testing::{assert_close, devices, normal, wide};
use wgrad_engine::{Device, Tensor};

/// Half a unit in the last place of a number that was rounded once, relative to the largest of its tensor.
const ROUNDED: f64 = 1.0 / 2048.0;

/// What is run on f16 copies and on f32 copies of the same leaves.
type Op<'a> = dyn Fn(&[Tensor]) -> Tensor + 'a;

/// Runs `op` on leaves of `shapes` in both formats; `halves` of them lie as f16 the first time, the rest stay f32.
/// The result may be off by `tolerance`, gradients by twice that.
#[track_caller]
fn holds(device: &Device, shapes: &[&[usize]], halves: usize, tolerance: f64, name: &str, op: &Op) {
    let leaf = |(at, shape): (usize, &&[usize])| {
        let x = Tensor::f32(device, *shape, &normal(shape.iter().product(), 7 + at as u64));
        if at < halves { ops::cast(&x, Format::Half) } else { x }
    };
    let lying: Vec<Tensor> =
        shapes.iter().enumerate().map(leaf).map(|leaf| leaf.tracked()).collect();
    let plain: Vec<Tensor> = lying
        .iter()
        .map(|leaf| Tensor::f32(device, leaf.shape().clone(), &leaf.to_f32()).tracked())
        .collect();
    let (y, expected) = (op(&lying), op(&plain));
    let context = format!("{name} on {device:?}");
    assert_eq!((y.format(), expected.format()), (Format::Half, Format::Word), "{context}");
    assert_close(&y.to_f32(), &wide(&expected.to_f32()), tolerance, &context);

    let elements = y.shape().elements();
    let dy = Tensor::f32(device, y.shape().clone(), &normal(elements, 3));
    let dy = ops::cast(&dy, Format::Half);
    let gradients = y.backward_with(&dy);
    let dy = Tensor::f32(device, y.shape().clone(), &dy.to_f32());
    let expected = expected.backward_with(&dy);
    for (at, (leaf, plain)) in lying.iter().zip(&plain).enumerate() {
        let gradient = gradients.get(leaf).expect("every leaf is used");
        let expected = wide(&expected.get(plain).expect("every leaf is used").to_f32());
        assert_eq!(gradient.format(), leaf.format(), "{context}: gradient {at}");
        let context = format!("{context}: gradient {at}");
        assert_close(&gradient.to_f32(), &expected, 2.0 * tolerance, &context);
    }
}

fn with_halves() -> Vec<Device> {
    devices().into_iter().filter(|device| device.supports(Format::Half)).collect()
}

fn dropout(device: &Device) -> Dropout {
    let key = Tensor::u32(device, [2], &[5, 6]);
    Dropout { probability: 0.25, key, site: 3, first_row: 1 }
}

#[test]
fn elementwise_ops_round_what_they_give() {
    for device in &with_halves() {
        let dropout = dropout(device);
        let shape: &[usize] = &[5, 37];
        holds(device, &[shape, shape], 2, ROUNDED, "add", &|x| ops::add(&x[0], &x[1]));
        holds(device, &[shape], 1, ROUNDED, "dropout", &|x| ops::dropout(&x[0], &dropout));
        holds(device, &[shape], 1, ROUNDED, "relu", &|x| ops::relu(&x[0]));
        holds(device, &[shape], 1, ROUNDED, "silu", &|x| ops::silu(&x[0]));
        holds(device, &[shape], 1, ROUNDED, "gelu", &|x| ops::gelu(&x[0], Gelu::Erf));
        let rows = Rows::new(device, &[0, 3, 4], 5).expect("three rows of five");
        holds(device, &[shape], 1, ROUNDED, "gather_rows", &|x| ops::gather_rows(&x[0], &rows));
        holds(device, &[shape, &[3, 37]], 2, ROUNDED, "replace_rows", &|x| {
            ops::replace_rows(&x[0], &rows, &x[1])
        });
    }
}

/// Odd sizes, whole quads, and large enough for the wide tiles.
#[test]
fn products_sum_in_f32() {
    for device in &with_halves() {
        for [rows, inner, columns] in [[3, 7, 5], [33, 64, 36], [260, 272, 516]] {
            let shapes: [&[usize]; 3] = [&[rows, inner], &[columns, inner], &[columns]];
            let name = format!("linear {rows} × {inner} × {columns}");
            holds(device, &shapes, 1, 2.0 * ROUNDED, &name, &|x| {
                ops::linear(&x[0], &x[1], Some(&x[2]))
            });
            let name = format!("linear_gelu {rows} × {inner} × {columns}");
            holds(device, &shapes, 1, 2.0 * ROUNDED, &name, &|x| {
                ops::linear_gelu(&x[0], &x[1], &x[2], Gelu::Tanh)
            });
        }
    }
}

#[test]
fn layer_norm_keeps_its_moments_in_f32() {
    for device in &with_halves() {
        let dropout = dropout(device);
        for channels in [37, 64] {
            let shapes: [&[usize]; 4] = [&[9, channels], &[9, channels], &[channels], &[channels]];
            holds(device, &shapes, 2, 2.0 * ROUNDED, "layer_norm", &|x| {
                ops::layer_norm(&x[0], Some(&x[1]), Some(&dropout), &x[2], &x[3], 1e-5)
            });
            let shapes = [shapes[0], shapes[2], shapes[3]];
            holds(device, &shapes, 1, 2.0 * ROUNDED, "layer_norm alone", &|x| {
                ops::layer_norm(&x[0], None, None, &x[1], &x[2], 1e-5)
            });
        }
    }
}

#[test]
fn attention_keeps_its_sums_in_f32() {
    for device in &with_halves() {
        let dropout = dropout(device);
        let (queries, keys): (&[usize], &[usize]) = (&[2, 35, 2, 36], &[2, 70, 2, 36]);
        let masked = Visibility::all().and_lengths(device, &[70, 41]).and_causal();
        holds(device, &[queries, keys, keys], 3, 2.0 * ROUNDED, "attention", &|x| {
            ops::attention(&x[0], &x[1], &x[2], &masked, Some(&dropout))
        });
    }
}

/// Distances and segments are f32 whatever the rows are.
#[test]
fn relative_attention_keeps_its_sums_in_f32() {
    for device in &with_halves() {
        let dropout = dropout(device);
        let of_queries = Tensor::u32(device, [2, 35], &[[0; 20].as_slice(), &[1; 50]].concat());
        let of_keys = Tensor::u32(device, [2, 40], &[[0; 30].as_slice(), &[1; 50]].concat());
        let plane: &[usize] = &[2, 36];
        let (queries, keys): (&[usize], &[usize]) = (&[2, 35, 2, 36], &[2, 40, 2, 36]);
        let shapes = [queries, keys, keys, &[75, 2, 36], plane, plane, &[2, 2, 36], plane];
        let masked = Visibility::all().and_lengths(device, &[40, 31]).and_causal();
        holds(device, &shapes, 3, 2.0 * ROUNDED, "attention_relative", &|x| {
            let [q, k, v, table, content_bias, distance_bias, of_segments, bias] = x else {
                unreachable!("the leaves are eight");
            };
            let distances = Distances { table, content_bias, distance_bias, places: None };
            let (of_queries, of_keys) = (&of_queries, &of_keys);
            let segments = Segments { table: of_segments, bias, of_queries, of_keys };
            let segments = Some(&segments);
            ops::attention_relative(q, k, v, &distances, segments, &masked, Some(&dropout))
        });
    }
}

/// A profile tells bytes as they lie: 3 · n elements of two bytes, where f32 has four.
#[test]
fn f16_moves_half_the_words() {
    let options = Options { profile: true, ..Options::default() };
    let device = Device::cpu_with(options);
    let x = Tensor::f32(&device, [4, 64], &normal(256, 1));
    let half = ops::cast(&x, Format::Half);
    let (whole, stored) = (ops::add(&x, &x), ops::add(&half, &half));
    assert_eq!((whole.format(), stored.format()), (Format::Word, Format::Half));
    let profile = device.take_profile();
    let words = |at: usize| profile.events()[at].words;
    assert_eq!([words(0), words(1), words(2)], [256 + 128, 3 * 256, 3 * 128]);
}
