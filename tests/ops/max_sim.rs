//! max_sim: backward against differences, every device against its definition in f64 and against golden values of JAX,
//! both masks, ties, hidden documents, groups against pairs.

use wgrad_engine::ops::{MaxSim, Pairs, l2_normalize, log_softmax, max_sim};
use wgrad_engine::params::max_sim::Params;
use wgrad_engine::reference::max_sim as twin;
use wgrad_engine::tensor::no_grad;
use wgrad_engine::testing::{assert_close, central_difference, devices, dot, normal, wide};
use wgrad_engine::{Device, Tensor};

use super::{golden, numbers};

/// M, S, N, T, D: one of each, odd, more columns than registers hold, more lanes than a workgroup, ColBERT's width.
const SHAPES: [[usize; 5]; 5] =
    [[1, 1, 1, 1, 1], [3, 5, 6, 7, 5], [2, 37, 4, 3, 3], [5, 13, 10, 9, 17], [2, 4, 4, 20, 128]];
const BOTH: [Pairs; 2] = [Pairs::All, Pairs::Groups];

/// Which tokens count: two of three of the queries, three of four of the documents; nothing of the last of several.
struct Masks {
    query: Vec<u32>,
    document: Vec<u32>,
}

fn masks([m, s, n, t, _]: [usize; 5]) -> Masks {
    let hidden = |at: usize| n > 1 && at / t == n - 1;
    Masks {
        query: (0..m * s).map(|at| u32::from(at % 3 != 1)).collect(),
        document: (0..n * t).map(|at| u32::from(!hidden(at) && (t == 1 || at % 4 != 2))).collect(),
    }
}

fn params([m, s, n, t, d]: [usize; 5], pairs: Pairs) -> Params {
    let batches = if pairs == Pairs::All { 1 } else { m };
    let [batches, queries, documents, query_tokens, document_tokens, channels] =
        [batches, m / batches, n / batches, s, t, d].map(|n| n as u32);
    Params {
        batches,
        queries,
        documents,
        first_batch: 0,
        first_query: 0,
        first_document: 0,
        batch_queries: queries,
        batch_documents: documents,
        query_tokens,
        document_tokens,
        channels,
        has_query_mask: 1,
        has_document_mask: 1,
        keeps_positions: 1,
    }
}

/// The pairs whose scores are wanted, in order.
fn pairs_of([m, _, n, ..]: [usize; 5], pairs: Pairs) -> Vec<(usize, usize)> {
    let meets = |&(query, document): &(usize, usize)| match pairs {
        Pairs::All => true,
        Pairs::Groups => document / (n / m) == query,
    };
    (0..m * n).map(|at| (at / n, at % n)).filter(meets).collect()
}

/// The definition, pair by pair.
fn scores(q: &[f64], docs: &[f64], masks: &Masks, shape: [usize; 5], pairs: Pairs) -> Vec<f64> {
    let [_, s, _, t, d] = shape;
    let score = |(query, document): (usize, usize)| -> f64 {
        let tokens = (query * s..(query + 1) * s).filter(|&i| masks.query[i] != 0);
        let best = |i: usize| {
            let seen = (document * t..(document + 1) * t).filter(|&j| masks.document[j] != 0);
            seen.map(|j| dot(&q[i * d..][..d], &docs[j * d..][..d])).reduce(f64::max).unwrap_or(0.0)
        };
        tokens.map(best).sum()
    };
    pairs_of(shape, pairs).into_iter().map(score).collect()
}

