//! Mirrors: whether the machines that copy our published log have followed its withdrawals.
//!
//! A mirror is told by the log itself: `slot.withdrawn` is a public entry, and `GET /api/v1/withdrawals` lists them for
//! those who poll. Here we look whether it did: each configured address is asked for its checkpoint, and for the files
//! from which something was withdrawn. What it says is believed only under our own key; what it shows is compared slot by
//! slot and line by line. Nothing of the content is kept or told, only how much of it is still there and since when.
//!
//! Bounded in time, bytes, files and mirrors, one thread a mirror, none of them the ledger's. Who runs a mirror is told
//! by people; we only list. Not here: copying a log (that is the mirror's), pages and answers (`http`), the sentences that
//! say what to do (`cli/doctor`). To look at another kind of published file, add its line to [`Plan::new`].

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use chrono::{DateTime, NaiveDate, Utc};
use gongkai_domain::procedure::recorded_on;
use gongkai_log::list::LIST_BYTES_MAX;
use gongkai_log::{Fetch as _, List, Openings, Row, VerifierKey, checkpoint, tile};
use gongkai_store::{Clock, Ledger, Withdrawal};
use serde::Serialize;

use crate::fetch::{self, FetchError, HttpFetch, OPENINGS_BYTES_MAX};
use crate::outcome::chain;

/// Most mirrors that are looked at.
pub const MIRRORS_MAX: usize = 16;
/// Most files that are asked of one mirror at a time; the newest withdrawals come first.
const FILES_MAX: usize = 256;
/// How long one mirror may take altogether.
const MIRROR_TIME_MAX: Duration = Duration::from_secs(120);
/// How long one of its answers may take.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(20);
/// How often a server looks.
const LOOK_EVERY: Duration = Duration::from_secs(600);

/// Where a mirror stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum State {
    /// Everything that was withdrawn is gone there too.
    Followed,
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
    /// It does not answer, or not with what a log has.
    Unreachable,
    /// Its checkpoint is not signed by this ledger.
    Forged,
}

