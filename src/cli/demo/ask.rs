//! `wgrad demo --ask`: search with the trained model, over every item.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use wgrad_engine::Device;
use wgrad_engine::file::{HostTensor, TensorFile, serialize};

use super::corpus::split_identifiers;
use super::place;
use crate::cli::{Failure, Global};
use crate::data::{Side, atomic};
use crate::retrieval::encode::Encoder;
use crate::retrieval::search::search;

/// An item as it is shown.
struct Item {
    text: String,
    path: String,
    place: String,
}

/// Tokens of the longest text.
const LONGEST: usize = 128;

/// Prints the items nearest to `question`, with file and line.
pub fn answer(
    global: &Global,
    device: &Device,
    out: &Path,
    question: &str,
    top_k: usize,
) -> Result<(), Failure> {
    let data = place(out, "data");
    let mut items = read(&data.join("train/corpus.jsonl"))?;
    items.extend(read(&data.join("heldout/corpus.jsonl"))?);
    let encoder = Encoder::open(device, &out.join("finetune/model"))?;
    let vectors = vectors(global, &encoder, out, &items)?;
    let query = encoder.encode(Side::Query, &[split_identifiers(question)], LONGEST, 1, |_| {})?;
    let results = search(device, encoder.width(), &query, &vectors, top_k.max(1), |_| {});
    let hits = results.into_iter().next().unwrap_or_default();
    if global.json {
        let hit = |&(at, score): &(u32, f32)| {
            let item = &items[at as usize];
            json!({"score": score, "path": item.path, "place": item.place})
        };
        println!(
            "{}",
            json!({"question": question, "hits": hits.iter().map(hit).collect::<Vec<_>>()})
        );
        return Ok(());
    }
    for (at, score) in hits {
        let item = &items[at as usize];
        println!("{score:.3}  {}\n       {}", item.path, item.place);
    }
    Ok(())
}

fn read(path: &Path) -> Result<Vec<Item>, Failure> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let item = |line: &str| -> Result<Item, Failure> {
        let value: Value = serde_json::from_str(line)?;
        let field = |value: &Value| value.as_str().unwrap_or_default().to_string();
        Ok(Item {
            text: format!("{} {}", field(&value["title"]), field(&value["text"])),
            path: field(&value["metadata"]["path"]),
            place: field(&value["metadata"]["place"]),
        })
    };
    text.lines().map(item).collect()
}

/// The vectors of all items, encoded once and kept beside the model; again where the model is newer.
fn vectors(
    global: &Global,
    encoder: &Encoder,
    out: &Path,
    items: &[Item],
) -> Result<Vec<f32>, Failure> {
    let path = place(out, "items.safetensors");
    let written = |path: &Path| fs::metadata(path).and_then(|found| found.modified()).ok();
    let model = written(&out.join("finetune/model/model.safetensors"));
    if written(&path) > model
        && let Ok(file) = TensorFile::open(&path)
    {
        let (shape, values) = file.floats("embeddings")?;
        if shape == [items.len(), encoder.width()] {
            return Ok(values.to_vec());
        }
    }
    let texts: Vec<&str> = items.iter().map(|item| item.text.as_str()).collect();
    let bar = crate::cli::training::bar(global, "encoding", texts.len());
    let vectors = encoder
        .encode(Side::Passage, &texts, LONGEST, 64, |count| bar.set_position(count as u64))?;
    bar.finish_and_clear();
    let shape = vec![items.len(), encoder.width()];
    let tensors =
        BTreeMap::from([("embeddings".to_string(), HostTensor::f32(shape, vectors.clone()))]);
    atomic::write_file(&path, &serialize(&tensors))?;
    Ok(vectors)
}
