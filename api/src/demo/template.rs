//! Dates in the story's data: `{today-120}`, `{month-3:10}`, so that the demo looks alive on any day.
//!
//! Not a template language: only dates, only inside braces, and a brace that is no date is an error.
//!
//! | expression | value |
//! |---|---|
//! | `{today-120}` | that many days before (`+`: after) the day of the demo |
//! | `{month-3}` | the month three months ago, `YYYY-MM` |
//! | `{month-3:10}` | its 10th, or its last day if it is shorter |
//! | `{feb+1:12}` | as `month`, counted from the February of the core story |
//! | `{book:05}` | as `month`, counted from the month of the sheet that is being made |
//! | `{year-1}` | a year |
//! | `{2025-11-05}` | that day |
//! | `{today-40/5}` | the last of 5 working days from that day, the day itself counted |
//! | `{today-40/5+1}` | a day later |
//! | `{today-40!}` | that day, or the working day before it |
//! | `{today-40!-2}` | two days before that |
//! | `{max 2025-11-05 month-14:09}` | the later of the two |
//! | `{yearof today-200}` | the year of that day; a text that is nothing else becomes a number |
//! | `{today-40\|cn}` | 2026年10月11日; also `md` (10月11日) and, of a month, `m` (10月) |
//!
//! To add a base, add it to [`Dates::base`]; to add a spelling, to [`Value::spell`].

use chrono::{Datelike, Days, Months, NaiveDate};
use gongkai_domain::calendar::{Calendar, Period};
use serde_json::{Map, Value as Json};

/// An expression that gives no date. It is a fault of the shipped data, so a test finds it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the story's data has no date in {{{0}}}")]
pub struct TemplateError(pub String);

/// From where dates are counted.
#[derive(Debug, Clone)]
pub struct Dates {
    /// The day of the demo.
    pub today: NaiveDate,
    /// First day of the story's February.
    pub february: NaiveDate,
    /// First day of the month of the sheet that is being made.
    pub book: Option<NaiveDate>,
    /// For working days.
    pub calendar: Calendar,
}

/// What an expression gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Value {
    Day(NaiveDate),
    Month(NaiveDate),
    Year(i32),
}

impl Value {
    fn spell(self, format: Option<&str>) -> Option<String> {
        match (self, format) {
            (Self::Day(day), None) => Some(day.to_string()),
            (Self::Day(day), Some("cn")) => Some(format!("{}年{}月{}日", day.year(), day.month(), day.day())),
            (Self::Day(day), Some("md")) => Some(format!("{}月{}日", day.month(), day.day())),
            (Self::Month(first), None) => Some(format!("{:04}-{:02}", first.year(), first.month())),
            (Self::Month(first), Some("cn")) => Some(format!("{}年{}月", first.year(), first.month())),
            (Self::Month(first), Some("m")) => Some(format!("{}月", first.month())),
            (Self::Year(year), None) => Some(format!("{year:04}")),
            _ => None,
        }
    }

    fn day(self) -> Option<NaiveDate> {
        match self {
            Self::Day(day) => Some(day),
            Self::Month(_) | Self::Year(_) => None,
        }
    }
}

impl Dates {
    /// The dates of a demo on `today`. The core story took place in the latest February whose story, which ends in
    /// late March, is over.
    pub fn on(today: NaiveDate, calendar: Calendar) -> Self {
        let year = if today.month() >= 4 { today.year() } else { today.year() - 1 };
        let february = NaiveDate::from_ymd_opt(year, 2, 1).unwrap_or(today);
        Self { today, february, book: None, calendar }
    }

    /// The same, while the sheet of a month is being made.
    #[must_use]
    pub fn for_book(&self, month: NaiveDate) -> Self {
        Self { book: Some(month), ..self.clone() }
    }

    /// First day of the month `months` before (`+`: after) that of `today`.
    pub fn month(&self, months: i32) -> Option<NaiveDate> {
        shift_months(self.today, months)
    }

