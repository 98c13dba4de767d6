//! The console: what people with keys see on the internal side.
//!
//! Everything here needs scripts, because a key on one's own device signs with them; without scripts a page says so and
//! names the command line.

use askama::Template;

use super::console_board::Awaited;
use super::format::{Count, Day};
use super::parts::Link;
use super::{Page, Section, Site};

/// Who is signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Who {
    /// Name, or the key's where the registry names nobody.
    pub name: String,
    /// Name of the key.
    pub key: String,
    /// Roles with the organization's name.
    pub roles: Vec<String>,
}

impl Who {
    pub(crate) fn sample() -> Self {
        Self {
            name: "陈会计（虚构）".into(),
            key: "chen.qingxi.example/1".into(),
            roles: vec!["五里桥村 发布人".into(), "五里桥村 录入人".into()],
        }
    }
}

/// `/internal/sign-in`
#[derive(Debug, Clone, Template)]
#[template(path = "console_sign_in.html")]
pub struct SignInPage {
    /// Frame.
    pub site: Site,
}

impl Page for SignInPage {
    fn title(&self) -> String {
        "登录".into()
    }

    fn section(&self) -> Section {
        Section::None
    }
}

impl SignInPage {
    /// The page.
    pub fn sample() -> Self {
        Self { site: Site::sample() }
    }
}

/// A draft that waits for whoever is signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// The organization's name.
    pub org: String,
    /// The gate, and in which role it is passed.
    pub gate: String,
    /// Whole days that it waits.
    pub days: i64,
    /// Where it is opened.
    pub href: String,
}

/// Kinds of one family that somebody may write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The family's name.
    pub label: String,
    /// Forms.
    pub links: Vec<Link>,
}

impl Group {
    /// The one form whose button says the family's name already.
    fn named(&self) -> Option<&Link> {
        let [link] = self.links.as_slice() else { return None };
        Some(link).filter(|link| link.label.contains(&self.label))
    }
}

/// `/internal/`
#[derive(Debug, Clone, Template)]
#[template(path = "console_desk.html")]
pub struct DeskPage {
    /// Frame.
    pub site: Site,
    /// Who is signed in.
    pub who: Who,
    /// What waits for them; `None` where drafts are not kept because there is no vault.
    pub waiting: Option<Vec<Waiting>>,
    /// What their own organizations have to do within three days.
    pub soon: Vec<Awaited>,
    /// Address of the board over what they oversee; absent for whoever oversees nothing.
    pub board: Option<&'static str>,
    /// Whether they may write many matters from one table.
    pub may_import: bool,
    /// What they may write.
    pub groups: Vec<Group>,
}

impl Page for DeskPage {
    fn title(&self) -> String {
        "工作台".into()
    }

    fn section(&self) -> Section {
        Section::None
    }
}

impl DeskPage {
    /// An accountant's desk.
    pub fn sample() -> Self {
        Self {
            site: Site::sample(),
            who: Who::sample(),
            waiting: Some(vec![Waiting {
                org: "五里桥村".into(),
                gate: "监督委员会审核（监督人）".into(),
                days: 3,
                href: "/internal/reviews/5ea1ed00-0000-4000-8000-000000000001".into(),
            }]),
            soon: vec![Awaited::sample()],
            board: Some("/internal/board"),
            may_import: true,
            groups: vec![
                Group { label: "承诺".into(), links: vec![Link::new("/internal/write/pledge.made", "作出承诺")] },
                Group {
                    label: "三务公开".into(),
                    links: vec![Link::new("/internal/write/disclosure.published", "公开一份清单")],
                },
            ],
        }
    }

    /// Somebody without a role.
    pub fn idle_sample() -> Self {
        let who = Who { roles: Vec::new(), ..Who::sample() };
        let none = Self { soon: Vec::new(), board: None, may_import: false, groups: Vec::new(), ..Self::sample() };
        Self { who, waiting: Some(Vec::new()), ..none }
    }
}

