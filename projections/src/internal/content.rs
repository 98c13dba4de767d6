//! Opening content for somebody: first the access is on record, signed by the reader's key, then it is shown.
//!
//! There is no other way to content: [`InternalViews::read`] takes the signed access, has the ledger record it,
//! and only then asks the policy. A refused attempt is therefore on record too. What comes out can be proven:
//! salts and paths are part of it.

use chrono::NaiveDate;
use gongkai_domain::{
    Refusal, Submission, World,
    anonymity::Asker,
    confidentiality::{self, Matter, Reader},
    kind::{self, Kind, access, letter},
    submission,
};
use gongkai_log::{Digest, Statement, StreamId, Tier, slot};
use gongkai_store::{SealedEvent, SubmitError, vault::OpenedValues};
use serde::Serialize;
use serde_json::{Map, Value};

use super::{InternalError, InternalViews, read::state};

/// One slot or cell, with what proves it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OpenedField {
    /// Slot number; absent for a cell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slot: Option<u8>,
    /// Line of a cell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// To whom it is disclosed.
    pub tier: Tier,
    /// Field name or column.
    pub name: String,
    /// Its Chinese name.
    pub label: String,
    /// The value.
    pub value: Value,
    /// The salt.
    pub salt: Digest,
    /// From the slot's commitment to the statement's root; empty for a cell.
    pub path: Vec<Digest>,
}

/// The place of a sealed event in the log, with what binds its note.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EventPlace {
    /// Salt of the event's commitment.
    pub salt: Digest,
    /// The commitment.
    pub commitment: Digest,
    /// Entry of the period, leaf and path; absent until the period is recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub period: Option<(u64, u64, Vec<Digest>)>,
}

/// What somebody may read of one statement.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Content {
    /// The statement note, verbatim.
    pub note: String,
    /// Entry of a public statement.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry: Option<u64>,
    /// Where a sealed event is bound.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<EventPlace>,
    /// The fields.
    pub fields: Vec<OpenedField>,
    /// What only the body's receivers open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub envelope: Option<gongkai_domain::envelope::Envelope>,
    /// Whether something was erased.
    pub erased: bool,
    /// The text of a question, a letter or its answer with the asker masked, for whoever publishes it to begin with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub masked: Option<String>,
    /// Its title, masked likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub masked_title: Option<String>,
    /// What the publication of a letter has to say besides, or why there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub publication: Option<Publishing>,
}

/// What the publication of a letter says besides its words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Publishing {
    /// Wire name of its class.
    pub class: Option<&'static str>,
    /// The day of receipt.
    pub received_on: Option<NaiveDate>,
    /// The day of the answer.
    pub answered_on: Option<NaiveDate>,
    /// Why it may not be published.
    pub refused: Option<String>,
}

