//! HTTP: the public site, the JSON API, feeds, the log, what citizens hand in, and on the internal listener the rest of
//! the writing and what needs signing in.
//!
//! A handler extracts, calls, wraps: it holds no SQL, reads no clock and decides nothing about the
//! domain. What it shows comes from two places only: the views (boards, histories, search) and the
//! published log (`published`: entries, proofs, tiles). What it writes goes to the [`Ledger`].
//!
//! To add an endpoint: a file in `api/` with its [`Endpoint`](openapi::Endpoint) and schemas, and a line in
//! [`api::endpoints`]; the router and the OpenAPI description are both made from that list. To add a
//! page: a file in `pages/` and a line in [`pages::routes`].

pub mod api;
pub mod assets;
pub mod caching;
pub mod citizen;
pub mod console;
pub mod feeds;
pub mod guard;
pub mod internal;
pub mod language;
pub mod log;
pub mod metrics;
pub mod near;
pub mod openapi;
pub mod pages;
pub mod problem;
pub mod published;
pub mod query;
pub mod server;
pub mod tls;

#[cfg(test)]
mod tests;

use std::future::Future;
use std::net::SocketAddr;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::handler::Handler as _;
use axum::routing::get;
use chrono::{DateTime, FixedOffset, NaiveDate, Utc};
use gongkai_log::{Entry, LogKeys, VerifierKey};
use gongkai_projections::event::PublicEvent;
use gongkai_projections::internal::InternalViews;
use gongkai_projections::{Reader, Views};
use gongkai_store::{Clock, Drafts, Ledger, Map, PublishedLog};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{DefaultPredicate, NotForContentType, Predicate as _};

use citizen::Citizens;
use internal::sign_in::SignIn;
use problem::Problem;
use published::Published;
use server::{Limits, Listener, ServeError, Transport};

use crate::cosigning::Cosigning;
use crate::gap::watch::Intakes;
use crate::mirrors::Mirrors;
use crate::pushing::keeping::Kept;
use crate::roots;

/// Downloads of whole tables at once: each holds a connection of the views for as long as it lasts.
const DOWNLOADS_MAX: usize = 4;

/// Seconds by which China Standard Time is ahead of UTC; it has no summer time (since 1991).
const CHINA_SECONDS_EAST: i32 = 8 * 3_600;

/// The zone in which days begin and times are shown.
pub const fn zone() -> FixedOffset {
    ZONE
}

const ZONE: FixedOffset = match FixedOffset::east_opt(CHINA_SECONDS_EAST) {
    Some(zone) => zone,
    None => panic!("eight hours are an offset"),
};

/// How the ledger presents itself.
#[derive(Debug, Clone)]
pub struct SiteOptions {
    /// Name for people.
    pub name: String,
    /// Who runs the ledger and how to reach them.
    pub contact: String,
    /// Made-up content, said so on every page.
    pub is_demo: bool,
    /// Whom people call, printed beside every sheet.
    pub hotline: String,
    /// Scheme and host as readers reach it, without a slash at the end; the bound address when absent.
    pub base_url: Option<String>,
    /// The mirrors, and what was found at them.
    pub mirrors: Mirrors,
    /// The mirrors that are handed the log from here.
    pub kept: Kept,
    /// The intakes whose logs are followed, and what the ledger owes them.
    pub intakes: Intakes,
    /// The witnesses, where they are asked from here.
    pub cosigning: Option<Cosigning>,
    /// How often the root of the map is logged, if there is something new.
    pub map_interval: Duration,
}

