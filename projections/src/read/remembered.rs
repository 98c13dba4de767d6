//! What was asked of one state of a generation's rows, kept for the next reader who sees the same state.
//!
//! How far each projection is settles every row, so readers with equal cursors have one memory between them, and it is
//! forgotten when any cursor moves. It holds what many pages ask alike and few things change: on a server every question is
//! a journey. What depends on the day is computed from it and not kept. For a further question add a bounded part to
//! [`Memory`]; nothing of one matter belongs here, of which there are too many.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use super::{Cursor, names::Names, sessions::Held};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Memory {
    pub names: Names,
    pub sessions: Held,
}

/// The memory of the state that was read last.
#[derive(Debug, Default)]
pub(crate) struct Remembered(Mutex<(BTreeMap<String, Cursor>, Arc<Memory>)>);

impl Remembered {
    /// That of the state with these cursors. Another state begins a new one, also an older state: a server that lost its
    /// last commits comes to the same cursors again by another way.
    pub(super) fn of(&self, cursors: &BTreeMap<String, Cursor>) -> Arc<Memory> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if last.0 != *cursors {
            *last = (cursors.clone(), Arc::default());
        }
        Arc::clone(&last.1)
    }
}
