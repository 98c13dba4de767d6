//! `backup` and `restore` as an operator runs them: beside a running server, into an empty directory, with everything that
//! is to be refused. Killing them and the server under load is in `faults.rs`.

use std::path::{Path, PathBuf};

use gongkai_tests::ledger::{TestLedger, pledge};
use gongkai_tests::{Ran, Server, copy, gongkai, snapshot, walk};
use serde_json::json;

use super::mirrors::configure;
use super::witnesses::{Witness, watched};

/// What no file of a backup holds in the clear.
const CONTACT: &str = "值班电话八三二一零零七六";

/// A ledger with a vault, a sealed value and an attachment.
fn with_everything() -> TestLedger {
    let ledger = TestLedger::new();
    ledger.add_vault();
    let mut sealed = pledge("修好村北机耕路");
    sealed["fields"]["contact"] = CONTACT.into();
    let _ = ledger.publish(&[sealed]).ok();
    ledger
}

/// A file that was handed in.
fn attach(ledger: &TestLedger) {
    let folder = ledger.dir().join("attachments");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(gongkai_log::Digest::of(b"voucher").to_hex()), b"voucher").unwrap();
}

pub(super) fn backup(ledger: &TestLedger, out: &str, more: &[&str]) -> Ran {
    let out = ledger.path(out).display().to_string();
    let mut args = vec!["--out", &out, "--json"];
    args.extend(more);
    ledger.run("backup", &args)
}

/// The backup that a command says it made.
pub(super) fn made(ran: &Ran) -> PathBuf {
    PathBuf::from(ran.json()["backup"].as_str().unwrap())
}

pub(super) fn restore(from: &Path, to: &Path, more: &[&str]) -> Ran {
    let (from, to) = (from.to_str().unwrap(), to.to_str().unwrap());
    gongkai([&["restore", "--from", from, "--dir", to][..], more].concat())
}

/// Puts back the keys that a backup does not hold.
fn give_keys(ledger: &TestLedger, to: &Path) {
    for name in ["log.key", "intake.key"] {
        std::fs::copy(ledger.own_key_file(name), to.join("keys").join(name)).unwrap();
    }
}

#[test]
fn a_backup_beside_a_running_server_becomes_the_same_ledger_again_with_what_is_sealed() {
    let ledger = with_everything();
    attach(&ledger);
    let server = Server::start(&ledger.dir());
    let ran = backup(&ledger, "backups", &[]).ok();
    let (told, made) = (ran.json(), made(&ran));
    assert_eq!((told["size"].as_u64(), told["vault"].as_bool()), (Some(server.size()), Some(true)));
    assert!(server.stop().success());

    let names: Vec<_> = walk(&made).iter().map(|p| p.strip_prefix(&made).unwrap().display().to_string()).collect();
    for wanted in ["MANIFEST.json", "ledger.db", "vault/wraps.db", "gongkai.toml", "log/checkpoint", "keys/vault.key"] {
        assert!(names.iter().any(|name| name == wanted), "{wanted} in {names:?}");
    }
    for unwanted in
        ["keys/log.key", "keys/intake.key", "keys/recovery.key", "keys/registrar-1.key", "views", "search", "map.db"]
    {
        assert!(!names.iter().any(|name| name.starts_with(unwanted)), "{unwanted} in {names:?}");
    }
    assert!(names.iter().any(|name| name.starts_with("attachments/")), "{names:?}");
    for file in walk(&made) {
        let bytes = std::fs::read(&file).unwrap();
        assert!(!bytes.windows(CONTACT.len()).any(|window| window == CONTACT.as_bytes()), "{}", file.display());
    }

    let to = ledger.path("restored");
    let vkey = ledger.vkey();
    let told = restore(&made, &to, &["--vkey", &vkey, "--json"]).ok().json();
    assert_eq!((told["size"].as_u64(), told["authenticated"].as_bool()), (Some(ledger.size()), Some(true)));
    let refused = Server::try_start(&to, |_| {}).unwrap_err();
    assert!(refused.contains("log.key"), "{refused}");
    give_keys(&ledger, &to);
    let server = Server::start(&to);
    assert_eq!(server.size(), ledger.size());
    assert!(server.stop().success());
    let dir = to.display().to_string();
    let _ = gongkai(["verify", "--dir", &dir, "--vkey", &vkey, "--with-vault"]).ok();
    assert_eq!(
        std::fs::read(to.join("log/vkey")).unwrap(),
        std::fs::read(ledger.dir().join("log/vkey")).unwrap(),
        "the same log"
    );
}