/// The twin's gradients of queries and documents; similarities lie as [batch, document, T, query, S].
fn backward(
    q: &[f64],
    docs: &[f64],
    dscores: &[f64],
    shape: [usize; 5],
    pairs: Pairs,
) -> [Vec<f64>; 2] {
    let ([_, s, _, t, d], masks, params) = (shape, masks(shape), params(shape, pairs));
    let columns = params.batch_queries as usize * s;
    let rows = params.batch_documents as usize * t;
    let mut similarities = Vec::new();
    for (docs, q) in docs.chunks_exact(rows * d).zip(q.chunks_exact(columns * d)) {
        for row in docs.chunks_exact(d) {
            similarities.extend(q.chunks_exact(d).map(|q| dot(q, row)));
        }
    }
    let mut maxima = vec![f64::NAN; similarities.len() / t];
    let mut positions = vec![7; maxima.len()];
    let mut actual = vec![f64::NAN; dscores.len()];
    let writes = (&mut maxima[..], &mut positions[..]);
    twin::forward(&params, (&similarities, &masks.document), writes);
    twin::score(&params, (&masks.query, &maxima), &mut actual);
    let expected = scores(q, docs, &masks, shape, pairs);
    assert_close(&actual, &expected, 1e-12, &format!("{shape:?} {pairs:?}"));
    let (mut dq, mut ddocs) = (vec![f64::NAN; q.len()], vec![f64::NAN; docs.len()]);
    twin::backward_queries(&params, (&masks.query, &positions, dscores, docs), &mut dq);
    twin::backward_documents(&params, (&masks.query, &positions, dscores, q), &mut ddocs);
    [dq, ddocs]
}

/// Queries, documents and the upstream gradient; a third of the pairs pass nothing.
fn inputs(shape: [usize; 5], pairs: Pairs) -> [Vec<f32>; 3] {
    let [m, s, n, t, d] = shape;
    let mut dscores = normal(pairs_of(shape, pairs).len(), 3);
    dscores.iter_mut().skip(1).step_by(3).for_each(|slope| *slope = 0.0);
    [normal(m * s * d, 1), normal(n * t * d, 2), dscores]
}

#[test]
fn backward_matches_finite_differences() {
    for shape in &SHAPES[..4] {
        for pairs in BOTH {
            let [q, docs, dscores] = inputs(*shape, pairs).map(|values| wide(&values));
            let masks = masks(*shape);
            let [dq, ddocs] = backward(&q, &docs, &dscores, *shape, pairs);
            let loss =
                |q: &[f64], docs: &[f64]| dot(&scores(q, docs, &masks, *shape, pairs), &dscores);
            let context = format!("{shape:?} {pairs:?}");
            assert_close(&dq, &central_difference(|q| loss(q, &docs), &q), 1e-7, &context);
            assert_close(&ddocs, &central_difference(|d| loss(&q, d), &docs), 1e-7, &context);
        }
    }
}

/// Scores and both gradients on a device.
fn actual(
    device: &Device,
    inputs: &[Vec<f32>; 3],
    shape: [usize; 5],
    pairs: Pairs,
) -> [Vec<f32>; 3] {
    let ([m, s, n, t, d], masks) = (shape, masks(shape));
    let q = Tensor::f32(device, [m, s, d], &inputs[0]).tracked();
    let docs = Tensor::f32(device, [n, t, d], &inputs[1]).tracked();
    let query_mask = Tensor::u32(device, [m, s], &masks.query);
    let document_mask = Tensor::u32(device, [n, t], &masks.document);
    let options =
        MaxSim { pairs, query_mask: Some(&query_mask), document_mask: Some(&document_mask) };
    let scores = max_sim(&q, &docs, &options);
    let untracked = no_grad(|| max_sim(&q, &docs, &options));
    assert_eq!(untracked.to_f32(), scores.to_f32(), "{device:?} {shape:?} {pairs:?}");
    let upstream = Tensor::f32(device, scores.shape().clone(), &inputs[2]);
    let gradients = scores.backward_with(&upstream);
    let of = |leaf| gradients.get(leaf).expect("both are tracked").to_f32();
    [scores.to_f32(), of(&q), of(&docs)]
}

