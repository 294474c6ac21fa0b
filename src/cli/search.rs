//! `wgrad search`.

use std::path::{Path, PathBuf};

use wgrad_engine::file::TensorFile;

use super::encode::ids_path;
use super::{Failure, Global};
use crate::retrieval::search::search;
use crate::retrieval::trec::{Hit, Run, write_run};

/// Searches.
#[derive(clap::Args)]
#[command(
    after_help = "Example:  wgrad search --passages p.safetensors --queries q.safetensors --top-k 100 --out run.trec"
)]
pub struct Args {
    /// Vectors of the passages, from `wgrad encode`.
    #[arg(long, value_name = "FILE")]
    passages: PathBuf,
    /// Vectors of the queries, from `wgrad encode`.
    #[arg(long, value_name = "FILE")]
    queries: PathBuf,
    /// Passages a query.
    #[arg(long, value_name = "K", default_value_t = 100)]
    top_k: usize,
    /// The TREC run that is written.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Vectors with their ids.
struct Vectors {
    ids: Vec<String>,
    width: usize,
    values: Vec<f32>,
}

pub fn run(global: &Global, args: &Args) -> Result<(), Failure> {
    let (passages, queries) = (read(&args.passages)?, read(&args.queries)?);
    if passages.width != queries.width {
        let (p, q) = (passages.width, queries.width);
        return Err(
            format!("passages have {p} numbers, queries {q}; encode both with one model").into()
        );
    }
    if args.top_k == 0 {
        return Err("--top-k is 0, expected 1 or more".into());
    }
    let device = global.open()?;
    let bar = super::training::bar(global, "searching", queries.ids.len());
    let done = |count| bar.set_position(count as u64);
    let (width, k) = (queries.width, args.top_k);
    let results = search(&device, width, &queries.values, &passages.values, k, done);
    bar.finish_and_clear();
    let hit =
        |(passage, score): (u32, f32)| Hit { docid: passages.ids[passage as usize].clone(), score };
    let ranked = results.into_iter().map(|hits| hits.into_iter().map(hit).collect());
    let run: Run = queries.ids.iter().cloned().zip(ranked).collect();
    write_run(&args.out, &run, "wgrad")?;
    super::profile::finish(global, &device)?;
    if global.json {
        println!("{}", serde_json::json!({"queries": run.len(), "out": args.out}));
    } else {
        println!("{} queries in {}", run.len(), args.out.display());
    }
    Ok(())
}

fn read(path: &Path) -> Result<Vectors, Failure> {
    let file = TensorFile::open(path)?;
    let (shape, values) = file.floats("embeddings")?;
    let &[rows, width] = shape else {
        return Err(format!("{}: embeddings are {shape:?}, expected [N, D]", path.display()).into());
    };
    let ids = ids_path(path);
    let text =
        std::fs::read_to_string(&ids).map_err(|error| format!("{}: {error}", ids.display()))?;
    let ids: Vec<String> = text.lines().map(str::to_string).collect();
    if ids.len() != rows {
        return Err(
            format!("{}: {} ids for {rows} vectors", ids_path(path).display(), ids.len()).into()
        );
    }
    if rows == 0 || width == 0 {
        return Err(format!("{}: found no vectors, expected at least one", path.display()).into());
    }
    if let Some(at) = values.iter().position(|value| !value.is_finite()) {
        let (row, value) = (at / width, values[at]);
        let path = path.display();
        return Err(format!(
            "{path}: row {row} holds {value}, expected finite numbers; encode again"
        )
        .into());
    }
    Ok(Vectors { ids, width, values: values.to_vec() })
}
