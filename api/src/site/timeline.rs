//! All entries, newest first.

use askama::Template;

use super::format::{Count, Day};
use super::parts::{Item, Link, Pager, sample_items};
use super::past::{AsOf, AskDay};
use super::{Page, Section, Site};

/// `/timeline`
#[derive(Debug, Clone, Template)]
#[template(path = "timeline.html")]
pub struct TimelinePage {
    /// Frame.
    pub site: Site,
    /// This page's entries.
    pub items: Vec<Item>,
    /// Place in the list.
    pub pager: Pager,
    /// The past day at whose end it stops.
    pub past: Option<AsOf>,
    /// Another day.
    pub day: AskDay,
}

impl Page for TimelinePage {
    fn title(&self) -> String {
        "全部记录".into()
    }

    fn section(&self) -> Section {
        Section::Timeline
    }

    fn feeds(&self) -> Vec<Link> {
        vec![Link::new("/feeds/all", "全部记录")]
    }
}

impl TimelinePage {
    /// The demo ledger.
    pub fn sample() -> Self {
        Self {
            site: Site::sample(),
            items: sample_items(),
            pager: Pager {
                page: 2,
                pages: 44,
                total: Count(1310),
                prev: Some("/timeline".into()),
                next: Some("/timeline?page=3".into()),
            },
            past: None,
            day: AskDay { hidden: Vec::new(), ..AskDay::sample() },
        }
    }

    /// Until a day before the first record.
    pub fn before_sample() -> Self {
        let since = Some(Day::of(2026, 1, 5));
        let past = AsOf { now: "/timeline".into(), since, first: None, further: None, ..AsOf::sample() };
        let pager = Pager { page: 1, pages: 1, total: Count(0), prev: None, next: None };
        Self { items: Vec::new(), pager, past: Some(past), ..Self::sample() }
    }
}
