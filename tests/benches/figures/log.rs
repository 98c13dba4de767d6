//! The log itself: integrating entries into tree and tiles, proofs, what it takes on the disk, and a witness of many logs.
//!
//! Integration is measured as the ledger does it after a loss of its published files: the publisher reads all entries
//! from the database, follows the chain, and writes bundles, tiles, openings and lists again, each flushed. That a start
//! after such a loss first verifies everything strictly is a figure of its own. The limit hashes the same entries into one
//! tree and writes the same bundles and tiles, each flushed, and does nothing else.

use std::{
    cell::RefCell,
    fmt::Write as _,
    fs::{self, File},
    io::Write as _,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use gongkai_domain::kind::map::rooted;
use gongkai_log::{
    AddCheckpoint, Checkpoint, Edge, Entry, Fetch as _, KeyKind, MapKey, Note, SigningKey, StreamId, TilePath,
    TileSource, TreeHash, checkpoint,
    fsck::Tiles,
    merkle,
    tile::{self, TileKind, new_tiles},
};
use gongkai_store::{DirectoryFetch, Layout, StoreError, SystemClock};

use crate::{
    Outcome, Setup,
    fixture::Random,
    http::{Client, Load, closed_loop},
    process::{GONGKAI, Process, argument},
    serving::BARE,
    table::{Figure, Table, as_f64, whole},
    writing::Written,
};

const PROOFS: usize = 2_000;
/// Each proof is made so often, and the fastest counts: a moment in which somebody else had the core is not the proof's.
const TRIES: usize = 3;
const LOGS: u64 = 1_000;
/// Checkpoints of each log, one after the other.
const CHECKPOINTS: usize = 5;
const CLIENTS: usize = 32;

fn signed(layout: &Layout) -> Outcome<Checkpoint> {
    let note = fs::read_to_string(layout.checkpoint())?;
    Ok(Checkpoint::parse(&Note::parse(&note)?.text)?)
}

/// Bytes of all files below a path, or of the file that it is; none where there is nothing.
pub(crate) fn bytes_of(path: &Path) -> Outcome<u64> {
    if !path.is_dir() {
        return Ok(path.metadata().map_or(0, |file| file.len()));
    }
    let mut bytes = 0;
    for entry in fs::read_dir(path)? {
        bytes += bytes_of(&entry?.path())?;
    }
    Ok(bytes)
}

/// What the large ledger takes on the disk.
pub(crate) fn disk(written: &Written, table: &mut Table) -> Outcome<()> {
    let (layout, log) = (&written.layout, written.layout.log());
    let size = signed(layout)?.size;
    let fetch = DirectoryFetch::new(&log);
    let (mut entries, mut tiles) = (0, 0);
    for path in new_tiles(0, size) {
        let bytes = fetch.tile(&path)?;
        tiles += bytes.len() as u64;
        if path.kind() == TileKind::Entries {
            entries += tile::decode_bundle(&bytes)?.iter().map(|entry| entry.len() as u64).sum::<u64>();
        }
    }
    // Narrower tiles of checkpoints before, which stay for an hour.
    let passing = bytes_of(&log.join("tile"))? - tiles;
    let openings = bytes_of(&log.join("openings"))?;
    let mut wal = layout.database().into_os_string();
    wal.push("-wal");
    let everything = bytes_of(&log)? - passing + bytes_of(&layout.database())? + bytes_of(Path::new(&wal))?;
    let each = |bytes: f64| bytes / as_f64(size);
    let beyond = Figure::new("disk: tiles, beyond the entries' own bytes", each(as_f64(tiles - entries)), "B an entry");
    table.add(beyond.beside("an entry itself", each(as_f64(entries))).at_most(45.0));
    let own = as_f64(entries + openings);
    let rest = each(as_f64(everything) - 2.2 * own);
    let name = "disk: database and published files, beyond 2.2 times entries and openings";
    table.add(Figure::new(name, rest, "B an entry").beside("entry and openings", each(own)).at_most(250.0));
    table.note(format!(
        "disk: {} entries, {:.0} MB of entries, {:.0} MB of openings, {:.0} MB in all; for an hour {:.0} MB of narrower tiles",
        whole(size),
        as_f64(entries) / 1e6,
        as_f64(openings) / 1e6,
        as_f64(everything) / 1e6,
        as_f64(passing) / 1e6,
    ));
    Ok(())
}

/// Tiles of a directory; remembers which were read.
struct Watched<'f> {
    fetch: &'f DirectoryFetch,
    read: RefCell<Vec<TilePath>>,
}