/// Why content is not given.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The access itself was refused: it is malformed, or signed by somebody else.
    #[error(transparent)]
    Submit(#[from] SubmitError),
    /// Ours.
    #[error(transparent)]
    Internal(#[from] InternalError),
}

impl From<Refusal> for OpenError {
    fn from(refusal: Refusal) -> Self {
        Self::Submit(refusal.into())
    }
}

impl InternalViews {
    /// Records an access and gives the content; `None` when it does not exist for the reader, which is on record
    /// then as well.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn read(
        &self,
        reader: &Reader,
        idempotency_key: Option<String>,
        access: Submission,
    ) -> Result<Option<Content>, OpenError> {
        let read = self.access(reader, &access)?;
        self.0.ledger.hand_in(idempotency_key, access).await?;
        Ok(self.content(reader, &read).await?)
    }

    /// What the access says, if the reader alone signed it.
    fn access(&self, reader: &Reader, access: &Submission) -> Result<access::Read, Refusal> {
        let malformed = |reason: &str| Refusal::Malformed { place: "note".into(), reason: reason.into() };
        let checked = submission::check(self.0.ledger.origin(), access.clone())?;
        let statement = &checked.signed.statement;
        if checked.kind.name != access::KIND {
            return Err(malformed("应是查阅记录"));
        }
        match statement.signers.as_slice() {
            [signer] if signer.key == reader.key() => {}
            _ => return Err(malformed("查阅记录应由登录的钥匙单独签名")),
        }
        serde_json::from_value(Value::Object(checked.proposal().fields().into_owned()))
            .map_err(|_| malformed("查阅记录的内容不全"))
    }

    async fn content(&self, reader: &Reader, read: &access::Read) -> Result<Option<Content>, InternalError> {
        if let Some(content) = self.sealed_content(reader, read).await? {
            return Ok(Some(content));
        }
        self.public_content(reader, read).await
    }

    async fn sealed_content(&self, reader: &Reader, read: &access::Read) -> Result<Option<Content>, InternalError> {
        let events = self.0.reader.stream(&read.read).await?;
        let at = |event: &&SealedEvent| {
            event.opened.as_ref().is_some_and(|opened| opened.signed.statement.revision == read.revision)
        };
        let Some(event) = events.iter().find(at) else { return Ok(None) };
        let Some(opened) = &event.opened else { return Ok(None) };
        let statement = &opened.signed.statement;
        let Some(kind) = kind::find(&statement.kind) else { return Ok(None) };
        let concerns = concerns(&events);
        let cleared = |tier: Tier, world: &World| clear(reader, read, (statement, kind, tier), &concerns, world);
        let narrowest = kind.narrowest_tier();
        let askers = self.0.ledger.with_world(|world| askers(reader, read, &events, world));
        let (fields, whole) = self.0.ledger.with_world(|world| {
            let fields: Vec<_> = opened
                .slots
                .iter()
                .filter(|(_, tier, _)| cleared(*tier, world))
                .map(|(number, tier, found)| OpenedField {
                    slot: Some(*number),
                    line: None,
                    tier: *tier,
                    label: label(kind, &found.name),
                    name: found.name.clone(),
                    value: found.value.clone(),
                    salt: Digest::from_bytes(found.salt),
                    path: slot::path(&event.row.commitments, *number),
                })
                .collect();
            (fields, cleared(narrowest, world))
        });
        if fields.is_empty() && !whole {
            return Ok(None);
        }
        let place = EventPlace {
            salt: Digest::from_bytes(opened.salt),
            commitment: event.row.commitment,
            period: event.row.period.clone(),
        };
        Ok(Some(Content {
            note: opened.signed.note.to_string(),
            entry: None,
            event: whole.then_some(place),
            masked: masked(&fields, &askers),
            masked_title: masked_title(&fields, &askers),
            publication: publishing(&events).filter(|_| whole),
            fields,
            envelope: opened.envelope.clone().filter(|_| whole),
            erased: false,
        }))
    }

    async fn public_content(&self, reader: &Reader, read: &access::Read) -> Result<Option<Content>, InternalError> {
        let entries = self.0.ledger.stream(&read.read).await?;
        let Some(stored) = usize::try_from(read.revision).ok().and_then(|revision| entries.into_iter().nth(revision))
        else {
            return Ok(None);
        };
        let index = stored.index;
        let Some(values) = self.0.reader.values_of(index).await? else { return Ok(None) };
        let Ok(entry) = gongkai_log::Entry::parse(stored.bytes) else { return Ok(None) };
        let Some(signed) = entry.content.statement() else { return Ok(None) };
        let (statement, Some(kind)) = (&signed.statement, kind::find(&signed.statement.kind)) else { return Ok(None) };
        let commitments = stored.openings.map(|openings| openings.commitments);
        let erased = values.erased;
        let fields = self.0.ledger.with_world(|world| {
            let cleared = |tier: Tier| clear(reader, read, (statement, kind, tier), &[], world);
            public_fields(values, kind, commitments.as_ref(), cleared)
        });
        if fields.is_empty() {
            return Ok(None);
        }
        Ok(Some(Content {
            note: signed.note.to_string(),
            entry: Some(index),
            event: None,
            masked: masked(&fields, &[asker(&fields)]),
            masked_title: None,
            publication: None,
            fields,
            envelope: None,
            erased,
        }))
    }
}

