//! linear_cross_entropy: backward against differences, every device against the f64 twins, rows that do not count, and
//! what is lost per row and with smoothed labels.

use wgrad_engine::ops::{
    Targets, linear_cross_entropy, linear_cross_entropy_rows, linear_cross_entropy_smoothed,
};
use wgrad_engine::params::{fused_loss, linear_cross_entropy::Params};
use wgrad_engine::reference::{fused_loss as mean, linear_cross_entropy as twin};
use wgrad_engine::testing::{
    assert_close, central_difference, devices, dot, normal, normal64, wide,
};
use wgrad_engine::{Device, Tensor, tensor::no_grad};

/// Rows, width and vocabulary: one element, odd, a tile and some, a workgroup and some.
const SHAPES: [[usize; 3]; 5] = [[1, 1, 1], [3, 5, 7], [70, 12, 33], [5, 16, 600], [9, 64, 257]];
const IGNORE: u32 = Targets::IGNORE;

/// Every third row does not count; the others choose all over the vocabulary.
fn classes([rows, _, vocabulary]: [usize; 3]) -> Vec<u32> {
    let class = |row: usize| if row % 3 == 2 { IGNORE } else { (row * 37 % vocabulary) as u32 };
    (0..rows).map(class).collect()
}

/// hidden, weight and bias.
type Inputs = [Vec<f64>; 3];

fn inputs([rows, width, vocabulary]: [usize; 3], seed: u64) -> Inputs {
    [rows * width, vocabulary * width, vocabulary].map(|count| normal64(count, seed + count as u64))
}

/// What each row that counts adds to the mean, alone.
fn mean_weight(classes: &[u32]) -> Vec<f64> {
    let counted = classes.iter().filter(|&&class| class != IGNORE).count();
    vec![if counted == 0 { 0.0 } else { 1.0 / counted as f64 }]
}

/// Loss and gradients in f64.
fn expected(inputs: &Inputs, classes: &[u32], shape: [usize; 3]) -> (f64, Inputs) {
    let weights = mean_weight(classes);
    let (losses, gradients) = expected_rows(inputs, classes, shape, 0.0, &weights);
    let mean_params = fused_loss::Params { rows: shape[0] as u32, quads: 0 };
    let mut loss = [0.0];
    mean::forward(&mean_params, (&losses, &weights), &mut loss);
    (loss[0], gradients)
}

fn logits([hidden, weight, bias]: &Inputs, [rows, width, vocabulary]: [usize; 3]) -> Vec<f64> {
    let at = |values: &[f64], row: usize| values[row * width..][..width].to_vec();
    let logit = |at_v: usize| {
        let (row, v) = (at_v / vocabulary, at_v % vocabulary);
        dot(&at(hidden, row), &at(weight, v)) + bias[v]
    };
    (0..rows * vocabulary).map(logit).collect()
}

/// The loss of each row, and the gradients of their sum under `weights`, one or one a row: plain products around the twins.
fn expected_rows(
    inputs: &Inputs,
    classes: &[u32],
    shape: [usize; 3],
    smoothing: f32,
    weights: &[f64],
) -> (Vec<f64>, Inputs) {
    let ([hidden, weight, _], [rows, width, vocabulary]) = (inputs, shape);
    let mut scores = logits(inputs, shape);
    let params = Params {
        rows: rows as u32,
        vocabulary: vocabulary as u32,
        accumulates: 0,
        weights: u32::from(weights.len() > 1),
        smoothing,
    };
    let [mut row_max, mut row_sum, mut row_losses] = [0; 3].map(|_| vec![0.0; rows]);
    twin::forward(&params, (classes, &scores), (&mut row_max, &mut row_sum, &mut row_losses));
    twin::backward_logits(&params, (classes, weights, &row_max, &row_sum), &mut scores);
    let mut dbias = vec![f64::NAN; vocabulary];
    twin::backward_bias(&params, &scores, &mut dbias);
    let (mut dhidden, mut dweight) = (vec![0.0; rows * width], vec![0.0; vocabulary * width]);
    for (at, gradient) in scores.iter().enumerate() {
        let (row, v) = (at / vocabulary, at % vocabulary);
        for i in 0..width {
            dhidden[row * width + i] += gradient * weight[v * width + i];
            dweight[v * width + i] += gradient * hidden[row * width + i];
        }
    }
    (row_losses, [dhidden, dweight, dbias])
}

