//! Flags that say what text is.

use crate::data::text::TextLayout;
use crate::train::Error;
use crate::train::recipe::Recipe;

/// Where a document ends in plain text.
#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
pub enum Layout {
    /// Every line is a document.
    #[default]
    Lines,
    /// A blank line stands between documents.
    Paragraphs,
}

impl Layout {
    /// As flags and recipes name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lines => "lines",
            Self::Paragraphs => "paragraphs",
        }
    }

    /// Reads the setting `layout`.
    pub fn of_recipe(recipe: &mut Recipe) -> Result<Self, Error> {
        let layouts = [Self::Lines, Self::Paragraphs];
        let name = recipe.choice("layout", &layouts.map(Self::name), Self::default().name())?;
        let named = layouts.into_iter().find(|layout| layout.name() == name);
        Ok(named.expect("the recipe chose one of them"))
    }
}

impl From<Layout> for TextLayout {
    fn from(layout: Layout) -> Self {
        match layout {
            Layout::Lines => Self::DocumentPerLine,
            Layout::Paragraphs => Self::BlankLineBetween,
        }
    }
}
