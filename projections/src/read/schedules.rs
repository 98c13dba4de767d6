//! Scheduled openings as of today: what is going to be opened, what should have been, what was. Nothing of what is sealed.

use std::collections::HashMap;

use chrono::NaiveDate;
use gongkai_domain::{
    kind::{self, erasure},
    schedule::{self, Standing},
};
use gongkai_store::database::Row;
use serde::Serialize;

use super::{Columns, Filter, Page, ReadError, Reader, int, label_or, text};
use crate::projection::Arg;

/// Rows of schedules with what became of them: the first opening, and whether a later order erased the matter.
macro_rules! scheduled {
    ($tail:literal) => {
        concat!(
            "SELECT s.entry_index, s.slot, s.stream, s.org, s.kind, s.field, s.opens_on, \
             (SELECT MIN(o.entry_index) FROM opened_slots o WHERE o.target_index = s.entry_index AND o.slot = s.slot) AS opened_index, \
             (SELECT COUNT(*) FROM events x JOIN events t ON t.entry_index = x.target_index \
              WHERE x.family = 'erasure' AND x.kind = $1 AND t.stream = s.stream AND x.entry_index > s.entry_index) AS erasures \
             FROM schedules s ",
            $tail
        )
    };
}

/// The same conditions as in [`standing`], so that a page of what is overdue is counted by the database.
macro_rules! overdue {
    ($head:literal, $tail:literal) => {
        concat!(
            $head,
            "WHERE s.opens_on < $2 AND (CAST($3 AS TEXT) IS NULL OR s.org IN (SELECT code FROM organization_ancestors WHERE ancestor = $3)) \
             AND NOT EXISTS (SELECT 1 FROM opened_slots o WHERE o.target_index = s.entry_index AND o.slot = s.slot) \
             AND NOT EXISTS (SELECT 1 FROM events x JOIN events t ON t.entry_index = x.target_index \
              WHERE x.family = 'erasure' AND x.kind = $1 AND t.stream = s.stream AND x.entry_index > s.entry_index)",
            $tail
        )
    };
}

const OF_ENTRY: &str = scheduled!("WHERE s.entry_index = $2 ORDER BY s.opens_on, s.slot");
const OVERDUE_COUNT: &str = overdue!("SELECT COUNT(*) FROM schedules s ", "");
const OVERDUE: &str = overdue!(
    "SELECT s.entry_index, s.slot, s.stream, s.org, s.kind, s.field, s.opens_on, NULL AS opened_index, 0 AS erasures FROM schedules s ",
    " ORDER BY s.opens_on, s.entry_index, s.slot LIMIT $4 OFFSET $5"
);
const OPENED: &str =
    "SELECT COUNT(*) FROM opened_slots WHERE target_index = $1 AND slot = $2 AND (leaf IS NULL OR leaf = $3)";

pub(super) const STATEMENTS: &[(&str, &str)] = &[
    ("schedules.of_entry", OF_ENTRY),
    ("schedules.overdue_count", OVERDUE_COUNT),
    ("schedules.overdue", OVERDUE),
    ("schedules.opened", OPENED),
];

/// A promise to open something, as it stands today.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ScheduledOpening {
    /// Entry of the statement that promises it.
    pub index: u64,
    /// Its stream.
    pub stream: String,
    /// Chinese name of its kind.
    pub label: String,
    /// Code of the organization.
    pub org: String,
    /// Its name today.
    pub org_name: String,
    /// Wire name of the sealed field.
    pub field: String,
    /// Its Chinese name.
    pub field_label: String,
    /// Slot in which it lies, 0–15.
    pub slot: u64,
    /// The promised day.
    pub opens_on: NaiveDate,
    /// Where it stands.
    pub standing: Standing,
    /// Entry that opened it.
    pub opened_index: Option<u64>,
    /// All that in one sentence.
    pub sentence: String,
}

impl Reader {
    /// The promises of one entry, the earliest day first.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn scheduled(&mut self, index: u64) -> Result<Vec<ScheduledOpening>, ReadError> {
        let rows = self.rows(OF_ENTRY, vec![ordered(), int(index)]).await?;
        self.openings(&rows).await
    }

    /// Promises whose day is past and that were not kept, the longest overdue first.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn unopened(&mut self, filter: &Filter) -> Result<Page<ScheduledOpening>, ReadError> {
        self.unopened_before(self.today(), filter).await
    }

    /// Promises for days before `day` that were not kept, the earliest day first.
    pub(crate) async fn unopened_before(
        &mut self,
        day: NaiveDate,
        filter: &Filter,
    ) -> Result<Page<ScheduledOpening>, ReadError> {
        let args = || vec![ordered(), text(day.to_string()), Arg::Text(filter.org.clone())];
        let mut paged = args();
        paged.extend([int(filter.limit()), int(filter.offset)]);
        let args = args();
        let total = self.count(OVERDUE_COUNT, args).await?;
        let rows = self.rows(OVERDUE, paged).await?;
        let items = self.openings(&rows).await?;
        Ok(Page { size: self.size(), total, offset: filter.offset, limit: filter.limit(), items })
    }

    /// Whether a slot of a sealed event was opened to the public; of an opening that was withdrawn only the period
    /// and the slot are known.
    pub(crate) async fn was_opened(&mut self, (entry, leaf): (u64, u64), slot: u8) -> Result<bool, ReadError> {
        Ok(self.count(OPENED, vec![int(entry), int(slot), int(leaf)]).await? > 0)
    }

    async fn openings(&mut self, rows: &[Row]) -> Result<Vec<ScheduledOpening>, ReadError> {
        let codes: Vec<String> = rows.iter().map(|row| row.text("org")).collect::<Result<_, _>>()?;
        let names = self.org_names(codes.iter().map(String::as_str)).await?;
        let today = self.today();
        rows.iter().filter_map(|row| opening(row, &names, today).transpose()).collect()
    }
}

fn ordered() -> Arg {
    text(<erasure::Ordered as kind::Described>::KIND)
}

/// A row; none where somebody changed its day by hand.
fn opening(
    row: &Row,
    names: &HashMap<String, String>,
    today: NaiveDate,
) -> Result<Option<ScheduledOpening>, ReadError> {
    let Some(opens_on) = row.day("opens_on")? else { return Ok(None) };
    let (org, name, field) = (row.text("org")?, row.text("kind")?, row.text("field")?);
    let kind = kind::find(&name);
    let field_label = kind.and_then(|kind| schedule::sealed_label(kind, &field)).unwrap_or(&field).to_owned();
    let opened_index = row.maybe::<i64>("opened_index")?.map(i64::unsigned_abs);
    let standing = schedule::standing(opens_on, today, opened_index.is_some(), row.count("erasures")? > 0);
    Ok(Some(ScheduledOpening {
        index: row.count("entry_index")?,
        stream: row.text("stream")?,
        label: label_or(kind.map(|kind| kind.label), &name).to_owned(),
        org_name: names.get(&org).unwrap_or(&org).clone(),
        org,
        sentence: standing.sentence(&field_label, opens_on),
        field,
        field_label,
        slot: row.count("slot")?,
        opens_on,
        standing,
        opened_index,
    }))
}
