//! Starting: is the database what was published, and are the files what the database says?
//!
//! First the tail is read and checked strictly, without writing anything: the last two bundles before
//! the checkpoint and all that came after. A database that lacks published entries, or leads to
//! another root, is refused. Then the publisher's own code publishes from the durable mark on; it
//! compares each file before it writes, so missing and torn ones are repaired and reported.
//!
//! Not here: the whole log (`gongkai verify`), and mending the database itself (`gongkai restore`).

use std::{
    fs,
    sync::Arc,
    time::{Duration, Instant},
};

use gongkai_log::{Checkpoint, Content, Edge, TilePath, TreeHash, time::format_recorded};
use tokio::runtime::Handle;

use crate::{
    clock::Clock,
    cores::on_all_cores,
    database::{Connection, Place},
    error::{OpenError, StoreError},
    event_store::{LogHead, Publication, RawEntry},
    files::{Change, Files, superseded_before},
    growing::Growing,
    layout::Layout,
    ledger::{LedgerKeys, Settings, Shared},
    node,
    outlet::Outlet,
    publisher::{PublishError, Publisher},
    read_back::ChainEnd,
    reader::{chain, parse_entry, parse_list, parse_openings},
    signing::Signing,
    tables,
};

/// Entries that are checked at a time.
const PAGE: u64 = 1_024;

/// What a start found and mended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Entries in the database: the last whole commit.
    pub size: u64,
    /// Entries in the checkpoint that was found; `None` when there was none.
    pub published_before: Option<u64>,
    /// The first entry that was read and checked; all from it on were.
    pub verified_from: u64,
    /// How long that took.
    pub verifying: Duration,
    /// How long it took to publish the same entries: chain, tree, and every file written or compared, and flushed.
    pub publishing: Duration,
    /// Published files that were missing, torn or outdated and are in order now, below `log/`.
    pub repaired: Vec<String>,
    /// What was found wrong and does not keep the ledger from running; also in the program's log.
    pub alarms: Vec<String>,
}

/// Everything that recovery needs, and may block: call it on a thread of its own.
pub(crate) struct Recover {
    pub runtime: Handle,
    pub layout: Layout,
    pub keys: Arc<LedgerKeys>,
    pub shared: Arc<Shared>,
    pub settings: Settings,
    pub clock: Arc<dyn Clock>,
    pub signing: Signing,
}

impl Recover {
    /// Checks, repairs and publishes; gives the publisher, ready to go on.
    pub(crate) fn run(self) -> Result<(Publisher, Recovery), OpenError> {
        let place = Place::of(&self.layout)?;
        let mut connection = self.runtime.block_on(place.read(self.settings.busy_timeout))?;
        let mut report = Recovery::default();
        let start = Instant::now();
        // Before the rows are read: other nodes go on, and put what they have just committed.
        let put = self.put_before()?;
        // As of one commit.
        self.runtime.block_on(connection.begin_reading())?;
        let verified = match self.verify(&mut connection, put, &mut report) {
            Ok(verified) => verified,
            Err(error) => {
                // Leave nothing open: the operator is going to put another file there. That closing
                // fails too would tell nothing new.
                let _ = self.runtime.block_on(connection.close());
                return Err(error);
            }
        };
        self.runtime.block_on(connection.end_reading())?;
        report.verifying = start.elapsed();
        let start = Instant::now();
        let publisher = self.publish(connection, verified, &mut report)?;
        report.publishing = start.elapsed();
        for alarm in &report.alarms {
            tracing::error!(alarm, "found on start");
        }
        Ok((publisher, report))
    }

