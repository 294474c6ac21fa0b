//! `wgrad bm25`.

use std::path::PathBuf;

use super::output::expect_writable;
use super::{Failure, Global};
use crate::data::beir;
use crate::retrieval::bm25::{Bm25, Parameters, prose};
use crate::retrieval::trec::{Hit, Run, write_run};

/// Ranks by BM25.
#[derive(clap::Args)]
#[command(
    after_help = "Example:  wgrad bm25 --data beir/squadshifts --split test --top-k 100 --out bm25.trec"
)]
pub struct Args {
    /// A BEIR folder.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Only queries with judgments in this split; all without it.
    #[arg(long, value_name = "NAME")]
    split: Option<String>,
    /// Passages a query.
    #[arg(long, value_name = "K", default_value_t = 100)]
    top_k: usize,
    /// How slowly a repeated term stops counting.
    #[arg(long, default_value_t = Parameters::default().k1)]
    k1: f32,
    /// How much length counts against a passage.
    #[arg(long, default_value_t = Parameters::default().b)]
    b: f32,
    /// The TREC run that is written.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

pub fn run(global: &Global, args: &Args) -> Result<(), Failure> {
    expect_writable("--out", &args.out)?;
    if args.top_k == 0 {
        return Err("--top-k is 0, expected 1 or more".into());
    }
    let corpus = beir::corpus(&args.data)?;
    let mut queries = beir::queries(&args.data)?;
    if let Some(split) = &args.split {
        let judged: std::collections::HashSet<String> =
            beir::qrels(&args.data, split)?.into_iter().map(|judgment| judgment.query_id).collect();
        queries.retain(|query| judged.contains(&query.id));
    }
    let texts: Vec<&str> = corpus.iter().map(|entry| entry.text.as_str()).collect();
    let index = Bm25::index(&texts, prose, Parameters { k1: args.k1, b: args.b });
    let questions: Vec<&str> = queries.iter().map(|query| query.text.as_str()).collect();
    let results = index.search_all(&questions, args.top_k);
    let hit = |(at, score): (usize, f32)| Hit { docid: corpus[at].id.clone(), score };
    let ranked = results.into_iter().map(|hits| hits.into_iter().map(hit).collect());
    let run: Run = queries.iter().map(|query| query.id.clone()).zip(ranked).collect();
    write_run(&args.out, &run, "bm25")?;
    if global.json {
        println!("{}", serde_json::json!({"queries": run.len(), "out": args.out}));
    } else {
        println!("{} queries over {} passages in {}", run.len(), corpus.len(), args.out.display());
    }
    Ok(())
}
