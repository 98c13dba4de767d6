//! `/disclosures/{id}/wall`, `/notices/{id}/wall`: what stands on the wall beside what the ledger holds: the code of the
//! sheet, what it must say, and of accounts totals first, then items, then lines.
//!
//! A form and nothing else: what is typed is compared and kept nowhere. Not here: what the sheet says (`disclosure`).

use askama::Template;

use super::format::{Day, Fen, Moment};
use super::parts::{Family, Link, Row, Shown};
use super::question::QuestionStep;
use super::{Page, Section, Site};

/// How a figure on the wall stands to the ledger's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// The same.
    Same,
    /// The wall has so much more.
    More(Fen),
    /// The wall has so much less.
    Less(Fen),
    /// What was typed is no amount.
    Unreadable,
}

/// A figure that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compared {
    /// Parameter of the address.
    pub name: String,
    /// What it is.
    pub label: String,
    /// The ledger's figure.
    pub ours: Fen,
    /// What was typed.
    pub typed: String,
    /// How it compares; nothing while nothing was typed.
    pub found: Option<Found>,
}

impl Compared {
    /// Something was typed that is not the ledger's figure.
    pub fn differs(&self) -> bool {
        self.found.is_some_and(|found| found != Found::Same)
    }

    /// The wall has what the ledger has.
    pub fn is_same(&self) -> bool {
        self.found == Some(Found::Same)
    }

    /// What was typed is no amount.
    pub fn is_unreadable(&self) -> bool {
        self.found == Some(Found::Unreadable)
    }

    /// By how much the wall has more.
    pub fn more(&self) -> Option<Fen> {
        if let Some(Found::More(by)) = self.found { Some(by) } else { None }
    }

    /// By how much the wall has less.
    pub fn less(&self) -> Option<Fen> {
        if let Some(Found::Less(by)) = self.found { Some(by) } else { None }
    }
}

/// What a code on paper says of the paper.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is that of this entry.
    Same(u64),
    /// No entry of the matter has it.
    Other,
    /// It is no code.
    Unreadable,
}

/// A code that was scanned or typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// As it was given.
    pub typed: String,
    /// What it says.
    pub verdict: Verdict,
    /// What was recorded since the sheet was printed, oldest first.
    pub later: Vec<QuestionStep>,
}

impl Checked {
    /// The entry whose code it is.
    pub fn same(&self) -> Option<u64> {
        if let Verdict::Same(index) = self.verdict { Some(index) } else { None }
    }

    /// No entry of the matter has it.
    pub fn is_other(&self) -> bool {
        self.verdict == Verdict::Other
    }

    /// It is right, or was not given.
    pub fn is_wrong(&self) -> bool {
        self.same().is_none()
    }
}

/// A line of the sheet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WallLine {
    /// Its number, from 1.
    pub number: u32,
    /// Date.
    pub date: Option<Day>,
    /// What for.
    pub summary: Shown,
    /// Money in.
    pub income: Option<Fen>,
    /// Money out.
    pub expense: Option<Fen>,
}

/// `/disclosures/{id}/wall`, `/notices/{id}/wall`
#[derive(Debug, Clone, Template)]
#[template(path = "wall.html")]
pub struct WallPage {
    /// Frame.
    pub site: Site,
    /// Family of the matter.
    pub family: Family,
    /// Title of the sheet.
    pub name: Shown,
    /// The organization, and the sheet's own page.
    pub matter: Link,
    /// The code on paper, where one was given.
    pub checked: Option<Checked>,
    /// What the sheet must say, as far as it is not asked for.
    pub says: Vec<Row>,
    /// Income and expense; none for what is no account.
    pub totals: Vec<Compared>,
    /// Expense by item; asked for when the totals differ.
    pub items: Vec<Compared>,
    /// The lines to compare one by one.
    pub lines: Vec<WallLine>,
    /// Not all of these lines are on this page.
    pub is_cut: bool,
    /// Where one asks about the sheet.
    pub ask_href: Option<String>,
}

impl WallPage {
    /// The code as it was given.
    pub fn typed(&self) -> &str {
        self.checked.as_ref().map_or("", |checked| checked.typed.as_str())
    }

