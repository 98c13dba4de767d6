//! The timeline of a matter across tiers: what belongs to it, and what nobody learns from it.

use axum::http::StatusCode;
use gongkai_domain::envelope::{self, To};
use gongkai_domain::vault::TierSecret;
use gongkai_domain::{Setting, Submission, prepare};
use gongkai_log::{Digest, Signer, SigningKey, StreamId, slot};
use gongkai_store::Clock as _;
use gongkai_store::testing::{COUNTY, Entropy, ORIGIN, ledger_keys};
use serde_json::{Value, json};

use super::tests::{as_bearer, sign_in};
use crate::http::tests::{Answer, Town};

const OTHER: &str = "341599102";
const RECEIVER: &str = "receiver/01960001-0000-7000-8000-000000000001";

/// A county with a nomination before appointment, a receiver, and people who may know different things of it.
struct Scene {
    town: Town,
    nomination: String,
    secret: TierSecret,
    entropy: Entropy,
}

impl Scene {
    async fn new() -> Self {
        let mut town = Town::with_vault().await;
        town.fixture.org(OTHER, "township", Some(COUNTY)).await;
        town.fixture
            .officers(&[
                ("县督查", COUNTY, "inspector"),
                ("邻镇督查", OTHER, "inspector"),
                ("邻镇办", OTHER, "publisher"),
                ("信访", COUNTY, "reviewer"),
            ])
            .await;
        let secret = TierSecret::from_bytes(&[1; 32]).unwrap();
        let key = gongkai_domain::field::SealingKey::from(&secret.key()).0;
        let appointed = json!({"kind": "receiver.appointed.v1", "stream": RECEIVER, "org": COUNTY,
            "fields": {"person": town.fixture.people["信访"].stream, "sealing_key": key}});
        town.fixture.submit(&appointed, &[("registrar", "甲"), ("registrar", "乙")]).await.unwrap();
        let index = town.say("nomination.announced.v1", |_| {}).await.index;
        let nomination = stream_of(&town, index).await;
        town.catch_up().await;
        Self { town, nomination, secret, entropy: Entropy::new(5) }
    }

    async fn ask(&self, name: &str, stream: &str, query: &str) -> Answer {
        let key = &self.town.fixture.people[name].key;
        let key = SigningKey::from_seed(key.name(), key.verifier().kind(), *key.seed()).unwrap();
        let token = sign_in(&self.town.internal, &key).await;
        as_bearer(&self.town.internal, &format!("/internal/api/v1/timelines/{stream}?{query}"), &token).await
    }

    /// What somebody sees, as kind or `读` with the reader, in the order of the list.
    async fn sees(&self, name: &str, stream: &str, purpose: &str) -> Vec<String> {
        let answer = self.ask(name, stream, &format!("purpose={purpose}&limit=200")).await;
        assert_eq!(answer.status, StatusCode::OK, "{name}: {}", answer.text());
        answer.json()["rows"].as_array().unwrap().iter().map(|row| row["kind"].as_str().unwrap().to_owned()).collect()
    }

    /// An objection to the nomination that only the receiver opens; gives its stream.
    async fn object(&mut self) -> String {
        let mut command = (gongkai_domain::kind::find("nomination.objected.v1").unwrap().sample)();
        command["org"] = json!(COUNTY);
        command.as_object_mut().unwrap().remove("stream");
        command["fields"]["nomination"] = json!(self.nomination);
        command["fields"].as_object_mut().unwrap().remove("concerns");
        let command = self.town.fixture.command(&command);
        let setting = Setting {
            origin: ORIGIN,
            stream: command.stream.clone().unwrap(),
            head: None,
            signers: vec![Signer { role: "intake".into(), key: ledger_keys().intake.name().into() }],
            declared_at: self.town.fixture.clock.now().fixed_offset(),
        };
        let entropy = &mut self.entropy;
        let prepared = prepare(&command, &setting, &mut |buffer: &mut [u8]| entropy.fill(buffer)).unwrap();
        let (statement, text) = (prepared.statement.clone(), prepared.text.clone());
        let open = prepared.into_submission(text);
        let (receiver, key): (StreamId, _) = (RECEIVER.parse().unwrap(), self.secret.key());
        let to = [To { receiver: &receiver, key: &key, may_open: true }];
        let sealed = envelope::seal(&statement, &open.openings, &to, &mut |buffer: &mut [u8]| entropy.fill(buffer));
        let (envelope, hidden) = sealed.unwrap();
        let submission = Submission { openings: hidden, envelope: Some(envelope), ..open };
        self.town.fixture.ledger.hand_in(None, submission).await.unwrap();
        self.town.catch_up().await;
        statement.stream.to_string()
    }

