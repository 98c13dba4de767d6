//! What is said of PostgreSQL, shown with a real one.

#![expect(clippy::unwrap_used, reason = "a test stops where a database does")]

mod bucket;
mod chaos;
mod failover;
mod ledger;
mod moved;
mod nodes;
mod races;
mod replicas;
mod serving;
mod statements;
mod steps;
mod views;
mod working;
