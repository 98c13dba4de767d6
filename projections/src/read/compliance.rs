//! The compliance board: who is late with what, computed for today. Each number has its list.
//!
//! Which periods are missing: every village in force owes a finance sheet for each month since it was
//! registered (or since its earliest published period), due on the day of the next month that the rule
//! in force sets. A quarterly sheet covers its three months. Months that are not yet due are not missing.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    ops::RangeInclusive,
};

use chrono::{DateTime, Datelike, Months, NaiveDate, Utc};
use gongkai_domain::{
    field::Period,
    kind::slot::WithdrawalBasis,
    rules::{Rule, RuleCode},
};
use gongkai_store::database::Row;
use serde::Serialize;

use super::{
    Columns, Filter, Matter, Page, Question, ReadError, Reader, ScheduledOpening, TimelineItem, disclosures, in_chunk,
    int, label_or, text,
};
use crate::{projection::Arg, status::Status};

/// Months that the board and the grid look back.
pub const MONTHS_MAX: u32 = 12;
/// Open questions that are read for the board.
const QUESTIONS_MAX: i64 = 10_000;

macro_rules! within {
    ($column:literal) => {
        concat!(
            "(CAST($1 AS TEXT) IS NULL OR ",
            $column,
            " IN (SELECT code FROM organization_ancestors WHERE ancestor = $1))"
        )
    };
}

const VILLAGES: &str = concat!(
    "SELECT v.code, v.registered_on, v.ended_on, (SELECT MIN(s.period_start) FROM matters s WHERE s.org = v.code AND s.family = 'disclosure' \
     AND s.state <> 'withdrawn' AND (s.content = 'finance' OR s.class = 'finance')) AS first_period \
     FROM organizations v WHERE v.level = 'village' AND ",
    within!("v.code"),
    " ORDER BY v.code"
);
/// The sheets of villages that reach into the window: one look into the index for each village, `CROSS JOIN` so that
/// SQLite does not go through every disclosure instead.
const SHEETS: &str = concat!(
    "SELECT m.org, m.stream, m.period_start, m.period_end, m.recorded_at, m.declared_at, m.late_days, m.back_filled, m.no_movement \
     FROM organizations v CROSS JOIN matters m WHERE v.level = 'village' AND m.org = v.code AND m.family = 'disclosure' AND m.state <> 'withdrawn' \
     AND (m.content = 'finance' OR m.class = 'finance') AND m.period_start < $3 AND m.period_end >= $2 AND ",
    within!("v.code"),
    " ORDER BY m.org, m.period_start, m.first_index"
);
const WITHDRAWALS: &str = concat!(
    "SELECT w.entry_index, w.place, w.number, w.target_index, w.org, w.basis, e.recorded_at, COALESCE(t.kind, '') AS target_kind, COALESCE(t.stream, '') AS target_stream \
     FROM withdrawals w JOIN events e ON e.entry_index = w.entry_index LEFT JOIN events t ON t.entry_index = w.target_index WHERE ",
    within!("w.org"),
    " ORDER BY w.entry_index DESC, w.place, w.number LIMIT $2 OFFSET $3"
);
const WITHDRAWN_FROM: &str = "SELECT w.entry_index, w.place, w.number, w.target_index, e.recorded_at, t.body AS target_body \
     FROM withdrawals w JOIN events e ON e.entry_index = w.entry_index LEFT JOIN events t ON t.entry_index = w.target_index \
     WHERE w.entry_index IN (SELECT DISTINCT entry_index FROM withdrawals WHERE entry_index >= $1 ORDER BY entry_index LIMIT $2) \
     ORDER BY w.entry_index, w.place, w.number";
const WITHDRAWALS_COUNT: &str = concat!("SELECT COUNT(*) FROM withdrawals w WHERE ", within!("w.org"));

