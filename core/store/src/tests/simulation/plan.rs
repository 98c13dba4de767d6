//! What kind of run a seed gives: how many nodes, over which kind of database, and how much goes wrong.
//!
//! For a further kind of run add a field here and say in `world` what it changes.

use std::time::Duration;

use super::{
    material::material,
    memory::{Fate, Op},
    random::Random,
};
use crate::ledger::Settings;

/// See the module.
pub(super) struct Plan {
    pub nodes: usize,
    /// One writer that fences the one before; else all in turns.
    pub alone: bool,
    pub bucket: bool,
    /// A standby that lacks the last commits may take over. Without a bucket nobody would know what was published.
    pub lossy: bool,
    /// Steps in which things go wrong.
    pub steps: u32,
    /// How many of a thousand operations fail.
    pub failing: u64,
    /// How many of a thousand steps are a misfortune of a node, a clock or the database.
    pub unlucky: u64,
    batch_max: usize,
    streams_cached_max: usize,
    /// The submissions: which piece under which key.
    pub jobs: Vec<(usize, String)>,
}

impl Plan {
    pub(super) fn new(random: &mut Random) -> Self {
        let alone = random.happens(200);
        let bucket = !alone && random.happens(500);
        Self {
            nodes: if alone { 2 } else { 2 + usize::from(random.happens(500)) },
            alone,
            bucket,
            lossy: bucket && random.happens(500),
            steps: 60 + u32::try_from(random.below(90)).unwrap_or(0),
            failing: *[0, 20, 60, 120].get(usize::try_from(random.below(4)).unwrap_or(0)).unwrap_or(&0),
            unlucky: *[0, 20, 60, 120].get(usize::try_from(random.below(4)).unwrap_or(0)).unwrap_or(&0),
            batch_max: 1 + usize::try_from(random.below(4)).unwrap_or(0),
            streams_cached_max: if random.happens(300) { 2 } else { 64 },
            jobs: jobs(random),
        }
    }

    /// One in which nothing goes wrong by itself: nodes of a server with a bucket, whose standby has what it had at first.
    pub(super) fn quiet(nodes: usize, jobs: Vec<(usize, String)>) -> Self {
        let (alone, bucket, lossy, steps) = (false, true, true, 0);
        let (failing, unlucky, batch_max, streams_cached_max) = (0, 0, 4, 64);
        Self { nodes, alone, bucket, lossy, steps, failing, unlucky, batch_max, streams_cached_max, jobs }
    }

    pub(super) fn settings(&self) -> Settings {
        Settings {
            batch_max: self.batch_max,
            streams_cached_max: self.streams_cached_max,
            clocks_apart_max: (!self.alone).then_some(Duration::from_secs(2)),
            ..Settings::default()
        }
    }

    /// What befalls an operation.
    pub(super) fn fate(&self, op: Op, random: &mut Random) -> Fate {
        // At the commit there is most to be lost.
        let failing = if op == Op::Append { self.failing * 4 } else { self.failing };
        if !random.happens(failing) {
            return Fate::Done;
        }
        let of: &[(u64, Fate)] = match (self.alone, op) {
            (true, Op::Append) => &[(4, Fate::Busy), (2, Fate::Device), (3, Fate::Flush)],
            (true, _) => &[(8, Fate::Busy), (1, Fate::Device)],
            (false, Op::Append) => {
                &[(2, Fate::Busy), (3, Fate::Cut), (5, Fate::Lost), (4, Fate::Late), (1, Fate::Device)]
            }
            (false, Op::Pass | Op::Reconnect) => &[(1, Fate::Cut), (1, Fate::Lost)],
            (false, _) => &[(3, Fate::Busy), (3, Fate::Cut), (3, Fate::Lost)],
        };
        random.weigh(of).unwrap_or(Fate::Done)
    }
}

/// Some pieces, most under a key of their own; two bodies under one key now and then.
fn jobs(random: &mut Random) -> Vec<(usize, String)> {
    let pieces = material().pieces.len();
    let share = 300 + random.below(500);
    let mut jobs: Vec<_> =
        (0..pieces).filter(|_| random.happens(share)).map(|piece| (piece, format!("key-{piece}"))).collect();
    for place in 1..jobs.len() {
        if random.happens(60) {
            jobs[place].1 = jobs[place - 1].1.clone();
        }
    }
    jobs
}
