//! Drafts and co-signing, through the whole router.

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use gongkai_log::{SigningKey, note};
use gongkai_store::testing::{COUNTY, pledge};
use serde_json::{Value, json};

use crate::http::internal::session_of;
use crate::http::tests::{Answer, Town, ask};

const ID: &str = "018f0000-0000-4000-8000-00000000d001";

fn key_of(town: &Town, name: &str) -> SigningKey {
    let key = &town.fixture.people[name].key;
    SigningKey::from_seed(key.name(), key.verifier().kind(), *key.seed()).unwrap()
}

async fn token(town: &Town, name: &str) -> String {
    session_of(&town.internal, &key_of(town, name)).await
}

async fn call(router: &Router, method: &str, path: &str, token: &str, body: Option<&Value>) -> Answer {
    let request = Request::builder().method(method).uri(format!("/internal/api/v1/{path}"));
    let request = request.header("authorization", format!("Bearer {token}")).header("content-type", "application/json");
    let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
    ask(router, request.body(body).unwrap()).await
}

fn typed(title: &str) -> Value {
    json!({"label": "作出承诺", "kind": "pledge.made.v1", "href": format!("/internal/write/pledge.made?draft={ID}"),
        "fields": {"title": title}, "frame": {"role": "publisher"}})
}

/// A pledge that the supervisor signs beside the publisher, with the publisher's signature.
async fn half(town: &Town, publisher: &str) -> Value {
    let mut command = pledge(COUNTY, 7);
    let signer = |role: &str, name: &str| json!([role, town.fixture.people[name].key.name()]);
    command["signers"] = json!([signer("publisher", "文书"), signer("supervisor", "监督一")]);
    let prepared = call(&town.internal, "POST", "rehearsals", publisher, Some(&command)).await;
    assert_eq!(prepared.status, StatusCode::OK, "{}", prepared.text());
    let mut prepared = prepared.json();
    prepared["signatures"] = json!([line(town, "文书", prepared["statement"].as_str().unwrap())]);
    json!({"label": "作出承诺", "kind": "pledge.made.v1", "href": format!("/internal/drafts/{ID}"), "prepared": prepared})
}

