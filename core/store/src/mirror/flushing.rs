//! Files that are forced to the disk beside the work that writes them.
//!
//! [`beside`] runs the work with a [`Queue`]; a few threads flush what is put there, since file systems do some of it for
//! several files at once. So many wait at most: whoever writes faster than the disk waits with the next file. What failed is
//! told when all that was put there has been tried; until then the queue is emptied as before, so that nobody waits for ever.

use std::{
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError, mpsc},
};

use crate::error::StoreError;

/// Files that are flushed at a time.
const FLUSHERS: usize = 4;
/// Files that wait to be flushed: a bundle has four.
const WAITING_MAX: usize = 256;

/// Where files are put that have to be flushed.
pub(super) struct Queue(Mutex<Option<mpsc::SyncSender<PathBuf>>>);

impl Queue {
    /// Nobody flushes what is put here.
    pub(super) const fn closed() -> Self {
        Self(Mutex::new(None))
    }

    /// Puts a file there, when there is room; whether somebody flushes it.
    pub(super) fn put(&self, path: &Path) -> bool {
        // Whoever waits for room holds nobody up who ends the queue.
        let sender = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        sender.is_some_and(|sender| sender.send(path.to_owned()).is_ok())
    }

    fn open(&self, sender: mpsc::SyncSender<PathBuf>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
    }

    fn close(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

/// Runs `work` while others flush what it puts into the queue, and gives what it gave when all of that is on the disk.
pub(super) fn beside<T>(
    queue: &Queue,
    flush: impl Fn(&Path) -> Result<(), StoreError> + Sync,
    work: impl FnOnce() -> T,
) -> Result<T, StoreError> {
    let (sender, waiting) = mpsc::sync_channel(WAITING_MAX);
    queue.open(sender);
    let waiting = Mutex::new(waiting);
    let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).recv().ok();
    let flush_all = || {
        let mut failed = None;
        while let Some(path) = next() {
            if failed.is_none() {
                failed = flush(&path).err();
            }
        }
        failed.map_or(Ok(()), Err)
    };
    std::thread::scope(|scope| {
        let flushers: Vec<_> = (0..FLUSHERS).map(|_| scope.spawn(flush_all)).collect();
        // Also when the work panics: the threads of the scope are waited for.
        let end = OnDrop(|| queue.close());
        let done = work();
        drop(end);
        for flusher in flushers {
            flusher.join().unwrap_or_else(|panicked| std::panic::resume_unwind(panicked))?;
        }
        Ok(done)
    })
}

/// Does something at the end, however it comes.
pub(super) struct OnDrop<F: FnMut()>(pub(super) F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Condvar,
        atomic::{AtomicUsize, Ordering},
    };

    use super::*;

    /// More than there is room for.
    const FILES: usize = 3 * WAITING_MAX;

    fn file(number: usize) -> PathBuf {
        PathBuf::from(number.to_string())
    }

    #[test]
    fn whoever_writes_faster_than_the_disk_waits_and_every_file_is_flushed() {
        let (queue, put, flushed) = (Queue::closed(), AtomicUsize::new(0), AtomicUsize::new(0));
        let (disk, told) = (Mutex::new(false), Condvar::new());
        let flush = |_: &Path| {
            drop(told.wait_while(disk.lock().unwrap(), |goes| !*goes).unwrap());
            flushed.fetch_add(1, Ordering::SeqCst);
            Ok(())
        };
        let most = FLUSHERS + WAITING_MAX;
        beside(&queue, flush, || {
            std::thread::scope(|scope| {
                let writer = scope.spawn(|| {
                    for number in 0..FILES {
                        assert!(queue.put(&file(number)));
                        put.fetch_add(1, Ordering::SeqCst);
                    }
                });
                while put.load(Ordering::SeqCst) < most {
                    std::thread::yield_now();
                }
                // The disk stands still: nobody has room, however long it is asked.
                for _ in 0..10_000 {
                    std::thread::yield_now();
                    assert_eq!((put.load(Ordering::SeqCst), flushed.load(Ordering::SeqCst)), (most, 0));
                }
                *disk.lock().unwrap() = true;
                told.notify_all();
                writer.join().unwrap();
            });
        })
        .unwrap();
        assert_eq!(flushed.load(Ordering::SeqCst), FILES);
        assert!(!queue.put(&file(0)), "afterwards nobody flushes");
    }

    #[test]
    fn a_disk_that_fails_holds_nobody_up_and_is_told_in_the_end() {
        let queue = Queue::closed();
        let full = |path: &Path| Err(StoreError::file("flushing", path, std::io::ErrorKind::StorageFull.into()));
        let failed = beside(&queue, full, || {
            for number in 0..FILES {
                assert!(queue.put(&file(number)));
            }
        });
        assert!(failed.unwrap_err().to_string().contains("flushing"));
    }
}