/// What is served, and where.
pub struct ServeOptions {
    /// For writing; without it the published files are served and nothing else.
    pub ledger: Option<Ledger>,
    /// The published files.
    pub log: PathBuf,
    /// What proves that nothing is missing.
    pub map: Option<Map>,
    /// The log's verifier key.
    pub vkey: VerifierKey,
    /// The published log that is followed; absent where the ledger itself is here.
    pub followed: Option<Arc<PublishedLog>>,
    /// For reading.
    pub views: Views,
    /// For reading what is sealed; absent without a vault.
    pub internal_views: Option<InternalViews>,
    /// For `today`.
    pub clock: Arc<dyn Clock>,
    /// Address of the public listener; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The internal listener, which also takes submissions; none without it.
    pub internal: Option<InternalOptions>,
    /// Loopback address where whoever runs the ledger reads its numbers; none without it.
    pub metrics: Option<SocketAddr>,
    /// How the ledger presents itself.
    pub site: SiteOptions,
    /// Limits of connections and requests.
    pub limits: Limits,
    /// Is told the bound addresses before the first connection is accepted.
    pub on_bound: Option<Box<dyn FnOnce(Bound) + Send>>,
}

/// The internal listener.
pub struct InternalOptions {
    /// Its address; port 0 takes a free one.
    pub listen: SocketAddr,
    /// It may be reachable from other machines.
    pub anywhere: bool,
    /// Its key and certificate.
    pub identity: tls::Identity,
}

/// The addresses that the listeners have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bound {
    /// Public.
    pub public: SocketAddr,
    /// Internal.
    pub internal: Option<SocketAddr>,
    /// Numbers for whoever runs it.
    pub metrics: Option<SocketAddr>,
}

/// What every page and feed says about the ledger.
#[derive(Debug, Clone)]
pub struct About {
    /// Name for people.
    pub name: String,
    /// Who runs it.
    pub contact: String,
    /// Whom people call, printed beside every sheet.
    pub hotline: String,
    /// Made-up content.
    pub is_demo: bool,
    /// Scheme and host, without a slash at the end.
    pub base_url: String,
    /// A verifier key of the log; its name is the origin. The one of now is [`App::keys`]'s.
    pub vkey: VerifierKey,
    /// The published log that is followed, where there is no ledger.
    pub followed: Option<Arc<PublishedLog>>,
    /// The mirrors, and what was found at them.
    pub mirrors: Mirrors,
    /// The mirrors that are handed the log from here.
    pub kept: Kept,
    /// The intakes whose logs are followed, and what the ledger owes them.
    pub intakes: Intakes,
    /// The witnesses, where they are asked from here.
    pub cosigning: Option<Cosigning>,
    /// How often the root of the map is logged, if there is something new.
    pub map_interval: Duration,
}

impl About {
    /// Origin of the ledger.
    pub fn origin(&self) -> &str {
        self.vkey.name()
    }
}

/// What handlers share. Cheap to clone. With an event that is not recorded, its readers see that event.
#[derive(Clone)]
pub struct App(Arc<Shared>, Option<Arc<PublicEvent>>);

/// The parts of [`App`].
pub struct Shared {
    /// For writing; absent where the published files are all there is.
    pub ledger: Option<Ledger>,
    /// For reading.
    pub views: Views,
    /// Checkpoint, tiles, entries.
    pub published: Published,
    /// What proves that nothing is missing; absent where it cannot be kept.
    pub map: Option<Map>,
    /// How the ledger presents itself.
    pub about: About,
    /// Sealed matters, for whoever is signed in; absent without a vault.
    pub internal: Option<InternalViews>,
    /// What people are writing; absent without a vault.
    pub drafts: Option<Drafts>,
    /// How far roots of the map go.
    pub roots: roots::Found,
    /// What is counted.
    pub metrics: metrics::Metrics,
    /// When serving began.
    pub began: DateTime<Utc>,
    clock: Arc<dyn Clock>,
    downloads: Arc<Semaphore>,
    sign_in: SignIn,
    citizens: Citizens,
    kept: pages::kept::Kept,
}

impl Deref for App {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl App {
    /// The log's keys over time, as of now: the log may change its key while it is served.
    pub fn keys(&self) -> LogKeys {
        match (&self.ledger, &self.about.followed) {
            (Some(ledger), _) => ledger.log_keys(),
            (None, Some(followed)) => followed.keys(),
            (None, None) => (&self.about.vkey).into(),
        }
    }

