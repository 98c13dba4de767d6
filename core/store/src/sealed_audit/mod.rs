//! The audit with the vault: every commitment has its row, its opening or its erasure, every row its commitment, every
//! sealed event its author's authority, every published statement its review, every promise its entry.
//!
//! One pass over entries and sealed events in the order in which they were recorded: an event that was judged as of so
//! many entries is judged again before the entry of that index. It reads, opens and hands in; what is right is decided
//! in [`gongkai_domain::audit_sealed`]. What needs the whole vault is here: gaps in the order of receipt, orders of
//! erasure against what was erased ([`orders`]), keys that are missing and keys that nobody needs.
//!
//! Memory does not grow with the log: pages, two bounded caches (data keys, states of sealed streams), so many findings
//! of each category, the ballots of tallies that are not counted yet, the days and grades of
//! ratings, and 16 bytes for each subject that has keys. Works beside a running server, and changes nothing.

mod events;
mod found;
mod orders;
mod ratings;
mod statements;
mod streams;
mod tallies;

use std::{
    collections::{BTreeMap, HashSet},
    num::NonZero,
    thread,
};

use chrono::{DateTime, Utc};
use gongkai_domain::{
    World,
    audit_sealed::{self, Category, Finding, Inventory, Planted, Problem},
    world::Recovery,
};
use gongkai_log::{Content, Digest, Entry, SealedPeriod};
use tokio::task::JoinSet;

use crate::{
    error::StoreError,
    event_store,
    reader::{ReadStore, StoredEntry, parse_entry, teaches, with_recorded},
    sealed_tables::{self, Placed},
    tables,
    vault::{Tag, Vault},
};

use events::Events;
use found::Found;
use orders::Orders;
use ratings::Ratings;
use streams::SealedStreams;
use tallies::Tallies;

/// Entries that are read at a time.
const PAGE: u64 = 256;
/// Subjects with keys that are read at a time.
const SUBJECTS: u64 = 1_024;
/// Rows without an owner that are listed.
const STRAYS_MAX: u64 = 1_000;

/// What the audit with the vault found.
#[derive(Clone, Debug, Default)]
pub struct SealedReport {
    /// Entries that were read.
    pub entries: u64,
    /// Sealed events.
    pub events: u64,
    /// Of these, how many were erased.
    pub erased: u64,
    /// Of these, how many are encrypted to a body's receivers, so that nobody here can judge what they say.
    pub enveloped: u64,
    /// Of these, how many wait for their period within their deadline.
    pub waiting: u64,
    /// Sealed values of public entries.
    pub values: u64,
    /// Periods whose trees were built again.
    pub periods: u64,
    /// Entries that were brought back from a copy: what was not public of them is lost, on record.
    pub brought_back: u64,
    /// What was found, in the order of the log; of each category so many.
    pub findings: Vec<Finding>,
    /// How many there are of each category, those that are not listed included.
    pub counts: BTreeMap<Category, u64>,
}

impl SealedReport {
    /// How many things are wrong.
    pub fn breaches(&self) -> u64 {
        self.counts.iter().filter(|(category, _)| category.is_breach()).map(|(_, count)| count).sum()
    }

    /// How many things are remarked on.
    pub fn remarks(&self) -> u64 {
        self.counts.iter().filter(|(category, _)| !category.is_breach()).map(|(_, count)| count).sum()
    }
}

/// How many sealed events and sealed values of public entries there are, whether or not they can be opened.
///
/// # Errors
/// [`StoreError`].
pub async fn count(store: &ReadStore) -> Result<(u64, u64), StoreError> {
    sealed_tables::count(&mut store.connection().await?).await
}

/// Promises that were due before `now` and are in no period: how many, and the first deadline.
///
/// # Errors
/// [`StoreError`].
pub async fn overdue(store: &ReadStore, now: DateTime<Utc>) -> Result<(u64, Option<DateTime<Utc>>), StoreError> {
    sealed_tables::count_overdue(&mut store.connection().await?, now).await
}

/// When the last period was recorded; `None` before the first.
///
/// # Errors
/// [`StoreError`].
pub async fn last_period(store: &ReadStore) -> Result<Option<DateTime<Utc>>, StoreError> {
    let mut connection = store.connection().await?;
    let Some(index) = sealed_tables::last_period(&mut connection).await? else { return Ok(None) };
    let row = tables::load_bytes(&mut connection, index, index + 1).await?.pop();
    row.map(|(index, bytes)| parse_entry(index, bytes).map(|entry| entry.recorded_at)).transpose()
}

