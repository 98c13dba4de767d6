//! What waits for whom: a village's draft on its way through the gates.

use axum::http::StatusCode;
use gongkai_domain::kind::review;
use gongkai_domain::procedure::{Procedure, REFERENCE};
use gongkai_domain::{Command, field::PersonId};
use gongkai_log::{Signer, SigningKey, StreamId};
use gongkai_store::testing::{COUNTY, Entropy, pledge};
use serde_json::{Value, json};

use super::tests::{as_bearer, sign_in};
use crate::http::tests::{Answer, Town};

pub(super) const TOWNSHIP: &str = "341599101";
pub(super) const OTHER: &str = "341599102";
pub(super) const VILLAGE: &str = "341599101201";
pub(super) const REVIEW: &str = "review/5ea1ed00-0000-4000-8000-000000000001";

/// A village whose clerk, of the township, has handed in a draft.
pub(super) struct Scene {
    pub(super) town: Town,
}

impl Scene {
    pub(super) async fn new() -> Self {
        let mut town = Town::with_vault().await;
        town.fixture.org(TOWNSHIP, "township", Some(COUNTY)).await;
        town.fixture.org(OTHER, "township", Some(COUNTY)).await;
        town.fixture.org(VILLAGE, "village", Some(TOWNSHIP)).await;
        town.fixture
            .officers(&[
                ("会计", TOWNSHIP, "publisher"),
                ("监一", VILLAGE, "supervisor"),
                ("监二", VILLAGE, "supervisor"),
                ("村书记", VILLAGE, "approver"),
                ("镇审", TOWNSHIP, "reviewer"),
                ("邻镇审", OTHER, "reviewer"),
                ("邻镇监", OTHER, "supervisor"),
            ])
            .await;
        // The clerk is a reviewer as well, and would be one of those who file it.
        let clerk = town.fixture.people["会计"].stream.clone();
        let granted = json!({"kind": "role.granted.v1", "org": TOWNSHIP,
            "fields": {"person": clerk, "role": "reviewer", "avoidance_declared": true}});
        town.fixture.submit(&granted, &[("registrar", "甲"), ("registrar", "乙")]).await.unwrap();
        let mut scene = Self { town };
        scene.hand_in(&clerk).await;
        scene
    }

    async fn hand_in(&mut self, clerk: &StreamId) {
        let mut command = pledge(VILLAGE, 1);
        command["fields"][REFERENCE] = json!(REVIEW);
        let signer = |(role, name): (&str, &str)| Signer {
            role: role.into(),
            key: self.town.fixture.people[name].key.name().into(),
        };
        let signers = [("publisher", "会计"), ("supervisor", "监一"), ("supervisor", "监二"), ("approver", "村书记")];
        let signers = signers.into_iter().map(signer).collect();
        let mut entropy = Entropy::new(91);
        let fill = &mut |buffer: &mut [u8]| entropy.fill(buffer);
        let draft =
            self.town.fixture.ledger.prepare(Command::from_value(command).unwrap(), signers, fill).await.unwrap();
        let submitted = review::submission_of(&draft, Procedure::Village, &PersonId(clerk.clone()), None).unwrap();
        self.seal(&json!(submitted), ("publisher", "会计")).await;
    }

    pub(super) async fn seal(&mut self, command: &Value, signer: (&str, &str)) {
        self.town.fixture.seal(command, &[signer]).await.unwrap();
        self.town.catch_up().await;
    }

    /// Somebody takes the step at a gate; at none, it is the approval.
    async fn pass(&mut self, gate: Option<&str>, role: &str, name: &str) {
        let mut fields = json!({"person": self.town.fixture.people[name].stream});
        let kind = if let Some(gate) = gate {
            fields["gate"] = json!(gate);
            "review.gate_passed.v1"
        } else {
            "review.approved.v1"
        };
        let command = json!({"kind": kind, "stream": REVIEW, "org": VILLAGE, "fields": fields});
        self.seal(&command, (role, name)).await;
    }

