//! `wgrad bench step`: a whole training step, as `wgrad pretrain` takes it, on tokens drawn at random.

mod batches;
mod row;

use std::time::Instant;

use clap::ValueEnum;
use serde_json::json;
use wgrad_engine::device::Format;
use wgrad_engine::optimizer::{AdamW, AdamWSettings, Scaling};
use wgrad_engine::testing::bench::Roofline;
use wgrad_engine::{Device, Tensor};
use wgrad_models::Mode;
use wgrad_models::bert::Config;
use wgrad_models::electra::generator_config;

use self::batches::Sizes;
use self::row::{Measured, Row};
use super::super::profile;
use super::{Failure, Global};
use crate::train::cost::{Products, Work};
use crate::train::objective::{
    ClmObjective, CoCondenserObjective, CondenserObjective, DupMaeObjective, ElectraObjective,
    MlmObjective, Pretraining, RetroMaeObjective, XlNetObjective,
};
use crate::train::recipe::Recipe;

/// Measures a training step.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  wgrad bench step --size tiny --steps 3
  wgrad bench step --size base --objective retromae --batch-size 8 --length 128 --json
  wgrad bench step --size mini --steps 3 --precision mixed
  wgrad bench step --filter .tiny --steps 3
  wgrad bench step --filter mlm --steps 3

The step is forward, backward and AdamW with dropout 0.1, in f32 or as --precision says, over a vocabulary
of 30,522, 15 % of the tokens labelled (xlnet: a sixth predicted; clm: all but the first of a row), every objective as
`wgrad pretrain` has it without settings. FLOPs are those of the products, of mlm 3·(N·L·(8·H² + 4·H·F + 4·T·H) +
R·(2·H² + 2·H·V)) for N tokens in rows of T, of which R are labelled; the others add their own (src/train/cost/flops.rs).
Shares are those of the fastest product and of multiply-adds in registers, both measured at the start.")]
pub struct Args {
    /// All of mlm.tiny, mlm.mini .. clm.base whose name contains this, one after another.
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
    /// Under the keys of every type of model; each reads its own.
    fn config(self, model_type: &str) -> Config {
        let (layers, hidden) = match self {
            Self::Tiny => (2, 128),
            Self::Mini => (4, 256),
            Self::Small => (4, 512),
            Self::Base => (12, 768),
        };
        let (heads, inner, vocabulary) = (hidden / 64, 4 * hidden, Config::default().vocab_size);
        let rest = json!({
            "vocab_size": vocabulary, "embedding_size": hidden,
            "d_model": hidden, "n_layer": layers, "n_head": heads, "d_inner": inner,
            "n_embd": hidden,
        });
        Config {
            num_hidden_layers: layers,
            hidden_size: hidden,
            num_attention_heads: heads,
            intermediate_size: inner,
            model_type: model_type.into(),
            rest: rest.as_object().cloned().unwrap_or_default(),
            ..Config::default()
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Objective {
    Mlm,
    Retromae,
    Dupmae,
    Condenser,
    Cocondenser,
    Electra,
    Xlnet,
    Clm,
}

/// Layers of Condenser's head, where a recipe does not tell.
const CONDENSER_LAYERS: usize = 2;

/// Steps before the first that is timed: pipelines are compiled and the pool filled.
const WARM_UP: u32 = 2;

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
    let (rows, tokens) = (usize::from(args.batch_size), usize::from(args.length));
    if objective == Objective::Cocondenser && rows % 2 == 1 {
        let problem = "expected an even number: two spans of every text";
        return Err(format!("cocondenser: --batch-size is {rows}, {problem}").into());
    }
    let (seed, format) = (global.seed(), global.format());
    let (config, generator) = (size.config("bert"), generator_config(&size.config("electra")));
    let sizes = Sizes { rows, tokens, vocabulary: config.vocab_size, seed };
    let run = Run { device, size, steps: args.steps, seed, format };
    let (masked, decoded, permuted) = (sizes.masked(), sizes.retromae(), sizes.permuted());
    let (labels, rebuilt) = (masked.labels.len(), decoded.decoder_labels.len());
    let (labels, products) = match objective {
        Objective::Mlm => (labels, Products::Mlm),
        Objective::Retromae => (labels, Products::RetroMae(rebuilt)),
        Objective::Dupmae => (labels, Products::DupMae(rebuilt)),
        Objective::Condenser => (labels, Products::Condenser(CONDENSER_LAYERS)),
        Objective::Cocondenser => (labels, Products::CoCondenser(CONDENSER_LAYERS)),
        Objective::Electra => (labels, Products::Electra(&generator)),
        Objective::Xlnet => (permuted.labels.len(), Products::XlNet(permuted.predictions)),
        Objective::Clm => (rows * (tokens - 1), Products::Clm),
    };
    let measured = match objective {
        Objective::Mlm => run.measure::<MlmObjective>(&masked),
        Objective::Retromae => run.measure::<RetroMaeObjective>(&decoded),
        Objective::Dupmae => run.measure::<DupMaeObjective>(&decoded),
        Objective::Condenser => run.measure::<CondenserObjective>(&masked),
        Objective::Cocondenser => run.measure::<CoCondenserObjective>(&masked),
        Objective::Electra => run.measure::<ElectraObjective>(&masked),
        Objective::Xlnet => run.measure::<XlNetObjective>(&permuted),
        Objective::Clm => run.measure::<ClmObjective>(&sizes.plain()),
    }?;
    let work = Work { config: &config, rows, tokens, labels, objective: products, format };
    let (layers, hidden) = (config.num_hidden_layers, config.hidden_size);
    Ok(Row {
        name: name(objective, size),
        shape: format!("L {layers}, H {hidden}, B {rows}, T {tokens}"),
        precision: if format == Format::Half { "mixed" } else { "f32" },
        tokens: rows * tokens,
        flops: work.flops(),
        formula: work.memory(measured.parameters),
        measured,
        roofline,
    })
}

/// How steps are taken.
struct Run<'a> {
    device: &'a Device,
    size: Size,
    steps: u32,
    seed: u64,
    format: Format,
}

impl Run<'_> {
    /// Takes the steps of a fresh model, one at a time: each ends by waiting for the device.
    fn measure<O: Pretraining>(&self, batch: &O::Batch) -> Result<Measured, Failure> {
        let Self { device, size, seed, format, .. } = *self;
        let config = size.config(O::MODEL_TYPE);
        let mut objective = O::from_recipe(device, config, &mut Recipe::default(), seed)?;
        let layout = objective.weights().layout().clone();
        let scaling = (format == Format::Half).then(Scaling::default);
        let settings = AdamWSettings { scaling, ..AdamWSettings::default() };
        let mut optimizer = AdamW::new(device, layout, settings);
        let mut key = Tensor::u32(device, [2], &[0, 0]);
        let mut seconds = Vec::new();
        let mut loss = f32::NAN;
        device.reset_peak();
        for step in 0..WARM_UP + self.steps {
            let start = Instant::now();
            device.write_u32(key.buffer_mut(), &[step, 0]);
            let (mode, scale) = (Mode::training(&key).storing(format), optimizer.loss_scale());
            let mut gather = |gradients| {
                let gradients = objective.weights().gradients(gradients);
                for (parameter, gradient) in gradients.iter().enumerate() {
                    if let Some(gradient) = gradient {
                        optimizer.accumulate(parameter, gradient.buffer(), 1.0);
                    }
                }
            };
            let losses = objective.backward(device, batch, (&mode, &scale), &mut gather)?;
            let reading = losses[0].1.read_later();
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
}
