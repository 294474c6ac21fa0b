//! Groups of bars: one group a measure, one colour a system.

use plotters::prelude::*;
use plotters::style::FontStyle;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::axis::{Axis, Scale};
use super::{
    COLOURS, Error, GRID, LEGEND_WIDTH, SeriesKind, TEXT, WIDTH, chart, draw, draw_legend, font,
};

const HEIGHT: u32 = 380;
/// Share of a group's width that its bars take.
const FILLED: f64 = 0.8;

/// The bars over one label of the horizontal axis.
#[derive(Clone, Debug)]
pub struct BarGroup {
    /// What is measured: "MRR@10".
    pub label: String,
    /// One value a system, none negative, in the order of the chart's `systems`.
    pub values: Vec<f64>,
}

/// Draws `groups` of bars, one bar for each of `systems`, each with its value above, and returns the SVG.
///
/// # Errors
/// [`Error::Chart`] if there is nothing to show, or a group has not one value a system.
pub fn bar_chart(title: &str, systems: &[&str], groups: &[BarGroup]) -> Result<String, Error> {
    if groups.is_empty() || systems.is_empty() {
        return Err(Error::Chart("there is nothing to show".to_string()));
    }
    if let Some(group) = groups.iter().find(|group| group.values.len() != systems.len()) {
        return Err(Error::Chart(format!(
            "{} has {} values, expected one for each of {} systems",
            group.label,
            group.values.len(),
            systems.len()
        )));
    }
    let highest = groups.iter().flat_map(|group| &group.values).fold(0.0_f64, |h, &v| h.max(v));
    let coloured = || systems.iter().zip(COLOURS.iter().cycle());
    draw(title, super::TITLE_HEIGHT + HEIGHT, |area| {
        let (plot, legend) = area.split_horizontally(WIDTH - LEGEND_WIDTH);
        // Room for the value above the highest bar.
        let y_axis = Axis::new(Scale::Linear, 0.0..highest.max(1e-9) * 1.1, 6);
        let x_axis = Axis::new(Scale::Linear, 0.0..groups.len() as f64, 1);
        let mut bars = ChartBuilder::on(&plot)
            .margin_left(8)
            .margin_right(8)
            .margin_top(6)
            .x_label_area_size(40)
            .y_label_area_size(64)
            .build_cartesian_2d(x_axis, y_axis)
            .map_err(chart)?;
        bars.configure_mesh()
            .disable_x_mesh()
            .bold_line_style(GRID)
            .light_line_style(TRANSPARENT)
            .axis_style(TEXT.mix(0.5))
            .label_style(font(13, FontStyle::Normal))
            .x_label_formatter(&|_| String::new())
            .y_label_formatter(&|y| Axis::label(*y))
            .draw()
            .map_err(chart)?;

        let width = FILLED / systems.len() as f64;
        let above = font(12, FontStyle::Normal).pos(Pos::new(HPos::Center, VPos::Bottom));
        let below = font(14, FontStyle::Normal).pos(Pos::new(HPos::Center, VPos::Top));
        for (index, group) in groups.iter().enumerate() {
            let left = index as f64 + (1.0 - FILLED) / 2.0;
            for (bar, (&value, (_, colour))) in group.values.iter().zip(coloured()).enumerate() {
                let from = left + bar as f64 * width;
                let corners = [(from + 0.04 * width, 0.0), (from + 0.96 * width, value)];
                let bar = Rectangle::new(corners, colour.filled());
                bars.draw_series(std::iter::once(bar)).map_err(chart)?;
                let (x, y) = bars.backend_coord(&(from + width / 2.0, value));
                let (left, top) = plot.get_base_pixel();
                let number =
                    Text::new(format!("{value:.3}"), (x - left, y - top - 3), above.clone());
                plot.draw(&number).map_err(chart)?;
            }
            let (x, y) = bars.backend_coord(&(index as f64 + 0.5, 0.0));
            let (left, top) = plot.get_base_pixel();
            let label = Text::new(group.label.as_str(), (x - left, y - top + 8), below.clone());
            plot.draw(&label).map_err(chart)?;
        }
        let entries = coloured()
            .map(|(name, &colour)| (name.to_string(), String::new(), colour, SeriesKind::Measured));
        draw_legend(&legend, entries)
    })
}
