//! Pages, lists, feeds and the description, over views with a matter of every family.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use gongkai_store::testing::{COUNTY, pledge};
use serde_json::Value;

use super::{HOSTILE, Town, ask};
use crate::http::guard::CSP;

/// The pages of one matter of each family, with its stream's generic page.
pub async fn matters(town: &Town) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for plural in ["pledges", "vacancies", "nominations", "notices", "disclosures"] {
        let list = town.get(&format!("/api/v1/{plural}")).await.json();
        let stream = list["items"][0]["stream"].as_str().unwrap_or_else(|| panic!("no {plural}: {list}"));
        let id = stream.split('/').nth(1).unwrap();
        found.push((format!("/{plural}/{id}"), stream.to_owned()));
    }
    found
}

/// Pages that every ledger of the tests has.
pub const ADDRESSES: [&str; 25] = [
    "/",
    "/pledges",
    "/vacancies",
    "/nominations",
    "/notices",
    "/disclosures",
    "/organizations",
    "/compliance",
    "/compliance?list=missing",
    "/compare",
    "/compare?under=341599",
    "/timeline",
    "/search",
    "/search?q=alert",
    "/search?q=%3Cscript%3E",
    "/about",
    "/status",
    "/entries/0/view",
    "/organizations/341599",
    "/organizations?under=341599",
    "/organizations?q=341599",
    "/organizations?at=2024",
    "/organizations?under=341599&at=2024",
    "/pledges?org=341599&year=2026&status=not_reported&type=practical&q=script",
    "/timeline?page=2",
];

