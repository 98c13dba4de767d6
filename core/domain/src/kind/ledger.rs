//! The ledger itself: its genesis, and the times when it stopped and went on.
//!
//! The genesis names the keys that everything else rests on; its hash is what verifiers pin.
//! Not here: another log key than the genesis names (`rotation`).

use std::borrow::Cow;

use chrono::{DateTime, FixedOffset};
use gongkai_log::{LogKeys, VerifierKey};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Payload, payload, sample_stream};
use crate::{
    event::{Context, Proposal, Recorded},
    field::{Field, FieldType, KeyText, ListRule, PersonId, Place, Shape, choices},
    refusal::Refusal,
    world::{Grant, Role, World},
};

/// A first registrar, named by the genesis.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct FirstRegistrar {
    /// Opaque id of the person.
    pub person: PersonId,
    /// The person's verifier key.
    pub key: KeyText,
}

impl FieldType for Vec<FirstRegistrar> {
    const SHAPE: Shape = Shape::Records(&[
        Field { name: "person", label: "登记员", place: Place::Body, shape: Shape::Link("person"), required: true },
        Field { name: "key", label: "签名钥匙", place: Place::Body, shape: Shape::Key, required: true },
    ]);
}

choices! {
    /// Why the sequencer stopped.
    HaltReason {
        ClockBack = "clock_back" "时钟倒退",
        ClockAhead = "clock_ahead" "时钟跳前",
        Storage = "storage" "存储故障",
    }
}

payload! {
    /// The genesis.
    Created = "ledger.created.v1" "账本创建";
    body {
        log_key: KeyText = "账本钥匙",
        intake_key: KeyText = "收件钥匙",
        registrars: Vec<FirstRegistrar> = "首任登记员",
        recovery_key: KeyText = "恢复钥匙",
    }
    slots { name: Public Text(100) required = "账本名称" }
    list ListRule::None;
    authors &[Role::Log];
}

payload! {
    /// The sequencer stopped by itself.
    Halted = "ledger.halted.v1" "账本暂停";
    body {
        cause: HaltReason = "原因",
        last_recorded_at: Moment = "暂停前最后入账时间",
        observed_at: Moment = "当时的时钟读数",
    }
    slots {}
    list ListRule::None;
    authors &[Role::Intake];
}

payload! {
    /// The sequencer went on.
    Resumed = "ledger.resumed.v1" "账本恢复";
    body { cause: HaltReason = "原因" }
    slots {}
    list ListRule::None;
    authors &[Role::Intake];
}

/// A moment with offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Moment(pub DateTime<FixedOffset>);

impl FieldType for Moment {
    const SHAPE: Shape = Shape::Time;
}

/// State of the ledger's stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Whether it stands still.
    pub halted: bool,
}

impl Payload for Created {
    type State = Ledger;
    const OPENS: bool = true;
    const TEACHES: bool = true;

    fn decide(&self, _: &Ledger, _: &Proposal<'_>, context: &Context<'_>) -> Result<(), Refusal> {
        if context.world.origin().is_some() {
            return Err(Refusal::state("账本已经创建"));
        }
        if self.registrars.is_empty() {
            return Err(Refusal::field("registrars", "首任登记员", "至少一名"));
        }
        Ok(())
    }

    fn evolve(self, state: Ledger, _: &Recorded<'_>) -> Ledger {
        state
    }

    fn learn(&self, world: &mut World, event: &Recorded<'_>) {
        world.created(event.statement.origin.clone());
        let ledger_keys =
            [(Role::Log, &self.log_key), (Role::Intake, &self.intake_key), (Role::Recovery, &self.recovery_key)];
        for (role, key) in ledger_keys {
            let Ok(key) = VerifierKey::parse(&key.0) else { continue };
            world.set_ledger_key(role, key.name().to_owned());
            if role == Role::Log {
                world.set_log_keys(LogKeys::new(key.clone()));
            }
            world.add_key(key, None, event.index);
        }
        for registrar in &self.registrars {
            let Ok(key) = VerifierKey::parse(&registrar.key.0) else { continue };
            let person = registrar.person.0.clone();
            world.add_person(person.clone(), event.statement.org.clone());
            world.add_key(key, Some(person.clone()), event.index);
            // The grant has no stream of its own; the person's id stands for it and is in no role stream.
            world.grant(person.clone(), Grant { stream: person, role: Role::Registrar, org: None });
        }
    }

    fn authority_org<'a>(body: &Map<String, Value>, statement_org: &'a str) -> Option<Cow<'a, str>> {
        Self::deserialize(body).is_err().then(|| statement_org.into())
    }

    fn sample() -> Value {
        json!({"kind": "ledger.created.v1", "org": "341599", "fields": {
            "name": "青禾县公开账本(虚构)",
            "log_key": "ledger.example/vectors+fced61e0+AYqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c",
            "intake_key": "intake.ledger.example/vectors+21bbe34f+AYE5dw6ofRdfVqNUZsNMfszLjYqRtO43ol32D1uPybOU",
            "recovery_key": "bob.example/1+33023257+AcqTrBcFGHBx1nuDx/8O/oEI6OxFMFdddyaHkzPb2r58",
            "registrars": [{"person": sample_stream("person", 1),
                "key": "alice.example/1+e95bcde2+Ae1JKMYo0cLG6ukDOJBZlWEpWSc6XGP5NjbBRhSshzfR"}],
        }})
    }
}

impl Payload for Halted {
    type State = Ledger;
    const OPENS: bool = false;

    fn decide(&self, _: &Ledger, _: &Proposal<'_>, _: &Context<'_>) -> Result<(), Refusal> {
        Ok(())
    }

    fn evolve(self, _: Ledger, _: &Recorded<'_>) -> Ledger {
        Ledger { halted: true }
    }

    fn sample() -> Value {
        json!({"kind": "ledger.halted.v1", "stream": sample_stream("ledger", 1), "org": "341599", "fields": {
            "cause": "clock_back",
            "last_recorded_at": "2026-03-10T09:12:00+08:00",
            "observed_at": "2026-03-10T08:12:00+08:00",
        }})
    }
}

impl Payload for Resumed {
    type State = Ledger;
    const OPENS: bool = false;

    fn decide(&self, state: &Ledger, _: &Proposal<'_>, _: &Context<'_>) -> Result<(), Refusal> {
        if state.halted { Ok(()) } else { Err(Refusal::state("账本没有暂停")) }
    }

    fn evolve(self, _: Ledger, _: &Recorded<'_>) -> Ledger {
        Ledger { halted: false }
    }

    fn sample() -> Value {
        json!({"kind": "ledger.resumed.v1", "stream": sample_stream("ledger", 1), "org": "341599",
            "fields": {"cause": "clock_back"}})
    }
}
