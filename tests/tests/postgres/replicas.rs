//! Pages from streaming replicas: the same as from the primary, never older than what was given out, and never an error
//! whatever befalls the replica. People and places are made up (虚构).

use std::{path::Path, sync::Arc, time::Duration};

use gongkai_projections::{
    Engine, Home, ReadError, Reader, Views,
    read::Filter,
    replicas::{Asking, Standing},
};
use gongkai_store::ServerUrl;
use gongkai_tests::Postgres;
use sqlx::{AssertSqlSafe, Executor as _};

use crate::views::{Log, SOON, answers, database, schema, today};

/// A primary whose standby follows it.
fn pair() -> (Postgres, Postgres) {
    pair_with(&[])
}

fn pair_with(settings: &[&str]) -> (Postgres, Postgres) {
    let primary = Postgres::start_with(settings);
    let standby = primary.standby();
    (primary, standby)
}

/// A node that has caught up and reads pages from the standby.
async fn node(dir: &Path, primary: &Postgres, standby: &Postgres, log: &Arc<Log>) -> (Views, Engine) {
    let url = |postgres: &Postgres| ServerUrl::parse(&postgres.url).unwrap();
    let home = Home::shared(dir, &url(primary)).with_replicas(vec![url(standby)]);
    let (views, mut engine) = Views::open(home, log.clone()).await.unwrap();
    engine.catch_up().await.unwrap();
    (views, engine)
}

/// Waits until the replica stands so.
async fn stands(views: &Views, fits: impl Fn(Standing) -> bool) {
    let mut standing = Standing::Silent;
    let fits = tokio::time::timeout(SOON, async {
        loop {
            standing = views.replicas()[0].standing;
            if fits(standing) {
                return;
            }
            tokio::task::yield_now().await;
        }
    });
    let fits = fits.await;
    assert!(fits.is_ok(), "it stayed {standing:?}");
}

async fn follows(views: &Views) {
    stands(views, |standing| standing == Standing::Reading { behind: 0 }).await;
}

/// A page's reader, and whether the primary is left alone by it.
async fn near(views: &Views, at_least: Option<u64>, primary: &Postgres) -> (Reader, bool) {
    let reader = views.read_near(today(), at_least, &Asking::default()).await.unwrap();
    // A reader is a transaction that waits for the next question; no other work runs here.
    let open =
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'gongkai' AND state = 'idle in transaction'";
    let open: i64 = sqlx::query_scalar(open).fetch_one(&mut database(primary).await).await.unwrap();
    (reader, open == 0)
}

