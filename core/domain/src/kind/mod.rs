//! The list of event kinds, from which everything else derives: signing, verifying, the command
//! line, the JSON API and its description, import and export, redaction, search and the generic page.
//!
//! To add a kind: describe it with `payload!` in its family's file, implement [`Payload`] (decide,
//! evolve, a sample), and add its line to [`KINDS`]. Nothing else needs to change.
//!
//! `decide` may refuse and touches nothing; `evolve` may not refuse: a stored fact is never judged
//! again.

use std::{
    borrow::Cow,
    collections::{BTreeSet, HashMap},
    sync::LazyLock,
};

use chrono::{DateTime, Utc};
use gongkai_log::{Beginning, Digest, Statement, StreamId, Tier};
use serde::{Deserialize as _, de::DeserializeOwned};
use serde_json::{Map, Value};

use crate::{
    event::{Context, Proposal, Recorded, State},
    field::{Attachment, Field, ListRule, Place, Shape},
    procedure::{self, REFERENCE},
    refusal::Refusal,
    world::{Role, World},
};

pub mod access;
pub mod calendar;
pub mod consultation;
pub mod disclosure;
pub mod erasure;
pub mod gap;
pub mod intake;
pub mod ledger;
pub mod letter;
pub mod map;
pub mod matter;
pub mod nomination;
pub mod notice;
pub mod objection;
pub mod opening;
pub mod pledge;
pub mod question;
pub mod rating;
pub mod receiver;
pub mod recovery;
pub mod registry;
pub mod review;
pub mod rotation;
pub mod rule;
pub mod session;
pub mod slot;
pub mod statement;
pub mod supervision;
pub mod tally;
pub mod vacancy;

