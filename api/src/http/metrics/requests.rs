//! How many HTTP requests are answered and how long they take, for every program that listens.

use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use tracing::Instrument as _;

use crate::traces::TARGET;

/// Bounds of durations in seconds: from a small commit to what a reader gives up at.
const SECONDS: [f64; 12] = [0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];

/// A histogram of durations.
pub fn seconds() -> Histogram {
    Histogram::new(SECONDS)
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
