//! Internal views: the sealed matters, where they stand, and who read what.
//!
//! Built from the vault into a database of its own in the vault's folder; it holds no content, only what a list
//! needs (of a scheduled opening the day and the field's name). Whoever reads them has signed in, and each row is shown
//! only where the policy clears it: no query filters by hand, [`read`] offers candidates and `confidentiality::clear` decides. Erased matters leave at
//! once. It can be deleted; it is built again. To show something more, add a column and fold it in [`fold`].
//!
//! Which matter a sealed event is about is content of its tier. The views hold no more of it than a keyed hash
//! ([`gongkai_store::vault::Vault::link`]), enough to join what is about one matter; `timeline` shows the join to
//! those alone whom the policy clears for that tier.

mod about;
pub(crate) mod board;
pub mod content;
mod fold;
pub mod queue;
pub mod rating;
pub mod read;
pub mod schedules;
mod standing;
pub mod steps;
pub mod tally;
pub mod timeline;

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use gongkai_log::StreamId;
use gongkai_store::{Layout, Ledger, SealedReader, StoreError, VaultFault};
use sqlx::{
    AssertSqlSafe, Connection as _, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions},
};
use standing::Standing;
use tokio::sync::watch;

const SCHEMA: &str = include_str!("../../../migrations/internal/sqlite/0001_matters.sql");

/// `PRAGMA user_version` of the schema; another one is thrown away and built anew.
const VERSION: i64 = 5;

/// Events of one transaction.
const BATCH_EVENTS: u64 = 512;

/// Pause after a failure before it is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// How long whoever reads waits for the views to reflect what is committed.
const PATIENCE: Duration = Duration::from_secs(10);

/// Entries of one transaction.
const BATCH_ENTRIES: u64 = 1_024;

const CURSORS: &str = "SELECT next_seq, next_index FROM cursor WHERE id = 1";
const SET_CURSOR: &str = "UPDATE cursor SET next_seq = ? WHERE id = 1";
const STANDING: &str = "UPDATE matters SET awaits = ?, standing = ? WHERE stream = ?";
const SET_NEXT_INDEX: &str = "UPDATE cursor SET next_index = ? WHERE id = 1";
/// What an erased matter leaves behind, in the order in which it goes: its rows name it until the last.
const ERASE: [&str; 7] = [
    "DELETE FROM links WHERE seq IN (SELECT e.seq FROM events e JOIN matters m ON m.opened_seq = e.opened_seq \
     WHERE m.tag = ?1) OR about IN (SELECT link FROM matters WHERE tag = ?1)",
    "DELETE FROM mentions WHERE about IN (SELECT link FROM matters WHERE tag = ?)",
    "DELETE FROM events WHERE opened_seq IN (SELECT opened_seq FROM matters WHERE tag = ?)",
    "DELETE FROM scopes WHERE opened_seq IN (SELECT opened_seq FROM matters WHERE tag = ?)",
    "DELETE FROM schedules WHERE opened_seq IN (SELECT opened_seq FROM matters WHERE tag = ?)",
    "DELETE FROM accesses WHERE tag = ?1 OR stream IN (SELECT stream FROM matters WHERE tag = ?1)",
    "DELETE FROM matters WHERE tag = ?",
];
const EMPTY_WAL: &str = "PRAGMA wal_checkpoint(TRUNCATE)";

