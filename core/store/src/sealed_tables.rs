//! Reading what is not public of a ledger's rows: sealed values, sealed events and periods. It is ciphertext.
//!
//! As in `tables`, every statement is understood by both databases or there are two texts of it. Appending is in
//! `row_store`; what opens the ciphertext is the vault's.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use gongkai_domain::vault::NONCE_BYTES;
use gongkai_log::{Digest, SLOTS, sealed::PERIOD_DEPTH};

use crate::{
    database::{Connection, Row, Sql, query},
    error::{StoreError, sql},
    event_store::{Erased, Inventory, RawSealed, SealedValue, Waiting},
    tables::between,
    vault::{Tag, tier_of},
};

const FINISH_ERASURE: &str = "UPDATE erasures SET destroyed = 1 WHERE tag = $1";
const UNFINISHED_ERASURES: &str = "SELECT tag FROM erasures WHERE destroyed = 0";
const ERASED: &str = "SELECT tag FROM erasures";
const IS_ERASED: &str = "SELECT 1 FROM erasures WHERE tag = $1";
const COUNT: &str = "SELECT COALESCE(MAX(seq) + 1, 0) FROM sealed_events";
const WAITING: &str = "SELECT seq, commitment FROM sealed_events WHERE period IS NULL ORDER BY seq LIMIT $1";
const BY_TAG: Sql = Sql::Each {
    sqlite: "SELECT seq, commitment, tag, tier, as_of, received_at, deadline, nonce, note, envelope, commitments, period, \
             leaf, path FROM sealed_events WHERE tag IN (SELECT unhex(value) FROM json_each($1)) ORDER BY seq",
    postgres: "SELECT seq, commitment, tag, tier, as_of, received_at, deadline, nonce, note, envelope, commitments, period, \
               leaf, path FROM sealed_events WHERE tag = ANY ($1) ORDER BY seq",
};
const RANGE: &str = "SELECT seq, commitment, tag, tier, as_of, received_at, deadline, nonce, note, envelope, \
                     commitments, period, leaf, path FROM sealed_events WHERE seq >= $1 AND seq < $2 ORDER BY seq";
const BY_STATUS: &str = "SELECT seq FROM sealed_events WHERE status = $1";
const BY_COMMITMENT: &str = "SELECT seq FROM sealed_events WHERE commitment = $1";
const VALUES: Sql = Sql::Each {
    sqlite: "SELECT event, ordinal, line, tier, commitment, nonce, bytes FROM sealed_values \
             WHERE event IN (SELECT value FROM json_each($1)) ORDER BY event, ordinal",
    postgres: "SELECT event, ordinal, line, tier, commitment, nonce, bytes FROM sealed_values \
               WHERE event = ANY ($1) ORDER BY event, ordinal",
};
const VALUED_ENTRIES: &str = "SELECT DISTINCT event FROM sealed_values WHERE event >= $1 AND event < $2 ORDER BY event";
const AFTER: &str = "SELECT seq, commitment, tag, tier, as_of, received_at, deadline, nonce, note, envelope, \
                     commitments, period, leaf, path FROM sealed_events WHERE seq >= $1 ORDER BY seq LIMIT $2";
const BEFORE: Sql = Sql::Each {
    sqlite: "SELECT seq, commitment, tag, tier, as_of, received_at, deadline, nonce, note, envelope, commitments, period, \
             leaf, path FROM sealed_events WHERE tag IN (SELECT unhex(value) FROM json_each($1)) AND seq < $2 \
             ORDER BY seq",
    postgres: "SELECT seq, commitment, tag, tier, as_of, received_at, deadline, nonce, note, envelope, commitments, period, \
               leaf, path FROM sealed_events WHERE tag = ANY ($1) AND seq < $2 ORDER BY seq",
};
const PLACES: &str = "SELECT seq, commitment, deadline, period, leaf, path FROM sealed_events \
                      WHERE seq >= $1 ORDER BY seq LIMIT $2";
const VALUES_BETWEEN: &str = "SELECT event, ordinal, line, tier, commitment, nonce, bytes FROM sealed_values \
                              WHERE event >= $1 AND event < $2 ORDER BY event, ordinal";
const INVENTORIES: &str = "SELECT event, slots, mac FROM inventories WHERE event >= $1 AND event < $2";
const STRAYS: &str = "SELECT event, ordinal FROM sealed_values AS stray \
                      WHERE (event >= 0 AND NOT EXISTS (SELECT 1 FROM entries WHERE idx = stray.event)) \
                      OR (event < 0 AND NOT EXISTS (SELECT 1 FROM sealed_events WHERE seq = -1 - stray.event)) LIMIT $1";
