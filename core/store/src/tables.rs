//! Reading what is public of a ledger's rows, and what the writer remembers about its own running.
//!
//! Every statement is understood by both databases, or there are two texts of it. Appending is in `row_store`, what is
//! ciphertext in `sealed_tables`.

use std::collections::BTreeSet;

use chrono::DateTime;
use gongkai_log::{Digest, Edge};

use crate::{
    database::{Connection, Row, Sql, query},
    error::{StoreError, sql},
    event_store::{At, Halt, Known, KnownRequest, LogHead, Publication, RawEntry, StreamEntry},
};

const LOAD_HEAD: &str = "SELECT size, entry_hash, edge, recorded_at, epoch FROM head WHERE id = 1";
const LOAD_RANGE: &str = "SELECT e.idx, e.bytes, o.line, l.text FROM entries e \
                          LEFT JOIN openings o ON o.idx = e.idx LEFT JOIN lists l ON l.idx = e.idx \
                          WHERE e.idx >= $1 AND e.idx < $2 ORDER BY e.idx";
const LOAD_STREAM: &str = "SELECT e.idx, e.bytes, o.line, l.text FROM entries e \
                           LEFT JOIN openings o ON o.idx = e.idx LEFT JOIN lists l ON l.idx = e.idx \
                           WHERE e.stream = $1 ORDER BY e.revision";
const LOAD_STREAM_END: &str = "SELECT idx, bytes FROM entries WHERE stream = $1 ORDER BY revision DESC LIMIT 1";
// In SQLite three statements and one way to the connection's thread and back, which costs as much as all of them.
const LOOK_UP: Sql = Sql::Each {
    sqlite: "SELECT 1, key, idx, request FROM requests WHERE key IN (SELECT value FROM json_each($1)); \
             SELECT 3, key, seq, request FROM sealed_requests WHERE key IN (SELECT value FROM json_each($1)); \
             SELECT 2, stream, idx, bytes FROM entries WHERE stream IN (SELECT value FROM json_each($2)) \
             ORDER BY stream, revision",
    postgres: "SELECT 1::BIGINT, key, idx, request FROM requests WHERE key = ANY ($1) \
               UNION ALL SELECT 3, key, seq, request FROM sealed_requests WHERE key = ANY ($1) \
               UNION ALL SELECT 2, stream, idx, bytes FROM entries WHERE stream = ANY ($2) ORDER BY 1, 2, 3",
};
const LOAD_FAMILY: &str = "SELECT idx FROM entries WHERE stream >= $1 AND stream < $2";
const LOAD_SOME: Sql = Sql::Each {
    sqlite: "SELECT idx, bytes FROM entries WHERE idx IN (SELECT value FROM json_each($1)) ORDER BY idx",
    postgres: "SELECT idx, bytes FROM entries WHERE idx = ANY ($1) ORDER BY idx",
};
const LOAD_OPENINGS: &str = "SELECT idx, line FROM openings WHERE idx >= $1 AND idx < $2 ORDER BY idx";
const LOAD_BYTES: &str = "SELECT idx, bytes FROM entries WHERE idx >= $1 AND idx < $2 ORDER BY idx";
const LOAD_LIST_INDEXES: &str = "SELECT idx FROM lists WHERE idx >= $1 AND idx < $2 ORDER BY idx";
const LOAD_LIST: &str = "SELECT text FROM lists WHERE idx = $1";
const LOAD_ATTACHMENTS: &str = "SELECT idx, hash FROM attachments WHERE idx >= $1 AND idx < $2 ORDER BY idx, hash";
// Without an index: asked only when a line is withdrawn.
const LOAD_ATTACHING: &str = "SELECT idx FROM attachments WHERE hash = $1 ORDER BY idx";
const LAST_INDEX: &str = "SELECT max(idx) FROM entries";
pub(crate) const SAVE_PUBLICATION: &str = "INSERT INTO publication (id, durable_size, checkpoint) VALUES ($1, $2, $3) \
                                ON CONFLICT (id) DO UPDATE SET durable_size = excluded.durable_size, \
                                checkpoint = excluded.checkpoint";
const LOAD_PUBLICATION: &str = "SELECT durable_size, checkpoint FROM publication WHERE id = $1";
const LOAD_PUBLICATIONS: &str = "SELECT durable_size, checkpoint FROM publication ORDER BY id";
const SAVE_HALT: &str = "INSERT INTO halt (id, cause, observed_at) VALUES (1, $1, $2) ON CONFLICT (id) DO NOTHING";
const LOAD_HALT: &str = "SELECT cause, observed_at FROM halt WHERE id = 1";

fn digest(bytes: &[u8], index: u64, field: &'static str) -> Result<Digest, StoreError> {
    let bytes = <[u8; 32]>::try_from(bytes).map_err(|_| StoreError::row(index, field, "not 32 bytes"))?;
    Ok(Digest::from_bytes(bytes))
}

