//! The tables of sealed values, sealed events and periods in SQLite: what of the ledger's database is
//! ciphertext. Every statement about them is here; the transaction that they are part of is in `sqlite`.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use gongkai_domain::vault::NONCE_BYTES;
use gongkai_log::{Digest, SLOTS, sealed::PERIOD_DEPTH};
use sqlx::{Row as _, SqliteConnection, sqlite::SqliteRow};

use crate::{
    error::StoreError,
    event_store::{Erased, Inventory, NewSealed, Period, RawSealed, SealedValue, Waiting},
    sqlite::{Script, bind, json_text, sql},
    vault::{Tag, tier_number, tier_of},
};

const COLUMNS: &str = "seq, commitment, tag, tier, as_of, received_at, deadline, nonce, note, envelope, commitments, \
                       status";
const SET_PERIOD: &str = "UPDATE sealed_events SET period = ?, leaf = ?, path = ? WHERE seq = ?";
const ERASE_NOTES: &str = "UPDATE sealed_events SET nonce = NULL, note = NULL, envelope = NULL WHERE tag = ?";
const ERASE_VALUES: &str =
    "DELETE FROM sealed_values WHERE event IN (SELECT -1 - seq FROM sealed_events WHERE tag = ?)";
const ERASE_VALUES_OF_ENTRIES: &str =
    "DELETE FROM sealed_values WHERE event >= 0 AND event IN (SELECT value FROM json_each(?))";
const RECORD_ERASURE: &str = "INSERT INTO erasures (tag, destroyed) VALUES (?, 0) \
                              ON CONFLICT (tag) DO UPDATE SET destroyed = 0";
const FINISH_ERASURE: &str = "UPDATE erasures SET destroyed = 1 WHERE tag = ?";
const UNFINISHED_ERASURES: &str = "SELECT tag FROM erasures WHERE destroyed = 0";
const ERASED: &str = "SELECT tag FROM erasures";
const IS_ERASED: &str = "SELECT 1 FROM erasures WHERE tag = ?";
const COUNT: &str = "SELECT COALESCE(MAX(seq) + 1, 0) FROM sealed_events";
const WAITING: &str = "SELECT seq, commitment FROM sealed_events WHERE period IS NULL ORDER BY seq LIMIT ?";
const BY_TAG: &str = "SELECT seq, commitment, tag, tier, as_of, received_at, deadline, nonce, note, envelope, \
                      commitments, period, leaf, path FROM sealed_events \
                      WHERE tag IN (SELECT unhex(value) FROM json_each(?)) ORDER BY seq";
const RANGE: &str = "SELECT seq, commitment, tag, tier, as_of, received_at, deadline, nonce, note, envelope, \
                     commitments, period, leaf, path FROM sealed_events WHERE seq >= ? AND seq < ? ORDER BY seq";
const BY_STATUS: &str = "SELECT seq FROM sealed_events WHERE status = ?";
const BY_COMMITMENT: &str = "SELECT seq FROM sealed_events WHERE commitment = ?";
const VALUES: &str = "SELECT event, ordinal, line, tier, commitment, nonce, bytes FROM sealed_values \
                      WHERE event IN (SELECT value FROM json_each(?)) ORDER BY event, ordinal";
const VALUED_ENTRIES: &str = "SELECT DISTINCT event FROM sealed_values WHERE event >= ? AND event < ? ORDER BY event";
const AFTER: &str = "SELECT seq, commitment, tag, tier, as_of, received_at, deadline, nonce, note, envelope, \
                     commitments, period, leaf, path FROM sealed_events WHERE seq >= ? ORDER BY seq LIMIT ?";
const BEFORE: &str = "SELECT seq, commitment, tag, tier, as_of, received_at, deadline, nonce, note, envelope, \
                      commitments, period, leaf, path FROM sealed_events \
                      WHERE tag IN (SELECT unhex(value) FROM json_each(?)) AND seq < ? ORDER BY seq";
const PLACES: &str = "SELECT seq, commitment, deadline, period, leaf, path FROM sealed_events \
                      WHERE seq >= ? ORDER BY seq LIMIT ?";
const VALUES_BETWEEN: &str = "SELECT event, ordinal, line, tier, commitment, nonce, bytes FROM sealed_values \
                              WHERE event >= ? AND event < ? ORDER BY event, ordinal";
