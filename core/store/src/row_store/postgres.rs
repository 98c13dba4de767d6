//! Appending in PostgreSQL: one schema, one statement an append wherever that is enough.
//!
//! Relied on: arrays as parameters and `unnest` of several, statements that change data in `WITH`, `ON CONFLICT`, row
//! locks, schemas, triggers in PL/pgSQL, the collation "C". No extension and no superuser. What the server says is committed
//! is durable: `fsync` is demanded and `synchronous_commit` switched on where it is off. To change the schema, add a file to
//! `migrations/ledger/postgres` and a line to `MIGRATIONS`; never edit one that was released. Nodes of the version before go on
//! writing while others are replaced, so a step leaves their statements working.

use std::time::Duration;

use chrono::DateTime;
use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, PgConnection, Postgres, Row as _,
    postgres::PgArguments, query::Query,
};

use crate::{
    beside,
    database::{Row, ServerUrl},
    error::{OpenError, StoreError, sql},
    event_store::{Batch, Changed, Erased, NewEntry, NewSealed, Period, SealedValue, Turn},
    layout::Layout,
    reader::READ_ENTRIES_MAX,
    sealed_tables::event_of,
    tables::{self, SAVE_PUBLICATION},
    vault::tier_number,
};

const MIGRATIONS: [&str; 2] = [
    include_str!("../../../../migrations/ledger/postgres/0001_ledger.sql"),
    include_str!("../../../../migrations/ledger/postgres/0002_nodes.sql"),
];

/// The schema's version.
pub(crate) const VERSION: i64 = 2;
const _: () = assert!(MIGRATIONS.len() == 2, "VERSION counts the migrations");

/// How long making a ledger or looking at one waits for a lock.
const PATIENCE: Duration = Duration::from_secs(5);

const FIND: &str = "SELECT count(*) FROM information_schema.tables WHERE table_schema = $1 AND table_name = 'version'";
const LOCK_VERSION: &str = "SELECT version FROM version WHERE id = 1 FOR UPDATE";
const SAVE_VERSION: &str = "INSERT INTO version (id, version) VALUES (1, $1) \
                            ON CONFLICT (id) DO UPDATE SET version = excluded.version";
const SETTING: &str = "SELECT setting FROM pg_settings WHERE name = $1";
const SIZE: &str = "SELECT size FROM head WHERE id = 1";
const EPOCH: &str = "SELECT epoch FROM head WHERE id = 1";
const TAKE_OVER: &str = "UPDATE head SET epoch = epoch + 1 WHERE id = 1 RETURNING epoch";

// Each statement after the lock sees what was committed before it was given, whatever the server's default is.
const BEGIN_TURN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED; ";
// The lock on this row is the writer's turn.
const TAKE_TURN: &str = "SELECT size, entry_hash, edge, recorded_at, epoch, \
                         (EXTRACT(EPOCH FROM clock_timestamp()) * 1000000)::BIGINT FROM head WHERE id = 1 FOR UPDATE; \
                         SELECT idx, bytes FROM entries WHERE idx >= ";

// One way there and back, and one commit. Where the head is not the one that this writer left, nothing is inserted.
const APPEND: &str = "\
    WITH advanced AS ( \
        UPDATE head SET size = $1, entry_hash = $2, edge = $3, recorded_at = $4 \
        WHERE id = 1 AND size = $5 AND epoch = $6 RETURNING id \
    ), new_entries AS ( \
        INSERT INTO entries (idx, stream, revision, bytes) SELECT n.* \
        FROM advanced, unnest($7::BIGINT[], $8::TEXT[], $9::BIGINT[], $10::BYTEA[]) AS n \
    ), new_openings AS ( \
        INSERT INTO openings (idx, line) SELECT n.* FROM advanced, unnest($11::BIGINT[], $12::TEXT[]) AS n \
    ), new_lists AS ( \
        INSERT INTO lists (idx, text) SELECT n.* FROM advanced, unnest($13::BIGINT[], $14::TEXT[]) AS n \
    ), new_attachments AS ( \
        INSERT INTO attachments (idx, hash) SELECT n.* FROM advanced, unnest($15::BIGINT[], $16::BYTEA[]) AS n \
    ), new_requests AS ( \
        INSERT INTO requests (key, request, idx) SELECT n.* \
        FROM advanced, unnest($17::TEXT[], $18::BYTEA[], $19::BIGINT[]) AS n \
    ), new_values AS ( \
        INSERT INTO sealed_values (event, ordinal, line, tier, commitment, nonce, bytes) SELECT n.* \
        FROM advanced, \
        unnest($20::BIGINT[], $21::BIGINT[], $22::BIGINT[], $23::BIGINT[], $24::BYTEA[], $25::BYTEA[], $26::BYTEA[]) AS n \
    ), new_inventories AS ( \
        INSERT INTO inventories (event, slots, mac) SELECT n.* \
        FROM advanced, unnest($27::BIGINT[], $28::BIGINT[], $29::BYTEA[]) AS n \
    ) SELECT count(*) FROM advanced";
