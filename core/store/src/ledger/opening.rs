//! Making a ledger and opening it: the lock, the check of what is published, the two threads.

use std::{
    fs::{self, File, TryLockError},
    sync::{Arc, mpsc as std_mpsc},
    thread,
    time::Duration,
};

use gongkai_domain::{Submission, World, world::Role};
use tokio::{
    runtime::Handle,
    sync::{mpsc, oneshot, watch},
    task,
};

use super::{Inner, Ledger, LedgerKeys, Places, Settings, Shared};
use crate::{
    admission::{self, Admitted},
    clock::Clock,
    database::{Place, ServerUrl},
    drafts::Drafts,
    error::{OpenError, StoreError, SubmitError},
    event_store::{EventStore, LogHead},
    layout::Layout,
    map::{LedgerLog, Map},
    moving, node,
    publisher::Publisher,
    reader::ReadStore,
    recover::{Recover, Recovery},
    regain::{Pending, pending},
    row_store::{self, RowStore},
    sequencer::{Item, Message, Sequencer},
    signing::Signing,
    taken::TakenBook,
};

/// How often a node on a server asks whether another has committed.
const FOLLOW_EVERY: Duration = Duration::from_millis(50);

/// What a new ledger begins with.
pub struct CreateOptions {
    /// The keys that the genesis names.
    pub keys: LedgerKeys,
    /// `ledger.created.v1`, signed by the log key.
    pub genesis: Submission,
    /// How it runs.
    pub settings: Settings,
    /// The PostgreSQL database for its rows; a file in its directory without one.
    pub server: Option<ServerUrl>,
}

impl Ledger {
    /// Makes a ledger with its genesis and opens it.
    ///
    /// A crash before the genesis is committed leaves no ledger; `create` can then be called again.
    ///
    /// # Errors
    /// [`OpenError::Exists`], [`OpenError::Genesis`], [`OpenError::Key`], [`OpenError::InUse`],
    /// [`OpenError::Store`].
    pub async fn create(layout: &Layout, options: CreateOptions, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        let CreateOptions { keys, genesis, settings, server } = options;
        let place = server.map_or_else(|| Place::File(layout.database()), Place::Server);
        if layout.has_ledger() {
            return Err(OpenError::Exists(layout.root().to_owned()));
        }
        row_store::refuse_taken(&place).await?;
        fs::create_dir_all(layout.root()).map_err(|e| StoreError::file("making folder", layout.root(), e))?;
        let guard = take_lock(layout)?;
        let draft = row_store::draft(layout, &place)?;
        RowStore::create(&draft).await?;
        let store = RowStore::open(&draft, settings.busy_timeout).await?;
        let origin = keys.log.name().to_owned();
        let admitted = admission::admit_public(&origin, genesis, |_| None).map_err(OpenError::Genesis)?;
        Box::pin(commit_genesis(store, &origin, admitted, clock.clone(), settings.clone())).await?;
        row_store::put_in_place(layout, &draft, &place).await?;
        // Whoever opens a ledger inside a long command carries no more of it than a pointer.
        Box::pin(Self::start(layout, &place, keys, clock, settings, guard)).await
    }

    /// Opens a ledger for writing: checks and repairs what is published, and puts a halt on record.
    ///
    /// When the clock is behind the last entry it opens all the same, for reading; see
    /// [`Ledger::health`].
    ///
    /// # Errors
    /// [`OpenError`] says what is wrong and how to mend it.
    pub async fn open(
        layout: &Layout,
        keys: LedgerKeys,
        clock: Arc<dyn Clock>,
        settings: Settings,
    ) -> Result<Self, OpenError> {
        let place = Place::of(layout)?;
        row_store::examine(layout, &place, true).await?;
        let guard = take_lock(layout)?;
        if let Some(Pending { size, seen, by }) = pending(layout)? {
            return Err(OpenError::Unrecovered { size, seen, by });
        }
        // Whoever opens a ledger inside a long command carries no more of it than a pointer.
        Box::pin(Self::start(layout, &place, keys, clock, settings, guard)).await
    }

    async fn start(
        layout: &Layout,
        place: &Place,
        keys: LedgerKeys,
        clock: Arc<dyn Clock>,
        settings: Settings,
        guard: File,
    ) -> Result<Self, OpenError> {
        moving::settle(layout)?;
        let store = RowStore::open(place, settings.busy_timeout).await?.numbered(node::number(layout, place)?);
        Self::start_with(store, layout, keys, clock, settings, guard).await
    }

