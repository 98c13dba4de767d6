//! Sheets for the wall, printed by the real binary with the font of this machine.

use gongkai_tests::ledger::{TestLedger, sheet};
use gongkai_tests::{Server, gongkai};
use serde_json::json;

const BASE: &str = "https://gk.example.gov.cn";

/// A ledger with one sheet; gives the sheet's entry. It is reached at [`BASE`], or at an address of this machine.
fn with_sheet(has_base: bool) -> (TestLedger, String) {
    let ledger = TestLedger::new();
    let line = json!({"date": "2026-02-03", "summary": "公厕电费（虚构）", "voucher": "记-1", "expense": 33_030});
    let key = ledger.key_file("publisher.example/1");
    let said = ledger.submit(&key, &ledger.supervisors(), &[sheet("2026-02", 33_030, &line)]).ok().json_lines();
    if has_base {
        let path = ledger.dir().join("gongkai.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, format!("{text}base_url = \"{BASE}\"\n")).unwrap();
    }
    let index = said[0]["receipt"]["index"].as_u64().unwrap().to_string();
    (ledger, index)
}

#[test]
fn over_http_and_in_the_directory_the_same_file_comes_out() {
    let (ledger, index) = with_sheet(true);
    // Whoever prints needs what is published, and no key.
    let keys = ledger.dir().join("keys");
    let aside = ledger.path("keys-aside");
    std::fs::rename(&keys, &aside).unwrap();
    let (first, second) = (ledger.path("first.pdf"), ledger.path("second.pdf"));
    let (first, second) = (first.to_str().unwrap(), second.to_str().unwrap());
    let said = ledger.run("print", &[&index, "--out", first, "--json"]).ok().json();
    std::fs::rename(&aside, &keys).unwrap();
    let hash = said["hash"].as_str().unwrap();
    assert_eq!(said["link"], json!(format!("{BASE}/n/{index}?h={hash}")));
    assert_eq!(said["code"].as_str().unwrap().replace(' ', ""), hash[..12]);
    assert_eq!((&said["pages"], &said["size"]), (&json!(1), &json!("a4")));

    let server = Server::start(&ledger.dir());
    let path = format!("/api/v1/sheets/{index}");
    assert_eq!(server.eventually(&path, |answer| answer.status == 200).json()["seal"]["hash"], json!(hash));
    let _ = ledger.run("print", &[&index, "--out", second]).exits(2).says("--url");
    let asked = ["print", "--url", &server.url, &format!("№{index}"), "--out", second];
    let _ = gongkai(asked).ok().says(&index);
    let bytes = std::fs::read(first).unwrap();
    assert!(bytes.starts_with(b"%PDF-") && bytes == std::fs::read(second).unwrap());
    let _ = gongkai(asked).exits(2).says("已经存在");
    let large = ledger.path("large.pdf");
    let _ = gongkai(["print", "--url", &server.url, &index, "--size", "60x90", "--out", large.to_str().unwrap()]).ok();
    assert!(std::fs::read(&large).unwrap() != bytes);
    assert!(server.stop().success());
}

#[test]
fn what_cannot_be_printed_leaves_no_file_and_says_why() {
    let (ledger, index) = with_sheet(false);
    let out = ledger.path("sheet.pdf");
    let to = ["--out", out.to_str().unwrap()];
    let no_font = ledger.file("font.otf", "not a font");
    let font = ["--font", no_font.to_str().unwrap()];
    let _ = ledger.run("print", &[&[index.as_str()], &to[..], &font[..]].concat()).exits(2).says("fonts-noto-cjk");
    // The registration of the county has no sheet; the last entry is followed by none.
    let _ = ledger.run("print", &[&["1"], &to[..]].concat()).exits(1).says("张贴表");
    let _ = ledger.run("print", &[&["999999"], &to[..]].concat()).exits(1);
    let _ = ledger.run("print", &[&["../etc"], &to[..]].concat()).exits(2).says("序号");
    let _ = ledger.run("print", &[&[index.as_str(), "--size", "a5"], &to[..]].concat()).exits(2).says("60x90");
    assert!(!out.exists());
    // A code that only this machine can open is printed, and said to be one.
    let _ = ledger.run("print", &[&[index.as_str()], &to[..]].concat()).ok().says("base_url");
    assert!(out.exists());
}
