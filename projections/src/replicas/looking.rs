//! Looks how far replicas and the primary are.
//!
//! Each replica has a connection for this alone, so that busy readers do not make it look silent. One that fails is left at
//! once, by those who are reading there too, and asked again after a pause that doubles. Before anything is read from one it
//! has to follow a primary, have the served views whole, and have the primary's own statement where its own rows end: a
//! server of another ledger has views of the same name. The primary is asked too, because whoever writes the rows may be
//! another node, and the work that watches them (`engine`) may be busy with the search index.

use std::{sync::Arc, time::Duration};

use gongkai_store::{
    ServerUrl,
    database::{Pool, Purpose},
};
use sqlx::{PgPool, Row as _};
use tokio::{
    sync::watch,
    time::{Instant, timeout},
};

use super::{ANSWER_MAX, Here, REPLICA_WAIT_MAX, Replica, Standing, Stands, State, address, page_pool, pool};
use crate::{
    engine::served,
    follower::FollowError,
    home::Home,
    learned::{Learned, world_of},
    read::{self, ReadError},
    views::{Glimpse, Serving},
};

/// How often a replica is asked.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// The same while it is expected to have more in a moment.
const LOOK_AGAIN: Duration = Duration::from_millis(5);
/// How long it may take until pages can be read from one that answers.
const MEET_MAX: Duration = Duration::from_secs(10);
/// How often the primary is asked, and so by how much one node may be ahead of another.
const PRIMARY_EVERY: Duration = Duration::from_millis(200);
/// Pause before one that failed is asked again; it doubles up to [`PAUSE_MAX`].
const PAUSE: Duration = Duration::from_secs(1);
/// Longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(15);

const IS_FOLLOWING: &str = "SELECT pg_is_in_recovery()";
/// In the transaction that said so, a generation got the indexes that pages ask.
const IS_WHOLE: &str = "SELECT name FROM views.generations WHERE name = $1 AND is_whole = 1";
/// PostgreSQL's code for a table that is not there.
const NO_SUCH_TABLE: &str = "42P01";
const LAST: &str =
    "SELECT entry_index, statement_hash FROM events WHERE entry_index < $1 ORDER BY entry_index DESC LIMIT 1";
const IS_SAME: &str = "SELECT entry_index FROM events WHERE entry_index = $1 AND statement_hash = $2";
const SIZE: &str = "SELECT next_index FROM cursors WHERE projection = 'events' AND pg_is_in_recovery()";

/// Why a replica is left.
#[derive(Debug)]
struct Left(Standing, Option<String>);

impl From<sqlx::Error> for Left {
    fn from(error: sqlx::Error) -> Self {
        Self(Standing::Silent, Some(error.to_string()))
    }
}

impl From<ReadError> for Left {
    fn from(error: ReadError) -> Self {
        Self(Standing::Silent, Some(error.to_string()))
    }
}

impl From<tokio::time::error::Elapsed> for Left {
    fn from(_: tokio::time::error::Elapsed) -> Self {
        Self(Standing::Silent, None)
    }
}

/// How far a replica is, and what is known of its rows.
struct Look {
    size: u64,
    learned: Learned,
}

/// Keeps asking the primary how far its rows are.
pub(super) async fn primary(views: Glimpse) {
    while let Some(views) = views.get() {
        if let Some(serving) = views.serving() {
            let looked = timeout(ANSWER_MAX, async {
                let mut connection = serving.generation.read.acquire().await?;
                read::cursors(&mut connection).await
            });
            if let Ok(Ok(cursors)) = looked.await {
                views.see(read::entries(&cursors));
            }
        }
        drop(views);
        tokio::time::sleep(PRIMARY_EVERY).await;
    }
}

