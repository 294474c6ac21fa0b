//! Model directories: what is written reads back to the bit, under every published form of its names.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use wgrad::checkpoint::{ModelDirectory, Purpose, write};
use wgrad::train::objective::electra::Judged;
use wgrad::train::objective::{
    Bag, ContrastiveObjective, DupMaeObjective, ElectraObjective, HybridObjective, MlmObjective,
    Objective, RetroMaeObjective,
};
use wgrad_engine::Device;
use wgrad_engine::file::{HostTensor, TensorFile, serialize};
use wgrad_models::bert::Config;
use wgrad_models::dupmae::Projection;
use wgrad_models::electra::Tying;
use wgrad_models::hybrid::{Options, Saturation, Speakers};
use wgrad_models::retromae::{DecoderQuery, Decoding};
use wgrad_models::{Pooling, Similarity};

type Tensors = BTreeMap<String, HostTensor>;

fn config() -> Config {
    Config {
        vocab_size: 50,
        hidden_size: 16,
        num_hidden_layers: 2,
        num_attention_heads: 2,
        intermediate_size: 24,
        max_position_embeddings: 12,
        ..Config::default()
    }
}

fn mlm(seed: u64) -> MlmObjective {
    MlmObjective::new(&Device::cpu(), config(), seed)
}

fn retromae(seed: u64) -> RetroMaeObjective {
    RetroMaeObjective::new(&Device::cpu(), config(), DecoderQuery::PosAdd, Decoding::Enhanced, seed)
}

fn basic(layers: usize, seed: u64) -> RetroMaeObjective {
    let decoding = Decoding::Basic { layers };
    RetroMaeObjective::new(&Device::cpu(), config(), DecoderQuery::PosAdd, decoding, seed)
}

fn dupmae(seed: u64) -> DupMaeObjective {
    let how = (DecoderQuery::PosAdd, Projection::Own);
    DupMaeObjective::new(&Device::cpu(), config(), how, Bag::default(), seed)
}

fn electra(seed: u64) -> ElectraObjective {
    let mut config = Config { model_type: "electra".into(), ..config() };
    config.rest.insert("embedding_size".into(), 12.into());
    let how = (Tying::All, Judged::All);
    ElectraObjective::new(&Device::cpu(), config, how, [1.0, 50.0], seed)
}

fn retriever(seed: u64) -> ContrastiveObjective {
    let how = (Pooling::Mean, Similarity::Dot);
    ContrastiveObjective::new(&Device::cpu(), config(), how, (1.0, 1), seed)
        .expect("a BERT of any size")
}

fn hybrid_options() -> Options {
    Options {
        width: 6,
        entries: 5,
        projection: Projection::MlmHead,
        speakers: Speakers::All,
        saturation: Saturation::Log1p,
    }
}

fn hybrid(seed: u64) -> HybridObjective {
    HybridObjective::new(&Device::cpu(), config(), hybrid_options(), (1.0, 1), seed)
        .expect("a BERT of any size")
}

#[test]
fn a_directory_says_what_its_hybrid_is_made_of() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for projection in [Projection::MlmHead, Projection::Own] {
        let options = Options { projection, ..hybrid_options() };
        let written = HybridObjective::new(&Device::cpu(), config(), options, (1.0, 1), 1);
        let written = written.expect("a BERT of any size");
        let purpose = Purpose::Hybrid { options, max_length: 12 };
        write(folder.path(), &config(), written.weights(), purpose).expect("writable");
        let directory = ModelDirectory::open(folder.path()).expect("it was just written");
        assert_eq!(directory.hybrid().expect("it was just written"), Some(options));
    }
    fs::write(folder.path().join("hybrid.json"), "{\"top_k\": 5}").expect("writable");
    let directory = ModelDirectory::open(folder.path()).expect("the model is whole");
    let message = directory.hybrid().expect_err("a key is missing").to_string();
    assert!(message.contains("hybrid.json: expected an object with top_k"), "{message}");
}

#[test]
fn what_is_written_reads_back_to_the_bit() {
    let pooled =
        |pooling| Purpose::Retriever { pooling, similarity: Similarity::Dot, max_length: 12 };
    round_trip(mlm, Purpose::MaskedLm, None);
    round_trip(retromae, Purpose::MaskedLm, None);
    round_trip(|seed| basic(3, seed), Purpose::MaskedLm, None);
    round_trip(dupmae, Purpose::MaskedLm, None);
    round_trip(electra, Purpose::MaskedLm, None);
    let options = hybrid_options();
    let parts = Purpose::Hybrid { options, max_length: 12 };
    round_trip(hybrid, parts, Some((Pooling::Cls, Similarity::Dot)));
    for pooling in [Pooling::Cls, Pooling::Mean, Pooling::Max, Pooling::Last] {
        round_trip(retriever, pooled(pooling), Some((pooling, Similarity::Dot)));
    }
}

