//! What `wgrad bench kernels` measured, as a page: a roofline, and the table.

use wgrad_engine::Device;
use wgrad_engine::testing::bench::{Roofline, Timing};

use super::Failure;
use super::kernels::Row;
use crate::train::chart::{RooflinePoint, Roofs, roofline_chart};
use crate::train::report::{Report, Section};

/// One HTML file that needs nothing beside it.
pub(super) fn html(device: &Device, roofline: &Roofline, rows: &[Row]) -> Result<String, Failure> {
    let roofs = Roofs {
        peak: roofline.flops / 1e9,
        products: roofline.product_flops / 1e9,
        bandwidth: roofline.bytes / 1e9,
    };
    let mut families: Vec<&str> = Vec::new();
    let mut points = Vec::new();
    for (at, row) in rows.iter().enumerate() {
        let stem = row.name.split('.').next().unwrap_or_default();
        let family = families.iter().position(|known| *known == stem).unwrap_or_else(|| {
            families.push(stem);
            families.len() - 1
        });
        let intensity = row.gflops / row.gbytes_per_second;
        points.push(RooflinePoint {
            label: (at + 1).to_string(),
            family,
            intensity: if intensity.is_finite() { intensity } else { 0.0 },
            gflops: row.gflops,
        });
    }
    let title = format!("Kernels on {}", device.name());
    // Kernels that only move have no place on it, but in the table.
    let has_flops = rows.iter().any(|row| row.gflops > 0.0);
    let svg = has_flops.then(|| roofline_chart(&title, &roofs, &points)).transpose()?;
    let caption = format!(
        "Each dot is a case of the table. The roof is what multiply-adds in registers ({:.1} GFLOP/s) and the fastest copy \
         ({:.1} GB/s) reach on this device, the dashed line the fastest product of this engine ({:.1} GFLOP/s); what lies \
         in a cache can stand above the slope.",
        roofs.peak, roofs.bandwidth, roofs.products
    );
    let header = [
        "",
        "case",
        "shape",
        "median ms",
        "fastest ms",
        "in kernels ms",
        "fastest in kernels ms",
        "GFLOP/s",
        "GB/s",
        "roof %",
        "error",
        "workspace KiB",
    ];
    let cells = |(at, row): (usize, &Row)| {
        vec![
            (at + 1).to_string(),
            row.name.clone(),
            row.shape.clone(),
            format!("{:.3}", 1e3 * row.timing.median),
            format!("{:.3}", 1e3 * row.timing.minimum),
            in_kernels(row, |timing| timing.median),
            in_kernels(row, |timing| timing.minimum),
            format!("{:.1}", row.gflops),
            format!("{:.1}", row.gbytes_per_second),
            format!("{:.0}", 100.0 * row.roofline_share),
            format!("{:.0e}", row.error),
            row.workspace_bytes.div_ceil(1024).to_string(),
        ]
    };
    let figure = svg.map(|svg| Section::Figure { svg, caption });
    let table = Section::Table {
        header: header.map(String::from).to_vec(),
        rows: rows.iter().enumerate().map(cells).collect(),
    };
    let sections = figure.into_iter().chain([table]).collect();
    Ok(Report { title, sections }.to_html())
}

/// Milliseconds, or nothing where no timestamps were taken.
fn in_kernels(row: &Row, which: impl Fn(Timing) -> f64) -> String {
    row.in_kernels.map_or_else(String::new, |timing| format!("{:.3}", 1e3 * which(timing)))
}