const INVENTORIES: &str = "SELECT event, slots, mac FROM inventories WHERE event >= ? AND event < ?";
const STRAYS: &str = "SELECT event, ordinal FROM sealed_values AS stray \
                      WHERE (event >= 0 AND NOT EXISTS (SELECT 1 FROM entries WHERE idx = stray.event)) \
                      OR (event < 0 AND NOT EXISTS (SELECT 1 FROM sealed_events WHERE seq = -1 - stray.event)) LIMIT ?";
const ERASURES: &str = "SELECT tag, destroyed FROM erasures";
const FIRST_OF_TAG: &str = "SELECT min(seq) FROM sealed_events WHERE tag = ?";
const NOTES_LEFT: &str = "SELECT count(*) FROM sealed_events WHERE tag = ? AND as_of <= ? AND note IS NOT NULL";
const VALUES_LEFT: &str = "SELECT count(*) FROM sealed_values \
                           WHERE event IN (SELECT idx FROM entries WHERE stream = ? AND idx < ?)";
const COUNTS: &str =
    "SELECT (SELECT count(*) FROM sealed_events), (SELECT count(*) FROM sealed_values WHERE event >= 0)";
const OVERDUE: &str = "SELECT count(*), min(deadline) FROM sealed_events WHERE period IS NULL AND deadline < ?";
const LAST_PERIOD: &str = "SELECT max(idx) FROM periods";
const PERIODS: &str = "SELECT idx, nonce FROM periods WHERE idx >= ? AND idx < ? ORDER BY idx";

/// Most events that one period takes in: its tree has no more leaves. The rest goes to the next.
pub(crate) const WAITING_MAX: i64 = 1 << PERIOD_DEPTH;

/// A sealed event as `sealed_values` names it.
fn event_of(seq: u64) -> i64 {
    -1 - seq.cast_signed()
}

/// Adds the rows of sealed events, and what is sealed of them.
pub(crate) fn insert_events(script: &mut Script, events: Vec<NewSealed>) {
    if events.is_empty() {
        return;
    }
    let (mut rows, mut values, mut requests) = (Vec::with_capacity(events.len()), Vec::new(), Vec::new());
    let mut inventories = Vec::with_capacity(events.len());
    for mut event in events {
        let owner = event_of(event.seq);
        values.extend(std::mem::take(&mut event.values).into_iter().map(|value| (owner, value)));
        inventories.push((owner, event.inventory));
        requests.extend(event.request.take().map(|(key, request)| (key, request, event.seq.cast_signed())));
        rows.push(event);
    }
    // Rows of a table that is sorted by its keys go in faster sorted.
    values.sort_unstable_by_key(|(owner, value)| (*owner, value.ordinal));
    requests.sort_unstable();
    script.insert(&format!("sealed_events ({COLUMNS})"), 12, rows, |arguments, event| {
        bind(arguments, event.seq.cast_signed());
        bind(arguments, event.commitment.as_bytes().to_vec());
        bind(arguments, event.tag.to_vec());
        bind(arguments, tier_number(event.tier));
        bind(arguments, event.as_of.cast_signed());
        bind(arguments, event.received_at.timestamp_micros());
        bind(arguments, event.deadline.timestamp_micros());
        bind(arguments, event.nonce.to_vec());
        bind(arguments, event.note);
        bind(arguments, event.envelope);
        bind(arguments, event.commitments.iter().flat_map(|c| *c.as_bytes()).collect::<Vec<u8>>());
        bind(arguments, event.status.map(|status| status.as_bytes().to_vec()));
    });
    insert_values(script, values);
    inventories.sort_unstable_by_key(|(owner, _)| *owner);
    insert_inventories(script, inventories);
    script.insert("sealed_requests (key, request, seq)", 3, requests, |arguments, (key, request, seq)| {
        bind(arguments, key);
        bind(arguments, request.as_bytes().to_vec());
        bind(arguments, seq);
    });
}

