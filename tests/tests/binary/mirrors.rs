//! Machines that copy the log: told of withdrawals, and listed while they do not follow. Over real connections.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use gongkai_log::{Digest, Openings, tile};
use gongkai_tests::ledger::{TestLedger, pledge, sheet};
use gongkai_tests::{Server, copy};
use serde_json::{Value, json};

pub(super) const TITLE: &str = "替槐荫巷修缮旧屋";
pub(super) const PAYMENT: &str = "槐荫巷公厕电费";

/// A machine with everything that is published now.
fn mirror(ledger: &TestLedger, name: &str) -> PathBuf {
    let dir = ledger.path(name);
    copy(&ledger.dir().join("log"), &dir.join("log"));
    std::fs::copy(ledger.dir().join("gongkai.toml"), dir.join("gongkai.toml")).unwrap();
    dir
}

/// A copy that takes new tiles and the checkpoint over and leaves what was there.
fn follow_without_openings(ledger: &TestLedger, dir: &Path) {
    let kept = ledger.path("kept");
    for folder in ["openings", "lines"] {
        copy(&dir.join("log").join(folder), &kept.join(folder));
    }
    copy(&ledger.dir().join("log"), &dir.join("log"));
    for folder in ["openings", "lines"] {
        copy(&kept.join(folder), &dir.join("log").join(folder));
    }
}

/// A ledger with a pledge and a sheet; their entries, and the slot of the pledge's title.
pub(super) fn with_matters() -> (TestLedger, u64, u64, u8) {
    let ledger = TestLedger::new();
    let index = |ran: &[Value]| ran[0]["receipt"]["index"].as_u64().unwrap();
    let pledged = index(&ledger.publish(&[pledge(TITLE)]).ok().json_lines());
    let line = json!({"date": "2026-02-03", "voucher": "记-12", "summary": PAYMENT, "expense": 33_030});
    let key = ledger.key_file("publisher.example/1");
    let ran = ledger.submit(&key, &ledger.supervisors(), &[sheet("2026-02", 33_030, &line)]).ok();
    let posted = index(&ran.json_lines());
    let path = ledger.dir().join("log").join(tile::openings_path(pledged / 256));
    let text = std::fs::read_to_string(path).unwrap();
    let openings = text.lines().map(|line| Openings::parse_line(line).unwrap()).find(|found| found.index == pledged);
    let slot = openings.unwrap().open.iter().find(|open| open.name == "title").unwrap().slot;
    (ledger, pledged, posted, slot)
}

/// Takes the title of the pledge and the line of the sheet out; the entries that say so.
pub(super) fn withdraw(ledger: &TestLedger, pledged: u64, posted: u64, slot: u8) -> Vec<u64> {
    let withdrawal = |mut fields: Value| {
        fields["basis"] = json!("personal_data");
        fields["reason"] = json!("当事人要求隐去(虚构)");
        fields["appeal"] = json!("可在 15 日内向青禾县公开办提出(虚构)");
        json!({"kind": "slot.withdrawn.v1", "org": gongkai_tests::ledger::VILLAGE, "fields": fields})
    };
    let commands = [
        withdrawal(json!({"entry": pledged, "slot_numbers": [slot]})),
        withdrawal(json!({"entry": posted, "line_numbers": [0]})),
    ];
    let key = ledger.key_file("publisher.example/1");
    let ran = ledger.submit(&key, &ledger.supervisors()[..1], &commands).ok().json_lines();
    ran.iter().map(|line| line["receipt"]["index"].as_u64().unwrap()).collect()
}

pub(super) fn configure(ledger: &TestLedger, mirrors: &[&str]) {
    let path = ledger.dir().join("gongkai.toml");
    let config = std::fs::read_to_string(&path).unwrap();
    let rest: Vec<&str> = config.lines().filter(|line| !line.starts_with("mirrors")).collect();
    std::fs::write(&path, format!("{}\nmirrors = {}\n", rest.join("\n"), json!(mirrors))).unwrap();
}

/// What the doctor says of mirrors: code, whether something has to be done, sentence.
pub(super) fn doctor(ledger: &TestLedger) -> Vec<(String, bool, String)> {
    let said = ledger.run("doctor", &["--json"]).json();
    let symptoms = said["symptoms"].as_array().unwrap().iter();
    let mirrors = symptoms.filter(|symptom| symptom["code"].as_str().unwrap().starts_with("mirror"));
    mirrors
        .map(|symptom| {
            assert!(!symptom["remedy"].as_str().unwrap().is_empty());
            let text = |name: &str| symptom[name].as_str().unwrap().to_owned();
            (text("code"), symptom["wrong"].as_bool().unwrap(), text("what"))
        })
        .collect()
}

/// An address on which nobody listens.
fn dead() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

