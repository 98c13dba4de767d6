//! The vault from outside: `verify --with-vault` and `audit --with-vault` find what was done to it and say so without
//! content, and `doctor` names the command that mends it. What each kind of damage is called is tested in the store.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use gongkai_tests::ledger::{COUNTY, ORIGIN, TestLedger, VILLAGE, pledge, stream};
use gongkai_tests::{Ran, Server, copy, gongkai};
use serde_json::{Value, json};
use sqlx::{Connection as _, Executor as _};

/// What no output may hold.
const CONTACT: &str = "值班电话八三二一零零七六";

/// A ledger with a vault, a sealed slot, a sealed cell, and a sealed event that waits for its period.
fn with_vault() -> TestLedger {
    let ledger = TestLedger::new();
    let _ = ledger.run("vault", &[]).exits(2);
    ledger.add_vault();
    let mut sealed = pledge("修好村北机耕路");
    sealed["fields"]["contact"] = CONTACT.into();
    let roster = json!({"kind": "disclosure.published.v1", "org": VILLAGE, "fields": {
        "class": "village", "content": "roster", "period": "2026-02", "title": "补助名册(虚构)",
        "lines": [{"masked_name": "方**", "item": "低保", "full_name": "方禾生(虚构)"}]}});
    let _ = ledger.publish(&[sealed, access()]).ok();
    let _ = ledger.submit(&ledger.key_file("publisher.example/1"), &ledger.supervisors(), &[roster]).ok();
    ledger
}

/// Somebody reads something: a sealed event.
fn access() -> Value {
    json!({"kind": "access.recorded.v1", "org": COUNTY, "fields": {
        "read": stream("letter", 1), "revision": 0, "purpose": "inspection", "reason": CONTACT}})
}

/// Changes a database as somebody with root does.
fn tamper(database: &Path, sql: &'static str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut connection = sqlx::SqliteConnection::connect(&database.display().to_string()).await.unwrap();
        let triggers = "DROP TRIGGER IF EXISTS sealed_events_are_never_deleted; \
                        DROP TRIGGER IF EXISTS sealed_events_are_never_changed";
        connection.execute(triggers).await.unwrap();
        let done = connection.execute(sql).await.unwrap();
        assert!(done.rows_affected() > 0, "{sql} changed nothing");
        connection.close().await.unwrap();
    });
}

fn check(ledger: &TestLedger, command: &str) -> Ran {
    let ran = ledger.run(command, &["--with-vault", "--json"]);
    assert!(!ran.out.contains(CONTACT) && !ran.err.contains(CONTACT), "content was told: {ran}");
    ran
}

/// Both commands say no, and name this among what they found.
fn finds(ledger: &TestLedger, category: &str) {
    let _ = ledger.run("verify", &[]).ok();
    for command in ["verify", "audit"] {
        let found = check(ledger, command).exits(1).json();
        let vault = &found["vault"];
        assert!(vault["counts"][category].as_u64().is_some_and(|count| count > 0), "{command} {category}: {vault}");
        assert_eq!((found["ok"].as_bool(), vault["ok"].as_bool()), (Some(false), Some(false)));
        let _ = ledger.run(command, &["--with-vault"]).exits(1).says("限阅库核验不通过");
    }
}

fn database(ledger: &TestLedger) -> PathBuf {
    ledger.dir().join("ledger.db")
}

#[test]
fn a_vault_that_nobody_touched_verifies_also_beside_a_running_server() {
    let ledger = with_vault();
    for command in ["verify", "audit"] {
        let found = check(&ledger, command).ok().json();
        let numbers = ["events", "waiting", "values", "breaches"].map(|name| found["vault"][name].as_u64().unwrap());
        assert_eq!(numbers, [1, 1, 2, 0], "{command}: {found}");
        let _ = ledger.run(command, &["--with-vault"]).ok().says("限阅库核验通过");
    }
    let server = Server::start(&ledger.dir());
    let _ = check(&ledger, "verify").ok();
    assert!(server.stop().success());
}

#[test]
fn the_public_audit_says_what_it_cannot_see() {
    let ledger = with_vault();
    let _ = ledger.run("audit", &[]).ok().says("没有用限阅库核对").says("封存的单元格 1 个");
    let unseen = ledger.run("audit", &["--json"]).ok().json();
    assert_eq!(unseen["unseen"]["cells"], 1);
    assert!(unseen["unseen"]["slots"].as_u64().unwrap() > 0);
}

