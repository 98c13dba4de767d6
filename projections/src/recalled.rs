//! Statements back from their rows in the timeline, for whoever folds them again without reading the log.
//!
//! What a row does not keep cannot be asked for: proxies are left out, and values that were withdrawn are gone from the row
//! as they are from the log. Not here: which rows are read (`follower`, `read`).

use gongkai_domain::{World, event::Recorded};
use gongkai_log::{Digest, Signer, Statement, StreamId};
use gongkai_store::database::Row;
use serde_json::{Map, Value};

use crate::{
    event::{Field, PublicEvent, PublicLine},
    read::Columns,
};

/// A row that cannot be recalled.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RecallError {
    /// The database.
    #[error("the views could not be read")]
    Database(#[from] sqlx::Error),
    /// Its content.
    #[error("row {0} of the views cannot be read; rebuild them")]
    Damaged(u64),
}

/// Folds the statement of a row into a world.
pub(crate) fn teach(world: &mut World, row: &Row) -> Result<(), RecallError> {
    let index = row.count("entry_index")?;
    let (statement, hash) = statement(row, index)?;
    let recorded_at = row.recorded("recorded_at")?;
    world.evolve(&Recorded { index, recorded_at, statement: &statement, hash, values: None });
    Ok(())
}

/// The event of a row, with these lines.
pub(crate) fn event(row: &Row, lines: Vec<PublicLine>) -> Result<PublicEvent, RecallError> {
    let index = row.count("entry_index")?;
    let damaged = || RecallError::Damaged(index);
    let (statement, statement_hash) = statement(row, index)?;
    let entry_hash = Digest::parse(&row.text("entry_hash")?).map_err(|_| damaged())?;
    let fields: Vec<Map<String, Value>> = serde_json::from_str(&row.text("fields")?).map_err(|_| damaged())?;
    let fields = fields.into_iter().map(field).collect::<Option<Vec<_>>>().ok_or_else(damaged)?;
    let recorded_at = row.recorded("recorded_at")?;
    Ok(PublicEvent::recalled((index, recorded_at), (entry_hash, statement_hash), statement, fields, lines))
}

fn field(mut field: Map<String, Value>) -> Option<Field> {
    Some(Field {
        slot: u8::try_from(field.get("slot")?.as_u64()?).ok()?,
        name: field.get("name")?.as_str()?.to_owned(),
        value: field.remove("value")?,
    })
}

fn statement(row: &Row, index: u64) -> Result<(Statement, Digest), RecallError> {
    let damaged = || RecallError::Damaged(index);
    let signers: Vec<Signer> = serde_json::from_str(&row.text("signers")?).map_err(|_| damaged())?;
    let statement = Statement {
        // Only the genesis is asked for it, and its signer's key is named like the ledger.
        origin: signers.first().map(|signer| signer.key.clone()).unwrap_or_default(),
        kind: row.text("kind")?,
        stream: StreamId::parse(&row.text("stream")?).map_err(|_| damaged())?,
        revision: row.count("revision")?,
        parent: row.maybe::<String>("parent")?.and_then(|parent| Digest::parse(&parent).ok()),
        org: row.text("org")?,
        declared_at: row.declared("declared_at")?,
        signers,
        proxy: None,
        body: serde_json::from_str(&row.text("body")?).map_err(|_| damaged())?,
        slots: Digest::parse(&row.text("slots")?).map_err(|_| damaged())?,
    };
    let hash = Digest::parse(&row.text("statement_hash")?).map_err(|_| damaged())?;
    Ok((statement, hash))
}
