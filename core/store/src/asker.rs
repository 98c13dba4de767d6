//! Who asked what a public statement answers, looked up so that nothing is recorded that names them.
//!
//! The words of whoever asked lie sealed beside their question; the sequencer opens name and contact to compare, keeps
//! them for the one judgement, and tells nobody. What is encrypted to a body's receivers is open to nobody here: there
//! the officer's eyes remain. The rule itself is [`gongkai_domain::anonymity`].

use gongkai_domain::{
    Proposal, Refusal,
    anonymity::{Asker, Speaks},
    kind::{Described as _, disclosure::Questioned},
};
use gongkai_log::{Content, Statement, StreamId};
use serde_json::Map;

use crate::{
    error::StoreError,
    event_store::EventStore,
    reader::parse_entry,
    sealed_reader::SealedReader,
    sealed_sequencer::vault_store,
    sequencer::{Draft, Item, LookedUp, Sequencer},
    vault::{OpenedValues, Vault, VaultFault},
};

impl LookedUp {
    /// Refuses what would tell who asked.
    pub(crate) fn keeps_askers(&self, proposal: &Proposal<'_>) -> Result<(), Refusal> {
        self.askers.iter().try_for_each(|asker| asker.check(proposal))
    }
}

impl<S: EventStore> Sequencer<S> {
    /// Whose questions a proposal speaks of, as far as they said who they are and it is open here.
    pub(crate) async fn askers(&self, item: &Item, draft: &Draft) -> Result<Vec<Asker>, StoreError> {
        let (Some(reader), Some(vault)) = (&self.reader, &self.settings.vault) else { return Ok(Vec::new()) };
        let proposal = item.admitted.checked.proposal();
        let sealed = SealedReader::new(reader.clone(), vault.clone());
        let stream = &item.statement().stream;
        let mut askers = match Speaks::of(&proposal) {
            Speaks::OfNone => return Ok(Vec::new()),
            Speaks::OfLetter(letter) => of_letter(&sealed, &letter).await.map_err(vault_store)?,
            Speaks::OfQuestion(revision) => {
                let is_it = |statement: &Statement| statement.revision == revision;
                let known = of_questions(&sealed, reader.stream(stream).await?, is_it).await.map_err(vault_store)?;
                if known.is_empty() { draft.askers(vault, stream, is_it)? } else { known }
            }
            Speaks::OfAny => {
                let mut all =
                    of_questions(&sealed, reader.stream(stream).await?, |_| true).await.map_err(vault_store)?;
                all.extend(draft.askers(vault, stream, |_| true)?);
                all
            }
        };
        askers.retain(|asker| !asker.is_nobody());
        Ok(askers)
    }
}

fn asker(opened: OpenedValues) -> Asker {
    let values: Map<_, _> = opened.slots.into_iter().map(|(_, _, found)| (found.name, found.value)).collect();
    Asker::of(&values)
}

/// The question that an entry's bytes hold, if it is one.
fn question(index: u64, bytes: Vec<u8>) -> Result<Option<Statement>, StoreError> {
    let Content::Statement(signed) = parse_entry(index, bytes)?.content else { return Ok(None) };
    Ok(Some(signed.statement).filter(|statement| statement.kind == Questioned::KIND))
}

async fn of_questions(
    sealed: &SealedReader,
    entries: Vec<crate::StoredEntry>,
    is_it: impl Fn(&Statement) -> bool,
) -> Result<Vec<Asker>, VaultFault> {
    let mut askers = Vec::new();
    for entry in entries {
        let index = entry.index;
        if question(index, entry.bytes)?.is_some_and(|statement| is_it(&statement)) {
            askers.extend(sealed.values_of(index).await?.map(asker));
        }
    }
    Ok(askers)
}

async fn of_letter(sealed: &SealedReader, letter: &StreamId) -> Result<Vec<Asker>, VaultFault> {
    let events = sealed.stream(letter).await?;
    let values = events.iter().filter_map(|event| event.opened.as_ref()?.values());
    Ok(values.map(|values| Asker::of(&values)).collect())
}

impl Draft {
    /// The same of questions that are in the batch at hand.
    fn askers(
        &self,
        vault: &Vault,
        stream: &StreamId,
        is_it: impl Fn(&Statement) -> bool,
    ) -> Result<Vec<Asker>, StoreError> {
        let name = stream.to_string();
        let mut askers = Vec::new();
        for (index, entry) in (self.from..).zip(&self.entries) {
            if entry.stream.as_ref().is_none_or(|(known, _)| *known != name) {
                continue;
            }
            if let Some(statement) = question(index, entry.bytes.clone())?.filter(|statement| is_it(statement)) {
                askers.push(asker(vault.open_values(&statement, &entry.sealed).map_err(vault_store)?));
            }
        }
        Ok(askers)
    }
}
