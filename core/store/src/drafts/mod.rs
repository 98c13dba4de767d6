//! The working store: what people are writing, and what is half signed, beside the ledger.
//!
//! No part of the ledger: nothing here was said by anybody, and whoever loses it loses unsigned work only. A draft is
//! a text under a key that the vault derives for it, so the disk tells neither what is written nor by whom; its owner and the
//! people whom it names may see it, nobody else, and to them it does not exist. It is bounded in size and number, is gone when
//! it was not touched for [`KEPT_DAYS`], and is removed when it was submitted. Where several nodes serve the ledger they have
//! one working store: whoever writes has it alone from comparing revision and limits to the commit.
//!
//! Not here: what the text says, whose signatures it needs (the shell's), sessions, where the rows lie (`beside`). The clock's
//! reading is handed in.

mod table;
#[cfg(test)]
mod tests;

use std::{path::Path, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use gongkai_domain::vault::{self as sealing, VaultError};
use gongkai_log::StreamId;
use tokio::sync::{Mutex, MutexGuard, OnceCell};
use uuid::Uuid;
use zeroize::Zeroizing;

pub(crate) use self::table::STORE;
use self::table::{Row, Table};
use crate::{
    beside::{self, BesideFault, Turn},
    error::StoreError,
    layout::Layout,
    vault::{Tag, Vault},
};

/// Most bytes of one draft: a long list with its salts.
pub const DRAFT_BYTES_MAX: usize = 4 << 20;
/// Most drafts of one person.
pub const DRAFTS_OF_ONE_MAX: u64 = 64;
/// Most drafts in all.
pub const DRAFTS_MAX: u64 = 8_192;
/// Most bytes of all drafts.
pub const BYTES_MAX: u64 = 1 << 30;
/// Days after the last change on which a draft is gone: a notice with its review and its period takes less.
pub const KEPT_DAYS: i64 = 90;
/// Most drafts that one person is shown, own and others'.
const SHOWN_MAX: i64 = 256;

const CONTEXT: &str = "gongkai 2026 working draft v1";

/// Why a draft was not kept.
#[derive(Debug, thiserror::Error)]
pub enum DraftFault {
    /// Somebody changed it since; nothing was written.
    #[error("the draft was changed since; its revision is {revision}")]
    Changed {
        /// Its revision now.
        revision: u64,
    },
    /// It is somebody else's.
    #[error("the draft is somebody else's")]
    NotOwn,
    /// It is too long.
    #[error("a draft of {bytes} bytes, the limit is {DRAFT_BYTES_MAX}")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// The person has as many as anybody may.
    #[error("the person has {DRAFTS_OF_ONE_MAX} drafts already")]
    TooMany,
    /// There is no room left for anybody's.
    #[error("the working store is full")]
    Full,
    /// It is another program's or a later version's; it was not touched.
    #[error("{0} is no working store that this program knows")]
    Foreign(String),
    /// It could not be sealed.
    #[error("sealing a draft")]
    Seal(#[source] VaultError),
    /// The database failed.
    #[error("the working store")]
    Store(#[from] StoreError),
}

impl From<BesideFault> for DraftFault {
    fn from(fault: BesideFault) -> Self {
        match fault {
            BesideFault::Foreign(what) => Self::Foreign(what),
            BesideFault::Store(error) => Self::Store(error),
        }
    }
}

/// A draft as somebody sees it who may.
#[derive(Clone)]
pub struct Draft {
    /// Its id.
    pub id: Uuid,
    /// Counts its changes, from 1.
    pub revision: u64,
    /// When it was changed.
    pub changed_at: DateTime<Utc>,
    /// From when on it is gone.
    pub expires_at: DateTime<Utc>,
    /// Whether it is the own one of whoever asks.
    pub is_own: bool,
    /// What it says.
    pub text: Zeroizing<String>,
}

impl std::fmt::Debug for Draft {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Draft({}, revision {}, hidden)", self.id, self.revision)
    }
}

/// What is to be kept.
#[derive(Clone, Copy)]
pub struct Writing<'a> {
    /// The draft.
    pub id: Uuid,
    /// Whose it is.
    pub owner: &'a StreamId,
    /// Who may see it besides.
    pub others: &'a [StreamId],
    /// The revision that the writer knows; `None` for a new one.
    pub known: Option<u64>,
    /// What it says.
    pub text: &'a str,
}

struct Inner {
    layout: Layout,
    vault: Vault,
    // Opened when it is first needed: commands that read a ledger make nothing.
    table: OnceCell<Mutex<Table>>,
}

/// The working store of one ledger. Cheap to clone.
#[derive(Clone)]
pub struct Drafts(Arc<Inner>);

impl std::fmt::Debug for Drafts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Drafts({})", self.0.layout.root().display())
    }
}

