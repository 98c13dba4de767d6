//! The timeline of one matter across tiers: its public statements, the sealed ones about it, what was opened,
//! withdrawn and erased of it, and who read what of it, in one list by time.
//!
//! Asked for by its public stream or by a sealed one. What belongs to it is found in rounds: whatever names one of
//! its streams, and what those that are found name in turn. A sealed link counts only where the policy clears the
//! tier of the field that holds it, and every row is cleared by itself; what is not cleared is nowhere, neither as
//! a row nor as a number nor as a way to something else. An objection that its submitter encrypted is about
//! nothing that the ledger can see, until whoever handles it says so.
//!
//! Not here: content. To let a further thing belong to a matter, give its kind a field that names the matter.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use gongkai_domain::{
    Kind, World,
    confidentiality::{self, Matter, Reader},
    kind::{
        self,
        access::{self, Purpose},
    },
};
use gongkai_log::{Digest, Entry, Statement, StreamId, Tier};
use gongkai_store::StoredEntry;
use serde::Serialize;
use serde_json::json;
use sqlx::{Row as _, sqlite::SqliteRow};

use super::{
    InternalError, InternalViews,
    read::{AccessRow, access_row, event_row, widest_tier},
};

/// Most rows of one page.
pub const ROWS_MAX: usize = 200;

/// How far something may be from the matter: an objection is one step, the letter that it became is two.
const ROUNDS: usize = 2;

macro_rules! events {
    ($more:literal $from:literal) => {
        concat!(
            "SELECT e.seq, e.opened_seq, m.stream, m.link, e.revision, e.kind, e.org, m.org, e.author, m.concerns, \
             e.received_at",
            $more,
            " FROM ",
            $from
        )
    };
}

const ROOT: &str =
    events!("" "matters m JOIN events e ON e.opened_seq = m.opened_seq WHERE m.stream = ? ORDER BY e.seq");
const EVENTS_OF: &str = events!("" "json_each(?) wanted JOIN matters m ON m.opened_seq = wanted.value \
                                  JOIN events e ON e.opened_seq = m.opened_seq ORDER BY e.seq");
const ABOUT: &str = events!(", l.tier, e.opened_seq" "json_each(?) wanted JOIN links l ON l.about = wanted.value \
                              JOIN events e ON e.seq = l.seq JOIN matters m ON m.opened_seq = e.opened_seq");
const NAMED_BY: &str = events!(", l.tier, named.opened_seq" "json_each(?) wanted \
                                 JOIN matters m ON m.opened_seq = wanted.value \
                                 JOIN events e ON e.opened_seq = m.opened_seq JOIN links l ON l.seq = e.seq \
                                 JOIN matters named ON named.link = l.about");
const MENTIONS: &str = "SELECT DISTINCT entry_index FROM json_each(?) wanted JOIN mentions ON about = wanted.value";
const ACCESSES: &str = "SELECT a.seq, a.stream, a.revision, a.purpose, a.reader, a.key, a.org, a.received_at \
                        FROM json_each(?) wanted JOIN accesses a ON a.stream = wanted.value";

/// What a row of a timeline is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// A public statement.
    Public,
    /// A sealed one.
    Sealed,
    /// Somebody read something of it.
    Access,
}

/// One row of a timeline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TimelineRow {
    /// When it was recorded or received.
    pub at: DateTime<Utc>,
    /// What it is.
    pub what: What,
    /// Its stream; of an access the one that was read.
    pub stream: String,
    /// Its revision there.
    pub revision: u64,
    /// Kind.
    pub kind: String,
    /// Its Chinese name.
    pub label: String,
    /// Organization in whose name.
    pub org: String,
    /// Roles and keys that signed it.
    pub signers: Vec<(String, String)>,
    /// Place in the log; of a sealed event the entry of its period, once that is recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<u64>,
    /// Hash of the statement.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hash: Option<Digest>,
    /// Whether its content is encrypted to the body's receivers.
    pub hidden: bool,
    /// Why it was read, in Chinese.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
    /// The person who read it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reader: Option<String>,
}

