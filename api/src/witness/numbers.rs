//! What a witness counts, for whoever runs it: at a loopback address of its own, as a ledger's numbers are.
//!
//! No log is a label: codes are of the closed list in [`code`]. To add a number, add a member to [`Inner`] and register it in
//! [`Numbers::new`].

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use gongkai_log::witness::WitnessError;
use gongkai_store::WitnessBook;
use gongkai_store::witness_book::AddError;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::http::metrics::requests::{self, Code, Refusals, Requests, Storage, set};

struct Inner {
    registry: Registry,
    book: WitnessBook,
    // The directory, and the state in it.
    dir: PathBuf,
    cosigned: Counter,
    refused: Refusals,
    requests: Requests,
    accepting: Gauge,
    waiting: Gauge,
    waiting_max: Gauge,
    logs: Gauge,
    logs_cosigned: Gauge,
    storage: Storage,
}

/// See the module. Cheap to clone.
#[derive(Clone)]
pub struct Numbers(Arc<Inner>);

impl Numbers {
    /// Of the witness with this book in this directory.
    pub fn new(book: WitnessBook, dir: PathBuf) -> Self {
        let mut inner = Inner {
            registry: Registry::default(),
            book,
            dir,
            cosigned: Counter::default(),
            refused: Refusals::default(),
            requests: Requests::default(),
            accepting: Gauge::default(),
            waiting: Gauge::default(),
            waiting_max: Gauge::default(),
            logs: Gauge::default(),
            logs_cosigned: Gauge::default(),
            storage: Storage::default(),
        };
        let mut registry = Registry::with_prefix("gongkai");
        registry.register("cosignatures", "Checkpoints that were cosigned", inner.cosigned.clone());
        registry.register("refusals", "Checkpoints that were not cosigned, by code", inner.refused.clone());
        let mut gauge = |name: &str, help: &str, gauge: &Gauge| registry.register(name, help, gauge.clone());
        gauge("accepting", "1 while checkpoints are cosigned", &inner.accepting);
        gauge("queue_waiting", "Requests that wait for their turn", &inner.waiting);
        gauge("queue_max", "Requests that may wait", &inner.waiting_max);
        gauge("witnessed_logs", "Logs that are witnessed", &inner.logs);
        gauge("witnessed_logs_cosigned", "Logs of which a checkpoint was cosigned", &inner.logs_cosigned);
        inner.storage.register(&mut registry);
        inner.requests.register(&mut registry);
        inner.registry = registry;
        Self(Arc::new(inner))
    }

    /// The requests among them.
    pub fn requests(&self) -> Requests {
        self.0.requests.clone()
    }

    /// Counts an answer.
    pub fn answered(&self, answer: &Result<String, AddError>) {
        match answer {
            Ok(_) => drop(self.0.cosigned.inc()),
            Err(error) => drop(self.0.refused.get_or_create(&Code { code: code(error) }).inc()),
        }
    }

    fn look(&self) {
        let Inner { book, .. } = self.0.as_ref();
        let logs = book.logs();
        set(&self.0.accepting, u64::from(book.is_cosigning()));
        set(&self.0.waiting, book.waiting() as u64);
        set(&self.0.waiting_max, book.waiting_max() as u64);
        // A log whose key was replaced has two.
        let origins: std::collections::BTreeSet<&str> = logs.iter().map(|log| log.name()).collect();
        set(&self.0.logs, origins.len() as u64);
        let cosigned = origins.iter().filter(|origin| book.recorded(origin).is_some()).count();
        set(&self.0.logs_cosigned, cosigned as u64);
        self.0.storage.measure(&self.0.dir, [("witness", self.0.dir.join("witness.db").as_path())]);
    }

    /// What the listener for whoever runs the witness answers.
    pub fn router(self) -> Router {
        let healthz = get(|| async { "ok\n" });
        Router::new().route("/metrics", get(metrics)).route("/healthz", healthz).with_state(self)
    }
}

/// `GET /metrics`.
async fn metrics(State(numbers): State<Numbers>) -> Response {
    numbers.look();
    requests::shown(&numbers.0.registry)
}

fn code(error: &AddError) -> &'static str {
    match error {
        AddError::Refused(WitnessError::Malformed) => "malformed",
        AddError::Refused(WitnessError::OldBeyondSize { .. }) => "old_beyond_size",
        AddError::Refused(WitnessError::Untrusted) => "untrusted",
        AddError::Refused(WitnessError::UnknownLog) => "unknown_log",
        AddError::Refused(WitnessError::Conflict { .. }) => "conflict",
        AddError::Refused(WitnessError::Inconsistent) => "inconsistent",
        AddError::Busy => "busy",
        AddError::Halted => "halted",
    }
}
