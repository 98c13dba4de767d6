//! Sheets as village offices have them (虚构), through `gongkai import`: what can be read is read, what cannot is named by
//! row and cell, and nothing is written unless all of it is.

use std::path::PathBuf;

use gongkai_tests::ledger::TestLedger;
use gongkai_tests::{Ran, Server, mapping};
use rust_xlsxwriter::{ExcelDateTime, Format, Workbook};
use serde_json::Value;

/// Opening 10,000.00 + 318.26 − 1,920.60 = 8,397.66; two equal lines are two payments; one line has no voucher.
const SHEET: &str = "\
五里桥村2026年2月财务公开表（虚构）,,,,,,
单位：元,,,,,,
日期,凭证号,摘要,收入,支出,余额,收款人
2月1日,,上期结存,,,\"10,000.00\",
2月3日,记-1,公厕水电费,,330.30,,供电所
2月3日,记-1,公厕水电费,,330.30,,供电所
,记-2,邮寄报刊,—,\"￥1,260.00\",,邮政
2026/2/5,,利息,318.26,,,
2月28日,,期末结存,,,\"8,397.66\",
合 计,,,318.26,\"1,920.60\",,
制表人：张某（虚构）,,,,,,
";

fn import(ledger: &TestLedger, file: &str, content: impl AsRef<[u8]>, more: &[&str]) -> Ran {
    let file: PathBuf = ledger.file(file, content);
    let supervisors = ledger.supervisors();
    let mut args: Vec<&str> = supervisors.iter().flat_map(|s| ["--cosign", s.as_str()]).collect();
    args.extend(more);
    ledger.import("disclosures", &file, &mapping("finance-village.toml"), &args)
}

/// Imports a sheet that must be refused; says what it said and checks that nothing changed.
fn refused(file: &str, content: impl AsRef<[u8]>) -> String {
    let ledger = TestLedger::new();
    let size = ledger.size();
    let ran = import(&ledger, file, content, &[]).exits(1);
    assert_eq!(ledger.size(), size, "{ran}");
    format!("{}{}", ran.out, ran.err)
}

#[test]
fn gbk_bom_titles_totals_and_money_signs_are_read_and_equal_lines_stay_two() {
    let (gbk, _, unmappable) = encoding_rs::GBK.encode(SHEET);
    assert!(!unmappable);
    for (name, bytes) in [
        ("二月.csv", SHEET.as_bytes().to_vec()),
        ("二月-gbk.csv", gbk.into_owned()),
        ("二月-bom.csv", format!("\u{feff}{SHEET}").into_bytes()),
    ] {
        let ledger = TestLedger::new();
        let size = ledger.size();
        let _ = import(&ledger, name, &bytes, &["--dry-run"]).ok();
        assert_eq!(ledger.size(), size, "a dry run wrote something");
        let _ = import(&ledger, name, &bytes, &[]).ok();
        assert_eq!(ledger.size(), size + 1, "one sheet is one disclosure");
        ledger.check();
        let lines = lines(&ledger);
        assert_eq!(lines.len(), 4, "{lines:?}");
        assert_eq!(lines[0], lines[1]);
        assert_eq!((lines[2]["expense"].as_i64(), lines[2]["date"].as_str()), (Some(126_000), Some("2026-02-03")));
        assert_eq!((lines[3]["income"].as_i64(), lines[3].get("voucher")), (Some(31_826), None));
        let server = Server::start(&ledger.dir());
        let found = server.eventually("/api/v1/search?q=水电", |answer| answer.text().contains("2026"));
        assert!(found.text().contains("disclosure"), "{}", found.text());
    }
}

/// The same sheet as a workbook: the title over all columns, one day over three rows, money as numbers.
fn workbook() -> Vec<u8> {
    let mut book = Workbook::new();
    let sheet = book.add_worksheet().set_name("二月").unwrap();
    let plain = Format::new();
    sheet.merge_range(0, 0, 0, 6, "五里桥村2026年2月财务公开表（虚构）", &plain).unwrap();
    sheet.write(1, 0, "单位：元").unwrap();
    for (column, header) in (0..).zip(["日期", "凭证号", "摘要", "收入", "支出", "余额", "收款人"]) {
        sheet.write(2, column, header).unwrap();
    }
    sheet.merge_range(4, 0, 6, 0, "2月3日", &plain).unwrap();
    let dated = Format::new().set_num_format("yyyy/m/d");
    sheet.write_with_format(7, 0, ExcelDateTime::from_ymd(2026, 2, 5).unwrap(), &dated).unwrap();
    for (row, column, text) in [
        (3, 0, "2月1日"),
        (3, 2, "上期结存"),
        (4, 1, "记-1"),
        (4, 2, "公厕水电费"),
        (4, 6, "供电所"),
        (5, 1, "记-1"),
        (5, 2, "公厕水电费"),
        (5, 6, "供电所"),
        (6, 1, "记-2"),
        (6, 2, "邮寄报刊"),
        (6, 6, "邮政"),
        (7, 2, "利息"),
        (8, 0, "2月28日"),
        (8, 2, "期末结存"),
        (9, 0, "合 计"),
        (10, 0, "制表人：张某（虚构）"),
    ] {
        sheet.write(row, column, text).unwrap();
    }
    for (row, column, yuan) in [
        (3, 5, 10_000.0),
        (4, 4, 330.3),
        (5, 4, 330.3),
        (6, 4, 1_260.0),
        (7, 3, 318.26),
        (8, 5, 8_397.66),
        (9, 3, 318.26),
        (9, 4, 1_920.6),
    ] {
        sheet.write(row, column, yuan).unwrap();
    }
    book.save_to_buffer().unwrap()
}

