//! What the demo found, kept as JSON and shown as a table, a picture and a page.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::corpus::Counts;
use super::place;
use crate::cli::{Failure, Global};
use crate::data::atomic;
use crate::train::chart::{BarGroup, bar_chart};
use crate::train::report::{Report, Section};

/// Two measures of one system.
#[derive(Clone, Copy)]
pub struct Row {
    /// MRR@10.
    pub mrr: f64,
    /// Recall@100.
    pub recall: f64,
}

/// Everything the demo measured.
pub struct Results {
    /// Items.
    pub counts: Counts,
    /// Measures by system.
    pub rows: BTreeMap<String, Row>,
    /// Of pre-training and of fine-tuning.
    pub seconds: [f64; 2],
}

/// Systems in the order of the table, as JSON and people name them.
const SYSTEMS: [(&str, &str); 4] = [
    ("random", "random encoder"),
    ("pretrained", "after pre-training"),
    ("finetuned", "after fine-tuning"),
    ("bm25", "BM25"),
];

/// The results below the demo's folder, if it is done.
pub fn read(out: &Path) -> Option<Results> {
    let text = fs::read_to_string(place(out, "results.json")).ok()?;
    let value: Value = serde_json::from_str(&text).ok()?;
    let count = |name: &str| value[name].as_u64().map(|count| count as usize);
    let row = |name: &str| {
        let (mrr, recall) = (value[name]["mrr@10"].as_f64()?, value[name]["recall@100"].as_f64()?);
        Some((name.to_string(), Row { mrr, recall }))
    };
    Some(Results {
        counts: Counts {
            crates: count("crates")?,
            train: count("train_items")?,
            heldout: count("heldout_items")?,
        },
        rows: SYSTEMS.iter().map(|(name, _)| row(name)).collect::<Option<_>>()?,
        seconds: [value["pretrain_seconds"].as_f64()?, value["finetune_seconds"].as_f64()?],
    })
}

impl Results {
    fn to_json(&self) -> Value {
        let mut json = json!({
            "crates": self.counts.crates,
            "train_items": self.counts.train,
            "heldout_items": self.counts.heldout,
            "pretrain_seconds": self.seconds[0],
            "finetune_seconds": self.seconds[1],
        });
        for (name, row) in &self.rows {
            json[name] = json!({"mrr@10": row.mrr, "recall@100": row.recall});
        }
        json
    }

    /// Writes `results.json` last: its presence says that the demo is done.
    pub fn write(&self, out: &Path) -> Result<(), Failure> {
        let names: Vec<&str> = SYSTEMS.iter().map(|(_, people)| *people).collect();
        let measure = |label: &str, of: fn(&Row) -> f64| BarGroup {
            label: label.to_string(),
            values: SYSTEMS.iter().map(|(name, _)| of(&self.rows[*name])).collect(),
        };
        let groups = [measure("MRR@10", |row| row.mrr), measure("Recall@100", |row| row.recall)];
        let bars = bar_chart("Finding the item that a comment describes", &names, &groups)?;
        atomic::write_file(&place(out, "results.svg"), bars.as_bytes())?;

        let curve = |stage: &str| fs::read_to_string(out.join(stage).join("loss.svg"));
        let counts = &self.counts;
        let row = |(name, people): &(&str, &str)| {
            let row = self.rows[*name];
            vec![(*people).to_string(), format!("{:.3}", row.mrr), format!("{:.3}", row.recall)]
        };
        let mut sections = vec![
            Section::Text(format!(
                "{} pairs of a documentation comment and the Rust item it is about, from {} crates, to learn from; \
                 {} of other crates, never seen in training, to search.",
                counts.train, counts.crates, counts.heldout
            )),
            Section::Table {
                texts: 1,
                header: ["", "MRR@10", "Recall@100"].map(String::from).to_vec(),
                rows: SYSTEMS.iter().map(row).collect(),
            },
            Section::Figure { svg: bars, caption: "Held-out crates; higher is better.".into() },
        ];
        for (stage, title) in [("pretrain", "Pre-training"), ("finetune", "Fine-tuning")] {
            sections.push(Section::Heading(title.into()));
            sections.push(Section::Figure {
                svg: curve(stage)?,
                caption: "What the run measured.".into(),
            });
            let recipe = fs::read_to_string(out.join(stage).join("recipe.toml"))?;
            sections.push(Section::Verbatim(recipe));
        }
        let report = Report { title: "wgrad demo: search over your dependencies".into(), sections };
        atomic::write_file(&place(out, "report.html"), report.to_html().as_bytes())?;
        let text = serde_json::to_string_pretty(&self.to_json())? + "\n";
        Ok(atomic::write_file(&place(out, "results.json"), text.as_bytes())?)
    }

    /// Prints the table; `again` says that nothing was trained now.
    pub fn print(&self, global: &Global, out: &Path, again: bool) {
        if global.json {
            println!("{}", self.to_json());
            return;
        }
        let Counts { crates, train, heldout } = self.counts;
        println!();
        println!(
            "{heldout} items of crates never seen in training; {train} of {crates} crates learnt from"
        );
        println!();
        println!("{:<22}{:>8}{:>12}", "", "MRR@10", "Recall@100");
        for (name, people) in SYSTEMS {
            let row = self.rows[name];
            println!("{people:<22}{:>8.3}{:>12.3}", row.mrr, row.recall);
        }
        println!();
        let [pretraining, finetuning] = self.seconds;
        println!(
            "training took {pretraining:.0} s + {finetuning:.0} s; report in {}",
            out.join("report.html").display()
        );
        if again {
            println!("(done before; another --out DIR runs it anew)");
        }
        println!(
            "now ask it something:  wgrad demo --out {} --ask \"copy a buffer to the cpu\"",
            out.display()
        );
    }
}
