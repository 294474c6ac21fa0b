//! `wgrad demo`: the main job from text to search results, on text that is on this machine anyway.
//!
//! The Rust sources of one's own dependencies hold pairs of a documentation comment and the item it is about. The
//! demo learns, on most crates, to find the item that a comment describes, and is measured on crates it never saw.

mod ask;
mod corpus;
mod plan;
mod results;
mod stages;

use std::path::{Path, PathBuf};

use super::{Ending, Failure, Global};

/// Runs the demo.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  wgrad demo
  wgrad demo --minutes 1 --out /tmp/demo
  wgrad demo --ask \"copy a buffer to the cpu\"

A demo that was stopped goes on where it was; one that is done is shown again.")]
pub struct Args {
    /// The folder for everything that is made.
    #[arg(long, value_name = "DIR", default_value = "runs/demo")]
    out: PathBuf,
    /// Minutes of training, pre-training and fine-tuning together.
    #[arg(long, value_name = "M", default_value_t = 5.5)]
    minutes: f64,
    /// Folders of Rust sources, in place of the dependencies of ./Cargo.lock (or of wgrad itself).
    #[arg(long, value_name = "DIR", num_args = 1..)]
    source: Vec<PathBuf>,
    /// Search with the trained model: prints items with file and line.
    #[arg(long, value_name = "TEXT")]
    ask: Option<String>,
    /// Items of the answer.
    #[arg(long, value_name = "K", default_value_t = 5)]
    top_k: usize,
}

pub fn run(global: &Global, args: &Args) -> Result<Ending, Failure> {
    if args.minutes.is_nan() || args.minutes <= 0.0 {
        return Err(format!("--minutes is {}, expected more than 0", args.minutes).into());
    }
    let device = global.open()?;
    let done = results::read(&args.out);
    if done.is_none() {
        match stages::run(global, &device, args)? {
            Some(results) => results.write(&args.out)?,
            None => return Ok(Ending::Interrupted),
        }
    }
    if let Some(question) = &args.ask {
        ask::answer(global, &device, &args.out, question, args.top_k)?;
    } else {
        let results = results::read(&args.out).ok_or("the demo's results vanished while it ran")?;
        results.print(global, &args.out, done.is_some());
    }
    super::profile::finish(global, &device)?;
    Ok(Ending::Done)
}

/// Where the parts of the demo lie below its folder.
fn place(out: &Path, part: &str) -> PathBuf {
    out.join(part)
}
