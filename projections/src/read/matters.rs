//! Lists of matters: filters, pages, counts by status. One shape serves the boards of all five families.
//!
//! Where today and a stored date decide a status, SQL filters by it. Where the working-day calendar
//! decides (notices, nominations), the rows of the other filters are read and their periods computed:
//! a calendar that is published later moves them without a row being written. What is asked is in `statements`.

// First: the others share its macros.
#[macro_use]
mod statements;
pub(super) mod counted;
pub(super) mod past;

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, FixedOffset, NaiveDate, Utc};
use gongkai_domain::{
    World,
    calendar::Computed,
    kind::{disclosure, nomination, notice, pledge, vacancy},
    period::Stated,
    rules::{Rule, RuleCode},
};
use gongkai_store::database::Row;
use serde::Serialize;

pub use self::past::PastPage;
pub(super) use self::statements::STATEMENTS;
use self::statements::{
    BY_KEY, BY_KEY_WITHIN, COUNT, COUNT_WITHIN, LATEST_WITHIN, LIST, LIST_WITHIN, ONE, OPEN_PERIODS,
    OPEN_PERIODS_WITHIN, OPEN_PLEDGES, OPEN_PLEDGES_BY_DAY, SOME, YEARS,
};
use super::{CHUNK, Columns, Deadline, LIMIT_MAX, ReadError, Reader, in_chunk, int, label_or, text};
use crate::{
    projection::Arg,
    status::{self, Status, statuses_of},
};

/// Most rows whose periods are computed for one list: forty years of a province's notices.
const COMPUTED_ROWS_MAX: i64 = 200_000;

/// Most matters of a status that is looked for in all matters of a subtree once, rather than from the latest back.
const RARE_MAX: u64 = 10_000;

/// What a list is narrowed to. Everything absent means any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Code of an organization: it, all below it, and what went up in it.
    pub org: Option<String>,
    /// Year that the matter belongs to.
    pub year: Option<i32>,
    /// Any of these statuses.
    pub statuses: Vec<Status>,
    /// Type within the family, wire value.
    pub category: Option<String>,
    /// A part of the title or of a name, literally.
    pub text: Option<String>,
    /// Rows before the page.
    pub offset: u64,
    /// Rows of the page; 0 means 20, at most [`LIMIT_MAX`] are given.
    pub limit: u32,
}

impl Filter {
    pub(crate) fn limit(&self) -> u32 {
        if self.limit == 0 { 20 } else { self.limit.min(LIMIT_MAX) }
    }
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Page<T> {
    /// Entries of the log that it reflects.
    pub size: u64,
    /// All rows, not only this page.
    pub total: u64,
    /// Rows before this page.
    pub offset: u64,
    /// Rows of a full page.
    pub limit: u32,
    /// The rows.
    pub items: Vec<T>,
}

/// A status with how many matters have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct StatusCount {
    /// The status.
    pub status: Status,
    /// How many.
    pub total: u64,
}

/// A matter as lists show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Matter {
    /// `<family>/<uuid>`.
    pub stream: String,
    /// Family.
    pub family: String,
    /// Code of the organization.
    pub org: String,
    /// Its name today; its code when no name is open.
    pub org_name: String,
    /// Type, wire value.
    pub category: Option<String>,
    /// Type, Chinese.
    pub category_label: Option<String>,
    /// Year.
    pub year: Option<i32>,
    /// Latest title; absent when it was withdrawn.
    pub title: Option<String>,
    /// Names of the people in it.
    pub names: Vec<String>,
    /// Status today.
    pub status: Status,
    /// First day of its period or window.
    pub starts_on: Option<NaiveDate>,
    /// Last day: due date, end of the period or of the window.
    pub ends_on: Option<NaiveDate>,
    /// Whether that day may move with a calendar that is not published yet.
    pub provisional: bool,
    /// Days to that day, negative after it; absent when it does not matter any more.
    pub days_left: Option<i64>,
    /// Latest reported percentage of a pledge.
    pub percent: Option<u8>,
    /// Period of a sheet, as written.
    pub period: Option<String>,
    /// Class of a disclosure, wire value.
    pub class: Option<String>,
    /// What a sheet lists, wire value.
    pub content: Option<String>,
    /// Author's time of the first event.
    pub declared_at: DateTime<FixedOffset>,
    /// Log's time of the first event.
    pub recorded_at: DateTime<Utc>,
    /// Days from the declared to the recorded day.
    pub late_days: u64,
    /// Whether the rule calls that 补报.
    pub back_filled: bool,
    /// Entry that opened it.
    pub first_index: u64,
    /// Latest entry.
    pub last_index: u64,
    /// Log's time of the latest entry.
    pub last_recorded_at: DateTime<Utc>,
    /// How many events it has.
    pub revisions: u64,
    /// The past day at whose end all of this stood so; absent for today.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub as_of: Option<NaiveDate>,
    /// Whether a supervision is about it; only known of one that was asked for alone.
    #[serde(skip)]
    pub is_supervised: Option<bool>,
}

