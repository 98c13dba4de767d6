//! The world of a run: nodes over one database, who submits to them and who follows, and what befalls them.
//!
//! One step is one [`Action`], which the seed chooses among what is possible now, and after each of them the checks are made.
//! First things go wrong for a while, then everything is put right ([`World::put_right`]) and everything that was submitted
//! must be answered within a bounded number of steps. A further misfortune is an action: say when it is possible in
//! `scheduler` and what it does in [`World::act`].

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use chrono::TimeDelta;
use tokio::sync::oneshot;

use super::{
    checks::{Checks, Fold},
    material::material,
    memory::{Database, Fate, Op, lock},
    node::{Life, Node, Up, crash},
    plan::Plan,
    publishing::{Done, Outside},
    random::Random,
    rows::Rows,
};
use crate::{
    Clock as _,
    ledger::{Accepted, Settings},
    sequencer::{Answer, Item, Message},
    testing::start_time,
};

/// Starts after which a publisher that stops again is left alone.
const STOPS_MAX: u32 = 3;

/// What happens in a step; numbers are of nodes and jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// An operation of the node's store meets its fate, and the node goes on.
    Go(usize, Op, Fate),
    /// The node looks whether it is its turn, or begins with what it was told.
    Wake(usize),
    Submit(usize, usize),
    Follow(usize),
    Resume(usize),
    Publish(usize),
    /// The first half of a start, and the second.
    Open(usize),
    Begin(usize),
    Crash(usize),
    /// Ends in good order.
    Close(usize),
    /// The server notices that whoever held the lock is gone; its commit has arrived before, or never does.
    Notice(bool),
    /// The server ends the turn of a node that dawdles.
    EndTurn,
    /// Time passes, in milliseconds.
    Pass(u32),
    /// A node's clock jumps, in milliseconds.
    Jump(usize, i32),
    /// The standby gets what was committed.
    Replicate,
    /// The standby takes over.
    Promote,
    Fold,
    FoldCrash,
}

/// Something that was done or said, for whoever looks into a failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Event {
    Did(Action),
    Answered { job: usize, node: usize, answer: String },
    Committed { node: i64, size: u64 },
    Signed { node: usize, size: u64 },
    Halted { node: usize, reason: String },
}

/// A submission, until it has an answer that is one.
pub(super) struct Job {
    pub piece: usize,
    pub key: String,
    pub settled: bool,
}

/// A submission under way.
pub(super) struct Attempt {
    pub job: usize,
    node: usize,
    answer: oneshot::Receiver<Answer>,
    // Its key and body were on record when it was sent.
    known: bool,
}

/// See the module.
pub(super) struct World {
    pub random: Random,
    pub plan: Plan,
    pub database: Arc<Mutex<Database>>,
    pub standby: Rows,
    pub outside: Outside,
    pub nodes: Vec<Node>,
    pub jobs: Vec<Job>,
    pub attempts: Vec<Attempt>,
    pub checks: Checks,
    pub fold: Fold,
    pub trace: Vec<Event>,
    /// The standby that took over lacks what was published: nobody may write there.
    lacks_published: bool,
    /// A node put a checkpoint in place whose entries were lost between its last look at the database and then.
    pub signed_what_is_lost: bool,
}

impl World {
    pub(super) fn new(seed: u64) -> Result<Self, String> {
        let mut random = Random::new(seed);
        let plan = Plan::new(&mut random);
        Self::made(random, plan)
    }

    /// A world in which nothing happens but what is told.
    pub(super) fn of(seed: u64, plan: Plan) -> Result<Self, String> {
        Self::made(Random::new(seed), plan)
    }

    fn made(mut random: Random, plan: Plan) -> Result<Self, String> {
        let rows = material().rows.clone();
        let database = Arc::new(Mutex::new(Database::new(rows.clone(), plan.alone, start_time())));
        let jobs = plan.jobs.iter().map(|(piece, key)| Job { piece: *piece, key: key.clone(), settled: false });
        let mut nodes: Vec<_> = (0..plan.nodes).map(|number| Node::new(number, start_time())).collect();
        for node in &mut nodes {
            // Some hundred milliseconds this way or that, as clocks are.
            let apart = TimeDelta::milliseconds(random.below(800).cast_signed() - 400);
            node.clock.set_wall(start_time() + apart);
        }
        Ok(Self {
            jobs: jobs.collect(),
            outside: Outside::new(plan.bucket),
            checks: Checks::new(&rows)?,
            standby: rows,
            fold: Fold::new(),
            attempts: Vec::new(),
            trace: Vec::new(),
            lacks_published: false,
            signed_what_is_lost: false,
            random,
            plan,
            database,
            nodes,
        })
    }

