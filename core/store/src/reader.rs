//! Reading a ledger: entries, streams, and the world that they add up to.
//!
//! Read-only connections; it works while a server writes, and beside one in another process. Rows are
//! parsed strictly, and one that is damaged is an error that names it, never an absence.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use gongkai_domain::{
    Head, KINDS, Kind, Recorded, World,
    kind::{self, slot},
};
pub(crate) use gongkai_log::chain;
use gongkai_log::{Content, Entry, List, Openings, Statement, StreamId};

use crate::{
    database::{Connection, Place, Pool},
    error::{OpenError, StoreError},
    event_store::{LogHead, RawEntry},
    layout::Layout,
    row_store, tables,
    withdrawal::Withdrawal,
};

/// Families in which some kind teaches the world: a ledger starts by replaying these and no others.
fn teaching_families() -> BTreeSet<&'static str> {
    KINDS.iter().filter(|kind| kind.teaches).map(Kind::family).collect()
}

/// Whether a statement can teach the world something.
pub(crate) fn teaches(statement: &Statement) -> bool {
    kind::find(&statement.kind).is_some_and(|kind| kind.teaches)
}

/// Entries that are parsed at a time when the world is replayed.
const PAGE: usize = 1_000;

/// Most entries that one read gives, whatever the caller asks for.
pub(crate) const READ_ENTRIES_MAX: u64 = 4_096;

/// An entry as stored, with what opens it now.
#[derive(Clone, Debug)]
pub struct StoredEntry {
    /// Place in the log.
    pub index: u64,
    /// The entry's exact bytes.
    pub bytes: Vec<u8>,
    /// Commitments and what is open; `None` for a sealed period.
    pub openings: Option<Openings>,
    /// The list, withdrawn rows included, if the statement has one.
    pub list: Option<List>,
}

impl StoredEntry {
    pub(crate) fn from_raw(raw: RawEntry) -> Result<Self, StoreError> {
        let RawEntry { index, bytes, openings, list } = raw;
        let openings = openings.map(|line| parse_openings(index, &line)).transpose()?;
        let list = list.map(|text| parse_list(index, &text)).transpose()?;
        Ok(Self { index, bytes, openings, list })
    }
}

pub(crate) fn parse_openings(index: u64, line: &str) -> Result<Openings, StoreError> {
    let openings = Openings::parse_line(line).map_err(|e| StoreError::row(index, "openings", chain(&e)))?;
    if openings.index == index {
        return Ok(openings);
    }
    Err(StoreError::row(index, "openings", format!("the line is of entry {}", openings.index)))
}

pub(crate) fn parse_list(index: u64, text: &str) -> Result<List, StoreError> {
    List::parse(text).map_err(|e| StoreError::row(index, "list", chain(&e)))
}

pub(crate) fn parse_entry(index: u64, bytes: Vec<u8>) -> Result<Entry, StoreError> {
    let entry = Entry::parse(bytes).map_err(|e| StoreError::row(index, e.field(), chain(&e)))?;
    if entry.index == index {
        return Ok(entry);
    }
    Err(StoreError::row(index, "index", format!("the bytes are of entry {}", entry.index)))
}

