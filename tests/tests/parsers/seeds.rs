//! Seeds that are made: at least one whole and right input for each parser, of keys and times that never change.
//!
//! Made-up data only (虚构). A new parser gets its seeds in a function of its own, which [`all`] calls.

use std::fmt::Write as _;
use std::sync::OnceLock;

use gongkai_domain::gap::{
    Asking, Batch, Batches, CAPSULE_BYTES, Capsules, Content, Given, Item, Late, LatePacket, Packet,
    Said as SaidOutside, Secret,
};
use gongkai_domain::vault::TierSecret;
use gongkai_domain::{Checked, Submission, submission};
use gongkai_log::map::{Head, Leaf};
use gongkai_log::merkle::{TileSource, leaf_hash, prove_beginning, prove_consistency, prove_inclusion, root_of};
use gongkai_log::tile::{encode_bundle, encode_hashes};
use gongkai_log::{
    AddCheckpoint, Checkpoint, Digest, Entry, Fork, KeyKind, List, MapFile, MapKey, MapProof, Note, Promise,
    RefusalReceipt, Row, SealedPeriod, SigningKey, TilePath, TlogProof, TreeHash, checkpoint, cosignature, note, time,
};
use gongkai_tests::ledger::{COUNTY, ORIGIN, key, pledge, sheet, stream};
use gongkai_tests::parsers::{log_key, witness_key};
use gongkai_tests::statement::Draft;
use serde_json::{Value, json};

/// Parser, name, bytes.
type Seed = (&'static str, &'static str, Vec<u8>);

/// All seeds; made once, because salts and streams are counted.
pub fn all() -> impl Iterator<Item = (&'static str, &'static str, &'static [u8])> {
    static ALL: OnceLock<Vec<Seed>> = OnceLock::new();
    let made = ALL.get_or_init(|| {
        let (pledge, sheet) = (said(&pledge("修桥")), said(&said_sheet()));
        [
            notes(&pledge),
            of_the_tree(&pledge),
            canonical(),
            contents(&pledge, &sheet),
            policies(),
            of_the_program(&pledge, &sheet),
            across_the_gap(&pledge),
            key_histories(),
        ]
        .concat()
    });
    made.iter().map(|(parser, name, bytes)| (*parser, *name, bytes.as_slice()))
}

/// A submission with what it says.
struct Said {
    json: Value,
    checked: Checked,
}

fn said_sheet() -> Value {
    let line = json!({"date": "2026-02-03", "voucher": "记-12", "summary": "公厕电费", "expense": 33_030});
    sheet("2026-02", 33_030, &line)
}

fn said(command: &Value) -> Said {
    said_by(&Draft::new(command.clone(), vec![("publisher", key("publisher.example/1"))]))
}

fn said_by(draft: &Draft) -> Said {
    let json = draft.submission();
    let parsed = Submission::parse(json.to_string().as_bytes()).unwrap();
    let checked = submission::check(ORIGIN, parsed).unwrap_or_else(|refusal| panic!("{refusal:?}"));
    Said { json, checked }
}

fn intake() -> SigningKey {
    SigningKey::from_seed("intake.example/1", KeyKind::Ed25519, [2; 32]).unwrap()
}

fn notes(pledge: &Said) -> Vec<Seed> {
    let (log, at) = (log_key(), time::parse_recorded("2026-03-10T01:12:07.000001Z").unwrap());
    let (commitment, later) = (Digest::of(b"sealed"), time::parse_recorded("2026-03-10T01:22:07.000001Z").unwrap());
    let promise = Promise { origin: ORIGIN.into(), commitment, received_at: at, deadline: later };
    let refusal =
        RefusalReceipt { origin: ORIGIN.into(), submission: commitment, refused_at: at, code: "state".into() };
    let signed = |text: &str| note::sign(text, &[&intake()]).unwrap().into_bytes();
    let statement = pledge.checked.signed.note.to_string();
    vec![
        ("note", "with-blank-lines", note::sign("one\n\ntwo\n", &[log, &intake()]).unwrap().into_bytes()),
        ("note", "statement", statement.clone().into_bytes()),
        ("statement", "pledge", statement.into_bytes()),
        ("sealed", "promise", signed(&promise.text().unwrap())),
        ("sealed", "refusal", signed(&refusal.text().unwrap())),
        ("sealed", "period", signed(&SealedPeriod::text(ORIGIN, &commitment).unwrap())),
        ("vkey", "log", log.verifier().to_string().into_bytes()),
        ("vkey", "witness", witness_key().verifier().to_string().into_bytes()),
    ]
}

