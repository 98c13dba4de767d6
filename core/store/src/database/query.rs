//! One question for either database.
//!
//! Parameters are `$1`, `$2`, …, which both understand. A list is one parameter: `IN (SELECT value FROM json_each($1))` in
//! SQLite, `= ANY ($1)` in PostgreSQL; where the texts differ, [`Sql::Each`] has both. Integers are 64 bits wide in both.

use sqlx::{
    AssertSqlSafe, Decode, Postgres, Row as _, SqlSafeStr as _, SqlStr, Sqlite, Type,
    postgres::{PgArguments, PgRow},
    sqlite::{SqliteArguments, SqliteRow},
};

use super::{Connection, Driver};

/// A statement's text.
#[derive(Clone, Debug)]
pub(crate) enum Sql {
    Both(&'static str),
    Each {
        sqlite: &'static str,
        postgres: &'static str,
    },
    /// Put together from constants of ours, understood by both.
    Made(String),
}

impl From<&'static str> for Sql {
    fn from(text: &'static str) -> Self {
        Self::Both(text)
    }
}

impl From<String> for Sql {
    fn from(text: String) -> Self {
        Self::Made(text)
    }
}

impl Sql {
    fn sqlite(self) -> SqlStr {
        match self {
            Self::Both(text) | Self::Each { sqlite: text, .. } => text.into_sql_str(),
            Self::Made(text) => AssertSqlSafe(text).into_sql_str(),
        }
    }

    fn postgres(self) -> SqlStr {
        match self {
            Self::Both(text) | Self::Each { postgres: text, .. } => text.into_sql_str(),
            Self::Made(text) => AssertSqlSafe(text).into_sql_str(),
        }
    }
}

/// What a parameter stands for.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Integer(Option<i64>),
    Text(Option<String>),
    Bytes(Option<Vec<u8>>),
    Integers(Vec<i64>),
    Texts(Vec<String>),
    ManyBytes(Vec<Vec<u8>>),
}

macro_rules! values {
    ($($type:ty => $value:expr),* $(,)?) => {$(
        impl From<$type> for Value {
            fn from(value: $type) -> Self {
                let make: fn($type) -> Self = $value;
                make(value)
            }
        }
    )*};
}

values! {
    i64 => |value| Self::Integer(Some(value)),
    Option<i64> => Self::Integer,
    String => |value| Self::Text(Some(value)),
    Option<String> => Self::Text,
    &str => |value| Self::Text(Some(value.to_owned())),
    Vec<u8> => |value| Self::Bytes(Some(value)),
    Option<Vec<u8>> => Self::Bytes,
    &[u8] => |value| Self::Bytes(Some(value.to_owned())),
    Vec<i64> => Self::Integers,
    Vec<String> => Self::Texts,
    Vec<Vec<u8>> => Self::ManyBytes,
}

/// A statement with what its parameters stand for.
pub(crate) struct Query {
    text: Sql,
    values: Vec<Value>,
}

/// See [`Query`].
pub(crate) fn query(text: impl Into<Sql>) -> Query {
    Query { text: text.into(), values: Vec::new() }
}

type Bound<'q, DB, A> = sqlx::query::Query<'q, DB, A>;

impl Query {
    /// What the next parameter stands for.
    pub(crate) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    fn sqlite(self) -> Bound<'static, Sqlite, SqliteArguments> {
        let json = |list: serde_json::Result<String>| list.expect("numbers and strings have JSON");
        self.values.into_iter().fold(sqlx::query(self.text.sqlite()), |query, value| match value {
            Value::Integer(value) => query.bind(value),
            Value::Text(value) => query.bind(value),
            Value::Bytes(value) => query.bind(value),
            Value::Integers(list) => query.bind(json(serde_json::to_string(&list))),
            Value::Texts(list) => query.bind(json(serde_json::to_string(&list))),
            Value::ManyBytes(list) => {
                query.bind(json(serde_json::to_string(&list.iter().map(|bytes| hex(bytes)).collect::<Vec<_>>())))
            }
        })
    }

    fn postgres(self) -> Bound<'static, Postgres, PgArguments> {
        self.values.into_iter().fold(sqlx::query(self.text.postgres()), |query, value| match value {
            Value::Integer(value) => query.bind(value),
            Value::Text(value) => query.bind(value),
            Value::Bytes(value) => query.bind(value),
            Value::Integers(list) => query.bind(list),
            Value::Texts(list) => query.bind(list),
            Value::ManyBytes(list) => query.bind(list),
        })
    }

    pub(crate) async fn fetch_all(self, connection: &mut Connection) -> Result<Vec<Row>, sqlx::Error> {
        match connection.driver() {
            Driver::Sqlite(connection) => {
                let rows = self.sqlite().fetch_all(connection).await?;
                Ok(rows.into_iter().map(Row::Sqlite).collect())
            }
            Driver::Postgres(connection) => {
                let rows = self.postgres().fetch_all(connection).await?;
                Ok(rows.into_iter().map(Row::Postgres).collect())
            }
        }
    }

    pub(crate) async fn fetch_optional(self, connection: &mut Connection) -> Result<Option<Row>, sqlx::Error> {
        match connection.driver() {
            Driver::Sqlite(connection) => Ok(self.sqlite().fetch_optional(connection).await?.map(Row::Sqlite)),
            Driver::Postgres(connection) => Ok(self.postgres().fetch_optional(connection).await?.map(Row::Postgres)),
        }
    }

    pub(crate) async fn fetch_one(self, connection: &mut Connection) -> Result<Row, sqlx::Error> {
        self.fetch_optional(connection).await?.ok_or(sqlx::Error::RowNotFound)
    }

    pub(crate) async fn execute(self, connection: &mut Connection) -> Result<(), sqlx::Error> {
        match connection.driver() {
            Driver::Sqlite(connection) => self.sqlite().execute(connection).await.map(drop),
            Driver::Postgres(connection) => self.postgres().execute(connection).await.map(drop),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from_digit(digit.into(), 16).expect("a half byte is a hexadecimal digit"));
        }
        text
    })
}

/// A row of an answer.
pub(crate) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

impl Row {
    /// A column's value.
    ///
    /// # Panics
    /// When the statement gives no such column or another type: the statements are ours.
    pub(crate) fn get<'r, T>(&'r self, column: usize) -> T
    where
        T: Decode<'r, Sqlite> + Type<Sqlite> + Decode<'r, Postgres> + Type<Postgres>,
    {
        match self {
            Self::Sqlite(row) => row.get(column),
            Self::Postgres(row) => row.get(column),
        }
    }

    /// An integer that is never negative.
    pub(crate) fn number(&self, column: usize) -> u64 {
        self.get::<i64>(column).cast_unsigned()
    }
}
