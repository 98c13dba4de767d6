//! A vacancy batch and a nomination. Objections never appear here: no count, no clock.

use askama::Template;
use gongkai_projections::Status;

use super::format::{Count, Moment, Month};
use super::parts::{Badge, Check, Clock, Event, Family, Link, Period, Row, Shown, days_left, sample_event};
use super::share::Share;
use super::{Page, Section, Site};

/// Totals of a post; there are never votes per name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    /// Recommendations received.
    pub received: Count,
    /// Of them valid.
    pub valid: Count,
    /// Persons recommended.
    pub persons: Count,
}

/// A vacant post of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VacantPost {
    /// Post.
    pub post: Shown,
    /// Where.
    pub org: Link,
    /// Level, such as 正科级; empty for none.
    pub level: String,
    /// Seats.
    pub seats: u32,
    /// Conditions, nature of the work, abilities wanted.
    pub rows: Vec<Row>,
    /// State of this post.
    pub status: Badge,
    /// Totals, once the tally was published.
    pub tally: Option<Tally>,
    /// The form of a recommendation for this post, while they are taken.
    pub recommend: Option<String>,
    /// Where it was filled.
    pub outcome: Option<Link>,
}

/// `/vacancies/{id}`
#[derive(Debug, Clone, Template)]
#[template(path = "vacancy.html")]
pub struct VacancyPage {
    /// Frame.
    pub site: Site,
    /// What can be handed in about it now.
    pub hand_in: Vec<Link>,
    /// Entry number of the announcement.
    pub index: u64,
    /// Title.
    pub name: Shown,
    /// Batch number.
    pub batch: String,
    /// State of the batch.
    pub status: Badge,
    /// Organization and those above it, top first.
    pub path: Vec<Link>,
    /// Who may recommend and how.
    pub scope: Shown,
    /// The window opens.
    pub opens: Moment,
    /// The window closes.
    pub closes: Moment,
    /// Days to its close, negative after it.
    pub days_left: Option<i64>,
    /// Recommendations received, published at closing.
    pub received_at_close: Option<Count>,
    /// Posts.
    pub posts: Vec<VacantPost>,
    /// All events, newest first.
    pub history: Vec<Event>,
    /// What can be carried away.
    pub share: Share,
    /// Supervisions of it.
    pub clocks: Vec<Clock>,
    /// Check panel.
    pub check: Check,
}

impl Page for VacancyPage {
    fn title(&self) -> String {
        self.name.plain().into()
    }

    fn section(&self) -> Section {
        Section::Family(Family::Vacancy)
    }

    fn feeds(&self) -> Vec<Link> {
        self.share.feeds.clone()
    }
}

impl VacancyPage {
    /// `还有 3 天` and so on.
    pub fn left(&self) -> String {
        days_left(self.days_left)
    }

    /// A batch after its tally.
    pub fn sample() -> Self {
        let post = |post: &str, org: &str, code: &str, valid| VacantPost {
            post: Shown::of(post),
            org: Link::new(format!("/organizations/{code}"), org),
            level: "副科级".into(),
            seats: 1,
            rows: vec![
                Row::new("条件", "中共党员，在乡镇工作满 3 年；近三年考核无基本称职以下等次。"),
                Row::new("工作性质", "分管农业农村和集体资产，常年下村。"),
                Row::new("看重的能力", "会算账，讲得清政策，能和群众坐到一条板凳上。"),
            ],
            status: Badge(Status::Tallied),
            tally: Some(Tally { received: Count(valid + 7), valid: Count(valid), persons: Count(9) }),
            recommend: Some("/hand-in/vacancy.recommended?about=1&post=0".into()),
            outcome: None,
        };
        let mut filled = post("综合文化站站长", "石门乡", "990102", 42);
        filled.status = Badge(Status::Filled);
        filled.outcome = Some(Link::new("/nominations/1", "2026 年第 2 号任前公示"));
        Self {
            site: Site::sample(),
            hand_in: vec![Link::new("/hand-in/vacancy.recommended?about=vacancy%2F1", "推荐人选")],
            index: 1180,
            name: Shown::of("2026 年第 3 批空缺职位公开推荐"),
            batch: "2026 年第 3 批".into(),
            status: Badge(Status::Tallied),
            path: vec![Link::new("/organizations/9901", "清溪县"), Link::new("/organizations/9901-zzb", "县委组织部")],
            scope: Shown::of("全县干部群众均可实名推荐或自荐，也可由单位、领导干部推荐。"),
            opens: Moment::of(2026, 1, 5, 9, 0),
            closes: Moment::of(2026, 1, 19, 17, 30),
            days_left: None,
            received_at_close: Some(Count(118)),
            posts: vec![post("副镇长", "河口镇", "990101", 62), filled],
            history: vec![
                sample_event(1244, "公布统计", Moment::of(2026, 1, 26, 10, 0), Moment::of(2026, 1, 26, 10, 5)),
                sample_event(1221, "推荐截止", Moment::of(2026, 1, 19, 17, 30), Moment::of(2026, 1, 19, 17, 31)),
                sample_event(1180, "公布空缺", Moment::of(2026, 1, 5, 8, 50), Moment::of(2026, 1, 5, 8, 58)),
            ],
            share: Share::sample(Family::Vacancy),
            clocks: Vec::new(),
            check: Check::sample(),
        }
    }
}

