//! Village accounts: the lines of a sheet, and the sums that must agree before it is published.
//!
//! A line is typed strictly from one row of a list; a sheet is the period with its totals. Checks
//! say what blocks publication (problems) and what readers should see (remarks). Nothing is
//! corrected, sorted or de-duplicated: two equal lines are two payments. Money is integer fen. To
//! add a check, add a [`ProblemKind`] or [`RemarkKind`] and a function that [`check`] calls.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde::Deserialize as _;
use serde_json::{Map, Value};

use crate::{
    chart,
    field::{Attachment, LINE_ATTACHMENTS_MAX, Shape, check_value, choices},
};

/// Largest amount in fen, either sign: 2^53 − 1, what JSON readers hold exactly (RFC 8785).
pub const FEN_MAX: i64 = (1 << 53) - 1;
/// Longest text of a column, in characters. A limit of ours: a cell of the posted A4 sheet.
pub const TEXT_CHARS_MAX: usize = 200;
/// Most papers attached to the voucher of one line. A limit of ours.
pub const ATTACHMENTS_MAX: u32 = 9_999;

/// The columns of a row, in the order of the sheet.
pub const COLUMNS: [&str; 18] = [
    "date",
    "voucher",
    "summary",
    "account",
    "income",
    "expense",
    "balance",
    "counterparty",
    "source",
    "handler",
    "approver",
    "supervisor",
    "attachments",
    "project",
    "flag",
    "reference",
    "category",
    "files",
];

/// One line of a finance sheet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Day of the payment.
    pub date: NaiveDate,
    /// Voucher number.
    pub voucher: Option<String>,
    /// What it was for.
    pub summary: String,
    /// Account of the chart, or a plain category.
    pub account: Option<String>,
    /// Fen; negative when an earlier line is reversed; 0 if the column is absent.
    pub income: i64,
    /// Fen; as `income`.
    pub expense: i64,
    /// Running balance after this line, fen.
    pub balance: Option<i64>,
    /// Payer or payee, masked if a natural person.
    pub counterparty: Option<String>,
    /// Source of the funds.
    pub source: Option<String>,
    /// 经手人.
    pub handler: Option<String>,
    /// 审批人.
    pub approver: Option<String>,
    /// 监督人.
    pub supervisor: Option<String>,
    /// Number of papers attached to the voucher.
    pub attachments: Option<u32>,
    /// Project it belongs to.
    pub project: Option<String>,
    /// What is special about the voucher.
    pub flag: Option<Flag>,
    /// Voucher that a negative line reverses.
    pub reference: Option<String>,
    /// Category for the sums of the posted sheet.
    pub category: Option<String>,
    /// The voucher itself and its papers, as files. Names on them are covered before they are attached.
    pub files: Vec<Attachment>,
}

choices! {
    /// What is special about a voucher.
    Flag {
        NoVoucher = "no_voucher" "无凭证",
        Irregular = "irregular" "不合规凭证（白条）",
        SelfMade = "self_made" "自制凭证（合规）",
    }
}

