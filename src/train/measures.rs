//! How good the answers of a labelled test are: accuracy, F1, and how far two rows of numbers agree.

use std::collections::HashSet;

/// The share of answers that are right; 0 of none.
pub fn accuracy(expected: &[u32], found: &[u32]) -> f64 {
    let right = expected.iter().zip(found).filter(|(e, f)| e == f).count();
    right as f64 / expected.len().max(1) as f64
}

/// The mean over classes of each class' F1 = 2·right / (expected + found), over the classes that occur in either.
///
/// # Source
/// `sklearn.metrics.f1_score(average="macro")`.
pub fn macro_f1(expected: &[u32], found: &[u32]) -> f64 {
    let classes: HashSet<u32> = expected.iter().chain(found).copied().collect();
    let f1 = |class: u32| {
        let count = |of: &[u32]| of.iter().filter(|&&at| at == class).count();
        let right = expected.iter().zip(found).filter(|&(&e, &f)| e == class && f == class).count();
        2.0 * right as f64 / (count(expected) + count(found)) as f64
    };
    let mut classes: Vec<u32> = classes.into_iter().collect();
    classes.sort_unstable(); // one order of summation
    classes.iter().map(|&class| f1(class)).sum::<f64>() / classes.len().max(1) as f64
}

/// F1 of whole spans, of tags `B-kind`, `I-kind` and others: 2·right / (expected + found), where a span is right if both
/// its ends and its kind are. `texts` are the numbers of tags of each text, for no span goes on into the next one.
///
/// An `I-` that continues nothing begins a span.
///
/// # Source
/// Tjong Kim Sang & De Meulder 2003 (CoNLL-2003), §2.3; `conlleval`.
pub fn span_f1(expected: &[&str], found: &[&str], texts: &[usize]) -> f64 {
    let (expected, found) = (spans(expected, texts), spans(found, texts));
    let right = expected.intersection(&found).count();
    match expected.len() + found.len() {
        0 => 0.0,
        both => 2.0 * right as f64 / both as f64,
    }
}

/// Start, end and kind of every span.
fn spans<'a>(tags: &[&'a str], texts: &[usize]) -> HashSet<(usize, usize, &'a str)> {
    let mut spans = HashSet::new();
    let mut first = 0;
    for &length in texts {
        let mut open: Option<(usize, &str)> = None;
        for (at, tag) in tags.iter().enumerate().skip(first).take(length) {
            let (mark, kind) = tag.split_once('-').unwrap_or(("O", ""));
            let goes_on = mark == "I" && open.is_some_and(|(_, opened)| opened == kind);
            if goes_on {
                continue;
            }
            spans.extend(open.take().map(|(start, kind)| (start, at, kind)));
            open = (mark == "B" || mark == "I").then_some((at, kind));
        }
        first += length;
        spans.extend(open.map(|(start, kind)| (start, first, kind)));
    }
    spans
}

/// Pearson's correlation: how far two rows of numbers lie on a line; 0 where one does not vary.
pub fn pearson(x: &[f64], y: &[f64]) -> f64 {
    let mean = |of: &[f64]| of.iter().sum::<f64>() / of.len().max(1) as f64;
    let (mx, my) = (mean(x), mean(y));
    let sum = |of: &dyn Fn(f64, f64) -> f64| -> f64 {
        x.iter().zip(y).map(|(&a, &b)| of(a - mx, b - my)).sum()
    };
    let spread = (sum(&|a, _| a * a) * sum(&|_, b| b * b)).sqrt();
    if spread > 0.0 { sum(&|a, b| a * b) / spread } else { 0.0 }
}

/// Spearman's correlation: Pearson's of the ranks, of which equal numbers share the mean.
pub fn spearman(x: &[f64], y: &[f64]) -> f64 {
    pearson(&ranks(x), &ranks(y))
}

fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut first = 0;
    for equal in order.chunk_by(|&a, &b| values[a] == values[b]) {
        let mean = first as f64 + (equal.len() - 1) as f64 / 2.0;
        equal.iter().for_each(|&at| ranks[at] = mean);
        first += equal.len();
    }
    ranks
}
