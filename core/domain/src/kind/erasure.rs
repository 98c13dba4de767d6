//! Erasure (删除): the keys of a matter's sealed content are destroyed, and nobody can open or guess it again.
//!
//! What remains is this statement, the tombstone: what kind of thing, by whom, on which basis, how to appeal.
//! Every proof still verifies. Copies that others hold lawfully (receipts, what was revealed) stay theirs.

use gongkai_log::Digest;
use serde_json::{Value, json};

use super::{Payload, payload};
use crate::{
    event::{Context, Proposal, Recorded},
    field::{ListRule, choices},
    refusal::Refusal,
    world::Role,
};

choices! {
    /// Legal basis of an erasure.
    ErasureBasis {
        PersonalData = "personal_data" "个人信息删除权（个人信息保护法第四十七条）",
        Retention = "retention" "保存期限届满",
        Secret = "secret" "保守秘密（保守国家秘密法）",
        Court = "court" "司法机关要求",
    }
}

payload! {
    /// Orders the erasure of all sealed content of one matter, named by an entry or by a sealed event of it.
    Ordered = "erasure.ordered.v1" "删除封存内容";
    body {
        entry: Option<u64> = "条目序号",
        commitment: Option<Digest> = "封存值",
        basis: ErasureBasis = "法律依据",
    }
    slots { reason: Public Text(1000) required = "理由", appeal: Public Text(500) required = "申诉途径" }
    list ListRule::None;
    authors &[Role::Approver, Role::Registrar];
}

impl Payload for Ordered {
    type State = ();
    const OPENS: bool = true;

    fn decide(&self, (): &(), proposal: &Proposal<'_>, context: &Context<'_>) -> Result<(), Refusal> {
        match (self.entry, self.commitment) {
            (Some(entry), None) => {
                let missing = || Refusal::field("entry", "条目序号", format!("没有第 {entry} 号声明"));
                let target = context.target.ok_or_else(missing)?;
                if !context.world.is_within(&target.statement.org, &proposal.statement.org) {
                    return Err(Refusal::field("org", "机构", "只能删除本机构及下级机构的封存内容"));
                }
            }
            (None, Some(_)) => {}
            _ => return Err(Refusal::field("entry", "条目序号", "条目序号和封存值应写一项，且只写一项")),
        }
        if context.erasable == Some(false) {
            return Err(Refusal::state("没有可删除的封存内容"));
        }
        match proposal.statement.signers.len() {
            0 | 1 => Err(Refusal::Cosigners {
                role: "第二人".into(),
                needed: 2,
                got: proposal.statement.signers.len() as u64,
                rule: "删除封存内容须两人签名".into(),
            }),
            _ => Ok(()),
        }
    }

    fn evolve(self, (): (), _: &Recorded<'_>) {}

    fn target(&self) -> Option<u64> {
        self.entry
    }

    fn sample() -> Value {
        json!({"kind": "erasure.ordered.v1", "org": "341599", "fields": {
            "entry": 12, "basis": "personal_data", "reason": "当事人要求删除联系方式(虚构)",
            "appeal": "可在 15 日内向青禾县公开办提出(虚构)"}})
    }
}
