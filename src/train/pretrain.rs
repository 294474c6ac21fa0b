//! Pre-training on text: masked language modelling and RetroMAE.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use wgrad_engine::Device;
use wgrad_models::bert::Config;
use wgrad_models::retromae::{DecoderQuery, Decoding};
use wgrad_models::{Pooling, Similarity};

use super::objective::{MlmObjective, Objective, RetroMaeObjective};
use super::probe::Probe;
use super::recipe::Recipe;
use super::session::{Session, max_length};
use super::trainer::{Hooks, Outcome, TrainError, mean_loss, train};
use crate::checkpoint::{self, ModelDirectory, Purpose};
use crate::data::{Loader, MlmCollator, RetroMaeCollator, Sampler, TokenBlocks, Tokenizer};

/// What pre-training reads.
pub struct Corpus {
    /// Turns text into the ids of the blocks.
    pub tokenizer: Arc<Tokenizer>,
    /// All blocks, those held out last.
    pub blocks: Arc<TokenBlocks>,
    /// The first block that training never sees.
    pub heldout: usize,
}

/// Where a model begins.
pub enum Start {
    /// From fresh weights.
    Fresh(Config),
    /// From a directory; heads that it lacks are fresh.
    Directory(Box<ModelDirectory>),
}

impl Start {
    /// The model's hyper-parameters.
    pub fn config(&self) -> &Config {
        match self {
            Self::Fresh(config) => config,
            Self::Directory(directory) => &directory.config,
        }
    }
}

/// Held-out blocks that are looked at.
const HELDOUT: usize = 256;
/// The epoch under which held-out masks are drawn: none that training reaches.
const HELDOUT_EPOCH: u64 = u64::MAX;
/// Batches made ahead of the device, by this many threads.
const AHEAD: usize = 8;

impl Corpus {
    /// Holds out the last documents: two in a hundred blocks, at most as many as are looked at.
    pub fn new(tokenizer: Arc<Tokenizer>, blocks: Arc<TokenBlocks>) -> Self {
        let wanted = (blocks.len() / 50).min(HELDOUT);
        let mut heldout = blocks.len();
        let mut document = blocks.n_documents();
        while document > 1 && blocks.len() - heldout < wanted {
            document -= 1;
            heldout = blocks.document(document).start;
        }
        Self { tokenizer, blocks, heldout }
    }
}

/// The settings that both objectives read from a recipe.
struct Settings {
    batch_size: usize,
    max_length: usize,
    encoder_mask: f64,
    workers: usize,
}

/// Pre-trains by the recipe's objective.
///
/// # Errors
/// [`TrainError`].
pub fn pretrain(
    device: &Device,
    recipe: &mut Recipe,
    corpus: &Corpus,
    start: Start,
    session: &Session,
) -> Result<Outcome, TrainError> {
    let objective = recipe.choice("objective", &["mlm", "retromae"], "mlm")?;
    let config = start.config().clone();
    let mask = if objective == "mlm" { 0.15 } else { 0.3 };
    let settings = Settings {
        batch_size: recipe.get_in("batch_size", 32, 1.., "a number of rows above 0")?,
        max_length: max_length(recipe, &config)?,
        encoder_mask: recipe.get_in("encoder_mask", mask, 0.0..1.0, "a share below 1")?,
        workers: recipe.get_in("workers", 2, 1.., "a number of threads above 0")?,
    };
    let per_epoch = (corpus.heldout / settings.batch_size).max(1) as u64;
    let plan = session.plan(recipe, per_epoch, objective)?;
    let (tokenizer, vocabulary) = (corpus.tokenizer.clone(), config.vocab_size);
    let Settings { max_length, encoder_mask, .. } = settings;
    match objective {
        "retromae" => {
            let query = recipe.choice("decoder_query", &["pos_add", "bert_embed"], "pos_add")?;
            let decoding = recipe.choice("decoding", &["enhanced", "basic"], "enhanced")?;
            let mut collator = RetroMaeCollator::new(&tokenizer, vocabulary, max_length, plan.seed);
            collator.encoder.rate = encoder_mask;
            collator.decoder_rate =
                recipe.get_in("decoder_mask", 0.5, 0.0..1.0, "a share below 1")?;
            collator.pool = recipe.get_in("mask_pool", 256, 1.., "a number of masks above 0")?;
            session.record(recipe)?;
            let objective = RetroMaeObjective::new(
                device,
                config,
                decoder_query(query),
                decoder(decoding),
                plan.seed,
            );
            let batch = move |blocks: &TokenBlocks, epoch, examples: &[u32]| {
                collator.batch(blocks, epoch, examples)
            };
            run(device, objective, batch, (corpus, &settings), start, (session, plan))
        }
        _ => {
            session.record(recipe)?;
            let collator =
                MlmCollator::new(&tokenizer, vocabulary, max_length, encoder_mask, plan.seed);
            let objective = MlmObjective::new(device, config, plan.seed);
            let batch = move |blocks: &TokenBlocks, epoch, examples: &[u32]| {
                collator.batch(blocks, epoch, examples)
            };
            run(device, objective, batch, (corpus, &settings), start, (session, plan))
        }
    }
}

