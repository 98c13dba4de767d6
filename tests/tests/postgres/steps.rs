//! Two versions of the program at one database: nodes are replaced one by one, and the newer one steps the schema forward.
//!
//! There is no older program to run here, so the two sides are shown apart: an older *database*, made as its own file of SQL
//! makes it, under this program; and a newer database, with a step as `migrations/README.md` allows it, under this one.

use std::path::PathBuf;

use gongkai_tests::load::submission;
use gongkai_tests::{Outsider, Postgres, Server, TestLedger, root};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};

use crate::ledger::{insist, tables};
use crate::nodes::{check, join};
use crate::serving::tell;

/// What there is in the schema of a ledger: columns, constraints, triggers, indexes.
async fn shape(connection: &mut PgConnection) -> Vec<String> {
    let mut all = Vec::new();
    for question in [
        "SELECT concat_ws(' ', table_name, column_name, data_type, is_nullable, column_default, collation_name) \
         FROM information_schema.columns WHERE table_schema = 'ledger' ORDER BY 1",
        "SELECT concat_ws(' ', conrelid::regclass, conname, pg_get_constraintdef(oid)) FROM pg_constraint \
         WHERE connamespace = 'ledger'::regnamespace ORDER BY 1",
        "SELECT pg_get_triggerdef(pg_trigger.oid) FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid \
         WHERE relnamespace = 'ledger'::regnamespace AND NOT tgisinternal ORDER BY 1",
        "SELECT indexdef FROM pg_indexes WHERE schemaname = 'ledger' ORDER BY 1",
    ] {
        all.extend(sqlx::query_scalar::<_, String>(question).fetch_all(&mut *connection).await.unwrap());
    }
    all
}

/// What the first file of SQL makes, in a database of its own.
async fn first_shape(postgres: &Postgres) -> Vec<String> {
    tables(postgres).await.execute("CREATE DATABASE first").await.unwrap();
    let url = postgres.url.replace("/postgres", "/first");
    let mut connection = PgConnection::connect(&url).await.unwrap();
    let file = std::fs::read_to_string(root().join("migrations/ledger/postgres/0001_ledger.sql")).unwrap();
    let made = format!("CREATE SCHEMA ledger; SET search_path = ledger; {file}");
    connection.execute(sqlx::raw_sql(AssertSqlSafe(made))).await.unwrap();
    shape(&mut connection).await
}

/// Takes the later steps back.
const BACK: &str = "DELETE FROM publication WHERE id <> 1; \
                    ALTER TABLE publication DROP CONSTRAINT publication_id_check; \
                    ALTER TABLE publication ADD CONSTRAINT publication_id_check CHECK (id = 1); \
                    UPDATE version SET version = 1";

async fn version(connection: &mut PgConnection) -> i64 {
    sqlx::query_scalar("SELECT version FROM version").fetch_one(connection).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_start_together_step_an_older_database_forward_once_and_go_on_with_it() {
    let postgres = Postgres::start();
    let ledger = TestLedger::on_server(&postgres.url);
    let dirs = join(&ledger, 3);
    let mut connection = tables(&postgres).await;
    let (now, newest) = (version(&mut connection).await, shape(&mut connection).await);
    connection.execute(sqlx::raw_sql(BACK)).await.unwrap();
    let first = first_shape(&postgres).await;
    assert_eq!(shape(&mut connection).await, first, "the database is one of the first version");
    assert_ne!(first, newest);
    // Whoever reads alone reads it as it is, and steps nothing forward.
    let _ = ledger.run("verify", &[]).ok();
    assert_eq!(version(&mut connection).await, 1);
    // All at once, as a machine that comes up again starts them.
    let started: Vec<_> = dirs
        .iter()
        .map(|dir| {
            let dir: PathBuf = dir.clone();
            std::thread::spawn(move || Server::start(&dir))
        })
        .collect();
    let servers: Vec<Server> = started.into_iter().map(|server| server.join().unwrap()).collect();
    assert_eq!((version(&mut connection).await, shape(&mut connection).await), (now, newest));
    for (number, server) in servers.iter().enumerate() {
        let _ = insist(server, &format!("after-{number}"), &submission());
    }
    for server in servers {
        assert!(server.stop().success());
    }
    check(&dirs);
}

#[test]
fn a_node_goes_on_where_a_newer_program_has_stepped_the_database_forward_and_does_not_start_on_it_again() {
    let postgres = Postgres::start();
    let ledger = TestLedger::on_server(&postgres.url);
    let dirs = join(&ledger, 2);
    let (one, other) = (Server::start(&dirs[0]), Server::start(&dirs[1]));
    let before = insist(&one, "before", &submission())["index"].as_u64().unwrap();
    tell(&postgres, "ALTER TABLE ledger.entries ADD COLUMN later BIGINT");
    tell(&postgres, "ALTER TABLE ledger.head ADD COLUMN later TEXT NOT NULL DEFAULT 'later'");
    tell(&postgres, "UPDATE ledger.version SET version = version + 1");
    for (number, server) in [&one, &other, &one, &other].into_iter().enumerate() {
        let receipt = insist(server, &format!("beyond-{number}"), &submission());
        assert_eq!(receipt["index"].as_u64(), Some(before + 1 + number as u64));
    }
    // Also over a connection that it makes only now.
    tell(&postgres, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'gongkai'");
    let receipt = insist(&one, "over-another-connection", &submission());
    assert_eq!(receipt["index"].as_u64(), Some(before + 5));
    assert!(other.stop().success());
    let refused = Server::try_start(&dirs[1], |_| {}).unwrap_err();
    assert!(refused.contains("本程序只认识到"), "{refused}");
    assert!(one.stop().success());
    Outsider::new(&ledger.vkey()).check(&dirs[0].join("log"));
}
