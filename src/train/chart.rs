//! Curves and bars as SVG: text that any browser shows, sharp at any size, with no font file needed.

mod axis;
mod bars;
mod roofline;

use std::collections::HashMap;

use plotters::backend::SVGBackend;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::FontStyle;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use self::axis::Axis;
pub use self::axis::Scale;
pub use self::bars::{BarGroup, bar_chart};
pub use self::roofline::{RooflinePoint, Roofs, roofline_chart};
use super::Error;
use super::metrics::Record;

/// Colours that stay distinct for colour-blind readers and on paper (Okabe & Ito 2008), without the yellow,
/// which is too light for a line.
const COLOURS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(60, 60, 60),
];
const TEXT: RGBColor = RGBColor(40, 40, 40);
const GRID: RGBColor = RGBColor(228, 228, 228);

const WIDTH: u32 = 960;
const TITLE_HEIGHT: u32 = 44;
const LEGEND_WIDTH: u32 = 216;
/// More points than these across a panel cannot be told apart.
const MEASURED_POINTS: usize = 1200;
const SMOOTH_POINTS: usize = 160;

/// What a panel shows by one line.
#[derive(Clone, Debug)]
pub struct Series {
    /// The name in the legend.
    pub name: String,
    /// Points from left to right; those that are not finite are left out.
    pub points: Vec<(f64, f64)>,
    /// How the points relate to each other.
    pub kind: SeriesKind,
}

/// How the points of a series relate to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeriesKind {
    /// A noisy value a step: drawn faintly, its mean over neighbours boldly.
    Measured,
    /// Few values, each of which counts: drawn as dots, joined.
    Sampled,
}

/// One of the panels of a chart, stacked over a common horizontal axis.
#[derive(Clone, Debug)]
pub struct Panel {
    /// What the vertical axis measures.
    pub label: String,
    /// How the vertical axis is spread.
    pub scale: Scale,
    /// Pixels.
    pub height: u32,
    /// The lines, in the order of the legend.
    pub series: Vec<Series>,
}

/// Draws `panels` under each other over a common horizontal axis, and returns the SVG.
///
/// # Errors
/// [`Error::Chart`] if there is no panel or the picture cannot be drawn.
pub fn line_chart(title: &str, x_label: &str, panels: &[Panel]) -> Result<String, Error> {
    let Some(last) = panels.len().checked_sub(1) else {
        return Err(Error::Chart("there is nothing to show".to_string()));
    };
    let all_x = panels.iter().flat_map(|p| &p.series).flat_map(|s| &s.points).map(|&(x, _)| x);
    let (low, high) = all_x.fold((f64::INFINITY, 0.0_f64), |(l, h), x| (l.min(x), h.max(x)));
    let x_axis = Axis::new(Scale::Linear, low.min(high)..high, 8);

    let height = TITLE_HEIGHT + panels.iter().map(|panel| panel.height).sum::<u32>();
    draw(title, height, |mut area| {
        for (index, panel) in panels.iter().enumerate() {
            let (this, rest) = area.split_vertically(panel.height);
            let x_label = (index == last).then_some(x_label);
            draw_panel(&this, panel, x_axis.clone(), x_label)?;
            area = rest;
        }
        Ok(())
    })
}

