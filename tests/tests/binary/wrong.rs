//! Bad input: each gets a message that names the place, the right status or exit code, and changes nothing.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use gongkai_domain::Head;
use gongkai_log::{Digest, SigningKey, note};
use gongkai_tests::ledger::{COUNTY, ORIGIN, TestLedger, VILLAGE, key, late_key_stream, pledge, sheet, stream};
use gongkai_tests::statement::{Draft, signed, with_note};
use gongkai_tests::{Server, gongkai};
use serde_json::{Value, json};

/// A submission that must be refused.
struct Case {
    what: &'static str,
    body: Vec<u8>,
    status: u16,
    code: &'static str,
    /// What the Chinese sentence names.
    names: &'static str,
}

/// Another key of the first supervisor.
const SECOND_KEY: &str = "supervisor.example/1-again";

fn publisher() -> Vec<(&'static str, SigningKey)> {
    vec![("publisher", key("publisher.example/1"))]
}

fn supervised() -> Vec<(&'static str, SigningKey)> {
    let mut signers = publisher();
    signers.extend(["supervisor.example/1", "supervisor.example/2"].map(|name| ("supervisor", key(name))));
    signers
}

fn case(
    what: &'static str,
    body: &dyn std::fmt::Display,
    status: u16,
    code: &'static str,
    names: &'static str,
) -> Case {
    Case { what, body: body.to_string().into_bytes(), status, code, names }
}

