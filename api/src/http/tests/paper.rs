//! Sheets for the wall from outside: what they say over the API, what their code leads to, and how a doctored one is found
//! out. Made up (虚构).

use axum::http::StatusCode;
use gongkai_log::Digest;
use gongkai_store::testing::COUNTY;
use serde_json::{Value, json};

use super::Town;
use super::pages::matters;
use crate::paper::Sheet;
use crate::paper::sheet::{Part, Row};
use crate::share::qr::Qr;

/// A town with one matter of a kind; gives the path of its page, its stream and its entry.
async fn with(kind: &str, change: impl FnOnce(&mut Value)) -> (Town, String, String, u64) {
    let mut town = Town::empty().await;
    let index = town.say(kind, change).await.index;
    town.catch_up().await;
    let stream = town.stream_of(index).await;
    let page = format!("/{}s/{}", stream.split('/').next().unwrap(), stream.split('/').nth(1).unwrap());
    (town, page, stream, index)
}

async fn sheet(town: &Town, of: &str) -> Sheet {
    let answer = town.get(&format!("/api/v1/sheets/{of}")).await;
    assert_eq!(answer.status, StatusCode::OK, "{of}: {}", answer.text());
    serde_json::from_slice(&answer.body).unwrap()
}

/// The cells of all tables of a sheet.
fn cells(sheet: &Sheet) -> Vec<String> {
    let mut cells = Vec::new();
    for part in &sheet.parts {
        let Part::Table { rows, .. } = part else { continue };
        for row in rows {
            match row {
                Row::Cells(more) => cells.extend(more.clone()),
                Row::Remark(first, remark) => cells.extend([first.clone(), remark.clone()]),
            }
        }
    }
    cells
}

async fn corrected(town: &mut Town, stream: &str) -> u64 {
    let mut command = (gongkai_domain::kind::find("disclosure.corrected.v1").unwrap().sample)();
    command["org"] = json!(COUNTY);
    command["stream"] = json!(stream);
    let signers = [("publisher", "文书"), ("supervisor", "监督一"), ("supervisor", "监督二")];
    let index = town.fixture.submit(&command, &signers).await.unwrap().index;
    town.catch_up().await;
    index
}

