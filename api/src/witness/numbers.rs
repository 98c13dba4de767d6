//! What a witness counts, for whoever runs it: at a loopback address of its own, as a ledger's numbers are.
//!
//! No log is a label: codes are of the closed list in [`code`]. To add a number, add a member to [`Inner`] and register it in
//! [`Numbers::new`].

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::response::Response;
use gongkai_log::witness::WitnessError;
use gongkai_store::WitnessBook;
use gongkai_store::witness_book::AddError;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::http::metrics::program::{self, Program, Stands, Words, set};
use crate::http::metrics::requests::Requests;

const WORDS: Words = Words {
    taken_name: "cosignatures",
    taken: "Checkpoints that were cosigned",
    refused: "Checkpoints that were not cosigned, by code",
    accepting: "1 while checkpoints are cosigned",
    waiting: "Requests that wait for their turn",
    waiting_max: "Requests that may wait",
};

struct Inner {
    registry: Registry,
    book: WitnessBook,
    // The directory, and the state in it.
    dir: PathBuf,
    program: Program,
    logs: Gauge,
    logs_cosigned: Gauge,
}

/// See the module. Cheap to clone.
#[derive(Clone)]
pub struct Numbers(Arc<Inner>);

impl Numbers {
    /// Of the witness with this book in this directory.
    pub fn new(book: WitnessBook, dir: PathBuf) -> Self {
        let mut registry = Registry::with_prefix("gongkai");
        let program = Program::new(&WORDS, &mut registry);
        let (logs, logs_cosigned) = (Gauge::default(), Gauge::default());
        registry.register("witnessed_logs", "Logs that are witnessed", logs.clone());
        let help = "Logs of which a checkpoint was cosigned";
        registry.register("witnessed_logs_cosigned", help, logs_cosigned.clone());
        Self(Arc::new(Inner { registry, book, dir, program, logs, logs_cosigned }))
    }

    /// The requests among them.
    pub fn requests(&self) -> Requests {
        self.0.program.requests.clone()
    }

    /// Counts an answer.
    pub fn answered(&self, answer: &Result<String, AddError>) {
        match answer {
            Ok(_) => self.0.program.taken(),
            Err(error) => self.0.program.refused(code(error)),
        }
    }

    fn look(&self) {
        let Inner { book, program, .. } = self.0.as_ref();
        program.stands(Stands {
            is_accepting: book.is_cosigning(),
            waiting: book.waiting() as u64,
            waiting_max: book.waiting_max() as u64,
        });
        // A log whose key was replaced has two.
        let logs = book.logs();
        let origins: BTreeSet<&str> = logs.iter().map(|log| log.name()).collect();
        set(&self.0.logs, origins.len() as u64);
        let cosigned = origins.iter().filter(|origin| book.recorded(origin).is_some()).count();
        set(&self.0.logs_cosigned, cosigned as u64);
        program.measure(&self.0.dir, [("witness", self.0.dir.join("witness.db").as_path())]);
    }

    fn shown(&self) -> Response {
        self.look();
        program::shown(&self.0.registry)
    }

    /// What the listener for whoever runs the witness answers.
    pub fn router(self) -> Router {
        program::router(move || std::future::ready(self.shown()))
    }
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
