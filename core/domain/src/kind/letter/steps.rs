//! What each statement about a letter demands and changes.

use chrono::NaiveDate;
use gongkai_log::{Signer, StreamId};
use serde_json::{Value, json};

use super::{
    Answered, Appeal, Class, Escalated, Extended, Forwarded, NotAccepted, Notice, Notified, Publication, Published,
    Rated, ReReviewed, Received, Registered, Returned, ReviewResult, Reviewed, State, Step, Urged,
};
use crate::{
    clock,
    event::{self, Context, Proposal, Recorded},
    kind::{FollowUp, NOT_THERE, Payload, Secrecy, intake, sample_stream, sealed_stream},
    refusal::Refusal,
    rules::RuleCode,
    world::{Role, World},
};

impl Payload for Received {
    type State = State;
    const OPENS: bool = true;
    const FOLLOW_UP: FollowUp = FollowUp::Answers;
    const SECRECY: Secrecy = Secrecy::Either;

    fn decide(&self, _: &State, proposal: &Proposal<'_>, context: &Context<'_>) -> Result<(), Refusal> {
        intake::handed_in(proposal)?;
        if self.class == Class::Accusation {
            let reason =
                "检举控告应加密给受理机关后提交：这样只有受理机关的收件人能看到，管理服务器的人和被反映的人都看不到";
            return Err(Refusal::field("class", "来信类别", reason));
        }
        intake::named_if_real(self.real_name, proposal)?;
        intake::not_to_the_accused(&proposal.statement.org, &self.concerns(), context.world)?;
        intake::impartial(proposal, &self.concerns(), context.world)
    }

    fn decide_unseen(_: &State, proposal: &Proposal<'_>, context: &Context<'_>) -> Result<(), Refusal> {
        intake::handed_in(proposal)?;
        intake::has_receiver(proposal, context.world)
    }

    fn evolve(self, _: State, event: &Recorded<'_>) -> State {
        State {
            class: Some(self.class),
            channel: Some(self.channel),
            real_name: Some(self.real_name),
            consent: self.consent_to_publish,
            concerns: self.concerns(),
            ..State::received(event)
        }
    }

    fn evolve_unseen(_: State, event: &Recorded<'_>) -> State {
        State::received(event)
    }

    fn concerns(&self) -> Vec<StreamId> {
        intake::streams(self.concerns.as_ref())
    }

    fn sample() -> Value {
        json!({"kind": "letter.received.v1", "stream": sealed_stream("letter", 1), "org": "341599101201", "fields": {
            "class": "appeal", "channel": "web", "real_name": true, "consent_to_publish": true,
            "title": "水渠塌方没有修(虚构)", "text": "五里桥水渠去年塌方，报了三次没有人来修。(虚构)",
            "request": "今年春灌前修好", "name": "周柏舟(虚构)", "contact": "五里桥自然村(虚构)"}})
    }
}

impl Payload for Registered {
    type State = State;
    const OPENS: bool = false;
    const HANDED_ON: bool = true;
    const TOLD: &'static [&'static str] = &["registered_on"];
    const SECRECY: Secrecy = Secrecy::Either;

    fn decide(&self, state: &State, proposal: &Proposal<'_>, context: &Context<'_>) -> Result<(), Refusal> {
        Self::decide_unseen(state, proposal, context)?;
        intake::impartial(proposal, &self.concerns(), context.world)?;
        intake::not_to_the_accused(&state.org, &self.concerns(), context.world)?;
        told_by_then(self.told_on, proposal)?;
        proposal.happened_by_then(self.registered_on, "registered_on", "受理日期")
    }

    fn decide_unseen(state: &State, proposal: &Proposal<'_>, context: &Context<'_>) -> Result<(), Refusal> {
        state.takes(Step::Registered, proposal, context.world)
    }

    fn evolve(self, mut state: State, _: &Recorded<'_>) -> State {
        for person in self.concerns() {
            if !state.concerns.contains(&person) {
                state.concerns.push(person);
            }
        }
        State {
            class: Some(self.class),
            channel: Some(self.channel),
            real_name: Some(self.real_name),
            consent: self.consent_to_publish,
            registered_on: Some(self.registered_on),
            told_acceptance: self.told_on.is_some(),
            ..state
        }
    }

    fn evolve_unseen(state: State, event: &Recorded<'_>) -> State {
        State { registered_on: Some(event.declared_on()), ..state }
    }

    fn concerns(&self) -> Vec<StreamId> {
        intake::streams(self.concerns.as_ref())
    }

    fn sample() -> Value {
        json!({"kind": "letter.registered.v1", "stream": sealed_stream("letter", 1), "org": "341599101201", "fields": {
            "class": "appeal", "channel": "web", "real_name": true, "consent_to_publish": true,
            "registered_on": "2026-03-12", "told_on": "2026-03-12"}})
    }
}

