//! `wgrad encode`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use wgrad_engine::file::{HostTensor, Values, serialize};

use super::{Failure, Global};
use crate::checkpoint::ModelDirectory;
use crate::data::text::{TextLayout, documents};
use crate::data::{Side, atomic, beir};
use crate::retrieval::encode::Encoder;
use crate::retrieval::late::LateEncoder;

/// Encodes texts.
#[derive(clap::Args)]
#[command(after_help = "\
Example:  wgrad encode --model runs/retriever/model --input beir/squadshifts --kind passage --out p.safetensors

The ids stand beside the vectors, one a line, in p.ids.txt. A model of late interaction (ColBERT) gives a vector
for every token: `embeddings` f32 [all tokens, D], and `offsets` i32 [N + 1] with the rows where each text begins.")]
pub struct Args {
    /// The model.
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// A BEIR folder, a .jsonl or .tsv file, or plain text with one text a line.
    #[arg(long, value_name = "PATH")]
    input: PathBuf,
    /// What of a BEIR folder to encode.
    #[arg(long, value_parser = ["query", "passage"], default_value = "passage")]
    kind: String,
    /// Tokens of the longest text; longer ones lose their end. Without it what the model was fine-tuned with.
    #[arg(long, value_name = "T")]
    max_length: Option<usize>,
    /// Texts encoded together.
    #[arg(long, value_name = "N", default_value_t = 64)]
    batch_size: usize,
    /// The file that gets `embeddings` f32 [N, D].
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Tokens of the longest query and of the longest passage, where neither the user nor the model says.
const LONGEST: [usize; 2] = [64, 256];
/// Tokens of a text at least: [CLS], one of its own and [SEP].
const SHORTEST: usize = 3;

pub fn run(global: &Global, args: &Args) -> Result<(), Failure> {
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
    let directory = ModelDirectory::open(&args.model)?;
    let bar = super::training::bar(global, "encoding", texts.len());
    let done = |count| bar.set_position(count as u64);
    let limit = directory.config.max_position_embeddings;
    let mut json = serde_json::json!({"texts": texts.len(), "out": args.out});
    let mut tensors = BTreeMap::new();
    if let Some(mut late) = LateEncoder::open(&device, &directory)? {
        let side = if query { Side::Query } else { Side::Document };
        let longest = &mut late.marking.lengths[side as usize];
        *longest = args.max_length.unwrap_or(*longest);
        expect_length(*longest, SHORTEST + 1, limit)?;
        let vectors = late.encode(&texts, side, args.batch_size, done)?;
        let offsets = vectors.offsets.iter().map(|&offset| offset as i64).collect();
        let shape = vec![vectors.values.len() / vectors.width, vectors.width];
        (json["width"], json["vectors"]) = (vectors.width.into(), shape[0].into());
        let offsets = HostTensor { shape: vec![texts.len() + 1], values: Values::I64(offsets) };
        tensors.insert("offsets".to_string(), offsets);
        tensors.insert("embeddings".to_string(), HostTensor::f32(shape, vectors.values));
    } else {
        let encoder = Encoder::open(&device, &args.model)?;
        let default = encoder.max_length.unwrap_or(LONGEST[usize::from(!query)]);
        let longest = args.max_length.unwrap_or(default.min(limit));
        expect_length(longest, SHORTEST, limit)?;
        let vectors = encoder.encode(&texts, longest, args.batch_size, done)?;
        let shape = vec![texts.len(), encoder.width()];
        json["width"] = encoder.width().into();
        tensors.insert("embeddings".to_string(), HostTensor::f32(shape, vectors));
    }
    bar.finish_and_clear();
    atomic::write_file(&ids_path(&args.out), (ids.join("\n") + "\n").as_bytes())?;
    atomic::write_file(&args.out, &serialize(&tensors))?;
    super::profile::finish(global, &device)?;
    if global.json {
        println!("{json}");
    } else {
        let (n, d) = (tensors["embeddings"].shape[0], &json["width"]);
        println!("{n} vectors of {d} numbers in {}", args.out.display());
    }
    Ok(())
}

fn expect_length(longest: usize, shortest: usize, limit: usize) -> Result<(), Failure> {
    if (shortest..=limit).contains(&longest) {
        return Ok(());
    }
    let bounds = format!("{shortest} to the model's max_position_embeddings {limit}");
    Err(format!("--max-length is {longest}, expected {bounds}").into())
}

/// The file of ids beside a file of vectors: `e.safetensors` → `e.ids.txt`.
pub fn ids_path(vectors: &Path) -> PathBuf {
    vectors.with_extension("ids.txt")
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