/// The entry of the pledge, after one of a sealed period.
fn entries(pledge: &Said) -> [Vec<u8>; 2] {
    let at = time::parse_recorded("2026-03-10T01:12:07.000001Z").unwrap();
    let period = note::sign(&SealedPeriod::text(ORIGIN, &Digest::of(b"a period")).unwrap(), &[&intake()]).unwrap();
    let first = Entry::seal(0, at, Digest::ZERO, &period).unwrap();
    let second = Entry::seal(1, at, Digest::of(&first), &pledge.checked.signed.note.to_string()).unwrap();
    [first, second]
}

/// Leaves of a tree that is no larger than one tile.
struct Leaves(Vec<TreeHash>);

impl TileSource for Leaves {
    type Error = std::io::Error;

    fn tile(&self, _: &TilePath) -> Result<Vec<u8>, Self::Error> {
        Ok(encode_hashes(&self.0))
    }
}

impl Leaves {
    /// Four made-up leaves after those of the entries; another history with another name.
    fn after(entries: &[Vec<u8>], name: &str) -> Self {
        let made = (0..4).map(|number| leaf_hash(format!("{name} {number}").as_bytes()));
        Self(entries.iter().map(|entry| leaf_hash(entry)).chain(made).collect())
    }

    fn note(&self, size: usize) -> String {
        let checkpoint = Checkpoint { origin: ORIGIN.into(), size: size as u64, root: root_of(&self.0[..size]) };
        checkpoint::sign(&checkpoint, &[log_key()]).unwrap()
    }

    fn cosigned(&self, size: usize) -> Note {
        let mut note = Note::parse(&self.note(size)).unwrap();
        note.signatures.push(cosignature::cosign(&note.text, witness_key(), 1_770_000_000).unwrap());
        note
    }
}

fn of_the_tree(pledge: &Said) -> Vec<Seed> {
    let entries = entries(pledge);
    let (leaves, others) = (Leaves::after(&entries, "leaf"), Leaves::after(&entries, "other"));
    let cosigned = leaves.cosigned(6);
    let empty = Leaves(Vec::new()).cosigned(0);
    let extended =
        note::sign(&format!("{}extension\n", Note::parse(&leaves.note(6)).unwrap().text), &[log_key()]).unwrap();
    let proof = |extra: Option<&[u8]>| {
        let hashes = prove_inclusion(1, 6, &leaves).unwrap();
        TlogProof { extra: extra.map(<[u8]>::to_vec), index: 1, hashes, checkpoint: cosigned.clone() }.to_string()
    };
    let fork = |held: usize, shown: usize| {
        let hashes =
            if held < shown { prove_beginning(held as u64, shown as u64, &others).unwrap() } else { Vec::new() };
        Fork { held: leaves.note(held), shown: others.note(shown), hashes }.to_string()
    };
    let proof_text = proof(None);
    let asked = |old: u64, proof: Vec<TreeHash>| AddCheckpoint { old, proof, checkpoint: cosigned.clone() }.to_string();
    let key = MapKey::family("pledge");
    let map_proof = |end: Option<Leaf>| {
        let proof = MapProof { siblings: leaves.0[..3].to_vec(), end };
        let inclusion = TlogProof::parse(&proof_text).unwrap();
        MapFile { key: key.clone(), proof, entry: entries[1].clone(), inclusion }.to_string()
    };
    let texts = [
        ("checkpoint", "cosigned", cosigned.to_string()),
        ("checkpoint", "empty", empty.to_string()),
        ("checkpoint", "extended", extended),
        ("cosignature", "of-nothing", empty.signatures[1].to_string()),
        ("cosignature", "plain", cosigned.signatures[0].to_string()),
        ("proof", "cosigned", proof(None)),
        ("proof", "with-extra", proof(Some(b"entry 1"))),
        ("fork", "of-one-size", fork(6, 6)),
        ("fork", "with-hashes", fork(4, 6)),
        ("witness_request", "first", asked(0, Vec::new())),
        ("witness_request", "grown", asked(2, prove_consistency(2, 6, &leaves).unwrap())),
        ("map_proof", "present", map_proof(Some(Leaf { path: key.path(), head: Head::NONE }))),
        ("map_proof", "absent", map_proof(None)),
        ("mirror_state", "fresh", "0\n0\n\n".to_owned()),
        ("mirror_state", "behind", "70000\n256\ndGlja2V0\n".to_owned()),
        ("tile", "path", "tile/63/x001/x234/067".to_owned()),
        ("tile", "path-of-entries", "tile/entries/273.p/112".to_owned()),
        ("tile", "path-of-openings", "openings/x001/000".to_owned()),
    ];
    let mut seeds: Vec<Seed> =
        texts.into_iter().map(|(parser, name, text)| (parser, name, text.into_bytes())).collect();
    seeds.push(("tile", "hashes", encode_hashes(&leaves.0)));
    seeds.push(("bundle", "two-entries", encode_bundle(&entries).unwrap()));
    let [period, pledge] = entries;
    seeds.extend([("entry", "period", period), ("entry", "pledge", pledge)]);
    seeds
}

