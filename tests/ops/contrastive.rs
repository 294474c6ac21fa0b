//! contrastive: backward against differences, every device against the f64 twins and against golden values of JAX.

use std::path::PathBuf;

use serde_json::Value;
use wgrad_engine::ops::{self, Contrastive, Targets, add, contrastive, l2_normalize};
use wgrad_engine::params::{contrastive::Params, fused_loss};
use wgrad_engine::reference::{contrastive as twin, fused_loss as mean};
use wgrad_engine::testing::{assert_close, central_difference, devices, normal, normal64};
use wgrad_engine::{Device, Tensor};

/// Queries, passages, width: one pair, odd groups, a tile and some, more passages than lanes.
const SHAPES: [[usize; 3]; 4] = [[1, 1, 1], [3, 6, 5], [70, 70, 12], [4, 600, 16]];
const TEMPERATURE: f32 = 0.3;

/// The positive of each query: the first of its group; every fourth query does not count.
fn targets([queries, passages, _]: [usize; 3]) -> Vec<u32> {
    let group = passages / queries;
    let target = |query| if query % 4 == 3 { Targets::IGNORE } else { (query * group) as u32 };
    (0..queries).map(target).collect()
}

/// Every passage occurs several times.
fn ids([_, passages, _]: [usize; 3]) -> Vec<u32> {
    (0..passages).map(|passage| (passage % 5) as u32).collect()
}

/// Queries and passages.
type Inputs = [Vec<f64>; 2];

fn inputs([queries, passages, width]: [usize; 3], seed: u64) -> Inputs {
    [normal64(queries * width, seed), normal64(passages * width, seed + 1)]
}

/// Loss and gradients in f64: plain products around the twins.
fn expected(inputs: &Inputs, ids: Option<&[u32]>, shape: [usize; 3]) -> (f64, Inputs) {
    let ([queries, passages], [rows, columns, width], classes) = (inputs, shape, targets(shape));
    let mut scores = vec![0.0; rows * columns];
    for (at, score) in scores.iter_mut().enumerate() {
        let (i, j) = (at / columns, at % columns);
        *score = (0..width).map(|c| queries[i * width + c] * passages[j * width + c]).sum();
    }
    let params = Params {
        rows: rows as u32,
        passages: columns as u32,
        has_ids: u32::from(ids.is_some()),
        inverse_temperature: 1.0 / TEMPERATURE,
    };
    let ids = ids.unwrap_or(&[]);
    let counted = classes.iter().filter(|&&class| class != Targets::IGNORE).count();
    let row_weight = [1.0 / counted as f64];
    let (mut log_sum_exp, mut row_losses, mut loss) = (vec![0.0; rows], vec![0.0; rows], [0.0]);
    twin::forward(&params, (ids, &classes, &scores), (&mut log_sum_exp, &mut row_losses));
    let mean_params = fused_loss::Params { rows: rows as u32, quads: 0 };
    mean::forward(&mean_params, (&row_losses, &row_weight), &mut loss);

    twin::backward_scores(&params, (ids, &classes, &row_weight, &log_sum_exp), &mut scores);
    let (mut dqueries, mut dpassages) = (vec![0.0; rows * width], vec![0.0; columns * width]);
    for (at, gradient) in scores.iter().enumerate() {
        let (i, j) = (at / columns, at % columns);
        for c in 0..width {
            dqueries[i * width + c] += gradient * passages[j * width + c];
            dpassages[j * width + c] += gradient * queries[i * width + c];
        }
    }
    (loss[0], [dqueries, dpassages])
}

fn upload(device: &Device, values: &[f64], width: usize) -> Tensor {
    let narrow: Vec<f32> = values.iter().map(|&value| value as f32).collect();
    Tensor::f32(device, [values.len() / width, width], &narrow)
}

#[test]
fn backward_matches_finite_differences() {
    for shape in &SHAPES[..3] {
        let (inputs, ids) = (inputs(*shape, 1), ids(*shape));
        for ids in [None, Some(&ids[..])] {
            let (_, analytic) = expected(&inputs, ids, *shape);
            for at in 0..2 {
                let loss = |x: &[f64]| {
                    let mut moved = inputs.clone();
                    moved[at] = x.to_vec();
                    expected(&moved, ids, *shape).0
                };
                let numeric = central_difference(loss, &inputs[at]);
                assert_close(&analytic[at], &numeric, 1e-6, &format!("{shape:?} input {at}"));
            }
        }
    }
}

