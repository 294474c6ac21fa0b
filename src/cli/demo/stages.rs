//! Tokenizer, pre-training, fine-tuning, and the measurements between them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use wgrad_engine::Device;
use wgrad_engine::device::Format;
use wgrad_engine::weights::Weights;
use wgrad_models::bert::Config;
use wgrad_models::retromae::{DecoderQuery, Decoding};
use wgrad_models::{Mode, Pooling, Similarity};

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
use crate::train::metrics;
use crate::train::objective::{ContrastiveObjective, Objective, RetroMaeObjective};
use crate::train::pretrain::{Corpus, Start, pretrain};
use crate::train::recipe::Recipe;
use crate::train::session::Session;
use crate::train::trainer::Outcome;

/// Tokens of the vocabulary.
const VOCABULARY: usize = 8192;
/// Tokens of the longest passage and of the longest query.
const LENGTHS: (usize, usize) = (128, 48);
/// Rows of a pre-training batch.
const PRETRAINING_BATCH: usize = 32;
/// Queries of a fine-tuning batch and their learning rate. All passages of a batch compete, so the large one teaches more
/// in the same time; where too few of its steps fit, the small one is taken.
const BATCHES: [(usize, f64); 2] = [(256, 2e-3), (64, 1e-3)];
/// Steps that a batch size is worth having for.
const ENOUGH_STEPS: u64 = 100;
/// Share of the time that goes to pre-training.
const PRETRAINING: f64 = 0.12;
/// How states become a vector. After so few steps the mean of all states says more than the first: with it a
/// random encoder already compares bags of words, and fine-tuning starts from there.
const HOW: (Pooling, Similarity) = (Pooling::Mean, Similarity::Cosine);
/// Steps that are timed to know how many fit.
const TIMED: u64 = 3;
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
        let started = Instant::now();
        let (budget, before) = (seconds * PRETRAINING, trained_before(&pretrained)?);
        if !pretrain_stage(global, device, (&data, &pretrained), &tokenizer, &config, budget)? {
            return Ok(None);
        }
        mark_done(&pretrained, before + started.elapsed().as_secs_f64())?;
    }
    if !done(&finetuned) {
        global.say("fine-tuning: bring each comment close to its code, and away from other code");
        let started = Instant::now();
        let (budget, before) = (seconds * (1.0 - PRETRAINING), trained_before(&finetuned)?);
        let from = pretrained.join("model");
        if !finetune_stage(global, device, (&data, &finetuned), &tokenizer, &from, budget)? {
            return Ok(None);
        }
        mark_done(&finetuned, before + started.elapsed().as_secs_f64())?;
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
    seconds: f64,
) -> Result<bool, Failure> {
    let blocks = TokenBlocks::load(
        &data.join("train"),
        TextLayout::default(),
        tokenizer,
        LENGTHS.0,
        |_| {},
    )?;
    let corpus = Corpus::new(tokenizer.clone(), Arc::new(blocks));
    let (mut recipe, resume) = recipe(run)?;
    if !resume {
        let (vocabulary, longest) = (config.vocab_size, LENGTHS.0);
        let collator = RetroMaeCollator::new(tokenizer, vocabulary, longest, global.seed());
        let (query, decoding) = (DecoderQuery::PosAdd, Decoding::Enhanced);
        let trial = RetroMaeObjective::new(device, config.clone(), query, decoding, 0);
        let sampler = Sampler::new(0, corpus.heldout, PRETRAINING_BATCH);
        let batch = |step| collator.batch(&corpus.blocks, 0, &sampler.draw(step).examples);
        let step = seconds_a_step(device, &trial, batch, global.format())?;
        set(&mut recipe, "objective", "retromae")?;
        set(&mut recipe, "batch_size", PRETRAINING_BATCH)?;
        set(&mut recipe, "max_length", LENGTHS.0)?;
        // Higher rates drive so short a run into the unigram distribution, where all texts look alike.
        set(&mut recipe, "learning_rate", 2e-4)?;
        common(global, &mut recipe, steps_in(seconds, step))?;
    }
    let session = Session::open(run, resume, global.verbosity())?;
    let start = Start::Fresh(config.clone());
    Ok(pretrain(device, &mut recipe, &corpus, start, &session)? == Outcome::Done)
}

