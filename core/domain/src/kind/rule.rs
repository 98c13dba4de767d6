//! Rules that a province or county publishes for its subtree, over the base profile.

use chrono::NaiveDate;
use serde_json::{Value, json};

use super::{Payload, payload};
use crate::{
    event::{Context, Proposal, Recorded},
    field::ListRule,
    procedure,
    refusal::Refusal,
    rules::{BASE, Rule, RuleCode, Unit},
    world::{Role, World},
};

payload! {
    /// A row of a profile, for the statement's organization and its subtree.
    Published = "rule.published.v1" "发布规则";
    body {
        rule: RuleCode = "规则",
        value: u64 = "数值",
        unit: Unit = "单位",
        from: NaiveDate = "施行日期",
    }
    slots { basis: Public Text(300) required = "依据" }
    list ListRule::None;
    authors &[Role::Registrar];
}

impl Payload for Published {
    type State = ();
    const OPENS: bool = true;
    const TEACHES: bool = true;

    fn decide(&self, (): &(), proposal: &Proposal<'_>, _: &Context<'_>) -> Result<(), Refusal> {
        let (_, _, unit, _) = BASE[self.rule as usize];
        let counts_days = |unit| matches!(unit, Unit::Days | Unit::WorkingDays);
        if unit != self.unit && !(counts_days(unit) && counts_days(self.unit)) {
            return Err(Refusal::field("unit", "单位", format!("「{}」以「{}」计", self.rule.label(), unit.label())));
        }
        if unit == Unit::Scheme && procedure::scheme(self.value).is_none() {
            return Err(Refusal::field("value", "数值", "没有这一号审核方案"));
        }
        // A village must not be able to lower its own supervision.
        proposal.signed_by(Role::Registrar, 2, "发布规则须两名登记员")
    }

    fn evolve(self, (): (), _: &Recorded<'_>) {}

    fn learn(&self, world: &mut World, event: &Recorded<'_>) {
        let rule = Rule {
            code: self.rule,
            value: self.value,
            unit: self.unit,
            from: Some(self.from),
            basis: format!("第 {} 号记录发布的规则", event.index),
        };
        world.rules.publish(&event.statement.org, rule);
    }

    fn sample() -> Value {
        json!({"kind": "rule.published.v1", "org": "341599", "fields": {
            "rule": "nomination_days_min", "value": 7, "unit": "working_days", "from": "2026-01-01",
            "basis": "青禾县任前公示办法(虚构)"}})
    }
}
