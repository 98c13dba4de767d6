//! Files beside the log: what entries name is linked into the published folder, and taken away once nothing names it.
//!
//! An entry's body names its files for ever; a line names them until it is withdrawn, and then the voucher that lay
//! behind it goes with it. A file that is handed in is kept under its hash, in the directory and, where there is one, in the
//! private part of the bucket, from which the other nodes of the ledger bring it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::Write as _,
    thread,
};

use gongkai_domain::kind;
use gongkai_log::{Content, Digest, Row};
use tokio::task;

use crate::{
    bucket::{Bucket, handed_in},
    error::StoreError,
    layout::{Layout, with_suffix},
    log_fetch::ANOTHER_HASH,
    publisher::Publisher,
    reader::{parse_entry, parse_list},
    tables,
};

/// Keeps a file that was handed in, durably; one that is there already is kept once.
pub(crate) fn keep(layout: &Layout, bytes: &[u8]) -> Result<Digest, StoreError> {
    let hash = Digest::of(bytes);
    let path = layout.attachment(&hash);
    if path.is_file() {
        return Ok(hash);
    }
    let folder = layout.attachments();
    let draft = with_suffix(&path, &format!(".{:?}", thread::current().id()));
    let put = fs::create_dir_all(&folder)
        .and_then(|()| File::create(&draft))
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&draft, &path))
        .and_then(|()| File::open(&folder)?.sync_all());
    put.map(|()| hash).map_err(|e| StoreError::file("keeping", path, e))
}

/// Gets a file that was handed in to another node of this ledger. Whether there is one.
pub(crate) async fn bring(bucket: &Bucket, layout: &Layout, hash: &Digest) -> Result<bool, StoreError> {
    let name = handed_in(hash);
    let Some(found) = bucket.get(&name).await? else { return Ok(false) };
    if Digest::of(&found.bytes) != *hash {
        return Err(StoreError::Foreign { name, reason: ANOTHER_HASH.to_owned() });
    }
    let (layout, bytes) = (layout.clone(), found.bytes);
    let kept = task::spawn_blocking(move || keep(&layout, &bytes)).await;
    kept.map_err(|e| StoreError::file("keeping", name, std::io::Error::other(e)))?.map(|_| true)
}

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
                if !kept.exists() && !published.exists() {
                    // Taken away with another line while this one waited for its turn: what was withdrawn stays away.
                    if self.shows(&hash, false)? {
                        tracing::warn!(index, %hash, "a file is named again that was withdrawn");
                        continue;
                    }
                    self.bring(&hash)?;
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
    pub(crate) fn shows(&mut self, hash: &Digest, still: bool) -> Result<bool, StoreError> {
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
