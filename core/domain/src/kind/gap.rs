//! Intakes (网上收件处): where people hand in across a network gap, and what the ledger answers ([`crate::gap`]).
//!
//! Opening one binds the ledger: it names the intake's key, the key to encrypt to, and within how many hours every period is
//! answered. Whoever could open an intake alone could divert what people hand in, so two registrars sign. The answer is the
//! ledger's own word; it says up to which period, and one root over what became of each packet: neither how many there
//! were nor what.

use gongkai_log::{Digest, KeyKind, SigningKey, VerifierKey};
use serde_json::{Value, json};

use super::{Payload, REGISTRAR, payload, sample_stream};
use crate::{
    event::{Context, Proposal, Recorded},
    field::{KeyText, ListRule, SealingKey},
    refusal::Refusal,
    vault::TierSecret,
    world::{AnsweredTo, Intake, Role, World},
};

/// Longest time for an answer: two months, as for a letter.
pub const ANSWER_HOURS_MAX: u64 = 24 * 60;

payload! {
    /// An intake is opened.
    Opened = "intake.opened.v1" "设立网上收件处";
    body { key: KeyText = "收件处的验证钥匙", sealing_key: SealingKey = "加密公钥", answer_hours: u64 = "答复时限（小时）" }
    slots { address: Public Text(300) optional = "收件处的网址" }
    list ListRule::None;
    authors REGISTRAR;
}

payload! {
    /// The ledger has recorded or refused everything of these periods.
    Answered = "intake.answered.v1" "答复网上收件";
    body {
        from: u64 = "从第几批",
        to: u64 = "到第几批之前",
        entry_hash: Digest = "最后一批的哈希值",
        answers: Digest = "答复的封存根",
    }
    slots {}
    list ListRule::None;
    authors &[Role::Intake];
}

payload! {
    /// The intake takes nothing more; what came before is answered.
    Closed = "intake.closed.v1" "停用网上收件处";
    body {}
    slots { reason: Public Text(500) optional = "原因" }
    list ListRule::None;
    authors REGISTRAR;
}

/// State of an intake's stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// Up to which period it is answered.
    pub answered: u64,
    /// Whether it is closed.
    pub closed: bool,
}

impl Opened {
    /// The intake's key: of this ledger by its name, and nobody's else.
    fn verifier(&self, origin: &str) -> Result<VerifierKey, Refusal> {
        let refused = |reason: String| Refusal::field("key", "收件处的验证钥匙", reason);
        let key = VerifierKey::parse(&self.key.0).map_err(|error| refused(error.to_string()))?;
        let below = key.name().strip_prefix(origin).and_then(|rest| rest.strip_prefix('/'));
        match below {
            Some(name) if !name.is_empty() => Ok(key),
            _ => Err(refused(format!("名称应以「{origin}/」开头，表明它是这本账的收件处"))),
        }
    }
}

impl Payload for Opened {
    type State = State;
    const OPENS: bool = true;
    const TEACHES: bool = true;

    fn decide(&self, _: &State, proposal: &Proposal<'_>, context: &Context<'_>) -> Result<(), Refusal> {
        proposal.signed_by(Role::Registrar, 2, "设立网上收件处须两名登记员")?;
        let key = self.verifier(&proposal.statement.origin)?;
        self.sealing_key.key().map_err(|e| Refusal::field("sealing_key", "加密公钥", e.to_string()))?;
        if !(1..=ANSWER_HOURS_MAX).contains(&self.answer_hours) {
            return Err(Refusal::field("answer_hours", "答复时限（小时）", format!("应是 1 至 {ANSWER_HOURS_MAX}")));
        }
        if context.world.key(key.name()).is_some()
            || context.world.intakes().any(|known| known.key.name() == key.name())
        {
            return Err(Refusal::field("key", "收件处的验证钥匙", "这个名称的钥匙已经登记过"));
        }
        Ok(())
    }

    fn evolve(self, _: State, _: &Recorded<'_>) -> State {
        State::default()
    }

    fn learn(&self, world: &mut World, event: &Recorded<'_>) {
        let statement = event.statement;
        // Whose it is was judged when it was recorded.
        let (Ok(key), Ok(sealing_key)) = (VerifierKey::parse(&self.key.0), self.sealing_key.key()) else { return };
        world.add_intake(Intake {
            stream: statement.stream.clone(),
            org: statement.org.clone(),
            opened_at: event.index,
            key,
            sealing_key,
            answer_hours: self.answer_hours,
            answers: Vec::new(),
            is_closed: false,
        });
    }

    fn sample() -> Value {
        let key = TierSecret::from_bytes(&[8; 32]).map(|secret| SealingKey::from(&secret.key()).0);
        json!({"kind": "intake.opened.v1", "org": "341599", "fields": {
            "key": key_text(),
            "sealing_key": key.unwrap_or_default(),
            "answer_hours": 72, "address": "https://sj.example.gov.cn"}})
    }
}

/// A key with a seed that is no secret, for the sample.
fn key_text() -> String {
    let key = SigningKey::from_seed("ledger.example/vectors/intake", KeyKind::Ed25519, [8; 32]);
    key.map(|key| key.verifier().to_string()).unwrap_or_default()
}

impl Payload for Answered {
    type State = State;
    const OPENS: bool = false;
    const TEACHES: bool = true;

    fn decide(&self, state: &State, _: &Proposal<'_>, _: &Context<'_>) -> Result<(), Refusal> {
        if state.answered != self.from || self.to <= self.from {
            return Err(Refusal::state(format!("已答复到第 {} 批之前，应从这一批接着答复", state.answered)));
        }
        Ok(())
    }

    fn evolve(self, state: State, _: &Recorded<'_>) -> State {
        State { answered: self.to, ..state }
    }

    fn learn(&self, world: &mut World, event: &Recorded<'_>) {
        let Self { to, entry_hash, answers, .. } = *self;
        let answered = AnsweredTo { to, entry_hash, answers, index: event.index, recorded_at: event.recorded_at };
        world.answer_intake(&event.statement.stream, answered);
    }

    fn sample() -> Value {
        json!({"kind": "intake.answered.v1", "stream": sample_stream("intake", 1), "org": "341599", "fields": {
            "from": 0, "to": 3, "entry_hash": Digest::of(b"the last of three entries"),
            "answers": Digest::of(b"a root over answers and decoys")}})
    }
}

impl Payload for Closed {
    type State = State;
    const OPENS: bool = false;
    const TEACHES: bool = true;

    fn decide(&self, state: &State, _: &Proposal<'_>, _: &Context<'_>) -> Result<(), Refusal> {
        if state.closed { Err(Refusal::state("这个收件处已经停用")) } else { Ok(()) }
    }

    fn evolve(self, state: State, _: &Recorded<'_>) -> State {
        State { closed: true, ..state }
    }

    fn learn(&self, world: &mut World, event: &Recorded<'_>) {
        world.close_intake(&event.statement.stream);
    }

    fn sample() -> Value {
        json!({"kind": "intake.closed.v1", "stream": sample_stream("intake", 1), "org": "341599",
            "fields": {"reason": "内外网已经连通(虚构)"}})
    }
}
