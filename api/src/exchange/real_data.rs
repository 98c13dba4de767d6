//! The whole way from files to plans: the real sets of `shared/data` with the mappings of `tests/fixtures/mappings`, and
//! made-up village sheets (虚构) with everything that real ones have wrong.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;

use rust_xlsxwriter::{ExcelDateTime, Format, Workbook};
use serde_json::{Value, json};

use super::{Context, Input, Mapping, Plan, Problems, import, plan, table};

fn shared(path: &str) -> PathBuf {
    let root = std::env::var_os("GONGKAI_SHARED")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared")), PathBuf::from);
    let path = root.join("data").join(path);
    assert!(path.exists(), "the shared data is missing: {}", path.display());
    path
}

fn mapping(name: &str) -> Mapping {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/mappings")).join(name);
    Mapping::parse(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn imported(mapping_name: &str, path: &str) -> Plan {
    let plan = import(&mapping(mapping_name), &[shared(path)], &Context::default());
    assert!(plan.problems.is_empty(), "{}", plan.problems);
    plan
}

fn kinds(plan: &Plan) -> BTreeMap<&str, usize> {
    plan.commands.iter().fold(BTreeMap::new(), |mut all, c| {
        *all.entry(c.json["kind"].as_str().unwrap()).or_default() += 1;
        all
    })
}

/// Plans a made-up file with the village mapping.
fn village(name: &str, bytes: Vec<u8>) -> Plan {
    let mapping = mapping("finance-village.toml");
    let (mut problems, mut notes) = (Problems::default(), Vec::new());
    let input = Input { name: name.into(), bytes, folder: None };
    let tables = table::read(&input, &mapping.read_options(), &mut problems, &mut notes);
    let mut planned = plan(&mapping, &tables, &Context::default());
    problems.append(std::mem::take(&mut planned.problems));
    planned.problems = problems;
    planned.notes.extend(notes);
    planned
}

#[test]
fn every_organization_of_the_country_becomes_a_registration() {
    for (mapping, file, count) in [
        ("organizations-provinces.toml", "provinces.csv", 31),
        ("organizations-cities.toml", "cities.csv", 342),
        ("organizations-areas.toml", "areas.csv", 2978),
        ("organizations-streets.toml", "streets.csv", 41_352),
        ("organizations-villages.toml", "villages-partial-chifeng.csv", 674),
    ] {
        let plan = imported(mapping, &format!("cn-admin-divisions/{file}"));
        assert_eq!(plan.commands.len(), count, "{file}");
        let codes: HashSet<_> = plan.commands.iter().map(|c| c.json["fields"]["code"].as_str().unwrap()).collect();
        assert_eq!(codes.len(), count, "{file}");
    }
}

#[test]
fn an_organization_knows_its_name_its_level_and_who_is_above_it() {
    let plan = imported("organizations-streets.toml", "cn-admin-divisions/streets.csv");
    let town = plan.commands.iter().find(|c| c.json["fields"]["code"] == "341523104").unwrap();
    let expected = json!({
        "kind": "organization.registered.v1", "org": "341523", "stream_key": "341523104",
        "fields": {"code": "341523104", "name": "千人桥镇", "level": "township", "parent": "341523"},
    });
    assert_eq!(town.json, expected);
}

#[test]
fn the_history_of_a_promise_stays_in_one_stream_even_when_it_is_renamed() {
    let plan = imported("pledges-tracker.toml", "promises-trumptracker/promise-events.jsonl");
    assert_eq!(plan.rows, 379);
    let text = std::fs::read_to_string(shared("promises-trumptracker/promise-events.jsonl")).unwrap();
    let events: Vec<Value> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let begun = events.iter().filter(|e| e["type"] == "added" && e["status"] != "Not started").count();
    assert_eq!(plan.commands.len(), 379 + begun);
    let kinds = kinds(&plan);
    assert_eq!((kinds["pledge.made.v1"], kinds["pledge.withdrawn.v1"], kinds["pledge.amended.v1"]), (227, 53, 5 + 11));
    // Five promises were reworded, and eleven had their sources changed.
    let streams: HashMap<&str, Vec<&str>> = plan.commands.iter().fold(HashMap::new(), |mut all, c| {
        all.entry(c.json["stream_key"].as_str().unwrap()).or_default().push(c.json["kind"].as_str().unwrap());
        all
    });
    assert_eq!(streams.len(), 227);
    assert!(streams.values().all(|kinds| kinds[0] == "pledge.made.v1"));
    assert_eq!(plan.commands[0].json["declared_at"], "2017-02-03T08:33:41-05:00");
}

#[test]
fn each_nomination_is_announced_and_then_concluded_with_its_outcome() {
    let plan = imported("nominations.toml", "nominations-us-congress-gov/nominations-118.csv");
    assert_eq!(kinds(&plan), BTreeMap::from([("nomination.announced.v1", 980), ("nomination.concluded.v1", 976)]));
    let outcome =
        |name: &str| plan.commands.iter().filter(|c| c.json["fields"]["outcomes"][0]["outcome"] == name).count();
    assert_eq!((outcome("appoint"), outcome("reject"), outcome("withdrawn")), (645, 292, 39));
    let streams: HashSet<_> = plan.commands.iter().map(|c| c.json["stream_key"].as_str().unwrap()).collect();
    assert_eq!(streams.len(), 980, "equal rows stay separate");
    let first = &plan.commands[0].json;
    assert_eq!(
        (first["fields"]["lines"][0]["name"].as_str(), first["declared_at"].as_str()),
        (Some("James Graham Lake"), Some("2024-07-31T00:00:00+08:00"))
    );
    assert_eq!(plan.commands[1].json["declared_at"], "2025-01-03T00:00:00+08:00");
    assert_eq!(plan.commands[1].json["stream_key"], first["stream_key"]);
}

/// Net amounts of the file in fen, read without any of the code under test: no cell of these files is quoted before Net.
fn nets(path: &str) -> Vec<i64> {
    let text = std::fs::read_to_string(shared(path)).unwrap();
    text.lines().skip(1).map(|line| line.split(',').nth(5).unwrap().replace('.', "").parse().unwrap()).collect()
}

#[test]
fn a_month_of_payments_is_one_disclosure_whose_totals_are_the_sums_of_its_lines() {
    for (month, count) in [("2022-01", 1345), ("2022-02", 1544)] {
        let path = format!("spending-uk-councils/salford-{month}.orgs-only.csv");
        let plan = imported("disclosures-month.toml", &path);
        assert_eq!(plan.commands.len(), 1);
        let fields = &plan.commands[0].json["fields"];
        let lines = fields["lines"].as_array().unwrap();
        assert_eq!((fields["period"].as_str(), lines.len()), (Some(month), count));
        let nets = nets(&path);
        let read: Vec<i64> = lines.iter().map(|l| l["expense"].as_i64().unwrap()).collect();
        assert_eq!(read, nets);
        assert!(nets.iter().any(|n| *n < 0), "credit notes stay negative");
        assert_eq!(fields["expense"].as_i64().unwrap(), nets.iter().sum::<i64>());
        assert_eq!(plan.commands[0].source.len(), nets.len());
    }
}

#[test]
fn payments_can_be_grouped_by_service_area_and_month() {
    let plan = imported("disclosures-service-area.toml", "spending-uk-councils/salford-2022-01.orgs-only.csv");
    assert_eq!(plan.commands.len(), 6);
    let children =
        plan.commands.iter().find(|c| c.json["fields"]["item"] == "People (Childrens) Service Group").unwrap();
    assert_eq!(children.json["fields"]["lines"].as_array().unwrap().len(), 543);
}

#[test]
fn notices_come_with_their_texts_and_missing_files_are_counted() {
    let plan = imported("notices.toml", "cn-mca-division-notices");
    assert_eq!((plan.rows, plan.commands.len()), (27, 21));
    assert!(plan.notes.iter().any(|n| n.contains("有 6 行所指的文件不存在")), "{:?}", plan.notes);
    let text =
        plan.commands.iter().find(|c| c.json["stream_key"] == "2019").unwrap().json["fields"]["text"].as_str().unwrap();
    assert!(text.starts_with("中华人民共和国二〇一九年县级以上行政区划变更情况"));
}

#[test]
fn a_missing_file_is_a_problem_unless_the_mapping_says_otherwise() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/mappings/notices.toml");
    let strict = std::fs::read_to_string(path).unwrap().replace(", missing = \"skip\"", "");
    let plan = import(&Mapping::parse(&strict).unwrap(), &[shared("cn-mca-division-notices")], &Context::default());
    assert_eq!((plan.problems.total, plan.commands.len()), (6, 21));
    assert_eq!(plan.problems.shown[0].column.as_deref(), Some("D"));
}

#[test]
fn each_announced_year_becomes_one_calendar() {
    let plan = imported("calendars.toml", "cn-holiday");
    assert_eq!(plan.commands.len(), 20);
    let count =
        |list: &str| plan.commands.iter().map(|c| c.json["fields"][list].as_array().unwrap().len()).sum::<usize>();
    assert_eq!((count("off_days"), count("work_days")), (545, 133));
    assert!(plan.notes.iter().any(|n| n.starts_with("2027.json：没有数据行")));
}

const SHEET: &str = "某某村2026年2月财务公开表（虚构）,,,,\n单位：元,,,,\n日期,摘要,收入,支出,收款人\n2月3日,公厕水电费,,330.30,供电所\n2月3日,公厕水电费,,330.30,供电所\n,邮寄报刊,—,￥１２６０,邮政\n2026/2/5,利息,318.26,,\n合 计,,318.26,\"1,920.60\",\n制表人：张某（虚构）,,,,\n";

#[test]
fn a_messy_village_sheet_is_read_line_by_line_and_equal_lines_stay() {
    let (gbk, _, unmappable) = encoding_rs::GBK.encode(SHEET);
    assert!(!unmappable);
    for bytes in [SHEET.as_bytes().to_vec(), gbk.into_owned(), format!("\u{FEFF}{SHEET}").into_bytes()] {
        let plan = village("二月.csv", bytes);
        assert!(plan.problems.is_empty(), "{}", plan.problems);
        let fields = &plan.commands[0].json["fields"];
        assert_eq!(fields["period"], "2026-02");
        assert_eq!(
            (fields["lines"].as_array().map(Vec::len), fields["income"].as_i64(), fields["expense"].as_i64()),
            (Some(4), Some(31_826), Some(192_060))
        );
        assert_eq!(fields["lines"][0], fields["lines"][1]);
        assert_eq!(
            fields["lines"][2],
            json!({"date": "2026-02-03", "summary": "邮寄报刊", "income": 0, "expense": 126_000, "counterparty": "邮政"})
        );
        assert_eq!(plan.commands[0].source.iter().map(|s| s.row).collect::<Vec<_>>(), [4, 5, 6, 7]);
        assert!(
            plan.notes.iter().any(|n| n.contains("第 8 行是合计行"))
                && plan.notes.iter().any(|n| n.contains("第 9 行是落款"))
        );
    }
}

#[test]
fn a_total_that_is_not_the_sum_is_a_problem_at_its_cell() {
    let plan = village("二月.csv", SHEET.replace("\"1,920.60\"", "1920.61").into_bytes());
    assert_eq!(plan.problems.total, 1);
    assert_eq!(
        plan.problems.shown[0].to_string(),
        "二月.csv 第 8 行 D 列“支出”，填的是“1920.61”：合计行与明细不符，明细相加是 1920.60"
    );
}

#[test]
fn every_bad_cell_is_named_by_row_column_and_header() {
    let csv = "摘要,日期,支出\n水费,2026-02-30,12.345\n,昨天,5\n电费,2026-02-03,3,多余\n修路,2026-02-03,7,\n";
    let plan = village("错.csv", csv.into());
    assert!(plan.commands.is_empty());
    let places: Vec<_> = plan.problems.shown.iter().map(|p| (p.row.unwrap(), p.column.clone().unwrap())).collect();
    for place in [(2, "B"), (2, "C"), (3, "A"), (3, "B"), (4, "D")] {
        assert!(places.contains(&(place.0, place.1.to_owned())), "{place:?} not in {places:?}");
    }
    assert_eq!(places.len(), 5, "each cell is told once: {}", plan.problems);
    assert!(!places.iter().any(|(row, _)| *row == 5), "a trailing comma is no problem");
}

#[test]
fn a_missing_column_is_told_once_with_the_names_that_would_do() {
    let plan = village("缺.csv", "日期,支出\n2026-02-03,1\n2026-02-04,2\n".into());
    assert_eq!(plan.problems.total, 1);
    assert!(plan.problems.shown[0].message.contains("摘要／用途／事由"), "{}", plan.problems);
}

fn workbook() -> Workbook {
    let mut book = Workbook::new();
    let sheet = book.add_worksheet().set_name("二月").unwrap();
    sheet.merge_range(0, 0, 0, 5, "某某村2026年2月财务公开表（虚构）", &Format::new()).unwrap();
    sheet.write(1, 4, "单位：元").unwrap();
    for (column, header) in [(0, "日期"), (1, "用途"), (3, "收入"), (4, "支出")] {
        sheet.write(2, column, header).unwrap();
    }
    let dated = Format::new().set_num_format("yyyy-mm-dd");
    sheet.write_with_format(3, 0, ExcelDateTime::from_ymd(2026, 2, 3).unwrap(), &dated).unwrap();
    sheet.write(3, 1, "水电费").unwrap().write(3, 4, 673.36).unwrap();
    sheet.write(4, 0, 46057).unwrap().write(4, 1, "利息").unwrap().write(4, 3, 318.26).unwrap();
    sheet.write(5, 0, "2026年2月5日").unwrap().write(5, 1, "冲红").unwrap().write(5, 4, "(20.00)").unwrap();
    sheet.write(6, 1, "合计").unwrap().write(6, 3, 318.26).unwrap().write(6, 4, 653.36).unwrap();
    book.add_worksheet().set_name("说明").unwrap().write(0, 0, "填表说明").unwrap();
    book.add_worksheet().set_name("草稿").unwrap().set_hidden(true).write(0, 0, "日期").unwrap();
    book
}

#[test]
fn a_workbook_with_merged_titles_serial_dates_and_an_empty_column_is_read() {
    let plan = village("二月.xlsx", workbook().save_to_buffer().unwrap());
    assert!(plan.problems.is_empty(), "{}", plan.problems);
    let fields = &plan.commands[0].json["fields"];
    let dates: Vec<_> = fields["lines"].as_array().unwrap().iter().map(|l| l["date"].as_str().unwrap()).collect();
    assert_eq!(dates, ["2026-02-03", "2026-02-04", "2026-02-05"]);
    assert_eq!((fields["income"].as_i64(), fields["expense"].as_i64()), (Some(31_826), Some(65_336)));
    assert_eq!(plan.commands[0].source[0].row, 4);
    assert_eq!(&*plan.commands[0].source[0].sheet, "二月.xlsx（二月）");
    assert!(
        plan.notes.iter().any(|n| n.contains("“说明”没有认出表头"))
            && plan.notes.iter().any(|n| n.contains("“草稿”是隐藏的"))
    );
}

#[test]
fn a_problem_in_a_workbook_names_the_column_of_the_file_not_of_the_table() {
    let mut book = workbook();
    book.worksheet_from_index(0).unwrap().write(3, 4, "六百").unwrap();
    let plan = village("二月.xlsx", book.save_to_buffer().unwrap());
    let problem = plan.problems.shown.iter().find(|p| p.row == Some(4)).unwrap();
    assert_eq!(
        (problem.column.as_deref(), problem.header.as_deref(), problem.cell.as_deref()),
        (Some("E"), Some("支出"), Some("六百"))
    );
}

#[test]
fn a_unit_of_ten_thousand_above_the_header_counts() {
    let csv = "某某村2026年财务（虚构）\n单位：万元\n日期,摘要,支出,收入（元）\n2月3日,修路,1.2,5\n";
    let fields = village("万.csv", csv.into()).commands[0].json["fields"].clone();
    assert_eq!((fields["expense"].as_i64(), fields["income"].as_i64()), (Some(1_200_000), Some(500)));
}

#[test]
fn what_is_no_table_is_refused_with_advice() {
    for (name, bytes) in [
        ("空.csv", Vec::new()),
        ("网页.xls", b"<html><table></table></html>".to_vec()),
        ("坏.xlsx", b"PK\x03\x04broken".to_vec()),
        ("坏.xls", vec![0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1, 0, 0]),
        ("图.csv", vec![0xFF, 0xD8, 0xFF, 0xE0, 0, 0x10]),
    ] {
        let plan = village(name, bytes);
        assert_eq!((plan.problems.total, plan.commands.len()), (1, 0), "{name}");
    }
}

#[test]
fn a_file_outside_the_folder_is_never_read() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("secret.txt"), "x").unwrap();
    let inner = folder.path().join("inner");
    std::fs::create_dir(&inner).unwrap();
    std::fs::write(inner.join("manifest.csv"), "dcpid,title,url,filename\n1,a,b,../secret.txt\n2,a,b,/etc/hostname\n")
        .unwrap();
    let plan = import(&mapping("notices.toml"), &[inner], &Context::default());
    assert_eq!((plan.problems.total, plan.commands.len()), (2, 0), "{}", plan.problems);
}

