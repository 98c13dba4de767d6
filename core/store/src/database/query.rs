//! One question for either database.
//!
//! Parameters are `$1`, `$2`, …, which both understand. A list is one parameter: `IN (SELECT value FROM json_each($1))` in
//! SQLite, `= ANY ($1)` in PostgreSQL; where the texts differ, [`Sql::Each`] has both. Integers are 64 bits wide in both.

use sqlx::{
    AssertSqlSafe, Decode, Postgres, Row as _, SqlSafeStr as _, SqlStr, Sqlite, Type,
    postgres::{PgArguments, PgRow},
    sqlite::{SqliteArguments, SqliteRow},
};

use super::{Driver, Reach};

/// A statement's text.
#[derive(Clone, Debug)]
pub enum Sql {
    /// Understood by both.
    Both(&'static str),
    /// Two texts that ask the same.
    Each {
        /// SQLite's.
        sqlite: &'static str,
        /// PostgreSQL's.
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
pub enum Value {
    /// A number.
    Integer(Option<i64>),
    /// A text.
    Text(Option<String>),
    /// Bytes.
    Bytes(Option<Vec<u8>>),
    /// A list of numbers.
    Integers(Vec<i64>),
    /// A list of texts.
    Texts(Vec<String>),
    /// A list of bytes.
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
pub struct Query {
    text: Sql,
    values: Vec<Value>,
}

/// See [`Query`].
pub fn query(text: impl Into<Sql>) -> Query {
    Query { text: text.into(), values: Vec::new() }
}

type Bound<'q, DB, A> = sqlx::query::Query<'q, DB, A>;

impl Query {
    /// What the next parameter stands for.
    #[must_use]
    pub fn bind(mut self, value: impl Into<Value>) -> Self {
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

    /// Every row of the answer.
    ///
    /// # Errors
    /// What the driver says.
    pub async fn fetch_all(self, on: &mut impl Reach) -> Result<Vec<Row>, sqlx::Error> {
        match on.driver() {
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

    /// The first row, where there is one.
    ///
    /// # Errors
    /// What the driver says.
    pub async fn fetch_optional(self, on: &mut impl Reach) -> Result<Option<Row>, sqlx::Error> {
        match on.driver() {
            Driver::Sqlite(connection) => Ok(self.sqlite().fetch_optional(connection).await?.map(Row::Sqlite)),
            Driver::Postgres(connection) => Ok(self.postgres().fetch_optional(connection).await?.map(Row::Postgres)),
        }
    }

    pub(crate) async fn fetch_one(self, on: &mut impl Reach) -> Result<Row, sqlx::Error> {
        self.fetch_optional(on).await?.ok_or(sqlx::Error::RowNotFound)
    }

    /// Does it; how many rows it changed.
    ///
    /// # Errors
    /// What the driver says.
    pub async fn change(self, on: &mut impl Reach) -> Result<u64, sqlx::Error> {
        match on.driver() {
            Driver::Sqlite(connection) => Ok(self.sqlite().execute(connection).await?.rows_affected()),
            Driver::Postgres(connection) => Ok(self.postgres().execute(connection).await?.rows_affected()),
        }
    }

    pub(crate) async fn execute(self, on: &mut impl Reach) -> Result<(), sqlx::Error> {
        self.change(on).await.map(drop)
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
pub enum Row {
    /// Of SQLite.
    Sqlite(SqliteRow),
    /// Of PostgreSQL.
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

    /// A column's value by its place, as [`Self::named`].
    ///
    /// # Errors
    /// When it is not there, or of another type.
    pub fn at<'r, T>(&'r self, column: usize) -> Result<T, sqlx::Error>
    where
        T: Decode<'r, Sqlite> + Type<Sqlite> + Decode<'r, Postgres> + Type<Postgres>,
    {
        match self {
            Self::Sqlite(row) => row.try_get(column),
            Self::Postgres(row) => row.try_get(column),
        }
    }

    /// A column's value by its name.
    ///
    /// # Errors
    /// When it is not there, or of another type.
    pub fn named<'r, T>(&'r self, column: &str) -> Result<T, sqlx::Error>
    where
        T: Decode<'r, Sqlite> + Type<Sqlite> + Decode<'r, Postgres> + Type<Postgres>,
    {
        match self {
            Self::Sqlite(row) => row.try_get(column),
            Self::Postgres(row) => row.try_get(column),
        }
    }

    /// An integer that is never negative.
    pub(crate) fn number(&self, column: usize) -> u64 {
        self.get::<i64>(column).cast_unsigned()
    }
}
