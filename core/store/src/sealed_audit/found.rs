//! What was found: bounded, counted, and excused by what is on record.

use std::collections::BTreeMap;

use gongkai_domain::audit_sealed::{Category, Finding, Lack, Problem};

use super::orders::Orders;
use crate::vault::Tag;

/// Findings of one category that are kept; the others are counted.
const KEPT_MAX: usize = 1_000;

/// Where something is missing: whose subject it is, its entry, and how many entries there were when it was recorded.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spot {
    pub tag: Tag,
    pub entry: Option<u64>,
    pub at: u64,
}

struct Kept {
    finding: Finding,
    lack: Option<(Lack, Spot)>,
}

#[derive(Default)]
pub(super) struct Found {
    kept: BTreeMap<Category, Vec<Kept>>,
    counts: BTreeMap<Category, u64>,
}

impl Found {
    fn put(&mut self, finding: Finding, lack: Option<(Lack, Spot)>) {
        *self.counts.entry(finding.category).or_default() += 1;
        let kept = self.kept.entry(finding.category).or_default();
        if kept.len() < KEPT_MAX {
            kept.push(Kept { finding, lack });
        }
    }

    /// At a public entry, whatever is on record.
    pub(super) fn entry(&mut self, index: u64, problem: Problem) {
        self.put(problem.at_entry(index), None);
    }

    /// At a sealed event, whatever is on record.
    pub(super) fn event(&mut self, seq: u64, problem: Problem) {
        self.put(problem.at_event(seq), None);
    }

    /// In the vault as a whole.
    pub(super) fn vault(&mut self, problem: Problem) {
        let Problem { category, field, sentence, .. } = problem;
        self.put(Finding { category, entry: None, sealed_event: None, field, sentence }, None);
    }

    /// A problem that may be excused by what is on record; tells whether it was.
    pub(super) fn unless(&mut self, mut problem: Problem, seq: Option<u64>, spot: Spot, orders: &Orders) -> bool {
        let lack = problem.lack.take();
        if lack.as_ref().is_some_and(|lack| orders.excuses(lack, &spot)) {
            return true;
        }
        let finding = match (seq, spot.entry) {
            (Some(seq), _) => problem.at_event(seq),
            (None, entry) => problem.at_entry(entry.unwrap_or(spot.at)),
        };
        self.put(finding, lack.map(|lack| (lack, spot)));
        false
    }

    /// Takes back what has been excused since.
    pub(super) fn excuse(&mut self, orders: &Orders) {
        for (category, kept) in &mut self.kept {
            let before = kept.len();
            kept.retain(|kept| !kept.lack.as_ref().is_some_and(|(lack, spot)| orders.excuses(lack, spot)));
            if let Some(count) = self.counts.get_mut(category) {
                *count -= (before - kept.len()) as u64;
            }
        }
    }

    /// How many there are of a category.
    pub(super) fn count(&self, category: Category) -> u64 {
        self.counts.get(&category).copied().unwrap_or_default()
    }

    /// Everything in the order of the log, what concerns the vault as a whole first; and the counts.
    pub(super) fn finish(self) -> (Vec<Finding>, BTreeMap<Category, u64>) {
        let mut findings: Vec<Finding> = self.kept.into_values().flatten().map(|kept| kept.finding).collect();
        findings.sort_by_key(|finding| (finding.entry, finding.sealed_event, finding.category));
        let counts = self.counts.into_iter().filter(|(_, count)| *count > 0).collect();
        (findings, counts)
    }
}
