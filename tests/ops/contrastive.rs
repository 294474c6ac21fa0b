//! contrastive: backward against differences, every device against the f64 twins; below it properties, single queries
//! and golden values of JAX.

mod golden;
mod properties;
mod rows;

use wgrad_engine::ops::{self, Contrastive, Directions, Targets, contrastive};
use wgrad_engine::params::{contrastive::Params, fused_loss};
use wgrad_engine::reference::{contrastive as twin, fused_loss as mean};
use wgrad_engine::testing::{
    assert_close, central_difference, devices, dot, normal64, relative_error, wide,
};
use wgrad_engine::{Device, Tensor};

/// Queries, passages, width: one pair, odd groups, a tile and some, more passages than lanes.
const SHAPES: [[usize; 3]; 4] = [[1, 1, 1], [3, 6, 5], [70, 70, 12], [4, 600, 16]];
const TEMPERATURE: f32 = 0.3;

/// The positive of each query: the first of its group. Every fourth query does not count; where there are several queries for a
/// passage, the last of them does alone, so that those which count lie far apart.
fn targets([queries, passages, _]: [usize; 3]) -> Vec<u32> {
    let [group, rivals] = [passages / queries, queries / passages].map(|count| count.max(1));
    let counts = |query: usize| {
        let choice = query / rivals;
        query % rivals == rivals - 1 && choice % 4 != 3 && choice < passages
    };
    let target = |query: usize| {
        if counts(query) { (query / rivals * group) as u32 } else { Targets::IGNORE }
    };
    (0..queries).map(target).collect()
}

/// Every passage occurs several times.
fn ids([_, passages, _]: [usize; 3]) -> Vec<u32> {
    (0..passages).map(|passage| (passage % 5) as u32).collect()
}

/// Queries, passages and a.
type Inputs = [Vec<f64>; 3];

fn inputs([queries, passages, width]: [usize; 3], seed: u64) -> Inputs {
    [normal64(queries * width, seed), normal64(passages * width, seed + 1), vec![0.25]]
}

const DIRECTIONS: [Directions; 2] = [Directions::QueryToPassage, Directions::Both];
/// Whether ids are given, and who chooses.
const KINDS: [(bool, Directions); 4] =
    [(false, DIRECTIONS[0]), (true, DIRECTIONS[0]), (false, DIRECTIONS[1]), (true, DIRECTIONS[1])];

/// The twins' view of all queries as one chunk, in strips that do not divide it.
struct Plain<'a> {
    params: Params,
    shape: [usize; 3],
    classes: Vec<u32>,
    ids: &'a [u32],
    scores: Vec<f64>,
}

impl<'a> Plain<'a> {
    fn new([queries, passages, _]: &Inputs, ids: Option<&'a [u32]>, shape: [usize; 3]) -> Self {
        let [rows, columns, width] = shape;
        let params = Params {
            rows: rows as u32,
            passages: columns as u32,
            strip: 3,
            continues: 0,
            has_ids: u32::from(ids.is_some()),
            of_log_sums: 0,
            inverse_temperature: 1.0 / TEMPERATURE,
        };
        let scores = queries.chunks(width).flat_map(|q| passages.chunks(width).map(|p| dot(q, p)));
        let (scores, ids) = (scores.collect(), ids.unwrap_or(&[]));
        Self { params, shape, classes: targets(shape), ids, scores }
    }

    /// m and Σ, s_t, ℓ and Λ of each query.
    fn forward(&self, a: &[f64]) -> [Vec<f64>; 4] {
        let rows = self.shape[0];
        let mut results = [2 * rows, rows, rows, rows].map(|words| vec![0.0; words]);
        let [stats, positives, losses, log_sums] = &mut results;
        let reads = (self.ids, &self.classes[..], a, &self.scores[..]);
        twin::forward(&self.params, reads, (stats, positives, losses, log_sums));
        results
    }

