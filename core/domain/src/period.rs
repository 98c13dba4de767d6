//! Notice periods: what the author states, what the rule demands, and how the end was computed.
//!
//! The computing of days is in [`crate::calendar`]; here is what a kind with a period shares.

use chrono::NaiveDate;

use crate::{
    calendar::{self, Computed},
    refusal::Refusal,
    rules::{Rule, Unit},
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
