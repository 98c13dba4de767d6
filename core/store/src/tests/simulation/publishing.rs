//! A node's publisher without its files: what it reads, compares, signs and puts in place, a step at a time.
//!
//! Whether a checkpoint may be signed is decided by the code of the publisher (`read_back`), and the bucket is a real one in
//! memory. What is a model here is the order of the steps, which is that of `publisher` and `outlet`, and the tiles: who puts
//! a checkpoint has put its leaves before, under its size, as a partial tile is.

use std::{
    collections::BTreeMap,
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
};

use gongkai_log::{
    Checkpoint, Edge, LogKeys, TreeHash, checkpoint,
    merkle::{leaf_hash, root_of},
};

use super::{material::material, rows::Rows};
use crate::{
    bucket::{Bucket, CHECKPOINT, Outcome, Put, There},
    read_back::{ChainEnd, Segment, checkpoint_of, refuse_if_gone, refuse_to_go_back},
    testing::ORIGIN,
};

/// What the nodes have outside their database: a bucket with the tiles in it.
pub(super) struct Outside {
    pub bucket: Option<Bucket>,
    leaves: BTreeMap<u64, Vec<TreeHash>>,
}

impl Outside {
    pub(super) fn new(bucket: bool) -> Self {
        Self { bucket: bucket.then(Bucket::in_memory), leaves: BTreeMap::new() }
    }

    /// The checkpoint that is there.
    pub(super) fn checkpoint(&self) -> Option<There> {
        let bucket = self.bucket.as_ref()?;
        at_once(bucket.checkpoint(&LogKeys::new(material().keys.log.verifier()))).expect("the bucket is in memory")
    }
}

/// The result of what never has to wait.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => done,
        Poll::Pending => panic!("what is in memory is there at once"),
    }
}

enum Stage {
    Idle,
    /// Everything but the checkpoint is written; it is compared with the one outside, again if that one has changed since.
    Compare(Checkpoint, Again),
    /// It is asked whether the database still has it.
    Ask(Checkpoint, Option<There>),
    /// It is signed, and put over that one.
    Put(Checkpoint, Option<There>),
    /// It is in the bucket, and not in the directory.
    File(Checkpoint),
}

/// Whether a checkpoint is signed already.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Again {
    Yes,
    No,
}

/// A checkpoint that was put where others see it.
pub(super) struct Signed {
    pub checkpoint: Checkpoint,
    pub leaves: Vec<TreeHash>,
    /// A standby that lacks commits took over after it was signed.
    pub late: bool,
}

/// What came of a step.
pub(super) enum Done {
    Nothing,
    /// Something is in place, in the bucket or the directory.
    Signed(Signed),
}

/// See the module.
pub(super) struct Publishing {
    edge: Edge,
    leaves: Vec<TreeHash>,
    end: ChainEnd,
    pub published: u64,
    stage: Stage,
    late: bool,
    /// It cannot go on: nothing more is signed.
    pub stopped: bool,
}

impl Publishing {
    /// After a start, which has read and checked everything.
    pub(super) fn new(published: u64) -> Self {
        let (edge, leaves, end) = (Edge::new(), Vec::new(), ChainEnd::start());
        Self { edge, leaves, end, published, stage: Stage::Idle, late: false, stopped: false }
    }

    pub(super) fn is_idle(&self) -> bool {
        matches!(self.stage, Stage::Idle)
    }

    /// A standby that lacks commits takes over: what is signed by now is of the database before.
    pub(super) fn overtaken(&mut self) {
        self.late = matches!(self.stage, Stage::Compare(_, Again::Yes) | Stage::Put(..) | Stage::File(_));
    }

