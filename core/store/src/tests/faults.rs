//! Cases 3, 4, 5 and 9: failing flushes, torn tails, full disks, two writers; and the conformance suite.

use std::{
    collections::BTreeSet,
    fs,
    sync::{Arc, Mutex},
    time::Duration,
};

use chrono::TimeDelta;
use gongkai_log::{Digest, Entry, Openings, SignedStatement, Signer, Statement, StreamId, merkle, slot};

use super::helpers::{copy, restore, verifies};
use crate::{
    Batch, EventStore, Halt, Layout, Ledger, LogHead, NewEntry, OpenError, Place, RawEntry, RowStore, Settings,
    StoreError, SubmitError, conformance,
    event_store::{Erased, Known, Publication, RawSealed, SealedValue, Waiting},
    ledger::take_lock,
    read_back::ChainEnd,
    tables,
    testing::{COUNTY, Fixture, key, ledger_keys, pledge, start_time},
};

const BUSY: Duration = Duration::from_secs(5);

#[tokio::test]
async fn sqlite_does_what_a_ledger_database_must_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let place = Place::File(path);
    RowStore::create(&place).await.unwrap();
    conformance::run(|| async { RowStore::open(&place, BUSY).await.unwrap() }).await;
}

/// How the next append fails.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fault {
    Full,
    Locked,
    /// The write fails before anything is on disk.
    Device,
    /// The flush fails, and the transaction is on disk all the same.
    Flush,
}

pub(super) type Faults = Arc<Mutex<(Vec<Fault>, u64)>>;

/// A store that fails when it is told to, and counts appends.
pub(super) struct Faulty {
    pub inner: RowStore,
    pub faults: Faults,
}

impl EventStore for Faulty {
    async fn load_head(&mut self) -> Result<LogHead, StoreError> {
        self.inner.load_head().await
    }
    async fn load_range(&mut self, from: u64, to: u64) -> Result<Vec<RawEntry>, StoreError> {
        self.inner.load_range(from, to).await
    }
    async fn look_up(&mut self, keys: Vec<String>, streams: Vec<String>) -> Result<Known, StoreError> {
        self.inner.look_up(keys, streams).await
    }
    async fn load_last_period(&mut self) -> Result<Option<u64>, StoreError> {
        self.inner.load_last_period().await
    }
    async fn count_sealed(&mut self) -> Result<u64, StoreError> {
        self.inner.count_sealed().await
    }
    async fn load_waiting(&mut self) -> Result<Vec<Waiting>, StoreError> {
        self.inner.load_waiting().await
    }
    async fn load_sealed(&mut self, tags: Vec<[u8; 16]>) -> Result<Vec<RawSealed>, StoreError> {
        self.inner.load_sealed(tags).await
    }
    async fn load_sealed_event(&mut self, seq: u64) -> Result<Option<RawSealed>, StoreError> {
        self.inner.load_sealed_event(seq).await
    }
    async fn find_sealed(&mut self, commitment: Digest) -> Result<Option<RawSealed>, StoreError> {
        self.inner.find_sealed(commitment).await
    }
    async fn load_erasures(&mut self) -> Result<Vec<Erased>, StoreError> {
        self.inner.load_erasures().await
    }
    async fn finish_erasure(&mut self, tag: [u8; 16]) -> Result<(), StoreError> {
        self.inner.finish_erasure(tag).await
    }
    async fn load_sealed_values(&mut self, index: u64) -> Result<Vec<SealedValue>, StoreError> {
        self.inner.load_sealed_values(index).await
    }
    async fn append(&mut self, batch: Batch) -> Result<(), StoreError> {
        let fault = {
            let mut faults = self.faults.lock().unwrap();
            faults.1 += 1;
            faults.0.pop()
        };
        let source = sqlx::Error::PoolTimedOut;
        match fault {
            None => self.inner.append(batch).await,
            Some(Fault::Full) => Err(StoreError::Full { doing: "committing", source }),
            Some(Fault::Locked) => Err(StoreError::Locked { doing: "committing", source }),
            Some(Fault::Device) => Err(StoreError::Device { doing: "committing", source }),
            Some(Fault::Flush) => {
                self.inner.append(batch).await?;
                Err(StoreError::Device { doing: "committing", source })
            }
        }
    }
    async fn load_publication(&mut self) -> Result<Option<Publication>, StoreError> {
        self.inner.load_publication().await
    }
    async fn save_publication(&mut self, publication: Publication) -> Result<(), StoreError> {
        self.inner.save_publication(publication).await
    }
    async fn load_halt(&mut self) -> Result<Option<Halt>, StoreError> {
        self.inner.load_halt().await
    }
    async fn save_halt(&mut self, halt: Halt) -> Result<(), StoreError> {
        self.inner.save_halt(halt).await
    }
    async fn close(self) -> Result<(), StoreError> {
        self.inner.close().await
    }
}

