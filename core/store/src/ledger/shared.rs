//! What all threads of a ledger see: the world of the last commit, a halt, how far it is.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};

use chrono::{DateTime, Utc};
use gongkai_domain::{Recorded, World};
use gongkai_log::{SignedStatement, VerifierKey};
use tokio::sync::watch;

use crate::{
    event_store::Publication,
    observer::{Observer, code_of},
    reader::teaches,
    sequencer::Answer,
};

/// Why nothing is taken.
struct Halted {
    reason: String,
    // Only a new start, which verifies, ends it.
    for_good: bool,
}

/// What all threads of a ledger see.
pub(crate) struct Shared {
    pub origin: String,
    world: RwLock<World>,
    halted: Mutex<Option<Halted>>,
    publication: Mutex<Option<Publication>>,
    checkpoint: Mutex<String>,
    observer: OnceLock<Arc<dyn Observer>>,
    pub committed: watch::Sender<u64>,
    pub published: watch::Sender<u64>,
    /// Sealed events and erasures.
    pub sealed: watch::Sender<(u64, u64)>,
}

// A panic in one of the short critical sections below leaves nothing half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(crate) fn new(origin: String, world: World, size: u64) -> Self {
        Self {
            origin,
            world: RwLock::new(world),
            halted: Mutex::new(None),
            publication: Mutex::new(None),
            checkpoint: Mutex::new(String::new()),
            observer: OnceLock::new(),
            committed: watch::channel(size).0,
            published: watch::channel(0).0,
            sealed: watch::channel((0, 0)).0,
        }
    }

    pub(crate) fn with_world<T>(&self, f: impl FnOnce(&World) -> T) -> T {
        f(&self.world.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn key(&self, name: &str) -> Option<VerifierKey> {
        self.with_world(|world| world.key(name).map(|key| key.verifier.clone()))
    }

    /// Shows readers what was committed.
    pub(crate) fn learn<'s>(
        &self,
        from: u64,
        recorded_at: DateTime<Utc>,
        statements: impl Iterator<Item = &'s SignedStatement>,
    ) {
        let mut world = None;
        for (index, signed) in (from..).zip(statements) {
            if teaches(&signed.statement) {
                let world = world.get_or_insert_with(|| self.world.write().unwrap_or_else(PoisonError::into_inner));
                world.evolve(&Recorded {
                    index,
                    recorded_at,
                    statement: &signed.statement,
                    hash: signed.hash,
                    values: None,
                });
            }
        }
    }

    /// The first observer stays.
    pub(super) fn observe(&self, observer: Arc<dyn Observer>) {
        // A second one would count the same again.
        let _ = self.observer.set(observer);
    }

    /// Tells whoever counts, if somebody does.
    pub(crate) fn tell(&self, what: impl FnOnce(&dyn Observer)) {
        if let Some(observer) = self.observer.get() {
            what(observer.as_ref());
        }
    }

    /// Counts an answer on its way to whoever asked.
    pub(crate) fn count(&self, answer: &Answer) {
        self.tell(|observer| match code_of(answer) {
            None => observer.accepted(),
            Some(code) => observer.refused(code),
        });
    }

    pub(crate) fn halted(&self) -> Option<String> {
        lock(&self.halted).as_ref().map(|halted| halted.reason.clone())
    }

    /// Stops until somebody says that the clock is right.
    pub(crate) fn halt(&self, reason: String) {
        let mut halted = lock(&self.halted);
        if halted.as_ref().is_none_or(|halted| !halted.for_good) {
            *halted = Some(Halted { reason, for_good: false });
        }
    }

    /// Stops until the next start.
    pub(crate) fn halt_for_good(&self, reason: String) {
        *lock(&self.halted) = Some(Halted { reason, for_good: true });
    }

    /// Ends a halt for the clock; another one stays, which a thread may have called in the meantime.
    pub(crate) fn go_on(&self) {
        lock(&self.halted).take_if(|halted| !halted.for_good);
    }

    pub(crate) fn take_publication(&self) -> Option<Publication> {
        lock(&self.publication).take()
    }

    pub(crate) fn put_publication(&self, publication: Publication) {
        *lock(&self.publication) = Some(publication);
    }

    pub(crate) fn checkpoint(&self) -> String {
        lock(&self.checkpoint).clone()
    }

    pub(crate) fn set_checkpoint(&self, note: String) {
        *lock(&self.checkpoint) = note;
    }
}
