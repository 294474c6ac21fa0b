//! Flags that every command takes.

use std::convert::Infallible;

use clap::builder::RangedU64ValueParser;
use wgrad_engine::Device;
use wgrad_engine::device::{Format, Options, Selector, adapters};

use super::Failure;
use super::output::expect_writable;
use crate::train::progress::Verbosity;

/// Flags that every command takes.
#[derive(clap::Args)]
pub struct Global {
    /// auto, cpu, gpu, an index of `wgrad devices`, or part of an adapter's name.
    #[arg(long, global = true, env = "WGRAD_DEVICE", default_value = "auto", value_parser = selector)]
    pub device: Selector,
    /// Seed of everything drawn at random.
    #[arg(long, global = true, value_name = "N", help_heading = "Global", value_parser = of_recipe())]
    pub seed: Option<u64>,
    /// What training keeps activations in: f32, or mixed for f16 with f32 sums, weights and losses [default: f32].
    #[arg(long, global = true, value_parser = ["f32", "mixed"], hide_default_value = true)]
    pub precision: Option<String>,
    /// Run shaders with bounds checks.
    #[arg(long, global = true)]
    pub checked: bool,
    /// Stop at the first NaN or infinity, and name the kernel that wrote it.
    #[arg(long, global = true)]
    pub check_numerics: bool,
    /// Time every kernel; print a table, and write a Chrome trace to this file.
    #[arg(long, global = true, value_name = "TRACE.json", num_args = 0..=1,
          default_missing_value = TRACE)]
    pub profile: Option<std::path::PathBuf>,
    /// Print one JSON object on stdout.
    #[arg(long, global = true)]
    pub json: bool,
    /// No progress on stderr.
    #[arg(long, global = true)]
    pub quiet: bool,
}

/// Where `--profile` alone writes its trace.
pub const TRACE: &str = "wgrad-trace.json";

/// The seed where none is given.
pub const SEED: u64 = 42;

/// The whole numbers that a recipe can hold: TOML's are signed.
pub fn of_recipe() -> RangedU64ValueParser {
    RangedU64ValueParser::new().range(..=i64::MAX as u64)
}

fn selector(text: &str) -> Result<Selector, Infallible> {
    text.parse()
}

impl Global {
    /// Opens the device, and says in one line which one `auto` took; what cannot be written at the end is refused here.
    pub fn open(&self) -> Result<Device, Failure> {
        if let Some(trace) = &self.profile {
            expect_writable("--profile", trace)?;
        }
        let options = Options {
            checked: self.checked,
            profile: self.profile.is_some(),
            check_numerics: self.check_numerics,
        };
        let device = Device::open(&self.device, options)?;
        if !device.supports(self.format()) {
            let name = device.name();
            return Err(format!(
                "--precision mixed: expected an adapter with f16, {name} has none; use f32"
            )
            .into());
        }
        if self.device == Selector::Auto && device.is_cpu() {
            let software = adapters().first().map(|adapter| adapter.name.clone());
            let software = software.map_or(String::new(), |name| {
                format!(" (--device gpu takes the software adapter {name})")
            });
            self.say(&format!("no GPU found, running on the CPU{software}"));
        } else {
            self.say(&format!("running on {}", device.name()));
        }
        Ok(device)
    }

    /// How training keeps activations where no recipe says otherwise.
    pub fn format(&self) -> Format {
        if self.precision.as_deref() == Some("mixed") { Format::Half } else { Format::Word }
    }

    /// Prints a line on stderr, unless quiet.
    pub fn say(&self, line: &str) {
        if !self.quiet {
            eprintln!("{line}");
        }
    }

    /// Whether progress is shown.
    pub fn verbosity(&self) -> Verbosity {
        if self.quiet { Verbosity::Quiet } else { Verbosity::Normal }
    }

    /// The seed of commands that have no recipe.
    pub fn seed(&self) -> u64 {
        self.seed.unwrap_or(SEED)
    }
}