/// Villages that owe a month and have no sheet that covers it: its first day, its last, and the first of the next.
macro_rules! owed {
    ($first:literal, $last:literal, $next:literal, $where:expr) => {
        concat!(
            "SELECT v.code FROM organizations v WHERE v.level = 'village' AND (v.ended_on IS NULL OR v.ended_on >= ",
            $next,
            ") AND (v.registered_on < ",
            $next,
            " OR EXISTS (SELECT 1 FROM matters s WHERE s.family = 'disclosure' AND s.state <> 'withdrawn' \
             AND (s.content = 'finance' OR s.class = 'finance') AND s.org = v.code AND s.period_start < ",
            $next,
            ")) AND NOT EXISTS (SELECT 1 FROM matters s WHERE s.family = 'disclosure' AND s.state <> 'withdrawn' \
             AND (s.content = 'finance' OR s.class = 'finance') AND s.org = v.code AND s.period_start <= ",
            $first,
            " AND s.period_end >= ",
            $last,
            ")",
            $where,
            " ORDER BY v.code"
        )
    };
}

const OWED: &str = owed!("$1", "$2", "$3", "");
const OWED_WITHIN: &str = owed!(
    "$33",
    "$34",
    "$35",
    concat!(" AND v.code IN (SELECT code FROM organization_ancestors WHERE ancestor IN ", roots!(), ")")
);

pub(super) const STATEMENTS: &[(&str, &str)] = &[
    ("compliance.villages", VILLAGES),
    ("compliance.sheets", SHEETS),
    ("compliance.owed", OWED),
    ("compliance.owed_within", OWED_WITHIN),
    ("compliance.withdrawals", WITHDRAWALS),
    ("compliance.withdrawals_count", WITHDRAWALS_COUNT),
    ("compliance.withdrawn_from", WITHDRAWN_FROM),
    ("compliance.open_questions", disclosures::OPEN_QUESTIONS),
];

/// The first few of a list, and how many there are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Counted<T> {
    /// All.
    pub total: u64,
    /// The first few.
    pub items: Vec<T>,
}

/// A month that a village owes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MissingPeriod {
    /// Code of the village.
    pub org: String,
    /// Its name today.
    pub org_name: String,
    /// The month, `2026-02`.
    pub period: String,
    /// Day on which it was due.
    pub due: NaiveDate,
    /// Days since then.
    pub days_late: u64,
}

/// A month of an organization's grid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Month {
    /// The month, `2026-02`.
    pub period: String,
    /// Day on which it is due.
    pub due: NaiveDate,
    /// 已公开, 补报, 本月无收支, 缺 or 未到期.
    pub status: Status,
    /// The sheet.
    pub stream: Option<String>,
    /// Days from the due day to the record, or to today while it is missing.
    pub days_late: Option<u64>,
}

/// A question that waits for its answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Unanswered {
    /// The question; its text is on the sheet's page.
    pub question: Question,
    /// Code of the organization that must answer.
    pub org: String,
    /// Its name today.
    pub org_name: String,
    /// Days since it was asked.
    pub age_days: u64,
}

/// A withdrawal in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WithdrawalRow {
    /// Entry that records it.
    pub index: u64,
    /// `slot` or `line`.
    pub place: String,
    /// Which slot or line, from 0.
    pub number: u64,
    /// Entry whose opening was withdrawn.
    pub target: u64,
    /// Stream of that entry.
    pub target_stream: String,
    /// Chinese name of that entry's kind.
    pub target_label: String,
    /// Code of the organization that withdrew.
    pub org: String,
    /// Its name today.
    pub org_name: String,
    /// Legal basis, Chinese.
    pub basis: String,
    /// When it was recorded.
    pub at: DateTime<Utc>,
}

/// A withdrawal for those who copy the log: which published files no longer have what, and nothing of what it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WithdrawnFiles {
    /// Entry that records it.
    pub index: u64,
    /// When it was recorded.
    pub recorded_at: DateTime<Utc>,
    /// Entry whose openings were withdrawn.
    pub target: u64,
    /// Slots of it.
    pub slots: Vec<u64>,
    /// Lines of its list.
    pub lines: Vec<u64>,
    /// Root of its list, base64, if it has one.
    pub lines_root: Option<String>,
}

