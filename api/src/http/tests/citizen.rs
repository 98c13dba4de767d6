//! What people without keys hand in on the public listener, what they get, and every way in which they are told no.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use gongkai_domain::envelope::To;
use gongkai_domain::vault::{TierKey, TierSecret};
use gongkai_domain::{Setting, Submission, competence, envelope, prepare};
use gongkai_log::refusal::RefusalReceipt;
use gongkai_log::{Content, Digest, Entry, Promise, Signer, Statement, StreamId, TlogProof, sealed};
use gongkai_store::Clock as _;
use gongkai_store::testing::{COUNTY, Entropy, Fixture, ORIGIN, ledger_keys};
use serde_json::{Value, json};

use super::{Answer, Town, ask};
use crate::http::citizen::address::Peer;
use crate::http::citizen::work;

const SUBMIT: &str = "/api/v1/submissions";
pub(super) const CANARY: &str = "金丝雀二八一七(虚构)";

/// A town with a vault, a reviewer who handles letters, and two receivers at the county.
pub(super) struct Office {
    pub(super) town: Town,
    secrets: Vec<TierSecret>,
    people: Vec<StreamId>,
    receivers: Vec<StreamId>,
    entropy: Entropy,
    sent: u32,
}

impl Office {
    pub(super) async fn open() -> Self {
        let mut fixture = Fixture::with_vault().await;
        fixture.publisher("文书", COUNTY).await;
        fixture.officer("审批", COUNTY, "approver").await;
        let (mut secrets, mut people, mut receivers) = (Vec::new(), Vec::new(), Vec::new());
        for (number, name) in (1..).zip(["收件甲", "收件乙"]) {
            let person = fixture.officer(name, COUNTY, "reviewer").await;
            let secret = TierSecret::from_bytes(&[number; 32]).unwrap();
            let key = gongkai_domain::field::SealingKey::from(&secret.key()).0;
            let stream = format!("receiver/0196{number:04}-0000-7000-8000-000000000001");
            let command = json!({"kind": "receiver.appointed.v1", "stream": stream, "org": COUNTY,
                "fields": {"person": person, "sealing_key": key}});
            fixture.submit(&command, &[("registrar", "甲"), ("registrar", "乙")]).await.unwrap();
            secrets.push(secret);
            people.push(person);
            receivers.push(stream.parse().unwrap());
        }
        let town = Town::over(fixture).await;
        Self { town, secrets, people, receivers, entropy: Entropy::new(5), sent: 0 }
    }

    /// A citizen's statement with its openings, made without asking the server.
    fn written(&mut self, command: &Value) -> (Statement, Submission) {
        let command = self.town.fixture.command(command);
        let setting = Setting {
            origin: ORIGIN,
            stream: command.stream.clone().unwrap(),
            head: None,
            signers: intake(),
            declared_at: self.town.fixture.clock.now().fixed_offset(),
        };
        let prepared = prepare(&command, &setting, &mut |buffer: &mut [u8]| self.entropy.fill(buffer)).unwrap();
        let text = prepared.text.clone();
        (prepared.statement.clone(), prepared.into_submission(text))
    }

    /// The same, encrypted to the county's receivers without the accused.
    fn encrypted(&mut self, command: &Value, accused: &[StreamId]) -> (Statement, Submission) {
        let (statement, open) = self.written(command);
        let keys: Vec<TierKey> = self.secrets.iter().map(TierSecret::key).collect();
        let to: Vec<To<'_>> = (0..keys.len())
            .map(|n| To { receiver: &self.receivers[n], key: &keys[n], may_open: !accused.contains(&self.people[n]) })
            .collect();
        let entropy = &mut self.entropy;
        let sealed = envelope::seal(&statement, &open.openings, &to, &mut |buffer: &mut [u8]| entropy.fill(buffer));
        let (envelope, hidden) = sealed.unwrap();
        (statement, Submission { openings: hidden, envelope: Some(envelope), ..open })
    }

    /// Sends to the public listener with headers, from an address.
    async fn send(&self, path: &str, headers: &[(&str, &str)], body: String, from: &str) -> Answer {
        let mut request = Request::post(path).header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(Body::from(body)).unwrap();
        request.extensions_mut().insert(Peer(from.parse().unwrap()));
        ask(&self.town.public, request).await
    }

