//! token_max_pool: backward against differences, every device against a dense composition in f64, ties, hidden texts.

use wgrad_engine::ops::{MaxPooled, token_max_pool};
use wgrad_engine::params::token_max_pool::Params;
use wgrad_engine::reference::token_max_pool as twin;
use wgrad_engine::testing::{
    assert_close, central_difference, devices, dot, normal, normal64, wide,
};
use wgrad_engine::{Device, Tensor};

/// B, T, H, V: one of each, odd, more tokens than lanes, and 150 rows of which a chunk may end within a text.
const SHAPES: [[usize; 4]; 5] =
    [[1, 1, 1, 1], [3, 5, 7, 13], [2, 70, 8, 65], [6, 25, 12, 129], [2, 3, 64, 300]];

fn params([documents, tokens, channels, vocabulary]: [usize; 4]) -> Params {
    let [documents, tokens, channels, vocabulary] =
        [documents, tokens, channels, vocabulary].map(|n| n as u32);
    Params { documents, tokens, channels, vocabulary, first: 0, rows: documents * tokens }
}

/// Two of three tokens count; the last text of several shows nothing.
fn visible([documents, tokens, ..]: [usize; 4]) -> Vec<u32> {
    let shown = |row: usize| {
        let last = documents > 1 && row / tokens == documents - 1;
        u32::from(!last && (tokens == 1 || row % 3 != 1))
    };
    (0..documents * tokens).map(shown).collect()
}

/// Logits of all tokens, plainly: the meaning of a chunk that holds everything.
fn logits(h: &[f64], w: &[f64], bias: &[f64], channels: usize) -> Vec<f64> {
    let row = |h: &[f64]| -> Vec<f64> {
        w.chunks_exact(channels).zip(bias).map(|(w, bias)| dot(h, w) + bias).collect()
    };
    h.chunks_exact(channels).flat_map(row).collect()
}

fn forward(h: &[f64], w: &[f64], bias: &[f64], shape: [usize; 4]) -> (Vec<f64>, Vec<u32>) {
    let logits = logits(h, w, bias, shape[2]);
    let mut z = vec![0.0; shape[0] * shape[3]];
    let mut positions = vec![0; z.len()];
    twin::forward(&params(shape), (&logits, &visible(shape)), (&mut z, &mut positions));
    (z, positions)
}

/// The twin's gradients of hidden, weight and bias.
fn backward(h: &[f64], w: &[f64], bias: &[f64], dz: &[f64], shape: [usize; 4]) -> [Vec<f64>; 3] {
    let (_, positions) = forward(h, w, bias, shape);
    let params = params(shape);
    let mut starts = vec![0; shape[0] * (shape[1] + 1)];
    let mut entries = vec![0; dz.len()];
    twin::count(&params, (&positions, dz), &mut starts);
    twin::scan::<f64>(&params, (), &mut starts);
    twin::fill(&params, (&positions, dz, &starts), &mut entries);
    let [mut dh, mut dw, mut dbias] = [h.len(), w.len(), bias.len()].map(|n| vec![0.0; n]);
    twin::backward_hidden(&params, (dz, w, &starts, &entries), &mut dh);
    twin::backward_weight(&params, (&positions, dz, h), &mut dw);
    twin::backward_bias(&params, (&positions, dz), &mut dbias);
    [dh, dw, dbias]
}

fn sizes([documents, tokens, channels, vocabulary]: [usize; 4]) -> [usize; 4] {
    let hidden = documents * tokens * channels;
    [hidden, vocabulary * channels, vocabulary, documents * vocabulary]
}

