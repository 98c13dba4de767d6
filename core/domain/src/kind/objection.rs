//! Objections (异议): to people before their appointment, and to notices.
//!
//! The submitter encrypts an objection to the receivers of the competent body; the ledger stores what it cannot
//! read. So what is judged here is who hands it in and to which body, and afterwards what the body itself says:
//! whether it accepts, what came of it. Nothing of it is public, not even that there is one.
//!
//! A late objection to a nomination is never refused, it becomes a letter of class 检举控告; a late one to a
//! list of voters is not accepted. Whether one was late is decided by the public notice and the day of receipt
//! (or an earlier postmark where the notice counts that), never by the body's word. What a further sealed answer
//! needs to know goes into [`State`].

use chrono::NaiveDate;
use gongkai_log::StreamId;
use serde_json::{Value, json};

use super::{
    FollowUp, Payload, Secrecy,
    intake::{self, CITIZEN, Concerned, HANDLERS},
    notice, payload, sample_stream, sealed_stream,
};
use crate::{
    clock::{Limit, Running, last_day},
    event::{Context, Proposal, Recorded},
    field::{Attachment, LetterId, NominationId, NoticeId, choices},
    matters::{Nomination, Notice},
    refusal::Refusal,
    rules::RuleCode,
    world::{Role, World},
};

choices! {
    /// What came of an objection to a nomination.
    NominationResult {
        Substantiated = "substantiated" "反映属实",
        Partly = "partly" "部分属实",
        Unsubstantiated = "unsubstantiated" "反映不实",
        Unverifiable = "unverifiable" "无法查实",
        ToLetter = "to_letter" "逾期，转为检举控告来信办理",
    }
}

choices! {
    /// What came of an objection to a notice.
    NoticeResult {
        Sustained = "sustained" "异议成立",
        Partly = "partly" "部分成立",
        Dismissed = "dismissed" "异议不成立",
        Late = "late" "逾期不予受理",
    }
}

payload! {
    /// An objection to a person of a nomination, encrypted to the body.
    NominationObjected = "nomination.objected.v1" "对拟任人选提出异议";
    sealed {
        nomination: NominationId, Named = "任前公示",
        person: Option<u64>, Named = "人员行号",
        real_name: bool, Named = "实名反映",
        postmark_on: Option<NaiveDate>, Named = "到达邮戳日期",
        concerns: Option<Vec<Concerned>>, Named = "所反映的人",
        attachments: Option<Vec<Attachment>>, Named = "证据材料",
    }
    slots {
        text: Named Text(20_000) required = "反映内容",
        evidence: Named Text(4000) optional = "证据说明",
        name: Named Text(50) optional = "姓名",
        contact: Named Text(200) optional = "联系方式",
    }
    authors CITIZEN;
}

payload! {
    /// An objection to a notice, encrypted to the body.
    NoticeObjected = "notice.objected.v1" "对公示提出异议";
    sealed {
        notice: NoticeId, Named = "公示",
        real_name: bool, Named = "实名反映",
        postmark_on: Option<NaiveDate>, Named = "到达邮戳日期",
        concerns: Option<Vec<Concerned>>, Named = "所反映的人",
        attachments: Option<Vec<Attachment>>, Named = "证据材料",
    }
    slots {
        text: Named Text(20_000) required = "异议内容",
        evidence: Named Text(4000) optional = "证据说明",
        name: Named Text(50) optional = "姓名",
        contact: Named Text(200) optional = "联系方式",
    }
    authors CITIZEN;
}

payload! {
    /// The body takes an objection to a notice up. From then on its clock is that of the notice's type.
    NoticeObjectionAccepted = "notice.objection_accepted.v1" "受理异议";
    sealed {
        notice: NoticeId, Named = "公示",
        accepted_on: NaiveDate, Named = "受理日期",
        postmark_on: Option<NaiveDate>, Named = "到达邮戳日期",
        concerns: Option<Vec<Concerned>>, Named = "所反映的人",
    }
    slots { note: Named Text(1000) optional = "说明" }
    authors HANDLERS;
}

