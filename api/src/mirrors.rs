//! Mirrors: whether the machines that copy our published log have followed its withdrawals.
//!
//! A mirror is told by the log itself: `slot.withdrawn` is a public entry, and `GET /api/v1/withdrawals` lists them for
//! those who poll. Here we look whether it did: each configured address is asked for its checkpoint, and for the files
//! from which something was withdrawn. A checkpoint is believed only under our own key, a file only if it leads to the
//! roots that the statement was signed with: what is not there, cannot be read or was not asked for proves nothing, and
//! the mirror has not followed until it is proven. Nothing of the content is kept or told, only how much of it is still
//! there and since when.
//!
//! Where this site is itself a mirror, here is also kept why it does not go on ([`Stuck`]); following is `cli/mirror`'s.
//!
//! Bounded in time, bytes, files and mirrors, a few at a time, on threads of its own; an address that leads elsewhere is
//! not followed there. Only published files are looked at, not the pages that a mirror makes of them. An erasure is not
//! looked for: what it destroys was in no published file. Not here: copying a log (that is the mirror's), pages and
//! answers (`http`), the sentences that say what to do (`cli/doctor`). To look at another kind of published file, add it
//! to `File`.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use chrono::{DateTime, NaiveDate, Utc};
use gongkai_domain::procedure::recorded_on;
use gongkai_log::list::LIST_BYTES_MAX;
use gongkai_log::slot::parse_openings;
use gongkai_log::{Digest, Fetch as _, List, LogKeys, Row, Statement, tile};
use gongkai_store::{Clock, Ledger, Withdrawal};
use serde::Serialize;
use tokio::time::MissedTickBehavior;

use crate::fetch::{self, HttpFetch, OPENINGS_BYTES_MAX};
use crate::outcome::chain;

/// Most mirrors that are looked at.
pub const MIRRORS_MAX: usize = 16;
/// A mirror that has not seen a withdrawal for more days than this is no longer just late.
const UNSEEN_DAYS_MAX: u64 = 1;
/// Mirrors that are asked at a time: each may make us hold the largest file that there is.
const MIRRORS_AT_ONCE_MAX: usize = 4;
/// Most files that are asked of one mirror at a time; the newest withdrawals come first.
const FILES_MAX: usize = 256;
/// How long one mirror may take altogether, but for its last answer.
const MIRROR_TIME_MAX: Duration = Duration::from_mins(2);
/// How long one of its answers may take.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(20);
/// How often a server looks.
const LOOK_EVERY: Duration = Duration::from_mins(10);

/// Where a mirror stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum State {
    /// Every file from which something was withdrawn was read and proven, and nothing withdrawn is in it.
    Followed,
    /// Nothing withdrawn was seen, but not every file could be read and proven.
    Unproven {
        /// How many could not.
        files: u64,
    },
    /// Its checkpoint is older than some withdrawals.
    NotYetSeen {
        /// How many.
        withdrawals: u64,
        /// Days since the first of them.
        since_days: u64,
    },
    /// It knows of a withdrawal and shows the opening all the same.
    StillShows {
        /// How many slots and lines.
        openings: u64,
        /// Days since the first of them was withdrawn.
        since_days: u64,
    },
    /// It gives no checkpoint.
    Unreachable,
    /// Its checkpoint is not signed by this ledger.
    Forged,
}

impl State {
    /// The sentence for people.
    pub fn sentence(&self) -> String {
        match self {
            Self::Followed => "已跟随撤下".to_owned(),
            Self::Unproven { files } => format!("有 {files} 个文件没能核对，还不能说已跟随撤下"),
            Self::NotYetSeen { withdrawals, since_days } => {
                format!("还没有同步到 {withdrawals} 次撤下，最早的一次已过 {since_days} 天")
            }
            Self::StillShows { openings, since_days } => {
                format!("仍在提供已撤下的内容 {openings} 处，最早的已撤下 {since_days} 天")
            }
            Self::Unreachable => "连不上，无从核对".to_owned(),
            Self::Forged => "检查点不是这个账本签名的".to_owned(),
        }
    }

    /// Whether somebody has to be told; otherwise it is good, or may yet become so by itself.
    pub fn is_wrong(&self) -> bool {
        match self {
            Self::StillShows { .. } | Self::Forged => true,
            Self::NotYetSeen { since_days, .. } => *since_days > UNSEEN_DAYS_MAX,
            Self::Followed | Self::Unproven { .. } | Self::Unreachable => false,
        }
    }
}

