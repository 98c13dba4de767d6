//! Notices (公示、公告): published, extended, corrected, closed with an outcome, withdrawn.
//!
//! Which types have a minimum period is a rule of the profile. A notice whose period ended without
//! an outcome is found when read. Objections are sealed and in [`super::objection`].

use chrono::NaiveDate;
use serde_json::{Value, json};

use super::{PUBLISHER, Payload, payload, sample_stream};
use crate::{
    event::{Context, Proposal, Recorded},
    field::{Attachment, ListRule, choices},
    matters,
    period::Stated,
    refusal::Refusal,
    rules::{Rule, RuleCode, Unit},
    world::World,
};

choices! {
    /// What the notice is about.
    Type {
        Membership = "membership" "发展党员",
        Award = "award" "评优评先",
        Personnel = "personnel" "干部任免",
        Plan = "plan" "工作方案",
        Land = "land" "征地预公告",
        Compensation = "compensation" "补偿安置公告",
        Decision = "decision" "重大决策预公开",
        General = "general" "一般公告",
        Voters = "voters" "选民名单",
    }
}

impl Type {
    /// The rule that sets this type's minimum period, if one does.
    pub fn rule(self) -> Option<RuleCode> {
        match self {
            Self::Membership => Some(RuleCode::MemberDaysMin),
            Self::Award => Some(RuleCode::AwardDaysMin),
            Self::Personnel => Some(RuleCode::NominationDaysMin),
            Self::Land => Some(RuleCode::LandDaysMin),
            Self::Compensation => Some(RuleCode::CompensationDaysMin),
            Self::Plan | Self::Decision | Self::General | Self::Voters => None,
        }
    }
}

payload! {
    /// The notice is posted.
    Published = "notice.published.v1" "发布公示公告";
    body {
        category: Type = "类型",
        starts_on: NaiveDate = "开始日期",
        days: Option<u64> = "期限天数",
        ends_on: Option<NaiveDate> = "结束日期",
        attachments: Option<Vec<Attachment>> = "附件",
    }
    slots {
        title: Public Text(300) required = "标题",
        text: Public Text(16_000) required = "正文",
        number: Public Text(100) optional = "文号",
        issuer: Public Text(100) optional = "发布单位",
        report_to: Public Text(300) optional = "反映渠道",
    }
    list ListRule::None;
    authors PUBLISHER;
}

payload! {
    /// The period is made longer.
    Extended = "notice.extended.v1" "延长期限";
    body { ends_on: NaiveDate = "延长至" }
    slots { reason: Public Text(1000) required = "原因" }
    list ListRule::None;
    authors PUBLISHER;
}

payload! {
    /// Another title or text; the old one stays.
    Corrected = "notice.corrected.v1" "更正公告";
    body {}
    slots {
        title: Public Text(300) optional = "更正后的标题",
        text: Public Text(16_000) optional = "更正后的正文",
        reason: Public Text(1000) required = "更正原因",
    }
    list ListRule::None;
    authors PUBLISHER;
}

payload! {
    /// The outcome.
    Closed = "notice.closed.v1" "公布结果";
    body { closed_on: NaiveDate = "结束日期" }
    slots { outcome: Public Text(4000) required = "结果" }
    list ListRule::None;
    authors PUBLISHER;
}

payload! {
    /// Withdrawn with its reason; the trace stays.
    Withdrawn = "notice.withdrawn.v1" "撤回公告";
    body {}
    slots { reason: Public Text(1000) required = "撤回原因" }
    list ListRule::None;
    authors PUBLISHER;
}

/// State of a notice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// Its type.
    pub category: Option<Type>,
    /// Its period; without days or end it is an announcement without a period.
    pub stated: Option<Stated>,
    /// What ended it, as a Chinese label.
    pub ended: Option<&'static str>,
}

impl State {
    fn open(&self) -> Result<(), Refusal> {
        match self.ended {
            Some(how) => Err(Refusal::state(format!("公告{how}，不能再变更"))),
            None => Ok(()),
        }
    }
}

/// The rule by which a notice's period is computed, at an organization.
///
/// A type without a rule has a period only if its author gave one, in calendar days.
pub fn period_rule(kind: Type, stated: &Stated, org: &str, world: &World) -> Option<Rule> {
    period_rule_by(kind, stated, |code| world.rule(code, org, stated.starts_on))
}

/// The same where the rules in force are looked up in another way, such as those that were published by some day.
pub fn period_rule_by(kind: Type, stated: &Stated, rule: impl FnOnce(RuleCode) -> Rule) -> Option<Rule> {
    match kind.rule() {
        Some(code) => Some(rule(code)),
        None if stated.days.is_some() || stated.ends_on.is_some() => Some(Rule {
            code: RuleCode::CompensationDaysMin,
            value: 1,
            unit: Unit::Days,
            from: None,
            basis: "发布单位自定".into(),
        }),
        None => None,
    }
}

impl Published {
    /// The period that the notice states.
    pub fn stated(&self) -> Stated {
        Stated { starts_on: self.starts_on, days: self.days, ends_on: self.ends_on }
    }
}