/// Draws what a run measured: its training loss with each term, held-out loss, and probes.
///
/// Fields called `loss…` and `heldout_…` share a panel, logarithmic where they span more than a factor of 20;
/// `probe_…` fields share another, and `learning_rate` has a small one.
///
/// # Errors
/// [`Error::Chart`] if no record has any of these fields.
pub fn loss_chart(title: &str, records: &[Record]) -> Result<String, Error> {
    // In the order of first appearance: the total, its terms, then what is evaluated now and then.
    let mut names: Vec<&str> = Vec::new();
    let mut points: HashMap<&str, Vec<(f64, f64)>> = HashMap::new();
    for record in records {
        for (name, value) in record.values.iter().filter(|(_, value)| value.is_finite()) {
            let curve = points.entry(name).or_insert_with(|| {
                names.push(name);
                Vec::new()
            });
            curve.push((record.step as f64, *value));
        }
    }
    let panel = |label: &str, height: u32, wanted: &dyn Fn(&str) -> bool| -> Option<Panel> {
        let named = names.iter().filter(|name| wanted(name));
        let series: Vec<Series> = named
            .map(|&name| Series {
                name: name.to_string(),
                points: points[name].clone(),
                kind: if name.starts_with("loss") {
                    SeriesKind::Measured
                } else {
                    SeriesKind::Sampled
                },
            })
            .collect();
        let values = || series.iter().flat_map(|s| &s.points).map(|&(_, y)| y);
        let (low, high) = values().fold((f64::INFINITY, 0.0_f64), |(l, h), y| (l.min(y), h.max(y)));
        let scale = if low > 0.0 && high > 20.0 * low { Scale::Logarithmic } else { Scale::Linear };
        (!series.is_empty()).then(|| Panel { label: label.to_string(), scale, height, series })
    };
    let is_loss = |name: &str| name.starts_with("loss") || name.starts_with("heldout_");
    let rate = panel("learning rate", 130, &|name| name == "learning_rate").map(|mut rate| {
        rate.scale = Scale::Linear;
        rate.series.iter_mut().for_each(|series| series.kind = SeriesKind::Measured);
        rate
    });
    let panels: Vec<Panel> = [
        panel("loss", 340, &is_loss),
        panel("probe", 220, &|name| name.starts_with("probe_")),
        rate,
    ]
    .into_iter()
    .flatten()
    .collect();
    line_chart(title, "step", &panels)
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Sets up a white picture with a title, lets `body` draw the rest, and returns the SVG.
fn draw(
    title: &str,
    height: u32,
    body: impl FnOnce(Area) -> Result<(), Error>,
) -> Result<String, Error> {
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, (WIDTH, height)).into_drawing_area();
        root.fill(&WHITE).map_err(chart)?;
        let (head, rest) = root.split_vertically(TITLE_HEIGHT);
        let style = font(18, FontStyle::Bold).pos(Pos::new(HPos::Left, VPos::Center));
        let at = (24, TITLE_HEIGHT as i32 / 2 + 2);
        head.draw(&Text::new(title, at, style)).map_err(chart)?;
        body(rest)?;
        root.present().map_err(chart)?;
    }
    Ok(svg)
}

fn draw_panel(
    area: &Area,
    panel: &Panel,
    x_axis: Axis,
    x_label: Option<&str>,
) -> Result<(), Error> {
    let visible = |&(x, y): &(f64, f64)| {
        x.is_finite() && y.is_finite() && (panel.scale == Scale::Linear || y > 0.0)
    };
    let mut series = panel.series.clone();
    series.iter_mut().for_each(|series| series.points.retain(visible));
    let colours = colours(&series);
    let coloured = || series.iter().zip(colours.iter().copied());
    let values = series.iter().flat_map(|series| &series.points).map(|&(_, y)| y);
    let max_ticks = if panel.height < 160 { 3 } else { 6 };
    let y_axis = Axis::around(panel.scale, values, max_ticks);

    let (plot, legend) = area.split_horizontally(WIDTH - LEGEND_WIDTH);
    let mut chart_area = ChartBuilder::on(&plot)
        .margin_left(8)
        .margin_right(8)
        .margin_top(6)
        .x_label_area_size(if x_label.is_some() { 44 } else { 24 })
        .y_label_area_size(68)
        .build_cartesian_2d(x_axis, y_axis)
        .map_err(chart)?;
    let y_label = match panel.scale {
        Scale::Linear => panel.label.clone(),
        Scale::Logarithmic => format!("{} (log scale)", panel.label),
    };
    chart_area
        .configure_mesh()
        .bold_line_style(GRID)
        .light_line_style(TRANSPARENT)
        .axis_style(TEXT.mix(0.5))
        .label_style(font(13, FontStyle::Normal))
        .axis_desc_style(font(14, FontStyle::Normal))
        .x_label_formatter(&|x| Axis::label(*x))
        .y_label_formatter(&|y| Axis::label(*y))
        .x_desc(x_label.unwrap_or_default())
        .y_desc(y_label)
        .draw()
        .map_err(chart)?;

    for (Series { points, kind, .. }, colour) in coloured() {
        let line = match kind {
            SeriesKind::Measured if points.len() > SMOOTH_POINTS => {
                let faint = means(points, MEASURED_POINTS);
                let style = colour.mix(0.22).stroke_width(1);
                chart_area.draw_series(LineSeries::new(faint, style)).map_err(chart)?;
                means(points, SMOOTH_POINTS)
            }
            _ => points.clone(),
        };
        if *kind == SeriesKind::Sampled || line.len() == 1 {
            let dots = line.iter().map(|&point| Circle::new(point, 3, colour.filled()));
            chart_area.draw_series(dots).map_err(chart)?;
        }
        let style = colour.stroke_width(2);
        chart_area.draw_series(LineSeries::new(line, style)).map_err(chart)?;
    }
    let entries = coloured().map(|(Series { name, points, kind }, colour)| {
        let last = points.last().map(|&(_, y)| significant(y)).unwrap_or_default();
        (name.clone(), last, colour, *kind)
    });
    draw_legend(&legend, entries)
}

