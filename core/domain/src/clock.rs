//! Time limits that run: what must be done by which day, by which rule, and how the day was found.
//!
//! Computed from the days in a stream's state, the rules and the working-day calendar whenever somebody
//! looks; what is [`Running`] may be stored, by when it is due never: a calendar that is published later moves a limit
//! that runs. Internal views and the
//! audit ask [`dues`] or [`clock`]; nothing of a sealed matter's clock is for the public. To give a further family
//! a clock, let its state say what is [`Running`] and add it to [`running`].

use std::borrow::Cow;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::{
    calendar::{self, Computed},
    event::State,
    kind::{consultation, disclosure, letter, objection, supervision},
    rules::{Rule, RuleCode, Unit},
    world::World,
};

/// Families of which sealed matters can have a clock.
pub const SEALED_FAMILIES: &[&str] = &["letter", "nomination", "notice"];

/// By when something must be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Limit {
    /// So many days after a day, by the rules' numbers together; the first of them says the unit.
    Rules(NaiveDate, Vec<RuleCode>),
    /// A day that a statement names.
    On(NaiveDate),
}

/// One thing that is awaited, as a stream's state has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// What is awaited, in Chinese: 告知是否受理.
    pub what: Cow<'static, str>,
    /// Code of the organization that must act.
    pub org: String,
    /// The part that it is about: revision of a question, line of a theme.
    pub part: Option<u64>,
    /// By when.
    pub limit: Limit,
}

/// A running time limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// What is awaited, in Chinese.
    pub what: Cow<'static, str>,
    /// Code of the organization that must act.
    pub org: String,
    /// The part that it is about: revision of a question, line of a theme.
    pub part: Option<u64>,
    /// The last day.
    pub due_on: NaiveDate,
    /// The rule that sets it; `None` for a day that a statement names.
    pub rule: Option<Rule>,
    /// How the day was counted; `None` for a day that a statement names.
    pub computed: Option<Computed>,
}

impl Due {
    /// Days over the limit on a day; 0 until the last day is past.
    pub fn days_over(&self, today: NaiveDate) -> u64 {
        u64::try_from(today.signed_duration_since(self.due_on).num_days()).unwrap_or(0)
    }
}

/// Everything that is awaited in a stream, by the last day.
pub fn dues(state: &State, world: &World) -> Vec<Due> {
    by_day(running(state, world), world)
}

/// By when what is awaited is due, by the last day.
pub fn by_day(running: Vec<Running>, world: &World) -> Vec<Due> {
    let mut dues: Vec<Due> = running.into_iter().filter_map(|running| due(running, world)).collect();
    dues.sort_by_key(|due| (due.due_on, due.part));
    dues
}

/// What is awaited first in a stream; `None` when nothing is.
pub fn clock(state: &State, world: &World) -> Option<Due> {
    dues(state, world).into_iter().next()
}

/// What a stream awaits, of whichever family; [`due`] says by when.
pub fn running(state: &State, world: &World) -> Vec<Running> {
    if let Some(letter) = state.get::<letter::State>() {
        letter.running()
    } else if let Some(objection) = state.get::<objection::State>() {
        objection.running(world)
    } else if let Some(sheet) = state.get::<disclosure::State>() {
        sheet.running()
    } else if let Some(supervision) = state.get::<supervision::State>() {
        supervision.running()
    } else if let Some(consultation) = state.get::<consultation::State>() {
        consultation.running()
    } else {
        Vec::new()
    }
}

/// The last day of something that is awaited, by the rules and the calendar of this world; `None` beyond the dates that
/// exist, or where a rule sets no limit.
pub fn due(running: Running, world: &World) -> Option<Due> {
    let Running { what, org, part, limit } = running;
    match limit {
        Limit::On(due_on) => Some(Due { what, org, part, due_on, rule: None, computed: None }),
        Limit::Rules(from, codes) => {
            let (rule, computed) = counted(&codes, &org, from, world)?;
            Some(Due { what, org, part, due_on: computed.end, rule: Some(rule), computed: Some(computed) })
        }
    }
}

/// The rule whose number is that of all rules together, and the days after `from`; `None` beyond the dates
/// that exist, or where a rule sets no limit (0).
fn counted(codes: &[RuleCode], org: &str, from: NaiveDate, world: &World) -> Option<(Rule, Computed)> {
    let mut rules = codes.iter().map(|code| world.rule(*code, org, from));
    let mut rule = rules.next()?;
    rule.value = rules.fold(rule.value, |sum, more| sum.saturating_add(more.value));
    let days = u32::try_from(rule.value).ok()?;
    let computed = match rule.unit {
        Unit::WorkingDays => world.calendar.deadline_after(from, days),
        _ => calendar::Period::calendar_days(from, days, false),
    };
    Some((rule, computed.ok()?))
}

/// The last day of a limit that began on a day; the day itself is not counted.
pub fn last_day(code: RuleCode, org: &str, from: NaiveDate, world: &World) -> Option<NaiveDate> {
    counted(&[code], org, from, world).map(|(_, computed)| computed.end)
}
