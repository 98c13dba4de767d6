//! Reading an intake's log, and what the ledger owes it: for `audit --intake`, and for mirrors, which show it.
//!
//! The log is believed under the key that the ledger itself put on record, and checked as any log is (`gongkai_log::fsck`);
//! nothing in it but periods. Beside it lies the list that the intake signs of the single packets that are overdue; what the
//! ledger has answered since is left out of it. What cannot be read says nothing, and is told as that.

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use chrono::{DateTime, Utc};
use gongkai_domain::gap::{GapError, LATE_BYTES_MAX, Lapse, Late, LatePacket, Period, lapses};
use gongkai_domain::world::Intake;
use gongkai_log::{
    Authority, Content, Entry, Fetch, FsckError, KeyRing, Openings, Options, Reached, VerifierKey, fsck_from,
};
use gongkai_projections::Views;
use gongkai_store::{Clock, DirectoryFetch, LATE_FILE};
use serde::Serialize;
use tokio::time::MissedTickBehavior;

use crate::fetch::{self, HttpFetch};
use crate::http::zone;
use crate::outcome::{Fault, chain};

/// How often a mirror looks.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Most intakes that are looked at.
pub const INTAKES_MAX: usize = 8;
/// How long one answer of an intake may take.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(20);

/// Packets that are told one by one; the others are counted.
const LATE_TOLD_MAX: usize = 20;

/// What an intake's log holds that it must not, or what the ledger owes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Owed {
    /// Origin of the intake's log.
    pub intake: String,
    /// Periods of its log.
    pub size: u64,
    /// Up to which the ledger has answered.
    pub answered: u64,
    /// Since when the first batch waits that is not answered.
    pub waiting_since: Option<DateTime<Utc>>,
    /// What is missing.
    pub lapses: Vec<Lapse>,
    /// How many single packets were not answered by their deadlines, as the intake says.
    pub late_count: u64,
    /// The first of them.
    pub late: Vec<LatePacket>,
}

impl Owed {
    /// Whether the ledger answered another history than the intake's log shows.
    pub fn is_forged(&self) -> bool {
        self.lapses.iter().any(|lapse| matches!(lapse, Lapse::Other { .. } | Lapse::Beyond { .. }))
    }

    /// One sentence for each lapse, and for each of the first packets that are late.
    pub fn sentences(&self) -> Vec<String> {
        let time = |at: &DateTime<Utc>| at.with_timezone(&zone()).format("%Y-%m-%d %H:%M").to_string();
        let lapses = self.lapses.iter().map(|lapse| lapse.sentence(time));
        let late = self.late.iter().take(LATE_TOLD_MAX).map(|packet| packet.sentence(time));
        let left = self.late_count.saturating_sub(LATE_TOLD_MAX as u64);
        let more = (left > 0).then(|| format!("网上收件另有 {left} 件过期没有答复"));
        lapses.chain(late).chain(more).collect()
    }
}

/// Collects the periods of a log that has nothing else.
struct Watching {
    ring: KeyRing,
    periods: Vec<Period>,
}

impl Authority for Watching {
    const READS_OPENINGS: bool = false;

    fn key(&self, name: &str) -> Option<&VerifierKey> {
        self.ring.key(name)
    }

    fn observe(&mut self, entry: &Entry, openings: Option<&Openings>) -> Result<(), String> {
        let Content::Sealed(_) = &entry.content else { return Err("an intake's log holds periods only".to_owned()) };
        self.ring.observe(entry, openings)?;
        self.periods.push(Period { index: entry.index, recorded_at: entry.recorded_at, entry_hash: entry.hash });
        Ok(())
    }
}

/// How far an intake's log was read, so that it is read once.
struct Followed {
    key: VerifierKey,
    watching: Watching,
    reached: Reached,
}

impl Followed {
    fn new(key: VerifierKey) -> Self {
        let ring = KeyRing::new([key.clone()]).with_intake(key.name());
        Self { key, watching: Watching { ring, periods: Vec::new() }, reached: Reached::default() }
    }

    /// Checks what is new, which must continue what was read before.
    fn further<F: Fetch>(mut self, fetch: &F) -> Result<Self, FsckError<F::Error>> {
        let options = Options { threads: 1, ..Options::default() };
        let (_, reached) = fsck_from(self.reached, fetch, &mut self.watching, &self.key, &options)?;
        self.reached = reached;
        Ok(self)
    }
}

/// Where an intake's log is read.
enum Source {
    Url(HttpFetch),
    Dir(DirectoryFetch),
}

impl Source {
    fn of(text: &str) -> Self {
        if text.starts_with("http://") || text.starts_with("https://") {
            Self::Url(HttpFetch::with(fetch::agent_staying(ANSWER_TIME_MAX), text))
        } else {
            let dir = Path::new(text);
            let log = dir.join("log");
            Self::Dir(DirectoryFetch::new(if log.is_dir() { log } else { dir.to_owned() }))
        }
    }

    fn vkey(&self, place: &str) -> Result<VerifierKey, Fault> {
        let bytes = match self {
            Self::Url(fetch) => fetch.get("vkey", 4_096).map_err(|error| Fault::failed(place, &error))?,
            Self::Dir(fetch) => fetch.extra("vkey").map_err(|error| Fault::failed(place, &error))?,
        };
        let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
        let key = text.and_then(|text| VerifierKey::parse(text.trim()).ok());
        key.ok_or_else(|| Fault::usage(place, "这里没有收件处的日志").mend("请核对收件处的网址或目录"))
    }