/// The fixture's ledger over a store that can be made to fail.
async fn faulty() -> (Fixture, Faults) {
    let mut fixture = Fixture::new().await;
    fixture.publisher("丙", COUNTY).await;
    fixture.ledger.shutdown().await;
    let layout = fixture.layout();
    let faults = Faults::default();
    let inner = RowStore::open(&Place::of(&layout).unwrap(), BUSY).await.unwrap();
    let store = Faulty { inner, faults: faults.clone() };
    let lock = take_lock(&layout).unwrap();
    let opened =
        Ledger::start_with(store, &layout, ledger_keys(), fixture.clock.clone(), Settings::default(), lock).await;
    fixture.ledger = opened.unwrap();
    (fixture, faults)
}

#[tokio::test]
async fn a_full_disk_writes_nothing_partial_and_later_submissions_succeed() {
    let (mut fixture, faults) = faulty().await;
    for fault in [Fault::Full, Fault::Locked] {
        let size = fixture.ledger.health().committed;
        let submission = fixture.opening(&pledge(COUNTY, 1), &[("publisher", "丙")]);
        faults.lock().unwrap().0.push(fault);
        let key = Some(format!("{fault:?}"));
        let answer = fixture.ledger.submit(key.clone(), submission.clone()).await;
        assert!(matches!(answer, Err(SubmitError::Storage(_))), "{answer:?}");
        assert_eq!(fixture.ledger.health(), crate::Health { halted: None, committed: size, published: size });
        assert_eq!(fixture.ledger.submit(key, submission).await.unwrap().index, size);
        fixture.published().await;
    }
    verifies(&fixture).await;
}

#[tokio::test]
async fn a_batch_that_failed_leaves_no_trace_in_the_world() {
    let (mut fixture, faults) = faulty().await;
    let org = serde_json::json!({"kind": "organization.registered.v1", "org": COUNTY,
        "fields": {"code": "341599101", "level": "township", "parent": COUNTY, "name": "柳溪镇(虚构)"}});
    let registered = fixture.opening(&org, &[("registrar", "甲")]);
    faults.lock().unwrap().0.push(Fault::Full);
    assert!(fixture.ledger.submit(None, registered.clone()).await.is_err());
    assert!(fixture.ledger.with_world(|world| world.organization("341599101").is_none()));
    // Judged again from the start: neither the code nor the stream is taken.
    fixture.ledger.submit(None, registered).await.unwrap();
    assert!(fixture.ledger.with_world(|world| world.organization("341599101").is_some()));
    verifies(&fixture).await;
}

#[tokio::test]
async fn a_failed_flush_stops_all_acknowledging_and_is_never_tried_again() {
    for fault in [Fault::Device, Fault::Flush] {
        let (mut fixture, faults) = faulty().await;
        let submission = fixture.opening(&pledge(COUNTY, 1), &[("publisher", "丙")]);
        faults.lock().unwrap().0.push(fault);
        let key = Some("k-1".to_owned());
        let answer = fixture.ledger.submit(key.clone(), submission.clone()).await;
        assert!(matches!(answer, Err(SubmitError::Halted(_))), "{fault:?}: {answer:?}");
        let appends = faults.lock().unwrap().1;
        for _ in 0..3 {
            let answer = fixture.ledger.submit(key.clone(), submission.clone()).await;
            assert!(matches!(answer, Err(SubmitError::Halted(_))), "{fault:?}: {answer:?}");
        }
        assert!(fixture.ledger.resume().await.is_err(), "asking does not mend a disk");
        assert_eq!(faults.lock().unwrap().1, appends, "no second flush");
        assert_eq!(fixture.ledger.entries(0, 5).await.unwrap().len(), 5, "reading goes on");
        // A restart verifies the tail and knows what is on disk: the same key gives exactly one entry.
        fixture.reopen().await.unwrap();
        assert_eq!(fixture.ledger.health().halted, None);
        let receipt = fixture.ledger.submit(key, submission).await.unwrap();
        assert_eq!((receipt.index, fixture.ledger.health().committed), (5, 6));
        verifies(&fixture).await;
    }
}