    /// What came of an objection, open to the ledger.
    async fn resolve(&mut self, objection: &str, more: &Value) {
        let on = self.town.app.today().to_string();
        let mut fields = json!({"nomination": self.nomination, "result": "unsubstantiated", "resolved_on": on,
            "told_on": on, "done": "查阅档案并谈话，反映不实(虚构)"});
        fields.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let command =
            json!({"kind": "nomination.objection_resolved.v1", "stream": objection, "org": COUNTY, "fields": fields});
        self.town.fixture.seal(&command, &[("approver", "审批")]).await.unwrap();
        self.town.catch_up().await;
    }

    /// A letter; gives its stream and commitment.
    async fn letter(&mut self, more: &Value) -> (String, Digest) {
        let mut fields = json!({"class": "appeal", "channel": "web", "real_name": false, "consent_to_publish": false,
            "title": "水渠塌方(虚构)", "text": "村东水渠三年没有清淤(虚构)"});
        fields.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let command = json!({"kind": "letter.received.v1", "org": COUNTY, "fields": fields});
        let (stream, promised) = self.town.fixture.citizen(&command).await.unwrap();
        self.town.catch_up().await;
        (stream.to_string(), promised.commitment)
    }

    async fn access(&mut self, role: &str, name: &str, stream: &str) {
        let command = json!({"kind": "access.recorded.v1", "org": COUNTY, "fields": {
            "read": stream, "revision": 0, "purpose": "inspection", "reason": "督查(虚构)"}});
        self.town.fixture.seal(&command, &[(role, name)]).await.unwrap();
        self.town.catch_up().await;
    }
}

async fn stream_of(town: &Town, index: u64) -> String {
    let stored = town.fixture.ledger.entry(index).await.unwrap().unwrap();
    let entry = gongkai_log::Entry::parse(stored.bytes).unwrap();
    entry.content.statement().unwrap().statement.stream.to_string()
}

const ANNOUNCED: &str = "nomination.announced.v1";
const OBJECTED: &str = "nomination.objected.v1";
const RESOLVED: &str = "nomination.objection_resolved.v1";
const RECEIVED: &str = "letter.received.v1";
const ACCESS: &str = "access.recorded.v1";

