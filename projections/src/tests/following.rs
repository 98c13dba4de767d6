//! Views and the log: halts, crashes, rebuilding, and what a reader sees meanwhile.

use std::time::{Duration, Instant};

use super::*;
use crate::{
    follower::FollowError,
    generation::{DOCUMENTS, INDEX_LOOK, rest_after},
    search::{Opened, SearchIndex},
};

#[tokio::test]
async fn an_unknown_kind_halts_only_the_projection_that_owns_its_family() {
    let (log, dir) = (Log::new(), tempfile::tempdir().unwrap());
    log.pledge(1, "2026-12-31", "修路");
    let unknown = log.say_unknown("pledge.celebrated.v1", &stream("pledge", 1));
    log.pledge(2, "2026-12-31", "架桥");
    log.say("2026-03-02", notice(1, "2026-03-02"));
    let (views, mut engine) = views(&log, dir.path()).await;
    let halted = views.status().halted;
    assert_eq!(halted.len(), 1);
    assert_eq!((halted[0].0.as_str(), halted[0].1), ("pledges", unknown));
    assert!(halted[0].2.contains("pledge.celebrated.v1"));
    let mut reader = views.read(day(TODAY), None).await.unwrap();
    assert_eq!(reader.pledges(&Filter::default()).await.unwrap().total, 1, "nothing after the unknown event");
    assert_eq!(reader.notices(&Filter::default()).await.unwrap().total, 1);
    assert_eq!(reader.timeline(None, &Filter::default()).await.unwrap().total, log.len());
    assert_eq!(reader.cursors()["notices"].next_index, log.len());
    drop(reader);
    log.say("2026-03-03", notice(2, "2026-03-03"));
    engine.catch_up().await.unwrap();
    assert_eq!(views.status().halted[0].1, unknown);
    assert_eq!(crate::halted(dir.path()).await.unwrap(), halted, "as a look from outside sees it");
    assert_eq!(crate::halted(&dir.path().join("none")).await.unwrap(), []);
}

async fn follower(dir: &Path, log: &Arc<Log>) -> Follower {
    // A process that stops loses nothing that the machine goes on holding, so no flush is waited for.
    let synchronous = sqlx::sqlite::SqliteSynchronous::Off;
    let options =
        SqliteConnectOptions::new().filename(dir.join("rows.db")).create_if_missing(true).synchronous(synchronous);
    let pool = sqlx::sqlite::SqlitePoolOptions::new().max_connections(1).connect_with(options).await.unwrap();
    if sqlx::query("SELECT 1 FROM sqlite_schema WHERE name = 'cursors'").fetch_optional(&pool).await.unwrap().is_none()
    {
        sqlx::raw_sql(SCHEMA_SQLITE).execute(&pool).await.unwrap();
    }
    Follower::open(Pool::File(pool), log.clone(), None).await.unwrap()
}

async fn table(dir: &Path, name: &str) -> Vec<String> {
    let mut connection = SqliteConnectOptions::new().filename(dir.join("rows.db")).connect().await.unwrap();
    let table = TABLES.iter().find(|table| table.name == name).unwrap();
    let columns: Vec<_> =
        table.columns.iter().map(|(name, _)| format!("COALESCE(CAST({name} AS TEXT), '-')")).collect();
    let sql = format!("SELECT {} FROM {name} ORDER BY 1", columns.join(" || '|' || "));
    let rows = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    rows
}

