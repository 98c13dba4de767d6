//! Sheets as village offices have them (虚构), read without anything being told about them.

use gongkai_domain::field::Shape;
use rust_xlsxwriter::{ExcelDateTime, Format, Formula, Workbook};
use serde_json::json;

use super::*;

/// Opening 10,000.00 + 318.26 − 1,920.60 = 8,397.66; two equal lines are two payments.
const MESSY: &str = "\
五里桥村2026年2月财务公开表（虚构）,,,,,,,
单位：元,,,,,,,
日期,凭证号,,摘要,收入,支出,余额,收款人
2月1日,,,上期结存,,,\"10,000.00\",
2月3日,记-1,,公厕水电费,,330.30,,供电所
2月3日,记-1,,公厕水电费,,３３０．３０,,供电所
,记-2,,邮寄报刊,—,\"￥1,260.00\",,邮政
2026/2/5,记-3,,利息,318.26,,,
2月28日,,,期末结存,,,\"8,397.66\",
合 计,,,,318.26,\"1,920.60\",,
制表人：张某（虚构）,,,,,,,
";

fn read_with(bytes: impl Into<Vec<u8>>, asked: &Asked, books: &Books) -> Sheet {
    let mut sheet = read(bytes.into(), asked);
    let period = sheet.period(asked);
    sheet.balance(period.as_deref(), books);
    sheet
}

fn checked(bytes: impl Into<Vec<u8>>) -> Sheet {
    read_with(bytes, &Asked::default(), &Books { previous_closing: Some(1_000_000), other_fen_max: 100_000 })
}

/// Each problem as row, column and sentence.
fn said(sheet: &Sheet) -> Vec<(Option<u64>, &str, &str)> {
    let problems = sheet.problems.iter().map(|fault| &fault.problem);
    problems.map(|it| (it.row, it.column.as_deref().unwrap_or(""), it.message.as_str())).collect()
}

fn sound(sheet: &Sheet) {
    assert_eq!(said(sheet), [], "{:?}", sheet.notes);
    assert!(sheet.checks.iter().all(|check| check.holds != Some(false)), "{:?}", sheet.checks);
}

#[test]
fn a_messy_sheet_is_read_from_every_encoding_and_equal_lines_stay_two() {
    let (gbk, _, unmappable) = encoding_rs::GBK.encode(MESSY);
    assert!(!unmappable);
    for bytes in [MESSY.as_bytes().to_vec(), gbk.into_owned(), format!("\u{feff}{MESSY}").into_bytes()] {
        let sheet = checked(bytes);
        sound(&sheet);
        assert_eq!(sheet.content, Some("finance"));
        assert_eq!(sheet.lines.len(), 4);
        assert_eq!(sheet.lines[0], sheet.lines[1]);
        assert_eq!(sheet.line_rows, [5, 6, 7, 8]);
        assert_eq!((&sheet.lines[2]["date"], &sheet.lines[2]["expense"]), (&json!("2026-02-03"), &json!(126_000)));
        assert_eq!(
            (&sheet.fields["opening"], &sheet.fields["income"], &sheet.fields["expense"], &sheet.fields["closing"]),
            (&json!(1_000_000), &json!(31_826), &json!(192_060), &json!(839_766))
        );
        assert_eq!((&sheet.fields["period"], sheet.header_row), (&json!("2026-02"), Some(3)));
    }
}

