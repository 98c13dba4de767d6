//! Supervision (督办): an organization above sets one below a day; the clock is public.
//!
//! Whether it is overdue is computed when read. An answer may say that something is not done now, and then
//! explains it; each answer stays on the page, and one that says "partly" lets the clock run on. A sealed matter is named
//! by none: a letter is put under supervision by a sealed step of its own ([`super::letter::Urged`]).

use chrono::NaiveDate;
use gongkai_log::StreamId;
use serde_json::{Value, json};

use super::{PUBLISHER, Payload, intake, payload, sample_stream};
use crate::{
    clock::{Limit, Running},
    event::{Context, Proposal, Recorded},
    field::{ListRule, OrgCode, choices},
    refusal::Refusal,
    world::Role,
};

choices! {
    /// How far the matter is.
    Progress {
        Done = "done" "已办结",
        Partly = "partly" "部分办结",
        NotNow = "not_now" "暂不办理",
    }
}

/// Who supervises, of a matter that is public or of a sealed one.
pub(crate) const ISSUERS: &[Role] = &[Role::Inspector, Role::Approver, Role::Publisher];

payload! {
    /// An organization below is told to act by a day.
    Issued = "supervision.issued.v1" "督办";
    body {
        to: OrgCode = "被督办机构",
        about: Option<StreamId> = "督办事项",
        issued_on: NaiveDate = "督办日期",
        due_on: NaiveDate = "办理时限",
    }
    slots { title: Public Text(300) required = "标题", text: Public Text(4000) required = "督办要求" }
    list ListRule::None;
    authors ISSUERS;
}

payload! {
    /// The organization answers.
    Answered = "supervision.answered.v1" "回复督办";
    body { result: Progress = "办理结果", answered_on: NaiveDate = "回复日期" }
    slots {
        text: Public Text(4000) required = "办理情况",
        explanation: Public Text(2000) optional = "暂不办理的说明",
    }
    list ListRule::None;
    authors PUBLISHER;
}

/// State of a supervision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// Code of the organization that must act.
    pub to: String,
    /// The last day.
    pub due_on: Option<NaiveDate>,
    /// Whether it answered that it is done, or explained why not now.
    pub answered: bool,
}

impl State {
    /// The answer that is awaited.
    pub(crate) fn running(&self) -> Vec<Running> {
        let due = self.due_on.filter(|_| !self.answered);
        due.map(|day| Running { what: "回复督办".into(), org: self.to.clone(), part: None, limit: Limit::On(day) })
            .into_iter()
            .collect()
    }
}

impl Payload for Issued {
    type State = State;
    const OPENS: bool = true;

    fn decide(&self, _: &State, proposal: &Proposal<'_>, context: &Context<'_>) -> Result<(), Refusal> {
        let org = proposal.statement.org.as_str();
        context.world.living(&self.to.0)?;
        if self.to.0 == org || !context.world.is_within(&self.to.0, org) {
            return Err(Refusal::field("to", "被督办机构", "应是本机构的下级机构"));
        }
        intake::not_sealed(self.about.as_ref(), "about", "督办事项")?;
        if self.due_on < self.issued_on {
            return Err(Refusal::field("due_on", "办理时限", "不能早于督办日期"));
        }
        proposal.happened_by_then(self.issued_on, "issued_on", "督办日期")
    }

    fn evolve(self, _: State, _: &Recorded<'_>) -> State {
        State { to: self.to.0, due_on: Some(self.due_on), answered: false }
    }

    fn sample() -> Value {
        json!({"kind": "supervision.issued.v1", "org": "341599", "fields": {
            "to": "341599101201", "about": sample_stream("disclosure", 1), "issued_on": "2026-03-20",
            "due_on": "2026-03-31", "title": "补报二月收支公开(虚构)", "text": "二月收支逾期未公开，请于月底前补报并说明原因。"}})
    }
}

impl Payload for Answered {
    type State = State;
    const OPENS: bool = false;
    const HANDED_ON: bool = true;

    fn decide(&self, state: &State, proposal: &Proposal<'_>, context: &Context<'_>) -> Result<(), Refusal> {
        if state.answered {
            return Err(Refusal::state("这件督办已经办结"));
        }
        intake::in_hand(proposal, &state.to, context.world)?;
        if self.result == Progress::NotNow && proposal.text("explanation").is_none() {
            return Err(Refusal::field("explanation", "暂不办理的说明", "暂不办理须写明说明"));
        }
        proposal.happened_by_then(self.answered_on, "answered_on", "回复日期")
    }

    fn evolve(self, state: State, _: &Recorded<'_>) -> State {
        State { answered: self.result != Progress::Partly, ..state }
    }

    fn sample() -> Value {
        json!({"kind": "supervision.answered.v1", "stream": sample_stream("supervision", 1), "org": "341599101201",
            "fields": {"result": "done", "answered_on": "2026-03-28", "text": "二月收支已于3月27日公开，报账员请假未交接(虚构)"}})
    }
}
