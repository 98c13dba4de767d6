//! A new log key: who signs the checkpoints from this entry on.
//!
//! Two keys sign it and nothing else counts: the offline recovery key of the genesis endorses, and the new key shows that
//! somebody has it. The old key has no say: after a theft it is the thief's. The statement names the last head that
//! witnesses saw, so that what a thief signed beside it is not taken over; that this head is a beginning of the log is
//! found out by the sequencer before it is recorded, and by whoever reads the log ([`gongkai_log::Authority::beginning`]).
//! The origin stays, and with it the key's name.
//!
//! Not here: which key signs a checkpoint of which size ([`gongkai_log::LogKeys`]). A further reason is a further choice.

use chrono::{DateTime, FixedOffset, TimeDelta};
use gongkai_log::{Beginning, KeyKind, Note, Statement, TreeHash, VerifierKey, chain};
use serde_json::{Value, json};

use super::{
    Payload, body,
    ledger::{Ledger, Moment},
    payload, sample_stream,
};
use crate::{
    event::{Context, Proposal, Recorded},
    field::{KeyText, ListRule, choices},
    refusal::Refusal,
    world::{Role, World},
};

/// Longest time for which an old key signs beside the new one: a year, in which readers meet the new key.
pub const OVERLAP_DAYS_MAX: i64 = 366;

choices! {
    /// Why a log key is replaced.
    RotationReason {
        Planned = "planned" "按计划更换",
        Lost = "lost" "钥匙丢失",
        Stolen = "stolen" "钥匙被盗",
    }
}

payload! {
    /// The log key was replaced.
    KeyRotated = "ledger.key_rotated.v1" "更换账本钥匙";
    body {
        old_key: KeyText = "原账本钥匙",
        new_key: KeyText = "新账本钥匙",
        head_size: u64 = "接续的检查点有多少条",
        head_root: TreeHash = "接续的检查点的根",
        reason: RotationReason = "更换原因",
        overlap_until: Option<Moment> = "原钥匙并签到何时",
    }
    slots { checkpoint: Public Text(20_000) required = "接续的检查点原文" }
    list ListRule::None;
    authors &[Role::Recovery];
}

impl Payload for KeyRotated {
    type State = Ledger;
    const OPENS: bool = false;
    const TEACHES: bool = true;

    fn decide(&self, _: &Ledger, proposal: &Proposal<'_>, context: &Context<'_>) -> Result<(), Refusal> {
        let new = self.new_key(proposal.statement)?;
        let keys = context.world.log_keys().ok_or_else(|| Refusal::state("账本还没有创建"))?;
        if VerifierKey::parse(&self.old_key.0).as_ref() != Ok(keys.current()) {
            return Err(Refusal::field("old_key", "原账本钥匙", "不是账本现在的钥匙"));
        }
        if keys.uses(new.public()) || context.world.keys().any(|(_, known)| known.verifier.public() == new.public()) {
            return Err(Refusal::field("new_key", "新账本钥匙", "这把钥匙在这个账本里已经用过，必须另做一把"));
        }
        self.overlap(proposal.statement.declared_at)?;
        if context.begins == Some(false) {
            return Err(Refusal::field("head_size", "接续的检查点", "不是这个账本的开头：条数或根与账本不符"));
        }
        // In the audit an opening may be withdrawn; size and root stay in the body.
        let Some(text) = proposal.text("checkpoint") else { return Ok(()) };
        let refused = |reason: String| Refusal::field("checkpoint", "接续的检查点原文", reason);
        let note = Note::parse(text).map_err(|error| refused(chain(&error)))?;
        let head =
            keys.check(&note).map_err(|error| refused(format!("不是账本钥匙签的检查点（{}）", chain(&error))))?;
        if (head.size, head.root) == (self.head_size, self.head_root) {
            Ok(())
        } else {
            Err(refused("与写明的条数和根不同".into()))
        }
    }

    fn evolve(self, state: Ledger, _: &Recorded<'_>) -> Ledger {
        state
    }

    fn learn(&self, world: &mut World, event: &Recorded<'_>) {
        if let Ok(key) = VerifierKey::parse(&self.new_key.0) {
            world.rotate_log_key(event.index, key, self.overlap_until.map(|until| until.0.to_utc()));
        }
    }