/// The same sheet as a workbook: merged cells, dates and money as numbers, a formula with its saved value.
fn workbook() -> Vec<u8> {
    let mut book = Workbook::new();
    let sheet = book.add_worksheet().set_name("二月").unwrap();
    let (plain, day) = (Format::new(), Format::new().set_num_format("yyyy-mm-dd"));
    sheet.merge_range(0, 0, 0, 5, "五里桥村2026年2月财务公开表（虚构）", &plain).unwrap();
    for (column, header) in (0..).zip(["日期", "凭证号", "摘要", "收入（元）", "支出（元）", "余额"])
    {
        sheet.write(2, column, header).unwrap();
    }
    sheet.merge_range(3, 0, 4, 0, "", &day).unwrap();
    sheet.write_with_format(3, 0, ExcelDateTime::from_ymd(2026, 2, 3).unwrap(), &day).unwrap();
    sheet.write(3, 2, "公厕水电费").unwrap().write(3, 4, 330.3).unwrap();
    sheet.write(4, 2, "公厕水电费").unwrap().write(4, 4, 330.3).unwrap();
    sheet.write_with_format(5, 0, ExcelDateTime::from_ymd(2026, 2, 5).unwrap(), &day).unwrap();
    sheet.write(5, 2, "利息").unwrap();
    sheet.write_formula(5, 3, Formula::new("=300+18.26").set_result("318.26")).unwrap();
    sheet.write(6, 0, "合计").unwrap().write(6, 3, 318.26).unwrap().write(6, 4, 660.6).unwrap();
    book.add_worksheet().set_name("备查").unwrap().write(0, 0, "别的").unwrap();
    book.save_to_buffer().unwrap()
}

#[test]
fn a_workbook_with_merged_cells_is_read_and_its_closing_is_computed() {
    let sheet = checked(workbook());
    sound(&sheet);
    assert_eq!((sheet.sheet.as_deref(), sheet.sheets.len()), (Some("二月"), 2));
    assert_eq!(sheet.lines.len(), 3);
    assert_eq!(sheet.lines[1]["date"], "2026-02-03");
    assert_eq!(sheet.lines[2]["income"], 31_826);
    assert_eq!(sheet.fields["closing"], 1_000_000 + 31_826 - 66_060);
    let closing = sheet.checks.iter().find(|check| check.label == "收支平衡").unwrap();
    assert!(closing.detail.contains("请与账面核对"), "{closing:?}");
}

#[test]
fn every_problem_names_its_row_and_its_cell_and_shows_what_stands_there() {
    let csv = "\
五里桥村2026年2月收支（虚构）
日期,凭证号,摘要,收入,支出,余额,往来单位,附件张数
2026-02-30,记-1,电费,,330.30,,供电所,1
2026-02-03,记-2,水费,,一百元,,俞** 11010519491231002X,1
2026-02-03,记-3,水费,,\"1,26\",,电话13800138000,两张
2026-03-01,记-4,其他,,1500.00,,,
2026-02-04,记-5,对账,5.00,6.00,,,
2026-02-05,记-6,,,6.00,,,
2026-02-06,记-7,空,,,,,
";
    let sheet = checked(csv);
    let said = said(&sheet);
    let at = |row: u64, column: &str| {
        let found = said.iter().find(|(r, c, _)| *r == Some(row) && *c == column);
        found.unwrap_or_else(|| panic!("{row}{column}: {said:?}")).2
    };
    assert!(at(3, "A").contains("没有这一天"));
    assert!(at(4, "E").contains("不是金额"));
    assert!(at(4, "G").contains("身份证号"));
    assert!(at(5, "E").contains("千位分隔"));
    assert!(at(5, "G").contains("手机号码"));
    assert!(at(5, "H").contains("整数"));
    assert!(at(6, "A").contains("不在2026-02-01至2026-02-28之内"));
    assert!(at(6, "C").contains("须逐项列明用途"));
    assert!(at(7, "E").contains("应分成两行"));
    assert!(at(8, "C").contains("没有填「摘要」"));
    assert!(at(9, "D").contains("收入和支出都空着"));
    let number = sheet.problems.iter().find(|f| f.problem.message.contains("身份证")).unwrap();
    assert_eq!(number.problem.cell.as_deref(), Some("俞** 11010519491231002X"));
    assert_eq!((number.place, number.blocking), (Some(6), true));
    assert!(sheet.blocking >= 11, "{}", sheet.blocking);
}

