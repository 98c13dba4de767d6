//! The data keys that are unwrapped at present, and the making of new ones.
//!
//! A bounded cache in front of the wraps. A key that was made and whose wrap is not durable yet stays as
//! long as somebody holds it, so that two submissions about one subject never make two keys. Private tier
//! keys are derived when they are needed and kept: deriving one costs as much as using it.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use gongkai_domain::{
    Master,
    vault::{self as sealing, DataKey, Scope, TierKey, TierSecret, VaultError, Wrap},
};
use gongkai_log::Tier;
use zeroize::Zeroizing;

use super::{
    Entropy, VaultFault, sealed_fault,
    wraps::{Tag, WrapRow},
};
use crate::cores::on_all_cores;

/// Most data keys that are kept, of 32 bytes and their bookkeeping; few in tests, so that they see keys thrown out.
const KEYS_MAX: usize = if cfg!(test) { 16 } else { 65_536 };

/// Most tier keys that are kept: three for each organization that is busy.
const TIER_KEYS_MAX: usize = 4_096;

/// A data key with the wraps that are not on disk yet.
#[derive(Debug)]
pub struct KeyEntry {
    key: DataKey,
    place: (Tag, Tier),
    rows: Mutex<Vec<WrapRow>>,
    // Organizations to whose keys it is wrapped, on disk or in `rows`.
    orgs: Mutex<Vec<String>>,
}

/// Data keys that stay present while it lives, however many others are loaded meanwhile: a key that is thrown out of the
/// cache before it is used would look like an erased one.
#[must_use = "without it the cache may drop the keys before they are used"]
pub struct Held(Vec<Arc<KeyEntry>>);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl KeyEntry {
    pub(super) fn key(&self) -> &DataKey {
        &self.key
    }

    /// Whether the wraps on disk are others than those that this node knows to be there.
    fn is_overtaken(&self, there: &[WrapRow]) -> bool {
        let unwritten = self.unwritten();
        if unwritten.is_empty() {
            return false;
        }
        let orgs = lock(&self.orgs);
        let known: HashSet<&String> = orgs.iter().filter(|org| !unwritten.iter().any(|row| row.org == **org)).collect();
        let there = there.iter().filter(|row| (row.subject, row.tier) == self.place);
        known != there.map(|row| &row.org).collect::<HashSet<_>>()
    }

    /// The wraps that must be durable before anything under this key is committed.
    pub(super) fn unwritten(&self) -> Vec<WrapRow> {
        lock(&self.rows).clone()
    }

    /// These, sorted, are; one that was added in the meantime is not.
    pub(super) fn written(&self, written: &[WrapRow]) {
        lock(&self.rows).retain(|row| written.binary_search(row).is_err());
    }
}

#[derive(Default)]
struct Cached {
    data: HashMap<(Tag, Tier), Arc<KeyEntry>>,
    // Subjects that were looked up and have no keys, or none but those in `data`.
    known: HashSet<Tag>,
    tiers: HashMap<(Tier, String), Arc<(TierSecret, TierKey)>>,
}

impl Cached {
    /// Drops the keys that were on disk and are not any more; what is not written yet is nobody else's to destroy.
    fn forget_destroyed(&mut self, tags: &[Tag], found: &[((Tag, Tier), Arc<KeyEntry>)]) {
        self.data.retain(|place, entry| {
            let is_there = || found.iter().any(|(there, _)| there == place);
            !tags.contains(&place.0) || !lock(&entry.rows).is_empty() || is_there()
        });
    }
}

/// See the module.
pub(super) struct Keys {
    origin: String,
    epoch: u64,
    masters: Vec<Master>,
    entropy: Entropy,
    // Other nodes make and destroy keys too: what is on disk is asked for each time.
    shared: bool,
    cached: Mutex<Cached>,
}

impl Keys {
    pub(super) fn new(origin: String, epoch: u64, masters: Vec<Master>, entropy: Entropy, shared: bool) -> Self {
        Self { origin, epoch, masters, entropy, shared, cached: Mutex::default() }
    }

    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The keys of these subjects that are present, and the subjects that have to be looked up on disk.
    pub(super) fn hold(&self, tags: &[Tag]) -> (Held, Vec<Tag>) {
        let cached = lock(&self.cached);
        let (known, missing): (Vec<_>, Vec<_>) =
            tags.iter().partition(|tag| !self.shared && cached.known.contains(tag));
        let places = known.into_iter().flat_map(|tag| Tier::ALL.map(|tier| (tag, tier)));
        (Held(places.filter_map(|place| cached.data.get(&place).cloned()).collect()), missing)
    }

