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
    let svg = roofline_chart(&title, &roofs, &points)?;
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
            format!("{:.1}", row.gflops),
            format!("{:.1}", row.gbytes_per_second),
            format!("{:.0}", 100.0 * row.roofline_share),
            format!("{:.0e}", row.error),
            row.workspace_bytes.div_ceil(1024).to_string(),
        ]
    };
    let sections = vec![
        Section::Figure { svg, caption },
        Section::Table {
            header: header.map(String::from).to_vec(),
            rows: rows.iter().enumerate().map(cells).collect(),
        },
    ];
    Ok(Report { title, sections }.to_html())
}
