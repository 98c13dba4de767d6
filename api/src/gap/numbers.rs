//! What an intake counts, for whoever runs it: at a loopback address of its own, as a ledger's numbers are.
//!
//! How many packets are among a period's decoys is nobody's but the intake's, so these are shown on no other listener. Codes
//! are those of its problems. To add a number, add a member to [`Inner`] and register it in [`Numbers::new`].

use std::sync::Arc;

use axum::Router;
use axum::response::{IntoResponse as _, Response};
use gongkai_store::{IntakeBook, IntakeFault, IntakeStands};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::http::metrics::program::{self, Program, Stands, Words, set};
use crate::http::metrics::requests::Requests;
use crate::http::problem::Problem;

const WORDS: Words = Words {
    taken_name: "promises",
    taken: "Packets answered with a promise",
    refused: "Packets that were not taken, by code",
    accepting: "1 while packets are taken",
    waiting: "Packets waiting for the period that runs to end",
    waiting_max: "Packets that a period takes",
};

struct Inner {
    registry: Registry,
    book: IntakeBook,
    program: Program,
    periods: Gauge,
    periods_answered: Gauge,
    overdue: Gauge,
}

/// See the module. Cheap to clone.
#[derive(Clone)]
pub struct Numbers(Arc<Inner>);

impl Numbers {
    /// Of the intake with this book.
    pub fn new(book: IntakeBook) -> Self {
        let mut registry = Registry::with_prefix("gongkai");
        let program = Program::new(&WORDS, &mut registry);
        let mut gauge = |name: &str, help: &str| {
            let gauge = Gauge::default();
            registry.register(name, help, gauge.clone());
            gauge
        };
        let periods = gauge("periods", "Periods in the intake's log");
        let periods_answered = gauge("periods_answered", "Periods that the ledger has answered");
        let overdue = gauge("packets_overdue", "Packets that the ledger should have answered by now");
        Self(Arc::new(Inner { registry, book, program, periods, periods_answered, overdue }))
    }

    /// The requests among them.
    pub fn requests(&self) -> Requests {
        self.0.program.requests.clone()
    }

    /// A packet was promised an answer.
    pub fn promised(&self) {
        self.0.program.taken();
    }

    /// A packet was not taken.
    pub fn refused(&self, code: &'static str) {
        self.0.program.refused(code);
    }

    async fn look(&self) -> Result<(), IntakeFault> {
        let Inner { book, program, .. } = self.0.as_ref();
        let IntakeStands { is_taking, waiting, waiting_max, periods, answered, overdue } = book.stands().await?;
        program.stands(Stands { is_accepting: is_taking, waiting, waiting_max });
        set(&self.0.periods, periods);
        set(&self.0.periods_answered, answered);
        set(&self.0.overdue, overdue);
        let layout = book.layout();
        program.measure(layout.root(), [("intake", layout.intake().as_path())]);
        Ok(())
    }

    async fn shown(self) -> Response {
        match self.look().await {
            Ok(()) => program::shown(&self.0.registry),
            Err(error) => Problem::internal(&error).into_response(),
        }
    }

    /// What the listener for whoever runs the intake answers.
    pub fn router(self) -> Router {
        program::router(move || self.clone().shown())
    }
}
