//! Whether a log begins with the tree that a proposal names, found out before it is judged.

use gongkai_domain::judge;
use gongkai_log::{Beginning, Edge, merkle};

use crate::{
    error::StoreError,
    event_store::EventStore,
    reader::READ_ENTRIES_MAX,
    sequencer::{Item, Sequencer},
};

impl<S: EventStore> Sequencer<S> {
    /// Whether the log begins with the tree that a rotation names. That reads all of it, so only for those who may ask:
    /// without their signatures it stays open, and the statement is refused for them.
    pub(crate) async fn begins(&mut self, item: &Item, named: Beginning) -> Result<Option<bool>, StoreError> {
        let checked = &item.admitted.checked;
        let keys = judge::authority(&checked.signed.statement, checked.kind, &self.world);
        if !keys.is_ok_and(|keys| item.admitted.signed_by(&keys).is_ok()) {
            return Ok(None);
        }
        let mut edge = Edge::new();
        let end = named.size.min(self.head.size);
        while edge.size() < end {
            let rows = self.store.load_range(edge.size(), end.min(edge.size() + READ_ENTRIES_MAX)).await?;
            if rows.is_empty() {
                return Err(StoreError::row(edge.size(), "index", "the row is missing"));
            }
            for row in rows {
                let appended = edge.append(merkle::leaf_hash(&row.bytes));
                appended.map_err(|error| StoreError::row(row.index, "head", error.to_string()))?;
            }
        }
        // Nothing is the beginning of every log, and proves none.
        Ok(Some(named.size > 0 && edge.size() == named.size && edge.root() == named.root))
    }
}