impl State {
    /// The sentence for people.
    pub fn sentence(&self) -> String {
        match self {
            Self::Followed => "已跟随撤下".to_owned(),
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
    /// Files that were not asked for, because there were too many or the time was over.
    pub unchecked: u64,
    /// Why it was not read, for whoever runs this ledger.
    pub reason: Option<String>,
}

/// The mirrors of a ledger and what was last found at them. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Mirrors(Arc<Known>);

#[derive(Debug, Default)]
struct Known {
    urls: Vec<String>,
    found: RwLock<Option<(DateTime<Utc>, Vec<Report>)>>,
}

impl Mirrors {
    /// The mirrors at these addresses, not looked at yet.
    pub fn new(urls: Vec<String>) -> Self {
        Self(Arc::new(Known { urls, found: RwLock::default() }))
    }

    /// Their addresses.
    pub fn urls(&self) -> &[String] {
        &self.0.urls
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
        loop {
            every.tick().await;
            let withdrawals = match ledger.reader().withdrawals().await {
                Ok(withdrawals) => withdrawals,
                Err(error) => {
                    tracing::error!(error = %error, "the withdrawals could not be read for the mirrors");
                    continue;
                }
            };
            let (urls, vkey, now) = (self.0.urls.clone(), ledger.vkey(), clock.now());
            let (tell, told) = tokio::sync::oneshot::channel();
            let asking = std::thread::Builder::new().name("mirrors".into());
            let asked = asking.spawn(move || tell.send(check(&urls, &withdrawals, &vkey, now)));
            if let (Ok(_), Ok(reports)) = (asked, told.await) {
                *self.0.found.write().unwrap_or_else(PoisonError::into_inner) = Some((now, reports));
            }
        }
    }
}

/// Asks every mirror, all at the same time. It blocks: not for an asynchronous thread.
pub fn check(urls: &[String], withdrawals: &[Withdrawal], vkey: &VerifierKey, now: DateTime<Utc>) -> Vec<Report> {
    let plan = Plan::new(withdrawals);
    let today = recorded_on(now);
    std::thread::scope(|scope| {
        let asked: Vec<_> = urls
            .iter()
            .map(|url| {
                let plan = &plan;
                (url, scope.spawn(move || Asked::new(url, plan, vkey, today).report()))
            })
            .collect();
        let unfinished = |url: &str| Report {
            url: url.to_owned(),
            state: State::Unreachable,
            size: None,
            shown: Vec::new(),
            unchecked: 0,
            reason: Some("核对没有做完".to_owned()),
        };
        asked.into_iter().map(|(url, thread)| thread.join().unwrap_or_else(|_| unfinished(url))).collect()
    })
}

/// One thing that a file must not show.
#[derive(Clone, Debug)]
struct Gone {
    shown: StillShown,
    withdrawn_on: NaiveDate,
}

/// What to ask for, the newest withdrawals first.
#[derive(Debug)]
struct Plan {
    // Index and day of every withdrawal.
    withdrawals: Vec<(u64, NaiveDate)>,
    files: Vec<(String, Vec<Gone>)>,
    left_out: u64,
}

impl Plan {
    fn new(withdrawals: &[Withdrawal]) -> Self {
        let mut files: BTreeMap<String, Vec<Gone>> = BTreeMap::new();
        for withdrawal in withdrawals {
            let gone = |place| Gone {
                shown: StillShown { withdrawal: withdrawal.index, target: withdrawal.target, place },
                withdrawn_on: recorded_on(withdrawal.recorded_at),
            };
            let slots = withdrawal.slots.iter().map(|slot| gone(Place::Slot(*slot)));
            let path = tile::openings_path(withdrawal.target / tile::TILE_WIDTH);
            files.entry(path).or_default().extend(slots);
            if let Some(root) = &withdrawal.lines_root {
                let lines = withdrawal.lines.iter().map(|line| gone(Place::Line(*line)));
                files.entry(tile::lines_path(root)).or_default().extend(lines);
            }
        }
        files.retain(|_, gone| !gone.is_empty());
        let mut files: Vec<_> = files.into_iter().collect();
        files.sort_by_key(|(_, gone)| std::cmp::Reverse(gone.iter().map(|gone| gone.shown.withdrawal).max()));
        let left_out = files.len().saturating_sub(FILES_MAX) as u64;
        files.truncate(FILES_MAX);
        let withdrawals = withdrawals.iter().map(|gone| (gone.index, recorded_on(gone.recorded_at))).collect();
        Self { withdrawals, files, left_out }
    }
}

/// One mirror that is being asked.
struct Asked<'a> {
    url: &'a str,
    fetch: HttpFetch,
    plan: &'a Plan,
    vkey: &'a VerifierKey,
    today: NaiveDate,
    until: Instant,
}

/// Why a mirror was not read to the end.
enum Trouble {
    Unreachable(String),
    Forged(String),
}

impl From<FetchError> for Trouble {
    fn from(error: FetchError) -> Self {
        Self::Unreachable(chain(&error))
    }
}

impl<'a> Asked<'a> {
    fn new(url: &'a str, plan: &'a Plan, vkey: &'a VerifierKey, today: NaiveDate) -> Self {
        let fetch = HttpFetch::with(fetch::agent_within(ANSWER_TIME_MAX), url);
        Self { url, fetch, plan, vkey, today, until: Instant::now() + MIRROR_TIME_MAX }
    }

