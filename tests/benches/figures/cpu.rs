//! Where the time went: processor time by thread name, and what other processes took meanwhile.
//!
//! Linux keeps both for us (proc(5), in ticks of 1/100 s), so measuring them costs nothing. A thread that
//! ended in between is missing from its name and in the sum.

use std::{collections::BTreeMap, fs, time::Instant};

use crate::{Outcome, table::as_f64};

const TICKS_PER_SECOND: f64 = 100.0;

/// Readings at one moment.
pub(crate) struct Cpu {
    at: Instant,
    threads: BTreeMap<String, u64>,
    process: u64,
    machine: u64,
}

impl Cpu {
    /// Reads the clocks.
    pub(crate) fn now() -> Outcome<Self> {
        let mut threads = BTreeMap::new();
        for task in fs::read_dir("/proc/self/task")? {
            let stat = fs::read_to_string(task?.path().join("stat"));
            // A thread may end between the listing and the reading.
            let Ok(stat) = stat else { continue };
            let (name, ticks) = name_and_ticks(&stat)?;
            *threads.entry(name).or_default() += ticks;
        }
        let machine = fs::read_to_string("/proc/stat")?;
        let numbers: Vec<u64> =
            machine.lines().next().unwrap_or_default().split_whitespace().filter_map(|n| n.parse().ok()).collect();
        // user, nice, system, idle, iowait, irq, softirq
        let busy =
            numbers.iter().take(7).enumerate().filter(|(place, _)| !matches!(place, 3 | 4)).map(|(_, n)| n).sum();
        let process = name_and_ticks(&fs::read_to_string("/proc/self/stat")?)?.1;
        Ok(Self { at: Instant::now(), threads, process, machine: busy })
    }

    /// What was used since, per operation.
    pub(crate) fn since(&self, operations: u64) -> Outcome<String> {
        let now = Self::now()?;
        let passed = (now.at - self.at).as_secs_f64();
        let (own, all) = (now.process - self.process, now.machine - self.machine);
        let each = |ticks: u64| as_f64(ticks) / TICKS_PER_SECOND * 1e6 / as_f64(operations.max(1));
        let mut parts: Vec<(u64, &String)> = now
            .threads
            .iter()
            .map(|(name, ticks)| (ticks.saturating_sub(self.threads.get(name).copied().unwrap_or(0)), name))
            .filter(|(ticks, _)| each(*ticks) >= 0.5)
            .collect();
        parts.sort_unstable_by(|a, b| b.cmp(a));
        let parts: Vec<_> = parts.iter().map(|(ticks, name)| format!("{name} {:.0}", each(*ticks))).collect();
        let cores = |ticks: u64| as_f64(ticks) / TICKS_PER_SECOND / passed;
        Ok(format!(
            "{:.0} us of processor each ({}); used {:.2} of {} cores, other processes {:.2}",
            each(own),
            parts.join(", "),
            cores(own),
            crate::cores(),
            cores(all.saturating_sub(own)),
        ))
    }
}

/// The name and the ticks in user and system mode of a `stat` file. The name may hold anything but is in
/// the last brackets.
fn name_and_ticks(stat: &str) -> Outcome<(String, u64)> {
    let (begin, end) = (stat.find('(').ok_or("stat has a name")?, stat.rfind(')').ok_or("stat has a name")?);
    let fields: Vec<&str> = stat[end + 1..].split_whitespace().collect();
    let ticks = |place: usize| fields.get(place).and_then(|field| field.parse::<u64>().ok()).ok_or("stat has times");
    // Fields 14 and 15; the first after the name is field 3.
    Ok((stat[begin + 1..end].to_owned(), ticks(11)? + ticks(12)?))
}
