//! What the kernel says of a running process: memory, open files, threads.
//!
//! Memory is what the process has for itself (`RssAnon`): files that it has mapped are pages of the disk, which the
//! kernel takes back when it likes.

/// A look at a process.
#[derive(Clone, Copy, Debug)]
pub struct Gauges {
    /// Memory that belongs to no file.
    pub memory_bytes: u64,
    /// All of it that is in memory now, mapped files too.
    pub resident_bytes: u64,
    /// Open files and sockets.
    pub files: u64,
    /// Threads.
    pub threads: u64,
}

impl Gauges {
    /// Looks at a process that runs.
    pub fn of(pid: u32) -> Self {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let number = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            let line = line.unwrap_or_else(|| panic!("no {name} in\n{status}"));
            line.split_whitespace().next().unwrap().parse::<u64>().unwrap()
        };
        let files = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
        Self {
            memory_bytes: number("RssAnon") << 10,
            resident_bytes: number("VmRSS") << 10,
            files: files as u64,
            threads: number("Threads"),
        }
    }
}
