//! Case 21, the way on, as an operator goes it: the disk is lost, the backup is old, and a mirror has the rest.
//!
//! What the one transaction does and refuses is in the store's own tests, killing it in `faults.rs`.

use std::path::{Path, PathBuf};

use gongkai_tests::ledger::{TestLedger, key, pledge};
use gongkai_tests::statement::Draft;
use gongkai_tests::{Ran, Server, copy, gongkai, walk};
use serde_json::{Value, json};

use super::backups::{backup, made, restore};
use super::witnesses::{Witness, watched};

fn recover(dir: &Path, source: &str, more: &[&str]) -> Ran {
    gongkai([&["recover", "--dir", dir.to_str().unwrap(), "--source", source][..], more].concat())
}

fn signed(title: &str) -> Value {
    Draft::new(pledge(title), vec![("publisher", key("publisher.example/1"))]).submission()
}

/// A ledger of which a backup is old and a directory has all, both without witnesses.
fn outgrown() -> (TestLedger, PathBuf) {
    let ledger = TestLedger::new();
    let old = made(&backup(&ledger, "backups", &["--with-keys"]).ok());
    let _ = ledger.publish(&[pledge("修桥"), pledge("修路"), pledge("修渠")]).ok();
    (ledger, old)
}

fn reaches(server: &Server, size: u64) {
    server.eventually("/log/checkpoint", |answer| answer.text().contains(&format!("\n{size}\n")));
}

#[test]
fn a_ledger_that_only_an_old_backup_has_goes_on_from_its_mirror_on_record_and_all_receipts_hold() {
    let ledger = TestLedger::new();
    ledger.add_vault();
    let witness = Witness::new(&ledger, "w1");
    watched(&ledger, &[("linxian", &witness)], "quorum linxian\n");
    let old = made(&backup(&ledger, "backups", &["--with-keys"]).ok());
    let (server, copied, vkey) = (Server::start(&ledger.dir()), ledger.path("mirror"), ledger.vkey());
    let from = server.size();
    let mirror = Server::try_start_mirror(&server.url, &copied, &vkey).unwrap();
    let first = signed("清淤水渠三里");
    let receipt = server.submit("before", &first);
    assert_eq!(receipt.status, 201);
    let receipt = receipt.json();
    assert_eq!(receipt["index"], from);
    let mut sealed = pledge("修好村北机耕路");
    sealed["fields"]["contact"] = "值班电话八三二一零零零七六".into();
    assert!(server.stop().success());
    let _ = ledger.publish(&[sealed]).ok();
    let (server, size) = (Server::start(&ledger.dir()), from + 2);
    let again = Server::try_start_mirror(&server.url, &ledger.path("second"), &vkey).unwrap();
    reaches(&again, size);
    let seen = ledger.file("seen.checkpoint", ledger.checkpoint());
    assert_eq!(witness.recorded(), size);
    assert!(server.stop().success() && mirror.stop().success());
    // The disk with the ledger is gone.
    std::fs::remove_dir_all(ledger.dir()).unwrap();

    let to = ledger.path("to");
    let _ = restore(&old, &to, &[]).exits(1).says("--to-recover").says("gongkai recover");
    assert!(walk(&to).is_empty());
    let lacking = restore(&old, &to, &["--to-recover", "--json"]).ok().json()["lacking"].clone();
    assert_eq!((lacking["size"].as_u64(), lacking["seen"].as_u64()), (Some(from), Some(size)));
    let refused = Server::try_start(&to, |_| {}).unwrap_err();
    assert!(refused.contains("gongkai recover") && refused.contains("第二部历史"), "{refused}");
    let told = recover(&to, &again.url, &["--json"]).ok().json();
    let recovered = &told["recovered"];
    assert_eq!((recovered["from_size"].as_u64(), recovered["size"].as_u64()), (Some(from), Some(size)));
    assert_eq!((recovered["source"].as_str(), recovered["index"].as_u64()), (Some("site"), Some(size)));
    let _ = recover(&to, &again.url, &[]).ok().says("没有要补回的");
    assert!(again.stop().success());

    let server = Server::start(&to);
    reaches(&server, size + 1);
    assert_eq!(witness.recorded(), size + 1, "the witness goes on with it");
    for key in ["before", "another"] {
        let answer = server.submit(key, &first);
        assert_eq!((answer.status, answer.json()), (200, receipt.clone()), "{key}: recorded before");
    }
    let after = server.submit("after", &signed("装四十盏路灯"));
    assert_eq!((after.status, after.json()["index"].as_u64()), (201, Some(size + 1)));
    let mirror = Server::try_start_mirror(&server.url, &copied, &vkey).unwrap();
    reaches(&mirror, size + 2);
    for site in [&server, &mirror] {
        let said = format!("第 {from} 至 {} 号条目，来自镜像或网上公布的日志", size - 1);
        site.eventually("/status", |answer| answer.text().contains(&said));
        site.eventually(&format!("/entries/{size}/view"), |answer| answer.text().contains("从副本补回条目"));
        site.eventually("/api/v1/pledges", |answer| answer.text().contains("清淤水渠三里"));
    }
    assert!(server.stop().success() && mirror.stop().success());
    let (dir, seen) = (to.to_str().unwrap(), seen.to_str().unwrap());
    for dir in [dir, copied.to_str().unwrap()] {
        let _ = gongkai(["verify", "--dir", dir, "--vkey", &vkey, "--old-checkpoint", seen]).ok().says("核验通过");
    }
    let _ = gongkai(["verify", "--dir", dir, "--vkey", &vkey, "--with-vault"]).ok().says("从副本补回的");
    let _ = gongkai(["audit", "--dir", dir, "--vkey", &vkey]).ok().says("从副本补回");
    let _ = gongkai(["doctor", "--dir", dir]);
    assert!(!to.join("recovery").exists() && !to.join("unrecovered.json").exists());
}