const INSERT_EVENTS: &str = "\
    INSERT INTO sealed_events \
    (seq, commitment, tag, tier, as_of, received_at, deadline, nonce, note, envelope, commitments, status) \
    SELECT n.* FROM unnest($1::BIGINT[], $2::BYTEA[], $3::BYTEA[], $4::BIGINT[], $5::BIGINT[], $6::BIGINT[], \
    $7::BIGINT[], $8::BYTEA[], $9::BYTEA[], $10::BYTEA[], $11::BYTEA[], $12::BYTEA[]) AS n";
const INSERT_SEALED_REQUESTS: &str = "INSERT INTO sealed_requests (key, request, seq) SELECT n.* \
                                      FROM unnest($1::TEXT[], $2::BYTEA[], $3::BIGINT[]) AS n";
const INSERT_PERIOD: &str = "INSERT INTO periods (idx, nonce) VALUES ($1, $2)";
const SET_PERIOD: &str = "UPDATE sealed_events SET period = $1, leaf = n.leaf, path = n.path \
                          FROM unnest($2::BIGINT[], $3::BIGINT[], $4::BYTEA[]) AS n (seq, leaf, path) \
                          WHERE sealed_events.seq = n.seq";
const ERASE_VALUES: &str =
    "DELETE FROM sealed_values WHERE event IN (SELECT -1 - seq FROM sealed_events WHERE tag = $1)";
const ERASE_NOTES: &str = "UPDATE sealed_events SET nonce = NULL, note = NULL, envelope = NULL WHERE tag = $1";
const RECORD_ERASURE: &str = "INSERT INTO erasures (tag, destroyed) VALUES ($1, 0) \
                              ON CONFLICT (tag) DO UPDATE SET destroyed = 0";
const ERASE_VALUES_OF_ENTRIES: &str = "DELETE FROM sealed_values WHERE event >= 0 AND event = ANY ($1)";
const CHANGE_OPENINGS: &str = "UPDATE openings SET line = $1 WHERE idx = $2";
const CHANGE_LIST: &str = "UPDATE lists SET text = $1 WHERE idx = $2";
const CLEAR_HALT: &str = "DELETE FROM halt";

type Bound = Query<'static, Postgres, PgArguments>;

/// Makes an empty log in the schema of an address. A draft is made again; a ledger is never touched.
pub(crate) async fn create(url: &ServerUrl) -> Result<(), StoreError> {
    let doing = "creating the schema";
    let mut connection = url.writer(PATIENCE).connect().await.map_err(sql("connecting"))?;
    let mut transaction = connection.begin().await.map_err(sql(doing))?;
    let schema = url.schema();
    if url.is_draft() {
        let drop = AssertSqlSafe(format!("DROP SCHEMA IF EXISTS {schema} CASCADE"));
        transaction.execute(sqlx::raw_sql(drop)).await.map_err(sql(doing))?;
    }
    let create = AssertSqlSafe(format!("CREATE SCHEMA {schema}"));
    transaction.execute(sqlx::raw_sql(create)).await.map_err(sql(doing))?;
    transaction.commit().await.map_err(sql(doing))?;
    migrate(&mut connection, 0).await?;
    connection.close().await.map_err(sql(doing))
}

