//! The rate at which pledges were kept, on days that are past: what the log had recorded by then, judged
//! by that day.
//!
//! The definition is [`FulfilmentRate`]'s and nothing else's; only the moment differs. A pledge's state on a
//! day is folded from the events that were recorded by the end of that day, its date from the same, so a
//! later extension does not make an old month look better. Which organizations belong to a subtree is
//! answered as of today, as everywhere. Not here: notices and nominations, whose periods hang on calendars
//! that were published at some other time.

use std::collections::BTreeMap;

use chrono::{DateTime, Datelike as _, Days, FixedOffset, Months, NaiveDate};
use gongkai_domain::kind::{Described, pledge};
use gongkai_store::database::Row;
use serde::Serialize;
use serde_json::Value;

use super::{Columns, FulfilmentRate, ReadError, Reader, compliance::MONTHS_MAX, int, text};
use crate::{
    boards::pledges::state_said,
    projection::Arg,
    status::{self, Status},
};

/// Most pledge events that are folded for one answer; a subtree with more is asked about part by part.
pub const EVENTS_MAX: u64 = 100_000;

/// The pledges `m` of a subtree: one look into the index for each organization, `CROSS JOIN` so that SQLite does not go
/// through all pledges instead.
macro_rules! within {
    () => {
        " FROM organization_ancestors a CROSS JOIN matters m WHERE m.org = a.code AND a.ancestor = $4 AND m.family = 'pledge'"
    };
}

macro_rules! everywhere {
    () => {
        " FROM matters m WHERE m.family = 'pledge'"
    };
}

/// Pledges of which nothing new was said since `$3`, or nothing but that they are made, together where no day of the answer
/// tells them apart: by the minute of the only record, which is the last one, the author's zone, and the due day if it is
/// before `$1`. All columns are in `matters_by_org_first`: a village's thousand pledges lie all over the table.
macro_rules! settled {
    ($pledges:expr) => {
        concat!(
            "SELECT m.state, CASE WHEN m.due_on < $1 THEN m.due_on END AS due_on, \
             CASE WHEN m.last_recorded_at >= $3 THEN SUBSTR(m.last_recorded_at, 1, 16) END AS recorded, \
             CASE WHEN m.last_recorded_at >= $3 THEN SUBSTR(m.declared_at, LENGTH(m.declared_at) - 5) END AS zone, COUNT(*) AS total",
            $pledges,
            " AND (m.revisions = 1 OR m.last_recorded_at < $3) AND CAST($2 AS BIGINT) IS NOT NULL GROUP BY 1, 2, 3, 4"
        )
    };
}

/// The events of all others.
macro_rules! events {
    ($pledges:expr) => {
        concat!(
            "SELECT e.stream, e.kind, e.recorded_at, e.declared_at, e.body FROM events e WHERE e.stream IN (SELECT m.stream",
            $pledges,
            " AND m.revisions > 1 AND m.last_recorded_at >= $3) AND CAST($1 AS TEXT) IS NOT NULL ORDER BY e.stream, e.revision LIMIT $2"
        )
    };
}

const SETTLED: &str = settled!(everywhere!());
const SETTLED_WITHIN: &str = settled!(within!());
const EVENTS: &str = events!(everywhere!());
const EVENTS_WITHIN: &str = events!(within!());

pub(super) const STATEMENTS: &[(&str, &str)] = &[
    ("fulfilment.settled", SETTLED),
    ("fulfilment.settled_within", SETTLED_WITHIN),
    ("fulfilment.events", EVENTS),
    ("fulfilment.events_within", EVENTS_WITHIN),
];

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
struct Said<'r> {
    from: NaiveDate,
    state: &'r str,
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
        let (pledges, events) = self.counted_events("pledge", org).await?;
        if events > EVENTS_MAX {
            return Ok(None);
        }
        let today = self.today();
        let mut counts: Vec<BTreeMap<Status, u64>> = vec![BTreeMap::new(); days.len()];
        let mut add = |said: &[Said<'_>], total: u64| {
            for (day, counts) in days.iter().zip(&mut counts) {
                let known = said.iter().rev().find(|said| *day >= today || said.from <= *day);
                if let Some(status) = known.and_then(|said| said.status(*day)) {
                    *counts.entry(status).or_default() += total;
                }
            }
        };
        // Of most pledges nothing is said for months. The log's time is compared with a day that is over in every zone.
        let first = days.iter().min().copied().unwrap_or(today);
        let last = days.iter().max().copied().unwrap_or(today);
        let since = first.checked_sub_days(Days::new(1)).unwrap_or(first);
        let scope = org.map(text).into_iter();
        let args: Vec<Arg> =
            [text(last.to_string()), int(EVENTS_MAX), text(since.to_string())].into_iter().chain(scope).collect();
        let (settled, moved) = if org.is_some() { (SETTLED_WITHIN, EVENTS_WITHIN) } else { (SETTLED, EVENTS) };
        for row in self.rows(settled, args.clone()).await? {
            add(&[said_since(&row, since)?], row.count("total")?);
        }
        if events > pledges {
            for of_pledge in self.rows(moved, args).await?.chunk_by(same_stream) {
                add(&said(of_pledge)?, 1);
            }
        }
        let point = |(on, counts): (&NaiveDate, &BTreeMap<Status, u64>)| FulfilmentPoint {
            on: *on,
            rate: FulfilmentRate::of(|status| counts.get(&status).copied().unwrap_or(0)),
        };
        Ok(Some(days.iter().zip(&counts).map(point).collect()))
    }
}

/// What has been said about some pledges since they were made, or since a day before every other.
fn said_since(row: &Row, since: NaiveDate) -> Result<Said<'_>, ReadError> {
    let unread = |error: chrono::ParseError| {
        ReadError::Database(sqlx::Error::ColumnDecode { index: "recorded".into(), source: Box::new(error) })
    };
    let from = match (row.maybe::<String>("recorded")?, row.maybe::<String>("zone")?) {
        (Some(minute), Some(zone)) => {
            let zone: FixedOffset = zone.parse().map_err(unread)?;
            let moment = DateTime::parse_from_rfc3339(&format!("{minute}:00Z")).map_err(unread)?;
            moment.with_timezone(&zone).date_naive()
        }
        _ => since,
    };
    let state = row.named::<Option<&str>>("state")?.unwrap_or_default();
    Ok(Said { from, state, due: row.day("due_on")? })
}

fn same_stream(a: &Row, b: &Row) -> bool {
    matches!((a.named::<&str>("stream"), b.named::<&str>("stream")), (Ok(a), Ok(b)) if a == b)
}

/// What the events of one pledge said, one after the other.
fn said(events: &[Row]) -> Result<Vec<Said<'static>>, ReadError> {
    let mut all: Vec<Said<'static>> = Vec::with_capacity(events.len());
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

impl Said<'_> {
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
