//! contrastive and distillation against values of JAX in double precision.

use wgrad_engine::Tensor;
use wgrad_engine::ops::{Contrastive, Directions, Targets, add, contrastive, l2_normalize};
use wgrad_engine::testing::{assert_close, devices};
use wgrad_losses::distillation;

use super::super::{golden, numbers};
use super::upload;

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
            let options = Contrastive { temperature: 0.05, ..Contrastive::default() };
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
    let clip = "clip_symmetric_tau_ln_1_over_0.07";
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
        let options = Contrastive { temperature: 1.0, ..Contrastive::default() };
        check("dpr_nll_dot", &contrastive(&queries, &passages, &targets, &options), 1.0);

        let [x, y] = [&queries, &passages].map(|x| l2_normalize(x, 1e-12));
        let options = Contrastive { temperature: 0.07, ..options };
        let forth = contrastive(&x, &y, &targets, &options);
        let back = contrastive(&y, &x, &targets, &options);
        check(clip, &add(&forth, &back), 0.5);

        let [x, y] = [&queries, &passages].map(|x| l2_normalize(x, 1e-12));
        let a = Tensor::f32(&device, [], &[-0.07_f32.ln()]).tracked();
        let directions = Directions::Both;
        let options = Contrastive { log_scale: Some(&a), directions, ..Contrastive::default() };
        check(clip, &contrastive(&x, &y, &targets, &options), 1.0);
        let [x, y] = [x, y].map(|x| x.detach());
        let mut gradients = contrastive(&x, &y, &targets, &options).backward();
        let da = gradients.take(&a).expect("a is tracked").to_f32();
        assert_close(&da, &numbers(&golden[clip]["d_tau"]), 1e-4, &format!("{device:?} a"));
    }
}

/// KL of a teacher's scores and a student's: one query of width 1 whose passages are the student's scores.
#[test]
fn golden_distillation() {
    let Some(golden) = golden() else { return };
    let case = &golden["kl_teacher_student_T1_batchmean"];
    let [teacher, student, dstudent] =
        ["teacher", "student", "d_student"].map(|name| numbers(&case[name]));
    let queries = case["teacher"].as_array().expect("a row for each query").len();
    let group = teacher.len() / queries;
    for device in devices() {
        let ones = upload(&device, &vec![1.0; queries], 1);
        let passages = upload(&device, &student, 1).tracked();
        let loss = distillation(&ones, &passages, &upload(&device, &teacher, group), 1.0);
        let context = format!("{device:?}");
        assert_close(&loss.to_f32(), &numbers(&case["loss"]), 2e-5, &context);
        let gradient = loss.backward().take(&passages).expect("passages are tracked").to_f32();
        assert_close(&gradient, &dstudent, 1e-4, &context);
    }
}
