//! matmul: every variant against the f64 twin, the ops' gradients against differences and plain sums.

mod cooperative;

use bytemuck::Zeroable;
use wgrad_engine::device::{Device, Launch};
use wgrad_engine::ops::{self, Gelu, Transpose};
use wgrad_engine::params::matmul::Params;
use wgrad_engine::reference::matmul as twin;
use wgrad_engine::testing::{
    assert_close, central_difference, devices, dot, normal, normal64, wide,
};
use wgrad_engine::{Tensor, kernels};

/// (M, N, K): one element, odd, below and above a tile of 64, a whole tile of 128, a long sum.
const SIZES: [(usize, usize, usize); 7] =
    [(1, 1, 1), (3, 5, 7), (63, 66, 33), (65, 130, 18), (128, 64, 16), (1, 70, 40), (8, 12, 700)];

const TRANSPOSES: [Transpose; 3] = [Transpose::Neither, Transpose::Left, Transpose::Right];

/// Rounding of a sum of `inner` products: random signs, so √K of them, with room for one bad one in ten thousand.
fn tolerance(inner: usize) -> f64 {
    2e-7 * (inner as f64).sqrt() + 2e-7
}

/// The params of `batches` products whose operands lie dense, transposed or not.
fn params(
    batches: usize,
    (m, n, k): (usize, usize, usize),
    transpose: Transpose,
    splits: usize,
) -> Params {
    let [m, n, k] = [m, n, k].map(|extent| extent as u32);
    let (a_row, a_inner) = if transpose == Transpose::Left { (1, m) } else { (k, 1) };
    let (b_inner, b_column) = if transpose == Transpose::Right { (1, k) } else { (n, 1) };
    Params {
        rows: m,
        columns: n,
        inner: k,
        batches: batches as u32,
        a_row,
        a_inner,
        a_batch: m * k,
        b_inner,
        b_column,
        b_batch: k * n,
        chunk: k.div_ceil(splits as u32).next_multiple_of(16),
        splits: splits as u32,
        gelu_form: 0,
    }
}

/// Every variant, whatever the op would choose on this device, with one and with three shares of K.
#[test]
fn variants_match_twin() {
    for device in devices() {
        for size @ (m, n, k) in [(7, 9, 50), (65, 67, 40), (68, 132, 52), (132, 72, 96)] {
            for transpose in TRANSPOSES {
                for (batches, splits) in [(1, 1), (2, 3)] {
                    let params = params(batches, size, transpose, splits);
                    let (a, b) = (normal(batches * m * k, 1), normal(batches * k * n, 2));
                    let mut expected = vec![0.0; splits * batches * m * n];
                    twin::forward::<f64>(&params, (&wide(&a), &wide(&b)), &mut expected);
                    let aligned = [m, n, k].iter().all(|extent| extent.is_multiple_of(4));
                    let eight = device.is_cpu() || device.limits().subgroup == Some(8);
                    for (variant, runs) in [("tiled", true), ("vec4", aligned), ("software", eight)]
                    {
                        if !runs {
                            continue;
                        }
                        let c = run_variant(&device, variant, params, &a, &b, expected.len());
                        let context =
                            format!("{device:?} {variant} {size:?} {transpose:?} {splits}");
                        assert_close(&c, &expected, tolerance(k), &context);
                    }
                }
            }
        }
    }
}

fn run_variant(
    device: &Device,
    variant: &str,
    params: Params,
    a: &[f32],
    b: &[f32],
    words: usize,
) -> Vec<f32> {
    let (a, b) = (&device.upload_f32(a), &device.upload_f32(b));
    let mut c = device.buffer(words);
    let side = if variant == "vec4" { 128 } else { 64 };
    let groups =
        [params.columns.div_ceil(side), params.rows.div_ceil(side), params.batches * params.splits];
    let launch = Launch::groups(groups);
    match variant {
        "tiled" => device.run(kernels::matmul::Forward { params, a, b, c: &mut c }, launch),
        "vec4" => device.run(kernels::matmul_vec4::Forward { params, a, b, c: &mut c }, launch),
        _ => device.run(kernels::matmul_software::Forward { params, a, b, c: &mut c }, launch),
    }
    device.read_f32(&c)
}

#[test]
fn reduce_adds_shares_in_order() {
    for device in devices() {
        let (words, splits) = (1030, 3);
        let partials = normal(words * splits, 1);
        let params =
            Params { rows: 1, columns: words as u32, batches: 1, splits: 3, ..Params::zeroed() };
        let mut expected = vec![0.0; words];
        twin::reduce::<f64>(&params, &wide(&partials), &mut expected);
        let mut c = device.buffer(words);
        let partials = device.upload_f32(&partials);
        let kernel = kernels::matmul::Reduce { params, wide: &partials, c: &mut c };
        device.run(kernel, Launch::lanes(words, 256));
        assert_close(&device.read_f32(&c), &expected, 3e-7, &format!("{device:?}"));
    }
}

