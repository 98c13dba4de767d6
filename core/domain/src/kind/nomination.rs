//! Nominations (考察预告、任前公示) and what became of each person.
//!
//! What is public says nothing of objections: no count, no clock, no complaint-related reason.
//! Objections are sealed and in [`super::objection`]. People are lines of a list, so that
//! each can be withdrawn alone when the configured time is over.

use chrono::NaiveDate;
use gongkai_log::Tier;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{PUBLISHER, Payload, payload, sample_stream};
use crate::{
    event::{Context, Proposal, Recorded},
    field::{Column, Field, FieldType, ListRule, ListShape, Place, Shape, VacancyId, choices},
    matters,
    period::Stated,
    refusal::Refusal,
    rules::RuleCode,
    world::World,
};

choices! {
    /// Sex, as the notice states it.
    Sex { Male = "male" "男", Female = "female" "女" }
}

choices! {
    /// The conclusion on one person.
    Outcome {
        Appoint = "appoint" "办理任职手续",
        Recommend = "recommend" "依法推荐提名",
        Defer = "defer" "暂缓任用",
        Reject = "reject" "不予任用",
        Withdrawn = "withdrawn" "撤回提名",
    }
}

/// The people of a notice.
pub const PEOPLE: ListShape = ListShape {
    name: "people",
    label: "公示对象",
    columns: &[
        Column { name: "name", label: "姓名", shape: Shape::Text(50), required: true, tier: Tier::Public },
        Column {
            name: "sex", label: "性别", shape: Shape::Choice(Sex::CHOICES), required: false, tier: Tier::Public
        },
        Column {
            name: "birth_month", label: "出生年月", shape: Shape::Period, required: false, tier: Tier::Public
        },
        Column { name: "ethnicity", label: "民族", shape: Shape::Text(20), required: false, tier: Tier::Public },
        Column {
            name: "education", label: "学历学位", shape: Shape::Text(100), required: false, tier: Tier::Public
        },
        Column {
            name: "political_status",
            label: "政治面貌",
            shape: Shape::Text(50),
            required: false,
            tier: Tier::Public,
        },
        Column {
            name: "current_post",
            label: "现任职务",
            shape: Shape::Text(200),
            required: false,
            tier: Tier::Public,
        },
        Column {
            name: "intended_post",
            label: "拟任职务",
            shape: Shape::Text(300),
            required: true,
            tier: Tier::Public,
        },
        Column { name: "exceptional", label: "破格提拔", shape: Shape::Flag, required: false, tier: Tier::Public },
        Column {
            name: "exceptional_reason",
            label: "破格理由",
            shape: Shape::Text(1000),
            required: false,
            tier: Tier::Public,
        },
        Column { name: "note", label: "备注", shape: Shape::Text(1000), required: false, tier: Tier::Public },
    ],
};

/// The conclusion on one person of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct PersonOutcome {
    /// Line of the person in the announcement, from 0.
    pub person: u64,
    /// What was concluded.
    pub outcome: Outcome,
}

impl FieldType for Vec<PersonOutcome> {
    const SHAPE: Shape = Shape::Records(&[
        Field { name: "person", label: "人员行号", place: Place::Body, shape: Shape::Count, required: true },
        Field {
            name: "outcome",
            label: "结论",
            place: Place::Body,
            shape: Shape::Choice(Outcome::CHOICES),
            required: true,
        },
    ]);
}

payload! {
    /// Who will be examined (考察预告).
    Previewed = "nomination.previewed.v1" "考察预告";
    body {
        starts_on: NaiveDate = "预告开始",
        ends_on: NaiveDate = "预告结束",
        vacancy: Option<VacancyId> = "对应空缺",
    }
    slots {
        title: Public Text(200) required = "标题",
        text: Public Text(4000) optional = "说明",
        report_to: Public Text(300) optional = "反映渠道",
    }
    list ListRule::One { shape: &PEOPLE, required: true };
    authors PUBLISHER;
}