/// Every kind of event, in the order in which they are described.
pub const KINDS: &[Kind] = &[
    Kind::of::<ledger::Created>(),
    Kind::of::<ledger::Halted>(),
    Kind::of::<ledger::Resumed>(),
    Kind::of::<rotation::KeyRotated>(),
    Kind::of::<recovery::BroughtBack>(),
    Kind::of::<map::Rooted>(),
    Kind::of::<registry::OrganizationRegistered>(),
    Kind::of::<registry::OrganizationRenamed>(),
    Kind::of::<registry::OrganizationMerged>(),
    Kind::of::<registry::OrganizationSplit>(),
    Kind::of::<registry::OrganizationDissolved>(),
    Kind::of::<registry::PostCreated>(),
    Kind::of::<registry::PersonRegistered>(),
    Kind::of::<registry::KeyAuthorized>(),
    Kind::of::<registry::KeyRevoked>(),
    Kind::of::<registry::RoleGranted>(),
    Kind::of::<registry::RoleWithdrawn>(),
    Kind::of::<receiver::Appointed>(),
    Kind::of::<receiver::Withdrawn>(),
    Kind::of::<gap::Opened>(),
    Kind::of::<gap::Answered>(),
    Kind::of::<gap::Closed>(),
    Kind::of::<calendar::Published>(),
    Kind::of::<rule::Published>(),
    Kind::of::<pledge::Made>(),
    Kind::of::<pledge::Progressed>(),
    Kind::of::<pledge::Amended>(),
    Kind::of::<pledge::Fulfilled>(),
    Kind::of::<pledge::PartlyFulfilled>(),
    Kind::of::<pledge::NotFulfilled>(),
    Kind::of::<pledge::Evaluated>(),
    Kind::of::<rating::Rated>(),
    Kind::of::<pledge::CarriedOver>(),
    Kind::of::<pledge::Superseded>(),
    Kind::of::<pledge::Withdrawn>(),
    Kind::of::<vacancy::Announced>(),
    Kind::of::<vacancy::Recommended>(),
    Kind::of::<vacancy::RecommendationVerified>(),
    Kind::of::<vacancy::Closed>(),
    Kind::of::<vacancy::Tallied>(),
    Kind::of::<vacancy::ShortlistDecided>(),
    Kind::of::<vacancy::Filled>(),
    Kind::of::<vacancy::Withdrawn>(),
    Kind::of::<nomination::Previewed>(),
    Kind::of::<nomination::Announced>(),
    Kind::of::<objection::NominationObjected>(),
    Kind::of::<objection::NominationObjectionResolved>(),
    Kind::of::<nomination::Extended>(),
    Kind::of::<nomination::Closed>(),
    Kind::of::<nomination::Concluded>(),
    Kind::of::<nomination::Appointed>(),
    Kind::of::<nomination::Elected>(),
    Kind::of::<nomination::NotElected>(),
    Kind::of::<nomination::ProbationEnded>(),
    Kind::of::<notice::Published>(),
    Kind::of::<notice::Extended>(),
    Kind::of::<notice::Corrected>(),
    Kind::of::<objection::NoticeObjected>(),
    Kind::of::<objection::NoticeObjectionAccepted>(),
    Kind::of::<objection::NoticeObjectionResolved>(),
    Kind::of::<notice::Closed>(),
    Kind::of::<notice::Withdrawn>(),
    Kind::of::<disclosure::Published>(),
    Kind::of::<disclosure::Questioned>(),
    Kind::of::<disclosure::QuestionPublished>(),
    Kind::of::<disclosure::QuestionWithheld>(),
    Kind::of::<disclosure::Interpellated>(),
    Kind::of::<disclosure::Answered>(),
    Kind::of::<disclosure::Corrected>(),
    Kind::of::<disclosure::Withdrawn>(),
    Kind::of::<review::Submitted>(),
    Kind::of::<review::GatePassed>(),
    Kind::of::<review::Returned>(),
    Kind::of::<review::Approved>(),
    Kind::of::<letter::Received>(),
    Kind::of::<letter::Registered>(),
    Kind::of::<letter::Forwarded>(),
    Kind::of::<letter::Returned>(),
    Kind::of::<letter::NotAccepted>(),
    Kind::of::<letter::Extended>(),
    Kind::of::<letter::Notified>(),
    Kind::of::<letter::Answered>(),
    Kind::of::<letter::Urged>(),
    Kind::of::<letter::Rated>(),
    Kind::of::<letter::Escalated>(),
    Kind::of::<letter::Reviewed>(),
    Kind::of::<letter::ReReviewed>(),
    Kind::of::<letter::Published>(),
    Kind::of::<session::Held>(),
    Kind::of::<consultation::Opened>(),
    Kind::of::<consultation::Submitted>(),
    Kind::of::<consultation::Themed>(),
    Kind::of::<consultation::Assigned>(),
    Kind::of::<consultation::Resolved>(),
    Kind::of::<consultation::Explained>(),
    Kind::of::<consultation::Reported>(),
    Kind::of::<tally::Opened>(),
    Kind::of::<tally::Cast>(),
    Kind::of::<tally::Closed>(),
    Kind::of::<tally::Published>(),
    Kind::of::<statement::Replied>(),
    Kind::of::<matter::Clarified>(),
    Kind::of::<supervision::Issued>(),
    Kind::of::<supervision::Answered>(),
    Kind::of::<slot::Withdrawn>(),
    Kind::of::<opening::Opened>(),
    Kind::of::<erasure::Ordered>(),
    Kind::of::<access::Read>(),
];

/// Families with their Chinese names, in the order of the site's menu.
pub const FAMILIES: &[(&str, &str)] = &[
    ("pledge", "承诺事项"),
    ("vacancy", "空缺职位"),
    ("nomination", "干部提名"),
    ("notice", "公示公告"),
    ("disclosure", "三务公开"),
    ("letter", "群众来信"),
    ("session", "民情沟通"),
    ("consultation", "意见征集"),
    ("tally", "评议投票"),
    ("statement", "当事人回应"),
    ("matter", "澄清正名"),
    ("supervision", "督办"),
    ("organization", "机构"),
    ("post", "职务"),
    ("person", "人员"),
    ("key", "签名钥匙"),
    ("role", "职责"),
    ("receiver", "收件人"),
    ("intake", "网上收件处"),
    ("calendar", "工作日历"),
    ("rule", "规则"),
    ("review", "审核"),
    ("slot", "撤下与启封"),
    ("erasure", "删除"),
    ("access", "查阅记录"),
    ("ledger", "账本"),
    ("map", "总目"),
];