/// Keeps asking a replica, as long as anybody has the views.
pub(super) async fn keep(replica: Arc<Replica>, views: Glimpse) {
    let mut pause = PAUSE;
    let mut said = None;
    loop {
        let over = watch::Sender::new(false);
        let left = follow(&replica, &views, &over, &mut pause).await;
        let Err(Left(standing, error)) = left else { return };
        replica.state.send_replace(State::Away(standing));
        over.send_replace(true);
        if said.replace(standing) != Some(standing) || pause == PAUSE {
            tracing::warn!(replica = address(&replica.url), ?standing, error, "nothing is read from a replica");
        }
        tokio::time::sleep(pause).await;
        pause = PAUSE_MAX.min(pause * 2);
    }
}

/// Follows one as long as all is well, from generation to generation; ends well when nobody has the views any more.
async fn follow(
    replica: &Replica,
    views: &Glimpse,
    over: &watch::Sender<bool>,
    pause: &mut Duration,
) -> Result<(), Left> {
    let mut lacking = LOOK_EVERY;
    loop {
        let Some(held) = views.get() else { return Ok(()) };
        let serving = held.serving();
        drop(held);
        let Some(serving) = serving else {
            tokio::time::sleep(LOOK_EVERY).await;
            continue;
        };
        let looks = pool(&replica.url, &serving.generation.name, 1);
        let first = match timeout(MEET_MAX, meet(&looks, &serving, views)).await? {
            Err(Left(standing @ Standing::Lacking, _)) => {
                // As after each swap, for a moment; whoever reads the old views there reads on.
                replica.state.send_replace(State::Away(standing));
                tokio::time::sleep(lacking).await;
                lacking = PAUSE_MAX.min(lacking * 2);
                continue;
            }
            met => met?,
        };
        (*pause, lacking) = (PAUSE, LOOK_EVERY);
        read_from(replica, views, (serving, looks, first), over).await?;
    }
}

/// Whether pages may be read from a replica: that it follows, has the served views, and the primary's statement in them.
async fn meet(looks: &PgPool, serving: &Serving, views: &Glimpse) -> Result<Look, Left> {
    has_views(looks, &serving.generation.name).await?;
    let seen = views.get().map_or(0, |views| views.seen());
    // Without a statement to compare nothing tells whose views they are.
    let last = sqlx::query(LAST).bind(seen.cast_signed()).fetch_optional(looks).await?;
    let (Some(last), Pool::Server(primary)) = (last, &serving.generation.read) else {
        return Err(Left(Standing::Lacking, None));
    };
    let (index, hash): (i64, String) = (last.try_get(0)?, last.try_get(1)?);
    if sqlx::query(IS_SAME).bind(index).bind(hash).fetch_optional(primary).await?.is_none() {
        return Err(Left(Standing::Other, None));
    }
    let known = serving.registry.read().await.clone();
    look(looks, known).await
}

/// Whether it follows a primary and has views whole.
async fn has_views(looks: &PgPool, generation: &str) -> Result<(), Left> {
    let is_following: bool = sqlx::query_scalar(IS_FOLLOWING).fetch_one(looks).await?;
    if !is_following {
        return Err(Left(Standing::NotFollowing, None));
    }
    match sqlx::query(IS_WHOLE).bind(generation).fetch_optional(looks).await {
        Ok(Some(_)) => Ok(()),
        Ok(None) => Err(Left(Standing::Lacking, None)),
        Err(sqlx::Error::Database(error)) if error.code().is_some_and(|code| code == NO_SUCH_TABLE) => {
            Err(Left(Standing::Lacking, None))
        }
        Err(error) => Err(error.into()),
    }
}

