//! Tests of `fsck` over logs in memory, honest and not.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Duration, Utc};
use serde_json::{Map, json};
use uuid::Uuid;

use crate::checkpoint::{self, Checkpoint};
use crate::fsck::{
    Authority, Beginning, Fetch, Finding, FsckError, KeyRing, MapRoot, Mode, Options, Reached, Report, fsck, fsck_from,
};
use crate::key::{KeyKind, SigningKey, VerifierKey};
use crate::list::{self, List, Row};
use crate::log_keys::LogKeys;
use crate::map::GrowingMap;
use crate::merkle::{leaf_hash, root_of};
use crate::slot::{self, Opening, Openings, SLOTS, Tier};
use crate::statement::{SignedStatement, Signer, Statement};
use crate::tile::{TileKind, TilePath};
use crate::tile::{encode_bundle, encode_hashes, lines_path, new_tiles, openings_path};
use crate::time::{parse_declared, parse_recorded};
use crate::{Content, Digest, Entry, SealedPeriod, StreamId, TreeHash, note};

const ORIGIN: &str = "ledger.example/test";

fn key(name: &str, seed: u8) -> SigningKey {
    SigningKey::from_seed(name, KeyKind::Ed25519, [seed; 32]).unwrap()
}

#[derive(Debug, thiserror::Error)]
#[error("no {0}")]
struct Missing(String);

#[derive(Clone, Default)]
struct Memory {
    files: HashMap<String, Vec<u8>>,
}

impl Fetch for Memory {
    type Error = Missing;
    fn checkpoint(&self) -> Result<Vec<u8>, Missing> {
        self.extra("checkpoint")?.ok_or_else(|| Missing("checkpoint".to_owned()))
    }
    fn tile(&self, path: &TilePath) -> Result<Vec<u8>, Missing> {
        let path = path.to_string();
        self.files.get(&path).cloned().ok_or(Missing(path))
    }
    fn extra(&self, path: &str) -> Result<Option<Vec<u8>>, Missing> {
        Ok(self.files.get(path).cloned())
    }
}

/// Writes logs: every third entry continues the stream before it, every tenth is a sealed period.
struct Author {
    alice: SigningKey,
    intake: SigningKey,
    log: SigningKey,
    start: DateTime<Utc>,
    entries: Vec<Vec<u8>>,
    extras: HashMap<String, Vec<u8>>,
    openings: Vec<Openings>,
    prev: Digest,
    last: Option<(StreamId, u64, Digest)>,
}

impl Author {
    fn new() -> Self {
        Self {
            alice: key("alice.example/1", 3),
            intake: key("intake.example/1", 2),
            log: key(ORIGIN, 1),
            start: parse_recorded("2026-03-10T01:12:07.000001Z").unwrap(),
            entries: Vec::new(),
            extras: HashMap::new(),
            openings: Vec::new(),
            prev: Digest::ZERO,
            last: None,
        }
    }

    fn with(entries: u64) -> Self {
        let mut author = Self::new();
        for _ in 0..entries {
            author.write();
        }
        author
    }

    fn ring(&self) -> KeyRing {
        KeyRing::new([self.alice.verifier(), self.intake.verifier()]).with_intake("intake.example/1")
    }

    fn record(&mut self, note: &str) {
        let index = self.entries.len() as u64;
        let recorded_at = self.start + Duration::microseconds(i64::try_from(index).unwrap());
        let bytes = Entry::seal(index, recorded_at, self.prev, note).unwrap();
        self.prev = Digest::of(&bytes);
        self.entries.push(bytes);
    }

    fn write(&mut self) {
        let index = self.entries.len() as u64;
        if index % 10 == 9 {
            let text = SealedPeriod::text(ORIGIN, &Digest::of(&index.to_be_bytes())).unwrap();
            return self.record(&note::sign(&text, &[&self.intake]).unwrap());
        }
        let (stream, revision, parent) = match self.last.take() {
            Some((stream, revision, hash)) if index % 3 == 1 => (stream, revision + 1, Some(hash)),
            _ => {
                let stream = StreamId::new("example", Uuid::from_u128(index.into())).unwrap();
                (stream, 0, None)
            }
        };
        let openings = index.is_multiple_of(7).then(|| openings(index, &stream, revision));
        let mut statement = Statement {
            origin: ORIGIN.to_owned(),
            kind: "example.said.v1".to_owned(),
            stream,
            revision,
            parent,
            org: "341523104".to_owned(),
            declared_at: parse_declared("2026-03-10T09:12:00+08:00").unwrap(),
            signers: vec![Signer { role: "author".to_owned(), key: "alice.example/1".to_owned() }],
            proxy: None,
            body: json!({"due": "2026-12-31", "fen": index}).as_object().unwrap().clone(),
            slots: openings.as_ref().map_or(Digest::ZERO, |o| slot::root(&o.commitments)),
        };
        if index == 5 {
            self.list(&mut statement);
        }
        self.openings.extend(openings);
        self.sign(&statement);
    }

