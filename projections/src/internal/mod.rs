//! Internal views: the sealed matters, where they stand, and who read what.
//!
//! Built from the vault into a database of its own in the vault's folder; it holds no content, only what a list
//! needs (of a scheduled opening the day and the field's name). Whoever reads them has signed in, and each row is shown only where the policy clears it: no query
//! filters by hand, [`read`] offers candidates and `confidentiality::clear` decides. Erased matters leave at
//! once. It can be deleted; it is built again. To show something more, add a column and fold it in `fold`.

pub mod content;
pub mod read;
pub mod schedules;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use gongkai_domain::{
    World,
    kind::access,
    schedule::{self, Scheduled},
};
use gongkai_log::StreamId;
use gongkai_store::{Layout, Ledger, SealedEvent, SealedReader, StoreError, VaultFault};
use serde_json::json;
use sqlx::{
    AssertSqlSafe, Connection as _, Row as _, Sqlite, SqlitePool, Transaction,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions},
};
use tokio::sync::watch;

const SCHEMA: &str = include_str!("../../../migrations/internal/sqlite/0001_matters.sql");

/// `PRAGMA user_version` of the schema; another one is thrown away and built anew.
const VERSION: i64 = 2;

/// Events of one transaction.
const BATCH_EVENTS: u64 = 512;

/// Pause after a failure before it is tried again.
const RETRY: Duration = Duration::from_secs(1);

const CURSOR: &str = "SELECT next_seq FROM cursor WHERE id = 1";
const SET_CURSOR: &str = "UPDATE cursor SET next_seq = ? WHERE id = 1";
const OPEN_MATTER: &str = "INSERT INTO matters (opened_seq, stream, tag, family, kind, org, author, concerns, hidden, \
                           received_at, latest_seq, latest_kind, revision) \
                           VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?1, ?5, 0) ON CONFLICT DO NOTHING";
const GO_ON: &str = "UPDATE matters SET latest_seq = ?, latest_kind = ?, revision = ?, org = ? WHERE stream = ? \
                     RETURNING opened_seq, family";
const SCOPE: &str = "INSERT INTO scopes (seen_from, family, opened_seq) VALUES (?, ?, ?) ON CONFLICT DO NOTHING";
const SCHEDULE: &str =
    "INSERT INTO schedules (seq, slot, opened_seq, field, opens_on) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING";
const ACCESS: &str = "INSERT INTO accesses (seq, stream, revision, purpose, reader, key, org, tag, received_at) \
                      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING";
const ERASE_SCOPES: &str = "DELETE FROM scopes WHERE opened_seq IN (SELECT opened_seq FROM matters WHERE tag = ?)";
const ERASE_SCHEDULES: &str =
    "DELETE FROM schedules WHERE opened_seq IN (SELECT opened_seq FROM matters WHERE tag = ?)";
const ERASE_ACCESSES_TO: &str =
    "DELETE FROM accesses WHERE tag = ?1 OR stream IN (SELECT stream FROM matters WHERE tag = ?1)";
