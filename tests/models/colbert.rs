//! ColBERT's properties that need no other framework, and its losses against JAX.

use serde_json::json;
use wgrad::data::TokenBatch;
use wgrad::data::colbert::{ColbertBatch, MarkedBatch};
use wgrad::train::objective::{ColbertObjective, ColbertSettings, Objective};
use wgrad_engine::ops::{MaxSim, Pairs, l2_normalize, max_sim};
use wgrad_engine::testing::{assert_close, devices, normal};
use wgrad_engine::weights::{Declarations, Weights};
use wgrad_engine::{Device, Tensor, no_grad};
use wgrad_losses::{Candidates, listwise};
use wgrad_models::bert::Config;
use wgrad_models::{ColBert, Mode, Tokens, Uncounted, Visible};

/// The numbers of `golden/contrastive/gen.py`: a linear congruential generator, its first value left out.
fn drawn(seed: u64, count: usize) -> Vec<f32> {
    let next = |u: u64| (1_103_515_245 * u + 12_345) & 0x7fff_ffff;
    let mut u = next(7919 * seed + 1);
    let mut draw = || {
        u = next(u);
        (u as f64 / f64::from(1 << 30) - 1.0) as f32
    };
    (0..count).map(|_| draw()).collect()
}

/// Two queries, two documents each. Truth: JAX in double precision, `colbert_pairwise_ce_nway2` and
/// `colbert_inbatch_ce_nway2` of golden.json.
#[test]
fn both_losses_are_those_of_jax() {
    const MASK: [u32; 20] = [1, 1, 1, 1, 0, 1, 1, 1, 0, 0, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0];
    for device in devices() {
        let unit = |shape: [usize; 3], seed| {
            let values = drawn(seed, shape.iter().product());
            l2_normalize(&Tensor::f32(&device, shape, &values), 1e-12)
        };
        let (queries, documents) = (unit([2, 3, 4], 8), unit([4, 5, 4], 9));
        let mask = Tensor::u32(&device, [4, 5], &MASK);
        let score = |pairs| {
            let options = MaxSim { pairs, query_mask: None, document_mask: Some(&mask) };
            max_sim(&queries, &documents, &options)
        };
        let all = |own: &dyn Fn(usize, usize) -> bool| Candidates::new(&device, 4, &[0, 2], own);
        let pairwise = 0.322_738_535_065_739_7;
        for (scores, candidates, expected) in [
            (score(Pairs::Groups), Candidates::new(&device, 2, &[0, 0], |_, _| true), pairwise),
            (score(Pairs::All), all(&|i, j| j / 2 == i), pairwise),
            (score(Pairs::All), all(&|i, j| j / 2 != i), 0.573_149_855_550_564_5),
        ] {
            let loss = listwise(&scores, &candidates).to_f32();
            assert_close(&loss, &[expected], 1e-6, &format!("{device:?}"));
        }
    }
}

fn config() -> Config {
    serde_json::from_value(json!({
        "model_type": "bert", "vocab_size": 40, "hidden_size": 16, "num_hidden_layers": 2, "initializer_range": 0.3,
        "num_attention_heads": 2, "intermediate_size": 32, "max_position_embeddings": 20,
    }))
    .expect("a configuration")
}

fn model(device: &Device, uncounted: Uncounted) -> (ColBert, Weights) {
    let mut d = Declarations::default();
    let model = ColBert::declare(&mut d, config(), 8, uncounted).expect("a BERT");
    (model, Weights::allocate(device, d, 5))
}

/// Rows of `ids`, padded to `tokens`.
fn text(rows: &[&[u32]], tokens: usize) -> TokenBatch {
    let padded = |row: &&[u32]| [row.to_vec(), vec![0; tokens - row.len()]].concat();
    TokenBatch {
        rows: rows.len(),
        tokens,
        input_ids: rows.iter().flat_map(padded).collect(),
        lengths: rows.iter().map(|row| row.len() as u32).collect(),
    }
}

/// What is no padding and not token 9.
fn counted(text: &TokenBatch) -> Vec<u32> {
    let mark = |(at, &id): (usize, &u32)| {
        u32::from(at % text.tokens < text.lengths[at / text.tokens] as usize && id != 9)
    };
    text.input_ids.iter().enumerate().map(mark).collect()
}

const QUERIES: [&[u32]; 2] = [&[2, 5, 11, 12, 3, 4, 4, 4], &[2, 5, 20, 3, 4, 4, 4, 4]];
const DOCUMENTS: [&[u32]; 4] =
    [&[2, 6, 13, 14, 9, 3], &[2, 6, 30, 9, 31, 32, 3], &[2, 6, 21, 3], &[2, 6, 9, 33, 34, 3]];

