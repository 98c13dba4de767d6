//! The home page: how much there is, what is new, who is late.

use std::collections::BTreeMap;

use chrono::{Datelike, Months};
use gongkai_domain::field::Period;
use serde::Serialize;

use super::{Counted, Filter, Matter, ReadError, Reader, TimelineItem};

/// Day of the month after which the month before is due everywhere; the base profile's due day.
const DUE_DAY: u32 = 10;

/// Most entries that are shown as new.
const LATEST_MAX: u32 = 10;

/// What the home page shows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Home {
    /// Entries of the log that it reflects.
    pub size: u64,
    /// Matters by family.
    pub totals: BTreeMap<String, u64>,
    /// The newest entries about matters, at most [`LATEST_MAX`].
    pub latest: Vec<TimelineItem>,
    /// Pledges past their date.
    pub overdue: Counted<Matter>,
    /// Notices and nominations whose period is running.
    pub running: Counted<Matter>,
    /// Notices and nominations whose period ended without an outcome.
    pub without_outcome: Counted<Matter>,
    /// The latest month that is due, `2026-02`.
    pub due_month: String,
    /// Villages that have not disclosed it.
    pub missing: u64,
    /// Villages that have to.
    pub obliged: u64,
}

impl Reader {
    /// The home page, each list with its first `shown` rows.
    pub async fn home(&mut self, shown: u32) -> Result<Home, ReadError> {
        let filter = Filter { limit: shown.max(1), ..Filter::default() };
        let overdue = self.overdue(&filter).await?;
        let running = self.running(&filter).await?;
        let without_outcome = self.without_outcome(&filter).await?;
        let latest = self.newest_of_matters(LATEST_MAX).await?;
        let back = if self.today().day() > DUE_DAY { 1 } else { 2 };
        let due_month = Period::month_of(self.today().checked_sub_months(Months::new(back)).unwrap_or(self.today())).0;
        let (obliged, missing) = self.month_owed(None, &due_month).await?;
        Ok(Home {
            size: self.size(),
            totals: self.totals_by_family(None).await?,
            latest,
            overdue: Counted { total: overdue.total, items: overdue.items },
            running: Counted { total: running.total, items: running.items },
            without_outcome: Counted { total: without_outcome.total, items: without_outcome.items },
            due_month,
            missing,
            obliged,
        })
    }

    /// Matters by family, everywhere or in a subtree.
    pub async fn totals_by_family(&mut self, org: Option<&str>) -> Result<BTreeMap<String, u64>, ReadError> {
        if let Some(org) = org {
            let mut totals = BTreeMap::new();
            for family in ["pledge", "vacancy", "nomination", "notice", "disclosure"] {
                let filter = Filter { org: Some(org.to_owned()), limit: 1, ..Filter::default() };
                totals.insert(family.to_owned(), self.matters(family, &filter).await?.total);
            }
            return Ok(totals);
        }
        self.counted_by_family().await
    }
}