#[test]
fn a_wrong_total_balance_or_opening_is_said_at_the_cell_that_states_it() {
    let sheet = checked(MESSY.replace("\"1,920.60\"", "1920.00"));
    assert_eq!(said(&sheet), [(Some(10), "F", "合计行与明细不符，明细相加是 1,920.60元")]);
    let sheet = checked(MESSY.replace("\"8,397.66\"", "8397.60"));
    assert_eq!(said(&sheet).len(), 1);
    assert_eq!((said(&sheet)[0].0, said(&sheet)[0].1), (Some(9), "G"));
    let sheet = checked(MESSY.replace("\"10,000.00\"", "9000"));
    assert!(
        said(&sheet).iter().any(|(row, column, why)| (*row, *column) == (Some(4), "G") && why.contains("上期期末"))
    );
}

#[test]
fn what_was_fixed_in_the_page_comes_back_as_a_table_of_the_same_rows() {
    let first = checked(MESSY.replace("\"￥1,260.00\"", "12六0"));
    assert_eq!(said(&first), [(Some(7), "F", "不是金额。请只写数字，例如 1260.00")]);
    let mut text = String::new();
    let mut next = 1;
    for row in &first.rows {
        while next < row.row {
            text.push('\n');
            next += 1;
        }
        let cells: Vec<String> =
            row.cells.iter().map(|c| format!("\"{}\"", c.replace("12六0", "1260").replace('"', "\"\""))).collect();
        text.push_str(&cells.join(","));
        text.push('\n');
        next += 1;
    }
    let second = checked(text);
    sound(&second);
    assert_eq!(second.rows.len(), first.rows.len());
    assert_eq!(second.line_rows, [5, 6, 7, 8]);
}

#[test]
fn files_that_are_no_sheets_are_refused_in_a_sentence() {
    for (bytes, why) in [
        (Vec::new(), "文件是空的"),
        (b" \n\n".to_vec(), "文件是空的"),
        (vec![b'a'; BYTES_MAX + 1], "超过 8 MB"),
        (b"PK\x03\x04 no archive".to_vec(), "打不开"),
        (b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1 no book".to_vec(), "打不开"),
        (b"<html><table><tr><td>1</td></tr></table>".to_vec(), "网页格式"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec(), "不是文本"),
        ("日期,摘要,支出\n".repeat(60_000).into_bytes(), "50,000 行"),
    ] {
        let sheet = checked(bytes);
        assert_eq!(sheet.blocking, 1, "{why}");
        assert!(sheet.problems[0].problem.message.contains(why), "{:?}", sheet.problems);
        assert!(sheet.lines.is_empty() && !sheet.mapped);
    }
}

#[test]
fn formulas_scripts_and_paths_in_a_text_stay_text() {
    let csv = "日期,摘要,支出\n2026-02-03,\"=HYPERLINK(\"\"http://x\"\")\",1.00\n2026-02-03,<script>alert(1)</script>,=1+2\n\
        2026-02-04,../../etc/passwd,2.00\n";
    let sheet = checked(csv);
    let first = &sheet.problems[0];
    assert!(first.problem.message.contains("按文字读入") && !first.blocking, "{first:?}");
    assert!(said(&sheet).iter().any(|(row, column, _)| (*row, *column) == (Some(3), "C")), "{:?}", said(&sheet));
    assert_eq!(sheet.lines[0]["summary"], "=HYPERLINK(\"http://x\")");
    assert_eq!(sheet.lines[1]["summary"], "../../etc/passwd");
}

#[test]
fn headers_that_nobody_knows_are_asked_for_and_what_is_said_is_used() {
    let csv = "某某软件导出\n发生,干什么,进账,出账\n2026-02-03,水费,,5.00\n2026-02-04,租金,7.00,\n";
    let sheet = checked(csv);
    assert!(!sheet.mapped && sheet.lines.is_empty());
    assert_eq!(sheet.header_row, Some(2));
    assert!(said(&sheet)[0].2.contains("没有认出这几列：日期、摘要、收入、支出"), "{:?}", said(&sheet));
    let columns = ["date", "summary", "income", "expense"].map(str::to_owned).into_iter().enumerate().collect();
    let asked = Asked { class: class("finance"), header: Some(2), columns: Some(columns), ..Asked::default() };
    let sheet = read_with(csv, &asked, &Books { previous_closing: None, other_fen_max: 100_000 });
    sound(&sheet);
    assert_eq!((sheet.lines.len(), &sheet.fields["income"]), (2, &json!(700)));
    assert!(!sheet.fields.contains_key("opening"), "nothing is made up");
}

#[test]
fn exports_of_platforms_are_read_by_what_their_headers_mean_together() {
    let journal = "业务日期,凭证字号,摘要,借方金额,贷方金额,余额\n2026-02-03,收-1,租金,700.00,,10700.00\n2026-02-04,付-1,水费,,5.00,10695.00\n";
    let sheet = checked(journal);
    sound(&sheet);
    assert!(sheet.platform.is_some_and(|name| name.contains("借方为收")));
    assert_eq!((&sheet.fields["income"], &sheet.fields["expense"]), (&json!(70_000), &json!(500)));
    let flow =
        "日期,摘要,收支方向,金额（元）\n2026-02-03,租金,收,700.00\n2026-02-04,水费,支出,5.00\n2026-02-05,电费,,5.00\n";
    let sheet = checked(flow);
    assert_eq!(said(&sheet), [(Some(4), "C", "没有写是收还是支。请填“收”或“支”")]);
    assert_eq!((&sheet.lines[0]["income"], &sheet.lines[1]["expense"]), (&json!(70_000), &json!(500)));
}

#[test]
fn a_roster_is_masked_by_the_rule_where_nobody_masked_it() {
    let csv = "序号,户主姓名,补助项目,补助金额\n1,俞小满,低保,500.00\n2,,低保,300.00\n";
    let asked = Asked { class: class("roster"), ..Asked::default() };
    let sheet = read_with(csv, &asked, &Books::default());
    assert_eq!((&sheet.lines[0]["masked_name"], &sheet.lines[0]["full_name"]), (&json!("俞**"), &json!("俞小满")));
    assert_eq!(sheet.lines[0]["amount"], 50_000);
    assert_eq!(said(&sheet).len(), 1, "{:?}", said(&sheet));
}

/// A value that a column takes, as people type it.
fn typed(shape: Shape) -> &'static str {
    match shape {
        Shape::Date => "2026-02-03",
        Shape::Fen => "12.50",
        Shape::Count => "3",
        Shape::Choice(choices) => choices[0].1,
        _ => "文字",
    }
}

