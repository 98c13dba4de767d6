//! People without keys and the receivers of a body, with the real binary: handing in, following, opening.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use gongkai_domain::envelope::{self, To};
use gongkai_domain::field::SealingKey;
use gongkai_domain::{Command, Setting, prepare};
use gongkai_log::{Digest, SignedStatement, Signer};
use gongkai_tests::ledger::{ORIGIN, TOWN, TestLedger, VILLAGE, key, stream};
use gongkai_tests::{Ran, Server, gongkai, walk};
use serde_json::{Value, json};

/// Stands in no file of the server.
const CANARY: &str = "金丝雀五三九〇(虚构)";
const PIN: &str = "一二三四五六七八";

/// A ledger with a vault; person 101 heads the village and receives there, 102 receives in the town.
fn office() -> TestLedger {
    let ledger = TestLedger::new();
    ledger.add_vault();
    let person = |number: u32, org: &str, post: Option<String>| {
        let mut fields = json!({"name": format!("人员{number}(虚构)")});
        if let Some(post) = post {
            fields["post"] = json!(post);
        }
        json!({"kind": "person.registered.v1", "stream": stream("person", number), "org": org, "fields": fields})
    };
    let appointed = |number: u32, org: &str, name: &str| {
        json!({"kind": "receiver.appointed.v1", "stream": stream("receiver", number), "org": org, "fields": {
            "person": stream("person", number), "sealing_key": receiver(&ledger, name)}})
    };
    let _ = ledger
        .register(&[
            json!({"kind": "post.created.v1", "stream": stream("post", 1), "org": VILLAGE, "fields": {"title": "村党支部书记", "heads": true}}),
            person(101, VILLAGE, Some(stream("post", 1))),
            person(102, TOWN, None),
            appointed(101, VILLAGE, "village"),
            appointed(102, TOWN, "town"),
        ])
        .ok();
    ledger
}

/// Makes a receiver's key file, and gives the public half.
fn receiver(ledger: &TestLedger, name: &str) -> String {
    let out = ledger.path(&format!("{name}.receiver"));
    let key = format!("{name}.example/receiver/1");
    let made = gongkai(["keygen", "--receiver", "--name", &key, "--out", out.to_str().unwrap()]).ok();
    made.out.trim().to_owned()
}

fn hand_in(ledger: &TestLedger, server: &Server, command: &Value, more: &[&str]) -> Ran {
    let file = ledger.file("command.json", command.to_string());
    let vkey = ledger.vkey();
    let mut args = vec!["hand-in", "--url", &server.url, "--vkey", &vkey, "--json", file.to_str().unwrap()];
    args.extend(more);
    gongkai(args)
}

fn objection(concerns: u32) -> Value {
    json!({"kind": "notice.objected.v1", "org": VILLAGE, "fields": {
        "notice": stream("notice", 1), "real_name": false, "text": CANARY,
        "concerns": [{"person": stream("person", concerns)}]}})
}

fn letter(class: &str) -> Value {
    json!({"kind": "letter.received.v1", "org": VILLAGE, "fields": {"class": class, "channel": "web", "real_name": false,
        "consent_to_publish": false, "title": "水渠塌方(虚构)", "text": CANARY}})
}

#[test]
fn an_objection_goes_encrypted_one_level_up_and_lies_readable_in_no_file_of_the_server() {
    let ledger = office();
    let server = Server::start(&ledger.dir());
    let _ = server.eventually(&format!("/api/v1/streams/{}", stream("receiver", 102)), |answer| answer.status == 200);
    let out = ledger.path("receipt.json");
    let handed = hand_in(&ledger, &server, &objection(101), &["--out", out.to_str().unwrap()]).ok().json();
    assert_eq!(handed["encrypted_to"], TOWN);
    assert_eq!(serde_json::from_slice::<Value>(&std::fs::read(&out).unwrap()).unwrap(), handed);
    let accusation = hand_in(&ledger, &server, &letter("accusation"), &[]).ok().json();
    assert_eq!(accusation["encrypted_to"], VILLAGE);
    let _ = hand_in(&ledger, &server, &objection(102), &["--out", out.to_str().unwrap()]).exits(2).says("已经存在");

    let code = handed["promised"]["status_code"].as_str().unwrap();
    let _ = gongkai(["status", "--url", &server.url, code]).ok().says("已收到，正在办理").says("办结异议");
    let _ = gongkai(["status", "--url", &server.url, "0000-0000-0000-0000"]).exits(1).says("没有这个查询码");
    assert!(server.stop().success());
    for path in walk(&ledger.dir()) {
        let bytes = std::fs::read(&path).unwrap();
        let found = bytes.windows(CANARY.len()).any(|window| window == CANARY.as_bytes());
        assert!(!found, "{}", path.display());
    }
    ledger.check();
}