impl Matter {
    /// Columns of a table of matters: wire name and Chinese label.
    pub const COLUMNS: &'static [(&'static str, &'static str)] = &[
        ("stream", "事项编号"),
        ("family", "栏目"),
        ("org", "机构代码"),
        ("org_name", "机构"),
        ("category", "类型"),
        ("year", "年度"),
        ("title", "标题"),
        ("names", "人员"),
        ("status", "状态"),
        ("starts_on", "开始日期"),
        ("ends_on", "截止日期"),
        ("percent", "完成比例"),
        ("period", "所属期间"),
        ("declared_at", "申报时间"),
        ("recorded_at", "入账时间"),
        ("late_days", "迟报天数"),
        ("first_index", "首条序号"),
        ("last_index", "末条序号"),
        ("revisions", "记录数"),
    ];

    /// The last column of a table of a past day.
    pub const AS_OF: (&'static str, &'static str) = ("as_of", "截至哪一天");

    /// One row of that table.
    pub fn cells(&self) -> Vec<String> {
        let day = |day: Option<NaiveDate>| day.map(|day| day.to_string()).unwrap_or_default();
        let mut cells = vec![
            self.stream.clone(),
            self.family.clone(),
            self.org.clone(),
            self.org_name.clone(),
            self.category.clone().unwrap_or_default(),
            self.year.map(|year| year.to_string()).unwrap_or_default(),
            self.title.clone().unwrap_or_default(),
            self.names.join(";"),
            self.status.wire().to_owned(),
            day(self.starts_on),
            day(self.ends_on),
            self.percent.map(|percent| percent.to_string()).unwrap_or_default(),
            self.period.clone().unwrap_or_default(),
            self.declared_at.to_rfc3339(),
            self.recorded_at.to_rfc3339(),
            self.late_days.to_string(),
            self.first_index.to_string(),
            self.last_index.to_string(),
            self.revisions.to_string(),
        ];
        cells.extend(self.as_of.map(|day| day.to_string()));
        cells
    }
}

/// What periods are counted by.
#[derive(Clone, Copy)]
struct Terms<'w> {
    /// Which organization is above which.
    registry: &'w World,
    /// Rules and calendar.
    published: &'w World,
}

impl<'w> Terms<'w> {
    /// All of it as of one moment.
    fn of(world: &'w World) -> Self {
        Self { registry: world, published: world }
    }

    fn rule(self, code: RuleCode, org: &str, on: NaiveDate) -> Rule {
        self.published.rules.get(code, self.registry.chain(org), on)
    }
}

/// A row before its status is known.
pub(crate) struct Raw {
    matter: Matter,
    key: String,
    days: Option<u64>,
    printed_end: Option<NaiveDate>,
    extended: bool,
    open_people: u64,
}

