//! What the map (总目) says that there must be, beside what the site has: of a matter in its check panel, of an organization on
//! its page; and how far the roots of the map go.

use askama::Template;
use askama::filters::HtmlSafe;

use crate::site::format::{Count, Moment};

/// How many records the map says that there are, and how many the site has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whole {
    /// Entries that the map is of.
    pub size: Count,
    /// Records among them.
    pub count: Count,
    /// Those of them that the site has.
    pub shown: Count,
    /// Records that came after.
    pub later: Count,
    /// Address of the proof.
    pub href: String,
}

impl Whole {
    /// Whether nothing is missing.
    pub fn holds(&self) -> bool {
        self.count == self.shown
    }

    /// One more came after the map's two.
    pub(crate) fn sample(href: &str) -> Self {
        Self { size: Count(4), count: Count(2), shown: Count(2), later: Count(1), href: href.into() }
    }
}

/// The card of an organization.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "part_whole.html")]
pub struct WholeOf(pub Whole);

impl HtmlSafe for WholeOf {}

/// The last root of the map that the ledger logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastRoot {
    /// The entry that says it.
    pub index: u64,
    /// Entries that it is of.
    pub size: Count,
    /// When it was logged.
    pub at: Moment,
}

/// What no root covers yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uncovered {
    /// The first such entry.
    pub index: u64,
    /// When it was recorded.
    pub at: Moment,
    /// It has waited too long.
    pub is_overdue: bool,
}

/// The card of the map on `/status`.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "part_roots.html")]
pub struct RootsCard {
    /// `None` where none of the newest entries says one.
    pub last: Option<LastRoot>,
    /// Absent when the last root covers everything.
    pub waiting: Option<Uncovered>,
    /// What this site finds wrong with the map itself, in a sentence.
    pub fault: Option<&'static str>,
}

impl HtmlSafe for RootsCard {}

impl RootsCard {
    /// Roots stopped while records went on.
    pub(crate) fn sample() -> Self {
        Self {
            last: Some(LastRoot { index: 998, size: Count(998), at: Moment::of(2026, 3, 12, 7, 50) }),
            waiting: Some(Uncovered { index: 999, at: Moment::of(2026, 3, 12, 8, 1), is_overdue: true }),
            fault: None,
        }
    }
}
