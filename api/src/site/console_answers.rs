//! The console's pages for answering: what waits, and one question or letter.

use askama::Template;

use super::console::Who;
use super::format::{Count, Day};
use super::parts::{Badge, Link, Row};
use super::{Page, Section, Site};

/// Something that waits for its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Awaiting {
    /// What it is: 询问, 质询, 来信.
    pub label: String,
    /// What it is about; empty for what is sealed.
    pub title: String,
    /// The organization's name.
    pub org: String,
    /// What is awaited.
    pub awaits: String,
    /// Days that it waits.
    pub days: i64,
    /// The last day.
    pub due: Option<Day>,
    /// Days over it; 0 while there is time.
    pub days_over: i64,
    /// The rule that sets the day.
    pub rule: String,
    /// The page on which it is answered.
    pub href: String,
}

/// `/internal/answers`
#[derive(Debug, Clone, Template)]
#[template(path = "console_answers.html")]
pub struct AnswersPage {
    /// Frame.
    pub site: Site,
    /// Who is signed in.
    pub who: Who,
    /// What waits, the longest first.
    pub awaiting: Vec<Awaiting>,
    /// How many wait; more than are listed where there are very many.
    pub total: Count,
}

impl Page for AnswersPage {
    fn title(&self) -> String {
        "等答复的询问和来信".into()
    }

    fn section(&self) -> Section {
        Section::None
    }
}

impl AnswersPage {
    /// A question that is late, and a letter.
    pub fn sample() -> Self {
        let question = Awaiting {
            label: "询问".into(),
            title: "2026年2月财务收支明细".into(),
            org: "五里桥村".into(),
            awaits: "答复询问".into(),
            days: 9,
            due: Some(Day::of(2026, 3, 20)),
            days_over: 2,
            rule: "询问答复期限（12345 热线条例）".into(),
            href: "/internal/answers/disclosure/1?question=1".into(),
        };
        let letter = Awaiting {
            label: "来信".into(),
            title: String::new(),
            days: 1,
            days_over: 0,
            href: "/internal/answers/letter/1".into(),
            ..question.clone()
        };
        Self { site: Site::sample(), who: Who::sample(), awaiting: vec![question, letter], total: Count(2) }
    }

    /// Nothing waits.
    pub fn empty_sample() -> Self {
        Self { awaiting: Vec::new(), total: Count(0), ..Self::sample() }
    }
}

/// `/internal/answers/{family}/{id}`
#[derive(Debug, Clone, Template)]
#[template(path = "console_answer.html")]
pub struct AnswerPage {
    /// Frame.
    pub site: Site,
    /// Who is signed in.
    pub who: Who,
    /// What it is.
    pub label: String,
    /// The matter and its page, where it has one.
    pub about: Link,
    /// What is public of it, and by when which answer is due.
    pub rows: Vec<Row>,
    /// State of a question.
    pub status: Option<Badge>,
    /// Everything that the script needs, as JSON.
    pub table: String,
    /// Whether it is answered here, in public; else `links` lead on.
    pub is_question: bool,
    /// What may be written of it.
    pub links: Vec<Link>,
}

impl Page for AnswerPage {
    fn title(&self) -> String {
        format!("答复{}", self.label)
    }

    fn section(&self) -> Section {
        Section::None
    }
}

impl AnswerPage {
    /// A question.
    pub fn sample() -> Self {
        Self {
            site: Site::sample(),
            who: Who::sample(),
            label: "询问".into(),
            about: Link::new("/disclosures/1#Q1322", "五里桥村2026年2月财务收支明细"),
            rows: vec![Row::new("问的是", "第 8 行，金额"), Row::new("公开答复", "最迟2026年3月20日")],
            status: Some(Badge(gongkai_projections::Status::Asked)),
            table: r#"{"stream":"disclosure/1","revision":1}"#.into(),
            is_question: true,
            links: Vec::new(),
        }
    }

    /// An objection.
    pub fn sealed_sample() -> Self {
        Self {
            label: "异议".into(),
            status: None,
            is_question: false,
            links: vec![Link::new("/internal/write/notice.objection_resolved?about=notice%2F1", "办结异议")],
            ..Self::sample()
        }
    }
}
