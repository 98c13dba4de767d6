//! Faults that a ledger survives (`reliability.md`), done to the real process: killed, cut from power, disks that fail
//! or are full, paused, stormed, upgraded.
//!
//! Not here: what needs no process (torn tails, flipped bits, clocks, fencing): the store's own tests. Numbers of rounds
//! are bounded for every-day runs; `tests/kills --rounds 1000` does the full count of kills, `GONGKAI_ROUNDS` of all that
//! repeat, and `GONGKAI_SEED` repeats a run.

#![expect(clippy::unwrap_used, reason = "a test stops where a process does")]

use std::io::Write as _;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::time::Instant;

use gongkai_tests::ledger::{TestLedger, pledge, sheet};
use gongkai_tests::load::{Random, Receipts, all_present, hand_in, keep, moment, rounds, submission, under_load};
use gongkai_tests::process::signal;
use gongkai_tests::server::try_get;
use gongkai_tests::shim::{ALL, DATABASE, EIO, ENOSPC, FLUSH, LEDGER, REST, TRUNCATE, WRITE};
use gongkai_tests::{Outsider, Server, Shim, copy, gongkai, power, root, snapshot};
use serde_json::json;

/// Sees every checkpoint that it can until the server is gone; never a smaller one than before.
fn watch(server_url: &str, outsider: &Mutex<Outsider>) {
    let (url, mut last) = (format!("{server_url}/log/checkpoint"), 0);
    while let Ok(answer) = try_get(&url) {
        let size = outsider.lock().unwrap().saw(&answer.text()).size;
        assert!(size >= last, "{last} entries were shown, then {size}");
        last = size;
    }
}

/// Case 1. After each kill: the published files as they lie verify, with every event whole; every checkpoint that somebody
/// saw is a beginning of them; and the next start has every receipt. The whole of it, with the database, now and then.
#[test]
fn killed_at_any_moment_it_keeps_every_receipt() {
    let (rounds, started) = (rounds(100), Instant::now());
    let ledger = TestLedger::new();
    let log = ledger.dir().join("log");
    let (mut random, receipts) = (Random::new(), Mutex::new(Receipts::new()));
    let outsider = Mutex::new(Outsider::new(&ledger.vkey()));
    let mut checked = 0;
    for round in 1..=rounds {
        let server = Server::start(&ledger.dir());
        let known = receipts.lock().unwrap().split_off(&checked);
        all_present(&server, &known);
        checked = known.keys().next_back().map_or(checked, |last| last + 1);
        receipts.lock().unwrap().extend(known);
        let pid = server.pid();
        std::thread::scope(|scope| {
            scope.spawn(|| watch(&server.url, &outsider));
            under_load(&server, &receipts, |count| {
                // Some rounds die before the first receipt, most in the middle of some commit or publication.
                if random.below(4) > 0 {
                    while count.load(Ordering::Relaxed) == 0 {
                        std::thread::yield_now();
                    }
                }
                moment(&mut random, 60_000);
                signal(pid, "KILL");
            });
        });
        assert!(!server.wait().success());
        outsider.lock().unwrap().check(&log);
        if round % 100 == 0 {
            println!("{round} rounds, {} s", started.elapsed().as_secs());
            ledger.check();
        }
    }
    let (receipts, mut outsider) = (receipts.into_inner().unwrap(), outsider.into_inner().unwrap());
    assert!(receipts.len() as u64 >= rounds, "only {} receipts", receipts.len());
    let server = Server::start(&ledger.dir());
    all_present(&server, &receipts);
    assert!(server.stop().success());
    outsider.check_all_seen(&log);
    ledger.check();
    let (receipts, seen, seconds) = (receipts.len(), outsider.seen(), started.elapsed().as_secs());
    println!("killed {rounds} times: {receipts} receipts, {seen} checkpoints seen, {seconds} s");
}