/// Adds what is sealed; the owner is an entry's index or a sealed event's number as [`event_of`] writes it.
pub(crate) fn insert_values(script: &mut Script, values: Vec<(i64, SealedValue)>) {
    let into = "sealed_values (event, ordinal, line, tier, commitment, nonce, bytes)";
    script.insert(into, 7, values, |arguments, (owner, value)| {
        bind(arguments, owner);
        bind(arguments, value.ordinal.cast_signed());
        bind(arguments, value.line.map(u64::cast_signed));
        bind(arguments, tier_number(value.tier));
        bind(arguments, value.commitment.as_bytes().to_vec());
        bind(arguments, value.nonce.to_vec());
        bind(arguments, value.bytes);
    });
}

/// Adds what the vault says was sealed; owners as in [`insert_values`].
pub(crate) fn insert_inventories(script: &mut Script, inventories: Vec<(i64, Inventory)>) {
    script.insert("inventories (event, slots, mac)", 3, inventories, |arguments, (owner, inventory)| {
        bind(arguments, owner);
        bind(arguments, i64::from(inventory.slots));
        bind(arguments, inventory.mac.to_vec());
    });
}

/// Adds a period, and gives its events their places.
pub(crate) fn insert_period(script: &mut Script, index: u64, period: Period) {
    script.insert("periods (idx, nonce)", 2, vec![period.nonce], |arguments, nonce| {
        bind(arguments, index.cast_signed());
        bind(arguments, nonce.to_vec());
    });
    for leaf in period.leaves {
        let arguments = script.then(SET_PERIOD);
        bind(arguments, index.cast_signed());
        bind(arguments, leaf.leaf.cast_signed());
        bind(arguments, leaf.path.iter().flat_map(|hash| *hash.as_bytes()).collect::<Vec<u8>>());
        bind(arguments, leaf.seq.cast_signed());
    }
}

/// Takes the ciphertext of a subject away.
pub(crate) fn erase(script: &mut Script, erased: &Erased) {
    for statement in [ERASE_VALUES, ERASE_NOTES, RECORD_ERASURE] {
        bind(script.then(statement), erased.tag.to_vec());
    }
    if !erased.entries.is_empty() {
        bind(script.then(ERASE_VALUES_OF_ENTRIES), json_text(&erased.entries));
    }
}

fn bytes<const N: usize>(row: &SqliteRow, column: usize, seq: i64, field: &'static str) -> Result<[u8; N], StoreError> {
    <[u8; N]>::try_from(row.get::<&[u8], _>(column))
        .map_err(|_| StoreError::row(seq.unsigned_abs(), field, format!("not {N} bytes")))
}

fn time(row: &SqliteRow, column: usize, seq: i64) -> Result<DateTime<Utc>, StoreError> {
    DateTime::from_timestamp_micros(row.get(column))
        .ok_or_else(|| StoreError::row(seq.unsigned_abs(), "sealed_events", "a time is out of range"))
}

fn digests<const N: usize>(bytes: &[u8]) -> Option<[Digest; N]> {
    let (chunks, rest) = bytes.as_chunks::<32>();
    let digests: Vec<Digest> = chunks.iter().map(|chunk| Digest::from_bytes(*chunk)).collect();
    if rest.is_empty() { digests.try_into().ok() } else { None }
}

fn sealed_event(row: &SqliteRow) -> Result<RawSealed, StoreError> {
    let seq: i64 = row.get(0);
    let bad = |what: &str| StoreError::row(seq.unsigned_abs(), "sealed_events", what);
    let nonce: Option<&[u8]> = row.get(7);
    let note = match nonce {
        Some(_) => Some((bytes::<NONCE_BYTES>(row, 7, seq, "sealed_events")?, row.get::<Vec<u8>, _>(8))),
        None => None,
    };
    let period = match row.get::<Option<i64>, _>(11) {
        Some(index) => {
            let path = digests::<{ PERIOD_DEPTH as usize }>(row.get(13)).ok_or_else(|| bad("the path"))?;
            Some((index.cast_unsigned(), row.get::<i64, _>(12).cast_unsigned(), path.to_vec()))
        }
        None => None,
    };
    Ok(RawSealed {
        seq: seq.cast_unsigned(),
        commitment: Digest::from_bytes(bytes(row, 1, seq, "sealed_events")?),
        tag: bytes(row, 2, seq, "sealed_events")?,
        tier: tier_of(row.get(3)).ok_or_else(|| bad("there is no such tier"))?,
        as_of: row.get::<i64, _>(4).cast_unsigned(),
        received_at: time(row, 5, seq)?,
        deadline: time(row, 6, seq)?,
        note,
        envelope: row.get(9),
        commitments: digests::<SLOTS>(row.get(10)).ok_or_else(|| bad("the commitments"))?,
        period,
        values: Vec::new(),
    })
}