/// Something withdrawn that a mirror still shows; for its operator and ours, not for the public.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StillShown {
    /// Entry that withdrew it.
    pub withdrawal: u64,
    /// Entry whose opening it is.
    pub target: u64,
    /// Which slot or line.
    pub place: Place,
}

/// A slot or a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Slot of the entry.
    Slot(u64),
    /// Line of its list.
    Line(u64),
}

/// What was found at one mirror.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Its address.
    pub url: String,
    /// Where it stands.
    pub state: State,
    /// Entries of its checkpoint, if that is ours.
    pub size: Option<u64>,
    /// What it still shows.
    pub shown: Vec<StillShown>,
    /// Files that could not be read and proven, or were not asked for.
    pub unproven: u64,
    /// Why it, or the first such file, was not; for whoever runs this ledger.
    pub reason: Option<String>,
}

/// The mirrors of a ledger and what was last found at them. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Mirrors(Arc<Known>);

#[derive(Debug, Default)]
struct Known {
    urls: Vec<String>,
    found: RwLock<Option<(DateTime<Utc>, Vec<Report>)>>,
    stuck: RwLock<Option<Stuck>>,
}

/// Why a site that is itself a mirror shows what it had and no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stuck {
    /// What its source showed last was not accepted.
    Refused,
    /// The ledger signed two histories.
    Forked,
}

impl Mirrors {
    /// The mirrors at these addresses, not looked at yet.
    pub fn new(urls: Vec<String>) -> Self {
        Self(Arc::new(Known { urls, ..Known::default() }))
    }

    /// Their addresses.
    pub fn urls(&self) -> &[String] {
        &self.0.urls
    }

    /// Why this site does not go on, if it is a mirror and does not.
    pub fn stuck(&self) -> Option<Stuck> {
        *self.0.stuck.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says whether this site, which is a mirror, goes on.
    pub fn set_stuck(&self, stuck: Option<Stuck>) {
        *self.0.stuck.write().unwrap_or_else(PoisonError::into_inner) = stuck;
    }

    /// When they were looked at last, and what was found; `None` before the first time.
    pub fn found(&self) -> Option<(DateTime<Utc>, Vec<Report>)> {
        self.0.found.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Looks again and again, until it is dropped. It reads the ledger over a connection for readers, and asks on threads
    /// of its own, which nothing waits for at the end.
    pub async fn watch(self, ledger: Ledger, clock: Arc<dyn Clock>) {
        if self.urls().is_empty() {
            return;
        }
        let mut every = tokio::time::interval(LOOK_EVERY);
        every.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            every.tick().await;
            let now = clock.now();
            let reports = self.ask(&ledger, now).await;
            // What was found before is no longer told when it could not be found again.
            *self.0.found.write().unwrap_or_else(PoisonError::into_inner) = reports.map(|reports| (now, reports));
        }
    }

    async fn ask(&self, ledger: &Ledger, now: DateTime<Utc>) -> Option<Vec<Report>> {
        let withdrawals = ledger.reader().withdrawals().await;
        let withdrawals = withdrawals
            .inspect_err(|error| tracing::error!(error = %error, "the withdrawals could not be read for the mirrors"))
            .ok()?;
        let (urls, keys) = (self.0.urls.clone(), ledger.log_keys());
        let (tell, told) = tokio::sync::oneshot::channel();
        let asking = std::thread::Builder::new().name("mirrors".into());
        let asked = asking.spawn(move || tell.send(check(&urls, &withdrawals, &keys, now)));
        asked.inspect_err(|error| tracing::error!(error = %error, "no thread to ask the mirrors")).ok()?;
        told.await.ok()
    }
}

/// Asks every mirror, a few at a time. It blocks: not for an asynchronous thread.
pub fn check(urls: &[String], withdrawals: &[Withdrawal], keys: &LogKeys, now: DateTime<Utc>) -> Vec<Report> {
    let plan = Plan::new(withdrawals);
    let today = recorded_on(now);
    let mut reports = Vec::with_capacity(urls.len());
    for some in urls.chunks(MIRRORS_AT_ONCE_MAX) {
        reports.extend(std::thread::scope(|scope| {
            let plan = &plan;
            let ask = |url| scope.spawn(move || Asked::new(url, plan, keys, today).report());
            let threads: Vec<_> = some.iter().map(|url| (url, ask(url))).collect();
            let ended = threads.into_iter().map(|(url, thread)| thread.join().unwrap_or_else(|_| Report::broken(url)));
            ended.collect::<Vec<_>>()
        }));
    }
    reports
}

impl Report {
    fn broken(url: &str) -> Self {
        let reason = Some("核对没有做完".to_owned());
        Self { url: url.to_owned(), state: State::Unreachable, size: None, shown: Vec::new(), unproven: 0, reason }
    }
}

/// One thing that a file must not show.
#[derive(Clone, Debug)]
struct Gone<'a> {
    shown: StillShown,
    withdrawn_on: NaiveDate,
    statement: &'a Statement,
}

