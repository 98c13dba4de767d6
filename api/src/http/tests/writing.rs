//! Prepare, submit, and each way in which a submission is not taken.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use gongkai_log::{SignedStatement, Statement};
use gongkai_store::testing::{COUNTY, pledge};
use serde_json::{Value, json};

use super::{Town, ask};

const SUBMIT: &str = "/api/v1/submissions";

#[tokio::test(flavor = "multi_thread")]
async fn a_command_is_prepared_signed_submitted_and_readable() {
    let mut town = Town::empty().await;
    let mut command = pledge(COUNTY, 1);
    let key = &town.fixture.people["文书"].key;
    command["signers"] = json!([["publisher", key.name()]]);
    let prepared = town.post("/api/v1/prepare", "unused", command.to_string()).await;
    assert_eq!(prepared.status, StatusCode::OK, "{}", prepared.text());
    let prepared = prepared.json();
    assert_eq!(prepared["openings"].as_array().unwrap().len(), 16);
    let statement = Statement::parse(prepared["statement"].as_str().unwrap()).unwrap();
    let signed = SignedStatement::sign(&statement, &[key]).unwrap();
    let body = json!({ "note": signed.note.to_string(), "openings": prepared["openings"], "lines": prepared["lines"] });
    let receipt = town.post(SUBMIT, "once", body.to_string()).await;
    assert_eq!(receipt.status, StatusCode::CREATED, "{}", receipt.text());
    let receipt = receipt.json();
    assert_eq!(receipt["statement_hash"], signed.hash.to_string());
    town.catch_up().await;
    let entry = town.get(&format!("/api/v1/entries/{}", receipt["index"])).await.json();
    assert_eq!((&entry["entry_hash"], &entry["recorded_at"]), (&receipt["entry_hash"], &receipt["recorded_at"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_submission_again_gets_the_same_receipt_and_another_under_its_key_is_refused() {
    let mut town = Town::empty().await;
    let (one, other) = (town.signed_pledge(1).to_string(), town.signed_pledge(2).to_string());
    let first = town.post(SUBMIT, "key-1", one.clone()).await;
    let again = town.post(SUBMIT, "key-1", one).await;
    assert_eq!((first.status, again.status), (StatusCode::CREATED, StatusCode::OK));
    assert_eq!(first.json(), again.json());
    let conflict = town.post(SUBMIT, "key-1", other).await;
    assert_eq!(
        (conflict.status, conflict.json()["code"].as_str()),
        (StatusCode::CONFLICT, Some("idempotency_conflict"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn each_refusal_has_its_status_and_changes_nothing() {
    let mut town = Town::empty().await;
    let good = town.signed_pledge(1);
    let before = *town.fixture.ledger.committed().borrow();
    let with = |change: &dyn Fn(&mut Value)| {
        let mut body = good.clone();
        change(&mut body);
        body.to_string()
    };
    let note = good["note"].as_str().unwrap().to_owned();
    let forged = note.replace("2026-11-30", "2026-12-30");
    let renamed =
        note.replace(&format!("\u{2014} {}", town.fixture.people["文书"].key.name()), "\u{2014} 无名.example/1");
    assert_ne!(note, forged);
    let nobody = town.fixture.opening(&pledge(COUNTY, 3), &[("publisher", "审批")]);
    let missing = town.fixture.opening(
        &json!({"kind": "pledge.fulfilled.v1", "stream": "pledge/018f0000-0000-7000-8000-0000000000ff", "org": COUNTY, "fields": {"report": "已完成(虚构)"}}),
        &[("publisher", "文书")],
    );
    let identity = {
        let mut command = pledge(COUNTY, 4);
        command["fields"]["measures"] = json!("联系人身份证 11010519491231002X(虚构)");
        town.fixture.opening(&command, &[("publisher", "文书")])
    };
    let text = |submission: &gongkai_domain::Submission| serde_json::to_string(submission).unwrap();
    for (name, body, status, code) in [
        ("no JSON", "{".to_owned(), 400, "bad_json"),
        ("another member", with(&|body| body["extra"] = json!(1)), 400, "bad_json"),
        ("no note", with(&|body| body["note"] = json!("nothing")), 400, "malformed"),
        ("an opening too few", with(&|body| drop(body["openings"].as_array_mut().unwrap().pop())), 400, "malformed"),
        ("other bytes than were signed", with(&|body| body["note"] = json!(forged)), 403, "bad_signature"),
        ("somebody else's line", with(&|body| body["note"] = json!(renamed)), 403, "bad_signature"),
        ("no role", text(&nobody), 403, "no_role"),
        ("no such matter", text(&missing), 404, "stream_missing"),
        ("personal data", text(&identity), 422, "personal_data"),
        (
            "another ledger",
            with(&|body| body["note"] = json!(note.replace("ledger.example/qinghe", "ledger.example/other"))),
            422,
            "wrong_origin",
        ),
    ] {
        let answer = town.post(SUBMIT, &format!("refused-{code}-{}", name.len()), body).await;
        assert_eq!(
            (answer.status.as_u16(), answer.json()["code"].as_str().unwrap_or_default().to_owned()),
            (status, code.to_owned()),
            "{name}: {}",
            answer.text()
        );
        assert_eq!(answer.header("content-type"), "application/problem+json; charset=utf-8", "{name}");
    }
    assert_eq!(*town.fixture.ledger.committed().borrow(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_parent_is_told_what_is_current() {
    let mut town = Town::empty().await;
    let receipt = town.say("pledge.made.v1", |_| {}).await;
    town.catch_up().await;
    let stream = town.stream_of(receipt.index).await;
    let report = |percent: u64| {
        json!({"kind": "pledge.progressed.v1", "stream": stream, "org": COUNTY,
        "fields": {"percent": percent, "on": "2026-03-02", "report": "正在办(虚构)"}})
    };
    let (first, second) = (report(10), report(20));
    let first = town.fixture.signed(&first, &[("publisher", "文书")]).await.unwrap();
    let second = town.fixture.signed(&second, &[("publisher", "文书")]).await.unwrap();
    let taken = town.post(SUBMIT, "a", serde_json::to_string(&first).unwrap()).await;
    assert_eq!(taken.status, StatusCode::CREATED, "{}", taken.text());
    let stale = town.post(SUBMIT, "b", serde_json::to_string(&second).unwrap()).await;
    let problem = stale.json();
    assert_eq!((stale.status, problem["code"].as_str()), (StatusCode::CONFLICT, Some("stale_parent")));
    assert_eq!(
        (problem["head"]["revision"].as_u64(), &problem["head"]["hash"]),
        (Some(1), &taken.json()["statement_hash"])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_submission_needs_one_visible_idempotency_key() {
    let mut town = Town::empty().await;
    let body = town.signed_pledge(1).to_string();
    let long = "k".repeat(129);
    for keys in [&[][..], &[""], &["a b"], &["a\u{9}"], &[long.as_str()], &["one", "two"]] {
        let mut request = Request::post(SUBMIT);
        for key in keys {
            request = request.header("idempotency-key", *key);
        }
        let answer = ask(&town.internal, request.body(Body::from(body.clone())).unwrap()).await;
        assert_eq!(
            (answer.status, answer.json()["code"].as_str()),
            (StatusCode::BAD_REQUEST, Some("bad_idempotency_key")),
            "{keys:?}"
        );
    }
    let longest = "k".repeat(128);
    assert_eq!(town.post(SUBMIT, &longest, body).await.status, StatusCode::CREATED);
}

#[tokio::test(flavor = "multi_thread")]
async fn bombs_are_refused_and_bounded() {
    let town = Town::empty().await;
    let deep = format!("{{\"note\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    for path in [SUBMIT, "/api/v1/prepare"] {
        let answer = town.post(path, "deep", deep.clone()).await;
        assert_eq!(
            (answer.status, answer.json()["code"].as_str()),
            (StatusCode::BAD_REQUEST, Some("bad_json")),
            "{path}"
        );
        let answer = town.post(path, "long", vec![b' '; (8 << 20) + 1]).await;
        assert_eq!(
            (answer.status, answer.json()["code"].as_str()),
            (StatusCode::PAYLOAD_TOO_LARGE, Some("body_too_large")),
            "{path}"
        );
        // Eight bytes each, and some seven hundred in memory.
        let many = format!("{{\"lines\": [{}0]}}", "{\"a\":0},".repeat(800_000));
        let answer = town.post(path, "many", many).await;
        assert_eq!(
            (answer.status, answer.json()["code"].as_str()),
            (StatusCode::PAYLOAD_TOO_LARGE, Some("body_too_large")),
            "{path}"
        );
        let answer = town.post(path, "bytes", vec![0xff; 64]).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{path}");
    }
    let packed = Request::post(SUBMIT).header("idempotency-key", "z").header("content-encoding", "gzip");
    let answer = ask(&town.internal, packed.body(Body::from(vec![0x1f, 0x8b])).unwrap()).await;
    assert_eq!(
        (answer.status, answer.json()["code"].as_str()),
        (StatusCode::UNSUPPORTED_MEDIA_TYPE, Some("unsupported_media_type"))
    );
    let file = Request::put("/api/v1/attachments").body(Body::from(vec![0; (20 << 20) + 1])).unwrap();
    assert_eq!(ask(&town.internal, file).await.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_public_listener_takes_nothing_of_officials() {
    let mut town = Town::empty().await;
    let body = town.signed_pledge(1).to_string();
    let before = *town.fixture.ledger.committed().borrow();
    for (method, path) in [("POST", SUBMIT), ("POST", "/api/v1/prepare"), ("PUT", "/api/v1/attachments")] {
        let request = Request::builder().method(method).uri(path).header("idempotency-key", "k");
        let answer = ask(&town.public, request.body(Body::from(body.clone())).unwrap()).await;
        assert_eq!(
            (answer.status, answer.json()["code"].as_str()),
            (StatusCode::FORBIDDEN, Some("not_here")),
            "{path}"
        );
    }
    assert_eq!(*town.fixture.ledger.committed().borrow(), before);
    let wrong = ask(&town.public, Request::delete("/api/v1/pledges").body(Body::empty()).unwrap()).await;
    assert_eq!(
        (wrong.status, wrong.json()["code"].as_str()),
        (StatusCode::METHOD_NOT_ALLOWED, Some("method_not_allowed"))
    );
}
