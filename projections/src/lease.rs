//! Which node writes the views of a database that several share: a row with a holder, a term and an end.
//!
//! The holder renews it, also in the transaction of every batch. When it stops, another takes the next term, and what
//! the old one had begun cannot be committed: its transaction looks for its own term and does not find it. Ends are by
//! the server's clock, so that no node's clock matters. Not here: what a writer does with it (`engine`).

use std::time::Duration;

use gongkai_store::database::{Driver, Reach};
use sqlx::{PgPool, Row as _};
use tokio::time::Instant;

use crate::follower::FollowError;

/// How long a holder that says nothing keeps it.
pub const LEASE_MAX: Duration = Duration::from_secs(6);
/// How often a holder renews it.
const RENEW_EVERY: Duration = Duration::from_secs(2);
/// How often others try to take it.
const TRY_EVERY: Duration = Duration::from_millis(500);

const TAKE: &str = "INSERT INTO views.leases (filling, holder, term, until) \
     VALUES ($1, $2, 1, clock_timestamp() + $3 * INTERVAL '1 millisecond') \
     ON CONFLICT (filling) DO UPDATE SET holder = excluded.holder, term = leases.term + 1, until = excluded.until \
     WHERE leases.until < clock_timestamp() OR leases.holder = excluded.holder RETURNING term";
const RENEW: &str = "UPDATE views.leases SET until = clock_timestamp() + $4 * INTERVAL '1 millisecond' \
     WHERE filling = $1 AND holder = $2 AND term = $3";
const RELEASE: &str =
    "UPDATE views.leases SET until = clock_timestamp() WHERE filling = $1 AND holder = $2 AND term = $3";

/// The right to write, as a transaction proves it.
#[derive(Clone, Debug)]
pub(crate) struct Fence {
    filling: String,
    holder: String,
    term: i64,
}

impl Fence {
    /// Renews the lease within a transaction; whoever was overtaken commits nothing.
    pub(crate) async fn renew(&self, on: &mut impl Reach) -> Result<(), FollowError> {
        let Driver::Postgres(connection) = on.driver() else { return Ok(()) };
        let asked = sqlx::query(RENEW).bind(&self.filling).bind(&self.holder).bind(self.term).bind(millis());
        if asked.execute(connection).await?.rows_affected() == 1 { Ok(()) } else { Err(FollowError::Overtaken) }
    }

    /// Renews it again and again, until that fails.
    pub(crate) async fn keep(&self, control: &PgPool) -> FollowError {
        loop {
            tokio::time::sleep(RENEW_EVERY).await;
            if let Err(error) = self.renew_at(control).await {
                return error;
            }
        }
    }

    async fn renew_at(&self, control: &PgPool) -> Result<(), FollowError> {
        let asked = sqlx::query(RENEW).bind(&self.filling).bind(&self.holder).bind(self.term).bind(millis());
        if asked.execute(control).await?.rows_affected() == 1 { Ok(()) } else { Err(FollowError::Overtaken) }
    }
}

/// A node's side of it.
pub(crate) struct Lease {
    control: PgPool,
    filling: String,
    holder: String,
    held: Option<Fence>,
    tried: Option<Instant>,
    renewed: Instant,
}

impl Lease {
    pub(crate) fn new(control: PgPool, filling: String) -> Result<Self, FollowError> {
        let holder = format!("{:016x}", getrandom::u64()?);
        Ok(Self { control, filling, holder, held: None, tried: None, renewed: Instant::now() })
    }

    /// The right to write, while this node has it.
    pub(crate) fn held(&self) -> Option<&Fence> {
        self.held.as_ref()
    }

    pub(crate) fn control(&self) -> &PgPool {
        &self.control
    }

    /// Tries to become the one that writes, not more often than is sensible; whether it did.
    pub(crate) async fn take(&mut self) -> Result<bool, FollowError> {
        if self.tried.is_some_and(|tried| tried.elapsed() < TRY_EVERY) {
            return Ok(false);
        }
        self.tried = Some(Instant::now());
        let asked = sqlx::query(TAKE).bind(&self.filling).bind(&self.holder).bind(millis());
        let Some(row) = asked.fetch_optional(&self.control).await? else { return Ok(false) };
        let (filling, holder) = (self.filling.clone(), self.holder.clone());
        self.held = Some(Fence { filling, holder, term: row.try_get("term")? });
        self.renewed = Instant::now();
        Ok(true)
    }

    /// Renews it when it is time to.
    pub(crate) async fn renew(&mut self) -> Result<(), FollowError> {
        let Some(fence) = &self.held else { return Ok(()) };
        if self.renewed.elapsed() >= RENEW_EVERY {
            fence.renew_at(&self.control).await?;
            self.renewed = Instant::now();
        }
        Ok(())
    }

    /// How soon something is to be done about it.
    pub(crate) fn due(&self) -> Duration {
        if self.held.is_some() { RENEW_EVERY } else { TRY_EVERY }
    }

    /// Stops acting as the holder; the row is ours until it ends or we take it again.
    pub(crate) fn step_back(&mut self) {
        (self.held, self.tried) = (None, None);
    }

    /// Gives it back, so that another need not wait for its end.
    pub(crate) async fn release(&mut self) -> Result<(), FollowError> {
        if let Some(fence) = self.held.take() {
            let asked = sqlx::query(RELEASE).bind(&fence.filling).bind(&fence.holder).bind(fence.term);
            asked.execute(&self.control).await?;
        }
        Ok(())
    }
}

fn millis() -> i64 {
    i64::try_from(LEASE_MAX.as_millis()).unwrap_or(i64::MAX)
}
