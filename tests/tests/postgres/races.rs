//! Two nodes that do the same thing at the same moment: their turns are held until both wait, and the outcome is looked at.

use std::time::Duration;

use gongkai_domain::{Head, Submission, gap::Batches};
use gongkai_log::{Content, Entry, SignedStatement};
use gongkai_store::testing::{COUNTY, Fixture};
use gongkai_store::{Ledger, ServerUrl, SubmitError};
use gongkai_tests::Postgres;
use gongkai_tests::gap::Gap;
use gongkai_tests::ledger::TestLedger;
use gongkai_tests::server::until;
use serde_json::{Value, json};
use sqlx::{Executor as _, PgConnection};

use crate::ledger::tables;
use crate::nodes::join;

const BY: &[(&str, &str)] = &[("publisher", "丙")];
const SHEET: &str = "disclosure/018f0000-0000-7000-8000-0000000000d1";
const WAITING: &str =
    "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'gongkai' AND wait_event_type = 'Lock'";

/// Every turn waits while it lives.
struct Held {
    turn: PgConnection,
    watch: PgConnection,
}

impl Held {
    async fn begin(postgres: &Postgres) -> Self {
        let (mut turn, watch) = (tables(postgres).await, tables(postgres).await);
        turn.execute("BEGIN; SELECT size FROM head WHERE id = 1 FOR UPDATE").await.unwrap();
        Self { turn, watch }
    }

