//! `wgrad prepare`.

use std::path::PathBuf;

use clap::builder::RangedU64ValueParser;

use super::input::Layout;
use super::{Failure, Global};
use crate::data::Tokenizer;
use crate::data::shards::prepare;
use crate::data::text::documents;

/// Tokenizes a corpus.
#[derive(clap::Args)]
#[command(
    after_help = "Example:  wgrad prepare --input corpus.txt --tokenizer tokenizer --max-length 128 --out shards"
)]
pub struct Args {
    /// Text files, .jsonl files, BEIR folders, or folders of them.
    #[arg(long, required = true, num_args = 1.., value_name = "FILE")]
    input: Vec<PathBuf>,
    /// Where a document ends in plain text.
    #[arg(long, value_enum, default_value_t)]
    layout: Layout,
    /// The folder with tokenizer.json or vocab.txt.
    #[arg(long, value_name = "DIR")]
    tokenizer: PathBuf,
    /// Tokens of the longest row, special tokens included: 3 or more.
    #[arg(long, value_name = "T", value_parser = RangedU64ValueParser::<usize>::new().range(3..))]
    max_length: usize,
    /// The folder that gets the tokens.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

pub fn run(global: &Global, args: &Args) -> Result<(), Failure> {
    let tokenizer = Tokenizer::load(&args.tokenizer)?;
    let bar = super::training::spinner(global);
    let texts = documents(&args.input, args.layout.into())?;
    let done = prepare(texts, &tokenizer, args.max_length, &args.out, |progress| {
        bar.set_message(format!("{} documents, {} tokens", progress.documents, progress.tokens));
        bar.tick();
    })?;
    bar.finish_and_clear();
    let (documents, blocks, tokens) = (done.documents, done.blocks, done.tokens);
    if global.json {
        let counts =
            serde_json::json!({"documents": documents, "blocks": blocks, "tokens": tokens});
        println!("{counts}");
    } else {
        println!(
            "{documents} documents, {blocks} blocks, {tokens} tokens in {}",
            args.out.display()
        );
    }
    Ok(())
}
