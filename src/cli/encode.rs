//! `wgrad encode`.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use wgrad_engine::Device;
use wgrad_engine::file::{HostTensor, Values, serialize};

use super::output::expect_writable;
use super::{Failure, Global};
use crate::checkpoint::ModelDirectory;
use crate::data::text::{TextLayout, documents};
use crate::data::{Side, atomic, beir};
use crate::retrieval::encode::Encoder;
use crate::retrieval::hybrid::{HybridEncoder, Passages, Queries};
use crate::retrieval::late::LateEncoder;

/// Encodes texts.
#[derive(clap::Args)]
#[command(after_help = "\
Example:  wgrad encode --model runs/retriever/model --input beir/squadshifts --kind passage --out p.safetensors

The ids stand beside the vectors, one a line, in p.ids.txt. A hybrid retriever adds what a text says of the vocabulary:
`words` [M, V] of queries, `word_indices` and `word_values` [N, K] of passages. A model of late interaction (ColBERT)
gives a vector for every token: `embeddings` [all tokens, D], and `offsets` [N + 1] with the rows where each text begins.")]
pub struct Args {
    /// The model.
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// A BEIR folder, a .jsonl or .tsv file, or plain text with one text a line.
    #[arg(long, value_name = "PATH")]
    input: PathBuf,
    /// What of a BEIR folder to encode, and as what a model that tells them apart takes the texts.
    #[arg(long, value_parser = ["query", "passage"], default_value = "passage")]
    kind: String,
    /// Tokens of the longest text; longer ones lose their end. Without it what the model's directory says: for late
    /// interaction a length of queries and one of passages, else that of passages, for queries too.
    #[arg(long, value_name = "T")]
    max_length: Option<usize>,
    /// Texts encoded together.
    #[arg(long, value_name = "N", default_value_t = 64)]
    batch_size: usize,
    /// The file that gets `embeddings` f32 [N, D].
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Tokens of the longest query and of the longest passage, where neither the user nor the model's directory says.
const LONGEST: [usize; 2] = [64, 256];
/// Tokens of a text at least: [CLS], one of its own and [SEP].
const SHORTEST: usize = 3;

pub fn run(global: &Global, args: &Args) -> Result<(), Failure> {
    expect_writable("--out", &args.out)?;
    let query = args.kind == "query";
    let (ids, texts) = read(&args.input, query)?;
    if texts.is_empty() {
        return Err(
            format!("{}: expected texts, found only blank lines", args.input.display()).into()
        );
    }
    if args.batch_size == 0 {
        return Err("--batch-size is 0, expected 1 or more".into());
    }
    let device = global.open()?;
    let bar = super::training::bar(global, "encoding", texts.len());
    let done = |count| bar.set_position(count as u64);
    let side = if query { Side::Query } else { Side::Passage };
    let directory = ModelDirectory::open(&args.model)?;
    let (tensors, width) = match HybridEncoder::open(&device, &args.model)? {
        None if directory.late_interaction()?.is_some() => {
            token_vectors(&device, args, &directory, (side, &texts), done)?
        }
        None => {
            let encoder = Encoder::open(&device, &args.model)?;
            let limit = encoder.model.encoder.config().max_position_embeddings;
            let longest = longest(args, encoder.max_length, limit)?;
            let vectors = encoder.encode(side, &texts, longest, args.batch_size, done)?;
            (parts([("embeddings", vectors, encoder.width())]), encoder.width())
        }
        Some(encoder) => {
            let limit = encoder.model.bert.config.max_position_embeddings;
            let longest = longest(args, encoder.max_length, limit)?;
            let tensors = if query {
                let Queries { dense, words, widths } =
                    encoder.queries(&texts, longest, args.batch_size, done)?;
                parts([("embeddings", dense, widths[0]), (WORDS, words, widths[1])])
            } else {
                let Passages { dense, indices, values, widths } =
                    encoder.passages(&texts, longest, args.batch_size, done)?;
                let mut tensors =
                    parts([("embeddings", dense, widths[0]), (VALUES, values, widths[1])]);
                let shape = vec![texts.len(), widths[1]];
                let values = Values::I64(indices.into_iter().map(i64::from).collect());
                tensors.insert(INDICES.to_string(), HostTensor { shape, values });
                tensors
            };
            (tensors, encoder.model.options.width)
        }
    };
    bar.finish_and_clear();
    write(&args.out, &ids, &serialize(&tensors))?;
    super::profile::finish(global, &device)?;
    let (texts, vectors, d) = (texts.len(), tensors["embeddings"].shape[0], width);
    if global.json {
        let mut json = serde_json::json!({"texts": texts, "width": d, "out": args.out});
        if tensors.contains_key(OFFSETS) {
            json["vectors"] = vectors.into();
        }
        println!("{json}");
    } else {
        println!("{vectors} vectors of {d} numbers in {}", args.out.display());
    }
    Ok(())
}

/// The vectors of all tokens that count, and where each text's begin.
fn token_vectors(
    device: &Device,
    args: &Args,
    directory: &ModelDirectory,
    (side, texts): (Side, &[String]),
    done: impl FnMut(usize),
) -> Result<(BTreeMap<String, HostTensor>, usize), Failure> {
    let late = LateEncoder::open(device, directory)?;
    let mut late = late.expect("the directory says how to interact");
    let longest = &mut late.marking.lengths[side as usize];
    *longest = args.max_length.unwrap_or(*longest);
    expect_length(*longest, SHORTEST + 1, directory.config.max_position_embeddings)?;
    let vectors = late.encode(texts, side, args.batch_size, done)?;
    let offsets = vectors.offsets.iter().map(|&offset| offset as i64).collect();
    let offsets = HostTensor { shape: vec![texts.len() + 1], values: Values::I64(offsets) };
    let mut tensors = parts([("embeddings", vectors.values, vectors.width)]);
    tensors.insert(OFFSETS.to_string(), offsets);
    Ok((tensors, vectors.width))
}

/// Where the rows of each text begin, i32 `[N + 1]`, of late interaction.
pub const OFFSETS: &str = "offsets";
/// μ of hybrid queries, f32 `[M, V]`.
pub const WORDS: &str = "words";
/// The entries that hybrid passages keep, i32 `[N, K]`.
pub const INDICES: &str = "word_indices";
/// μ at these, f32 `[N, K]`.
pub const VALUES: &str = "word_values";

/// Tensors of rows of a width.
fn parts<const N: usize>(parts: [(&str, Vec<f32>, usize); N]) -> BTreeMap<String, HostTensor> {
    let tensor = |(name, values, width): (&str, Vec<f32>, usize)| {
        (name.to_string(), HostTensor::f32([values.len() / width, width], values))
    };
    parts.into_iter().map(tensor).collect()
}

/// Tokens of the longest text.
fn longest(args: &Args, trained: Option<usize>, limit: usize) -> Result<usize, Failure> {
    let default = trained.unwrap_or(LONGEST[usize::from(args.kind != "query")]);
    let longest = args.max_length.unwrap_or(default.min(limit));
    expect_length(longest, SHORTEST, limit)?;
    Ok(longest)
}

fn expect_length(longest: usize, shortest: usize, limit: usize) -> Result<(), Failure> {
    if (shortest..=limit).contains(&longest) {
        return Ok(());
    }
    let bounds = format!("{shortest} to the model's max_position_embeddings {limit}");
    Err(format!("--max-length is {longest}, expected {bounds}").into())
}

/// The file of ids beside a file of vectors: `e.safetensors` → `e.ids.txt`, and `e.v1` → `e.v1.ids.txt`.
pub fn ids_path(vectors: &Path) -> PathBuf {
    if vectors.extension().is_some_and(|extension| extension == "safetensors") {
        return vectors.with_extension("ids.txt");
    }
    let mut path = vectors.as_os_str().to_owned();
    path.push(".ids.txt");
    path.into()
}

/// Writes vectors and their ids. Former vectors go before the new ids come, so that a kill between leaves no vectors
/// beside the ids of others. What is no file, such as `/dev/null`, gets no ids beside it.
fn write(out: &Path, ids: &[String], vectors: &[u8]) -> std::io::Result<()> {
    if atomic::is_special(out) {
        return atomic::write_file(out, vectors);
    }
    let ids = ids.join("\n") + "\n";
    atomic::write_file_with(out, |file| {
        file.write_all(vectors)?;
        file.flush()?;
        atomic::remove_file(out)?;
        atomic::write_file(&ids_path(out), ids.as_bytes())
    })
}

fn read(input: &Path, query: bool) -> Result<(Vec<String>, Vec<String>), Failure> {
    let entries: Vec<(String, String)> = if input.join("corpus.jsonl").is_file() {
        let entries = if query { beir::queries(input)? } else { beir::corpus(input)? };
        entries.into_iter().map(|entry| (entry.id, entry.text)).collect()
    } else {
        let texts = documents(&[input], TextLayout::DocumentPerLine)?;
        let pair = |(at, document): (usize, crate::data::Result<_>)| {
            document.map(|document: crate::data::text::Document| {
                (document.id.clone().unwrap_or_else(|| at.to_string()), document.full_text())
            })
        };
        texts.enumerate().map(pair).collect::<Result<_, _>>()?
    };
    Ok(entries.into_iter().unzip())
}
