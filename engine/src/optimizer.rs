//! AdamW and LAMB over arenas: a few large buffers hold all parameters, and one dispatch moves an arena.
//!
//! Nothing in a step waits for the device: the norm of the gradient, the clip factor and whether the step is
//! taken at all stay there, and the host reads them later, if it cares.

mod lamb;
mod state;

use crate::device::{Buffer, Device, Launch, Readback};
use crate::kernels::adamw;
use crate::kernels::sum_of_squares::{self, Clip, PartialSums};
use crate::ops::{accumulate, assign};
use crate::tensor::Tensor;
use crate::weights::{Layout, Slot};

pub use state::AdamWState;

/// Words that share a decay bit; parameters begin at multiples of it, as views of a buffer must.
const DECAY_BLOCK: usize = 64;
/// Words of one partial sum of squares, as in `shaders/sum_of_squares.wgsl`.
const CHUNK: usize = 16_384;

/// How a step follows from the moments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rule {
    /// Every word by its own moments.
    #[default]
    AdamW,
    /// AdamW's direction, with decay, scaled to `‖w‖` in each tensor: the trust ratio `‖w‖/‖u‖`, 1 where either is 0.
    Lamb,
}

/// What a run of AdamW or LAMB fixes; the learning rate comes with each step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamWSettings {
    /// AdamW or LAMB.
    pub rule: Rule,
    /// β₁, the memory of the mean of gradients.
    pub beta1: f64,
    /// β₂, the memory of the mean of their squares.
    pub beta2: f64,
    /// ε, added to √v̂.
    pub epsilon: f64,
    /// λ, decoupled weight decay.
    pub weight_decay: f64,
    /// Longest gradient that is not scaled down; `None` never clips.
    pub max_norm: Option<f64>,
    /// How the loss is scaled, so that gradients that lie as f16 do not vanish; `None` leaves it as it is.
    pub scaling: Option<Scaling>,
}

/// Dynamic loss scaling: S is halved after a step that was not finite, and doubled after so many that were.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scaling {
    /// S of the first step, a power of two.
    pub initial: f32,
    /// Finite steps after which S doubles.
    pub growth_steps: u32,
}

impl Default for Scaling {
    /// `torch.amp.GradScaler`'s: 2¹⁶, doubled after 2,000 steps.
    fn default() -> Self {
        Self { initial: 65_536.0, growth_steps: 2000 }
    }
}

impl Default for AdamWSettings {
    /// `torch.optim.AdamW`'s: β 0.9 and 0.999, ε 1e-8, λ 0.01; clipped at 1, as BERT is.
    fn default() -> Self {
        Self {
            rule: Rule::AdamW,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            weight_decay: 0.01,
            max_norm: Some(1.0),
            scaling: None,
        }
    }
}

impl AdamWSettings {
    /// LAMB's: β and λ as above, and the ε of BERT's own AdamW, 1e-6 (`optimization.py` of google-research/bert).
    pub fn lamb() -> Self {
        Self { rule: Rule::Lamb, epsilon: 1e-6, ..Self::default() }
    }
}

/// AdamW, or by its [`Rule`] LAMB: gradients that build up, the two moments, and the step count.
///
/// # Source
/// Loshchilov & Hutter 2019, arXiv:1711.05101, algorithm 2, in the order of `torch.optim.AdamW`;
/// You et al. 2020, arXiv:1904.00962, algorithm 2.
/// Kernels `shaders/adamw.wgsl`, `shaders/lamb.wgsl` and `shaders/sum_of_squares.wgsl`.
pub struct AdamW {
    device: Device,
    layout: Layout,
    settings: AdamWSettings,
    gradients: Vec<Buffer>,
    first: Vec<Buffer>,
    second: Vec<Buffer>,
    /// A bit per block of 64 words, one buffer an arena.
    decay: Vec<Buffer>,
    /// What LAMB reads, one an arena; empty for AdamW.
    tensors: Vec<lamb::Tensors>,
    /// [‖g‖, clip, finite] of the last step.
    clip: Buffer,
    /// [S, steps since it changed].
    scale: Buffer,
    /// Parameters whose gradient of this step has arrived.
    arrived: Vec<bool>,
    steps: u64,
}

