//! Where views lie: generations as files of a directory, or as schemas of a PostgreSQL database that nodes share.
//!
//! The search index is a folder of the directory in both cases. On a server, `views.generations` says which there are and
//! which is served; one that is not needed any more is marked and removed later ([`RETIRED_KEEP`]), because other nodes may
//! still read it. Not here: what is in a generation (`generation`), and who decides (`engine`).

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use gongkai_store::{
    ServerUrl,
    database::{Pool, connections},
};
use sqlx::{
    AssertSqlSafe, ConnectOptions as _, PgPool, Row as _,
    postgres::PgPoolOptions,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use crate::{
    follower::FollowError,
    generation::{SCHEMA_POSTGRES, SCHEMA_SQLITE},
    lease::{Fence, Lease},
    projection::PROJECTIONS,
};

/// The tables that say which generations there are, and who writes.
const GENERATIONS: &str = include_str!("../../migrations/generations/postgres/0001_generations.sql");
/// How long a server keeps what nobody needs any more: longer than any page is read.
pub const RETIRED_KEEP: Duration = Duration::from_secs(90);
/// After how long a server ends the transaction of a writer that does not go on, with the locks that it holds.
const WRITER_IDLE_MAX: &str = "20s";
/// After how long it ends that of a reader; shorter than [`RETIRED_KEEP`].
const READER_IDLE_MAX: &str = "60s";
/// How long a connection is waited for, and a lock of another.
const PATIENCE: Duration = Duration::from_secs(10);
/// Readers of one generation at a time, in the primary and in each replica.
pub(crate) const READERS_MAX: u32 = 16;
/// Cache of the writing connection, negative for KiB: a batch is not written twice.
const CACHE_KIB: &str = "-32768";
/// Cache of each reading connection.
const READER_CACHE_KIB: &str = "-2048";
/// Pages in the write-ahead log before it is copied back, 32 MiB: index pages that one batch after the
/// other touches are copied once.
const WAL_PAGES: &str = "8000";

const MADE: &str = "SELECT name FROM sqlite_schema WHERE name = 'cursors'";
const IS_PREPARED: &str =
    "SELECT table_name FROM information_schema.tables WHERE table_schema = 'views' AND table_name = 'leases'";
const NAMES: &str = "SELECT name, retired_at IS NULL AS wanted FROM views.generations ORDER BY name";
const REGISTER: &str = "INSERT INTO views.generations (name, filling, is_whole) VALUES ($1, $2, 0)";
const START: &str = "INSERT INTO cursors (projection, version, next_index) SELECT *, 0 FROM unnest(CAST($1 AS TEXT[]), CAST($2 AS BIGINT[]))";
const RETIRE: &str =
    "UPDATE views.generations SET retired_at = clock_timestamp() WHERE name = $1 AND retired_at IS NULL";
const SERVE: &str = "UPDATE views.generations SET served_at = COALESCE(served_at, clock_timestamp()), retired_at = NULL WHERE name = $1";
const SERVED: &str = "SELECT name FROM views.generations WHERE served_at IS NOT NULL AND retired_at IS NULL \
     AND name LIKE $1 || '-%' ORDER BY CASE WHEN filling = $2 THEN 0 ELSE 1 END, served_at DESC, name DESC LIMIT 1";
/// Those of programs that nobody runs any more.
const RETIRE_FOREIGN: &str = "UPDATE views.generations SET retired_at = clock_timestamp() WHERE retired_at IS NULL AND filling <> $1 \
     AND NOT EXISTS (SELECT 1 FROM views.leases l WHERE l.filling = generations.filling \
     AND l.until > clock_timestamp() - $2 * INTERVAL '1 millisecond')";
const REMOVABLE: &str =
    "SELECT name FROM views.generations WHERE retired_at < clock_timestamp() - $1 * INTERVAL '1 millisecond'";
const FORGET: &str = "DELETE FROM views.generations WHERE name = $1";

/// Where views lie.
#[derive(Clone, Debug)]
pub struct Home {
    dir: PathBuf,
    server: Option<Server>,
}

#[derive(Clone, Debug)]
struct Server {
    url: ServerUrl,
    control: PgPool,
    /// Replicas of it that pages may be read from.
    replicas: Vec<ServerUrl>,
}

impl<P: AsRef<Path> + ?Sized> From<&P> for Home {
    fn from(dir: &P) -> Self {
        Self { dir: dir.as_ref().to_owned(), server: None }
    }
}

impl Home {
    /// The search index in a directory, the rows in a database that other nodes may share.
    pub fn shared(dir: &Path, url: &ServerUrl) -> Self {
        let options = PgPoolOptions::new().max_connections(2).acquire_timeout(PATIENCE);
        let control = options.connect_lazy_with(url.options().options([("lock_timeout", "10s")]));
        Self { dir: dir.to_owned(), server: Some(Server { url: url.clone(), control, replicas: Vec::new() }) }
    }

    /// With streaming replicas of the database, from which pages are read; files have none.
    #[must_use]
    pub fn with_replicas(mut self, replicas: Vec<ServerUrl>) -> Self {
        if let Some(server) = &mut self.server {
            server.replicas = replicas;
        }
        self
    }

    pub(crate) fn replicas(&self) -> &[ServerUrl] {
        self.server.as_ref().map_or(&[], |server| &server.replicas)
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn control(&self) -> Option<&PgPool> {
        self.server.as_ref().map(|server| &server.control)
    }

    /// The lease of what this program writes; files have one writer by the lock of their directory.
    pub(crate) fn lease(&self, filling: &str) -> Result<Option<Lease>, FollowError> {
        self.control().map(|control| Lease::new(control.clone(), filling.to_owned())).transpose()
    }

    /// Makes what says which generations there are.
    pub(crate) async fn prepare(&self) -> Result<(), FollowError> {
        let Some(control) = self.control() else { return Ok(()) };
        for name in files(&self.dir) {
            // Of a time when the rows were here: what was withdrawn since is still in them.
            remove_file(&self.dir, &name);
        }
        if self.is_prepared().await? {
            return Ok(());
        }
        let mut transaction = control.begin().await?;
        match sqlx::raw_sql(GENERATIONS).execute(&mut *transaction).await {
            Ok(_) => Ok(transaction.commit().await?),
            Err(error) => {
                transaction.rollback().await?;
                // Another node that began at the same moment was first.
                if self.is_prepared().await? { Ok(()) } else { Err(error.into()) }
            }
        }
    }

    /// Whether the server says which generations there are; files need nobody to.
    pub(crate) async fn is_prepared(&self) -> Result<bool, FollowError> {
        let Some(control) = self.control() else { return Ok(true) };
        Ok(sqlx::query(IS_PREPARED).fetch_optional(control).await?.is_some())
    }

    /// Names of the generations, oldest first: those that somebody may want, and all.
    pub(crate) async fn found(&self) -> Result<(Vec<String>, Vec<String>), FollowError> {
        let Some(control) = self.control() else {
            let names = files(&self.dir);
            return Ok((names.clone(), names));
        };
        let (mut wanted, mut all) = (Vec::new(), Vec::new());
        for row in sqlx::query(NAMES).fetch_all(control).await? {
            let name: String = row.try_get("name")?;
            if row.try_get("wanted")? {
                wanted.push(name.clone());
            }
            all.push(name);
        }
        Ok((wanted, all))
    }

    /// The generation that nodes answer from, of those that this program can read.
    pub(crate) async fn served(&self, schema: &str, filling: &str) -> Result<Option<String>, FollowError> {
        let Some(control) = self.control() else { return Ok(None) };
        let row = sqlx::query(SERVED).bind(schema).bind(filling).fetch_optional(control).await?;
        row.map(|row| Ok(row.try_get("name")?)).transpose()
    }

    /// Lets nodes answer from a generation.
    pub(crate) async fn serve(&self, name: &str) -> Result<(), FollowError> {
        if let Some(control) = self.control() {
            sqlx::query(SERVE).bind(name).execute(control).await?;
        }
        Ok(())
    }

    /// Gives up a generation, its index included. Readers in flight keep what they have open.
    pub(crate) async fn remove(&self, name: &str) -> Result<(), FollowError> {
        let _ = std::fs::remove_dir_all(self.index(name));
        match self.control() {
            Some(control) => {
                sqlx::query(RETIRE).bind(name).execute(control).await?;
            }
            None => remove_file(&self.dir, name),
        }
        Ok(())
    }

    /// Removes what nobody needs any more from the server; `filling` is what this program serves now.
    pub(crate) async fn tidy(&self, filling: &str) -> Result<(), FollowError> {
        let Some(control) = self.control() else { return Ok(()) };
        let keep = i64::try_from(RETIRED_KEEP.as_millis()).unwrap_or(i64::MAX);
        sqlx::query(RETIRE_FOREIGN).bind(filling).bind(keep).execute(control).await?;
        for row in sqlx::query(REMOVABLE).bind(keep).fetch_all(control).await? {
            let name: String = row.try_get("name")?;
            let mut transaction = control.begin().await?;
            let dropped = format!("DROP SCHEMA IF EXISTS {} CASCADE", schema_of(&name));
            sqlx::query(AssertSqlSafe(dropped)).execute(&mut *transaction).await?;
            sqlx::query(FORGET).bind(&name).execute(&mut *transaction).await?;
            transaction.commit().await?;
        }
        Ok(())
    }

    /// Removes search indexes of generations that are not there any more.
    pub(crate) fn tidy_indexes(&self, names: &[String]) {
        let Ok(entries) = std::fs::read_dir(self.dir.join("search")) else { return };
        for entry in entries.flatten() {
            if !entry.file_name().to_str().is_some_and(|name| names.iter().any(|known| known == name)) {
                let _ = std::fs::remove_dir_all(entry.path());
            }
        }
    }

    /// The folder of a generation's search index.
    pub(crate) fn index(&self, name: &str) -> PathBuf {
        self.dir.join("search").join(name)
    }

    /// Connections to a generation that write and that read. `fence` is of whoever may make it where it is not there.
    pub(crate) async fn pools(&self, name: &str, fence: Option<&Fence>) -> Result<(Pool, Pool), FollowError> {
        match &self.server {
            Some(server) => server.pools(name, fence).await,
            None => file_pools(&rows_file(&self.dir, name)).await,
        }
    }

    /// Connections of a scratch generation that no node sees, made afresh; [`Self::drop_scratch`] removes it.
    pub(crate) async fn scratch(&self) -> Result<Pool, FollowError> {
        self.drop_scratch().await?;
        let Some(server) = &self.server else {
            let (write, read) = file_pools(&rows_file(&self.dir.join("views").join("check"), SCRATCH)).await?;
            read.close().await;
            return Ok(write);
        };
        let mut transaction = server.control.begin().await?;
        make_schema(&mut transaction, SCRATCH).await?;
        transaction.commit().await?;
        Ok(server.connected(SCRATCH, 2, WRITER_IDLE_MAX))
    }

    pub(crate) async fn drop_scratch(&self) -> Result<(), FollowError> {
        match &self.server {
            Some(server) => {
                let dropped = format!("DROP SCHEMA IF EXISTS {} CASCADE", schema_of(SCRATCH));
                sqlx::query(AssertSqlSafe(dropped)).execute(&server.control).await?;
            }
            None => {
                let _ = std::fs::remove_dir_all(self.dir.join("views").join("check"));
            }
        }
        Ok(())
    }

    /// What the rows of the scratch generation are called in a statement over those of another.
    pub(crate) fn scratch_schema(&self) -> String {
        if self.server.is_some() { schema_of(SCRATCH) } else { "fresh".to_owned() }
    }

    /// The file of the scratch generation, where rows lie in files.
    pub(crate) fn scratch_file(&self) -> Option<PathBuf> {
        self.server.is_none().then(|| rows_file(&self.dir.join("views").join("check"), SCRATCH))
    }
}

/// Name of the generation that rows are compared with.
const SCRATCH: &str = "check";

impl Server {
    async fn pools(&self, name: &str, fence: Option<&Fence>) -> Result<(Pool, Pool), FollowError> {
        if let Some(fence) = fence {
            let there = sqlx::query("SELECT name FROM views.generations WHERE name = $1").bind(name);
            if there.fetch_optional(&self.control).await?.is_none() {
                self.make(name, fence).await?;
            }
        }
        // Besides the follower, a page that is previewed writes and is rolled back.
        let write = self.connected(name, 2, WRITER_IDLE_MAX);
        Ok((write, self.connected(name, READERS_MAX, READER_IDLE_MAX)))
    }

    /// The schema with its tables and its line among the generations, by one commit.
    async fn make(&self, name: &str, fence: &Fence) -> Result<(), FollowError> {
        let mut transaction = self.control.begin().await?;
        make_schema(&mut transaction, name).await?;
        let filling = name.rsplit_once('-').map_or(name, |(filling, _)| filling);
        sqlx::query(REGISTER).bind(name).bind(filling).execute(&mut *transaction).await?;
        let mut transaction = gongkai_store::database::Transaction::Postgres(transaction);
        fence.renew(&mut transaction).await?;
        Ok(transaction.commit().await?)
    }

    fn connected(&self, name: &str, connections_max: u32, idle_max: &str) -> Pool {
        let schema = schema_of(name);
        let options = self.url.options().options([
            ("search_path", schema.as_str()),
            ("lock_timeout", "10s"),
            ("idle_in_transaction_session_timeout", idle_max),
        ]);
        let pool = connections(connections_max).acquire_timeout(PATIENCE);
        Pool::Server(pool.connect_lazy_with(options))
    }
}

async fn make_schema(transaction: &mut sqlx::PgTransaction<'_>, name: &str) -> Result<(), FollowError> {
    let schema = schema_of(name);
    let made = format!("CREATE SCHEMA {schema}; SET LOCAL search_path = {schema}; {SCHEMA_POSTGRES}");
    sqlx::raw_sql(AssertSqlSafe(made)).execute(&mut **transaction).await?;
    // One line a projection from the start: a batch moves all of them, or was overtaken.
    let names: Vec<_> = PROJECTIONS.iter().map(|projection| projection.name()).collect();
    let versions: Vec<_> = PROJECTIONS.iter().map(|projection| i64::from(projection.version())).collect();
    sqlx::query(START).bind(names).bind(versions).execute(&mut **transaction).await?;
    Ok(())
}

/// The schema of a generation. Its name is ours: hexadecimal digits and hyphens.
pub(crate) fn schema_of(name: &str) -> String {
    format!("views_{}", name.replace('-', "_"))
}

/// The file of a generation's rows.
pub(crate) fn rows_file(dir: &Path, name: &str) -> PathBuf {
    dir.join("views").join(format!("{name}.db"))
}

/// Names of the generations in a directory, oldest first.
fn files(dir: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(dir.join("views")) else { return Vec::new() };
    let mut names: Vec<String> =
        entries.filter_map(|entry| Some(entry.ok()?.file_name().to_str()?.strip_suffix(".db")?.to_owned())).collect();
    names.sort();
    names
}

fn remove_file(dir: &Path, name: &str) {
    for suffix in ["", "-wal", "-shm"] {
        let mut path = rows_file(dir, name).into_os_string();
        path.push(suffix);
        let _ = std::fs::remove_file(path);
    }
}

async fn file_pools(rows: &Path) -> Result<(Pool, Pool), FollowError> {
    if let Some(path) = rows.parent() {
        std::fs::create_dir_all(path).map_err(|source| FollowError::Directory { path: path.to_owned(), source })?;
    }
    let options = SqliteConnectOptions::new()
        .filename(rows)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        // A power cut may take the last commits, cursors with them; they are read from the log again.
        .synchronous(SqliteSynchronous::Normal)
        .busy_timeout(PATIENCE)
        .pragma("secure_delete", "ON")
        .pragma("cache_size", CACHE_KIB)
        .pragma("wal_autocheckpoint", WAL_PAGES)
        .disable_statement_logging();
    let write = SqlitePoolOptions::new().max_connections(1).connect_with(options.clone()).await?;
    if sqlx::query(MADE).fetch_optional(&write).await?.is_none() {
        let mut transaction = write.begin().await?;
        sqlx::raw_sql(SCHEMA_SQLITE).execute(&mut *transaction).await?;
        transaction.commit().await?;
    }
    let read = SqlitePoolOptions::new()
        .max_connections(READERS_MAX)
        .connect_with(options.pragma("query_only", "ON").pragma("cache_size", READER_CACHE_KIB))
        .await?;
    Ok((Pool::File(write), Pool::File(read)))
}
