//! The public side for somebody who reads English, over views with a matter of every family.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use serde_json::json;

use super::pages::{ADDRESSES, matters};
use super::{Answer, Town, ask};
use crate::http::server::Secured;
use crate::site::english;

async fn in_english(town: &Town, path: &str) -> Answer {
    ask(
        &town.public,
        Request::get(path).header("accept-language", "en-GB,en;q=0.9,zh;q=0.1").body(Body::empty()).unwrap(),
    )
    .await
}

/// The bytes that were recorded and opened: all that people published, and none of our labels.
pub(super) async fn recorded(town: &Town) -> String {
    let mut recorded = String::from("青禾县公开账本(虚构)青禾县(虚构)中文");
    let size = town.get("/api/v1/entries/0").await.json()["checkpoint"]["size"].as_u64().unwrap_or(200);
    for index in 0..size {
        let entry = town.get(&format!("/entries/{index}")).await;
        if entry.status != StatusCode::OK {
            break;
        }
        recorded.push_str(entry.text());
    }
    recorded + town.get("/log/openings/000").await.text()
}

/// The same with the lines of lists, where there is a matter of every family.
async fn recorded_with_lines(town: &Town) -> String {
    let mut recorded = recorded(town).await;
    for (page, _) in matters(town).await {
        let detail = town.get(&format!("/api/v1{page}")).await.json();
        recorded.extend([detail["posts"].to_string(), detail["people"].to_string()]);
        if page.starts_with("/disclosures") {
            recorded.push_str(town.get(&format!("/api/v1{page}/lines?format=csv")).await.text());
        }
    }
    recorded
}

