//! What is proposed and what was recorded.
//!
//! A [`Proposal`] is judged by `decide` and may be refused; a [`Recorded`] statement is folded by
//! `evolve`, which may not refuse. A public event carries no slot values: an opening can be withdrawn
//! at any time, so no rule may depend on one after the fact. A sealed event has nothing but slots; it
//! carries their values where the ledger can see them, and rules get along without.

use std::{any::Any, borrow::Cow, fmt};

use chrono::{DateTime, NaiveDate, Utc};
use gongkai_log::{Digest, Opening, Statement, StreamId};
use serde_json::{Map, Value};

use crate::{
    envelope::Envelope,
    kind::Kind,
    refusal::Refusal,
    world::{Role, World},
};

/// A statement with the openings and lines that came with it, before it is recorded.
#[derive(Clone, Copy, Debug)]
pub struct Proposal<'a> {
    /// Its kind.
    pub kind: &'static Kind,
    /// What was signed.
    pub statement: &'a Statement,
    /// The slots of tier public.
    pub openings: &'a [Opening],
    /// The slots of other tiers. Empty when they are encrypted to a body's receivers.
    pub sealed: &'a [Opening],
    /// The lines of the list, in order.
    pub lines: &'a [Map<String, Value>],
    /// What is encrypted to a body's receivers.
    pub envelope: Option<&'a Envelope>,
}

impl Proposal<'_> {
    /// The value of a slot that is a text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.openings.iter().chain(self.sealed).find(|o| o.name == name)?.value.as_str()
    }

    /// What the payload is read from: the body, or all slots of a sealed event.
    pub fn fields(&self) -> Cow<'_, Map<String, Value>> {
        if self.kind.sealed { Cow::Owned(values(self.sealed)) } else { Cow::Borrowed(&self.statement.body) }
    }

    /// Whether its fields are encrypted to a body's receivers, so that nobody here can judge them.
    pub fn is_unseen(&self) -> bool {
        self.kind.sealed && self.sealed.is_empty()
    }

    /// The author's date, in the author's zone.
    pub fn declared_on(&self) -> NaiveDate {
        self.statement.declared_at.date_naive()
    }

    /// A day on which something happened: not after the author's day.
    ///
    /// # Errors
    /// [`Refusal::Field`] on that field.
    pub(crate) fn happened_by_then(&self, on: NaiveDate, name: &str, label: &str) -> Result<(), Refusal> {
        if on > self.declared_on() { Err(Refusal::field(name, label, "不能晚于申报日期")) } else { Ok(()) }
    }

    /// At least so many signers in a role.
    ///
    /// # Errors
    /// [`Refusal::Cosigners`] naming the rule that demands them.
    pub(crate) fn signed_by(&self, role: Role, needed: u64, because: impl Into<String>) -> Result<(), Refusal> {
        let got = self.signers_as(role.wire());
        if got >= needed {
            return Ok(());
        }
        Err(Refusal::Cosigners { role: role.label().into(), needed, got, rule: because.into() })
    }

    /// The sealed matter that it names and that decides whether it is permitted: the review of what passes gates, and
    /// what its kind says ([`crate::kind::Payload::NAMES`]).
    pub fn named(&self) -> Option<StreamId> {
        self.text(self.kind.names?)?.parse().ok()
    }

    /// How many signers act in a role.
    pub fn signers_as(&self, role: &str) -> u64 {
        self.statement.signers.iter().filter(|s| s.role == role).count() as u64
    }
}

/// The values of slots by name.
pub fn values(openings: &[Opening]) -> Map<String, Value> {
    openings.iter().map(|opening| (opening.name.clone(), opening.value.clone())).collect()
}

/// A statement that is in the log, or a sealed one that is promised to be.
#[derive(Clone, Copy, Debug)]
pub struct Recorded<'a> {
    /// Place in the log; of a sealed event the number of entries before it.
    pub index: u64,
    /// When the log recorded it; of a sealed event when it was received.
    pub recorded_at: DateTime<Utc>,
    /// What was signed.
    pub statement: &'a Statement,
    /// Hash of the statement.
    pub hash: Digest,
    /// The slots of a sealed event by name; `None` for a public event, and for a sealed one whose values
    /// were encrypted to a body's receivers or are erased.
    pub values: Option<&'a Map<String, Value>>,
}

impl Recorded<'_> {
    /// The author's date, in the author's zone.
    pub fn declared_on(&self) -> NaiveDate {
        self.statement.declared_at.date_naive()
    }

    /// How many lines its list has; 0 without a list.
    pub fn lines_count(&self) -> u64 {
        self.statement.body.get("count").and_then(Value::as_u64).unwrap_or(0)
    }
}

