//! The crate against bytes that others made: the ledger's vectors, the public Merkle vectors; and
//! against bytes that nobody made, which must be refused without a panic.

#![expect(
    clippy::unwrap_used,
    reason = "clippy allows it in tests, and takes the helpers of this binary for something else"
)]

use std::collections::HashMap;
use std::convert::Infallible;
use std::path::{Path, PathBuf};

use gongkai_log::cosignature;
use gongkai_log::entry::Content;
use gongkai_log::merkle::{self, ProveError, Subtree};
use gongkai_log::tile::{TileKind, lines_path};
use gongkai_log::tile::{decode_bundle, encode_bundle, encode_hashes, level_tiles};
use gongkai_log::{
    Checkpoint, Digest, Edge, Entry, Fetch, KeyKind, KeyRing, List, Note, Opening, Openings, Options, Policy, Promise,
    Row, SealedPeriod, SignedStatement, SigningKey, StreamId, Tier, TilePath, TileSource, TlogProof, TreeHash,
    VerifierKey, canonical, checkpoint, fsck, list, note, sealed, slot,
};
use proptest::prelude::*;
use serde_json::Value;
use sha2::Digest as _;

fn shared(path: &str) -> PathBuf {
    let root = std::env::var_os("GONGKAI_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), PathBuf::from);
    root.join(path)
}

fn read(path: &str) -> Vec<u8> {
    let path = shared(path);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn ledger(name: &str) -> String {
    String::from_utf8(read(&format!("vectors/ledger/{name}"))).unwrap()
}

fn vectors() -> Value {
    serde_json::from_slice(&read("vectors/ledger/vectors.json")).unwrap()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn digest(value: &Value) -> Digest {
    Digest::parse(text(value)).unwrap()
}

fn bytes32(value: &Value) -> [u8; 32] {
    *digest(value).as_bytes()
}

fn keys() -> HashMap<String, SigningKey> {
    let vectors = vectors();
    let keys = vectors["keys"].as_object().unwrap().iter();
    keys.map(|(name, key)| {
        let kind = match key["type"].as_u64() {
            Some(1) => KeyKind::Ed25519,
            Some(4) => KeyKind::CosignatureV1,
            other => panic!("{other:?}"),
        };
        let seed = *Digest::from_hex(text(&key["seed_hex"])).unwrap().as_bytes();
        let made = SigningKey::from_seed(name, kind, seed).unwrap();
        assert_eq!(made.verifier().to_string(), text(&key["vkey"]));
        let parsed = VerifierKey::parse(text(&key["vkey"])).unwrap();
        assert_eq!(parsed, made.verifier());
        (name.clone(), made)
    })
    .collect()
}

fn entries() -> Vec<Entry> {
    let entry = |index| Entry::parse(ledger(&format!("entry-{index}.txt")).into_bytes()).unwrap();
    (0..4).map(entry).collect()
}

#[test]
fn entries_have_the_hashes_of_the_vectors_and_are_written_again() {
    let vectors = vectors();
    let mut prev = Digest::ZERO;
    for (entry, stated) in entries().iter().zip(vectors["entries"].as_array().unwrap()) {
        assert_eq!(Some(entry.index), stated["index"].as_u64());
        assert_eq!(Some(entry.bytes.len() as u64), stated["bytes"].as_u64());
        assert_eq!(entry.hash, digest(&stated["entry_hash"]));
        assert_eq!(entry.leaf_hash().to_string(), text(&stated["leaf_hash"]));
        assert_eq!(entry.prev, prev);
        let note = entry.content.note().to_string();
        let again = Entry::seal(entry.index, entry.recorded_at, prev, &note).unwrap();
        assert_eq!(again, entry.bytes);
        prev = entry.hash;
    }
}

#[test]
fn statements_are_signed_to_the_same_bytes() {
    let (vectors, keys) = (vectors(), keys());
    let verifiers: HashMap<_, _> = keys.iter().map(|(n, k)| (n.as_str(), k.verifier())).collect();
    let entries = entries();
    let stated = vectors["statements"].as_array().unwrap();
    assert_eq!(stated.len(), 3);
    for stated in stated {
        let index = usize::try_from(stated["entry"].as_u64().unwrap()).unwrap();
        let signed = entries[index].content.statement().unwrap();
        assert_eq!(signed.hash, digest(&stated["hash"]));
        assert_eq!(signed.statement.text().unwrap(), signed.note.text);
        assert_eq!(signed.verify(|name| verifiers.get(name)), Ok(()));
        let signers = signed.statement.signers.iter();
        let signers: Vec<_> = signers.map(|signer| &keys[&signer.key]).collect();
        let again = SignedStatement::sign(&signed.statement, &signers).unwrap();
        assert_eq!(again, *signed);
    }
    let parent = entries[1].content.statement().unwrap().statement.parent;
    assert_eq!(parent, Some(entries[0].content.statement().unwrap().hash));
}

#[test]
fn slots_commit_to_their_payloads() {
    let vectors = vectors();
    let slots = vectors["slots"].as_object().unwrap();
    assert_eq!(slots.len(), 4);
    for (id, stated) in slots {
        let (stream, revision) = id.split_once('#').unwrap();
        let stream = StreamId::parse(stream).unwrap();
        let revision: u64 = revision.parse().unwrap();
        let mut commitments = [Digest::ZERO; 16];
        for (place, stated) in stated["slots"].as_array().unwrap().iter().enumerate() {
            let salt = bytes32(&stated["salt"]);
            commitments[place] = match stated.get("payload") {
                None => slot::empty(&salt, &bytes32(&stated["filler"])),
                Some(payload) => {
                    let payload = canonical::parse(text(payload)).unwrap();
                    let opening = Opening {
                        slot: u8::try_from(payload[2].as_u64().unwrap()).unwrap(),
                        salt,
                        tier: Tier::parse(text(&payload[3])).unwrap(),
                        name: text(&payload[4]).to_owned(),
                        value: payload[5].clone(),
                    };
                    assert_eq!(text(&payload[1]), id);
                    slot::commit(text(&payload[0]), &stream, revision, &opening).unwrap()
                }
            };
            assert_eq!(commitments[place], digest(&stated["commitment"]), "{id} {place}");
        }
        let root = slot::root(&commitments);
        assert_eq!(root, digest(&stated["root"]));
        for slot in 0..16 {
            let path = slot::path(&commitments, slot);
            let commitment = &commitments[usize::from(slot)];
            assert!(slot::verify_path(&root, slot, commitment, &path));
        }
    }
}

#[test]
fn published_openings_and_lines_lead_to_their_statements() {
    let entries = entries();
    let file = ledger("openings-0.jsonl");
    assert_eq!(file.lines().count(), 3);
    for line in file.lines() {
        let openings = Openings::parse_line(line).unwrap();
        assert_eq!(openings.to_line().unwrap(), line);
        let index = usize::try_from(openings.index).unwrap();
        let signed = entries[index].content.statement().unwrap();
        assert_eq!(openings.check(&signed.statement), Ok(()));
    }
    let vectors = vectors();
    let root = digest(&vectors["lines"]["root"]);
    let name = lines_path(&root).replace('/', "-");
    let file = ledger(&format!("{name}.jsonl"));
    let list = List::parse(&file).unwrap();
    assert_eq!(list.to_text().unwrap(), file);
    let statement = &entries[3].content.statement().unwrap().statement;
    let (origin, stream) = (&statement.origin, &statement.stream);
    assert_eq!(list.check(origin, stream, 0, &root, 2), Ok(()));
    let stated = vectors["lines"]["lines"].as_array().unwrap();
    let mut withdrawn = list.clone();
    for (place, (row, stated)) in list.rows.iter().zip(stated).enumerate() {
        let Row::Open { line, row, salt } = row else { panic!("{row:?}") };
        let commitment = list::commit_line(origin, stream, 0, *line, row, salt).unwrap();
        assert_eq!(commitment, digest(&stated["commitment"]));
        withdrawn.rows[place] = Row::Withdrawn { line: *line, commitment };
    }
    assert_eq!(withdrawn.check(origin, stream, 0, &root, 2), Ok(()));
}

#[test]
fn the_sealed_event_is_in_its_period_and_was_promised() {
    let (vectors, keys) = (vectors(), keys());
    let stated = &vectors["sealed_event"];
    let note = text(&stated["note"]);
    let signed = SignedStatement::parse(note).unwrap();
    let intake = keys["intake.ledger.example/vectors"].verifier();
    assert_eq!(signed.verify(|_| Some(&intake)), Ok(()));
    let commitment = sealed::commit_event(&bytes32(&stated["salt"]), note);
    assert_eq!(commitment, digest(&stated["commitment"]));
    let filler = |leaf: usize| {
        let hash = sha2::Sha256::digest(format!("period filler {leaf}"));
        Digest::from_bytes(hash.into())
    };
    let mut leaves: Vec<Digest> = (0..sealed::PERIOD_LEAVES).map(filler).collect();
    leaves[4711] = commitment;
    let root = sealed::period_root(&leaves).unwrap();
    assert_eq!(root, digest(&stated["root"]));
    let path = sealed::period_path(&leaves, 4711).unwrap();
    assert!(sealed::verify_period_path(&root, 4711, &commitment, &path));
    let entry = entries().swap_remove(2);
    let Content::Sealed(period) = entry.content else { panic!("entry 2 is sealed") };
    assert_eq!(period.root, root);
    assert_eq!(SealedPeriod::text(&period.origin, &root).unwrap(), period.note.text);
    assert_eq!(period.note.open(std::slice::from_ref(&intake)), Ok(vec![0]));
    let written = ledger("promise.txt");
    let promise_note = Note::parse(&written).unwrap();
    assert_eq!(promise_note.open(&[intake]), Ok(vec![0]));
    let promise = Promise::parse(&promise_note.text).unwrap();
    assert_eq!(promise.commitment, commitment);
    let key = &keys["intake.ledger.example/vectors"];
    assert_eq!(note::sign(&promise.text().unwrap(), &[key]).unwrap(), written);
}

#[test]
fn checkpoint_cosignature_and_proof_are_those_of_the_vectors() {
    let (vectors, keys) = (vectors(), keys());
    let log = &keys["ledger.example/vectors"];
    let witness = &keys["witness.example/1"];
    let leaves: Vec<TreeHash> = entries().iter().map(Entry::leaf_hash).collect();
    let made = Checkpoint { origin: "ledger.example/vectors".to_owned(), size: 4, root: merkle::root_of(&leaves) };
    assert_eq!(made.root.to_string(), text(&vectors["root"]));
    let cosigned = ledger("checkpoint-cosigned.txt");
    let (opened, note) = checkpoint::open(&cosigned, &log.verifier()).unwrap();
    assert_eq!(opened, made);
    let bare = checkpoint::sign(&made, &[log]).unwrap();
    assert!(cosigned.starts_with(&bare));
    let time = cosignature::verify(&note.text, &note.signatures[1], &witness.verifier()).unwrap();
    let again = cosignature::cosign(&note.text, witness, time).unwrap();
    assert_eq!(again, note.signatures[1]);
    let file = ledger("entry-1.tlog-proof");
    let proof = TlogProof::parse(&file).unwrap();
    assert_eq!(proof.to_string(), file);
    let policy = format!("witness w {}\nquorum w\n", witness.verifier());
    let policy = Policy::parse(&policy).unwrap();
    let entry = ledger("entry-1.txt").into_bytes();
    let verified = proof.verify(&entry, &log.verifier(), Some(&policy));
    assert_eq!(verified.unwrap(), made);
    let other = ledger("entry-0.txt").into_bytes();
    assert!(proof.verify(&other, &log.verifier(), Some(&policy)).is_err());
    let mut alone = proof;
    alone.checkpoint.signatures.truncate(1);
    assert!(alone.verify(&entry, &log.verifier(), Some(&policy)).is_err());
    assert!(alone.verify(&entry, &log.verifier(), None).is_ok());
}

struct VectorLog;

impl Fetch for VectorLog {
    type Error = std::io::Error;
    fn checkpoint(&self) -> Result<Vec<u8>, std::io::Error> {
        Ok(read("vectors/ledger/checkpoint.txt"))
    }
    fn tile(&self, path: &TilePath) -> Result<Vec<u8>, std::io::Error> {
        match path.to_string().as_str() {
            "tile/entries/000.p/4" => Ok(read("vectors/ledger/bundle-0.p4.bin")),
            "tile/0/000.p/4" => {
                let hashes: Vec<_> = entries().iter().map(Entry::leaf_hash).collect();
                Ok(encode_hashes(&hashes))
            }
            other => panic!("{other}"),
        }
    }
    fn extra(&self, path: &str) -> Result<Option<Vec<u8>>, std::io::Error> {
        let name = path.replace('/', "-").replace("-000", "-0");
        Ok(Some(read(&format!("vectors/ledger/{name}.jsonl"))))
    }
}

#[test]
fn the_bundle_of_the_vectors_is_a_log_that_checks() {
    let bundle = read("vectors/ledger/bundle-0.p4.bin");
    let decoded = decode_bundle(&bundle).unwrap();
    let bytes: Vec<Vec<u8>> = entries().into_iter().map(|entry| entry.bytes).collect();
    assert_eq!(decoded, bytes);
    assert_eq!(encode_bundle(&decoded).unwrap(), bundle);
    let keys = keys();
    let mut ring = KeyRing::new(keys.values().map(SigningKey::verifier)).with_intake("intake.ledger.example/vectors");
    let options = Options { check_openings: true, ..Options::default() };
    let log = keys["ledger.example/vectors"].verifier();
    let report = fsck(&VectorLog, &mut ring, &log, &options).unwrap();
    assert_eq!((report.size, report.openings, report.lists), (4, 3, 1));
    assert_eq!((report.statements, report.sealed, report.signatures), (3, 1, 5));
}

#[test]
fn any_flipped_bit_of_a_vector_entry_is_refused_or_seen() {
    let keys = keys();
    let verifiers: HashMap<_, _> = keys.iter().map(|(n, k)| (n.as_str(), k.verifier())).collect();
    let entry = entries().swap_remove(1);
    for place in 0..entry.bytes.len() {
        let mut bytes = entry.bytes.clone();
        bytes[place] ^= 1;
        let Ok(changed) = Entry::parse(bytes) else { continue };
        assert_ne!(changed.leaf_hash(), entry.leaf_hash());
        let signed = changed.content.statement().unwrap();
        let note = entry.content.note();
        if signed.note.to_string() != note.to_string() {
            assert!(signed.verify(|name| verifiers.get(name)).is_err(), "byte {place}");
        }
    }
}

/// All files of a folder of Merkle vectors, as JSON.
fn merkle_vectors(folder: &str) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    let mut folders = vec![shared(&format!("vectors/merkle/{folder}"))];
    while let Some(folder) = folders.pop() {
        let listed = std::fs::read_dir(&folder);
        let listed = listed.unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        for item in listed {
            let path = item.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let json = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
                found.push((path.display().to_string(), json));
            }
        }
    }
    found
}

/// A hash of the vectors. Some are deliberately not 32 bytes: those that a hash type refuses are
/// `None`, so a case that wants an error has it.
fn tree_hash(value: &Value) -> Option<TreeHash> {
    TreeHash::parse(value.as_str()?).ok()
}

fn proof(value: &Value) -> Option<Vec<TreeHash>> {
    match value {
        Value::Null => Some(Vec::new()),
        Value::Array(hashes) => hashes.iter().map(tree_hash).collect(),
        other => panic!("{other}"),
    }
}

#[test]
fn inclusion_proofs_are_judged_as_the_vectors_want() {
    let vectors = merkle_vectors("inclusion");
    for (file, case) in &vectors {
        let verdict = || {
            let (leaf, root) = (tree_hash(&case["leafHash"])?, tree_hash(&case["root"])?);
            let index = case["leafIdx"].as_u64().unwrap();
            let size = case["treeSize"].as_u64().unwrap();
            merkle::verify_inclusion(index, size, &leaf, &proof(&case["proof"])?, &root).ok()
        };
        assert_eq!(verdict().is_none(), case["wantErr"].as_bool().unwrap(), "{file}");
    }
    let all = vectors.len() + merkle_vectors("consistency").len();
    assert_eq!(all, 196, "every case of the vectors was run");
}

#[test]
fn consistency_proofs_are_judged_as_the_vectors_want() {
    // One case has two equal roots of 12 bytes and wants acceptance: stand-ins keep equality.
    let root = |value: &Value| tree_hash(value).unwrap_or_else(|| merkle::leaf_hash(text(value).as_bytes()));
    for (file, case) in merkle_vectors("consistency") {
        let verdict = || {
            let size1 = case["size1"].as_u64().unwrap();
            let size2 = case["size2"].as_u64().unwrap();
            let (root1, root2) = (root(&case["root1"]), root(&case["root2"]));
            merkle::verify_consistency(size1, size2, &root1, &root2, &proof(&case["proof"])?).ok()
        };
        assert_eq!(verdict().is_none(), case["wantErr"].as_bool().unwrap(), "{file}");
    }
}

#[test]
fn subtrees_are_judged_as_the_vectors_want() {
    // Cases about the empty subtree have roots of 12 bytes: stand-ins keep equality.
    let root = |value: &Value| tree_hash(value).unwrap_or_else(|| merkle::leaf_hash(text(value).as_bytes()));
    let number = |case: &Value, member: &str| case[member].as_u64().unwrap();
    let (consistency, inclusion) = (merkle_vectors("subtreeconsistency"), merkle_vectors("subtreeinclusion"));
    assert_eq!(consistency.len() + inclusion.len(), 322, "every case of the vectors is run");
    for (file, case) in &consistency {
        let verdict = || {
            let subtree = Subtree::new(number(case, "start"), number(case, "end"))?;
            let (part, all) = (root(&case["root1"]), root(&case["root2"]));
            subtree.verify(number(case, "size"), &part, &all, &proof(&case["proof"])?).ok()
        };
        assert_eq!(verdict().is_none(), case["wantErr"].as_bool().unwrap(), "{file}");
    }
    for (file, case) in &inclusion {
        let verdict = || {
            let subtree = Subtree::new(number(case, "start"), number(case, "end"))?;
            let (leaf, root) = (tree_hash(&case["leafHash"])?, tree_hash(&case["root"])?);
            subtree.verify_inclusion(number(case, "leafIdx"), &leaf, &proof(&case["proof"])?, &root).ok()
        };
        assert_eq!(verdict().is_none(), case["wantErr"].as_bool().unwrap(), "{file}");
    }
}

/// A tree in memory, as tiles.
struct Tiles(Vec<TreeHash>);

impl Tiles {
    fn new(size: u64) -> Self {
        Self((0..size).map(|leaf| merkle::leaf_hash(&leaf.to_be_bytes())).collect())
    }

    fn root(&self, size: u64) -> TreeHash {
        merkle::root_of(&self.0[..usize::try_from(size).unwrap()])
    }
}

impl TileSource for Tiles {
    type Error = Infallible;
    fn tile(&self, path: &TilePath) -> Result<Vec<u8>, Infallible> {
        let TileKind::Hashes(level) = path.kind() else { panic!("{path}") };
        let expected = level_tiles(self.0.len() as u64, level).width(path.number());
        assert!(path.width() <= expected, "{path} is not there");
        let mut hashes = self.0.clone();
        for _ in 0..level {
            let full = hashes.as_chunks::<256>().0;
            hashes = full.iter().map(|tile| merkle::root_of(tile)).collect();
        }
        let from = usize::try_from(path.number() * 256).unwrap();
        let to = from + usize::try_from(path.width()).unwrap();
        Ok(encode_hashes(&hashes[from..to]))
    }
}

/// Proofs that differ from a good one by one hash too many, too few, swapped or changed.
fn spoiled(proof: &[TreeHash]) -> Vec<Vec<TreeHash>> {
    let mut all = vec![[proof, &[merkle::empty_root()]].concat()];
    if let Some((last, rest)) = proof.split_last() {
        all.push(rest.to_vec());
        all.push(proof[1..].to_vec());
        all.push([proof, &[*last]].concat());
        let mut changed = proof.to_vec();
        changed[0] = merkle::leaf_hash(b"another");
        all.push(changed);
    }
    if let [first, .., last] = proof
        && first != last
    {
        let mut swapped = proof.to_vec();
        swapped.swap(0, proof.len() - 1);
        all.push(swapped);
    }
    all
}

#[test]
fn proofs_of_awkward_sizes_verify() {
    for size in [1, 2, 3, 255, 256, 257, 511, 512, 513, 65_535, 65_536, 65_537, 70_000] {
        let tiles = Tiles::new(size);
        let root = tiles.root(size);
        for index in [0, size / 2, size - 1] {
            let proof = merkle::prove_inclusion(index, size, &tiles).unwrap();
            let leaf = &tiles.0[usize::try_from(index).unwrap()];
            assert_eq!(merkle::verify_inclusion(index, size, leaf, &proof, &root), Ok(()));
        }
        for old in [1, size / 2, size.next_power_of_two() / 2, size - 1, size] {
            let proof = merkle::prove_consistency(old, size, &tiles).unwrap();
            if old > 0 {
                let old_root = tiles.root(old);
                let verdict = merkle::verify_consistency(old, size, &old_root, &root, &proof);
                assert_eq!(verdict, Ok(()), "{old} -> {size}");
            }
        }
        let range = merkle::prove_inclusion(size, size, &tiles);
        assert!(matches!(range, Err(ProveError::Range(_))));
        assert!(merkle::prove_consistency(size + 1, size, &tiles).is_err());
        assert_eq!(merkle::prove_consistency(0, size, &tiles).unwrap(), []);
    }
}

/// Canonical values: integers in range, any strings, bounded depth.
fn json() -> impl Strategy<Value = Value> {
    let integer = -9_007_199_254_740_991i64..=9_007_199_254_740_991;
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        integer.prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        let name = prop_oneof![any::<String>(), "[a-e\u{e000}\u{ffff}\u{10000}]{0,3}"];
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::vec((name, inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn inclusion_is_proven_and_nothing_else_is(size in 1u64..1_200, seed in any::<u64>()) {
        let tiles = Tiles::new(size);
        let root = tiles.root(size);
        let index = seed % size;
        let proof = merkle::prove_inclusion(index, size, &tiles).unwrap();
        let leaf = &tiles.0[usize::try_from(index).unwrap()];
        prop_assert_eq!(merkle::verify_inclusion(index, size, leaf, &proof, &root), Ok(()));
        for wrong in spoiled(&proof) {
            prop_assert!(merkle::verify_inclusion(index, size, leaf, &wrong, &root).is_err());
        }
        for wrong in [index + 1, index ^ 1, index.wrapping_sub(1), size, u64::MAX] {
            prop_assert!(merkle::verify_inclusion(wrong, size, leaf, &proof, &root).is_err());
        }
        let another = merkle::leaf_hash(b"another");
        prop_assert!(merkle::verify_inclusion(index, size, &another, &proof, &root).is_err());
        prop_assert!(merkle::verify_inclusion(index, size, leaf, &proof, &another).is_err());
    }

    #[test]
    fn consistency_is_proven_and_nothing_else_is(size in 1u64..1_200, seed in any::<u64>()) {
        let tiles = Tiles::new(size);
        let old = 1 + seed % size;
        let (root1, root2) = (tiles.root(old), tiles.root(size));
        let proof = merkle::prove_consistency(old, size, &tiles).unwrap();
        prop_assert_eq!(merkle::verify_consistency(old, size, &root1, &root2, &proof), Ok(()));
        for wrong in spoiled(&proof) {
            prop_assert!(merkle::verify_consistency(old, size, &root1, &root2, &wrong).is_err());
        }
        let another = merkle::leaf_hash(b"another");
        prop_assert!(merkle::verify_consistency(old, size, &another, &root2, &proof).is_err());
        prop_assert!(merkle::verify_consistency(old, size, &root1, &another, &proof).is_err());
        if old < size {
            prop_assert!(merkle::verify_consistency(size, old, &root2, &root1, &proof).is_err());
        }
    }

    #[test]
    fn a_subtree_is_proven_and_nothing_else_is(size in 1u64..1_200, seed in any::<u64>(), height in 0u32..11) {
        let tree = Tiles::new(size);
        let span = 1u64 << height;
        let start = (seed % size) / span * span;
        let end = start + 1 + (seed >> 32) % span.min(size - start);
        let subtree = Subtree::new(start, end).unwrap();
        let leaves = &tree.0[usize::try_from(start).unwrap()..usize::try_from(end).unwrap()];
        let (part, root) = (merkle::root_of(leaves), tree.root(size));
        let proof = subtree.prove(size, &tree).unwrap();
        prop_assert_eq!(subtree.verify(size, &part, &root, &proof), Ok(()));
        prop_assert!(subtree.verify(size, &merkle::leaf_hash(b"no"), &root, &proof).is_err());
        prop_assert!(subtree.verify(size, &part, &merkle::leaf_hash(b"no"), &proof).is_err());
        for wrong in spoiled(&proof) {
            prop_assert!(subtree.verify(size, &part, &root, &wrong).is_err());
        }
        if let Some(beside) = Subtree::new(start + span, end + span).filter(|_| end + span <= size) {
            prop_assert!(beside.verify(size, &part, &root, &proof).is_err());
        }
    }

    #[test]
    fn an_edge_grows_to_the_root_of_its_leaves(size in 0u64..600) {
        let tiles = Tiles::new(size);
        let mut edge = Edge::new();
        for leaf in &tiles.0 {
            edge.append(*leaf).unwrap();
        }
        prop_assert_eq!(edge.root(), tiles.root(size));
        prop_assert_eq!(Edge::from_bytes(&edge.to_bytes()), Ok(edge));
    }

    #[test]
    fn a_value_has_one_canonical_text(value in json()) {
        let text = canonical::to_string(&value).unwrap();
        prop_assert_eq!(canonical::parse(&text).unwrap(), value.clone());
        prop_assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value.clone());
        let spaced = serde_json::to_string_pretty(&value).unwrap();
        prop_assert_eq!(canonical::parse(&spaced).is_ok(), spaced == text);
    }

    #[test]
    fn what_parses_as_canonical_is_written_the_same(text in "[\\[\\]{}\",:0-9a-f\\\\untrsl é.eE-]{0,24}") {
        if let Ok(value) = canonical::parse(&text) {
            prop_assert_eq!(canonical::to_string(&value).unwrap(), text.clone());
            prop_assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = Entry::parse(bytes.clone());
        let _ = decode_bundle(&bytes);
        let _ = Edge::from_bytes(&bytes);
        let text = String::from_utf8_lossy(&bytes);
        if let Ok(note) = Note::parse(&text) {
            prop_assert_eq!(note.to_string(), text.clone());
        }
        let _ = canonical::parse(&text);
        let _ = Openings::parse_line(&text);
        let _ = List::parse(&text);
        let _ = TlogProof::parse(&text);
        let _ = Policy::parse(&text);
        let _ = VerifierKey::parse(&text);
        let _ = TilePath::parse(&text);
    }

    #[test]
    fn a_damaged_entry_is_refused_or_keeps_its_bytes(
        which in 0usize..4, place in any::<usize>(), byte in any::<u8>(), cut in any::<bool>(),
    ) {
        let mut bytes = entries().swap_remove(which).bytes;
        let place = place % bytes.len();
        if cut {
            bytes.remove(place);
        } else {
            bytes[place] = byte;
        }
        if let Ok(entry) = Entry::parse(bytes.clone()) {
            prop_assert_eq!(&entry.bytes, &bytes);
            let note = entry.content.note().to_string();
            let again = Entry::seal(entry.index, entry.recorded_at, entry.prev, &note);
            prop_assert_eq!(again.unwrap(), bytes);
            if let Some(signed) = entry.content.statement() {
                prop_assert_eq!(signed.statement.text().unwrap(), &signed.note.text[..]);
            }
        }
    }

    #[test]
    fn a_note_that_parses_is_written_the_same(
        text in "[a-zé\n ]{0,20}\n", name in "[a-z.+ ]{1,8}", signature in "[A-Za-z0-9+/=]{0,16}",
    ) {
        let note = format!("{text}\n\u{2014} {name} {signature}\n");
        if let Ok(parsed) = Note::parse(&note) {
            prop_assert_eq!(parsed.to_string(), note);
        }
    }
}
