//! The sequencer: one thread that gives submissions their place.
//!
//! It takes all that wait as one batch, judges each in order against the world and the streams as of
//! the entry before, builds chain and tree, and commits everything in one transaction. Receipts leave
//! after that commit and never before. If the commit fails nothing of the batch remains: head, world
//! and streams are those of the last commit again.
//!
//! Not here: expensive checks that need no order (`admission`), files (`publisher`). It stops by itself
//! when a clock jumps or the database fails, and answers that it did.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, mpsc as std_mpsc},
    time::{Duration, Instant},
};

use chrono::{DateTime, FixedOffset, SubsecRound as _, Utc};
use gongkai_domain::{
    Context, Head, Named, Recorded, Refusal, World,
    anonymity::Asker,
    judge,
    kind::{self, erasure, slot::Withdrawn},
};
use gongkai_log::{Content, Digest, ENTRY_BYTES_MAX, Entry, MapRoot, Statement, merkle};
use tokio::{
    runtime::Handle,
    sync::{mpsc, oneshot},
};
use tracing::Instrument as _;

use crate::{
    admission::Admitted,
    clock::Clock,
    error::{MOVED, StoreError, SubmitError},
    event_store::{At, Batch, Changed, Erased, EventStore, Known, KnownRequest, LogHead, NewEntry, NewSealed},
    ledger::{Accepted, LedgerKeys, Receipt, Settings, Shared},
    map::Spoken,
    observer::TRACE,
    publisher::Signal,
    reader::{ReadStore, chain, parse_entry, teaches},
    rehearsal::Rehearsed,
    sealed_sequencer::vault_store,
    streams::Streams,
    timekeeping::ServerTime,
    vault::KeyEntry,
    withdrawal::Withdrawable,
};

/// Most bytes of notes and lists in one batch.
const BATCH_BYTES_MAX: usize = 64 << 20;

/// East of Greenwich, for what the ledger itself declares.
const CHINA_SECONDS_EAST: i32 = 8 * 3_600;

pub(crate) type Answer = Result<Accepted, SubmitError>;

/// A submission with a place to send the answer to.
pub(crate) struct Item {
    pub key: Option<String>,
    pub admitted: Box<Admitted>,
    pub answer: oneshot::Sender<Answer>,
}

impl Item {
    fn bytes(&self) -> usize {
        let sealed =
            self.admitted.sealing.as_ref().map_or(0, |sealing| sealing.values.iter().map(|v| v.bytes.len()).sum());
        self.admitted.note.len() + self.admitted.list.as_ref().map_or(0, String::len) + sealed
    }

    pub(crate) fn statement(&self) -> &Statement {
        &self.admitted.checked.signed.statement
    }

    pub(crate) fn is_sealed(&self) -> bool {
        self.admitted.checked.kind.sealed
    }
}

/// What the sequencer is told.
pub(crate) enum Message {
    Submit(Item),
    /// Judge it, and record nothing.
    Rehearse(Item, oneshot::Sender<Rehearsed>),
    /// Record the period of the sealed events that are waiting.
    Period(Option<oneshot::Sender<Result<u64, SubmitError>>>),
    /// Say the root of the map, if the log has not grown too far beyond it.
    Root(MapRoot, oneshot::Sender<Result<Spoken, SubmitError>>),
    /// Take in what another node has committed.
    Follow(oneshot::Sender<()>),
    /// Check the clock again and go on.
    Resume(oneshot::Sender<Result<(), SubmitError>>),
    /// Take nothing more; finish what is waiting.
    Close,
}

/// Whoever waits to be taken in.
pub(crate) struct Line<'q> {
    queue: &'q mut mpsc::Receiver<Message>,
    /// What is no submission; a batch ends there.
    control: Option<Message>,
}

impl Line<'_> {
    /// Adds all that wait, up to a batch.
    fn join(&mut self, items: &mut Vec<Item>, batch_max: usize) {
        let mut bytes: usize = items.iter().map(Item::bytes).sum();
        while self.control.is_none() && items.len() < batch_max && bytes < BATCH_BYTES_MAX {
            match self.queue.try_recv() {
                Ok(Message::Submit(item)) => {
                    bytes += item.bytes();
                    items.push(item);
                }
                Ok(other) => self.control = Some(other),
                Err(_) => break,
            }
        }
    }
}

