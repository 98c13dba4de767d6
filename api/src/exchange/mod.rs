//! Reading what offices have (CSV, JSON, JSON lines, XLS, XLSX, folders of texts) into commands.
//!
//! Four steps, each in its module: `table` reads files, `mapping` reads the user's mapping file, `cell` reads one cell,
//! `plan` applies the mapping and gives a [`Plan`]. `problems` is how everything that is wrong is said. Nothing here
//! knows a data set, an event kind or a ledger: what is specific is in the mapping, and what a command means is judged
//! by whoever receives it. Nothing is written; a plan is only a proposal.

pub mod cell;
mod json;
pub mod mapping;
pub mod plan;
pub mod problems;
pub mod sheet;
pub mod table;
mod text;

#[cfg(test)]
mod real_data;

pub use mapping::{Mapping, MappingError};
pub use plan::{Context, Plan, PlannedCommand, RowRef, import, plan};
pub use problems::{Problem, Problems};
pub use table::{Input, Row, Table};
