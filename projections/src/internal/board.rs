//! What of sealed matters the secretary's board counts: letters and objections that wait, drafts at their gates, promised
//! openings that were not made.
//!
//! The database gives the matters in which something is still awaited, so that nobody walks those that ended; the policy
//! clears each row, for handling or for inspection, as it would when the same list is asked for. By which day something is
//! due is computed from the matter's state, the rules and the calendar as of now. States are decrypted once for each new
//! event of a matter and kept in memory alone. No content: a row says what kind of matter it is, whose, and since when.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError},
};

use chrono::{DateTime, NaiveDate, Utc};
use gongkai_domain::{
    World,
    clock::{self, Running},
    confidentiality::Reader,
    kind::{self, access::Purpose, review},
    procedure::{self, Step},
    schedule,
};
use gongkai_store::SealedEvent;
use serde_json::json;
use sqlx::Row as _;

use super::{
    InternalError, InternalViews,
    queue::stands,
    read::{Candidate, DueRow},
    schedules::ScheduleRow,
};
use crate::{
    board::{List, Row},
    read,
};

/// Matters whose events are decrypted at the same time.
const MATTERS_AT_ONCE: usize = 64;
/// Most states that are kept; beyond, all are forgotten and read again.
const KEPT_MAX: usize = 50_000;

macro_rules! open {
    ($condition:literal) => {
        concat!(
            "SELECT m.opened_seq, m.stream, m.kind, m.org, m.author, m.concerns, m.hidden, m.received_at, m.latest_kind, \
             m.revision, m.latest_seq FROM matters m WHERE ",
            $condition,
            " AND EXISTS (SELECT 1 FROM json_each(?) r CROSS JOIN scopes s \
             WHERE s.seen_from = r.value AND s.family = m.family AND s.opened_seq = m.opened_seq) ORDER BY m.opened_seq"
        )
    };
}

const AWAITING: &str = open!("m.awaits = 1");
const DRAFTS: &str = open!("m.acts_left > 0");

/// What a matter waits for, as its events have it; days and rules are left to the moment of asking.
pub(super) struct Kept {
    latest_seq: i64,
    running: Vec<Running>,
    gate: Option<(&'static Step, DateTime<Utc>)>,
}

/// States by the number of the event that opened the matter.
pub(super) type Keeping = HashMap<i64, Arc<Kept>>;

/// What one reader may count.
#[derive(Default)]
pub(crate) struct Sealed {
    awaiting: Vec<Row>,
    dues: Vec<Row>,
    drafts: Vec<Row>,
    openings: Vec<Row>,
}

impl Sealed {
    /// The rows of a list, with the days that it counts.
    pub(crate) fn rows(&self, list: List, today: NaiveDate) -> Vec<Row> {
        let over = |row: &Row| row.due_on.map_or(0, |due| (today - due).num_days());
        let with = |row: &Row, days| Row { days, ..row.clone() };
        match list {
            List::Unanswered => self.awaiting.clone(),
            List::Drafts => self.drafts.clone(),
            List::Unopened => {
                self.openings.iter().filter(|row| over(row) > 0).map(|row| with(row, over(row))).collect()
            }
            List::DueSoon => {
                let soon = self.dues.iter().chain(&self.openings).filter(|row| over(row) <= 0);
                soon.map(|row| with(row, -over(row))).collect()
            }
            _ => Vec::new(),
        }
    }
}

impl InternalViews {
    /// What a reader may count below some organizations: of one list, or of all.
    ///
    /// # Errors
    /// [`InternalError`].
    pub(crate) async fn sealed_facts(
        &self,
        reader: &Reader,
        roots: &[&str],
        list: Option<List>,
        public: &mut read::Reader,
    ) -> Result<Sealed, InternalError> {
        self.reflected().await?;
        let asked = |lists: &[List]| list.is_none_or(|list| lists.contains(&list));
        let mut sealed = Sealed::default();
        if asked(&[List::Unanswered, List::DueSoon]) {
            for (candidate, kept) in self.open_matters(AWAITING, reader, roots).await? {
                self.await_of(&candidate, &kept, roots, public, &mut sealed);
            }
        }
        if asked(&[List::Drafts]) {
            let open = self.open_matters(DRAFTS, reader, roots).await?;
            sealed.drafts =
                open.iter().filter_map(|(candidate, kept)| draft(candidate, kept, public.today())).collect();
        }
        if asked(&[List::Unopened, List::DueSoon]) {
            let soon = public.soon();
            let promises = self.promises(reader, roots, soon, public).await?;
            sealed.openings = promises.into_iter().map(opening).collect();
        }
        Ok(sealed)
    }

