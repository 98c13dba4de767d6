//! Lists as they stood at the end of a past day in China: what the log had recorded by then, judged by that day.
//!
//! A matter that nothing has happened to since is its row as it is. One with later events is folded again from those that it
//! had, by the projection that made its row, and meets the same SQL as every other row. Titles, states and due days are
//! those of that day; rules and calendars those that had been published. What was withdrawn since is gone from the events
//! and does not come back. As of today: names of organizations, and which of them lie below which.
//!
//! The order is that of opening, the latest first, because it never changes; a page goes on before the entry at which the
//! last one ended. Filters decide after the folding, so one request folds a bounded number of matters and then says where
//! to go on. Not here: the history of one matter (`history`), the rate over time (`fulfilment`).

use std::{collections::HashMap, sync::LazyLock};

use chrono::{DateTime, Days, FixedOffset, NaiveDate, NaiveTime, Utc};
use gongkai_domain::World;
use gongkai_store::database::{Row, Sql};
use serde::Serialize;

use super::{Filter, LIST, Matter, Periods, Raw, Terms, like};
use crate::{
    boards::{MATTERS, nominations::PEOPLE, vacancies::VACANT_POSTS},
    event::PublicLine,
    projection::{Arg, Change, Merged, PROJECTIONS, Projection, Table, Type},
    read::{CHUNK, Columns, ReadError, Reader, in_chunk, int, text},
    recalled,
    status::keys_of,
};

/// China has one time.
const ZONE: FixedOffset = match FixedOffset::east_opt(8 * 3_600) {
    Some(zone) => zone,
    None => panic!("eight hours are an offset"),
};

/// Most candidates that are looked at for one page, and most that are read at once.
const EXAMINED_MAX: usize = 1_000;
const PORTION_MAX: usize = 50;
const PORTION_MIN: usize = 10;
/// Most events that are folded for one page, except for a single matter that has more.
const FOLDED_EVENTS_MAX: u64 = 5_000;

/// Families whose rows say something about the lines of an announcement.
const LISTED: [&str; 2] = ["nomination", "vacancy"];

/// The first statement at or after an entry: sealed periods have no row.
const AT: &str = "SELECT entry_index, recorded_at FROM events WHERE entry_index >= $1 ORDER BY entry_index LIMIT 1";
const LATER_TERMS: &str = "SELECT COUNT(*) FROM events WHERE family IN ('calendar', 'rule') AND entry_index >= $1";
const TERMS: &str = "SELECT entry_index, stream, revision, kind, org, recorded_at, declared_at, statement_hash, parent, slots, signers, body \
     FROM events WHERE family IN ('calendar', 'rule') AND entry_index < $1 ORDER BY entry_index";

/// What may be in the list: `$7` is the entry before which it is opened, `$8` the end of the day. Only a year never changes;
/// whether a matter with later events meets the rest is known when it is folded.
macro_rules! candidates {
    () => {
        concat!(
            " m.family = $1 AND m.first_index < $7 AND (CAST($2 AS BIGINT) IS NULL OR m.year = $2) AND (m.last_index >= $8 OR (",
            conditions!(),
            "))"
        )
    };
}

const CANDIDATES: &str = concat!(
    columns!(),
    " FROM matters m WHERE CAST($5 AS TEXT) IS NOT NULL AND",
    candidates!(),
    " ORDER BY m.first_index DESC LIMIT $9"
);
const CANDIDATES_WITHIN: &str = concat!(
    columns!(),
    " FROM matters m WHERE m.stream IN (SELECT m.stream FROM organization_ancestors a CROSS JOIN matters m \
     WHERE m.org = a.code AND a.ancestor = $10 AND CAST($5 AS TEXT) IS NOT NULL AND",
    candidates!(),
    " ORDER BY m.first_index DESC LIMIT $9) ORDER BY m.first_index DESC"
);
const ONE_THEN: &str =
    concat!(columns!(), " FROM matters m WHERE m.stream = $7 AND m.first_index < $8 AND", conditions!());
