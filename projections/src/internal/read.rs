//! What internal pages ask: lists of matters, one matter's events, who read it.
//!
//! Every row passes [`confidentiality::clear`]; what is not cleared is left out, and a list is as long as if it
//! did not exist. Content is not here: [`InternalViews::read`] opens one statement, once the access is on record.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use gongkai_domain::{
    State, World, clock,
    confidentiality::{self, Clearance, Matter, Reader},
    judge,
    kind::{
        self, Kind,
        access::{self, Purpose},
    },
    procedure::Procedure,
};
use gongkai_log::{Digest, StreamId, Tier};
use gongkai_store::{SealedEvent, VaultFault, vault::Vault};
use serde::Serialize;
use serde_json::json;
use sqlx::{Row as _, sqlite::SqliteRow};

use super::{InternalError, InternalViews, standing::Standing};

/// Most rows of one list.
pub const MATTERS_MAX: usize = 100;

/// Rows that are fetched at a time from one scope.
pub(super) const PAGE: i64 = 64;

/// Organizations from which one person looks, at most: more grants than anybody has.
const SCOPES_MAX: usize = 64;

const CANDIDATES: &str = "SELECT m.opened_seq, m.stream, m.kind, m.org, m.author, m.concerns, m.hidden, m.received_at, \
                          m.latest_kind, m.revision, m.standing FROM scopes s JOIN matters m ON m.opened_seq = s.opened_seq \
                          WHERE s.seen_from = ? AND s.family = ? AND s.opened_seq < ? \
                          AND m.kind IN (SELECT value FROM json_each(?)) ORDER BY s.opened_seq DESC LIMIT ?";
const MATTER: &str = "SELECT opened_seq, stream, kind, org, author, concerns, hidden, received_at, latest_kind, revision, \
                      standing FROM matters WHERE stream = ?";
const ACCESSES: &str = "SELECT seq, stream, revision, purpose, reader, key, org, received_at FROM accesses \
                        WHERE stream = ? ORDER BY seq";
const OWN_ACCESSES: &str = "SELECT seq, stream, revision, purpose, reader, key, org, received_at FROM accesses \
                            WHERE reader = ? AND seq < ? ORDER BY seq DESC LIMIT ?";

/// What is awaited in a matter, as of today.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DueRow {
    /// What, in Chinese.
    pub what: String,
    /// The last day.
    pub due_on: chrono::NaiveDate,
    /// Days over the limit; 0 until the last day is past.
    pub days_over: u64,
    /// The rule that sets it, with its basis.
    pub rule: Option<String>,
    /// Code of the organization that must act.
    #[serde(skip)]
    pub org: String,
}

impl DueRow {
    /// A limit as it stands on a day.
    pub(crate) fn on(due: &clock::Due, today: chrono::NaiveDate) -> Self {
        Self {
            what: due.what.to_string(),
            due_on: due.due_on,
            days_over: due.days_over(today),
            rule: due.rule.as_ref().map(|rule| format!("{}（{}）", rule.code.label(), rule.basis)),
            org: due.org.clone(),
        }
    }
}

/// A sealed matter in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MatterRow {
    /// For the next page: ask for what is before it.
    pub seq: u64,
    /// The matter.
    pub stream: String,
    /// Kind that opened it.
    pub kind: String,
    /// Its Chinese name.
    pub label: String,
    /// Organization whose matter it is.
    pub org: String,
    /// Whether its content is encrypted to the body's receivers.
    pub hidden: bool,
    /// When it was received.
    pub received_at: DateTime<Utc>,
    /// Its latest event, in Chinese.
    pub latest: String,
    /// Revision of its latest event.
    pub revision: u64,
    /// The next gate of a review, in Chinese.
    pub next: Option<String>,
    /// Wire name of the procedure that a review passes.
    pub procedure: Option<&'static str>,
    /// What is awaited, the most urgent first.
    pub dues: Vec<DueRow>,
}

/// One event of a matter, without content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EventRow {
    /// Order of receipt.
    pub seq: u64,
    /// Revision in its stream.
    pub revision: u64,
    /// Hash of the statement: what a next one names as its parent.
    pub hash: Digest,
    /// Kind.
    pub kind: String,
    /// Its Chinese name.
    pub label: String,
    /// Organization in whose name it was said.
    pub org: String,
    /// Roles and keys that signed it.
    pub signers: Vec<(String, String)>,
    /// When it was received.
    pub received_at: DateTime<Utc>,
    /// Entry of its period; `None` until then.
    pub period: Option<u64>,
    /// Whether its content is encrypted to the body's receivers.
    pub hidden: bool,
    /// Tiers of its slots.
    pub tiers: Vec<Tier>,
}

