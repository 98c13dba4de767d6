//! What whoever handed a matter in learns of it later, without signing in: its state in plain words, and of each step
//! what is told them.
//!
//! Which matters can be followed and which fields are told stands with the kinds ([`Payload::FOLLOW_UP`],
//! [`Payload::TOLD`]); nothing else of a step is ever shown here, and nothing that others wrote to each other. Not here:
//! codes and how they are kept, time limits ([`crate::clock`]).
//!
//! [`Payload::FOLLOW_UP`]: crate::kind::Payload::FOLLOW_UP
//! [`Payload::TOLD`]: crate::kind::Payload::TOLD

use serde::Serialize;
use serde_json::{Map, Value};

use crate::{
    event::State,
    field::Shape,
    kind::{Kind, letter, objection},
};

/// One field that the submitter is told.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Told {
    /// Wire name.
    pub name: &'static str,
    /// Its Chinese name.
    pub label: &'static str,
    /// The value; of a choice its Chinese name.
    pub value: Value,
    /// Records as people read them.
    #[serde(skip)]
    pub sentences: Vec<String>,
}

/// What the submitter is told of a step; `None` for a step that is not shown to them. Of one whose values nobody here
/// can see there are no fields.
pub fn told(kind: &Kind, values: Option<&Map<String, Value>>) -> Option<Vec<Told>> {
    if kind.told.is_empty() {
        return None;
    }
    let fields = kind.told.iter().filter_map(|name| kind.field(name));
    let told = fields.filter_map(|field| {
        let value = values?.get(field.name)?;
        let sentences = sentences(&field.shape, value.as_array().map_or(&[], Vec::as_slice));
        Some(Told { name: field.name, label: field.label, value: in_words(&field.shape, value.clone()), sentences })
    });
    Some(told.collect())
}

/// Records as people read them, one a line, their members in the order of the table: what may be left out with its name.
pub fn sentences(shape: &Shape, records: &[Value]) -> Vec<String> {
    let Shape::Records(members) = shape else { return Vec::new() };
    let said = |record: &Value| {
        let said = members.iter().filter_map(|member| {
            let value = in_words(&member.shape, record.get(member.name)?.clone());
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            Some(if member.required { text } else { format!("{}：{text}", member.label) })
        });
        said.collect::<Vec<_>>().join("　")
    };
    (1..).zip(records).map(|(number, record)| format!("{number}. {}", said(record))).collect()
}

/// A choice by its Chinese name, also within records.
fn in_words(shape: &Shape, value: Value) -> Value {
    match (shape, value) {
        (Shape::Choice(choices), Value::String(wire)) => {
            let label = choices.iter().find(|(known, _)| *known == wire).map(|(_, label)| (*label).to_owned());
            Value::String(label.unwrap_or(wire))
        }
        (Shape::Records(members), Value::Array(records)) => {
            let record = |record: Value| match record {
                Value::Object(mut values) => {
                    for member in *members {
                        if let Some(value) = values.get_mut(member.name) {
                            *value = in_words(&member.shape, value.take());
                        }
                    }
                    Value::Object(values)
                }
                other => other,
            };
            Value::Array(records.into_iter().map(record).collect())
        }
        (_, value) => value,
    }
}

/// The state of a matter in plain words.
pub fn words(state: &State) -> &'static str {
    if let Some(letter) = state.get::<letter::State>() {
        of_letter(letter)
    } else if let Some(objection) = state.get::<objection::State>() {
        match (objection.resolved, objection.accepted) {
            (true, _) => "已办结",
            (false, true) => "已受理，正在办理",
            (false, false) => "已收到，正在办理",
        }
    } else {
        "已收到"
    }
}

/// The organization in whose hands a matter is that its submitter may continue.
pub fn in_hands_of(state: &State) -> Option<&str> {
    state.get::<letter::State>().map(|letter| letter.org.as_str())
}

fn of_letter(letter: &letter::State) -> &'static str {
    if letter.not_accepted {
        "不予受理，理由见办理经过"
    } else if letter.appeal.is_some() {
        "上一级机构正在复查或复核"
    } else if letter.ended {
        "已复核，办理终结"
    } else if letter.closed_on.is_some() {
        "已办结"
    } else if letter.registered_on.is_some() {
        "已受理，正在办理"
    } else {
        "已收到，等待登记"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::{self, FollowUp, KINDS};

    #[test]
    fn a_step_tells_the_fields_of_its_list_and_no_other() {
        let answered = kind::find("letter.answered.v1").unwrap();
        let sample = (answered.sample)();
        let values = sample["fields"].as_object().unwrap();
        let told = told(answered, Some(values)).unwrap();
        let names: Vec<_> = told.iter().map(|told| told.name).collect();
        assert_eq!(names, ["answered_on", "text", "points"]);
        assert_eq!(told[2].value[0]["result"], "已办结");
        assert_eq!(told[2].sentences[0], "1. 修复塌方　已办结　3月28日修复通水");
        let registered = kind::find("letter.registered.v1").unwrap();
        let sample = (registered.sample)();
        let told = super::told(registered, sample["fields"].as_object()).unwrap();
        assert!(told.iter().all(|told| told.name == "registered_on"));
        assert_eq!(super::told(registered, None), Some(Vec::new()), "a step that nobody here can read");
        assert_eq!(super::told(kind::find("access.recorded.v1").unwrap(), Some(values)), None);
    }

    #[test]
    fn every_field_that_is_told_is_a_field_of_its_kind_and_not_a_persons_contact() {
        for kind in KINDS {
            for name in kind.told {
                assert!(kind.field(name).is_some(), "{}: {name}", kind.name);
                assert!(!["contact", "name", "concerns", "note", "done"].contains(name), "{}: {name}", kind.name);
            }
        }
    }

    #[test]
    fn recommendations_and_ballots_can_be_followed_no_further_than_that_they_were_received() {
        for name in ["vacancy.recommended.v1", "tally.cast.v1"] {
            let kind = kind::find(name).unwrap();
            assert_eq!(kind.follow_up, FollowUp::Receipt, "{name}");
            assert!(!kind.follow_up.opens_content());
        }
        for kind in KINDS.iter().filter(|kind| kind.follow_up != FollowUp::Receipt) {
            assert!(kind.sealed && kind.opens && kind.is_for_citizens(), "{}", kind.name);
        }
    }
}
