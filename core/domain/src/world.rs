//! What every decision may look at: organizations, persons, keys, roles, calendar, rules, books.
//!
//! Folded from the log by replay alone, so anyone can answer "was this signer allowed to say this
//! for this organization at that index?" offline. It holds no slot values: names are for views.
//! To let a kind teach the world something, implement `Payload::learn` in its file.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, NaiveDate, Utc};
use gongkai_log::{Digest, LogKeys, StreamId, VerifierKey};

use crate::{
    calendar::Calendar,
    competence,
    event::Recorded,
    field::choices,
    kind::{self, disclosure::Totals, recovery::BroughtBack, registry::Level},
    matters::Matters,
    refusal::Refusal,
    rules::{Rule, RuleCode, Rules},
    vault::TierKey,
};

/// Deepest chain of organizations that is followed: nation, province, city, county, township,
/// village, group, and room for branches.
const DEPTH_MAX: usize = 12;

/// Most successors that are followed from an organization that is no more.
const HEIRS_MAX: usize = 256;

choices! {
    /// In which capacity a signer signs (design 3.4).
    Role {
        Registrar = "registrar" "登记员",
        Publisher = "publisher" "发布人",
        Reviewer = "reviewer" "审核人",
        Approver = "approver" "审批人",
        Supervisor = "supervisor" "监督人",
        Inspector = "inspector" "督查人",
        Operator = "operator" "运维人",
        Log = "log" "账本",
        Intake = "intake" "收件",
        Recovery = "recovery" "恢复钥匙",
    }
}

impl Role {
    /// Roles whose appointment needs a second registrar: one alone must not be able to make all the
    /// "different" people.
    pub fn needs_second_registrar(self) -> bool {
        matches!(self, Self::Registrar | Self::Reviewer | Self::Approver | Self::Supervisor)
    }

    /// Roles of the ledger itself, which nobody can be granted.
    pub fn is_ledger(self) -> bool {
        matches!(self, Self::Log | Self::Intake | Self::Recovery)
    }
}

/// An organization as the registry knows it.
#[derive(Clone, Debug)]
pub struct Organization {
    /// Its stream.
    pub stream: StreamId,
    /// Level.
    pub level: Level,
    /// Code of the organization above it.
    pub parent: Option<String>,
    /// Why it is no more: merged, split or dissolved.
    pub ended: Option<Ended>,
}

/// The end of an organization.
#[derive(Clone, Debug)]
pub struct Ended {
    /// Log index of the event.
    pub index: u64,
    /// 合并 / 拆分 / 撤销.
    pub how: &'static str,
    /// Codes of the successors.
    pub successors: Vec<String>,
}

/// A key as the registry knows it.
#[derive(Clone, Debug)]
pub struct Key {
    /// For verifying.
    pub verifier: VerifierKey,
    /// Whose key it is; `None` for the ledger's own.
    pub person: Option<StreamId>,
    /// Log index of the authorization.
    pub authorized_at: u64,
    /// Log index of the revocation.
    pub revoked_at: Option<u64>,
}

/// A role that a person holds at an organization and its subtree.
#[derive(Clone, Debug)]
pub struct Grant {
    /// The role's stream.
    pub stream: StreamId,
    /// The role.
    pub role: Role,
    /// The organization; `None` is the whole ledger (first registrars).
    pub org: Option<String>,
}

/// Who receives what is encrypted to a body.
#[derive(Clone, Debug)]
pub struct Receiver {
    /// Stream of the appointment; envelopes name it.
    pub stream: StreamId,
    /// The person.
    pub person: StreamId,
    /// To encrypt to.
    pub key: TierKey,
}