/// Chinese name of a family; the wire name for one that this version does not know.
pub fn family_label(family: &str) -> &str {
    FAMILIES.iter().find(|(wire, _)| *wire == family).map_or(family, |(_, label)| label)
}

/// What `payload!` derives from a kind's description.
pub trait Described: DeserializeOwned {
    /// Wire name with version, `pledge.made.v1`.
    const KIND: &'static str;
    /// Chinese name.
    const LABEL: &'static str;
    /// Body fields, then slots.
    const FIELDS: &'static [Field];
    /// The list of lines, if any.
    const LIST: ListRule;
    /// Who may be the first signer.
    const AUTHORS: &'static [Role];
    /// Whether it is wholly sealed: an empty body, all fields in slots, recorded through the period's tree.
    const SEALED: bool;
}

/// One kind's meaning.
pub trait Payload: Described + 'static {
    /// State of the streams of its family.
    type State: Clone + Default + std::fmt::Debug + Send + Sync + 'static;
    /// Whether it opens a stream (revision 0) or continues one.
    const OPENS: bool;

    /// Judges a proposal whose fields are already known to be usable.
    ///
    /// # Errors
    /// The [`Refusal`] that the author gets.
    fn decide(&self, state: &Self::State, proposal: &Proposal<'_>, context: &Context<'_>) -> Result<(), Refusal>;

    /// Folds the recorded event into the stream's state.
    fn evolve(self, state: Self::State, event: &Recorded<'_>) -> Self::State;

    /// How a sealed event may be handed in.
    const SECRECY: Secrecy = Secrecy::Ledger;

    /// Judges a sealed proposal whose fields are encrypted to a body's receivers; only called where
    /// [`Payload::SECRECY`] allows that.
    ///
    /// # Errors
    /// The [`Refusal`] that the author gets.
    fn decide_unseen(_state: &Self::State, _proposal: &Proposal<'_>, _context: &Context<'_>) -> Result<(), Refusal> {
        Ok(())
    }

    /// Folds a sealed event whose values nobody here can see: encrypted to a body's receivers, or erased.
    fn evolve_unseen(state: Self::State, _event: &Recorded<'_>) -> Self::State {
        state
    }

    /// Persons whom it is about, and who therefore never read it here.
    fn concerns(&self) -> Vec<StreamId> {
        Vec::new()
    }

    /// Roles at its organization, or above it, that read its tier `named`; inspectors do in any case.
    const NAMED_READERS: &'static [Role] = &[Role::Publisher, Role::Reviewer, Role::Approver];

    /// What whoever handed a matter in may follow of it by its code, where this kind opens the matter.
    const FOLLOW_UP: FollowUp = FollowUp::Receipt;

    /// Fields of this step that whoever handed the matter in is told; a step without any is not shown to them.
    const TOLD: &'static [&'static str] = &[];

    /// A command with made-up content that is accepted in the sample ledger.
    fn sample() -> Value;

    /// Whether the kind teaches the world; replay skips those that do not.
    const TEACHES: bool = false;

    /// Teaches the world what other streams need to know; only called where [`Payload::TEACHES`].
    fn learn(&self, _world: &mut World, _event: &Recorded<'_>) {}

    /// The organization at which the author must hold the role, from the body; `None` is the whole ledger.
    fn authority_org<'a>(_body: &Map<String, Value>, statement_org: &'a str) -> Option<Cow<'a, str>> {
        Some(statement_org.into())
    }

    /// Index of the entry that this is about, other than its own stream.
    fn target(&self) -> Option<u64> {
        None
    }

    /// Whether another organization than the one that opened the matter, or one above that, may say this; `decide` then
    /// says which.
    const HANDED_ON: bool = false;

    /// The field that names a sealed matter on which it depends whether this is permitted.
    const NAMES: Option<&'static str> = None;

    /// Judges a proposal by the sealed matter that it names, where the vault is.
    ///
    /// # Errors
    /// The [`Refusal`] that the author gets.
    fn decide_named(&self, _named: &State, _proposal: &Proposal<'_>) -> Result<(), Refusal> {
        Ok(())
    }
}

