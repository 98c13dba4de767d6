//! What a ledger took in across a network gap, and its answers (`vault/taken.db`).
//!
//! A row is durable before its period is answered in public, so a file that is carried twice records nothing twice and
//! changes no answer. Everything that says something is encrypted under a key of the vault: which packet became which
//! matter is nobody's business. Rows are gone [`KEPT_DAYS`] after they were taken in; capsules end with them.
//!
//! Not here: judging a packet, checking a batch, what a capsule says (the shell's, and `gongkai_domain::gap`).

mod table;

use std::{path::PathBuf, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use gongkai_domain::gap::{Answer, GapError, Outcome, Secret, plant};
use gongkai_log::{Digest, StreamId};
use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, MutexGuard};

use self::table::{Row, Table};
use crate::{
    error::StoreError,
    layout::Layout,
    vault::{Tag, Vault, VaultFault},
};

/// Days for which answers are sent out: the longest procedure for a letter, and a year.
pub const KEPT_DAYS: i64 = 540;

const CONTEXT: &str = "gongkai 2026 taken in v1";

/// Why something was not kept or read.
#[derive(Debug, thiserror::Error)]
pub enum TakenFault {
    /// The file is another program's or a later version's; it was not touched.
    #[error("{} is no record of what was taken in that this program knows", .0.display())]
    Foreign(PathBuf),
    /// More answers at once than a tree has places.
    #[error(transparent)]
    Gap(#[from] GapError),
    /// The vault failed, or did not write a row.
    #[error("what was taken in")]
    Vault(#[from] VaultFault),
    /// The database failed.
    #[error("what was taken in")]
    Store(#[from] StoreError),
}

/// A packet and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Taken {
    /// Its commitment in the intake's log.
    pub commitment: Digest,
    /// Number of its period there.
    pub batch: u64,
    /// Under which the answer is sent out; absent when the packet could not be opened.
    pub follow: Option<Secret>,
    /// What became of it.
    pub outcome: Outcome,
    /// What the ledger says of it.
    pub note: String,
    /// Code that shows the matter inside; absent when there is none.
    pub code: Option<String>,
    /// Who asked what waits for their signature; absent where something was handed in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<Asked>,
    /// Salt of the answer.
    pub salt: Digest,
    /// Place and path of the answer, once there is a root over it.
    pub place: Option<(u64, Vec<Digest>)>,
}

/// Whoever asks from outside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// Name of their key.
    pub key: String,
    /// When, as they say; of a key the last one counts.
    pub at: DateTime<Utc>,
}

struct Inner {
    path: PathBuf,
    vault: Vault,
    // Opened when it is first needed.
    table: Mutex<Option<Table>>,
}

/// See the module. Cheap to clone.
#[derive(Clone)]
pub struct TakenBook(Arc<Inner>);

impl std::fmt::Debug for TakenBook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TakenBook({})", self.0.path.display())
    }
}

impl TakenBook {
    /// The book of a ledger; nothing is touched yet.
    pub(crate) fn new(layout: &Layout, vault: Vault) -> Self {
        Self(Arc::new(Inner { path: layout.taken(), vault, table: Mutex::new(None) }))
    }