payload! {
    /// What came of an objection to a nomination.
    NominationObjectionResolved = "nomination.objection_resolved.v1" "办结异议";
    sealed {
        nomination: NominationId, Named = "任前公示",
        result: NominationResult, Named = "办理结果",
        resolved_on: NaiveDate, Named = "办结日期",
        told_on: Option<NaiveDate>, Named = "告知日期",
        postmark_on: Option<NaiveDate>, Named = "到达邮戳日期",
        letter: Option<LetterId>, Named = "转为来信",
        concerns: Option<Vec<Concerned>>, Named = "所反映的人",
    }
    slots { done: Named Text(8000) required = "办理情况", reply: Named Text(4000) optional = "答复内容" }
    authors HANDLERS;
}

payload! {
    /// What came of an objection to a notice.
    NoticeObjectionResolved = "notice.objection_resolved.v1" "办结异议";
    sealed {
        notice: NoticeId, Named = "公示",
        result: NoticeResult, Named = "办理结果",
        resolved_on: NaiveDate, Named = "办结日期",
        told_on: Option<NaiveDate>, Named = "告知日期",
        postmark_on: Option<NaiveDate>, Named = "到达邮戳日期",
        concerns: Option<Vec<Concerned>>, Named = "所反映的人",
    }
    slots { done: Named Text(8000) required = "办理情况", reply: Named Text(4000) optional = "答复内容" }
    authors HANDLERS;
}

/// State of an objection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// Code of the body that received it.
    pub org: String,
    /// The day on which it was received.
    pub received_on: Option<NaiveDate>,
    /// The notice, once the body said which.
    pub notice: Option<NoticeId>,
    /// Persons complained of, once the body said who.
    pub concerns: Vec<StreamId>,
    /// Whether it was taken up.
    pub accepted: bool,
    /// Whether it was resolved.
    pub resolved: bool,
}

impl State {
    /// What is awaited: the decision, in three days on a list of voters.
    pub(crate) fn running(&self, world: &World) -> Vec<Running> {
        let (Some(from), false) = (self.received_on, self.resolved) else { return Vec::new() };
        let notice = self.notice.as_ref().and_then(|notice| world.matters.notice(&notice.0));
        let code = match notice.map(|notice| notice.category) {
            Some(notice::Type::Voters) => RuleCode::VoterDecisionDaysMax,
            _ => RuleCode::ObjectionDaysMax,
        };
        let limit = Limit::Rules(from, vec![code]);
        vec![Running { what: "办结异议".into(), org: self.org.clone(), part: None, limit }]
    }

    fn received(event: &Recorded<'_>) -> Self {
        let org = event.statement.org.clone();
        Self { org, received_on: Some(intake::received_on(event)), ..Self::default() }
    }

    /// Whether the body may still say something of it.
    fn pending(&self, proposal: &Proposal<'_>, world: &World) -> Result<(), Refusal> {
        if self.resolved {
            return Err(Refusal::state("这件异议已经办结"));
        }
        intake::in_hand(proposal, &self.org, world)?;
        intake::impartial(proposal, &self.concerns, world)
    }

    /// The day that decides whether it was late.
    fn decisive(&self, postmark_on: Option<NaiveDate>, postmark_counts: bool) -> Option<NaiveDate> {
        let postmark = postmark_on.filter(|_| postmark_counts);
        self.received_on.map(|received| postmark.map_or(received, |postmark| postmark.min(received)))
    }
}

/// The last day on which an objection to a notice is in time; `None` when the notice has no period.
pub fn last_day_of_notice(notice: &Notice, world: &World) -> Option<NaiveDate> {
    if notice.category == notice::Type::Voters {
        return last_day(RuleCode::VoterObjectionDaysMax, &notice.org, notice.stated.starts_on, world);
    }
    let rule = notice::period_rule(notice.category, &notice.stated, &notice.org, world)?;
    Some(notice.stated.computed(rule.value, rule.unit, world).ok()?.end)
}