fn sealed_value(row: &SqliteRow) -> Result<(i64, SealedValue), StoreError> {
    let owner: i64 = row.get(0);
    let bad = || StoreError::row(owner.unsigned_abs(), "sealed_values", "there is no such tier");
    let value = SealedValue {
        ordinal: row.get::<i64, _>(1).cast_unsigned(),
        line: row.get::<Option<i64>, _>(2).map(i64::cast_unsigned),
        tier: tier_of(row.get(3)).ok_or_else(bad)?,
        commitment: Digest::from_bytes(bytes(row, 4, owner, "sealed_values")?),
        nonce: bytes(row, 5, owner, "sealed_values")?,
        bytes: row.get(6),
    };
    Ok((owner, value))
}

async fn load_values(connection: &mut SqliteConnection, owners: &[i64]) -> Result<Vec<(i64, SealedValue)>, StoreError> {
    if owners.is_empty() {
        return Ok(Vec::new());
    }
    let query = sqlx::query(VALUES).bind(json_text(owners));
    let rows = query.fetch_all(connection).await.map_err(sql("reading sealed values"))?;
    rows.iter().map(sealed_value).collect()
}

/// Puts the values to their events.
async fn with_values(connection: &mut SqliteConnection, rows: &[SqliteRow]) -> Result<Vec<RawSealed>, StoreError> {
    let mut events = rows.iter().map(sealed_event).collect::<Result<Vec<_>, _>>()?;
    let owners: Vec<i64> = events.iter().map(|event| event_of(event.seq)).collect();
    for (owner, value) in load_values(connection, &owners).await? {
        let seq = (-1 - owner).cast_unsigned();
        if let Ok(place) = events.binary_search_by_key(&seq, |event| event.seq) {
            events[place].values.push(value);
        }
    }
    Ok(events)
}

/// How many sealed events there are, and those that no period holds.
pub(crate) async fn load_waiting(connection: &mut SqliteConnection) -> Result<(u64, Vec<Waiting>), StoreError> {
    let count: i64 =
        sqlx::query_scalar(COUNT).fetch_one(&mut *connection).await.map_err(sql("counting sealed events"))?;
    let rows = sqlx::query(WAITING).bind(WAITING_MAX).fetch_all(connection).await;
    let rows = rows.map_err(sql("reading sealed events"))?;
    let waiting = rows.iter().map(|row| {
        let seq: i64 = row.get(0);
        let commitment = Digest::from_bytes(bytes(row, 1, seq, "sealed_events")?);
        Ok(Waiting { seq: seq.cast_unsigned(), commitment })
    });
    Ok((count.cast_unsigned(), waiting.collect::<Result<_, StoreError>>()?))
}

/// The sealed events of these streams, in the order of receipt.
pub(crate) async fn load_by_tag(connection: &mut SqliteConnection, tags: &[Tag]) -> Result<Vec<RawSealed>, StoreError> {
    let tags: Vec<String> = tags.iter().map(|tag| tag.to_hex()).collect();
    let rows = sqlx::query(BY_TAG).bind(json_text(&tags)).fetch_all(&mut *connection).await;
    with_values(connection, &rows.map_err(sql("reading sealed streams"))?).await
}

/// Sealed events from `from` to `to`, exclusive, in the order of receipt.
pub(crate) async fn load_events(
    connection: &mut SqliteConnection,
    from: u64,
    to: u64,
) -> Result<Vec<RawSealed>, StoreError> {
    let rows = sqlx::query(RANGE).bind(from.cast_signed()).bind(to.cast_signed()).fetch_all(&mut *connection).await;
    with_values(connection, &rows.map_err(sql("reading sealed events"))?).await
}

/// Number of the event that a hashed status code belongs to.
pub(crate) async fn find_by_status(
    connection: &mut SqliteConnection,
    status: &Digest,
) -> Result<Option<u64>, StoreError> {
    find(connection, BY_STATUS, status).await
}

