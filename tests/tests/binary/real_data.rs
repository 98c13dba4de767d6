//! Real, openly licensed sets of the shared folder, read through column mappings that know nothing of the program.
//!
//! After each load the ledger verifies, its audit finds no breach, the counts are the source's, and a search finds known
//! items. How long a load takes is the benchmark's business.

use std::path::Path;
use std::time::Instant;

use gongkai_tests::ledger::{TestLedger, organization, stream};
use gongkai_tests::{Ran, Server, mapping, shared};
use serde_json::{Value, json};

/// A ledger in which the publisher may speak for these organizations.
fn ledger_for(orgs: &[(&str, &str, &str)]) -> TestLedger {
    let ledger = TestLedger::new();
    let mut commands = Vec::new();
    for (code, level, name) in orgs {
        commands.push(organization(code, level, None, name));
        commands.push(json!({"kind": "role.granted.v1", "org": code,
            "fields": {"person": stream("person", 1), "role": "publisher"}}));
    }
    let _ = ledger.register(&commands).ok();
    ledger
}

fn load(ledger: &TestLedger, family: &str, mapping_name: &str, input: &Path) -> u64 {
    load_as(ledger, &ledger.key_file("publisher.example/1"), family, mapping_name, input)
}

/// Imports, and tells how many entries that made.
fn load_as(ledger: &TestLedger, key: &Path, family: &str, mapping_name: &str, input: &Path) -> u64 {
    let (before, started) = (ledger.size(), Instant::now());
    let ran: Ran = ledger.import_as(key, family, input, &mapping(mapping_name), &[]);
    let made = ledger.size() - before;
    println!("{}: {made} entries in {:.1} s", input.display(), started.elapsed().as_secs_f64());
    // The receipts of thousands of commands would drown the reason.
    let ran = Ran { out: ran.out.lines().rev().take(20).collect::<Vec<_>>().join("\n"), ..ran };
    let _ = ran.ok();
    made
}

/// Total of a list of the API.
fn total(server: &Server, path: &str) -> u64 {
    let answer = server.json(path);
    answer["total"].as_u64().unwrap_or_else(|| panic!("{path} has no total: {answer}"))
}

/// Waits for a search to find something.
fn finds(server: &Server, words: &str, expected: &str) {
    let query: Vec<String> = words.bytes().map(|byte| format!("%{byte:02X}")).collect();
    server.eventually(&format!("/api/v1/search?q={}", query.concat()), |answer| answer.text().contains(expected));
}

#[test]
fn the_countrys_organizations_and_twenty_years_of_calendars() {
    let ledger = ledger_for(&[("state-council", "nation", "国务院")]);
    let registrar = ledger.own_key_file("registrar-1.key");
    let mut organizations = 0;
    for (mapping_name, file, count) in [
        ("organizations-provinces.toml", "provinces.csv", 31),
        ("organizations-cities.toml", "cities.csv", 342),
        ("organizations-areas.toml", "areas.csv", 2_978),
        ("organizations-streets.toml", "streets.csv", 41_352),
        ("organizations-villages.toml", "villages-partial-chifeng.csv", 674),
    ] {
        let input = shared("data/cn-admin-divisions").join(file);
        let made = load_as(&ledger, &registrar, "organizations", mapping_name, &input);
        assert_eq!(made, count, "{file}");
        organizations += made;
    }
    assert_eq!(organizations, 44_703 + 674);
    let made = load_as(&ledger, &registrar, "calendars", "calendars.toml", &shared("data/cn-holiday"));
    assert_eq!(made, 20, "2007 to 2026; 2027 is not announced yet");
    ledger.check();

    let server = Server::start(&ledger.dir());
    finds(&server, "千人桥", "341523104");
    finds(&server, "qianrenqiao", "341523104");
    finds(&server, "舒城", "341523");
    // The list begins with the provinces; beside them the test's own county and the one that publishes calendars.
    assert_eq!(total(&server, "/api/v1/organizations"), 31 + 1 + 1);
    let streets = std::fs::read_to_string(shared("data/cn-admin-divisions/streets.csv")).unwrap();
    let below = streets.lines().filter(|line| line.split(',').nth(2) == Some("341523")).count() as u64;
    assert_eq!(total(&server, "/api/v1/organizations?org=341523"), below);
    assert!(below > 10);
    assert!(server.get("/organizations/341523104").text().contains("千人桥镇"));
}

#[test]
fn a_promise_trackers_history_with_its_removals() {
    let ledger = ledger_for(&[("promise-tracker", "department", "Promise tracker")]);
    let input = shared("data/promises-trumptracker/promise-events.jsonl");
    let text = std::fs::read_to_string(&input).unwrap();
    let events: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let begun = events.iter().filter(|e| e["type"] == "added" && e["status"] != "Not started").count() as u64;
    let removed = events.iter().filter(|e| e["type"] == "removed").count() as u64;
    let made = load(&ledger, "pledges", "pledges-tracker.toml", &input);
    assert_eq!((events.len(), made), (379, 379 + begun));
    ledger.check();

    let server = Server::start(&ledger.dir());
    finds(&server, "term limits", "Constitutional Amendment");
    assert_eq!(total(&server, "/api/v1/pledges?org=promise-tracker"), 227);
    assert_eq!(removed, 53);
    assert_eq!(total(&server, "/api/v1/pledges?org=promise-tracker&status=withdrawn"), removed);
    // 174 are left, with the statuses that the tracker itself counts today.
    let data: Value =
        serde_json::from_slice(&std::fs::read(shared("data/promises-trumptracker/data.json")).unwrap()).unwrap();
    let promises = data["promises"].as_array().unwrap();
    assert_eq!(promises.len(), 174);
    for (theirs, ours) in [("Achieved", "fulfilled"), ("Compromised", "partly_fulfilled"), ("Broken", "not_fulfilled")]
    {
        let count = promises.iter().filter(|promise| promise["status"] == theirs).count() as u64;
        assert_eq!(total(&server, &format!("/api/v1/pledges?org=promise-tracker&status={ours}")), count, "{theirs}");
    }
}

