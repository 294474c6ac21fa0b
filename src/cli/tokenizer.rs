//! `wgrad tokenizer train`.

use std::path::PathBuf;

use super::input::Layout;
use super::{Failure, Global};
use crate::data::text::documents;
use crate::data::wordpiece::train_wordpiece;

/// What to do with a tokenizer.
#[derive(clap::Subcommand)]
pub enum Command {
    /// Trains a WordPiece tokenizer with the conventions of BERT uncased.
    #[command(
        after_help = "Example:  wgrad tokenizer train --input README.md --vocab-size 400 --out /tmp/tokenizer"
    )]
    Train(Train),
}

/// Trains a tokenizer.
#[derive(clap::Args)]
pub struct Train {
    /// Text files, .jsonl files, or folders of them.
    #[arg(long, required = true, num_args = 1.., value_name = "FILE")]
    input: Vec<PathBuf>,
    /// Where a document ends in plain text.
    #[arg(long, value_enum, default_value_t)]
    layout: Layout,
    /// Tokens of the vocabulary.
    #[arg(long, value_name = "N")]
    vocab_size: usize,
    /// Tokens of the longest text, noted for other tools.
    #[arg(long, default_value_t = 512, value_name = "T")]
    max_length: usize,
    /// The folder that gets tokenizer.json.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

pub fn run(global: &Global, command: &Command) -> Result<(), Failure> {
    let Command::Train(args) = command;
    let texts = documents(&args.input, args.layout.into())?;
    let lines = texts.map(|document| document.map(|document| document.full_text()));
    let tokenizer = train_wordpiece(lines, args.vocab_size, |_| {})?;
    std::fs::create_dir_all(&args.out)?;
    tokenizer.save(&args.out, args.max_length)?;
    let (size, out) = (tokenizer.vocab_size(), args.out.display());
    if global.json {
        println!("{}", serde_json::json!({"vocab_size": size, "out": args.out}));
    } else {
        println!("{size} tokens in {out}");
    }
    if size < args.vocab_size {
        global.say(&format!(
            "note: the text has only {size} tokens, {} were asked for",
            args.vocab_size
        ));
    }
    Ok(())
}