    fn sample() -> Value {
        json!({"kind": "ledger.key_rotated.v1", "stream": sample_stream("ledger", 1), "org": "341599", "fields": {
            "old_key": "ledger.example/vectors+fced61e0+AYqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c",
            "new_key": "ledger.example/vectors+5270cfaa+AeKKiXB1MzK9cv70E+awsu8bSq3aeqLBQfIzcSpodrNR",
            "head_size": 4, "head_root": "DKcFzqBoeqX9OBWOAUZlrZoO3eJfp0NIYzMA70YJlhs=", "reason": "planned",
            "overlap_until": "2027-09-01T09:00:00+08:00",
            "checkpoint": "ledger.example/vectors\n4\nDKcFzqBoeqX9OBWOAUZlrZoO3eJfp0NIYzMA70YJlhs=\n\n\
                \u{2014} ledger.example/vectors /O1h4AuMrx2WCL1IToig7qXFi1tqMoD8BtBbfjSL8/uNG69XN3/GYH7r+8W7GR+PLFeJydQc/t8qd/xNR3KNcIFg9AQ=\n",
        }})
    }
}

impl KeyRotated {
    /// The new key, if it can be one of this ledger's.
    fn new_key(&self, statement: &Statement) -> Result<VerifierKey, Refusal> {
        let refused = |reason: String| Refusal::field("new_key", "新账本钥匙", reason);
        let key = VerifierKey::parse(&self.new_key.0).map_err(|error| refused(error.to_string()))?;
        if key.name() != statement.origin {
            let reason = format!("叫「{}」；账本标识不能改，新钥匙仍要叫「{}」", key.name(), statement.origin);
            return Err(refused(reason));
        }
        if key.kind() == KeyKind::Ed25519 {
            Ok(key)
        } else {
            Err(refused("是见证方的钥匙，不能签检查点".into()))
        }
    }

    /// Only a key that is still in good hands signs on beside the new one, and not for ever after this was declared.
    ///
    /// # Errors
    /// [`Refusal::Field`] otherwise.
    pub fn overlap(&self, declared: DateTime<FixedOffset>) -> Result<(), Refusal> {
        let Some(Moment(until)) = self.overlap_until else { return Ok(()) };
        let refused = |reason: String| Err(Refusal::field("overlap_until", "原钥匙并签到何时", reason));
        if self.reason != RotationReason::Planned {
            return refused(format!("{}时原钥匙不能再签", self.reason.label()));
        }
        if until <= declared || until > declared + TimeDelta::days(OVERLAP_DAYS_MAX) {
            return refused(format!("应在申报之后，{OVERLAP_DAYS_MAX} 天以内"));
        }
        Ok(())
    }
}

/// The keys under which a rotation is valid, in the order of its signers: the recovery key, and the new key itself.
///
/// # Errors
/// [`Refusal::Signature`]: others signed, or in another order.
pub(crate) fn authority(
    statement: &Statement,
    rotated: &KeyRotated,
    world: &World,
) -> Result<Vec<VerifierKey>, Refusal> {
    let new = rotated.new_key(statement)?;
    let recovery = world.ledger_key(Role::Recovery).and_then(|name| world.key(name));
    let recovery = recovery.ok_or_else(|| Refusal::state("账本还没有创建"))?.verifier.clone();
    let refused = |reason: &str| Err(Refusal::Signature(reason.into()));
    match statement.signers.as_slice() {
        [first, second] if (first.role.as_str(), second.role.as_str()) == (Role::Recovery.wire(), Role::Log.wire()) => {
            if first.key != recovery.name() {
                return refused("为新账本钥匙背书的不是创世条目写明的恢复钥匙");
            }
            if second.key != new.name() {
                return refused("新账本钥匙没有签名，不能证明有人持有它");
            }
            Ok(vec![recovery, new])
        }
        signers if signers.iter().all(|signer| signer.role == Role::Log.wire()) => {
            refused("账本钥匙不能自己更换自己：要由恢复钥匙背书，旧钥匙的签名不算数")
        }
        _ => refused("更换账本钥匙由恢复钥匙和新账本钥匙签名，先恢复钥匙，不多不少"),
    }
}

/// The head that a statement names as a beginning of its log, if it is a rotation.
pub(super) fn beginning(statement: &Statement) -> Option<Beginning> {
    let rotated = body::<KeyRotated>(&statement.kind, &statement.body)?;
    Some(Beginning { size: rotated.head_size, root: rotated.head_root })
}
