//! Reading a whole ledger: verification in a process of its own, a mirror's first catch-up, and the rebuild of all views.

use std::{
    collections::{HashMap, VecDeque},
    path::PathBuf,
    sync::Arc,
    time::Instant,
};

use gongkai_domain::{Recorded, Replay, State, judge::evolve};
use gongkai_log::{
    Content, Entry, Fetch as _, Mode, Options, StreamId, TilePath, VerifierKey, fsck,
    tile::{TILE_WIDTH, TileKind, decode_bundle},
};
use gongkai_projections::{Home, Views};
use gongkai_store::{DirectoryFetch, Layout, Mirror, ServerUrl, SystemClock, mirror::source::DirectorySource};
use gongkai_tests::Postgres;

use crate::{
    Outcome, Setup,
    limits::Signatures,
    log::bytes_of,
    process::{self, Process, argument},
    table::{Figure, Table, as_f64, whole},
    writing::{Written, median},
};

/// The part of a process that verifies.
pub(crate) const VERIFY: &str = "verify";

/// The part of a process that catches up with a ledger.
pub(crate) const MIRROR: &str = "mirror";

/// The part of a process that builds views.
pub(crate) const VIEWS: &str = "views";

/// A verification of entries and openings.
const OPENINGS: &str = "with openings";

/// A verification of entries.
const LOG: &str = "log alone";

/// Bundles that are parsed at a time.
const BUNDLES: usize = 16;

/// Entries up to which a verification is repeated.
const SHORT_ENTRIES: u64 = 200_000;

/// Verifies a ledger's published files, as `gongkai verify` does for each copy of the log, and prints
/// entries, seconds and the peak of memory.
pub(crate) fn verify_part(arguments: &[String]) -> Outcome<()> {
    let [dir, mode, openings] = arguments else { return Err("a directory, a mode and what of it".into()) };
    let layout = Layout::new(dir);
    let vkey = VerifierKey::parse(std::fs::read_to_string(layout.vkey())?.trim())?;
    let mode = if mode == "fast" { Mode::Fast } else { Mode::Strict };
    let options = Options { mode, threads: crate::cores(), check_openings: openings == OPENINGS, ..Options::default() };
    let start = Instant::now();
    let report = fsck(&DirectoryFetch::new(layout.log()), &mut Replay::new(&vkey), &vkey, &options)?;
    println!("{} {} {}", report.size, start.elapsed().as_secs_f64(), process::peak_mb()?);
    Ok(())
}

/// Strict and fast verification between two measurements of the bare rate each: with openings, as `gongkai
/// verify` does it, and of the log alone, which is what other logs' figures are of.
pub(crate) fn verify(setup: &Setup, written: &Written, signatures: &Signatures, table: &mut Table) -> Outcome<()> {
    let dir = argument(written.layout.root())?;
    for (mode, what, ratio) in
        [("strict", OPENINGS, 0.8), ("strict", LOG, 0.8), ("fast", OPENINGS, 0.6), ("fast", LOG, 0.6)]
    {
        let bare = || if mode == "fast" { signatures.batch_rate() } else { signatures.strict_rate() };
        let (mut rates, mut bare_rates, mut peak) = (Vec::new(), vec![bare()], 0.0_f64);
        let size = loop {
            let (said, _) = Process::start(setup, VERIFY, &[dir, mode, what])?.finish()?;
            let (entries, seconds, peak_mb) = numbers(&said)?;
            peak = peak.max(peak_mb);
            rates.push(as_f64(entries) / seconds);
            bare_rates.push(bare());
            if entries > SHORT_ENTRIES || rates.len() == 3 {
                break entries;
            }
        };
        let limit = if mode == "fast" { "batches, all cores" } else { "verify_strict, all cores" };
        let name = format!("verify, {mode}, {what}, {} entries", whole(size));
        table.add(
            Figure::new(name, median(rates), "entries/s").beside(limit, median(bare_rates)).at_least_of_limit(ratio),
        );
        table.add(Figure::new(format!("verify, {mode}, {what}: peak memory"), peak, "MB").at_most(200.0));
    }
    Ok(())
}