/// The rows of a statement over numbers from the first to the second, exclusive.
pub(crate) async fn between(
    connection: &mut Connection,
    text: &'static str,
    (from, to): (u64, u64),
    doing: &'static str,
) -> Result<Vec<Row>, StoreError> {
    let query = query(text).bind(from.cast_signed()).bind(to.cast_signed());
    query.fetch_all(connection).await.map_err(sql(doing))
}

/// The head and the writer's epoch.
pub(crate) async fn load_head(connection: &mut Connection) -> Result<(LogHead, u64), StoreError> {
    let row = query(LOAD_HEAD).fetch_one(connection).await.map_err(sql("reading the head"))?;
    head(&row)
}

/// The head and the writer's epoch in a row of `size, entry_hash, edge, recorded_at, epoch`.
pub(crate) fn head(row: &Row) -> Result<(LogHead, u64), StoreError> {
    let size = row.number(0);
    let edge = Edge::from_bytes(&row.get::<Vec<u8>>(2)).map_err(|e| StoreError::row(size, "head", e.to_string()))?;
    if edge.size() != size {
        return Err(StoreError::row(size, "head", format!("the tree edge is of {} entries", edge.size())));
    }
    let head = LogHead {
        size,
        entry_hash: digest(&row.get::<Vec<u8>>(1), size, "head")?,
        edge,
        recorded_at: DateTime::from_timestamp_micros(row.get(3))
            .ok_or_else(|| StoreError::row(size, "head", "recorded_at is out of range"))?,
    };
    Ok((head, row.number(4)))
}

/// Entries in the table, by its last index.
pub(crate) async fn count(connection: &mut Connection) -> Result<u64, StoreError> {
    let row = query(LAST_INDEX).fetch_one(connection).await.map_err(sql("reading the last index"))?;
    Ok(row.get::<Option<i64>>(0).map_or(0, |last| last.cast_unsigned() + 1))
}

fn raw_entry(row: &Row) -> RawEntry {
    RawEntry { index: row.number(0), bytes: row.get(1), openings: row.get(2), list: row.get(3) }
}

/// Entries from `from` to `to`, exclusive.
pub(crate) async fn load_range(connection: &mut Connection, from: u64, to: u64) -> Result<Vec<RawEntry>, StoreError> {
    let rows = between(connection, LOAD_RANGE, (from, to), "reading entries").await?;
    Ok(rows.iter().map(raw_entry).collect())
}

/// One stream, in order.
pub(crate) async fn load_stream(connection: &mut Connection, stream: String) -> Result<Vec<RawEntry>, StoreError> {
    let rows = query(LOAD_STREAM).bind(stream).fetch_all(connection).await.map_err(sql("reading a stream"))?;
    Ok(rows.iter().map(raw_entry).collect())
}

/// Index and bytes of a stream's last entry.
pub(crate) async fn load_stream_end(
    connection: &mut Connection,
    stream: String,
) -> Result<Option<(u64, Vec<u8>)>, StoreError> {
    let query = query(LOAD_STREAM_END).bind(stream);
    let row = query.fetch_optional(connection).await.map_err(sql("reading a stream's head"))?;
    Ok(row.map(|row| (row.number(0), row.get(1))))
}

/// Indexes of the entries whose streams are of these families, in order.
pub(crate) async fn load_indexes_of(
    connection: &mut Connection,
    families: &BTreeSet<&'static str>,
) -> Result<Vec<u64>, StoreError> {
    let mut indexes = Vec::new();
    for family in families {
        // A range of the index; '0' follows '/'.
        let query = query(LOAD_FAMILY).bind(format!("{family}/")).bind(format!("{family}0"));
        let found = query.fetch_all(&mut *connection).await.map_err(sql("finding registry entries"))?;
        indexes.extend(found.iter().map(|row| row.number(0)));
    }
    indexes.sort_unstable();
    Ok(indexes)
}

/// Index and bytes of these entries, in order.
pub(crate) async fn load_some(connection: &mut Connection, indexes: &[u64]) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
    let wanted: Vec<i64> = indexes.iter().map(|index| index.cast_signed()).collect();
    let query = query(LOAD_SOME).bind(wanted);
    let rows = query.fetch_all(connection).await.map_err(sql("reading entries"))?;
    Ok(rows.iter().map(|row| (row.number(0), row.get(1))).collect())
}

/// Index and bytes of the entries from `from` to `to`, exclusive, in order.
pub(crate) async fn load_bytes(
    connection: &mut Connection,
    from: u64,
    to: u64,
) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
    let rows = between(connection, LOAD_BYTES, (from, to), "reading entries").await?;
    Ok(rows.iter().map(|row| (row.number(0), row.get(1))).collect())
}

/// Openings lines from `from` to `to`, exclusive.
pub(crate) async fn load_openings(
    connection: &mut Connection,
    from: u64,
    to: u64,
) -> Result<Vec<(u64, String)>, StoreError> {
    let rows = between(connection, LOAD_OPENINGS, (from, to), "reading openings").await?;
    Ok(rows.iter().map(|row| (row.number(0), row.get(1))).collect())
}

