//! What is asked of the rows of matters, put together from a few parts that are the same in many statements.
//!
//! Not here: which statement is asked when, and what the rows mean (`matters`).

/// `$5`, or the mark that is given, is today; see `status::of_key` for the marks.
macro_rules! key {
    () => {
        key!("$5")
    };
    ($today:literal) => {
        concat!(
            "m.state || CASE WHEN m.family = 'pledge' AND m.due_on < ",
            $today,
            " THEN '!' \
             WHEN m.family = 'vacancy' AND m.state = 'tallied' AND NOT EXISTS (SELECT 1 FROM vacant_posts v WHERE v.stream = m.stream AND v.filled_on IS NULL) THEN '+' \
             WHEN m.family = 'vacancy' AND m.starts_on > ",
            $today,
            " THEN '?' WHEN m.family = 'vacancy' AND m.ends_on < ",
            $today,
            " THEN '!' WHEN m.family = 'disclosure' AND m.back_filled = 1 THEN '*' \
             WHEN m.family = 'disclosure' AND m.no_movement = 1 THEN '0' ELSE '' END"
        )
    };
}

macro_rules! columns {
    () => {
        columns!("$5")
    };
    ($today:literal) => {
        concat!(
            "SELECT m.stream, m.family, m.org, m.category, m.year, m.title, m.names, m.starts_on, m.days, m.ends_on, m.due_on, \
             m.extended, m.percent, m.period, m.class, m.content, m.declared_at, m.recorded_at, m.late_days, m.back_filled, \
             m.first_index, m.last_index, m.last_recorded_at, m.revisions, \
             (SELECT COUNT(*) FROM people p WHERE p.stream = m.stream AND p.announced = 1 AND p.outcome IS NULL) AS open_people, ",
            key!($today),
            " AS status_key"
        )
    };
}

/// Conditions on `m`: `$1` family, `$2` year, `$3` type, `$4` list of keys, `$5` today, `$6` text.
macro_rules! conditions {
    () => {
        concat!(
            " m.family = $1 AND (CAST($2 AS BIGINT) IS NULL OR m.year = $2) AND (CAST($3 AS TEXT) IS NULL OR m.category = $3) \
             AND (CAST($4 AS TEXT) IS NULL OR $4 LIKE '%,' || ",
            key!(),
            " || ',%') AND (CAST($6 AS TEXT) IS NULL OR LOWER(m.title) LIKE $6 ESCAPE '!' OR LOWER(m.names) LIKE $6 ESCAPE '!')"
        )
    };
}

macro_rules! everywhere {
    () => {
        concat!(" FROM matters m WHERE CAST($5 AS TEXT) IS NOT NULL AND", conditions!())
    };
}

/// Walks the organizations of the subtree and looks up the matters of each: `CROSS JOIN` keeps SQLite from going through
/// the whole family instead, and a bound that every row keeps to keeps it at the one that has also the state.
macro_rules! within {
    () => {
        within!("0")
    };
    ($least:expr) => {
        concat!(
            " FROM organization_ancestors a CROSS JOIN matters m WHERE m.org = a.code AND a.ancestor = $7 AND m.last_index >= ",
            $least,
            " AND CAST($5 AS TEXT) IS NOT NULL AND",
            conditions!()
        )
    };
}

pub(super) const LIST: &str = concat!(columns!(), everywhere!(), " ORDER BY m.last_index DESC LIMIT $7 OFFSET $8");
/// The rows of the page are found by the index alone: sorting whole rows of a subtree would read all of them.
pub(super) const LIST_WITHIN: &str = concat!(
    columns!(),
    " FROM matters m WHERE m.family = $1 AND m.last_index IN (SELECT m.last_index",
    within!(),
    " ORDER BY m.last_index DESC LIMIT $8 OFFSET $9) ORDER BY m.last_index DESC"
);
/// The same where most matters meet the conditions: of each organization only as many as the page can need, `$10` and
/// one. Where hardly one does, the index would be gone through twice.
pub(super) const LATEST_WITHIN: &str = concat!(
    columns!(),
    " FROM matters m WHERE m.family = $1 AND m.last_index IN (SELECT m.last_index",
    within!(concat!(
        "COALESCE((SELECT m.last_index FROM matters m WHERE m.org = a.code AND",
        conditions!(),
        " ORDER BY m.last_index DESC LIMIT 1 OFFSET $10), 0)"
    )),
    " ORDER BY m.last_index DESC LIMIT $8 OFFSET $9) ORDER BY m.last_index DESC"
);
pub(super) const COUNT: &str = concat!("SELECT COUNT(*)", everywhere!());
pub(super) const COUNT_WITHIN: &str = concat!("SELECT COUNT(*)", within!());
pub(super) const BY_KEY: &str =
    concat!("SELECT ", key!(), " AS status_key, COUNT(*) AS total", everywhere!(), " GROUP BY 1");
