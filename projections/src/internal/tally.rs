//! What the ballots of a closed tally add up to.
//!
//! No ballot leaves this module: only what [`tally::count`] makes of all of them, and their hashes, which tell nothing of
//! them. Who may ask is the policy's ([`confidentiality::counts`]); the audit counts again from the vault itself.

use gongkai_domain::{
    Recorded,
    confidentiality::{self, Reader},
    kind::{
        self, Described as _,
        tally::{self, Cast, Counted},
    },
};
use gongkai_log::{Digest, StreamId};
use serde::Serialize;

use super::{InternalError, InternalViews};

/// The counts with what proves them to a voter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Urn {
    /// What the ballots add up to.
    #[serde(flatten)]
    pub counted: Counted,
    /// Hashes of the ballots' statements, sorted.
    pub hashes: Vec<Digest>,
}

impl InternalViews {
    /// Counts a tally; `None` when there is none that the reader may count.
    ///
    /// # Errors
    /// [`InternalError`]; [`InternalError::Behind`] when the views do not get to the last ballot in time.
    pub async fn count(&self, reader: &Reader, stream: &StreamId) -> Result<Option<Urn>, InternalError> {
        self.reflected().await?;
        let options = self.0.ledger.with_world(|world| {
            let tally = world.matters.tally(stream)?;
            confidentiality::counts(reader, tally, world).then_some(tally.options_count)
        });
        let Some(options) = options else { return Ok(None) };
        let ballot = |event: &Recorded<'_>| {
            let cast = kind::body::<Cast>(Cast::KIND, event.values?)?;
            Some((event.hash, cast.choices))
        };
        let ballots = self.each_about(stream, Cast::KIND, ballot).await?;
        let hashes: Vec<Digest> = ballots.iter().map(|(hash, _)| *hash).collect();
        Ok(Some(Urn { counted: tally::count(&ballots, options), hashes: tally::sorted(&hashes) }))
    }
}
