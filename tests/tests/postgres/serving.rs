//! Running servers whose views are in PostgreSQL: one of two is killed, and a replica goes through everything under readers.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use gongkai_tests::server::{get, until};
use gongkai_tests::{Postgres, Server, TestLedger, gongkai};
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};

use crate::ledger::{insist, submission};
use crate::nodes::{End, join};

/// Puts the views of a ledger into its database; its pages are read from these replicas.
pub fn share_views(ledger: &TestLedger, replicas: &[&Postgres]) {
    let configuration = ledger.dir().join("gongkai.toml");
    let text = std::fs::read_to_string(&configuration).unwrap();
    let urls: Vec<&str> = replicas.iter().map(|replica| replica.url.as_str()).collect();
    let said = format!("views = \"server\"\nread_replicas = {urls:?}");
    assert!(text.contains("views = \"files\""), "unless it is said otherwise they are files");
    std::fs::write(&configuration, text.replace("views = \"files\"", &said)).unwrap();
}

/// Says something to a database.
pub fn tell(postgres: &Postgres, sql: &'static str) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let mut connection = PgConnection::connect(&postgres.url).await.unwrap();
        connection.execute(AssertSqlSafe(sql)).await.unwrap();
    });
}

/// Pledges that a node lists, once it lists as many.
fn lists(server: &Server, many: u64) -> Value {
    let fits = |answer: &gongkai_tests::Answer| answer.status == 200 && answer.json()["total"].as_u64() == Some(many);
    let mut list = server.eventually("/api/v1/pledges?limit=100", fits).json();
    // Which page is served while entries without a pledge come does not matter here.
    let _ = list.as_object_mut().unwrap().remove("size");
    list
}

#[test]
fn of_two_servers_that_share_views_one_is_killed_and_the_other_goes_on_with_the_right_pages() {
    let postgres = Postgres::start();
    let ledger = TestLedger::on_server(&postgres.url);
    share_views(&ledger, &[]);
    let dirs = join(&ledger, 2);
    // Whoever starts first writes the views.
    let mut servers: Vec<Server> = dirs.iter().map(|dir| Server::start(dir)).collect();
    let mut said = 0;
    for round in 0..2 {
        for (place, server) in servers.iter().enumerate() {
            let _ = insist(server, &format!("both-{round}-{place}"), &submission(&format!("装第{said}盏路灯")));
            said += 1;
        }
        assert_eq!(lists(&servers[0], said), lists(&servers[1], said));
        servers.remove(0).kill();
        let _ = insist(&servers[0], &format!("alone-{round}"), &submission(&format!("装第{said}盏路灯")));
        said += 1;
        let _ = lists(&servers[0], said);
        servers.push(Server::start(&dirs[round % 2]));
        assert_eq!(lists(&servers[0], said), lists(&servers[1], said), "the one that was killed is up to date");
    }
    for server in servers {
        assert!(server.stop().success());
    }
    for dir in &dirs {
        let _ = gongkai(["rebuild", "--check", "--dir", dir.to_str().unwrap()]).ok();
    }
}

/// Reads until it is told to stop: every page is an answer, and none is of fewer entries than the one before.
pub fn read_on(url: &str, stop: &AtomicBool, pages: &AtomicU64) {
    let mut newest = 0;
    while !stop.load(Ordering::Relaxed) {
        let list = get(&format!("{url}/api/v1/pledges"));
        assert_eq!(list.status, 200, "{}", list.text());
        let size = list.json()["size"].as_u64().unwrap();
        assert!(size >= newest, "a page of {size} entries after one of {newest}");
        newest = size;
        let page = get(&format!("{url}/pledges"));
        assert_eq!(page.status, 200, "{}", page.text());
        pages.fetch_add(1, Ordering::Relaxed);
    }
}

/// What the page of how things stand says of the replica.
fn says(server: &Server, words: &str) {
    until(words, || server.get("/status").text().contains(words).then_some(()));
}

