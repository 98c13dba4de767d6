//! Twelve months of one village's books: sheets from `api/demo/books`, balanced from month to month.
//!
//! A sheet is a table as the township's accountants keep it, read through a mapping like any other. What it does not
//! say is filled in here: the balance brought forward, the day on the wall, the decision. The story's February opens
//! with the amount of the worked month, and the other months follow from it in both directions. To add a month, add
//! its file to [`SHEETS`].

use chrono::{Datelike, Months, NaiveDate};
use serde_json::{Map, Value, json};

use super::{
    story::{self, StoryError},
    template::Dates,
};
use crate::exchange::Mapping;

/// The village whose books these are.
pub(super) const VILLAGE: &str = "341599101201";
/// Name of the step that publishes the story's February.
pub(super) const STORY: &str = "book:story";

/// Balance brought forward into the story's February, fen.
const FEBRUARY_OPENING_FEN: i64 = 18_642_035;
/// The month that was entered weeks after its declared day.
const LATE_MONTH: u32 = 5;
/// How many months are shown at least.
const MONTHS_SHOWN: i32 = 12;

/// How the sheets are read.
pub(super) const MAPPING: &str = include_str!("../../demo/books.toml");

/// Sheets by month. August is missing: nothing moved, and nobody said so.
const SHEETS: [(u32, &str); 11] = [
    (1, include_str!("../../demo/books/01.csv")),
    (2, include_str!("../../demo/books/02.csv")),
    (3, include_str!("../../demo/books/03.csv")),
    (4, include_str!("../../demo/books/04.csv")),
    (5, include_str!("../../demo/books/05.csv")),
    (6, include_str!("../../demo/books/06.csv")),
    (7, include_str!("../../demo/books/07.csv")),
    (9, include_str!("../../demo/books/09.csv")),
    (10, include_str!("../../demo/books/10.csv")),
    (11, include_str!("../../demo/books/11.csv")),
    (12, include_str!("../../demo/books/12.csv")),
];
/// The February after the story's: in March both are shown.
const NEXT_FEBRUARY: &str = include_str!("../../demo/books/02-next.csv");

/// One month's sheet.
#[derive(Debug)]
pub(super) struct Sheet {
    /// Name of the step.
    pub id: String,
    /// The command's fields.
    pub fields: Map<String, Value>,
    /// The story's dates with this month.
    pub dates: Dates,
    /// Whether it was entered weeks late.
    pub is_late: bool,
}

/// A month's sheet as a table with its dates; `None` for August.
///
/// # Errors
/// [`StoryError::Template`].
pub(super) fn text(month: NaiveDate, dates: &Dates) -> Result<Option<String>, StoryError> {
    let is_next_february = month.month() == 2 && month > dates.february;
    let sheet = SHEETS.iter().find(|(number, _)| *number == month.month()).map(|(_, text)| *text);
    let sheet = if is_next_february { Some(NEXT_FEBRUARY) } else { sheet };
    Ok(sheet.map(|text| dates.for_book(month).resolve(text)).transpose()?)
}

/// The sheets of the months that are shown, oldest first, each opening with the closing of the one before.
///
/// # Errors
/// [`StoryError`]: a fault of the shipped sheets.
pub(super) fn sheets(dates: &Dates) -> Result<Vec<Sheet>, StoryError> {
    let mapping = Mapping::parse(MAPPING)?;
    let mut sheets = Vec::new();
    for month in months(dates) {
        let Some(text) = text(month, dates)? else { continue };
        let file = format!("{}.csv", month.format("%Y-%m"));
        let commands = story::import(&file, &text, &mapping)?;
        let fields = commands.first().and_then(|command| command.get("fields")).and_then(Value::as_object).cloned();
        let fields = fields.ok_or_else(|| StoryError::Table { file, problem: "没有生成内容".into() })?;
        let id = if month == dates.february { STORY.to_owned() } else { format!("book:{}", month.format("%Y-%m")) };
        let is_late = month.month() == LATE_MONTH;
        sheets.push((month, Sheet { id, fields, dates: dates.for_book(month), is_late }));
    }
    balance(&mut sheets, dates.february);
    Ok(sheets.into_iter().map(|(_, sheet)| sheet).collect())
}

/// From the story's February, or twelve months ago if that is earlier, to last month.
fn months(dates: &Dates) -> Vec<NaiveDate> {
    let first = dates.month(-MONTHS_SHOWN).map_or(dates.february, |first| first.min(dates.february));
    let last = dates.month(-1).unwrap_or(dates.february);
    std::iter::successors(Some(first), |month| month.checked_add_months(Months::new(1)))
        .take_while(|month| *month <= last)
        .collect()
}

/// Fills in what is brought forward and carried forward.
fn balance(sheets: &mut [(NaiveDate, Sheet)], february: NaiveDate) {
    let net = |sheet: &Sheet| amount(sheet, "income") - amount(sheet, "expense");
    let before: i64 = sheets.iter().filter(|(month, _)| *month < february).map(|(_, sheet)| net(sheet)).sum();
    let mut opening = FEBRUARY_OPENING_FEN - before;
    for (_, sheet) in sheets {
        let closing = opening + net(sheet);
        sheet.fields.insert("opening".into(), json!(opening));
        sheet.fields.insert("closing".into(), json!(closing));
        sheet.fields.insert("posted_on".into(), json!("{book+1:09}"));
        sheet.fields.insert("decision".into(), json!("村务监督委员会审核签字后由代理中心制表"));
        if sheet.is_late {
            sheet.fields.insert("note".into(), json!("张贴在公开栏的日期为次月9日；因村部断网，晚于规定时间补录。"));
        }
        opening = closing;
    }
}

fn amount(sheet: &Sheet, name: &str) -> i64 {
    sheet.fields.get(name).and_then(Value::as_i64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use gongkai_domain::calendar::Calendar;

    use super::*;

    fn shown(today: &str) -> Vec<(String, i64, i64)> {
        let dates = Dates::on(today.parse().unwrap(), Calendar::default());
        let sheets = sheets(&dates).unwrap();
        sheets.iter().map(|sheet| (sheet.id.clone(), amount(sheet, "opening"), amount(sheet, "closing"))).collect()
    }

    #[test]
    fn the_storys_february_is_the_worked_month() {
        for today in ["2026-11-20", "2027-01-03", "2028-02-29"] {
            let story = shown(today).into_iter().find(|(id, ..)| id == STORY);
            assert_eq!(story, Some((STORY.into(), 18_642_035, 22_065_725)), "{today}");
        }
    }

    #[test]
    fn each_month_opens_with_the_closing_of_the_one_before() {
        for month in 1..=12 {
            let sheets = shown(&format!("2027-{month:02}-28"));
            assert!(sheets.len() >= 11, "{month}: {}", sheets.len());
            assert!(sheets.windows(2).all(|pair| pair[0].2 == pair[1].1), "{month}: {sheets:?}");
            assert!(sheets.iter().all(|(_, opening, closing)| *opening > 0 && *closing > 0), "{month}: {sheets:?}");
        }
    }

    #[test]
    fn twelve_months_are_shown_and_august_is_missing() {
        let ids: Vec<_> = shown("2026-11-20").into_iter().map(|(id, ..)| id).collect();
        assert_eq!(ids.first().map(String::as_str), Some("book:2025-11"));
        assert_eq!(ids.last().map(String::as_str), Some("book:2026-10"));
        assert_eq!(ids.len(), 11);
        assert!(!ids.contains(&"book:2026-08".to_owned()));
    }
}
