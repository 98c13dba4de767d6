//! The intake's database. Every statement of it is here.
//!
//! What a writing call returned from is on the disk (`marked`).

use std::path::Path;

use chrono::{DateTime, Utc};
use gongkai_domain::gap::{Batch, Capsules, Item, LABEL_BYTES, LATE_MAX, LatePacket};
use gongkai_log::{
    Digest,
    time::{format_recorded, parse_recorded},
};
use sqlx::{Connection as _, Row as _, SqliteConnection, sqlite::SqliteRow};

use super::IntakeFault;
use crate::{
    error::{StoreError, sql},
    marked::Marked,
    sealed_reader::SealedProof,
};

const FILE: Marked = Marked {
    application_id: 0x476F_6E69, // "Goni"
    version: 1,
    schema: include_str!("../../../../migrations/intake/sqlite/0001_packets.sql"),
    doing: "opening the intake's book",
};

const PROMISED: &str = "SELECT commitment, salt, received_at, deadline FROM packets WHERE hash = ?";
const KEEP: &str =
    "INSERT INTO packets (hash, commitment, salt, received_at, deadline, packet) VALUES (?, ?, ?, ?, ?, ?)";
const WAITING: &str = "SELECT seq, commitment FROM packets WHERE batch IS NULL ORDER BY seq";
const WAITING_COUNT: &str = "SELECT COUNT(*) FROM packets WHERE batch IS NULL";
const RECORD: &str = "INSERT INTO batches (number, entry, nonce) VALUES (?, ?, ?)";
const PLACE: &str = "UPDATE packets SET batch = ?, leaf = ?, path = ? WHERE seq = ?";
const ENTRIES: &str = "SELECT number, entry FROM batches ORDER BY number";
const BATCH: &str = "SELECT entry, nonce FROM batches WHERE number = ?";
const PACKETS: &str = "SELECT leaf, salt, packet FROM packets WHERE batch = ? ORDER BY leaf";
const PLACE_OF: &str = "SELECT batch, leaf, path FROM packets WHERE commitment = ? AND batch IS NOT NULL";
const ANSWERED: &str = "SELECT as_of, upto FROM answered";
const ANSWER: &str = "INSERT INTO answered (one, as_of, upto) VALUES (1, ?, ?) \
                      ON CONFLICT (one) DO UPDATE SET as_of = excluded.as_of, upto = excluded.upto";
const NO_CAPSULES: &str = "DELETE FROM capsules";
const CAPSULE: &str = "INSERT OR REPLACE INTO capsules (label, capsule) VALUES (?, ?)";
const CAPSULE_OF: &str = "SELECT capsule FROM capsules WHERE label = ?";
const FORGET: &str = "UPDATE packets SET packet = NULL WHERE batch < ? AND packet IS NOT NULL";
const OVERDUE: &str = "SELECT COUNT(*) FROM packets WHERE packet IS NOT NULL AND deadline < ?";
const LATE: &str = "SELECT batch, leaf, deadline FROM packets WHERE packet IS NOT NULL AND deadline < ? \
                    ORDER BY deadline, seq LIMIT ?";

/// A packet with its promise.
#[derive(Clone, Copy)]
pub(super) struct NewPacket {
    pub hash: Digest,
    pub commitment: Digest,
    pub salt: Digest,
    pub received_at: DateTime<Utc>,
    pub deadline: DateTime<Utc>,
}

/// A period with the places of its packets.
pub(super) struct NewBatch {
    pub number: u64,
    pub entry: Vec<u8>,
    pub nonce: Digest,
    pub places: Vec<(i64, (u64, Vec<Digest>))>,
}

fn bytes(digest: &Digest) -> Vec<u8> {
    digest.as_bytes().to_vec()
}

fn digest(row: &SqliteRow, column: usize) -> Result<Digest, StoreError> {
    let bytes = <[u8; 32]>::try_from(row.get::<&[u8], _>(column));
    bytes.map(Digest::from_bytes).map_err(|_| StoreError::row(0, "packets", "a hash is not 32 bytes"))
}

fn time(row: &SqliteRow, column: usize) -> Result<DateTime<Utc>, StoreError> {
    parse_recorded(row.get(column)).map_err(|_| StoreError::row(0, "packets", "a time is malformed"))
}