impl TileSource for Watched<'_> {
    type Error = StoreError;

    fn tile(&self, path: &TilePath) -> Result<Vec<u8>, StoreError> {
        self.read.borrow_mut().push(*path);
        self.fetch.tile(path)
    }
}

fn fastest(mut work: impl FnMut() -> Outcome<()>) -> Outcome<Duration> {
    let mut best = Duration::MAX;
    for _ in 0..TRIES {
        let start = Instant::now();
        work()?;
        best = best.min(start.elapsed());
    }
    Ok(best)
}

/// Inclusion proofs of entries anywhere in the large ledger, from its tiles.
pub(crate) fn proofs(written: &Written, table: &mut Table) -> Outcome<()> {
    let checkpoint = signed(&written.layout)?;
    let (log, fetch) = (written.layout.log(), DirectoryFetch::new(written.layout.log()));
    let mut random = Random::new(11);
    let (mut took, mut reading, start) = (Vec::new(), Vec::new(), Instant::now());
    for _ in 0..PROOFS {
        let index = random.below(checkpoint.size);
        let tiles = Tiles(&fetch);
        took.push(fastest(|| Ok(merkle::prove_inclusion(index, checkpoint.size, &tiles).map(drop)?))?);
        let watched = Watched { fetch: &fetch, read: RefCell::default() };
        let proof = merkle::prove_inclusion(index, checkpoint.size, &watched)?;
        let bundle = fetch.tile(&bundle_of(index, checkpoint.size)?)?;
        let entry = tile::decode_bundle(&bundle)?[usize::try_from(index % tile::TILE_WIDTH)?];
        merkle::verify_inclusion(index, checkpoint.size, &merkle::leaf_hash(entry), &proof, &checkpoint.root)?;
        let paths: Vec<_> = watched.read.into_inner().iter().map(|path| log.join(path.to_string())).collect();
        reading.push(fastest(|| paths.iter().try_for_each(|path| Ok(fs::read(path).map(drop)?)))?);
    }
    let (load, limit) = (Load::of(took, start.elapsed()), Load::of(reading, start.elapsed()));
    let name = format!("proof of any of {} entries, longest of {PROOFS}", whole(checkpoint.size));
    let figure = Figure::new(name, load.max_ms(), "ms").beside("reading the same tiles", limit.max_ms());
    table.add(figure.at_most(1.0));
    table.add(Figure::new("proof, median", load.percentile_ms(50), "ms").beside("reading", limit.percentile_ms(50)));
    Ok(())
}

/// Lookups in the map of the large ledger: matters that are there, and as many that are not.
pub(crate) async fn map(written: &Written, table: &mut Table) -> Outcome<()> {
    let fetch = DirectoryFetch::new(written.layout.log());
    let clock = Arc::new(SystemClock::default());
    let ledger = gongkai_api::cli::local::open(&written.layout, clock).await.map_err(|fault| fault.to_string())?;
    let start = Instant::now();
    let said = ledger.root_map().await?.ok_or("the map has a root by now")?;
    let folding = start.elapsed();
    ledger.published().wait_for(|published| *published > said).await?;
    let checkpoint = signed(&written.layout)?;
    let entry = |index: u64| -> Outcome<Entry> {
        let bundle = fetch.tile(&bundle_of(index, checkpoint.size)?)?;
        Ok(Entry::parse(tile::decode_bundle(&bundle)?[usize::try_from(index % tile::TILE_WIDTH)?].to_vec())?)
    };
    let rooted = entry(said)?.content.statement().and_then(|signed| rooted(&signed.statement)).ok_or("a root")?;
    let mut random = Random::new(12);
    let (mut took, mut found, start) = (Vec::new(), 0, Instant::now());
    for _ in 0..PROOFS {
        let Some(stream) = entry(random.below(rooted.size))?.content.statement().map(|s| s.statement.stream.clone())
        else {
            continue;
        };
        let absent = StreamId::new("pledge", uuid::Uuid::from_u128(u128::from(random.below(u64::MAX))))?;
        for (stream, is_there) in [(stream, true), (absent, false)] {
            let key = MapKey::stream(&stream);
            let mut best = Duration::MAX;
            let mut head = None;
            for _ in 0..TRIES {
                let asked = Instant::now();
                let proven = ledger.map().prove(&key).await?.ok_or("a root is published")?;
                best = best.min(asked.elapsed());
                head = proven.proof.verify(&key, &rooted.root)?;
            }
            took.push(best);
            if head.is_some() != is_there {
                return Err("the map says something else than the log".into());
            }
            found += u64::from(is_there);
        }
    }
    ledger.shutdown().await;
    let load = Load::of(took, start.elapsed());
    let name = format!("map lookup with its proof, {} entries, longest of {}", whole(rooted.size), 2 * found);
    table.add(Figure::new(name, load.max_ms(), "ms").at_most(2.0));
    table.add(Figure::new("map lookup, median", load.percentile_ms(50), "ms"));
    table.note(format!("map: {:.1} s until its root was said", folding.as_secs_f64()));
    Ok(())
}