const TOTAL: &str = "SELECT COUNT(*) FROM matters m WHERE m.family = $1 AND m.first_index < $3 AND (CAST($2 AS BIGINT) IS NULL OR m.year = $2)";
const TOTAL_WITHIN: &str = "SELECT COUNT(*) FROM organization_ancestors a CROSS JOIN matters m WHERE m.org = a.code AND a.ancestor = $4 \
     AND m.family = $1 AND m.first_index < $3 AND (CAST($2 AS BIGINT) IS NULL OR m.year = $2)";

/// The statements of [`CHUNK`] matters before an entry, and the lines that they list.
macro_rules! before {
    ($head:literal, $tail:literal) => {
        concat!($head, " IN ", roots!(), " AND entry_index < $33 ORDER BY stream, entry_index", $tail)
    };
}

const EVENTS: &str = before!(
    "SELECT entry_index, stream, revision, kind, org, recorded_at, declared_at, entry_hash, statement_hash, parent, slots, \
     signers, body, fields FROM events WHERE stream",
    ""
);
const LINES: &str = before!("SELECT entry_index, line, content FROM lines WHERE stream", ", line");

pub(in crate::read) const STATEMENTS: &[(&str, &str)] = &[
    ("past.at", AT),
    ("past.later_terms", LATER_TERMS),
    ("past.terms", TERMS),
    ("past.candidates", CANDIDATES),
    ("past.candidates_within", CANDIDATES_WITHIN),
    ("past.one", ONE_THEN),
    ("past.total", TOTAL),
    ("past.total_within", TOTAL_WITHIN),
    ("past.events", EVENTS),
    ("past.lines", LINES),
];

/// The list's own statement over folded rows: they come as JSON and have the names of the tables.
static FOLDED: LazyLock<[String; 2]> = LazyLock::new(|| {
    let folded = |shadow: fn(&Table, usize) -> String| {
        let tables =
            [(&MATTERS, 9), (&PEOPLE, 10), (&VACANT_POSTS, 11)].map(|(table, argument)| shadow(table, argument));
        format!("WITH {} {LIST}", tables.join(", "))
    };
    [folded(shadow_sqlite), folded(shadow_postgres)]
});

fn shadow_sqlite(table: &Table, argument: usize) -> String {
    let column = |(place, (name, _)): (usize, &(&str, _))| format!("json_extract(r.value, '$[{place}]') AS {name}");
    let columns: Vec<String> = table.columns.iter().enumerate().map(column).collect();
    format!("{} AS MATERIALIZED (SELECT {} FROM json_each(${argument}) r)", table.name, columns.join(", "))
}

fn shadow_postgres(table: &Table, argument: usize) -> String {
    let column = |(place, (name, kind)): (usize, &(&str, Type))| match kind {
        Type::Text => format!("(r.value ->> {place}) COLLATE \"C\" AS {name}"),
        Type::Int => format!("CAST(r.value ->> {place} AS BIGINT) AS {name}"),
    };
    let columns: Vec<String> = table.columns.iter().enumerate().map(column).collect();
    let list = columns.join(", ");
    format!(
        "{} AS MATERIALIZED (SELECT {list} FROM jsonb_array_elements(CAST(${argument} AS JSONB)) r (value))",
        table.name
    )
}

/// One page of a list as it stood at the end of a day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PastPage {
    /// Entries of the log that it was read from.
    pub size: u64,
    /// The day.
    pub on: NaiveDate,
    /// Day of the log's first entry; absent while there is none.
    pub since: Option<NaiveDate>,
    /// All matters of the list; absent when a filter that only folding decides leaves it open.
    pub total: Option<u64>,
    /// Rows of a full page.
    pub limit: u64,
    /// The list goes on with matters that were opened before this entry; absent at its end. A page can be shorter than
    /// its limit and still go on.
    pub next: Option<u64>,
    /// The matters, the latest opened first.
    pub items: Vec<Matter>,
}

