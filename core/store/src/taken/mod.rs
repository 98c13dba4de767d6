//! What a ledger took in across a network gap, and its answers.
//!
//! A row is durable before its period is answered in public, so a file that is carried twice records nothing twice and
//! changes no answer. Several nodes of a ledger have one such record: of those that take the same packet in, one answers it
//! while the others wait ([`TakenBook::once`]). Which tree the answers make follows from them, so all nodes make the same one
//! ([`TakenBook::root`]); where an answer is in it is found when its root is on record ([`TakenBook::all`]). Everything that
//! says something is encrypted under a key of the vault: which packet became which matter is nobody's business. Rows are gone
//! [`KEPT_DAYS`] after they were taken in; capsules end with them.
//!
//! Not here: judging a packet, checking a batch, what a capsule says (the shell's, and `gongkai_domain::gap`), where the rows
//! lie (`beside`).

mod table;
#[cfg(test)]
mod tests;

use std::{future::Future, path::Path, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use gongkai_domain::{
    gap::{Answer, GapError, Outcome, Planted, Secret, plant},
    world::Intake,
};
use gongkai_log::{Digest, StreamId, sealed::verify_period_path};
use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, MutexGuard, OnceCell};

pub(crate) use self::table::STORE;
use self::table::{Row, Table};
use crate::{
    beside::{self, BesideFault},
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
    /// It is another program's or a later version's; it was not touched.
    #[error("{0} is no record of what was taken in that this program knows")]
    Foreign(String),
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

impl From<BesideFault> for TakenFault {
    fn from(fault: BesideFault) -> Self {
        match fault {
            BesideFault::Foreign(what) => Self::Foreign(what),
            BesideFault::Store(error) => Self::Store(error),
        }
    }
}

/// Which packet.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The intake that took it.
    pub intake: &'a StreamId,
    /// Number of its period there.
    pub batch: u64,
    /// Its leaf in that period.
    pub leaf: u64,
    /// Its commitment there.
    pub commitment: Digest,
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
    /// Place and path of the answer, once its root is on record and it was found under it.
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
    layout: Layout,
    vault: Vault,
    // Opened when it is first needed.
    table: OnceCell<Mutex<Table>>,
}

/// See the module. Cheap to clone.
#[derive(Clone)]
pub struct TakenBook(Arc<Inner>);

impl std::fmt::Debug for TakenBook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TakenBook({})", self.0.layout.root().display())
    }
}

impl TakenBook {
    /// The book of a ledger; nothing is touched yet.
    pub(crate) fn new(layout: &Layout, vault: Vault) -> Self {
        Self(Arc::new(Inner { layout: layout.clone(), vault, table: OnceCell::new() }))
    }

    /// Copies the book of a ledger into a file that must not exist, also beside running servers; whether there is one. It
    /// needs no key.
    ///
    /// # Errors
    /// [`TakenFault`].
    pub async fn back_up(layout: &Layout, to: &Path) -> Result<bool, TakenFault> {
        Ok(beside::back_up(&STORE, layout, to).await?)
    }

    /// The table, in a transaction.
    async fn table(&self) -> Result<MutexGuard<'_, Table>, TakenFault> {
        let open = async || Table::open(&self.0.layout).await.map(Mutex::new);
        let mut table = self.0.table.get_or_try_init(open).await?.lock().await;
        table.begin().await?;
        Ok(table)
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

    fn seal(&self, tag: Tag, taken: &Taken) -> Result<Vec<u8>, TakenFault> {
        let text = serde_json::to_string(taken).map_err(|_| StoreError::row(taken.batch, "taken", "no JSON form"))?;
        Ok(self.0.vault.conceal(CONTEXT, &tag.to_hex(), &text)?)
    }

    fn read(&self, row: &Row) -> Result<Taken, TakenFault> {
        let text = self.0.vault.reveal(CONTEXT, &row.tag.to_hex(), &row.sealed)?;
        Ok(serde_json::from_str(&text).map_err(|_| StoreError::row(row.batch, "taken", "another form"))?)
    }

    /// Answers a packet unless it was answered before, and keeps what became of it, durably when this returns; `None` where
    /// it was. Whoever else takes it in meanwhile, at whichever node, waits. If `answer` fails or we stop, nothing is kept, and
    /// the next one answers; what the ledger has recorded by then is found there under the packet's own key.
    ///
    /// # Errors
    /// What `answer` says; [`TakenFault`].
    pub async fn once<E: From<TakenFault>>(
        &self,
        place: Place<'_>,
        now: DateTime<Utc>,
        answer: impl Future<Output = Result<Taken, E>>,
    ) -> Result<Option<Outcome>, E> {
        let mut table = self.table().await?;
        let kept = self.once_in(&mut table, place, now, answer).await;
        table.end(kept.map_err(Unkept::Other)).await.map_err(|unkept| match unkept {
            Unkept::Other(error) => error,
            Unkept::Store(error) => TakenFault::from(error).into(),
        })
    }

