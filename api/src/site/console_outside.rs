//! Signing beside an author from outside.

use askama::Template;

use super::{Page, Section, Site};

/// `/cosign`
#[derive(Debug, Clone, Template)]
#[template(path = "console_outside.html")]
pub struct OutsidePage {
    /// Frame.
    pub site: Site,
    /// Entries that opened the intakes through which one signs, apart by spaces; empty where there is none.
    pub intakes: String,
}

impl Page for OutsidePage {
    fn title(&self) -> String {
        "在外面联署".into()
    }

    fn section(&self) -> Section {
        Section::HandIn
    }
}

impl OutsidePage {
    /// Through an intake.
    pub fn sample() -> Self {
        Self { site: Site::sample(), intakes: "17".into() }
    }

    /// Where there is none.
    pub fn closed_sample() -> Self {
        Self { intakes: String::new(), ..Self::sample() }
    }
}