fn devices_match(shapes: &[[usize; 5]]) {
    for &shape in shapes {
        for pairs in BOTH {
            if pairs == Pairs::Groups && !shape[2].is_multiple_of(shape[0]) {
                continue;
            }
            let inputs = inputs(shape, pairs);
            let [q, docs, dscores] = inputs.each_ref().map(|values| wide(values));
            let expected = scores(&q, &docs, &masks(shape), shape, pairs);
            let [dq, ddocs] = backward(&q, &docs, &dscores, shape, pairs);
            for device in devices() {
                let actual = actual(&device, &inputs, shape, pairs);
                for (actual, expected) in actual.iter().zip([&expected, &dq, &ddocs]) {
                    assert_close(
                        actual,
                        expected,
                        1e-5,
                        &format!("{device:?} {shape:?} {pairs:?}"),
                    );
                }
            }
        }
    }
}

#[test]
fn devices_match_twin() {
    devices_match(&SHAPES);
}

/// More query tokens for a document, and more documents for a query, than llvmpipe lets an invocation walk; many queries, which
/// meet all documents or one each.
#[test]
fn long_walks_are_whole() {
    devices_match(&[[2100, 32, 1, 3, 1], [1, 2, 70_000, 1, 1], [700, 1, 700, 1, 3]]);
}

/// More lanes than 65,535 groups of 64 in one dimension have: of pairs and their query tokens, of channels of query tokens,
/// and of channels of documents.
#[test]
fn many_groups_are_spread_over_the_grid() {
    devices_match(&[[2100, 1, 2000, 1, 1], [33, 1000, 1, 1, 128], [2, 1, 33_001, 1, 128]]);
}

/// Without masks all tokens count and are seen.
#[test]
fn no_mask_is_a_mask_of_ones() {
    let shape @ [m, s, n, t, d] = [3, 4, 6, 5, 8];
    for device in devices() {
        for pairs in BOTH {
            let [q, docs, _] = inputs(shape, pairs);
            let q = Tensor::f32(&device, [m, s, d], &q);
            let docs = Tensor::f32(&device, [n, t, d], &docs);
            let ones = [[m, s], [n, t]]
                .map(|axes| Tensor::u32(&device, axes, &vec![1; axes[0] * axes[1]]));
            let masked =
                MaxSim { pairs, query_mask: Some(&ones[0]), document_mask: Some(&ones[1]) };
            let plain = MaxSim { pairs, query_mask: None, document_mask: None };
            let scores = [masked, plain].map(|options| max_sim(&q, &docs, &options).to_f32());
            assert_eq!(scores[0], scores[1], "{device:?} {pairs:?}");
        }
    }
}

/// The first of equal tokens takes the whole gradient; a hidden document scores 0 and takes none.
#[test]
fn ties_go_to_the_first_and_nothing_seen_is_zero() {
    for device in devices() {
        let q = Tensor::f32(&device, [1, 2, 1], &[1.0, -1.0]).tracked();
        let docs = Tensor::f32(&device, [2, 3, 1], &[1.0, 2.0, 2.0, 5.0, 5.0, 5.0]).tracked();
        let mask = Tensor::u32(&device, [2, 3], &[1, 1, 1, 0, 0, 0]);
        let options = MaxSim { pairs: Pairs::All, query_mask: None, document_mask: Some(&mask) };
        let scores = max_sim(&q, &docs, &options);
        assert_eq!(scores.to_f32(), [1.0, 0.0], "{device:?}");
        let gradients = scores.backward_with(&Tensor::f32(&device, [1, 2], &[3.0, 7.0]));
        let of = |leaf| gradients.get(leaf).expect("both are tracked").to_f32();
        assert_eq!(of(&q), [6.0, 3.0], "{device:?}");
        assert_eq!(of(&docs), [-3.0, 3.0, 0.0, 0.0, 0.0, 0.0], "{device:?}");
    }
}

#[test]
fn twenty_runs_give_the_same_bits() {
    let shape = [4, 20, 8, 30, 16];
    for device in devices() {
        for pairs in BOTH {
            let inputs = inputs(shape, pairs);
            let first = actual(&device, &inputs, shape, pairs);
            let same = |_| actual(&device, &inputs, shape, pairs) == first;
            assert!((1..20).all(same), "{device:?} {pairs:?}");
        }
    }
}