payload! {
    /// The notice before appointment (任前公示), after the Party committee's discussion and decision.
    Announced = "nomination.announced.v1" "任前公示";
    body {
        decided_on: Option<NaiveDate> = "党委讨论决定日期",
        starts_on: NaiveDate = "公示开始",
        days: Option<u64> = "公示工作日数",
        ends_on: Option<NaiveDate> = "公示结束",
        postmark_counts: Option<bool> = "信函以到达邮戳为准",
        vacancy: Option<VacancyId> = "对应空缺",
    }
    slots {
        batch: Public Text(100) optional = "公示文号",
        title: Public Text(300) required = "标题",
        text: Public Text(4000) optional = "说明",
        report_to: Public Text(300) optional = "反映渠道",
    }
    list ListRule::One { shape: &PEOPLE, required: true };
    authors PUBLISHER;
}

payload! {
    /// The period is made longer.
    Extended = "nomination.extended.v1" "延长公示";
    body { ends_on: NaiveDate = "延长至" }
    slots { reason: Public Text(1000) required = "原因" }
    list ListRule::None;
    authors PUBLISHER;
}

payload! {
    /// The period is over.
    Closed = "nomination.closed.v1" "公示结束";
    body { closed_on: NaiveDate = "结束日期" }
    slots { note: Public Text(1000) optional = "说明" }
    list ListRule::None;
    authors PUBLISHER;
}

payload! {
    /// The conclusion, person by person.
    Concluded = "nomination.concluded.v1" "公布结论";
    body { concluded_on: NaiveDate = "结论日期", outcomes: Vec<PersonOutcome> = "各人结论" }
    slots { note: Public Text(1000) optional = "说明" }
    list ListRule::None;
    authors PUBLISHER;
}

payload! {
    /// Appointed, on probation or not.
    Appointed = "nomination.appointed.v1" "任职";
    body {
        people: Vec<u64> = "人员行号",
        appointed_on: NaiveDate = "任职日期",
        probation_ends_on: Option<NaiveDate> = "试用期满",
    }
    slots { document: Public Text(200) optional = "任职文号" }
    list ListRule::None;
    authors PUBLISHER;
}

payload! {
    /// Elected by the congress or the assembly.
    Elected = "nomination.elected.v1" "当选";
    body { people: Vec<u64> = "人员行号", elected_on: NaiveDate = "选举日期" }
    slots { meeting: Public Text(200) optional = "会议" }
    list ListRule::None;
    authors PUBLISHER;
}

payload! {
    /// Not elected.
    NotElected = "nomination.not_elected.v1" "未当选";
    body { people: Vec<u64> = "人员行号", elected_on: NaiveDate = "选举日期" }
    slots { meeting: Public Text(200) optional = "会议" }
    list ListRule::None;
    authors PUBLISHER;
}

payload! {
    /// The probation (试用期) is over.
    ProbationEnded = "nomination.probation_ended.v1" "试用期满";
    body { people: Vec<u64> = "人员行号", ended_on: NaiveDate = "期满日期", passed: bool = "考核合格" }
    slots { note: Public Text(1000) optional = "说明" }
    list ListRule::None;
    authors PUBLISHER;
}

/// State of a nomination.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// How many people it names.
    pub people_count: u64,
    /// The period, once announced.
    pub stated: Option<Stated>,
    /// Whether the period was closed.
    pub closed: bool,
    /// Each person's conclusion, by line.
    pub outcomes: std::collections::BTreeMap<u64, Outcome>,
    /// People who are in office, by line.
    pub in_office: std::collections::BTreeSet<u64>,
    /// People who were not elected, by line.
    pub not_elected: std::collections::BTreeSet<u64>,
}

impl State {
    fn has(&self, person: u64, name: &str) -> Result<(), Refusal> {
        if person < self.people_count {
            return Ok(());
        }
        Err(Refusal::field(name, "人员行号", format!("公示共 {} 人，行号从 0 起", self.people_count)))
    }

