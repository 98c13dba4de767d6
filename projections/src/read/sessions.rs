//! Sessions with the people (民情沟通面对面) at which pledges were made.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use gongkai_domain::kind::{self, Described as _, session};
use serde_json::Value;

use super::{ReadError, Reader, timeline::TimelineItem};

/// Sessions that are looked through for a pledge, the newest of the organization above and all below it.
const SESSIONS_MAX: u32 = 30;
/// Most organizations whose sessions are kept in mind.
const ORGANIZATIONS_MAX: usize = 4_096;

/// A session, and the streams of the pledges that were made at it.
type Session = (TimelineItem, Vec<String>);

/// Sessions by the organization at and below which they were held.
#[derive(Debug, Default)]
pub(super) struct Held(Mutex<HashMap<String, Arc<Vec<Session>>>>);

impl Held {
    fn of(&self, org: &str) -> Option<Arc<Vec<Session>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(org).cloned()
    }

    fn keep(&self, org: &str, sessions: &Arc<Vec<Session>>) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if held.len() >= ORGANIZATIONS_MAX {
            held.clear();
        }
        held.insert(org.to_owned(), Arc::clone(sessions));
    }
}

impl Reader {
    /// The sessions at which a pledge was made, of the newest at and below an organization.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn promised_at(&mut self, pledge: &str, org: &str) -> Result<Vec<TimelineItem>, ReadError> {
        let sessions = if let Some(sessions) = self.memory.sessions.of(org) {
            sessions
        } else {
            let sessions = Arc::new(self.sessions_of(org).await?);
            self.memory.sessions.keep(org, &sessions);
            sessions
        };
        let made = sessions.iter().filter(|(_, pledges)| pledges.iter().any(|made| made == pledge));
        Ok(made.map(|(session, _)| session.clone()).collect())
    }

    async fn sessions_of(&mut self, org: &str) -> Result<Vec<Session>, ReadError> {
        let family = kind::find(session::Held::KIND).map_or("session", kind::Kind::family);
        let mut found = Vec::new();
        for item in self.newest(family, org, SESSIONS_MAX).await? {
            let lines = self.lines_of_entry(item.index).await?;
            let pledge = |row: &serde_json::Map<String, Value>| Some(row.get("pledge")?.as_str()?.to_owned());
            let pledges = lines.iter().filter_map(|line| pledge(line.row.as_ref()?)).collect();
            found.push((item, pledges));
        }
        Ok(found)
    }
}