impl Payload for Published {
    type State = State;
    const OPENS: bool = true;
    const TEACHES: bool = true;

    fn decide(&self, _: &State, proposal: &Proposal<'_>, context: &Context<'_>) -> Result<(), Refusal> {
        if self.ends_on.is_some_and(|end| end < self.starts_on) {
            return Err(Refusal::field("ends_on", "结束日期", "不能早于开始日期"));
        }
        match period_rule(self.category, &self.stated(), &proposal.statement.org, context.world) {
            Some(rule) => self.stated().judge(&rule, context.world).map(drop),
            None => Ok(()),
        }
    }

    fn evolve(self, _: State, _: &Recorded<'_>) -> State {
        State { category: Some(self.category), stated: Some(self.stated()), ended: None }
    }

    fn learn(&self, world: &mut World, event: &Recorded<'_>) {
        let org = event.statement.org.as_str().into();
        let notice = matters::Notice { org, category: self.category, stated: self.stated() };
        world.matters.add_notice(&event.statement.stream, notice);
    }

    fn sample() -> Value {
        json!({"kind": "notice.published.v1", "org": "341599101201", "fields": {
            "category": "membership", "starts_on": "2026-06-01", "days": 5, "title": "拟接收预备党员公示(虚构)",
            "text": "经支部委员会研究，拟接收林晓禾(虚构)同志为预备党员，现予公示。", "report_to": "柳溪镇党委组织办"}})
    }
}

impl Payload for Extended {
    type State = State;
    const OPENS: bool = false;
    const TEACHES: bool = true;

    fn decide(&self, state: &State, proposal: &Proposal<'_>, context: &Context<'_>) -> Result<(), Refusal> {
        state.open()?;
        let (Some(kind), Some(stated)) = (state.category, state.stated) else {
            return Err(Refusal::state("公告没有期限"));
        };
        let Some(rule) = period_rule(kind, &stated, &proposal.statement.org, context.world) else {
            return Err(Refusal::state("公告没有期限，不必延长"));
        };
        let end = stated.computed(rule.value, rule.unit, context.world)?.end;
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
        world.matters.change_notice(&event.statement.stream, |notice| notice.stated.ends_on = ends_on);
    }

    fn sample() -> Value {
        json!({"kind": "notice.extended.v1", "stream": sample_stream("notice", 1), "org": "341599101201",
            "fields": {"ends_on": "2026-06-12", "reason": "应村民要求延长(虚构)"}})
    }
}

impl Payload for Corrected {
    type State = State;
    const OPENS: bool = false;

    fn decide(&self, state: &State, proposal: &Proposal<'_>, _: &Context<'_>) -> Result<(), Refusal> {
        state.open()?;
        if proposal.text("title").is_none() && proposal.text("text").is_none() {
            return Err(Refusal::state("没有写明更正了什么"));
        }
        Ok(())
    }

    fn evolve(self, state: State, _: &Recorded<'_>) -> State {
        state
    }

    fn sample() -> Value {
        json!({"kind": "notice.corrected.v1", "stream": sample_stream("notice", 1), "org": "341599101201",
            "fields": {"text": "经支部委员会研究，拟接收林晓禾(虚构)、苏见山(虚构)两名同志为预备党员，现予公示。",
                "reason": "漏列一人"}})
    }
}

impl Payload for Closed {
    type State = State;
    const OPENS: bool = false;

    fn decide(&self, state: &State, proposal: &Proposal<'_>, context: &Context<'_>) -> Result<(), Refusal> {
        state.open()?;
        proposal.happened_by_then(self.closed_on, "closed_on", "结束日期")?;
        let (Some(kind), Some(stated)) = (state.category, state.stated) else { return Ok(()) };
        let Some(rule) = period_rule(kind, &stated, &proposal.statement.org, context.world) else { return Ok(()) };
        let end = stated.computed(rule.value, rule.unit, context.world)?.end;
        if self.closed_on < end { Err(Refusal::state(format!("期限到 {end} 才结束"))) } else { Ok(()) }
    }

    fn evolve(self, state: State, _: &Recorded<'_>) -> State {
        State { ended: Some("已公布结果"), ..state }
    }

    fn sample() -> Value {
        json!({"kind": "notice.closed.v1", "stream": sample_stream("notice", 1), "org": "341599101201",
            "fields": {"closed_on": "2026-06-08", "outcome": "公示期满，按程序办理"}})
    }
}

impl Payload for Withdrawn {
    type State = State;
    const OPENS: bool = false;

    fn decide(&self, state: &State, _: &Proposal<'_>, _: &Context<'_>) -> Result<(), Refusal> {
        state.open()
    }

    fn evolve(self, state: State, _: &Recorded<'_>) -> State {
        State { ended: Some("已撤回"), ..state }
    }

    fn sample() -> Value {
        json!({"kind": "notice.withdrawn.v1", "stream": sample_stream("notice", 1), "org": "341599101201",
            "fields": {"reason": "方案需重新讨论(虚构)"}})
    }
}