fn text(time: &DateTime<Utc>) -> Result<String, StoreError> {
    format_recorded(time).map_err(|_| StoreError::row(0, "packets", "a time has no text"))
}

/// One connection.
pub(super) struct Table(SqliteConnection);

impl Table {
    #[cfg(test)]
    pub(super) async fn close(self) {
        self.0.close().await.expect("the book closes");
    }

    pub(super) async fn open(path: &Path) -> Result<Self, IntakeFault> {
        let connection = FILE.open(path, |options| options.pragma("secure_delete", "ON")).await?;
        connection.map(Self).ok_or_else(|| IntakeFault::Foreign(path.to_owned()))
    }

    pub(super) async fn promised(&mut self, hash: &Digest) -> Result<Option<NewPacket>, StoreError> {
        let query = sqlx::query(PROMISED).bind(bytes(hash));
        let Some(row) = query.fetch_optional(&mut self.0).await.map_err(sql("reading a promise"))? else {
            return Ok(None);
        };
        let (commitment, salt) = (digest(&row, 0)?, digest(&row, 1)?);
        let (received_at, deadline) = (time(&row, 2)?, time(&row, 3)?);
        Ok(Some(NewPacket { hash: *hash, commitment, salt, received_at, deadline }))
    }

    pub(super) async fn keep(&mut self, packet: &NewPacket, said: &str) -> Result<(), StoreError> {
        let NewPacket { hash, commitment, salt, received_at, deadline } = packet;
        let query = sqlx::query(KEEP).bind(bytes(hash)).bind(bytes(commitment)).bind(bytes(salt));
        let query = query.bind(text(received_at)?).bind(text(deadline)?).bind(said);
        query.execute(&mut self.0).await.map(drop).map_err(sql("keeping a packet"))
    }

    pub(super) async fn waiting_count(&mut self) -> Result<u64, StoreError> {
        let query = sqlx::query_scalar::<_, i64>(WAITING_COUNT);
        Ok(query.fetch_one(&mut self.0).await.map_err(sql("counting packets"))?.cast_unsigned())
    }

    /// What waits for its period: number and commitment, in the order of receipt.
    pub(super) async fn waiting(&mut self) -> Result<Vec<(i64, Digest)>, StoreError> {
        let rows = sqlx::query(WAITING).fetch_all(&mut self.0).await.map_err(sql("reading packets"))?;
        rows.iter().map(|row| Ok((row.get(0), digest(row, 1)?))).collect()
    }

    /// A period with the places of its packets, all or nothing.
    pub(super) async fn record(&mut self, batch: &NewBatch) -> Result<(), StoreError> {
        let doing = "recording a period";
        let number = batch.number.cast_signed();
        let mut transaction = self.0.begin_with("BEGIN IMMEDIATE").await.map_err(sql(doing))?;
        let query = sqlx::query(RECORD).bind(number).bind(batch.entry.as_slice()).bind(bytes(&batch.nonce));
        query.execute(&mut *transaction).await.map_err(sql(doing))?;
        for (seq, (leaf, path)) in &batch.places {
            let path: Vec<u8> = path.iter().flat_map(|hash| *hash.as_bytes()).collect();
            let query = sqlx::query(PLACE).bind(number).bind(leaf.cast_signed()).bind(path).bind(seq);
            query.execute(&mut *transaction).await.map_err(sql(doing))?;
        }
        transaction.commit().await.map_err(sql(doing))
    }

