//! Case 6 and 7, column by column: one flipped bit in any column of the ledger's tables is found and named, or the column
//! is listed here with why it cannot be told.

use std::{collections::BTreeSet, fs};

use chrono::{DateTime, Utc};
use gongkai_log::FsckError;
use sqlx::{AssertSqlSafe, Connection as _, Row as _, SqliteConnection};

use super::{
    helpers::{fsck_database, operator, restore, verifies},
    mirror::with_files,
    sealed_audit::busy,
};
use crate::{
    Layout, ReadStore, Vault, check_rows,
    clock::Clock as _,
    sealed_audit,
    testing::{COUNTY, Fixture, ORIGIN, ledger_keys, master, vault_entropy},
};

/// Table, column, row, bit, and what is said of it.
const FOUND: &[(&str, &str, &str, usize, &str)] = &[
    ("entries", "idx", "idx = 20", 12, "20"),
    ("entries", "stream", "idx = 20", 8, "Some(20), field: \"rows of entries.stream\""),
    ("entries", "revision", "idx = 20", 0, "Some(20), field: \"rows of entries.revision\""),
    ("entries", "bytes", "idx = 20", 800, "index: Some(20)"),
    ("head", "id", "id = 1", 1, "head"),
    ("head", "size", "id = 1", 0, "head"),
    ("head", "entry_hash", "id = 1", 77, "rows of head.entry_hash"),
    ("head", "edge", "id = 1", 200, "checkpoint"),
    ("head", "recorded_at", "id = 1", 0, "rows of head.recorded_at"),
    ("openings", "idx", "idx = 20", 12, "20"),
    ("openings", "line", "idx = 20", 800, "index: Some(20)"),
    ("lists", "idx", "idx > 0", 12, "rows of lists.idx"),
    ("lists", "text", "idx > 0", 200, "lines"),
    ("attachments", "idx", "hash = (SELECT min(hash) FROM attachments)", 12, "rows of attachments"),
    ("attachments", "hash", "hash = (SELECT min(hash) FROM attachments)", 99, "rows of attachments.hash"),
    ("requests", "request", "key = 'r-3'", 99, "rows of requests.request"),
    ("requests", "idx", "key = 'r-3'", 0, "rows of requests.request"),
    ("requests", "idx", "key = 'r-3'", 12, "rows of requests.idx"),
    ("publication", "durable_size", "id = 1", 0, "rows of publication.durable_size"),
    ("publication", "durable_size", "id = 1", 12, "rows of publication.durable_size"),
    ("publication", "checkpoint", "id = 1", 200, "rows of publication.checkpoint"),
];

/// Columns that nothing can be compared with.
const UNTOLD: &[(&str, &str, &str)] = &[
    ("head", "epoch", "a counter: it only has to rise"),
    ("requests", "key", "the client's own word: a changed one is a request that nobody made"),
    ("publication", "id", "without the row a start checks all files"),
    ("halt", "id", "without the row the halt is not put on record"),
    ("halt", "cause", "one of two words, seen by nobody else"),
    ("halt", "observed_at", "a clock's reading, seen by nobody else"),
];

/// Tables whose rows only the vault can judge.
const SEALED: &[&str] = &["sealed_events", "sealed_values", "sealed_requests", "periods", "erasures", "inventories"];

