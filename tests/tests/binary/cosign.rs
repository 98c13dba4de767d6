//! Signing beside an author from outside, across a network gap, with the real binary on both sides.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::sync::mpsc;
use std::time::Duration;

use gongkai_log::note;
use gongkai_tests::gap::{Gap, configure};
use gongkai_tests::ledger::{key, sheet};
use gongkai_tests::server::{get_with, put, until};
use gongkai_tests::statement::{Draft, with_note};
use gongkai_tests::{Ran, Server, gongkai, walk};
use serde_json::{Value, json};

const DRAFT: &str = "5ea1ed00-0000-4000-8000-000000000021";
const FIRST: &str = "supervisor.example/1";
const SECOND: &str = "supervisor.example/2";

/// Leaves a sheet, signed by its author, for both supervisors; gives the session.
fn left_for_signatures(server: &Server) -> String {
    let author = key("publisher.example/1");
    let line = json!({"date": "2026-02-03", "voucher": "记-12", "summary": "购水管(虚构)", "expense": 33_030});
    let signers =
        vec![("publisher", key("publisher.example/1")), ("supervisor", key(FIRST)), ("supervisor", key(SECOND))];
    let prepared = Draft::new(sheet("2026-02", 33_030, &line), signers).prepare();
    let signed = note::sign(&prepared.text, &[&author]).unwrap();
    let own = signed.lines().last().unwrap().to_owned();
    let submission = with_note(&prepared, &signed);
    let draft = json!({"label": "二月收支(虚构)", "kind": "disclosure.published.v1",
        "href": "/internal/write/disclosure.published.v1", "prepared": {"statement": prepared.text,
            "openings": submission["openings"], "lines": submission["lines"], "signatures": [own]}});
    let token = server.sign_in(&author);
    let url = format!("{}/internal/api/v1/drafts/{DRAFT}", server.internal);
    let kept = put(&url, &[("Authorization", &token)], draft.to_string());
    assert_eq!(kept.status, 200, "{}", kept.text());
    token
}

/// A ledger that takes in by itself, served inside, and its mirror outside.
fn served() -> (Gap, Server, Server) {
    let gap = Gap::new();
    configure(&gap.ledger, gap.url(), 1);
    let (inside, mirror) = (Server::start(&gap.ledger.dir()), gap.mirror());
    (gap, inside, mirror)
}

struct Outside<'g> {
    gap: &'g Gap,
    mirror: &'g Server,
    intake: String,
}

impl Outside<'_> {
    fn cosign(&self, name: &str, more: &[&str]) -> Ran {
        let (file, book) = (self.gap.ledger.key_file(name), self.book(name));
        let vkey = self.gap.ledger.vkey();
        let place = ["cosign", "--url", &self.mirror.url, "--vkey", &vkey, "--intake", &self.intake];
        let own = ["--key", file.to_str().unwrap(), "--book", &book];
        gongkai([&place[..], &own, more].concat())
    }

    fn book(&self, name: &str) -> String {
        self.gap.ledger.path(&format!("{}.book", name.replace('/', "-"))).display().to_string()
    }

    /// What the ledger answers, once the answer is as it should be.
    fn told(&self, name: &str, fits: impl Fn(&Value) -> bool) -> Value {
        // Far apart: an intake answers an address so often and no more.
        until("the answer", || {
            let (_open, never) = mpsc::channel::<()>();
            let _ = never.recv_timeout(Duration::from_secs(1));
            let asked = self.cosign(name, &["--json"]);
            (asked.code == 0).then(|| asked.json()).filter(&fits)
        })
    }
}

fn waits(told: &Value) -> bool {
    told["requests"].as_array().is_some_and(|requests| !requests.is_empty())
}

fn came(state: &'static str) -> impl Fn(&Value) -> bool {
    move |told| told["came"][0]["state"] == state
}