/// The whole board for a subtree.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Compliance {
    /// Entries of the log that it reflects.
    pub size: u64,
    /// Day for which it was computed.
    pub today: NaiveDate,
    /// Pledges past their date without an end.
    pub overdue: Counted<Matter>,
    /// Months without a finance sheet.
    pub missing: Counted<MissingPeriod>,
    /// Notices and nominations whose period ended without an outcome.
    pub without_outcome: Counted<Matter>,
    /// Questions past their date without an answer.
    pub unanswered: Counted<Unanswered>,
    /// Openings past their promised day without one.
    pub unopened: Counted<ScheduledOpening>,
    /// What was recorded late.
    pub back_filled: Counted<TimelineItem>,
    /// What was taken down.
    pub withdrawn: Counted<WithdrawalRow>,
}

/// Pledges past their date.
const OVERDUE: [Status; 2] = [Status::OverdueUnreported, Status::Overdue];

/// A month without a sheet.
pub(crate) struct Owed {
    /// Code of the village.
    pub(crate) org: String,
    /// First day of the month.
    pub(crate) first: NaiveDate,
    /// Day on which it is due.
    pub(crate) due: NaiveDate,
    /// The rule that says so.
    pub(crate) rule: Rule,
}

struct Sheet {
    stream: String,
    start: NaiveDate,
    end: NaiveDate,
    recorded_on: NaiveDate,
    late_days: u64,
    back_filled: bool,
    no_movement: bool,
}

impl Reader {
    /// The board, each list with its first `shown` rows.
    pub async fn compliance(&mut self, org: Option<&str>, shown: u32) -> Result<Compliance, ReadError> {
        let filter = Filter { org: org.map(str::to_owned), limit: shown.max(1), ..Filter::default() };
        let overdue = self.overdue(&filter).await?;
        let without_outcome = self.without_outcome(&filter).await?;
        let unopened = self.unopened(&filter).await?;
        let back_filled = self.back_filled(&filter).await?;
        let withdrawn = self.withdrawals(&filter).await?;
        let shown = shown as usize;
        let first = |mut all: Vec<MissingPeriod>| Counted {
            total: all.len() as u64,
            items: all.drain(..).take(shown).collect(),
        };
        let missing = first(self.missing(org).await?);
        let unanswered: Vec<_> = self.unanswered(org).await?;
        let overdue_answers: Vec<_> =
            unanswered.into_iter().filter(|open| open.question.status == Status::AnswerOverdue).collect();
        Ok(Compliance {
            size: self.size(),
            today: self.today(),
            overdue: Counted { total: overdue.total, items: overdue.items },
            missing,
            without_outcome: Counted { total: without_outcome.total, items: without_outcome.items },
            unanswered: Counted {
                total: overdue_answers.len() as u64,
                items: overdue_answers.into_iter().take(shown).collect(),
            },
            unopened: Counted { total: unopened.total, items: unopened.items },
            back_filled: Counted { total: back_filled.total, items: back_filled.items },
            withdrawn: Counted { total: withdrawn.total, items: withdrawn.items },
        })
    }

    /// Pledges past their date without an end.
    pub async fn overdue(&mut self, filter: &Filter) -> Result<Page<Matter>, ReadError> {
        self.pledges(&Filter { statuses: OVERDUE.to_vec(), ..filter.clone() }).await
    }

    /// Notices and nominations whose period ended without an outcome, longest first.
    pub async fn without_outcome(&mut self, filter: &Filter) -> Result<Page<Matter>, ReadError> {
        self.by_end(filter, vec![Status::NoOutcome]).await
    }

    /// Notices and nominations whose period is running, the first to end first.
    pub async fn running(&mut self, filter: &Filter) -> Result<Page<Matter>, ReadError> {
        self.by_end(filter, vec![Status::PeriodRunning, Status::Extended]).await
    }

