//! What a directory says of DupMAE's hybrid representation: `hybrid.json`, beside the maps in `head.safetensors`.

use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::json;
use wgrad_engine::file::serialize;
use wgrad_engine::weights::Weights;
use wgrad_models::dupmae::Projection;
use wgrad_models::hybrid::{Options, Saturation, Speakers};

use super::sentence_transformers::module;
use super::{Error, ModelDirectory, write_json};

/// The file that makes a directory one of a hybrid representation.
const FILE: &str = "hybrid.json";
/// W_cls `[D, H]`.
const CLS: &str = "cls_projection.weight";

/// `hybrid.json`; the rest follows from the tensors.
#[derive(Serialize, Deserialize)]
struct Stored {
    /// K.
    top_k: usize,
    bow_tokens: Speakers,
    bow_saturation: Saturation,
}

impl ModelDirectory {
    /// What its representation is made of, if it is a hybrid one.
    ///
    /// # Errors
    /// [`Error::Pooling`] for a file that is not what [`super::write`] writes, or without its tensor.
    pub fn hybrid(&self) -> Result<Option<Options>, Error> {
        const EXPECTED: &str = "an object with top_k, bow_tokens and bow_saturation";
        if !self.path.join(FILE).exists() {
            return Ok(None);
        }
        let wrong =
            |expected, found| Error::Pooling { path: self.path.join(FILE), expected, found };
        let stored: Stored = serde_json::from_value(self.read_json(FILE, EXPECTED)?)
            .map_err(|error| wrong(EXPECTED, error.to_string()))?;
        let Some((_, cls)) = self.tensors.get(CLS) else {
            return Err(wrong("cls_projection.weight in head.safetensors", "none".into()));
        };
        let own = self.tensors.contains_key("ot_projection.weight");
        Ok(Some(Options {
            width: cls.shape.first().copied().unwrap_or(0),
            entries: stored.top_k,
            projection: if own { Projection::Own } else { Projection::MlmHead },
            speakers: stored.bow_tokens,
            saturation: stored.bow_saturation,
        }))
    }
}

/// Writes `hybrid.json`, and the dense part as sentence-transformers' modules: transformer, `[CLS]`, linear map.
pub(super) fn write(dir: &Path, options: &Options, weights: &Weights) -> io::Result<()> {
    let stored = Stored {
        top_k: options.entries,
        bow_tokens: options.speakers,
        bow_saturation: options.saturation,
    };
    write_json(&dir.join(FILE), &json!(stored))?;

    let cls = weights.to_host(|name| name == CLS).remove(CLS).expect("a hybrid has its map");
    let &[outputs, inputs] = cls.shape.as_slice() else { unreachable!("W_cls is [D, H]") };
    let modules = [
        module(0, "", "Transformer"),
        module(1, "1_Pooling", "Pooling"),
        module(2, "2_Dense", "Dense"),
    ];
    write_json(&dir.join("modules.json"), &json!(modules))?;
    let dense = json!({
        "in_features": inputs,
        "out_features": outputs,
        "bias": false,
        "activation_function": "torch.nn.modules.linear.Identity",
    });
    fs::create_dir_all(dir.join("2_Dense"))?;
    write_json(&dir.join("2_Dense/config.json"), &dense)?;
    let linear = [("linear.weight".to_string(), cls)].into();
    fs::write(dir.join("2_Dense/model.safetensors"), serialize(&linear))
}
