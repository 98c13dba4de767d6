//! A bundle of some entries: bound to the log one by one, and by the map's proofs complete for its organizations.
//!
//! The chain between entries that are left out cannot be followed, and what came after the last root is not proven to be
//! all. A bundle without the map's proofs is good and proves no completeness, which is said.

use std::collections::{BTreeMap, BTreeSet};

use gongkai_domain::Replay;
use gongkai_log::entry::ENTRY_BYTES_MAX;
use gongkai_log::log_keys::HISTORY_PATH;
use gongkai_log::map::{Head, MAP_PROOF_BYTES_MAX, keys_of};
use gongkai_log::tile::{self, level_tiles};
use gongkai_log::{
    Authority as _, Checkpoint, Edge, Entry, Fetch as _, MapFile, MapKey, Openings, Report, SignedStatement, TilePath,
    TreeHash, VerifierKey,
};

use super::{Args, Extent, Good, named};
use crate::cli::checking::{self, Found};
use crate::cli::complete::{self, Parents};
use crate::fetch::{OPENINGS_BYTES_MAX, TarFetch};
use crate::outcome::{Fault, chain};

/// Most bytes of the list of files: a line of some 150 bytes each.
const MANIFEST_BYTES_MAX: usize = 64 << 20;

/// What a part is complete of.
#[derive(Clone, Debug)]
pub(super) struct Complete {
    /// The organization at the top.
    pub org: String,
    /// Organizations, it and those below it.
    pub organizations: usize,
    /// Entries of the log that the proofs are of.
    pub size: u64,
}

/// Every leaf's hash is there, so the root can be recomputed, and each entry that is there is bound to it.
pub(super) fn check(fetch: &TarFetch, vkey: &VerifierKey, args: &Args) -> Result<Result<Good, Found>, Fault> {
    let ours = |error: &dyn std::error::Error| Fault::failed("归档", error);
    let text = String::from_utf8_lossy(&fetch.checkpoint().map_err(|e| ours(&e))?).into_owned();
    let keys = match checking::keys_of(fetch, vkey)? {
        Ok(keys) => keys,
        Err(found) => return Ok(Err(found)),
    };
    let (checkpoint, note) = match keys.open(&text) {
        Ok(opened) => opened,
        Err(error) => return Ok(Err(named(None, "checkpoint", chain(&error)))),
    };
    let leaves = leaves(fetch, checkpoint.size)?;
    let mut edge = Edge::new();
    for leaf in &leaves {
        edge.append(*leaf).map_err(|error| ours(&error))?;
    }
    if edge.root() != checkpoint.root {
        return Ok(Err(named(None, "tile", "各条目的散列值得不出检查点的根".into())));
    }
    if let Some(policy) = args.policy()?
        && let Err(error) = policy.check(&note)
    {
        return Ok(Err(named(None, "policy", chain(&error))));
    }
    if let Some(found) = strange_rotation(fetch, &leaves)? {
        return Ok(Err(found));
    }
    if let Some(old) = args.old(&keys)?
        && !begins_with(&leaves, &old)
    {
        return Ok(Err(named(None, "old checkpoint", "不是以前那个账本的延续".into())));
    }
    let mut replay = Replay::new(keys.first());
    let root = checkpoint.root;
    let mut report = Report { root, ..Report::begun(checkpoint, note) };
    let mut counting = match Counting::of(fetch, &leaves)? {
        Ok(counting) => counting,
        Err(found) => return Ok(Err(found)),
    };
    for name in sorted_entries(fetch) {
        let bytes = fetch.required(&format!("entries/{name}"), ENTRY_BYTES_MAX).map_err(|e| ours(&e))?;
        let openings = openings_of(fetch, name)?;
        match one(&mut replay, name, bytes, &leaves, openings.as_ref(), &mut report) {
            Ok(entry) => counting.take(&entry),
            Err(found) => return Ok(Err(found)),
        }
    }
    report.root = edge.root();
    let complete = match counting.end(&replay, scope(fetch)?) {
        Ok(complete) => complete,
        Err(found) => return Ok(Err(found)),
    };
    Ok(Ok(Good { report, genesis: replay.genesis(), extent: Extent::Part(complete), keys }))
}