/// `decoder_query` by its name in recipes.
pub fn decoder_query(name: &str) -> DecoderQuery {
    if name == "bert_embed" { DecoderQuery::BertEmbed } else { DecoderQuery::PosAdd }
}

/// `decoding` by its name in recipes.
pub fn decoder(name: &str) -> Decoding {
    if name == "basic" { Decoding::Basic } else { Decoding::Enhanced }
}

/// Trains one objective over the corpus.
fn run<O: Objective>(
    device: &Device,
    mut objective: O,
    batch: impl Fn(&TokenBlocks, u64, &[u32]) -> crate::data::Result<O::Batch> + Send + Sync + 'static,
    (corpus, settings): (&Corpus, &Settings),
    start: Start,
    (session, plan): (&Session, super::trainer::Plan),
) -> Result<Outcome, TrainError> {
    if let Start::Directory(directory) = start {
        let fresh = directory.load_into(objective.weights_mut())?;
        session.note_fresh(&directory.path, &fresh);
    }
    let batch = Arc::new(batch);
    let sampler = Arc::new(Sampler::new(plan.seed, corpus.heldout, settings.batch_size));
    let make = batch.clone();
    let blocks = corpus.blocks.clone();
    let workers = settings.workers;
    let batches = move |steps: Range<u64>| {
        let (make, blocks, sampler) = (make.clone(), blocks.clone(), sampler.clone());
        Loader::new(steps, workers, AHEAD, move |step| {
            let draw = sampler.draw(step);
            make(&blocks, draw.epoch, &draw.examples)
        })
    };

    let heldout: Vec<u32> =
        (corpus.heldout as u32..corpus.blocks.len() as u32).take(HELDOUT).collect();
    let heldout_batches = heldout
        .chunks(settings.batch_size)
        .map(|examples| batch(&corpus.blocks, HELDOUT_EPOCH, examples))
        .collect::<Result<Vec<_>, _>>()?;
    let special = corpus.tokenizer.special();
    let ids = (special.cls, special.sep, special.pad);
    let examples = heldout.iter().map(|&at| at as usize);
    let probe = Probe::of_blocks(&corpus.blocks, examples, settings.max_length, ids);
    let evaluate = |objective: &O| {
        if heldout_batches.is_empty() {
            return Ok(Vec::new());
        }
        let loss = mean_loss(objective, device, &heldout_batches)?;
        let mut results = vec![("heldout_loss".to_string(), loss)];
        if !probe.is_empty() {
            let how = (Pooling::Cls, Similarity::Cosine);
            results.push(("probe_mrr@10".to_string(), probe.mrr(device, objective.bert(), how)?));
        }
        Ok(results)
    };
    let (tokenizer, max_length) = (corpus.tokenizer.clone(), settings.max_length);
    let save_model = move |objective: &O, dir: &Path| {
        checkpoint::write(dir, &objective.bert().config, objective.weights(), Purpose::MaskedLm)?;
        tokenizer.save(dir, max_length).map_err(std::io::Error::other)
    };
    let hooks = Hooks {
        batches: Box::new(batches),
        evaluate: Box::new(evaluate),
        save_model: Box::new(save_model),
    };
    train(&mut objective, hooks, &plan, session.place(), session.verbosity)
}
