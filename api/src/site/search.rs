//! Search results.

use askama::Template;

use super::format::Count;
use super::parts::{Filters, Item, Pager, Piece, sample_items};
use super::{Page, Section, Site};

/// One hit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// The matter.
    pub item: Item,
    /// Its title with what matched.
    pub title: Vec<Piece>,
    /// A piece of its text with what matched; may be empty.
    pub snippet: Vec<Piece>,
}

/// `/search?q=`
#[derive(Debug, Clone, Template)]
#[template(path = "search.html")]
pub struct SearchPage {
    /// Frame.
    pub site: Site,
    /// The query as typed.
    pub query: String,
    /// Filter form; it carries the query too.
    pub filters: Filters,
    /// Hits of this page.
    pub hits: Vec<Hit>,
    /// Time taken, in milliseconds.
    pub took_ms: u64,
    /// Place in the list.
    pub pager: Pager,
}

impl Page for SearchPage {
    fn title(&self) -> String {
        if self.query.is_empty() { "搜索".into() } else { format!("搜索“{}”", self.query) }
    }

    fn section(&self) -> Section {
        Section::None
    }
}

impl SearchPage {
    /// Two hits.
    pub fn sample() -> Self {
        let piece = |text: &str, hit| Piece { text: text.into(), hit };
        let items = sample_items();
        Self {
            site: Site::sample(),
            query: "电网".into(),
            filters: Filters::sample("/search", Some("电网"), true),
            hits: vec![
                Hit {
                    item: items[1].clone(),
                    title: vec![piece("12 月底前完成五里桥村", false), piece("电网", true), piece("改造", false)],
                    snippet: vec![
                        piece("更换两台变压器，", false),
                        piece("电网", true),
                        piece("改造低压线路 3.2 公里……", false),
                    ],
                },
                Hit {
                    item: items[3].clone(),
                    title: vec![piece("每周三下午在村委会坐班接待来访", false)],
                    snippet: Vec::new(),
                },
            ],
            took_ms: 4,
            pager: Pager { page: 1, pages: 1, total: Count(2), prev: None, next: None },
        }
    }

    /// No hit.
    pub fn none_sample() -> Self {
        Self {
            query: "无人机".into(),
            filters: Filters::sample("/search", Some("无人机"), true),
            hits: Vec::new(),
            pager: Pager { page: 1, pages: 1, total: Count(0), prev: None, next: None },
            ..Self::sample()
        }
    }
}