/// What a batch has come to so far.
pub(crate) struct Draft {
    pub from: u64,
    pub now: DateTime<Utc>,
    pub head: LogHead,
    pub entries: Vec<NewEntry>,
    // Places of the items that became entries, for the world of the readers.
    accepted: Vec<usize>,
    pub changed: BTreeMap<u64, Changed>,
    pub requests: HashMap<String, (Digest, Accepted)>,
    pub sealed: Vec<NewSealed>,
    pub erased: Vec<Erased>,
    /// Data keys that must be durable before the commit.
    pub keys: Vec<Arc<KeyEntry>>,
}

impl Draft {
    /// A batch of nothing yet.
    pub(crate) fn of(head: LogHead, now: DateTime<Utc>) -> Self {
        Self {
            from: head.size,
            now,
            head,
            entries: Vec::new(),
            accepted: Vec::new(),
            changed: BTreeMap::new(),
            requests: HashMap::new(),
            sealed: Vec::new(),
            erased: Vec::new(),
            keys: Vec::new(),
        }
    }

    /// Takes the openings away: from the batch when the entry is in it, else by a change of its row.
    pub(crate) fn withdraw(&mut self, mut target: Withdrawable, withdrawn: &Withdrawn) -> Result<(), StoreError> {
        let index = target.index();
        let changed = target.withdraw(withdrawn.slots(), withdrawn.lines())?;
        match index.checked_sub(self.from).and_then(|place| usize::try_from(place).ok()) {
            Some(place) => {
                if let Some(entry) = self.entries.get_mut(place) {
                    entry.openings = changed.openings;
                    entry.list = changed.list;
                }
            }
            None => drop(self.changed.insert(index, changed)),
        }
        Ok(())
    }
}

/// What a proposal names outside its own stream.
#[derive(Default)]
pub(crate) struct LookedUp {
    pub target: Option<Withdrawable>,
    pub period: Option<Digest>,
    pub erasable: Option<Erased>,
    pub begins: Option<bool>,
    pub askers: Vec<Asker>,
}

/// An entry that a proposal names.
pub(crate) enum Found {
    Statement(Box<Withdrawable>),
    Period(Digest),
}

/// See the module.
pub(crate) struct Sequencer<S: EventStore> {
    pub store: S,
    pub shared: Arc<Shared>,
    /// Absent while the genesis is written, which needs none.
    pub keys: Option<Arc<LedgerKeys>>,
    pub clock: Arc<dyn Clock>,
    pub settings: Settings,
    pub head: LogHead,
    /// The world as of the last entry of the batch at hand; readers see the last commit's.
    pub world: World,
    pub streams: Streams,
    /// Sealed streams; their names are other ones than those of public streams.
    pub sealed_streams: Streams,
    /// Sealed events that are committed.
    pub sealed_count: u64,
    /// The clocks' last readings, against which a jump shows.
    pub reading: (DateTime<Utc>, Duration),
    pub publisher: std_mpsc::SyncSender<Signal>,
    /// Closed at the end, so that the writer is the last one and leaves no WAL behind.
    pub reader: Option<ReadStore>,
    /// The connection to the database was lost, and with it what became of the last batch.
    pub lost: bool,
    /// Another node has ordered an erasure, whose keys are to be destroyed before anything is sealed again.
    pub erasure_heard: bool,
    /// What the database's server said of the time in this node's last turn; `None` where it is alone.
    pub server: Option<ServerTime>,
}

impl<S: EventStore> Sequencer<S> {
    /// Over a store that has taken over and is at `head`, with the world as of it; it remembers no stream yet.
    pub(crate) fn over(
        store: S,
        shared: Arc<Shared>,
        (head, world): (LogHead, World),
        clock: Arc<dyn Clock>,
        settings: Settings,
        publisher: std_mpsc::SyncSender<Signal>,
    ) -> Self {
        Self {
            store,
            shared,
            keys: None,
            reading: (clock.now().trunc_subsecs(6), clock.monotonic()),
            clock,
            head,
            world,
            streams: Streams::new(settings.streams_cached_max),
            sealed_streams: Streams::new(settings.streams_cached_max),
            settings,
            sealed_count: 0,
            publisher,
            reader: None,
            lost: false,
            erasure_heard: false,
            server: None,
        }
    }

