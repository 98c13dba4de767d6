//! A page as of a past day: what it says at its head, and the form that asks for a day.

use askama::Template;
use askama::filters::HtmlSafe;

use super::format::{Count, Day};

/// That a page shows a past state.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "part_past.html")]
pub struct Past {
    /// The day at whose end it stood so.
    pub on: Day,
    /// Records shown and records that came later, of a matter.
    pub records: Option<(Count, Count)>,
    /// What else a reader must know.
    pub notes: &'static [&'static str],
    /// The same page now.
    pub now: String,
}

impl HtmlSafe for Past {}

/// The form that asks for a day; it leads back to where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "part_day.html")]
pub struct AskDay {
    /// The day that is shown; today when none is.
    pub value: Day,
    /// Today.
    pub max: Day,
    /// What has to be sent along.
    pub hidden: Vec<(&'static str, String)>,
}

impl HtmlSafe for AskDay {}

impl Past {
    pub(crate) fn sample() -> Self {
        Self {
            on: Day::of(2026, 2, 28),
            records: Some((Count(2), Count(1))),
            notes: &["机构和人的名称按今天。"],
            now: "/streams/calendar/1".into(),
        }
    }
}

impl AskDay {
    pub(crate) fn sample() -> Self {
        Self { value: Day::of(2026, 2, 28), max: Day::of(2026, 3, 12), hidden: vec![("org", "9901".into())] }
    }
}
