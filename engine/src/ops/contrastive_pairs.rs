//! The scores of all pairs of queries and passages, of which a chunk of queries exists at a time.

use super::fused_loss::{Gradients, rows_per_chunk};
use super::product::{Finish, Product};
use super::row_share::{row_lanes, row_launch};
use super::{Contrastive, Targets};
use crate::device::{Buffer, Device, Kernel, Launch};
use crate::kernels::contrastive::{
    BackwardBoth, BackwardRows, BackwardScores, ColumnLosses, ColumnMerge, ColumnPartials,
    Constants, Forward, Params,
};
use crate::tensor::Tensor;

/// Queries that one lane walks for the statistics of the passages: few enough that a batch fills a device, many enough
/// that the partial results are small beside the scores.
const STRIP: usize = 64;

/// Both sides, and how their scores are read.
#[derive(Clone)]
pub(super) struct Pairs {
    queries: Tensor,
    passages: Tensor,
    targets: Targets,
    candidate_ids: Buffer,
    log_scale: Buffer,
    params: Params,
    step: usize,
}

/// Queries from `first` on.
#[derive(Clone, Copy)]
pub(super) struct Chunk {
    first: usize,
    rows: usize,
}

/// What is known of each query.
pub(super) struct RowResults {
    /// `[M, 2]`: m and Σ.
    pub stats: Buffer,
    /// `[M]`: s_t.
    positives: Buffer,
    /// `[M]`: ℓ.
    pub losses: Buffer,
    /// `[M]`: Λ.
    pub log_sums: Buffer,
}

/// What is known of each passage.
pub(super) struct Columns {
    /// `[N]`: whose target it is.
    sources: Buffer,
    /// `[N, 2]`: m′ and Σ′.
    stats: Buffer,
}

impl Pairs {
    #[track_caller]
    pub(super) fn new(
        [queries, passages]: [&Tensor; 2],
        targets: &Targets,
        options: &Contrastive<'_>,
        chunk_bytes: u64,
    ) -> Self {
        let Contrastive { temperature, candidate_ids, log_scale, .. } = *options;
        assert!(temperature > 0.0, "contrastive: temperature is {temperature}, expected above 0");
        let [_, width] = passages.expect_matrix("contrastive: passages");
        let (rows, candidates) = (targets.rows(), targets.class_count());
        passages.expect_shape("contrastive: passages", &[candidates, width]);
        queries.expect_shape("contrastive: queries", &[rows, width]);
        if let Some(ids) = candidate_ids {
            ids.expect_shape("contrastive: candidate_ids", &[candidates]);
        }
        if let Some(log_scale) = log_scale {
            log_scale.expect_shape("contrastive: log_scale", &[]);
        }
        let device = queries.device();
        let uploaded = |given: Option<&Tensor>| {
            given.map_or_else(|| device.upload_u32(&[0]), |tensor| tensor.buffer().clone())
        };
        let params = Params {
            rows: 0,
            passages: candidates as u32,
            strip: STRIP as u32,
            continues: 0,
            has_ids: u32::from(candidate_ids.is_some()),
            of_log_sums: 0,
            inverse_temperature: 1.0 / temperature,
        };
        Self {
            queries: queries.detach(),
            passages: passages.detach(),
            targets: targets.clone(),
            candidate_ids: uploaded(candidate_ids),
            // Not given, it is 0, which has the same bits in both types.
            log_scale: uploaded(log_scale),
            params,
            step: rows_per_chunk(device, rows, candidates, chunk_bytes),
        }
    }

    pub(super) fn device(&self) -> &Device {
        self.queries.device()
    }

    /// All queries in order.
    pub(super) fn chunks(&self) -> impl DoubleEndedIterator<Item = Chunk> + use<> {
        let (rows, step) = (self.targets.rows(), self.step.max(1));
        let chunk = move |first: usize| Chunk { first, rows: step.min(rows - first) };
        (0..rows.div_ceil(step)).map(move |index| chunk(index * step))
    }

