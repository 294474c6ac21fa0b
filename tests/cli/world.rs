//! A folder with everything a small run needs, and the binary to run in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

/// Words of the text and of the passages.
const WORDS: [&str; 16] = [
    "river", "stone", "light", "paper", "green", "house", "train", "winter", "market", "bread",
    "garden", "window", "cloud", "silver", "letter", "music",
];
/// Documents of the text: 15 batches of 8 rows an epoch.
const DOCUMENTS: usize = 122;
/// Passages of the BEIR folder, each with its query.
const PASSAGES: usize = 24;

/// Pre-training in a [`World`], short of the objective, the steps and the run folder.
pub const PRETRAIN: &str = "pretrain --data text.txt --config config.json --tokenizer tokenizer \
                            --batch-size 8 --max-length 24 --quiet";

/// The same by ELECTRA, whose models have another `config.json`.
pub const ELECTRA: &str = "pretrain --data text.txt --config electra.json --tokenizer tokenizer \
                           --batch-size 8 --max-length 24 --quiet --objective electra";

/// The same by RetroMAE's basic decoding, with a decoder of two layers.
pub const BASIC: &str = "pretrain --data text.txt --config config.json --tokenizer tokenizer \
                         --batch-size 8 --max-length 24 --quiet --objective retromae \
                         --set decoding=basic --set decoder_layers=2 --set decoder_mask=0.7";

/// The same by GPT-2, to guess the next token.
pub const CAUSAL: &str = "pretrain --data text.txt --config gpt2.json --tokenizer tokenizer \
                          --batch-size 8 --max-length 24 --quiet --objective clm";

/// XLNet's rows that walk along the text both ways and remember: memory is longer than what one step adds.
pub const XLNET_WALK: &str = "--set memory=14 --set reuse=10 --set perm_size=2 --set bi_data=true";

/// A temporary folder with `text.txt`, `config.json`, `electra.json`, `xlnet.json`, `gpt2.json`, `tokenizer/` and `beir/`.
pub struct World {
    folder: TempDir,
}

/// How a command ended.
pub struct Ended {
    /// The exit status; `None` if a signal ended it.
    pub code: Option<i32>,
    /// What scripts read.
    pub stdout: String,
    /// What people read.
    pub stderr: String,
}

impl World {
    /// Writes the files and trains the tokenizer.
    pub fn new() -> Self {
        let world = Self { folder: tempfile::tempdir().expect("a temporary folder") };
        let line = |i: usize| format!("{} number {i}\n", words(i * 7, i + 1, 6 + i % 9));
        world.write("text.txt", &(0..DOCUMENTS).map(line).collect::<String>());
        world.write("config.json", &world.config(&[]).to_string());
        let electra = [
            ("model_type", json!("electra")),
            ("embedding_size", json!(12)),
            ("generator_hidden_size", json!(0.5)),
        ];
        world.write("electra.json", &world.config(&electra).to_string());
        let xlnet = json!({
            "model_type": "xlnet", "vocab_size": 120, "d_model": 16, "n_layer": 2, "n_head": 2, "d_inner": 32,
        });
        world.write("xlnet.json", &xlnet.to_string());
        let gpt2 = json!({
            "model_type": "gpt2", "vocab_size": 120, "n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 32,
        });
        world.write("gpt2.json", &gpt2.to_string());
        let passage = |i: usize| {
            let (id, title, text) = (format!("d{i}"), WORDS[i % 16], words(i * 5, 1 + i / 8, 8));
            json!({"_id": id, "title": title, "text": text}).to_string() + "\n"
        };
        let query = |i: usize| {
            json!({"_id": format!("q{i}"), "text": words(i * 5, 1 + i / 8, 3)}).to_string() + "\n"
        };
        let judgment = |i: usize| format!("q{i}\td{i}\t1\n");
        let qrels = (0..PASSAGES).map(judgment).collect::<String>();
        let qrels = format!("query-id\tcorpus-id\tscore\n{qrels}");
        world.write("beir/corpus.jsonl", &(0..PASSAGES).map(passage).collect::<String>());
        world.write("beir/queries.jsonl", &(0..PASSAGES).map(query).collect::<String>());
        for split in ["train", "dev", "test"] {
            world.write(&format!("beir/qrels/{split}.tsv"), &qrels);
        }
        world.succeed("tokenizer train --input text.txt --vocab-size 120 --out tokenizer --quiet");
        world
    }

