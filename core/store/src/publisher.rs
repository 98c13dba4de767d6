//! The publisher: one thread that turns what is committed into what is served.
//!
//! After a commit it reads the new entries back over another connection and recomputes chain and tree.
//! If they lead to the head that was committed, it writes bundles, tiles, openings, lines and
//! attachments, and then, last, signs the checkpoint, has it cosigned and puts it in place, in a bucket (`outlet`) before the
//! directory (`files`). If they do not, it stops and signs nothing: a log that signs an inconsistent head is dead, one that stops can recover.
//!
//! Everything here can be redone from the database; `recover` does so on start with the same code.
//! Files are not flushed one by one. A mark in the database says up to where they are on disk, and
//! what lies behind it is checked on start.

use std::{
    collections::BTreeSet,
    fs,
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use gongkai_domain::kind;
use gongkai_log::{Checkpoint, Content, Digest, Note};
use tokio::runtime::Handle;

use crate::{
    clock::Clock,
    cosigners::{Cosigners, NoQuorum},
    database::{Connection, Place},
    error::StoreError,
    event_store::{LogHead, Publication},
    files::{Change, Files},
    growing::{Growing, GrowingError},
    layout::Layout,
    ledger::{LedgerKeys, Shared},
    observer::TRACE,
    outlet::Outlet,
    read_back::{ChainEnd, Segment, checkpoint_of, refuse_if_gone, refuse_to_go_back},
    reader::{chain, parse_entry},
    signing::{Signing, history, is_said},
    tables,
};

/// Entries that are read back and checked at a time.
const SEGMENT: u64 = 4_096;

/// Entries after which files are flushed and the durable mark moves.
const DURABLE_EVERY: u64 = 4_096;

/// Pause before another attempt when a file could not be written.
const RETRY: Duration = Duration::from_secs(1);

/// In the bytes of every entry that withdraws something, and hardly anywhere else.
const WITHDRAWS: &str = "\"kind\":\"slot.withdrawn.v1\"";

/// What the publisher is told.
pub(crate) enum Signal {
    /// There are new entries.
    Committed,
    /// Publish everything, flush everything, and end. The sender is dropped at the end.
    Stop(mpsc::Sender<()>),
}

/// Why nothing was published.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PublishError {
    /// A file could not be written, the database not be read: try again.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The key that signs a checkpoint of this size is not here: ask again.
    #[error("no private half of the log key {key}, which signs checkpoints of {size} entries")]
    NoKey {
        /// Size.
        size: u64,
        /// Verifier key.
        key: String,
    },
    /// Too few witnesses cosigned: ask again.
    #[error(transparent)]
    NoQuorum(#[from] NoQuorum),
    /// Published files could not be forced to the disk. Trying again would lie: the kernel may have
    /// dropped the pages, and says so once.
    #[error("published files are not on the disk")]
    Flush(#[source] StoreError),
    /// What was read back is not what was committed: never sign it.
    #[error("what was read back is not what was committed: {0}")]
    Wrong(String),
}

impl From<GrowingError> for PublishError {
    fn from(error: GrowingError) -> Self {
        Self::Wrong(chain(&error))
    }
}

/// See the module.
pub(crate) struct Publisher {
    pub connection: Connection,
    pub runtime: Handle,
    pub layout: Layout,
    pub keys: Arc<LedgerKeys>,
    pub shared: Arc<Shared>,
    pub interval: Duration,
    pub freshness: Duration,
    pub cosigners: Option<Arc<dyn Cosigners>>,
    pub clock: Arc<dyn Clock>,
    pub signing: Signing,
    pub growing: Growing,
    pub end: ChainEnd,
    /// Entries in the last checkpoint that was signed.
    pub published: u64,
    /// Entries, a multiple of 256, whose files are on disk.
    pub durable: u64,
    pub files: Files,
    /// The bucket, where there is one.
    pub outlet: Option<Outlet>,
}

impl Publisher {
    /// Runs until it is told to stop or cannot go on, and closes its connection.
    pub(crate) fn run(mut self, signals: &mpsc::Receiver<Signal>) {
        let stopped = self.serve(signals);
        if let Err(error) = self.runtime.block_on(self.connection.close()) {
            tracing::warn!(error = chain(&error), "closing the publisher's connection");
        }
        // Whoever waits for the end may now close the database.
        drop(stopped);
    }

    /// Gives the sender of the stop signal, if that ended it.
    fn serve(&mut self, signals: &mpsc::Receiver<Signal>) -> Option<mpsc::Sender<()>> {
        // What the start could not publish, for want of a quorum, waits already.
        let mut waiting = *self.shared.published.borrow() < self.growing.size();
        let mut pause_until: Option<Instant> = None;
        let mut fresh_until = Instant::now() + self.freshness;
        loop {
            let until = if waiting { pause_until.unwrap_or_else(Instant::now) } else { fresh_until };
            let signal = match signals.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(signal) => Some(signal),
                Err(mpsc::RecvTimeoutError::Timeout) => None,
                Err(mpsc::RecvTimeoutError::Disconnected) => return None,
            };
            waiting |= Instant::now() >= fresh_until;
            let stop = match signal {
                Some(Signal::Stop(done)) => Some(done),
                Some(Signal::Committed) => {
                    // The publication before may have taken it in: a checkpoint is not signed again for it.
                    waiting |= *self.shared.committed.borrow() > *self.shared.published.borrow();
                    None
                }
                None => None,
            };
            let due = waiting && pause_until.is_none_or(|until| Instant::now() >= until);
            if due || stop.is_some() {
                let start = Instant::now();
                let span = tracing::info_span!(target: TRACE, "publish").entered();
                let done = self.publish().and_then(|()| self.flush(stop.is_some()));
                drop(span);
                match done {
                    Ok(()) => {
                        self.shared.tell(|observer| observer.published(start.elapsed()));
                        waiting = false;
                        pause_until = Some(start + self.interval);
                        fresh_until = Instant::now() + self.freshness;
                    }
                    Err(PublishError::Wrong(reason)) => {
                        self.stop(format!("数据库读回的内容与写入时不同（{reason}），已停止发布；请用备份恢复"));
                        return stop;
                    }
                    Err(PublishError::Flush(error)) => {
                        self.stop(format!("发布的文件没有落盘（{}），请检查磁盘后重新启动", chain(&error)));
                        return stop;
                    }
                    Err(error @ (PublishError::Store(_) | PublishError::NoQuorum(_) | PublishError::NoKey { .. })) => {
                        tracing::error!(error = chain(&error), "publishing failed, will try again");
                        self.reconnect();
                        pause_until = Some(Instant::now() + RETRY);
                        waiting = true;
                    }
                }
            }
            if stop.is_some() {
                return stop;
            }
        }
    }

    /// A connection to a server that failed once may be dead; what is read over the next one is checked like all else.
    fn reconnect(&mut self) {
        let Ok(place @ Place::Server(_)) = Place::of(&self.layout) else { return };
        match self.runtime.block_on(place.read(RETRY)) {
            Ok(connection) => self.connection = connection,
            Err(error) => tracing::warn!(error = chain(&error), "the database is still gone"),
        }
    }

    /// Nothing is signed from here on, and nothing more is accepted: it could not be trusted to be kept.
    fn stop(&self, reason: String) {
        tracing::error!(reason, "publication stopped");
        self.shared.halt_for_good(reason);
    }

    /// Publishes everything that is committed.
    pub(crate) fn publish(&mut self) -> Result<(), PublishError> {
        loop {
            let segment = self.read()?;
            let last = segment.next.is_none();
            let head = segment.head.clone();
            let end = segment.check(self.growing.size(), &self.end).map_err(PublishError::Wrong)?;
            self.write(segment.entries)?;
            self.end = end;
            if last {
                return self.finish(&head);
            }
        }
    }

    fn read(&mut self) -> Result<Segment, StoreError> {
        let from = self.growing.size();
        let connection = &mut self.connection;
        self.runtime.block_on(async {
            let (head, _) = tables::load_head(connection).await?;
            let mut entries = tables::load_bytes(connection, from, head.size.min(from + SEGMENT + 1)).await?;
            let next = (entries.len() as u64 > SEGMENT).then(|| entries.pop()).flatten();
            Ok(Segment { head, entries, next })
        })
    }

    /// Writes everything but the unfinished tiles and the checkpoint.
    fn write(&mut self, entries: Vec<(u64, Vec<u8>)>) -> Result<(), PublishError> {
        let (Some(from), Some(last)) = (entries.first().map(|e| e.0), entries.last().map(|e| e.0)) else {
            return Ok(());
        };
        let to = last + 1;
        let mut bundles: BTreeSet<u64> = (from / 256..=last / 256).collect();
        let (mut lists, mut withdrawn) = (BTreeSet::new(), BTreeSet::new());
        // Work on a copy: when a file cannot be written, the next attempt begins where this one did.
        let mut growing = self.growing.clone();
        for (index, bytes) in entries {
            self.signing.see(index, &bytes)?;
            if let Some(target) = withdrawn_entry(index, &bytes)? {
                bundles.insert(target / 256);
                lists.insert(target);
                withdrawn.insert(target);
            }
            for (path, bytes) in growing.append(bytes)? {
                self.files.write(&self.layout.tile(&path), &bytes, Change::Fixed)?;
                self.files.supersede(&self.layout, &path);
            }
        }
        for bundle in bundles {
            self.write_openings(bundle, to)?;
        }
        let connection = &mut self.connection;
        lists.extend(self.runtime.block_on(tables::load_list_indexes(connection, from, to))?);
        for index in lists {
            self.write_lines(index)?;
        }
        self.write_attachments(from, to)?;
        for target in withdrawn {
            self.remove_attachments(target)?;
        }
        // If we stop here, the next attempt and the next start put the same again: the durable mark has not moved.
        self.put_out()?;
        self.growing = growing;
        Ok(())
    }

    fn write_openings(&mut self, bundle: u64, to: u64) -> Result<(), PublishError> {
        let text = self.openings(bundle, to)?;
        Ok(self.files.write(&self.layout.openings(bundle), text.as_bytes(), Change::Openings(bundle))?)
    }

    /// The openings of a bundle's entries before `to`, as they are now.
    pub(crate) fn openings(&mut self, bundle: u64, to: u64) -> Result<String, StoreError> {
        let (from, to) = (bundle * 256, to.min((bundle + 1) * 256));
        let lines = self.runtime.block_on(tables::load_openings(&mut self.connection, from, to))?;
        let mut text = String::with_capacity(lines.iter().map(|(_, line)| line.len() + 1).sum());
        for (_, line) in lines {
            text.push_str(&line);
            text.push('\n');
        }
        Ok(text)
    }

    fn write_lines(&mut self, index: u64) -> Result<(), PublishError> {
        let Some((root, text)) = self.lines(index)? else { return Ok(()) };
        Ok(self.files.write(&self.layout.lines(&root), text.as_bytes(), Change::Lines(index))?)
    }

    /// The lines of an entry's list under their root, if it has one, as they are now.
    pub(crate) fn lines(&mut self, index: u64) -> Result<Option<(Digest, String)>, PublishError> {
        let connection = &mut self.connection;
        let (text, bytes) = self.runtime.block_on(async {
            let text = tables::load_list(connection, index).await?;
            Ok::<_, StoreError>((text, tables::load_bytes(connection, index, index + 1).await?))
        })?;
        let (Some(text), Some((_, bytes))) = (text, bytes.into_iter().next()) else { return Ok(None) };
        let entry = parse_entry(index, bytes).map_err(|e| PublishError::Wrong(chain(&e)))?;
        let root = entry.content.statement().and_then(|signed| signed.statement.lines_root());
        let root = root.ok_or_else(|| PublishError::Wrong(format!("entry {index}: a list and no root of one")))?;
        Ok(Some((root, text)))
    }

    /// The unfinished tiles, and then the checkpoint: the one file that makes the others count.
    fn finish(&mut self, head: &LogHead) -> Result<(), PublishError> {
        let checkpoint = checkpoint_of(&self.shared.origin, head, self.growing.edge(), self.published);
        let checkpoint = checkpoint.map_err(PublishError::Wrong)?;
        for (path, bytes) in self.growing.partial()? {
            self.files.write_partial(&self.layout.tile(&path), &bytes)?;
        }
        self.say_keys(head.size)?;
        self.put_out()?;
        self.refuse_to_go_back(&checkpoint)?;
        let there = self.agree(&checkpoint)?;
        self.refuse_if_gone(&checkpoint)?;
        let note = self.signing.sign(&checkpoint, &self.keys, self.clock.now())?;
        let note = match &self.cosigners {
            None => note,
            Some(cosigners) => {
                let signed = Note::parse(&note).map_err(|e| PublishError::Wrong(chain(&e)))?;
                cosigners.cosign(&checkpoint, signed)?.to_string()
            }
        };
        // If we stop after this, the bucket is ahead of the directory: the next start takes the larger of the two.
        self.put_checkpoint(&checkpoint, &note, there)?;
        self.files.replace(&self.layout.checkpoint(), note.as_bytes())?;
        self.published = head.size;
        self.shared.set_checkpoint(note);
        self.shared.published.send_replace(head.size);
        let removed = self.files.remove_superseded();
        self.remove_out(&removed);
        Ok(())
    }

    /// Tells readers whose keys sign, once the log's key was replaced; before the checkpoint that needs it.
    fn say_keys(&mut self, size: u64) -> Result<(), PublishError> {
        if is_said(&self.layout, &self.signing.keys, size) {
            return Ok(());
        }
        let vkey = format!("{}\n", self.signing.keys.at(size));
        let said = history(&mut self.connection, &self.signing.keys, size);
        if let Some(entries) = self.runtime.block_on(said)? {
            self.files.write(&self.layout.key_history(), &entries, Change::Said)?;
        }
        Ok(self.files.write(&self.layout.vkey(), vkey.as_bytes(), Change::Said)?)
    }

    /// Writing files and objects took a while: asks again whether the database has what is about to be signed. A standby that
    /// lacks commits and takes over after this can be noticed by others only, before they sign.
    fn refuse_if_gone(&mut self, ours: &Checkpoint) -> Result<(), PublishError> {
        let connection = &mut self.connection;
        let (head, last) = self.runtime.block_on(async {
            let (head, _) = tables::load_head(connection).await?;
            let last = tables::load_bytes(connection, ours.size.saturating_sub(1), ours.size).await?.pop();
            Ok::<_, StoreError>((head, last))
        })?;
        let last = last.as_ref().map(|(_, bytes)| bytes.as_slice());
        refuse_if_gone(ours, &self.end, &head, last).map_err(PublishError::Wrong)
    }

    /// Compares it with the one that is in place.
    fn refuse_to_go_back(&self, checkpoint: &Checkpoint) -> Result<(), PublishError> {
        let Ok(note) = fs::read_to_string(self.layout.checkpoint()) else { return Ok(()) };
        match self.signing.keys.open(&note) {
            Ok((there, _)) => refuse_to_go_back(&there, checkpoint).map_err(PublishError::Wrong),
            Err(_) => Ok(()),
        }
    }

    /// Flushes what the mark does not cover yet, when it is much or the end.
    pub(crate) fn flush(&mut self, all: bool) -> Result<(), PublishError> {
        let full = self.growing.size() / 256 * 256;
        if full == self.durable || (!all && full - self.durable < DURABLE_EVERY) {
            return Ok(());
        }
        // If this fails the mark stays, and the next start checks and rewrites these files.
        self.files.flush().map_err(PublishError::Flush)?;
        self.durable = full;
        self.shared.put_publication(Publication { durable_size: full, checkpoint: self.shared.checkpoint() });
        Ok(())
    }
}

/// The entry that this one withdraws openings of.
pub(crate) fn withdrawn_entry(index: u64, bytes: &[u8]) -> Result<Option<u64>, PublishError> {
    let text = std::str::from_utf8(bytes).map_err(|_| PublishError::Wrong(format!("entry {index}: not UTF-8")))?;
    if !text.contains(WITHDRAWS) {
        return Ok(None);
    }
    let entry = parse_entry(index, bytes.to_vec()).map_err(|e| PublishError::Wrong(chain(&e)))?;
    let Content::Statement(signed) = &entry.content else { return Ok(None) };
    let kind = kind::find(&signed.statement.kind);
    Ok(kind.and_then(|kind| kind.target(&signed.statement.body)))
}
