//! A mirror beside the ledger that it follows, as people run them: over HTTP, from a directory, from a carried disk.
//!
//! What it accepts and refuses, file by file, is in the store's own tests.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use gongkai_tests::ledger::{TestLedger, key, pledge, sheet};
use gongkai_tests::statement::Draft;
use gongkai_tests::{Ran, Server, copy, gongkai, process, same_answers, snapshot, walk};
use serde_json::{Value, json};

use super::mirrors::{PAYMENT, TITLE, configure, doctor, withdraw};
use super::witnesses::{Witness, watched};

fn with_matters() -> TestLedger {
    let ledger = TestLedger::new();
    let _ = ledger.publish(&[pledge("完成五里桥自然村路灯改造")]).ok();
    let line = json!({"date": "2026-02-03", "voucher": "记-12", "summary": "公厕电费", "expense": 33_030});
    let supervisors = ledger.supervisors();
    let _ =
        ledger.submit(&ledger.key_file("publisher.example/1"), &supervisors, &[sheet("2026-02", 33_030, &line)]).ok();
    ledger
}

/// Synchronizes once.
fn once(source: &Path, dir: &Path, vkey: &str) -> Ran {
    let (source, dir) = (source.to_str().unwrap(), dir.to_str().unwrap());
    gongkai(["mirror", "--source", source, "--dir", dir, "--vkey", vkey, "--once"])
}

/// The published files but for partial tiles, of which a ledger keeps more.
fn published(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let all = snapshot(&dir.join("log"));
    all.into_iter().filter(|(path, _)| !path.to_str().unwrap().contains(".p/")).collect()
}

#[test]
fn over_http_it_shows_the_ledgers_own_pages_and_what_comes_after_them() {
    let ledger = with_matters();
    let (whole, dir) = (Server::start(&ledger.dir()), ledger.path("mirror"));
    let mirror = Server::try_start_mirror(&whole.url, &dir, &ledger.vkey()).unwrap();
    let size = ledger.size();
    let caught_up = |server: &Server| server.eventually("/healthz", |answer| answer.json()["views"] == size);
    let _ = (caught_up(&whole), caught_up(&mirror));
    assert_eq!(published(&dir), published(&ledger.dir()));
    // Pages say when the checkpoint was written, which is when each of the two has put it in place.
    let written = std::fs::metadata(ledger.dir().join("log/checkpoint")).unwrap().modified().unwrap();
    std::fs::File::options().write(true).open(dir.join("log/checkpoint")).unwrap().set_modified(written).unwrap();
    let stream = whole.json("/api/v1/pledges")["items"][0]["stream"].as_str().unwrap().to_owned();
    let pledge_page = format!("/pledges/{}", stream.split('/').nth(1).unwrap());
    let paths = ["/api/v1/pledges", "/api/v1/disclosures", "/api/v1/organizations", "/disclosures", "/log/checkpoint"];
    let of_one =
        [&format!("/api/v1/streams/{stream}"), &pledge_page, "/log/vkey", "/entries/3", "/api/v1/entries/3/proof"];
    same_answers(&whole, &mirror, &[paths, of_one].concat());
    let said = Draft::new(pledge("清淤水渠三里"), vec![("publisher", key("publisher.example/1"))]).submission();
    assert_eq!(whole.submit("after", &said).status, 201);
    mirror.eventually("/api/v1/pledges", |answer| answer.text().contains("清淤水渠三里"));
    let secret = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "key");
    assert!(!walk(&dir).iter().any(secret) && !dir.join("ledger.db").exists());
    assert!(mirror.stop().success() && whole.stop().success());
    // It goes on from what it has, and the whole of it verifies without the ledger.
    let _ = gongkai(["verify", "--dir", dir.to_str().unwrap(), "--vkey", &ledger.vkey()]).ok().says("核验通过");
    let _ = gongkai(["doctor", "--dir", dir.to_str().unwrap()]).ok().says("没有毛病");
}

