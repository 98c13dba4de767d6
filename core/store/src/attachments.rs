//! Files beside the log: what entries name is linked into the published folder, and taken away once nothing names it.
//!
//! An entry's body names its files for ever; a line names them until it is withdrawn, and then the voucher that lay
//! behind it goes with it. Not here: keeping a file that is handed in, which is the ledger's.

use std::collections::{BTreeMap, BTreeSet};

use gongkai_domain::kind;
use gongkai_log::{Content, Digest, Row};

use crate::{
    error::StoreError,
    publisher::Publisher,
    reader::{parse_entry, parse_list},
    tables,
};

impl Publisher {
    /// Publishes the files that entries name. Those of a line that was withdrawn meanwhile are not brought back.
    pub(crate) fn write_attachments(&mut self, from: u64, to: u64) -> Result<(), StoreError> {
        let mut named: BTreeMap<u64, Vec<Digest>> = BTreeMap::new();
        for (index, hash) in self.runtime.block_on(tables::load_attachments(&mut self.connection, from, to))? {
            named.entry(index).or_default().push(hash);
        }
        for (index, hashes) in named {
            let still = self.files_of(index)?;
            for hash in hashes.into_iter().filter(|hash| still.contains(hash)) {
                let (kept, published) = (self.layout.attachment(&hash), self.layout.published_attachment(&hash));
                // Taken away with another line while this one waited for its turn: what was withdrawn stays away.
                if !kept.exists() && !published.exists() && self.shows(&hash, false)? {
                    tracing::warn!(index, %hash, "a file is named again that was withdrawn");
                    continue;
                }
                self.files.link(&kept, &published)?;
            }
        }
        Ok(())
    }

    /// Takes the files away that an entry named and that nothing names any more, also where they were handed in.
    pub(crate) fn remove_attachments(&mut self, target: u64) -> Result<(), StoreError> {
        let named = self.runtime.block_on(tables::load_attachments(&mut self.connection, target, target + 1))?;
        if named.is_empty() {
            return Ok(());
        }
        let still = self.files_of(target)?;
        for (_, hash) in named.into_iter().filter(|(_, hash)| !still.contains(hash)) {
            if !self.shows(&hash, true)? {
                self.files.remove(&self.layout.published_attachment(&hash))?;
                self.files.remove(&self.layout.attachment(&hash))?;
            }
        }
        Ok(())
    }

    /// Whether some entry that named a file still does, or does not any more.
    fn shows(&mut self, hash: &Digest, still: bool) -> Result<bool, StoreError> {
        for index in self.runtime.block_on(tables::load_attaching(&mut self.connection, hash))? {
            if self.files_of(index)?.contains(hash) == still {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The files that an entry names as it stands.
    fn files_of(&mut self, index: u64) -> Result<BTreeSet<Digest>, StoreError> {
        let connection = &mut self.connection;
        let (bytes, list) = self.runtime.block_on(async {
            let rows = tables::load_bytes(connection, index, index + 1).await?;
            Ok::<_, StoreError>((rows, tables::load_list(connection, index).await?))
        })?;
        let Some((_, bytes)) = bytes.into_iter().next() else { return Ok(BTreeSet::new()) };
        let Content::Statement(signed) = parse_entry(index, bytes)?.content else { return Ok(BTreeSet::new()) };
        let Some(kind) = kind::find(&signed.statement.kind) else { return Ok(BTreeSet::new()) };
        let list = list.map(|text| parse_list(index, &text)).transpose()?;
        let rows = list.iter().flat_map(|list| &list.rows);
        let open = rows.filter_map(|row| if let Row::Open { row, .. } = row { Some(row) } else { None });
        Ok(kind.files(&signed.statement.body, open))
    }
}