#[test]
fn private_keys_without_a_passphrase_are_in_a_backup_only_when_they_are_asked_for() {
    let ledger = with_everything();
    let ran = backup(&ledger, "backups", &["--with-keys", "--without-vault"]).ok();
    let made = made(&ran);
    assert_eq!((ran.json()["open_keys"].as_bool(), ran.json()["vault"].as_bool()), (Some(true), Some(false)));
    assert!(!made.join("vault").exists());
    let to = ledger.path("restored");
    let _ = restore(&made, &to, &[]).ok().says("未认证").says("最后一条记于").says("无从知道");
    let server = Server::start(&to);
    assert_eq!(server.size(), ledger.size());
    // The folder in which it lies is the owner's alone, and so are the keys.
    let bits = |path: &Path| std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(path).unwrap().permissions());
    assert_eq!((bits(&made) & 0o777, bits(&to.join("keys/log.key")) & 0o777), (0o700, 0o600));
    assert_eq!((bits(&made.join("ledger.db")) & 0o777, bits(&to.join("ledger.db")) & 0o777), (0o600, 0o600));
}

#[test]
fn one_flipped_bit_in_any_file_of_a_backup_is_refused_and_the_file_is_named() {
    let ledger = with_everything();
    attach(&ledger);
    let whole = made(&backup(&ledger, "backups", &["--with-keys"]).ok());
    let files = walk(&whole);
    assert!(files.len() > 10, "{files:?}");
    for file in files {
        let name = file.strip_prefix(&whole).unwrap().display().to_string();
        let damaged = ledger.path("damaged");
        copy(&whole, &damaged);
        let path = damaged.join(&name);
        let mut bytes = std::fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        let to = ledger.path("restored");
        let _ = restore(&damaged, &to, &[]).exits(1).says(&name);
        assert!(!to.join("gongkai.toml").exists(), "{name}: nothing that serves is left");
        let _ = std::fs::remove_dir_all(&to);
        // One that is missing, and one that nobody listed.
        std::fs::remove_file(&path).unwrap();
        let missing = restore(&damaged, &to, &[]);
        assert!([1, 2].contains(&missing.code), "{missing}");
        let _ = missing.says(name.rsplit('/').next().unwrap());
        let _ = std::fs::remove_dir_all(&to);
        std::fs::remove_dir_all(&damaged).unwrap();
    }
    std::fs::write(whole.join("ledger.db-wal"), "x").unwrap();
    let _ = restore(&whole, &ledger.path("restored"), &[]).exits(1).says("ledger.db-wal");
}

#[test]
fn a_restore_leaves_a_directory_alone_that_is_not_empty_and_goes_over_what_an_earlier_one_left() {
    let ledger = TestLedger::new();
    let made = made(&backup(&ledger, "backups", &["--with-keys"]).ok());
    let before = snapshot(&ledger.dir());
    let _ = restore(&made, &ledger.dir(), &[]).exits(2).says("目录不是空的");
    assert_eq!(before, snapshot(&ledger.dir()));
    let to = ledger.path("restored");
    std::fs::create_dir_all(to.join("restore.draft/keys")).unwrap();
    std::fs::write(to.join("restore.draft/ledger.db"), "half").unwrap();
    let _ = restore(&made, &to, &[]).ok();
    assert!(!to.join("restore.draft").exists());
    let _ = restore(&ledger.path("backups"), &ledger.path("other"), &[]).exits(2).says("不是备份");
}

#[test]
fn a_damaged_ledger_is_not_backed_up_and_leaves_nothing_that_is_called_a_backup() {
    let ledger = TestLedger::new();
    let _ = ledger.publish(&[pledge("修桥")]).ok();
    let good = made(&backup(&ledger, "backups", &[]).ok());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        use sqlx::{Connection as _, Executor as _};
        let path = ledger.dir().join("ledger.db").display().to_string();
        let mut connection = sqlx::SqliteConnection::connect(&path).await.unwrap();
        let triggers: Vec<String> = sqlx::query_scalar("SELECT name FROM sqlite_master WHERE type = 'trigger'")
            .fetch_all(&mut connection)
            .await
            .unwrap();
        for trigger in triggers {
            connection.execute(sqlx::AssertSqlSafe(format!("DROP TRIGGER {trigger}"))).await.unwrap();
        }
        connection
            .execute(
                "UPDATE entries SET bytes = CAST(replace(CAST(bytes AS TEXT), '2026', '2025') AS BLOB) WHERE idx = 5",
            )
            .await
            .unwrap();
        connection.close().await.unwrap();
    });
    let refused = backup(&ledger, "backups", &[]).exits(1);
    let _ = refused.says("第 5 号条目");
    let left = std::fs::read_dir(ledger.path("backups")).unwrap();
    let left: Vec<_> = left
        .map(|e| e.unwrap().path())
        .filter(|p| !p.file_name().unwrap().to_str().unwrap().starts_with('.'))
        .collect();
    assert_eq!(left, [good], "the earlier backup stays, and no other is there");
    let mut names = std::fs::read_dir(ledger.path("backups")).unwrap().map(|e| e.unwrap().path());
    assert!(!names.any(|path| path.extension().is_some_and(|end| end == "draft")), "nor what there was of it");
}

