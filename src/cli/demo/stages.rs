//! Tokenizer, pre-training, fine-tuning, and the measurements between them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use wgrad_engine::Device;
use wgrad_engine::weights::Weights;
use wgrad_models::bert::Config;
use wgrad_models::retromae::{DecoderQuery, Decoding};
use wgrad_models::{Pooling, Similarity};

use super::plan::{Batch, Clock, Stage, seconds_a_step, set};
use super::results::{Results, Row};
use super::{Args, corpus, place};
use crate::checkpoint::{self, ModelDirectory, Purpose};
use crate::cli::{Failure, Global};
use crate::data::atomic;
use crate::data::text::{Document, TextLayout, documents};
use crate::data::wordpiece::train_wordpiece;
use crate::data::{
    PairCollator, Records, RetroMaeCollator, Sampler, Side, TokenBlocks, Tokenizer, beir,
};
use crate::retrieval::bm25::{Bm25, Parameters, code};
use crate::retrieval::encode::Encoder;
use crate::retrieval::metrics::{Queries, evaluate};
use crate::retrieval::search::search;
use crate::retrieval::trec::{Hit, Qrels, Run};
use crate::train::finetune::{Pairs, finetune};
use crate::train::objective::{ContrastiveObjective, Objective as _, RetroMaeObjective};
use crate::train::pretrain::{Corpus, Start, pretrain};
use crate::train::recipe::Recipe;

/// Tokens of the vocabulary.
const VOCABULARY: usize = 8192;
/// Tokens of the longest passage and of the longest query.
const LENGTHS: (usize, usize) = (128, 48);
/// Rows of a pre-training batch and their learning rate. Higher rates drive so short a run into the unigram distribution,
/// where all texts look alike.
const PRETRAINING_BATCH: Batch = Batch { size: 32, learning_rate: 2e-4 };
/// Queries of a fine-tuning batch and their learning rate, the dearest first. All passages of a batch compete, so the large
/// one teaches more in the same time; where too few of its steps fit, the small one is taken.
const FINETUNING_BATCHES: [Batch; 2] =
    [Batch { size: 256, learning_rate: 2e-3 }, Batch { size: 64, learning_rate: 1e-3 }];
/// Share of the time that goes to pre-training.
const PRETRAINING: f64 = 0.12;
/// How states become a vector. After so few steps the mean of all states says more than the first: with it a
/// random encoder already compares bags of words, and fine-tuning starts from there.
const HOW: (Pooling, Similarity) = (Pooling::Mean, Similarity::Cosine);
/// Passages a query in the measured runs.
const DEPTH: usize = 100;

/// Runs what is not done yet; `None` if it was stopped.
pub fn run(global: &Global, device: &Device, args: &Args) -> Result<Option<Results>, Failure> {
    let out = &args.out;
    let data = place(out, "data");
    let counts = corpus::prepare(global, args, &data)?;
    global.say(&format!(
        "{} pairs of documentation and code to learn from, {} of unseen crates to test on",
        counts.train, counts.heldout
    ));
    let tokenizer = Arc::new(tokenizer(global, out, &data)?);
    let config = config(&tokenizer);

    let random = place(out, "random/model");
    if !random.exists() {
        write_random(device, &config, &tokenizer, &random)?;
    }
    let pretrained = place(out, "pretrain");
    let finetuned = place(out, "finetune");
    let seconds = 60.0 * args.minutes;
    if !done(&pretrained) {
        global.say("pre-training with RetroMAE: rebuild code from one vector");
        let clock = Clock::start(&pretrained, seconds * PRETRAINING)?;
        if !pretrain_stage(global, device, (&data, &pretrained), &tokenizer, &config, &clock)? {
            return Ok(None);
        }
        mark_done(&pretrained, clock.spent())?;
    }
    if !done(&finetuned) {
        global.say("fine-tuning: bring each comment close to its code, and away from other code");
        let clock = Clock::start(&finetuned, seconds * (1.0 - PRETRAINING))?;
        let from = pretrained.join("model");
        if !finetune_stage(global, device, (&data, &finetuned), &tokenizer, &from, &clock)? {
            return Ok(None);
        }
        mark_done(&finetuned, clock.spent())?;
    }

    global.say("measuring on the unseen crates");
    let mut rows = BTreeMap::new();
    let models = [
        ("random", random),
        ("pretrained", pretrained.join("model")),
        ("finetuned", finetuned.join("model")),
    ];
    for (name, model) in models {
        rows.insert(name.to_string(), measure(global, device, &model, &data)?);
    }
    rows.insert("bm25".to_string(), measure_bm25(&data)?);
    let seconds = [&pretrained, &finetuned].map(|dir| seconds_of(dir));
    Ok(Some(Results { counts, rows, seconds }))
}