#[test]
fn a_carried_disk_is_accepted_whole_or_not_at_all() {
    let ledger = with_matters();
    let (disk, dir, vkey) = (ledger.path("disk"), ledger.path("mirror"), ledger.file("vkey", ledger.vkey()));
    let vkey = vkey.to_str().unwrap();
    copy(&ledger.dir().join("log"), &disk);
    let openings = std::fs::read(disk.join("openings/000")).unwrap();
    std::fs::remove_file(disk.join("openings/000")).unwrap();
    let _ = once(&disk, &dir, vkey).exits(1).says("来源不完整").says("openings/000");
    assert!(!dir.join("log/checkpoint").exists());
    let _ = gongkai(["doctor", "--dir", dir.to_str().unwrap()]).exits(1).says("没有接受");
    std::fs::write(disk.join("openings/000"), &openings).unwrap();
    let said = gongkai([
        "mirror",
        "--source",
        disk.to_str().unwrap(),
        "--dir",
        dir.to_str().unwrap(),
        "--vkey",
        vkey,
        "--once",
        "--json",
    ])
    .ok()
    .json();
    assert_eq!(said, json!({"ok": true, "size": ledger.size(), "accepted": true, "withdrawals": 0}));
    let _ = once(&disk, &dir, vkey).ok().says("已是最新");
    let config = std::fs::read_to_string(dir.join("gongkai.toml")).unwrap();
    assert!(config.contains("origin = \"ledger.example/test\""), "{config}");

    let _ = ledger.publish(&[pledge("修好村北机耕路")]).ok();
    let export = ledger.path("export.tar");
    let _ = ledger.run("export", &["--out", export.to_str().unwrap()]).ok();
    let _ = once(&export, &dir, vkey).ok().says("核验通过，已接受");
    assert_eq!(published(&dir), published(&ledger.dir()));

    let other = TestLedger::bare();
    let _ = once(&other.dir(), &dir, vkey).exits(1).says("来源的检查点");
    let _ = once(&disk, &dir, &other.vkey()).exits(2).says("另一本账");
    let _ = once(&disk, &ledger.dir(), vkey).exits(2).says("这里有账本数据库");
    let _ = once(&ledger.path("nowhere"), &dir, vkey).exits(2);
    let gone =
        gongkai(["mirror", "--source", "http://127.0.0.1:1", "--dir", dir.to_str().unwrap(), "--vkey", vkey, "--once"]);
    let _ = gone.exits(3).says("读不到不等于被改动");
}

#[test]
fn with_a_policy_it_accepts_only_what_enough_witnesses_cosigned_and_without_one_it_says_what_the_source_says() {
    let ledger = TestLedger::new();
    let (witness, stranger) = (Witness::new(&ledger, "w1"), Witness::new(&ledger, "w2"));
    let policy = watched(&ledger, &[("linxian", &witness)], "quorum linxian\n");
    let _ = ledger.publish(&[pledge("修桥")]).ok();
    let (source, vkey) = (ledger.dir(), ledger.vkey());
    let (dir, vkey) = (ledger.path("mirror"), vkey.as_str());
    let demanding = |policy: &Path| {
        let (source, dir, policy) = (source.to_str().unwrap(), dir.to_str().unwrap(), policy.to_str().unwrap());
        gongkai(["mirror", "--source", source, "--dir", dir, "--vkey", vkey, "--policy", policy, "--once"])
    };
    let stricter = ledger.file("stricter.policy", format!("witness other {}\nquorum other\n", stranger.vkey));
    let _ = demanding(&stricter).exits(1).says("见证方的联署不够").says("--policy");
    assert!(!dir.join("log/checkpoint").exists());
    let _ = demanding(&ledger.file("no.policy", "quorum nobody\n")).exits(2).says("no.policy");
    let own = format!("# 镜像自己的\n{}", std::fs::read_to_string(&policy).unwrap());
    let _ = demanding(&ledger.file("own.policy", &own)).ok().says("核验通过");
    assert_eq!(std::fs::read_to_string(dir.join("log/policy")).unwrap(), own);

    let trusting = ledger.path("trusting");
    let whole = Server::start(&ledger.dir());
    let mirror = Server::try_start_mirror(&whole.url, &trusting, vkey).unwrap();
    let served = mirror.eventually("/log/policy", |answer| answer.status == 200).text();
    assert_eq!(served, std::fs::read_to_string(&policy).unwrap());
    assert!(mirror.stop().success() && whole.stop().success());
}