/// Why a sealed matter that is named cannot be: it is not there, or nobody who asks may know of it.
pub(crate) const NOT_THERE: &str = "没有这件事项";

/// How a sealed event may be handed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Secrecy {
    /// Its fields are open to the ledger, which seals them.
    Ledger,
    /// Either way, as the submitter chooses.
    Either,
    /// Encrypted by the submitter to the competent body's receivers; the ledger stores what it cannot read.
    Body,
}

/// What the submitter of a sealed matter gets without signing in (confidentiality.md §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FollowUp {
    /// That it was received and recorded, and nothing that proves what it was: recommendations, ballots.
    Receipt,
    /// The same; and on request an opening of the content, which the submitter keeps.
    Content,
    /// That, and what is told them of each later step, with what is due next.
    Answers,
}

impl FollowUp {
    /// Whether the submitter may be given what proves the content.
    pub fn opens_content(self) -> bool {
        self != Self::Receipt
    }
}

/// One row of the list of kinds.
#[derive(Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "a row of a table: each column says yes or no of another thing")]
pub struct Kind {
    /// Wire name with version.
    pub name: &'static str,
    /// Chinese name.
    pub label: &'static str,
    /// Body fields, then slots.
    pub fields: &'static [Field],
    /// The list of lines, if any.
    pub list: ListRule,
    /// Who may be the first signer.
    pub authors: &'static [Role],
    /// Whether it opens a stream.
    pub opens: bool,
    /// Whether it is wholly sealed.
    pub sealed: bool,
    /// How it may be handed in, if it is sealed.
    pub secrecy: Secrecy,
    /// Roles that read its tier `named`, besides inspectors.
    pub named_readers: &'static [Role],
    /// What its submitter may follow.
    pub follow_up: FollowUp,
    /// Fields that the submitter of the matter is told.
    pub told: &'static [&'static str],
    /// Whether its matter may be another organization's than the one that opened it.
    pub handed_on: bool,
    /// Whether it teaches the world, so that replay of the registry needs it.
    pub teaches: bool,
    /// The field that names a sealed matter on which it depends whether this is permitted.
    pub names: Option<&'static str>,
    /// A command with made-up content.
    pub sample: fn() -> Value,
    pub(crate) decide: fn(&State, &Proposal<'_>, &Context<'_>) -> Result<(), Refusal>,
    pub(crate) decide_named: fn(&State, &Proposal<'_>) -> Result<(), Refusal>,
    pub(crate) evolve: fn(State, &Recorded<'_>) -> State,
    pub(crate) learn: fn(&mut World, &Recorded<'_>),
    pub(crate) authority_org: for<'a> fn(&Map<String, Value>, &'a str) -> Option<Cow<'a, str>>,
    target: fn(&Map<String, Value>) -> Option<u64>,
    concerns: fn(&Map<String, Value>) -> Vec<StreamId>,
}

impl std::fmt::Debug for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl Kind {
    /// The row of a payload type.
    pub const fn of<T: Payload>() -> Self {
        Self {
            name: T::KIND,
            label: T::LABEL,
            fields: T::FIELDS,
            list: T::LIST,
            authors: T::AUTHORS,
            opens: T::OPENS,
            sealed: T::SEALED,
            secrecy: T::SECRECY,
            named_readers: T::NAMED_READERS,
            follow_up: T::FOLLOW_UP,
            told: T::TOLD,
            handed_on: T::HANDED_ON,
            teaches: T::TEACHES,
            names: if procedure::is_gated(T::KIND, T::AUTHORS, T::SEALED) { Some(REFERENCE) } else { T::NAMES },
            sample: T::sample,
            decide: decide::<T>,
            decide_named: decide_named::<T>,
            evolve: evolve::<T>,
            learn: learn::<T>,
            authority_org: T::authority_org,
            target: target::<T>,
            concerns: concerns::<T>,
        }
    }

    /// Family: the wire name's first part, and the first part of its streams' names.
    pub fn family(&self) -> &'static str {
        self.name.split('.').next().unwrap_or(self.name)
    }

    /// A field by wire name.
    pub fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// The fields of the body.
    pub fn body_fields(&self) -> impl Iterator<Item = &'static Field> + Clone {
        self.fields.iter().filter(|field| field.place == Place::Body)
    }

    /// A name for a new matter of this kind (RFC 9562). Version 7 holds the time, so that public matters sort by when they
    /// were begun; version 4 of a sealed one tells nothing, not even when. `entropy` fills a buffer with random bytes.
    ///
    /// # Panics
    /// Never: the families of the list are names of streams.
    pub fn new_stream(&self, now: DateTime<Utc>, entropy: &mut dyn FnMut(&mut [u8])) -> StreamId {
        let id = if self.sealed {
            let mut random = [0; 16];
            entropy(&mut random);
            uuid::Builder::from_random_bytes(random).into_uuid()
        } else {
            let mut random = [0; 10];
            entropy(&mut random);
            let millis = now.timestamp_millis().max(0).cast_unsigned();
            uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
        };
        StreamId::new(self.family(), id).expect("the families of the list are names of streams")
    }

    /// The files that a body names, each with the field that names it. What is no file is left out: it was judged when it
    /// was recorded.
    pub fn attachments<'a>(
        &self,
        body: &'a Map<String, Value>,
    ) -> impl Iterator<Item = (&'static Field, Attachment)> + use<'a> {
        let fields = self.fields.iter().filter(|field| matches!(field.shape, Shape::Attachments(_)));
        fields.flat_map(move |field| {
            let files = body.get(field.name).and_then(Value::as_array).into_iter().flatten();
            files.filter_map(move |file| Some((field, Attachment::deserialize(file).ok()?)))
        })
    }

    /// Every file that a body and lines name in public, each once.
    pub fn files<'a>(
        &self,
        body: &Map<String, Value>,
        rows: impl IntoIterator<Item = &'a Map<String, Value>>,
    ) -> BTreeSet<Digest> {
        let mut files: BTreeSet<Digest> = self.attachments(body).map(|(_, file)| file.hash).collect();
        if let Some((shape, _)) = self.list.shape(body) {
            let of_lines = rows.into_iter().flat_map(|row| shape.attachments(row));
            files.extend(of_lines.map(|(_, file)| file.hash));
        }
        files
    }

    /// The slots, with tiers.
    pub fn slot_fields(&self) -> impl Iterator<Item = (&'static Field, Tier)> + Clone {
        self.fields.iter().filter_map(|field| match field.place {
            Place::Slot(tier) => Some((field, tier)),
            Place::Body => None,
        })
    }

    /// The narrowest tier of its slots: that of the note of a sealed event.
    pub fn narrowest_tier(&self) -> Tier {
        self.slot_fields().map(|(_, tier)| tier).max().unwrap_or(Tier::Named)
    }

    /// Whether citizens without keys hand it in, so that the intake key signs it for them.
    pub fn is_for_citizens(&self) -> bool {
        !self.is_own_word() && self.authors.contains(&Role::Intake)
    }

    /// Whether only the ledger itself says it: nobody can hand it in to be signed for them.
    pub fn is_own_word(&self) -> bool {
        matches!(self.family(), "ledger" | "intake" | "map")
    }

    /// Family of the public matter that something handed in is about: of one that continues a public stream its own,
    /// otherwise of the first that it must name. A letter is about none.
    pub fn about(&self) -> Option<&'static str> {
        if !self.opens && !self.sealed {
            return Some(self.family());
        }
        self.fields.iter().filter(|field| field.required).find_map(|field| match field.shape {
            Shape::Link(family) => Some(family),
            _ => None,
        })
    }

    /// Index of the entry that a body is about, other than its own stream.
    pub fn target(&self, body: &Map<String, Value>) -> Option<u64> {
        (self.target)(body)
    }

    /// Matters that its values name, each with the tier of the field that names it: what it is about, and what
    /// became of it. Not persons: whom it is about is [`Kind::concerns`].
    pub fn links(&self, values: &Map<String, Value>) -> Vec<(Tier, StreamId)> {
        let link = |field: &Field| {
            let names_matter = matches!(field.shape, Shape::Stream)
                || matches!(field.shape, Shape::Link(family) if family != "person");
            let named = values.get(field.name).filter(|_| names_matter)?.as_str()?.parse().ok()?;
            let tier = match field.place {
                Place::Body => Tier::Public,
                Place::Slot(tier) => tier,
            };
            Some((tier, named))
        };
        self.fields.iter().filter_map(link).collect()
    }

    /// Persons whom a sealed event is about, from its values.
    pub fn concerns(&self, values: &Map<String, Value>) -> Vec<StreamId> {
        (self.concerns)(values)
    }
}

