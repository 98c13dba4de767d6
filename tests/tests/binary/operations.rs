//! What whoever runs the ledger sees of it: numbers, log lines, readiness, what the service manager is told, settings.

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use gongkai_tests::gap::{Gap, letter};
use gongkai_tests::ledger::{COUNTY, TestLedger, VILLAGE, key, pledge};
use gongkai_tests::server::{Answer, until};
use gongkai_tests::statement::Draft;
use gongkai_tests::{Server, get, gongkai, gongkai_with, post};
use serde_json::{Value, json};

/// Marks what somebody wrote; the number tells where.
fn canary(number: u8) -> String {
    format!("鹮鹮{number}号金丝雀QX{number}Z7")
}

/// A server that shows its numbers and logs everything that it ever logs, one object a line; the address of the numbers.
fn observed(ledger: &TestLedger) -> (Server, String, Vec<String>) {
    let server = Server::start_with(&ledger.dir(), |command| {
        command.env("GONGKAI_METRICS_LISTEN", "127.0.0.1:0");
        command.env("GONGKAI_LOG", "debug").env("GONGKAI_LOG_FORMAT", "json");
    });
    let said = std::cell::RefCell::new(Vec::new());
    let address = until("the address of the numbers", || {
        said.borrow_mut().extend(server.said().lines().map(str::to_owned));
        let said = said.borrow();
        said.iter().find_map(|line| line.strip_prefix("指标 ")?.strip_suffix("/metrics").map(str::to_owned))
    });
    (server, address, said.into_inner())
}

/// The value of a line of the numbers, without a fraction.
fn number(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    let value = line.unwrap_or_else(|| panic!("{name} is not in\n{text}"));
    value.split('.').next().unwrap().parse().unwrap()
}

fn submit(server: &Server, ledger: &TestLedger, command: &Value) -> Vec<Value> {
    let file = ledger.file("command.json", command.to_string());
    let key = ledger.key_file("publisher.example/1");
    let [file, key] = [file, key].map(|path| path.display().to_string());
    gongkai(["submit", "--url", &server.internal, "--json", "--key", &key, &file]).ok().json_lines()
}

