//! Views that nodes share in a PostgreSQL database: the same rows and answers as in files, one node that writes, others
//! that watch and take over. The log is the demo's, cut where a test needs it. All people and places are made up (虚构).

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
    time::Duration,
};

use chrono::NaiveDate;
use gongkai_projections::{
    Engine, FollowError, Home, LEASE_MAX, ReadError, Reader, Source, SourceError, Sourced, Views,
    event::PublicEvent,
    projection::TABLES,
    read::{Filter, SearchFilter},
    source::{Entries, Standing},
};
use gongkai_store::{Layout, ReadStore, ServerUrl};
use gongkai_tests::{Postgres, Server, TestLedger, ledger};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection, SqliteConnection};
use tokio::sync::{OnceCell, watch};

use crate::ledger::{insist, submission};

/// Longest time in which something must have happened that a node does by itself.
pub const SOON: Duration = Duration::from_mins(1);

pub fn today() -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 6, 15).unwrap()
}

/// Every entry of the demo.
async fn entries() -> &'static [Sourced] {
    static ENTRIES: OnceCell<Vec<Sourced>> = OnceCell::const_new();
    ENTRIES
        .get_or_init(|| async {
            let folder = tempfile::tempdir().unwrap();
            let dir = folder.path().join("demo");
            gongkai_api::demo::build(&dir, today()).await.unwrap();
            let store = ReadStore::open(&Layout::new(&dir)).await.unwrap();
            let log = Standing::new(store).await.unwrap();
            let size = *log.committed().borrow();
            let mut all = Vec::new();
            while (all.len() as u64) < size {
                all.extend(log.entries(all.len() as u64, 4_000).await.unwrap());
            }
            all
        })
        .await
}

/// The demo's log, as far as it has grown.
pub struct Log {
    entries: &'static [Sourced],
    size: watch::Sender<u64>,
}

impl Log {
    pub async fn all() -> Arc<Self> {
        let entries = entries().await;
        Arc::new(Self { entries, size: watch::Sender::new(entries.len() as u64) })
    }

    /// Without its last entries.
    pub async fn without(last: u64) -> Arc<Self> {
        let log = Self::all().await;
        log.size.send_modify(|size| *size -= last);
        log
    }

    pub fn len(&self) -> u64 {
        *self.size.borrow()
    }

    pub fn grow(&self, more: u64) {
        let end = self.entries.len() as u64;
        self.size.send_modify(|size| *size = end.min(*size + more));
    }

    /// How many of the first entries say something in public.
    pub fn said(&self, size: u64) -> u64 {
        let size = usize::try_from(size).unwrap();
        let said = |entry: &&Sourced| {
            let Sourced { index, bytes, openings, list } = (*entry).clone();
            PublicEvent::from_parts(index, bytes, openings, list).unwrap().is_some()
        };
        self.entries[..size].iter().filter(said).count() as u64
    }

    /// The first entry of a kind.
    fn first(&self, kind: &str) -> u64 {
        let is_of = |entry: &&Sourced| String::from_utf8_lossy(&entry.bytes).contains(kind);
        self.entries.iter().find(is_of).unwrap().index
    }
}

impl Source for Log {
    fn entries(&self, from: u64, limit: usize) -> Entries<'_> {
        let (from, end) = (usize::try_from(from).unwrap(), usize::try_from(self.len()).unwrap());
        let part = self.entries[from.min(end)..end.min(from + limit)].to_vec();
        Box::pin(async move { Ok::<_, SourceError>(part) })
    }

    fn committed(&self) -> watch::Receiver<u64> {
        self.size.subscribe()
    }
}

/// A node: a directory of its own, the database of all.
async fn node(dir: &Path, postgres: &Postgres, log: &Arc<Log>) -> (Views, Engine) {
    let home = Home::shared(dir, &ServerUrl::parse(&postgres.url).unwrap());
    Views::open(home, log.clone()).await.unwrap()
}

/// A node that has caught up.
async fn whole(dir: &Path, postgres: &Postgres, log: &Arc<Log>) -> (Views, Engine) {
    let (views, mut engine) = node(dir, postgres, log).await;
    engine.catch_up().await.unwrap();
    (views, engine)
}

pub async fn database(postgres: &Postgres) -> PgConnection {
    PgConnection::connect(&postgres.url).await.unwrap()
}

pub fn schema(views: &Views) -> String {
    format!("views_{}", views.status().generation.replace('-', "_"))
}