    /// Gradients of queries, passages and a, given that of the scores.
    fn products(&self, slopes: &[f64], [queries, passages, _]: &Inputs) -> Inputs {
        let [_, columns, width] = self.shape;
        let (mut dqueries, mut dpassages) = (vec![0.0; queries.len()], vec![0.0; passages.len()]);
        for (at, gradient) in slopes.iter().enumerate() {
            let (i, j) = (at / columns, at % columns);
            for c in 0..width {
                dqueries[i * width + c] += gradient * passages[j * width + c];
                dpassages[j * width + c] += gradient * queries[i * width + c];
            }
        }
        let da = dot(queries, &dqueries);
        [dqueries, dpassages, vec![da]]
    }
}

/// Loss and gradients in f64: plain products around the twins.
fn expected(
    inputs: &Inputs,
    ids: Option<&[u32]>,
    directions: Directions,
    shape: [usize; 3],
) -> (f64, Inputs) {
    let (plain, [rows, columns, _]) = (Plain::new(inputs, ids, shape), shape);
    let (a, params) = (&inputs[2][..], &plain.params);
    let [row_stats, positives, mut losses, _] = plain.forward(a);
    let Plain { classes, ids, scores, .. } = &plain;
    let counted = classes.iter().filter(|&&class| class != Targets::IGNORE).count();
    let row_weight = [1.0 / counted as f64];
    let mut slopes = scores.clone();
    if directions == Directions::Both {
        let mut sources = vec![Targets::IGNORE; columns];
        for (row, &class) in (0..).zip(classes).filter(|(_, class)| **class != Targets::IGNORE) {
            sources[class as usize] = row;
        }
        let mut partials = vec![0.0; 2 * rows.div_ceil(3) * columns];
        let mut column_stats = vec![0.0; 2 * columns];
        twin::column_partials(params, (ids, classes, a, scores), &mut partials);
        twin::column_merge(params, &partials, &mut column_stats);
        twin::column_losses(params, (classes, &positives, &column_stats), &mut losses);
        let reads = (
            *ids,
            &classes[..],
            &sources[..],
            a,
            &row_weight[..],
            &row_stats[..],
            &column_stats[..],
        );
        twin::backward_both(params, reads, &mut slopes);
    } else {
        let reads = (*ids, &classes[..], a, &row_weight[..], &row_stats[..]);
        twin::backward_scores(params, reads, &mut slopes);
    }
    let mut loss = [0.0];
    let mean_params = fused_loss::Params { rows: rows as u32, quads: 0 };
    mean::forward(&mean_params, (&losses, &row_weight), &mut loss);
    (loss[0], plain.products(&slopes, inputs))
}

fn upload(device: &Device, values: &[f64], width: usize) -> Tensor {
    let narrow: Vec<f32> = values.iter().map(|&value| value as f32).collect();
    Tensor::f32(device, [values.len() / width, width], &narrow)
}

/// Queries, passages and a of `inputs`, tracked.
fn leaves(device: &Device, [queries, passages, a]: &Inputs, width: usize) -> [Tensor; 3] {
    let [queries, passages] = [queries, passages].map(|values| upload(device, values, width));
    [queries, passages, Tensor::f32(device, [], &[a[0] as f32])].map(|leaf| leaf.tracked())
}

#[test]
fn backward_matches_finite_differences() {
    for shape in &SHAPES[..3] {
        let (inputs, ids) = (inputs(*shape, 1), ids(*shape));
        for (has_ids, directions) in KINDS {
            let ids = has_ids.then_some(&ids[..]);
            let (_, analytic) = expected(&inputs, ids, directions, *shape);
            for at in 0..3 {
                let loss = |x: &[f64]| {
                    let mut moved = inputs.clone();
                    moved[at] = x.to_vec();
                    expected(&moved, ids, directions, *shape).0
                };
                let numeric = central_difference(loss, &inputs[at]);
                let context = format!("{shape:?} {directions:?} input {at}");
                assert_close(&analytic[at], &numeric, 1e-6, &context);
            }
        }
    }
}

#[test]
fn devices_match_twin() {
    devices_match(&SHAPES, &KINDS, 1.0);
}