#[test]
fn the_numbers_and_the_log_tell_how_much_and_nothing_that_anybody_wrote() {
    let ledger = TestLedger::new();
    ledger.add_vault();
    let (server, numbers, mut said) = observed(&ledger);
    let before = get(&format!("{numbers}/metrics")).text();
    let mut made = pledge(&canary(1));
    made["fields"]["contact"] = canary(2).into();
    let receipt = submit(&server, &ledger, &made);
    let letter = json!({"kind": "letter.received.v1", "org": VILLAGE,
        "proxy": {"channel": "信函", "original": gongkai_log::Digest::of(b"paper")},
        "fields": {"class": "opinion", "channel": "letter", "real_name": true, "consent_to_publish": false,
            "title": canary(3), "text": canary(4), "name": canary(5), "contact": canary(6)}});
    let promised = submit(&server, &ledger, &letter);
    let code = promised[0]["promised"]["status_code"].as_str().unwrap().to_owned();
    let unknown = Draft::new(pledge(&canary(7)), vec![("publisher", key("nobody.example/1"))]).submission();
    assert_eq!(server.submit("canary-key-QX8Z7", &unknown).status, 403);
    assert_eq!(server.get("/search?q=QX1Z7").status, 200);
    assert_eq!(server.get("/no/such/QX9Z7").status, 404);
    assert_eq!(server.get(&format!("/organizations/{VILLAGE}")).status, 200);
    let _ = server.get(&format!("/api/v1/status/{code}"));
    server.eventually("/", |answer| answer.status == 200);

    let text = get(&format!("{numbers}/metrics")).text();
    let rose = |name: &str| number(&text, name) - number(&before, name);
    assert_eq!(rose("gongkai_receipts_total"), 2);
    assert_eq!(number(&text, "gongkai_refusals_total{code=\"unknown_key\"}"), 1);
    assert!(rose("gongkai_commit_seconds_count") >= 2 && rose("gongkai_batch_entries_sum") >= 2);
    assert!(number(&text, "gongkai_publish_seconds_count") >= 1);
    assert_eq!((number(&text, "gongkai_queue_waiting"), number(&text, "gongkai_queue_max")), (0, 8_192));
    assert_eq!(number(&text, "gongkai_entries_committed"), number(&text, "gongkai_entries_published"));
    assert_eq!(number(&text, "gongkai_accepting"), 1);
    for behind in ["gongkai_views_behind_entries", "gongkai_internal_views_behind_entries"] {
        until(behind, || (number(&get(&format!("{numbers}/metrics")).text(), behind) == 0).then_some(()));
    }
    assert!(number(&text, "gongkai_storage_bytes{part=\"ledger\"}") > 0);
    assert!(number(&text, "gongkai_disk_free_bytes") > 0 && number(&text, "gongkai_checkpoint_age_seconds") < 600);
    let search = "gongkai_http_request_seconds_count{route=\"/search\",class=\"2xx\"}";
    assert_eq!(number(&text, search), 1);

    assert!(server.get("/").status == 200);
    let stream = receipt[0]["stream"].as_str().unwrap().to_owned();
    let id = stream.split('/').nth(1).unwrap().to_owned();
    said.extend(server.said().lines().map(str::to_owned));
    let lines: Vec<&String> = said.iter().filter(|line| line.starts_with('{')).collect();
    assert!(lines.len() >= 6, "{said:?}");
    for line in &lines {
        let line: Value = serde_json::from_str(line).unwrap();
        assert!(line["level"].is_string() && line["timestamp"].is_string(), "{line}");
    }
    let all = said.join("\n");
    let shown = [("the numbers", &text), ("the log", &all)];
    for (place, shown) in shown {
        let canaries = (1..=7).map(canary).chain((1..=9).map(|number| format!("QX{number}Z7")));
        for secret in canaries.chain([code.clone(), code.replace('-', ""), stream.clone(), id.clone()]) {
            assert!(!shown.contains(&secret), "{secret} is in {place}");
        }
        for person in ["publisher.example", "方禾生", "柳暗花明"] {
            assert!(!shown.contains(person), "{person} is in {place}");
        }
    }
    for org in [VILLAGE, COUNTY] {
        assert!(!text.contains(org), "{org} is a label");
    }
}

/// Takes what is sent to it for as long as the test runs; its address and what came.
fn collector() -> (String, std::sync::mpsc::Receiver<Vec<u8>>) {
    let (came, taken) = std::sync::mpsc::channel();
    let (told, address) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            told.send(format!("http://{}/v1/traces", listener.local_addr().unwrap())).unwrap();
            let take = move |body: axum::body::Bytes| {
                // The test may have ended.
                let _ = came.send(body.to_vec());
                async { "" }
            };
            axum::serve(listener, axum::Router::new().route("/v1/traces", axum::routing::post(take))).await.unwrap();
        });
    });
    (address.recv().unwrap(), taken)
}

#[test]
fn traces_go_to_a_collector_of_this_machine_with_routes_and_times_and_nothing_else() {
    let ledger = TestLedger::new();
    let (address, taken) = collector();
    let server = Server::start_with(&ledger.dir(), |command| {
        command.env("GONGKAI_TRACES", &address).env("GONGKAI_LOG", "debug");
    });
    let receipt = submit(&server, &ledger, &pledge(&canary(1)));
    assert_eq!(server.get("/search?q=QX1Z7").status, 200);
    assert_eq!(server.get(&format!("/organizations/{VILLAGE}")).status, 200);
    assert_eq!(server.get("/no/such/QX9Z7").status, 404);
    // What waits is sent before the process ends.
    assert!(server.stop().success());
    let sent: Vec<u8> = taken.try_iter().flatten().collect();
    let holds = |words: &str| sent.windows(words.len()).any(|window| window == words.as_bytes());
    for wanted in
        ["gongkai", "request", "/search", "/organizations/{code}", "commit", "publish", "submissions", "2xx", "4xx"]
    {
        assert!(holds(wanted), "{wanted} is not in {} bytes", sent.len());
    }
    let stream = receipt[0]["stream"].as_str().unwrap();
    let id = stream.split('/').nth(1).unwrap();
    for secret in ["QX1Z7", "QX9Z7", "鹮鹮", VILLAGE, COUNTY, "publisher.example", stream, id, "127.0.0.1", "/tmp"] {
        assert!(!holds(secret), "{secret} was sent");
    }
    let _ = gongkai_with(["config"], |command| {
        command.env("GONGKAI_TRACES", "http://collector.example/v1/traces");
    })
    .exits(2)
    .says("本机的 http 网址或 https");
}