/// The last day on which an objection to a nomination is in time.
pub fn last_day_of_nomination(nomination: &Nomination, world: &World) -> Option<NaiveDate> {
    let rule = world.rule(RuleCode::NominationDaysMin, &nomination.org, nomination.stated.starts_on);
    Some(nomination.stated.computed(rule.value, rule.unit, world).ok()?.end)
}

/// A body decides on the notices of its own organization and of those below.
fn of_body(org: &str, state: &State, world: &World) -> Result<(), Refusal> {
    if world.is_within(org, &state.org) {
        return Ok(());
    }
    Err(Refusal::field("org", "机构", format!("这份公示由机构「{org}」发布，不归「{}」处理", state.org)))
}

fn known_nomination<'w>(id: &NominationId, world: &'w World) -> Result<&'w Nomination, Refusal> {
    world.matters.nomination(&id.0).ok_or_else(|| Refusal::field("nomination", "任前公示", "没有这份任前公示"))
}

fn known_notice<'w>(id: &NoticeId, world: &'w World) -> Result<&'w Notice, Refusal> {
    world.matters.notice(&id.0).ok_or_else(|| Refusal::field("notice", "公示", "没有这份公示"))
}

/// What can be judged of an encrypted objection.
fn received(proposal: &Proposal<'_>, context: &Context<'_>) -> Result<(), Refusal> {
    intake::handed_in(proposal)?;
    intake::has_receiver(proposal, context.world)
}

impl Payload for NominationObjected {
    type State = State;
    const OPENS: bool = true;
    const FOLLOW_UP: FollowUp = FollowUp::Answers;
    const SECRECY: Secrecy = Secrecy::Body;
    const NAMED_READERS: &'static [Role] = HANDLERS;

    fn decide(&self, _: &State, proposal: &Proposal<'_>, context: &Context<'_>) -> Result<(), Refusal> {
        received(proposal, context)?;
        intake::named_if_real(self.real_name, proposal)?;
        let nomination = known_nomination(&self.nomination, context.world)?;
        if self.person.is_some_and(|person| person >= nomination.people_count) {
            let reason = format!("公示共 {} 人，行号从 0 起", nomination.people_count);
            return Err(Refusal::field("person", "人员行号", reason));
        }
        Ok(())
    }

    fn decide_unseen(_: &State, proposal: &Proposal<'_>, context: &Context<'_>) -> Result<(), Refusal> {
        received(proposal, context)
    }

    fn evolve(self, _: State, event: &Recorded<'_>) -> State {
        State { concerns: self.concerns(), ..State::received(event) }
    }

    fn evolve_unseen(_: State, event: &Recorded<'_>) -> State {
        State::received(event)
    }

    fn concerns(&self) -> Vec<StreamId> {
        intake::streams(self.concerns.as_ref())
    }

    fn sample() -> Value {
        json!({"kind": "nomination.objected.v1", "stream": sealed_stream("nomination", 1), "org": "341599", "fields": {
            "nomination": sample_stream("nomination", 1), "person": 0, "real_name": true,
            "concerns": intake::sample_concerned(2), "text": "公示材料中的任职年限与实际不符(虚构)",
            "evidence": "附任职文件复印件(虚构)", "name": "周柏舟(虚构)", "contact": "青禾县柳溪镇(虚构)"}})
    }
}

impl Payload for NoticeObjected {
    type State = State;
    const OPENS: bool = true;
    const FOLLOW_UP: FollowUp = FollowUp::Answers;
    const SECRECY: Secrecy = Secrecy::Body;
    const NAMED_READERS: &'static [Role] = HANDLERS;

