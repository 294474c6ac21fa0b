//! `wgrad search`.

use std::path::{Path, PathBuf};

use wgrad_engine::file::TensorFile;

use super::encode::{INDICES, OFFSETS, VALUES, WORDS, ids_path};
use super::output::expect_writable;
use super::{Failure, Global};
use crate::retrieval::hybrid::{self, Passages, Queries};
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
    file: TensorFile,
    ids: Vec<String>,
    width: usize,
    /// Of late interaction: where the rows of each text begin, and the end.
    offsets: Option<Vec<usize>>,
}

impl Vectors {
    fn values(&self) -> &[f32] {
        self.file.floats("embeddings").expect("it was read").1
    }

    /// As texts of late interaction.
    fn of_tokens(&self) -> TokenVectors {
        let offsets = self.offsets.clone().unwrap_or_default();
        TokenVectors { width: self.width, values: self.values().to_vec(), offsets }
    }
}

pub fn run(global: &Global, args: &Args) -> Result<(), Failure> {
    expect_writable("--out", &args.out)?;
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
    let results = match (words(&queries)?, kept(&passages)?) {
        (None, None) if queries.offsets.is_some() != passages.offsets.is_some() => {
            let problem =
                "one of the files has a vector for every token, the other one for every text";
            return Err(format!("{problem}; encode both with one model").into());
        }
        (None, None) if queries.offsets.is_some() => {
            late::search(&device, &queries.of_tokens(), &passages.of_tokens(), k, done)
        }
        (None, None) => search(&device, width, queries.values(), passages.values(), k, done),
        (Some(queries), Some(passages)) => {
            check_entries(&args.passages, &passages, queries.widths[1])?;
            hybrid::search(&device, &queries, &passages, k, done)
        }
        (queries, _) => {
            let (missing, of) = match queries {
                Some(_) => ([INDICES, VALUES].join(" and "), &args.passages),
                None => (WORDS.to_string(), &args.queries),
            };
            return Err(format!(
                "{}: expected {missing} of a hybrid representation, found embeddings alone; encode queries with \
                 --kind query and passages with --kind passage, both with one model",
                of.display()
            )
            .into());
        }
    };
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
    let offsets = offsets(&file, rows)?;
    let texts = offsets.as_ref().map_or(rows, |offsets| offsets.len() - 1);
    if ids.len() != texts {
        let what = if offsets.is_some() { "texts" } else { "vectors" };
        let (path, ids) = (ids_path(path), ids.len());
        return Err(format!("{}: {ids} ids for {texts} {what}", path.display()).into());
    }
    if rows == 0 || width == 0 {
        return Err(format!("{}: found no vectors, expected at least one", path.display()).into());
    }
    check_finite(path, values, width)?;
    Ok(Vectors { file, ids, width, offsets })
}

/// Where each text's rows begin in a file of late interaction; `None` if every text has one vector.
fn offsets(file: &TensorFile, rows: usize) -> Result<Option<Vec<usize>>, Failure> {
    if !file.tensors.contains_key(OFFSETS) {
        return Ok(None);
    }
    let (_, values) = file.integers(OFFSETS)?;
    let rises = values.windows(2).all(|pair| pair[0] < pair[1]);
    if values.first() != Some(&0) || values.last() != Some(&(rows as i64)) || !rises {
        let path = file.path.display();
        let expected = format!("offsets that rise from 0 to the {rows} rows of embeddings");
        return Err(format!("{path}: expected {expected}; encode again").into());
    }
    Ok(Some(values.iter().map(|&offset| offset as usize).collect()))
}

fn check_finite(path: &Path, values: &[f32], width: usize) -> Result<(), Failure> {
    let Some(at) = values.iter().position(|value| !value.is_finite()) else { return Ok(()) };
    let (row, value) = (at / width, values[at]);
    let path = path.display();
    Err(format!("{path}: row {row} holds {value}, expected finite numbers; encode again").into())
}

/// Both parts of hybrid queries, if they are that.
fn words(queries: &Vectors) -> Result<Option<Queries>, Failure> {
    if !queries.file.tensors.contains_key(WORDS) {
        return Ok(None);
    }
    let (vocabulary, words) = rows_of(queries, WORDS, queries.file.floats(WORDS)?)?;
    check_finite(&queries.file.path, words, vocabulary)?;
    let (dense, words) = (queries.values().to_vec(), words.to_vec());
    Ok(Some(Queries { dense, words, widths: [queries.width, vocabulary] }))
}

/// Both parts of hybrid passages, if they are that.
fn kept(passages: &Vectors) -> Result<Option<Passages>, Failure> {
    if !passages.file.tensors.contains_key(INDICES) {
        return Ok(None);
    }
    let (kept, indices) = rows_of(passages, INDICES, passages.file.integers(INDICES)?)?;
    let (also, values) = rows_of(passages, VALUES, passages.file.floats(VALUES)?)?;
    if kept != also {
        let path = passages.file.path.display();
        return Err(format!("{path}: {VALUES} have {also} columns, {INDICES} {kept}").into());
    }
    check_finite(&passages.file.path, values, kept)?;
    // What is no u32 is no entry of any vocabulary.
    let entry = |&index: &i64| u32::try_from(index).unwrap_or(u32::MAX);
    let (indices, values) = (indices.iter().map(entry).collect(), values.to_vec());
    let (dense, widths) = (passages.values().to_vec(), [passages.width, kept]);
    Ok(Some(Passages { dense, indices, values, widths }))
}

/// Columns and numbers of `name`, which has a row for each id.
fn rows_of<'a, T>(
    vectors: &Vectors,
    name: &str,
    (shape, values): (&[usize], &'a [T]),
) -> Result<(usize, &'a [T]), Failure> {
    match shape {
        &[rows, columns] if rows == vectors.ids.len() && columns > 0 => Ok((columns, values)),
        _ => {
            let (path, rows) = (vectors.file.path.display(), vectors.ids.len());
            Err(format!("{path}: {name} are {shape:?}, expected {rows} rows").into())
        }
    }
}

/// That passages name entries of the queries' vocabulary.
fn check_entries(path: &Path, passages: &Passages, vocabulary: usize) -> Result<(), Failure> {
    let is_beyond = |&&index: &&u32| index as usize >= vocabulary;
    match passages.indices.iter().find(is_beyond) {
        None => Ok(()),
        Some(index) => Err(format!(
            "{}: {INDICES} hold {index}, queries have {vocabulary} entries; encode both with one model",
            path.display()
        )
        .into()),
    }
}