#[test]
fn whatever_befalls_a_replica_every_page_is_answered_and_none_is_older() {
    let primary = Postgres::start_with(&["wal_retrieve_retry_interval=50ms"]);
    let mut standby = primary.standby();
    let ledger = TestLedger::on_server(&primary.url);
    share_views(&ledger, &[&standby]);
    let server = Server::start_with(&ledger.dir(), |command| {
        command.env("GONGKAI_LOG", "gongkai_api=info").env("GONGKAI_METRICS_LISTEN", "127.0.0.1:0");
    });
    says(&server, "已跟上主库");
    let (stop, pages) = (AtomicBool::new(false), AtomicU64::new(0));
    let mut said = String::new();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| read_on(&server.url, &stop, &pages));
        }
        let _end = End(&stop);
        let mut number = 0;
        // Said and read at once: the page has it, wherever it comes from.
        let mut say = || {
            number += 1;
            let receipt = insist(&server, &format!("said-{number}"), &submission(&format!("装第{number}盏路灯")));
            let index = receipt["index"].as_u64().unwrap();
            let list = server.json(&format!("/api/v1/pledges?at_least={index}"));
            assert!(list["size"].as_u64() > Some(index), "{list}");
            assert_eq!(list["total"].as_u64(), Some(number));
            assert!(server.json("/api/v1/pledges")["size"].as_u64() > Some(index), "nor does a reload take it back");
        };
        tell(&standby, "SELECT pg_wal_replay_pause()");
        (0..3).for_each(|_| say());
        says(&server, "比主库少");
        tell(&standby, "SELECT pg_wal_replay_resume()");
        says(&server, "已跟上主库");
        standby.crash();
        say();
        says(&server, "连不上，页面由主库应答");
        standby.come_back();
        says(&server, "已跟上主库");
        // In the middle of a page, which is then made again: within some rounds it meets a reader.
        for _ in 0..10 {
            standby.pause();
            say();
            says(&server, "连不上，页面由主库应答");
            standby.go_on();
            says(&server, "已跟上主库");
            said.push_str(&server.said());
            if said.contains("a replica was lost while it was read") {
                break;
            }
        }
        say();
    });
    assert!(said.contains("a replica was lost while it was read"), "{said}");
    assert!(pages.into_inner() > 30, "there were readers");
    let doctor = ledger.run("doctor", &["--json"]).json();
    let found = doctor["symptoms"].as_array().unwrap().iter().find(|symptom| symptom["code"] == "replica").unwrap();
    assert!(found["wrong"] == false && found["what"].as_str().unwrap().contains("比主库少 0 条"), "{found}");
    assert!(server.stop().success());
    standby.crash();
    let doctor = ledger.run("doctor", &["--json"]);
    assert!(doctor.out.contains("连不上，或没有按时回答"), "{doctor}");
    let _ = ledger.run("rebuild", &["--check"]).ok();
}

#[test]
fn numbers_tell_whether_a_replica_is_read_and_how_far_behind_it_is() {
    let primary = Postgres::start_with(&["wal_retrieve_retry_interval=50ms"]);
    let mut standby = primary.standby();
    let ledger = TestLedger::on_server(&primary.url);
    share_views(&ledger, &[&standby]);
    let server = Server::start_with(&ledger.dir(), |command| {
        command.env("GONGKAI_METRICS_LISTEN", "127.0.0.1:0");
    });
    let numbers = until("the address of the numbers", || {
        let said = server.said();
        said.lines().find_map(|line| line.strip_prefix("指标 ").map(str::to_owned))
    });
    let tells = |line: &str| until(line, || get(&numbers).text().contains(line).then_some(()));
    tells("gongkai_replica_reading{replica=\"1\"} 1");
    tells("gongkai_replica_behind_entries{replica=\"1\"} 0");
    tell(&standby, "SELECT pg_wal_replay_pause()");
    let _ = insist(&server, "one", &submission("装四十盏路灯"));
    tells("gongkai_replica_behind_entries{replica=\"1\"} 1");
    standby.crash();
    tells("gongkai_replica_reading{replica=\"1\"} 0");
    assert!(server.stop().success());
}

#[test]
fn replicas_of_views_that_lie_in_files_and_passwords_in_their_addresses_are_refused() {
    let postgres = Postgres::start();
    let ledger = TestLedger::on_server(&postgres.url);
    let start = |views: &str, replica: &str| {
        Server::try_start(&ledger.dir(), |command| {
            command.env("GONGKAI_VIEWS", views).env("GONGKAI_READ_REPLICAS", replica);
        })
        .expect_err("it is not served")
    };
    assert!(start("files", &postgres.url).contains("read_replicas"));
    let said = start("server", "postgres://tests:geheim@127.0.0.1/postgres");
    assert!(said.contains("PGPASSWORD") && !said.contains("geheim"), "{said}");
}
