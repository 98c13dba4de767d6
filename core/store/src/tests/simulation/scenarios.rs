//! What the simulation found, told step by step so that it stays found.

use super::{
    memory::{Asks, Fate, Op},
    node::Life,
    plan::Plan,
    world::{Action, World},
};

/// Some nodes over a server's database, which are up and have nothing to do.
fn nodes(count: usize) -> World {
    let jobs = (0..4).map(|piece| (piece, format!("key-{piece}"))).collect();
    let mut world = World::of(1, Plan::quiet(count, jobs)).unwrap();
    for node in 0..count {
        start(&mut world, node);
        settle(&mut world, node);
    }
    world
}

fn start(world: &mut World, node: usize) {
    for action in [Action::Open(node), Action::Begin(node), Action::Wake(node)] {
        step(world, action);
    }
}

fn step(world: &mut World, action: Action) {
    world.step(action).unwrap();
}

/// What a node's store is about to do.
fn asks(world: &World, node: usize) -> Asks {
    world.nodes[node].up().unwrap().gate.asks()
}

/// Lets a node go on until it is about to do something, or has nothing left to do.
fn go_on(world: &mut World, node: usize, until: Option<Op>) {
    loop {
        match asks(world, node) {
            Asks::Fate(op) if Some(op) == until => return,
            Asks::Fate(op) => step(world, Action::Go(node, op, Fate::Done)),
            Asks::Nothing if world.nodes[node].up().unwrap().is_called() => step(world, Action::Wake(node)),
            Asks::Turn | Asks::Nothing => return,
        }
    }
}

fn settle(world: &mut World, node: usize) {
    go_on(world, node, None);
    assert_eq!(asks(world, node), Asks::Nothing);
}

/// Submits, and lets the node go on until it has answered.
fn submit(world: &mut World, job: usize, node: usize) {
    step(world, Action::Submit(job, node));
    settle(world, node);
}

/// Brings the first node to its commit, for whose end the second one waits.
fn keep_waiting(world: &mut World) {
    step(world, Action::Submit(0, 0));
    go_on(world, 0, Some(Op::Append));
    step(world, Action::Submit(1, 1));
    go_on(world, 1, None);
    assert_eq!(asks(world, 1), Asks::Turn, "it is the turn of the other");
}

#[test]
fn a_connection_that_is_lost_while_a_node_starts_does_not_stop_it() {
    let mut world = nodes(1);
    step(&mut world, Action::Crash(0));
    start(&mut world, 0);
    go_on(&mut world, 0, Some(Op::CountSealed));
    step(&mut world, Action::Go(0, Op::CountSealed, Fate::Cut));
    submit(&mut world, 0, 0);
    assert!(world.jobs[0].settled && world.nodes[0].halted().is_none());
}

#[test]
fn whoever_comes_while_a_turn_is_waited_for_is_taken_in_with_it() {
    let mut world = nodes(2);
    keep_waiting(&mut world);
    for job in [2, 3] {
        step(&mut world, Action::Submit(job, 1));
    }
    settle(&mut world, 0);
    step(&mut world, Action::Wake(1));
    go_on(&mut world, 1, Some(Op::Append));
    step(&mut world, Action::Go(1, Op::Append, Fate::Done));
    go_on(&mut world, 1, Some(Op::Append));
    assert_eq!(asks(&world, 1), Asks::Nothing, "one batch is enough");
    assert!(world.jobs.iter().all(|job| job.settled));
}

#[test]
fn a_clock_that_is_set_while_a_turn_is_waited_for_stops_its_own_node_and_no_other() {
    let mut world = nodes(2);
    keep_waiting(&mut world);
    step(&mut world, Action::Jump(1, 5_000));
    settle(&mut world, 0);
    step(&mut world, Action::Wake(1));
    settle(&mut world, 1);
    assert!(world.nodes[1].halted().unwrap().contains("快 "), "{:?}", world.nodes[1].halted());
    submit(&mut world, 2, 0);
    assert!(world.jobs[0].settled && world.jobs[2].settled && !world.jobs[1].settled);
}

