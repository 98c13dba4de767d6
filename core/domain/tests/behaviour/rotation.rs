//! A new log key is endorsed by the recovery key and has signed itself; the old key has no say.

use gongkai_domain::Refusal;
use gongkai_log::{Checkpoint, KeyKind, SignedStatement, SigningKey, checkpoint};
use serde_json::{Value, json};

use super::ledger::{COUNTY, Ledger, ORIGIN, refused, with};

fn key(name: &str, seed: u8) -> SigningKey {
    SigningKey::from_seed(name, KeyKind::Ed25519, [seed; 32]).unwrap()
}

fn old() -> SigningKey {
    key(ORIGIN, 1)
}

fn new() -> SigningKey {
    key(ORIGIN, 71)
}

fn recovery() -> SigningKey {
    key("recovery", 3)
}

/// The checkpoint of the first entries, signed.
fn head(ledger: &Ledger, size: u64, by: &SigningKey) -> String {
    let root = ledger.root(size).unwrap();
    checkpoint::sign(&Checkpoint { origin: ORIGIN.to_owned(), size, root }, &[by]).unwrap()
}

/// A rotation to a key, from the head of so many entries.
fn rotation(ledger: &Ledger, to: &SigningKey, size: u64) -> Value {
    let current = ledger.world.log_keys().unwrap().current().to_string();
    let stream = ledger.recorded().next().unwrap().1.signed.statement.stream.to_string();
    json!({"kind": "ledger.key_rotated.v1", "stream": stream, "org": COUNTY, "fields": {
        "old_key": current, "new_key": to.verifier().to_string(), "head_size": size,
        "head_root": ledger.root(size).unwrap(), "reason": "stolen", "checkpoint": head(ledger, size, &old())}})
}

/// Says it with these keys as signers in these roles, whatever the ledger's registry thinks of them.
fn signed(ledger: &mut Ledger, command: &Value, signers: &[(&str, &SigningKey)]) -> Result<String, Refusal> {
    let named: Vec<_> = signers.iter().map(|(role, key)| (*role, key.name())).collect();
    let prepared = ledger.drafted(command, &named)?;
    let keys: Vec<_> = signers.iter().map(|(_, key)| *key).collect();
    let note = SignedStatement::sign(&prepared.statement, &keys).unwrap().note.to_string();
    ledger.submit(prepared.into_submission(note))
}

fn endorsed(ledger: &mut Ledger, command: &Value) -> Result<String, Refusal> {
    let new = new();
    signed(ledger, command, &[("recovery", &recovery()), ("log", &new)])
}