    /// Every listed person was concluded on with one of the outcomes, and is not in office yet.
    fn may_take_office(&self, people: &[u64], outcome: Outcome) -> Result<(), Refusal> {
        if people.is_empty() {
            return Err(Refusal::field("people", "人员行号", "至少一人"));
        }
        for person in people {
            self.has(*person, "people")?;
            if self.outcomes.get(person) != Some(&outcome) {
                let n = person + 1;
                return Err(Refusal::state(format!("第 {n} 人没有「{}」的结论", outcome.label())));
            }
            if self.in_office.contains(person) || self.not_elected.contains(person) {
                return Err(Refusal::state(format!("第 {} 人已有任职或选举结果", person + 1)));
            }
        }
        Ok(())
    }
}

/// An exceptional promotion states its reasons (干部任用条例).
fn exceptional_reasons(proposal: &Proposal<'_>) -> Result<(), Refusal> {
    let unexplained = proposal.lines.iter().position(|row| {
        row.get("exceptional").and_then(Value::as_bool) == Some(true) && !row.contains_key("exceptional_reason")
    });
    match unexplained {
        Some(line) => {
            let reason = format!("第{}行破格提拔须写明理由（干部任用条例）", line + 1);
            Err(Refusal::field("exceptional_reason", "破格理由", reason))
        }
        None => Ok(()),
    }
}

impl Payload for Previewed {
    type State = State;
    const OPENS: bool = true;

    fn decide(&self, _: &State, proposal: &Proposal<'_>, _: &Context<'_>) -> Result<(), Refusal> {
        if self.ends_on < self.starts_on {
            return Err(Refusal::field("ends_on", "预告结束", "不能早于预告开始"));
        }
        exceptional_reasons(proposal)
    }

    fn evolve(self, _: State, event: &Recorded<'_>) -> State {
        State { people_count: event.lines_count(), ..State::default() }
    }

    fn sample() -> Value {
        json!({"kind": "nomination.previewed.v1", "org": "341599", "fields": {
            "starts_on": "2026-04-01", "ends_on": "2026-04-03", "title": "考察预告(虚构)", "report_to": "12380",
            "lines": [{"name": "叶青田(虚构)", "intended_post": "副镇长考察对象"}]}})
    }
}

impl Payload for Announced {
    type State = State;
    const OPENS: bool = true;
    const TEACHES: bool = true;

    fn decide(&self, _: &State, proposal: &Proposal<'_>, context: &Context<'_>) -> Result<(), Refusal> {
        if self.decided_on.is_some_and(|decided| decided > self.starts_on) {
            return Err(Refusal::field("decided_on", "党委讨论决定日期", "公示应在党委讨论决定之后"));
        }
        exceptional_reasons(proposal)?;
        let rule = context.world.rule(RuleCode::NominationDaysMin, &proposal.statement.org, self.starts_on);
        self.stated().judge(&rule, context.world).map(drop)
    }

    fn evolve(self, _: State, event: &Recorded<'_>) -> State {
        State { people_count: event.lines_count(), stated: Some(self.stated()), ..State::default() }
    }

    fn learn(&self, world: &mut World, event: &Recorded<'_>) {
        let nomination = matters::Nomination {
            org: event.statement.org.as_str().into(),
            stated: self.stated(),
            people_count: event.lines_count(),
            postmark_counts: self.postmark_counts == Some(true),
        };
        world.matters.add_nomination(&event.statement.stream, nomination);
    }

    fn sample() -> Value {
        json!({"kind": "nomination.announced.v1", "org": "341599", "fields": {
            "decided_on": "2026-04-20", "starts_on": "2026-04-21", "days": 5, "postmark_counts": true,
            "batch": "青组公示〔2026〕1号(虚构)", "title": "青禾县拟任干部公示(虚构)", "report_to": "12380",
            "lines": [{"name": "叶青田(虚构)", "sex": "male", "birth_month": "1986-05", "ethnicity": "汉族",
                "education": "大学", "political_status": "中共党员", "current_post": "柳溪镇党政办主任",
                "intended_post": "柳溪镇副镇长"}]}})
    }
}

