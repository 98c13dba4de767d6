//! Every statement of the reading side is understood by SQLite and by PostgreSQL (design 5).
//!
//! A real PostgreSQL is started for the test in a directory of its own and ends with it. Not here: what the statements
//! answer; the projections' own tests run them on SQLite. A new statement is found by its list and needs nothing here.

#![expect(clippy::unwrap_used, reason = "a test stops where a database does")]

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use gongkai_projections::statements;
use gongkai_tests::{root, walk};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection, SqlSafeStr as _, SqliteConnection};
use tempfile::TempDir;

/// A PostgreSQL of one test.
struct Postgres {
    process: Child,
    _folder: TempDir,
    url: String,
}

impl Postgres {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (data, user) = (folder.path().join("data"), user());
        std::fs::create_dir(&data).unwrap();
        if let Some(user) = &user {
            // PostgreSQL refuses root; the directory must be that user's.
            std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
            run(Command::new("chown").arg(user).arg(&data));
        }
        run(as_user(user.as_deref(), &program("initdb"))
            .args(["--no-locale", "--encoding=UTF8", "--auth=trust", "--username=tests", "--no-sync", "-D"])
            .arg(&data));
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut process = as_user(user.as_deref(), &program("postgres"))
            .args(["-h", "127.0.0.1", "-p", &port.to_string(), "-F", "-k"])
            .arg(&data)
            .arg("-D")
            .arg(&data)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        loop {
            let line = lines.next().unwrap_or_else(|| panic!("PostgreSQL did not start: {said}")).unwrap();
            if line.contains("ready to accept connections") {
                break;
            }
            said.push_str(&line);
            said.push('\n');
        }
        // Its pipe must not fill.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        let url = format!("postgres://tests@127.0.0.1:{port}/postgres");
        Self { process, _folder: folder, url }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // Immediate shutdown: its children end with it, and nothing in it is worth keeping.
        gongkai_tests::process::signal(self.process.id(), "QUIT");
        let _ = self.process.wait();
    }
}

/// The newest installed server program.
fn program(name: &str) -> PathBuf {
    let mut found: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .expect("PostgreSQL is not installed; tests/run installs it")
        .map(|entry| entry.unwrap().path())
        .filter_map(|path| Some((path.file_name()?.to_str()?.parse().ok()?, path.join("bin").join(name))))
        .filter(|(_, path)| path.is_file())
        .collect();
    found.sort();
    found.pop().unwrap_or_else(|| panic!("no {name} below /usr/lib/postgresql")).1
}

/// Whom PostgreSQL runs as when we are root, which it refuses.
fn user() -> Option<String> {
    let root = Command::new("id").arg("-u").output().unwrap().stdout.trim_ascii() == b"0";
    root.then(|| "postgres".to_owned())
}

/// A program that ends with us, whatever ends us.
fn as_user(user: Option<&str>, program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "QUIT"]).env("LC_ALL", "C").current_dir("/");
    if let Some(user) = user {
        command.args(["--reuid", user, "--regid", user, "--clear-groups"]);
    }
    command.arg(program);
    command
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

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
