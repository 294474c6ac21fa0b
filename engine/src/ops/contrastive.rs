//! The loss that pulls a query to its passage and pushes it from all others of the batch.

use super::Targets;
use super::contrastive_pairs::{Pairs, RowResult};
use super::fused_loss::{CHUNK_BYTES, Saved, mean_of};
use crate::device::Buffer;
use crate::tensor::{Backward, Tensor};

/// What a contrastive loss is told besides its embeddings.
#[derive(Clone, Copy, Debug)]
pub struct Contrastive<'a> {
    /// τ: scores are divided by it. 1 for inner products, 0.01 to 0.05 for cosines.
    pub temperature: f32,
    /// u32 `[N]`, the same number for the same passage: copies of a query's positive are no negatives of that query,
    /// nor is that query a negative of theirs.
    pub candidate_ids: Option<&'a Tensor>,
    /// f32 `[]`, a: scores are also multiplied by eᵃ. It may be trained; Radford et al. 2021 (arXiv:2103.00020, §2.5)
    /// start it at ln(1/0.07) with τ = 1 and keep it below ln 100.
    pub log_scale: Option<&'a Tensor>,
    /// Who chooses among whom.
    pub directions: Directions,
}

/// Who chooses among whom.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Directions {
    /// Each query among all passages.
    #[default]
    QueryToPassage,
    /// The mean of that and its mirror image: each passage that is a target, among all queries. Passages that are no
    /// target, such as hard negatives, are candidates only.
    Both,
}

impl Default for Contrastive<'_> {
    /// Inner products as they are, one direction, no ids.
    fn default() -> Self {
        Self {
            temperature: 1.0,
            candidate_ids: None,
            log_scale: None,
            directions: Directions::default(),
        }
    }
}

/// Gives the mean cross-entropy of softmax(`eᵃ · queries · passagesᵀ / τ`) against `targets`, over the queries that count.
///
/// Every passage is a candidate of every query; those whose id equals that of the query's target, but for the target
/// itself, are left out. Scores exist for a chunk of queries at a time, at most 64 MiB of them, or 64 queries' if these are
/// more, so memory grows with (M + N)·D. For cosines, [`l2_normalize`](super::l2_normalize) comes first.
///
/// # Shapes
/// `queries: [M, D]`, `passages: [N, D]`, M targets among N → `[]`.
///
/// # Gradients
/// Flows to queries, passages and log_scale: with `G = (softmax − onehot) · eᵃ / (τ · counted queries)`,
/// `dqueries = G·passages`, `dpassages = Gᵀ·queries`, `da = Σ ⟨queries, dqueries⟩`. Keeps exactly these. Three products;
/// four in both directions, where the scores of all chunks but the last are computed twice.
///
/// # Panics
/// If a shape does not fit, the temperature is not positive, or, in both directions, two queries have one target.
///
/// # Source
/// Kernels `shaders/contrastive.wgsl`, `fused_loss.wgsl` and `matmul.wgsl`; van den Oord et al. 2018,
/// arXiv:1807.03748, eq. 4; both directions as Radford et al. 2021, arXiv:2103.00020, figure 3.
#[track_caller]
pub fn contrastive(
    queries: &Tensor,
    passages: &Tensor,
    targets: &Targets,
    options: &Contrastive<'_>,
) -> Tensor {
    in_chunks([queries, passages], targets, options, CHUNK_BYTES)
}