#[test]
fn a_mirror_is_listed_until_it_has_followed_what_was_withdrawn() {
    let (ledger, pledged, posted, slot) = with_matters();
    let dir = mirror(&ledger, "mirror");
    let copied = Server::try_start_published(&dir).unwrap();
    configure(&ledger, &[&copied.url]);
    assert_eq!(doctor(&ledger), [], "nothing was withdrawn yet");
    let withdrawn = withdraw(&ledger, pledged, posted, slot);

    let found = doctor(&ledger);
    assert_eq!((found[0].0.as_str(), found[0].1), ("mirror_behind", false), "{found:?}");
    assert!(found[0].2.contains("还没有同步到 2 次撤下"), "{found:?}");

    follow_without_openings(&ledger, &dir);
    let found = doctor(&ledger);
    assert_eq!((found.len(), found[0].0.as_str(), found[0].1), (1, "mirror_shows_withdrawn", true), "{found:?}");
    assert!(found[0].2.contains("仍在提供已撤下的内容 2 处，最早的已撤下 0 天"), "{found:?}");
    assert!(found[0].2.contains(&format!("第 {pledged} 号条目第 {slot} 槽")), "{found:?}");
    assert!(found[0].2.contains(&format!("第 {posted} 号条目第 1 行")), "{found:?}");
    let _ = ledger.run("doctor", &[]).exits(1).says("撤下清单见 /api/v1/withdrawals");

    let whole = Server::start(&ledger.dir());
    let shown = whole.eventually("/api/v1/mirrors", |answer| answer.text().contains("still_shows")).json();
    assert_eq!(shown["mirrors"][0]["standing"], json!({"state": "still_shows", "openings": 2, "since_days": 0}));
    let status = whole.get("/status").text();
    assert!(status.contains("镜像是否已跟随撤下") && status.contains("仍在提供已撤下的内容 2 处"), "{status}");
    let size = ledger.size();
    let list = whole.eventually("/api/v1/withdrawals", |answer| answer.json()["size"] == size).json();
    let rows = list["withdrawals"].as_array().unwrap();
    assert_eq!(rows.iter().map(|row| row["index"].as_u64().unwrap()).collect::<Vec<_>>(), withdrawn);
    assert_eq!(
        (&rows[0]["target"], &rows[0]["slots"], &rows[0]["list"]),
        (&json!(pledged), &json!([slot]), &Value::Null)
    );
    assert_eq!((&rows[1]["target"], &rows[1]["lines"]), (&json!(posted), &json!([0])));
    for (row, file) in [(&rows[0], "openings"), (&rows[1], "list")] {
        let served = whole.get(row[file].as_str().unwrap());
        assert!(served.status == 200 && !served.text().contains("槐荫巷"), "{}", served.text());
        assert!(copied.get(row[file].as_str().unwrap()).text().contains("槐荫巷"), "the mirror shows it");
    }
    let later = whole.json(&format!("/api/v1/withdrawals?from={}&limit=1", withdrawn[1]));
    assert_eq!((later["withdrawals"].as_array().unwrap().len(), &later["next"]), (1, &json!(withdrawn[1] + 1)));
    assert!(!list.to_string().contains("槐荫巷"));
    assert!(whole.stop().success());

    copy(&ledger.dir().join("log"), &dir.join("log"));
    assert_eq!(doctor(&ledger), []);
    let whole = Server::start(&ledger.dir());
    whole.eventually("/status", |answer| answer.text().contains("已跟随撤下</dd>"));
    assert!(whole.stop().success() && copied.stop().success());
}

#[test]
fn a_dead_address_and_another_ledger_are_told_apart_from_a_mirror_and_delay_nobody() {
    let (ledger, pledged, posted, slot) = with_matters();
    withdraw(&ledger, pledged, posted, slot);
    let other = TestLedger::bare();
    let stranger = Server::try_start_published(&mirror(&other, "mirror")).unwrap();
    let (nobody, foreign) = (dead(), stranger.url.clone());
    configure(&ledger, &[&nobody, &foreign]);
    let found = doctor(&ledger);
    let codes: Vec<_> = found.iter().map(|(code, wrong, _)| (code.as_str(), *wrong)).collect();
    assert_eq!(codes, [("mirror_unreachable", false), ("mirror_forged", true)], "{found:?}");
    assert!(found[0].2.contains(&nobody) && found[1].2.contains("检查点不是这个账本签名的"), "{found:?}");
    let whole = Server::start(&ledger.dir());
    let shown = whole.eventually("/api/v1/mirrors", |answer| answer.text().contains("forged")).json();
    assert_eq!(shown["mirrors"][0]["standing"], json!({"state": "unreachable"}));
    assert!(!shown.to_string().contains("refused"), "why is the operator's: {shown}");
    assert!(whole.stop().success() && stranger.stop().success());
}

/// A mirror that serves a folder as it is, but for one path, where it answers what a test wants.
fn odd(folder: PathBuf, path: String, answer: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let head: Vec<String> =
                BufReader::new(&stream).lines().map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
            let Some(asked) = head.first().and_then(|line| line.split(' ').nth(1)) else { continue };
            let file = std::fs::read(folder.join(asked.trim_start_matches("/log/")));
            let honest = || file.map_or_else(|_| response("404 Not Found", b""), |body| response("200 OK", &body));
            let answer = if asked == path { answer.clone() } else { honest() };
            // Who asked may have heard enough.
            let _ = stream.write_all(&answer);
        }
    });
    url
}

