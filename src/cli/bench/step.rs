//! `wgrad bench step`: a whole training step, as `wgrad pretrain` takes it, on tokens drawn at random.

use std::time::Instant;

use clap::ValueEnum;
use serde_json::json;
use wgrad_engine::device::Format;
use wgrad_engine::device::MemoryStats;
use wgrad_engine::optimizer::{AdamW, AdamWSettings, Scaling};
use wgrad_engine::random::{key_of, philox};
use wgrad_engine::testing::bench::Roofline;
use wgrad_engine::{Device, Tensor};
use wgrad_models::Mode;
use wgrad_models::bert::Config;
use wgrad_models::retromae::{DecoderQuery, Decoding};

use super::super::profile;
use super::{Failure, Global};
use crate::data::{MlmBatch, RetroMaeBatch};
use crate::train::cost::Work;
use crate::train::objective::{MlmObjective, Objective as Train, RetroMaeObjective};

/// Measures a training step.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  wgrad bench step --size tiny --steps 3
  wgrad bench step --size base --objective retromae --batch-size 8 --length 128 --json
  wgrad bench step --size mini --steps 3 --precision mixed

The step is forward, backward and AdamW with dropout 0.1, in f32 or as --precision says, over a vocabulary
of 30,522, 15 % of the tokens labelled. FLOPs are those of the products: 3·(N·L·(8·H² + 4·H·F + 4·T·H) + R·(2·H² + 2·H·V)) for N
tokens in rows of T, of which R are labelled; RetroMAE adds its decoder's layer and labels. The share is that of
the fastest product measured at the start.")]
pub struct Args {
    /// Layers/hidden: 2/128, 4/256, 4/512 or 12/768; heads of 64, feed-forward of 4 times hidden.
    #[arg(long, value_enum, default_value_t = Size::Tiny)]
    size: Size,
    /// What is learned.
    #[arg(long, value_enum, default_value_t = Objective::Mlm)]
    objective: Objective,
    /// Rows of a batch.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..))]
    batch_size: u16,
    /// Tokens of a row.
    #[arg(long, value_name = "N", default_value_t = 128, value_parser = clap::value_parser!(u16).range(8..=512))]
    length: u16,
    /// Steps to time, after two that are not.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    steps: u32,
}

/// The models of Turc et al. 2019, arXiv:1908.08962, table 1, and BERT base.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Size {
    Tiny,
    Mini,
    Small,
    Base,
}

