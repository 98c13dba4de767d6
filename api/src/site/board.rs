//! The board of a family: filter, list, pages, download. One context serves all five families.

use askama::Template;
use gongkai_projections::Status;

use super::format::{Count, Day};
use super::parts::{Badge, DayChoice, Family, Filters, Item, Link, Pager, sample_items};
use super::past::AsOf;
use super::{Page, Section, Site};

/// A status with how many matters have it, under the present filter without its status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusCount {
    /// The status.
    pub status: Badge,
    /// How many.
    pub total: Count,
    /// The list of them.
    pub href: String,
}

/// `/pledges`, `/vacancies`, `/nominations`, `/notices`, `/disclosures`
#[derive(Debug, Clone, Template)]
#[template(path = "board.html")]
pub struct BoardPage {
    /// Frame.
    pub site: Site,
    /// The family.
    pub family: Family,
    /// Filter form.
    pub filters: Filters,
    /// Counts by status; may be empty.
    pub counts: Vec<StatusCount>,
    /// This page's matters.
    pub items: Vec<Item>,
    /// How many there are, unless that takes folding all of them.
    pub total: Option<Count>,
    /// Place in the list of today.
    pub pager: Option<Pager>,
    /// The past day of which the list is.
    pub past: Option<AsOf>,
    /// All results as CSV.
    pub csv_href: String,
    /// All results as JSON lines.
    pub jsonl_href: String,
}

impl Page for BoardPage {
    fn title(&self) -> String {
        self.family.label().into()
    }

    fn section(&self) -> Section {
        Section::Family(self.family)
    }

    fn feeds(&self) -> Vec<Link> {
        vec![Link::new(format!("/feeds{}", self.family.href()), self.family.label())]
    }
}

impl BoardPage {
    /// How many matters this page shows.
    fn shown(&self) -> Count {
        Count(self.items.len() as u64)
    }

    /// The pledges of the demo county.
    pub fn sample() -> Self {
        let pledges: Vec<Item> = sample_items().into_iter().filter(|item| item.family == Family::Pledge).collect();
        let mut items = Vec::new();
        for (at, status) in [
            Badge(Status::InProgress),
            Badge(Status::OverdueUnreported),
            Badge(Status::Fulfilled),
            Badge(Status::NotReported),
            Badge(Status::NoProgress),
            Badge(Status::Withdrawn),
        ]
        .into_iter()
        .enumerate()
        {
            items.push(Item { status: Some(status), ..pledges[at % pledges.len()].clone() });
        }
        let count = |status, total, value: &str| StatusCount {
            status,
            total: Count(total),
            href: format!("/pledges?status={value}"),
        };
        Self {
            site: Site::sample(),
            family: Family::Pledge,
            filters: Filters::sample("/pledges", Some(""), false),
            counts: vec![
                count(Badge(Status::OverdueUnreported), 5, "overdue-unreported"),
                count(Badge(Status::InProgress), 14, "in-progress"),
                count(Badge(Status::NotReported), 6, "not-reported"),
                count(Badge(Status::Fulfilled), 11, "fulfilled"),
            ],
            items,
            total: Some(Count(38)),
            pager: Some(Pager {
                page: 1,
                pages: 2,
                total: Count(38),
                prev: None,
                next: Some("/pledges?page=2".into()),
            }),
            past: None,
            csv_href: "/api/v1/pledges?format=csv".into(),
            jsonl_href: "/api/v1/pledges?format=jsonl".into(),
        }
    }

    /// A filter that matches nothing.
    pub fn empty_sample() -> Self {
        Self {
            family: Family::Vacancy,
            filters: Filters::sample("/vacancies", Some("水电工"), false),
            counts: Vec::new(),
            items: Vec::new(),
            total: Some(Count(0)),
            pager: None,
            ..Self::sample()
        }
    }

    /// The list of a past day, in its middle, under a filter that only folding decides.
    pub fn past_sample() -> Self {
        let mut filters = Filters::sample("/pledges", Some("路灯"), false);
        filters.day = Some(DayChoice { chosen: Some(Day::of(2026, 2, 28)), max: Day::of(2026, 3, 12) });
        let items = Self::sample().items.into_iter().take(2).collect();
        let past = Some(AsOf::sample());
        Self { filters, items, total: None, pager: None, past, counts: Vec::new(), ..Self::sample() }
    }

    /// A day before the first record.
    pub fn before_sample() -> Self {
        let past = AsOf { since: Some(Day::of(2026, 1, 5)), first: None, further: None, ..AsOf::sample() };
        let total = Some(Count(0));
        Self { items: Vec::new(), total, past: Some(past), ..Self::past_sample() }
    }
}