fn response(head: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    [format!("HTTP/1.1 {head}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n").as_bytes(), body].concat()
}

/// Path of the only list that is published.
fn list(log: &Path) -> PathBuf {
    let found: Vec<PathBuf> =
        gongkai_tests::walk(&log.join("lines")).into_iter().filter(|path| path.is_file()).collect();
    assert_eq!(found.len(), 1, "{found:?}");
    found[0].clone()
}

#[test]
fn what_a_mirror_cannot_be_proven_to_have_taken_out_is_never_called_followed() {
    let (ledger, pledged, posted, slot) = with_matters();
    withdraw(&ledger, pledged, posted, slot);
    let log = ledger.dir().join("log");
    let (openings, lines) = (log.join("openings/000"), list(&log));
    let asked = |path: &Path| format!("/log/{}", path.strip_prefix(&log).unwrap().display());
    let text = |path: &Path| std::fs::read_to_string(path).unwrap();
    let own = Server::start(&ledger.dir());
    let elsewhere = |path: &Path| response(&format!("302 Found\r\nLocation: {}{}", own.url, asked(path)), b"");
    let is_pledge = |line: &&str| Openings::parse_line(line).unwrap().index == pledged;
    let whole = text(&openings);
    let line = whole.lines().find(is_pledge).unwrap().to_owned();
    let mut others = Openings::parse_line(&line).unwrap();
    others.commitments.swap(0, 1);
    let changed = |to: &str| response("200 OK", whole.replace(&line, to).as_bytes());
    let list_text = text(&lines);
    let row: Value = serde_json::from_str(&list_text).unwrap();
    let forged = list_text.replace(row["commitment"].as_str().unwrap(), &Digest::ZERO.to_string());
    assert_ne!(forged, list_text);
    let cases = [
        (&openings, response("404 Not Found", b""), "没有 openings/000"),
        (&openings, response("503 Service Unavailable", b""), "应答 503"),
        (&openings, response("200 OK", b""), "没有第"),
        (&openings, response("200 OK", &whole.as_bytes()[..whole.len() - 1]), "核对不上"),
        (&openings, changed(&line.replacen(",\"index\":", ", \"index\": ", 1)), "核对不上"),
        (&openings, changed(&others.to_line().unwrap()), "核对不上"),
        (&openings, elsewhere(&openings), "应答 302"),
        (&lines, response("404 Not Found", b""), "没有 lines/"),
        (&lines, response("200 OK", b""), "核对不上"),
        (&lines, response("200 OK", forged.as_bytes()), "核对不上"),
        (&lines, elsewhere(&lines), "应答 302"),
    ];
    let honest = odd(log.clone(), String::new(), Vec::new());
    let urls: Vec<String> =
        cases.iter().map(|(path, answer, _)| odd(log.clone(), asked(path), answer.clone())).collect();
    let mut all: Vec<&str> = urls.iter().map(String::as_str).collect();
    all.push(&honest);
    configure(&ledger, &all);
    let found = doctor(&ledger);
    assert_eq!(found.len(), cases.len(), "all but the honest one: {found:#?}");
    for (((code, wrong, what), url), (_, _, reason)) in found.iter().zip(&urls).zip(&cases) {
        assert_eq!((code.as_str(), *wrong), ("mirror_unproven", false), "{what}");
        assert!(what.contains(url) && what.contains("还不能说已跟随撤下") && what.contains(reason), "{reason}: {what}");
    }
    let checkpoint = odd(log.clone(), "/log/checkpoint".into(), elsewhere(&log.join("checkpoint")));
    configure(&ledger, &[&checkpoint]);
    let found = doctor(&ledger);
    assert_eq!((found.len(), found[0].0.as_str()), (1, "mirror_unreachable"), "it leads elsewhere: {found:?}");
    assert!(own.stop().success());
}

#[test]
fn a_mirror_that_never_answers_holds_up_neither_the_pages_nor_the_end() {
    let (ledger, pledged, posted, slot) = with_matters();
    withdraw(&ledger, pledged, posted, slot);
    // Connections wait here to be accepted.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    configure(&ledger, &[&format!("http://{}", silent.local_addr().unwrap())]);
    let whole = Server::start(&ledger.dir());
    let _held = silent.accept().unwrap();
    let status = whole.get("/status").text();
    assert!(status.contains("还没有核对</dd>") && !status.contains("已跟随撤下</dd>"), "{status}");
    let shown = whole.json("/api/v1/mirrors");
    assert_eq!((&shown["checked_at"], &shown["mirrors"][0]["standing"]), (&Value::Null, &Value::Null));
    let stopping = Instant::now();
    assert!(whole.stop().success());
    assert!(stopping.elapsed() < Duration::from_secs(15), "it waited for the mirror");
}