#[test]
fn numbers_are_shown_at_a_loopback_address_of_their_own_and_nowhere_else() {
    let ledger = TestLedger::new();
    let (server, numbers, _) = observed(&ledger);
    assert_eq!(server.get("/metrics").status, 404);
    assert_eq!(get(&format!("{}/metrics", server.internal)).status, 404);
    assert_eq!(get(&format!("{numbers}/log/checkpoint")).status, 404);
    assert_eq!(get(&format!("{numbers}/readyz")).status, 200);
    assert!(server.stop().success());
    let refused = Server::try_start(&ledger.dir(), |command| {
        command.env("GONGKAI_METRICS_LISTEN", "0.0.0.0:0");
    });
    assert!(refused.unwrap_err().contains("不是本机地址"));
    let plain = Server::start(&ledger.dir());
    assert!(!plain.said().contains("指标"), "off unless it is asked for");
}

const ANY: Option<&str> = Some("127.0.0.1:0");

fn nowhere_else(server: &Server) {
    assert_eq!(server.get("/metrics").status, 404);
    assert_eq!(get(&format!("{}/healthz", server.internal)).status, 200);
    assert_eq!(get(&format!("{}/", server.internal)).status, 404);
}

#[test]
fn a_witness_shows_how_much_it_cosigns_and_refuses_and_names_no_ledger() {
    let ledger = TestLedger::new();
    let (dir, vkey) = (ledger.path("witness"), ledger.vkey());
    let args = ["--listen", "127.0.0.1:0", "--log", &vkey];
    let witness = Server::try_start_witness(&dir, &args, ANY).unwrap();
    let key = witness.get("/").text();
    let key = key.lines().find_map(|line| line.strip_prefix("验证钥匙 ")).unwrap();
    let policy = format!("witness linxian {key} {}\nquorum linxian\n", witness.url);
    std::fs::write(ledger.dir().join("witness.policy"), policy).unwrap();
    let file = ledger.dir().join("gongkai.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{text}witness_policy = \"witness.policy\"\n")).unwrap();
    let _ = ledger.publish(&[pledge("修桥")]).ok();
    let refused = post(&format!("{}/add-checkpoint", witness.url), &[], "old 0\n\nnothing\n");
    assert_eq!(refused.status, 400);

    let text = get(&format!("{}/metrics", witness.internal)).text();
    assert!(number(&text, "gongkai_cosignatures_total") >= 1);
    assert_eq!(number(&text, "gongkai_refusals_total{code=\"malformed\"}"), 1);
    assert_eq!((number(&text, "gongkai_accepting"), number(&text, "gongkai_queue_waiting")), (1, 0));
    assert_eq!(number(&text, "gongkai_queue_max"), 1_024);
    assert_eq!((number(&text, "gongkai_witnessed_logs"), number(&text, "gongkai_witnessed_logs_cosigned")), (1, 1));
    assert!(
        number(&text, "gongkai_storage_bytes{part=\"witness\"}") > 0 && number(&text, "gongkai_disk_free_bytes") > 0
    );
    let asked = "gongkai_http_request_seconds_count{route=\"/add-checkpoint\",class=\"4xx\"}";
    assert_eq!(number(&text, asked), 1);
    for name in [gongkai_tests::ledger::ORIGIN, COUNTY, "witness-"] {
        assert!(!text.contains(name), "{name} is a label");
    }
    nowhere_else(&witness);
    assert!(witness.stop().success());
    let refused = Server::try_start_witness(&dir, &args, Some("0.0.0.0:0"));
    assert!(refused.unwrap_err().contains("不是本机地址"));
}

