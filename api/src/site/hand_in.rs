//! Handing in: what can be handed in, one form for every kind, and what one gets for it.
//!
//! The form describes itself to its script by `data-` attributes; without scripts it is posted, where nothing of it has to
//! be encrypted. Controls of what is always encrypted have no `name`: a browser could not send them if it wanted to.

use askama::Template;
use askama::filters::HtmlSafe;

use super::format::{Count, Moment};
use super::parts::{Link, Row};
use super::{Page, Section, Site};

/// What people want to know before they write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promise {
    /// Who reads it.
    pub readers: String,
    /// What of it everybody sees.
    pub public: String,
    /// What happens then.
    pub next: String,
}

impl Promise {
    fn sample() -> Self {
        Self {
            readers: "只有受理机关的收件人能解开来看，服务器和管理员都看不到。".into(),
            public: "什么都不公开，连有没有这件事也看不出来。".into(),
            next: "马上得到收件承诺和查询码，凭查询码看办到哪一步。".into(),
        }
    }
}

/// One thing that happens then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Next {
    /// What.
    pub what: String,
    /// By when.
    pub by: String,
    /// Under which rule.
    pub rule: String,
}

/// One kind on the first page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// What it is called.
    pub label: String,
    /// For what it is, in a sentence.
    pub gloss: String,
    /// Where to begin, and what stands on the button.
    pub start: Link,
    /// The three sentences.
    pub promise: Promise,
    /// When it is encrypted in the browser.
    pub encrypted: Encrypted,
}

/// `/hand-in`
#[derive(Debug, Clone, Template)]
#[template(path = "hand_in.html")]
pub struct OffersPage {
    /// Frame.
    pub site: Site,
    /// Whether anything is taken here.
    pub is_open: bool,
    /// It is taken by an intake, for a ledger behind a network gap.
    pub is_beyond: bool,
    /// An intake should take it, and cannot be asked now.
    pub is_cut_off: bool,
    /// What can be handed in.
    pub offers: Vec<Offer>,
}

impl Page for OffersPage {
    fn title(&self) -> String {
        "办事".into()
    }

    fn section(&self) -> Section {
        Section::HandIn
    }
}

impl OffersPage {
    /// Two kinds.
    pub fn sample() -> Self {
        let offer = |label: &str, gloss: &str, href: &str, start: &str, encrypted| Offer {
            label: label.into(),
            gloss: gloss.into(),
            start: Link::new(href, start),
            promise: Promise::sample(),
            encrypted,
        };
        Self {
            site: Site::sample(),
            is_open: true,
            is_beyond: false,
            is_cut_off: false,
            offers: vec![
                offer(
                    "写信",
                    "意见建议、申诉求决、检举控告。",
                    "/hand-in/letter.received",
                    "去写信",
                    Encrypted::Sometimes,
                ),
                offer("提异议", "对拟任人选有不同意见。", "/nominations", "先找到那份任前公示", Encrypted::Always),
            ],
        }
    }

    /// Nothing is taken here.
    pub fn closed_sample() -> Self {
        Self { is_open: false, ..Self::sample() }
    }

    /// An intake takes it.
    pub fn beyond_sample() -> Self {
        Self { is_beyond: true, ..Self::sample() }
    }

    /// An intake should take it.
    pub fn cut_off_sample() -> Self {
        Self { is_cut_off: true, ..Self::closed_sample() }
    }
}

/// One choice of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// Wire value.
    pub value: String,
    /// Text.
    pub label: String,
    /// Whoever chooses it must encrypt, which needs scripts.
    pub is_encrypted: bool,
}

/// Somebody whom the registry names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Stream of the person.
    pub stream: String,
    /// Name.
    pub name: String,
    /// Organization and post.
    pub post: String,
}

/// What a field is filled in with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Control {
    /// Nothing to do for people.
    Hidden(String),
    /// One line.
    Line {
        /// Digits are expected.
        is_number: bool,
    },
    /// Several lines.
    Area,
    /// One of these.
    Select(Vec<Chosen>),
    /// Some of these.
    Options(Vec<Chosen>),
    /// Yes or no.
    Tick,
    /// Persons.
    People(Vec<Person>),
}

