//! The parsers of what crosses a network gap: packets, batches, capsules, the list of what is late, askings for signatures.
//!
//! Whether a batch is the one that was promised takes the hashes of a whole tree, so that is the domain's own tests' to ask.

use gongkai_domain::gap::{Asking, Batches, Capsules, Late, Packet};

use super::log_key;
use crate::ledger::ORIGIN;

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

/// A packet.
pub fn packet(bytes: &[u8]) -> bool {
    let Some(Ok(packet)) = text(bytes).map(Packet::parse) else { return false };
    assert_eq!(packet.to_text().as_bytes(), bytes, "a packet has one spelling");
    true
}

/// A file of batches.
pub fn batches(bytes: &[u8]) -> bool {
    let Some(Ok(batches)) = text(bytes).map(Batches::parse) else { return false };
    assert_eq!(Batches::parse(&batches.to_text()), Ok(batches));
    true
}

/// A file of capsules that the ledger signed.
pub fn capsules(bytes: &[u8]) -> bool {
    let Some(text) = text(bytes) else { return false };
    let Ok(capsules) = Capsules::open(text, ORIGIN, &log_key().verifier()) else { return false };
    let note = Capsules::note_of(text).unwrap();
    assert!(note.starts_with(&capsules.text(ORIGIN).unwrap()), "what was signed is what was read");
    true
}

/// A list of what is late, signed by the intake that it is about.
pub fn late(bytes: &[u8]) -> bool {
    let Some(text) = text(bytes) else { return false };
    let Ok(late) = Late::open(text, &log_key().verifier()) else { return false };
    assert!(text.starts_with(&late.text(ORIGIN).unwrap()), "a list has one spelling");
    true
}

/// What somebody with a key asks and signs from outside.
pub fn asking(bytes: &[u8]) -> bool {
    let Some(text) = text(bytes) else { return false };
    let place = (ORIGIN, ORIGIN);
    let Ok(asking) = Asking::open(text, place, &log_key().verifier()) else { return false };
    assert!(text.starts_with(&asking.text(place).unwrap()), "an asking has one spelling");
    true
}
