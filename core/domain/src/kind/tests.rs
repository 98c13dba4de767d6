//! Guards over the whole list: forgetting a tier, a label or a sample fails here.

use std::collections::BTreeSet;

use serde_json::Value;

use super::*;
use crate::{
    command::{Command, Setting, prepare},
    envelope,
    field::Shape,
    submission::{self, Submission},
};

/// Deterministic "randomness" for samples.
pub(crate) fn counter() -> impl FnMut(&mut [u8]) {
    let mut n = 0_u64;
    move |buffer: &mut [u8]| {
        for byte in buffer {
            n = n.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *byte = n.to_be_bytes()[0];
        }
    }
}

fn signed_sample(kind: &Kind) -> Submission {
    let command = Command::from_value((kind.sample)()).unwrap();
    let key = gongkai_log::SigningKey::from_seed("alice.example/1", gongkai_log::KeyKind::Ed25519, [3; 32]).unwrap();
    let stream = command.stream.clone().unwrap_or_else(|| new_stream(kind).parse().unwrap());
    let head = (!kind.opens).then_some(crate::command::Head { revision: 0, hash: gongkai_log::Digest::ZERO });
    let setting = Setting {
        origin: "ledger.example/vectors",
        stream,
        head,
        signers: vec![gongkai_log::Signer { role: kind.authors[0].wire().into(), key: key.name().into() }],
        declared_at: chrono::DateTime::parse_from_rfc3339("2027-06-01T09:12:00+08:00").unwrap(),
    };
    let prepared = prepare(&command, &setting, &mut counter()).unwrap();
    let signed = gongkai_log::SignedStatement::sign(&prepared.statement, &[&key]).unwrap();
    assert_eq!(signed.note.text, prepared.text);
    let mut submission = prepared.into_submission(signed.note.to_string());
    if kind.secrecy == Secrecy::Body {
        let secret = crate::vault::TierSecret::from_bytes(&[9; 32]).unwrap();
        let receiver = sample_stream("receiver", 1).parse().unwrap();
        let to = [envelope::To { receiver: &receiver, key: &secret.key(), may_open: true }];
        let statement = &signed.statement;
        let (envelope, hidden) = envelope::seal(statement, &submission.openings, &to, &mut counter()).unwrap();
        (submission.envelope, submission.openings) = (Some(envelope), hidden);
    }
    submission
}

fn new_stream(kind: &Kind) -> String {
    if kind.sealed { sealed_stream(kind.family(), 99) } else { sample_stream(kind.family(), 99) }
}

#[test]
fn every_sample_can_be_prepared_signed_and_checked() {
    for kind in KINDS {
        let submission = signed_sample(kind);
        let json = serde_json::to_vec(&submission).unwrap();
        let parsed = Submission::parse(&json).unwrap();
        let checked = submission::check("ledger.example/vectors", parsed);
        assert!(checked.is_ok(), "{}: {:?}", kind.name, checked.err());
    }
}

#[test]
fn every_kind_has_a_family_a_label_and_a_version() {
    let mut names = BTreeSet::new();
    for kind in KINDS {
        assert!(names.insert(kind.name), "{} twice", kind.name);
        assert!(FAMILIES.iter().any(|(family, _)| *family == kind.family()), "{}", kind.name);
        assert!(kind.name.split('.').next_back() == Some("v1"), "{}", kind.name);
        assert!(!kind.label.is_empty() && !kind.authors.is_empty(), "{}", kind.name);
    }
}

#[test]
fn every_field_of_every_kind_has_a_tier() {
    for kind in KINDS {
        let mut names = BTreeSet::new();
        for field in kind.fields {
            assert!(names.insert(field.name), "{}.{} twice", kind.name, field.name);
            assert!(!field.label.is_empty(), "{}.{}", kind.name, field.name);
            // A text in the body could never be withdrawn.
            let is_text = matches!(field.shape, Shape::Text(_) | Shape::Texts(_) | Shape::Proof(_));
            let in_slot = field.place != Place::Body;
            // What must not be public is in a slot, text or not.
            let is_confidential = in_slot && field.place != Place::Slot(Tier::Public);
            // A schedule tells where and when, but is proven with the slot that it is about.
            let is_schedule = field.name == crate::schedule::FIELD;
            assert!(in_slot == is_text || is_confidential || is_schedule, "{}.{}", kind.name, field.name);
        }
        assert!(kind.slot_fields().count() <= gongkai_log::slot::SLOTS, "{}", kind.name);
    }
}