/// Runs `f` with the entry as a recorded event; sealed periods are none.
pub(crate) fn with_recorded<T>(entry: &Entry, f: impl FnOnce(&Recorded<'_>) -> T) -> Option<T> {
    let Content::Statement(signed) = &entry.content else { return None };
    let recorded = Recorded {
        index: entry.index,
        recorded_at: entry.recorded_at,
        statement: &signed.statement,
        hash: signed.hash,
        values: None,
    };
    Some(f(&recorded))
}

/// The statements among these entries.
fn statements(entries: Vec<(u64, Vec<u8>)>) -> Result<BTreeMap<u64, Statement>, StoreError> {
    let mut statements = BTreeMap::new();
    for (index, bytes) in entries {
        if let Content::Statement(signed) = parse_entry(index, bytes)?.content {
            statements.insert(index, signed.statement);
        }
    }
    Ok(statements)
}

/// Read-only access to a ledger database.
#[derive(Clone, Debug)]
pub struct ReadStore {
    pool: Pool,
}

impl ReadStore {
    /// Opens the ledger for reading, also while a server runs.
    ///
    /// # Errors
    /// [`OpenError::NotALedger`], [`OpenError::Newer`], [`OpenError::Store`].
    pub async fn open(layout: &Layout) -> Result<Self, OpenError> {
        let place = Place::of(layout)?;
        row_store::examine(layout, &place, false).await?;
        Ok(Self::connect(&place, 4, Duration::from_secs(5)))
    }

    /// A pool whose connections are made when they are needed.
    pub(crate) fn connect(place: &Place, readers_max: u32, busy_timeout: Duration) -> Self {
        Self { pool: Pool::new(place, readers_max, busy_timeout) }
    }

    pub(crate) async fn connection(&self) -> Result<Connection, StoreError> {
        self.pool.connection().await
    }

    /// The head.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn head(&self) -> Result<LogHead, StoreError> {
        Ok(tables::load_head(&mut self.connection().await?).await?.0)
    }

    /// At most `limit` entries (and at most 4,096) from index `from`, in order; empty only at the end.
    ///
    /// # Errors
    /// [`StoreError::Row`] for a damaged row.
    pub async fn entries(&self, from: u64, limit: u64) -> Result<Vec<StoredEntry>, StoreError> {
        let to = from.saturating_add(limit.min(READ_ENTRIES_MAX)).min(i64::MAX.cast_unsigned());
        let raw = tables::load_range(&mut self.connection().await?, from, to).await?;
        raw.into_iter().map(StoredEntry::from_raw).collect()
    }

    /// One entry; `None` beyond the end.
    ///
    /// # Errors
    /// [`StoreError::Row`] for a damaged row.
    pub async fn entry(&self, index: u64) -> Result<Option<StoredEntry>, StoreError> {
        Ok(self.entries(index, 1).await?.pop())
    }

    /// A stream's entries in the order of their revisions.
    ///
    /// # Errors
    /// [`StoreError::Row`] for a damaged row.
    pub async fn stream(&self, stream: &StreamId) -> Result<Vec<StoredEntry>, StoreError> {
        let raw = tables::load_stream(&mut self.connection().await?, stream.to_string()).await?;
        raw.into_iter().map(StoredEntry::from_raw).collect()
    }

    /// The latest statement of a stream.
    ///
    /// # Errors
    /// [`StoreError::Row`] for a damaged row.
    pub async fn stream_head(&self, stream: &StreamId) -> Result<Option<Head>, StoreError> {
        let end = tables::load_stream_end(&mut self.connection().await?, stream.to_string()).await?;
        let Some((index, bytes)) = end else { return Ok(None) };
        let entry = parse_entry(index, bytes)?;
        Ok(with_recorded(&entry, |recorded| Head { revision: recorded.statement.revision, hash: recorded.hash }))
    }

    /// Registry, calendar, rules and books as of the last entry, by replay of what can teach them.
    ///
    /// # Errors
    /// [`StoreError::Row`] for a damaged entry.
    pub async fn world(&self) -> Result<World, StoreError> {
        Ok(self.head_and_world().await?.1)
    }

    /// The head, and the world as of it, also while others write.
    pub(crate) async fn head_and_world(&self) -> Result<(LogHead, World), StoreError> {
        let mut connection = self.connection().await?;
        connection.begin_reading().await?;
        let read = head_and_world(&mut connection).await;
        connection.end_reading().await?;
        read
    }

    /// Every withdrawal, in the order of the log.
    ///
    /// # Errors
    /// [`StoreError::Row`] for a damaged entry.
    pub async fn withdrawals(&self) -> Result<Vec<Withdrawal>, StoreError> {
        let mut connection = self.connection().await?;
        let indexes = tables::load_indexes_of(&mut connection, &BTreeSet::from(["slot"])).await?;
        let mut found = Vec::new();
        for page in indexes.chunks(PAGE) {
            let mut said = Vec::new();
            for (index, bytes) in tables::load_some(&mut connection, page).await? {
                let entry = parse_entry(index, bytes)?;
                let Some(signed) = entry.content.statement() else { continue };
                let (kind, body) = (signed.statement.kind.as_str(), &signed.statement.body);
                let withdrawn = kind::body::<slot::Withdrawn>(kind, body);
                said.extend(withdrawn.map(|withdrawn| (index, entry.recorded_at, withdrawn)));
            }
            let targets: BTreeSet<u64> = said.iter().map(|(_, _, withdrawn)| withdrawn.entry).collect();
            let targets: Vec<u64> = targets.into_iter().collect();
            let statements = statements(tables::load_some(&mut connection, &targets).await?)?;
            for (index, recorded_at, withdrawn) in said {
                let statement = statements.get(&withdrawn.entry);
                let missing = || StoreError::row(index, "entry", format!("{} is no statement", withdrawn.entry));
                found.push(Withdrawal {
                    index,
                    recorded_at,
                    target: withdrawn.entry,
                    statement: statement.ok_or_else(missing)?.clone(),
                    slots: withdrawn.slots().to_vec(),
                    lines: withdrawn.lines().to_vec(),
                });
            }
        }
        Ok(found)
    }

    /// Closes all connections.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

async fn head_and_world(connection: &mut Connection) -> Result<(LogHead, World), StoreError> {
    let (head, _) = tables::load_head(connection).await?;
    let indexes = tables::load_indexes_of(connection, &teaching_families()).await?;
    let mut world = World::default();
    for page in indexes.chunks(PAGE) {
        for (index, bytes) in tables::load_some(connection, page).await? {
            with_recorded(&parse_entry(index, bytes)?, |recorded| world.evolve(recorded));
        }
    }
    Ok((head, world))
}