    async fn ask(&self, name: &str) -> Answer {
        self.get(name, "/internal/api/v1/queue").await
    }

    /// Somebody signs in and asks for an address.
    pub(super) async fn get(&self, name: &str, path: &str) -> Answer {
        let key = &self.town.fixture.people[name].key;
        let key = SigningKey::from_seed(key.name(), key.verifier().kind(), *key.seed()).unwrap();
        let token = sign_in(&self.town.internal, &key).await;
        as_bearer(&self.town.internal, path, &token).await
    }

    /// At which gates something waits for somebody, and for how many people more.
    async fn waits(&self, name: &str) -> Vec<(String, u64)> {
        let answer = self.ask(name).await;
        assert_eq!(answer.status, StatusCode::OK, "{name}: {}", answer.text());
        let rows = answer.json()["queue"].as_array().unwrap().clone();
        let row = |row: &Value| (row["gate"].as_str().unwrap().to_owned(), row["people"].as_u64().unwrap());
        rows.iter().map(row).collect()
    }

    /// For whom of all of them something waits.
    async fn awaited(&self) -> Vec<&'static str> {
        let mut awaited = Vec::new();
        for name in ["会计", "监一", "监二", "村书记", "镇审", "邻镇审", "邻镇监", "审批", "监督一"]
        {
            if !self.waits(name).await.is_empty() {
                awaited.push(name);
            }
        }
        awaited
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_waits_for_those_who_may_pass_its_gate_and_for_nobody_else() {
    let mut scene = Scene::new().await;
    // The county's people hold their roles above the village; the author and another township's are not asked.
    assert_eq!(scene.awaited().await, ["监一", "监二", "监督一"]);
    let row = scene.ask("监一").await.json()["queue"][0].clone();
    assert_eq!((&row["review"], &row["org"]), (&json!(REVIEW), &json!(VILLAGE)));
    assert_eq!(
        (&row["gate_label"], &row["role_label"], &row["above"]),
        (&json!("村监会审核"), &json!("监督人"), &json!(false))
    );
    assert_eq!(row["since"], row["submitted_at"]);
    assert_eq!(row["author"], json!(scene.town.fixture.people["会计"].stream));

    scene.town.fixture.clock.advance(std::time::Duration::from_hours(1));
    scene.pass(Some("supervision"), "supervisor", "监一").await;
    assert_eq!(scene.awaited().await, ["监二", "监督一"], "nobody acts twice");
    assert_eq!(scene.waits("监二").await, [("supervision".to_owned(), 1)]);
    assert_eq!(scene.ask("监二").await.json()["queue"][0]["since"], row["since"], "it is still the same gate");
    scene.pass(Some("supervision"), "supervisor", "监二").await;
    assert_eq!(scene.awaited().await, ["村书记", "审批"]);
    let next = scene.ask("村书记").await.json()["queue"][0].clone();
    assert_ne!(next["since"], row["since"]);
    scene.pass(None, "approver", "村书记").await;
    assert_eq!(scene.awaited().await, ["镇审"], "not the clerk, whose draft it is, though a reviewer too");
    assert_eq!(scene.ask("镇审").await.json()["queue"][0]["above"], json!(true));
    scene.pass(Some("filing"), "reviewer", "镇审").await;
    assert!(scene.awaited().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_returned_waits_for_nobody() {
    let mut scene = Scene::new().await;
    let returned = json!({"kind": "review.returned.v1", "stream": REVIEW, "org": VILLAGE, "fields": {
        "gate": "supervision", "person": scene.town.fixture.people["监一"].stream, "reason": "缺少附件(虚构)"}});
    scene.seal(&returned, ("supervisor", "监一")).await;
    assert!(scene.awaited().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_passes_no_gate_has_no_queue() {
    let scene = Scene::new().await;
    assert_eq!(scene.ask("文书").await.status, StatusCode::NOT_FOUND);
}
