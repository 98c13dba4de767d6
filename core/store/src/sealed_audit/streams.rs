//! Heads and states of sealed streams while they are audited: bounded, and read again where they were dropped.

use std::collections::HashMap;

use gongkai_domain::{
    Head, Recorded, State,
    audit_sealed::{self, Content, Held},
    event, judge,
};
use gongkai_log::SignedStatement;

use super::events::held;
use crate::{
    error::StoreError,
    event_store::RawSealed,
    reader::ReadStore,
    sealed_tables,
    vault::{Tag, Vault},
};

/// Streams of one generation; there are two.
const GENERATION_MAX: usize = 32_768;

/// A sealed stream as of the events that were audited.
pub(super) type Stream = (Option<Head>, State);

#[derive(Default)]
pub(super) struct SealedStreams {
    young: HashMap<Tag, Stream>,
    old: HashMap<Tag, Stream>,
}

impl SealedStreams {
    /// Makes streams present as of the events before number `before`.
    pub(super) async fn obtain(
        &mut self,
        store: &ReadStore,
        vault: &Vault,
        tags: &[Tag],
        before: u64,
    ) -> Result<(), StoreError> {
        let mut missing = Vec::new();
        for tag in tags {
            if self.young.contains_key(tag) {
                continue;
            }
            let known = self.old.remove(tag);
            if known.is_none() {
                missing.push(*tag);
            }
            self.young.insert(*tag, known.unwrap_or_default());
        }
        if missing.is_empty() {
            return Ok(());
        }
        let rows = sealed_tables::load_by_tag_before(&mut store.connection().await?, &missing, before).await?;
        for mut row in rows {
            // What cannot be opened was reported when its turn came.
            vault.load_each(&[Tag(row.tag)]).await?;
            if let Ok(Some((_, signed))) = vault.open_note(&row) {
                let held = held(vault, &signed.statement, Tag(row.tag), std::mem::take(&mut row.values));
                self.fold(&row, &signed, &held);
            }
        }
        Ok(())
    }

    /// Drops the streams that were not used lately, if there are too many.
    pub(super) fn age(&mut self) {
        if self.young.len() >= GENERATION_MAX {
            self.old = std::mem::take(&mut self.young);
        }
    }

    /// A stream that was obtained.
    pub(super) fn get(&self, tag: Tag) -> Stream {
        self.young.get(&tag).cloned().unwrap_or_default()
    }

    /// Takes an event into its stream, as the sequencer did.
    pub(super) fn fold(&mut self, row: &RawSealed, signed: &SignedStatement, held: &[Held]) {
        let SignedStatement { statement, hash, .. } = signed;
        let readable = row.envelope.is_none() && held.iter().all(|held| matches!(held.content, Content::Open(_)));
        let values = readable.then(|| event::values(&audit_sealed::openings(held)));
        let recorded = Recorded {
            index: row.as_of,
            recorded_at: row.received_at,
            statement,
            hash: *hash,
            values: values.as_ref(),
        };
        let stream = self.young.entry(Tag(row.tag)).or_default();
        let state = judge::evolve(std::mem::take(&mut stream.1), &recorded);
        *stream = (Some(Head { revision: statement.revision, hash: *hash }), state);
    }
}
