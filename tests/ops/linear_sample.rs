//! linear_sample: frequencies against the softmax, every device against the f64 twin where the best two are apart.

use wgrad_engine::ops::linear_sample;
use wgrad_engine::params::linear_sample::Params;
use wgrad_engine::random::{Sampling, philox};
use wgrad_engine::reference::linear_sample as twin;
use wgrad_engine::testing::{devices, dot, normal, wide};
use wgrad_engine::{Device, Tensor};

/// R, H, V: one of each, fewer classes than a quad, quads that end within, a class more than 256 lanes walk at once, BERT's
/// vocabulary.
const SHAPES: [[usize; 3]; 6] =
    [[1, 1, 1], [5, 2, 3], [40, 5, 37], [70, 12, 256], [9, 16, 1025], [12, 8, 30_522]];
const KEY: [u32; 2] = [7, 8];
const SITE: u32 = 9;
const FIRST_ROW: u32 = 5;
/// Closer values may change places by rounding: a few units in the last place of f32 at 20.
const APART: f64 = 2e-5;

fn sampling(device: &Device, temperature: f32) -> Sampling {
    let key = Tensor::u32(device, [2], &KEY);
    Sampling { temperature, key, site: SITE, first_row: FIRST_ROW }
}

fn params([rows, _, vocabulary]: [usize; 3], inverse_temperature: f32) -> Params {
    let [rows, vocabulary] = [rows, vocabulary].map(|n| n as u32);
    Params { rows, vocabulary, site: SITE, first_row: FIRST_ROW, inverse_temperature }
}

/// How far the best class of each row lies above the second, drawn anew from their counters.
fn margins(logits: &[f64], [_, _, vocabulary]: [usize; 3], inverse_temperature: f64) -> Vec<f64> {
    let margin = |(row, logits): (u32, &[f64])| {
        let (mut best, mut second) = (f64::MIN, f64::MIN);
        for (v, x) in (0_u32..).zip(logits) {
            let word = philox([v / 4, row, SITE, twin::PLANE], KEY)[v as usize % 4];
            let value = x * inverse_temperature + twin::gumbel(word);
            second = second.max(value.min(best));
            best = best.max(value);
        }
        best - second
    };
    (FIRST_ROW..).zip(logits.chunks_exact(vocabulary)).map(margin).collect()
}

#[test]
fn devices_draw_what_the_twin_draws() {
    for shape @ [rows, width, vocabulary] in SHAPES {
        let (h, w, b) =
            (normal(rows * width, 1), normal(vocabulary * width, 2), normal(vocabulary, 3));
        let (h64, w64) = (wide(&h), wide(&w));
        let row = |h: &[f64]| -> Vec<f64> {
            let classes = w64.chunks_exact(width).zip(&b);
            classes.map(|(w, b)| dot(h, w) + f64::from(*b)).collect()
        };
        let logits: Vec<f64> = h64.chunks_exact(width).flat_map(row).collect();
        // 1/τ is exact in both.
        for temperature in [1.0, 4.0] {
            let inverse = 1.0 / temperature;
            let mut expected = vec![u32::MAX; rows];
            twin::forward(&params(shape, inverse), (&KEY, &logits), &mut expected);
            let margins = margins(&logits, shape, inverse.into());
            assert!(margins.iter().filter(|&&margin| margin > APART).count() * 10 >= rows * 9);
            for device in devices() {
                let hidden = Tensor::f32(&device, [rows, width], &h);
                let weight = Tensor::f32(&device, [vocabulary, width], &w);
                let bias = Tensor::f32(&device, [vocabulary], &b);
                let sampling = sampling(&device, temperature);
                let draw = || linear_sample(&hidden, &weight, Some(&bias), &sampling).to_u32();
                let drawn = draw();
                for row in (0..rows).filter(|&row| margins[row] > APART) {
                    let context = format!("{device:?} {shape:?} τ = {temperature}, row {row}");
                    assert_eq!(drawn[row], expected[row], "{context}");
                }
                let repeats = if vocabulary < 2000 { 20 } else { 2 };
                assert!((1..repeats).all(|_| draw() == drawn), "{device:?} {shape:?}");
            }
        }
    }
}

/// 40,000 draws from five classes: Pearson's statistic, of four degrees of freedom, exceeds 18.47 once in a thousand
/// times, and the seed is fixed.
#[test]
fn frequencies_are_those_of_the_softmax() {
    let (rows, logits) = (40_000, [0.3_f32, -1.2, 2.0, 0.0, -3.0]);
    for temperature in [1.0, 2.0] {
        let weights = logits.map(|x| f64::from(x / temperature).exp());
        let total: f64 = weights.iter().sum();
        for device in devices() {
            // Rows of 0: the bias alone makes the logits.
            let hidden = Tensor::f32(&device, [rows, 1], &vec![0.0; rows]);
            let weight = Tensor::f32(&device, [5, 1], &[1.0; 5]);
            let bias = Tensor::f32(&device, [5], &logits);
            let sampling = sampling(&device, temperature);
            let mut counts = [0; 5];
            for class in linear_sample(&hidden, &weight, Some(&bias), &sampling).to_u32() {
                counts[class as usize] += 1;
            }
            let statistic: f64 = counts
                .iter()
                .zip(weights)
                .map(|(&count, weight)| {
                    let expected = rows as f64 * weight / total;
                    (f64::from(count) - expected).powi(2) / expected
                })
                .sum();
            assert!(statistic < 18.47, "{device:?} τ = {temperature}: {statistic}, {counts:?}");
        }
    }
}

/// Another key, site or row draws something else; logits of ±10⁴ draw the largest.
#[test]
fn draws_depend_on_key_site_and_row_and_extremes_win() {
    let (rows, vocabulary) = (64, 100);
    for device in devices() {
        let hidden = Tensor::f32(&device, [rows, 1], &vec![1.0; rows]);
        let flat = Tensor::f32(&device, [vocabulary, 1], &vec![0.0; vocabulary]);
        let of = |sampling: &Sampling| linear_sample(&hidden, &flat, None, sampling).to_u32();
        let plain = sampling(&device, 1.0);
        let drawn = of(&plain);
        let others = [
            Sampling { key: Tensor::u32(&device, [2], &[7, 9]), ..plain.clone() },
            Sampling { site: SITE + 1, ..plain.clone() },
            Sampling { first_row: FIRST_ROW + 1, ..plain.clone() },
        ];
        for other in &others {
            let same = of(other).iter().zip(&drawn).filter(|(a, b)| a == b).count();
            assert!(same < 10, "{device:?}: {same} of {rows} drawn again");
        }
        assert_eq!(of(&others[2])[..rows - 1], drawn[1..], "{device:?}");
        let mut extreme = vec![-1e4; vocabulary];
        extreme[77] = 1e4;
        let steep = Tensor::f32(&device, [vocabulary, 1], &extreme);
        let drawn = linear_sample(&hidden, &steep, None, &plain).to_u32();
        assert_eq!(drawn, vec![77; rows], "{device:?}");
        let none = Tensor::f32(&device, [0, 1], &[]);
        assert!(linear_sample(&none, &flat, None, &plain).to_u32().is_empty(), "{device:?}");
    }
}

#[test]
#[should_panic(expected = "linear_sample: hidden is [2, 5], expected [2, 4]")]
fn another_width_is_refused() {
    let device = Device::cpu();
    let hidden = Tensor::f32(&device, [2, 5], &normal(10, 1));
    let weight = Tensor::f32(&device, [3, 4], &normal(12, 2));
    linear_sample(&hidden, &weight, None, &sampling(&device, 1.0));
}
