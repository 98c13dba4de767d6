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

use hypercore::{Hypercore, HypercoreBuilder, Storage};
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
}

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