    fn decide(&self, _: &State, proposal: &Proposal<'_>, context: &Context<'_>) -> Result<(), Refusal> {
        received(proposal, context)?;
        intake::named_if_real(self.real_name, proposal)?;
        known_notice(&self.notice, context.world).map(drop)
    }

    fn decide_unseen(_: &State, proposal: &Proposal<'_>, context: &Context<'_>) -> Result<(), Refusal> {
        received(proposal, context)
    }

    fn evolve(self, _: State, event: &Recorded<'_>) -> State {
        let concerns = self.concerns();
        State { concerns, notice: Some(self.notice), ..State::received(event) }
    }

    fn evolve_unseen(_: State, event: &Recorded<'_>) -> State {
        State::received(event)
    }

    fn concerns(&self) -> Vec<StreamId> {
        intake::streams(self.concerns.as_ref())
    }

    fn sample() -> Value {
        json!({"kind": "notice.objected.v1", "stream": sealed_stream("notice", 1), "org": "341599101201", "fields": {
            "notice": sample_stream("notice", 1), "real_name": false, "text": "名单中有一人不在本村居住(虚构)"}})
    }
}

impl Payload for NoticeObjectionAccepted {
    type State = State;
    const OPENS: bool = false;
    const TOLD: &'static [&'static str] = &["accepted_on"];
    const SECRECY: Secrecy = Secrecy::Either;
    const NAMED_READERS: &'static [Role] = HANDLERS;

    fn decide(&self, state: &State, proposal: &Proposal<'_>, context: &Context<'_>) -> Result<(), Refusal> {
        Self::decide_unseen(state, proposal, context)?;
        intake::impartial(proposal, &self.concerns(), context.world)?;
        let notice = known_notice(&self.notice, context.world)?;
        of_body(&notice.org, state, context.world)?;
        let last = last_day_of_notice(notice, context.world).filter(|_| notice.category == notice::Type::Voters);
        if let (Some(last), Some(day)) = (last, state.decisive(self.postmark_on, true))
            && day > last
        {
            return Err(Refusal::state(format!("对选民名单的异议应在 {last} 前提出，这件于 {day} 提出，逾期不予受理")));
        }
        proposal.happened_by_then(self.accepted_on, "accepted_on", "受理日期")
    }

    fn decide_unseen(state: &State, proposal: &Proposal<'_>, context: &Context<'_>) -> Result<(), Refusal> {
        state.pending(proposal, context.world)?;
        if state.accepted { Err(Refusal::state("这件异议已经受理")) } else { Ok(()) }
    }

    fn evolve(self, mut state: State, event: &Recorded<'_>) -> State {
        state.concerns.extend(self.concerns());
        state.notice = Some(self.notice);
        Self::evolve_unseen(state, event)
    }

    fn evolve_unseen(state: State, _: &Recorded<'_>) -> State {
        State { accepted: true, ..state }
    }

    fn concerns(&self) -> Vec<StreamId> {
        intake::streams(self.concerns.as_ref())
    }

    fn sample() -> Value {
        json!({"kind": "notice.objection_accepted.v1", "stream": sealed_stream("notice", 1), "org": "341599101201",
            "fields": {"notice": sample_stream("notice", 1), "accepted_on": "2026-06-03"}})
    }
}