    /// Replaces every expression in a text.
    ///
    /// # Errors
    /// The first expression that gives no date.
    pub fn resolve(&self, text: &str) -> Result<String, TemplateError> {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (expression, tail) = after.split_once('}').ok_or_else(|| TemplateError(after.to_owned()))?;
            out.push_str(before);
            out.push_str(&self.expression(expression)?);
            rest = tail;
        }
        out.push_str(rest);
        Ok(out)
    }

    /// Replaces every expression in every text of a JSON value.
    ///
    /// # Errors
    /// The first expression that gives no date.
    pub fn resolve_json(&self, value: &Json) -> Result<Json, TemplateError> {
        match value {
            Json::String(text) => {
                let resolved = self.resolve(text)?;
                let is_year = text.starts_with("{yearof ") && text.ends_with('}') && text.matches('{').count() == 1;
                Ok(match resolved.parse::<i32>() {
                    Ok(year) if is_year => Json::from(year),
                    _ => Json::String(resolved),
                })
            }
            Json::Array(items) => {
                Ok(Json::Array(items.iter().map(|item| self.resolve_json(item)).collect::<Result<_, _>>()?))
            }
            Json::Object(members) => Ok(Json::Object(self.resolve_map(members)?)),
            other => Ok(other.clone()),
        }
    }

    /// As [`Dates::resolve_json`], for an object's members.
    ///
    /// # Errors
    /// The first expression that gives no date.
    pub fn resolve_map(&self, members: &Map<String, Json>) -> Result<Map<String, Json>, TemplateError> {
        members.iter().map(|(name, value)| Ok((name.clone(), self.resolve_json(value)?))).collect()
    }

    fn expression(&self, expression: &str) -> Result<String, TemplateError> {
        let (dates, format) = match expression.split_once('|') {
            Some((dates, format)) => (dates, Some(format)),
            None => (expression, None),
        };
        self.value(dates).and_then(|value| value.spell(format)).ok_or_else(|| TemplateError(expression.to_owned()))
    }

    fn value(&self, dates: &str) -> Option<Value> {
        if let Some(day) = dates.strip_prefix("yearof ") {
            return Some(Value::Year(self.value(day)?.day()?.year()));
        }
        if let Some(two) = dates.strip_prefix("max ") {
            let (left, right) = two.split_once(' ')?;
            return Some(Value::Day(self.value(left)?.day()?.max(self.value(right)?.day()?)));
        }
        let operations = dates.find(['!', '/']).unwrap_or(dates.len());
        let (base, mut rest) = dates.split_at(operations);
        let mut value = self.base(base)?;
        while let Some(operation) = rest.chars().next() {
            let end = rest[1..].find(['!', '/', '+', '-']).map_or(rest.len(), |at| at + 1);
            let (this, next) = rest.split_at(end);
            let day = value.day()?;
            value = Value::Day(match operation {
                '!' if this.len() == 1 => self.working_day_before(day)?,
                '/' => Period::working_days(day, this[1..].parse().ok()?, true, &self.calendar).ok()?.end,
                '+' | '-' => shift_days(day, this.parse().ok()?)?,
                _ => return None,
            });
            rest = next;
        }
        Some(value)
    }

    /// A base with its offset and day of the month.
    fn base(&self, text: &str) -> Option<Value> {
        if let Ok(day) = text.parse::<NaiveDate>() {
            return Some(Value::Day(day));
        }
        let letters = text.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(text.len());
        let (base, rest) = text.split_at(letters);
        let (offset, day) = match rest.split_once(':') {
            Some((offset, day)) => (offset, Some(day.parse::<u32>().ok()?)),
            None => (rest, None),
        };
        let offset: i32 = if offset.is_empty() { 0 } else { offset.parse().ok()? };
        let month = |from| {
            let first = shift_months(from, offset)?;
            match day {
                Some(day) => Some(Value::Day(day_of(first, day)?)),
                None => Some(Value::Month(first)),
            }
        };
        match base {
            "today" if day.is_none() => Some(Value::Day(shift_days(self.today, offset)?)),
            "year" if day.is_none() => Some(Value::Year(self.today.year().checked_add(offset)?)),
            "month" => month(self.today),
            "feb" => month(self.february),
            "book" => month(self.book?),
            _ => None,
        }
    }

    fn working_day_before(&self, mut day: NaiveDate) -> Option<NaiveDate> {
        // No holiday lasts this long; the bound only says so.
        for _ in 0..60 {
            if self.calendar.is_working_day(day) {
                return Some(day);
            }
            day = day.pred_opt()?;
        }
        None
    }
}

fn shift_days(day: NaiveDate, days: i32) -> Option<NaiveDate> {
    let many = Days::new(u64::from(days.unsigned_abs()));
    if days < 0 { day.checked_sub_days(many) } else { day.checked_add_days(many) }
}

/// First day of the month `months` before or after that of `day`.
fn shift_months(day: NaiveDate, months: i32) -> Option<NaiveDate> {
    let first = day.with_day(1)?;
    let many = Months::new(months.unsigned_abs());
    if months < 0 { first.checked_sub_months(many) } else { first.checked_add_months(many) }
}

