//! What the ledger is and how anyone checks it.

use askama::Template;

use super::format::Moment;
use super::{Page, Section, Site};
use crate::mirrors::Stuck;

/// A machine that copies the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MirrorRow {
    /// Its address.
    pub url: String,
    /// Where it stands, in a sentence.
    pub sentence: String,
    /// Something is wrong with it.
    pub is_alarm: bool,
}

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
    /// The mirrors; none where none is known.
    pub mirrors: Vec<MirrorRow>,
    /// When they were looked at.
    pub looked_at: Option<Moment>,
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
            mirrors: vec![
                MirrorRow { url: "https://mirror.example".into(), sentence: "已跟随撤下".into(), is_alarm: false },
                MirrorRow {
                    url: "https://old.example".into(),
                    sentence: "仍在提供已撤下的内容 1 处，最早的已撤下 9 天".into(),
                    is_alarm: true,
                },
            ],
            looked_at: Some(Moment::of(2026, 3, 12, 9, 0)),
        }
    }

    /// On a mirror that does not go on.
    pub fn stuck_sample(stuck: Stuck) -> Self {
        Self { site: Site { stuck: Some(stuck), ..Site::sample() }, mirrors: Vec::new(), ..Self::sample() }
    }
}
