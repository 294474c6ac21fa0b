//! What holds for contrastive whatever the numbers are.

use wgrad_engine::ops::{Contrastive, Directions, Targets, contrastive, l2_normalize};
use wgrad_engine::testing::{assert_close, devices, normal, normal64, wide};
use wgrad_engine::{Device, Tensor};

use super::{DIRECTIONS, TEMPERATURE, upload};

/// A copy of every positive at the end changes nothing when the ids say so.
#[test]
fn copies_of_the_positive_are_no_negatives() {
    let (rows, width) = (5, 8);
    let (queries, passages) = (normal64(rows * width, 3), normal64(rows * width, 4));
    let twice = [passages.clone(), passages.clone()].concat();
    let ids: Vec<u32> = (0..2 * rows as u32).map(|passage| passage % rows as u32).collect();
    for device in devices() {
        let queries = upload(&device, &queries, width);
        let options = Contrastive { temperature: TEMPERATURE, ..Contrastive::default() };
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
        let candidate_ids = Some(&ids);
        let options = Contrastive { temperature: 0.01, candidate_ids, ..Contrastive::default() };
        let loss = contrastive(&queries, &passages, &Targets::new(&device, &[0], 3), &options);
        assert_close(&loss.to_f32(), &[2.0_f64.ln()], 1e-6, &format!("{device:?}"));
        let gradients = loss.backward();
        let dpassages = gradients.get(&passages).expect("passages are tracked").to_f32();
        assert_close(&dpassages, &[-50.0, 0.0, 50.0], 1e-5, &format!("{device:?}"));
    }
}

/// In both directions: the best pair of the row and of the column is one, or another by far, and a passage that is hidden
/// from its query scores far above everything.
#[test]
fn extreme_scores_stay_finite_in_both_directions() {
    for device in devices() {
        let queries = Tensor::f32(&device, [2, 1], &[1.0, -1.0]).tracked();
        let passages = Tensor::f32(&device, [3, 1], &[100.0, 100.0, 200.0]).tracked();
        let ids = Tensor::u32(&device, [3], &[7, 8, 7]);
        let options = Contrastive {
            temperature: 0.01,
            candidate_ids: Some(&ids),
            directions: Directions::Both,
            ..Contrastive::default()
        };
        let targets = Targets::new(&device, &[0, 1], 3);
        // Rows: ln 2 and ln 2, as 200 is hidden from the first, and to the second far below. Columns: 0 and 2·10⁴.
        let loss = contrastive(&queries, &passages, &targets, &options);
        let expected = 0.25 * (2.0 * 2.0_f64.ln() + 2e4);
        assert_close(&loss.to_f32(), &[expected], 1e-6, &format!("{device:?}"));
        let gradients = loss.backward();
        let expected = [(&queries, &[2500.0, -2500.0][..]), (&passages, &[-25.0, 75.0, 0.0])];
        for (leaf, expected) in expected {
            let gradient = gradients.get(leaf).expect("both are tracked").to_f32();
            assert_close(&gradient, expected, 1e-5, &format!("{device:?}"));
        }
    }
}

/// A query and a passage of zeros, which `l2_normalize` gives for an empty text.
#[test]
fn zero_rows_stay_finite() {
    for device in devices() {
        for directions in DIRECTIONS {
            let [mut queries, mut passages] = [normal64(20, 1), normal64(20, 2)];
            queries[4..8].fill(0.0);
            passages[12..16].fill(0.0);
            let [queries, passages] =
                [queries, passages].map(|values| upload(&device, &values, 4).tracked());
            let [x, y] = [&queries, &passages].map(|x| l2_normalize(x, 1e-12));
            let targets = Targets::first_of_groups(&device, 5, 1);
            let options = Contrastive { temperature: 0.05, directions, ..Contrastive::default() };
            let loss = contrastive(&x, &y, &targets, &options);
            let gradients = loss.backward();
            let each = [&queries, &passages].map(|leaf| gradients.get(leaf).map(Tensor::to_f32));
            let finite = each.iter().flatten().flatten().all(|g| g.is_finite());
            assert!(finite && loss.to_f32()[0].is_finite(), "{device:?} {directions:?}");
        }
    }
}

/// Loss and gradients of queries and passages, each query's target given by `classes`.
fn run(
    device: &Device,
    [queries, passages]: [&[f64]; 2],
    (classes, ids): (&[u32], &[u32]),
    directions: Directions,
) -> (f32, [Vec<f64>; 2]) {
    let leaves = [queries, passages].map(|values| upload(device, values, WIDTH).tracked());
    let ids = Tensor::u32(device, [ids.len()], ids);
    let options = Contrastive {
        temperature: TEMPERATURE,
        candidate_ids: Some(&ids),
        directions,
        ..Contrastive::default()
    };
    let targets = Targets::new(device, classes, ids.shape().elements());
    let loss = contrastive(&leaves[0], &leaves[1], &targets, &options);
    let gradients = loss.backward();
    let of = |leaf| wide(&gradients.get(leaf).expect("both are tracked").to_f32());
    (loss.to_f32()[0], leaves.each_ref().map(of))
}

const WIDTH: usize = 6;
/// Pairs of a batch: more than a strip, no multiple of any tile.
const PAIRS: usize = 75;

/// Rows of `values` in another order: row i is what was row `order[i]`.
fn reordered(values: &[f64], order: &[usize]) -> Vec<f64> {
    order.iter().flat_map(|&row| values[row * WIDTH..][..WIDTH].iter().copied()).collect()
}

