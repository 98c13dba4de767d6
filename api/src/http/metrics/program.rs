//! What every program that listens has numbers of: what it took, what it refused and by which code, whether it takes anything,
//! its queue, its requests, its files; and how they are shown.
//!
//! Not here: what a program counts besides (`metrics` of the ledger, `numbers` of witness and intake). The names are the same
//! in all of them but for what is taken, so that one alarm serves for all; each says in its own [`Words`] what is meant.

use std::net::SocketAddr;
use std::path::Path;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::requests::Requests;
use crate::http::problem::Problem;
use crate::http::server::{Listener, ServeError, is_this_machine};

/// Media type of the answer: version 1.0 of the `OpenMetrics` text form.
const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A refusal's code, of a closed list.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Code {
    code: &'static str,
}

/// A part of what is stored.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Part {
    part: &'static str,
}

/// What is shown besides the numbers: the name of what is taken, and what each number means in this program.
#[derive(Clone, Copy, Debug)]
pub struct Words {
    /// Name of the counter of what was taken.
    pub taken_name: &'static str,
    /// What was taken.
    pub taken: &'static str,
    /// What was refused.
    pub refused: &'static str,
    /// What is done while it accepts.
    pub accepting: &'static str,
    /// What waits.
    pub waiting: &'static str,
    /// What may wait.
    pub waiting_max: &'static str,
}

/// How a program stands right now.
#[derive(Clone, Copy, Debug)]
pub struct Stands {
    /// Whether it takes anything.
    pub is_accepting: bool,
    /// How many wait.
    pub waiting: u64,
    /// How many may wait.
    pub waiting_max: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Program {
    /// Its requests.
    pub requests: Requests,
    taken: Counter,
    refused: Family<Code, Counter>,
    accepting: Gauge,
    waiting: Gauge,
    waiting_max: Gauge,
    stored: Family<Part, Gauge>,
    free: Gauge,
}

impl Program {
    /// The numbers of a program, shown in this registry.
    pub fn new(words: &Words, registry: &mut Registry) -> Self {
        let new = Self::default();
        registry.register(words.taken_name, words.taken, new.taken.clone());
        registry.register("refusals", words.refused, new.refused.clone());
        registry.register("accepting", words.accepting, new.accepting.clone());
        registry.register("queue_waiting", words.waiting, new.waiting.clone());
        registry.register("queue_max", words.waiting_max, new.waiting_max.clone());
        registry.register("storage_bytes", "Bytes of the program's databases", new.stored.clone());
        registry.register("disk_free_bytes", "Free space where they lie", new.free.clone());
        new.requests.register(registry);
        new
    }

    /// Something was taken.
    pub fn taken(&self) {
        self.taken.inc();
    }

    /// Something was refused.
    pub fn refused(&self, code: &'static str) {
        self.refused.get_or_create(&Code { code }).inc();
    }

    /// How it stands when it is asked.
    pub fn stands(&self, stands: Stands) {
        set(&self.accepting, u64::from(stands.is_accepting));
        set(&self.waiting, stands.waiting);
        set(&self.waiting_max, stands.waiting_max);
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

/// What the listener for whoever runs a program answers that is ready as soon as it lives.
pub fn router<F>(shown: impl Fn() -> F + Clone + Send + Sync + 'static) -> Router
where
    F: Future<Output = Response> + Send + 'static,
{
    Router::new().route("/metrics", get(shown)).route("/healthz", get(async || "ok\n"))
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