/// op(A)·op(B) in f64, from the definition.
fn naive(a: &[f64], b: &[f64], (m, n, k): (usize, usize, usize), transpose: Transpose) -> Vec<f64> {
    let a_at =
        |i: usize, l: usize| if transpose == Transpose::Left { l * m + i } else { i * k + l };
    let b_at =
        |l: usize, j: usize| if transpose == Transpose::Right { j * k + l } else { l * n + j };
    let element = |at: usize| (0..k).map(|l| a[a_at(at / n, l)] * b[b_at(l, at % n)]).sum();
    (0..m * n).map(element).collect()
}

#[test]
fn twin_matches_the_definition() {
    for size @ (m, n, k) in SIZES {
        for transpose in TRANSPOSES {
            let (a, b) = (normal64(m * k, 1), normal64(k * n, 2));
            let mut c = vec![0.0; m * n];
            twin::forward(&params(1, size, transpose, 1), (&a, &b), &mut c);
            assert_close(&c, &naive(&a, &b, size, transpose), 1e-13, &format!("{size:?}"));
        }
    }
}

/// The op and both gradients, for equal leading axes and for one operand that meets all matrices of the other.
#[test]
fn matmul_and_its_gradients_match_the_definition() {
    for device in devices() {
        for size in SIZES {
            for transpose in TRANSPOSES {
                for (a_lead, b_lead) in
                    [(vec![], vec![]), (vec![2, 1], vec![2, 1]), (vec![2], vec![])]
                {
                    check_matmul(&device, size, transpose, &a_lead, &b_lead);
                }
            }
        }
    }
}

fn check_matmul(
    device: &Device,
    size @ (m, n, k): (usize, usize, usize),
    transpose: Transpose,
    a_lead: &[usize],
    b_lead: &[usize],
) {
    let context = format!("{device:?} {size:?} {transpose:?} {a_lead:?} {b_lead:?}");
    let a_size = if transpose == Transpose::Left { [k, m] } else { [m, k] };
    let b_size = if transpose == Transpose::Right { [n, k] } else { [k, n] };
    let (batches, b_count) = (a_lead.iter().product::<usize>(), b_lead.iter().product::<usize>());
    let (a, b) = (normal(batches * m * k, 1), normal(b_count * k * n, 2));
    let dc = normal(batches * m * n, 3);

    let left = Tensor::f32(device, [a_lead, &a_size].concat(), &a).tracked();
    let right = Tensor::f32(device, [b_lead, &b_size].concat(), &b).tracked();
    let c = ops::matmul(&left, &right, transpose);
    assert_eq!(c.shape().axes(), [a_lead, &[m, n]].concat(), "{context}");
    let gradients = c.backward_with(&Tensor::f32(device, c.shape().clone(), &dc));

    let (mut expected_c, mut expected_da) = (vec![], vec![]);
    let mut expected_db = vec![0.0; b.len()];
    let (a, b, dc) = (wide(&a), wide(&b), wide(&dc));
    for batch in 0..batches {
        let a = &a[batch * m * k..][..m * k];
        let b_at = if b_count == batches { batch * k * n } else { 0 };
        let b = &b[b_at..][..k * n];
        let dc = &dc[batch * m * n..][..m * n];
        expected_c.extend(naive(a, b, size, transpose));
        // ⟨dC, A·B⟩ is linear in each operand: its derivatives are products again.
        let (da, db) = match transpose {
            Transpose::Neither => (
                naive(dc, b, (m, k, n), Transpose::Right),
                naive(a, dc, (k, n, m), Transpose::Left),
            ),
            Transpose::Right => (
                naive(dc, b, (m, k, n), Transpose::Neither),
                naive(dc, a, (n, k, m), Transpose::Left),
            ),
            Transpose::Left => (
                naive(b, dc, (k, m, n), Transpose::Right),
                naive(a, dc, (k, n, m), Transpose::Neither),
            ),
        };
        expected_da.extend(da);
        for (sum, db) in expected_db[b_at..].iter_mut().zip(db) {
            *sum += db;
        }
    }
    assert_close(&c.to_f32(), &expected_c, tolerance(k), &format!("{context} c"));
    let gradient = |leaf| gradients.get(leaf).expect("both operands are tracked").to_f32();
    assert_close(&gradient(&left), &expected_da, tolerance(n), &format!("{context} da"));
    assert_close(&gradient(&right), &expected_db, tolerance(batches * m), &format!("{context} db"));
}

/// The f64 twin of a linear layer under GELU (`form`), or without it.
fn layer(
    x: &[f64],
    w: &[f64],
    b: &[f64],
    size: (usize, usize, usize),
    form: Option<Gelu>,
) -> Vec<f64> {
    let mut params = params(1, size, Transpose::Right, 1);
    let mut y = vec![0.0; size.0 * size.1];
    match form {
        None => twin::forward_bias(&params, (x, w, b), &mut y),
        Some(form) => {
            params.gelu_form = form as u32;
            let mut u = y.clone();
            twin::forward_gelu(&params, (x, w, b), (&mut y, &mut u));
        }
    }
    y
}

