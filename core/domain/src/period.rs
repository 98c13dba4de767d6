//! Notice periods: what the author states, what the rule demands, and how the end was computed.
//!
//! The computing of days is in [`crate::calendar`]; here is what a kind with a period shares.

use chrono::NaiveDate;
use serde_json::{Map, Value};

use crate::{
    calendar::{self, Computed},
    kind::{Described as _, nomination, notice, vacancy},
    refusal::Refusal,
    rules::{Rule, RuleCode, Unit},
    world::World,
};

/// A notice period as a statement gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stated {
    /// First day; it counts.
    pub starts_on: NaiveDate,
    /// Length in the rule's unit; the rule's minimum if absent.
    pub days: Option<u64>,
    /// Last day that the author printed, if any.
    pub ends_on: Option<NaiveDate>,
}

impl Stated {
    /// Judges the period against a rule at an organization.
    ///
    /// # Errors
    /// [`Refusal::PeriodTooShort`] when the stated days or the printed end fall short of the rule.
    pub fn judge(&self, rule: &Rule, world: &World) -> Result<Computed, Refusal> {
        let short = |given| Refusal::PeriodTooShort {
            rule: rule.code.label().into(),
            basis: rule.basis.clone(),
            given,
            needed: rule.value,
            unit: rule.unit.label().into(),
        };
        if let Some(days) = self.days.filter(|days| *days < rule.value) {
            return Err(short(days));
        }
        let least = compute(self.starts_on, rule.value, rule.unit, world)?;
        if let Some(ends_on) = self.ends_on.filter(|ends_on| *ends_on < least.end) {
            let given = least.counted.iter().filter(|day| **day <= ends_on).count() as u64;
            return Err(short(given));
        }
        self.computed(rule.value, rule.unit, world)
    }

    /// The period as computed now: its end moves when a calendar is published later.
    ///
    /// # Errors
    /// [`Refusal::Field`] when the length is beyond what a period can be.
    pub fn computed(&self, days_default: u64, unit: Unit, world: &World) -> Result<Computed, Refusal> {
        let computed = compute(self.starts_on, self.days.unwrap_or(days_default), unit, world)?;
        match self.ends_on {
            // The author may give more than the rule; a printed end is kept as the later one.
            Some(ends_on) if ends_on > computed.end => {
                let days = ends_on.signed_duration_since(self.starts_on).num_days().unsigned_abs() + 1;
                compute(self.starts_on, days, Unit::Days, world)
            }
            _ => Ok(computed),
        }
    }
}

/// The last day of `days` days from `start`, the start day counted.
///
/// # Errors
/// [`Refusal::Field`] when the length is beyond what a period can be.
pub fn compute(start: NaiveDate, days: u64, unit: Unit, world: &World) -> Result<Computed, Refusal> {
    let days = u32::try_from(days).unwrap_or(u32::MAX);
    let computed = match unit {
        Unit::WorkingDays => calendar::Period::working_days(start, days, true, &world.calendar),
        _ => calendar::Period::calendar_days(start, days, true),
    };
    computed.map_err(|e| Refusal::field("days", "期限", e.to_string()))
}

/// A period while its author still writes it.
#[derive(Clone, Debug)]
pub struct Preview {
    /// The rule that it is counted by.
    pub rule: Rule,
    /// The shortest that the rule allows.
    pub least: Computed,
    /// The period as it is written, or why it cannot be that.
    pub stated: Result<Computed, Refusal>,
}

/// The period that a command of this kind would state; `None` for a kind without one, or while its start is not written.
///
/// To add a kind with a clock: a line here, next to what its `decide` asks.
///
/// # Errors
/// [`Refusal::Field`] when the rule's own length is beyond what a period can be.
pub fn preview(kind: &str, fields: &Map<String, Value>, org: &str, world: &World) -> Result<Option<Preview>, Refusal> {
    let date = |name: &str| fields.get(name)?.as_str()?.parse::<NaiveDate>().ok();
    let (start, end) =
        if kind == vacancy::Announced::KIND { ("opens_on", "closes_on") } else { ("starts_on", "ends_on") };
    let Some(starts_on) = date(start) else { return Ok(None) };
    let stated = Stated { starts_on, days: fields.get("days").and_then(Value::as_u64), ends_on: date(end) };
    let rule = match kind {
        nomination::Announced::KIND => Some(world.rule(RuleCode::NominationDaysMin, org, starts_on)),
        notice::Published::KIND => {
            let category = fields.get("category").and_then(Value::as_str).and_then(notice::Type::from_wire);
            category.and_then(|category| notice::period_rule(category, &stated, org, world))
        }
        // Its author sets it; that it does not end before it begins is all that is asked.
        vacancy::Announced::KIND => notice::period_rule(notice::Type::General, &stated, org, world),
        _ => None,
    };
    let Some(rule) = rule else { return Ok(None) };
    let least = compute(starts_on, rule.value, rule.unit, world)?;
    let stated = stated.judge(&rule, world);
    Ok(Some(Preview { rule, least, stated }))
}
