//! What one event changes in the internal views: pure from the event to a [`Folded`], which writes itself.
//!
//! No value of a slot gets into the views but what a list needs: persons and linked matters as keyed hashes, and
//! of a review how many have yet to act.

use gongkai_domain::{
    Kind, World, clock,
    kind::{self, Described as _, access, letter, opening, review},
    procedure::Procedure,
    schedule::{self, Scheduled},
};
use gongkai_log::{Content, Entry, Openings, StreamId, Tier};
use gongkai_store::{
    Ledger, SealedEvent, SealedReader, StoredEntry,
    vault::{Tag, Vault},
};
use serde_json::{Map, Value, json};
use sqlx::{Row as _, Sqlite, Transaction};

use super::InternalError;

const OPEN_MATTER: &str = "INSERT INTO matters (opened_seq, stream, tag, link, family, kind, org, author, concerns, \
                           hidden, received_at, latest_seq, latest_kind, revision, acts_left) \
                           VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, '[]', ?9, ?10, ?1, ?6, 0, ?11) \
                           ON CONFLICT DO NOTHING";
const MATTER: &str = "SELECT opened_seq, family, concerns, acts_left FROM matters WHERE stream = ?";
const GO_ON: &str = "UPDATE matters SET latest_seq = ?, latest_kind = ?, revision = ?, org = ?, concerns = ?, \
                     acts_left = ? WHERE opened_seq = ?";
const EVENT: &str = "INSERT INTO events (seq, opened_seq, revision, kind, org, author, received_at) \
                     VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING";
const LINK: &str = "INSERT INTO links (about, seq, tier) VALUES (?, ?, ?) ON CONFLICT DO NOTHING";
const MENTION: &str = "INSERT INTO mentions (about, entry_index) VALUES (?, ?) ON CONFLICT DO NOTHING";
const SCOPE: &str = "INSERT INTO scopes (seen_from, family, opened_seq) VALUES (?, ?, ?) ON CONFLICT DO NOTHING";
const SCHEDULE: &str =
    "INSERT INTO schedules (seq, slot, opened_seq, field, opens_on) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING";
const ACCESS: &str = "INSERT INTO accesses (seq, stream, revision, purpose, reader, key, org, tag, received_at) \
                      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING";

/// What one sealed event changes.
pub(super) struct Folded {
    seq: u64,
    stream: StreamId,
    tag: String,
    link: String,
    kind: String,
    revision: u64,
    org: String,
    author: Option<String>,
    concerns: Vec<String>,
    links: Vec<(String, Tier)>,
    hidden: bool,
    received_at: i64,
    seen_from: Vec<String>,
    acts: Acts,
    scheduled: Vec<Scheduled>,
    access: Option<Access>,
}

/// What an event does to the number of those who have yet to act in a review.
enum Acts {
    /// It is none of a review, or of one that cannot be seen.
    Other,
    /// So many have to.
    Begin(u64),
    /// One acted.
    One,
    /// Nobody has to any more.
    End,
}

struct Access {
    read: access::Read,
    key: String,
}

