//! The main way: a ledger is made, written, served, proven, exported and checked; each end has its exit code.

use std::os::unix::fs::PermissionsExt as _;

use gongkai_log::{Digest, VerifierKey};
use gongkai_tests::ledger::{ORIGIN, TestLedger, VILLAGE, pledge, sheet};
use gongkai_tests::{Server, gongkai};
use serde_json::json;

#[test]
fn a_pledge_goes_from_the_key_to_the_page_and_is_proven_by_strangers_means() {
    let ledger = TestLedger::new();
    let before = ledger.size();
    let said = ledger.publish(&[pledge("完成五里桥自然村路灯改造")]).ok().json_lines();
    let receipt = &said[0]["receipt"];
    let index = receipt["index"].as_u64().unwrap();
    assert_eq!(index, before);
    ledger.check();

    let server = Server::start(&ledger.dir());
    assert_eq!(server.size(), before + 1);
    let entry = server.get(&format!("/entries/{index}"));
    assert_eq!(Digest::of(&entry.body).to_string(), receipt["entry_hash"].as_str().unwrap());
    let found = server.eventually("/api/v1/pledges", |answer| answer.text().contains("路灯改造"));
    assert_eq!(found.status, 200);
    let (family, id) = said[0]["stream"].as_str().unwrap().split_once('/').unwrap();
    let history = server.json(&format!("/api/v1/streams/{family}/{id}"));
    assert!(history.to_string().contains("pledge.made.v1"), "{history}");
    assert!(server.get(&format!("/pledges/{id}")).text().contains("完成五里桥自然村路灯改造"));
    assert!(server.get("/").text().contains("<html"));
    assert_eq!(server.get("/healthz").status, 200);
    assert!(server.json("/api/v1/openapi.json")["paths"].is_object());

    let out = ledger.path("proof.tlog-proof");
    let index = index.to_string();
    let _ = gongkai(["proof", "--url", &server.url, &index, "--out", out.to_str().unwrap()]).ok();
    assert_eq!(std::fs::read(ledger.path("proof.entry")).unwrap(), entry.body);
    let vkey = ledger.vkey();
    let _ = gongkai(["verify", out.to_str().unwrap(), "--vkey", &vkey]).ok();
    let _ = gongkai(["verify", "--url", &server.url, "--vkey", &vkey]).ok();
    assert!(server.stop().success());

    ledger.file("proof.entry", [&entry.body[..], b" "].concat());
    let _ = gongkai(["verify", out.to_str().unwrap(), "--vkey", &vkey]).exits(1).says(&index);
}

#[test]
fn a_bundle_verifies_anywhere_and_one_flipped_bit_names_its_entry() {
    let ledger = TestLedger::new();
    let old = ledger.file("old-checkpoint", ledger.checkpoint());
    let _ = ledger.publish(&[pledge("修好村北机耕路"), pledge("清淤水渠三里")]).ok();
    let bundle = ledger.path("ledger.tar");
    let bundle_text = bundle.to_str().unwrap();
    let _ = ledger.run("export", &["--out", bundle_text]).ok();
    let vkey = ledger.vkey();
    let check = ["--vkey", &vkey, "--old-checkpoint", old.to_str().unwrap()];
    let _ = gongkai([&["verify", bundle_text], &check[..]].concat()).ok();
    let _ = gongkai([&["audit", bundle_text], &check[..]].concat()).ok();

    let mut bytes = std::fs::read(&bundle).unwrap();
    let at = bytes.windows(14).rposition(|window| window == b"pledge.made.v1").unwrap();
    bytes[at] ^= 1;
    let bad = ledger.file("bad.tar", bytes);
    let last = (ledger.size() - 1).to_string();
    let _ = gongkai(["verify", bad.to_str().unwrap(), "--vkey", &vkey]).exits(1).says(&last);
}