    /// `[rows, N]`: q·pᵀ.
    pub(super) fn scores(&self, chunk: Chunk) -> Buffer {
        let (columns, width) = self.passages.shape().rows_and_last();
        let product = Product::new([chunk.rows, columns, width], [width, 1], [1, width]);
        let queries = chunk.of(self.queries.buffer(), width);
        product.run(self.device(), &queries, self.passages.buffer(), Finish::Plain).0
    }

    /// Memory for what [`Pairs::forward`] finds.
    pub(super) fn row_results(&self) -> RowResults {
        let (device, rows) = (self.device(), self.targets.rows());
        let [positives, losses, log_sums] = [(); 3].map(|()| device.buffer(rows));
        RowResults { stats: device.buffer(2 * rows), positives, losses, log_sums }
    }

    /// Looks along the scores of each query.
    pub(super) fn forward(&self, chunk: Chunk, scores: &Buffer, results: &RowResults) {
        let kernel = Forward {
            params: self.params(chunk),
            constants: self.constants(),
            candidate_ids: &self.candidate_ids,
            targets: &chunk.of(self.targets.classes(), 1),
            log_scale: &self.log_scale,
            scores,
            row_stats: &mut chunk.of(&results.stats, 2),
            positives: &mut chunk.of(&results.positives, 1),
            row_losses: &mut chunk.of(&results.losses, 1),
            log_sums: &mut chunk.of(&results.log_sums, 1),
        };
        let n = scores.elements();
        self.device().run(kernel, self.rows_of(chunk).flops(4 * n).words(n));
    }

    /// Memory for what is known of the passages.
    ///
    /// # Panics
    /// If a passage is the target of two queries.
    #[track_caller]
    pub(super) fn columns(&self) -> Columns {
        let sources = self.device().upload_u32(&self.targets.sources());
        Columns { sources, stats: self.device().buffer(2 * self.targets.class_count()) }
    }

    /// Looks along the scores of each passage, going on where the chunk before ended.
    pub(super) fn column_stats(&self, chunk: Chunk, scores: &Buffer, columns: &mut Columns) {
        let (device, candidates) = (self.device(), self.targets.class_count());
        let parts = chunk.rows.div_ceil(STRIP) * candidates;
        let params = Params { continues: u32::from(chunk.first > 0), ..self.params(chunk) };
        let mut partial_stats = device.buffer(2 * parts);
        let partials = ColumnPartials {
            params,
            constants: self.constants(),
            candidate_ids: &self.candidate_ids,
            targets: &chunk.of(self.targets.classes(), 1),
            log_scale: &self.log_scale,
            scores,
            partial_stats: &mut partial_stats,
        };
        let n = scores.elements();
        device.run(partials, Launch::lanes(parts, 256).flops(4 * n).words(n + 2 * parts));
        let column_stats = &mut columns.stats;
        let (constants, partial_stats) = (self.constants(), &partial_stats);
        let merge = ColumnMerge { params, constants, partial_stats, column_stats };
        device.run(merge, Launch::lanes(candidates, 256).flops(4 * parts).words(2 * parts));
    }

    /// Averages the loss of each query with that of its target.
    pub(super) fn column_losses(&self, columns: &Columns, results: &mut RowResults) {
        let rows = self.targets.rows();
        let kernel = ColumnLosses {
            params: Params { rows: rows as u32, ..self.params },
            constants: self.constants(),
            targets: self.targets.classes(),
            positives: &results.positives,
            column_stats: &columns.stats,
            row_losses: &mut results.losses,
        };
        self.device().run(kernel, Launch::lanes(rows, 256).flops(4 * rows).words(6 * rows));
    }