fn tokenizer(global: &Global, out: &Path, data: &Path) -> Result<Tokenizer, Failure> {
    let dir = place(out, "tokenizer");
    if dir.exists() {
        return Ok(Tokenizer::load(&dir)?);
    }
    global.say("training a tokenizer");
    let train = data.join("train");
    let texts = documents(&[&train], TextLayout::default())?;
    let passages = texts.map(|document| document.map(Document::full_text));
    let queries = beir::queries(&train)?.into_iter().map(|query| Ok(query.text));
    let tokenizer = train_wordpiece(passages.chain(queries), VOCABULARY, |_| {})?;
    atomic::write_directory(&dir, |dir| {
        tokenizer.save(dir, LENGTHS.0).map_err(std::io::Error::other)
    })?;
    Ok(tokenizer)
}

/// BERT tiny (Turc et al. 2019, arXiv:1908.08962): two layers of 128.
fn config(tokenizer: &Tokenizer) -> Config {
    Config {
        vocab_size: tokenizer.vocab_size(),
        hidden_size: 128,
        num_hidden_layers: 2,
        num_attention_heads: 2,
        intermediate_size: 512,
        max_position_embeddings: LENGTHS.0,
        pad_token_id: tokenizer.special().pad,
        ..Config::default()
    }
}

fn write_random(
    device: &Device,
    config: &Config,
    tokenizer: &Tokenizer,
    dir: &Path,
) -> Result<(), Failure> {
    let objective = ContrastiveObjective::new(device, config.clone(), HOW, (1.0, 1), 42)?;
    write_model(dir, config, objective.weights(), tokenizer)
}

fn write_model(
    dir: &Path,
    config: &Config,
    weights: &Weights,
    tokenizer: &Tokenizer,
) -> Result<(), Failure> {
    if let Some(parent) = dir.parent() {
        fs::create_dir_all(parent)?;
    }
    let (pooling, similarity) = HOW;
    let purpose = Purpose::Retriever { pooling, similarity, max_length: LENGTHS.0 };
    atomic::write_directory(dir, |dir| {
        checkpoint::write(dir, config, weights, purpose)?;
        tokenizer.save(dir, LENGTHS.0).map_err(std::io::Error::other)
    })?;
    Ok(())
}

/// Pre-trains on the passages of the training crates; false if it was stopped.
fn pretrain_stage(
    global: &Global,
    device: &Device,
    (data, run): (&Path, &Path),
    tokenizer: &Arc<Tokenizer>,
    config: &Config,
    clock: &Clock,
) -> Result<bool, Failure> {
    let blocks = TokenBlocks::load(
        &data.join("train"),
        TextLayout::default(),
        tokenizer,
        LENGTHS.0,
        |_| {},
    )?;
    let corpus = Corpus::new(tokenizer.clone(), Arc::new(blocks));
    let mut stage = Stage::open(global, run, &[PRETRAINING_BATCH], clock);
    if !stage.begun() {
        let (vocabulary, longest) = (config.vocab_size, LENGTHS.0);
        let collator = RetroMaeCollator::new(tokenizer, vocabulary, longest, global.seed());
        let (query, decoding) = (DecoderQuery::PosAdd, Decoding::Enhanced);
        let trial = RetroMaeObjective::new(device, config.clone(), query, decoding, 0);
        let sampler = Sampler::new(0, corpus.heldout, PRETRAINING_BATCH.size);
        let batch = |step| collator.batch(&corpus.blocks, 0, &sampler.draw(step).examples);
        let step = seconds_a_step(device, &trial, batch, global.format())?;
        let mut recipe = Recipe::default();
        set(&mut recipe, "objective", "retromae")?;
        set(&mut recipe, "max_length", LENGTHS.0)?;
        stage.plan(recipe, step / PRETRAINING_BATCH.size as f64)?;
    }
    let start = || Start::Fresh(config.clone());
    stage.train(|recipe, session| pretrain(device, recipe, &corpus, start(), session))
}