fn bytes() -> Vec<Case> {
    let draft = Draft::new(pledge("修好村北机耕路"), publisher());
    let (prepared, author) = (draft.prepare(), key("publisher.example/1"));
    let text = prepared.text.clone();
    let spaced = text.replacen("{\"", "{ \"", 1);
    let doubled = text.replacen("{\"body\":", "{\"body\":{},\"body\":", 1);
    let good = note::sign(&text, &[&author]).unwrap();
    let other = note::sign(&format!("{text}x\n"), &[&author]).unwrap();
    let forged = format!("{text}\n{}", other.split_once("\n\n").unwrap().1);
    let unsigned = format!("{text}\n");
    let flipped = good.replacen("2026-12-31", "2027-12-31", 1);
    let elsewhere =
        Draft { origin: "ledger.example/other".into(), ..Draft::new(pledge("修好村北机耕路"), publisher()) };
    let mut opened = with_note(&prepared, &good);
    opened["openings"].as_array_mut().unwrap().pop();
    let mut swapped = with_note(&prepared, &good);
    for opening in swapped["openings"].as_array_mut().unwrap() {
        if opening["name"] == "title" {
            opening["value"] = "修好村南机耕路".into();
        }
    }
    // The canonical form stays one: only a value grows.
    let long_text = text.replacen(r#""year":2026"#, &format!(r#""year":2026,"zeros":"{}""#, "0".repeat(66_000)), 1);
    let too_long = signed(&prepared, &long_text, &[&author]);
    vec![
        case("invalid JSON", &"{\"note\": ", 400, "bad_json", "line 1 column"),
        case("a space in the canonical JSON", &signed(&prepared, &spaced, &[&author]), 400, "malformed", "note"),
        case("a member twice", &signed(&prepared, &doubled, &[&author]), 400, "malformed", "note"),
        case("another ledger's statement", &elsewhere.submission(), 422, "wrong_origin", "ledger.example/other"),
        case(
            "a signature over something else",
            &with_note(&prepared, &forged),
            403,
            "bad_signature",
            "publisher.example/1",
        ),
        case("no signature", &with_note(&prepared, &unsigned), 400, "malformed", "note"),
        case("text changed after signing", &with_note(&prepared, &flipped), 403, "bad_signature", "publisher"),
        case("an opening that is missing", &opened, 400, "malformed", "openings"),
        case("an opening that was changed", &swapped, 400, "malformed", "openings"),
        case("an entry over 65,535 bytes", &too_long, 413, "too_large", "65535"),
    ]
}

fn signers() -> Vec<Case> {
    let made = |signers| Draft::new(pledge("修好村北机耕路"), signers);
    let two = made(vec![("publisher", key("publisher.example/1")), ("approver", key("approver.example/1"))]);
    let one = made(publisher());
    let (of_two, of_one) = (two.prepare(), one.prepare());
    let (author, approver) = (key("publisher.example/1"), key("approver.example/1"));
    let line = json!({"date": "2026-02-03", "voucher": "记-12", "summary": "公厕电费", "expense": 33_030});
    let stranger = made(vec![("publisher", key("stranger.example/1"))]);
    let revoked = made(vec![("publisher", key("late.example/1"))]);
    let no_role = made(vec![("publisher", key("approver.example/1"))]);
    let wrong_role = made(vec![("approver", key("approver.example/1"))]);
    let unsupervised = Draft::new(sheet("2026-02", 33_030, &line), publisher());
    let twice = Draft::new(
        sheet("2026-02", 33_030, &line),
        vec![
            ("publisher", key("publisher.example/1")),
            ("supervisor", key("supervisor.example/1")),
            ("supervisor", key(SECOND_KEY)),
        ],
    );
    vec![
        case("a signer too few", &signed(&of_two, &of_two.text, &[&author]), 403, "bad_signature", "签名"),
        case("a signer too many", &signed(&of_one, &of_one.text, &[&author, &approver]), 403, "bad_signature", "签名"),
        case("an unknown key", &stranger.submission(), 403, "unknown_key", "stranger.example/1"),
        case("a revoked key", &revoked.submission(), 403, "revoked_key", "late.example/1"),
        case("a key without the role", &no_role.submission(), 403, "no_role", VILLAGE),
        case("a role that may not say this", &wrong_role.submission(), 403, "wrong_author", "审批人"),
        case("books without supervisors", &unsupervised.submission(), 422, "cosigners_missing", "2"),
        case("one supervisor with two keys", &twice.submission(), 422, "same_person", "同一"),
    ]
}

fn meaning() -> Vec<Case> {
    let of = |command: Value| Draft::new(command, publisher()).submission();
    let nomination = json!({"kind": "nomination.announced.v1", "org": COUNTY, "fields": {
        "starts_on": "2026-03-09", "days": 3, "title": "拟任干部公示(虚构)",
        "lines": [{"name": "叶青田(虚构)", "intended_post": "副镇长"}]}});
    let land = json!({"kind": "notice.published.v1", "org": VILLAGE, "fields": {
        "category": "land", "starts_on": "2026-03-09", "ends_on": "2026-03-11", "title": "征地预公告(虚构)", "text": "拟征收村东地块"}});
    // The checksum of this made-up number holds; nobody has it.
    let identity =
        json!({"date": "2026-02-03", "voucher": "记-12", "summary": "付11010519491231002X误工费", "expense": 33_030});
    let line = json!({"date": "2026-02-03", "voucher": "记-12", "summary": "公厕电费", "expense": 33_030});
    let mut unbalanced = sheet("2026-02", 33_030, &line);
    unbalanced["fields"]["closing"] = 66_971.into();
    let mut short = sheet("2026-02", 33_029, &line);
    short["fields"]["closing"] = 66_971.into();
    let mut phone = pledge("修好村北机耕路");
    phone["fields"]["measures"] = "有事请打13800138000".into();
    let mut sealed = pledge("修好村北机耕路");
    sealed["fields"]["contact"] = "家庭住址".into();
    let mut elsewhere = pledge("修好村北机耕路");
    elsewhere["org"] = "999999".into();
    let mut early = pledge("修好村北机耕路");
    early["fields"]["due"] = "2026-01-01".into();
    let future =
        Draft { declared_at: "2999-01-01T00:00:00+08:00".parse().unwrap(), ..Draft::new(pledge("早"), publisher()) };
    let orphan = json!({"kind": "pledge.progressed.v1", "stream": "pledge/018f0000-0000-7000-8000-00000000ffff", "org": VILLAGE,
        "fields": {"percent": 60, "report": "过半"}});
    let supervised = |command| Draft::new(command, supervised()).submission();
    vec![
        case("a period shorter than its rule", &of(nomination), 422, "period_too_short", "任前公示期"),
        case("a notice that ends too early", &of(land), 422, "period_too_short", "征地预公告期"),
        case(
            "an ID number in a summary",
            &supervised(sheet("2026-02", 33_030, &identity)),
            422,
            "personal_data",
            "摘要",
        ),
        case("a mobile number in a text", &of(phone), 422, "personal_data", "落实措施"),
        case("books that do not balance", &supervised(unbalanced), 422, "books", "669.70"),
        case("totals that are no sums", &supervised(short), 422, "books", "支出合计"),
        case("a value that needs the vault", &of(sealed), 422, "tier_needs_vault", "限阅库"),
        case("an unknown organization", &of(elsewhere), 422, "unknown_organization", "999999"),
        case("a due date before the pledge", &of(early), 422, "field", "完成时限"),
        case("a declared time in the future", &future.submission(), 422, "future", "2999"),
        case(
            "a report on nothing",
            &Draft { head: Some(Head { revision: 0, hash: Digest::ZERO }), ..Draft::new(orphan, publisher()) }
                .submission(),
            404,
            "stream_missing",
            "pledge/018f0000",
        ),
    ]
}

#[test]
fn every_bad_submission_is_refused_by_name_and_changes_nothing() {
    let ledger = TestLedger::new();
    let revoke =
        json!({"kind": "key.revoked.v1", "stream": late_key_stream(), "org": COUNTY, "fields": {"reason": "lost"}});
    let again = json!({"kind": "key.authorized.v1", "org": VILLAGE,
        "fields": {"person": stream("person", 2), "key": key(SECOND_KEY).verifier().to_string()}});
    let _ = ledger.register(&[revoke, again]).ok();
    let server = Server::start(&ledger.dir());
    let size = server.size();
    let mut problems = Vec::new();
    for case in bytes().into_iter().chain(signers()).chain(meaning()) {
        let url = format!("{}/api/v1/submissions", server.internal);
        let answer = gongkai_tests::post(&url, &[("Idempotency-Key", &case.what.replace(' ', "-"))], case.body);
        let said = answer.text();
        if answer.status != case.status
            || !said.contains(&format!("\"code\":\"{}\"", case.code))
            || !said.contains(case.names)
        {
            problems.push(format!(
                "{}: expected {} {} naming {}, got {} {said}",
                case.what, case.status, case.code, case.names, answer.status
            ));
        }
        if answer.status >= 400 && !answer.media_type.starts_with("application/problem+json") {
            problems.push(format!("{}: {}", case.what, answer.media_type));
        }
    }
    // The next good one gets the next index: none of them left anything behind.
    let good = Draft::new(pledge("清淤水渠三里"), publisher()).submission();
    let receipt = server.submit("good", &good);
    assert!(receipt.status < 300, "{}", receipt.text());
    assert_eq!(receipt.json()["index"].as_u64(), Some(size), "{}", problems.join("\n"));
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    assert!(server.stop().success());
    ledger.check();
}

#[test]
fn a_stale_or_forked_statement_is_refused_with_the_head_that_it_missed() {
    let ledger = TestLedger::new();
    let server = Server::start(&ledger.dir());
    let made = Draft::new(pledge("修好村北机耕路"), publisher());
    let prepared = made.prepare();
    let first = server.submit("made", &signed(&prepared, &prepared.text, &[&key("publisher.example/1")])).json();
    let hash = Digest::parse(first["statement_hash"].as_str().unwrap()).unwrap();
    let report = |percent: u8, revision, hash| {
        let stream = prepared.statement.stream.to_string();
        let command = json!({"kind": "pledge.progressed.v1", "stream": stream, "org": VILLAGE,
            "fields": {"percent": percent, "report": "在做"}});
        Draft { head: Some(Head { revision, hash }), ..Draft::new(command, publisher()) }.submission()
    };
    let second = server.submit("second", &report(30, 0, hash));
    assert!(second.status < 300, "{}", second.text());
    let head = second.json()["statement_hash"].as_str().unwrap().to_owned();
    for (name, submission) in [
        ("stale", report(40, 0, hash)),
        ("forked", report(40, 1, hash)),
        ("ahead", report(40, 2, Digest::parse(&head).unwrap())),
    ] {
        let answer = server.submit(name, &submission);
        assert_eq!(
            (answer.status, answer.json()["code"].as_str()),
            (409, Some("stale_parent")),
            "{name}: {}",
            answer.text()
        );
        assert_eq!(answer.json()["head"], json!({"revision": 1, "hash": head}), "{name}");
    }
    let again = Draft {
        command: {
            let mut c = pledge("另一件");
            c["stream"] = prepared.statement.stream.to_string().into();
            c
        },
        ..Draft::new(pledge("x"), publisher())
    };
    let answer = server.submit("again", &again.submission());
    assert_eq!((answer.status, answer.json()["code"].as_str()), (409, Some("stream_exists")), "{}", answer.text());
}

#[test]
fn the_same_idempotency_key_gives_the_same_receipt_and_another_body_a_conflict() {
    let ledger = TestLedger::new();
    let server = Server::start(&ledger.dir());
    let submission = Draft::new(pledge("修好村北机耕路"), publisher()).submission();
    let first = server.submit("key-1", &submission).json();
    assert_eq!(server.submit("key-1", &submission).json(), first);
    let other = server.submit("key-1", &Draft::new(pledge("清淤水渠三里"), publisher()).submission());
    assert_eq!((other.status, other.json()["code"].as_str()), (409, Some("idempotency_conflict")), "{}", other.text());
    let url = format!("{}/api/v1/submissions", server.internal);
    let without = gongkai_tests::post(&url, &[], submission.to_string());
    assert_eq!(without.status, 400, "{}", without.text());
    assert!(server.stop().success());
    // After a restart too: the key was committed with the entry.
    let server = Server::start(&ledger.dir());
    assert_eq!(server.submit("key-1", &submission).json(), first);
}

#[test]
fn a_line_without_voucher_is_accepted_and_flagged() {
    let ledger = TestLedger::new();
    let line = json!({"date": "2026-02-03", "summary": "公厕电费", "expense": 33_030});
    let key = ledger.key_file("publisher.example/1");
    let said = ledger.submit(&key, &ledger.supervisors(), &[sheet("2026-02", 33_030, &line)]).ok().json_lines();
    let server = Server::start(&ledger.dir());
    let id = said[0]["stream"].as_str().unwrap().split_once('/').unwrap().1.to_owned();
    server.eventually(&format!("/disclosures/{id}"), |page| page.text().contains("无凭证"));
}

#[test]
fn nobody_can_publish_on_the_public_listener() {
    let ledger = TestLedger::new();
    let server = Server::start(&ledger.dir());
    let size = server.size();
    let submission = Draft::new(pledge("修好村北机耕路"), publisher()).submission();
    let url = format!("{}/api/v1/submissions", server.url);
    let answer = gongkai_tests::post(&url, &[("Idempotency-Key", "public")], submission.to_string());
    assert!([403, 404, 405].contains(&answer.status), "{} {}", answer.status, answer.text());
    let receipt = server.submit("internal", &submission).json();
    assert_eq!(receipt["index"].as_u64(), Some(size));
}

#[test]
fn bombs_are_refused_within_bounds() {
    let ledger = TestLedger::new();
    let server = Server::start(&ledger.dir());
    let url = format!("{}/api/v1/submissions", server.internal);
    let deep = "[".repeat(1_000_000);
    let nested = format!("{{\"note\":{}{}}}", "{\"a\":".repeat(50_000), "1");
    // More values than a request may have, and more within each other than JSON is read to.
    for (what, body, status) in [("deep", deep, 413), ("nested", nested, 400)] {
        let answer = gongkai_tests::post(&url, &[("Idempotency-Key", what)], body);
        assert_eq!(answer.status, status, "{what}: {}", answer.text());
    }
    let size = server.size();
    // 2 GiB announced: refused before it is sent.
    let mut stream = TcpStream::connect(server.internal.trim_start_matches("http://")).unwrap();
    write!(
        stream,
        "POST /api/v1/submissions HTTP/1.1\r\nHost: x\r\nIdempotency-Key: b\r\nContent-Type: application/json\r\nContent-Length: 2147483648\r\n\r\n{{"
    )
    .unwrap();
    let mut head = [0; 12];
    stream.read_exact(&mut head).unwrap();
    assert_eq!(&head, b"HTTP/1.1 413");
    // A gigabyte of zeros in a small gzip: never unpacked. The member is made of stored zeros of one deflate block.
    let zip = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0x63, 0, 0, 0];
    let answer = gongkai_tests::post(&url, &[("Idempotency-Key", "gzip"), ("Content-Encoding", "gzip")], zip.to_vec());
    assert!([400, 415].contains(&answer.status), "{} {}", answer.status, answer.text());
    let long = gongkai_tests::get(&format!("{}/search?q={}", server.url, "a".repeat(10_000)));
    assert!([414, 431].contains(&long.status), "{}", long.status);
    for path in [
        "/entries/-1",
        "/entries/99999999999999999999",
        "/entries/1e3",
        "/log/tile/64/000",
        "/log/tile/0/0",
        "/log/tile/0/000.p/0",
        "/log/tile/0/000.p/256",
        "/../ledger.db",
        "/log/../ledger.db",
        "/log/%2e%2e/ledger.db",
        "/log/attachment/..%2f..%2fledger.db",
        "/api/v1/streams/pledge/1",
    ] {
        let answer = server.get(path);
        assert!((400..=404).contains(&answer.status), "{path}: {}", answer.status);
    }
    assert_eq!(server.size(), size);
    assert_eq!(server.get("/healthz").status, 200);
}