impl Payload for NominationObjectionResolved {
    type State = State;
    const OPENS: bool = false;
    const TOLD: &'static [&'static str] = &["result", "resolved_on", "reply"];
    const SECRECY: Secrecy = Secrecy::Either;
    const NAMED_READERS: &'static [Role] = HANDLERS;

    fn decide(&self, state: &State, proposal: &Proposal<'_>, context: &Context<'_>) -> Result<(), Refusal> {
        Self::decide_unseen(state, proposal, context)?;
        intake::impartial(proposal, &self.concerns(), context.world)?;
        let nomination = known_nomination(&self.nomination, context.world)?;
        of_body(&nomination.org, state, context.world)?;
        if self.result == NominationResult::ToLetter {
            let day = state.decisive(self.postmark_on, nomination.postmark_counts);
            in_time_is_handled(day, last_day_of_nomination(nomination, context.world), "转为来信")?;
            if self.letter.is_none() {
                return Err(Refusal::field("letter", "转为来信", "逾期的异议不拒收，须写明转成的来信"));
            }
        }
        proposal.happened_by_then(self.resolved_on, "resolved_on", "办结日期")
    }

    fn decide_unseen(state: &State, proposal: &Proposal<'_>, context: &Context<'_>) -> Result<(), Refusal> {
        state.pending(proposal, context.world)
    }

    fn evolve(self, mut state: State, event: &Recorded<'_>) -> State {
        state.concerns.extend(self.concerns());
        Self::evolve_unseen(state, event)
    }

    fn evolve_unseen(state: State, _: &Recorded<'_>) -> State {
        State { resolved: true, ..state }
    }

    fn concerns(&self) -> Vec<StreamId> {
        intake::streams(self.concerns.as_ref())
    }

    fn sample() -> Value {
        json!({"kind": "nomination.objection_resolved.v1", "stream": sealed_stream("nomination", 1), "org": "341599",
            "fields": {"nomination": sample_stream("nomination", 1), "result": "unsubstantiated",
                "resolved_on": "2026-05-06", "told_on": "2026-05-06", "done": "核对了任职文件，年限计算无误(虚构)"}})
    }
}

impl Payload for NoticeObjectionResolved {
    type State = State;
    const OPENS: bool = false;
    const TOLD: &'static [&'static str] = &["result", "resolved_on", "reply"];
    const SECRECY: Secrecy = Secrecy::Either;
    const NAMED_READERS: &'static [Role] = HANDLERS;

    fn decide(&self, state: &State, proposal: &Proposal<'_>, context: &Context<'_>) -> Result<(), Refusal> {
        Self::decide_unseen(state, proposal, context)?;
        intake::impartial(proposal, &self.concerns(), context.world)?;
        let notice = known_notice(&self.notice, context.world)?;
        of_body(&notice.org, state, context.world)?;
        if self.result == NoticeResult::Late {
            let last = last_day_of_notice(notice, context.world);
            in_time_is_handled(state.decisive(self.postmark_on, true), last, "不予受理")?;
        }
        proposal.happened_by_then(self.resolved_on, "resolved_on", "办结日期")
    }

    fn decide_unseen(state: &State, proposal: &Proposal<'_>, context: &Context<'_>) -> Result<(), Refusal> {
        state.pending(proposal, context.world)
    }

    fn evolve(self, mut state: State, event: &Recorded<'_>) -> State {
        state.concerns.extend(self.concerns());
        Self::evolve_unseen(state, event)
    }

    fn evolve_unseen(state: State, _: &Recorded<'_>) -> State {
        State { resolved: true, ..state }
    }

    fn concerns(&self) -> Vec<StreamId> {
        intake::streams(self.concerns.as_ref())
    }

    fn sample() -> Value {
        json!({"kind": "notice.objection_resolved.v1", "stream": sealed_stream("notice", 1), "org": "341599101201",
            "fields": {"notice": sample_stream("notice", 1), "result": "sustained", "resolved_on": "2026-06-04",
                "told_on": "2026-06-04", "done": "经核实此人户籍已迁出，从名单中删去(虚构)"}})
    }
}

/// What came in time is handled, and not put off as late.
fn in_time_is_handled(day: Option<NaiveDate>, last: Option<NaiveDate>, how: &str) -> Result<(), Refusal> {
    match (day, last) {
        (Some(day), Some(last)) if day > last => Ok(()),
        (_, Some(last)) => {
            Err(Refusal::field("result", "办理结果", format!("异议没有逾期（最后一天是 {last}），不能以逾期{how}")))
        }
        (_, None) => Err(Refusal::field("result", "办理结果", format!("公示没有期限，不能以逾期{how}"))),
    }
}
