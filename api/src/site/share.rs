//! The block 分享 of a matter's page, the page with the script for the loudspeaker, the picture and its page.
//!
//! What is said is made in [`crate::share`]; here it only has a place. Without scripts the text stands in a box from
//! which it can be copied by hand, and the script is read out by a person; `share.js` adds buttons where the browser
//! can do more, and hides nothing that was there.

use askama::Template;
use askama::filters::HtmlSafe;

use super::format::Count;
use super::parts::{Family, Link, Shown};
use super::{Page, Section, Site};
use crate::share::picture::{Layout, MARGIN, WIDTH};

/// What a matter's page offers for carrying away.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "part_share.html")]
pub struct Share {
    /// The matter is not recorded yet: its number is not certain, and nothing that carries it is offered.
    pub is_later: bool,
    /// Text for a message.
    pub text: String,
    /// Scheme, host and path of the short address.
    pub address: String,
    /// Its path.
    pub path: String,
    /// The script for the loudspeaker, where there is one.
    pub script: Option<String>,
    /// Feeds that bring what happens next: the matter's, and those around it.
    pub feeds: Vec<Link>,
}

impl Share {
    /// Characters of the text.
    pub fn chars(&self) -> usize {
        self.text.chars().count()
    }

    /// The demo month.
    pub fn sample(family: Family) -> Self {
        let script = matches!(family, Family::Nomination | Family::Notice | Family::Disclosure);
        Self {
            is_later: false,
            text: "五里桥村：2026年2月财务收支明细。支出18,081.36元，3月12日入账。 https://qingxi.example/n/1310"
                .into(),
            address: "https://qingxi.example/n/1310".into(),
            path: "/n/1310".into(),
            script: script.then(|| format!("{}/1/loudspeaker", family.href())),
            feeds: vec![
                Link::new("/feeds/streams/disclosure/1", "这件事"),
                Link::new("/feeds/organizations/990101003", "五里桥村"),
                Link::new(format!("/feeds{}", family.href()), family.label()),
            ],
        }
    }
}

impl HtmlSafe for Share {}

/// `/disclosures/{id}/loudspeaker`, `/notices/…`, `/nominations/…`
#[derive(Debug, Clone, Template)]
#[template(path = "loudspeaker.html")]
pub struct LoudspeakerPage {
    /// Frame.
    pub site: Site,
    /// Family of the matter.
    pub family: Family,
    /// Title of the matter.
    pub name: Shown,
    /// Its page.
    pub matter: Link,
    /// Sentences in the order of speaking.
    pub sentences: Vec<String>,
    /// The short address, whole.
    pub address: String,
    /// Its path.
    pub path: String,
}

impl LoudspeakerPage {
    /// Characters of the script.
    pub fn chars(&self) -> Count {
        Count(self.sentences.iter().map(|sentence| sentence.chars().count() as u64).sum())
    }

    /// The demo month.
    pub fn sample() -> Self {
        Self {
            site: Site::sample(),
            family: Family::Disclosure,
            name: Shown::of("2026年2月财务收支明细"),
            matter: Link::new("/disclosures/1", "五里桥村"),
            sentences: vec![
                "各位乡亲，请大家注意听。".into(),
                "五里桥村二〇二六年二月的账公开了。".into(),
                "这一期收入五万二千三百一十八元二角六分，支出一万八千零八十一元三角六分。".into(),
            ],
            address: "https://qingxi.example/n/1310".into(),
            path: "/n/1310".into(),
        }
    }
}

impl Page for LoudspeakerPage {
    fn title(&self) -> String {
        format!("大喇叭稿：{}", self.name.plain())
    }

    fn section(&self) -> Section {
        Section::Family(self.family)
    }
}

/// `/n/{index}/picture.svg`
#[derive(Debug, Clone, Template)]
#[template(path = "picture.svg")]
pub struct Picture {
    /// Where everything stands.
    pub layout: Layout,
    /// What is said, for those who hear it.
    pub title: String,
    /// Path of the code's modules.
    pub code: String,
    /// Units of the code a side.
    pub code_units: usize,
}

impl Picture {
    /// Right edge of what is written.
    pub fn right(&self) -> u32 {
        WIDTH - MARGIN
    }

    /// Left edge of the code.
    pub fn code_left(&self) -> u32 {
        WIDTH - MARGIN - self.layout.code_side
    }
}

/// `/n/{index}/picture`
#[derive(Debug, Clone, Template)]
#[template(path = "picture.html")]
pub struct PicturePage {
    /// Frame.
    pub site: Site,
    /// Title of the matter.
    pub name: Shown,
    /// Its page.
    pub matter: Link,
    /// Height of the picture, in its own units.
    pub height: u32,
    /// The short address, whole.
    pub address: String,
    /// Its path.
    pub path: String,
}

impl PicturePage {
    /// The demo month.
    pub fn sample() -> Self {
        Self {
            site: Site::sample(),
            name: Shown::of("2026年2月财务收支明细"),
            matter: Link::new("/disclosures/1", "五里桥村"),
            height: 1200,
            address: "https://qingxi.example/n/1310".into(),
            path: "/n/1310".into(),
        }
    }
}

impl Page for PicturePage {
    fn title(&self) -> String {
        format!("长图：{}", self.name.plain())
    }

    fn section(&self) -> Section {
        Section::None
    }
}