    /// Takes what was found on disk of these subjects.
    pub(super) fn learn(&self, tags: &[Tag], rows: Vec<WrapRow>, held: &mut Held) -> Result<(), VaultFault> {
        let mut orgs: HashMap<(Tag, Tier), Vec<String>> = HashMap::new();
        let mut firsts = Vec::new();
        for row in rows {
            let known = orgs.entry((row.subject, row.tier)).or_default();
            known.push(row.org.clone());
            if known.len() == 1 {
                firsts.push(row);
            }
        }
        // Each takes as long as seven signatures.
        let keys = on_all_cores(&firsts, |row| self.unwrap(row))?;
        let entry = |(row, key): (&WrapRow, DataKey)| {
            let place = (row.subject, row.tier);
            let orgs = Mutex::new(orgs.remove(&place).unwrap_or_default());
            (place, Arc::new(KeyEntry { key, place, rows: Mutex::default(), orgs }))
        };
        let found: Vec<_> = firsts.iter().zip(keys).map(entry).collect();
        let mut cached = lock(&self.cached);
        if self.shared {
            cached.forget_destroyed(tags, &found);
        }
        if cached.data.len() > KEYS_MAX {
            cached.data.retain(|_, entry| Arc::strong_count(entry) > 1);
            cached.known.clear();
        }
        cached.known.extend(tags);
        for (place, entry) in found {
            // Whoever came first made or loaded the same key.
            held.0.push(Arc::clone(cached.data.entry(place).or_insert(entry)));
        }
        Ok(())
    }

    pub(super) fn get(&self, tag: Tag, tier: Tier) -> Option<Arc<KeyEntry>> {
        lock(&self.cached).data.get(&(tag, tier)).cloned()
    }

    pub(super) fn holds(&self, entry: &Arc<KeyEntry>) -> bool {
        lock(&self.cached).data.get(&entry.place).is_some_and(|known| Arc::ptr_eq(known, entry))
    }

    /// The data key of a subject that was loaded; a new one when it has none. [`VaultFault::NotLoaded`] when
    /// the cache was emptied since: load and try again.
    pub(super) fn obtain(&self, tag: Tag, tier: Tier, org: &str) -> Result<Arc<KeyEntry>, VaultFault> {
        if let Some(entry) = self.get(tag, tier) {
            if !lock(&entry.orgs).iter().any(|known| known == org) {
                self.add_wrap(&entry, tag, tier, org)?;
            }
            return Ok(entry);
        }
        let mut bytes = Zeroizing::new([0; 32]);
        (self.entropy)(&mut *bytes);
        let (rows, orgs) = (Mutex::default(), Mutex::default());
        let made = KeyEntry { key: DataKey::from_bytes(*bytes), place: (tag, tier), rows, orgs };
        self.add_wrap(&made, tag, tier, org)?;
        let mut cached = lock(&self.cached);
        // A second key for a subject that has one on disk would leave what the first sealed unreadable.
        if !cached.known.contains(&tag) {
            return Err(VaultFault::NotLoaded);
        }
        let entry = cached.data.entry((tag, tier)).or_insert_with(|| Arc::new(made));
        let entry = Arc::clone(entry);
        drop(cached);
        // Another submission about the same subject was faster, for another organization.
        if !lock(&entry.orgs).iter().any(|known| known == org) {
            self.add_wrap(&entry, tag, tier, org)?;
        }
        Ok(entry)
    }

    fn add_wrap(&self, entry: &KeyEntry, subject: Tag, tier: Tier, org: &str) -> Result<(), VaultFault> {
        let scope = Scope { tier, org: org.to_owned(), epoch: self.epoch };
        let keys = self.tier_keys(&scope)?;
        let wrap = sealing::wrap(&keys.1, &self.origin, &subject.to_hex(), &scope, &entry.key, &mut |bytes| {
            (self.entropy)(bytes);
        });
        let wrap = wrap.map_err(|source| sealed_fault("data key", source))?;
        let row = WrapRow { subject, tier, org: org.to_owned(), epoch: self.epoch, wrap: wrap.as_bytes().to_vec() };
        lock(&entry.rows).push(row);
        lock(&entry.orgs).push(org.to_owned());
        Ok(())
    }

