//! What of sealed matters is promised to be opened, as of today, for those who are told of the schedule.
//!
//! A row of the table is a day and a field's name: as much as a list of what is due needs, and nothing of the value. It
//! is shown where the policy clears the tier in which the schedule itself lies, matter by matter; no access is recorded,
//! as for the other lists. Whether it was opened is asked of the public views, so that nothing is stored twice; erased
//! matters leave the table with everything else.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use gongkai_domain::{
    World,
    confidentiality::{self, Matter, Reader},
    kind::{self, Kind, access::Purpose},
    schedule::{self, Standing},
};
use gongkai_log::{StreamId, Tier};
use gongkai_store::SealedEvent;
use serde::Serialize;
use sqlx::{Row as _, sqlite::SqliteRow};

use super::{InternalError, InternalViews, read::MATTERS_MAX, read::scopes};
use crate::read;

/// Rows that are fetched at a time from one scope.
const PAGE: i64 = 64;

const CANDIDATES: &str = "SELECT s.opens_on, s.seq, s.slot, s.field, m.stream, m.concerns FROM scopes c \
                          JOIN matters m ON m.opened_seq = c.opened_seq JOIN schedules s ON s.opened_seq = m.opened_seq \
                          WHERE c.seen_from = ?1 AND (s.opens_on, s.seq, s.slot) > (?2, ?3, ?4) AND s.opens_on <= ?5 \
                          ORDER BY s.opens_on, s.seq, s.slot LIMIT ?6";

/// A promise to open a field of a sealed event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ScheduleRow {
    /// Number of the event, in the order of receipt.
    pub seq: u64,
    /// The matter.
    pub stream: String,
    /// Revision of the event.
    pub revision: u64,
    /// Kind of the event.
    pub kind: String,
    /// Its Chinese name.
    pub label: String,
    /// Organization in whose name it was said.
    pub org: String,
    /// Wire name of the field.
    pub field: String,
    /// Its slot.
    pub slot: u8,
    /// The promised day.
    pub opens_on: NaiveDate,
    /// Where the promise stands.
    pub standing: Standing,
    /// Entry of the event's period; absent until then.
    pub period: Option<u64>,
    /// Its leaf there.
    pub leaf: Option<u64>,
    /// All that in one sentence.
    pub sentence: String,
}

/// A row before the policy has seen it.
struct Candidate {
    opens_on: String,
    seq: i64,
    slot: i64,
    field: String,
    stream: StreamId,
    concerns: Vec<String>,
}

impl Candidate {
    fn read(row: &SqliteRow) -> Option<Self> {
        Some(Self {
            opens_on: row.get(0),
            seq: row.get(1),
            slot: row.get(2),
            field: row.get(3),
            stream: row.get::<&str, _>(4).parse().ok()?,
            concerns: serde_json::from_str(row.get(5)).ok()?,
        })
    }

    fn row(&self, event: &SealedEvent) -> Option<ScheduleRow> {
        let statement = &event.opened.as_ref()?.signed.statement;
        let place = event.row.period.as_ref().map(|(index, leaf, _)| (*index, *leaf));
        Some(ScheduleRow {
            seq: event.seq,
            stream: self.stream.to_string(),
            revision: statement.revision,
            label: kind::find(&statement.kind)?.label.to_owned(),
            kind: statement.kind.clone(),
            org: statement.org.clone(),
            field: self.field.clone(),
            slot: u8::try_from(self.slot).ok()?,
            opens_on: self.opens_on.parse().ok()?,
            standing: Standing::Ahead,
            period: place.map(|(index, _)| index),
            leaf: place.map(|(_, leaf)| leaf),
            sentence: String::new(),
        })
    }
}

