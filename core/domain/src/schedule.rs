//! Scheduled openings (启封安排): a statement commits to the day on which something sealed of it is going to be opened.
//!
//! The schedule is the slot [`FIELD`], a list of (field, day, slot number), and is committed like any other value: it
//! can be neither moved nor denied later. Of a public statement it is public, so that everybody sees that something
//! is going to be opened, and when, and nothing of what; of a wholly sealed event it has the widest tier of the event's
//! own slots, so that whoever is told of the event is told of its schedule and outsiders of neither.
//!
//! The author names field and day; [`crate::prepare`] adds the slot number. With it, whether the promise was kept
//! follows from bodies alone (`slot.opened` names entry and slot number), also after the opening was withdrawn.
//! For the same reason a schedule itself cannot be withdrawn.
//!
//! Which kinds have it is one rule ([`is_schedulable`]) that `payload!` asks: whatever has a slot that is not public,
//! but for what citizens hand in and what is said of it ([`NEVER`]). Overdue is computed when it is read
//! ([`standing`]), from days alone, and stored nowhere. Not here: opening itself ([`crate::kind::opening`]).

use chrono::{Datelike, Months, NaiveDate};
use gongkai_log::{Opening, SLOTS, Statement, Tier};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    field::{Field, Place, Shape},
    kind::Kind,
    refusal::Refusal,
    world::Role,
};

/// The slot that holds the schedule.
pub const FIELD: &str = "scheduled_openings";

/// Its Chinese name.
pub const LABEL: &str = "启封安排";

/// Farthest day, in years after the declared one: the longest period for which a state secret is kept without a new
/// decision (保守国家秘密法 art. 20).
pub const YEARS_MAX: u32 = 30;

/// Beginnings of the wire names of kinds that never promise an opening, though officials say some of them: what is
/// recommended, voted, objected or written in confidence, what is done about it, and who read what.
pub const NEVER: &[&str] =
    &["access.", "letter.", "vacancy.recommend", "nomination.object", "notice.object", "tally.cast"];

/// One promise: on this day this field of the statement is going to be opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scheduled {
    /// Wire name of the sealed field.
    pub field: String,
    /// The day.
    pub on: NaiveDate,
    /// The slot in which the field lies, 0–15.
    pub slot: u8,
}

/// Where a promise stands, as of a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Its day is to come.
    Ahead,
    /// Its day is today.
    Today,
    /// Its day is past, by so many days.
    Overdue(u64),
    /// It was opened.
    Opened,
    /// The value was erased on record before it was opened.
    Erased,
}

impl Standing {
    /// Days over; `None` unless it is overdue.
    pub fn days_over(self) -> Option<u64> {
        if let Self::Overdue(days) = self { Some(days) } else { None }
    }

    /// Chinese name.
    pub fn label(self) -> &'static str {
        match self {
            Self::Ahead => "将启封",
            Self::Today => "今日启封",
            Self::Overdue(_) => "到期未启封",
            Self::Opened => "已启封",
            Self::Erased => "已删除",
        }
    }

    /// The sentence for people; `label` is the field's Chinese name.
    pub fn sentence(self, label: &str, on: NaiveDate) -> String {
        let day = format!("{}年{}月{}日", on.year(), on.month(), on.day());
        match self {
            Self::Ahead => format!("{label}将于{day}启封"),
            Self::Today => format!("{label}应于今天（{day}）启封"),
            Self::Overdue(days) => format!("{label}应于{day}启封，已逾期{days}天，仍未启封"),
            Self::Opened => format!("{label}已启封（原定{day}）"),
            Self::Erased => format!("{label}原定{day}启封，内容已依删除令删除"),
        }
    }
}

/// Where a promise stands on a day in China ([`crate::procedure::recorded_on`] of the clock).
///
/// The day itself is still in time. What was opened stays opened after a withdrawal: both are on record.
pub fn standing(on: NaiveDate, today: NaiveDate, opened: bool, erased: bool) -> Standing {
    match u64::try_from((today - on).num_days()) {
        _ if opened => Standing::Opened,
        _ if erased => Standing::Erased,
        Err(_) => Standing::Ahead,
        Ok(0) => Standing::Today,
        Ok(days) => Standing::Overdue(days),
    }
}

/// The schedule that lies open among some slots; empty without one, and for one that is no schedule.
pub fn of(open: &[Opening]) -> Vec<Scheduled> {
    open.iter().find(|opening| opening.name == FIELD).map(|opening| parse(&opening.value)).unwrap_or_default()
}

/// The schedule that a value is; empty if it is none.
pub fn parse(value: &Value) -> Vec<Scheduled> {
    Vec::deserialize(value).unwrap_or_default()
}

/// A promise as it is judged: the slot may be missing.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    field: String,
    on: NaiveDate,
    slot: Option<u8>,
}

