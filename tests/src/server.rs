//! A running `gongkai serve` or `gongkai witness`, and a plain HTTP client.

use std::io::{BufRead as _, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use gongkai_log::{SigningKey, note};
use serde_json::{Value, json};

use crate::process;

/// How long a server may take to say its addresses or to catch up with its log; a debug build with 45,000 entries to
/// index needs the most.
const START_TIME_MAX: Duration = Duration::from_mins(5);
/// How long an answer may still change when the views have reached the end of the log: publication and the search index
/// come after them.
const SETTLE_TIME_MAX: Duration = Duration::from_secs(10);
/// Longest answer that a test reads.
const ANSWER_BYTES_MAX: u64 = 64 << 20;

/// A server process; killed when it goes out of scope.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// `http://host:port` of the public listener.
    pub url: String,
    /// `http://host:port` of the internal listener.
    pub internal: String,
    said: Receiver<String>,
}

impl Server {
    /// Serves a ledger on free ports, public and internal.
    pub fn start(dir: &std::path::Path) -> Self {
        Self::start_with(dir, |_| {})
    }

    /// Serves in an environment of the caller's.
    pub fn start_with(dir: &std::path::Path, change: impl FnOnce(&mut Command)) -> Self {
        Self::try_start(dir, change).unwrap_or_else(|said| panic!("the server did not start: {said}"))
    }

    /// Serves, or tells what the process said before it ended.
    ///
    /// # Errors
    /// Everything that it said, with the exit status.
    pub fn try_start(dir: &std::path::Path, change: impl FnOnce(&mut Command)) -> Result<Self, String> {
        Self::launch(dir, &["--internal-listen", "127.0.0.1:0"], change)
    }

    /// Serves published files, public only; `internal` is empty.
    ///
    /// # Errors
    /// Everything that it said, with the exit status.
    pub fn try_start_published(dir: &std::path::Path) -> Result<Self, String> {
        Self::launch(dir, &["--published-only"], |_| {})
    }

    /// Serves published files with the forms of an intake.
    pub fn published_beside(dir: &std::path::Path, intake: &str) -> Self {
        let mut command = process::command();
        command.args(["serve", "--published-only", "--listen", "127.0.0.1:0", "--intake", intake, "--dir"]).arg(dir);
        Self::begin(command, 1).unwrap_or_else(|said| panic!("the server did not start: {said}"))
    }

    /// A witness for a log, at an address (port 0 takes a free one); `internal` is empty.
    pub fn witness(dir: &std::path::Path, listen: &str, vkey: &str) -> Self {
        Self::try_start_witness(dir, &["--listen", listen, "--log", vkey], None)
            .unwrap_or_else(|said| panic!("the witness did not start: {said}"))
    }

    /// A witness that shows its numbers at an address, if one is said; `internal` is where.
    ///
    /// # Errors
    /// Everything that it said, with the exit status.
    pub fn try_start_witness(dir: &std::path::Path, args: &[&str], numbers: Option<&str>) -> Result<Self, String> {
        let mut command = process::command();
        command.arg("witness").args(args).arg("--dir").arg(dir);
        command.args(numbers.iter().flat_map(|address| ["--metrics-listen", address]));
        Self::begin(command, 1 + usize::from(numbers.is_some()))
    }

    /// Follows a source and serves what was verified, public only; `internal` is empty.
    ///
    /// # Errors
    /// Everything that it said, with the exit status.
    pub fn try_start_mirror(source: &str, dir: &std::path::Path, vkey: &str) -> Result<Self, String> {
        let mut command = process::command();
        command.args(["mirror", "--source", source, "--vkey", vkey, "--serve", "127.0.0.1:0", "--every", "1", "--dir"]);
        command.arg(dir);
        Self::begin(command, 1)
    }

    /// Follows a source as [`Server::try_start_mirror`], and what the ledger owes an intake.
    pub fn mirror_beside(source: &str, dir: &std::path::Path, vkey: &str, intake: &str) -> Self {
        let mut command = process::command();
        command.args(["mirror", "--source", source, "--vkey", vkey, "--serve", "127.0.0.1:0", "--every", "1"]);
        command.args(["--intake", intake, "--dir"]).arg(dir);
        Self::begin(command, 1).unwrap_or_else(|said| panic!("the mirror did not start: {said}"))
    }

    /// An intake of a ledger that records a period each second; `internal` is empty.
    ///
    /// # Errors
    /// Everything that it said, with the exit status.
    pub fn try_start_intake(dir: &std::path::Path, ledger: &str) -> Result<Self, String> {
        Self::try_start_intake_with(dir, ledger, None)
    }