    /// Solves a challenge for a body.
    async fn solved(&self, body: &str) -> String {
        let challenge = self.town.get("/api/v1/work").await.json();
        let bits = u32::try_from(challenge["bits"].as_u64().unwrap()).unwrap();
        work::solve(challenge["challenge"].as_str().unwrap(), body.as_bytes(), bits)
    }

    /// Hands in with work done and a new idempotency key.
    async fn hand_in(&mut self, submission: &Submission, code: Option<&str>) -> Answer {
        self.sent += 1;
        let (key, body) = (format!("key-{}", self.sent), serde_json::to_string(submission).unwrap());
        let solved = self.solved(&body).await;
        let mut headers = vec![("idempotency-key", key.as_str()), ("proof-of-work", &solved)];
        headers.extend(code.map(|code| ("status-code", code)));
        self.send(SUBMIT, &headers, body, "192.0.2.1").await
    }

    async fn status(&self, code: &str) -> Answer {
        self.send("/api/v1/status", &[], json!({ "code": code }).to_string(), "192.0.2.1").await
    }
}

fn intake() -> Vec<Signer> {
    vec![Signer { role: "intake".into(), key: ledger_keys().intake.name().to_owned() }]
}

fn letter(class: &str) -> Value {
    json!({"kind": "letter.received.v1", "org": COUNTY, "fields": {
        "class": class, "channel": "web", "real_name": false, "consent_to_publish": false,
        "title": "水渠塌方(虚构)", "text": CANARY}})
}

fn code_of(answer: &Answer) -> (u16, String) {
    (answer.status.as_u16(), answer.json()["code"].as_str().unwrap_or_default().to_owned())
}

