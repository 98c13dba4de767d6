//! The views as readers have them: which generation is served, and how far it is.
//!
//! A reader gets one moment of the served generation and keeps it while another is swapped in. Pages may be read from
//! replicas of the database (`replicas`), everything else from the database itself. Not here: what fills generations and
//! swaps them (`engine`), the questions (`read`).

use std::{
    sync::{Arc, OnceLock, PoisonError, RwLock, Weak},
    time::Duration,
};

use chrono::NaiveDate;
use serde::Serialize;
use tokio::{
    sync::{Notify, watch},
    task::JoinSet,
};

use crate::{
    engine::Engine,
    event::PublicEvent,
    follower::FollowError,
    generation::{Builder, Generation},
    home::Home,
    learned::Registry,
    read::{ReadError, Reader},
    replicas::{Asking, Replicas, Stands},
    source::Source,
};

/// How long a reader waits for an entry that it has seen elsewhere.
pub const WAIT_MAX: Duration = Duration::from_secs(3);

/// How the views are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Status {
    /// Entries that the served views reflect.
    pub size: u64,
    /// Entries that the views being built reflect, while there are such.
    pub building: Option<u64>,
    /// Projections that stopped: name, entry, reason.
    pub halted: Vec<(String, u64, String)>,
    /// Why the follower does not go on at present.
    pub error: Option<String>,
    /// What the last check found different from the log.
    pub alarm: Vec<String>,
    /// Name of the served generation.
    pub generation: String,
}

/// What readers have.
pub(crate) struct Serving {
    pub(crate) generation: Arc<Generation>,
    pub(crate) registry: Registry,
}

struct Shared {
    serving: RwLock<Option<Arc<Serving>>>,
    size: watch::Sender<u64>,
    /// Most entries that this node knows the database to show, by writing, by watching or by reading.
    seen: watch::Sender<u64>,
    status: watch::Sender<Status>,
    rebuild: Notify,
    replicas: Replicas,
    /// Ends with the views.
    looking: OnceLock<JoinSet<()>>,
}

/// The views, for readers; cheap to clone.
#[derive(Clone)]
pub struct Views(Arc<Shared>);

/// The views for a task that must not keep them.
#[derive(Clone)]
pub(crate) struct Glimpse(Weak<Shared>);

impl Glimpse {
    /// The views, while anybody has them.
    pub(crate) fn get(&self) -> Option<Views> {
        self.0.upgrade().map(Views)
    }
}

impl Views {
    /// Opens the views under a directory or on a server, or begins to build them. The [`Engine`] does the work.
    ///
    /// # Errors
    /// [`FollowError`] when the directory or the server cannot be used.
    pub async fn open(home: impl Into<Home>, source: Arc<dyn Source>) -> Result<(Self, Engine), FollowError> {
        let home = home.into();
        let shared = Arc::new(Shared {
            serving: RwLock::new(None),
            size: watch::Sender::new(0),
            seen: watch::Sender::new(0),
            status: watch::Sender::new(Status::default()),
            rebuild: Notify::new(),
            replicas: Replicas::new(home.replicas()),
            looking: OnceLock::new(),
        });
        let views = Self(shared);
        let engine = Box::pin(Engine::open(home, source, views.clone())).await?;
        let glimpse = Glimpse(Arc::downgrade(&views.0));
        let _ = views.0.looking.get_or_init(|| views.0.replicas.look(&glimpse));
        Ok((views, engine))
    }

    /// One moment of the views, with statuses for `today`. With `at_least`, an entry that the caller has
    /// seen, it waits until that entry is in, at most [`WAIT_MAX`].
    ///
    /// # Errors
    /// [`ReadError::Behind`], [`ReadError::NotReady`], [`ReadError::Database`].
    pub async fn read(&self, today: NaiveDate, at_least: Option<u64>) -> Result<Reader, ReadError> {
        self.wait(at_least).await?;
        let serving = self.serving().ok_or(ReadError::NotReady)?;
        let generation = &serving.generation;
        let rows = (&generation.read, Some(&generation.remembered));
        let reader = Reader::new(rows, &serving.registry, generation.search.clone(), today).await?;
        self.see(reader.size());
        Ok(reader)
    }