    /// The log's verifier key of now.
    pub fn vkey(&self) -> VerifierKey {
        self.keys().current().clone()
    }

    /// The state of both routers.
    pub fn new(
        ledger: Option<Ledger>,
        log: &Path,
        map: Option<Map>,
        views: Views,
        internal: Option<InternalViews>,
        clock: Arc<dyn Clock>,
        about: About,
    ) -> Self {
        let published = Published::new(log);
        let downloads = Arc::new(Semaphore::new(DOWNLOADS_MAX));
        let sign_in = SignIn::default();
        let citizens = Citizens::default();
        let kept = pages::kept::Kept::default();
        let drafts = ledger.as_ref().and_then(Ledger::drafts);
        let metrics = metrics::Metrics::default();
        if let Some(ledger) = &ledger {
            ledger.observe(Arc::new(metrics.clone()));
        }
        let shared = Shared {
            ledger,
            views,
            published,
            map,
            about,
            internal,
            drafts,
            roots: roots::Found::default(),
            metrics,
            began: clock.now(),
            clock,
            downloads,
            sign_in,
            citizens,
            kept,
        };
        Self(Arc::new(shared), None)
    }

    /// The same app as if this event were recorded, to make one page with.
    #[must_use]
    pub fn foreseeing(&self, event: PublicEvent) -> Self {
        Self(Arc::clone(&self.0), Some(Arc::new(event)))
    }

    /// What this app's readers see that is not recorded.
    pub fn foreseen(&self) -> Option<&PublicEvent> {
        self.1.as_deref()
    }

    /// The ledger, where there is one to write to.
    pub fn ledger(&self) -> Result<&Ledger, Problem> {
        self.ledger.as_ref().ok_or_else(api::not_here)
    }

    /// Why the ledger accepts nothing at present.
    pub fn halted(&self) -> Option<String> {
        self.ledger.as_ref().and_then(|ledger| ledger.health().halted)
    }

    /// The clock's reading.
    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// The day in China.
    pub fn today(&self) -> NaiveDate {
        self.now().with_timezone(&zone()).date_naive()
    }

    /// The views as of now.
    pub async fn read(&self) -> Result<Reader, Problem> {
        self.read_at(None).await
    }

    /// The views once an entry is in them that the caller has seen elsewhere.
    pub async fn read_at(&self, at_least: Option<u64>) -> Result<Reader, Problem> {
        match near::asking() {
            Some(asking) if self.foreseen().is_none() => {
                Ok(self.views.read_near(self.today(), at_least, &asking).await?)
            }
            _ => self.read_whole(at_least).await,
        }
    }

    /// The same for an answer that leaves before it is whole, and so cannot be made again: never from a replica.
    pub async fn read_whole(&self, at_least: Option<u64>) -> Result<Reader, Problem> {
        if let Some(event) = self.foreseen() {
            return Ok(self.views.foresee(self.today(), event).await?);
        }
        Ok(self.views.read(self.today(), at_least).await?)
    }

    /// An entry: as it was published, or for the moment until then as it was committed.
    pub async fn entry(&self, index: u64) -> Result<Option<Arc<Entry>>, Problem> {
        if let Some(entry) = self.published.entry(index).await? {
            return Ok(Some(entry));
        }
        let Some(ledger) = &self.ledger else { return Ok(None) };
        let Some(stored) = ledger.entry(index).await? else { return Ok(None) };
        Ok(Some(Arc::new(Entry::parse(stored.bytes).map_err(|error| Problem::internal(&error))?)))
    }