/// Follows a ledger's directory from nothing, as `gongkai mirror --once` does, and prints entries, seconds and the peak
/// of memory.
pub(crate) fn mirror_part(arguments: &[String]) -> Outcome<()> {
    let [source, dir] = arguments else { return Err("a ledger and a directory".into()) };
    let vkey = VerifierKey::parse(std::fs::read_to_string(Layout::new(source).vkey())?.trim())?;
    let start = Instant::now();
    let mut mirror = Mirror::open(Layout::new(dir), vkey, Arc::new(SystemClock::default()))?;
    mirror.follow(&DirectorySource::new(source.as_ref()), None)?;
    println!("{} {} {}", mirror.size(), start.elapsed().as_secs_f64(), process::peak_mb()?);
    Ok(())
}

/// A first catch-up between two measurements of the bare strict rate: everything verified, written and on the disk.
pub(crate) fn mirror(setup: &Setup, written: &Written, signatures: &Signatures, table: &mut Table) -> Outcome<()> {
    let source = argument(written.layout.root())?;
    let (mut rates, mut bare_rates, mut peak) = (Vec::new(), vec![signatures.strict_rate()], 0.0_f64);
    let (size, flushed) = loop {
        let dir = setup.unused("mirror");
        let (said, flushes) = Process::start(setup, MIRROR, &[source, argument(&dir)?])?.finish()?;
        std::fs::remove_dir_all(dir)?;
        let (entries, seconds, peak_mb) = numbers(&said)?;
        peak = peak.max(peak_mb);
        rates.push(as_f64(entries) / seconds);
        bare_rates.push(signatures.strict_rate());
        if entries > SHORT_ENTRIES || rates.len() == 3 {
            break (entries, flushes);
        }
    };
    let name = format!("mirror, first catch-up, {} entries", whole(size));
    let figure = Figure::new(name, median(rates), "entries/s").beside("verify_strict, all cores", median(bare_rates));
    table.add(figure.at_least_of_limit(0.7).flushed(flushed, size));
    table.add(Figure::new("mirror: peak memory", peak, "MB").at_most(200.0));
    Ok(())
}

/// Builds all views and the search index of a ledger that has none, in files or at an address, and prints entries,
/// seconds and the peak of memory.
pub(crate) async fn views_part(arguments: &[String]) -> Outcome<()> {
    let [dir, address @ ..] = arguments else { return Err("a directory".into()) };
    let layout = Layout::new(dir);
    let clock = Arc::new(SystemClock::default());
    let ledger = gongkai_api::cli::local::open(&layout, clock).await.map_err(|fault| fault.to_string())?;
    let home = match address.first() {
        Some(url) => Home::shared(&layout.root().join("shared"), &ServerUrl::parse(url)?),
        None => Home::from(layout.root()),
    };
    let start = Instant::now();
    let (views, mut engine) = Views::open(home, Arc::new(ledger.clone())).await?;
    engine.catch_up().await?;
    let seconds = start.elapsed().as_secs_f64();
    let status = views.status();
    if let Some((projection, index, reason)) = status.halted.first() {
        return Err(format!("{projection} halted at {index}: {reason}").into());
    }
    ledger.shutdown().await;
    println!("{} {seconds} {}", status.size, process::peak_mb()?);
    Ok(())
}

