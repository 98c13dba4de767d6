//! A standby that follows by streaming takes the place of a primary that is gone.

use gongkai_tests::server::until;
use gongkai_tests::{Answer, Postgres, Server, TestLedger, ledger};
use sqlx::{Connection as _, Executor as _, PgConnection};

use crate::ledger::{hand_in, insist, submission, tables};

/// Waits until the standby holds as many entries.
async fn follows(standby: &Postgres, entries: u64) {
    let mut connection = tables(standby).await;
    loop {
        let there: i64 = sqlx::query_scalar("SELECT count(*) FROM entries").fetch_one(&mut connection).await.unwrap();
        if there.cast_unsigned() >= entries {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_synchronous_replication_the_standby_has_every_receipt_and_the_server_goes_on() {
    let mut primary = Postgres::start();
    let ledger = TestLedger::on_server(&primary.url);
    let mut standby = primary.standby();
    let mut connection = PgConnection::connect(&primary.url).await.unwrap();
    connection.execute("ALTER SYSTEM SET synchronous_standby_names = '*'").await.unwrap();
    connection.execute("SELECT pg_reload_conf()").await.unwrap();
    connection.close().await.unwrap();
    let server = Server::start(&ledger.dir());
    let size = server.size();
    for number in 0..20 {
        let receipt = insist(&server, &format!("before-{number}"), &submission(&format!("装第{number}盏路灯")));
        assert_eq!(receipt["index"].as_u64(), Some(size + number));
    }
    primary.crash();
    standby.take_the_place_of(&primary);
    let receipt = insist(&server, "after", &submission("清理沟渠"));
    assert_eq!(receipt["index"].as_u64(), Some(size + 20), "nothing that was acknowledged is lost");
    let _ = server.eventually("/api/v1/pledges", |answer| answer.text().contains("清理沟渠"));
    assert!(server.stop().success());
    ledger.check();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_that_was_behind_is_neither_written_to_nor_started_on() {
    let mut primary = Postgres::start();
    let ledger = TestLedger::on_server(&primary.url);
    let mut standby = primary.standby();
    let server = Server::start(&ledger.dir());
    let size = server.size();
    let _ = insist(&server, "both", &submission("清理沟渠"));
    follows(&standby, size + 1).await;
    standby.crash();
    let lost = insist(&server, "lost", &submission("修好村北机耕路"));
    let _ = server.eventually("/log/checkpoint", |answer| {
        answer.text().lines().nth(1).is_some_and(|line| line == (size + 2).to_string())
    });
    primary.crash();
    standby.take_the_place_of(&primary);
    let body = submission("装四十盏路灯");
    let said = until("what is wrong with it", || {
        let answer: Answer = hand_in(&server, "fork", &body);
        assert_eq!(answer.status, 503, "{}", answer.text());
        Some(answer.text()).filter(|text| text.contains("先前所见不符"))
    });
    assert!(!said.is_empty());
    assert_eq!(server.get(&format!("/entries/{}", lost["index"])).status, 200, "what was published is served");
    server.kill();
    let checkpoint = ledger.checkpoint();
    let refused = ledger.publish(&[ledger::pledge("装四十盏路灯")]).exits(3);
    assert!(refused.err.contains("第二部历史"), "{refused}");
    assert_eq!(ledger.checkpoint(), checkpoint, "nothing was signed");
    let mut connection = tables(&standby).await;
    let entries: i64 = sqlx::query_scalar("SELECT count(*) FROM entries").fetch_one(&mut connection).await.unwrap();
    assert_eq!(entries.cast_unsigned(), size + 1, "nothing was written to it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_that_was_behind_gets_back_what_was_published_and_the_ledger_goes_on() {
    let mut primary = Postgres::start();
    let ledger = TestLedger::on_server(&primary.url);
    let mut standby = primary.standby();
    let server = Server::start(&ledger.dir());
    let size = server.size();
    follows(&standby, size).await;
    standby.crash();
    let body = submission("修好村北机耕路");
    let lost = insist(&server, "lost", &body);
    let _ = server.eventually("/log/checkpoint", |answer| {
        answer.text().lines().nth(1).is_some_and(|line| line == (size + 1).to_string())
    });
    assert!(server.stop().success());
    primary.crash();
    standby.take_the_place_of(&primary);
    let refused = Server::try_start(&ledger.dir(), |_| {}).unwrap_err();
    assert!(refused.contains("gongkai recover"), "{refused}");
    let log = ledger.dir().join("log").display().to_string();
    let told = ledger.run("recover", &["--source", &log, "--json"]).ok().json();
    let recovered = &told["recovered"];
    assert_eq!((recovered["from_size"].as_u64(), recovered["size"].as_u64()), (Some(size), Some(size + 1)));
    let _ = ledger.run("recover", &["--source", &log]).ok().says("没有要补回的");
    let server = Server::start(&ledger.dir());
    assert_eq!(insist(&server, "lost", &body), lost, "its receipt is what it was");
    let after = insist(&server, "after", &submission("清理沟渠"));
    assert_eq!(after["index"].as_u64(), Some(size + 2));
    assert!(server.stop().success());
    ledger.check();
}