    /// The packets that are overdue, as the intake signed it last; `None` where no period has told yet.
    fn late(&self, place: &str, vkey: &VerifierKey) -> Result<Option<Late>, Fault> {
        let bytes = match self {
            Self::Url(fetch) => fetch.get(LATE_FILE, LATE_BYTES_MAX).map_err(|error| Fault::failed(place, &error))?,
            Self::Dir(fetch) => fetch.extra(LATE_FILE).map_err(|error| Fault::failed(place, &error))?,
        };
        let untrue = |error: GapError| Fault::no(place, format!("收件处的过期清单不可信：{error}"));
        let read = |bytes: Vec<u8>| Late::open(&String::from_utf8_lossy(&bytes), vkey).map_err(untrue);
        bytes.map(read).transpose()
    }
}

fn refused<E: std::error::Error + Send + Sync + 'static>(place: &str, error: FsckError<E>) -> Fault {
    match error {
        FsckError::Finding(finding) => Fault::no(place, format!("收件处的日志核验不通过：{finding}")),
        FsckError::Read { path, source } => {
            Fault::failed(format!("{place} 的 {path}"), &source).mend("读不到不等于被改动；请检查网络或磁盘后再试")
        }
    }
}

/// What a ledger owes the intake whose log is at a place. Reads files or the network: not for an asynchronous thread.
///
/// # Errors
/// It cannot be read, is not what it should be, or none of these intakes is there.
pub fn owed(place: &str, intakes: &[Intake], now: DateTime<Utc>) -> Result<Owed, Fault> {
    owed_since(place, intakes, now, &mut None)
}

/// The same, going on from an earlier look.
fn owed_since(
    place: &str,
    intakes: &[Intake],
    now: DateTime<Utc>,
    before: &mut Option<Followed>,
) -> Result<Owed, Fault> {
    let source = Source::of(place);
    let vkey = source.vkey(place)?;
    let foreign = || Fault::no(place, format!("账本里没有设立「{}」这个收件处，或它换了钥匙", vkey.name()));
    let intake = intakes.iter().find(|intake| intake.key == vkey).ok_or_else(foreign)?;
    // Not put back where something fails: it is read from the beginning then.
    let late = source.late(place, &vkey)?.map(|late| late.beyond(intake.answered().0));
    let known = before.take().filter(|known| known.key == vkey).unwrap_or_else(|| Followed::new(vkey));
    let followed = match &source {
        Source::Url(fetch) => known.further(fetch).map_err(|error| refused(place, error))?,
        Source::Dir(fetch) => known.further(fetch).map_err(|error| refused(place, error))?,
    };
    let periods = &followed.watching.periods;
    let owed = Owed {
        intake: intake.key.name().to_owned(),
        size: periods.len() as u64,
        answered: intake.answered().0,
        waiting_since: periods.iter().find(|period| period.index >= intake.answered().0).map(|first| first.recorded_at),
        lapses: lapses(intake, periods, now),
        late_count: late.as_ref().map_or(0, |late| late.count),
        late: late.map(|late| late.packets).unwrap_or_default(),
    };
    *before = Some(followed);
    Ok(owed)
}

/// What was found at one intake.
pub type Found = (String, Result<Owed, String>);

/// The intakes that a site follows, and what was found last. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Intakes {
    places: Arc<[String]>,
    found: Arc<RwLock<Vec<Found>>>,
}

impl Intakes {
    /// Follows the logs at these places.
    pub fn new(places: Vec<String>) -> Self {
        Self { places: places.into(), found: Arc::default() }
    }

    /// The places.
    pub fn places(&self) -> &[String] {
        &self.places
    }

    /// What was found last, in the order of the places; nothing before the first look.
    pub fn found(&self) -> Vec<Found> {
        self.found.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Looks again and again, for ever.
    pub async fn watch(self, views: Views, clock: Arc<dyn Clock>) {
        if self.places.is_empty() {
            return;
        }
        let mut followed: Vec<Option<Followed>> = self.places.iter().map(|_| None).collect();
        let mut every = tokio::time::interval(LOOK_EVERY);
        every.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            every.tick().await;
            let now = clock.now();
            let Ok(reader) = views.read(now.with_timezone(&zone()).date_naive(), None).await else { continue };
            let intakes: Vec<Intake> = reader.world().intakes().cloned().collect();
            drop(reader);
            let places = Arc::clone(&self.places);
            let mut before = std::mem::take(&mut followed);
            let looking = tokio::task::spawn_blocking(move || {
                let look = |(place, before): (&String, &mut Option<Followed>)| {
                    let owed = owed_since(place, &intakes, now, before);
                    (place.clone(), owed.map_err(|fault| fault.to_string()))
                };
                let found: Vec<Found> = places.iter().zip(&mut before).map(look).collect();
                (found, before)
            });
            match looking.await {
                Ok((found, before)) => {
                    followed = before;
                    *self.found.write().unwrap_or_else(PoisonError::into_inner) = found;
                }
                Err(error) => {
                    tracing::error!(error = chain(&error), "looking at intakes");
                    return;
                }
            }
        }
    }
}