/// Where a page ended: after so many of the rows of one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    at_us: i64,
    taken: usize,
}

impl std::fmt::Display for Mark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.at_us, self.taken)
    }
}

impl std::str::FromStr for Mark {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (at_us, taken) = text.split_once('-').unwrap_or((text, ""));
        Ok(Self { at_us: at_us.parse()?, taken: taken.parse()? })
    }
}

/// A page of a timeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeline {
    /// The rows, the earliest first.
    pub rows: Vec<TimelineRow>,
    /// Where the next page begins; `None` at the end.
    pub next: Option<Mark>,
}

/// A sealed event, before the policy has seen it.
struct Event {
    seq: u64,
    opened_seq: i64,
    stream: StreamId,
    link: String,
    revision: u64,
    kind: &'static Kind,
    org: String,
    matter_org: String,
    author: Option<StreamId>,
    concerns: Vec<String>,
    at_us: i64,
}

impl Event {
    fn read(row: &SqliteRow) -> Option<Self> {
        Some(Self {
            seq: row.get::<i64, _>(0).cast_unsigned(),
            opened_seq: row.get(1),
            stream: row.get::<&str, _>(2).parse().ok()?,
            link: row.get(3),
            revision: row.get::<i64, _>(4).cast_unsigned(),
            kind: kind::find(row.get(5))?,
            org: row.get(6),
            matter_org: row.get(7),
            author: row.get::<Option<&str>, _>(8).and_then(|author| author.parse().ok()),
            concerns: serde_json::from_str(row.get(9)).ok()?,
            at_us: row.get(10),
        })
    }
}

/// Who asks.
struct Asking<'a> {
    reader: &'a Reader,
    purpose: Purpose,
    /// Blind index of the reader, as `concerns` has it.
    tag: String,
}

impl Asking<'_> {
    /// Whether a tier of an event is for the reader: as it was said, or as one of the organization whose matter it
    /// is now.
    fn clears(&self, event: &Event, tier: Tier, world: &World) -> bool {
        let own = std::slice::from_ref(self.reader.person());
        let concerns = if event.concerns.contains(&self.tag) { own } else { &[] };
        [&event.org, &event.matter_org].into_iter().any(|org| {
            let matter = Matter {
                stream: &event.stream,
                revision: event.revision,
                kind: event.kind,
                org,
                tier,
                concerns,
                author: event.author.as_ref(),
            };
            confidentiality::clear(self.reader, self.purpose, &matter, world).is_some()
        })
    }

    fn sees(&self, event: &Event, world: &World) -> bool {
        self.clears(event, widest_tier(event.kind), world)
    }

    /// Whether the reader may know of an access: an inspector over whoever read, and who read themselves.
    fn sees_access(&self, row: &AccessRow, stream: &StreamId, world: &World) -> bool {
        let Some(kind) = kind::find(access::KIND) else { return false };
        let (tier, author) = (kind.narrowest_tier(), row.reader.parse().ok());
        let author = author.as_ref();
        let matter = Matter { stream, revision: row.revision, kind, org: &row.org, tier, concerns: &[], author };
        confidentiality::clear(self.reader, self.purpose, &matter, world).is_some()
    }
}

/// What was found to belong to a matter, as far as the reader sees it.
#[derive(Default)]
struct Found {
    /// Rows of sealed matters, by the matter.
    sealed: BTreeMap<i64, Vec<Event>>,
    /// Entries of public ones.
    public: BTreeMap<StreamId, Vec<StoredEntry>>,
}

/// What the next round starts from.
#[derive(Default)]
struct Frontier {
    sealed: Vec<i64>,
    links: Vec<String>,
}