impl Payload for Forwarded {
    type State = State;
    const OPENS: bool = false;
    const HANDED_ON: bool = true;
    const TOLD: &'static [&'static str] = &["to", "forwarded_on", "reason"];

    fn decide(&self, state: &State, proposal: &Proposal<'_>, context: &Context<'_>) -> Result<(), Refusal> {
        state.takes(Step::Forwarded, proposal, context.world)?;
        if self.to.0 == state.org {
            return Err(Refusal::field("to", "转送机构", "来信已在这个机构"));
        }
        context.world.living(&self.to.0)?;
        intake::not_to_the_accused(&self.to.0, &state.concerns, context.world)?;
        told_by_then(self.told_on, proposal)?;
        proposal.happened_by_then(self.forwarded_on, "forwarded_on", "转送日期")
    }

    fn evolve(self, mut state: State, _: &Recorded<'_>) -> State {
        state.passed.push(state.org.clone());
        state.moved(self.to.0, self.forwarded_on)
    }

    fn sample() -> Value {
        json!({"kind": "letter.forwarded.v1", "stream": sealed_stream("letter", 1), "org": "341599101201", "fields": {
            "to": "341599101", "forwarded_on": "2026-03-12", "told_on": "2026-03-12",
            "reason": "水渠由镇水利站管护(虚构)"}})
    }
}

impl Payload for Returned {
    type State = State;
    const OPENS: bool = false;
    const HANDED_ON: bool = true;
    const TOLD: &'static [&'static str] = &["returned_on", "reason"];

    fn decide(&self, state: &State, proposal: &Proposal<'_>, context: &Context<'_>) -> Result<(), Refusal> {
        state.takes(Step::Returned, proposal, context.world)?;
        proposal.happened_by_then(self.returned_on, "returned_on", "退回日期")
    }

    fn evolve(self, mut state: State, _: &Recorded<'_>) -> State {
        match state.passed.pop() {
            Some(before) => state.moved(before, self.returned_on),
            None => state,
        }
    }

    fn sample() -> Value {
        json!({"kind": "letter.returned.v1", "stream": sealed_stream("letter", 1), "org": "341599101", "fields": {
            "returned_on": "2026-03-14", "reason": "该段水渠由村集体管护(虚构)"}})
    }
}

impl Payload for NotAccepted {
    type State = State;
    const OPENS: bool = false;
    const HANDED_ON: bool = true;
    const TOLD: &'static [&'static str] = &["ground", "decided_on", "reason"];
    const SECRECY: Secrecy = Secrecy::Either;

    fn decide(&self, state: &State, proposal: &Proposal<'_>, context: &Context<'_>) -> Result<(), Refusal> {
        Self::decide_unseen(state, proposal, context)?;
        told_by_then(self.told_on, proposal)?;
        proposal.happened_by_then(self.decided_on, "decided_on", "决定日期")
    }

    fn decide_unseen(state: &State, proposal: &Proposal<'_>, context: &Context<'_>) -> Result<(), Refusal> {
        state.takes(Step::NotAccepted, proposal, context.world)
    }

    fn evolve(self, state: State, event: &Recorded<'_>) -> State {
        Self::evolve_unseen(state, event)
    }

    fn evolve_unseen(state: State, _: &Recorded<'_>) -> State {
        State { not_accepted: true, ..state }
    }

    fn sample() -> Value {
        json!({"kind": "letter.not_accepted.v1", "stream": sealed_stream("letter", 1), "org": "341599101201", "fields": {
            "ground": "in_court", "decided_on": "2026-03-12", "told_on": "2026-03-12",
            "reason": "此事法院正在审理(虚构)"}})
    }
}

