//! What a draft of the working store says: what somebody typed, or a statement with the signatures that it has so far.
//!
//! Here is who may see what of it, whether a signature is good, and how it is handed in when the last one is there. Not
//! here: where it lies (`gongkai_store::drafts`), the endpoints (`drafts`).

use gongkai_domain::confidentiality::{self, Matter, Reader};
use gongkai_domain::kind::access::Purpose;
use gongkai_domain::submission::{Filled, Line};
use gongkai_domain::{Refusal, Submission, World, kind};
use gongkai_log::note::NoteSignature;
use gongkai_log::{Signer, Statement, StreamId, Tier};
use gongkai_store::{Accepted, Draft, DraftFault, Drafts, Ledger, StoreError, SubmitError};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::http::pages::nothing;
use crate::http::problem::{Problem, chain};

/// Most characters of a label.
const LABEL_CHARS_MAX: usize = 200;

/// A draft.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Working {
    /// What it is, for people.
    pub label: String,
    /// The kind of statement that it is going to be.
    pub kind: String,
    /// The page on which it is gone on with.
    pub href: String,
    /// What was typed, by field.
    #[serde(default)]
    pub fields: Map<String, Value>,
    /// The rest of the page: in which role, who signs beside.
    #[serde(default)]
    pub frame: Map<String, Value>,
    /// The review that it is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub review: Option<StreamId>,
    /// The statement, once it has bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prepared: Option<Half>,
}

/// A statement with the signatures that it has so far.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Half {
    /// The text that is signed.
    pub statement: String,
    /// All 16 slots.
    pub openings: Vec<Filled>,
    /// The lines of the list.
    #[serde(default)]
    pub lines: Vec<Line>,
    /// Signature lines, without their ends.
    #[serde(default)]
    pub signatures: Vec<String>,
}

impl Working {
    /// Reads what was kept.
    pub fn of(draft: &Draft) -> Result<Self, Problem> {
        serde_json::from_str(&draft.text).map_err(|error| Problem::internal(&error))
    }

    /// Whether it can be kept; what it says is judged when it is handed in.
    pub fn check(&self) -> Result<(), Problem> {
        let own = self.href.starts_with("/internal/") && !self.href.contains("//") && !self.href.contains('\\');
        if !own || self.label.chars().count() > LABEL_CHARS_MAX {
            return Err(Problem::new("malformed", "草稿的名称或地址不能用"));
        }
        kind::find(&self.kind).map(drop).ok_or_else(|| Refusal::UnknownKind(self.kind.clone()).into())
    }

    /// The statement that collects signatures; what lies with a review waits for no signature here.
    pub fn signing(&self) -> Option<&Half> {
        self.prepared.as_ref().filter(|_| self.review.is_none())
    }

    /// What a list shows of it.
    pub fn summary(&self, draft: &Draft, world: &World) -> Value {
        let signers = self.signing().and_then(|half| half.signers(world).ok());
        json!({
            "id": draft.id, "revision": draft.revision, "is_own": draft.is_own,
            "changed_at": draft.changed_at, "expires_at": draft.expires_at,
            "label": self.label, "kind": self.kind, "href": self.href, "review": self.review,
            "title": self.title(), "signers": signers,
        })
    }

    fn title(&self) -> Option<Value> {
        let open = self.prepared.iter().flat_map(|half| &half.openings).find_map(|filled| match filled {
            Filled::Open(opening) if opening.name == "title" && opening.tier == Tier::Public => Some(&opening.value),
            _ => None,
        });
        open.or_else(|| self.fields.get("title")).cloned()
    }

    /// All of it that this reader may see.
    pub fn shown(&self, draft: &Draft, reader: &Reader, world: &World) -> Result<Value, Problem> {
        let mut shown = self.summary(draft, world);
        if draft.is_own {
            shown["fields"] = json!(self.fields);
            shown["frame"] = json!(self.frame);
            shown["prepared"] = json!(self.prepared);
        } else if let Some(half) = &self.prepared {
            shown["prepared"] = json!(half.for_reader(reader, world)?);
        }
        Ok(shown)
    }
}

impl Half {
    /// Reads the statement.
    pub fn parsed(&self) -> Result<Statement, Problem> {
        let malformed = |error: gongkai_log::statement::StatementError| Refusal::Malformed {
            place: "statement".into(),
            reason: error.to_string(),
        };
        Ok(Statement::parse(&self.statement).map_err(malformed)?)
    }

