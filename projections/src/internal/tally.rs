//! What the ballots of a closed tally add up to.
//!
//! No ballot leaves this module: only what [`tally::count`] makes of all of them, and their hashes, which tell nothing of
//! them. Who may ask is the policy's ([`confidentiality::counts`]); the audit counts again from the vault itself.

use gongkai_domain::{
    confidentiality::{self, Reader},
    kind::{
        self, Described as _,
        tally::{self, Cast, Counted},
    },
};
use gongkai_log::{Digest, StreamId};
use serde::Serialize;
use sqlx::Row as _;

use super::{InternalError, InternalViews};

/// Ballots that are in memory at the same time.
const BALLOTS_AT_ONCE: usize = 256;

const BALLOTS: &str = "SELECT m.stream FROM links l JOIN matters m ON m.opened_seq = l.seq \
                       WHERE l.about = ? AND m.kind = ? ORDER BY l.seq";

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
        let about = self.0.reader.vault().link(stream).to_hex();
        let rows = sqlx::query(BALLOTS).bind(about).bind(Cast::KIND).fetch_all(&self.0.pool).await?;
        let streams: Vec<StreamId> = rows.iter().filter_map(|row| row.get::<&str, _>(0).parse().ok()).collect();
        let mut ballots = Vec::with_capacity(streams.len());
        for some in streams.chunks(BALLOTS_AT_ONCE) {
            let some: Vec<&StreamId> = some.iter().collect();
            for event in self.0.reader.streams(&some).await?.into_iter().flatten() {
                let Some(opened) = event.opened else { continue };
                let cast = opened.values().and_then(|values| kind::body::<Cast>(Cast::KIND, &values));
                ballots.extend(cast.map(|cast| (opened.signed.hash, cast.choices)));
            }
        }
        let hashes: Vec<Digest> = ballots.iter().map(|(hash, _)| *hash).collect();
        Ok(Some(Urn { counted: tally::count(&ballots, options), hashes: tally::sorted(&hashes) }))
    }
}
