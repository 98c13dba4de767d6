//! The last statement of every stream, in a table that a check of a whole log can afford.
//!
//! Records lie in blocks that never move; beside them is a hash table of record numbers, four bytes
//! each. Growing rehashes the numbers only, so a million streams cost about 70 MB and never twice
//! that, as a map that moves its records would. Private to `fsck`.

use std::collections::HashMap;

use uuid::Uuid;

use crate::hash::Digest;
use crate::stream::StreamId;

const BLOCK: usize = 4_096;
const EMPTY: u32 = u32::MAX;

struct Record {
    id: Uuid,
    hash: Digest,
    revision: u64,
    family: u32,
}

/// Heads of streams.
pub(crate) struct Continuity {
    blocks: Vec<Vec<Record>>,
    slots: Vec<u32>,
    families: HashMap<String, u32>,
}

impl Continuity {
    pub(crate) fn new() -> Self {
        Self { blocks: Vec::new(), slots: vec![EMPTY; 1_024], families: HashMap::new() }
    }

    /// Streams seen so far.
    pub(crate) fn len(&self) -> usize {
        let last = self.blocks.last().map_or(0, Vec::len);
        self.blocks.len().saturating_sub(1) * BLOCK + last
    }

    /// Notes that `hash` is now the stream's last statement; gives what was before.
    pub(crate) fn advance(&mut self, stream: &StreamId, revision: u64, hash: Digest) -> Option<(u64, Digest)> {
        let family = self.family(&stream.family);
        let place = self.place(family, stream.id);
        if self.slots[place] != EMPTY {
            let record = self.record_mut(self.slots[place]);
            let before = (record.revision, record.hash);
            (record.revision, record.hash) = (revision, hash);
            return Some(before);
        }
        self.slots[place] = u32::try_from(self.len()).expect("memory ends before 2^32 streams");
        if self.blocks.last().is_none_or(|block| block.len() == BLOCK) {
            self.blocks.push(Vec::with_capacity(BLOCK));
        }
        let block = self.blocks.last_mut().expect("a block was pushed when none had room");
        block.push(Record { id: stream.id, hash, revision, family });
        // Half empty, so that runs of taken places stay short.
        if self.len() * 2 > self.slots.len() {
            self.grow();
        }
        None
    }

    fn family(&mut self, name: &str) -> u32 {
        if let Some(number) = self.families.get(name) {
            return *number;
        }
        let number = u32::try_from(self.families.len()).expect("memory ends before 2^32 families");
        self.families.insert(name.to_owned(), number);
        number
    }

    fn record(&self, number: u32) -> &Record {
        let number = number as usize;
        &self.blocks[number / BLOCK][number % BLOCK]
    }

    fn record_mut(&mut self, number: u32) -> &mut Record {
        let number = number as usize;
        &mut self.blocks[number / BLOCK][number % BLOCK]
    }

    /// Where the stream is in the table, or the empty place where it belongs.
    fn place(&self, family: u32, id: Uuid) -> usize {
        let mask = self.slots.len() - 1;
        let mut place = bucket(family, id) & mask;
        loop {
            let number = self.slots[place];
            if number == EMPTY {
                return place;
            }
            let record = self.record(number);
            if record.id == id && record.family == family {
                return place;
            }
            place = (place + 1) & mask;
        }
    }

    fn grow(&mut self) {
        self.slots = vec![EMPTY; self.slots.len() * 2];
        for number in 0..u32::try_from(self.len()).expect("checked when the last was added") {
            let record = self.record(number);
            let place = self.place(record.family, record.id);
            self.slots[place] = number;
        }
    }
}

/// BLAKE3, because authors choose the ids and must not be able to choose where they collide cheaply.
fn bucket(family: u32, id: Uuid) -> usize {
    let mut key = [0u8; 20];
    key[..4].copy_from_slice(&family.to_le_bytes());
    key[4..].copy_from_slice(id.as_bytes());
    let hash = blake3::hash(&key);
    let [a, b, c, d, ..] = *hash.as_bytes();
    u32::from_le_bytes([a, b, c, d]) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stream_keeps_its_own_head_while_the_table_grows() {
        let mut heads = Continuity::new();
        let stream = |family: &str, number: u128| StreamId::new(family, Uuid::from_u128(number)).unwrap();
        let hash =
            |number: u128, revision: u64| Digest::of(&[&number.to_be_bytes()[..], &revision.to_be_bytes()].concat());
        for number in 0..10_000u128 {
            let stream = stream("pledge", number);
            assert_eq!(heads.advance(&stream, 0, hash(number, 0)), None);
        }
        for number in 0..10_000u128 {
            let before = heads.advance(&stream("pledge", number), 1, hash(number, 1));
            assert_eq!(before, Some((0, hash(number, 0))));
            assert_eq!(heads.advance(&stream("notice", number), 0, Digest::ZERO), None);
        }
        assert_eq!(heads.len(), 20_000);
    }
}
