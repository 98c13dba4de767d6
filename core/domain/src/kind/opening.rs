//! Revealing what was sealed: salt, name, value and path, so that anyone sees that this is what was recorded
//! that day (confidentiality.md §3).
//!
//! The opening is a public slot of this statement and can be withdrawn like any other. A wrong value cannot be
//! opened: the ledger recomputes the commitment and its path to the root in the named entry, and so does
//! every verifier. For a wholly sealed event the note comes along, with its path to the period's root.

use gongkai_log::{
    Digest, Opening, SignedStatement, Statement, Tier,
    sealed::{self, PERIOD_DEPTH},
    slot,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Payload, payload};
use crate::{
    event::{Context, Proposal, Recorded},
    field::ListRule,
    personal,
    refusal::Refusal,
    world::Role,
};

payload! {
    /// One sealed slot is opened to everybody.
    Opened = "slot.opened.v1" "启封内容";
    body {
        entry: u64 = "条目序号",
        slot_number: u64 = "启封的字段槽",
    }
    slots {
        opened: Public Proof(65_535) required = "启封内容",
        reason: Public Text(1000) required = "理由",
    }
    list ListRule::None;
    authors &[Role::Approver, Role::Publisher];
}

/// What the slot `opened` holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proof {
    /// The slot's salt.
    pub salt: Digest,
    /// Field name.
    pub name: String,
    /// To whom it was disclosed until now.
    pub tier: Tier,
    /// The value.
    pub value: Value,
    /// The four hashes from the slot's commitment to the statement's root.
    pub path: Vec<Digest>,
    /// The event, when the entry is a period of sealed events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<EventProof>,
}

/// A sealed event's note and its place in the period.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventProof {
    /// The statement note, verbatim.
    pub note: String,
    /// The salt of its commitment.
    pub salt: Digest,
    /// Leaf in the period's tree.
    pub leaf: u64,
    /// The 16 hashes from the leaf to the period's root.
    pub path: Vec<Digest>,
}

impl Proof {
    /// Whether it opens that slot of the statement; for a sealed event, of the note that it brings along.
    ///
    /// # Errors
    /// The sentence that says what does not fit.
    pub fn check(&self, slot_number: u64, entry: Revealed<'_>) -> Result<(), &'static str> {
        let note;
        let statement = match (entry, &self.event) {
            (Revealed::Statement(statement), None) => statement,
            (Revealed::Period(root), Some(event)) => {
                let commitment = sealed::commit_event(event.salt.as_bytes(), &event.note);
                let leaf = usize::try_from(event.leaf).unwrap_or(usize::MAX);
                let fits = event.path.len() == PERIOD_DEPTH as usize;
                if !fits || !sealed::verify_period_path(root, leaf, &commitment, &event.path) {
                    return Err("事件不在这一封存时段里");
                }
                note = SignedStatement::parse(&event.note).map_err(|_| "事件原文不是声明")?;
                &note.statement
            }
            _ => return Err("条目是封存时段时应附事件原文，否则不应附"),
        };
        let slot = u8::try_from(slot_number).map_err(|_| "没有这个字段槽")?;
        let (salt, tier) = (*self.salt.as_bytes(), self.tier);
        let opening = Opening { slot, salt, tier, name: self.name.clone(), value: self.value.clone() };
        let commitment = slot::commit(&statement.origin, &statement.stream, statement.revision, &opening)
            .map_err(|_| "启封值没有规范形式")?;
        if slot::verify_path(&statement.slots, slot, &commitment, &self.path) {
            Ok(())
        } else {
            Err("启封值与封存值不符")
        }
    }
}

/// The entry of which something is revealed.
#[derive(Clone, Copy, Debug)]
pub enum Revealed<'a> {
    /// A public statement.
    Statement(&'a Statement),
    /// The root of a period of sealed events.
    Period(&'a Digest),
}

/// What a proposal or an entry brings in its slot `opened`.
pub fn proof(openings: &[Opening]) -> Option<Proof> {
    let opening = openings.iter().find(|opening| opening.name == "opened")?;
    serde_json::from_value(opening.value.clone()).ok()
}

impl Payload for Opened {
    type State = ();
    const OPENS: bool = true;

    fn decide(&self, (): &(), proposal: &Proposal<'_>, context: &Context<'_>) -> Result<(), Refusal> {
        let wrong = |reason: &str| Refusal::field("opened", "启封内容", reason);
        let missing = || Refusal::field("entry", "条目序号", format!("没有第 {} 号条目", self.entry));
        let revealed = match (context.target, context.period) {
            (Some(target), _) => Revealed::Statement(&target.statement),
            (None, Some(root)) => Revealed::Period(root),
            (None, None) => return Err(missing()),
        };
        let proof = proof(proposal.openings).ok_or_else(|| wrong("应有盐、名称、范围、值和路径"))?;
        proof.check(self.slot_number, revealed).map_err(wrong)?;
        if proof.tier == Tier::Public {
            return Err(wrong("这一项本来就是公开的"));
        }
        if let Some(hit) = texts(&proof.value).into_iter().find_map(|text| personal::scan(text).into_iter().next()) {
            let what = hit.message();
            return Err(Refusal::PersonalData { label: "启封内容".into(), place: String::new(), what });
        }
        if let Revealed::Statement(statement) = revealed
            && !context.world.is_within(&statement.org, &proposal.statement.org)
        {
            return Err(Refusal::field("org", "机构", "只能启封本机构及下级机构的内容"));
        }
        proposal.signed_by(Role::Approver, 1, "启封内容须审批人签名")?;
        match proposal.statement.signers.len() {
            0 | 1 => Err(Refusal::Cosigners {
                role: "第二人".into(),
                needed: 2,
                got: proposal.statement.signers.len() as u64,
                rule: "启封内容须两人签名".into(),
            }),
            _ => Ok(()),
        }
    }

    fn evolve(self, (): (), _: &Recorded<'_>) {}

    fn target(&self) -> Option<u64> {
        Some(self.entry)
    }

    fn sample() -> Value {
        json!({"kind": "slot.opened.v1", "org": "341599", "fields": {
            "entry": 12, "slot_number": 3, "reason": "到期启封(虚构)",
            "opened": {"salt": Digest::ZERO, "name": "contact", "tier": "named", "value": "村委会办公室(虚构)",
                "path": [Digest::ZERO, Digest::ZERO, Digest::ZERO, Digest::ZERO]}}})
    }
}

/// All texts in a value.
fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::Object(members) => members.values().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}