    /// Runs until the queue is closed and empty; everything in it is answered.
    ///
    /// A halt that is not on record yet is put there first; `ready` is told when that is over.
    pub(crate) fn run(mut self, runtime: &Handle, queue: mpsc::Receiver<Message>, ready: oneshot::Sender<()>) {
        runtime.block_on(self.serve(queue, ready));
        self.finish(runtime);
    }

    /// Its whole life between start and end, in which it waits for messages and for its database and for nothing else.
    pub(crate) async fn serve(&mut self, mut queue: mpsc::Receiver<Message>, ready: oneshot::Sender<()>) {
        if let Err(error) = self.resume().await {
            tracing::error!(error = chain(&error), "the ledger is open for reading only");
        }
        match self.begin_sealed().await {
            Ok(()) => {}
            Err(error) if error.is_passing() || matches!(error, StoreError::Gone { .. }) => {
                tracing::warn!(error = chain(&error), "the sealed events are counted with the next message");
                self.lost = true;
            }
            Err(error) => {
                tracing::error!(error = chain(&error), "the sealed events could not be counted");
                self.shared.halt_for_good("封存事项读不出来，请检查磁盘后重新启动".into());
            }
        }
        // Whoever opened the ledger may have gone away.
        let _ = ready.send(());
        while let Some(message) = queue.recv().await {
            self.find_again(matches!(message, Message::Resume(_))).await;
            let mut line = Line { queue: &mut queue, control: None };
            match message {
                Message::Submit(first) => self.turn(vec![first], Some(&mut line), false).await,
                other => line.control = Some(other),
            }
            match line.control {
                Some(Message::Resume(answer)) => drop(answer.send(self.resume().await)),
                Some(Message::Period(answer)) => self.period(answer).await,
                Some(Message::Follow(done)) => {
                    self.hear().await;
                    // Whoever watches may have gone away.
                    let _ = done.send(());
                }
                // The map's keeper may have gone away.
                Some(Message::Root(root, answer)) => drop(answer.send(self.say_root(root).await)),
                Some(Message::Rehearse(item, answer)) => self.rehearse(&item, answer).await,
                Some(Message::Close) => queue.close(),
                Some(Message::Submit(_)) | None => {}
            }
        }
    }

    /// Takes one item, and ends: how a ledger begins.
    pub(crate) async fn run_once(mut self, item: Item) -> Result<(), StoreError> {
        self.turn(vec![item], None, false).await;
        self.store.close().await
    }

    /// Publishes what is committed, remembers how far, and closes the database.
    fn finish(self, runtime: &Handle) {
        let Self { mut store, shared, publisher, reader, settings, .. } = self;
        let (done, wait) = std_mpsc::channel();
        if publisher.send(Signal::Stop(done)).is_ok() {
            // The publisher drops its end when it cannot go on; what is missing is published on start.
            let _ = wait.recv();
        }
        let publication = shared.take_publication();
        let closed = runtime.block_on(async {
            if let Some(vault) = &settings.vault {
                vault.close().await.map_err(vault_store)?;
            }
            if let Some(reader) = reader {
                reader.close().await;
            }
            if let Some(publication) = publication {
                store.save_publication(publication).await?;
            }
            store.close().await
        });
        if let Err(error) = closed {
            tracing::error!(error = chain(&error), "closing the ledger database");
        }
    }

    /// One batch of these and of whoever else waits: judge, commit, answer.
    pub(crate) async fn turn(&mut self, items: Vec<Item>, line: Option<&mut Line<'_>>, clears_halt: bool) {
        let span = tracing::info_span!(target: TRACE, "commit", submissions = tracing::field::Empty);
        self.take(items, line, clears_halt).instrument(span).await;
    }

