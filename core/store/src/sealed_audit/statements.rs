//! Public statements: what of them is sealed, and the review that let them be published.

use gongkai_domain::{
    Context, Proposal, Reviewed,
    audit_sealed::{self, Category, Problem, Published},
    event::State,
    kind::{self, review},
    procedure,
};
use gongkai_log::{Entry, List, Openings, Statement};

use super::{Audit, events::held, found::Spot};
use crate::{error::StoreError, event_store::SealedValue};

/// A review as it was found.
pub(super) enum Review {
    /// None is named, or there is none.
    Missing,
    /// It was erased on record: nobody can tell any more.
    Erased,
    /// Its state.
    Found(State),
}

impl Review {
    /// What a decision may know of it.
    pub(super) fn reviewed(&self) -> Reviewed<'_> {
        match self {
            Self::Missing => Reviewed::Missing,
            Self::Erased => Reviewed::NotVisible,
            Self::Found(state) => state.get::<review::State>().map_or(Reviewed::Missing, Reviewed::Found),
        }
    }
}

impl Audit<'_> {
    /// One public statement, as of the entry before.
    pub(super) async fn statement(
        &mut self,
        entry: &Entry,
        statement: &Statement,
        openings: Option<&Openings>,
        list: Option<&List>,
        values: Vec<SealedValue>,
    ) -> Result<(), StoreError> {
        let tag = self.vault.tag(&statement.stream);
        self.report.values += values.len() as u64;
        if !values.is_empty() {
            self.used.insert(tag);
            self.vault.load_each(&[tag]).await?;
        }
        let held = held(self.vault, statement, tag, values);
        let spot = Spot { tag, entry: Some(entry.index), at: entry.index };
        for problem in audit_sealed::published(&Published { statement, openings, list, held: &held }) {
            self.found.unless(problem, None, spot, &self.orders);
        }
        let Some(kind) = kind::find(&statement.kind).filter(|kind| kind.is_gated()) else { return Ok(()) };
        let sealed = audit_sealed::openings(&held);
        let openings = openings.map_or(&[][..], |openings| &openings.open);
        let proposal = Proposal { kind, statement, openings, sealed: &sealed, lines: &[], envelope: None };
        let review = self.review(&proposal, entry.index).await?;
        let context = Context { reviewed: review.reviewed(), ..Context::at(entry.recorded_at, &self.world) };
        let excused = match audit_sealed::reviewed(&proposal, &context) {
            Some(problem) => self.found.unless(problem, None, spot, &self.orders),
            None => matches!(review, Review::Erased),
        };
        if excused {
            let problem = Problem::new(Category::Unjudged, "所附的审核已依删除令删除，无法复核");
            self.found.entry(entry.index, problem.of(procedure::REFERENCE));
        }
        Ok(())
    }

    /// The review that a proposal names, as of the events that were audited; `at` entries were recorded then.
    pub(super) async fn review(&mut self, proposal: &Proposal<'_>, at: u64) -> Result<Review, StoreError> {
        let Some(stream) = procedure::named(proposal) else { return Ok(Review::Missing) };
        let tag = self.vault.tag(&stream);
        self.streams.obtain(self.store, self.vault, &[tag], self.events.next()).await?;
        let (head, state) = self.streams.get(tag);
        if head.is_some() {
            return Ok(Review::Found(state));
        }
        // It was there when this was recorded, and was erased after.
        Ok(if self.orders.erases(tag, at) { Review::Erased } else { Review::Missing })
    }
}