/// One field of the form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldRow {
    /// Wire name.
    pub name: String,
    /// Label.
    pub label: String,
    /// A remark below the label.
    pub hint: String,
    /// The word by which the script knows how to read it.
    pub shape: &'static str,
    /// `body` or `slot`.
    pub place: &'static str,
    /// The slot's tier.
    pub tier: String,
    /// Whether it must be there.
    pub is_required: bool,
    /// Most characters.
    pub chars_max: Option<usize>,
    /// How it is filled in.
    pub control: Control,
    /// What is filled in already; empty for nothing.
    pub given: String,
}

impl FieldRow {
    /// The choices that must be encrypted, for the script.
    pub fn encrypted(&self) -> String {
        let Control::Select(choices) = &self.control else { return String::new() };
        let hidden: Vec<&str> = choices.iter().filter(|one| one.is_encrypted).map(|one| one.value.as_str()).collect();
        hidden.join(" ")
    }

    /// Whether people see it.
    pub fn is_shown(&self) -> bool {
        !matches!(self.control, Control::Hidden(_))
    }
}

/// When it is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encrypted {
    /// Always.
    Always,
    /// With some choices.
    Sometimes,
    /// Never.
    Never,
}

impl Encrypted {
    /// For the script.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::Sometimes => "sometimes",
            Self::Never => "never",
        }
    }

    /// What stands beside its name on the first page.
    pub fn badge(&self) -> Option<&'static str> {
        match self {
            Self::Always => Some("在您的设备上加密"),
            Self::Sometimes => Some("检举控告在您的设备上加密"),
            Self::Never => None,
        }
    }
}

/// An organization that can be chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pick {
    /// Its name.
    pub name: String,
    /// The form for it.
    pub href: String,
    /// The list of those below it, if there are any.
    pub inside: Option<String>,
}

/// What shows that somebody may vote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ballot {
    /// It is no ballot.
    No,
    /// The credential and its path.
    ByPath,
    /// The code on a slip of paper, from which the script makes credential and path.
    BySlip,
}

/// How far one is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stage {
    /// The form.
    Form,
    /// An organization has to be chosen: what was looked for, and what was found.
    Organization {
        /// A part of a name.
        query: String,
        /// Below which organization one looks, if not from the top.
        under: Option<String>,
        /// What has that name, or those below.
        found: Vec<Pick>,
        /// How many there are.
        total: Count,
    },
    /// The matter has to be found first.
    Matter {
        /// Those that are open now, where they have a window.
        open: Option<Vec<Link>>,
        /// Where all of them are found.
        board: Option<Link>,
    },
    /// Not now, or not here: the sentence.
    Closed(String),
}

/// `/hand-in/{kind}`
#[derive(Debug, Clone, Template)]
#[template(path = "hand_in_form.html")]
pub struct FormPage {
    /// Frame.
    pub site: Site,
    /// Wire name of the kind.
    pub kind: String,
    /// The same without version, as in the address.
    pub slug: String,
    /// What it is called.
    pub label: String,
    /// For what it is.
    pub gloss: String,
    /// Family of the stream that it opens.
    pub family: String,
    /// Whether it opens one.
    pub opens: bool,
    /// Whether it is a ballot.
    pub ballot: Ballot,
    /// It continues a matter of one's own, with its code.
    pub needs_code: bool,
    /// When it is encrypted.
    pub encrypted: Encrypted,
    /// The three sentences.
    pub promise: Promise,
    /// Entry that opened the intake through which it goes, encrypted as a whole.
    pub beyond: Option<u64>,
    /// What happens then, by when.
    pub next: Vec<Next>,
    /// The public matter that it speaks of.
    pub refers: Option<Link>,
    /// Code of the organization.
    pub org: String,
    /// Its name.
    pub org_name: String,
    /// The matter: its stream and its page.
    pub about: Option<(String, Link)>,
    /// Names of the organization and those above it by code, as JSON for the script.
    pub names: String,
    /// The fields.
    pub fields: Vec<FieldRow>,
    /// How far one is.
    pub stage: Stage,
}

