//! The vault's tables: wrapped data keys, and nothing that they open. Every statement on them is here.
//!
//! A connection to a server that was lost is made again by the next question. Where the tables are, how they are made and
//! what is done so that a destroyed wrap is in no file is in `place`.

use std::{fmt, path::Path};

use gongkai_domain::vault::NONCE_BYTES;
use gongkai_log::Tier;

use super::{VaultFault, place};
use crate::{
    database::{Connection, Place, Query, Row, Sql, Value, query},
    error::{StoreError, sql},
    sealed_sequencer::vault_store,
};

const HEADER: &str = "SELECT origin, epoch, nonce, blind, since FROM vault WHERE id = 1";
const CREATE: &str = "INSERT INTO vault (id, origin, since, epoch, nonce, blind) VALUES (1, $1, $2, $3, $4, $5)";
const RENEW: &str = "UPDATE vault SET epoch = $1, nonce = $2, blind = $3 WHERE id = 1";
const BEGIN: Sql = Sql::Each { sqlite: "BEGIN IMMEDIATE", postgres: "BEGIN" };
// A key that was made for an epoch that has ended would be wrapped to a master key that is destroyed.
const EPOCH_TO_INSERT: Sql = Sql::Each {
    sqlite: "SELECT epoch FROM vault WHERE id = 1",
    postgres: "SELECT epoch FROM vault WHERE id = 1 FOR SHARE",
};
const EPOCH_TO_ROTATE: Sql = Sql::Each {
    sqlite: "SELECT epoch FROM vault WHERE id = 1",
    postgres: "SELECT epoch FROM vault WHERE id = 1 FOR UPDATE",
};
const LOAD: Sql = Sql::Each {
    sqlite: "SELECT subject, tier, org, epoch, wrap FROM wraps WHERE subject IN \
             (SELECT unhex(value) FROM json_each($1))",
    postgres: "SELECT subject, tier, org, epoch, wrap FROM wraps WHERE subject = ANY ($1)",
};
const ALL: &str = "SELECT subject, tier, org, epoch, wrap FROM wraps";
const INSERT: &str = "INSERT INTO wraps (subject, tier, org, epoch, wrap) VALUES ";
/// Columns of a row.
const COLUMNS: usize = 5;
/// Most rows of one INSERT: a statement costs more than a row.
const ROWS_MAX: usize = 64;
const REPLACE: &str = "UPDATE wraps SET epoch = $1, wrap = $2 WHERE subject = $3 AND tier = $4 AND org = $5";
const SUBJECTS: &str = "SELECT DISTINCT subject FROM wraps WHERE subject > $1 ORDER BY subject LIMIT $2";
const DESTROY: &str = "DELETE FROM wraps WHERE subject = $1 RETURNING tier";

/// Blind index of a subject.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(pub(crate) [u8; 16]);

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_hex())
    }
}

impl Tag {
    /// Lower-case hex.
    pub fn to_hex(self) -> String {
        format!("{:032x}", u128::from_be_bytes(self.0))
    }
}

/// A data key, wrapped to one tier key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct WrapRow {
    pub subject: Tag,
    pub tier: Tier,
    pub org: String,
    pub epoch: u64,
    pub wrap: Vec<u8>,
}

/// What the vault says of itself.
pub(super) struct Header {
    pub origin: String,
    pub since: u64,
    pub epoch: u64,
    pub nonce: [u8; NONCE_BYTES],
    pub blind: Vec<u8>,
}

/// A tier as it is stored.
pub(crate) fn tier_number(tier: Tier) -> i64 {
    match tier {
        Tier::Public => 0,
        Tier::Members => 1,
        Tier::Unit => 2,
        Tier::Named => 3,
    }
}

/// The tier of a number.
pub(crate) fn tier_of(number: i64) -> Option<Tier> {
    Tier::ALL.into_iter().find(|tier| tier_number(*tier) == number && *tier != Tier::Public)
}

/// The tables, reached over one connection.
pub(super) struct Wraps {
    place: Place,
    reads: bool,
    connection: Option<Connection>,
    closed: bool,
}

impl Wraps {
    /// Makes a vault that holds these wraps.
    pub(super) async fn create(place: &Place, header: &Header, rows: &[WrapRow]) -> Result<(), StoreError> {
        let mut connection = place::make(place).await?;
        let create = query(CREATE).bind(header.origin.as_str()).bind(header.since.cast_signed());
        let create = create.bind(header.epoch.cast_signed()).bind(header.nonce.to_vec()).bind(header.blind.as_slice());
        create.execute(&mut connection).await.map_err(sql("creating the vault"))?;
        insert(&mut connection, rows, "creating the vault").await?;
        place::made(connection, place).await
    }

    /// For reading and writing; a vault of an earlier version is brought up to date.
    pub(super) async fn open(place: &Place) -> Result<Self, VaultFault> {
        let connection = Some(open(place, false).await?);
        Ok(Self { place: place.clone(), reads: false, connection, closed: false })
    }

