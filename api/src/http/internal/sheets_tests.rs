//! Uploading a sheet through the whole router.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use gongkai_log::SigningKey;
use gongkai_store::testing::COUNTY;

use super::session_of;
use crate::http::tests::{Answer, Town, ask};

const SHEETS: &str = "/internal/api/v1/sheets";
const MESSY: &str = "2026年3月收支（虚构）\n日期,摘要,收入,支出\n3月3日,租金,\"1,260.00\",\n3月4日,水费,,俩块\n";

async fn token(town: &Town) -> String {
    let key = &town.fixture.people["文书"].key;
    let copy = SigningKey::from_seed(key.name(), key.verifier().kind(), *key.seed()).unwrap();
    session_of(&town.internal, &copy).await
}

async fn get(town: &Town, token: Option<&str>, path: &str) -> Answer {
    let request = Request::get(path);
    let request = match token {
        Some(token) => request.header("authorization", format!("Bearer {token}")),
        None => request,
    };
    ask(&town.internal, request.body(Body::empty()).unwrap()).await
}

async fn upload(town: &Town, token: &str, query: &str, bytes: impl Into<Body>) -> Answer {
    let request = Request::post(format!("{SHEETS}{query}")).header("authorization", format!("Bearer {token}"));
    ask(&town.internal, request.body(bytes.into()).unwrap()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_session_nothing_is_read_and_no_template_is_given() {
    let town = Town::empty().await;
    let request = Request::post(SHEETS).body(Body::from(MESSY)).unwrap();
    assert_eq!(ask(&town.internal, request).await.status, StatusCode::UNAUTHORIZED);
    for path in ["/internal/templates/finance.xlsx", "/internal/api/v1/sheets/last?org=1"] {
        assert_eq!(get(&town, None, path).await.status, StatusCode::UNAUTHORIZED, "{path}");
    }
    let request = Request::post(SHEETS).body(Body::from(MESSY)).unwrap();
    assert_eq!(ask(&town.public, request).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_uploaded_sheet_is_read_problems_at_their_cells_and_nothing_is_recorded() {
    let town = Town::empty().await;
    let token = token(&town).await;
    let size = town.fixture.ledger.health().committed;
    let answer = upload(&town, &token, &format!("?org={COUNTY}"), MESSY).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let sheet = answer.json();
    assert_eq!(sheet["problems"][0]["row"], 4);
    assert_eq!(sheet["problems"][0]["column"], "D");
    assert_eq!(sheet["problems"][0]["cell"], "俩块");
    assert_eq!((&sheet["blocking"], &sheet["rows"][2]["cells"][2]), (&1.into(), &"1,260.00".into()));
    assert_eq!((&sheet["fields"]["period"], &sheet["lines"][0]["income"]), (&"2026-03".into(), &126_000.into()));
    assert_eq!(town.fixture.ledger.health().committed, size);
    let wrong = upload(&town, &token, "?columns=date", MESSY).await;
    assert_eq!((wrong.status, wrong.json()["place"].clone()), (StatusCode::BAD_REQUEST, "columns".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_beyond_the_limit_is_refused_before_it_is_read() {
    let town = Town::empty().await;
    let token = token(&town).await;
    let answer = upload(&town, &token, "", vec![b'a'; crate::sheets::BYTES_MAX + 1]).await;
    assert_eq!(
        (answer.status, answer.json()["code"].clone()),
        (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large".into())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_template_is_given_in_both_forms_and_uploads_back() {
    let town = Town::empty().await;
    let token = token(&town).await;
    for class in crate::sheets::classes() {
        for form in ["xlsx", "csv"] {
            let answer = get(&town, Some(&token), &format!("/internal/templates/{}.{form}", class.content)).await;
            assert_eq!(answer.status, StatusCode::OK);
            assert!(answer.header("content-disposition").contains(&format!("{}.{form}", class.content)));
            let read = upload(&town, &token, &format!("?content={}", class.content), answer.body).await.json();
            assert_eq!(read["mapped"], true, "{}: {read}", class.content);
        }
    }
    for path in ["/internal/templates/finance.doc", "/internal/templates/x.xlsx", "/internal/templates/finance"] {
        assert_eq!(get(&town, Some(&token), path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_repeats_is_carried_from_the_last_sheet_and_the_last_balance_is_the_next_opening() {
    let mut town = Town::empty().await;
    let token = token(&town).await;
    let last = format!("/internal/api/v1/sheets/last?org={COUNTY}&book=committee");
    assert_eq!(get(&town, Some(&token), &last).await.status, StatusCode::NOT_FOUND);
    town.say("disclosure.published.v1", |fields| {
        fields["book"] = "committee".into();
        fields["opening"] = 1_000_000.into();
        fields["closing"] = (1_000_000 - 67_336).into();
    })
    .await;
    town.catch_up().await;
    let carried = get(&town, Some(&token), &last).await.json();
    assert_eq!((&carried["from"], carried["rows"].as_array().map(Vec::len)), (&"2026-02".into(), Some(3)), "{carried}");
    assert_eq!(carried["rows"][1]["cells"][2], "公厕电费");
    let sheet = upload(&town, &token, &format!("?org={COUNTY}&book=committee"), MESSY).await.json();
    assert_eq!(sheet["fields"]["opening"], 1_000_000 - 67_336);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_of_many_is_planned_by_row_and_cell_and_the_same_table_is_the_same_import() {
    let town = Town::empty().await;
    let token = token(&town).await;
    let plans = "/internal/api/v1/plans";
    let send = async |query: &str, bytes: Vec<u8>| {
        let request = Request::post(format!("{plans}{query}")).header("authorization", format!("Bearer {token}"));
        ask(&town.internal, request.body(Body::from(bytes)).unwrap()).await
    };
    let request = Request::post(format!("{plans}?family=pledges")).body(Body::from("a")).unwrap();
    assert_eq!(ask(&town.internal, request).await.status, StatusCode::UNAUTHORIZED);
    let csv = "年度,承诺人,承诺事项,完成时限\n2026,方禾生（虚构）,修桥,2026-12-31\n2026,方禾生（虚构）,修路,年底\n";
    let query = format!("?family=pledges&org={COUNTY}");
    let plan = send(&query, csv.into()).await.json();
    assert_eq!((&plan["commands"][0]["json"]["org"], &plan["problems_total"]), (&COUNTY.into(), &1.into()), "{plan}");
    let problem = &plan["problems"][0];
    assert_eq!((&problem["row"], &problem["column"], &problem["cell"]), (&3.into(), &"D".into(), &"年底".into()));
    assert_eq!((&problem["place"], &problem["blocking"]), (&3.into(), &true.into()));
    assert_eq!(
        (&plan["table"]["columns"][3]["field"], &plan["table"]["rows"][2]["cells"][3]),
        (&"due".into(), &"年底".into())
    );
    // What is mended is sent as a table again; a row that was not touched stays the same command.
    let mended = send(&query, csv.replace("年底", "2026-12-30").into()).await.json();
    assert_eq!(
        (&mended["problems_total"], mended["commands"].as_array().map(Vec::len)),
        (&0.into(), Some(2)),
        "{mended}"
    );
    assert_eq!(mended["commands"][0]["id"], plan["commands"][0]["id"]);
    assert_eq!(send(&query, csv.into()).await.json()["digest"], plan["digest"]);
    assert_ne!(send("?family=pledges", csv.into()).await.json()["digest"], plan["digest"]);
    assert_eq!(send("?family=letters", csv.into()).await.status, StatusCode::BAD_REQUEST);
    let empty = send(&query, Vec::new()).await.json();
    assert!(empty["problems"][0]["message"].as_str().unwrap().contains("文件是空的"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_template_of_every_import_is_given_in_both_forms_and_its_example_is_not_imported() {
    let town = Town::empty().await;
    let token = token(&town).await;
    for family in crate::importing::template::FAMILIES {
        for form in ["xlsx", "csv"] {
            let answer = get(&town, Some(&token), &format!("/internal/templates/{family}.{form}")).await;
            assert_eq!(answer.status, StatusCode::OK);
            assert!(answer.header("content-disposition").contains(&format!("{family}.{form}")));
            let path = format!("/internal/api/v1/plans?family={family}&org={COUNTY}");
            let request = Request::post(path).header("authorization", format!("Bearer {token}"));
            let plan = ask(&town.internal, request.body(Body::from(answer.body)).unwrap()).await.json();
            assert_eq!(
                (&plan["problems_total"], plan["commands"].as_array().map(Vec::len)),
                (&0.into(), Some(0)),
                "{plan}"
            );
        }
    }
}