    async fn take(&mut self, mut items: Vec<Item>, mut line: Option<&mut Line<'_>>, clears_halt: bool) {
        let batch_max = self.settings.batch_max;
        let mut join = |items: &mut Vec<Item>| {
            if let Some(line) = &mut line {
                line.join(items, batch_max);
            }
            tracing::Span::current().record("submissions", items.len());
        };
        join(&mut items);
        if let Some(reason) = self.shared.halted() {
            return answer_all(&self.shared, items, &SubmitError::Halted(reason));
        }
        if let Err(error) = self.begin_turn().await {
            let error = self.fall_back(error).await;
            return answer_all(&self.shared, items, &error);
        }
        // Among several nodes a turn is waited for, and the next one is as far away.
        join(&mut items);
        let now = match self.read_clock() {
            Ok(now) => now,
            Err(fault) => {
                let error = self.halt_for_clock(fault).await;
                return answer_all(&self.shared, items, &error);
            }
        };
        let (started, size) = (Instant::now(), self.head.size + self.sealed_count);
        let (verdicts, committed) = match self.sequence(&items, now, clears_halt).await {
            Ok(done) => done,
            Err(error) => {
                let error = self.fall_back(error).await;
                return answer_all(&self.shared, items, &error);
            }
        };
        if committed {
            // Receipts leave only here: the transaction is on disk.
            self.shared.committed.send_replace(self.head.size);
            // The publisher ends only when it cannot go on; then there is nobody to tell.
            // A signal that waits already will find these entries too.
            let _ = self.publisher.try_send(Signal::Committed);
            let size = self.head.size + self.sealed_count - size;
            self.shared.tell(|observer| observer.committed(size, started.elapsed()));
        }
        for (item, verdict) in items.into_iter().zip(verdicts) {
            self.shared.count(&verdict);
            // A submitter that went away asks again with its key.
            let _ = item.answer.send(verdict);
        }
        self.store.rest().await;
    }

    /// Judges all items in order and commits what is accepted. An error means that nothing was.
    async fn sequence(
        &mut self,
        items: &[Item],
        now: DateTime<Utc>,
        clears_halt: bool,
    ) -> Result<(Vec<Answer>, bool), StoreError> {
        let keys = items.iter().filter_map(|item| item.key.clone()).collect();
        let public = items.iter().filter(|item| !item.is_sealed());
        let requests = self.look_up(keys, public.map(|item| item.statement().stream.to_string())).await?;
        self.look_up_sealed(items).await?;
        let mut draft = Draft { requests: self.receipts(requests).await?, ..Draft::of(self.head.clone(), now) };
        let mut verdicts = Vec::with_capacity(items.len());
        for (place, item) in items.iter().enumerate() {
            let entries = draft.entries.len();
            verdicts.push(self.verdict(item, &mut draft).await?);
            if draft.entries.len() > entries {
                draft.accepted.push(place);
            }
        }
        if draft.entries.is_empty() && draft.sealed.is_empty() {
            self.store.pass().await;
            return Ok((verdicts, false));
        }
        let Draft { from, head, entries, accepted, changed, sealed, erased, keys, .. } = draft;
        // A data key is durable before what it sealed: the other way round a crash would erase.
        if let Some(vault) = self.settings.vault.as_ref().filter(|_| !keys.is_empty()) {
            vault.persist(&keys).await.map_err(vault_store)?;
        }
        let publication = self.shared.take_publication();
        let changed = changed.into_values().collect();
        let sealed_count = self.sealed_count + sealed.len() as u64;
        let destroyed = erased.clone();
        let batch = Batch { from, entries, sealed, erased, changed, head: head.clone(), publication, clears_halt };
        self.store.append(batch).await?;
        self.head = head;
        self.sealed_count = sealed_count;
        // The order is on record; a crash here destroys the keys on the next start.
        self.end_erasures(destroyed).await;
        self.tell_sealed();
        let statements = accepted.into_iter().map(|place| &items[place].admitted.checked.signed);
        self.shared.learn(from, self.head.recorded_at, statements);
        Ok((verdicts, true))
    }