/// Loss and gradients on a device, for an upstream gradient of `dloss`.
fn actual(
    device: &Device,
    inputs: &[Vec<f32>; 3],
    targets: &Targets,
    [rows, width, vocabulary]: [usize; 3],
    dloss: f32,
) -> (f32, [Vec<f32>; 3]) {
    let leaf = |shape: &[usize], values| Tensor::f32(device, shape, values).tracked();
    let [hidden, weight, bias] = [
        leaf(&[rows, width], &inputs[0]),
        leaf(&[vocabulary, width], &inputs[1]),
        leaf(&[vocabulary], &inputs[2]),
    ];
    let loss = linear_cross_entropy(&hidden, &weight, Some(&bias), targets);
    let gradients = loss.backward_with(&Tensor::f32(device, [], &[dloss]));
    let of = |leaf| gradients.get(leaf).expect("all three are tracked").to_f32();
    (loss.to_f32()[0], [of(&hidden), of(&weight), of(&bias)])
}

fn narrow(inputs: &Inputs) -> [Vec<f32>; 3] {
    inputs.each_ref().map(|values| values.iter().map(|&value| value as f32).collect())
}

#[test]
fn backward_matches_finite_differences() {
    for shape in &SHAPES[..3] {
        let (inputs, classes) = (inputs(*shape, 1), classes(*shape));
        let (_, analytic) = expected(&inputs, &classes, *shape);
        for at in 0..3 {
            let loss = |x: &[f64]| {
                let mut moved = inputs.clone();
                moved[at] = x.to_vec();
                expected(&moved, &classes, *shape).0
            };
            let numeric = central_difference(loss, &inputs[at]);
            assert_close(&analytic[at], &numeric, 1e-6, &format!("{shape:?} input {at}"));
        }
    }
}

#[test]
fn devices_match_twin() {
    for device in devices() {
        for shape in SHAPES {
            let (inputs, classes) = (inputs(shape, 2), classes(shape));
            let (loss, gradients) = expected(&inputs, &classes, shape);
            let targets = Targets::new(&device, &classes, shape[2]);
            let (actual_loss, actual_gradients) =
                actual(&device, &narrow(&inputs), &targets, shape, -0.7);
            let context = format!("{device:?} {shape:?}");
            assert_close(&[actual_loss], &[loss], 2e-6, &context);
            for at in 0..3 {
                let scaled: Vec<f64> =
                    gradients[at].iter().map(|g| g * f64::from(-0.7_f32)).collect();
                assert_close(
                    &actual_gradients[at],
                    &scaled,
                    1e-5,
                    &format!("{context} input {at}"),
                );
            }
        }
    }
}

/// −Σ of log p under the target that label smoothing makes, by its definition.
fn smoothed_losses(
    inputs: &Inputs,
    classes: &[u32],
    shape: [usize; 3],
    smoothing: f64,
) -> Vec<f64> {
    let logits = logits(inputs, shape);
    let loss = |(logits, &class): (&[f64], &u32)| {
        let log_total = logits.iter().map(|x| x.exp()).sum::<f64>().ln();
        let target = |v: usize| {
            let own = if v as u32 == class { 1.0 - smoothing } else { 0.0 };
            own + smoothing / shape[2] as f64
        };
        let terms = (0..).zip(logits).map(|(v, x)| target(v) * (log_total - x));
        if class == IGNORE { 0.0 } else { terms.sum::<f64>() }
    };
    logits.chunks_exact(shape[2]).zip(classes).map(loss).collect()
}

#[test]
fn rows_and_smoothing_match_their_definition() {
    for shape in &SHAPES[..3] {
        let (inputs, classes) = (inputs(*shape, 5), classes(*shape));
        let weights = normal64(shape[0], 6);
        for smoothing in [0.0, 0.1_f32, 1.0] {
            let (losses, analytic) = expected_rows(&inputs, &classes, *shape, smoothing, &weights);
            let context = format!("{shape:?} ε = {smoothing}");
            let plain = smoothed_losses(&inputs, &classes, *shape, smoothing.into());
            assert_close(&losses, &plain, 1e-12, &context);
            for at in 0..3 {
                let loss = |x: &[f64]| {
                    let mut moved = inputs.clone();
                    moved[at] = x.to_vec();
                    dot(&smoothed_losses(&moved, &classes, *shape, smoothing.into()), &weights)
                };
                let numeric = central_difference(loss, &inputs[at]);
                assert_close(&analytic[at], &numeric, 1e-6, &format!("{context} input {at}"));
            }
        }
    }
}

