//! What several pages share: status badges, list items, history, the check panel, filters, paging.
//!
//! Each part that has markup of its own is a small template (`part_*.html`) and is marked
//! [`HtmlSafe`], because its template has already escaped what it shows. Parts are plain data: they
//! decide nothing about dates or rules, a handler fills them. To add a part, write the struct, its
//! template and a use of it in some page's `sample()`.

use askama::Template;
use askama::filters::HtmlSafe;
use gongkai_projections::Status;

use super::format::{Bytes, Count, Day, Moment};

/// A family of what is disclosed, with its board.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// Pledges.
    Pledge,
    /// Vacant posts.
    Vacancy,
    /// Nominations.
    Nomination,
    /// Notices.
    Notice,
    /// Village, Party and financial disclosures.
    Disclosure,
    /// Organizations, posts, keys, roles, calendars and the ledger itself.
    Registry,
}

impl Family {
    /// The families that have a board, in the order of the navigation.
    pub const BOARDS: [Self; 5] = [Self::Pledge, Self::Vacancy, Self::Nomination, Self::Notice, Self::Disclosure];

    /// Name on the page.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Pledge => "承诺事项",
            Self::Vacancy => "空缺职位",
            Self::Nomination => "任前公示",
            Self::Notice => "公示公告",
            Self::Disclosure => "三务公开",
            Self::Registry => "登记",
        }
    }

    /// What a reader finds there.
    pub fn gloss(&self) -> &'static str {
        match self {
            Self::Pledge => "说了什么，办到哪一步",
            Self::Vacancy => "哪些岗位空着，怎么推荐",
            Self::Nomination => "拟任用谁，公示到哪天",
            Self::Notice => "正在征求意见的事",
            Self::Disclosure => "村务、党务、财务，一笔一笔",
            Self::Registry => "机构、职务、钥匙的登记",
        }
    }

    /// Address of the board.
    pub fn href(&self) -> &'static str {
        match self {
            Self::Pledge => "/pledges",
            Self::Vacancy => "/vacancies",
            Self::Nomination => "/nominations",
            Self::Notice => "/notices",
            Self::Disclosure => "/disclosures",
            Self::Registry => "/timeline",
        }
    }
}

/// How a badge is coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Done as it was said.
    Good,
    /// Running, within its time.
    Running,
    /// Somebody is late.
    Late,
    /// Neither good nor bad.
    Plain,
    /// Withdrawn, superseded or ended without effect.
    Struck,
}

/// A status as a badge. Which status it is the reader of the views computes, never a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Template)]
#[template(source = r#"<span class="badge {{ self.class() }}">{{ self.label() }}</span>"#, ext = "html")]
pub struct Badge(pub Status);

impl Badge {
    /// The words on it.
    pub fn label(&self) -> &'static str {
        self.0.label()
    }

    /// Its colour.
    pub fn tone(&self) -> Tone {
        match self.0 {
            Status::Fulfilled
            | Status::Filled
            | Status::Concluded
            | Status::ToBeAppointed
            | Status::ToBeElected
            | Status::Appointed
            | Status::Elected
            | Status::Disclosed
            | Status::NoMovement
            | Status::Answered
            | Status::InForce => Tone::Good,
            Status::InProgress
            | Status::Recommending
            | Status::Previewed
            | Status::PeriodRunning
            | Status::Extended
            | Status::Asked => Tone::Running,
            Status::OverdueUnreported
            | Status::Overdue
            | Status::NotFulfilled
            | Status::NoOutcome
            | Status::BackFilled
            | Status::Missing
            | Status::AnswerOverdue
            | Status::OpeningOverdue => Tone::Late,
            Status::NotReported
            | Status::NoProgress
            | Status::PartlyFulfilled
            | Status::CarriedOver
            | Status::Closed
            | Status::Tallied
            | Status::Upcoming
            | Status::Deferred
            | Status::NotElected
            | Status::NotAppointed
            | Status::NotYetDue
            | Status::Corrected => Tone::Plain,
            Status::Superseded | Status::Withdrawn | Status::Ended => Tone::Struck,
        }
    }

    /// The class of its colour in the style sheet.
    pub fn class(&self) -> &'static str {
        match self.tone() {
            Tone::Good => "good",
            Tone::Running => "run",
            Tone::Late => "late",
            Tone::Plain => "plain",
            Tone::Struck => "struck",
        }
    }
}

impl HtmlSafe for Badge {}

/// A label with an address. The handler makes the address, it never comes from a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Path on this site.
    pub href: String,
    /// Text.
    pub label: String,
}

impl Link {
    /// A link.
    pub fn new(href: impl Into<String>, label: impl Into<String>) -> Self {
        Self { href: href.into(), label: label.into() }
    }
}

