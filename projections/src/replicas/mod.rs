//! Streaming replicas of the database that holds the views: what a page is read from instead of the primary.
//!
//! A page from a replica is one snapshot with its cursors in it, as one from the primary is, and it lies between two marks.
//! It is not older than anything that this node has given out or knows the primary to show, nor than the entry that its
//! asker has seen. And it is not given out before this node knows the primary to show as much: a replica may show a commit
//! earlier than its primary, and the next reader may be sent there. A replica that is behind is waited for, at most
//! [`REPLICA_WAIT_MAX`] and only if it keeps up on the whole; then, and whenever one fails, the primary answers. Between
//! two nodes a reload may go back by what one learned of the primary within the last moments (`looking`).
//!
//! Only pages are read here. What is projected, indexed, compared, verified or sequenced is read from the primary, and what
//! a reader of a replica folds stays its own. A reader that loses its replica in the middle cannot go on elsewhere, because
//! that would be another moment: it says so to its [`Asking`], and whoever asked asks the primary again from the start.
//!
//! Not here: when a replica is usable (`looking`), and what asks again (the HTTP side).

mod looking;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use gongkai_store::{
    ServerUrl,
    database::{Pool, Purpose, connections},
};
use serde::Serialize;
use sqlx::PgPool;
use tokio::{
    sync::{Notify, watch},
    task::JoinSet,
    time::Instant,
};

pub use looking::examine;

use crate::{
    home::{READERS_MAX, schema_of},
    learned::{Learned, world_of},
    read::{self, Cursor, ReadError},
    views::Glimpse,
};

/// Most replicas of a node.
pub const REPLICAS_MAX: usize = 8;
/// How long a reader waits for replicas altogether, before it reads the primary.
pub const REPLICA_WAIT_MAX: Duration = Duration::from_millis(150);
/// How long a replica may take to say how far it is; one that takes longer is left, by whoever is reading there too.
pub const ANSWER_MAX: Duration = Duration::from_secs(1);
/// After how long a replica ends a transaction that does not go on; as the primary does.
const IDLE_MAX: &str = "60s";

/// How a replica stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Pages are read from it; it has so many entries less than the primary.
    Reading {
        /// How many.
        behind: u64,
    },
    /// It does not answer.
    Silent,
    /// It does not follow a primary: it was promoted, or never was a replica.
    NotFollowing,
    /// It does not have the views that are served now.
    Lacking,
    /// What it has is not what the primary has.
    Other,
}

/// A replica, and how it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Stands {
    /// Host and port; for whoever runs the ledger.
    pub address: String,
    /// How it stands.
    pub standing: Standing,
}

/// One asking for pages that may be read from replicas: whether a replica was lost on the way, so that what was made is
/// worth nothing and is to be made again from the primary. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Asking(Arc<AtomicBool>);