#[tokio::test]
async fn a_database_that_is_full_takes_nothing_and_goes_on_when_there_is_room() {
    let mut fixture = Fixture::new().await;
    fixture.publisher("丙", COUNTY).await;
    fixture.ledger.shutdown().await;
    let layout = fixture.layout();
    let mut store = RowStore::open(&Place::of(&layout).unwrap(), BUSY).await.unwrap();
    let head = store.load_head().await.unwrap();
    store.limit_pages(1).await;
    let entries = |count: u64| (0..count).map(|n| plain(head.size + n)).collect::<Vec<_>>();
    let full = store.append(plain_batch(&head, entries(200))).await;
    assert!(matches!(full, Err(StoreError::Full { .. })), "{full:?}");
    assert_eq!(store.load_head().await.unwrap(), head);
    assert_eq!(store.load_range(head.size, head.size + 200).await.unwrap(), []);
    store.limit_pages(1_000_000).await;
    store.append(plain_batch(&head, entries(200))).await.unwrap();
    assert_eq!(store.load_range(head.size, head.size + 200).await.unwrap().len(), 200);
}

fn plain(index: u64) -> NewEntry {
    NewEntry {
        bytes: vec![b'x'; 1_000],
        stream: Some((format!("plain/{index}"), 0)),
        openings: Some("o".repeat(1_000)),
        ..NewEntry::default()
    }
}

fn plain_batch(head: &LogHead, entries: Vec<NewEntry>) -> Batch {
    let mut after = head.clone();
    for entry in &entries {
        after.edge.append(merkle::leaf_hash(&entry.bytes)).unwrap();
        after.entry_hash = Digest::of(&entry.bytes);
        after.size += 1;
    }
    Batch::of(head.size, entries, after)
}

#[tokio::test]
async fn of_two_sequencers_exactly_one_commits_and_the_stale_one_is_fenced_for_good() {
    let mut fixture = Fixture::new().await;
    fixture.publisher("丙", COUNTY).await;
    fixture.published().await;
    let (one, two) = (
        fixture.opening(&pledge(COUNTY, 1), &[("publisher", "丙")]),
        fixture.opening(&pledge(COUNTY, 2), &[("publisher", "丙")]),
    );
    let stale = fixture.ledger.clone();
    // Another machine does not see the lock: remove it as such a file system would.
    fs::remove_file(fixture.layout().lock()).unwrap();
    fixture.open().await.unwrap();
    // Even before the new one has written anything, the old one is out.
    let answer = stale.submit(None, one.clone()).await;
    assert!(matches!(&answer, Err(SubmitError::Halted(reason)) if reason.contains("接管")), "{answer:?}");
    let receipt = fixture.ledger.submit(None, two).await.unwrap();
    assert_eq!(receipt.index, 5);
    assert!(matches!(stale.submit(None, one.clone()).await, Err(SubmitError::Halted(_))));
    fixture.ledger.submit(None, one).await.unwrap();
    assert_eq!(verifies(&fixture).await.size, 7);
    stale.shutdown().await;
    verifies(&fixture).await;
}

