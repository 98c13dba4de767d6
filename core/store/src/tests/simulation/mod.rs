//! Sequencers and followers in one thread, over a database in memory, with everything going wrong that a seed thinks of.
//!
//! Real here is the sequencer with all that it does between a message and an answer, what decides whether a checkpoint may
//! be signed, and the bucket's conditions. The clock, the database, the directory's files and the order of things are the
//! simulation's: there is no time, no disk, no thread and no chance in a run but its seed, so a seed that failed fails again
//! in the same way. Sealed events are not here, whose vault is a database of its own.
//!
//! `GONGKAI_SEED=n` does one run, `GONGKAI_ROUNDS=n` so many. How a run is made is in `world` (what can happen), `scheduler`
//! (what comes next), `plan` (what kind of run), `memory` (what fails) and `checks` (what must hold).

mod checks;
mod material;
mod memory;
mod node;
mod plan;
mod publishing;
mod random;
mod rows;
mod scenarios;
mod scheduler;
mod world;

use std::{
    env,
    fmt::Write as _,
    panic::{self, AssertUnwindSafe},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use self::{
    memory::{Database, MemoryStore, lock},
    rows::Rows,
    world::{Event, World},
};
use crate::{conformance, testing::start_time};

/// Runs in CI.
const RUNS: u64 = 3_000;

/// Events of a failed run that are told; of one that was asked for by its seed it is all.
const EVENTS_TOLD: usize = 60;

/// What is left of a run: everything that happened, and what was wrong.
struct Run {
    trace: Vec<Event>,
    wrong: Option<String>,
    nodes: String,
}

fn run(seed: u64) -> Run {
    let mut world = World::new(seed).expect("every run begins with a sound log");
    let done = panic::catch_unwind(AssertUnwindSafe(|| scheduler::run(&mut world)));
    let wrong = match done {
        Ok(done) => done.err(),
        Err(_) => Some("a panic, told above".to_owned()),
    };
    Run { nodes: scheduler::describe(&world), trace: world.trace, wrong }
}

/// What was wrong with the first of these runs with which something was.
fn first_wrong(seeds: std::ops::Range<u64>) -> Option<String> {
    let (next, found) = (AtomicU64::new(seeds.start), Mutex::new(None));
    let work = || {
        while lock(&found).is_none() {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return;
            }
            let Run { trace, wrong: Some(wrong), nodes } = run(seed) else { continue };
            let mut told = format!("run {} of these: {wrong}\nGONGKAI_SEED={seed}\n{nodes}", seed - seeds.start + 1);
            let told_max = if seeds.end - seeds.start == 1 { trace.len() } else { EVENTS_TOLD };
            for event in &trace[trace.len().saturating_sub(told_max)..] {
                let _ = writeln!(told, "  {event:?}");
            }
            lock(&found).get_or_insert(told);
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, Into::into) {
            scope.spawn(work);
        }
    });
    found.into_inner().expect("whoever panicked in a run was caught")
}

fn number(name: &str) -> Option<u64> {
    env::var(name).ok().map(|text| text.parse().expect("a number"))
}

#[test]
fn whatever_befalls_nodes_no_receipt_is_lost_and_one_history_is_signed() {
    let seeds = match number("GONGKAI_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("GONGKAI_ROUNDS").unwrap_or(RUNS),
    };
    if let Some(wrong) = first_wrong(seeds) {
        panic!("{wrong}");
    }
}

#[test]
fn the_same_seed_gives_the_same_run_twice() {
    for seed in 0..40 {
        assert_eq!(run(seed).trace, run(seed).trace, "seed {seed}");
    }
}

#[tokio::test]
async fn the_database_in_memory_does_what_a_ledger_database_must_do() {
    for alone in [true, false] {
        let database = Arc::new(Mutex::new(Database::new(Rows::new(), alone, start_time())));
        let open = || async { MemoryStore::open(&database, None, 1) };
        if alone {
            conformance::run(open).await;
        } else {
            conformance::run_in_turns(open).await;
        }
    }
}