    /// The same, with its numbers at an address, if one is said; `internal` is where.
    ///
    /// # Errors
    /// As there.
    pub fn try_start_intake_with(dir: &std::path::Path, ledger: &str, numbers: Option<&str>) -> Result<Self, String> {
        let mut command = process::command();
        command.args([
            "intake",
            "--listen",
            "127.0.0.1:0",
            "--period",
            "1",
            "--hours",
            "1",
            "--ledger",
            ledger,
            "--dir",
        ]);
        command.arg(dir);
        command.args(numbers.iter().flat_map(|address| ["--metrics-listen", address]));
        Self::begin(command, 1 + usize::from(numbers.is_some()))
    }

    fn launch(dir: &std::path::Path, more: &[&str], change: impl FnOnce(&mut Command)) -> Result<Self, String> {
        let mut command = process::command();
        command.arg("serve").arg("--dir").arg(dir).args(["--listen", "127.0.0.1:0"]).args(more);
        change(&mut command);
        Self::begin(command, more.len())
    }

    fn begin(mut command: Command, addresses_wanted: usize) -> Result<Self, String> {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (sender, said) = channel();
        forward(child.stdout.take().unwrap(), sender.clone());
        forward(child.stderr.take().unwrap(), sender);
        let (mut urls, mut all) = (Vec::new(), String::new());
        let started = Instant::now();
        while urls.len() < addresses_wanted {
            let left = START_TIME_MAX.saturating_sub(started.elapsed());
            let Ok(line) = said.recv_timeout(left) else {
                let _ = child.kill();
                return Err(format!("{all}{:?}", child.wait().unwrap()));
            };
            urls.extend(addresses(&line));
            all.push_str(&line);
            all.push('\n');
        }
        let mut urls = urls.into_iter();
        let (url, internal) = (urls.next().unwrap(), urls.next().unwrap_or_default());
        Ok(Self { child, url, internal, said })
    }

    /// Process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to stop, and waits.
    pub fn stop(mut self) -> ExitStatus {
        process::signal(self.pid(), "TERM");
        self.child.wait().unwrap()
    }

