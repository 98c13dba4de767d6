//! Forms as a browser without scripts sends them, and what leads to them.

use axum::body::Body;
use axum::http::Request;
use gongkai_store::testing::COUNTY;

use super::citizen::{CANARY, Office};
use super::{Answer, ask};
use crate::http::citizen::address::Peer;
use crate::http::query::escape;

/// Posts a form to the public listener.
pub(super) async fn post(office: &Office, path: &str, fields: &[(&str, &str)], headers: &[(&str, &str)]) -> Answer {
    let mut form = String::new();
    for (name, value) in fields {
        form.extend(["&", name, "="]);
        escape(&mut form, value);
    }
    let mut request = Request::post(path).header("content-type", "application/x-www-form-urlencoded");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut request = request.body(Body::from(form)).unwrap();
    request.extensions_mut().insert(Peer("192.0.2.1".parse().unwrap()));
    ask(&office.town.public, request).await
}

pub(super) fn letter(class: &str) -> [(&str, &str); 4] {
    [("_org", COUNTY), ("class", class), ("title", "水渠塌方(虚构)"), ("text", CANARY)]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_posted_without_scripts_is_promised_and_followed_on_pages_that_nobody_keeps() {
    let office = Office::open().await;
    let answer = post(&office, "/hand-in/letter.received", &letter("appeal"), &[]).await;
    assert_eq!((answer.status.as_u16(), answer.header("cache-control")), (200, "no-store"), "{}", answer.text());
    assert_eq!(answer.header("referrer-policy"), "no-referrer");
    let text = answer.text();
    assert!(text.contains("gongkai.promise/v1") && !text.contains(CANARY));
    let code = text.split_once("codeword\">").unwrap().1.split_once('<').unwrap().0.to_owned();
    let followed = post(&office, "/follow", &[("code", &code.to_lowercase())], &[]).await;
    assert_eq!((followed.status.as_u16(), followed.header("cache-control")), (200, "no-store"));
    assert!(followed.text().contains("已收到，等待登记") && !followed.text().contains(CANARY));
    let unknown = post(&office, "/follow", &[("code", "0000-0000-0000-0000")], &[]).await;
    assert_eq!(unknown.status.as_u16(), 404);
    assert_eq!(office.town.get(&format!("/follow?code={code}")).await.text().matches("已收到").count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_must_be_encrypted_or_comes_from_another_site_is_not_taken_from_a_form() {
    let office = Office::open().await;
    let accused = post(&office, "/hand-in/letter.received", &letter("accusation"), &[]).await;
    assert_eq!(accused.status.as_u16(), 400);
    assert!(accused.text().contains("应在您自己的设备上加密后提交") && !accused.text().contains(CANARY));
    for kind in ["nomination.objected", "notice.objected"] {
        let refused = post(&office, &format!("/hand-in/{kind}"), &letter("opinion"), &[]).await;
        assert_eq!(refused.status.as_u16(), 400, "{kind}");
        assert!(refused.text().contains("应在您自己的设备上加密后提交"), "{kind}");
    }
    for headers in [[("sec-fetch-site", "cross-site")], [("origin", "https://elsewhere.example")]] {
        let forged = post(&office, "/hand-in/letter.received", &letter("appeal"), &headers).await;
        assert_eq!(forged.status.as_u16(), 403, "{headers:?}");
    }
    let unknown = post(&office, "/hand-in/pledge.made", &letter("appeal"), &[]).await;
    assert_eq!(unknown.status.as_u16(), 404, "what is said with a key has no form");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_begins_with_whom_it_is_for_or_with_what_is_open() {
    let mut office = Office::open().await;
    let form = |path: &'static str| office.town.get(path);
    let chosen = format!("/hand-in/letter.received?org={COUNTY}");
    assert!(form("/hand-in/letter.received").await.text().contains(&chosen));
    assert!(form("/hand-in/letter.rated").await.text().contains("href=\"/follow\""));
    assert!(form("/hand-in/vacancy.recommended").await.text().contains("href=\"/vacancies\""));
    assert!(form("/hand-in/tally.cast").await.text().contains("眼下没有正在进行的"));
    assert_eq!(form("/hand-in/letter.received?org=0").await.status.as_u16(), 404);
    let receipt = office.town.say("vacancy.announced.v1", |_| {}).await;
    office.town.catch_up().await;
    let vacancy = office.town.stream_of(receipt.index).await;
    let listed = office.town.get("/hand-in/vacancy.recommended").await;
    let mut about = "/hand-in/vacancy.recommended?about=".to_owned();
    escape(&mut about, &vacancy);
    assert!(listed.text().contains(&about), "{}", listed.text());
    office.town.fixture.clock.advance(std::time::Duration::from_hours(40 * 24));
    assert!(!office.town.get("/hand-in/vacancy.recommended").await.text().contains(&about), "its window is over");
    assert!(office.town.get(&about).await.text().contains("已经截止"));
}
