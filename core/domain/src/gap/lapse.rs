//! What a ledger owes an intake: periods that it did not answer in time, or that are not what it answered.
//!
//! Found by anybody from the two public logs. When something is due depends on what the ledger promised when it opened the
//! intake, and on the clock's reading, which is handed in.

use chrono::{DateTime, TimeDelta, Utc};
use gongkai_log::Digest;
use serde::Serialize;

use crate::world::Intake;

/// A period of an intake's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// Its number there.
    pub index: u64,
    /// When the intake recorded it.
    pub recorded_at: DateTime<Utc>,
    /// BLAKE3 of its entry.
    pub entry_hash: Digest,
}

/// Something that is not as it was promised.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Lapse {
    /// Periods that should have been answered by now.
    Missing {
        /// First of them.
        from: u64,
        /// After the last of them.
        to: u64,
        /// When the first was due.
        due_at: DateTime<Utc>,
    },
    /// Periods that were answered after they were due.
    Late {
        /// First of them.
        from: u64,
        /// After the last of them.
        to: u64,
        /// When the first was due.
        due_at: DateTime<Utc>,
        /// When they were answered.
        answered_at: DateTime<Utc>,
    },
    /// The ledger answered another history than the intake shows.
    Other {
        /// Period whose entry is another one.
        index: u64,
    },
    /// The ledger answered periods that the intake's log does not have.
    Beyond {
        /// Periods that the intake's log has.
        size: u64,
        /// Up to where the ledger answered.
        answered: u64,
    },
}

/// All lapses of a ledger toward an intake whose log has these periods, from the first on.
pub fn lapses(intake: &Intake, periods: &[Period], now: DateTime<Utc>) -> Vec<Lapse> {
    let hours = TimeDelta::hours(i64::try_from(intake.answer_hours).unwrap_or(i64::MAX / 3_600_000_000));
    let due = |period: &Period| period.recorded_at.checked_add_signed(hours).unwrap_or(DateTime::<Utc>::MAX_UTC);
    let mut found = Vec::new();
    let mut from = 0;
    for answered in &intake.answers {
        let Some(part) = part(periods, from, answered.to) else {
            let size = periods.len() as u64;
            found.push(Lapse::Beyond { size, answered: answered.to });
            return found;
        };
        if part.last().is_some_and(|last| last.entry_hash != answered.entry_hash) {
            found.push(Lapse::Other { index: answered.to - 1 });
        }
        let late: Vec<&Period> = part.iter().filter(|period| due(period) < answered.recorded_at).collect();
        if let (Some(first), Some(last)) = (late.first(), late.last()) {
            found.push(Lapse::Late {
                from: first.index,
                to: last.index + 1,
                due_at: due(first),
                answered_at: answered.recorded_at,
            });
        }
        from = answered.to;
    }
    let open = part(periods, from, periods.len() as u64).unwrap_or_default();
    let missing: Vec<&Period> = open.iter().filter(|period| due(period) < now).collect();
    if let (Some(first), Some(last)) = (missing.first(), missing.last()) {
        found.push(Lapse::Missing { from: first.index, to: last.index + 1, due_at: due(first) });
    }
    found
}

fn part(periods: &[Period], from: u64, to: u64) -> Option<&[Period]> {
    periods.get(usize::try_from(from).ok()?..usize::try_from(to).ok()?)
}

impl Lapse {
    /// One plain Chinese sentence; `time` says a moment as people read it.
    pub fn sentence(&self, time: impl Fn(&DateTime<Utc>) -> String) -> String {
        let batches = |from: u64, to: u64| match to - from {
            1 => format!("第 {from} 批"),
            _ => format!("第 {from} 至 {} 批", to - 1),
        };
        match self {
            Self::Missing { from, to, due_at } => {
                format!("网上收件{}应于 {} 前答复，账本至今没有答复", batches(*from, *to), time(due_at))
            }
            Self::Late { from, to, due_at, answered_at } => {
                let (due_at, answered_at) = (time(due_at), time(answered_at));
                format!("网上收件{}应于 {due_at} 前答复，{answered_at} 才答复", batches(*from, *to))
            }
            Self::Other { index } => format!("网上收件第 {index} 批与账本答复的不是同一批"),
            Self::Beyond { size, answered } => {
                format!("账本答复到第 {answered} 批之前，收件处的日志只有 {size} 批")
            }
        }
    }
}
