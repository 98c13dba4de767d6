//! What the log says became of what was sealed: orders of erasure, openings, and withdrawals of openings.
//!
//! The table `erasures` is the operator's and proves nothing; the order is an entry. An order reaches what was sealed of
//! its subject before it, and nothing after.

use std::collections::{BTreeSet, HashMap};

use gongkai_domain::{
    audit_sealed::{Category, Lack, Problem},
    kind::{self, erasure, opening, slot::Withdrawn},
};
use gongkai_log::{Statement, StreamId};

use super::{Audit, found::Spot, is_lost};
use crate::{
    error::StoreError,
    reader::{ReadStore, parse_entry},
    sealed_tables, tables,
    vault::{Tag, Vault},
};

/// Entries that are read at a time.
const PAGE: usize = 1_000;

/// One order of erasure.
struct Order {
    index: u64,
    tag: Tag,
    // The public matter that it names; `None` for one that is sealed as a whole.
    stream: Option<StreamId>,
}

/// What was withdrawn of one entry.
#[derive(Default)]
struct Gone {
    slots: BTreeSet<u64>,
    lines: BTreeSet<u64>,
}

/// See the module.
#[derive(Default)]
pub(super) struct Orders {
    erasures: Vec<Order>,
    last: HashMap<Tag, u64>,
    withdrawn: HashMap<u64, Gone>,
    // Slots of sealed events that were opened: entry of the period, leaf, slot. No leaf where the opening was withdrawn.
    opened: BTreeSet<(u64, Option<u64>, u64)>,
    // Orders whose subject is not to be found.
    aimless: Vec<u64>,
}

impl Orders {
    /// Reads the orders from an index on.
    pub(super) async fn load(store: &ReadStore, vault: &Vault, from: u64) -> Result<Self, StoreError> {
        let mut orders = Self::default();
        let families = BTreeSet::from(["erasure", "slot"]);
        let mut indexes = tables::load_indexes_of(&mut store.connection().await?, &families).await?;
        indexes.retain(|index| *index >= from);
        for page in indexes.chunks(PAGE) {
            let rows = tables::load_some(&mut store.connection().await?, page).await?;
            for (index, bytes) in rows {
                let entry = parse_entry(index, bytes)?;
                let Some(signed) = entry.content.statement() else { continue };
                orders.learn(store, vault, index, &signed.statement).await?;
            }
        }
        Ok(orders)
    }

    async fn learn(
        &mut self,
        store: &ReadStore,
        vault: &Vault,
        index: u64,
        statement: &Statement,
    ) -> Result<(), StoreError> {
        if let Some(withdrawn) = kind::body::<Withdrawn>(&statement.kind, &statement.body) {
            let gone = self.withdrawn.entry(withdrawn.entry).or_default();
            gone.slots.extend(withdrawn.slots());
            gone.lines.extend(withdrawn.lines());
        }
        if let Some(opened) = kind::body::<opening::Opened>(&statement.kind, &statement.body) {
            let open = store.entry(index).await?.and_then(|stored| stored.openings);
            let proof = open.and_then(|openings| opening::proof(&openings.open));
            let leaf = proof.and_then(|proof| proof.event).map(|event| event.leaf);
            self.opened.insert((opened.entry, leaf, opened.slot_number));
        }
        let Some(ordered) = kind::body::<erasure::Ordered>(&statement.kind, &statement.body) else { return Ok(()) };
        match subject(store, vault, &ordered).await? {
            Some((tag, stream)) => {
                self.last.insert(tag, index);
                self.erasures.push(Order { index, tag, stream });
            }
            None => self.aimless.push(index),
        }
        Ok(())
    }

    pub(super) fn extend(&mut self, later: Self) {
        self.erasures.extend(later.erasures);
        self.last.extend(later.last);
        self.aimless.extend(later.aimless);
        self.opened.extend(later.opened);
        for (entry, gone) in later.withdrawn {
            let known = self.withdrawn.entry(entry).or_default();
            known.slots.extend(gone.slots);
            known.lines.extend(gone.lines);
        }
    }