/// Gives the draft in an address's database the name of a ledger; there must be none yet.
pub(crate) async fn put_in_place(url: &ServerUrl) -> Result<(), StoreError> {
    let rename = format!("ALTER SCHEMA {} RENAME TO {}", url.draft().schema(), url.schema());
    run(url, rename, "naming the schema").await
}

/// Removes a ledger that has moved away, its vault, and the stores beside it.
pub(crate) async fn drop_ledger(url: &ServerUrl) -> Result<(), StoreError> {
    let vault = url.vault();
    let schemas = [url.schema(), vault.schema()].into_iter().chain(beside::SCHEMAS);
    let drop: Vec<String> = schemas.map(|schema| format!("DROP SCHEMA IF EXISTS {schema} CASCADE")).collect();
    run(url, drop.join("; "), "removing the schemas").await
}

/// One statement about the schema, on a connection of its own.
async fn run(url: &ServerUrl, statement: String, doing: &'static str) -> Result<(), StoreError> {
    let mut connection = url.writer(PATIENCE).connect().await.map_err(sql("connecting"))?;
    connection.execute(sqlx::raw_sql(AssertSqlSafe(statement))).await.map_err(sql(doing))?;
    connection.close().await.map_err(sql(doing))
}

/// Refuses a database that holds no ledger or one of a later version; gives the version.
pub(crate) async fn examine(layout: &Layout, url: &ServerUrl) -> Result<i64, OpenError> {
    match version_at(url).await? {
        None => {
            let reason = format!("the database that it names has no schema `{}`", url.schema());
            Err(OpenError::NotALedger { path: layout.server(), reason })
        }
        Some(found) if found > VERSION => Err(OpenError::Newer { found, known: VERSION }),
        Some(found) => Ok(found),
    }
}

/// Whether an address's database holds a ledger.
pub(crate) async fn is_taken(url: &ServerUrl) -> Result<bool, StoreError> {
    Ok(version_at(url).await?.is_some())
}

pub(crate) async fn version_at(url: &ServerUrl) -> Result<Option<i64>, StoreError> {
    let mut connection = url.reader(PATIENCE).connect().await.map_err(sql("connecting"))?;
    let version = version(&mut connection, url.schema()).await?;
    connection.close().await.map_err(sql("closing the database"))?;
    Ok(version)
}

/// The version of a schema of ours; `None` where there is none.
pub(crate) async fn version(connection: &mut PgConnection, schema: &str) -> Result<Option<i64>, StoreError> {
    let doing = "reading the version";
    let tables: i64 = sqlx::query_scalar(FIND).bind(schema).fetch_one(&mut *connection).await.map_err(sql(doing))?;
    if tables == 0 {
        return Ok(None);
    }
    let load = AssertSqlSafe(format!("SELECT version FROM {schema}.version WHERE id = 1"));
    sqlx::query_scalar(load).fetch_optional(connection).await.map_err(sql(doing))
}

/// Opens the database for writing in turns with others; the connection and their epoch.
pub(crate) async fn join(url: &ServerUrl, busy_timeout: Duration) -> Result<(PgConnection, u64), OpenError> {
    let mut connection = open(url, busy_timeout).await?;
    let epoch: i64 = sqlx::query_scalar(EPOCH).fetch_one(&mut connection).await.map_err(sql("joining"))?;
    Ok((connection, epoch.cast_unsigned()))
}

/// Opens the database for writing alone: all that wrote before are fenced. The connection and its epoch.
pub(crate) async fn take_over(url: &ServerUrl, busy_timeout: Duration) -> Result<(PgConnection, u64), OpenError> {
    let mut connection = open(url, busy_timeout).await?;
    let epoch: i64 =
        sqlx::query_scalar(TAKE_OVER).fetch_one(&mut connection).await.map_err(sql("taking over the head"))?;
    Ok((connection, epoch.cast_unsigned()))
}

