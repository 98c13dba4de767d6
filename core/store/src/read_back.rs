//! What was committed, read back: whether a checkpoint of it may be signed.
//!
//! Chain and tree are recomputed from the bytes and compared with the head. What does not lead there is never signed: a log
//! that signs an inconsistent head is dead, one that stops can recover. Not here: reading, files and the signature
//! (`publisher`). A further condition of signing goes into [`checkpoint_of`].

use gongkai_log::{Checkpoint, Digest, Edge};

use crate::event_store::LogHead;

/// The end of the chain so far.
#[derive(Clone, Debug)]
pub(crate) struct ChainEnd {
    /// BLAKE3 of the last entry.
    pub hash: Digest,
    /// Its `recorded_at`, in the form of fixed width whose order is that of time.
    pub recorded_at: Vec<u8>,
}

impl ChainEnd {
    /// Before the first entry.
    pub(crate) fn start() -> Self {
        Self { hash: Digest::ZERO, recorded_at: Vec::new() }
    }

    /// Whether the head lines of an entry follow; moves on to it if they do.
    pub(crate) fn follow(&mut self, index: u64, bytes: &[u8]) -> Result<(), String> {
        let mut lines = bytes.splitn(5, |byte| *byte == b'\n').skip(1);
        let (number, time, prev) = (lines.next(), lines.next(), lines.next());
        if number != Some(index.to_string().as_bytes()) {
            return Err(format!("entry {index}: index: not the number of its place"));
        }
        if prev != Some(self.hash.to_string().as_bytes()) {
            return Err(format!("entry {index}: prev: not the hash of the entry before"));
        }
        let time = time.unwrap_or_default();
        if time < self.recorded_at.as_slice() {
            return Err(format!("entry {index}: recorded_at: before the entry before"));
        }
        self.recorded_at.clear();
        self.recorded_at.extend_from_slice(time);
        self.hash = Digest::of(bytes);
        Ok(())
    }
}

/// Entries that were read back.
#[derive(Debug)]
pub(crate) struct Segment {
    pub head: LogHead,
    pub entries: Vec<(u64, Vec<u8>)>,
    /// The entry after the last one, whose `prev` vouches for it; `None` at the head.
    pub next: Option<(u64, Vec<u8>)>,
}

impl Segment {
    /// Whether the entries follow the `size` that were published, which end at `end`, and the next entry or the head
    /// follows them.
    pub(crate) fn check(&self, size: u64, end: &ChainEnd) -> Result<ChainEnd, String> {
        let mut end = end.clone();
        for (place, (index, bytes)) in (size..).zip(&self.entries) {
            if *index != place {
                return Err(format!("entry {place} is missing"));
            }
            end.follow(*index, bytes)?;
        }
        match &self.next {
            Some((index, bytes)) => end.clone().follow(*index, bytes)?,
            None if end.hash != self.head.entry_hash => {
                return Err("the last entry is not that of the head".into());
            }
            None => {}
        }
        Ok(end)
    }
}

/// The checkpoint of a head: `edge` is the tree of all entries that were read, `published` the size that was signed last.
pub(crate) fn checkpoint_of(origin: &str, head: &LogHead, edge: &Edge, published: u64) -> Result<Checkpoint, String> {
    if *edge != head.edge {
        return Err("the tree is not that of the head".into());
    }
    if head.size < published {
        return Err(format!("{} entries, {published} were published", head.size));
    }
    Ok(Checkpoint { origin: origin.to_owned(), size: head.size, root: edge.root() })
}

/// Whether the database still has what was read from it: a standby that took over since may lack it, or have other entries
/// in its place. `ours` is what is to be signed and ends at `end`, `last` the bytes of its last entry in the database now.
pub(crate) fn refuse_if_gone(
    ours: &Checkpoint,
    end: &ChainEnd,
    head: &LogHead,
    last: Option<&[u8]>,
) -> Result<(), String> {
    if head.size < ours.size {
        return Err(format!("{} entries were read, the database has {} now", ours.size, head.size));
    }
    match last {
        Some(bytes) if Digest::of(bytes) == end.hash => Ok(()),
        None if ours.size == 0 => Ok(()),
        _ => Err(format!("entry {} is another than the one that was read", ours.size.saturating_sub(1))),
    }
}

/// A larger checkpoint in place means that somebody else publishes here.
pub(crate) fn refuse_to_go_back(there: &Checkpoint, ours: &Checkpoint) -> Result<(), String> {
    if there.size > ours.size {
        return Err(format!("a checkpoint of {} entries is in place, this one has {}", there.size, ours.size));
    }
    if there.size == ours.size && there.root != ours.root {
        return Err("another checkpoint of this size is in place".into());
    }
    Ok(())
}
