//! Following a sealed matter by its status code, without signing in (confidentiality.md §6).
//!
//! Whoever handed it in sees that it was received and recorded, and of a letter or an objection its state, what is due
//! next and what each step tells them ([`gongkai_domain::follow_up`]). A code that is unknown, one of an erased matter and
//! one of anything that is no beginning of a matter that can be followed are not told apart by what is shown of others.
//!
//! Not here: limits on asking, HTTP. Nothing of it is kept in a view: it is computed when asked.

use chrono::{DateTime, NaiveDate, Utc};
use gongkai_domain::{
    State, World, clock, follow_up,
    follow_up::Told,
    kind::{self, Described as _, FollowUp, Kind, tally::Cast},
    procedure,
};
use gongkai_log::{Digest, StreamId, note::Note};
use gongkai_store::{Ledger, SealedEvent, VaultFault};
use serde::Serialize;

use crate::internal::read::{DueRow, evolve, state};

/// A step of the matter, as far as it is told to the submitter.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Step {
    /// What was done, in Chinese.
    pub label: &'static str,
    /// When the ledger received it.
    pub received_at: DateTime<Utc>,
    /// What the submitter is told of it.
    pub fields: Vec<Told>,
    /// What was awaited until this step, and by when.
    pub met: Vec<DueRow>,
}

/// A matter as its submitter follows it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Followed {
    /// What was handed in, in Chinese.
    #[serde(skip)]
    pub label: &'static str,
    /// Code of the organization to which it was handed in.
    #[serde(skip)]
    pub to: String,
    /// State in plain words.
    pub state: &'static str,
    /// Commitment of what was handed in.
    pub commitment: Digest,
    /// Of a ballot the number under which it stands among those that were counted: its statement's hash.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ballot: Option<Digest>,
    /// When it was received.
    pub received_at: DateTime<Utc>,
    /// Until when it must be recorded.
    pub deadline: DateTime<Utc>,
    /// Code of the organization in whose hands it is, where the submitter may continue it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub org: Option<String>,
    /// The steps since, in order.
    pub steps: Vec<Step>,
    /// What is awaited, the most urgent first.
    pub dues: Vec<DueRow>,
}

/// What the code of a matter shows on a day; `None` when there is nothing under it.
///
/// # Errors
/// [`VaultFault`].
pub async fn follow(ledger: &Ledger, code: &str, today: NaiveDate) -> Result<Option<Followed>, VaultFault> {
    let Some((event, kind)) = found(ledger, code).await? else { return Ok(None) };
    let Some(opened) = &event.opened else { return Ok(None) };
    let statement = &opened.signed.statement;
    let mut followed = Followed {
        label: kind.label,
        to: statement.org.clone(),
        state: if event.proof().is_some() { "已收到，已记入账本" } else { "已收到，等待记入账本" },
        commitment: event.row.commitment,
        ballot: (kind.name == Cast::KIND).then_some(opened.signed.hash),
        received_at: event.row.received_at,
        deadline: event.row.deadline,
        org: None,
        steps: Vec::new(),
        dues: Vec::new(),
    };
    if kind.follow_up != FollowUp::Answers || statement.revision != 0 {
        return Ok(Some(followed));
    }
    let Some(reader) = ledger.sealed_reader() else { return Ok(None) };
    let events = reader.stream(&statement.stream).await?;
    let state = state(&events);
    followed.state = follow_up::words(&state);
    followed.org = follow_up::in_hands_of(&state).map(str::to_owned);
    followed.steps = ledger.with_world(|world| steps(&events, world));
    let dues = ledger.with_world(|world| clock::dues(&state, world));
    followed.dues = dues.iter().map(|due| DueRow::on(due, today)).collect();
    Ok(Some(followed))
}

/// The steps that are told, each with the limits that ended with it.
fn steps(events: &[SealedEvent], world: &World) -> Vec<Step> {
    let (mut state, mut awaited) = (State::default(), Vec::new());
    let mut steps = Vec::new();
    for event in events {
        state = evolve(state, event);
        let now = clock::dues(&state, world);
        let met = std::mem::replace(&mut awaited, now);
        let ended = |due: &clock::Due| !awaited.iter().any(|still| still.what == due.what && still.org == due.org);
        // Late is late by the day on which it was said, not by today.
        let on = procedure::recorded_on(event.row.received_at);
        steps.extend(step(event, met.iter().filter(|due| ended(due)).map(|due| DueRow::on(due, on)).collect()));
    }
    steps
}

fn step(event: &SealedEvent, met: Vec<DueRow>) -> Option<Step> {
    let opened = event.opened.as_ref()?;
    let kind = kind::find(&opened.signed.statement.kind)?;
    let fields = follow_up::told(kind, opened.values().as_ref())?;
    Some(Step { label: kind.label, received_at: event.row.received_at, fields, met })
}

async fn found(ledger: &Ledger, code: &str) -> Result<Option<(SealedEvent, &'static Kind)>, VaultFault> {
    let Some(reader) = ledger.sealed_reader() else { return Ok(None) };
    let Some(event) = reader.by_status_code(code).await? else { return Ok(None) };
    let kind = event.opened.as_ref().and_then(|opened| kind::find(&opened.signed.statement.kind));
    Ok(kind.map(|kind| (event, kind)))
}

/// The stream that a code's holder began, which they may continue.
///
/// # Errors
/// [`VaultFault`].
pub async fn begun(ledger: &Ledger, code: &str) -> Result<Option<StreamId>, VaultFault> {
    let Some((event, _)) = found(ledger, code).await? else { return Ok(None) };
    let statement = event.opened.map(|opened| opened.signed.statement);
    Ok(statement.filter(|statement| statement.revision == 0).map(|statement| statement.stream))
}

/// What proves the content of a submission to somebody else: its signed note and the salt of its commitment.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Binding {
    /// The statement note, as the intake key signed it.
    pub note: String,
    /// The salt of the event's commitment.
    pub salt: Digest,
}

/// Gives the submitter what binds their own copy to the promise: only with the code, only for the very text that they
/// hold, and never for what must not be provable (recommendations, ballots).
///
/// # Errors
/// [`VaultFault`].
pub async fn binding(ledger: &Ledger, code: &str, text: &str) -> Result<Option<Binding>, VaultFault> {
    let Some((event, kind)) = found(ledger, code).await? else { return Ok(None) };
    let Some(opened) = event.opened.filter(|_| kind.follow_up.opens_content()) else { return Ok(None) };
    let note: &Note = &opened.signed.note;
    let same = note.text == text;
    Ok(same.then(|| Binding { note: note.to_string(), salt: Digest::from_bytes(opened.salt) }))
}
