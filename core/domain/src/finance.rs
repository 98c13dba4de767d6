//! Village accounts: the lines of a sheet, and the sums that must agree before it is published.
//!
//! A line is typed strictly from one row of a list; a sheet is the period with its totals. Checks
//! say what blocks publication (problems) and what readers should see (remarks). Nothing is
//! corrected, sorted or de-duplicated: two equal lines are two payments. Money is integer fen. To
//! add a check, add a [`ProblemKind`] or [`RemarkKind`] and a function that [`check`] calls.

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

#[cfg(test)]
mod tests {
    use gongkai_log::Digest;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const LIMITS: Limits = Limits { other_fen_max: 100_000 };

    fn date(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn parse(row: &Value) -> Result<Line, LineError> {
        Line::parse(row.as_object().unwrap())
    }

    fn line(summary: &str, income: i64, expense: i64) -> Line {
        parse(&json!({
            "date": "2026-02-10", "voucher": "记-1", "summary": summary, "income": income, "expense": expense,
        }))
        .unwrap()
    }

    /// The worked month of the domain notes; two toilet bills make the water and electricity.
    fn month() -> (Sheet, Vec<Line>) {
        let income = [("出租及承包", 1_200_000), ("企业上缴利润", 0), ("补助", 4_000_000), ("其他（利息）", 31_826)];
        let expense = [
            ("干部报酬", 960_000),
            ("会议费", 45_000),
            ("电话费", 19_800),
            ("邮寄报刊", 126_000),
            ("公厕电费", 33_030),
            ("公厕电费", 34_306),
            ("误工补贴", 240_000),
            ("其他", 350_000),
        ];
        let lines = income
            .iter()
            .map(|(summary, fen)| line(summary, *fen, 0))
            .chain(expense.iter().map(|(summary, fen)| line(summary, 0, *fen)))
            .collect();
        let sheet = Sheet {
            period_start: date("2026-02-01"),
            period_end: date("2026-02-28"),
            opening: Some(18_642_035),
            income: 5_231_826,
            expense: 1_808_136,
            closing: Some(22_065_725),
            previous_closing: Some(18_642_035),
        };
        (sheet, lines)
    }

    fn itemised() -> (Sheet, Vec<Line>) {
        let (sheet, mut lines) = month();
        lines.pop();
        lines.push(line("修理村道路灯", 0, 200_000));
        lines.push(line("购置灭火器", 0, 150_000));
        (sheet, lines)
    }

    fn kinds(checked: &Checked) -> Vec<(Option<usize>, ProblemKind)> {
        checked.problems.iter().map(|problem| (problem.line, problem.kind)).collect()
    }

    #[test]
    fn the_worked_month_is_refused_only_for_its_other_expense() {
        let (sheet, lines) = month();
        let checked = check(&sheet, &lines, &LIMITS);
        assert_eq!(kinds(&checked), [(Some(11), ProblemKind::NotItemised)]);
        assert_eq!(checked.problems[0].message, "第12行：其他支出3,500.00元超过1,000.00元，须逐项列明用途");
    }

    #[test]
    fn the_worked_month_passes_when_itemised() {
        let (sheet, lines) = itemised();
        assert_eq!(check(&sheet, &lines, &LIMITS), Checked::default());
        assert_eq!(fen_text(sheet.closing.unwrap()), "220,657.25元");
    }

    #[test]
    fn a_purpose_in_the_summary_itemises_an_other_account() {
        let (sheet, mut lines) = month();
        let other = lines.last_mut().unwrap();
        other.account = Some("其他支出".to_owned());
        other.summary = "支出".to_owned();
        assert_eq!(kinds(&check(&sheet, &lines, &LIMITS)), [(Some(11), ProblemKind::NotItemised)]);
        lines.last_mut().unwrap().summary = "修理村道路灯".to_owned();
        assert_eq!(kinds(&check(&sheet, &lines, &LIMITS)), []);
    }

    #[test]
    fn splitting_other_into_small_lines_does_not_help() {
        let (sheet, mut lines) = month();
        lines.pop();
        lines.extend((0..5).map(|_| line("其它支出", 0, 70_000)));
        let checked = check(&sheet, &lines, &LIMITS);
        assert_eq!(kinds(&checked), [(None, ProblemKind::NotItemised)]);
        assert!(checked.problems[0].message.contains("共5笔合计3,500.00元"));
    }

    #[test]
    fn equal_lines_are_separate_payments() {
        let (mut sheet, mut lines) = itemised();
        lines.push(lines[4].clone());
        sheet.expense += 960_000;
        sheet.closing = sheet.closing.map(|fen| fen - 960_000);
        assert_eq!(kinds(&check(&sheet, &lines, &LIMITS)), []);
    }

    #[test]
    fn the_two_toilet_bills_are_one_class() {
        let (_, mut lines) = month();
        for bill in &mut lines[8..10] {
            bill.category = Some("水电费".to_owned());
        }
        let sums = class_sums(&lines).unwrap();
        let bills = sums.iter().find(|sum| sum.class == "水电费").unwrap();
        assert_eq!((bills.lines, fen_text(bills.expense)), (2, "673.36元".to_owned()));
        assert_eq!(sums[0].class, "未归类");
    }

    #[test]
    fn balances_must_join_up() {
        let (mut sheet, lines) = itemised();
        sheet.previous_closing = Some(18_642_036);
        sheet.closing = Some(22_065_700);
        let checked = check(&sheet, &lines, &LIMITS);
        assert_eq!(kinds(&checked), [(None, ProblemKind::Opening), (None, ProblemKind::Closing)]);
        assert_eq!(checked.problems[0].message, "期初余额186,420.35元与上期期末余额186,420.36元不符");
        assert_eq!(
            checked.problems[1].message,
            "期初加收入减支出应为220,657.25元，表上的期末余额是220,657.00元，少0.25元"
        );
    }

    #[test]
    fn totals_must_be_the_sums_of_the_lines() {
        let (mut sheet, lines) = itemised();
        sheet.opening = None;
        sheet.income += 1;
        sheet.expense -= 100;
        let checked = check(&sheet, &lines, &LIMITS);
        assert_eq!(kinds(&checked), [(None, ProblemKind::IncomeTotal), (None, ProblemKind::ExpenseTotal)]);
        assert!(checked.problems[0].message.ends_with("多0.01元"));
    }

    #[test]
    fn a_wrong_running_balance_names_its_line_once() {
        let (sheet, mut lines) = itemised();
        let mut running = sheet.opening.unwrap();
        for line in &mut lines {
            running += line.income - line.expense;
            line.balance = Some(running);
        }
        assert_eq!(kinds(&check(&sheet, &lines, &LIMITS)), []);
        let mut typo = lines.clone();
        typo[3].balance = Some(1);
        assert_eq!(kinds(&check(&sheet, &typo, &LIMITS)), [(Some(3), ProblemKind::Balance)]);
        for line in &mut lines[5..] {
            line.balance = line.balance.map(|fen| fen + 500);
        }
        let checked = check(&sheet, &lines, &LIMITS);
        assert_eq!(kinds(&checked), [(Some(5), ProblemKind::Balance)]);
        assert!(checked.problems[0].message.starts_with("第6行：余额应为"));
        let without_opening = Sheet { opening: None, ..sheet };
        assert_eq!(kinds(&check(&without_opening, &lines, &LIMITS)), [(Some(5), ProblemKind::Balance)]);
    }

    #[test]
    fn a_date_outside_the_period_and_a_line_with_both_sides_are_named() {
        let (mut sheet, mut lines) = itemised();
        lines[1].date = date("2026-03-01");
        lines[2].expense = 100;
        sheet.expense += 100;
        sheet.closing = sheet.closing.map(|fen| fen - 100);
        assert_eq!(
            kinds(&check(&sheet, &lines, &LIMITS)),
            [(Some(1), ProblemKind::DateOutside), (Some(2), ProblemKind::BothSides)]
        );
    }

    #[test]
    fn a_reversed_period_is_one_problem() {
        let (mut sheet, lines) = itemised();
        std::mem::swap(&mut sheet.period_start, &mut sheet.period_end);
        assert_eq!(kinds(&check(&sheet, &lines, &LIMITS)), [(None, ProblemKind::PeriodReversed)]);
    }

    #[test]
    fn sums_beyond_the_range_are_problems_and_not_panics() {
        let (mut sheet, mut lines) = itemised();
        lines[0].income = FEN_MAX;
        lines[2].income = FEN_MAX;
        assert!(kinds(&check(&sheet, &lines, &LIMITS)).contains(&(None, ProblemKind::Overflow)));
        assert_eq!(class_sums(&lines), None);
        sheet.income = i64::MAX;
        sheet.opening = Some(i64::MIN);
        lines[0].income = i64::MIN;
        lines[2].expense = i64::MIN + 1;
        assert!(kinds(&check(&sheet, &lines, &LIMITS)).contains(&(None, ProblemKind::Overflow)));
    }

    #[test]
    fn special_vouchers_are_remarked_and_do_not_block() {
        let (sheet, mut lines) = itemised();
        lines[0].voucher = None;
        lines[1].voucher = None; // nothing moved: 0.00
        lines[4].flag = Some(Flag::Irregular);
        lines[5].flag = Some(Flag::SelfMade);
        lines[6].flag = Some(Flag::NoVoucher);
        lines[7].account = Some("应付福利费".to_owned());
        let checked = check(&sheet, &lines, &LIMITS);
        assert_eq!(checked.problems, []);
        let remarks: Vec<_> = checked.remarks.iter().map(|remark| (remark.line, remark.kind)).collect();
        assert_eq!(
            remarks,
            [
                (0, RemarkKind::NoVoucher),
                (4, RemarkKind::Irregular),
                (5, RemarkKind::SelfMade),
                (6, RemarkKind::NoVoucher),
                (7, RemarkKind::OutdatedAccount),
            ]
        );
        assert_eq!(checked.remarks[1].message, "第5行：不合规凭证（白条）");
    }

    #[test]
    fn a_reversal_names_its_voucher_or_is_remarked_without() {
        let (mut sheet, mut lines) = itemised();
        let mut reversal = line("冲销多付电费", 0, -3_850);
        lines.push(reversal.clone());
        reversal.reference = Some("记-8".to_owned());
        lines.push(reversal);
        sheet.expense -= 7_700;
        sheet.closing = sheet.closing.map(|fen| fen + 7_700);
        let checked = check(&sheet, &lines, &LIMITS);
        assert_eq!(checked.problems, []);
        let messages: Vec<_> = checked.remarks.iter().map(|remark| remark.message.as_str()).collect();
        assert_eq!(messages, ["第14行：冲红-38.50元，冲红未注明原凭证", "第15行：冲红-38.50元，原凭证记-8"]);
    }

    #[test]
    fn rows_are_read_strictly() {
        let good = json!({"date": "2026-02-10", "summary": "电费", "expense": 33_030});
        assert_eq!(parse(&good).unwrap().income, 0);
        for (column, value, error) in [
            ("price", json!(1), LineError::UnknownColumn("price".to_owned())),
            ("date", json!("2026-2-10"), LineError::Date("date")),
            ("date", json!("2026-02-30"), LineError::Date("date")),
            ("expense", json!(330.3), LineError::Amount("expense")),
            ("expense", json!("33030"), LineError::Amount("expense")),
            ("expense", json!(FEN_MAX + 1), LineError::Amount("expense")),
            ("balance", Value::Null, LineError::Amount("balance")),
            ("attachments", json!(-1), LineError::Count("attachments")),
            ("attachments", json!(10_000), LineError::Count("attachments")),
            ("summary", json!("  "), LineError::Text("summary")),
            ("account", json!("甲\n乙"), LineError::Text("account")),
            ("project", json!("路".repeat(201)), LineError::Text("project")),
            ("flag", json!("white"), LineError::Flag("flag")),
            ("files", json!([{"hash": "00", "size": 1, "media_type": "image/jpeg"}]), LineError::Files("files")),
            ("files", json!("照片.jpg"), LineError::Files("files")),
        ] {
            let mut row = good.clone();
            row[column] = value;
            assert_eq!(parse(&row), Err(error));
        }
        for missing in ["date", "summary", "expense"] {
            let mut row = good.clone();
            row.as_object_mut().unwrap().remove(missing);
            assert!(matches!(parse(&row), Err(LineError::Missing(_))), "{missing}");
        }
    }

    fn photo() -> Value {
        json!({"hash": Digest::of(b"photo"), "size": 5, "media_type": "image/jpeg"})
    }

    #[test]
    fn a_line_names_the_files_of_its_voucher_and_no_more_than_a_few() {
        let mut row = json!({"date": "2026-02-10", "summary": "电费", "expense": 33_030});
        assert_eq!(parse(&row).unwrap().files, []);
        row["files"] = Value::from(vec![photo(); LINE_ATTACHMENTS_MAX]);
        let files = parse(&row).unwrap().files;
        assert_eq!((files.len(), files[0].hash), (LINE_ATTACHMENTS_MAX, Digest::of(b"photo")));
        row["files"].as_array_mut().unwrap().push(photo());
        assert_eq!(parse(&row), Err(LineError::Files("files")));
    }

    #[test]
    fn every_column_is_read() {
        let mut row = json!({
            "date": "2026-02-10", "income": 1, "expense": -2, "balance": 3, "attachments": 4, "flag": "self_made",
            "files": [photo()],
        });
        for name in COLUMNS {
            if row.get(name).is_none() {
                row[name] = json!(format!("文字{name}"));
            }
        }
        let read = parse(&row).unwrap();
        assert_eq!(read.files.len(), 1);
        let shown = format!("{read:?}");
        for name in COLUMNS {
            assert!(row[name].as_str().is_none_or(|text| name == "flag" || shown.contains(text)), "{name}");
        }
    }

    #[test]
    fn amounts_read_as_on_the_sheet() {
        for (fen, text) in [
            (0, "0.00元"),
            (5, "0.05元"),
            (126_000, "1,260.00元"),
            (-3_850, "-38.50元"),
            (99_999, "999.99元"),
            (100_000_000, "1,000,000.00元"),
            (i64::MIN, "-92,233,720,368,547,758.08元"),
        ] {
            assert_eq!(fen_text(fen), text);
        }
    }

    proptest! {
        #[test]
        fn the_text_of_an_amount_is_the_amount(fen in -FEN_MAX..=FEN_MAX) {
            let digits: String =
                fen_text(fen).chars().filter(|c| c.is_ascii_digit() || *c == '-').collect();
            prop_assert_eq!(digits.parse::<i64>().unwrap(), fen);
        }

        #[test]
        fn honest_sheets_pass_and_one_fen_more_does_not(
            amounts in proptest::collection::vec((any::<bool>(), -1_000_000i64..1_000_000), 0..40),
            opening in 0i64..1_000_000_000
        ) {
            let lines: Vec<_> = amounts
                .iter()
                .map(|(is_income, fen)| if *is_income { line("项目", *fen, 0) } else { line("项目", 0, *fen) })
                .collect();
            let income = lines.iter().map(|line| line.income).sum();
            let expense = lines.iter().map(|line| line.expense).sum();
            let mut sheet = Sheet {
                period_start: date("2026-02-01"), period_end: date("2026-02-28"),
                opening: Some(opening), income, expense,
                closing: Some(opening + income - expense), previous_closing: None,
            };
            prop_assert_eq!(check(&sheet, &lines, &LIMITS).problems, vec![]);
            sheet.income += 1;
            prop_assert_eq!(check(&sheet, &lines, &LIMITS).problems.len(), 2);
        }
    }
}