#[test]
fn devices_match_twin() {
    for device in devices() {
        for shape @ [_, columns, width] in SHAPES {
            let (inputs, ids) = (inputs(shape, 2), ids(shape));
            let on_device = Tensor::u32(&device, [columns], &ids);
            for (ids, candidate_ids) in [(None, None), (Some(&ids[..]), Some(&on_device))] {
                let (loss, [dqueries, dpassages]) = expected(&inputs, ids, shape);
                let [queries, passages] =
                    inputs.each_ref().map(|values| upload(&device, values, width).tracked());
                let options = Contrastive { temperature: TEMPERATURE, candidate_ids };
                let targets = Targets::new(&device, &targets(shape), columns);
                let actual = contrastive(&queries, &passages, &targets, &options);
                let gradients = actual.backward_with(&Tensor::f32(&device, [], &[1.5]));
                let context = format!("{device:?} {shape:?} ids {}", ids.is_some());
                assert_close(&actual.to_f32(), &[loss], 5e-6, &context);
                for (leaf, expected) in [(&queries, dqueries), (&passages, dpassages)] {
                    let scaled: Vec<f64> = expected.iter().map(|g| g * 1.5).collect();
                    let gradient = gradients.get(leaf).expect("both are tracked").to_f32();
                    assert_close(&gradient, &scaled, 2e-5, &context);
                }
            }
        }
    }
}

/// A copy of every positive at the end changes nothing when the ids say so.
#[test]
fn copies_of_the_positive_are_no_negatives() {
    let (rows, width) = (5, 8);
    let (queries, passages) = (normal64(rows * width, 3), normal64(rows * width, 4));
    let twice = [passages.clone(), passages.clone()].concat();
    let ids: Vec<u32> = (0..2 * rows as u32).map(|passage| passage % rows as u32).collect();
    for device in devices() {
        let queries = upload(&device, &queries, width);
        let options = Contrastive { temperature: TEMPERATURE, candidate_ids: None };
        let targets = Targets::first_of_groups(&device, rows, 1);
        let once = contrastive(&queries, &upload(&device, &passages, width), &targets, &options);

        let ids = Tensor::u32(&device, [2 * rows], &ids);
        let options = Contrastive { candidate_ids: Some(&ids), ..options };
        let classes: Vec<u32> = (0..rows as u32).collect();
        let targets = Targets::new(&device, &classes, 2 * rows);
        let both = upload(&device, &twice, width).tracked();
        let loss = contrastive(&queries, &both, &targets, &options);
        // The other copies stay negatives: every negative counts twice, so only one row of one passage is equal.
        assert!(loss.to_f32()[0] >= once.to_f32()[0], "{device:?}");
        let single = Targets::new(&device, &classes[..1], 2 * rows);
        let one = contrastive(&upload(&device, &[0.0; 8], width), &both, &single, &options);
        // A zero query scores all alike: 2·rows − 1 visible candidates.
        assert_close(
            &one.to_f32(),
            &[(2.0 * rows as f64 - 1.0).ln()],
            1e-6,
            &format!("{device:?}"),
        );
        let dpassages = one.backward().take(&both).expect("passages are tracked").to_f32();
        assert!(dpassages.iter().all(|&g| g == 0.0), "{device:?}: {dpassages:?}");
    }
}

/// Scores of ±10⁴, also at a hidden column: nothing overflows.
#[test]
fn extreme_scores_stay_finite() {
    for device in devices() {
        let queries = Tensor::f32(&device, [1, 1], &[1.0]).tracked();
        let passages = Tensor::f32(&device, [3, 1], &[-100.0, 100.0, -100.0]).tracked();
        let ids = Tensor::u32(&device, [3], &[7, 7, 8]);
        let options = Contrastive { temperature: 0.01, candidate_ids: Some(&ids) };
        let loss = contrastive(&queries, &passages, &Targets::new(&device, &[0], 3), &options);
        assert_close(&loss.to_f32(), &[2.0_f64.ln()], 1e-6, &format!("{device:?}"));
        let gradients = loss.backward();
        let dpassages = gradients.get(&passages).expect("passages are tracked").to_f32();
        assert_close(&dpassages, &[-50.0, 0.0, 50.0], 1e-5, &format!("{device:?}"));
    }
}

#[test]
fn two_runs_give_the_same_bits() {
    for device in devices() {
        let shape @ [_, columns, width] = SHAPES[2];
        let targets = Targets::new(&device, &targets(shape), columns);
        let run = |_| {
            let leaf =
                |seed| Tensor::f32(&device, [70, width], &normal(70 * width, seed)).tracked();
            let (queries, passages) = (leaf(5), leaf(6));
            let options = Contrastive { temperature: TEMPERATURE, candidate_ids: None };
            let loss = contrastive(&queries, &passages, &targets, &options);
            let gradients = loss.backward();
            [&queries, &passages].map(|leaf| gradients.get(leaf).map(Tensor::to_f32))
        };
        let [first, second] = [0, 1].map(run);
        assert_eq!(first, second, "{device:?}");
    }
}