/// What brought a key must be in the log, at the place that it says.
fn strange_rotation(fetch: &TarFetch, leaves: &[TreeHash]) -> Result<Option<Found>, Fault> {
    let bytes = fetch.extra(HISTORY_PATH).map_err(|error| Fault::failed(HISTORY_PATH, &error))?.unwrap_or_default();
    let entries = tile::decode_bundle(&bytes).map_err(|error| Fault::failed(HISTORY_PATH, &error))?;
    for bytes in entries {
        let entry = Entry::parse(bytes.to_vec()).map_err(|error| Fault::failed(HISTORY_PATH, &error))?;
        let leaf = usize::try_from(entry.index).ok().and_then(|at| leaves.get(at));
        if leaf != Some(&entry.leaf_hash()) {
            return Ok(Some(named(Some(entry.index), HISTORY_PATH, "这一条不在这个账本里".into())));
        }
    }
    Ok(None)
}

/// The organization that the bundle says it is of.
fn scope(fetch: &TarFetch) -> Result<Option<String>, Fault> {
    let bytes = fetch.get("MANIFEST", MANIFEST_BYTES_MAX).map_err(|error| Fault::failed("MANIFEST", &error))?;
    let text = String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned();
    Ok(text.lines().nth(3).and_then(|line| line.strip_prefix("org ")).map(str::to_owned))
}

/// What the map's proofs say that there must be, and what there is.
struct Counting {
    // The entry that says the root; none without proofs.
    root: Option<(SignedStatement, u64)>,
    size: u64,
    proven: BTreeMap<MapKey, Head>,
    counted: BTreeMap<MapKey, Head>,
    parents: Parents,
}

impl Counting {
    /// Reads the proofs, which must all be of one root that is in the log.
    fn of(fetch: &TarFetch, leaves: &[TreeHash]) -> Result<Result<Self, Found>, Fault> {
        let mut counting = Self {
            root: None,
            size: 0,
            proven: BTreeMap::new(),
            counted: BTreeMap::new(),
            parents: Parents::default(),
        };
        let names: Vec<String> = fetch.names("map/").map(str::to_owned).collect();
        for name in names {
            let bytes = fetch.required(&name, MAP_PROOF_BYTES_MAX);
            let bytes = bytes.map_err(|error| Fault::failed(name.clone(), &error))?;
            if let Err(reason) = counting.prove(&String::from_utf8_lossy(&bytes), leaves) {
                return Ok(Err(named(None, "map", format!("{name}: {reason}"))));
            }
        }
        Ok(Ok(counting))
    }

    fn prove(&mut self, text: &str, leaves: &[TreeHash]) -> Result<(), String> {
        let file = MapFile::parse(text).map_err(|error| chain(&error))?;
        let entry = Entry::parse(file.entry).map_err(|error| chain(&error))?;
        let leaf = usize::try_from(entry.index).ok().and_then(|at| leaves.get(at));
        if leaf != Some(&entry.leaf_hash()) {
            return Err("登记总目的条目不在这个账本里".into());
        }
        let root = complete::rooted(&entry).ok_or("这一条没有登记总目")?;
        let signed = entry.content.statement().cloned().ok_or("这一条没有登记总目")?;
        match &self.root {
            Some((_, index)) if *index != entry.index => return Err("各份总目证明不是同一次登记的".into()),
            _ => (self.root, self.size) = (Some((signed, entry.index)), root.size),
        }
        let head = file.proof.verify(&file.key, &root.root).map_err(|error| chain(&error))?;
        self.proven.insert(file.key, head.unwrap_or(Head::NONE));
        Ok(())
    }

    fn take(&mut self, entry: &Entry) {
        let Some(signed) = entry.content.statement().filter(|_| entry.index < self.size) else { return };
        self.parents.note(&signed.statement);
        for key in keys_of(&signed.statement) {
            if self.proven.contains_key(&key) {
                let head = self.counted.entry(key.clone()).or_insert(Head::NONE);
                *head = head.after(&key, &signed.hash);
            }
        }
    }

