//! Sealed events, in the order of receipt.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use chrono::{DateTime, Utc};
use gongkai_domain::{
    Context, Proposal,
    audit_sealed::{self, Category, Content, Event, Held, Lack, Problem},
    kind, procedure,
};
use gongkai_log::{SignedStatement, Statement};

use super::{Audit, found::Spot, known, statements::Matter};
use crate::{
    error::StoreError,
    event_store::{Inventory, RawSealed, SealedValue},
    sealed_tables,
    vault::{Tag, Vault},
};

/// Sealed events that are read at a time.
const PAGE: u64 = 256;

/// Where the reading of sealed events is.
#[derive(Default)]
pub(super) struct Events {
    page: VecDeque<RawSealed>,
    // What the vault wrote down of the events of the page, by number.
    inventories: BTreeMap<u64, Inventory>,
    // Where the next page begins.
    from: u64,
    // The number that the next event must have.
    next: u64,
    // Subjects of the page whose data keys are there and cannot be unwrapped.
    broken: BTreeSet<Tag>,
    last: Option<(u64, DateTime<Utc>, u64)>,
    ended: bool,
}

impl Events {
    /// Number of the event after those that were audited.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// Number of the last event, and when it was received.
    pub(super) fn last_received(&self) -> Option<(u64, DateTime<Utc>)> {
        self.last.map(|(seq, received_at, _)| (seq, received_at))
    }

    /// Number of the last event, and how many entries there were before it.
    pub(super) fn last_as_of(&self) -> Option<(u64, u64)> {
        self.last.map(|(seq, _, as_of)| (seq, as_of))
    }
}

/// Opens rows of the vault; the subject's data keys must have been loaded.
pub(super) fn held(vault: &Vault, statement: &Statement, tag: Tag, values: Vec<SealedValue>) -> Vec<Held> {
    let open = |value: SealedValue| {
        let content = match vault.open_value(statement, tag, &value) {
            Ok(Some(opened)) => Content::Open(opened),
            Ok(None) => Content::NoKey,
            Err(_) => Content::Bad,
        };
        let SealedValue { ordinal, line, tier, commitment, .. } = value;
        Held { ordinal, line, tier, commitment, content }
    };
    values.into_iter().map(open).collect()
}