#[test]
fn a_file_that_is_no_json_is_refused_whole_and_names_the_line() {
    let ledger = TestLedger::new();
    let size = ledger.size();
    let publisher = ledger.key_file("publisher.example/1");
    let text = format!("{}\n{{\"kind\": pledge}}\n", pledge("修好村北机耕路"));
    let file = ledger.file("broken.jsonl", text);
    let _ = ledger.submit_file(&publisher, &[], &file).exits(2).says("broken.jsonl:2");
    assert_eq!(ledger.size(), size, "the good line before the broken one was submitted");
    let missing = ledger.path("nothing.jsonl");
    let _ = ledger.submit_file(&publisher, &[], &missing).exits(2).says("nothing.jsonl");
    let _ = ledger.submit(&missing, &[], &[pledge("x")]).exits(2).says("nothing.jsonl");
    let unknown_field = json!({"kind": "pledge.made.v1", "org": VILLAGE, "fields": {"titel": "x"}});
    let _ = ledger.publish(&[unknown_field]).exits(1).says("titel");
    assert_eq!(ledger.size(), size);
}

#[test]
fn a_directory_that_is_no_ledger_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("notes.txt"), "not a ledger").unwrap();
    let dir = folder.path().to_str().unwrap();
    for command in [
        &["serve", "--listen", "127.0.0.1:0"][..],
        &["verify"],
        &["audit"],
        &["export", "--out", "/nowhere/out.tar"],
        &["rebuild"],
    ] {
        let ran = gongkai([command, &["--dir", dir]].concat());
        assert!([1, 2].contains(&ran.code), "{ran}");
        assert!(ran.err.contains("账本"), "{ran}");
        let names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(names, ["notes.txt"], "{ran}");
    }
    let nowhere = folder.path().join("nowhere");
    let _ = gongkai(["serve", "--dir", nowhere.to_str().unwrap(), "--listen", "127.0.0.1:0"]).exits(2);
    assert!(!nowhere.exists());
}

