//! Work that everything else goes before: receipts and pages are waited for, the index is not.

use std::panic::resume_unwind;
use std::thread;

/// How much less of a processor that is asked for by more than one such work gets: a tenth of what others get.
#[cfg(target_os = "linux")]
const LESS: i32 = 10;

/// Does this on a thread of its own, which has less of a busy processor, as have the threads that it starts. The caller waits.
pub(crate) fn quietly<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    let lowered = || {
        // On Linux it is the thread's; elsewhere it would be that of the whole process, for good.
        #[cfg(target_os = "linux")]
        if let Err(error) = rustix::process::nice(LESS) {
            tracing::debug!(%error, "the index keeps its priority");
        }
        work()
    };
    thread::scope(|scope| scope.spawn(lowered).join().unwrap_or_else(|panic| resume_unwind(panic)))
}

#[cfg(target_os = "linux")]
#[cfg(test)]
mod tests {
    use super::*;

    fn priority() -> i32 {
        rustix::process::getpriority_process(None).expect("a thread has a priority")
    }

    #[test]
    fn quiet_work_and_the_threads_that_it_starts_have_less_priority_and_nobody_else() {
        let before = priority();
        let (own, started) = quietly(|| (priority(), thread::spawn(priority).join().unwrap()));
        let lower = (before + LESS).min(19);
        assert_eq!((own, started, priority()), (lower, lower, before));
    }
}
