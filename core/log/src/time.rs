//! The two forms of time in signed bytes, each with exactly one spelling.
//!
//! An author's time (`declared_at`) is RFC 3339 in whole seconds with its offset; the log's time
//! (`recorded_at`) is RFC 3339 UTC with microseconds and `Z`. Parsers read fixed columns, because a
//! lenient parser would accept a second spelling of the same instant.
//!
//! Not here: a clock. Every instant is handed in.

use chrono::{DateTime, Datelike as _, FixedOffset, NaiveDate, NaiveDateTime, TimeZone as _, Timelike as _, Utc};

/// A text that is not an instant in the expected form, or an instant that has no such text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    /// Not `2026-03-10T09:12:00+08:00`.
    #[error("not a time like 2026-03-10T09:12:00+08:00")]
    Declared,
    /// Not `2026-03-10T01:12:07.000001Z`.
    #[error("not a time like 2026-03-10T01:12:07.000001Z")]
    Recorded,
}

/// Reads an author's time, `YYYY-MM-DDTHH:MM:SS±HH:MM`.
pub fn parse_declared(text: &str) -> Result<DateTime<FixedOffset>, TimeError> {
    declared(text.as_bytes()).ok_or(TimeError::Declared)
}

/// Writes an author's time; refuses years beyond 0–9999, parts of seconds, and offsets with seconds.
pub fn format_declared(time: &DateTime<FixedOffset>) -> Result<String, TimeError> {
    let text = time.format("%Y-%m-%dT%H:%M:%S%:z").to_string();
    if parse_declared(&text) == Ok(*time) { Ok(text) } else { Err(TimeError::Declared) }
}

/// Reads the log's time, `YYYY-MM-DDTHH:MM:SS.ffffffZ`.
pub fn parse_recorded(text: &str) -> Result<DateTime<Utc>, TimeError> {
    recorded(text.as_bytes()).ok_or(TimeError::Recorded)
}

/// Writes the log's time, cut to whole microseconds; refuses years beyond 0–9999.
pub fn format_recorded(time: &DateTime<Utc>) -> Result<String, TimeError> {
    if !(0..=9999).contains(&time.year()) || time.nanosecond() >= 1_000_000_000 {
        return Err(TimeError::Recorded);
    }
    Ok(time.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string())
}

fn declared(text: &[u8]) -> Option<DateTime<FixedOffset>> {
    if text.len() != 25 || text[22] != b':' {
        return None;
    }
    let local = seconds(&text[..19])?.and_hms_nano(0)?;
    let (hours, minutes) = (number(&text[20..22])?, number(&text[23..25])?);
    if hours > 23 || minutes > 59 {
        return None;
    }
    let east = i32::try_from(hours * 3_600 + minutes * 60).ok()?;
    let offset = match text[19] {
        b'+' => FixedOffset::east_opt(east)?,
        // "-00:00" would be a second spelling of "+00:00".
        b'-' if east != 0 => FixedOffset::west_opt(east)?,
        _ => return None,
    };
    offset.from_local_datetime(&local).single()
}

fn recorded(text: &[u8]) -> Option<DateTime<Utc>> {
    if text.len() != 27 || text[19] != b'.' || text[26] != b'Z' {
        return None;
    }
    let micros = number(&text[20..26])?;
    let local = seconds(&text[..19])?.and_hms_nano(micros * 1_000)?;
    Some(local.and_utc())
}

/// Calendar date and time of day in whole seconds.
struct Seconds {
    date: NaiveDate,
    hour: u32,
    minute: u32,
    second: u32,
}

impl Seconds {
    fn and_hms_nano(&self, nanos: u32) -> Option<NaiveDateTime> {
        self.date.and_hms_nano_opt(self.hour, self.minute, self.second, nanos)
    }
}

fn seconds(text: &[u8]) -> Option<Seconds> {
    let separators = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if separators.iter().any(|&(at, byte)| text[at] != byte) {
        return None;
    }
    let year = i32::try_from(number(&text[..4])?).ok()?;
    Some(Seconds {
        date: NaiveDate::from_ymd_opt(year, number(&text[5..7])?, number(&text[8..10])?)?,
        hour: number(&text[11..13])?,
        minute: number(&text[14..16])?,
        second: number(&text[17..19])?,
    })
}

fn number(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0u32, |sum, digit| match digit {
        b'0'..=b'9' => Some(sum * 10 + u32::from(digit - b'0')),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_time_has_one_spelling() {
        for text in ["2026-03-10T09:12:00+08:00", "0000-01-01T00:00:00-23:59", "9999-12-31T23:59:59+00:00"] {
            let time = parse_declared(text).unwrap();
            assert_eq!(format_declared(&time).unwrap(), text);
        }
        let text = "2026-03-10T01:12:07.000001Z";
        let time = parse_recorded(text).unwrap();
        assert_eq!(format_recorded(&time).unwrap(), text);
    }

    #[test]
    fn other_spellings_are_refused() {
        for bad in [
            "2026-03-10T09:12:00Z",
            "2026-03-10T09:12:00-00:00",
            "2026-03-10t09:12:00+08:00",
            "2026-03-10 09:12:00+08:00",
            "2026-02-30T09:12:00+08:00",
            "2026-03-10T24:00:00+08:00",
            "2026-03-10T09:12:60+08:00",
            "2026-03-10T09:12:00+24:00",
            "2026-03-10T09:12:00+08:60",
            "2026-03-10T09:12:00+0800",
            "+026-03-10T09:12:00+08:00",
            "2026-03-10T09:12:00.0+08:00",
            "",
            "二〇二六年三月十日",
        ] {
            assert_eq!(parse_declared(bad), Err(TimeError::Declared), "{bad}");
        }
        for bad in [
            "2026-03-10T01:12:07Z",
            "2026-03-10T01:12:07.00001Z",
            "2026-03-10T01:12:07.000001z",
            "2026-03-10T01:12:60.000001Z",
            "2026-13-10T01:12:07.000001Z",
            "",
        ] {
            assert_eq!(parse_recorded(bad), Err(TimeError::Recorded), "{bad}");
        }
    }
}