/// A backup of a ledger into a folder, which may be killed.
fn backing_up(ledger: &TestLedger, out: &Path) -> std::process::Child {
    let mut command = gongkai_tests::process::command();
    command.args(["backup", "--with-keys", "--fast", "--dir"]).arg(ledger.dir()).arg("--out").arg(out);
    command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap()
}

/// Case 21, the way there: whatever is killed and when, a backup that has its name is whole, and what was answered before
/// it was begun is in what is restored from it.
#[test]
fn backups_under_load_hold_every_receipt_from_before_whatever_is_killed() {
    let ledger = TestLedger::new();
    let (mut random, receipts, out) = (Random::new(), Mutex::new(Receipts::new()), ledger.path("backups"));
    std::fs::create_dir_all(&out).unwrap();
    let (mut known, mut whole) = (Receipts::new(), 0);
    for round in 0..rounds(9).min(100) {
        let server = Server::start(&ledger.dir());
        let (pid, mut done, mut before) = (server.pid(), false, Receipts::new());
        under_load(&server, &receipts, |count| {
            while count.load(Ordering::Relaxed) < 5 {
                std::thread::yield_now();
            }
            before.clone_from(&receipts.lock().unwrap());
            let mut backup = backing_up(&ledger, &out);
            match round % 3 {
                0 => {
                    moment(&mut random, 400_000);
                    // It may have ended by then.
                    let _ = backup.kill();
                }
                1 => {
                    moment(&mut random, 200_000);
                    signal(pid, "KILL");
                }
                _ => {}
            }
            done = backup.wait().unwrap().success();
        });
        assert!(done || round % 3 == 0, "without its writer the database is there all the same: round {round}");
        if done {
            (known, whole) = (before, whole + 1);
        }
        server.kill();
        let names = std::fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let last = names.filter(|name| name.starts_with("gongkai-")).max();
        let Some(last) = last else { continue };
        let to = ledger.path(&format!("restored-{round}"));
        let dirs = (out.join(last).display().to_string(), to.display().to_string());
        let _ = gongkai(["restore", "--fast", "--from", &dirs.0, "--dir", &dirs.1]).ok();
        let restored = Server::start(&to);
        all_present(&restored, &known);
        assert!(restored.stop().success());
        let _ = gongkai(["verify", "--fast", "--dir", &dirs.1]).ok();
        std::fs::remove_dir_all(&to).unwrap();
    }
    assert!(whole >= 6 && !known.is_empty(), "{whole} backups, {} receipts", known.len());
    ledger.check();
}

/// Case 21, the way on: whenever it is killed the ledger stays closed until everything is back, and nothing is there by half.
#[test]
fn a_recovery_that_is_killed_at_any_moment_is_run_again_and_leaves_no_half() {
    let ledger = TestLedger::new();
    let (mut random, out) = (Random::new(), ledger.path("backups"));
    std::fs::create_dir_all(&out).unwrap();
    let old = ledger.size();
    assert!(backing_up(&ledger, &out).wait().unwrap().success());
    let backup =
        std::fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().path()).find(|path| path.is_dir()).unwrap();
    let pledges: Vec<_> = (0..300).map(|number| pledge(&format!("装第{number}盏路灯"))).collect();
    let _ = ledger.publish(&pledges).ok();
    let (size, seen) = (ledger.size(), ledger.file("seen.checkpoint", ledger.checkpoint()).display().to_string());
    let (backup, mut cut) = (backup.display().to_string(), 0);
    for round in 0..rounds(8).min(100) {
        let to = ledger.path(&format!("recovered-{round}"));
        let dir = to.display().to_string();
        let _ = gongkai(["restore", "--fast", "--from", &backup, "--dir", &dir, "--to-recover", "--checkpoint", &seen])
            .ok();
        let source = ledger.dir().join("log").display().to_string();
        let mut command = gongkai_tests::process::command();
        command.args(["recover", "--dir", &dir, "--source", &source]);
        let mut recovering = command.stdout(std::process::Stdio::null()).spawn().unwrap();
        moment(&mut random, 300_000);
        // It may have ended by then.
        let _ = recovering.kill();
        if !recovering.wait().unwrap().success() {
            cut += 1;
        }
        let lacks = to.join("unrecovered.json").exists();
        if lacks {
            let refused = Server::try_start(&to, |_| {}).unwrap_err();
            assert!(refused.contains("还没有补回"), "round {round}: {refused}");
        }
        let again = gongkai(["recover", "--dir", &dir, "--source", &source, "--json"]).ok().json();
        assert!(lacks || again["recovered"].is_null(), "round {round}: {again}");
        let server = Server::start(&to);
        assert_eq!(server.size(), size + 1, "round {round}: {again}");
        assert!(server.stop().success());
        let _ = gongkai(["verify", "--fast", "--dir", &dir, "--old-checkpoint", &seen]).ok();
        std::fs::remove_dir_all(&to).unwrap();
    }
    assert!(cut > 0 && size > old, "nothing was cut short");
}