impl Raw {
    fn read(row: &Row) -> Result<Self, ReadError> {
        let (family, category) = (row.text("family")?, row.maybe::<String>("category")?);
        let ends_on = row.day("ends_on")?;
        let matter = Matter {
            stream: row.text("stream")?,
            org: row.text("org")?,
            org_name: String::new(),
            category_label: category.as_deref().map(|wire| category_label(&family, wire).to_owned()),
            family,
            category,
            year: row.maybe::<i64>("year")?.and_then(|year| i32::try_from(year).ok()),
            title: row.maybe("title")?,
            names: names(row.maybe("names")?),
            status: Status::InForce,
            starts_on: row.day("starts_on")?,
            ends_on: row.day("due_on")?.or(ends_on),
            provisional: false,
            days_left: None,
            percent: row.maybe::<i64>("percent")?.and_then(|percent| u8::try_from(percent).ok()),
            period: row.maybe("period")?,
            class: row.maybe("class")?,
            content: row.maybe("content")?,
            declared_at: row.declared("declared_at")?,
            recorded_at: row.recorded("recorded_at")?,
            late_days: row.count("late_days")?,
            back_filled: row.flag("back_filled")?,
            first_index: row.count("first_index")?,
            last_index: row.count("last_index")?,
            last_recorded_at: row.recorded("last_recorded_at")?,
            revisions: row.count("revisions")?,
            as_of: None,
            is_supervised: None,
        };
        Ok(Self {
            key: row.text("status_key")?,
            days: row.maybe::<i64>("days")?.map(i64::unsigned_abs),
            printed_end: ends_on,
            extended: row.flag("extended")?,
            open_people: row.count("open_people")?,
            matter,
        })
    }

    fn stated(&self) -> Option<Stated> {
        Some(Stated { starts_on: self.matter.starts_on?, days: self.days, ends_on: self.printed_end })
    }

    /// The rule that sets the period, and the period as computed now.
    fn period(&self, terms: Terms<'_>, periods: &mut Periods) -> Option<(Rule, Computed)> {
        let stated = self.stated()?;
        let in_force = |code| terms.rule(code, &self.matter.org, stated.starts_on);
        let rule = match (self.matter.family.as_str(), self.matter.category.as_deref()) {
            ("nomination", Some("announced")) => in_force(RuleCode::NominationDaysMin),
            ("notice", Some(category)) => {
                notice::period_rule_by(notice::Type::from_wire(category)?, &stated, in_force)?
            }
            _ => return None,
        };
        Some((rule.clone(), periods.compute(stated, &rule, terms.published)?))
    }

    /// The last day of its period by this rule, on another calendar.
    fn last_day(&self, rule: &Rule, world: &World) -> Option<NaiveDate> {
        Some(self.stated()?.computed(rule.value, rule.unit, world).ok()?.end)
    }

    /// The matter with its status and days for today.
    fn finish(mut self, terms: Terms<'_>, periods: &mut Periods, today: NaiveDate) -> Matter {
        let computed = self.period(terms, periods).map(|(_, computed)| computed);
        if let Some(computed) = &computed {
            self.matter.ends_on = Some(computed.end);
            self.matter.provisional = computed.provisional;
        }
        self.matter.status = status::of_key(&self.matter.family, &self.key).unwrap_or_else(|| self.by_period(today));
        let runs = matches!(
            self.matter.status,
            Status::NotReported
                | Status::OverdueUnreported
                | Status::Overdue
                | Status::NoProgress
                | Status::InProgress
                | Status::Recommending
                | Status::Upcoming
                | Status::PeriodRunning
                | Status::Extended
                | Status::NoOutcome
                | Status::Previewed
        );
        self.matter.days_left = self.matter.ends_on.filter(|_| runs).map(|end| (end - today).num_days());
        self.matter
    }

    fn by_period(&self, today: NaiveDate) -> Status {
        let matter = &self.matter;
        match (matter.family.as_str(), self.key.as_str()) {
            ("nomination", "previewed") => return Status::Previewed,
            ("nomination", _) if self.open_people == 0 => return Status::Concluded,
            (_, "concluded") => return Status::Concluded,
            ("notice", _) if matter.ends_on.is_none() => return Status::InForce,
            _ => {}
        }
        match (matter.starts_on, matter.ends_on) {
            (Some(start), _) if today < start => Status::Upcoming,
            (_, Some(end)) if today > end => Status::NoOutcome,
            _ if self.extended => Status::Extended,
            _ => Status::PeriodRunning,
        }
    }
}