    async fn by_end(&mut self, filter: &Filter, statuses: Vec<Status>) -> Result<Page<Matter>, ReadError> {
        let roots = filter.org.as_deref().map(|org| [org]);
        let open = self.open_periods(roots.as_ref().map(<[&str; 1]>::as_slice)).await?;
        let mut all: Vec<Matter> =
            open.into_iter().map(|(matter, _)| matter).filter(|matter| statuses.contains(&matter.status)).collect();
        all.sort_by_key(|matter| (matter.ends_on, matter.first_index));
        let total = all.len() as u64;
        let skip = usize::try_from(filter.offset).unwrap_or(usize::MAX);
        let items = all.into_iter().skip(skip).take(filter.limit() as usize).collect();
        let items = self.with_org_names(items).await?;
        Ok(Page { size: self.size(), total, offset: filter.offset, limit: filter.limit(), items })
    }

    /// Every month that a village of the subtree owes, latest month first.
    pub async fn missing(&mut self, org: Option<&str>) -> Result<Vec<MissingPeriod>, ReadError> {
        let roots = org.map(|org| [org]);
        let mut missing = Vec::new();
        for owed in self.owed(roots.as_ref().map(<[&str; 1]>::as_slice), 1..=MONTHS_MAX).await? {
            let days_late = (self.today() - owed.due).num_days();
            if days_late > 0 {
                missing.push(MissingPeriod {
                    org: owed.org,
                    org_name: String::new(),
                    period: Period::month_of(owed.first).0,
                    due: owed.due,
                    days_late: days_late.unsigned_abs(),
                });
            }
        }
        let names = self.org_names(missing.iter().map(|m| m.org.as_str())).await?;
        for period in &mut missing {
            period.org_name = names.get(&period.org).unwrap_or(&period.org).clone();
        }
        Ok(missing)
    }

    /// Months without a sheet, so many back from this one, the latest first, also those that are not due yet. The
    /// database finds them, so that nobody walks the sheets that are there. [`Self::months`] shows the same months with
    /// what was published.
    pub(crate) async fn owed(
        &mut self,
        roots: Option<&[&str]>,
        months_back: RangeInclusive<u32>,
    ) -> Result<Vec<Owed>, ReadError> {
        let this_month = self.today().with_day(1).unwrap_or(self.today());
        let mut all = Vec::new();
        for first in months_back.filter_map(|back| this_month.checked_sub_months(Months::new(back))) {
            let next = first.checked_add_months(Months::new(1)).unwrap_or(first);
            let days = [first, next.pred_opt().unwrap_or(next), next].map(|day| text(day.to_string())).to_vec();
            let rows = match roots {
                Some(roots) => self.rows(OWED_WITHIN, [in_chunk(roots), days].concat()).await?,
                None => self.rows(OWED, days).await?,
            };
            for row in rows {
                let org = row.text("code")?;
                if let Some((due, rule)) = self.due_of_month(&org, first) {
                    all.push(Owed { org, first, due, rule });
                }
            }
        }
        Ok(all)
    }

    /// The day on which a month is due at a village, and the rule that says so.
    fn due_of_month(&self, code: &str, first: NaiveDate) -> Option<(NaiveDate, Rule)> {
        let rule = self.world().rule(RuleCode::DisclosureDueDay, code, first);
        Some((rule.day_of_next_month(first)?, rule))
    }

