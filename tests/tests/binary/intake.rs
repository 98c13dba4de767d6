//! Across a network gap with three real processes: the ledger inside, a mirror and an intake outside, files carried both ways.

use std::path::Path;
use std::process::Stdio;
use std::sync::mpsc;
use std::time::Instant;

use gongkai_tests::gap::{CANARY, Gap, code, configure, letter};
use gongkai_tests::ledger::{TestLedger, VILLAGE, sheet, stream};
use gongkai_tests::server::until;
use gongkai_tests::{Server, copy, get, gongkai, post, process, walk};
use serde_json::{Value, json};

fn late_recommendation() -> Value {
    let mut late = (gongkai_domain::kind::find("vacancy.recommended.v1").unwrap().sample)();
    late.as_object_mut().unwrap().remove("stream");
    late["org"] = json!(VILLAGE);
    late
}

/// A sheet that is public, to be asked about.
fn post_sheet(ledger: &TestLedger) {
    let line = json!({"date": "2026-02-03", "voucher": "记-12", "summary": "购水管(虚构)", "expense": 33_030});
    let mut sheet = sheet("2026-02", 33_030, &line);
    sheet["stream"] = json!(stream("disclosure", 7));
    let key = ledger.key_file("publisher.example/1");
    let _ = ledger.submit(&key, &ledger.supervisors(), &[sheet]).ok();
}

fn question(topic: &str) -> Value {
    json!({"kind": "disclosure.questioned.v1", "stream": stream("disclosure", 7), "org": VILLAGE, "fields": {
        "topic": topic, "asked_on": "2026-03-10", "text": CANARY}})
}

#[test]
fn a_letter_crosses_the_gap_on_a_disk_and_its_answer_comes_back_to_whoever_has_the_code() {
    let mut gap = Gap::new();
    let first = gap.mirror();
    let letter_receipt = gap.hand_in(&first, &letter("opinion"), "letter.json", &[]).ok().json();
    // What was answered is kept, whatever happens next. It listens at another address then.
    gap.kill_and_start();
    assert!(first.stop().success());
    let mirror = gap.mirror();
    let accusation = gap.hand_in(&mirror, &letter("accusation"), "accusation.json", &[]).ok().json();
    let refused = gap.hand_in(&mirror, &late_recommendation(), "late.json", &[]).ok().json();
    for handed in [&letter_receipt, &accusation, &refused] {
        let _ = gap.recorded(handed);
    }
    let _ = gap.status(&mirror, code(&accusation)).exits(1).says("还没有答复");

    let file = gap.batches("1.batches");
    let done = gap.take_in(&file).ok().json();
    assert_eq!((&done["accepted"], &done["refused"], &done["known"]), (&json!(2), &json!(1), &json!(0)));
    let size = gap.ledger.size();
    let again = gap.take_in(&file).ok().json();
    assert_eq!((&again["answered_at"], gap.ledger.size()), (&Value::Null, size), "carried twice, recorded once");

    let _ = gap.outside(&["--read-capsules", &format!("{file}.capsules")]).ok().says("已换上");
    mirror.eventually("/healthz", |answer| answer.json()["views"] == size);
    let told = gap.status(&mirror, code(&letter_receipt)).ok().json();
    assert_eq!(told["answer"]["outcome"], "accepted");
    assert_eq!(told["answer"]["commitment"], letter_receipt["handed_in"]["commitment"]);
    assert!(told["matter"]["shown"]["state"].as_str().unwrap().contains("已收到"), "{told}");
    let told = gap.status(&mirror, code(&refused)).ok().json();
    assert_eq!((&told["answer"]["outcome"], &told["matter"]), (&json!("refused"), &Value::Null));
    assert!(told["answer"]["note"].as_str().unwrap().starts_with("gongkai.refusal/v1\n"));
    let _ = gap.status(&mirror, "0000-0000-0000-0000-0000-0000").exits(1);

    let owed = mirror.eventually("/api/v1/intakes", |answer| answer.json()["owed"][0]["answered"] == done["to"]).json();
    assert_eq!(owed["owed"][0]["lapses"], json!([]), "{owed}");
    assert!(mirror.get("/status").text().contains("网上收件有没有按时答复"));
    assert!(mirror.stop().success() && gap.intake.take().unwrap().stop().success());
    gap.ledger.check();
    for path in
        [gap.ledger.dir(), gap.ledger.path("intake"), gap.ledger.path("mirror")].iter().flat_map(|dir| walk(dir))
    {
        let bytes = std::fs::read(&path).unwrap();
        assert!(!bytes.windows(CANARY.len()).any(|part| part == CANARY.as_bytes()), "{}", path.display());
    }
}

