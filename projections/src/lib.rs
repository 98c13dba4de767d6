//! Views and search over the public log: built from it, thrown away and rebuilt at will.
//!
//! In scope: what a projection says about an event ([`projection`], [`boards`]), the follower that
//! writes it with its cursor, generations of views and their swap (`engine`), the questions that
//! pages ask ([`read`]), full-text search ([`search`]), and beside them the views of what is sealed
//! ([`internal`]) and the secretary's board over both ([`board`]). Out of scope: HTTP, HTML, the ledger's
//! own tables. To add a board, see [`projection`]; a question, see [`read`].

pub mod board;
pub mod boards;
pub mod diff;
mod documents;
mod engine;
pub mod event;
pub mod follow_up;
pub mod follower;
mod generation;
mod home;
pub mod internal;
mod learned;
mod lease;
pub mod projection;
pub mod read;
mod recalled;
pub mod replicas;
mod rows;
pub mod search;
pub mod source;
pub mod status;
#[cfg(test)]
mod tests;
pub mod views;
mod watcher;

pub use engine::{Engine, halted};
pub use follower::FollowError;
pub use generation::{PAGE_INDEXES_POSTGRES, PAGE_INDEXES_SQLITE, SCHEMA_POSTGRES, SCHEMA_SQLITE};
pub use home::{Home, RETIRED_KEEP};
pub use lease::LEASE_MAX;
pub use read::{ReadError, Reader};
pub use source::{Source, SourceError, Sourced};
pub use status::Status;
pub use views::Views;

/// Every statement with its name, so that a test can prepare each on SQLite and on PostgreSQL.
pub fn statements() -> Vec<(String, String)> {
    let constants =
        [follower::STATEMENTS, follower::TOUCHED_STATEMENTS, rows::STATEMENTS, documents::STATEMENTS].concat();
    let constants = constants.into_iter().chain(read::statements());
    let mut all: Vec<(String, String)> = constants.map(|(name, sql)| (name.to_owned(), sql.to_owned())).collect();
    for table in projection::TABLES {
        all.push((format!("{}.upsert", table.name), table.upsert(2, projection::Marks::Numbered)));
        all.push((format!("{}.delete_stream", table.name), table.delete_stream()));
    }
    all
}
