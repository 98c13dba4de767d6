//! The program in use for a while: it needs no more memory, files or threads at the end than in the middle, but for what is
//! known to grow; no queue grows; and afterwards every receipt is its entry and everything verifies.
//!
//! Sixty seconds with the other tests; by command as long as one likes:
//! `GONGKAI_SOAK_SECONDS=600 cargo test -p gongkai-tests --test soak -- --nocapture`. The first third is for warming up; the
//! others are held against each other. Not here: how fast it is (`benches`), and what it survives (`faults`).

#![expect(clippy::unwrap_used, reason = "a test stops where a process does")]

mod clients;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use gongkai_log::VerifierKey;
use gongkai_store::PublishedLog;
use gongkai_tests::gauges::Gauges;
use gongkai_tests::server::until;
use gongkai_tests::{Server, TestLedger, get};

use self::clients::{Done, READERS, WRITERS, ask_again, read, record};

/// A look at the process each second.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What an entry may take in memory: its pages in the caches of those who write and read rows (some 5 KiB on the disk, in more
/// than one of them) ...
const ENTRY_BYTES: u64 = 8 << 10;
/// ... until the caches are full: 32 MiB each of ledger and views, 16 MiB twice of the vault, 64 MiB of the index, 8 MiB each of
/// entries and pages, 2 MiB of each reader.
const CACHES_BYTES: u64 = 240 << 20;
/// What is known of a stream that was written lately: its name, its head and the state of its matter, a data key ...
const STREAM_BYTES: u64 = 1 << 10;
/// ... for as many as are kept.
const STREAMS_MAX: u64 = 65_536;
/// What comes and goes: the tree of a sealed period, segments of the index that are merged, what the allocator has not given
/// back. In ten minutes it moves by as much between one moment and the next.
const PASSING_BYTES: u64 = 64 << 20;
/// Connections of pools that nobody needed before: each has a thread, and a file with its log and its index. A pool has no
/// more of them than there are clients.
const LATE_CONNECTIONS: u64 = 8;
/// Entries that views may be behind in full use.
const BEHIND_MAX: u64 = 1_024;

/// How long it goes on: a minute, or what the environment says.
fn seconds() -> u64 {
    std::env::var("GONGKAI_SOAK_SECONDS").map_or(60, |text| text.parse().unwrap()).max(6)
}

/// What is seen of the program at one moment.
struct Look {
    gauges: Gauges,
    streams: u64,
    numbers: BTreeMap<&'static str, u64>,
}

/// Numbers that the program shows of itself.
const NUMBERS: [&str; 7] = [
    "gongkai_accepting",
    "gongkai_queue_waiting",
    "gongkai_queue_max",
    "gongkai_http_requests_in_flight",
    "gongkai_views_behind_entries",
    "gongkai_internal_views_behind_entries",
    "gongkai_entries_committed",
];

impl Look {
    fn at(pid: u32, metrics: &str, done: &Done) -> Self {
        let text = get(metrics).text();
        let number = |name: &'static str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            (name, line.unwrap_or_else(|| panic!("{name} is not in\n{text}")).parse().unwrap())
        };
        let numbers = NUMBERS.into_iter().map(number).collect();
        Self { gauges: Gauges::of(pid), streams: done.streams.load(Ordering::Relaxed), numbers }
    }

    fn number(&self, name: &str) -> u64 {
        self.numbers[name]
    }

    /// What is known to grow, as far as it has grown by now.
    fn known_bytes(&self) -> u64 {
        let pages = (self.number("gongkai_entries_committed") * ENTRY_BYTES).min(CACHES_BYTES);
        pages + self.streams.min(STREAMS_MAX) * STREAM_BYTES
    }

    /// No queue is longer than there are clients, and nobody is left behind.
    fn queues_are_short(&self) {
        let all = WRITERS + READERS;
        assert_eq!((self.number("gongkai_accepting"), self.number("gongkai_queue_max")), (1, 8_192));
        assert!(self.number("gongkai_queue_waiting") <= WRITERS, "{:?}", self.numbers);
        assert!(self.number("gongkai_http_requests_in_flight") <= all, "{:?}", self.numbers);
        assert!(self.number("gongkai_views_behind_entries") <= BEHIND_MAX, "{:?}", self.numbers);
        assert!(self.number("gongkai_internal_views_behind_entries") <= BEHIND_MAX, "{:?}", self.numbers);
    }

    fn say(&self, second: u64) {
        let Gauges { memory_bytes, resident_bytes, files, threads } = self.gauges;
        let (memory, resident) = (memory_bytes >> 20, resident_bytes >> 20);
        let entries = self.number("gongkai_entries_committed");
        println!("{second} s: {memory} MiB ({resident} resident), {files} files, {threads} threads, {entries} entries");
    }
}

