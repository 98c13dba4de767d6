//! Every statement of the log, newest first.

use chrono::{DateTime, FixedOffset, NaiveDate, Utc};
use gongkai_domain::kind;
use gongkai_store::database::Row;
use serde::Serialize;
use serde_json::Value;

use super::{Columns, Filter, Page, ReadError, Reader, int, label_or, text};
use crate::projection::Arg;

macro_rules! item {
    ($tail:literal) => {
        concat!(
            "SELECT e.entry_index, e.stream, e.revision, e.family, e.kind, e.org, e.recorded_at, e.declared_at, e.late_days, e.back_filled, \
             e.fields, COALESCE(m.title, '') AS matter_title FROM events e LEFT JOIN matters m ON m.stream = e.stream ",
            $tail
        )
    };
}

const LATEST: &str =
    item!("WHERE (CAST($1 AS TEXT) IS NULL OR e.family = $1) ORDER BY e.entry_index DESC LIMIT $2 OFFSET $3");
/// Without what the registry says of organizations, people, posts, keys and rules, and what the ledger says of itself.
const LATEST_MATTERS: &str = item!(
    "WHERE COALESCE(e.family, '') IN ('pledge', 'vacancy', 'nomination', 'notice', 'disclosure', 'session', 'consultation', 'tally', \
     'statement', 'matter', 'supervision') ORDER BY e.entry_index DESC LIMIT $1"
);
const LATEST_WITHIN: &str = item!(
    "WHERE (CAST($1 AS TEXT) IS NULL OR e.family = $1) AND e.org IN (SELECT code FROM organization_ancestors WHERE ancestor = $4) \
     ORDER BY e.entry_index DESC LIMIT $2 OFFSET $3"
);
const UNTIL: &str = item!("WHERE e.entry_index < $3 ORDER BY e.entry_index DESC LIMIT $1 OFFSET $2");
const UNTIL_COUNT: &str = "SELECT COUNT(*) FROM events e WHERE e.entry_index < $1";
/// Of a family that has few events among all; an index on the organization would read everything else of the subtree.
const NEWEST: &str = item!(
    "WHERE e.family = $1 AND (e.org || '') IN (SELECT code FROM organization_ancestors WHERE ancestor = $3) \
     ORDER BY e.entry_index DESC LIMIT $2"
);
/// What names a person, and what later happened in the matters that do: the reports on a pledge do not repeat the pledger.
const ABOUT: &str = item!(
    "WHERE e.entry_index IN (SELECT s.entry_index FROM named_persons n JOIN events s ON s.stream = n.stream \
     WHERE n.person = $1) ORDER BY e.entry_index DESC LIMIT $2 OFFSET $3"
);
const ABOUT_COUNT: &str = "SELECT COUNT(DISTINCT s.entry_index) FROM named_persons n JOIN events s ON s.stream = n.stream WHERE n.person = $1";
/// Without a condition SQLite counts pages of an index and looks at no row.
const COUNT: &str = "SELECT COUNT(*) FROM events";
const COUNT_OF: &str = "SELECT COUNT(*) FROM events e WHERE e.family = $1";
const COUNT_WITHIN: &str = "SELECT COUNT(*) FROM events e WHERE (CAST($1 AS TEXT) IS NULL OR e.family = $1) AND e.org IN \
     (SELECT code FROM organization_ancestors WHERE ancestor = $2)";
const COUNT_IN_NAME: &str = "SELECT COUNT(*) FROM events e WHERE e.org = $1 AND e.entry_index < $2";
const BACK_FILLED: &str = item!(
    "WHERE e.back_filled = 1 AND (CAST($1 AS TEXT) IS NULL OR e.org IN (SELECT code FROM organization_ancestors WHERE ancestor = $1)) \
     ORDER BY e.entry_index DESC LIMIT $2 OFFSET $3"
);
const BACK_FILLED_COUNT: &str = "SELECT COUNT(*) FROM events e WHERE e.back_filled = 1 AND (CAST($1 AS TEXT) IS NULL OR e.org IN \
     (SELECT code FROM organization_ancestors WHERE ancestor = $1))";

pub(super) const STATEMENTS: &[(&str, &str)] = &[
    ("timeline.latest", LATEST),
    ("timeline.latest_matters", LATEST_MATTERS),
    ("timeline.latest_within", LATEST_WITHIN),
    ("timeline.until", UNTIL),
    ("timeline.until_count", UNTIL_COUNT),
    ("timeline.newest", NEWEST),
    ("timeline.about", ABOUT),
    ("timeline.about_count", ABOUT_COUNT),
    ("timeline.count", COUNT),
    ("timeline.count_of", COUNT_OF),
    ("timeline.count_within", COUNT_WITHIN),
    ("timeline.count_in_name", COUNT_IN_NAME),
    ("timeline.back_filled", BACK_FILLED),
    ("timeline.back_filled_count", BACK_FILLED_COUNT),
];

/// One statement in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TimelineItem {
    /// Place in the log.
    pub index: u64,
    /// Stream.
    pub stream: String,
    /// Place in the stream.
    pub revision: u64,
    /// Family.
    pub family: String,
    /// Wire name of the kind.
    pub kind: String,
    /// Chinese name of the kind.
    pub label: String,
    /// Code of the organization.
    pub org: String,
    /// Its name today.
    pub org_name: String,
    /// Its own title or name, or the matter's; absent when none is open.
    pub title: Option<String>,
    /// The author's time.
    pub declared_at: DateTime<FixedOffset>,
    /// The log's time.
    pub recorded_at: DateTime<Utc>,
    /// Days from the declared to the recorded day.
    pub late_days: u64,
    /// Whether the rule calls that 补报.
    pub back_filled: bool,
}

