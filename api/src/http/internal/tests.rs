//! Signing in, and what the internal side shows to whom, through the whole router.

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use axum::routing::get;
use gongkai_domain::Role;
use gongkai_domain::confidentiality::Callers;
use gongkai_log::{Digest, SigningKey, note};
use gongkai_store::testing::{COUNTY, key};
use serde_json::{Value, json};

use super::sign_in::{CHALLENGE_SECONDS_MAX, IDLE_SECONDS_MAX};
use super::{COOKIE_NAME, Door, Unseen, doors, routes};
use crate::http::openapi::Endpoint;
use crate::http::server::{Limits, Secured};
use crate::http::tests::{Answer, Town, ask};
use crate::login::Login;

const CHALLENGES: &str = "/internal/api/v1/challenges";
const SESSIONS: &str = "/internal/api/v1/sessions";
const CURRENT: &str = "/internal/api/v1/sessions/current";
const ME: &str = "/internal/api/v1/me";

async fn post(router: &Router, path: &str, body: &Value) -> Answer {
    let request = Request::post(path).header("content-type", "application/json");
    ask(router, request.body(Body::from(body.to_string())).unwrap()).await
}

async fn challenge(router: &Router, name: &str) -> String {
    let answer = post(router, CHALLENGES, &json!({ "key": name })).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    answer.json()["challenge"].as_str().unwrap().to_owned()
}

async fn hand_in(router: &Router, text: &str, key: &SigningKey) -> Answer {
    post(router, SESSIONS, &json!({ "note": note::sign(text, &[key]).unwrap() })).await
}

pub(in crate::http) async fn sign_in(router: &Router, key: &SigningKey) -> String {
    let answer = hand_in(router, &challenge(router, key.name()).await, key).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    answer.json()["token"].as_str().unwrap().to_owned()
}

async fn call(router: &Router, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    let request = Request::builder().method(method).uri(path);
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    ask(router, request.body(Body::empty()).unwrap()).await
}

pub(super) async fn as_bearer(router: &Router, path: &str, token: &str) -> Answer {
    call(router, "GET", path, &[("authorization", &format!("Bearer {token}"))]).await
}

fn refused(answer: &Answer) -> (StatusCode, Value) {
    (answer.status, answer.json())
}