/// Lets readers have it, and keeps asking how far it is, until another generation is served.
async fn read_from(
    replica: &Replica,
    views: &Glimpse,
    (serving, looks, mut found): (Arc<Serving>, PgPool, Look),
    over: &watch::Sender<bool>,
) -> Result<(), Left> {
    let generation: Arc<str> = serving.generation.name.as_str().into();
    let pages = page_pool(&replica.url, &generation);
    tracing::info!(replica = address(&replica.url), size = found.size, "pages are read from a replica");
    let mut wanted = Wanted(None);
    loop {
        let Some(held) = views.get() else { return Ok(()) };
        if held.serving().is_none_or(|now| now.generation.name != *generation) {
            return Ok(());
        }
        let mut seen = held.watch_seen();
        drop(held);
        let behind = wanted.compare(found.size, *seen.borrow_and_update());
        replica.state.send_replace(State::Here(Here {
            generation: Arc::clone(&generation),
            pool: pages.clone(),
            size: found.size,
            learned: Arc::new(found.learned.clone()),
            is_late: behind == Behind::Late,
            over: over.subscribe(),
        }));
        tokio::select! {
            () = tokio::time::sleep(if behind == Behind::Soon { LOOK_AGAIN } else { LOOK_EVERY }) => {}
            _ = seen.changed() => {}
            () = replica.doubt.notified() => {}
        }
        found = timeout(ANSWER_MAX, look(&looks, found.learned)).await??;
    }
}

/// How far it is, and what is to be known of that.
async fn look(looks: &PgPool, learned: Learned) -> Result<Look, Left> {
    let size: Option<i64> = sqlx::query_scalar(SIZE).fetch_optional(looks).await?;
    let size = size.ok_or(Left(Standing::NotFollowing, None))?.unsigned_abs();
    if size <= learned.size {
        // Where the primary is known to have more, nothing is read here before this has it too.
        return Ok(Look { size, learned });
    }
    let mut transaction = Pool::Server(looks.clone()).begin(Purpose::Reading).await?;
    let size = read::entries(&read::cursors(&mut transaction).await?);
    let world = world_of(&mut transaction, size, &learned).await.map_err(ReadError::from)?;
    transaction.rollback().await?;
    Ok(Look { size, learned: Learned { world, size } })
}

/// What the primary was known to have when it was compared first, and since when.
struct Wanted(Option<(u64, Instant)>);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Behind {
    Not,
    Soon,
    Late,
}

impl Wanted {
    /// Under load a replica is always a little behind; it is late when it does not have after a while what was wanted at
    /// its beginning.
    fn compare(&mut self, size: u64, seen: u64) -> Behind {
        if self.0.is_some_and(|(wanted, _)| size >= wanted) {
            self.0 = None;
        }
        if size >= seen {
            return Behind::Not;
        }
        let (_, since) = self.0.get_or_insert_with(|| (seen, Instant::now()));
        if since.elapsed() > REPLICA_WAIT_MAX { Behind::Late } else { Behind::Soon }
    }
}

/// How each replica stands, without running anything: for whoever looks after the ledger.
///
/// # Errors
/// [`FollowError::Database`], the primary's.
pub async fn examine(home: &Home) -> Result<Vec<Stands>, FollowError> {
    let mut found = Vec::new();
    let Some(name) = served(home).await? else { return Ok(found) };
    let (_, primary) = home.pools(&name, None).await?;
    let seen = read::entries(&read::cursors(&mut primary.acquire().await?).await?);
    for url in home.replicas() {
        let standing = timeout(ANSWER_MAX, stands(url, &name, seen)).await;
        let standing = standing.map_err(Left::from).flatten().unwrap_or_else(|Left(standing, _)| standing);
        found.push(Stands { address: address(url), standing });
    }
    Ok(found)
}

async fn stands(url: &ServerUrl, generation: &str, seen: u64) -> Result<Standing, Left> {
    let looks = pool(url, generation, 1);
    has_views(&looks, generation).await?;
    let size: Option<i64> = sqlx::query_scalar(SIZE).fetch_optional(&looks).await?;
    let size = size.ok_or(Left(Standing::NotFollowing, None))?;
    Ok(Standing::Reading { behind: seen.saturating_sub(size.unsigned_abs()) })
}