/// Judges the schedule of a statement, if there is one, as far as its open slots tell: anyone can judge it again.
///
/// # Errors
/// [`Refusal::Field`] on [`FIELD`].
pub(crate) fn check(kind: &Kind, statement: &Statement, open: &[Opening]) -> Result<(), Refusal> {
    let Some(opening) = open.iter().find(|opening| opening.name == FIELD) else { return Ok(()) };
    let form = || refused("每一项应有字段和启封日期（字段槽由系统填写）");
    let scheduled = Vec::<Written>::deserialize(&opening.value).map_err(|_| form())?;
    if scheduled.is_empty() {
        return Err(refused("至少安排一项"));
    }
    let declared = statement.declared_at.date_naive();
    let last = declared.checked_add_months(Months::new(12 * YEARS_MAX));
    for (place, Written { field, on, slot }) in scheduled.iter().enumerate() {
        let label = sealed_label(kind, field)
            .ok_or_else(|| refused(format!("「{field}」不是这种事项里封存的字段，不能安排启封")))?;
        if scheduled[..place].iter().any(|earlier| earlier.field == *field || earlier.slot == *slot && slot.is_some()) {
            return Err(refused(format!("「{label}」安排了两次")));
        }
        if *on <= declared {
            return Err(refused(format!("「{label}」的启封日期应晚于申报日期")));
        }
        if last.is_some_and(|last| *on > last) {
            return Err(refused(format!("「{label}」的启封日期太远，最多 {YEARS_MAX} 年")));
        }
        if slot.is_none_or(|slot| usize::from(slot) >= SLOTS) {
            return Err(refused(format!("没有填写「{label}」，无从启封")));
        }
    }
    Ok(())
}

/// Judges whether what is scheduled is there, in the slots that are named. Of slots that are `hidden` in a draft
/// nothing can be said.
///
/// # Errors
/// [`Refusal::Field`] on [`FIELD`].
pub(crate) fn check_present(kind: &Kind, open: &[Opening], hidden: &[u8]) -> Result<(), Refusal> {
    for Scheduled { field, slot, .. } in of(open) {
        let label = sealed_label(kind, &field).unwrap_or(&field);
        match open.iter().find(|opening| opening.name == field) {
            Some(opening) if opening.slot == slot => {}
            Some(_) => return Err(refused(format!("「{label}」不在所写的字段槽里"))),
            None if hidden.contains(&slot) => {}
            None => return Err(refused(format!("没有填写「{label}」，无从启封"))),
        }
    }
    Ok(())
}

/// Writes into a schedule where the fields lie. What is no schedule stays as it is, to be refused later.
pub(crate) fn number(value: &mut Value, slot_of: impl Fn(&str) -> Option<u8>) {
    for record in value.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
        let slot = record.get("field").and_then(Value::as_str).and_then(&slot_of);
        if let Some(slot) = slot {
            record.insert("slot".to_owned(), slot.into());
        }
    }
}

/// Chinese name of a sealed field that can be scheduled.
pub fn sealed_label(kind: &Kind, field: &str) -> Option<&'static str> {
    let found = kind.slot_fields().find(|(known, tier)| known.name == field && *tier != Tier::Public);
    found.map(|(known, _)| known.label).filter(|_| field != FIELD)
}

fn refused(reason: impl Into<String>) -> Refusal {
    Refusal::field(FIELD, LABEL, reason)
}

/// Whether statements of a kind may schedule an opening: some slot of it is not public, citizens do not hand it in,
/// and it is not one of [`NEVER`].
pub(crate) const fn is_schedulable(kind: &str, fields: &[Field], authors: &[Role]) -> bool {
    let mut at = 0;
    while at < authors.len() {
        if matches!(authors[at], Role::Intake) {
            return false;
        }
        at += 1;
    }
    at = 0;
    while at < NEVER.len() {
        if begins_with(kind.as_bytes(), NEVER[at].as_bytes()) {
            return false;
        }
        at += 1;
    }
    at = 0;
    while at < fields.len() {
        if !matches!(fields[at].place, Place::Body | Place::Slot(Tier::Public)) {
            return true;
        }
        at += 1;
    }
    false
}

/// A kind's fields, and the schedule where `N` leaves room for it.
pub(crate) const fn with_schedule<const N: usize>(fields: &[Field], sealed: bool) -> [Field; N] {
    let place = if sealed { Place::Slot(widest(fields)) } else { Place::Slot(Tier::Public) };
    let mut all = [Field { name: FIELD, label: LABEL, place, shape: Shape::Records(MEMBERS), required: false }; N];
    let mut at = 0;
    while at < fields.len() {
        all[at] = fields[at];
        at += 1;
    }
    all
}

const MEMBERS: &[Field] = &[
    Field { name: "field", label: "字段", place: Place::Body, shape: Shape::Text(64), required: true },
    Field { name: "on", label: "启封日期", place: Place::Body, shape: Shape::Date, required: true },
    Field {
        name: "slot", label: "字段槽（由系统填写）", place: Place::Body, shape: Shape::Count, required: false
    },
];

