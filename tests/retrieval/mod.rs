//! Files of rankings and judgments, metrics and BM25, against trec_eval and bm25s.

mod bm25;
mod hybrid;
mod late;
mod metrics;
mod trec;

use std::collections::HashMap;
use std::path::PathBuf;

use wgrad::retrieval::trec::Hit;

/// A folder of `shared/data`, or `None`, having said so, where the checkout lacks it.
fn shared_data(folder: &str) -> Option<PathBuf> {
    let beside_the_repository = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared");
    let shared = std::env::var_os("WGRAD_SHARED").unwrap_or(beside_the_repository.into());
    let path = PathBuf::from(shared).join("data").join(folder);
    if !path.is_dir() {
        println!("skipped: no {}; set WGRAD_SHARED to where the data lies", path.display());
        return None;
    }
    Some(path)
}

fn hits(scored: &[(&str, f32)]) -> Vec<Hit> {
    scored.iter().map(|&(docid, score)| Hit { docid: docid.to_owned(), score }).collect()
}

fn judgments(judged: &[(&str, i32)]) -> HashMap<String, i32> {
    judged.iter().map(|&(docid, judgment)| (docid.to_owned(), judgment)).collect()
}
