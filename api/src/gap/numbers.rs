//! What an intake counts, for whoever runs it: at a loopback address of its own, as a ledger's numbers are.
//!
//! How many packets are among a period's decoys is nobody's but the intake's, so these are shown on no other listener. Codes
//! are those of its problems. To add a number, add a member to [`Inner`] and register it in [`Numbers::new`].

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use gongkai_store::{IntakeBook, IntakeFault, IntakeStands};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::http::metrics::requests::{self, Code, Refusals, Requests, Storage, set};
use crate::http::problem::Problem;

struct Inner {
    registry: Registry,
    book: IntakeBook,
    promised: Counter,
    refused: Refusals,
    requests: Requests,
    accepting: Gauge,
    waiting: Gauge,
    waiting_max: Gauge,
    periods: Gauge,
    periods_answered: Gauge,
    overdue: Gauge,
    storage: Storage,
}

/// See the module. Cheap to clone.
#[derive(Clone)]
pub struct Numbers(Arc<Inner>);

impl Numbers {
    /// Of the intake with this book.
    pub fn new(book: IntakeBook) -> Self {
        let mut inner = Inner {
            registry: Registry::default(),
            book,
            promised: Counter::default(),
            refused: Refusals::default(),
            requests: Requests::default(),
            accepting: Gauge::default(),
            waiting: Gauge::default(),
            waiting_max: Gauge::default(),
            periods: Gauge::default(),
            periods_answered: Gauge::default(),
            overdue: Gauge::default(),
            storage: Storage::default(),
        };
        let mut registry = Registry::with_prefix("gongkai");
        registry.register("promises", "Packets answered with a promise", inner.promised.clone());
        registry.register("refusals", "Packets that were not taken, by code", inner.refused.clone());
        let mut gauge = |name: &str, help: &str, gauge: &Gauge| registry.register(name, help, gauge.clone());
        gauge("accepting", "1 while packets are taken", &inner.accepting);
        gauge("queue_waiting", "Packets waiting for the period that runs to end", &inner.waiting);
        gauge("queue_max", "Packets that a period takes", &inner.waiting_max);
        gauge("periods", "Periods in the intake's log", &inner.periods);
        gauge("periods_answered", "Periods that the ledger has answered", &inner.periods_answered);
        gauge("packets_overdue", "Packets that the ledger should have answered by now", &inner.overdue);
        inner.storage.register(&mut registry);
        inner.requests.register(&mut registry);
        inner.registry = registry;
        Self(Arc::new(inner))
    }

    /// The requests among them.
    pub fn requests(&self) -> Requests {
        self.0.requests.clone()
    }

    /// A packet was promised an answer.
    pub fn promised(&self) {
        self.0.promised.inc();
    }

    /// A packet was not taken.
    pub fn refused(&self, code: &'static str) {
        self.0.refused.get_or_create(&Code { code }).inc();
    }

    async fn look(&self) -> Result<(), IntakeFault> {
        let IntakeStands { is_taking, waiting, waiting_max, periods, answered, overdue } = self.0.book.stands().await?;
        set(&self.0.accepting, u64::from(is_taking));
        set(&self.0.waiting, waiting);
        set(&self.0.waiting_max, waiting_max);
        set(&self.0.periods, periods);
        set(&self.0.periods_answered, answered);
        set(&self.0.overdue, overdue);
        let layout = self.0.book.layout();
        self.0.storage.measure(layout.root(), [("intake", layout.intake().as_path())]);
        Ok(())
    }

    /// What the listener for whoever runs the intake answers.
    pub fn router(self) -> Router {
        let healthz = get(|| async { "ok\n" });
        Router::new().route("/metrics", get(metrics)).route("/healthz", healthz).with_state(self)
    }
}

/// `GET /metrics`.
async fn metrics(State(numbers): State<Numbers>) -> Response {
    match numbers.look().await {
        Ok(()) => requests::shown(&numbers.0.registry),
        Err(error) => Problem::internal(&error).into_response(),
    }
}
