//! Whether a finance sheet adds up, with what only the books know: last period's balance and the rule for 其他.
//!
//! The arithmetic is the domain's own (`finance::check`), so that what is told here is what the ledger will say; here it
//! is only led back to the row and cell in which people find it.

use std::collections::BTreeMap;

use gongkai_domain::field::Period;
use gongkai_domain::finance::{self, Line, Problem, ProblemKind, fen_text};
use serde_json::{Value, json};

use super::stated::Stated;
use super::{Asked, Check, Sheet};

/// What the ledger knows beside the sheet.
#[derive(Debug, Clone, Copy, Default)]
pub struct Books {
    /// Closing balance of the period before, fen.
    pub previous_closing: Option<i64>,
    /// Most fen of 其他 that need not be itemised.
    pub other_fen_max: i64,
}

impl Sheet {
    /// The period of the sheet: the form's, else the title's, else the month of most of its lines.
    pub fn period(&self, asked: &Asked) -> Option<String> {
        let told = asked.period.clone().filter(|period| Period(period.clone()).days().is_some());
        told.or_else(|| self.fields.get("period").and_then(Value::as_str).map(str::to_owned)).or_else(|| {
            let mut months: BTreeMap<&str, usize> = BTreeMap::new();
            for month in self.lines.iter().filter_map(|line| line.get("date")?.as_str()?.get(..7)) {
                *months.entry(month).or_default() += 1;
            }
            months.into_iter().max_by_key(|(_, lines)| *lines).map(|(month, _)| month.to_owned())
        })
    }

    /// Checks a finance sheet, and gives its totals to the form. Other classes have nothing to add up.
    pub fn balance(&mut self, period: Option<&str>, books: &Books) {
        self.check_private();
        if let Some(period) = period {
            self.fields.insert("period".into(), json!(period));
        }
        if self.content != Some("finance") || !self.mapped {
            return;
        }
        let Some((start, end)) = period.and_then(|period| Period(period.to_owned()).days()) else { return };
        let Ok(lines) = self.lines.iter().map(Line::parse).collect::<Result<Vec<Line>, _>>() else { return };
        let sum = |side: fn(&Line) -> i64| lines.iter().try_fold(0_i64, |sum, line| sum.checked_add(side(line)));
        let (Some(income), Some(expense)) = (sum(|line| line.income), sum(|line| line.expense)) else {
            let fault = self.problem(None, None, "金额太大，加不起来。请核对各行的金额");
            return self.fault(fault);
        };
        let opening = self.own.opening.map(|stated| stated.fen).or(books.previous_closing).or(self.own.asked_opening);
        let computed = opening.and_then(|opening| opening.checked_add(income)?.checked_sub(expense));
        let closing = self.own.closing.map(|stated| stated.fen).filter(|_| opening.is_some()).or(computed);
        let whole = self.own.unread == 0;
        let sheet = finance::Sheet {
            period_start: start,
            period_end: end,
            opening,
            income,
            expense,
            closing: closing.filter(|_| whole),
            previous_closing: opening.and(books.previous_closing),
        };
        let found = finance::check(&sheet, &lines, &finance::Limits { other_fen_max: books.other_fen_max });
        // Where a line could not be read, whatever runs through all of them says nothing yet.
        let told: Vec<&Problem> =
            found.problems.iter().filter(|problem| whole || problem.kind != ProblemKind::Balance).collect();
        for problem in &told {
            self.lead_back(problem);
        }
        let has = |kind: ProblemKind| told.iter().any(|problem| problem.kind == kind);
        self.check_opening(opening, books, has(ProblemKind::Opening));
        self.check_closing(
            opening,
            income,
            expense,
            whole.then_some(!has(ProblemKind::Closing) && !has(ProblemKind::Balance)),
        );
        self.check_totals(income, expense, whole);
        let detail = format!("每笔和合计都不超过 {}，或写明了用途", fen_text(books.other_fen_max));
        self.checks.push(Check { label: "其他收支列明", holds: Some(!has(ProblemKind::NotItemised)), detail });
        let totals = [("opening", opening), ("income", Some(income)), ("expense", Some(expense)), ("closing", closing)];
        for (name, fen) in totals {
            if let Some(fen) = fen {
                self.fields.insert(name.into(), json!(fen));
            }
        }
    }

