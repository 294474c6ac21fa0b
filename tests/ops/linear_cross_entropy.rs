//! linear_cross_entropy: backward against differences, every device against the f64 twins, rows that do not count,
//! chunks against the whole.

use wgrad_engine::ops::{Targets, linear_cross_entropy};
use wgrad_engine::params::{fused_loss, linear_cross_entropy::Params};
use wgrad_engine::reference::{fused_loss as mean, linear_cross_entropy as twin};
use wgrad_engine::testing::{assert_close, central_difference, devices, normal, normal64, wide};
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

/// Loss and gradients in f64: plain products around the twins.
fn expected(inputs: &Inputs, classes: &[u32], shape: [usize; 3]) -> (f64, Inputs) {
    let ([hidden, weight, bias], [rows, width, vocabulary]) = (inputs, shape);
    let mut scores = vec![0.0; rows * vocabulary];
    for (at, score) in scores.iter_mut().enumerate() {
        let (row, v) = (at / vocabulary, at % vocabulary);
        let products = (0..width).map(|i| hidden[row * width + i] * weight[v * width + i]);
        *score = products.sum::<f64>() + bias[v];
    }
    let params = Params { rows: rows as u32, vocabulary: vocabulary as u32, accumulates: 0 };
    let counted = classes.iter().filter(|&&class| class != IGNORE).count();
    let row_weight = [if counted == 0 { 0.0 } else { 1.0 / counted as f64 }];
    let (mut log_sum_exp, mut row_losses, mut loss) = (vec![0.0; rows], vec![0.0; rows], [0.0]);
    twin::forward(&params, (classes, &scores), (&mut log_sum_exp, &mut row_losses));
    let mean_params = fused_loss::Params { rows: rows as u32, quads: 0 };
    mean::forward(&mean_params, (&row_losses, &row_weight), &mut loss);

    twin::backward_logits(&params, (classes, &row_weight, &log_sum_exp), &mut scores);
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
    (loss[0], [dhidden, dweight, dbias])
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

/// 130 rows over a vocabulary of 140,001 take three chunks: the mean and the sums of three losses of one chunk each.
#[test]
fn chunks_add_up_to_the_whole() {
    let shape @ [rows, width, vocabulary] = [130, 2, 140_001];
    let inputs @ [hidden, weight, bias] = &narrow(&inputs(shape, 5));
    let classes = classes(shape);
    for device in devices().into_iter().filter(|device| !device.options().checked) {
        let targets = Targets::new(&device, &classes, vocabulary);
        let (loss, gradients) = actual(&device, inputs, &targets, shape, 1.0);
        let (mut sum, mut dhidden) = (0.0, Vec::new());
        let (mut dweight, mut dbias) = (vec![0.0; weight.len()], vec![0.0; bias.len()]);
        for first in (0..rows).step_by(64) {
            let last = (first + 64).min(rows);
            let part = Targets::new(&device, &classes[first..last], vocabulary);
            let share = part.counted() as f32 / targets.counted() as f32;
            let inputs =
                [hidden[first * width..last * width].to_vec(), weight.clone(), bias.clone()];
            let shape = [last - first, width, vocabulary];
            let (loss, gradients) = actual(&device, &inputs, &part, shape, share);
            sum += f64::from(loss * share);
            dhidden.extend(wide(&gradients[0]));
            for (total, gradients) in [(&mut dweight, &gradients[1]), (&mut dbias, &gradients[2])] {
                for (total, gradient) in total.iter_mut().zip(gradients) {
                    *total += f64::from(*gradient);
                }
            }
        }
        let context = format!("{device:?}");
        assert_close(&[loss], &[sum], 1e-6, &context);
        assert_close(&gradients[0], &dhidden, 1e-5, &context);
        assert_close(&gradients[1], &dweight, 1e-5, &context);
        assert_close(&gradients[2], &dbias, 1e-5, &context);
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