    /// What the bundle is complete of; `None` when it does not say or prove so.
    fn end(self, replay: &Replay, scope: Option<String>) -> Result<Option<Complete>, Found> {
        let Some((signed, index)) = &self.root else { return Ok(None) };
        signed.verify(|name| replay.key(name)).map_err(|error| named(Some(*index), "signature", chain(&error)))?;
        for (key, head) in &self.proven {
            let counted = self.counted.get(key).copied().unwrap_or(Head::NONE);
            if counted != *head {
                let (is, must) = (counted.count, head.count);
                let what =
                    if is == must { "内容不同".to_owned() } else { format!("应有 {must} 条，这里 {is} 条") };
                return Err(named(None, "map", format!("{}：{what}", complete::named(key))));
            }
        }
        let Some(org) = scope else { return Ok(None) };
        let below = self.parents.below(&org).ok_or_else(|| named(None, "map", format!("机构 {org} 没有登记")))?;
        let missing: BTreeSet<_> =
            complete::wanted(&below).into_iter().filter(|key| !self.proven.contains_key(key)).collect();
        if let Some(key) = missing.first() {
            return Err(named(None, "map", format!("{}没有总目证明", complete::named(key))));
        }
        Ok(Some(Complete { org, organizations: below.len(), size: self.size }))
    }
}

/// Whether the first leaves have the root that was seen before.
fn begins_with(leaves: &[TreeHash], old: &Checkpoint) -> bool {
    let first = usize::try_from(old.size).ok().and_then(|size| leaves.get(..size));
    first.is_some_and(|first| gongkai_log::merkle::root_of(first) == old.root)
}

fn leaves(fetch: &TarFetch, size: u64) -> Result<Vec<TreeHash>, Fault> {
    let mut leaves = Vec::new();
    for number in crate::cli::reading::bundles(size) {
        let width = level_tiles(size, 0).width(number);
        let path = TilePath::hashes(0, number, width).map_err(|error| Fault::failed("归档", &error))?;
        let bytes = fetch.tile(&path).map_err(|error| Fault::failed("归档", &error))?;
        leaves.extend(tile::decode_hashes(&bytes).map_err(|error| Fault::failed(path.to_string(), &error))?);
    }
    Ok(leaves)
}

fn sorted_entries(fetch: &TarFetch) -> Vec<u64> {
    let mut indexes: Vec<u64> =
        fetch.names("entries/").filter_map(|name| name["entries/".len()..].parse().ok()).collect();
    indexes.sort_unstable();
    indexes
}

fn openings_of(fetch: &TarFetch, index: u64) -> Result<Option<Openings>, Fault> {
    let path = tile::openings_path(index / tile::TILE_WIDTH);
    let bytes = fetch.get(&path, OPENINGS_BYTES_MAX).map_err(|error| Fault::failed(path.clone(), &error))?;
    let text = String::from_utf8(bytes.unwrap_or_default()).map_err(|error| Fault::failed(path.clone(), &error))?;
    for line in text.lines() {
        let openings = Openings::parse_line(line).map_err(|error| Fault::failed(path.clone(), &error))?;
        if openings.index == index {
            return Ok(Some(openings));
        }
    }
    Ok(None)
}

/// One entry of a partial bundle: its bytes, its place in the tree, its signers, its openings.
fn one(
    replay: &mut Replay,
    index: u64,
    bytes: Vec<u8>,
    leaves: &[TreeHash],
    openings: Option<&Openings>,
    report: &mut Report,
) -> Result<Entry, Found> {
    let refuse = |field: &str, reason: String| named(Some(index), field, reason);
    let entry = Entry::parse(bytes).map_err(|error| refuse(error.field(), chain(&error)))?;
    let leaf = usize::try_from(index).ok().and_then(|at| leaves.get(at));
    if entry.index != index || leaf != Some(&entry.leaf_hash()) {
        return Err(refuse("leaf", "条目的散列值与树不符".into()));
    }
    let Some(signed) = entry.content.statement() else {
        report.sealed += 1;
        replay.observe(&entry, openings).map_err(|reason| refuse("authority", reason))?;
        return Ok(entry);
    };
    if let Some(openings) = openings {
        openings.check(&signed.statement).map_err(|error| refuse("openings", chain(&error)))?;
        report.openings += 1;
    }
    replay.observe(&entry, openings).map_err(|reason| refuse("authority", reason))?;
    signed.verify(|name| replay.key(name)).map_err(|error| refuse("signature", chain(&error)))?;
    report.statements += 1;
    report.signatures += signed.statement.signers.len() as u64;
    Ok(entry)
}