/// A published file from which something was withdrawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum File {
    /// Openings of a bundle.
    Openings(u64),
    /// A list by its root.
    Lines(Digest),
}

/// What to ask for, the newest withdrawals first.
#[derive(Debug)]
struct Plan<'a> {
    // Index and day of every withdrawal.
    withdrawals: Vec<(u64, NaiveDate)>,
    files: Vec<(File, Vec<Gone<'a>>)>,
}

impl<'a> Plan<'a> {
    fn new(withdrawals: &'a [Withdrawal]) -> Self {
        let mut files: BTreeMap<File, Vec<Gone<'a>>> = BTreeMap::new();
        for withdrawal in withdrawals {
            let statement = &withdrawal.statement;
            let gone = |place| Gone {
                shown: StillShown { withdrawal: withdrawal.index, target: withdrawal.target, place },
                withdrawn_on: recorded_on(withdrawal.recorded_at),
                statement,
            };
            for slot in &withdrawal.slots {
                let file = File::Openings(withdrawal.target / tile::TILE_WIDTH);
                files.entry(file).or_default().push(gone(Place::Slot(*slot)));
            }
            // A line was open, so there is a list; of none, no file would prove anything.
            let root = statement.lines_root().unwrap_or(Digest::ZERO);
            for line in &withdrawal.lines {
                files.entry(File::Lines(root)).or_default().push(gone(Place::Line(*line)));
            }
        }
        let mut files: Vec<_> = files.into_iter().collect();
        files.sort_by_key(|(_, gone)| std::cmp::Reverse(gone.iter().map(|gone| gone.shown.withdrawal).max()));
        let withdrawals = withdrawals.iter().map(|gone| (gone.index, recorded_on(gone.recorded_at))).collect();
        Self { withdrawals, files }
    }
}

/// One mirror that is being asked.
struct Asked<'a> {
    url: &'a str,
    fetch: HttpFetch,
    plan: &'a Plan<'a>,
    keys: &'a LogKeys,
    today: NaiveDate,
    until: Instant,
}

/// What was found so far.
#[derive(Default)]
struct Found<'a> {
    gone: Vec<&'a Gone<'a>>,
    unproven: u64,
    reason: Option<String>,
}

impl<'a> Asked<'a> {
    fn new(url: &'a str, plan: &'a Plan<'a>, keys: &'a LogKeys, today: NaiveDate) -> Self {
        let fetch = HttpFetch::with(fetch::agent_staying(ANSWER_TIME_MAX), url);
        Self { url, fetch, plan, keys, today, until: Instant::now() + MIRROR_TIME_MAX }
    }

    fn report(&self) -> Report {
        let url = self.url.to_owned();
        let size = match self.size() {
            Ok(size) => size,
            Err((state, reason)) => {
                return Report { url, state, size: None, shown: Vec::new(), unproven: 0, reason: Some(reason) };
            }
        };
        let found = self.files(size);
        let state = self.state(size, &found);
        let mut shown: Vec<StillShown> = found.gone.into_iter().map(|gone| gone.shown.clone()).collect();
        shown.sort_unstable();
        Report { url, state, size: Some(size), shown, unproven: found.unproven, reason: found.reason }
    }

    /// How far it is, by a checkpoint that we signed.
    fn size(&self) -> Result<u64, (State, String)> {
        let bytes = self.fetch.checkpoint().map_err(|error| (State::Unreachable, chain(&error)))?;
        let text = String::from_utf8(bytes).map_err(|error| (State::Forged, chain(&error)))?;
        let opened = self.keys.open(&text).map_err(|error| (State::Forged, chain(&error)));
        opened.map(|(checkpoint, _)| checkpoint.size)
    }

