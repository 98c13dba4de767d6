//! What a part of a log has to hold to be whole, and the map's proofs made from a log's published files.
//!
//! A part for an organization holds what was said in the name of it and of all below it, and the registry, from which it is
//! known who is below. Each of these is a key of the map; [`wanted`] lists them for whoever makes a part and for whoever
//! checks one.

use std::collections::{BTreeMap, BTreeSet};

use gongkai_domain::kind;
use gongkai_log::map::GrowingMap;
use gongkai_log::{Entry, Fetch, MapFile, MapKey, MapRoot, Statement, TlogProof, merkle};
use serde_json::Value;

use super::reading::Reading;
use crate::fetch::Tiles;
use crate::outcome::Fault;

/// Families whose entries tell who may sign, and by which rules: every part has all of them.
pub const REGISTRY: [&str; 9] = ["ledger", "organization", "post", "person", "key", "role", "calendar", "rule", "slot"];

/// Deepest chain of organizations that is followed.
const DEPTH_MAX: usize = 12;

/// Which organization was registered below which.
#[derive(Debug, Default)]
pub struct Parents(BTreeMap<String, Option<String>>);

impl Parents {
    /// Learns from a registration.
    pub fn note(&mut self, statement: &Statement) {
        let text = |name: &str| statement.body.get(name).and_then(Value::as_str).map(str::to_owned);
        if statement.kind == "organization.registered.v1"
            && let Some(code) = text("code")
        {
            self.0.insert(code, text("parent"));
        }
    }

    /// Codes of an organization and everything that was ever below it; `None` for one that is not registered.
    pub fn below(&self, org: &str) -> Option<BTreeSet<String>> {
        self.0.contains_key(org).then(|| self.0.keys().filter(|code| self.is_below(code, org)).cloned().collect())
    }

    fn is_below(&self, code: &str, org: &str) -> bool {
        let up = |code: &String| self.0.get(code).cloned().flatten();
        std::iter::successors(Some(code.to_owned()), up).take(DEPTH_MAX).any(|code| code == org)
    }
}

/// The keys of a part for these organizations.
pub fn wanted(within: &BTreeSet<String>) -> Vec<MapKey> {
    let families = REGISTRY.iter().map(|family| MapKey::family(family));
    families.chain(within.iter().map(|code| MapKey::organization(code))).collect()
}

/// The root that an entry says.
pub fn rooted(entry: &Entry) -> Option<MapRoot> {
    entry.content.statement().and_then(|signed| kind::map::rooted(&signed.statement))
}

/// The map as of the last root that a log says, built from its entries.
pub struct Built {
    map: GrowingMap,
    entry: Vec<u8>,
    inclusion: TlogProof,
}

impl Built {
    /// Reads all entries; `None` when the log says no root yet.
    ///
    /// # Errors
    /// Something cannot be read, or the root is not so.
    pub fn new<F: Fetch>(reading: &Reading<'_, F>, fetch: &F) -> Result<Option<Self>, Fault> {
        let mut last = None;
        each_entry(reading, reading.checkpoint.size, |entry| {
            if let Some(root) = rooted(&entry) {
                last = Some((entry, root));
            }
        })?;
        let Some((entry, root)) = last else { return Ok(None) };
        let mut map = GrowingMap::default();
        each_entry(reading, root.size, |entry| {
            if let Some(signed) = entry.content.statement() {
                map.advance(entry.index, &signed.statement, &signed.hash);
            }
        })?;
        if map.root() != root.root {
            return Err(Fault::ours("总目", format!("第 {} 号条目登记的总目与账目不符", entry.index))
                .mend("运行 gongkai verify 可以核验整个账本"));
        }
        let hashes = merkle::prove_inclusion(entry.index, reading.checkpoint.size, &Tiles(fetch));
        let hashes = hashes.map_err(|error| Fault::failed("证明", &error))?;
        let checkpoint = reading.note.clone();
        let inclusion = TlogProof { extra: None, index: entry.index, hashes, checkpoint };
        Ok(Some(Self { map, entry: entry.bytes, inclusion }))
    }

    /// The proof of a key, as a file.
    pub fn prove(&mut self, key: MapKey) -> MapFile {
        let proof = self.map.prove(&key.path());
        MapFile { key, proof, entry: self.entry.clone(), inclusion: self.inclusion.clone() }
    }
}

fn each_entry<F: Fetch>(reading: &Reading<'_, F>, size: u64, mut take: impl FnMut(Entry)) -> Result<(), Fault> {
    for number in super::reading::bundles(size) {
        for bytes in reading.bundle(number)? {
            let parsed = Entry::parse(bytes).map_err(|error| Fault::failed(format!("entries/{number}"), &error))?;
            if parsed.index < size {
                take(parsed);
            }
        }
    }
    Ok(())
}

/// Name of a key for people.
pub fn named(key: &MapKey) -> String {
    let text = key.to_string();
    match text.split_once(' ') {
        Some(("stream", stream)) => format!("事项 {stream}"),
        Some(("org", code)) => format!("机构 {code}（不含下级）"),
        Some((_, family)) => format!("栏目“{}”", kind::family_label(family)),
        None => text,
    }
}
