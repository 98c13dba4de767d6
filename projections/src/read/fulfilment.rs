//! The rate at which pledges were kept, on days that are past: what the log had recorded by then, judged
//! by that day.
//!
//! The definition is [`FulfilmentRate`]'s and nothing else's; only the moment differs. A pledge's state on a
//! day is folded from the events that were recorded by the end of that day, its date from the same, so a
//! later extension does not make an old month look better. Which organizations belong to a subtree is
//! answered as of today, as everywhere. Not here: notices and nominations, whose periods hang on calendars
//! that were published at some other time.

use std::collections::BTreeMap;

use chrono::{Datelike as _, Months, NaiveDate};
use gongkai_domain::kind::{Described, pledge};
use serde::Serialize;
use serde_json::Value;
use sqlx::{Row as _, sqlite::SqliteRow};

use super::{Columns, FulfilmentRate, ReadError, Reader, compliance::MONTHS_MAX, int};
use crate::{
    boards::pledges::state_said,
    projection::Arg,
    status::{self, Status},
};

/// Most pledge events that are folded for one answer; a subtree with more is asked about part by part.
pub const EVENTS_MAX: u64 = 100_000;

macro_rules! within {
    ($head:literal, $tail:literal) => {
        concat!(
            $head,
            " WHERE m.family = 'pledge' AND (CAST($1 AS TEXT) IS NULL OR m.org IN (SELECT code FROM organization_ancestors WHERE ancestor = $1))",
            $tail
        )
    };
}

const HOW_MANY: &str = within!("SELECT CAST(COALESCE(SUM(m.revisions), 0) AS BIGINT) FROM matters m", "");
const EVENTS: &str = within!(
    "SELECT e.stream, e.kind, e.recorded_at, e.declared_at, e.body FROM matters m JOIN events e ON e.stream = m.stream",
    " ORDER BY e.stream, e.revision LIMIT $2"
);

pub(super) const STATEMENTS: &[(&str, &str)] = &[("fulfilment.how_many", HOW_MANY), ("fulfilment.events", EVENTS)];

/// The rate at the end of a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct FulfilmentPoint {
    /// The day: the last of a month, or today.
    pub on: NaiveDate,
    /// The rate as it stood then.
    pub rate: FulfilmentRate,
}

/// What was said about a pledge by some day.
#[derive(Clone, Copy)]
struct Said {
    from: NaiveDate,
    state: &'static str,
    due: Option<NaiveDate>,
}

impl Reader {
    /// The rate at the end of each of the last [`MONTHS_MAX`] ended months and today, oldest first; `None` when
    /// there are more than [`EVENTS_MAX`] events to fold. The last one is what [`Reader::fulfilment_rate`] says.
    pub async fn fulfilment_over_time(&mut self, org: Option<&str>) -> Result<Option<Vec<FulfilmentPoint>>, ReadError> {
        let today = self.today();
        self.fulfilment_until(org, today).await
    }

    /// The same with a past day in the place of today.
    pub async fn fulfilment_until(
        &mut self,
        org: Option<&str>,
        day: NaiveDate,
    ) -> Result<Option<Vec<FulfilmentPoint>>, ReadError> {
        let days = month_ends(day.min(self.today()));
        self.fulfilment_on(org, &days).await
    }

    /// The rate at the end of each of these days, in their order; today and what is after it have everything that
    /// is recorded. `None` when there are more than [`EVENTS_MAX`] events to fold.
    pub async fn fulfilment_on(
        &mut self,
        org: Option<&str>,
        days: &[NaiveDate],
    ) -> Result<Option<Vec<FulfilmentPoint>>, ReadError> {
        let scope = Arg::Text(org.map(str::to_owned));
        if self.count(HOW_MANY, vec![scope.clone()]).await? > EVENTS_MAX {
            return Ok(None);
        }
        let rows = self.rows(EVENTS, vec![scope, int(EVENTS_MAX)]).await?;
        let today = self.today();
        let mut counts: Vec<BTreeMap<Status, u64>> = vec![BTreeMap::new(); days.len()];
        for of_pledge in rows.chunk_by(same_stream) {
            let said = said(of_pledge)?;
            for (day, counts) in days.iter().zip(&mut counts) {
                let known = said.iter().rev().find(|said| *day >= today || said.from <= *day);
                if let Some(status) = known.and_then(|said| said.status(*day)) {
                    *counts.entry(status).or_default() += 1;
                }
            }
        }
        let point = |(on, counts): (&NaiveDate, &BTreeMap<Status, u64>)| FulfilmentPoint {
            on: *on,
            rate: FulfilmentRate::of(|status| counts.get(&status).copied().unwrap_or(0)),
        };
        Ok(Some(days.iter().zip(&counts).map(point).collect()))
    }
}

fn same_stream(a: &SqliteRow, b: &SqliteRow) -> bool {
    matches!((a.try_get::<&str, _>("stream"), b.try_get::<&str, _>("stream")), (Ok(a), Ok(b)) if a == b)
}

/// What the events of one pledge said, one after the other.
fn said(events: &[SqliteRow]) -> Result<Vec<Said>, ReadError> {
    let mut all: Vec<Said> = Vec::with_capacity(events.len());
    for row in events {
        let kind = row.text("kind")?;
        let zone = *row.declared("declared_at")?.offset();
        let on = row.recorded("recorded_at")?.with_timezone(&zone).date_naive();
        let before = all.last().copied();
        // With or without progress makes no difference to the rate.
        let state = state_said(&kind, false).or(before.map(|before| before.state));
        let Some(state) = state else { continue };
        let mut due = before.and_then(|before| before.due);
        if sets_due(&kind) {
            let body: Value = serde_json::from_str(&row.text("body")?)?;
            due = body["due"].as_str().and_then(|day| day.parse().ok()).or(due);
        }
        all.push(Said { from: before.map_or(on, |before| before.from.max(on)), state, due });
    }
    Ok(all)
}

impl Said {
    fn status(&self, day: NaiveDate) -> Option<Status> {
        let mark = if self.due.is_some_and(|due| due < day) { "!" } else { "" };
        status::of_key("pledge", &format!("{}{mark}", self.state))
    }
}

fn sets_due(kind: &str) -> bool {
    [pledge::Made::KIND, pledge::Amended::KIND].contains(&kind)
}

/// The last days of the months that have ended, oldest first, and today.
fn month_ends(today: NaiveDate) -> Vec<NaiveDate> {
    let first = today.with_day(1).unwrap_or(today);
    let back = (0..MONTHS_MAX).rev();
    let ends = back.filter_map(|back| first.checked_sub_months(Months::new(back))?.pred_opt());
    ends.chain([today]).collect()
}