impl Drafts {
    /// The store of a ledger; nothing is touched yet.
    pub(crate) fn new(layout: &Layout, vault: Vault) -> Self {
        Self(Arc::new(Inner { layout: layout.clone(), vault, table: OnceCell::new() }))
    }

    /// Copies the working store of a ledger into a file that must not exist, also beside running servers; whether there is
    /// one. It needs no key.
    ///
    /// # Errors
    /// [`DraftFault::Store`], [`DraftFault::Foreign`].
    pub async fn back_up(layout: &Layout, to: &Path) -> Result<bool, DraftFault> {
        Ok(beside::back_up(&STORE, layout, to).await?)
    }

    /// The drafts that a person may see, the latest first.
    ///
    /// # Errors
    /// [`DraftFault::Store`], [`DraftFault::Foreign`].
    pub async fn list(&self, person: &StreamId, now: DateTime<Utc>) -> Result<Vec<Draft>, DraftFault> {
        let mut table = self.table(now, Turn::Among).await?;
        let tag = self.tag(person);
        let rows = table.of_person(tag, now.timestamp(), SHOWN_MAX).await;
        let rows = table.end(rows.map_err(DraftFault::from)).await?;
        Ok(rows.iter().filter_map(|row| self.read(row, tag)).collect())
    }

    /// A draft; `None` when it does not exist for this person.
    ///
    /// # Errors
    /// [`DraftFault::Store`], [`DraftFault::Foreign`].
    pub async fn get(&self, id: Uuid, person: &StreamId, now: DateTime<Utc>) -> Result<Option<Draft>, DraftFault> {
        let mut table = self.table(now, Turn::Among).await?;
        let row = self.row(&mut table, id, person, now).await;
        Ok(table.end(row).await?.and_then(|row| self.read(&row, self.tag(person))))
    }

    /// Keeps a draft, durably when it returns, and gives its revision. Who may see it is as given here.
    ///
    /// # Errors
    /// [`DraftFault`].
    pub async fn put(&self, writing: Writing<'_>, now: DateTime<Utc>) -> Result<u64, DraftFault> {
        if writing.text.len() > DRAFT_BYTES_MAX {
            return Err(DraftFault::TooLong { bytes: writing.text.len() });
        }
        let mut table = self.table(now, Turn::Alone).await?;
        let put = self.put_in(&mut table, writing, now).await;
        table.end(put).await
    }

    async fn put_in(&self, table: &mut Table, writing: Writing<'_>, now: DateTime<Utc>) -> Result<u64, DraftFault> {
        let owner = self.tag(writing.owner);
        let id = *writing.id.as_bytes();
        let before = table.one(id, now.timestamp()).await?;
        if before.as_ref().is_some_and(|row| row.owner != owner) {
            return Err(DraftFault::NotOwn);
        }
        let revision = before.map_or(0, |row| row.revision);
        // What expired meanwhile is written anew: nothing typed is refused because of its age.
        if revision != 0 && writing.known != Some(revision) {
            return Err(DraftFault::Changed { revision });
        }
        room(table.sizes(owner, id).await?, writing.text.len())?;
        let row = self.seal(writing.id, owner, revision + 1, writing.text, now)?;
        let mut people: Vec<Tag> = writing.others.iter().map(|person| self.tag(person)).collect();
        people.push(owner);
        table.write(&row, &people).await?;
        Ok(row.revision)
    }

    /// Changes a draft, with nobody in between: `f` gets what it says and gives what it shall say, or nothing to leave it as
    /// it is. Gives the draft as it is then; `None` when it does not exist for this person. Who may see it stays.
    ///
    /// # Errors
    /// [`DraftFault`].
    pub async fn change(
        &self,
        id: Uuid,
        person: &StreamId,
        now: DateTime<Utc>,
        f: impl FnOnce(&str) -> Option<String>,
    ) -> Result<Option<Draft>, DraftFault> {
        let mut table = self.table(now, Turn::Alone).await?;
        let changed = self.change_in(&mut table, (id, person), now, f).await;
        table.end(changed).await
    }

