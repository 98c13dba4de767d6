//! The page of any matter that has no page of its own: labelled values and the history.

use askama::Template;
use gongkai_projections::Status;

use super::format::Moment;
use super::parts::{Badge, Check, Clock, Event, Family, Link, Row, Shown, Tombstone, sample_event};
use super::past::Past;
use super::{Page, Section, Site};

/// What was moved at a session, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Motion {
    /// What.
    pub motion: Shown,
    /// What came of it, such as 采纳，正在办理.
    pub result: String,
    /// Who moved it, what was said, by whom and by when it is done.
    pub rows: Vec<Row>,
    /// The pledge that was made.
    pub pledge: Option<Link>,
}

impl Motion {
    /// A line that was withdrawn.
    pub fn withdrawn(trace: Tombstone) -> Self {
        Self { motion: Shown::Withdrawn(trace), result: String::new(), rows: Vec::new(), pledge: None }
    }

    fn sample() -> Self {
        Self {
            motion: Shown::of("五里桥水渠塌方何时修"),
            result: "采纳，正在办理".into(),
            rows: vec![Row::new("现场答复", "春灌前修好"), Row::new("办理时限", "2026年3月31日")],
            pledge: Some(Link::new("/pledges/1", "修好五里桥水渠")),
        }
    }
}

/// `/streams/{family}/{id}`
#[derive(Debug, Clone, Template)]
#[template(path = "stream.html")]
pub struct StreamPage {
    /// Frame.
    pub site: Site,
    /// What can be handed in about it now.
    pub hand_in: Vec<Link>,
    /// Entry number of the first statement.
    pub index: u64,
    /// Title: the newest title-like value, or the kind's label.
    pub name: Shown,
    /// Its family, for the navigation.
    pub family: Family,
    /// Label of the kind or family.
    pub kind: String,
    /// State, if the kind has one.
    pub status: Option<Badge>,
    /// Organization and those above it, top first.
    pub path: Vec<Link>,
    /// Present values.
    pub rows: Vec<Row>,
    /// Of a session what was moved there.
    pub motions: Vec<Motion>,
    /// Feeds that bring what happens next.
    pub feeds: Vec<Link>,
    /// All events, newest first.
    pub history: Vec<Event>,
    /// Supervisions of it.
    pub clocks: Vec<Clock>,
    /// Check panel.
    pub check: Check,
    /// The past day that it shows.
    pub past: Option<Past>,
}

impl Page for StreamPage {
    fn title(&self) -> String {
        self.name.plain().into()
    }

    fn section(&self) -> Section {
        Section::Family(self.family)
    }

    fn feeds(&self) -> Vec<Link> {
        self.feeds.clone()
    }
}

impl StreamPage {
    /// A calendar.
    pub fn sample() -> Self {
        Self {
            site: Site::sample(),
            hand_in: vec![Link::new("/hand-in/consultation.submitted?about=consultation%2F1", "提意见")],
            index: 12,
            name: Shown::of("2026 年工作日历"),
            family: Family::Registry,
            kind: "日历".into(),
            status: Some(Badge(Status::InForce)),
            path: vec![Link::new("/organizations/9901", "清溪县")],
            rows: vec![
                Row::new("年度", "2026"),
                Row::new("放假", "33 天"),
                Row::new("调休上班", "6 天"),
                Row::new("依据", "国务院办公厅关于 2026 年部分节假日安排的通知"),
            ],
            motions: vec![Motion::sample()],
            feeds: vec![Link::new("/feeds/streams/calendar/1", "这件事")],
            history: vec![sample_event(12, "发布日历", Moment::of(2025, 11, 5, 9, 0), Moment::of(2025, 11, 5, 9, 1))],
            clocks: Vec::new(),
            check: Check::sample(),
            past: None,
        }
    }

    /// The same on a past day.
    pub fn past_sample() -> Self {
        Self { past: Some(Past::sample()), status: None, hand_in: Vec::new(), ..Self::sample() }
    }
}
