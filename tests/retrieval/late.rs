//! Late interaction: search against its definition.

use wgrad::retrieval::late::{TokenVectors, search};
use wgrad_engine::testing::{devices, normal};

const WIDTH: usize = 6;

fn vectors(lengths: &[usize], seed: u64) -> TokenVectors {
    let mut offsets = vec![0];
    offsets.extend(lengths.iter().scan(0, |sum, length| {
        *sum += length;
        Some(*sum)
    }));
    TokenVectors { width: WIDTH, values: normal(offsets[lengths.len()] * WIDTH, seed), offsets }
}

/// Σ_i max_j ⟨q_i, p_j⟩.
fn score(q: &[f32], p: &[f32]) -> f64 {
    let inner = |a: &[f32], b: &[f32]| -> f64 {
        a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
    };
    let best = |q: &[f32]| p.chunks_exact(WIDTH).map(|p| inner(q, p)).fold(f64::MIN, f64::max);
    q.chunks_exact(WIDTH).map(best).sum()
}

#[test]
fn search_finds_what_the_definition_finds() {
    let queries = vectors(&[4, 1, 4, 7], 1);
    let lengths: Vec<usize> = (0..60).map(|n| 1 + n * 7 % 11).collect();
    let passages = vectors(&lengths, 2);
    let of = |vectors: &TokenVectors, n: usize| {
        vectors.values[vectors.offsets[n] * WIDTH..vectors.offsets[n + 1] * WIDTH].to_vec()
    };
    for device in devices() {
        for k in [1, 10, 100] {
            let mut heard = 0;
            let found = search(&device, &queries, &passages, k, |count| heard = count);
            assert_eq!((found.len(), heard), (4, 4));
            for (m, hits) in found.iter().enumerate() {
                let q = of(&queries, m);
                let mut expected: Vec<(u32, f64)> =
                    (0..60).map(|n| (n as u32, score(&q, &of(&passages, n)))).collect();
                expected.sort_by(|a, b| b.1.total_cmp(&a.1));
                assert_eq!(hits.len(), k.min(60), "{device:?}, query {m}");
                for ((passage, found), (other, score)) in hits.iter().zip(&expected) {
                    assert_eq!(passage, other, "{device:?}, query {m}");
                    assert!(
                        (f64::from(*found) - score).abs() < 1e-5,
                        "{device:?}: {found}, {score}"
                    );
                }
            }
        }
    }
}

#[test]
fn equal_passages_come_in_their_order() {
    let device = wgrad_engine::Device::cpu();
    let queries = vectors(&[3], 3);
    let one = vectors(&[2], 4).values;
    let offsets = (0..=5).map(|n| 2 * n).collect();
    let passages = TokenVectors { width: WIDTH, values: one.repeat(5), offsets };
    let hits = &search(&device, &queries, &passages, 4, |_| {})[0];
    assert_eq!(hits.iter().map(|hit| hit.0).collect::<Vec<_>>(), [0, 1, 2, 3]);
}
