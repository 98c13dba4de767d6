//! How many HTTP requests are answered and how long they take, for every program that listens; and how numbers are shown.
//!
//! Not here: what a program counts besides (`metrics` of the ledger, `numbers` of witness and intake).

use std::net::SocketAddr;
use std::path::Path;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use tracing::Instrument as _;

use crate::http::problem::Problem;
use crate::http::server::{Listener, ServeError, is_this_machine};
use crate::traces::TARGET;

/// Media type of the answer: version 1.0 of the `OpenMetrics` text form.
const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Bounds of durations in seconds: from a small commit to what a reader gives up at.
const SECONDS: [f64; 12] = [0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];

/// A histogram of durations.
pub fn seconds() -> Histogram {
    Histogram::new(SECONDS)
}

/// A refusal's code.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Code {
    /// Of a closed list.
    pub code: &'static str,
}

/// Refusals by their codes.
pub type Refusals = Family<Code, Counter>;

/// A part of what is stored.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Part {
    part: &'static str,
}

/// What is stored, and how much room there is.
#[derive(Clone, Debug, Default)]
pub struct Storage {
    stored: Family<Part, Gauge>,
    free: Gauge,
}

impl Storage {
    /// Shown with the others of a program.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("storage_bytes", "Bytes of the program's databases", self.stored.clone());
        registry.register("disk_free_bytes", "Free space where they lie", self.free.clone());
    }

    /// Measures the files of a directory.
    pub fn measure<'a>(&self, dir: &Path, parts: impl IntoIterator<Item = (&'static str, &'a Path)>) {
        set(&self.free, fs4::available_space(dir).unwrap_or(0));
        for (part, path) in parts {
            let bytes = std::fs::metadata(path).map_or(0, |file| file.len());
            set(&self.stored.get_or_create(&Part { part }), bytes);
        }
    }
}

/// A request as far as it is told: the route's template, and the class of the answer's status.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    route: String,
    class: &'static str,
}

/// Requests of one program. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Requests {
    took: Family<Route, Histogram, fn() -> Histogram>,
    in_flight: Gauge,
}

impl Default for Requests {
    fn default() -> Self {
        Self { took: Family::new_with_constructor(seconds), in_flight: Gauge::default() }
    }
}

impl Requests {
    /// Shown with the others of a program.
    pub fn register(&self, registry: &mut Registry) {
        let took = "Time of HTTP requests, by route template and class of status";
        registry.register("http_request_seconds", took, self.took.clone());
        registry.register("http_requests_in_flight", "HTTP requests being answered", self.in_flight.clone());
    }
}

/// Counts a request being answered for as long as it lives, also one whose client goes away.
struct Answering(Gauge);

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// The middleware that counts and traces requests.
pub async fn counted(State(requests): State<Requests>, request: Request, next: Next) -> Response {
    let begun = Instant::now();
    // Without a template it is an address that somebody made up.
    let template = request.extensions().get::<MatchedPath>().cloned();
    let method = request.method().clone();
    requests.in_flight.inc();
    let answering = Answering(requests.in_flight.clone());
    let route = template.as_ref().map_or("-", MatchedPath::as_str).to_owned();
    let span = tracing::info_span!(target: TARGET, "request", %method, route, class = tracing::field::Empty);
    let response = next.run(request).instrument(span.clone()).await;
    drop(answering);
    let class = match response.status().as_u16() {
        ..200 => "1xx",
        200..300 => "2xx",
        300..400 => "3xx",
        400..500 => "4xx",
        _ => "5xx",
    };
    span.record("class", class);
    requests.took.get_or_create(&Route { route, class }).observe(begun.elapsed().as_secs_f64());
    response
}

/// Puts a number into a gauge.
pub fn set(gauge: &Gauge, value: u64) {
    gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
}

/// All numbers of a program, as they are read.
pub fn shown(registry: &Registry) -> Response {
    let mut text = String::new();
    match encode(&mut text, registry) {
        Ok(()) => ([(CONTENT_TYPE, MEDIA_TYPE)], text).into_response(),
        Err(error) => Problem::internal(&error).into_response(),
    }
}

/// Listens where numbers are shown, if they are.
///
/// # Errors
/// [`ServeError::NumbersNotLoopback`]: the times at which they change are nobody else's; or the address cannot be had.
pub async fn listener(address: Option<SocketAddr>) -> Result<Option<Listener>, ServeError> {
    match address {
        Some(address) if !is_this_machine(address) => Err(ServeError::NumbersNotLoopback(address)),
        Some(address) => Listener::bind(address).await.map(Some),
        None => Ok(None),
    }
}