    fn sign(&mut self, statement: &Statement) {
        let signed = SignedStatement::sign(statement, &[&self.alice]).unwrap();
        self.record(&signed.note.to_string());
        self.last = Some((statement.stream.clone(), statement.revision, signed.hash));
    }

    fn list(&mut self, statement: &mut Statement) {
        let row = |line: u64| Row::Open { line, row: json!({"fen": line}).as_object().unwrap().clone(), salt: [9; 32] };
        let list = List { rows: (0..3).map(row).collect() };
        let Statement { stream, revision, .. } = statement;
        let root = list::root(&list.commitments(ORIGIN, stream, *revision).unwrap());
        statement.body =
            Map::from_iter([("count".to_owned(), json!(3)), ("lines".to_owned(), json!(root.to_string()))]);
        self.extras.insert(lines_path(&root), list.to_text().unwrap().into_bytes());
    }

    fn leaves(&self) -> Vec<TreeHash> {
        self.entries.iter().map(|entry| leaf_hash(entry)).collect()
    }

    fn checkpoint(&self) -> Checkpoint {
        Checkpoint { origin: ORIGIN.to_owned(), size: self.entries.len() as u64, root: root_of(&self.leaves()) }
    }

    /// Publishes whatever the entries are: tiles and checkpoint always agree with them.
    fn publish(&self) -> Memory {
        let mut files = self.extras.clone();
        let checkpoint = checkpoint::sign(&self.checkpoint(), &[&self.log]).unwrap();
        files.insert("checkpoint".to_owned(), checkpoint.into_bytes());
        let mut levels = vec![self.leaves()];
        while levels.last().unwrap().len() >= 256 {
            let full = levels.last().unwrap().as_chunks::<256>().0;
            levels.push(full.iter().map(|tile| root_of(tile)).collect());
        }
        for path in new_tiles(0, self.entries.len() as u64) {
            let from = usize::try_from(path.number()).unwrap() * 256;
            let range = from..from + usize::try_from(path.width()).unwrap();
            let bytes = match path.kind() {
                TileKind::Entries => encode_bundle(&self.entries[range]).unwrap(),
                TileKind::Hashes(level) => encode_hashes(&levels[usize::from(level)][range]),
            };
            files.insert(path.to_string(), bytes);
        }
        for openings in &self.openings {
            let file = files.entry(openings_path(openings.index / 256)).or_default();
            file.extend(openings.to_line().unwrap().into_bytes());
            file.push(b'\n');
        }
        Memory { files }
    }

    fn check(&self, memory: &Memory) -> Result<Report, FsckError<Missing>> {
        self.check_with(memory, &options())
    }

    fn check_with(&self, memory: &Memory, options: &Options<'_>) -> Result<Report, FsckError<Missing>> {
        fsck(memory, &mut self.ring(), &self.log.verifier(), options)
    }

    fn finding(&self, memory: &Memory) -> Finding {
        finding(self.check(memory))
    }
}

fn finding(result: Result<Report, FsckError<Missing>>) -> Finding {
    match result {
        Err(FsckError::Finding(finding)) => finding,
        other => panic!("no finding: {other:?}"),
    }
}

fn options() -> Options<'static> {
    Options { threads: 2, check_openings: true, ..Options::default() }
}

fn openings(index: u64, stream: &StreamId, revision: u64) -> Openings {
    let opening =
        Opening { slot: 4, salt: [7; 32], tier: Tier::Public, name: "title".to_owned(), value: json!("修路") };
    let mut commitments = [slot::empty(&[1; 32], &[2; 32]); SLOTS];
    commitments[4] = slot::commit(ORIGIN, stream, revision, &opening).unwrap();
    Openings { index, commitments, open: vec![opening] }
}

