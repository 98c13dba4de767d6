//! Logs that somebody might pick instead, on the same work in the same run (figure `peers`).
//!
//! In each round the ledger records signed pledges, and right after each peer appends the very entries that came of them:
//! first one caller who waits for each, then batches. The ledger checks signatures, judges, chains and publishes; no
//! peer does. What is flushed is printed beside, because a peer that does not flush has promised less.
//!
//! The peers are a program of their own (`tests/peers`), built here the first time; it says how one is added.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use gongkai_log::Fetch as _;
use gongkai_log::tile::{TILE_WIDTH, TilePath, decode_bundle, encode_bundle, level_tiles};
use gongkai_store::{DirectoryFetch, Layout, Ledger};

use crate::{
    Outcome, Setup,
    fixture::{Keyed, Press},
    flushes::Counter,
    process::argument,
    table::{Figure, Table, as_f64},
    writing::{self, median},
};

const MANIFEST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/Cargo.toml");
const PEERS: [&str; 3] = ["hypercore", "umadb", "cqrs-es"];
const ROUNDS: u64 = 3;
/// Events of one round that one caller waits for.
const ONE: u64 = 1_000;
/// Events of one round that go in as batches.
const MANY: u64 = 20_000;
const BATCH: usize = 1_000;

/// A peer as a process.
struct Peer {
    name: &'static str,
    child: Child,
    work: ChildStdin,
    took: BufReader<ChildStdout>,
    flushes: Counter,
}

impl Peer {
    fn start(setup: &Setup, program: &Path, name: &'static str) -> Outcome<Self> {
        let flushes = Counter::create(setup.dir.join(format!("{name}-flushes")))?;
        let mut command = Command::new(program);
        command.arg(name).arg(setup.dir.join(name)).stdin(Stdio::piped()).stdout(Stdio::piped());
        flushes.attach(&setup.library, &mut command);
        let mut child = command.spawn()?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (work, took) = pipes.ok_or("the pipes of a process")?;
        Ok(Self { name, child, work, took: BufReader::new(took), flushes })
    }

    fn append(&mut self, batch: usize, file: &str) -> Outcome<Duration> {
        writeln!(self.work, "{batch} {file}")?;
        for line in self.took.by_ref().lines() {
            if let Some(nanoseconds) = line?.strip_prefix("took ") {
                return Ok(Duration::from_nanos(nanoseconds.parse()?));
            }
        }
        Err(format!("{} ended", self.name).into())
    }

    fn end(mut self) -> Outcome<()> {
        drop(self.work);
        if self.child.wait()?.success() { Ok(()) } else { Err(format!("{} failed", self.name).into()) }
    }
}

/// Builds the program beside the benchmark's files, unless it is there.
fn built(setup: &Setup) -> Outcome<std::path::PathBuf> {
    let target = setup.dir.parent().ok_or("the folder of a run lies in another")?.join("peers");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--release", "--locked", "--manifest-path", MANIFEST, "--target-dir", argument(&target)?]);
    if command.env_remove("LD_PRELOAD").status()?.success() {
        return Ok(target.join("release/gongkai-peers"));
    }
    Err(format!("{MANIFEST} does not build").into())
}

/// Rates of the rounds, and all flushes.
#[derive(Default)]
struct Rates {
    rates: Vec<f64>,
    flushes: u64,
}

impl Rates {
    fn add(&mut self, events: u64, took: Duration, flushes: u64) {
        self.rates.push(as_f64(events) / took.as_secs_f64());
        self.flushes += flushes;
    }
}

/// The ledger and its peers.
pub(crate) async fn measure(setup: &Setup, press: &Press, table: &mut Table) -> Outcome<()> {
    let program = built(setup)?;
    let (ledger, layout) = writing::fresh(setup, press, "beside-peers", writing::FILE).await?;
    let peers = PEERS.iter().map(|name| Peer::start(setup, &program, name));
    let mut peers = peers.collect::<Outcome<Vec<_>>>()?;
    let mut made = 0;
    for (name, events, batch) in [("one caller", ONE, 1), ("batches of 1,000", MANY, BATCH)] {
        let mut ours = Rates::default();
        let mut theirs: Vec<Rates> = peers.iter().map(|_| Rates::default()).collect();
        for _ in 0..ROUNDS {
            let keyed = press.pledges(made, made + events)?;
            made += events;
            let from = *ledger.committed().borrow();
            let (flushed, start) = (setup.flushes.read()?, Instant::now());
            submit(&ledger, keyed, batch).await?;
            let took = start.elapsed();
            ledger.published().wait_for(|published| *published >= from + events).await?;
            ours.add(events, took, setup.flushes.read()? - flushed);
            let file = setup.dir.join("entries");
            std::fs::write(&file, entries(&layout, from, from + events)?)?;
            for (peer, rates) in peers.iter_mut().zip(&mut theirs) {
                let flushed = peer.flushes.read()?;
                let took = peer.append(batch, argument(&file)?)?;
                rates.add(events, took, peer.flushes.read()? - flushed);
            }
        }
        let all = ROUNDS * events;
        let ours_rate = median(ours.rates);
        for (peer, rates) in peers.iter().zip(theirs) {
            let figure = Figure::new(format!("{name}: the ledger beside {}", peer.name), ours_rate, "events/s");
            table.add(figure.beside(peer.name, median(rates.rates)).flushed(ours.flushes, all));
            table.note(format!("{name}: {} flushed {} times for {all} events", peer.name, rates.flushes));
        }
    }
    ledger.shutdown().await;
    peers.into_iter().try_for_each(Peer::end)
}

/// One after the other, or in batches, each of which is waited for.
async fn submit(ledger: &Ledger, keyed: Vec<Keyed>, batch: usize) -> Outcome<()> {
    let mut rest = keyed.into_iter().map(|(key, submission)| (Some(key), submission)).peekable();
    while rest.peek().is_some() {
        for answer in ledger.submit_many(rest.by_ref().take(batch).collect()).await {
            answer?;
        }
    }
    Ok(())
}

/// The bytes of published entries, each after its length.
fn entries(layout: &Layout, from: u64, to: u64) -> Outcome<Vec<u8>> {
    let fetch = DirectoryFetch::new(layout.log());
    let mut bytes = Vec::new();
    for number in from / TILE_WIDTH..to.div_ceil(TILE_WIDTH) {
        let width = level_tiles(to, 0).width(number);
        let bundle = fetch.tile(&TilePath::entries(number, width)?)?;
        let skipped = usize::try_from(from.saturating_sub(number * TILE_WIDTH))?;
        bytes.extend(encode_bundle(&decode_bundle(&bundle)?[skipped..])?);
    }
    Ok(bytes)
}