/// Case 2.
#[test]
fn after_a_power_loss_every_receipt_is_there() {
    let ledger = TestLedger::new();
    let (mut random, receipts, mut lost) = (Random::new(), Mutex::new(Receipts::new()), 0);
    for round in 0..rounds(12).min(200) {
        let shadow = ledger.path(&format!("shadow-{round}"));
        power::base(&ledger.dir().canonicalize().unwrap(), &shadow);
        let shim = Shim::new(&ledger.dir()).with_shadow(&shadow);
        let server = Server::start_with(&ledger.dir(), |command| shim.load(command));
        let pid = server.pid();
        under_load(&server, &receipts, |count| {
            while count.load(Ordering::Relaxed) < 1 + random.below(20) {
                std::thread::yield_now();
            }
            moment(&mut random, 20_000);
            signal(pid, "KILL");
        });
        server.wait();
        // Even rounds lose all that was not flushed; in odd ones the disk had written some files out by itself.
        let left = ledger.path(&format!("left-{round}"));
        power::lose(&ledger.dir().canonicalize().unwrap(), &shadow, &left, &mut |_| {
            round % 2 == 1 && random.below(2) == 0
        });
        lost += u64::from(snapshot(&ledger.dir()) != snapshot(&left));
        std::fs::rename(ledger.dir(), ledger.path(&format!("before-{round}"))).unwrap();
        std::fs::rename(left, ledger.dir()).unwrap();
        let server = Server::start(&ledger.dir());
        all_present(&server, &receipts.lock().unwrap());
        assert!(server.stop().success());
        ledger.check();
    }
    assert!(lost > 0, "no power loss took anything");
}

/// Case 2, the count.
#[test]
fn each_commit_is_flushed_before_its_receipt() {
    let ledger = TestLedger::new();
    let shim = Shim::new(&ledger.dir());
    let server = Server::start_with(&ledger.dir(), |command| shim.load(command));
    shim.arm(FLUSH | DATABASE, 0, 0, 0);
    for number in 0..20 {
        let before = shim.calls();
        let answer = hand_in(&server.internal, &format!("flush-{number}"), &submission()).unwrap();
        assert!(answer.status < 300, "{}", answer.text());
        assert!(shim.calls() > before, "receipt {number} was given without a flush");
    }
    assert!(server.stop().success());
    assert!(shim.flushes() >= 20);
}