    /// Everything that is checked before anything is written.
    fn verify(
        &self,
        connection: &mut Connection,
        put: Option<Checkpoint>,
        report: &mut Recovery,
    ) -> Result<Verified, OpenError> {
        let node = node::number(&self.layout, &Place::of(&self.layout)?)?;
        let (head, publication) = self.runtime.block_on(load(connection, node))?;
        report.size = head.size;
        let checkpoint = self.last_checkpoint(publication.as_ref(), report)?;
        // A bucket has everything up to its own checkpoint; one that is new, or was not reached, has less than the directory.
        let put_size = match self.settings.bucket {
            Some(_) => put.as_ref().map_or(0, |checkpoint| checkpoint.size),
            None => u64::MAX,
        };
        let signed_before = checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.size);
        let larger = put.filter(|put| put.size > signed_before);
        let checkpoint = larger.or(checkpoint);
        report.published_before = checkpoint.as_ref().map(|checkpoint| checkpoint.size);
        let signed_size = checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.size);
        if signed_size > head.size {
            return Err(OpenError::Behind { size: head.size, published: signed_size });
        }
        self.witnessed(head.size)?;
        let durable = publication.map_or(0, |publication| publication.durable_size);
        let start = if self.settings.republish_all {
            0
        } else {
            let tail = durable.min((signed_size / 256).saturating_sub(1) * 256).min(head.size / 256 * 256);
            tail.min(put_size / 256 * 256)
        };
        let expected = Expected { head: &head, checkpoint: checkpoint.as_ref() };
        let (growing, end) = self.check(connection, start, &expected, report)?;
        report.verified_from = growing.size();
        let durable = durable.min(growing.size());
        Ok(Verified { growing, end, signed_size, durable })
    }

    /// Refuses a database that has less than a witness has seen. Another root at a size that we have shows when the
    /// witness refuses to cosign.
    fn witnessed(&self, size: u64) -> Result<(), OpenError> {
        let notes = self.settings.cosigners.as_ref().map(|cosigners| cosigners.witnessed()).unwrap_or_default();
        let own = notes.iter().filter_map(|note| self.signing.keys.check(note).ok());
        match own.map(|checkpoint| checkpoint.size).max() {
            Some(witnessed) if witnessed > size => Err(OpenError::Witnessed { size, witnessed }),
            _ => Ok(()),
        }
    }

    /// The checkpoint in the bucket, if there is a bucket and a checkpoint in it. One that cannot be read, or is not ours,
    /// keeps the ledger from opening: nobody could tell whether the database is behind it.
    fn put_before(&self) -> Result<Option<Checkpoint>, OpenError> {
        let Some(bucket) = &self.settings.bucket else { return Ok(None) };
        let there = self.runtime.block_on(bucket.checkpoint(&self.signing.keys))?;
        Ok(there.map(|there| there.checkpoint))
    }

    /// The larger of the checkpoints in file and database; what does not verify is an alarm.
    fn last_checkpoint(
        &self,
        publication: Option<&Publication>,
        report: &mut Recovery,
    ) -> Result<Option<Checkpoint>, OpenError> {
        let file = match fs::read_to_string(self.layout.checkpoint()) {
            Ok(note) => Some(note),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) if error.kind() == std::io::ErrorKind::InvalidData => Some(String::new()),
            Err(error) => return Err(StoreError::file("reading", self.layout.checkpoint(), error).into()),
        };
        let row = publication.map(|publication| publication.checkpoint.clone());
        let mut last: Option<Checkpoint> = None;
        for (what, note) in [("the checkpoint file", file), ("the checkpoint in the database", row)] {
            let Some(note) = note else { continue };
            match self.signing.keys.open(&note) {
                Ok((found, _)) if last.as_ref().is_none_or(|last| found.size > last.size) => last = Some(found),
                Ok(_) => {}
                Err(error) => {
                    report.alarms.push(format!("{what} does not verify and is made again: {}", chain(&error)));
                }
            }
        }
        Ok(last)
    }

    /// Checks the tail from `start`, or everything when the tiles below do not lead to the head.
    fn check(
        &self,
        connection: &mut Connection,
        start: u64,
        expected: &Expected<'_>,
        report: &mut Recovery,
    ) -> Result<(Growing, ChainEnd), OpenError> {
        let read = |path: &TilePath| {
            let path = self.layout.tile(path);
            fs::read(&path).map_err(|e| TilesError(StoreError::file("reading", path, e).to_string()))
        };
        if start > 0 {
            let tail = Growing::resume(start, read).map_err(|e| e.0).and_then(|growing| {
                let end = self.runtime.block_on(chain_end(connection, start)).map_err(|e| chain(&e))?;
                let mut alarms = Vec::new();
                let checked = check_tail(connection, &self.runtime, growing.edge(), end.clone(), expected, &mut alarms);
                checked.map_err(|e| chain(&e))?;
                report.alarms.append(&mut alarms);
                Ok((growing, end))
            });
            match tail {
                Ok(found) => return Ok(found),
                Err(reason) => report.alarms.push(format!(
                    "tiles and database do not fit together at {start} entries ({reason}); everything is checked and \
                     published again"
                )),
            }
        }
        let end = ChainEnd::start();
        check_tail(connection, &self.runtime, &Edge::new(), end.clone(), expected, &mut report.alarms)?;
        Ok((Growing::default(), end))
    }

    /// The publisher's own code, comparing before it writes.
    fn publish(
        self,
        connection: Connection,
        verified: Verified,
        report: &mut Recovery,
    ) -> Result<Publisher, OpenError> {
        let Verified { growing, end, signed_size, durable } = verified;
        let Self { runtime, layout, keys, shared, settings, clock, signing } = self;
        fs::create_dir_all(layout.log()).map_err(|e| StoreError::file("making folder", layout.log(), e))?;
        let mut files = Files::new(&layout, settings.bucket.is_some());
        superseded_before(&layout, &mut files);
        // The history beside it changes with it: the publisher says both before the checkpoint that needs them.
        let vkey = format!("{}\n", signing.keys.at(signed_size));
        if let Some(bucket) = &settings.bucket {
            runtime.block_on(bucket.examine("log/vkey", vkey.as_bytes()))?;
        }
        files.write(&layout.vkey(), vkey.as_bytes(), Change::Said)?;
        match &settings.cosigners {
            Some(cosigners) => files.write(&layout.policy(), cosigners.policy().as_bytes(), Change::Said)?,
            None => files.remove(&layout.policy())?,
        }
        let interval = settings.publish_interval;
        let mut publisher = Publisher {
            connection,
            runtime,
            layout,
            keys,
            shared,
            interval,
            freshness: settings.freshness,
            cosigners: settings.cosigners,
            clock,
            signing,
            growing,
            end,
            published: signed_size,
            durable,
            files,
            outlet: settings.bucket.map(Outlet::new),
        };
        publisher.shared.published.send_replace(signed_size);
        let done = publisher.publish().and_then(|()| publisher.flush(false));
        match done {
            Ok(()) => {}
            // Everything is checked and in place but the checkpoint; the publisher goes on asking.
            Err(error @ (PublishError::NoQuorum(_) | PublishError::NoKey { .. })) => report.alarms.push(chain(&error)),
            Err(PublishError::Store(error) | PublishError::Flush(error)) => return Err(OpenError::Store(error)),
            Err(PublishError::Wrong(reason)) => {
                return Err(OpenError::Damaged(StoreError::row(report.size, "head", reason)));
            }
        }
        let root = publisher.layout.log();
        let relative = |path: std::path::PathBuf| path.strip_prefix(&root).unwrap_or(&path).display().to_string();
        report.repaired = publisher.files.repaired().into_iter().map(relative).collect();
        Ok(publisher)
    }
}

