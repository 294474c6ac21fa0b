//! A roofline (Williams et al. 2009, doi:10.1145/1498765.1498785): what a device can reach at each arithmetic intensity,
//! and how near each kernel comes.

use plotters::prelude::*;
use plotters::style::FontStyle;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::axis::{Axis, Scale};
use super::{COLOURS, Error, GRID, TEXT, TITLE_HEIGHT, WIDTH, chart, draw, font};

const HEIGHT: u32 = 520;
/// Powers of ten below the roof that are shown; slower kernels stand on the lower edge.
const DEPTH: f64 = 1e-3;

/// One kernel at one shape.
#[derive(Clone, Debug)]
pub struct RooflinePoint {
    /// What stands beside the dot: short, such as its number in a table.
    pub label: String,
    /// Points of one family have one colour.
    pub family: usize,
    /// FLOPs a byte that must move at least.
    pub intensity: f64,
    /// Achieved 10⁹ FLOP a second.
    pub gflops: f64,
}

/// What points stand below.
#[derive(Clone, Copy, Debug)]
pub struct Roofs {
    /// 10⁹ FLOP a second that nothing exceeds.
    pub peak: f64,
    /// 10⁹ FLOP a second of the best product, a dashed line.
    pub products: f64,
    /// 10⁹ bytes a second.
    pub bandwidth: f64,
}

/// Draws `points` below the roof `min(peak, bandwidth · intensity)` on two logarithmic axes, and returns the SVG.
///
/// Points without FLOPs or bytes are left out.
///
/// # Errors
/// [`Error::Chart`] if no point is left, or the picture cannot be drawn.
pub fn roofline_chart(
    title: &str,
    &Roofs { peak, products, bandwidth }: &Roofs,
    points: &[RooflinePoint],
) -> Result<String, Error> {
    let shown = || points.iter().filter(|p| p.intensity > 0.0 && p.gflops > 0.0);
    if shown().next().is_none() {
        return Err(Error::Chart("there is nothing to show".to_string()));
    }
    let ridge = peak / bandwidth;
    let x_axis = Axis::around(Scale::Logarithmic, shown().map(|p| p.intensity).chain([ridge]), 8);
    let floor = peak * DEPTH;
    let heights = shown().map(|p| p.gflops.max(floor)).chain([peak]);
    let y_axis = Axis::around(Scale::Logarithmic, heights, 8);
    let (left, right) = (x_axis.range().start, x_axis.range().end);
    let roof = [left, ridge.clamp(left, right), right].map(|x| (x, peak.min(bandwidth * x)));
    let ceiling = [(products / bandwidth).clamp(left, right), right].map(|x| (x, products));

    draw(title, TITLE_HEIGHT + HEIGHT, |plot| {
        let mut area = ChartBuilder::on(&plot)
            .margin_left(8)
            .margin_right(24)
            .margin_top(6)
            .x_label_area_size(44)
            .y_label_area_size(68)
            .build_cartesian_2d(x_axis, y_axis)
            .map_err(chart)?;
        area.configure_mesh()
            .bold_line_style(GRID)
            .light_line_style(TRANSPARENT)
            .axis_style(TEXT.mix(0.5))
            .label_style(font(13, FontStyle::Normal))
            .axis_desc_style(font(14, FontStyle::Normal))
            .x_label_formatter(&|x| Axis::label(*x))
            .y_label_formatter(&|y| Axis::label(*y))
            .x_desc("FLOP a byte, at least (log scale)")
            .y_desc("GFLOP/s (log scale)")
            .draw()
            .map_err(chart)?;
        area.draw_series(LineSeries::new(roof, TEXT.stroke_width(2))).map_err(chart)?;
        let dashes = DashedLineSeries::new(ceiling, 6, 4, TEXT.stroke_width(1));
        area.draw_series(dashes).map_err(chart)?;
        let beside = font(11, FontStyle::Normal).pos(Pos::new(HPos::Left, VPos::Bottom));
        for point in shown() {
            let at = (point.intensity, point.gflops.max(floor));
            let colour = COLOURS[point.family % COLOURS.len()];
            let dot = Circle::new(at, 4, colour.filled());
            area.draw_series(std::iter::once(dot)).map_err(chart)?;
            let (x, y) = area.backend_coord(&at);
            let (left, top) = plot.get_base_pixel();
            let x = (x - left + 5).min(WIDTH as i32 - 20);
            let label = Text::new(point.label.as_str(), (x, y - top - 3), beside.clone());
            plot.draw(&label).map_err(chart)?;
        }
        Ok(())
    })
}
