//! Clarifications (澄清正名): what was said of a person was looked into and is not so.
//!
//! Published only with the person's consent, because it repeats what was said. It may name the public matter
//! that it is about, never the sealed one from which it came.

use chrono::NaiveDate;
use gongkai_log::StreamId;
use serde_json::{Value, json};

use super::{Payload, intake, payload, sample_stream};
use crate::{
    event::{Context, Proposal, Recorded},
    field::{ListRule, PersonId},
    refusal::Refusal,
    world::Role,
};

payload! {
    /// A person is cleared.
    Clarified = "matter.clarified.v1" "澄清正名";
    body {
        about: Option<StreamId> = "相关事项",
        person: Option<PersonId> = "当事人编号",
        consent: bool = "当事人同意公开",
        clarified_on: NaiveDate = "澄清日期",
    }
    slots {
        name: Public Text(50) required = "当事人",
        text: Public Text(4000) required = "澄清内容",
        basis: Public Text(500) optional = "核查机关及依据",
        consent_document: Named Text(500) optional = "同意书",
    }
    list ListRule::None;
    authors &[Role::Inspector, Role::Approver, Role::Publisher];
}

impl Payload for Clarified {
    type State = ();
    const OPENS: bool = true;

    fn decide(&self, (): &(), proposal: &Proposal<'_>, context: &Context<'_>) -> Result<(), Refusal> {
        if !self.consent {
            return Err(Refusal::field("consent", "当事人同意公开", "当事人没有同意，不能公开澄清"));
        }
        intake::not_sealed(self.about.as_ref(), "about", "相关事项")?;
        if let Some(person) = &self.person {
            if !context.world.has_person(&person.0) {
                return Err(Refusal::field("person", "当事人编号", "没有登记"));
            }
            // Nobody clears themselves.
            intake::impartial(proposal, std::slice::from_ref(&person.0), context.world)?;
        }
        proposal.happened_by_then(self.clarified_on, "clarified_on", "澄清日期")
    }

    fn evolve(self, (): (), _: &Recorded<'_>) {}

    fn sample() -> Value {
        json!({"kind": "matter.clarified.v1", "org": "341599", "fields": {
            "person": sample_stream("person", 2), "consent": true, "clarified_on": "2026-05-10", "name": "方禾生(虚构)",
            "text": "经核查，反映方禾生(虚构)优亲厚友一事不实，现予澄清。", "basis": "青禾县纪委监委核查(虚构)"}})
    }
}
