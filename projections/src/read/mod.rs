//! Questions that pages and the JSON API ask of the views, one file per subject.
//!
//! A [`Reader`] is one moment: a read transaction, the registry and calendar as of it, and the day for
//! which statuses are computed. What depends on today is computed here and stored nowhere. Everything
//! that it gives has been public at [`Reader::size`] entries. To add a question: a method on `Reader`
//! in the file of its subject, its SQL as a constant beside it and in [`statements`].

/// The first [`CHUNK`] arguments of a statement, which name organizations: it is about them and all below them.
macro_rules! roots {
    () => {
        "($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32)"
    };
}

pub mod board;
pub mod comparison;
pub mod compliance;
pub mod disclosures;
pub mod dossier;
pub mod fulfilment;
pub mod history;
pub mod home;
pub mod matters;
pub mod moved;
mod names;
pub mod nominations;
pub mod notices;
pub mod organizations;
pub mod pledges;
mod remembered;
pub mod schedules;
pub mod search;
mod sessions;
pub mod supervisions;
pub mod timeline;
pub mod vacancies;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use chrono::{DateTime, Datelike as _, FixedOffset, NaiveDate, Utc};
use gongkai_domain::{World, calendar::Computed, field::Shape};
use gongkai_store::database::{Pool, Purpose, Query, Reach, Row, Sql, Transaction, query};
use serde::Serialize;
use serde_json::Value;
use sqlx::{Decode, Postgres, Sqlite, Type};

pub use comparison::{Compared, Comparison, Side, Sum};
pub use compliance::{Compliance, Counted, MissingPeriod, Unanswered, WithdrawalRow, WithdrawnFiles};
pub use disclosures::{Correction, Disclosure, Line, LinePage, Question, said_of};
pub use dossier::{Accounts, Dossier, LatestAccounts, MonthMoney, NoFigures};
pub use fulfilment::FulfilmentPoint;
pub use history::{Attachment, FieldDiff, HistoryEvent, PastHistory, ShownField, SignerName};
pub use home::Home;
pub use matters::{Filter, Matter, Page, PastPage, StatusCount, category_label};
pub use nominations::{Nomination, Nominee};
pub use notices::Notice;
pub use organizations::{Organization, OrganizationItem, OrganizationThen, PostHeld};
pub use pledges::{FulfilmentRate, Pledge};
use remembered::Memory;
pub(crate) use remembered::Remembered;
pub use schedules::ScheduledOpening;
pub use search::{Found, SearchFilter, SearchPage};
pub use timeline::TimelineItem;
pub use vacancies::{Vacancy, VacantPost};

use crate::{
    event::PublicEvent,
    follower::{self, FollowError},
    learned::{Learned, Registry, world_of},
    projection::Arg,
    recalled::RecallError,
    replicas::{Moment, Near},
    search::SearchIndex,
};

/// Most rows of one page.
pub const LIMIT_MAX: u32 = 100;
/// How many codes or streams one statement looks up.
pub(crate) const CHUNK: usize = 32;