#[test]
fn a_value_of_another_tier_than_public_is_kept_apart_and_may_be_a_telephone_but_no_id_number() {
    let mut command = Command::from_value((find("pledge.made.v1").unwrap().sample)()).unwrap();
    command.fields.insert("contact".into(), Value::from("电话13800138000"));
    let checked = check(&command).unwrap();
    assert!(checked.needs_vault());
    assert_eq!(checked.sealed.len(), 1);
    assert!(checked.openings.open.iter().all(|opening| opening.tier == Tier::Public));
    command.fields.insert("contact".into(), Value::from("证号11010519491231002X"));
    assert_eq!(check(&command).unwrap_err().code(), "personal_data");
}

#[test]
fn a_sealed_matter_has_a_random_id_an_empty_body_and_no_public_field() {
    for kind in KINDS.iter().filter(|kind| kind.sealed) {
        assert!(kind.body_fields().next().is_none(), "{}", kind.name);
        assert!(kind.slot_fields().all(|(_, tier)| tier != Tier::Public), "{}", kind.name);
        assert!(!kind.teaches, "{}: the world must be the same without a vault", kind.name);
    }
}

#[test]
fn an_id_number_in_any_free_text_is_refused_and_not_repeated() {
    let mut command = Command::from_value((find("pledge.made.v1").unwrap().sample)()).unwrap();
    command.fields.insert("measures".into(), Value::from("联系人证号11010519491231002X"));
    let refusal = check(&command).unwrap_err();
    assert_eq!(refusal.code(), "personal_data");
    assert!(!refusal.to_string().contains("11010519491231002X"));
}

fn check(command: &Command) -> Result<crate::Checked, crate::Refusal> {
    let key = gongkai_log::SigningKey::from_seed("alice.example/1", gongkai_log::KeyKind::Ed25519, [3; 32]).unwrap();
    let setting = Setting {
        origin: "ledger.example/vectors",
        stream: sample_stream(find(&command.kind).unwrap().family(), 99).parse().unwrap(),
        head: None,
        signers: vec![gongkai_log::Signer { role: "publisher".into(), key: key.name().into() }],
        declared_at: chrono::DateTime::parse_from_rfc3339("2026-03-10T09:12:00+08:00").unwrap(),
    };
    let prepared = prepare(command, &setting, &mut counter()).unwrap();
    let signed = gongkai_log::SignedStatement::sign(&prepared.statement, &[&key]).unwrap();
    let submission = prepared.into_submission(signed.note.to_string());
    submission::check("ledger.example/vectors", submission)
}

#[test]
fn the_columns_of_a_finance_line_are_those_that_are_checked() {
    let described: BTreeSet<_> = disclosure::FINANCE.columns.iter().map(|column| column.name).collect();
    assert_eq!(described, crate::finance::COLUMNS.into_iter().collect());
}

fn with_files(files: usize, lines: usize) -> Command {
    let file = serde_json::json!({"hash": gongkai_log::Digest::of(b"photo"), "size": 5, "media_type": "image/jpeg"});
    let mut command = Command::from_value((find("disclosure.published.v1").unwrap().sample)()).unwrap();
    let mut line = command.fields["lines"][0].clone();
    line["files"] = Value::from(vec![file; files]);
    command.fields.insert("lines".into(), Value::from(vec![line; lines]));
    command
}

#[test]
fn the_files_of_a_line_are_signed_with_it_and_a_line_without_any_says_nothing_of_them() {
    let with = check(&with_files(2, 1)).unwrap();
    let named: Vec<_> =
        disclosure::FINANCE.attachments(&with.rows[0]).map(|(column, file)| (column.name, file.size)).collect();
    assert_eq!(named, [("files", 5), ("files", 5)]);
    let with_one_less = check(&with_files(1, 1)).unwrap();
    let without = Command::from_value((find("disclosure.published.v1").unwrap().sample)()).unwrap();
    let without = check(&without).unwrap();
    assert!(without.rows.iter().all(|row| !row.contains_key("files")));
    assert_ne!(with.signed.statement.body["lines"], with_one_less.signed.statement.body["lines"]);
}