/// Fine-tunes on the pairs of the training crates; false if it was stopped.
fn finetune_stage(
    global: &Global,
    device: &Device,
    (data, run): (&Path, &Path),
    tokenizer: &Arc<Tokenizer>,
    from: &Path,
    clock: &Clock,
) -> Result<bool, Failure> {
    let records = Arc::new(Records::load(&data.join("train"))?);
    let directory = ModelDirectory::open(from)?;
    let mut stage = Stage::open(global, run, &FINETUNING_BATCHES, clock);
    if !stage.begun() {
        let (longest, vocabulary) = ((LENGTHS.1, LENGTHS.0), directory.config.vocab_size);
        let collator = PairCollator::new(tokenizer.clone(), vocabulary, longest, 1, 0);
        let trial = ContrastiveObjective::new(device, directory.config.clone(), HOW, (0.05, 1), 0)?;
        let [.., small] = FINETUNING_BATCHES;
        let sampler = Sampler::new(0, records.len(), small.size);
        let batch = |step| collator.batch(&records, 0, &sampler.draw(step).examples);
        let step = seconds_a_step(device, &trial, batch, global.format())?;
        let mut recipe = Recipe::default();
        set(&mut recipe, "max_length", LENGTHS.0)?;
        set(&mut recipe, "query_max_length", LENGTHS.1)?;
        set(&mut recipe, "pooling", "mean")?;
        set(&mut recipe, "temperature", 0.05)?;
        stage.plan(recipe, step / small.size as f64)?;
    }
    let pairs = Pairs { tokenizer: tokenizer.clone(), records, probe: None };
    stage.train(|recipe, session| finetune(device, recipe, &pairs, &directory, session))
}

fn done(run: &Path) -> bool {
    run.join("done.json").is_file()
}

fn mark_done(run: &Path, seconds: f64) -> Result<(), Failure> {
    let text = serde_json::json!({"seconds": seconds}).to_string();
    Ok(atomic::write_file(&run.join("done.json"), text.as_bytes())?)
}

fn seconds_of(run: &Path) -> f64 {
    let text = fs::read_to_string(run.join("done.json")).unwrap_or_default();
    let value: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    value["seconds"].as_f64().unwrap_or(f64::NAN)
}

/// Encodes, searches and evaluates the held-out items with one model.
fn measure(global: &Global, device: &Device, model: &Path, data: &Path) -> Result<Row, Failure> {
    let heldout = data.join("heldout");
    let (passages, queries) = (beir::corpus(&heldout)?, beir::queries(&heldout)?);
    let mut encoder = Encoder::open(device, model)?;
    (encoder.model.pooling, encoder.model.similarity) = HOW;
    let encode = |side: Side, entries: &[beir::Entry], longest| {
        let texts: Vec<&str> = entries.iter().map(|entry| entry.text.as_str()).collect();
        let bar = crate::cli::training::bar(global, "encoding", texts.len());
        let vectors =
            encoder.encode(side, &texts, longest, 64, |count| bar.set_position(count as u64));
        bar.finish_and_clear();
        vectors
    };
    let passage_vectors = encode(Side::Passage, &passages, LENGTHS.0)?;
    let query_vectors = encode(Side::Query, &queries, LENGTHS.1)?;
    let width = encoder.width();
    let results = search(device, width, &query_vectors, &passage_vectors, DEPTH, |_| {});
    let hits = results
        .into_iter()
        .map(|hits| hits.into_iter().map(|(at, score)| (at as usize, score)).collect::<Vec<_>>());
    judge(&queries, &passages, hits)
}

fn measure_bm25(data: &Path) -> Result<Row, Failure> {
    let heldout = data.join("heldout");
    let (passages, queries) = (beir::corpus(&heldout)?, beir::queries(&heldout)?);
    let texts: Vec<&str> = passages.iter().map(|entry| entry.text.as_str()).collect();
    let index = Bm25::index(&texts, code, Parameters::default());
    let questions: Vec<&str> = queries.iter().map(|entry| entry.text.as_str()).collect();
    judge(&queries, &passages, index.search_all(&questions, DEPTH).into_iter())
}

fn judge(
    queries: &[beir::Entry],
    passages: &[beir::Entry],
    results: impl Iterator<Item = Vec<(usize, f32)>>,
) -> Result<Row, Failure> {
    let hit = |(at, score): (usize, f32)| Hit { docid: passages[at].id.clone(), score };
    let ranked = results.map(|hits| hits.into_iter().map(hit).collect());
    let run: Run = queries.iter().map(|query| query.id.clone()).zip(ranked).collect();
    let own = |(query, passage): (&beir::Entry, &beir::Entry)| {
        (query.id.clone(), [(passage.id.clone(), 1)].into())
    };
    let qrels: Qrels = queries.iter().zip(passages).map(own).collect();
    let mean = evaluate(&qrels, &run, Queries::Judged).mean;
    Ok(Row { mrr: mean.mrr_at_10, recall: mean.recall_at_100 })
}