#[test]
#[should_panic(
    expected = "max_sim: documents is [3, 1, 4], expected as many for each query of [2, 1, 4]"
)]
fn groups_that_do_not_divide_are_refused() {
    let device = Device::cpu();
    let (q, docs) = (normal(8, 1), normal(12, 2));
    let (q, docs) = (Tensor::f32(&device, [2, 1, 4], &q), Tensor::f32(&device, [3, 1, 4], &docs));
    max_sim(&q, &docs, &MaxSim { pairs: Pairs::Groups, query_mask: None, document_mask: None });
}

/// The inputs of `gen.py`: a linear congruential generator, so that every program can make them.
fn generated(seed: u64, count: usize) -> Vec<f32> {
    let next = |u: &u64| Some((1_103_515_245 * u + 12_345) & 0x7FFF_FFFF);
    let numbers = std::iter::successors(Some(7919 * seed + 1), next).skip(2);
    numbers.take(count).map(|u| (u as f64 / f64::from(1 << 30) - 1.0) as f32).collect()
}

/// ColBERT's scores of two queries and four documents with hidden tokens, and the gradients of its pairwise loss.
#[test]
fn golden_colbert() {
    let Some(golden) = golden() else { return };
    let mask: Vec<u32> =
        numbers(&golden["maxsim"]["mask"]).iter().map(|&seen| seen as u32).collect();
    let expected = numbers(&golden["maxsim"]["scores_neg_inf_mask"]);
    let pairwise = &golden["colbert_pairwise_ce_nway2"];
    for device in devices() {
        let q = Tensor::f32(&device, [2, 3, 4], &generated(8, 24)).tracked();
        let docs = Tensor::f32(&device, [4, 5, 4], &generated(9, 80)).tracked();
        let [x, y] = [&q, &docs].map(|vectors| l2_normalize(vectors, 1e-12));
        let mask = Tensor::u32(&device, [4, 5], &mask);
        let options = |pairs| MaxSim { pairs, query_mask: None, document_mask: Some(&mask) };
        let context = format!("{device:?}");
        let all = max_sim(&x, &y, &options(Pairs::All));
        assert_close(&all.to_f32(), &expected, 2e-5, &context);
        let own = log_softmax(&max_sim(&x, &y, &options(Pairs::Groups)));
        let loss = -0.5 * (own.to_f32()[0] + own.to_f32()[2]);
        assert_close(&[loss], &numbers(&pairwise["loss"]), 2e-5, &context);
        let upstream = Tensor::f32(&device, [2, 2], &[-0.5, 0.0, -0.5, 0.0]);
        let gradients = own.backward_with(&upstream);
        for (leaf, name) in [(&q, "d_Q"), (&docs, "d_P")] {
            let actual = gradients.get(leaf).expect("both are tracked").to_f32();
            assert_close(&actual, &numbers(&pairwise[name]), 1e-4, &context);
        }
    }
}

/// Hidden tokens of similarity 0, as PyLate and BGE-M3 have them: their vectors are 0 and they stay visible.
#[test]
fn golden_zero_mask() {
    let Some(golden) = golden() else { return };
    let mask = numbers(&golden["maxsim"]["mask"]);
    let expected = numbers(&golden["maxsim"]["scores_zero_mask(PyLate/M3)"]);
    for device in devices() {
        let q = l2_normalize(&Tensor::f32(&device, [2, 3, 4], &generated(8, 24)), 1e-12);
        let docs: Vec<f32> =
            (0..).zip(generated(9, 80)).map(|(at, x)| x * mask[at / 4] as f32).collect();
        let docs = l2_normalize(&Tensor::f32(&device, [4, 5, 4], &docs), 1e-12);
        let options = MaxSim { pairs: Pairs::All, query_mask: None, document_mask: None };
        let scores = max_sim(&q, &docs, &options).to_f32();
        assert_close(&scores, &expected, 2e-5, &format!("{device:?}"));
    }
}
