//! What a projection is: a pure function from an event to changes of rows, and the list of all of them.
//!
//! A projection reads no database, no clock and no other row; the follower merges, writes and keeps
//! the cursor. Rows are written by upserts in which an absent value leaves the old one, so an event
//! says only what it changes, and saying it twice changes nothing. To add a board: a file in
//! `boards/`, its tables in both migration files, a [`Table`] here in [`TABLES`], and one line in
//! [`PROJECTIONS`]. Raise `version` when its rows would come out differently.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Write as _,
};

use gongkai_domain::World;
use gongkai_store::database;
use serde_json::Value;

use crate::{boards, event::PublicEvent};

/// A projection of the public log.
pub trait Projection: Sync {
    /// Name of its cursor.
    fn name(&self) -> &'static str;

    /// Version of its rows; a change rebuilds all views beside the old ones.
    fn version(&self) -> u32;

    /// The families whose events it is given and whose kinds it must know: an unknown kind of one of them
    /// halts it. None at all means every event, known or not.
    fn families(&self) -> &'static [&'static str];

    /// The rows that an event changes. `world` includes the event.
    ///
    /// # Errors
    /// [`ProjectionError`] halts this projection at the event; others go on.
    fn apply(&self, event: &PublicEvent, world: &World) -> Result<Vec<Change>, ProjectionError>;
}

/// Why a projection cannot go on.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProjectionError {
    /// A kind, or a version of one, that this program does not know.
    #[error("the kind {0} is unknown to this version")]
    UnknownKind(String),
    /// A body that its kind's type cannot hold.
    #[error("the body of {0} cannot be read")]
    Body(String),
}

/// Every public projection.
pub const PROJECTIONS: &[&dyn Projection] = &[
    &boards::events::Events,
    &boards::organizations::Organizations,
    &boards::registry::Registry,
    &boards::pledges::Pledges,
    &boards::vacancies::Vacancies,
    &boards::nominations::Nominations,
    &boards::notices::Notices,
    &boards::disclosures::Disclosures,
    &boards::withdrawals::Withdrawals,
    &boards::schedules::Schedules,
    &boards::named::NamedPersons,
    &boards::supervisions::Supervisions,
    &boards::consultations::Consultations,
];

/// Every table that projections write.
pub const TABLES: &[&Table] = &[
    &boards::events::EVENTS,
    &boards::events::LINES,
    &boards::MATTERS,
    &boards::nominations::PEOPLE,
    &boards::vacancies::VACANT_POSTS,
    &boards::disclosures::QUESTIONS,
    &boards::organizations::ORGANIZATIONS,
    &boards::organizations::NAMES,
    &boards::organizations::RELATIONS,
    &boards::organizations::ANCESTORS,
    &boards::registry::POSTS,
    &boards::registry::PERSONS,
    &boards::registry::KEYS,
    &boards::registry::ROLES,
    &boards::withdrawals::WITHDRAWALS,
    &boards::schedules::SCHEDULES,
    &boards::schedules::OPENED_SLOTS,
    &boards::named::NAMED_PERSONS,
    &boards::supervisions::SUPERVISIONS,
    &boards::consultations::CONSULTATION_DAYS,
];

/// Type of a column on both databases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// TEXT.
    Text,
    /// BIGINT.
    Int,
}

/// How a statement marks its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marks {
    /// `$1`, `$2`: both databases.
    Numbered,
    /// `?`: SQLite alone. It looks a numbered mark up among all others, which for a statement of
    /// thousands costs more than the rows.
    Plain,
}

/// A table that projections fill; its columns as in `migrations/views`.
#[derive(Debug)]
pub struct Table {
    /// Name.
    pub name: &'static str,
    /// How many of the columns, from the first, are the key.
    pub keys: usize,
    /// Columns in the order of the upsert.
    pub columns: &'static [(&'static str, Type)],
}

impl Table {
    fn place(&self, column: &str) -> usize {
        self.columns.iter().position(|(name, _)| *name == column).expect("a projection names a column of its table")
    }

    /// The upsert of `rows` rows: an absent value leaves the old one.
    pub fn upsert(&self, rows: usize, marks: Marks) -> String {
        let names: Vec<_> = self.columns.iter().map(|(name, _)| *name).collect();
        let mut sql = format!("INSERT INTO {} ({}) VALUES ", self.name, names.join(", "));
        for row in 0..rows {
            sql.push_str(if row == 0 { "(" } else { ", (" });
            for column in 0..names.len() {
                sql.push_str(if column == 0 { "" } else { ", " });
                let _ = match marks {
                    Marks::Numbered => write!(sql, "${}", row * names.len() + column + 1),
                    Marks::Plain => write!(sql, "?"),
                };
            }
            sql.push(')');
        }
        self.otherwise(&mut sql);
        sql
    }

    /// The upsert of as many rows as its arguments have members: one list a column. PostgreSQL alone.
    pub fn upsert_lists(&self) -> String {
        let names: Vec<_> = self.columns.iter().map(|(name, _)| *name).collect();
        let list = |(place, (_, kind)): (usize, &(&str, Type))| {
            let of = match kind {
                Type::Text => "TEXT",
                Type::Int => "BIGINT",
            };
            format!("CAST(${} AS {of}[])", place + 1)
        };
        let lists: Vec<String> = self.columns.iter().enumerate().map(list).collect();
        let mut sql =
            format!("INSERT INTO {} ({}) SELECT * FROM unnest({})", self.name, names.join(", "), lists.join(", "));
        self.otherwise(&mut sql);
        sql
    }