impl InternalViews {
    /// Promises that are to be kept until a day and are not yet, the longest overdue first.
    ///
    /// # Errors
    /// [`InternalError`].
    pub async fn schedules(
        &self,
        reader: &Reader,
        purpose: Purpose,
        until: NaiveDate,
        limit: usize,
        public: &mut read::Reader,
    ) -> Result<Vec<ScheduleRow>, InternalError> {
        self.reflected().await?;
        let limit = limit.min(MATTERS_MAX);
        let scopes = self.0.ledger.with_world(|world| scopes(reader, world));
        let (mut found, mut seen) = (Vec::new(), BTreeSet::new());
        for scope in scopes {
            let (mut after, mut taken) = ((String::new(), 0, 0), 0);
            while taken < limit {
                let query = sqlx::query(CANDIDATES).bind(&scope).bind(&after.0).bind(after.1).bind(after.2);
                let rows = query.bind(until.to_string()).bind(PAGE).fetch_all(&self.0.pool).await?;
                let Some(last) = rows.last() else { break };
                after = (last.get(0), last.get(1), last.get(2));
                for candidate in rows.iter().filter_map(Candidate::read) {
                    if seen.insert((candidate.seq, candidate.slot)) {
                        let row = self.promise(&candidate, reader, purpose, public).await?;
                        taken += usize::from(row.is_some());
                        found.extend(row);
                    }
                }
            }
        }
        found.sort_by_key(|row: &ScheduleRow| (row.opens_on, row.seq, row.slot));
        found.truncate(limit);
        Ok(found)
    }

    /// All promises that organizations below some others have to keep until a day and have not, for handling or for
    /// inspection, the longest overdue first.
    pub(super) async fn promises(
        &self,
        reader: &Reader,
        roots: &[&str],
        until: NaiveDate,
        public: &mut read::Reader,
    ) -> Result<Vec<ScheduleRow>, InternalError> {
        let (mut found, mut seen) = (Vec::new(), BTreeSet::new());
        for root in roots {
            let mut after = (String::new(), 0, 0);
            loop {
                let query = sqlx::query(CANDIDATES).bind(root).bind(&after.0).bind(after.1).bind(after.2);
                let rows = query.bind(until.to_string()).bind(PAGE).fetch_all(&self.0.pool).await?;
                let Some(last) = rows.last() else { break };
                after = (last.get(0), last.get(1), last.get(2));
                for candidate in rows.iter().filter_map(Candidate::read) {
                    if !seen.insert((candidate.seq, candidate.slot)) {
                        continue;
                    }
                    for purpose in [Purpose::Handling, Purpose::Inspection] {
                        if let Some(row) = self.promise(&candidate, reader, purpose, public).await? {
                            found.push(row);
                            break;
                        }
                    }
                }
            }
        }
        found.sort_by_key(|row: &ScheduleRow| (row.opens_on, row.seq, row.slot));
        let within = |row: &ScheduleRow| {
            self.0.ledger.with_world(|world| roots.iter().any(|root| world.is_within(&row.org, root)))
        };
        found.retain(within);
        Ok(found)
    }

    /// One promise that is not kept, for somebody who is told of it.
    async fn promise(
        &self,
        candidate: &Candidate,
        reader: &Reader,
        purpose: Purpose,
        public: &mut read::Reader,
    ) -> Result<Option<ScheduleRow>, InternalError> {
        let events = self.0.reader.stream(&candidate.stream).await?;
        let Some(event) = events.iter().find(|event| event.seq.cast_signed() == candidate.seq) else { return Ok(None) };
        if !self.0.ledger.with_world(|world| self.is_told(candidate, event, reader, purpose, world)) {
            return Ok(None);
        }
        let Some(mut row) = candidate.row(event) else { return Ok(None) };
        if let (Some(period), Some(leaf)) = (row.period, row.leaf)
            && public.was_opened((period, leaf), row.slot).await?
        {
            return Ok(None);
        }
        row.standing = schedule::standing(row.opens_on, public.today(), false, false);
        let label = kind::find(&row.kind).and_then(|kind| schedule::sealed_label(kind, &row.field));
        row.sentence = row.standing.sentence(label.unwrap_or(&row.field), row.opens_on);
        Ok(Some(row))
    }

    /// Whether the policy clears the tier in which the schedule lies.
    fn is_told(
        &self,
        candidate: &Candidate,
        event: &SealedEvent,
        reader: &Reader,
        purpose: Purpose,
        world: &World,
    ) -> bool {
        let Some(opened) = &event.opened else { return false };
        let statement = &opened.signed.statement;
        let Some((kind, tier)) = kind::find(&statement.kind).and_then(|kind| Some((kind, tier(kind)?))) else {
            return false;
        };
        let concerns = self.concerning(&candidate.concerns, reader);
        let matter = Matter::of(statement, (kind, tier), &concerns, world);
        confidentiality::clear(reader, purpose, &matter, world).is_some()
    }
}

/// The tier in which a kind's schedule lies.
fn tier(kind: &Kind) -> Option<Tier> {
    kind.slot_fields().find(|(field, _)| field.name == schedule::FIELD).map(|(_, tier)| tier)
}
