//! A ledger whose rows are in PostgreSQL: the same bytes, the same refusals, the same commands.

use std::{path::Path, time::Duration};

use gongkai_store::{
    Place, RowStore, ServerUrl, conformance,
    testing::{COUNTY, Fixture, pledge},
};
use gongkai_tests::server::until;
use gongkai_tests::statement::Draft;
use gongkai_tests::{Answer, Postgres, Server, TestLedger, gongkai, ledger, load, post, walk};
use serde_json::{Value, json};
use sqlx::{Connection as _, Executor as _, PgConnection};

const BUSY: Duration = Duration::from_secs(5);

fn address(postgres: &Postgres) -> ServerUrl {
    ServerUrl::parse(&postgres.url).unwrap()
}

/// A connection to the ledger's tables.
pub async fn tables(postgres: &Postgres) -> PgConnection {
    let mut connection = PgConnection::connect(&postgres.url).await.unwrap();
    connection.execute("SET search_path = ledger").await.unwrap();
    connection
}

#[tokio::test]
async fn postgresql_does_what_a_ledger_database_must_do() {
    let postgres = Postgres::start();
    let place = Place::Server(address(&postgres));
    RowStore::create(&place).await.unwrap();
    conformance::run_in_turns(|| async { RowStore::open(&place, BUSY).await.unwrap() }).await;
}

/// Everything public of a ledger that this and that was done to.
async fn published(mut fixture: Fixture) -> Vec<(String, Vec<u8>)> {
    for name in ["丙", "丁"] {
        fixture.publisher(name, COUNTY).await;
    }
    let mut contact = pledge(COUNTY, 1);
    contact["fields"]["contact"] = "电话13800138000(虚构)".into();
    let entry = fixture.submit(&contact, &[("publisher", "丙")]).await.unwrap().index;
    let sheet = json!({"kind": "disclosure.published.v1", "org": COUNTY, "fields": {
        "class": "finance", "content": "finance", "period": "2026-02", "published_by": "self",
        "income": 0, "expense": 67_336, "title": "2026 年 2 月收支公开表(虚构)", "item": "月度收支", "lines": [
            {"date": "2026-02-03", "voucher": "记-12", "summary": "路灯电费", "account": "管理费用", "expense": 33_030},
            {"date": "2026-02-21", "voucher": "记-19", "summary": "公厕电费", "account": "管理费用", "expense": 34_306}]}});
    let listed = fixture.submit(&sheet, &[("publisher", "丙")]).await.unwrap().index;
    let access = json!({"kind": "access.recorded.v1", "org": COUNTY, "fields": {
        "read": ledger::stream("letter", 1), "revision": 0, "purpose": "inspection", "reason": "例行检查(虚构)"}});
    fixture.seal(&access, &[("publisher", "丙")]).await.unwrap();
    fixture.ledger.end_period().await.unwrap();
    let withdrawn = |entry: u64, slots: &[u64], lines: &[u64]| {
        json!({"kind": "slot.withdrawn.v1", "org": COUNTY, "fields": {
            "entry": entry, "slot_numbers": slots, "line_numbers": lines, "basis": "personal_data",
            "reason": "当事人要求隐去(虚构)", "appeal": "可在 15 日内申诉(虚构)"}})
    };
    let openings = fixture.ledger.entry(entry).await.unwrap().unwrap().openings.unwrap();
    let slot = openings.open.iter().find(|opening| opening.name == "pledger").unwrap().slot;
    let two = [("publisher", "丙"), ("publisher", "丁")];
    fixture.submit(&withdrawn(entry, &[slot.into()], &[]), &two).await.unwrap();
    fixture.submit(&withdrawn(listed, &[], &[0]), &two).await.unwrap();
    for submission in fixture.pledges(300, "丙", COUNTY) {
        fixture.ledger.submit(None, submission).await.unwrap();
    }
    fixture.reopen().await.unwrap();
    fixture.published().await;
    let log = fixture.layout().log();
    let size = fixture.ledger.health().published;
    fixture.ledger.shutdown().await;
    let name = |path: &Path| path.strip_prefix(&log).unwrap().display().to_string();
    // Which partial tiles of smaller sizes are left depends on when a checkpoint was signed.
    let of_this_size = |name: &String| {
        let Some((tile, width)) = name.rsplit_once(".p/") else { return true };
        let width: u64 = width.parse().unwrap();
        let last = tile.ends_with(&format!("/{:03}", size / 256));
        if name.starts_with("tile/1/") { width == size / 256 } else { last && width == size % 256 }
    };
    let files = walk(&log).into_iter().map(|path| (name(&path), std::fs::read(&path).unwrap()));
    files.filter(|(name, _)| of_this_size(name)).collect()
}