#[test]
fn what_was_changed_left_out_or_is_another_ledgers_is_refused_whole() {
    let gap = Gap::new();
    let mirror = gap.mirror();
    let handed = gap.hand_in(&mirror, &letter("opinion"), "letter.json", &[]).ok().json();
    let place = gap.recorded(&handed);
    let before = gap.ledger.path("before");
    copy(&gap.ledger.dir(), &before);
    let file = gap.batches("1.batches");
    let text = std::fs::read_to_string(&file).unwrap();
    let size = gap.ledger.size();
    let tampered = |name: &str, text: &str| gap.ledger.file(name, text).display().to_string();
    let nonce = text.find("\"nonce\":\"").unwrap() + 9;
    let changed =
        format!("{}{}{}", &text[..nonce], if text.as_bytes()[nonce] == b'A' { 'B' } else { 'A' }, &text[nonce + 1..]);
    let emptied = |line: &str| match serde_json::from_str::<Value>(line) {
        Ok(mut batch) if batch["packets"].as_array().is_some_and(|packets| !packets.is_empty()) => {
            batch["packets"] = json!([]);
            format!("{batch}\n")
        }
        _ => format!("{line}\n"),
    };
    let without: String = text.lines().map(emptied).collect();
    for (name, text) in [("changed", changed.as_str()), ("without", &without), ("cut", &text[..text.len() / 2])] {
        let _ = gap.take_in(&tampered(&format!("{name}.batches"), text)).exits(1).says("没有收下任何内容");
    }
    assert_eq!(gap.ledger.size(), size, "nothing of it was recorded");

    let other = TestLedger::new();
    other.add_vault();
    let (taken, out) = (file.as_str(), other.path("out").display().to_string());
    let _ = other.run("take-in", &["--capsules", &out, taken]).exits(1).says("不是这本账的收件处");
    let done = gap.take_in(&file).ok().json();
    assert!(place["index"].as_u64().unwrap() < done["to"].as_u64().unwrap());
    let _ = gap.outside(&["--read-capsules", &format!("{file}.capsules")]).ok();
    let second = gap.hand_in(&mirror, &letter("opinion"), "second.json", &[]).ok().json();
    let _ = gap.recorded(&second);
    let next = gap.batches("2.batches");
    let args = ["take-in", "--dir", before.to_str().unwrap(), "--capsules", &out, &next];
    let _ = gongkai(args).exits(1).says("缺第 0 至");

    // Nobody but the ledger is given batches, or believed for capsules.
    let url = |path: &str| format!("{}/intake/v1/{path}", gap.url());
    assert_eq!(post(&url("batches"), &[], "gongkai.take-in/v1\n").status, 400);
    // Its beginning is enough: the whole would be cut off on its way, because nothing of it is read.
    let foreign = std::fs::read_to_string(format!("{file}.capsules")).unwrap().lines().next().unwrap().to_owned();
    assert_eq!(post(&url("answers"), &[], foreign).status, 400, "without the note in front nothing is read");
    assert_eq!(post(&url("packets"), &[], "{}").status, 400);
}