/// Where people hand in across a network gap ([`crate::gap`]).
#[derive(Clone, Debug)]
pub struct Intake {
    /// Its stream.
    pub stream: StreamId,
    /// Code of the organization that opened it.
    pub org: String,
    /// Entry that opened it.
    pub opened_at: u64,
    /// Key of its log; the name is the log's origin.
    pub key: VerifierKey,
    /// To encrypt to the ledger.
    pub sealing_key: TierKey,
    /// Within how many hours the ledger answers each period.
    pub answer_hours: u64,
    /// What was answered, in order.
    pub answers: Vec<AnsweredTo>,
    /// Whether it takes nothing more.
    pub is_closed: bool,
}

impl Intake {
    /// Up to which period it is answered, and the hash of the last entry before that.
    pub fn answered(&self) -> (u64, Digest) {
        self.answers.last().map_or((0, Digest::ZERO), |answered| (answered.to, answered.entry_hash))
    }
}

/// An answer to periods of an intake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnsweredTo {
    /// Number after the last period.
    pub to: u64,
    /// Hash of that period's entry in the intake's log.
    pub entry_hash: Digest,
    /// Root over what became of each packet.
    pub answers: Digest,
    /// Entry of the ledger that says so.
    pub index: u64,
    /// When it was recorded.
    pub recorded_at: DateTime<Utc>,
}

/// That entries were brought back from a copy, because the database had lost them ([`kind::recovery`]).
#[derive(Clone, Debug, PartialEq)]
pub struct Recovery {
    /// Entry that says so.
    pub index: u64,
    /// When it was recorded.
    pub recorded_at: DateTime<Utc>,
    /// What it says.
    pub said: BroughtBack,
}

/// The closing balance of one published period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Booked {
    /// Stream of the sheet.
    pub stream: StreamId,
    /// Last day of the period.
    pub ends_on: NaiveDate,
    /// Opening balance, fen.
    pub opening: Option<i64>,
    /// Closing balance, fen.
    pub closing: Option<i64>,
}

/// Registry, calendar, rules and books as of some index.
#[derive(Clone, Debug, Default)]
pub struct World {
    origin: Option<String>,
    ledger_keys: HashMap<Role, String>,
    log_keys: Option<LogKeys>,
    log_key_beside: Option<(VerifierKey, DateTime<Utc>)>,
    recoveries: Vec<Recovery>,
    organizations: HashMap<String, Organization>,
    persons: HashMap<StreamId, String>,
    keys: HashMap<String, Key>,
    key_streams: HashMap<StreamId, String>,
    grants: HashMap<StreamId, Vec<Grant>>,
    grant_holders: HashMap<StreamId, StreamId>,
    head_posts: HashMap<StreamId, String>,
    leaders: HashMap<String, Vec<StreamId>>,
    receivers: HashMap<String, Vec<Receiver>>,
    intakes: Vec<Intake>,
    /// Working-day calendar.
    pub calendar: Calendar,
    /// Rules in force.
    pub rules: Rules,
    /// Windows and periods of public matters.
    pub matters: Matters,
    books: HashMap<(String, String), BTreeMap<NaiveDate, Booked>>,
}

impl World {
    /// Folds one recorded statement in. Statements of unknown kinds change nothing.
    pub fn evolve(&mut self, event: &Recorded<'_>) {
        if let Some(kind) = kind::find(&event.statement.kind).filter(|kind| kind.teaches) {
            (kind.learn)(self, event);
        }
    }

    /// The ledger's origin, from the genesis.
    pub fn origin(&self) -> Option<&str> {
        self.origin.as_deref()
    }

    pub(crate) fn created(&mut self, origin: String) {
        self.origin = Some(origin);
    }

    /// Name of the ledger's own key for a role of its own.
    pub fn ledger_key(&self, role: Role) -> Option<&str> {
        self.ledger_keys.get(&role).map(String::as_str)
    }

    pub(crate) fn set_ledger_key(&mut self, role: Role, name: String) {
        self.ledger_keys.insert(role, name);
    }

