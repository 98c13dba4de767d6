//! The secretary on Monday, on the command line: what is overdue, its list, a supervision that starts a clock, the answer
//! that stops it.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use gongkai_tests::ledger::{COUNTY, TOWN, TestLedger, VILLAGE, organization, person, pledge};
use gongkai_tests::{Ran, Server, gongkai};
use serde_json::json;

const SECRETARY: &str = "secretary.example/1";
const NEIGHBOUR: &str = "neighbour.example/1";
const OTHER: &str = "341599102";

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A ledger with the secretaries of two towns and a pledge that is long overdue.
fn town() -> TestLedger {
    let ledger = TestLedger::new();
    let towns = vec![organization(OTHER, "township", Some(COUNTY), "邻溪镇(虚构)")];
    let secretaries = [person(9, SECRETARY, "approver", TOWN), person(10, NEIGHBOUR, "approver", OTHER)].concat();
    let _ = ledger.register(&[towns, secretaries].concat()).ok();
    let mut overdue = pledge("=1+1 完成路灯改造(虚构)");
    overdue["declared_at"] = json!("2026-01-05T09:00:00+08:00");
    overdue["fields"]["due"] = json!("2026-03-10");
    let _ = ledger.publish(&[overdue]).ok();
    ledger
}

#[test]
fn a_secretary_opens_each_number_to_its_list_and_starts_a_clock_that_the_village_stops() {
    let ledger = town();
    let server = Server::start(&ledger.dir());
    let board = |name: &str, more: &[&str]| -> Ran {
        let key = ledger.key_file(name);
        gongkai([&["read", "--url", &server.internal, "--key", text(&key), "--board"][..], more].concat())
    };
    let _ = board(SECRETARY, &[])
        .ok()
        .says("逾期的承诺事项  1 件（逾期天数：")
        .says("没有限阅库")
        .says("--list overdue_pledges");
    let _ = board(SECRETARY, &["--org", VILLAGE]).ok().says("逾期的承诺事项  1 件");
    let _ = board(NEIGHBOUR, &[]).ok().says("逾期的承诺事项  0 件");
    let _ = board(NEIGHBOUR, &["--org", VILLAGE]).exits(1).says("不对您公开");
    let _ = board(SECRETARY, &["--list", "everything"]).exits(2).says("overdue_pledges（逾期的承诺事项）");

    let list = board(SECRETARY, &["--list", "overdue_pledges"]).ok().says("期限 2026-03-10").says("承诺时写明的期限");
    let overdue = board(SECRETARY, &["--list", "overdue_pledges", "--json"]).ok().json()["rows"][0].clone();
    let stream = overdue["stream"].as_str().unwrap();
    let _ = list.says(stream);
    let file = ledger.path("overdue.csv");
    let _ = board(SECRETARY, &["--list", "overdue_pledges", "--csv", text(&file)]).ok().says("表格软件");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let table = std::fs::read_to_string(&file).unwrap();
    assert!(table.starts_with("\u{feff}类别,标题,") && table.contains(",'=1+1 完成路灯改造(虚构),"), "{table}");
    let _ = board(SECRETARY, &["--list", "overdue_pledges", "--csv", text(&file)]).exits(2).says("不会覆盖");

    let outbox = ledger.path("outbox");
    let submit = |(role, name): (&str, &str), file: &str, command: &serde_json::Value| -> Ran {
        let (key, file) = (ledger.key_file(name), ledger.file(file, command.to_string()));
        let place = ["submit", "--json", "--url", &server.internal, "--outbox", text(&outbox)];
        gongkai([&place[..], &["--role", role, "--key", text(&key), text(&file)]].concat())
    };
    let issued = json!({"kind": "supervision.issued.v1", "org": TOWN, "fields": {
        "to": VILLAGE, "about": stream, "issued_on": "2026-03-20", "due_on": "2026-03-31",
        "title": "限期兑现路灯承诺(虚构)", "text": "请于月底前办结并说明原因(虚构)"}});
    let _ = submit(("approver", NEIGHBOUR), "not-ours.json", &issued).exits(1);
    let _ = submit(("approver", SECRETARY), "issued.json", &issued).ok();
    let running =
        board(SECRETARY, &["--list", "supervisions"]).ok().says("限期兑现路灯承诺(虚构)").says("期限 2026-03-31");
    let _ = running.says(&format!("督办事项：{stream}"));
    let _ = board(SECRETARY, &["--list", "overdue_pledges"]).ok().says("正在督办：supervision/");
    let supervision = board(SECRETARY, &["--list", "supervisions", "--json"]).ok().json()["rows"][0]["stream"].clone();
    let answered = json!({"kind": "supervision.answered.v1", "stream": supervision, "org": VILLAGE, "fields": {
        "result": "done", "answered_on": "2026-03-28", "text": "路灯已经装好(虚构)"}});
    let _ = submit(("publisher", "publisher.example/1"), "answered.json", &answered).ok();
    let _ = board(SECRETARY, &["--list", "supervisions"]).ok().says("正在督办：没有");
    assert!(server.stop().success());
}
