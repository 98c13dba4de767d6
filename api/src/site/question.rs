//! Questions about a sheet with what came of them, on the sheet itself and on the next month's (答复上墙).

use super::format::{Day, Moment};
use super::parts::{Badge, Link, Moved, Row, Shown};

/// A step of a question, as the log has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuestionStep {
    /// What was done.
    pub label: String,
    /// When it was recorded.
    pub at: Moment,
    /// Entry that records it.
    pub index: u64,
}

/// A question about a disclosure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Line that it is about.
    pub line: Option<u32>,
    /// Topic.
    pub topic: Shown,
    /// Its text, once masked and published.
    pub text: Option<Shown>,
    /// Why its text is not published: the ground, then the reason and where to appeal.
    pub withheld: Vec<Row>,
    /// When it was asked.
    pub asked: Moment,
    /// Answer due.
    pub due: Day,
    /// The rule that sets that day.
    pub rule: String,
    /// How it was found and which days were skipped, a sentence each.
    pub computed: Vec<String>,
    /// Whether a calendar that is not published yet could move it.
    pub provisional: bool,
    /// How calendars that were published since moved that day.
    pub moved: Vec<Moved>,
    /// State.
    pub status: Badge,
    /// The answer and when it was recorded.
    pub answer: Option<(Shown, Moment)>,
    /// The answer point by point: what came of it, and what was said.
    pub points: Vec<Row>,
    /// What was recorded about it, in order: question, answer, correction.
    pub steps: Vec<QuestionStep>,
    /// Where whoever is not content goes on.
    pub further: Option<Link>,
    /// Entry that records it.
    pub index: u64,
}

impl Question {
    /// One that was answered.
    pub fn sample() -> Self {
        let step = |label: &str, at, index| QuestionStep { label: label.into(), at, index };
        Self {
            line: Some(8),
            topic: Shown::of("公厕一个月电费为什么要 600 多元？"),
            text: Some(Shown::of("公厕只有两盏灯，330.30 元和 343.06 元是怎么来的？")),
            withheld: Vec::new(),
            asked: Moment::of(2026, 3, 14, 20, 11),
            due: Day::of(2026, 3, 20),
            rule: "询问答复期限：5 个工作日，提出当天不算（12345 热线条例）".into(),
            computed: vec![
                "3月14日起算，第1天为3月16日，共5个工作日".into(),
                "跳过3月15日（周末）".into(),
                "3月20日届满".into(),
            ],
            provisional: false,
            moved: Vec::new(),
            status: Badge(gongkai_projections::Status::Answered),
            answer: Some((
                Shown::of("两笔分属两个月。电表走得快，村监会已约供电所上门查线。"),
                Moment::of(2026, 3, 20, 10, 2),
            )),
            points: vec![Row::new("已办结", "私接电源已拆除"), Row::new("暂不办理", "加装分表。今年维修费已经用完")],
            steps: vec![
                step("提出询问", Moment::of(2026, 3, 14, 20, 11), 1322),
                step("答复", Moment::of(2026, 3, 20, 10, 2), 1340),
                step("更正", Moment::of(2026, 3, 20, 10, 5), 1344),
            ],
            further: Some(Link::new("/hand-in/letter.received?org=990101", "不满意，请清溪镇处理")),
            index: 1322,
        }
    }
}

/// What was asked about the period before, with its answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wall {
    /// The period before, and its sheet.
    pub sheet: Link,
    /// Its questions, oldest first; none is said too.
    pub questions: Vec<Question>,
}

impl Wall {
    /// One question.
    pub fn sample() -> Self {
        Self {
            sheet: Link::new("/disclosures/0", "2026年1月"),
            questions: vec![Question { index: 1290, ..Question::sample() }],
        }
    }

    /// Nobody asked.
    pub fn empty_sample() -> Self {
        Self { questions: Vec::new(), ..Self::sample() }
    }
}
