//! Villages side by side: the same rows for each, and what makes them not comparable said beside them.

use askama::Template;
use gongkai_projections::Status;

use super::format::{Count, Fen, Month};
use super::parts::{Badge, Link};
use super::{Page, Section, Site};

/// Villages that can stand side by side.
pub const COMPARED_MAX: usize = 4;

/// A sum of money over some months.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sum {
    /// The sum; absent when no month has figures.
    pub total: Option<Fen>,
    /// Months in it.
    pub months: Count,
    /// Months that were due and are not in it.
    pub without: Count,
}

/// A month of a village.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MonthMark {
    /// The month.
    pub month: Month,
    /// How it was disclosed.
    pub status: Badge,
}

impl MonthMark {
    /// One character for the status.
    pub fn mark(&self) -> &'static str {
        match self.status.0 {
            Status::Missing => "缺",
            Status::BackFilled => "补",
            Status::NotYetDue => "未",
            _ => "✓",
        }
    }
}

/// A village's column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its page.
    pub link: Link,
    /// What it belongs to.
    pub above: String,
    /// Its months, oldest first.
    pub months: Vec<MonthMark>,
    /// Disclosed on time.
    pub on_time: Count,
    /// Disclosed late.
    pub late: Count,
    /// Missing.
    pub missing: Count,
    /// Income of the months.
    pub income: Sum,
    /// Spending of the months.
    pub expense: Sum,
    /// The largest categories of spending.
    pub largest: Vec<(String, Fen)>,
    /// Promises that were due.
    pub due: Count,
    /// Of these, claimed as fulfilled.
    pub fulfilled: Count,
    /// The rate, as people write it.
    pub rate: String,
    /// Promises past their date.
    pub overdue: Count,
    /// Questions without an answer.
    pub open: Count,
    /// Of these, past their date.
    pub open_overdue: Count,
    /// Its code.
    pub code: String,
}

/// A village that can be chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pick {
    /// Code.
    pub code: String,
    /// Name.
    pub name: String,
    /// Whether it is chosen.
    pub chosen: bool,
}

/// `/compare`
#[derive(Debug, Clone, Template)]
#[template(path = "compare.html")]
pub struct ComparePage {
    /// Frame.
    pub site: Site,
    /// Whose villages can be chosen; absent when it is not known yet.
    pub under: Option<Link>,
    /// The villages.
    pub picks: Vec<Pick>,
    /// What is wrong with the choice.
    pub message: Option<String>,
    /// The villages side by side; empty until two are chosen.
    pub columns: Vec<Column>,
    /// What makes them not comparable.
    pub notes: Vec<String>,
}

impl Page for ComparePage {
    fn title(&self) -> String {
        let names: Vec<&str> = self.columns.iter().map(|column| column.link.label.as_str()).collect();
        if names.is_empty() { "村与村比一比".into() } else { names.join("、") }
    }

    fn section(&self) -> Section {
        Section::Organizations
    }
}

impl ComparePage {
    /// Two villages of the demo county.
    pub fn sample() -> Self {
        let column = |name: &str, code: &str, missing: u64| Column {
            link: Link::new(format!("/organizations/{code}"), name),
            above: "河口镇".into(),
            months: (1..=3)
                .map(|month| {
                    let status =
                        if month <= u32::try_from(missing).unwrap_or(0) { Status::Missing } else { Status::Disclosed };
                    MonthMark { month: Month { year: 2026, month }, status: Badge(status) }
                })
                .collect(),
            on_time: Count(3 - missing),
            late: Count(0),
            missing: Count(missing),
            income: Sum { total: Some(Fen(1_250_000)), months: Count(3 - missing), without: Count(missing) },
            expense: Sum { total: Some(Fen(830_050)), months: Count(3 - missing), without: Count(missing) },
            largest: vec![("管理费用".into(), Fen(67_336)), ("公益支出".into(), Fen(33_000))],
            due: Count(3),
            fulfilled: Count(2),
            rate: "66.6%".into(),
            overdue: Count(1),
            open: Count(2),
            open_overdue: Count(missing),
            code: code.into(),
        };
        Self {
            columns: vec![column("五里桥村", "990101003", 1), column("双河村", "990101004", 0)],
            notes: vec!["五里桥村有 1 个月没有数，合计只含有数的月份。".into()],
            ..Self::choose_sample()
        }
    }

    /// Nothing chosen yet.
    pub fn choose_sample() -> Self {
        let pick = |code: &str, name: &str, chosen| Pick { code: code.into(), name: name.into(), chosen };
        Self {
            site: Site::sample(),
            under: Some(Link::new("/organizations/990101", "河口镇")),
            picks: vec![pick("990101003", "五里桥村", true), pick("990101004", "双河村", false)],
            message: Some("再选一个村，才能比。".into()),
            columns: Vec::new(),
            notes: Vec::new(),
        }
    }
}
