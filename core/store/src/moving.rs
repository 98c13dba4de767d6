//! Moving a ledger's rows from one database to the other: its bytes, and with them every proof, stay what they are.
//!
//! The rows are copied into a draft, table by table, and the draft is compared with its own entries (`rows`: chain, tree,
//! head, lookups) before it takes the name of the ledger. As long as `ledger.url` is there it says where the rows are, so
//! writing or removing that file is the one moment at which they have moved; what a crash leaves of the other side is
//! removed at the next start ([`settle`]). The vault's wraps go with the rows, and so do the stores beside the ledger
//! (`beside`). Not here: views and published files, which stay in the directory. A new table of the ledger is a line in
//! [`TABLES`], and a test compares that list with the schema.

use std::{path::Path, time::Duration};

use gongkai_log::LogKeys;

use crate::{
    beside::{self, BesideFault},
    copying::{
        Column::{Bytes, Integer, Text},
        Table, copy, table,
    },
    database::{Connection, Place, query, remove_file},
    error::{OpenError, StoreError, sql},
    event_store::LogHead,
    layout::Layout,
    ledger::take_lock,
    row_store::{self, RowStore},
    rows, tables,
    vault::{Vault, VaultFault},
};

/// How long a lock on a database is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// Every table of a ledger but the head, which is written last, and how far files are durable, which is begun anew.
const TABLES: [Table; 12] = [
    table("entries", 1, &[Integer("idx"), Text("stream"), Integer("revision"), Bytes("bytes")]),
    table("openings", 1, &[Integer("idx"), Text("line")]),
    table("lists", 1, &[Integer("idx"), Text("text")]),
    table("attachments", 2, &[Integer("idx"), Bytes("hash")]),
    table("requests", 1, &[Text("key"), Bytes("request"), Integer("idx")]),
    table("halt", 1, &[Integer("id"), Text("cause"), Integer("observed_at")]),
    table(
        "sealed_events",
        1,
        &[
            Integer("seq"),
            Bytes("commitment"),
            Bytes("tag"),
            Integer("tier"),
            Integer("as_of"),
            Integer("received_at"),
            Integer("deadline"),
            Bytes("nonce"),
            Bytes("note"),
            Bytes("envelope"),
            Bytes("commitments"),
            Bytes("status"),
            Integer("period"),
            Integer("leaf"),
            Bytes("path"),
        ],
    ),
    table(
        "sealed_values",
        2,
        &[
            Integer("event"),
            Integer("ordinal"),
            Integer("line"),
            Integer("tier"),
            Bytes("commitment"),
            Bytes("nonce"),
            Bytes("bytes"),
        ],
    ),
    table("sealed_requests", 1, &[Text("key"), Bytes("request"), Integer("seq")]),
    table("periods", 1, &[Integer("idx"), Bytes("nonce")]),
    table("erasures", 1, &[Bytes("tag"), Integer("destroyed")]),
    table("inventories", 1, &[Integer("event"), Integer("slots"), Bytes("mac")]),
];

const SET_HEAD: &str = "UPDATE head SET size = $1, entry_hash = $2, edge = $3, recorded_at = $4 WHERE id = 1";

