//! What a village has published, put together (一村一档): months, money, what it was spent on, promises kept,
//! questions open. The same for every village, so that two can stand side by side.
//!
//! A month without figures says why and is never 0. Books (村委会、经济合作社) are added up month by month, and
//! a month in which one of them is absent is marked partial. A quarterly sheet is not cut into months. To
//! add a part: a member of [`Dossier`] and its query here.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Months, NaiveDate};
use gongkai_domain::kind::disclosure::Book;
use serde::Serialize;

use super::{Columns, Filter, FulfilmentPoint, FulfilmentRate, ReadError, Reader, compliance::Month, label_or, text};
use crate::status::Status;

/// Every finance sheet that reaches into the window; the other columns are null in a sheet of text.
const SHEETS: &str = "SELECT stream, first_index, content, book, period_start, period_end, income, expense, no_movement FROM matters \
     WHERE org = $1 AND family = 'disclosure' AND state <> 'withdrawn' AND (content = 'finance' OR class = 'finance') AND period_start <= $3 AND period_end >= $2 \
     ORDER BY period_start, first_index";
const KNOWN: &str = "SELECT code FROM organizations WHERE code = $1";

pub(super) const STATEMENTS: &[(&str, &str)] = &[("dossier.sheets", SHEETS), ("dossier.known", KNOWN)];

/// Why a month has no figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NoFigures {
    /// No sheet is there.
    NotDisclosed,
    /// A sheet of a longer period covers it, which cannot be cut.
    LongerPeriod,
    /// A sheet is there and does not state its totals.
    NoTotals,
}

/// Income and spending of a month, all books together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MonthMoney {
    /// The month, `2026-02`.
    pub period: String,
    /// Fen; absent when there are no figures.
    pub income: Option<i64>,
    /// Fen; absent when there are no figures.
    pub expense: Option<i64>,
    /// Why there are none.
    pub without: Option<NoFigures>,
    /// Books that are in the figures, Chinese.
    pub books: Vec<String>,
    /// Whether a book that the village published for another month is absent.
    pub partial: bool,
    /// The sheets.
    pub sheets: Vec<String>,
}

/// What money came from and went to in some period.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Accounts {
    /// Income by category or account, largest first, fen.
    pub income: Vec<(String, i64)>,
    /// Spending by category or account, largest first, fen.
    pub expense: Vec<(String, i64)>,
    /// Whether lines were withdrawn, so that the sums are short of them.
    pub withdrawn_lines: bool,
}

/// The latest month with figures, by category.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LatestAccounts {
    /// The month, `2026-02`.
    pub period: String,
    /// Its sheets.
    pub sheets: Vec<String>,
    /// The sums.
    pub accounts: Accounts,
}

/// What a village has published.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Dossier {
    /// Entries of the log that it reflects.
    pub size: u64,
    /// Day for which it was computed.
    pub today: NaiveDate,
    /// Code.
    pub code: String,
    /// Name today.
    pub name: String,
    /// The months that it owes itself, oldest first; empty for an organization that owes none.
    pub months: Vec<Month>,
    /// Income and spending of the same months.
    pub money: Vec<MonthMoney>,
    /// The latest month with figures, by category.
    pub latest: Option<LatestAccounts>,
    /// Pledges at or below it, now.
    pub pledges: FulfilmentRate,
    /// The same at the end of each month; absent where there are too many to fold.
    pub pledges_over_time: Option<Vec<FulfilmentPoint>>,
    /// Public questions without an answer.
    pub questions_open: u64,
    /// Of these, those past their date.
    pub questions_overdue: u64,
}

impl Dossier {
    /// Months disclosed on time, without movement included.
    pub fn on_time(&self) -> u64 {
        self.with(&[Status::Disclosed, Status::NoMovement])
    }

    /// Months disclosed late.
    pub fn late(&self) -> u64 {
        self.with(&[Status::BackFilled])
    }

    /// Months that are missing.
    pub fn missing(&self) -> u64 {
        self.with(&[Status::Missing])
    }

    fn with(&self, statuses: &[Status]) -> u64 {
        self.months.iter().filter(|month| statuses.contains(&month.status)).count() as u64
    }
}

/// A finance sheet of the window.
struct Sheet {
    stream: String,
    first_index: u64,
    has_figures: bool,
    book: String,
    days: (NaiveDate, NaiveDate),
    income: i64,
    expense: i64,
}

impl Reader {
    /// What an organization has published; `None` if there is no such organization.
    pub async fn dossier(&mut self, code: &str) -> Result<Option<Dossier>, ReadError> {
        if self.row(KNOWN, vec![text(code)]).await?.is_none() {
            return Ok(None);
        }
        let months = self.months(Some(code)).await?.remove(code).unwrap_or_default();
        let sheets = self.sheets(code, &months).await?;
        let money = money(&months, &sheets);
        let latest = match money.iter().rev().find(|month| month.without.is_none()) {
            Some(month) => Some(LatestAccounts {
                period: month.period.clone(),
                sheets: month.sheets.clone(),
                accounts: self.accounts(sheets.iter().filter(|sheet| month.sheets.contains(&sheet.stream))).await?,
            }),
            None => None,
        };
        let open = self.unanswered(Some(code)).await?;
        let overdue = open.iter().filter(|open| open.question.status == Status::AnswerOverdue).count();
        let filter = Filter { org: Some(code.to_owned()), ..Filter::default() };
        Ok(Some(Dossier {
            size: self.size(),
            today: self.today(),
            code: code.to_owned(),
            name: self.org_names([code]).await?.remove(code).unwrap_or_else(|| code.to_owned()),
            months,
            money,
            latest,
            pledges: self.fulfilment_rate(&filter).await?,
            pledges_over_time: self.fulfilment_over_time(Some(code)).await?,
            questions_open: open.len() as u64,
            questions_overdue: overdue as u64,
        }))
    }