/// Somebody read something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AccessRow {
    /// Order of receipt.
    pub seq: u64,
    /// What was read.
    pub stream: String,
    /// Its revision.
    pub revision: u64,
    /// Why, in Chinese.
    pub purpose: String,
    /// The person.
    pub reader: String,
    /// The key that signed for it.
    pub key: String,
    /// Organization in whose name.
    pub org: String,
    /// When.
    pub at: DateTime<Utc>,
}

/// A row before the policy has seen it.
pub(super) struct Candidate {
    pub(super) seq: i64,
    pub(super) stream: StreamId,
    pub(super) kind: &'static Kind,
    pub(super) org: String,
    author: Option<StreamId>,
    concerns: Vec<String>,
    hidden: bool,
    pub(super) received_at: DateTime<Utc>,
    latest_kind: String,
    revision: u64,
    standing: Option<Vec<u8>>,
}

impl Candidate {
    pub(super) fn read(row: &SqliteRow) -> Option<Self> {
        Some(Self {
            seq: row.get(0),
            stream: row.get::<&str, _>(1).parse().ok()?,
            kind: kind::find(row.get(2))?,
            org: row.get(3),
            author: row.get::<Option<&str>, _>(4).and_then(|author| author.parse().ok()),
            concerns: serde_json::from_str(row.get(5)).ok()?,
            hidden: row.get(6),
            received_at: DateTime::from_timestamp_micros(row.get(7))?,
            latest_kind: row.get(8),
            revision: row.get::<i64, _>(9).cast_unsigned(),
            standing: row.get(10),
        })
    }

    /// Where it stands.
    pub(super) fn standing(&self, vault: &Vault) -> Result<Standing, VaultFault> {
        Standing::reveal(self.standing.as_deref(), &self.stream, vault)
    }
}

impl InternalViews {
    /// The reader, if a matter is about them; `concerns` has the blind indexes of those whom it is about.
    pub(super) fn concerning(&self, concerns: &[String], reader: &Reader) -> Vec<StreamId> {
        let tag = self.0.reader.vault().tag(reader.person()).to_hex();
        concerns.contains(&tag).then(|| reader.person().clone()).into_iter().collect()
    }

    pub(super) fn clear(
        &self,
        candidate: &Candidate,
        reader: &Reader,
        purpose: Purpose,
        world: &World,
    ) -> Option<Clearance> {
        let concerns = self.concerning(&candidate.concerns, reader);
        let matter = Matter {
            stream: &candidate.stream,
            revision: candidate.revision,
            kind: candidate.kind,
            org: &candidate.org,
            tier: widest_tier(candidate.kind),
            concerns: &concerns,
            author: candidate.author.as_ref(),
        };
        confidentiality::clear(reader, purpose, &matter, world)
    }

    /// Matters of a family that somebody may see, the newest first; those before number `before`.
    ///
    /// # Errors
    /// [`InternalError`].
    pub async fn matters(
        &self,
        reader: &Reader,
        purpose: Purpose,
        family: &str,
        before: Option<u64>,
        limit: usize,
        today: chrono::NaiveDate,
    ) -> Result<Vec<MatterRow>, InternalError> {
        self.reflected().await?;
        let limit = limit.min(MATTERS_MAX);
        let scopes = self.0.ledger.with_world(|world| {
            let seen_from = scopes(reader, world).into_iter();
            seen_from.map(|scope| (kinds_seen(reader, purpose, family, &scope, world), scope)).collect::<Vec<_>>()
        });
        let mut found: Vec<Candidate> = Vec::new();
        let mut seen = BTreeSet::new();
        for (kinds, scope) in scopes.into_iter().filter(|(kinds, _)| !kinds.is_empty()) {
            let kinds = json!(kinds).to_string();
            let mut below = before.map_or(i64::MAX, u64::cast_signed);
            let mut taken = 0;
            while taken < limit {
                let query = sqlx::query(CANDIDATES).bind(&scope).bind(family).bind(below).bind(&kinds).bind(PAGE);
                let rows = query.fetch_all(&self.0.pool).await?;
                let Some(last) = rows.last() else { break };
                below = last.get(0);
                let candidates: Vec<_> = rows.iter().filter_map(Candidate::read).collect();
                self.0.ledger.with_world(|world| {
                    for candidate in candidates {
                        if self.clear(&candidate, reader, purpose, world).is_some() {
                            taken += 1;
                            if seen.insert(candidate.seq) {
                                found.push(candidate);
                            }
                        }
                    }
                });
            }
        }
        found.sort_by_key(|candidate| std::cmp::Reverse(candidate.seq));
        found.truncate(limit);
        Ok(found.into_iter().map(|candidate| self.show(candidate, today)).collect::<Result<_, _>>()?)
    }