#[tokio::test]
async fn a_crash_before_any_statement_leaves_no_half_batch_and_no_double_effect() {
    let log = Log::new();
    let made = log.pledge(1, "2026-03-10", "修路");
    log.say("2026-02-01", report(1, "progressed", json!({"percent": 60, "report": "过半"})));
    log.say("2026-03-05", sheet(1, "2026-02"));
    log.say("2026-03-01", announced(1));
    log.withdraw_slot(1, made, "title");
    let whole = tempfile::tempdir().unwrap();
    follower(whole.path(), &log).await.step(u64::MAX).await.unwrap();
    let mut statements = 0;
    loop {
        let dir = tempfile::tempdir().unwrap();
        let mut crashing = follower(dir.path(), &log).await;
        crashing.statements_left = Some(statements);
        let crashed = crashing.step(u64::MAX).await.is_err();
        drop(crashing);
        if crashed {
            let mut again = follower(dir.path(), &log).await;
            assert_eq!(again.size(), 0, "statement {statements}");
            again.step(u64::MAX).await.unwrap();
        }
        for wanted in TABLES {
            assert_eq!(table(dir.path(), wanted.name).await, table(whole.path(), wanted.name).await, "{}", wanted.name);
        }
        if !crashed {
            break;
        }
        statements += 1;
    }
    assert!(statements > TABLES.len(), "the fold again and every cursor were among the {statements}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_and_registry_that_a_reader_sees_are_of_the_same_entry() {
    let (log, dir) = (Log::new(), tempfile::tempdir().unwrap());
    let (views, mut engine) = views(&log, dir.path()).await;
    let last = log.len() + 100;
    let reading = tokio::spawn(async move {
        let mut moments = 0;
        loop {
            let mut reader = views.read(day(TODAY), None).await.unwrap();
            // Every entry of this log registers an organization.
            let registered = reader.world().organizations_count() as u64;
            let rows = reader.timeline(None, &Filter::default()).await.unwrap().total;
            assert_eq!((registered, rows), (reader.size(), reader.size()), "after {moments} moments");
            if reader.size() == last {
                return;
            }
            reader.close().await.unwrap();
            moments += 1;
        }
    });
    for number in log.len() + 1..=last {
        log.organization(number, &format!("{VILLAGE}{number:03}"), "group", Some(VILLAGE), "一组(虚构)");
        engine.catch_up().await.unwrap();
    }
    reading.await.unwrap();
}

#[tokio::test]
async fn a_busy_log_is_indexed_once_in_a_while_and_never_left_behind() {
    let (log, dir) = (Log::new(), tempfile::tempdir().unwrap());
    let (views, mut engine) = Views::open(dir.path(), log.clone()).await.unwrap();
    log.pledge(1, "2026-12-31", "修路");
    assert_eq!(engine.turn(Pace::Steady).await.unwrap(), Step::Moved);
    assert_eq!(indexed(&mut engine).await, Step::Done);
    assert_eq!(found(&views, "修路").await.len(), 1, "the first one is found without a pause");
    log.pledge(2, "2026-12-31", "修路");
    assert_eq!(engine.turn(Pace::Steady).await.unwrap(), Step::Moved);
    assert_eq!(titles(&views, VILLAGE).await.len(), 2, "rows do not wait");
    assert_eq!(found(&views, "修路").await.len(), 1);
    assert!(matches!(engine.turn(Pace::Steady).await.unwrap(), Step::Later(rest) if rest <= INDEX_PAUSE));
    tokio::time::pause();
    tokio::time::advance(INDEX_PAUSE).await;
    tokio::time::resume();
    assert_eq!(indexed(&mut engine).await, Step::Done);
    assert_eq!(found(&views, "修路").await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_recorded_while_a_portion_fails_is_found_once_the_index_can_be_written() {
    let (log, dir) = (Log::new(), tempfile::tempdir().unwrap());
    let (views, mut engine) = views(&log, dir.path()).await;
    assert_eq!(indexed(&mut engine).await, Step::Done);
    let place = dir.path().join("search").join(views.status().generation);
    let Opened::Ready(index) = SearchIndex::open(&place, DOCUMENTS).unwrap() else { panic!("it is there") };
    let elsewhere = index.writer(0).unwrap();
    let mut number = 0;
    let failed = loop {
        number += 1;
        log.pledge(number, "2026-12-31", "修路");
        if let Err(error) = engine.turn(Pace::Steady).await {
            break error;
        }
    };
    assert!(matches!(failed, FollowError::Search(_)), "{failed}");
    drop(elsewhere);
    engine.catch_up().await.unwrap();
    let mut reader = views.read(day(TODAY), None).await.unwrap();
    let filter = SearchFilter { text: "修路".into(), ..SearchFilter::default() };
    assert_eq!(reader.search(&filter).await.unwrap().total as u64, number);
}

#[test]
fn the_index_rests_longer_than_it_works_and_not_for_long() {
    for (took, rest) in [(10, 1_000), (800, 2_400), (60_000, 5_000)] {
        assert_eq!(rest_after(Duration::from_millis(took)), Duration::from_millis(rest));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_a_log_that_grows_without_a_pause_are_written_so_often_and_no_more() {
    const WRITES: u32 = 5;
    const EVERY: Duration = Duration::from_millis(500);
    let (log, dir) = (Log::new(), tempfile::tempdir().unwrap());
    let (views, mut engine) = Views::open(dir.path(), log.clone()).await.unwrap();
    engine.write_every = EVERY;
    let (start, mut sizes) = (Instant::now(), views.size());
    let (stop, stopping) = tokio::sync::watch::channel(false);
    let following = tokio::spawn(engine.run(stopping));
    for number in 1..=WRITES {
        log.pledge(number.into(), "2026-12-31", "修路");
        sizes.wait_for(|size| *size == log.len()).await.unwrap();
    }
    assert!(start.elapsed() >= EVERY * (WRITES - 1), "{WRITES} times within {:?}", start.elapsed());
    stop.send_replace(true);
    following.await.unwrap();
}

/// What the engine says once the index is no longer at work.
async fn indexed(engine: &mut Engine) -> Step {
    loop {
        match engine.turn(Pace::Steady).await.unwrap() {
            Step::Later(look) if look == INDEX_LOOK => tokio::task::yield_now().await,
            step => return step,
        }
    }
}

#[tokio::test]
async fn views_are_rebuilt_while_the_log_grows_and_swapped_without_a_gap() {
    let (log, dir) = (Log::new(), tempfile::tempdir().unwrap());
    for number in 1..=5 {
        log.pledge(number, "2026-12-31", "修路");
    }
    let (views, mut engine) = views(&log, dir.path()).await;
    let before = views.status().generation;
    engine.rebuild().await.unwrap();
    let mut number = 5;
    while views.status().generation == before {
        number += 1;
        log.pledge(number, "2026-12-31", "修路");
        engine.advance().await.unwrap();
        let mut reader = views.read(day(TODAY), Some(log.len() - 1)).await.unwrap();
        assert_eq!(reader.size(), log.len());
        assert_eq!(reader.pledges(&Filter::default()).await.unwrap().total, number);
        assert_eq!(
            reader.search(&SearchFilter { text: "修路".into(), ..SearchFilter::default() }).await.unwrap().total,
            number
        );
    }
    assert_eq!(engine.check().await.unwrap(), Vec::<String>::new());
    let left: Vec<_> = std::fs::read_dir(dir.path().join("views"))
        .unwrap()
        .filter_map(|e| e.unwrap().file_name().into_string().ok())
        .collect();
    assert!(left.iter().all(|name| !name.starts_with(&before)), "{left:?}");
}

/// The indexes of the rows of the only generation in a directory.
async fn indexes(dir: &Path) -> Vec<String> {
    let mut rows = std::fs::read_dir(dir.join("views")).unwrap().map(|entry| entry.unwrap().path());
    let rows = rows.find(|path| path.extension().is_some_and(|extension| extension == "db")).unwrap();
    let mut connection = SqliteConnectOptions::new().filename(rows).connect().await.unwrap();
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'index' AND tbl_name = 'matters' AND sql IS NOT NULL";
    let found = sqlx::query_scalar(sql).fetch_all(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    found
}

#[tokio::test]
async fn views_that_never_caught_up_are_read_by_nobody_and_get_the_indexes_of_their_pages_when_they_have() {
    let log = Log::new();
    for number in 1..=9 {
        log.pledge(number, "2026-12-31", "修路");
    }
    let dir = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let (views, engine) = Views::open(dir.path(), log.clone()).await.unwrap();
        assert_eq!(indexes(dir.path()).await.len(), 0);
        let early = views.read(day(TODAY), None).await;
        assert!(matches!(early, Err(ReadError::NotReady)), "what is not in yet would be denied");
        // The process ends before they have caught up, and goes on.
        drop(engine);
    }
    let (views, mut engine) = Views::open(dir.path(), log.clone()).await.unwrap();
    engine.catch_up().await.unwrap();
    assert!(indexes(dir.path()).await.len() > 5);
    assert_eq!(titles(&views, VILLAGE).await.len(), 9);
    drop((views, engine));
    log.pledge(10, "2026-12-31", "架桥");
    let (views, mut engine) = Views::open(dir.path(), log.clone()).await.unwrap();
    assert_eq!(titles(&views, VILLAGE).await.len(), 9, "what was served once is served from the start");
    engine.catch_up_within(Duration::from_mins(1)).await.unwrap();
    assert_eq!(titles(&views, VILLAGE).await.len(), 10);
}

#[tokio::test]
async fn views_of_an_older_program_are_served_until_this_ones_have_caught_up() {
    let (log, dir) = (Log::new(), tempfile::tempdir().unwrap());
    log.pledge(1, "2026-12-31", "修路");
    let mine = views(&log, dir.path()).await.0.status().generation;
    let schema = mine.split('-').next().unwrap();
    let older = format!("{schema}-00000000-000000");
    for suffix in [".db", ".db-wal", ".db-shm"] {
        let path = |name: &str| dir.path().join("views").join(format!("{name}{suffix}"));
        // Its log is gone when the last connection was closed in good order.
        assert!(std::fs::rename(path(&mine), path(&older)).is_ok() || suffix != ".db");
    }
    std::fs::rename(dir.path().join("search").join(&mine), dir.path().join("search").join(&older)).unwrap();
    log.pledge(2, "2026-12-31", "修桥");
    let (views, mut engine) = Views::open(dir.path(), log.clone()).await.unwrap();
    assert_eq!(titles(&views, VILLAGE).await, ["修路"], "the old ones are better than none");
    assert_eq!(found(&views, "修路").await.len(), 1);
    engine.catch_up().await.unwrap();
    assert_eq!(titles(&views, VILLAGE).await, ["修桥", "修路"]);
    assert_eq!(found(&views, "修桥").await.len(), 1);
    let left = |folder: &str| std::fs::read_dir(dir.path().join(folder)).unwrap().count();
    let names: Vec<_> = std::fs::read_dir(dir.path().join("views")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(names.iter().all(|name| !name.to_string_lossy().starts_with(&older)), "{names:?}");
    assert_eq!(left("search"), 1);
}

#[tokio::test]
async fn a_row_changed_by_hand_is_found_and_a_rebuild_mends_it() {
    let (log, dir) = (Log::new(), tempfile::tempdir().unwrap());
    log.pledge(1, "2026-12-31", "修路");
    let (views, mut engine) = views(&log, dir.path()).await;
    assert_eq!(engine.check().await.unwrap(), Vec::<String>::new());
    let mut hand = SqliteConnectOptions::new().filename(rows_file(dir.path(), &views)).connect().await.unwrap();
    sqlx::query("UPDATE matters SET state = 'fulfilled'").execute(&mut hand).await.unwrap();
    sqlx::query("DELETE FROM organization_names WHERE code = '341599'").execute(&mut hand).await.unwrap();
    hand.close().await.unwrap();
    let found = engine.check().await.unwrap();
    assert_eq!(found.len(), 3, "{found:?}");
    assert_eq!(views.status().alarm, found);
    engine.rebuild().await.unwrap();
    engine.catch_up().await.unwrap();
    assert_eq!(engine.check().await.unwrap(), Vec::<String>::new());
    assert!(views.status().alarm.is_empty());
    assert_eq!(status_on(&views, 1, TODAY).await, Status::NotReported);
}

#[tokio::test]
async fn views_go_on_where_they_stood_and_know_the_calendar_again() {
    let (log, dir) = (Log::new(), tempfile::tempdir().unwrap());
    log.say(
        "2025-11-05",
        json!({"kind": "calendar.published.v1", "stream": stream("calendar", 1), "org": COUNTY, "fields": {
        "year": 2026, "off_days": ["2026-01-01"], "work_days": ["2026-01-04"]}}),
    );
    drop(views(&log, dir.path()).await);
    log.pledge(1, "2026-12-31", "修路");
    let (views, _engine) = views(&log, dir.path()).await;
    let mut reader = views.read(day(TODAY), None).await.unwrap();
    assert!(reader.world().calendar.knows(2026));
    assert_eq!(reader.world().chain(VILLAGE).count(), 3);
    assert_eq!(reader.ancestors(VILLAGE).await.unwrap()[0].1, "青禾县(虚构)");
    drop(reader);
    assert_eq!(found(&views, "修路").await.len(), 1);
}

#[tokio::test]
async fn a_reader_never_gets_less_than_the_entry_that_it_has_seen() {
    let (log, dir) = (Log::new(), tempfile::tempdir().unwrap());
    let (views, _engine) = views(&log, dir.path()).await;
    assert!(views.read(day(TODAY), Some(log.len() - 1)).await.is_ok());
    tokio::time::pause();
    let behind = views.read(day(TODAY), Some(log.len())).await;
    assert!(matches!(behind, Err(ReadError::Behind { wanted: 3, size: 3 })));
}
