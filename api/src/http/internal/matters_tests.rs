//! What the internal side shows of sealed matters, and to whom: through both routers, with signed-in people.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use gongkai_log::SigningKey;
use gongkai_store::testing::COUNTY;
use serde_json::{Value, json};

use super::tests::{as_bearer, sign_in};
use crate::http::tests::{Answer, Town, ask};

const TOWNSHIP: &str = "341599101";
const OTHER: &str = "341599102";

/// A county with two townships: officers, inspectors, and a recommendation for a vacancy of the county.
struct Scene {
    town: Town,
    letter: String,
}

fn copy(town: &Town, name: &str) -> SigningKey {
    let key = &town.fixture.people[name].key;
    SigningKey::from_seed(key.name(), key.verifier().kind(), *key.seed()).unwrap()
}

fn letter(text: &str) -> Value {
    let mut command = (gongkai_domain::kind::find("letter.received.v1").unwrap().sample)();
    command["org"] = json!(TOWNSHIP);
    command.as_object_mut().unwrap().remove("stream");
    command["fields"]["text"] = json!(text);
    command
}

const CANARY: &str = "村东水渠三年没有清淤(虚构)";

impl Scene {
    async fn new() -> Self {
        let mut town = Town::with_vault().await;
        for code in [TOWNSHIP, OTHER] {
            town.fixture.org(code, "township", Some(COUNTY)).await;
        }
        town.fixture
            .officers(&[
                ("镇办", TOWNSHIP, "publisher"),
                ("镇督查", TOWNSHIP, "inspector"),
                ("邻镇督查", OTHER, "inspector"),
                ("邻镇办", OTHER, "publisher"),
                ("县督查", COUNTY, "inspector"),
            ])
            .await;
        let (stream, _) = town.fixture.citizen(&letter(CANARY)).await.unwrap();
        town.catch_up().await;
        Self { town, letter: stream.to_string() }
    }

    async fn token(&self, name: &str) -> String {
        sign_in(&self.town.internal, &copy(&self.town, name)).await
    }

    async fn get(&self, name: &str, path: &str) -> Answer {
        as_bearer(&self.town.internal, path, &self.token(name).await).await
    }

