//! The period of a notice or a nomination as its page draws it: the days that were announced, counted by the rule, and
//! those by which somebody made it longer since, which no rule counts.

use chrono::NaiveDate;
use gongkai_domain::World;
use gongkai_domain::calendar::Computed;
use gongkai_domain::kind::{Described as _, nomination, notice};
use gongkai_domain::period::Stated;
use gongkai_domain::rules::{Rule, RuleCode};
use gongkai_projections::read::history::HistoryEvent;
use gongkai_projections::read::{Deadline, DeadlineDay};

use super::parts;
use crate::site::format::Day;
use crate::site::parts::{Extension, Period, PeriodDay};

/// A period with how it was computed, and what made it longer.
pub fn period(deadline: Deadline, days_left: Option<i64>, history: &[HistoryEvent], world: &World) -> Period {
    let extended = extensions(history);
    let announced = if extended.is_empty() { None } else { announced(history, world) };
    let day = |day: DeadlineDay| match announced.as_ref() {
        Some(announced) if day.day > announced.end => {
            PeriodDay { day: Day(day.day), number: None, reason: String::new(), is_added: true }
        }
        Some(announced) => counted(announced, day.day),
        None => PeriodDay {
            day: Day(day.day),
            number: day.number,
            reason: day.reason.unwrap_or_default().to_owned(),
            is_added: false,
        },
    };
    Period {
        start: Day(deadline.start),
        end: Day(deadline.end),
        rule: format!("{}：{}，开始当天算第 1 天（{}）。", deadline.rule, deadline.length, deadline.basis),
        provisional: deadline.provisional,
        days_left,
        days: deadline.days.into_iter().map(day).collect(),
        moved: parts::moved("公示期", &deadline.moved),
        extended,
    }
}

/// Until when it was made longer, the oldest first.
fn extensions(history: &[HistoryEvent]) -> Vec<Extension> {
    let kinds = [notice::Extended::KIND, nomination::Extended::KIND];
    let events = history.iter().filter(|event| kinds.contains(&event.kind.as_str()));
    events.filter_map(|event| Some(Extension { to: Day(date(event, "ends_on")?), index: event.index })).collect()
}

/// The period as it was first announced, counted on the calendars of today.
fn announced(history: &[HistoryEvent], world: &World) -> Option<Computed> {
    let first = history.first()?;
    let stated = Stated {
        starts_on: date(first, "starts_on")?,
        days: first.body.get("days").and_then(serde_json::Value::as_u64),
        ends_on: date(first, "ends_on"),
    };
    let rule = rule(first, &stated, world)?;
    stated.computed(rule.value, rule.unit, world).ok()
}

fn rule(first: &HistoryEvent, stated: &Stated, world: &World) -> Option<Rule> {
    if first.kind == nomination::Announced::KIND {
        return Some(world.rule(RuleCode::NominationDaysMin, &first.org, stated.starts_on));
    }
    let category = first.body.get("category")?.as_str()?;
    notice::period_rule(notice::Type::from_wire(category)?, stated, &first.org, world)
}

fn date(event: &HistoryEvent, field: &str) -> Option<NaiveDate> {
    event.body.get(field)?.as_str()?.parse().ok()
}

fn counted(announced: &Computed, day: NaiveDate) -> PeriodDay {
    let number = announced.counted.iter().position(|counted| *counted == day).map(|at| parts::small(at as u64 + 1));
    let skipped = announced.skipped.iter().find(|(skipped, _)| *skipped == day).map(|(_, reason)| reason.label());
    let reason = skipped.or_else(|| announced.makeup.contains(&day).then_some("调休上班"));
    PeriodDay { day: Day(day), number, reason: reason.unwrap_or_default().to_owned(), is_added: false }
}