    /// Kills it at once, as power does.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits until it ends by itself.
    pub fn wait(mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    /// What it said since the start.
    pub fn said(&self) -> String {
        self.said.try_iter().collect::<Vec<_>>().join("\n")
    }

    /// Reads a path of the public listener.
    pub fn get(&self, path: &str) -> Answer {
        get(&format!("{}{path}", self.url))
    }

    /// Reads JSON of the public listener.
    pub fn json(&self, path: &str) -> Value {
        let answer = self.get(path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.json()
    }

    /// Hands in a submission on the internal listener.
    pub fn submit(&self, key: &str, submission: &Value) -> Answer {
        post(&format!("{}/api/v1/submissions", self.internal), &[("Idempotency-Key", key)], submission.to_string())
    }

    /// Signs in at the desk; gives what the `Authorization` header says then.
    pub fn sign_in(&self, own: &SigningKey) -> String {
        let at = |name: &str| format!("{}/internal/api/v1/{name}", self.internal);
        let challenge = post(&at("challenges"), &[], json!({"key": own.name()}).to_string()).json();
        let signed = note::sign(challenge["challenge"].as_str().unwrap(), &[own]).unwrap();
        let session = post(&at("sessions"), &[], json!({"note": signed}).to_string()).json();
        format!("Bearer {}", session["token"].as_str().unwrap())
    }

    /// Entries that the served checkpoint names.
    pub fn size(&self) -> u64 {
        self.get("/log/checkpoint").text().lines().nth(1).unwrap().parse().unwrap()
    }

    /// Reads a path until the answer fits. The views follow the log by themselves within a moment of each commit; an
    /// answer that does not fit although they have caught up fails after `SETTLE_TIME_MAX`.
    pub fn eventually(&self, path: &str, fits: impl Fn(&Answer) -> bool) -> Answer {
        let started = Instant::now();
        let mut caught_up = None;
        loop {
            let health = self.get("/healthz").json();
            if health["views"].as_u64() == health["committed"].as_u64() {
                caught_up.get_or_insert_with(Instant::now);
            }
            let answer = self.get(path);
            if fits(&answer) {
                return answer;
            }
            let stayed = caught_up.is_some_and(|since| since.elapsed() > SETTLE_TIME_MAX);
            assert!(
                !stayed && started.elapsed() < START_TIME_MAX,
                "{path} stayed {} with {health}: {}",
                answer.status,
                answer.text()
            );
            std::thread::yield_now();
        }
    }
}

/// Asks until there is an answer that fits: for what another process does by itself within a moment.
pub fn until<T>(what: &str, ask: impl Fn() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(started.elapsed() < START_TIME_MAX, "never came: {what}");
        std::thread::yield_now();
    }
}

/// Whether a copy's server answers these paths as the ledger's own does, but for its address and the lines that offer to
/// hand something in, which a copy has not.
pub fn same_answers(whole: &Server, copy: &Server, paths: &[&str]) {
    fn lines(page: &str) -> Vec<&str> {
        page.lines().filter(|line| !line.is_empty() && !line.contains("href=\"/hand-in/")).collect()
    }
    for path in paths {
        let (here, there) = (whole.get(path), copy.get(path));
        assert_eq!((there.status, here.status), (200, 200), "{path}");
        // A page says how to check it at its own address.
        let (here, there) = (here.text().replace(&whole.url, "URL"), there.text().replace(&copy.url, "URL"));
        assert!(!there.contains("/hand-in/"), "{path}: nothing can be handed in where nothing is written");
        assert_eq!(lines(&there), lines(&here), "{path}");
    }
    let url = format!("{}/api/v1/submissions", copy.url);
    let refused = post(&url, &[("idempotency-key", "1")], "{}");
    assert!(refused.text().contains("not_here"), "{}", refused.text());
}

impl Drop for Server {
    fn drop(&mut self) {
        // Ended already, or ends now; a test that cares about the status has waited.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Passes on what a process says, line by line, so that its pipe never fills.
fn forward(pipe: impl Read + Send + 'static, sender: Sender<String>) {
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
}

/// Addresses of this machine with a port in a line.
fn addresses(line: &str) -> Vec<String> {
    line.match_indices("http://127.0.0.1:")
        .map(|(at, start)| {
            let port: String = line[at + start.len()..].chars().take_while(char::is_ascii_digit).collect();
            format!("{start}{port}")
        })
        .collect()
}

/// An HTTP answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Status.
    pub status: u16,
    /// Media type.
    pub media_type: String,
    /// Body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }
}

fn agent() -> ureq::Agent {
    let timeout = Some(Duration::from_mins(1));
    ureq::Agent::config_builder().http_status_as_error(false).timeout_global(timeout).build().into()
}

fn answer(response: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Result<Answer, ureq::Error> {
    let mut response = response?;
    let media_type =
        response.headers().get("content-type").and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
    let body = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec()?;
    Ok(Answer { status: response.status().as_u16(), media_type, body })
}

/// Reads an address.
pub fn get(url: &str) -> Answer {
    answer(agent().get(url).call()).unwrap_or_else(|e| panic!("{url:.200}: {e}"))
}

/// Reads an address of a server that may be gone.
///
/// # Errors
/// The connection's.
pub fn try_get(url: &str) -> Result<Answer, ureq::Error> {
    answer(agent().get(url).call())
}

/// Reads an address with headers.
pub fn get_with(url: &str, headers: &[(&str, &str)]) -> Answer {
    let request = headers.iter().fold(agent().get(url), |request, (name, value)| request.header(*name, *value));
    answer(request.call()).unwrap_or_else(|e| panic!("{url:.200}: {e}"))
}

/// Posts JSON.
pub fn post(url: &str, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Answer {
    try_post(url, headers, body).unwrap_or_else(|e| panic!("{url}: {e}"))
}

/// Deletes an address with headers.
pub fn delete(url: &str, headers: &[(&str, &str)]) -> Answer {
    let request = headers.iter().fold(agent().delete(url), |request, (name, value)| request.header(*name, *value));
    answer(request.call()).unwrap_or_else(|e| panic!("{url:.200}: {e}"))
}

/// Puts JSON.
pub fn put(url: &str, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Answer {
    let request = agent().put(url).header("Content-Type", "application/json");
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    answer(request.send(&body.into()[..])).unwrap_or_else(|e| panic!("{url}: {e}"))
}

/// Posts JSON to a server that may be gone.
///
/// # Errors
/// The connection's.
pub fn try_post(url: &str, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Result<Answer, ureq::Error> {
    let mut request = agent().post(url).header("Content-Type", "application/json");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    answer(request.send(&body.into()[..]))
}