#[test]
fn backward_matches_finite_differences() {
    for shape in SHAPES {
        let [n_h, n_w, n_bias, n_z] = sizes(shape);
        let [h, w, bias] = [(n_h, 1), (n_w, 2), (n_bias, 3)].map(|(n, seed)| normal64(n, seed));
        // A third of the entries pass nothing, as after a ReLU.
        let mut dz = normal64(n_z, 4);
        dz.iter_mut().step_by(3).for_each(|dz| *dz = 0.0);
        let [dh, dw, dbias] = backward(&h, &w, &bias, &dz, shape);
        let close = |exact: &[f64], numeric: &[f64], what: &str| {
            assert_close(exact, numeric, 1e-7, &format!("{what} {shape:?}"));
        };
        let z = |h: &[f64], w: &[f64], bias: &[f64]| dot(&forward(h, w, bias, shape).0, &dz);
        close(&dbias, &central_difference(|bias| z(&h, &w, bias), &bias), "dbias");
        if n_h.max(n_w) <= 2000 {
            close(&dh, &central_difference(|h| z(h, &w, &bias), &h), "dhidden");
            close(&dw, &central_difference(|w| z(&h, w, &bias), &w), "dweight");
        }
    }
}

fn pooled(device: &Device, inputs: [&[f32]; 3], shape: [usize; 4]) -> ([Tensor; 3], MaxPooled) {
    pooled_where(device, inputs, &visible(shape), shape)
}

fn pooled_where(
    device: &Device,
    [h, w, bias]: [&[f32]; 3],
    visible: &[u32],
    shape: [usize; 4],
) -> ([Tensor; 3], MaxPooled) {
    let [documents, tokens, channels, vocabulary] = shape;
    let hidden = Tensor::f32(device, [documents, tokens, channels], h).tracked();
    let weight = Tensor::f32(device, [vocabulary, channels], w).tracked();
    let bias = Tensor::f32(device, [vocabulary], bias).tracked();
    let visible = Tensor::u32(device, [documents, tokens], visible);
    let result = token_max_pool(&hidden, &weight, Some(&bias), &visible);
    ([hidden, weight, bias], result)
}

#[test]
fn devices_match_twin() {
    devices_match(&SHAPES);
}

/// Thousands of entries on one token, more tokens than lanes over a real vocabulary, a chunk that ends within a text:
/// more rounds of a loop than llvmpipe allows an invocation, unless they are shared out.
#[test]
fn long_lists_and_chunks_are_whole() {
    devices_match(&[[1, 1, 256, 30_522], [1, 65, 4, 30_522], [3, 300, 4, 30_522]]);
}

/// More tokens, each with a workgroup of its own in backward, and more entries of [B, V], 64 of which share one in forward, than
/// 65,535 groups in one dimension hold.
#[test]
fn many_groups_are_spread_over_the_grid() {
    devices_match(&[[300, 250, 1, 3], [65, 1, 1, 65_000]]);
}

fn devices_match(shapes: &[[usize; 4]]) {
    for device in devices() {
        for &shape in shapes {
            let [n_h, n_w, n_bias, n_z] = sizes(shape);
            let [h, w, bias] = [(n_h, 1), (n_w, 2), (n_bias, 3)].map(|(n, seed)| normal(n, seed));
            let (leaves, result) = pooled(&device, [&h, &w, &bias], shape);
            let (h, w, bias) = (wide(&h), wide(&w), wide(&bias));
            let (z, positions) = forward(&h, &w, &bias, shape);
            let context = format!("{device:?} {shape:?}");
            assert_close(&result.values.to_f32(), &z, 1e-5, &context);
            assert_eq!(result.positions.to_u32(), positions, "{context}");
            let mut dz = normal(n_z, 4);
            dz.iter_mut().step_by(3).for_each(|dz| *dz = 0.0);
            let upstream = Tensor::f32(&device, [shape[0], shape[3]], &dz);
            let gradients = result.values.backward_with(&upstream);
            let expected = backward(&h, &w, &bias, &wide(&dz), shape);
            for (leaf, expected) in leaves.iter().zip(&expected) {
                let gradient = gradients.get(leaf).expect("it is tracked").to_f32();
                assert_close(&gradient, expected, 1e-5, &context);
            }
        }
    }
}

