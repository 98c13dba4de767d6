//! `/disclosures/{id}/wall`: what stands on the wall beside what the ledger holds, totals first, then items, then lines.
//!
//! A form and nothing else: what is typed is compared and kept nowhere. Not here: what the sheet says (`disclosure`).

use askama::Template;

use super::format::{Day, Fen};
use super::parts::{Family, Link, Shown};
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

/// `/disclosures/{id}/wall`
#[derive(Debug, Clone, Template)]
#[template(path = "wall.html")]
pub struct WallPage {
    /// Frame.
    pub site: Site,
    /// Title of the sheet.
    pub name: Shown,
    /// The organization, and the sheet's own page.
    pub matter: Link,
    /// Income and expense.
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
            name: Shown::of("2026年2月财务收支明细"),
            matter: Link::new("/disclosures/1", "五里桥村"),
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

    /// The wall has less, in one item.
    pub fn differing_sample() -> Self {
        Self {
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
        Section::Family(Family::Disclosure)
    }
}
