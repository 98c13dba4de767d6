//! What of sealed matters the secretary's board counts: letters and objections that wait, drafts at their gates, promised
//! openings that were not made.
//!
//! The database gives the matters in which something is still awaited, so that nobody walks those that ended; the policy
//! clears each row, for handling or for inspection, as it would when the same list is asked for. By which day something is
//! due is computed from where the matter stands, the rules and the calendar as of now. No content: a row says what kind of
//! matter it is, whose, and since when.

use chrono::NaiveDate;
use gongkai_domain::{
    clock,
    confidentiality::Reader,
    kind::{self, access::Purpose, letter},
    procedure, schedule,
};
use serde_json::json;

use super::{
    InternalError, InternalViews,
    read::{Candidate, DueRow},
    schedules::ScheduleRow,
    standing::Standing,
};
use crate::{
    board::{List, Row},
    read,
};

macro_rules! open {
    ($condition:literal) => {
        concat!(
            "SELECT m.opened_seq, m.stream, m.kind, m.org, m.author, m.concerns, m.hidden, m.received_at, m.latest_kind, \
             m.revision, m.standing FROM matters m WHERE ",
            $condition,
            " AND EXISTS (SELECT 1 FROM json_each(?) r CROSS JOIN scopes s \
             WHERE s.seen_from = r.value AND s.family = m.family AND s.opened_seq = m.opened_seq) ORDER BY m.opened_seq"
        )
    };
}

const AWAITING: &str = open!("m.awaits = 1");
const DRAFTS: &str = open!("m.acts_left > 0");

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
            for (candidate, standing) in self.open_matters(AWAITING, reader, roots).await? {
                self.await_of(&candidate, standing, roots, public, &mut sealed);
            }
        }
        if asked(&[List::Drafts]) {
            let open = self.open_matters(DRAFTS, reader, roots).await?;
            sealed.drafts =
                open.iter().filter_map(|(candidate, standing)| draft(candidate, standing, public.today())).collect();
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
    ) -> Result<Vec<(Candidate, Standing)>, InternalError> {
        let rows = sqlx::query(sql).bind(json!(roots).to_string()).fetch_all(&self.0.pool).await?;
        let cleared = self.0.ledger.with_world(|world| {
            let mine = |candidate: &Candidate| {
                let purposes = [Purpose::Handling, Purpose::Inspection];
                purposes.into_iter().any(|purpose| self.clear(candidate, reader, purpose, world).is_some())
            };
            rows.iter().filter_map(Candidate::read).filter(mine).collect::<Vec<_>>()
        });
        let stands = |candidate: Candidate| {
            let standing = candidate.standing(self.0.reader.vault())?;
            Ok((candidate, standing))
        };
        cleared.into_iter().map(stands).collect()
    }

    /// The row of a matter that waits, and one for each of its days that is near.
    fn await_of(
        &self,
        candidate: &Candidate,
        mut standing: Standing,
        roots: &[&str],
        public: &read::Reader,
        sealed: &mut Sealed,
    ) {
        let (today, soon) = (public.today(), public.soon());
        let received_on = procedure::recorded_on(candidate.received_at);
        let dues = self.0.ledger.with_world(|world| {
            // What another organization has to do is on its own board.
            standing.running.retain(|running| roots.iter().any(|root| world.is_within(&running.org, root)));
            clock::by_day(standing.running, world)
        });
        let is_urged = dues.iter().any(|due| letter::Step::is_urged(&due.what));
        let urged = is_urged.then(|| candidate.stream.to_string());
        let row = |due: &clock::Due| {
            let shown = DueRow::on(due, today);
            Row {
                supervision: urged.clone(),
                since: Some(received_on),
                due_on: Some(due.due_on),
                rule: shown.rule.unwrap_or_else(|| "督办时写明的办理时限".to_owned()),
                computed: due.computed.as_ref().map(gongkai_domain::calendar::Computed::explain).unwrap_or_default(),
                provisional: due.computed.as_ref().is_some_and(|computed| computed.provisional),
                ..sealed_row(candidate, due.org.clone(), &due.what)
            }
        };
        if let Some(first) = dues.first() {
            sealed.awaiting.push(Row { days: (today - received_on).num_days().max(0), ..row(first) });
        }
        sealed.dues.extend(dues.iter().filter(|due| today <= due.due_on && due.due_on <= soon).map(row));
    }
}

fn sealed_row(candidate: &Candidate, org: String, awaits: &str) -> Row {
    Row { stream: Some(candidate.stream.to_string()), sealed: true, ..Row::of(candidate.kind.label, org, awaits) }
}

fn draft(candidate: &Candidate, standing: &Standing, today: NaiveDate) -> Option<Row> {
    let (step, since) = standing.gate()?;
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
