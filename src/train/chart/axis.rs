//! An axis with round numbers on it, linear or logarithmic.

use std::ops::Range;

use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint, Ranged};

/// How values are spread over an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// Equal differences take equal space.
    Linear,
    /// Equal ratios take equal space; values must be positive.
    Logarithmic,
}

/// A range of values and the round numbers that are labelled in it.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    scale: Scale,
    range: Range<f64>,
    ticks: Vec<f64>,
}

impl Axis {
    /// Makes an axis over `range`, which may be empty: it is then widened.
    pub(super) fn new(scale: Scale, range: Range<f64>, max_ticks: usize) -> Self {
        let widened = match scale {
            Scale::Linear if range.end <= range.start => {
                let around = range.start.abs().max(1.0) * 0.5;
                range.start - around..range.start + around
            }
            Scale::Logarithmic if range.end <= range.start => range.start * 0.5..range.start * 2.0,
            _ => range,
        };
        let ticks = match scale {
            Scale::Linear => linear_ticks(&widened, max_ticks),
            Scale::Logarithmic => logarithmic_ticks(&widened, max_ticks),
        };
        Self { scale, range: widened, ticks }
    }

    /// Makes an axis over `values` with a little room at both ends.
    pub(super) fn around(
        scale: Scale,
        values: impl Iterator<Item = f64>,
        max_ticks: usize,
    ) -> Self {
        let (low, high) =
            values.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
        if low > high {
            return Self::new(scale, 1.0..1.0, max_ticks);
        }
        let range = match scale {
            Scale::Linear => {
                let room = 0.06 * (high - low);
                // Losses and scores are not negative: room below 0 would suggest that they can be.
                let bottom = if low >= 0.0 { (low - room).max(0.0) } else { low - room };
                bottom..high + room
            }
            Scale::Logarithmic => {
                let room = (high / low).powf(0.06);
                low / room..high * room
            }
        };
        Self::new(scale, range, max_ticks)
    }

    /// Words a value as a label: `0.05`, `1200`, `12k`, `1e-6`.
    pub(super) fn label(value: f64) -> String {
        let size = value.abs();
        if size != 0.0 && !(1e-3..1e7).contains(&size) {
            return format!("{value:e}");
        }
        if size >= 1e4 {
            return format!("{}k", value / 1e3);
        }
        // Ticks are k·10^n summed in floating point: nine decimals are beyond any and hide the error.
        let text = format!("{value:.9}");
        text.trim_end_matches('0').trim_end_matches('.').to_string()
    }
}

impl Ranged for Axis {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (from, to): (i32, i32)) -> i32 {
        let spread = |v: f64| match self.scale {
            Scale::Linear => v,
            Scale::Logarithmic => v.max(f64::MIN_POSITIVE).ln(),
        };
        let (low, high) = (spread(self.range.start), spread(self.range.end));
        let share = (spread(*value) - low) / (high - low);
        from + (share * f64::from(to - from)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, _hint: Hint) -> Vec<f64> {
        self.ticks.clone()
    }

    fn range(&self) -> Range<f64> {
        self.range.clone()
    }
}

/// Plotters takes as an axis only what a plain range could become.
impl From<Range<f64>> for Axis {
    fn from(range: Range<f64>) -> Self {
        Self::new(Scale::Linear, range, 6)
    }
}

/// Multiples of 1, 2 or 5 times a power of ten, at most `max_ticks` of them.
fn linear_ticks(range: &Range<f64>, max_ticks: usize) -> Vec<f64> {
    let width = range.end - range.start;
    let power = 10_f64.powf((width / max_ticks as f64).log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|multiple| multiple * power);
    let count = |step: f64| (range.end / step).floor() - (range.start / step).ceil() + 1.0;
    let step = steps.into_iter().find(|&step| count(step) <= max_ticks as f64).unwrap_or(width);
    let first = (range.start / step).ceil();
    (0..max_ticks)
        .map(|index| (first + index as f64) * step)
        .take_while(|&tick| tick <= range.end + step * 1e-9)
        .collect()
}

/// 1, 2 and 5 in every decade where there is room for them, else powers of ten; in less than a decade
/// that holds too few of them, equal differences read best after all.
fn logarithmic_ticks(range: &Range<f64>, max_ticks: usize) -> Vec<f64> {
    let decades = range.start.log10().floor() as i32..=range.end.log10().ceil() as i32;
    let ticks = |multiples: &[f64]| -> Vec<f64> {
        let all = decades.clone().flat_map(|d| multiples.iter().map(move |m| m * 10_f64.powi(d)));
        all.filter(|tick| range.contains(tick)).collect()
    };
    let (fine, coarse) = (ticks(&[1.0, 2.0, 5.0]), ticks(&[1.0]));
    match fine.len() {
        0..3 => linear_ticks(range, max_ticks),
        n if n <= max_ticks => fine,
        _ => {
            let every = coarse.len().div_ceil(max_ticks);
            coarse.into_iter().step_by(every.max(1)).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_few() {
        for (scale, range, expected) in [
            (Scale::Linear, 0.0..1.0, vec!["0", "0.2", "0.4", "0.6", "0.8", "1"]),
            (Scale::Linear, 0.0..12_345.0, vec!["0", "5000", "10k"]),
            (Scale::Linear, 2.31..2.47, vec!["2.35", "2.4", "2.45"]),
            (Scale::Linear, 3.0..3.0, vec!["2", "3", "4"]),
            (Scale::Logarithmic, 0.8..12.0, vec!["1", "2", "5", "10"]),
            (Scale::Logarithmic, 1e-6..1.5, vec!["1e-6", "1e-4", "0.01", "1"]),
            (Scale::Logarithmic, 5.2..9.9, vec!["6", "7", "8", "9"]),
        ] {
            let axis = Axis::new(scale, range.clone(), 6);
            let labels: Vec<String> = axis.ticks.iter().map(|&tick| Axis::label(tick)).collect();
            assert!(labels.len() <= 6, "{scale:?} {range:?}: {labels:?}");
            assert_eq!(labels, expected, "{scale:?} {range:?}");
        }
    }
}