/// Why a ledger was not moved; it is where it was.
#[derive(Debug, thiserror::Error)]
pub enum MoveError {
    /// Either side cannot be opened, or the ledger is in use.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The vault cannot be read or made.
    #[error("moving the vault")]
    Vault(#[from] VaultFault),
    /// What lies beside the ledger cannot be read or written.
    #[error("moving what lies beside the ledger")]
    Beside(#[from] BesideFault),
    /// The rows are there already.
    #[error("the rows of this ledger are there already")]
    There,
    /// The copy is not what its entries say.
    #[error("the copy does not verify: {0}")]
    Wrong(String),
}

impl From<StoreError> for MoveError {
    fn from(error: StoreError) -> Self {
        Self::Open(error.into())
    }
}

/// Moves the rows of the ledger in a directory to another place; `told` hears how many entries were copied.
///
/// # Errors
/// [`MoveError`]; the ledger is where it was then, and a draft at the new place is made again by the next attempt.
pub async fn move_rows(
    layout: &Layout,
    to: &Place,
    log: &LogKeys,
    told: impl Fn(u64, u64) + Send,
) -> Result<LogHead, MoveError> {
    let from = Place::of(layout)?;
    if from.is_same(to) {
        return finish(layout, to).await;
    }
    row_store::examine(layout, &from, false).await?;
    row_store::refuse_taken(to).await?;
    let _held = take_lock(layout)?;
    settle(layout)?;
    if let Place::Server(_) = &from {
        // Other nodes are fenced: what they committed from here on would be left behind.
        let (fence, _) = row_store::writer(&from, PATIENCE).await?;
        fence.close().await.map_err(sql("closing"))?;
    }
    let draft = row_store::draft(layout, to)?;
    let head = copy_all(&from, &draft, told).await?;
    if let Some(finding) = rows::check_place(&draft, log).await? {
        return Err(MoveError::Wrong(finding.to_string()));
    }
    if let (Place::Server(url), Place::File(_)) = (&from, to) {
        Vault::copy_from_server(layout).await?;
        beside::leave_server(layout, url).await?;
    }
    row_store::put_in_place(layout, &draft, to).await?;
    if let Place::Server(_) = to {
        Vault::move_to_server(layout).await?;
        beside::go_to_server(layout).await?;
    }
    if let Place::Server(url) = &from {
        if matches!(to, Place::File(_)) {
            row_store::forget_server(layout)?;
        }
        row_store::drop_ledger(url).await?;
    }
    settle(layout)?;
    Ok(head)
}

/// What a move that was cut short after the rows has left to do.
async fn finish(layout: &Layout, place: &Place) -> Result<LogHead, MoveError> {
    let _held = take_lock(layout)?;
    let moved = [Vault::move_to_server(layout).await?, beside::go_to_server(layout).await?];
    if !moved.contains(&true) {
        return Err(MoveError::There);
    }
    let mut reading = place.read(PATIENCE).await?;
    let (head, _) = tables::load_head(&mut reading).await?;
    reading.close().await.map_err(sql("closing"))?;
    Ok(head)
}

/// Writes the rows of the ledger in a directory, as of its last commit, into a new file of SQLite: what a backup holds.
///
/// # Errors
/// [`MoveError`]; what was written by then is of no use.
pub async fn copy_to_file(layout: &Layout, to: &Path, told: impl Fn(u64, u64) + Send) -> Result<LogHead, MoveError> {
    let from = Place::of(layout)?;
    row_store::examine(layout, &from, false).await?;
    copy_all(&from, &Place::File(to.to_owned()), told).await
}

/// Copies all rows as of one commit into an empty log that is made for them.
async fn copy_all(from: &Place, draft: &Place, told: impl Fn(u64, u64) + Send) -> Result<LogHead, MoveError> {
    RowStore::create(draft).await?;
    let mut reading = from.read(PATIENCE).await?;
    reading.begin_reading().await?;
    let (head, _) = tables::load_head(&mut reading).await?;
    let (mut writing, _) = row_store::writer(draft, PATIENCE).await?;
    for table in &TABLES {
        let told = |copied| {
            if table.name == "entries" {
                told(copied, head.size);
            }
        };
        copy(table, &mut reading, &mut writing, told).await?;
    }
    set_head(&mut writing, &head).await?;
    reading.end_reading().await?;
    for connection in [reading, writing] {
        connection.close().await.map_err(sql("closing"))?;
    }
    Ok(head)
}

/// While `ledger.url` says where the rows are, a file of rows beside it is what a move left; of the stores beside the ledger
/// the copies that a move made are those that are used, or are not.
pub(crate) fn settle(layout: &Layout) -> Result<(), StoreError> {
    beside::settle(layout)?;
    if layout.server().exists() { remove_file(&layout.database()) } else { Ok(()) }
}

async fn set_head(writing: &mut Connection, head: &LogHead) -> Result<(), StoreError> {
    let query = query(SET_HEAD)
        .bind(head.size.cast_signed())
        .bind(head.entry_hash.as_bytes().to_vec())
        .bind(head.edge.to_bytes())
        .bind(head.recorded_at.timestamp_micros());
    query.execute(writing).await.map_err(sql("writing the head"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[tokio::test]
    async fn every_column_of_every_table_is_moved() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::File(folder.path().join("ledger.db"));
        RowStore::create(&place).await.unwrap();
        let mut connection = place.read(PATIENCE).await.unwrap();
        let text = "SELECT m.name, c.name FROM sqlite_schema m, pragma_table_info(m.name) c WHERE m.type = 'table'";
        let rows = query(text).fetch_all(&mut connection).await.unwrap();
        let there: BTreeSet<(String, String)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        let head = ["id", "size", "entry_hash", "edge", "recorded_at", "epoch"];
        let moved = TABLES.iter().flat_map(|table| table.columns.iter().map(|column| (table.name, column.name())));
        let publication = ["id", "durable_size", "checkpoint"].map(|name| ("publication", name));
        let moved = moved.chain(head.map(|name| ("head", name))).chain(publication);
        let moved: BTreeSet<_> = moved.map(|(table, column)| (table.to_owned(), column.to_owned())).collect();
        assert_eq!(there, moved);
    }
}
