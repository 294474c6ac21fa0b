//! metrics: golden values of trec_eval 9.0.8 (and pytrec_eval-terrier 0.5.11, which wraps it).

use wgrad::retrieval::metrics::{JudgedRanking, Queries, evaluate};
use wgrad::retrieval::trec::{Hit, Qrels, Run, rank};

use super::{hits, judgments};

/// Judged and unjudged documents, grades 0 and −1, a query without relevant documents (q3), one
/// that the run lacks (q4) and one that nobody judged (q6).
fn qrels() -> Qrels {
    Qrels::from([
        ("q1".into(), judgments(&[("d1", 3), ("d2", 0), ("d3", 2), ("d4", 1), ("d9", 2)])),
        ("q2".into(), judgments(&[("d5", 1)])),
        ("q3".into(), judgments(&[("d1", 0), ("d2", 0)])),
        ("q4".into(), judgments(&[("d7", 1)])),
        ("q5".into(), judgments(&[("d1", -1), ("d2", 1)])),
    ])
}

fn run() -> Run {
    let q1 = [("d2", 9.0), ("d3", 8.5), ("u1", 8.0), ("d1", 7.0), ("u2", 6.0), ("d4", 5.0)];
    Run::from([
        ("q1".into(), hits(&q1)),
        ("q2".into(), hits(&[("d1", 3.0), ("d5", 2.0)])),
        ("q3".into(), hits(&[("d1", 3.0), ("d2", 2.0)])),
        ("q5".into(), hits(&[("d1", 3.0), ("d2", 2.0)])),
        ("q6".into(), hits(&[("d1", 3.0)])),
    ])
}

/// q1's first `depth` documents (`trec_eval -M`), relevant from `level` (`trec_eval -l`).
fn q1(depth: usize, level: i32) -> JudgedRanking {
    let run = run();
    let mut ranking: Vec<&Hit> = rank(&run["q1"]);
    ranking.truncate(depth);
    JudgedRanking::new(&ranking, &qrels()["q1"], level)
}

#[track_caller]
fn assert_equal(name: &str, found: f64, golden: f64, digits: i32) {
    let tolerance = 0.5001 * 10f64.powi(-digits); // half a digit, and the rounding of this line
    assert!((found - golden).abs() <= tolerance, "{name}: {found}, trec_eval says {golden}");
}

#[test]
fn each_measure_of_a_query_equals_trec_eval() {
    let full = q1(1000, 1);
    let cases = [
        ("recip_rank", full.reciprocal_rank(10), 0.5, 15),
        ("recip_rank -M 1", q1(1, 1).reciprocal_rank(10), 0.0, 15),
        ("map", full.average_precision(usize::MAX), 0.375, 15),
        ("map_cut_3", full.average_precision(3), 0.125, 15),
        ("map -l 2", q1(1000, 2).average_precision(usize::MAX), 0.3333, 4),
        ("ndcg_cut_10", full.ndcg(10), 0.5112126361838933, 15),
        ("ndcg_cut_3", full.ndcg(3), 0.2398, 4),
        ("ndcg_cut_10 -l 2", q1(1000, 2).ndcg(10), 0.5112126361838933, 15),
        ("ndcg_cut_10 -M 3", q1(3, 1).ndcg(10), 0.2217, 4),
        ("recall_3", full.recall(3), 0.25, 15),
        ("recall_10", full.recall(10), 0.75, 15),
        ("recall_10 -l 2", q1(1000, 2).recall(10), 0.6667, 4),
    ];
    for (name, found, golden, digits) in cases {
        assert_equal(name, found, golden, digits);
    }
}

#[test]
fn means_equal_trec_eval_with_and_without_missing_queries() {
    let judged = evaluate(&qrels(), &run(), Queries::Judged);
    let answered = evaluate(&qrels(), &run(), Queries::Answered);
    assert_eq!((judged.queries, answered.queries), (5, 4));
    let cases = [
        ("-c recip_rank", judged.mean.mrr_at_10, 0.3, 15),
        ("-c map", judged.mean.map, 0.275, 15),
        ("-c ndcg_cut_10", judged.mean.ndcg_at_10, 0.3546144286653617, 15),
        ("-c recall_10", judged.mean.recall_at_10, 0.55, 15),
        ("-c recall_1000", judged.mean.recall_at_1000, 0.55, 15),
        ("recip_rank", answered.mean.mrr_at_10, 0.3750, 4),
        ("map", answered.mean.map, 0.3438, 4),
        ("ndcg_cut_10", answered.mean.ndcg_at_10, 0.4433, 4),
        ("recall_10", answered.mean.recall_at_10, 0.6875, 4),
        ("q2 ndcg_cut_10", judged.per_query["q2"].ndcg_at_10, 0.6309297535714575, 15),
        ("q2 map", judged.per_query["q2"].map, 0.5, 15),
        ("q3 ndcg_cut_10", judged.per_query["q3"].ndcg_at_10, 0.0, 15),
        ("q4 map", judged.per_query["q4"].map, 0.0, 15),
        ("q5 ndcg_cut_10", judged.per_query["q5"].ndcg_at_10, 0.6309297535714575, 15),
        ("q5 recall_10", judged.per_query["q5"].recall_at_10, 1.0, 15),
    ];
    for (name, found, golden, digits) in cases {
        assert_equal(name, found, golden, digits);
    }
}

#[test]
fn ties_go_to_the_higher_id_in_single_precision() {
    let equal = hits(&[("a", 1.0), ("b", 1.0), ("c", 1.0)]);
    let order: Vec<&str> = rank(&equal).iter().map(|hit| hit.docid.as_str()).collect();
    assert_eq!(order, ["c", "b", "a"]);

    // Two doubles that one f32 cannot tell apart; trec_eval 10.0 ranks them a, b and finds 0.5.
    let close = hits(&[("a", 0.9000000002_f64 as f32), ("b", 0.9000000001_f64 as f32)]);
    let ranking = JudgedRanking::new(&rank(&close), &judgments(&[("b", 1)]), 1);
    assert_eq!(ranking.reciprocal_rank(10), 1.0);
}

#[test]
fn nothing_to_measure_is_zero_and_no_nan() {
    let none = evaluate(&Qrels::new(), &run(), Queries::Judged);
    assert_eq!((none.queries, none.mean.map), (0, 0.0));
    let silent = evaluate(&qrels(), &Run::new(), Queries::Answered);
    assert_eq!((silent.queries, silent.mean.ndcg_at_10), (0, 0.0));
    let missed = evaluate(&qrels(), &Run::new(), Queries::Judged).mean;
    for nothing in [none.mean.map, missed.map, missed.ndcg_at_10] {
        assert!(nothing == 0.0 && nothing.is_sign_positive(), "{nothing} is printed with a sign");
    }
}

#[test]
fn json_names_are_those_of_the_contract() {
    let evaluation = evaluate(&qrels(), &run(), Queries::Judged);
    let json = serde_json::to_value(&evaluation).expect("an evaluation is a plain struct");
    let keys: Vec<&String> = json.as_object().expect("a struct is an object").keys().collect();
    let expected =
        ["map", "mrr@10", "ndcg@10", "queries", "recall@10", "recall@100", "recall@1000"];
    assert_eq!(keys, expected);
    assert_eq!(json["queries"], 5);
}

#[test]
#[should_panic(expected = "document \"a\" is ranked twice")]
fn a_document_ranked_twice_is_refused() {
    let run = Run::from([("q1".into(), hits(&[("a", 1.0), ("a", 2.0)]))]);
    evaluate(&qrels(), &run, Queries::Judged);
}
