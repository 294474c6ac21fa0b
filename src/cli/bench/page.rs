//! What `wgrad bench kernels` measured, as a page: a roofline, and the table.

use wgrad_engine::Device;
use wgrad_engine::testing::bench::Roofline;

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
    // Processors have no timestamps.
    let is_timed = rows.iter().any(|row| row.in_kernels.is_some());
    let columns = || COLUMNS.iter().filter(|column| is_timed || !column.0.contains("in kernels"));
    let header = columns().map(|column| column.0.to_string());
    let cells = |(at, row): (usize, &Row)| {
        [(at + 1).to_string()].into_iter().chain(columns().map(|column| (column.1)(row))).collect()
    };
    let figure = svg.map(|svg| Section::Figure { svg, caption });
    let table = Section::Table {
        texts: 3,
        header: [String::new()].into_iter().chain(header).collect(),
        rows: rows.iter().enumerate().map(cells).collect(),
    };
    let sections = figure.into_iter().chain([table]).collect();
    Ok(Report { title, sections }.to_html())
}

/// A column's head, and its cell for a row.
type Column = (&'static str, fn(&Row) -> String);

const COLUMNS: [Column; 11] = [
    ("case", |row| row.name.clone()),
    ("shape", |row| row.shape.clone()),
    ("median ms", |row| milliseconds(row.timing.median)),
    ("fastest ms", |row| milliseconds(row.timing.minimum)),
    ("in kernels ms", |row| {
        row.in_kernels.map_or_else(String::new, |timing| milliseconds(timing.median))
    }),
    ("fastest in kernels ms", |row| {
        row.in_kernels.map_or_else(String::new, |timing| milliseconds(timing.minimum))
    }),
    ("GFLOP/s", |row| format!("{:.1}", row.gflops)),
    ("GB/s", |row| format!("{:.1}", row.gbytes_per_second)),
    ("roof %", |row| format!("{:.0}", 100.0 * row.roofline_share)),
    ("error", |row| format!("{:.0e}", row.error)),
    ("workspace KiB", |row| row.workspace_bytes.div_ceil(1024).to_string()),
];

fn milliseconds(seconds: f64) -> String {
    format!("{:.3}", 1e3 * seconds)
}