    /// Does something, and checks everything.
    pub(super) fn step(&mut self, action: Action) -> Result<(), String> {
        self.trace.push(Event::Did(action));
        self.act(action)?;
        self.look()
    }

    fn act(&mut self, action: Action) -> Result<(), String> {
        match action {
            Action::Go(node, _, fate) => self.go(node, fate),
            Action::Wake(node) => self.nodes[node].up_mut().map_or((), Up::poll),
            Action::Submit(job, node) => self.submit(job, node),
            Action::Follow(node) => self.tell(node, Message::Follow(oneshot::channel().0)),
            Action::Resume(node) => self.tell(node, Message::Resume(oneshot::channel().0)),
            Action::Close(node) => self.tell(node, Message::Close),
            Action::Publish(node) => return self.publish(node),
            Action::Open(node) => self.open(node),
            Action::Begin(node) => {
                let settings = Settings { bucket: self.outside.bucket.clone(), ..self.plan.settings() };
                let begun = self.nodes[node].begin(&lock(&self.database).rows, settings);
                if !begun && !self.checks.lost_some {
                    return Err(format!("a node does not start: {node}"));
                }
            }
            Action::Crash(node) => crash(&mut self.nodes[node], &self.database),
            Action::Notice(arrives) => lock(&self.database).notice(arrives),
            Action::EndTurn => drop(lock(&self.database).end_turn()),
            Action::Pass(millis) => self.pass_time(millis),
            Action::Jump(node, millis) => self.jump(node, millis),
            Action::Replicate => self.standby = lock(&self.database).rows.clone(),
            Action::Promote => return self.promote(),
            Action::Fold => {
                let entries_max = 1 + self.random.below(5);
                self.fold.step(&lock(&self.database).rows, entries_max);
            }
            Action::FoldCrash => self.fold.crash(),
        }
        Ok(())
    }

    fn go(&mut self, node: usize, fate: Fate) {
        let excused = matches!(fate, Fate::Device | Fate::Flush);
        let node = &mut self.nodes[node];
        node.excused |= excused;
        let Some(up) = node.up_mut() else { return };
        up.gate.answer(fate);
        up.poll();
    }

    fn open(&mut self, node: usize) {
        if self.plan.alone {
            // It takes over: the others are fenced.
            self.nodes.iter_mut().for_each(|node| node.excused = true);
        }
        let outside = &self.outside;
        self.nodes[node].open(&self.database, || outside.checkpoint());
    }

    fn tell(&self, node: usize, message: Message) {
        if let Some(up) = self.nodes[node].up() {
            // Whoever waits longer than the queue asks again.
            let _ = up.queue.try_send(message);
        }
    }

    fn submit(&mut self, job: usize, node: usize) {
        let Job { piece, key, .. } = &self.jobs[job];
        let admitted = material().pieces[*piece].clone();
        let known = lock(&self.database).rows.requests.get(key.as_str()).map(|known| known.0) == Some(admitted.request);
        let (sender, answer) = oneshot::channel();
        let item = Item { key: Some(key.clone()), admitted: Box::new(admitted), answer: sender };
        self.tell(node, Message::Submit(item));
        self.attempts.push(Attempt { job, node, answer, known });
    }

    fn publish(&mut self, node: usize) -> Result<(), String> {
        let Node { life, directory, refused, stops, .. } = &mut self.nodes[node];
        let Life::Up(up) = life else { return Ok(()) };
        up.heard();
        match up.publishing.step(&lock(&self.database).rows, &mut self.outside, directory) {
            Ok(Done::Nothing) => Ok(()),
            Ok(Done::Signed(signed)) => {
                self.trace.push(Event::Signed { node, size: signed.checkpoint.size });
                let late = signed.late;
                self.checks.signed(signed)?;
                self.signed_what_is_lost |= late && !self.checks.is_signed_of_the_log();
                Ok(())
            }
            Err(reason) if self.checks.lost_some => {
                // As the publisher does: nothing is signed from here on.
                up.shared.halt_for_good(reason);
                up.publishing.stopped = true;
                // Once it may be of what it knew itself; again and again it is for the operator to settle.
                *stops += 1;
                *refused |= *stops >= STOPS_MAX;
                Ok(())
            }
            Err(reason) => Err(format!("a publisher stops without a cause: node {node}: {reason}")),
        }
    }

    fn pass_time(&self, millis: u32) {
        let by = Duration::from_millis(millis.into());
        lock(&self.database).now += by;
        self.nodes.iter().for_each(|node| node.clock.advance(by));
    }

    fn jump(&mut self, node: usize, millis: i32) {
        let alone = self.plan.alone;
        let clock = &self.nodes[node].clock;
        clock.set_wall(clock.now() + TimeDelta::milliseconds(millis.into()));
        // Alone, whoever takes over finds what was recorded by the clock before.
        self.nodes.iter_mut().filter(|other| alone || other.number == node).for_each(|node| node.excused = true);
    }