/// Which entries from `from` to `to`, exclusive, have lists.
pub(crate) async fn load_list_indexes(connection: &mut Connection, from: u64, to: u64) -> Result<Vec<u64>, StoreError> {
    let rows = between(connection, LOAD_LIST_INDEXES, (from, to), "finding lists").await?;
    Ok(rows.iter().map(|row| row.number(0)).collect())
}

/// The list of an entry.
pub(crate) async fn load_list(connection: &mut Connection, index: u64) -> Result<Option<String>, StoreError> {
    let query = query(LOAD_LIST).bind(index.cast_signed());
    let row = query.fetch_optional(connection).await.map_err(sql("reading a list"))?;
    Ok(row.map(|row| row.get(0)))
}

/// Attachments that the entries from `from` to `to`, exclusive, named when they were recorded.
pub(crate) async fn load_attachments(
    connection: &mut Connection,
    from: u64,
    to: u64,
) -> Result<Vec<(u64, Digest)>, StoreError> {
    let rows = between(connection, LOAD_ATTACHMENTS, (from, to), "reading attachments").await?;
    let named = |row: &Row| {
        let index = row.number(0);
        Ok((index, digest(row.get(1), index, "attachments")?))
    };
    rows.iter().map(named).collect()
}

/// Entries that named an attachment when they were recorded.
pub(crate) async fn load_attaching(connection: &mut Connection, hash: &Digest) -> Result<Vec<u64>, StoreError> {
    let query = query(LOAD_ATTACHING).bind(hash.as_bytes().as_slice());
    let indexes = query.fetch_all(connection).await.map_err(sql("reading who names an attachment"))?;
    Ok(indexes.iter().map(|row| row.number(0)).collect())
}

fn publication(row: &Row) -> Publication {
    Publication { durable_size: row.number(0), checkpoint: row.get(1) }
}

/// How far a node's files are durable.
pub(crate) async fn load_publication(
    connection: &mut Connection,
    node: i64,
) -> Result<Option<Publication>, StoreError> {
    let query = query(LOAD_PUBLICATION).bind(node).fetch_optional(connection);
    Ok(query.await.map_err(sql("reading the publication"))?.map(|row| publication(&row)))
}

/// How far the files of all nodes are durable, with the checkpoint of each.
pub(crate) async fn load_publications(connection: &mut Connection) -> Result<Vec<Publication>, StoreError> {
    let rows = query(LOAD_PUBLICATIONS).fetch_all(connection).await.map_err(sql("reading the publication"))?;
    Ok(rows.iter().map(publication).collect())
}

/// Remembers how far a node's files are durable.
pub(crate) async fn save_publication(
    connection: &mut Connection,
    node: i64,
    publication: Publication,
) -> Result<(), StoreError> {
    let Publication { durable_size, checkpoint } = publication;
    let query = query(SAVE_PUBLICATION).bind(node).bind(durable_size.cast_signed()).bind(checkpoint);
    query.execute(connection).await.map_err(sql("saving the publication"))
}

/// The halt that is not in the log yet.
pub(crate) async fn load_halt(connection: &mut Connection) -> Result<Option<Halt>, StoreError> {
    let query = query(LOAD_HALT).fetch_optional(connection);
    let Some(row) = query.await.map_err(sql("reading the halt"))? else { return Ok(None) };
    let observed_at = DateTime::from_timestamp_micros(row.get(1))
        .ok_or_else(|| StoreError::row(0, "halt", "observed_at is out of range"))?;
    Ok(Some(Halt { cause: row.get(0), observed_at }))
}

/// Remembers a halt; the first one is what happened.
pub(crate) async fn save_halt(connection: &mut Connection, halt: Halt) -> Result<(), StoreError> {
    let query = query(SAVE_HALT).bind(halt.cause).bind(halt.observed_at.timestamp_micros());
    query.execute(connection).await.map_err(sql("saving the halt"))
}

/// Which of these idempotency keys are known, and all statements of these streams.
pub(crate) async fn look_up(
    connection: &mut Connection,
    keys: Vec<String>,
    streams: Vec<String>,
) -> Result<Known, StoreError> {
    let query = query(LOOK_UP).bind(keys).bind(streams);
    let mut known = Known::default();
    for row in query.fetch_all(connection).await.map_err(sql("reading requests and streams"))? {
        let (name, index) = (row.get(1), row.number(2));
        let what = row.number(0);
        if what == 2 {
            known.streams.push(StreamEntry { stream: name, index, bytes: row.get(3) });
        } else {
            let request = digest(row.get(3), index, "request")?;
            let at = if what == 1 { At::Entry(index) } else { At::Sealed(index) };
            known.requests.push(KnownRequest { key: name, request, at });
        }
    }
    Ok(known)
}