#[track_caller]
fn in_chunks(
    [queries, passages]: [&Tensor; 2],
    targets: &Targets,
    options: &Contrastive<'_>,
    chunk_bytes: u64,
) -> Tensor {
    let pairs = Pairs::new([queries, passages], targets, options, chunk_bytes);
    let log_scale = options.log_scale;
    let to_scale = log_scale.is_some_and(Tensor::wants_gradient);
    let to_queries = queries.wants_gradient() || to_scale;
    let mut gradients = pairs.gradients([to_queries, passages.wants_gradient()]);
    let mut results = pairs.row_results();
    match options.directions {
        Directions::QueryToPassage => {
            for chunk in pairs.chunks() {
                let mut scores = pairs.scores(chunk);
                pairs.forward(chunk, &scores, &results);
                if !gradients.is_empty() {
                    pairs.backward_scores(chunk, &results, &mut scores);
                    pairs.add_to(&mut gradients, chunk, &scores);
                }
            }
        }
        Directions::Both => {
            let mut columns = pairs.columns();
            let mut last: Option<Buffer> = None;
            for chunk in pairs.chunks() {
                drop(last.take());
                let scores = pairs.scores(chunk);
                pairs.forward(chunk, &scores, &results);
                pairs.column_stats(chunk, &scores, &mut columns);
                last = Some(scores);
            }
            pairs.column_losses(&columns, &mut results);
            // What a passage is to all queries is known only now; backwards, so that the last scores serve twice.
            let again = if gradients.is_empty() { None } else { Some(pairs.chunks().rev()) };
            for chunk in again.into_iter().flatten() {
                let mut scores = last.take().unwrap_or_else(|| pairs.scores(chunk));
                pairs.backward_both(chunk, (&results, &columns), &mut scores);
                pairs.add_to(&mut gradients, chunk, &scores);
            }
        }
    }
    let loss = mean_of(pairs.device(), &results.losses, targets);
    let [dqueries, dpassages] = gradients.finish();
    match log_scale {
        Some(log_scale) => {
            let dqueries_of = dqueries.as_ref().filter(|_| to_scale);
            let dlog_scale = dqueries_of.map(|dqueries| pairs.dlog_scale(dqueries));
            let saved = Saved([dqueries, dpassages, dlog_scale]);
            loss.record("contrastive", [queries, passages, log_scale], saved)
        }
        None => loss.record("contrastive", [queries, passages], Saved([dqueries, dpassages])),
    }
}

/// What [`contrastive_rows`] gives of each query.
pub struct ContrastiveRows {
    /// `[M]`: ℓ, the cross-entropy; 0 of a query that does not count.
    pub losses: Tensor,
    /// `[M]`: Λ, the logarithm of the sum of exp(score) over the visible passages: score − Λ is a log-probability.
    pub log_sum_exps: Tensor,
}

/// Gives the cross-entropy and the log-sum-exp of each query that [`contrastive`] has the mean of: for weights of one's
/// own, and for distillation, where log softmax(score) = score − Λ is wanted at a few candidates only.
///
/// Of the [`Directions`], it knows each query's choice alone.
///
/// # Shapes
/// `queries: [M, D]`, `passages: [N, D]`, M targets among N → both `[M]`.
///
/// # Gradients
/// Flows from both to queries, passages and log_scale, each by its own walk that computes the scores again, chunk by
/// chunk, as the gradient of every query's result is known only then: `G = diag(dℓ)·(softmax − onehot)·eᵃ/τ`, and
/// `diag(dΛ)·softmax·eᵃ/τ`. Keeps the embeddings and two floats a query.
///
/// # Panics
/// As [`contrastive`]; also if both directions are asked for.
///
/// # Source
/// As [`contrastive`].
#[track_caller]
pub fn contrastive_rows(
    queries: &Tensor,
    passages: &Tensor,
    targets: &Targets,
    options: &Contrastive<'_>,
) -> ContrastiveRows {
    rows_in_chunks([queries, passages], targets, options, CHUNK_BYTES)
}

#[track_caller]
fn rows_in_chunks(
    [queries, passages]: [&Tensor; 2],
    targets: &Targets,
    options: &Contrastive<'_>,
    chunk_bytes: u64,
) -> ContrastiveRows {
    assert!(
        options.directions == Directions::QueryToPassage,
        "contrastive_rows: both directions were asked for, expected one"
    );
    let pairs = Pairs::new([queries, passages], targets, options, chunk_bytes);
    let results = pairs.row_results();
    for chunk in pairs.chunks() {
        pairs.forward(chunk, &pairs.scores(chunk), &results);
    }
    let record = |buffer: Buffer, result: RowResult| {
        let saved = SavedRows { pairs: pairs.clone(), stats: results.stats.clone(), result };
        let y = Tensor::new(pairs.device(), [targets.rows()], buffer);
        match options.log_scale {
            Some(log_scale) => y.record("contrastive_rows", [queries, passages, log_scale], saved),
            None => y.record("contrastive_rows", [queries, passages], saved),
        }
    };
    ContrastiveRows {
        losses: record(results.losses.clone(), RowResult::Loss),
        log_sum_exps: record(results.log_sums.clone(), RowResult::LogSum),
    }
}

