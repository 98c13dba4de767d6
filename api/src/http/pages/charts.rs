//! From the rows of the views to drawn figures: renaming and wording. What a month without figures is
//! called is said here and nowhere else.

use gongkai_projections::Status;
use gongkai_projections::read::{Dossier, FulfilmentPoint, FulfilmentRate, LatestAccounts, MonthMoney, NoFigures};

use super::home::month;
use super::parts;
use crate::site::chart::{self, Chart, Gap, MonthRow, RateRow};
use crate::site::dossier::Fulfilment;
use crate::site::format::{Count, Day};

/// The rate now, and its course if it could be folded.
pub fn fulfilment(now: FulfilmentRate, over_time: Option<&[FulfilmentPoint]>) -> Fulfilment {
    let days = |points: &[FulfilmentPoint]| points.iter().map(rate).collect::<Vec<_>>();
    Fulfilment {
        due: Count(now.due),
        fulfilled: Count(now.fulfilled),
        partly: Count(now.partly_fulfilled),
        not: Count(now.not_fulfilled),
        overdue: Count(now.overdue),
        permille: now.permille,
        chart: over_time.map(|points| Fulfilment::course(&days(points))),
    }
}

fn rate(point: &FulfilmentPoint) -> RateRow {
    RateRow { on: Day(point.on), permille: point.rate.permille, part: point.rate.fulfilled, whole: point.rate.due }
}

/// Income and spending by month.
pub fn money(dossier: &Dossier) -> Chart {
    let rows: Vec<MonthRow> = dossier.money.iter().filter_map(|money| month_row(dossier, money)).collect();
    let mut chart = chart::by_month("money", "每月收入和支出", &["收入", "支出"], &rows);
    if rows.iter().any(|row| row.values.is_err()) {
        chart.notes.push("虚线框是没有数的月份，不是零。".to_owned());
    }
    if rows.iter().any(|row| !row.remark.is_empty()) {
        chart.notes.push("带 * 的月份少一本账，和别的月份不能直接比。".to_owned());
    }
    chart
}

fn month_row(dossier: &Dossier, money: &MonthMoney) -> Option<MonthRow> {
    let values = match (money.income, money.expense) {
        (Some(income), Some(expense)) => Ok(vec![income, expense]),
        _ => Err(gap(dossier, money)),
    };
    Some(MonthRow {
        month: month(&money.period)?,
        values,
        remark: if money.partial { format!("只有{}", money.books.join("、")) } else { String::new() },
        href: money.sheets.first().map(|stream| parts::href(stream)),
    })
}

fn gap(dossier: &Dossier, money: &MonthMoney) -> Gap {
    let of_month = dossier.months.iter().find(|month| month.period == money.period);
    match money.without {
        Some(NoFigures::LongerPeriod) => Gap { mark: "并", text: "和别的月份合在一张表里，分不开" },
        Some(NoFigures::NoTotals) => Gap { mark: "空", text: "公开了，没有写合计" },
        _ if of_month.is_some_and(|month| month.status == Status::NotYetDue) => {
            Gap { mark: "未", text: "还没到公开的日子" }
        }
        _ => Gap { mark: "缺", text: "没有公开" },
    }
}

/// What the latest month's money was spent on.
pub fn spending(latest: &LatestAccounts) -> Option<Chart> {
    let title = format!("{}钱花在哪里", month(&latest.period)?);
    let mut chart = chart::by_category("spending", title, "支出", &latest.accounts.expense);
    chart.nothing = "这个月没有支出。";
    if latest.accounts.withdrawn_lines {
        chart.notes.push("有明细行已撤下，没有算在里面。".to_owned());
    }
    Some(chart)
}