fn bundle_of(index: u64, size: u64) -> Outcome<TilePath> {
    let number = index / tile::TILE_WIDTH;
    Ok(TilePath::entries(number, tile::level_tiles(size, 0).width(number))?)
}

/// Publishes everything again from the database.
pub(crate) async fn integration(setup: &Setup, written: &Written, table: &mut Table) -> Outcome<()> {
    let (layout, kept) = (&written.layout, setup.unused("log-before"));
    let before = signed(layout)?;
    fs::rename(layout.log(), &kept)?;
    let flushed = setup.flushes.read()?;
    let clock = Arc::new(SystemClock::default());
    let ledger = gongkai_api::cli::local::open(layout, clock).await.map_err(|fault| fault.to_string())?;
    ledger.published().wait_for(|published| *published >= before.size).await?;
    let flushes = setup.flushes.read()? - flushed;
    let (verifying, publishing) = (ledger.recovery().verifying, ledger.recovery().publishing);
    ledger.shutdown().await;
    if signed(layout)? != before {
        return Err("what was published again is another tree".into());
    }
    let bare = bare_integration(&kept, &setup.unused("log-bare"), &before)?;
    fs::remove_dir_all(kept)?;
    let rate = |seconds: f64| as_f64(before.size) / seconds;
    let name = format!("integration of {} entries, on the disk", whole(before.size));
    let figure = Figure::new(name, rate(publishing.as_secs_f64()), "entries/s").at_least(60_000.0);
    table.add(figure.flushed(flushes, before.size).beside("hash, write, flush", rate(bare)));
    let name = "start without published files: strict check of every entry and opening before";
    table.add(Figure::new(name, rate(verifying.as_secs_f64()), "entries/s"));
    Ok(())
}

/// Hashes the entries into one tree, and writes and flushes their bundles and the tiles: seconds. Reading them is not part
/// of it.
fn bare_integration(from: &Path, to: &Path, checkpoint: &Checkpoint) -> Outcome<f64> {
    let fetch = DirectoryFetch::new(from);
    let (mut edge, mut took) = (Edge::new(), Duration::ZERO);
    for path in new_tiles(0, checkpoint.size) {
        let bytes = fetch.tile(&path)?;
        let file = to.join(path.to_string());
        let start = Instant::now();
        if path.kind() == TileKind::Entries {
            for entry in tile::decode_bundle(&bytes)? {
                edge.append(merkle::leaf_hash(entry))?;
            }
        }
        fs::create_dir_all(file.parent().ok_or("a tile lies in a folder")?)?;
        let mut file = File::create(file)?;
        file.write_all(&bytes)?;
        file.sync_data()?;
        took += start.elapsed();
    }
    fs::remove_dir_all(to)?;
    if edge.root() == checkpoint.root { Ok(took.as_secs_f64()) } else { Err("another tree".into()) }
}

/// Leaves of a tree that fits one tile.
struct Leaves(Vec<TreeHash>);