#[test]
fn padding_changes_no_score() {
    for device in devices() {
        let (model, _weights) = model(&device, Uncounted::Hidden);
        let scores = |tokens: usize| {
            let vectors = |text: &TokenBatch| {
                let visible = Visible::Lengths(&text.lengths);
                let shape = [text.rows, text.tokens];
                let tokens = Tokens::new(&device, &config(), shape, &text.input_ids, None, visible);
                model.vectors(&tokens.expect("ids below V"), &Mode::evaluation()).0
            };
            let mut queries = text(&QUERIES, 8);
            queries.lengths = vec![5, 4];
            let documents = text(&DOCUMENTS, tokens);
            let (q, d) = (vectors(&queries), vectors(&documents));
            no_grad(|| model.scores(&q, &d, &counted(&documents), Pairs::All)).to_f32()
        };
        let expected: Vec<f64> = scores(7).into_iter().map(f64::from).collect();
        for tokens in [8, 13, 20] {
            assert_close(&scores(tokens), &expected, 1e-6, &format!("{device:?}, {tokens} tokens"));
        }
    }
}

#[test]
fn a_token_that_does_not_count_has_no_gradient() {
    for device in devices() {
        for uncounted in [Uncounted::Hidden, Uncounted::Zero] {
            let (model, _weights) = model(&device, uncounted);
            let leaf = |shape: [usize; 3], seed| {
                let values = normal(shape.iter().product(), seed);
                Tensor::f32(&device, shape, &values).tracked()
            };
            let (queries, documents) = (leaf([2, 3, 8], 1), leaf([4, 5, 8], 2));
            let marks: Vec<u32> = (0..20).map(|at| u32::from(at % 3 != 1)).collect();
            let scores = model.scores(&queries, &documents, &marks, Pairs::All);
            let gradients = scores.backward_with(&Tensor::f32(&device, [2, 4], &normal(8, 3)));
            let gradient = gradients.get(&documents).expect("it is tracked").to_f32();
            for (token, (channels, mark)) in gradient.chunks_exact(8).zip(&marks).enumerate() {
                let moves = channels.iter().any(|&value| value != 0.0);
                assert!(!moves || *mark == 1, "{device:?} {uncounted:?}: token {token} moves");
            }
            assert!(gradient.iter().any(|&value| value != 0.0), "{device:?} {uncounted:?}");
        }
    }
}

#[test]
fn the_order_of_a_batch_changes_no_loss() {
    let settings = ColbertSettings {
        width: 8,
        group_size: 2,
        temperature: 0.7,
        in_batch: true,
        uncounted: Uncounted::Hidden,
    };
    for device in devices() {
        let objective = ColbertObjective::new(&device, config(), settings, 3).expect("a BERT");
        let losses = |order: [usize; 2], tokens: usize, relevant: &[(u32, u32)]| {
            let document =
                text(&order.map(|i| [DOCUMENTS[2 * i], DOCUMENTS[2 * i + 1]]).concat(), tokens);
            let mut query = text(&order.map(|i| QUERIES[i]), 8);
            query.lengths = order.map(|i| [5, 4][i]).to_vec();
            let batch = ColbertBatch {
                query: MarkedBatch { counted: vec![1; 16], text: query },
                document: MarkedBatch { counted: counted(&document), text: document },
                target: vec![0, 2],
                false_negatives: relevant.to_vec(),
            };
            let terms = objective.terms(&device, &batch, &Mode::evaluation()).expect("ids below V");
            [&terms.loss, &terms.terms[0].1, &terms.terms[1].1].map(|term| term.to_f32()[0])
        };
        let [loss, pairwise, in_batch] = losses([0, 1], 8, &[]);
        assert!((loss - pairwise - in_batch).abs() < 1e-6, "{device:?}");
        for other in [losses([1, 0], 8, &[]), losses([1, 0], 16, &[])] {
            let expected = [loss, pairwise, in_batch].map(f64::from);
            assert_close(&other, &expected, 1e-5, &format!("{device:?}"));
        }
        // A document that is known to answer the other query is no negative of it, and the only one of the group is none.
        let [_, same, fewer] = losses([0, 1], 8, &[(0, 2)]);
        assert!(same == pairwise && fewer < in_batch, "{device:?}: {fewer} and {in_batch}");
        let [_, fewer, same] = losses([0, 1], 8, &[(1, 3)]);
        assert!(fewer < pairwise && same == in_batch, "{device:?}: {fewer} and {pairwise}");
    }
}