/// Their columns, a row, and a bit; the audit with the vault finds it.
const FOUND_WITH_VAULT: &[(&str, &str, &str, usize)] = &[
    ("sealed_events", "seq", "seq = 1", 12),
    ("sealed_events", "commitment", "seq = 1", 77),
    ("sealed_events", "tag", "seq = 1", 17),
    ("sealed_events", "tier", "seq = 1", 0),
    ("sealed_events", "as_of", "seq = 1", 12),
    ("sealed_events", "received_at", "seq = 1", 40),
    ("sealed_events", "nonce", "seq = 1", 17),
    ("sealed_events", "note", "seq = 1", 177),
    ("sealed_events", "commitments", "seq = 1", 177),
    ("sealed_events", "period", "seq = 1", 12),
    ("sealed_events", "leaf", "seq = 1", 3),
    ("sealed_events", "path", "seq = 1", 177),
    ("sealed_values", "event", "event = (SELECT min(event) FROM sealed_values WHERE event >= 0) AND ordinal < 16", 12),
    ("sealed_values", "ordinal", "event = (SELECT min(event) FROM sealed_values WHERE event >= 0) AND ordinal < 16", 2),
    ("sealed_values", "line", "line IS NOT NULL", 0),
    ("sealed_values", "tier", "line IS NOT NULL", 0),
    ("sealed_values", "commitment", "line IS NOT NULL", 77),
    ("sealed_values", "nonce", "line IS NOT NULL", 17),
    ("sealed_values", "bytes", "line IS NOT NULL", 77),
    ("periods", "idx", "idx = (SELECT min(idx) FROM periods)", 12),
    ("periods", "nonce", "idx = (SELECT min(idx) FROM periods)", 17),
    ("inventories", "event", "event = (SELECT min(event) FROM sealed_values WHERE event >= 0)", 12),
    ("inventories", "slots", "event = (SELECT min(event) FROM sealed_values WHERE event >= 0)", 3),
    ("inventories", "mac", "event = (SELECT min(event) FROM sealed_values WHERE event >= 0)", 3),
];

/// Columns of theirs that have tests of their own, or that nothing can be compared with.
const UNTOLD_WITH_VAULT: &[(&str, &str, &str)] = &[
    (
        "sealed_events",
        "deadline",
        "the promise that says it is with whoever handed it in; a later one is told by that alone",
    ),
    ("sealed_events", "envelope", "an_envelope_that_was_changed_or_taken_away_is_found"),
    ("sealed_events", "status", "the hash of a code that only its holder has: a changed one opens to nobody"),
    ("sealed_requests", "key", "the client's own word"),
    ("sealed_requests", "request", "the note is sealed: a changed one is a conflict for whoever asks again"),
    ("sealed_requests", "seq", "as above"),
    ("erasures", "tag", "an_erasure_without_an_order_is_found_whatever_the_table_says"),
    ("erasures", "destroyed", "an_order_of_erasure_that_was_not_carried_out_is_found"),
];

/// What the audit with the vault says of a database; `None` when it is whole.
async fn said_with_vault(layout: &Layout, now: DateTime<Utc>) -> Option<String> {
    let vault = Vault::open_read_only(layout, ORIGIN, vec![master()], vault_entropy(9)).await.unwrap();
    let store = ReadStore::open(layout).await.unwrap();
    let audited = sealed_audit::run(&store, &vault, now, &|_, _| ()).await;
    vault.close().await.unwrap();
    store.close().await;
    match audited {
        Ok(report) if report.findings.is_empty() => None,
        Ok(report) => Some(format!("{:?}", report.findings)),
        Err(error) => Some(error.to_string()),
    }
}