/// Number of the event with a commitment.
pub(crate) async fn find_by_commitment(
    connection: &mut SqliteConnection,
    commitment: &Digest,
) -> Result<Option<u64>, StoreError> {
    find(connection, BY_COMMITMENT, commitment).await
}

async fn find(
    connection: &mut SqliteConnection,
    statement: &'static str,
    digest: &Digest,
) -> Result<Option<u64>, StoreError> {
    let query = sqlx::query_scalar::<_, i64>(statement).bind(digest.as_bytes().to_vec());
    let found = query.fetch_optional(connection).await.map_err(sql("finding a sealed event"))?;
    Ok(found.map(i64::cast_unsigned))
}

/// Erasures whose keys are not known to be destroyed.
pub(crate) async fn load_unfinished_erasures(connection: &mut SqliteConnection) -> Result<Vec<Erased>, StoreError> {
    let rows = sqlx::query(UNFINISHED_ERASURES).fetch_all(connection).await.map_err(sql("reading erasures"))?;
    rows.iter().map(|row| Ok(Erased { tag: bytes(row, 0, 0, "erasures")?, entries: Vec::new() })).collect()
}

/// Remembers that the keys of a subject are destroyed.
pub(crate) async fn finish_erasure(connection: &mut SqliteConnection, tag: [u8; 16]) -> Result<(), StoreError> {
    let query = sqlx::query(FINISH_ERASURE).bind(tag.to_vec());
    query.execute(connection).await.map(drop).map_err(sql("recording an erasure"))
}

/// All subjects whose erasure is on record.
pub(crate) async fn load_erased(connection: &mut SqliteConnection) -> Result<Vec<[u8; 16]>, StoreError> {
    let rows = sqlx::query(ERASED).fetch_all(connection).await.map_err(sql("reading erasures"))?;
    rows.iter().map(|row| bytes(row, 0, 0, "erasures")).collect()
}

/// Whether an erasure of a subject is on record.
pub(crate) async fn is_erased(connection: &mut SqliteConnection, tag: [u8; 16]) -> Result<bool, StoreError> {
    let found = sqlx::query(IS_ERASED).bind(tag.to_vec()).fetch_optional(connection).await;
    found.map(|row| row.is_some()).map_err(sql("reading erasures"))
}

/// What is sealed of an entry.
pub(crate) async fn load_values_of(
    connection: &mut SqliteConnection,
    index: u64,
) -> Result<Vec<SealedValue>, StoreError> {
    let values = load_values(connection, &[index.cast_signed()]).await?;
    Ok(values.into_iter().map(|(_, value)| value).collect())
}

/// Entries from `from` to `to`, exclusive, of which something is sealed.
pub(crate) async fn load_valued_entries(
    connection: &mut SqliteConnection,
    from: u64,
    to: u64,
) -> Result<Vec<u64>, StoreError> {
    let query = sqlx::query_scalar::<_, i64>(VALUED_ENTRIES).bind(from.cast_signed()).bind(to.cast_signed());
    let found = query.fetch_all(connection).await.map_err(sql("finding sealed values"))?;
    Ok(found.into_iter().map(i64::cast_unsigned).collect())
}

/// Entries of periods from `from` to `to`, exclusive, with what gives their decoys.
pub(crate) async fn load_periods(
    connection: &mut SqliteConnection,
    from: u64,
    to: u64,
) -> Result<Vec<(u64, [u8; 32])>, StoreError> {
    let query = sqlx::query(PERIODS).bind(from.cast_signed()).bind(to.cast_signed());
    let rows = query.fetch_all(connection).await.map_err(sql("reading periods"))?;
    rows.iter().map(|row| Ok((row.get::<i64, _>(0).cast_unsigned(), bytes(row, 1, row.get(0), "periods")?))).collect()
}

/// At most `limit` sealed events from number `from`, in the order of receipt; empty only at the end.
pub(crate) async fn load_events_after(
    connection: &mut SqliteConnection,
    from: u64,
    limit: u64,
) -> Result<Vec<RawSealed>, StoreError> {
    let rows = sqlx::query(AFTER).bind(from.cast_signed()).bind(limit.cast_signed()).fetch_all(&mut *connection).await;
    with_values(connection, &rows.map_err(sql("reading sealed events"))?).await
}

