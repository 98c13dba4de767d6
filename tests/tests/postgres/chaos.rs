//! Whatever befalls three nodes that share a ledger, its views, a replica of them and a bucket: no receipt and no promise is
//! lost, and there is one history.
//!
//! To add what may befall them, add a [`Fault`] and what it does to [`Chaos::strike`].

use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, RwLock};

use gongkai_log::Digest;
use gongkai_tests::ledger;
use gongkai_tests::load::{Random, hand_in, moment, rounds, submission};
use gongkai_tests::objects::How;
use gongkai_tests::process::signal;
use gongkai_tests::server::{get, try_get, until};
use gongkai_tests::shim::{ENOSPC, WRITE};
use gongkai_tests::statement::Draft;
use gongkai_tests::{ObjectServer, Outsider, Postgres, Server, Shim, TestLedger, gongkai, snapshot};
use serde_json::Value;
use sqlx::Executor as _;

use crate::ledger::{insist_at, tables};
use crate::nodes::{End, agreed, check, join, with_contact};
use crate::serving::{share_views, tell};

/// Submitters at once.
const WRITERS: usize = 4;

/// A node under test, and the shim in it.
pub struct Node {
    pub server: Server,
    pub shim: Shim,
}

impl Node {
    pub fn start(dir: &Path) -> Self {
        Self::start_beside(dir, None)
    }

    /// One that puts what is published into a bucket.
    fn start_beside(dir: &Path, bucket: Option<&ObjectServer>) -> Self {
        let shim = Shim::new(dir);
        let server = Server::start_with(dir, |command| {
            command.envs(bucket.map(ObjectServer::environment).into_iter().flatten());
            // Several periods in a run, and time enough for a promise while everything is down.
            command.env("GONGKAI_SEALED_PERIOD_SECONDS", "15");
            shim.load(command);
        });
        Self { server, shim }
    }

    fn addresses(&self) -> (String, String) {
        (self.server.internal.clone(), self.server.url.clone())
    }
}

/// What befalls.
#[derive(Debug, Clone, Copy)]
enum Fault {
    Killed,
    Paused,
    Cut,
    DiskFull,
    ClockWrong,
    DatabaseDown,
    ReplicaLate,
    ReplicaDown,
    BucketAway,
    AnswersOfTheBucketLost,
}

const FAULTS: [Fault; 10] = [
    Fault::Killed,
    Fault::ReplicaLate,
    Fault::BucketAway,
    Fault::Paused,
    Fault::Cut,
    Fault::ReplicaDown,
    Fault::DiskFull,
    Fault::AnswersOfTheBucketLost,
    Fault::ClockWrong,
    Fault::DatabaseDown,
];

/// Where each node takes submissions and is read now.
type Addresses = RwLock<Vec<(String, String)>>;

/// Three nodes under load, and what befalls them.
struct Chaos {
    postgres: Postgres,
    replica: Postgres,
    bucket: ObjectServer,
    dirs: Vec<PathBuf>,
    nodes: Vec<Node>,
    addresses: Arc<Addresses>,
    random: Random,
}

impl Chaos {
    fn begin(postgres: Postgres, replica: Postgres, dirs: Vec<PathBuf>) -> Self {
        let bucket = ObjectServer::start();
        let nodes: Vec<Node> = dirs.iter().map(|dir| Node::start_beside(dir, Some(&bucket))).collect();
        let addresses = Arc::new(RwLock::new(nodes.iter().map(Node::addresses).collect()));
        Self { postgres, replica, bucket, dirs, nodes, addresses, random: Random::new() }
    }

    /// Ends a node, in whichever state it is, and starts it again.
    fn start_again(&mut self, place: usize) {
        self.nodes.remove(place).server.kill();
        let node = Node::start_beside(&self.dirs[place], Some(&self.bucket));
        self.addresses.write().unwrap()[place] = node.addresses();
        self.nodes.insert(place, node);
    }

    /// Everything that is put into the bucket fails, or is done and not answered.
    fn bucket_fails(&mut self, how: How) {
        self.bucket.fault("PUT ", how, usize::MAX);
        moment(&mut self.random, 2_000_000);
        self.bucket.heal();
    }