/// The file of evidence that a mirror keeps.
fn evidence(dir: &Path, extension: &str) -> String {
    let found: Vec<_> = walk(&dir.join("evidence"))
        .into_iter()
        .filter(|path| path.extension().is_some_and(|e| e == extension))
        .collect();
    assert_eq!(found.len(), 1, "{found:?}");
    found[0].to_str().unwrap().to_owned()
}

#[test]
fn two_histories_under_one_key_and_an_older_copy_are_refused_told_and_kept_as_evidence() {
    let ledger = with_matters();
    let (dir, vkey) = (ledger.path("mirror"), ledger.vkey());
    let (source, other) = (ledger.path("source"), ledger.path("other"));
    copy(&ledger.dir(), &other);
    let _ = ledger.publish(&[pledge("修好村北机耕路")]).ok();
    copy(&ledger.dir().join("log"), &source.join("log"));
    let mirror = Server::try_start_mirror(source.to_str().unwrap(), &dir, &vkey).unwrap();
    mirror.eventually("/api/v1/pledges", |answer| answer.text().contains("修好村北机耕路"));
    let held = published(&dir);

    // Somebody restored a copy and went another way with the same key.
    let forked = |commands: &[Value]| {
        let (key, file) =
            (ledger.key_file("publisher.example/1"), ledger.file("commands.jsonl", json!(commands).to_string()));
        let lines: Vec<String> = commands.iter().map(Value::to_string).collect();
        std::fs::write(&file, lines.join("\n")).unwrap();
        let (other, key, file) = (other.to_str().unwrap(), key.to_str().unwrap(), file.to_str().unwrap());
        let _ = gongkai(["submit", "--dir", other, "--key", key, file]).ok();
    };
    forked(&[pledge("修好村南机耕路"), pledge("修好村东机耕路")]);
    std::fs::remove_dir_all(source.join("log")).unwrap();
    copy(&other.join("log"), &source.join("log"));
    let page = mirror.eventually("/about", |answer| answer.text().contains("两部互相矛盾的历史")).text();
    assert!(page.contains("双方的签名已经存证"), "{page}");
    assert_eq!(mirror.json("/healthz")["mirror"], "forked");
    assert!(mirror.get("/api/v1/pledges").text().contains("修好村北机耕路"), "what was accepted is served");
    assert!(!mirror.get("/api/v1/pledges").text().contains("修好村南机耕路"));
    assert!(mirror.stop().success());
    assert_eq!(published(&dir), held);

    let _ = once(&source, &dir, &vkey).exits(1).says("分叉").says("gongkai verify");
    let file = evidence(&dir, "fork");
    let _ = gongkai(["verify", &file, "--vkey", &vkey]).exits(1).says("分叉属实");
    let said = gongkai(["verify", &file, "--vkey", &vkey, "--json"]).exits(1).json();
    assert_eq!((&said["fork"], &said["origin"]), (&json!(true), &json!("ledger.example/test")));
    let stranger = TestLedger::bare();
    let _ = gongkai(["verify", &file, "--vkey", &stranger.vkey()]).ok().says("证明不了分叉");
    let _ = gongkai(["verify", &file]).exits(2).says("--vkey");
    let _ = gongkai(["doctor", "--dir", dir.to_str().unwrap()]).exits(1).says("两部互相矛盾的历史").says(&file);

    let older = ledger.path("older");
    copy(&ledger.dir().join("log"), &older);
    let _ = ledger.publish(&[pledge("完成饮水管网改造")]).ok();
    let _ = once(&ledger.dir(), &dir, &vkey).ok();
    let _ = once(&older, &dir, &vkey).exits(1).says("倒退");
    let file = evidence(&dir, "rollback");
    let _ = gongkai(["verify", &file, "--vkey", &vkey]).ok().says("没有分叉");
}

