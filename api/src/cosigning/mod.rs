//! Cosigning: asks the witnesses of a policy to cosign each checkpoint before it is published (c2sp.org/tlog-policy).
//!
//! Witnesses are asked at the same time, each on a thread of its own. A checkpoint is published as soon as the quorum of
//! the policy has cosigned and the others had a moment to; without a quorum it is not, and is tried again. Nothing here
//! holds up recording, and nothing takes longer than the configured time: who does not answer counts as absent, and who
//! was absent is left alone for a while unless the quorum cannot do without.
//!
//! What happened last with each witness is kept in memory ([`Standing`]), for the status page and the log of the program,
//! which hears of changes only. Not here: the protocol with one witness (`asking`), being a witness (`crate::witness`),
//! writing the checkpoint (the store's publisher).

pub mod asking;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use gongkai_log::policy::{POLICY_BYTES_MAX, PolicyError};
use gongkai_log::{Checkpoint, Note, NoteSignature, Policy, VerifierKey};
use gongkai_store::{Clock, Cosigners, DirectoryFetch, Layout, NoQuorum};

use self::asking::{Asking, Denial};
use crate::outcome::{Fault, chain};

/// How long the others may take once the quorum is there.
const GRACE: Duration = Duration::from_millis(500);
/// Longest rest of a witness that keeps failing.
const REST_MAX: Duration = Duration::from_mins(1);

/// What happened last with a witness.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It was not asked yet, or has no address.
    Unasked,
    /// It cosigned.
    Cosigned {
        /// Entries of the checkpoint.
        size: u64,
    },
    /// It did not.
    Denied(Denial),
}

impl State {
    /// The sentence for people.
    pub fn sentence(&self) -> String {
        match self {
            Self::Unasked => "还没有问过".to_owned(),
            Self::Cosigned { size } => format!("已联署到第 {size} 条"),
            Self::Denied(denial) => match denial {
                Denial::Unreachable(_) => "连不上".to_owned(),
                Denial::Slow => "没有按时答复".to_owned(),
                Denial::Unknown => "它没有为这本账见证".to_owned(),
                Denial::Ahead { recorded } => {
                    format!("它联署过 {recorded} 条，比这本账现有的多：账本被退回过，或另有一本用同一把钥匙")
                }
                Denial::Forked => "它说这本账和它联署过的对不上".to_owned(),
                Denial::Refused { status } => format!("它不肯联署（应答 {status}）"),
                Denial::Lying(_) => "它的应答不是有效的联署".to_owned(),
                Denial::Ours(_) => "本账的日志文件读不出，没有问成".to_owned(),
            },
        }
    }

    /// Whether two histories may be about, or somebody speaks in the witness's name.
    pub fn is_wrong(&self) -> bool {
        matches!(self, Self::Denied(Denial::Ahead { .. } | Denial::Forked | Denial::Lying(_)))
    }
}

/// Where a witness stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Its name in the policy.
    pub name: String,
    /// What happened last.
    pub state: State,
    /// Since when it is so.
    pub since: Option<DateTime<Utc>>,
}

/// What a witness has recorded of the log, by its name in the policy; `None` for one without an address.
pub type Looked = (String, Option<Result<Option<Note>, Denial>>);

/// One checkpoint to cosign.
struct Job {
    checkpoint: Checkpoint,
    note: Note,
    answers: mpsc::Sender<(usize, Option<NoteSignature>)>,
}

/// A witness of the policy.
struct Witness {
    standing: Mutex<Standing>,
    // How often it failed in a row, and until when it is left alone.
    rest: Mutex<(u32, Option<Instant>)>,
    jobs: Option<mpsc::SyncSender<Job>>,
}

struct Inner {
    text: String,
    policy: Policy,
    origin: String,
    time_max: Duration,
    clock: Arc<dyn Clock>,
    witnesses: Vec<Arc<Witness>>,
    urls: Vec<Option<String>>,
    tiles: DirectoryFetch,
}

/// See the module. Clones share everything.
#[derive(Clone)]
pub struct Cosigning(Arc<Inner>);

impl std::fmt::Debug for Cosigning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Cosigning({} witnesses)", self.0.witnesses.len())
    }
}

