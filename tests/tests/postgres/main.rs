//! What is said of PostgreSQL, shown with a real one.

#![expect(clippy::unwrap_used, reason = "a test stops where a database does")]

mod failover;
mod ledger;
mod nodes;
mod replicas;
mod serving;
mod statements;
mod views;
