//! The registry, the calendar and the rules as of some rows, folded from the timeline without reading the log again.
//!
//! The follower exchanges them under the lock under which it commits the rows, and a reader begins under the same lock:
//! it sees both of before a batch, or both of after it. Where another node wrote the rows, a reader folds what it finds
//! beyond them in its own moment. Not here: what a row of the timeline holds (`recalled`).

use std::sync::Arc;

use gongkai_domain::World;
use gongkai_store::database::{Reach, query};
use tokio::sync::RwLock;

use crate::recalled::{RecallError, teach};

/// Rows that a [`World`] learns from, as far as views need it (not the books of account).
pub(crate) const TAUGHT: &str = "SELECT entry_index, stream, revision, kind, org, recorded_at, declared_at, statement_hash, parent, slots, signers, body \
     FROM events WHERE family IN ('calendar', 'intake', 'key', 'ledger', 'organization', 'person', 'post', 'receiver', 'role', 'rule') \
     AND entry_index >= $1 ORDER BY entry_index";

/// Families whose events are such rows.
pub(crate) const TEACHING: &[&str] =
    &["calendar", "intake", "key", "ledger", "organization", "person", "post", "receiver", "role", "rule"];

/// A world and how many entries it is of.
#[derive(Clone, Default)]
pub(crate) struct Learned {
    pub world: Arc<World>,
    pub size: u64,
}

/// What is known of the rows that are committed.
pub(crate) type Registry = Arc<RwLock<Learned>>;

/// The world of the rows that are seen here, `size` entries of them.
pub(crate) async fn world_of(on: &mut impl Reach, size: u64, learned: &Learned) -> Result<Arc<World>, RecallError> {
    if size == learned.size {
        return Ok(Arc::clone(&learned.world));
    }
    // A server that lost its last commits has less than we knew: then from the beginning.
    let known = Learned { world: Arc::clone(&learned.world), size: learned.size };
    let Learned { mut world, size: from } = if learned.size < size { known } else { Learned::default() };
    let rows = query(TAUGHT).bind(from.cast_signed()).fetch_all(on).await?;
    if !rows.is_empty() {
        let world = Arc::make_mut(&mut world);
        for row in &rows {
            teach(world, row)?;
        }
    }
    Ok(world)
}
