//! Numbers for whoever runs the ledger, in Prometheus' text form, at a loopback address of their own.
//!
//! Labels come from closed lists alone: codes of refusals, templates of routes, classes of statuses, names of files that
//! every ledger has. No organization, stream, person, key or address is a label, and no value is a sum over any of them.
//! Even so, the times at which numbers change tell when something sealed was received, so they are shown neither on the
//! public listener nor on the internal one.
//!
//! To add a number, add a member to [`Numbers`], and register it in its `new` with the sentence that says what it is.
//! Not here: what is measured inside the ledger (`gongkai_store::Observer` tells), health and readiness (`api/health`),
//! what every program that listens counts ([`program`], [`requests`]), and what witness and intake count besides (their
//! `numbers`).

pub mod program;
pub mod requests;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use gongkai_projections::replicas::Standing;
use gongkai_store::{Layout, Observer};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use self::program::{Program, Stands, Words, set};
use self::requests::{Requests, seconds};
use super::App;
use crate::cosigning::State as Witness;

/// Bounds of the sizes of batches.
const SIZES: [f64; 9] = [1.0, 2.0, 4.0, 16.0, 64.0, 256.0, 1_024.0, 4_096.0, 16_384.0];

const WORDS: Words = Words {
    taken_name: "receipts",
    taken: "Submissions answered with a receipt or a promise",
    refused: "Submissions refused or not taken, by code",
    accepting: "1 while submissions are accepted",
    waiting: "Submissions waiting for the sequencer",
    waiting_max: "Submissions that may wait",
};

/// A replica, by its place in the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Replica {
    replica: u32,
}

type Floating = Gauge<f64, AtomicU64>;

/// What is counted as it happens.
#[derive(Debug)]
struct Numbers {
    registry: Registry,
    program: Program,
    batch: Histogram,
    commit: Histogram,
    publish: Histogram,
    now: Now,
}

/// What is looked up when it is asked for.
#[derive(Debug, Default)]
struct Now {
    committed: Gauge,
    published: Gauge,
    views: Gauge,
    views_behind: Gauge,
    internal_behind: Gauge,
    replica_reading: Family<Replica, Gauge>,
    replica_behind: Family<Replica, Gauge>,
    checkpoint_age: Floating,
    witnesses: Gauge,
    answering: Gauge,
}

/// See the module. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Numbers>);

impl Default for Metrics {
    fn default() -> Self {
        Self(Arc::new(Numbers::new()))
    }
}

impl Numbers {
    fn new() -> Self {
        let mut registry = Registry::with_prefix("gongkai");
        let numbers = Self {
            registry: Registry::default(),
            program: Program::new(&WORDS, &mut registry),
            batch: Histogram::new(SIZES),
            commit: seconds(),
            publish: seconds(),
            now: Now::default(),
        };
        registry.register("batch_entries", "Entries and sealed events in a commit", numbers.batch.clone());
        registry.register("commit_seconds", "Time of a commit, from look-ups to the disk", numbers.commit.clone());
        registry.register("publish_seconds", "Time of a publication, with cosignatures", numbers.publish.clone());
        numbers.now.register(&mut registry);
        Self { registry, ..numbers }
    }
}

impl Now {
    fn register(&self, registry: &mut Registry) {
        let mut gauge = |name: &str, help: &str, gauge: &Gauge| registry.register(name, help, gauge.clone());
        gauge("entries_committed", "Entries committed", &self.committed);
        gauge("entries_published", "Entries under the published checkpoint", &self.published);
        gauge("views_entries", "Entries that the served views reflect", &self.views);
        gauge("views_behind_entries", "Committed entries that the views do not reflect yet", &self.views_behind);
        gauge("internal_views_behind_entries", "The same of the internal views", &self.internal_behind);
        gauge("witnesses", "Witnesses of the policy", &self.witnesses);
        gauge("witnesses_answering", "Witnesses that cosigned when they were last asked", &self.answering);
        registry.register("replica_reading", "1 while pages are read from a replica", self.replica_reading.clone());
        let behind = "Entries that a replica does not have yet, as far as is known";
        registry.register("replica_behind_entries", behind, self.replica_behind.clone());
        registry.register("checkpoint_age_seconds", "Since the checkpoint was written", self.checkpoint_age.clone());
    }