impl TileSource for Leaves {
    type Error = std::io::Error;

    fn tile(&self, _: &TilePath) -> Result<Vec<u8>, Self::Error> {
        Ok(tile::encode_hashes(&self.0))
    }
}

/// The requests of one log, each the continuation of the one before.
fn asked(key: &SigningKey) -> Outcome<Vec<Vec<u8>>> {
    let leaves = (0..CHECKPOINTS).map(|leaf| merkle::leaf_hash(format!("{} {leaf}", key.name()).as_bytes()));
    let leaves = Leaves(leaves.collect());
    let mut requests = Vec::new();
    for old in 0..CHECKPOINTS {
        let root = merkle::root_of(&leaves.0[..=old]);
        let new = Checkpoint { origin: key.name().to_owned(), size: old as u64 + 1, root };
        let proof = if old == 0 { Vec::new() } else { merkle::prove_consistency(old as u64, new.size, &leaves)? };
        let checkpoint = Note::parse(&checkpoint::sign(&new, &[key])?)?;
        let body = AddCheckpoint { old: old as u64, proof, checkpoint }.to_string();
        let head = "POST /add-checkpoint HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: text/plain\r\n";
        requests.push(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes());
    }
    Ok(requests)
}

/// A witness that many logs ask at once.
pub(crate) async fn witness(setup: &Setup, table: &mut Table) -> Outcome<()> {
    let mut list = String::new();
    // Requests of each client: its logs take turns.
    let mut requests = vec![Vec::new(); CLIENTS];
    for number in 0..LOGS {
        let mut seed = [7; 32];
        seed[..8].copy_from_slice(&number.to_be_bytes());
        let key = SigningKey::from_seed(&format!("log-{number}.example"), KeyKind::Ed25519, seed)?;
        writeln!(list, "log {}", key.verifier())?;
        requests[usize::try_from(number)? % CLIENTS].push(asked(&key)?);
    }
    let requests: Vec<Vec<Vec<u8>>> = requests
        .into_iter()
        .map(|logs| (0..CHECKPOINTS).flat_map(|turn| logs.iter().map(move |log| log[turn].clone())).collect())
        .collect();
    let dir = setup.folder("witness")?;
    let logs = dir.join("logs.policy");
    fs::write(&logs, list)?;
    let arguments =
        ["witness", "--dir", argument(&dir)?, "--listen", "127.0.0.1:0", "--logs", argument(&logs)?, "--name", "w/1"];
    let mut process = Process::start(setup, GONGKAI, &arguments)?;
    let address = process.addresses(1)?[0];
    let flushed = process.flushes()?;
    let load = closed_loop(address, requests.clone()).await?;
    let flushes = process.flushes()? - flushed;

    // Of the last one, answered once more.
    let last = requests.last().and_then(|of_client| of_client.last()).ok_or("there are requests")?;
    let shown = format!("GET /{} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", monitored(last)?);
    let answer = Client::connect(address).await?.ask(shown.as_bytes()).await?;
    let file = setup.unused("answer");
    fs::write(&file, answer.body)?;
    let mut bare = Process::start(setup, BARE, &[&answer.content_type, argument(&file)?])?;
    let limit = closed_loop(bare.addresses(1)?[0], requests).await?;
    let checkpoints = LOGS * CHECKPOINTS as u64;
    let name = format!("witness of {} logs, {CLIENTS} clients", whole(LOGS));
    let figure = Figure::new(name, load.rate(), "checkpoints/s").beside("bare HTTP, same bytes", limit.rate());
    table.add(figure.at_least(1_000.0).flushed(flushes, checkpoints));
    table.add(Figure::new("witness, p99", load.percentile_ms(99), "ms").beside("bare HTTP", limit.percentile_ms(99)));
    Ok(())
}

/// Where a witness shows the log of a request.
fn monitored(request: &[u8]) -> Outcome<String> {
    let text = std::str::from_utf8(request)?;
    let body = text.split_once("\r\n\r\n").ok_or("a request has a body")?.1;
    Ok(gongkai_log::witness::monitoring_path(&AddCheckpoint::parse(body)?.unverified()?.origin))
}
