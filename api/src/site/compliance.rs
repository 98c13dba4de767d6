//! The compliance board (督查看板): who is late with what. Each number opens its list.

use askama::Template;
use gongkai_projections::Status;

use super::dossier::Fulfilment;
use super::format::{Count, Day};
use super::parts::{Badge, Counted, Filters, Item, sample_items};
use super::past::{AskDay, Past};
use super::{Page, Section, Site};

/// One question of the board with its list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Panel {
    /// Anchor: `overdue`, `missing`, `without-outcome`, `unopened`, `back-filled`, `withdrawn`.
    pub id: &'static str,
    /// Title.
    pub title: &'static str,
    /// What counts, in a sentence.
    pub explanation: &'static str,
    /// The number is bad news when it is not 0.
    pub is_alarm: bool,
    /// Number and list.
    pub list: Counted,
    /// The subtree, as a download's address has it: empty, or `&org=…`.
    pub within: String,
}

/// `/compliance`
#[derive(Debug, Clone, Template)]
#[template(path = "compliance.html")]
pub struct CompliancePage {
    /// Frame.
    pub site: Site,
    /// Day for which it was computed.
    pub as_of: Day,
    /// Name of the subtree.
    pub scope: String,
    /// Filter by subtree.
    pub filters: Filters,
    /// Panels in order.
    pub panels: Vec<Panel>,
    /// Promises of the subtree; absent where a single list is opened.
    pub fulfilment: Option<Fulfilment>,
    /// The past day that it shows; then only what can be told of that day is here.
    pub past: Option<Past>,
    /// Asks for another day.
    pub day: AskDay,
}

impl Page for CompliancePage {
    fn title(&self) -> String {
        "督查看板".into()
    }

    fn section(&self) -> Section {
        Section::Compliance
    }
}

impl CompliancePage {
    /// The demo county.
    pub fn sample() -> Self {
        let items = sample_items();
        let with =
            |at: usize, status, remark: &str| Item { status: Some(status), remark: remark.into(), ..items[at].clone() };
        let panel = |id, title, explanation, is_alarm, total, items: Vec<Item>| Panel {
            id,
            title,
            explanation,
            is_alarm,
            list: Counted { total: Count(total), items, href: format!("/compliance?list={id}") },
            within: String::new(),
        };
        let mut filters = Filters::sample("/compliance", None, false);
        filters.selects.truncate(2);
        Self {
            site: Site::sample(),
            as_of: Day::of(2026, 3, 12),
            scope: "清溪县".into(),
            filters,
            panels: vec![
                panel(
                    "overdue",
                    "承诺逾期",
                    "到期了还没有兑现，或者没有报告结果。",
                    true,
                    5,
                    vec![with(3, Badge(Status::OverdueUnreported), "已过 41 天")],
                ),
                panel(
                    "missing",
                    "三务缺报",
                    "该公开的月份没有公开。",
                    true,
                    3,
                    vec![with(0, Badge(Status::Missing), "已过 2 天")],
                ),
                panel(
                    "without-outcome",
                    "公示期满·未公布结果",
                    "公示结束了，结果没有公布。",
                    true,
                    1,
                    vec![with(2, Badge(Status::NoOutcome), "已过 12 天")],
                ),
                panel(
                    "unopened",
                    "到期未启封",
                    "说好到期公开的内容，过了日子还没有启封；内容本身仍然封存。",
                    true,
                    1,
                    vec![with(2, Badge(Status::OpeningOverdue), "理由应于2026年3月1日启封，已逾期11天，仍未启封")],
                ),
                panel(
                    "back-filled",
                    "补报",
                    "公开了，但晚于应当公开的日子。",
                    false,
                    7,
                    vec![with(0, Badge(Status::BackFilled), "迟 23 天")],
                ),
                panel("withdrawn", "撤回留痕", "内容已撤下，谁撤的、为什么，都在账上。", false, 0, Vec::new()),
            ],
            fulfilment: Some(Fulfilment::sample()),
            past: None,
            day: AskDay::sample(),
        }
    }

    /// The same on a past day.
    pub fn past_sample() -> Self {
        Self { past: Some(Past { records: None, ..Past::sample() }), panels: Vec::new(), ..Self::sample() }
    }
}
