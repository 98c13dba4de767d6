//! Periods and clocks: how a last day was found, what moved it, and a supervision that runs.

use askama::Template;
use askama::filters::HtmlSafe;

use crate::site::format::{Day, Moment};

/// A day of a period: counted or skipped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeriodDay {
    /// The day.
    pub day: Day,
    /// Its number among the counted days, from 1; absent when it was skipped.
    pub number: Option<u32>,
    /// Why it was skipped, or why a weekend day counts (调休上班); empty for an ordinary working day.
    pub reason: String,
    /// Whether an extension added it.
    pub is_added: bool,
}

/// That somebody made a period longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extension {
    /// The last day since then.
    pub to: Day,
    /// Entry that says so.
    pub index: u64,
}

/// A period in days and how it was computed.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "part_period.html")]
pub struct Period {
    /// First day.
    pub start: Day,
    /// Last day.
    pub end: Day,
    /// The rule with its name, and how it counts.
    pub rule: String,
    /// Whether the calendar of some year in it is not published yet.
    pub provisional: bool,
    /// Days to its end: negative after it; absent when it does not matter any more.
    pub days_left: Option<i64>,
    /// Every day from the first to the last.
    pub days: Vec<PeriodDay>,
    /// How calendars that were published since moved the end, the oldest first.
    pub moved: Vec<Moved>,
    /// What made it longer, the oldest first.
    pub extended: Vec<Extension>,
}

/// A last day that a calendar moved.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "part_moved.html")]
pub struct Moved {
    /// What ended on these days.
    pub what: &'static str,
    /// The last day before.
    pub from: Day,
    /// The last day since then.
    pub to: Day,
    /// Year of the calendar.
    pub year: i32,
    /// When it was recorded.
    pub at: Moment,
    /// Entry that published it.
    pub index: u64,
}

impl HtmlSafe for Moved {}

/// A supervision (督办) on the page of its matter: the clock, or what stopped it.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "part_clock.html")]
pub struct Clock {
    /// Address of the supervision.
    pub href: String,
    /// Its title.
    pub title: String,
    /// Who issued it.
    pub by: String,
    /// Who has to act.
    pub to: String,
    /// The last day.
    pub due: Day,
    /// Days left while it runs, negative after the last day.
    pub days_left: Option<i64>,
    /// The latest answer: `2026年3月17日回复：已办结`.
    pub answer: Option<String>,
}

impl Clock {
    fn runs(&self) -> bool {
        self.days_left.is_some()
    }

    fn left(&self) -> String {
        days_left(self.days_left)
    }

    pub(crate) fn sample() -> Self {
        Self {
            href: "/streams/supervision/1".into(),
            title: "限期兑现电网改造承诺".into(),
            by: "河口镇".into(),
            to: "五里桥村党支部".into(),
            due: Day::of(2026, 3, 18),
            days_left: Some(8),
            answer: None,
        }
    }
}

impl HtmlSafe for Clock {}

/// Days in a row that share a reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// First day.
    pub from: Day,
    /// Last day.
    pub to: Day,
    /// Whether they count.
    pub counted: bool,
    /// Why.
    pub reason: String,
}

impl Period {
    /// How many days counted.
    pub fn counted(&self) -> usize {
        self.days.iter().filter(|day| day.number.is_some()).count()
    }

    /// How many days extensions added.
    pub fn added(&self) -> usize {
        self.days.iter().filter(|day| day.is_added).count()
    }

    /// The days that need a reason, neighbours with the same reason together.
    pub fn runs(&self) -> Vec<Run> {
        let mut runs: Vec<Run> = Vec::new();
        for day in self.days.iter().filter(|day| !day.reason.is_empty()) {
            match runs.last_mut() {
                Some(run) if run.to.0.succ_opt() == Some(day.day.0) && run.reason == day.reason => run.to = day.day,
                _ => runs.push(Run {
                    from: day.day,
                    to: day.day,
                    counted: day.number.is_some(),
                    reason: day.reason.clone(),
                }),
            }
        }
        runs
    }

    /// `还有 3 天`, `今天截止`, `已过 3 天`; empty when it does not matter.
    pub fn left(&self) -> String {
        days_left(self.days_left)
    }

    /// The period of domain.md 2 that begins on Friday 2025-09-26.
    pub(crate) fn sample() -> Self {
        let mut number = 0;
        let mut day = |month, date, counts: bool, reason: &str| {
            number += u32::from(counts);
            PeriodDay {
                day: Day::of(2025, month, date),
                number: counts.then_some(number),
                reason: reason.into(),
                is_added: false,
            }
        };
        let mut days = vec![
            day(9, 26, true, ""),
            day(9, 27, false, "周末"),
            day(9, 28, true, "国庆节调休上班"),
            day(9, 29, true, ""),
            day(9, 30, true, ""),
        ];
        days.extend((1..=8).map(|date| day(10, date, false, "国庆节、中秋节放假")));
        days.push(day(10, 9, true, ""));
        Self {
            start: Day::of(2025, 9, 26),
            end: Day::of(2025, 10, 9),
            rule: "《党政领导干部选拔任用工作条例》：公示期不少于 5 个工作日，开始当天算第 1 天。".into(),
            provisional: false,
            days_left: Some(-12),
            days,
            moved: vec![Moved {
                what: "公示期",
                from: Day::of(2025, 10, 2),
                to: Day::of(2025, 10, 9),
                year: 2025,
                at: Moment::of(2025, 9, 27, 9, 30),
                index: 1288,
            }],
            extended: Vec::new(),
        }
    }
}

impl HtmlSafe for Period {}

/// `还有 3 天`, `今天到期`, `已过 3 天`; empty without a number.
pub fn days_left(days: Option<i64>) -> String {
    match days {
        None => String::new(),
        Some(0) => "今天到期".into(),
        Some(days) if days > 0 => format!("还有 {days} 天"),
        Some(days) => format!("已过 {} 天", days.unsigned_abs()),
    }
}
