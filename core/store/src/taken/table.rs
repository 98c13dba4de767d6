//! The table of what was taken in. Every statement on it is here; where it is, is in `beside`.

use std::time::Duration;

use super::TakenFault;
use crate::{
    beside::{Beside, Kind, Turn},
    copying::{
        Column::{Bytes, Integer},
        table,
    },
    database::{self, query},
    error::{StoreError, sql},
    layout::Layout,
    marked::Marked,
    vault::Tag,
};

/// What the record of what was taken in is.
pub(crate) const STORE: Kind = Kind {
    schema: "taken",
    path: Layout::taken,
    file: Marked {
        application_id: 0x476F_6E74, // "Gont"
        version: 1,
        schema: include_str!("../../../../migrations/taken/sqlite/0001_taken.sql"),
        doing: "using what was taken in",
    },
    server: &[include_str!("../../../../migrations/taken/postgres/0001_taken.sql")],
    tables: &[table(
        "taken",
        1,
        &[Bytes("tag"), Bytes("intake"), Integer("batch"), Integer("place"), Integer("taken_at"), Bytes("sealed")],
    )],
    // A packet is recorded within it.
    patience: Duration::from_secs(10),
    is_expendable: false,
};

// Another node that answers the same packet has inserted its row and not committed it: this waits for its end.
const CLAIM: &str = "INSERT INTO taken (tag, intake, batch, place, taken_at, sealed) VALUES ($1, $2, $3, $4, $5, $6) \
                     ON CONFLICT (tag) DO NOTHING";
const SEAL: &str = "UPDATE taken SET sealed = $1 WHERE tag = $2";
const OF_BATCHES: &str = "SELECT tag, intake, batch, place, taken_at, sealed FROM taken \
                          WHERE intake = $1 AND batch >= $2 AND batch < $3 ORDER BY batch, place";
const EXPIRE: &str = "DELETE FROM taken WHERE taken_at < $1";

/// A row as it is stored.
pub(super) struct Row {
    pub tag: Tag,
    pub intake: Tag,
    pub batch: u64,
    pub place: u64,
    pub taken_at: i64,
    pub sealed: Vec<u8>,
}

/// The table, of which everything is asked between [`Table::begin`] and [`Table::end`].
pub(super) struct Table(Beside);

impl Table {
    pub(super) async fn open(layout: &Layout) -> Result<Self, TakenFault> {
        Ok(Self(Beside::open(&STORE, layout).await?))
    }

    pub(super) async fn begin(&mut self) -> Result<(), TakenFault> {
        Ok(self.0.begin(Turn::Among).await?)
    }

    /// Durably, or not at all.
    pub(super) async fn end<T, E: From<StoreError>>(&mut self, done: Result<T, E>) -> Result<T, E> {
        self.0.end(done).await
    }

    /// Makes a packet's row, which says nothing yet; whether nobody has made it before. Until the transaction ends nobody
    /// else finds out.
    pub(super) async fn claim(&mut self, row: &Row) -> Result<bool, StoreError> {
        let query = query(CLAIM).bind(row.tag.0.to_vec()).bind(row.intake.0.to_vec()).bind(row.batch.cast_signed());
        let query = query.bind(row.place.cast_signed()).bind(row.taken_at).bind(row.sealed.as_slice());
        let made = query.change(self.0.connection()?).await.map_err(sql("keeping what was taken in"))?;
        Ok(made == 1)
    }

    /// Writes what a row says.
    pub(super) async fn seal(&mut self, tag: Tag, sealed: &[u8]) -> Result<(), StoreError> {
        let query = query(SEAL).bind(sealed).bind(tag.0.to_vec());
        query.execute(self.0.connection()?).await.map_err(sql("keeping what was taken in"))
    }

    pub(super) async fn of_batches(&mut self, intake: Tag, from: u64, to: u64) -> Result<Vec<Row>, StoreError> {
        let query = query(OF_BATCHES).bind(intake.0.to_vec()).bind(from.cast_signed()).bind(to.cast_signed());
        let rows = query.fetch_all(self.0.connection()?).await.map_err(sql("reading what was taken in"))?;
        rows.iter().map(row).collect()
    }

    pub(super) async fn expire(&mut self, before: i64) -> Result<(), StoreError> {
        let expire = query(EXPIRE).bind(before).execute(self.0.connection()?).await;
        expire.map_err(sql("removing what was taken in long ago"))
    }
}

fn row(row: &database::Row) -> Result<Row, StoreError> {
    let tag = |column| {
        let bytes = <[u8; 16]>::try_from(row.get::<&[u8]>(column));
        bytes.map(Tag).map_err(|_| StoreError::row(0, "taken", "a tag is not 16 bytes"))
    };
    let (batch, place) = (row.number(2), row.number(3));
    Ok(Row { tag: tag(0)?, intake: tag(1)?, batch, place, taken_at: row.get(4), sealed: row.get(5) })
}
