//! How many matters there are, without going through them: `matter_counts`, which the database keeps with every
//! matter that is written, and the index of pledges without an end, of which today makes some overdue.
//!
//! Not here: what only the row itself decides (a text, the posts of a vacancy, a period by the calendar); the board's
//! own statements count that. To count by something else, give it a column in `matter_counts`, in
//! its triggers and in the statements here.

use std::collections::{BTreeMap, HashMap};

use super::super::{CHUNK, Columns as _, ReadError, Reader, in_chunk, text};
use super::{Filter, Matter, Periods, Raw, Terms, int};
use crate::{
    projection::Arg,
    status::{self, Status},
};

/// Counts under `$1` family, `$2` year, `$3` type, each with the part of the key that does not depend on today.
macro_rules! counted {
    ($from:literal, $where:literal) => {
        concat!(
            "SELECT c.state || CASE WHEN c.family = 'disclosure' AND c.back_filled = 1 THEN '*' \
             WHEN c.family = 'disclosure' AND c.no_movement = 1 THEN '0' ELSE '' END AS status_key, \
             CAST(SUM(c.total) AS BIGINT) AS total FROM ",
            $from,
            " WHERE c.family = $1 AND (CAST($2 AS BIGINT) IS NULL OR c.year = $2) AND (CAST($3 AS TEXT) IS NULL OR c.category = $3)",
            $where,
            " GROUP BY 1"
        )
    };
}

const COUNTED: &str = counted!("matter_counts c", "");
const COUNTED_WITHIN: &str =
    counted!("organization_ancestors a CROSS JOIN matter_counts c", " AND c.org = a.code AND a.ancestor = $4");
const BY_FAMILY: &str = "SELECT family, CAST(SUM(total) AS BIGINT) AS total FROM matter_counts GROUP BY family";
const EVENTS: &str = "SELECT CAST(COALESCE(SUM(c.total), 0) AS BIGINT) AS total, CAST(COALESCE(SUM(c.revisions), 0) AS BIGINT) AS revisions \
     FROM matter_counts c WHERE c.family = $1";
const EVENTS_WITHIN: &str = "SELECT CAST(COALESCE(SUM(c.total), 0) AS BIGINT) AS total, CAST(COALESCE(SUM(c.revisions), 0) AS BIGINT) AS revisions \
     FROM organization_ancestors a CROSS JOIN matter_counts c WHERE c.family = $1 AND c.org = a.code AND a.ancestor = $2";

/// Pledges without an end past their date, of the organizations `a`: one look into the index for each of them. An
/// organization with a pledge has a count.
macro_rules! overdue {
    ($from:literal, $today:literal) => {
        concat!(
            " FROM ",
            $from,
            " CROSS JOIN matters m WHERE m.org = a.code AND m.family = 'pledge' \
             AND m.state IN ('made', 'no_progress', 'in_progress') AND m.due_on < ",
            $today
        )
    };
}

macro_rules! overdue_everywhere {
    () => {
        overdue!("(SELECT DISTINCT c.org AS code FROM matter_counts c WHERE c.family = 'pledge') a", "$5")
    };
}

macro_rules! overdue_within {
    () => {
        concat!(overdue!("organization_ancestors a", "$5"), " AND a.ancestor = $7")
    };
}

macro_rules! overdue_counted {
    ($from:expr) => {
        concat!("SELECT m.state || '!' AS status_key, COUNT(*) AS total", $from, " AND", conditions!(), " GROUP BY 1")
    };
}

/// The rows of the page are found in the index first.
macro_rules! overdue_listed {
    ($from:expr, $page:literal) => {
        concat!(
            columns!(),
            " FROM matters m WHERE m.family = $1 AND m.last_index IN (SELECT m.last_index",
            $from,
            " AND",
            conditions!(),
            " ORDER BY m.last_index DESC LIMIT ",
            $page,
            ") ORDER BY m.last_index DESC"
        )
    };
}

const OVERDUE: &str = overdue_counted!(overdue_everywhere!());
const OVERDUE_WITHIN: &str = overdue_counted!(overdue_within!());
const OVERDUE_LIST: &str = overdue_listed!(overdue_everywhere!(), "$7 OFFSET $8");
const OVERDUE_LIST_WITHIN: &str = overdue_listed!(overdue_within!(), "$8 OFFSET $9");
/// How many of them are at or below each of [`CHUNK`] organizations.
const OVERDUE_BELOW: &str = concat!(
    "SELECT a.ancestor AS code, COUNT(*) AS total",
    overdue!("organization_ancestors a", "$33"),
    " AND a.ancestor IN ",
    roots!(),
    " GROUP BY a.ancestor"
);

pub(in crate::read) const STATEMENTS: &[(&str, &str)] = &[
    ("counted.by_key", COUNTED),
    ("counted.by_key_within", COUNTED_WITHIN),
    ("counted.by_family", BY_FAMILY),
    ("counted.events", EVENTS),
    ("counted.events_within", EVENTS_WITHIN),
    ("counted.overdue", OVERDUE),
    ("counted.overdue_within", OVERDUE_WITHIN),
    ("counted.overdue_list", OVERDUE_LIST),
    ("counted.overdue_list_within", OVERDUE_LIST_WITHIN),
    ("counted.overdue_below", OVERDUE_BELOW),
];

/// Whether only pledges past their date are asked for.
pub(super) fn is_overdue(family: &str, filter: &Filter) -> bool {
    let late = |status: &Status| matches!(status, Status::OverdueUnreported | Status::Overdue);
    family == "pledge" && !filter.statuses.is_empty() && filter.statuses.iter().all(late)
}