fn canonical() -> Vec<Seed> {
    let mixed = json!([null, true, false, 0, -1, 9_007_199_254_740_991_i64, "\u{8}\t\"\\/\u{1}é€\u{10ffff}", {}, [],
        {"": {"a": [1]}, "\u{fb33}": 1, "\u{1f600}": 2}]);
    let text = |value: &Value| gongkai_log::canonical::to_string(value).unwrap().into_bytes();
    let deep = (0..31).fold(json!(1), |inner, _| json!([inner]));
    let small: Value = (0..400).map(|_| json!({"": 0})).collect();
    vec![
        ("canonical", "mixed", text(&mixed)),
        ("canonical", "deep", text(&deep)),
        ("canonical", "small-objects", text(&small)),
    ]
}

fn contents(pledge: &Said, sheet: &Said) -> Vec<Seed> {
    let mut openings = String::new();
    for (index, said) in (0..).zip([pledge, sheet]) {
        let mut line = said.checked.openings.clone();
        line.index = index;
        writeln!(openings, "{}", line.to_line().unwrap()).unwrap();
    }
    let mut list = sheet.checked.list.clone().unwrap();
    let whole = list.to_text().unwrap();
    list.rows.push(Row::Withdrawn { line: 1, commitment: Digest::of(b"withdrawn") });
    vec![
        ("openings", "two-lines", openings.into_bytes()),
        ("list", "sheet", whole.into_bytes()),
        ("list", "with-a-withdrawn-line", list.to_text().unwrap().into_bytes()),
        ("list", "empty", List::default().to_text().unwrap().into_bytes()),
    ]
}

fn policies() -> Vec<Seed> {
    let mut text = format!("# policy\n\nlog {} https://log.example/\n", log_key().verifier());
    for number in 1..=4 {
        let key =
            SigningKey::from_seed(&format!("witness.example/{number}"), KeyKind::CosignatureV1, [100 + number; 32]);
        writeln!(text, "witness w{number}\t{} https://w{number}.example/", key.unwrap().verifier()).unwrap();
    }
    let grouped = format!("{text}group x 2 w1 w2\ngroup y any w3 w4\n  group both all x y\nquorum both\n");
    vec![("policy", "groups", grouped.into_bytes()), ("policy", "none", b"quorum none\n".to_vec())]
}

/// A genesis, and the same with the first replacement of its key, which the recovery key endorsed.
fn key_histories() -> Vec<Seed> {
    let log = |seed: u8| SigningKey::from_seed(ORIGIN, KeyKind::Ed25519, [seed; 32]).unwrap();
    let text = |key: &SigningKey| key.verifier().to_string();
    let (old, new, recovery) = (log(1), log(3), "recovery.example/1");
    let registrar = |number: u32| {
        let name = format!("registrar.example/{number}");
        json!({"person": stream("person", number), "key": text(&key(&name))})
    };
    let created = json!({"kind": "ledger.created.v1", "org": COUNTY, "stream": stream("ledger", 1), "fields": {
        "name": "青禾县公开账本(虚构)", "log_key": text(&old), "intake_key": text(&intake()),
        "recovery_key": text(&key(recovery)), "registrars": [registrar(1), registrar(2)]}});
    let created = said_by(&Draft::new(created, vec![("log", log(1))])).checked.signed;
    let at = time::parse_recorded("2026-03-10T01:12:07.000001Z").unwrap();
    let first = Entry::seal(0, at, Digest::ZERO, &created.note.to_string()).unwrap();
    let head = Checkpoint { origin: ORIGIN.into(), size: 1, root: root_of(&[leaf_hash(&first)]) };
    let rotated = json!({"kind": "ledger.key_rotated.v1", "org": COUNTY, "stream": stream("ledger", 1), "fields": {
        "old_key": text(&old), "new_key": text(&new), "head_size": 1, "head_root": head.root, "reason": "lost",
        "checkpoint": checkpoint::sign(&head, &[&old]).unwrap()}});
    let rotated = Draft {
        head: Some(gongkai_domain::Head { revision: 0, hash: created.hash }),
        ..Draft::new(rotated, vec![("recovery", key(recovery)), ("log", new)])
    };
    let note = said_by(&rotated).checked.signed.note.to_string();
    let second = Entry::seal(1, at, Digest::of(&first), &note).unwrap();
    vec![
        ("key_history", "genesis", encode_bundle(std::slice::from_ref(&first)).unwrap()),
        ("key_history", "rotated", encode_bundle(&[first, second]).unwrap()),
    ]
}

