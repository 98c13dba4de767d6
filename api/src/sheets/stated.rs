//! What a sheet says outside its lines: the period in its title, balances in rows and lines of their own.

use crate::exchange::cell::{self, MoneyUnit, half_width};
use crate::exchange::table::header_key;

const OPENING: [&str; 12] = [
    "上期结存",
    "上期结余",
    "上月结存",
    "上月结余",
    "上月余额",
    "期初余额",
    "期初结存",
    "期初结余",
    "上年结转",
    "年初余额",
    "承前页",
    "上期余额",
];
const CLOSING: [&str; 11] = [
    "期末结存",
    "期末余额",
    "期末结余",
    "本期结存",
    "本期结余",
    "本月结存",
    "本月结余",
    "月末余额",
    "月末结存",
    "本期余额",
    "本月余额",
];

/// An amount, and the cell that states it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stated {
    pub fen: i64,
    pub row: u64,
    pub place: usize,
}

/// Which balance a row is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Balance {
    Opening,
    Closing,
}

impl Balance {
    pub const BOTH: [Self; 2] = [Self::Opening, Self::Closing];

    fn words(self) -> &'static [&'static str] {
        match self {
            Self::Opening => &OPENING,
            Self::Closing => &CLOSING,
        }
    }
}

/// The balance that a row names in a cell which holds nothing else.
pub fn named(cells: &[String]) -> Option<Balance> {
    let keys: Vec<String> = cells.iter().map(|cell| header_key(cell)).collect();
    Balance::BOTH.into_iter().find(|balance| {
        keys.iter().any(|key| {
            let key = key.trim_end_matches(':');
            balance.words().iter().any(|word| *word == key || crate::exchange::table::bare_key(key) == *word)
        })
    })
}

/// A balance that a cell states with its amount, `上期结存：186,420.35元`; its place among the cells and the fen.
pub fn within(cells: &[String], balance: Balance, unit: MoneyUnit) -> Option<(usize, i64)> {
    cells.iter().enumerate().find_map(|(place, cell)| {
        let text = half_width(cell);
        let rest = balance.words().iter().find_map(|word| text.split_once(word).map(|(_, rest)| rest))?;
        let rest = rest.trim_start_matches([':', ' ', '为']);
        let amount: String = rest.chars().take_while(|c| c.is_ascii_digit() || "-,.¥￥".contains(*c)).collect();
        let fen = cell::money(&amount, unit).ok().flatten()?;
        Some((place, fen))
    })
}

/// The period in a title: `2026年2月`, `2026年第一季度`, and `2026年` where nothing is more exact.
pub fn period(title: &str) -> Option<String> {
    let text = header_key(title);
    let (before, after) = text.split_once('年')?;
    let tail = before.len().checked_sub(4)?;
    let year = before.get(tail..).filter(|year| year.bytes().all(|b| b.is_ascii_digit()))?;
    if let Some((month, _)) = after.split_once('月').filter(|(month, _)| month.len() <= 2)
        && let Ok(month) = month.parse::<u32>()
        && (1..=12).contains(&month)
    {
        return Some(format!("{year}-{month:02}"));
    }
    let quarters = [["一季", "1季"], ["二季", "2季"], ["三季", "3季"], ["四季", "4季"]];
    let quarter = quarters.iter().position(|names| names.iter().any(|name| after.contains(name)));
    quarter.map(|quarter| format!("{year}-Q{}", quarter + 1))
}

/// The year that a title names.
pub fn year(title: &str) -> Option<i32> {
    let text = header_key(title);
    let (before, _) = text.split_once('年')?;
    before.get(before.len().checked_sub(4)?..)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn a_period_is_read_from_the_titles_that_offices_write() {
        for (title, expected) in [
            ("五里桥村2026年2月财务公开表（虚构）", Some("2026-02")),
            ("五里桥村２０２６ 年 12 月收支", Some("2026-12")),
            ("2026年第一季度财务公开", Some("2026-Q1")),
            ("2026年财务公开", None),
            ("二月收支", None),
            ("2026年13月", None),
        ] {
            assert_eq!(period(title).as_deref(), expected, "{title}");
        }
    }

    #[test]
    fn balances_are_found_in_rows_and_in_lines_of_their_own() {
        assert_eq!(named(&cells(&["", "上 月 结 存：", "100"])), Some(Balance::Opening));
        assert_eq!(named(&cells(&["期末结存（元）"])), Some(Balance::Closing));
        assert_eq!(named(&cells(&["2月3日", "退回上期结存差错款"])), None);
        let line = cells(&["", "上期结存：￥186,420.35元  本期结余：１００元"]);
        assert_eq!(within(&line, Balance::Opening, MoneyUnit::Yuan), Some((1, 18_642_035)));
        assert_eq!(within(&line, Balance::Closing, MoneyUnit::Yuan), Some((1, 10_000)));
        assert_eq!(within(&cells(&["上期结存"]), Balance::Opening, MoneyUnit::Yuan), None);
    }
}
