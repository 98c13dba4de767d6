//! Processes of the benchmark's own: this program again, in another part, with a flush counter.

use std::{
    io::{BufRead as _, BufReader, PipeReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
};

use crate::{Outcome, Setup, flushes::Counter, table::as_f64};

/// The environment variable that gives this program another part; see `main`.
pub(crate) const PART: &str = "GONGKAI_BENCH_PART";

/// The part of the program that is measured: the arguments are a command line of `gongkai`.
pub(crate) const GONGKAI: &str = "gongkai";

/// A process that runs beside us and ends with us.
pub(crate) struct Process {
    child: Child,
    said: Option<Receiver<String>>,
    flushes: Counter,
}

impl Process {
    /// Starts this program in a part.
    pub(crate) fn start(setup: &Setup, part: &str, arguments: &[&str]) -> Outcome<Self> {
        let flushes = Counter::create(setup.unused("counter"))?;
        let (reader, writer) = std::io::pipe()?;
        let mut command = Command::new(std::env::current_exe()?);
        command.args(arguments).env(PART, part).stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer);
        flushes.attach(&setup.library, &mut command);
        let child = command.spawn()?;
        // The writer's ends here close with the command, so that the reader sees the process end.
        drop(command);
        Ok(Self { child, said: Some(listen(reader)), flushes })
    }

    /// The next line that it prints.
    pub(crate) fn line(&mut self) -> Outcome<String> {
        match self.said.as_ref().and_then(|said| said.recv().ok()) {
            Some(line) => Ok(line),
            None => Err(format!("a process of the benchmark ended early: {}", self.child.wait()?).into()),
        }
    }

    /// The next addresses that it prints; what it says after them is not kept.
    pub(crate) fn addresses(&mut self, count: usize) -> Outcome<Vec<SocketAddr>> {
        let (mut found, mut all) = (Vec::new(), Vec::new());
        while found.len() < count {
            let line = self.line().map_err(|error| format!("{error}: {}", all.join("\n")))?;
            let words =
                line.split(|c: char| c.is_whitespace() || matches!(c, '"' | ',' | '=' | '(' | ')' | '（' | '）'));
            for word in words {
                let word = word.trim_start_matches("http://").trim_start_matches("https://");
                let word = word.split('/').next().unwrap_or_default();
                found.extend(word.parse::<SocketAddr>().ok().filter(|address| !found.contains(address)));
            }
            all.push(line);
        }
        self.said = None;
        Ok(found)
    }

    /// Waits for its good end; what it printed and how often it flushed.
    pub(crate) fn finish(mut self) -> Outcome<(Vec<String>, u64)> {
        let said: Vec<String> = self.said.take().into_iter().flatten().collect();
        let status = self.child.wait()?;
        if !status.success() {
            let last = said.iter().rev().take(20).rev().cloned().collect::<Vec<_>>().join("\n");
            return Err(format!("a process of the benchmark failed: {status}: {last}").into());
        }
        Ok((said, self.flushes.read()?))
    }

    /// Flushes so far.
    pub(crate) fn flushes(&self) -> Outcome<u64> {
        Ok(self.flushes.read()?)
    }

    /// Resident memory now, in MB (10^6 bytes).
    pub(crate) fn resident_mb(&self) -> Outcome<f64> {
        memory_mb(&self.child.id().to_string(), "VmRSS:")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads lines for as long as the process lives, so that it never waits for us; they are kept while
/// somebody wants them.
fn listen(reader: PipeReader) -> Receiver<String> {
    let (sender, said) = channel();
    thread::spawn(move || {
        for line in BufReader::new(reader).lines().map_while(Result::ok) {
            // Nobody listens to a server that has said its addresses.
            let _ = sender.send(line);
        }
    });
    said
}

/// Runs a command line of `gongkai` to its good end; gives its flushes.
pub(crate) fn gongkai(setup: &Setup, arguments: &[&str]) -> Outcome<u64> {
    let (_, flushes) = Process::start(setup, GONGKAI, arguments)?.finish()?;
    Ok(flushes)
}

/// The most memory that this process has had resident, in MB (10^6 bytes).
pub(crate) fn peak_mb() -> Outcome<f64> {
    memory_mb("self", "VmHWM:")
}

/// proc(5): the lines of `status` are in kB of 1,024 bytes.
fn memory_mb(process: &str, field: &str) -> Outcome<f64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(field)).ok_or("the kernel states no memory")?;
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(as_f64(kilobytes) * 1_024.0 / 1e6)
}

/// A path as an argument.
pub(crate) fn argument(path: &Path) -> Outcome<&str> {
    path.to_str().ok_or_else(|| format!("{} is not UTF-8", path.display()).into())
}