fn names(text: Option<String>) -> Vec<String> {
    text.unwrap_or_default().lines().filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// Chinese label of a family's type.
pub fn category_label<'a>(family: &str, wire: &'a str) -> &'a str {
    let label = match family {
        "pledge" => pledge::Category::from_wire(wire).map(pledge::Category::label),
        "vacancy" => vacancy::Scope::from_wire(wire).map(vacancy::Scope::label),
        "notice" => notice::Type::from_wire(wire).map(notice::Type::label),
        "disclosure" => disclosure::Class::from_wire(wire).map(disclosure::Class::label),
        "nomination" if wire == "previewed" => Some("考察预告"),
        "nomination" => Some("任前公示"),
        _ => None,
    };
    label.unwrap_or(wire)
}

/// Label of a person's conclusion.
pub(crate) fn outcome_label(wire: &str) -> &str {
    label_or(nomination::Outcome::from_wire(wire).map(nomination::Outcome::label), wire)
}

/// Periods that start on the same day and have the same length are computed once.
#[derive(Default)]
pub(crate) struct Periods(HashMap<(Stated2, u64, gongkai_domain::rules::Unit), Option<Computed>>);

type Stated2 = (NaiveDate, Option<u64>, Option<NaiveDate>);

impl Periods {
    fn compute(&mut self, stated: Stated, rule: &Rule, world: &World) -> Option<Computed> {
        let key = ((stated.starts_on, stated.days, stated.ends_on), rule.value, rule.unit);
        self.0.entry(key).or_insert_with(|| stated.computed(rule.value, rule.unit, world).ok()).clone()
    }
}

impl Reader {
    /// A page of a family's matters, newest change first.
    pub async fn matters(&mut self, family: &str, filter: &Filter) -> Result<Page<Matter>, ReadError> {
        let by_period = matches!(family, "notice" | "nomination") && !filter.statuses.is_empty();
        let (items, total) = if by_period {
            let all = self.finished(family, filter, None).await?;
            let kept: Vec<Matter> = all.into_iter().filter(|m| filter.statuses.contains(&m.status)).collect();
            let total = kept.len() as u64;
            let skip = usize::try_from(filter.offset).unwrap_or(usize::MAX);
            (kept.into_iter().skip(skip).take(filter.limit() as usize).collect(), total)
        } else {
            let total = self.how_many(family, filter).await?;
            // Nobody goes through an index for a page that has nothing.
            let items = if total <= filter.offset {
                Vec::new()
            } else if counted::is_overdue(family, filter) {
                self.overdue_page(filter).await?
            } else {
                self.finished(family, filter, Some(total)).await?
            };
            (items, total)
        };
        let items = self.with_org_names(items).await?;
        Ok(Page { size: self.size(), total, offset: filter.offset, limit: filter.limit(), items })
    }

    /// How many matters the filter leaves; its page is left out.
    async fn how_many(&mut self, family: &str, filter: &Filter) -> Result<u64, ReadError> {
        if let Some(total) = self.counted(family, filter).await? {
            return Ok(total);
        }
        let args = self.conditions(family, filter);
        match &filter.org {
            Some(org) => self.count(COUNT_WITHIN, [args, vec![text(org)]].concat()).await,
            None => self.count(COUNT, args).await,
        }
    }

    /// How many matters have each status under a filter, whose own statuses and page are left out.
    pub async fn status_counts(&mut self, family: &str, filter: &Filter) -> Result<Vec<StatusCount>, ReadError> {
        let filter = Filter { statuses: Vec::new(), ..filter.clone() };
        let mut totals: BTreeMap<Status, u64> = BTreeMap::new();
        if matches!(family, "notice" | "nomination") {
            for matter in self.finished(family, &filter, None).await? {
                *totals.entry(matter.status).or_default() += 1;
            }
        } else if let Some(counted) = self.counted_by_status(family, &filter).await? {
            totals = counted;
        } else {
            let args = self.conditions(family, &filter);
            let rows = match &filter.org {
                Some(org) => self.rows(BY_KEY_WITHIN, [args, vec![text(org)]].concat()).await?,
                None => self.rows(BY_KEY, args).await?,
            };
            for row in rows {
                if let Some(status) = status::of_key(family, &row.text("status_key")?) {
                    *totals.entry(status).or_default() += row.count("total")?;
                }
            }
        }
        let count = |status: &Status| StatusCount { status: *status, total: totals.get(status).copied().unwrap_or(0) };
        Ok(statuses_of(family).iter().map(count).filter(|count| count.total > 0).collect())
    }