async fn open(url: &ServerUrl, busy_timeout: Duration) -> Result<PgConnection, OpenError> {
    let mut connection = connect(url, busy_timeout).await?;
    if is_lazy(&mut connection).await? {
        return Err(OpenError::NotDurable);
    }
    let version = version(&mut connection, url.schema()).await?.unwrap_or(0);
    if version > VERSION {
        return Err(OpenError::Newer { found: version, known: VERSION });
    }
    if version < VERSION {
        migrate(&mut connection, version).await?;
    }
    Ok(connection)
}

/// A connection on which what is committed is on the disk. The server ends it when its node is stopped within a turn, before
/// the others have waited for the lock in vain.
pub(crate) async fn connect(url: &ServerUrl, busy_timeout: Duration) -> Result<PgConnection, StoreError> {
    let idle_max = (busy_timeout * 3 / 5).as_millis().to_string();
    let options = url.writer(busy_timeout).options([("idle_in_transaction_session_timeout", &idle_max)]);
    // As text bytes are read in this form only.
    let options = options.options([("bytea_output", "hex")]);
    let mut connection = options.connect().await.map_err(sql("connecting"))?;
    if setting(&mut connection, "synchronous_commit").await?.is_some_and(|setting| setting == "off") {
        connection.execute("SET synchronous_commit = on").await.map_err(sql("asking for durable commits"))?;
    }
    Ok(connection)
}

/// Whether the server forgets what it acknowledged.
async fn is_lazy(connection: &mut PgConnection) -> Result<bool, StoreError> {
    Ok(setting(connection, "fsync").await?.is_some_and(|setting| setting == "off"))
}

/// A setting of the server, if it has such a one.
async fn setting(connection: &mut PgConnection, name: &str) -> Result<Option<String>, StoreError> {
    let setting = sqlx::query_scalar(SETTING).bind(name).fetch_optional(connection).await;
    setting.map_err(sql("reading settings"))
}

async fn migrate(connection: &mut PgConnection, version: i64) -> Result<(), StoreError> {
    let done = usize::try_from(version).unwrap_or(0);
    for (step, text) in (1_i64..).zip(MIGRATIONS).skip(done) {
        let mut transaction = connection.begin().await.map_err(sql("migrating"))?;
        if step > 1 {
            // Of nodes that start together one takes the step, and the others find it taken.
            let there: i64 =
                sqlx::query_scalar(LOCK_VERSION).fetch_one(&mut *transaction).await.map_err(sql("migrating"))?;
            if there >= step {
                transaction.rollback().await.map_err(sql("migrating"))?;
                continue;
            }
        }
        transaction.execute(sqlx::raw_sql(text)).await.map_err(sql("migrating"))?;
        sqlx::query(SAVE_VERSION).bind(step).execute(&mut *transaction).await.map_err(sql("migrating"))?;
        transaction.commit().await.map_err(sql("migrating"))?;
    }
    Ok(())
}

/// Entries of a ledger's database of whichever version.
pub(crate) async fn size_of(url: &ServerUrl) -> Result<u64, StoreError> {
    let mut connection = url.reader(PATIENCE).connect().await.map_err(sql("connecting"))?;
    let size: i64 = sqlx::query_scalar(SIZE).fetch_one(&mut connection).await.map_err(sql("reading the head"))?;
    connection.close().await.map_err(sql("closing the ledger"))?;
    Ok(size.cast_unsigned())
}

/// Has the server forget rows that were replaced; whether it did. Engines that keep no such rows have no VACUUM.
pub(crate) async fn vacuum(connection: &mut PgConnection) -> bool {
    match connection.execute("VACUUM openings, lists, sealed_events, sealed_values").await {
        Ok(_) => true,
        Err(error) => {
            tracing::warn!(%error, "replaced rows could not be vacuumed yet");
            false
        }
    }
}