    /// Whether a key signed it.
    pub fn has(&self, key: &str) -> bool {
        self.signatures.iter().filter_map(|line| NoteSignature::parse(line)).any(|line| line.name == key)
    }

    /// Who has to sign, and who has.
    fn signers(&self, world: &World) -> Result<Vec<Value>, Problem> {
        let row = |Signer { role, key }: &Signer| {
            let person = world.key(key).and_then(|key| key.person.as_ref());
            json!({"role": role, "key": key, "person": person, "signed": self.has(key)})
        };
        Ok(self.parsed()?.signers.iter().map(row).collect())
    }

    /// The persons whose keys have to sign.
    pub fn people(&self, world: &World) -> Result<Vec<StreamId>, Problem> {
        let statement = self.parsed()?;
        let person = |signer: &Signer| world.key(&signer.key)?.person.clone();
        Ok(statement.signers.iter().filter_map(person).collect())
    }

    /// Adds a signature, if it is a good one of a live key that has to sign: whose it is, it proves itself. Adding it again
    /// is the same as adding it once.
    pub fn add(&mut self, line: &str, world: &World) -> Result<(), Refusal> {
        let bad = || Refusal::Signature("签名不符，或不是这份稿件要的签名".into());
        let line = line.trim_end_matches('\n');
        let signature = NoteSignature::parse(line).ok_or_else(bad)?;
        let statement = Statement::parse(&self.statement).map_err(|_| bad())?;
        let wanted = statement.signers.iter().any(|signer| signer.key == signature.name);
        let key = world.key(&signature.name).filter(|_| wanted).ok_or_else(bad)?;
        if let Some(index) = key.revoked_at {
            return Err(Refusal::RevokedKey { key: signature.name, index });
        }
        let good = signature.is_by(&key.verifier)
            && signature.ed25519().is_some_and(|bytes| key.verifier.verify(self.statement.as_bytes(), bytes));
        if !good {
            return Err(bad());
        }
        if !self.has(&signature.name) {
            self.signatures.push(line.to_owned());
        }
        Ok(())
    }

    /// The submission, once everybody signed.
    pub fn complete(&self) -> Result<Option<Submission>, Problem> {
        let mut note = format!("{}\n", self.statement);
        for signer in &self.parsed()?.signers {
            let own = |line: &&String| NoteSignature::parse(line).is_some_and(|line| line.name == signer.key);
            let Some(line) = self.signatures.iter().find(own) else { return Ok(None) };
            note.push_str(line);
            note.push('\n');
        }
        Ok(Some(Submission { note, openings: self.openings.clone(), lines: self.lines.clone(), envelope: None }))
    }

    /// The same with what the public will see and nothing else: what leaves the house shows no more.
    pub fn for_anybody(&self) -> Result<Self, Problem> {
        self.only(&self.parsed()?, |tier| tier == Tier::Public)
    }

    /// The same with nothing that the policy does not clear this reader for: whoever signs beside an author sees what the
    /// public will see, and what their own roles let them read.
    fn for_reader(&self, reader: &Reader, world: &World) -> Result<Self, Problem> {
        let statement = self.parsed()?;
        let found = kind::find(&statement.kind).ok_or_else(nothing)?;
        let open = |filled: &Filled| match filled {
            Filled::Open(opening) => Some((opening.name.clone(), opening.value.clone())),
            Filled::Empty { .. } | Filled::Hidden { .. } => None,
        };
        let mut values: Map<String, Value> = self.openings.iter().filter_map(open).collect();
        values.extend(statement.body.clone());
        let concerns = found.concerns(&values);
        let cleared = |tier: Tier| {
            let matter = Matter::of(&statement, (found, tier), &concerns, world);
            tier == Tier::Public || confidentiality::clear(reader, Purpose::Review, &matter, world).is_some()
        };
        self.only(&statement, cleared)
    }

    /// The same with the values of these tiers; the others stay commitments.
    fn only(&self, statement: &Statement, cleared: impl Fn(Tier) -> bool) -> Result<Self, Problem> {
        let show = |filled: &Filled| match filled {
            Filled::Open(opening) if !cleared(opening.tier) => {
                let commitment = filled.commit(&statement.origin, &statement.stream, statement.revision);
                commitment.map(|commitment| Filled::Hidden { slot: opening.slot, commitment })
            }
            other => Ok(other.clone()),
        };
        let openings = self.openings.iter().map(show).collect::<Result<_, _>>();
        let lines = self.lines.iter().cloned().map(|mut line| {
            line.cells.retain(|cell| cleared(cell.tier));
            line
        });
        Ok(Self {
            statement: self.statement.clone(),
            openings: openings.map_err(|error| Problem::internal(&error))?,
            lines: lines.collect(),
            signatures: self.signatures.clone(),
        })
    }
}