#[test]
fn a_line_and_a_sheet_name_so_many_files_and_not_one_more() {
    use crate::field::{LINE_ATTACHMENTS_MAX, LINES_ATTACHMENTS_MAX};
    check(&with_files(LINE_ATTACHMENTS_MAX, 1)).unwrap();
    let refused = check(&with_files(LINE_ATTACHMENTS_MAX + 1, 1)).unwrap_err();
    assert!(matches!(&refused, crate::Refusal::Field { name, .. } if name == "files"), "{refused}");
    check(&with_files(1, LINES_ATTACHMENTS_MAX)).unwrap();
    let refused = check(&with_files(1, LINES_ATTACHMENTS_MAX + 1)).unwrap_err();
    assert!(matches!(&refused, crate::Refusal::Field { name, .. } if name == "lines"), "{refused}");
}

#[test]
fn the_intake_key_signs_a_closed_list_of_kinds() {
    let signed: Vec<_> = KINDS.iter().filter(|kind| kind.authors.contains(&Role::Intake)).map(|k| k.name).collect();
    let expected = [
        "ledger.halted.v1",
        "ledger.resumed.v1",
        "ledger.recovered.v1",
        "map.rooted.v1",
        "intake.answered.v1",
        "pledge.rated.v1",
        "vacancy.recommended.v1",
        "nomination.objected.v1",
        "notice.objected.v1",
        "disclosure.questioned.v1",
        "letter.received.v1",
        "letter.rated.v1",
        "letter.escalated.v1",
        "consultation.submitted.v1",
        "tally.cast.v1",
    ];
    assert_eq!(KINDS.iter().filter(|kind| kind.is_for_citizens()).count(), expected.len() - 5);
    assert_eq!(signed, expected, "what the ledger says for people without keys changes only before everybody's eyes");
}

#[test]
fn an_id_number_within_a_record_is_found_too() {
    let mut command = Command::from_value((find("letter.answered.v1").unwrap().sample)()).unwrap();
    let point = serde_json::json!([{"point": "证号11010519491231002X", "result": "done", "reply": "已办"}]);
    command.fields.insert("points".into(), point);
    let key = gongkai_log::SigningKey::from_seed("alice.example/1", gongkai_log::KeyKind::Ed25519, [3; 32]).unwrap();
    let setting = Setting {
        origin: "ledger.example/vectors",
        stream: sealed_stream("letter", 1).parse().unwrap(),
        head: Some(crate::command::Head { revision: 0, hash: gongkai_log::Digest::ZERO }),
        signers: vec![gongkai_log::Signer { role: "publisher".into(), key: key.name().into() }],
        declared_at: chrono::DateTime::parse_from_rfc3339("2026-05-10T09:12:00+08:00").unwrap(),
    };
    let prepared = prepare(&command, &setting, &mut counter()).unwrap();
    let signed = gongkai_log::SignedStatement::sign(&prepared.statement, &[&key]).unwrap();
    let submission = prepared.into_submission(signed.note.to_string());
    assert_eq!(submission::check("ledger.example/vectors", submission).unwrap_err().code(), "personal_data");
}

#[test]
fn nothing_public_continues_a_sealed_stream_nor_the_other_way_round() {
    let origin = "ledger.example/vectors";
    let now = chrono::DateTime::parse_from_rfc3339("2027-06-01T09:12:00+08:00").unwrap().to_utc();
    let world = crate::World::default();
    let context = Context::at(now, &world);
    let state = |checked: &crate::Checked| {
        let (statement, hash) = (&checked.signed.statement, checked.signed.hash);
        let event = Recorded { index: 0, recorded_at: now, statement, hash, values: None };
        (checked.kind.evolve)(State::default(), &event)
    };
    let mut pairs = 0;
    for first in KINDS.iter().filter(|kind| kind.opens) {
        for next in KINDS.iter().filter(|kind| !kind.opens && kind.family() == first.family()) {
            if first.sealed == next.sealed {
                continue;
            }
            pairs += 1;
            let opened = submission::check(origin, signed_sample(first)).unwrap();
            let checked = submission::check(origin, signed_sample(next)).unwrap();
            let refused = (next.decide)(&state(&opened), &checked.proposal(), &context).unwrap_err();
            assert!(refused.to_string().contains("不能继之以"), "{} after {}: {refused}", next.name, first.name);
        }
    }
    assert!(pairs > 20, "{pairs}");
}
