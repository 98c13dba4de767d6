//! Questions about a disclosure (询问、质询), and their answers: on the sheet's own stream.
//!
//! Line, topic and day are public at once, so that the clock runs before everybody's eyes. The text is sealed
//! until somebody masked it; then it is published, or the refusal to publish with its ground and reason. The
//! commitment of the original stays in the log: whoever asked proves with its opening what was asked. The sheet
//! itself is in [`super::disclosure`].

use chrono::NaiveDate;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    PUBLISHER, Payload,
    disclosure::State,
    intake::{self, POINTS_MAX, PointResult},
    payload, sample_stream,
};
use crate::{
    clock::{Limit, Running},
    event::{Context, Proposal, Recorded},
    field::{Field, FieldType, ListRule, Place, Shape, choices},
    refusal::Refusal,
    rules::RuleCode,
    world::Role,
};

choices! {
    /// What a question is about.
    Topic {
        Amount = "amount" "金额",
        Purpose = "purpose" "用途",
        Voucher = "voucher" "凭证",
        Decision = "decision" "决策依据",
        Other = "other" "其他",
    }
}

choices! {
    /// Why a question's text is not published.
    WithholdingGround {
        Privacy = "privacy" "涉及他人隐私且无法遮蔽",
        Defamation = "defamation" "含有侮辱诽谤内容",
        Secret = "secret" "涉及国家秘密或商业秘密",
        Unrelated = "unrelated" "与所询问的公开无关",
    }
}

/// What came of one point of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct PointAnswer {
    /// What came of it.
    pub result: PointResult,
}

impl FieldType for Vec<PointAnswer> {
    const SHAPE: Shape = Shape::Records(&[Field {
        name: "result",
        label: "办理结果",
        place: Place::Body,
        shape: Shape::Choice(PointResult::CHOICES),
        required: true,
    }]);
}

payload! {
    /// A question about the sheet or one line (询问). Line, topic and due date are public at once, its text
    /// and who asks are not.
    Questioned = "disclosure.questioned.v1" "提出询问";
    body {
        line: Option<u64> = "行号",
        topic: Topic = "询问事项",
        asked_on: NaiveDate = "询问日期",
    }
    slots {
        text_masked: Public Text(1000) optional = "问题（已遮蔽）",
        text: Named Text(2000) optional = "问题原文",
        asker: Named Text(50) optional = "询问人",
        contact: Named Text(200) optional = "询问人联系方式",
    }
    list ListRule::None;
    authors &[Role::Publisher, Role::Supervisor, Role::Intake];
}

payload! {
    /// The masked text of a question.
    QuestionPublished = "disclosure.question_published.v1" "公布问题";
    body { question: u64 = "所公布的修订号" }
    slots { text: Public Text(2000) required = "问题（已遮蔽）" }
    list ListRule::None;
    authors PUBLISHER;
}

payload! {
    /// A question's text is not published; it is answered all the same.
    QuestionWithheld = "disclosure.question_withheld.v1" "不公布问题";
    body { question: u64 = "所涉的修订号", ground: WithholdingGround = "不公布的依据" }
    slots { reason: Public Text(1000) required = "不公布的理由", appeal: Public Text(500) optional = "申诉途径" }
    list ListRule::None;
    authors PUBLISHER;
}

payload! {
    /// A question by the supervisors, five representatives, or a tenth of the voters (质询).
    Interpellated = "disclosure.interpellated.v1" "提出质询";
    body {
        line: Option<u64> = "行号",
        topic: Topic = "质询事项",
        asked_on: NaiveDate = "质询日期",
        people: u64 = "联名人数",
    }
    slots { text: Public Text(2000) required = "质询内容" }
    list ListRule::None;
    authors &[Role::Supervisor, Role::Publisher];
}

