//! The working-day calendar, and how a period of days is counted on it.
//!
//! A year's holidays and make-up workdays are what `calendar.published` recorded; this module folds
//! the published years together and counts. It reads no clock and stores no deadline: a deadline is
//! computed when it is read, so a calendar that is published later moves it. To support another
//! unit (court days, say), add a function to [`Period`] that calls the same `count`.

use std::collections::BTreeMap;

use chrono::{Datelike, NaiveDate, Weekday};

/// Longest period that is counted: ten years with their leap days. A limit of ours; the longest
/// period in the rules is the 90 days of 信访工作条例.
pub const PERIOD_DAYS_MAX: u32 = 3_660;

/// From this day of December the next year's notice may decide: the notices of 2007, 2008, 2012,
/// 2019 and 2023 each settled days from 29 to 31 December of the year before.
const NEXT_YEAR_DECIDES_FROM_DAY: u32 = 29;

/// Above this many weekends an explanation sums them up instead of naming each.
const WEEKENDS_NAMED_MAX: usize = 4;

/// The published years, folded.
///
/// A year that was published without a single holiday does not count as known: the State Council
/// names holidays every year, so such a publication only says that nothing is settled yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Calendar {
    /// Per year of publication: date → is it off.
    years: BTreeMap<i32, BTreeMap<NaiveDate, bool>>,
    /// All years merged; where two name the same date, the later year's notice holds.
    days: BTreeMap<NaiveDate, bool>,
}

impl Calendar {
    /// Takes in the notice of `year`, replacing what was published for that year before.
    ///
    /// Days outside `year` are kept: late December is often settled by the next year's notice. A
    /// date that is in both lists is off.
    pub fn publish(&mut self, year: i32, off_days: &[NaiveDate], work_days: &[NaiveDate]) {
        let mut days: BTreeMap<_, _> = work_days.iter().map(|date| (*date, false)).collect();
        days.extend(off_days.iter().map(|date| (*date, true)));
        self.years.insert(year, days);
        self.days = self.years.values().flatten().map(|(date, off)| (*date, *off)).collect();
    }

    /// Whether `date` is worked: as published, else Monday to Friday.
    pub fn is_working_day(&self, date: NaiveDate) -> bool {
        match self.days.get(&date) {
            Some(off) => !off,
            None => !is_weekend(date),
        }
    }

    /// Whether the holidays of `year` are published.
    pub fn knows(&self, year: i32) -> bool {
        self.years.get(&year).is_some_and(|days| days.values().any(|off| *off))
    }

    /// The day on which `days` working days after `date` are over; `date` itself is not counted.
    ///
    /// # Errors
    /// As [`Period::working_days`].
    pub fn deadline_after(&self, date: NaiveDate, days: u32) -> Result<Computed, PeriodError> {
        Period::working_days(date, days, false, self)
    }

    /// Whether a publication that is still missing could change `date`.
    fn is_provisional(&self, date: NaiveDate) -> bool {
        let next_decides = date.month() == 12 && date.day() >= NEXT_YEAR_DECIDES_FROM_DAY;
        !self.knows(date.year()) || (next_decides && !self.knows(date.year() + 1))
    }

    /// Why `date` is not counted, or `None` on a working day.
    fn skip_reason(&self, date: NaiveDate) -> Option<Reason> {
        match self.days.get(&date) {
            Some(true) => Some(Reason::Holiday),
            Some(false) => None,
            None => is_weekend(date).then_some(Reason::Weekend),
        }
    }
}

/// Counts periods.
#[derive(Clone, Copy, Debug)]
pub struct Period;

impl Period {
    /// Counts `days` working days from `start`; `start` itself may be the first of them only if
    /// `start_counts` (it is skipped all the same when it is not worked).
    ///
    /// # Errors
    /// `days` is 0 or above [`PERIOD_DAYS_MAX`], or the end lies beyond the dates that exist.
    pub fn working_days(
        start: NaiveDate,
        days: u32,
        start_counts: bool,
        calendar: &Calendar,
    ) -> Result<Computed, PeriodError> {
        count(start, days, start_counts, Some(calendar))
    }

    /// Counts `days` calendar days from `start`, weekends and holidays included.
    ///
    /// # Errors
    /// As [`Period::working_days`].
    pub fn calendar_days(start: NaiveDate, days: u32, start_counts: bool) -> Result<Computed, PeriodError> {
        count(start, days, start_counts, None)
    }
}

/// A period that cannot be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PeriodError {
    /// No days, or more than [`PERIOD_DAYS_MAX`].
    #[error("期限应为1至{PERIOD_DAYS_MAX}天，不能是{0}天")]
    Days(u32),
    /// The end lies beyond the dates that exist.
    #[error("起算日期太远，算不出届满日")]
    TooFar,
}

