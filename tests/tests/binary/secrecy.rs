//! What is sealed is in nothing public: canaries, two worlds that differ only behind a commitment, and guesses.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use gongkai_log::{Entry, Opening, Tier, slot, tile};
use gongkai_tests::ledger::{TestLedger, VILLAGE, pledge, stream};
use gongkai_tests::{Server, copy, gongkai, walk};
use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};

/// Marks one sealed slot; the number tells which.
fn canary(number: u8) -> String {
    format!("鹮鹮{number}号金丝雀羽色朱红QX{number}Z7")
}

/// A ledger with a vault whose periods last so many seconds.
fn with_vault(period_seconds: u64) -> TestLedger {
    let ledger = TestLedger::new();
    ledger.add_vault();
    periods(&ledger.dir(), period_seconds);
    ledger
}

fn periods(dir: &Path, seconds: u64) {
    let path = dir.join("gongkai.toml");
    let config = std::fs::read_to_string(&path).unwrap();
    let line = config.lines().find(|line| line.starts_with("sealed_period_seconds")).unwrap().to_owned();
    std::fs::write(&path, config.replace(&line, &format!("sealed_period_seconds = {seconds}"))).unwrap();
}

/// Sealed slots of public statements, a sealed cell, and wholly sealed events, each with a canary.
fn sealed_content() -> Vec<Value> {
    let mut contact = pledge("修好村东头机耕路");
    contact["fields"]["contact"] = json!(canary(1));
    contact["fields"]["scheduled_openings"] = json!([{"field": "contact", "on": "2050-01-01"}]);
    let roster = json!({"kind": "disclosure.published.v1", "org": VILLAGE, "fields": {
        "class": "village", "content": "roster", "period": "2026-02", "title": "低保对象公开(虚构)",
        "lines": [{"masked_name": "方**", "item": "低保", "full_name": canary(2)}]}});
    let letter = json!({"kind": "letter.received.v1", "org": VILLAGE,
        "proxy": {"channel": "信函", "original": gongkai_log::Digest::of(b"paper")},
        "fields": {"class": "opinion", "channel": "letter", "real_name": true, "consent_to_publish": false,
            "title": canary(3), "text": canary(4), "name": canary(5), "contact": canary(6)}});
    let access = json!({"kind": "access.recorded.v1", "org": VILLAGE, "fields": {
        "read": "letter/5ea1ed00-0000-4000-8000-000000000001", "revision": 0, "purpose": "handling",
        "reason": canary(7)}});
    let vacancy = stream("vacancy", 1);
    let announced = json!({"kind": "vacancy.announced.v1", "stream": vacancy, "org": VILLAGE, "fields": {
        "scope": "everyone", "opens_on": "2026-03-02", "closes_on": "2026-03-13", "title": "空缺职位(虚构)",
        "lines": [{"post": "文书", "unit": "五里桥村", "seats": 1}]}});
    let withdrawn =
        json!({"kind": "vacancy.withdrawn.v1", "stream": vacancy, "org": VILLAGE, "fields": {"reason": "调整(虚构)"}});
    // Promised to be opened one day: that is sealed like the rest.
    let shortlist = json!({"kind": "vacancy.shortlisted.v1", "org": VILLAGE, "fields": {
        "vacancy": vacancy, "post": 0, "decided_on": "2026-03-13", "people": [{"name": canary(8)}],
        "scheduled_openings": [{"field": "people", "on": "2049-12-31"}]}});
    vec![contact, roster, letter, access, announced, withdrawn, shortlist]
}

/// The same text in the encodings in which it could have been written somewhere.
fn encodings(text: &str) -> Vec<Vec<u8>> {
    let utf8 = text.as_bytes();
    let wide = |big: bool| -> Vec<u8> {
        text.encode_utf16().flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect()
    };
    let (mut hex, mut percent, mut escaped) = (String::new(), String::new(), String::new());
    for byte in utf8 {
        write!(hex, "{byte:02x}").unwrap();
        write!(percent, "%{byte:02X}").unwrap();
    }
    for unit in text.encode_utf16() {
        write!(escaped, "\\u{unit:04x}").unwrap();
    }
    let mut all = vec![utf8.to_vec(), wide(true), wide(false), percent.into_bytes(), escaped.into_bytes()];
    all.extend([hex.to_uppercase().into_bytes(), hex.into_bytes()]);
    all.push(encoding_rs::GBK.encode(text).0.into_owned());
    // Base64 at each of the three alignments, without the ends that depend on the neighbours.
    for shift in 0..3 {
        let mut bytes = vec![0; shift];
        bytes.extend_from_slice(utf8);
        let text = base64(&bytes);
        all.push(text.as_bytes()[4..text.len() - 4].to_vec());
    }
    all
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    bytes
        .chunks(3)
        .flat_map(|chunk| {
            let group = chunk.iter().fold(0_u32, |sum, byte| sum << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
            (0..4).map(move |place| char::from(LETTERS[(group >> (18 - 6 * place)) as usize & 63]))
        })
        .collect()
}

fn holds(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle)
}