/// The statements that give every table's rows as text, each with the table's name.
fn dumps(schema: &str) -> Vec<(&'static str, String)> {
    let text = |name: &&str| format!("COALESCE(CAST({name} AS TEXT), '-')");
    let dump = |table: &'static str, columns: &[&str], only: &str| {
        let row = columns.iter().map(text).collect::<Vec<_>>().join(" || '|' || ");
        (table, format!("SELECT {row} FROM {schema}.{table}{only}"))
    };
    let counted = ["family", "org", "year", "category", "state", "back_filled", "no_movement", "total", "revisions"];
    let mut all = vec![
        dump("cursors", &["projection", "version", "next_index", "halted"], ""),
        dump("matter_counts", &counted, " WHERE total <> 0"),
    ];
    for table in TABLES {
        let columns: Vec<_> = table.columns.iter().map(|(name, _)| *name).collect();
        all.push(dump(table.name, &columns, ""));
    }
    all
}

type Rows = BTreeMap<&'static str, BTreeSet<String>>;

async fn rows_on_server(postgres: &Postgres, schema: &str) -> Rows {
    let (mut connection, mut rows) = (database(postgres).await, Rows::new());
    for (table, sql) in dumps(schema) {
        let found: Vec<String> = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(&mut connection).await.unwrap();
        rows.insert(table, found.into_iter().collect());
    }
    connection.close().await.unwrap();
    rows
}

/// The rows that the same log gives in files, as the fold that everything is compared with.
async fn rows_in_files(log: &Arc<Log>) -> Rows {
    let dir = tempfile::tempdir().unwrap();
    let (views, mut engine) = Views::open(dir.path(), log.clone()).await.unwrap();
    engine.catch_up().await.unwrap();
    let file = dir.path().join("views").join(format!("{}.db", views.status().generation));
    let mut connection = SqliteConnection::connect(&file.display().to_string()).await.unwrap();
    let mut rows = Rows::new();
    for (table, sql) in dumps("main") {
        let found: Vec<String> = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(&mut connection).await.unwrap();
        rows.insert(table, found.into_iter().collect());
    }
    connection.close().await.unwrap();
    rows
}

fn assert_same(one: &Rows, other: &Rows) {
    for (table, rows) in one {
        let differing: Vec<_> = rows.symmetric_difference(&other[table]).take(4).collect();
        assert!(differing.is_empty(), "{table}: {differing:#?}");
    }
}

macro_rules! said {
    ($all:ident, $reader:ident, $($method:ident($($arg:expr),*)),* $(,)?) => {$(
        let answer = $reader.$method($($arg),*).await;
        let answer = answer.unwrap_or_else(|error| panic!("{}: {error:?}", stringify!($method)));
        $all.push((concat!(stringify!($method), stringify!(($($arg),*))), serde_json::to_value(&answer).unwrap()));
    )*};
}

