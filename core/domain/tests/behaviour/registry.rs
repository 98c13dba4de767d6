//! Who may say what for whom.

use serde_json::json;

use super::ledger::{COUNTY, Ledger, TOWNSHIP, VILLAGE, refused, sample};

#[test]
fn a_key_that_was_never_authorized_signs_nothing() {
    let mut ledger = Ledger::new();
    ledger.add_key("stranger", 99);
    let result = ledger.say(&sample("pledge.made.v1", VILLAGE, None), &[("publisher", "stranger")]);
    assert_eq!(refused(result), "unknown_key");
}

#[test]
fn a_revoked_key_signs_nothing_after_its_revocation() {
    let mut ledger = Ledger::new();
    let command = json!({"kind": "person.registered.v1", "org": COUNTY, "fields": {"name": "沈溪(虚构)"}});
    let person = ledger.say(&command, &[("registrar", "reg1")]).unwrap();
    ledger.add_key("lost", 40);
    let vkey = ledger.verifier("lost");
    let command = json!({"kind": "key.authorized.v1", "org": COUNTY, "fields": {"person": person, "key": vkey}});
    let key_stream = ledger.say(&command, &[("registrar", "reg1")]).unwrap();
    ledger.role("lost", "publisher", VILLAGE).unwrap();
    ledger.say(&sample("pledge.made.v1", VILLAGE, None), &[("publisher", "lost")]).unwrap();
    let revoke = json!({"kind": "key.revoked.v1", "stream": key_stream, "org": COUNTY, "fields": {"reason": "stolen"}});
    ledger.say(&revoke, &[("registrar", "reg1")]).unwrap();
    let result = ledger.say(&sample("pledge.made.v1", VILLAGE, None), &[("publisher", "lost")]);
    assert_eq!(refused(result), "revoked_key");
    assert_eq!(refused(ledger.say(&revoke, &[("registrar", "reg1")])), "state");
}

#[test]
fn whoever_lost_a_device_revokes_its_key_with_another_of_their_own_and_nobody_elses() {
    let mut ledger = Ledger::new();
    let command = json!({"kind": "person.registered.v1", "org": VILLAGE, "fields": {"name": "沈溪(虚构)"}});
    let person = ledger.say(&command, &[("registrar", "reg1")]).unwrap();
    let mut authorize = |name: &str, seed: u8| {
        ledger.add_key(name, seed);
        let vkey = ledger.verifier(name);
        let fields = json!({"person": person, "key": vkey});
        ledger
            .say(&json!({"kind": "key.authorized.v1", "org": VILLAGE, "fields": fields}), &[("registrar", "reg1")])
            .unwrap()
    };
    let (phone, _) = (authorize("phone", 41), authorize("desk", 42));
    ledger.role("desk", "publisher", VILLAGE).unwrap();
    ledger.person("other", 43);
    ledger.role("other", "supervisor", VILLAGE).unwrap();
    let revoke = json!({"kind": "key.revoked.v1", "stream": phone, "org": VILLAGE, "fields": {"reason": "lost"}});
    assert_eq!(refused(ledger.say(&revoke, &[("supervisor", "other")])), "state");
    ledger.say(&revoke, &[("publisher", "desk")]).unwrap();
    let result = ledger.say(&sample("pledge.made.v1", VILLAGE, None), &[("publisher", "phone")]);
    assert_eq!(refused(result), "revoked_key");
    ledger.say(&sample("pledge.made.v1", VILLAGE, None), &[("publisher", "desk")]).unwrap();
}

#[test]
fn a_role_holds_for_the_subtree_and_not_above_or_beside_it() {
    let mut ledger = Ledger::new();
    ledger.organization("341599102", "township", Some(COUNTY)).unwrap();
    ledger.county(&sample("pledge.made.v1", VILLAGE, None)).unwrap();
    assert_eq!(refused(ledger.village(&sample("pledge.made.v1", TOWNSHIP, None))), "no_role");
    assert_eq!(refused(ledger.village(&sample("pledge.made.v1", "341599102", None))), "no_role");
}

