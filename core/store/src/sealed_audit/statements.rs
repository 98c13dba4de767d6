//! Public statements: what of them is sealed, and the sealed matter that let them be published.

use gongkai_domain::{
    Context, Named, Proposal,
    audit_sealed::{self, Category, Content, Inventory, Problem, Published},
    event::State,
    kind,
};
use gongkai_log::{Entry, List, Openings, Statement};

use super::{Audit, events::held, found::Spot};
use crate::{error::StoreError, event_store::SealedValue};

/// The sealed matter that a proposal names, as it was found.
pub(super) enum Matter {
    /// None is named, or there is none.
    Missing,
    /// It was erased on record: nobody can tell any more.
    Erased,
    /// Its state.
    Found(State),
}

impl Matter {
    /// What a decision may know of it.
    pub(super) fn named(&self) -> Named<'_> {
        match self {
            Self::Missing => Named::Missing,
            Self::Erased => Named::NotVisible,
            Self::Found(state) => Named::Found(state),
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
        inventory: Inventory,
    ) -> Result<(), StoreError> {
        let tag = self.vault.tag(&statement.stream);
        self.report.values += values.len() as u64;
        let mut is_broken = false;
        if !values.is_empty() {
            self.used.insert(tag);
            is_broken = self.vault.load_each(&[tag]).await?.contains(&tag);
        }
        let mut held = held(self.vault, statement, tag, values);
        if is_broken {
            // Its keys are there, and were changed: that is not a vault from before.
            held.iter_mut()
                .filter(|held| matches!(held.content, Content::NoKey))
                .for_each(|held| held.content = Content::Bad);
        }
        let spot = Spot { tag, entry: Some(entry.index), at: entry.index };
        for problem in audit_sealed::published(&Published { statement, openings, list, held: &held, inventory }) {
            self.found.unless(problem, None, spot, &self.orders);
        }
        let Some(kind) = kind::find(&statement.kind).filter(|kind| kind.names.is_some()) else { return Ok(()) };
        if inventory == Inventory::Lost {
            // So is the matter that it was said by, or its last steps.
            let problem = Problem::new(Category::Lost, "所据的封存事项在补回时已丢失，无法复核");
            self.found.entry(entry.index, problem.of(kind.names.unwrap_or_default()));
            return Ok(());
        }
        let sealed = audit_sealed::openings(&held);
        let openings = openings.map_or(&[][..], |openings| &openings.open);
        let proposal = Proposal { kind, statement, openings, sealed: &sealed, lines: &[], envelope: None };
        let matter = self.named(&proposal, entry.index).await?;
        let context = Context { named: matter.named(), ..Context::at(entry.recorded_at, &self.world) };
        let excused = match audit_sealed::named(&proposal, &context) {
            Some(problem) => self.found.unless(problem, None, spot, &self.orders),
            None => matches!(matter, Matter::Erased),
        };
        if excused {
            let problem = Problem::new(Category::Unjudged, "所据的封存事项已依删除令删除，无法复核");
            self.found.entry(entry.index, problem.of(kind.names.unwrap_or_default()));
        }
        Ok(())
    }

    /// The matter that a proposal names, as of the events that were audited; `at` entries were recorded then.
    pub(super) async fn named(&mut self, proposal: &Proposal<'_>, at: u64) -> Result<Matter, StoreError> {
        let Some(stream) = proposal.named() else { return Ok(Matter::Missing) };
        let tag = self.vault.tag(&stream);
        self.streams.obtain(self.store, self.vault, &[tag], self.events.next()).await?;
        let (head, state) = self.streams.get(tag);
        if head.is_some() {
            return Ok(Matter::Found(state));
        }
        // It was there when this was recorded, and was erased after.
        Ok(if self.orders.erases(tag, at) { Matter::Erased } else { Matter::Missing })
    }
}