    /// Open matters of organizations below the roots that the policy clears for the reader, with their states.
    async fn open_matters(
        &self,
        sql: &'static str,
        reader: &Reader,
        roots: &[&str],
    ) -> Result<Vec<(Candidate, Arc<Kept>)>, InternalError> {
        let rows = sqlx::query(sql).bind(json!(roots).to_string()).fetch_all(&self.0.pool).await?;
        let cleared = self.0.ledger.with_world(|world| {
            let mine = |candidate: &Candidate| {
                let purposes = [Purpose::Handling, Purpose::Inspection];
                purposes.into_iter().any(|purpose| self.clear(candidate, reader, purpose, world).is_some())
            };
            let candidates = rows.iter().filter_map(|row| Some((Candidate::read(row)?, row.get::<i64, _>(10))));
            candidates.filter(|(candidate, _)| mine(candidate)).collect::<Vec<_>>()
        });
        let mut open = Vec::with_capacity(cleared.len());
        let mut unknown = Vec::new();
        {
            let keeping = self.0.keeping.lock().unwrap_or_else(PoisonError::into_inner);
            for (candidate, latest_seq) in cleared {
                match keeping.get(&candidate.seq).filter(|kept| kept.latest_seq == latest_seq) {
                    Some(kept) => open.push((candidate, Arc::clone(kept))),
                    None => unknown.push((candidate, latest_seq)),
                }
            }
        }
        while !unknown.is_empty() {
            let some: Vec<_> = unknown.drain(..unknown.len().min(MATTERS_AT_ONCE)).collect();
            open.extend(self.look_up(some).await?);
        }
        open.sort_by_key(|(candidate, _)| candidate.seq);
        Ok(open)
    }

    /// The states of matters that are not kept yet.
    async fn look_up(&self, some: Vec<(Candidate, i64)>) -> Result<Vec<(Candidate, Arc<Kept>)>, InternalError> {
        let streams: Vec<_> = some.iter().map(|(candidate, _)| &candidate.stream).collect();
        let events = self.0.reader.streams(&streams).await?;
        let kept = self.0.ledger.with_world(|world| {
            let one = |((candidate, latest_seq), events): ((Candidate, i64), &Vec<SealedEvent>)| {
                Some((candidate, Arc::new(keep(latest_seq, events, world)?)))
            };
            some.into_iter().zip(&events).filter_map(one).collect::<Vec<_>>()
        });
        let mut keeping = self.0.keeping.lock().unwrap_or_else(PoisonError::into_inner);
        if keeping.len() > KEPT_MAX {
            keeping.clear();
        }
        keeping.extend(kept.iter().map(|(candidate, kept)| (candidate.seq, Arc::clone(kept))));
        Ok(kept)
    }

    /// The row of a matter that waits, and one for each of its days that is near.
    fn await_of(&self, candidate: &Candidate, kept: &Kept, roots: &[&str], public: &read::Reader, sealed: &mut Sealed) {
        let (today, soon) = (public.today(), public.soon());
        let received_on = procedure::recorded_on(candidate.received_at);
        let mut dues = self.0.ledger.with_world(|world| {
            // What another organization has to do is on its own board.
            let ours =
                kept.running.iter().filter(|running| roots.iter().any(|root| world.is_within(&running.org, root)));
            ours.filter_map(|running| clock::due(running.clone(), world)).collect::<Vec<_>>()
        });
        dues.sort_by_key(|due| due.due_on);
        let row = |due: &clock::Due| {
            let shown = DueRow::on(due, today);
            Row {
                since: Some(received_on),
                due_on: Some(due.due_on),
                rule: shown.rule.unwrap_or_else(|| "写明的期限".to_owned()),
                computed: due.computed.as_ref().map(gongkai_domain::calendar::Computed::explain).unwrap_or_default(),
                provisional: due.computed.as_ref().is_some_and(|computed| computed.provisional),
                ..sealed_row(candidate, due.org.clone(), due.what)
            }
        };
        if let Some(first) = dues.first() {
            sealed.awaiting.push(Row { days: (today - received_on).num_days().max(0), ..row(first) });
        }
        sealed.dues.extend(dues.iter().filter(|due| today <= due.due_on && due.due_on <= soon).map(row));
    }
}

fn keep(latest_seq: i64, events: &[SealedEvent], world: &World) -> Option<Kept> {
    let (state, since) = stands(events)?;
    let gate = state.get::<review::State>().and_then(review::State::next).map(|step| (step, since));
    Some(Kept { latest_seq, running: clock::running(&state, world), gate })
}

fn sealed_row(candidate: &Candidate, org: String, awaits: &str) -> Row {
    Row { stream: Some(candidate.stream.to_string()), sealed: true, ..Row::of(candidate.kind.label, org, awaits) }
}

fn draft(candidate: &Candidate, kept: &Kept, today: NaiveDate) -> Option<Row> {
    let (step, since) = kept.gate?;
    let since = procedure::recorded_on(since);
    Some(Row {
        since: Some(since),
        days: (today - since).num_days().max(0),
        rule: format!("从到达这一关起算，由{}办理", step.role.label()),
        ..sealed_row(candidate, candidate.org.clone(), step.gate.label())
    })
}

fn opening(promise: ScheduleRow) -> Row {
    let field = kind::find(&promise.kind).and_then(|kind| schedule::sealed_label(kind, &promise.field));
    let awaits = format!("启封{}", field.unwrap_or(&promise.field));
    Row {
        stream: Some(promise.stream),
        revision: Some(promise.revision),
        sealed: true,
        title: Some(promise.sentence),
        due_on: Some(promise.opens_on),
        rule: "约定的启封日期".to_owned(),
        ..Row::of(&promise.label, promise.org, &awaits)
    }
}
