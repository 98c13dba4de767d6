//! Rates, for each address and for all together, on a clock that is handed in.
//!
//! For each address one time is kept: when its bucket is full again (the generic cell rate algorithm, ITU-T I.371).
//! A bucket that is full is forgotten. Where there is no room for a further address, it shares one bucket with all
//! others that came too late. Nothing of it leaves the memory.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::address::Client;

/// Addresses that are remembered at once: some 4 MiB.
pub const CLIENTS_MAX: usize = 65_536;

/// So many at once, and one more after each `every`.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    /// How many at once.
    pub burst: u32,
    /// After how long there is one more.
    pub every: Duration,
}

impl Rate {
    /// Takes one; otherwise tells how long to wait. `full_at` is when the bucket is full again.
    fn take(self, full_at: &mut Duration, now: Duration) -> Result<(), Duration> {
        let from = (*full_at).max(now);
        let room = self.every * self.burst.saturating_sub(1);
        let ahead = from.saturating_sub(now);
        if let Some(wait) = ahead.checked_sub(room).filter(|wait| !wait.is_zero()) {
            return Err(wait);
        }
        *full_at = from + self.every;
        Ok(())
    }
}

// A panic in one of these short sections leaves nothing half done.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A rate for all together.
pub struct Total {
    rate: Rate,
    full_at: Mutex<Duration>,
}

impl Total {
    /// A full bucket.
    pub fn new(rate: Rate) -> Self {
        Self { rate, full_at: Mutex::default() }
    }

    /// Takes one.
    ///
    /// # Errors
    /// How long to wait.
    pub fn take(&self, now: Duration) -> Result<(), Duration> {
        self.rate.take(&mut locked(&self.full_at), now)
    }
}

/// A rate for each address.
pub struct Each {
    rate: Rate,
    clients: Mutex<HashMap<Client, Duration>>,
}

impl Each {
    /// Full buckets for everybody.
    pub fn new(rate: Rate) -> Self {
        Self { rate, clients: Mutex::default() }
    }

    /// Takes one for an address.
    ///
    /// # Errors
    /// How long to wait.
    pub fn take(&self, client: Client, now: Duration) -> Result<(), Duration> {
        let mut clients = locked(&self.clients);
        let mut client = client;
        if clients.len() >= CLIENTS_MAX && !clients.contains_key(&client) {
            clients.retain(|_, full_at| *full_at > now);
            if clients.len() >= CLIENTS_MAX {
                client = Client::Others;
            }
        }
        self.rate.take(clients.entry(client).or_default(), now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { burst: 3, every: Duration::from_secs(10) };

    fn client(number: u32) -> Client {
        Client::V4(number.to_be_bytes())
    }

    #[test]
    fn so_many_come_at_once_and_then_one_after_another() {
        let each = Each::new(RATE);
        let at = Duration::from_secs;
        for _ in 0..3 {
            each.take(client(1), at(100)).unwrap();
        }
        assert_eq!(each.take(client(1), at(100)), Err(at(10)));
        assert_eq!(each.take(client(1), at(104)), Err(at(6)));
        each.take(client(2), at(104)).unwrap();
        each.take(client(1), at(110)).unwrap();
        assert!(each.take(client(1), at(110)).is_err());
        for _ in 0..3 {
            each.take(client(1), at(1_000)).unwrap();
        }
        assert!(each.take(client(1), at(1_000)).is_err(), "more than a full bucket is never saved up");
    }

    #[test]
    fn memory_is_bounded_and_latecomers_share_a_bucket_until_others_are_forgotten() {
        let each = Each::new(RATE);
        let now = Duration::from_secs(1);
        for number in 0..u32::try_from(CLIENTS_MAX).unwrap() {
            each.take(client(number), now).unwrap();
        }
        for number in 0..3 {
            each.take(client(1_000_000 + number), now).unwrap();
        }
        assert!(each.take(client(2_000_000), now).is_err());
        assert!(each.clients.lock().unwrap().len() <= CLIENTS_MAX + 1);
        each.take(client(2_000_000), Duration::from_mins(1)).unwrap();
        assert!(each.clients.lock().unwrap().len() < 10);
    }
}