#[test]
fn a_workbook_with_merged_cells_is_the_same_disclosure_as_the_sheet() {
    let (sheet, book) = (TestLedger::new(), TestLedger::new());
    let _ = import(&sheet, "二月.csv", SHEET, &[]).ok();
    let _ = import(&book, "二月.xlsx", workbook(), &[]).ok();
    book.check();
    assert_eq!(lines(&book), lines(&sheet));
}

/// The published lines of the ledger's only list.
fn lines(ledger: &TestLedger) -> Vec<Value> {
    let files = gongkai_tests::walk(&ledger.dir().join("log/lines"));
    assert_eq!(files.len(), 1, "{files:?}");
    let text = std::fs::read_to_string(&files[0]).unwrap();
    text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["row"].clone()).collect()
}

#[test]
fn the_same_sheet_twice_is_one_disclosure() {
    let ledger = TestLedger::new();
    let _ = import(&ledger, "二月.csv", SHEET, &[]).ok();
    let size = ledger.size();
    let _ = import(&ledger, "二月.csv", SHEET, &[]);
    assert_eq!(ledger.size(), size);
    ledger.check();
}

#[test]
fn a_total_that_is_no_sum_is_named_by_row_and_column() {
    let said = refused("二月.csv", SHEET.replace("\"1,920.60\"", "1920.61"));
    assert!(said.contains("10") && said.contains("支出") && said.contains("1920.60"), "{said}");
}

#[test]
fn books_that_do_not_balance_are_refused_with_the_difference() {
    let said = refused("二月.csv", SHEET.replace("\"8,397.66\"", "\"8,397.67\""));
    assert!(said.contains("8,397.66") && said.contains("0.01"), "{said}");
}

#[test]
fn an_id_number_in_a_summary_blocks_the_sheet_and_is_not_repeated() {
    let said = refused("二月.csv", SHEET.replace("邮寄报刊", "付11010519491231002X误工费"));
    assert!(said.contains("身份证") && said.contains("摘要"), "{said}");
    assert!(!said.contains("11010519491231002X"), "the number was repeated: {said}");
}

#[test]
fn a_bad_cell_is_named_by_row_and_column() {
    let said = refused("二月.csv", SHEET.replace("330.30,,供电所\n,", "三百三,,供电所\n,"));
    assert!(said.contains('6') && said.contains('E') && said.contains("三百三"), "{said}");
    let said = refused("二月.csv", SHEET.replace("2026/2/5", "2026/2/30"));
    assert!(said.contains('8') && said.contains('A'), "{said}");
    let said = refused("二月.csv", SHEET.replace("摘要", "内容"));
    assert!(said.contains("摘要"), "{said}");
}

#[test]
fn what_is_no_table_is_refused_with_advice() {
    for (name, bytes) in [
        ("空.csv", &b""[..]),
        ("网页.xls", b"<html><table></table></html>"),
        ("坏.xlsx", b"PK\x03\x04broken"),
        ("图.csv", &[0xff, 0xd8, 0xff, 0xe0, 0, 0x10]),
    ] {
        let said = refused(name, bytes);
        assert!(said.contains(name), "{said}");
    }
}

#[test]
fn a_mapping_that_cannot_be_used_says_where() {
    let ledger = TestLedger::new();
    let size = ledger.size();
    let input = ledger.file("二月.csv", SHEET);
    let broken = ledger.file("broken.toml", "[[command]]\nkind = 1.5\n");
    let ran = ledger.import("disclosures", &input, &broken, &[]);
    assert!([1, 2].contains(&ran.code), "{ran}");
    assert!(ran.err.contains("映射") || ran.out.contains("映射"), "{ran}");
    assert_eq!(ledger.size(), size);
}