/// The trace of an opening that was withdrawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tombstone {
    /// Who ordered it.
    pub by: String,
    /// Legal basis or reason.
    pub why: String,
    /// When it was recorded.
    pub at: Moment,
    /// Entry that records the withdrawal.
    pub index: u64,
    /// How to appeal.
    pub appeal: String,
}

/// A free text or personal detail: there, or withdrawn with its trace.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "part_shown.html")]
pub enum Shown {
    /// The published value.
    Given(String),
    /// The value was withdrawn.
    Withdrawn(Tombstone),
}

impl Shown {
    /// A published value.
    pub fn of(text: impl Into<String>) -> Self {
        Self::Given(text.into())
    }

    /// For `<title>` and other places that hold text only.
    pub fn plain(&self) -> &str {
        match self {
            Self::Given(text) => text,
            Self::Withdrawn(_) => "（内容已撤下）",
        }
    }

    /// Whether the value was withdrawn.
    pub fn is_withdrawn(&self) -> bool {
        matches!(self, Self::Withdrawn(_))
    }
}

impl HtmlSafe for Shown {}

/// A labelled value of a generic page or of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The field's label.
    pub label: String,
    /// Its value.
    pub value: Shown,
}

impl Row {
    /// A row whose value is there.
    pub fn new(label: impl Into<String>, value: impl Into<String>) -> Self {
        Self { label: label.into(), value: Shown::of(value) }
    }
}

/// A piece of a text compared with its earlier version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    /// In both versions.
    Same(String),
    /// Only in the earlier one.
    Deleted(String),
    /// Only in the later one.
    Inserted(String),
}

/// The difference of one field between two versions.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "part_diff.html")]
pub struct Diff {
    /// The field's label.
    pub label: String,
    /// The text in order.
    pub segments: Vec<Segment>,
}

impl HtmlSafe for Diff {}

/// A piece of a search result's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// The text.
    pub text: String,
    /// Whether it matched the query.
    pub hit: bool,
}

/// Who signed, in which role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signer {
    /// Role in Chinese, such as 发布.
    pub role: String,
    /// Who holds the key.
    pub holder: String,
    /// The key's name.
    pub key: String,
}

/// What somebody entered for somebody else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proxy {
    /// 网 / 短信 / 电话 / 信函 / 来访 / 会议.
    pub channel: String,
    /// Hash of the original, base64.
    pub original: String,
}

/// A file that belongs to an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// Name for people.
    pub name: Shown,
    /// Address, absent when it was withdrawn or is sealed.
    pub href: Option<String>,
    /// Size.
    pub size: Bytes,
    /// BLAKE3 hash, lower-case hex.
    pub hash: String,
}

/// One event of a matter's history.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "part_event.html")]
pub struct Event {
    /// Entry number.
    pub index: u64,
    /// The kind's label.
    pub kind: String,
    /// State that it led to.
    pub status: Option<Badge>,
    /// The author's time.
    pub declared: Moment,
    /// The ledger's time.
    pub recorded: Moment,
    /// Days between its due date and the record, when it was back-filled.
    pub late_days: Option<u32>,
    /// In whose name.
    pub org: Link,
    /// Who signed, author first.
    pub signers: Vec<Signer>,
    /// Entered for somebody else.
    pub proxy: Option<Proxy>,
    /// Labelled values.
    pub rows: Vec<Row>,
    /// What it changed.
    pub diffs: Vec<Diff>,
    /// Its files.
    pub attachments: Vec<Attachment>,
}

impl HtmlSafe for Event {}

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
}

impl Filters {
    /// Whether anything is chosen.
    pub fn is_active(&self) -> bool {
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
        Self { action: action.into(), query: query.map(Into::into), selects }
    }
}

impl HtmlSafe for Filters {}

/// A day of a period: counted or skipped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeriodDay {
    /// The day.
    pub day: Day,
    /// Its number among the counted days, from 1; absent when it was skipped.
    pub number: Option<u32>,
    /// Why it was skipped, or why a weekend day counts (调休上班); empty for an ordinary working day.
    pub reason: String,
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
            PeriodDay { day: Day::of(2025, month, date), number: counts.then_some(number), reason: reason.into() }
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

/// A hash in both ways of writing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HashText {
    /// Standard padded base64, as in the entry.
    pub base64: String,
    /// Lower-case hex, as in addresses and as `sha256sum` prints.
    pub hex: String,
}

impl HashText {
    pub(crate) fn new(base64: &str, hex: &str) -> Self {
        Self { base64: base64.into(), hex: hex.into() }
    }
}

/// The checkpoint that covers an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Tree size.
    pub size: Count,
    /// Root hash, base64.
    pub root: String,
    /// When it was signed.
    pub at: Moment,
    /// How many witnesses cosigned it.
    pub witnesses: u32,
}