/// Fine-tunes on the pairs of the training crates; false if it was stopped.
fn finetune_stage(
    global: &Global,
    device: &Device,
    (data, run): (&Path, &Path),
    tokenizer: &Arc<Tokenizer>,
    from: &Path,
    seconds: f64,
) -> Result<bool, Failure> {
    let records = Arc::new(Records::load(&data.join("train"))?);
    let directory = ModelDirectory::open(from)?;
    let (mut recipe, resume) = recipe(run)?;
    if !resume {
        let (longest, vocabulary) = ((LENGTHS.1, LENGTHS.0), directory.config.vocab_size);
        let collator = PairCollator::new(tokenizer.clone(), vocabulary, longest, 1, 0);
        let trial = ContrastiveObjective::new(device, directory.config.clone(), HOW, (0.05, 1), 0)?;
        let [large, small] = BATCHES;
        let sampler = Sampler::new(0, records.len(), small.0);
        let batch = |step| collator.batch(&records, 0, &sampler.draw(step).examples);
        let step = seconds_a_step(device, &trial, batch, global.format())?;
        let longer = step * (large.0 / small.0) as f64;
        let (step, (batch_size, learning_rate)) =
            if steps_in(seconds, longer) >= ENOUGH_STEPS { (longer, large) } else { (step, small) };
        set(&mut recipe, "batch_size", batch_size)?;
        set(&mut recipe, "max_length", LENGTHS.0)?;
        set(&mut recipe, "query_max_length", LENGTHS.1)?;
        set(&mut recipe, "learning_rate", learning_rate)?;
        set(&mut recipe, "pooling", "mean")?;
        set(&mut recipe, "temperature", 0.05)?;
        common(global, &mut recipe, steps_in(seconds, step))?;
    }
    let session = Session::open(run, resume, global.verbosity())?;
    let pairs = Pairs { tokenizer: tokenizer.clone(), records, probe: None };
    Ok(finetune(device, &mut recipe, &pairs, &directory, &session)? == Outcome::Done)
}

/// The settings of both stages.
fn common(global: &Global, recipe: &mut Recipe, steps: u64) -> Result<(), Failure> {
    set(recipe, "steps", steps)?;
    set(recipe, "save_every", (steps / 4).max(1))?;
    set(recipe, "eval_every", (steps / 5).max(1))?;
    set(recipe, "precision", global.precision.as_deref().unwrap_or("f32"))?;
    set(recipe, "seed", global.seed())
}

fn set(recipe: &mut Recipe, key: &str, value: impl std::fmt::Display) -> Result<(), Failure> {
    Ok(recipe.set(&format!("{key}={value}"))?)
}

/// The recipe of a run that was begun, or an empty one; and whether it was begun.
fn recipe(run: &Path) -> Result<(Recipe, bool), Failure> {
    let file = run.join("recipe.toml");
    let begun = file.exists();
    Ok((if begun { Recipe::from_file(&file)? } else { Recipe::default() }, begun))
}

/// Seconds of a forward and backward, on a model that is thrown away.
fn seconds_a_step<O: Objective>(
    device: &Device,
    objective: &O,
    batch: impl Fn(u64) -> crate::data::Result<O::Batch>,
    format: Format,
) -> Result<f64, Failure> {
    let mut started = Instant::now();
    for step in 0..=TIMED {
        // The first step compiles shaders and is not counted.
        if step == 1 {
            started = Instant::now();
        }
        let mode = Mode::evaluation().storing(format);
        let terms = objective.terms(device, &batch(step)?, &mode)?;
        drop(terms.loss.backward());
        device.wait();
    }
    Ok(started.elapsed().as_secs_f64() / TIMED as f64)
}

/// Steps that fit; the optimizer and the evaluations take about a quarter beside forward and backward.
fn steps_in(seconds: f64, step: f64) -> u64 {
    ((seconds / (1.25 * step)) as u64).max(10)
}

/// Seconds that a run was trained for before it was stopped.
fn trained_before(run: &Path) -> Result<f64, Failure> {
    let path = run.join("metrics.jsonl");
    let records = if path.exists() { metrics::read(&path)? } else { Vec::new() };
    Ok(records.iter().rev().find_map(|record| record.get("seconds")).unwrap_or(0.0))
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
