//! The map against a plain table, and proofs against everything that was changed in them.

use std::collections::BTreeMap;

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::{Checkpoint, KeyKind, Note, SigningKey, TlogProof, checkpoint, merkle, statement::Signer, time};

fn stream(number: u16) -> StreamId {
    StreamId::new("pledge", Uuid::from_u128(number.into())).unwrap()
}

fn statement(number: u16, org: u8) -> Statement {
    Statement {
        origin: "ledger.example".into(),
        kind: "example.said.v1".into(),
        stream: stream(number),
        revision: 0,
        parent: None,
        org: format!("34{org}"),
        declared_at: time::parse_declared("2026-03-10T09:12:00+08:00").unwrap(),
        signers: vec![Signer { role: "publisher".into(), key: "a.example/1".into() }],
        proxy: None,
        body: serde_json::Map::new(),
        slots: Digest::ZERO,
    }
}

/// The same, without a tree: every key's head by folding all statements.
fn folded(statements: &[(u16, u8)]) -> BTreeMap<MapKey, Head> {
    let mut heads = BTreeMap::new();
    for (place, (number, org)) in statements.iter().enumerate() {
        for key in keys_of(&statement(*number, *org)) {
            let head = heads.entry(key.clone()).or_insert(Head::NONE);
            *head = head.after(&key, &said(place));
        }
    }
    heads
}

fn said(place: usize) -> Digest {
    Digest::of(&place.to_be_bytes())
}

fn leaves_of(heads: &BTreeMap<MapKey, Head>) -> Vec<Leaf> {
    let mut leaves: Vec<_> = heads.iter().map(|(key, head)| Leaf { path: key.path(), head: *head }).collect();
    leaves.sort_by_key(|leaf| leaf.path);
    leaves
}

/// Nodes above the buckets, made anew from all leaves.
fn node(leaves: &[Leaf], number: u32) -> Node {
    Node::of(below(leaves, number), number.ilog2())
}

fn below(leaves: &[Leaf], number: u32) -> &[Leaf] {
    let (first, last) = paths_below(number);
    let start = leaves.partition_point(|leaf| leaf.path < first);
    let end = leaves.partition_point(|leaf| leaf.path <= last);
    &leaves[start..end]
}

fn proof_for(leaves: &[Leaf], key: &MapKey) -> MapProof {
    let path = key.path();
    let nodes = |number| node(leaves, number);
    prove(&path, nodes, below(leaves, ending(&path, nodes)))
}

fn grown(statements: &[(u16, u8)]) -> GrowingMap {
    let mut map = GrowingMap::default();
    for (place, (number, org)) in statements.iter().enumerate() {
        map.advance(place as u64, &statement(*number, *org), &said(place));
    }
    map
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_growing_map_has_the_root_of_all_heads_at_every_size(
        statements in prop::collection::vec((0..40_u16, 0..4_u8), 1..80), back in 0..80_usize,
    ) {
        let mut map = grown(&statements);
        let taken = statements.len();
        let size = taken.saturating_sub(back);
        let at = |size: usize| Node::of(&leaves_of(&folded(&statements[..size])), 0).hash;
        prop_assert_eq!(map.root_at(size as u64, taken as u64), Some(at(size)));
        prop_assert_eq!(map.root(), at(taken));
        prop_assert_eq!(map.stream(&stream(1)).count, statements.iter().filter(|(number, _)| *number == 1).count() as u64);
    }

    #[test]
    fn every_key_is_proven_with_its_head_and_every_other_to_have_none(
        statements in prop::collection::vec((0..200_u16, 0..4_u8), 0..120), absent in 200..400_u16,
    ) {
        let heads = folded(&statements);
        let leaves = leaves_of(&heads);
        let root = Node::of(&leaves, 0).hash;
        let mut grown = grown(&statements);
        for (key, head) in &heads {
            let proof = proof_for(&leaves, key);
            prop_assert_eq!(proof.verify(key, &root), Ok(Some(*head)));
            prop_assert!(proof.siblings.len() < 40);
            prop_assert_eq!(grown.prove(&key.path()), proof);
        }
        let absent = MapKey::stream(&stream(absent));
        prop_assert_eq!(proof_for(&leaves, &absent).verify(&absent, &root), Ok(None));
    }

    #[test]
    fn a_proof_that_was_changed_anywhere_proves_nothing(
        numbers in prop::collection::btree_set(0..500_u16, 2..100), what in 0..6_u8, place: usize, key in 0..600_u16,
    ) {
        let statements: Vec<_> = numbers.iter().map(|number| (*number, 0)).collect();
        let leaves = leaves_of(&folded(&statements));
        let root = Node::of(&leaves, 0).hash;
        let key = MapKey::stream(&stream(key));
        let honest = proof_for(&leaves, &key);
        let truth = honest.verify(&key, &root).unwrap();
        let mut proof = honest.clone();
        let hashes = proof.siblings.len().max(1);
        match what {
            0 => proof.siblings.push(Node::EMPTY.hash),
            1 => drop(proof.siblings.pop()),
            2 => proof.siblings.iter_mut().skip(place % hashes).take(1).for_each(|hash| *hash = Node::EMPTY.hash),
            3 => proof.end = proof.end.map_or(Some(leaves[place % leaves.len()]), |_| None),
            4 => proof.end = proof.end.map(|leaf| Leaf { head: leaf.head.running(&Digest::ZERO), ..leaf }),
            _ => proof.end = Some(leaves[place % leaves.len()]),
        }
        if let Ok(claimed) = proof.verify(&key, &root) {
            prop_assert_eq!(claimed, truth);
            prop_assert_eq!(proof, honest);
        }
    }
}

