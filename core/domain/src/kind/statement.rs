//! Replies: the person concerned answers on the same page, next to what is said of them.
//!
//! A reply is a public stream of its own that names the entry it answers; pages show it there. It changes
//! nothing of that entry. Who replies without a key of their own has it entered with the original (代录). What is
//! sealed cannot be replied to here: the entry that is named must be a public one.

use chrono::NaiveDate;
use gongkai_log::StreamId;
use serde_json::{Value, json};

use super::{Payload, payload, sample_stream};
use crate::{
    event::{Context, Proposal, Recorded},
    field::{ListRule, PersonId},
    refusal::Refusal,
    world::Role,
};

payload! {
    /// The person concerned answers a statement.
    Replied = "statement.replied.v1" "当事人回应";
    body {
        entry: u64 = "所回应的条目序号",
        about: StreamId = "所回应的事项",
        revision: u64 = "所回应的修订号",
        person: Option<PersonId> = "回应人编号",
        replied_on: NaiveDate = "回应日期",
    }
    slots { name: Public Text(50) required = "回应人", text: Public Text(4000) required = "回应内容" }
    list ListRule::None;
    authors &[Role::Publisher, Role::Reviewer, Role::Approver, Role::Supervisor];
}

impl Replied {
    /// Signed by the person's own key.
    fn in_person(&self, proposal: &Proposal<'_>, context: &Context<'_>) -> bool {
        let author = proposal.statement.signers.first().and_then(|author| context.world.key(&author.key));
        let author = author.and_then(|key| key.person.as_ref());
        self.person.as_ref().is_some_and(|person| Some(&person.0) == author)
    }
}

impl Payload for Replied {
    type State = ();
    const OPENS: bool = true;

    fn decide(&self, (): &(), proposal: &Proposal<'_>, context: &Context<'_>) -> Result<(), Refusal> {
        let Some(target) = context.target else {
            return Err(Refusal::field("entry", "所回应的条目序号", format!("没有第 {} 号声明", self.entry)));
        };
        if target.statement.stream != self.about || target.statement.revision != self.revision {
            return Err(Refusal::field("about", "所回应的事项", format!("与第 {} 号声明不符", self.entry)));
        }
        if self.person.as_ref().is_some_and(|person| !context.world.has_person(&person.0)) {
            return Err(Refusal::field("person", "回应人编号", "没有登记"));
        }
        if proposal.statement.proxy.is_none() && !self.in_person(proposal, context) {
            let reason = "不是当事人自己签名的，须写明来源渠道，并附原件的哈希值";
            return Err(Refusal::field("proxy", "代录", reason));
        }
        proposal.happened_by_then(self.replied_on, "replied_on", "回应日期")
    }

    fn evolve(self, (): (), _: &Recorded<'_>) {}

    fn target(&self) -> Option<u64> {
        Some(self.entry)
    }

    fn sample() -> Value {
        json!({"kind": "statement.replied.v1", "org": "341599101201", "fields": {
            "entry": 12, "about": sample_stream("pledge", 1), "revision": 3, "person": sample_stream("person", 2),
            "replied_on": "2026-12-30", "name": "方禾生(虚构)", "text": "余下八盏灯因线路迁改顺延，已与电力部门约定三月施工。"}})
    }
}