/// Every public address that pages, API, feeds and log lead to, breadth first.
fn crawl(server: &Server) -> Vec<(String, u16, Vec<u8>)> {
    let mut known: BTreeSet<String> =
        ["/", "/api/v1/openapi.json", "/log/checkpoint", "/log/vkey", "/healthz", "/search?q=QX3Z7"]
            .map(str::to_owned)
            .into_iter()
            .collect();
    for index in 0..server.size() {
        known.insert(format!("/entries/{index}"));
        known.insert(format!("/api/v1/entries/{index}"));
    }
    for list in ["pledges", "vacancies", "nominations", "notices", "disclosures", "organizations"] {
        known.insert(format!("/api/v1/{list}"));
    }
    known.insert(format!("/log/{}", tile::openings_path(0)));
    let mut todo: Vec<String> = known.iter().cloned().collect();
    let mut pages = Vec::new();
    while let Some(path) = todo.pop() {
        let answer = server.get(&path);
        let text = answer.text();
        for link in text.split('"').filter(|part| part.starts_with('/') && part.len() < 200 && !part.contains("//")) {
            let link = link.replace("&amp;", "&");
            if known.len() < 1_500 && !link.contains(['<', ' ', '{']) && known.insert(link.clone()) {
                todo.push(link);
            }
        }
        pages.push((path, answer.status, answer.body));
    }
    pages.sort();
    pages
}

#[test]
fn a_canary_in_every_sealed_place_is_in_no_public_byte_and_in_no_file_in_any_encoding() {
    let ledger = with_vault(1);
    let ran = ledger.publish(&sealed_content()).ok();
    assert_eq!(ran.json_lines().len(), 7);
    let server = Server::start(&ledger.dir());
    let before = server.size();
    server
        .eventually("/log/checkpoint", |answer| answer.text().lines().nth(1).unwrap().parse::<u64>().unwrap() > before);
    let pages = crawl(&server);
    assert!(pages.len() > 60, "{} pages", pages.len());
    for number in 1..=8 {
        for form in encodings(&canary(number)) {
            for (path, _, body) in &pages {
                assert!(!holds(body, &form), "canary {number} in {path}");
            }
        }
    }
    assert!(server.stop().success());
    // What a sealed event promises to open, and when, is as sealed as what it says.
    assert!(pages.iter().all(|(path, _, body)| !holds(body, b"2049-12-31") || panic!("the sealed schedule in {path}")));
    assert!(pages.iter().any(|(_, _, body)| holds(body, "2050年1月1日启封".as_bytes())), "the public one is shown");
    // Nor on disk, without the keys: database, write-ahead log, views, search index, tiles.
    for number in 1..=8 {
        for form in encodings(&canary(number)) {
            for file in walk(&ledger.dir()) {
                // What the client keeps until its submission is answered is the client's.
                if file.components().any(|part| part.as_os_str() == "outbox") {
                    continue;
                }
                assert!(!holds(&std::fs::read(&file).unwrap(), &form), "canary {number} in {}", file.display());
            }
        }
    }
}