pub type Answers = Vec<(&'static str, serde_json::Value)>;

/// What pages ask, of every matter and organization that there is.
pub async fn answers(reader: &mut Reader) -> Answers {
    let mut all = Answers::new();
    let every = Filter { limit: 100, ..Filter::default() };
    let county = reader.children(None, None, &every).await.unwrap().items[0].code.clone();
    let org = Some(county.as_str());
    let within = Filter { org: Some(county.clone()), limit: 50, offset: 3, ..Filter::default() };
    let named = Filter { text: Some("路".into()), ..every.clone() };
    let then = today() - chrono::Days::new(60);
    said!(
        all,
        reader,
        home(8),
        totals_by_family(org),
        compliance(org, 5),
        compliance(None, 5),
        overdue(&every),
        without_outcome(&every),
        running(&within),
        missing(org),
        months(org),
        unanswered(None),
        withdrawals(&every),
        withdrawn_from(0, 100),
        back_filled(&within),
        unopened(&every),
        newest_of_matters(9),
        first_day(),
        timeline(None, &within),
        timeline(Some("pledge"), &every),
        timeline_on(then, &every),
        fulfilment_rate(&every),
        fulfilment_over_time(org),
        fulfilment_until(None, then),
        years_of_change(9),
        organizations_named("村", &every),
        children(org, None, &every),
        children(org, Some(then), &within),
        organization(&county, 9),
        organization_on(&county, then, 9),
        ancestors(&county),
        dossier(&county)
    );
    for family in ["pledge", "vacancy", "nomination", "notice", "disclosure"] {
        said!(
            all,
            reader,
            matters(family, &every),
            matters(family, &within),
            matters(family, &named),
            status_counts(family, &within),
            years(family),
            matters_on(family, &every, then, None)
        );
        for matter in reader.matters(family, &every).await.unwrap().items {
            let stream = matter.stream.as_str();
            said!(
                all,
                reader,
                history(stream),
                matter_on(stream, then),
                pledge(stream),
                vacancy(stream),
                nomination(stream),
                notice(stream),
                disclosure(stream),
                lines(stream, 0, 20)
            );
        }
    }
    for place in reader.children(org, None, &every).await.unwrap().items {
        let code = place.code.as_str();
        said!(all, reader, organization(code, 9), dossier(code), fulfilment_over_time(Some(code)));
    }
    all
}

/// Streams that a word finds.
async fn found(views: &Views, text: &str) -> Result<BTreeSet<String>, ReadError> {
    let mut reader = views.read(today(), None).await.unwrap();
    let filter = SearchFilter { text: text.into(), limit: 100, ..SearchFilter::default() };
    Ok(reader.search(&filter).await?.hits.into_iter().map(|hit| hit.stream).collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_and_answers_are_the_same_in_files_and_on_a_server() {
    let (postgres, log) = (Postgres::start(), Log::all().await);
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (files, mut engine) = Views::open(here.path(), log.clone()).await.unwrap();
    engine.catch_up().await.unwrap();
    let (shared, mut engine) = whole(there.path(), &postgres, &log).await;
    assert_same(&rows_in_files(&log).await, &rows_on_server(&postgres, &schema(&shared)).await);
    let mut one = files.read(today(), Some(log.len() - 1)).await.unwrap();
    let mut other = shared.read(today(), Some(log.len() - 1)).await.unwrap();
    let (one, other) = (answers(&mut one).await, answers(&mut other).await);
    assert!(one.len() > 500, "only {} questions", one.len());
    for ((asked, one), (_, other)) in one.iter().zip(&other) {
        assert_eq!(one, other, "{asked}");
    }
    for text in ["路灯", "公示", "村"] {
        assert_eq!(found(&files, text).await.unwrap(), found(&shared, text).await.unwrap(), "{text}");
    }
    assert!(!found(&shared, "路灯").await.unwrap().is_empty());
    assert_eq!(engine.check().await.unwrap(), Vec::<String>::new());
    assert_eq!(gongkai_projections::halted(there.path()).await.unwrap(), []);
}

/// A trigger's function that ends the connection in which it runs.
const DIE: &str = "CREATE FUNCTION public.die() RETURNS trigger LANGUAGE plpgsql AS \
     $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RAISE EXCEPTION 'still there'; END $$";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_dies_before_any_statement_leaves_no_half_batch_and_no_double_effect() {
    let (postgres, log, dir) = (Postgres::start(), Log::without(60).await, tempfile::tempdir().unwrap());
    let (views, mut engine) = whole(dir.path(), &postgres, &log).await;
    let schema = schema(&views);
    let before = rows_on_server(&postgres, &schema).await;
    let short = log.len();
    let mut hand = database(&postgres).await;
    hand.execute(DIE).await.unwrap();
    // Where a table has no row in this batch, it dies at the cursors, and in the end at the commit itself.
    for table in TABLES.iter().map(|table| table.name).chain(["cursors", "commit"]) {
        log.size.send_replace(short);
        engine.lead_within(SOON).await.unwrap();
        let made = match table {
            "commit" => format!(
                "CREATE CONSTRAINT TRIGGER die AFTER UPDATE ON {schema}.cursors DEFERRABLE INITIALLY DEFERRED \
                 FOR EACH ROW EXECUTE FUNCTION public.die()"
            ),
            table => ["cursors", table].map(|table| format!(
                "CREATE OR REPLACE TRIGGER die BEFORE INSERT OR UPDATE ON {schema}.{table} EXECUTE FUNCTION public.die();"
            )).concat(),
        };
        sqlx::raw_sql(AssertSqlSafe(made)).execute(&mut hand).await.unwrap();
        log.grow(60);
        assert!(engine.advance().await.is_err(), "{table}");
        assert_same(&before, &rows_on_server(&postgres, &schema).await);
        let tables = BTreeSet::from(["cursors", if table == "commit" { "cursors" } else { table }]);
        for table in tables {
            let dropped = format!("DROP TRIGGER die ON {schema}.{table}");
            hand.execute(AssertSqlSafe(dropped)).await.unwrap();
        }
    }
    engine.catch_up().await.unwrap();
    assert_eq!(*views.size().borrow(), log.len());
    assert_same(&rows_in_files(&log).await, &rows_on_server(&postgres, &schema).await);
}

async fn reaches(views: &Views, size: u64) {
    let mut watched = views.size();
    let reached = tokio::time::timeout(SOON, watched.wait_for(|reached| *reached >= size)).await;
    assert!(reached.is_ok(), "{:?}", views.status());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_nodes_one_writes_and_the_other_serves_and_takes_over_when_it_dies() {
    let (postgres, log) = (Postgres::start(), Log::without(60).await);
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let (first, writing) = whole(dirs[0].path(), &postgres, &log).await;
    let (second, watching) = whole(dirs[1].path(), &postgres, &log).await;
    let (_go_on, stop) = watch::channel(false);
    let writing = tokio::spawn(writing.run(stop.clone()));
    let watching = tokio::spawn(watching.run(stop));
    log.grow(20);
    for views in [&first, &second] {
        let mut reader = {
            reaches(views, log.len()).await;
            views.read(today(), Some(log.len() - 1)).await.unwrap()
        };
        assert_eq!(reader.timeline(None, &Filter::default()).await.unwrap().total, log.said(reader.size()));
    }
    // As if its machine was gone: nothing is given back.
    writing.abort();
    assert!(writing.await.unwrap_err().is_cancelled());
    let died = tokio::time::Instant::now();
    log.grow(20);
    reaches(&second, log.len()).await;
    assert!(died.elapsed() < LEASE_MAX * 3, "it took {:?}", died.elapsed());
    log.grow(20);
    reaches(&second, log.len()).await;
    assert_same(&rows_in_files(&log).await, &rows_on_server(&postgres, &schema(&second)).await);
    watching.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_writer_that_was_taken_over_commits_nothing_and_serves_what_the_other_writes() {
    let (postgres, log) = (Postgres::start(), Log::without(60).await);
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let (first, mut paused) = whole(dirs[0].path(), &postgres, &log).await;
    let (second, mut other) = whole(dirs[1].path(), &postgres, &log).await;
    assert!(matches!(other.rebuild().await, Err(FollowError::Elsewhere)));
    let mut hand = database(&postgres).await;
    hand.execute("UPDATE views.leases SET until = clock_timestamp() - INTERVAL '1 second'").await.unwrap();
    other.lead_within(SOON).await.unwrap();
    log.grow(20);
    let before = rows_on_server(&postgres, &schema(&first)).await;
    assert!(matches!(paused.advance().await, Err(FollowError::Overtaken)));
    assert_same(&before, &rows_on_server(&postgres, &schema(&first)).await);
    other.catch_up().await.unwrap();
    paused.catch_up().await.unwrap();
    for views in [&first, &second] {
        let reader = views.read(today(), Some(log.len() - 1)).await.unwrap();
        assert_eq!(reader.size(), log.len());
    }
    // Given back in good order, it is taken at once.
    other.close().await;
    paused.lead_within(LEASE_MAX / 2).await.unwrap();
    log.grow(20);
    paused.catch_up().await.unwrap();
    assert_same(&rows_in_files(&log).await, &rows_on_server(&postgres, &schema(&first)).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn views_are_rebuilt_beside_the_served_ones_and_swapped_under_readers_of_every_node() {
    let (postgres, log) = (Postgres::start(), Log::without(60).await);
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let (first, mut writing) = whole(dirs[0].path(), &postgres, &log).await;
    let (second, mut watching) = whole(dirs[1].path(), &postgres, &log).await;
    let (before, old) = (first.status().generation, schema(&first));
    let mut held = second.read(today(), None).await.unwrap();
    let held_size = held.size();
    writing.rebuild().await.unwrap();
    while first.status().generation == before {
        log.grow(5);
        writing.advance().await.unwrap();
        watching.advance().await.unwrap();
        for views in [&first, &second] {
            let mut reader = views.read(today(), Some(log.len() - 1)).await.unwrap();
            assert_eq!(reader.timeline(None, &Filter::default()).await.unwrap().total, log.said(reader.size()));
        }
    }
    watching.advance().await.unwrap();
    assert_eq!(second.status().generation, first.status().generation, "the other node swaps too");
    let seen = held.timeline(None, &Filter::default()).await.unwrap().total;
    assert_eq!(seen, log.said(held_size), "whoever was reading reads on");
    held.close().await.unwrap();
    assert_eq!(writing.check().await.unwrap(), Vec::<String>::new());
    let mut hand = database(&postgres).await;
    let retired = "SELECT name FROM views.generations WHERE retired_at IS NOT NULL";
    assert_eq!(sqlx::query_scalar::<_, String>(retired).fetch_all(&mut hand).await.unwrap(), [before]);
    hand.execute("UPDATE views.generations SET retired_at = retired_at - INTERVAL '1 hour'").await.unwrap();
    writing.close().await;
    let _again = whole(dirs[0].path(), &postgres, &log).await;
    let left = sqlx::query("SELECT 1 FROM information_schema.schemata WHERE schema_name = $1").bind(old);
    assert!(left.fetch_optional(&mut hand).await.unwrap().is_none(), "what nobody needs goes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_somebody_changed_on_the_server_are_found_and_a_rebuild_mends_them() {
    let (postgres, log, dir) = (Postgres::start(), Log::all().await, tempfile::tempdir().unwrap());
    let (views, mut engine) = whole(dir.path(), &postgres, &log).await;
    let (mut hand, schema) = (database(&postgres).await, schema(&views));
    hand.execute(AssertSqlSafe(format!("SET search_path = {schema}"))).await.unwrap();
    for change in [
        format!(
            "UPDATE {schema}.matters SET title = '改过的标题' WHERE stream = (SELECT MIN(stream) FROM {schema}.matters)"
        ),
        format!(
            "DELETE FROM {schema}.organization_names WHERE code = (SELECT MIN(code) FROM {schema}.organization_names)"
        ),
        format!("INSERT INTO {schema}.posts (stream, org, entry_index) VALUES ('post/made-up', '0', 0)"),
    ] {
        hand.execute(AssertSqlSafe(change)).await.unwrap();
    }
    let found = engine.check().await.unwrap();
    let said = |table: &str, what: &str| found.iter().any(|line| line.starts_with(table) && line.ends_with(what));
    assert!(said("matters", "is not in the log") && said("matters", "is missing"), "{found:?}");
    assert!(said("organization_names", "is missing") && said("posts: the row post/made-up", "is not in the log"));
    engine.rebuild().await.unwrap();
    engine.catch_up().await.unwrap();
    assert_eq!(engine.check().await.unwrap(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_searches_only_when_its_index_neither_denies_nor_says_what_was_withdrawn() {
    let (postgres, log) = (Postgres::start(), Log::all().await);
    let withdrawal = log.first("slot.withdrawn.v1");
    log.size.send_replace(withdrawal);
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let (first, mut writing) = whole(dirs[0].path(), &postgres, &log).await;
    let (second, mut watching) = node(dirs[1].path(), &postgres, &log).await;
    assert!(second.read(today(), None).await.unwrap().size() > 0, "rows are there at once");
    assert!(matches!(found(&second, "村").await, Err(ReadError::Behind { size: 0, .. })), "its index is not");
    watching.catch_up().await.unwrap();
    assert_eq!(found(&second, "村").await.unwrap(), found(&first, "村").await.unwrap());
    log.grow(1);
    writing.catch_up().await.unwrap();
    assert!(found(&first, "村").await.is_ok());
    assert!(matches!(found(&second, "村").await, Err(ReadError::Behind { .. })), "it still has what was withdrawn");
    watching.catch_up().await.unwrap();
    assert_eq!(found(&second, "村").await.unwrap(), found(&first, "村").await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_whose_views_are_in_postgresql_serves_checks_and_rebuilds_them() {
    let postgres = Postgres::start();
    let ledger = TestLedger::on_server(&postgres.url);
    let configuration = ledger.dir().join("gongkai.toml");
    let text = std::fs::read_to_string(&configuration).unwrap();
    assert!(text.contains("views = \"files\""), "unless it is said otherwise they are files");
    std::fs::write(&configuration, text.replace("views = \"files\"", "views = \"server\"")).unwrap();
    let server = Server::start(&ledger.dir());
    let _ = insist(&server, "one", &submission("装四十盏路灯"));
    let _ = server.eventually("/api/v1/pledges", |answer| answer.text().contains("装四十盏路灯"));
    assert!(!ledger.dir().join("views").exists(), "no rows lie here");
    // Killed, it holds the lease a little longer than it lives.
    server.kill();
    let _ = ledger.run("rebuild", &["--check"]).ok();
    let _ = ledger.run("rebuild", &[]).ok();
    let said = ledger.run("doctor", &["--json"]);
    assert!(!said.out.contains("\"views"), "{said}");
    let mut hand = database(&postgres).await;
    let counted = "SELECT count(*) FROM views.generations WHERE served_at IS NOT NULL AND retired_at IS NULL";
    assert_eq!(sqlx::query_scalar::<_, i64>(counted).fetch_one(&mut hand).await.unwrap(), 1);
    let file = ledger::pledge("清理沟渠");
    let _ = ledger.publish(&[file]).ok();
    let server = Server::start(&ledger.dir());
    let _ = server.eventually("/api/v1/pledges", |answer| answer.text().contains("清理沟渠"));
    assert!(server.stop().success());
}
