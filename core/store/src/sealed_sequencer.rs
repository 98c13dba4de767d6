//! The sequencer's work on sealed events: the promise at once, the period's entry after.
//!
//! A sealed event is judged like any other, as of the entries before it, and committed in the same
//! transaction as the batch's entries; what leaves is a promise instead of a receipt. Once a period, with or
//! without events, one entry of always the same form takes in all that wait, each at a random leaf among
//! decoys. If the process stops between the two, the events are still waiting on the next start.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use gongkai_domain::{Context, Head, Named, Recorded, event, judge, kind::erasure};
use gongkai_log::{
    Digest, Entry, Promise, SealedPeriod, SignedStatement, merkle, note,
    sealed::{self, PERIOD_LEAVES},
};
use tokio::sync::oneshot;

use crate::{
    admission::Admitted,
    error::{StoreError, SubmitError},
    event_store::{Batch, Erased, EventStore, LogHead, NewEntry, NewSealed, Period, PeriodLeaf, RawSealed, Waiting},
    ledger::{Accepted, Promised},
    publisher::Signal,
    reader::{chain, parse_entry},
    sequencer::{Answer, Draft, Item, Sequencer},
    streams::Stream,
    vault::{OpenedEvent, Tag, Vault, VaultFault},
    withdrawal::Withdrawable,
};

/// A promise ends with the second period after the one that was running.
const PROMISE_PERIODS: i32 = 2;

/// A fault of the vault, where a batch is at stake.
pub(crate) fn vault_store(fault: VaultFault) -> StoreError {
    match fault {
        VaultFault::Store(error) => error,
        VaultFault::Overtaken => StoreError::Overtaken,
        other => StoreError::file("using", "the vault", std::io::Error::other(other)),
    }
}

impl<S: EventStore> Sequencer<S> {
    /// Counts the sealed events, and ends erasures that a crash has cut short.
    pub(crate) async fn begin_sealed(&mut self) -> Result<(), StoreError> {
        self.sealed_count = self.store.count_sealed().await?;
        let unfinished = self.store.load_erasures().await?;
        self.end_erasures(unfinished).await;
        self.tell_sealed();
        Ok(())
    }

    /// Takes in, within a turn, which sealed events and erasures other nodes have committed.
    pub(crate) async fn hear_sealed(&mut self) -> Result<(), StoreError> {
        let Some(vault) = self.settings.vault.clone() else { return Ok(()) };
        let count = self.store.count_sealed().await?;
        if count != self.sealed_count {
            self.sealed_count = count;
            self.sealed_streams.clear();
            self.tell_sealed();
        }
        if std::mem::take(&mut self.erasure_heard) {
            self.sealed_streams.clear();
            vault.forget_written();
            // Before anything is sealed here for the same subject again.
            let unfinished = self.store.load_erasures().await?;
            self.destroy(unfinished).await;
        }
        Ok(())
    }

    /// Destroys the keys of what is erased. Where several nodes write it is done within a turn and by one of them: a second
    /// time it might be keys that were made since.
    pub(crate) async fn end_erasures(&mut self, erased: Vec<Erased>) {
        if erased.is_empty() || self.settings.vault.is_none() {
            return;
        }
        let unfinished = match self.store.take_turn(self.head.size).await {
            Ok(None) => Ok(erased),
            Ok(Some(_)) => self.store.load_erasures().await,
            Err(error) => Err(error),
        };
        match unfinished {
            Ok(unfinished) => self.destroy(unfinished).await,
            Err(error) => tracing::error!(error = chain(&error), "the keys of an erased matter are not destroyed yet"),
        }
        self.store.pass().await;
    }

    /// Tells followers how many sealed events there are.
    pub(crate) fn tell_sealed(&self) {
        let count = self.sealed_count;
        self.shared.sealed.send_if_modified(|known| std::mem::replace(&mut known.0, count) != count);
    }

    /// Whether what is for the vault was encrypted, under data keys that are still those of their subject.
    pub(crate) fn keys_hold(&self, admitted: &Admitted) -> bool {
        match (&self.settings.vault, &admitted.sealing) {
            (Some(vault), Some(sealing)) => sealing.keys.iter().all(|key| vault.holds(key)),
            _ => !admitted.checked.needs_vault(),
        }
    }