/// What an event changes; nothing when it was erased.
pub(super) fn event(event: &SealedEvent, world: &World, vault: &Vault) -> Option<Folded> {
    let opened = event.opened.as_ref()?;
    let statement = &opened.signed.statement;
    let kind = kind::find(&statement.kind)?;
    let values = opened.values();
    let signer = statement.signers.first()?;
    let author = world.key(&signer.key).and_then(|key| key.person.as_ref()).map(ToString::to_string);
    let concerns = values.as_ref().map(|values| kind.concerns(values)).unwrap_or_default();
    let links = values.as_ref().map(|values| kind.links(values)).unwrap_or_default();
    let mut seen_from: Vec<String> = world.chain(&statement.org).map(str::to_owned).collect();
    seen_from.push(format!("={}", statement.org));
    seen_from.extend(author.clone());
    let access = (kind.name == access::KIND).then(|| {
        let read = serde_json::from_value(json!(values.as_ref()?)).ok()?;
        Some(Access { read, key: signer.key.clone() })
    });
    let held = opened.slots.iter().find(|(_, _, slot)| slot.name == schedule::FIELD);
    let scheduled = held.map(|(_, _, slot)| schedule::parse(&slot.value)).unwrap_or_default();
    Some(Folded {
        seq: event.seq,
        stream: statement.stream.clone(),
        tag: vault.tag(&statement.stream).to_hex(),
        link: vault.link(&statement.stream).to_hex(),
        kind: statement.kind.clone(),
        revision: statement.revision,
        org: statement.org.clone(),
        author,
        concerns: concerns.iter().map(|person| vault.tag(person).to_hex()).collect(),
        links: links.iter().map(|(tier, about)| (vault.link(about).to_hex(), *tier)).collect(),
        hidden: opened.envelope.is_some(),
        received_at: event.row.received_at.timestamp_micros(),
        seen_from,
        acts: acts(kind, values.as_ref()),
        scheduled,
        access: access.flatten(),
    })
}

fn acts(kind: &Kind, values: Option<&Map<String, Value>>) -> Acts {
    match kind.name {
        review::SUBMITTED => {
            let procedure = values.and_then(|values| values.get("procedure")).and_then(Value::as_str);
            let steps = procedure.and_then(Procedure::from_wire).map_or(&[][..], Procedure::steps);
            Acts::Begin(steps.iter().map(|step| step.people).sum())
        }
        review::RETURNED => Acts::End,
        _ if kind.family() == "review" => Acts::One,
        _ => Acts::Other,
    }
}

impl Folded {
    /// The matter, if its family's sealed matters have clocks or gates.
    pub(super) fn standing(&self) -> Option<&StreamId> {
        let family = self.stream.family.as_str();
        let stands = clock::SEALED_FAMILIES.contains(&family) || family == "review";
        (self.access.is_none() && stands).then_some(&self.stream)
    }

    pub(super) async fn write(self, transaction: &mut Transaction<'_, Sqlite>) -> Result<(), sqlx::Error> {
        if let Some(access) = &self.access {
            return self.write_access(access, transaction).await;
        }
        let seq = self.seq.cast_signed();
        if self.revision == 0 {
            let query = sqlx::query(OPEN_MATTER).bind(seq).bind(self.stream.to_string()).bind(&self.tag);
            let query = query.bind(&self.link).bind(&self.stream.family).bind(&self.kind).bind(&self.org);
            let query = query.bind(&self.author).bind(self.hidden).bind(self.received_at).bind(self.acts_left(None));
            query.execute(&mut **transaction).await?;
        }
        let row = sqlx::query(MATTER).bind(self.stream.to_string()).fetch_optional(&mut **transaction).await?;
        let Some(row) = row else { return Ok(()) };
        let (opened_seq, family): (i64, String) = (row.get(0), row.get(1));
        // Whoever is named later than in the first letter is named: nobody reads on what is said about them.
        let mut concerns: Vec<String> = serde_json::from_str(row.get(2)).unwrap_or_default();
        concerns.extend(self.concerns.iter().cloned());
        concerns.sort_unstable();
        concerns.dedup();
        let query = sqlx::query(GO_ON).bind(seq).bind(&self.kind).bind(self.revision.cast_signed()).bind(&self.org);
        let query = query.bind(json!(concerns).to_string()).bind(self.acts_left(row.get(3))).bind(opened_seq);
        query.execute(&mut **transaction).await?;
        let query = sqlx::query(EVENT).bind(seq).bind(opened_seq).bind(self.revision.cast_signed()).bind(&self.kind);
        let query = query.bind(&self.org).bind(&self.author).bind(self.received_at);
        query.execute(&mut **transaction).await?;
        for (about, tier) in &self.links {
            sqlx::query(LINK).bind(about).bind(seq).bind(tier.to_string()).execute(&mut **transaction).await?;
        }
        for seen_from in &self.seen_from {
            let query = sqlx::query(SCOPE).bind(seen_from).bind(&family).bind(opened_seq);
            query.execute(&mut **transaction).await?;
        }
        for Scheduled { field, on, slot } in &self.scheduled {
            let query = sqlx::query(SCHEDULE).bind(seq).bind(slot).bind(opened_seq).bind(field).bind(on.to_string());
            query.execute(&mut **transaction).await?;
        }
        Ok(())
    }