#[test]
fn a_submitter_keeps_a_file_that_proves_the_content_and_of_a_recommendation_gets_none() {
    let ledger = office();
    let server = Server::start(&ledger.dir());
    let pin = ledger.file("pin", format!("{PIN}\n"));
    let wrong = ledger.file("wrong", "一二三四五六七九\n");
    let opening = ledger.path("letter.opening");
    let [pin, wrong, opening] = [&pin, &wrong, &opening].map(|path| path.to_str().unwrap());
    let keep = ["--opening", opening, "--pin-file", pin];
    let _ = hand_in(&ledger, &server, &letter("appeal"), &keep).ok();
    let _ = gongkai(["verify", opening, "--pin-file", pin]).ok().says("内容属实").says("未认证");
    let _ = gongkai(["verify", opening, "--pin-file", wrong]).exits(2).says("口令不对");
    let second = ledger.path("second.opening").display().to_string();
    let mut sample = (gongkai_domain::kind::find("vacancy.recommended.v1").unwrap().sample)();
    sample.as_object_mut().unwrap().remove("stream");
    sample["org"] = json!(VILLAGE);
    let refused = hand_in(&ledger, &server, &sample, &["--opening", &second, "--pin-file", pin]);
    let _ = refused.exits(1).says("不出具");
    assert!(!std::path::Path::new(&second).exists());
}

/// Passes everything on to the server and back, until a submission: that one arrives, and its answer is lost.
fn losing_the_answer(server: &Server) -> String {
    let target = server.url.strip_prefix("http://").unwrap().to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let upstream = TcpStream::connect(&target).unwrap();
            let submitted = Arc::new(AtomicBool::new(false));
            let (to, from) = (upstream.try_clone().unwrap(), client.try_clone().unwrap());
            let seen = Arc::clone(&submitted);
            std::thread::spawn(move || {
                pass(from, to, |bytes| {
                    let is_one = bytes.starts_with(b"POST /api/v1/submissions");
                    seen.fetch_or(is_one, Ordering::SeqCst);
                    true
                });
            });
            std::thread::spawn(move || pass(upstream, client, |_| !submitted.load(Ordering::SeqCst)));
        }
    });
    url
}

/// Copies while it is allowed, then closes both ends.
fn pass(mut from: TcpStream, mut to: TcpStream, allowed: impl Fn(&[u8]) -> bool) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        if !allowed(&buffer[..read]) || to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}

#[test]
fn a_submission_whose_answer_was_lost_is_sent_again_as_it_was_and_is_there_once() {
    let ledger = office();
    let server = Server::start(&ledger.dir());
    let _ = server.eventually(&format!("/api/v1/streams/{}", stream("receiver", 102)), |answer| answer.status == 200);
    let url = losing_the_answer(&server);
    let (out, pending) = (ledger.path("receipt.json"), ledger.path("receipt.json.pending"));
    let (opening, pin) = (ledger.path("accusation.opening"), ledger.file("pin", format!("{PIN}\n")));
    let [out, opening, pin] = [&out, &opening, &pin].map(|path| path.to_str().unwrap());
    let more = ["--out", out, "--opening", opening, "--pin-file", pin];
    let send = |url: &str, command: &Value| {
        let file = ledger.file("command.json", command.to_string());
        let vkey = ledger.vkey();
        gongkai([&["hand-in", "--url", url, "--vkey", &vkey, "--json", file.to_str().unwrap()][..], &more].concat())
    };
    let _ = send(&url, &letter("accusation")).exits(3);
    assert!(!Path::new(out).exists());
    assert_eq!(std::fs::metadata(&pending).unwrap().permissions().mode() & 0o777, 0o600);
    let kept = std::fs::read_to_string(&pending).unwrap();
    assert!(!kept.contains(CANARY), "what was encrypted lies there encrypted");

    let _ = send(&server.url, &letter("appeal")).exits(2).says("内容或账本与这次的不同");
    let _ = send(&url, &letter("accusation")).exits(3);
    let handed = send(&server.url, &letter("accusation")).ok().json();
    assert_eq!(handed["encrypted_to"], VILLAGE);
    assert!(!pending.exists(), "answered and forgotten");
    let _ = gongkai(["verify", opening, "--pin-file", pin]).ok().says("内容属实");
    let code = handed["promised"]["status_code"].as_str().unwrap();
    let _ = gongkai(["status", "--url", &server.url, code]).ok().says("已收到");
    let key = ledger.key_file("publisher.example/1").display().to_string();
    let list = gongkai(["read", "--url", &server.internal, "--key", &key, "matters?family=letter"]).ok().json();
    assert_eq!(list["matters"].as_array().unwrap().len(), 1, "three times sent, once there: {list}");
    assert!(server.stop().success());
    ledger.check();
}

#[test]
fn a_command_that_cannot_be_read_is_told_in_chinese_and_nothing_is_sent() {
    let folder = std::env::temp_dir().display().to_string();
    let at = ["hand-in", "--url", "http://127.0.0.1:9"];
    let _ = gongkai([&at[..], &["/nowhere/command.json"]].concat()).exits(2).says("没有这个文件");
    let _ = gongkai([&at[..], &[folder.as_str()]].concat()).exits(2).says("是一个目录");
}