impl Payload for Extended {
    type State = State;
    const OPENS: bool = false;
    const HANDED_ON: bool = true;
    const TOLD: &'static [&'static str] = &["extended_on", "reason"];

    fn decide(&self, state: &State, proposal: &Proposal<'_>, context: &Context<'_>) -> Result<(), Refusal> {
        state.takes(Step::Extended, proposal, context.world)?;
        proposal.happened_by_then(self.extended_on, "extended_on", "批准日期")
    }

    fn evolve(self, state: State, _: &Recorded<'_>) -> State {
        State { extended: true, ..state }
    }

    fn sample() -> Value {
        json!({"kind": "letter.extended.v1", "stream": sealed_stream("letter", 1), "org": "341599101201", "fields": {
            "extended_on": "2026-05-06", "reason": "需等汛期前勘测结果(虚构)"}})
    }
}

impl Payload for Notified {
    type State = State;
    const OPENS: bool = false;
    const HANDED_ON: bool = true;
    const TOLD: &'static [&'static str] = &["what", "told_on"];

    fn decide(&self, state: &State, proposal: &Proposal<'_>, context: &Context<'_>) -> Result<(), Refusal> {
        state.takes(Step::Notified, proposal, context.world)?;
        if self.what == Notice::Result && state.closed_on.is_none() {
            return Err(Refusal::state("来信还没有办结，不能告知结果"));
        }
        proposal.happened_by_then(self.told_on, "told_on", "告知日期")
    }

    fn evolve(self, state: State, _: &Recorded<'_>) -> State {
        state.told(self.what)
    }

    fn sample() -> Value {
        json!({"kind": "letter.notified.v1", "stream": sealed_stream("letter", 1), "org": "341599101201", "fields": {
            "what": "acceptance", "told_on": "2026-03-12"}})
    }
}

impl Payload for Answered {
    type State = State;
    const OPENS: bool = false;
    const HANDED_ON: bool = true;
    const TOLD: &'static [&'static str] = &["answered_on", "text", "points"];
    const SECRECY: Secrecy = Secrecy::Either;

    fn decide(&self, state: &State, proposal: &Proposal<'_>, context: &Context<'_>) -> Result<(), Refusal> {
        Self::decide_unseen(state, proposal, context)?;
        intake::explained(self.points.as_deref().unwrap_or_default())?;
        told_by_then(self.told_on, proposal)?;
        proposal.happened_by_then(self.answered_on, "answered_on", "办结日期")
    }

    fn decide_unseen(state: &State, proposal: &Proposal<'_>, context: &Context<'_>) -> Result<(), Refusal> {
        state.takes(Step::Answered, proposal, context.world)
    }

    fn evolve(self, state: State, _: &Recorded<'_>) -> State {
        State { closed_on: Some(self.answered_on), told_result: self.told_on.is_some(), ..state }
    }

    fn evolve_unseen(state: State, event: &Recorded<'_>) -> State {
        State { closed_on: Some(event.declared_on()), ..state }
    }

    fn sample() -> Value {
        json!({"kind": "letter.answered.v1", "stream": sealed_stream("letter", 1), "org": "341599101201", "fields": {
            "answered_on": "2026-04-02", "told_on": "2026-04-02", "text": "水渠已列入春灌抢修(虚构)",
            "points": [{"point": "修复塌方", "result": "done", "reply": "3月28日修复通水"},
                {"point": "硬化渠底", "result": "not_now", "reply": "今年不办", "explanation": "资金已用于抢修，列入明年计划"}]}})
    }
}

