//! The log's keys from what brought them: the genesis, and each entry that changed the key.
//!
//! A log that has changed its key publishes these entries as one small file ([`gongkai_log::log_keys::HISTORY_PATH`]), so that
//! whoever knows one of its keys learns the others without reading the log. The genesis is signed by its own key and names
//! the recovery key; every later key is endorsed by that one and shows by its own signature that somebody has it. The file
//! needs no other proof of who signs. *At which entry* a key came is what the log's entries say; who reads the log compares it.
//!
//! Not here: making the file (the store), and the rules of a rotation (`kind/rotation.rs`).

use gongkai_log::{Authority as _, Content, Entry, LogKeys, VerifierKey, chain, log_keys::HISTORY_BYTES_MAX, tile};

use crate::replay::Replay;

/// Why a file says nothing of a log's keys.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyHistoryError {
    /// Too long, or no entries.
    #[error("not a genesis and what changed its key: {0}")]
    Form(String),
    /// An entry that nobody with authority said.
    #[error("entry {index}: {reason}")]
    Entry {
        /// Its index.
        index: u64,
        /// Why not.
        reason: String,
    },
    /// The key that one knows is none of them.
    #[error("the key {0} is none of this log's")]
    OtherLog(String),
}

/// The keys of the log of which `known` is one, now or before.
///
/// # Errors
/// [`KeyHistoryError`]; nothing of the file counts then.
pub fn read(bytes: &[u8], known: &VerifierKey) -> Result<LogKeys, KeyHistoryError> {
    let form = |reason: &str| KeyHistoryError::Form(reason.to_owned());
    if bytes.len() > HISTORY_BYTES_MAX {
        return Err(form("too long"));
    }
    let entries = tile::decode_bundle(bytes).map_err(|error| KeyHistoryError::Form(chain(&error)))?;
    let mut replay: Option<Replay> = None;
    for bytes in entries {
        let entry = Entry::parse(bytes.to_vec()).map_err(|error| KeyHistoryError::Form(chain(&error)))?;
        let wrong = |reason: String| KeyHistoryError::Entry { index: entry.index, reason };
        let Content::Statement(signed) = &entry.content else { return Err(wrong("not a statement".into())) };
        let kind = signed.statement.kind.as_str();
        let expected = if replay.is_none() { "ledger.created.v1" } else { "ledger.key_rotated.v1" };
        if kind != expected || (replay.is_none() && entry.index != 0) {
            return Err(wrong(format!("{kind} has no place here")));
        }
        let replay = match &mut replay {
            Some(replay) => replay,
            first => first.insert(Replay::of_any(known.name())),
        };
        replay.observe(&entry, None).map_err(wrong)?;
        signed.verify(|name| replay.key(name)).map_err(|error| wrong(chain(&error)))?;
    }
    let keys = replay.as_ref().and_then(|replay| replay.log_keys()).ok_or_else(|| form("no entries"))?;
    if keys.knows(known) { Ok(keys.clone()) } else { Err(KeyHistoryError::OtherLog(known.to_string())) }
}
