//! The map in memory while a log is checked: every head as of the last statement, and the root as of a few statements ago.
//!
//! Leaves lie in buckets by the first bits of their paths, in order; only buckets that changed are hashed again. What was
//! there before the last changes is remembered, because a root is said some entries after the size that it is of. A million
//! streams cost about 85 MB.

use std::collections::{BTreeSet, HashMap, VecDeque};

use super::{BUCKET_DEPTH, BUCKETS, Head, Leaf, MapKey, MapProof, Node, bucket, ending, parent, paths_below, prove};
use crate::{
    hash::{Digest, TreeHash},
    statement::Statement,
    stream::StreamId,
};

/// How many entries after its size a root may be said at most.
pub const BEHIND_MAX: u64 = 16_384;

/// A bucket grows by this many leaves: doubling would leave half of the memory empty.
const GROWTH: usize = 2;

/// A leaf as it was before the entry of this index.
struct Change {
    index: u64,
    path: TreeHash,
    before: Head,
}

/// See the module.
pub struct GrowingMap {
    buckets: Vec<Vec<Leaf>>,
    // By number; the first is not used.
    nodes: Vec<Node>,
    // A bit for each bucket that changed since the nodes were made.
    changed: Vec<u64>,
    history: VecDeque<Change>,
    streams: u64,
    // There are few of both.
    organizations: HashMap<String, TreeHash>,
    families: HashMap<String, TreeHash>,
}

impl Default for GrowingMap {
    fn default() -> Self {
        Self {
            buckets: vec![Vec::new(); BUCKETS],
            nodes: vec![Node::EMPTY; BUCKETS * 2],
            changed: vec![0; BUCKETS.div_ceil(64)],
            history: VecDeque::new(),
            streams: 0,
            organizations: HashMap::new(),
            families: HashMap::new(),
        }
    }
}

impl GrowingMap {
    /// Streams that have a statement.
    pub fn streams(&self) -> u64 {
        self.streams
    }

    /// What is known of a stream.
    pub fn stream(&self, stream: &StreamId) -> Head {
        self.head(&MapKey::stream(stream).path())
    }

    /// What is held at a path.
    pub fn head(&self, path: &TreeHash) -> Head {
        let leaves = &self.buckets[usize::from(bucket(path))];
        search(leaves, path).map_or(Head::NONE, |place| leaves[place].head)
    }

    /// Takes the statement of the entry at `index`; gives the stream's head before it. Indexes only grow.
    pub fn advance(&mut self, index: u64, statement: &Statement, hash: &Digest) -> Head {
        let stream = MapKey::stream(&statement.stream).path();
        let before = self.put(index, stream, |head| head.in_stream(hash));
        self.streams += u64::from(before.count == 0);
        let organization = kept(&mut self.organizations, &statement.org, MapKey::organization);
        let family = kept(&mut self.families, &statement.stream.family, MapKey::family);
        for path in [organization, family] {
            self.put(index, path, |head| head.running(hash));
        }
        while self.history.front().is_some_and(|change| change.index + BEHIND_MAX < index) {
            self.history.pop_front();
        }
        before
    }

    fn put(&mut self, index: u64, path: TreeHash, after: impl FnOnce(Head) -> Head) -> Head {
        let before = self.set(path, after);
        self.history.push_back(Change { index, path, before });
        before
    }

    /// Puts another head to a path, none to take it away; gives the one before.
    fn set(&mut self, path: TreeHash, after: impl FnOnce(Head) -> Head) -> Head {
        let number = usize::from(bucket(&path));
        self.changed[number / 64] |= 1 << (number % 64);
        let leaves = &mut self.buckets[number];
        let found = search(leaves, &path);
        let before = found.map_or(Head::NONE, |place| leaves[place].head);
        let head = after(before);
        match found {
            Ok(place) if head == Head::NONE => drop(leaves.remove(place)),
            Ok(place) => leaves[place].head = head,
            Err(_) if head == Head::NONE => {}
            Err(place) => {
                if leaves.len() == leaves.capacity() {
                    leaves.reserve_exact(GROWTH);
                }
                leaves.insert(place, Leaf { path, head });
            }
        }
        before
    }

    /// The root as of `size` entries, of which all were taken and at most [`BEHIND_MAX`] more; `None` when too much came after.
    pub fn root_at(&mut self, size: u64, taken: u64) -> Option<TreeHash> {
        if size > taken || taken - size > BEHIND_MAX {
            return None;
        }
        let after = self.history.partition_point(|change| change.index < size);
        let mut undone = Vec::with_capacity(self.history.len() - after);
        for place in (after..self.history.len()).rev() {
            let Change { path, before, .. } = self.history[place];
            undone.push((path, self.set(path, |_| before)));
        }
        let root = self.root();
        for (path, head) in undone.into_iter().rev() {
            self.set(path, |_| head);
        }
        Some(root)
    }

    /// The proof for a path, under the root as of now.
    pub fn prove(&mut self, path: &TreeHash) -> MapProof {
        self.root();
        let node = |number: u32| self.nodes[number as usize];
        let (first, last) = paths_below(ending(path, node));
        // At most one of these buckets has leaves, unless they are one.
        let mut buckets = self.buckets[usize::from(bucket(&first))..=usize::from(bucket(&last))].iter();
        let leaves = buckets.find(|leaves| !leaves.is_empty()).map_or(&[][..], Vec::as_slice);
        prove(path, node, leaves)
    }

    /// The root as of now.
    pub fn root(&mut self) -> TreeHash {
        let mut above = BTreeSet::new();
        for (word, bits) in (0_u32..).zip(&mut self.changed) {
            while *bits != 0 {
                let number = word * 64 + bits.trailing_zeros();
                *bits &= *bits - 1;
                let node = (1 << BUCKET_DEPTH) | number;
                self.nodes[node as usize] = Node::of(&self.buckets[number as usize], BUCKET_DEPTH);
                above.insert(parent(node));
            }
        }
        while let Some(number) = above.pop_last() {
            let node = number as usize;
            self.nodes[node] = Node::join(&self.nodes[node * 2], &self.nodes[node * 2 + 1]);
            if number > 1 {
                above.insert(parent(number));
            }
        }
        self.nodes[1].hash
    }
}

/// Where the leaf of a path is, or belongs.
fn search(leaves: &[Leaf], path: &TreeHash) -> Result<usize, usize> {
    // Nearly always the first bytes decide.
    let first = |path: &TreeHash| path.as_bytes().first_chunk().map(|bytes| u64::from_be_bytes(*bytes));
    let wanted = first(path);
    leaves.binary_search_by(|leaf| first(&leaf.path).cmp(&wanted).then_with(|| leaf.path.cmp(path)))
}

/// The path of a name's key, computed once.
fn kept(paths: &mut HashMap<String, TreeHash>, name: &str, key: impl FnOnce(&str) -> MapKey) -> TreeHash {
    if let Some(path) = paths.get(name) {
        return *path;
    }
    let path = key(name).path();
    paths.insert(name.to_owned(), path);
    path
}
