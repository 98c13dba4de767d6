//! Mirrors that a running ledger keeps handing its log to, and how far each is.
//!
//! One thread a mirror, one upload at a time. What is kept in memory is for the status page and the program's log; a
//! mirror that fails is left alone for a while. Nothing waits for a mirror: publishing goes on without.

use std::sync::{Arc, Mutex, PoisonError, Weak, mpsc};
use std::time::Duration;
use std::{io, thread};

use chrono::{DateTime, Utc};
use gongkai_log::{Checkpoint, Fetch as _, Note};
use gongkai_store::{Clock, DirectoryFetch, Layout};

use super::Pushing;
use crate::config::PushTo;
use crate::cosigning::asking::Denial;
use crate::cosigning::{Standing, State};

/// How often the published checkpoint is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Longest rest of a mirror that keeps failing.
const REST_MAX: Duration = Duration::from_mins(10);

/// The mirrors that are handed the log, and where each stands. Clones share everything.
#[derive(Clone, Debug, Default)]
pub struct Kept(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    standings: Vec<Mutex<Standing>>,
    // When these are gone the threads end.
    _ends: Vec<mpsc::Sender<()>>,
}

/// The sentence for people about such a mirror.
pub fn sentence(state: &State) -> String {
    match state {
        State::Unasked => "还没有推送过".to_owned(),
        State::Cosigned { size } => format!("已存到第 {size} 条，并已联署"),
        State::Denied(Denial::Unknown) => "它不存这本账".to_owned(),
        State::Denied(Denial::Refused { status }) => format!("它不肯存（应答 {status}）"),
        State::Denied(Denial::Forked) => "它说这本账和它存的对不上".to_owned(),
        State::Denied(Denial::Ahead { recorded }) => {
            format!("它已知 {recorded} 条，比这本账现有的多：账本被退回过，或另有一本用同一把钥匙")
        }
        denied @ State::Denied(_) => denied.sentence(),
    }
}

impl Kept {
    /// Begins to hand every checkpoint that is published to these mirrors, each on a thread of its own, which ends with the
    /// last clone; the process does not wait for it, because nothing is lost with an upload that breaks off.
    ///
    /// # Errors
    /// No more threads.
    pub fn begin(to: &[PushTo], layout: &Layout, clock: &Arc<dyn Clock>) -> io::Result<Self> {
        let (ends, waits): (Vec<_>, Vec<_>) = to.iter().map(|_| mpsc::channel()).unzip();
        let standing = |to: &PushTo| Standing { name: to.key.name().to_owned(), state: State::Unasked, since: None };
        let standings = to.iter().map(standing).map(Mutex::new).collect();
        let kept = Self(Arc::new(Inner { standings, _ends: ends }));
        for ((place, to), wait) in to.iter().enumerate().zip(waits) {
            let log = DirectoryFetch::new(layout.log());
            let pushing = Pushing::new(&to.key, &to.url, log.clone());
            let one = One { kept: Arc::downgrade(&kept.0), place, clock: Arc::clone(clock), wait };
            thread::Builder::new().name(format!("push {place}")).spawn(move || one.keep(pushing, &log))?;
        }
        Ok(kept)
    }

    /// Where each stands.
    pub fn standings(&self) -> Vec<Standing> {
        let standings = self.0.standings.iter();
        standings.map(|standing| standing.lock().unwrap_or_else(PoisonError::into_inner).clone()).collect()
    }
}

impl Inner {
    fn stands(&self, place: usize, state: State, now: DateTime<Utc>) {
        let Some(standing) = self.standings.get(place) else { return };
        let mut standing = standing.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::discriminant(&standing.state) != std::mem::discriminant(&state) {
            if let State::Denied(denial) = &state {
                tracing::warn!(mirror = standing.name, ?denial, "a mirror was not handed the log");
            } else {
                tracing::info!(mirror = standing.name, "a mirror has the log");
            }
            standing.since = Some(now);
        }
        standing.state = state;
    }
}

/// One of them, on its thread.
struct One {
    kept: Weak<Inner>,
    place: usize,
    clock: Arc<dyn Clock>,
    wait: mpsc::Receiver<()>,
}

impl One {
    fn keep(self, mut pushing: Pushing<DirectoryFetch>, log: &DirectoryFetch) {
        let (mut handed, mut failures) = (String::new(), 0u32);
        let mut pause = Duration::ZERO;
        // Nothing is ever sent: the wait ends with its time, or with the last handle.
        while self.wait.recv_timeout(pause) == Err(mpsc::RecvTimeoutError::Timeout) {
            pause = LOOK_EVERY;
            let Some((checkpoint, note)) = published(log).filter(|(_, note)| note.text != handed) else { continue };
            let state = match pushing.push(&checkpoint, &note, |_| self.kept.strong_count() > 0) {
                Ok(None) => return,
                Ok(Some(_)) => {
                    (handed, failures) = (note.text, 0);
                    State::Cosigned { size: checkpoint.size }
                }
                Err(denial) => {
                    pause = LOOK_EVERY.saturating_mul(1 << failures.min(16)).min(REST_MAX);
                    failures += 1;
                    State::Denied(denial)
                }
            };
            let Some(kept) = self.kept.upgrade() else { return };
            kept.stands(self.place, state, self.clock.now());
        }
    }
}

/// The checkpoint that is published; `None` before the first.
fn published(log: &DirectoryFetch) -> Option<(Checkpoint, Note)> {
    let note = Note::parse(&String::from_utf8(log.checkpoint().ok()?).ok()?).ok()?;
    Some((Checkpoint::parse(&note.text).ok()?, note))
}
