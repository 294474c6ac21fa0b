//! Exact search by a dense and a sparse part, against the definition.

use wgrad::retrieval::hybrid::{Passages, Queries, passages, queries, search};
use wgrad::train::objective::HybridObjective;
use wgrad_engine::ops::{Transpose, matmul};
use wgrad_engine::testing::{devices, normal};
use wgrad_models::bert::Config;
use wgrad_models::dupmae::Projection;
use wgrad_models::hybrid::{Options, Saturation, Speakers};
use wgrad_models::{Mode, Tokens, Visible};

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

/// The scores of a batch in training are those of a search over the same texts.
#[test]
fn what_is_trained_is_what_is_searched() {
    let config = Config {
        vocab_size: 50,
        hidden_size: 16,
        num_hidden_layers: 1,
        num_attention_heads: 2,
        intermediate_size: 24,
        max_position_embeddings: 12,
        initializer_range: 0.3,
        ..Config::default()
    };
    let text = |seed: usize, length: usize| -> Vec<u32> {
        let words = (0..length).map(|at| (5 + (seed * 17 + at * at * 7 + at) % 45) as u32);
        [2].into_iter().chain(words).chain([3]).collect()
    };
    let asked: Vec<Vec<u32>> = (0..3).map(|i| text(i, 3 + i)).collect();
    let told: Vec<Vec<u32>> = (0..5).map(|i| text(i + 9, 9 - i)).collect();
    let (speakers, saturation) = (Speakers::Ordinary, Saturation::None);
    let projection = Projection::MlmHead;
    let options = Options { width: 6, entries: 4, projection, speakers, saturation };
    for device in devices() {
        let objective = HybridObjective::new(&device, config.clone(), options, (1.0, 1), 7);
        let model = objective.expect("a BERT of any size").model;
        let forward = |texts: &[Vec<u32>]| {
            let longest = texts.iter().map(Vec::len).max().expect("there are texts");
            let lengths: Vec<u32> = texts.iter().map(|text| text.len() as u32).collect();
            let pad = |text: &Vec<u32>| [&text[..], &vec![0; longest - text.len()]].concat();
            let ids = texts.iter().map(pad).collect::<Vec<_>>().concat();
            let shape = [texts.len(), longest];
            let visible = Visible::Lengths(&lengths);
            let tokens = Tokens::new(&device, &config, shape, &ids, None, visible);
            model.forward(&tokens.expect("ids of the table"), &Mode::evaluation()).0
        };
        let (q, mut p) = (forward(&asked), forward(&told));
        p.words = model.sparsify(&p.words);
        let kept = p.words.to_f32().iter().filter(|&&word| word != 0.0).count();
        assert_eq!(kept, 5 * 4, "each passage keeps four entries");
        let trained = matmul(&q.joined(), &p.joined(), Transpose::Right).to_f32(); // [3, 5]

        // Other batches, other padding.
        let q = queries(&device, &model, &asked, (0, 2), |_| {}).expect("ids of the table");
        let p = passages(&device, &model, &told, (0, 2), |_| {}).expect("ids of the table");
        for (row, hits) in search(&device, &q, &p, 5, |_| {}).iter().enumerate() {
            for &(passage, found) in hits {
                let trained = trained[row * 5 + passage as usize];
                assert!((found - trained).abs() < 1e-4, "{found} {trained} on {device:?}");
            }
            assert!(hits.is_sorted_by(|a, b| a.1 >= b.1), "{hits:?}");
        }
    }
}