#[test]
fn a_ledger_that_is_served_pulls_over_http_and_takes_what_is_carried_into_its_folder() {
    let gap = Gap::new();
    let mirror = gap.mirror();
    let handed = gap.hand_in(&mirror, &letter("opinion"), "letter.json", &[]).ok().json();
    let _ = gap.recorded(&handed);
    let _ = gap.ledger.run("take-in", &["--from", gap.url()]).ok().says("入账 1 件");
    let size = gap.ledger.size();
    mirror.eventually("/healthz", |answer| answer.json()["views"] == size);
    let told = gap.status(&mirror, code(&handed)).ok().json();
    assert_eq!(told["answer"]["outcome"], "accepted");

    let second = gap.hand_in(&mirror, &letter("opinion"), "second.json", &[]).ok().json();
    let _ = gap.recorded(&second);
    let inside = Server::start(&gap.ledger.dir());
    let carried = gap.ledger.dir().join("gap/in/2.batches");
    std::fs::create_dir_all(carried.parent().unwrap()).unwrap();
    std::fs::copy(gap.batches("2.batches"), carried.with_extension("new")).unwrap();
    std::fs::rename(carried.with_extension("new"), &carried).unwrap();
    let out = gap.ledger.dir().join("gap/out/2.capsules");
    until("the answer", || out.is_file().then_some(()));
    let _ = gap.ledger.run("take-in", &["--from", gap.url()]).exits(2).says("正在使用这个账本");
    let _ = gap.outside(&["--read-capsules", out.to_str().unwrap()]).ok();
    let key = gap.ledger.key_file("publisher.example/1").display().to_string();
    let list = gongkai(["read", "--url", &inside.internal, "--key", &key, "matters?family=letter"]).ok().json();
    assert_eq!(list["matters"].as_array().unwrap().len(), 2, "{list}");
    assert!(inside.stop().success());
    gap.ledger.check();
}

#[test]
fn an_answer_that_is_overdue_is_listed_by_the_audit() {
    let gap = Gap::new();
    let mirror = gap.mirror();
    let handed = gap.hand_in(&mirror, &letter("opinion"), "letter.json", &[]).ok().json();
    let _ = gap.recorded(&handed);
    let dir = gap.ledger.path("intake").display().to_string();
    let audited = |day: &str| gap.ledger.run("audit", &["--intake", &dir, "--as-of", day, "--json"]).ok().json();
    let late = audited("2099-12-31");
    assert_eq!(late["intakes"][0]["lapses"][0]["what"], "missing", "{late}");
    let _ = gap.ledger.run("audit", &["--intake", &dir, "--as-of", "2099-12-31"]).ok().says("账本至今没有答复");
    let other = TestLedger::new();
    let _ = other.run("audit", &["--intake", &dir]).exits(1).says("没有设立");
}

/// Case 1 for taking in.
#[test]
fn killed_at_any_moment_of_taking_in_nothing_is_lost_and_nothing_is_there_twice() {
    const ROUNDS: u32 = 8;
    let gap = Gap::new();
    post_sheet(&gap.ledger);
    let mirror = gap.mirror();
    let about = format!("/api/v1/streams/{}", stream("disclosure", 7));
    mirror.eventually(&about, |answer| answer.status == 200);
    // Of the questions all but one are overtaken on their way.
    let commands = [0, 1, 2, 3].map(|_| letter("opinion")).into_iter().chain([0, 1, 2].map(|_| question("amount")));
    let handed: Vec<Value> = (0..)
        .zip(commands)
        .map(|(number, command): (u32, Value)| {
            gap.hand_in(&mirror, &command, &format!("{number}.json"), &[]).ok().json()
        })
        .collect();
    for handed in &handed {
        let _ = gap.recorded(handed);
    }
    let file = gap.batches("1.batches");
    let command = |dir: &Path| {
        let mut command = process::command();
        command.args(["take-in", "--capsules", &format!("{file}.capsules"), &file, "--dir"]).arg(dir);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command
    };
    let measured = gap.ledger.path("measured");
    copy(&gap.ledger.dir(), &measured);
    let started = Instant::now();
    assert!(command(&measured).status().unwrap().success());
    let whole_time = started.elapsed();
    let mut cut = 0;
    for round in 0..ROUNDS {
        let mut child = command(&gap.ledger.dir()).spawn().unwrap();
        let (_open, never) = mpsc::channel::<()>();
        let _ = never.recv_timeout(whole_time * (round + 1) / (ROUNDS + 1));
        cut += u32::from(!child.kill().and_then(|()| child.wait()).unwrap().success());
    }
    assert!(cut > 2, "hardly any was killed before its end");
    let _ = gap.take_in(&file).ok();
    let _ = gap.outside(&["--read-capsules", &format!("{file}.capsules")]).ok();
    let size = gap.ledger.size();
    mirror.eventually("/healthz", |answer| answer.json()["views"] == size);
    for handed in &handed {
        assert_eq!(gap.status(&mirror, code(handed)).ok().json()["answer"]["outcome"], "accepted");
    }
    let inside = Server::start(&gap.ledger.dir());
    let key = gap.ledger.key_file("publisher.example/1").display().to_string();
    let list = gongkai(["read", "--url", &inside.internal, "--key", &key, "matters?family=letter"]).ok().json();
    assert_eq!(list["matters"].as_array().unwrap().len(), 4, "{list}");
    assert_eq!(inside.json(&about)["history"].as_array().unwrap().len(), 4, "the sheet and three questions");
    assert!(inside.stop().success());
    gap.ledger.check();
}

