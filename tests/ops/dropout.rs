//! dropout: its counters, its statistics, the same mask both ways, every device against the twin.

use wgrad_engine::params::dropout::Params;
use wgrad_engine::random::{Dropout, dropout_threshold, philox};
use wgrad_engine::reference::dropout as twin;
use wgrad_engine::testing::{devices, normal};
use wgrad_engine::{Device, Tensor, ops};

/// (rows, channels): one element, rows that end inside a quad, whole quads, more than a workgroup.
const SHAPES: [(usize, usize); 5] = [(1, 1), (3, 5), (2, 64), (7, 257), (40, 128)];
const KEY: [u32; 2] = [7, 8];

fn dropout(device: &Device, probability: f32, first_row: u32) -> Dropout {
    Dropout { probability, key: Tensor::u32(device, [2], &KEY), site: 9, first_row }
}

/// y and dx.
fn run(device: &Device, (rows, channels): (usize, usize), first_row: u32) -> [Vec<f32>; 2] {
    let tensor = |seed| Tensor::f32(device, [rows, channels], &normal(rows * channels, seed));
    let x = tensor(1).tracked();
    let y = ops::dropout(&x, &dropout(device, 0.1, first_row));
    let gradients = y.backward_with(&tensor(2));
    [y.to_f32(), gradients.get(&x).expect("x is tracked").to_f32()]
}

/// Forward and backward on every device equal the factors computed from their definition, bit for bit.
#[test]
fn devices_drop_what_the_counters_say() {
    for device in devices() {
        for shape in SHAPES {
            let (rows, channels) = shape;
            let keep_scale = 1.0 / (1.0 - 0.1_f32);
            let factor = |at: usize| {
                let (row, column) = ((at / channels) as u32, (at % channels) as u32);
                let word = philox([column / 4, row + 5, 9, 0], KEY)[column as usize % 4];
                if word < dropout_threshold(0.1) { 0.0 } else { keep_scale }
            };
            let [y, dx] = run(&device, shape, 5);
            for (actual, seed) in [(y, 1), (dx, 2)] {
                let values = normal(rows * channels, seed);
                let expected: Vec<f32> = (0..).zip(values).map(|(at, x)| x * factor(at)).collect();
                assert_eq!(actual, expected, "{device:?} {shape:?}, seed {seed}");
            }
        }
    }
}

/// A batch in two halves draws what the whole draws.
#[test]
fn chunks_draw_what_the_whole_draws() {
    for device in devices() {
        let [whole, _] = run(&device, (6, 10), 0);
        let x = normal(60, 1);
        let halves = [0, 3].map(|first: usize| {
            let half = Tensor::f32(&device, [3, 10], &x[first * 10..][..30]);
            ops::dropout(&half, &dropout(&device, 0.1, first as u32)).to_f32()
        });
        assert_eq!(whole, halves.concat(), "{device:?}");
    }
}

#[test]
fn the_share_dropped_is_the_probability_and_the_mean_stays() {
    let (rows, channels) = (400, 250);
    for probability in [0.1, 0.5] {
        let params = Params {
            rows,
            channels,
            site: 0,
            first_row: 0,
            threshold: dropout_threshold(probability),
            keep_scale: 1.0 / (1.0 - probability),
        };
        let n = (rows * channels) as usize;
        let mut y = vec![0.0_f32; n];
        twin::forward(&params, (&KEY, &vec![1.0; n]), &mut y);
        let dropped = y.iter().filter(|&&y| y == 0.0).count() as f32 / n as f32;
        // Four standard errors of a share.
        let bound = 4.0 * (probability * (1.0 - probability) / n as f32).sqrt();
        assert!((dropped - probability).abs() < bound, "{dropped} of p = {probability}");
    }
}

#[test]
fn probability_zero_is_the_identity() {
    let device = Device::cpu();
    let x = Tensor::f32(&device, [2, 3], &normal(6, 1)).tracked();
    let y = ops::dropout(&x, &dropout(&device, 0.0, 0));
    assert_eq!(y.to_f32(), normal(6, 1));
    assert_eq!(y.backward_with(&x.detach()).get(&x).expect("tracked").to_f32(), normal(6, 1));
}