/// Case 3.
#[test]
fn a_disk_that_fails_to_flush_ends_all_receipts_and_is_never_asked_twice() {
    let ledger = TestLedger::new();
    let shim = Shim::new(&ledger.dir());
    let server = Server::start_with(&ledger.dir(), |command| shim.load(command));
    let good = hand_in(&server.internal, "good", &submission()).unwrap().json();
    // Published before the disk fails, or it would not be there to be read.
    let _ = server.eventually(&format!("/entries/{}", good["index"]), |answer| answer.status == 200);
    shim.arm(FLUSH | DATABASE, 1, u64::MAX, EIO);
    let failed = submission();
    for id in ["failed", "later-1", "later-2"] {
        let body = if id == "failed" { failed.clone() } else { submission() };
        let answer = hand_in(&server.internal, id, &body).unwrap();
        assert!((500..=599).contains(&answer.status), "{id}: {} {}", answer.status, answer.text());
    }
    assert_eq!(shim.failed(), 1, "the flush was retried");
    shim.disarm();
    let answer = hand_in(&server.internal, "later-3", &submission()).unwrap();
    assert!((500..=599).contains(&answer.status), "it went on without looking at what is on the disk");
    // Reading goes on.
    assert_eq!(server.get(&format!("/entries/{}", good["index"])).status, 200);
    assert_eq!(server.get("/log/checkpoint").status, 200);
    server.kill();

    let server = Server::start(&ledger.dir());
    all_present(
        &server,
        &Receipts::from([(good["index"].as_u64().unwrap(), good["entry_hash"].as_str().unwrap().into())]),
    );
    // Whoever got no answer asks again with the same key: one event, whichever way the flush went.
    let once = hand_in(&server.internal, "failed", &failed).unwrap();
    assert!(once.status < 300, "{}", once.text());
    assert_eq!(hand_in(&server.internal, "failed", &failed).unwrap().json(), once.json());
    assert!(server.stop().success());
    ledger.check();
}

/// Case 5.
#[test]
fn a_full_disk_refuses_and_recovers_when_there_is_room() {
    let ledger = TestLedger::new();
    let shim = Shim::new(&ledger.dir());
    let server = Server::start_with(&ledger.dir(), |command| shim.load(command));
    let size = server.size();
    for kinds in [WRITE | TRUNCATE | DATABASE, ALL | DATABASE] {
        shim.arm(kinds, 1, u64::MAX, ENOSPC);
        let answer = hand_in(&server.internal, &format!("full-{kinds}"), &submission()).unwrap();
        assert_eq!((answer.status, answer.json()["code"].as_str()), (507, Some("disk_full")), "{}", answer.text());
        assert!(shim.failed() > 0);
        assert_eq!(server.get("/log/checkpoint").text().lines().nth(1).unwrap(), size.to_string());
        shim.disarm();
    }
    let body = submission();
    let answer = hand_in(&server.internal, "room", &body).unwrap();
    assert!(answer.status < 300, "there is room again: {} {}", answer.status, answer.text());
    assert_eq!(answer.json()["index"].as_u64(), Some(size));

    // No room for what is published: the commit stands, and is published when there is room.
    shim.arm(ALL | REST, 1, u64::MAX, ENOSPC);
    let receipt = hand_in(&server.internal, "unpublished", &submission()).unwrap();
    shim.disarm();
    if receipt.status >= 300 {
        assert!([503, 507].contains(&receipt.status), "{} {}", receipt.status, receipt.text());
    }
    server.kill();
    let server = Server::start(&ledger.dir());
    if receipt.status < 300 {
        all_present(
            &server,
            &Receipts::from([(
                receipt.json()["index"].as_u64().unwrap(),
                receipt.json()["entry_hash"].as_str().unwrap().into(),
            )]),
        );
    }
    assert!(server.stop().success());
    ledger.check();
}

