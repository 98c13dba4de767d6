//! The working store's tables. Every statement on them is here.
//!
//! Where they are, and what is done so that what was removed is in no file, is in `beside`.

use std::time::Duration;

use gongkai_domain::vault::{NONCE_BYTES, Sealed};

use super::DraftFault;
use crate::{
    beside::{Beside, Kind, Turn},
    copying::{
        Column::{Bytes, Integer},
        table,
    },
    database::{self, Query, query},
    error::{StoreError, sql},
    layout::Layout,
    marked::Marked,
    vault::Tag,
};

/// Drafts that are copied at a time: none is longer than [`super::DRAFT_BYTES_MAX`].
const PAGE: i64 = 16;

/// What the working store is.
pub(crate) const STORE: Kind = Kind {
    schema: "drafts",
    path: Layout::drafts,
    file: Marked {
        application_id: 0x476F_6E64, // "Gond"
        version: 1,
        schema: include_str!("../../../../migrations/drafts/sqlite/0001_drafts.sql"),
        doing: "using the working store",
    },
    server: &[include_str!("../../../../migrations/drafts/postgres/0001_drafts.sql")],
    tables: &[
        table(
            "drafts",
            1,
            &[
                Bytes("id"),
                Bytes("owner"),
                Integer("revision"),
                Integer("changed_at"),
                Integer("expires_at"),
                Bytes("nonce"),
                Bytes("sealed"),
            ],
        )
        .in_pages_of(PAGE),
        table("people", 2, &[Bytes("draft"), Bytes("person")]),
    ],
    patience: Duration::from_secs(5),
    // What it held was unsigned work, and nobody else's work waits for it.
    is_expendable: true,
};

const ONE: &str = "SELECT d.id, d.owner, d.revision, d.changed_at, d.expires_at, d.nonce, d.sealed FROM drafts d \
                   WHERE d.id = $1 AND d.expires_at > $2";
const OF_PERSON: &str = "SELECT d.id, d.owner, d.revision, d.changed_at, d.expires_at, d.nonce, d.sealed \
                         FROM people p JOIN drafts d ON d.id = p.draft WHERE p.person = $1 AND d.expires_at > $2 \
                         ORDER BY d.changed_at DESC, d.id LIMIT $3";
const MAY_SEE: &str = "SELECT COUNT(*) FROM people WHERE draft = $1 AND person = $2";
const OWNED: &str = "SELECT COUNT(*) FROM drafts WHERE owner = $1 AND id <> $2";
const SIZE: &str = "SELECT COUNT(*), COALESCE(SUM(length(sealed)), 0) FROM drafts WHERE id <> $1";
const WRITE: &str = "INSERT INTO drafts (id, owner, revision, changed_at, expires_at, nonce, sealed) \
                     VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (id) DO UPDATE SET revision = excluded.revision, \
                     changed_at = excluded.changed_at, expires_at = excluded.expires_at, nonce = excluded.nonce, \
                     sealed = excluded.sealed";
const NOBODY: &str = "DELETE FROM people WHERE draft = $1";
const SOMEBODY: &str = "INSERT INTO people (draft, person) VALUES ($1, $2) ON CONFLICT DO NOTHING";
const REMOVE: &str = "DELETE FROM drafts WHERE id = $1";
const EXPIRE: &str = "DELETE FROM drafts WHERE expires_at <= $1";

/// A row as it is stored.
pub(super) struct Row {
    pub id: [u8; 16],
    pub owner: Tag,
    pub revision: u64,
    pub changed_at: i64,
    pub expires_at: i64,
    pub sealed: Sealed,
}

/// The tables, of which everything is asked between [`Table::begin`] and [`Table::end`].
pub(super) struct Table {
    store: Beside,
    // Whether something was removed that lies in some file still.
    wipes: bool,
}

impl Table {
    pub(super) async fn open(layout: &Layout) -> Result<Self, DraftFault> {
        Ok(Self { store: Beside::open(&STORE, layout).await?, wipes: false })
    }

    /// Begins a transaction, without what is over by then; whoever compares something before they write has a turn alone.
    pub(super) async fn begin(&mut self, now: i64, turn: Turn) -> Result<(), DraftFault> {
        self.store.begin(turn).await?;
        let expired = query(EXPIRE).bind(now).change(self.store.connection()?).await;
        match expired.map_err(sql("removing old drafts")) {
            Ok(count) => {
                self.wipes |= count > 0;
                Ok(())
            }
            Err(error) => Ok(self.store.end(Err(error)).await?),
        }
    }