    /// The configuration of a model of hidden size 16, with some keys changed.
    pub fn config(&self, changes: &[(&str, Value)]) -> Value {
        let mut config = json!({
            "model_type": "bert", "vocab_size": 120, "hidden_size": 16, "num_hidden_layers": 1,
            "num_attention_heads": 2, "intermediate_size": 32, "max_position_embeddings": 32,
        });
        for (key, value) in changes {
            config[*key] = value.clone();
        }
        config
    }

    /// Writes `classes.tsv`, `numbers.tsv` (of pairs) and `tags.conll`, 24 texts each.
    pub fn labelled(&self) {
        let text = |i: usize| words(i * 7, i + 1, 5 + i % 4);
        let class = |i: usize| format!("{}\t{}\n", ["dry", "wet"][i % 2], text(i));
        self.write("classes.tsv", &(0..24).map(class).collect::<String>());
        let number = |i: usize| format!("{}\t{}\t{}\n", i % 5, text(i), text(i + 3));
        self.write("numbers.tsv", &(0..24).map(number).collect::<String>());
        let tag = |(i, word): (usize, &str)| format!("{word} {}\n", ["O", "B-A", "I-A"][i % 3]);
        let tagged = |i: usize| text(i).split(' ').enumerate().map(tag).collect::<String>() + "\n";
        self.write("tags.conll", &(0..24).map(tagged).collect::<String>());
    }

    /// Pre-trains `NAME/model` for two steps.
    pub fn pretrained(&self, name: &str, objective: &str) {
        self.succeed(&format!("{PRETRAIN} --objective {objective} --steps 2 --out {name}"));
    }

    /// Where a file of this world lies.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The text of a file.
    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Writes a file, and the folders it lies in.
    pub fn write(&self, name: &str, content: &str) {
        let path = self.path(name);
        let parent = path.parent().expect("a file of the world lies in a folder");
        fs::create_dir_all(parent).expect("the temporary folder is writable");
        fs::write(path, content).expect("the temporary folder is writable");
    }

    /// Copies a folder.
    pub fn copy(&self, from: &str, to: &str) {
        copy(&self.path(from), &self.path(to));
    }

    /// The binary with the words of `line` as arguments, on the CPU unless `line` names a device.
    pub fn wgrad(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wgrad"));
        command.args(split_words(line)).current_dir(self.folder.path());
        command.env("WGRAD_DEVICE", "cpu").env_remove("RUST_LOG");
        // As in a container: nobody is logged in.
        command.env_remove("XDG_RUNTIME_DIR").stdin(Stdio::null());
        command
    }

    /// Runs the binary to its end.
    pub fn run(&self, line: &str) -> Ended {
        Ended::of(&mut self.wgrad(line))
    }

    /// Runs the binary, which must succeed.
    pub fn succeed(&self, line: &str) -> Ended {
        let ended = self.run(line);
        assert_eq!(ended.code, Some(0), "wgrad {line}\n{}", ended.stderr);
        ended
    }

    /// Runs the binary with `--json`; its whole stdout is one object.
    pub fn json(&self, line: &str) -> Value {
        let ended = self.succeed(&format!("{line} --json"));
        let value: Value = serde_json::from_str(&ended.stdout)
            .unwrap_or_else(|error| panic!("wgrad {line}: {error} in {:?}", ended.stdout));
        assert!(value.is_object(), "wgrad {line}: {value} is no object");
        value
    }
}

impl Ended {
    /// Runs a command to its end.
    pub fn of(command: &mut Command) -> Self {
        let output = command.output().expect("the binary was built with this test");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("wgrad writes UTF-8");
        Self {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }
}

/// `count` words from `start` on, `stride` apart.
fn words(start: usize, stride: usize, count: usize) -> String {
    let word = |j: usize| WORDS[(start + j * stride + j * j) % WORDS.len()];
    (0..count).map(word).collect::<Vec<_>>().join(" ")
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("the temporary folder is writable");
    for entry in fs::read_dir(from).unwrap_or_else(|error| panic!("{}: {error}", from.display())) {
        let entry = entry.expect("the temporary folder is readable");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("the temporary folder is writable");
        }
    }
}

/// The words of a command line as a shell splits them: white space separates, double quotes keep together.
fn split_words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted) = (Vec::new(), None::<String>, false);
    for letter in line.chars() {
        match letter {
            '"' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            _ if letter.is_whitespace() && !quoted => words.extend(word.take()),
            _ => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    words
}