    /// A problem of the arithmetic, at the cell in which people find it.
    fn lead_back(&mut self, problem: &Problem) {
        let row = problem.line.and_then(|line| self.line_rows.get(line)).copied();
        let field = match problem.kind {
            ProblemKind::DateOutside => Some("date"),
            ProblemKind::BothSides => Some("expense"),
            ProblemKind::Balance => Some("balance"),
            ProblemKind::NotItemised => Some("summary"),
            _ => None,
        };
        let message =
            problem.message.split_once('：').filter(|_| row.is_some()).map_or(problem.message.as_str(), |(_, it)| it);
        let at = |stated: Option<Stated>| (stated.map(|s| s.row), stated.map(|s| s.place));
        let (row, place) = match problem.kind {
            ProblemKind::Opening => at(self.own.opening),
            ProblemKind::Closing => at(self.own.closing),
            _ => (row, field.and_then(|field| self.place_of(field))),
        };
        let fault = self.problem(row, place, message);
        self.fault(fault);
    }

    fn check_opening(&mut self, opening: Option<i64>, books: &Books, differs: bool) {
        let (holds, detail) = match (opening, books.previous_closing, self.own.opening) {
            (Some(_), Some(previous), Some(_)) => {
                (Some(!differs), format!("上期公开的期末结存是 {}", fen_text(previous)))
            }
            (Some(_), Some(previous), None) => {
                (Some(true), format!("表里没有写，沿用上期公开的期末结存 {}", fen_text(previous)))
            }
            (Some(opening), None, _) => (None, format!("{}，没有上一期公开的账，无从核对", fen_text(opening))),
            (None, ..) => (None, "表里没有上期结存，请在表单里填写".to_owned()),
        };
        self.checks.push(Check { label: "上期结存相符", holds, detail });
    }

    fn check_closing(&mut self, opening: Option<i64>, income: i64, expense: i64, balanced: Option<bool>) {
        let sum = format!("收入 {}，支出 {}", fen_text(income), fen_text(expense));
        let (holds, detail) = match (opening, self.own.closing, balanced) {
            (None, ..) => (None, sum),
            (Some(_), _, None) => (None, format!("{sum}；有几行还没读懂，改好后再核对")),
            (Some(opening), Some(closing), Some(balanced)) => {
                let (opening, closing) = (fen_text(opening), fen_text(closing.fen));
                (Some(balanced), format!("上期结存 {opening}，{sum}，表上的期末结存 {closing}"))
            }
            (Some(opening), None, Some(balanced)) => {
                let closing = opening.saturating_add(income).saturating_sub(expense);
                (Some(balanced), format!("{sum}；表里没有写期末结存，算出来是 {}，请与账面核对", fen_text(closing)))
            }
        };
        self.checks.push(Check { label: "收支平衡", holds, detail });
    }

    /// The 合计 row against the lines.
    fn check_totals(&mut self, income: i64, expense: i64, whole: bool) {
        if self.own.totals.is_empty() {
            return;
        }
        let mut holds = true;
        for (field, stated) in self.own.totals.clone() {
            let sum = if field == "income" { income } else { expense };
            if whole && stated.fen != sum {
                holds = false;
                let message = format!("合计行与明细不符，明细相加是 {}", fen_text(sum));
                let fault = self.problem(Some(stated.row), Some(stated.place), message);
                self.fault(fault);
            }
        }
        let detail = if whole {
            "与各行相加比较".to_owned()
        } else {
            "有几行还没读懂，改好后再核对".to_owned()
        };
        self.checks.push(Check { label: "合计行相符", holds: whole.then_some(holds), detail });
    }

    fn check_private(&mut self) {
        let found = self.own.private;
        let detail = match found {
            0 => "没有发现身份证号、手机号、银行卡号".to_owned(),
            _ => format!("有 {found} 处，见下面的问题"),
        };
        self.checks.push(Check { label: "个人信息", holds: Some(found == 0), detail });
    }
}