/// A row that is no finance line. The message names the column.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// A column that is not in [`COLUMNS`].
    #[error("没有「{0}」这一列")]
    UnknownColumn(String),
    /// `date` or `summary` is absent, or both amounts are.
    #[error("缺少「{0}」")]
    Missing(&'static str),
    /// Not a day written YYYY-MM-DD.
    #[error("「{0}」应为日期，如2026-03-09")]
    Date(&'static str),
    /// Not an integer number of fen within ±[`FEN_MAX`].
    #[error("「{0}」应为以分为单位的整数")]
    Amount(&'static str),
    /// Not an integer from 0 to [`ATTACHMENTS_MAX`].
    #[error("「{0}」应为0至{ATTACHMENTS_MAX}的整数")]
    Count(&'static str),
    /// Not a text, blank, with a control character, or longer than [`TEXT_CHARS_MAX`].
    #[error("「{0}」应为1至{TEXT_CHARS_MAX}字的文字，不含换行")]
    Text(&'static str),
    /// Not one of the three wire names of [`Flag`].
    #[error("「{0}」只能是no_voucher、irregular或self_made")]
    Flag(&'static str),
    /// Not a list of at most [`LINE_ATTACHMENTS_MAX`] files.
    #[error("「{0}」应为至多{LINE_ATTACHMENTS_MAX}个文件，每个有hash、size、media_type")]
    Files(&'static str),
}

impl Line {
    /// Reads a row. An absent column is `None` (an absent amount 0); `null` is not absence.
    ///
    /// # Errors
    /// The first column, in the order of [`COLUMNS`], that is not as [`LineError`] demands.
    pub fn parse(row: &Map<String, Value>) -> Result<Self, LineError> {
        if let Some(unknown) = row.keys().find(|name| !COLUMNS.contains(&name.as_str())) {
            return Err(LineError::UnknownColumn(unknown.chars().take(TEXT_CHARS_MAX).collect()));
        }
        let (income, expense) = (amount(row, "income")?, amount(row, "expense")?);
        Ok(Self {
            date: date(row)?,
            voucher: text(row, "voucher")?,
            summary: text(row, "summary")?.ok_or(LineError::Missing("summary"))?,
            account: text(row, "account")?,
            income: match (income, expense) {
                (None, None) => return Err(LineError::Missing("income")),
                (income, _) => income.unwrap_or(0),
            },
            expense: expense.unwrap_or(0),
            balance: amount(row, "balance")?,
            counterparty: text(row, "counterparty")?,
            source: text(row, "source")?,
            handler: text(row, "handler")?,
            approver: text(row, "approver")?,
            supervisor: text(row, "supervisor")?,
            attachments: count(row)?,
            project: text(row, "project")?,
            flag: flag(row)?,
            reference: text(row, "reference")?,
            category: text(row, "category")?,
            files: files(row)?,
        })
    }

    /// Whether its author says so, or money moved and no voucher is named.
    pub fn is_without_voucher(&self) -> bool {
        let moved = self.income != 0 || self.expense != 0;
        self.flag == Some(Flag::NoVoucher) || (self.voucher.is_none() && moved)
    }

    /// The name under which the line is summed up: category, else account.
    pub fn class(&self) -> &str {
        self.category.as_deref().or(self.account.as_deref()).unwrap_or("未归类")
    }
}

fn date(row: &Map<String, Value>) -> Result<NaiveDate, LineError> {
    let value = row.get("date").ok_or(LineError::Missing("date"))?;
    let text = value.as_str().ok_or(LineError::Date("date"))?;
    let date: NaiveDate = text.parse().map_err(|_| LineError::Date("date"))?;
    // The parser also takes 2026-3-9; one day has one spelling.
    if date.to_string() == text { Ok(date) } else { Err(LineError::Date("date")) }
}

fn amount(row: &Map<String, Value>, name: &'static str) -> Result<Option<i64>, LineError> {
    let Some(value) = row.get(name) else {
        return Ok(None);
    };
    value.as_i64().filter(|fen| in_range(*fen)).map(Some).ok_or(LineError::Amount(name))
}

fn text(row: &Map<String, Value>, name: &'static str) -> Result<Option<String>, LineError> {
    let Some(value) = row.get(name) else {
        return Ok(None);
    };
    value
        .as_str()
        .filter(|text| !text.trim().is_empty() && !text.contains(char::is_control))
        .filter(|text| text.chars().count() <= TEXT_CHARS_MAX)
        .map(|text| Some(text.to_owned()))
        .ok_or(LineError::Text(name))
}

fn count(row: &Map<String, Value>) -> Result<Option<u32>, LineError> {
    let Some(value) = row.get("attachments") else {
        return Ok(None);
    };
    let count = value.as_u64().and_then(|count| u32::try_from(count).ok());
    count.filter(|count| *count <= ATTACHMENTS_MAX).map(Some).ok_or(LineError::Count("attachments"))
}

fn flag(row: &Map<String, Value>) -> Result<Option<Flag>, LineError> {
    let Some(value) = row.get("flag") else {
        return Ok(None);
    };
    value.as_str().and_then(Flag::from_wire).map(Some).ok_or(LineError::Flag("flag"))
}

fn files(row: &Map<String, Value>) -> Result<Vec<Attachment>, LineError> {
    let Some(value) = row.get("files") else {
        return Ok(Vec::new());
    };
    check_value(&Shape::Attachments(LINE_ATTACHMENTS_MAX), value)
        .ok()
        .and_then(|()| Vec::deserialize(value).ok())
        .ok_or(LineError::Files("files"))
}

fn in_range(fen: i64) -> bool {
    (-FEN_MAX..=FEN_MAX).contains(&fen)
}

/// A period with its totals. All amounts in fen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sheet {
    /// First day.
    pub period_start: NaiveDate,
    /// Last day.
    pub period_end: NaiveDate,
    /// Balance brought forward, if the sheet states it.
    pub opening: Option<i64>,
    /// Total income as stated.
    pub income: i64,
    /// Total expense as stated.
    pub expense: i64,
    /// Balance carried forward, if the sheet states it.
    pub closing: Option<i64>,
    /// Closing balance of the period before, if that is on record.
    pub previous_closing: Option<i64>,
}

/// Limits that the rules in force set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most fen of 其他收入 or of 其他支出 in a period that need not be itemised.
    pub other_fen_max: i64,
}

/// What the checks found, in the order of the sheet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// These block publication.
    pub problems: Vec<Problem>,
    /// These are shown beside the sheet.
    pub remarks: Vec<Remark>,
}

/// Something that blocks publication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Line, counted from 0; `None` when it is about the sheet.
    pub line: Option<usize>,
    /// Which check.
    pub kind: ProblemKind,
    /// The sentence for people; a line is called 第N行, counted from 1.
    pub message: String,
}

/// The checks that block publication.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProblemKind {
    /// The period ends before it starts.
    PeriodReversed,
    /// Opening is not the last period's closing.
    Opening,
    /// Opening + income − expense is not the closing.
    Closing,
    /// The stated income is not the sum of the lines.
    IncomeTotal,
    /// The stated expense is not the sum of the lines.
    ExpenseTotal,
    /// A running balance is wrong.
    Balance,
    /// A date lies outside the period.
    DateOutside,
    /// 其他 above the limit without saying what for.
    NotItemised,
    /// Income and expense in one line.
    BothSides,
    /// A number is beyond ±[`FEN_MAX`].
    Overflow,
}

/// Something that readers should see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// Line, counted from 0.
    pub line: usize,
    /// Which check.
    pub kind: RemarkKind,
    /// The sentence for people; a line is called 第N行, counted from 1.
    pub message: String,
}