/// A day of the month, or the month's last day if it is shorter.
fn day_of(first: NaiveDate, day: u32) -> Option<NaiveDate> {
    if !(1..=31).contains(&day) {
        return None;
    }
    (28..=day).rev().chain([day]).find_map(|day| first.with_day(day))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn date(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn dates(today: &str) -> Dates {
        let mut calendar = Calendar::default();
        calendar.publish(2026, &[date("2026-10-01"), date("2026-10-02")], &[date("2026-10-10")]);
        Dates::on(date(today), calendar)
    }

    #[test]
    fn days_months_and_years_are_counted_from_the_day_of_the_demo() {
        let dates = dates("2026-11-20");
        for (text, expected) in [
            ("{today}", "2026-11-20"),
            ("{today-120}", "2026-07-23"),
            ("{today+41}", "2026-12-31"),
            ("{month}", "2026-11"),
            ("{month-11}", "2025-12"),
            ("{month-3:10}", "2026-08-10"),
            ("{month-9:31}", "2026-02-28"),
            ("{month+3:01}", "2027-02-01"),
            ("{year-1}", "2025"),
            ("{yearof today-365}", "2025"),
            ("{feb}", "2026-02"),
            ("{feb+1:12}", "2026-03-12"),
            ("{2025-11-05}", "2025-11-05"),
            ("{max 2025-11-05 month-14:09}", "2025-11-05"),
            ("{max 2025-11-05 today-1}", "2026-11-19"),
            ("由{month-3|cn}至{today-1|cn}（{feb|m}账）", "由2026年8月至2026年11月19日（2月账）"),
            ("{today-1|md}", "11月19日"),
            ("没有日期", "没有日期"),
        ] {
            assert_eq!(dates.resolve(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn working_days_follow_the_calendar() {
        let dates = dates("2026-10-12");
        // From Wednesday 30 September over two days off and a weekend.
        assert_eq!(dates.resolve("{2026-09-30/5}").as_deref(), Ok("2026-10-08"));
        assert_eq!(dates.resolve("{2026-09-30/5+1}").as_deref(), Ok("2026-10-09"));
        assert_eq!(dates.resolve("{2026-10-04!-2}").as_deref(), Ok("2026-09-28"));
        assert_eq!(dates.resolve("{2026-10-04!/2+1}").as_deref(), Ok("2026-10-06"));
        assert_eq!(dates.resolve("{2026-10-04!}").as_deref(), Ok("2026-09-30"));
        assert_eq!(dates.resolve("{2026-10-10!}").as_deref(), Ok("2026-10-10"));
    }

    #[test]
    fn the_story_lies_in_the_latest_february_that_is_told_to_its_end() {
        for (today, february) in [
            ("2026-11-20", "2026-02"),
            ("2027-01-03", "2026-02"),
            ("2027-03-31", "2026-02"),
            ("2027-04-01", "2027-02"),
            ("2028-02-29", "2027-02"),
        ] {
            assert_eq!(dates(today).resolve("{feb}").as_deref(), Ok(february), "{today}");
        }
    }

    #[test]
    fn a_leap_day_has_its_day_a_month_and_a_year_earlier() {
        let dates = dates("2028-02-29");
        assert_eq!(dates.resolve("{month-12:29}").as_deref(), Ok("2027-02-28"));
        assert_eq!(dates.resolve("{month-1:30}").as_deref(), Ok("2028-01-30"));
    }

    #[test]
    fn a_month_of_the_books_is_known_only_while_its_sheet_is_made() {
        let dates = dates("2026-11-20");
        assert!(dates.resolve("{book:05}").is_err());
        let sheet = dates.for_book(date("2026-05-01"));
        assert_eq!(sheet.resolve("{book:05}").as_deref(), Ok("2026-05-05"));
        assert_eq!(sheet.resolve("{book+1:09}").as_deref(), Ok("2026-06-09"));
    }

    #[test]
    fn what_is_no_date_is_an_error_and_names_itself() {
        let dates = dates("2026-11-20");
        for text in [
            "{",
            "{}",
            "{todai}",
            "{today:10}",
            "{month:32}",
            "{month:0}",
            "{today-1|m}",
            "{today-x}",
            "{month/5}",
            "{today!x}",
        ] {
            assert!(dates.resolve(text).is_err(), "{text}");
        }
        assert_eq!(dates.resolve("在 {nowhere}").unwrap_err(), TemplateError("nowhere".into()));
    }

    #[test]
    fn the_year_of_a_day_becomes_a_number_and_other_texts_stay_texts() {
        let dates = dates("2026-11-20");
        let value =
            json!({"year": "{year-1}", "made": "{yearof today-365}", "on": ["{today}"], "text": "{year}年", "n": 3});
        let expected = json!({"year": "2025", "made": 2025, "on": ["2026-11-20"], "text": "2026年", "n": 3});
        assert_eq!(dates.resolve_json(&value), Ok(expected));
    }
}