#[test]
fn a_clock_that_was_wrong_all_along_is_not_hidden_by_a_long_wait_for_the_turn() {
    let mut world = nodes(2);
    step(&mut world, Action::Jump(1, 5_000));
    keep_waiting(&mut world);
    // A database whose clock is read before the lock is waited for would hide as much.
    step(&mut world, Action::Pass(4_000));
    settle(&mut world, 0);
    step(&mut world, Action::Wake(1));
    settle(&mut world, 1);
    assert!(world.nodes[1].halted().is_some());
    submit(&mut world, 2, 0);
    assert!(world.jobs[2].settled, "{:?}", world.nodes[0].halted());
}

#[test]
fn a_node_that_stopped_for_its_clock_and_lost_its_connection_goes_on_when_it_is_told() {
    let mut world = nodes(1);
    step(&mut world, Action::Jump(0, 5_000));
    submit(&mut world, 0, 0);
    assert!(world.nodes[0].halted().is_some());
    step(&mut world, Action::Replicate);
    step(&mut world, Action::Promote);
    step(&mut world, Action::Jump(0, -5_000));
    for _ in 0..2 {
        // The first time it may find that the connection is lost.
        step(&mut world, Action::Resume(0));
        settle(&mut world, 0);
    }
    assert_eq!(world.nodes[0].halted(), None);
    submit(&mut world, 0, 0);
    assert!(world.jobs[0].settled);
}

#[test]
fn a_database_that_was_found_again_is_compared_before_anything_is_recorded_there() {
    let mut world = nodes(2);
    submit(&mut world, 0, 0);
    while world.nodes[0].up().unwrap().is_to_publish() {
        step(&mut world, Action::Publish(0));
    }
    // The other node has not heard of the last entry, and the standby that takes over lacks it.
    step(&mut world, Action::Promote);
    submit(&mut world, 1, 1);
    step(&mut world, Action::Submit(1, 1));
    go_on(&mut world, 1, Some(Op::LoadHead));
    // It has connected, and cannot read the head now.
    step(&mut world, Action::Go(1, Op::LoadHead, Fate::Busy));
    settle(&mut world, 1);
    submit(&mut world, 1, 1);
    assert!(matches!(world.nodes[1].life, Life::Up(_)) && world.nodes[1].halted().is_some());
    assert!(!world.jobs[1].settled);
}

#[test]
fn what_was_read_before_a_standby_took_over_that_lacks_it_is_not_signed_afterwards() {
    let mut world = nodes(2);
    submit(&mut world, 0, 0);
    // It reads, compares with what is outside, and is about to sign.
    (0..2).for_each(|_| step(&mut world, Action::Publish(0)));
    step(&mut world, Action::Promote);
    while world.nodes[0].up().unwrap().is_to_publish() {
        step(&mut world, Action::Publish(0));
    }
    assert!(world.nodes[0].halted().unwrap().contains("the database has"), "{:?}", world.nodes[0].halted());
    assert_eq!(world.checks.signed_size(), 0);
}

#[test]
fn a_storage_fault_is_not_mended_by_resuming_after_the_clock_of_another_node() {
    let mut world = nodes(2);
    step(&mut world, Action::Submit(0, 0));
    go_on(&mut world, 0, Some(Op::Append));
    step(&mut world, Action::Go(0, Op::Append, Fate::Device));
    settle(&mut world, 0);
    assert!(world.nodes[0].halted().is_some());
    step(&mut world, Action::Jump(1, 5_000));
    submit(&mut world, 1, 1);
    assert!(world.nodes[1].halted().is_some(), "its halt is to be put on record");
    step(&mut world, Action::Resume(0));
    settle(&mut world, 0);
    assert!(world.nodes[0].halted().is_some());
    submit(&mut world, 0, 0);
    assert!(!world.jobs[0].settled);
}
