//! Which steps a letter in hand admits now, for whom, and by when: what its page offers.
//!
//! The steps are the domain's ([`letter::State::next`]), the days those of the list. Nothing of its content is here:
//! whether a question and its answer may be published is told by the reading of them.

use gongkai_domain::{
    clock,
    confidentiality::Reader,
    kind::{Described as _, access::Purpose, letter},
};
use gongkai_log::{Entry, StreamId};

use super::{
    InternalError, InternalViews,
    read::{DueRow, state},
};

/// A step that may be taken now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NextStep {
    /// The step.
    pub step: letter::Step,
    /// Code of the body that takes it.
    pub org: String,
    /// What it meets, and by when.
    pub due: Option<DueRow>,
}

/// The public entries that say something of a matter.
const MENTIONED: &str = "SELECT entry_index FROM mentions WHERE about = ? ORDER BY entry_index";

impl InternalViews {
    /// The entry in which a letter was published with its answer; `None` too when it does not exist for the reader.
    ///
    /// # Errors
    /// [`InternalError`].
    pub async fn published_letter(
        &self,
        reader: &Reader,
        purpose: Purpose,
        stream: &StreamId,
    ) -> Result<Option<u64>, InternalError> {
        if self.cleared(reader, purpose, stream).await?.is_none() {
            return Ok(None);
        }
        let about = self.0.reader.vault().link(stream).to_hex();
        let indexes = sqlx::query_scalar::<_, i64>(MENTIONED).bind(about).fetch_all(&self.0.pool).await?;
        for index in indexes {
            let index = index.cast_unsigned();
            let Some(stored) = self.0.ledger.entry(index).await? else { continue };
            let statement = Entry::parse(stored.bytes).ok().and_then(|entry| entry.content.statement().cloned());
            if statement.is_some_and(|signed| signed.statement.kind == letter::Published::KIND) {
                return Ok(Some(index));
            }
        }
        Ok(None)
    }

    /// The steps of a letter; `None` when it does not exist for the reader, or is none.
    ///
    /// # Errors
    /// [`InternalError`].
    pub async fn next_steps(
        &self,
        reader: &Reader,
        purpose: Purpose,
        stream: &StreamId,
        today: chrono::NaiveDate,
    ) -> Result<Option<Vec<NextStep>>, InternalError> {
        self.reflected().await?;
        if self.cleared(reader, purpose, stream).await?.is_none() {
            return Ok(None);
        }
        let state = state(&self.0.reader.stream(stream).await?);
        let Some(letter) = state.get::<letter::State>() else { return Ok(None) };
        let dues = self.0.ledger.with_world(|world| clock::dues(&state, world));
        let next = letter.next().map(|step| NextStep {
            step,
            org: letter.taken_by(step).to_owned(),
            due: dues.iter().find(|due| step.meets(&due.what)).map(|due| DueRow::on(due, today)),
        });
        Ok(Some(next.collect()))
    }
}