#[test]
fn a_template_that_was_filled_is_taken_without_being_told_anything() {
    for class in classes() {
        let columns: Vec<_> = class.columns().collect();
        let cells = |row: usize| {
            columns.iter().map(move |column| match column.name {
                "expense" if class.is_finance() => String::new(),
                "balance" => String::new(),
                "masked_name" => format!("俞{row}**"),
                _ => typed(column.shape).to_owned(),
            })
        };
        let mut csv = String::from_utf8(template::csv(class)).unwrap();
        for row in 0..2 {
            csv.push_str(&cells(row).collect::<Vec<_>>().join(","));
            csv.push_str("\r\n");
        }
        let asked = Asked { class: Some(class), ..Asked::default() };
        let books = Books { previous_closing: Some(0), other_fen_max: 100_000 };
        let sheet = read_with(csv, &asked, &books);
        sound(&sheet);
        assert_eq!(sheet.lines.len(), 2, "{}", class.content);
        assert_eq!(sheet.content, Some(class.content));
        let filled = columns.iter().filter(|c| !["expense", "balance"].contains(&c.name)).count();
        assert!(sheet.lines[0].len() >= filled, "{}: {:?}", class.content, sheet.lines[0]);
    }
}

#[test]
fn the_workbook_of_a_template_has_the_columns_explains_them_and_is_the_same_each_time() {
    for class in classes() {
        let bytes = template::xlsx(class).unwrap();
        assert_eq!(bytes, template::xlsx(class).unwrap());
        let sheet = checked(bytes);
        assert_eq!(sheet.sheets, ["填写", "说明"]);
        assert!(sheet.mapped, "{}: {:?}", class.content, said(&sheet));
        assert_eq!(sheet.columns.len(), class.columns().count());
        assert!(sheet.lines.is_empty());
        assert!(said(&sheet)[0].2.contains("没有数据行"), "{:?}", said(&sheet));
    }
}