#[test]
fn a_table_has_one_row_a_pledge_and_a_dictionary() {
    let ledger = TestLedger::new();
    let _ = ledger.publish(&[pledge("修好村北机耕路"), pledge("清淤水渠三里")]).ok();
    for format in ["csv", "jsonl"] {
        let out = ledger.path(format);
        let _ = ledger.run("export", &["--out", out.to_str().unwrap(), "--format", format]).ok();
        let text: String = if out.is_dir() {
            gongkai_tests::walk(&out).iter().map(|path| std::fs::read_to_string(path).unwrap()).collect()
        } else {
            String::from_utf8_lossy(&std::fs::read(&out).unwrap()).into_owned()
        };
        assert!(text.contains("修好村北机耕路") && text.contains("清淤水渠三里"), "{format}: {text}");
    }
}

#[test]
fn a_bundle_has_the_files_of_lines_each_once_and_a_table_names_them() {
    let ledger = TestLedger::new();
    let receipt = b"a photograph of a receipt";
    let hash = Digest::of(receipt);
    let layout = gongkai_store::Layout::new(ledger.dir());
    std::fs::create_dir_all(layout.attachments()).unwrap();
    std::fs::write(layout.attachment(&hash), receipt).unwrap();
    let file = json!({"hash": hash, "size": receipt.len(), "media_type": "image/jpeg"});
    let line = json!({"date": "2026-02-03", "summary": "公厕电费", "voucher": "记-1", "expense": 33_030, "files": [file, file]});
    let mut february = sheet("2026-02", 33_030, &line);
    february["fields"]["attachments"] = json!([file]);
    let key = ledger.key_file("publisher.example/1");
    let _ = ledger.submit(&key, &ledger.supervisors(), &[february]).ok();

    let bundle = ledger.path("ledger.tar");
    let _ = ledger.run("export", &["--out", bundle.to_str().unwrap()]).ok();
    let bytes = std::fs::read(&bundle).unwrap();
    let count = |wanted: &[u8]| bytes.windows(wanted.len()).filter(|window| *window == wanted).count();
    let listed = format!("{}  {}  attachment/{}\n", hash.to_hex(), receipt.len(), hash.to_hex());
    assert_eq!((count(listed.as_bytes()), count(receipt)), (1, 1));
    let _ = gongkai(["verify", bundle.to_str().unwrap(), "--vkey", &ledger.vkey()]).ok();

    let out = ledger.path("csv");
    let _ = ledger.run("export", &["--out", out.to_str().unwrap(), "--format", "csv"]).ok();
    let table = std::fs::read_to_string(out.join("disclosure_finance.csv")).unwrap();
    assert!(table.lines().next().unwrap().ends_with(",files") && table.contains(&hash.to_string()), "{table}");
}

#[test]
fn init_makes_a_ledger_once_and_prints_its_key() {
    let ledger = TestLedger::bare();
    let key = VerifierKey::parse(&ledger.vkey()).unwrap();
    assert_eq!(key.name(), ORIGIN);
    assert_eq!(ledger.size(), 1);
    ledger.check();
    let before = gongkai_tests::snapshot(&ledger.dir());
    let again = ledger.run("init", &["--origin", ORIGIN, "--org", "341599"]);
    assert!([1, 2].contains(&again.code), "{again}");
    assert_eq!(gongkai_tests::snapshot(&ledger.dir()), before, "an existing ledger was touched");
    for key in ["log.key", "intake.key", "registrar-1.key", "registrar-2.key"] {
        let mode = std::fs::metadata(ledger.own_key_file(key)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{key}");
    }
}

#[test]
fn keygen_writes_a_private_file_and_prints_the_public_key() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("chen.key");
    let args = ["keygen", "--name", "chen.example/1", "--out", file.to_str().unwrap()];
    let ran = gongkai(args).ok();
    let vkey = ran.out.split_whitespace().find_map(|word| VerifierKey::parse(word).ok()).unwrap();
    assert_eq!(vkey.name(), "chen.example/1");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let before = std::fs::read(&file).unwrap();
    let _ = gongkai(args).exits(2);
    assert_eq!(std::fs::read(&file).unwrap(), before, "a key was overwritten");
}