impl Page for FormPage {
    fn title(&self) -> String {
        self.label.clone()
    }

    fn section(&self) -> Section {
        Section::HandIn
    }
}

impl FormPage {
    /// Whether controls have names, so that the form can be posted.
    pub fn is_posted(&self) -> bool {
        self.encrypted != Encrypted::Always && self.beyond.is_none()
    }

    /// Whether its stream is named by a credential.
    pub fn is_ballot(&self) -> bool {
        self.ballot != Ballot::No
    }

    /// Whether the code on a slip of paper is asked for.
    pub fn asks_slip(&self) -> bool {
        self.ballot == Ballot::BySlip
    }

    /// Whether it can be sent with the script only.
    pub fn needs_script(&self) -> bool {
        !self.is_posted() || self.asks_slip()
    }

    /// Whether something of it may be encrypted.
    pub fn may_encrypt(&self) -> bool {
        self.encrypted != Encrypted::Never
    }

    /// A letter.
    pub fn sample() -> Self {
        let field = |name: &str, label: &str, shape, chars_max, control| FieldRow {
            name: name.into(),
            label: label.into(),
            hint: String::new(),
            shape,
            place: "slot",
            tier: "named".into(),
            is_required: chars_max == Some(20_000),
            chars_max,
            control,
            given: String::new(),
        };
        let class = |value: &str, label: &str| Chosen {
            value: value.into(),
            label: label.into(),
            is_encrypted: value == "accusation",
        };
        let person = Person {
            stream: "person/01960000-0000-7000-8000-000000000001".into(),
            name: "蒋小满（虚构）".into(),
            post: "五里桥村党支部书记".into(),
        };
        Self {
            site: Site::sample(),
            kind: "letter.received.v1".into(),
            slug: "letter.received".into(),
            label: "写信".into(),
            gloss: "意见建议、申诉求决、检举控告。".into(),
            family: "letter".into(),
            opens: true,
            ballot: Ballot::No,
            needs_code: false,
            encrypted: Encrypted::Sometimes,
            promise: Promise::sample(),
            beyond: None,
            next: vec![Next {
                what: "登记并告知您".into(),
                by: "最迟2026年3月25日".into(),
                rule: "来信登记告知期限（信访工作条例第二十二条）".into(),
            }],
            refers: Some(Link::new("/disclosures/1", "五里桥村 2026年2月财务收支明细")),
            org: "9901".into(),
            org_name: "清溪县".into(),
            about: None,
            names: r#"{"9901":"清溪县"}"#.into(),
            fields: vec![
                field(
                    "class",
                    "来信类别",
                    "word",
                    None,
                    Control::Select(vec![class("opinion", "意见建议"), class("accusation", "检举控告")]),
                ),
                field("channel", "来信渠道", "word", None, Control::Hidden("web".into())),
                field("concerns", "所反映的人", "people", None, Control::People(vec![person])),
                field("text", "内容", "text", Some(20_000), Control::Area),
                field("name", "姓名", "text", Some(50), Control::Line { is_number: false }),
                field("real_name", "实名", "flag", None, Control::Tick),
            ],
            stage: Stage::Form,
        }
    }

    /// An objection, which is always encrypted.
    pub fn encrypted_sample() -> Self {
        let about = ("nomination/01960000-0000-7000-8000-000000000001".into(), Link::new("/nominations/1", "任前公示"));
        Self { encrypted: Encrypted::Always, about: Some(about), ..Self::sample() }
    }

    /// A ballot with a slip.
    pub fn ballot_sample() -> Self {
        Self { encrypted: Encrypted::Never, ballot: Ballot::BySlip, ..Self::encrypted_sample() }
    }

    /// A letter through an intake.
    pub fn beyond_sample() -> Self {
        Self { beyond: Some(17), ..Self::sample() }
    }

    /// Something that continues what was handed in through an intake.
    pub fn beyond_code_sample() -> Self {
        Self { needs_code: true, encrypted: Encrypted::Never, ..Self::beyond_sample() }
    }