/// A signature line without its end.
fn line(town: &Town, name: &str, text: &str) -> String {
    let signed = note::sign(text, &[&key_of(town, name)]).unwrap();
    signed.lines().last().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_is_kept_for_its_author_on_any_device_and_does_not_exist_for_others() {
    let town = Town::with_vault().await;
    let (author, other) = (token(&town, "文书").await, token(&town, "监督一").await);
    let path = format!("drafts/{ID}");
    let kept = call(&town.internal, "PUT", &path, &author, Some(&typed("修路"))).await;
    assert_eq!((kept.status, kept.json()["revision"].as_u64()), (StatusCode::OK, Some(1)), "{}", kept.text());
    let elsewhere = token(&town, "文书").await;
    let draft = call(&town.internal, "GET", &path, &elsewhere, None).await.json();
    assert_eq!((&draft["fields"]["title"], &draft["frame"]["role"]), (&json!("修路"), &json!("publisher")));
    let stale = call(&town.internal, "PUT", &path, &elsewhere, Some(&typed("修桥"))).await;
    assert_eq!(stale.status, StatusCode::CONFLICT);
    for (method, body) in [("GET", None), ("PUT", Some(typed("偷看"))), ("DELETE", None)] {
        let answer = call(&town.internal, method, &path, &other, body.as_ref()).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{method}");
    }
    assert_eq!(call(&town.internal, "GET", "drafts", &other, None).await.json()["drafts"], json!([]));
    assert_eq!(call(&town.internal, "GET", "drafts", "00", None).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(call(&town.internal, "DELETE", &path, &author, None).await.status, StatusCode::NO_CONTENT);
    assert_eq!(call(&town.internal, "GET", &path, &author, None).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_vault_no_draft_is_kept_anywhere() {
    let town = Town::empty().await;
    let author = token(&town, "文书").await;
    let kept = call(&town.internal, "PUT", &format!("drafts/{ID}"), &author, Some(&typed("修路"))).await;
    assert_eq!(kept.status, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_leads_to_pages_of_this_side_only() {
    let town = Town::with_vault().await;
    let author = token(&town, "文书").await;
    for href in ["https://evil.example/", "//evil.example/internal/", "/internal//evil.example", "/internal/\\evil"] {
        let mut draft = typed("修路");
        draft["href"] = json!(href);
        let kept = call(&town.internal, "PUT", &format!("drafts/{ID}"), &author, Some(&draft)).await;
        assert_eq!(kept.status, StatusCode::BAD_REQUEST, "{href}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_last_signature_it_is_recorded_once_and_is_no_draft_any_more() {
    let town = Town::with_vault().await;
    let (author, signer) = (token(&town, "文书").await, token(&town, "监督一").await);
    let stranger = token(&town, "监督二").await;
    let path = format!("drafts/{ID}");
    let half = half(&town, &author).await;
    let kept = call(&town.internal, "PUT", &path, &author, Some(&half)).await;
    assert_eq!(kept.status, StatusCode::OK, "{}", kept.text());
    assert_eq!(call(&town.internal, "GET", &path, &stranger, None).await.status, StatusCode::NOT_FOUND);
    let waiting = call(&town.internal, "GET", "drafts", &signer, None).await.json();
    let states: Vec<_> =
        waiting["drafts"][0]["signers"].as_array().unwrap().iter().map(|one| one["signed"].clone()).collect();
    assert_eq!(states, [true, false]);
    let text = half["prepared"]["statement"].as_str().unwrap();
    let before = town.fixture.ledger.health().committed;
    // Another's key, another text, and nobody's line sign nothing.
    let others =
        [line(&town, "监督二", text), line(&town, "监督一", &text.replace("revision", "Revision")), "— x y".into()];
    for wrong in others {
        let answer =
            call(&town.internal, "POST", &format!("{path}/signatures"), &signer, Some(&json!({"signature": wrong})))
                .await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{wrong}: {}", answer.text());
    }
    assert_eq!(town.fixture.ledger.health().committed, before);
    // The one whom it waits for throws nothing of the author's away.
    assert_eq!(call(&town.internal, "DELETE", &path, &signer, None).await.status, StatusCode::NOT_FOUND);
    let good = json!({"signature": line(&town, "监督一", text)});
    let answer = call(&town.internal, "POST", &format!("{path}/signatures"), &signer, Some(&good)).await;
    assert_eq!(answer.json()["receipt"]["index"].as_u64(), Some(before), "{}", answer.text());
    let again = call(&town.internal, "POST", &format!("{path}/signatures"), &signer, Some(&good)).await;
    assert_eq!(again.status, StatusCode::NOT_FOUND);
    assert_eq!(call(&town.internal, "GET", "drafts", &author, None).await.json()["drafts"], json!([]));
    assert_eq!(town.fixture.ledger.health().committed, before + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_asked_to_sign_what_the_ledger_would_refuse_or_what_another_began() {
    let town = Town::with_vault().await;
    let (author, signer) = (token(&town, "文书").await, token(&town, "监督一").await);
    let good = half(&town, &author).await;
    let path = format!("drafts/{ID}");
    assert_eq!(call(&town.internal, "PUT", &path, &signer, Some(&good)).await.status, StatusCode::BAD_REQUEST);
    let mut wrong = good.clone();
    let text = wrong["prepared"]["statement"].as_str().unwrap().replace(COUNTY, "999999");
    wrong["prepared"]["statement"] = json!(text);
    wrong["prepared"]["signatures"] = json!([]);
    let refused = call(&town.internal, "PUT", &path, &author, Some(&wrong)).await;
    assert!(refused.status.is_client_error(), "{}", refused.text());
    let mut forged = good;
    forged["prepared"]["signatures"] = json!([line(&town, "文书", "another text\n")]);
    assert_eq!(call(&town.internal, "PUT", &path, &author, Some(&forged)).await.status, StatusCode::FORBIDDEN);
    assert_eq!(call(&town.internal, "GET", "drafts", &signer, None).await.json()["drafts"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_for_review_is_judged_as_its_publication_will_be_and_goes_with_its_own_bytes() {
    let town = Town::with_vault().await;
    let author = token(&town, "文书").await;
    let mut command = (gongkai_domain::kind::find("notice.published.v1").unwrap().sample)();
    command["org"] = json!(COUNTY);
    let good = call(&town.internal, "POST", "reviews", &author, Some(&command)).await;
    assert_eq!(good.status, StatusCode::OK, "{}", good.text());
    let good = good.json();
    assert!(good["draft"]["statement"].as_str().unwrap().contains("notice.published.v1"));
    assert!(good["submission"]["statement"].as_str().unwrap().contains("review.submitted.v1"));
    assert_eq!(good["steps"][0], "政治关");
    command["fields"]["days"] = json!(1);
    let short = call(&town.internal, "POST", "reviews", &author, Some(&command)).await;
    assert_eq!(short.json()["code"], "period_too_short", "{}", short.text());
    let supervisor = token(&town, "监督一").await;
    assert_eq!(
        call(&town.internal, "POST", "reviews", &supervisor, Some(&command)).await.status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_period_is_counted_while_it_is_written_and_a_short_one_is_told() {
    let mut town = Town::with_vault().await;
    let fields = json!({"year": 2025, "off_days": ["2025-10-01", "2025-10-02", "2025-10-03", "2025-10-06", "2025-10-07",
        "2025-10-08"], "work_days": ["2025-09-28", "2025-10-11"]});
    let mut calendar = (gongkai_domain::kind::find("calendar.published.v1").unwrap().sample)();
    calendar["org"] = json!(COUNTY);
    for (name, value) in fields.as_object().unwrap() {
        calendar["fields"][name] = value.clone();
    }
    town.fixture.submit(&calendar, &[("registrar", "甲"), ("registrar", "乙")]).await.unwrap();
    town.catch_up().await;
    let author = token(&town, "文书").await;
    let mut asked = json!({"kind": "nomination.announced.v1", "org": COUNTY, "fields": {"starts_on": "2025-09-26"}});
    let counted = call(&town.internal, "POST", "periods", &author, Some(&asked)).await.json();
    assert_eq!(counted["period"]["stated"]["end"], "2025-10-09", "{counted}");
    assert_eq!(counted["period"]["stated"]["working"], true);
    let skipped = counted["period"]["stated"]["skipped"].to_string();
    assert!(
        skipped.contains("2025-10-01") && skipped.contains("2025-09-27") && !skipped.contains("2025-09-28"),
        "{skipped}"
    );
    asked["fields"]["ends_on"] = json!("2025-10-08");
    let short = call(&town.internal, "POST", "periods", &author, Some(&asked)).await.json();
    assert!(short["period"]["short"].as_str().unwrap().contains("任前公示"), "{short}");
    asked["kind"] = json!("pledge.made.v1");
    assert_eq!(call(&town.internal, "POST", "periods", &author, Some(&asked)).await.json()["period"], Value::Null);
}