/// A kind by wire name.
pub fn find(name: &str) -> Option<&'static Kind> {
    // Asked several times for each entry of a log.
    static BY_NAME: LazyLock<HashMap<&str, &Kind>> =
        LazyLock::new(|| KINDS.iter().map(|kind| (kind.name, kind)).collect());
    BY_NAME.get(name).copied()
}

/// The tree that a statement names as a beginning of its log, if it names one: of a recovery or a rotation.
pub fn beginning(statement: &Statement) -> Option<Beginning> {
    rotation::beginning(statement).or_else(|| recovery::beginning(statement))
}

/// The typed body, for a statement of that kind.
pub fn body<T: Described>(kind: &str, body: &Map<String, Value>) -> Option<T> {
    if kind == T::KIND { T::deserialize(body).ok() } else { None }
}

fn decide<T: Payload>(state: &State, proposal: &Proposal<'_>, context: &Context<'_>) -> Result<(), Refusal> {
    if !state.suits::<T::State>() {
        return Err(Refusal::field("stream", "事项编号", format!("这件事项不能继之以「{}」", T::LABEL)));
    }
    let default = T::State::default();
    let state = state.get::<T::State>().unwrap_or(&default);
    if proposal.is_unseen() {
        return T::decide_unseen(state, proposal, context);
    }
    let payload = T::deserialize(&*proposal.fields())
        .map_err(|e| Refusal::Malformed { place: "body".into(), reason: e.to_string() })?;
    payload.decide(state, proposal, context)
}