const ERASURES: &str = "SELECT tag, destroyed FROM erasures";
const FIRST_OF_TAG: &str = "SELECT min(seq) FROM sealed_events WHERE tag = $1";
const NOTES_LEFT: &str = "SELECT count(*) FROM sealed_events WHERE tag = $1 AND as_of <= $2 AND note IS NOT NULL";
const VALUES_LEFT: &str = "SELECT count(*) FROM sealed_values \
                           WHERE event IN (SELECT idx FROM entries WHERE stream = $1 AND idx < $2)";
const COUNTS: &str =
    "SELECT (SELECT count(*) FROM sealed_events), (SELECT count(*) FROM sealed_values WHERE event >= 0)";
const OVERDUE: &str = "SELECT count(*), min(deadline) FROM sealed_events WHERE period IS NULL AND deadline < $1";
const LAST_PERIOD: &str = "SELECT max(idx) FROM periods";
const PERIODS: &str = "SELECT idx, nonce FROM periods WHERE idx >= $1 AND idx < $2 ORDER BY idx";

/// Most events that one period takes in: its tree has no more leaves. The rest goes to the next.
pub(crate) const WAITING_MAX: i64 = 1 << PERIOD_DEPTH;

/// A sealed event as `sealed_values` names it.
pub(crate) fn event_of(seq: u64) -> i64 {
    -1 - seq.cast_signed()
}

fn bytes<const N: usize>(row: &Row, column: usize, seq: i64, field: &'static str) -> Result<[u8; N], StoreError> {
    <[u8; N]>::try_from(row.get::<&[u8]>(column))
        .map_err(|_| StoreError::row(seq.unsigned_abs(), field, format!("not {N} bytes")))
}

fn time(row: &Row, column: usize, seq: i64) -> Result<DateTime<Utc>, StoreError> {
    DateTime::from_timestamp_micros(row.get(column))
        .ok_or_else(|| StoreError::row(seq.unsigned_abs(), "sealed_events", "a time is out of range"))
}

fn digests<const N: usize>(bytes: &[u8]) -> Option<[Digest; N]> {
    let (chunks, rest) = bytes.as_chunks::<32>();
    let digests: Vec<Digest> = chunks.iter().map(|chunk| Digest::from_bytes(*chunk)).collect();
    if rest.is_empty() { digests.try_into().ok() } else { None }
}

fn sealed_event(row: &Row) -> Result<RawSealed, StoreError> {
    let seq: i64 = row.get(0);
    let bad = |what: &str| StoreError::row(seq.unsigned_abs(), "sealed_events", what);
    let nonce: Option<&[u8]> = row.get(7);
    let note = match nonce {
        Some(_) => Some((bytes::<NONCE_BYTES>(row, 7, seq, "sealed_events")?, row.get::<Vec<u8>>(8))),
        None => None,
    };
    let period = match row.get::<Option<i64>>(11) {
        Some(index) => {
            let path = digests::<{ PERIOD_DEPTH as usize }>(row.get(13)).ok_or_else(|| bad("the path"))?;
            Some((index.cast_unsigned(), row.get::<i64>(12).cast_unsigned(), path.to_vec()))
        }
        None => None,
    };
    Ok(RawSealed {
        seq: seq.cast_unsigned(),
        commitment: Digest::from_bytes(bytes(row, 1, seq, "sealed_events")?),
        tag: bytes(row, 2, seq, "sealed_events")?,
        tier: tier_of(row.get(3)).ok_or_else(|| bad("there is no such tier"))?,
        as_of: row.number(4),
        received_at: time(row, 5, seq)?,
        deadline: time(row, 6, seq)?,
        note,
        envelope: row.get(9),
        commitments: digests::<SLOTS>(row.get(10)).ok_or_else(|| bad("the commitments"))?,
        period,
        values: Vec::new(),
    })
}

fn sealed_value(row: &Row) -> Result<(i64, SealedValue), StoreError> {
    let owner: i64 = row.get(0);
    let bad = || StoreError::row(owner.unsigned_abs(), "sealed_values", "there is no such tier");
    let value = SealedValue {
        ordinal: row.number(1),
        line: row.get::<Option<i64>>(2).map(i64::cast_unsigned),
        tier: tier_of(row.get(3)).ok_or_else(bad)?,
        commitment: Digest::from_bytes(bytes(row, 4, owner, "sealed_values")?),
        nonce: bytes(row, 5, owner, "sealed_values")?,
        bytes: row.get(6),
    };
    Ok((owner, value))
}