    fn master(&self, epoch: u64) -> Result<&Master, VaultFault> {
        self.masters.iter().find(|master| master.epoch() == epoch).ok_or(VaultFault::Master { epoch })
    }

    fn tier_keys(&self, scope: &Scope) -> Result<Arc<(TierSecret, TierKey)>, VaultFault> {
        let place = (scope.tier, scope.org.clone());
        if let Some(keys) = lock(&self.cached).tiers.get(&place) {
            return Ok(Arc::clone(keys));
        }
        let secret = self.master(scope.epoch)?.tier_secret(scope).map_err(|source| sealed_fault("tier key", source))?;
        let key = secret.key();
        let keys = Arc::new((secret, key));
        let mut cached = lock(&self.cached);
        if cached.tiers.len() >= TIER_KEYS_MAX {
            cached.tiers.clear();
        }
        cached.tiers.insert(place, Arc::clone(&keys));
        Ok(keys)
    }

    fn unwrap(&self, row: &WrapRow) -> Result<DataKey, VaultFault> {
        let scope = Scope { tier: row.tier, org: row.org.clone(), epoch: row.epoch };
        let wrap = Wrap::from_bytes(row.wrap.clone());
        let unwrapped = if row.epoch == self.epoch {
            let keys = self.tier_keys(&scope)?;
            sealing::unwrap(&keys.0, &self.origin, &row.subject.to_hex(), &scope, &wrap)
        } else {
            let secret = self.master(row.epoch)?.tier_secret(&scope);
            secret.and_then(|secret| sealing::unwrap(&secret, &self.origin, &row.subject.to_hex(), &scope, &wrap))
        };
        unwrapped.map_err(|source: VaultError| sealed_fault(&format!("data key {}", row.subject.to_hex()), source))
    }

    /// Refuses keys of which other wraps are on disk than ours: another node was faster, with another key or for another
    /// organization. They are forgotten, and loaded when they are needed again.
    pub(super) fn refuse_overtaken(&self, entries: &[Arc<KeyEntry>], there: &[WrapRow]) -> Result<(), VaultFault> {
        let overtaken: Vec<Tag> =
            entries.iter().filter(|entry| entry.is_overtaken(there)).map(|entry| entry.place.0).collect();
        for tag in &overtaken {
            self.forget(*tag);
        }
        if overtaken.is_empty() { Ok(()) } else { Err(VaultFault::Overtaken) }
    }

    /// Forgets every key whose wraps are on disk.
    pub(super) fn forget_written(&self) {
        lock(&self.cached).data.retain(|_, entry| !lock(&entry.rows).is_empty());
    }

    /// Forgets a subject's keys. Whoever holds one in this moment may end what was begun.
    pub(super) fn forget(&self, tag: Tag) {
        let mut cached = lock(&self.cached);
        cached.data.retain(|(known, _), _| *known != tag);
        cached.known.remove(&tag);
    }

    /// The same data keys for another master key.
    pub(super) fn rewrap(&self, rows: Vec<WrapRow>, next: &Master) -> Result<Vec<WrapRow>, VaultFault> {
        let mut renewed = Vec::with_capacity(rows.len());
        for row in rows {
            let key = self.unwrap(&row)?;
            let scope = Scope { tier: row.tier, org: row.org.clone(), epoch: next.epoch() };
            let to = next.tier_secret(&scope).map(|secret| secret.key());
            let wrap = to.and_then(|to| {
                sealing::wrap(&to, &self.origin, &row.subject.to_hex(), &scope, &key, &mut |bytes| {
                    (self.entropy)(bytes);
                })
            });
            let wrap = wrap.map_err(|source| sealed_fault("data key", source))?;
            renewed.push(WrapRow { epoch: next.epoch(), wrap: wrap.as_bytes().to_vec(), ..row });
        }
        Ok(renewed)
    }
}
