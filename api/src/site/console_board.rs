//! The secretary's board in the console: the numbers, a list that a number opens, and what of it turns overdue within
//! three days for whoever is signed in.
//!
//! Numbers, rows and days come computed; nothing here counts. What a row offers (督办, 代为公开) the handler decides.

use askama::Template;
use askama::filters::HtmlSafe;

use super::console::Who;
use super::format::{Count, Day};
use super::parts::{Choice, Filters, Link, Select};
use super::{Page, Section, Site};

/// One number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Number {
    /// What it counts.
    pub label: &'static str,
    /// How many.
    pub total: Count,
    /// Whether anything above 0 is bad news.
    pub is_alarm: bool,
    /// By days: the span and how many, without those of none.
    pub spans: Vec<(&'static str, Count)>,
    /// Address of its list.
    pub href: String,
}

/// A row of a list.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "part_awaited.html")]
pub struct Awaited {
    /// What it is: 承诺事项, 询问, 来信.
    pub label: String,
    /// Title, or what stands for it.
    pub title: String,
    /// Address of its page; absent for what is sealed.
    pub href: Option<String>,
    /// Name of the organization that has to act.
    pub org: String,
    /// What it has to do.
    pub awaits: String,
    /// `逾期 7 天`, `还有 2 天`, `已等 10 天`.
    pub days: String,
    /// Whether its day is over.
    pub is_late: bool,
    /// Since when.
    pub since: Option<Day>,
    /// The last day.
    pub due: Option<Day>,
    /// Whether a calendar that is not published yet could move it.
    pub provisional: bool,
    /// The rule by which it is counted.
    pub rule: String,
    /// How the day was found, a sentence each.
    pub computed: Vec<String>,
    /// Of a supervision, who issued it.
    pub by: Option<String>,
    /// What one may do about it.
    pub acts: Vec<Link>,
    /// The supervision of it that runs.
    pub supervision: Option<String>,
}

impl HtmlSafe for Awaited {}

/// `/internal/board`
#[derive(Debug, Clone, Template)]
#[template(path = "console_board.html")]
pub struct NumbersPage {
    /// Frame.
    pub site: Site,
    /// Who is signed in.
    pub who: Who,
    /// The day for which it was computed.
    pub as_of: Day,
    /// What it is about.
    pub scope: String,
    /// Choice of a subtree.
    pub filters: Filters,
    /// Whether sealed matters are among what was counted.
    pub sealed: bool,
    /// The numbers.
    pub numbers: Vec<Number>,
}

impl Page for NumbersPage {
    fn title(&self) -> String {
        "督办看板".into()
    }

    fn section(&self) -> Section {
        Section::None
    }
}

/// `/internal/board/{list}`
#[derive(Debug, Clone, Template)]
#[template(path = "console_board_list.html")]
pub struct RowsPage {
    /// Frame.
    pub site: Site,
    /// Who is signed in.
    pub who: Who,
    /// The day for which it was computed.
    pub as_of: Day,
    /// What it is about.
    pub scope: String,
    /// The list's label.
    pub label: &'static str,
    /// Way back to the numbers.
    pub board: String,
    /// How many rows there are.
    pub total: Count,
    /// Choice of a subtree.
    pub filters: Filters,
    /// Address of the whole list as CSV.
    pub csv: String,
    /// The rows of this page.
    pub rows: Vec<Awaited>,
    /// The first page, where this is another.
    pub first: Option<String>,
    /// The next page.
    pub next: Option<String>,
}

impl Page for RowsPage {
    fn title(&self) -> String {
        self.label.into()
    }

    fn section(&self) -> Section {
        Section::None
    }
}

fn filters(action: &str) -> Filters {
    let choices = Choice::list(&[("", "您有职责的全部机构"), ("990101", "河口镇"), ("990101003", "— 五里桥村")]);
    Filters {
        action: action.into(),
        query: None,
        selects: vec![Select { name: "org".into(), label: "机构（含下级）".into(), choices }],
        day: None,
    }
}

impl Awaited {
    /// An overdue pledge.
    pub(crate) fn sample() -> Self {
        Self {
            label: "承诺事项".into(),
            title: "每周三下午在村委会坐班接待来访".into(),
            href: Some("/pledges/2".into()),
            org: "石门村党支部".into(),
            awaits: "报告践诺情况".into(),
            days: "逾期 41 天".into(),
            is_late: true,
            since: Some(Day::of(2025, 3, 8)),
            due: Some(Day::of(2026, 1, 30)),
            provisional: false,
            rule: "承诺时写明的期限".into(),
            computed: Vec::new(),
            by: None,
            acts: vec![Link::new("/internal/write/supervision.issued?to=990102001", "督办")],
            supervision: None,
        }
    }

    /// A letter, which is sealed.
    fn letter_sample() -> Self {
        Self {
            label: "来信".into(),
            title: "内容封存".into(),
            href: None,
            awaits: "办结并答复".into(),
            days: "已等 10 天".into(),
            is_late: false,
            due: Some(Day::of(2026, 5, 1)),
            provisional: true,
            rule: "来信办理期限：60日（《信访工作条例》第34条）".into(),
            computed: vec!["3月2日收到，次日起算".into()],
            acts: Vec::new(),
            ..Self::sample()
        }
    }
}

impl NumbersPage {
    /// A town's board.
    pub fn sample() -> Self {
        let number = |label, total, spans: &[(&'static str, u64)]| Number {
            label,
            total: Count(total),
            is_alarm: true,
            spans: spans.iter().map(|(label, total)| (*label, Count(*total))).collect(),
            href: "/internal/board/overdue_pledges".into(),
        };
        Self {
            site: Site::sample(),
            who: Who::sample(),
            as_of: Day::of(2026, 3, 12),
            scope: "河口镇".into(),
            filters: filters("/internal/board"),
            sealed: true,
            numbers: vec![
                number("逾期的承诺事项", 5, &[("31 至 90 天", 4), ("90 天以上", 1)]),
                number("三天内到期", 2, &[("今天", 1), ("还有 3 天", 1)]),
                number("正在督办", 0, &[]),
            ],
        }
    }

    /// Nothing is late, and there is no vault.
    pub fn quiet_sample() -> Self {
        let quiet = |number: Number| Number { total: Count(0), spans: Vec::new(), ..number };
        let sample = Self::sample();
        Self { sealed: false, numbers: sample.numbers.into_iter().map(quiet).collect(), ..sample }
    }
}

impl RowsPage {
    /// Two rows.
    pub fn sample() -> Self {
        Self {
            site: Site::sample(),
            who: Who::sample(),
            as_of: Day::of(2026, 3, 12),
            scope: "河口镇".into(),
            label: "逾期的承诺事项",
            board: "/internal/board".into(),
            total: Count(132),
            filters: filters("/internal/board/overdue_pledges"),
            csv: "/internal/api/v1/board/overdue_pledges?format=csv".into(),
            rows: vec![Awaited::sample(), Awaited::letter_sample()],
            first: None,
            next: Some("/internal/board/overdue_pledges?after=50".into()),
        }
    }

    /// An empty list.
    pub fn empty_sample() -> Self {
        Self { total: Count(0), rows: Vec::new(), next: None, ..Self::sample() }
    }
}