#[test]
fn an_honest_log_of_every_size_checks() {
    let mut author = Author::new();
    for size in [0, 1, 2, 255, 256, 257, 1_000] {
        while author.entries.len() < size {
            author.write();
        }
        for mode in [Mode::Strict, Mode::Fast] {
            for threads in [0, 1, 3] {
                let options = Options { mode, threads, ..options() };
                let report = author.check_with(&author.publish(), &options).unwrap();
                assert_eq!(report.size, size as u64);
                assert_eq!(report.root, author.checkpoint().root);
                assert_eq!(report.head, author.prev);
                assert_eq!(report.statements + report.sealed, size as u64);
                assert_eq!(report.signatures, size as u64);
                assert_eq!(report.openings, author.openings.len() as u64);
                assert_eq!(report.lists, u64::from(size > 5));
            }
        }
    }
}

#[test]
fn a_check_that_goes_on_finds_what_a_whole_one_finds() {
    let mut author = Author::new();
    let (mut ring, mut reached) = (author.ring(), Reached::default());
    for size in [0, 1, 7, 255, 256, 256, 257, 300, 511, 513, 1_000] {
        while author.entries.len() < size {
            author.write();
        }
        let memory = author.publish();
        let before = reached.size();
        let gone_on = fsck_from(reached, &memory, &mut ring, &author.log.verifier(), &options());
        let (report, next) = gone_on.unwrap();
        let whole = author.check(&memory).unwrap();
        assert_eq!((report.size, report.root, report.head), (whole.size, whole.root, whole.head), "{size}");
        assert_eq!((report.streams, report.signatures), (whole.streams, size as u64 - before), "{size}");
        assert_eq!((next.size(), next.root()), (size as u64, whole.root));
        reached = next;
    }
    let path = "tile/1/000.p/4";
    while author.entries.len() < 1_100 {
        author.write();
    }
    let mut memory = author.publish();
    memory.files.get_mut(path).unwrap()[3] ^= 1;
    let found = fsck_from(reached, &memory, &mut ring, &author.log.verifier(), &options()).map(|(report, _)| report);
    assert_eq!(finding(found).field, path);
}

#[test]
fn a_check_goes_on_with_the_same_history_and_no_other() {
    let author = Author::with(300);
    let other = Author { start: author.start + Duration::seconds(1), ..Author::new() };
    let other = (0..400).fold(other, |mut other, _| {
        other.write();
        other
    });
    let on = |memory: &Memory| {
        let (key, mut ring) = (author.log.verifier(), author.ring());
        let begun = fsck_from(Reached::default(), &author.publish(), &mut ring, &key, &options()).unwrap();
        finding(fsck_from(begun.1, memory, &mut ring, &key, &options()).map(|(report, _)| report))
    };
    let found = on(&other.publish());
    assert_eq!((found.index, found.field.as_str()), (Some(256), "leaf"));
    assert_eq!(on(&Author::with(299).publish()).field, "checkpoint");
}

#[test]
fn a_log_past_the_second_level_checks_and_its_upper_tiles_are_compared() {
    let author = Author::with(65_537);
    let memory = author.publish();
    let fast = Options { mode: Mode::Fast, ..options() };
    let report = author.check_with(&memory, &fast).unwrap();
    assert_eq!(report.root, author.checkpoint().root);
    for path in ["tile/1/000", "tile/2/000.p/1"] {
        let mut changed = memory.clone();
        changed.files.get_mut(path).unwrap()[3] ^= 1;
        let found = finding(author.check_with(&changed, &fast));
        assert_eq!((found.index, found.field.as_str()), (None, path));
    }
}

