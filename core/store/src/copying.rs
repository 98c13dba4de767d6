//! Copying rows from one database to another, table by table: bytes stay what they are, whichever database they are in.
//!
//! Not here: which tables there are (`moving`, `beside`), and whether the copy is what it should be.

use crate::{
    database::{Connection, Query, Row, Value, query},
    error::{StoreError, sql},
};

/// Rows that are read at a time, and entries between two calls of the progress.
const PAGE: i64 = 512;

/// Rows of one INSERT: 15 columns of 64 rows are well below the parameters that either database takes.
const ROWS_MAX: usize = 64;

const DOING: &str = "copying rows";

/// What a column holds.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Column {
    Integer(&'static str),
    Text(&'static str),
    Bytes(&'static str),
}

impl Column {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Integer(name) | Self::Text(name) | Self::Bytes(name) => name,
        }
    }

    fn value(self, row: &Row, place: usize) -> Value {
        match self {
            Self::Integer(_) => Value::Integer(row.get(place)),
            Self::Text(_) => Value::Text(row.get(place)),
            Self::Bytes(_) => Value::Bytes(row.get(place)),
        }
    }
}

/// A table, with the columns that order it first.
pub(crate) struct Table {
    pub(crate) name: &'static str,
    key: usize,
    page: i64,
    pub(crate) columns: &'static [Column],
}

/// A table, the first columns of which are its key.
pub(crate) const fn table(name: &'static str, key: usize, columns: &'static [Column]) -> Table {
    Table { name, key, page: PAGE, columns }
}

/// Copies a table in the order of its key, a transaction a page; `told` hears how many rows were copied.
pub(crate) async fn copy(
    table: &Table,
    reading: &mut Connection,
    writing: &mut Connection,
    told: impl Fn(u64),
) -> Result<(), StoreError> {
    let mut after = None;
    let mut copied = 0;
    loop {
        let page = table.page(reading, &mut after).await?;
        if page.is_empty() {
            return Ok(());
        }
        query("BEGIN").execute(writing).await.map_err(sql(DOING))?;
        table.write(writing, &page, "").await?;
        query("COMMIT").execute(writing).await.map_err(sql(DOING))?;
        copied += page.len() as u64;
        told(copied);
    }
}

/// Copies the rows of these tables whose keys are not there yet, within the transaction that is open.
pub(crate) async fn copy_missing(
    tables: &[Table],
    reading: &mut Connection,
    writing: &mut Connection,
) -> Result<(), StoreError> {
    for table in tables {
        let mut after = None;
        loop {
            let page = table.page(reading, &mut after).await?;
            if page.is_empty() {
                break;
            }
            table.write(writing, &page, " ON CONFLICT DO NOTHING").await?;
        }
    }
    Ok(())
}

impl Table {
    /// The same with fewer rows in memory at a time, where a row is long.
    pub(crate) const fn in_pages_of(self, page: i64) -> Self {
        Self { page, ..self }
    }

    /// The rows after a key, which becomes that of the last of them.
    async fn page(&self, reading: &mut Connection, after: &mut Option<Vec<Value>>) -> Result<Vec<Row>, StoreError> {
        let select = query(self.select(after.is_some()));
        let select = after.iter().flatten().cloned().fold(select, Query::bind);
        let page = select.bind(self.page).fetch_all(reading).await.map_err(sql(DOING))?;
        *after = page.last().map(|last| self.values(last).take(self.key).collect());
        Ok(page)
    }

    async fn write(&self, writing: &mut Connection, page: &[Row], end: &str) -> Result<(), StoreError> {
        for rows in page.chunks(ROWS_MAX) {
            let insert = query(self.insert(rows.len()) + end);
            let insert = rows.iter().flat_map(|row| self.values(row)).fold(insert, Query::bind);
            insert.execute(writing).await.map_err(sql(DOING))?;
        }
        Ok(())
    }

    fn values(&self, row: &Row) -> impl Iterator<Item = Value> {
        self.columns.iter().enumerate().map(|(place, column)| column.value(row, place))
    }

    fn names(&self, columns: usize) -> String {
        self.columns[..columns].iter().map(|column| column.name()).collect::<Vec<_>>().join(", ")
    }

    /// The next page, after a key if there is one.
    fn select(&self, after: bool) -> String {
        let (all, key) = (self.names(self.columns.len()), self.names(self.key));
        let parameters = |count: usize| (1..=count).map(|n| format!("${n}")).collect::<Vec<_>>().join(", ");
        let (condition, limit) = if after {
            (format!("WHERE ({key}) > ({}) ", parameters(self.key)), self.key + 1)
        } else {
            (String::new(), 1)
        };
        format!("SELECT {all} FROM {} {condition}ORDER BY {key} LIMIT ${limit}", self.name)
    }

    fn insert(&self, rows: usize) -> String {
        let width = self.columns.len();
        let row = |row: usize| {
            let parameters: Vec<String> = (1..=width).map(|column| format!("${}", row * width + column)).collect();
            format!("({})", parameters.join(", "))
        };
        let rows: Vec<String> = (0..rows).map(row).collect();
        format!("INSERT INTO {} ({}) VALUES {}", self.name, self.names(width), rows.join(", "))
    }
}