    /// Makes the streams of a batch present, and says which of its keys are known.
    pub(crate) async fn look_up(
        &mut self,
        keys: Vec<String>,
        streams: impl Iterator<Item = String>,
    ) -> Result<Vec<KnownRequest>, StoreError> {
        let missing = self.streams.missing(streams);
        if keys.is_empty() && missing.is_empty() {
            return Ok(Vec::new());
        }
        let Known { requests, streams } = self.store.look_up(keys, missing.clone()).await?;
        self.streams.learn(missing, streams);
        Ok(requests)
    }

    /// Receipts of requests that were recorded before.
    async fn receipts(
        &mut self,
        requests: Vec<KnownRequest>,
    ) -> Result<HashMap<String, (Digest, Accepted)>, StoreError> {
        let mut known = HashMap::new();
        for request in requests {
            let accepted = match request.at {
                At::Entry(index) => {
                    let rows = self.store.load_range(index, index + 1).await?;
                    let missing = || StoreError::row(index, "request", "its entry is missing");
                    let row = rows.into_iter().next().ok_or_else(missing)?;
                    Accepted::Entry(Receipt::of(&parse_entry(row.index, row.bytes)?))
                }
                At::Sealed(seq) => {
                    let missing = || StoreError::row(seq, "request", "its sealed event is missing");
                    let event = self.store.load_sealed_event(seq).await?.ok_or_else(missing)?;
                    Accepted::Promise(self.promised(event.commitment, event.received_at, event.deadline)?)
                }
            };
            known.insert(request.key, (request.request, accepted));
        }
        Ok(known)
    }

    /// The answer to one item, as of the entry before it. The outer error spoils the whole batch.
    async fn verdict(&mut self, item: &Item, draft: &mut Draft) -> Result<Answer, StoreError> {
        let admitted = &item.admitted;
        if let Some((request, accepted)) = item.key.as_ref().and_then(|key| draft.requests.get(key)) {
            let same = *request == admitted.request;
            return Ok(if same { Ok(accepted.clone()) } else { Err(Refusal::IdempotencyConflict.into()) });
        }
        if !self.keys_hold(admitted) {
            // Its subject was erased since it was encrypted: the submitter asks again.
            return Ok(Err(SubmitError::Busy));
        }
        if item.is_sealed() {
            return self.accept_sealed(item, draft);
        }
        if let Some(receipt) = self.regained(item).await? {
            return Ok(Ok(Accepted::Entry(receipt)));
        }
        let statement = &admitted.checked.signed.statement;
        let named = match self.name(item, draft).await {
            Ok(named) => named,
            Err(error @ StoreError::Row { .. }) => return Ok(Err(error.into())),
            Err(error) => return Err(error),
        };
        let accepted = match self.accept(item, draft, &named) {
            Ok(accepted) => accepted,
            Err(error) => return Ok(Err(error)),
        };
        let LookedUp { target, erasable, .. } = named;
        if let (Some(target), Some(withdrawn)) = (target, kind::body::<Withdrawn>(&statement.kind, &statement.body)) {
            draft.withdraw(target, &withdrawn)?;
        }
        draft.erased.extend(erasable);
        Ok(Ok(accepted))
    }

    /// What a proposal names outside its own stream.
    pub(crate) async fn name(&mut self, item: &Item, draft: &Draft) -> Result<LookedUp, StoreError> {
        let statement = item.statement();
        let mut named = LookedUp { askers: self.askers(item, draft).await?, ..LookedUp::default() };
        if let Some(index) = item.admitted.checked.kind.target(&statement.body) {
            match self.load_target(index, draft).await? {
                Some(Found::Statement(target)) => named.target = Some(*target),
                Some(Found::Period(root)) => named.period = Some(root),
                None => {}
            }
        }
        if let Some(ordered) = kind::body::<erasure::Ordered>(&statement.kind, &statement.body) {
            named.erasable = self.erasable(&ordered, named.target.as_ref()).await?;
        }
        if let Some(beginning) = kind::beginning(statement) {
            named.begins = self.begins(item, beginning).await?;
        }
        Ok(named)
    }