    /// Whether what was given as a code is none, or another's.
    pub fn is_code_wrong(&self) -> bool {
        self.checked.as_ref().is_some_and(Checked::is_wrong)
    }

    /// Whether all that was typed is the ledger's; nothing while nothing was typed.
    pub fn agrees(&self) -> Option<bool> {
        let mut typed = self.totals.iter().chain(&self.items).filter(|figure| figure.found.is_some()).peekable();
        typed.peek()?;
        Some(typed.all(|figure| !figure.differs()))
    }

    fn figure(name: &str, label: &str, ours: i64, typed: &str, found: Option<Found>) -> Compared {
        Compared { name: name.into(), label: label.into(), ours: Fen(ours), typed: typed.into(), found }
    }

    /// Nothing typed yet.
    pub fn sample() -> Self {
        Self {
            site: Site::sample(),
            family: Family::Disclosure,
            name: Shown::of("2026年2月财务收支明细"),
            matter: Link::new("/disclosures/1", "五里桥村"),
            checked: None,
            says: vec![Row::new("公开单位", "五里桥村"), Row::new("时期", "2026年2月"), Row::new("行数", "共 11 行")],
            totals: vec![
                Self::figure("in", "墙上的收入合计", 5_231_826, "", None),
                Self::figure("out", "墙上的支出合计", 1_808_136, "", None),
            ],
            items: Vec::new(),
            lines: Vec::new(),
            is_cut: false,
            ask_href: Some("/hand-in/question.asked?about=disclosure".into()),
        }
    }

    /// A notice whose code is right, and something was recorded since.
    pub fn notice_sample() -> Self {
        let step = |label: &str, index| QuestionStep { label: label.into(), at: Moment::of(2025, 10, 11, 9, 8), index };
        Self {
            family: Family::Notice,
            name: Shown::of("五里桥村拟发展预备党员公示"),
            matter: Link::new("/notices/1", "五里桥村"),
            checked: Some(Checked {
                typed: "19e3 fb1a 853c".into(),
                verdict: Verdict::Same(1287),
                later: vec![step("公布结果", 1301)],
            }),
            says: vec![
                Row::new("公开单位", "五里桥村"),
                Row::new("公示期", "2025年9月26日 至 2025年10月9日"),
                Row::new("全文", "经支部大会讨论，拟接收蒋小满（虚构）同志为预备党员，现予公示。"),
            ],
            totals: Vec::new(),
            ask_href: None,
            ..Self::sample()
        }
    }

    /// What was typed is no code.
    pub fn unreadable_sample() -> Self {
        let checked = Checked { typed: "№1344".into(), verdict: Verdict::Unreadable, later: Vec::new() };
        Self { checked: Some(checked), ..Self::sample() }
    }

    /// The wall has another code, and less in one item.
    pub fn differing_sample() -> Self {
        let checked = Checked { typed: "0000 0000 0000".into(), verdict: Verdict::Other, later: Vec::new() };
        Self {
            checked: Some(checked),
            totals: vec![
                Self::figure("in", "墙上的收入合计", 5_231_826, "52,318.26", Some(Found::Same)),
                Self::figure("out", "墙上的支出合计", 1_808_136, "17,081.36", Some(Found::Less(Fen(100_000)))),
            ],
            items: vec![
                Self::figure("i0", "误工补贴", 1_260_000, "11600", Some(Found::Less(Fen(100_000)))),
                Self::figure("i1", "公共照明", 33_030, "x", Some(Found::Unreadable)),
                Self::figure("i2", "办公费", 12_000, "125", Some(Found::More(Fen(500)))),
            ],
            lines: vec![WallLine {
                number: 4,
                date: Some(Day::of(2026, 2, 12)),
                summary: Shown::of("巡河误工补贴"),
                income: None,
                expense: Some(Fen(1_260_000)),
            }],
            is_cut: true,
            ..Self::sample()
        }
    }
}

impl Page for WallPage {
    fn title(&self) -> String {
        format!("和墙上的对一对：{}", self.name.plain())
    }

    fn section(&self) -> Section {
        Section::Family(self.family)
    }
}