fn of_the_program(pledge: &Said, sheet: &Said) -> Vec<Seed> {
    let own = Digest::from_bytes([7; 32]);
    let key = format!("gongkai.key/v1\nchen.example/1\n{own}\n");
    let status =
        json!({"looked_at": "2026-03-10T01:12:07Z", "size": 310, "refused": "missing: openings/001", "failed": null});
    let leaves = Leaves::after(&entries(pledge), "leaf");
    let archive = tar(&[
        ("checkpoint", leaves.note(6).as_bytes()),
        ("tile/0/000.p/6", &encode_hashes(&leaves.0)),
        ("vkey", log_key().verifier().to_string().as_bytes()),
    ]);
    vec![
        ("key_file", "plain", key.into_bytes()),
        ("mirror_status", "refused", status.to_string().into_bytes()),
        ("archive", "three-files", archive),
        ("submission", "pledge", pledge.json.to_string().into_bytes()),
        ("submission", "sheet", sheet.json.to_string().into_bytes()),
    ]
}

/// A tar of small files, as POSIX has it.
fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = Vec::new();
    for (name, bytes) in files {
        let mut head = [0; 512];
        head[..name.len()].copy_from_slice(name.as_bytes());
        for (at, octal) in [(100, "0000644\0"), (108, "0000000\0"), (116, "0000000\0"), (136, "00000000000\0")] {
            head[at..at + octal.len()].copy_from_slice(octal.as_bytes());
        }
        head[124..136].copy_from_slice(format!("{:011o}\0", bytes.len()).as_bytes());
        head[156] = b'0';
        head[257..265].copy_from_slice(b"ustar\x0000");
        head[148..156].copy_from_slice(b"        ");
        let sum: u32 = head.iter().map(|byte| u32::from(*byte)).sum();
        head[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        archive.extend(head);
        archive.extend_from_slice(bytes);
        archive.resize(archive.len().next_multiple_of(512), 0);
    }
    archive.extend([0; 1_024]);
    archive
}

/// Bytes that are counted up: what a packet takes at random is the same in every run.
fn counted() -> impl FnMut(&mut [u8]) {
    let mut last = 0u8;
    move |buffer: &mut [u8]| {
        for byte in buffer {
            last = last.wrapping_add(1);
            *byte = last;
        }
    }
}

fn across_the_gap(pledge: &Said) -> Vec<Seed> {
    let at = time::parse_recorded("2026-03-10T01:12:07.000001Z").unwrap();
    let submission = Submission::parse(pledge.json.to_string().as_bytes()).unwrap();
    let content = Content {
        follow: Secret::of_code("7K2M9QXA40TBRZ8CJH6PM2EY"),
        said: SaidOutside::Submission { code: None, submission: Box::new(submission) },
    };
    let to = TierSecret::from_bytes(&[5; 32]).unwrap().key();
    let packet = Packet::seal(&content, (ORIGIN, "ledger.example/test/outside"), &to, &mut counted()).unwrap();
    let period = note::sign(&SealedPeriod::text(ORIGIN, &Digest::of(b"period")).unwrap(), &[log_key()]).unwrap();
    let entry = String::from_utf8(Entry::seal(0, at, Digest::ZERO, &period).unwrap()).unwrap();
    let item = Item { leaf: 40_001, salt: Digest::of(b"salt"), packet: packet.to_text() };
    let batch = Batch { entry, nonce: Digest::of(b"nonce"), packets: vec![item] };
    let empty = Batch { packets: Vec::new(), ..batch.clone() };
    let batches = Batches { intake: log_key().verifier().to_string(), from: 0, batches: vec![batch, empty] };
    let capsules = Capsules { as_of: at, answered: 2, capsules: vec![vec![7; CAPSULE_BYTES]] };
    let signed = |text: &str| note::sign(text, &[log_key()]).unwrap();
    let earlier = time::parse_recorded("2026-03-09T01:12:07.000001Z").unwrap();
    let packets = [Some((1, 40_001)), None].map(|place| LatePacket { place, deadline: earlier });
    let late = Late { as_of: at, count: 2, packets: packets.to_vec() };
    let given = Given { draft: uuid::Uuid::from_u128(7), signature: "AAAA".into() };
    let asking = Asking { asked_at: at, given: vec![given] };
    vec![
        ("asking", "one", signed(&asking.text((ORIGIN, ORIGIN)).unwrap()).into_bytes()),
        ("packet", "pledge", packet.to_text().into_bytes()),
        ("batches", "two", batches.to_text().into_bytes()),
        ("capsules", "one", capsules.to_file(&signed(&capsules.text(ORIGIN).unwrap())).into_bytes()),
        ("late", "two", signed(&late.text(ORIGIN).unwrap()).into_bytes()),
    ]
}