    /// The same for a page, from a replica where one has all that this node knows of (`replicas`). What was read is worth
    /// nothing once `asking` has lost one; it is to be asked again, and then gets the database itself.
    ///
    /// # Errors
    /// As [`Self::read`]; the reader's own may be [`ReadError::Lost`].
    pub async fn read_near(
        &self,
        today: NaiveDate,
        at_least: Option<u64>,
        asking: &Asking,
    ) -> Result<Reader, ReadError> {
        self.wait(at_least).await?;
        if !self.0.replicas.is_empty() && !asking.lost_one() {
            let serving = self.serving().ok_or(ReadError::NotReady)?;
            let mut seen = self.0.seen.subscribe();
            let wanted = at_least.max(serving.generation.search.reached());
            let floor = wanted.map_or(0, |wanted| wanted + 1).max(*seen.borrow_and_update());
            let name = &serving.generation.name;
            if let Some(moment) = self.0.replicas.moment(name, floor, &mut seen, asking).await {
                return Ok(Reader::of_replica(moment, serving.generation.search.clone(), today));
            }
        }
        self.read(today, None).await
    }

    /// Waits until an entry is in.
    async fn wait(&self, at_least: Option<u64>) -> Result<(), ReadError> {
        if let Some(wanted) = at_least {
            let mut size = self.0.size.subscribe();
            let arrived = tokio::time::timeout(WAIT_MAX, size.wait_for(|size| *size > wanted)).await;
            if !matches!(arrived, Ok(Ok(_))) {
                return Err(ReadError::Behind { size: *self.0.size.borrow(), wanted });
            }
        }
        Ok(())
    }

    /// The views as they would be once `event` is recorded. Writing waits until the reader is dropped, so it is for one
    /// page at a time, which must end soon.
    ///
    /// # Errors
    /// [`ReadError::NotReady`], [`ReadError::Foreseen`].
    pub async fn foresee(&self, today: NaiveDate, event: &PublicEvent) -> Result<Reader, ReadError> {
        let serving = self.serving().ok_or(ReadError::NotReady)?;
        let generation = &serving.generation;
        Reader::foreseeing(&generation.write, &serving.registry, generation.search.clone(), today, event).await
    }

    /// How the views are.
    pub fn status(&self) -> Status {
        self.0.status.borrow().clone()
    }

    /// How the replicas are that pages are read from; none where there are none.
    pub fn replicas(&self) -> Vec<Stands> {
        self.0.replicas.standings(self.seen())
    }

    /// Whether there are any.
    pub fn has_replicas(&self) -> bool {
        !self.0.replicas.is_empty()
    }

    /// Entries that the served views reflect; changes after each commit.
    pub fn size(&self) -> watch::Receiver<u64> {
        self.0.size.subscribe()
    }

    /// Asks the running engine to build the views anew beside the served ones.
    pub fn request_rebuild(&self) {
        self.0.rebuild.notify_one();
    }

    /// Lets readers have this generation.
    pub(crate) fn serve(&self, builder: &Builder) {
        let (generation, registry) = (Arc::clone(&builder.generation), Arc::clone(builder.feed.registry()));
        let serving = Serving { generation, registry };
        *self.0.serving.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(serving));
        self.reached(builder.feed.size());
    }

    /// Name of the generation that readers have.
    pub(crate) fn served(&self) -> Option<String> {
        self.serving().map(|serving| serving.generation.name.clone())
    }

    pub(crate) fn serving(&self) -> Option<Arc<Serving>> {
        self.0.serving.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Most entries that this node knows the database to show.
    pub(crate) fn seen(&self) -> u64 {
        *self.0.seen.borrow()
    }

    pub(crate) fn watch_seen(&self) -> watch::Receiver<u64> {
        self.0.seen.subscribe()
    }

    /// Takes note of what the database shows.
    pub(crate) fn see(&self, size: u64) {
        self.0.seen.send_if_modified(|seen| {
            let is_more = *seen < size;
            *seen = size.max(*seen);
            is_more
        });
    }

    /// Tells readers how far the served generation is.
    pub(crate) fn reached(&self, size: u64) {
        self.0.size.send_replace(size);
        self.see(size);
    }

    /// Waits until somebody asks to build anew.
    pub(crate) async fn rebuild_requested(&self) {
        self.0.rebuild.notified().await;
    }

    pub(crate) fn note(&self, change: impl FnOnce(&mut Status)) {
        self.0.status.send_modify(change);
    }
}