#[test]
fn a_damaged_source_or_one_that_is_too_short_brings_nothing_back_and_a_sound_one_does_afterwards() {
    let (ledger, old) = outgrown();
    let seen = ledger.file("seen.checkpoint", ledger.checkpoint()).display().to_string();
    let (size, to) = (ledger.size(), ledger.path("to"));
    let _ = restore(&old, &to, &["--to-recover", "--checkpoint", &seen]).ok().says("还缺 3 条");
    let sound = ledger.path("sound");
    copy(&ledger.dir().join("log"), &sound);

    let damaged = ledger.path("damaged");
    copy(&sound, &damaged);
    let bundles = walk(&damaged).into_iter().filter(|path| path.to_str().unwrap().contains("tile/entries/"));
    for path in bundles {
        let mut bytes = std::fs::read(&path).unwrap();
        let last = bytes.len() - 40;
        bytes[last] ^= 1;
        std::fs::write(&path, bytes).unwrap();
    }
    let refused = recover(&to, damaged.to_str().unwrap(), &[]).exits(1);
    let _ = refused.says("什么都没有写进账本");
    let incomplete = ledger.path("incomplete");
    copy(&sound, &incomplete);
    std::fs::remove_dir_all(incomplete.join("openings")).unwrap();
    let _ = recover(&to, incomplete.to_str().unwrap(), &[]).exits(1).says("来源不完整");
    // The backup's own directory, as far as it was published: nobody has the rest.
    let short = ledger.path("short");
    let _ = restore(&old, &short, &["--to-recover"]).ok();
    assert!(Server::start(&short).stop().success());
    let _ = recover(&to, short.to_str().unwrap(), &[]).exits(1).says("没有补回").says(&format!("见过 {size} 条"));
    let _ = recover(&to, "https://127.0.0.1:1", &[]).exits(3);
    let foreign = TestLedger::new();
    let _ = recover(&to, foreign.dir().to_str().unwrap(), &[]).exits(1).says("是不是这本账");
    let refused = Server::try_start(&to, |_| {}).unwrap_err();
    assert!(refused.contains("还没有补回"), "{refused}");

    let _ = recover(&to, sound.to_str().unwrap(), &[]).ok().says("共 3 条");
    assert_eq!(Server::start(&to).size(), size + 1);
}

#[test]
fn a_source_of_another_history_is_refused_with_evidence_that_anybody_can_check() {
    let (ledger, old) = outgrown();
    let seen = ledger.file("seen.checkpoint", ledger.checkpoint()).display().to_string();
    // Somebody went on from the backup and signed.
    let other = ledger.path("other");
    let _ = restore(&old, &other, &["--to-recover"]).ok();
    let server = Server::start(&other);
    for (number, title) in ["修塘", "修坝", "修闸", "修站"].into_iter().enumerate() {
        assert_eq!(server.submit(&format!("other-{number}"), &signed(title)).status, 201);
    }
    // One more than the other history has.
    reaches(&server, ledger.size() + 1);
    assert!(server.stop().success());
    let to = ledger.path("to");
    let _ = restore(&old, &to, &["--to-recover", "--checkpoint", &seen]).ok();
    let source = other.to_str().unwrap();
    let _ = recover(&to, source, &["--checkpoint", &seen]).exits(1).says("分叉").says("账本保持原样");
    let evidence = walk(&to.join("evidence")).pop().unwrap().display().to_string();
    let _ = gongkai(["verify", &evidence, "--vkey", &ledger.vkey()]).exits(1).says("分叉");
    let refused = Server::try_start(&to, |_| {}).unwrap_err();
    assert!(refused.contains("还没有补回"), "{refused}");
}

#[test]
fn an_archive_and_a_database_that_was_put_back_in_place_do_as_well() {
    let (ledger, _) = outgrown();
    let (archive, before) = (ledger.path("export.tar"), ledger.path("before"));
    std::fs::create_dir(&before).unwrap();
    std::fs::copy(ledger.dir().join("ledger.db"), before.join("ledger.db")).unwrap();
    let _ = ledger.publish(&[pledge("修亭")]).ok();
    let (size, archive) = (ledger.size(), archive.display().to_string());
    let _ = ledger.run("export", &["--out", &archive]).ok();
    std::fs::copy(before.join("ledger.db"), ledger.dir().join("ledger.db")).unwrap();
    let refused = ledger.publish(&[pledge("修井")]).exits(3);
    let _ = refused.says("第二部历史").says("gongkai recover");
    let told = recover(&ledger.dir(), &archive, &["--json"]).ok().json();
    assert_eq!(told["recovered"]["source"], json!("archive"));
    let _ = ledger.publish(&[pledge("修井")]).ok();
    assert_eq!(ledger.size(), size + 2);
    let _ = ledger.run("rebuild", &["--check"]).ok();
    ledger.check();
}
