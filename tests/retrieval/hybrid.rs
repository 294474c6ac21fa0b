//! Exact search by a dense and a sparse part, against the definition.

use wgrad::retrieval::hybrid::{Passages, Queries, search};
use wgrad_engine::testing::{devices, normal};

const VOCABULARY: usize = 40;
const WIDTH: usize = 3;
const KEPT: usize = 5;

/// Queries with numbers everywhere, passages that keep five entries.
fn texts(queries: usize, passages: usize) -> (Queries, Passages) {
    let queries = Queries {
        dense: normal(queries * WIDTH, 1),
        words: normal(queries * VOCABULARY, 2),
        widths: [WIDTH, VOCABULARY],
    };
    let entry = |at: usize| ((at / KEPT * 7 + at % KEPT * 11) % VOCABULARY) as u32;
    let passages = Passages {
        dense: normal(passages * WIDTH, 3),
        indices: (0..passages * KEPT).map(entry).collect(),
        values: normal(passages * KEPT, 4),
        widths: [WIDTH, KEPT],
    };
    (queries, passages)
}

/// ⟨ĥ_q, ĥ_d⟩ + Σ μ_q·μ_d over the entries of d, in f64.
fn score(queries: &Queries, q: usize, passages: &Passages, d: usize) -> f64 {
    let term = |a: f32, b: f32| f64::from(a) * f64::from(b);
    let rows = queries.dense[q * WIDTH..][..WIDTH].iter().zip(&passages.dense[d * WIDTH..]);
    let dense: f64 = rows.map(|(a, b)| term(*a, *b)).sum();
    let kept = d * KEPT..(d + 1) * KEPT;
    let words = &queries.words[q * VOCABULARY..];
    let entries = passages.indices[kept.clone()].iter().zip(&passages.values[kept]);
    dense + entries.map(|(at, value)| term(words[*at as usize], *value)).sum::<f64>()
}

#[test]
fn a_score_is_the_sum_of_both_parts() {
    let (queries, passages) = texts(5, 60);
    for device in devices() {
        let results = search(&device, &queries, &passages, 7, |_| {});
        for (q, hits) in results.iter().enumerate() {
            let mut expected: Vec<(f64, u32)> =
                (0..60).map(|d| (score(&queries, q, &passages, d), d as u32)).collect();
            expected.sort_by(|a, b| b.0.total_cmp(&a.0));
            for (found, expected) in hits.iter().zip(&expected) {
                assert_eq!(found.0, expected.1, "query {q} on {device:?}");
                assert!((f64::from(found.1) - expected.0).abs() < 1e-5, "{found:?} {expected:?}");
            }
            assert_eq!(hits.len(), 7);
        }
    }
}

/// More queries than a block and more passages than a piece: the same as of each query alone.
#[test]
fn blocks_and_pieces_change_nothing() {
    let (queries, passages) = texts(130, 40_000);
    let device = wgrad_engine::Device::cpu();
    let mut heard = Vec::new();
    let together = search(&device, &queries, &passages, 5, |done| heard.push(done));
    assert_eq!(heard, [128, 130]);
    for q in [0, 127, 128, 129] {
        let alone = Queries {
            dense: queries.dense[q * WIDTH..][..WIDTH].to_vec(),
            words: queries.words[q * VOCABULARY..][..VOCABULARY].to_vec(),
            ..queries
        };
        let alone = search(&device, &alone, &passages, 5, |_| {});
        let indices = |hits: &[(u32, f32)]| hits.iter().map(|hit| hit.0).collect::<Vec<_>>();
        assert_eq!(indices(&alone[0]), indices(&together[q]), "query {q}");
        let best = (0..40_000).map(|d| score(&queries, q, &passages, d)).fold(f64::MIN, f64::max);
        assert!((f64::from(together[q][0].1) - best).abs() < 1e-5, "query {q}");
    }
}

/// A query's entry counts whatever its sign and rank, if the passage keeps it; what no passage keeps never counts.
#[test]
fn only_passages_are_sparse() {
    let words = vec![0.5, -2.0, 1e6, 0.0];
    let queries = Queries { dense: vec![0.0], words, widths: [1, 4] };
    let passages = Passages {
        dense: vec![0.0; 3],
        indices: vec![0, 3, 1, 3, 3, 0],
        values: vec![1.0, 1.0, 1.0, 1.0, 1.0, 1.0],
        widths: [1, 2],
    };
    for device in devices() {
        let hits = search(&device, &queries, &passages, 3, |_| {});
        assert_eq!(hits, [[(0, 0.5), (2, 0.5), (1, -2.0)]], "{device:?}");
    }
}