/// A read that failed.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The views have not reached the entry that was asked for.
    #[error("the views reflect {size} entries, entry {wanted} is not in them yet")]
    Behind {
        /// Entries reflected.
        size: u64,
        /// Entry that the caller has seen.
        wanted: u64,
    },
    /// No views exist yet.
    #[error("the views are being built")]
    NotReady,
    /// The replica that was read is gone, or cancelled what was asked: the primary is to be asked from the start.
    #[error("the replica that was read is lost")]
    Lost,
    /// The database.
    #[error("the views could not be read")]
    Database(#[from] sqlx::Error),
    /// A row whose JSON cannot be read.
    #[error("a row of the views cannot be read; rebuild them")]
    Row(#[from] serde_json::Error),
    /// A row of the timeline from which an event is folded again.
    #[error("row {0} of the views cannot be read; rebuild them")]
    Damaged(u64),
    /// The search index.
    #[error("the search could not be run")]
    Search(#[from] crate::search::SearchError),
    /// An event that is not recorded.
    #[error("what is not recorded cannot be shown")]
    Foreseen(#[source] Box<FollowError>),
    /// A search that is not run.
    #[error("the search is not run")]
    Refused(#[from] crate::search::QueryRefused),
}

impl From<RecallError> for ReadError {
    fn from(error: RecallError) -> Self {
        match error {
            RecallError::Database(error) => Self::Database(error),
            RecallError::Damaged(index) => Self::Damaged(index),
        }
    }
}

/// How far a projection is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cursor {
    /// Its rows reflect all entries before this one.
    pub next_index: u64,
    /// Why it stopped there.
    pub halted: Option<String>,
}

/// One moment of the views.
pub struct Reader {
    transaction: Transaction,
    /// Where it reads, when it is not the primary.
    near: Option<Near>,
    world: Arc<World>,
    search: SearchIndex,
    cursors: BTreeMap<String, Cursor>,
    memory: Arc<Memory>,
    today: NaiveDate,
}

const CURSORS: &str = "SELECT projection, next_index, halted FROM cursors ORDER BY projection";
/// Nothing, when it was promoted in the meantime.
const CURSORS_OF_REPLICA: &str = "SELECT projection, next_index, halted FROM cursors WHERE pg_is_in_recovery()";

/// Every statement of this room with its name, for the test that prepares them on both databases.
pub fn statements() -> Vec<(&'static str, &'static str)> {
    let mut all = vec![("cursors", CURSORS)];
    for module in [
        matters::STATEMENTS,
        matters::counted::STATEMENTS,
        matters::past::STATEMENTS,
        moved::STATEMENTS,
        history::STATEMENTS,
        names::STATEMENTS,
        vacancies::STATEMENTS,
        nominations::STATEMENTS,
        disclosures::STATEMENTS,
        comparison::STATEMENTS,
        organizations::STATEMENTS,
        compliance::STATEMENTS,
        dossier::STATEMENTS,
        fulfilment::STATEMENTS,
        board::STATEMENTS,
        supervisions::STATEMENTS,
        schedules::STATEMENTS,
        search::STATEMENTS,
        timeline::STATEMENTS,
    ] {
        all.extend_from_slice(module);
    }
    all
}

impl Reader {
    /// A moment of these rows; `remembered` is what others asked of them.
    pub(crate) async fn new(
        (pool, remembered): (&Pool, Option<&Remembered>),
        registry: &Registry,
        search: SearchIndex,
        today: NaiveDate,
    ) -> Result<Self, ReadError> {
        let mut transaction = pool.begin(Purpose::Reading).await?;
        // The moment begins with the first statement: under the lock, so that the registry is not of a later one.
        let learned = registry.read().await;
        let cursors = cursors(&mut transaction).await?;
        let size = entries(&cursors);
        let world = world_of(&mut transaction, size, &learned).await?;
        let is_ahead = size > learned.size;
        drop(learned);
        if is_ahead {
            // Another node wrote what is new; the next reader need not fold it again.
            let mut learned = registry.write().await;
            if learned.size < size {
                *learned = Learned { world: Arc::clone(&world), size };
            }
        }
        let memory = remembered.map(|remembered| remembered.of(&cursors)).unwrap_or_default();
        Ok(Self { transaction, near: None, world, search, cursors, memory, today })
    }

    /// A moment of a replica.
    pub(crate) fn of_replica(moment: Moment, search: SearchIndex, today: NaiveDate) -> Self {
        let Moment { transaction, world, cursors, near } = moment;
        Self { transaction, near: Some(near), world, search, cursors, memory: Arc::default(), today }
    }

    /// The views as they would be once `event` is recorded: nothing of it is, and dropping the reader forgets it.
    pub(crate) async fn foreseeing(
        write: &Pool,
        registry: &Registry,
        search: SearchIndex,
        today: NaiveDate,
        event: &PublicEvent,
    ) -> Result<Self, ReadError> {
        let made = follower::foreseen(write, registry, event).await;
        let (transaction, world, cursors) = made.map_err(|error| ReadError::Foreseen(Box::new(error)))?;
        Ok(Self { transaction, near: None, world, search, cursors, memory: Arc::default(), today })
    }

    /// Ends the moment at once; dropping a reader ends it a little later.
    ///
    /// # Errors
    /// [`ReadError::Database`].
    pub async fn close(self) -> Result<(), ReadError> {
        match self.near {
            Some(mut near) => near.heard(self.transaction.rollback()).await,
            None => Ok(self.transaction.rollback().await?),
        }
    }

    /// How many entries everything here reflects, but for what a halted projection writes.
    pub fn size(&self) -> u64 {
        entries(&self.cursors)
    }

    /// How far each projection is, and which one stopped and why.
    pub fn cursors(&self) -> &BTreeMap<String, Cursor> {
        &self.cursors
    }

    /// The day for which statuses are computed.
    pub fn today(&self) -> NaiveDate {
        self.today
    }

    /// Registry, calendar and rules as of this moment.
    pub fn world(&self) -> &World {
        &self.world
    }

    pub(crate) fn world_handle(&self) -> Arc<World> {
        Arc::clone(&self.world)
    }

    pub(crate) fn search_index(&self) -> &SearchIndex {
        &self.search
    }

    pub(crate) async fn rows(&mut self, sql: impl Into<Sql>, args: Vec<Arg>) -> Result<Vec<Row>, ReadError> {
        let answer = args.into_iter().fold(query(sql), Query::bind).fetch_all(&mut self.transaction);
        match &mut self.near {
            Some(near) => near.heard(answer).await,
            None => Ok(answer.await?),
        }
    }

    pub(crate) async fn row(&mut self, sql: &'static str, args: Vec<Arg>) -> Result<Option<Row>, ReadError> {
        Ok(self.rows(sql, args).await?.into_iter().next())
    }

    pub(crate) async fn count(&mut self, sql: &'static str, args: Vec<Arg>) -> Result<u64, ReadError> {
        match self.row(sql, args).await? {
            Some(row) => Ok(row.at::<i64>(0)?.unsigned_abs()),
            None => Ok(0),
        }
    }
}

/// How far each projection is, as a transaction sees it.
pub(crate) async fn cursors(on: &mut impl Reach) -> Result<BTreeMap<String, Cursor>, sqlx::Error> {
    cursors_by(CURSORS, on).await
}

/// The same in a replica.
pub(crate) async fn cursors_of_replica(on: &mut impl Reach) -> Result<BTreeMap<String, Cursor>, sqlx::Error> {
    cursors_by(CURSORS_OF_REPLICA, on).await
}

async fn cursors_by(sql: &'static str, on: &mut impl Reach) -> Result<BTreeMap<String, Cursor>, sqlx::Error> {
    let mut cursors = BTreeMap::new();
    for row in query(sql).fetch_all(on).await? {
        let cursor = Cursor { next_index: row.count("next_index")?, halted: row.maybe("halted")? };
        cursors.insert(row.text("projection")?, cursor);
    }
    Ok(cursors)
}

/// How many entries everything reflects, but for what a halted projection writes.
pub(crate) fn entries(cursors: &BTreeMap<String, Cursor>) -> u64 {
    cursors.get("events").map_or(0, |cursor| cursor.next_index)
}

/// A label, or the wire value that has none in this version.
pub(crate) fn label_or<'w>(label: Option<&'static str>, wire: &'w str) -> &'w str {
    label.unwrap_or(wire)
}

/// Exactly [`CHUNK`] arguments, the last one repeated.
pub(crate) fn in_chunk(values: &[&str]) -> Vec<Arg> {
    let last = values.last().copied().unwrap_or_default();
    (0..CHUNK).map(|place| text(values.get(place).copied().unwrap_or(last))).collect()
}

pub(crate) fn text(value: impl Into<String>) -> Arg {
    Arg::Text(Some(value.into()))
}

pub(crate) fn int(value: impl TryInto<i64>) -> Arg {
    Arg::Int(Some(value.try_into().unwrap_or(i64::MAX)))
}

/// Reading columns by name.
pub(crate) trait Columns {
    fn text(&self, column: &str) -> Result<String, sqlx::Error>;
    fn number(&self, column: &str) -> Result<i64, sqlx::Error>;
    fn count(&self, column: &str) -> Result<u64, sqlx::Error>;
    fn maybe<'r, T>(&'r self, column: &str) -> Result<Option<T>, sqlx::Error>
    where
        T: Decode<'r, Sqlite> + Type<Sqlite> + Decode<'r, Postgres> + Type<Postgres>;

    fn flag(&self, column: &str) -> Result<bool, sqlx::Error>;

    /// A date; one that cannot be read is absent, as in a row that somebody changed by hand.
    fn day(&self, column: &str) -> Result<Option<NaiveDate>, sqlx::Error>;

    fn declared(&self, column: &str) -> Result<DateTime<FixedOffset>, sqlx::Error>;

    fn recorded(&self, column: &str) -> Result<DateTime<Utc>, sqlx::Error>;
}

impl Columns for Row {
    fn text(&self, column: &str) -> Result<String, sqlx::Error> {
        self.named(column)
    }

    fn number(&self, column: &str) -> Result<i64, sqlx::Error> {
        self.named(column)
    }

    fn count(&self, column: &str) -> Result<u64, sqlx::Error> {
        Ok(self.number(column)?.unsigned_abs())
    }

    fn maybe<'r, T>(&'r self, column: &str) -> Result<Option<T>, sqlx::Error>
    where
        T: Decode<'r, Sqlite> + Type<Sqlite> + Decode<'r, Postgres> + Type<Postgres>,
    {
        Row::named(self, column)
    }

    fn flag(&self, column: &str) -> Result<bool, sqlx::Error> {
        Ok(self.maybe::<i64>(column)? == Some(1))
    }

    fn day(&self, column: &str) -> Result<Option<NaiveDate>, sqlx::Error> {
        Ok(self.maybe::<String>(column)?.and_then(|text| text.parse().ok()))
    }

    fn declared(&self, column: &str) -> Result<DateTime<FixedOffset>, sqlx::Error> {
        let text = self.text(column)?;
        DateTime::parse_from_rfc3339(&text)
            .map_err(|e| sqlx::Error::ColumnDecode { index: column.into(), source: e.into() })
    }

    fn recorded(&self, column: &str) -> Result<DateTime<Utc>, sqlx::Error> {
        Ok(self.declared(column)?.to_utc())
    }
}

/// The trace of an opening that was withdrawn (撤回留痕).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Tombstone {
    /// Entry that records the withdrawal.
    pub index: u64,
    /// Code of the organization that withdrew.
    pub org: String,
    /// Its name.
    pub org_name: String,
    /// Who signed.
    pub signers: Vec<SignerName>,
    /// Legal basis, Chinese label.
    pub basis: String,
    /// Reason.
    pub reason: String,
    /// How to appeal.
    pub appeal: String,
    /// When it was recorded.
    pub at: DateTime<Utc>,
}

