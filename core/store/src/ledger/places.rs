//! Places in the queue that one organization may take, so that a flood of one leaves room for all others.
//!
//! Counted while a submission waits for its answer; nothing of it is kept. Not here: how many may wait altogether (the
//! queue's own bound), rates of people without keys (the shell's).

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// How many wait of each organization.
#[derive(Clone)]
pub(crate) struct Places {
    each_max: usize,
    taken: Arc<Mutex<HashMap<String, usize>>>,
}

/// A place, given back when it is dropped.
pub(crate) struct Place {
    org: String,
    taken: Arc<Mutex<HashMap<String, usize>>>,
}

// Nothing is left half done in these short sections.
fn locked(taken: &Mutex<HashMap<String, usize>>) -> MutexGuard<'_, HashMap<String, usize>> {
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Places {
    /// At most so many of one organization.
    pub(crate) fn new(each_max: usize) -> Self {
        Self { each_max: each_max.max(1), taken: Arc::default() }
    }

    /// A place for one more of an organization; `None` when it has all that it may have.
    pub(crate) fn take(&self, org: &str) -> Option<Place> {
        let mut taken = locked(&self.taken);
        match taken.get_mut(org) {
            Some(count) if *count >= self.each_max => return None,
            Some(count) => *count += 1,
            None => drop(taken.insert(org.to_owned(), 1)),
        }
        Some(Place { org: org.to_owned(), taken: Arc::clone(&self.taken) })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = locked(&self.taken);
        if let Some(count) = taken.get_mut(&self.org) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.org);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_organization_leaves_room_for_the_others_and_gives_its_places_back() {
        let places = Places::new(2);
        let held = [places.take("a").unwrap(), places.take("a").unwrap()];
        assert!(places.take("a").is_none());
        drop(places.take("b").unwrap());
        drop(held);
        assert!(places.take("a").is_some());
        assert!(locked(&places.taken).is_empty(), "nothing is remembered");
    }
}
