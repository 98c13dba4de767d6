//! The sequencer after its connection to the database's server was lost.
//!
//! Whether the last batch was committed is in the database and nowhere else. So it connects again as the same writer, takes
//! the head from there, and learns what it did not hear of: submitters who got no answer ask again with their keys and get
//! their receipts. A head that is not beyond the one that it knew, or does not continue it, is that of a standby that was
//! behind: then it stops, for what was acknowledged is not there. Where there is a bucket, so is one that has
//! less than was published there. Not here: the directory (`recover` on start, `publisher` before it signs).

use gongkai_domain::World;
use gongkai_log::{Checkpoint, Content};

use crate::{
    error::StoreError,
    event_store::{EventStore, LogHead},
    publisher::Signal,
    reader::{READ_ENTRIES_MAX, chain, parse_entry},
    sequencer::Sequencer,
};

impl<S: EventStore> Sequencer<S> {
    /// Connects again if the database was lost. While it is not there, each message tries once and is answered by the
    /// failure of its own work.
    pub(crate) fn find_again(&mut self) {
        if !self.lost || self.shared.halted().is_some() {
            return;
        }
        let runtime = self.runtime.clone();
        match runtime.block_on(self.rejoin()).and_then(|()| self.begin_sealed()) {
            Ok(()) => {
                self.lost = false;
                tracing::info!(size = self.head.size, "the database is there again");
            }
            Err(error @ StoreError::Bucket { .. }) => {
                tracing::warn!(error = chain(&error), "nobody says what was published");
            }
            Err(error @ StoreError::Gone { .. }) => tracing::warn!(error = chain(&error), "the database is still gone"),
            Err(error) if error.is_passing() => tracing::warn!(error = chain(&error), "the database is still busy"),
            Err(error) => {
                tracing::error!(error = chain(&error), "the database that is there again is not the one that was left");
                self.shared.halt(format!("重新连上的数据库与断开前不符（{}），请检查后重新启动", chain(&error)));
            }
        }
    }

    async fn rejoin(&mut self) -> Result<(), StoreError> {
        self.store.reconnect().await?;
        let head = self.store.load_head().await?;
        let before = self.head.size;
        while self.head.size < head.size {
            let to = head.size.min(self.head.size + READ_ENTRIES_MAX);
            let rows = self.store.load_range(self.head.size, to).await?;
            if rows.is_empty() {
                return Err(StoreError::row(self.head.size, "index", "the row is missing"));
            }
            for row in rows {
                self.learn(row.index, row.bytes)?;
            }
        }
        if self.head != head {
            let reason = format!("there were {} entries, now {} or another tree", self.head.size, head.size);
            return Err(StoreError::row(head.size, "head", reason));
        }
        // Others may have published what this database has not got.
        if let (Some(bucket), Some(keys)) = (&self.settings.bucket, &self.keys) {
            let origin = self.shared.origin.clone();
            let there = Checkpoint { origin, size: self.head.size, root: self.head.edge.root() };
            bucket.refuse_behind(&keys.log.verifier(), &there).await?;
        }
        self.world = self.shared.with_world(World::clone);
        if self.head.size > before {
            self.shared.committed.send_replace(self.head.size);
            // The publisher ends only when it cannot go on; then there is nobody to tell.
            let _ = self.publisher.send(Signal::Committed);
        }
        Ok(())
    }

    /// Takes an entry in that was committed and not heard of.
    fn learn(&mut self, index: u64, bytes: Vec<u8>) -> Result<(), StoreError> {
        let entry = parse_entry(index, bytes)?;
        if index != self.head.size || entry.prev != self.head.entry_hash {
            return Err(StoreError::row(index, "prev", "it does not continue what was left"));
        }
        let mut edge = self.head.edge.clone();
        edge.append(entry.leaf_hash()).map_err(|error| StoreError::row(index, "head", error.to_string()))?;
        if let Content::Statement(signed) = &entry.content {
            self.shared.learn(index, entry.recorded_at, std::iter::once(signed));
        }
        self.head = LogHead { size: index + 1, entry_hash: entry.hash, edge, recorded_at: entry.recorded_at };
        Ok(())
    }
}