/// A free text or personal detail: there, or withdrawn with its trace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Shown {
    /// The published value, as people read it.
    Given(String),
    /// The value was withdrawn.
    Withdrawn(Tombstone),
}

impl Shown {
    /// The value, if it is there.
    pub fn given(&self) -> Option<&str> {
        match self {
            Self::Given(text) => Some(text),
            Self::Withdrawn(_) => None,
        }
    }
}

/// A day of a period: counted or skipped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeadlineDay {
    /// The day.
    pub day: NaiveDate,
    /// Its number among the counted days, from 1; absent when it was skipped.
    pub number: Option<u32>,
    /// 周末, 放假 or 调休上班; absent for an ordinary counted day.
    pub reason: Option<&'static str>,
}

/// A deadline and how it was computed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Deadline {
    /// First day.
    pub start: NaiveDate,
    /// Last day.
    pub end: NaiveDate,
    /// The rule's name.
    pub rule: String,
    /// Its number and unit, such as 5 个工作日.
    pub length: String,
    /// Its legal basis.
    pub basis: String,
    /// A calendar that is not published yet could move the end.
    pub provisional: bool,
    /// Days from today to the end, negative after it.
    pub days_left: i64,
    /// One plain sentence a line.
    pub explanation: Vec<String>,
    /// Every day from the first to the last.
    pub days: Vec<DeadlineDay>,
    /// How calendars that were published after it began moved its end, the oldest first.
    pub moved: Vec<moved::Moved>,
}

