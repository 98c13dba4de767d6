//! Rows that wait to be written, merged by key, and the transaction that writes them.
//!
//! Both databases get the same rows: SQLite by upserts of many rows, PostgreSQL by one upsert a table from lists, because
//! there each statement is a way there and back. Not here: which rows (`boards`), and when they are committed (`follower`).

use std::collections::BTreeMap;

use gongkai_store::database::{Driver, Query, Reach as _, Row, Transaction, query};
use sqlx::{AssertSqlSafe, SqliteConnection};

use crate::{
    follower::FollowError,
    lease::Fence,
    projection::{Arg, Change, Marks, Merged, PROJECTIONS, Table, Type},
    read::{Cursor, text},
};

/// Rows of one multi-row upsert of SQLite, largest first: few texts, so that each is prepared once.
const ROWS: [usize; 3] = [128, 16, 1];

const SET_CURSOR: &str = "INSERT INTO cursors (projection, version, next_index, halted) VALUES ($1, $2, $3, $4) \
     ON CONFLICT (projection) DO UPDATE SET version = excluded.version, next_index = excluded.next_index, halted = excluded.halted";
/// Every cursor that stands where the writer knows it; whoever was overtaken moves fewer than all.
const MOVE_CURSORS: &str = "UPDATE cursors SET version = n.version, next_index = n.next_index, halted = n.halted \
     FROM unnest(CAST($1 AS TEXT[]), CAST($2 AS BIGINT[]), CAST($3 AS BIGINT[]), CAST($4 AS TEXT[]), CAST($5 AS BIGINT[])) \
     AS n (projection, version, next_index, halted, stood) \
     WHERE cursors.projection = n.projection AND cursors.next_index = n.stood";

pub(crate) const STATEMENTS: &[(&str, &str)] = &[("rows.set_cursor", SET_CURSOR)];

/// How far each projection is.
pub(crate) type Cursors = BTreeMap<&'static str, Cursor>;

/// See the module.
pub(crate) struct Rows {
    pub transaction: Transaction,
    pub waiting: Merged,
    #[cfg(test)]
    pub statements_left: Option<usize>,
}

impl Rows {
    pub(crate) fn new(transaction: Transaction) -> Self {
        Self {
            transaction,
            waiting: Merged::default(),
            #[cfg(test)]
            statements_left: None,
        }
    }

    /// Writes what waits.
    pub(crate) async fn flush(&mut self) -> Result<(), FollowError> {
        for (table, rows) in std::mem::take(&mut self.waiting).into_tables() {
            match self.transaction.driver() {
                Driver::Sqlite(_) => self.many(table, rows).await?,
                Driver::Postgres(_) => self.lists(table, rows).await?,
            }
        }
        Ok(())
    }

    async fn many(&mut self, table: &'static Table, rows: Vec<Change>) -> Result<(), FollowError> {
        let mut rows = rows.into_iter();
        while rows.len() > 0 {
            let many = ROWS.into_iter().find(|many| *many <= rows.len()).unwrap_or(1);
            let args: Vec<Arg> = rows.by_ref().take(many).flat_map(|row| row.values).collect();
            #[cfg(test)]
            self.maybe_fail()?;
            let Driver::Sqlite(connection) = self.transaction.driver() else { continue };
            upsert(connection, table.upsert(many, Marks::Plain), args).await?;
        }
        Ok(())
    }

    async fn lists(&mut self, table: &'static Table, rows: Vec<Change>) -> Result<(), FollowError> {
        #[cfg(test)]
        self.maybe_fail()?;
        let Driver::Postgres(connection) = self.transaction.driver() else { return Ok(()) };
        let mut columns: Vec<_> = rows.into_iter().map(|row| row.values.into_iter()).collect();
        // The text is built from constants of this crate only.
        let mut query = sqlx::query(AssertSqlSafe(table.upsert_lists()));
        for (_, kind) in table.columns {
            let column = columns.iter_mut().filter_map(Iterator::next);
            query = match kind {
                Type::Text => query
                    .bind(column.map(|arg| if let Arg::Text(text) = arg { text } else { None }).collect::<Vec<_>>()),
                Type::Int => query
                    .bind(column.map(|arg| if let Arg::Int(number) = arg { number } else { None }).collect::<Vec<_>>()),
            };
        }
        query.execute(connection).await?;
        Ok(())
    }

