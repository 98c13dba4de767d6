//! What the console shows to whom, through the whole router.

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use gongkai_log::SigningKey;
use gongkai_store::testing::{COUNTY, pledge};
use serde_json::{Value, json};

use crate::http::internal::session_of;
use crate::http::tests::{Answer, Town, ask};

const REHEARSALS: &str = "/internal/api/v1/rehearsals";

async fn get(router: &Router, path: &str, token: Option<&str>) -> Answer {
    let request = Request::get(path);
    let request = match token {
        Some(token) => request.header("cookie", format!("gongkai_session={token}")),
        None => request,
    };
    ask(router, request.body(Body::empty()).unwrap()).await
}

async fn rehearse(router: &Router, token: &str, command: &Value) -> Answer {
    let request = Request::post(REHEARSALS).header("content-type", "application/json");
    let request = request.header("authorization", format!("Bearer {token}"));
    ask(router, request.body(Body::from(command.to_string())).unwrap()).await
}

async fn token(town: &Town, name: &str) -> String {
    let key = &town.fixture.people[name].key;
    let copy = SigningKey::from_seed(key.name(), key.verifier().kind(), *key.seed()).unwrap();
    session_of(&town.internal, &copy).await
}

fn signed_by(town: &Town, name: &str, role: &str) -> Value {
    let mut command = pledge(COUNTY, 7);
    command["signers"] = json!([[role, town.fixture.people[name].key.name()]]);
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_session_a_page_is_the_way_to_sign_in_and_says_nothing_else() {
    let town = Town::with_vault().await;
    for path in ["/internal/", "/internal/write/pledge.made?about=x", "/internal/write/no.such", "/internal/continue"] {
        for token in [None, Some("00")] {
            let answer = get(&town.internal, path, token).await;
            assert_eq!(answer.status, StatusCode::SEE_OTHER, "{path}");
            assert!(answer.header("location").starts_with("/internal/sign-in?to=%2Finternal%2F"), "{path}");
            assert_eq!((answer.text(), answer.header("cache-control")), ("", "no-store"));
        }
    }
    assert_eq!(get(&town.internal, "/internal/sign-in", None).await.status, StatusCode::OK);
    assert_eq!(get(&town.public, "/internal/sign-in", None).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_desk_offers_what_ones_roles_may_write_and_the_forms_of_others_do_not_exist() {
    let town = Town::with_vault().await;
    let (publisher, supervisor) = (token(&town, "文书").await, token(&town, "监督一").await);
    let desk = get(&town.internal, "/internal/", Some(&publisher)).await;
    assert!(desk.text().contains("/internal/write/pledge.made") && !desk.text().contains("role.granted"));
    let theirs = get(&town.internal, "/internal/", Some(&supervisor)).await;
    assert!(!theirs.text().contains("/internal/write/pledge.made"));
    let form = get(&town.internal, "/internal/write/pledge.made", Some(&publisher)).await;
    assert_eq!(form.status, StatusCode::OK);
    assert!(form.text().contains("data-table") && form.text().contains("承诺事项"));
    for (path, token) in [
        ("/internal/write/role.granted", &publisher),
        ("/internal/write/pledge.made", &supervisor),
        ("/internal/write/access.recorded", &publisher),
        ("/internal/write/no.such", &publisher),
    ] {
        assert_eq!(get(&town.internal, path, Some(token)).await.status, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rehearsal_gives_the_bytes_to_sign_or_says_what_is_wrong_and_where() {
    let town = Town::empty().await;
    let publisher = token(&town, "文书").await;
    let before = town.fixture.ledger.health().committed;
    let good = rehearse(&town.internal, &publisher, &signed_by(&town, "文书", "publisher")).await;
    assert_eq!(good.status, StatusCode::OK, "{}", good.text());
    assert!(good.json()["statement"].as_str().unwrap().starts_with("gongkai.statement/v1\n"));
    let mut wrong = signed_by(&town, "文书", "publisher");
    wrong["fields"]["title"] = json!("身份证 11010519491231002X");
    let wrong = rehearse(&town.internal, &publisher, &wrong).await;
    assert_eq!(
        (wrong.status, wrong.json()["code"].as_str()),
        (StatusCode::UNPROCESSABLE_ENTITY, Some("personal_data"))
    );
    assert_eq!(wrong.json()["place"], "承诺事项");
    assert_eq!(town.fixture.ledger.health().committed, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_rehearses_in_anothers_name_or_without_a_session() {
    let town = Town::empty().await;
    let supervisor = token(&town, "监督一").await;
    let command = signed_by(&town, "文书", "publisher");
    let refused = rehearse(&town.internal, &supervisor, &command).await;
    assert_eq!(refused.json()["code"], "malformed");
    assert_eq!(rehearse(&town.internal, "00", &command).await.status, StatusCode::UNAUTHORIZED);
    let public = Request::post(REHEARSALS).body(Body::from(command.to_string())).unwrap();
    assert_eq!(ask(&town.public, public).await.status, StatusCode::NOT_FOUND);
}