#[test]
fn nobody_continues_the_matter_of_an_organization_beside_their_own() {
    let mut ledger = Ledger::new();
    let other = "341599101202";
    ledger.organization(other, "village", Some(TOWNSHIP)).unwrap();
    ledger.person("neighbour", 61);
    ledger.role("neighbour", "publisher", other).unwrap();
    let pledge = ledger.village(&sample("pledge.made.v1", VILLAGE, None)).unwrap();
    let notice = ledger.village(&sample("notice.published.v1", VILLAGE, None)).unwrap();
    ledger.at("2027-01-05");
    for (kind, stream) in [
        ("pledge.progressed.v1", &pledge),
        ("pledge.not_fulfilled.v1", &pledge),
        ("pledge.withdrawn.v1", &pledge),
        ("notice.withdrawn.v1", &notice),
    ] {
        let refusal = ledger.say(&sample(kind, other, Some(stream)), &[("publisher", "neighbour")]).unwrap_err();
        assert!(refusal.to_string().contains("只能以它或其上级机构的名义"), "{kind}: {refusal}");
    }
    ledger.county(&sample("pledge.progressed.v1", TOWNSHIP, Some(&pledge))).unwrap();
    ledger.village(&sample("pledge.progressed.v1", VILLAGE, Some(&pledge))).unwrap();
}

#[test]
fn a_key_is_not_revoked_from_beside() {
    let mut ledger = Ledger::new();
    let other = "341599102";
    ledger.organization(other, "township", Some(COUNTY)).unwrap();
    let command = json!({"kind": "person.registered.v1", "org": TOWNSHIP, "fields": {"name": "沈溪(虚构)"}});
    let person = ledger.say(&command, &[("registrar", "reg1")]).unwrap();
    ledger.add_key("kept", 41);
    let fields = json!({"person": person, "key": ledger.verifier("kept")});
    let command = json!({"kind": "key.authorized.v1", "org": TOWNSHIP, "fields": fields});
    let key = ledger.say(&command, &[("registrar", "reg1")]).unwrap();
    let revoke = |org: &str| json!({"kind": "key.revoked.v1", "stream": key, "org": org, "fields": {"reason": "lost"}});
    assert_eq!(refused(ledger.say(&revoke(other), &[("registrar", "reg1")])), "field");
    ledger.say(&revoke(COUNTY), &[("registrar", "reg1")]).unwrap();
}

#[test]
fn a_supervisor_cannot_publish() {
    let mut ledger = Ledger::new();
    let as_supervisor = ledger.say(&sample("pledge.made.v1", VILLAGE, None), &[("supervisor", "super1")]);
    assert_eq!(refused(as_supervisor), "wrong_author");
    let as_publisher = ledger.say(&sample("pledge.made.v1", VILLAGE, None), &[("publisher", "super1")]);
    assert_eq!(refused(as_publisher), "no_role");
}

#[test]
fn nobody_signs_for_an_organization_that_is_not_registered() {
    let mut ledger = Ledger::new();
    let result = ledger.county(&sample("pledge.made.v1", "999999", None));
    assert_eq!(refused(result), "unknown_organization");
}

#[test]
fn one_registrar_alone_cannot_appoint_a_supervisor() {
    let mut ledger = Ledger::new();
    ledger.person("new", 50);
    let person = ledger.person_of("new");
    let grant = |role: &str| {
        json!({"kind": "role.granted.v1", "org": VILLAGE,
            "fields": {"person": person, "role": role, "avoidance_declared": true}})
    };
    for role in ["registrar", "reviewer", "approver", "supervisor"] {
        assert_eq!(refused(ledger.say(&grant(role), &[("registrar", "reg1")])), "cosigners_missing", "{role}");
    }
    ledger.say(&grant("supervisor"), &[("registrar", "reg1"), ("registrar", "reg2")]).unwrap();
}

#[test]
fn two_keys_of_one_person_are_not_two_people() {
    let mut ledger = Ledger::new();
    let person = ledger.person_of("reg1");
    ledger.add_key("reg1b", 60);
    let vkey = ledger.verifier("reg1b");
    let command = json!({"kind": "key.authorized.v1", "org": COUNTY, "fields": {"person": person, "key": vkey}});
    ledger.say(&command, &[("registrar", "reg2")]).unwrap();
    ledger.person("new", 61);
    let grant = json!({"kind": "role.granted.v1", "org": VILLAGE,
        "fields": {"person": ledger.person_of("new"), "role": "approver"}});
    assert_eq!(refused(ledger.say(&grant, &[("registrar", "reg1"), ("registrar", "reg1b")])), "same_person");
}