    /// What the money of all months with figures came from and went to.
    pub async fn accounts_of(&mut self, dossier: &Dossier) -> Result<Accounts, ReadError> {
        let sheets = self.sheets(&dossier.code, &dossier.months).await?;
        let counted: BTreeSet<&String> = dossier.money.iter().flat_map(|month| &month.sheets).collect();
        self.accounts(sheets.iter().filter(|sheet| counted.contains(&sheet.stream))).await
    }

    async fn sheets(&mut self, code: &str, months: &[Month]) -> Result<Vec<Sheet>, ReadError> {
        let day = |month: Option<&Month>| month.and_then(|month| days(&month.period));
        let Some(((first, _), (_, last))) = day(months.first()).zip(day(months.last())) else { return Ok(Vec::new()) };
        let args = vec![text(code), text(first.to_string()), text(last.to_string())];
        let rows = self.rows(SHEETS, args).await?;
        let mut sheets = Vec::with_capacity(rows.len());
        for row in &rows {
            let (Some(start), Some(end)) = (row.day("period_start")?, row.day("period_end")?) else { continue };
            let (income, expense) = (row.maybe::<i64>("income")?, row.maybe::<i64>("expense")?);
            let book = row.maybe::<String>("book")?.unwrap_or_default();
            sheets.push(Sheet {
                stream: row.text("stream")?,
                first_index: row.count("first_index")?,
                has_figures: row.flag("no_movement")? || (income.is_some() && expense.is_some()),
                book: label_or(Book::from_wire(&book).map(Book::label), &book).to_owned(),
                days: (start, end),
                income: income.unwrap_or(0),
                expense: expense.unwrap_or(0),
            });
        }
        Ok(sheets)
    }

    async fn accounts(&mut self, sheets: impl Iterator<Item = &Sheet>) -> Result<Accounts, ReadError> {
        let (mut income, mut expense) = (BTreeMap::new(), BTreeMap::new());
        let mut withdrawn_lines = false;
        for sheet in sheets {
            let versions = self.versions(&sheet.stream, sheet.first_index).await?;
            withdrawn_lines |= versions.add_by_account("income", &mut income);
            withdrawn_lines |= versions.add_by_account("expense", &mut expense);
        }
        Ok(Accounts { income: largest_first(income), expense: largest_first(expense), withdrawn_lines })
    }
}

pub(super) fn largest_first(sums: BTreeMap<String, i64>) -> Vec<(String, i64)> {
    let mut sums: Vec<_> = sums.into_iter().collect();
    sums.sort_by_key(|(_, fen)| std::cmp::Reverse(*fen));
    sums
}

/// First and last day of a month.
fn days(period: &str) -> Option<(NaiveDate, NaiveDate)> {
    let first: NaiveDate = format!("{period}-01").parse().ok()?;
    Some((first, first.checked_add_months(Months::new(1))?.pred_opt()?))
}

fn money(months: &[Month], sheets: &[Sheet]) -> Vec<MonthMoney> {
    let of_month = |month: &Month| {
        let (first, last) = days(&month.period)?;
        let exact: Vec<&Sheet> = sheets.iter().filter(|sheet| sheet.days == (first, last)).collect();
        let covered = sheets.iter().any(|sheet| sheet.days.0 <= first && sheet.days.1 >= last);
        let with: Vec<&Sheet> = exact.iter().copied().filter(|sheet| sheet.has_figures).collect();
        let without = match (with.is_empty(), exact.is_empty(), covered) {
            (false, ..) => None,
            (_, false, _) => Some(NoFigures::NoTotals),
            (_, _, true) => Some(NoFigures::LongerPeriod),
            _ => Some(NoFigures::NotDisclosed),
        };
        let sum = |of: fn(&Sheet) -> i64| {
            without.is_none().then(|| with.iter().fold(0_i64, |sum, sheet| sum.saturating_add(of(sheet))))
        };
        Some(MonthMoney {
            period: month.period.clone(),
            income: sum(|sheet| sheet.income),
            expense: sum(|sheet| sheet.expense),
            without,
            books: with.iter().map(|sheet| sheet.book.clone()).collect::<BTreeSet<_>>().into_iter().collect(),
            partial: false,
            sheets: with.iter().map(|sheet| sheet.stream.clone()).collect(),
        })
    };
    let mut money: Vec<MonthMoney> = months.iter().filter_map(of_month).collect();
    let books: BTreeSet<String> = money.iter().flat_map(|month| month.books.iter().cloned()).collect();
    for month in money.iter_mut().filter(|month| month.without.is_none()) {
        month.partial = month.books.len() < books.len();
    }
    money
}
