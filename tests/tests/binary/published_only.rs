//! The public side on a machine that has what is published and nothing else: no database, no key, no vault.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use gongkai_tests::ledger::{TestLedger, pledge, sheet};
use gongkai_tests::{Server, copy, same_answers, walk};
use serde_json::json;

/// Brings the published files over as an operator would: everything with its times, and the checkpoint last.
fn sync(ledger: &TestLedger, to: &Path) {
    let checkpoint = to.join("log/checkpoint");
    let before = std::fs::read(&checkpoint);
    copy(&ledger.dir().join("log"), &to.join("log"));
    let after = std::fs::read(&checkpoint).unwrap();
    if let Ok(before) = before {
        std::fs::write(&checkpoint, before).unwrap();
    }
    let fresh = to.join("log/checkpoint.new");
    std::fs::write(&fresh, after).unwrap();
    // Pages say when the checkpoint was written.
    let written = std::fs::metadata(ledger.dir().join("log/checkpoint")).unwrap().modified().unwrap();
    std::fs::File::options().write(true).open(&fresh).unwrap().set_modified(written).unwrap();
    std::fs::rename(fresh, checkpoint).unwrap();
}

/// A machine with the published files of a ledger.
fn machine(ledger: &TestLedger) -> PathBuf {
    let dir = ledger.path("public");
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::copy(ledger.dir().join("gongkai.toml"), dir.join("gongkai.toml")).unwrap();
    sync(ledger, &dir);
    dir
}

fn with_matters() -> TestLedger {
    let ledger = TestLedger::new();
    let _ = ledger.publish(&[pledge("完成五里桥自然村路灯改造")]).ok();
    let line = json!({"date": "2026-02-03", "voucher": "记-12", "summary": "公厕电费", "expense": 33_030});
    let supervisors = ledger.supervisors();
    let _ =
        ledger.submit(&ledger.key_file("publisher.example/1"), &supervisors, &[sheet("2026-02", 33_030, &line)]).ok();
    ledger
}

#[test]
fn the_public_side_needs_no_database_and_no_key() {
    let ledger = with_matters();
    let whole = Server::start(&ledger.dir());
    let dir = machine(&ledger);
    let public = Server::try_start_published(&dir).unwrap();
    let size = ledger.size();
    let found = |server: &Server| {
        server.eventually("/api/v1/search?q=路灯", |answer| {
            answer.text().contains("路灯改造") && answer.json()["size"] == size
        })
    };
    let (here, there) = (found(&whole), found(&public));
    let (mut here, mut there) = (here.json(), there.json());
    // Only this differs from run to run.
    for answer in [&mut here, &mut there] {
        answer.as_object_mut().unwrap().remove("took_ms");
    }
    assert_eq!(here, there);
    let stream = whole.json("/api/v1/pledges")["items"][0]["stream"].as_str().unwrap().to_owned();
    let pledge_page = format!("/pledges/{}", stream.split('/').nth(1).unwrap());
    let paths =
        ["/api/v1/pledges", "/api/v1/disclosures", "/api/v1/organizations", "/api/v1/compliance", "/disclosures"];
    let of_one =
        [&format!("/api/v1/streams/{stream}"), &pledge_page, "/log/vkey", "/entries/3", "/api/v1/entries/3/proof"];
    same_answers(&whole, &public, &[paths, of_one].concat());
    same_answers(&whole, &public, &["/log/checkpoint"]);
    assert_eq!(public.json("/healthz")["state"], "read_only");
    let kept: Vec<_> =
        walk(&dir).into_iter().filter_map(|path| path.extension()?.to_str().map(str::to_owned)).collect();
    assert!(!kept.iter().any(|extension| extension == "key"), "{kept:?}");
    assert!(!dir.join("ledger.db").exists() && !dir.join("keys").exists());
    assert!(public.stop().success());
}

#[test]
fn it_follows_what_continues_and_nothing_else() {
    let ledger = with_matters();
    let dir = machine(&ledger);
    let older = std::fs::read(dir.join("log/checkpoint")).unwrap();
    let public = Server::try_start_published(&dir).unwrap();
    let _ = ledger.publish(&[pledge("清淤水渠三里")]).ok();
    sync(&ledger, &dir);
    public.eventually("/api/v1/pledges", |answer| answer.text().contains("清淤水渠三里"));
    let size = public.json("/healthz")["views"].clone();

    let heard = RefCell::new(String::new());
    let told = |words: &str| {
        public.eventually("/healthz", |_| {
            heard.borrow_mut().push_str(&public.said());
            heard.borrow().contains(words)
        });
    };
    std::fs::write(dir.join("log/checkpoint"), older).unwrap();
    told("an older copy, or a rollback");
    let _ = ledger.publish(&[pledge("修好村北机耕路")]).ok();
    let forged = ledger.checkpoint().replacen("\n\n", "\nextension\n\n", 1);
    std::fs::write(dir.join("log/checkpoint"), forged).unwrap();
    told("does not verify");
    assert!(public.get("/api/v1/pledges").text().contains("清淤水渠三里"), "what was seen stays");
    assert_eq!(public.json("/healthz")["views"], size);
    sync(&ledger, &dir);
    public.eventually("/api/v1/pledges", |answer| answer.text().contains("修好村北机耕路"));
    assert!(public.stop().success());
}

#[test]
fn a_directory_with_a_database_a_false_key_or_a_second_server_is_refused() {
    let ledger = with_matters();
    let said = Server::try_start_published(&ledger.dir()).unwrap_err();
    assert!(said.contains("这里有账本数据库"), "{said}");
    let dir = machine(&ledger);
    let first = Server::try_start_published(&dir).unwrap();
    let said = Server::try_start_published(&dir).unwrap_err();
    assert!(said.contains("另一个进程正在使用"), "{said}");
    assert!(first.stop().success());
    let other = TestLedger::bare();
    std::fs::write(dir.join("log/vkey"), format!("{}\n", other.vkey())).unwrap();
    let said = Server::try_start_published(&dir).unwrap_err();
    assert!(said.contains("验证钥匙") || said.contains("checkpoint"), "{said}");
}
