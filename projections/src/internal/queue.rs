//! What waits for somebody: the drafts at whose next gate this very person may act (审核待办).
//!
//! Whether one may is judged by the review itself ([`review::State::waits_for`]), as it will be when the step is
//! handed in, and each row passes the policy like every other. The one that waits longest comes first. Not here:
//! what the draft says; it is read with an access on record.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use gongkai_domain::{
    confidentiality::Reader,
    kind::{access::Purpose, review},
    procedure::{self, Procedure, Seat, Step},
};
use gongkai_log::{Entry, StreamId};
use gongkai_store::{SealedEvent, StoredEntry};
use serde::Serialize;
use sqlx::Row as _;

use super::{
    InternalError, InternalViews,
    read::{Candidate, PAGE, scopes},
    standing::stands,
};

/// Most rows of one answer.
pub const QUEUE_MAX: usize = 100;

/// Drafts whose events are in memory at the same time.
const DRAFTS_AT_ONCE: usize = 64;

const WAITING: &str = "SELECT m.opened_seq, m.stream, m.kind, m.org, m.author, m.concerns, m.hidden, m.received_at, \
                       m.latest_kind, m.revision, m.standing FROM scopes s JOIN matters m ON m.opened_seq = s.opened_seq \
                       WHERE s.seen_from = ? AND s.family = 'review' AND m.acts_left > 0 AND s.opened_seq > ? \
                       ORDER BY s.opened_seq LIMIT ?";

/// A draft that waits for whoever asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct QueueRow {
    /// The review.
    pub review: String,
    /// Organization that is going to publish.
    pub org: String,
    /// The gate at which it waits.
    pub gate: String,
    /// Its Chinese name.
    pub gate_label: String,
    /// The role in which it is passed.
    pub role: String,
    /// Its Chinese name.
    pub role_label: String,
    /// Whether it waits for the organization above.
    pub above: bool,
    /// How many people have yet to pass it there.
    pub people: u64,
    /// Since when it waits at this gate.
    pub since: DateTime<Utc>,
    /// When the draft was handed in.
    pub submitted_at: DateTime<Utc>,
    /// The person who made it.
    pub author: Option<String>,
    /// Revision of its latest statement.
    pub revision: u64,
}

/// Who took a step, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Taken {
    /// The person.
    pub person: String,
    /// The key that signed.
    pub key: String,
    /// When.
    pub at: DateTime<Utc>,
}

/// A step of a review with those who took it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StepRow {
    /// The gate.
    pub gate: String,
    /// Its Chinese name.
    pub gate_label: String,
    /// The role in which it is passed.
    pub role: String,
    /// Its Chinese name.
    pub role_label: String,
    /// Whether the organization above passes it.
    pub above: bool,
    /// How many people pass it.
    pub people: u64,
    /// Whether they sign the publication as well.
    pub cosigns: bool,
    /// Who passed it.
    pub taken: Vec<Taken>,
}

/// Where a review stands for somebody; nothing of what the draft says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StandingRow {
    /// Organization that is going to publish.
    pub org: String,
    /// Revision of its latest statement.
    pub revision: u64,
    /// When the draft was handed in.
    pub submitted_at: DateTime<Utc>,
    /// The person who made it.
    pub author: Option<String>,
    /// Whether that is whoever asks.
    pub is_own: bool,
    /// The steps, in their order.
    pub steps: Vec<StepRow>,
    /// Who sent it back.
    pub returned: Option<Taken>,
    /// The gate that waits for whoever asks.
    pub mine: Option<String>,
    /// Whether every step is taken.
    pub is_complete: bool,
    /// The entry that published what was approved.
    pub published: Option<u64>,
}

