//! How good a ranking is: MRR, nDCG, recall and MAP, equal to trec_eval's to the last digit.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::Serialize;

use crate::retrieval::trec::{Hit, Qrels, Run, rank};

/// Which queries a mean is taken over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Queries {
    /// Every query with judgments; one that the run lacks counts 0. This is `trec_eval -c` and MS
    /// MARCO's script, and the default: a system must not gain by staying silent.
    #[default]
    Judged,
    /// The queries with judgments that the run has: `trec_eval` 9 without `-c`.
    Answered,
}

/// The measures that retrieval papers report, of one query or averaged over many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Metrics {
    /// `1 / rank` of the first relevant document among the first 10, else 0.
    #[serde(rename = "mrr@10")]
    pub mrr_at_10: f64,
    /// Normalized discounted cumulative gain of the first 10.
    #[serde(rename = "ndcg@10")]
    pub ndcg_at_10: f64,
    /// The share of the relevant documents that stand among the first 10.
    #[serde(rename = "recall@10")]
    pub recall_at_10: f64,
    /// The share of the relevant documents that stand among the first 100.
    #[serde(rename = "recall@100")]
    pub recall_at_100: f64,
    /// The share of the relevant documents that stand among the first 1000.
    #[serde(rename = "recall@1000")]
    pub recall_at_1000: f64,
    /// Average precision, with no cut-off.
    pub map: f64,
}

/// What [`evaluate`] found; serializes as `{"mrr@10": …, …, "queries": N}`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evaluation {
    /// The means.
    #[serde(flatten)]
    pub mean: Metrics,
    /// How many queries the means are over.
    pub queries: usize,
    /// The same measures of each of these queries, by query id.
    #[serde(skip)]
    pub per_query: BTreeMap<String, Metrics>,
}

/// Measures `run` against `qrels`, as `trec_eval` 9.0.8 does; a document is relevant from judgment
/// 1.
///
/// Queries of the run without judgments are ignored; a judged query without a relevant document
/// counts 0. Over no query at all every mean is 0.
///
/// # Panics
/// If the run lists a document twice for one query, or a score is NaN.
#[track_caller]
pub fn evaluate(qrels: &Qrels, run: &Run, over: Queries) -> Evaluation {
    let mut per_query = BTreeMap::new();
    for (qid, judgments) in qrels {
        let hits = match (run.get(qid), over) {
            (Some(hits), _) => hits.as_slice(),
            (None, Queries::Judged) => &[],
            (None, Queries::Answered) => continue,
        };
        per_query.insert(qid.clone(), JudgedRanking::new(&rank(hits), judgments, 1).metrics());
    }
    let mean = |measure: fn(&Metrics) -> f64| {
        total(per_query.values().map(measure)) / per_query.len().max(1) as f64
    };
    let mean = Metrics {
        mrr_at_10: mean(|m| m.mrr_at_10),
        ndcg_at_10: mean(|m| m.ndcg_at_10),
        recall_at_10: mean(|m| m.recall_at_10),
        recall_at_100: mean(|m| m.recall_at_100),
        recall_at_1000: mean(|m| m.recall_at_1000),
        map: mean(|m| m.map),
    };
    Evaluation { mean, queries: per_query.len(), per_query }
}

/// One query's ranking, each document replaced by its judgment.
///
/// In the equations rel(i) is 1 if the document at rank i (from 1) is relevant, else 0; R is the
/// number of relevant documents, retrieved or not. A measure with R = 0 is 0.
#[derive(Clone, Debug)]
pub struct JudgedRanking {
    /// gain(i) = max(judgment, 0), of the document at rank i; 0 for one that was not judged.
    gains: Vec<f64>,
    /// The ranks, from 1, at which rel(i) = 1, ascending.
    relevant_ranks: Vec<usize>,
    /// R.
    n_relevant: usize,
    /// The gains of all judged documents, highest first: the ranking that could not be better.
    ideal_gains: Vec<f64>,
}

/// The sum; of nothing 0, which `Iterator::sum` has for −0.
fn total(numbers: impl Iterator<Item = f64>) -> f64 {
    numbers.fold(0.0, |sum, number| sum + number)
}

impl JudgedRanking {
    /// Looks up the judgment of each document of `ranking`; one is relevant from judgment `level`.
    ///
    /// # Panics
    /// If a document is ranked twice.
    #[track_caller]
    pub fn new(ranking: &[&Hit], judgments: &HashMap<String, i32>, level: i32) -> Self {
        let mut seen = HashSet::new();
        if let Some(twice) = ranking.iter().find(|hit| !seen.insert(hit.docid.as_str())) {
            panic!("JudgedRanking: document {:?} is ranked twice", twice.docid);
        }
        let judged: Vec<i32> =
            ranking.iter().map(|hit| judgments.get(&hit.docid).copied().unwrap_or(0)).collect();
        let gain = |judgment: i32| f64::from(judgment.max(0));
        let mut ideal_gains: Vec<f64> =
            judgments.values().map(|&judgment| gain(judgment)).collect();
        ideal_gains.sort_unstable_by(|a, b| b.total_cmp(a));
        Self {
            gains: judged.iter().map(|&judgment| gain(judgment)).collect(),
            relevant_ranks: (1..)
                .zip(&judged)
                .filter(|&(_, &j)| j >= level)
                .map(|(i, _)| i)
                .collect(),
            n_relevant: judgments.values().filter(|&&judgment| judgment >= level).count(),
            ideal_gains,
        }
    }

    /// `1 / min { i ≤ k : rel(i) = 1 }`, or 0 if there is none.
    pub fn reciprocal_rank(&self, k: usize) -> f64 {
        self.relevant_within(k).first().map_or(0.0, |&i| 1.0 / i as f64)
    }

    /// `Σ_{i ≤ k} rel(i) / R`.
    pub fn recall(&self, k: usize) -> f64 {
        self.per_relevant(self.relevant_within(k).len() as f64)
    }

    /// `Σ_{i ≤ k} rel(i) · precision(i) / R`, where precision(i) is the share of relevant documents
    /// up to rank i.
    pub fn average_precision(&self, k: usize) -> f64 {
        let precisions = (1..).zip(self.relevant_within(k)).map(|(n, &i)| n as f64 / i as f64);
        self.per_relevant(total(precisions))
    }

    /// `DCG@k / IDCG@k` with linear gains: `DCG@k = Σ_{i ≤ k} gain(i) / log₂(i + 1)`, and IDCG the
    /// same sum over the judged documents in their best order. The level of relevance plays no
    /// part.
    pub fn ndcg(&self, k: usize) -> f64 {
        let dcg = |gains: &[f64]| -> f64 {
            total((2..).zip(gains.iter().take(k)).map(|(i, gain)| gain / f64::from(i).log2()))
        };
        let ideal = dcg(&self.ideal_gains);
        if ideal > 0.0 { dcg(&self.gains) / ideal } else { 0.0 }
    }

    fn metrics(&self) -> Metrics {
        Metrics {
            mrr_at_10: self.reciprocal_rank(10),
            ndcg_at_10: self.ndcg(10),
            recall_at_10: self.recall(10),
            recall_at_100: self.recall(100),
            recall_at_1000: self.recall(1000),
            map: self.average_precision(usize::MAX),
        }
    }

    fn relevant_within(&self, k: usize) -> &[usize] {
        &self.relevant_ranks[..self.relevant_ranks.partition_point(|&i| i <= k)]
    }

    fn per_relevant(&self, sum: f64) -> f64 {
        if self.n_relevant == 0 { 0.0 } else { sum / self.n_relevant as f64 }
    }
}
