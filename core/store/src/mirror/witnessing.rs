//! What a mirror demands of witnesses, and the policy that it publishes.
//!
//! Its operator's policy decides what is accepted. The policy of the source is passed on so that readers find it in the
//! same place; nobody signs it, so it decides nothing here, and whoever judges by it must have it from somewhere else.

use std::fs;

use gongkai_log::{Note, Policy};

use super::{Done, Mirror, MirrorFault, Refused, Signed, records, source::Source};
use crate::error::StoreError;

impl Mirror {
    /// Accepts only checkpoints that a quorum of this policy cosigned, and publishes the policy in place of the source's;
    /// `text` is the file that it was read from.
    #[must_use]
    pub fn demanding(mut self, policy: Policy, text: String) -> Self {
        self.policy = Some((policy, text));
        self
    }

    /// Whether enough witnesses cosigned, where the operator demands it.
    pub(super) fn check_quorum(&self, shown: &Signed) -> Result<(), Refused> {
        let Some((policy, _)) = &self.policy else { return Ok(()) };
        let note = Note::parse(&shown.note).map_err(|error| Refused::Checkpoint(error.into()))?;
        policy.check(&note).map(drop).map_err(Refused::Quorum)
    }

    /// Takes newer cosignatures of the same checkpoint, where they were checked: a quiet log is cosigned again too.
    pub(super) fn renew(&mut self, shown: Signed) -> Result<(), StoreError> {
        let Some((policy, _)) = &self.policy else { return Ok(()) };
        let times = |signed: &Signed| policy.cosigned(&Note::parse(&signed.note).ok()?).ok();
        let is_newer = |held: &Signed| {
            let (held_at, shown_at) = (times(held).unwrap_or_default(), times(&shown).unwrap_or_default());
            let is_older = held_at.iter().zip(&shown_at).any(|(held, shown)| shown < held);
            held.checkpoint == shown.checkpoint && held_at != shown_at && !is_older
        };
        if self.held.as_ref().is_some_and(is_newer) {
            records::put(&self.layout.checkpoint(), shown.note.as_bytes())?;
            records::put(&self.kept_checkpoint(), shown.note.as_bytes())?;
            self.held = Some(shown);
        }
        Ok(())
    }

    /// Publishes the policy that the operator demands or, without one, the policy that the source says it has. Nothing
    /// proves that one, so it decides nothing here; what is no policy is not passed on.
    pub(super) fn copy_policy<S: Source>(&self, source: &S) -> Done<(), S> {
        let text = if let Some((_, text)) = &self.policy {
            Some(text.clone())
        } else {
            let given = source.extra("policy");
            let given = given.map_err(|source| MirrorFault::Unreadable { path: "policy".to_owned(), source })?;
            let text = given.and_then(|bytes| String::from_utf8(bytes).ok());
            text.filter(|text| Policy::parse(text).is_ok())
        };
        let path = self.layout.policy();
        let there = fs::read_to_string(&path).ok();
        match text {
            Some(text) if there.as_ref() != Some(&text) => records::put(&path, text.as_bytes())?,
            None if there.is_some() => fs::remove_file(&path).map_err(|e| StoreError::file("removing", &path, e))?,
            _ => {}
        }
        Ok(())
    }
}