    fn show(&self, candidate: Candidate, today: chrono::NaiveDate) -> Result<MatterRow, VaultFault> {
        let standing = candidate.standing(self.0.reader.vault())?;
        let next = standing.gate().map(|(step, _)| step.gate.label().to_owned());
        let dues = self.0.ledger.with_world(|world| clock::by_day(standing.running, world));
        let dues = dues.iter().map(|due| DueRow::on(due, today));
        Ok(MatterRow {
            seq: candidate.seq.cast_unsigned(),
            stream: candidate.stream.to_string(),
            kind: candidate.kind.name.to_owned(),
            label: candidate.kind.label.to_owned(),
            org: candidate.org,
            hidden: candidate.hidden,
            received_at: candidate.received_at,
            latest: kind::find(&candidate.latest_kind).map_or(candidate.latest_kind, |kind| kind.label.to_owned()),
            revision: candidate.revision,
            next,
            procedure: standing.procedure.map(Procedure::wire),
            dues: dues.collect(),
        })
    }

    /// Leave to know of a matter; `None` when it does not exist for the reader.
    pub(super) async fn cleared(
        &self,
        reader: &Reader,
        purpose: Purpose,
        stream: &StreamId,
    ) -> Result<Option<Clearance>, InternalError> {
        let row = sqlx::query(MATTER).bind(stream.to_string()).fetch_optional(&self.0.pool).await?;
        let Some(candidate) = row.as_ref().and_then(Candidate::read) else { return Ok(None) };
        Ok(self.0.ledger.with_world(|world| self.clear(&candidate, reader, purpose, world)))
    }

    /// One matter with its events and the accesses to it; `None` when it does not exist for the reader.
    ///
    /// # Errors
    /// [`InternalError`].
    pub async fn matter(
        &self,
        reader: &Reader,
        purpose: Purpose,
        stream: &StreamId,
        today: chrono::NaiveDate,
    ) -> Result<Option<(MatterRow, Vec<EventRow>)>, InternalError> {
        self.reflected().await?;
        let row = sqlx::query(MATTER).bind(stream.to_string()).fetch_optional(&self.0.pool).await?;
        let Some(candidate) = row.as_ref().and_then(Candidate::read) else { return Ok(None) };
        let cleared = self.0.ledger.with_world(|world| self.clear(&candidate, reader, purpose, world));
        if cleared.is_none() {
            return Ok(None);
        }
        let events = self.0.reader.stream(stream).await?;
        let rows = events.iter().filter_map(event_row).collect();
        Ok(Some((self.show(candidate, today)?, rows)))
    }

    /// Who read a matter; for inspectors whose subtree covers it. `None` for everybody else.
    ///
    /// # Errors
    /// [`InternalError`].
    pub async fn accesses_to(
        &self,
        reader: &Reader,
        stream: &StreamId,
    ) -> Result<Option<Vec<AccessRow>>, InternalError> {
        self.reflected().await?;
        let rows = sqlx::query(ACCESSES).bind(stream.to_string()).fetch_all(&self.0.pool).await?;
        let rows: Vec<_> = rows.iter().filter_map(access_row).collect();
        let matter = sqlx::query(MATTER).bind(stream.to_string()).fetch_optional(&self.0.pool).await?;
        let concerns =
            matter.as_ref().and_then(Candidate::read).map(|matter| self.concerning(&matter.concerns, reader));
        let concerns = concerns.unwrap_or_default();
        let Some(kind) = kind::find(access::KIND) else { return Ok(None) };
        Ok(self.0.ledger.with_world(|world| {
            let cleared = |row: &AccessRow| {
                let author = row.reader.parse().ok();
                let (tier, author) = (kind.narrowest_tier(), author.as_ref());
                let matter =
                    Matter { stream, revision: row.revision, kind, org: &row.org, tier, concerns: &concerns, author };
                confidentiality::clear(reader, Purpose::Inspection, &matter, world).is_some()
            };
            let rows: Vec<_> = rows.into_iter().filter(cleared).collect();
            (!rows.is_empty()).then_some(rows)
        }))
    }