    /// Until so many nodes wait for their turns. They get them in the order in which they came.
    async fn wait_for(&mut self, nodes: i64) {
        let waits = async {
            while sqlx::query_scalar::<_, i64>(WAITING).fetch_one(&mut self.watch).await.unwrap() < nodes {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_mins(1), waits).await.expect("the nodes wait for their turns");
    }

    async fn end(mut self) {
        self.turn.execute("COMMIT").await.unwrap();
    }
}

async fn fixture(postgres: &Postgres) -> Fixture {
    let mut fixture = Fixture::on_server(ServerUrl::parse(&postgres.url).unwrap()).await;
    fixture.publisher("丙", COUNTY).await;
    fixture
}

fn sheet() -> Value {
    json!({"kind": "disclosure.published.v1", "stream": SHEET, "org": COUNTY, "fields": {
        "class": "government", "content": "text", "period": "2026-02", "title": "二月情况(虚构)", "text": "电费两笔(虚构)"}})
}

/// A question about it, whose text is for the vault.
fn question(text: &str) -> Value {
    json!({"kind": "disclosure.questioned.v1", "stream": SHEET, "org": COUNTY, "fields": {
        "topic": "amount", "asked_on": "2026-03-02", "text": text}})
}

fn head(submission: &Submission) -> Head {
    let signed = SignedStatement::parse(&submission.note).unwrap();
    Head { revision: signed.statement.revision, hash: signed.hash }
}

async fn text_of(ledger: &Ledger, index: u64) -> Value {
    let opened = ledger.sealed_reader().unwrap().values_of(index).await.unwrap().unwrap();
    opened.slots.into_iter().find(|(_, _, opened)| opened.name == "text").unwrap().2.value
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_nodes_that_make_the_first_key_of_a_matter_at_once_one_seals_again_and_both_open_all() {
    let postgres = Postgres::start();
    let mut fixture = fixture(&postgres).await;
    fixture.submit(&sheet(), BY).await.unwrap();
    let (_folder, other) = fixture.another_node().await;
    let one = fixture.signed(&question("电费为什么两笔？"), BY).await.unwrap();
    // It follows a question that its node has not heard of yet, but will have by its turn.
    let next = fixture.following(&question("电表换了没有？"), head(&one), BY);

    let mut held = Held::begin(&postgres).await;
    let hand_in = |ledger: &Ledger, key: &'static str, submission: &Submission| {
        let (ledger, submission) = (ledger.clone(), submission.clone());
        tokio::spawn(async move { ledger.submit(Some(key.into()), submission).await })
    };
    let first = hand_in(&fixture.ledger, "first", &one);
    held.wait_for(1).await;
    let second = hand_in(&other, "second", &next);
    held.wait_for(2).await;
    held.end().await;
    let first = first.await.unwrap().unwrap().index;
    let refused = second.await.unwrap();
    assert!(matches!(refused, Err(SubmitError::Busy)), "its key came second: {refused:?}");
    let second = hand_in(&other, "second", &next).await.unwrap().unwrap().index;
    assert_eq!(second, first + 1, "nothing of the first attempt was recorded");
    for ledger in [&fixture.ledger, &other] {
        assert_eq!(text_of(ledger, first).await, "电费为什么两笔？");
        assert_eq!(text_of(ledger, second).await, "电表换了没有？");
        ledger.shutdown().await;
    }
}

/// Entries from an index on.
async fn entries(ledger: &Ledger, from: u64) -> Vec<Entry> {
    let stored = ledger.entries(from, 4_096).await.unwrap();
    stored.into_iter().map(|entry| Entry::parse(entry.bytes).unwrap()).collect()
}

fn kind(entry: &Entry) -> &str {
    entry.content.statement().map_or("", |signed| &signed.statement.kind)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_nodes_that_would_say_a_root_of_the_map_at_once_one_does_and_both_stand_on_it() {
    let postgres = Postgres::start();
    let mut fixture = fixture(&postgres).await;
    let (_folder, other) = fixture.another_node().await;
    let from = fixture.submit(&sheet(), BY).await.unwrap().index;
    // Both would say a root over the same size.
    other.committed().wait_for(|size| *size > from).await.unwrap();
    let mut held = Held::begin(&postgres).await;
    let say = |ledger: &Ledger| {
        let ledger = ledger.clone();
        tokio::spawn(async move { ledger.root_map().await })
    };
    let saying = [say(&fixture.ledger), say(&other)];
    held.wait_for(2).await;
    held.end().await;
    let mut said = Vec::new();
    for saying in saying {
        said.extend(saying.await.unwrap().unwrap());
    }
    let rooted: Vec<u64> = entries(&other, from)
        .await
        .iter()
        .filter(|entry| kind(entry) == "map.rooted.v1")
        .map(|entry| entry.index)
        .collect();
    assert_eq!((&said, rooted.len()), (&rooted, 1));
    for ledger in [&fixture.ledger, &other] {
        let mut reached = ledger.map().reached();
        let reached = *reached.wait_for(|reached| reached.entry == Some(rooted[0])).await.unwrap();
        assert_eq!(reached.size, from + 1);
        ledger.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_nodes_whose_clocks_for_a_period_strike_at_once_one_records_it() {
    const PERIOD: Duration = Duration::from_millis(200);
    let postgres = Postgres::start();
    let mut fixture = fixture(&postgres).await;
    fixture.settings.period = PERIOD;
    fixture.reopen().await.unwrap();
    let (_folder, other) = fixture.another_node().await;
    for _ in 0..3 {
        let mut held = Held::begin(&postgres).await;
        held.wait_for(2).await;
        let before = fixture.ledger.reader().head().await.unwrap().size;
        fixture.clock.advance(PERIOD);
        held.end().await;
        // Whoever has a receipt has had the turn that it waited for.
        let said = fixture.pledges(2, "丙", COUNTY);
        for (ledger, submission) in [&fixture.ledger, &other].into_iter().zip(said) {
            ledger.submit(None, submission).await.unwrap();
        }
        let periods =
            entries(&other, before).await.iter().filter(|entry| matches!(entry.content, Content::Sealed(_))).count();
        assert_eq!(periods, 1);
    }
    for ledger in [&fixture.ledger, &other] {
        ledger.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_nodes_that_would_answer_an_intakes_periods_at_once_one_does_and_the_other_finds_it_done() {
    let postgres = Postgres::start();
    let ledger = TestLedger::on_server(&postgres.url);
    ledger.add_vault();
    let dirs = join(&ledger, 2);
    let gap = tokio::task::block_in_place(|| Gap::of(ledger));
    // Periods in which nobody handed anything in: what is left is to answer them.
    let file = tokio::task::block_in_place(|| {
        until("a period", || {
            let file = gap.batches("empty.batches");
            let batches = Batches::parse(&std::fs::read_to_string(&file).unwrap()).unwrap();
            (batches.to() > 0).then_some(file)
        })
    });
    let mut held = Held::begin(&postgres).await;
    let taking = <[_; 2]>::try_from(dirs).unwrap().map(|dir: std::path::PathBuf| {
        let (dir, file) = (dir.display().to_string(), file.clone());
        tokio::task::spawn_blocking(move || {
            let out = format!("{dir}/out.capsules");
            gongkai_tests::gongkai(["take-in", "--json", "--capsules", &out, "--dir", &dir, &file])
        })
    });
    held.wait_for(2).await;
    held.end().await;
    let mut said = Vec::new();
    for taking in taking {
        said.push(taking.await.unwrap().ok().json());
    }
    let answered = said.iter().filter(|done| done["answered_at"].as_u64().is_some()).count();
    assert_eq!((answered, &said[0]["to"]), (1, &said[1]["to"]), "{said:?}");
    assert!(said[0]["to"].as_u64() > Some(0), "there were periods: {said:?}");
    tokio::task::block_in_place(|| gap.ledger.check());
}