/// More passages than llvmpipe would loop over for one lane; more queries than a chunk may have, in three chunks with a target
/// each. Queries are short, so that all others have a part in each softmax.
#[test]
fn large_batches_are_whole() {
    let shapes = [[3, 70_001, 4], [130, 16_384, 4], [66_000, 3, 2]];
    devices_match(&shapes, &[(true, Directions::Both)], 0.125);
}

fn devices_match(shapes: &[[usize; 3]], kinds: &[(bool, Directions)], query_size: f64) {
    let devices = devices();
    for shape @ &[_, columns, width] in shapes {
        let (mut inputs, ids, classes) = (inputs(*shape, 2), ids(*shape), targets(*shape));
        inputs[0].iter_mut().for_each(|q| *q *= query_size);
        let with_target = [
            classes.iter().map(|&class| class != Targets::IGNORE).collect(),
            (0..columns as u32).map(|passage| classes.contains(&passage)).collect::<Vec<bool>>(),
        ];
        for &(has_ids, directions) in kinds {
            let (loss, gradients) =
                expected(&inputs, has_ids.then_some(&ids[..]), directions, *shape);
            let scaled: Inputs = gradients.map(|g| g.iter().map(|g| g * 1.5).collect());
            for device in &devices {
                let leaves = leaves(device, &inputs, width);
                let [queries, passages, a] = &leaves;
                let ids = Tensor::u32(device, [columns], &ids);
                let options = Contrastive {
                    temperature: TEMPERATURE,
                    candidate_ids: has_ids.then_some(&ids),
                    log_scale: Some(a),
                    directions,
                };
                let targets = Targets::new(device, &classes, columns);
                let actual = contrastive(queries, passages, &targets, &options);
                let gradients = actual.backward_with(&Tensor::f32(device, [], &[1.5]));
                let context = format!("{device:?} {shape:?} {directions:?} ids {has_ids}");
                assert_close(&actual.to_f32(), &[loss], 5e-6, &context);
                for (leaf, expected) in leaves.iter().zip(&scaled) {
                    let gradient = gradients.get(leaf).expect("all are tracked").to_f32();
                    assert_close(&gradient, expected, 2e-5, &context);
                }
                for (at, has_target) in with_target.iter().enumerate() {
                    let gradient = gradients.get(&leaves[at]).expect("all are tracked").to_f32();
                    let [actual, expected] = [&wide(&gradient), &scaled[at]]
                        .map(|rows| without_target(rows, has_target));
                    let error = relative_error(&actual, &expected);
                    assert!(error <= 2e-5, "{context}: {error:.1e} where nothing is a target");
                }
            }
        }
    }
}

/// The gradient of queries that have no target, or of passages that are none: thousands share little beside a few that have much,
/// so they are judged for themselves.
fn without_target(gradient: &[f64], has_target: &[bool]) -> Vec<f64> {
    let rows = gradient.chunks_exact(gradient.len() / has_target.len()).zip(has_target);
    rows.filter(|(_, has)| !**has).flat_map(|(row, _)| row.to_vec()).collect()
}

#[test]
#[should_panic(expected = "contrastive: temperature is 0, expected above 0")]
fn no_temperature_is_refused() {
    let device = Device::cpu();
    let x = Tensor::f32(&device, [1, 1], &[1.0]);
    let targets = Targets::first_of_groups(&device, 1, 1);
    ops::contrastive(&x, &x, &targets, &Contrastive { temperature: 0.0, ..Contrastive::default() });
}

#[test]
#[should_panic(expected = "targets: rows 0 and 2 are class 1, expected one row at most")]
fn one_target_of_two_queries_is_refused_in_both_directions() {
    let device = Device::cpu();
    let x = Tensor::f32(&device, [3, 1], &[1.0; 3]);
    let targets = Targets::new(&device, &[1, 0, 1], 3);
    let options = Contrastive { directions: Directions::Both, ..Contrastive::default() };
    ops::contrastive(&x, &x, &targets, &options);
}