#[test]
fn nine_hundred_and_eighty_nominations_with_their_outcomes() {
    let ledger = ledger_for(&[("us-executive", "nation", "Executive")]);
    let made = load(
        &ledger,
        "nominations",
        "nominations.toml",
        &shared("data/nominations-us-congress-gov/nominations-118.csv"),
    );
    assert_eq!(made, 980 + 976);
    ledger.check();

    let server = Server::start(&ledger.dir());
    finds(&server, "James Graham Lake", "James Graham Lake");
    assert_eq!(total(&server, "/api/v1/nominations?org=us-executive"), 980);
    let outcomes = outcomes(&ledger);
    assert_eq!(outcomes, [("appoint", 645), ("reject", 292), ("withdrawn", 39)]);
    assert_eq!(total(&server, "/api/v1/nominations?org=us-executive&status=no_outcome"), 4);
}

/// Conclusions in the log, by outcome.
fn outcomes(ledger: &TestLedger) -> [(&'static str, usize); 3] {
    let out = ledger.path("export.jsonl");
    let _ = ledger.run("export", &["--out", out.to_str().unwrap(), "--format", "jsonl"]).ok();
    let files = if out.is_dir() { gongkai_tests::walk(&out) } else { vec![out] };
    let text: String =
        files.iter().map(|file| String::from_utf8_lossy(&std::fs::read(file).unwrap()).into_owned()).collect();
    ["appoint", "reject", "withdrawn"]
        .map(|outcome| (outcome, text.matches(&format!("\"outcome\":\"{outcome}\"")).count()))
}

#[test]
fn two_months_of_a_councils_payments_and_the_lines_that_look_alike() {
    let ledger = ledger_for(&[("salford", "city", "Salford City Council")]);
    let folder = shared("data/spending-uk-councils");
    let mut lines = 0;
    for (month, count) in [("2022-01", 1_345), ("2022-02", 1_544)] {
        let input = folder.join(format!("salford-{month}.orgs-only.csv"));
        assert_eq!(load(&ledger, "disclosures", "disclosures-month.toml", &input), 1, "{month}");
        lines += count;
    }
    // Made-up rows (虚构): a trailing comma, and two equal rows, which are two payments.
    let made_up = "Authority Name,Date of Payment,DocumentNo,Gross,VAT,Net,Vendor Name,Service Area,GL Description\n\
        Salford City Council,2022-03-01,1,12.00,2.00,10.00,Redacted Data,Place,Cleaning,\n\
        Salford City Council,2022-03-01,2,-6.00,-1.00,-5.00,Redacted Data,Place,Cleaning,\n\
        Salford City Council,2022-03-02,3,24.00,4.00,20.00,Made Up Ltd,Place,Food\n\
        Salford City Council,2022-03-02,3,24.00,4.00,20.00,Made Up Ltd,Place,Food\n";
    let input = ledger.file("2022-03.csv", made_up);
    assert_eq!(load(&ledger, "disclosures", "disclosures-month.toml", &input), 1);
    ledger.check();

    let published: Vec<Value> = gongkai_tests::walk(&ledger.dir().join("log/lines"))
        .iter()
        .flat_map(|file| std::fs::read_to_string(file).unwrap().lines().map(str::to_owned).collect::<Vec<_>>())
        .map(|line| serde_json::from_str::<Value>(&line).unwrap()["row"].clone())
        .collect();
    assert_eq!(published.len(), lines + 4);
    let sums = ["2022-01", "2022-02"].map(|month| nets(&folder.join(format!("salford-{month}.orgs-only.csv"))));
    let negative = sums.iter().flatten().filter(|net| **net < 0).count();
    assert_eq!(negative, 15);
    assert_eq!(published.iter().filter(|row| row["expense"].as_i64().unwrap() < 0).count(), negative + 1);
    let paid: i64 = published.iter().map(|row| row["expense"].as_i64().unwrap()).sum();
    assert_eq!(paid, sums.iter().flatten().sum::<i64>() + 4_500);
    assert_eq!(
        published.iter().filter(|row| row["summary"] == "Food" && row["counterparty"] == "Made Up Ltd").count(),
        2
    );
    let redacted = published.iter().filter(|row| row["counterparty"] == "Redacted Data").count();
    assert_eq!(redacted, 291 + 319 + 2);

    let server = Server::start(&ledger.dir());
    finds(&server, "Alliance Disposables", "2022-01");
    assert_eq!(total(&server, "/api/v1/disclosures?org=salford"), 3);
}

/// Net amounts of a file in fen, read without the code under test: no cell before Net is quoted.
fn nets(path: &Path) -> Vec<i64> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().skip(1).map(|line| line.split(',').nth(5).unwrap().replace('.', "").parse().unwrap()).collect()
}

#[test]
fn twenty_one_official_notices() {
    let ledger = ledger_for(&[("mca", "department", "民政部")]);
    assert_eq!(load(&ledger, "notices", "notices.toml", &shared("data/cn-mca-division-notices")), 21);
    ledger.check();
    let server = Server::start(&ledger.dir());
    // Two characters in the middle of a text; Traditional finds Simplified.
    finds(&server, "广信", "二〇一九年");
    finds(&server, "廣信", "二〇一九年");
    assert_eq!(total(&server, "/api/v1/notices?org=mca"), 21);
}