impl Asking {
    /// Whether a replica was lost while it was read.
    pub fn lost_one(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// What is known of a replica.
#[derive(Clone)]
enum State {
    /// Nothing is read from it.
    Away(Standing),
    /// Pages are.
    Here(Here),
}

/// A replica from which pages can be read.
#[derive(Clone)]
struct Here {
    /// The generation that the connections are to.
    generation: Arc<str>,
    pool: PgPool,
    /// How far it was when it was asked last.
    size: u64,
    /// What is known of the rows up to there, or a little further.
    learned: Arc<Learned>,
    /// It has not had for some time what the primary has: nobody waits for it.
    is_late: bool,
    /// Becomes true when it is gone, for whoever is reading there.
    over: watch::Receiver<bool>,
}

/// A replica.
struct Replica {
    url: ServerUrl,
    state: watch::Sender<State>,
    /// Somebody found it failing.
    doubt: Notify,
}

/// The replicas of a node; cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Replicas {
    all: Arc<[Arc<Replica>]>,
    turn: Arc<AtomicUsize>,
}

/// A moment of a replica, and what is needed to read in it.
pub(crate) struct Moment {
    pub(crate) transaction: gongkai_store::database::Transaction,
    pub(crate) world: Arc<gongkai_domain::World>,
    pub(crate) cursors: std::collections::BTreeMap<String, Cursor>,
    pub(crate) near: Near,
}

/// What a reader knows of the replica that it reads.
pub(crate) struct Near {
    asking: Asking,
    replica: Arc<Replica>,
    over: watch::Receiver<bool>,
}

impl Near {
    /// The answer, or that the replica is lost: it failed, it cancelled (a recovery conflict), or it does not answer any
    /// more.
    pub(crate) async fn heard<T>(
        &mut self,
        answer: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, ReadError> {
        let heard = tokio::select! {
            answer = answer => answer.map_err(|error| tracing::info!(%error, "a replica did not answer a reader")).ok(),
            // Its sender is gone only when the replica is.
            _ = self.over.wait_for(|over| *over) => None,
        };
        heard.ok_or_else(|| {
            self.asking.0.store(true, Ordering::Release);
            self.replica.doubt.notify_one();
            ReadError::Lost
        })
    }
}

impl Replicas {
    pub(crate) fn new(urls: &[ServerUrl]) -> Self {
        let replica = |url: &ServerUrl| {
            let (state, doubt) = (watch::Sender::new(State::Away(Standing::Silent)), Notify::new());
            Arc::new(Replica { url: url.clone(), state, doubt })
        };
        Self { all: urls.iter().take(REPLICAS_MAX).map(replica).collect(), turn: Arc::default() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Asks them how far they are, until it is dropped.
    pub(crate) fn look(&self, views: &Glimpse) -> JoinSet<()> {
        let mut looking = JoinSet::new();
        if !self.is_empty() {
            looking.spawn(looking::primary(views.clone()));
        }
        for replica in self.all.iter() {
            looking.spawn(looking::keep(Arc::clone(replica), views.clone()));
        }
        looking
    }

    /// How each stands, beside a primary that shows so many entries.
    pub(crate) fn standings(&self, seen: u64) -> Vec<Stands> {
        let standing = |replica: &Arc<Replica>| {
            let standing = match &*replica.state.borrow() {
                State::Away(standing) => *standing,
                State::Here(here) => Standing::Reading { behind: seen.saturating_sub(here.size) },
            };
            Stands { address: address(&replica.url), standing }
        };
        self.all.iter().map(standing).collect()
    }

    /// A moment of one of them that has these rows, at least `floor` entries of them, and not more than the primary is
    /// known to show; `None` when the primary is to be read.
    pub(crate) async fn moment(
        &self,
        generation: &str,
        floor: u64,
        seen: &mut watch::Receiver<u64>,
        asking: &Asking,
    ) -> Option<Moment> {
        let until = Instant::now() + REPLICA_WAIT_MAX;
        let found = tokio::time::timeout_at(until, async {
            let replica = self.choose(generation, floor).await?;
            let moment = replica.moment(generation, floor, asking).await;
            let moment = moment.inspect_err(|_| replica.doubt.notify_one()).ok().flatten()?;
            let size = read::entries(&moment.cursors);
            seen.wait_for(|seen| *seen >= size).await.ok()?;
            Some(moment)
        });
        found.await.ok().flatten()
    }

    /// One that has as much, in turn; or one that will have it soon.
    async fn choose(&self, generation: &str, floor: u64) -> Option<&Arc<Replica>> {
        let first = self.turn.fetch_add(1, Ordering::Relaxed) % self.all.len().max(1);
        let (before, after) = self.all.split_at(first);
        let mut soon = None;
        for replica in after.iter().chain(before) {
            let State::Here(here) = &*replica.state.borrow() else { continue };
            if *here.generation != *generation {
                continue;
            }
            if here.size >= floor {
                return Some(replica);
            }
            soon = soon.or((!here.is_late).then_some(replica));
        }
        let soon = soon?;
        let mut state = soon.state.subscribe();
        let is_coming = |state: &State| matches!(state, State::Here(here) if here.size < floor && !here.is_late);
        state.wait_for(|state| !is_coming(state)).await.ok()?;
        Some(soon)
    }
}

impl Replica {
    /// A moment of it, if it has what is wanted.
    async fn moment(
        self: &Arc<Self>,
        generation: &str,
        floor: u64,
        asking: &Asking,
    ) -> Result<Option<Moment>, ReadError> {
        let State::Here(here) = self.state.borrow().clone() else { return Ok(None) };
        if *here.generation != *generation {
            return Ok(None);
        }
        let mut transaction = Pool::Server(here.pool).begin(Purpose::Reading).await?;
        let cursors = read::cursors_of_replica(&mut transaction).await?;
        let size = read::entries(&cursors);
        if size < floor.max(here.learned.size) || cursors.is_empty() {
            return Ok(None);
        }
        // Known to this reader alone: what is kept for others is folded from the primary's rows.
        let world = world_of(&mut transaction, size, &here.learned).await?;
        let near = Near { asking: asking.clone(), replica: Arc::clone(self), over: here.over };
        Ok(Some(Moment { transaction, world, cursors, near }))
    }
}

/// Host and port, and nothing else of an address.
fn address(url: &ServerUrl) -> String {
    let options = url.options();
    format!("{}:{}", options.get_host(), options.get_port())
}

/// Connections to a generation's rows in a replica.
fn pool(url: &ServerUrl, generation: &str, connections_max: u32) -> PgPool {
    let schema = schema_of(generation);
    let options = url.options().options([
        ("search_path", schema.as_str()),
        ("default_transaction_read_only", "on"),
        ("idle_in_transaction_session_timeout", IDLE_MAX),
    ]);
    connections(connections_max).acquire_timeout(ANSWER_MAX).connect_lazy_with(options)
}

/// Connections that pages are read over.
fn page_pool(url: &ServerUrl, generation: &str) -> PgPool {
    pool(url, generation, READERS_MAX)
}