// Nothing is left half done in the short critical sections below.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Cosigning {
    /// Reads the policy of a ledger and starts a thread for each witness that has an address.
    ///
    /// # Errors
    /// A fault of wrong use: no such file, no policy, another log's, or a quorum that cannot come together.
    pub fn begin(
        file: &Path,
        layout: &Layout,
        log: &VerifierKey,
        time_max: Duration,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Fault> {
        let text = read(file)?;
        let place = file.display().to_string();
        let policy = Policy::parse(&text).map_err(|error| {
            Fault::usage(place.clone(), chain(&error)).mend("格式见 C2SP tlog-policy：witness、group、quorum 各占一行")
        })?;
        if !policy.logs().is_empty() && !policy.logs().iter().any(|listed| listed.key == *log) {
            return Err(Fault::usage(place, format!("log 行里没有这本账的验证钥匙 {log}")));
        }
        let addressed: Vec<bool> = policy.witnesses().iter().map(|witness| witness.url.is_some()).collect();
        if !policy.suffices(&addressed) {
            return Err(Fault::usage(place, "有地址的见证方凑不够 quorum 要求的数目，检查点将永远不能公布")
                .mend("请给 witness 行写上地址，或改 quorum"));
        }
        let tiles = DirectoryFetch::new(layout.log());
        let urls: Vec<_> = policy.witnesses().iter().map(|witness| witness.url.clone()).collect();
        let mut witnesses = Vec::new();
        for (place, listed) in policy.witnesses().iter().enumerate() {
            let asking = listed.url.as_ref().map(|url| Asking::new(&listed.key, url, tiles.clone(), time_max));
            let witness = started(place, &listed.name, asking, &clock);
            witnesses.push(witness.map_err(|error| Fault::failed("见证", &error))?);
        }
        let origin = log.name().to_owned();
        Ok(Self(Arc::new(Inner { text, policy, origin, time_max, clock, witnesses, urls, tiles })))
    }

    /// Where each witness stands, in the policy's order.
    pub fn standings(&self) -> Vec<Standing> {
        self.0.witnesses.iter().map(|witness| lock(&witness.standing).clone()).collect()
    }

    /// Whether readers with this policy accept a checkpoint.
    ///
    /// # Errors
    /// [`PolicyError`] says what is missing.
    pub fn judge(&self, note: &Note) -> Result<(), PolicyError> {
        self.0.policy.check(note).map(drop)
    }

    /// Asks each witness what it has recorded of this log, all at the same time.
    pub fn look(&self) -> Vec<Looked> {
        let inner = &self.0;
        let ask = |place: usize| {
            let listed = inner.policy.witnesses().get(place)?;
            let asking =
                Asking::new(&listed.key, inner.urls.get(place)?.as_ref()?, inner.tiles.clone(), inner.time_max);
            Some(asking.recorded(&inner.origin))
        };
        thread::scope(|scope| {
            let asked: Vec<_> = (0..inner.witnesses.len()).map(|place| scope.spawn(move || ask(place))).collect();
            let answers = asked.into_iter().map(|asked| asked.join().unwrap_or(None));
            let names = inner.policy.witnesses().iter().map(|listed| listed.name.clone());
            names.zip(answers).collect()
        })
    }
}

fn read(file: &Path) -> Result<String, Fault> {
    let place = || file.display().to_string();
    let size = std::fs::metadata(file).map_err(|error| Fault::failed(place(), &error))?.len();
    if size > POLICY_BYTES_MAX as u64 {
        return Err(Fault::usage(place(), "见证规则文件太大"));
    }
    std::fs::read_to_string(file).map_err(|error| Fault::failed(place(), &error))
}

/// A witness, and its thread if it has an address.
fn started(
    place: usize,
    name: &str,
    asking: Option<Asking<DirectoryFetch>>,
    clock: &Arc<dyn Clock>,
) -> Result<Arc<Witness>, std::io::Error> {
    // One job at a time: who has not answered the last one is slow.
    let (jobs, work) = mpsc::sync_channel::<Job>(1);
    let standing = Standing { name: name.to_owned(), state: State::Unasked, since: None };
    let witness = Arc::new(Witness {
        standing: Mutex::new(standing),
        rest: Mutex::new((0, None)),
        jobs: asking.is_some().then_some(jobs),
    });
    if let Some(mut asking) = asking {
        let (shown, clock) = (Arc::downgrade(&witness), Arc::clone(clock));
        // Ends when the last handle is gone, and with it the sender of its jobs.
        thread::Builder::new().name(format!("witness {name}")).spawn(move || {
            for job in work {
                let answered = asking.cosignature(&job.checkpoint, &job.note);
                let state = match &answered {
                    Ok(_) => State::Cosigned { size: job.checkpoint.size },
                    Err(denial) => State::Denied(denial.clone()),
                };
                let Some(witness) = shown.upgrade() else { return };
                witness.stands(state, clock.now());
                // Who asked may have stopped waiting.
                let _ = job.answers.send((place, answered.ok()));
            }
        })?;
    }
    Ok(witness)
}