    async fn look(&self, app: &App) {
        let health = app.ledger.as_ref().map(gongkai_store::Ledger::health);
        let signed = app.published.checkpoint().await.ok().flatten();
        let published = signed.as_ref().map_or(0, |signed| signed.checkpoint.size);
        let committed = health.as_ref().map_or(published, |health| health.committed);
        let views = app.views.status().size;
        let inside = app.internal.as_ref().map(|internal| *internal.entries().borrow());
        set(&self.committed, committed);
        set(&self.published, published);
        set(&self.views, views);
        set(&self.views_behind, committed.saturating_sub(views));
        set(&self.internal_behind, inside.map_or(0, |size| committed.saturating_sub(size)));
        for (replica, stands) in (1..).zip(app.views.replicas()) {
            let behind = match stands.standing {
                Standing::Reading { behind } => Some(behind),
                _ => None,
            };
            set(&self.replica_reading.get_or_create(&Replica { replica }), u64::from(behind.is_some()));
            // What cannot be read has nothing that counts.
            set(&self.replica_behind.get_or_create(&Replica { replica }), behind.unwrap_or(committed));
        }
        if let Some(signed) = signed {
            let age = (app.now() - signed.written_at).to_std().unwrap_or_default();
            self.checkpoint_age.set(age.as_secs_f64());
        }
        let standings = app.about.cosigning.as_ref().map(crate::cosigning::Cosigning::standings).unwrap_or_default();
        let answering = standings.iter().filter(|standing| matches!(standing.state, Witness::Cosigned { .. })).count();
        set(&self.witnesses, standings.len() as u64);
        set(&self.answering, answering as u64);
    }
}

impl Observer for Metrics {
    fn accepted(&self) {
        self.0.program.taken();
    }

    fn refused(&self, code: &'static str) {
        self.0.program.refused(code);
    }

    fn committed(&self, size: u64, took: Duration) {
        self.0.batch.observe(f64::from(u32::try_from(size).unwrap_or(u32::MAX)));
        self.0.commit.observe(took.as_secs_f64());
    }

    fn published(&self, took: Duration) {
        self.0.publish.observe(took.as_secs_f64());
    }
}

impl Metrics {
    /// The requests among them.
    pub fn requests(&self) -> Requests {
        self.0.program.requests.clone()
    }

    async fn look(&self, app: &App) {
        let Numbers { program, now, .. } = self.0.as_ref();
        now.look(app).await;
        let ledger = app.ledger.as_ref();
        program.stands(Stands {
            is_accepting: ledger.is_some_and(|ledger| ledger.health().halted.is_none()),
            waiting: ledger.map_or(0, gongkai_store::Ledger::waiting) as u64,
            waiting_max: ledger.map_or(0, gongkai_store::Ledger::waiting_max) as u64,
        });
        let Some(layout) = app.published.root().parent().map(Layout::new) else { return };
        let files = [
            ("ledger", layout.database()),
            ("ledger_wal", layout.database().with_extension("db-wal")),
            ("wraps", layout.wraps()),
            ("drafts", layout.drafts()),
            ("map", layout.map()),
        ];
        program.measure(layout.root(), files.iter().map(|(part, path)| (*part, path.as_path())));
    }
}

/// `GET /metrics`.
async fn metrics(State(app): State<App>) -> Response {
    app.metrics.look(&app).await;
    program::shown(&app.metrics.0.registry)
}

/// What the listener for whoever runs the ledger answers.
pub fn router(app: &App) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(super::api::health::healthz))
        .route("/readyz", get(super::api::health::readyz))
        .with_state(app.clone())
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;

    use super::*;

    #[test]
    fn what_the_ledger_tells_is_counted_by_codes_of_a_closed_list() {
        let metrics = Metrics::default();
        metrics.accepted();
        metrics.refused("stale_parent");
        metrics.committed(3, Duration::from_millis(4));
        metrics.published(Duration::from_millis(40));
        let mut text = String::new();
        encode(&mut text, &metrics.0.registry).unwrap();
        for line in [
            "gongkai_receipts_total 1",
            "gongkai_refusals_total{code=\"stale_parent\"} 1",
            "gongkai_batch_entries_sum 3.0",
            "gongkai_commit_seconds_bucket{le=\"0.005\"} 1",
            "gongkai_publish_seconds_count 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        assert!(text.ends_with("# EOF\n"));
    }
}