/// Begins a turn unless it has begun, waits for the lock on the head, and reads the entries from `from` on as of then. The turn,
/// and the writer's epoch.
pub(crate) async fn take_turn(
    connection: &mut PgConnection,
    begins: bool,
    from: u64,
) -> Result<(Turn, u64), StoreError> {
    let begin = if begins { BEGIN_TURN } else { "" };
    let text = AssertSqlSafe(format!("{begin}{TAKE_TURN}{from} ORDER BY idx LIMIT {READ_ENTRIES_MAX}"));
    let rows = connection.fetch_all(sqlx::raw_sql(text)).await.map_err(sql("waiting for a turn"))?;
    let mut rows = rows.into_iter().map(Row::Postgres);
    let row = rows.next().ok_or_else(|| StoreError::row(from, "head", "the row is missing"))?;
    let (head, epoch) = tables::head(&row)?;
    let clock = DateTime::from_timestamp_micros(row.get(5))
        .ok_or_else(|| StoreError::row(head.size, "head", "the server's clock is out of range"))?;
    Ok((Turn { head, clock, entries: rows.map(|row| (row.number(0), row.get(1))).collect() }, epoch))
}

/// Ends the turn with a batch, in the transaction that it is.
pub(crate) async fn append_in_turn(
    connection: &mut PgConnection,
    batch: Batch,
    (epoch, node): (u64, i64),
) -> Result<(), StoreError> {
    let size = batch.from;
    let parts = Parts::of(batch, epoch, node);
    let written = async {
        if !advance(connection, parts.append).await? {
            return Err(StoreError::Fenced { size, epoch });
        }
        for statement in parts.beside {
            statement.execute(&mut *connection).await.map_err(sql("appending"))?;
        }
        Ok(())
    };
    if let Err(error) = written.await {
        // Nothing of it may be committed with what ends the turn. A connection that is gone has taken it along.
        let _ = connection.execute("ROLLBACK").await;
        return Err(error);
    }
    // The commit point. Before it nothing happened; after it everything can be redone from here.
    connection.execute("COMMIT").await.map(drop).map_err(sql("committing"))
}

/// Appends a batch out of turn: with one statement, which is its own transaction, or with several in one.
pub(crate) async fn append(
    connection: &mut PgConnection,
    batch: Batch,
    (epoch, node): (u64, i64),
) -> Result<(), StoreError> {
    let size = batch.from;
    let mut parts = Parts::of(batch, epoch, node);
    let advanced = if parts.beside.is_empty() {
        advance(connection, parts.append).await?
    } else {
        let mut transaction = connection.begin().await.map_err(sql("beginning to append"))?;
        let advanced = advance(&mut transaction, parts.append).await?;
        if advanced {
            for statement in parts.beside.drain(..) {
                statement.execute(&mut *transaction).await.map_err(sql("appending"))?;
            }
            // The commit point. Before it nothing happened; after it everything can be redone from here.
            transaction.commit().await.map_err(sql("committing"))?;
        } else {
            transaction.rollback().await.map_err(sql("ending an append"))?;
        }
        advanced
    };
    if advanced { Ok(()) } else { Err(StoreError::Fenced { size, epoch }) }
}

/// Whether the head was this writer's to advance.
async fn advance(connection: &mut PgConnection, append: Bound) -> Result<bool, StoreError> {
    let row = append.fetch_one(connection).await.map_err(sql("committing"))?;
    Ok(row.get::<i64, _>(0) == 1)
}

/// The statements of one append.
struct Parts {
    append: Bound,
    // In their order; most batches have none.
    beside: Vec<Bound>,
}

