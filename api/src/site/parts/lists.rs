//! Lists: their items, the filters above them and the pages of a long one.

use askama::Template;
use askama::filters::HtmlSafe;
use gongkai_projections::Status;

use super::{Badge, Family, Shown};
use crate::site::format::{Count, Day, Moment};

/// A piece of a search result's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// The text.
    pub text: String,
    /// Whether it matched the query.
    pub hit: bool,
}

/// One matter or entry in a list.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "part_item.html")]
pub struct Item {
    /// Family, shown above the title.
    pub family: Family,
    /// Kind or type, shown beside the family; empty for none.
    pub kind: String,
    /// Title.
    pub title: Shown,
    /// Its page.
    pub href: String,
    /// Organization.
    pub org: String,
    /// Badge.
    pub status: Option<Badge>,
    /// A short remark such as `还有 12 天`; empty for none.
    pub remark: String,
    /// The author's time.
    pub declared: Option<Moment>,
    /// The ledger's time.
    pub recorded: Option<Moment>,
    /// Back-filled by so many days.
    pub late_days: Option<u32>,
    /// Entry number.
    pub index: Option<u64>,
}

impl HtmlSafe for Item {}

/// A list that shows its first few, with its total and where the rest is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// How many there are.
    pub total: Count,
    /// The first few.
    pub items: Vec<Item>,
    /// Where all are.
    pub href: String,
}

/// A page's place in a longer list.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "part_pager.html")]
pub struct Pager {
    /// This page, from 1.
    pub page: u64,
    /// How many pages, at least 1.
    pub pages: u64,
    /// How many results.
    pub total: Count,
    /// Address of the page before.
    pub prev: Option<String>,
    /// Address of the page after.
    pub next: Option<String>,
}

impl Pager {
    /// Whether there is another page.
    pub fn is_split(&self) -> bool {
        self.pages > 1
    }
}

impl HtmlSafe for Pager {}

/// One choice of a filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// Value sent.
    pub value: String,
    /// Text.
    pub label: String,
    /// Whether it is the present one.
    pub selected: bool,
}

impl Choice {
    /// Choices of which the first is taken, from `(value, label)`.
    pub(crate) fn list(choices: &[(&str, &str)]) -> Vec<Self> {
        choices
            .iter()
            .enumerate()
            .map(|(at, (value, label))| Self { value: (*value).into(), label: (*label).into(), selected: at == 0 })
            .collect()
    }
}

/// One drop-down of a filter form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Select {
    /// Name of the query parameter, also the element's id after `f-`.
    pub name: String,
    /// Label.
    pub label: String,
    /// Choices; the first is 全部 with an empty value.
    pub choices: Vec<Choice>,
}

/// A filter form, sent with GET.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "part_filters.html")]
pub struct Filters {
    /// Address that it is sent to.
    pub action: String,
    /// The query, when the page has a search box in its filter.
    pub query: Option<String>,
    /// Drop-downs.
    pub selects: Vec<Select>,
    /// The day of which the list is, where a past one can be asked for.
    pub day: Option<DayChoice>,
}

/// A day that can be chosen; today when none is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DayChoice {
    /// The past day that is chosen.
    pub chosen: Option<Day>,
    /// Today.
    pub max: Day,
}

impl Filters {
    /// Whether anything is chosen.
    pub fn is_active(&self) -> bool {
        self.is_narrowed() || self.day.as_ref().is_some_and(|day| day.chosen.is_some())
    }

    /// Whether anything but a day is chosen.
    pub fn is_narrowed(&self) -> bool {
        let chosen = |select: &Select| select.choices.iter().any(|choice| choice.selected && !choice.value.is_empty());
        self.query.as_deref().is_some_and(|query| !query.is_empty()) || self.selects.iter().any(chosen)
    }

    pub(crate) fn sample(action: &str, query: Option<&str>, families: bool) -> Self {
        let mut selects = vec![
            Select {
                name: "org".into(),
                label: "机构（含下级）".into(),
                choices: Choice::list(&[
                    ("", "全县"),
                    ("990101", "河口镇"),
                    ("990101003", "— 五里桥村"),
                    ("990102", "石门乡"),
                ]),
            },
            Select {
                name: "year".into(),
                label: "年度".into(),
                choices: Choice::list(&[("", "全部"), ("2026", "2026年"), ("2025", "2025年")]),
            },
            Select {
                name: "status".into(),
                label: "状态".into(),
                choices: Choice::list(&[
                    ("", "全部"),
                    ("overdue", "逾期未报告"),
                    ("running", "正在办理"),
                    ("fulfilled", "已兑现"),
                ]),
            },
            Select {
                name: "type".into(),
                label: "类型".into(),
                choices: Choice::list(&[("", "全部"), ("shishi", "实事"), ("fuwu", "服务"), ("lianzheng", "廉政")]),
            },
        ];
        if families {
            selects[3] = Select {
                name: "family".into(),
                label: "栏目".into(),
                choices: Choice::list(&[
                    ("", "全部"),
                    ("pledge", "承诺事项"),
                    ("disclosure", "三务公开"),
                    ("notice", "公示公告"),
                ]),
            };
        }
        let day = (!families).then_some(DayChoice { chosen: None, max: Day::of(2026, 3, 12) });
        Self { action: action.into(), query: query.map(Into::into), selects, day }
    }
}

impl HtmlSafe for Filters {}

/// Sample items, one of each family.
pub(crate) fn sample_items() -> Vec<Item> {
    let item = |family, kind: &str, title: &str, href: &str, org: &str, status, remark: &str, day: u32, index| Item {
        family,
        kind: kind.into(),
        title: Shown::of(title),
        href: href.into(),
        org: org.into(),
        status: Some(status),
        remark: remark.into(),
        declared: Some(Moment::of(2026, 3, day, 9, 2)),
        recorded: Some(Moment::of(2026, 3, day, 9, 12)),
        late_days: None,
        index: Some(index),
    };
    let mut items = vec![
        item(
            Family::Disclosure,
            "财务",
            "2026年2月财务收支明细",
            "/disclosures/1",
            "五里桥村",
            Badge(Status::Disclosed),
            "支出 18,081.36 元",
            10,
            1310,
        ),
        item(
            Family::Pledge,
            "实事",
            "12 月底前完成五里桥村电网改造，户均停电从每年 9 次降到 2 次以下",
            "/pledges/1",
            "五里桥村党支部",
            Badge(Status::InProgress),
            "还有 285 天",
            9,
            1298,
        ),
        item(
            Family::Nomination,
            "任前公示",
            "清溪县 2026 年第 2 号干部任前公示（3 人）",
            "/nominations/1",
            "中共清溪县委组织部",
            Badge(Status::PeriodRunning),
            "还有 3 天",
            9,
            1295,
        ),
        item(
            Family::Pledge,
            "服务",
            "每周三下午在村委会坐班接待来访",
            "/pledges/2",
            "石门村党支部",
            Badge(Status::OverdueUnreported),
            "已过 41 天",
            8,
            1291,
        ),
        item(
            Family::Notice,
            "征地预公告",
            "河口镇新汽车站地块征地预公告",
            "/notices/1",
            "清溪县人民政府",
            Badge(Status::PeriodRunning),
            "还有 7 天",
            6,
            1287,
        ),
        item(
            Family::Vacancy,
            "第 3 批",
            "河口镇 4 个空缺职位公开推荐",
            "/vacancies/1",
            "河口镇党委",
            Badge(Status::Recommending),
            "还有 5 天",
            5,
            1280,
        ),
    ];
    items[3].late_days = Some(6);
    items
}