/// Where publication goes on.
struct Verified {
    growing: Growing,
    end: ChainEnd,
    // Entries in the last checkpoint.
    signed_size: u64,
    durable: u64,
}

/// Why the tiles could not be taken as a start.
struct TilesError(String);

impl<E: std::error::Error> From<E> for TilesError {
    fn from(error: E) -> Self {
        Self(chain(&error))
    }
}

/// What the tail must lead to.
struct Expected<'e> {
    head: &'e LogHead,
    checkpoint: Option<&'e Checkpoint>,
}

async fn load(connection: &mut Connection, node: i64) -> Result<(LogHead, Option<Publication>), OpenError> {
    let (head, _) = tables::load_head(connection).await.map_err(OpenError::Damaged)?;
    let count = tables::count(connection).await?;
    if count != head.size {
        let reason = format!("the head counts {} entries, the last one has index {count} - 1", head.size);
        return Err(OpenError::Damaged(StoreError::row(head.size.min(count), "head", reason)));
    }
    let publication = tables::load_publication(connection, node).await?;
    Ok((head, publication))
}

/// The chain before entry `index`, which is not the first.
async fn chain_end(connection: &mut Connection, index: u64) -> Result<ChainEnd, StoreError> {
    let rows = tables::load_bytes(connection, index - 1, index).await?;
    let (before, bytes) = rows.into_iter().next().ok_or_else(|| StoreError::row(index - 1, "bytes", "missing"))?;
    let entry = parse_entry(before, bytes)?;
    let recorded_at =
        format_recorded(&entry.recorded_at).map_err(|e| StoreError::row(before, "recorded_at", e.to_string()))?;
    Ok(ChainEnd { hash: entry.hash, recorded_at: recorded_at.into_bytes() })
}