/// Full tiles and width of the partial one, level by level, at each size that outside checkers try.
#[test]
fn the_tiles_of_awkward_sizes_are_there_and_no_others_and_check() {
    let cases: [(usize, &[(u64, u64)]); 9] = [
        (0, &[]),
        (1, &[(0, 1)]),
        (255, &[(0, 255)]),
        (256, &[(1, 0), (0, 1)]),
        (257, &[(1, 1), (0, 1)]),
        (65_535, &[(255, 255), (0, 255)]),
        (65_536, &[(256, 0), (1, 0), (0, 1)]),
        (65_537, &[(256, 1), (1, 0), (0, 1)]),
        (70_000, &[(273, 112), (1, 17), (0, 1)]),
    ];
    let mut author = Author::new();
    let (mut ring, mut reached) = (author.ring(), Reached::default());
    for (size, levels) in cases {
        while author.entries.len() < size {
            author.write();
        }
        let memory = author.publish();
        let mut expected = BTreeSet::new();
        for (level, (full, width)) in levels.iter().enumerate() {
            let names = if level == 0 { vec!["0".to_owned(), "entries".to_owned()] } else { vec![level.to_string()] };
            for name in names {
                expected.extend((0..*full).map(|number| format!("tile/{name}/{number:03}")));
                expected.extend((*width > 0).then(|| format!("tile/{name}/{full:03}.p/{width}")));
            }
        }
        let there = memory.files.keys().filter(|path| path.starts_with("tile/"));
        assert_eq!(there.cloned().collect::<BTreeSet<_>>(), expected, "{size}");
        let checked = fsck_from(reached, &memory, &mut ring, &author.log.verifier(), &options());
        let (report, next) = checked.unwrap();
        assert_eq!((report.size, report.root), (size as u64, author.checkpoint().root));
        reached = next;
    }
}

#[test]
fn a_flipped_byte_is_found_and_named() {
    let author = Author::with(300);
    let memory = author.publish();
    let bundle = memory.files["tile/entries/001.p/44"].clone();
    // Entry 256 is the first of its bundle: every one of its bytes, and its length.
    let length = author.entries[256].len();
    for place in (0..length + 2).step_by(5) {
        let mut changed = memory.clone();
        changed.files.get_mut("tile/entries/001.p/44").unwrap()[place] ^= 1;
        let found = author.finding(&changed);
        if place < 2 {
            assert!(found.field.starts_with("tile/entries/001") || found.index == Some(256));
        } else {
            assert_eq!(found.index, Some(256), "byte {place}: {found}");
        }
    }
    assert!(bundle.len() > length);
    for (path, place, field, index) in [
        ("tile/0/000", 32 * 17 + 5, "tile/0/000", Some(17)),
        ("tile/0/001.p/44", 0, "tile/0/001.p/44", Some(256)),
        ("tile/1/000.p/1", 9, "tile/1/000.p/1", None),
        ("checkpoint", 4, "checkpoint", None),
    ] {
        let mut changed = memory.clone();
        changed.files.get_mut(path).unwrap()[place] ^= 1;
        let found = author.finding(&changed);
        assert_eq!((found.index, found.field.as_str()), (index, field), "{found}");
    }
}

#[test]
fn a_changed_opening_or_line_is_found_and_named() {
    let author = Author::with(20);
    let memory = author.publish();
    let change = |path: &str, from: &str, to: &str| {
        let mut changed = memory.clone();
        let file = changed.files.get_mut(path).unwrap();
        let text = String::from_utf8(file.clone()).unwrap();
        assert!(text.contains(from), "{from}");
        *file = text.replacen(from, to, 1).into_bytes();
        author.finding(&changed)
    };
    let found = change("openings/000", "修路", "修桥");
    assert_eq!((found.index, found.field.as_str()), (Some(0), "openings/000"));
    let found = change("openings/000", "\"index\":7", "\"index\":8");
    assert_eq!((found.index, found.field.as_str()), (Some(8), "openings/000"));
    let found = change("openings/000", "\"index\":7", "\"index\":9");
    assert_eq!((found.index, found.field.as_str()), (Some(9), "openings/000"));
    let found = change("openings/000", "\"index\":7", "\"index\":0");
    assert_eq!((found.index, found.field.as_str()), (None, "openings/000"));
    let found = change("openings/000", "}\n", "} \n");
    assert_eq!((found.index, found.field.as_str()), (None, "openings/000"));
    let lines = author.extras.keys().next().unwrap();
    let found = change(lines, "\"fen\":2", "\"fen\":3");
    assert_eq!((found.index, found.field.as_str()), (Some(5), lines.as_str()));
    let mut without = memory.clone();
    without.files.remove(lines);
    without.files.remove("openings/000");
    let report = author.check(&without).unwrap();
    assert_eq!((report.lists, report.lists_missing), (0, 1));
    assert_eq!((report.openings, report.openings_missing), (0, report.statements));
}