    /// All entries with their numbers.
    pub(super) async fn entries(&mut self) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        let rows = sqlx::query(ENTRIES).fetch_all(&mut self.0).await.map_err(sql("reading periods"))?;
        Ok(rows.iter().map(|row| (row.get::<i64, _>(0).cast_unsigned(), row.get(1))).collect())
    }

    /// A period with its packets.
    pub(super) async fn batch(&mut self, number: u64) -> Result<Option<Batch>, IntakeFault> {
        let doing = "reading a period";
        let query = sqlx::query(BATCH).bind(number.cast_signed());
        let Some(row) = query.fetch_optional(&mut self.0).await.map_err(sql(doing))? else { return Ok(None) };
        let damaged = |reason: &str| IntakeFault::Damaged { index: number, reason: reason.to_owned() };
        let entry = String::from_utf8(row.get(0)).map_err(|_| damaged("not UTF-8"))?;
        let nonce = digest(&row, 1)?;
        let query = sqlx::query(PACKETS).bind(number.cast_signed());
        let mut packets = Vec::new();
        for row in query.fetch_all(&mut self.0).await.map_err(sql(doing))? {
            let packet = row.get::<Option<String>, _>(2).ok_or_else(|| damaged("its packets are forgotten"))?;
            packets.push(Item { leaf: row.get::<i64, _>(0).cast_unsigned(), salt: digest(&row, 1)?, packet });
        }
        Ok(Some(Batch { entry, nonce, packets }))
    }

    pub(super) async fn place(&mut self, commitment: &Digest) -> Result<Option<SealedProof>, StoreError> {
        let query = sqlx::query(PLACE_OF).bind(bytes(commitment));
        let Some(row) = query.fetch_optional(&mut self.0).await.map_err(sql("reading a place"))? else {
            return Ok(None);
        };
        let [index, leaf] = [0, 1].map(|column| row.get::<i64, _>(column).cast_unsigned());
        let path = row.get::<&[u8], _>(2).as_chunks::<32>().0.iter().map(|hash| Digest::from_bytes(*hash)).collect();
        Ok(Some(SealedProof { index, leaf, path }))
    }

    /// As of when the capsules are, and up to which period the ledger has answered.
    pub(super) async fn answered(&mut self) -> Result<Option<(DateTime<Utc>, u64)>, StoreError> {
        let row = sqlx::query(ANSWERED).fetch_optional(&mut self.0).await.map_err(sql("reading the answers"))?;
        row.map(|row| Ok((time(&row, 0)?, row.get::<i64, _>(1).cast_unsigned()))).transpose()
    }

    /// All capsules in place of the last, and the packets forgotten that are answered.
    pub(super) async fn replace(&mut self, capsules: &Capsules) -> Result<(), StoreError> {
        let doing = "keeping capsules";
        let upto = capsules.answered.cast_signed();
        let mut transaction = self.0.begin_with("BEGIN IMMEDIATE").await.map_err(sql(doing))?;
        sqlx::query(NO_CAPSULES).execute(&mut *transaction).await.map_err(sql(doing))?;
        for capsule in &capsules.capsules {
            let query = sqlx::query(CAPSULE).bind(&capsule[..LABEL_BYTES]).bind(capsule.as_slice());
            query.execute(&mut *transaction).await.map_err(sql(doing))?;
        }
        sqlx::query(FORGET).bind(upto).execute(&mut *transaction).await.map_err(sql(doing))?;
        let query = sqlx::query(ANSWER).bind(text(&capsules.as_of)?).bind(upto);
        query.execute(&mut *transaction).await.map_err(sql(doing))?;
        transaction.commit().await.map_err(sql(doing))
    }

    pub(super) async fn capsule(&mut self, label: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let query = sqlx::query_scalar::<_, Vec<u8>>(CAPSULE_OF).bind(label);
        query.fetch_optional(&mut self.0).await.map_err(sql("reading a capsule"))
    }

    pub(super) async fn overdue(&mut self, now: DateTime<Utc>) -> Result<u64, StoreError> {
        let query = sqlx::query_scalar::<_, i64>(OVERDUE).bind(text(&now)?);
        Ok(query.fetch_one(&mut self.0).await.map_err(sql("counting packets"))?.cast_unsigned())
    }

    /// The first of them by their deadlines.
    pub(super) async fn late(&mut self, now: DateTime<Utc>) -> Result<Vec<LatePacket>, StoreError> {
        let query = sqlx::query(LATE).bind(text(&now)?).bind(i64::try_from(LATE_MAX).unwrap_or(i64::MAX));
        let rows = query.fetch_all(&mut self.0).await.map_err(sql("listing packets"))?;
        let number = |row: &SqliteRow, column: usize| row.get::<Option<i64>, _>(column).map(i64::cast_unsigned);
        let place = |row: &SqliteRow| number(row, 0).zip(number(row, 1));
        rows.iter().map(|row| Ok(LatePacket { place: place(row), deadline: time(row, 2)? })).collect()
    }
}