    /// Leave to download a whole table.
    pub fn download(&self) -> Result<OwnedSemaphorePermit, Problem> {
        let permit = Arc::clone(&self.downloads).try_acquire_owned();
        permit.map_err(|_| Problem::new("busy", "同时下载的人太多，请稍后再试"))
    }
}

/// Everything that anyone may read, and what people without keys may hand in.
pub fn public_router(app: &App, limits: &Limits) -> Router {
    finish(readable(app).merge(citizen::routes()), app, limits)
}

/// What [`public_router`] has, writing, and what needs signing in.
pub fn internal_router(app: &App, limits: &Limits) -> Router {
    let own = console::routes().merge(internal::routes(app, internal::doors()));
    finish(readable(app).merge(api::routes(true)).merge(own), app, limits)
}

fn readable(app: &App) -> Router<App> {
    Router::new()
        .merge(log::routes())
        .merge(assets::routes())
        .merge(pages::routes())
        .merge(api::routes(false))
        .merge(api::feeds::routes())
        .route("/entries/{index}", get(api::entries::bytes))
        .route("/healthz", get(api::health::healthz))
        .route("/readyz", get(api::health::readyz))
        .route_layer(axum::middleware::from_fn_with_state(app.clone(), near::read))
}

/// What both routers end in: compression inside, limits and headers outside.
fn finish(router: Router<App>, app: &App, limits: &Limits) -> Router {
    // Tiles and attachments are hashes or compressed already.
    let worth_it = DefaultPredicate::new().and(NotForContentType::const_new(log::OCTETS));
    let compression =
        CompressionLayer::new().gzip(true).quality(tower_http::CompressionLevel::Fastest).compress_when(worth_it);
    router
        .fallback(pages::not_found.layer(axum::middleware::from_fn(language::page)))
        .layer(axum::middleware::from_fn(language::problem))
        .layer(DefaultBodyLimit::max(api::BODY_BYTES_MAX))
        .layer(compression)
        .layer(axum::middleware::from_fn_with_state(guard::Guarding::new(limits.request_time_max), guard::guard))
        .layer(axum::middleware::from_fn_with_state(app.metrics.requests(), metrics::requests::counted))
        .with_state(app.clone())
}

/// What the internal listener speaks.
fn transport(options: &InternalOptions, clock: &dyn Clock) -> Result<Transport, ServeError> {
    if !options.anywhere && !server::is_this_machine(options.listen) {
        return Err(ServeError::NotLoopback(options.listen));
    }
    Ok(Transport::internal(options.listen, options.identity.open(clock.now())?))
}

/// Serves until `shutdown`, then answers what was accepted and returns.
///
/// # Errors
/// [`ServeError`] when an address cannot be had, or connections had to be cut at the end.
pub async fn serve(options: ServeOptions, shutdown: impl Future<Output = ()>) -> Result<(), ServeError> {
    let ServeOptions { ledger, log, map, vkey, followed, views, internal_views, clock, .. } = options;
    let ServeOptions { listen, internal, metrics, site, limits, on_bound, .. } = options;
    let transport = internal.as_ref().map(|options| transport(options, clock.as_ref())).transpose()?;
    let public = Listener::bind(listen).await?;
    let internal = match internal.zip(transport) {
        Some((options, transport)) => Some(Listener::bind(options.listen).await?.speaking(transport)),
        None => None,
    };
    let metrics = metrics::program::listener(metrics).await?;
    let [inside, numbers] = [&internal, &metrics].map(|listener| listener.as_ref().map(Listener::address));
    let bound = Bound { public: public.address(), internal: inside, metrics: numbers };
    let about = About {
        base_url: site.base_url.unwrap_or_else(|| format!("http://{}", bound.public)),
        vkey,
        followed,
        name: site.name,
        contact: site.contact,
        hotline: site.hotline,
        is_demo: site.is_demo,
        mirrors: site.mirrors,
        kept: site.kept,
        intakes: site.intakes,
        cosigning: site.cosigning,
        map_interval: site.map_interval,
    };
    let app = App::new(ledger, &log, map, views, internal_views, clock, about);
    let mut listeners = vec![(public, public_router(&app, &limits))];
    listeners.extend(internal.map(|listener| (listener, internal_router(&app, &limits))));
    listeners.extend(metrics.map(|listener| (listener, metrics::router(&app))));
    tracing::info!(public = %bound.public, internal = ?bound.internal, "listening");
    if let Some(on_bound) = on_bound {
        on_bound(bound);
    }
    server::run(listeners, limits, shutdown).await
}
