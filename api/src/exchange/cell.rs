//! From the text of one cell to a value: money, dates, times, months, numbers, yes and no.
//!
//! Each function takes the raw text and answers `Ok(None)` for a cell that says nothing, `Ok(Some(..))` for a
//! value, or a sentence in Chinese. It knows no table and no mapping. Nothing is guessed: what can be read in two
//! ways (`03/02/2026`, a bare `1` in a percent column) is refused with the way to write it. To add a type, add a
//! function here and a variant to `mapping::Kind`.

use chrono::{Datelike, Days, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, TimeZone};

/// The largest integer that a statement may hold (design 3.1, from RFC 8785 section 3.2.2.3).
pub const INTEGER_MAX: i64 = (1 << 53) - 1;

/// Excel serials that are read as dates: 1954-10-03 to 2119-01-12. Other numbers are not dates.
const SERIAL_MIN: u64 = 20_000;
const SERIAL_MAX: u64 = 80_000;

/// Why a cell cannot be read, in Chinese; or the value, or nothing.
pub type Parsed<T> = Result<Option<T>, String>;

/// What one unit of a money column is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MoneyUnit {
    /// 元
    #[default]
    Yuan,
    /// 千元
    ThousandYuan,
    /// 万元
    TenThousandYuan,
}

impl MoneyUnit {
    /// Zeros between this unit and one fen.
    fn fen_digits(self) -> usize {
        match self {
            Self::Yuan => 2,
            Self::ThousandYuan => 5,
            Self::TenThousandYuan => 6,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Yuan => "元",
            Self::ThousandYuan => "千元",
            Self::TenThousandYuan => "万元",
        }
    }
}

/// The order of day and month where a date is written with the year last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DayOrder {
    /// `31/12/2026`
    DayFirst,
    /// `12/31/2026`
    MonthFirst,
}

/// What a date needs from outside its cell.
#[derive(Debug, Clone, Copy, Default)]
pub struct DateContext {
    /// Year for `2月3日`.
    pub year: Option<i32>,
    /// How `03/02/2026` is meant; without it such a date is refused.
    pub order: Option<DayOrder>,
}

/// Full-width letters, digits and signs become their ASCII forms, odd spaces become spaces; ends are trimmed.
pub fn half_width(text: &str) -> String {
    let folded: String = text
        .chars()
        .map(|c| match c {
            '\u{FF01}'..='\u{FF5E}' => char::from_u32(u32::from(c) - 0xFEE0).unwrap_or(c),
            '\u{3000}' | '\u{A0}' => ' ',
            '\u{2212}' => '-',
            _ => c,
        })
        .collect();
    folded.trim().to_owned()
}

/// True for an empty cell and for the strokes by which people say "nothing here".
pub fn is_absent(text: &str) -> bool {
    let text = text.trim();
    text.chars().all(|c| matches!(c, '-' | '—' | '–' | '－' | '―')) || text == "/" || text == "／"
}

/// Money in fen. `unit` is what the header says; a cell may repeat the unit but not contradict it.
pub fn money(text: &str, unit: MoneyUnit) -> Parsed<i64> {
    if is_absent(text) {
        return Ok(None);
    }
    let folded = half_width(text);
    let (negative, rest) = sign_and_rest(&folded)?;
    let rest = strip_unit(rest, unit)?;
    let digits = ungroup(rest)?;
    let (whole, fraction) = digits.split_once('.').unwrap_or((&digits, ""));
    if whole.is_empty() || !whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit()) {
        return Err("不是金额。请只写数字，例如 1260.00".into());
    }
    let places = unit.fen_digits();
    let fraction = fraction.trim_end_matches('0');
    if fraction.len() > places {
        return Err("金额精确到分，最多两位小数".into());
    }
    let fen: i64 = format!("{whole}{fraction:0<places$}").parse().map_err(|_| "金额太大".to_owned())?;
    if fen > INTEGER_MAX {
        return Err("金额太大".into());
    }
    Ok(Some(if negative { -fen } else { fen }))
}