impl Parts {
    fn of(batch: Batch, epoch: u64, node: i64) -> Self {
        let Batch { from, mut entries, mut sealed, erased, changed, head, publication, clears_halt } = batch;
        let mut beside = Vec::new();
        let mut rows = Rows::default();
        let periods: Vec<_> = (from..)
            .zip(&mut entries)
            .filter_map(|(index, entry)| entry.period.take().map(|period| (index, period)))
            .collect();
        for (index, entry) in (from..).zip(entries) {
            rows.entry(index.cast_signed(), entry);
        }
        for event in &mut sealed {
            rows.event(event);
        }
        if !sealed.is_empty() {
            beside.extend(insert_events(sealed));
        }
        beside.extend(periods.into_iter().flat_map(|(index, period)| insert_period(index, period)));
        beside.extend(erased.into_iter().flat_map(erase));
        for Changed { index, openings, list } in changed {
            for (statement, text) in [(CHANGE_OPENINGS, openings), (CHANGE_LIST, list)] {
                beside.extend(text.map(|text| sqlx::query(statement).bind(text).bind(index.cast_signed())));
            }
        }
        beside.extend(publication.map(|publication| {
            let durable_size = publication.durable_size.cast_signed();
            sqlx::query(SAVE_PUBLICATION).bind(node).bind(durable_size).bind(publication.checkpoint)
        }));
        beside.extend(clears_halt.then(|| sqlx::query(CLEAR_HALT)));
        let append = sqlx::query(APPEND)
            .bind(head.size.cast_signed())
            .bind(head.entry_hash.as_bytes().to_vec())
            .bind(head.edge.to_bytes())
            .bind(head.recorded_at.timestamp_micros())
            .bind(from.cast_signed())
            .bind(epoch.cast_signed());
        Self { append: rows.bind(append), beside }
    }
}

/// The columns of what every append may insert.
#[derive(Default)]
struct Rows {
    entries: Entries,
    openings: (Vec<i64>, Vec<String>),
    lists: (Vec<i64>, Vec<String>),
    attachments: (Vec<i64>, Vec<Vec<u8>>),
    requests: (Vec<String>, Vec<Vec<u8>>, Vec<i64>),
    values: Values,
    inventories: (Vec<i64>, Vec<i64>, Vec<Vec<u8>>),
}

#[derive(Default)]
struct Entries {
    indexes: Vec<i64>,
    streams: Vec<Option<String>>,
    revisions: Vec<Option<i64>>,
    bytes: Vec<Vec<u8>>,
}

#[derive(Default)]
struct Values {
    events: Vec<i64>,
    ordinals: Vec<i64>,
    lines: Vec<Option<i64>>,
    tiers: Vec<i64>,
    commitments: Vec<Vec<u8>>,
    nonces: Vec<Vec<u8>>,
    bytes: Vec<Vec<u8>>,
}

impl Values {
    fn push(&mut self, owner: i64, value: SealedValue) {
        self.events.push(owner);
        self.ordinals.push(value.ordinal.cast_signed());
        self.lines.push(value.line.map(u64::cast_signed));
        self.tiers.push(tier_number(value.tier));
        self.commitments.push(value.commitment.as_bytes().to_vec());
        self.nonces.push(value.nonce.to_vec());
        self.bytes.push(value.bytes);
    }
}

impl Rows {
    fn entry(&mut self, index: i64, entry: NewEntry) {
        let (stream, revision) = entry.stream.map(|(stream, revision)| (stream, revision.cast_signed())).unzip();
        self.entries.indexes.push(index);
        self.entries.streams.push(stream);
        self.entries.revisions.push(revision);
        self.entries.bytes.push(entry.bytes);
        for (text, rows) in [(entry.openings, &mut self.openings), (entry.list, &mut self.lists)] {
            let Some(text) = text else { continue };
            rows.0.push(index);
            rows.1.push(text);
        }
        for hash in entry.attachments {
            self.attachments.0.push(index);
            self.attachments.1.push(hash.as_bytes().to_vec());
        }
        if let Some((key, request)) = entry.request {
            self.requests.0.push(key);
            self.requests.1.push(request.as_bytes().to_vec());
            self.requests.2.push(index);
        }
        for value in entry.sealed {
            self.values.push(index, value);
        }
        if let Some(inventory) = entry.inventory {
            self.inventory(index, inventory.slots, &inventory.mac);
        }
    }

    /// What is sealed of an event; its own row is inserted beside.
    fn event(&mut self, event: &mut NewSealed) {
        let owner = event_of(event.seq);
        for value in std::mem::take(&mut event.values) {
            self.values.push(owner, value);
        }
        self.inventory(owner, event.inventory.slots, &event.inventory.mac);
    }

    fn inventory(&mut self, owner: i64, slots: u16, mac: &[u8]) {
        self.inventories.0.push(owner);
        self.inventories.1.push(slots.into());
        self.inventories.2.push(mac.to_vec());
    }

