//! An organization (一村一档) and the tree of organizations.

use askama::Template;
use gongkai_projections::Status;

use super::chart::{self, Chart, Gap, MonthRow};
use super::dossier::{Fulfilment, RoleRow};
use super::format::{Count, Day, Month};
use super::parts::{Badge, Choice, Counted, Family, Link, Whole, WholeOf, sample_items};
use super::past::{AsOf, AskDay};
use super::{Page, Section, Site};

/// A former name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormerName {
    /// The name.
    pub name: String,
    /// First day, if known.
    pub from: Option<Day>,
    /// Last day.
    pub to: Day,
}

/// How it relates to another organization: merged into, split from, dissolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relation {
    /// What happened, such as 由两村合并 or 并入.
    pub label: String,
    /// On which day.
    pub day: Day,
    /// The other organizations.
    pub others: Vec<Link>,
    /// Entry that records it.
    pub index: u64,
}

/// A post and who holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostRow {
    /// Post.
    pub post: String,
    /// Holder as published; empty for none.
    pub holder: String,
    /// Seats.
    pub seats: u32,
    /// Whether it is vacant.
    pub is_vacant: bool,
}

/// A month of the disclosure grid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MonthCell {
    /// The month.
    pub month: Month,
    /// `Disclosed`, `NoMovement`, `BackFilled`, `Missing` or `NotYetDue`.
    pub status: Badge,
    /// The disclosure.
    pub href: Option<String>,
    /// Days late of a back-filled one.
    pub late_days: Option<u32>,
}

/// The latest items of a family.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FamilyItems {
    /// The family.
    pub family: Family,
    /// How many, the newest, and where the rest is.
    pub list: Counted,
}

/// One rule and whether the organization kept it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComplianceRow {
    /// What is asked.
    pub rule: String,
    /// What is.
    pub finding: String,
    /// Whether it is kept; nothing where there was nothing to keep it with.
    pub holds: Option<bool>,
    /// The list behind it.
    pub href: Option<String>,
}

impl ComplianceRow {
    fn class(&self) -> &'static str {
        match self.holds {
            Some(true) => "yes",
            Some(false) => "no-",
            None => "unk",
        }
    }
}

/// `/organizations/{code}`
#[derive(Debug, Clone, Template)]
#[template(path = "organization.html")]
pub struct OrganizationPage {
    /// Frame.
    pub site: Site,
    /// What can be handed in about it now.
    pub hand_in: Vec<Link>,
    /// Name on the day of `as_of`.
    pub name: String,
    /// The day that the name and tree hold for.
    pub as_of: Day,
    /// Code.
    pub code: String,
    /// Level: 省 市 县 乡 村, or 单位.
    pub level: String,
    /// In force or ended.
    pub status: Badge,
    /// Those above it, top first, without itself.
    pub parents: Vec<Link>,
    /// Former names, newest first.
    pub former_names: Vec<FormerName>,
    /// Mergers and so on.
    pub relations: Vec<Relation>,
    /// Direct children.
    pub children: Vec<Link>,
    /// How many children there are, when not all are shown.
    pub child_count: Count,
    /// Posts.
    pub posts: Vec<PostRow>,
    /// Latest items.
    pub families: Vec<FamilyItems>,
    /// At least twelve months, oldest first; empty for an organization that need not disclose.
    pub months: Vec<MonthCell>,
    /// Rules.
    pub compliance: Vec<ComplianceRow>,
    /// Income and spending of the same months; absent for an organization that need not disclose.
    pub money: Option<Chart>,
    /// What the latest month's money was spent on.
    pub spending: Option<Chart>,
    /// The sheets behind it.
    pub sheets: Vec<Link>,
    /// Promises at or below it.
    pub fulfilment: Fulfilment,
    /// Questions without an answer, and those of them past their date; absent for an organization that need not disclose.
    pub questions: Option<(Count, Count)>,
    /// Who holds which role.
    pub roles: Vec<RoleRow>,
    /// Where it is compared with its neighbours, or its villages with each other.
    pub compare: Option<Link>,
    /// Whether records in its name are missing; absent where that cannot be told yet.
    pub whole: Option<WholeOf>,
    /// A past day to see it on.
    pub day: AskDay,
}

/// `/organizations/{code}?on=`: what can be told of it at the end of a past day.
#[derive(Debug, Clone, Template)]
#[template(path = "organization_past.html")]
pub struct OrganizationPastPage {
    /// Frame.
    pub site: Site,
    /// Name on that day.
    pub name: String,
    /// Code.
    pub code: String,
    /// Level: 省 市 县 乡 村, or 单位.
    pub level: String,
    /// In force or ended on that day.
    pub status: Badge,
    /// Those above it today, top first, without itself.
    pub parents: Vec<Link>,
    /// The day.
    pub past: AsOf,
    /// Promises at or below it; absent where there are too many records to fold.
    pub fulfilment: Option<Fulfilment>,
    /// Another day.
    pub day: AskDay,
    /// Latest items as they stood.
    pub families: Vec<FamilyItems>,
}

