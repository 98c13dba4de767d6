//! Whether the ledger still logs the root of its map (总目), told from what is published: `/status` and `doctor`, on a ledger
//! and on a copy alike.
//!
//! The newest entries are looked at from the end, until the last root and what it does not cover are known. Roots that stop
//! while records go on are what is looked for: from then on nobody can prove that nothing is missing. Not here: whether a
//! root is right, which the map itself compares (`gongkai_store::map`) and a check of the whole log.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use gongkai_domain::kind;
use gongkai_log::Entry;
use gongkai_log::map::BEHIND_MAX;
use gongkai_log::tile::TILE_WIDTH;

use crate::http::published::{Published, PublishedError};

/// Bundles that are looked through for the last root: as far as a root may be behind, and as much again in a busy hour.
const BUNDLES_MAX: u64 = 2 * BEHIND_MAX / TILE_WIDTH;

/// So many intervals without a root are too many.
const INTERVALS_MAX: i32 = 2;

/// A root that an entry says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Root {
    /// The entry.
    pub index: u64,
    /// Entries that it is of.
    pub size: u64,
    /// When it was recorded.
    pub recorded_at: DateTime<Utc>,
}

/// The first record that no root covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Its entry.
    pub index: u64,
    /// When it was recorded.
    pub recorded_at: DateTime<Utc>,
}

/// How far roots go in a log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Roots {
    /// The last root; `None` where there is none among the entries that were looked at.
    pub last: Option<Root>,
    /// What waits for the next: a root says nothing of itself, and is not waited for.
    pub waiting: Option<Waiting>,
}

impl Roots {
    /// Looks at the newest entries of a published log.
    ///
    /// # Errors
    /// [`PublishedError`].
    pub async fn of(log: &Published) -> Result<Self, PublishedError> {
        let size = log.checkpoint().await?.map_or(0, |signed| signed.checkpoint.size);
        let (mut roots, end) = (Self::default(), size.div_ceil(TILE_WIDTH));
        for number in (end.saturating_sub(BUNDLES_MAX)..end).rev() {
            let entries = log.bundle(number).await?;
            // A checkpoint that grew meanwhile brings no entry out of its turn.
            if entries.iter().rev().filter(|entry| entry.index < size).any(|entry| roots.is_told_by(entry)) {
                break;
            }
        }
        Ok(roots)
    }

    /// Takes the entry before those that were taken; whether nothing before it can matter.
    fn is_told_by(&mut self, entry: &Entry) -> bool {
        if self.last.is_some_and(|root| entry.index < root.size) {
            return true;
        }
        let Some(signed) = entry.content.statement() else { return false };
        match kind::map::rooted(&signed.statement) {
            Some(said) if self.last.is_none() => {
                self.last = Some(Root { index: entry.index, size: said.size, recorded_at: entry.recorded_at });
            }
            Some(_) => {}
            None => self.waiting = Some(Waiting { index: entry.index, recorded_at: entry.recorded_at }),
        }
        false
    }

    /// What has waited too long as of `now`, on a machine that could have seen a root since `began`.
    pub fn overdue(&self, began: DateTime<Utc>, now: DateTime<Utc>, interval: Duration) -> Option<Waiting> {
        let interval = TimeDelta::from_std(interval).unwrap_or(TimeDelta::MAX);
        let most = interval.checked_mul(INTERVALS_MAX).unwrap_or(TimeDelta::MAX);
        self.waiting.filter(|waiting| now.signed_duration_since(waiting.recorded_at.max(began)) > most)
    }
}

/// What was found, for as long as the checkpoint is the same.
#[derive(Debug, Default)]
pub struct Found(Mutex<Option<(u64, Roots)>>);

impl Found {
    /// [`Roots::of`], looked at once for each size.
    ///
    /// # Errors
    /// [`PublishedError`].
    pub async fn of(&self, log: &Published) -> Result<Roots, PublishedError> {
        let size = log.checkpoint().await?.map_or(0, |signed| signed.checkpoint.size);
        let known = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, roots)) = known.filter(|(of, _)| *of == size) {
            return Ok(roots);
        }
        let roots = Roots::of(log).await?;
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((size, roots));
        Ok(roots)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: u32) -> DateTime<Utc> {
        format!("2026-03-12T01:{minute:02}:00Z").parse().unwrap()
    }

    #[test]
    fn what_waits_is_overdue_after_two_intervals_that_somebody_could_have_used() {
        let interval = Duration::from_mins(10);
        let roots = Roots { last: None, waiting: Some(Waiting { index: 7, recorded_at: at(0) }) };
        assert_eq!(roots.overdue(at(0), at(20), interval), None);
        assert_eq!(roots.overdue(at(0), at(21), interval), roots.waiting);
        assert_eq!(roots.overdue(at(15), at(21), interval), None, "the ledger was not open before");
        assert_eq!(roots.overdue(at(15), at(36), interval), roots.waiting);
        assert_eq!(Roots::default().overdue(at(0), at(59), interval), None, "nothing waits");
        assert_eq!(roots.overdue(at(0), at(59), Duration::MAX), None);
    }
}