#[test]
fn the_same_file_twice_is_one_event() {
    let ledger = TestLedger::new();
    let first = ledger.publish(&[pledge("修好村北机耕路")]).ok().json_lines();
    let size = ledger.size();
    let again = ledger.publish(&[pledge("修好村北机耕路")]).ok().json_lines();
    assert_eq!(first[0]["receipt"], again[0]["receipt"]);
    assert_eq!(ledger.size(), size);
}

#[test]
fn four_ends_have_four_exit_codes() {
    let ledger = TestLedger::new();
    let _ = ledger.run("verify", &[]).exits(0);
    let unknown = json!({"kind": "pledge.promised.v1", "org": VILLAGE, "fields": {}});
    let _ = ledger.publish(&[unknown]).exits(1).says("pledge.promised.v1");
    let _ = gongkai(["verify", "--dri", "x"]).exits(2).says("--dri");
    let _ = gongkai(["verify"]).exits(2);
    let _ = gongkai(["frobnicate"]).exits(2).says("frobnicate");
    let _ = gongkai(["verify", "--url", "http://127.0.0.1:1"]).exits(3);
}

#[test]
fn every_command_has_a_help_with_an_example() {
    let help = gongkai(["--help"]).ok().out;
    for command in [
        "demo", "init", "serve", "keygen", "submit", "import", "export", "proof", "verify", "audit", "rebuild",
        "doctor",
    ] {
        assert!(help.contains(command), "{command} is not in the help");
        let _ = gongkai([command, "--help"]).ok().says(&format!("$ gongkai {command}"));
    }
}

#[test]
fn rebuilt_views_say_what_the_old_ones_said() {
    let ledger = TestLedger::new();
    let supervisors = ledger.supervisors();
    let line = json!({"date": "2026-02-03", "voucher": "记-12", "summary": "公厕电费", "expense": 33_030});
    let key = ledger.key_file("publisher.example/1");
    let _ = ledger.submit(&key, &supervisors, &[pledge("修好村北机耕路"), sheet("2026-02", 33_030, &line)]).ok();
    let paths = ["/api/v1/pledges", "/api/v1/disclosures", "/api/v1/organizations"];
    let read = || {
        let server = Server::start(&ledger.dir());
        server.eventually("/api/v1/disclosures", |answer| answer.text().contains("2026-02"));
        // March is missing, so the county has a village that is late.
        server.eventually("/api/v1/organizations", |answer| answer.json()["items"][0]["late"] != 0);
        let answers = paths.map(|path| serde_json::to_string_pretty(&server.json(path)).unwrap());
        assert!(server.stop().success());
        answers
    };
    let before = read();
    let same = |after: [String; 3], how: &str| {
        for ((path, before), after) in paths.iter().zip(&before).zip(&after) {
            let differs = before.lines().zip(after.lines()).find(|(before, after)| before != after);
            assert_eq!(differs, None, "{path}, {how}");
            assert_eq!(before.len(), after.len(), "{path}, {how}");
        }
    };
    same(read(), "only read again");
    let _ = ledger.run("rebuild", &[]).ok();
    same(read(), "rebuilt by the command");
    std::fs::remove_dir_all(ledger.dir().join("views")).unwrap();
    std::fs::remove_dir_all(ledger.dir().join("search")).unwrap();
    same(read(), "thrown away and come back by themselves");
}

#[test]
fn doctor_finds_nothing_wrong_with_a_good_ledger_and_names_what_mends_a_bad_one() {
    let ledger = TestLedger::new();
    let _ = ledger.publish(&[pledge("修好村北机耕路")]).ok();
    let server = Server::start(&ledger.dir());
    server.eventually("/api/v1/pledges", |answer| answer.text().contains("机耕路"));
    assert!(server.stop().success());
    let _ = ledger.run("doctor", &[]).ok();
    let key = ledger.own_key_file("log.key");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    let _ = ledger.run("doctor", &[]).exits(1).says("chmod 600");
}

#[test]
fn a_server_that_says_its_address_can_be_asked_to_stop() {
    let ledger = TestLedger::bare();
    for _ in 0..8 {
        let status = Server::start(&ledger.dir()).stop();
        assert!(status.success(), "it ended with {status}: it said its address before it listened to SIGTERM");
    }
}