/// What came of a signature.
pub struct Signed {
    /// The draft as it was when the signature was in it.
    pub draft: Draft,
    /// The receipt, where it was the last one.
    pub accepted: Option<Accepted>,
}

/// Why a signature came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum Unsigned {
    /// For this person there is no such draft, or it collects no signatures.
    #[error("there is no such draft")]
    Gone,
    /// The signature is none that the draft waits for, or the ledger does not take the statement.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The working store.
    #[error(transparent)]
    Draft(#[from] DraftFault),
    /// The ledger takes nothing at present.
    #[error("the ledger")]
    Ledger(#[source] SubmitError),
    /// A draft that cannot be read.
    #[error("a draft that cannot be read")]
    Unreadable(Problem),
}

impl From<SubmitError> for Unsigned {
    fn from(error: SubmitError) -> Self {
        match error {
            SubmitError::Refused(refusal) => Self::Refused(refusal),
            error => Self::Ledger(error),
        }
    }
}

impl From<Unsigned> for Problem {
    fn from(unsigned: Unsigned) -> Self {
        match unsigned {
            Unsigned::Gone => nothing(),
            Unsigned::Refused(refusal) => refusal.into(),
            Unsigned::Draft(fault) => problem(fault),
            Unsigned::Ledger(error) => error.into(),
            Unsigned::Unreadable(problem) => problem,
        }
    }
}

/// Adds a signature of this person to a draft, and hands the statement in with the last one, under the draft's own
/// idempotency key: two who sign at once record it once. Without a signature only the second is done. If we stop between the
/// commit and the removal, the next attempt gets the same receipt and removes it.
///
/// # Errors
/// [`Unsigned`]; a signature that was taken stays even where the statement is refused.
pub async fn sign(
    (ledger, store): (&Ledger, &Drafts),
    id: Uuid,
    person: &StreamId,
    line: Option<&str>,
) -> Result<Signed, Unsigned> {
    let now = ledger.clock().now();
    let mut refused = None;
    let changed = store.change(id, person, now, |text| {
        let mut working: Working = serde_json::from_str(text).ok()?;
        let half = working.prepared.as_mut()?;
        refused = ledger.with_world(|world| half.add(line?, world).err());
        if refused.is_some() || line.is_none() {
            return None;
        }
        serde_json::to_string(&working).ok()
    });
    let draft = changed.await?.ok_or(Unsigned::Gone)?;
    if let Some(refusal) = refused {
        return Err(refusal.into());
    }
    let working = Working::of(&draft).map_err(Unsigned::Unreadable)?;
    let half = working.signing().ok_or(Unsigned::Gone)?;
    let accepted = match half.complete().map_err(Unsigned::Unreadable)? {
        Some(submission) => Some(ledger.hand_in(Some(format!("draft-{id}")), submission).await?),
        None => None,
    };
    if accepted.is_some() {
        store.remove(id, person, now).await?;
    }
    Ok(Signed { draft, accepted })
}

/// Why a draft was not kept, for people.
pub fn problem(fault: DraftFault) -> Problem {
    match fault {
        DraftFault::Changed { .. } => {
            Problem::new("stale_parent", "这份草稿在另一台设备上改过，没有覆盖它；请重新打开，接着那一份写")
        }
        DraftFault::NotOwn => nothing(),
        DraftFault::TooLong { .. } => Problem::new("too_large", "草稿太长，没有保存"),
        DraftFault::TooMany => Problem::new("too_many", "没写完的太多，请先在工作台上清理"),
        DraftFault::Full => Problem::new("too_many", "存草稿的地方满了，请告诉管理员"),
        DraftFault::Store(error @ StoreError::Gone { .. }) => {
            tracing::warn!(error = chain(&error), "the working store cannot be had");
            Problem::new("busy", "存草稿的数据库暂时连不上，请稍后再试")
        }
        DraftFault::Store(error) => error.into(),
        other => Problem::internal(&other),
    }
}