/// Each row under a gradient of its own, and the smoothed mean; the last shape has a real vocabulary.
#[test]
fn devices_match_twin_by_row_and_smoothed() {
    for device in devices() {
        for shape in SHAPES.into_iter().chain([[5, 8, 30_522]]) {
            let (inputs, classes, smoothing) = (inputs(shape, 7), classes(shape), 0.1);
            let [rows, width, vocabulary] = shape;
            let values = narrow(&inputs);
            let leaf = |shape: &[usize], values| Tensor::f32(&device, shape, values).tracked();
            let leaves = [
                leaf(&[rows, width], &values[0]),
                leaf(&[vocabulary, width], &values[1]),
                leaf(&[vocabulary], &values[2]),
            ];
            let [hidden, weight, bias] = &leaves;
            let targets = Targets::new(&device, &classes, vocabulary);
            let weights = normal(rows, 8);
            let upstream = Tensor::f32(&device, [rows], &weights);
            let run = || {
                let each =
                    linear_cross_entropy_rows(hidden, weight, Some(bias), &targets, smoothing);
                let mean =
                    linear_cross_entropy_smoothed(hidden, weight, Some(bias), &targets, smoothing);
                let gradients = [each.backward_with(&upstream), mean.backward()];
                let of = |leaf| {
                    gradients.each_ref().map(|of| of.get(leaf).expect("it is tracked").to_f32())
                };
                (each.to_f32(), mean.to_f32(), leaves.each_ref().map(of))
            };
            let context = format!("{device:?} {shape:?}");
            let (each, mean, gradients) = run();
            assert_eq!(run(), (each.clone(), mean.clone(), gradients.clone()), "{context}");
            let own = wide(&weights);
            let of_mean = mean_weight(&classes);
            let (losses, by_row) = expected_rows(&inputs, &classes, shape, smoothing, &own);
            let (_, by_mean) = expected_rows(&inputs, &classes, shape, smoothing, &of_mean);
            assert_close(&each, &losses, 2e-6, &context);
            assert_close(&mean, &[losses.iter().sum::<f64>() * of_mean[0]], 2e-6, &context);
            for (actual, expected) in gradients.iter().zip(by_row.iter().zip(&by_mean)) {
                assert_close(&actual[0], expected.0, 1e-5, &context);
                assert_close(&actual[1], expected.1, 1e-5, &context);
            }
        }
    }
}

/// A gradient is computed for those that want one alone, and without a bias.
#[test]
fn rows_without_bias_or_table_gradient() {
    let shape @ [rows, width, vocabulary] = [33, 20, 300];
    for device in devices() {
        let mut inputs = narrow(&inputs(shape, 4));
        inputs[2].fill(0.0);
        let targets = Targets::new(&device, &classes(shape), vocabulary);
        let (_, expected) = actual(&device, &inputs, &targets, shape, 1.0);
        let hidden = Tensor::f32(&device, [rows, width], &inputs[0]).tracked();
        let weight = Tensor::f32(&device, [vocabulary, width], &inputs[1]);
        let each = linear_cross_entropy_rows(&hidden, &weight, None, &targets, 0.0);
        let share = vec![1.0 / targets.counted() as f32; rows];
        let gradients = each.backward_with(&Tensor::f32(&device, [rows], &share));
        let dhidden = gradients.get(&hidden).expect("it is tracked").to_f32();
        assert_eq!(dhidden, expected[0], "{device:?}");
        let quiet = no_grad(|| linear_cross_entropy_rows(&hidden, &weight, None, &targets, 0.0));
        assert_eq!((quiet.is_tracked(), quiet.to_f32()), (false, each.to_f32()), "{device:?}");
        let none = Targets::new(&device, &[], vocabulary);
        let nothing = Tensor::f32(&device, [0, width], &[]).tracked();
        let weight = weight.tracked();
        let empty = linear_cross_entropy_rows(&nothing, &weight, None, &none, 0.0);
        let gradients = empty.backward_with(&Tensor::f32(&device, [0], &[]));
        let dweight = gradients.get(&weight).expect("it is tracked").to_f32();
        assert!(empty.to_f32().is_empty() && dweight.iter().all(|&g| g == 0.0), "{device:?}");
    }
}

#[test]
#[should_panic(expected = "linear_cross_entropy: smoothing is 1.5, not in [0, 1]")]
fn a_smoothing_above_one_is_refused() {
    let device = Device::cpu();
    let (hidden, weight) = (normal(5, 1), normal(20, 2));
    let targets = Targets::new(&device, &[0], 4);
    let (hidden, weight) =
        (Tensor::f32(&device, [1, 5], &hidden), Tensor::f32(&device, [4, 5], &weight));
    linear_cross_entropy_smoothed(&hidden, &weight, None, &targets, 1.5);
}