    /// The last order of erasure about a subject.
    pub(super) fn last_of(&self, tag: Tag) -> Option<u64> {
        self.last.get(&tag).copied()
    }

    /// Whether what was recorded about a subject when the log had `at` entries is ordered to be erased.
    pub(super) fn erases(&self, tag: Tag, at: u64) -> bool {
        self.last_of(tag).is_some_and(|order| order >= at)
    }

    pub(super) fn excuses(&self, lack: &Lack, spot: &Spot) -> bool {
        let gone = spot.entry.and_then(|entry| self.withdrawn.get(&entry));
        match lack {
            Lack::Sealed => self.erases(spot.tag, spot.at),
            Lack::Slots(count) => gone.is_some_and(|gone| gone.slots.len() >= *count),
            Lack::Opening { entry, leaf, slot } => {
                let opened = |leaf| self.opened.contains(&(*entry, leaf, u64::from(*slot)));
                // Whose a withdrawn opening was is not known any more; it may have been this one's.
                opened(Some(*leaf)) || opened(None) || self.erases(spot.tag, spot.at)
            }
            Lack::Lines(lines) => gone.is_some_and(|gone| gone.lines.is_superset(lines)),
        }
    }
}

/// Whom an order is about: the stream of the entry, or of the sealed event, that it names.
async fn subject(
    store: &ReadStore,
    vault: &Vault,
    ordered: &erasure::Ordered,
) -> Result<Option<(Tag, Option<StreamId>)>, StoreError> {
    let mut connection = store.connection().await?;
    if let Some(commitment) = ordered.commitment {
        let Some(seq) = sealed_tables::find_by_commitment(&mut connection, &commitment).await? else {
            return Ok(None);
        };
        let event = sealed_tables::load_events(&mut connection, seq, seq + 1).await?.pop();
        return Ok(event.map(|event| (Tag(event.tag), None)));
    }
    let Some(index) = ordered.entry else { return Ok(None) };
    let Some((index, bytes)) = tables::load_some(&mut connection, &[index]).await?.pop() else { return Ok(None) };
    let entry = parse_entry(index, bytes)?;
    let stream = entry.content.statement().map(|signed| signed.statement.stream.clone());
    Ok(stream.map(|stream| (vault.tag(&stream), Some(stream))))
}

impl Audit<'_> {
    /// Every order was carried out, and nothing was erased without one.
    pub(super) async fn erasures(&mut self) -> Result<(), StoreError> {
        let mut connection = self.store.connection().await?;
        let wrong = |sentence: &str| Problem::new(Category::Erasure, sentence);
        let known: HashMap<Tag, bool> = sealed_tables::load_erasures(&mut connection).await?.into_iter().collect();
        // What was to be erased may have been lost with the vault.
        let lost = |index: u64| is_lost(&self.recoveries, index);
        for index in self.orders.aimless.iter().filter(|index| !lost(**index)) {
            self.found.entry(*index, wrong("删除令所指的条目或封存事项不在"));
        }
        for Order { index, tag, stream } in &self.orders.erasures {
            match known.get(tag) {
                None if lost(*index) => {}
                None => self.found.entry(*index, wrong("有删除令，没有执行的记录").of("erasures")),
                Some(false) => self.found.entry(*index, wrong("删除还没有完成：数据密钥没有销毁").of("wraps")),
                Some(true) => {}
            }
            let stream = stream.as_ref().map(ToString::to_string);
            let left = sealed_tables::count_left(&mut connection, *tag, stream.as_deref(), *index).await?;
            if left > 0 {
                self.found.entry(*index, wrong(&format!("删除之后还有 {left} 行密文在数据库里")).of("bytes"));
            }
        }
        for tag in known.keys().filter(|tag| self.orders.last_of(**tag).is_none()) {
            let problem = wrong("有执行删除的记录，条目里没有删除令").of("erasures");
            match sealed_tables::first_of_tag(&mut connection, *tag).await? {
                Some(seq) => self.found.event(seq, problem),
                None => self.found.vault(problem),
            }
        }
        Ok(())
    }
}