async fn paths(town: &Town) -> Vec<String> {
    const MORE: [&str; 19] = [
        "/nothing",
        "/notices?status=late",
        "/notices?page=0",
        "/notices?nothing=1",
        "/pledges?org=341599&year=2026",
        "/compliance?on=2020-01-01",
        "/pledges?on=2020-01-01",
        "/pledges?on=2999-01-01",
        "/pledges?on=2020-01-01&page=2",
        "/pledges?before=2",
        "/organizations/341599?on=2020-01-01",
        "/timeline?on=2020-01-01",
        "/hand-in",
        "/follow",
        "/hand-in/letter.received",
        "/hand-in/nomination.objected",
        "/hand-in/tally.cast",
        "/hand-in/letter.received?org=341599",
        "/n/3/picture",
    ];
    let mut paths = [&ADDRESSES[..], &MORE[..]].concat().into_iter().map(str::to_owned).collect::<Vec<_>>();
    for (page, stream) in matters(town).await {
        paths.extend([format!("/streams/{stream}"), format!("{page}/loudspeaker"), page]);
    }
    for (kind, place) in
        [("nomination.objected", 2), ("notice.objected", 3), ("disclosure.questioned", 4), ("vacancy.recommended", 1)]
    {
        let (_, stream) = matters(town).await.remove(place);
        paths.push(format!("/hand-in/{kind}?about={stream}"));
    }
    paths
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_is_english_but_for_what_people_published() {
    let town = Town::with_matters().await;
    let paths = paths(&town).await;
    let missing = untranslated(&town, &paths, &recorded_with_lines(&town).await).await;
    assert!(missing.is_empty(), "texts of pages without English:\n{}", missing.join("\n"));
}

/// Chinese on these pages that nobody published.
pub(super) async fn untranslated(town: &Town, paths: &[String], recorded: &str) -> Vec<String> {
    let mut missing = Vec::new();
    for path in paths {
        let answer = in_english(town, path).await;
        assert!(answer.header("content-type").starts_with("text/html"), "{path}: {}", answer.status);
        assert_eq!(answer.header("content-language"), "en", "{path}");
        for text in english::left(answer.text()) {
            let runs = text.split(|char: char| !english::has_chinese(&char.to_string())).filter(|run| !run.is_empty());
            if runs.into_iter().any(|run| !recorded.contains(run)) {
                missing.push(format!("{path}: {text}"));
            }
        }
    }
    missing.sort();
    missing.dedup();
    missing
}

#[tokio::test(flavor = "multi_thread")]
async fn a_title_that_reads_like_a_label_stays_as_it_was_published() {
    let mut town = Town::empty().await;
    town.say("pledge.made.v1", |fields| fields["title"] = json!("首页")).await;
    town.catch_up().await;
    let list = town.get("/api/v1/pledges").await.json();
    let stream = list["items"][0]["stream"].as_str().unwrap().to_owned();
    for path in
        ["/pledges".to_owned(), format!("/{}", stream.replace("pledge/", "pledges/")), format!("/streams/{stream}")]
    {
        let answer = in_english(&town, &path).await;
        let body = answer.text().split("<main").nth(1).unwrap();
        assert!(body.contains("首页"), "{path}");
        assert!(body.split("<footer").next().unwrap().matches("Home").count() == 0, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_languages_share_neither_tag_nor_body() {
    let town = Town::with_matters().await;
    for path in ["/", "/pledges", "/about", "/hand-in"] {
        let (chinese, english) = (town.get(path).await, in_english(&town, path).await);
        assert!(
            chinese.text().contains("<html lang=\"zh-CN\">") && english.text().contains("<html lang=\"en\">"),
            "{path}"
        );
        assert_ne!(chinese.header("etag"), english.header("etag"), "{path}");
        for answer in [&chinese, &english] {
            let vary: Vec<&str> = answer.headers.get_all("vary").iter().map(|value| value.to_str().unwrap()).collect();
            assert!(vary.contains(&"accept-language, cookie"), "{path}: {vary:?}");
        }
        for (tag, language, status) in [
            (&chinese, "zh", StatusCode::NOT_MODIFIED),
            (&english, "en", StatusCode::NOT_MODIFIED),
            (&chinese, "en", StatusCode::OK),
            (&english, "zh", StatusCode::OK),
        ] {
            let request =
                Request::get(path).header("accept-language", language).header("if-none-match", tag.header("etag"));
            let answer = ask(&town.public, request.body(Body::empty()).unwrap()).await;
            assert_eq!(answer.status, status, "{path} {language}");
            assert_eq!(answer.body.is_empty(), status == StatusCode::NOT_MODIFIED, "{path} {language}");
            assert!(answer.header("vary").contains("accept-language"), "{path} {language}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_switches_the_language_and_only_who_follows_it_gets_a_cookie() {
    let town = Town::with_matters().await;
    let chinese = town.get("/pledges?year=2026&org=341599").await;
    assert!(chinese.text().contains("href=\"?year=2026&amp;org=341599&amp;lang=en\""), "{}", chinese.text());
    assert!(chinese.headers.get("set-cookie").is_none());
    let switched = town.get("/pledges?year=2026&org=341599&lang=en").await;
    assert_eq!(switched.status, StatusCode::OK);
    assert_eq!(switched.header("set-cookie"), "lang=en; Path=/; Max-Age=31536000; SameSite=Lax; HttpOnly");
    assert_eq!(switched.header("cache-control"), "private, no-cache", "no cache hands the choice to others");
    assert!(switched.text().contains("<html lang=\"en\">"));
    assert!(switched.text().contains("href=\"?year=2026&amp;org=341599&amp;lang=zh-CN\""));
    let secured = town.public.clone().layer(axum::Extension(Secured));
    let request = Request::get("/pledges?lang=en").body(Body::empty()).unwrap();
    let over_tls = ask(&secured, request).await;
    assert!(over_tls.header("set-cookie").ends_with("; HttpOnly; Secure"), "{}", over_tls.header("set-cookie"));
    let request = Request::get("/pledges").header("cookie", "lang=en").header("accept-language", "zh-CN");
    let kept = ask(&town.public, request.body(Body::empty()).unwrap()).await;
    assert!(kept.text().contains("<html lang=\"en\">") && kept.headers.get("set-cookie").is_none());
    let odd = town.get("/pledges?lang=%22%3E%3Cscript%3E").await;
    assert_eq!(odd.status, StatusCode::OK);
    assert!(odd.text().contains("<html lang=\"zh-CN\">") && odd.headers.get("set-cookie").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_english_page_runs_english_scripts_that_may_be_kept_for_ever() {
    let town = Town::with_matters().await;
    let page = in_english(&town, "/about").await;
    let src = page.text().split('"').find(|text| text.starts_with("/assets/en/site.js?v=")).unwrap().to_owned();
    let script = town.get(&src).await;
    assert_eq!(script.status, StatusCode::OK);
    assert!(script.header("cache-control").contains("immutable") && script.text().contains("Copied"));
    for module in ["office.js", "note.js", "vendor/crypto.js"] {
        assert_eq!(town.get(&format!("/assets/en/{module}")).await.status, StatusCode::OK, "{module}");
    }
    assert_eq!(town.get("/assets/en/site.css").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_problem_is_told_in_the_readers_language_and_the_log_and_the_console_have_one() {
    let town = Town::with_matters().await;
    let problem = in_english(&town, "/api/v1/pledges?page=0").await.json();
    assert_eq!(problem["title"], "The query is not right");
    assert!(!english::has_chinese(problem["detail"].as_str().unwrap()), "{problem}");
    assert!(english::has_chinese(town.get("/api/v1/pledges?page=0").await.json()["title"].as_str().unwrap()));
    let entry = in_english(&town, "/entries/0").await;
    assert_eq!(entry.text(), town.get("/entries/0").await.text());
    assert!(!entry.header("vary").contains("language"));
    let request = Request::get("/internal/sign-in").header("accept-language", "en").body(Body::empty()).unwrap();
    assert!(ask(&town.internal, request).await.text().contains("<html lang=\"zh-CN\">"));
}