#[test]
fn swapped_deleted_and_inserted_entries_are_found_under_a_consistent_tree() {
    let honest = Author::with(300);
    let found = |change: fn(&mut Vec<Vec<u8>>)| {
        let mut author = Author::with(300);
        change(&mut author.entries);
        let found = honest.finding(&author.publish());
        (found.index.unwrap(), found.field)
    };
    assert_eq!(found(|e| e.swap(270, 271)), (270, "index".to_owned()));
    assert_eq!(found(|e| drop(e.remove(20))), (20, "index".to_owned()));
    assert_eq!(found(|e| e.insert(20, e[19].clone())), (20, "index".to_owned()));
    let (index, field) = found(|entries| {
        // The entry is replaced by another one with a valid head: the next one shows it.
        let entry = Entry::parse(entries[40].clone()).unwrap();
        let time = entry.recorded_at + Duration::nanoseconds(1_000);
        let note = entry.content.note().to_string();
        entries[40] = Entry::seal(40, time, entry.prev, &note).unwrap();
    });
    assert_eq!((index, field.as_str()), (41, "prev"));
}

#[test]
fn a_rewritten_chain_is_refuted_by_an_old_checkpoint() {
    let before = Author::with(300);
    let mut rewritten = Author::with(200);
    rewritten.start += Duration::seconds(1);
    for _ in 0..150 {
        rewritten.write();
    }
    let memory = rewritten.publish();
    assert!(rewritten.check(&memory).is_ok());
    let with = |old: Checkpoint| Options { old_checkpoint: Some(old), ..options() };
    let found = finding(rewritten.check_with(&memory, &with(before.checkpoint())));
    assert_eq!(found.field, "old checkpoint");
    let found = finding(rewritten.check_with(&memory, &with(Author::with(351).checkpoint())));
    assert_eq!(found.field, "old checkpoint");
    for size in [0, 1, 199, 200] {
        let old = with(Author::with(size).checkpoint());
        assert!(rewritten.check_with(&memory, &old).is_ok(), "{size}");
    }
}

#[test]
fn a_false_signature_is_named_in_both_modes_and_the_first_one_wins() {
    let forge = |entries: &mut Vec<Vec<u8>>, index: usize| {
        let entry = Entry::parse(entries[index].clone()).unwrap();
        let mut note = entry.content.note().clone();
        note.signatures[0].signature[7] ^= 1;
        let bytes = Entry::seal(entry.index, entry.recorded_at, entry.prev, &note.to_string());
        entries[index] = bytes.unwrap();
        // The chain after it is made anew, as a forger would.
        for next in index + 1..entries.len() {
            let entry = Entry::parse(entries[next].clone()).unwrap();
            let prev = Digest::of(&entries[next - 1]);
            let note = entry.content.note().to_string();
            entries[next] = Entry::seal(entry.index, entry.recorded_at, prev, &note).unwrap();
        }
    };
    let mut author = Author::with(600);
    forge(&mut author.entries, 590);
    forge(&mut author.entries, 301);
    for mode in [Mode::Strict, Mode::Fast] {
        let options = Options { mode, ..options() };
        let found = finding(author.check_with(&author.publish(), &options));
        assert_eq!(found.index, Some(301));
        assert_eq!(found.field, "signature of alice.example/1");
    }
}

#[test]
fn what_breaks_a_stream_or_the_clock_is_found() {
    let statement = |author: &Author| {
        let entry = Entry::parse(author.entries.last().unwrap().clone()).unwrap();
        let Content::Statement(signed) = entry.content else {
            panic!("a sealed period");
        };
        signed.statement
    };
    let found = |author: &Author| {
        let found = author.finding(&author.publish());
        (found.index, found.field)
    };
    let mut author = Author::with(4);
    let again = statement(&author);
    author.sign(&again);
    assert_eq!(found(&author), (Some(4), "revision".to_owned()));
    let mut author = Author::with(4);
    let mut next = statement(&author);
    (next.revision, next.parent) = (1, Some(Digest::ZERO));
    author.sign(&next);
    assert_eq!(found(&author), (Some(4), "parent".to_owned()));
    let mut author = Author::with(4);
    author.start -= Duration::seconds(1);
    author.write();
    assert_eq!(found(&author), (Some(4), "recorded_at".to_owned()));
    let mut author = Author::with(4);
    let mut elsewhere = statement(&author);
    elsewhere.origin = "other.example".to_owned();
    elsewhere.stream.id = Uuid::from_u128(99);
    (elsewhere.revision, elsewhere.parent) = (0, None);
    author.sign(&elsewhere);
    assert_eq!(found(&author), (Some(4), "origin".to_owned()));
}