/// A town, and the key of its publisher.
async fn town() -> (Town, SigningKey) {
    let town = Town::empty().await;
    let publisher = &town.fixture.people["文书"].key;
    let copy = SigningKey::from_seed(publisher.name(), publisher.verifier().kind(), *publisher.seed()).unwrap();
    (town, copy)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registered_key_signs_in_and_is_told_its_person_and_roles() {
    let (town, key) = town().await;
    let text = challenge(&town.internal, key.name()).await;
    let login = Login::parse(&text).unwrap();
    assert_eq!((login.origin.as_str(), login.key.as_str()), ("ledger.example/qinghe", key.name()));
    let session = hand_in(&town.internal, &text, &key).await;
    assert_eq!(session.status, StatusCode::CREATED, "{}", session.text());
    let (cookie, session) = (session.header("set-cookie").to_owned(), session.json());
    let token = session["token"].as_str().unwrap();
    assert_eq!(token.len(), 64);
    assert_eq!(cookie, format!("{COOKIE_NAME}={token}; Path=/internal/; Max-Age=43200; HttpOnly; SameSite=Strict"));
    let me = as_bearer(&town.internal, ME, token).await;
    assert_eq!(me.header("cache-control"), "no-store");
    let roles = json!([{"role": "publisher", "label": "发布人", "org": COUNTY}]);
    let person = &town.fixture.people["文书"].stream;
    assert_eq!(me.json(), json!({"person": person, "key": key.name(), "roles": roles}));
    let with_cookie = call(&town.internal, "GET", ME, &[("cookie", &format!("{COOKIE_NAME}={token}"))]).await;
    assert_eq!(with_cookie.json(), me.json());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cookie_that_came_over_tls_never_goes_out_in_the_clear() {
    let (town, key) = town().await;
    let secured = town.internal.clone().layer(axum::Extension(Secured));
    let session = hand_in(&secured, &challenge(&secured, key.name()).await, &key).await;
    assert!(session.header("set-cookie").ends_with("; HttpOnly; SameSite=Strict; Secure"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_key_gets_a_challenge_like_any_other() {
    let (town, known) = town().await;
    let of = async |name: &str| {
        let answer = post(&town.internal, CHALLENGES, &json!({ "key": name })).await;
        let members: Vec<String> = answer.json().as_object().unwrap().keys().cloned().collect();
        let text = answer.json()["challenge"].as_str().unwrap().replace(name, "");
        (answer.status, members, text.lines().count(), text.len())
    };
    assert_eq!(of(known.name()).await, of("无名.example/1").await);
    assert_eq!(of(known.name()).await, of("somebody.else.example/12345").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_may_not_sign_in_gets_one_and_the_same_answer() {
    let (mut town, good) = town().await;
    let late = another_key(&mut town).await;
    revoke(&mut town).await;
    let router = &town.internal;
    let mut answers = Vec::new();
    // A replay.
    let text = challenge(router, good.name()).await;
    assert_eq!(hand_in(router, &text, &good).await.status, StatusCode::CREATED);
    answers.push(hand_in(router, &text, &good).await);
    // Another ledger's challenge, and one that nobody gave.
    let login = Login::parse(&challenge(router, good.name()).await).unwrap();
    let made_up = Login { nonce: Digest::from_bytes([9; 32]), ..login.clone() };
    let elsewhere = Login { origin: "ledger.example/other".into(), ..login };
    for login in [elsewhere, made_up] {
        answers.push(hand_in(router, &login.to_text(), &good).await);
    }
    // Another key, also one of the same name.
    let text = challenge(router, good.name()).await;
    answers.push(hand_in(router, &text, &town.fixture.people["审批"].key).await);
    let text = challenge(router, good.name()).await;
    answers.push(hand_in(router, &text, &key(good.name(), 99)).await);
    // A key that nobody has, one that was revoked, the ledger's own.
    for key in [key("nobody.example/1", 98), late, gongkai_store::testing::ledger_keys().log] {
        let text = challenge(router, key.name()).await;
        answers.push(hand_in(router, &text, &key).await);
    }
    // A second signature, and none that is one.
    let text = challenge(router, good.name()).await;
    let twice = note::sign(&text, &[&good, &town.fixture.people["审批"].key]).unwrap();
    answers.push(post(router, SESSIONS, &json!({ "note": twice })).await);
    answers.push(post(router, SESSIONS, &json!({ "note": "nothing" })).await);
    // Too late.
    let text = challenge(router, good.name()).await;
    town.fixture.clock.advance(std::time::Duration::from_secs(CHALLENGE_SECONDS_MAX.unsigned_abs()));
    answers.push(hand_in(router, &text, &good).await);
    for (place, answer) in answers.iter().enumerate() {
        assert_eq!(refused(answer), refused(&answers[0]), "{place}");
        assert_eq!(answer.headers.get("set-cookie"), None, "{place}");
    }
    assert_eq!((answers[0].status, &answers[0].json()["code"]), (StatusCode::FORBIDDEN, &json!("sign_in_refused")));
}

const LATE_KEY: &str = "key/018f0000-0000-7000-8000-0000000000aa";

/// Gives the publisher another key.
async fn another_key(town: &mut Town) -> SigningKey {
    let key = key("late.example/1", 97);
    let fields = json!({"person": town.fixture.people["文书"].stream, "key": key.verifier().to_string()});
    let command = json!({"kind": "key.authorized.v1", "stream": LATE_KEY, "org": COUNTY, "fields": fields});
    town.fixture.submit(&command, &[("registrar", "甲")]).await.unwrap();
    key
}

async fn revoke(town: &mut Town) {
    let command = json!({"kind": "key.revoked.v1", "stream": LATE_KEY, "org": COUNTY, "fields": {"reason": "lost"}});
    town.fixture.submit(&command, &[("registrar", "甲")]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_with_its_key() {
    let (mut town, _) = town().await;
    let late = another_key(&mut town).await;
    let token = sign_in(&town.internal, &late).await;
    assert_eq!(as_bearer(&town.internal, ME, &token).await.status, StatusCode::OK);
    revoke(&mut town).await;
    let answer = as_bearer(&town.internal, ME, &token).await;
    assert_eq!((answer.status, answer.header("www-authenticate")), (StatusCode::UNAUTHORIZED, "Bearer"));
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_out_and_being_idle_end_a_session() {
    let (town, key) = town().await;
    let (first, second) = (sign_in(&town.internal, &key).await, sign_in(&town.internal, &key).await);
    let gone = call(&town.internal, "DELETE", CURRENT, &[("authorization", &format!("Bearer {first}"))]).await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
    assert!(gone.header("set-cookie").contains("Max-Age=0"), "{}", gone.header("set-cookie"));
    assert_eq!(as_bearer(&town.internal, ME, &first).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(as_bearer(&town.internal, ME, &second).await.status, StatusCode::OK);
    town.fixture.clock.advance(std::time::Duration::from_secs(IDLE_SECONDS_MAX));
    assert_eq!(as_bearer(&town.internal, ME, &second).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cookie_changes_something_only_from_our_own_pages() {
    let (town, key) = town().await;
    let cookie = format!("{COOKIE_NAME}={}", sign_in(&town.internal, &key).await);
    let delete = async |more: &[(&str, &str)]| {
        let headers = [&[("cookie", cookie.as_str()), ("host", "gk.example")], more].concat();
        call(&town.internal, "DELETE", CURRENT, &headers).await
    };
    for more in [
        &[][..],
        &[("origin", "https://evil.example")],
        &[("sec-fetch-site", "cross-site")],
        &[("origin", "https://gk.example"), ("sec-fetch-site", "same-site")],
    ] {
        let answer = delete(more).await;
        let code = answer.json()["code"].clone();
        assert_eq!((answer.status, code), (StatusCode::FORBIDDEN, json!("cross_origin")), "{more:?}");
    }
    assert_eq!(delete(&[("origin", "https://gk.example")]).await.status, StatusCode::NO_CONTENT);
}

/// An endpoint for reviewers, and the doors that there are.
fn with_a_door_for_reviewers() -> Vec<Door> {
    let endpoint = Endpoint {
        method: "get",
        path: "/internal/api/v1/reviewed",
        id: "reviewed",
        summary: "只给审核人（虚构）",
        params: &[],
        body: None,
        answers: &[],
        problems: &[],
        writes: true,
        handler: get(async || "content"),
    };
    let callers = Callers::Holding(&[Role::Reviewer]);
    doors().into_iter().chain([Door { endpoint, callers, unseen: Unseen::Absent }]).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_for_the_reader_is_like_what_does_not_exist_and_a_role_withdrawn_a_second_ago_is_gone() {
    const REVIEWED: &str = "/internal/api/v1/reviewed";
    let (mut town, publisher) = town().await;
    town.fixture.officer("审核", COUNTY, "reviewer").await;
    let router = crate::http::finish(routes(&town.app, with_a_door_for_reviewers()), &town.app, &Limits::default());
    let reviewer = sign_in(&router, &town.fixture.people["审核"].key).await;
    let publisher = sign_in(&router, &publisher).await;
    let nothing = call(&router, "GET", "/internal/api/v1/nothing", &[]).await;
    assert_eq!(nothing.status, StatusCode::NOT_FOUND);
    assert_eq!(as_bearer(&router, REVIEWED, &reviewer).await.text(), "content");
    let unsigned = call(&router, "GET", REVIEWED, &[]).await;
    let method = call(&router, "PUT", REVIEWED, &[("authorization", &format!("Bearer {reviewer}"))]).await;
    let other = as_bearer(&router, REVIEWED, &publisher).await;
    let role = withdraw_role(&mut town, "审核").await;
    let withdrawn = as_bearer(&router, REVIEWED, &reviewer).await;
    for answer in [unsigned, method, other, withdrawn] {
        assert_eq!((answer.status, &answer.headers, &answer.body), (nothing.status, &nothing.headers, &nothing.body));
    }
    assert_eq!(as_bearer(&router, ME, &reviewer).await.json()["roles"], json!([]), "{role}");
}

/// Withdraws the only role of a person; gives its stream.
async fn withdraw_role(town: &mut Town, name: &str) -> String {
    let person = town.fixture.people[name].stream.clone();
    let role = town.fixture.ledger.with_world(|world| world.grants(&person)[0].stream.to_string());
    let command =
        json!({"kind": "role.withdrawn.v1", "stream": role, "org": COUNTY, "fields": {"reason": "换届(虚构)"}});
    town.fixture.submit(&command, &[("registrar", "甲"), ("registrar", "乙")]).await.unwrap();
    role
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_signed_in_by_a_made_up_token_and_the_public_side_has_nothing_of_it() {
    let (town, key) = town().await;
    for token in ["", "0", &"0".repeat(64), &"f".repeat(10_000)] {
        assert_eq!(as_bearer(&town.internal, ME, token).await.status, StatusCode::UNAUTHORIZED);
    }
    let nothing = town.get("/internal/api/v1/nothing").await;
    for path in [ME, CURRENT, CHALLENGES] {
        let answer = town.get(path).await;
        assert_eq!((answer.status, &answer.body), (StatusCode::NOT_FOUND, &nothing.body), "{path}");
    }
    let answer = post(&town.public, CHALLENGES, &json!({ "key": key.name() })).await;
    assert_eq!((answer.status, &answer.body), (StatusCode::NOT_FOUND, &nothing.body));
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_to_sign_in_are_bounded_and_strict() {
    let (town, key) = town().await;
    for (path, body, status) in [
        (CHALLENGES, json!({ "key": "a b" }), StatusCode::BAD_REQUEST),
        (CHALLENGES, json!({ "key": "a".repeat(256) }), StatusCode::BAD_REQUEST),
        (CHALLENGES, json!({ "key": key.name(), "more": 1 }), StatusCode::BAD_REQUEST),
        (CHALLENGES, json!({ "key": "a".repeat(20_000) }), StatusCode::PAYLOAD_TOO_LARGE),
        (SESSIONS, json!({ "note": "a".repeat(20_000) }), StatusCode::PAYLOAD_TOO_LARGE),
        (SESSIONS, json!({}), StatusCode::BAD_REQUEST),
    ] {
        assert_eq!(post(&town.internal, path, &body).await.status, status, "{path} {body:.80}");
    }
}