#[test]
fn a_root_that_is_said_too_late_is_not_computed() {
    let mut map = grown(&[(1, 0), (2, 0)]);
    assert_eq!(map.root_at(3, 2), None, "more than was taken");
    map.advance(BEHIND_MAX + 3, &statement(1, 0), &said(3));
    assert_eq!(map.root_at(2, BEHIND_MAX + 4), None);
    assert!(map.root_at(4, BEHIND_MAX + 4).is_some());
}

#[test]
fn the_empty_map_proves_that_there_is_nothing() {
    let key = MapKey::organization("341502");
    let proof = MapProof { siblings: Vec::new(), end: None };
    assert_eq!(proof.verify(&key, &Node::EMPTY.hash), Ok(None));
    assert_eq!(GrowingMap::default().root(), Node::EMPTY.hash);
}

#[test]
fn keys_have_one_spelling() {
    for text in ["stream pledge/018f0000-0000-7000-8000-000000000001", "org 341502100201", "family pledge"] {
        assert_eq!(MapKey::parse(text).unwrap().to_string(), text);
    }
    let long = format!("org {}", "1".repeat(KEY_BYTES_MAX));
    for text in ["", "org", "org ", "org a b", "village 1", "stream pledge/1", "org 1\n", "family 村", &long] {
        assert!(MapKey::parse(text).is_none(), "{text:?}");
    }
}

fn file() -> (MapFile, TreeHash) {
    let leaves = leaves_of(&folded(&[(1, 0), (2, 0), (3, 1)]));
    let root = Node::of(&leaves, 0).hash;
    let key = MapKey::stream(&stream(2));
    let log = SigningKey::from_seed("ledger.example", KeyKind::Ed25519, [1; 32]).unwrap();
    let head = Checkpoint { origin: "ledger.example".into(), size: 1, root: merkle::leaf_hash(b"the root") };
    let checkpoint = Note::parse(&checkpoint::sign(&head, &[&log]).unwrap()).unwrap();
    let inclusion = TlogProof { extra: None, index: 0, hashes: Vec::new(), checkpoint };
    (MapFile { proof: proof_for(&leaves, &key), key, entry: b"the root".to_vec(), inclusion }, root)
}

#[test]
fn a_proof_survives_its_file_and_malformed_files_are_refused() {
    let (file, root) = file();
    let text = file.to_string();
    let parsed = MapFile::parse(&text).unwrap();
    assert_eq!(parsed, file);
    assert!(MapFile::is_one(&text));
    assert_eq!(parsed.proof.verify(&parsed.key, &root).unwrap().unwrap().count, 1);
    for (from, to) in [
        ("/v1\n", "/v2\n"),
        ("key stream", "key  stream"),
        ("leaf ", "leaf  "),
        (" 1 ", " 01 "),
        ("\nentry ", "\n\nentry "),
        ("entry dGhl", "entry dGh"),
        ("\n\nc2sp", "\nc2sp"),
        ("\n\nentry", "\nAAAA\n\nentry"),
    ] {
        assert!(text.contains(from), "{from}");
        assert!(MapFile::parse(&text.replacen(from, to, 1)).is_err(), "{to:?}");
    }
    let nothing = MapFile { proof: MapProof { siblings: Vec::new(), end: None }, ..file };
    assert_eq!(MapFile::parse(&nothing.to_string()).unwrap(), nothing);
    let deep = MapFile { proof: MapProof { siblings: vec![root; 257], end: None }, ..nothing };
    assert!(MapFile::parse(&deep.to_string()).is_err());
}
