//! Every statement of the reading side is understood by SQLite and by PostgreSQL (design 5).
//!
//! Not here: what the statements answer; the projections' own tests run them on SQLite. A new statement is found by its
//! list and needs nothing here.

use gongkai_projections::statements;
use gongkai_tests::{Postgres, root, walk};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection, SqlSafeStr as _, SqliteConnection};

#[tokio::test]
async fn every_statement_is_understood_by_sqlite_and_by_postgresql() {
    let postgres = Postgres::start();
    let mut elephant = PgConnection::connect(&postgres.url).await.unwrap();
    for (name, sql) in migrations("postgres") {
        elephant.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await.unwrap_or_else(|e| panic!("{name}: {e}"));
    }
    let mut lite = SqliteConnection::connect("sqlite::memory:").await.unwrap();
    for (name, sql) in migrations("sqlite") {
        lite.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await.unwrap_or_else(|e| panic!("{name}: {e}"));
    }
    let statements = statements();
    assert!(statements.len() > 20, "only {} statements are listed", statements.len());
    let mut problems = Vec::new();
    for (name, sql) in statements {
        let text = AssertSqlSafe(sql.clone()).into_sql_str();
        if let Err(e) = lite.prepare(text.clone()).await {
            problems.push(format!("{name} on SQLite: {e}\n{sql}"));
        }
        if let Err(e) = elephant.prepare(text).await {
            problems.push(format!("{name} on PostgreSQL: {e}\n{sql}"));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n\n"));
}

/// The views' migrations of a dialect, in order.
fn migrations(dialect: &str) -> Vec<(String, String)> {
    let files = walk(&root().join("migrations/views").join(dialect));
    assert!(!files.is_empty(), "no migrations for {dialect}");
    files.into_iter().map(|file| (file.display().to_string(), std::fs::read_to_string(file).unwrap())).collect()
}