    /// Reads a statement, in somebody's name and with a token that may be another's.
    async fn read(&mut self, signer: (&str, &str), token: &str, org: &str, stream: &str, purpose: &str) -> Answer {
        let command = json!({"kind": "access.recorded.v1", "org": org, "fields": {
            "read": stream, "revision": 0, "purpose": purpose, "reason": "办理(虚构)"}});
        let access = self.town.fixture.opening(&command, &[signer]);
        let id = gongkai_log::Digest::of(access.note.as_bytes()).to_hex();
        let request = Request::post("/internal/api/v1/readings")
            .header("authorization", format!("Bearer {token}"))
            .header("idempotency-key", id)
            .header("content-type", "application/json");
        let answer = ask(&self.town.internal, request.body(Body::from(json!(access).to_string())).unwrap()).await;
        self.town.catch_up().await;
        answer
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_is_in_the_lists_of_those_who_handle_it_and_of_nobody_else() {
    let scene = Scene::new().await;
    let list = "/internal/api/v1/matters?family=letter";
    for (name, purpose, seen) in [
        ("镇办", "handling", 1),
        ("文书", "handling", 1),
        ("镇督查", "inspection", 1),
        ("县督查", "inspection", 1),
        ("镇督查", "handling", 0),
        ("邻镇办", "handling", 0),
        ("邻镇督查", "inspection", 0),
        ("监督一", "handling", 0),
    ] {
        let answer = scene.get(name, &format!("{list}&purpose={purpose}")).await;
        assert_eq!(answer.status, StatusCode::OK, "{name}: {}", answer.text());
        let matters = answer.json()["matters"].as_array().unwrap().clone();
        assert_eq!(matters.len(), seen, "{name} for {purpose}");
        if let Some(matter) = matters.first() {
            assert_eq!(matter["stream"], json!(scene.letter));
            assert!(matter["dues"][0]["due_on"].is_string(), "{matter}");
        }
        assert!(!answer.text().contains("水渠"), "a list shows no content");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_may_not_see_is_answered_like_what_does_not_exist() {
    let scene = Scene::new().await;
    let there = format!("/internal/api/v1/matters/{}", scene.letter);
    let nowhere = "/internal/api/v1/matters/letter/0196ac8e-0000-4000-8000-00000000ffff";
    let (hidden, absent) = (scene.get("邻镇办", &there).await, scene.get("邻镇办", nowhere).await);
    assert_eq!(hidden.status, StatusCode::NOT_FOUND);
    assert_eq!((hidden.status, hidden.json()), (absent.status, absent.json()));
    let shown = scene.get("镇办", &there).await.json();
    assert_eq!(shown["events"][0]["kind"], json!("letter.received.v1"));
    assert!(shown["events"][0]["hash"].is_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn content_is_shown_after_the_access_is_on_record_and_inspectors_see_who_read_it() {
    let mut scene = Scene::new().await;
    let (stream, token) = (scene.letter.clone(), scene.token("镇办").await);
    let answer = scene.read(("publisher", "镇办"), &token, TOWNSHIP, &stream, "handling").await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let text = answer.json()["fields"].as_array().unwrap().iter().find(|field| field["name"] == "text").cloned();
    assert_eq!(text.unwrap()["value"], json!(CANARY));
    let accesses = scene.get("镇督查", &format!("/internal/api/v1/matters/{stream}/accesses")).await;
    assert_eq!(accesses.json()["accesses"].as_array().unwrap().len(), 1, "{}", accesses.text());
    let own = scene.get("镇办", "/internal/api/v1/accesses").await;
    assert_eq!(own.json()["accesses"][0]["stream"], json!(stream));
    let outside = scene.get("邻镇督查", &format!("/internal/api/v1/matters/{stream}/accesses")).await;
    assert_eq!(outside.status, StatusCode::NOT_FOUND);
    let no_inspector = scene.get("镇办", &format!("/internal/api/v1/matters/{stream}/accesses")).await;
    assert_eq!(no_inspector.status, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_reading_is_on_record_too() {
    let mut scene = Scene::new().await;
    let (stream, token) = (scene.letter.clone(), scene.token("邻镇办").await);
    let answer = scene.read(("publisher", "邻镇办"), &token, OTHER, &stream, "handling").await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert!(!answer.text().contains("水渠"));
    let accesses = scene.get("县督查", &format!("/internal/api/v1/matters/{stream}/accesses")).await;
    assert_eq!(accesses.json()["accesses"][0]["org"], json!(OTHER), "{}", accesses.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_access_that_somebody_else_signed_opens_nothing() {
    let mut scene = Scene::new().await;
    let (stream, token) = (scene.letter.clone(), scene.token("邻镇办").await);
    let answer = scene.read(("publisher", "镇办"), &token, TOWNSHIP, &stream, "handling").await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{}", answer.text());
    assert!(!answer.text().contains("水渠"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_withdrawn_a_second_ago_opens_nothing() {
    let mut scene = Scene::new().await;
    let (stream, token) = (scene.letter.clone(), scene.token("镇办").await);
    let granted = scene.town.fixture.ledger.with_world(|world| {
        let person = &scene.town.fixture.people["镇办"].stream;
        world.grants(person)[0].stream.to_string()
    });
    let command =
        json!({"kind": "role.withdrawn.v1", "stream": granted, "org": TOWNSHIP, "fields": {"reason": "调离(虚构)"}});
    scene.town.fixture.submit(&command, &[("registrar", "甲")]).await.unwrap();
    let list = as_bearer(&scene.town.internal, "/internal/api/v1/matters?family=letter", &token).await;
    assert_eq!(list.status, StatusCode::NOT_FOUND);
    let answer = scene.read(("publisher", "镇办"), &token, TOWNSHIP, &stream, "handling").await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_official_is_refused_when_opening_what_accuses_them_and_the_attempt_is_on_record() {
    let mut scene = Scene::new().await;
    let accused = scene.town.fixture.people["镇办"].stream.to_string();
    let mut command = letter("反映镇办工作人员态度生硬(虚构)");
    command["fields"]["concerns"] = json!([{"person": accused}]);
    let stream = scene.town.fixture.citizen(&command).await.unwrap().0.to_string();
    scene.town.catch_up().await;
    let token = scene.token("镇办").await;
    let list = as_bearer(&scene.town.internal, "/internal/api/v1/matters?family=letter", &token).await.json();
    let listed: Vec<_> = list["matters"].as_array().unwrap().iter().map(|matter| matter["stream"].clone()).collect();
    assert_eq!(listed, [json!(scene.letter)], "the accusation is not there for the accused");
    let answer = scene.read(("publisher", "镇办"), &token, TOWNSHIP, &stream, "handling").await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    let accesses = scene.get("县督查", &format!("/internal/api/v1/matters/{stream}/accesses")).await;
    assert_eq!(accesses.json()["accesses"][0]["reader"], json!(accused), "{}", accesses.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_public_shows_a_sealed_matter() {
    let scene = Scene::new().await;
    for path in [
        format!("/api/v1/streams/{}", scene.letter),
        "/api/v1/search?q=水渠".to_owned(),
        "/".to_owned(),
        "/internal/api/v1/matters?family=letter".to_owned(),
    ] {
        let answer = scene.town.get(&path.replace("水渠", "%E6%B0%B4%E6%B8%A0")).await;
        assert!(!answer.text().contains("水渠三年"), "{path}");
        assert!(!answer.text().contains(&scene.letter), "{path}: {}", answer.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_awaited_is_listed_with_its_rule_and_lies_in_no_file_of_the_views() {
    let scene = Scene::new().await;
    let list = scene.get("镇办", "/internal/api/v1/matters?family=letter").await.json();
    let due = &list["matters"][0]["dues"][0];
    assert_eq!(due["what"], json!("登记并告知来信人"), "{list}");
    assert!(due["rule"].as_str().unwrap().contains("信访工作条例"), "{list}");
    for name in ["internal.db", "internal.db-wal"] {
        let file = std::fs::read(scene.town.fixture.layout().vault().join(name)).unwrap();
        for told in ["登记并告知来信人", "letter_route_days_max"] {
            assert!(!file.windows(told.len()).any(|window| window == told.as_bytes()), "{name}: {told}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erased_matter_leaves_every_list() {
    let mut scene = Scene::new().await;
    let reader = scene.town.fixture.ledger.sealed_reader().unwrap();
    let event = reader.stream(&scene.letter.parse().unwrap()).await.unwrap().remove(0);
    let order = json!({"kind": "erasure.ordered.v1", "org": COUNTY, "fields": {"commitment": event.row.commitment,
        "basis": "personal_data", "reason": "来信人要求(虚构)", "appeal": "可向县公开办提出(虚构)"}});
    scene.town.fixture.submit(&order, &[("approver", "审批"), ("registrar", "甲")]).await.unwrap();
    scene.town.catch_up().await;
    let list = scene.get("镇办", "/internal/api/v1/matters?family=letter").await.json();
    assert_eq!(list["matters"], json!([]));
    let file = std::fs::read(scene.town.fixture.layout().vault().join("internal.db")).unwrap();
    let id = scene.letter.split('/').nth(1).unwrap().as_bytes();
    assert!(!file.windows(id.len()).any(|window| window == id));
}