/// Reads and checks all entries after `edge`; writes nothing.
fn check_tail(
    connection: &mut Connection,
    runtime: &Handle,
    edge: &Edge,
    mut end: ChainEnd,
    expected: &Expected<'_>,
    alarms: &mut Vec<String>,
) -> Result<(), OpenError> {
    let mut edge = edge.clone();
    let published = |edge: &Edge| match expected.checkpoint {
        Some(c) if c.size == edge.size() && c.root != edge.root() => Err(OpenError::Disagrees { published: c.size }),
        _ => Ok(()),
    };
    published(&edge)?;
    while edge.size() < expected.head.size {
        let (from, to) = (edge.size(), expected.head.size.min(edge.size() + PAGE));
        let rows = runtime.block_on(tables::load_range(connection, from, to))?;
        let there = (from..to).zip(&rows).take_while(|(place, row)| row.index == *place).count() as u64;
        if there != to - from {
            return Err(OpenError::Damaged(StoreError::row(from + there, "index", "the row is missing")));
        }
        let broken = rows.iter().find_map(|row| Some((row.index, end.follow(row.index, &row.bytes).err()?)));
        let sound = broken.as_ref().map_or(to - from, |(index, _)| index - from);
        let sound = &rows[..usize::try_from(sound).unwrap_or(rows.len())];
        for (leaf, alarm) in on_all_cores(sound, check_entry).map_err(OpenError::Damaged)? {
            alarms.extend(alarm);
            let index = edge.size();
            edge.append(leaf).map_err(|e| OpenError::Damaged(StoreError::row(index, "head", e.to_string())))?;
            published(&edge)?;
        }
        // An entry before it that does not parse is the cause, and was named.
        if let Some((index, reason)) = broken {
            return Err(OpenError::Damaged(StoreError::row(index, "bytes", reason)));
        }
    }
    let wrong = |what: &str| Err(OpenError::Damaged(StoreError::row(expected.head.size, "head", what)));
    if end.hash != expected.head.entry_hash {
        return wrong("its hash is not that of the last entry");
    }
    if edge != expected.head.edge {
        return wrong("its tree is not that of the entries");
    }
    let recorded_at = format_recorded(&expected.head.recorded_at).unwrap_or_default();
    if expected.head.size > 0 && end.recorded_at != recorded_at.as_bytes() {
        return wrong("its time is not that of the last entry");
    }
    Ok(())
}

/// One entry strictly, and what opens it: its leaf; a bad opening spoils that entry's pages and nothing else, and is an
/// alarm.
fn check_entry(row: &RawEntry) -> Result<(TreeHash, Option<String>), StoreError> {
    let RawEntry { index, bytes, openings, list } = row;
    let entry = parse_entry(*index, bytes.clone())?;
    let checked = match &entry.content {
        Content::Statement(signed) => check_openings(*index, &signed.statement, openings.as_deref(), list.as_deref()),
        Content::Sealed(_) => Ok(()),
    };
    Ok((entry.leaf_hash(), checked.err().map(|error| error.to_string())))
}

fn check_openings(
    index: u64,
    statement: &gongkai_log::Statement,
    openings: Option<&str>,
    list: Option<&str>,
) -> Result<(), StoreError> {
    let line = openings.ok_or_else(|| StoreError::row(index, "openings", "the row is missing"))?;
    let openings = parse_openings(index, line)?;
    openings.check(statement).map_err(|e| StoreError::row(index, "openings", chain(&e)))?;
    let root = statement.lines_root();
    let count = statement.body.get("count").and_then(serde_json::Value::as_u64);
    let (Some(root), Some(count)) = (root, count) else { return Ok(()) };
    let text = list.ok_or_else(|| StoreError::row(index, "list", "the row is missing"))?;
    let list = parse_list(index, text)?;
    let gongkai_log::Statement { origin, stream, revision, .. } = statement;
    list.check(origin, stream, *revision, &root, count).map_err(|e| StoreError::row(index, "list", chain(&e)))
}
