//! Where the header is, also one of two rows: `收入` over `金额` and `来源`, `2026年` over `月` and `日`.
//!
//! A merged cell stands in the first of its columns alone, so the name of a group reaches to the right as long as something
//! stands below. Not here: what a name means (`names`).

use super::{Class, stated};
use crate::exchange::cell::half_width;
use crate::exchange::table::{HEADER_ROWS_MAX, RawRow, header_key};

/// Most characters of a cell in the second row of a header; what is longer is content.
const SUB_CHARS_MAX: usize = 12;
/// Names below a group that add nothing to it.
const AMOUNTS: [&str; 4] = ["金额", "数额", "元", "金额(元)"];

/// A header that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heading {
    /// Place of its first row among the rows of the sheet.
    pub at: usize,
    /// One row or two.
    pub rows: usize,
    /// Name of each column, empty where there is none.
    pub names: Vec<String>,
    /// The year that stands over 月 and 日.
    pub year: Option<i32>,
}

/// The row, or the two, with the most known names; of several the first.
pub fn find(class: Class, rows: &[RawRow]) -> Option<(usize, Heading)> {
    let all = (0..rows.len().min(HEADER_ROWS_MAX)).map(|at| one(class, rows, at));
    all.max_by_key(|(score, heading)| (*score, std::cmp::Reverse(heading.at))).filter(|(score, _)| *score >= 2)
}

/// The header that begins at a row, and how many of its names are known.
pub fn one(class: Class, rows: &[RawRow], at: usize) -> (usize, Heading) {
    let upper = rows.get(at).map_or(&[][..], |row| &row.cells);
    let score = class.score(upper);
    let single = Heading { at, rows: 1, names: upper.to_vec(), year: None };
    // A title over everything names no column: the header is below it.
    let below = rows.get(at + 1).filter(|_| score > 0);
    let Some(names) = below.and_then(|below| joined(class, upper, &below.cells)) else { return (score, single) };
    let both = class.score(&names);
    if both < score {
        return (score, single);
    }
    let year = upper.iter().find_map(|cell| stated::year(cell));
    (both, Heading { at, rows: 2, names, year })
}

/// The names of two rows; nothing where the second holds content, or stands below nothing.
fn joined(class: Class, upper: &[String], lower: &[String]) -> Option<Vec<String>> {
    let at = |row: &[String], place: usize| row.get(place).map_or(String::new(), |cell| cell.trim().to_owned());
    let filled = lower.iter().filter(|cell| !cell.trim().is_empty());
    if !filled.clone().all(|cell| is_name(cell)) {
        return None;
    }
    let keys: Vec<String> = filled.map(|cell| header_key(cell)).collect();
    let (mut group, mut grouped, mut names) = (String::new(), false, Vec::new());
    for place in 0..upper.len().max(lower.len()) {
        let (over, below) = (at(upper, place), at(lower, place));
        if below.is_empty() {
            group.clear();
            names.push(over);
            continue;
        }
        if !over.is_empty() {
            group = over;
        }
        grouped |= !group.is_empty();
        let is_own = keys.iter().filter(|key| **key == header_key(&below)).count() == 1;
        names.push(name(class, &group, &below, is_own));
    }
    grouped.then_some(names)
}

/// What two cells above each other are called: both together, or the one of them that says it alone.
fn name(class: Class, group: &str, below: &str, is_own: bool) -> String {
    let both = format!("{group} {below}").trim().to_owned();
    let alone = is_own.then(|| below.to_owned());
    let of_group = AMOUNTS.contains(&header_key(below).as_str()).then(|| group.to_owned());
    let known = [Some(both.clone()), alone, of_group].into_iter().flatten();
    known.into_iter().find(|name| class.score(std::slice::from_ref(name)) > 0).unwrap_or(both)
}

fn is_name(cell: &str) -> bool {
    let text = half_width(cell);
    text.chars().count() <= SUB_CHARS_MAX && !text.chars().any(|c| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::super::class;
    use super::*;

    fn rows(texts: &[&str]) -> Vec<RawRow> {
        let row = |(number, text): (u64, &&str)| RawRow { number, cells: text.split('|').map(str::to_owned).collect() };
        (1..).zip(texts).map(row).collect()
    }

    fn found(texts: &[&str]) -> (usize, usize, Vec<String>) {
        let (_, heading) = find(class("finance").unwrap(), &rows(texts)).unwrap();
        (heading.at, heading.rows, heading.names)
    }

    #[test]
    fn groups_reach_over_the_columns_below_them() {
        let (at, count, names) = found(&[
            "财务公开表||||||",
            "日期|摘要|收入||支出||余额",
            "||金额|来源|金额|经手人|",
            "2月3日|水费|||5|纪某|1",
        ]);
        assert_eq!((at, count), (1, 2));
        assert_eq!(names, ["日期", "摘要", "收入 金额", "来源", "支出 金额", "经手人", "余额"]);
    }

    #[test]
    fn month_and_day_stand_below_a_year() {
        let texts = ["2026年||凭证||摘要|收入|支出|余额", "月|日|字|号||||", "2|3|记|1|水费||5|1"];
        let (_, heading) = find(class("finance").unwrap(), &rows(&texts)).unwrap();
        assert_eq!((heading.rows, heading.year), (2, Some(2026)));
        assert_eq!(heading.names, ["月", "日", "凭证 字", "凭证 号", "摘要", "收入", "支出", "余额"]);
    }

    #[test]
    fn a_title_above_and_content_below_are_no_second_row() {
        let title = found(&["五里桥村二月财务公开表|||", "日期|摘要|收入|支出", "2月3日|水费||5"]);
        assert_eq!((title.0, title.1), (1, 1));
        let words = found(&["日期|摘要|收入|支出", "|本月无收支||", "|水费||"]);
        assert_eq!((words.0, words.1), (0, 1));
    }

    #[test]
    fn a_name_that_stands_below_two_groups_is_neither() {
        let (_, count, names) = found(&["日期|收入||支出|", "|项目|金额|项目|金额", "2月3日|租金|5||"]);
        assert_eq!(count, 2);
        assert_eq!(names, ["日期", "收入 项目", "收入 金额", "支出 项目", "支出 金额"]);
    }
}
