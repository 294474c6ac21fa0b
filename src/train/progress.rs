//! What a person sees while a run goes on: one line that fits a terminal of 80 columns.

use std::fmt::Write as _;
use std::io::{IsTerminal, stderr};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// The width that is always enough.
const COLUMNS: usize = 80;
const BAR_COLUMNS: usize = 12;
/// Where there is no bar, a line appears each time so many percent are done.
const PERCENT_PER_LINE: u64 = 5;

/// Whether progress is shown at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verbosity {
    /// A bar on a terminal, a line now and then elsewhere.
    Normal,
    /// Nothing, as `--quiet` asks.
    Quiet,
}

/// Shows how far a run is, on stderr.
#[derive(Debug)]
pub struct Progress {
    display: Display,
    first_step: u64,
    last_step: u64,
    started: Instant,
    tokens: u64,
}

#[derive(Debug)]
enum Display {
    Bar(ProgressBar),
    Lines { next_percent: u64 },
    Nothing,
}

/// What one line says.
#[derive(Clone, Copy, Debug)]
pub struct Status<'a> {
    /// Steps taken since the run began, in earlier processes too.
    pub step: u64,
    /// Steps of the whole run.
    pub last_step: u64,
    /// Tokens a second, since this process began.
    pub tokens_per_second: f64,
    /// Expected time to the last step, once there is a step to judge by.
    pub remaining: Option<Duration>,
    /// Losses by name, the total first.
    pub losses: &'a [(&'a str, f64)],
}

impl Progress {
    /// Begins to show a run that has taken `first_step` of `last_step` steps.
    pub fn new(first_step: u64, last_step: u64, verbosity: Verbosity) -> Self {
        let display = match verbosity {
            Verbosity::Quiet => Display::Nothing,
            Verbosity::Normal if stderr().is_terminal() => {
                let bar = ProgressBar::with_draw_target(
                    Some(last_step),
                    ProgressDrawTarget::stderr_with_hz(5),
                );
                let template = format!("{{bar:{BAR_COLUMNS}}} {{msg}}");
                let style = ProgressStyle::with_template(&template);
                bar.set_style(style.expect("the template is constant").progress_chars("█▌ "));
                bar.set_position(first_step);
                Display::Bar(bar)
            }
            Verbosity::Normal => {
                let percent = percent(first_step, last_step);
                let next_percent = (percent / PERCENT_PER_LINE + 1) * PERCENT_PER_LINE;
                Display::Lines { next_percent }
            }
        };
        Self { display, first_step, last_step, started: Instant::now(), tokens: 0 }
    }

    /// Shows that `step` steps are done, `tokens` more tokens were seen, and what the losses are now.
    pub fn update(&mut self, step: u64, tokens: u64, losses: &[(&str, f64)]) {
        self.tokens += tokens;
        let (taken, elapsed) = (step.saturating_sub(self.first_step), self.started.elapsed());
        let left = self.last_step.saturating_sub(step);
        let status = Status {
            step,
            last_step: self.last_step,
            tokens_per_second: self.tokens as f64 / elapsed.as_secs_f64().max(1e-9),
            remaining: (taken > 0).then(|| elapsed.mul_f64(left as f64 / taken as f64)),
            losses,
        };
        match &mut self.display {
            Display::Nothing => {}
            Display::Bar(bar) => {
                // One column stays free: a full last column wraps on some terminals.
                bar.set_message(status_line(&status, COLUMNS - BAR_COLUMNS - 2));
                bar.set_position(step);
            }
            Display::Lines { next_percent } => {
                let percent = percent(step, self.last_step);
                if percent >= *next_percent {
                    *next_percent = (percent / PERCENT_PER_LINE + 1) * PERCENT_PER_LINE;
                    eprintln!("{}", status_line(&status, COLUMNS - 1));
                }
            }
        }
    }

    /// Prints a line above the bar: an evaluation, a checkpoint.
    pub fn note(&self, line: &str) {
        match &self.display {
            Display::Nothing => {}
            Display::Bar(bar) => bar.suspend(|| eprintln!("{line}")),
            Display::Lines { .. } => eprintln!("{line}"),
        }
    }

    /// Takes the bar away and says how long it took.
    pub fn finish(self, step: u64) {
        if let Display::Bar(bar) = &self.display {
            bar.finish_and_clear();
        }
        let (steps, elapsed) = (step - self.first_step.min(step), self.started.elapsed());
        let speed = thousands(self.tokens as f64 / elapsed.as_secs_f64().max(1e-9));
        self.note(&format!("{steps} steps in {}, {speed} tokens/s", clock(elapsed)));
    }
}

/// Words `status` in at most `columns` characters; losses that do not fit are left out from the end.
pub fn status_line(status: &Status, columns: usize) -> String {
    let percent = percent(status.step, status.last_step);
    let mut line = format!("{percent:>3}% {}/{}", status.step, status.last_step);
    let remaining = status.remaining.map_or_else(|| "-:--".to_string(), clock);
    let speed = thousands(status.tokens_per_second);
    write!(line, " {speed} tok/s ETA {remaining}").expect("a String takes all");
    let mut length = line.chars().count();
    for (name, value) in status.losses {
        // `loss_encoder` says no more than `encoder` behind the word `loss`.
        let name = name.strip_prefix("loss_").unwrap_or(name);
        let part = format!(" {name} {value:.3}");
        length += part.chars().count();
        if length > columns {
            break;
        }
        line.push_str(&part);
    }
    line.chars().take(columns).collect()
}

fn percent(step: u64, last_step: u64) -> u64 {
    (100 * step).checked_div(last_step).unwrap_or(100)
}

/// `950`, `8.5k`, `12k`, `1.3M`.
fn thousands(value: f64) -> String {
    let scaled = |value: f64, unit: &str| {
        if value < 9.95 { format!("{value:.1}{unit}") } else { format!("{value:.0}{unit}") }
    };
    match value {
        ..999.5 => format!("{value:.0}"),
        ..999_500.0 => scaled(value / 1e3, "k"),
        _ => scaled(value / 1e6, "M"),
    }
}

/// `0:07`, `59:59`, `1:02:03`.
fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes}:{seconds:02}")
    }
}