#[test]
fn what_was_done_to_a_vault_is_found() {
    let cases: [(&'static str, &str); 5] = [
        ("DELETE FROM sealed_values WHERE line IS NOT NULL", "missing"),
        ("UPDATE sealed_values SET bytes = zeroblob(length(bytes)) WHERE event >= 0 AND line IS NULL", "commitment"),
        ("UPDATE sealed_events SET note = zeroblob(length(note))", "commitment"),
        ("UPDATE sealed_events SET deadline = received_at", "promise"),
        ("INSERT INTO erasures SELECT tag, 1 FROM sealed_events", "erasure"),
    ];
    let untouched = with_vault();
    let dir = untouched.path("untouched");
    copy(&untouched.dir(), &dir);
    for (sql, category) in cases {
        tamper(&database(&untouched), sql);
        finds(&untouched, category);
        std::fs::remove_dir_all(untouched.dir()).unwrap();
        copy(&dir, &untouched.dir());
    }
    let _ = check(&untouched, "verify").ok();
}

#[test]
fn a_vault_from_an_old_backup_is_said_to_be_older_than_the_log() {
    let ledger = with_vault();
    let backup = ledger.path("backup");
    copy(&ledger.dir().join("vault"), &backup);
    let _ = ledger.publish(&[access()]).ok();
    std::fs::remove_dir_all(ledger.dir().join("vault")).unwrap();
    copy(&backup, &ledger.dir().join("vault"));
    finds(&ledger, "vault_older");
    let _ = ledger.run("verify", &["--with-vault"]).exits(1).says("限阅库比账本旧");
}

#[test]
fn a_lost_vault_is_declared_and_every_public_proof_still_holds() {
    let ledger = with_vault();
    std::fs::remove_dir_all(ledger.dir().join("vault")).unwrap();
    let _ = ledger.run("verify", &[]).ok();
    let _ = ledger.run("audit", &[]).ok();
    for command in ["verify", "audit"] {
        let lost = check(&ledger, command).exits(1).json();
        assert_eq!((lost["vault"]["lost"].as_bool(), lost["vault"]["events"].as_u64()), (Some(true), Some(1)));
        let said = ledger.run(command, &["--with-vault"]).exits(1);
        let _ = said.says("限阅库已丢失：公开的证明全部成立").says("1 件封存事项、2 处封存值");
    }
    let _ = ledger.run("doctor", &[]).exits(1).says("限阅库不在").says("vault/wraps.db");
}

#[test]
fn a_wrong_passphrase_or_no_vault_is_a_wrong_use_with_a_clear_message() {
    let ledger = with_vault();
    let wrong = ledger.file("wrong", "another horse battery\n").display().to_string();
    for command in ["verify", "audit"] {
        let ran = ledger.run(command, &["--with-vault", "--vault-passphrase-file", &wrong]).exits(2);
        let _ = ran.says("口令").says("--vault-passphrase-file");
        let url = gongkai([command, "--with-vault", "--url", "http://127.0.0.1:1"]).exits(2);
        let _ = url.says("--with-vault");
    }
    let none = TestLedger::bare();
    let _ = none.run("verify", &["--with-vault"]).exits(2).says("没有限阅库");
}

#[test]
fn doctor_names_what_mends_a_vault() {
    let ledger = with_vault();
    let _ = ledger.run("doctor", &[]).ok();
    let vault = ledger.dir().join("vault");
    let key = ledger.own_key_file("vault.key");
    for (path, mode, good) in [(&vault, 0o755, 0o700), (&key, 0o644, 0o600)] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        let _ = ledger.run("doctor", &[]).exits(1).says(&format!("chmod {good:o} {}", path.display()));
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(good)).unwrap();
    }
    tamper(&database(&ledger), "UPDATE sealed_events SET deadline = received_at");
    let _ = ledger.run("doctor", &[]).exits(1).says("过了承诺的期限").says("gongkai serve --dir");
    tamper(&database(&ledger), "UPDATE sealed_events SET deadline = received_at + 1000000000000");
    tamper(&database(&ledger), "INSERT INTO erasures SELECT tag, 0 FROM sealed_events");
    let _ = ledger.run("doctor", &[]).exits(1).says("删除还没有完成");
    tamper(&database(&ledger), "DELETE FROM erasures");
    tamper(&vault.join("wraps.db"), "UPDATE vault SET origin = 'other.example'");
    let _ = ledger.run("doctor", &[]).exits(1).says("other.example").says(ORIGIN);
}

#[test]
fn doctor_looks_at_the_certificate_of_the_internal_side() {
    let ledger = TestLedger::bare();
    let server = Server::start(&ledger.dir());
    assert!(server.stop().success());
    let certificate = ledger.own_key_file("internal-tls.pem");
    std::fs::write(&certificate, "not a certificate").unwrap();
    let _ = ledger.run("doctor", &[]).exits(1).says("internal-tls.pem");
    let key = ledger.own_key_file("internal-tls.key");
    std::fs::write(&key, "").unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o640)).unwrap();
    let _ = ledger.run("doctor", &[]).exits(1).says(&format!("chmod 600 {}", key.display()));
}