/// The widest tier of some slots.
const fn widest(fields: &[Field]) -> Tier {
    let (mut members, mut unit) = (false, false);
    let mut at = 0;
    while at < fields.len() {
        match fields[at].place {
            Place::Slot(Tier::Members) => members = true,
            Place::Slot(Tier::Unit) => unit = true,
            _ => {}
        }
        at += 1;
    }
    match (members, unit) {
        (true, _) => Tier::Members,
        (false, true) => Tier::Unit,
        (false, false) => Tier::Named,
    }
}

const fn begins_with(text: &[u8], start: &[u8]) -> bool {
    if text.len() < start.len() {
        return false;
    }
    let mut at = 0;
    while at < start.len() {
        if text[at] != start[at] {
            return false;
        }
        at += 1;
    }
    true
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        KINDS,
        kind::{self, FollowUp, Secrecy},
        procedure::recorded_on,
    };

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn opening(name: &str, slot: u8, tier: Tier, value: Value) -> Opening {
        Opening { slot, salt: [0; 32], tier, name: name.into(), value }
    }

    #[test]
    fn an_opening_is_overdue_from_the_midnight_in_china_after_its_day() {
        let on = day("2027-01-01");
        let at = |now: &str| standing(on, recorded_on(now.parse().unwrap()), false, false);
        assert_eq!(at("2026-12-31T15:59:59Z"), Standing::Ahead);
        assert_eq!(at("2026-12-31T16:00:00Z"), Standing::Today);
        assert_eq!(at("2027-01-01T15:59:59Z"), Standing::Today);
        assert_eq!(at("2027-01-01T16:00:00Z"), Standing::Overdue(1));
        assert_eq!(at("2027-01-13T01:00:00Z"), Standing::Overdue(12));
    }

    #[test]
    fn what_was_opened_or_erased_is_never_overdue() {
        let (on, later) = (day("2027-01-01"), day("2028-01-01"));
        assert_eq!(standing(on, later, true, false), Standing::Opened);
        assert_eq!(standing(on, later, true, true), Standing::Opened);
        assert_eq!(standing(on, later, false, true), Standing::Erased);
        assert_eq!(standing(on, later, false, false).days_over(), Some(365));
    }

    #[test]
    fn each_standing_is_one_plain_sentence() {
        let on = day("2027-01-01");
        let says = |standing: Standing| standing.sentence("理由", on);
        assert_eq!(says(Standing::Ahead), "理由将于2027年1月1日启封");
        assert_eq!(says(Standing::Overdue(12)), "理由应于2027年1月1日启封，已逾期12天，仍未启封");
        assert_eq!(says(Standing::Opened), "理由已启封（原定2027年1月1日）");
    }

    #[test]
    fn every_kind_with_a_sealed_slot_can_be_scheduled_but_for_what_citizens_confide() {
        for kind in KINDS {
            let sealed = kind.slot_fields().any(|(field, tier)| tier != Tier::Public && field.name != FIELD);
            let never = kind.authors.contains(&Role::Intake) || NEVER.iter().any(|start| kind.name.starts_with(start));
            assert_eq!(kind.field(FIELD).is_some(), sealed && !never, "{}", kind.name);
            if kind.secrecy != Secrecy::Ledger || kind.follow_up != FollowUp::Receipt || kind.is_for_citizens() {
                assert!(kind.field(FIELD).is_none(), "{}: nobody proves it by a schedule", kind.name);
            }
        }
        for name in ["pledge.made.v1", "vacancy.shortlisted.v1", "review.returned.v1", "person.registered.v1"] {
            assert!(kind::find(name).unwrap().field(FIELD).is_some(), "{name}");
        }
        for start in NEVER {
            assert!(KINDS.iter().any(|kind| kind.name.starts_with(start)), "{start} names nothing");
        }
    }

    #[test]
    fn a_schedule_is_told_to_nobody_who_is_not_told_of_the_event() {
        for kind in KINDS {
            let Some((_, tier)) = kind.slot_fields().find(|(field, _)| field.name == FIELD) else { continue };
            let own = kind.slot_fields().filter(|(field, _)| field.name != FIELD).map(|(_, tier)| tier);
            let expected = if kind.sealed { own.min() } else { Some(Tier::Public) };
            assert_eq!(Some(tier), expected, "{}", kind.name);
        }
    }

    #[test]
    fn a_field_is_scheduled_in_the_slot_in_which_it_lies() {
        let kind = kind::find("pledge.made.v1").unwrap();
        let schedule = |slot: u8| {
            let value = json!([{"field": "contact", "on": "2027-01-01", "slot": slot}]);
            opening(FIELD, 2, Tier::Public, value)
        };
        let contact = opening("contact", 7, Tier::Named, json!("值班室(虚构)"));
        assert!(check_present(kind, &[schedule(7), contact.clone()], &[]).is_ok());
        assert_eq!(check_present(kind, &[schedule(8), contact], &[]).unwrap_err().code(), "field");
        assert_eq!(check_present(kind, &[schedule(7)], &[]).unwrap_err().code(), "field");
        assert!(check_present(kind, &[schedule(7)], &[7]).is_ok(), "hidden in a draft");
    }
}