#[test]
fn what_was_withdrawn_leaves_the_mirror_and_the_ledger_sees_that_it_has() {
    let (ledger, pledged, posted, slot) = super::mirrors::with_matters();
    let dir = ledger.path("mirror");
    let mirror = Server::try_start_mirror(ledger.dir().to_str().unwrap(), &dir, &ledger.vkey()).unwrap();
    mirror.eventually("/api/v1/pledges", |answer| answer.text().contains(TITLE));
    configure(&ledger, &[&mirror.url]);
    let withdrawn = withdraw(&ledger, pledged, posted, slot);
    let size = ledger.size();
    mirror.eventually("/api/v1/withdrawals", |answer| answer.json()["size"] == size);
    assert_eq!(doctor(&ledger), [], "it has followed");
    for path in ["/api/v1/pledges", "/log/openings/000", "/disclosures"] {
        let page = mirror.get(path).text();
        assert!(!page.contains(TITLE) && !page.contains(PAYMENT), "{path}");
    }
    let said = std::fs::read_to_string(dir.join("withdrawals.jsonl")).unwrap();
    let rows: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let short: Vec<_> =
        rows.iter().map(|row| (row["index"].as_u64().unwrap(), row["source"].as_str().unwrap())).collect();
    assert_eq!(short, [(withdrawn[0], "removed"), (withdrawn[1], "removed")]);
    assert!(rows.iter().all(|row| row["followed_at"].as_str().unwrap().ends_with('Z')));
    assert!(mirror.stop().success());
    // Views and search are taken out of their files by whoever makes them.
    let is_made = |path: &PathBuf| path.starts_with(dir.join("views")) || path.starts_with(dir.join("search"));
    for path in walk(&dir).into_iter().filter(|path| !is_made(path)) {
        let bytes = std::fs::read(&path).unwrap();
        for text in [TITLE, PAYMENT] {
            let found = bytes.windows(text.len()).any(|part| part == text.as_bytes());
            assert!(!found, "{} still holds {text}", path.display());
        }
    }
}

/// Case 1 for a mirror.
#[test]
fn killed_at_any_moment_of_catching_up_it_goes_on() {
    const ROUNDS: u32 = 24;
    let ledger = TestLedger::new();
    let pledges: Vec<Value> = (0..600).map(|number| pledge(&format!("修好第 {number} 段水渠"))).collect();
    let _ = ledger.publish(&pledges).ok();
    let whole = Server::start(&ledger.dir());
    let vkey = ledger.vkey();
    let command = |dir: &Path| {
        let mut command = process::command();
        command.args(["mirror", "--source", &whole.url, "--vkey", &vkey, "--once", "--dir"]).arg(dir);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command
    };
    let started = Instant::now();
    assert!(command(&ledger.path("first")).status().unwrap().success());
    let whole_time = started.elapsed();
    let expected = published(&ledger.path("first"));
    assert_eq!(expected, published(&ledger.dir()));
    let (heard, mut cut) = (RefCell::new(Vec::new()), 0);
    for round in 0..ROUNDS {
        let dir = ledger.path(&format!("killed-{}", round % 3));
        let mut child = command(&dir).spawn().unwrap();
        let (_open, never) = mpsc::channel::<()>();
        let _ = never.recv_timeout(whole_time * round / ROUNDS + Duration::from_millis(1));
        let killed = child.kill().and_then(|()| child.wait()).unwrap();
        cut += u32::from(!killed.success());
        heard.borrow_mut().push(killed);
        if dir.join("log/checkpoint").exists() {
            assert_eq!(published(&dir), expected, "round {round}: a checkpoint stands over all of its files");
            std::fs::remove_dir_all(&dir).unwrap();
        }
    }
    assert!(cut > 3, "hardly any was killed before its end: {heard:?}");
    for number in 0..3 {
        let dir = ledger.path(&format!("killed-{number}"));
        assert!(command(&dir).status().unwrap().success());
        assert_eq!(published(&dir), expected);
        let _ = gongkai(["verify", "--dir", dir.to_str().unwrap(), "--vkey", &vkey]).ok();
    }
    assert!(whole.stop().success());
}