/// Who wrote in this matter and said who they are, where the reader may know it: an answer is masked by it too.
fn askers(reader: &Reader, read: &access::Read, events: &[SealedEvent], world: &World) -> Vec<Asker> {
    let concerns = concerns(events);
    let opened = events.iter().filter_map(|event| event.opened.as_ref());
    let askers = opened.filter_map(|opened| {
        let statement = &opened.signed.statement;
        let kind = kind::find(&statement.kind)?;
        let cleared = clear(reader, read, (statement, kind, kind.narrowest_tier()), &concerns, world);
        cleared.then(|| Asker::of(&opened.values().unwrap_or_default()))
    });
    askers.filter(|asker| !asker.is_nobody()).collect()
}

fn values(fields: &[OpenedField]) -> Map<String, Value> {
    fields.iter().map(|field| (field.name.clone(), field.value.clone())).collect()
}

/// Who asked, as far as it is among these fields.
fn asker(fields: &[OpenedField]) -> Asker {
    Asker::of(&values(fields))
}

/// A text as it may be published, by the one masking rule; nothing of what has no text.
fn masked(fields: &[OpenedField], askers: &[Asker]) -> Option<String> {
    Some(without(askers, letter::plain(&values(fields))?))
}

fn masked_title(fields: &[OpenedField], askers: &[Asker]) -> Option<String> {
    let title = fields.iter().find(|field| field.name == "title")?.value.as_str()?;
    Some(without(askers, title.to_owned()))
}

fn without(askers: &[Asker], text: String) -> String {
    askers.iter().fold(text, |text, asker| asker.masked(&text))
}

/// What a letter's publication would say, or why there is none.
fn publishing(events: &[SealedEvent]) -> Option<Publishing> {
    let state = state(events);
    let letter = state.get::<letter::State>()?;
    Some(Publishing {
        class: letter.class.map(letter::Class::wire),
        received_on: letter.received_on,
        answered_on: letter.closed_on,
        refused: letter.may_be_published().err().map(|refusal| refusal.to_string()),
    })
}

fn public_fields(
    values: OpenedValues,
    kind: &Kind,
    commitments: Option<&[Digest; slot::SLOTS]>,
    cleared: impl Fn(Tier) -> bool,
) -> Vec<OpenedField> {
    let slots = values.slots.into_iter().map(|(number, tier, found)| {
        let path = commitments.map(|commitments| slot::path(commitments, number)).unwrap_or_default();
        (Some(number), None, tier, found, path)
    });
    let cells = values.cells.into_iter().map(|(line, tier, found)| (None, Some(line), tier, found, Vec::new()));
    slots
        .chain(cells)
        .filter(|(_, _, tier, _, _)| cleared(*tier))
        .map(|(slot, line, tier, found, path)| OpenedField {
            slot,
            line,
            tier,
            label: label(kind, &found.name),
            name: found.name,
            value: found.value,
            salt: Digest::from_bytes(found.salt),
            path,
        })
        .collect()
}

/// Whom a matter is about, from all its events: who is accused in the first reads none of the later ones.
fn concerns(events: &[SealedEvent]) -> Vec<StreamId> {
    let opened = events.iter().filter_map(|event| event.opened.as_ref());
    let named =
        opened.filter_map(|opened| Some(kind::find(&opened.signed.statement.kind)?.concerns(&opened.values()?)));
    named.flatten().collect()
}

fn clear(
    reader: &Reader,
    read: &access::Read,
    (statement, kind, tier): (&Statement, &'static Kind, Tier),
    concerns: &[StreamId],
    world: &World,
) -> bool {
    let matter = Matter::of(statement, (kind, tier), concerns, world);
    confidentiality::clear(reader, read.purpose, &matter, world).is_some()
}

fn label(kind: &Kind, name: &str) -> String {
    let column = || kind.list.shapes().iter().flat_map(|shape| shape.columns).find(|column| column.name == name);
    let field = kind.field(name).map(|field| field.label);
    field.or_else(|| column().map(|column| column.label)).unwrap_or(name).to_owned()
}
