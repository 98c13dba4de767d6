//! The sequencer's clock: the time of a batch, and when there is none.
//!
//! A clock that goes back, jumps ahead, or is too far from that of the database's server stops this node before it records
//! anything. The server's time is known from the last turn and carried on by the monotonic clock, which does not jump: so a
//! clock that is set while a turn is waited for is found before it stamps a batch. Not here: going on afterwards
//! (`Sequencer::resume`), and the clocks themselves (`clock`).

use std::time::Duration;

use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};

use crate::{
    error::SubmitError,
    event_store::{EventStore, Halt},
    reader::chain,
    sequencer::Sequencer,
};

/// How far the clock may go back without stopping the ledger (design 4).
const CLOCK_BACK_MAX: TimeDelta = TimeDelta::seconds(1);

/// After how long in a turn the server is asked for the time again: what it said before could hide as much.
const SERVER_TIME_OLD: Duration = Duration::from_millis(500);

/// The time of a batch, or why there is none.
pub(crate) struct ClockFault {
    cause: &'static str,
    observed_at: DateTime<Utc>,
    pub message: String,
}

/// What the database's server said of the time, with what this node's monotonic clock said before it asked and when it had
/// the answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ServerTime {
    pub clock: DateTime<Utc>,
    pub asked: Duration,
    pub answered: Duration,
}

impl ServerTime {
    /// How far a clock that says `now` is ahead of the server's at least.
    fn ahead(&self, now: DateTime<Utc>, monotonic: Duration) -> TimeDelta {
        let since = |moment| TimeDelta::from_std(monotonic.saturating_sub(moment)).unwrap_or_default();
        let (apart, most, least) = (now - self.clock, since(self.asked), since(self.answered));
        if apart > most {
            apart - most
        } else if apart < least {
            apart - least
        } else {
            TimeDelta::zero()
        }
    }

    fn is_old(&self, monotonic: Duration) -> bool {
        monotonic.saturating_sub(self.asked) > SERVER_TIME_OLD
    }
}

impl<S: EventStore> Sequencer<S> {
    /// The time for a batch: never before the last entry's.
    pub(crate) fn read_clock(&mut self) -> Result<DateTime<Utc>, ClockFault> {
        let now = self.clock.now().trunc_subsecs(6);
        let monotonic = self.clock.monotonic();
        let last = self.head.recorded_at;
        let apart_max = self.settings.clocks_apart_max.and_then(|max| TimeDelta::from_std(max).ok());
        if let Some(fault) = apart_max.and_then(|max| self.apart(now, max)) {
            return Err(fault);
        }
        // Another node's clock may be as far ahead.
        if now + CLOCK_BACK_MAX + apart_max.unwrap_or_default() < last {
            let message = format!(
                "时钟倒退：最后入账时间 {}，现在时钟 {}。校正时钟后重新启动即可恢复",
                last.to_rfc3339(),
                now.to_rfc3339()
            );
            return Err(ClockFault { cause: "clock_back", observed_at: now, message });
        }
        let passed = TimeDelta::from_std(monotonic.saturating_sub(self.reading.1)).unwrap_or(TimeDelta::MAX);
        let jump_max = TimeDelta::from_std(self.settings.clock_jump_max).unwrap_or(TimeDelta::MAX);
        if now - self.reading.0 > passed.checked_add(&jump_max).unwrap_or(TimeDelta::MAX) {
            let message = format!(
                "时钟跳前：上次读数 {}，现在时钟 {}。确认或校正时钟后重新启动即可恢复",
                self.reading.0.to_rfc3339(),
                now.to_rfc3339()
            );
            return Err(ClockFault { cause: "clock_ahead", observed_at: now, message });
        }
        self.reading = (now, monotonic);
        Ok(now.max(last))
    }

    /// Whether this node's clock is too far from the database's: the other nodes would have to follow it.
    fn apart(&self, now: DateTime<Utc>, max: TimeDelta) -> Option<ClockFault> {
        let ahead = self.server?.ahead(now, self.clock.monotonic());
        if ahead.abs() <= max {
            return None;
        }
        let (cause, direction) = if ahead > max { ("clock_ahead", "快") } else { ("clock_back", "慢") };
        let seconds = ahead.abs().num_seconds();
        let message = format!(
            "本机时钟比数据库服务器的时钟{direction} {seconds} 秒。校正时钟后重新启动即可恢复，其他节点照常收件"
        );
        Some(ClockFault { cause, observed_at: now, message })
    }

    /// Whether what the server said of the time is too old, or too far from this node's clock, to be judged by.
    pub(crate) fn doubts_the_time(&self) -> bool {
        let (Some(server), Some(max)) = (self.server, self.settings.clocks_apart_max) else { return false };
        let monotonic = self.clock.monotonic();
        let max = TimeDelta::from_std(max).unwrap_or(TimeDelta::MAX);
        server.is_old(monotonic) || server.ahead(self.clock.now(), monotonic).abs() > max
    }

    /// Stops, and remembers why until it can be put on record.
    pub(crate) async fn halt_for_clock(&mut self, fault: ClockFault) -> SubmitError {
        self.store.pass().await;
        tracing::error!(cause = fault.cause, observed_at = %fault.observed_at, "the ledger stopped");
        let halt = Halt { cause: fault.cause.to_owned(), observed_at: fault.observed_at };
        if let Err(error) = self.store.save_halt(halt).await {
            tracing::error!(error = chain(&error), "the halt could not be saved");
        }
        self.shared.halt(fault.message.clone());
        SubmitError::Halted(fault.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_ahead_by_what_the_way_to_the_server_does_not_explain() {
        let at = |second| DateTime::from_timestamp(second, 0).unwrap();
        let server = ServerTime { clock: at(100), asked: Duration::from_secs(5), answered: Duration::from_secs(8) };
        let ahead = |now, monotonic| server.ahead(at(now), Duration::from_secs(monotonic)).num_seconds();
        assert_eq!(
            [ahead(100, 8), ahead(103, 8), ahead(106, 11)],
            [0; 3],
            "it was read at any moment of three seconds"
        );
        assert_eq!(ahead(108, 8), 5);
        assert_eq!(ahead(93, 8), -7);
        assert_eq!(ahead(108, 11), 2, "the time goes on");
        assert_eq!(ahead(100, 11), -3);
    }
}
