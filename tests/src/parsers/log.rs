//! The parsers of the log's own bytes: notes, checkpoints, tiles, entries, proofs, evidence, what a witness is asked.

use gongkai_log::slot::parse_openings;
use gongkai_log::tile::{decode_bundle, decode_hashes, encode_bundle, encode_hashes, parse_openings_path};
use gongkai_log::{
    AddCheckpoint, Checkpoint, Entry, Fork, List, MapFile, MirrorState, Note, NoteSignature, Openings, Policy, Promise,
    RefusalReceipt, SealedPeriod, SignedStatement, Statement, TilePath, TlogProof, VerifierKey, checkpoint as signed,
    cosignature as by,
};

use super::{verifiers, witness_key};

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

/// A note: text, blank line, signature lines.
pub fn note(bytes: &[u8]) -> bool {
    let Some(Ok(note)) = text(bytes).map(Note::parse) else { return false };
    assert_eq!(note.to_string().as_bytes(), bytes, "a note has one spelling");
    if let Ok(places) = note.open(verifiers()) {
        assert!(!places.is_empty() && places.iter().all(|place| *place < note.signatures.len()));
    }
    true
}

/// A checkpoint's note, and its text alone.
pub fn checkpoint(bytes: &[u8]) -> bool {
    let Some(text) = text(bytes) else { return false };
    if let Ok(checkpoint) = Checkpoint::parse(text) {
        assert!(text.starts_with(&checkpoint.text()), "only extension lines may follow");
    }
    let Ok((checkpoint, note)) = signed::open(text, &verifiers()[0]) else { return false };
    assert_eq!(note.to_string(), text);
    assert!(note.text.starts_with(&checkpoint.text()) && note.open(&verifiers()[..1]).is_ok());
    true
}

/// The path of a tile or of openings, and the hashes of a tile.
pub fn tile(bytes: &[u8]) -> bool {
    let named = text(bytes).is_some_and(|text| {
        let tile = TilePath::parse(text).inspect(|path| assert_eq!(path.to_string(), text, "a path has one spelling"));
        tile.is_ok() || parse_openings_path(text).is_some()
    });
    let hashes = decode_hashes(bytes).inspect(|hashes| assert_eq!(encode_hashes(hashes), bytes));
    named || hashes.is_ok()
}

/// A bundle of entries, and the entries in it.
pub fn bundle(bytes: &[u8]) -> bool {
    let Ok(entries) = decode_bundle(bytes) else { return false };
    assert_eq!(encode_bundle(&entries).unwrap(), bytes);
    for bytes in entries {
        entry(bytes);
    }
    true
}

/// An entry.
pub fn entry(bytes: &[u8]) -> bool {
    let Ok(entry) = Entry::parse(bytes.to_vec()) else { return false };
    let note = entry.content.note().to_string();
    let again = Entry::seal(entry.index, entry.recorded_at, entry.prev, &note).unwrap();
    assert!(again == bytes && entry.bytes == bytes, "an entry has one spelling");
    true
}

/// A statement's note, and its text alone.
pub fn statement(bytes: &[u8]) -> bool {
    let Some(text) = text(bytes) else { return false };
    if let Ok(statement) = Statement::parse(text) {
        assert_eq!(statement.text().unwrap(), text, "a statement has one spelling");
    }
    let Ok(signed) = SignedStatement::parse(text) else { return false };
    assert_eq!(signed.note.to_string(), text);
    assert_eq!(signed.statement.text().unwrap(), signed.note.text);
    // Nobody is known.
    assert!(signed.verify(|_| None).is_err());
    true
}

/// Canonical JSON.
pub fn canonical(bytes: &[u8]) -> bool {
    let Some(Ok(value)) = text(bytes).map(gongkai_log::canonical::parse) else { return false };
    assert_eq!(gongkai_log::canonical::to_string(&value).unwrap().as_bytes(), bytes, "a value has one spelling");
    true
}

/// The openings file of the first bundle, and of one that cannot be.
pub fn openings(bytes: &[u8]) -> bool {
    assert!(bytes.is_empty() || parse_openings(bytes, u64::MAX).is_err());
    let Ok(all) = parse_openings(bytes, 0) else { return false };
    let again: String = all.iter().map(|openings| openings.to_line().unwrap() + "\n").collect();
    assert_eq!(again.as_bytes(), bytes, "openings have one spelling");
    for line in again.lines() {
        assert!(Openings::parse_line(line).is_ok());
    }
    true
}