/// Writes a model and reads it into one of other weights.
fn round_trip<O: Objective>(
    make: impl Fn(u64) -> O,
    purpose: Purpose,
    pooling: Option<(Pooling, Similarity)>,
) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (written, mut read) = (make(1), make(2));
    assert_ne!(all(&written), all(&read), "other seeds, other weights");
    let config = written.encoder().config();
    write(folder.path(), config, written.weights(), purpose).expect("the folder is writable");
    let directory = ModelDirectory::open(folder.path()).expect("it was just written");
    let fresh = directory.load_into(read.weights_mut()).expect("it was just written");
    assert_eq!(fresh, [""; 0], "every parameter was stored");
    assert_eq!(all(&written), all(&read));
    assert_eq!(directory.pooling().expect("it was just written"), pooling);
    let Config { vocab_size, hidden_size, .. } = directory.config;
    assert_eq!((vocab_size, hidden_size), (50, 16));
}

fn all<O: Objective>(objective: &O) -> Tensors {
    objective.weights().to_host(|_| true)
}

#[test]
fn every_published_form_of_the_names_loads_equal() {
    let word_table = "bert.embeddings.word_embeddings.weight";
    type Change = fn(&mut Tensors);
    let forms: [(&str, Change); 4] = [
        ("gamma and beta", |tensors| {
            rename(tensors, |name| {
                let old = name.replace("LayerNorm.weight", "LayerNorm.gamma");
                old.replace("LayerNorm.bias", "LayerNorm.beta")
            });
        }),
        ("no bert. prefix", |tensors| {
            rename(tensors, |name| name.trim_start_matches("bert.").to_string());
        }),
        ("the tied matrix and its bias again", |tensors| {
            let words = tensors["bert.embeddings.word_embeddings.weight"].clone();
            tensors.insert("cls.predictions.decoder.weight".into(), words);
            let bias = tensors["cls.predictions.bias"].clone();
            tensors.insert("cls.predictions.decoder.bias".into(), bias);
        }),
        ("a pooler, the next sentence head and a buffer", |tensors| {
            let square = HostTensor::f32([16, 16], vec![1.0; 256]);
            tensors.insert("bert.pooler.dense.weight".into(), square);
            let pair = HostTensor::f32([2, 16], vec![1.0; 32]);
            tensors.insert("cls.seq_relationship.weight".into(), pair);
            let positions = HostTensor::f32([1, 12], vec![0.0; 12]);
            tensors.insert("bert.embeddings.position_ids".into(), positions);
        }),
    ];
    let written = mlm(1);
    for (form, change) in forms {
        let folder = tempfile::tempdir().expect("a temporary folder");
        write(folder.path(), &config(), written.weights(), Purpose::MaskedLm).expect("writable");
        change_file(&folder.path().join("model.safetensors"), change);
        let mut read = mlm(2);
        let directory = ModelDirectory::open(folder.path()).expect("it was just written");
        let fresh = directory.load_into(read.weights_mut()).expect("every form is known");
        assert!(fresh.is_empty(), "{form}: {fresh:?} did not load");
        assert!(all(&written) == all(&read), "{form}: other weights");
        let published = directory.published(word_table);
        assert!(published.ends_with("embeddings.word_embeddings.weight"), "{form}: {published}");
    }
}

#[test]
fn an_encoder_alone_gives_a_masked_language_model_with_a_fresh_head() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let written = retriever(1);
    write(folder.path(), &config(), written.weights(), Purpose::MaskedLm).expect("writable");
    let mut read = mlm(2);
    let directory = ModelDirectory::open(folder.path()).expect("it was just written");
    let fresh = directory.load_into(read.weights_mut()).expect("heads may be absent");
    assert!(!fresh.is_empty() && fresh.iter().all(|name| name.starts_with("cls.")), "{fresh:?}");
    let (written, read) = (all(&written), all(&read));
    assert!(written.iter().all(|(name, tensor)| read[name] == *tensor), "the encoder is the same");
}

#[test]
fn a_decoder_of_one_layer_begins_a_deeper_one() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (written, mut read) = (retromae(1), basic(3, 2));
    write(folder.path(), &config(), written.weights(), Purpose::MaskedLm).expect("writable");
    let directory = ModelDirectory::open(folder.path()).expect("it was just written");
    let fresh = directory.load_into(read.weights_mut()).expect("heads may be absent");
    let is_further = |name: &String| ["c_head.1.", "c_head.2."].iter().any(|l| name.starts_with(l));
    assert!(fresh.len() == 32 && fresh.iter().all(is_further), "{fresh:?}");
    let (written, read) = (all(&written), all(&read));
    assert!(written.iter().all(|(name, tensor)| read[name] == *tensor), "all else is the same");
}

fn rename(tensors: &mut Tensors, name: impl Fn(&str) -> String) {
    *tensors =
        std::mem::take(tensors).into_iter().map(|(old, tensor)| (name(&old), tensor)).collect();
}

fn change_file(path: &Path, change: impl Fn(&mut Tensors)) {
    let mut tensors = TensorFile::open(path).expect("it was just written").tensors;
    change(&mut tensors);
    fs::write(path, serialize(&tensors)).expect("the folder is writable");
}