#[test]
fn an_official_signs_for_reading_a_letter_and_who_may_not_read_it_is_told_that_it_is_not_there() {
    let ledger = with_vault(86_400);
    let ran = ledger.publish(&sealed_content()[2..3]).ok().json_lines();
    let stream = ran[0]["stream"].as_str().unwrap().to_owned();
    assert!(ran[0]["promised"]["status_code"].as_str().unwrap().len() == 19);
    let server = Server::start(&ledger.dir());
    let open = |key: &str, stream: &str| {
        let key = ledger.key_file(key).display().to_string();
        gongkai(["open", "--url", &server.internal, "--key", &key, "--reason", "办理(虚构)", "--json", stream])
    };
    let content = open("publisher.example/1", &stream).ok().json();
    let fields = content["fields"].as_array().unwrap();
    let text = fields.iter().find(|field| field["name"] == "text").unwrap();
    assert_eq!(text["value"], json!(canary(4)));
    let _ = open("supervisor.example/1", &stream).exits(1).says("不对您公开");
    let _ = open("publisher.example/1", "letter/5ea1ed00-0000-4000-8000-0000000000ff").exits(1).says("不对您公开");
    let key = ledger.key_file("publisher.example/1").display().to_string();
    let own = gongkai(["read", "--url", &server.internal, "--key", &key, "accesses"]).ok().json();
    assert_eq!(own["accesses"].as_array().unwrap().len(), 2, "the one that was refused is on record too: {own}");

    let told = gongkai(["open", "--url", &server.internal, "--key", &key, &stream]).ok();
    let _ = told.says("来信类别：").says("实名：").says(&format!("内容：{}", canary(4)));
    let timeline = ["read", "--url", &server.internal, "--key", &key, "--timeline", &stream];
    let _ = gongkai(timeline).ok().says("封存  收到来信").says("查阅  person/").says("用途：办理");
    let rows = gongkai([&timeline[..], &["--json"]].concat()).ok().json()["rows"].clone();
    let kinds: Vec<_> = rows.as_array().unwrap().iter().map(|row| row["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["letter.received.v1", "access.recorded.v1", "access.recorded.v1"]);
}

/// Takes every trace of sealed content out of a ledger: what remains is what a ledger of decoys has.
async fn empty(dir: &Path) {
    let mut connection = SqliteConnectOptions::new().filename(dir.join("ledger.db")).connect().await.unwrap();
    let sql = "DROP TRIGGER sealed_events_are_never_deleted; DELETE FROM sealed_events; DELETE FROM sealed_values; \
               DELETE FROM sealed_requests;";
    sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

/// Gives a site its address for readers, which stands in every code to scan: a port drawn at each start must not.
fn named(dir: &Path) {
    let file = dir.join("gongkai.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let named = text.replace("# base_url = ", "base_url = ");
    assert_ne!(text, named);
    std::fs::write(&file, named).unwrap();
}

#[test]
fn two_worlds_with_the_same_commitments_give_byte_identical_public_answers() {
    let ledger = with_vault(1);
    let events: Vec<Value> = sealed_content().into_iter().skip(2).collect();
    let _ = ledger.publish(&events).ok();
    let server = Server::start(&ledger.dir());
    let before = server.size();
    server
        .eventually("/log/checkpoint", |answer| answer.text().lines().nth(1).unwrap().parse::<u64>().unwrap() > before);
    assert!(server.stop().success());
    periods(&ledger.dir(), 86_400);
    named(&ledger.dir());
    let other = ledger.path("other");
    copy(&ledger.dir(), &other);
    // Pages say when the checkpoint was written.
    let written = std::fs::metadata(ledger.dir().join("log/checkpoint")).unwrap().modified().unwrap();
    std::fs::File::options().write(true).open(other.join("log/checkpoint")).unwrap().set_modified(written).unwrap();
    tokio::runtime::Runtime::new().unwrap().block_on(empty(&other));
    let worlds = [ledger.dir(), other].map(|dir| {
        let server = Server::start(&dir);
        let pages = crawl(&server);
        let address = server.url.clone();
        assert!(server.stop().success());
        (pages, address)
    });
    let [(pages, address), (other_pages, other_address)] = worlds;
    assert_eq!(pages.len(), other_pages.len());
    for ((path, status, body), (_, other_status, other_body)) in pages.iter().zip(&other_pages) {
        assert_eq!(status, other_status, "{path}");
        // A new challenge at each call, in one world as well.
        if path == "/api/v1/work" {
            continue;
        }
        // The port, and how long a search took, differ from run to run of one world as well.
        let plain = |body: &[u8], address: &str| {
            let text = String::from_utf8_lossy(body).replace(address, "");
            let took = ["\"took_ms\":", "用时 "].iter().find_map(|before| text.find(before));
            let took = took.map(|at| text[at..].split([',', '}', '毫']).next().unwrap().to_owned());
            took.map_or(text.clone(), |took| text.replace(&took, ""))
        };
        assert!(plain(body, &address) == plain(other_body, &other_address), "{path}");
    }
}

async fn entry(dir: &Path, index: u64) -> Vec<u8> {
    let mut connection = SqliteConnectOptions::new().filename(dir.join("ledger.db")).connect().await.unwrap();
    let query = sqlx::query_scalar("SELECT bytes FROM entries WHERE idx = ?").bind(index.cast_signed());
    query.fetch_one(&mut connection).await.unwrap()
}

#[test]
fn a_million_guesses_at_a_yes_or_no_confirm_nothing_with_all_public_data() {
    let ledger = with_vault(86_400);
    let mut command = pledge("安装路灯");
    command["fields"]["contact"] = json!("是");
    let ran = ledger.publish(&[command]).ok();
    let index = ran.json_lines()[0]["receipt"]["index"].as_u64().unwrap();
    let openings = std::fs::read_to_string(ledger.dir().join("log").join(tile::openings_path(index / 256))).unwrap();
    let line = openings.lines().find(|line| line.contains(&format!("\"index\":{index},"))).unwrap();
    let line = gongkai_log::Openings::parse_line(line).unwrap();
    let bytes = tokio::runtime::Runtime::new().unwrap().block_on(entry(&ledger.dir(), index));
    let entry = Entry::parse(bytes).unwrap();
    let statement = &entry.content.statement().unwrap().statement;
    // Salts that somebody could try who has everything public: every 32 bytes of it, and everything small.
    let public: Vec<[u8; 32]> = line.commitments.iter().map(|hash| *hash.as_bytes()).collect();
    let mut tried = 0_u32;
    let mut round = 0_u64;
    while tried < 1 << 20 {
        for base in &public {
            let mut salt = *base;
            for (place, byte) in round.to_be_bytes().into_iter().enumerate() {
                salt[24 + place] ^= byte;
            }
            for value in ["是", "否"] {
                let number = u8::try_from(tried % 16).unwrap();
                let opening =
                    Opening { slot: number, salt, tier: Tier::Named, name: "contact".into(), value: json!(value) };
                let guess = slot::commit(&statement.origin, &statement.stream, statement.revision, &opening).unwrap();
                assert!(!line.commitments.contains(&guess));
                tried += 1;
            }
        }
        round += 1;
    }
}