    /// What an order of erasure would erase; `None` when there is nothing.
    pub(crate) async fn erasable(
        &mut self,
        ordered: &erasure::Ordered,
        target: Option<&Withdrawable>,
    ) -> Result<Option<Erased>, StoreError> {
        let Some(vault) = self.settings.vault.clone() else { return Ok(None) };
        if let Some(commitment) = ordered.commitment {
            let event = self.store.find_sealed(commitment).await?;
            return Ok(event.map(|event| Erased { tag: event.tag, entries: Vec::new() }));
        }
        let Some(target) = target else { return Ok(None) };
        let tag = vault.tag(target.stream());
        let known = self.store.look_up(Vec::new(), vec![target.stream().to_string()]).await?;
        let mut entries = Vec::new();
        for row in known.streams {
            if !self.store.load_sealed_values(row.index).await?.is_empty() {
                entries.push(row.index);
            }
        }
        Ok((!entries.is_empty()).then_some(Erased { tag: tag.0, entries }))
    }

    /// Destroys the data keys of what was ordered to be erased. What fails is tried again on the next start,
    /// and `doctor` tells.
    async fn destroy(&mut self, erased: Vec<Erased>) {
        let Some(vault) = self.settings.vault.clone() else { return };
        for Erased { tag, .. } in erased {
            let done = match vault.destroy(Tag(tag)).await {
                Ok(_) => self.store.finish_erasure(tag).await,
                Err(fault) => Err(vault_store(fault)),
            };
            if let Err(error) = done {
                tracing::error!(error = chain(&error), "the keys of an erased matter are not destroyed yet");
            }
            self.sealed_streams.clear();
            self.shared.sealed.send_modify(|known| known.1 += 1);
        }
    }

    /// Makes the sealed streams of a batch present, its own and those that it names.
    pub(crate) async fn look_up_sealed(&mut self, items: &[Item]) -> Result<(), StoreError> {
        let Some(vault) = self.settings.vault.clone() else { return Ok(()) };
        let own = items.iter().filter(|item| item.is_sealed()).map(|item| item.statement().stream.clone());
        let named = items.iter().filter_map(|item| item.admitted.checked.proposal().named());
        let streams: BTreeMap<_, _> = own.chain(named).map(|stream| (stream.to_string(), stream)).collect();
        let missing = self.sealed_streams.missing(streams.keys().cloned());
        if missing.is_empty() {
            return Ok(());
        }
        // None but the missing: what is known already would be folded twice.
        let tags: BTreeMap<_, _> =
            missing.iter().filter_map(|name| Some((vault.tag(streams.get(name)?), name.clone()))).collect();
        let rows = self.store.load_sealed(tags.keys().map(|tag| tag.0).collect()).await?;
        let wanted: Vec<_> = tags.keys().copied().collect();
        let held = vault.load(&wanted).await.map_err(vault_store)?;
        let opened: Vec<_> = rows.iter().map(|row| vault.open_event(row)).collect();
        drop(held);
        self.sealed_streams.learn(missing, Vec::new());
        for (row, opened) in rows.iter().zip(opened) {
            let Some(name) = tags.get(&Tag(row.tag)) else { continue };
            match opened {
                Ok(Some(opened)) => {
                    if let Ok(stream) = self.sealed_streams.get_mut(name) {
                        advance(stream, row, &opened);
                    }
                }
                // Erased: the stream has ended, and nothing tells that it ever was.
                Ok(None) => {}
                Err(VaultFault::Store(error)) => return Err(error),
                Err(fault) => self.sealed_streams.spoil(name, StoreError::row(row.seq, "sealed event", chain(&fault))),
            }
        }
        Ok(())
    }

