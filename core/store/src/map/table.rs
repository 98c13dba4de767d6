//! The map's database. Every statement of it is here.
//!
//! One connection writes; transactions are begun and ended by hand, because a root is logged between the two. A connection
//! that is dropped in the middle leaves what was there before.

use std::{collections::HashMap, path::Path};

use gongkai_log::{
    Digest, TreeHash,
    map::{Head, Leaf, Node, paths_below},
};
use sqlx::{Connection as _, Row as _, Sqlite, SqliteConnection, sqlite::SqliteRow};

use super::Reached;
use crate::{
    error::{StoreError, sql},
    marked::Marked,
};

const FILE: Marked = Marked {
    application_id: 0x476F_6E6D, // "Gonm"
    version: 1,
    schema: include_str!("../../../../migrations/map/sqlite/0001_map.sql"),
    doing: "opening the map",
};

const REACHED: &str = "SELECT size, entry FROM reached";
const REACH: &str = "UPDATE reached SET size = ?, entry = ?";
const BETWEEN: &str = "SELECT path, count, hash FROM leaf WHERE path BETWEEN ? AND ? ORDER BY path";
const NODES: &str = "SELECT number, hash, leaves FROM node";
/// What is reached, with the nodes of the upper tree from a bucket's to the root and those beside them.
const ON_THE_WAY: &str = "WITH RECURSIVE own (number) AS (VALUES (?) UNION ALL SELECT number / 2 FROM own WHERE number > 1), \
     wanted (number) AS (SELECT number FROM own UNION ALL SELECT number + 1 - 2 * (number % 2) FROM own WHERE number > 1) \
     SELECT n.number, n.hash, n.leaves, r.size, r.entry FROM reached r CROSS JOIN wanted w CROSS JOIN node n WHERE n.number = w.number";

/// Most rows that one statement writes: three values a row, far below SQLite's limit of 32,766.
pub(super) const ROWS_MAX: usize = 512;

/// Opens the database for writing, or makes it; `None` when the file is something else.
pub(super) async fn open(path: &Path) -> Result<Option<SqliteConnection>, StoreError> {
    // What is lost is rebuilt from the log.
    FILE.open(path, |options| options.synchronous(sqlx::sqlite::SqliteSynchronous::Normal)).await
}

pub(super) async fn begin(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    run(connection, "BEGIN IMMEDIATE", "beginning a change of the map").await
}

pub(super) async fn commit(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    run(connection, "COMMIT", "recording the map").await
}

pub(super) async fn roll_back(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    run(connection, "ROLLBACK", "taking a change of the map back").await
}

async fn run(connection: &mut SqliteConnection, text: &'static str, doing: &'static str) -> Result<(), StoreError> {
    sqlx::query(text).execute(connection).await.map(drop).map_err(sql(doing))
}

pub(super) async fn reached(connection: &mut SqliteConnection) -> Result<Reached, StoreError> {
    let row = sqlx::query(REACHED).fetch_one(connection).await.map_err(sql("reading the map"))?;
    Ok(Reached { size: number(&row, 0)?, entry: optional(&row, 1)? })
}

pub(super) async fn reach(connection: &mut SqliteConnection, reached: Reached) -> Result<(), StoreError> {
    let query = sqlx::query(REACH).bind(reached.size.cast_signed()).bind(reached.entry.map(u64::cast_signed));
    query.execute(connection).await.map(drop).map_err(sql("recording the map"))
}

/// The leaves below a node of the upper tree, in the order of their paths.
pub(super) async fn leaves(connection: &mut SqliteConnection, node: u32) -> Result<Vec<Leaf>, StoreError> {
    let (first, last) = paths_below(node);
    let query = sqlx::query(BETWEEN).bind(first.as_bytes().to_vec()).bind(last.as_bytes().to_vec());
    let rows = query.fetch_all(connection).await.map_err(sql("reading the map"))?;
    rows.iter().map(leaf).collect()
}

fn leaf(row: &SqliteRow) -> Result<Leaf, StoreError> {
    let hash = Digest::from_bytes(bytes(row, 2)?);
    Ok(Leaf { path: TreeHash::from_bytes(bytes(row, 0)?), head: Head { count: number(row, 1)?, hash } })
}