    /// For reading alone, also beside a running server; an earlier version is read as it is.
    pub(super) async fn open_read_only(place: &Place) -> Result<Self, VaultFault> {
        let connection = Some(open(place, true).await?);
        Ok(Self { place: place.clone(), reads: true, connection, closed: false })
    }

    /// Whether other nodes use the same tables.
    pub(super) fn is_shared(&self) -> bool {
        matches!(self.place, Place::Server(_))
    }

    /// The connection; one to a server that was lost is made again.
    async fn connection(&mut self) -> Result<&mut Connection, StoreError> {
        if self.closed {
            return Err(StoreError::sql("using the vault", sqlx::Error::PoolClosed));
        }
        if self.connection.is_none() {
            let opened = open(&self.place, self.reads).await;
            self.connection = Some(opened.map_err(vault_store)?);
        }
        let none = || StoreError::sql("using the vault", sqlx::Error::PoolClosed);
        self.connection.as_mut().ok_or_else(none)
    }

    /// What became of a question; after a lost connection the next one begins with another.
    fn heard<T>(&mut self, answer: Result<T, StoreError>) -> Result<T, StoreError> {
        if self.is_shared() && matches!(answer, Err(StoreError::Gone { .. })) {
            self.connection = None;
        }
        answer
    }

    async fn fetch(&mut self, query: Query, doing: &'static str) -> Result<Vec<Row>, StoreError> {
        let rows = query.fetch_all(self.connection().await?).await.map_err(sql(doing));
        self.heard(rows)
    }

    pub(super) async fn header(&mut self) -> Result<Header, VaultFault> {
        let row = self.fetch(query(HEADER), "reading the vault").await?.pop();
        let row = row.ok_or_else(|| StoreError::row(0, "vault", "its row is missing"))?;
        let nonce = <[u8; NONCE_BYTES]>::try_from(row.get::<&[u8]>(2));
        let nonce = nonce.map_err(|_| StoreError::row(0, "vault", "the nonce is not 24 bytes"))?;
        Ok(Header { origin: row.get(0), since: row.number(4), epoch: row.number(1), nonce, blind: row.get(3) })
    }

    pub(super) async fn load(&mut self, tags: &[Tag]) -> Result<Vec<WrapRow>, StoreError> {
        let tags: Vec<Vec<u8>> = tags.iter().map(|tag| tag.0.to_vec()).collect();
        self.fetch(query(LOAD).bind(tags), "reading data keys").await?.iter().map(row).collect()
    }

    /// Subjects that have keys, in order, after one of them.
    pub(super) async fn subjects(&mut self, after: Option<Tag>, limit: u64) -> Result<Vec<Tag>, StoreError> {
        let after = after.map_or_else(Vec::new, |tag| tag.0.to_vec());
        let subjects = query(SUBJECTS).bind(after).bind(limit.cast_signed());
        self.fetch(subjects, "reading data keys").await?.iter().map(|row| tag(row, 0)).collect()
    }

    /// Writes new wraps, which must be of the vault's epoch.
    pub(super) async fn insert(&mut self, rows: &[WrapRow]) -> Result<(), VaultFault> {
        let doing = "writing data keys";
        let connection = self.connection().await?;
        let inserted = async {
            query(BEGIN).execute(connection).await.map_err(sql(doing))?;
            let epoch = query(EPOCH_TO_INSERT).fetch_one(connection).await.map_err(sql(doing))?.number(0);
            if rows.iter().any(|row| row.epoch != epoch) {
                return Err(VaultFault::Master { epoch });
            }
            insert(connection, rows, doing).await?;
            Ok(query("COMMIT").execute(connection).await.map_err(sql(doing))?)
        };
        let inserted = inserted.await;
        self.ended(inserted).await
    }

    /// Replaces all wraps by what is made of them, and the header's key with them; gives how many.
    pub(super) async fn rotate(
        &mut self,
        renew: impl FnOnce(Vec<WrapRow>) -> Result<(Vec<WrapRow>, Header), VaultFault>,
    ) -> Result<u64, VaultFault> {
        let doing = "rotating data keys";
        let connection = self.connection().await?;
        let rotated = async {
            query(BEGIN).execute(connection).await.map_err(sql(doing))?;
            let _ = query(EPOCH_TO_ROTATE).fetch_one(connection).await.map_err(sql(doing))?;
            let rows = query(ALL).fetch_all(connection).await.map_err(sql(doing))?;
            let (rows, header) = renew(rows.iter().map(row).collect::<Result<_, _>>()?)?;
            for row in &rows {
                let replace = query(REPLACE).bind(row.epoch.cast_signed()).bind(row.wrap.as_slice());
                let replace = replace.bind(row.subject.0.to_vec()).bind(tier_number(row.tier)).bind(row.org.as_str());
                replace.execute(connection).await.map_err(sql(doing))?;
            }
            let renew = query(RENEW).bind(header.epoch.cast_signed()).bind(header.nonce.to_vec()).bind(header.blind);
            renew.execute(connection).await.map_err(sql(doing))?;
            query("COMMIT").execute(connection).await.map_err(sql(doing))?;
            place::wipe(connection, doing).await?;
            Ok(rows.len() as u64)
        };
        let rotated = rotated.await;
        self.ended(rotated).await
    }

