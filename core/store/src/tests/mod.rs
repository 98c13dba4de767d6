//! The ledger under load, faults and tampering. Numbers are those of the thirty cases.

mod asker;
mod clock;
mod columns;
mod cosigning;
mod faults;
mod helpers;
mod map;
mod mirror;
mod mirror_policy;
mod opening;
mod opening_and_erasure;
mod publication;
mod published_log;
mod regain;
mod rehearsal;
mod review;
mod rotation;
mod scheduled;
mod sealed;
mod sealed_audit;
mod simulation;
mod tampering;
mod withdrawal;
mod writing;
