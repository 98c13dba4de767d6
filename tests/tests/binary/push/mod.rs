//! The log handed to a mirror that takes entries in (c2sp.org/tlog-mirror): by the command, by a running ledger, and what
//! happens where the mirror does not do what it should.

mod receiver;

use std::cell::Cell;
use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Mutex;

use gongkai_api::cosigning::asking::Denial;
use gongkai_api::pushing::Pushing;
use gongkai_log::tile::{TileKind, encode_bundle, encode_hashes};
use gongkai_log::{
    Checkpoint, Fetch, KeyKind, Note, SigningKey, TilePath, TreeHash, VerifierKey, checkpoint, cosignature, merkle,
};
use gongkai_tests::ledger::{TestLedger, pledge};
use gongkai_tests::{Server, gongkai};

use self::receiver::{Fault, Receiver};

/// A log in memory, as long as is wanted.
struct Memory {
    key: SigningKey,
    entries: Vec<Vec<u8>>,
    levels: Mutex<HashMap<(u8, u64), TreeHash>>,
}

impl Memory {
    fn new(size: usize) -> Self {
        let key = SigningKey::from_seed("ledger.example/long", KeyKind::Ed25519, [5; 32]).unwrap();
        // Lengths from 0 on: packages find their entries by nothing else.
        let entries = (0..size).map(|index| vec![u8::try_from(index % 251).unwrap(); index % 40]).collect();
        Self { key, entries, levels: Mutex::new(HashMap::new()) }
    }

    fn head(&self, size: usize) -> (Checkpoint, Note) {
        let leaves: Vec<_> = self.entries[..size].iter().map(|entry| merkle::leaf_hash(entry)).collect();
        let root = merkle::root_of(&leaves);
        let head = Checkpoint { origin: self.key.name().to_owned(), size: size as u64, root };
        let note = Note::parse(&checkpoint::sign(&head, &[&self.key]).unwrap()).unwrap();
        (head, note)
    }

    fn hash(&self, level: u8, item: u64) -> TreeHash {
        if let Some(known) = self.levels.lock().unwrap().get(&(level, item)) {
            return *known;
        }
        let hash = match level {
            0 => merkle::leaf_hash(&self.entries[usize::try_from(item).unwrap()]),
            _ => merkle::root_of(
                &(item * 256..(item + 1) * 256).map(|below| self.hash(level - 1, below)).collect::<Vec<_>>(),
            ),
        };
        self.levels.lock().unwrap().insert((level, item), hash);
        hash
    }
}

impl Fetch for &Memory {
    type Error = Infallible;

    fn checkpoint(&self) -> Result<Vec<u8>, Infallible> {
        unreachable!("whoever pushes says what")
    }

    fn tile(&self, path: &TilePath) -> Result<Vec<u8>, Infallible> {
        let items = path.number() * 256..path.number() * 256 + path.width();
        Ok(match path.kind() {
            TileKind::Hashes(level) => encode_hashes(&items.map(|item| self.hash(level, item)).collect::<Vec<_>>()),
            TileKind::Entries => {
                let place = |index| usize::try_from(index).unwrap();
                encode_bundle(&self.entries[place(items.start)..place(items.end)]).unwrap()
            }
        })
    }

    fn extra(&self, _: &str) -> Result<Option<Vec<u8>>, Infallible> {
        Ok(None)
    }
}

fn to<'m>(receiver: &Receiver, log: &'m Memory) -> Pushing<&'m Memory> {
    Pushing::new(&VerifierKey::parse(&receiver.vkey).unwrap(), &receiver.url, log)
}

/// Pushes the first entries, which the mirror then has and cosigns.
fn pushed(pushing: &mut Pushing<&Memory>, receiver: &Receiver, log: &Memory, size: usize) {
    let (head, note) = log.head(size);
    let line = pushing.push(&head, &note, |_| true).unwrap().unwrap();
    let key = VerifierKey::parse(&receiver.vkey).unwrap();
    assert!(cosignature::verify(&note.text, &line, &key).is_ok());
    assert!(receiver.held().entries == log.entries[..size], "{size} entries arrived as they are");
}

#[test]
fn a_mirror_gets_every_entry_once_at_any_size_and_cosigns() {
    let log = Memory::new(70_000);
    let receiver = Receiver::new(&log.key.verifier().to_string());
    let mut pushing = to(&receiver, &log);
    for size in [1, 255, 256, 257, 257, 511, 513, 1_000, 65_535, 65_536, 65_537, 70_000] {
        pushed(&mut pushing, &receiver, &log, size);
    }
    assert_eq!(receiver.held().received, 70_000, "nothing was sent twice");
}

#[test]
fn an_upload_that_breaks_off_goes_on_where_the_mirror_is_also_by_somebody_else() {
    let log = Memory::new(20_000);
    let receiver = Receiver::new(&log.key.verifier().to_string());
    receiver.held().packages_max = 3;
    let (head, note) = log.head(10_000);
    let told = Cell::new(0);
    let ended = to(&receiver, &log).push(&head, &note, |has| {
        told.set(has);
        has < 2_000
    });
    assert_eq!(ended, Ok(None));
    assert_eq!(receiver.held().entries.len() as u64, told.get());
    // The log has grown meanwhile, and whoever pushes now knows nothing of the mirror.
    pushed(&mut to(&receiver, &log), &receiver, &log, 20_000);
    assert_eq!(receiver.held().received, 20_000, "nothing was sent twice");
    let requests = receiver.held().requests;
    assert_eq!(to(&receiver, &log).has(log.key.name()), Ok(20_000));
    assert_eq!(receiver.held().requests, requests + 1, "to ask is one request");
}