#[test]
fn the_authority_decides_and_its_keys_count_at_the_index() {
    /// Knows the keys until the entry of this index, which revokes them, or refuses it.
    struct Until {
        ring: KeyRing,
        revoked_at: u64,
        refuse: bool,
        observed: u64,
    }
    impl Authority for Until {
        fn key(&self, name: &str) -> Option<&VerifierKey> {
            self.ring.key(name).filter(|_| self.observed <= self.revoked_at)
        }
        fn observe(&mut self, entry: &Entry, _: Option<&Openings>) -> Result<(), String> {
            assert_eq!(entry.index, self.observed, "in index order");
            self.observed += 1;
            if self.refuse && entry.index == self.revoked_at {
                return Err("no registrar".to_owned());
            }
            Ok(())
        }
    }
    let author = Author::with(300);
    let run = |revoked_at: u64, refuse: bool| {
        let mut until = Until { ring: author.ring(), revoked_at, refuse, observed: 0 };
        fsck(&author.publish(), &mut until, &author.log.verifier(), &options())
    };
    let found = finding(run(270, false));
    assert_eq!(found.index, Some(271), "the revoking entry itself is still signed: {found}");
    assert_eq!(found.field, "signature of alice.example/1");
    let found = finding(run(270, true));
    assert_eq!((found.index, found.field.as_str()), (Some(270), "authority"));
    assert_eq!(found.to_string(), "entry 270: authority: no registrar");
    assert!(run(299, false).is_ok());
}

#[test]
fn only_the_intake_key_signs_periods_and_only_the_log_key_checkpoints() {
    let mut author = Author::with(3);
    let text = SealedPeriod::text(ORIGIN, &Digest::ZERO).unwrap();
    let note = note::sign(&text, &[&author.alice]).unwrap();
    author.record(&note);
    let found = author.finding(&author.publish());
    assert_eq!((found.index, found.field.as_str()), (Some(3), "authority"));
    let honest = Author::with(3);
    let stranger = key(ORIGIN, 77).verifier();
    let found = finding(fsck(&honest.publish(), &mut honest.ring(), &stranger, &options()));
    assert_eq!(found.field, "checkpoint");
}

#[test]
fn what_cannot_be_read_is_no_finding() {
    let author = Author::with(300);
    for path in ["checkpoint", "tile/entries/000", "tile/0/001.p/44", "tile/1/000.p/1"] {
        let mut memory = author.publish();
        memory.files.remove(path);
        match author.check(&memory) {
            Err(FsckError::Read { path: unread, .. }) => assert_eq!(unread, path),
            other => panic!("{path}: {other:?}"),
        }
    }
}

#[test]
fn a_bundle_or_tile_of_another_length_is_found() {
    let author = Author::with(300);
    for (path, bytes) in [("tile/entries/000", 1), ("tile/0/000", 32), ("tile/0/000", 5)] {
        let mut memory = author.publish();
        let file = memory.files.get_mut(path).unwrap();
        file.truncate(file.len() - bytes);
        assert_eq!(author.finding(&memory).field, path);
    }
}

#[test]
fn progress_reaches_the_end() {
    let author = Author::with(300);
    let seen = std::sync::Mutex::new(Vec::new());
    let tell = |done: u64, of: u64| seen.lock().unwrap().push((done, of));
    let options = Options { progress: Some(&tell), ..options() };
    author.check_with(&author.publish(), &options).unwrap();
    assert_eq!(seen.into_inner().unwrap().last(), Some(&(300, 300)));
}

/// A ring for which the entry `at` says a root of the map.
struct Saying {
    ring: KeyRing,
    at: u64,
    root: MapRoot,
}

impl Authority for Saying {
    fn key(&self, name: &str) -> Option<&VerifierKey> {
        self.ring.key(name)
    }
    fn observe(&mut self, entry: &Entry, openings: Option<&Openings>) -> Result<(), String> {
        self.ring.observe(entry, openings)
    }
    fn map_root(&self, entry: &Entry) -> Option<MapRoot> {
        (entry.index == self.at).then_some(self.root)
    }
}