    /// Starts the threads over a store that has taken over.
    pub(crate) async fn start_with<S: EventStore>(
        store: S,
        layout: &Layout,
        keys: LedgerKeys,
        clock: Arc<dyn Clock>,
        settings: Settings,
        guard: File,
    ) -> Result<Self, OpenError> {
        let reader = ReadStore::connect(&Place::of(layout)?, settings.readers_max, settings.busy_timeout);
        let keys = Arc::new(keys);
        let ready = match get_ready(&reader, layout, &keys, (&settings, &clock)).await {
            Ok(ready) => ready,
            Err(error) => {
                // Leave nothing open: the operator is going to put another file there. That closing
                // fails too would tell nothing new.
                reader.close().await;
                let _ = store.close().await;
                return Err(error);
            }
        };
        let Ready { head, world, shared, publisher, recovery } = ready;
        let signals = spawn_publisher(publisher);
        let (queue, messages) = mpsc::channel(settings.queue_max.max(1));
        let (done_sender, done) = watch::channel(());
        let over = Sequencer::over(store, shared.clone(), (head, world), clock.clone(), settings.clone(), signals);
        let sequencer = Sequencer { keys: Some(Arc::clone(&keys)), reader: Some(reader.clone()), ..over };
        let (ready_sender, ready) = oneshot::channel();
        let runtime = Handle::current();
        let spawned = thread::Builder::new().name("sequencer".into()).spawn(move || {
            sequencer.run(&runtime, messages, ready_sender);
            // Only now may another process write here.
            drop(guard);
            drop(done_sender);
        });
        spawned.map_err(|e| StoreError::file("starting a thread for", layout.root(), e))?;
        // An error here means that the thread has ended, which every later call reports.
        let _ = ready.await;
        if settings.vault.is_some() {
            tokio::spawn(keep_periods(queue.downgrade(), settings.period));
        }
        if matches!(Place::of(layout)?, Place::Server(_)) {
            let committed = shared.committed.subscribe();
            tokio::spawn(watch_others(reader.clone(), committed, queue.downgrade()));
        }
        let log = LedgerLog {
            reader: reader.clone(),
            committed: shared.committed.subscribe(),
            queue: queue.downgrade(),
            clock: clock.clone(),
            done: done.clone(),
        };
        let map = Map::of_ledger(&layout.map(), log, settings.map_interval).await.map_err(Box::new)?;
        let (layout, runtime) = (layout.clone(), Handle::current());
        let places = Places::new(queue.max_capacity() / 2);
        let drafts = settings.vault.clone().map(|vault| Drafts::new(&layout, vault));
        let taken = settings.vault.clone().map(|vault| TakenBook::new(&layout, vault));
        Ok(Self(Arc::new(Inner {
            layout,
            keys,
            runtime,
            settings,
            clock,
            shared,
            reader,
            drafts,
            taken,
            queue,
            places,
            done,
            recovery,
            map,
        })))
    }
}

/// What the threads start from.
struct Ready {
    head: LogHead,
    world: World,
    shared: Arc<Shared>,
    publisher: Publisher,
    recovery: Recovery,
}

/// Loads, checks and repairs.
async fn get_ready(
    reader: &ReadStore,
    layout: &Layout,
    keys: &Arc<LedgerKeys>,
    (settings, clock): (&Settings, &Arc<dyn Clock>),
) -> Result<Ready, OpenError> {
    let (head, world) = reader.head_and_world().await.map_err(|error| match error {
        error @ StoreError::Row { .. } => OpenError::Damaged(error),
        error => OpenError::Store(error),
    })?;
    check_keys(&world, keys, settings)?;
    let shared = Arc::new(Shared::new(keys.log.name().to_owned(), world.clone(), head.size));
    let recover = Recover {
        runtime: Handle::current(),
        layout: layout.clone(),
        keys: keys.clone(),
        shared: shared.clone(),
        settings: settings.clone(),
        clock: clock.clone(),
        signing: Signing::of(&world, &keys.log.verifier()),
    };
    let recovered = task::spawn_blocking(move || recover.run()).await;
    let (mut publisher, recovery) =
        recovered.map_err(|e| StoreError::file("checking", layout.root(), std::io::Error::other(e)))??;
    publisher.files.keep_partials(settings.partials_kept);
    Ok(Ready { head, world, shared, publisher, recovery })
}

