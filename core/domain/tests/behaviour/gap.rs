//! An intake is opened by two registrars, and answered in order by the ledger alone.

use gongkai_log::{Digest, KeyKind, SigningKey};
use serde_json::{Value, json};

use super::ledger::{COUNTY, Ledger, ORIGIN, refused};

const BOTH: [(&str, &str); 2] = [("registrar", "reg1"), ("registrar", "reg2")];

fn opened(name: &str) -> Value {
    let key = SigningKey::from_seed(name, KeyKind::Ed25519, [61; 32]).unwrap().verifier().to_string();
    let sample = (gongkai_domain::kind::find("intake.opened.v1").unwrap().sample)();
    let sealing_key = &sample["fields"]["sealing_key"];
    json!({"kind": "intake.opened.v1", "org": COUNTY, "fields": {"key": key, "sealing_key": sealing_key,
        "answer_hours": 72}})
}

fn answered(stream: &str, from: u64, to: u64) -> Value {
    json!({"kind": "intake.answered.v1", "stream": stream, "org": COUNTY, "fields": {"from": from, "to": to,
        "entry_hash": Digest::of(&to.to_be_bytes()), "answers": Digest::of(b"a root")}})
}

fn name() -> String {
    format!("{ORIGIN}/intake")
}

#[test]
fn one_registrar_alone_cannot_divert_what_people_hand_in() {
    let mut ledger = Ledger::new();
    assert_eq!(refused(ledger.say(&opened(&name()), &BOTH[..1])), "cosigners_missing");
    ledger.say(&opened(&name()), &BOTH).unwrap();
    let intake = ledger.world.intakes().next().unwrap();
    assert_eq!((intake.key.name(), intake.answer_hours, intake.answered()), (name().as_str(), 72, (0, Digest::ZERO)));
}

#[test]
fn an_intake_bears_the_ledgers_name_has_a_key_of_its_own_and_a_time_for_answers() {
    let mut ledger = Ledger::new();
    for foreign in ["other.example/intake", ORIGIN, &format!("{ORIGIN}/"), &format!("{ORIGIN}x/intake")] {
        assert_eq!(refused(ledger.say(&opened(foreign), &BOTH)), "field", "{foreign}");
    }
    for hours in [0, 1_441] {
        let mut command = opened(&name());
        command["fields"]["answer_hours"] = hours.into();
        assert_eq!(refused(ledger.say(&command, &BOTH)), "field", "{hours}");
    }
    ledger.say(&opened(&name()), &BOTH).unwrap();
    assert_eq!(refused(ledger.say(&opened(&name()), &BOTH)), "field", "the same key again");
}

#[test]
fn batches_are_answered_once_in_order_and_by_nobody_else() {
    let mut ledger = Ledger::new();
    let stream = ledger.say(&opened(&name()), &BOTH).unwrap();
    let intake = [("intake", "intake")];
    assert_eq!(refused(ledger.say(&answered(&stream, 0, 3), &[("publisher", "officer")])), "wrong_author");
    assert_eq!(refused(ledger.say(&answered(&stream, 1, 3), &intake)), "state");
    assert_eq!(refused(ledger.say(&answered(&stream, 0, 0), &intake)), "state");
    ledger.say(&answered(&stream, 0, 3), &intake).unwrap();
    assert_eq!(refused(ledger.say(&answered(&stream, 0, 3), &intake)), "state", "the same again");
    let close = json!({"kind": "intake.closed.v1", "stream": stream, "org": COUNTY, "fields": {}});
    ledger.say(&close, &[("registrar", "reg1")]).unwrap();
    assert_eq!(refused(ledger.say(&close, &[("registrar", "reg1")])), "state");
    ledger.say(&answered(&stream, 3, 4), &intake).unwrap();
    let intake = ledger.world.intakes().next().unwrap();
    assert!(intake.is_closed, "what came before is answered all the same");
    assert_eq!(intake.answered(), (4, Digest::of(&4_u64.to_be_bytes())));
}

#[test]
fn nobody_hands_in_what_only_the_ledger_says() {
    for name in ["intake.answered.v1", "ledger.halted.v1"] {
        let kind = gongkai_domain::kind::find(name).unwrap();
        assert!(kind.is_own_word() && !kind.is_for_citizens(), "{name}");
    }
}