/// No row counts, or there is no row: loss and gradients are 0, not NaN.
#[test]
fn nothing_to_predict_is_zero() {
    for device in devices() {
        for rows in [0, 4] {
            let shape = [rows, 6, 10];
            let targets = Targets::new(&device, &vec![IGNORE; rows], 10);
            let (loss, gradients) =
                actual(&device, &narrow(&inputs(shape, 3)), &targets, shape, 1.0);
            assert_eq!(loss, 0.0, "{device:?} {rows}");
            assert!(
                gradients.iter().flatten().all(|&g| g == 0.0),
                "{device:?} {rows}: {gradients:?}"
            );
            assert_eq!(gradients[1].len(), 60);
        }
    }
}

/// Logits of ±10⁴: the loss is their difference, and no exponential overflows.
#[test]
fn extreme_logits_stay_finite() {
    let (hidden, weight) = ([1.0, -1.0], [1e4, -1e4, 0.0]);
    let targets = [1, 1]; // the worst class of the first row, the best of the second
    for device in devices() {
        let targets = Targets::new(&device, &targets, 3);
        let inputs = [hidden.to_vec(), weight.to_vec(), vec![0.0; 3]];
        let (loss, gradients) = actual(&device, &inputs, &targets, [2, 1, 3], 1.0);
        assert_close(&[loss], &[1e4], 1e-6, &format!("{device:?}"));
        assert_close(&gradients[0], &[1e4, 0.0], 1e-6, &format!("{device:?}"));
        assert_close(&gradients[1], &[0.5, -0.5, 0.0], 1e-6, &format!("{device:?}"));
    }
}

/// A bias of −∞ forbids a class, whichever it is: its probability is 0, and so are its gradients.
#[test]
fn a_forbidden_class_costs_nothing() {
    for device in devices() {
        for forbidden in 0..3 {
            let targets = Targets::new(&device, &[(forbidden + 1) % 3], 3);
            let mut bias = vec![0.0; 3];
            bias[forbidden as usize] = f32::NEG_INFINITY;
            let inputs = [vec![1.0], vec![0.5; 3], bias];
            let (loss, gradients) = actual(&device, &inputs, &targets, [1, 1, 3], 1.0);
            assert_close(&[loss], &[2_f64.ln()], 1e-6, &format!("{device:?} {forbidden}"));
            let mut expected = [0.5; 3];
            expected[forbidden as usize] = 0.0;
            expected[(forbidden as usize + 1) % 3] = -0.5;
            assert_close(&gradients[2], &expected, 1e-6, &format!("{device:?} {forbidden}"));
        }
    }
}

/// Without a bias, and without a graph, the loss is the same bits; so it is the second time.
#[test]
fn loss_repeats_with_and_without_gradients() {
    let shape @ [rows, width, vocabulary] = [33, 20, 300];
    for device in devices() {
        let mut inputs = narrow(&inputs(shape, 4));
        inputs[2].fill(0.0);
        let targets = Targets::new(&device, &classes(shape), vocabulary);
        let first = actual(&device, &inputs, &targets, shape, 1.0);
        assert_eq!(first, actual(&device, &inputs, &targets, shape, 1.0), "{device:?}");
        let hidden = Tensor::f32(&device, [rows, width], &inputs[0]).tracked();
        let weight = Tensor::f32(&device, [vocabulary, width], &inputs[1]).tracked();
        let loss = linear_cross_entropy(&hidden, &weight, None, &targets);
        assert_eq!(loss.to_f32()[0], first.0, "{device:?}");
        let dhidden = loss.backward().take(&hidden).expect("hidden is tracked").to_f32();
        assert_eq!(dhidden, first.1[0], "{device:?}");
        let quiet = no_grad(|| linear_cross_entropy(&hidden, &weight, None, &targets));
        assert!(!quiet.is_tracked());
        assert_eq!(quiet.to_f32()[0], first.0, "{device:?}");
    }
}

#[test]
#[should_panic(expected = "targets: row 1 is class 7, expected below 7")]
fn a_class_out_of_range_is_refused() {
    Targets::new(&Device::cpu(), &[6, 7], 7);
}

#[test]
#[should_panic(expected = "linear_cross_entropy: hidden is [2, 5], expected [3, 5]")]
fn another_number_of_rows_is_refused() {
    let device = Device::cpu();
    let (hidden, weight) = (normal(10, 1), normal(20, 2));
    let targets = Targets::new(&device, &[0; 3], 4);
    let (hidden, weight) =
        (Tensor::f32(&device, [2, 5], &hidden), Tensor::f32(&device, [4, 5], &weight));
    linear_cross_entropy(&hidden, &weight, None, &targets);
}