#[tokio::test(flavor = "multi_thread")]
async fn every_page_renders_from_the_views_and_escapes_what_it_shows() {
    let town = Town::with_matters().await;
    let mut paths = ADDRESSES.map(str::to_owned).to_vec();
    for (page, stream) in matters(&town).await {
        paths.extend([page, format!("/streams/{stream}")]);
    }
    for path in paths {
        let answer = town.get(&path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text());
        assert_eq!(answer.header("content-type"), "text/html; charset=utf-8", "{path}");
        assert_eq!(answer.header("content-security-policy"), CSP, "{path}");
        assert!(answer.headers.get("set-cookie").is_none(), "{path}");
        assert!(!answer.text().contains("<script>"), "{path}");
        assert!(answer.text().contains("青禾县公开账本(虚构)"), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_of_a_pledge_shows_its_text_and_leads_to_its_proof() {
    let town = Town::with_matters().await;
    let (page, stream) = matters(&town).await.remove(0);
    let html = town.get(&page).await;
    let escaped = "&#60;script&#62;alert(1)&#60;/script&#62;";
    assert!(html.text().contains(escaped) || html.text().contains("&lt;script&gt;"), "{}", html.text());
    let detail = town.get(&format!("/api/v1{page}")).await.json();
    assert_eq!(detail["matter"]["title"], HOSTILE);
    assert_eq!(detail["matter"]["stream"], stream);
    let index = detail["matter"]["last_index"].as_u64().unwrap();
    assert!(html.text().contains(&format!("/api/v1/entries/{index}/proof")));
    let entry = town.get(&format!("/api/v1/entries/{index}")).await.json();
    assert!(
        html.text().contains(&entry["entry_hash"].as_str().unwrap().replace('+', "&#43;"))
            || html.text().contains(entry["entry_hash"].as_str().unwrap())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_home_page_shows_matters_and_what_is_registered_is_in_the_whole_list() {
    let town = Town::with_matters().await;
    let home = town.get("/").await;
    let (_, latest) = home.text().split_once("<h2>最新入账</h2>").unwrap();
    let (latest, _) = latest.split_once("</section>").unwrap();
    assert!(latest.contains("/pledges/") && !latest.contains("登记") && !latest.contains("/streams/"), "{latest}");
    let all = town.get("/timeline").await;
    assert!(all.text().contains("/streams/person/") && all.text().contains("封存的时段也占一个编号"), "{}", all.text());
    let board = town.get("/compliance").await;
    assert!(board.text().contains("到期了还没有兑现，或者没有报告结果。"), "{}", board.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_gets_a_page_or_a_problem_by_where_it_was_asked() {
    let town = Town::empty().await;
    for path in [
        "/nothing",
        "/pledges/1",
        "/pledges/018f0000-0000-7000-8000-000000000001",
        "/organizations/none",
        "/entries/999999/view",
        "/entries/00/view",
        "/streams/Pledge/018f0000-0000-7000-8000-000000000001",
        "/disclosures/..%2f",
    ] {
        let answer = town.get(path).await;
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (StatusCode::NOT_FOUND, "text/html; charset=utf-8"),
            "{path}"
        );
        assert!(answer.text().contains("没有找到这一页") && answer.text().contains("id=\"oops-q\""), "{path}");
    }
    for path in [
        "/api/v1/nothing",
        "/api/v1/pledges/1",
        "/api/v1/entries/999999",
        "/api/v1/entries/00",
        "/api/v1/entries/-1/proof",
        "/api/v1/organizations/none",
        "/api/v1/organizations/none/dossier",
        "/feeds/nothing",
        "/feeds/organizations/none",
        "/entries/18446744073709551616",
    ] {
        let answer = town.get(path).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(
            (answer.json()["code"].as_str(), answer.header("content-type")),
            (Some("not_found"), "application/problem+json; charset=utf-8")
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_filter_is_named_on_the_page_and_in_the_api() {
    let town = Town::empty().await;
    for query in ["page=0", "status=late", "nothing=1", "year=x", "org=%27"] {
        let answer = town.get(&format!("/api/v1/notices?{query}")).await;
        assert_eq!(
            (answer.status, answer.json()["code"].as_str()),
            (StatusCode::BAD_REQUEST, Some("bad_query")),
            "{query}"
        );
        let page = town.get(&format!("/notices?{query}")).await;
        assert_eq!(
            (page.status, page.header("content-type")),
            (StatusCode::BAD_REQUEST, "text/html; charset=utf-8"),
            "{query}"
        );
    }
    for query in ["on=2024-1-1", "on=2024-02-30", "on=2024-01-01&q=x"] {
        let answer = town.get(&format!("/api/v1/organizations?{query}")).await;
        assert_eq!((answer.status, answer.json()["code"].as_str()), (StatusCode::BAD_REQUEST, Some("bad_query")));
    }
    assert_eq!(town.get("/api/v1/organizations?on=2024-01-01").await.status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_and_its_downloads_have_the_same_matters() {
    let mut town = Town::with_matters().await;
    let pledges = town.fixture.pledges(120, "文书", gongkai_store::testing::COUNTY);
    let answers = town.fixture.ledger.submit_many(pledges.into_iter().map(|pledge| (None, pledge)).collect()).await;
    assert!(answers.iter().all(Result::is_ok));
    town.catch_up().await;
    let list = town.get("/api/v1/pledges?limit=100").await.json();
    assert_eq!((list["total"].as_u64(), list["items"].as_array().map(Vec::len)), (Some(121), Some(100)));
    let lines = town.get("/api/v1/pledges?format=jsonl").await;
    let streams: Vec<Value> =
        lines.text().lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["stream"].clone()).collect();
    assert_eq!(streams.len(), 121);
    assert_eq!(
        streams[..100],
        list["items"].as_array().unwrap().iter().map(|item| item["stream"].clone()).collect::<Vec<_>>()
    );
    let request = Request::get("/api/v1/pledges").header("accept", "text/csv").body(Body::empty()).unwrap();
    let table = ask(&town.public, request).await;
    assert!(table.header("content-type").starts_with("text/csv"));
    let mut rows = csv::Reader::from_reader(table.text().trim_start_matches('\u{feff}').as_bytes());
    assert_eq!(rows.headers().unwrap().get(0), Some("stream"));
    let rows: Vec<String> = rows.records().map(|row| row.unwrap()[0].to_owned()).collect();
    assert_eq!(rows, streams.iter().map(|stream| stream.as_str().unwrap().to_owned()).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lines_of_a_sheet_can_be_downloaded() {
    let town = Town::with_matters().await;
    let (page, _) = matters(&town).await.pop().unwrap();
    let json = town.get(&format!("/api/v1{page}/lines")).await.json();
    let table = town.get(&format!("/api/v1{page}/lines?format=csv")).await;
    assert_eq!(table.text().lines().count() as u64, json["total"].as_u64().unwrap() + 1);
    assert!(table.text().contains("33030"), "{}", table.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_has_the_members_that_its_schema_demands() {
    let town = Town::with_matters().await;
    let schemas = town.get("/api/v1/openapi.json").await.json()["components"]["schemas"].clone();
    let (pledge, stream) = matters(&town).await.remove(0);
    for (path, pointer, schema) in [
        ("/api/v1/pledges".to_owned(), "", "MatterPage"),
        ("/api/v1/pledges".to_owned(), "/items/0", "Matter"),
        ("/api/v1/pledges?on=2020-01-01".to_owned(), "", "MatterPage"),
        (format!("/api/v1{pledge}"), "", "MatterDetail"),
        (format!("/api/v1{pledge}"), "/history/0", "Event"),
        (format!("/api/v1/streams/{stream}"), "", "Stream"),
        ("/api/v1/organizations".to_owned(), "", "OrganizationPage"),
        ("/api/v1/organizations".to_owned(), "/items/0", "OrganizationItem"),
        ("/api/v1/organizations/341599".to_owned(), "", "Organization"),
        ("/api/v1/organizations/341599/dossier".to_owned(), "", "OrganizationDossier"),
        ("/api/v1/compliance".to_owned(), "/fulfilment", "FulfilmentRate"),
        ("/api/v1/search?q=alert".to_owned(), "", "SearchPage"),
        ("/api/v1/search?q=alert".to_owned(), "/hits/0", "Found"),
        ("/api/v1/entries/0".to_owned(), "", "Entry"),
        ("/api/v1/compliance".to_owned(), "", "Compliance"),
        ("/api/v1/kinds".to_owned(), "", "Kinds"),
        ("/api/v1/problems".to_owned(), "", "Problems"),
        ("/api/v1/nothing".to_owned(), "", "Problem"),
    ] {
        let answer = town.get(&path).await.json();
        let found = answer.pointer(pointer).unwrap_or_else(|| panic!("{path}{pointer}: {answer}"));
        for name in schemas[schema]["required"].as_array().unwrap() {
            assert!(found.get(name.as_str().unwrap()).is_some(), "{path}{pointer} lacks {name}: {found}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn feeds_are_well_formed_and_name_what_was_recorded() {
    let town = Town::with_matters().await;
    let (_, stream) = matters(&town).await.remove(0);
    for path in [
        "/feeds/all".to_owned(),
        "/feeds/pledges".to_owned(),
        "/feeds/disclosures".to_owned(),
        "/feeds/organizations/341599".to_owned(),
        format!("/feeds/streams/{stream}"),
    ] {
        let answer = town.get(&path).await;
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (StatusCode::OK, "application/atom+xml; charset=utf-8"),
            "{path}"
        );
        let mut reader = quick_xml::Reader::from_str(answer.text());
        let (mut entries, mut ids, mut updated) = (0, 0, 0);
        loop {
            match reader.read_event().unwrap() {
                quick_xml::events::Event::Start(start) => match start.name().as_ref() {
                    "entry" => entries += 1,
                    "id" => ids += 1,
                    "updated" => updated += 1,
                    "script" => panic!("{path}"),
                    _ => {}
                },
                quick_xml::events::Event::Eof => break,
                _ => {}
            }
        }
        assert!(entries > 0, "{path}");
        assert_eq!((ids, updated), (entries + 1, entries + 1), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_a_receipt_sees_what_it_is_for_or_hears_that_it_is_not_there_yet() {
    let mut town = Town::empty().await;
    let receipt = town.say("pledge.made.v1", |_| {}).await;
    let early = town.get(&format!("/api/v1/pledges?at_least={}", receipt.index)).await;
    assert_eq!((early.status, early.json()["code"].as_str()), (StatusCode::SERVICE_UNAVAILABLE, Some("views_behind")));
    town.catch_up().await;
    let list = town.get(&format!("/api/v1/pledges?at_least={}", receipt.index)).await.json();
    assert!(list["size"].as_u64().unwrap() > receipt.index);
    assert_eq!(list["total"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn assets_and_pages_can_be_asked_for_again_cheaply_and_without_a_body() {
    let town = Town::with_matters().await;
    for path in ["/assets/site.css", "/assets/site.js", "/pledges"] {
        let first = town.get(path).await;
        assert_eq!(first.status, StatusCode::OK, "{path}");
        let again = Request::get(path).header("if-none-match", first.header("etag")).body(Body::empty()).unwrap();
        assert_eq!(ask(&town.public, again).await.status, StatusCode::NOT_MODIFIED, "{path}");
        let head = ask(&town.public, Request::head(path).body(Body::empty()).unwrap()).await;
        assert_eq!((head.status, head.body.len()), (StatusCode::OK, 0), "{path}");
        let gzip = Request::get(path).header("accept-encoding", "gzip").body(Body::empty()).unwrap();
        let gzip = ask(&town.public, gzip).await;
        assert_eq!(gzip.header("content-encoding"), "gzip", "{path}");
        assert!(gzip.body.len() < first.body.len(), "{path}");
    }
    let home = town.get("/").await;
    let linked: Vec<&str> = home.text().split('"').filter(|text| text.starts_with("/assets/")).collect();
    assert_eq!(linked.len(), 3);
    for path in linked {
        assert!(town.get(path).await.header("cache-control").contains("immutable"), "{path}");
    }
    assert_eq!(town.get("/assets/site.css?v=old").await.header("cache-control"), "no-cache");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cache_that_many_readers_share_keeps_pages_for_seconds_and_problems_never() {
    let town = Town::with_matters().await;
    for path in ADDRESSES {
        let answer = town.get(path).await;
        assert_eq!(answer.header("cache-control"), "public, max-age=0, must-revalidate, s-maxage=5", "{path}");
        assert!(answer.header("vary").to_lowercase().contains("accept-language"), "{path}: {}", answer.header("vary"));
        assert_eq!(answer.header("set-cookie"), "", "{path}");
    }
    let missing = town.get("/pledges/01900000-0000-7000-8000-000000000000").await;
    assert!(!missing.header("cache-control").contains("public"), "{}", missing.header("cache-control"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_over_many_matters_is_kept_and_never_older_than_what_was_recorded() {
    let mut town = Town::empty().await;
    let board = async |town: &Town| town.get("/pledges").await;
    let first = board(&town).await;
    assert!(first.text().contains("账本里还没有承诺事项"), "{}", first.text());
    assert_eq!(board(&town).await.header("etag"), first.header("etag"));
    town.fixture.submit(&pledge(COUNTY, 1), &[("publisher", "文书")]).await.unwrap();
    town.catch_up().await;
    let second = board(&town).await;
    assert!(!second.text().contains("账本里还没有"), "{}", second.text());
    assert_ne!(second.header("etag"), first.header("etag"));
    town.fixture.clock.advance(std::time::Duration::from_hours(24 * 400));
    assert_ne!(board(&town).await.header("etag"), second.header("etag"), "a day changes what is overdue");
    assert_eq!(town.get("/pledges?nonsense=1").await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_the_compliance_board_is_downloaded_whole_and_its_columns_are_in_the_dictionary() {
    let mut town = Town::empty().await;
    let mut overdue = pledge(COUNTY, 1);
    overdue["fields"]["due"] = serde_json::json!("2026-03-05");
    town.fixture.submit(&overdue, &[("publisher", "文书")]).await.unwrap();
    town.catch_up().await;
    town.fixture.clock.advance(std::time::Duration::from_hours(24 * 10));
    let csv = town.get("/api/v1/compliance/overdue?format=csv").await;
    let lines: Vec<&str> = csv.text().lines().collect();
    assert_eq!(lines.len(), 2, "{}", csv.text());
    assert!(
        lines[0].ends_with("status,title,stream,index,org,org_name,on,days,note") && lines[1].contains("2026-03-05")
    );
    let row: serde_json::Value =
        serde_json::from_str(town.get("/api/v1/compliance/overdue?format=jsonl").await.text().trim()).unwrap();
    assert_eq!((&row["days"], &row["on"]), (&serde_json::json!(7), &serde_json::json!("2026-03-05")));
    assert_eq!(town.get("/api/v1/compliance/overdue").await.json()["total"], 1);
    assert_eq!(town.get("/api/v1/compliance/everything").await.status, StatusCode::NOT_FOUND);
    let dictionary = town.get("/dictionary").await;
    let pledges: serde_json::Value =
        serde_json::from_str(town.get("/api/v1/pledges?format=jsonl").await.text().trim()).unwrap();
    let organizations = town.get("/api/v1/organizations?format=jsonl").await;
    let organization: serde_json::Value = serde_json::from_str(organizations.text().lines().next().unwrap()).unwrap();
    for name in [&row, &pledges, &organization].into_iter().flat_map(|row| row.as_object().unwrap().keys()) {
        assert!(dictionary.text().contains(&format!("<code>{name}</code>")), "{name} is explained nowhere");
    }
}