impl Announced {
    /// The period that the notice states.
    pub fn stated(&self) -> Stated {
        Stated { starts_on: self.starts_on, days: self.days, ends_on: self.ends_on }
    }
}

impl Payload for Extended {
    type State = State;
    const OPENS: bool = false;
    const TEACHES: bool = true;

    fn decide(&self, state: &State, proposal: &Proposal<'_>, context: &Context<'_>) -> Result<(), Refusal> {
        if state.closed || !state.outcomes.is_empty() {
            return Err(Refusal::state("公示已经结束，不能延长"));
        }
        let end = end_of(state, &proposal.statement.org, context)?;
        if self.ends_on <= end {
            return Err(Refusal::field("ends_on", "延长至", format!("应晚于原定的 {end}")));
        }
        Ok(())
    }

    fn evolve(self, state: State, _: &Recorded<'_>) -> State {
        let stated = state.stated.map(|stated| Stated { ends_on: Some(self.ends_on), ..stated });
        State { stated, ..state }
    }

    fn learn(&self, world: &mut World, event: &Recorded<'_>) {
        let ends_on = Some(self.ends_on);
        world.matters.change_nomination(&event.statement.stream, |nomination| nomination.stated.ends_on = ends_on);
    }

    fn sample() -> Value {
        json!({"kind": "nomination.extended.v1", "stream": sample_stream("nomination", 1), "org": "341599",
            "fields": {"ends_on": "2026-05-15", "reason": "补充公示材料(虚构)"}})
    }
}

impl Payload for Closed {
    type State = State;
    const OPENS: bool = false;

    fn decide(&self, state: &State, proposal: &Proposal<'_>, context: &Context<'_>) -> Result<(), Refusal> {
        if state.closed {
            return Err(Refusal::state("公示已经结束"));
        }
        proposal.happened_by_then(self.closed_on, "closed_on", "结束日期")?;
        ended_by(state, self.closed_on, &proposal.statement.org, context)
    }

    fn evolve(self, state: State, _: &Recorded<'_>) -> State {
        State { closed: true, ..state }
    }

    fn sample() -> Value {
        json!({"kind": "nomination.closed.v1", "stream": sample_stream("nomination", 1), "org": "341599",
            "fields": {"closed_on": "2026-05-06"}})
    }
}

/// The last day of the notice period, as computed now.
fn end_of(state: &State, org: &str, context: &Context<'_>) -> Result<NaiveDate, Refusal> {
    let Some(stated) = state.stated else { return Err(Refusal::state("还没有公示")) };
    let rule = context.world.rule(RuleCode::NominationDaysMin, org, stated.starts_on);
    Ok(stated.computed(rule.value, rule.unit, context.world)?.end)
}

/// The notice period must have run out by that day: closing or concluding earlier would shorten it.
fn ended_by(state: &State, on: NaiveDate, org: &str, context: &Context<'_>) -> Result<(), Refusal> {
    let end = end_of(state, org, context)?;
    if on < end { Err(Refusal::state(format!("公示期到 {end} 才结束"))) } else { Ok(()) }
}

impl Payload for Concluded {
    type State = State;
    const OPENS: bool = false;

    fn decide(&self, state: &State, proposal: &Proposal<'_>, context: &Context<'_>) -> Result<(), Refusal> {
        proposal.happened_by_then(self.concluded_on, "concluded_on", "结论日期")?;
        if self.outcomes.is_empty() {
            return Err(Refusal::field("outcomes", "各人结论", "至少一人"));
        }
        let mut named = std::collections::BTreeSet::new();
        for PersonOutcome { person, .. } in &self.outcomes {
            state.has(*person, "outcomes")?;
            if !named.insert(*person) {
                return Err(Refusal::field("outcomes", "各人结论", format!("第 {} 人写了两次", person + 1)));
            }
            // A deferred person is concluded on again later; any other conclusion stands.
            if state.outcomes.get(person).is_some_and(|known| *known != Outcome::Defer) {
                return Err(Refusal::state(format!("第 {} 人已有结论", person + 1)));
            }
        }
        // A nomination may be withdrawn or refused at any time; going on needs the whole period.
        if self.outcomes.iter().any(|o| matches!(o.outcome, Outcome::Appoint | Outcome::Recommend)) {
            ended_by(state, self.concluded_on, &proposal.statement.org, context)?;
        }
        Ok(())
    }

