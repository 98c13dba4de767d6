//! The real binary from the outside: the main way through it, every bad input, tables as offices have them, real data.
//!
//! Each test has a ledger of its own, made by `gongkai init` and `gongkai submit`. Not here: faults of disks and
//! processes (`faults.rs`), pages as people see them (`browser/`). To add a bad input over HTTP, add a case to
//! [`wrong::cases`]; what every refusal has to leave unchanged is checked for all of them at once.

#![expect(clippy::unwrap_used, reason = "a test stops where the program does")]

mod backups;
mod board;
mod bucket;
mod citizen;
mod commands;
mod completeness;
mod cosign;
mod imports;
mod intake;
mod mirror;
mod mirrors;
mod operations;
mod operator;
mod print;
mod proofs;
mod published_only;
mod push;
mod real_data;
mod recovery;
mod review;
mod rotation;
mod secrecy;
mod sign_in;
mod tally;
mod tools;
mod vault;
mod witnesses;
mod wrong;