fn sentence(result: Result<String, Refusal>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn a_new_key_that_the_recovery_key_endorses_signs_from_its_entry_on() {
    let mut ledger = Ledger::new();
    let before = ledger.size();
    let command = rotation(&ledger, &new(), before);
    endorsed(&mut ledger, &command).unwrap();
    let keys = ledger.world.log_keys().unwrap();
    assert_eq!(keys.at(before), &old().verifier());
    assert_eq!(keys.at(before + 1), &new().verifier());
    assert_eq!(ledger.world.key(ORIGIN).unwrap().verifier, new().verifier());
    // What others say needs nobody to know of it.
    ledger.organization("341599102", "township", Some(COUNTY)).unwrap();
}

#[test]
fn the_old_key_endorses_nothing_neither_alone_nor_beside_another() {
    let mut ledger = Ledger::new();
    let command = rotation(&ledger, &new(), 3);
    let said = sentence(signed(&mut ledger, &command, &[("log", &old())]));
    assert!(said.contains("旧钥匙的签名不算数"), "{said}");
    let said = sentence(signed(&mut ledger, &command, &[("log", &new())]));
    assert!(said.contains("恢复钥匙背书"), "{said}");
    assert_eq!(refused(signed(&mut ledger, &command, &[("recovery", &recovery())])), "bad_signature");
    // The old key in the place of the new one: the name is the same, the key is not.
    assert_eq!(refused(signed(&mut ledger, &command, &[("recovery", &recovery()), ("log", &old())])), "bad_signature");
}

#[test]
fn only_the_recovery_key_of_the_genesis_endorses() {
    let mut ledger = Ledger::new();
    let command = rotation(&ledger, &new(), 3);
    for pretender in [key("recovery", 99), key("reg1", 4), key("intake", 2)] {
        let result = signed(&mut ledger, &command, &[("recovery", &pretender), ("log", &new())]);
        assert_eq!(refused(result), "bad_signature", "{}", pretender.name());
    }
    let said = sentence(signed(&mut ledger, &command, &[("recovery", &key("mallory", 9)), ("log", &new())]));
    assert!(said.contains("不是创世条目写明的恢复钥匙"), "{said}");
    // Nor does it speak for anything else.
    let command = json!({"kind": "organization.registered.v1", "org": COUNTY,
        "fields": {"code": "341599103", "level": "township", "name": "某乡(虚构)", "parent": COUNTY}});
    assert_eq!(refused(ledger.say(&command, &[("recovery", "recovery")])), "wrong_author");
}

#[test]
fn a_head_that_is_no_beginning_of_this_log_is_refused() {
    let mut ledger = Ledger::new();
    let good = rotation(&ledger, &new(), 3);
    let other_root = with(good.clone(), &json!({"head_root": ledger.root(2).unwrap()}));
    let said = sentence(endorsed(&mut ledger, &other_root));
    assert!(said.contains("不是这个账本的开头"), "{said}");
    let beyond = with(good.clone(), &json!({"head_size": 4_000}));
    assert!(sentence(endorsed(&mut ledger, &beyond)).contains("不是这个账本的开头"));
    // Nobody signed the head that is named, or another one is enclosed.
    for (enclosed, why) in [
        (head(&ledger, 3, &key(ORIGIN, 5)), "不是账本钥匙签的检查点"),
        (head(&ledger, 2, &old()), "与写明的条数和根不同"),
        ("一句话\n".to_owned(), "接续的检查点原文"),
    ] {
        let said = sentence(endorsed(&mut ledger, &with(good.clone(), &json!({"checkpoint": enclosed}))));
        assert!(said.contains(why), "{said}");
    }
    endorsed(&mut ledger, &good).unwrap();
}

#[test]
fn the_same_key_again_and_a_key_under_another_name_are_refused() {
    let mut ledger = Ledger::new();
    let used = |seed| key(ORIGIN, seed);
    for (seed, whose) in [(1, "the old one"), (2, "the intake's"), (3, "the recovery key"), (4, "a registrar's")] {
        let command = rotation(&ledger, &used(seed), 3);
        let said = sentence(signed(&mut ledger, &command, &[("recovery", &recovery()), ("log", &used(seed))]));
        assert!(said.contains("已经用过"), "{whose}: {said}");
    }
    let renamed = key("ledger.example/other", 71);
    let command = rotation(&ledger, &renamed, 3);
    let said = sentence(signed(&mut ledger, &command, &[("recovery", &recovery()), ("log", &renamed)]));
    assert!(said.contains("账本标识不能改"), "{said}");
    let command = with(rotation(&ledger, &new(), 3), &json!({"old_key": new().verifier().to_string()}));
    assert!(sentence(endorsed(&mut ledger, &command)).contains("不是账本现在的钥匙"));
    // Nor does a key that was replaced come back.
    let command = rotation(&ledger, &new(), 3);
    endorsed(&mut ledger, &command).unwrap();
    let command = rotation(&ledger, &old(), 3);
    let said = sentence(signed(&mut ledger, &command, &[("recovery", &recovery()), ("log", &old())]));
    assert!(said.contains("已经用过"), "{said}");
}

#[test]
fn only_a_key_in_good_hands_signs_beside_the_new_one_and_not_for_ever() {
    let mut ledger = Ledger::new();
    let until = |reason: &str, until: &str| json!({"reason": reason, "overlap_until": until});
    let command = rotation(&ledger, &new(), 3);
    for (reason, time, why) in [
        ("stolen", "2026-04-10T09:00:00+08:00", "钥匙被盗时原钥匙不能再签"),
        ("lost", "2026-04-10T09:00:00+08:00", "钥匙丢失时原钥匙不能再签"),
        ("planned", "2026-03-10T09:00:00+08:00", "应在申报之后"),
        ("planned", "2027-03-12T09:00:00+08:00", "366 天以内"),
    ] {
        let said = sentence(endorsed(&mut ledger, &with(command.clone(), &until(reason, time))));
        assert!(said.contains(why), "{said}");
    }
    endorsed(&mut ledger, &with(command, &until("planned", "2026-04-10T09:00:00+08:00"))).unwrap();
}