    /// Ends it: durably, or not at all.
    pub(super) async fn end<T>(&mut self, done: Result<T, DraftFault>) -> Result<T, DraftFault> {
        let done = self.store.end(done).await?;
        if self.wipes {
            self.store.wipe().await?;
            self.wipes = false;
        }
        Ok(done)
    }

    async fn fetch(&mut self, query: Query, doing: &'static str) -> Result<Vec<database::Row>, StoreError> {
        query.fetch_all(self.store.connection()?).await.map_err(sql(doing))
    }

    async fn change(&mut self, query: Query, doing: &'static str) -> Result<(), StoreError> {
        query.execute(self.store.connection()?).await.map_err(sql(doing))
    }

    async fn numbers<const N: usize>(&mut self, query: Query) -> Result<[u64; N], StoreError> {
        let row = query.fetch_one(self.store.connection()?).await.map_err(sql("counting drafts"))?;
        Ok(std::array::from_fn(|column| row.number(column)))
    }

    pub(super) async fn one(&mut self, id: [u8; 16], now: i64) -> Result<Option<Row>, StoreError> {
        let found = self.fetch(query(ONE).bind(id.to_vec()).bind(now), "reading a draft").await?;
        found.first().map(row).transpose()
    }

    pub(super) async fn of_person(&mut self, person: Tag, now: i64, limit: i64) -> Result<Vec<Row>, StoreError> {
        let query = query(OF_PERSON).bind(person.0.to_vec()).bind(now).bind(limit);
        self.fetch(query, "reading drafts").await?.iter().map(row).collect()
    }

    pub(super) async fn may_see(&mut self, id: [u8; 16], person: Tag) -> Result<bool, StoreError> {
        let [count] = self.numbers(query(MAY_SEE).bind(id.to_vec()).bind(person.0.to_vec())).await?;
        Ok(count > 0)
    }

    /// How many others the owner has, how many others there are, and their bytes.
    pub(super) async fn sizes(&mut self, owner: Tag, but: [u8; 16]) -> Result<(u64, u64, u64), StoreError> {
        let [own] = self.numbers(query(OWNED).bind(owner.0.to_vec()).bind(but.to_vec())).await?;
        let [count, bytes] = self.numbers(query(SIZE).bind(but.to_vec())).await?;
        Ok((own, count, bytes))
    }

    /// Writes a draft with everybody who may see it.
    pub(super) async fn write(&mut self, row: &Row, people: &[Tag]) -> Result<(), StoreError> {
        let doing = "writing a draft";
        self.rewrite(row).await?;
        self.change(query(NOBODY).bind(row.id.to_vec()), doing).await?;
        for person in people {
            self.change(query(SOMEBODY).bind(row.id.to_vec()).bind(person.0.to_vec()), doing).await?;
        }
        Ok(())
    }

    /// Writes a draft that is there; who may see it stays.
    pub(super) async fn rewrite(&mut self, row: &Row) -> Result<(), StoreError> {
        let query = query(WRITE).bind(row.id.to_vec()).bind(row.owner.0.to_vec());
        let query = query.bind(row.revision.cast_signed()).bind(row.changed_at).bind(row.expires_at);
        let query = query.bind(row.sealed.nonce.to_vec()).bind(row.sealed.bytes.as_slice());
        self.change(query, "writing a draft").await
    }

    /// Removes a draft, from every file when the transaction has ended.
    pub(super) async fn remove(&mut self, id: [u8; 16]) -> Result<(), StoreError> {
        self.wipes = true;
        self.change(query(REMOVE).bind(id.to_vec()), "removing a draft").await
    }
}

fn row(row: &database::Row) -> Result<Row, StoreError> {
    let bad = |what: &str| StoreError::row(0, "drafts", what);
    let id = <[u8; 16]>::try_from(row.get::<&[u8]>(0)).map_err(|_| bad("an id is not 16 bytes"))?;
    let owner = <[u8; 16]>::try_from(row.get::<&[u8]>(1)).map_err(|_| bad("an owner is not 16 bytes"))?;
    let nonce = <[u8; NONCE_BYTES]>::try_from(row.get::<&[u8]>(5)).map_err(|_| bad("a nonce is not 24 bytes"))?;
    let sealed = Sealed { nonce, bytes: row.get(6) };
    Ok(Row { id, owner: Tag(owner), revision: row.number(2), changed_at: row.get(3), expires_at: row.get(4), sealed })
}
