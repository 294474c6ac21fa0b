//! Flags that say what text is.

use crate::data::text::TextLayout;

/// Where a document ends in plain text.
#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
pub enum Layout {
    /// Every line is a document.
    #[default]
    Lines,
    /// A blank line stands between documents.
    Paragraphs,
}

impl From<Layout> for TextLayout {
    fn from(layout: Layout) -> Self {
        match layout {
            Layout::Lines => Self::DocumentPerLine,
            Layout::Paragraphs => Self::BlankLineBetween,
        }
    }
}