impl Payload for Urged {
    type State = State;
    const OPENS: bool = false;
    const HANDED_ON: bool = true;
    const TOLD: &'static [&'static str] = &["by", "due_on"];

    fn decide(&self, state: &State, proposal: &Proposal<'_>, context: &Context<'_>) -> Result<(), Refusal> {
        state.takes(Step::Urged, proposal, context.world)?;
        if proposal.statement.org != state.org {
            let reason = format!("应写办理来信的机构「{}」，督办机构写在督办机构一项", state.org);
            return Err(Refusal::field("org", "机构", reason));
        }
        let by = self.by.0.as_str();
        context.world.living(by)?;
        if by == state.org || !context.world.is_within(&state.org, by) {
            return Err(Refusal::field("by", "督办机构", format!("应是机构「{}」的上级机构", state.org)));
        }
        if !proposal.statement.signers.first().is_some_and(|signer| acts_for(signer, by, context.world)) {
            return Err(Refusal::field("by", "督办机构", "签名人在这个机构没有督办的职责"));
        }
        if self.due_on < self.urged_on {
            return Err(Refusal::field("due_on", "办理时限", "不能早于督办日期"));
        }
        proposal.happened_by_then(self.urged_on, "urged_on", "督办日期")
    }

    fn evolve(self, state: State, _: &Recorded<'_>) -> State {
        State { urged: Some(self.due_on), ..state }
    }

    fn sample() -> Value {
        json!({"kind": "letter.urged.v1", "stream": sealed_stream("letter", 1), "org": "341599101201", "fields": {
            "by": "341599", "urged_on": "2026-03-30", "due_on": "2026-04-07",
            "text": "春灌前修好水渠并答复来信人(虚构)"}})
    }
}

/// Whether a signer holds the role in which they sign at an organization, or above it.
fn acts_for(signer: &Signer, org: &str, world: &World) -> bool {
    let person = world.key(&signer.key).and_then(|key| key.person.as_ref());
    let role = Role::from_wire(&signer.role);
    person.zip(role).is_some_and(|(person, role)| world.holds(person, role, Some(org)))
}

impl Payload for Rated {
    type State = State;
    const OPENS: bool = false;
    const HANDED_ON: bool = true;
    const TOLD: &'static [&'static str] = &["satisfaction", "rated_on"];

    fn decide(&self, state: &State, proposal: &Proposal<'_>, context: &Context<'_>) -> Result<(), Refusal> {
        intake::handed_in(proposal)?;
        intake::in_hand(proposal, &state.org, context.world)?;
        if state.closed_on.is_none() {
            return Err(Refusal::state("来信还没有答复，不能评价"));
        }
        if state.rated {
            return Err(Refusal::state("答复已经评价过"));
        }
        proposal.happened_by_then(self.rated_on, "rated_on", "评价日期")
    }

    fn evolve(self, state: State, _: &Recorded<'_>) -> State {
        State { rated: true, ..state }
    }

    fn sample() -> Value {
        json!({"kind": "letter.rated.v1", "stream": sealed_stream("letter", 1), "org": "341599101201", "fields": {
            "satisfaction": "fair", "rated_on": "2026-04-05", "comment": "通水了，渠底还盼早点硬化(虚构)"}})
    }
}

impl Escalated {
    /// The level above is asked within its time after an answer, or when the answer is overdue.
    fn timely(&self, state: &State, world: &World) -> Result<(), Refusal> {
        let Some(closed_on) = state.closed_on else {
            let due = clock::clock(&event::State::new(state.clone()), world);
            return match due {
                Some(due) if due.due_on >= self.escalated_on => {
                    Err(Refusal::state(format!("还在办理期限内（{}，最后一天是 {}）", due.what, due.due_on)))
                }
                Some(_) => Ok(()),
                None => Err(Refusal::state("来信还在办理，没有逾期")),
            };
        };
        match clock::last_day(RuleCode::LetterAppealDaysMax, state.decided_by(), closed_on, world) {
            Some(last) if self.escalated_on > last => {
                Err(Refusal::state(format!("申请复查复核的最后一天是 {last}，已经超过")))
            }
            _ => Ok(()),
        }
    }
}

