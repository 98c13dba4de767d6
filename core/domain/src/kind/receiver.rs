//! Receivers (收件人): the people of a body to whom objections and accusations are encrypted.
//!
//! Their private halves lie with them and never on the server. Whoever could appoint a receiver alone
//! could read every accusation, so two registrars sign.

use serde_json::{Value, json};

use super::{Payload, REGISTRAR, payload, sample_stream};
use crate::{
    event::{Context, Proposal, Recorded},
    field::{ListRule, PersonId, SealingKey},
    refusal::Refusal,
    vault::{TIER_KEY_BYTES, TierSecret},
    world::{Receiver, Role, World},
};

payload! {
    /// A person receives what is encrypted to the statement's organization.
    Appointed = "receiver.appointed.v1" "设立收件人";
    body { person: PersonId = "收件人", sealing_key: SealingKey = "加密公钥" }
    slots {}
    list ListRule::None;
    authors REGISTRAR;
}

payload! {
    /// The person receives nothing more; what came before stays readable with the key.
    Withdrawn = "receiver.withdrawn.v1" "撤销收件人";
    body {}
    slots { reason: Public Text(500) optional = "原因" }
    list ListRule::None;
    authors REGISTRAR;
}

/// State of a receiver's stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// The organization; `None` once withdrawn.
    pub org: Option<String>,
}

impl Payload for Appointed {
    type State = State;
    const OPENS: bool = true;
    const TEACHES: bool = true;

    fn decide(&self, _: &State, proposal: &Proposal<'_>, context: &Context<'_>) -> Result<(), Refusal> {
        let world = context.world;
        if !world.has_person(&self.person.0) {
            return Err(Refusal::field("person", "收件人", "没有登记"));
        }
        proposal.signed_by(Role::Registrar, 2, "设立收件人须两名登记员")?;
        let key = self.sealing_key.key().map_err(|e| Refusal::field("sealing_key", "加密公钥", e.to_string()))?;
        let org = proposal.statement.org.as_str();
        if world.receivers(org).iter().any(|known| known.person == self.person.0 || known.key == key) {
            return Err(Refusal::state("此人或这把公钥已是本机构的收件人"));
        }
        Ok(())
    }

    fn evolve(self, _: State, event: &Recorded<'_>) -> State {
        State { org: Some(event.statement.org.clone()) }
    }

    fn learn(&self, world: &mut World, event: &Recorded<'_>) {
        if let Ok(key) = self.sealing_key.key() {
            let receiver = Receiver { stream: event.statement.stream.clone(), person: self.person.0.clone(), key };
            world.add_receiver(event.statement.org.clone(), receiver);
        }
    }

    fn sample() -> Value {
        let key = TierSecret::from_bytes(&[7; 32]).map(|secret| SealingKey::from(&secret.key()).0);
        debug_assert_eq!(key.as_ref().map_or(0, String::len), TIER_KEY_BYTES.div_ceil(3) * 4);
        json!({"kind": "receiver.appointed.v1", "org": "341599", "fields": {
            "person": sample_stream("person", 2), "sealing_key": key.unwrap_or_default()}})
    }
}

impl Payload for Withdrawn {
    type State = State;
    const OPENS: bool = false;
    const TEACHES: bool = true;

    fn decide(&self, state: &State, proposal: &Proposal<'_>, _: &Context<'_>) -> Result<(), Refusal> {
        match &state.org {
            None => Err(Refusal::state("这名收件人已经撤销")),
            Some(org) if *org != proposal.statement.org => {
                Err(Refusal::field("org", "机构", format!("应以设立时的机构「{org}」的名义")))
            }
            Some(_) => Ok(()),
        }
    }

    fn evolve(self, _: State, _: &Recorded<'_>) -> State {
        State { org: None }
    }

    fn learn(&self, world: &mut World, event: &Recorded<'_>) {
        world.withdraw_receiver(&event.statement.org, &event.statement.stream);
    }

    fn sample() -> Value {
        json!({"kind": "receiver.withdrawn.v1", "stream": sample_stream("receiver", 1), "org": "341599",
            "fields": {"reason": "岗位调整(虚构)"}})
    }
}