/// A colour for each term of a loss; what is held out has that of its term, and dots.
fn colours(series: &[Series]) -> Vec<RGBColor> {
    let term = |series: &Series| series.name.trim_start_matches("heldout_").to_string();
    let mut terms: Vec<String> = Vec::new();
    let mut colour = |series: &Series| {
        let term = term(series);
        let known = terms.iter().position(|known| *known == term);
        let at = known.unwrap_or(terms.len());
        if known.is_none() {
            terms.push(term);
        }
        COLOURS[at % COLOURS.len()]
    };
    series.iter().map(&mut colour).collect()
}

/// Draws a coloured mark, a name and a value for each entry, under each other; a dot on the mark of what is sampled.
fn draw_legend(
    area: &Area,
    entries: impl Iterator<Item = (String, String, RGBColor, SeriesKind)>,
) -> Result<(), Error> {
    let style = |side: HPos| font(13, FontStyle::Normal).pos(Pos::new(side, VPos::Center));
    for (index, (name, value, colour, kind)) in entries.enumerate() {
        let y = 18 + 22 * index as i32;
        let mark = Rectangle::new([(4, y - 3), (22, y + 1)], colour.filled());
        area.draw(&mark).map_err(chart)?;
        if kind == SeriesKind::Sampled {
            area.draw(&Circle::new((13, y - 1), 5, colour.filled())).map_err(chart)?;
        }
        area.draw(&Text::new(name, (30, y), style(HPos::Left))).map_err(chart)?;
        let right = LEGEND_WIDTH as i32 - 16;
        area.draw(&Text::new(value, (right, y), style(HPos::Right))).map_err(chart)?;
    }
    Ok(())
}

/// Joins neighbouring points into at most `count` means, so that a long run stays a small picture.
fn means(points: &[(f64, f64)], count: usize) -> Vec<(f64, f64)> {
    let mean = |group: &[(f64, f64)]| {
        let (x, y) = group.iter().fold((0.0, 0.0), |(sx, sy), (x, y)| (sx + x, sy + y));
        (x / group.len() as f64, y / group.len() as f64)
    };
    points.chunks(points.len().div_ceil(count).max(1)).map(mean).collect()
}

/// Four significant digits.
fn significant(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_string(),
        1e-3..1e6 => {
            let decimals = (3 - value.abs().log10().floor() as i32).max(0) as usize;
            format!("{value:.decimals$}")
        }
        _ => format!("{value:.3e}"),
    }
}

fn font(size: u32, style: FontStyle) -> TextStyle<'static> {
    ("sans-serif", size, style).into_font().color(&TEXT)
}

fn chart(error: impl std::error::Error) -> Error {
    Error::Chart(error.to_string())
}