/// A chunk that begins within a text goes on where the one before ended.
#[test]
fn chunks_add_up_to_the_whole() {
    let shape = [3, 50, 4, 20];
    let [n_h, n_w, n_bias, n_z] = sizes(shape);
    let [h, w, bias] = [(n_h, 1), (n_w, 2), (n_bias, 3)].map(|(n, seed)| normal64(n, seed));
    let (logits, visible) = (logits(&h, &w, &bias, shape[2]), visible(shape));
    let (mut z, mut positions) = (vec![f64::NAN; n_z], vec![7; n_z]);
    for first in (0..150).step_by(64) {
        let rows = (150 - first).min(64);
        let params = Params { first: first as u32, rows: rows as u32, ..params(shape) };
        let chunk = &logits[first * shape[3]..][..rows * shape[3]];
        twin::forward(&params, (chunk, &visible), (&mut z, &mut positions));
    }
    assert_eq!((z, positions), forward(&h, &w, &bias, shape));
}

/// The lowest of equal tokens wins, and takes the whole gradient; a text that shows nothing has 0 and gives none.
#[test]
fn ties_go_to_the_first_and_nothing_seen_is_zero() {
    for device in devices() {
        let hidden = Tensor::f32(&device, [2, 3, 1], &[1.0, 2.0, 2.0, 5.0, 5.0, 5.0]).tracked();
        let weight = Tensor::f32(&device, [2, 1], &[1.0, -1.0]).tracked();
        let visible = Tensor::u32(&device, [2, 3], &[1, 1, 1, 0, 0, 0]);
        let result = token_max_pool(&hidden, &weight, None, &visible);
        assert_eq!(result.values.to_f32(), [2.0, -1.0, 0.0, 0.0], "{device:?}");
        assert_eq!(result.positions.to_u32(), [1, 0, twin::NONE, twin::NONE], "{device:?}");
        let upstream = Tensor::f32(&device, [2, 2], &[3.0, 7.0, 1.0, 1.0]);
        let gradients = result.values.backward_with(&upstream);
        let dhidden = gradients.get(&hidden).expect("it is tracked").to_f32();
        assert_eq!(dhidden, [-7.0, 3.0, 0.0, 0.0, 0.0, 0.0], "{device:?}");
        let dweight = gradients.get(&weight).expect("it is tracked").to_f32();
        assert_eq!(dweight, [6.0, 7.0], "{device:?}");
    }
}

/// Values, positions, and the gradients of hidden, weight and bias.
type Results = (Vec<f32>, Vec<u32>, [Vec<f32>; 3]);

fn results(
    device: &Device,
    inputs: [&[f32]; 3],
    visible: &[u32],
    dz: &[f32],
    shape: [usize; 4],
) -> Results {
    let (leaves, result) = pooled_where(device, inputs, visible, shape);
    let upstream = Tensor::f32(device, [shape[0], shape[3]], dz);
    let gradients = result.values.backward_with(&upstream);
    let gradient = |leaf: &Tensor| gradients.get(leaf).expect("it is tracked").to_f32();
    (result.values.to_f32(), result.positions.to_u32(), leaves.map(|leaf| gradient(&leaf)))
}

/// B, T, H, V of the properties that follow.
const SHAPE: [usize; 4] = [4, 20, 16, 90];

/// Hidden, weight, bias and the upstream gradient for [`SHAPE`].
fn inputs() -> [Vec<f32>; 4] {
    let mut seed = 0;
    sizes(SHAPE).map(|n| {
        seed += 1;
        normal(n, seed)
    })
}

#[test]
fn twenty_runs_give_the_same_bits() {
    let [h, w, bias, dz] = inputs();
    for device in devices() {
        let run = || results(&device, [&h, &w, &bias], &visible(SHAPE), &dz, SHAPE);
        let first = run();
        assert!((1..20).all(|_| run() == first), "{device:?}");
    }
}