#[test]
fn questions_about_one_sheet_that_travel_together_are_all_recorded_one_after_the_other() {
    let gap = Gap::new();
    post_sheet(&gap.ledger);
    let mirror = gap.mirror();
    let about = format!("/api/v1/streams/{}", stream("disclosure", 7));
    mirror.eventually(&about, |answer| answer.status == 200);
    let handed: Vec<Value> = (0..3)
        .map(|number| gap.hand_in(&mirror, &question("amount"), &format!("q{number}.json"), &[]).ok().json())
        .collect();
    for handed in &handed {
        let _ = gap.recorded(handed);
    }
    let file = gap.batches("1.batches");
    let done = gap.take_in(&file).ok().json();
    assert_eq!((&done["accepted"], &done["refused"]), (&json!(3), &json!(0)));
    let _ = gap.outside(&["--read-capsules", &format!("{file}.capsules")]).ok();
    let size = gap.ledger.size();
    mirror.eventually("/healthz", |answer| answer.json()["views"] == size);
    let said = mirror.get(&about).json();
    assert_eq!(said["history"].as_array().unwrap().len(), 4, "the sheet and its questions");
    for handed in &handed {
        let told = gap.status(&mirror, code(handed)).ok().json();
        assert_eq!((&told["answer"]["outcome"], &told["matter"]), (&json!("accepted"), &Value::Null));
    }
    gap.ledger.check();
}

#[test]
fn a_served_ledger_takes_in_by_itself_from_the_intake_in_its_configuration_and_sends_the_answers_out() {
    let gap = Gap::new();
    configure(&gap.ledger, gap.url(), 1);
    let inside = Server::start(&gap.ledger.dir());
    let mirror = gap.mirror();
    let handed = gap.hand_in(&mirror, &letter("opinion"), "letter.json", &[]).ok().json();
    let told = until("the answer under the code", || {
        let asked = gap.status(&mirror, code(&handed));
        (asked.code == 0).then(|| asked.json())
    });
    assert_eq!(told["answer"]["commitment"], handed["handed_in"]["commitment"]);
    assert_eq!(told["answer"]["outcome"], "accepted");
    let key = gap.ledger.key_file("publisher.example/1").display().to_string();
    let list = gongkai(["read", "--url", &inside.internal, "--key", &key, "matters?family=letter"]).ok().json();
    assert_eq!(list["matters"].as_array().unwrap().len(), 1, "{list}");
    assert!(inside.stop().success());
    gap.ledger.check();
}

/// What the doctor says of intakes: code, and whether something has to be done.
fn doctor(ledger: &TestLedger) -> Vec<(String, bool)> {
    let said = ledger.run("doctor", &["--json"]).json();
    let symptoms = said["symptoms"].as_array().unwrap().iter();
    let code = |symptom: &Value| symptom["code"].as_str().unwrap().to_owned();
    let ours = symptoms.filter(|symptom| code(symptom).starts_with("intake"));
    ours.map(|symptom| (code(symptom), symptom["wrong"].as_bool().unwrap())).collect()
}

#[test]
fn the_doctor_asks_the_intakes_of_the_configuration() {
    let mut gap = Gap::new();
    assert_eq!(doctor(&gap.ledger), [], "none is configured");
    configure(&gap.ledger, gap.url(), 600);
    let _ = gap.ledger.run("take-in", &["--from", gap.url()]).ok();
    assert_eq!(doctor(&gap.ledger), []);
    configure(&gap.ledger, gap.url(), 1);
    let waiting = until("a batch that waits for longer than three pulls", || {
        let said = doctor(&gap.ledger);
        (!said.is_empty()).then_some(said)
    });
    assert_eq!(waiting, [("intake_waiting".to_owned(), false)]);
    let other = TestLedger::new();
    configure(&other, gap.url(), 600);
    assert_eq!(doctor(&other), [("intake_wrong".to_owned(), true)], "it is not that ledger's");
    gap.intake.take().unwrap().kill();
    assert_eq!(doctor(&gap.ledger), [("intake_unreachable".to_owned(), false)]);
}