/// Stops or lets go on what the standby takes over from its primary; it goes on receiving.
async fn replay(standby: &Postgres, what: &str) {
    let asked = format!("SELECT pg_wal_replay_{what}()");
    database(standby).await.execute(AssertSqlSafe(asked)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_from_a_replica_say_what_those_from_the_primary_say_and_leave_it_alone() {
    let ((mut primary, standby), log) = (pair(), Log::all().await);
    let dir = tempfile::tempdir().unwrap();
    let (views, _engine) = node(dir.path(), &primary, &standby, &log).await;
    follows(&views).await;
    let said = answers(&mut views.read(today(), None).await.unwrap()).await;
    let (mut reader, is_spared) = near(&views, Some(log.len() - 1), &primary).await;
    assert!(is_spared, "the page is read from the standby");
    assert_eq!(reader.size(), log.len());
    assert_eq!(answers(&mut reader).await, said);
    reader.close().await.unwrap();
    // With nobody but the replica there, pages go on.
    primary.crash();
    let mut reader = views.read_near(today(), None, &Asking::default()).await.unwrap();
    assert_eq!(answers(&mut reader).await, said);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_is_behind_gives_no_page_that_is_older_than_what_is_known() {
    let ((primary, standby), log) = (pair(), Log::without(60).await);
    let dir = tempfile::tempdir().unwrap();
    let (views, mut engine) = node(dir.path(), &primary, &standby, &log).await;
    follows(&views).await;
    replay(&standby, "pause").await;
    for _ in 0..3 {
        log.grow(10);
        engine.catch_up().await.unwrap();
        // Neither by a reload nor with the entry that a receipt names.
        for at_least in [None, Some(log.len() - 1)] {
            let (mut reader, is_spared) = near(&views, at_least, &primary).await;
            assert!(!is_spared, "the primary answers");
            assert_eq!(reader.size(), log.len());
            assert_eq!(reader.timeline(None, &Filter::default()).await.unwrap().total, log.said(log.len()));
            reader.close().await.unwrap();
        }
    }
    assert_eq!(views.replicas()[0].standing, Standing::Reading { behind: 30 });
    replay(&standby, "resume").await;
    follows(&views).await;
    let (reader, is_spared) = near(&views, Some(log.len() - 1), &primary).await;
    assert!(is_spared, "it is read again");
    assert_eq!(reader.size(), log.len());
}

/// Rows that other nodes write and this one has not looked at yet are known all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_writes_nothing_and_watches_nothing_learns_how_far_the_primary_is() {
    let ((primary, standby), log) = (pair(), Log::without(60).await);
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let (_writing, mut engine) = node(dirs[0].path(), &primary, &standby, &log).await;
    let (views, _idle) = node(dirs[1].path(), &primary, &standby, &log).await;
    follows(&views).await;
    replay(&standby, "pause").await;
    log.grow(20);
    engine.catch_up().await.unwrap();
    stands(&views, |standing| standing == Standing::Reading { behind: 20 }).await;
    let (reader, is_spared) = near(&views, None, &primary).await;
    assert_eq!((reader.size(), is_spared), (log.len(), false));
    replay(&standby, "resume").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_whose_snapshot_the_replica_gives_up_says_so_and_the_primary_answers() {
    // No reader keeps the standby from following.
    let ((primary, standby), log) = (pair_with(&["max_standby_streaming_delay=0"]), Log::all().await);
    let dir = tempfile::tempdir().unwrap();
    let (views, _engine) = node(dir.path(), &primary, &standby, &log).await;
    follows(&views).await;
    let asking = Asking::default();
    let mut reader = views.read_near(today(), None, &asking).await.unwrap();
    let said = reader.timeline(None, &Filter::default()).await.unwrap().total;
    // What the reader sees is vacuumed away at the primary, and the standby follows.
    let mut hand = database(&primary).await;
    hand.execute(AssertSqlSafe(format!("SET search_path = {}", schema(&views)))).await.unwrap();
    hand.execute("UPDATE matters SET title = title").await.unwrap();
    hand.execute("VACUUM matters").await.unwrap();
    let lost = tokio::time::timeout(SOON, async {
        loop {
            if let Err(error) = reader.timeline(None, &Filter::default()).await {
                return error;
            }
        }
    });
    let lost = lost.await.unwrap();
    assert!(matches!(lost, ReadError::Lost), "{lost:?}");
    assert!(asking.lost_one());
    let mut again = views.read_near(today(), None, &asking).await.unwrap();
    assert_eq!(again.timeline(None, &Filter::default()).await.unwrap().total, said);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_answers_no_more_is_left_within_a_bound_and_taken_up_again() {
    let ((primary, standby), log) = (pair(), Log::all().await);
    let dir = tempfile::tempdir().unwrap();
    let (views, _engine) = node(dir.path(), &primary, &standby, &log).await;
    follows(&views).await;
    let asking = Asking::default();
    let mut held = views.read_near(today(), None, &asking).await.unwrap();
    standby.pause();
    let begun = tokio::time::Instant::now();
    let lost = held.timeline(None, &Filter::default()).await;
    assert!(matches!(lost, Err(ReadError::Lost)), "{lost:?}");
    assert!(begun.elapsed() < SOON / 6, "it took {:?}", begun.elapsed());
    assert_eq!(views.replicas()[0].standing, Standing::Silent);
    for _ in 0..20 {
        let begun = tokio::time::Instant::now();
        let reader = views.read_near(today(), None, &Asking::default()).await.unwrap();
        assert_eq!(reader.size(), log.len());
        assert!(begun.elapsed() < Duration::from_secs(5), "it took {:?}", begun.elapsed());
    }
    standby.go_on();
    follows(&views).await;
    let (_, is_spared) = near(&views, None, &primary).await;
    assert!(is_spared, "it is read again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn views_are_swapped_under_readers_of_a_replica() {
    let ((primary, standby), log) = (pair(), Log::without(60).await);
    let dir = tempfile::tempdir().unwrap();
    let (views, mut engine) = node(dir.path(), &primary, &standby, &log).await;
    follows(&views).await;
    let before = views.status().generation;
    let (mut held, is_spared) = near(&views, None, &primary).await;
    assert!(is_spared);
    let (size, mut newest) = (held.size(), 0);
    engine.rebuild().await.unwrap();
    while views.status().generation == before {
        log.grow(5);
        engine.advance().await.unwrap();
        let mut reader = views.read_near(today(), None, &Asking::default()).await.unwrap();
        assert!(reader.size() >= newest, "nobody goes back");
        newest = reader.size();
        assert_eq!(reader.timeline(None, &Filter::default()).await.unwrap().total, log.said(newest));
    }
    let seen = held.timeline(None, &Filter::default()).await.unwrap().total;
    assert_eq!(seen, log.said(size), "whoever was reading reads on");
    held.close().await.unwrap();
    follows(&views).await;
    let there = until_spared(&views, &primary).await;
    assert_eq!(there.size(), log.len());
}

/// A page from the replica, as soon as it has what is served.
async fn until_spared(views: &Views, primary: &Postgres) -> Reader {
    let found = tokio::time::timeout(SOON, async {
        loop {
            let (reader, is_spared) = near(views, None, primary).await;
            if is_spared {
                return reader;
            }
        }
    });
    found.await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_that_was_promoted_is_read_no_more() {
    let ((primary, standby), log) = (pair(), Log::all().await);
    let dir = tempfile::tempdir().unwrap();
    let (views, _engine) = node(dir.path(), &primary, &standby, &log).await;
    follows(&views).await;
    let promoted: bool =
        sqlx::query_scalar("SELECT pg_promote()").fetch_one(&mut database(&standby).await).await.unwrap();
    assert!(promoted);
    let (reader, is_spared) = near(&views, None, &primary).await;
    assert_eq!((reader.size(), is_spared), (log.len(), false), "not even before anybody has looked");
    stands(&views, |standing| standing == Standing::NotFollowing).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_of_another_history_is_never_read() {
    let ((primary, standby), log) = (pair(), Log::all().await);
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let (views, engine) = node(dirs[0].path(), &primary, &standby, &log).await;
    follows(&views).await;
    engine.close().await;
    replay(&standby, "pause").await;
    // As if the standby followed the database of another ledger, with views of the same name.
    let mut hand = database(&primary).await;
    hand.execute(AssertSqlSafe(format!("SET search_path = {}", schema(&views)))).await.unwrap();
    let other = "UPDATE events SET statement_hash = (SELECT statement_hash FROM events WHERE entry_index = 0)";
    hand.execute(other).await.unwrap();
    let (views, _engine) = node(dirs[1].path(), &primary, &standby, &log).await;
    stands(&views, |standing| standing == Standing::Other).await;
    let (reader, is_spared) = near(&views, None, &primary).await;
    assert_eq!((reader.size(), is_spared), (log.len(), false));
}

/// Entries that somebody sees in the views of a database.
async fn shown(postgres: &Postgres, schema: &str) -> u64 {
    let sql = format!("SELECT next_index FROM {schema}.cursors WHERE projection = 'events'");
    let shown: i64 = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut database(postgres).await).await.unwrap();
    shown.unsigned_abs()
}

/// A primary shows a commit when the standbys that it waits for have it, which another standby may have shown long before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_replica_shows_before_its_primary_does_is_not_given_out() {
    let ((primary, standby), log) = (pair(), Log::without(60).await);
    let dir = tempfile::tempdir().unwrap();
    let (views, mut engine) = node(dir.path(), &primary, &standby, &log).await;
    follows(&views).await;
    let schema = schema(&views);
    let mut hand = database(&primary).await;
    hand.execute("ALTER SYSTEM SET synchronous_standby_names = 'FIRST 1 (nobody)'").await.unwrap();
    hand.execute("SELECT pg_reload_conf()").await.unwrap();
    // As long as the server has not heard of it a batch goes through.
    let (before, batch) = tokio::time::timeout(SOON, async {
        loop {
            let before = log.len();
            log.grow(1);
            let batch = tokio::spawn(async move { engine.catch_up().await.map(|()| engine) });
            while !batch.is_finished() && shown(&standby, &schema).await == before {}
            if !batch.is_finished() && shown(&primary, &schema).await == before {
                return (before, batch);
            }
            engine = batch.await.unwrap().unwrap();
        }
    })
    .await
    .unwrap();
    let (reader, is_spared) = near(&views, None, &primary).await;
    assert_eq!((reader.size(), is_spared), (before, false), "it may never become so");
    drop(reader);
    hand.execute("ALTER SYSTEM RESET synchronous_standby_names").await.unwrap();
    hand.execute("SELECT pg_reload_conf()").await.unwrap();
    // Whether the writer had the patience does not matter: its commit is done.
    let _ = batch.await.unwrap();
    let given_out =
        tokio::time::timeout(SOON, async { while near(&views, None, &primary).await.0.size() == before {} });
    given_out.await.unwrap();
    assert_eq!(until_spared(&views, &primary).await.size(), log.len());
}