/// A workbook as Excel 97 saves it ([MS-XLS], in a compound file of [MS-CFB]): one sheet, texts and numbers.
#[expect(clippy::cast_possible_truncation, reason = "a handful of short cells")]
fn xls(rows: &[&[&str]]) -> Vec<u8> {
    const END: u32 = 0xFFFF_FFFE;
    let record = |kind: u16, data: &[u8]| [&kind.to_le_bytes(), &(data.len() as u16).to_le_bytes(), data].concat();
    let wide = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let bof = |kind: u8| record(0x0809, &[&[0, 6, kind, 0][..], &[0; 12]].concat());
    let mut cells = bof(0x10);
    for (row, texts) in (0_u16..).zip(rows) {
        for (column, text) in (0_u16..).zip(*texts).filter(|(_, text)| !text.is_empty()) {
            let place = [row.to_le_bytes(), column.to_le_bytes(), [0, 0]].concat();
            cells.extend(if let Ok(number) = text.parse::<f64>() {
                record(0x0203, &[place, number.to_le_bytes().to_vec()].concat())
            } else {
                let chars = (text.encode_utf16().count() as u16).to_le_bytes().to_vec();
                record(0x0204, &[place, chars, vec![1], wide(text)].concat())
            });
        }
    }
    cells.extend(record(0x000A, &[]));
    let name = [&[2, 1][..], &wide("二月")].concat();
    let globals = |at: u32| {
        let sheet = [&at.to_le_bytes()[..], &[0, 0], &name].concat();
        [bof(5), record(0x0042, &[0xB0, 4]), record(0x0085, &sheet), record(0x000A, &[])].concat()
    };
    let mut stream = globals(globals(0).len() as u32);
    stream.extend(cells);
    // Below 4,096 bytes it would lie in a stream of small sectors.
    stream.resize(stream.len().max(4_096).next_multiple_of(512), 0);
    let sectors = (stream.len() / 512) as u32;
    let mut header = b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1".to_vec();
    header.extend([0; 16]);
    header.extend([0x3E, 0, 3, 0, 0xFE, 0xFF, 9, 0, 6, 0, 0, 0, 0, 0, 0, 0]);
    for number in [0, 1, 1, 0, 4_096, END, 0, END, 0, 0] {
        header.extend(u32::to_le_bytes(number));
    }
    header.resize(512, 0xFF);
    let mut table: Vec<u8> = [0xFFFF_FFFD_u32, END].into_iter().flat_map(u32::to_le_bytes).collect();
    for at in 0..sectors {
        table.extend(if at + 1 == sectors { END } else { at + 3 }.to_le_bytes());
    }
    table.resize(512, 0xFF);
    let entry = |name: &str, kind: u8, child: u32, start: u32, size: u32| {
        let mut entry = wide(name);
        entry.resize(64, 0);
        entry.extend(((name.len() as u16 + 1) * 2).to_le_bytes());
        entry.extend([kind, 1]);
        entry.extend([u32::MAX, u32::MAX, child].into_iter().flat_map(u32::to_le_bytes));
        entry.extend([0; 36]);
        entry.extend([start, size, 0].into_iter().flat_map(u32::to_le_bytes));
        entry
    };
    let mut directory = entry("Root Entry", 5, 1, END, 0);
    directory.extend(entry("Workbook", 2, u32::MAX, 2, stream.len() as u32));
    directory.resize(512, 0);
    [header, table, directory, stream].concat()
}

#[test]
fn a_workbook_of_excel_97_is_read_like_any_other() {
    let sheet = checked(xls(&[
        &["五里桥村2026年2月财务公开表（虚构）"],
        &["日期", "凭证号", "", "摘要", "收入", "支出", "收款人"],
        &["2月3日", "记-1", "", "公厕水电费", "", "330.3", "供电所"],
        &["", "记-1", "", "公厕水电费", "", "330.3", "供电所"],
        &["2月5日", "记-3", "", "利息", "318.26", "", ""],
        &["合计", "", "", "", "318.26", "660.6", ""],
    ]));
    sound(&sheet);
    assert_eq!((sheet.lines.len(), sheet.sheet.as_deref()), (3, Some("二月")));
    assert_eq!(sheet.lines[0], sheet.lines[1]);
    assert_eq!((&sheet.fields["income"], &sheet.fields["expense"]), (&json!(31_826), &json!(66_060)));
}

