//! A real PostgreSQL, started for a test in a directory of its own; it ends with the test.
//!
//! It keeps what it acknowledges (`fsync` is on), because a ledger refuses a server that does not.

use std::{
    io::{BufRead as _, BufReader},
    net::TcpListener,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;

/// A PostgreSQL of one test.
pub struct Postgres {
    process: Child,
    folder: TempDir,
    port: u16,
    settings: Vec<String>,
    /// Address of its database.
    pub url: String,
}

impl Postgres {
    /// Starts one on a free port of this machine.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts one with further settings, `name=value`.
    pub fn start_with(settings: &[&str]) -> Self {
        let (folder, port) = (folder(), free_port());
        run(as_user(user().as_deref(), &program("initdb"))
            .args(["--no-locale", "--encoding=UTF8", "--auth=trust", "--username=tests", "--no-sync", "-D"])
            .arg(folder.path().join("data")));
        let settings = settings.iter().map(|setting| (*setting).to_owned()).collect::<Vec<_>>();
        let process = launch(folder.path(), port, &settings);
        Self { process, folder, port, settings, url: url(port) }
    }

    /// Stops it in the middle of whatever it does: it takes connections still, and answers nothing.
    pub fn pause(&self) {
        self.signal("STOP");
    }

    /// Lets it go on.
    pub fn go_on(&self) {
        self.signal("CONT");
    }

    /// Sends a signal to the server and to each process of it.
    fn signal(&self, name: &str) {
        let server = self.process.id();
        crate::process::signal(server, name);
        let children = std::fs::read_to_string(format!("/proc/{server}/task/{server}/children")).unwrap();
        for child in children.split_whitespace() {
            // One that has ended meanwhile gets none.
            let _ = Command::new("kill").arg(format!("-{name}")).arg(child).stderr(Stdio::null()).status();
        }
    }

    /// Ends it as a crash does; nothing of what it acknowledged may be lost.
    pub fn crash(&mut self) {
        // Immediate shutdown: its children end with it. One that has ended already has.
        if matches!(self.process.try_wait(), Ok(None)) {
            // One that is paused would never hear of it.
            self.go_on();
            crate::process::signal(self.process.id(), "QUIT");
            let _ = self.process.wait();
        }
    }

    /// A standby that follows by streaming, on a port of its own.
    #[must_use]
    pub fn standby(&self) -> Self {
        let (folder, port) = (folder(), free_port());
        run(as_user(user().as_deref(), &program("pg_basebackup"))
            .args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-U", "tests", "-X", "stream", "-R", "-D"])
            .arg(folder.path().join("data")));
        let process = launch(folder.path(), port, &self.settings);
        Self { process, folder, port, settings: self.settings.clone(), url: url(port) }
    }

    /// Takes the place of a primary that is down, with what it has: a standby that is promoted.
    pub fn take_the_place_of(&mut self, primary: &Self) {
        self.crash();
        std::fs::remove_file(self.folder.path().join("data/standby.signal")).unwrap();
        (self.port, self.url) = (primary.port, primary.url.clone());
        // It waits for no standby of its own.
        self.settings = vec!["synchronous_standby_names=".into()];
        self.come_back();
    }

    /// Starts it again where it was.
    pub fn come_back(&mut self) {
        self.process = launch(self.folder.path(), self.port, &self.settings);
    }
}

fn url(port: u16) -> String {
    format!("postgres://tests@127.0.0.1:{port}/postgres")
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A folder with an empty one for the data.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    std::fs::set_permissions(&data, std::fs::Permissions::from_mode(0o700)).unwrap();
    if let Some(user) = user() {
        // PostgreSQL refuses root; the directory must be that user's.
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        run(Command::new("chown").arg(user).arg(&data));
    }
    folder
}

/// Starts the server over a data directory that is there, and waits until it takes connections.
fn launch(folder: &Path, port: u16, settings: &[String]) -> Child {
    let data = folder.join("data");
    let mut process = as_user(user().as_deref(), &program("postgres"))
        .args(["-h", "127.0.0.1", "-p", &port.to_string(), "-k"])
        .arg(&data)
        .arg("-D")
        .arg(&data)
        .args(settings.iter().flat_map(|setting| ["-c", setting]))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
    loop {
        let line = lines.next().unwrap_or_else(|| panic!("PostgreSQL did not start: {said}")).unwrap();
        if line.contains("ready to accept") {
            break;
        }
        said.push_str(&line);
        said.push('\n');
    }
    // Its pipe must not fill.
    std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
    process
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.crash();
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