/// y and all three gradients of the layers on every device, against central differences of the f64 twin.
#[test]
fn linear_layers_match_differences() {
    let devices = devices();
    for size @ (m, n, k) in [(1, 1, 1), (3, 5, 7), (9, 12, 8), (66, 5, 3)] {
        for form in [None, Some(Gelu::Erf), Some(Gelu::Tanh)] {
            let (x, w, b) = (normal(m * k, 1), normal(n * k, 2), normal(n, 3));
            let dy = normal(m * n, 4);
            let (x64, w64, b64, dy64) = (wide(&x), wide(&w), wide(&b), wide(&dy));
            let y64 = layer(&x64, &w64, &b64, size, form);
            let dx = central_difference(|x| dot(&layer(x, &w64, &b64, size, form), &dy64), &x64);
            let dw = central_difference(|w| dot(&layer(&x64, w, &b64, size, form), &dy64), &w64);
            let db = central_difference(|b| dot(&layer(&x64, &w64, b, size, form), &dy64), &b64);
            for (device, in_out) in
                devices.iter().flat_map(|device| [(device, false), (device, true)])
            {
                let context = format!("{device:?} {size:?} {form:?} {in_out}");
                let leaf = |axes: &[usize], values| Tensor::f32(device, axes, values).tracked();
                let (x, b) = (leaf(&[m, 1, k], &x), leaf(&[n], &b));
                let (w, dw) = match in_out {
                    false => (leaf(&[n, k], &w), dw.clone()),
                    true => (leaf(&[k, n], &transposed(&w, n, k)), transposed(&dw, n, k)),
                };
                let y = match (form, in_out) {
                    (None, false) => ops::linear(&x, &w, Some(&b)),
                    (None, true) => ops::affine(&x, &w, &b),
                    (Some(form), false) => ops::linear_gelu(&x, &w, &b, form),
                    (Some(form), true) => ops::affine_gelu(&x, &w, &b, form),
                };
                assert_eq!(y.shape().axes(), [m, 1, n], "{context}");
                assert_close(&y.to_f32(), &y64, 1e-6, &format!("{context} y"));
                let gradients = y.backward_with(&Tensor::f32(device, [m, 1, n], &dy));
                for (leaf, expected, name) in [(&x, &dx, "dx"), (&w, &dw, "dw"), (&b, &db, "db")] {
                    let gradient = gradients.get(leaf).expect("all three are tracked");
                    let context = format!("{context} {name}");
                    assert_close(&gradient.to_f32(), expected, 2e-6, &context);
                }
            }
        }
    }
}

/// `[N, K]` → `[K, N]`.
fn transposed<T: Copy>(matrix: &[T], n: usize, k: usize) -> Vec<T> {
    (0..k).flat_map(|column| (0..n).map(move |row| matrix[row * k + column])).collect()
}

#[test]
fn linear_without_bias_is_a_product() {
    for device in devices() {
        let (x, w, dy) = (normal(6 * 10, 1), normal(7 * 10, 2), normal(6 * 7, 3));
        let leaf = |axes: [usize; 2], values| Tensor::f32(&device, axes, values).tracked();
        let (x, w) = (leaf([6, 10], &x), leaf([7, 10], &w));
        let dy = Tensor::f32(&device, [6, 7], &dy);
        let (y, c) = (ops::linear(&x, &w, None), ops::matmul(&x, &w, Transpose::Right));
        assert_eq!(y.to_f32(), c.to_f32());
        let (of_y, of_c) = (y.backward_with(&dy), c.backward_with(&dy));
        for leaf in [&x, &w] {
            assert_eq!(of_y.get(leaf).map(Tensor::to_f32), of_c.get(leaf).map(Tensor::to_f32));
        }
    }
}

#[test]
fn two_runs_give_the_same_bits() {
    for device in devices() {
        let (a, b) = (normal(70 * 300, 1), normal(300 * 65, 2));
        let run = || {
            let (a, b) = (Tensor::f32(&device, [70, 300], &a), Tensor::f32(&device, [300, 65], &b));
            ops::matmul(&a, &b, Transpose::Neither).to_f32()
        };
        assert_eq!(run(), run(), "{device:?}");
    }
}

#[test]
#[should_panic(expected = "linear: weight is [4, 6], expected [4, 5]")]
fn a_wrong_weight_is_named() {
    let device = Device::cpu();
    let zeros = |axes: [usize; 2]| Tensor::f32(&device, axes, &vec![0.0; axes[0] * axes[1]]);
    ops::linear(&zeros([3, 5]), &zeros([4, 6]), None);
}