const ERASE_MATTER: &str = "DELETE FROM matters WHERE tag = ?";
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
        let next: i64 = sqlx::query_scalar(CURSOR).fetch_one(&pool).await?;
        let next_seq = watch::Sender::new(next.cast_unsigned());
        Ok(Some(Self(Arc::new(Shared { pool, reader, ledger: ledger.clone(), next_seq }))))
    }

    /// Follows the sealed events until it is stopped.
    pub async fn run(self, mut stopping: watch::Receiver<bool>) {
        let mut sealed = self.0.ledger.sealed();
        while !*stopping.borrow() {
            sealed.mark_unchanged();
            let pause = match self.catch_up().await {
                Ok(()) => None,
                Err(error) => {
                    tracing::error!(error = %error, "the internal views stand still");
                    Some(RETRY)
                }
            };
            tokio::select! {
                changed = sealed.changed(), if pause.is_none() => if changed.is_err() { return },
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
            let from = *self.0.next_seq.borrow();
            let events = self.0.reader.events(from, BATCH_EVENTS).await?;
            let Some(last) = events.last() else { break };
            let next = last.seq + 1;
            let folded: Vec<_> = self
                .0
                .ledger
                .with_world(|world| events.iter().filter_map(|event| fold(event, world, &self.0.reader)).collect());
            let mut transaction = self.0.pool.begin().await?;
            for folded in folded {
                folded.write(&mut transaction).await?;
            }
            sqlx::query(SET_CURSOR).bind(next.cast_signed()).execute(&mut *transaction).await?;
            transaction.commit().await?;
            self.0.next_seq.send_replace(next);
        }
        self.erase().await
    }

    /// Removes what was erased, from every page of the file.
    async fn erase(&self) -> Result<(), InternalError> {
        let mut removed = 0;
        for tag in self.0.reader.erased().await? {
            let tag = tag.to_hex();
            let mut transaction = self.0.pool.begin().await?;
            for statement in [ERASE_SCOPES, ERASE_SCHEDULES, ERASE_ACCESSES_TO, ERASE_MATTER] {
                removed += sqlx::query(statement).bind(&tag).execute(&mut *transaction).await?.rows_affected();
            }
            transaction.commit().await?;
        }
        if removed > 0 {
            sqlx::query(EMPTY_WAL).execute(&self.0.pool).await?;
        }
        Ok(())
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

/// What one sealed event changes.
struct Folded {
    seq: u64,
    stream: StreamId,
    tag: String,
    kind: String,
    revision: u64,
    org: String,
    author: Option<String>,
    concerns: String,
    hidden: bool,
    received_at: i64,
    seen_from: Vec<String>,
    scheduled: Vec<Scheduled>,
    access: Option<Access>,
}

struct Access {
    read: access::Read,
    key: String,
}

/// What an event changes; nothing when it was erased.
fn fold(event: &SealedEvent, world: &World, reader: &SealedReader) -> Option<Folded> {
    let opened = event.opened.as_ref()?;
    let statement = &opened.signed.statement;
    let kind = gongkai_domain::kind::find(&statement.kind)?;
    let values = opened.values();
    let signer = statement.signers.first()?;
    let author = world.key(&signer.key).and_then(|key| key.person.as_ref()).map(ToString::to_string);
    let concerns = values.as_ref().map(|values| kind.concerns(values)).unwrap_or_default();
    let concerns: Vec<String> = concerns.iter().map(|person| reader.vault().tag(person).to_hex()).collect();
    let mut seen_from: Vec<String> = world.chain(&statement.org).map(str::to_owned).collect();
    seen_from.push(format!("={}", statement.org));
    seen_from.extend(author.clone());
    let access = (kind.name == access::KIND).then(|| {
        let read = serde_json::from_value(json!(values?)).ok()?;
        Some(Access { read, key: signer.key.clone() })
    });
    let held = opened.slots.iter().find(|(_, _, slot)| slot.name == schedule::FIELD);
    let scheduled = held.map(|(_, _, slot)| schedule::parse(&slot.value)).unwrap_or_default();
    Some(Folded {
        seq: event.seq,
        stream: statement.stream.clone(),
        tag: reader.vault().tag(&statement.stream).to_hex(),
        kind: statement.kind.clone(),
        revision: statement.revision,
        org: statement.org.clone(),
        author,
        concerns: json!(concerns).to_string(),
        hidden: opened.envelope.is_some(),
        received_at: event.row.received_at.timestamp_micros(),
        seen_from,
        scheduled,
        access: access.flatten(),
    })
}

impl Folded {
    async fn write(self, transaction: &mut Transaction<'_, Sqlite>) -> Result<(), sqlx::Error> {
        if let Some(access) = &self.access {
            let query = sqlx::query(ACCESS).bind(self.seq.cast_signed()).bind(access.read.read.to_string());
            let query = query.bind(access.read.revision.cast_signed()).bind(access.read.purpose.wire());
            let query = query.bind(self.author.as_deref().unwrap_or_default()).bind(&access.key).bind(&self.org);
            query.bind(&self.tag).bind(self.received_at).execute(&mut **transaction).await?;
            return Ok(());
        }
        let seq = self.seq.cast_signed();
        if self.revision == 0 {
            let query = sqlx::query(OPEN_MATTER).bind(seq).bind(self.stream.to_string()).bind(&self.tag);
            let query = query.bind(&self.stream.family).bind(&self.kind).bind(&self.org).bind(&self.author);
            let query = query.bind(&self.concerns).bind(self.hidden).bind(self.received_at);
            query.execute(&mut **transaction).await?;
        }
        let query = sqlx::query(GO_ON).bind(seq).bind(&self.kind).bind(self.revision.cast_signed());
        let query = query.bind(&self.org).bind(self.stream.to_string());
        let Some(row) = query.fetch_optional(&mut **transaction).await? else { return Ok(()) };
        let (opened_seq, family): (i64, String) = (row.get(0), row.get(1));
        for seen_from in &self.seen_from {
            let query = sqlx::query(SCOPE).bind(seen_from).bind(&family).bind(opened_seq);
            query.execute(&mut **transaction).await?;
        }
        for Scheduled { field, on, slot } in self.scheduled {
            let query = sqlx::query(SCHEDULE).bind(seq).bind(slot).bind(opened_seq).bind(field).bind(on.to_string());
            query.execute(&mut **transaction).await?;
        }
        Ok(())
    }
}