    fn bind(self, append: Bound) -> Bound {
        let Values { events, ordinals, lines, tiers, commitments, nonces, bytes } = self.values;
        let entries = self.entries;
        let append = append.bind(entries.indexes).bind(entries.streams).bind(entries.revisions).bind(entries.bytes);
        let append = append.bind(self.openings.0).bind(self.openings.1).bind(self.lists.0).bind(self.lists.1);
        let append = append.bind(self.attachments.0).bind(self.attachments.1);
        let append = append.bind(self.requests.0).bind(self.requests.1).bind(self.requests.2);
        let append = append.bind(events).bind(ordinals).bind(lines).bind(tiers);
        let append = append.bind(commitments).bind(nonces).bind(bytes);
        append.bind(self.inventories.0).bind(self.inventories.1).bind(self.inventories.2)
    }
}

/// The rows of sealed events, and the requests that they answer.
fn insert_events(events: Vec<NewSealed>) -> Vec<Bound> {
    let column = |value: fn(&NewSealed) -> i64| events.iter().map(value).collect::<Vec<i64>>();
    let bytes = |value: fn(&NewSealed) -> Vec<u8>| events.iter().map(value).collect::<Vec<Vec<u8>>>();
    let insert = sqlx::query(INSERT_EVENTS)
        .bind(column(|event| event.seq.cast_signed()))
        .bind(bytes(|event| event.commitment.as_bytes().to_vec()))
        .bind(bytes(|event| event.tag.to_vec()))
        .bind(column(|event| tier_number(event.tier)))
        .bind(column(|event| event.as_of.cast_signed()))
        .bind(column(|event| event.received_at.timestamp_micros()))
        .bind(column(|event| event.deadline.timestamp_micros()))
        .bind(bytes(|event| event.nonce.to_vec()))
        .bind(bytes(|event| event.note.clone()))
        .bind(events.iter().map(|event| event.envelope.clone()).collect::<Vec<Option<Vec<u8>>>>())
        .bind(bytes(|event| event.commitments.iter().flat_map(|c| *c.as_bytes()).collect()))
        .bind(events.iter().map(|event| event.status.map(|s| s.as_bytes().to_vec())).collect::<Vec<Option<Vec<u8>>>>());
    let (mut keys, mut requests, mut seqs) = (Vec::new(), Vec::new(), Vec::new());
    for event in events {
        let Some((key, request)) = event.request else { continue };
        keys.push(key);
        requests.push(request.as_bytes().to_vec());
        seqs.push(event.seq.cast_signed());
    }
    vec![insert, sqlx::query(INSERT_SEALED_REQUESTS).bind(keys).bind(requests).bind(seqs)]
}

/// A period, and the places of its events.
fn insert_period(index: u64, period: Period) -> [Bound; 2] {
    let index = index.cast_signed();
    let leaves = period.leaves;
    let seqs: Vec<i64> = leaves.iter().map(|leaf| leaf.seq.cast_signed()).collect();
    let places: Vec<i64> = leaves.iter().map(|leaf| leaf.leaf.cast_signed()).collect();
    let paths: Vec<Vec<u8>> =
        leaves.iter().map(|leaf| leaf.path.iter().flat_map(|hash| *hash.as_bytes()).collect()).collect();
    [
        sqlx::query(INSERT_PERIOD).bind(index).bind(period.nonce.to_vec()),
        sqlx::query(SET_PERIOD).bind(index).bind(seqs).bind(places).bind(paths),
    ]
}

/// Takes the ciphertext of a subject away.
fn erase(erased: Erased) -> Vec<Bound> {
    let of_tag = [ERASE_VALUES, ERASE_NOTES, RECORD_ERASURE];
    let mut statements: Vec<Bound> =
        of_tag.into_iter().map(|statement| sqlx::query(statement).bind(erased.tag.to_vec())).collect();
    let entries: Vec<i64> = erased.entries.into_iter().map(u64::cast_signed).collect();
    if !entries.is_empty() {
        statements.push(sqlx::query(ERASE_VALUES_OF_ENTRIES).bind(entries));
    }
    statements
}