impl Deadline {
    pub(crate) fn new(
        computed: &Computed,
        rule: &gongkai_domain::rules::Rule,
        rule_name: &str,
        today: NaiveDate,
    ) -> Self {
        let skipped: HashMap<NaiveDate, &'static str> =
            computed.skipped.iter().map(|(day, reason)| (*day, reason.label())).collect();
        let mut days: Vec<DeadlineDay> = computed
            .skipped
            .iter()
            .map(|(day, _)| DeadlineDay { day: *day, number: None, reason: skipped.get(day).copied() })
            .collect();
        days.extend((1_u32..).zip(&computed.counted).map(|(number, day)| DeadlineDay {
            day: *day,
            number: Some(number),
            reason: computed.makeup.contains(day).then_some("调休上班"),
        }));
        days.sort_by_key(|day| day.day);
        Self {
            start: computed.start,
            end: computed.end,
            rule: rule_name.to_owned(),
            length: format!("{} {}", rule.value, rule.unit.label()),
            basis: rule.basis.clone(),
            provisional: computed.provisional,
            days_left: (computed.end - today).num_days(),
            explanation: computed.explain(),
            days,
            moved: Vec::new(),
        }
    }
}

/// A value as people read it; `orgs` and `persons` are names by code and stream.
pub(crate) fn display(
    shape: Option<&Shape>,
    value: &Value,
    orgs: &HashMap<String, String>,
    persons: &HashMap<String, String>,
) -> String {
    let plain = || match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let org = |code: &str| orgs.get(code).cloned().unwrap_or_else(|| code.to_owned());
    let list = |item: &dyn Fn(&Value) -> String| {
        value.as_array().map_or_else(plain, |items| items.iter().map(item).collect::<Vec<_>>().join("、"))
    };
    let as_text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match shape {
        Some(Shape::Choice(choices)) => choices
            .iter()
            .find(|(wire, _)| Some(*wire) == value.as_str())
            .map_or_else(plain, |(_, label)| (*label).to_owned()),
        Some(Shape::Fen) => value.as_i64().map_or_else(plain, gongkai_domain::finance::fen_text),
        Some(Shape::Flag) => {
            if value.as_bool() == Some(true) {
                "是".into()
            } else {
                "否".into()
            }
        }
        Some(Shape::Percent) => format!("{value}%"),
        Some(Shape::Date) => plain().parse().map_or_else(|_| plain(), day),
        Some(Shape::Period) => value.as_str().map_or_else(plain, |p| gongkai_domain::field::Period(p.into()).label()),
        Some(Shape::Org) => org(&plain()),
        Some(Shape::Orgs) => list(&|code| org(&as_text(code))),
        Some(Shape::Link("person")) => persons.get(&plain()).cloned().unwrap_or_else(plain),
        Some(Shape::Texts(_)) => list(&as_text),
        Some(Shape::Dates) => list(&|date| as_text(date).parse().map_or_else(|_| as_text(date), day)),
        // People count lines and posts from 1.
        Some(Shape::Counts) => list(&|n| n.as_u64().map_or_else(|| n.to_string(), |n| (n + 1).to_string())),
        Some(Shape::Records(fields)) => list(&|record| {
            let parts = fields.iter().filter_map(|field| {
                let value = record.get(field.name)?;
                Some(format!("{} {}", field.label, display(Some(&field.shape), value, orgs, persons)))
            });
            parts.collect::<Vec<_>>().join(" ")
        }),
        Some(Shape::Attachments(_)) => format!("{} 个文件", value.as_array().map_or(0, Vec::len)),
        _ => plain(),
    }
}

/// A date as people write it.
fn day(date: NaiveDate) -> String {
    format!("{}年{}月{}日", date.year(), date.month(), date.day())
}
