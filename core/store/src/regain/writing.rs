//! The one transaction that brings entries back, and receipts for what is handed in once more.

use std::{collections::HashMap, fs, path::Path, sync::Arc};

use gongkai_domain::{
    Head, judge,
    kind::{
        self, erasure,
        recovery::{RecoverySource, Withheld, withheld},
        slot::Withdrawn,
    },
};
use gongkai_log::{Content, Digest, Entry, Row, SignedStatement, StreamId};
use serde_json::json;

use super::{Brought, Future, RegainError, blocking, forget_derived};
use crate::{
    attachments,
    error::StoreError,
    event_store::{Batch, EventStore, LogHead, NewEntry, Publication},
    layout::Layout,
    ledger::Receipt,
    log_fetch::ANOTHER_HASH,
    reader::{READ_ENTRIES_MAX, StoredEntry, chain, parse_entry, teaches, with_recorded},
    sequencer::{Draft, Found, Item, LookedUp, Sequencer},
};

/// What of the regained entries only the lost vault held.
#[derive(Default)]
struct Lost {
    by_stream: HashMap<StreamId, Withheld>,
    periods: u64,
}

impl Lost {
    fn count(&self) -> Withheld {
        let mut all = Withheld::default();
        self.by_stream.values().for_each(|one| all += *one);
        all
    }
}

impl<S: EventStore> Sequencer<S> {
    /// Commits what the copy has beyond the database, and that it did.
    pub(super) async fn bring_back(
        mut self,
        layout: &Layout,
        future: Future,
        source: RecoverySource,
    ) -> Result<Brought, RegainError> {
        let brought = self.bring_back_in_turn(layout, &future, source).await;
        self.store.pass().await;
        // What failed before the commit changed nothing; what is committed is, whatever closing says.
        let closed = self.store.close().await;
        let brought = brought?;
        closed?;
        Ok(brought)
    }

    async fn bring_back_in_turn(
        &mut self,
        layout: &Layout,
        future: &Future,
        source: RecoverySource,
    ) -> Result<Brought, RegainError> {
        if let Some(turn) = self.store.take_turn(self.head.size).await?
            && turn.head != self.head
        {
            return Err(StoreError::Fenced { size: turn.head.size, epoch: 0 }.into());
        }
        let from = self.head.size;
        let genesis = self.genesis().await?.ok_or_else(|| StoreError::row(0, "bytes", "there is no genesis"))?;
        let stream = genesis.statement.stream.clone();
        self.look_up(Vec::new(), std::iter::once(stream.to_string())).await?;
        let mut draft = Draft::of(self.head.clone(), self.head.recorded_at);
        let mut missing = Lost::default();
        while draft.head.size < future.checkpoint.size {
            let (log, next) = (Arc::clone(&future.log), draft.head.size);
            let limit = (future.checkpoint.size - next).min(READ_ENTRIES_MAX);
            let page = blocking(move || log.entries(next, limit).map_err(RegainError::from)).await?;
            for stored in page {
                self.take_back(stored, &mut draft, &stream, &mut missing).await?;
            }
        }
        let root = draft.head.edge.root();
        if (draft.head.size, root) != (future.checkpoint.size, future.checkpoint.root) {
            return Err(StoreError::row(draft.head.size, "head", "the copy's entries do not lead to its root").into());
        }
        let count = missing.count();
        let brought = Brought {
            from,
            size: draft.head.size,
            root,
            openings_lost: count.known,
            openings_undecided: count.undecided,
            periods_lost: missing.periods,
        };
        self.put_recovery_on_record(&mut draft, &genesis, &brought, source)?;
        keep_attachments(layout, &future.files.log().join("attachment"), &draft).await?;
        forget_derived(layout)?;
        self.commit(draft, &future.note).await?;
        Ok(brought)
    }