fn decide_named<T: Payload>(named: &State, proposal: &Proposal<'_>) -> Result<(), Refusal> {
    let payload = T::deserialize(&*proposal.fields())
        .map_err(|e| Refusal::Malformed { place: "body".into(), reason: e.to_string() })?;
    payload.decide_named(named, proposal)
}

/// A body that no longer parses leaves the state as it was: it was judged when it was recorded, and
/// `audit` reports it.
fn evolve<T: Payload>(state: State, event: &Recorded<'_>) -> State {
    let fields = if T::SEALED { event.values } else { Some(&event.statement.body) };
    match fields.map(T::deserialize) {
        Some(Ok(payload)) => State::new(payload.evolve(state.take(), event)),
        Some(Err(_)) => state,
        None => State::new(T::evolve_unseen(state.take(), event)),
    }
}

fn learn<T: Payload>(world: &mut World, event: &Recorded<'_>) {
    if let Ok(payload) = T::deserialize(&event.statement.body) {
        payload.learn(world, event);
    }
}

fn target<T: Payload>(body: &Map<String, Value>) -> Option<u64> {
    T::deserialize(body).ok()?.target()
}

fn concerns<T: Payload>(values: &Map<String, Value>) -> Vec<StreamId> {
    T::deserialize(values).map(|payload| payload.concerns()).unwrap_or_default()
}

/// A stream reference of a family, for samples.
pub(crate) fn sample_stream(family: &str, number: u64) -> String {
    format!("{family}/{}", uuid::Uuid::from_u128(0x018f_0000_0000_7000_8000_0000_0000_0000 | u128::from(number)))
}

/// A stream reference of a sealed matter, for samples.
pub(crate) fn sealed_stream(family: &str, number: u64) -> String {
    format!("{family}/{}", uuid::Uuid::from_u128(0x5ea1_ed00_0000_4000_8000_0000_0000_0000 | u128::from(number)))
}

