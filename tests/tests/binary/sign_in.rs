//! The internal side from outside: its certificate, signing in with a key, and what happens to whoever may not.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use gongkai_log::{Digest, SigningKey, note};
use gongkai_tests::ledger::{COUNTY, TestLedger, key, late_key_stream, pledge, stream};
use gongkai_tests::{Answer, Ran, Server, gongkai, post};
use serde_json::{Value, json};

/// A role that a test can withdraw: `late.example/1` inspects the county.
const ROLE: u32 = 77;

fn with_inspector() -> TestLedger {
    let ledger = TestLedger::new();
    let fields = json!({"person": stream("person", 5), "role": "inspector"});
    let grant = json!({"kind": "role.granted.v1", "stream": stream("role", ROLE), "org": COUNTY, "fields": fields});
    let _ = ledger.register(&[grant]).ok();
    ledger
}

fn certificate(ledger: &TestLedger) -> String {
    ledger.own_key_file("internal-tls.pem").display().to_string()
}

fn read(url: &str, key: &Path, more: &[&str]) -> Ran {
    let mut args = vec!["read", "--url", url, "--key", key.to_str().unwrap()];
    args.extend(more);
    gongkai(args)
}

fn challenge(server: &Server, name: &str) -> String {
    let url = format!("{}/internal/api/v1/challenges", server.internal);
    let answer = post(&url, &[], json!({ "key": name }).to_string());
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer.json()["challenge"].as_str().unwrap().to_owned()
}

fn hand_in(server: &Server, text: &str, key: &SigningKey) -> Answer {
    let url = format!("{}/internal/api/v1/sessions", server.internal);
    post(&url, &[], json!({ "note": note::sign(text, &[key]).unwrap() }).to_string())
}

fn me(server: &Server, token: &str) -> Answer {
    let bearer = format!("Bearer {token}");
    gongkai_tests::server::get_with(&format!("{}/internal/api/v1/me", server.internal), &[("Authorization", &bearer)])
}

/// Submits registry commands to the running server with both registrars.
fn register(ledger: &TestLedger, server: &Server, command: &Value) {
    let file = ledger.file("command.json", command.to_string());
    let (first, second) = (ledger.own_key_file("registrar-1.key"), ledger.own_key_file("registrar-2.key"));
    let outbox = ledger.path("outbox");
    let [first, second, outbox, file] = [&first, &second, &outbox, &file].map(|path| path.to_str().unwrap());
    let url = server.internal.as_str();
    let _ = gongkai(["submit", "--url", url, "--key", first, "--cosign", second, "--outbox", outbox, file]).ok();
}

#[test]
fn a_person_reads_and_submits_over_tls_with_the_certificate_that_was_made() {
    let ledger = TestLedger::new();
    let server = Server::start(&ledger.dir());
    let secret = std::fs::metadata(ledger.own_key_file("internal-tls.key")).unwrap();
    assert_eq!(secret.permissions().mode() & 0o777, 0o600);
    let (plain, ca) = (server.internal.clone(), certificate(&ledger));
    let secured = plain.replace("http://", "https://");
    let key = ledger.key_file("publisher.example/1");
    for (url, more) in [
        (secured.as_str(), &["--ca", &ca, "me"][..]),
        (&secured.replace("127.0.0.1", "localhost"), &["--ca", &ca, "/internal/api/v1/me"]),
        (&plain, &["me"]),
    ] {
        let me = read(url, &key, more).ok().json();
        assert_eq!(
            (&me["key"], &me["roles"][0]["role"]),
            (&json!("publisher.example/1"), &json!("publisher")),
            "{url}"
        );
    }
    let file = ledger.file("pledge.json", pledge("修好村北机耕路").to_string());
    let outbox = ledger.path("outbox");
    let [key, outbox, file] = [&key, &outbox, &file].map(|path| path.to_str().unwrap());
    let submit = ["submit", "--url", &secured, "--key", key, "--outbox", outbox, file];
    let _ = gongkai(submit).exits(2).says("--ca").says("不受信任");
    let _ = gongkai([&submit[..], &["--ca", &ca]].concat()).ok();
    let _ = gongkai(["read", "--url", &secured, "--key", key, "me"]).exits(2).says("--ca");
    let _ = gongkai(["read", "--url", &secured, "--key", key, "--ca", file, "me"]).exits(2).says("证书");
    assert!(server.stop().success());
}