/// The value in the middle.
fn median(values: impl Iterator<Item = u64>) -> u64 {
    let mut values: Vec<u64> = values.collect();
    values.sort_unstable();
    values[values.len() / 2]
}

/// The last third of the looks stands where the middle one did, but for what is known to grow.
fn steady(looks: &[Look]) {
    let third = looks.len() / 3;
    let (middle, last) = (&looks[third..2 * third], &looks[2 * third..]);
    let memory = |looks: &[Look]| median(looks.iter().map(|look| look.gauges.memory_bytes));
    let known = |looks: &[Look]| median(looks.iter().map(Look::known_bytes));
    let grown = memory(last).saturating_sub(memory(middle));
    let allowed = PASSING_BYTES + known(last) - known(middle);
    println!("{} MiB, then {} MiB; {} MiB may have come", memory(middle) >> 20, memory(last) >> 20, allowed >> 20);
    assert!(grown <= allowed, "memory grew by {grown} bytes, of which {allowed} are known");
    // The least of a third: what is open while a request is answered comes and goes.
    let floor = |looks: &[Look], of: fn(&Gauges) -> u64| looks.iter().map(|look| of(&look.gauges)).min().unwrap();
    let files = [middle, last].map(|looks| floor(looks, |gauges| gauges.files));
    assert!(files[1] <= files[0] + 3 * LATE_CONNECTIONS, "open files: {files:?}");
    let threads = [middle, last].map(|looks| floor(looks, |gauges| gauges.threads));
    assert!(threads[1] <= threads[0] + LATE_CONNECTIONS, "threads: {threads:?}");
}

/// Waits for the period that takes in what was promised last: nothing is owed when the server stops.
fn the_last_period(server: &Server) {
    let from = server.size();
    let is_period = |index: u64| server.get(&format!("/entries/{index}")).text().contains("gongkai.sealed/v1");
    until("the last period", || (from..server.size()).any(is_period).then_some(()));
}

/// Every receipt is its entry, in the published files.
fn every_receipt_is_its_entry(ledger: &TestLedger, done: &Done) {
    let vkey = VerifierKey::parse(&ledger.vkey()).unwrap();
    let log = PublishedLog::open(ledger.dir().join("log"), vkey).unwrap();
    let receipts = done.receipts.lock().unwrap();
    let entries: BTreeMap<u64, String> = log
        .entries(0, ledger.size())
        .unwrap()
        .into_iter()
        .map(|entry| (entry.index, gongkai_log::Digest::of(&entry.bytes).to_string()))
        .collect();
    assert!(!receipts.is_empty());
    for (index, hash) in receipts.iter() {
        assert_eq!(entries.get(index), Some(hash), "entry {index} has a receipt");
    }
}

#[test]
fn memory_files_and_threads_stay_what_they_are_while_it_is_in_use() {
    let ledger = TestLedger::new();
    ledger.add_vault();
    let server = Server::start_with(&ledger.dir(), |command| {
        command.env("GONGKAI_METRICS_LISTEN", "127.0.0.1:0");
        // Often enough for several in a minute.
        command.env("GONGKAI_SEALED_PERIOD_SECONDS", "10").env("GONGKAI_MAP_SECONDS", "10");
    });
    let metrics = until("the address of the numbers", || {
        server.said().lines().find_map(|line| line.strip_prefix("指标 ").map(str::to_owned))
    });
    let (done, stop, pid) = (Done::default(), AtomicBool::new(false), server.pid());
    let looks = std::thread::scope(|scope| {
        for name in 0..WRITERS {
            let (internal, done, stop) = (server.internal.clone(), &done, &stop);
            scope.spawn(move || record(&internal, name, done, stop));
        }
        for _ in 0..READERS {
            let (url, done, stop) = (server.url.clone(), &done, &stop);
            scope.spawn(move || read(&url, done, stop));
        }
        let _end = End(&stop);
        let (_open, never) = mpsc::channel::<()>();
        let begun = Instant::now();
        let look = |second: u64| {
            let due = begun + LOOK_EVERY * u32::try_from(second).unwrap();
            let _ = never.recv_timeout(due.saturating_duration_since(Instant::now()));
            let look = Look::at(pid, &metrics, &done);
            if second.is_multiple_of(10) {
                look.say(second);
            }
            look.queues_are_short();
            look
        };
        (1..=seconds()).map(look).collect::<Vec<_>>()
    });
    println!("{done}");
    for behind in ["gongkai_views_behind_entries", "gongkai_internal_views_behind_entries"] {
        until(behind, || (Look::at(pid, &metrics, &done).number(behind) == 0).then_some(()));
    }
    ask_again(&server.internal, &done);
    the_last_period(&server);
    assert!(server.stop().success());
    every_receipt_is_its_entry(&ledger, &done);
    ledger.check();
    let _ = ledger.run("verify", &["--with-vault"]).ok();
    steady(&looks);
}

/// Ends the work of the other threads with the scope that it is in, also where an assertion fails.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