    /// The keys that sign checkpoints, over time; `None` before the genesis.
    pub fn log_keys(&self) -> Option<&LogKeys> {
        self.log_keys.as_ref()
    }

    pub(crate) fn set_log_keys(&mut self, keys: LogKeys) {
        self.log_keys = Some(keys);
    }

    /// The log key that was replaced last and signs beside the new one, and until when.
    pub fn log_key_beside(&self) -> Option<(VerifierKey, DateTime<Utc>)> {
        self.log_key_beside.clone()
    }

    /// When entries were brought back, in order.
    pub fn recoveries(&self) -> &[Recovery] {
        &self.recoveries
    }

    /// Whether the entry was brought back from a copy: what only the vault held of it is lost.
    pub fn was_brought_back(&self, index: u64) -> bool {
        self.recoveries.iter().any(|recovery| (recovery.said.from_size..recovery.said.size).contains(&index))
    }

    pub(crate) fn brought_back(&mut self, index: u64, recorded_at: DateTime<Utc>, said: BroughtBack) {
        self.recoveries.push(Recovery { index, recorded_at, said });
    }

    /// From this entry on another key signs for the log; under the one name there is one key at a time.
    pub(crate) fn rotate_log_key(&mut self, index: u64, key: VerifierKey, overlap_until: Option<DateTime<Utc>>) {
        if let Some(keys) = &mut self.log_keys {
            self.log_key_beside = overlap_until.map(|until| (keys.current().clone(), until));
            keys.rotate(index, key.clone());
            self.add_key(key, None, index);
        }
    }

    /// An organization by code.
    pub fn organization(&self, code: &str) -> Option<&Organization> {
        self.organizations.get(code)
    }

    /// How many organizations there are, ended ones included.
    pub fn organizations_count(&self) -> usize {
        self.organizations.len()
    }

    /// Codes and records of all organizations.
    pub fn organizations(&self) -> impl Iterator<Item = (&str, &Organization)> {
        self.organizations.iter().map(|(code, org)| (code.as_str(), org))
    }

    /// An organization that is not ended.
    ///
    /// # Errors
    /// [`Refusal::UnknownOrganization`], [`Refusal::EndedOrganization`].
    pub fn living(&self, code: &str) -> Result<&Organization, Refusal> {
        let org = self.organizations.get(code).ok_or_else(|| Refusal::UnknownOrganization(code.into()))?;
        match &org.ended {
            None => Ok(org),
            Some(ended) => Err(Refusal::EndedOrganization {
                org: code.into(),
                reason: if ended.successors.is_empty() {
                    ended.how.into()
                } else {
                    format!("{}，现为 {}", ended.how, ended.successors.join("、"))
                },
            }),
        }
    }

    /// The code itself and its ancestors', nearest first; bounded, so a loop cannot hang us.
    pub fn chain<'a>(&'a self, code: &'a str) -> impl Iterator<Item = &'a str> {
        std::iter::successors(Some(code), |code| self.organizations.get(*code)?.parent.as_deref()).take(DEPTH_MAX)
    }

    /// Whether `code` is `above` or lies below it.
    pub fn is_within(&self, code: &str, above: &str) -> bool {
        self.chain(code).any(|c| c == above)
    }

    /// Whether an organization may continue what `opener` began: it is that one, lies above it, or is a successor of it,
    /// or above one.
    pub fn continues(&self, org: &str, opener: &str) -> bool {
        let mut heirs = vec![opener];
        for _ in 0..HEIRS_MAX {
            let Some(heir) = heirs.pop() else { return false };
            if self.is_within(heir, org) {
                return true;
            }
            let ended = self.organizations.get(heir).and_then(|heir| heir.ended.as_ref());
            heirs.extend(ended.into_iter().flat_map(|ended| ended.successors.iter().map(String::as_str)));
        }
        false
    }

    /// The rule in force at an organization on a date.
    pub fn rule(&self, code: RuleCode, org: &str, on: NaiveDate) -> Rule {
        self.rules.get(code, self.chain(org), on)
    }

