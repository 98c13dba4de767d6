//! Several nodes of one ledger on one PostgreSQL: each takes its turn, and whatever befalls one of them befalls no receipt.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::{DateTime, TimeDelta, Utc};
use gongkai_store::ServerUrl;
use gongkai_store::testing::{self, COUNTY, Fixture};
use gongkai_tests::load::{Random, hand_in, moment, rounds, submission};
use gongkai_tests::process::signal;
use gongkai_tests::server::until;
use gongkai_tests::statement::Draft;
use gongkai_tests::{Postgres, Server, TestLedger, gongkai, ledger};
use serde_json::{Value, json};

use crate::chaos::Node;
use crate::ledger::{insist, insist_at, tables};

/// Submitters at once.
const WRITERS: usize = 4;

/// The directories of as many nodes; the first is the ledger's own.
fn nodes(postgres: &Postgres, count: usize) -> (TestLedger, Vec<PathBuf>) {
    let ledger = TestLedger::on_server(&postgres.url);
    let dirs = join(&ledger, count);
    (ledger, dirs)
}

pub fn join(ledger: &TestLedger, count: usize) -> Vec<PathBuf> {
    let mut dirs = vec![ledger.dir()];
    for number in 1..count {
        let dir = ledger.path(&format!("node-{number}"));
        let (from, to) = (ledger.dir().display().to_string(), dir.display().to_string());
        let _ = gongkai(["join", "--from", &from, "--dir", &to]).ok();
        dirs.push(dir);
    }
    dirs
}

/// A pledge with a slot for the vault.
pub fn with_contact(title: &str) -> String {
    let mut pledge = ledger::pledge(title);
    pledge["fields"]["contact"] = "值班电话八三二一零零七六".into();
    Draft::new(pledge, vec![("publisher", ledger::key("publisher.example/1"))]).submission().to_string()
}

/// Entries of the checkpoint that each node shows, once all show the same.
pub fn agreed(servers: &[&Server]) -> u64 {
    until("one checkpoint of all nodes", || {
        let sizes: Vec<u64> = servers.iter().map(|server| server.size()).collect();
        let committed = servers.iter().map(|server| server.json("/healthz")["committed"].as_u64().unwrap());
        committed.chain(sizes.clone()).all(|size| size == sizes[0]).then_some(sizes[0])
    })
}

fn tree(server: &Server) -> String {
    server.get("/log/checkpoint").text().lines().take(3).collect::<Vec<_>>().join("\n")
}

pub fn check(dirs: &[PathBuf]) {
    for dir in dirs {
        let dir = dir.to_str().unwrap();
        let _ = gongkai(["verify", "--dir", dir]).ok();
        let _ = gongkai(["audit", "--dir", dir]).ok();
        let _ = gongkai(["rebuild", "--check", "--dir", dir]).ok();
    }
}

#[test]
fn every_node_gives_receipts_and_all_publish_one_log() {
    let postgres = Postgres::start();
    let ledger = TestLedger::on_server(&postgres.url);
    ledger.add_vault();
    let dirs = join(&ledger, 2);
    let servers: Vec<Server> = dirs.iter().map(|dir| Server::start(dir)).collect();
    let (one, other) = (&servers[0], &servers[1]);
    let receipts = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (receipts, urls) = (&receipts, [one.internal.as_str(), other.internal.as_str()]);
            scope.spawn(move || {
                for number in 0..20 {
                    let key = format!("{writer}-{number}");
                    let body = with_contact(&format!("装第{key}盏路灯"));
                    let receipt = insist_at(urls[(writer + number) % 2], &key, &body);
                    let again = insist_at(urls[(writer + number + 1) % 2], &key, &body);
                    assert_eq!(again, receipt, "the other node gives the same receipt");
                    let known = receipts.lock().unwrap().insert(receipt["index"].as_u64().unwrap(), key);
                    assert_eq!(known, None, "two receipts for one entry");
                }
            });
        }
    });
    assert_eq!(receipts.lock().unwrap().len(), WRITERS * 20);
    let _ = agreed(&[one, other]);
    assert_eq!(tree(one), tree(other));
    for server in &servers {
        let _ = server.eventually("/api/v1/pledges", |answer| answer.text().contains("盏路灯"));
    }
    for server in servers {
        assert!(server.stop().success());
    }
    check(&dirs);
    for dir in &dirs {
        let _ = gongkai(["verify", "--with-vault", "--dir", dir.to_str().unwrap()]).ok();
    }
}

/// What erases an entry's sealed values.
fn erasure(index: u64) -> Value {
    json!({"kind": "erasure.ordered.v1", "org": COUNTY, "fields": {"entry": index, "basis": "personal_data",
        "reason": "当事人要求删除(虚构)", "appeal": "可向青禾县公开办提出(虚构)"}})
}