/// A row that is cleared and has its place, and nothing else yet.
enum Placed<'a> {
    Public(&'a StoredEntry),
    Sealed(&'a Event),
    Access(AccessRow),
}

impl InternalViews {
    /// A page of the timeline of a matter; `None` when it does not exist for the reader.
    ///
    /// # Errors
    /// [`InternalError`].
    pub async fn timeline(
        &self,
        reader: &Reader,
        purpose: Purpose,
        stream: &StreamId,
        after: Option<Mark>,
        limit: usize,
    ) -> Result<Option<Timeline>, InternalError> {
        self.reflected().await?;
        let asking = Asking { reader, purpose, tag: self.0.reader.vault().tag(reader.person()).to_hex() };
        let mut found = Found::default();
        let mut frontier = self.root(&asking, stream, &mut found).await?;
        if found.sealed.is_empty() && found.public.is_empty() {
            return Ok(None);
        }
        let is_sealed = !found.sealed.is_empty();
        for _ in 0..ROUNDS {
            if is_sealed {
                let named = self.named_openly(&asking, &found, &frontier.sealed).await?;
                self.take_public(named, &mut found, &mut frontier).await?;
            }
            frontier = self.round(&asking, &frontier, &mut found).await?;
        }
        self.touched(frontier.links, &mut found).await?;
        let accesses = self.accesses(&asking, &found).await?;
        let placed = place(&found, accesses);
        self.page(placed, after, limit.min(ROWS_MAX)).await.map(Some)
    }

    /// The stream itself.
    async fn root(&self, asking: &Asking<'_>, stream: &StreamId, found: &mut Found) -> Result<Frontier, InternalError> {
        let rows = sqlx::query(ROOT).bind(stream.to_string()).fetch_all(&self.0.pool).await?;
        let mut frontier = Frontier::default();
        self.take(asking, rows.iter().filter_map(Event::read).collect(), found, &mut frontier);
        self.take_public([stream.clone()], found, &mut frontier).await?;
        Ok(frontier)
    }

    /// Keeps the sealed rows that are cleared; a matter without any is not found.
    fn take(&self, asking: &Asking<'_>, events: Vec<Event>, found: &mut Found, frontier: &mut Frontier) {
        let seen: Vec<_> =
            self.0.ledger.with_world(|world| events.into_iter().filter(|event| asking.sees(event, world)).collect());
        for event in seen {
            let rows = found.sealed.entry(event.opened_seq).or_default();
            if rows.is_empty() {
                frontier.sealed.push(event.opened_seq);
                frontier.links.push(event.link.clone());
            }
            rows.push(event);
        }
    }

    async fn take_public(
        &self,
        streams: impl IntoIterator<Item = StreamId>,
        found: &mut Found,
        frontier: &mut Frontier,
    ) -> Result<(), InternalError> {
        for stream in streams {
            if found.public.contains_key(&stream) {
                continue;
            }
            let entries = self.0.ledger.stream(&stream).await?;
            if !entries.is_empty() {
                frontier.links.push(self.0.reader.vault().link(&stream).to_hex());
                found.public.insert(stream, entries);
            }
        }
        Ok(())
    }

    /// The matters that sealed statements name. A blind index does not say them; the vault does.
    async fn named_openly(
        &self,
        asking: &Asking<'_>,
        found: &Found,
        matters: &[i64],
    ) -> Result<BTreeSet<StreamId>, InternalError> {
        let mut named = BTreeSet::new();
        let events: Vec<&Event> = matters.iter().filter_map(|matter| found.sealed.get(matter)).flatten().collect();
        for event in events {
            let Some(opened) = self.0.reader.event(event.seq).await?.and_then(|event| event.opened) else { continue };
            let links = opened.values().map(|values| event.kind.links(&values)).unwrap_or_default();
            let known = self.0.ledger.with_world(|world| {
                let cleared = links.into_iter().filter(|(tier, _)| asking.clears(event, *tier, world));
                cleared.map(|(_, stream)| stream).collect::<Vec<_>>()
            });
            named.extend(known);
        }
        Ok(named)
    }

    /// What is one step further.
    async fn round(&self, asking: &Asking<'_>, from: &Frontier, found: &mut Found) -> Result<Frontier, InternalError> {
        let mut next = BTreeSet::new();
        for (statement, wanted) in [(ABOUT, json!(from.links)), (NAMED_BY, json!(from.sealed))] {
            let rows = sqlx::query(statement).bind(wanted.to_string()).fetch_all(&self.0.pool).await?;
            let read = |row: &SqliteRow| Some((Event::read(row)?, tier_of(row.get(11))?, row.get(12)));
            let links: Vec<(Event, Tier, i64)> = rows.iter().filter_map(read).collect();
            self.0.ledger.with_world(|world| {
                let cleared = links.iter().filter(|(event, tier, _)| asking.clears(event, *tier, world));
                next.extend(cleared.map(|(_, _, to)| *to).filter(|to| !found.sealed.contains_key(to)));
            });
        }
        let mut frontier = Frontier::default();
        let rows = sqlx::query(EVENTS_OF).bind(json!(next).to_string()).fetch_all(&self.0.pool).await?;
        self.take(asking, rows.iter().filter_map(Event::read).collect(), found, &mut frontier);
        let streams = self.mentioning(&from.links, |_, _| true).await?;
        self.take_public(streams, found, &mut frontier).await?;
        Ok(frontier)
    }

    /// However far away something is: that it was opened, withdrawn or erased belongs to it.
    async fn touched(&self, mut links: Vec<String>, found: &mut Found) -> Result<(), InternalError> {
        while !links.is_empty() {
            let touches = |kind: &Kind, statement: &Statement| kind.target(&statement.body).is_some();
            let streams = self.mentioning(&links, touches).await?;
            let mut frontier = Frontier::default();
            self.take_public(streams, found, &mut frontier).await?;
            links = frontier.links;
        }
        Ok(())
    }

    /// The streams of the public entries that mention a matter and are wanted.
    async fn mentioning(
        &self,
        links: &[String],
        wanted: impl Fn(&Kind, &Statement) -> bool,
    ) -> Result<BTreeSet<StreamId>, InternalError> {
        let rows = sqlx::query(MENTIONS).bind(json!(links).to_string()).fetch_all(&self.0.pool).await?;
        let mut streams = BTreeSet::new();
        for row in rows {
            let stored = self.0.ledger.entry(row.get::<i64, _>(0).cast_unsigned()).await?;
            let entry = stored.and_then(|stored| Entry::parse(stored.bytes).ok());
            let statement = entry.as_ref().and_then(|entry| Some(&entry.content.statement()?.statement));
            let wanted = statement.filter(|it| kind::find(&it.kind).is_some_and(|kind| wanted(kind, it)));
            streams.extend(wanted.map(|statement| statement.stream.clone()));
        }
        Ok(streams)
    }

    async fn accesses(&self, asking: &Asking<'_>, found: &Found) -> Result<Vec<AccessRow>, InternalError> {
        let sealed = found.sealed.values().filter_map(|events| events.first()).map(|event| event.stream.to_string());
        let streams: Vec<_> = sealed.chain(found.public.keys().map(ToString::to_string)).collect();
        let rows = sqlx::query(ACCESSES).bind(json!(streams).to_string()).fetch_all(&self.0.pool).await?;
        let rows: Vec<_> = rows.iter().filter_map(access_row).collect();
        Ok(self.0.ledger.with_world(|world| {
            let seen = |row: &AccessRow| row.stream.parse().is_ok_and(|stream| asking.sees_access(row, &stream, world));
            rows.into_iter().filter(seen).collect()
        }))
    }

    async fn page(
        &self,
        placed: Vec<(i64, Placed<'_>)>,
        after: Option<Mark>,
        limit: usize,
    ) -> Result<Timeline, InternalError> {
        let begins = |at_us: i64| placed.partition_point(|(at, _)| *at < at_us);
        let from = after.map_or(0, |mark| begins(mark.at_us).saturating_add(mark.taken)).min(placed.len());
        let to = from.saturating_add(limit).min(placed.len());
        let next = placed
            .get(to)
            .and(to.checked_sub(1))
            .and_then(|last| placed.get(last))
            .map(|(at_us, _)| Mark { at_us: *at_us, taken: to - begins(*at_us) });
        let mut rows = Vec::with_capacity(to - from);
        for (_, placed) in placed.into_iter().skip(from).take(to - from) {
            rows.extend(self.show_row(placed).await?);
        }
        Ok(Timeline { rows, next })
    }

    async fn show_row(&self, placed: Placed<'_>) -> Result<Option<TimelineRow>, InternalError> {
        Ok(match placed {
            Placed::Public(stored) => public_row(stored),
            Placed::Access(access) => Some(access_line(access)),
            Placed::Sealed(event) => {
                // What was erased since the rows were found has gone.
                let row = self.0.reader.event(event.seq).await?.as_ref().and_then(event_row);
                row.map(|row| TimelineRow {
                    at: row.received_at,
                    what: What::Sealed,
                    stream: event.stream.to_string(),
                    revision: row.revision,
                    kind: row.kind,
                    label: row.label,
                    org: row.org,
                    signers: row.signers,
                    index: row.period,
                    hash: Some(row.hash),
                    hidden: row.hidden,
                    purpose: None,
                    reader: None,
                })
            }
        })
    }
}

/// Everything by time; of one moment the public first, then in the order of the record.
fn place(found: &Found, accesses: Vec<AccessRow>) -> Vec<(i64, Placed<'_>)> {
    let public = found.public.values().flatten().filter_map(|stored| {
        let entry = Entry::parse(stored.bytes.clone()).ok()?;
        Some(((entry.recorded_at.timestamp_micros(), What::Public, stored.index), Placed::Public(stored)))
    });
    let sealed = found.sealed.values().flatten();
    let sealed = sealed.map(|event| ((event.at_us, What::Sealed, event.seq), Placed::Sealed(event)));
    let accesses = accesses.into_iter();
    let accesses = accesses.map(|row| ((row.at.timestamp_micros(), What::Access, row.seq), Placed::Access(row)));
    let mut rows: Vec<_> = public.chain(sealed).chain(accesses).collect();
    rows.sort_by_key(|(key, _)| *key);
    rows.into_iter().map(|((at_us, _, _), placed)| (at_us, placed)).collect()
}

fn tier_of(text: &str) -> Option<Tier> {
    serde_json::from_value(json!(text)).ok()
}

fn public_row(stored: &StoredEntry) -> Option<TimelineRow> {
    let entry = Entry::parse(stored.bytes.clone()).ok()?;
    let signed = entry.content.statement()?;
    let statement = &signed.statement;
    Some(TimelineRow {
        at: entry.recorded_at,
        what: What::Public,
        stream: statement.stream.to_string(),
        revision: statement.revision,
        kind: statement.kind.clone(),
        label: kind::find(&statement.kind).map_or(statement.kind.as_str(), |kind| kind.label).to_owned(),
        org: statement.org.clone(),
        signers: statement.signers.iter().map(|signer| (signer.role.clone(), signer.key.clone())).collect(),
        index: Some(stored.index),
        hash: Some(signed.hash),
        hidden: false,
        purpose: None,
        reader: None,
    })
}

fn access_line(access: AccessRow) -> TimelineRow {
    TimelineRow {
        at: access.at,
        what: What::Access,
        stream: access.stream,
        revision: access.revision,
        kind: access::KIND.to_owned(),
        label: kind::find(access::KIND).map_or(access::KIND, |kind| kind.label).to_owned(),
        org: access.org,
        signers: Vec::new(),
        index: None,
        hash: None,
        hidden: false,
        purpose: Some(access.purpose),
        reader: Some(access.reader),
    }
}