    /// One fault, and the end of it.
    fn strike(&mut self, fault: Fault) {
        let place = usize::try_from(self.random.below(self.nodes.len() as u64)).unwrap();
        println!("{fault:?} {place}");
        moment(&mut self.random, 300_000);
        match fault {
            Fault::Killed => self.start_again(place),
            Fault::Paused => {
                let pid = self.nodes[place].server.pid();
                signal(pid, "STOP");
                moment(&mut self.random, 2_000_000);
                signal(pid, "CONT");
            }
            Fault::Cut => {
                let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'gongkai' \
                           AND pid % 2 = 0";
                let runtime = tokio::runtime::Runtime::new().unwrap();
                runtime.block_on(async { tables(&self.postgres).await.execute(cut).await }).unwrap();
            }
            Fault::DiskFull => {
                self.nodes[place].shim.arm(WRITE, 1, u64::MAX, ENOSPC);
                moment(&mut self.random, 500_000);
                self.nodes[place].shim.disarm();
                // Views and search may have stopped for good on a full disk; what was answered is in the database.
                self.start_again(place);
            }
            Fault::ClockWrong => {
                self.nodes[place].shim.put_clock_wrong(if self.random.below(2) == 0 { 3_600 } else { -3_600 });
                moment(&mut self.random, 500_000);
                self.start_again(place);
            }
            Fault::DatabaseDown => {
                self.postgres.crash();
                moment(&mut self.random, 300_000);
                self.postgres.come_back();
            }
            Fault::ReplicaLate => {
                tell(&self.replica, "SELECT pg_wal_replay_pause()");
                moment(&mut self.random, 2_000_000);
                tell(&self.replica, "SELECT pg_wal_replay_resume()");
            }
            Fault::ReplicaDown => {
                self.replica.crash();
                moment(&mut self.random, 300_000);
                self.replica.come_back();
            }
            Fault::BucketAway => self.bucket_fails(How::Refused),
            Fault::AnswersOfTheBucketLost => self.bucket_fails(How::Lost),
        }
    }
}
/// What was answered.
#[derive(Default)]
struct Answered {
    /// Receipts by index: the idempotency key and the entry's hash.
    receipts: Mutex<BTreeMap<u64, (String, String)>>,
    /// Sealed submissions with their keys and promises.
    promises: Mutex<Vec<(String, String, Value)>>,
}

impl Answered {
    fn count(&self) -> usize {
        self.receipts.lock().unwrap().len() + self.promises.lock().unwrap().len()
    }

    fn keep(&self, key: String, body: String, answer: Value) {
        if answer["promised"].is_object() || answer["promise"].is_string() {
            self.promises.lock().unwrap().push((key, body, answer));
            return;
        }
        let (index, hash) = (answer["index"].as_u64().unwrap(), answer["entry_hash"].as_str().unwrap().to_owned());
        let known = self.receipts.lock().unwrap().insert(index, (key, hash));
        assert!(known.is_none(), "two receipts for entry {index}");
    }
}

/// What is recorded next: a pledge, one with a slot for the vault, or a sealed event.
fn next(number: usize) -> String {
    match number % 4 {
        0 => with_contact(&format!("装第{number}盏路灯")),
        1 => {
            let signers = vec![("publisher", ledger::key("publisher.example/1"))];
            Draft::new(ledger::access(number as u64), signers).submission().to_string()
        }
        _ => submission(),
    }
}

/// Submits until it is told to stop; each submission goes from node to node under its key until there is a receipt.
fn submit(addresses: &Addresses, answered: &Answered, stop: &AtomicBool) {
    static KEYS: AtomicUsize = AtomicUsize::new(0);
    while !stop.load(Ordering::Relaxed) {
        let number = KEYS.fetch_add(1, Ordering::Relaxed);
        let (key, body, asked) = (format!("chaos-{number}"), next(number), Cell::new(number));
        let answer = until("a receipt from some node", || {
            let address = {
                let addresses = addresses.read().unwrap();
                addresses[asked.replace(asked.get() + 1) % addresses.len()].0.clone()
            };
            hand_in(&address, &key, &body).filter(|answer| {
                assert!(answer.status < 300 || [429, 503, 507].contains(&answer.status), "{}", answer.text());
                answer.status < 300
            })
        });
        answered.keep(key, body, answer.json());
    }
}

/// Sees the checkpoints of all nodes and of the bucket: never two of one size that differ, and the bucket's never goes back.
fn watch(addresses: &Addresses, bucket: &str, outsider: &Mutex<Outsider>, stop: &AtomicBool) {
    let mut last = 0;
    while !stop.load(Ordering::Relaxed) {
        let there = get(&format!("{bucket}/log/checkpoint"));
        // It may be away.
        if there.status == 200 {
            let size = outsider.lock().unwrap().saw(&there.text()).size;
            assert!(size >= last, "the bucket had {last} entries, then {size}");
            last = size;
        }
        let addresses = addresses.read().unwrap().clone();
        for (_, url) in addresses {
            if let Ok(answer) = try_get(&format!("{url}/log/checkpoint")) {
                let _ = outsider.lock().unwrap().saw(&answer.text());
            }
        }
    }
}

/// Reads pages of all nodes: no node shows less than it did. How many pages were read.
fn read_pages(addresses: &Addresses, stop: &AtomicBool) -> u64 {
    let (mut newest, mut pages) = (BTreeMap::new(), 0);
    while !stop.load(Ordering::Relaxed) {
        let addresses = addresses.read().unwrap().clone();
        for (_, url) in addresses {
            // What has no database, or is gone, has no page either.
            let Some(list) = try_get(&format!("{url}/api/v1/pledges")).ok().filter(|list| list.status == 200) else {
                continue;
            };
            let size = list.json()["size"].as_u64().unwrap();
            let before = newest.insert(url, size).unwrap_or_default();
            assert!(size >= before, "a page of {size} entries after one of {before}");
            pages += 1;
        }
    }
    pages
}