    /// Takes one step; `directory` is the checkpoint that is in place there. An error is that nothing more is ever signed.
    pub(super) fn step(
        &mut self,
        rows: &Rows,
        outside: &mut Outside,
        directory: &mut Option<Checkpoint>,
    ) -> Result<Done, String> {
        match std::mem::replace(&mut self.stage, Stage::Idle) {
            Stage::Idle => self.stage = Stage::Compare(self.read(rows, outside, directory.as_ref())?, Again::No),
            Stage::Compare(ours, again) => {
                let there = self.compare(&ours, rows, outside)?;
                self.stage = if again == Again::Yes { Stage::Put(ours, there) } else { Stage::Ask(ours, there) };
            }
            Stage::Ask(ours, there) => {
                let last = ours.size.checked_sub(1).and_then(|index| rows.range(index, ours.size).pop());
                refuse_if_gone(&ours, &self.end, &rows.head, last.as_ref().map(|row| row.bytes.as_slice()))?;
                self.late = false;
                self.stage = Stage::Put(ours, there);
            }
            Stage::Put(ours, there) => return self.put(ours, there, outside),
            Stage::File(ours) => {
                self.published = ours.size;
                *directory = Some(ours.clone());
                if outside.bucket.is_none() {
                    return Ok(self.signed(ours));
                }
            }
        }
        Ok(Done::Nothing)
    }

    fn signed(&self, checkpoint: Checkpoint) -> Done {
        Done::Signed(Signed { checkpoint, leaves: self.leaves.clone(), late: self.late })
    }

    /// Reads back what was committed; its checkpoint, if it leads to the head.
    fn read(
        &mut self,
        rows: &Rows,
        outside: &mut Outside,
        directory: Option<&Checkpoint>,
    ) -> Result<Checkpoint, String> {
        let head = rows.head.clone();
        let entries = rows.range(self.edge.size(), head.size).into_iter().map(|row| (row.index, row.bytes)).collect();
        let segment = Segment { head, entries, next: None };
        let end = segment.check(self.edge.size(), &self.end)?;
        for (_, bytes) in &segment.entries {
            let leaf = leaf_hash(bytes);
            self.edge.append(leaf).map_err(|error| error.to_string())?;
            self.leaves.push(leaf);
        }
        self.end = end;
        let checkpoint = checkpoint_of(ORIGIN, &segment.head, &self.edge, self.published)?;
        if let Some(there) = directory {
            refuse_to_go_back(there, &checkpoint)?;
        }
        if outside.bucket.is_some() {
            let put = outside.leaves.entry(checkpoint.size).or_insert_with(|| self.leaves.clone());
            if *put != self.leaves {
                return Err(format!("other tiles of {} entries are in the bucket", checkpoint.size));
            }
        }
        Ok(checkpoint)
    }

    /// As `Publisher::agree`.
    fn compare(&self, ours: &Checkpoint, rows: &Rows, outside: &Outside) -> Result<Option<There>, String> {
        let Some(there) = outside.checkpoint() else { return Ok(None) };
        let ahead = there.checkpoint.size > ours.size;
        let (small, leaves) = if ahead {
            (ours, outside.leaves.get(&there.checkpoint.size).expect("tiles are put before their checkpoint"))
        } else {
            (&there.checkpoint, &self.leaves)
        };
        let beginning = usize::try_from(small.size).ok().and_then(|size| leaves.get(..size));
        if beginning.map(root_of) != Some(small.root) {
            return Err(format!("checkpoints of {} and {} are of two histories", there.checkpoint.size, ours.size));
        }
        if ahead && there.checkpoint.size > rows.head.size {
            return Err(format!("{} were published, the database has {}", there.checkpoint.size, rows.head.size));
        }
        Ok(Some(there))
    }

    /// As `Publisher::put_checkpoint`.
    fn put(&mut self, ours: Checkpoint, there: Option<There>, outside: &Outside) -> Result<Done, String> {
        let ahead = there.as_ref().is_some_and(|there| there.checkpoint.size > ours.size);
        let Some(bucket) = outside.bucket.as_ref().filter(|_| !ahead) else {
            self.stage = Stage::File(ours);
            return Ok(Done::Nothing);
        };
        let note = checkpoint::sign(&ours, &[&material().keys.log]).map_err(|error| error.to_string())?;
        let put = there.map_or(Put::New, |there| Put::Over(there.version));
        match at_once(bucket.put(CHECKPOINT, note.into_bytes(), &put)).expect("the bucket is in memory") {
            Outcome::Refused => {
                self.stage = Stage::Compare(ours, Again::Yes);
                Ok(Done::Nothing)
            }
            Outcome::Done(_) => {
                self.stage = Stage::File(ours.clone());
                Ok(self.signed(ours))
            }
        }
    }
}