/// What a list is asked for: `end` is the first entry after the day.
struct Wanted<'a> {
    family: &'a str,
    filter: &'a Filter,
    on: NaiveDate,
    end: u64,
    by_period: bool,
}

impl Wanted<'_> {
    /// The arguments of the list's conditions.
    fn conditions(&self) -> Vec<Arg> {
        let (filter, statuses) = (self.filter, &self.filter.statuses);
        let keys = (!statuses.is_empty() && !self.by_period).then(|| keys_of(self.family, statuses));
        vec![
            text(self.family),
            Arg::Int(filter.year.map(i64::from)),
            Arg::Text(filter.category.clone()),
            Arg::Text(keys),
            text(self.on.to_string()),
            Arg::Text(filter.text.as_deref().map(like)),
        ]
    }

    fn projection(&self) -> Option<&'static dyn Projection> {
        PROJECTIONS.iter().copied().find(|projection| projection.families().contains(&self.family))
    }
}

impl Reader {
    /// A page of a family's matters as they stood at the end of a past day, the latest opened first, going on with those
    /// that were opened before an entry. The filter's offset is not looked at.
    pub async fn matters_on(
        &mut self,
        family: &str,
        filter: &Filter,
        on: NaiveDate,
        before: Option<u64>,
    ) -> Result<PastPage, ReadError> {
        let wanted = self.wanted(family, filter, on).await?;
        let (items, next) = self.walk(&wanted, before.unwrap_or(wanted.end).min(wanted.end)).await?;
        let items = self.with_org_names(items).await?;
        Ok(PastPage {
            size: self.size(),
            on,
            since: self.first_day().await?,
            total: self.total(&wanted).await?,
            limit: u64::from(filter.limit()),
            next,
            items,
        })
    }

    /// One matter as its list showed it at the end of a past day; `None` when it was not there yet, or has no list.
    pub async fn matter_on(&mut self, stream: &str, on: NaiveDate) -> Result<Option<Matter>, ReadError> {
        let (family, filter) = (stream.split('/').next().unwrap_or_default(), Filter::default());
        let wanted = self.wanted(family, &filter, on).await?;
        let args = [wanted.conditions(), vec![text(stream), int(wanted.end)]].concat();
        let rows = self.rows(ONE_THEN, args).await?;
        let Some((_, Some(raw))) = self.as_of(&wanted, &rows).await?.pop() else { return Ok(None) };
        let (registry, published) = (self.world_handle(), self.published_by(&wanted).await?);
        let terms = Terms { registry: &registry, published: published.as_ref().unwrap_or(&registry) };
        let matter = Matter { as_of: Some(on), ..raw.finish(terms, &mut Periods::default(), on) };
        Ok(self.with_org_names(vec![matter]).await?.pop())
    }