/// Every file-system call of an append fails once, with each error.
#[test]
fn whichever_call_fails_once_nothing_acknowledged_is_lost() {
    let ledger = TestLedger::new();
    let shim = Shim::new(&ledger.dir());
    let mut server = Server::start_with(&ledger.dir(), |command| shim.load(command));
    let published = |server: &Server, size: u64| {
        server.eventually("/log/checkpoint", |answer| {
            answer.text().lines().nth(1).is_some_and(|line| line.parse::<u64>().unwrap() >= size)
        });
    };
    shim.arm(ALL | LEDGER, 0, 0, 0);
    let first = hand_in(&server.internal, "count", &submission()).unwrap().json();
    published(&server, first["index"].as_u64().unwrap() + 1);
    let calls = shim.calls();
    assert!(calls >= 4, "an append that makes only {calls} calls is not durable");
    println!("{calls} calls an append");
    let receipts = Mutex::new(Receipts::new());
    for error in [EIO, ENOSPC] {
        for call in 1..=calls {
            shim.arm(ALL | LEDGER, call, call, error);
            let id = format!("call-{error}-{call}");
            let body = submission();
            let answer = hand_in(&server.internal, &id, &body).unwrap();
            // The next one shows whether the ledger goes on; if not, a restart must mend it. How many
            // calls an append makes depends on what is published with it, so the call that is to
            // fail may be one of a later append.
            let mut later = Vec::new();
            while later.is_empty() || (shim.failed() == 0 && later.len() < 20) {
                later.push(hand_in(&server.internal, &format!("{id}-later-{}", later.len()), &submission()).unwrap());
            }
            assert!(shim.failed() > 0, "{id}: twenty appends made no {call} calls");
            shim.disarm();
            let next = later.last().unwrap();
            for answer in later.iter().chain([&answer]) {
                if answer.status < 300 {
                    keep(&receipts, answer);
                } else {
                    assert!([500, 503, 507].contains(&answer.status), "{id}: {} {}", answer.status, answer.text());
                }
            }
            if next.status >= 300 || call == calls {
                server.kill();
                server = Server::start_with(&ledger.dir(), |command| shim.load(command));
                all_present(&server, &receipts.lock().unwrap());
                if answer.status >= 300 {
                    let again = hand_in(&server.internal, &id, &body).unwrap();
                    assert!(again.status < 300, "{id} after the restart: {} {}", again.status, again.text());
                    receipts.lock().unwrap().insert(
                        again.json()["index"].as_u64().unwrap(),
                        again.json()["entry_hash"].as_str().unwrap().into(),
                    );
                }
            }
        }
    }
    assert!(server.stop().success());
    ledger.check();
}

/// Case 9, on one machine: the paused server still holds the directory.
#[test]
fn a_paused_server_is_not_replaced_behind_its_back() {
    let ledger = TestLedger::new();
    let server = Server::start(&ledger.dir());
    let size = server.size();
    signal(server.pid(), "STOP");
    let said = Server::try_start(&ledger.dir(), |_| {}).unwrap_err();
    signal(server.pid(), "CONT");
    assert!(said.contains(ledger.dir().to_str().unwrap()), "{said}");
    let receipt = hand_in(&server.internal, "continued", &submission()).unwrap();
    assert_eq!(receipt.json()["index"].as_u64(), Some(size), "{}", receipt.text());
    assert!(server.stop().success());
    ledger.check();
}

/// Case 29: SIGTERM.
#[test]
fn asked_to_stop_under_load_it_answers_what_it_took_and_loses_nothing() {
    let ledger = TestLedger::new();
    let receipts = Mutex::new(Receipts::new());
    for _ in 0..rounds(4).min(50) {
        let server = Server::start(&ledger.dir());
        let pid = server.pid();
        under_load(&server, &receipts, |count| {
            while count.load(Ordering::Relaxed) < 10 {
                std::thread::yield_now();
            }
            signal(pid, "TERM");
        });
        assert!(server.wait().success());
    }
    let server = Server::start(&ledger.dir());
    all_present(&server, &receipts.into_inner().unwrap());
    assert!(server.stop().success());
    ledger.check();
}

