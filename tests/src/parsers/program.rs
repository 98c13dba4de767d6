//! The parsers of the program: submissions, key files, what brought a log its keys, bundles of an export, what a mirror wrote
//! down.

use std::io::Cursor;
use std::path::Path;

use gongkai_api::fetch::TarFetch;
use gongkai_api::keyfile;
use gongkai_domain::{Submission, key_history as history, submission as submitted};
use gongkai_log::note::NOTE_BYTES_MAX;
use gongkai_log::{Fetch as _, tile};
use gongkai_store::mirror::records;

use super::{log, log_key};
use crate::ledger::ORIGIN;

/// A submission's JSON, as far as it is judged alone.
pub fn submission(bytes: &[u8]) -> bool {
    let Ok(submission) = Submission::parse(bytes) else { return false };
    if let Ok(checked) = submitted::check(ORIGIN, submission) {
        assert_eq!(checked.signed.statement.text().unwrap(), checked.signed.note.text);
    }
    true
}

/// The text of a person's key file. Nobody gives a passphrase: what it costs is judged before it is asked for.
pub fn key_file(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    match keyfile::parse(Path::new("a.key"), text, || None) {
        Ok(key) => {
            assert!(text.starts_with(keyfile::KEY_FORM) && text.contains(key.name()));
            true
        }
        Err(error) => matches!(error, keyfile::KeyFileError::PassphraseMissing(_)),
    }
}

/// What brought the keys of the log of which one knows one.
pub fn key_history(bytes: &[u8]) -> bool {
    let Ok(keys) = history::read(bytes, &log_key().verifier()) else { return false };
    assert!(keys.knows(&log_key().verifier()), "the keys are those of the log that was asked for");
    assert_eq!(tile::encode_bundle(&tile::decode_bundle(bytes).unwrap()).unwrap(), bytes, "a history has one spelling");
    true
}

/// A bundle: its table of contents, and every file in it.
pub fn archive(bytes: &[u8]) -> bool {
    let Ok(archive) = TarFetch::of(Cursor::new(bytes)) else { return false };
    let names: Vec<&str> = archive.names("").collect();
    for name in &names {
        let file = archive.required(name, NOTE_BYTES_MAX);
        assert!(file.is_err() || file.unwrap().len() <= bytes.len());
    }
    // A bundle is one by its checkpoint.
    archive.checkpoint().is_ok_and(|note| log::checkpoint(&note) || !names.is_empty())
}

/// How a mirror's last look ended.
pub fn mirror_status(bytes: &[u8]) -> bool {
    let Some(status) = records::parse_status(bytes) else { return false };
    let again = serde_json::to_vec(&status).unwrap();
    assert_eq!(records::parse_status(&again), Some(status));
    true
}
