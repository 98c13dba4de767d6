//! Whether others have seen more of this log than is here: witnesses that cosigned it, mirrors that hold its checkpoint.
//!
//! A database that has less than somebody holds under our own key is an old one, and whoever goes on from it writes a second
//! history. Asked before a ledger is served and when a backup is restored. Who does not answer proves nothing and is told;
//! a checkpoint of another key is nobody's evidence.
//!
//! Not here: what a mirror still shows of what was withdrawn (`mirrors`), asking for cosignatures (`cosigning`).

use std::thread;
use std::time::Duration;

use gongkai_log::LogKeys;
use gongkai_log::note::NOTE_BYTES_MAX;

use crate::cosigning::Cosigning;
use crate::fetch::{self, HttpFetch};

/// How long a mirror may take; a start does not wait longer.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(5);

/// What somebody holds of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Who: a witness's name, a mirror's address.
    pub by: String,
    /// Entries of the largest checkpoint; `None` when there was no answer under our key.
    pub size: Option<u64>,
    /// The note that says so.
    pub note: Option<String>,
}

/// Asks all mirrors at the same time.
pub fn mirrors(urls: &[String], keys: &LogKeys) -> Vec<Seen> {
    let ask = |url: &String| {
        let fetch = HttpFetch::with(fetch::agent_staying(ANSWER_TIME_MAX), url);
        let note = fetch.get("checkpoint", NOTE_BYTES_MAX).ok().flatten();
        let note = note.and_then(|note| String::from_utf8(note).ok());
        let opened = note.as_ref().and_then(|note| keys.open(note).ok());
        let size = opened.map(|(checkpoint, _)| checkpoint.size);
        Seen { by: format!("镜像 {url}"), size, note: note.filter(|_| size.is_some()) }
    };
    thread::scope(|scope| {
        let asked: Vec<_> = urls.iter().map(|url| (url, scope.spawn(move || ask(url)))).collect();
        let silent = |url: &str| Seen { by: format!("镜像 {url}"), size: None, note: None };
        asked.into_iter().map(|(url, asked)| asked.join().unwrap_or_else(|_| silent(url))).collect()
    })
}

/// Asks all witnesses that have an address, at the same time.
pub fn witnesses(cosigning: &Cosigning, keys: &LogKeys) -> Vec<Seen> {
    let looked = cosigning.look().into_iter();
    let answered = looked.filter_map(|(name, answer)| Some((name, answer?)));
    answered
        .map(|(name, answer)| {
            let (size, note) = match answer {
                Ok(None) => (Some(0), None),
                Ok(Some(note)) => (keys.check(&note).ok().map(|checkpoint| checkpoint.size), Some(note.to_string())),
                Err(_) => (None, None),
            };
            Seen { by: format!("见证方 {name}"), size, note }
        })
        .collect()
}

/// Who has seen most beyond `size` entries.
pub fn ahead(seen: &[Seen], size: u64) -> Option<(&str, u64)> {
    let further = seen.iter().filter_map(|seen| Some((seen.by.as_str(), seen.size?)));
    further.filter(|(_, seen)| *seen > size).max_by_key(|(_, seen)| *seen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_has_seen_more_is_ahead_and_who_is_silent_proves_nothing() {
        let seen = |by: &str, size| Seen { by: by.into(), size, note: None };
        let all = [seen("a", Some(9)), seen("b", None), seen("c", Some(12)), seen("d", Some(10))];
        assert_eq!(ahead(&all, 9), Some(("c", 12)));
        assert_eq!(ahead(&all, 12), None);
    }
}