#[test]
fn an_intake_shows_how_much_it_takes_and_who_is_owed_an_answer_by_number_alone() {
    let mut gap = Gap::new();
    gap.intake.take().unwrap().kill();
    let (dir, vkey) = (gap.ledger.path("intake"), gap.ledger.vkey());
    let intake = Server::try_start_intake_with(&dir, &vkey, ANY).unwrap();
    let numbers = format!("{}/metrics", intake.internal);
    nowhere_else(&intake);
    gap.intake = Some(intake);
    let mirror = gap.mirror();
    let handed = gap.hand_in(&mirror, &letter("opinion"), "letter.json", &[]).ok().json();
    assert!(post(&format!("{}/intake/v1/packets", gap.url()), &[], "no packet").status >= 400);

    let text = until("the period of the packet", || {
        let text = get(&numbers).text();
        (number(&text, "gongkai_queue_waiting") == 0).then_some(text)
    });
    assert_eq!(number(&text, "gongkai_promises_total"), 1);
    assert_eq!(number(&text, "gongkai_refusals_total{code=\"malformed\"}"), 1);
    assert_eq!((number(&text, "gongkai_accepting"), number(&text, "gongkai_queue_max")), (1, 65_536));
    assert!(number(&text, "gongkai_periods") >= 1);
    assert_eq!((number(&text, "gongkai_periods_answered"), number(&text, "gongkai_packets_overdue")), (0, 0));
    assert!(number(&text, "gongkai_storage_bytes{part=\"intake\"}") > 0);
    let packets = "gongkai_http_request_seconds_count{route=\"/intake/v1/packets\",class=\"4xx\"}";
    assert_eq!(number(&text, packets), 1);
    for secret in [handed["code"].as_str().unwrap(), VILLAGE, COUNTY, gongkai_tests::ledger::ORIGIN] {
        assert!(!text.contains(secret), "{secret} is in the numbers");
    }
    gap.intake.take().unwrap().kill();
    let refused = Server::try_start_intake_with(&dir, &vkey, Some("0.0.0.0:0"));
    assert!(refused.unwrap_err().contains("不是本机地址"));
}

#[test]
fn a_ledger_and_a_copy_of_it_say_when_they_are_ready() {
    let ledger = TestLedger::new();
    let server = Server::start(&ledger.dir());
    server.eventually("/readyz", |answer: &Answer| answer.status == 200 && answer.json()["ready"] == true);
    assert!(server.stop().success());
    let copy = ledger.path("copy");
    gongkai_tests::copy(&ledger.dir().join("log"), &copy.join("log"));
    std::fs::copy(ledger.dir().join("gongkai.toml"), copy.join("gongkai.toml")).unwrap();
    let copied = Server::try_start_published(&copy).unwrap();
    copied.eventually("/readyz", |answer: &Answer| answer.status == 200);
}

#[test]
fn the_service_manager_is_told_when_it_answers_and_when_it_stops() {
    let ledger = TestLedger::new();
    let path = ledger.path("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
    let hear = || {
        let mut said = [0; 256];
        let length = socket.recv(&mut said).unwrap();
        String::from_utf8_lossy(&said[..length]).into_owned()
    };
    let server = Server::start_with(&ledger.dir(), |command| {
        command.env("NOTIFY_SOCKET", &path);
    });
    assert_eq!(hear().trim(), "READY=1");
    assert_eq!(server.get("/healthz").status, 200);
    assert!(server.stop().success());
    assert_eq!(hear().trim(), "STOPPING=1");
}

#[test]
fn settings_of_the_environment_go_before_the_file_and_unknown_ones_are_refused() {
    let ledger = TestLedger::new();
    let dir = ledger.dir().display().to_string();
    let with = |name: &str, value: &str| {
        gongkai_with(["config", "--dir", &dir], |command| {
            command.env(name, value);
        })
    };
    let _ = with("GONGKAI_MAP_SECONDS", "77").ok().says("map_seconds = 77");
    let _ = with("GONGKAI_MAP_SECOND", "77").exits(2).says("GONGKAI_MAP_SECOND").says("gongkai config");
    let _ = with("GONGKAI_ORIGIN", "other.example").exits(2).says("只能写在配置文件里");
    let _ = with("GONGKAI_LOG_FORMAT", "yaml").exits(2).says("text、json");
    let file = ledger.dir().join("gongkai.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{text}map_second = 1\n")).unwrap();
    let _ = gongkai(["config", "--dir", &dir]).exits(2).says("map_second");
    let _ = gongkai(["config"]).ok().says("metrics_listen（GONGKAI_METRICS_LISTEN）").says("必须写");
}