#[tokio::test(flavor = "multi_thread")]
async fn every_disclosure_and_every_notice_has_a_sheet_by_its_number_and_by_its_id() {
    let town = Town::with_matters().await;
    for (page, stream) in matters(&town).await {
        let (family, id) = stream.split_once('/').unwrap();
        let html = town.get(&page).await;
        let number = html.text().split("/view\">№").nth(1).unwrap().split('<').next().unwrap().to_owned();
        let has_one = ["disclosure", "notice"].contains(&family);
        assert_eq!(html.text().contains("id=\"paper\""), has_one, "{page}");
        if !has_one {
            for of in [id, number.as_str()] {
                assert_eq!(town.get(&format!("/api/v1/sheets/{of}")).await.status, StatusCode::NOT_FOUND, "{of}");
            }
            continue;
        }
        let found = sheet(&town, id).await;
        assert_eq!(found, sheet(&town, &number).await);
        let entry = town.get(&format!("/entries/{}", found.seal.index)).await;
        assert_eq!(found.seal.hash, Digest::of(&entry.body).to_hex(), "the hash is that of the entry's bytes");
        assert_eq!((found.number.to_string(), found.seal.hotline.as_str()), (number, "12345"));
        for beside in [found.seal.code().as_str(), found.seal.bare(), "12345"] {
            assert!(html.text().contains(beside), "{page} shows {beside} beside the code");
        }
        let code = town.get(&format!("/n/{}/wall.svg", found.seal.index)).await;
        assert_eq!(code.text(), Qr::of(&found.seal.link()).unwrap().to_svg());
        assert!(html.text().contains(&format!("src=\"/n/{}/wall.svg\"", found.seal.index)), "{page}");
    }
    for nothing in ["999999", "018f0000-0000-7000-8000-00000000ffff", "x"] {
        assert_eq!(town.get(&format!("/api/v1/sheets/{nothing}")).await.status, StatusCode::NOT_FOUND, "{nothing}");
    }
    assert_eq!(town.get("/n/999999/wall.svg").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scanned_code_leads_to_the_comparison_and_a_wrong_one_is_told() {
    for (kind, asks) in [("disclosure.published.v1", true), ("notice.published.v1", false)] {
        let (town, page, _, index) = with(kind, |_| ()).await;
        let seal = sheet(&town, &index.to_string()).await.seal;
        assert_eq!(seal.link(), format!("https://gongkai.example/n/{index}?h={}", seal.hash));
        let path = seal.link().replace("https://gongkai.example", "");
        let scanned = town.get(&path).await;
        let leads = format!("{page}/wall?h={}", seal.hash);
        assert_eq!((scanned.status, scanned.header("location")), (StatusCode::SEE_OTHER, leads.as_str()));
        let right = town.get(&leads).await;
        assert!(right.text().contains("核对码一样") && !right.text().contains("对不上"), "{}", right.text());
        assert_eq!(right.text().contains("墙上的支出合计"), asks, "of accounts the total is asked for");
        // As people type it from the paper, in any case.
        let typed = seal.code().to_uppercase().replace(' ', "+");
        assert!(town.get(&format!("{page}/wall?h={typed}")).await.text().contains("核对码一样"));
        let mut other = seal.hash.clone();
        other.replace_range(0..1, if other.starts_with('0') { "1" } else { "0" });
        let doctored = town.get(&format!("{page}/wall?h={other}")).await;
        assert!(doctored.text().contains("核对码对不上！") && !doctored.text().contains("核对码一样"));
        let unread = town.get(&format!("{page}/wall?h=19e3")).await;
        assert!(unread.text().contains("看不懂这个码"), "{}", unread.text());
        let none = town.get(&format!("{page}/wall")).await;
        assert!(!none.text().contains("核对码一样") && !none.text().contains("对不上"), "nothing was given");
        let bare = town.get(&format!("/n/{index}")).await;
        assert_eq!(bare.header("location"), page, "the short address alone leads to the page");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sheet_that_was_printed_before_a_correction_is_right_and_told_what_came_since() {
    let (mut town, page, stream, first) = with("disclosure.published.v1", |_| ()).await;
    let old = sheet(&town, &first.to_string()).await;
    assert!(!cells(&old).iter().any(|cell| cell.contains("村北")));
    let fix = corrected(&mut town, &stream).await;
    let new = sheet(&town, &first.to_string()).await;
    assert_eq!((new.number, new.seal.index), (first, fix), "the seal is that of the newest entry");
    assert_ne!(new.seal.hash, old.seal.hash);
    assert!(cells(&new).iter().any(|cell| cell.contains("公厕电费（村北）")), "{new:?}");
    let wall = town.get(&format!("{page}/wall?h={}", old.seal.hash)).await;
    assert!(wall.text().contains("核对码一样") && wall.text().contains("这一版以后，账本又记了"));
    assert!(wall.text().contains(&format!("№{fix}</a> ")), "{}", wall.text());
    let wall = town.get(&format!("{page}/wall?h={}", new.seal.hash)).await;
    assert!(wall.text().contains("核对码一样") && !wall.text().contains("账本又记了"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_number_on_a_sheet_is_that_of_the_sheet_and_no_question_moves_it() {
    let (mut town, page, stream, first) = with("disclosure.published.v1", |_| ()).await;
    let before = sheet(&town, &first.to_string()).await.seal;
    assert_eq!(before.index, first);
    let question = json!({"kind": "disclosure.questioned.v1", "stream": stream, "org": COUNTY, "fields": {
        "line": 0, "topic": "amount", "asked_on": "2026-03-02", "text_masked": "为什么有两笔电费？(虚构)"},
        "proxy": {"channel": "来访", "original": "kuGcG+81Z6SYS/HtGzOcyZ/O1/R14sXIPO2l9YFHdsw="}});
    let asked = town.fixture.submit(&question, &[("publisher", "文书")]).await.unwrap().index;
    town.catch_up().await;
    assert_eq!(sheet(&town, &first.to_string()).await.seal, before);
    let html = town.get(&page).await;
    let (_, beside) = html.text().split_once("id=\"paper\"").unwrap();
    let (beside, _) = beside.split_once("</section>").unwrap();
    assert!(beside.contains(&format!("№{first}<")) && beside.contains(&before.code()), "{beside}");
    assert!(beside.contains(&format!("/n/{first}/wall.svg")) && !beside.contains(&format!("№{asked}")), "{beside}");
    let wall = town.get(&format!("{page}/wall?h={}", before.hash)).await;
    assert!(wall.text().contains("核对码一样") && wall.text().contains(&format!("№{asked}</a> ")), "{}", wall.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_of_a_notices_code_says_what_its_sheet_must_say() {
    let (town, page, _, index) = with("notice.published.v1", |fields| {
        fields["text"] = json!("全文在这里(虚构)");
        fields["report_to"] = json!("青禾县公开办(虚构)");
    })
    .await;
    let found = sheet(&town, &index.to_string()).await;
    let Part::Values { values } = &found.parts[0] else { panic!("{found:?}") };
    let value = |label: &str| values.iter().find(|row| row.label == label).map(|row| row.value.clone()).unwrap();
    let wall = town.get(&format!("{page}/wall")).await;
    for said in [value("公示期"), value("反映渠道"), "全文在这里(虚构)".into()] {
        assert!(wall.text().contains(&said), "{said}: {}", wall.text());
    }
    assert_eq!(value("反映渠道"), "青禾县公开办(虚构)");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sheet_has_every_line_and_the_page_only_the_first() {
    const LINES: usize = 620;
    let (town, _, _, index) = with("disclosure.published.v1", |fields| {
        let line = |number: usize| {
            json!({"date": "2026-02-03", "voucher": format!("记-{number}"), "summary": format!("第{number}笔(虚构)"),
                "account": "管理费用", "expense": 100})
        };
        fields["lines"] = (1..=LINES).map(line).collect();
        fields["expense"] = json!(LINES * 100);
    })
    .await;
    let cells = cells(&sheet(&town, &index.to_string()).await);
    assert_eq!(cells.iter().filter(|cell| cell.ends_with("管理费用") && cell.contains("笔(虚构)")).count(), LINES);
    assert!(cells.iter().any(|cell| cell.contains("第620笔")));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_withdrawn_is_on_no_sheet_and_a_withdrawn_matter_has_none() {
    let (mut town, _, stream, index) = with("disclosure.published.v1", |fields| {
        fields["lines"][0]["summary"] = json!("要撤下的一笔(虚构)");
    })
    .await;
    let command = json!({"kind": "slot.withdrawn.v1", "org": COUNTY, "fields": {
        "entry": index, "line_numbers": [0], "basis": "personal_data",
        "reason": "当事人要求隐去(虚构)", "appeal": "可在 15 日内申诉(虚构)"}});
    let at = town.fixture.submit(&command, &[("publisher", "文书"), ("registrar", "甲")]).await.unwrap().index;
    town.catch_up().await;
    let answer = town.get(&format!("/api/v1/sheets/{index}")).await;
    assert!(!answer.text().contains("要撤下的一笔"), "{}", answer.text());
    let found = sheet(&town, &index.to_string()).await;
    let cells = cells(&found);
    assert!(cells.iter().any(|cell| cell.contains("撤回留痕") && cell.contains(&format!("№{at}"))), "{cells:?}");
    let mut command = (gongkai_domain::kind::find("disclosure.withdrawn.v1").unwrap().sample)();
    command["org"] = json!(COUNTY);
    command["stream"] = json!(stream);
    let signers = [("publisher", "文书"), ("supervisor", "监督一"), ("supervisor", "监督二")];
    town.fixture.submit(&command, &signers).await.unwrap();
    town.catch_up().await;
    let answer = town.get(&format!("/api/v1/sheets/{index}")).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", answer.text());
    assert!(answer.text().contains("已经撤回"), "{}", answer.text());
}