/// Case 29: slow clients and a storm.
#[test]
fn two_hundred_connections_that_say_nothing_do_not_keep_the_others_waiting() {
    let ledger = TestLedger::new();
    let server = Server::start(&ledger.dir());
    let address = server.url.trim_start_matches("http://");
    let mut idle: Vec<TcpStream> = (0..200).map(|_| TcpStream::connect(address).unwrap()).collect();
    for (number, stream) in idle.iter_mut().enumerate() {
        // A third says nothing, a third a half request line, a third asks and never reads the answer.
        match number % 3 {
            0 => {}
            1 => stream.write_all(b"GET /pledges HTT").unwrap(),
            _ => stream.write_all(b"GET /assets/site.css HTTP/1.1\r\nHost: x\r\n\r\n").unwrap(),
        }
    }
    assert_eq!(server.get("/healthz").status, 200);
    assert_eq!(server.get("/pledges").status, 200);
    assert!(hand_in(&server.internal, "in-the-storm", &submission()).unwrap().status < 300);
    drop(idle);
    assert!(server.stop().success());
    ledger.check();
}

/// Makes the fixture of this release: a ledger of the county with a pledge and a month of the village's books, without
/// what is rebuilt from it. Its keys are of no other use.
fn make_fixture(fixture: &Path) {
    let ledger = TestLedger::new();
    let line = json!({"date": "2026-02-03", "voucher": "记-12", "summary": "公厕电费", "expense": 33_030});
    let author = ledger.key_file("publisher.example/1");
    let commands = [pledge("完成五里桥自然村路灯改造"), sheet("2026-02", 33_030, &line)];
    let _ = ledger.submit(&author, &ledger.supervisors(), &commands).ok();
    copy(&ledger.dir().join("log"), &fixture.join("log"));
    std::fs::create_dir_all(fixture.join("keys")).unwrap();
    for file in ["ledger.db", "gongkai.toml", "keys/log.key", "keys/intake.key"] {
        std::fs::copy(ledger.dir().join(file), fixture.join(file)).unwrap();
    }
}

/// Case 30. Run once with `GONGKAI_BLESS=1` before a release to keep its ledger.
#[test]
fn ledgers_of_every_release_verify_and_replay() {
    let this = root().join("tests/fixtures").join(concat!(
        "ledger-",
        env!("CARGO_PKG_VERSION_MAJOR"),
        ".",
        env!("CARGO_PKG_VERSION_MINOR")
    ));
    if std::env::var_os("GONGKAI_BLESS").is_some() && !this.exists() {
        make_fixture(&this);
    }
    assert!(this.exists(), "{} is missing: keep a ledger of this release", this.display());
    let mut releases = 0;
    for entry in std::fs::read_dir(root().join("tests/fixtures")).unwrap() {
        let fixture = entry.unwrap().path();
        let name = fixture.file_name().unwrap().to_str().unwrap().to_owned();
        if !name.starts_with("ledger-") {
            continue;
        }
        releases += 1;
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("ledger");
        copy(&fixture, &dir);
        private(&dir.join("keys"));
        let text = dir.to_str().unwrap();
        for command in ["verify", "audit", "rebuild"] {
            let _ = gongkai([command, "--dir", text]).ok();
        }
        let server = Server::start(&dir);
        let size = server.size();
        server.eventually("/api/v1/pledges", |answer| answer.text().contains("路灯"));
        server.eventually("/api/v1/disclosures", |answer| answer.text().contains("2026-02"));
        // It goes on from where the old release stopped.
        let receipt = hand_in(&server.internal, "first-of-the-new", &submission()).unwrap();
        assert_eq!(receipt.json()["index"].as_u64(), Some(size), "{name}: {}", receipt.text());
        assert!(server.stop().success());
        let _ = gongkai(["verify", "--dir", text]).ok();
        assert_eq!(server_size(&dir), size + 1);
    }
    assert!(releases > 0, "no ledger of a release in tests/fixtures");
}

/// A version control system does not keep 0600, which key files need.
fn private(keys: &Path) {
    for entry in std::fs::read_dir(keys).unwrap() {
        std::fs::set_permissions(entry.unwrap().path(), std::fs::Permissions::from_mode(0o600)).unwrap();
    }
}

fn server_size(dir: &Path) -> u64 {
    let checkpoint = std::fs::read_to_string(dir.join("log/checkpoint")).unwrap();
    checkpoint.lines().nth(1).unwrap().parse().unwrap()
}