    /// The grid of each village of a subtree: the last [`MONTHS_MAX`] ended months that it owes, oldest first.
    pub async fn months(&mut self, org: Option<&str>) -> Result<BTreeMap<String, Vec<Month>>, ReadError> {
        let scope = Arg::Text(org.map(str::to_owned));
        let villages = self.rows(VILLAGES, vec![scope.clone()]).await?;
        let mut sheets: HashMap<String, Vec<Sheet>> = HashMap::new();
        let this_month = self.today().with_day(1).unwrap_or(self.today());
        let window = this_month.checked_sub_months(Months::new(MONTHS_MAX)).unwrap_or(this_month);
        let args = vec![scope, text(window.to_string()), text(this_month.to_string())];
        for row in self.rows(SHEETS, args).await? {
            let (Some(start), Some(end)) = (row.day("period_start")?, row.day("period_end")?) else { continue };
            let zone = *row.declared("declared_at")?.offset();
            sheets.entry(row.text("org")?).or_default().push(Sheet {
                stream: row.text("stream")?,
                start,
                end,
                recorded_on: row.recorded("recorded_at")?.with_timezone(&zone).date_naive(),
                late_days: row.count("late_days")?,
                back_filled: row.flag("back_filled")?,
                no_movement: row.flag("no_movement")?,
            });
        }
        let mut grids = BTreeMap::new();
        for village in &villages {
            let code = village.text("code")?;
            let sheets = sheets.remove(&code).unwrap_or_default();
            let registered = village.day("registered_on")?.unwrap_or(self.today());
            let since = village.day("first_period")?.map_or(registered, |first| first.min(registered));
            let grid = self.grid(&code, since, village.day("ended_on")?, &sheets);
            grids.insert(code, grid);
        }
        Ok(grids)
    }

    fn grid(&self, code: &str, since: NaiveDate, ended: Option<NaiveDate>, sheets: &[Sheet]) -> Vec<Month> {
        let this_month = self.today().with_day(1).unwrap_or(self.today());
        let months = (1..=MONTHS_MAX).rev().filter_map(|back| this_month.checked_sub_months(Months::new(back)));
        let owed = months.filter(|first| {
            let after = first.checked_add_months(Months::new(1)).unwrap_or(*first);
            after > since && ended.is_none_or(|ended| ended >= after)
        });
        owed.filter_map(|first| self.month(code, first, sheets)).collect()
    }

    fn month(&self, code: &str, first: NaiveDate, sheets: &[Sheet]) -> Option<Month> {
        let next = first.checked_add_months(Months::new(1))?;
        let (due, _) = self.due_of_month(code, first)?;
        let days_after = |day: NaiveDate| (day > due).then(|| (day - due).num_days().unsigned_abs());
        let sheet = sheets.iter().find(|sheet| sheet.start <= first && sheet.end >= next.pred_opt().unwrap_or(next));
        let (status, days_late) = match sheet {
            Some(sheet) if sheet.back_filled || sheet.recorded_on > due => {
                (Status::BackFilled, days_after(sheet.recorded_on).or(Some(sheet.late_days)))
            }
            Some(sheet) if sheet.no_movement => (Status::NoMovement, None),
            Some(_) => (Status::Disclosed, None),
            None if self.today() > due => (Status::Missing, days_after(self.today())),
            None => (Status::NotYetDue, None),
        };
        let stream = sheet.map(|sheet| sheet.stream.clone());
        Some(Month { period: Period::month_of(first).0, due, status, stream, days_late })
    }

    /// Questions without an answer, oldest first; those past their date have the status 逾期未答复.
    pub async fn unanswered(&mut self, org: Option<&str>) -> Result<Vec<Unanswered>, ReadError> {
        let rows = self.rows(disclosures::OPEN_QUESTIONS, disclosures::open_questions_args(org, QUESTIONS_MAX)).await?;
        let codes: Vec<String> =
            rows.iter().map(|row| Ok(row.maybe("org")?.unwrap_or_default())).collect::<Result<_, ReadError>>()?;
        let names = self.org_names(codes.iter().map(String::as_str)).await?;
        let one = |(row, org): (&Row, String)| {
            let question = self.question(row)?;
            let age_days = (self.today() - question.asked_on).num_days().max(0).unsigned_abs();
            Ok(Unanswered { org_name: names.get(&org).unwrap_or(&org).clone(), org, age_days, question })
        };
        rows.iter().zip(codes).map(one).collect()
    }