    /// What it shows of what it knows to be withdrawn.
    fn files(&self, size: u64) -> Found<'a> {
        let mut found = Found::default();
        let mut asked = 0;
        for (file, gone) in &self.plan.files {
            let known: Vec<&Gone<'_>> = gone.iter().filter(|gone| gone.shown.withdrawal < size).collect();
            if known.is_empty() {
                continue;
            }
            asked += 1;
            let read = if asked > FILES_MAX || Instant::now() > self.until {
                Err("文件太多，或应答太慢，没有问完".to_owned())
            } else {
                self.read(*file, &known)
            };
            // What was seen stays seen, also when something else in the file cannot be proven.
            let (shown, doubt) = read.unwrap_or_else(|reason| (Vec::new(), Some(reason)));
            found.gone.extend(shown);
            if let Some(reason) = doubt {
                found.unproven += 1;
                found.reason.get_or_insert(reason);
            }
        }
        found
    }

    /// What of this a file shows, and why the rest of it is not proven to be gone, unless it is.
    fn read(&self, file: File, known: &[&'a Gone<'a>]) -> Result<(Vec<&'a Gone<'a>>, Option<String>), String> {
        let (path, bytes_max) = match file {
            File::Openings(bundle) => (tile::openings_path(bundle), OPENINGS_BYTES_MAX),
            File::Lines(root) => (tile::lines_path(&root), LIST_BYTES_MAX),
        };
        let bytes = self.fetch.get(&path, bytes_max).map_err(|error| chain(&error))?;
        let bytes = bytes.ok_or_else(|| format!("没有 {path}"))?;
        let doubtful = |reason| format!("{path} 核对不上：{reason}");
        let verdicts = match file {
            File::Openings(bundle) => open_slots(&bytes, bundle, known),
            File::Lines(_) => open_lines(bytes, known),
        };
        let (mut shown, mut doubt) = (Vec::new(), None);
        for (gone, verdict) in known.iter().zip(verdicts.map_err(doubtful)?) {
            match verdict {
                Ok(true) => shown.push(*gone),
                Ok(false) => {}
                Err(reason) => doubt = Some(doubtful(reason)),
            }
        }
        Ok((shown, doubt))
    }

    fn state(&self, size: u64, found: &Found<'_>) -> State {
        if let Some(first) = found.gone.iter().map(|gone| gone.withdrawn_on).min() {
            return State::StillShows { openings: found.gone.len() as u64, since_days: self.days_since(first) };
        }
        let unseen = || self.plan.withdrawals.iter().filter(|(index, _)| *index >= size);
        match unseen().map(|(_, day)| *day).min() {
            Some(first) => {
                State::NotYetSeen { withdrawals: unseen().count() as u64, since_days: self.days_since(first) }
            }
            None if found.unproven > 0 => State::Unproven { files: found.unproven },
            None => State::Followed,
        }
    }

    fn days_since(&self, day: NaiveDate) -> u64 {
        u64::try_from((self.today - day).num_days()).unwrap_or(0)
    }
}

/// Of each, whether it is open; an error where that cannot be said.
type Verdicts = Vec<Result<bool, String>>;

/// Reads the file of a bundle. Shown is shown, whatever else is wrong with a line; that something is not shown needs a
/// line that leads to the statement's root.
fn open_slots(bytes: &[u8], bundle: u64, known: &[&Gone<'_>]) -> Result<Verdicts, String> {
    let all = parse_openings(bytes, bundle).map_err(|error| chain(&error))?;
    let verdict = |gone: &&Gone<'_>| {
        let StillShown { target, place, .. } = &gone.shown;
        let openings = all.iter().find(|openings| openings.index == *target);
        let openings = openings.ok_or_else(|| format!("没有第 {target} 号条目"))?;
        if openings.open.iter().any(|open| Place::Slot(open.slot.into()) == *place) {
            return Ok(true);
        }
        openings.check(gone.statement).map(|()| false).map_err(|error| chain(&error))
    };
    Ok(known.iter().map(verdict).collect())
}

/// Reads the file of a list, in the same way.
fn open_lines(bytes: Vec<u8>, known: &[&Gone<'_>]) -> Result<Verdicts, String> {
    let text = String::from_utf8(bytes).map_err(|error| chain(&error))?;
    let list = List::parse(&text).map_err(|error| chain(&error))?;
    let Some(statement) = known.first().map(|gone| gone.statement) else { return Ok(Vec::new()) };
    // Salts and the statement's id are under the root: no two statements have one list.
    let Statement { origin, stream, revision, .. } = statement;
    let (root, count) = (statement.lines_root().unwrap_or(Digest::ZERO), statement.lines_count().unwrap_or(0));
    let checked = list.check(origin, stream, *revision, &root, count).map_err(|error| chain(&error));
    let verdict = |gone: &&Gone<'_>| {
        let is_open = |row: &Row| Place::Line(row.line()) == gone.shown.place && matches!(row, Row::Open { .. });
        if list.rows.iter().any(is_open) { Ok(true) } else { checked.clone().map(|()| false) }
    };
    Ok(known.iter().map(verdict).collect())
}