#[test]
fn a_lawful_no_is_an_answer_too_and_nothing_waits_after_it() {
    let ledger = office();
    let server = Server::start(&ledger.dir());
    // For a vacancy that there is not.
    let mut late = (gongkai_domain::kind::find("vacancy.recommended.v1").unwrap().sample)();
    late.as_object_mut().unwrap().remove("stream");
    late["org"] = json!(VILLAGE);
    let _ = hand_in(&ledger, &server, &late, &[]).exits(1);
    assert!(!ledger.path("command.json.pending").exists());
}

#[test]
fn once_the_period_is_recorded_content_and_proof_are_verified_without_the_ledger() {
    let ledger = office();
    let config = ledger.dir().join("gongkai.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.replace("sealed_period_seconds = 600", "sealed_period_seconds = 1")).unwrap();
    let server = Server::start(&ledger.dir());
    let pin = ledger.file("pin", format!("{PIN}\n")).display().to_string();
    let (opening, kept) = (ledger.path("letter.opening"), ledger.path("kept.json"));
    let [opening, kept] = [opening, kept].map(|path| path.display().to_string());
    let vkey = ledger.vkey();
    let keep = ["--opening", &opening, "--pin-file", &pin];
    let handed = hand_in(&ledger, &server, &letter("appeal"), &keep).ok().json();
    let commitment = Digest::parse(handed["promised"]["commitment"].as_str().unwrap()).unwrap();
    let promise = format!("/api/v1/promises/{}", commitment.to_hex());
    let _ = server.eventually(&promise, |answer| answer.status == 200);
    let code = handed["promised"]["status_code"].as_str().unwrap().to_owned();
    let _ = gongkai(["status", "--url", &server.url, "--vkey", &vkey, "--out", &kept, &code]).ok();
    assert!(server.stop().success());
    std::fs::remove_dir_all(ledger.dir()).unwrap();
    let verify = |more: &[&str]| {
        let all = [&["verify", &opening, "--pin-file", &pin, "--vkey", &vkey], more].concat();
        gongkai(all)
    };
    let _ = verify(&["--kept", &kept]).ok().says("内容属实").says("号条目");
    let mut damaged: Value = serde_json::from_str(&std::fs::read_to_string(&kept).unwrap()).unwrap();
    let path = damaged["path"].as_array_mut().unwrap();
    path[0] = json!(Digest::of(b"another neighbour"));
    let damaged = ledger.file("damaged.json", damaged.to_string()).display().to_string();
    let _ = verify(&["--kept", &damaged]).exits(1).says("kept");
}

#[test]
fn a_receiver_opens_what_is_for_them_and_nothing_else() {
    let ledger = TestLedger::bare();
    let public = SealingKey(receiver(&ledger, "town")).key().unwrap();
    let _ = receiver(&ledger, "village");
    let mut seed = 0_u8;
    let mut entropy = |buffer: &mut [u8]| {
        seed += 1;
        let random = Digest::of(&[seed]);
        for (place, byte) in buffer.iter_mut().enumerate() {
            *byte = random.as_bytes()[place % 32];
        }
    };
    let mut command = Command::from_value(objection(101)).unwrap();
    command.stream = Some("notice/5ea1ed00-0000-4000-8000-000000000001".parse().unwrap());
    let intake = key("intake.example");
    let setting = Setting {
        origin: ORIGIN,
        stream: command.stream.clone().unwrap(),
        head: None,
        signers: vec![Signer { role: "intake".into(), key: "intake.example".into() }],
        declared_at: "2026-03-10T09:00:00+08:00".parse().unwrap(),
    };
    let prepared = prepare(&command, &setting, &mut entropy).unwrap();
    let note = SignedStatement::sign(&prepared.statement, &[&intake]).unwrap().note.to_string();
    let stream = stream("receiver", 102).parse().unwrap();
    let to = [To { receiver: &stream, key: &public, may_open: true }];
    let (envelope, _) = envelope::seal(&prepared.statement, &prepared.openings, &to, &mut entropy).unwrap();
    let open = |name: &str, content: &Value| {
        let (file, key) = (ledger.file("content.json", content.to_string()), ledger.path(&format!("{name}.receiver")));
        gongkai(["open-envelope", "--key", key.to_str().unwrap(), file.to_str().unwrap()])
    };
    let content = json!({ "note": note, "fields": [], "envelope": envelope, "erased": false });
    let _ = open("town", &content).ok().says(CANARY).says("异议内容");
    let _ = open("village", &content).exits(1).says("不是加密给这把钥匙的");
    let _ = open("town", &json!({ "note": note })).exits(2).says("envelope");

    let other = prepare(
        &Command {
            fields: letter("appeal")["fields"].as_object().unwrap().clone(),
            kind: "letter.received.v1".into(),
            stream: Some("letter/5ea1ed00-0000-4000-8000-000000000002".parse().unwrap()),
            ..command
        },
        &Setting { stream: "letter/5ea1ed00-0000-4000-8000-000000000002".parse().unwrap(), ..setting },
        &mut entropy,
    )
    .unwrap();
    let (lying, _) = envelope::seal(&prepared.statement, &other.openings, &to, &mut entropy).unwrap();
    let _ = open("town", &json!({ "note": note, "envelope": lying })).exits(1).says("与提交时封存的不一致");
}