    /// Replaces scores by the gradient of the mean of ℓ.
    pub(super) fn backward_scores(&self, chunk: Chunk, results: &RowResults, scores: &mut Buffer) {
        let n = scores.elements();
        let kernel = BackwardScores {
            params: self.params(chunk),
            constants: self.constants(),
            candidate_ids: &self.candidate_ids,
            targets: &chunk.of(self.targets.classes(), 1),
            log_scale: &self.log_scale,
            row_weight: self.targets.row_weight(),
            scores,
            row_stats: &chunk.of(&results.stats, 2),
        };
        self.device().run(kernel, self.rows_of(chunk).flops(5 * n).words(2 * n));
    }

    /// Replaces scores by the gradient of the mean of ½·(ℓ + ℓ′).
    pub(super) fn backward_both(
        &self,
        chunk: Chunk,
        (results, columns): (&RowResults, &Columns),
        scores: &mut Buffer,
    ) {
        let n = scores.elements();
        let kernel = BackwardBoth {
            params: self.params(chunk),
            constants: self.constants(),
            candidate_ids: &self.candidate_ids,
            targets: &chunk.of(self.targets.classes(), 1),
            sources: &columns.sources,
            log_scale: &self.log_scale,
            row_weight: self.targets.row_weight(),
            scores,
            row_stats: &chunk.of(&results.stats, 2),
            column_stats: &columns.stats,
        };
        self.device().run(kernel, self.rows_of(chunk).flops(9 * n).words(2 * n));
    }

    /// Replaces scores by their gradient, given that of each query's result.
    pub(super) fn backward_rows(
        &self,
        chunk: Chunk,
        (stats, drows): (&Buffer, &Buffer),
        of: RowResult,
        scores: &mut Buffer,
    ) {
        let n = scores.elements();
        let of_log_sums = u32::from(of == RowResult::LogSum);
        let kernel = BackwardRows {
            params: Params { of_log_sums, ..self.params(chunk) },
            constants: self.constants(),
            candidate_ids: &self.candidate_ids,
            targets: &chunk.of(self.targets.classes(), 1),
            log_scale: &self.log_scale,
            scores,
            row_stats: &chunk.of(stats, 2),
            drows: &chunk.of(drows, 1),
        };
        self.device().run(kernel, self.rows_of(chunk).flops(5 * n).words(2 * n));
    }

    /// Memory for the gradients of queries and passages.
    pub(super) fn gradients(&self, wants: [bool; 2]) -> Gradients {
        Gradients::new([&self.queries, &self.passages], wants)
    }

    /// Adds what the scores of a chunk, by now their gradient, contribute.
    pub(super) fn add_to(&self, gradients: &mut Gradients, chunk: Chunk, slopes: &Buffer) {
        let (_, width) = self.passages.shape().rows_and_last();
        let queries = chunk.of(self.queries.buffer(), width);
        gradients.add(slopes, chunk.first, [&queries, self.passages.buffer()]);
    }

    /// The gradient of a: `Σ ⟨q, dq⟩`, as a scales every score.
    pub(super) fn dlog_scale(&self, dqueries: &Tensor) -> Tensor {
        super::sum(&super::multiply(&self.queries, dqueries))
    }

    /// How many lanes share a query.
    fn constants(&self) -> Constants {
        let [lanes, ..] = Forward::WORKGROUP;
        Constants { row_lanes: row_lanes(self.device(), self.targets.class_count(), lanes) }
    }

    /// As many workgroups as the queries of a chunk take.
    fn rows_of(&self, chunk: Chunk) -> Launch {
        let [lanes, ..] = Forward::WORKGROUP;
        row_launch(chunk.rows, self.constants().row_lanes, lanes)
    }

    fn params(&self, chunk: Chunk) -> Params {
        Params { rows: chunk.rows as u32, ..self.params }
    }
}

/// Which result of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RowResult {
    /// ℓ.
    Loss,
    /// Λ.
    LogSum,
}

impl Chunk {
    /// These queries' part of a buffer that holds `words` of each.
    fn of(self, buffer: &Buffer, words: usize) -> Buffer {
        buffer.view(self.first * words, self.rows * words)
    }
}
