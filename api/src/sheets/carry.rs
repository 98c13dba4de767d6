//! 沿用上月: what repeats from one month to the next, as rows to fill in.
//!
//! A line is carried where the month before had it too, or where there is only one month to look at: what it was for, by
//! which account, to whom. Its amount is carried only where both months have the same; dates and vouchers never are.

use gongkai_domain::field::Shape;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{Class, Part, RowRead};

/// Columns that are carried whatever the amount.
const WORDS: [&str; 9] =
    ["summary", "account", "category", "counterparty", "source", "handler", "approver", "supervisor", "project"];
/// Columns that make two lines the same matter; the first is enough, or both others.
const SAME: [&str; 3] = ["summary", "account", "counterparty"];

/// Rows under the headers of a template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Carried {
    pub rows: Vec<RowRead>,
    /// Row and place of each cell that was taken over.
    pub cells: Vec<(u64, usize)>,
}

type Line = Map<String, Value>;

/// The lines of the last month that repeat, with `before` the month before it.
pub fn carry(class: Class, last: &[Line], before: Option<&[Line]>) -> Carried {
    let columns: Vec<_> = class.columns().collect();
    let headers = columns.iter().map(|column| class.header(column).to_owned()).collect();
    let mut carried = Carried { rows: vec![RowRead { row: 1, part: Part::Header, cells: headers }], cells: Vec::new() };
    let mut unmatched: Vec<&Line> = before.unwrap_or_default().iter().collect();
    for line in last {
        let found = unmatched.iter().position(|other| is_same(line, other));
        if before.is_some() && found.is_none() {
            continue;
        }
        // A line of the month before stands for one of the last: equal lines are separate payments.
        let other = found.map(|at| unmatched.remove(at));
        let row = carried.rows.len() as u64 + 1;
        let mut cells = vec![String::new(); columns.len()];
        for (place, column) in columns.iter().enumerate() {
            let value = line.get(column.name);
            let is_amount = column.shape == Shape::Fen && column.name != "balance";
            let repeats = is_amount && value.is_some() && other.and_then(|other| other.get(column.name)) == value;
            if let Some(value) = value.filter(|_| repeats || WORDS.contains(&column.name)) {
                cells[place] = shown(value);
                carried.cells.push((row, place));
            }
        }
        carried.rows.push(RowRead { row, part: Part::Line, cells });
    }
    carried
}

fn is_same(line: &Line, other: &Line) -> bool {
    let [summary, account, party] = SAME.map(|name| line.get(name).is_some() && line.get(name) == other.get(name));
    summary || (account && party)
}

/// A value as it stands in a cell; amounts in yuan.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => {
            let fen = number.as_i64().unwrap_or_default();
            let sign = if fen < 0 { "-" } else { "" };
            format!("{sign}{}.{:02}", fen.unsigned_abs() / 100, fen.unsigned_abs() % 100)
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::class;
    use super::*;

    fn line(summary: &str, party: &str, expense: i64) -> Line {
        let line = json!({"date": "2026-01-05", "voucher": "记-1", "summary": summary, "account": "管理费用",
            "counterparty": party, "expense": expense});
        line.as_object().unwrap().clone()
    }

    /// The words of a column by row.
    fn column(carried: &Carried, name: &str) -> Vec<String> {
        let place = class("finance").unwrap().columns().position(|column| column.name == name).unwrap();
        carried.rows.iter().skip(1).map(|row| row.cells[place].clone()).collect()
    }

    #[test]
    fn what_both_months_have_is_carried_and_amounts_only_where_they_are_equal() {
        let last = [line("电话费", "电信", 19_800), line("水费", "水厂", 6_000), line("修桥", "施工队", 90_000)];
        let before = [line("电话费", "电信", 19_800), line("水费", "水厂", 5_000)];
        let carried = carry(class("finance").unwrap(), &last, Some(&before));
        assert_eq!(column(&carried, "summary"), ["电话费", "水费"]);
        assert_eq!(column(&carried, "expense"), ["198.00", ""]);
        assert_eq!(column(&carried, "date"), ["", ""]);
        assert_eq!(column(&carried, "voucher"), ["", ""]);
        for (row, place) in &carried.cells {
            let found = carried.rows.iter().find(|known| known.row == *row).unwrap();
            assert!(!found.cells[*place].is_empty());
        }
    }

    #[test]
    fn with_one_month_all_its_lines_are_carried_without_amounts() {
        let last = [line("电话费", "电信", 19_800), line("电话费", "电信", 19_800)];
        let carried = carry(class("finance").unwrap(), &last, None);
        assert_eq!(column(&carried, "summary"), ["电话费", "电话费"]);
        assert_eq!(column(&carried, "expense"), ["", ""]);
    }

    #[test]
    fn two_equal_lines_need_two_in_the_month_before() {
        let twice = [line("电话费", "电信", 19_800), line("电话费", "电信", 19_800)];
        let carried = carry(class("finance").unwrap(), &twice, Some(&twice[..1]));
        assert_eq!(column(&carried, "summary"), ["电话费"]);
    }
}