/// How many ordered erasures are not known to be finished.
///
/// # Errors
/// [`StoreError`].
pub async fn unfinished_erasures(store: &ReadStore) -> Result<u64, StoreError> {
    let erasures = sealed_tables::load_erasures(&mut store.connection().await?).await?;
    Ok(erasures.iter().filter(|(_, destroyed)| !destroyed).count() as u64)
}

/// Audits a ledger with its unlocked vault; `now` decides which promises are overdue. `progress` is told how much of how
/// much is done.
///
/// # Errors
/// [`StoreError`] when something cannot be read, which says nothing about the ledger.
pub async fn run(
    store: &ReadStore,
    vault: &Vault,
    now: DateTime<Utc>,
    progress: &(dyn Fn(u64, u64) + Sync),
) -> Result<SealedReport, StoreError> {
    let head = store.head().await?;
    let (events, _) = count(store).await?;
    let audit = Audit {
        store,
        vault,
        now,
        progress: &|done| progress(done, head.size + events),
        recoveries: store.world().await?.recoveries().to_vec(),
        world: World::default(),
        orders: Orders::load(store, vault, 0).await?,
        read: head.size,
        streams: SealedStreams::default(),
        events: Events::default(),
        tallies: Tallies::default(),
        ratings: Ratings::default(),
        found: Found::default(),
        report: SealedReport::default(),
        recorded_at: DateTime::UNIX_EPOCH,
        next_place: 0,
        used: HashSet::new(),
        trees: JoinSet::new(),
    };
    audit.run().await
}

/// What an inventory says, if the vault wrote it for that statement.
fn known(vault: &Vault, id: &Digest, inventory: Option<event_store::Inventory>) -> Inventory {
    match inventory {
        None => Inventory::Missing,
        Some(inventory) if vault.wrote(id, &inventory) => Inventory::Slots(inventory.slots),
        Some(_) => Inventory::Changed,
    }
}

/// Whether the vault that knew what is not public of an entry is lost, on record.
fn is_lost(recoveries: &[Recovery], index: u64) -> bool {
    recoveries.iter().any(|recovery| (recovery.said.from_size..recovery.said.size).contains(&index))
}

fn no_period() -> Problem {
    Problem::new(Category::Stray, "时段表里有这一号，账本里却不是封存时段").of("periods")
}

type Tree = (u64, Vec<(Option<u64>, Problem)>);

/// One audit under way.
struct Audit<'a> {
    store: &'a ReadStore,
    vault: &'a Vault,
    now: DateTime<Utc>,
    progress: &'a (dyn Fn(u64) + Sync),
    world: World,
    // When entries were brought back from a copy, to the end of the log.
    recoveries: Vec<Recovery>,
    orders: Orders,
    // Entries up to which `orders` are known.
    read: u64,
    streams: SealedStreams,
    events: Events,
    tallies: Tallies,
    ratings: Ratings,
    found: Found,
    report: SealedReport,
    // When the last entry was recorded that was read.
    recorded_at: DateTime<Utc>,
    // The first sealed event that was not in a period when the last one was read.
    next_place: u64,
    // Subjects whose keys something needs.
    used: HashSet<Tag>,
    trees: JoinSet<Tree>,
}

