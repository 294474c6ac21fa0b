//! A page that tells what a run did: one HTML file with its pictures inside, to open or to send.

use std::fmt::Write as _;

/// A page.
#[derive(Clone, Debug)]
pub struct Report {
    /// The heading, and the title of the window.
    pub title: String,
    /// What follows the heading, in order.
    pub sections: Vec<Section>,
}

/// A part of a page.
#[derive(Clone, Debug)]
pub enum Section {
    /// A heading of its own.
    Heading(String),
    /// A paragraph.
    Text(String),
    /// A table; numbers stand to the right. One that is wider than the window scrolls for itself.
    Table {
        /// How many columns are text, from the left.
        texts: usize,
        /// The words above the columns.
        header: Vec<String>,
        /// As many cells a row as there are headers.
        rows: Vec<Vec<String>>,
    },
    /// A picture.
    Figure {
        /// The picture as SVG, from [`super::chart`].
        svg: String,
        /// What it shows.
        caption: String,
    },
    /// Text to be shown as it is: a recipe, a command.
    Verbatim(String),
}

const STYLE: &str = "\
:root{color-scheme:light}
body{font:16px/1.5 system-ui,sans-serif;color:#222;background:#fff;max-width:62rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.6rem;margin-bottom:.3rem}h2{font-size:1.2rem;margin-top:2rem}
table{border-collapse:collapse;margin:1rem 0;font-variant-numeric:tabular-nums}
th,td{padding:.35rem .7rem;border-bottom:1px solid #ddd;text-align:right}
th{border-bottom:2px solid #888;vertical-align:bottom}.text{text-align:left;white-space:nowrap}
.table{overflow-x:auto}@media(min-width:66rem){.table{width:max-content;max-width:calc(50vw + 29rem)}}
figure{margin:1.5rem 0}figure svg{max-width:100%;height:auto}
figcaption{color:#555;font-size:.9rem}
pre{background:#f5f5f5;padding:.8rem 1rem;overflow-x:auto;font-size:.85rem}
";

impl Report {
    /// Writes the page as HTML that needs nothing beside it.
    pub fn to_html(&self) -> String {
        let title = escaped(&self.title);
        let mut html = format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n\
             <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n"
        );
        for section in &self.sections {
            section.write(&mut html).expect("a String takes all");
        }
        html.push_str("</body>\n</html>\n");
        html
    }
}

impl Section {
    fn write(&self, html: &mut String) -> std::fmt::Result {
        match self {
            Self::Heading(text) => writeln!(html, "<h2>{}</h2>", escaped(text)),
            Self::Text(text) => writeln!(html, "<p>{}</p>", escaped(text)),
            Self::Verbatim(text) => writeln!(html, "<pre>{}</pre>", escaped(text)),
            Self::Figure { svg, caption } => {
                let caption = escaped(caption);
                writeln!(
                    html,
                    "<figure>\n{}\n<figcaption>{caption}</figcaption>\n</figure>",
                    svg.trim()
                )
            }
            Self::Table { texts, header, rows } => {
                let header = cells("th", *texts, header);
                writeln!(
                    html,
                    "<div class=\"table\"><table>\n<thead><tr>{header}</tr></thead>\n<tbody>"
                )?;
                for row in rows {
                    writeln!(html, "<tr>{}</tr>", cells("td", *texts, row))?;
                }
                writeln!(html, "</tbody>\n</table></div>")
            }
        }
    }
}

/// The cells of a row, of which the first are text.
fn cells(tag: &str, texts: usize, row: &[String]) -> String {
    let cell = |(at, text): (usize, &String)| {
        let class = if at < texts { " class=\"text\"" } else { "" };
        format!("<{tag}{class}>{}</{tag}>", escaped(text))
    };
    row.iter().enumerate().map(cell).collect()
}

/// Text with the characters that HTML reads as markup replaced.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
