//! Other append-only logs, each on the work that the benchmark gives it: `gongkai-peers NAME FOLDER`.
//!
//! Reads lines `BATCH FILE` and answers each with `took NANOSECONDS`; other lines are what a
//! peer says of itself. A file holds entries, each after its length in two bytes,
//! big-endian; they are appended in batches of that many, and each batch is waited for until the log says that it is in.
//! For another peer, implement [`Peer`] and name it in [`open`].

use std::error::Error;
use std::io::{self, BufRead as _, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use cqrs_es::persist::{PersistedEventRepository as _, SerializedEvent};
use cqrs_es::{Aggregate, DomainEvent, event_sink::EventSink};
use hypercore::{Hypercore, HypercoreBuilder, Storage};
use serde::{Deserialize, Serialize};
use sqlite_es::SqliteEventRepository;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use umadb_core::db::UmaDb;
use umadb_core::mvcc::{Mvcc, StorageOptions};
use umadb_dcb::{DcbEvent, DcbEventStoreSync as _};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// A log to append to.
enum Peer {
    /// A signed Merkle log; flushes its files for every entry, in a batch too.
    Hypercore(Box<Hypercore>),
    /// An event store; flushes every append.
    Umadb(UmaDb),
    /// Events of one aggregate in SQLite, and how many there are. Its own way to connect does not flush what it
    /// acknowledges; here every commit is flushed, as the ledger's are.
    Cqrs(SqliteEventRepository, usize),
}

/// What cqrs-es asks of whoever has events: only the store is measured, no command is ever given.
#[derive(Default, Serialize, Deserialize)]
struct Log;

/// An entry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Entry;

impl DomainEvent for Entry {
    fn event_type(&self) -> String {
        "entry".into()
    }

    fn event_version(&self) -> String {
        "1".into()
    }
}

impl Aggregate for Log {
    const TYPE: &'static str = "log";
    type Command = ();
    type Event = Entry;
    type Error = io::Error;
    type Services = ();

    async fn handle(&mut self, (): (), (): &(), _: &EventSink<Self>) -> io::Result<()> {
        Ok(())
    }

    fn apply(&mut self, _: Entry) {}
}

/// The table that the crate's documentation says to make.
const EVENTS: &str = "CREATE TABLE events (aggregate_type TEXT NOT NULL, aggregate_id TEXT NOT NULL, \
     sequence INTEGER NOT NULL CHECK (sequence >= 0), event_type TEXT NOT NULL, event_version TEXT NOT NULL, \
     payload TEXT NOT NULL, metadata TEXT NOT NULL, PRIMARY KEY (aggregate_type, aggregate_id, sequence)) STRICT";

async fn open(name: &str, folder: &Path) -> Outcome<Peer> {
    std::fs::create_dir_all(folder)?;
    match name {
        "hypercore" => {
            let storage = Storage::new_disk(&folder.to_path_buf(), true).await?;
            Ok(Peer::Hypercore(Box::new(HypercoreBuilder::new(storage).build().await?)))
        }
        "umadb" => {
            let options = StorageOptions::default().db_path(folder);
            Ok(Peer::Umadb(UmaDb::from_arc(Arc::new(Mvcc::new(false, options)?))))
        }
        "cqrs-es" => {
            let options = SqliteConnectOptions::new()
                .filename(folder.join("events.db"))
                .create_if_missing(true)
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Full);
            let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await?;
            sqlx::query(EVENTS).execute(&pool).await?;
            Ok(Peer::Cqrs(SqliteEventRepository::new(pool), 0))
        }
        other => Err(format!("there is no peer {other}").into()),
    }
}

impl Peer {
    async fn append(&mut self, entries: &[Vec<u8>]) -> Outcome<()> {
        match self {
            Self::Hypercore(core) => core.append_batch(entries).await.map(drop)?,
            Self::Umadb(store) => {
                let event = |data: &Vec<u8>| DcbEvent {
                    event_type: "entry".into(),
                    data: data.clone(),
                    tags: Vec::new(),
                    uuid: None,
                    metadata: Vec::new(),
                };
                store.append(entries.iter().map(event).collect(), None, None).map(drop)?;
            }
            Self::Cqrs(store, count) => {
                let mut events = Vec::with_capacity(entries.len());
                for entry in entries {
                    *count += 1;
                    let payload = String::from_utf8(entry.clone())?.into();
                    let (kind, version) = (Entry.event_type(), Entry.event_version());
                    let names = ("one".into(), *count, Log::TYPE.into());
                    let metadata = serde_json::json!({});
                    events.push(SerializedEvent::new(names.0, names.1, names.2, kind, version, payload, metadata));
                }
                store.persist::<Log>(&events, None).await?;
            }
        }
        Ok(())
    }
}

fn entries(file: &str) -> Outcome<Vec<Vec<u8>>> {
    let bytes = std::fs::read(file)?;
    let (mut entries, mut rest) = (Vec::new(), &bytes[..]);
    while let Some((length, after)) = rest.split_first_chunk::<2>() {
        let (entry, after) = after.split_at_checked(u16::from_be_bytes(*length).into()).ok_or("a cut entry")?;
        entries.push(entry.to_vec());
        rest = after;
    }
    Ok(entries)
}

async fn work(name: &str, folder: &Path) -> Outcome<()> {
    let mut peer = open(name, folder).await?;
    for line in io::stdin().lock().lines() {
        let line = line?;
        let (batch, file) = line.split_once(' ').ok_or("a line is BATCH FILE")?;
        let (batch, entries) = (batch.parse::<usize>()?.max(1), entries(file)?);
        let start = Instant::now();
        for part in entries.chunks(batch) {
            peer.append(part).await?;
        }
        println!("took {}", start.elapsed().as_nanos());
        io::stdout().flush()?;
    }
    Ok(())
}

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, folder] = arguments.as_slice() else { return Err("usage: gongkai-peers NAME FOLDER".into()) };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(work(name, Path::new(folder)))
}