#[test]
fn a_database_of_a_newer_version_is_refused_and_not_touched() {
    let ledger = TestLedger::new();
    let path = ledger.dir().join("ledger.db");
    let mut bytes = std::fs::read(&path).unwrap();
    // Offset 60 of the header is user_version, big-endian (sqlite.org/fileformat2.html 1.3).
    bytes[60..64].copy_from_slice(&99_u32.to_be_bytes());
    std::fs::write(&path, &bytes).unwrap();
    let ran = ledger.publish(&[pledge("修好村北机耕路")]);
    assert!([2, 3].contains(&ran.code), "{ran}");
    let _ = ran.says("99");
    let said = Server::try_start(&ledger.dir(), |_| {}).unwrap_err();
    assert!(said.contains("99"), "{said}");
    assert_eq!(std::fs::read(&path).unwrap(), bytes, "the newer database was touched");
}

#[test]
fn a_database_that_is_locked_is_an_error_that_says_so() {
    let ledger = TestLedger::new();
    let size = ledger.size();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let url = format!("sqlite://{}", ledger.dir().join("ledger.db").display());
    runtime.block_on(async {
        use sqlx::{Connection as _, Executor as _};
        let mut other = sqlx::SqliteConnection::connect(&url).await.unwrap();
        other.execute("BEGIN IMMEDIATE").await.unwrap();
        let ran = ledger.publish(&[pledge("修好村北机耕路")]);
        assert!([1, 3].contains(&ran.code), "{ran}");
        let _ = ran.says("占用");
        other.execute("ROLLBACK").await.unwrap();
    });
    assert_eq!(ledger.size(), size);
    let _ = ledger.publish(&[pledge("修好村北机耕路")]).ok();
    ledger.check();
}

