//! `wgrad rerank`.

use std::collections::HashMap;
use std::path::PathBuf;

use super::output::expect_writable;
use super::{Failure, Global};
use crate::data::beir::{self, Entry};
use crate::retrieval::rerank::CrossEncoder;
use crate::retrieval::trec::{Hit, Run, rank, read_run, write_run};

/// Scores the passages of a run again.
#[derive(clap::Args)]
#[command(after_help = "\
Example:  wgrad rerank --model runs/cross/model --data beir/squadshifts --run bm25.trec --top-k 50 --out ranked.trec")]
pub struct Args {
    /// The cross-encoder.
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// The BEIR folder with the texts of queries and passages.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// What to rank again: a TREC or MS MARCO run.
    #[arg(long, value_name = "FILE")]
    run: PathBuf,
    /// Passages of each query that are scored; those below them are left out.
    #[arg(long, value_name = "K", default_value_t = 100)]
    top_k: usize,
    /// Tokens of the longest pair. Without it what the model was fine-tuned with.
    #[arg(long, value_name = "T")]
    max_length: Option<usize>,
    /// Pairs scored together.
    #[arg(long, value_name = "N", default_value_t = 64)]
    batch_size: usize,
    /// The TREC run that is written.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Tokens of a pair at least: [CLS], one of each text and both [SEP].
const SHORTEST: usize = 5;

pub fn run(global: &Global, args: &Args) -> Result<(), Failure> {
    expect_writable("--out", &args.out)?;
    if args.top_k == 0 || args.batch_size == 0 {
        return Err("--top-k or --batch-size is 0, expected 1 or more".into());
    }
    let (queries, corpus) = (beir::queries(&args.data)?, beir::corpus(&args.data)?);
    let (queries, passages) = (by_id(&queries), by_id(&corpus));
    let candidates = read_run(&args.run)?;
    let mut pairs = Vec::new();
    let mut places = Vec::new();
    for (query, hits) in &candidates {
        let text = text_of(args, &queries, "query", query)?;
        for hit in rank(hits).into_iter().take(args.top_k) {
            pairs.push((text, text_of(args, &passages, "passage", &hit.docid)?));
            places.push((query, &hit.docid));
        }
    }

    let device = global.open()?;
    let model = CrossEncoder::open(&device, &args.model)?;
    let limit = model.model.encoder.config().max_position_embeddings;
    let longest = args.max_length.unwrap_or(model.max_length);
    if !(SHORTEST..=limit).contains(&longest) {
        let bounds = format!("{SHORTEST} to the model's max_position_embeddings {limit}");
        return Err(format!("--max-length is {longest}, expected {bounds}").into());
    }
    let bar = super::training::bar(global, "ranking", pairs.len());
    let done = |count| bar.set_position(count as u64);
    let scores = model.scores(&pairs, longest, args.batch_size, done)?;
    bar.finish_and_clear();
    let mut run = Run::new();
    for ((query, passage), score) in places.into_iter().zip(scores) {
        run.entry(query.clone()).or_default().push(Hit { docid: passage.clone(), score });
    }
    write_run(&args.out, &run, "wgrad")?;
    super::profile::finish(global, &device)?;
    let (queries, count) = (run.len(), pairs.len());
    if global.json {
        println!("{}", serde_json::json!({"queries": queries, "pairs": count, "out": args.out}));
    } else {
        println!("{count} pairs of {queries} queries in {}", args.out.display());
    }
    Ok(())
}

fn by_id(entries: &[Entry]) -> HashMap<&str, &str> {
    entries.iter().map(|entry| (entry.id.as_str(), entry.text.as_str())).collect()
}

fn text_of<'a>(
    args: &Args,
    texts: &HashMap<&str, &'a str>,
    kind: &str,
    id: &str,
) -> Result<&'a str, Failure> {
    texts.get(id).copied().ok_or_else(|| {
        let (run, data) = (args.run.display(), args.data.display());
        format!("{run}: expected {kind} ids of {data}, found `{id}`").into()
    })
}