    /// What happens to a row that is there already.
    fn otherwise(&self, sql: &mut String) {
        let names: Vec<_> = self.columns.iter().map(|(name, _)| *name).collect();
        let _ = write!(sql, " ON CONFLICT ({}) DO UPDATE SET ", names[..self.keys].join(", "));
        for (place, name) in names[self.keys..].iter().enumerate() {
            let comma = if place == 0 { "" } else { ", " };
            let _ = write!(sql, "{comma}{name} = COALESCE(excluded.{name}, {}.{name})", self.name);
        }
    }

    /// Deletes the rows that a stream's events filled.
    pub fn delete_stream(&self) -> String {
        format!("DELETE FROM {} WHERE stream = $1", self.name)
    }
}

/// A value of a row.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Arg {
    /// TEXT.
    Text(Option<String>),
    /// BIGINT.
    Int(Option<i64>),
}

impl Arg {
    /// Whether it says nothing.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Text(None) | Self::Int(None))
    }
}

impl From<Arg> for database::Value {
    fn from(arg: Arg) -> Self {
        match arg {
            Arg::Text(text) => Self::Text(text),
            Arg::Int(number) => Self::Integer(number),
        }
    }
}

/// A row to merge into a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Which table.
    pub table: &'static Table,
    /// One value a column.
    pub values: Vec<Arg>,
}

impl PartialEq for Table {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Change {
    /// A row that says nothing yet.
    pub fn new(table: &'static Table) -> Self {
        let absent = |(_, kind): &(&str, Type)| match kind {
            Type::Text => Arg::Text(None),
            Type::Int => Arg::Int(None),
        };
        Self { table, values: table.columns.iter().map(absent).collect() }
    }

    /// Sets a text.
    #[must_use]
    pub fn text(self, column: &str, value: impl Into<String>) -> Self {
        self.maybe_text(column, Some(value))
    }

    /// Sets a text, if there is one.
    #[must_use]
    pub fn maybe_text(mut self, column: &str, value: Option<impl Into<String>>) -> Self {
        let place = self.table.place(column);
        self.values[place] = Arg::Text(value.map(Into::into));
        self
    }

    /// Sets a date, if there is one.
    #[must_use]
    pub fn maybe_day(self, column: &str, day: Option<chrono::NaiveDate>) -> Self {
        self.maybe_text(column, day.map(|day| day.to_string()))
    }

    /// Sets a number; counts and indexes are below 2^53 (design 3.1).
    #[must_use]
    pub fn int(self, column: &str, value: impl TryInto<i64>) -> Self {
        self.maybe_int(column, Some(value))
    }

    /// Sets a number, if there is one.
    #[must_use]
    pub fn maybe_int(mut self, column: &str, value: Option<impl TryInto<i64>>) -> Self {
        let place = self.table.place(column);
        self.values[place] = Arg::Int(value.map(|value| value.try_into().unwrap_or(i64::MAX)));
        self
    }

    /// Sets a flag.
    #[must_use]
    pub fn flag(self, column: &str, value: bool) -> Self {
        self.int(column, i64::from(value))
    }

    /// The key's values.
    pub fn key(&self) -> &[Arg] {
        &self.values[..self.table.keys]
    }

    /// Merges a later change of the same row: what it says replaces, what it does not say stays.
    pub fn merge(&mut self, later: Self) {
        for (old, new) in self.values.iter_mut().zip(later.values) {
            if !new.is_absent() {
                *old = new;
            }
        }
    }
}

/// Changes that belong together, merged by key.
#[derive(Default)]
pub(crate) struct Merged(BTreeMap<&'static str, Waiting>);

struct Waiting {
    table: &'static Table,
    rows: Vec<Change>,
    places: HashMap<Vec<Arg>, usize>,
}

impl Merged {
    /// One row a key: a statement may not meet the same row twice (PostgreSQL refuses it).
    pub(crate) fn merge(&mut self, change: Change) {
        let table = change.table;
        let waiting =
            self.0.entry(table.name).or_insert_with(|| Waiting { table, rows: Vec::new(), places: HashMap::new() });
        if let Some(place) = waiting.places.get(change.key()) {
            waiting.rows[*place].merge(change);
        } else {
            waiting.places.insert(change.key().to_vec(), waiting.rows.len());
            waiting.rows.push(change);
        }
    }

    /// The rows of each table.
    pub(crate) fn into_tables(self) -> impl Iterator<Item = (&'static Table, Vec<Change>)> {
        self.0.into_values().map(|waiting| (waiting.table, waiting.rows))
    }

    /// The rows of one table as JSON, a list of lists in the order of its columns.
    pub(crate) fn json(&self, table: &Table) -> String {
        let value = |arg: &Arg| match arg {
            Arg::Text(text) => Value::from(text.clone()),
            Arg::Int(number) => Value::from(*number),
        };
        let row = |row: &Change| row.values.iter().map(value).collect::<Value>();
        let rows = self.0.get(table.name).into_iter().flat_map(|waiting| &waiting.rows);
        rows.map(row).collect::<Value>().to_string()
    }
}