#[test]
fn a_second_server_on_the_same_directory_is_refused_and_the_first_goes_on() {
    let ledger = TestLedger::new();
    let server = Server::start(&ledger.dir());
    let said = Server::try_start(&ledger.dir(), |_| {}).unwrap_err();
    let dir = ledger.dir();
    assert!(said.contains(dir.to_str().unwrap()), "{said}");
    let _ = ledger.publish(&[pledge("修好村北机耕路")]).exits(2).says(dir.to_str().unwrap());
    let submission = Draft::new(pledge("修好村北机耕路"), publisher()).submission();
    assert!(server.submit("first", &submission).status < 300);
}

#[test]
fn a_command_over_the_network_is_prepared_there_and_signed_here() {
    let ledger = TestLedger::new();
    let server = Server::start(&ledger.dir());
    let file = ledger.file("one.json", pledge("修好村北机耕路").to_string());
    let key = ledger.key_file("publisher.example/1");
    let args = ["submit", "--url", &server.internal, "--json", "--key", key.to_str().unwrap(), file.to_str().unwrap()];
    let outbox = ledger.path("state");
    let run = || {
        gongkai_tests::gongkai_with(args, |command| {
            command.env("XDG_STATE_HOME", &outbox);
        })
    };
    let first = run().ok().json_lines();
    assert_eq!(run().ok().json_lines(), first, "the same file again is the same receipt");
    let prepared = gongkai_tests::post(&format!("{}/api/v1/prepare", server.internal), &[], "{\"kind\":\"x\"}");
    assert_eq!(prepared.status, 400, "{}", prepared.text());
    assert_eq!(ORIGIN, "ledger.example/test");
}