/// Why a day is not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// An ordinary Saturday or Sunday.
    Weekend,
    /// Named as a day off by a published calendar.
    Holiday,
}

impl Reason {
    /// The word for people.
    pub fn label(self) -> &'static str {
        match self {
            Self::Weekend => "周末",
            Self::Holiday => "放假",
        }
    }
}

/// A counted period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Computed {
    /// The day from which the period was asked for.
    pub start: NaiveDate,
    /// The last counted day.
    pub end: NaiveDate,
    /// The counted days, ascending; as many as were asked for.
    pub counted: Vec<NaiveDate>,
    /// The days between start and end that were not counted, ascending, without a start day that
    /// is left out by rule.
    pub skipped: Vec<(NaiveDate, Reason)>,
    /// Counted Saturdays and Sundays that a calendar made workdays, ascending.
    pub makeup: Vec<NaiveDate>,
    /// A calendar that is not published yet could move the end.
    pub provisional: bool,
    /// Whether the start day itself could be counted.
    pub start_counts: bool,
    /// Working days, or else calendar days.
    pub working: bool,
}

impl Computed {
    /// How the end was found, one plain Chinese sentence a line.
    pub fn explain(&self) -> Vec<String> {
        let with_year = self.start.year() != self.end.year();
        let unit = if self.working { "个工作日" } else { "天" };
        let days = self.counted.len();
        let start = day_text(self.start, with_year);
        let mut lines = vec![match self.counted.first() {
            Some(first) if *first == self.start => {
                format!("{start}起算，当日为第1天，共{days}{unit}")
            }
            Some(first) => {
                format!("{start}起算，第1天为{}，共{days}{unit}", day_text(*first, with_year))
            }
            None => format!("{start}起算，共{days}{unit}"),
        }];
        lines.extend(self.explain_skipped(with_year));
        for date in &self.makeup {
            lines.push(format!("{}调休上班，计入", day_text(*date, with_year)));
        }
        lines.push(format!("{}届满", day_text(self.end, with_year)));
        if self.provisional {
            lines.push("有关年份的放假安排尚未公布，届满日为暂定，公布后可能变动".to_owned());
        }
        lines
    }

    /// One line per run of skipped days; ordinary weekends are summed up when they are many.
    fn explain_skipped(&self, with_year: bool) -> Vec<String> {
        let runs = runs(&self.skipped);
        let weekends = runs.iter().filter(|run| run.2 == Reason::Weekend).count();
        let name_weekends = weekends <= WEEKENDS_NAMED_MAX;
        let mut lines: Vec<_> = runs
            .iter()
            .filter(|run| name_weekends || run.2 != Reason::Weekend)
            .map(|(first, last, reason)| {
                let from = day_text(*first, with_year);
                let reason = reason.label();
                if first == last {
                    format!("跳过{from}（{reason}）")
                } else {
                    format!("跳过{from}至{}（{reason}）", day_text(*last, with_year))
                }
            })
            .collect();
        if !name_weekends {
            let days = self.skipped.iter().filter(|skip| skip.1 == Reason::Weekend).count();
            lines.push(format!("跳过其间的周末，共{days}天"));
        }
        lines
    }
}

/// Walks day by day from `start`. Ends: the published days are finitely many, and beyond them five
/// days of every week are worked.
fn count(
    start: NaiveDate,
    days: u32,
    start_counts: bool,
    calendar: Option<&Calendar>,
) -> Result<Computed, PeriodError> {
    if days == 0 || days > PERIOD_DAYS_MAX {
        return Err(PeriodError::Days(days));
    }
    let next = |date: NaiveDate| date.succ_opt().ok_or(PeriodError::TooFar);
    let mut computed = Computed {
        start,
        end: start,
        counted: Vec::new(),
        skipped: Vec::new(),
        makeup: Vec::new(),
        provisional: calendar.is_some_and(|calendar| calendar.is_provisional(start)),
        start_counts,
        working: calendar.is_some(),
    };
    let mut left = days;
    let mut date = if start_counts { start } else { next(start)? };
    loop {
        if let Some(calendar) = calendar {
            computed.provisional |= calendar.is_provisional(date);
            if let Some(reason) = calendar.skip_reason(date) {
                computed.skipped.push((date, reason));
                date = next(date)?;
                continue;
            }
            if is_weekend(date) {
                computed.makeup.push(date);
            }
        }
        computed.counted.push(date);
        computed.end = date;
        left -= 1;
        if left == 0 {
            return Ok(computed);
        }
        date = next(date)?;
    }
}