#[test]
fn two_supervisors_outside_sign_what_waits_for_them_and_the_last_signature_publishes_it() {
    let (mut gap, inside, mirror) = served();
    let token = left_for_signatures(&inside);
    let published = || inside.json("/api/v1/disclosures")["total"].clone();
    let outside = Outside { gap: &gap, mirror: &mirror, intake: gap.url().to_owned() };
    let _ = outside.cosign(FIRST, &[]).ok().says("已去问等您联署的稿件");
    let told = outside.told(FIRST, waits);
    let request = &told["requests"][0];
    assert_eq!((&request["draft"], &request["label"]), (&json!(DRAFT), &json!("二月收支(虚构)")));
    assert_eq!(request["left"], json!([FIRST, SECOND]));
    let _ = outside.cosign(FIRST, &[]).ok().says("二月收支(虚构)").says("摘要：购水管(虚构)").says("330.30 元");
    let _ = outside.cosign(FIRST, &["--sign", "ffffffff"]).exits(1).says("没有这份等您签名的稿件");
    let _ = outside.cosign(FIRST, &["--sign", &DRAFT[..8]]).ok().says("已签名 1 份");
    let told = outside.told(FIRST, came("kept"));
    assert_eq!(told["requests"], json!([]), "who has signed is not asked again");
    assert_eq!(published(), json!(0), "one signature is missing");

    // The author has signed at the desk, and nothing waits for anybody else.
    let _ = outside.cosign("publisher.example/1", &[]).ok();
    assert!(!waits(&outside.told("publisher.example/1", |_| true)));
    let _ = outside.cosign("stranger.example/1", &[]).ok();
    let refused = outside.told("stranger.example/1", |_| true);
    assert_eq!((&refused["answer"]["outcome"], &refused["requests"]), (&json!("refused"), &json!([])));
    let _ = outside.cosign("stranger.example/1", &[]).exits(1).says("没有登记");
    for path in walk(&gap.ledger.path("intake")) {
        let bytes = std::fs::read(&path).unwrap();
        let has = |text: &str| bytes.windows(text.len()).any(|part| part == text.as_bytes());
        assert!(!has("二月收支") && !has(DRAFT) && !has(FIRST), "{}", path.display());
    }

    let _ = outside.cosign(SECOND, &[]).ok();
    let _ = outside.told(SECOND, waits);
    let _ = outside.cosign(SECOND, &["--sign", DRAFT]).ok();
    let told = outside.told(SECOND, came("recorded"));
    let index = told["came"][0]["accepted"]["index"].as_u64().unwrap();
    assert_eq!(published(), json!(1), "{told}");
    let _ = mirror.eventually(&format!("/api/v1/entries/{index}"), |answer| answer.status == 200);
    let headers = [("Authorization", token.as_str())];
    let drafts = get_with(&format!("{}/internal/api/v1/drafts", inside.internal), &headers).json();
    assert_eq!(drafts["drafts"], json!([]), "it is nobody's draft any more");
    let _ = outside.cosign(FIRST, &["--again"]).ok();
    assert!(inside.stop().success() && mirror.stop().success() && gap.intake.take().unwrap().stop().success());
    gap.ledger.check();
    let _ = gap.ledger.run("verify", &[]).ok();
}

/// A line to an intake that goes dead when a packet's answer is on its way back: the packet arrived, the answer does not.
fn cut_off_after_packets(intake: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let intake = intake.trim_start_matches("http://").to_owned();
    // It ends with the process, like the connections.
    std::thread::spawn(move || {
        for near in listener.incoming() {
            let (near, far) = (near.unwrap(), TcpStream::connect(&intake).unwrap());
            std::thread::spawn(move || carry(near, far));
        }
    });
    address
}

/// Carries bytes both ways until a packet was answered.
fn carry(mut near: TcpStream, mut far: TcpStream) -> Option<()> {
    let mut asking = near.try_clone().ok()?;
    let mut there = far.try_clone().ok()?;
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(read @ 1..) = asking.read(&mut buffer) {
            if buffer.starts_with(b"POST /intake/v1/packets") {
                let _ = tell.send(());
            }
            there.write_all(&buffer[..read]).ok()?;
        }
        Some(())
    });
    let mut buffer = vec![0; 64 << 10];
    while let Ok(read @ 1..) = far.read(&mut buffer) {
        if told.try_recv().is_ok() {
            let _ = near.shutdown(std::net::Shutdown::Both);
            return None;
        }
        near.write_all(&buffer[..read]).ok()?;
    }
    Some(())
}

#[test]
fn a_signature_whose_answer_was_lost_lies_in_the_book_and_is_sent_again_as_it_was() {
    let (mut gap, inside, mirror) = served();
    let _ = left_for_signatures(&inside);
    let cut = Outside { gap: &gap, mirror: &mirror, intake: cut_off_after_packets(gap.url()) };
    let outside = Outside { gap: &gap, mirror: &mirror, intake: gap.url().to_owned() };
    let _ = outside.cosign(FIRST, &[]).ok();
    let _ = outside.told(FIRST, waits);
    let book = outside.book(FIRST);
    assert_eq!(std::fs::metadata(&book).unwrap().permissions().mode() & 0o777, 0o600);
    let _ = cut.cosign(FIRST, &["--sign", DRAFT]).exits(3);
    let kept: Value = serde_json::from_str(&std::fs::read_to_string(&book).unwrap()).unwrap();
    assert!(kept["unsent"]["packet"].is_string());
    let again = outside.cosign(FIRST, &[]).ok().says("原样重发");
    assert!(again.out.contains("账本将在"), "{again}");
    let told = outside.told(FIRST, came("kept"));
    assert_eq!((&told["requests"], told["came"].as_array().unwrap().len()), (&json!([]), 1));

    let (other, vkey) = (gap.ledger.key_file(SECOND), gap.ledger.vkey());
    let place = ["cosign", "--url", &mirror.url, "--vkey", &vkey, "--intake", gap.url(), "--book", &book];
    let _ = gongkai([&place[..], &["--key", other.to_str().unwrap()]].concat()).exits(2).says("另一把钥匙");
    assert!(inside.stop().success() && mirror.stop().success() && gap.intake.take().unwrap().stop().success());
}
