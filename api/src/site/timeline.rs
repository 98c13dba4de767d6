//! All entries, newest first.

use askama::Template;

use super::format::Count;
use super::parts::{Item, Link, Pager, sample_items};
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
        }
    }
}
