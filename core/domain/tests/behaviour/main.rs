//! Behaviour of the domain, through the same steps as a submission: prepare, sign, check, judge, fold.
//!
//! One binary; a file a family. The ledger here is a map in memory.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod disclosure;
mod ledger;
mod nomination;
mod notice;
mod pledge;
mod registry;
mod review;
mod slot;
mod vacancy;