/// The events of these streams before number `before`, in the order of receipt.
pub(crate) async fn load_by_tag_before(
    connection: &mut SqliteConnection,
    tags: &[Tag],
    before: u64,
) -> Result<Vec<RawSealed>, StoreError> {
    let tags: Vec<String> = tags.iter().map(|tag| tag.to_hex()).collect();
    let query = sqlx::query(BEFORE).bind(json_text(&tags)).bind(before.cast_signed());
    let rows = query.fetch_all(&mut *connection).await.map_err(sql("reading sealed streams"))?;
    with_values(connection, &rows).await
}

/// Where a sealed event is, without its content.
#[derive(Clone, Debug)]
pub(crate) struct Placed {
    pub seq: u64,
    pub commitment: Digest,
    pub deadline: DateTime<Utc>,
    pub period: Option<(u64, u64, Vec<Digest>)>,
}

/// At most `limit` places of sealed events from number `from`, in the order of receipt.
pub(crate) async fn load_places(
    connection: &mut SqliteConnection,
    from: u64,
    limit: u64,
) -> Result<Vec<Placed>, StoreError> {
    let query = sqlx::query(PLACES).bind(from.cast_signed()).bind(limit.cast_signed());
    let rows = query.fetch_all(connection).await.map_err(sql("reading sealed events"))?;
    let placed = rows.iter().map(|row| {
        let seq: i64 = row.get(0);
        let path = |bytes: &[u8]| digests::<{ PERIOD_DEPTH as usize }>(bytes).map(|path| path.to_vec());
        let bad = || StoreError::row(seq.unsigned_abs(), "sealed_events", "the path");
        let period = row.get::<Option<i64>, _>(3).map(|index| {
            let path = path(row.get(5)).ok_or_else(bad)?;
            Ok::<_, StoreError>((index.cast_unsigned(), row.get::<i64, _>(4).cast_unsigned(), path))
        });
        Ok(Placed {
            seq: seq.cast_unsigned(),
            commitment: Digest::from_bytes(bytes(row, 1, seq, "sealed_events")?),
            deadline: time(row, 2, seq)?,
            period: period.transpose()?,
        })
    });
    placed.collect()
}

/// What is sealed of the entries from `from` to `to`, exclusive, in their order.
pub(crate) async fn load_values_between(
    connection: &mut SqliteConnection,
    from: u64,
    to: u64,
) -> Result<Vec<(u64, SealedValue)>, StoreError> {
    let query = sqlx::query(VALUES_BETWEEN).bind(from.cast_signed()).bind(to.cast_signed());
    let rows = query.fetch_all(connection).await.map_err(sql("reading sealed values"))?;
    rows.iter().map(|row| sealed_value(row).map(|(owner, value)| (owner.cast_unsigned(), value))).collect()
}

/// The inventories of the entries from `from` to `to`, exclusive, by index.
pub(crate) async fn load_inventories(
    connection: &mut SqliteConnection,
    from: u64,
    to: u64,
) -> Result<BTreeMap<u64, Inventory>, StoreError> {
    let found = inventories(connection, from.cast_signed(), to.cast_signed()).await?;
    Ok(found.into_iter().map(|(owner, inventory)| (owner.cast_unsigned(), inventory)).collect())
}

/// The inventories of the sealed events from number `from` to `to`, exclusive, by number.
pub(crate) async fn load_event_inventories(
    connection: &mut SqliteConnection,
    from: u64,
    to: u64,
) -> Result<BTreeMap<u64, Inventory>, StoreError> {
    let found = inventories(connection, event_of(to) + 1, event_of(from) + 1).await?;
    Ok(found.into_iter().map(|(owner, inventory)| ((-1 - owner).cast_unsigned(), inventory)).collect())
}

async fn inventories(
    connection: &mut SqliteConnection,
    from: i64,
    to: i64,
) -> Result<Vec<(i64, Inventory)>, StoreError> {
    let rows = sqlx::query(INVENTORIES).bind(from).bind(to).fetch_all(connection).await;
    let inventory = |row: &SqliteRow| {
        let slots = u16::try_from(row.get::<i64, _>(1)).map_err(|_| StoreError::row(0, "inventories", "slots"))?;
        Ok((row.get(0), Inventory { slots, mac: bytes(row, 2, 0, "inventories")? }))
    };
    rows.map_err(sql("reading inventories"))?.iter().map(inventory).collect()
}

