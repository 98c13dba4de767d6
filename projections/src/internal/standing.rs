//! Where a matter stands: what is awaited of whom, and the next gate of a review.
//!
//! Found once for each new event of a matter and kept in its row, so that a list opens no content. It says more of a
//! matter than the rest of the row (the rule for an answer tells the class of a letter): it is encrypted under a key that
//! the vault derives for these views. By which day something is due is computed when it is read, by the rules and the
//! calendar of that moment.

use chrono::{DateTime, Utc};
use gongkai_domain::{
    State, World,
    clock::{self, Running},
    kind::review,
    procedure::{Procedure, Step},
};
use gongkai_log::StreamId;
use gongkai_store::{SealedEvent, VaultFault, vault::Vault};
use serde::{Deserialize, Serialize};

use super::read::evolve;

const CONTEXT: &str = "gongkai 2026 internal views standing v1";

/// See the module.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Standing {
    /// What is awaited; days and rules are left to the moment of asking.
    pub(super) running: Vec<Running>,
    gate: Option<Gate>,
    /// Of a review, which procedure it passes.
    pub(super) procedure: Option<Procedure>,
}

/// The step that a review waits for.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Gate {
    procedure: Procedure,
    step: usize,
    since: DateTime<Utc>,
}

impl Standing {
    /// As a matter's events have it.
    pub(super) fn of(events: &[SealedEvent], world: &World) -> Self {
        let Some((state, since)) = stands(events) else { return Self::default() };
        let gate = state.get::<review::State>().and_then(|review| {
            let (procedure, next) = (review.procedure?, review.next()?);
            let step = procedure.steps().iter().position(|step| step == next)?;
            Some(Gate { procedure, step, since })
        });
        let procedure = state.get::<review::State>().and_then(|review| review.procedure);
        Self { running: clock::running(&state, world), gate, procedure }
    }

    /// The step that a review waits for, and since when.
    pub(super) fn gate(&self) -> Option<(&'static Step, DateTime<Utc>)> {
        let gate = self.gate.as_ref()?;
        Some((gate.procedure.steps().get(gate.step)?, gate.since))
    }

    /// As it lies in the matter's row.
    pub(super) fn conceal(&self, matter: &StreamId, vault: &Vault) -> Result<Vec<u8>, VaultFault> {
        let text = serde_json::to_string(self).unwrap_or_default();
        vault.conceal(CONTEXT, &matter.to_string(), &text)
    }

    /// From the matter's row.
    pub(super) fn reveal(bytes: Option<&[u8]>, matter: &StreamId, vault: &Vault) -> Result<Self, VaultFault> {
        let Some(bytes) = bytes else { return Ok(Self::default()) };
        let text = vault.reveal(CONTEXT, &matter.to_string(), bytes)?;
        Ok(serde_json::from_str(&text).unwrap_or_default())
    }
}

/// Where a review stands, and since when at this gate: a gate that two people pass is reached once.
pub(super) fn stands(events: &[SealedEvent]) -> Option<(State, DateTime<Utc>)> {
    let gate = |state: &State| state.get::<review::State>().and_then(review::State::next).map(|step| step.gate);
    let (mut state, mut since) = (State::default(), None);
    for event in events {
        let before = gate(&state);
        state = evolve(state, event);
        if gate(&state) != before || since.is_none() {
            since = Some(event.row.received_at);
        }
    }
    Some((state, since?))
}