impl Size {
    fn config(self) -> Config {
        let (num_hidden_layers, hidden_size) = match self {
            Self::Tiny => (2, 128),
            Self::Mini => (4, 256),
            Self::Small => (4, 512),
            Self::Base => (12, 768),
        };
        Config {
            num_hidden_layers,
            hidden_size,
            num_attention_heads: hidden_size / 64,
            intermediate_size: 4 * hidden_size,
            ..Config::default()
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Objective {
    Mlm,
    Retromae,
}

/// Steps before the first that is timed: pipelines are compiled and the pool filled.
const WARM_UP: u32 = 2;

/// What was measured.
struct Measured {
    /// Seconds of each timed step, shortest first.
    seconds: Vec<f64>,
    memory: MemoryStats,
    parameters: usize,
    /// Of the last step.
    loss: f32,
    /// Measured before the first step.
    roofline: Roofline,
}

pub fn run(global: &Global, args: &Args) -> Result<(), Failure> {
    let device = global.open()?;
    let (config, seed) = (args.size.config(), global.seed());
    let encoder = batch(args, config.vocab_size, seed);
    let labels = encoder.labels.len();
    let mut work = Work {
        config: &config,
        rows: encoder.rows,
        tokens: encoder.tokens,
        labels,
        decoder_labels: None,
        format: global.format(),
    };
    let measured = match args.objective {
        Objective::Mlm => {
            let objective = MlmObjective::new(&device, config.clone(), seed);
            measure(&device, objective, &encoder, (args, global.format()))?
        }
        Objective::Retromae => {
            let batch = retromae(encoder, seed);
            work.decoder_labels = Some(batch.decoder_labels.len());
            let (query, decoding) = (DecoderQuery::default(), Decoding::default());
            let objective = RetroMaeObjective::new(&device, config.clone(), query, decoding, seed);
            measure(&device, objective, &batch, (args, global.format()))?
        }
    };
    report(global, args, &device, &work, &measured);
    profile::finish(global, &device)
}

/// Takes the steps, one at a time: each ends by waiting for the device.
fn measure<O: Train>(
    device: &Device,
    mut objective: O,
    batch: &O::Batch,
    (args, format): (&Args, Format),
) -> Result<Measured, Failure> {
    let roofline = Roofline::measure(device);
    device.take_profile();
    let layout = objective.weights().layout().clone();
    let scaling = (format == Format::Half).then(Scaling::default);
    let settings = AdamWSettings { scaling, ..AdamWSettings::default() };
    let mut optimizer = AdamW::new(device, layout, settings);
    let mut key = Tensor::u32(device, [2], &[0, 0]);
    let mut seconds = Vec::new();
    let mut loss = f32::NAN;
    device.reset_peak();
    for step in 0..WARM_UP + args.steps {
        let start = Instant::now();
        device.write_u32(key.buffer_mut(), &[step, 0]);
        let terms = objective.terms(device, batch, &Mode::training(&key).storing(format))?;
        let reading = terms.loss.read_later();
        let gradients = terms.loss.backward_with(&optimizer.loss_scale());
        let gradients = objective.weights().gradients(gradients);
        for (parameter, gradient) in gradients.iter().enumerate() {
            if let Some(gradient) = gradient {
                optimizer.accumulate(parameter, gradient.buffer(), 1.0);
            }
        }
        optimizer.step(objective.weights_mut().arenas_mut(), 1e-4);
        device.wait();
        if step >= WARM_UP {
            seconds.push(start.elapsed().as_secs_f64());
        }
        loss = reading.f32()[0];
    }
    seconds.sort_by(f64::total_cmp);
    let parameters = objective.weights().elements();
    Ok(Measured { seconds, memory: device.memory(), parameters, loss, roofline })
}

/// Tokens drawn evenly from the vocabulary, of which every 20/3-th is labelled.
fn batch(args: &Args, vocabulary: usize, seed: u64) -> MlmBatch {
    let (rows, tokens) = (usize::from(args.batch_size), usize::from(args.length));
    let count = rows * tokens;
    let key = key_of(seed, "bench");
    let id = |at: usize| philox([at as u32, 0, 0, 0], key)[0] % vocabulary as u32;
    let original_ids: Vec<u32> = (0..count).map(id).collect();
    let label_positions: Vec<u32> =
        (0..count as u32).filter(|at| (at + 1) * 3 / 20 > at * 3 / 20).collect();
    let labels: Vec<u32> = label_positions.iter().map(|&at| original_ids[at as usize]).collect();
    let mut input_ids = original_ids.clone();
    for &at in &label_positions {
        input_ids[at as usize] = 0;
    }
    let lengths = vec![tokens as u32; rows];
    MlmBatch { rows, tokens, input_ids, original_ids, lengths, label_positions, labels }
}

/// The decoder's side: each row sees half of the columns, and all tokens but the first and last are rebuilt.
fn retromae(encoder: MlmBatch, seed: u64) -> RetroMaeBatch {
    let (rows, tokens) = (encoder.rows, encoder.tokens);
    let key = key_of(seed, "bench visibility");
    let words = rows * tokens * tokens.div_ceil(32);
    let decoder_visible = (0..words).map(|at| philox([at as u32, 0, 0, 0], key)[0]).collect();
    let inside = |at: &u32| (1..tokens as u32 - 1).contains(&(at % tokens as u32));
    let decoder_label_positions: Vec<u32> = (0..(rows * tokens) as u32).filter(inside).collect();
    let decoder_labels =
        decoder_label_positions.iter().map(|&at| encoder.original_ids[at as usize]).collect();
    RetroMaeBatch {
        encoder,
        decoder_visible,
        decoder_masked_ids: None,
        decoder_label_positions,
        decoder_labels,
    }
}

fn report(global: &Global, args: &Args, device: &Device, work: &Work<'_>, measured: &Measured) {
    let Measured { seconds, memory, parameters, loss, roofline } = measured;
    let (median, minimum) = (seconds[seconds.len() / 2], seconds[0]);
    let Work { config, rows, tokens, .. } = *work;
    let (layers, hidden) = (config.num_hidden_layers, config.hidden_size);
    let name = format!("{:?}.{:?}", args.objective, args.size).to_lowercase();
    let shape = format!("L {layers}, H {hidden}, B {rows}, T {tokens}");
    let tokens_per_second = (rows * tokens) as f64 / median;
    let (flops, formula) = (work.flops(), work.memory(*parameters));
    let gflops = flops as f64 / median / 1e9;
    let [share, of_products] =
        [roofline.flops, roofline.product_flops].map(|peak| 1e9 * gflops / peak);
    if global.json {
        let row = json!({
            "name": name,
            "shape": shape,
            "precision": if work.format == Format::Half { "mixed" } else { "f32" },
            "device": device.name(),
            "median_seconds": median,
            "minimum_seconds": minimum,
            "samples": seconds.len(),
            "tokens_per_second": tokens_per_second,
            "flops": flops,
            "gflops": gflops,
            "peak_gflops": roofline.flops / 1e9,
            "product_gflops": roofline.product_flops / 1e9,
            "roofline_share": share,
            "workspace_bytes": memory.peak - memory.peak.min(formula.total() - formula.activations),
            "parameters": parameters,
            "peak_bytes": memory.peak,
            "formula_bytes": formula.total(),
            "parameter_bytes": formula.parameters,
            "gradient_bytes": formula.gradients,
            "moment_bytes": formula.moments,
            "activation_bytes": formula.activations,
            "loss": loss,
        });
        println!("{}", json!({"device": device.name(), "rows": [row]}));
        return;
    }
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    println!("{name}: {shape}, {:.1} M parameters, loss {loss:.3}", *parameters as f64 / 1e6);
    println!("step      {median:.3} s median, {minimum:.3} s fastest of {}", seconds.len());
    println!(
        "rate      {tokens_per_second:.0} tokens/s, {gflops:.1} GFLOP/s: {:.0} % of products alone, {:.0} % of multiply-adds",
        100.0 * of_products,
        100.0 * share
    );
    println!(
        "memory    {:.0} MiB at most; by formula {:.0} MiB: parameters {:.0}, gradients {:.0}, moments {:.0}, graph {:.0}",
        mib(memory.peak),
        mib(formula.total()),
        mib(formula.parameters),
        mib(formula.gradients),
        mib(formula.moments),
        mib(formula.activations)
    );
}