/// `/internal/continue`
#[derive(Debug, Clone, Template)]
#[template(path = "console_continue.html")]
pub struct ContinuePage {
    /// Frame.
    pub site: Site,
    /// Who is signed in.
    pub who: Who,
    /// The matter.
    pub about: Link,
    /// What may be written of it.
    pub links: Vec<Link>,
    /// What people on the web think of a pledge, for whoever may count it.
    pub feedback: Option<Feedback>,
}

/// Ratings of a pledge, counted.
#[derive(Debug, Clone)]
pub struct Feedback {
    /// The last day that counts.
    pub through: Day,
    /// How many gave each grade; nothing while there are too few.
    pub grades: Vec<(&'static str, Count)>,
    /// Publishes them.
    pub publish: Option<Link>,
}

impl Page for ContinuePage {
    fn title(&self) -> String {
        "接着办".into()
    }

    fn section(&self) -> Section {
        Section::None
    }
}

impl ContinuePage {
    /// A pledge.
    pub fn sample() -> Self {
        Self {
            site: Site::sample(),
            who: Who::sample(),
            about: Link::new("/pledges/1", "修好村北机耕路"),
            links: vec![Link::new("/internal/write/pledge.progressed?about=pledge%2F1", "报告进展")],
            feedback: Some(Feedback {
                through: Day::of(2026, 2, 28),
                grades: vec![("优秀", Count(26)), ("良好", Count(9)), ("一般", Count(2)), ("较差", Count(1))],
                publish: Some(Link::new("/internal/write/pledge.evaluated?about=pledge%2F1&by=online", "公布网上反馈")),
            }),
        }
    }
}

/// `/internal/write/{kind}`
#[derive(Debug, Clone, Template)]
#[template(path = "console_write.html")]
pub struct WritePage {
    /// Frame.
    pub site: Site,
    /// Who is signed in.
    pub who: Who,
    /// The kind's name for people.
    pub label: String,
    /// The family's.
    pub family: String,
    /// Everything that the form is made of, as JSON for the script.
    pub table: String,
    /// The matter that it continues.
    pub about: Option<Link>,
    /// Whether nobody but its readers sees it.
    pub is_sealed: bool,
}

impl Page for WritePage {
    fn title(&self) -> String {
        self.label.clone()
    }

    fn section(&self) -> Section {
        Section::None
    }
}

impl WritePage {
    /// A pledge.
    pub fn sample() -> Self {
        Self {
            site: Site::sample(),
            who: Who::sample(),
            label: "作出承诺".into(),
            family: "承诺".into(),
            table: r#"{"kind":"pledge.made.v1","fields":[]}"#.into(),
            about: None,
            is_sealed: false,
        }
    }

    /// Progress of a pledge.
    pub fn continuing_sample() -> Self {
        Self {
            label: "报告进展".into(), about: Some(Link::new("/pledges/1", "修好村北机耕路")), ..Self::sample()
        }
    }
}

/// `/internal/import`
#[derive(Debug, Clone, Template)]
#[template(path = "console_import.html")]
pub struct ImportPage {
    /// Frame.
    pub site: Site,
    /// Who is signed in.
    pub who: Who,
    /// Families with a file to fill in: name in its address, and what people call it.
    pub templates: Vec<(&'static str, &'static str)>,
    /// Whether their roles may import anything.
    pub is_open: bool,
    /// Everything that the form is made of, as JSON for the script.
    pub table: String,
}

impl Page for ImportPage {
    fn title(&self) -> String {
        "批量导入".into()
    }

    fn section(&self) -> Section {
        Section::None
    }
}

impl ImportPage {
    /// A publisher's.
    pub fn sample() -> Self {
        let table = r#"{"families":[["pledges","承诺","pledge.made.v1"]]}"#.into();
        Self { site: Site::sample(), who: Who::sample(), templates: vec![("pledges", "承诺")], is_open: true, table }
    }

    /// Somebody whose roles write nothing that is imported.
    pub fn closed_sample() -> Self {
        Self { is_open: false, ..Self::sample() }
    }
}
