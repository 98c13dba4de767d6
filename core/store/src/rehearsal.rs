//! Judging a submission without recording it: what an author is told while still writing.
//!
//! It is judged as of now, by the code that judges when it is recorded, under keys that prove nothing: whether the signatures
//! are good is all that is left open. Nothing is kept and nothing is promised; what is accepted here may be refused a
//! minute later, when the world has changed.

use gongkai_domain::{Context, Named, judge};
use tokio::sync::oneshot;

use crate::{
    error::{StoreError, SubmitError},
    event_store::EventStore,
    sequencer::{Draft, Item, Sequencer},
    withdrawal::Withdrawable,
};

/// What is told of a rehearsal.
pub(crate) type Rehearsed = Result<(), SubmitError>;

impl<S: EventStore> Sequencer<S> {
    /// Judges and answers.
    pub(crate) async fn rehearse(&mut self, item: &Item, answer: oneshot::Sender<Rehearsed>) {
        let judged = self.judge_alone(item).await;
        // Whoever asked may have gone away.
        let _ = answer.send(judged.unwrap_or_else(|error| Err(error.into())));
    }

    async fn judge_alone(&mut self, item: &Item) -> Result<Rehearsed, StoreError> {
        if let Some(reason) = self.shared.halted() {
            return Ok(Err(SubmitError::Halted(reason)));
        }
        let now = self.clock.now();
        let name = item.statement().stream.to_string();
        let public = (!item.is_sealed()).then(|| name.clone());
        self.look_up(Vec::new(), public.into_iter()).await?;
        self.look_up_sealed(std::slice::from_ref(item)).await?;
        let looked_up = match self.name(item, &Draft::of(self.head.clone(), now)).await {
            Ok(looked_up) => looked_up,
            Err(error @ StoreError::Row { .. }) => return Ok(Err(error.into())),
            Err(error) => return Err(error),
        };
        let streams = if item.is_sealed() { &mut self.sealed_streams } else { &mut self.streams };
        let (head, state) = match streams.get_mut(&name) {
            Ok(stream) => stream.clone(),
            Err(error) => return Ok(Err(SubmitError::Storage(error))),
        };
        let proposal = item.admitted.checked.proposal();
        let sealed = match self.sealed_streams.named(&proposal) {
            Ok(sealed) => sealed,
            Err(error) => return Ok(Err(SubmitError::Storage(error))),
        };
        let target = looked_up.target.as_ref().map(Withdrawable::target);
        let context = Context {
            target: target.as_ref(),
            named: Named::of(sealed.as_ref()),
            period: looked_up.period.as_ref(),
            erasable: Some(looked_up.erasable.is_some()),
            begins: looked_up.begins,
            ..Context::at(now, &self.world)
        };
        let judged = judge::judge(&proposal, head, &state, &context).map(drop);
        Ok(judged.and_then(|()| looked_up.keeps_askers(&proposal)).map_err(Into::into))
    }
}
