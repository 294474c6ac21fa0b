//! The command line: each command is one file that reads its flags and calls the rest.

mod bench;
mod bm25;
mod demo;
mod devices;
mod encode;
mod evaluate;
mod finetune;
mod finetune_others;
mod global;
mod grad;
mod input;
mod messages;
mod output;
mod predict;
mod prepare;
mod pretrain;
mod profile;
mod rerank;
mod search;
mod tokenizer;
mod training;

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::atomic::Ordering;

use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use wgrad_engine::device::{Format, catch, quiet_drivers};

pub use global::Global;
use global::TRACE;

use crate::train::trainer::{STOP, TRAINING};

/// A command's failure, as one line.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Trains text retrievers on any GPU.
#[derive(Parser)]
#[command(name = "wgrad", version, about, max_term_width = 100, after_help = EXAMPLES)]
struct Arguments {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str =
    "Begin with:  wgrad demo\n\nExit status: 0 done, 1 failed, 2 wrong usage, 130 interrupted";

#[derive(Subcommand)]
enum Command {
    /// Trains, searches and measures a retriever over your own Rust dependencies.
    Demo(demo::Args),
    /// Lists the adapters of this machine, and which one `auto` takes.
    Devices(devices::Args),
    /// Trains a tokenizer.
    #[command(subcommand)]
    Tokenizer(tokenizer::Command),
    /// Tokenizes a large corpus once, into a file that training maps into memory.
    Prepare(prepare::Args),
    /// Pre-trains an encoder on text.
    Pretrain(pretrain::Args),
    /// Fine-tunes a retriever or a cross-encoder on queries and passages, or a classifier on labelled texts.
    Finetune(finetune::Args),
    /// Turns texts into vectors.
    Encode(encode::Args),
    /// Searches passages by inner product, exactly.
    Search(search::Args),
    /// Ranks the passages of a run again, by a cross-encoder.
    Rerank(rerank::Args),
    /// Answers labelled texts, and measures the answers.
    Predict(predict::Args),
    /// Ranks a BEIR folder by BM25.
    Bm25(bm25::Args),
    /// Measures a ranking as trec_eval does.
    Evaluate(evaluate::Args),
    /// Writes the loss and every gradient of one batch, to compare with other frameworks.
    Grad(grad::Args),
    /// Measures kernels or whole training steps on this device.
    #[command(subcommand)]
    Bench(bench::Command),
}

impl Command {
    /// Whether it trains, or measures training: `--precision` says how.
    fn trains(&self) -> bool {
        match self {
            Self::Demo(_) | Self::Pretrain(_) | Self::Finetune(_) | Self::Grad(_) => true,
            Self::Bench(command) => !matches!(command, bench::Command::Kernels(_)),
            _ => false,
        }
    }
}

/// The command line. A command after a bare `--profile` is no file: `wgrad --profile bench kernels`.
fn command_line() -> Vec<OsString> {
    let mut words: Vec<OsString> = std::env::args_os().collect();
    let parser = Arguments::command();
    let takes_command = |pair: &[OsString]| {
        pair[0] == "--profile"
            && pair[1].to_str().is_some_and(|word| parser.find_subcommand(word).is_some())
    };
    if let Some(at) = words.windows(2).position(takes_command) {
        words.insert(at + 1, TRACE.into());
    }
    words
}

/// How a command ended.
pub(crate) enum Ending {
    /// Done.
    Done,
    /// Stopped by Ctrl-C after a checkpoint.
    Interrupted,
}

/// Parses the command line, runs the command and turns its result into an exit status.
pub fn main() -> ExitCode {
    quiet_drivers();
    let matches = Arguments::command().get_matches_from(command_line());
    let arguments = match Arguments::from_arg_matches(&matches) {
        Ok(arguments) => arguments,
        Err(error) => error.exit(),
    };
    if arguments.global.format() == Format::Half && !arguments.command.trains() {
        let text = "--precision mixed: this command computes in f32, expected demo, pretrain, finetune, grad, \
                    bench step or bench compositions";
        Arguments::command().error(ErrorKind::ArgumentConflict, text).exit();
    }
    messages::show(arguments.global.quiet);
    quiet_thrown_errors();
    let handler = ctrlc::set_handler(|| {
        // The second Ctrl-C does not wait for the checkpoint; where nothing trains, nothing waits.
        if STOP.swap(true, Ordering::Relaxed) || !TRAINING.load(Ordering::Relaxed) {
            std::process::exit(130);
        }
    });
    if let Err(error) = handler {
        log::warn!("Ctrl-C will not save a checkpoint: {error}");
    }
    let result = catch(|| run(arguments)).unwrap_or_else(|error| Err(error.into()));
    match result {
        Ok(Ending::Done) => ExitCode::SUCCESS,
        Ok(Ending::Interrupted) => ExitCode::from(130),
        Err(error) => {
            eprintln!("error: {}", error.to_string().replace('\n', " "));
            ExitCode::FAILURE
        }
    }
}

fn run(Arguments { global, command }: Arguments) -> Result<Ending, Failure> {
    match command {
        Command::Demo(args) => return demo::run(&global, &args),
        Command::Devices(args) => devices::run(&global, &args)?,
        Command::Tokenizer(command) => tokenizer::run(&global, &command)?,
        Command::Prepare(args) => prepare::run(&global, &args)?,
        Command::Pretrain(args) => return pretrain::run(&global, &args),
        Command::Finetune(args) => return finetune::run(&global, &args),
        Command::Encode(args) => encode::run(&global, &args)?,
        Command::Search(args) => search::run(&global, &args)?,
        Command::Rerank(args) => rerank::run(&global, &args)?,
        Command::Predict(args) => predict::run(&global, &args)?,
        Command::Bm25(args) => bm25::run(&global, &args)?,
        Command::Evaluate(args) => evaluate::run(&global, &args)?,
        Command::Grad(args) => grad::run(&global, &args)?,
        Command::Bench(command) => bench::run(&global, &command)?,
    }
    Ok(Ending::Done)
}

/// Keeps the panic message and backtrace of errors that the engine throws off the terminal: `main` prints them.
fn quiet_thrown_errors() {
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !panic.payload().is::<wgrad_engine::Error>() {
            print(panic);
        }
    }));
}
