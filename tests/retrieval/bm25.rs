//! bm25: golden scores of bm25s, the analyzers, and known figures on real collections.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::time::Instant;

use wgrad::retrieval::bm25::{Bm25, Parameters, code, prose};
use wgrad::retrieval::metrics::{Evaluation, Queries, evaluate};
use wgrad::retrieval::trec::{Hit, Run, read_qrels};

use super::shared_data;

#[test]
fn scores_equal_lucene() {
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect();
    let documents = ["a b c a", "b d", "a d d e f", "g", "c c b a h i j"];
    let query = "a d d z"; // "d" counts twice; nobody has "z"
    // Double precision, from the formula; agrees with bm25s (method "lucene") to 1e-5.
    let golden = [
        (
            0.9,
            0.4,
            [0.36930881766754614, 1.012410590975295, 1.429658184069956, 0.24464724113523784],
        ),
        (
            0.82,
            0.68,
            [0.37832979348626666, 1.1253725109414983, 1.4388441985986637, 0.23541509999450722],
        ),
        (
            1.2,
            0.75,
            [0.33195894696664685, 0.98717543084416, 1.2220387799098404, 0.18222301626194048],
        ),
    ];
    for (k1, b, expected) in golden {
        let index = Bm25::index(&documents, words, Parameters { k1, b });
        let mut found = index.search(query, 10);
        assert_eq!(found.iter().map(|hit| hit.0).collect::<Vec<_>>(), [2, 1, 0, 4]);
        assert_eq!(index.search(query, 2), found[..2]);
        found.sort_by_key(|hit| hit.0);
        for ((document, score), expected) in found.into_iter().zip(expected) {
            let error = (f64::from(score) - expected).abs() / expected;
            assert!(error < 1e-6, "k1 {k1}, b {b}, document {document}: {score}, not {expected}");
        }
    }
}

#[test]
fn edges_give_no_nan_and_a_fixed_order() {
    let nothing: [&str; 0] = [];
    assert!(Bm25::index(&nothing, prose, Parameters::default()).search("word", 10).is_empty());
    let empty = Bm25::index(&["", "the of"], prose, Parameters::default());
    assert!(empty.search("the", 10).is_empty());

    let index = Bm25::index(&["same text", "other", "same text"], prose, Parameters::default());
    let found = index.search_all(&["text", "", "unknown"], 10);
    assert_eq!(found[0].iter().map(|hit| hit.0).collect::<Vec<_>>(), [0, 2]);
    assert!(found[1].is_empty() && found[2].is_empty());
    assert_eq!(index.search("text", 1), found[0][..1]);
    assert!(index.search("text", 0).is_empty());
}

#[test]
fn analyzers_cut_and_stem() {
    let cases = [
        (prose("The Cats are running, and it WAS nice!"), "cat run nice"),
        (prose("readU32 read_u32"), "readu32 read u32"),
        (prose("naïve café"), "naïv café"),
        (code("readU32 read_u32 ReadU32"), "read u32 read u32 read u32"),
        (code("fn parse_HTTPServer(x: &mut IOError)"), "fn pars http server mut io error"),
        (code("SCREAMING_CASE f64x4 ÜnicodeName"), "scream case f64x4 ünicod name"),
        (code(""), ""),
    ];
    for (terms, expected) in cases {
        assert_eq!(terms.join(" "), expected);
    }
}

/// The figures are another program's, with the same parameters, stop words and stemmer; a query
/// whose terms it cuts differently may move by half a point (rank 1 to 2).
#[test]
fn real_collections_score_as_known() {
    let cases = [
        ("scifact", 0.676, 0.641, 0.913),
        ("cranfield", 0.343, 0.506, 0.722),
        ("medline", 0.671, 0.871, 0.772),
        ("cacm", 0.481, 0.690, 0.644),
        ("squadshifts", 0.568, 0.533, 0.816),
    ];
    for (name, ndcg_at_10, mrr_at_10, recall_at_100) in cases {
        let Some(folder) = shared_data(&format!("beir/{name}")) else { return };
        let Evaluation { mean: found, queries, .. } = bm25_on(&folder);
        println!("{name}: {found:.3?}");
        let tolerance = 0.001 + 0.5 / queries as f64;
        for (measure, found, known) in [
            ("nDCG@10", found.ndcg_at_10, ndcg_at_10),
            ("MRR@10", found.mrr_at_10, mrr_at_10),
            ("R@100", found.recall_at_100, recall_at_100),
        ] {
            assert!((found - known).abs() < tolerance, "{name} {measure}: {found}, not {known}");
        }
    }
}

fn bm25_on(folder: &Path) -> Evaluation {
    let (docids, documents) = texts(&folder.join("corpus.jsonl"));
    let qrels = read_qrels(&folder.join("qrels/test.tsv")).unwrap();
    let (qids, queries) = texts(&folder.join("queries.jsonl"));
    let (qids, queries): (Vec<String>, Vec<String>) =
        qids.into_iter().zip(queries).filter(|(id, _)| qrels.contains_key(id)).unzip();

    let start = Instant::now();
    let index = Bm25::index(&documents, prose, Parameters::default());
    let indexed = start.elapsed();
    let found = index.search_all(&queries, 1000);
    let searched = start.elapsed() - indexed;
    println!(
        "{} documents in {indexed:.1?}, {} queries in {searched:.1?}",
        documents.len(),
        queries.len()
    );

    let hits = |found: Vec<(usize, f32)>| {
        found.into_iter().map(|(d, score)| Hit { docid: docids[d].clone(), score }).collect()
    };
    let run: Run = qids.into_iter().zip(found.into_iter().map(hits)).collect();
    evaluate(&qrels, &run, Queries::Judged)
}

/// Ids and `title + " " + text` of a BEIR file.
fn texts(path: &Path) -> (Vec<String>, Vec<String>) {
    let lines = fs::read_to_string(path).unwrap();
    let records = lines.lines().map(|line| {
        let record: HashMap<String, serde_json::Value> = serde_json::from_str(line).unwrap();
        let field = |name| record.get(name).and_then(|v| v.as_str()).unwrap_or("").to_owned();
        (field("_id"), format!("{} {}", field("title"), field("text")))
    });
    records.unzip()
}
