//! Work that is shared among the cores, in the order of its items.

use std::{num::NonZero, panic, thread};

/// From so many items on the work is shared; below it a thread costs more than it saves.
const MANY: usize = 16;

/// Does the same with each item, on all cores where there are many items. It blocks its thread, so it is for work of
/// milliseconds; of several errors the first in order is given.
///
/// # Errors
/// What `work` gives.
pub(crate) fn on_all_cores<T: Sync, R: Send, E: Send>(
    items: &[T],
    work: impl Fn(&T) -> Result<R, E> + Sync,
) -> Result<Vec<R>, E> {
    if items.len() < MANY {
        return items.iter().map(work).collect();
    }
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let work = |part: &[T]| part.iter().map(&work).collect::<Result<Vec<R>, E>>();
    thread::scope(|scope| {
        let mut parts = items.chunks(items.len().div_ceil(threads));
        let own = parts.next().unwrap_or_default();
        let others: Vec<_> = parts.map(|part| scope.spawn(move || work(part))).collect();
        let mut done = work(own)?;
        for other in others {
            done.extend(other.join().unwrap_or_else(|panicked| panic::resume_unwind(panicked))?);
        }
        Ok(done)
    })
}
