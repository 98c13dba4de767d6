//! A sheet is accepted or refused for its sums alone, to the fen.

use gongkai_log::Digest;
use proptest::prelude::*;
use serde_json::json;

use super::*;

const LIMITS: Limits = Limits { other_fen_max: 100_000 };

fn date(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn parse(row: &Value) -> Result<Line, LineError> {
    Line::parse(row.as_object().unwrap())
}

fn line(summary: &str, income: i64, expense: i64) -> Line {
    parse(&json!({
        "date": "2026-02-10", "voucher": "记-1", "summary": summary, "income": income, "expense": expense,
    }))
    .unwrap()
}

/// The worked month of the domain notes; two toilet bills make the water and electricity.
fn month() -> (Sheet, Vec<Line>) {
    let income = [("出租及承包", 1_200_000), ("企业上缴利润", 0), ("补助", 4_000_000), ("其他（利息）", 31_826)];
    let expense = [
        ("干部报酬", 960_000),
        ("会议费", 45_000),
        ("电话费", 19_800),
        ("邮寄报刊", 126_000),
        ("公厕电费", 33_030),
        ("公厕电费", 34_306),
        ("误工补贴", 240_000),
        ("其他", 350_000),
    ];
    let lines = income
        .iter()
        .map(|(summary, fen)| line(summary, *fen, 0))
        .chain(expense.iter().map(|(summary, fen)| line(summary, 0, *fen)))
        .collect();
    let sheet = Sheet {
        period_start: date("2026-02-01"),
        period_end: date("2026-02-28"),
        opening: Some(18_642_035),
        income: 5_231_826,
        expense: 1_808_136,
        closing: Some(22_065_725),
        previous_closing: Some(18_642_035),
    };
    (sheet, lines)
}

fn itemised() -> (Sheet, Vec<Line>) {
    let (sheet, mut lines) = month();
    lines.pop();
    lines.push(line("修理村道路灯", 0, 200_000));
    lines.push(line("购置灭火器", 0, 150_000));
    (sheet, lines)
}

fn kinds(checked: &Checked) -> Vec<(Option<usize>, ProblemKind)> {
    checked.problems.iter().map(|problem| (problem.line, problem.kind)).collect()
}

#[test]
fn the_worked_month_is_refused_only_for_its_other_expense() {
    let (sheet, lines) = month();
    let checked = check(&sheet, &lines, &LIMITS);
    assert_eq!(kinds(&checked), [(Some(11), ProblemKind::NotItemised)]);
    assert_eq!(checked.problems[0].message, "第12行：其他支出3,500.00元超过1,000.00元，须逐项列明用途");
}

#[test]
fn the_worked_month_passes_when_itemised() {
    let (sheet, lines) = itemised();
    assert_eq!(check(&sheet, &lines, &LIMITS), Checked::default());
    assert_eq!(fen_text(sheet.closing.unwrap()), "220,657.25元");
}

#[test]
fn a_purpose_in_the_summary_itemises_an_other_account() {
    let (sheet, mut lines) = month();
    let other = lines.last_mut().unwrap();
    other.account = Some("其他支出".to_owned());
    other.summary = "支出".to_owned();
    assert_eq!(kinds(&check(&sheet, &lines, &LIMITS)), [(Some(11), ProblemKind::NotItemised)]);
    lines.last_mut().unwrap().summary = "修理村道路灯".to_owned();
    assert_eq!(kinds(&check(&sheet, &lines, &LIMITS)), []);
}

#[test]
fn splitting_other_into_small_lines_does_not_help() {
    let (sheet, mut lines) = month();
    lines.pop();
    lines.extend((0..5).map(|_| line("其它支出", 0, 70_000)));
    let checked = check(&sheet, &lines, &LIMITS);
    assert_eq!(kinds(&checked), [(None, ProblemKind::NotItemised)]);
    assert!(checked.problems[0].message.contains("共5笔合计3,500.00元"));
}

#[test]
fn equal_lines_are_separate_payments() {
    let (mut sheet, mut lines) = itemised();
    lines.push(lines[4].clone());
    sheet.expense += 960_000;
    sheet.closing = sheet.closing.map(|fen| fen - 960_000);
    assert_eq!(kinds(&check(&sheet, &lines, &LIMITS)), []);
}

#[test]
fn the_two_toilet_bills_are_one_class() {
    let (_, mut lines) = month();
    for bill in &mut lines[8..10] {
        bill.category = Some("水电费".to_owned());
    }
    let sums = class_sums(&lines).unwrap();
    let bills = sums.iter().find(|sum| sum.class == "水电费").unwrap();
    assert_eq!((bills.lines, fen_text(bills.expense)), (2, "673.36元".to_owned()));
    assert_eq!(sums[0].class, "未归类");
}

#[test]
fn balances_must_join_up() {
    let (mut sheet, lines) = itemised();
    sheet.previous_closing = Some(18_642_036);
    sheet.closing = Some(22_065_700);
    let checked = check(&sheet, &lines, &LIMITS);
    assert_eq!(kinds(&checked), [(None, ProblemKind::Opening), (None, ProblemKind::Closing)]);
    assert_eq!(checked.problems[0].message, "期初余额186,420.35元与上期期末余额186,420.36元不符");
    assert_eq!(checked.problems[1].message, "期初加收入减支出应为220,657.25元，表上的期末余额是220,657.00元，少0.25元");
}

#[test]
fn totals_must_be_the_sums_of_the_lines() {
    let (mut sheet, lines) = itemised();
    sheet.opening = None;
    sheet.income += 1;
    sheet.expense -= 100;
    let checked = check(&sheet, &lines, &LIMITS);
    assert_eq!(kinds(&checked), [(None, ProblemKind::IncomeTotal), (None, ProblemKind::ExpenseTotal)]);
    assert!(checked.problems[0].message.ends_with("多0.01元"));
}

#[test]
fn a_wrong_running_balance_names_its_line_once() {
    let (sheet, mut lines) = itemised();
    let mut running = sheet.opening.unwrap();
    for line in &mut lines {
        running += line.income - line.expense;
        line.balance = Some(running);
    }
    assert_eq!(kinds(&check(&sheet, &lines, &LIMITS)), []);
    let mut typo = lines.clone();
    typo[3].balance = Some(1);
    assert_eq!(kinds(&check(&sheet, &typo, &LIMITS)), [(Some(3), ProblemKind::Balance)]);
    for line in &mut lines[5..] {
        line.balance = line.balance.map(|fen| fen + 500);
    }
    let checked = check(&sheet, &lines, &LIMITS);
    assert_eq!(kinds(&checked), [(Some(5), ProblemKind::Balance)]);
    assert!(checked.problems[0].message.starts_with("第6行：余额应为"));
    let without_opening = Sheet { opening: None, ..sheet };
    assert_eq!(kinds(&check(&without_opening, &lines, &LIMITS)), [(Some(5), ProblemKind::Balance)]);
}

#[test]
fn a_date_outside_the_period_and_a_line_with_both_sides_are_named() {
    let (mut sheet, mut lines) = itemised();
    lines[1].date = date("2026-03-01");
    lines[2].expense = 100;
    sheet.expense += 100;
    sheet.closing = sheet.closing.map(|fen| fen - 100);
    assert_eq!(
        kinds(&check(&sheet, &lines, &LIMITS)),
        [(Some(1), ProblemKind::DateOutside), (Some(2), ProblemKind::BothSides)]
    );
}

#[test]
fn a_reversed_period_is_one_problem() {
    let (mut sheet, lines) = itemised();
    std::mem::swap(&mut sheet.period_start, &mut sheet.period_end);
    assert_eq!(kinds(&check(&sheet, &lines, &LIMITS)), [(None, ProblemKind::PeriodReversed)]);
}

#[test]
fn sums_beyond_the_range_are_problems_and_not_panics() {
    let (mut sheet, mut lines) = itemised();
    lines[0].income = FEN_MAX;
    lines[2].income = FEN_MAX;
    assert!(kinds(&check(&sheet, &lines, &LIMITS)).contains(&(None, ProblemKind::Overflow)));
    assert_eq!(class_sums(&lines), None);
    sheet.income = i64::MAX;
    sheet.opening = Some(i64::MIN);
    lines[0].income = i64::MIN;
    lines[2].expense = i64::MIN + 1;
    assert!(kinds(&check(&sheet, &lines, &LIMITS)).contains(&(None, ProblemKind::Overflow)));
}

#[test]
fn special_vouchers_are_remarked_and_do_not_block() {
    let (sheet, mut lines) = itemised();
    lines[0].voucher = None;
    lines[1].voucher = None; // nothing moved: 0.00
    lines[4].flag = Some(Flag::Irregular);
    lines[5].flag = Some(Flag::SelfMade);
    lines[6].flag = Some(Flag::NoVoucher);
    lines[7].account = Some("应付福利费".to_owned());
    let checked = check(&sheet, &lines, &LIMITS);
    assert_eq!(checked.problems, []);
    let remarks: Vec<_> = checked.remarks.iter().map(|remark| (remark.line, remark.kind)).collect();
    assert_eq!(
        remarks,
        [
            (0, RemarkKind::NoVoucher),
            (4, RemarkKind::Irregular),
            (5, RemarkKind::SelfMade),
            (6, RemarkKind::NoVoucher),
            (7, RemarkKind::OutdatedAccount),
        ]
    );
    assert_eq!(checked.remarks[1].message, "第5行：不合规凭证（白条）");
}

#[test]
fn a_reversal_names_its_voucher_or_is_remarked_without() {
    let (mut sheet, mut lines) = itemised();
    let mut reversal = line("冲销多付电费", 0, -3_850);
    lines.push(reversal.clone());
    reversal.reference = Some("记-8".to_owned());
    lines.push(reversal);
    sheet.expense -= 7_700;
    sheet.closing = sheet.closing.map(|fen| fen + 7_700);
    let checked = check(&sheet, &lines, &LIMITS);
    assert_eq!(checked.problems, []);
    let messages: Vec<_> = checked.remarks.iter().map(|remark| remark.message.as_str()).collect();
    assert_eq!(messages, ["第14行：冲红-38.50元，冲红未注明原凭证", "第15行：冲红-38.50元，原凭证记-8"]);
}

#[test]
fn rows_are_read_strictly() {
    let good = json!({"date": "2026-02-10", "summary": "电费", "expense": 33_030});
    assert_eq!(parse(&good).unwrap().income, 0);
    for (column, value, error) in [
        ("price", json!(1), LineError::UnknownColumn("price".to_owned())),
        ("date", json!("2026-2-10"), LineError::Date("date")),
        ("date", json!("2026-02-30"), LineError::Date("date")),
        ("expense", json!(330.3), LineError::Amount("expense")),
        ("expense", json!("33030"), LineError::Amount("expense")),
        ("expense", json!(FEN_MAX + 1), LineError::Amount("expense")),
        ("balance", Value::Null, LineError::Amount("balance")),
        ("attachments", json!(-1), LineError::Count("attachments")),
        ("attachments", json!(10_000), LineError::Count("attachments")),
        ("summary", json!("  "), LineError::Text("summary")),
        ("account", json!("甲\n乙"), LineError::Text("account")),
        ("project", json!("路".repeat(201)), LineError::Text("project")),
        ("flag", json!("white"), LineError::Flag("flag")),
        ("files", json!([{"hash": "00", "size": 1, "media_type": "image/jpeg"}]), LineError::Files("files")),
        ("files", json!("照片.jpg"), LineError::Files("files")),
    ] {
        let mut row = good.clone();
        row[column] = value;
        assert_eq!(parse(&row), Err(error));
    }
    for missing in ["date", "summary", "expense"] {
        let mut row = good.clone();
        row.as_object_mut().unwrap().remove(missing);
        assert!(matches!(parse(&row), Err(LineError::Missing(_))), "{missing}");
    }
}

fn photo() -> Value {
    json!({"hash": Digest::of(b"photo"), "size": 5, "media_type": "image/jpeg"})
}

#[test]
fn a_line_names_the_files_of_its_voucher_and_no_more_than_a_few() {
    let mut row = json!({"date": "2026-02-10", "summary": "电费", "expense": 33_030});
    assert_eq!(parse(&row).unwrap().files, []);
    row["files"] = Value::from(vec![photo(); LINE_ATTACHMENTS_MAX]);
    let files = parse(&row).unwrap().files;
    assert_eq!((files.len(), files[0].hash), (LINE_ATTACHMENTS_MAX, Digest::of(b"photo")));
    row["files"].as_array_mut().unwrap().push(photo());
    assert_eq!(parse(&row), Err(LineError::Files("files")));
}

#[test]
fn every_column_is_read() {
    let mut row = json!({
        "date": "2026-02-10", "income": 1, "expense": -2, "balance": 3, "attachments": 4, "flag": "self_made",
        "files": [photo()],
    });
    for name in COLUMNS {
        if row.get(name).is_none() {
            row[name] = json!(format!("文字{name}"));
        }
    }
    let read = parse(&row).unwrap();
    assert_eq!(read.files.len(), 1);
    let shown = format!("{read:?}");
    for name in COLUMNS {
        assert!(row[name].as_str().is_none_or(|text| name == "flag" || shown.contains(text)), "{name}");
    }
}

#[test]
fn amounts_read_as_on_the_sheet() {
    for (fen, text) in [
        (0, "0.00元"),
        (5, "0.05元"),
        (126_000, "1,260.00元"),
        (-3_850, "-38.50元"),
        (99_999, "999.99元"),
        (100_000_000, "1,000,000.00元"),
        (i64::MIN, "-92,233,720,368,547,758.08元"),
    ] {
        assert_eq!(fen_text(fen), text);
    }
}

proptest! {
    #[test]
    fn the_text_of_an_amount_is_the_amount(fen in -FEN_MAX..=FEN_MAX) {
        let digits: String =
            fen_text(fen).chars().filter(|c| c.is_ascii_digit() || *c == '-').collect();
        prop_assert_eq!(digits.parse::<i64>().unwrap(), fen);
    }

    #[test]
    fn honest_sheets_pass_and_one_fen_more_does_not(
        amounts in proptest::collection::vec((any::<bool>(), -1_000_000i64..1_000_000), 0..40),
        opening in 0i64..1_000_000_000
    ) {
        let lines: Vec<_> = amounts
            .iter()
            .map(|(is_income, fen)| if *is_income { line("项目", *fen, 0) } else { line("项目", 0, *fen) })
            .collect();
        let income = lines.iter().map(|line| line.income).sum();
        let expense = lines.iter().map(|line| line.expense).sum();
        let mut sheet = Sheet {
            period_start: date("2026-02-01"), period_end: date("2026-02-28"),
            opening: Some(opening), income, expense,
            closing: Some(opening + income - expense), previous_closing: None,
        };
        prop_assert_eq!(check(&sheet, &lines, &LIMITS).problems, vec![]);
        sheet.income += 1;
        prop_assert_eq!(check(&sheet, &lines, &LIMITS).problems.len(), 2);
    }
}