async fn columns(connection: &mut SqliteConnection) -> BTreeSet<(String, String)> {
    let text = "SELECT t.name, c.name FROM pragma_table_list t, pragma_table_info(t.name) c \
                WHERE t.schema = 'main' AND t.type = 'table' AND t.name NOT LIKE 'sqlite_%'";
    let rows = sqlx::query(text).fetch_all(connection).await.unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

/// Flips one bit of a number, or of the bytes of a text or blob.
async fn flip(layout: &Layout, table: &str, column: &str, row: &str, bit: usize) {
    let mut connection = operator(layout).await;
    let free = "PRAGMA ignore_check_constraints = ON; DROP TRIGGER entries_are_never_changed; \
                DROP TRIGGER entries_are_never_deleted; DROP TRIGGER head_never_goes_back; \
                DROP TRIGGER sealed_events_are_never_changed; DROP TRIGGER inventories_are_never_changed;";
    sqlx::raw_sql(free).execute(&mut connection).await.unwrap();
    let kind = AssertSqlSafe(format!("SELECT typeof({column}) FROM {table} WHERE {row} LIMIT 1"));
    let kind: String = sqlx::query_scalar(kind).fetch_one(&mut connection).await.unwrap();
    let changed = if kind == "integer" {
        let sql =
            format!("UPDATE {table} SET {column} = ({column} | {0}) - ({column} & {0}) WHERE {row}", 1_i64 << bit);
        sqlx::query(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap()
    } else {
        let bytes = AssertSqlSafe(format!("SELECT CAST({column} AS BLOB) FROM {table} WHERE {row} LIMIT 1"));
        let mut bytes: Vec<u8> = sqlx::query_scalar(bytes).fetch_one(&mut connection).await.unwrap();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let sql = AssertSqlSafe(format!("UPDATE {table} SET {column} = CAST(? AS {kind}) WHERE {row}"));
        sqlx::query(sql).bind(bytes).execute(&mut connection).await.unwrap()
    };
    assert_eq!(changed.rows_affected(), 1, "{table}.{column}");
    connection.close().await.unwrap();
}

/// What `verify` says of a database; `None` when it is whole.
async fn said(layout: &Layout) -> Option<String> {
    let fetch = crate::DatabaseFetch::open(layout, &ledger_keys().log).await;
    if let Err(error) = fetch.map(drop) {
        return Some(format!("{error:?}"));
    }
    match fsck_database(layout).await {
        Err(FsckError::Finding(finding)) => return Some(format!("{finding:?}")),
        Err(error) => return Some(format!("{error:?}")),
        Ok(_) => {}
    }
    check_rows(layout, &(&ledger_keys().log.verifier()).into()).await.unwrap().map(|finding| format!("{finding:?}"))
}

#[tokio::test]
async fn one_flipped_bit_in_any_column_is_found_and_named() {
    let mut fixture = Fixture::new().await;
    fixture.publisher("丙", COUNTY).await;
    let pledges = fixture.pledges(300, "丙", COUNTY).into_iter().enumerate();
    let keyed = pledges.map(|(number, pledge)| (Some(format!("r-{number}")), pledge)).collect();
    assert!(fixture.ledger.submit_many(keyed).await.iter().all(Result::is_ok));
    with_files(&mut fixture, "2026-02", b"own", b"shared").await;
    verifies(&fixture).await;
    let layout = fixture.layout();
    fixture.ledger.shutdown().await;
    let pristine = fs::read(layout.database()).unwrap();
    assert_eq!(said(&layout).await, None);

    let told = FOUND.iter().map(|(table, column, ..)| (*table, *column));
    let untold = UNTOLD.iter().map(|(table, column, _)| (*table, *column));
    let listed: BTreeSet<(String, String)> =
        told.chain(untold).map(|(table, column)| (table.to_owned(), column.to_owned())).collect();
    let mut there = columns(&mut operator(&layout).await).await;
    there.retain(|(table, _)| !SEALED.contains(&table.as_str()));
    assert_eq!(listed, there, "every column of the public tables is in one of the two lists");

    for (table, column, row, bit, words) in FOUND {
        restore(&layout, &pristine);
        flip(&layout, table, column, row, *bit).await;
        let found = said(&layout).await;
        assert!(found.as_ref().is_some_and(|found| found.contains(words)), "{table}.{column}, bit {bit}: {found:?}");
    }
    restore(&layout, &pristine);
    assert_eq!(said(&layout).await, None);
}

#[tokio::test]
async fn one_flipped_bit_in_any_sealed_column_is_found_with_the_vault() {
    let fixture = busy().await;
    let (layout, now) = (fixture.layout(), fixture.clock.now());
    fixture.ledger.shutdown().await;
    let pristine = fs::read(layout.database()).unwrap();
    assert_eq!(said_with_vault(&layout, now).await, None);

    let told = FOUND_WITH_VAULT.iter().map(|(table, column, ..)| (*table, *column));
    let untold = UNTOLD_WITH_VAULT.iter().map(|(table, column, _)| (*table, *column));
    let listed: BTreeSet<(String, String)> =
        told.chain(untold).map(|(table, column)| (table.to_owned(), column.to_owned())).collect();
    let mut there = columns(&mut operator(&layout).await).await;
    there.retain(|(table, _)| SEALED.contains(&table.as_str()));
    assert_eq!(listed, there, "every column of the sealed tables is in one of the two lists");

    let mut missed = Vec::new();
    for (table, column, row, bit) in FOUND_WITH_VAULT {
        restore(&layout, &pristine);
        flip(&layout, table, column, row, *bit).await;
        if said_with_vault(&layout, now).await.is_none() {
            missed.push(format!("{table}.{column}"));
        }
    }
    assert_eq!(missed, Vec::<String>::new());
}