    /// One entry of the copy, as it is recorded in the database.
    async fn take_back(
        &mut self,
        stored: StoredEntry,
        draft: &mut Draft,
        ledger: &StreamId,
        missing: &mut Lost,
    ) -> Result<(), RegainError> {
        let StoredEntry { index, bytes, openings, list } = stored;
        let wrong = |field, reason: String| StoreError::row(index, field, reason);
        let entry = parse_entry(index, bytes)?;
        draft.head.edge.append(entry.leaf_hash()).map_err(|e| wrong("head", e.to_string()))?;
        let edge = std::mem::take(&mut draft.head.edge);
        draft.head = LogHead { size: index + 1, entry_hash: entry.hash, edge, recorded_at: entry.recorded_at };
        let Content::Statement(signed) = &entry.content else {
            missing.periods += 1;
            draft.entries.push(NewEntry { bytes: entry.bytes, ..NewEntry::default() });
            return Ok(());
        };
        let statement = &signed.statement;
        let rows: Vec<_> = list.iter().flat_map(|list| &list.rows).filter_map(open).collect();
        let kind = kind::find(&statement.kind);
        let attachments = kind.map(|kind| kind.files(&statement.body, rows.iter().copied()).into_iter().collect());
        if let Some(kind) = kind {
            let of_stream = missing.by_stream.entry(statement.stream.clone()).or_default();
            *of_stream += withheld(kind, statement, rows.iter().copied());
        }
        let openings = openings.map(|openings| openings.to_line()).transpose();
        let list = list.map(|list| list.to_text()).transpose();
        draft.entries.push(NewEntry {
            stream: Some((statement.stream.to_string(), statement.revision)),
            openings: openings.map_err(|e| wrong("openings", chain(&e)))?,
            list: list.map_err(|e| wrong("list", chain(&e)))?,
            attachments: attachments.unwrap_or_default(),
            bytes: entry.bytes.clone(),
            ..NewEntry::default()
        });
        self.follow_order(index, signed, draft, missing).await?;
        self.learn_back(&entry, ledger)?;
        Ok(())
    }

    /// What an entry changed of earlier ones: openings that it withdrew, sealed content that it had erased.
    async fn follow_order(
        &mut self,
        index: u64,
        signed: &SignedStatement,
        draft: &mut Draft,
        missing: &mut Lost,
    ) -> Result<(), RegainError> {
        let statement = &signed.statement;
        let withdrawn = kind::body::<Withdrawn>(&statement.kind, &statement.body);
        let ordered = kind::body::<erasure::Ordered>(&statement.kind, &statement.body);
        if withdrawn.is_none() && ordered.is_none() {
            return Ok(());
        }
        let named = kind::find(&statement.kind).and_then(|kind| kind.target(&statement.body));
        let target = match named {
            Some(named) if named < index => self.load_target(named, draft).await?,
            _ => None,
        };
        let target = target.and_then(|found| if let Found::Statement(target) = found { Some(target) } else { None });
        if let Some(ordered) = ordered {
            if self.settings.vault.is_none() {
                return Err(RegainError::Locked { index });
            }
            if let Some(target) = &target {
                missing.by_stream.remove(target.stream());
            }
            draft.erased.extend(self.erasable(&ordered, target.as_deref()).await?);
        }
        if let (Some(target), Some(withdrawn)) = (target, withdrawn) {
            draft.withdraw(*target, &withdrawn)?;
        }
        Ok(())
    }

    /// Folds an entry into the world, and into the ledger's own stream.
    fn learn_back(&mut self, entry: &Entry, ledger: &StreamId) -> Result<(), RegainError> {
        let Some(signed) = entry.content.statement() else { return Ok(()) };
        if teaches(&signed.statement) {
            with_recorded(entry, |recorded| self.world.evolve(recorded));
        }
        if signed.statement.stream == *ledger {
            let stream = self.streams.get_mut(&ledger.to_string());
            let stream = stream.map_err(|e| StoreError::row(entry.index, "stream", e.to_string()))?;
            let before = std::mem::take(&mut stream.1);
            let state = with_recorded(entry, |recorded| judge::evolve(before, recorded)).unwrap_or_default();
            *stream = (Some(Head { revision: signed.statement.revision, hash: signed.hash }), state);
        }
        Ok(())
    }