    pub(crate) async fn execute(&mut self, sql: String, args: Vec<Arg>) -> Result<(), FollowError> {
        #[cfg(test)]
        self.maybe_fail()?;
        args.into_iter().fold(query(sql), Query::bind).change(&mut self.transaction).await?;
        Ok(())
    }

    pub(crate) async fn fetch(&mut self, sql: &'static str, arg: Arg) -> Result<Vec<Row>, FollowError> {
        Ok(query(sql).bind(arg).fetch_all(&mut self.transaction).await?)
    }

    /// Writes what waits, and how far each projection is now; `stood` is how far each was when the batch began.
    pub(crate) async fn finish(
        &mut self,
        (stood, cursors): (&Cursors, &Cursors),
        fence: Option<&Fence>,
    ) -> Result<(), FollowError> {
        self.flush().await?;
        if let Driver::Postgres(_) = self.transaction.driver() {
            self.move_cursors(stood, cursors).await?;
        } else {
            for projection in PROJECTIONS {
                let Some(cursor) = cursors.get(projection.name()) else { continue };
                let args = vec![
                    text(projection.name()),
                    Arg::Int(Some(i64::from(projection.version()))),
                    Arg::Int(i64::try_from(cursor.next_index).ok()),
                    Arg::Text(cursor.halted.clone()),
                ];
                self.execute(SET_CURSOR.to_owned(), args).await?;
            }
        }
        if let Some(fence) = fence {
            #[cfg(test)]
            self.maybe_fail()?;
            fence.renew(&mut self.transaction).await?;
        }
        #[cfg(test)]
        self.maybe_fail()?;
        Ok(())
    }

    async fn move_cursors(&mut self, stood: &Cursors, cursors: &Cursors) -> Result<(), FollowError> {
        #[cfg(test)]
        self.maybe_fail()?;
        let Driver::Postgres(connection) = self.transaction.driver() else { return Ok(()) };
        let index = |cursor: &Cursor| cursor.next_index.cast_signed();
        let version = |name: &&str| {
            let projection = PROJECTIONS.iter().find(|projection| projection.name() == *name);
            projection.map(|projection| i64::from(projection.version()))
        };
        let moved = sqlx::query(MOVE_CURSORS)
            .bind(cursors.keys().copied().collect::<Vec<_>>())
            .bind(cursors.keys().map(version).collect::<Vec<_>>())
            .bind(cursors.values().map(index).collect::<Vec<_>>())
            .bind(cursors.values().map(|cursor| cursor.halted.clone()).collect::<Vec<_>>())
            .bind(cursors.keys().map(|name| stood.get(name).map(index)).collect::<Vec<_>>())
            .execute(connection)
            .await?;
        if moved.rows_affected() == cursors.len() as u64 { Ok(()) } else { Err(FollowError::Overtaken) }
    }

    pub(crate) async fn commit(self) -> Result<(), FollowError> {
        Ok(self.transaction.commit().await?)
    }

    /// A test's crash: the transaction is dropped before the statement that it names.
    #[cfg(test)]
    fn maybe_fail(&mut self) -> Result<(), FollowError> {
        match &mut self.statements_left {
            Some(0) => Err(FollowError::Database(sqlx::Error::WorkerCrashed)),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }
}

async fn upsert(connection: &mut SqliteConnection, sql: String, args: Vec<Arg>) -> Result<(), sqlx::Error> {
    // The text is built from constants of this crate only.
    let mut query = sqlx::query(AssertSqlSafe(sql));
    for arg in args {
        query = match arg {
            Arg::Text(value) => query.bind(value),
            Arg::Int(value) => query.bind(value),
        };
    }
    query.execute(connection).await.map(drop)
}