#[test]
fn what_others_have_seen_further_is_not_restored_and_not_served() {
    let ledger = TestLedger::new();
    let witness = Witness::new(&ledger, "w1");
    watched(&ledger, &[("linxian", &witness)], "quorum linxian\n");
    let _ = ledger.publish(&[pledge("修桥")]).ok();
    let old = made(&backup(&ledger, "backups", &["--with-keys"]).ok());
    let size = ledger.size();
    let seen = ledger.file("seen.checkpoint", ledger.checkpoint());
    let to = ledger.path("to");
    // A checkpoint from elsewhere that the backup reaches.
    let _ = restore(&old, &to, &["--checkpoint", seen.to_str().unwrap()]).ok().says("见证方 linxian 见过");
    assert_eq!(Server::start(&to).size(), size);

    let _ = ledger.publish(&[pledge("修路"), pledge("修渠")]).ok();
    let newer = ledger.file("newer.checkpoint", ledger.checkpoint());
    let other = ledger.path("other");
    let both = format!("备份有 {size} 条，--checkpoint 给出的检查点有 {} 条", size + 2);
    let _ = restore(&old, &other, &["--checkpoint", newer.to_str().unwrap()]).exits(1).says(&both);
    let _ = restore(&old, &other, &[]).exits(1).says(&format!("见证方 linxian有 {} 条", size + 2));
    assert!(walk(&other).is_empty(), "nothing is left that could be served");
    // What was restored before it was known is not served either.
    let refused = Server::try_start(&to, |_| {}).unwrap_err();
    assert!(refused.contains("见证方联署过"), "{refused}");
    // Nor is it with a checkpoint of another log, which proves nothing.
    let foreign = TestLedger::new();
    let foreign = ledger.file("foreign.checkpoint", foreign.checkpoint());
    let _ = restore(&old, &ledger.path("third"), &["--checkpoint", foreign.to_str().unwrap()]).exits(2);
}

/// A served copy of what is published.
fn copied(ledger: &TestLedger, dir: &Path) {
    copy(&ledger.dir().join("log"), &dir.join("log"));
    std::fs::copy(ledger.dir().join("gongkai.toml"), dir.join("gongkai.toml")).unwrap();
}

#[test]
fn a_mirror_that_has_more_keeps_an_old_backup_from_being_restored_and_served() {
    let ledger = TestLedger::new();
    let dir = ledger.path("mirror");
    copied(&ledger, &dir);
    let mirror = Server::try_start_published(&dir).unwrap();
    configure(&ledger, &[&mirror.url]);
    let old = made(&backup(&ledger, "backups", &["--with-keys"]).ok());
    let (to, size) = (ledger.path("to"), ledger.size());
    let told = restore(&old, &to, &["--json"]).ok().json();
    assert_eq!(told["seen"], json!([{"by": format!("镜像 {}", mirror.url), "size": size}]));

    let _ = ledger.publish(&[pledge("修路")]).ok();
    copied(&ledger, &dir);
    mirror.eventually("/log/checkpoint", |answer| answer.text().contains(&format!("\n{}\n", size + 1)));
    let further = format!("镜像 {}有 {} 条", mirror.url, size + 1);
    let _ = restore(&old, &ledger.path("other"), &[]).exits(1).says(&further);
    let refused = Server::try_start(&to, |_| {}).unwrap_err();
    assert!(refused.contains(&format!("镜像 {}已有 {} 条", mirror.url, size + 1)), "{refused}");
    let _ = Server::start(&ledger.dir()).stop();
    // Who does not answer proves nothing, and is told.
    assert!(mirror.stop().success());
    let _ = restore(&old, &ledger.path("third"), &[]).ok().says("没有答复");
}
