//! Lawful takedown of what was opened: the commitment stays, the opening goes.
//!
//! A withdrawal is itself a signed event: who, why, on which basis, by two people. Opening of sealed
//! slots and erasure need the vault and are not here.

use serde_json::{Value, json};

use super::{Payload, payload};
use crate::{
    event::{Context, Proposal, Recorded},
    field::{ListRule, choices},
    refusal::Refusal,
    schedule,
    world::Role,
};

choices! {
    /// Legal basis of a withdrawal.
    WithdrawalBasis {
        PersonalData = "personal_data" "个人信息保护（个人信息保护法第四十七条）",
        Secret = "secret" "保守秘密（保守国家秘密法）",
        Defamation = "defamation" "侵害名誉（民法典）",
        Court = "court" "司法机关要求",
        Expired = "expired" "公示期限届满应予隐去",
    }
}

payload! {
    /// Takes openings of slots or lines of one entry out of every public place.
    Withdrawn = "slot.withdrawn.v1" "撤下内容";
    body {
        entry: u64 = "条目序号",
        slot_numbers: Option<Vec<u64>> = "撤下的字段槽",
        line_numbers: Option<Vec<u64>> = "撤下的行",
        basis: WithdrawalBasis = "法律依据",
    }
    slots { reason: Public Text(1000) required = "理由", appeal: Public Text(500) required = "申诉途径" }
    list ListRule::None;
    authors &[Role::Publisher, Role::Registrar];
}

impl Withdrawn {
    /// Numbers of the slots that are withdrawn.
    pub fn slots(&self) -> &[u64] {
        self.slot_numbers.as_deref().unwrap_or_default()
    }

    /// Numbers of the lines that are withdrawn.
    pub fn lines(&self) -> &[u64] {
        self.line_numbers.as_deref().unwrap_or_default()
    }
}

impl Payload for Withdrawn {
    type State = ();
    const OPENS: bool = true;

    fn decide(&self, (): &(), proposal: &Proposal<'_>, context: &Context<'_>) -> Result<(), Refusal> {
        let Some(target) = context.target else {
            return Err(Refusal::field("entry", "条目序号", format!("没有第 {} 号声明", self.entry)));
        };
        if !context.world.is_within(&target.statement.org, &proposal.statement.org) {
            return Err(Refusal::field("org", "机构", "只能撤下本机构及下级机构发布的内容"));
        }
        if self.slots().is_empty() && self.lines().is_empty() {
            return Err(Refusal::field("slot_numbers", "撤下的字段槽", "至少撤下一个字段槽或一行"));
        }
        for slot in self.slots() {
            let open = target.open_slots.iter().find(|(open, _)| u64::from(*open) == *slot);
            let Some((_, name)) = open else {
                return Err(Refusal::field("slot_numbers", "撤下的字段槽", format!("第 {slot} 槽没有公开的内容")));
            };
            // It tells nothing of what it is about, and without it nobody would see that the opening is overdue.
            if name == schedule::FIELD {
                return Err(Refusal::field("slot_numbers", "撤下的字段槽", "启封安排不能撤下"));
            }
        }
        for line in self.lines() {
            if !target.open_lines.contains(line) {
                return Err(Refusal::field("line_numbers", "撤下的行", format!("第 {line} 行没有公开的内容")));
            }
        }
        // The reason for a withdrawal is what stays; withdrawing it too would be a silent removal.
        if target.statement.kind == "slot.withdrawn.v1" {
            return Err(Refusal::field("entry", "条目序号", "撤下的理由不能再撤下"));
        }
        if proposal.statement.signers.len() < 2 {
            return Err(Refusal::Cosigners {
                role: "第二人".into(),
                needed: 2,
                got: proposal.statement.signers.len() as u64,
                rule: "撤下内容须两人签名".into(),
            });
        }
        Ok(())
    }

    fn evolve(self, (): (), _: &Recorded<'_>) {}

    fn target(&self) -> Option<u64> {
        Some(self.entry)
    }

    fn sample() -> Value {
        json!({"kind": "slot.withdrawn.v1", "org": "341599101201", "fields": {
            "entry": 12, "slot_numbers": [3], "basis": "personal_data",
            "reason": "公示内容含有当事人要求隐去的信息(虚构)",
            "appeal": "可在 15 日内向青禾县公开办提出(虚构)"}})
    }
}
