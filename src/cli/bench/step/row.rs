//! What was measured of one step, as a line of JSON and as lines for people.

use serde_json::{Value, json};
use wgrad_engine::Device;
use wgrad_engine::device::MemoryStats;
use wgrad_engine::testing::bench::Roofline;

use crate::train::cost::Memory;

/// What the steps themselves told.
pub struct Measured {
    /// Seconds of each timed step, shortest first.
    pub seconds: Vec<f64>,
    pub memory: MemoryStats,
    pub parameters: usize,
    /// Of the last step.
    pub loss: f32,
}

/// What was measured of one model, and what it is measured by.
pub struct Row {
    pub name: String,
    pub shape: String,
    pub precision: &'static str,
    pub tokens: usize,
    pub flops: u64,
    /// Where there is one.
    pub formula: Option<Memory>,
    pub measured: Measured,
    pub roofline: Roofline,
}

impl Row {
    fn median(&self) -> f64 {
        let Measured { seconds, .. } = &self.measured;
        seconds[seconds.len() / 2]
    }

    fn gflops(&self) -> f64 {
        self.flops as f64 / self.median() / 1e9
    }

    fn tokens_per_second(&self) -> f64 {
        self.tokens as f64 / self.median()
    }

    /// Bytes moved and the error of a whole step have no formula and no twin.
    pub fn to_json(&self, device: &Device) -> Value {
        let Measured { seconds, memory, parameters, loss } = &self.measured;
        let bytes = |of: fn(&Memory) -> u64| self.formula.as_ref().map(of);
        // What the parameters, their gradients and moments take, formula or not.
        let kept = 16 * *parameters as u64;
        json!({
            "name": self.name,
            "shape": self.shape,
            "precision": self.precision,
            "device": device.name(),
            "median_seconds": self.median(),
            "minimum_seconds": seconds[0],
            "samples": seconds.len(),
            "tokens_per_second": self.tokens_per_second(),
            "flops": self.flops,
            "gflops": self.gflops(),
            "gbytes_per_second": null,
            "max_relative_error": null,
            "peak_gflops": self.roofline.flops / 1e9,
            "product_gflops": self.roofline.product_flops / 1e9,
            "roofline_share": 1e9 * self.gflops() / self.roofline.flops,
            "workspace_bytes": memory.peak.saturating_sub(kept),
            "parameters": parameters,
            "peak_bytes": memory.peak,
            "formula_bytes": bytes(Memory::total),
            "parameter_bytes": bytes(|it| it.parameters),
            "gradient_bytes": bytes(|it| it.gradients),
            "moment_bytes": bytes(|it| it.moments),
            "activation_bytes": bytes(|it| it.activations),
            "loss": loss,
        })
    }

    pub fn print(&self) {
        let Self { name, shape, roofline, formula, .. } = self;
        let (median, tokens_per_second) = (self.median(), self.tokens_per_second());
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
        if let Some(formula) = formula {
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
}
