//! What was read of the published files and is kept: small files as they were last, and the parts that were read last.
//!
//! Not here: what may be kept and for how long (`published`).

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

/// How far apart two files are written whose times can be told apart: the clock of files ticks with the kernel's, every ten
/// milliseconds at the slowest.
const TICK: Duration = Duration::from_millis(20);

/// By what a file is known to be the one that was read before. Whoever replaces one renames another over it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    inode: u64,
    bytes: u64,
    /// When it was written.
    pub modified: SystemTime,
}

impl Stamp {
    /// That of a file.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let meta = std::fs::metadata(path)?;
        Ok(Self { inode: meta.ino(), bytes: meta.len(), modified: meta.modified()? })
    }

    /// Whether whatever replaces the file from now on has another stamp: one that is written within the same tick may get the
    /// same time, and the number of a file that is gone.
    pub(super) fn is_settled(&self) -> bool {
        // By the machine's own clock, from which the file has its time.
        self.modified.elapsed().is_ok_and(|age| age > TICK)
    }
}

/// A small file as it was read last.
#[derive(Debug)]
pub(super) struct Latest<T>(Mutex<Option<(Stamp, Arc<T>)>>);

impl<T> Default for Latest<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Latest<T> {
    fn held(&self) -> MutexGuard<'_, Option<(Stamp, Arc<T>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was read of the file with this stamp, if it is the last one.
    pub(super) fn of(&self, stamp: Stamp) -> Option<Arc<T>> {
        self.held().as_ref().filter(|(of, _)| *of == stamp).map(|(_, read)| Arc::clone(read))
    }

    /// Keeps what was read, once the stamp tells the file apart.
    pub(super) fn keep(&self, stamp: Stamp, read: T) -> Arc<T> {
        let read = Arc::new(read);
        if stamp.is_settled() {
            *self.held() = Some((stamp, Arc::clone(&read)));
        }
        read
    }
}

/// What was read last, as much of it as fits; the oldest makes room.
#[derive(Debug)]
pub(super) struct Recent<K, V>(Mutex<Held<K, V>>);

#[derive(Debug)]
struct Held<K, V> {
    known: HashMap<K, (V, usize)>,
    order: VecDeque<K>,
    bytes: usize,
    bytes_max: usize,
}

impl<K: Clone + Eq + Hash, V: Clone> Recent<K, V> {
    /// Nothing, and how many bytes there may be.
    pub(super) fn new(bytes_max: usize) -> Self {
        Self(Mutex::new(Held { known: HashMap::new(), order: VecDeque::new(), bytes: 0, bytes_max }))
    }

    // Whoever panicked left it whole: nothing in here panics half-way.
    fn held(&self) -> MutexGuard<'_, Held<K, V>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is kept under a key.
    pub(super) fn get(&self, key: &K) -> Option<V> {
        self.held().known.get(key).map(|(value, _)| value.clone())
    }

    /// Keeps what takes so many bytes.
    pub(super) fn keep(&self, key: K, value: V, bytes: usize) {
        let mut held = self.held();
        match held.known.insert(key.clone(), (value, bytes)) {
            Some((_, before)) => held.bytes -= before,
            None => held.order.push_back(key),
        }
        held.bytes += bytes;
        while held.bytes > held.bytes_max {
            let Some(oldest) = held.order.pop_front() else { break };
            if let Some((_, gone)) = held.known.remove(&oldest) {
                held.bytes -= gone;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_in_memory_is_bounded_and_the_oldest_makes_room() {
        let recent = Recent::new(10);
        for key in 0..4_u32 {
            recent.keep(key, key, 4);
        }
        recent.keep(3, 7, 5);
        assert_eq!((0..4).map(|key| recent.get(&key)).collect::<Vec<_>>(), [None, None, Some(2), Some(7)]);
        recent.keep(9, 9, 11);
        let held = recent.held();
        assert_eq!((held.known.len(), held.order.len(), held.bytes), (0, 0, 0), "what is too long is not kept");
    }

    #[test]
    fn a_file_is_known_by_its_stamp_once_another_one_would_have_another_time() {
        let latest = Latest::default();
        let written = |modified| Stamp { inode: 1, bytes: 2, modified };
        let new = written(SystemTime::UNIX_EPOCH + Duration::from_secs(10_000_000_000));
        let old = written(SystemTime::UNIX_EPOCH);
        for (stamp, known) in [(old, Some(1)), (new, None)] {
            assert_eq!(*latest.keep(stamp, 1), 1);
            assert_eq!(latest.of(stamp).map(|read| *read), known);
        }
    }
}