/// Sealed values whose entry or sealed event is not there: index or number, and slot.
pub(crate) async fn load_strays(
    connection: &mut SqliteConnection,
    limit: u64,
) -> Result<Vec<(Result<u64, u64>, u64)>, StoreError> {
    let rows = sqlx::query(STRAYS).bind(limit.cast_signed()).fetch_all(connection).await;
    let stray = |row: &SqliteRow| {
        let owner: i64 = row.get(0);
        let place = if owner >= 0 { Ok(owner.cast_unsigned()) } else { Err((-1 - owner).cast_unsigned()) };
        (place, row.get::<i64, _>(1).cast_unsigned())
    };
    Ok(rows.map_err(sql("finding sealed values"))?.iter().map(stray).collect())
}

/// All subjects whose erasure the table knows, and whether their keys are destroyed.
pub(crate) async fn load_erasures(connection: &mut SqliteConnection) -> Result<Vec<(Tag, bool)>, StoreError> {
    let rows = sqlx::query(ERASURES).fetch_all(connection).await.map_err(sql("reading erasures"))?;
    rows.iter().map(|row| Ok((Tag(bytes(row, 0, 0, "erasures")?), row.get::<i64, _>(1) != 0))).collect()
}

/// Number of a subject's first sealed event.
pub(crate) async fn first_of_tag(connection: &mut SqliteConnection, tag: Tag) -> Result<Option<u64>, StoreError> {
    let query = sqlx::query_scalar::<_, Option<i64>>(FIRST_OF_TAG).bind(tag.0.to_vec());
    let found = query.fetch_one(connection).await.map_err(sql("finding a sealed event"))?;
    Ok(found.map(i64::cast_unsigned))
}

/// How many rows an order of erasure at entry `index` has left: notes of the subject, values of the stream.
pub(crate) async fn count_left(
    connection: &mut SqliteConnection,
    tag: Tag,
    stream: Option<&str>,
    index: u64,
) -> Result<u64, StoreError> {
    let doing = "counting what is erased";
    let notes = sqlx::query_scalar::<_, i64>(NOTES_LEFT).bind(tag.0.to_vec()).bind(index.cast_signed());
    let notes = notes.fetch_one(&mut *connection).await.map_err(sql(doing))?;
    let Some(stream) = stream else { return Ok(notes.cast_unsigned()) };
    let values = sqlx::query_scalar::<_, i64>(VALUES_LEFT).bind(stream).bind(index.cast_signed());
    let values = values.fetch_one(connection).await.map_err(sql(doing))?;
    Ok((notes + values).cast_unsigned())
}

/// How many sealed events there are, and sealed values of entries.
pub(crate) async fn count(connection: &mut SqliteConnection) -> Result<(u64, u64), StoreError> {
    let row = sqlx::query(COUNTS).fetch_one(connection).await.map_err(sql("counting what is sealed"))?;
    Ok((row.get::<i64, _>(0).cast_unsigned(), row.get::<i64, _>(1).cast_unsigned()))
}

/// How many promises were due before a time and are in no period, and the first deadline.
pub(crate) async fn count_overdue(
    connection: &mut SqliteConnection,
    now: DateTime<Utc>,
) -> Result<(u64, Option<DateTime<Utc>>), StoreError> {
    let query = sqlx::query(OVERDUE).bind(now.timestamp_micros());
    let row = query.fetch_one(connection).await.map_err(sql("counting promises"))?;
    let first = row.get::<Option<i64>, _>(1).and_then(DateTime::from_timestamp_micros);
    Ok((row.get::<i64, _>(0).cast_unsigned(), first))
}

/// Entry of the last period.
pub(crate) async fn last_period(connection: &mut SqliteConnection) -> Result<Option<u64>, StoreError> {
    let query = sqlx::query_scalar::<_, Option<i64>>(LAST_PERIOD);
    let found = query.fetch_one(connection).await.map_err(sql("finding the last period"))?;
    Ok(found.map(i64::cast_unsigned))
}
