//! `wgrad evaluate`.

use std::path::PathBuf;

use super::{Failure, Global};
use crate::retrieval::metrics::{Queries, evaluate};
use crate::retrieval::trec::{read_qrels, read_run};

/// Measures a ranking.
#[derive(clap::Args)]
#[command(after_help = "\
Example:  wgrad evaluate --qrels beir/squadshifts/qrels/test.tsv --run run.trec

Equal to trec_eval 9.0.8 with -c: every judged query counts, those without a ranking as 0.")]
pub struct Args {
    /// Judgments: TREC, MS MARCO or BEIR.
    #[arg(long, value_name = "FILE")]
    qrels: PathBuf,
    /// A ranking: TREC or MS MARCO.
    #[arg(long, value_name = "FILE")]
    run: PathBuf,
    /// Average only over judged queries that have a ranking, as trec_eval without -c.
    #[arg(long)]
    ranked_only: bool,
    /// Average by the part of each query id before its first dash, and over all.
    #[arg(long)]
    by_prefix: bool,
}

pub fn run(global: &Global, args: &Args) -> Result<(), Failure> {
    let (qrels, run) = (read_qrels(&args.qrels)?, read_run(&args.run)?);
    let over = if args.ranked_only { Queries::Answered } else { Queries::Judged };
    let mut groups = vec![("all".to_string(), qrels.clone())];
    if args.by_prefix {
        let prefix = |id: &str| id.split('-').next().unwrap_or_default().to_string();
        let mut names: Vec<String> = qrels.keys().map(|id| prefix(id)).collect();
        names.dedup();
        for name in names {
            let part = qrels.iter().filter(|(id, _)| prefix(id) == name);
            groups.push((
                name.clone(),
                part.map(|(id, judged)| (id.clone(), judged.clone())).collect(),
            ));
        }
    }
    let mut json = serde_json::Map::new();
    for (name, qrels) in &groups {
        let result = evaluate(qrels, &run, over);
        let value = serde_json::to_value(&result)?;
        if global.json {
            json.insert(name.clone(), value);
            continue;
        }
        let fields = value.as_object().expect("an evaluation is an object");
        let line: Vec<String> = fields
            .iter()
            .map(|(name, value)| match value.as_u64() {
                Some(count) => format!("{name} {count}"),
                None => format!("{name} {:.4}", value.as_f64().unwrap_or(f64::NAN)),
            })
            .collect();
        println!("{name:<6} {}", line.join("  "));
    }
    if global.json {
        let all = json.remove("all").expect("all queries are always measured");
        let mut all = all.as_object().expect("an evaluation is an object").clone();
        if args.by_prefix {
            all.insert("groups".into(), json.into());
        }
        println!("{}", serde_json::Value::Object(all));
    }
    Ok(())
}