    /// A page of withdrawals, newest first.
    pub async fn withdrawals(&mut self, filter: &Filter) -> Result<Page<WithdrawalRow>, ReadError> {
        let scope = Arg::Text(filter.org.clone());
        let total = self.count(WITHDRAWALS_COUNT, vec![scope.clone()]).await?;
        let rows = self.rows(WITHDRAWALS, vec![scope, int(filter.limit()), int(filter.offset)]).await?;
        let codes: Vec<String> = rows.iter().map(|row| row.text("org")).collect::<Result<_, _>>()?;
        let names = self.org_names(codes.iter().map(String::as_str)).await?;
        let mut items = Vec::with_capacity(rows.len());
        for row in &rows {
            let (org, kind, basis) = (row.text("org")?, row.text("target_kind")?, row.text("basis")?);
            items.push(WithdrawalRow {
                index: row.count("entry_index")?,
                place: row.text("place")?,
                number: row.count("number")?,
                target: row.count("target_index")?,
                target_stream: row.text("target_stream")?,
                target_label: label_or(gongkai_domain::kind::find(&kind).map(|kind| kind.label), &kind).to_owned(),
                org_name: names.get(&org).unwrap_or(&org).clone(),
                org,
                basis: label_or(WithdrawalBasis::from_wire(&basis).map(WithdrawalBasis::label), &basis).to_owned(),
                at: row.recorded("recorded_at")?,
            });
        }
        Ok(Page { size: self.size(), total, offset: filter.offset, limit: filter.limit(), items })
    }

    /// Withdrawals from an entry on, in the order of the log.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn withdrawn_from(&mut self, from: u64, limit: u32) -> Result<Vec<WithdrawnFiles>, ReadError> {
        let mut found: Vec<WithdrawnFiles> = Vec::new();
        for row in self.rows(WITHDRAWN_FROM, vec![int(from), int(limit)]).await? {
            let index = row.count("entry_index")?;
            if found.last().is_none_or(|last| last.index != index) {
                let body = row.maybe::<String>("target_body")?;
                let body: Option<serde_json::Value> = body.map(|body| serde_json::from_str(&body)).transpose()?;
                let lines_root = body.as_ref().and_then(|body| body["lines"].as_str()).map(str::to_owned);
                let (recorded_at, target) = (row.recorded("recorded_at")?, row.count("target_index")?);
                found.push(WithdrawnFiles {
                    index,
                    recorded_at,
                    target,
                    slots: Vec::new(),
                    lines: Vec::new(),
                    lines_root,
                });
            }
            let (is_slot, number) = (row.text("place")? == "slot", row.count("number")?);
            if let Some(last) = found.last_mut() {
                if is_slot { &mut last.slots } else { &mut last.lines }.push(number);
            }
        }
        Ok(found)
    }

    /// Of the villages in a subtree: how many owe the month, and how many of them have not disclosed it.
    pub async fn month_owed(&mut self, org: Option<&str>, period: &str) -> Result<(u64, u64), ReadError> {
        let grids = self.months(org).await?;
        let owed: Vec<_> = grids.values().flatten().filter(|month| month.period == period).collect();
        let missing = owed.iter().filter(|month| month.status == Status::Missing).count();
        Ok((owed.len() as u64, missing as u64))
    }

    /// Overdue pledges and missing months at or below each of some organizations.
    pub(crate) async fn late_below(
        &mut self,
        codes: &[String],
        above: Option<&str>,
    ) -> Result<HashMap<String, u64>, ReadError> {
        let mut late: HashMap<String, u64> = HashMap::new();
        let missing = self.missing(above).await?;
        let world = self.world_handle();
        let wanted: HashSet<&str> = codes.iter().map(String::as_str).collect();
        for period in missing {
            for code in world.chain(&period.org).filter(|code| wanted.contains(code)) {
                *late.entry(code.to_owned()).or_default() += 1;
            }
        }
        for (code, total) in self.overdue_below(codes).await? {
            *late.entry(code).or_default() += total;
        }
        Ok(late)
    }
}
