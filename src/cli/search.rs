//! `wgrad search`.

use std::path::{Path, PathBuf};

use wgrad_engine::file::TensorFile;

use super::encode::ids_path;
use super::{Failure, Global};
use crate::retrieval::late::{self, TokenVectors};
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
    /// Of late interaction: where the rows of each text begin, and the end.
    offsets: Option<Vec<usize>>,
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
    let (Vectors { ids: query_ids, values: q, offsets: q_offsets, .. }, p) =
        (queries, passages.values);
    let results = match (q_offsets, passages.offsets) {
        (Some(q_offsets), Some(p_offsets)) => {
            let q = TokenVectors { width, values: q, offsets: q_offsets };
            late::search(
                &device,
                &q,
                &TokenVectors { width, values: p, offsets: p_offsets },
                k,
                done,
            )
        }
        (None, None) => search(&device, width, &q, &p, k, done),
        _ => {
            let problem =
                "one of the files has a vector for every token, the other one for every text";
            return Err(format!("{problem}; encode both with one model").into());
        }
    };
    bar.finish_and_clear();
    let hit =
        |(passage, score): (u32, f32)| Hit { docid: passages.ids[passage as usize].clone(), score };
    let ranked = results.into_iter().map(|hits| hits.into_iter().map(hit).collect());
    let run: Run = query_ids.into_iter().zip(ranked).collect();
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
    let offsets = offsets(&file, rows)?;
    let texts = offsets.as_ref().map_or(rows, |offsets| offsets.len() - 1);
    if ids.len() != texts {
        let path = ids_path(path);
        let of = if offsets.is_some() { "texts" } else { "vectors" };
        return Err(format!("{}: {} ids for {texts} {of}", path.display(), ids.len()).into());
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
    Ok(Vectors { ids, width, values: values.to_vec(), offsets })
}

/// Where each text's rows begin in a file of late interaction; `None` if every text has one vector.
fn offsets(file: &TensorFile, rows: usize) -> Result<Option<Vec<usize>>, Failure> {
    if !file.tensors.contains_key("offsets") {
        return Ok(None);
    }
    let (_, values) = file.integers("offsets")?;
    let rises = values.windows(2).all(|pair| pair[0] < pair[1]);
    if values.first() != Some(&0) || values.last() != Some(&(rows as i64)) || !rises {
        let path = file.path.display();
        let expected = format!("offsets that rise from 0 to the {rows} rows of embeddings");
        return Err(format!("{path}: expected {expected}; encode again").into());
    }
    Ok(Some(values.iter().map(|&offset| offset as usize).collect()))
}