#[test]
fn an_internal_address_that_other_machines_reach_is_refused_with_a_way_out() {
    let ledger = TestLedger::bare();
    let dir = ledger.dir();
    let serve = ["serve", "--dir", dir.to_str().unwrap(), "--listen", "127.0.0.1:0", "--internal-listen", "0.0.0.0:0"];
    let _ = gongkai(serve).exits(2).says("其他机器也连得上").says("127.0.0.1:8081").says("--internal-anywhere");
}

#[test]
fn the_certificate_stays_over_restarts_and_files_that_do_not_fit_stop_the_start() {
    let (ledger, other) = (TestLedger::bare(), TestLedger::bare());
    for ledger in [&ledger, &other] {
        assert!(Server::start(&ledger.dir()).stop().success());
    }
    let made = std::fs::read(certificate(&ledger)).unwrap();
    assert!(Server::start(&ledger.dir()).stop().success());
    assert_eq!(std::fs::read(certificate(&ledger)).unwrap(), made);
    std::fs::copy(certificate(&other), certificate(&ledger)).unwrap();
    let said = Server::try_start(&ledger.dir(), |_| {}).unwrap_err();
    assert!(said.contains("不配套") && said.contains("internal-tls.pem"), "{said}");
}

#[test]
fn who_may_not_sign_in_is_told_no_and_what_is_not_there_is_not_there() {
    let ledger = TestLedger::new();
    let server = Server::start(&ledger.dir());
    let publisher = ledger.key_file("publisher.example/1");
    let _ = read(&server.internal, &publisher, &["nothing"]).exits(1).says("不对您公开");
    let _ = read(&server.internal, &ledger.key_file("stranger.example/1"), &["me"]).exits(1).says("登录");
    let _ = read(&server.internal, &ledger.own_key_file("intake.key"), &["me"]).exits(1).says("登录");
    let _ = read(&server.url, &publisher, &["me"]).exits(2).says("内部");
}

#[test]
fn a_login_is_used_once_and_only_by_the_key_and_in_the_ledger_that_it_is_for() {
    let ledger = TestLedger::new();
    let server = Server::start(&ledger.dir());
    let publisher = key("publisher.example/1");
    let text = challenge(&server, "publisher.example/1");
    assert_eq!(hand_in(&server, &text, &publisher).status, 201);
    let replayed = hand_in(&server, &text, &publisher);
    assert_eq!((replayed.status, replayed.json()["code"].as_str()), (403, Some("sign_in_refused")));
    let text = challenge(&server, "publisher.example/1");
    let elsewhere = text.replace("ledger.example/test", "ledger.example/other");
    assert_ne!(elsewhere, text);
    // A key of another ledger with the name of one of ours.
    let seed = *Digest::of(b"another ledger").as_bytes();
    let namesake = SigningKey::from_seed("publisher.example/1", publisher.verifier().kind(), seed).unwrap();
    let other = challenge(&server, "publisher.example/1");
    for (text, key) in [(&elsewhere, &publisher), (&other, &namesake), (&other, &publisher)] {
        let answer = hand_in(&server, text, key);
        assert_eq!((answer.status, answer.json()), (403, replayed.json()));
    }
}

#[test]
fn a_role_withdrawn_and_a_key_revoked_a_second_ago_are_gone_from_the_session() {
    let ledger = with_inspector();
    let server = Server::start(&ledger.dir());
    let text = challenge(&server, "late.example/1");
    let session = hand_in(&server, &text, &key("late.example/1")).json();
    let token = session["token"].as_str().unwrap();
    let roles = |answer: &Answer| -> Vec<String> {
        let json = answer.json();
        json["roles"].as_array().unwrap().iter().map(|it| it["role"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(roles(&me(&server, token)), ["publisher", "inspector"]);
    let fields = json!({"reason": "调离(虚构)"});
    let withdrawn =
        json!({"kind": "role.withdrawn.v1", "stream": stream("role", ROLE), "org": COUNTY, "fields": fields});
    register(&ledger, &server, &withdrawn);
    assert_eq!(roles(&me(&server, token)), ["publisher"]);
    let revoked =
        json!({"kind": "key.revoked.v1", "stream": late_key_stream(), "org": COUNTY, "fields": {"reason": "lost"}});
    register(&ledger, &server, &revoked);
    assert_eq!(me(&server, token).status, 401);
    let _ = read(&server.internal, &ledger.key_file("late.example/1"), &["me"]).exits(1).says("登录");
}
