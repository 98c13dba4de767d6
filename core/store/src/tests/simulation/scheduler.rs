//! Which action comes next: what is possible now, weighed, and chosen by the seed.

use super::{
    memory::{Asks, Fate, Op, lock},
    node::{Life, Node},
    world::{Action, World},
};
use crate::Clock as _;

/// Steps after which everything must be answered once nothing goes wrong any more.
const CALM_STEPS_MAX: u32 = 6_000;

/// The whole run.
pub(super) fn run(world: &mut World) -> Result<(), String> {
    for _ in 0..world.plan.steps {
        let action = if world.random.happens(world.plan.unlucky) { misfortune(world) } else { ordinary(world) };
        if let Some(action) = action {
            world.step(action)?;
        }
    }
    world.put_right();
    calm(world)?;
    ended(world)?;
    fenced(world)
}

/// What a node can do now.
fn of_node(world: &mut World, node: usize, options: &mut Vec<(u64, Action)>) {
    let (asks, called, publishes, behind) = match &world.nodes[node].life {
        Life::Down => return options.push((6, Action::Open(node))),
        Life::Starting(_) => return options.push((10, Action::Begin(node))),
        Life::Up(up) => {
            let behind = *up.shared.committed.borrow() < world.checks.size();
            (up.gate.asks(), up.is_called(), up.is_to_publish(), behind)
        }
    };
    match asks {
        Asks::Fate(op) => {
            let fate = world.plan.fate(op, &mut world.random);
            options.push((40, Action::Go(node, op, fate)));
        }
        Asks::Turn => {
            // It has waited long enough, or looks again.
            let busy = world.random.happens(world.plan.failing);
            options.push((10, if busy { Action::Go(node, Op::TakeTurn, Fate::Busy) } else { Action::Wake(node) }));
        }
        Asks::Nothing => {}
    }
    if called {
        options.push((20, Action::Wake(node)));
    }
    if publishes {
        options.push((6, Action::Publish(node)));
    }
    if behind && asks == Asks::Nothing && !called {
        options.push((6, Action::Follow(node)));
    }
}

/// What goes on by itself.
fn ordinary(world: &mut World) -> Option<Action> {
    let mut options = vec![(4, Action::Fold), (2, Action::Pass(0)), (2, Action::Replicate)];
    for node in 0..world.nodes.len() {
        of_node(world, node, &mut options);
    }
    if lock(&world.database).is_held_by_the_dead() {
        options.push((6, Action::Notice(world.random.happens(500))));
    }
    let open: Vec<usize> = (0..world.jobs.len()).filter(|job| !world.jobs[*job].settled).collect();
    let node = world.random.below(world.nodes.len() as u64);
    if let (Some(job), Ok(node)) = (world.random.pick(&open), usize::try_from(node)) {
        options.push((40, Action::Submit(job, node)));
    }
    match world.random.weigh(&options)? {
        Action::Pass(_) => Some(Action::Pass(u32::try_from(world.random.below(300)).unwrap_or(0))),
        other => Some(other),
    }
}

/// What goes wrong besides operations that fail.
fn misfortune(world: &mut World) -> Option<Action> {
    let node = usize::try_from(world.random.below(world.nodes.len() as u64)).ok()?;
    let mut options = vec![(4, Action::FoldCrash), (1, Action::Jump(node, 0)), (4, Action::Resume(node))];
    if !matches!(world.nodes[node].life, Life::Down) {
        options.push((12, Action::Crash(node)));
        options.push((2, Action::Close(node)));
    }
    if world.plan.alone {
        options.push((6, Action::Open(node)));
    } else {
        options.push((8, Action::EndTurn));
        options.push((5, Action::Promote));
    }
    match world.random.weigh(&options)? {
        Action::Jump(node, _) => {
            let jumps = [-7_200_000, -5_000, -2_500, -900, 900, 2_500, 5_000, 7_200_000];
            Some(Action::Jump(node, world.random.pick(&jumps)?))
        }
        other => Some(other),
    }
}

/// Goes on without misfortune until everything is answered, published and followed.
fn calm(world: &mut World) -> Result<(), String> {
    for _ in 0..CALM_STEPS_MAX {
        if is_over(world) {
            return Ok(());
        }
        let actions = calm_actions(world);
        let Some(action) = world.random.pick(&actions) else { return Err("liveness: nothing can be done".to_owned()) };
        world.step(action)?;
    }
    let open = world.jobs.iter().filter(|job| !job.settled).count();
    Err(format!("liveness: {open} submissions have no answer after {CALM_STEPS_MAX} steps in which nothing went wrong"))
}

/// Whether all is done, or the database lacks what was signed and no node works with it.
fn is_over(world: &World) -> bool {
    let refused = |node: &Node| node.refused && matches!(node.life, Life::Down);
    if world.nodes.iter().all(refused) {
        return true;
    }
    let rows = &lock(&world.database).rows;
    let size = rows.head.size;
    let quiet = |node: &Node| {
        let fenced = world.plan.alone && node.number > 0 && matches!(node.life, Life::Down);
        fenced
            || refused(node)
            || node.up().is_some_and(|up| {
                let known = *up.shared.committed.borrow();
                let halted = up.shared.halted().is_some();
                !halted && up.gate.asks() == Asks::Nothing && !up.is_called() && !up.is_to_publish() && known == size
            })
    };
    world.jobs.iter().all(|job| job.settled)
        && world.attempts.is_empty()
        && !world.fold.is_behind(rows)
        && world.nodes.iter().all(quiet)
}