    fn promote(&mut self) -> Result<(), String> {
        let mut database = lock(&self.database);
        let rows = if self.plan.lossy { self.standby.clone() } else { database.rows.clone() };
        let size = rows.head.size;
        let loses = size < database.rows.head.size;
        database.replace(rows);
        if !loses {
            return Ok(());
        }
        for node in &mut self.nodes {
            node.excused = true;
            node.knows_more |= node.up().is_some_and(|up| *up.shared.committed.borrow() > size);
            if let Some(up) = node.up_mut() {
                up.publishing.overtaken();
            }
        }
        let published = self.outside.checkpoint().map_or(0, |there| there.checkpoint.size);
        self.lacks_published |= published > size;
        // Submitters whose receipts are lost with it are not told, and others ask again as before.
        self.attempts.iter_mut().for_each(|attempt| attempt.known = false);
        self.fold = Fold::new();
        self.checks.forget_beyond(&database.rows)
    }

    /// The checks after a step.
    fn look(&mut self) -> Result<(), String> {
        let mut database = lock(&self.database);
        self.checks.log(&database.rows)?;
        let size = database.rows.head.size;
        if let Some(committed) = database.committed_by.take() {
            self.trace.push(Event::Committed { node: committed, size });
            if self.nodes.iter().any(|node| node.number() == committed && node.knows_more) {
                return Err(format!("a node commits to a database that lacks what it knows: {committed}"));
            }
            if self.lacks_published {
                return Err(format!("a node commits to a database that lacks what was published: {committed}"));
            }
        }
        drop(database);
        self.answers()?;
        self.halts()
    }

    fn answers(&mut self) -> Result<(), String> {
        for mut attempt in std::mem::take(&mut self.attempts) {
            match attempt.answer.try_recv() {
                Err(oneshot::error::TryRecvError::Empty) => self.attempts.push(attempt),
                // It went down with its node, or did not come into the queue.
                Err(oneshot::error::TryRecvError::Closed) => {}
                Ok(answer) => self.answered(&attempt, &answer)?,
            }
        }
        Ok(())
    }

    fn answered(&mut self, attempt: &Attempt, answer: &Answer) -> Result<(), String> {
        let Attempt { job, node, known, .. } = *attempt;
        let Job { piece, key, settled } = &mut self.jobs[job];
        let said = match answer {
            // It was committed when it was looked up, and went with the database before.
            Ok(Accepted::Entry(receipt)) if self.nodes[node].knows_more => format!("entry {}, lost", receipt.index),
            Ok(Accepted::Entry(receipt)) => {
                *settled = true;
                let request = &material().pieces[*piece].request;
                self.checks.receipt(&lock(&self.database).rows, key, request, receipt)?;
                format!("entry {}", receipt.index)
            }
            Ok(Accepted::Promise(_)) => return Err(format!("a promise for what is public: {key}")),
            Err(crate::SubmitError::Refused(refusal)) => {
                if known {
                    return Err(format!("what is on record is refused: {key}: {refusal}"));
                }
                *settled = true;
                format!("refused: {refusal}")
            }
            Err(error) => error.to_string(),
        };
        self.trace.push(Event::Answered { job, node, answer: said });
        Ok(())
    }

    fn halts(&mut self) -> Result<(), String> {
        for node in &mut self.nodes {
            if node.up().is_some_and(|up| up.ended) {
                node.life = Life::Down;
            }
            let halted = node.halted();
            let before = std::mem::replace(&mut node.stopped, halted.clone());
            let Some(reason) = halted else { continue };
            if before.as_ref() != Some(&reason) {
                self.trace.push(Event::Halted { node: node.number, reason: reason.clone() });
            }
            // Whoever does not get a halt on record, for whatever reason, stays stopped until told to resume.
            if !node.excused && !reason.starts_with("暂停记录没有写入") {
                return Err(format!("a node stops without a cause: {}: {reason}", node.number));
            }
        }
        Ok(())
    }

    /// Nothing goes wrong any more: clocks agree, and whoever stopped is started again.
    pub(super) fn put_right(&mut self) {
        let mut database = lock(&self.database);
        let clocks = self.nodes.iter().map(|node| node.clock.now());
        let latest = clocks.fold(database.now.max(database.rows.head.recorded_at), Ord::max);
        database.now = latest + TimeDelta::seconds(1);
        for node in &mut self.nodes {
            node.clock.set_wall(database.now);
            // For some that is a jump.
            node.excused = true;
            (node.refused, node.stops) = (false, 0);
        }
    }
}