payload! {
    /// The answer to one question, as a whole and point by point.
    Answered = "disclosure.answered.v1" "答复";
    body {
        question: u64 = "所答复的修订号",
        answered_on: NaiveDate = "答复日期",
        results: Option<Vec<PointAnswer>> = "各项办理结果",
    }
    slots {
        text: Public Text(4000) required = "答复内容",
        points: Public Texts(2000) optional = "逐项答复",
        explanation: Public Text(2000) optional = "暂不办理的说明",
    }
    list ListRule::None;
    authors PUBLISHER;
}

/// What is kept of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question {
    /// The day on which it was asked.
    pub asked_on: NaiveDate,
    /// The rule that limits its answer.
    pub rule: RuleCode,
    /// Whether it is answered.
    pub answered: bool,
    /// Whether its masked text was published by an event of its own.
    pub published: bool,
    /// Whether publishing its text was refused.
    pub withheld: bool,
}

impl Question {
    fn asked(asked_on: NaiveDate, rule: RuleCode) -> Self {
        Self { asked_on, rule, answered: false, published: false, withheld: false }
    }
}

impl State {
    /// The answers that are awaited.
    pub(crate) fn running(&self) -> Vec<Running> {
        let open = self.questions.iter().filter(|(_, question)| !question.answered);
        open.map(|(revision, question)| {
            let limit = Limit::Rules(question.asked_on, vec![question.rule]);
            Running { what: "答复询问".into(), org: self.org.clone(), part: Some(*revision), limit }
        })
        .collect()
    }

    fn question(&self, revision: u64, label: &str) -> Result<&Question, Refusal> {
        self.questions.get(&revision).ok_or_else(|| Refusal::field("question", label, "这次修订不是询问或质询"))
    }
}

impl Payload for Questioned {
    type State = State;
    const OPENS: bool = false;

    fn decide(&self, state: &State, proposal: &Proposal<'_>, _: &Context<'_>) -> Result<(), Refusal> {
        state.standing()?;
        state.has_line(self.line)?;
        if intake::by_intake(proposal.statement) {
            if proposal.text("text_masked").is_some() {
                let reason = "问题由发布人遮蔽个人信息后公布，提交时只写问题原文";
                return Err(Refusal::field("text_masked", "问题（已遮蔽）", reason));
            }
            if proposal.statement.org != state.org {
                return Err(Refusal::field("org", "机构", format!("应向公开的机构「{}」询问", state.org)));
            }
        }
        proposal.happened_by_then(self.asked_on, "asked_on", "询问日期")
    }

    fn evolve(self, mut state: State, event: &Recorded<'_>) -> State {
        let question = Question::asked(self.asked_on, RuleCode::QuestionDaysMax);
        state.questions.insert(event.statement.revision, question);
        state
    }

    fn sample() -> Value {
        json!({"kind": "disclosure.questioned.v1", "stream": sample_stream("disclosure", 1), "org": "341599",
            "fields": {"line": 0, "topic": "amount", "asked_on": "2026-03-12",
                "text_masked": "公厕这个月为什么有两笔电费？"}})
    }
}

impl Payload for QuestionPublished {
    type State = State;
    const OPENS: bool = false;

    fn decide(&self, state: &State, _: &Proposal<'_>, _: &Context<'_>) -> Result<(), Refusal> {
        if state.question(self.question, "所公布的修订号")?.published {
            return Err(Refusal::state("这个问题已经公布"));
        }
        Ok(())
    }

    fn evolve(self, mut state: State, _: &Recorded<'_>) -> State {
        if let Some(question) = state.questions.get_mut(&self.question) {
            question.published = true;
        }
        state
    }

    fn sample() -> Value {
        json!({"kind": "disclosure.question_published.v1", "stream": sample_stream("disclosure", 1), "org": "341599",
            "fields": {"question": 1, "text": "公厕这个月为什么有两笔电费？问题中的人名已遮蔽。"}})
    }
}

impl Payload for QuestionWithheld {
    type State = State;
    const OPENS: bool = false;

    fn decide(&self, state: &State, _: &Proposal<'_>, _: &Context<'_>) -> Result<(), Refusal> {
        let question = state.question(self.question, "所涉的修订号")?;
        if question.published || question.withheld {
            return Err(Refusal::state("这个问题已经公布，或已说明不公布"));
        }
        Ok(())
    }