    pub(crate) fn organization_mut(&mut self, code: &str) -> Option<&mut Organization> {
        self.organizations.get_mut(code)
    }

    pub(crate) fn add_organization(&mut self, code: String, organization: Organization) {
        self.organizations.insert(code, organization);
    }

    /// Whether a person is registered.
    pub fn has_person(&self, person: &StreamId) -> bool {
        self.persons.contains_key(person)
    }

    pub(crate) fn add_person(&mut self, person: StreamId, org: String) {
        self.persons.insert(person, org);
    }

    /// The organization in whose name a person was registered.
    pub fn person_org(&self, person: &StreamId) -> Option<&str> {
        self.persons.get(person).map(String::as_str)
    }

    pub(crate) fn add_head_post(&mut self, post: StreamId, org: String) {
        self.head_posts.insert(post, org);
    }

    pub(crate) fn takes_post(&mut self, person: StreamId, post: &StreamId) {
        if let Some(org) = self.head_posts.get(post) {
            self.leaders.entry(org.clone()).or_default().push(person);
        }
    }

    /// Whether a person is in a post that heads the organization.
    pub fn leads(&self, person: &StreamId, org: &str) -> bool {
        self.leaders.get(org).is_some_and(|leaders| leaders.contains(person))
    }

    /// Who is in a post that heads the organization.
    pub fn leaders(&self, org: &str) -> &[StreamId] {
        self.leaders.get(org).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn add_receiver(&mut self, org: String, receiver: Receiver) {
        self.receivers.entry(org).or_default().push(receiver);
    }

    pub(crate) fn withdraw_receiver(&mut self, org: &str, stream: &StreamId) {
        if let Some(receivers) = self.receivers.get_mut(org) {
            receivers.retain(|receiver| receiver.stream != *stream);
        }
    }

    /// Who receives what is encrypted to an organization.
    pub fn receivers(&self, org: &str) -> &[Receiver] {
        self.receivers.get(org).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn add_intake(&mut self, intake: Intake) {
        self.intakes.push(intake);
    }

    pub(crate) fn answer_intake(&mut self, stream: &StreamId, answered: AnsweredTo) {
        if let Some(intake) = self.intakes.iter_mut().find(|intake| intake.stream == *stream) {
            intake.answers.push(answered);
        }
    }

    pub(crate) fn close_intake(&mut self, stream: &StreamId) {
        if let Some(intake) = self.intakes.iter_mut().find(|intake| intake.stream == *stream) {
            intake.is_closed = true;
        }
    }

    /// Where people hand in across a network gap, closed ones included, in the order in which they were opened.
    pub fn intakes(&self) -> impl Iterator<Item = &Intake> {
        self.intakes.iter()
    }

    /// The body that handles what is said against these people: the organization or the nearest above it
    /// that has a receiver who is not one of them, and that none of them leads (confidentiality.md §2).
    pub fn competent_body<'a>(&'a self, org: &'a str, against: &[StreamId]) -> Option<&'a str> {
        self.chain(org).find(|code| {
            let receivers = self.receivers(code).iter().map(|receiver| &receiver.person);
            competence::is_competent(receivers, self.leaders(code), against)
        })
    }

    /// A key by name, revoked ones included.
    pub fn key(&self, name: &str) -> Option<&Key> {
        self.keys.get(name)
    }

    /// The key of a name that signed the entry of this index, and the entry that brought it: under the log's name there is
    /// one key after the other, and each signs the entry that brings it.
    pub fn key_at(&self, name: &str, index: u64) -> Option<(&VerifierKey, u64)> {
        let log = self.log_keys.as_ref().filter(|keys| keys.first().name() == name);
        let known = || self.keys.get(name).map(|key| (&key.verifier, key.authorized_at));
        log.map_or_else(known, |keys| {
            let brought = keys.rotations().iter().rev().find(|(entry, _)| *entry <= index);
            Some(brought.map_or((keys.first(), 0), |(entry, key)| (key, *entry)))
        })
    }

    /// All keys, by name.
    pub fn keys(&self) -> impl Iterator<Item = (&str, &Key)> {
        self.keys.iter().map(|(name, key)| (name.as_str(), key))
    }

    /// Enters a key that was authorized on a stream of its own, so that the stream can revoke it.
    pub(crate) fn add_key_of_stream(&mut self, key: VerifierKey, person: StreamId, index: u64, stream: StreamId) {
        self.key_streams.insert(stream, key.name().to_owned());
        self.add_key(key, Some(person), index);
    }

    pub(crate) fn add_key(&mut self, verifier: VerifierKey, person: Option<StreamId>, index: u64) {
        let name = verifier.name().to_owned();
        let key = Key { verifier, person, authorized_at: index, revoked_at: None };
        self.keys.insert(name, key);
    }

    pub(crate) fn revoke_key_of_stream(&mut self, stream: &StreamId, index: u64) {
        let name = self.key_streams.get(stream);
        if let Some(key) = name.and_then(|name| self.keys.get_mut(name)) {
            key.revoked_at.get_or_insert(index);
        }
    }

    /// Roles that a person holds now.
    pub fn grants(&self, person: &StreamId) -> &[Grant] {
        self.grants.get(person).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn grant(&mut self, person: StreamId, grant: Grant) {
        self.grant_holders.insert(grant.stream.clone(), person.clone());
        self.grants.entry(person).or_default().push(grant);
    }

    pub(crate) fn withdraw_grant(&mut self, stream: &StreamId) {
        if let Some(person) = self.grant_holders.remove(stream) {
            self.grants.entry(person).or_default().retain(|grant| grant.stream != *stream);
        }
    }

    /// Whether a person holds a role at an organization; `None` asks for the whole ledger.
    pub fn holds(&self, person: &StreamId, role: Role, org: Option<&str>) -> bool {
        self.grants(person).iter().filter(|grant| grant.role == role).any(|grant| match (&grant.org, org) {
            (None, _) => true,
            (Some(at), Some(org)) => self.is_within(org, at),
            (Some(_), None) => false,
        })
    }

    /// How many people hold the registrar's role.
    pub fn registrars_count(&self) -> usize {
        self.grants.values().filter(|grants| grants.iter().any(|g| g.role == Role::Registrar)).count()
    }

    /// Published periods of an organization's book, by first day.
    pub fn book(&self, org: &str, book: &str) -> Option<&BTreeMap<NaiveDate, Booked>> {
        self.books.get(&(org.to_owned(), book.to_owned()))
    }

    pub(crate) fn book_mut(&mut self, org: &str, book: &str) -> &mut BTreeMap<NaiveDate, Booked> {
        self.books.entry((org.to_owned(), book.to_owned())).or_default()
    }

    /// Takes corrected totals into the book that holds the sheet.
    pub(crate) fn correct_book(&mut self, org: &str, sheet: &StreamId, totals: Option<Totals>) {
        let Some(totals) = totals else { return };
        for booked in self.books_of(org).flat_map(BTreeMap::values_mut).filter(|booked| booked.stream == *sheet) {
            booked.opening = totals.opening;
            booked.closing = totals.closing;
        }
    }

    /// Takes a withdrawn sheet out of the book, so that another can take its place.
    pub(crate) fn unbook(&mut self, org: &str, sheet: &StreamId) {
        for book in self.books_of(org) {
            book.retain(|_, booked| booked.stream != *sheet);
        }
    }

    fn books_of(&mut self, org: &str) -> impl Iterator<Item = &mut BTreeMap<NaiveDate, Booked>> {
        self.books.iter_mut().filter(move |((code, _), _)| code == org).map(|(_, book)| book)
    }
}
