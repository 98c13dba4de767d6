//! The binary with a bucket: settings from the environment, readers and mirrors over plain HTTP.

use gongkai_store::Layout;
use gongkai_tests::objects::{How, ObjectServer, SECRET_KEY};
use gongkai_tests::{Server, TestLedger, gongkai, gongkai_with, snapshot};

use super::same_but_partial;
use crate::mirrors::{PAYMENT, TITLE, with_matters, withdraw};

fn serve(ledger: &TestLedger, server: &ObjectServer) -> Server {
    Server::start_with(&ledger.dir(), |command| {
        command.envs(server.environment());
    })
}

/// Entries of the checkpoint in the bucket.
fn size(server: &ObjectServer) -> u64 {
    let note = String::from_utf8(server.object("log/checkpoint").unwrap()).unwrap();
    note.lines().nth(1).unwrap().parse().unwrap()
}

/// Which objects hold a text.
fn holding(server: &ObjectServer, text: &str) -> usize {
    let files = snapshot(&server.objects());
    files.iter().filter(|(_, bytes)| bytes.windows(text.len()).any(|part| part == text.as_bytes())).count()
}

#[test]
fn a_mirror_follows_the_bucket_over_plain_http_and_what_is_withdrawn_leaves_both() {
    let (ledger, pledged, posted, slot) = with_matters();
    let server = ObjectServer::start();
    assert!(serve(&ledger, &server).stop().success());
    same_but_partial(&server, &Layout::new(ledger.dir()));
    assert!(holding(&server, TITLE) > 0 && holding(&server, PAYMENT) > 0);
    let dir = ledger.path("mirror");
    let follow = || {
        let (source, dir, vkey) = (server.url(), dir.to_str().unwrap(), ledger.vkey());
        let _ = gongkai(["mirror", "--source", &source, "--dir", dir, "--vkey", &vkey, "--once"]).ok();
    };
    follow();
    let _ = gongkai(["verify", "--url", &server.url(), "--vkey", &ledger.vkey()]).ok().says("核验通过");
    // It was recorded while the bucket was not asked; the next start puts what is missing.
    let _ = withdraw(&ledger, pledged, posted, slot);
    assert!(size(&server) < ledger.size());
    let whole = serve(&ledger, &server);
    assert_eq!(size(&server), ledger.size());
    assert_eq!((holding(&server, TITLE), holding(&server, PAYMENT)), (0, 0));
    assert!(whole.stop().success());
    follow();
    let copy = snapshot(&dir.join("log"));
    assert!(!copy.iter().any(|(_, bytes)| bytes.windows(TITLE.len()).any(|part| part == TITLE.as_bytes())));
    let _ = gongkai(["verify", "--url", &server.url(), "--vkey", &ledger.vkey()]).ok().says("核验通过");
}

#[test]
fn each_object_has_the_media_type_and_the_caching_that_the_ledgers_own_server_gives() {
    let (ledger, pledged, ..) = with_matters();
    let server = ObjectServer::start();
    let whole = serve(&ledger, &server);
    let said = |url: &str| {
        let answer = ureq::get(url).call().unwrap_or_else(|error| panic!("{url}: {error}"));
        ["content-type", "cache-control", "content-encoding", "content-disposition"]
            .map(|name| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned()))
    };
    let kinds = ["checkpoint", "vkey", "tile/0/", "tile/entries/", "openings/", "lines/"];
    let names = snapshot(&server.objects().join("log"));
    let names: Vec<_> = names.iter().map(|(path, _)| path.to_str().unwrap()).collect();
    for kind in kinds {
        let name = names.iter().find(|name| name.starts_with(kind)).unwrap_or_else(|| panic!("{kind} after {pledged}"));
        let (there, here) = (format!("{}/log/{name}", server.url()), format!("{}/log/{name}", whole.url));
        assert_eq!(said(&there), said(&here), "{name}");
    }
    assert!(whole.stop().success());
}

/// What `doctor` says of the bucket: the code and the words of each symptom.
fn symptoms(dir: &std::path::Path, server: &ObjectServer) -> Vec<(String, String, bool)> {
    let ran = gongkai_with(["doctor", "--json", "--dir", dir.to_str().unwrap()], |command| {
        command.envs(server.environment());
    });
    assert!(!ran.to_string().contains(SECRET_KEY), "{ran}");
    let said = ran.json();
    let of = |name: &str, symptom: &serde_json::Value| symptom[name].as_str().unwrap().to_owned();
    let all = said["symptoms"].as_array().unwrap().iter();
    let bucket = all.filter(|symptom| symptom["code"].as_str().unwrap().starts_with("bucket"));
    bucket.map(|symptom| (of("code", symptom), of("what", symptom), symptom["wrong"].as_bool().unwrap())).collect()
}