impl Audit<'_> {
    async fn run(mut self) -> Result<SealedReport, StoreError> {
        loop {
            let from = self.report.entries;
            let entries = self.store.entries(from, PAGE).await?;
            let Some(last) = entries.last() else { break };
            let to = last.index + 1;
            let mut connection = self.store.connection().await?;
            let values = sealed_tables::load_values_between(&mut connection, from, to).await?;
            let mut inventories = sealed_tables::load_inventories(&mut connection, from, to).await?;
            let mut nonces: BTreeMap<_, _> =
                sealed_tables::load_periods(&mut connection, from, to).await?.into_iter().collect();
            drop(connection);
            let mut values = values.into_iter().peekable();
            for stored in entries {
                let index = stored.index;
                let own: Vec<_> = std::iter::from_fn(|| values.next_if(|(owner, _)| *owner <= index)).collect();
                let own = own.into_iter().filter(|(owner, _)| *owner == index).map(|(_, value)| value).collect();
                self.entry(stored, own, nonces.remove(&index), inventories.remove(&index)).await?;
            }
            self.report.entries = to;
            (self.progress)(to + self.report.events);
        }
        self.events_until(u64::MAX).await?;
        self.not_ahead().await?;
        while let Some(tree) = self.trees.join_next().await {
            self.tree(tree);
        }
        self.finish().await
    }

    /// One entry, after the sealed events that came before it.
    async fn entry(
        &mut self,
        stored: StoredEntry,
        values: Vec<event_store::SealedValue>,
        nonce: Option<[u8; 32]>,
        inventory: Option<event_store::Inventory>,
    ) -> Result<(), StoreError> {
        let StoredEntry { index, bytes, openings, list } = stored;
        self.events_until(index).await?;
        let entry = parse_entry(index, bytes)?;
        self.in_order(&entry);
        let is_lost = is_lost(&self.recoveries, index);
        self.report.brought_back += u64::from(is_lost);
        match &entry.content {
            Content::Statement(signed) => {
                if nonce.is_some() {
                    self.found.entry(index, no_period());
                }
                let inventory = match inventory {
                    None if is_lost => Inventory::Lost,
                    _ if index < self.vault.since() => Inventory::Before,
                    inventory => known(self.vault, &signed.hash, inventory),
                };
                self.statement(&entry, &signed.statement, openings.as_ref(), list.as_ref(), values, inventory).await?;
                self.tallied(index, &signed.statement);
                self.rated(index, &signed.statement);
                if teaches(&signed.statement) {
                    with_recorded(&entry, |recorded| self.world.evolve(recorded));
                }
            }
            Content::Sealed(period) => {
                for value in values {
                    let problem = Problem::new(Category::Stray, "封存时段没有字段槽，限阅库里却有它的内容");
                    self.found.entry(index, problem.of(format!("slot {}", value.ordinal)));
                }
                self.period(&entry, period, nonce).await?;
            }
        }
        Ok(())
    }

    /// A sealed event was received before the entries after it were recorded.
    fn in_order(&mut self, entry: &Entry) {
        if let Some((seq, received_at)) = self.events.last_received()
            && received_at > entry.recorded_at
        {
            let problem = Problem::new(Category::Sequence, "收到时间晚于它之后的条目");
            self.found.event(seq, problem.of("received_at"));
        }
        self.recorded_at = entry.recorded_at;
    }

    /// No sealed event was judged as of entries that there are not.
    async fn not_ahead(&mut self) -> Result<(), StoreError> {
        let Some((seq, as_of)) = self.events.last_as_of() else { return Ok(()) };
        // One that came while we were reading is for the next audit.
        if as_of > self.report.entries && as_of > self.store.head().await?.size {
            let problem = Problem::new(Category::Sequence, "受理时的条目数比账本现有的还多：账本是旧备份，或被截断");
            self.found.event(seq, problem.of("as_of"));
        }
        Ok(())
    }

    /// A period's tree is built again on another thread: it is the dearest part of all.
    async fn period(
        &mut self,
        entry: &Entry,
        period: &SealedPeriod,
        nonce: Option<[u8; 32]>,
    ) -> Result<(), StoreError> {
        self.report.periods += 1;
        let events = self.planted(entry).await?;
        if nonce.is_none() && is_lost(&self.recoveries, entry.index) {
            // What was in it may have been a ballot or a rating.
            self.tallies.unread();
            self.ratings.unread();
            return Ok(());
        }
        let Some(nonce) = nonce else {
            let problem = Problem::new(Category::Missing, "诱饵的种子不在，无从证明诱饵里没有藏着事项");
            self.found.entry(entry.index, problem.of("periods"));
            return Ok(());
        };
        if self.trees.len() > thread::available_parallelism().map_or(1, NonZero::get)
            && let Some(tree) = self.trees.join_next().await
        {
            self.tree(tree);
        }
        let (index, root, salts) = (entry.index, period.root, self.vault.decoy_salts(&nonce));
        self.trees.spawn_blocking(move || (index, audit_sealed::period(&root, salts, &events)));
        Ok(())
    }

    fn tree(&mut self, tree: Result<Tree, tokio::task::JoinError>) {
        // A thread ends early only by a panic, which must not be taken for a good tree.
        let (index, problems) = tree.expect("building a tree does not panic");
        for (seq, problem) in problems {
            match seq {
                Some(seq) => self.found.event(seq, problem),
                None => self.found.entry(index, problem),
            }
        }
    }

    /// The events of a period: those that follow the last period's, in the order of receipt.
    async fn planted(&mut self, entry: &Entry) -> Result<Vec<Planted>, StoreError> {
        let mut events = Vec::new();
        loop {
            let from = self.next_place;
            let rows = sealed_tables::load_places(&mut self.store.connection().await?, from, PAGE).await?;
            // A period takes in all that wait. What comes after the last one that is in it waits for a later period.
            let settled = |row: &Placed| row.period.as_ref().is_some_and(|(index, ..)| *index <= entry.index);
            let Some(last) = rows.iter().rposition(settled) else { return Ok(events) };
            let more = last + 1 == rows.len();
            for row in rows.into_iter().take(last + 1) {
                self.next_place = row.seq + 1;
                events.extend(self.plant(entry, row));
            }
            if !more {
                return Ok(events);
            }
        }
    }

    /// One event that must be in this period.
    fn plant(&mut self, entry: &Entry, row: Placed) -> Option<Planted> {
        let Placed { seq, commitment, deadline, period } = row;
        let elsewhere = match period {
            Some((index, leaf, path)) if index == entry.index => {
                if entry.recorded_at > deadline {
                    let problem = Problem::new(Category::Late, "入账的时段晚于承诺的期限");
                    self.found.event(seq, problem.of("deadline"));
                }
                return Some(Planted { seq, commitment, leaf, path });
            }
            Some((index, ..)) => format!("写明的第 {index} 号条目不是它的封存时段"),
            None => "比它晚收到的已经入账，它没有".to_owned(),
        };
        self.found.event(seq, Problem::new(Category::Period, elsewhere).of("period"));
        None
    }

    /// What shows only when everything was read.
    async fn finish(mut self) -> Result<SealedReport, StoreError> {
        self.unplaced().await?;
        for recovery in &self.recoveries {
            let said = &recovery.said;
            let sentence = format!(
                "第 {} 至 {} 号条目是从副本补回的：不公开的内容确知丢失 {} 项，另有 {} 项无从知道填过没有，\
                 {} 个封存时段里的事项已丢失，都无法复核",
                said.from_size,
                said.size - 1,
                said.openings_lost,
                said.openings_undecided,
                said.periods_lost
            );
            self.found.entry(recovery.index, Problem::new(Category::Lost, sentence));
        }
        let mut connection = self.store.connection().await?;
        let beyond = sealed_tables::load_periods(&mut connection, self.report.entries, u64::MAX >> 1).await?;
        drop(connection);
        for (index, _) in beyond {
            if self.store.entry(index).await?.is_none() {
                self.found.entry(index, no_period());
            }
        }
        let strays = sealed_tables::load_strays(&mut self.store.connection().await?, STRAYS_MAX).await?;
        for (place, ordinal) in strays {
            let problem = |what: &str| Problem::new(Category::Stray, what).of(format!("slot {ordinal}"));
            match place {
                Ok(index) => self.found.entry(index, problem("限阅库里有这一行，账本里没有这一条")),
                Err(seq) => self.found.event(seq, problem("限阅库里有这一行，却没有这件封存事项")),
            }
        }
        // What was ordered while we were reading excuses what had gone when we came there.
        let since = Orders::load(self.store, self.vault, self.read).await?;
        self.orders.extend(since);
        self.found.excuse(&self.orders);
        self.erasures().await?;
        self.keys().await?;
        let Self { mut report, found, .. } = self;
        (report.findings, report.counts) = found.finish();
        Ok(report)
    }

    /// Events that name a period which the log does not have.
    async fn unplaced(&mut self) -> Result<(), StoreError> {
        let mut from = self.next_place;
        loop {
            let rows = sealed_tables::load_places(&mut self.store.connection().await?, from, PAGE).await?;
            let Some(last) = rows.last() else { return Ok(()) };
            from = last.seq + 1;
            for row in rows {
                // A period that was recorded after we had read the log is for the next audit.
                let Some((index, ..)) = row.period else { continue };
                if index < self.report.entries || self.store.entry(index).await?.is_none() {
                    let problem = Problem::new(Category::Period, format!("写明的第 {index} 号条目不是它的封存时段"));
                    self.found.event(row.seq, problem.of("period"));
                }
            }
        }
    }

    /// Keys that somebody needs and that are not there, and the other way round.
    async fn keys(&mut self) -> Result<(), StoreError> {
        let (mut after, mut spare) = (None, 0_u64);
        loop {
            let subjects = self.vault.subjects(after, SUBJECTS).await?;
            let Some(last) = subjects.last() else { break };
            after = Some(*last);
            for tag in subjects.iter().filter(|tag| !self.used.contains(tag)) {
                match self.orders.last_of(*tag) {
                    Some(index) => {
                        let problem = Problem::new(Category::Erasure, "删除令之后，数据密钥还在限阅库里");
                        self.found.entry(index, problem.of("wraps"));
                    }
                    None => spare += 1,
                }
            }
        }
        if spare > 0 {
            let sentence = format!("限阅库里有 {spare} 个事项的数据密钥没有内容要用：断电留下的，或正在写入");
            self.found.vault(Problem::new(Category::Spare, sentence));
        }
        let missing = self.found.count(Category::Key);
        if missing > 0 {
            let sentence = format!(
                "限阅库比账本旧：{missing} 处内容没有数据密钥，也没有删除记录；请恢复与账本同时或更晚的限阅库备份"
            );
            self.found.vault(Problem::new(Category::Older, sentence));
        }
        Ok(())
    }
}