/// An entry that a proposal is about, other than its own stream: what a withdrawal withdraws.
#[derive(Clone, Debug)]
pub struct Target {
    /// Place in the log.
    pub index: u64,
    /// The statement there.
    pub statement: Statement,
    /// Numbers and names of the slots that are open now.
    pub open_slots: Vec<(u8, String)>,
    /// Numbers of the lines that are open now.
    pub open_lines: Vec<u64>,
}

/// What `decide` may look at besides the proposal and the stream's state.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The clock's reading.
    pub now: DateTime<Utc>,
    /// Registry, calendar, rules and books as of the entry before.
    pub world: &'a World,
    /// The entry that the proposal names, if it names one that exists.
    pub target: Option<&'a Target>,
    /// The sealed matter that the proposal names ([`Proposal::named`]).
    pub named: Named<'a>,
    /// Root of the period that the proposal names, if it names one.
    pub period: Option<&'a Digest>,
    /// Whether there is something sealed to erase; `None` where that is not visible.
    pub erasable: Option<bool>,
    /// Whether the head that the proposal names is a beginning of this log; `None` where whoever reads the log finds out.
    pub begins: Option<bool>,
}

impl<'a> Context<'a> {
    /// Nothing but clock and registry: no target, nothing sealed that is named, nothing to erase.
    pub fn at(now: DateTime<Utc>, world: &'a World) -> Self {
        Self {
            now,
            world,
            target: None,
            named: Named::Missing,
            period: None,
            erasable: Some(false),
            begins: Some(false),
        }
    }
}

/// The state of a sealed matter that a proposal names, as far as it can be seen.
#[derive(Clone, Copy, Debug)]
pub enum Named<'a> {
    /// There is no vault here: an auditor's view, never the writer's. Only what is public is judged.
    NotVisible,
    /// None is named, or there is none of that name.
    Missing,
    /// It stands so.
    Found(&'a State),
}

impl<'a> Named<'a> {
    /// What a look-up gave.
    pub fn of(state: Option<&'a State>) -> Self {
        state.map_or(Self::Missing, Self::Found)
    }
}

/// State of a stream, of whichever family.
pub trait StreamState: Any + Send + Sync + fmt::Debug {
    /// A copy.
    fn boxed(&self) -> Box<dyn StreamState>;
    /// For looking inside.
    fn as_any(&self) -> &dyn Any;
    /// For taking out.
    fn into_any(self: Box<Self>) -> Box<dyn Any>;
}

impl<T: Any + Send + Sync + fmt::Debug + Clone> StreamState for T {
    fn boxed(&self) -> Box<dyn StreamState> {
        Box::new(self.clone())
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

/// State of one stream; empty before its first statement.
#[derive(Debug, Default)]
pub struct State {
    own: Option<Box<dyn StreamState>>,
    opened_by: Option<Box<str>>,
}

impl Clone for State {
    fn clone(&self) -> Self {
        Self { own: self.own.as_ref().map(|state| state.as_ref().boxed()), opened_by: self.opened_by.clone() }
    }
}

impl State {
    /// Wraps a family's state.
    pub fn new<T: StreamState>(state: T) -> Self {
        Self { own: Some(Box::new(state)), opened_by: None }
    }

    /// Code of the organization in whose name the first statement was said; `None` before it.
    pub fn opened_by(&self) -> Option<&str> {
        self.opened_by.as_deref()
    }

    /// The same, opened by that organization unless another one did before.
    pub(crate) fn with_opener(self, before: Option<Box<str>>, org: &str) -> Self {
        Self { opened_by: Some(before.unwrap_or_else(|| org.into())), ..self }
    }

    /// Takes the opener out.
    pub(crate) fn take_opener(&mut self) -> Option<Box<str>> {
        self.opened_by.take()
    }

    /// The family's state; `None` before the first statement.
    pub fn get<T: 'static>(&self) -> Option<&T> {
        self.own.as_ref()?.as_ref().as_any().downcast_ref()
    }

    /// Whether it is of that type, or still empty. The sealed streams of a family have a state of their own,
    /// so that nothing public can continue one, nor the other way round.
    pub(crate) fn suits<T: 'static>(&self) -> bool {
        self.own.is_none() || self.get::<T>().is_some()
    }

    /// Takes the family's state out; the default before the first statement.
    pub fn take<T: Default + 'static>(self) -> T {
        self.own.and_then(|state| state.into_any().downcast().ok()).map_or_else(T::default, |state| *state)
    }
}