#[tokio::test]
async fn the_same_commands_make_the_same_bytes_in_sqlite_and_in_postgresql() {
    let postgres = Postgres::start();
    let lite = published(Fixture::with_vault().await).await;
    let elephant = published(Fixture::with_vault_at(Some(address(&postgres))).await).await;
    assert!(lite.len() > 5, "{} files", lite.len());
    let names = |files: &[(String, Vec<u8>)]| files.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&lite), names(&elephant));
    for ((name, lite), (_, elephant)) in lite.iter().zip(&elephant) {
        assert!(lite == elephant, "{name} differs");
    }
}

#[tokio::test]
async fn what_was_recorded_is_changed_deleted_and_truncated_by_nobody() {
    let postgres = Postgres::start();
    let mut fixture = Fixture::with_vault_at(Some(address(&postgres))).await;
    fixture.publisher("丙", COUNTY).await;
    let mut contact = pledge(COUNTY, 1);
    contact["fields"]["contact"] = "电话13800138000(虚构)".into();
    fixture.submit(&contact, &[("publisher", "丙")]).await.unwrap();
    let access = json!({"kind": "access.recorded.v1", "org": COUNTY, "fields": {
        "read": ledger::stream("letter", 1), "revision": 0, "purpose": "inspection", "reason": "例行检查(虚构)"}});
    fixture.seal(&access, &[("publisher", "丙")]).await.unwrap();
    let mut connection = tables(&postgres).await;
    for statement in [
        "UPDATE entries SET bytes = 'x' WHERE idx = 0",
        "DELETE FROM entries WHERE idx = 0",
        "TRUNCATE entries",
        "DELETE FROM head",
        "UPDATE head SET size = size - 1",
        "UPDATE head SET epoch = epoch - 1",
        "DELETE FROM sealed_events",
        "TRUNCATE sealed_events",
        "UPDATE sealed_events SET deadline = deadline + 1",
        "DELETE FROM inventories",
        "UPDATE inventories SET slots = 0",
    ] {
        let refused = connection.execute(statement).await.unwrap_err().to_string();
        assert!(refused.contains("append-only") || refused.contains("never goes back"), "{statement}: {refused}");
    }
    fixture.ledger.shutdown().await;
}

#[test]
fn a_ledger_on_postgresql_is_made_written_served_and_verified_by_the_same_commands() {
    let postgres = Postgres::start();
    let ledger = TestLedger::on_server(&postgres.url);
    assert!(!ledger.dir().join("ledger.db").exists());
    ledger.add_vault();
    let mut sealed = ledger::pledge("修好村北机耕路");
    sealed["fields"]["contact"] = "值班电话八三二一零零七六".into();
    let said = ledger.publish(&[sealed, ledger::pledge("装四十盏路灯")]).ok().json_lines();
    let index = said[1]["receipt"]["index"].clone();
    ledger.check();
    let _ = ledger.run("verify", &["--with-vault"]).ok();
    let _ = ledger.run("doctor", &[]).ok();
    let server = Server::start(&ledger.dir());
    let page = server.eventually(&format!("/entries/{index}"), |answer| answer.status == 200);
    assert!(!page.text().is_empty());
    let pledges = server.json("/api/v1/pledges");
    assert!(pledges.to_string().contains("装四十盏路灯"), "{pledges}");
    let url = server.url.clone();
    let _ = gongkai(["verify", "--url", &url, "--vkey", &ledger.vkey()]).ok();
    assert!(server.stop().success());
    let bundle = ledger.path("all.bundle");
    let _ = ledger.run("export", &["--out", bundle.to_str().unwrap()]).ok();
    let _ = gongkai(["verify", bundle.to_str().unwrap(), "--vkey", &ledger.vkey()]).ok();
}

#[test]
fn a_database_that_holds_a_ledger_takes_no_second_one() {
    let postgres = Postgres::start();
    let first = TestLedger::on_server(&postgres.url);
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("second");
    let second =
        gongkai(["init", "--dir", dir.to_str().unwrap(), "--origin", "second.example", "--database", &postgres.url]);
    let said = second.exits(2).err;
    assert!(said.contains("已经有一个账本"), "{said}");
    assert!(!dir.exists());
    first.check();
}

