//! Published counts against the ballots that were accepted: nobody sees a single ballot, so nobody else can tell.
//!
//! Ballots are kept from when they are read until their counts are published: a hash and some choices each, and at most
//! as many for one tally as it has credentials.

use std::collections::HashMap;

use gongkai_domain::{
    audit_sealed::{Category, Problem},
    event,
    kind::{
        self, Described as _,
        tally::{self, Cast, Published},
    },
};
use gongkai_log::{Digest, Opening, Statement, StreamId};

use super::Audit;

/// Accepted ballots of one tally.
#[derive(Default)]
struct Urn {
    // Of each ballot its statement's hash and what it chose.
    ballots: Vec<(Digest, Vec<u64>)>,
    // Sealed events that could not be read before its first ballot.
    unread_before: u64,
}

/// See the module.
#[derive(Default)]
pub(super) struct Tallies {
    urns: HashMap<StreamId, Urn>,
    // Sealed events that could not be read so far: any of them may have been a ballot.
    unread: u64,
}

impl Tallies {
    /// A sealed event whose content could not be opened.
    pub(super) fn unread(&mut self) {
        self.unread += 1;
    }

    /// A tally is opened.
    fn open(&mut self, tally: &StreamId) {
        self.urns.insert(tally.clone(), Urn { unread_before: self.unread, ..Urn::default() });
    }

    /// A sealed event with its slots.
    pub(super) fn cast(&mut self, statement: &Statement, hash: Digest, sealed: &[Opening]) {
        if statement.kind != Cast::KIND {
            return;
        }
        let Some(cast) = kind::body::<Cast>(&statement.kind, &event::values(sealed)) else { return self.unread() };
        if let Some(known) = self.urns.get_mut(&cast.tally.0) {
            known.ballots.push((hash, cast.choices));
        }
    }

    fn published(&mut self, tally: &StreamId, published: &Published, options_count: u64) -> Option<Problem> {
        let Urn { ballots, unread_before } = self.urns.remove(tally)?;
        if published.is(&tally::count(&ballots, options_count)) {
            return None;
        }
        if self.unread > unread_before {
            return Some(Problem::new(Category::Unjudged, "投票期间有封存事项读不出来，公布的票数无法复核"));
        }
        let sentence =
            format!("公布的票数与收到的选票不符：公布有效票 {} 张，实收 {} 张", published.accepted, ballots.len());
        Some(Problem::new(Category::Rule, sentence).of("ballots"))
    }
}

impl Audit<'_> {
    /// A public statement that opens a tally or publishes its counts.
    pub(super) fn tallied(&mut self, index: u64, statement: &Statement) {
        if kind::body::<tally::Opened>(&statement.kind, &statement.body).is_some() {
            self.tallies.open(&statement.stream);
        }
        let Some(published) = kind::body::<Published>(&statement.kind, &statement.body) else { return };
        let options = self.world.matters.tally(&statement.stream).map_or(0, |tally| tally.options_count);
        if let Some(problem) = self.tallies.published(&statement.stream, &published, options) {
            self.found.entry(index, problem);
        }
    }
}