/// The embeddings, and m and Σ of each query.
struct SavedRows {
    pairs: Pairs,
    stats: Buffer,
    result: RowResult,
}

impl SavedRows {
    fn gradients(&self, dy: &Tensor, wants: [bool; 2]) -> [Option<Tensor>; 2] {
        let mut gradients = self.pairs.gradients(wants);
        for chunk in self.pairs.chunks() {
            let mut scores = self.pairs.scores(chunk);
            self.pairs.backward_rows(chunk, (&self.stats, dy.buffer()), self.result, &mut scores);
            self.pairs.add_to(&mut gradients, chunk, &scores);
        }
        gradients.finish()
    }
}

impl Backward<2> for SavedRows {
    fn backward(self: Box<Self>, dy: &Tensor, wants: [bool; 2]) -> [Option<Tensor>; 2] {
        self.gradients(dy, wants)
    }
}

impl Backward<3> for SavedRows {
    fn backward(
        self: Box<Self>,
        dy: &Tensor,
        [to_queries, to_passages, to_scale]: [bool; 3],
    ) -> [Option<Tensor>; 3] {
        let [dqueries, dpassages] = self.gradients(dy, [to_queries || to_scale, to_passages]);
        let dqueries_of = dqueries.as_ref().filter(|_| to_scale);
        let dlog_scale = dqueries_of.map(|dqueries| self.pairs.dlog_scale(dqueries));
        [dqueries, dpassages, dlog_scale]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::Device;
    use crate::testing::{assert_close, devices, normal, wide};

    /// 150 queries in chunks of 64, 64 and 22 give what one chunk gives.
    #[test]
    fn chunks_add_up_to_the_whole() {
        let (rows, candidates, width) = (150, 170, 12);
        let class = |row: u32| if row % 4 == 1 { Targets::IGNORE } else { row * 7 % 170 };
        let classes: Vec<u32> = (0..rows as u32).map(class).collect();
        let ids: Vec<u32> = (0..candidates as u32).map(|passage| passage % 50).collect();
        for device in devices() {
            let leaf = |shape: &[usize], seed| {
                let values = normal(shape.iter().product(), seed);
                Tensor::f32(&device, shape, &values).tracked()
            };
            let leaves = [leaf(&[rows, width], 1), leaf(&[candidates, width], 2), leaf(&[], 3)];
            let [queries, passages, log_scale] = &leaves;
            let targets = Targets::new(&device, &classes, candidates);
            let ids = Tensor::u32(&device, [candidates], &ids);
            let drows = Tensor::f32(&device, [rows], &normal(rows, 4));
            for directions in [Directions::QueryToPassage, Directions::Both] {
                let options = Contrastive {
                    temperature: 2.0,
                    candidate_ids: Some(&ids),
                    log_scale: Some(log_scale),
                    directions,
                };
                check(&device, &leaves, |chunk_bytes| {
                    let loss = in_chunks([queries, passages], &targets, &options, chunk_bytes);
                    (loss.to_f32(), loss.backward())
                });
            }
            let options = Contrastive { log_scale: Some(log_scale), ..Contrastive::default() };
            for result in [RowResult::Loss, RowResult::LogSum] {
                check(&device, &leaves, |chunk_bytes| {
                    let both = [queries, passages];
                    let rows = rows_in_chunks(both, &targets, &options, chunk_bytes);
                    let result = match result {
                        RowResult::Loss => rows.losses,
                        RowResult::LogSum => rows.log_sum_exps,
                    };
                    (result.to_f32(), result.backward_with(&drows))
                });
            }
        }
    }

    fn check(
        device: &Device,
        leaves: &[Tensor; 3],
        run: impl Fn(u64) -> (Vec<f32>, crate::tensor::Gradients),
    ) {
        let of = |chunk_bytes| {
            let (result, gradients) = run(chunk_bytes);
            let of = |leaf| gradients.get(leaf).expect("all three are tracked").to_f32();
            (result, leaves.each_ref().map(of))
        };
        let (whole, chunked) = (of(CHUNK_BYTES), of(1));
        let context = format!("{device:?}");
        assert_close(&chunked.0, &wide(&whole.0), 1e-6, &context);
        for (chunked, whole) in chunked.1.iter().zip(&whole.1) {
            assert_close(chunked, &wide(whole), 3e-6, &context);
        }
    }
}