/// What a text does not show has no say, whatever it holds: not in a bit of the maxima, positions and gradients.
#[test]
fn padding_changes_nothing() {
    let [h, w, bias, dz] = inputs();
    let visible = visible(SHAPE);
    for device in devices() {
        let run = |padding: f32| {
            let mut h = h.clone();
            for (h, _) in h.chunks_mut(SHAPE[2]).zip(&visible).filter(|(_, shown)| **shown == 0) {
                h.fill(padding);
            }
            results(&device, [&h, &w, &bias], &visible, &dz, SHAPE)
        };
        let expected = run(0.0);
        for padding in [1.0, -1e6, 1e30] {
            assert!(run(padding) == expected, "{device:?}: padding {padding}");
        }
        let rows = expected.2[0].chunks(SHAPE[2]).zip(&visible);
        let mut unseen = rows.filter(|(_, shown)| **shown == 0).flat_map(|(dh, _)| dh);
        assert!(unseen.all(|dh| *dh == 0.0), "{device:?}: a hidden token has a gradient");
    }
}

/// Texts in another order give the same results and gradients in that order; sums over the texts may round otherwise.
#[test]
fn permuted_texts_give_permuted_results() {
    let [h, w, bias, dz] = inputs();
    let [_, tokens, channels, vocabulary] = SHAPE;
    let shown = visible(SHAPE);
    fn permuted<E: Copy>(values: &[E], words: usize) -> Vec<E> {
        [2, 0, 3, 1].iter().flat_map(|text| &values[text * words..][..words]).copied().collect()
    }
    let (words, rows) = (tokens * channels, vocabulary);
    let (other_h, other_dz) = (permuted(&h, words), permuted(&dz, rows));
    let other_shown = permuted(&shown, tokens);
    for device in devices() {
        let (z, at, [dh, dw, dbias]) = results(&device, [&h, &w, &bias], &shown, &dz, SHAPE);
        let (other_z, other_at, [other_dh, other_dw, other_dbias]) =
            results(&device, [&other_h, &w, &bias], &other_shown, &other_dz, SHAPE);
        assert_eq!(other_z, permuted(&z, rows), "{device:?}");
        assert_eq!(other_at, permuted(&at, rows), "{device:?}");
        assert_eq!(other_dh, permuted(&dh, words), "{device:?}");
        assert_close(&other_dw, &wide(&dw), 1e-6, &format!("{device:?} dweight"));
        assert_close(&other_dbias, &wide(&dbias), 1e-6, &format!("{device:?} dbias"));
    }
}

/// Where a text shows one token of several, its logits are the maxima and it takes every gradient: a plain product.
#[test]
fn one_visible_token_takes_everything() {
    let [h, w, bias, dz] = inputs();
    let [documents, tokens, channels, vocabulary] = SHAPE;
    let chosen: [usize; 4] = [0, 19, 7, 11];
    let mut visible = vec![0; documents * tokens];
    (chosen.iter().enumerate()).for_each(|(text, token)| visible[text * tokens + token] = 1);
    let rows = chosen.iter().enumerate().flat_map(|(text, token)| {
        wide(&h[(text * tokens + token) * channels..][..channels]).into_iter()
    });
    let expected = logits(&rows.collect::<Vec<f64>>(), &wide(&w), &wide(&bias), channels);
    let mut expected_dh = vec![0.0; h.len()];
    for (text, token) in chosen.iter().enumerate() {
        let dh = &mut expected_dh[(text * tokens + token) * channels..][..channels];
        for v in 0..vocabulary {
            for (c, dh) in dh.iter_mut().enumerate() {
                *dh += f64::from(dz[text * vocabulary + v]) * f64::from(w[v * channels + c]);
            }
        }
    }
    for device in devices() {
        let (z, at, [dh, ..]) = results(&device, [&h, &w, &bias], &visible, &dz, SHAPE);
        assert_close(&z, &expected, 1e-5, &format!("{device:?}"));
        let everywhere = |(at, text): (&[u32], &usize)| at.iter().all(|at| *at as usize == *text);
        assert!(at.chunks(vocabulary).zip(&chosen).all(everywhere), "{device:?}: {at:?}");
        assert_close(&dh, &expected_dh, 1e-5, &format!("{device:?} dhidden"));
    }
}