async fn wraps(postgres: &Postgres) -> i64 {
    let mut connection = tables(postgres).await;
    sqlx::query_scalar("SELECT count(*) FROM vault.wraps").fetch_one(&mut connection).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_node_seals_the_other_opens_and_what_one_erases_neither_does() {
    let postgres = Postgres::start();
    let mut fixture = Fixture::on_server(ServerUrl::parse(&postgres.url).unwrap()).await;
    fixture.publisher("丙", COUNTY).await;
    fixture.officer("丁", COUNTY, "approver").await;
    let (_folder, mut other) = fixture.another_node().await;
    let mut command = testing::pledge(COUNTY, 1);
    command["fields"]["contact"] = "村委会值班电话(虚构)".into();
    let sealed = fixture.submit(&command, &[("publisher", "丙")]).await.unwrap().index;
    let opened = other.sealed_reader().unwrap().values_of(sealed).await.unwrap().unwrap();
    assert_eq!(opened.slots[0].2.value, "村委会值班电话(虚构)");

    // Each seals an event; the other judges and opens it.
    let access = |number: u32| {
        json!({"kind": "access.recorded.v1", "org": COUNTY, "fields": {
        "read": ledger::stream("letter", number), "revision": 0, "purpose": "inspection", "reason": "例行检查(虚构)"}})
    };
    let mut promises = Vec::new();
    for number in 1..5 {
        promises.push(fixture.seal(&access(number), &[("publisher", "丙")]).await.unwrap());
        std::mem::swap(&mut fixture.ledger, &mut other);
    }
    fixture.ledger.end_period().await.unwrap();
    for ledger in [&fixture.ledger, &other] {
        for promised in &promises {
            let event = ledger.sealed_reader().unwrap().by_commitment(&promised.commitment).await.unwrap().unwrap();
            assert!(event.opened.is_some() && event.proof().is_some());
        }
    }

    let before = wraps(&postgres).await;
    let two = [("approver", "丁"), ("registrar", "甲")];
    fixture.submit(&erasure(sealed), &two).await.unwrap();
    assert!(wraps(&postgres).await < before, "its keys are destroyed");
    for ledger in [&fixture.ledger, &other] {
        let gone = ledger.sealed_reader().unwrap().values_of(sealed).await.unwrap().unwrap();
        assert!(gone.slots.is_empty(), "{gone:?}");
    }
    std::mem::swap(&mut fixture.ledger, &mut other);
    command["fields"]["contact"] = "镇政府值班电话(虚构)".into();
    let next = fixture.submit(&command, &[("publisher", "丙")]).await.unwrap().index;
    let opened = other.sealed_reader().unwrap().values_of(next).await.unwrap().unwrap();
    assert_eq!(opened.slots[0].2.value, "镇政府值班电话(虚构)", "the other goes on");
    for ledger in [&fixture.ledger, &other] {
        ledger.shutdown().await;
    }
}

#[test]
fn a_directory_that_holds_its_rows_itself_has_no_second_node() {
    let ledger = TestLedger::bare();
    let second = ledger.path("second");
    let refused = ledger_join(&ledger, &second).exits(2);
    assert!(refused.err.contains("gongkai migrate"), "{refused}");
    assert!(!second.exists());
}

fn ledger_join(ledger: &TestLedger, dir: &std::path::Path) -> gongkai_tests::Ran {
    gongkai(["join", "--from", ledger.dir().to_str().unwrap(), "--dir", dir.to_str().unwrap()])
}

#[test]
fn a_node_has_what_it_signs_with_and_no_other_key() {
    let postgres = Postgres::start();
    let (ledger, dirs) = nodes(&postgres, 2);
    let mut keys: Vec<_> =
        std::fs::read_dir(dirs[1].join("keys")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    keys.sort();
    assert_eq!(keys, ["intake.key", "log.key"]);
    assert!(ledger_join(&ledger, &dirs[1]).exits(2).err.contains("没有改动"), "what is there is not touched");
}

/// Case 9 with a real pause: whoever is stopped, within its turn or not, holds nobody up for long, and goes on afterwards.
#[test]
fn a_node_that_is_paused_holds_nobody_up_and_goes_on_afterwards() {
    let postgres = Postgres::start();
    let (_ledger, dirs) = nodes(&postgres, 2);
    let (paused, other) = (Server::start(&dirs[0]), Server::start(&dirs[1]));
    let mut random = Random::new();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (internal, stop) = (paused.internal.clone(), &stop);
        scope.spawn(move || {
            for number in 0.. {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                // What is not answered while it is paused is not asked for again: it may be recorded or not.
                let _ = hand_in(&internal, &format!("paused-{number}"), &submission());
            }
        });
        let _end = End(stop);
        for round in 0..rounds(3) {
            moment(&mut random, 200_000);
            signal(paused.pid(), "STOP");
            let _ = insist(&other, &format!("meanwhile-{round}"), &submission());
            signal(paused.pid(), "CONT");
        }
    });
    let _ = insist(&paused, "after", &submission());
    let _ = agreed(&[&paused, &other]);
    assert_eq!(tree(&paused), tree(&other));
    for server in [paused, other] {
        assert!(server.stop().success());
    }
    check(&dirs);
}

#[test]
fn a_node_whose_clock_is_wrong_stops_alone_and_says_why() {
    let postgres = Postgres::start();
    let (_ledger, dirs) = nodes(&postgres, 2);
    let right = Server::start(&dirs[1]);
    for (seconds, word) in [(600, "快"), (-600, "慢")] {
        let wrong = Node::start(&dirs[0]);
        let first = insist(&wrong.server, &format!("first{seconds}"), &submission());
        wrong.shim.put_clock_wrong(seconds);
        let refused = hand_in(&wrong.server.internal, &format!("wrong{seconds}"), &submission()).unwrap();
        assert_eq!(refused.status, 503);
        assert!(refused.text().contains(word) && refused.text().contains("时钟"), "{}", refused.text());
        let receipt = insist(&right, &format!("right{seconds}"), &submission());
        let time = |receipt: &Value| receipt["recorded_at"].as_str().unwrap().parse::<DateTime<Utc>>().unwrap();
        let passed = time(&receipt) - time(&first);
        assert!(passed >= TimeDelta::zero() && passed < TimeDelta::seconds(300), "nobody follows the wrong clock");
        assert!(wrong.server.stop().success());
    }
    let wrong = Server::start(&dirs[0]);
    let _ = insist(&wrong, "again", &submission());
    let _ = agreed(&[&wrong, &right]);
    for server in [wrong, right] {
        assert!(server.stop().success());
    }
    check(&dirs);
}

/// Ends the work of the other threads with the scope that it is in.
pub struct End<'a>(pub &'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