/// Splits off `-`, `+`, `￥` and accounting brackets, in whichever order they were written.
fn sign_and_rest(text: &str) -> Result<(bool, &str), String> {
    let (bracketed, mut rest) = match text.strip_prefix('(').and_then(|t| t.strip_suffix(')')) {
        Some(inner) => (true, inner.trim()),
        None => (false, text),
    };
    let (mut minus, mut signs, mut marks) = (false, 0, 0);
    loop {
        rest = rest.trim_start();
        if let Some(after) = rest.strip_prefix('-') {
            (minus, signs, rest) = (true, signs + 1, after);
        } else if let Some(after) = rest.strip_prefix('+') {
            (signs, rest) = (signs + 1, after);
        } else if let Some(after) = rest.strip_prefix(['¥', '￥']).or_else(|| rest.strip_prefix("RMB")) {
            (marks, rest) = (marks + 1, after);
        } else {
            break;
        }
    }
    if signs > 1 || marks > 1 || (bracketed && signs > 0) {
        return Err("正负号或货币符号重复".into());
    }
    Ok((minus || bracketed, rest))
}

fn strip_unit(text: &str, unit: MoneyUnit) -> Result<&str, String> {
    let text = text.trim_end();
    for written in [MoneyUnit::TenThousandYuan, MoneyUnit::ThousandYuan, MoneyUnit::Yuan] {
        let name = written.name();
        let short = name.strip_suffix('元').filter(|s| !s.is_empty());
        let Some(number) = text.strip_suffix(name).or_else(|| short.and_then(|s| text.strip_suffix(s))) else {
            continue;
        };
        if written != unit {
            return Err(format!("单元格写的是“{name}”，表头的单位是“{}”，请统一单位", unit.name()));
        }
        return Ok(number.trim_end());
    }
    Ok(text)
}

/// Removes thousands separators that stand where they belong.
fn ungroup(text: &str) -> Result<String, String> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if !whole.contains(',') {
        return Ok(text.to_owned());
    }
    let mut groups = whole.split(',');
    let first = groups.next().unwrap_or_default().len();
    if !(1..=3).contains(&first) || groups.any(|g| g.len() != 3) || fraction.contains(',') {
        return Err("千位分隔的逗号位置不对".into());
    }
    Ok(text.replace(',', ""))
}

/// A whole number.
pub fn integer(text: &str) -> Parsed<i64> {
    if is_absent(text) {
        return Ok(None);
    }
    let folded = half_width(text);
    let digits = ungroup(&folded)?;
    let (whole, fraction) = digits.split_once('.').unwrap_or((&digits, ""));
    let value: Option<i64> = whole.parse().ok().filter(|v: &i64| v.abs() <= INTEGER_MAX);
    match value {
        Some(value) if fraction.bytes().all(|b| b == b'0') => Ok(Some(value)),
        _ => Err("应当是整数".into()),
    }
}

/// A whole percentage: `85%`, `85`, or the fraction `0.85` that a table program stores for it.
pub fn percent(text: &str) -> Parsed<i64> {
    if is_absent(text) {
        return Ok(None);
    }
    let folded = half_width(text);
    if let Some(number) = folded.strip_suffix('%') {
        return integer(number).map_err(|_| "百分比应当是整数，例如 85%".into());
    }
    if folded == "1" {
        return Err("看不出是 1% 还是 100%，请写上百分号".into());
    }
    let value = match folded.strip_prefix("0.") {
        Some(fraction) => integer(&shift_two(fraction)),
        None => integer(&folded),
    };
    value.map_err(|_| "百分比应当是整数，例如 85%".into())
}

/// `0.85` times one hundred, as text; more than two places stay as a fraction and are refused by the caller.
fn shift_two(fraction: &str) -> String {
    let (whole, rest) = if fraction.is_ascii() && fraction.len() > 2 { fraction.split_at(2) } else { (fraction, "") };
    format!("{whole:0<2}.{rest}")
}

/// 是 or 否, in the ways in which people and programs write them.
pub fn yes_no(text: &str) -> Parsed<bool> {
    match half_width(text).to_lowercase().as_str() {
        "" => Ok(None),
        "是" | "有" | "对" | "√" | "✓" | "y" | "yes" | "true" | "1" => Ok(Some(true)),
        "否" | "无" | "不" | "没有" | "×" | "✗" | "n" | "no" | "false" | "0" => Ok(Some(false)),
        _ => Err("请填“是”或“否”".into()),
    }
}