pub(super) const BY_KEY_WITHIN: &str =
    concat!("SELECT ", key!(), " AS status_key, COUNT(*) AS total", within!(), " GROUP BY 1");
/// Notices and nominations whose period matters: no outcome yet, and a period by their own word or by the rule of their
/// type. Which of them have run out the calendar says.
macro_rules! open_periods {
    ($today:literal, $ruled:literal, $orgs:expr) => {
        concat!(
            columns!($today),
            " FROM ",
            $orgs,
            " CROSS JOIN matters m WHERE m.org = a.code AND m.family IN ('notice', 'nomination') AND m.state IN ('open', 'closed') \
             AND (m.days IS NOT NULL OR m.ends_on IS NOT NULL OR ",
            $ruled,
            " LIKE '%,' || m.category || ',%') AND (m.family = 'notice' OR EXISTS \
             (SELECT 1 FROM people p WHERE p.stream = m.stream AND p.announced = 1 AND p.outcome IS NULL))"
        )
    };
}

pub(super) const OPEN_PERIODS: &str = open_periods!(
    "$1",
    "$2",
    "(SELECT DISTINCT c.org AS code FROM matter_counts c WHERE c.family IN ('notice', 'nomination')) a"
);
pub(super) const OPEN_PERIODS_WITHIN: &str = open_periods!(
    "$33",
    "$34",
    concat!("(SELECT DISTINCT code FROM organization_ancestors WHERE ancestor IN ", roots!(), ") a")
);
/// Pledges without an end that are due from `$34` to `$35`, the first due first.
pub(super) const OPEN_PLEDGES: &str = concat!(
    columns!("$33"),
    " FROM matters m WHERE m.family = 'pledge' AND m.last_index IN (SELECT m.last_index \
     FROM matters m WHERE m.family = 'pledge' AND m.state IN ('made', 'no_progress', 'in_progress') \
     AND m.due_on >= $34 AND m.due_on <= $35 AND m.org IN (SELECT code FROM organization_ancestors WHERE ancestor IN ",
    roots!(),
    ") ORDER BY m.due_on, m.first_index LIMIT $36 OFFSET $37) ORDER BY m.due_on, m.first_index"
);
/// How many of them on each day from `$33` to `$34`.
pub(super) const OPEN_PLEDGES_BY_DAY: &str = concat!(
    "SELECT m.due_on, COUNT(*) AS total FROM matters m WHERE m.family = 'pledge' \
     AND m.state IN ('made', 'no_progress', 'in_progress') AND m.due_on >= $33 AND m.due_on <= $34 \
     AND m.org IN (SELECT code FROM organization_ancestors WHERE ancestor IN ",
    roots!(),
    ") GROUP BY m.due_on"
);
pub(super) const ONE: &str = concat!(
    columns!("$2"),
    ", (SELECT COUNT(*) FROM supervisions s WHERE s.about = m.stream) AS supervisions \
     FROM matters m WHERE m.stream = $1 AND CAST($2 AS TEXT) IS NOT NULL"
);
pub(super) const SOME: &str =
    concat!(columns!("$33"), " FROM matters m WHERE m.stream IN ", roots!(), " AND CAST($33 AS TEXT) IS NOT NULL");
/// One look into the index a year; `DISTINCT` would go through every matter.
pub(super) const YEARS: &str = "WITH RECURSIVE years (year) AS (SELECT MAX(year) FROM matters WHERE family = $1 UNION ALL \
     SELECT (SELECT MAX(m.year) FROM matters m WHERE m.family = $1 AND m.year < years.year) FROM years \
     WHERE years.year IS NOT NULL) SELECT year FROM years WHERE year IS NOT NULL ORDER BY year DESC";

pub(in crate::read) const STATEMENTS: &[(&str, &str)] = &[
    ("matters.list", LIST),
    ("matters.list_within", LIST_WITHIN),
    ("matters.latest_within", LATEST_WITHIN),
    ("matters.count", COUNT),
    ("matters.count_within", COUNT_WITHIN),
    ("matters.by_key", BY_KEY),
    ("matters.by_key_within", BY_KEY_WITHIN),
    ("matters.one", ONE),
    ("matters.some", SOME),
    ("matters.open_periods", OPEN_PERIODS),
    ("matters.open_periods_within", OPEN_PERIODS_WITHIN),
    ("matters.open_pledges", OPEN_PLEDGES),
    ("matters.open_pledges_by_day", OPEN_PLEDGES_BY_DAY),
    ("matters.years", YEARS),
];