#[test]
fn a_mirror_that_forgot_entries_gets_them_again() {
    let log = Memory::new(3_000);
    let receiver = Receiver::new(&log.key.verifier().to_string());
    let mut pushing = to(&receiver, &log);
    pushed(&mut pushing, &receiver, &log, 2_000);
    receiver.held().entries.truncate(700);
    pushed(&mut pushing, &receiver, &log, 3_000);
    assert_eq!(receiver.held().received, 2_000 + 2_300);
}

#[test]
fn another_history_an_unknown_log_and_false_answers_are_told_apart() {
    let log = Memory::new(600);
    let denied = |receiver: &Receiver, log: &Memory, size: usize| {
        let (head, note) = log.head(size);
        to(receiver, log).push(&head, &note, |_| true).unwrap_err()
    };
    let receiver = Receiver::new(&log.key.verifier().to_string());
    pushed(&mut to(&receiver, &log), &receiver, &log, 600);
    assert_eq!(denied(&receiver, &log, 500), Denial::Ahead { recorded: 600 });
    let mut other = Memory::new(700);
    other.entries[3] = b"rewritten".to_vec();
    assert_eq!(denied(&receiver, &other, 700), Denial::Forked);
    assert_eq!(receiver.held().entries, log.entries, "nothing of the other history was taken");

    let stranger = SigningKey::from_seed("other.example", KeyKind::Ed25519, [6; 32]).unwrap();
    assert_eq!(denied(&Receiver::new(&stranger.verifier().to_string()), &log, 600), Denial::Unknown);

    for fault in [Fault::AnotherKey, Fault::Standstill, Fault::Nonsense] {
        let receiver = Receiver::new(&log.key.verifier().to_string());
        receiver.held().fault = fault;
        let denial = denied(&receiver, &log, 600);
        assert!(matches!(denial, Denial::Lying(_)), "{fault:?}: {denial:?}");
    }
    let nobody = Pushing::new(&log.key.verifier(), "http://127.0.0.1:9", &log);
    let (head, note) = log.head(600);
    let denial = { nobody }.push(&head, &note, |_| true).unwrap_err();
    assert!(matches!(denial, Denial::Unreachable(_)), "{denial:?}");
}

#[test]
fn the_command_pushes_a_ledger_and_writes_the_cosigned_checkpoint() {
    let ledger = TestLedger::new();
    let _ = ledger.publish(&[pledge("修桥")]).ok();
    let receiver = Receiver::new(&ledger.vkey());
    let (dir, out) = (ledger.dir().display().to_string(), ledger.path("cosigned").display().to_string());
    let push = |key: &str| gongkai(["push", "--dir", &dir, "--to", &receiver.url, "--key", key, "--out", &out]);
    let said = push(&receiver.vkey).ok().out;
    assert!(said.contains(&format!("已存到第 {} 条，并已联署", ledger.size())), "{said}");
    assert_eq!(receiver.held().entries.len() as u64, ledger.size());
    // Whoever requires this mirror in a policy accepts the checkpoint.
    let policy = format!("log {}\nwitness m {}\nquorum m\n", ledger.vkey(), receiver.vkey);
    let policy = gongkai_log::Policy::parse(&policy).unwrap();
    let note = Note::parse(&std::fs::read_to_string(&out).unwrap()).unwrap();
    assert!(policy.check(&note).is_ok());

    let _ = push(&ledger.vkey()).exits(2).says("不是联署用的验证钥匙");
    let other = TestLedger::new();
    let place = other.dir().display().to_string();
    let refused = gongkai(["push", "--dir", &place, "--to", &receiver.url, "--key", &receiver.vkey]);
    let _ = refused.exits(1).says("它不肯存（应答 403）");
}

#[test]
fn a_running_ledger_hands_on_what_it_publishes_and_says_who_has_it() {
    let ledger = TestLedger::new();
    let receiver = Receiver::new(&ledger.vkey());
    let configuration = ledger.dir().join("gongkai.toml");
    let text = std::fs::read_to_string(&configuration).unwrap();
    let line = format!("push_mirrors = [\"{}/ {}\"]\n", receiver.url, receiver.vkey);
    std::fs::write(&configuration, text + &line).unwrap();
    let _ = ledger.publish(&[pledge("修桥")]).ok();
    let _ = ledger.run("doctor", &[]).says("推送的镜像 mirror.example/pushed");
    let server = Server::start(&ledger.dir());
    let size = server.size();
    let status = server.eventually("/status", |answer| answer.text().contains("条，并已联署")).text();
    assert!(status.contains("mirror.example/pushed"), "{status}");
    assert!(receiver.held().entries.len() as u64 >= size);
    drop(receiver);
    let doctor = ledger.run("doctor", &["--json"]).json().to_string();
    assert!(doctor.contains("push_mirror_unreachable"), "{doctor}");
    // Nobody waits for a mirror that is gone.
    let _ = server.stop();
}