#[test]
fn a_root_of_the_map_is_compared_where_it_is_said_also_by_a_check_that_goes_on() {
    let (short, author) = (Author::with(200), Author::with(300));
    let root_of = |size: u64| {
        let mut map = GrowingMap::default();
        for bytes in author.entries.iter().take(usize::try_from(size).unwrap()) {
            let entry = Entry::parse(bytes.clone()).unwrap();
            if let Content::Statement(signed) = &entry.content {
                map.advance(entry.index, &signed.statement, &signed.hash);
            }
        }
        map.root()
    };
    let log = author.log.verifier();
    let check = |at: u64, size: u64, root: TreeHash| {
        let root = MapRoot { size, root };
        let mut whole = Saying { ring: author.ring(), at, root };
        let whole = fsck(&author.publish(), &mut whole, &log, &options());
        let mut saying = Saying { ring: author.ring(), at, root };
        let (_, reached) = fsck_from(Reached::default(), &short.publish(), &mut saying, &log, &options()).unwrap();
        let going_on = fsck_from(reached, &author.publish(), &mut saying, &log, &options()).map(|(report, _)| report);
        (whole, going_on)
    };
    for (at, size) in [(290, 290), (299, 201), (250, 100), (211, 0)] {
        let (whole, going_on) = check(at, size, root_of(size));
        assert_eq!((whole.unwrap().map_roots, going_on.unwrap().map_roots), (1, 1), "{size} at {at}");
    }
    for (at, size, root) in
        [(290, 290, root_of(288)), (290, 291, root_of(291)), (211, 0, TreeHash::from_bytes([1; 32]))]
    {
        let (whole, going_on) = check(at, size, root);
        for found in [finding(whole), finding(going_on)] {
            assert_eq!((found.index, found.field.as_str()), (Some(at), "map root"), "{found}");
        }
    }
}

/// A ring for which the entry `at` names a beginning of the log, and another one brings a new key.
struct Naming {
    ring: KeyRing,
    at: u64,
    named: Beginning,
    keys: LogKeys,
}

impl Authority for Naming {
    fn key(&self, name: &str) -> Option<&VerifierKey> {
        self.ring.key(name)
    }
    fn observe(&mut self, entry: &Entry, openings: Option<&Openings>) -> Result<(), String> {
        self.ring.observe(entry, openings)
    }
    fn log_keys(&self) -> Option<&LogKeys> {
        Some(&self.keys)
    }
    fn beginning(&self, entry: &Entry) -> Option<Beginning> {
        (entry.index == self.at).then_some(self.named)
    }
}

#[test]
fn a_tree_that_an_entry_names_as_a_beginning_of_the_log_is_one_or_is_found() {
    let author = Author::with(300);
    let log = author.log.verifier();
    let leaves: Vec<TreeHash> = author.entries.iter().map(|bytes| leaf_hash(bytes)).collect();
    let root_at = |size: usize| root_of(&leaves[..size]);
    let check = |size: u64, root: TreeHash| {
        let named = Beginning { size, root };
        let mut naming = Naming { ring: author.ring(), at: 290, named, keys: (&log).into() };
        fsck(&author.publish(), &mut naming, &log, &options())
    };
    for size in [1, 200, 256, 257, 290] {
        assert!(check(size as u64, root_at(size)).is_ok(), "{size}");
    }
    for (size, root) in [(200, root_at(201)), (291, root_at(291)), (0, root_at(0))] {
        let found = finding(check(size, root));
        assert_eq!((found.index, found.field.as_str()), (Some(290), "beginning"), "{found}");
    }
}

#[test]
fn a_checkpoint_of_the_key_that_the_log_itself_replaced_is_found_whoever_is_told_what() {
    let author = Author::with(10);
    let log = author.log.verifier();
    let next = SigningKey::from_seed(log.name(), KeyKind::Ed25519, [99; 32]).unwrap().verifier();
    let mut keys = LogKeys::new(log.clone());
    keys.rotate(4, next.clone());
    let named = Beginning { size: 1, root: leaf_hash(&author.entries[0]) };
    let check = |told: Option<&LogKeys>| {
        let mut naming = Naming { ring: author.ring(), at: 9, named, keys: keys.clone() };
        finding(fsck(&author.publish(), &mut naming, &log, &Options { keys: told, ..options() }))
    };
    // The old key signed all of it; a history that says of a later entry would let it.
    let mut later = LogKeys::new(log.clone());
    later.rotate(20, next);
    for told in [None, Some(&keys), Some(&later)] {
        let found = check(told);
        assert!(found.field == "checkpoint key" && found.reason.contains("entry 4 replaced"), "{found}");
    }
}