/// The file of a list.
pub fn list(bytes: &[u8]) -> bool {
    let Some(Ok(list)) = text(bytes).map(List::parse) else { return false };
    assert_eq!(list.to_text().unwrap().as_bytes(), bytes, "a list has one spelling");
    true
}

/// What the intake key signs: promises, refusals, periods.
pub fn sealed(bytes: &[u8]) -> bool {
    let Some(Ok(note)) = text(bytes).map(Note::parse) else { return false };
    let promise = Promise::parse(&note.text).inspect(|promise| assert_eq!(promise.text().unwrap(), note.text));
    let refusal = RefusalReceipt::parse(&note.text).inspect(|receipt| assert_eq!(receipt.text().unwrap(), note.text));
    let period = SealedPeriod::from_note(note.clone());
    let period = period.inspect(|period| {
        assert_eq!(SealedPeriod::text(&period.origin, &period.root).unwrap(), note.text);
    });
    promise.is_ok() || refusal.is_ok() || period.is_ok()
}

/// A proof file.
pub fn proof(bytes: &[u8]) -> bool {
    let Some(Ok(proof)) = text(bytes).map(TlogProof::parse) else { return false };
    assert_eq!(proof.to_string().as_bytes(), bytes, "a proof has one spelling");
    assert!(proof.verify(b"bytes that are no entry", &verifiers()[0], None).is_err());
    true
}

/// A policy.
pub fn policy(bytes: &[u8]) -> bool {
    let Some(Ok(policy)) = text(bytes).map(Policy::parse) else { return false };
    let witnesses = policy.witnesses().len();
    assert!(policy.suffices(&vec![true; witnesses]), "all witnesses together are a quorum");
    assert_eq!(policy.suffices(&vec![false; witnesses]), policy.quorum() == "none");
    true
}

/// Evidence of a fork.
pub fn fork(bytes: &[u8]) -> bool {
    let Some(Ok(fork)) = text(bytes).map(Fork::parse) else { return false };
    assert_eq!(fork.to_string().as_bytes(), bytes, "evidence has one spelling");
    // Whatever it says, looking at it is safe.
    let _ = fork.judge(&verifiers()[0]);
    true
}

/// A line with a cosignature of the first seed's checkpoint.
pub fn cosignature(bytes: &[u8]) -> bool {
    let Some(line) = text(bytes).and_then(NoteSignature::parse) else { return false };
    assert_eq!(line.to_string().as_bytes(), bytes, "a signature line has one spelling");
    let checkpoint = "ledger.example/test\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n";
    if by::verify(checkpoint, &line, &verifiers()[1]).is_ok() {
        assert!(line.is_by(&witness_key().verifier()));
    }
    true
}

/// How much there is of something, by the map.
pub fn map_proof(bytes: &[u8]) -> bool {
    let Some(Ok(file)) = text(bytes).map(MapFile::parse) else { return false };
    assert_eq!(file.to_string().as_bytes(), bytes, "a proof has one spelling");
    true
}

/// What a mirror says that it has (c2sp.org/tlog-mirror).
pub fn mirror_state(bytes: &[u8]) -> bool {
    let Some(state) = text(bytes).and_then(MirrorState::parse) else { return false };
    assert_eq!(state.to_string().as_bytes(), bytes, "an answer has one spelling");
    true
}

/// What a log asks of a witness.
pub fn witness_request(bytes: &[u8]) -> bool {
    let Some(Ok(request)) = text(bytes).map(AddCheckpoint::parse) else { return false };
    assert_eq!(request.to_string().as_bytes(), bytes, "a request has one spelling");
    if let Ok(new) = request.judge(&verifiers()[..1], None) {
        assert!(
            request.old == 0
                && request.checkpoint.open(&verifiers()[..1]).is_ok()
                && new.origin == verifiers()[0].name()
        );
    }
    true
}

/// A verifier key.
pub fn vkey(bytes: &[u8]) -> bool {
    let Some(Ok(key)) = text(bytes).map(VerifierKey::parse) else { return false };
    assert_eq!(key.to_string().as_bytes(), bytes, "a key has one spelling");
    true
}
