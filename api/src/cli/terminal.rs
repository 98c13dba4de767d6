//! What a command shows while it runs: its output, a progress bar, a question for a passphrase.
//!
//! The bar is on standard error, only on a terminal, and only once a second has passed. Output that
//! nobody reads any more (`| head`) ends the command in silence.

use std::fmt::Display;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use zeroize::Zeroizing;

use crate::outcome::Fault;

/// Before this much time nobody wonders whether it hangs.
const SILENT_TIME_MAX: Duration = Duration::from_secs(1);
/// Most bytes of a passphrase file.
const PASSPHRASE_BYTES_MAX: usize = 4_096;

/// Writes a line to standard output.
///
/// # Errors
/// Standard output takes nothing, other than because its reader has gone.
pub fn say(text: impl Display) -> Result<(), Fault> {
    match writeln!(io::stdout().lock(), "{text}") {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Fault::failed("标准输出", &error)),
        _ => Ok(()),
    }
}

/// Writes a remark to standard error, which no program reads.
pub fn remark(text: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// A progress bar that appears when it is worth it.
pub struct Progress {
    label: &'static str,
    started: Instant,
    on_terminal: bool,
    bar: OnceLock<ProgressBar>,
}

impl Progress {
    /// A bar that is not shown yet.
    pub fn new(label: &'static str) -> Self {
        Self { label, started: Instant::now(), on_terminal: io::stderr().is_terminal(), bar: OnceLock::new() }
    }

    /// So much of so much is done.
    pub fn tell(&self, done: u64, all: u64) {
        if self.on_terminal && self.started.elapsed() >= SILENT_TIME_MAX {
            let bar = self.bar.get_or_init(|| self.shown());
            bar.set_length(all);
            bar.set_position(done);
        }
    }

    fn shown(&self) -> ProgressBar {
        let bar = ProgressBar::new(0).with_message(self.label);
        match ProgressStyle::with_template("{msg} [{bar:30}] {human_pos}/{human_len} 约剩 {eta}") {
            Ok(style) => bar.with_style(style),
            Err(_) => bar,
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = self.bar.get() {
            bar.finish_and_clear();
        }
    }
}

/// A passphrase: from its file, or asked for on the terminal; `None` where there is neither.
///
/// # Errors
/// The file cannot be read.
pub fn passphrase(file: Option<&PathBuf>, key: &Path) -> Result<Option<Zeroizing<String>>, Fault> {
    if let Some(file) = file {
        return passphrase_file(file).map(Some);
    }
    if !io::stdin().is_terminal() {
        return Ok(None);
    }
    let asked = rpassword::prompt_password(format!("{} 的口令：", key.display()));
    asked.map(|text| Some(Zeroizing::new(text))).map_err(|error| Fault::failed("口令", &error))
}

/// A new passphrase, typed twice.
///
/// # Errors
/// No terminal, or two different ones.
pub fn new_passphrase() -> Result<Zeroizing<String>, Fault> {
    let ask = |prompt: &str| {
        let asked = rpassword::prompt_password(prompt).map(Zeroizing::new);
        asked.map_err(|error| Fault::failed("口令", &error).mend("没有终端时请用 --passphrase-file"))
    };
    let (first, second) = (ask("新口令：")?, ask("再输一次：")?);
    if first == second { Ok(first) } else { Err(Fault::usage("口令", "两次输入不一致")) }
}

/// The first line of a passphrase file.
///
/// # Errors
/// The file cannot be read, or has no line.
pub fn passphrase_file(file: &Path) -> Result<Zeroizing<String>, Fault> {
    let place = || format!("--passphrase-file {}", file.display());
    let text = std::fs::read_to_string(file).map(Zeroizing::new);
    let text = text.map_err(|error| Fault::usage(place(), error.to_string()))?;
    match text.lines().next() {
        Some(line) if !line.is_empty() && line.len() <= PASSPHRASE_BYTES_MAX => Ok(Zeroizing::new(line.to_owned())),
        _ => Err(Fault::usage(place(), "第一行应是口令")),
    }
}
