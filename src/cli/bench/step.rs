//! `wgrad bench step`: a whole training step, as `wgrad pretrain` takes it, on tokens drawn at random.

use std::time::Instant;

use clap::ValueEnum;
use serde_json::{Value, json};
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
use crate::train::cost::{Memory, Work};
use crate::train::objective::{MlmObjective, Objective as Train, RetroMaeObjective};

/// Measures a training step.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  wgrad bench step --size tiny --steps 3
  wgrad bench step --size base --objective retromae --batch-size 8 --length 128 --json
  wgrad bench step --size mini --steps 3 --precision mixed
  wgrad bench step --filter mlm --steps 3

The step is forward, backward and AdamW with dropout 0.1, in f32 or as --precision says, over a vocabulary
of 30,522, 15 % of the tokens labelled. FLOPs are those of the products: 3·(N·L·(8·H² + 4·H·F + 4·T·H) + R·(2·H² + 2·H·V)) for N
tokens in rows of T, of which R are labelled; RetroMAE adds its decoder's layer and labels. Shares are those of the
fastest product and of multiply-adds in registers, both measured at the start.")]
pub struct Args {
    /// All of mlm.tiny, mlm.mini .. retromae.base whose name contains this, one after another.
    #[arg(long, value_name = "S", conflicts_with_all = ["size", "objective"])]
    filter: Option<String>,
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
}

pub fn run(global: &Global, args: &Args) -> Result<(), Failure> {
    let wanted = args.wanted()?;
    let device = global.open()?;
    let roofline = Roofline::measure(&device);
    device.take_profile();
    let mut rows = Vec::new();
    for (objective, size) in wanted {
        let row = one(&device, &roofline, (objective, size), (args, global))?;
        if global.json {
            rows.push(row.to_json(&device));
        } else {
            row.print();
        }
    }
    if global.json {
        println!("{}", json!({"device": device.name(), "rows": rows}));
    }
    profile::finish(global, &device)
}

impl Args {
    /// The models that the flags name.
    fn wanted(&self) -> Result<Vec<(Objective, Size)>, Failure> {
        let Some(filter) = &self.filter else { return Ok(vec![(self.objective, self.size)]) };
        let all = Objective::value_variants().iter().flat_map(|&objective| {
            Size::value_variants().iter().map(move |&size| (objective, size))
        });
        let wanted: Vec<_> =
            all.filter(|&(objective, size)| name(objective, size).contains(filter)).collect();
        if wanted.is_empty() {
            return Err(format!("no step contains `{filter}`, expected e.g. --filter mlm").into());
        }
        Ok(wanted)
    }
}

fn name(objective: Objective, size: Size) -> String {
    format!("{objective:?}.{size:?}").to_lowercase()
}

/// Measures one model.
fn one(
    device: &Device,
    &roofline: &Roofline,
    (objective, size): (Objective, Size),
    (args, global): (&Args, &Global),
) -> Result<Row, Failure> {
    let (config, seed, format) = (size.config(), global.seed(), global.format());
    let encoder = batch(args, config.vocab_size, seed);
    let mut work = Work {
        config: &config,
        rows: encoder.rows,
        tokens: encoder.tokens,
        labels: encoder.labels.len(),
        decoder_labels: None,
        format,
    };
    let measured = match objective {
        Objective::Mlm => {
            let objective = MlmObjective::new(device, config.clone(), seed);
            measure(device, objective, &encoder, (args, format))?
        }
        Objective::Retromae => {
            let batch = retromae(encoder, seed);
            work.decoder_labels = Some(batch.decoder_labels.len());
            let (query, decoding) = (DecoderQuery::default(), Decoding::default());
            let objective = RetroMaeObjective::new(device, config.clone(), query, decoding, seed);
            measure(device, objective, &batch, (args, format))?
        }
    };
    let (layers, hidden) = (config.num_hidden_layers, config.hidden_size);
    let median = measured.seconds[measured.seconds.len() / 2];
    Ok(Row {
        name: name(objective, size),
        shape: format!("L {layers}, H {hidden}, B {}, T {}", work.rows, work.tokens),
        precision: if format == Format::Half { "mixed" } else { "f32" },
        median,
        tokens_per_second: (work.rows * work.tokens) as f64 / median,
        flops: work.flops(),
        formula: work.memory(measured.parameters),
        measured,
        roofline,
    })
}

/// Takes the steps, one at a time: each ends by waiting for the device.
fn measure<O: Train>(
    device: &Device,
    mut objective: O,
    batch: &O::Batch,
    (args, format): (&Args, Format),
) -> Result<Measured, Failure> {
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
    Ok(Measured { seconds, memory: device.memory(), parameters, loss })
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

/// What was measured of one model, and what it is measured by.
struct Row {
    name: String,
    shape: String,
    precision: &'static str,
    median: f64,
    tokens_per_second: f64,
    flops: u64,
    formula: Memory,
    measured: Measured,
    roofline: Roofline,
}

impl Row {
    fn gflops(&self) -> f64 {
        self.flops as f64 / self.median / 1e9
    }

    /// Bytes moved and the error of a whole step have no formula and no twin.
    fn to_json(&self, device: &Device) -> Value {
        let Measured { seconds, memory, parameters, loss } = &self.measured;
        let formula = &self.formula;
        json!({
            "name": self.name,
            "shape": self.shape,
            "precision": self.precision,
            "device": device.name(),
            "median_seconds": self.median,
            "minimum_seconds": seconds[0],
            "samples": seconds.len(),
            "tokens_per_second": self.tokens_per_second,
            "flops": self.flops,
            "gflops": self.gflops(),
            "gbytes_per_second": null,
            "max_relative_error": null,
            "peak_gflops": self.roofline.flops / 1e9,
            "product_gflops": self.roofline.product_flops / 1e9,
            "roofline_share": 1e9 * self.gflops() / self.roofline.flops,
            "workspace_bytes": memory.peak - memory.peak.min(formula.total() - formula.activations),
            "parameters": parameters,
            "peak_bytes": memory.peak,
            "formula_bytes": formula.total(),
            "parameter_bytes": formula.parameters,
            "gradient_bytes": formula.gradients,
            "moment_bytes": formula.moments,
            "activation_bytes": formula.activations,
            "loss": loss,
        })
    }

    fn print(&self) {
        let Self { name, shape, median, tokens_per_second, roofline, formula, .. } = self;
        let Measured { seconds, memory, parameters, loss } = &self.measured;
        let (minimum, gflops) = (seconds[0], self.gflops());
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        println!("{name}: {shape}, {:.1} M parameters, loss {loss:.3}", *parameters as f64 / 1e6);
        println!("step      {median:.3} s median, {minimum:.3} s fastest of {}", seconds.len());
        println!(
            "rate      {tokens_per_second:.0} tokens/s, {gflops:.1} GFLOP/s: {:.0} % of products, {:.0} % of multiply-adds",
            1e11 * gflops / roofline.product_flops,
            1e11 * gflops / roofline.flops
        );
        println!("memory    {:.0} MiB at most", mib(memory.peak));
        println!(
            "formula   {:.0} MiB: parameters {:.0}, gradients {:.0}, moments {:.0}, graph {:.0}",
            mib(formula.total()),
            mib(formula.parameters),
            mib(formula.gradients),
            mib(formula.moments),
            mib(formula.activations)
        );
    }
}
