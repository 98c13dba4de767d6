//! The four steps on the command line: a village's sheet is drafted, returned, mended, reviewed, approved, published.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use gongkai_tests::ledger::{COUNTY, TOWN, TestLedger, VILLAGE, person, sheet};
use gongkai_tests::{Ran, Server, gongkai};
use serde_json::{Value, json};

const CLERK: &str = "publisher.example/1";
const SUPERVISORS: [&str; 2] = ["supervisor.example/1", "supervisor.example/2"];
const SECRETARY: &str = "approver.example/1";
const TOWNSHIP: &str = "township.example/1";

/// A ledger with a vault, a reviewer in the township, and the rule for villages.
fn ruled() -> TestLedger {
    let ledger = TestLedger::new();
    ledger.add_vault();
    let rule = json!({"kind": "rule.published.v1", "org": COUNTY, "fields": {
        "rule": "disclosure_review", "value": 3, "unit": "scheme", "from": "2026-01-01", "basis": "青禾县公开审核办法(虚构)"}});
    let _ = ledger.register(&[person(9, TOWNSHIP, "reviewer", TOWN), vec![rule]].concat()).ok();
    ledger
}

fn march(summary: &str) -> Value {
    let line = json!({"date": "2026-03-03", "summary": summary, "account": "管理费用", "voucher": "记-1",
        "expense": 33_030, "attachments": 1});
    let mut sheet = sheet("2026-03", 33_030, &line);
    sheet["declared_at"] = json!("2026-04-05T09:00:00+08:00");
    sheet
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Drafts a command of the clerk; gives what was said and the path of the draft.
fn draft(ledger: &TestLedger, name: &str, command: &Value, more: &[&str]) -> (Ran, std::path::PathBuf) {
    let file = ledger.file(&format!("{name}.json"), command.to_string());
    let (key, out) = (ledger.key_file(CLERK), ledger.path(&format!("{name}.draft")));
    let mut args = vec!["--key", text(&key), "--out", text(&out)];
    args.extend(more);
    args.push(text(&file));
    (ledger.run("draft", &args), out)
}

fn review(ledger: &TestLedger, name: &str, act: &[&str]) -> Ran {
    let key = ledger.key_file(name);
    ledger.run("review", &[&["--key", text(&key)], act].concat())
}

fn publish(ledger: &TestLedger, draft: &Path, cosigners: &[&str]) -> Ran {
    let (key, files) = (ledger.key_file(CLERK), cosigners.iter().map(|name| ledger.key_file(name)));
    let files: Vec<_> = files.collect();
    let mut args = vec!["--key", text(&key)];
    for file in &files {
        args.extend(["--cosign", text(file)]);
    }
    args.extend(["--json", text(draft)]);
    ledger.run("publish", &args)
}

fn reviewed_in(drafted: &Ran) -> String {
    drafted.json()["review"]["stream"].as_str().unwrap().to_owned()
}

#[test]
fn a_village_drafts_mends_what_was_returned_and_publishes_exactly_what_was_approved() {
    let ledger = ruled();
    let size = ledger.size();
    let all = [SUPERVISORS[0], SUPERVISORS[1], SECRETARY];
    let cosign: Vec<_> = ledger
        .supervisors()
        .into_iter()
        .chain([format!("approver={}", ledger.key_file(SECRETARY).display())])
        .collect();
    let clerk = ledger.key_file(CLERK);
    let _ = ledger.submit(&clerk, &cosign, &[march("公厕电费(虚构)")]).exits(1).says("须先经审核");

    let (said, first) = draft(&ledger, "first", &march("公厕电费(虚构)"), &["--json"]);
    let returned = reviewed_in(&said.ok());
    assert_eq!(std::fs::metadata(&first).unwrap().permissions().mode() & 0o777, 0o600);
    let (again, _) = draft(&ledger, "first", &march("公厕电费(虚构)"), &["--json"]);
    assert_eq!(reviewed_in(&again.ok()), returned, "a second run is the first one again");
    let _ = draft(&ledger, "first", &march("别的(虚构)"), &[]).0.exits(2).says("不会覆盖");
    let _ = review(&ledger, SUPERVISORS[0], &["show", &returned]).ok().says("公厕电费(虚构)").says("村监会审核");
    let _ = review(&ledger, SECRETARY, &["approve", &returned]).exits(1).says("现在应过「村监会审核」").says("监督人");
    let _ = review(&ledger, SUPERVISORS[0], &["pass", &returned]).ok().says("还差 1 人");
    let _ = review(&ledger, SUPERVISORS[0], &["pass", &returned]).ok().says("还差 1 人");
    let _ = review(&ledger, SUPERVISORS[1], &["return", &returned]).exits(2).says("--opinion");
    let reason = ["return", &returned, "--opinion", "摘要没有写明月份(虚构)"];
    let _ = review(&ledger, SUPERVISORS[1], &reason).ok().says("--after");
    let _ = review(&ledger, CLERK, &["show", &returned]).ok().says("摘要没有写明月份(虚构)");
    let _ = publish(&ledger, &first, &all).exits(1).says("已经退回");

    let (said, second) = draft(&ledger, "second", &march("公厕电费，三月(虚构)"), &["--after", text(&first), "--json"]);
    let approved = reviewed_in(&said.ok());
    assert_ne!(approved, returned);
    let _ = publish(&ledger, &second, &all).exits(1).says("还缺「村监会审核」");
    for name in SUPERVISORS {
        let _ = review(&ledger, name, &["pass", &approved, "--opinion", "账实相符(虚构)"]).ok();
    }
    let _ = review(&ledger, SECRETARY, &["approve", &approved]).ok().says(&format!("上级机构 {TOWN}的审核人"));
    let _ = review(&ledger, SECRETARY, &["pass", &approved]).exits(1).says("审核人");
    let _ = review(&ledger, TOWNSHIP, &["pass", &approved, "--gate", "filing"]).ok().says("gongkai publish");
    assert_eq!(ledger.size(), size, "nothing of a review is public before its period");

    let _ = publish(&ledger, &second, &all[..2]).exits(1).says("cosigners_missing");
    let receipt = publish(&ledger, &second, &all).ok().json();
    assert_eq!(receipt["receipt"]["index"], json!(size));
    assert_eq!(publish(&ledger, &second, &all).ok().json()["receipt"], receipt["receipt"]);
    let status = review(&ledger, TOWNSHIP, &["status", &approved, "--json"]).ok().json();
    assert_eq!(status["standing"]["state"], json!("complete"));
    let _ = ledger.run("verify", &[]).ok();
}

#[test]
fn whoever_has_a_gate_is_told_what_waits_there_and_how_to_go_on() {
    let ledger = ruled();
    let (said, _) = draft(&ledger, "queued", &march("公厕电费(虚构)"), &["--json"]);
    let waiting = reviewed_in(&said.ok());
    let server = Server::start(&ledger.dir());
    let queue = |name: &str| {
        let key = ledger.key_file(name);
        gongkai(["read", "--url", &server.internal, "--key", text(&key), "--queue"])
    };
    let _ = queue(SUPERVISORS[0]).ok().says("等在「村监会审核」，还差 2 人").says(&format!("pass {waiting}"));
    let _ = queue(SECRETARY).ok().says("没有等您办理的送审稿");
    let _ = queue(CLERK).exits(1).says("不对您公开");
    assert!(server.stop().success());
}

#[test]
fn who_is_not_of_the_house_learns_nothing_of_a_review_and_what_needs_none_is_not_drafted() {
    let ledger = ruled();
    let asked = json!({"kind": "organization.registered.v1", "org": COUNTY,
        "fields": {"code": "341599102", "level": "township", "name": "东山镇(虚构)"}});
    let _ = draft(&ledger, "organization", &asked, &[]).0.exits(1).says("不须审核");
    let other = "review/5ea1ed00-0000-4000-8000-000000000099";
    let _ = review(&ledger, SUPERVISORS[0], &["status", other]).exits(1).says("没有这项审核");
    let (said, path) = draft(&ledger, "first", &march("电费(虚构)"), &["--json"]);
    let stream = reviewed_in(&said.ok());
    let _ = review(&ledger, "stranger.example/1", &["show", &stream]).exits(1).says("没有这项审核");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    let _ = publish(&ledger, &path, &[]).exits(2).says("chmod 600");
    assert_eq!(VILLAGE, march("电费(虚构)")["org"]);
}

#[test]
fn what_is_published_in_place_of_a_village_is_told_its_own_gates_and_who_passes_them() {
    const DEPUTY: &str = "deputy.example/1";
    let ledger = ruled();
    let _ = ledger.register(&person(10, DEPUTY, "publisher", TOWN)).ok();
    let instead = json!({"kind": "disclosure.published.v1", "org": VILLAGE, "fields": {
        "class": "village", "content": "text", "period": "2026-02", "published_by": "substitute",
        "title": "二月村务公开(虚构)", "text": "宅基地审批结果见附件(虚构)"}});
    let (file, out) = (ledger.file("instead.json", instead.to_string()), ledger.path("instead.draft"));
    let key = ledger.key_file(DEPUTY);
    let drafted = ledger.run("draft", &["--key", text(&key), "--out", text(&out), "--json", text(&file)]);
    let stream = reviewed_in(&drafted.ok());
    let above = format!("上级机构 {TOWN}的审核人");
    let _ = review(&ledger, TOWNSHIP, &["show", &stream]).ok().says("「政治关」").says(&above);
    let server = Server::start(&ledger.dir());
    let key = ledger.key_file(TOWNSHIP);
    let there = ["review", "--url", server.internal.as_str(), "--key", text(&key), "status", &stream];
    let _ = gongkai(there).ok().says("「政治关」").says(&above);
    assert!(server.stop().success());
}

#[test]
fn over_the_network_a_key_says_in_its_own_role_what_several_may_say() {
    let ledger = ruled();
    let server = Server::start(&ledger.dir());
    let read = json!({"kind": "access.recorded.v1", "org": TOWN, "fields": {
        "read": "review/5ea1ed00-0000-4000-8000-000000000099", "revision": 0, "purpose": "review"}});
    let file = ledger.file("read.json", read.to_string());
    let say = |name: &str| {
        let (key, outbox) = (ledger.key_file(name), ledger.path(&format!("outbox-{}", name.replace('/', "-"))));
        let place = ["submit", "--url", server.internal.as_str(), "--outbox", text(&outbox)];
        gongkai([&place[..], &["--json", "--key", text(&key), text(&file)]].concat())
    };
    let promised = say(TOWNSHIP).ok().json();
    assert!(promised["promised"].is_object(), "{promised}");
    let _ = say("stranger.example/1").exits(1);
    assert!(server.stop().success());
}

#[test]
fn the_same_steps_are_taken_over_the_internal_side() {
    let ledger = ruled();
    let server = Server::start(&ledger.dir());
    let outbox = ledger.path("outbox");
    let run = |name: &str, command: &str, more: &[&str]| {
        let key = ledger.key_file(name);
        let place = [command, "--url", server.internal.as_str(), "--key", text(&key)];
        gongkai([&place[..], &["--outbox", text(&outbox)], more].concat())
    };
    let (file, out) = (ledger.file("sheet.json", march("电费(虚构)").to_string()), ledger.path("sheet.draft"));
    let drafted = run(CLERK, "draft", &["--json", "--out", text(&out), text(&file)]);
    let review = reviewed_in(&drafted.ok());
    let standing = run(TOWNSHIP, "review", &["status", &review, "--json"]).ok();
    assert_eq!(standing.json()["standing"]["next"]["people"], json!(2));
    for name in SUPERVISORS {
        let _ = run(name, "review", &["show", &review]).ok().says("电费(虚构)");
        let _ = run(name, "review", &["pass", &review]).ok();
    }
    let _ = run(SECRETARY, "review", &["approve", &review]).ok();
    let _ = run(SECRETARY, "publish", &[text(&out)]).exits(1);
    let _ = run(TOWNSHIP, "review", &["pass", &review]).ok().says("gongkai publish");
    let cosign = [SUPERVISORS[0], SUPERVISORS[1], SECRETARY].map(|name| ledger.key_file(name));
    let cosign = cosign.iter().flat_map(|file| ["--cosign", text(file)]);
    let _ = run(CLERK, "publish", &cosign.chain([text(&out)]).collect::<Vec<_>>()).ok().says("已入账");
    assert!(server.stop().success());
}