impl Audit<'_> {
    /// Audits the sealed events that were judged as of at most so many entries.
    pub(super) async fn events_until(&mut self, entries: u64) -> Result<(), StoreError> {
        loop {
            if self.events.page.is_empty() && !self.fill().await? {
                return Ok(());
            }
            match self.events.page.front() {
                Some(row) if row.as_of <= entries => {}
                _ => return Ok(()),
            }
            if let Some(row) = self.events.page.pop_front() {
                self.event(row).await?;
            }
        }
    }

    /// Reads the next page, with keys and streams; whether there was one.
    async fn fill(&mut self) -> Result<bool, StoreError> {
        if self.events.ended {
            return Ok(false);
        }
        let from = self.events.from;
        let mut connection = self.store.connection().await?;
        let rows = sealed_tables::load_events_after(&mut connection, from, PAGE).await?;
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else {
            self.events.ended = true;
            return Ok(false);
        };
        self.events.from = last.seq + 1;
        let first = first.seq;
        self.events.inventories =
            sealed_tables::load_event_inventories(&mut connection, first, self.events.from).await?;
        drop(connection);
        let tags: BTreeSet<Tag> = rows.iter().map(|row| Tag(row.tag)).collect();
        let tags: Vec<Tag> = tags.into_iter().collect();
        self.events.broken = self.vault.load_each(&tags).await?;
        self.streams.age();
        self.streams.obtain(self.store, self.vault, &tags, first).await?;
        self.events.page = rows.into();
        (self.progress)(self.report.entries + self.report.events);
        Ok(true)
    }

    async fn event(&mut self, mut row: RawSealed) -> Result<(), StoreError> {
        self.report.events += 1;
        self.placed(&row);
        let (seq, tag) = (row.seq, Tag(row.tag));
        let spot = Spot { tag, entry: None, at: row.as_of };
        if row.note.is_none() {
            self.unread();
            self.report.erased += 1;
            let problem = Problem::new(Category::Missing, "正文不在限阅库里，也没有删除令").of("note");
            self.found.unless(problem.unless(Lack::Sealed), Some(seq), spot, &self.orders);
            return Ok(());
        }
        self.used.insert(tag);
        // The cache may have dropped them since the page was read.
        self.vault.load_each(&[tag]).await?;
        match self.vault.open_note(&row) {
            Ok(Some((_, signed))) => return self.opened(&mut row, &signed).await,
            Ok(None) if self.events.broken.contains(&tag) => {
                let problem = Problem::new(Category::Commitment, "它的数据密钥被改过，打不开").of("wraps");
                self.found.event(seq, problem);
            }
            Ok(None) => {
                let problem = Problem::new(Category::Key, "限阅库里没有打开正文的数据密钥，也没有删除记录");
                self.found.unless(problem.of("note").unless(Lack::Sealed), Some(seq), spot, &self.orders);
            }
            Err(_) => {
                let problem = Problem::new(Category::Commitment, "正文打不开，或不是当日承诺的那一份");
                self.found.event(seq, problem.of("note"));
            }
        }
        self.unread();
        Ok(())
    }

    /// A sealed event whose content could not be opened: it may have been a ballot or a rating.
    fn unread(&mut self) {
        self.tallies.unread();
        self.ratings.unread();
    }

    /// Number, times and deadline, which need no key.
    fn placed(&mut self, row: &RawSealed) {
        let seq = row.seq;
        let wrong = |what: &str| Problem::new(Category::Sequence, what);
        if seq > self.events.next {
            let (first, last) = (self.events.next, seq - 1);
            self.found.event(first, wrong(&format!("第 {first} 至 {last} 号封存事项不在")).of("seq"));
        }
        self.events.next = seq + 1;
        let (last_at, last_as_of) = self.events.last.map_or((DateTime::UNIX_EPOCH, 0), |(_, at, as_of)| (at, as_of));
        if row.as_of < last_as_of {
            self.found.event(seq, wrong("受理时的条目数比前一件还少").of("as_of"));
        }
        if row.received_at < last_at || row.received_at < self.recorded_at {
            self.found.event(seq, wrong("收到时间早于它之前的事项或条目").of("received_at"));
        }
        self.events.last = Some((seq, row.received_at, row.as_of));
        if row.period.is_some() {
            return;
        }
        if row.deadline < self.now {
            let (received, deadline) = (row.received_at.to_rfc3339(), row.deadline.to_rfc3339());
            let sentence = format!("承诺 {} 收到于 {received}，应于 {deadline} 前入账，至今没有入账", row.commitment);
            self.found.event(seq, Problem::new(Category::Promise, sentence).of("period"));
        } else {
            self.report.waiting += 1;
        }
    }

    /// An event whose note opens: its slots, its envelope, and the judgement as of then.
    async fn opened(&mut self, row: &mut RawSealed, signed: &SignedStatement) -> Result<(), StoreError> {
        let (seq, tag) = (row.seq, Tag(row.tag));
        if self.vault.tag(&signed.statement.stream) != tag {
            let problem = Problem::new(Category::Commitment, "盲索引不是这件事项的").of("tag");
            self.found.event(seq, problem);
            return Ok(());
        }
        let envelope = row.envelope.as_ref();
        let envelope = envelope.map(|bytes| self.vault.open_envelope(tag, row.tier, &row.commitment, bytes));
        let Ok(envelope) = envelope.transpose() else {
            let problem = Problem::new(Category::Commitment, "信封打不开，或不是当日收到的那一份");
            self.found.event(seq, problem.of("envelope"));
            return Ok(());
        };
        let envelope = envelope.flatten();
        self.report.enveloped += u64::from(envelope.is_some());
        let held = held(self.vault, &signed.statement, tag, std::mem::take(&mut row.values));
        let sealed = audit_sealed::openings(&held);
        let inventory = known(self.vault, &row.commitment, self.events.inventories.remove(&seq));
        let event =
            Event { signed, commitments: &row.commitments, held: &held, envelope: envelope.as_ref(), inventory };
        let matter = match kind::find(&signed.statement.kind) {
            Some(kind) => {
                let statement = &signed.statement;
                let proposal = Proposal {
                    kind,
                    statement,
                    openings: &[],
                    sealed: &sealed,
                    lines: &[],
                    envelope: envelope.as_ref(),
                };
                self.named(&proposal, row.as_of).await?
            }
            None => Matter::Missing,
        };
        let (latest, state) = self.streams.get(tag);
        let context = Context { named: matter.named(), ..Context::at(row.received_at, &self.world) };
        let problems = audit_sealed::event(&event, &sealed, latest, &state, &context);
        let spot = Spot { tag, entry: None, at: row.as_of };
        let place = row.period.as_ref().map(|(index, leaf, _)| (*index, *leaf));
        let today = procedure::recorded_on(self.now);
        let unopened = place.map(|place| audit_sealed::unopened(&sealed, place, today)).unwrap_or_default();
        for problem in problems.into_iter().chain(unopened) {
            self.found.unless(problem, Some(seq), spot, &self.orders);
        }
        self.tallies.cast(&signed.statement, signed.hash, &sealed);
        self.ratings.rated(signed, row.received_at, &sealed);
        self.streams.fold(row, signed, &held);
        Ok(())
    }
}