    async fn opened(&self) -> Result<MutexGuard<'_, Option<Table>>, TakenFault> {
        let mut guard = self.0.table.lock().await;
        if guard.is_none() {
            *guard = Some(Table::open(&self.0.path).await?);
        }
        Ok(guard)
    }

    /// 32 random bytes, for the salt of an answer.
    pub fn salt(&self) -> Digest {
        Digest::from_bytes(self.0.vault.random())
    }

    fn tag(&self, what: &str) -> Tag {
        let mut tag = [0; 16];
        self.0.vault.keyed(CONTEXT, what.as_bytes()).finalize_xof().fill(&mut tag);
        Tag(tag)
    }

    fn row(&self, intake: &StreamId, place: u64, taken: &Taken, now: DateTime<Utc>) -> Result<Row, TakenFault> {
        let tag = self.tag(&format!("packet\n{}", taken.commitment));
        let text = serde_json::to_string(taken).map_err(|_| StoreError::row(taken.batch, "taken", "no JSON form"))?;
        let sealed = self.0.vault.conceal(CONTEXT, &tag.to_hex(), &text)?;
        let (intake, batch, taken_at) = (self.tag(&intake.to_string()), taken.batch, now.timestamp());
        Ok(Row { tag, intake, batch, place, taken_at, sealed })
    }

    fn read(&self, row: &Row) -> Result<Taken, TakenFault> {
        let text = self.0.vault.reveal(CONTEXT, &row.tag.to_hex(), &row.sealed)?;
        Ok(serde_json::from_str(&text).map_err(|_| StoreError::row(row.batch, "taken", "another form"))?)
    }

    /// Whether a packet was taken in already.
    ///
    /// # Errors
    /// [`TakenFault`].
    pub async fn knows(&self, commitment: &Digest) -> Result<bool, TakenFault> {
        let tag = self.tag(&format!("packet\n{commitment}"));
        let mut opened = self.opened().await?;
        Ok(table(&mut opened)?.knows(tag).await?)
    }

    /// Keeps what became of a packet; `place` is its leaf in its period. Durable when it returns.
    ///
    /// # Errors
    /// [`TakenFault`].
    pub async fn keep(
        &self,
        intake: &StreamId,
        place: u64,
        taken: &Taken,
        now: DateTime<Utc>,
    ) -> Result<(), TakenFault> {
        let row = self.row(intake, place, taken, now)?;
        let mut opened = self.opened().await?;
        let table = table(&mut opened)?;
        table.expire((now - TimeDelta::days(KEPT_DAYS)).timestamp()).await?;
        Ok(table.write(&[row]).await?)
    }

    /// Puts the answers to everything in the periods `from..to` into one tree, keeps their places, and gives its root.
    /// Until the root is on record it may be made again; each time is another tree.
    ///
    /// # Errors
    /// [`TakenFault`].
    pub async fn answer(&self, intake: &StreamId, origin: &str, (from, to): (u64, u64)) -> Result<Digest, TakenFault> {
        let mut opened = self.opened().await?;
        let table = table(&mut opened)?;
        let mut rows = table.of_batches(self.tag(&intake.to_string()), from, to).await?;
        let mut all = rows.iter().map(|row| self.read(row)).collect::<Result<Vec<_>, _>>()?;
        let leaf = |taken: &Taken| {
            let Taken { commitment, outcome, note, salt, .. } = taken;
            Answer { intake: origin, commitment: *commitment, outcome: *outcome, note }.leaf(salt)
        };
        let leaves: Vec<Digest> = all.iter().map(leaf).collect();
        let planted = plant(&leaves, &self.salt())?;
        for ((taken, row), place) in all.iter_mut().zip(&mut rows).zip(planted.leaves) {
            taken.place = Some(place);
            let text = serde_json::to_string(taken).map_err(|_| StoreError::row(row.batch, "taken", "no JSON form"))?;
            row.sealed = self.0.vault.conceal(CONTEXT, &row.tag.to_hex(), &text)?;
        }
        table.write(&rows).await?;
        Ok(planted.root)
    }

    /// Everything of an intake's periods before `to`, in their order.
    ///
    /// # Errors
    /// [`TakenFault`].
    pub async fn all(&self, intake: &StreamId, to: u64) -> Result<Vec<Taken>, TakenFault> {
        let mut opened = self.opened().await?;
        let rows = table(&mut opened)?.of_batches(self.tag(&intake.to_string()), 0, to).await?;
        rows.iter().map(|row| self.read(row)).collect()
    }
}

fn table<'g>(guard: &'g mut MutexGuard<'_, Option<Table>>) -> Result<&'g mut Table, StoreError> {
    guard.as_mut().ok_or_else(|| StoreError::sql("using what was taken in", sqlx::Error::PoolClosed))
}