    async fn wanted<'a>(
        &mut self,
        family: &'a str,
        filter: &'a Filter,
        on: NaiveDate,
    ) -> Result<Wanted<'a>, ReadError> {
        let by_period = matches!(family, "notice" | "nomination");
        let mut wanted = Wanted { family, filter, on, end: self.end_of(on).await?, by_period };
        // A projection that stopped has rows of nothing later.
        let reached = wanted.projection().and_then(|projection| self.cursors().get(projection.name()));
        wanted.end = reached.map_or(wanted.end, |cursor| cursor.next_index.min(wanted.end));
        Ok(wanted)
    }

    /// The first entry that was recorded after a day had ended in China; the log's times never go back.
    pub(crate) async fn end_of(&mut self, on: NaiveDate) -> Result<u64, ReadError> {
        let midnight = on.checked_add_days(Days::new(1)).map(|day| day.and_time(NaiveTime::MIN));
        let Some(end) = midnight.and_then(|midnight| midnight.and_local_timezone(ZONE).single()) else {
            return Ok(self.size());
        };
        let (mut low, mut high) = (0, self.size());
        while low < high {
            let middle = low + (high - low) / 2;
            match self.statement_at(middle).await? {
                Some((index, at)) if at < end => low = index + 1,
                _ => high = middle,
            }
        }
        Ok(low)
    }

    /// The day of the log's first entry in China.
    pub async fn first_day(&mut self) -> Result<Option<NaiveDate>, ReadError> {
        Ok(self.statement_at(0).await?.map(|(_, at)| at.with_timezone(&ZONE).date_naive()))
    }

    async fn statement_at(&mut self, index: u64) -> Result<Option<(u64, DateTime<Utc>)>, ReadError> {
        let row = self.row(AT, vec![int(index)]).await?;
        Ok(row
            .map(|row| Ok::<_, sqlx::Error>((row.count("entry_index")?, row.recorded("recorded_at")?)))
            .transpose()?)
    }

    async fn total(&mut self, wanted: &Wanted<'_>) -> Result<Option<u64>, ReadError> {
        let filter = wanted.filter;
        if !filter.statuses.is_empty() || filter.category.is_some() || filter.text.is_some() {
            return Ok(None);
        }
        let args = vec![text(wanted.family), Arg::Int(filter.year.map(i64::from)), int(wanted.end)];
        Ok(Some(match &filter.org {
            Some(org) => self.count(TOTAL_WITHIN, [args, vec![text(org)]].concat()).await?,
            None => self.count(TOTAL, args).await?,
        }))
    }

    /// Matters that were opened before an entry, and the entry before which the list goes on.
    async fn walk(&mut self, wanted: &Wanted<'_>, mut before: u64) -> Result<(Vec<Matter>, Option<u64>), ReadError> {
        let limit = wanted.filter.limit() as usize;
        let published = self.published_by(wanted).await?;
        let (mut found, mut examined, mut folded, mut periods) = (Vec::<Matter>::new(), 0, 0, Periods::default());
        loop {
            let portion = (limit - found.len()).clamp(PORTION_MIN, PORTION_MAX);
            let mut rows = self.candidates(wanted, before, portion + 1).await?;
            let mut more = rows.len() > portion;
            rows.truncate(portion);
            more |= bounded(&mut rows, wanted.end, &mut folded)?;
            examined += rows.len();
            let registry = self.world_handle();
            let terms = Terms { registry: &registry, published: published.as_ref().unwrap_or(&registry) };
            let mut left = rows.len();
            for (first, raw) in self.as_of(wanted, &rows).await? {
                (left, before) = (left - 1, first);
                let matter = raw.map(|raw| raw.finish(terms, &mut periods, wanted.on));
                let statuses = &wanted.filter.statuses;
                found.extend(matter.filter(|matter| statuses.is_empty() || statuses.contains(&matter.status)));
                if found.len() == limit {
                    break;
                }
            }
            more |= left > 0;
            if !more || found.len() == limit || examined >= EXAMINED_MAX || folded >= FOLDED_EVENTS_MAX {
                for matter in &mut found {
                    matter.as_of = Some(wanted.on);
                }
                return Ok((found, more.then_some(before)));
            }
        }
    }

    async fn candidates(&mut self, wanted: &Wanted<'_>, before: u64, many: usize) -> Result<Vec<Row>, ReadError> {
        let args = [wanted.conditions(), vec![int(before), int(wanted.end), int(many)]].concat();
        match &wanted.filter.org {
            Some(org) => self.rows(CANDIDATES_WITHIN, [args, vec![text(org)]].concat()).await,
            None => self.rows(CANDIDATES, args).await,
        }
    }

    /// Rules and calendars that had been published by then; `None` when none was published since.
    async fn published_by(&mut self, wanted: &Wanted<'_>) -> Result<Option<World>, ReadError> {
        if !wanted.by_period || self.count(LATER_TERMS, vec![int(wanted.end)]).await? == 0 {
            return Ok(None);
        }
        let mut world = World::default();
        for row in self.rows(TERMS, vec![int(wanted.end)]).await? {
            recalled::teach(&mut world, &row)?;
        }
        Ok(Some(world))
    }

    /// Each candidate by its first entry, as its row would have been; none where the filter does not let it through.
    async fn as_of(&mut self, wanted: &Wanted<'_>, rows: &[Row]) -> Result<Vec<(u64, Option<Raw>)>, ReadError> {
        let mut moved = Vec::new();
        for row in rows {
            if row.count("last_index")? >= wanted.end {
                moved.push(row);
            }
        }
        let mut folded = HashMap::new();
        for chunk in moved.chunks(CHUNK) {
            folded.extend(self.folded(wanted, chunk).await?);
        }
        let one = |row: &Row| {
            let first = row.count("first_index")?;
            let raw = if row.count("last_index")? < wanted.end { Some(Raw::read(row)?) } else { folded.remove(&first) };
            Ok((first, raw))
        };
        rows.iter().map(one).collect()
    }

    /// Up to [`CHUNK`] matters folded from the events that they had, by their first entry.
    async fn folded(&mut self, wanted: &Wanted<'_>, rows: &[&Row]) -> Result<Vec<(u64, Raw)>, ReadError> {
        let streams = rows.iter().map(|row| row.text("stream")).collect::<Result<Vec<_>, _>>()?;
        let streams: Vec<&str> = streams.iter().map(String::as_str).collect();
        let args = [in_chunk(&streams), vec![int(wanted.end)]].concat();
        let mut lines =
            if LISTED.contains(&wanted.family) { self.lines_by(args.clone()).await? } else { HashMap::new() };
        let (world, projection) = (self.world_handle(), wanted.projection());
        let mut merged = Merged::default();
        for row in self.rows(EVENTS, args).await? {
            let index = row.count("entry_index")?;
            let event = recalled::event(&row, lines.remove(&index).unwrap_or_default())?;
            let changes = projection.map(|projection| projection.apply(&event, &world)).transpose();
            let changes = changes.map_err(|_| ReadError::Damaged(index))?.unwrap_or_default();
            for change in changes {
                merged.merge(change);
            }
        }
        for row in rows {
            // Which rule called it 补报 was decided when it was recorded.
            let late = Change::new(&MATTERS).text("stream", row.text("stream")?);
            merged.merge(late.flag("back_filled", row.flag("back_filled")?));
        }
        let tables = [&MATTERS, &PEOPLE, &VACANT_POSTS].map(|table| text(merged.json(table)));
        let args = [wanted.conditions(), vec![int(i64::MAX), int(0)], tables.to_vec()].concat();
        let raw = |row: &Row| Ok((row.count("first_index")?, Raw::read(row)?));
        let [sqlite, postgres] = &*FOLDED;
        self.rows(Sql::Each { sqlite, postgres }, args).await?.iter().map(raw).collect()
    }

    /// Lines by the entry that lists them.
    async fn lines_by(&mut self, args: Vec<Arg>) -> Result<HashMap<u64, Vec<PublicLine>>, ReadError> {
        let mut lines: HashMap<u64, Vec<PublicLine>> = HashMap::new();
        for row in self.rows(LINES, args).await? {
            let content = row.maybe::<String>("content")?.map(|json| serde_json::from_str(&json)).transpose()?;
            let line = PublicLine { line: row.count("line")?, content };
            lines.entry(row.count("entry_index")?).or_default().push(line);
        }
        Ok(lines)
    }
}

/// Keeps the candidates that may be folded for this page, at least one, and adds up their events; whether any was left out.
fn bounded(rows: &mut Vec<Row>, end: u64, folded: &mut u64) -> Result<bool, ReadError> {
    for place in 0..rows.len() {
        let row = &rows[place];
        let events = if row.count("last_index")? >= end { row.count("revisions")? } else { 0 };
        if place > 0 && *folded + events > FOLDED_EVENTS_MAX {
            rows.truncate(place);
            *folded = FOLDED_EVENTS_MAX;
            return Ok(true);
        }
        *folded += events;
    }
    Ok(false)
}