/// Builds all views and the search index from the log, in a process of its own.
pub(crate) fn rebuild(setup: &Setup, written: &Written, table: &mut Table) -> Outcome<()> {
    let (said, flushes) = Process::start(setup, VIEWS, &[argument(written.layout.root())?])?.finish()?;
    let (size, seconds, peak_mb) = numbers(&said)?;
    let name = format!("rebuild of all views with search, {} entries", whole(size));
    let figure = Figure::new(name, as_f64(size) / seconds, "events/s").at_least(10_000.0);
    table.add(figure.flushed(flushes, size));
    table.add(Figure::new("rebuild: peak memory", peak_mb, "MB"));
    let each = |path: PathBuf| Outcome::Ok(as_f64(bytes_of(&path)?) / as_f64(size));
    table.add(Figure::new("disk: rows of the views in files", each(written.layout.views())?, "B an entry"));
    table.add(Figure::new("disk: search index", each(written.layout.search())?, "B an entry"));
    let postgres = Postgres::start();
    let (said, _) = Process::start(setup, VIEWS, &[argument(written.layout.root())?, &postgres.url])?.finish()?;
    let (size, seconds, peak_mb) = numbers(&said)?;
    let name = format!("rebuild of all views with search, rows in PostgreSQL, {} entries", whole(size));
    table.add(Figure::new(name, as_f64(size) / seconds, "events/s").at_least(8_000.0));
    table.add(Figure::new("the same: peak memory", peak_mb, "MB"));
    Ok(())
}

/// Replays the published entries and folds every matter to its present state, as a program does that keeps a state of its
/// own; bundles are parsed on all cores and folded in their order. The limit reads the same files and does nothing.
pub(crate) async fn replay(written: &Written, table: &mut Table) -> Outcome<()> {
    let fetch = Arc::new(DirectoryFetch::new(written.layout.log()));
    let bundles = (0..written.pledges / TILE_WIDTH).map(|number| TilePath::new(TileKind::Entries, number, TILE_WIDTH));
    let bundles = bundles.collect::<Result<Vec<_>, _>>()?;
    let entries = bundles.len() as u64 * TILE_WIDTH;
    let (mut rates, mut limits) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        let start = Instant::now();
        let states = folded(&fetch, &bundles).await?;
        rates.push(as_f64(entries) / start.elapsed().as_secs_f64());
        if states == 0 {
            return Err("no matter was found".into());
        }
        let start = Instant::now();
        for bundle in &bundles {
            fetch.tile(bundle)?;
        }
        limits.push(as_f64(entries) / start.elapsed().as_secs_f64());
    }
    let figure = Figure::new(format!("replay of {} entries to a fold", whole(entries)), median(rates), "entries/s");
    table.add(figure.beside("reading the files", median(limits)).at_least(200_000.0));
    Ok(())
}

/// Folds all entries; how many matters there are.
async fn folded(fetch: &Arc<DirectoryFetch>, bundles: &[TilePath]) -> Outcome<usize> {
    let mut states: HashMap<StreamId, State> = HashMap::new();
    let mut parts = bundles.chunks(BUNDLES).map(|part| {
        let (fetch, part) = (Arc::clone(fetch), part.to_vec());
        tokio::task::spawn_blocking(move || parsed(&fetch, &part))
    });
    let mut ahead: VecDeque<_> = parts.by_ref().take(crate::cores()).collect();
    while let Some(part) = ahead.pop_front() {
        let entries = part.await??;
        ahead.extend(parts.next());
        for entry in entries {
            let Content::Statement(signed) = entry.content else { continue };
            let event = Recorded {
                index: entry.index,
                recorded_at: entry.recorded_at,
                statement: &signed.statement,
                hash: signed.hash,
                values: None,
            };
            let state = states.remove(&signed.statement.stream).unwrap_or_default();
            let state = evolve(state, &event);
            states.insert(signed.statement.stream, state);
        }
    }
    Ok(states.len())
}

fn parsed(fetch: &DirectoryFetch, bundles: &[TilePath]) -> Outcome<Vec<Entry>> {
    let mut entries = Vec::new();
    for bundle in bundles {
        for entry in decode_bundle(&fetch.tile(bundle)?)? {
            entries.push(Entry::parse(entry.to_vec())?);
        }
    }
    Ok(entries)
}

/// Entries, seconds and megabytes, as a part prints them in its last line.
fn numbers(said: &[String]) -> Outcome<(u64, f64, f64)> {
    let malformed = || said.join("\n");
    let mut words = said.last().ok_or_else(malformed)?.split(' ');
    let mut next = || words.next().ok_or_else(malformed);
    Ok((next()?.parse()?, next()?.parse()?, next()?.parse()?))
}