impl Payload for Escalated {
    type State = State;
    const OPENS: bool = false;
    const HANDED_ON: bool = true;
    const TOLD: &'static [&'static str] = &["to", "escalated_on"];

    fn decide(&self, state: &State, proposal: &Proposal<'_>, context: &Context<'_>) -> Result<(), Refusal> {
        let inspected = proposal.statement.signers.first().is_some_and(|by| by.role == Role::Inspector.wire());
        if !inspected {
            intake::handed_in(proposal)?;
        }
        intake::in_hand(proposal, &state.org, context.world)?;
        if state.ended || state.appeals_count >= 2 {
            return Err(Refusal::state("复核是最后一级，不再受理"));
        }
        if state.appeal.is_some() {
            return Err(Refusal::state("已经向上一级申请，正在办理"));
        }
        let decided_by = state.decided_by();
        if self.to.0 == decided_by || !context.world.is_within(decided_by, &self.to.0) {
            return Err(Refusal::field("to", "上一级机构", format!("应是机构「{decided_by}」的上级机构")));
        }
        intake::not_to_the_accused(&self.to.0, &state.concerns, context.world)?;
        self.timely(state, context.world)?;
        proposal.happened_by_then(self.escalated_on, "escalated_on", "申请日期")
    }

    fn evolve(self, state: State, _: &Recorded<'_>) -> State {
        let appeal = Appeal { to: self.to.0, on: self.escalated_on };
        State { appeal: Some(appeal), appeals_count: state.appeals_count + 1, ..state }
    }

    fn sample() -> Value {
        json!({"kind": "letter.escalated.v1", "stream": sealed_stream("letter", 1), "org": "341599101201", "fields": {
            "to": "341599101", "escalated_on": "2026-04-10", "reason": "渠底不硬化，明年还会塌(虚构)"}})
    }
}

/// A review is decided by the body that was asked, in its turn: the first is 复查, the second 复核.
fn reviewing(state: &State, step: Step, proposal: &Proposal<'_>, context: &Context<'_>) -> Result<(), Refusal> {
    state.admits(step)?;
    intake::in_hand(proposal, state.taken_by(step), context.world)?;
    intake::impartial(proposal, &state.concerns, context.world)
}

/// After a review: the body that decided is the one above, and a matter to be handled anew is open again.
fn reviewed(state: State, result: Option<ReviewResult>, on: NaiveDate, told: bool) -> State {
    let reviewer = state.appeal.as_ref().map(|appeal| appeal.to.clone());
    let state = State { appeal: None, reviewer, ..state };
    if result == Some(ReviewResult::Remade) {
        State { closed_on: None, registered_on: Some(on), extended: false, told_result: false, ..state }
    } else {
        State { closed_on: Some(on), told_result: told, ended: state.appeals_count >= 2, ..state }
    }
}

/// The two reviews differ in their turn and their words.
macro_rules! review {
    ($name:ident, $label:literal, $sample:expr) => {
        impl Payload for $name {
            type State = State;
            const OPENS: bool = false;
            const HANDED_ON: bool = true;
            const SECRECY: Secrecy = Secrecy::Either;
            const TOLD: &'static [&'static str] = &["result", "reviewed_on", "text"];

            fn decide(&self, state: &State, proposal: &Proposal<'_>, context: &Context<'_>) -> Result<(), Refusal> {
                reviewing(state, Step::$name, proposal, context)?;
                told_by_then(self.told_on, proposal)?;
                proposal.happened_by_then(self.reviewed_on, "reviewed_on", $label)
            }

            fn decide_unseen(state: &State, proposal: &Proposal<'_>, context: &Context<'_>) -> Result<(), Refusal> {
                reviewing(state, Step::$name, proposal, context)
            }

            fn evolve(self, state: State, _: &Recorded<'_>) -> State {
                reviewed(state, Some(self.result), self.reviewed_on, self.told_on.is_some())
            }

            fn evolve_unseen(state: State, event: &Recorded<'_>) -> State {
                reviewed(state, None, event.declared_on(), false)
            }

            fn sample() -> Value {
                $sample
            }
        }
    };
}

