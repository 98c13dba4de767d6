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

/// That a list is of a past day, and where it goes on.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "part_as_of.html")]
pub struct AsOf {
    /// The day at whose end it stood so.
    pub on: Day,
    /// What else a reader must know.
    pub notes: &'static [&'static str],
    /// The same list today.
    pub now: String,
    /// Day of the log's first entry, when the day lies before it.
    pub since: Option<Day>,
    /// The beginning of the list, when this is not it.
    pub first: Option<String>,
    /// Where the list goes on.
    pub further: Option<String>,
}

impl HtmlSafe for AsOf {}

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

impl AsOf {
    pub(crate) fn sample() -> Self {
        Self {
            on: Day::of(2026, 2, 28),
            notes: &["期限照当天已经公布的规则和放假安排算。"],
            now: "/pledges".into(),
            since: None,
            first: Some("/pledges?on=2026-02-28".into()),
            further: Some("/pledges?on=2026-02-28&before=41".into()),
        }
    }
}

impl AskDay {
    pub(crate) fn sample() -> Self {
        Self { value: Day::of(2026, 2, 28), max: Day::of(2026, 3, 12), hidden: vec![("org", "9901".into())] }
    }
}
