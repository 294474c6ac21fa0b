//! chart and report: pictures that hold what was measured. `WGRAD_CHARTS=DIR` keeps them to be looked at.

use wgrad::train::chart::{
    BarGroup, Panel, RooflinePoint, Roofs, Scale, Series, SeriesKind, bar_chart, line_chart,
    loss_chart, roofline_chart,
};
use wgrad::train::metrics::Record;
use wgrad::train::report::{Report, Section};

/// A run as it looks: a falling, noisy loss with two terms, held-out loss, a probe.
fn records(steps: u64) -> Vec<Record> {
    let mut records = Vec::new();
    for step in 1..=steps {
        let progress = step as f64 / steps as f64;
        let noise = ((step * 7919 % 1000) as f64 / 1000.0 - 0.5) * 0.6;
        let encoder = 1.9 + 8.3 * (-9.0 * progress).exp() + 0.4 * noise;
        let decoder = 2.8 + 7.4 * (-6.0 * progress).exp() + 0.5 * noise;
        let rate = 3e-4 * (progress / 0.06).min((1.0 - progress) / 0.94);
        records.push(
            Record::new(step)
                .with("tokens", (step * 4096) as f64)
                .with("seconds", step as f64 * 0.4)
                .with("learning_rate", rate)
                .with("loss", encoder + decoder)
                .with("loss_encoder", encoder)
                .with("loss_decoder", decoder),
        );
        if step % (steps / 8).max(1) == 0 {
            records.push(
                Record::new(step)
                    .with("heldout_loss", encoder + decoder + 0.3)
                    .with("probe_mrr@10", 0.05 + 0.35 * progress)
                    .with("probe_recall@100", 0.2 + 0.5 * progress.sqrt()),
            );
        }
    }
    records
}

fn keep(name: &str, content: &str) {
    if let Some(folder) = std::env::var_os("WGRAD_CHARTS") {
        let path = std::path::Path::new(&folder).join(name);
        std::fs::write(path, content).expect("WGRAD_CHARTS names a folder");
    }
}

#[test]
fn a_loss_chart_names_every_curve_and_its_last_value() {
    let svg = loss_chart("retromae on wiki-20k", &records(3000)).expect("there are curves");
    keep("loss.svg", &svg);
    for text in [
        "retromae on wiki-20k",
        "loss_encoder",
        "loss_decoder",
        "heldout_loss",
        "probe_mrr@10",
        "0.4000",
        "learning_rate",
        "step",
    ] {
        assert!(svg.contains(text), "{text}");
    }
    assert!(!svg.contains("NaN") && !svg.contains("inf"), "a coordinate is no number");
    assert!(svg.len() < 400_000, "{} bytes", svg.len());
}

#[test]
fn what_is_held_out_has_the_colour_of_its_term() {
    let names = ["loss", "loss_encoder", "heldout_loss", "heldout_loss_encoder"];
    let record = |step| names.iter().fold(Record::new(step), |r, name| r.with(name, 2.0));
    let svg = loss_chart("pairs", &[record(1), record(2)]).expect("there are curves");
    let [first, second, third] = ["#0072B2", "#D55E00", "#009E73"];
    assert!(svg.contains(first) && svg.contains(second), "two terms");
    assert!(!svg.contains(third), "a third colour for two terms");
}

#[test]
fn charts_of_very_little_and_of_very_much() {
    let huge: Vec<Record> =
        (1..2000).map(|s| Record::new(s).with("loss", (s as f64).powi(-3))).collect();
    let svg = loss_chart("a loss over many decades", &huge).expect("there is a curve");
    keep("decades.svg", &svg);
    assert!(svg.contains("log scale"));
    let broken = vec![Record::new(1).with("loss", f64::NAN), Record::new(2).with("loss", 1.5)];
    let one = vec![Record::new(1).with("loss", 2.0)];
    for records in [broken, one, records(2)] {
        let svg = loss_chart("little", &records).expect("there is a point");
        assert!(!svg.contains("NaN"));
    }
    assert!(loss_chart("nothing", &[]).is_err());
    let empty = Series { name: "none".into(), points: vec![], kind: SeriesKind::Measured };
    let panel = Panel { label: "y".into(), scale: Scale::Linear, height: 200, series: vec![empty] };
    line_chart("empty", "x", &[panel]).expect("an empty panel is drawn empty");
}

#[test]
fn a_report_holds_its_table_and_pictures() {
    let systems = ["random", "pre-trained", "fine-tuned", "BM25"];
    let groups = [
        BarGroup { label: "MRR@10".into(), values: vec![0.004, 0.112, 0.524, 0.461] },
        BarGroup { label: "Recall@100".into(), values: vec![0.021, 0.402, 0.913, 0.842] },
    ];
    let bars = bar_chart("Retrieval on held-out crates", &systems, &groups).expect("valid");
    keep("bars.svg", &bars);
    assert!(bars.contains("0.524") && bars.contains("fine-tuned"));
    let short = [BarGroup { label: "MRR@10".into(), values: vec![0.5] }];
    assert!(bar_chart("", &systems, &short).is_err());

    let row = |cells: [&str; 3]| cells.map(str::to_string).to_vec();
    let report = Report {
        title: "Rust docs & <items>".into(),
        sections: vec![
            Section::Text("Documentation comment → the item it documents.".into()),
            Section::Table {
                texts: 1,
                header: row(["encoder", "MRR@10", "Recall@100"]),
                rows: vec![
                    row(["random", "0.004", "0.021"]),
                    row(["fine-tuned", "0.524", "0.913"]),
                ],
            },
            Section::Figure { svg: bars, caption: "Higher is better.".into() },
            Section::Heading("Training".into()),
            Section::Figure {
                svg: loss_chart("Pre-training", &records(800)).expect("there are curves"),
                caption: "Loss by term.".into(),
            },
            Section::Verbatim("seed = 42  # default\n".into()),
        ],
    };
    let html = report.to_html();
    keep("report.html", &html);
    assert!(html.contains("<title>Rust docs &amp; &lt;items&gt;</title>"));
    assert!(html.contains("<td class=\"text\">fine-tuned</td><td>0.524</td>"));
    assert_eq!(html.matches("<svg").count(), 2);
    assert!(
        !html.contains("http://") || html.contains("xmlns"),
        "nothing is loaded from elsewhere"
    );
}

#[test]
fn a_roofline_shows_every_kernel_with_flops() {
    let point = |label: &str, intensity, gflops| RooflinePoint {
        label: label.to_string(),
        family: 0,
        intensity,
        gflops,
    };
    let points = [point("11", 40.0, 150.0), point("12", 0.25, 3.0), point("13", 0.0, 0.0)];
    let roofs = Roofs { peak: 220.0, products: 180.0, bandwidth: 20.0 };
    let svg = roofline_chart("Kernels on a device", &roofs, &points).expect("two points");
    keep("roofline.svg", &svg);
    for text in ["Kernels on a device", ">\n11\n<", ">\n12\n<", "GFLOP/s"] {
        assert!(svg.contains(text), "{text:?} in {svg}");
    }
    assert!(!svg.contains(">\n13\n<"), "a point without FLOPs has no place");
    assert!(roofline_chart("nothing", &roofs, &points[2..]).is_err());
}