#[tokio::test(flavor = "multi_thread")]
async fn an_encrypted_objection_joins_its_nomination_once_its_handler_has_named_it() {
    let mut scene = Scene::new().await;
    let objection = scene.object().await;
    let nomination = scene.nomination.clone();
    assert_eq!(scene.sees("县督查", &nomination, "inspection").await, [ANNOUNCED]);
    assert_eq!(scene.sees("县督查", &objection, "inspection").await, [OBJECTED]);
    let (letter, _) = scene.letter(&json!({})).await;
    scene.resolve(&objection, &json!({ "letter": letter })).await;
    scene.access("inspector", "县督查", &objection).await;
    let whole = [ANNOUNCED, OBJECTED, RECEIVED, RESOLVED, ACCESS];
    for stream in [&nomination, &objection, &letter] {
        assert_eq!(scene.sees("县督查", stream, "inspection").await, whole, "asked by {stream}");
    }
    // Whoever handles it sees the matter, and not who else read it.
    assert_eq!(scene.sees("信访", &nomination, "handling").await, whole[..4]);
    let rows = scene.ask("县督查", &nomination, "purpose=inspection").await.json()["rows"].clone();
    assert_eq!(
        (&rows[0]["what"], &rows[1]["what"], &rows[4]["what"]),
        (&json!("public"), &json!("sealed"), &json!("access"))
    );
    assert_eq!((&rows[1]["hidden"], &rows[3]["hidden"]), (&json!(true), &json!(false)));
    assert_eq!(rows[4]["reader"], json!(scene.town.fixture.people["县督查"].stream));
    assert_eq!(rows[4]["purpose"], json!("督查"));
    assert!(rows[0]["index"].is_u64() && rows[1]["hash"].is_string(), "{rows}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_not_cleared_gets_byte_for_byte_what_there_would_be_without_it() {
    let mut scene = Scene::new().await;
    let nomination = scene.nomination.clone();
    let asked = [("邻镇督查", "purpose=inspection"), ("邻镇办", "purpose=handling")];
    let mut before = Vec::new();
    for (name, query) in asked {
        before.push(scene.ask(name, &nomination, query).await.body);
    }
    let objection = scene.object().await;
    let (letter, _) = scene.letter(&json!({ "refers_to": nomination })).await;
    scene.resolve(&objection, &json!({})).await;
    scene.access("approver", "审批", &objection).await;
    for ((name, query), before) in asked.into_iter().zip(before) {
        assert_eq!(scene.ask(name, &nomination, query).await.body, before, "{name}");
    }
    let nowhere = "letter/0196ac8e-0000-4000-8000-00000000ffff";
    let absent = scene.ask("邻镇督查", nowhere, "purpose=inspection").await;
    assert_eq!(absent.status, StatusCode::NOT_FOUND);
    for stream in [&objection, &letter] {
        let hidden = scene.ask("邻镇督查", stream, "purpose=inspection").await;
        assert_eq!((hidden.status, &hidden.headers, hidden.json()), (absent.status, &absent.headers, absent.json()));
    }
    assert_eq!(scene.sees("县督查", &nomination, "inspection").await.len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_accused_in_a_later_step_does_not_find_the_matter_any_more_nor_who_read_it() {
    let mut scene = Scene::new().await;
    let accused = scene.town.fixture.people["县督查"].stream.to_string();
    let objection = scene.object().await;
    let nomination = scene.nomination.clone();
    scene.resolve(&objection, &json!({"concerns": [{"person": accused}]})).await;
    scene.access("approver", "审批", &objection).await;
    assert_eq!(scene.sees("县督查", &nomination, "inspection").await, [ANNOUNCED]);
    assert_eq!(scene.ask("县督查", &objection, "purpose=inspection").await.status, StatusCode::NOT_FOUND);
    let key = &scene.town.fixture.people["县督查"].key;
    let key = SigningKey::from_seed(key.name(), key.verifier().kind(), *key.seed()).unwrap();
    let token = sign_in(&scene.town.internal, &key).await;
    let list = "/internal/api/v1/matters?family=nomination&purpose=inspection";
    assert_eq!(as_bearer(&scene.town.internal, list, &token).await.json()["matters"], json!([]));
    let readers = format!("/internal/api/v1/matters/{objection}/accesses");
    assert_eq!(as_bearer(&scene.town.internal, &readers, &token).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_opened_and_withdrawn_of_a_matter_is_on_its_timeline() {
    let mut scene = Scene::new().await;
    let nomination = scene.nomination.clone();
    let on = scene.town.app.today();
    let issued = json!({"kind": "supervision.issued.v1", "org": COUNTY, "fields": {"to": OTHER, "about": nomination,
        "issued_on": on.to_string(), "due_on": (on + chrono::Days::new(10)).to_string(),
        "title": "核实任前公示情况(虚构)", "text": "请在十日内书面报告(虚构)"}});
    scene.town.fixture.submit(&issued, &[("inspector", "县督查")]).await.unwrap();
    let (letter, commitment) = scene.letter(&json!({ "refers_to": nomination })).await;
    scene.town.fixture.clock.advance(std::time::Duration::from_mins(1));
    scene.town.fixture.ledger.end_period().await.unwrap();
    let opened = opening(&scene, &commitment).await;
    let both = [("approver", "审批"), ("publisher", "文书")];
    let index = scene.town.fixture.submit(&opened, &both).await.unwrap().index;
    let stored = scene.town.fixture.ledger.entry(index).await.unwrap().unwrap();
    let open = stored.openings.unwrap().open;
    let number = open.iter().find(|opening| opening.name == "opened").unwrap().slot;
    let withdrawn = json!({"kind": "slot.withdrawn.v1", "org": COUNTY, "fields": {"entry": index, "slot_numbers": [number],
        "basis": "personal_data", "reason": "来信人要求(虚构)", "appeal": "可向县公开办提出(虚构)"}});
    scene.town.catch_up().await;
    scene.town.fixture.submit(&withdrawn, &[("publisher", "文书"), ("approver", "审批")]).await.unwrap();
    scene.town.catch_up().await;
    let whole = [ANNOUNCED, "supervision.issued.v1", RECEIVED, "slot.opened.v1", "slot.withdrawn.v1"];
    for stream in [&letter, &nomination] {
        assert_eq!(scene.sees("县督查", stream, "inspection").await, whole, "asked by {stream}");
    }
    assert_eq!(scene.sees("邻镇督查", &nomination, "inspection").await, whole[..2]);
}

/// The opening of the title of a letter, with its place in the period.
async fn opening(scene: &Scene, commitment: &Digest) -> Value {
    let reader = scene.town.fixture.ledger.sealed_reader().unwrap();
    let event = reader.by_commitment(commitment).await.unwrap().unwrap();
    let (place, content) = (event.proof().unwrap(), event.opened.unwrap());
    let (number, tier, title) = content.slots.iter().find(|(_, _, opened)| opened.name == "title").unwrap();
    let opened = json!({"salt": Digest::from_bytes(title.salt), "name": "title", "tier": tier, "value": title.value,
        "path": slot::path(&event.row.commitments, *number),
        "event": {"note": content.signed.note.to_string(), "salt": Digest::from_bytes(content.salt),
            "leaf": place.leaf, "path": place.path}});
    json!({"kind": "slot.opened.v1", "org": COUNTY, "fields": {"entry": place.index, "slot_number": number,
        "opened": opened, "reason": "来信人同意公开(虚构)"}})
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_takes_the_matter_off_the_timeline_and_its_link_out_of_the_file() {
    let mut scene = Scene::new().await;
    let nomination = scene.nomination.clone();
    let (letter, commitment) = scene.letter(&json!({ "refers_to": nomination })).await;
    scene.access("inspector", "县督查", &letter).await;
    assert_eq!(scene.sees("县督查", &nomination, "inspection").await, [ANNOUNCED, RECEIVED, ACCESS]);
    let link = scene.town.fixture.ledger.vault().unwrap().link(&nomination.parse().unwrap()).to_hex();
    let order = json!({"kind": "erasure.ordered.v1", "org": COUNTY, "fields": {"commitment": commitment,
        "basis": "personal_data", "reason": "来信人要求(虚构)", "appeal": "可向县公开办提出(虚构)"}});
    assert!(["internal.db", "internal.db-wal"].iter().any(|name| file(&scene, name).contains(&link)));
    scene.town.fixture.submit(&order, &[("approver", "审批"), ("registrar", "甲")]).await.unwrap();
    scene.town.catch_up().await;
    assert_eq!(scene.sees("县督查", &nomination, "inspection").await, [ANNOUNCED]);
    assert_eq!(scene.ask("县督查", &letter, "purpose=inspection").await.status, StatusCode::NOT_FOUND);
    for name in ["internal.db", "internal.db-wal"] {
        assert!(!file(&scene, name).contains(&link), "{name}");
    }
}

/// A file of the vault, as text in which hex is found.
fn file(scene: &Scene, name: &str) -> String {
    let bytes = std::fs::read(scene.town.fixture.layout().vault().join(name)).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn objections_and_opinions_are_listed_with_what_is_due_until_they_are_answered() {
    let mut scene = Scene::new().await;
    let objection = scene.object().await;
    let (letter, _) = scene.letter(&json!({"class": "opinion"})).await;
    let on = scene.town.app.today().to_string();
    let registered = json!({"kind": "letter.registered.v1", "stream": letter, "org": COUNTY, "fields": {
        "class": "opinion", "channel": "web", "real_name": false, "consent_to_publish": false, "registered_on": on}});
    scene.town.fixture.seal(&registered, &[("reviewer", "信访")]).await.unwrap();
    scene.town.catch_up().await;
    let due = async |scene: &Scene, family: &str| {
        let key = &scene.town.fixture.people["信访"].key;
        let key = SigningKey::from_seed(key.name(), key.verifier().kind(), *key.seed()).unwrap();
        let token = sign_in(&scene.town.internal, &key).await;
        let list = format!("/internal/api/v1/matters?family={family}");
        let matters = as_bearer(&scene.town.internal, &list, &token).await.json()["matters"].clone();
        assert_eq!(matters.as_array().unwrap().len(), 1, "{matters}");
        matters[0]["dues"].clone()
    };
    let (objections, letters) = (due(&scene, "nomination").await, due(&scene, "letter").await);
    assert_eq!((&objections[0]["what"], &objections[0]["days_over"]), (&json!("办结异议"), &json!(0)));
    assert_eq!(letters[0]["what"], json!("办结并答复"));
    assert!(letters[0]["rule"].as_str().unwrap().contains("意见建议答复期限"), "{letters}");
    scene.resolve(&objection, &json!({})).await;
    scene.town.fixture.clock.advance(std::time::Duration::from_hours(70 * 24));
    assert_eq!(due(&scene, "nomination").await, json!([]));
    assert!(due(&scene, "letter").await[0]["days_over"].as_u64().unwrap() > 0, "unanswered, it is over its day");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_follow_each_other_without_a_gap() {
    let mut scene = Scene::new().await;
    let nomination = scene.nomination.clone();
    for _ in 0..3 {
        let _ = scene.letter(&json!({ "refers_to": nomination })).await;
    }
    let whole = scene.ask("县督查", &nomination, "purpose=inspection").await.json();
    assert_eq!((whole["rows"].as_array().unwrap().len(), &whole["next"]), (4, &Value::Null));
    for size in [1, 3] {
        let (mut rows, mut after) = (Vec::new(), String::new());
        loop {
            let query = format!("purpose=inspection&limit={size}{after}");
            let page = scene.ask("县督查", &nomination, &query).await.json();
            rows.extend(page["rows"].as_array().unwrap().clone());
            let Some(next) = page["next"].as_str() else { break };
            after = format!("&after={next}");
        }
        assert_eq!(json!(rows), whole["rows"], "{size} a page");
    }
    let bad = scene.ask("县督查", &nomination, "after=x").await;
    assert_eq!(bad.status, StatusCode::BAD_REQUEST);
}
