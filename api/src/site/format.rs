//! How numbers, money and times are written for people.
//!
//! Small wrappers whose `Display` is the text on the page, so that a template cannot format a value
//! in a second way. They hold values only: no clock, no locale lookup, no arithmetic on money.
//! To show a new kind of value, add a wrapper here and a test beside the others.

use std::fmt;

use chrono::{DateTime, Datelike, FixedOffset, NaiveDate, TimeZone, Timelike};

/// Money in fen. Written in yuan with thousands separators: `126000` is `1,260.00`, a negative
/// amount has the sign `−` (U+2212).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fen(pub i64);

impl fmt::Display for Fen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "−" } else { "" };
        let fen = self.0.unsigned_abs();
        write!(f, "{sign}{}.{:02}", Count(fen / 100), fen % 100)
    }
}

/// A count with thousands separators: `41352` is `41,352`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Count(pub u64);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        for (at, digit) in digits.chars().enumerate() {
            if at > 0 && (digits.len() - at).is_multiple_of(3) {
                f.write_str(",")?;
            }
            write!(f, "{digit}")?;
        }
        Ok(())
    }
}

/// A size in bytes: `812 字节`, `34.5 KB`, `2.1 MB` (1 KB = 1,024 bytes).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bytes(pub u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const KB: u64 = 1024;
        const MB: u64 = KB * KB;
        match self.0 {
            n if n < KB => write!(f, "{n} 字节"),
            n if n < MB => write!(f, "{}.{} KB", n / KB, n % KB * 10 / KB),
            n => write!(f, "{}.{} MB", n / MB, n % MB * 10 / MB),
        }
    }
}

/// A calendar day: `2026年3月10日`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(pub NaiveDate);

impl Day {
    /// A day written in the source, for samples and tests.
    pub(crate) fn of(year: i32, month: u32, day: u32) -> Self {
        Self(NaiveDate::from_ymd_opt(year, month, day).expect("a day written in the source exists"))
    }

    /// `周一` … `周日`.
    pub fn weekday(&self) -> &'static str {
        ["周一", "周二", "周三", "周四", "周五", "周六", "周日"][self.0.weekday().num_days_from_monday() as usize]
    }

    /// Without the year: `3月10日`.
    pub fn short(&self) -> String {
        format!("{}月{}日", self.0.month(), self.0.day())
    }

    /// Column of a week that starts on Monday, 1–7.
    pub fn column(&self) -> u32 {
        self.0.weekday().number_from_monday()
    }

    /// Day of the month, 1–31.
    pub fn day(&self) -> u32 {
        self.0.day()
    }

    /// Calendar year.
    pub fn year(&self) -> i32 {
        self.0.year()
    }

    /// Month of the year, 1–12.
    pub fn month(&self) -> u32 {
        self.0.month()
    }

    /// For the `datetime` attribute: `2026-03-10`.
    pub fn iso(&self) -> String {
        self.0.to_string()
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}年{}月{}日", self.0.year(), self.0.month(), self.0.day())
    }
}

/// A moment in the ledger's offset, to the minute: `2026年3月10日 09:12`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub DateTime<FixedOffset>);

impl Moment {
    /// A moment at UTC+8 written in the source, for samples and tests.
    pub(crate) fn of(year: i32, month: u32, day: u32, hour: u32, minute: u32) -> Self {
        let offset = FixedOffset::east_opt(8 * 3600).expect("UTC+8 is an offset");
        Self(
            offset
                .with_ymd_and_hms(year, month, day, hour, minute, 0)
                .single()
                .expect("a moment written in the source exists"),
        )
    }

    /// Its day.
    pub fn day(&self) -> Day {
        Day(self.0.date_naive())
    }

    /// For the `datetime` attribute, RFC 3339.
    pub fn iso(&self) -> String {
        self.0.to_rfc3339()
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:02}:{:02}", self.day(), self.0.hour(), self.0.minute())
    }
}

/// A month of a year: `2026年2月`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Month {
    /// Calendar year.
    pub year: i32,
    /// 1–12.
    pub month: u32,
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}年{}月", self.year, self.month)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_has_separators_and_two_decimals() {
        assert_eq!(Fen(126_000).to_string(), "1,260.00");
        assert_eq!(Fen(0).to_string(), "0.00");
        assert_eq!(Fen(-5).to_string(), "−0.05");
        assert_eq!(Fen(-64_403_800).to_string(), "−644,038.00");
        assert_eq!(Fen(i64::MIN).to_string(), "−92,233,720,368,547,758.08");
    }

    #[test]
    fn counts_are_grouped_by_three() {
        assert_eq!(Count(7).to_string(), "7");
        assert_eq!(Count(999).to_string(), "999");
        assert_eq!(Count(1_000).to_string(), "1,000");
        assert_eq!(Count(1_234_567).to_string(), "1,234,567");
    }

    #[test]
    fn sizes_choose_their_unit() {
        assert_eq!(Bytes(812).to_string(), "812 字节");
        assert_eq!(Bytes(1_536).to_string(), "1.5 KB");
        assert_eq!(Bytes(3 * 1024 * 1024).to_string(), "3.0 MB");
    }

    #[test]
    fn days_and_moments_are_written_in_chinese() {
        assert_eq!(Day::of(2026, 3, 10).to_string(), "2026年3月10日");
        assert_eq!(Day::of(2025, 9, 26).weekday(), "周五");
        assert_eq!(Moment::of(2026, 3, 10, 9, 2).to_string(), "2026年3月10日 09:02");
        assert_eq!(Month { year: 2026, month: 2 }.to_string(), "2026年2月");
    }
}