#[tokio::test]
async fn a_role_that_may_create_schemas_is_enough() {
    let postgres = Postgres::start();
    let mut connection = PgConnection::connect(&postgres.url).await.unwrap();
    for statement in ["CREATE ROLE plain LOGIN", "GRANT CREATE ON DATABASE postgres TO plain"] {
        connection.execute(statement).await.unwrap();
    }
    let url = postgres.url.replace("tests@", "plain@");
    let ledger = TestLedger::on_server(&url);
    let _ = ledger.publish(&[ledger::pledge("装四十盏路灯")]).ok();
    ledger.check();
    let dir = ledger.dir().display().to_string();
    let _ = gongkai(["migrate", "--from", &url, "--to", &dir]).ok();
    ledger.check();
}

#[test]
fn a_server_that_loses_what_it_acknowledged_is_refused() {
    let postgres = Postgres::start_with(&["fsync=off"]);
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("ledger");
    let made =
        gongkai(["init", "--dir", dir.to_str().unwrap(), "--origin", "lazy.example", "--database", &postgres.url]);
    let said = made.exits(3).err;
    assert!(said.contains("fsync"), "{said}");
    assert!(!dir.exists());
}

/// Every file of the log that the newest checkpoint leads to, and the checkpoint's tree.
fn tree(ledger: &TestLedger) -> String {
    ledger.checkpoint().lines().take(3).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_ledger_moves_to_postgresql_and_back_with_its_proofs_unchanged() {
    let postgres = Postgres::start();
    let ledger = TestLedger::new();
    ledger.add_vault();
    let mut sealed = ledger::pledge("修好村北机耕路");
    sealed["fields"]["contact"] = "值班电话八三二一零零七六".into();
    let _ = ledger.publish(&[sealed, ledger::pledge("装四十盏路灯")]).ok();
    let proof = ledger.path("before.tlog-proof");
    let _ = ledger.run("proof", &["--out", proof.to_str().unwrap(), "20"]).ok();
    let (before, dir) = (tree(&ledger), ledger.dir().display().to_string());
    let (database, wraps) = (ledger.dir().join("ledger.db"), ledger.dir().join("vault/wraps.db"));

    let moved = gongkai(["migrate", "--from", &dir, "--to", &postgres.url, "--json"]).ok().json();
    assert_eq!(moved["size"], 21);
    assert!(!database.exists() && !wraps.exists(), "rows and wraps are in one place");
    let _ = ledger.run("verify", &["--with-vault"]).ok();
    assert_eq!(tree(&ledger), before);
    let _ = ledger.publish(&[ledger::pledge("清理沟渠")]).ok();
    let grown = tree(&ledger);
    assert_eq!(gongkai(["migrate", "--from", &dir, "--to", &postgres.url]).code, 2, "it is there already");

    let back = gongkai(["migrate", "--from", &postgres.url, "--to", &dir]).ok();
    assert!(back.out.contains("搬了 22 条"), "{back}");
    assert!(database.exists() && wraps.exists() && !ledger.dir().join("ledger.url").exists());
    assert_eq!(tree(&ledger), grown);
    let _ = ledger.run("verify", &["--with-vault"]).ok();
    let _ = ledger.run("audit", &[]).ok();
    let _ = gongkai(["verify", proof.to_str().unwrap(), "--vkey", &ledger.vkey()]).ok();
    // The database is free again.
    let _ = gongkai(["migrate", "--from", &dir, "--to", &postgres.url]).ok();
}

#[tokio::test]
async fn rows_that_do_not_verify_are_not_moved() {
    let postgres = Postgres::start();
    let ledger = TestLedger::new();
    let database = ledger.dir().join("ledger.db");
    let mut connection = sqlx::SqliteConnection::connect(&database.display().to_string()).await.unwrap();
    connection.execute("UPDATE openings SET idx = 900 WHERE idx = 3").await.unwrap();
    connection.close().await.unwrap();
    let dir = ledger.dir().display().to_string();
    let refused = gongkai(["migrate", "--from", &dir, "--to", &postgres.url]).exits(3);
    assert!(refused.err.contains("没有启用"), "{refused}");
    assert!(database.exists() && !ledger.dir().join("ledger.url").exists());
}

/// A submission as its author sends it.
pub fn submission(title: &str) -> String {
    let signers = vec![("publisher", ledger::key("publisher.example/1"))];
    Draft::new(ledger::pledge(title), signers).submission().to_string()
}

pub fn hand_in(server: &Server, key: &str, body: &str) -> Answer {
    post(&format!("{}/api/v1/submissions", server.internal), &[("Idempotency-Key", key)], body)
}

/// Asks with the same key until there is a receipt: what a client does.
pub fn insist(server: &Server, key: &str, body: &str) -> Value {
    insist_at(&server.internal, key, body)
}

pub fn insist_at(url: &str, key: &str, body: &str) -> Value {
    until("a receipt", || load::hand_in(url, key, body).filter(|answer| answer.status < 300)).json()
}

#[tokio::test]
async fn after_its_connections_were_cut_a_server_goes_on_and_loses_nothing() {
    let postgres = Postgres::start();
    let ledger = TestLedger::on_server(&postgres.url);
    let server = Server::start(&ledger.dir());
    let size = server.size();
    for round in 0..3 {
        let body = submission(&format!("装第{round}盏路灯"));
        let mut connection = tables(&postgres).await;
        connection
            .execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'gongkai'")
            .await
            .unwrap();
        let receipt = insist(&server, &format!("cut-{round}"), &body);
        assert_eq!(receipt["index"].as_u64(), Some(size + round));
        assert_eq!(hand_in(&server, &format!("cut-{round}"), &body).json(), receipt, "one event, one receipt");
    }
    let _ = server.eventually("/log/checkpoint", |answer| {
        answer.text().lines().nth(1).is_some_and(|line| line == (size + 3).to_string())
    });
    let _ = server.eventually("/api/v1/pledges", |answer| answer.text().contains("装第2盏路灯"));
    assert!(server.stop().success());
    ledger.check();
}

#[tokio::test]
async fn while_postgresql_is_down_reading_goes_on_and_afterwards_every_receipt_is_there() {
    let mut postgres = Postgres::start();
    let ledger = TestLedger::on_server(&postgres.url);
    let server = Server::start(&ledger.dir());
    let body = submission("装四十盏路灯");
    let before = insist(&server, "before", &submission("清理沟渠"));
    let _ = server.eventually("/api/v1/pledges", |answer| answer.text().contains("清理沟渠"));
    postgres.crash();
    let refused = hand_in(&server, "during", &body);
    assert_eq!(refused.status, 503, "{}", refused.text());
    assert!(server.get("/api/v1/pledges").text().contains("清理沟渠"), "reading goes on");
    assert_eq!(server.get("/log/checkpoint").status, 200);
    postgres.come_back();
    let after = insist(&server, "during", &body);
    assert_eq!(after["index"].as_u64(), before["index"].as_u64().map(|index| index + 1));
    assert!(server.stop().success());
    ledger.check();
}

#[test]
fn a_backup_of_a_ledger_on_postgresql_becomes_the_same_ledger_in_a_directory() {
    let postgres = Postgres::start();
    let ledger = TestLedger::on_server(&postgres.url);
    ledger.add_vault();
    let server = Server::start_with(&ledger.dir(), |_| {});
    let mut sealed = ledger::pledge("修好村北机耕路");
    sealed["fields"]["contact"] = "值班电话八三二一零零七六".into();
    let signers = vec![("publisher", ledger::key("publisher.example/1"))];
    let _ = insist(&server, "sealed", &Draft::new(sealed, signers).submission().to_string());
    let _ = insist(&server, "open", &submission("装四十盏路灯"));
    let backups = ledger.path("backups");
    let _ = ledger.run("backup", &["--out", backups.to_str().unwrap(), "--with-keys"]).ok();
    assert!(server.stop().success());
    let made = std::fs::read_dir(&backups).unwrap().map(|entry| entry.unwrap().path());
    let made = made.into_iter().find(|path| path.is_dir()).unwrap();
    let dir = ledger.path("restored");
    let (made, dir) = (made.to_str().unwrap(), dir.to_str().unwrap());
    let _ = gongkai(["restore", "--from", made, "--dir", dir, "--vkey", &ledger.vkey()]).ok();
    assert!(Path::new(dir).join("ledger.db").exists() && !Path::new(dir).join("ledger.url").exists());
    let _ = gongkai(["rebuild", "--dir", dir, "--log"]).ok();
    let _ = gongkai(["verify", "--dir", dir, "--with-vault"]).ok();
    let checkpoint = std::fs::read_to_string(Path::new(dir).join("log/checkpoint")).unwrap();
    assert_eq!(checkpoint.lines().take(3).collect::<Vec<_>>().join("\n"), tree(&ledger));
}