    async fn write_access(
        &self,
        Access { read, key }: &Access,
        transaction: &mut Transaction<'_, Sqlite>,
    ) -> Result<(), sqlx::Error> {
        let query = sqlx::query(ACCESS).bind(self.seq.cast_signed()).bind(read.read.to_string());
        let query = query.bind(read.revision.cast_signed()).bind(read.purpose.wire());
        let query = query.bind(self.author.as_deref().unwrap_or_default()).bind(key).bind(&self.org);
        query.bind(&self.tag).bind(self.received_at).execute(&mut **transaction).await?;
        Ok(())
    }

    /// How many have yet to act after this event.
    fn acts_left(&self, before: Option<i64>) -> Option<i64> {
        match self.acts {
            Acts::Other => None,
            Acts::Begin(people) => Some(people.cast_signed()),
            Acts::One => before.map(|before| before.saturating_sub(1).max(0)),
            Acts::End => Some(0),
        }
    }
}

/// The matters that a public entry says something of, other than its own: those that its body names, that of the
/// entry which it opens, withdraws, erases or answers, and the sealed one whose event it brings to light.
pub(super) async fn mentions(
    stored: StoredEntry,
    ledger: &Ledger,
    reader: &SealedReader,
) -> Result<Vec<StreamId>, InternalError> {
    let index = stored.index;
    let openings = stored.openings;
    let Ok(entry) = Entry::parse(stored.bytes) else { return Ok(Vec::new()) };
    let Some(statement) = entry.content.statement().map(|signed| &signed.statement) else { return Ok(Vec::new()) };
    let Some(kind) = kind::find(&statement.kind) else { return Ok(Vec::new()) };
    let mut about: Vec<StreamId> = kind.links(&statement.body).into_iter().map(|(_, stream)| stream).collect();
    if let Some(target) = kind.target(&statement.body) {
        about.extend(stream_of(target, ledger).await?);
    }
    about.extend(openings.as_ref().and_then(revealed));
    if kind.name == letter::Published::KIND {
        about.extend(published_letter(index, reader).await?);
    }
    about.retain(|stream| *stream != statement.stream);
    Ok(about)
}

/// The letter of which an entry publishes question and answer: a slot names it that is not public.
async fn published_letter(index: u64, reader: &SealedReader) -> Result<Option<StreamId>, InternalError> {
    let Some(values) = reader.values_of(index).await? else { return Ok(None) };
    let named = values.slots.into_iter().find(|(_, _, found)| found.name == "letter");
    Ok(named.and_then(|(_, _, found)| found.value.as_str()?.parse().ok()))
}

async fn stream_of(index: u64, ledger: &Ledger) -> Result<Option<StreamId>, InternalError> {
    let Some(stored) = ledger.entry(index).await? else { return Ok(None) };
    let Ok(entry) = Entry::parse(stored.bytes) else { return Ok(None) };
    Ok(match entry.content {
        Content::Statement(signed) => Some(signed.statement.stream),
        Content::Sealed(_) => None,
    })
}

/// The stream of the sealed event that an opening brings along.
fn revealed(openings: &Openings) -> Option<StreamId> {
    let event = opening::proof(&openings.open)?.event?;
    Some(gongkai_log::SignedStatement::parse(&event.note).ok()?.statement.stream)
}

pub(super) async fn mention(
    index: u64,
    about: Tag,
    transaction: &mut Transaction<'_, Sqlite>,
) -> Result<(), sqlx::Error> {
    let query = sqlx::query(MENTION).bind(about.to_hex()).bind(index.cast_signed());
    query.execute(&mut **transaction).await?;
    Ok(())
}
