//! The log over HTTP: exact bytes, one spelling of each path, caching.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use gongkai_log::{Checkpoint, Entry, Note, TilePath, TlogProof, tile};

use super::{Town, ask};
use crate::http::caching::IMMUTABLE;

async fn size(town: &Town) -> u64 {
    let note = Note::parse(town.get("/log/checkpoint").await.text()).unwrap();
    Checkpoint::parse(&note.text).unwrap().size
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_is_served_with_the_bytes_that_were_recorded() {
    let town = Town::with_matters().await;
    for index in 0..size(&town).await {
        let answer = town.get(&format!("/entries/{index}")).await;
        let stored = town.fixture.ledger.entry(index).await.unwrap().unwrap();
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.body, stored.bytes, "{index}");
        assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
        assert_eq!(answer.header("cache-control"), IMMUTABLE);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_file_proves_its_entry() {
    let town = Town::with_matters().await;
    let key = town.fixture.ledger.vkey();
    for index in 0..size(&town).await {
        let entry = town.get(&format!("/entries/{index}")).await;
        let proof = town.get(&format!("/api/v1/entries/{index}/proof")).await;
        assert_eq!(proof.header("content-disposition"), format!("attachment; filename=\"entry-{index}.tlog-proof\""));
        let proof = TlogProof::parse(proof.text()).unwrap();
        assert!(proof.verify(&entry.body, &key, None).is_ok(), "{index}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_parts_of_an_entry_agree_with_its_bytes() {
    let town = Town::with_matters().await;
    let last = size(&town).await - 1;
    let entry = Entry::parse(town.get(&format!("/entries/{last}")).await.body.to_vec()).unwrap();
    let json = town.get(&format!("/api/v1/entries/{last}")).await.json();
    assert_eq!(json["entry_hash"], entry.hash.to_string());
    assert_eq!(json["prev"], entry.prev.to_string());
    assert_eq!(json["leaf_hash"], entry.leaf_hash().to_string());
    assert_eq!(json["statement"]["kind"], "pledge.made.v1");
    assert!(json["openings"].as_array().unwrap().iter().any(|opening| opening["name"] == "title"));
    assert!(json["openings"].as_array().unwrap().iter().all(|opening| opening["tier"] == "public"));
}

#[tokio::test(flavor = "multi_thread")]
async fn tiles_that_cannot_be_are_not_found() {
    let town = Town::with_matters().await;
    let size = size(&town).await;
    for path in [
        "tile/0/0".to_owned(),
        "tile/0/000.p/0".to_owned(),
        "tile/0/000.p/256".to_owned(),
        "tile/0/000.p/01".to_owned(),
        "tile/64/000".to_owned(),
        "tile/0/000".to_owned(),
        "tile/1/000.p/1".to_owned(),
        format!("tile/0/000.p/{}", size + 1),
        "tile/entries/001".to_owned(),
        "tile/0/../../checkpoint".to_owned(),
        "tile/0/%2e%2e/000".to_owned(),
        "tile/".to_owned(),
        "openings/0".to_owned(),
        "openings/x000/000".to_owned(),
        "openings/..%2fcheckpoint".to_owned(),
        "lines/00".to_owned(),
        "lines/..".to_owned(),
        format!("lines/{}", "A".repeat(64)),
        format!("lines/{}", "a".repeat(64)),
        format!("attachment/{}", "a".repeat(64)),
        "attachment/..%2f..%2fledger.db".to_owned(),
        "checkpoint/".to_owned(),
        "nothing".to_owned(),
    ] {
        let answer = town.get(&format!("/log/{path}")).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(answer.json()["code"], "not_found", "{path}");
        assert_eq!(answer.header("cache-control"), "no-store", "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partial_tile_whose_file_is_gone_is_cut_from_the_full_one() {
    let mut town = Town::empty().await;
    let count = 256 - usize::try_from(size(&town).await).unwrap();
    let pledges = town.fixture.pledges(count, "文书", gongkai_store::testing::COUNTY);
    let pledges = pledges.into_iter().map(|pledge| (None, pledge)).collect();
    assert!(town.fixture.ledger.submit_many(pledges).await.iter().all(Result::is_ok));
    town.fixture.published().await;
    for (full, item_bytes) in [("tile/0/000", Some(32)), ("tile/entries/000", None)] {
        let whole = town.get(&format!("/log/{full}")).await;
        assert_eq!((whole.status, whole.header("cache-control")), (StatusCode::OK, IMMUTABLE));
        assert_eq!(whole.header("content-type"), "application/octet-stream");
        let partial = town.get(&format!("/log/{full}.p/100")).await;
        assert_eq!(partial.status, StatusCode::OK, "{full}");
        let path = TilePath::parse(&format!("{full}.p/100")).unwrap();
        assert!(!town.fixture.layout().tile(&path).exists(), "the test needs a width that was never published");
        assert!(whole.body.starts_with(&partial.body));
        match item_bytes {
            Some(bytes) => assert_eq!(partial.body.len(), 100 * bytes),
            None => assert_eq!(tile::decode_bundle(&partial.body).unwrap().len(), 100),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn openings_and_lines_are_those_of_the_log() {
    let town = Town::with_matters().await;
    let openings = town.get("/log/openings/000").await;
    assert_eq!(openings.status, StatusCode::OK);
    assert_eq!(openings.body, std::fs::read(town.fixture.layout().openings(0)).unwrap());
    assert_eq!(openings.header("cache-control"), "public, max-age=10");
    let sheets = town.get("/api/v1/disclosures").await.json();
    let index = &sheets["items"][0]["first_index"];
    let entry = town.get(&format!("/api/v1/entries/{index}")).await.json();
    let root = gongkai_log::Digest::parse(entry["statement"]["body"]["lines"].as_str().unwrap()).unwrap();
    let lines = town.get(&format!("/log/lines/{}", root.to_hex())).await;
    assert_eq!(lines.text().lines().count() as u64, entry["statement"]["body"]["count"].as_u64().unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_that_did_not_change_is_answered_without_a_body() {
    let town = Town::empty().await;
    let first = town.get("/log/checkpoint").await;
    assert_eq!(first.header("cache-control"), "public, max-age=1");
    let request = Request::get("/log/checkpoint").header("if-none-match", first.header("etag"));
    let again = ask(&town.public, request.body(Body::empty()).unwrap()).await;
    assert_eq!((again.status, again.body.len()), (StatusCode::NOT_MODIFIED, 0));
    assert_eq!(town.get("/log/vkey").await.text(), format!("{}\n", town.fixture.ledger.vkey()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attachment_is_a_file_to_keep_and_never_a_page() {
    let mut town = Town::empty().await;
    let file = b"<html><script>alert(1)</script>".to_vec();
    let request = Request::put("/api/v1/attachments").body(Body::from(file.clone())).unwrap();
    let stored = ask(&town.internal, request).await.json();
    let hash = gongkai_log::Digest::parse(stored["hash"].as_str().unwrap()).unwrap();
    let hidden = town.get(&format!("/log/attachment/{}", hash.to_hex())).await;
    assert_eq!(hidden.status, StatusCode::NOT_FOUND, "a file is public only when an entry names it");
    let named = serde_json::json!([{ "hash": hash, "size": file.len(), "media_type": "text/html" }]);
    town.say("notice.published.v1", |fields| fields["attachments"] = named).await;
    town.catch_up().await;
    let answer = town.get(&format!("/log/attachment/{}", hash.to_hex())).await;
    assert_eq!(answer.body, file);
    assert_eq!(answer.header("content-type"), "application/octet-stream");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    assert!(answer.header("content-security-policy").contains("sandbox"));
    assert!(answer.header("content-disposition").starts_with("attachment;"));
    assert_eq!(answer.header("content-length"), file.len().to_string());
}