impl AdamW {
    /// An optimizer with zero moments for parameters that lie as `layout` says.
    ///
    /// # Panics
    /// If a parameter leaves its arena, or an arena or an offset is no multiple of 64 words.
    #[track_caller]
    pub fn new(device: &Device, layout: Layout, settings: AdamWSettings) -> Self {
        check(&layout);
        let zeros = || layout.arenas.iter().map(|&words| device.upload_u32(&vec![0; words]));
        let (gradients, first, second) = (zeros().collect(), zeros().collect(), zeros().collect());
        let decay = decay_bits(&layout).iter().map(|bits| device.upload_u32(bits)).collect();
        let tensors = match settings.rule {
            Rule::AdamW => Vec::new(),
            Rule::Lamb => lamb::Tensors::of(device, &layout),
        };
        let clip = device.upload_f32(&[0.0, 1.0, 1.0]);
        let scale = device.upload_f32(&[settings.scaling.map_or(1.0, |s| s.initial), 0.0]);
        let arrived = vec![false; layout.parameters.len()];
        let device = device.clone();
        Self {
            device,
            layout,
            settings,
            gradients,
            first,
            second,
            decay,
            tensors,
            clip,
            scale,
            arrived,
            steps: 0,
        }
    }

    /// Adds `factor·gradient` to what this step has gathered for a parameter. The first of a step overwrites.
    ///
    /// # Panics
    /// If there is no such parameter, or the gradient has another number of words.
    #[track_caller]
    pub fn accumulate(&mut self, parameter: usize, gradient: &Buffer, factor: f32) {
        let Slot { arena, offset, words, .. } = self.layout.parameters[parameter];
        let mut total = self.gradients[arena].view(offset, words);
        let gather = if self.arrived[parameter] { accumulate } else { assign };
        gather(&self.device, gradient, &mut total, factor);
        self.arrived[parameter] = true;
    }

    /// Updates the parameters in `values`, one buffer an arena, by what [`AdamW::accumulate`] gathered. Waits for nothing.
    ///
    /// A parameter whose gradient did not arrive counts as having a zero one. If any gradient is not finite,
    /// the device changes nothing; the step counts all the same.
    ///
    /// # Panics
    /// If `values` are not the arenas of the layout.
    #[track_caller]
    pub fn step(&mut self, values: &mut [Buffer], learning_rate: f32) {
        assert_eq!(values.len(), self.layout.arenas.len(), "AdamW: other number of arenas");
        self.forget_missing();
        self.measure();
        self.steps += 1;
        if self.settings.rule == Rule::Lamb {
            return self.step_lamb(values, learning_rate);
        }
        let AdamWSettings { beta1, beta2, epsilon, weight_decay, .. } = self.settings;
        let rate = f64::from(learning_rate);
        let correction = |beta: f64| 1.0 - beta.powf(self.steps as f64);
        let rates = self.device.upload_f32(&[
            (1.0 - rate * weight_decay) as f32,
            (rate / correction(beta1)) as f32,
            correction(beta2).sqrt() as f32,
        ]);
        for (arena, (&words, values)) in self.layout.arenas.iter().zip(values).enumerate() {
            assert_eq!(values.words(), words, "AdamW: arena {arena} has other words");
            let params = adamw::Params {
                words: words as u32,
                beta2: beta2 as f32,
                gain1: (1.0 - beta1) as f32,
                gain2: (1.0 - beta2) as f32,
                epsilon: epsilon as f32,
            };
            let kernel = adamw::Step {
                params,
                rates: &rates,
                state: &self.clip,
                decay: &self.decay[arena],
                gradient: &self.gradients[arena],
                values,
                first_moment: &mut self.first[arena],
                second_moment: &mut self.second[arena],
            };
            let launch = Launch::lanes(words.div_ceil(4), 256).flops(15 * words).words(7 * words);
            self.device.run(kernel, launch);
        }
    }