/// The checks that do not block publication.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RemarkKind {
    /// 无凭证.
    NoVoucher,
    /// 不合规凭证 (白条).
    Irregular,
    /// 自制凭证 (合规).
    SelfMade,
    /// 冲红, with its reference.
    Reversal,
    /// 冲红未注明原凭证.
    ReversalWithoutReference,
    /// The account is not in the chart that held on the line's date.
    OutdatedAccount,
}

/// Checks a sheet against its lines (农村集体经济组织财务公开规定: 逐笔逐项; domain rules of the
/// monthly sheet).
pub fn check(sheet: &Sheet, lines: &[Line], limits: &Limits) -> Checked {
    let mut checked = Checked::default();
    let problems = &mut checked.problems;
    check_sheet(sheet, problems);
    check_totals(sheet, lines, problems);
    for (index, line) in lines.iter().enumerate() {
        check_line(sheet, index, line, problems);
    }
    check_balances(sheet, lines, problems);
    check_other(lines, *limits, problems);
    problems.sort_by_key(|problem| problem.line);
    checked.remarks = lines.iter().enumerate().flat_map(|(index, line)| remarks(index, line)).collect();
    checked
}

impl Problem {
    fn sheet(kind: ProblemKind, message: String) -> Self {
        Self { line: None, kind, message }
    }

    fn line(index: usize, kind: ProblemKind, message: &str) -> Self {
        Self { line: Some(index), kind, message: format!("第{}行：{message}", index + 1) }
    }
}

fn check_sheet(sheet: &Sheet, problems: &mut Vec<Problem>) {
    if sheet.period_end < sheet.period_start {
        let message = "期间的截止日早于起始日".to_owned();
        problems.push(Problem::sheet(ProblemKind::PeriodReversed, message));
    }
    let numbers = [Some(sheet.income), Some(sheet.expense), sheet.opening, sheet.closing];
    if numbers.into_iter().flatten().any(|fen| !in_range(fen)) {
        let message = "合计或余额超出可记录的范围".to_owned();
        problems.push(Problem::sheet(ProblemKind::Overflow, message));
        return;
    }
    if let (Some(opening), Some(previous)) = (sheet.opening, sheet.previous_closing)
        && opening != previous
    {
        let (opening, previous) = (fen_text(opening), fen_text(previous));
        let message = format!("期初余额{opening}与上期期末余额{previous}不符");
        problems.push(Problem::sheet(ProblemKind::Opening, message));
    }
    if let (Some(opening), Some(closing)) = (sheet.opening, sheet.closing) {
        match add(opening, sheet.income).and_then(|sum| add(sum, -sheet.expense)) {
            None => problems.push(Problem::sheet(ProblemKind::Overflow, "期末余额超出可记录的范围".to_owned())),
            Some(expected) if expected != closing => problems.push(Problem::sheet(
                ProblemKind::Closing,
                format!("期初加收入减支出应为{}，{}", fen_text(expected), stated("期末余额", closing, expected)),
            )),
            Some(_) => {}
        }
    }
}