/// A target for each query, all different, and passages of which some are the same.
fn bijection() -> (Vec<usize>, Vec<u32>) {
    let classes = (0..PAIRS).map(|query| (query * 31 + 5) % PAIRS).collect();
    (classes, (0..PAIRS as u32).map(|passage| passage % 20).collect())
}

fn narrow(classes: &[usize]) -> Vec<u32> {
    classes.iter().map(|&class| class as u32).collect()
}

/// Each side may be called the queries.
#[test]
fn sides_may_be_swapped_in_both_directions() {
    let [x, y] = [normal64(PAIRS * WIDTH, 1), normal64(PAIRS * WIDTH, 2)];
    let (classes, ids) = bijection();
    let mut inverse = vec![0; PAIRS];
    classes.iter().enumerate().for_each(|(query, &class)| inverse[class] = query);
    // A query is the same as another where their passages are.
    let ids_of_queries: Vec<u32> = classes.iter().map(|&class| ids[class]).collect();
    for device in devices() {
        let (loss, [dx, dy]) = run(&device, [&x, &y], (&narrow(&classes), &ids), Directions::Both);
        let (swapped, [dy_swapped, dx_swapped]) =
            run(&device, [&y, &x], (&narrow(&inverse), &ids_of_queries), Directions::Both);
        let context = format!("{device:?}");
        assert_close(&[swapped], &[f64::from(loss)], 1e-6, &context);
        assert_close(&dx_swapped, &dx, 2e-6, &context);
        assert_close(&dy_swapped, &dy, 2e-6, &context);
    }
}

/// The order of a batch says nothing.
#[test]
fn a_permuted_batch_permutes_the_gradients() {
    let [x, y] = [normal64(PAIRS * WIDTH, 3), normal64(PAIRS * WIDTH, 4)];
    let (classes, ids) = bijection();
    let order: Vec<usize> = (0..PAIRS).map(|row| (row * 17 + 3) % PAIRS).collect();
    let mut place = vec![0; PAIRS];
    order.iter().enumerate().for_each(|(row, &was)| place[was] = row);
    let moved: Vec<u32> = order.iter().map(|&was| place[classes[was]] as u32).collect();
    let moved_ids: Vec<u32> = order.iter().map(|&was| ids[was]).collect();
    for device in devices() {
        let (loss, gradients) = run(&device, [&x, &y], (&narrow(&classes), &ids), Directions::Both);
        let sides = [reordered(&x, &order), reordered(&y, &order)];
        let (permuted, permuted_gradients) =
            run(&device, [&sides[0], &sides[1]], (&moved, &moved_ids), Directions::Both);
        let context = format!("{device:?}");
        assert_close(&[permuted], &[f64::from(loss)], 1e-6, &context);
        for (permuted, gradient) in permuted_gradients.iter().zip(&gradients) {
            assert_close(permuted, &reordered(gradient, &order), 2e-6, &context);
        }
    }
}

/// One query, its positive, two negatives, and the positive again: hidden in either direction, as if it were not there.
#[test]
fn a_duplicate_of_the_only_positive_changes_nothing() {
    let (query, passages) = (normal64(WIDTH, 5), normal64(3 * WIDTH, 6));
    let with_copy = [&passages[..], &passages[..WIDTH]].concat();
    for device in devices() {
        for directions in DIRECTIONS {
            let run = |passages: &[f64], ids: &[u32]| {
                run(&device, [&query, passages], (&[0], ids), directions)
            };
            let (once, [dquery, mut dpassages]) = run(&passages, &[1, 2, 3]);
            let (twice, [dquery_twice, dpassages_twice]) = run(&with_copy, &[1, 2, 3, 1]);
            dpassages.extend([0.0; WIDTH]);
            let context = format!("{device:?} {directions:?}");
            assert_close(&[twice], &[f64::from(once)], 1e-6, &context);
            assert_close(&dquery_twice, &dquery, 1e-6, &context);
            assert_close(&dpassages_twice, &dpassages, 1e-6, &context);
        }
    }
}

#[test]
fn twenty_runs_give_the_same_bits() {
    let [x, y] = [normal64(PAIRS * WIDTH, 7), normal64(PAIRS * WIDTH, 8)];
    let (classes, ids) = bijection();
    for device in devices() {
        for directions in DIRECTIONS {
            let run = || run(&device, [&x, &y], (&narrow(&classes), &ids), directions);
            let first = run();
            (1..20).for_each(|_| assert_eq!(run(), first, "{device:?} {directions:?}"));
        }
    }
}

/// 8,192 pairs have 256 MiB of scores, of which a quarter exists at a time.
#[test]
fn memory_is_that_of_a_chunk() {
    let (device, pairs) = (Device::cpu(), 8192);
    let leaf = |seed| Tensor::f32(&device, [pairs, 4], &normal(pairs * 4, seed)).tracked();
    let (queries, passages) = (leaf(9), leaf(10));
    let targets = Targets::first_of_groups(&device, pairs, 1);
    for directions in DIRECTIONS {
        device.reset_peak();
        let options = Contrastive { directions, ..Contrastive::default() };
        drop(contrastive(&queries, &passages, &targets, &options).backward());
        let peak = device.memory().peak;
        assert!(peak < 70 << 20, "{directions:?}: {peak} bytes");
    }
}