impl InternalViews {
    /// Where a review stands; `None` when it does not exist for the reader.
    ///
    /// # Errors
    /// [`InternalError`].
    pub async fn standing(&self, reader: &Reader, stream: &StreamId) -> Result<Option<StandingRow>, InternalError> {
        self.reflected().await?;
        if self.cleared(reader, Purpose::Review, stream).await?.is_none() {
            return Ok(None);
        }
        let events = self.0.reader.stream(stream).await?;
        let Some((state, _)) = stands(&events) else { return Ok(None) };
        let Some(review) = state.get::<review::State>() else { return Ok(None) };
        let mine = self.0.ledger.with_world(|world| review.waits_for(reader.person(), world));
        let mut decisions = events.iter().filter_map(taken);
        let mut passed =
            review.passes.iter().filter_map(|pass| Some((pass.gate, decisions.next()?))).collect::<Vec<_>>();
        let step = |step: &Step| StepRow {
            gate: step.gate.wire().to_owned(),
            gate_label: step.gate.label().to_owned(),
            role: step.role.wire().to_owned(),
            role_label: step.role.label().to_owned(),
            above: step.seat == Seat::Above,
            people: step.people,
            cosigns: step.cosigns,
            taken: passed.extract_if(.., |(gate, _)| *gate == step.gate).map(|(_, taken)| taken).collect(),
        };
        let steps = review.procedure.map(Procedure::steps).unwrap_or_default().iter().map(step).collect();
        let latest = events.iter().rev().find_map(|event| Some(event.opened.as_ref()?.signed.statement.revision));
        let published = if review.is_complete() { self.published(review).await? } else { None };
        Ok(Some(StandingRow {
            org: review.org.clone(),
            revision: latest.unwrap_or(0),
            submitted_at: events.first().map_or_else(DateTime::default, |event| event.row.received_at),
            author: review.author.as_ref().map(ToString::to_string),
            is_own: review.author.as_ref() == Some(reader.person()),
            steps,
            returned: review.returned.as_ref().and_then(|_| decisions.next()),
            mine: mine.map(|step| step.gate.wire().to_owned()),
            is_complete: review.is_complete(),
            published,
        }))
    }

    /// The entry that says what the review approved.
    async fn published(&self, review: &review::State) -> Result<Option<u64>, InternalError> {
        let Some(target) = &review.target else { return Ok(None) };
        let entries = self.0.ledger.stream(target).await?;
        let is_it = |stored: &StoredEntry| {
            let entry = Entry::parse(stored.bytes.clone()).ok()?;
            let statement = &entry.content.statement()?.statement;
            (procedure::digest(statement).ok() == review.digest).then_some(entry.index)
        };
        Ok(entries.iter().find_map(is_it))
    }

    /// The drafts that wait for somebody, the one that waits longest first.
    ///
    /// # Errors
    /// [`InternalError`].
    pub async fn queue(&self, reader: &Reader, limit: usize) -> Result<Vec<QueueRow>, InternalError> {
        self.reflected().await?;
        let mut open: BTreeMap<i64, Candidate> = BTreeMap::new();
        for scope in self.0.ledger.with_world(|world| scopes(reader, world)) {
            let mut above = -1;
            loop {
                let query = sqlx::query(WAITING).bind(&scope).bind(above).bind(PAGE);
                let rows = query.fetch_all(&self.0.pool).await?;
                let Some(last) = rows.last() else { break };
                above = last.get(0);
                self.0.ledger.with_world(|world| {
                    let candidates = rows.iter().filter_map(Candidate::read);
                    let cleared =
                        |candidate: &Candidate| self.clear(candidate, reader, Purpose::Review, world).is_some();
                    open.extend(candidates.filter(cleared).map(|candidate| (candidate.seq, candidate)));
                });
            }
        }
        let open: Vec<Candidate> = open.into_values().collect();
        let mut rows = Vec::new();
        for some in open.chunks(DRAFTS_AT_ONCE) {
            let streams: Vec<_> = some.iter().map(|candidate| &candidate.stream).collect();
            let events = self.0.reader.streams(&streams).await?;
            rows.extend(some.iter().zip(&events).filter_map(|(one, events)| self.waiting(one, events, reader)));
        }
        rows.sort_by_key(|row| row.since);
        rows.truncate(limit.min(QUEUE_MAX));
        Ok(rows)
    }

    fn waiting(&self, candidate: &Candidate, events: &[SealedEvent], reader: &Reader) -> Option<QueueRow> {
        let (state, since) = stands(events)?;
        let review = state.get::<review::State>()?;
        let step = self.0.ledger.with_world(|world| review.waits_for(reader.person(), world))?;
        Some(QueueRow {
            review: candidate.stream.to_string(),
            org: review.org.clone(),
            gate: step.gate.wire().to_owned(),
            gate_label: step.gate.label().to_owned(),
            role: step.role.wire().to_owned(),
            role_label: step.role.label().to_owned(),
            above: step.seat == Seat::Above,
            people: review.people_left(),
            since,
            submitted_at: events.first()?.row.received_at,
            author: review.author.as_ref().map(ToString::to_string),
            revision: events.last()?.opened.as_ref()?.signed.statement.revision,
        })
    }
}

/// Who decided with an event; nothing for the one that opens the review.
fn taken(event: &SealedEvent) -> Option<Taken> {
    let statement = &event.opened.as_ref()?.signed.statement;
    if statement.revision == 0 {
        return None;
    }
    let key = statement.signers.first()?.key.clone();
    let values = event.opened.as_ref()?.values()?;
    let person = values.get("person")?.as_str()?.to_owned();
    Some(Taken { person, key, at: event.row.received_at })
}