fn no(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_is_prepared_handed_in_promised_and_proven_after_its_period() {
    let mut office = Office::open().await;
    let mut command = letter("appeal");
    command["signers"] = json!(intake());
    let prepared = office.send("/api/v1/prepare", &[], command.to_string(), "192.0.2.1").await;
    assert_eq!(prepared.status, StatusCode::OK, "{}", prepared.text());
    let prepared = prepared.json();
    let body = json!({ "note": prepared["statement"], "openings": prepared["openings"] }).to_string();
    let solved = office.solved(&body).await;
    let headers = [("idempotency-key", "one"), ("proof-of-work", solved.as_str())];
    let answer = office.send(SUBMIT, &headers, body.clone(), "192.0.2.1").await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text());
    let promised = answer.json();
    let intake_key = ledger_keys().intake.verifier();
    let promise = Promise::open(promised["promise"].as_str().unwrap(), &intake_key).unwrap();

    // The same again, without work in the slower lane, is the same promise.
    let again = office.send(SUBMIT, &[("idempotency-key", "one")], body, "192.0.2.1").await;
    assert_eq!(again.json(), promised);

    let address = format!("/api/v1/promises/{}", promise.commitment.to_hex());
    let unknown = office.town.get(&format!("/api/v1/promises/{}", Digest::of(b"nothing").to_hex())).await;
    let early = office.town.get(&address).await;
    assert_eq!((early.status, early.json()), (StatusCode::NOT_FOUND, unknown.json()));
    assert_eq!(office.town.get("/api/v1/promises/xyz").await.json(), unknown.json());
    office.town.fixture.ledger.end_period().await.unwrap();
    office.town.catch_up().await;
    let kept = office.town.get(&address).await.json();
    let bytes = office.town.get(kept["entry"].as_str().unwrap()).await.body.to_vec();
    let proof = office.town.get(kept["proof"].as_str().unwrap()).await;
    TlogProof::parse(proof.text()).unwrap().verify(&bytes, &office.town.fixture.ledger.vkey(), None).unwrap();
    let entry = Entry::parse(bytes).unwrap();
    let Content::Sealed(period) = &entry.content else { panic!("a period is no statement") };
    let path: Vec<Digest> = serde_json::from_value(kept["path"].clone()).unwrap();
    let leaf = usize::try_from(kept["leaf"].as_u64().unwrap()).unwrap();
    assert!(sealed::verify_period_path(&period.root, leaf, &promise.commitment, &path));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_accuses_somebody_is_taken_encrypted_only_and_the_accused_receiver_cannot_open_it() {
    let mut office = Office::open().await;
    let mut clear = letter("accusation");
    let (_, open) = office.written(&clear);
    assert_eq!(code_of(&office.hand_in(&open, None).await), no(422, "field"));
    clear["signers"] = json!(intake());
    let prepared = office.send("/api/v1/prepare", &[], clear.to_string(), "192.0.2.1").await;
    assert_eq!(code_of(&prepared), no(400, "malformed"), "not even worked on in the clear");

    let listed = office.town.get(&format!("/api/v1/organizations/{COUNTY}/receivers")).await.json();
    let bodies: Vec<competence::Body> = serde_json::from_value(listed["bodies"].clone()).unwrap();
    assert_eq!(competence::competent(&bodies, &[]).unwrap().receivers.len(), 2);
    assert_eq!(code_of(&office.town.get("/api/v1/organizations/nowhere/receivers").await), no(404, "not_found"));

    let accused = office.people[1].clone();
    let (statement, submission) = office.encrypted(&letter("accusation"), &[accused]);
    let answer = office.hand_in(&submission, None).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text());
    let envelope = submission.envelope.unwrap();
    let opened = envelope.open(&statement, &office.receivers[0], &office.secrets[0]).unwrap();
    assert!(serde_json::to_string(&opened).unwrap().contains(CANARY));
    for receiver in &office.receivers {
        assert!(envelope.open(&statement, receiver, &office.secrets[1]).is_err());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_intake_key_is_not_made_to_sign_anything_else() {
    let mut office = Office::open().await;
    let before = *office.town.fixture.ledger.committed().borrow();
    let sample = |name: &str| (gongkai_domain::kind::find(name).unwrap().sample)();
    for name in ["ledger.halted.v1", "role.granted.v1", "pledge.made.v1", "letter.registered.v1", "access.recorded.v1"]
    {
        let mut command = sample(name);
        command["org"] = json!(COUNTY);
        let (_, submission) = office.written(&command);
        assert_eq!(code_of(&office.hand_in(&submission, None).await), no(403, "not_here"), "{name}");
        command["signers"] = json!(intake());
        let prepared = office.send("/api/v1/prepare", &[], command.to_string(), "192.0.2.1").await;
        assert_eq!(code_of(&prepared), no(403, "not_here"), "{name}");
    }
    // In somebody's stead, with somebody else's signature, or beside another signer.
    let (mut statement, submission) = office.written(&letter("appeal"));
    statement.signers.push(Signer { role: "reviewer".into(), key: "收件甲.example/1".into() });
    let two = Submission { note: statement.text().unwrap(), ..submission.clone() };
    statement.signers.pop();
    statement.proxy = Some(serde_json::from_value(json!({"channel": "信函", "original": Digest::of(b"x")})).unwrap());
    let proxied = Submission { note: statement.text().unwrap(), ..submission.clone() };
    let signed = Submission { note: format!("{}\n— intake x\n", submission.note), ..submission };
    for submission in [two, proxied, signed] {
        let answer = office.hand_in(&submission, None).await;
        assert_eq!(code_of(&answer), no(403, "not_here"), "{}", submission.note);
        assert!(answer.json()["receipt"].is_null());
    }
    assert_eq!(*office.town.fixture.ledger.committed().borrow(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_recommendation_is_refused_with_a_receipt_that_verifies() {
    let mut office = Office::open().await;
    let receipt = office.town.say("vacancy.announced.v1", |_| {}).await;
    office.town.catch_up().await;
    let vacancy = office.town.stream_of(receipt.index).await;
    office.town.fixture.clock.advance(Duration::from_hours(40 * 24));
    let command = json!({"kind": "vacancy.recommended.v1", "org": COUNTY, "fields": {
        "vacancy": vacancy, "post": 0, "channel": "citizen", "standing": "resident", "recommender": "周柏舟(虚构)",
        "candidate": "叶青田(虚构)", "reason": CANARY}});
    let mut command = command;
    let sample = (gongkai_domain::kind::find("vacancy.recommended.v1").unwrap().sample)();
    for name in ["channel", "standing"] {
        command["fields"][name] = sample["fields"][name].clone();
    }
    let (_, submission) = office.written(&command);
    let answer = office.hand_in(&submission, None).await;
    assert_eq!(code_of(&answer), no(422, "state"), "{}", answer.text());
    let note = answer.json()["receipt"].as_str().unwrap().to_owned();
    let refused = RefusalReceipt::open(&note, &ledger_keys().intake.verifier()).unwrap();
    assert_eq!(refused.submission, Digest::of(serde_json::to_string(&submission).unwrap().as_bytes()));
    assert_eq!((refused.code.as_str(), refused.origin.as_str()), ("state", ORIGIN));
    assert!(RefusalReceipt::open(&note, &ledger_keys().log.verifier()).is_err());
    let broken = office.send(SUBMIT, &[("idempotency-key", "broken")], "{".into(), "192.0.2.1").await;
    let receipt = broken.json()["receipt"].as_str().unwrap().to_owned();
    let refused = RefusalReceipt::open(&receipt, &ledger_keys().intake.verifier()).unwrap();
    assert_eq!((refused.submission, refused.code.as_str()), (Digest::of(b"{"), "bad_json"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_matter_is_followed_and_continued_with_its_code_and_with_no_other() {
    let mut office = Office::open().await;
    let (statement, submission) = office.written(&letter("appeal"));
    let promised = office.hand_in(&submission, None).await.json();
    let code = promised["status_code"].as_str().unwrap().to_owned();
    let status = office.status(&code).await.json();
    assert_eq!(status["state"], "已收到，等待登记");
    assert!(status["dues"][0]["due_on"].is_string() && status["kept"].is_null());
    assert!(!status.to_string().contains(CANARY), "content is not given to whoever has a code");

    let handle =
        |kind: &str, fields: Value| json!({"kind": kind, "stream": statement.stream, "org": COUNTY, "fields": fields});
    let registered = handle(
        "letter.registered.v1",
        json!({"class": "appeal", "channel": "web", "real_name": false,
        "consent_to_publish": false, "registered_on": "2026-03-02", "note": "内部意见(虚构)"}),
    );
    let answered = handle(
        "letter.answered.v1",
        json!({"answered_on": "2026-03-02", "told_on": "2026-03-02", "text": "已修好(虚构)"}),
    );
    let mut codes = Vec::new();
    for command in [registered, answered] {
        codes.push(office.town.fixture.seal(&command, &[("reviewer", "收件甲")]).await.unwrap().status_code);
    }
    let status = office.status(&code.to_lowercase().replace('-', " ")).await.json();
    assert_eq!(status["state"], "已办结");
    let text = status.to_string();
    assert!(text.contains("已修好(虚构)") && !text.contains("内部意见"), "{text}");
    let officers = office.status(&codes[0]).await.json();
    assert!(officers["steps"].as_array().unwrap().is_empty(), "an officer's code shows that it was received, no more");

    let rating = handle("letter.rated.v1", json!({"satisfaction": "fair", "rated_on": "2026-03-02"}));
    let mut asked = rating.clone();
    asked["signers"] = json!(intake());
    for wrong in [None, Some("0000-0000-0000-0000"), Some("nonsense"), Some(codes[0].as_str())] {
        let headers: Vec<_> = wrong.map(|code| ("status-code", code)).into_iter().collect();
        let answer = office.send("/api/v1/prepare", &headers, asked.to_string(), "192.0.2.9").await;
        assert_eq!(code_of(&answer), no(404, "not_found"), "{wrong:?}");
    }
    let prepared = office.send("/api/v1/prepare", &[("status-code", &code)], asked.to_string(), "192.0.2.1").await;
    let prepared = prepared.json();
    let openings = serde_json::from_value(prepared["openings"].clone()).unwrap();
    let note = prepared["statement"].as_str().unwrap().to_owned();
    let rating = Submission { note, openings, lines: Vec::new(), envelope: None };
    assert_eq!(code_of(&office.hand_in(&rating, None).await), no(404, "not_found"));
    assert_eq!(office.hand_in(&rating, Some(&code)).await.status, StatusCode::ACCEPTED);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_internal_listener_continues_a_citizens_matter_by_the_same_rule() {
    let mut office = Office::open().await;
    let (statement, submission) = office.written(&letter("appeal"));
    let body = |submission: &Submission| serde_json::to_string(submission).unwrap();
    let promised = office.town.post(SUBMIT, "begun", body(&submission)).await;
    assert_eq!(promised.status, StatusCode::ACCEPTED, "what begins a matter needs no code: {}", promised.text());
    let code = promised.json()["status_code"].as_str().unwrap().to_owned();
    let handle =
        |kind: &str, fields: Value| json!({"kind": kind, "stream": statement.stream, "org": COUNTY, "fields": fields});
    let registered = handle(
        "letter.registered.v1",
        json!({"class": "appeal", "channel": "web", "real_name": false, "consent_to_publish": false,
            "registered_on": "2026-03-02"}),
    );
    let answered = handle(
        "letter.answered.v1",
        json!({"answered_on": "2026-03-02", "told_on": "2026-03-02", "text": "已修好(虚构)"}),
    );
    for command in [registered, answered] {
        office.town.fixture.seal(&command, &[("reviewer", "收件甲")]).await.unwrap();
    }
    let rated = handle("letter.rated.v1", json!({"satisfaction": "fair", "rated_on": "2026-03-02"}));
    let mut asked = rated.clone();
    asked["signers"] = json!(intake());
    let refused = office.town.post("/api/v1/prepare", "any", asked.to_string()).await;
    assert_eq!(code_of(&refused), no(404, "not_found"), "not even the head of the matter is told");
    let prepared = office.send("/api/v1/prepare", &[("status-code", &code)], asked.to_string(), "192.0.2.1").await;
    let prepared = prepared.json();
    let openings = serde_json::from_value(prepared["openings"].clone()).unwrap();
    let note = prepared["statement"].as_str().unwrap().to_owned();
    let rating = Submission { note, openings, lines: Vec::new(), envelope: None };
    assert_eq!(code_of(&office.town.post(SUBMIT, "rated", body(&rating)).await), no(404, "not_found"));

    // In somebody's stead, and signed by nobody.
    let mut proxied = Statement::parse(&rating.note).unwrap();
    proxied.proxy = Some(serde_json::from_value(json!({"channel": "电话", "original": Digest::of(b"x")})).unwrap());
    let proxied = Submission { note: proxied.text().unwrap(), ..rating.clone() };
    assert_eq!(code_of(&office.town.post(SUBMIT, "proxied", body(&proxied)).await), no(403, "not_here"));
    // An officer who enters it signs it, and needs no code.
    let mut entered = rated;
    entered["proxy"] = json!({"channel": "电话", "original": Digest::of(b"x")});
    let entered = office.town.fixture.signed(&entered, &[("reviewer", "收件甲")]).await.unwrap();
    let answer = office.town.post(SUBMIT, "entered", body(&entered)).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn guessed_codes_get_one_answer_and_soon_none() {
    let office = Office::open().await;
    let unknown = office.status("0000-0000-0000-0000").await;
    assert_eq!(code_of(&unknown), no(404, "not_found"));
    for code in ["", "short", "0000-0000-0000-000!", "ABCDEFGHJKMNPQRS"] {
        let answer = office.status(code).await;
        assert_eq!((answer.status, answer.json()), (unknown.status, unknown.json()), "{code}");
    }
    let mut told = unknown;
    for number in 0..30 {
        told = office.status(&format!("0000-0000-0000-{number:04}")).await;
    }
    assert_eq!(code_of(&told), no(429, "too_many"));
    assert!(told.header("retry-after").parse::<u32>().unwrap() >= 1);
    let elsewhere = office.send("/api/v1/status", &[], r#"{"code":"x"}"#.into(), "2001:db8::1").await;
    assert_eq!(code_of(&elsewhere), no(404, "not_found"));
    office.town.fixture.clock.advance(Duration::from_secs(10));
    assert_eq!(code_of(&office.status("0000-0000-0000-0000").await), no(404, "not_found"));
}

#[tokio::test(flavor = "multi_thread")]
async fn work_counts_once_and_without_it_only_few_are_let_in() {
    let mut office = Office::open().await;
    let (_, submission) = office.written(&letter("appeal"));
    let body = serde_json::to_string(&submission).unwrap();
    let solved = office.solved(&body).await;
    let headers = |key: &'static str| [("idempotency-key", key), ("proof-of-work", solved.as_str())];
    assert_eq!(office.send(SUBMIT, &headers("a"), body.clone(), "192.0.2.1").await.status, StatusCode::ACCEPTED);
    assert_eq!(code_of(&office.send(SUBMIT, &headers("b"), body.clone(), "192.0.2.1").await), no(403, "bad_work"));
    // Whoever does no work shares one lane, from wherever they come.
    let mut last = None;
    for number in 0..12 {
        let (_, submission) = office.written(&letter("opinion"));
        let (key, body) = (format!("slow-{number}"), serde_json::to_string(&submission).unwrap());
        let from = format!("198.51.100.{number}");
        last = Some(office.send(SUBMIT, &[("idempotency-key", &key)], body, &from).await);
    }
    let last = last.unwrap();
    assert_eq!(code_of(&last), no(429, "too_many"));
    assert!(last.json()["detail"].as_str().unwrap().contains("hand-in") && !last.header("retry-after").is_empty());
    let (_, submission) = office.written(&letter("opinion"));
    assert_eq!(office.hand_in(&submission, None).await.status, StatusCode::ACCEPTED, "with work it goes on");
    office.town.fixture.clock.advance(Duration::from_secs(7));
    let body = serde_json::to_string(&office.written(&letter("opinion")).1).unwrap();
    let answer = office.send(SUBMIT, &[("idempotency-key", "later")], body, "198.51.100.1").await;
    assert_eq!(answer.status, StatusCode::ACCEPTED);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_or_without_a_vault_is_not_taken() {
    let office = Office::open().await;
    let large = " ".repeat((256 << 10) + 1);
    for path in [SUBMIT, "/api/v1/prepare"] {
        let answer = office.send(path, &[("idempotency-key", "large")], large.clone(), "192.0.2.1").await;
        assert_eq!(code_of(&answer), no(413, "body_too_large"), "{path}");
    }
    let town = Town::empty().await;
    let mut without =
        Office { town, entropy: Entropy::new(9), sent: 0, secrets: vec![], people: vec![], receivers: vec![] };
    let (_, submission) = without.written(&letter("appeal"));
    assert_eq!(code_of(&without.hand_in(&submission, None).await), no(422, "tier_needs_vault"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_submitter_gets_what_proves_their_own_copy_and_of_a_recommendation_nobody_does() {
    let mut office = Office::open().await;
    let (statement, submission) = office.written(&letter("appeal"));
    let promised = office.hand_in(&submission, None).await.json();
    let code = promised["status_code"].as_str().unwrap().to_owned();
    let ask = |code: &str, text: &str| json!({ "code": code, "statement": text }).to_string();
    let text = statement.text().unwrap();
    let binding = office.send("/api/v1/openings", &[], ask(&code, &text), "192.0.2.1").await.json();
    let salt = Digest::parse(binding["salt"].as_str().unwrap()).unwrap();
    let commitment = sealed::commit_event(salt.as_bytes(), binding["note"].as_str().unwrap());
    assert_eq!(promised["commitment"], json!(commitment));
    let other = office.send("/api/v1/openings", &[], ask(&code, "another text"), "192.0.2.1").await;
    let guessed = office.send("/api/v1/openings", &[], ask("0000-0000-0000-0000", &text), "192.0.2.1").await;
    assert_eq!((code_of(&other), other.json()), (no(404, "not_found"), guessed.json()));

    let receipt = office.town.say("vacancy.announced.v1", |_| {}).await;
    office.town.catch_up().await;
    let mut command = (gongkai_domain::kind::find("vacancy.recommended.v1").unwrap().sample)();
    command.as_object_mut().unwrap().remove("stream");
    command["org"] = json!(COUNTY);
    command["fields"]["vacancy"] = json!(office.town.stream_of(receipt.index).await);
    let (statement, submission) = office.written(&command);
    let answer = office.hand_in(&submission, None).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text());
    let code = answer.json()["status_code"].as_str().unwrap().to_owned();
    let asked = ask(&code, &statement.text().unwrap());
    let refused = office.send("/api/v1/openings", &[], asked, "192.0.2.1").await;
    assert_eq!((code_of(&refused), refused.json()), (no(404, "not_found"), guessed.json()));
    let status = office.status(&code).await.json();
    assert!(status["steps"].as_array().unwrap().is_empty() && status["dues"].as_array().unwrap().is_empty());
}
