//! Following one's own matter by its code.

use askama::Template;

use super::format::{Day, Moment};
use super::parts::{Link, Row};
use super::{Page, Section, Site};

/// A step, as far as the submitter is told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What was done.
    pub label: String,
    /// When.
    pub at: Moment,
    /// What is told.
    pub rows: Vec<Row>,
    /// What was awaited until this step.
    pub met: Vec<Due>,
}

/// Something that is awaited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// What.
    pub what: String,
    /// The last day.
    pub on: Day,
    /// Days over it.
    pub days_over: u64,
    /// The rule.
    pub rule: String,
}

/// A matter as its submitter follows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Followed {
    /// State in plain words.
    pub state: String,
    /// When it was received.
    pub received: Moment,
    /// Until when it must be recorded.
    pub deadline: Moment,
    /// The entry that keeps the promise.
    pub kept: Option<u64>,
    /// Its commitment.
    pub commitment: String,
    /// The number of a ballot.
    pub ballot: Option<String>,
    /// The steps, oldest first.
    pub steps: Vec<Step>,
    /// What is awaited.
    pub dues: Vec<Due>,
}

/// `/follow`
#[derive(Debug, Clone, Template)]
#[template(path = "follow.html")]
pub struct FollowPage {
    /// Frame.
    pub site: Site,
    /// Whether codes are known here.
    pub is_open: bool,
    /// Entries that opened the intakes whose answers are found through this site, apart by spaces.
    pub intakes: String,
    /// What the code showed.
    pub found: Option<Followed>,
    /// How the matter can be continued with its code.
    pub further: Vec<Link>,
}

impl Page for FollowPage {
    fn title(&self) -> String {
        "凭查询码看办理情况".into()
    }

    fn section(&self) -> Section {
        Section::HandIn
    }
}

impl FollowPage {
    /// A letter that was answered.
    pub fn sample() -> Self {
        let due = |what: &str, days_over| Due {
            what: what.into(),
            on: Day::of(2026, 4, 20),
            days_over,
            rule: "信访工作条例".into(),
        };
        let step = Step {
            label: "答复来信".into(),
            at: Moment::of(2026, 3, 20, 16, 30),
            rows: vec![Row::new("办结日期", "2026-03-20"), Row::new("答复内容", "塌方段已抢修通水。")],
            met: vec![due("办结并答复", 0), due("告知是否受理", 3)],
        };
        let found = Followed {
            state: "已办结".into(),
            received: Moment::of(2026, 3, 10, 9, 20),
            deadline: Moment::of(2026, 3, 10, 9, 40),
            kept: Some(1311),
            commitment: "5ea1ed00".repeat(8),
            ballot: None,
            steps: vec![step],
            dues: vec![due("评价答复", 0)],
        };
        let further = vec![Link::new("/hand-in/letter.rated", "评价答复")];
        Self { site: Site::sample(), is_open: true, intakes: String::new(), found: Some(found), further }
    }

    /// Before a code is given.
    pub fn empty_sample() -> Self {
        Self { found: None, ..Self::sample() }
    }

    /// Answers come through an intake, and are opened in the browser.
    pub fn beyond_sample() -> Self {
        Self { intakes: "17 40".into(), is_open: false, found: None, ..Self::sample() }
    }

    /// No codes are known here.
    pub fn closed_sample() -> Self {
        Self { is_open: false, found: None, ..Self::sample() }
    }
}
