//! What several pages share: status badges, links, published texts; and in one file each the history of a matter,
//! lists, periods and the check panel.
//!
//! Each part that has markup of its own is a small template (`part_*.html`) and is marked
//! [`HtmlSafe`], because its template has already escaped what it shows. Parts are plain data: they
//! decide nothing about dates or rules, a handler fills them. To add a part, write the struct, its
//! template and a use of it in some page's `sample()`.

mod check;
mod history;
mod lists;
mod periods;
mod whole;

use askama::Template;
use askama::filters::HtmlSafe;
use gongkai_projections::Status;

pub use check::{Check, Checkpoint, HashText, SignatureLine};
pub(crate) use history::sample_event;
pub use history::{Attachment, Diff, Event, Proxy, Segment, Signer};
pub(crate) use lists::sample_items;
pub use lists::{Choice, Counted, DayChoice, Filters, Item, Pager, Piece, Select};
pub use periods::{Clock, Extension, Moved, Period, PeriodDay, Run, days_left};
pub use whole::{LastRoot, RootsCard, Uncovered, Whole, WholeOf};

use super::format::Moment;

/// A family of what is disclosed, with its board.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// Pledges.
    Pledge,
    /// Vacant posts.
    Vacancy,
    /// Nominations.
    Nomination,
    /// Notices.
    Notice,
    /// Village, Party and financial disclosures.
    Disclosure,
    /// Organizations, posts, keys, roles, calendars and the ledger itself.
    Registry,
}

impl Family {
    /// The families that have a board, in the order of the navigation.
    pub const BOARDS: [Self; 5] = [Self::Pledge, Self::Vacancy, Self::Nomination, Self::Notice, Self::Disclosure];

    /// Name on the page.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Pledge => "承诺事项",
            Self::Vacancy => "空缺职位",
            Self::Nomination => "任前公示",
            Self::Notice => "公示公告",
            Self::Disclosure => "三务公开",
            Self::Registry => "登记",
        }
    }

    /// What a reader finds there.
    pub fn gloss(&self) -> &'static str {
        match self {
            Self::Pledge => "说了什么，办到哪一步",
            Self::Vacancy => "哪些岗位空着，怎么推荐",
            Self::Nomination => "拟任用谁，公示到哪天",
            Self::Notice => "正在征求意见的事",
            Self::Disclosure => "村务、党务、财务，一笔一笔",
            Self::Registry => "机构、职务、钥匙的登记",
        }
    }

    /// Address of the board.
    pub fn href(&self) -> &'static str {
        match self {
            Self::Pledge => "/pledges",
            Self::Vacancy => "/vacancies",
            Self::Nomination => "/nominations",
            Self::Notice => "/notices",
            Self::Disclosure => "/disclosures",
            Self::Registry => "/timeline",
        }
    }
}

/// How a badge is coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Done as it was said.
    Good,
    /// Running, within its time.
    Running,
    /// Somebody is late.
    Late,
    /// Neither good nor bad.
    Plain,
    /// Withdrawn, superseded or ended without effect.
    Struck,
}

/// A status as a badge. Which status it is the reader of the views computes, never a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Template)]
#[template(source = r#"<span class="badge {{ self.class() }}">{{ self.label() }}</span>"#, ext = "html")]
pub struct Badge(pub Status);

impl Badge {
    /// The words on it.
    pub fn label(&self) -> &'static str {
        self.0.label()
    }

    /// Its colour.
    pub fn tone(&self) -> Tone {
        match self.0 {
            Status::Fulfilled
            | Status::Filled
            | Status::Concluded
            | Status::ToBeAppointed
            | Status::ToBeElected
            | Status::Appointed
            | Status::Elected
            | Status::Disclosed
            | Status::NoMovement
            | Status::Answered
            | Status::InForce => Tone::Good,
            Status::InProgress
            | Status::Recommending
            | Status::Previewed
            | Status::PeriodRunning
            | Status::Extended
            | Status::Asked => Tone::Running,
            Status::OverdueUnreported
            | Status::Overdue
            | Status::NotFulfilled
            | Status::NoOutcome
            | Status::BackFilled
            | Status::Missing
            | Status::AnswerOverdue
            | Status::OpeningOverdue => Tone::Late,
            Status::NotReported
            | Status::NoProgress
            | Status::PartlyFulfilled
            | Status::CarriedOver
            | Status::Closed
            | Status::Tallied
            | Status::Upcoming
            | Status::Deferred
            | Status::NotElected
            | Status::NotAppointed
            | Status::NotYetDue
            | Status::Corrected => Tone::Plain,
            Status::Superseded | Status::Withdrawn | Status::Ended => Tone::Struck,
        }
    }

    /// The class of its colour in the style sheet.
    pub fn class(&self) -> &'static str {
        match self.tone() {
            Tone::Good => "good",
            Tone::Running => "run",
            Tone::Late => "late",
            Tone::Plain => "plain",
            Tone::Struck => "struck",
        }
    }
}

impl HtmlSafe for Badge {}

/// A label with an address. The handler makes the address, it never comes from a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Path on this site.
    pub href: String,
    /// Text.
    pub label: String,
}

impl Link {
    /// A link.
    pub fn new(href: impl Into<String>, label: impl Into<String>) -> Self {
        Self { href: href.into(), label: label.into() }
    }
}

/// The trace of an opening that was withdrawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tombstone {
    /// Who ordered it.
    pub by: String,
    /// Legal basis or reason.
    pub why: String,
    /// When it was recorded.
    pub at: Moment,
    /// Entry that records the withdrawal.
    pub index: u64,
    /// How to appeal.
    pub appeal: String,
}

/// A free text or personal detail: there, or withdrawn with its trace.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "part_shown.html")]
pub enum Shown {
    /// The published value.
    Given(String),
    /// The value was withdrawn.
    Withdrawn(Tombstone),
}

impl Shown {
    /// A published value.
    pub fn of(text: impl Into<String>) -> Self {
        Self::Given(text.into())
    }

    /// For `<title>` and other places that hold text only.
    pub fn plain(&self) -> &str {
        match self {
            Self::Given(text) => text,
            Self::Withdrawn(_) => "（内容已撤下）",
        }
    }

    /// Whether the value was withdrawn.
    pub fn is_withdrawn(&self) -> bool {
        matches!(self, Self::Withdrawn(_))
    }
}

impl HtmlSafe for Shown {}

/// A labelled value of a generic page or of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The field's label.
    pub label: String,
    /// Its value.
    pub value: Shown,
}

impl Row {
    /// A row whose value is there.
    pub fn new(label: impl Into<String>, value: impl Into<String>) -> Self {
        Self { label: label.into(), value: Shown::of(value) }
    }
}

/// A sample of a withdrawn opening.
pub(crate) fn sample_tombstone() -> Tombstone {
    Tombstone {
        by: "清溪县委组织部".into(),
        why: "涉及个人住址，《个人信息保护法》第 47 条".into(),
        at: Moment::of(2026, 4, 2, 16, 40),
        index: 1388,
        appeal: "30 日内向清溪县政务公开办提出，电话 0000-0000000".into(),
    }
}