impl TimelineItem {
    /// The author's day.
    pub fn declared_on(&self) -> NaiveDate {
        self.declared_at.date_naive()
    }
}

impl Reader {
    /// A page of all statements, or of one family, or of a subtree; of the filter `org` and the page count.
    pub async fn timeline(&mut self, family: Option<&str>, filter: &Filter) -> Result<Page<TimelineItem>, ReadError> {
        let wanted = Arg::Text(family.map(str::to_owned));
        let page = [wanted.clone(), int(filter.limit()), int(filter.offset)];
        let (rows, total) = if let Some(org) = &filter.org {
            let rows = self.rows(LATEST_WITHIN, [page.to_vec(), vec![text(org)]].concat()).await?;
            (rows, self.count(COUNT_WITHIN, vec![wanted, text(org)]).await?)
        } else {
            let total = match family {
                Some(_) => self.count(COUNT_OF, vec![wanted]).await?,
                None => self.count(COUNT, Vec::new()).await?,
            };
            (self.rows(LATEST, page.to_vec()).await?, total)
        };
        self.timeline_page(rows, total, filter).await
    }

    /// A page of what was recorded by the end of a past day; a statement without a title has its matter's of that day.
    pub async fn timeline_on(&mut self, on: NaiveDate, filter: &Filter) -> Result<Page<TimelineItem>, ReadError> {
        let end = self.end_of(on).await?;
        let total = self.count(UNTIL_COUNT, vec![int(end)]).await?;
        let rows = self.rows(UNTIL, vec![int(filter.limit()), int(filter.offset), int(end)]).await?;
        let own = rows.iter().map(own_title).collect::<Result<Vec<_>, _>>()?;
        let mut page = self.timeline_page(rows, total, filter).await?;
        for (item, own) in page.items.iter_mut().zip(own) {
            item.title = match own {
                Some(title) => Some(title),
                None => self.matter_on(&item.stream, on).await?.and_then(|matter| matter.title),
            };
        }
        Ok(page)
    }

    /// How many statements below an index were made in the name of an organization, those below it not included.
    pub async fn said_in_name_of(&mut self, org: &str, below: u64) -> Result<u64, ReadError> {
        self.count(COUNT_IN_NAME, vec![text(org), int(below)]).await
    }

    /// The newest statements about matters.
    pub async fn newest_of_matters(&mut self, limit: u32) -> Result<Vec<TimelineItem>, ReadError> {
        let rows = self.rows(LATEST_MATTERS, vec![int(limit)]).await?;
        Ok(self.timeline_page(rows, 0, &Filter::default()).await?.items)
    }

    /// The newest statements of a family of which there are few, in a subtree.
    pub(crate) async fn newest(&mut self, family: &str, org: &str, limit: u32) -> Result<Vec<TimelineItem>, ReadError> {
        let rows = self.rows(NEWEST, vec![text(family), int(limit), text(org)]).await?;
        rows.iter().map(item).collect()
    }

    /// A page of every statement in the matters that name a registered person, by the person's stream
    /// (`person/<uuid>`): the registration, keys and roles, and the pledges and replies with all that followed.
    pub async fn about_person(&mut self, person: &str, filter: &Filter) -> Result<Page<TimelineItem>, ReadError> {
        let total = self.count(ABOUT_COUNT, vec![text(person)]).await?;
        let rows = self.rows(ABOUT, vec![text(person), int(filter.limit()), int(filter.offset)]).await?;
        self.timeline_page(rows, total, filter).await
    }

    /// A page of what was recorded late (补报).
    pub async fn back_filled(&mut self, filter: &Filter) -> Result<Page<TimelineItem>, ReadError> {
        let org = Arg::Text(filter.org.clone());
        let total = self.count(BACK_FILLED_COUNT, vec![org.clone()]).await?;
        let rows = self.rows(BACK_FILLED, vec![org, int(filter.limit()), int(filter.offset)]).await?;
        self.timeline_page(rows, total, filter).await
    }

    async fn timeline_page(
        &mut self,
        rows: Vec<Row>,
        total: u64,
        filter: &Filter,
    ) -> Result<Page<TimelineItem>, ReadError> {
        let mut items = rows.iter().map(item).collect::<Result<Vec<_>, _>>()?;
        let names = self.org_names(items.iter().map(|item| item.org.as_str())).await?;
        for item in &mut items {
            item.org_name = names.get(&item.org).unwrap_or(&item.org).clone();
        }
        Ok(Page { size: self.size(), total, offset: filter.offset, limit: filter.limit(), items })
    }
}

/// The title or name that the statement itself gives.
fn own_title(row: &Row) -> Result<Option<String>, ReadError> {
    let fields: Vec<Value> = serde_json::from_str(&row.text("fields")?)?;
    let open = |name: &str| {
        let field = fields.iter().find(|field| field["name"] == name)?;
        field["value"].as_str().map(str::to_owned)
    };
    Ok(open("title").or_else(|| open("name")))
}

fn item(row: &Row) -> Result<TimelineItem, ReadError> {
    let matter = Some(row.text("matter_title")?).filter(|title| !title.is_empty());
    let kind = row.text("kind")?;
    Ok(TimelineItem {
        index: row.count("entry_index")?,
        stream: row.text("stream")?,
        revision: row.count("revision")?,
        family: row.text("family")?,
        label: label_or(kind::find(&kind).map(|kind| kind.label), &kind).to_owned(),
        kind,
        org: row.text("org")?,
        org_name: String::new(),
        title: own_title(row)?.or(matter),
        declared_at: row.declared("declared_at")?,
        recorded_at: row.recorded("recorded_at")?,
        late_days: row.count("late_days")?,
        back_filled: row.flag("back_filled")?,
    })
}