/// Whether the copy at `layout` holds whole commits only; gives its head.
async fn whole(layout: &Layout) -> Result<(u64, Digest), StoreError> {
    let mut connection = Place::of(layout)?.read(BUSY).await?;
    let (head, _) = tables::load_head(&mut connection).await?;
    assert_eq!(tables::count(&mut connection).await?, head.size, "no half commit");
    let mut end = ChainEnd::start();
    for (index, bytes) in tables::load_bytes(&mut connection, 0, head.size).await? {
        end.follow(index, &bytes).map_err(|reason| StoreError::row(index, "bytes", reason))?;
    }
    assert_eq!(end.hash, head.entry_hash);
    Ok((head.size, head.entry_hash))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tail_that_is_cut_or_scrambled_anywhere_leaves_the_last_whole_commit() {
    let mut fixture = Fixture::new().await;
    fixture.publisher("丙", COUNTY).await;
    let mut heads = BTreeSet::new();
    for number in 0..4 {
        let receipt = fixture.submit(&pledge(COUNTY, number), &[("publisher", "丙")]).await.unwrap();
        heads.insert((receipt.index + 1, receipt.entry_hash));
    }
    fixture.published().await;
    // The image of a machine that stops now: nothing is closed, the WAL holds the commits.
    let image = tempfile::tempdir().unwrap();
    copy(fixture.layout().root(), image.path());
    let (database, wal) =
        (fs::read(image.path().join("ledger.db")).unwrap(), fs::read(image.path().join("ledger.db-wal")).unwrap());
    assert!(wal.len() > 3 * 4_096, "{} bytes of WAL", wal.len());
    let from = wal.len() - 4_096;
    let work = tempfile::tempdir().unwrap();
    let layout = Layout::new(work.path());
    let mut seen = BTreeSet::new();
    for offset in from..wal.len() {
        let mut scrambled = wal.clone();
        scrambled[offset] ^= 0xA5;
        for torn in [&wal[..offset], &scrambled] {
            // SQLite removes the shared memory file's content by itself when it recovers.
            let _ = fs::remove_file(work.path().join("ledger.db-shm"));
            fs::write(layout.database(), &database).unwrap();
            fs::write(work.path().join("ledger.db-wal"), torn).unwrap();
            let head = whole(&layout).await.unwrap();
            assert!(heads.contains(&head), "offset {offset}: {} entries were never a head", head.0);
            seen.insert(head);
        }
    }
    assert_eq!(
        seen.into_iter().map(|head| head.0).collect::<Vec<_>>(),
        [8],
        "the last commit is gone, the one before is whole"
    );
    // The last receipt is gone although it was published: that is said, and not papered over.
    for name in ["ledger.db", "ledger.db-wal"] {
        fs::copy(image.path().join(name), work.path().join(name)).unwrap();
    }
    let _ = fs::remove_file(work.path().join("ledger.db-shm"));
    copy(&image.path().join("log"), &work.path().join("log"));
    fs::write(work.path().join("ledger.db-wal"), &wal[..from]).unwrap();
    let opened = Ledger::open(&layout, ledger_keys(), fixture.clock.clone(), Settings::default()).await;
    assert!(matches!(opened, Err(OpenError::Behind { size: 8, published: 9 })), "{opened:?}");
    // Without a published checkpoint nobody was promised it: the ledger goes on from the whole commit.
    fs::remove_dir_all(work.path().join("log")).unwrap();
    let opened = Ledger::open(&layout, ledger_keys(), fixture.clock.clone(), Settings::default()).await.unwrap();
    assert_eq!((opened.recovery().size, opened.health().published), (8, 8));
    opened.shutdown().await;
}

#[tokio::test]
async fn a_database_file_whose_tail_is_scrambled_or_cut_never_opens_with_other_content() {
    let mut fixture = Fixture::new().await;
    fixture.publisher("丙", COUNTY).await;
    let many = fixture.pledges(20, "丙", COUNTY).into_iter().map(|s| (None, s)).collect();
    fixture.ledger.submit_many(many).await;
    fixture.published().await;
    fixture.ledger.shutdown().await;
    let pristine = fs::read(fixture.layout().database()).unwrap();
    let entries = read_all(&fixture).await;
    let (mut refused, mut unchanged) = (0, 0);
    for step in 0..64 {
        let offset = pristine.len() - 8_192 + step * 128 + 7;
        let mut scrambled = pristine.clone();
        scrambled[offset] ^= 0xA5;
        for torn in [&pristine[..offset], &scrambled] {
            let work = tempfile::tempdir().unwrap();
            let layout = Layout::new(work.path());
            copy(fixture.layout().root(), work.path());
            restore(&layout, torn);
            match Ledger::open(&layout, ledger_keys(), fixture.clock.clone(), Settings::default()).await {
                Ok(ledger) => {
                    let alarmed = !ledger.recovery().alarms.is_empty();
                    let now = ledger.entries(0, 1_000).await;
                    let same =
                        now.is_ok_and(|now| now.into_iter().map(|stored| stored.bytes).eq(entries.iter().cloned()));
                    assert!(same || alarmed, "offset {offset}");
                    unchanged += 1;
                    ledger.shutdown().await;
                }
                Err(OpenError::Damaged(_) | OpenError::Disagrees { .. } | OpenError::Store(_)) => refused += 1,
                Err(other) => panic!("offset {offset}: {other:?}"),
            }
        }
    }
    assert!(refused > 0 && unchanged > 0, "{refused} refused, {unchanged} in bytes that are not in use");
}

async fn read_all(fixture: &Fixture) -> Vec<Vec<u8>> {
    let reader = crate::ReadStore::open(&fixture.layout()).await.unwrap();
    reader.entries(0, 1_000).await.unwrap().into_iter().map(|stored| stored.bytes).collect()
}

/// A statement of a kind that only a later version knows, well formed and signed.
fn statement_of_the_future() -> (SignedStatement, Openings) {
    let filler = |n: u8| slot::empty(&[n; 32], &[n ^ 0xFF; 32]);
    let commitments: [Digest; slot::SLOTS] = std::array::from_fn(|n| filler(u8::try_from(n).unwrap()));
    let alice = key("甲.example/1", 10);
    let statement = Statement {
        origin: crate::testing::ORIGIN.into(),
        kind: "registry.imagined.v9".into(),
        stream: StreamId::new("registry", uuid::Uuid::from_u128(9)).unwrap(),
        revision: 0,
        parent: None,
        org: COUNTY.into(),
        declared_at: crate::sequencer::china_time(start_time()),
        signers: vec![Signer { role: "registrar".into(), key: alice.name().into() }],
        proxy: None,
        body: serde_json::Map::new(),
        slots: slot::root(&commitments),
    };
    let signed = SignedStatement::sign(&statement, &[&alice]).unwrap();
    (signed, Openings { index: 0, commitments, open: Vec::new() })
}

/// Appends an entry as a later version would, past this version's judgement.
async fn append_raw(fixture: &Fixture, bend: impl FnOnce(&mut LogHead)) {
    let mut store = RowStore::open(&Place::of(&fixture.layout()).unwrap(), BUSY).await.unwrap();
    let head = store.load_head().await.unwrap();
    let (signed, mut openings) = statement_of_the_future();
    openings.index = head.size;
    let recorded_at = head.recorded_at + TimeDelta::seconds(0);
    let bytes = Entry::seal(head.size, recorded_at, head.entry_hash, &signed.note.to_string()).unwrap();
    let mut after = head.clone();
    after.edge.append(merkle::leaf_hash(&bytes)).unwrap();
    after.size += 1;
    after.entry_hash = Digest::of(&bytes);
    bend(&mut after);
    let entry = NewEntry {
        bytes,
        stream: Some((signed.statement.stream.to_string(), 0)),
        openings: Some(openings.to_line().unwrap()),
        ..NewEntry::default()
    };
    let batch = Batch::of(head.size, vec![entry], after);
    store.append(batch).await.unwrap();
    store.close().await.unwrap();
}

/// See [`statement_of_the_future`].
pub(super) async fn append_of_the_future(fixture: &Fixture) {
    append_raw(fixture, |_| ()).await;
}

/// Commits an entry whose head was computed over other bytes.
pub(super) async fn commit_with_a_flip(fixture: &Fixture) {
    append_raw(fixture, |head| head.entry_hash = Digest::of(b"other bytes")).await;
}