    /// Judges, seals, and takes the entry into draft, stream and world.
    pub(crate) fn accept(&mut self, item: &Item, draft: &mut Draft, named: &LookedUp) -> Answer {
        let admitted = &item.admitted;
        let signed = &admitted.checked.signed;
        let name = signed.statement.stream.to_string();
        let stream = self.streams.get_mut(&name).map_err(SubmitError::Storage)?;
        let target = named.target.as_ref().map(Withdrawable::target);
        let (proposal, now, world) = (admitted.checked.proposal(), draft.now, &self.world);
        let sealed = self.sealed_streams.named(&proposal).map_err(SubmitError::Storage)?;
        let context = Context {
            target: target.as_ref(),
            named: Named::of(sealed.as_ref()),
            period: named.period.as_ref(),
            erasable: Some(named.erasable.is_some()),
            begins: named.begins,
            ..Context::at(now, world)
        };
        let keys = judge::judge(&proposal, stream.0, &stream.1, &context)?;
        admitted.signed_by(&keys)?;
        named.keeps_askers(&proposal)?;
        let index = draft.head.size;
        let bytes = Entry::seal(index, draft.now, draft.head.entry_hash, &admitted.note)
            .map_err(|error| Refusal::TooLarge { bytes: entry_bytes(&error, admitted), bytes_max: ENTRY_BYTES_MAX })?;
        let leaf = merkle::leaf_hash(&bytes);
        let entry_hash = Digest::of(&bytes);
        draft.head.edge.append(leaf).map_err(|error| StoreError::row(index, "head", error.to_string()))?;
        draft.head =
            LogHead { size: index + 1, entry_hash, edge: std::mem::take(&mut draft.head.edge), recorded_at: draft.now };
        let recorded =
            Recorded { index, recorded_at: draft.now, statement: &signed.statement, hash: signed.hash, values: None };
        let state = judge::evolve(std::mem::take(&mut stream.1), &recorded);
        *stream = (Some(Head { revision: signed.statement.revision, hash: signed.hash }), state);
        if teaches(&signed.statement) {
            self.world.evolve(&recorded);
        }
        let receipt =
            Accepted::Entry(Receipt { index, entry_hash, statement_hash: signed.hash, recorded_at: draft.now });
        if let Some(key) = &item.key {
            draft.requests.insert(key.clone(), (admitted.request, receipt.clone()));
        }
        let sealing = admitted.sealing.as_ref();
        draft.keys.extend(sealing.iter().flat_map(|sealing| sealing.keys.iter().cloned()));
        draft.entries.push(NewEntry {
            bytes,
            stream: Some((name, signed.statement.revision)),
            openings: Some(admitted.openings.at(index)),
            list: admitted.list.clone(),
            attachments: admitted.attachments.clone(),
            request: item.key.clone().map(|key| (key, admitted.request)),
            inventory: self
                .settings
                .vault
                .as_ref()
                .map(|vault| vault.inventory(&signed.hash, sealing.map_or(&[], |sealing| &sealing.values))),
            sealed: sealing.map(|sealing| sealing.values.clone()).unwrap_or_default(),
            period: None,
        });
        Ok(receipt)
    }

    /// The entry that a withdrawal names, as it stands with what this batch has changed already.
    pub(crate) async fn load_target(&mut self, index: u64, draft: &Draft) -> Result<Option<Found>, StoreError> {
        let (bytes, mut openings, mut list) = if let Some(place) = index.checked_sub(draft.from) {
            let Some(entry) = usize::try_from(place).ok().and_then(|place| draft.entries.get(place)) else {
                return Ok(None);
            };
            (entry.bytes.clone(), entry.openings.clone(), entry.list.clone())
        } else {
            let rows = self.store.load_range(index, index + 1).await?;
            let Some(row) = rows.into_iter().next() else { return Ok(None) };
            (row.bytes, row.openings, row.list)
        };
        if let Some(changed) = draft.changed.get(&index) {
            openings = changed.openings.clone().or(openings);
            list = changed.list.clone().or(list);
        }
        if let Content::Sealed(period) = parse_entry(index, bytes.clone())?.content {
            return Ok(Some(Found::Period(period.root)));
        }
        Ok(Withdrawable::parse(index, bytes, openings, list)?.map(|target| Found::Statement(Box::new(target))))
    }