/// Written by a table program in the format of Excel 97: merged title, groups over two rows, a day below 月 and 日.
const TWO_ROWS: &[u8] = include_bytes!("../../../tests/fixtures/two-row-header.xls");

#[test]
fn a_header_of_two_rows_is_one_and_month_and_day_are_a_date() {
    let sheet = read_with(TWO_ROWS, &Asked::default(), &Books { previous_closing: None, other_fen_max: 100_000 });
    assert_eq!(said(&sheet), [(Some(8), "H", "不是金额。请只写数字，例如 1260.00")], "{:?}", sheet.notes);
    assert_eq!((sheet.header_row, &sheet.rows[3].part), (Some(3), &Part::Header));
    let headers: Vec<_> = sheet.columns.iter().map(|column| (column.header.as_str(), column.field)).collect();
    assert_eq!(
        headers[..4],
        [("月", Some("month")), ("日", Some("day")), ("凭证 字", Some("voucher_word")), ("凭证 号", Some("voucher"))]
    );
    assert_eq!((headers[5], headers[7]), (("收入 金额", Some("income")), ("支出 金额", Some("expense"))));
    assert_eq!(sheet.lines.len(), 3);
    for name in ["date", "voucher", "summary", "expense", "counterparty"] {
        assert_eq!(sheet.lines[0][name], sheet.lines[1][name], "{name}: the day stands once, for both");
    }
    assert_eq!((&sheet.lines[0]["date"], &sheet.lines[0]["voucher"]), (&json!("2019-02-03"), &json!("记-1")));
    assert_eq!((&sheet.lines[2]["date"], &sheet.lines[2]["source"]), (&json!("2019-02-06"), &json!("自有资金")));
    assert_eq!((&sheet.fields["period"], &sheet.fields["opening"]), (&json!("2019-02"), &json!(1_000_000)));
}

#[test]
fn a_sheet_with_two_header_rows_that_was_mended_comes_back_as_the_same_sheet() {
    let first = read_with(TWO_ROWS, &Asked::default(), &Books::default());
    let width = first.rows.iter().map(|row| row.cells.len()).max().unwrap();
    let line = |row: &RowRead| {
        let cell = |at: usize| row.cells.get(at).map_or("", String::as_str).replace("二百元", "200");
        (0..width).map(|at| format!("\"{}\"", cell(at))).collect::<Vec<_>>().join(",")
    };
    let csv = first.rows.iter().map(line).collect::<Vec<_>>().join("\n");
    let asked = Asked { header: first.header_row, class: class("finance"), ..Asked::default() };
    let sheet = read_with(csv, &asked, &Books { previous_closing: None, other_fen_max: 100_000 });
    sound(&sheet);
    assert_eq!((sheet.lines.len(), &sheet.fields["expense"]), (4, &json!(86_060)));
}

#[test]
fn a_day_without_a_year_or_that_is_none_is_said_at_its_cell() {
    let said_of = |title: &str| {
        let csv = format!("{title}\n月,日,摘要,收入,支出\n2,30,水费,,5.00\n13,1,电费,,5.00\n3,,租金,5.00,\n");
        let sheet = checked(csv);
        let said = said(&sheet);
        said.iter()
            .map(|(row, column, why)| (row.unwrap_or(0), (*column).to_owned(), (*why).to_owned()))
            .collect::<Vec<_>>()
    };
    let with_year = said_of("五里桥村2026年财务公开（虚构）");
    assert_eq!(with_year[0], (3, "B".into(), "没有这一天".into()));
    assert_eq!(with_year[1], (4, "A".into(), "应是 1 到 12 的月份".into()));
    assert_eq!(with_year[2], (5, "B".into(), "没有写是几日".into()));
    assert!(said_of("五里桥村财务公开（虚构）")[0].2.contains("看不出是哪一年"));
}