/// A date as `YYYY-MM-DD`.
pub fn date(text: &str, context: DateContext) -> Parsed<String> {
    if is_absent(text) {
        return Ok(None);
    }
    let folded = half_width(text);
    let day = folded.split(['T', ' ']).next().unwrap_or_default();
    let rest = folded[day.len()..].trim_start_matches(['T', ' ']);
    if !rest.is_empty() && !is_clock(rest) {
        return Err("不是日期。请写成 2026-02-03".into());
    }
    calendar_day(day, context).map(|d| Some(d.format("%Y-%m-%d").to_string()))
}

/// A month as `YYYY-MM`; a full date gives its month.
pub fn month(text: &str, context: DateContext) -> Parsed<String> {
    if is_absent(text) {
        return Ok(None);
    }
    let folded = half_width(text);
    let parts: Vec<&str> = folded.split(['-', '/', '.', '年', '月']).filter(|p| !p.is_empty()).collect();
    let written = match (parts.as_slice(), folded.len()) {
        ([year, month], _) if year.len() == 4 => Some((number(year), number(month))),
        ([compact], 6) if compact.bytes().all(|b| b.is_ascii_digit()) => {
            Some((number(&compact[..4]), number(&compact[4..])))
        }
        ([month], _) if folded.ends_with('月') => match context.year {
            Some(year) => Some((Some(year), number(month))),
            None => return Err("没有写年份，请写成 2026-02".into()),
        },
        _ => None,
    };
    if let Some((year, month)) = written {
        let first = year.zip(month).and_then(|(y, m)| NaiveDate::from_ymd_opt(y, u32::try_from(m).ok()?, 1));
        return first.map(|d| Some(format!("{:04}-{:02}", d.year(), d.month()))).ok_or_else(|| "没有这个月份".into());
    }
    match date(text, context)? {
        Some(day) => Ok(Some(day[..7].to_owned())),
        None => Ok(None),
    }
}

/// A moment as RFC 3339 with seconds and offset; a date alone is its first second at `offset`.
pub fn time(text: &str, context: DateContext, offset: FixedOffset) -> Parsed<String> {
    if is_absent(text) {
        return Ok(None);
    }
    let folded = half_width(text);
    if let Ok(moment) = chrono::DateTime::parse_from_rfc3339(&folded) {
        return Ok(Some(moment.format("%Y-%m-%dT%H:%M:%S%:z").to_string()));
    }
    let (day, clock) = folded.split_once(['T', ' ']).unwrap_or((&folded, "0:00"));
    let naive = NaiveDateTime::new(
        calendar_day(day, context)?,
        parse_clock(clock.trim()).ok_or("时间请写成 2026-02-03 08:30")?,
    );
    let moment = offset.from_local_datetime(&naive).single().ok_or("没有这个时间")?;
    Ok(Some(moment.format("%Y-%m-%dT%H:%M:%S%:z").to_string()))
}

fn parse_clock(text: &str) -> Option<NaiveTime> {
    ["%H:%M:%S%.f", "%H:%M"].iter().find_map(|format| NaiveTime::parse_from_str(text, format).ok())
}

/// A time of day, with or without an offset behind it.
fn is_clock(text: &str) -> bool {
    let bare = text.strip_suffix('Z').unwrap_or(text);
    let bare = bare.rsplit_once(['+', '-']).map_or(bare, |(clock, _)| clock);
    parse_clock(bare).is_some()
}