impl Page for OrganizationPastPage {
    fn title(&self) -> String {
        format!("{} · 一村一档", self.name)
    }

    fn section(&self) -> Section {
        Section::Organizations
    }
}

impl OrganizationPastPage {
    /// The village of the demo county on a past day.
    pub fn sample() -> Self {
        let OrganizationPage { site, name, code, level, status, parents, families, fulfilment, .. } =
            OrganizationPage::sample();
        let past = AsOf { now: "/organizations/990101003".into(), first: None, further: None, ..AsOf::sample() };
        let (fulfilment, day) = (Some(fulfilment), AskDay::sample());
        Self { site, name, code, level, status, parents, past, fulfilment, day, families }
    }

    /// One of which nothing can be told.
    pub fn empty_sample() -> Self {
        Self { fulfilment: None, families: Vec::new(), ..Self::sample() }
    }
}

impl Page for OrganizationPage {
    fn title(&self) -> String {
        format!("{} · 一村一档", self.name)
    }

    fn section(&self) -> Section {
        Section::Organizations
    }

    fn feeds(&self) -> Vec<Link> {
        vec![Link::new(format!("/feeds/organizations/{}", self.code), format!("{}和下级", self.name))]
    }
}

impl OrganizationPage {
    /// Months that are missing.
    pub fn missing(&self) -> usize {
        self.months.iter().filter(|cell| cell.status == Badge(Status::Missing)).count()
    }

    /// Months that were back-filled.
    pub fn back_filled(&self) -> usize {
        self.months.iter().filter(|cell| cell.status == Badge(Status::BackFilled)).count()
    }

    /// A village of the demo county.
    pub fn sample() -> Self {
        let items = sample_items();
        Self {
            site: Site::sample(),
            hand_in: vec![Link::new("/hand-in/letter.received?org=9901", "写信")],
            name: "五里桥村".into(),
            as_of: Day::of(2026, 3, 12),
            code: "990101003".into(),
            level: "村".into(),
            status: Badge(Status::InForce),
            parents: vec![Link::new("/organizations/9901", "清溪县"), Link::new("/organizations/990101", "河口镇")],
            former_names: vec![FormerName { name: "五里村".into(), from: None, to: Day::of(2019, 6, 30) }],
            relations: vec![Relation {
                label: "由两村合并而来".into(),
                day: Day::of(2019, 7, 1),
                others: vec![
                    Link::new("/organizations/990101901", "五里村"),
                    Link::new("/organizations/990101902", "桥头村"),
                ],
                index: 31,
            }],
            children: vec![
                Link::new("/organizations/990101003-dzb", "五里桥村党支部"),
                Link::new("/organizations/990101003-hzs", "五里桥村股份经济合作社"),
            ],
            child_count: Count(2),
            posts: vec![
                PostRow {
                    post: "党支部书记、村委会主任".into(),
                    holder: "方志远（虚构）".into(),
                    seats: 1,
                    is_vacant: false,
                },
                PostRow {
                    post: "村务监督委员会主任".into(),
                    holder: "孟长河（虚构）".into(),
                    seats: 1,
                    is_vacant: false,
                },
                PostRow { post: "文书".into(), holder: String::new(), seats: 1, is_vacant: true },
            ],
            families: vec![
                FamilyItems {
                    family: Family::Disclosure,
                    list: Counted {
                        total: Count(31),
                        items: vec![items[0].clone()],
                        href: "/disclosures?org=990101003".into(),
                    },
                },
                FamilyItems {
                    family: Family::Pledge,
                    list: Counted {
                        total: Count(6),
                        items: vec![items[1].clone(), items[3].clone()],
                        href: "/pledges?org=990101003".into(),
                    },
                },
            ],
            months: sample_months(),
            compliance: vec![
                ComplianceRow {
                    rule: "财务每月公开，次月 10 日前".into(),
                    finding: "近 12 个月缺 1 个月，补报 1 个月".into(),
                    holds: Some(false),
                    href: Some("/compliance?org=990101003#missing".into()),
                },
                ComplianceRow {
                    rule: "监督委员会至少 2 人联签".into(),
                    finding: "11 次都有".into(),
                    holds: Some(true),
                    href: None,
                },
                ComplianceRow {
                    rule: "到期承诺按时报告".into(),
                    finding: "1 项逾期未报告".into(),
                    holds: Some(false),
                    href: Some("/pledges?org=990101003&status=overdue".into()),
                },
            ],
            money: Some(sample_money()),
            spending: Some(chart::by_category(
                "spending",
                "2026年2月钱花在哪里",
                "支出",
                &[("管理费用".into(), 67_336), ("公益支出".into(), 33_000)],
            )),
            sheets: vec![Link::new("/disclosures/12", "2026年2月村委会")],
            fulfilment: Fulfilment::sample(),
            questions: Some((Count(2), Count(1))),
            roles: vec![RoleRow { role: "发布人".into(), holder: "沈文书（虚构）".into(), index: 44 }],
            compare: Some(Link::new("/compare?org=990101003", "和邻村比一比")),
            whole: Some(WholeOf(Whole::sample("/api/v1/organizations/990101003/proof"))),
            day: AskDay { hidden: Vec::new(), ..AskDay::sample() },
        }
    }
}

