//! Drafts, and what was taken in across a network gap, on the server where the ledger is: the same on every node.

use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, Utc};
use gongkai_log::{SigningKey, note};
use gongkai_store::drafts::Writing;
use gongkai_store::testing::{Fixture, all};
use gongkai_store::{ServerUrl, conformance};
use gongkai_tests::gap::{Gap, code, letter};
use gongkai_tests::ledger::{key, sheet, stream};
use gongkai_tests::server::{delete, get_with, put};
use gongkai_tests::statement::{Draft, with_note};
use gongkai_tests::{Answer, Postgres, Ran, Server, TestLedger, gongkai, post};
use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, Executor as _, PgConnection};

use crate::ledger::tables;
use crate::nodes::join;

const DRAFT: &str = "5ea1ed00-0000-4000-8000-000000000031";
const AUTHOR: &str = "publisher.example/1";
const FIRST: &str = "supervisor.example/1";
const SECOND: &str = "supervisor.example/2";

async fn fixture(postgres: &Postgres) -> Fixture {
    Fixture::on_server(ServerUrl::parse(&postgres.url).unwrap()).await
}

fn person(number: u32) -> gongkai_log::StreamId {
    stream("person", number).parse().unwrap()
}

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_780_000_000, 0).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgresql_does_what_a_working_store_must_do() {
    let postgres = Postgres::start();
    let fixture = fixture(&postgres).await;
    let (_folder, other) = fixture.another_node().await;
    conformance::drafts::run(&fixture.ledger.drafts().unwrap(), &other.drafts().unwrap()).await;
    assert!(!fixture.layout().drafts().exists() && !other.layout().drafts().exists(), "nothing of it is in a file");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgresql_does_what_the_record_of_what_was_taken_in_must_do() {
    let postgres = Postgres::start();
    let fixture = fixture(&postgres).await;
    let (_folder, other) = fixture.another_node().await;
    conformance::taken::run(&fixture.ledger.taken().unwrap(), &other.taken().unwrap()).await;
    assert!(!fixture.layout().taken().exists() && !other.layout().taken().exists(), "nothing of it is in a file");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_need_the_store_for_the_first_time_at_once_make_one() {
    let postgres = Postgres::start();
    let fixture = fixture(&postgres).await;
    let mut nodes = vec![fixture.ledger.clone()];
    let mut folders = Vec::new();
    for _ in 0..3 {
        let (folder, ledger) = fixture.another_node().await;
        folders.push(folder);
        nodes.push(ledger);
    }
    let begin = |(number, node): (u32, &gongkai_store::Ledger)| {
        let (drafts, owner, id) = (node.drafts().unwrap(), person(1), uuid::Uuid::from_u128(number.into()));
        async move { drafts.put(Writing { id, owner: &owner, others: &[], known: None, text: "修路" }, now()).await }
    };
    for begun in all((1..).zip(&nodes).map(begin)).await {
        assert_eq!(begun.unwrap(), 1);
    }
    assert_eq!(fixture.ledger.drafts().unwrap().list(&person(1), now()).await.unwrap().len(), 4);
}

async fn cut(postgres: &Postgres) {
    let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'gongkai'";
    tables(postgres).await.execute(cut).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_was_cut_costs_nobody_a_draft() {
    let postgres = Postgres::start();
    let fixture = fixture(&postgres).await;
    let (drafts, owner) = (fixture.ledger.drafts().unwrap(), person(1));
    let writing = Writing { id: uuid::Uuid::from_u128(1), owner: &owner, others: &[], known: None, text: "修路" };
    assert_eq!(drafts.put(writing, now()).await.unwrap(), 1);
    cut(&postgres).await;
    assert_eq!(drafts.put(Writing { known: Some(1), text: "修桥", ..writing }, now()).await.unwrap(), 2);
    cut(&postgres).await;
    assert_eq!(drafts.list(&owner, now()).await.unwrap()[0].text.as_str(), "修桥");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_of_a_later_version_is_not_touched() {
    let postgres = Postgres::start();
    let fixture = fixture(&postgres).await;
    fixture.ledger.drafts().unwrap().list(&person(1), now()).await.unwrap();
    tables(&postgres).await.execute("UPDATE drafts.version SET version = 99").await.unwrap();
    let (_folder, other) = fixture.another_node().await;
    let refused = other.drafts().unwrap().list(&person(1), now()).await.unwrap_err();
    assert!(refused.to_string().contains("schema `drafts`"), "{refused}");
}

/// A session of somebody at a desk.
struct Desk {
    url: String,
    token: String,
}

impl Desk {
    fn of(server: &Server, who: &SigningKey) -> Self {
        Self { url: format!("{}/internal/api/v1", server.internal), token: server.sign_in(who) }
    }

    fn get(&self) -> Answer {
        get_with(&format!("{}/drafts/{DRAFT}", self.url), &[("Authorization", &self.token)])
    }

    fn put(&self, draft: &Value) -> Answer {
        put(&format!("{}/drafts/{DRAFT}", self.url), &[("Authorization", &self.token)], draft.to_string())
    }

    fn delete(&self) -> Answer {
        delete(&format!("{}/drafts/{DRAFT}", self.url), &[("Authorization", &self.token)])
    }

    fn list(&self) -> Value {
        get_with(&format!("{}/drafts", self.url), &[("Authorization", &self.token)]).json()["drafts"].clone()
    }

    fn sign(&self, line: &str) -> Answer {
        let body = json!({"signature": line}).to_string();
        post(&format!("{}/drafts/{DRAFT}/signatures", self.url), &[("Authorization", &self.token)], body)
    }
}

fn typed(title: &str) -> Value {
    json!({"label": "作出承诺", "kind": "pledge.made.v1", "href": format!("/internal/write/pledge.made?draft={DRAFT}"),
        "fields": {"title": title}, "frame": {"role": "publisher"}})
}

/// A sheet that both supervisors sign beside its author, with the author's signature; and its text.
fn half() -> (Value, String) {
    let line = json!({"date": "2026-02-03", "voucher": "记-12", "summary": "购水管(虚构)", "expense": 33_030});
    let signers = vec![("publisher", key(AUTHOR)), ("supervisor", key(FIRST)), ("supervisor", key(SECOND))];
    let prepared = Draft::new(sheet("2026-02", 33_030, &line), signers).prepare();
    let signed = note::sign(&prepared.text, &[&key(AUTHOR)]).unwrap();
    let submission = with_note(&prepared, &signed);
    let draft = json!({"label": "二月收支(虚构)", "kind": "disclosure.published.v1",
        "href": "/internal/write/disclosure.published.v1", "prepared": {"statement": prepared.text,
            "openings": submission["openings"], "lines": submission["lines"],
            "signatures": [signed.lines().last().unwrap()]}});
    (draft, prepared.text)
}

fn line(who: &str, text: &str) -> String {
    note::sign(text, &[&key(who)]).unwrap().lines().last().unwrap().to_owned()
}

/// As many nodes of a ledger with a vault.
fn nodes(postgres: &Postgres, count: usize) -> (TestLedger, Vec<PathBuf>) {
    let ledger = TestLedger::on_server(&postgres.url);
    ledger.add_vault();
    let dirs = join(&ledger, count);
    (ledger, dirs)
}

#[test]
fn a_draft_is_begun_at_one_node_changed_and_signed_at_the_other_and_gone_on_both_when_it_is_recorded() {
    let postgres = Postgres::start();
    let (ledger, dirs) = nodes(&postgres, 2);
    let servers: Vec<Server> = dirs.iter().map(|dir| Server::start(dir)).collect();
    let (here, there) = (Desk::of(&servers[0], &key(AUTHOR)), Desk::of(&servers[1], &key(AUTHOR)));
    let desk = |place: usize, who: &str| Desk::of(&servers[place], &key(who));
    assert_eq!(here.put(&typed("修路")).status, 200);
    assert_eq!(there.get().json()["fields"]["title"], "修路");
    let mut changed = typed("修桥");
    changed["known"] = json!(1);
    assert_eq!(there.put(&changed).json()["revision"], 2);
    let late = here.put(&changed);
    assert_eq!((late.status, late.json()["code"].as_str()), (409, Some("stale_parent")), "{}", late.text());
    assert!(late.text().contains("在另一台设备上改过"));

    let (mut draft, text) = half();
    draft["known"] = json!(2);
    assert_eq!(here.put(&draft).json()["revision"], 3);
    let (first, second) = (desk(1, FIRST), desk(0, SECOND));
    assert_eq!(first.list()[0]["label"], "二月收支(虚构)", "it waits at the other node");
    let signed = first.sign(&line(FIRST, &text)).json();
    assert_eq!(signed["receipt"], Value::Null, "{signed}");
    let half_signed: Vec<_> =
        second.get().json()["signers"].as_array().unwrap().iter().map(|one| one["signed"].clone()).collect();
    assert_eq!(half_signed, [true, true, false]);
    let receipt = second.sign(&line(SECOND, &text)).json()["receipt"].clone();
    assert!(receipt["index"].as_u64().is_some(), "{receipt}");
    for somebody in [&here, &there, &first, &second, &desk(0, FIRST), &desk(1, SECOND)] {
        assert_eq!((somebody.get().status, somebody.list()), (404, json!([])));
    }
    for server in &servers {
        let _ = server.eventually(&format!("/entries/{}", receipt["index"]), |answer| answer.status == 200);
    }
    for server in servers {
        assert!(server.stop().success());
    }
    ledger.check();
}

/// The draft as its author finds it at a node that is started for it.
fn drafted(dir: &Path) -> Answer {
    let server = Server::start(dir);
    let answer = Desk::of(&server, &key(AUTHOR)).get();
    assert!(server.stop().success());
    answer
}

/// Writes the draft at a node that is started for it.
fn write(dir: &Path, draft: &Value) {
    let server = Server::start(dir);
    let kept = Desk::of(&server, &key(AUTHOR)).put(draft);
    assert_eq!(kept.status, 200, "{}", kept.text());
    assert!(server.stop().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn drafts_move_with_the_ledger_to_postgresql_and_back_and_leave_no_file_behind() {
    let postgres = Postgres::start();
    let ledger = TestLedger::new();
    ledger.add_vault();
    let (dir, file) = (ledger.dir(), ledger.dir().join("vault/drafts.db"));
    let place = dir.display().to_string();
    write(&dir, &typed("修路"));
    assert!(file.is_file());
    let earlier = ledger.path("drafts.db");
    copy_whole(&file, &earlier).await;

    let _ = gongkai(["migrate", "--from", &place, "--to", &postgres.url]).ok();
    let left = || {
        let names = std::fs::read_dir(dir.join("vault")).unwrap().map(|entry| entry.unwrap().file_name());
        names.map(|name| name.into_string().unwrap()).filter(|name| name.starts_with("drafts")).collect::<Vec<_>>()
    };
    assert_eq!(left(), [""; 0]);
    assert_eq!(drafted(&dir).json()["fields"]["title"], "修路");
    let mut changed = typed("修桥");
    changed["known"] = json!(1);
    write(&dir, &changed);

    // What an earlier version kept beside a node is brought in, and does not undo what was written since.
    std::fs::copy(&earlier, &file).unwrap();
    assert_eq!(drafted(&dir).json()["fields"]["title"], "修桥");
    assert_eq!(left(), [""; 0]);

    let _ = gongkai(["migrate", "--from", &postgres.url, "--to", &place]).ok();
    assert_eq!(left(), ["drafts.db"]);
    let back = drafted(&dir).json();
    assert_eq!((&back["fields"]["title"], &back["revision"]), (&json!("修桥"), &json!(2)));
    // The database is free again, and has nothing of it.
    let _ = gongkai(["migrate", "--from", &place, "--to", &postgres.url]).ok();
    assert_eq!(drafted(&dir).json()["revision"], 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_earlier_version_kept_beside_each_node_is_on_all_of_them_after_its_next_start() {
    let postgres = Postgres::start();
    let ledger = TestLedger::new();
    ledger.add_vault();
    let dir = ledger.dir();
    write(&dir, &typed("修路"));
    let earlier = ledger.path("drafts.db");
    copy_whole(&dir.join("vault/drafts.db"), &earlier).await;
    let _ = gongkai(["migrate", "--from", &dir.display().to_string(), "--to", &postgres.url]).ok();
    let dirs = join(&ledger, 2);
    tables(&postgres).await.execute("DROP SCHEMA drafts CASCADE").await.unwrap();
    publish(&dirs[1]);
    std::fs::copy(&earlier, dirs[1].join("vault/drafts.db")).unwrap();
    // A backup of that node has it before the node has brought it.
    assert_eq!(drafted(&restored(&ledger, &dirs[1])).json()["fields"]["title"], "修路");
    let servers: Vec<Server> = [&dirs[1], &dirs[0]].map(|dir| Server::start(dir)).into();
    for server in &servers {
        assert_eq!(Desk::of(server, &key(AUTHOR)).get().json()["fields"]["title"], "修路");
    }
    assert!(!dirs[1].join("vault/drafts.db").exists());
    assert_eq!(Desk::of(&servers[1], &key(AUTHOR)).delete().status, 204);
    assert_eq!(Desk::of(&servers[0], &key(AUTHOR)).get().status, 404);
    for server in servers {
        assert!(server.stop().success());
    }
}

/// Copies a store that nobody has open, with what its write-ahead log may still hold.
async fn copy_whole(from: &Path, to: &Path) {
    let mut connection = SqliteConnectOptions::new().filename(from).connect().await.unwrap();
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").await.unwrap();
    connection.close().await.unwrap();
    std::fs::copy(from, to).unwrap();
}

/// Has a new node publish what there is, without which there is nothing to go on from.
fn publish(dir: &Path) {
    assert!(Server::start(dir).stop().success());
}

/// A directory that a backup of a node was restored into.
fn restored(ledger: &TestLedger, dir: &Path) -> PathBuf {
    let backups = tempfile::tempdir().unwrap();
    let (dir, out) = (dir.to_str().unwrap(), backups.path().to_str().unwrap());
    let _ = gongkai(["backup", "--dir", dir, "--out", out, "--with-keys"]).ok();
    let made = std::fs::read_dir(out).unwrap().map(|entry| entry.unwrap().path()).find(|path| path.is_dir()).unwrap();
    let to = ledger.path(&format!("restored-{}", made.file_name().unwrap().display()));
    let _ = gongkai(["restore", "--from", made.to_str().unwrap(), "--dir", to.to_str().unwrap()]).ok();
    to
}

#[test]
fn a_backup_of_any_node_holds_the_drafts_of_all_and_restoring_puts_them_back() {
    let postgres = Postgres::start();
    let (ledger, dirs) = nodes(&postgres, 2);
    publish(&dirs[1]);
    let server = Server::start(&dirs[0]);
    let kept = Desk::of(&server, &key(AUTHOR)).put(&typed("修路"));
    assert_eq!(kept.status, 200, "{}", kept.text());
    let restored = restored(&ledger, &dirs[1]);
    assert!(server.stop().success());
    assert!(restored.join("vault/drafts.db").is_file() && !restored.join("ledger.url").exists());
    assert_eq!(drafted(&restored).json()["fields"]["title"], "修路");
}

/// Takes a file in at a node, with the capsules in a file of its own.
fn take_in(ledger: &TestLedger, dir: &Path, file: &str, name: &str) -> (Ran, String) {
    let out = ledger.path(name).display().to_string();
    let ran = gongkai(["take-in", "--json", "--capsules", &out, "--dir", dir.to_str().unwrap(), file]);
    (ran, out)
}

/// What became of whatever these codes follow, once these capsules are outside.
fn answers(gap: &Gap, mirror: &Server, capsules: &str, handed: &[Value]) -> Vec<Value> {
    let _ = gap.outside(&["--read-capsules", capsules]).ok();
    let told = handed.iter().map(|handed| gap.status(mirror, code(handed)).ok().json()["answer"].clone());
    told.collect()
}

#[test]
fn a_file_that_two_nodes_take_in_at_once_is_recorded_and_answered_once_and_both_send_all_answers_out() {
    // An intake answers an address so often and no more: two rounds stay below.
    const ROUNDS: usize = 2;
    let postgres = Postgres::start();
    let (ledger, dirs) = nodes(&postgres, 2);
    let gap = Gap::of(ledger);
    let mirror = gap.mirror();
    let mut handed = Vec::new();
    for round in 0..ROUNDS {
        for number in 0..4 {
            let name = format!("{round}-{number}.json");
            handed.push(gap.hand_in(&mirror, &letter("opinion"), &name, &[]).ok().json());
        }
        for handed in &handed[round * 4..] {
            let _ = gap.recorded(handed);
        }
        let file = gap.batches(&format!("{round}.batches"));
        let took = std::thread::scope(|scope| {
            let take = |place: usize| {
                let (ledger, file, dir) = (&gap.ledger, &file, &dirs[place]);
                scope.spawn(move || take_in(ledger, dir, file, &format!("{round}-{place}.capsules")))
            };
            [take(0), take(1)].map(|taking| taking.join().unwrap())
        });
        let done = took.each_ref().map(|(ran, _)| ran.clone().ok().json());
        let sum = |name: &str| done.iter().map(|done| done[name].as_u64().unwrap()).sum::<u64>();
        assert_eq!((sum("accepted"), sum("refused")), (4, 0), "{done:?}");
        // One more time at each: nothing is left.
        for (place, dir) in dirs.iter().enumerate() {
            let (again, _) = take_in(&gap.ledger, dir, &file, &format!("{round}-{place}.again"));
            assert_eq!(again.ok().json()["answered_at"], Value::Null);
        }
        let all = dirs.iter().enumerate().map(|(place, dir)| {
            let (_, capsules) = take_in(&gap.ledger, dir, &file, &format!("{round}-{place}.all"));
            let size = gap.ledger.size();
            mirror.eventually("/healthz", |answer| answer.json()["views"].as_u64() >= Some(size));
            answers(&gap, &mirror, &capsules, &handed)
        });
        let [one, other] = all.collect::<Vec<_>>().try_into().unwrap();
        assert_eq!(one, other, "each node says the same of every packet");
        assert!(one.iter().all(|answer| answer["outcome"] == "accepted"), "{one:?}");
    }
    let inside = Server::start(&dirs[1]);
    let author = gap.ledger.key_file(AUTHOR).display().to_string();
    let list = gongkai(["read", "--url", &inside.internal, "--key", &author, "matters?family=letter"]).ok().json();
    assert_eq!(list["matters"].as_array().unwrap().len(), ROUNDS * 4, "{list}");
    assert!(inside.stop().success());
    gap.ledger.check();
}

#[test]
fn what_was_taken_in_moves_with_the_ledger_and_is_in_its_backup() {
    let postgres = Postgres::start();
    let gap = Gap::new();
    let mirror = gap.mirror();
    let handed = [gap.hand_in(&mirror, &letter("opinion"), "letter.json", &[]).ok().json()];
    let _ = gap.recorded(&handed[0]);
    let file = gap.batches("1.batches");
    let dir = gap.ledger.dir();
    let place = dir.display().to_string();
    let _ = take_in(&gap.ledger, &dir, &file, "1.capsules").0.ok();
    let size = gap.ledger.size();
    mirror.eventually("/healthz", |answer| answer.json()["views"] == size);
    let says = |dir: &Path, name: &str| {
        let (ran, capsules) = take_in(&gap.ledger, dir, &file, name);
        assert_eq!(ran.ok().json()["answered_at"], Value::Null, "nothing is recorded twice");
        answers(&gap, &mirror, &capsules, &handed)
    };
    let before = says(&dir, "before.capsules");
    assert_eq!(before[0]["outcome"], "accepted");
    let _ = gongkai(["migrate", "--from", &place, "--to", &postgres.url]).ok();
    assert!(!dir.join("vault/taken.db").exists());
    assert_eq!(says(&dir, "there.capsules"), before);
    assert_eq!(says(&restored(&gap.ledger, &dir), "restored.capsules"), before);
    let _ = gongkai(["migrate", "--from", &postgres.url, "--to", &place]).ok();
    assert!(dir.join("vault/taken.db").is_file());
    assert_eq!(says(&dir, "back.capsules"), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_stops_within_a_packet_keeps_others_waiting_for_a_bounded_time() {
    let postgres = Postgres::start();
    let fixture = fixture(&postgres).await;
    let (_folder, other) = fixture.another_node().await;
    let intake = stream("intake", 1).parse().unwrap();
    let place = gongkai_store::taken::Place {
        intake: &intake,
        batch: 0,
        leaf: 1,
        commitment: gongkai_log::Digest::of(b"a packet"),
    };
    let (one, other) = (fixture.ledger.taken().unwrap(), other.taken().unwrap());
    let stopped = one.once(place, now(), std::future::pending::<Result<_, gongkai_store::TakenFault>>());
    let stopped = tokio::time::timeout(Duration::from_secs(1), stopped).await;
    assert!(stopped.is_err(), "it has begun and does not end");
    let refused = || async { Err::<gongkai_store::Taken, _>(gongkai_store::TakenFault::Foreign("asked".into())) };
    let next = other.once(place, now(), refused()).await;
    assert!(next.is_err_and(|fault| fault.to_string().contains("asked")), "the other one was asked, after a wait");
}

#[tokio::test]
async fn a_role_that_may_create_schemas_is_enough_for_drafts() {
    let postgres = Postgres::start();
    let mut connection = PgConnection::connect(&postgres.url).await.unwrap();
    for statement in ["CREATE ROLE plain LOGIN", "GRANT CREATE ON DATABASE postgres TO plain"] {
        connection.execute(statement).await.unwrap();
    }
    let url = ServerUrl::parse(&postgres.url.replace("tests@", "plain@")).unwrap();
    let fixture = Fixture::on_server(url).await;
    let drafts = fixture.ledger.drafts().unwrap();
    assert!(drafts.list(&person(1), now()).await.unwrap().is_empty());
}