/// All nodes of the upper tree that have leaves.
pub(super) async fn all_nodes(connection: &mut SqliteConnection) -> Result<HashMap<u32, Node>, StoreError> {
    let rows = sqlx::query(NODES).fetch_all(connection).await.map_err(sql("reading the map"))?;
    rows.iter().map(node).collect()
}

/// How far the map is, and the nodes on the way from a bucket's to the root with those beside them; what has no leaves is
/// not among them. `None` for a map without leaves.
pub(super) async fn on_the_way(
    connection: &mut SqliteConnection,
    bucket: u32,
) -> Result<Option<(Reached, HashMap<u32, Node>)>, StoreError> {
    let rows = sqlx::query(ON_THE_WAY).bind(i64::from(bucket)).fetch_all(connection).await;
    let rows = rows.map_err(sql("reading the map"))?;
    let Some(first) = rows.first() else { return Ok(None) };
    let reached = Reached { size: number(first, 3)?, entry: optional(first, 4)? };
    Ok(Some((reached, rows.iter().map(node).collect::<Result<_, _>>()?)))
}

fn node(row: &SqliteRow) -> Result<(u32, Node), StoreError> {
    let place: i64 = row.try_get(0).map_err(sql("reading the map"))?;
    let node = Node { hash: TreeHash::from_bytes(bytes(row, 1)?), leaves: number(row, 2)? };
    Ok((u32::try_from(place).unwrap_or(0), node))
}

/// Removes every leaf and node.
pub(super) async fn clear(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    for text in ["DELETE FROM leaf", "DELETE FROM node"] {
        run(connection, text, "emptying the map").await?;
    }
    Ok(())
}

/// Puts leaves in place.
pub(super) async fn write_leaves(connection: &mut SqliteConnection, leaves: &[Leaf]) -> Result<(), StoreError> {
    for rows in leaves.chunks(ROWS_MAX) {
        let mut query = sqlx::QueryBuilder::<Sqlite>::new("INSERT INTO leaf (path, count, hash) ");
        query.push_values(rows, |mut row, Leaf { path, head }| {
            let count = head.count.cast_signed();
            row.push_bind(path.as_bytes().to_vec()).push_bind(count).push_bind(head.hash.as_bytes().to_vec());
        });
        query.push(" ON CONFLICT (path) DO UPDATE SET count = excluded.count, hash = excluded.hash");
        query.build().execute(&mut *connection).await.map_err(sql("writing the map"))?;
    }
    Ok(())
}

/// Puts nodes of the upper tree in place; nodes never lose their last leaf.
pub(super) async fn write_nodes(connection: &mut SqliteConnection, nodes: &[(u32, Node)]) -> Result<(), StoreError> {
    for rows in nodes.chunks(ROWS_MAX) {
        let mut query = sqlx::QueryBuilder::<Sqlite>::new("INSERT INTO node (number, hash, leaves) ");
        query.push_values(rows, |mut row, (number, node)| {
            let hash = node.hash.as_bytes().to_vec();
            row.push_bind(i64::from(*number)).push_bind(hash).push_bind(node.leaves.cast_signed());
        });
        query.push(" ON CONFLICT (number) DO UPDATE SET hash = excluded.hash, leaves = excluded.leaves");
        query.build().execute(&mut *connection).await.map_err(sql("writing the map"))?;
    }
    Ok(())
}

pub(super) async fn close(connection: SqliteConnection) -> Result<(), StoreError> {
    connection.close().await.map_err(sql("closing the map"))
}

fn bytes(row: &SqliteRow, column: usize) -> Result<[u8; 32], StoreError> {
    let bytes: Vec<u8> = row.try_get(column).map_err(sql("reading the map"))?;
    bytes.try_into().map_err(|_| StoreError::sql("reading the map", sqlx::Error::Decode("not 32 bytes".into())))
}

fn number(row: &SqliteRow, column: usize) -> Result<u64, StoreError> {
    row.try_get::<i64, _>(column).map(i64::cast_unsigned).map_err(sql("reading the map"))
}

fn optional(row: &SqliteRow, column: usize) -> Result<Option<u64>, StoreError> {
    let value: Option<i64> = row.try_get(column).map_err(sql("reading the map"))?;
    Ok(value.map(i64::cast_unsigned))
}