/// A person of a nomination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nominee {
    /// Name.
    pub name: Shown,
    /// Sex.
    pub sex: Shown,
    /// Month of birth.
    pub born: Option<Month>,
    /// Ethnicity.
    pub ethnicity: Shown,
    /// Education.
    pub education: Shown,
    /// Political status.
    pub political: Shown,
    /// Present post.
    pub present: Shown,
    /// Intended post.
    pub intended: Shown,
    /// Reasons of an exceptional promotion.
    pub exceptional: Option<Shown>,
    /// State of this person.
    pub status: Badge,
    /// The published outcome.
    pub outcome: Option<Link>,
}

/// `/nominations/{id}`
#[derive(Debug, Clone, Template)]
#[template(path = "nomination.html")]
pub struct NominationPage {
    /// Frame.
    pub site: Site,
    /// What can be handed in about it now.
    pub hand_in: Vec<Link>,
    /// Entry number of the announcement.
    pub index: u64,
    /// Title.
    pub name: Shown,
    /// Batch number.
    pub batch: String,
    /// State of the whole.
    pub status: Badge,
    /// Organization and those above it, top first.
    pub path: Vec<Link>,
    /// Persons.
    pub people: Vec<Nominee>,
    /// The period and how it was computed.
    pub period: Period,
    /// Days since the period ended without a published outcome.
    pub days_without_outcome: Option<u32>,
    /// Where to report: office, phone, post.
    pub report_to: Vec<Row>,
    /// All events, newest first.
    pub history: Vec<Event>,
    /// What can be carried away.
    pub share: Share,
    /// Supervisions of it.
    pub clocks: Vec<Clock>,
    /// Check panel.
    pub check: Check,
}

impl Page for NominationPage {
    fn title(&self) -> String {
        self.name.plain().into()
    }

    fn section(&self) -> Section {
        Section::Family(Family::Nomination)
    }

    fn feeds(&self) -> Vec<Link> {
        self.share.feeds.clone()
    }
}

impl NominationPage {
    /// A period that ended without all outcomes.
    pub fn sample() -> Self {
        let person = |name: &str, present: &str, intended: &str, status| Nominee {
            name: Shown::of(name),
            sex: Shown::of("女"),
            born: Some(Month { year: 1984, month: 6 }),
            ethnicity: Shown::of("汉族"),
            education: Shown::of("大学"),
            political: Shown::of("中共党员"),
            present: Shown::of(present),
            intended: Shown::of(intended),
            exceptional: None,
            status,
            outcome: None,
        };
        let mut appointed =
            person("林秋禾（虚构）", "河口镇党政办主任", "河口镇副镇长人选", Badge(Status::ToBeElected));
        appointed.outcome = Some(Link::new("/entries/1302/view", "10月11日公布"));
        let mut young = person("马万里（虚构）", "县农业农村局科员", "县农业农村局副局长", Badge(Status::NoOutcome));
        young.exceptional = Some(Shown::of("主持的高标准农田项目连续两年全市第一，经县委常委会讨论决定破格提拔。"));
        Self {
            site: Site::sample(),
            hand_in: vec![Link::new("/hand-in/nomination.objected?about=nomination%2F1", "对拟任人选提异议")],
            index: 1261,
            name: Shown::of("清溪县 2025 年第 7 号干部任前公示"),
            batch: "2025 年第 7 号".into(),
            status: Badge(Status::NoOutcome),
            path: vec![Link::new("/organizations/9901", "清溪县"), Link::new("/organizations/9901-zzb", "县委组织部")],
            people: vec![appointed, young],
            period: Period::sample(),
            days_without_outcome: Some(12),
            report_to: vec![
                Row::new("受理", "中共清溪县委组织部干部监督室"),
                Row::new("电话", "12380"),
                Row::new("来信", "清溪县人民路 1 号（虚构），以寄达邮戳为准"),
            ],
            history: vec![sample_event(
                1261,
                "发布任前公示",
                Moment::of(2025, 9, 25, 17, 0),
                Moment::of(2025, 9, 25, 17, 8),
            )],
            share: Share::sample(Family::Nomination),
            clocks: Vec::new(),
            check: Check::sample(),
        }
    }
}