/// Takes income or expense from a line.
type Side = fn(&Line) -> i64;

fn check_totals(sheet: &Sheet, lines: &[Line], problems: &mut Vec<Problem>) {
    let sides: [(&str, ProblemKind, i64, Side); 2] = [
        ("收入合计", ProblemKind::IncomeTotal, sheet.income, |line| line.income),
        ("支出合计", ProblemKind::ExpenseTotal, sheet.expense, |line| line.expense),
    ];
    for (name, kind, total, side) in sides {
        match lines.iter().try_fold(0, |sum, line| add(sum, side(line))) {
            None => {
                let message = format!("各行相加的{name}超出可记录的范围");
                problems.push(Problem::sheet(ProblemKind::Overflow, message));
            }
            Some(sum) if sum != total => {
                let message = format!("各行相加为{}，{}", fen_text(sum), stated(name, total, sum));
                problems.push(Problem::sheet(kind, message));
            }
            Some(_) => {}
        }
    }
}

fn check_line(sheet: &Sheet, index: usize, line: &Line, problems: &mut Vec<Problem>) {
    let (start, end) = (sheet.period_start, sheet.period_end);
    if start <= end && !(start..=end).contains(&line.date) {
        let message = format!("日期{}不在{start}至{end}之内", line.date);
        problems.push(Problem::line(index, ProblemKind::DateOutside, &message));
    }
    if line.income != 0 && line.expense != 0 {
        let (income, expense) = (fen_text(line.income), fen_text(line.expense));
        let message = format!("同时填了收入{income}和支出{expense}，应分成两行");
        problems.push(Problem::line(index, ProblemKind::BothSides, &message));
    }
}

/// Names the line at which the stated balances begin to be off, not every line after it. Without
/// an opening, the first stated balance is taken as the base.
fn check_balances(sheet: &Sheet, lines: &[Line], problems: &mut Vec<Problem>) {
    let mut running = sheet.opening;
    let mut last_off_by = 0;
    for (index, line) in lines.iter().enumerate() {
        if let Some(before) = running {
            let Some(after) = add(before, line.income).and_then(|sum| add(sum, -line.expense)) else {
                let message = "算到这一行，余额超出可记录的范围";
                problems.push(Problem::line(index, ProblemKind::Overflow, message));
                return;
            };
            running = Some(after);
        }
        match (running, line.balance) {
            (None, stated) => running = stated.filter(|fen| in_range(*fen)),
            (Some(expected), Some(balance)) => {
                let off_by = i128::from(balance) - i128::from(expected);
                if off_by != 0 && off_by != last_off_by {
                    let message = format!("余额应为{}，{}", fen_text(expected), stated("余额", balance, expected));
                    problems.push(Problem::line(index, ProblemKind::Balance, &message));
                }
                last_off_by = off_by;
            }
            (Some(_), None) => {}
        }
    }
}

/// 其他 that does not say what for: each line above the limit, and else the sum of a side, so that
/// splitting a payment does not get round the limit.
fn check_other(lines: &[Line], limits: Limits, problems: &mut Vec<Problem>) {
    let sides: [(&str, Side); 2] = [("其他收入", |line| line.income), ("其他支出", |line| line.expense)];
    let limit = i128::from(limits.other_fen_max);
    let limit_text = fen_text(limits.other_fen_max);
    for (name, side) in sides {
        let unnamed: Vec<(usize, i64)> = lines
            .iter()
            .enumerate()
            .map(|(index, line)| (index, line, side(line)))
            .filter(|(_, line, fen)| *fen != 0 && is_unnamed_other(line))
            .map(|(index, _, fen)| (index, fen))
            .collect();
        let above: Vec<_> = unnamed.iter().filter(|(_, fen)| i128::from(*fen).abs() > limit).collect();
        for (index, fen) in &above {
            let message = format!("{name}{}超过{limit_text}，须逐项列明用途", fen_text(*fen));
            problems.push(Problem::line(*index, ProblemKind::NotItemised, &message));
        }
        let sum: i128 = unnamed.iter().map(|(_, fen)| i128::from(*fen)).sum();
        if above.is_empty() && sum.abs() > limit {
            let sum = i64::try_from(sum).map_or_else(|_| String::new(), fen_text);
            let message = format!("{name}共{}笔合计{sum}，超过{limit_text}，须逐项列明用途", unnamed.len());
            problems.push(Problem::sheet(ProblemKind::NotItemised, message));
        }
    }
}