    /// S `[]`, by which the loss of the next step is to be multiplied: what [`Tensor::backward_with`] takes.
    /// [`AdamW::step`] divides it out again. It is 1 without [`AdamWSettings::scaling`].
    pub fn loss_scale(&self) -> Tensor {
        Tensor::new(&self.device, [], self.scale.view(0, 1))
    }

    /// Starts reading [‖g‖, clip factor, 1 if the step was taken] of the last step.
    pub fn norm(&self) -> Readback {
        self.device.read_later(&self.clip)
    }

    /// Steps taken, those that the device skipped included.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// What is fixed.
    pub fn settings(&self) -> &AdamWSettings {
        &self.settings
    }

    /// Where the parameters lie.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Zeroes the gradients that did not arrive, and starts a new step.
    fn forget_missing(&mut self) {
        for (slot, arrived) in self.layout.parameters.iter().zip(&mut self.arrived) {
            if !std::mem::replace(arrived, false) {
                let mut gradient = self.gradients[slot.arena].view(slot.offset, slot.words);
                self.device.write_u32(&mut gradient, &vec![0; slot.words]);
            }
        }
    }

    /// ‖g‖ over all arenas, the clip factor, and whether it is finite.
    fn measure(&mut self) {
        let chunks: Vec<usize> =
            self.layout.arenas.iter().map(|words| words.div_ceil(CHUNK)).collect();
        let total: usize = chunks.iter().sum();
        let mut partials = self.device.buffer(total);
        let params = |words: usize, first_partial: usize| sum_of_squares::Params {
            words: words as u32,
            first_partial: first_partial as u32,
            partials: total as u32,
            max_norm: self.settings.max_norm.unwrap_or(0.0) as f32,
            growth_steps: self.settings.scaling.map_or(0, |scaling| scaling.growth_steps),
        };
        let mut first_partial = 0;
        let arenas = self.layout.arenas.iter().zip(&self.gradients).zip(&chunks);
        for ((&words, gradient), &chunks) in arenas {
            let params = params(words, first_partial);
            let launch = Launch::rows(chunks).flops(2 * words).words(words);
            self.device.run(PartialSums { params, gradient, partials: &mut partials }, launch);
            first_partial += chunks;
        }
        let params = params(0, 0);
        let (state, scale) = (&mut self.clip, &mut self.scale);
        let kernel = Clip { params, partials: &partials, state, scale };
        self.device.run(kernel, Launch::rows(1).flops(total).words(total));
    }
}

#[track_caller]
fn check(layout: &Layout) {
    for (arena, words) in layout.arenas.iter().enumerate() {
        assert!(words.is_multiple_of(DECAY_BLOCK), "AdamW: arena {arena} has {words} words");
    }
    for (index, slot) in layout.parameters.iter().enumerate() {
        let fits =
            layout.arenas.get(slot.arena).is_some_and(|&all| slot.offset + slot.words <= all);
        let aligned = slot.offset.is_multiple_of(DECAY_BLOCK);
        assert!(
            fits && aligned,
            "AdamW: parameter {index} lies at {slot:?} of {:?}",
            layout.arenas
        );
    }
}

/// For each arena one bit per block of 64 words: whether its parameter decays.
fn decay_bits(layout: &Layout) -> Vec<Vec<u32>> {
    let blocks = layout.arenas.iter().map(|words| words / DECAY_BLOCK);
    let mut bits: Vec<Vec<u32>> = blocks.map(|n| vec![0; n.div_ceil(32).max(1)]).collect();
    for slot in layout.parameters.iter().filter(|slot| slot.decays) {
        let first = slot.offset / DECAY_BLOCK;
        for block in first..first + slot.words.div_ceil(DECAY_BLOCK) {
            bits[slot.arena][block / 32] |= 1 << (block % 32);
        }
    }
    bits
}