fn calendar_day(text: &str, context: DateContext) -> Result<NaiveDate, String> {
    let bad = || "不是日期。请写成 2026-02-03".to_owned();
    let missing = || "没有这一天，请核对年月日".to_owned();
    if let Some(day) = serial_or_compact(text)? {
        return Ok(day);
    }
    let text = text.trim_end_matches(['日', '号']);
    let parts: Vec<&str> = text.split(['-', '/', '.', '年', '月']).collect();
    let written: [&str; 3] = match parts.as_slice() {
        [month, day] if text.contains('月') => {
            let year = context.year.ok_or("没有写年份，请写成 2026-02-03")?;
            return ymd(Some(year), number(month), number(day)).ok_or_else(missing);
        }
        [year, month] if text.len() >= 6 && number(year).is_some() && number(month).is_some() => {
            return Err("只有年月，没有日，请写成 2026-02-03".into());
        }
        all => all.try_into().map_err(|_| bad())?,
    };
    let numbers = written.map(number);
    if numbers.contains(&None) {
        return Err(bad());
    }
    let [first, second, third] = numbers;
    if written[0].len() == 4 {
        return ymd(first, second, third).ok_or_else(missing);
    }
    match (written[2].len(), context.order) {
        (4, Some(DayOrder::DayFirst)) => ymd(third, second, first).ok_or_else(missing),
        (4, Some(DayOrder::MonthFirst)) => ymd(third, first, second).ok_or_else(missing),
        (4, None) => Err("看不出哪个是月、哪个是日，请写成 2026-02-03".into()),
        _ => Err("年份请写四位，例如 2026-02-03".into()),
    }
}

/// `20260203`, or a serial day count of a table program (its fraction is the time of day).
fn serial_or_compact(text: &str) -> Parsed<NaiveDate> {
    let whole = match text.split_once('.') {
        Some((whole, fraction)) if whole.len() == 5 && fraction.bytes().all(|b| b.is_ascii_digit()) => whole,
        Some(_) => return Ok(None),
        None => text,
    };
    if !whole.bytes().all(|b| b.is_ascii_digit()) {
        return Ok(None);
    }
    match whole.len() {
        8 => ymd(number(&whole[..4]), number(&whole[4..6]), number(&whole[6..]))
            .map(Some)
            .ok_or_else(|| "没有这一天，请核对年月日".into()),
        5 => {
            // Day 1 is 1900-01-01 and the day 1900-02-29, which never was, is counted: hence December 30.
            let epoch = NaiveDate::from_ymd_opt(1899, 12, 30);
            let serial: Option<u64> = whole.parse().ok().filter(|s| (SERIAL_MIN..=SERIAL_MAX).contains(s));
            Ok(epoch.zip(serial).and_then(|(epoch, days)| epoch.checked_add_days(Days::new(days))))
        }
        _ => Ok(None),
    }
}

