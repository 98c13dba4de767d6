//! Everything of one kind that was handed in about a matter, for sums.
//!
//! What is here was cleared for nobody: it is opened some at a time and must leave the caller only as a sum.

use gongkai_domain::Recorded;
use gongkai_log::StreamId;
use sqlx::Row as _;

use super::{InternalError, InternalViews};

/// Events that are in memory at the same time.
const AT_ONCE: usize = 256;

const OPENERS: &str = "SELECT m.stream FROM links l JOIN matters m ON m.opened_seq = l.seq \
                       WHERE l.about = ? AND m.kind = ? ORDER BY l.seq";

impl InternalViews {
    /// What a function makes of each event of a kind about a matter, in the order of receipt.
    pub(super) async fn each_about<T>(
        &self,
        about: &StreamId,
        kind: &str,
        mut take: impl FnMut(&Recorded<'_>) -> Option<T>,
    ) -> Result<Vec<T>, InternalError> {
        let about = self.0.reader.vault().link(about).to_hex();
        let rows = sqlx::query(OPENERS).bind(about).bind(kind).fetch_all(&self.0.pool).await?;
        let streams: Vec<StreamId> = rows.iter().filter_map(|row| row.get::<&str, _>(0).parse().ok()).collect();
        let mut made = Vec::with_capacity(streams.len());
        for some in streams.chunks(AT_ONCE) {
            let some: Vec<&StreamId> = some.iter().collect();
            for event in self.0.reader.streams(&some).await?.into_iter().flatten() {
                let Some(opened) = event.opened.filter(|opened| opened.signed.statement.kind == kind) else { continue };
                made.extend(opened.with_recorded(&event.row, &mut take));
            }
        }
        Ok(made)
    }
}
