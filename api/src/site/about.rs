//! What the ledger is and how anyone checks it.

use askama::Template;

use super::{Page, Section, Site};
use crate::mirrors::Stuck;

/// `/about`
#[derive(Debug, Clone, Template)]
#[template(path = "about.html")]
pub struct AboutPage {
    /// Frame.
    pub site: Site,
    /// The ledger's verifier key.
    pub vkey: String,
    /// Scheme and host for the commands, without a slash at the end.
    pub base_url: String,
    /// Who runs the ledger and how to reach them.
    pub contact: String,
}

impl Page for AboutPage {
    fn title(&self) -> String {
        "怎么核对".into()
    }

    fn section(&self) -> Section {
        Section::About
    }
}

impl AboutPage {
    /// The demo ledger.
    pub fn sample() -> Self {
        Self {
            site: Site::sample(),
            vkey: "ledger.example/vectors+fced61e0+AYqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c".into(),
            base_url: "https://gongkai.example".into(),
            contact: "清溪县政务公开办，电话 0000-0000000".into(),
        }
    }

    /// On a mirror that does not go on.
    pub fn stuck_sample(stuck: Stuck) -> Self {
        Self { site: Site { stuck: Some(stuck), ..Site::sample() }, ..Self::sample() }
    }
}