    fn evolve(self, mut state: State, _: &Recorded<'_>) -> State {
        if let Some(question) = state.questions.get_mut(&self.question) {
            question.withheld = true;
        }
        state
    }

    fn sample() -> Value {
        json!({"kind": "disclosure.question_withheld.v1", "stream": sample_stream("disclosure", 1), "org": "341599",
            "fields": {"question": 2, "ground": "privacy", "reason": "问题只涉及一户人家的病情，遮蔽后无法成文(虚构)",
                "appeal": "可在 15 日内向柳溪镇提出(虚构)"}})
    }
}

impl Payload for Interpellated {
    type State = State;
    const OPENS: bool = false;

    fn decide(&self, state: &State, proposal: &Proposal<'_>, _: &Context<'_>) -> Result<(), Refusal> {
        state.standing()?;
        state.has_line(self.line)?;
        // The supervisors may ask on their own; others need numbers (浙江办法).
        if proposal.signers_as(Role::Supervisor.wire()) == 0 && self.people < 5 {
            return Err(Refusal::field("people", "联名人数", "质询须村务监督机构提出，或五名以上村民代表联名"));
        }
        proposal.happened_by_then(self.asked_on, "asked_on", "询问日期")
    }

    fn evolve(self, mut state: State, event: &Recorded<'_>) -> State {
        let question = Question::asked(self.asked_on, RuleCode::InterpellationDaysMax);
        state.questions.insert(event.statement.revision, question);
        state
    }

    fn sample() -> Value {
        json!({"kind": "disclosure.interpellated.v1", "stream": sample_stream("disclosure", 1), "org": "341599",
            "fields": {"line": 1, "topic": "decision", "asked_on": "2026-03-15", "people": 6,
                "text": "请说明公厕电费连续两笔的原因及用电情况"}})
    }
}

impl Answered {
    /// Each point has its result, and "not now" (暂不办理) its explanation.
    fn complete(&self, proposal: &Proposal<'_>) -> Result<(), Refusal> {
        let results = self.results.as_deref().unwrap_or_default();
        if results.len() > POINTS_MAX {
            return Err(Refusal::field("results", "各项办理结果", format!("最多 {POINTS_MAX} 项")));
        }
        let points = proposal.openings.iter().find(|opening| opening.name == "points");
        let texts = points.and_then(|opening| opening.value.as_array()).map_or(0, Vec::len);
        if texts != results.len() {
            return Err(Refusal::field("points", "逐项答复", "应与各项办理结果一一对应"));
        }
        let not_now = results.iter().any(|point| point.result == PointResult::NotNow);
        if not_now && proposal.text("explanation").is_none() {
            return Err(Refusal::field("explanation", "暂不办理的说明", "有暂不办理的事项，须写明说明"));
        }
        Ok(())
    }
}

impl Payload for Answered {
    type State = State;
    const OPENS: bool = false;

    fn decide(&self, state: &State, proposal: &Proposal<'_>, _: &Context<'_>) -> Result<(), Refusal> {
        state.question(self.question, "所答复的修订号")?;
        self.complete(proposal)?;
        proposal.happened_by_then(self.answered_on, "answered_on", "答复日期")
    }

    fn evolve(self, mut state: State, _: &Recorded<'_>) -> State {
        if let Some(question) = state.questions.get_mut(&self.question) {
            question.answered = true;
        }
        state
    }

    fn sample() -> Value {
        json!({"kind": "disclosure.answered.v1", "stream": sample_stream("disclosure", 1), "org": "341599", "fields": {
            "question": 1, "answered_on": "2026-03-16", "text": "经查有人私接公厕电源，已拆除并追缴电费",
            "results": [{"result": "done"}, {"result": "not_now"}],
            "points": ["私接电源已拆除，电费已追缴", "加装分表列入下半年"], "explanation": "今年的维修费已经用完，下半年一并办理"}})
    }
}