/// A summary that is only 其他, or an account 其他 with a summary that names no purpose.
fn is_unnamed_other(line: &Line) -> bool {
    const OTHER: [&str; 8] = ["其他", "其它", "其他收入", "其它收入", "其他支出", "其它支出", "其他费用", "其它费用"];
    const NO_PURPOSE: [&str; 10] = ["收入", "支出", "费用", "开支", "杂项", "杂费", "杂支", "零星支出", "合计", "小计"];
    let summary = line.summary.trim();
    let account = line.account.as_deref().map_or("", str::trim);
    OTHER.contains(&summary) || (OTHER.contains(&account) && NO_PURPOSE.contains(&summary))
}

fn remarks(index: usize, line: &Line) -> Vec<Remark> {
    let mut found = Vec::new();
    let flagged = match line.flag {
        Some(Flag::Irregular) => Some(RemarkKind::Irregular),
        Some(Flag::SelfMade) => Some(RemarkKind::SelfMade),
        Some(Flag::NoVoucher) | None => None,
    };
    found.extend(flagged.zip(line.flag.map(|flag| flag.label().to_owned())));
    if line.is_without_voucher() {
        found.push((RemarkKind::NoVoucher, Flag::NoVoucher.label().to_owned()));
    }
    if line.income < 0 || line.expense < 0 {
        let fen = fen_text(if line.income < 0 { line.income } else { line.expense });
        found.push(match &line.reference {
            Some(reference) => (RemarkKind::Reversal, format!("冲红{fen}，原凭证{reference}")),
            None => (RemarkKind::ReversalWithoutReference, format!("冲红{fen}，冲红未注明原凭证")),
        });
    }
    if let Some(message) = line.account.as_deref().and_then(|name| chart::outdated_on(name, line.date)) {
        found.push((RemarkKind::OutdatedAccount, message));
    }
    let remark = |(kind, message)| Remark { line: index, kind, message: format!("第{}行：{message}", index + 1) };
    found.into_iter().map(remark).collect()
}

/// Income and expense of one class of lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassSum {
    /// Category, else account, else 未归类.
    pub class: String,
    /// Fen.
    pub income: i64,
    /// Fen.
    pub expense: i64,
    /// Number of lines.
    pub lines: usize,
}

/// Sums by [`Line::class`], in the order in which the classes first appear. `None` if a sum is
/// beyond ±[`FEN_MAX`].
pub fn class_sums(lines: &[Line]) -> Option<Vec<ClassSum>> {
    let mut sums: Vec<ClassSum> = Vec::new();
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    for line in lines {
        let place = *places.entry(line.class()).or_insert_with(|| {
            sums.push(ClassSum { class: line.class().to_owned(), income: 0, expense: 0, lines: 0 });
            sums.len() - 1
        });
        let sum = &mut sums[place];
        sum.income = add(sum.income, line.income)?;
        sum.expense = add(sum.expense, line.expense)?;
        sum.lines += 1;
    }
    Some(sums)
}

/// An amount of fen for people: `1,260.00元`, `-38.50元`.
pub fn fen_text(fen: i64) -> String {
    let (yuan, cents) = (fen.unsigned_abs() / 100, fen.unsigned_abs() % 100);
    let digits = yuan.to_string();
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    let sign = if fen < 0 { "-" } else { "" };
    format!("{sign}{grouped}.{cents:02}元")
}

/// What the sheet says, and by how much it differs.
fn stated(name: &str, stated: i64, expected: i64) -> String {
    let (more, less) = (stated.saturating_sub(expected), expected.saturating_sub(stated));
    let differs = if more > 0 { format!("多{}", fen_text(more)) } else { format!("少{}", fen_text(less)) };
    format!("表上的{name}是{}，{differs}", fen_text(stated))
}

fn add(left: i64, right: i64) -> Option<i64> {
    left.checked_add(right).filter(|sum| in_range(*sum))
}