/// `golden/contrastive/golden.json`: JAX in double precision, written by `gen.py` beside it.
fn golden() -> Option<Value> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared");
    let shared =
        std::env::var_os("WGRAD_SHARED").map_or_else(|| PathBuf::from(beside), PathBuf::from);
    let path = shared.join("golden/contrastive/golden.json");
    let Ok(text) = std::fs::read_to_string(&path) else {
        eprintln!("skipped: no golden values at {}", path.display());
        return None;
    };
    Some(serde_json::from_str(&text).expect("golden.json is JSON"))
}

fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(values) => values.iter().flat_map(numbers).collect(),
        number => vec![number.as_f64().expect("golden values are numbers")],
    }
}

/// In-batch negatives with one hard negative each, cosine times 20, in both orders of the candidates.
#[test]
fn golden_hard_negatives() {
    let Some(golden) = golden() else { return };
    let case = &golden["infonce_cos_scale20_hardneg"];
    let [q, p, n] = ["q", "p", "n"].map(|name| numbers(&golden["inputs"][name]));
    let [dq, dp, dn] = ["d_q", "d_p", "d_n"].map(|name| numbers(&case[name]));
    let width = 6;
    let by_column = |p: &[f64], n: &[f64]| [p, n].concat();
    let by_query = |p: &[f64], n: &[f64]| {
        p.chunks(width).zip(n.chunks(width)).flat_map(|(p, n)| [p, n].concat()).collect()
    };
    for device in devices() {
        let in_columns =
            (by_column(&p, &n), by_column(&dp, &dn), Targets::new(&device, &[0, 1, 2, 3], 8));
        let in_groups: (Vec<f64>, Vec<f64>, Targets) =
            (by_query(&p, &n), by_query(&dp, &dn), Targets::first_of_groups(&device, 4, 2));
        for (candidates, dcandidates, targets) in [in_columns, in_groups] {
            let queries = upload(&device, &q, width).tracked();
            let passages = upload(&device, &candidates, width).tracked();
            let options = Contrastive { temperature: 0.05, candidate_ids: None };
            let [x, y] = [&queries, &passages].map(|x| l2_normalize(x, 1e-12));
            let loss = contrastive(&x, &y, &targets, &options);
            let context = format!("{device:?}");
            assert_close(&loss.to_f32(), &numbers(&case["loss"]), 2e-5, &context);
            let gradients = loss.backward();
            for (leaf, expected) in [(&queries, &dq), (&passages, &dcandidates)] {
                let actual = gradients.get(leaf).expect("both are tracked").to_f32();
                assert_close(&actual, expected, 1e-4, &context);
            }
        }
    }
}

/// DPR's loss of inner products, and CLIP's in both directions, ½·(ℓ(x, y) + ℓ(y, x)).
#[test]
fn golden_inner_product_and_symmetric() {
    let Some(golden) = golden() else { return };
    let [q, p] = ["q", "p"].map(|name| numbers(&golden["inputs"][name]));
    for device in devices() {
        let [queries, passages] = [&q, &p].map(|x| upload(&device, x, 6).tracked());
        let targets = Targets::first_of_groups(&device, 4, 1);
        let check = |case: &str, loss: &Tensor, dloss: f32| {
            let (case, context) = (&golden[case], format!("{device:?} {case}"));
            let expected: Vec<f64> =
                numbers(&case["loss"]).iter().map(|loss| loss / f64::from(dloss)).collect();
            assert_close(&loss.to_f32(), &expected, 2e-5, &context);
            let gradients = loss.backward_with(&Tensor::f32(&device, [], &[dloss]));
            for (leaf, name) in [(&queries, "d_q"), (&passages, "d_p")] {
                let actual = gradients.get(leaf).expect("both are tracked").to_f32();
                assert_close(&actual, &numbers(&case[name]), 1e-4, &context);
            }
        };
        let options = Contrastive { temperature: 1.0, candidate_ids: None };
        check("dpr_nll_dot", &contrastive(&queries, &passages, &targets, &options), 1.0);

        let [x, y] = [&queries, &passages].map(|x| l2_normalize(x, 1e-12));
        let options = Contrastive { temperature: 0.07, ..options };
        let forth = contrastive(&x, &y, &targets, &options);
        let back = contrastive(&y, &x, &targets, &options);
        check("clip_symmetric_tau_ln_1_over_0.07", &add(&forth, &back), 0.5);
    }
}

#[test]
#[should_panic(expected = "contrastive: temperature is 0, expected above 0")]
fn no_temperature_is_refused() {
    let device = Device::cpu();
    let x = Tensor::f32(&device, [1, 1], &[1.0]);
    let targets = Targets::first_of_groups(&device, 1, 1);
    ops::contrastive(&x, &x, &targets, &Contrastive { temperature: 0.0, candidate_ids: None });
}