    /// Years in which a family has matters, newest first.
    pub async fn years(&mut self, family: &str) -> Result<Vec<i32>, ReadError> {
        let rows = self.rows(YEARS, vec![text(family)]).await?;
        rows.iter().map(|row| Ok(i32::try_from(row.number("year")?).unwrap_or_default())).collect()
    }

    /// One matter by stream.
    pub async fn matter(&mut self, stream: &str) -> Result<Option<Matter>, ReadError> {
        Ok(self.matter_with_deadline(stream).await?.map(|(matter, _)| matter))
    }

    /// Matters by stream, those that are there.
    pub(crate) async fn matters_of(&mut self, streams: &[&str]) -> Result<HashMap<String, Matter>, ReadError> {
        let (today, world, mut periods) = (self.today(), self.world_handle(), Periods::default());
        let mut found = Vec::with_capacity(streams.len());
        for chunk in streams.chunks(CHUNK) {
            for row in self.rows(SOME, [in_chunk(chunk), vec![text(today.to_string())]].concat()).await? {
                found.push(Raw::read(&row)?.finish(Terms::of(&world), &mut periods, today));
            }
        }
        let named = self.with_org_names(found).await?;
        Ok(named.into_iter().map(|matter| (matter.stream.clone(), matter)).collect())
    }

    /// One matter, and its period with how it was computed, if it has one.
    pub(crate) async fn matter_with_deadline(
        &mut self,
        stream: &str,
    ) -> Result<Option<(Matter, Option<Deadline>)>, ReadError> {
        let today = self.today();
        let Some(row) = self.row(ONE, vec![text(stream), text(today.to_string())]).await? else { return Ok(None) };
        let raw = Raw::read(&row)?;
        let world = self.world_handle();
        let mut periods = Periods::default();
        let period = raw.period(Terms::of(&world), &mut periods);
        let mut deadline =
            period.as_ref().map(|(rule, computed)| Deadline::new(computed, rule, period_name(rule), today));
        if let Some(((rule, _), deadline)) = period.as_ref().zip(deadline.as_mut()) {
            deadline.moved = self.moved_period(stream, |calendar| raw.last_day(rule, calendar)).await?;
        }
        let mut matter = raw.finish(Terms::of(&world), &mut periods, today);
        matter.is_supervised = Some(row.count("supervisions")? > 0);
        let mut named = self.with_org_names(vec![matter]).await?;
        Ok(named.pop().map(|matter| (matter, deadline)))
    }

    /// Notices and nominations without an outcome, each with its period as counted today; at or below any of some
    /// organizations, or everywhere. Names of organizations are left to [`Self::with_org_names`].
    pub(crate) async fn open_periods(
        &mut self,
        roots: Option<&[&str]>,
    ) -> Result<Vec<(Matter, Option<(Rule, Computed)>)>, ReadError> {
        let (today, ruled) = (self.today(), text(ruled_types()));
        let rows = match roots {
            Some(roots) => {
                let args = [in_chunk(roots), vec![text(today.to_string()), ruled]].concat();
                self.rows(OPEN_PERIODS_WITHIN, args).await?
            }
            None => self.rows(OPEN_PERIODS, vec![text(today.to_string()), ruled]).await?,
        };
        let (world, mut periods) = (self.world_handle(), Periods::default());
        let one = |row: &Row| {
            let raw = Raw::read(row)?;
            let period = raw.period(Terms::of(&world), &mut periods);
            Ok((raw.finish(Terms::of(&world), &mut periods, today), period))
        };
        rows.iter().map(one).collect()
    }

    /// Pledges without an end that are due on one of these days, the first due first.
    pub(crate) async fn open_pledges(
        &mut self,
        roots: &[&str],
        (from, to): (NaiveDate, NaiveDate),
        (limit, offset): (u64, u64),
    ) -> Result<Vec<Matter>, ReadError> {
        let (world, today) = (self.world_handle(), self.today());
        let days = [today, from, to].map(|day| text(day.to_string()));
        let args = [in_chunk(roots), days.to_vec(), vec![int(limit), int(offset)]].concat();
        let rows = self.rows(OPEN_PLEDGES, args).await?;
        let mut periods = Periods::default();
        let matters = rows.iter().map(|row| Ok(Raw::read(row)?.finish(Terms::of(&world), &mut periods, today)));
        let matters = matters.collect::<Result<Vec<_>, ReadError>>()?;
        self.with_org_names(matters).await
    }