    /// After a batch that was not committed: back to the last commit, and stop unless the fault passes.
    pub(crate) async fn fall_back(&mut self, error: StoreError) -> SubmitError {
        self.store.pass().await;
        self.world = self.shared.with_world(World::clone);
        self.streams.clear();
        self.sealed_streams.clear();
        if error.is_passing() || matches!(error, StoreError::Row { .. }) {
            tracing::error!(error = chain(&error), "a batch was not committed");
            return error.into();
        }
        if matches!(error, StoreError::Gone { .. }) {
            self.lost = true;
            tracing::error!(error = chain(&error), "the database is gone; it is asked again with the next submission");
            return SubmitError::Halted(
                "与数据库的连接断了，正在重连。请稍后用同一个幂等键再交一次，不会重复入账".to_owned(),
            );
        }
        // After a failed flush nobody knows what is on disk, and asking the kernel again would lie
        // (the error is reported once). Only a restart, which verifies the tail, can tell.
        let reason = match &error {
            StoreError::Fenced { .. } => "另一个进程已接管账本，本进程不再写入".to_owned(),
            StoreError::Moved { .. } => MOVED.to_owned(),
            other => format!("存储故障（{}），请检查磁盘后重新启动", chain(other)),
        };
        tracing::error!(error = chain(&error), "the ledger stopped");
        self.shared.halt_for_good(reason.clone());
        SubmitError::Halted(reason)
    }

    /// Goes on after a halt for the clock, which is put on record first. Also called on start.
    pub(crate) async fn resume(&mut self) -> Result<(), SubmitError> {
        let resumed = self.resume_in_turn().await;
        // Where something was put on record the turn has ended with it.
        self.store.pass().await;
        resumed
    }

    async fn resume_in_turn(&mut self) -> Result<(), SubmitError> {
        // Nobody else puts the same halt on record meanwhile.
        self.begin_turn().await?;
        let halt = self.store.load_halt().await?;
        let Some(halt) = halt else {
            // Nothing to put on record. A storage fault is not mended by asking.
            return match self.shared.halted() {
                Some(reason) => Err(SubmitError::Halted(reason)),
                None => match self.read_clock() {
                    Ok(_) => Ok(()),
                    Err(fault) => Err(self.halt_for_clock(fault).await),
                },
            };
        };
        // Whoever resumes after a jump ahead says that the clock is right now.
        self.reading = (self.clock.now().trunc_subsecs(6), self.clock.monotonic());
        if let Err(fault) = self.read_clock() {
            self.shared.halt(fault.message.clone());
            return Err(SubmitError::Halted(fault.message));
        }
        self.shared.go_on();
        if let Some(reason) = self.shared.halted() {
            // What is on record may be the clock of another node. It does not mend what stopped this one.
            return Err(SubmitError::Halted(reason));
        }
        if let Err(error) = self.put_on_record(&halt).await {
            let reason = format!("暂停记录没有写入（{error}）");
            self.shared.halt(reason.clone());
            return Err(SubmitError::Halted(reason));
        }
        Ok(())
    }
}

fn answer_all(shared: &Shared, items: Vec<Item>, error: &SubmitError) {
    for item in items {
        shared.count(&Err(error.clone()));
        // A submitter that went away asks again with its key.
        let _ = item.answer.send(Err(error.clone()));
    }
}

/// Whole seconds at the offset of China.
pub(crate) fn china_time(time: DateTime<Utc>) -> DateTime<FixedOffset> {
    let offset = FixedOffset::east_opt(CHINA_SECONDS_EAST).expect("eight hours are an offset");
    time.trunc_subsecs(0).with_timezone(&offset)
}

fn entry_bytes(error: &gongkai_log::EntryError, admitted: &Admitted) -> usize {
    match error {
        gongkai_log::EntryError::TooLong(bytes) => *bytes,
        _ => admitted.note.len(),
    }
}