    async fn once_in<E: From<TakenFault>>(
        &self,
        table: &mut Table,
        Place { intake, batch, leaf, commitment }: Place<'_>,
        now: DateTime<Utc>,
        answer: impl Future<Output = Result<Taken, E>>,
    ) -> Result<Option<Outcome>, E> {
        let tag = self.tag(&format!("packet\n{commitment}"));
        let intake = self.tag(&intake.to_string());
        let row = Row { tag, intake, batch, place: leaf, taken_at: now.timestamp(), sealed: Vec::new() };
        if !table.claim(&row).await.map_err(TakenFault::from)? {
            return Ok(None);
        }
        let taken = answer.await?;
        table.seal(tag, &self.seal(tag, &taken)?).await.map_err(TakenFault::from)?;
        Ok(Some(taken.outcome))
    }

    /// The root of the tree of the answers to everything in the periods `from..to`, all of which was answered: the same
    /// whenever and wherever it is made.
    ///
    /// # Errors
    /// [`TakenFault`].
    pub async fn root(
        &self,
        (intake, origin): (&StreamId, &str),
        (from, to): (u64, u64),
        now: DateTime<Utc>,
    ) -> Result<Digest, TakenFault> {
        let before = (now - TimeDelta::days(KEPT_DAYS)).timestamp();
        let mut table = self.table().await?;
        let rows = self.current(&mut table, before, (intake, from, to)).await;
        let all = table.end(rows).await?.iter().map(|row| self.read(row)).collect::<Result<Vec<_>, _>>()?;
        Ok(self.plant((intake, origin), (from, to), &all)?.root)
    }

    /// The rows of these periods, when those that are over are gone.
    async fn current(
        &self,
        table: &mut Table,
        before: i64,
        (intake, from, to): (&StreamId, u64, u64),
    ) -> Result<Vec<Row>, TakenFault> {
        table.expire(before).await?;
        Ok(table.of_batches(self.tag(&intake.to_string()), from, to).await?)
    }

    /// The tree of these answers. Its places and decoys are what nobody knows without the vault and the answers.
    fn plant(
        &self,
        (intake, origin): (&StreamId, &str),
        (from, to): (u64, u64),
        all: &[Taken],
    ) -> Result<Planted, GapError> {
        let leaves: Vec<Digest> = all.iter().map(|taken| leaf(origin, taken)).collect();
        let mut nonce = self.0.vault.keyed(CONTEXT, format!("answers\n{intake}\n{from}\n{to}").as_bytes());
        for leaf in &leaves {
            nonce.update(leaf.as_bytes());
        }
        plant(&leaves, &Digest::from_bytes(*nonce.finalize().as_bytes()))
    }

    /// Everything of an intake's periods that are answered, in their order. What leads to no root on record is put under the
    /// one over its period where it belongs there: so it is after each answer, also of another node, and after a crash.
    ///
    /// # Errors
    /// [`TakenFault`].
    pub async fn all(&self, intake: &Intake) -> Result<Vec<Taken>, TakenFault> {
        let (answered, _) = intake.answered();
        let mut table = self.table().await?;
        let all = self.placed(&mut table, intake, answered).await;
        table.end(all).await
    }

    async fn placed(&self, table: &mut Table, intake: &Intake, to: u64) -> Result<Vec<Taken>, TakenFault> {
        let rows = table.of_batches(self.tag(&intake.stream.to_string()), 0, to).await?;
        let mut all = rows.iter().map(|row| self.read(row)).collect::<Result<Vec<_>, _>>()?;
        let (origin, mut first, mut from) = (intake.key.name(), 0, 0);
        for answer in &intake.answers {
            let count = all[first..].partition_point(|taken| taken.batch < answer.to);
            let (some, rows) = (&mut all[first..first + count], &rows[first..first + count]);
            if some.iter().any(|taken| !is_under(&answer.answers, origin, taken)) {
                let planted = self.plant((&intake.stream, origin), (from, answer.to), some)?;
                // Another root where some of its answers are gone: what leads to none is not sent out.
                let places = (planted.root == answer.answers).then_some(planted.leaves);
                let mut places = places.into_iter().flatten();
                for (taken, row) in some.iter_mut().zip(rows) {
                    let place = places.next();
                    if is_under(&answer.answers, origin, taken) {
                        continue;
                    }
                    taken.place = place;
                    table.seal(row.tag, &self.seal(row.tag, taken)?).await?;
                }
            }
            (first, from) = (first + count, answer.to);
        }
        Ok(all)
    }
}

/// Why a packet was not kept: what its answer says, or the commit.
enum Unkept<E> {
    Other(E),
    Store(StoreError),
}

impl<E> From<StoreError> for Unkept<E> {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

fn leaf(origin: &str, taken: &Taken) -> Digest {
    let Taken { commitment, outcome, note, salt, .. } = taken;
    Answer { intake: origin, commitment: *commitment, outcome: *outcome, note }.leaf(salt)
}

/// Whether the place that is known leads to this root.
fn is_under(root: &Digest, origin: &str, taken: &Taken) -> bool {
    let Some((place, path)) = &taken.place else { return false };
    usize::try_from(*place).is_ok_and(|place| verify_period_path(root, place, &leaf(origin, taken), path))
}