#[test]
fn a_lookup_turns_names_into_codes_and_tells_the_names_that_it_does_not_know() {
    let text = "[[command]]\nkind = \"a.b.v1\"\norg = { column = \"村名\", lookup = \"orgs\", required = true }\nfields.x = \"{事}\"";
    let mapping = Mapping::parse(text).unwrap();
    let (mut problems, mut notes) = (Problems::default(), Vec::new());
    let input = Input { name: "a.csv".into(), bytes: "村名,事\n甲村,一\n乙村,二\n".into(), folder: None };
    let tables = table::read(&input, &mapping.read_options(), &mut problems, &mut notes);
    let lookups = BTreeMap::from([("orgs".to_owned(), BTreeMap::from([("甲村".to_owned(), "1".to_owned())]))]);
    let plan = plan(&mapping, &tables, &Context { lookups, year: None });
    assert_eq!(plan.commands[0].json, json!({"kind": "a.b.v1", "org": "1", "fields": {"x": "一"}}));
    assert_eq!(
        plan.problems.shown[0].to_string(),
        "a.csv 第 3 行 A 列“村名”，填的是“乙村”：在对照表“orgs”里找不到“乙村”"
    );
}

#[test]
fn a_group_that_concludes_equal_rows_has_the_key_of_its_own_row() {
    let text = "[defaults]\norg = \"1\"\nrepeat = \"separate\"\nstream_key = \"{编号}\"\n\
        [[command]]\nkind = \"a.opened.v1\"\nfields.x = \"{事}\"\n\
        [[command]]\nkind = \"a.concluded.v1\"\ngroup_by = [\"编号\", \"事\"]\nfields.n = { column = \"事\", aggregate = \"count\" }";
    let mapping = Mapping::parse(text).unwrap();
    let (mut problems, mut notes) = (Problems::default(), Vec::new());
    let input = Input { name: "a.csv".into(), bytes: "编号,事\n7,甲\n8,甲\n7,乙\n7,甲\n".into(), folder: None };
    let tables = table::read(&input, &mapping.read_options(), &mut problems, &mut notes);
    let plan = plan(&mapping, &tables, &Context::default());
    assert!(plan.problems.is_empty(), "{}", plan.problems);
    let keys: Vec<_> = plan
        .commands
        .iter()
        .map(|c| (c.json["kind"].as_str().unwrap(), c.json["stream_key"].as_str().unwrap(), c.source[0].row))
        .collect();
    let (opened, concluded) = ("a.opened.v1", "a.concluded.v1");
    assert_eq!(
        keys,
        [
            (opened, "7", 2),
            (concluded, "7", 2),
            (opened, "8", 3),
            (concluded, "8", 3),
            (opened, "7#2", 4),
            (concluded, "7#2", 4),
            (opened, "7#3", 5),
        ]
    );
}
