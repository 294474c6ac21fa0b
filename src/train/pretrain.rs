//! Pre-training on text, by any objective that learns from text alone.

use std::sync::Arc;

use wgrad_engine::Device;
use wgrad_models::Similarity;
use wgrad_models::bert::Config;

use super::hooks::{made_ahead, written_with};
use super::objective::{
    Batching, ClmObjective, CoCondenserObjective, CondenserObjective, DupMaeObjective,
    ElectraObjective, MlmObjective, Pretraining, RetroMaeObjective, XlNetObjective,
};
use super::probe::Probe;
use super::recipe::Recipe;
use super::session::{Session, max_length};
use super::trainer::{Hooks, Outcome, TrainError, heldout, train};
use crate::checkpoint::{ModelDirectory, Purpose};
use crate::data::{Sampler, TokenBlocks, Tokenizer};

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
pub(super) const HELDOUT: usize = 256;
/// The epoch under which held-out masks are drawn: none that training reaches.
const HELDOUT_EPOCH: u64 = u64::MAX;

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

/// The settings that every objective reads from a recipe.
struct Settings {
    batch_size: usize,
    max_length: usize,
    workers: usize,
}

/// The objectives by the names that recipes give them.
pub const OBJECTIVES: [&str; 8] =
    ["mlm", "retromae", "dupmae", "condenser", "cocondenser", "electra", "xlnet", "clm"];

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
    match recipe.choice("objective", &OBJECTIVES, "mlm")? {
        "cocondenser" => run::<CoCondenserObjective>(device, recipe, corpus, start, session),
        "clm" => run::<ClmObjective>(device, recipe, corpus, start, session),
        "condenser" => run::<CondenserObjective>(device, recipe, corpus, start, session),
        "dupmae" => run::<DupMaeObjective>(device, recipe, corpus, start, session),
        "electra" => run::<ElectraObjective>(device, recipe, corpus, start, session),
        "retromae" => run::<RetroMaeObjective>(device, recipe, corpus, start, session),
        "xlnet" => run::<XlNetObjective>(device, recipe, corpus, start, session),
        _ => run::<MlmObjective>(device, recipe, corpus, start, session),
    }
}

/// Trains one objective over the corpus.
fn run<O: Pretraining>(
    device: &Device,
    recipe: &mut Recipe,
    corpus: &Corpus,
    start: Start,
    session: &Session,
) -> Result<Outcome, TrainError> {
    let config = start.config().clone();
    O::expect_model_type(&config)?;
    let settings = Settings {
        batch_size: recipe.get_in("batch_size", 32, 1.., "a number of rows above 0")?,
        max_length: max_length(recipe, &config)?,
        workers: recipe.get_in("workers", 2, 1.., "a number of threads above 0")?,
    };
    let [seen, examples] = O::examples(&corpus.blocks, corpus.heldout)?;
    let per_epoch = (seen / settings.batch_size).max(1) as u64;
    let title = recipe.choice("objective", &OBJECTIVES, "mlm")?;
    let plan = session.plan(recipe, per_epoch, title)?;
    let vocabulary = config.vocab_size;
    let mut objective = O::from_recipe(device, config, recipe, plan.seed)?;
    let (tokenizer, max_length) = (&*corpus.tokenizer, settings.max_length);
    let batching = Batching { tokenizer, vocabulary, max_length, seed: plan.seed };
    let batch = objective.collate(recipe, &batching)?;
    let text = (&corpus.blocks, corpus.heldout);
    let stream = objective.stream(recipe, &batching, text, settings.batch_size)?;
    session.record(recipe)?;
    let fresh = objective.begin(&start)?;
    if let Start::Directory(directory) = &start {
        session.note_fresh(&directory.path, &fresh);
    }
    let batch = Arc::new(batch);
    let sampler = Sampler::new(plan.seed, seen, settings.batch_size);
    let (walk, walked) = stream.map(|stream| (stream.batch, stream.heldout)).unzip();
    let batches = match walk {
        Some(walk) => made_ahead(settings.workers, move |step| walk(step)),
        None => {
            let (make, blocks) = (batch.clone(), corpus.blocks.clone());
            made_ahead(settings.workers, move |step| {
                let draw = sampler.draw(step);
                make(&blocks, draw.epoch, &draw.examples)
            })
        }
    };

    let unseen: Vec<u32> = (seen as u32..examples as u32).take(HELDOUT).collect();
    let heldout_batches = match walked {
        Some(walked) => walked,
        None => unseen
            .chunks(settings.batch_size)
            .map(|examples| batch(&corpus.blocks, HELDOUT_EPOCH, examples))
            .collect::<Result<Vec<_>, _>>()?,
    };
    let special = corpus.tokenizer.special();
    let ids = (special.cls, special.sep, special.pad);
    let probed = (corpus.heldout..corpus.blocks.len()).take(HELDOUT);
    let probe = Probe::of_blocks(&corpus.blocks, probed, settings.max_length, ids);
    let evaluate = |objective: &O| {
        if heldout_batches.is_empty() {
            return Ok(Vec::new());
        }
        let mut results = heldout(objective, device, &heldout_batches)?;
        if !probe.is_empty() {
            let how = (O::POOLING, Similarity::Cosine);
            results
                .push(("probe_mrr@10".to_string(), probe.mrr(device, objective.encoder(), how)?));
        }
        Ok(results)
    };
    let save_model = written_with(corpus.tokenizer.clone(), settings.max_length, Purpose::MaskedLm);
    let hooks = Hooks::new(batches, evaluate, save_model);
    train(&mut objective, hooks, &plan, session.place(), session.verbosity)
}