impl Reader {
    /// How many matters the filter leaves; `None` when only their rows say so. Its page is left out.
    pub(super) async fn counted(&mut self, family: &str, filter: &Filter) -> Result<Option<u64>, ReadError> {
        if filter.text.is_some() {
            return Ok(None);
        }
        if is_overdue(family, filter) {
            return Ok(Some(self.overdue_by_key(filter).await?.values().sum()));
        }
        if filter.statuses.is_empty() {
            return Ok(Some(self.stated(family, filter).await?.values().sum()));
        }
        let totals = self.counted_by_status(family, filter).await?;
        Ok(totals.map(|totals| filter.statuses.iter().filter_map(|status| totals.get(status)).sum()))
    }

    /// How many matters have each status; `None` when only their rows say so. The filter's statuses and page are left out.
    pub(super) async fn counted_by_status(
        &mut self,
        family: &str,
        filter: &Filter,
    ) -> Result<Option<BTreeMap<Status, u64>>, ReadError> {
        if filter.text.is_some() || !matches!(family, "pledge" | "disclosure") {
            return Ok(None);
        }
        let mut keys = self.stated(family, filter).await?;
        if family == "pledge" {
            let filter = Filter { statuses: Vec::new(), ..filter.clone() };
            for (late, total) in self.overdue_by_key(&filter).await? {
                if let Some(all) = keys.get_mut(late.trim_end_matches('!')) {
                    *all = all.saturating_sub(total);
                }
                keys.insert(late, total);
            }
        }
        let mut totals = BTreeMap::new();
        for (key, total) in keys {
            if let Some(status) = status::of_key(family, &key) {
                *totals.entry(status).or_default() += total;
            }
        }
        Ok(Some(totals))
    }

    /// How many matters each family has, everywhere.
    pub(in crate::read) async fn counted_by_family(&mut self) -> Result<BTreeMap<String, u64>, ReadError> {
        let rows = self.rows(BY_FAMILY, Vec::new()).await?;
        let counts = rows.iter().map(|row| Ok((row.text("family")?, row.count("total")?)));
        Ok(counts.collect::<Result<BTreeMap<_, _>, ReadError>>()?.into_iter().filter(|(_, total)| *total > 0).collect())
    }

    /// How many matters of a family there are, and how many events they have together.
    pub(in crate::read) async fn counted_events(
        &mut self,
        family: &str,
        org: Option<&str>,
    ) -> Result<(u64, u64), ReadError> {
        let row = match org {
            Some(org) => self.row(EVENTS_WITHIN, vec![text(family), text(org)]).await?,
            None => self.row(EVENTS, vec![text(family)]).await?,
        };
        row.map_or(Ok((0, 0)), |row| Ok((row.count("total")?, row.count("revisions")?)))
    }

    /// Overdue pledges at or below each of these organizations; those without any are absent.
    pub(in crate::read) async fn overdue_below(&mut self, codes: &[String]) -> Result<HashMap<String, u64>, ReadError> {
        let codes: Vec<&str> = codes.iter().map(String::as_str).collect();
        let mut totals = HashMap::new();
        for chunk in codes.chunks(CHUNK) {
            let args = [in_chunk(chunk), vec![text(self.today().to_string())]].concat();
            for row in self.rows(OVERDUE_BELOW, args).await? {
                totals.insert(row.text("code")?, row.count("total")?);
            }
        }
        Ok(totals)
    }

    /// Pledges past their date under a filter that asks for nothing else, the latest changed first.
    pub(super) async fn overdue_page(&mut self, filter: &Filter) -> Result<Vec<Matter>, ReadError> {
        let (args, page) = (self.conditions("pledge", filter), page(filter));
        let rows = match &filter.org {
            Some(org) => self.rows(OVERDUE_LIST_WITHIN, [args, vec![text(org)], page].concat()).await?,
            None => self.rows(OVERDUE_LIST, [args, page].concat()).await?,
        };
        let (world, today) = (self.world_handle(), self.today());
        let mut periods = Periods::default();
        rows.iter().map(|row| Ok(Raw::read(row)?.finish(Terms::of(&world), &mut periods, today))).collect()
    }

    async fn overdue_by_key(&mut self, filter: &Filter) -> Result<BTreeMap<String, u64>, ReadError> {
        let args = self.conditions("pledge", filter);
        let rows = match &filter.org {
            Some(org) => self.rows(OVERDUE_WITHIN, [args, vec![text(org)]].concat()).await?,
            None => self.rows(OVERDUE, args).await?,
        };
        rows.iter().map(|row| Ok((row.text("status_key")?, row.count("total")?))).collect()
    }

    /// Totals by what the events say, as if no day had passed.
    async fn stated(&mut self, family: &str, filter: &Filter) -> Result<BTreeMap<String, u64>, ReadError> {
        let args = vec![text(family), Arg::Int(filter.year.map(i64::from)), Arg::Text(filter.category.clone())];
        let rows = match &filter.org {
            Some(org) => self.rows(COUNTED_WITHIN, [args, vec![text(org)]].concat()).await?,
            None => self.rows(COUNTED, args).await?,
        };
        rows.iter().map(|row| Ok((row.text("status_key")?, row.count("total")?))).collect()
    }
}

fn page(filter: &Filter) -> Vec<Arg> {
    vec![int(filter.limit()), int(filter.offset)]
}