/// A signature line of the entry, for the commands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureLine {
    /// Role in Chinese.
    pub role: String,
    /// The key's name.
    pub key: String,
    /// base64 of type and public key: the last part of the verifier key.
    pub public_key: String,
    /// Number of its line in the entry's file, from 1: the first signature is line 10.
    pub line: usize,
}

/// The panel 「这条记录有没有被改过?」 for one entry.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "part_check.html")]
pub struct Check {
    /// Whether the entry was just now proven to lie under the signed checkpoint; `None` before there is
    /// a checkpoint over it.
    pub proven: Option<bool>,
    /// Entry number.
    pub index: u64,
    /// When it was recorded.
    pub recorded: Moment,
    /// BLAKE3 of the entry.
    pub entry_hash: HashText,
    /// BLAKE3 of the three text lines.
    pub statement_hash: HashText,
    /// BLAKE3 of the entry before.
    pub previous_hash: HashText,
    /// SHA-256 leaf of the tree.
    pub leaf_hash: HashText,
    /// The checkpoint; absent for seconds after the record.
    pub checkpoint: Option<Checkpoint>,
    /// How many of its openings were withdrawn.
    pub withdrawn: u32,
    /// Address of the bundle with its openings; absent when it has none.
    pub openings: Option<String>,
    /// Its signatures.
    pub signatures: Vec<SignatureLine>,
    /// Scheme and host for the commands, without a slash at the end.
    pub base_url: String,
    /// The ledger's verifier key.
    pub vkey: String,
    /// The panel starts open.
    pub open: bool,
}

impl Check {
    /// Entry 0 of the byte-level vectors.
    pub(crate) fn sample() -> Self {
        Self {
            proven: Some(true),
            index: 0,
            recorded: Moment::of(2026, 3, 10, 9, 12),
            entry_hash: HashText::new(
                "GeP7GoU8dATs6hWl8AMh2ryazopo02Izq1Chc2LdL2w=",
                "19e3fb1a853c7404ecea15a5f00321dabc9ace8a68d36233ab50a17362dd2f6c",
            ),
            statement_hash: HashText::new(
                "LXznt0Y9uKa98efHY0+yLF/EsNz2Z+HxHWKo1cky/pI=",
                "2d7ce7b7463db8a6bdf1e7c7634fb22c5fc4b0dcf667e1f11d62a8d5c932fe92",
            ),
            previous_hash: HashText::new(
                "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
                "0000000000000000000000000000000000000000000000000000000000000000",
            ),
            leaf_hash: HashText::new(
                "EECCHrRm5ZxWRDMZdnoap92S8GnRHl+4PH3o3onmAPc=",
                "1040821eb466e59c56443319767a1aa7dd92f069d11e5fb83c7de8de89e600f7",
            ),
            checkpoint: Some(Checkpoint {
                size: Count(4),
                root: "DKcFzqBoeqX9OBWOAUZlrZoO3eJfp0NIYzMA70YJlhs=".into(),
                at: Moment::of(2026, 3, 12, 9, 20),
                witnesses: 1,
            }),
            withdrawn: 0,
            openings: Some("/log/openings/000".into()),
            signatures: vec![SignatureLine {
                role: "发布".into(),
                key: "alice.example/1".into(),
                public_key: "Ae1JKMYo0cLG6ukDOJBZlWEpWSc6XGP5NjbBRhSshzfR".into(),
                line: 10,
            }],
            base_url: "https://gongkai.example".into(),
            vkey: "ledger.example/vectors+fced61e0+AYqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c".into(),
            open: false,
        }
    }
}

impl HtmlSafe for Check {}

/// A sample event of an organization in the demo county.
pub(crate) fn sample_event(index: u64, kind: &str, declared: Moment, recorded: Moment) -> Event {
    Event {
        index,
        kind: kind.into(),
        status: None,
        declared,
        recorded,
        late_days: None,
        org: Link::new("/organizations/990101003", "五里桥村"),
        signers: vec![Signer {
            role: "发布".into(), holder: "五里桥村文书".into(), key: "wuliqiao.wenshu/1".into()
        }],
        proxy: None,
        rows: Vec::new(),
        diffs: Vec::new(),
        attachments: Vec::new(),
    }
}

/// A sample of a withdrawn opening.
pub(crate) fn sample_tombstone() -> Tombstone {
    Tombstone {
        by: "清溪县委组织部".into(),
        why: "涉及个人住址，《个人信息保护法》第 47 条".into(),
        at: Moment::of(2026, 4, 2, 16, 40),
        index: 1388,
        appeal: "30 日内向清溪县政务公开办提出，电话 0000-0000000".into(),
    }
}

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