    /// How many of them are due on each of these days.
    pub(crate) async fn open_pledges_by_day(
        &mut self,
        roots: &[&str],
        (from, to): (NaiveDate, NaiveDate),
    ) -> Result<Vec<(NaiveDate, u64)>, ReadError> {
        let args = [in_chunk(roots), vec![text(from.to_string()), text(to.to_string())]].concat();
        let rows = self.rows(OPEN_PLEDGES_BY_DAY, args).await?;
        let mut days = Vec::with_capacity(rows.len());
        for row in &rows {
            days.extend(row.day("due_on")?.map(|day| Ok::<_, sqlx::Error>((day, row.count("total")?))).transpose()?);
        }
        Ok(days)
    }

    /// Rows with their statuses: one page of so many rows, or all that the filter's SQL part leaves.
    async fn finished(&mut self, family: &str, filter: &Filter, page: Option<u64>) -> Result<Vec<Matter>, ReadError> {
        let (limit, offset) = match page {
            Some(_) => (i64::from(filter.limit()), i64::try_from(filter.offset).unwrap_or(i64::MAX)),
            None => (COMPUTED_ROWS_MAX, 0),
        };
        let mut args = self.conditions(family, filter);
        if page.is_none() {
            args[3] = Arg::Text(None);
        }
        let page_args = vec![int(limit), int(offset)];
        let rows = match &filter.org {
            Some(org) if page.is_some_and(|total| is_frequent(filter, total)) => {
                let last = vec![int(limit.saturating_add(offset) - 1)];
                self.rows(LATEST_WITHIN, [args, vec![text(org)], page_args, last].concat()).await?
            }
            Some(org) => self.rows(LIST_WITHIN, [args, vec![text(org)], page_args].concat()).await?,
            None => self.rows(LIST, [args, page_args].concat()).await?,
        };
        let (world, today) = (self.world_handle(), self.today());
        let mut periods = Periods::default();
        rows.iter().map(|row| Ok(Raw::read(row)?.finish(Terms::of(&world), &mut periods, today))).collect()
    }

    fn conditions(&self, family: &str, filter: &Filter) -> Vec<Arg> {
        let keys = (!filter.statuses.is_empty()).then(|| status::keys_of(family, &filter.statuses));
        vec![
            text(family),
            Arg::Int(filter.year.map(i64::from)),
            Arg::Text(filter.category.clone()),
            Arg::Text(keys),
            text(self.today().to_string()),
            Arg::Text(filter.text.as_deref().map(like)),
        ]
    }

    pub(crate) async fn with_org_names(&mut self, mut matters: Vec<Matter>) -> Result<Vec<Matter>, ReadError> {
        let names = self.org_names(matters.iter().map(|matter| matter.org.as_str())).await?;
        for matter in &mut matters {
            matter.org_name = names.get(&matter.org).unwrap_or(&matter.org).clone();
        }
        Ok(matters)
    }
}

/// Name of the rule that sets a period: one that no rule sets counts by the days that its author gave.
pub(crate) fn period_name(rule: &Rule) -> &'static str {
    if rule.basis == "发布单位自定" { "发布单位自定期限" } else { rule.code.label() }
}

/// Whether a page of each organization holds few more rows than the list's own page.
fn is_frequent(filter: &Filter, total: u64) -> bool {
    filter.text.is_none() && (filter.statuses.is_empty() || total > RARE_MAX)
}

/// Types whose period a rule sets, as SQL looks them up.
fn ruled_types() -> String {
    let ruled = notice::Type::ALL.iter().filter(|kind| kind.rule().is_some()).map(|kind| kind.wire());
    format!(",{},announced,", ruled.collect::<Vec<_>>().join(","))
}

/// A pattern that matches the text literally, anywhere.
pub(crate) fn like(part: &str) -> String {
    // PostgreSQL tells letters by their case, SQLite does not.
    let literal = part.to_ascii_lowercase().replace('!', "!!").replace('%', "!%").replace('_', "!_");
    format!("%{literal}%")
}