#[test]
fn doctor_says_how_the_bucket_stands_and_changes_nothing_there() {
    let (ledger, pledged, posted, slot) = with_matters();
    let server = ObjectServer::start();
    let says = |dir: &std::path::Path, code: &str, words: &str, wrong: bool| {
        let before = snapshot(&server.objects());
        let found = symptoms(dir, &server);
        assert_eq!(found.len(), 1, "{found:?}");
        let (found, what, is_wrong) = &found[0];
        assert_eq!((found.as_str(), *is_wrong), (code, wrong), "{what}");
        assert!(what.contains(words), "{what}");
        assert_eq!(snapshot(&server.objects()), before, "{code}: it changes nothing");
    };
    let dir = ledger.dir();
    std::fs::create_dir_all(server.objects()).unwrap();
    says(&dir, "bucket_empty", "还没有检查点", false);
    assert!(serve(&ledger, &server).stop().success());
    says(&dir, "bucket", "与账本一致", false);
    let old = ledger.path("old");
    gongkai_tests::copy(&dir, &old);
    let _ = withdraw(&ledger, pledged, posted, slot);
    let behind = format!("比账本少 {} 条", ledger.size() - size(&server));
    says(&dir, "bucket_behind", &behind, false);
    assert!(serve(&ledger, &server).stop().success());
    says(&old, "bucket_ahead", "旧备份", true);
    // Somebody goes on from the old copy without the bucket: the two are of different histories.
    let key = ledger.key_file("publisher.example/1").display().to_string();
    let lines = ["修桥", "修路", "修渠", "修井"].map(|title| gongkai_tests::ledger::pledge(title).to_string());
    let file = ledger.file("other.jsonl", lines.join("\n")).display().to_string();
    let _ = gongkai(["submit", "--dir", old.to_str().unwrap(), "--key", &key, &file]).ok();
    says(&old, "bucket_other", "不是同一部历史", true);

    server.fault("PUT ", How::Unconditional, usize::MAX);
    says(&dir, "bucket_unconditional", "条件写入", true);
    server.heal();
    server.fault("PUT ", How::Refused, usize::MAX);
    says(&dir, "bucket_unreachable", "连不上", true);
    server.heal();
    server.fault("GET ", How::Refused, usize::MAX);
    says(&dir, "bucket_unreachable", "连不上", true);
    server.heal();
    std::fs::write(server.objects().join("log/checkpoint"), "ledger.example/elsewhere\n").unwrap();
    says(&dir, "bucket_foreign", "不是这本账", true);
    let plain = ledger.run("doctor", &["--json"]).ok().json();
    assert!(!plain.to_string().contains("bucket"), "without a bucket nothing is said of one: {plain}");
}

#[test]
fn a_bucket_that_cannot_be_reached_keeps_the_ledger_closed_and_no_key_is_said() {
    let (ledger, ..) = with_matters();
    let server = ObjectServer::start();
    assert!(serve(&ledger, &server).stop().success());
    server.fault("GET ", How::Refused, usize::MAX);
    // Whatever opens it is told the same; this command ends in either case.
    let start = |change: &dyn Fn(&mut std::process::Command)| {
        let args = ["rebuild", "--log", "--dir", ledger.dir().to_str().unwrap()].map(str::to_owned);
        let ran = gongkai_with(args, |command| {
            command.envs(server.environment());
            change(command);
        });
        assert_ne!(ran.code, 0, "{ran}");
        ran.to_string()
    };
    let said = start(&|_| {});
    assert!(said.contains("对象存储") && !said.contains(SECRET_KEY), "{said}");
    let said = start(&|command| {
        command.env_remove("AWS_SECRET_ACCESS_KEY");
    });
    assert!(said.contains("AWS_SECRET_ACCESS_KEY"), "{said}");
    let said = start(&|command| {
        command.env("GONGKAI_BUCKET_ENDPOINT", "http://10.0.0.5:9000");
    });
    assert!(said.contains("只能用于本机"), "{said}");
    server.heal();
    server.fault("PUT ", How::Unconditional, usize::MAX);
    let said = start(&|_| {});
    assert!(said.contains("条件写入"), "{said}");
    server.heal();
    let whole = serve(&ledger, &server);
    assert!(!whole.said().contains(SECRET_KEY));
    assert!(whole.stop().success());
}

#[test]
fn what_an_old_backup_lacks_is_brought_back_from_the_ledgers_own_bucket() {
    let (ledger, ..) = with_matters();
    let server = ObjectServer::start();
    assert!(serve(&ledger, &server).stop().success());
    let (dir, old) = (ledger.dir(), ledger.path("old"));
    gongkai_tests::copy(&dir, &old);
    let _ = ledger.publish(&[gongkai_tests::ledger::pledge("修亭")]).ok();
    assert!(serve(&ledger, &server).stop().success());
    let seen = size(&server);
    std::fs::remove_dir_all(&dir).unwrap();
    gongkai_tests::copy(&old, &dir);
    let recover = ["recover", "--dir", dir.to_str().unwrap(), "--source", "bucket", "--json"].map(str::to_owned);
    let ran = gongkai_with(recover, |command| {
        command.envs(server.environment());
    });
    assert_eq!(ran.ok().json()["recovered"]["source"], "bucket");
    assert!(serve(&ledger, &server).stop().success());
    assert_eq!(size(&server), seen + 1);
    same_but_partial(&server, &Layout::new(&dir));
}