impl Witness {
    /// Notes what happened; tells the program's log when it is another thing than before.
    fn stands(&self, state: State, now: DateTime<Utc>) {
        {
            let mut rest = lock(&self.rest);
            *rest = match state {
                State::Denied(_) => {
                    let pause = Duration::from_secs(1 << rest.0.min(6)).min(REST_MAX);
                    (rest.0 + 1, Some(Instant::now() + pause))
                }
                _ => (0, None),
            };
        }
        let mut standing = lock(&self.standing);
        if std::mem::discriminant(&standing.state) != std::mem::discriminant(&state) || standing.state.is_wrong() {
            if let State::Denied(denial) = &state {
                tracing::warn!(witness = standing.name, ?denial, "a witness did not cosign");
            } else {
                tracing::info!(witness = standing.name, "a witness cosigns");
            }
            standing.since = Some(now);
        }
        standing.state = state;
    }

    fn is_resting(&self) -> bool {
        lock(&self.rest).1.is_some_and(|until| Instant::now() < until)
    }
}

impl Inner {
    /// Whom to ask: those who did not just fail, or all when these are no quorum.
    fn asked(&self) -> Vec<bool> {
        let rested: Vec<bool> = self.witnesses.iter().map(|w| w.jobs.is_some() && !w.is_resting()).collect();
        if self.policy.suffices(&rested) { rested } else { self.witnesses.iter().map(|w| w.jobs.is_some()).collect() }
    }

    /// Hands the checkpoint to whom is asked; gives where the answers arrive, and how many may.
    fn hand_out(
        &self,
        checkpoint: &Checkpoint,
        note: &Note,
    ) -> (mpsc::Receiver<(usize, Option<NoteSignature>)>, usize) {
        let (answers, received) = mpsc::channel();
        let mut open = 0;
        for (witness, _) in self.witnesses.iter().zip(self.asked()).filter(|(_, asked)| *asked) {
            let Some(jobs) = &witness.jobs else { continue };
            let job = Job { checkpoint: checkpoint.clone(), note: note.clone(), answers: answers.clone() };
            match jobs.try_send(job) {
                Ok(()) => open += 1,
                Err(_) => witness.stands(State::Denied(Denial::Slow), self.clock.now()),
            }
        }
        (received, open)
    }

    /// The cosignatures that come in time, in the policy's order.
    fn gather(&self, received: &mpsc::Receiver<(usize, Option<NoteSignature>)>, mut open: usize) -> Vec<NoteSignature> {
        let begun = Instant::now();
        let mut lines: Vec<Option<NoteSignature>> = vec![None; self.witnesses.len()];
        let mut until = begun + self.time_max;
        while open > 0 {
            let have: Vec<bool> = lines.iter().map(Option::is_some).collect();
            if self.policy.suffices(&have) {
                until = until.min(Instant::now() + GRACE);
            }
            let Ok((place, line)) = received.recv_timeout(until.saturating_duration_since(Instant::now())) else {
                break;
            };
            open -= 1;
            if let Some(slot) = lines.get_mut(place) {
                *slot = line;
            }
        }
        lines.into_iter().flatten().collect()
    }
}

impl Cosigners for Cosigning {
    fn policy(&self) -> String {
        self.0.text.clone()
    }

    fn witnessed(&self) -> Vec<Note> {
        self.look().into_iter().filter_map(|(_, answer)| answer?.ok().flatten()).collect()
    }

    fn cosign(&self, checkpoint: &Checkpoint, mut note: Note) -> Result<Note, NoQuorum> {
        let (received, open) = self.0.hand_out(checkpoint, &note);
        note.signatures.extend(self.0.gather(&received, open));
        // What we publish is what readers with this policy accept, by the same code.
        match self.0.policy.check(&note) {
            Ok(_) => Ok(note),
            Err(error) => Err(NoQuorum(chain(&error))),
        }
    }
}