    fn evolve(self, mut state: State, _: &Recorded<'_>) -> State {
        state.outcomes.extend(self.outcomes.iter().map(|o| (o.person, o.outcome)));
        state
    }

    fn sample() -> Value {
        json!({"kind": "nomination.concluded.v1", "stream": sample_stream("nomination", 1), "org": "341599",
            "fields": {"concluded_on": "2026-05-06", "outcomes": [{"person": 0, "outcome": "appoint"}]}})
    }
}

impl Payload for Appointed {
    type State = State;
    const OPENS: bool = false;

    fn decide(&self, state: &State, proposal: &Proposal<'_>, _: &Context<'_>) -> Result<(), Refusal> {
        proposal.happened_by_then(self.appointed_on, "appointed_on", "任职日期")?;
        if self.probation_ends_on.is_some_and(|end| end <= self.appointed_on) {
            return Err(Refusal::field("probation_ends_on", "试用期满", "应晚于任职日期"));
        }
        state.may_take_office(&self.people, Outcome::Appoint)
    }

    fn evolve(self, mut state: State, _: &Recorded<'_>) -> State {
        state.in_office.extend(&self.people);
        state
    }

    fn sample() -> Value {
        json!({"kind": "nomination.appointed.v1", "stream": sample_stream("nomination", 1), "org": "341599",
            "fields": {"people": [0], "appointed_on": "2026-05-20", "probation_ends_on": "2027-05-20"}})
    }
}

/// The two results of an election differ in where they put the people.
macro_rules! election {
    ($name:ident, $people:ident, $sample:expr) => {
        impl Payload for $name {
            type State = State;
            const OPENS: bool = false;

            fn decide(&self, state: &State, proposal: &Proposal<'_>, _: &Context<'_>) -> Result<(), Refusal> {
                proposal.happened_by_then(self.elected_on, "elected_on", "选举日期")?;
                state.may_take_office(&self.people, Outcome::Recommend)
            }

            fn evolve(self, mut state: State, _: &Recorded<'_>) -> State {
                state.$people.extend(&self.people);
                state
            }

            fn sample() -> Value {
                $sample
            }
        }
    };
}

election!(
    Elected,
    in_office,
    json!({"kind": "nomination.elected.v1", "stream": sample_stream("nomination", 2), "org": "341599",
        "fields": {"people": [0], "elected_on": "2026-05-20", "meeting": "镇人大会议(虚构)"}})
);
election!(
    NotElected,
    not_elected,
    json!({"kind": "nomination.not_elected.v1", "stream": sample_stream("nomination", 2), "org": "341599",
        "fields": {"people": [0], "elected_on": "2026-05-20"}})
);

impl Payload for ProbationEnded {
    type State = State;
    const OPENS: bool = false;

    fn decide(&self, state: &State, proposal: &Proposal<'_>, _: &Context<'_>) -> Result<(), Refusal> {
        proposal.happened_by_then(self.ended_on, "ended_on", "期满日期")?;
        match self.people.iter().find(|person| !state.in_office.contains(person)) {
            Some(person) => Err(Refusal::state(format!("第 {} 人没有任职", person + 1))),
            None if self.people.is_empty() => Err(Refusal::field("people", "人员行号", "至少一人")),
            None => Ok(()),
        }
    }

    fn evolve(self, mut state: State, _: &Recorded<'_>) -> State {
        if !self.passed {
            state.in_office.retain(|person| !self.people.contains(person));
        }
        state
    }

    fn sample() -> Value {
        json!({"kind": "nomination.probation_ended.v1", "stream": sample_stream("nomination", 1), "org": "341599",
            "fields": {"people": [0], "ended_on": "2027-05-20", "passed": true}})
    }
}