#[test]
fn one_key_cannot_be_registered_under_two_names_nor_shared_by_two_people() {
    let mut ledger = Ledger::new();
    ledger.person("new", 62);
    ledger.add_key("clerk-again", 11);
    let vkey = ledger.verifier("clerk-again");
    for holder in ["reg1", "new"] {
        let person = ledger.person_of(holder);
        let command = json!({"kind": "key.authorized.v1", "org": COUNTY, "fields": {"person": person, "key": vkey}});
        assert_eq!(refused(ledger.say(&command, &[("registrar", "reg1")])), "field", "{holder}");
    }
}

#[test]
fn a_supervisor_declares_avoidance_and_publishes_nothing_there() {
    let mut ledger = Ledger::new();
    ledger.person("new", 70);
    let fields = json!({"person": ledger.person_of("new"), "role": "supervisor"});
    let grant = json!({"kind": "role.granted.v1", "org": VILLAGE, "fields": fields});
    assert_eq!(refused(ledger.say(&grant, &[("registrar", "reg1"), ("registrar", "reg2")])), "field");
    assert_eq!(refused(ledger.role("clerk", "supervisor", VILLAGE)), "state");
    assert_eq!(refused(ledger.role("super1", "publisher", TOWNSHIP)), "state");
}

#[test]
fn a_withdrawn_role_gives_no_more_authority() {
    let mut ledger = Ledger::new();
    ledger.person("temp", 71);
    let role = ledger.role("temp", "publisher", VILLAGE).unwrap();
    ledger.say(&sample("pledge.made.v1", VILLAGE, None), &[("publisher", "temp")]).unwrap();
    let withdraw = json!({"kind": "role.withdrawn.v1", "stream": role, "org": VILLAGE, "fields": {}});
    ledger.say(&withdraw, &[("registrar", "reg1")]).unwrap();
    let result = ledger.say(&sample("pledge.made.v1", VILLAGE, None), &[("publisher", "temp")]);
    assert_eq!(refused(result), "no_role");
}

#[test]
fn a_merged_village_publishes_nothing_more_and_names_its_successor() {
    let mut ledger = Ledger::new();
    let old = ledger.organization("341599101203", "village", Some(TOWNSHIP)).unwrap();
    let pledge = ledger.county(&sample("pledge.made.v1", "341599101203", None)).unwrap();
    let merge = json!({"kind": "organization.merged.v1", "stream": old, "org": "341599101203",
        "fields": {"into": VILLAGE, "effective_on": "2026-03-01"}});
    ledger.say(&merge, &[("registrar", "reg1")]).unwrap();
    let refusal = ledger.county(&sample("pledge.made.v1", "341599101203", None)).unwrap_err();
    assert_eq!(refusal.code(), "ended_organization");
    assert!(refusal.to_string().contains(VILLAGE), "{refusal}");
    ledger.at("2027-01-05");
    ledger.village(&sample("pledge.progressed.v1", VILLAGE, Some(&pledge))).unwrap();
}

#[test]
fn an_organization_cannot_be_merged_into_its_own_subtree() {
    let mut ledger = Ledger::new();
    let township = ledger.organization("341599109", "township", Some(COUNTY)).unwrap();
    ledger.organization("341599109201", "village", Some("341599109")).unwrap();
    let merge = json!({"kind": "organization.merged.v1", "stream": township, "org": "341599109",
        "fields": {"into": "341599109201", "effective_on": "2026-03-01"}});
    assert_eq!(refused(ledger.say(&merge, &[("registrar", "reg1")])), "field");
}

#[test]
fn a_code_is_registered_once_and_under_a_parent_that_exists() {
    let mut ledger = Ledger::new();
    assert_eq!(refused(ledger.organization(VILLAGE, "village", Some(TOWNSHIP))), "field");
    assert_eq!(refused(ledger.organization("888001", "village", Some("888"))), "unknown_organization");
}