/// Every entry that has a receipt is there, no submission is there twice, and what was promised is promised still.
fn whole(dir: &Path, answered: Answered, before: u64) {
    let server = Server::start(dir);
    let (receipts, promises) = (answered.receipts.into_inner().unwrap(), answered.promises.into_inner().unwrap());
    for (index, (_, hash)) in &receipts {
        let entry = server.get(&format!("/entries/{index}"));
        assert_eq!(Digest::of(&entry.body).to_string(), *hash, "entry {index} is another one");
    }
    let pledges = (before..server.size())
        .filter(|index| server.get(&format!("/entries/{index}")).text().contains("\"kind\":\"pledge."))
        .count();
    assert_eq!(pledges, receipts.len(), "what was answered is recorded, once");
    assert!(!promises.is_empty());
    for (key, body, promise) in promises {
        assert_eq!(insist_at(&server.internal, &key, &body), promise, "{key}: the same event, the same promise");
    }
    assert!(server.stop().success());
}

/// The bucket holds the log of the nodes: every file byte for byte but partial tiles of sizes that one of them alone had, and
/// the checkpoint; anybody can verify it.
fn same_in_the_bucket(bucket: &ObjectServer, dirs: &[PathBuf], vkey: &str) {
    let files = |log: &Path| -> BTreeMap<PathBuf, Vec<u8>> {
        let all = snapshot(log).into_iter();
        all.filter(|(path, _)| !path.to_str().unwrap().contains(".p/") && path != Path::new(".draft")).collect()
    };
    let there = files(&bucket.objects().join("log"));
    let tree = |note: &[u8]| note.split(|byte| *byte == b'\n').take(3).map(<[u8]>::to_vec).collect::<Vec<_>>();
    for dir in dirs {
        let here = files(&dir.join("log"));
        assert!(here.keys().eq(there.keys()), "{}: {:?} {:?}", dir.display(), here.keys(), there.keys());
        for (path, bytes) in &here {
            // Each node signs its own note over the one tree.
            let is_same =
                if path == Path::new("checkpoint") { tree(bytes) == tree(&there[path]) } else { *bytes == there[path] };
            assert!(is_same, "{} of {}", path.display(), dir.display());
        }
    }
    let _ = gongkai(["verify", "--url", &bucket.url(), "--vkey", vkey]).ok().says("核验通过");
}

/// Whatever befalls whichever node, the replica that all read from, or the bucket that all put into: no receipt and no promise
/// is lost, no event is twice, all show one history, no page goes back, every directory and the bucket verify, what is sealed
/// opens at every node, and the shared views are those that a rebuild makes.
#[test]
fn three_nodes_lose_no_receipt_whatever_befalls_them() {
    let postgres = Postgres::start_with(&["wal_retrieve_retry_interval=50ms"]);
    let replica = postgres.standby();
    let ledger = TestLedger::on_server(&postgres.url);
    ledger.add_vault();
    share_views(&ledger, &[&replica]);
    let dirs = join(&ledger, 3);
    let before = ledger.size();
    let outsider = Mutex::new(Outsider::new(&ledger.vkey()));
    let (answered, stop) = (Answered::default(), AtomicBool::new(false));
    let mut chaos = Chaos::begin(postgres, replica, dirs);
    let (addresses, bucket) = (Arc::clone(&chaos.addresses), chaos.bucket.url());
    std::thread::scope(|scope| {
        for _ in 0..WRITERS {
            scope.spawn(|| submit(&addresses, &answered, &stop));
        }
        scope.spawn(|| watch(&addresses, &bucket, &outsider, &stop));
        scope.spawn(|| assert!(read_pages(&addresses, &stop) > 0, "no page was read"));
        // Also where an assertion fails here: the others would wait for ever.
        let _end = End(&stop);
        for round in 0..rounds(FAULTS.len() as u64) {
            let fault = match FAULTS.get(usize::try_from(round).unwrap()) {
                Some(fault) => *fault,
                None => FAULTS[usize::try_from(chaos.random.below(FAULTS.len() as u64)).unwrap()],
            };
            chaos.strike(fault);
            let before = answered.count();
            until("a receipt after it", || (answered.count() > before).then_some(()));
        }
    });
    let Chaos { postgres, replica, bucket, dirs, nodes, .. } = chaos;
    let _ = agreed(&nodes.iter().map(|node| &node.server).collect::<Vec<_>>());
    for node in nodes {
        assert!(node.server.stop().success());
    }
    let mut outsider = outsider.into_inner().unwrap();
    for dir in &dirs {
        outsider.check_all_seen(&dir.join("log"));
    }
    outsider.check_all_seen(&bucket.objects().join("log"));
    println!("{} receipts and promises, {} checkpoints seen", answered.count(), outsider.seen());
    same_in_the_bucket(&bucket, &dirs, &ledger.vkey());
    whole(&dirs[0], answered, before);
    check(&dirs);
    for dir in &dirs {
        let _ = gongkai(["verify", "--with-vault", "--dir", dir.to_str().unwrap()]).ok();
    }
    drop((postgres, replica));
}