    /// Takes back what an error left open.
    async fn ended<T>(&mut self, done: Result<T, VaultFault>) -> Result<T, VaultFault> {
        let Err(fault) = done else { return done };
        if let Some(connection) = self.connection.as_mut() {
            // A connection that is gone has no transaction, and neither has one after its commit.
            let _ = query("ROLLBACK").execute(connection).await;
        }
        match fault {
            VaultFault::Store(error) => Ok(self.heard(Err(error))?),
            fault => Err(fault),
        }
    }

    /// Everything, as of one moment.
    pub(super) async fn snapshot(&mut self) -> Result<(Header, Vec<WrapRow>), VaultFault> {
        self.connection().await?.begin_reading().await?;
        let read = async {
            let header = self.header().await?;
            let rows = self.fetch(query(ALL), "reading data keys").await?;
            Ok((header, rows.iter().map(row).collect::<Result<_, _>>()?))
        };
        let read = read.await;
        if let Some(connection) = self.connection.as_mut() {
            connection.end_reading().await?;
        }
        read
    }

    /// A consistent copy in a file that must not exist.
    pub(super) async fn copy_to(&mut self, path: &Path) -> Result<(), VaultFault> {
        if self.is_shared() {
            let (header, rows) = self.snapshot().await?;
            return Ok(Self::create(&Place::File(path.to_owned()), &header, &rows).await?);
        }
        let copy = query("VACUUM INTO $1").bind(path.to_string_lossy().as_ref());
        Ok(copy.execute(self.connection().await?).await.map_err(sql("copying the vault"))?)
    }

    /// Destroys the wraps of a subject; gives how many there were.
    pub(super) async fn destroy(&mut self, tag: Tag) -> Result<u64, StoreError> {
        let doing = "destroying data keys";
        let destroyed = self.fetch(query(DESTROY).bind(tag.0.to_vec()), doing).await?.len() as u64;
        let wiped = place::wipe(self.connection().await?, doing).await;
        self.heard(wiped)?;
        Ok(destroyed)
    }

    pub(super) async fn close(&mut self) -> Result<(), StoreError> {
        self.closed = true;
        match self.connection.take() {
            Some(connection) => connection.close().await.map_err(sql("closing the vault")),
            None => Ok(()),
        }
    }
}

/// A connection, made by a future that is no more than a pointer to whoever asks the vault something.
async fn open(place: &Place, reads: bool) -> Result<Connection, VaultFault> {
    if reads { Box::pin(place::open_read_only(place)).await } else { Box::pin(place::open(place)).await }
}

async fn insert(connection: &mut Connection, rows: &[WrapRow], doing: &'static str) -> Result<(), StoreError> {
    for some in rows.chunks(ROWS_MAX) {
        let parameters = |row: usize| {
            let numbers: Vec<String> = (1..=COLUMNS).map(|column| format!("${}", row * COLUMNS + column)).collect();
            format!("({})", numbers.join(", "))
        };
        let statement = format!("{INSERT}{}", (0..some.len()).map(parameters).collect::<Vec<_>>().join(", "));
        let values = some.iter().flat_map(|row| {
            let numbers = [tier_number(row.tier), row.epoch.cast_signed()].map(|n| Value::Integer(Some(n)));
            let [tier, epoch] = numbers;
            let [subject, wrap] = [row.subject.0.to_vec(), row.wrap.clone()].map(|bytes| Value::Bytes(Some(bytes)));
            [subject, tier, Value::Text(Some(row.org.clone())), epoch, wrap]
        });
        values.fold(query(statement), Query::bind).execute(connection).await.map_err(sql(doing))?;
    }
    Ok(())
}

fn tag(row: &Row, column: usize) -> Result<Tag, StoreError> {
    let tag = <[u8; 16]>::try_from(row.get::<&[u8]>(column));
    tag.map(Tag).map_err(|_| StoreError::row(0, "wraps", "a subject is not 16 bytes"))
}

fn row(row: &Row) -> Result<WrapRow, StoreError> {
    let bad = |what: &str| StoreError::row(0, "wraps", what);
    Ok(WrapRow {
        subject: tag(row, 0)?,
        tier: tier_of(row.get(1)).ok_or_else(|| bad("there is no such tier"))?,
        org: row.get(2),
        epoch: row.number(3),
        wrap: row.get(4),
    })
}