    fn report(&self) -> Report {
        let (mut gone, mut unchecked) = (Vec::new(), self.plan.left_out);
        let size = self.size();
        let read = match &size {
            Ok(size) => self.files(*size, &mut gone, &mut unchecked),
            Err(Trouble::Unreachable(reason)) => Err(Trouble::Unreachable(reason.clone())),
            Err(Trouble::Forged(reason)) => Err(Trouble::Forged(reason.clone())),
        };
        let size = size.ok();
        let since = gone.iter().map(|gone: &Gone| gone.withdrawn_on).min();
        let (state, reason) = match (read, since) {
            // What was seen stays seen, also when the mirror answered nothing after.
            (Err(Trouble::Unreachable(reason)), None) => (State::Unreachable, Some(reason)),
            (Err(Trouble::Forged(reason)), _) => (State::Forged, Some(reason)),
            (_, Some(since)) => {
                (State::StillShows { openings: gone.len() as u64, since_days: self.days_since(since) }, None)
            }
            (Ok(()), None) => (self.behind(size.unwrap_or(0)), None),
        };
        let mut shown: Vec<StillShown> = gone.into_iter().map(|gone| gone.shown).collect();
        shown.sort_unstable();
        Report { url: self.url.to_owned(), state, size, shown, unchecked, reason }
    }

    fn days_since(&self, day: NaiveDate) -> u64 {
        u64::try_from((self.today - day).num_days()).unwrap_or(0)
    }

    /// How far it is, by a checkpoint that we signed.
    fn size(&self) -> Result<u64, Trouble> {
        let bytes = self.fetch.checkpoint()?;
        let forged = |reason: &dyn std::error::Error| Trouble::Forged(chain(reason));
        let text = String::from_utf8(bytes).map_err(|error| forged(&error))?;
        let (checkpoint, _) = checkpoint::open(&text, self.vkey).map_err(|error| forged(&error))?;
        Ok(checkpoint.size)
    }

    /// What it shows of what it knows to be withdrawn.
    fn files(&self, size: u64, found: &mut Vec<Gone>, unchecked: &mut u64) -> Result<(), Trouble> {
        for (path, gone) in &self.plan.files {
            let known: Vec<&Gone> = gone.iter().filter(|gone| gone.shown.withdrawal < size).collect();
            if known.is_empty() {
                continue;
            }
            if Instant::now() > self.until {
                *unchecked += 1;
                continue;
            }
            let is_list = path.starts_with("lines/");
            let bytes = self.fetch.get(path, if is_list { LIST_BYTES_MAX } else { OPENINGS_BYTES_MAX })?;
            let Some(bytes) = bytes else { continue };
            let unread = || Trouble::Unreachable(format!("{path} 的内容不成格式"));
            let text = String::from_utf8(bytes).map_err(|_| unread())?;
            let open = if is_list { open_lines(&text) } else { open_slots(&text, &known) }.ok_or_else(unread)?;
            let target = |place| if is_list { None } else { Some(place) };
            found.extend(
                known.into_iter().filter(|gone| open.contains(&(target(gone.shown.target), gone.shown.place))).cloned(),
            );
        }
        Ok(())
    }

    /// Of a mirror that shows nothing withdrawn: whether it has still to learn of a withdrawal.
    fn behind(&self, size: u64) -> State {
        let unseen: Vec<NaiveDate> =
            self.plan.withdrawals.iter().filter(|(index, _)| *index >= size).map(|(_, day)| *day).collect();
        match unseen.iter().min() {
            Some(first) => State::NotYetSeen { withdrawals: unseen.len() as u64, since_days: self.days_since(*first) },
            None => State::Followed,
        }
    }
}

/// Which of these entries' slots are open; an entry with a place.
type Open = Vec<(Option<u64>, Place)>;

fn open_slots(text: &str, wanted: &[&Gone]) -> Option<Open> {
    let mut open = Vec::new();
    for line in text.lines() {
        // Parsing 256 lines costs more than asking which of them can matter.
        if wanted.iter().any(|gone| line.contains(&format!("\"index\":{},", gone.shown.target))) {
            let openings = Openings::parse_line(line).ok()?;
            let slots = openings.open.iter().map(|slot| Place::Slot(slot.slot.into()));
            open.extend(slots.map(|slot| (Some(openings.index), slot)));
        }
    }
    Some(open)
}

fn open_lines(text: &str) -> Option<Open> {
    let list = List::parse(text).ok()?;
    let open = |row: &Row| matches!(row, Row::Open { .. }).then(|| (None, Place::Line(row.line())));
    Some(list.rows.iter().filter_map(open).collect())
}