/// Neighbouring days with the same reason as (first, last, reason).
fn runs(skipped: &[(NaiveDate, Reason)]) -> Vec<(NaiveDate, NaiveDate, Reason)> {
    let mut runs: Vec<(NaiveDate, NaiveDate, Reason)> = Vec::new();
    for (date, reason) in skipped {
        match runs.last_mut() {
            Some(run) if run.2 == *reason && run.1.succ_opt() == Some(*date) => run.1 = *date,
            _ => runs.push((*date, *date, *reason)),
        }
    }
    runs
}

fn is_weekend(date: NaiveDate) -> bool {
    matches!(date.weekday(), Weekday::Sat | Weekday::Sun)
}

fn day_text(date: NaiveDate, with_year: bool) -> String {
    let (month, day) = (date.month(), date.day());
    if with_year { format!("{}年{month}月{day}日", date.year()) } else { format!("{month}月{day}日") }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use proptest::prelude::*;

    use super::*;

    fn date(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn published(years: std::ops::RangeInclusive<i32>) -> Calendar {
        let shared = std::env::var_os("GONGKAI_SHARED")
            .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared")), PathBuf::from);
        let mut calendar = Calendar::default();
        for year in years {
            let path = shared.join(format!("data/cn-holiday/{year}.json"));
            let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let file: serde_json::Value = serde_json::from_str(&text).unwrap();
            let (mut off, mut work) = (Vec::new(), Vec::new());
            for day in file["days"].as_array().unwrap() {
                let list = if day["isOffDay"].as_bool().unwrap() { &mut off } else { &mut work };
                list.push(date(day["date"].as_str().unwrap()));
            }
            calendar.publish(year, &off, &work);
        }
        calendar
    }

    #[test]
    fn five_working_days_end_when_the_published_practice_says() {
        let calendar = published(2007..=2026);
        for (start, end) in [
            ("2014-12-19", "2014-12-25"),
            ("2015-11-23", "2015-11-27"),
            ("2025-09-26", "2025-10-09"),
            ("2025-01-24", "2025-02-06"),
            ("2025-04-30", "2025-05-09"),
            ("2024-02-07", "2024-02-19"),
            ("2026-02-12", "2026-02-25"),
            ("2025-12-30", "2026-01-06"),
        ] {
            let computed = Period::working_days(date(start), 5, true, &calendar).unwrap();
            assert_eq!(computed.end, date(end), "from {start}");
            assert!(!computed.provisional, "from {start}");
        }
    }

    #[test]
    fn the_page_says_which_days_were_skipped_and_which_were_made_up() {
        let calendar = published(2025..=2026);
        let computed = Period::working_days(date("2025-09-26"), 5, true, &calendar).unwrap();
        assert_eq!(
            computed.explain(),
            [
                "9月26日起算，当日为第1天，共5个工作日",
                "跳过9月27日（周末）",
                "跳过10月1日至10月8日（放假）",
                "9月28日调休上班，计入",
                "10月9日届满",
            ]
        );
        assert_eq!(computed.makeup, [date("2025-09-28")]);
        assert_eq!(computed.skipped.len(), 9);
    }

    #[test]
    fn a_period_over_new_year_names_the_years() {
        let calendar = published(2025..=2026);
        let lines = Period::working_days(date("2025-12-30"), 5, true, &calendar).unwrap().explain();
        assert_eq!(lines[0], "2025年12月30日起算，当日为第1天，共5个工作日");
        assert_eq!(lines[1], "跳过2026年1月1日至2026年1月3日（放假）");
        assert_eq!(lines[2], "2026年1月4日调休上班，计入");
        assert_eq!(lines[3], "2026年1月6日届满");
        assert_eq!(lines.len(), 4);
    }

    #[test]
    fn a_long_period_sums_up_its_weekends() {
        let calendar = published(2025..=2026);
        let lines = Period::working_days(date("2025-03-03"), 40, true, &calendar).unwrap().explain();
        assert!(lines.iter().any(|line| line.starts_with("跳过其间的周末，共")), "{lines:?}");
        assert!(lines.contains(&"跳过4月4日至4月6日（放假）".to_owned()), "{lines:?}");
    }

    #[test]
    fn an_unpublished_year_makes_the_deadline_provisional_and_publishing_it_moves_it() {
        let mut calendar = published(2025..=2025);
        let before = Period::working_days(date("2026-02-12"), 5, true, &calendar).unwrap();
        assert!(before.provisional);
        assert_eq!(before.end, date("2026-02-18"));
        assert!(before.explain().last().unwrap().contains("尚未公布"));
        calendar = published(2025..=2026);
        let after = Period::working_days(date("2026-02-12"), 5, true, &calendar).unwrap();
        assert!(!after.provisional);
        assert_eq!(after.end, date("2026-02-25"));
    }

    #[test]
    fn the_last_days_of_december_wait_for_the_next_years_notice() {
        let (old, new) = (published(2018..=2018), published(2018..=2019));
        let start = date("2018-12-27");
        let before = Period::working_days(start, 3, true, &old).unwrap();
        assert_eq!((before.end, before.provisional), (date("2018-12-31"), true));
        // 29 December 2018 was made a workday and the 31st a holiday by the notice of 2019.
        let after = Period::working_days(start, 3, true, &new).unwrap();
        assert_eq!((after.end, after.provisional), (date("2018-12-29"), false));
        assert!(!Period::working_days(date("2018-12-24"), 2, true, &old).unwrap().provisional);
    }

    #[test]
    fn an_announced_but_empty_year_is_not_known() {
        let calendar = published(2026..=2027);
        assert!(calendar.knows(2026));
        assert!(!calendar.knows(2027));
        assert!(!calendar.knows(2025));
    }

    #[test]
    fn a_later_notice_replaces_only_its_own_year() {
        let mut calendar = Calendar::default();
        calendar.publish(2030, &[date("2030-01-01"), date("2030-01-02")], &[date("2029-12-29")]);
        calendar.publish(2029, &[date("2029-10-01")], &[]);
        assert!(calendar.is_working_day(date("2029-12-29")));
        calendar.publish(2030, &[date("2030-01-01")], &[]);
        assert!(!calendar.is_working_day(date("2029-12-29")));
        assert!(calendar.is_working_day(date("2030-01-02")));
        assert!(!calendar.is_working_day(date("2029-10-01")));
    }

    #[test]
    fn a_deadline_leaves_out_the_day_it_runs_from() {
        let calendar = published(2025..=2025);
        let computed = calendar.deadline_after(date("2025-09-26"), 1).unwrap();
        assert_eq!(computed.end, date("2025-09-28"));
        assert_eq!(computed.explain()[0], "9月26日起算，第1天为9月28日，共1个工作日");
    }

    #[test]
    fn calendar_days_skip_nothing_and_are_never_provisional() {
        let computed = Period::calendar_days(date("2025-09-26"), 30, true).unwrap();
        assert_eq!(computed.end, date("2025-10-25"));
        assert!(computed.skipped.is_empty() && !computed.provisional);
        let after = Period::calendar_days(date("2025-09-26"), 30, false).unwrap();
        assert_eq!(after.end, date("2025-10-26"));
        assert_eq!(after.explain(), ["9月26日起算，第1天为9月27日，共30天", "10月26日届满"]);
    }

    #[test]
    fn impossible_periods_are_refused() {
        let calendar = Calendar::default();
        let start = date("2025-01-01");
        for days in [0, PERIOD_DAYS_MAX + 1, u32::MAX] {
            assert_eq!(Period::working_days(start, days, true, &calendar), Err(PeriodError::Days(days)));
        }
        assert!(Period::working_days(start, PERIOD_DAYS_MAX, true, &calendar).is_ok());
        assert_eq!(Period::calendar_days(NaiveDate::MAX, 2, true), Err(PeriodError::TooFar));
        assert_eq!(Period::working_days(NaiveDate::MAX, 1, false, &calendar), Err(PeriodError::TooFar));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn every_day_is_either_counted_or_skipped(
            offset in 0u64..7_000, days in 1u32..200, start_counts: bool
        ) {
            let calendar = published(2007..=2026);
            let start = date("2007-01-01") + chrono::Days::new(offset);
            let computed = Period::working_days(start, days, start_counts, &calendar).unwrap();
            prop_assert_eq!(computed.counted.len(), days as usize);
            prop_assert_eq!(computed.counted.last(), Some(&computed.end));
            prop_assert!(computed.counted.iter().all(|day| calendar.is_working_day(*day)));
            prop_assert!(computed.skipped.iter().all(|day| !calendar.is_working_day(day.0)));
            prop_assert!(computed.makeup.iter().all(|day| computed.counted.contains(day)));
            let span = (computed.end - start).num_days() + i64::from(start_counts);
            let seen = computed.counted.len() + computed.skipped.len();
            prop_assert_eq!(usize::try_from(span).unwrap(), seen);
        }

        #[test]
        fn a_longer_period_ends_later(offset in 0u64..7_000, days in 1u32..200, more in 1u32..50) {
            let calendar = published(2007..=2026);
            let start = date("2007-01-01") + chrono::Days::new(offset);
            let short = Period::working_days(start, days, true, &calendar).unwrap();
            let long = Period::working_days(start, days + more, true, &calendar).unwrap();
            prop_assert!(long.end > short.end);
            prop_assert!(long.counted.starts_with(&short.counted));
        }
    }
}
