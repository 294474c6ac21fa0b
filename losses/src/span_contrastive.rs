//! Spans of one document are alike, spans of others are not (Gao & Callan 2022, arXiv:2108.05540, §3.2).

use wgrad_engine::Tensor;
use wgrad_engine::ops::{self, Contrastive, Targets};

/// −mean over spans of log softmaxⱼ≠ᵢ(⟨xᵢ, xⱼ⟩) at the other span of the same document. Every span asks once; the 2B − 2
/// spans of other documents are its negatives, and itself is left out.
///
/// # Shapes
/// `spans: [2·B, H]`, rows 2i and 2i + 1 of one document → `[]`. Vectors as they are, without temperature: of BERT they are
/// some 15 long and their products some 200, so they come in f32.
///
/// # Panics
/// If a row has no partner.
///
/// # Source
/// Paper, §3.2; luyug/Condenser, commit `74880ab`, `modeling.py`, `CoCondenserForPretraining.compute_contrastive_loss`.
#[track_caller]
pub fn span_contrastive(spans: &Tensor) -> Tensor {
    let (rows, _) = spans.shape().rows_and_last();
    assert!(rows.is_multiple_of(2), "span_contrastive: {rows} spans, expected two a document");
    let (device, rows) = (spans.device(), rows as u32);
    let partners: Vec<u32> = (0..rows).map(|row| row ^ 1).collect();
    let documents: Vec<u32> = (0..rows).map(|row| row / 2).collect();
    let targets = Targets::new(device, &partners, rows as usize);
    // Of the two spans of its document the partner is the target, so the one left out is the span itself.
    let documents = Tensor::u32(device, [rows as usize], &documents);
    let options = Contrastive { candidate_ids: Some(&documents), ..Contrastive::default() };
    ops::contrastive(spans, spans, &targets, &options)
}
