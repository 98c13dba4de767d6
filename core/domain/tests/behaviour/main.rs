//! Behaviour of the domain, through the same steps as a submission: prepare, sign, check, judge, fold.
//!
//! One binary; a file a family. The ledger here is a map in memory.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod consultation;
mod disclosure;
mod gap;
mod ledger;
mod letter;
mod nomination;
mod notice;
mod objection;
mod pledge;
mod question;
mod recovery;
mod registry;
mod reply;
mod review;
mod rotation;
mod schedule;
mod session;
mod slot;
mod supervision;
mod tally;
mod vacancy;