/// Describes a kind once: struct, wire name, labels, tiers, list, authors.
///
/// A sealed kind has `sealed { field: Type Tier = label }` in place of `body`, and no list: these are
/// typed fields of the struct like those of a body, and lie in slots.
///
/// A kind that passes gates ([`crate::procedure::is_gated`]) gets the slot that names its review besides its own, and
/// one with a sealed slot the one that schedules its opening ([`crate::schedule`]).
macro_rules! payload {
    (
        $(#[$m:meta])*
        $name:ident = $kind:literal $label:literal;
        body { $($f:ident : $t:ty = $fl:literal),* $(,)? }
        slots { $($s:ident : $tier:ident $shape:ident($max:literal) $need:ident = $sl:literal),* $(,)? }
        list $list:expr;
        authors $authors:expr;
    ) => {
        $crate::kind::payload! { @kind
            $(#[$m])* $name = $kind $label;
            fields { $($f: $t, $crate::field::Place::Body, $fl;)* }
            slots { $($s, $tier, $shape($max), $need, $sl;)* }
            list $list; authors $authors; sealed false;
        }
    };
    (
        $(#[$m:meta])*
        $name:ident = $kind:literal $label:literal;
        sealed { $($f:ident : $t:ty, $ft:ident = $fl:literal),* $(,)? }
        slots { $($s:ident : $tier:ident $shape:ident($max:literal) $need:ident = $sl:literal),* $(,)? }
        authors $authors:expr;
    ) => {
        $crate::kind::payload! { @kind
            $(#[$m])* $name = $kind $label;
            fields { $($f: $t, $crate::field::Place::Slot(gongkai_log::Tier::$ft), $fl;)* }
            slots { $($s, $tier, $shape($max), $need, $sl;)* }
            list $crate::field::ListRule::None; authors $authors; sealed true;
        }
    };
    (@kind
        $(#[$m:meta])*
        $name:ident = $kind:literal $label:literal;
        fields { $($f:ident : $t:ty, $place:expr, $fl:literal;)* }
        slots { $($s:ident, $tier:ident, $shape:ident($max:literal), $need:ident, $sl:literal;)* }
        list $list:expr; authors $authors:expr; sealed $sealed:literal;
    ) => {
        $(#[$m])*
        #[derive(Clone, Debug, PartialEq, serde::Deserialize)]
        pub struct $name { $(#[doc = $fl] pub $f: $t),* }

        impl $crate::kind::Described for $name {
            const KIND: &'static str = $kind;
            const LABEL: &'static str = $label;
            const FIELDS: &'static [$crate::field::Field] = {
                const OWN: &[$crate::field::Field] = &[
                    $($crate::field::Field {
                        name: stringify!($f),
                        label: $fl,
                        place: $place,
                        shape: <$t as $crate::field::FieldType>::SHAPE,
                        required: <$t as $crate::field::FieldType>::REQUIRED,
                    },)*
                    $($crate::field::Field {
                        name: stringify!($s),
                        label: $sl,
                        place: $crate::field::Place::Slot(gongkai_log::Tier::$tier),
                        shape: $crate::field::Shape::$shape($max),
                        required: $crate::kind::payload!(@need $need),
                    },)*
                ];
                const GATED: bool = $crate::procedure::is_gated($kind, $authors, $sealed);
                const NAMING: [$crate::field::Field; OWN.len() + GATED as usize] =
                    $crate::procedure::with_reference(OWN);
                const SCHEDULED: bool = $crate::schedule::is_schedulable($kind, &NAMING, $authors);
                const ALL: [$crate::field::Field; NAMING.len() + SCHEDULED as usize] =
                    $crate::schedule::with_schedule(&NAMING, $sealed);
                &ALL
            };
            const LIST: $crate::field::ListRule = $list;
            const AUTHORS: &'static [$crate::world::Role] = $authors;
            const SEALED: bool = $sealed;
        }
    };
    (@need required) => { true };
    (@need optional) => { false };
}
pub(crate) use payload;

/// Authors of most public matters.
pub(crate) const PUBLISHER: &[Role] = &[Role::Publisher];
/// Authors of registry events.
pub(crate) const REGISTRAR: &[Role] = &[Role::Registrar];

#[cfg(test)]
mod tests;
