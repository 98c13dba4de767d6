//! What is disclosed, by which rules: the meaning of Gongkai's events.
//!
//! In scope: the list of event kinds with payloads, states, `decide` and `evolve`; the registry of
//! organizations, persons, keys and roles over time; working-day calendars and rules; the judgement
//! on a proposal. Out of scope: bytes and proofs (`gongkai-log`), storage (`gongkai-store`), views.
//! Nothing here reads a clock, takes randomness, does I/O or is async: what it needs is handed in.
//!
//! To add an event kind, see [`kind`].

pub mod anonymity;
pub mod audit;
pub mod audit_sealed;
pub mod calendar;
pub mod chart;
pub mod clock;
pub mod command;
pub mod competence;
pub mod confidentiality;
pub mod draft;
pub mod envelope;
pub mod event;
pub mod field;
pub mod finance;
pub mod follow_up;
pub mod gap;
pub mod json;
pub mod judge;
pub mod key_history;
pub mod kind;
pub mod master;
pub mod matters;
pub mod period;
pub mod personal;
pub mod procedure;
pub mod refusal;
pub mod replay;
pub mod rules;
pub mod schedule;
pub mod submission;
pub mod vault;
pub mod world;

pub use command::{Command, Head, Prepared, Setting, prepare};
pub use event::{Context, Named, Proposal, Recorded, State, Target};
pub use kind::{KINDS, Kind};
pub use master::Master;
pub use refusal::Refusal;
pub use replay::Replay;
pub use submission::{Checked, Submission};
pub use world::{Role, World};
