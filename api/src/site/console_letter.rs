//! The console's page for a letter in hand: read, taken further, answered item by item, published.

use askama::Template;

use super::console::Who;
use super::follow::Due;
use super::format::{Day, Moment};
use super::parts::{Link, Row};
use super::{Page, Section, Site};

/// A step that may be taken now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NextStep {
    /// Wire name of its kind.
    pub kind: String,
    /// Its Chinese name.
    pub label: String,
    /// What the button says.
    pub act: String,
    /// What it meets, and by when.
    pub due: Option<Due>,
    /// The form of its kind, where scripts do not open it on the page.
    pub href: String,
}

/// A step that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastStep {
    /// Its Chinese name.
    pub label: String,
    /// When.
    pub at: Moment,
}

/// `/internal/answers/letter/{id}`
#[derive(Debug, Clone, Template)]
#[template(path = "console_letter.html")]
pub struct LetterPage {
    /// Frame.
    pub site: Site,
    /// Who is signed in.
    pub who: Who,
    /// Whose it is, since when, and what is awaited by when.
    pub rows: Vec<Row>,
    /// What may be done now, what is awaited most first.
    pub steps: Vec<NextStep>,
    /// Whether nothing is awaited any more.
    pub is_done: bool,
    /// Whether it is answered, and the reader may publish.
    pub may_publish: bool,
    /// Where question and answer were published.
    pub published: Option<Link>,
    /// What was done, the earliest first.
    pub past: Vec<PastStep>,
    /// Everything that the script needs, as JSON.
    pub table: String,
}

impl Page for LetterPage {
    fn title(&self) -> String {
        "办理来信".into()
    }

    fn section(&self) -> Section {
        Section::None
    }
}

impl LetterPage {
    /// A letter that waits for its registration.
    pub fn sample() -> Self {
        let step = |kind: &str, label: &str, due| NextStep {
            kind: format!("letter.{kind}.v1"),
            label: label.into(),
            act: "办理".into(),
            due,
            href: format!("/internal/write/letter.{kind}?about=letter%2F1"),
        };
        let due = Due {
            what: "登记并告知来信人".into(),
            on: Day::of(2026, 3, 25),
            days_over: 2,
            rule: "来信登记告知期限（信访工作条例第二十二条）".into(),
        };
        Self {
            site: Site::sample(),
            who: Who::sample(),
            rows: vec![Row::new("受理机构", "五里桥村"), Row::new("收到", "2026年3月10日")],
            steps: vec![step("registered", "登记受理", Some(due)), step("forwarded", "转送", None)],
            is_done: false,
            may_publish: false,
            published: None,
            past: vec![PastStep { label: "收到来信".into(), at: Moment::of(2026, 3, 10, 9, 20) }],
            table: r#"{"stream":"letter/1"}"#.into(),
        }
    }

    /// A letter that was published with its answer.
    pub fn published_sample() -> Self {
        Self { published: Some(Link::new("/n/352", "№352")), may_publish: false, ..Self::answered_sample() }
    }

    /// A letter that was answered.
    pub fn answered_sample() -> Self {
        Self { steps: Vec::new(), is_done: true, may_publish: true, ..Self::sample() }
    }
}