    /// `ledger.recovered.v1`, judged like every entry, as the last of the draft.
    fn put_recovery_on_record(
        &mut self,
        draft: &mut Draft,
        genesis: &SignedStatement,
        brought: &Brought,
        source: RecoverySource,
    ) -> Result<(), RegainError> {
        // From here on the copy's last entry is the one that the clock must not be behind.
        self.head = draft.head.clone();
        draft.now = self.read_clock().map_err(|fault| RegainError::Clock(fault.message))?;
        let Brought { from, size, root, openings_lost, openings_undecided, periods_lost } = brought;
        let fields = json!({
            "from_size": from, "size": size, "root": root, "source": source.wire(), "openings_lost": openings_lost,
            "openings_undecided": openings_undecided, "periods_lost": periods_lost,
        });
        let stream = genesis.statement.stream.clone();
        let head = self.streams.get_mut(&stream.to_string());
        let head = head.map_err(|e| StoreError::row(0, "stream", e.to_string()))?.0;
        let (said, _) = self.say("ledger.recovered.v1", genesis, &stream, head, &fields)?;
        let (answer, _) = tokio::sync::oneshot::channel();
        let item = Item { key: None, admitted: Box::new(said), answer };
        let named = LookedUp {
            begins: Some(draft.head.size == *size && draft.head.edge.root() == *root),
            ..LookedUp::default()
        };
        self.accept(&item, draft, &named)?;
        Ok(())
    }

    /// The commit point: before it the database is what it was, after it the ledger goes on.
    async fn commit(&mut self, draft: Draft, note: &str) -> Result<(), RegainError> {
        let Draft { from, head, entries, changed, erased, .. } = draft;
        // Everything is compared with the copy's checkpoint on the next start, and published from where it was durable.
        let durable_size = self.store.load_publication().await?.map_or(0, |known| known.durable_size);
        let publication = Some(Publication { durable_size, checkpoint: note.to_owned() });
        let (changed, destroyed) = (changed.into_values().collect(), erased.clone());
        let batch = Batch { erased, changed, publication, ..Batch::of(from, entries, head) };
        self.store.append(batch).await?;
        // The orders are on record; a crash here destroys the keys on the next start.
        self.end_erasures(destroyed).await;
        Ok(())
    }

    /// The receipt of a statement that was brought back and is handed in once more: its idempotency key is gone, and
    /// without this its author would be told that somebody else was faster.
    pub(crate) async fn regained(&mut self, item: &Item) -> Result<Option<Receipt>, StoreError> {
        let statement = item.statement();
        if item.is_sealed() || self.world.recoveries().is_empty() {
            return Ok(None);
        }
        let name = statement.stream.to_string();
        let head = match self.streams.get_mut(&name) {
            Ok(stream) => stream.0,
            Err(_) => return Ok(None),
        };
        if head.is_none_or(|head| head.revision < statement.revision) {
            return Ok(None);
        }
        let known = self.store.look_up(Vec::new(), vec![name]).await?;
        for row in known.streams.into_iter().filter(|row| self.world.was_brought_back(row.index)) {
            let entry = parse_entry(row.index, row.bytes)?;
            let note = entry.content.statement().map(|signed| Digest::of(signed.note.to_string().as_bytes()));
            if note == Some(item.admitted.request) {
                return Ok(Some(Receipt::of(&entry)));
            }
        }
        Ok(None)
    }
}

fn open(row: &Row) -> Option<&serde_json::Map<String, serde_json::Value>> {
    if let Row::Open { row, .. } = row { Some(row) } else { None }
}

/// Keeps the files that the entries name as if they had been handed in, durably and before the commit. One that is not in
/// the copy was withdrawn: the mirror would not have accepted it otherwise.
async fn keep_attachments(layout: &Layout, copy: &Path, draft: &Draft) -> Result<(), RegainError> {
    let named: Vec<Digest> = draft.entries.iter().flat_map(|entry| entry.attachments.iter().copied()).collect();
    let (layout, copy) = (layout.clone(), copy.to_owned());
    blocking(move || {
        for hash in named {
            let path = copy.join(hash.to_hex());
            if layout.attachment(&hash).is_file() || !path.is_file() {
                continue;
            }
            let bytes = fs::read(&path).map_err(|e| StoreError::file("reading", &path, e))?;
            if Digest::of(&bytes) != hash {
                return Err(
                    StoreError::Foreign { name: path.display().to_string(), reason: ANOTHER_HASH.into() }.into()
                );
            }
            attachments::keep(&layout, &bytes)?;
        }
        Ok(())
    })
    .await
}
