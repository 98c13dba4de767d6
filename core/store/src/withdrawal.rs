//! Taking openings away: the commitment stays, salt and value go (design 3.1, confidentiality 3).
//!
//! Pure; whether a withdrawal is lawful is the domain's, removing the old text from the database's
//! files is the store's, from the published files the publisher's.

use chrono::{DateTime, Utc};
use gongkai_domain::Target;
use gongkai_log::{Content, List, Openings, Row, Statement, StreamId, list};

use crate::{
    error::StoreError,
    event_store::Changed,
    reader::{chain, parse_entry, parse_list, parse_openings},
};

/// One withdrawal on record: which published openings are no longer to be shown, by anyone.
#[derive(Clone, Debug, PartialEq)]
pub struct Withdrawal {
    /// Entry that records it.
    pub index: u64,
    /// When it was recorded.
    pub recorded_at: DateTime<Utc>,
    /// Entry whose openings were withdrawn.
    pub target: u64,
    /// What that entry states: its roots are what a published file is checked with.
    pub statement: Statement,
    /// Slots of it.
    pub slots: Vec<u64>,
    /// Lines of its list.
    pub lines: Vec<u64>,
}

/// An entry with what is open of it.
pub(crate) struct Withdrawable {
    index: u64,
    statement: Statement,
    openings: Openings,
    list: Option<List>,
}

impl Withdrawable {
    /// Reads stored rows; `None` for a sealed period, of which nothing is open.
    pub(crate) fn parse(
        index: u64,
        bytes: Vec<u8>,
        openings: Option<String>,
        list: Option<String>,
    ) -> Result<Option<Self>, StoreError> {
        let Content::Statement(signed) = parse_entry(index, bytes)?.content else { return Ok(None) };
        let openings = openings.ok_or_else(|| StoreError::row(index, "openings", "the row is missing"))?;
        Ok(Some(Self {
            index,
            statement: signed.statement,
            openings: parse_openings(index, &openings)?,
            list: list.map(|text| parse_list(index, &text)).transpose()?,
        }))
    }

    pub(crate) fn stream(&self) -> &StreamId {
        &self.statement.stream
    }

    pub(crate) fn index(&self) -> u64 {
        self.index
    }

    /// What `decide` may know of it.
    pub(crate) fn target(&self) -> Target {
        let open = |row: &Row| matches!(row, Row::Open { .. }).then(|| row.line());
        Target {
            index: self.index,
            statement: self.statement.clone(),
            open_slots: self.openings.open.iter().map(|o| (o.slot, o.name.clone())).collect(),
            open_lines: self.list.iter().flat_map(|list| list.rows.iter().filter_map(open)).collect(),
        }
    }

    /// The rows without these slots and lines.
    pub(crate) fn withdraw(&mut self, slots: &[u64], lines: &[u64]) -> Result<Changed, StoreError> {
        let index = self.index;
        self.openings.open.retain(|opening| !slots.contains(&u64::from(opening.slot)));
        let openings = self.openings.to_line().map_err(|e| StoreError::row(index, "openings", chain(&e)))?;
        let Statement { origin, stream, revision, .. } = &self.statement;
        for row in self.list.iter_mut().flat_map(|list| &mut list.rows) {
            let Row::Open { line, row: cells, salt } = &*row else { continue };
            if lines.contains(line) {
                let commitment = list::commit_line(origin, stream, *revision, *line, cells, salt)
                    .map_err(|e| StoreError::row(index, "list", chain(&e)))?;
                *row = Row::Withdrawn { line: *line, commitment };
            }
        }
        let list = self.list.as_ref().map(List::to_text).transpose();
        let list = list.map_err(|e| StoreError::row(index, "list", chain(&e)))?;
        Ok(Changed { index, openings: Some(openings), list })
    }
}
