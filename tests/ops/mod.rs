//! One file an op: backward against differences, every device against the f64 twin.

mod activation;
mod adamw;
mod add;
mod attention;
mod attention_biased;
mod attention_relative;
mod cast;
mod column_sums;
mod concat;
mod contrastive;
mod dropout;
mod elementwise;
mod embedding;
mod gather_rows;
mod gelu;
mod l2_normalize;
mod lamb;
mod layer_norm;
mod linear_cross_entropy;
mod linear_sample;
mod matmul;
mod max_pool;
mod max_sim;
mod mean_pool;
mod multiply_add;
mod reduce;
mod replace_rows;
mod row_share;
mod softmax;
mod sum_of_squares;
mod token_max_pool;
mod top_k;

use std::path::PathBuf;

use serde_json::Value;

/// `golden/contrastive/golden.json`: JAX in double precision, written by `gen.py` beside it. Where it is missing, a test that
/// asks for it passes without a check, which `.ci/run` says in advance.
fn golden() -> Option<Value> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared");
    let shared =
        std::env::var_os("WGRAD_SHARED").map_or_else(|| PathBuf::from(beside), PathBuf::from);
    let path = shared.join("golden/contrastive/golden.json");
    let Ok(text) = std::fs::read_to_string(&path) else {
        eprintln!("skipped: no golden values at {}", path.display());
        return None;
    };
    Some(serde_json::from_str(&text).expect("golden.json is JSON"))
}

fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(values) => values.iter().flat_map(numbers).collect(),
        number => vec![number.as_f64().expect("golden values are numbers")],
    }
}