/// The internal views cannot be built or read.
#[derive(Debug, thiserror::Error)]
pub enum InternalError {
    /// The vault.
    #[error(transparent)]
    Vault(#[from] VaultFault),
    /// The ledger.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The views do not yet reflect what is sealed.
    #[error("the internal views are behind")]
    Behind,
    /// The public views, which know what was opened.
    #[error(transparent)]
    Views(#[from] crate::read::ReadError),
    /// The views' database.
    #[error("the internal views' database")]
    Database(#[from] sqlx::Error),
    /// The database file.
    #[error("the internal views' file {path}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

struct Shared {
    pool: SqlitePool,
    reader: SealedReader,
    ledger: Ledger,
    next_seq: watch::Sender<u64>,
    next_index: watch::Sender<u64>,
}

/// The internal views of an open ledger with a vault. Cheap to clone.
#[derive(Clone)]
pub struct InternalViews(Arc<Shared>);

impl InternalViews {
    /// Opens them, or begins to build them; `None` for a ledger without a vault.
    ///
    /// # Errors
    /// [`InternalError`].
    pub async fn open(layout: &Layout, ledger: &Ledger) -> Result<Option<Self>, InternalError> {
        let Some(reader) = ledger.sealed_reader() else { return Ok(None) };
        let path = layout.vault().join("internal.db");
        let pool = if let Ok(pool) = connect(&path).await {
            pool
        } else {
            // Of another version, or damaged: it is only a view.
            remove(&path)?;
            connect(&path).await?
        };
        let (next_seq, next_index): (i64, i64) = sqlx::query_as(CURSORS).fetch_one(&pool).await?;
        let [next_seq, next_index] = [next_seq, next_index].map(|next| watch::Sender::new(next.cast_unsigned()));
        Ok(Some(Self(Arc::new(Shared { pool, reader, ledger: ledger.clone(), next_seq, next_index }))))
    }

    /// Follows the sealed events, and what public entries mention, until it is stopped.
    pub async fn run(self, mut stopping: watch::Receiver<bool>) {
        let (mut sealed, mut committed) = (self.0.ledger.sealed(), self.0.ledger.committed());
        while !*stopping.borrow() {
            sealed.mark_unchanged();
            committed.mark_unchanged();
            let pause = match self.catch_up().await {
                Ok(()) => None,
                Err(error) => {
                    tracing::error!(error = %error, "the internal views stand still");
                    Some(RETRY)
                }
            };
            tokio::select! {
                changed = sealed.changed(), if pause.is_none() => if changed.is_err() { return },
                changed = committed.changed(), if pause.is_none() => if changed.is_err() { return },
                () = tokio::time::sleep(pause.unwrap_or_default()), if pause.is_some() => {}
                _ = stopping.changed() => {}
            }
        }
    }

    /// Takes in everything that is committed.
    ///
    /// # Errors
    /// [`InternalError`].
    pub async fn catch_up(&self) -> Result<(), InternalError> {
        loop {
            // While many events are taken in, entries go on being recorded: periods, if nothing else.
            let before = (*self.0.next_index.borrow(), *self.0.next_seq.borrow());
            self.catch_up_with_entries().await?;
            self.catch_up_with_events().await?;
            if before == (*self.0.next_index.borrow(), *self.0.next_seq.borrow()) {
                return self.erase().await;
            }
        }
    }

    /// Takes in sealed events.
    async fn catch_up_with_events(&self) -> Result<(), InternalError> {
        loop {
            let from = *self.0.next_seq.borrow();
            let events = self.0.reader.events(from, BATCH_EVENTS).await?;
            let Some(last) = events.last() else { return Ok(()) };
            let next = last.seq + 1;
            let reader = &self.0.reader;
            let folded: Vec<fold::Folded> = self.0.ledger.with_world(|world| {
                events.iter().filter_map(|event| fold::event(event, world, reader.vault())).collect()
            });
            let standings = self.standings(&folded).await?;
            let mut transaction = self.0.pool.begin().await?;
            for folded in folded {
                folded.write(&mut transaction).await?;
            }
            for (stream, standing) in standings {
                let bytes = standing.conceal(&stream, reader.vault())?;
                let query = sqlx::query(STANDING).bind(!standing.running.is_empty()).bind(bytes);
                query.bind(stream.to_string()).execute(&mut *transaction).await?;
            }
            sqlx::query(SET_CURSOR).bind(next.cast_signed()).execute(&mut *transaction).await?;
            transaction.commit().await?;
            self.0.next_seq.send_replace(next);
        }
    }

    /// Where those matters stand that got an event: as of what is committed, so that a later event of the same matter says
    /// it again.
    async fn standings(&self, folded: &[fold::Folded]) -> Result<Vec<(StreamId, Standing)>, InternalError> {
        let streams: BTreeSet<&StreamId> = folded.iter().filter_map(fold::Folded::standing).collect();
        let streams: Vec<&StreamId> = streams.into_iter().collect();
        let events = self.0.reader.streams(&streams).await?;
        Ok(self.0.ledger.with_world(|world| {
            let found = streams.into_iter().zip(&events);
            found.map(|(stream, events)| (stream.clone(), Standing::of(events, world))).collect()
        }))
    }

    /// Takes in what public entries say of other matters.
    async fn catch_up_with_entries(&self) -> Result<(), InternalError> {
        loop {
            let from = *self.0.next_index.borrow();
            let entries = self.0.ledger.entries(from, BATCH_ENTRIES).await?;
            let Some(last) = entries.last() else { return Ok(()) };
            let next = last.index + 1;
            let mut transaction = self.0.pool.begin().await?;
            for entry in entries {
                let index = entry.index;
                for about in fold::mentions(entry, &self.0.ledger, &self.0.reader).await? {
                    fold::mention(index, self.0.reader.vault().link(&about), &mut transaction).await?;
                }
            }
            sqlx::query(SET_NEXT_INDEX).bind(next.cast_signed()).execute(&mut *transaction).await?;
            transaction.commit().await?;
            self.0.next_index.send_replace(next);
        }
    }

    /// Removes what was erased, from every page of the file.
    async fn erase(&self) -> Result<(), InternalError> {
        let mut removed = 0;
        for tag in self.0.reader.erased().await? {
            let tag = tag.to_hex();
            let mut transaction = self.0.pool.begin().await?;
            for statement in ERASE {
                removed += sqlx::query(statement).bind(&tag).execute(&mut *transaction).await?.rows_affected();
            }
            transaction.commit().await?;
        }
        if removed > 0 {
            sqlx::query(EMPTY_WAL).execute(&self.0.pool).await?;
        }
        Ok(())
    }

    /// Waits until everything that is committed by now is in the views: nobody who reads after a receipt misses what it
    /// was for.
    async fn reflected(&self) -> Result<(), InternalError> {
        let ((sealed, _), committed) = (*self.0.ledger.sealed().borrow(), *self.0.ledger.committed().borrow());
        let (mut next_seq, mut next_index) = (self.0.next_seq.subscribe(), self.0.next_index.subscribe());
        let waited = tokio::time::timeout(PATIENCE, async {
            next_seq.wait_for(|next| *next >= sealed).await.is_ok()
                && next_index.wait_for(|next| *next >= committed).await.is_ok()
        });
        if waited.await.unwrap_or_default() { Ok(()) } else { Err(InternalError::Behind) }
    }

    /// Entries that the views reflect; changes after each commit.
    pub fn entries(&self) -> watch::Receiver<u64> {
        self.0.next_index.subscribe()
    }

    /// Sealed events that the views reflect; changes after each commit.
    pub fn size(&self) -> watch::Receiver<u64> {
        self.0.next_seq.subscribe()
    }
}

/// Removes the file with what SQLite keeps beside it.
fn remove(path: &Path) -> Result<(), InternalError> {
    for suffix in ["", "-wal", "-shm"] {
        let mut file = path.as_os_str().to_owned();
        file.push(suffix);
        match std::fs::remove_file(&file) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                return Err(InternalError::File { path: path.to_owned(), source });
            }
            _ => {}
        }
    }
    Ok(())
}

async fn connect(path: &Path) -> Result<SqlitePool, sqlx::Error> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .pragma("secure_delete", "ON");
    let pool = SqlitePoolOptions::new().max_connections(4).connect_with(options).await?;
    let mut connection = pool.acquire().await?;
    let version: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut *connection).await?;
    if version == VERSION {
        return Ok(pool);
    }
    if version != 0 {
        return Err(sqlx::Error::Protocol(format!("internal views of version {version}")));
    }
    let mut transaction = connection.begin().await?;
    sqlx::raw_sql(SCHEMA).execute(&mut *transaction).await?;
    sqlx::raw_sql(AssertSqlSafe(format!("PRAGMA user_version = {VERSION}"))).execute(&mut *transaction).await?;
    transaction.commit().await?;
    drop(connection);
    Ok(pool)
}