/// The keys handed in must be those that the ledger names: the genesis, or the rotation since.
fn check_keys(world: &World, keys: &LedgerKeys, settings: &Settings) -> Result<(), OpenError> {
    for (role, wire, key) in [(Role::Log, "log", &keys.log), (Role::Intake, "intake", &keys.intake)] {
        let known = world.ledger_key(role).and_then(|name| world.key(name)).map(|known| &known.verifier);
        let is_log = role == Role::Log;
        let is_here = known.is_some_and(|known| *known == key.verifier() || is_log && keys.log_key(known).is_some());
        // The name must be right in any case: it is the origin.
        let is_awaited = is_log && settings.awaits_key && known.is_some_and(|known| known.name() == key.name());
        if !is_here && !is_awaited {
            let expected = known.map_or_else(|| "unknown".to_owned(), ToString::to_string);
            return Err(OpenError::Key { role: wire, given: key.verifier().to_string(), expected });
        }
    }
    Ok(())
}

/// The lock of the directory, held as long as the file is open, by this process only.
///
/// # Errors
/// [`OpenError::InUse`] when another process holds it.
pub fn take_lock(layout: &Layout) -> Result<File, OpenError> {
    let file = |e| StoreError::file("locking", layout.lock(), e);
    let lock = File::options().create(true).truncate(false).write(true).open(layout.lock()).map_err(file)?;
    match lock.try_lock() {
        // So that the file's time says since when it is held; it is empty either way.
        Ok(()) => lock.set_len(0).map(|()| lock).map_err(|e| file(e).into()),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse(layout.root().to_owned())),
        Err(TryLockError::Error(error)) => Err(file(error).into()),
    }
}

fn spawn_publisher(publisher: Publisher) -> std_mpsc::SyncSender<crate::publisher::Signal> {
    // One is enough: whoever is told of new entries looks how many there are.
    let (sender, receiver) = std_mpsc::sync_channel(1);
    let shared = publisher.shared.clone();
    let spawned = thread::Builder::new().name("publisher".into()).spawn(move || publisher.run(&receiver));
    if let Err(error) = spawned {
        shared.halt_for_good(format!("发布线程没有启动（{error}）"));
    }
    sender
}

/// Has a period recorded again and again, until the ledger is closed.
async fn keep_periods(queue: mpsc::WeakSender<Message>, period: Duration) {
    let mut every = tokio::time::interval(period);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    // The first tick comes at once; the first period has its time like any other.
    every.tick().await;
    loop {
        every.tick().await;
        let Some(queue) = queue.upgrade() else { return };
        if queue.send(Message::Period(None)).await.is_err() {
            return;
        }
    }
}

/// Has the sequencer follow what other nodes commit, until the ledger is closed. It asks instead of being notified: that
/// works with every database that speaks this protocol, and a notification can be lost.
async fn watch_others(reader: ReadStore, committed: watch::Receiver<u64>, queue: mpsc::WeakSender<Message>) {
    let mut every = tokio::time::interval(FOLLOW_EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        let Some(queue) = queue.upgrade() else { return };
        let (size, is_there) = match reader.head().await {
            Ok(head) => (head.size, true),
            // The sequencer finds the same, and stops.
            Err(StoreError::Moved { .. }) => (u64::MAX, false),
            Err(error) => {
                tracing::debug!(%error, "the head cannot be read now");
                continue;
            }
        };
        if size <= *committed.borrow() {
            continue;
        }
        let (done, followed) = oneshot::channel();
        if queue.send(Message::Follow(done)).await.is_err() {
            return;
        }
        // An error means that the sequencer ends, which the next round sees.
        let _ = followed.await;
        if !is_there {
            return;
        }
    }
}

/// The first entry of a new database, by the way that all entries take.
async fn commit_genesis(
    mut store: RowStore,
    origin: &str,
    admitted: Admitted,
    clock: Arc<dyn Clock>,
    settings: Settings,
) -> Result<(), OpenError> {
    let head = store.load_head().await?;
    let shared = Arc::new(Shared::new(origin.to_owned(), World::default(), 0));
    let (publisher, _) = std_mpsc::sync_channel(1);
    let (answer, receipt) = oneshot::channel();
    let item = Item { key: None, admitted: Box::new(admitted), answer };
    let first = Sequencer::over(store, shared, (head, World::default()), clock, settings, publisher);
    first.run_once(item).await?;
    match receipt.await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(SubmitError::Refused(refusal))) => Err(OpenError::Genesis(refusal)),
        Ok(Err(other)) => Err(StoreError::file("writing", "genesis", std::io::Error::other(other)).into()),
        Err(error) => Err(StoreError::file("writing", "genesis", std::io::Error::other(error)).into()),
    }
}
