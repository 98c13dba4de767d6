//! `/verify`: checking a record on one's own device.
//!
//! What is checked happens in the page (`assets/check/`). Without scripts the form leads to the record, whose panel has
//! the files and the commands, and this page explains what a check shows and what to do when it fails.

use askama::Template;

use super::{Page, Section, Site};

/// `/verify`
#[derive(Debug, Clone, Template)]
#[template(path = "verify.html")]
pub struct VerifyPage {
    /// Frame.
    pub site: Site,
    /// The ledger's verifier key.
    pub vkey: String,
    /// Scheme and host, without a slash at the end.
    pub base_url: String,
    /// What was typed and names no record of this ledger.
    pub wrong: Option<String>,
}

impl VerifyPage {
    /// The empty form.
    pub fn sample() -> Self {
        Self {
            site: Site::sample(),
            vkey: "ledger.example/vectors+fced61e0+AYqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c".into(),
            base_url: "https://gongkai.example".into(),
            wrong: None,
        }
    }

    /// After something that names no record.
    pub fn wrong_sample() -> Self {
        Self { wrong: Some("https://other.example/n/7".into()), ..Self::sample() }
    }
}

impl Page for VerifyPage {
    fn title(&self) -> String {
        "自己核对".into()
    }

    fn section(&self) -> Section {
        Section::About
    }
}
