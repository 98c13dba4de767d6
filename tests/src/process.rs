//! Running the real binary and reading what it said.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

/// How a command ended.
#[derive(Clone, Debug)]
pub struct Ran {
    /// The command line, for messages.
    pub line: String,
    /// Exit code; −1 when a signal ended it.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Ran {
    /// It was done.
    #[must_use]
    pub fn ok(self) -> Self {
        self.exits(0)
    }

    /// It ended with this code.
    #[must_use]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self}");
        self
    }

    /// It said this, on either output.
    #[must_use]
    pub fn says(self, words: &str) -> Self {
        assert!(self.out.contains(words) || self.err.contains(words), "not said: {words}\n{self}");
        self
    }

    /// Standard output as one JSON value.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}\n{self}"))
    }

    /// Standard output as JSON lines.
    pub fn json_lines(&self) -> Vec<Value> {
        let lines = self.out.lines().filter(|line| line.starts_with('{'));
        lines.map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}\n{self}"))).collect()
    }
}

impl std::fmt::Display for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}\nexit code {}\n--- out\n{}\n--- err\n{}", self.line, self.code, self.out, self.err)
    }
}

/// The `gongkai` that was built with these tests: it lies beside them. `tests/run` builds it first.
pub fn binary() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let binary = test.parent().unwrap().parent().unwrap().join("gongkai");
    assert!(
        binary.is_file(),
        "{} is missing; build it with `cargo build -p gongkai-api`, or run tests/run, which does",
        binary.display()
    );
    binary
}

/// A command that runs the binary without this terminal.
pub fn command() -> Command {
    let mut command = Command::new(binary());
    command.stdin(Stdio::null()).env_remove("RUST_LOG").env("NO_COLOR", "1");
    command
}

/// Runs the binary to its end.
pub fn gongkai<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Ran {
    gongkai_with(args, |_| {})
}

/// Runs the binary to its end, in an environment of the caller's.
pub fn gongkai_with<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>, change: impl FnOnce(&mut Command)) -> Ran {
    let args: Vec<_> = args.into_iter().map(|arg| arg.as_ref().to_owned()).collect();
    let line = args.iter().map(|arg| arg.to_string_lossy()).collect::<Vec<_>>().join(" ");
    let mut command = command();
    change(command.args(&args));
    let output = command.output().unwrap();
    Ran {
        line: format!("gongkai {line}"),
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Sends a signal to a process: `TERM`, `STOP`, `CONT`.
pub fn signal(pid: u32, name: &str) {
    let sent = Command::new("kill").arg(format!("-{name}")).arg(pid.to_string()).status().unwrap();
    assert!(sent.success(), "kill -{name} {pid}");
}