fn sample_months() -> Vec<MonthCell> {
    (0..13u32)
        .map(|at| {
            let (year, month) = if at < 10 { (2025, at + 3) } else { (2026, at - 9) };
            let status = match at {
                4 => Badge(Status::BackFilled),
                7 => Badge(Status::Missing),
                9 => Badge(Status::NoMovement),
                12 => Badge(Status::NotYetDue),
                _ => Badge(Status::Disclosed),
            };
            MonthCell {
                month: Month { year, month },
                status,
                href: (status != Badge(Status::Missing) && status != Badge(Status::NotYetDue))
                    .then(|| format!("/disclosures/{at}")),
                late_days: (status == Badge(Status::BackFilled)).then_some(23),
            }
        })
        .collect()
}

fn sample_money() -> Chart {
    let row =
        |month, values| MonthRow { month: Month { year: 2026, month }, values, remark: String::new(), href: None };
    let missing = Gap { mark: "缺", text: "没有公开" };
    let rows = [row(1, Ok(vec![1_250_000, 830_050])), row(2, Err(missing)), row(3, Ok(vec![0, 67_336]))];
    chart::by_month("money", "每月收入和支出", &["收入", "支出"], &rows)
}

/// An organization of the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeNode {
    /// Its page.
    pub link: Link,
    /// The tree below it; absent for a leaf.
    pub browse: Option<String>,
    /// Level.
    pub level: String,
    /// Whether it is no more today.
    pub ended: bool,
    /// How many organizations are below it.
    pub below: Count,
    /// Overdue pledges and missing periods at or below it.
    pub late: Count,
}

/// `/organizations`
#[derive(Debug, Clone, Template)]
#[template(path = "organizations.html")]
pub struct TreePage {
    /// Frame.
    pub site: Site,
    /// Where we are, top first; the last is the one whose children are shown.
    pub path: Vec<Link>,
    /// The children shown.
    pub nodes: Vec<TreeNode>,
    /// How many children there are.
    pub total: Count,
    /// Code of the organization whose children are shown; empty at the top.
    pub under: String,
    /// Name filter.
    pub query: String,
    /// Now, or the first day of a year.
    pub years: Vec<Choice>,
    /// More children.
    pub next: Option<String>,
    /// The whole list as tables.
    pub downloads: Vec<Link>,
}

impl Page for TreePage {
    fn title(&self) -> String {
        "机构".into()
    }

    fn section(&self) -> Section {
        Section::Organizations
    }
}

impl TreePage {
    /// The demo county's townships.
    pub fn sample() -> Self {
        let node = |name: &str, code: &str, below, late| TreeNode {
            link: Link::new(format!("/organizations/{code}"), name),
            browse: (below > 0).then(|| format!("/organizations?under={code}")),
            level: if below > 0 { "乡镇".into() } else { "县直单位".into() },
            ended: name == "石门乡",
            below: Count(below),
            late: Count(late),
        };
        Self {
            site: Site::sample(),
            path: vec![
                Link::new("/organizations?under=99", "虚构省"),
                Link::new("/organizations?under=9901", "清溪县"),
            ],
            nodes: vec![
                node("河口镇", "990101", 14, 6),
                node("石门乡", "990102", 9, 0),
                node("双河街道", "990103", 7, 2),
                node("县委组织部", "9901-zzb", 0, 0),
            ],
            total: Count(4),
            under: "9901".into(),
            query: String::new(),
            years: Choice::list(&[("", "现在"), ("2025", "2025年初"), ("2024", "2024年初")]),
            next: None,
            downloads: vec![Link::new("/api/v1/organizations?format=csv&org=9901", "CSV 表格")],
        }
    }
}
