//! The home page: search, what is new, who is late, and the state of the log.

use askama::Template;
use gongkai_projections::Status;

use super::format::{Count, Month};
use super::parts::{Badge, Counted, Family, Item, Link, sample_items};
use super::{Page, Section, Site};

/// A family with how many matters it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FamilyTile {
    /// The family.
    pub family: Family,
    /// How many matters.
    pub total: Count,
}

/// `/`
#[derive(Debug, Clone, Template)]
#[template(path = "home.html")]
pub struct HomePage {
    /// Frame.
    pub site: Site,
    /// Families, in the order of the navigation.
    pub families: Vec<FamilyTile>,
    /// The newest entries across families, at most ten.
    pub latest: Vec<Item>,
    /// Pledges past their date.
    pub overdue: Counted,
    /// Notices and nominations whose period is running.
    pub running: Counted,
    /// Notices and nominations whose period ended without a published outcome.
    pub without_outcome: Counted,
    /// The month that is due.
    pub due_month: Month,
    /// Organizations that have not disclosed it.
    pub missing: Count,
    /// Organizations that have to.
    pub obliged: Count,
    /// Where the list of the missing ones is.
    pub missing_href: String,
}

impl Page for HomePage {
    fn title(&self) -> String {
        "首页".into()
    }

    fn section(&self) -> Section {
        Section::Home
    }

    fn feeds(&self) -> Vec<Link> {
        vec![Link::new("/feeds/all", "全部记录")]
    }
}

impl HomePage {
    /// A page of the demo county.
    pub fn sample() -> Self {
        let items = sample_items();
        let overdue: Vec<Item> = vec![
            items[3].clone(),
            Item {
                status: Some(Badge(Status::Overdue)),
                remark: "已过 9 天".into(),
                late_days: None,
                index: Some(1190),
                ..items[1].clone()
            },
        ];
        let without =
            Item { status: Some(Badge(Status::NoOutcome)), remark: "已过 12 天".into(), ..items[2].clone() };
        Self {
            site: Site::sample(),
            families: Family::BOARDS
                .into_iter()
                .zip([38, 4, 12, 21, 1_204])
                .map(|(family, total)| FamilyTile { family, total: Count(total) })
                .collect(),
            overdue: Counted { total: Count(5), items: overdue, href: "/compliance#overdue".into() },
            running: Counted {
                total: Count(3),
                items: vec![items[2].clone(), items[4].clone()],
                href: "/notices?status=running".into(),
            },
            without_outcome: Counted {
                total: Count(1),
                items: vec![without],
                href: "/compliance#without-outcome".into(),
            },
            latest: items,
            due_month: Month { year: 2026, month: 2 },
            missing: Count(3),
            obliged: Count(18),
            missing_href: "/compliance#missing".into(),
        }
    }
}
