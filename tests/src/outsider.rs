//! Somebody outside: keeps every checkpoint that was ever shown, and checks the published files as the log grows.
//!
//! It holds no key and trusts nothing but the log's verifier key. What it has checked it does not check again
//! (`gongkai_log::fsck_from`), so that it can look after each of a thousand faults. It panics with what it saw.

use std::collections::BTreeMap;
use std::path::Path;

use gongkai_domain::Replay;
use gongkai_log::fsck::Tiles;
use gongkai_log::{Checkpoint, Options, Reached, VerifierKey, checkpoint, fsck_from, merkle};
use gongkai_store::DirectoryFetch;

/// See the module.
pub struct Outsider {
    vkey: VerifierKey,
    seen: BTreeMap<u64, Checkpoint>,
    // Sizes that were seen since the last check.
    new: Vec<u64>,
    reached: Option<(Reached, Replay)>,
}

impl std::fmt::Debug for Outsider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Outsider({} checkpoints)", self.seen.len())
    }
}

impl Outsider {
    /// Somebody who knows this key and nothing else.
    pub fn new(vkey: &str) -> Self {
        let vkey = VerifierKey::parse(vkey).unwrap();
        let reached = Some((Reached::default(), Replay::new(&vkey)));
        Self { vkey, seen: BTreeMap::new(), new: Vec::new(), reached }
    }

    /// How many checkpoints it has seen.
    pub fn seen(&self) -> usize {
        self.seen.len()
    }

    /// Takes note of a checkpoint that was shown: never another root at a size that was seen before.
    pub fn saw(&mut self, note: &str) -> Checkpoint {
        let (checkpoint, _) = checkpoint::open(note, &self.vkey).unwrap_or_else(|e| panic!("{e}: {note}"));
        match self.seen.insert(checkpoint.size, checkpoint.clone()) {
            Some(before) => assert_eq!(before, checkpoint, "two histories of one size"),
            None => self.new.push(checkpoint.size),
        }
        checkpoint
    }

    /// Checks what the files below `log` have beyond the last check, and that every checkpoint seen since is a beginning of
    /// it; each statement has its openings, each list its lines.
    pub fn check(&mut self, log: &Path) {
        let fetch = DirectoryFetch::new(log);
        self.saw(&std::fs::read_to_string(log.join("checkpoint")).unwrap());
        let (reached, mut replay) = self.reached.take().unwrap();
        let options = Options { threads: 2, check_openings: true, ..Options::default() };
        let checked = fsck_from(reached, &fetch, &mut replay, &self.vkey, &options);
        let (report, reached) = checked.unwrap_or_else(|e| panic!("after {} checkpoints: {e}", self.seen.len()));
        assert_eq!(report.openings, report.statements, "a statement without its openings is half an event");
        assert_eq!((report.openings_missing, report.lists_missing), (0, 0));
        let new = std::mem::take(&mut self.new);
        for size in new {
            self.begins(size, &report.checkpoint, &fetch);
        }
        self.reached = Some((reached, replay));
    }

    /// Whether every checkpoint that was ever seen is a beginning of what lies below `log`.
    pub fn check_all_seen(&mut self, log: &Path) {
        self.new = self.seen.keys().copied().collect();
        self.check(log);
    }

    fn begins(&self, size: u64, now: &Checkpoint, fetch: &DirectoryFetch) {
        assert!(size <= now.size, "a checkpoint of {size} was shown, now there are {}", now.size);
        let proof = merkle::prove_consistency(size, now.size, &Tiles(fetch)).unwrap();
        if size > 0 {
            let consistent = merkle::verify_consistency(size, now.size, &self.seen[&size].root, &now.root, &proof);
            assert_eq!(consistent, Ok(()), "a fork between {size} and {}", now.size);
        }
    }
}