    /// What a person read, the latest first.
    ///
    /// # Errors
    /// [`InternalError`].
    pub async fn own_accesses(&self, reader: &Reader, before: Option<u64>) -> Result<Vec<AccessRow>, InternalError> {
        self.reflected().await?;
        let query = sqlx::query(OWN_ACCESSES).bind(reader.person().to_string());
        let query = query.bind(before.map_or(i64::MAX, u64::cast_signed)).bind(PAGE);
        Ok(query.fetch_all(&self.0.pool).await?.iter().filter_map(access_row).collect())
    }
}

/// A matter is shown in a list to whoever reads one of its tiers.
pub(super) fn widest_tier(kind: &Kind) -> Tier {
    kind.slot_fields().map(|(_, tier)| tier).min().unwrap_or(Tier::Named)
}

/// From where a person looks: the organizations of the roles and of the registration, and what is their own.
pub(super) fn scopes(reader: &Reader, world: &World) -> Vec<String> {
    let person = reader.person();
    let roots = || world.organizations().filter(|(_, org)| org.parent.is_none()).map(|(code, _)| code.to_owned());
    let mut scopes: BTreeSet<String> = BTreeSet::new();
    for grant in world.grants(person) {
        match &grant.org {
            Some(org) => drop(scopes.insert(org.clone())),
            None => scopes.extend(roots()),
        }
    }
    if let Some(org) = world.person_org(person) {
        scopes.insert(org.to_owned());
        scopes.extend(world.chain(org).skip(1).map(|above| format!("={above}")));
    }
    scopes.insert(person.to_string());
    scopes.into_iter().take(SCOPES_MAX).collect()
}

/// The kinds of a family of which somebody may be shown anything from a place: whoever may see none of them does not go
/// through all that there is, and learns nothing from how long that takes. The policy is asked as for a matter of that
/// very place, about nobody.
fn kinds_seen(reader: &Reader, purpose: Purpose, family: &str, scope: &str, world: &World) -> Vec<&'static str> {
    let (person, org) = (reader.person(), scope.trim_start_matches('='));
    let author = (scope == person.to_string()).then_some(person);
    let opening = kind::KINDS.iter().filter(|kind| kind.sealed && kind.opens && kind.family() == family);
    let shown = opening.filter(|kind| {
        let tier = widest_tier(kind);
        let matter = Matter { stream: person, revision: 0, kind, org, tier, concerns: &[], author };
        confidentiality::clear(reader, purpose, &matter, world).is_some()
    });
    shown.map(|kind| kind.name).collect()
}

/// A stream's state as far as its events can be seen.
pub(crate) fn state(events: &[SealedEvent]) -> State {
    events.iter().fold(State::default(), evolve)
}

/// The state after one more event.
pub(crate) fn evolve(state: State, event: &SealedEvent) -> State {
    let Some(opened) = &event.opened else { return state };
    opened.with_recorded(&event.row, |recorded| judge::evolve(state, recorded))
}

pub(super) fn event_row(event: &SealedEvent) -> Option<EventRow> {
    let opened = event.opened.as_ref()?;
    let statement = &opened.signed.statement;
    let tiers: BTreeSet<Tier> = opened.slots.iter().map(|(_, tier, _)| *tier).collect();
    Some(EventRow {
        seq: event.seq,
        revision: statement.revision,
        hash: opened.signed.hash,
        label: kind::find(&statement.kind).map_or_else(|| statement.kind.clone(), |kind| kind.label.to_owned()),
        kind: statement.kind.clone(),
        org: statement.org.clone(),
        signers: statement.signers.iter().map(|signer| (signer.role.clone(), signer.key.clone())).collect(),
        received_at: event.row.received_at,
        period: event.proof().map(|proof| proof.index),
        hidden: opened.envelope.is_some(),
        tiers: tiers.into_iter().collect(),
    })
}

pub(super) fn access_row(row: &SqliteRow) -> Option<AccessRow> {
    let purpose: String = row.get(3);
    Some(AccessRow {
        seq: row.get::<i64, _>(0).cast_unsigned(),
        stream: row.get(1),
        revision: row.get::<i64, _>(2).cast_unsigned(),
        purpose: Purpose::from_wire(&purpose).map_or(purpose, |purpose| purpose.label().to_owned()),
        reader: row.get(4),
        key: row.get(5),
        org: row.get(6),
        at: DateTime::from_timestamp_micros(row.get(7))?,
    })
}