async fn load_values(connection: &mut Connection, owners: &[i64]) -> Result<Vec<(i64, SealedValue)>, StoreError> {
    if owners.is_empty() {
        return Ok(Vec::new());
    }
    let query = query(VALUES).bind(owners.to_vec());
    let rows = query.fetch_all(connection).await.map_err(sql("reading sealed values"))?;
    rows.iter().map(sealed_value).collect()
}

/// Puts the values to their events.
async fn with_values(connection: &mut Connection, rows: &[Row]) -> Result<Vec<RawSealed>, StoreError> {
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

/// How many sealed events there are.
pub(crate) async fn count_events(connection: &mut Connection) -> Result<u64, StoreError> {
    Ok(query(COUNT).fetch_one(connection).await.map_err(sql("counting sealed events"))?.number(0))
}

/// The sealed events that no period holds.
pub(crate) async fn load_waiting(connection: &mut Connection) -> Result<Vec<Waiting>, StoreError> {
    let rows = query(WAITING).bind(WAITING_MAX).fetch_all(connection).await;
    let rows = rows.map_err(sql("reading sealed events"))?;
    let waiting = rows.iter().map(|row| {
        let seq: i64 = row.get(0);
        let commitment = Digest::from_bytes(bytes(row, 1, seq, "sealed_events")?);
        Ok(Waiting { seq: seq.cast_unsigned(), commitment })
    });
    waiting.collect()
}

/// The sealed events of these streams, in the order of receipt.
pub(crate) async fn load_by_tag(connection: &mut Connection, tags: &[Tag]) -> Result<Vec<RawSealed>, StoreError> {
    let tags: Vec<Vec<u8>> = tags.iter().map(|tag| tag.0.to_vec()).collect();
    let rows = query(BY_TAG).bind(tags).fetch_all(&mut *connection).await;
    with_values(connection, &rows.map_err(sql("reading sealed streams"))?).await
}

/// Sealed events from `from` to `to`, exclusive, in the order of receipt.
pub(crate) async fn load_events(connection: &mut Connection, from: u64, to: u64) -> Result<Vec<RawSealed>, StoreError> {
    let rows = between(connection, RANGE, (from, to), "reading sealed events").await?;
    with_values(connection, &rows).await
}

/// Number of the event that a hashed status code belongs to.
pub(crate) async fn find_by_status(connection: &mut Connection, status: &Digest) -> Result<Option<u64>, StoreError> {
    find(connection, BY_STATUS, status).await
}

/// Number of the event with a commitment.
pub(crate) async fn find_by_commitment(
    connection: &mut Connection,
    commitment: &Digest,
) -> Result<Option<u64>, StoreError> {
    find(connection, BY_COMMITMENT, commitment).await
}

async fn find(
    connection: &mut Connection,
    statement: &'static str,
    digest: &Digest,
) -> Result<Option<u64>, StoreError> {
    let query = query(statement).bind(digest.as_bytes().to_vec());
    let found = query.fetch_optional(connection).await.map_err(sql("finding a sealed event"))?;
    Ok(found.map(|row| row.number(0)))
}

/// Erasures whose keys are not known to be destroyed.
pub(crate) async fn load_unfinished_erasures(connection: &mut Connection) -> Result<Vec<Erased>, StoreError> {
    let rows = query(UNFINISHED_ERASURES).fetch_all(connection).await.map_err(sql("reading erasures"))?;
    rows.iter().map(|row| Ok(Erased { tag: bytes(row, 0, 0, "erasures")?, entries: Vec::new() })).collect()
}

/// Remembers that the keys of a subject are destroyed.
pub(crate) async fn finish_erasure(connection: &mut Connection, tag: [u8; 16]) -> Result<(), StoreError> {
    let query = query(FINISH_ERASURE).bind(tag.to_vec());
    query.execute(connection).await.map_err(sql("recording an erasure"))
}

/// All subjects whose erasure is on record.
pub(crate) async fn load_erased(connection: &mut Connection) -> Result<Vec<[u8; 16]>, StoreError> {
    let rows = query(ERASED).fetch_all(connection).await.map_err(sql("reading erasures"))?;
    rows.iter().map(|row| bytes(row, 0, 0, "erasures")).collect()
}

/// Whether an erasure of a subject is on record.
pub(crate) async fn is_erased(connection: &mut Connection, tag: [u8; 16]) -> Result<bool, StoreError> {
    let found = query(IS_ERASED).bind(tag.to_vec()).fetch_optional(connection).await;
    found.map(|row| row.is_some()).map_err(sql("reading erasures"))
}

/// What is sealed of an entry.
pub(crate) async fn load_values_of(connection: &mut Connection, index: u64) -> Result<Vec<SealedValue>, StoreError> {
    let values = load_values(connection, &[index.cast_signed()]).await?;
    Ok(values.into_iter().map(|(_, value)| value).collect())
}

/// Entries from `from` to `to`, exclusive, of which something is sealed.
pub(crate) async fn load_valued_entries(
    connection: &mut Connection,
    from: u64,
    to: u64,
) -> Result<Vec<u64>, StoreError> {
    let found = between(connection, VALUED_ENTRIES, (from, to), "finding sealed values").await?;
    Ok(found.iter().map(|row| row.number(0)).collect())
}

/// Entries of periods from `from` to `to`, exclusive, with what gives their decoys.
pub(crate) async fn load_periods(
    connection: &mut Connection,
    from: u64,
    to: u64,
) -> Result<Vec<(u64, [u8; 32])>, StoreError> {
    let rows = between(connection, PERIODS, (from, to), "reading periods").await?;
    rows.iter().map(|row| Ok((row.number(0), bytes(row, 1, row.get(0), "periods")?))).collect()
}

/// At most `limit` sealed events from number `from`, in the order of receipt; empty only at the end.
pub(crate) async fn load_events_after(
    connection: &mut Connection,
    from: u64,
    limit: u64,
) -> Result<Vec<RawSealed>, StoreError> {
    let rows = query(AFTER).bind(from.cast_signed()).bind(limit.cast_signed()).fetch_all(&mut *connection).await;
    with_values(connection, &rows.map_err(sql("reading sealed events"))?).await
}

/// The events of these streams before number `before`, in the order of receipt.
pub(crate) async fn load_by_tag_before(
    connection: &mut Connection,
    tags: &[Tag],
    before: u64,
) -> Result<Vec<RawSealed>, StoreError> {
    let tags: Vec<Vec<u8>> = tags.iter().map(|tag| tag.0.to_vec()).collect();
    let query = query(BEFORE).bind(tags).bind(before.cast_signed());
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
pub(crate) async fn load_places(connection: &mut Connection, from: u64, limit: u64) -> Result<Vec<Placed>, StoreError> {
    let query = query(PLACES).bind(from.cast_signed()).bind(limit.cast_signed());
    let rows = query.fetch_all(connection).await.map_err(sql("reading sealed events"))?;
    let placed = rows.iter().map(|row| {
        let seq: i64 = row.get(0);
        let path = |bytes: &[u8]| digests::<{ PERIOD_DEPTH as usize }>(bytes).map(|path| path.to_vec());
        let bad = || StoreError::row(seq.unsigned_abs(), "sealed_events", "the path");
        let period = row.get::<Option<i64>>(3).map(|index| {
            let path = path(row.get(5)).ok_or_else(bad)?;
            Ok::<_, StoreError>((index.cast_unsigned(), row.number(4), path))
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
    connection: &mut Connection,
    from: u64,
    to: u64,
) -> Result<Vec<(u64, SealedValue)>, StoreError> {
    let rows = between(connection, VALUES_BETWEEN, (from, to), "reading sealed values").await?;
    rows.iter().map(|row| sealed_value(row).map(|(owner, value)| (owner.cast_unsigned(), value))).collect()
}

/// The inventories of the entries from `from` to `to`, exclusive, by index.
pub(crate) async fn load_inventories(
    connection: &mut Connection,
    from: u64,
    to: u64,
) -> Result<BTreeMap<u64, Inventory>, StoreError> {
    let found = inventories(connection, from.cast_signed(), to.cast_signed()).await?;
    Ok(found.into_iter().map(|(owner, inventory)| (owner.cast_unsigned(), inventory)).collect())
}

/// The inventories of the sealed events from number `from` to `to`, exclusive, by number.
pub(crate) async fn load_event_inventories(
    connection: &mut Connection,
    from: u64,
    to: u64,
) -> Result<BTreeMap<u64, Inventory>, StoreError> {
    let found = inventories(connection, event_of(to) + 1, event_of(from) + 1).await?;
    Ok(found.into_iter().map(|(owner, inventory)| ((-1 - owner).cast_unsigned(), inventory)).collect())
}

async fn inventories(connection: &mut Connection, from: i64, to: i64) -> Result<Vec<(i64, Inventory)>, StoreError> {
    let rows = query(INVENTORIES).bind(from).bind(to).fetch_all(connection).await;
    let inventory = |row: &Row| {
        let slots = u16::try_from(row.get::<i64>(1)).map_err(|_| StoreError::row(0, "inventories", "slots"))?;
        Ok((row.get(0), Inventory { slots, mac: bytes(row, 2, 0, "inventories")? }))
    };
    rows.map_err(sql("reading inventories"))?.iter().map(inventory).collect()
}

/// Sealed values whose entry or sealed event is not there: index or number, and slot.
pub(crate) async fn load_strays(
    connection: &mut Connection,
    limit: u64,
) -> Result<Vec<(Result<u64, u64>, u64)>, StoreError> {
    let rows = query(STRAYS).bind(limit.cast_signed()).fetch_all(connection).await;
    let stray = |row: &Row| {
        let owner: i64 = row.get(0);
        let place = if owner >= 0 { Ok(owner.cast_unsigned()) } else { Err((-1 - owner).cast_unsigned()) };
        (place, row.number(1))
    };
    Ok(rows.map_err(sql("finding sealed values"))?.iter().map(stray).collect())
}

/// All subjects whose erasure the table knows, and whether their keys are destroyed.
pub(crate) async fn load_erasures(connection: &mut Connection) -> Result<Vec<(Tag, bool)>, StoreError> {
    let rows = query(ERASURES).fetch_all(connection).await.map_err(sql("reading erasures"))?;
    rows.iter().map(|row| Ok((Tag(bytes(row, 0, 0, "erasures")?), row.get::<i64>(1) != 0))).collect()
}

/// Number of a subject's first sealed event.
pub(crate) async fn first_of_tag(connection: &mut Connection, tag: Tag) -> Result<Option<u64>, StoreError> {
    let query = query(FIRST_OF_TAG).bind(tag.0.to_vec());
    let row = query.fetch_one(connection).await.map_err(sql("finding a sealed event"))?;
    Ok(row.get::<Option<i64>>(0).map(i64::cast_unsigned))
}

/// How many rows an order of erasure at entry `index` has left: notes of the subject, values of the stream.
pub(crate) async fn count_left(
    connection: &mut Connection,
    tag: Tag,
    stream: Option<&str>,
    index: u64,
) -> Result<u64, StoreError> {
    let doing = "counting what is erased";
    let notes = query(NOTES_LEFT).bind(tag.0.to_vec()).bind(index.cast_signed());
    let notes = notes.fetch_one(&mut *connection).await.map_err(sql(doing))?.number(0);
    let Some(stream) = stream else { return Ok(notes) };
    let values = query(VALUES_LEFT).bind(stream).bind(index.cast_signed());
    let values = values.fetch_one(connection).await.map_err(sql(doing))?.number(0);
    Ok(notes + values)
}

/// How many sealed events there are, and sealed values of entries.
pub(crate) async fn count(connection: &mut Connection) -> Result<(u64, u64), StoreError> {
    let row = query(COUNTS).fetch_one(connection).await.map_err(sql("counting what is sealed"))?;
    Ok((row.number(0), row.number(1)))
}

/// How many promises were due before a time and are in no period, and the first deadline.
pub(crate) async fn count_overdue(
    connection: &mut Connection,
    now: DateTime<Utc>,
) -> Result<(u64, Option<DateTime<Utc>>), StoreError> {
    let query = query(OVERDUE).bind(now.timestamp_micros());
    let row = query.fetch_one(connection).await.map_err(sql("counting promises"))?;
    let first = row.get::<Option<i64>>(1).and_then(DateTime::from_timestamp_micros);
    Ok((row.number(0), first))
}

/// Entry of the last period.
pub(crate) async fn last_period(connection: &mut Connection) -> Result<Option<u64>, StoreError> {
    let query = query(LAST_PERIOD);
    let row = query.fetch_one(connection).await.map_err(sql("finding the last period"))?;
    Ok(row.get::<Option<i64>>(0).map(i64::cast_unsigned))
}