    /// Judges a sealed event and takes it into draft and stream; the answer is a promise.
    pub(crate) fn accept_sealed(&mut self, item: &Item, draft: &mut Draft) -> Result<Answer, StoreError> {
        let admitted = &item.admitted;
        let sealing = admitted.sealing.as_ref().and_then(|sealing| Some((sealing, sealing.event.clone()?)));
        let (Some((sealing, note)), Some(vault)) = (sealing, self.settings.vault.clone()) else {
            return Ok(Err(SubmitError::Busy));
        };
        let signed = &admitted.checked.signed;
        let name = signed.statement.stream.to_string();
        let stream = match self.sealed_streams.get_mut(&name) {
            Ok(stream) => stream,
            Err(error) => return Ok(Err(SubmitError::Storage(error))),
        };
        let (head, state) = stream.clone();
        let proposal = admitted.checked.proposal();
        let named = match self.sealed_streams.named(&proposal) {
            Ok(named) => named,
            Err(error) => return Ok(Err(SubmitError::Storage(error))),
        };
        let context = Context { named: Named::of(named.as_ref()), ..Context::at(draft.now, &self.world) };
        let judged = judge::judge(&proposal, head, &state, &context);
        if let Err(refusal) = judged.and_then(|keys| admitted.signed_by(&keys)) {
            return Ok(Err(refusal.into()));
        }
        let values = (!admitted.checked.sealed.is_empty()).then(|| event::values(&admitted.checked.sealed));
        let (index, recorded_at) = (draft.head.size, draft.now);
        let recorded =
            Recorded { index, recorded_at, statement: &signed.statement, hash: signed.hash, values: values.as_ref() };
        let state = judge::evolve(state, &recorded);
        if let Ok(stream) = self.sealed_streams.get_mut(&name) {
            *stream = (Some(Head { revision: signed.statement.revision, hash: signed.hash }), state);
        }
        let period = TimeDelta::from_std(self.settings.period).unwrap_or(TimeDelta::MAX);
        let deadline = draft.now + period * PROMISE_PERIODS;
        let promised = Accepted::Promise(self.promised(note.commitment, draft.now, deadline)?);
        let request = item.key.clone().map(|key| (key, admitted.request));
        if let Some((key, request)) = &request {
            draft.requests.insert(key.clone(), (*request, promised.clone()));
        }
        draft.keys.extend(sealing.keys.iter().cloned());
        draft.sealed.push(NewSealed {
            seq: self.sealed_count + draft.sealed.len() as u64,
            commitment: note.commitment,
            tag: note.tag.0,
            tier: note.tier,
            as_of: draft.head.size,
            received_at: draft.now,
            deadline,
            nonce: note.nonce,
            note: note.note,
            envelope: note.envelope,
            commitments: admitted.checked.openings.commitments,
            status: Some(note.status),
            inventory: vault.inventory(&note.commitment, &sealing.values),
            values: sealing.values.clone(),
            request,
        });
        Ok(Ok(promised))
    }

    /// The promise for an event, as it was given and will be given again.
    pub(crate) fn promised(
        &self,
        commitment: Digest,
        received_at: DateTime<Utc>,
        deadline: DateTime<Utc>,
    ) -> Result<Promised, StoreError> {
        let wrong = |e: &dyn std::error::Error| StoreError::row(0, "promise", chain(e));
        let origin = self.shared.origin.clone();
        let text = Promise { origin, commitment, received_at, deadline }.text().map_err(|e| wrong(&e))?;
        let keys = self.keys.as_ref().ok_or_else(|| StoreError::row(0, "promise", "there is no intake key"))?;
        let note = note::sign(&text, &[&keys.intake]).map_err(|e| wrong(&e))?;
        let status_code = self.settings.vault.as_ref().map(|vault| vault.status_code(&commitment));
        Ok(Promised { promise: note, commitment, received_at, deadline, status_code: status_code.unwrap_or_default() })
    }

    /// Records the period of all that wait.
    pub(crate) async fn period(&mut self, answer: Option<oneshot::Sender<Result<u64, SubmitError>>>) {
        let ended = self.end_period(answer.is_some()).await;
        // Where one was recorded the turn has ended with it.
        self.store.pass().await;
        if let Err(error) = &ended {
            tracing::error!(error = chain(error), "a period of sealed events was not recorded");
        }
        if let Some(answer) = answer {
            // Whoever asked may have gone away.
            let _ = answer.send(ended);
        }
    }