fn number(text: &str) -> Option<i32> {
    (!text.is_empty() && text.len() <= 4 && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
}

fn ymd(year: Option<i32>, month: Option<i32>, day: Option<i32>) -> Option<NaiveDate> {
    NaiveDate::from_ymd_opt(year?, u32::try_from(month?).ok()?, u32::try_from(day?).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fen(text: &str) -> Parsed<i64> {
        money(text, MoneyUnit::Yuan)
    }

    fn day(text: &str) -> Parsed<String> {
        date(text, DateContext { year: Some(2026), order: None })
    }

    #[test]
    fn money_is_read_in_the_ways_in_which_offices_write_it() {
        for (text, expected) in [
            ("1,260.00", 126_000),
            ("￥1260", 126_000),
            ("¥ 1,260.5", 126_050),
            ("1260元", 126_000),
            ("１２６０．３５", 126_035),
            ("(120.00)", -12_000),
            ("（120.00）", -12_000),
            ("-120.00", -12_000),
            ("￥-120", -12_000),
            ("-￥120", -12_000),
            ("−120", -12_000),
            ("330.300", 33_030),
            ("0", 0),
            ("186,420.35", 18_642_035),
        ] {
            assert_eq!(fen(text), Ok(Some(expected)), "{text}");
        }
    }

    #[test]
    fn a_stroke_or_nothing_is_no_money() {
        for text in ["", "  ", "—", "-", "——", "/", "\u{3000}"] {
            assert_eq!(fen(text), Ok(None), "{text:?}");
        }
    }

    #[test]
    fn doubtful_money_is_refused() {
        for text in [
            "12.345",
            "1,26",
            "12,34.00",
            "1.2万元",
            "1.2万",
            "1.2E+3",
            "abc",
            "--5",
            "(-5)",
            "1.2.3",
            "5元元",
            ".5",
            "99999999999999999999",
        ] {
            assert!(fen(text).is_err(), "{text}: {:?}", fen(text));
        }
    }

    #[test]
    fn ten_thousands_are_read_only_under_a_header_that_says_so() {
        assert_eq!(money("1.2万元", MoneyUnit::TenThousandYuan), Ok(Some(1_200_000)));
        assert_eq!(money("1.2", MoneyUnit::TenThousandYuan), Ok(Some(1_200_000)));
        assert_eq!(money("0.644038", MoneyUnit::TenThousandYuan), Ok(Some(644_038)));
        assert!(money("120元", MoneyUnit::TenThousandYuan).is_err());
        assert!(money("1.2345678", MoneyUnit::TenThousandYuan).is_err());
    }

    #[test]
    fn dates_are_read_in_the_ways_in_which_offices_write_them() {
        for text in [
            "2026-02-03",
            "2026/2/3",
            "2026.2.3",
            "2026年2月3日",
            "2026年2月3号",
            "20260203",
            "46056",
            "46056.5",
            "2月3日",
            "2026-02-03T08:00:00Z",
            "2026-02-03T08:00:00+08:00",
            "2026/2/3 0:00",
            "２０２６－２－３",
        ] {
            assert_eq!(day(text), Ok(Some("2026-02-03".into())), "{text}");
        }
    }

    #[test]
    fn doubtful_dates_are_refused() {
        for text in
            ["2026-02-30", "26.2.3", "03/02/2026", "2026年2月", "2026-02", "123", "昨天", "2026-02-03 下午", "20261301"]
        {
            assert!(day(text).is_err(), "{text}: {:?}", day(text));
        }
        assert!(date("2月3日", DateContext::default()).is_err());
    }

    #[test]
    fn the_order_of_day_and_month_is_a_matter_of_the_mapping() {
        let read = |order| date("03/02/2026", DateContext { year: None, order: Some(order) });
        assert_eq!(read(DayOrder::DayFirst), Ok(Some("2026-02-03".into())));
        assert_eq!(read(DayOrder::MonthFirst), Ok(Some("2026-03-02".into())));
    }

    #[test]
    fn months_are_read_from_months_and_from_dates() {
        let context = DateContext { year: Some(2026), order: None };
        for text in ["2026年2月", "2026-02", "2026.2", "202602", "2月", "2026-02-28", "2026年2月3日"] {
            assert_eq!(month(text, context), Ok(Some("2026-02".into())), "{text}");
        }
        assert!(month("2026-13", context).is_err());
        assert!(month("2月", DateContext::default()).is_err());
    }

    #[test]
    fn a_moment_keeps_its_offset_and_a_date_gets_the_offset_of_the_mapping() {
        let china = FixedOffset::east_opt(8 * 3600).unwrap();
        let read = |text| time(text, DateContext::default(), china).unwrap().unwrap();
        assert_eq!(read("2017-02-03T08:33:41-05:00"), "2017-02-03T08:33:41-05:00");
        assert_eq!(read("2026-02-03"), "2026-02-03T00:00:00+08:00");
        assert_eq!(read("2026年2月3日 9:05"), "2026-02-03T09:05:00+08:00");
        assert!(time("2026-02-03 25:00", DateContext::default(), china).is_err());
    }

    #[test]
    fn percentages_are_whole_and_never_guessed() {
        for (text, expected) in
            [("85%", 85), ("0.85", 85), ("85", 85), ("100%", 100), ("0", 0), ("0.5", 50), ("８５％", 85)]
        {
            assert_eq!(percent(text), Ok(Some(expected)), "{text}");
        }
        for text in ["1", "85.5%", "0.855", "八成"] {
            assert!(percent(text).is_err(), "{text}");
        }
    }

    #[test]
    fn integers_and_yes_and_no() {
        assert_eq!(integer("1,234"), Ok(Some(1234)));
        assert_eq!(integer("12.00"), Ok(Some(12)));
        assert_eq!(integer("-3"), Ok(Some(-3)));
        assert!(integer("1.5").is_err());
        assert!(integer("9007199254740992").is_err());
        assert_eq!(yes_no("是"), Ok(Some(true)));
        assert_eq!(yes_no("否"), Ok(Some(false)));
        assert_eq!(yes_no("True"), Ok(Some(true)));
        assert!(yes_no("也许").is_err());
    }
}
