//! contrastive_rows and distillation: each query's loss and log-sum-exp with gradients of their own.

use wgrad_engine::Tensor;
use wgrad_engine::ops::{
    Contrastive, ContrastiveRows, Targets, contrastive, contrastive_rows, multiply, sum,
};
use wgrad_engine::params::contrastive::Params;
use wgrad_engine::reference::contrastive as twin;
use wgrad_engine::testing::{
    assert_close, central_difference, devices, dot, normal, normal64, wide,
};
use wgrad_losses::{distillation, distillation_over_batch};

use super::{Inputs, Plain, SHAPES, TEMPERATURE, ids, inputs, leaves, targets, upload};

/// Losses and log-sum-exps, and the gradients of ⟨losses, dy⟩ and of ⟨log-sum-exps, dy⟩.
fn expected(
    inputs: &Inputs,
    ids: Option<&[u32]>,
    dy: &[f64],
    shape: [usize; 3],
) -> [(Vec<f64>, Inputs); 2] {
    let plain = Plain::new(inputs, ids, shape);
    let [stats, _, losses, log_sums] = plain.forward(&inputs[2]);
    [(losses, 0), (log_sums, 1)].map(|(result, of_log_sums)| {
        let mut slopes = plain.scores.clone();
        let params = Params { of_log_sums, ..plain.params };
        let reads = (plain.ids, &plain.classes[..], &inputs[2][..], &stats[..], dy);
        twin::backward_rows(&params, reads, &mut slopes);
        (result, plain.products(&slopes, inputs))
    })
}

#[test]
fn backward_matches_finite_differences() {
    for shape in &SHAPES[..3] {
        let (inputs, ids, dy) = (inputs(*shape, 1), ids(*shape), normal64(shape[0], 9));
        for ids in [None, Some(&ids[..])] {
            for (result, (_, analytic)) in expected(&inputs, ids, &dy, *shape).iter().enumerate() {
                for at in 0..3 {
                    let loss = |x: &[f64]| {
                        let mut moved = inputs.clone();
                        moved[at] = x.to_vec();
                        dot(&expected(&moved, ids, &dy, *shape)[result].0, &dy)
                    };
                    let numeric = central_difference(loss, &inputs[at]);
                    let context = format!("{shape:?} result {result} input {at}");
                    assert_close(&analytic[at], &numeric, 1e-6, &context);
                }
            }
        }
    }
}

#[test]
fn devices_match_twin() {
    for device in devices() {
        for shape @ [rows, columns, width] in SHAPES {
            let (inputs, ids, dy) = (inputs(shape, 2), ids(shape), normal(rows, 9));
            let on_device = Tensor::u32(&device, [columns], &ids);
            for (ids, candidate_ids) in [(None, None), (Some(&ids[..]), Some(&on_device))] {
                let leaves = leaves(&device, &inputs, width);
                let [queries, passages, a] = &leaves;
                let (temperature, log_scale) = (TEMPERATURE, Some(a));
                let options =
                    Contrastive { temperature, candidate_ids, log_scale, ..Contrastive::default() };
                let targets = Targets::new(&device, &targets(shape), columns);
                let ContrastiveRows { losses, log_sum_exps } =
                    contrastive_rows(queries, passages, &targets, &options);
                let all_expected = expected(&inputs, ids, &wide(&dy), shape);
                for (actual, expected) in [losses, log_sum_exps].iter().zip(all_expected) {
                    let context = format!("{device:?} {shape:?} ids {}", ids.is_some());
                    assert_close(&actual.to_f32(), &expected.0, 5e-6, &context);
                    let gradients = actual.backward_with(&Tensor::f32(&device, [rows], &dy));
                    for (leaf, expected) in leaves.iter().zip(expected.1) {
                        let gradient = gradients.get(leaf).expect("all are tracked").to_f32();
                        assert_close(&gradient, &expected, 2e-5, &context);
                    }
                }
            }
        }
    }
}