    async fn change_in(
        &self,
        table: &mut Table,
        (id, person): (Uuid, &StreamId),
        now: DateTime<Utc>,
        f: impl FnOnce(&str) -> Option<String>,
    ) -> Result<Option<Draft>, DraftFault> {
        let tag = self.tag(person);
        let Some(row) = self.row(table, id, person, now).await? else { return Ok(None) };
        let owner = row.owner;
        let Some(draft) = self.read(&row, tag) else { return Ok(None) };
        let Some(text) = f(&draft.text) else { return Ok(Some(draft)) };
        if text.len() > DRAFT_BYTES_MAX {
            return Err(DraftFault::TooLong { bytes: text.len() });
        }
        let row = self.seal(id, owner, draft.revision + 1, &text, now)?;
        table.rewrite(&row).await?;
        Ok(self.read(&row, tag))
    }

    /// Removes a draft from every file; whether there was one for this person. Its owner may, and whoever it waits for: what
    /// was submitted is nobody's draft any more.
    ///
    /// # Errors
    /// [`DraftFault::Store`], [`DraftFault::Foreign`].
    pub async fn remove(&self, id: Uuid, person: &StreamId, now: DateTime<Utc>) -> Result<bool, DraftFault> {
        let mut table = self.table(now, Turn::Alone).await?;
        let removed = self.remove_in(&mut table, id, person, now).await;
        table.end(removed).await
    }

    async fn remove_in(
        &self,
        table: &mut Table,
        id: Uuid,
        person: &StreamId,
        now: DateTime<Utc>,
    ) -> Result<bool, DraftFault> {
        if self.row(table, id, person, now).await?.is_none() {
            return Ok(false);
        }
        table.remove(*id.as_bytes()).await?;
        Ok(true)
    }

    /// The table, in a transaction that sees nothing expired.
    async fn table(&self, now: DateTime<Utc>, turn: Turn) -> Result<MutexGuard<'_, Table>, DraftFault> {
        let open = async || Table::open(&self.0.layout).await.map(Mutex::new);
        let mut table = self.0.table.get_or_try_init(open).await?.lock().await;
        table.begin(now.timestamp(), turn).await?;
        Ok(table)
    }

    /// The row of a draft, if this person may see it.
    async fn row(
        &self,
        table: &mut Table,
        id: Uuid,
        person: &StreamId,
        now: DateTime<Utc>,
    ) -> Result<Option<Row>, DraftFault> {
        let id = *id.as_bytes();
        if !table.may_see(id, self.tag(person)).await? {
            return Ok(None);
        }
        Ok(table.one(id, now.timestamp()).await?)
    }

    /// Which person; the disk does not tell who.
    fn tag(&self, person: &StreamId) -> Tag {
        let mut tag = [0; 16];
        self.0.vault.keyed(CONTEXT, format!("person\n{person}").as_bytes()).finalize_xof().fill(&mut tag);
        Tag(tag)
    }

    fn key(&self, id: Uuid) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(*self.0.vault.keyed(CONTEXT, format!("key\n{id}").as_bytes()).finalize().as_bytes())
    }

    fn seal(&self, id: Uuid, owner: Tag, revision: u64, text: &str, now: DateTime<Utc>) -> Result<Row, DraftFault> {
        let sealed = sealing::conceal(&self.key(id), &place(owner, revision), text, self.0.vault.nonce());
        Ok(Row {
            id: *id.as_bytes(),
            owner,
            revision,
            changed_at: now.timestamp(),
            expires_at: (now + TimeDelta::days(KEPT_DAYS)).timestamp(),
            sealed: sealed.map_err(DraftFault::Seal)?,
        })
    }

    /// What a row says; `None` for one that this vault did not write: it says nothing to anybody.
    fn read(&self, row: &Row, reader: Tag) -> Option<Draft> {
        let id = Uuid::from_bytes(row.id);
        let text = sealing::reveal(&self.key(id), &place(row.owner, row.revision), &row.sealed).ok()?;
        Some(Draft {
            id,
            revision: row.revision,
            changed_at: DateTime::from_timestamp(row.changed_at, 0)?,
            expires_at: DateTime::from_timestamp(row.expires_at, 0)?,
            is_own: row.owner == reader,
            text,
        })
    }
}

/// What the encryption binds besides the id, which the key is derived from.
fn place(owner: Tag, revision: u64) -> String {
    format!("{}\n{revision}", owner.to_hex())
}

/// Whether there is room for one more text, by what there is besides.
fn room((owned, all, bytes): (u64, u64, u64), more: usize) -> Result<(), DraftFault> {
    if owned >= DRAFTS_OF_ONE_MAX {
        return Err(DraftFault::TooMany);
    }
    if all >= DRAFTS_MAX || bytes + more as u64 > BYTES_MAX {
        return Err(DraftFault::Full);
    }
    Ok(())
}