#[test]
fn a_mirror_offers_the_forms_of_the_intake_beside_it_and_passes_on_what_is_bounded_and_nothing_else() {
    let mut gap = Gap::new();
    let mirror = gap.mirror();
    let form = format!("/hand-in/letter.received?org={VILLAGE}");
    let page = mirror.eventually(&form, |answer| answer.text().contains("data-intake=\"")).text();
    assert!(
        !page.contains(" name=\"text\"") && !page.contains("action=\"/hand-in"),
        "nothing can be posted in the clear"
    );
    assert!(mirror.get(&format!("/organizations/{VILLAGE}")).text().contains("/hand-in/letter.received"));
    let entry: String = page.split("data-intake=\"").nth(1).unwrap().chars().take_while(char::is_ascii_digit).collect();
    let follow = mirror.get("/follow").text();
    assert!(follow.contains(&format!("data-intakes=\"{entry}\"")) && !follow.contains("name=\"code\""));

    let to = |entry: &str, door: &str| format!("{}/intake/v1/{entry}/{door}", mirror.url);
    let work = get(&to(&entry, "work"));
    assert!(work.status == 200 && work.json()["bits"].as_u64().is_some_and(|bits| bits >= 17), "{}", work.text());
    let no = post(&to(&entry, "packets"), &[], "{}");
    assert_eq!((no.status, no.json()["code"].as_str()), (400, Some("malformed")), "the intake's own word");
    assert_eq!(post(&to(&entry, "capsules"), &[], " ".repeat(500)).status, 413);
    let none = post(&to(&entry, "capsules"), &[], json!({"label": "AAAAAAAAAAAAAAAAAAAAAA=="}).to_string());
    assert_eq!(none.status, 404);
    for door in ["batches", "answers", "promises"] {
        assert_eq!(post(&to(&entry, door), &[], "gongkai.take-in/v1\n").status, 404, "{door} is not for the public");
    }
    for other in ["0", "999"] {
        assert_eq!(get(&to(other, "work")).status, 403, "no intake of the ledger");
    }
    gap.intake.take().unwrap().kill();
    let closed = mirror.eventually(&form, |answer| answer.text().contains("收件处现在连不上")).text();
    assert!(!closed.contains("<form class=\"write\""), "{closed}");
    assert_eq!(get(&to(&entry, "work")).status, 403);
}

#[test]
fn a_machine_with_the_published_files_alone_offers_the_forms_of_an_intake_and_says_what_the_ledger_owes_it() {
    let gap = Gap::new();
    let dir = gap.ledger.path("public");
    copy(&gap.ledger.dir().join("log"), &dir.join("log"));
    std::fs::copy(gap.ledger.dir().join("gongkai.toml"), dir.join("gongkai.toml")).unwrap();
    let public = Server::published_beside(&dir, gap.url());
    let form = format!("/hand-in/letter.received?org={VILLAGE}");
    let page = public.eventually(&form, |answer| answer.text().contains("data-intake=\"")).text();
    assert!(!page.contains("action=\"/hand-in"), "nothing can be posted in the clear");
    let entry: String = page.split("data-intake=\"").nth(1).unwrap().chars().take_while(char::is_ascii_digit).collect();
    let work = get(&format!("{}/intake/v1/{entry}/work", public.url));
    assert!(work.status == 200 && work.json()["bits"].as_u64().is_some_and(|bits| bits >= 17), "{}", work.text());
    public.eventually("/api/v1/intakes", |answer| answer.text().contains(gap.url()));
    let alone = gongkai(["serve", "--dir", dir.to_str().unwrap(), "--intake", gap.url()]);
    assert_eq!(alone.code, 2, "a ledger takes in by its configuration: {}", alone.err);
}