review!(
    Reviewed,
    "复查日期",
    json!({"kind": "letter.reviewed.v1", "stream": sealed_stream("letter", 1), "org": "341599101", "fields": {
        "result": "upheld", "reviewed_on": "2026-05-06", "told_on": "2026-05-06", "text": "维持村委会的办理意见(虚构)"}})
);
review!(
    ReReviewed,
    "复核日期",
    json!({"kind": "letter.re_reviewed.v1", "stream": sealed_stream("letter", 1), "org": "341599", "fields": {
        "result": "changed", "reviewed_on": "2026-06-10", "told_on": "2026-06-10", "text": "渠底硬化列入今年下半年(虚构)"}})
);

impl Payload for Published {
    type State = Publication;
    const OPENS: bool = true;
    const NAMES: Option<&'static str> = Some("letter");

    fn decide(&self, _: &Publication, proposal: &Proposal<'_>, _: &Context<'_>) -> Result<(), Refusal> {
        if !self.consent {
            return Err(Refusal::field("consent", "来信人同意公开", "来信人没有同意，不能公开"));
        }
        if self.class == Class::Accusation {
            return Err(Refusal::field("class", "来信类别", "检举控告类来信不公开"));
        }
        if self.answered_on < self.received_on {
            return Err(Refusal::field("answered_on", "答复日期", "不能早于来信日期"));
        }
        // The slot is not public: an auditor without it judges the rest.
        let names_letter = |text: &str| text.parse::<StreamId>().is_ok_and(|stream| stream.family == "letter");
        if proposal.text("letter").is_some_and(|text| !names_letter(text)) {
            return Err(Refusal::field("letter", "来信编号", "应是 letter/ 开头的事项编号"));
        }
        proposal.happened_by_then(self.answered_on, "answered_on", "答复日期")
    }

    fn decide_named(&self, named: &event::State, proposal: &Proposal<'_>) -> Result<(), Refusal> {
        let letter = named.get::<State>().filter(|letter| letter.is_handled_by(&proposal.statement.org));
        let Some(letter) = letter else { return Err(Refusal::field("letter", "来信编号", NOT_THERE)) };
        letter.may_be_published()?;
        if letter.class.is_some_and(|class| class != self.class) {
            return Err(Refusal::field("class", "来信类别", "与这件来信的类别不同"));
        }
        if letter.passed.is_empty() && letter.received_on.is_some_and(|on| on != self.received_on) {
            return Err(Refusal::field("received_on", "来信日期", "与收到这件来信的日期不同"));
        }
        Ok(())
    }

    fn evolve(self, _: Publication, _: &Recorded<'_>) -> Publication {
        Publication
    }

    fn sample() -> Value {
        json!({"kind": "letter.published.v1", "stream": sample_stream("letter", 2), "org": "341599101201", "fields": {
            "class": "appeal", "received_on": "2026-03-10", "answered_on": "2026-04-02", "consent": true,
            "title": "水渠塌方何时修复", "question": "五里桥水渠去年塌方，报了三次没有人来修。",
            "answer": "水渠已于3月28日修复通水，渠底硬化列入明年计划。", "letter": sealed_stream("letter", 1)}})
    }
}

fn told_by_then(told_on: Option<NaiveDate>, proposal: &Proposal<'_>) -> Result<(), Refusal> {
    told_on.map_or(Ok(()), |told_on| proposal.happened_by_then(told_on, "told_on", "告知日期"))
}