    /// The organization is not chosen yet.
    pub fn organization_sample() -> Self {
        let pick = |name: &str, code: &str, inside: Option<&str>| Pick {
            name: name.into(),
            href: format!("/hand-in/letter.received?org={code}"),
            inside: inside.map(Into::into),
        };
        let inside = Some("/hand-in/letter.received?under=9901");
        let found = vec![pick("清溪县", "9901", inside), pick("清溪镇", "990101", None)];
        let stage = Stage::Organization { query: "清溪".into(), under: None, found, total: Count(2) };
        Self { stage, ..Self::sample() }
    }

    /// The matter is not chosen yet.
    pub fn matter_sample() -> Self {
        let open = Some(vec![Link::new("/hand-in/consultation.submitted?about=1", "村口停车场怎么建")]);
        let board = Some(Link::new("/vacancies", "到“空缺职位”里找"));
        Self { stage: Stage::Matter { open, board }, ..Self::sample() }
    }

    /// Nothing is taken here.
    pub fn closed_sample() -> Self {
        Self { stage: Stage::Closed("这里只供查阅，不受理。".into()), ..Self::sample() }
    }
}

/// What is kept of something that was handed in: as words and as an image. Scripts put it into their page as it is.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "part_kept.html")]
pub struct Kept {
    /// What, when, by when what follows and under which rule, the short hash.
    pub rows: Vec<Row>,
    /// The receipt as a `data:` image, so that a long press keeps it and no address holds the code.
    pub image: String,
}

impl HtmlSafe for Kept {}

impl Kept {
    fn sample() -> Self {
        let rows = vec![
            Row::new("登记为", "收到来信"),
            Row::new("登记并告知来信人", "最迟2026年3月25日，来信登记告知期限（信访工作条例第二十二条）"),
        ];
        Self { rows, image: "data:image/png;base64,iVBORw0KGgo=".into() }
    }
}

/// What one gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// A promise for something sealed.
    Promised {
        /// The code.
        code: String,
        /// It continues what has this code already.
        is_known: bool,
        /// Until when it is recorded.
        deadline: Moment,
        /// The signed promise.
        promise: String,
        /// What one keeps.
        kept: Option<Kept>,
    },
    /// An entry.
    Recorded {
        /// Its number.
        index: u64,
        /// What one keeps.
        kept: Option<Kept>,
    },
    /// A lawful no with its receipt.
    Refused {
        /// The sentence.
        reason: String,
        /// The receipt.
        receipt: String,
    },
}

/// The answer to a posted form.
#[derive(Debug, Clone, Template)]
#[template(path = "hand_in_answer.html")]
pub struct AnswerPage {
    /// Frame.
    pub site: Site,
    /// What it is.
    pub answer: Answer,
}

impl Page for AnswerPage {
    fn title(&self) -> String {
        match self.answer {
            Answer::Refused { .. } => "没有受理".into(),
            _ => "已收到".into(),
        }
    }

    fn section(&self) -> Section {
        Section::HandIn
    }
}

impl AnswerPage {
    /// A promise.
    pub fn sample() -> Self {
        let answer = Answer::Promised {
            code: "7K2M-9QXA-40TB-RZ8C".into(),
            is_known: false,
            kept: Some(Kept::sample()),
            deadline: Moment::of(2026, 3, 10, 9, 40),
            promise: "gongkai.promise/v1\nledger.qingxi.example\n".into(),
        };
        Self { site: Site::sample(), answer }
    }

    /// An entry.
    pub fn recorded_sample() -> Self {
        Self { site: Site::sample(), answer: Answer::Recorded { index: 1311, kept: Some(Kept::sample()) } }
    }

    /// A no.
    pub fn refused_sample() -> Self {
        let (reason, receipt) = ("推荐的最后一天是 2026-03-01，已经截止".into(), "gongkai.refusal/v1\n".into());
        Self { site: Site::sample(), answer: Answer::Refused { reason, receipt } }
    }
}