    /// Of several nodes each has its clock for the periods, and the first one records it: unless `at_once` the others find
    /// that the last one is too young.
    async fn end_period(&mut self, at_once: bool) -> Result<u64, SubmitError> {
        if let Some(reason) = self.shared.halted() {
            return Err(SubmitError::Halted(reason));
        }
        let Some(vault) = self.settings.vault.clone() else {
            return Err(SubmitError::Halted("账本没有启用限阅库".into()));
        };
        if let Err(error) = self.begin_turn().await {
            return Err(self.fall_back(error).await);
        }
        let now = match self.read_clock() {
            Ok(now) => now,
            Err(fault) => return Err(self.halt_for_clock(fault).await),
        };
        if let Some((index, recorded_at)) = self.last_period().await?
            && !at_once
            && (now - recorded_at) * 2 < TimeDelta::from_std(self.settings.period).unwrap_or(TimeDelta::MAX)
        {
            return Ok(index);
        }
        let waiting = self.store.load_waiting().await?;
        let (root, period) = plant(&vault, &waiting);
        let (head, entry) = self.period_entry(now, &root, period)?;
        let index = self.head.size;
        let publication = self.shared.take_publication();
        let batch = Batch { publication, ..Batch::of(index, vec![entry], head.clone()) };
        if let Err(error) = self.store.append(batch).await {
            return Err(self.fall_back(error).await);
        }
        self.head = head;
        self.shared.committed.send_replace(self.head.size);
        // The publisher ends only when it cannot go on; then there is nobody to tell.
        let _ = self.publisher.try_send(Signal::Committed);
        Ok(index)
    }

    /// The last period's entry, and when it was recorded.
    async fn last_period(&mut self) -> Result<Option<(u64, DateTime<Utc>)>, StoreError> {
        let Some(index) = self.store.load_last_period().await? else { return Ok(None) };
        let row = self.store.load_range(index, index + 1).await?.pop();
        let row = row.ok_or_else(|| StoreError::row(index, "period", "its entry is missing"))?;
        Ok(Some((index, parse_entry(index, row.bytes)?.recorded_at)))
    }

    fn period_entry(
        &self,
        now: DateTime<Utc>,
        root: &Digest,
        period: Period,
    ) -> Result<(LogHead, NewEntry), StoreError> {
        let index = self.head.size;
        let wrong = |e: &dyn std::error::Error| StoreError::row(index, "period", chain(e));
        let keys = self.keys.as_ref().ok_or_else(|| StoreError::row(index, "period", "there is no intake key"))?;
        let text = SealedPeriod::text(&self.shared.origin, root).map_err(|e| wrong(&e))?;
        let note = note::sign(&text, &[&keys.intake]).map_err(|e| wrong(&e))?;
        let bytes = Entry::seal(index, now, self.head.entry_hash, &note).map_err(|e| wrong(&e))?;
        let mut edge = self.head.edge.clone();
        edge.append(merkle::leaf_hash(&bytes)).map_err(|e| wrong(&e))?;
        let head = LogHead { size: index + 1, entry_hash: Digest::of(&bytes), edge, recorded_at: now };
        Ok((head, NewEntry { bytes, period: Some(period), ..NewEntry::default() }))
    }
}

/// Puts the events at random leaves and decoys everywhere else.
fn plant(vault: &Vault, waiting: &[Waiting]) -> (Digest, Period) {
    let nonce = vault.random();
    let salts = vault.decoy_salts(&nonce);
    let mut leaves: Vec<Digest> = (0..PERIOD_LEAVES).map(|leaf| sealed::decoy(&salts(leaf))).collect();
    let places = vault.places(waiting.len());
    for (event, place) in waiting.iter().zip(&places) {
        leaves[*place] = event.commitment;
    }
    let tree = sealed::PeriodTree::new(&leaves).expect("a period has all its leaves");
    let events = waiting.iter().zip(places);
    let leaves = events.map(|(event, leaf)| PeriodLeaf { seq: event.seq, leaf: leaf as u64, path: tree.path(leaf) });
    (tree.root(), Period { nonce, leaves: leaves.collect() })
}

/// Takes a stored event into its stream.
fn advance(stream: &mut Stream, row: &RawSealed, opened: &OpenedEvent) {
    let SignedStatement { statement, hash, .. } = &opened.signed;
    let before = std::mem::take(&mut stream.1);
    let state = opened.with_recorded(row, |recorded| judge::evolve(before, recorded));
    *stream = (Some(Head { revision: statement.revision, hash: *hash }), state);
}
