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
    for (token, desk, may) in [(&publisher, &desk, true), (&supervisor, &theirs, false)] {
        let import = get(&town.internal, "/internal/import", Some(token)).await;
        let offered = (desk.text().contains("/internal/import"), import.text().contains("data-import"));
        assert_eq!(offered, (may, may), "{}", import.text());
        assert_eq!(import.text().contains("您的职责不能批量导入"), !may);
    }
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

/// What was signed as the page of the console sends it to be shown.
fn prepared(submission: &Value) -> String {
    let (statement, _) = submission["note"].as_str().unwrap().split_once("\n\n").unwrap();
    let lines = submission.get("lines").cloned().unwrap_or(json!([]));
    json!({"statement": format!("{statement}\n"), "openings": submission["openings"], "lines": lines}).to_string()
}

async fn preview(town: &Town, token: &str, prepared: &str, origin: &str) -> Answer {
    let request = Request::post("/internal/preview").header("content-type", "application/x-www-form-urlencoded");
    let request = request.header("cookie", format!("gongkai_session={token}")).header("sec-fetch-site", origin);
    let mut body = "prepared=".to_owned();
    crate::http::query::escape(&mut body, prepared);
    ask(&town.internal, request.body(Body::from(body)).unwrap()).await
}

/// A page up to what carries its number, without what tells when and where it was recorded.
fn shown(page: &str) -> Vec<&str> {
    let (_, main) = page.split_once("<main").unwrap();
    let (before, _) = main.split_once("<section class=\"card share\"").unwrap();
    // What goes on paper has the number and the hash of the entry.
    let before = before.split_once("<section class=\"card paper\"").map_or(before, |(before, _)| before);
    let told = |line: &&str| !line.is_empty() && !line.contains("<time") && !line.contains("/n/");
    before.lines().filter(told).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_is_the_page_that_the_public_gets_and_leaves_nothing() {
    let mut town = Town::with_vault().await;
    let publisher = token(&town, "文书").await;
    for (kind, board) in [
        ("pledge.made.v1", "pledges"),
        ("vacancy.announced.v1", "vacancies"),
        ("nomination.announced.v1", "nominations"),
        ("notice.published.v1", "notices"),
        ("disclosure.published.v1", "disclosures"),
    ] {
        let submission = town.signed(kind);
        let prepared = prepared(&submission);
        let before = town.fixture.ledger.health().committed;
        let page = preview(&town, &publisher, &prepared, "same-origin").await;
        assert_eq!(
            (page.status, page.header("cache-control")),
            (StatusCode::OK, "no-store"),
            "{kind}: {}",
            page.text()
        );
        assert!(page.text().contains("<b>预览：</b>") && page.text().contains("记入账本以后"), "{kind}");
        assert_eq!(town.fixture.ledger.health().committed, before);
        let stream = prepared.split(&format!("{}/", kind.split('.').next().unwrap())).nth(1).unwrap();
        let address = format!("/{board}/{}", &stream[..36]);
        assert_eq!(town.get(&address).await.status, StatusCode::NOT_FOUND, "{kind}: nothing of it is there");
        let recorded = town.post("/api/v1/submissions", kind, submission.to_string()).await;
        assert_eq!(recorded.status, StatusCode::CREATED, "{kind}: {}", recorded.text());
        town.catch_up().await;
        let later = town.get(&address).await;
        assert_eq!(shown(page.text()), shown(later.text()), "{kind}");
        assert!(!later.text().contains("预览："));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_shown_a_preview_from_elsewhere_without_a_session_or_of_what_is_no_statement() {
    let mut town = Town::with_vault().await;
    let publisher = token(&town, "文书").await;
    let good = prepared(&town.signed("pledge.made.v1"));
    assert_eq!(preview(&town, &publisher, &good, "cross-site").await.status, StatusCode::FORBIDDEN);
    assert_eq!(preview(&town, "00", &good, "same-origin").await.status, StatusCode::UNAUTHORIZED);
    let other = good.replacen("\"value\":\"", "\"value\":\"别", 1);
    assert_ne!(other, good);
    for wrong in ["", "{}", &other] {
        let answer = preview(&town, &publisher, wrong, "same-origin").await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{}", answer.text());
        assert!(answer.text().contains("格式不正确"), "{}", answer.text());
    }
}