fn calm_actions(world: &World) -> Vec<Action> {
    let mut actions = Vec::new();
    let database = lock(&world.database);
    if database.is_held_by_the_dead() {
        actions.push(Action::Notice(true));
    }
    if world.fold.is_behind(&database.rows) {
        actions.push(Action::Fold);
    }
    // Alone, one node writes; whoever else is up was fenced, or will be.
    let nodes = if world.plan.alone { 1 } else { world.nodes.len() };
    for (number, node) in world.nodes.iter().enumerate() {
        match &node.life {
            Life::Down if number < nodes && !node.refused => actions.push(Action::Open(number)),
            Life::Starting(_) if number < nodes => actions.push(Action::Begin(number)),
            Life::Down => {}
            Life::Starting(_) => actions.push(Action::Crash(number)),
            Life::Up(_) if number >= nodes || node.halted().is_some() => actions.push(Action::Crash(number)),
            Life::Up(up) => {
                match up.gate.asks() {
                    Asks::Fate(op) => actions.push(Action::Go(number, op, Fate::Done)),
                    Asks::Turn => actions.push(Action::Wake(number)),
                    Asks::Nothing if up.is_called() => actions.push(Action::Wake(number)),
                    // One that knows more than there is learns so with the next message, whatever it is.
                    Asks::Nothing if *up.shared.committed.borrow() != database.rows.head.size => {
                        actions.push(Action::Follow(number));
                    }
                    Asks::Nothing => {}
                }
                if up.is_to_publish() {
                    actions.push(Action::Publish(number));
                }
                let job = (0..world.jobs.len())
                    .find(|job| !world.jobs[*job].settled && world.attempts.iter().all(|attempt| attempt.job != *job));
                actions.extend(job.map(|job| Action::Submit(job, number)));
            }
        }
    }
    actions
}

/// At the end: what was promised, signed and followed.
fn ended(world: &mut World) -> Result<(), String> {
    if world.signed_what_is_lost {
        return nobody_goes_on(world);
    }
    let rows = &lock(&world.database).rows;
    world.checks.receipts(rows)?;
    if world.nodes.iter().all(|node| node.refused) {
        return Ok(());
    }
    world.fold.check(rows)?;
    if !world.checks.is_signed_of_the_log() {
        return Err("a checkpoint was signed that is no beginning of the log".to_owned());
    }
    if world.checks.signed_size() < rows.head.size {
        return Err(format!("not all is published: {} of {}", world.checks.signed_size(), rows.head.size));
    }
    Ok(())
}

/// What is signed stays and was lost in the database: no node begins with it again.
fn nobody_goes_on(world: &mut World) -> Result<(), String> {
    for node in 0..world.nodes.len() {
        for action in [Action::Crash(node), Action::Open(node), Action::Begin(node)] {
            world.step(action)?;
        }
        if !world.nodes[node].refused {
            return Err(format!("a node begins with a database that lacks what was published: {node}"));
        }
    }
    Ok(())
}

/// Another takes the database over for itself: whoever wrote in turns commits nothing more.
fn fenced(world: &mut World) -> Result<(), String> {
    let size = world.checks.size();
    lock(&world.database).epoch += 1;
    world.nodes.iter_mut().for_each(|node| node.excused = true);
    let Some(job) = (!world.jobs.is_empty()).then_some(0) else { return Ok(()) };
    for number in 0..world.nodes.len() {
        if world.nodes[number].up().is_none() {
            continue;
        }
        // The first time it may find that its connection was lost before.
        for _ in 0..2 {
            world.step(Action::Submit(job, number))?;
            world.step(Action::Wake(number))?;
            while let Some(Asks::Fate(op)) = world.nodes[number].up().map(|up| up.gate.asks()) {
                world.step(Action::Go(number, op, Fate::Done))?;
            }
        }
        // Alone, one that has nothing to write learns it when it does.
        if world.nodes[number].halted().is_none() && !world.plan.alone {
            return Err(format!("a node goes on after it was fenced: {number}"));
        }
    }
    if world.checks.size() > size { Err("a node commits after it was fenced".to_owned()) } else { Ok(()) }
}

/// What a reader of a failure wants to know first.
pub(super) fn describe(world: &World) -> String {
    let nodes = world.nodes.iter().map(|node| {
        let state = match &node.life {
            Life::Down => "down".to_owned(),
            Life::Starting(_) => "starting".to_owned(),
            Life::Up(up) => format!("up, {:?}, knows {}", up.gate.asks(), *up.shared.committed.borrow()),
        };
        format!("  node {}: {state}, {}\n", node.number, node.clock.now())
    });
    nodes.collect()
}