/// The mean that `contrastive` takes, taken here: Σ ℓ·w with w = 1 / counted queries.
#[test]
fn the_mean_of_the_rows_is_the_loss() {
    for device in devices() {
        let shape @ [rows, columns, width] = SHAPES[2];
        let [queries, passages, _] = leaves(&device, &inputs(shape, 3), width);
        let targets = Targets::new(&device, &targets(shape), columns);
        let options = Contrastive { temperature: TEMPERATURE, ..Contrastive::default() };
        let weight = vec![1.0 / targets.counted() as f32; rows];
        let weight = Tensor::f32(&device, [rows], &weight);
        let of_rows = contrastive_rows(&queries, &passages, &targets, &options).losses;
        let of_rows = sum(&multiply(&of_rows, &weight));
        let whole = contrastive(&queries, &passages, &targets, &options);
        let context = format!("{device:?}");
        assert_close(&of_rows.to_f32(), &wide(&whole.to_f32()), 1e-6, &context);
        let [of_rows, whole] = [of_rows, whole].map(|loss| loss.backward());
        for leaf in [&queries, &passages] {
            let [of_rows, whole] = [&of_rows, &whole]
                .map(|gradients| gradients.get(leaf).expect("both are tracked").to_f32());
            assert_close(&of_rows, &wide(&whole), 1e-6, &context);
        }
    }
}

/// Σ p·(log p − log q) of one query, p of the teacher's scores, q of the student's; of more scores than the teacher's, the
/// first are those it knows.
fn divergence(teacher: &[f64], student: &[f64]) -> f64 {
    let log_sum = |scores: &[f64]| scores.iter().map(|s| s.exp()).sum::<f64>().ln();
    let (p, q) = (log_sum(teacher), log_sum(student));
    let log_ratio = |(t, s): (&f64, &f64)| (t - p).exp() * ((t - p) - (s - q));
    teacher.iter().zip(student).map(log_ratio).sum()
}

#[test]
fn distillation_matches_its_formula() {
    let [rows, group, width] = [5, 3, 4];
    let temperature = 0.5_f32;
    let embeddings = [normal64(rows * width, 1), normal64(rows * group * width, 2)];
    let teacher = normal64(rows * group, 3);
    let expected = |[q, p]: &[Vec<f64>; 2], over_batch: bool| -> f64 {
        let own = |(i, (q, teacher)): (usize, (&[f64], &[f64]))| {
            let score = |p: &[f64]| dot(q, p) / f64::from(temperature);
            let mut student: Vec<f64> = p.chunks(width).map(score).collect();
            student.rotate_left(i * group);
            student.truncate(if over_batch { rows * group } else { group });
            divergence(teacher, &student)
        };
        let rows_of = q.chunks(width).zip(teacher.chunks(group)).enumerate();
        rows_of.map(own).sum::<f64>() / rows as f64
    };
    for device in devices() {
        for over_batch in [false, true] {
            let [queries, passages] =
                embeddings.each_ref().map(|values| upload(&device, values, width).tracked());
            let scores = upload(&device, &teacher, group);
            let formula = if over_batch { distillation_over_batch } else { distillation };
            let loss = formula(&queries, &passages, &scores, temperature);
            let context = format!("{device:?} over batch: {over_batch}");
            assert_close(&loss.to_f32(), &[expected(&embeddings, over_batch)], 5e-6, &context);
            let gradients = loss.backward();
            for (at, leaf) in [&queries, &passages].into_iter().enumerate() {
                let loss = |x: &[f64]| {
                    let mut moved = embeddings.clone();
                    moved[at] = x.to_vec();
                    expected(&moved, over_batch)
                };
                let numeric = central_difference(loss, &embeddings[at]);
                let gradient = gradients.get(leaf).expect("both are tracked").to_f32();
                assert_close(&gradient, &numeric, 2e-5, &context);
            }
        }
    }
}

/// A teacher that scores as the student does teaches nothing.
#[test]
fn a_student_that_is_its_teacher_stays() {
    for device in devices() {
        let scores = normal64(12, 5);
        let ones = upload(&device, &[1.0; 4], 1);
        let passages = upload(&device, &scores, 1).tracked();
        let loss = distillation(&ones, &passages, &upload(&device, &scores, 3), 1.0);
        assert!(loss.to_f32()[0].abs() < 1e-6, "{device:?}: {:?}", loss.to_f32());
        let gradient = loss.backward().take(&passages).expect("passages are tracked").to_f32();
        assert!(gradient.iter().all(|g| g.abs() < 1e-6), "{device:?}: {gradient:?}");
    }
}
