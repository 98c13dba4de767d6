//! Full-text search joined with the views: hits carry their matter, and a status that depends on today
//! filters them here, because the index does not know what day it is.

use serde::Serialize;

use super::{Matter, ReadError, Reader, int};
use crate::{
    search::{LIMIT_MAX, OFFSET_MAX, Query, QueryParams, Segment},
    status::Status,
};

/// Entries by which the search index may be behind the rows; further back it would deny much of what was published.
const BEHIND_MAX: u64 = 20_000;
const WITHDRAWN_SINCE: &str = "SELECT entry_index FROM withdrawals WHERE entry_index >= $1 LIMIT 1";

pub(super) const STATEMENTS: &[(&str, &str)] = &[("search.withdrawn_since", WITHDRAWN_SINCE)];

/// What is searched and where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SearchFilter {
    /// What was typed.
    pub text: String,
    /// Family.
    pub family: Option<String>,
    /// Organization with its subtree.
    pub org: Option<String>,
    /// Year.
    pub year: Option<i32>,
    /// Any of these statuses today.
    pub statuses: Vec<Status>,
    /// Hits before the page.
    pub offset: usize,
    /// Hits of the page; 0 means 20.
    pub limit: usize,
}

/// A hit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Found {
    /// Stream.
    pub stream: String,
    /// The matter; absent for an organization.
    pub matter: Option<Matter>,
    /// Code of the organization, when the hit is one.
    pub org: Option<String>,
    /// Title with what matched: text, whether it matched.
    pub title: Vec<(String, bool)>,
    /// A piece of the text with what matched.
    pub snippet: Vec<(String, bool)>,
    /// Latest entry.
    pub index: u64,
}

/// A page of hits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SearchPage {
    /// Entries of the log that the index reflects.
    pub size: u64,
    /// All hits.
    pub total: u64,
    /// Nothing matched as typed; these match the single words.
    pub relaxed: bool,
    /// The hits.
    pub hits: Vec<Found>,
}

impl Reader {
    /// Refuses an index that would say what was withdrawn, or deny what was published: one of a node that was away, until
    /// it has caught up with the rows.
    async fn index_is_near(&mut self) -> Result<u64, ReadError> {
        let (reached, size) = (self.search_index().reached().map_or(0, |reached| reached + 1), self.size());
        let is_far = size.saturating_sub(reached) > BEHIND_MAX || (reached == 0 && size > 0);
        if is_far || (reached < size && self.row(WITHDRAWN_SINCE, vec![int(reached)]).await?.is_some()) {
            return Err(ReadError::Behind { size: reached, wanted: size.saturating_sub(1) });
        }
        Ok(reached)
    }

    /// Searches.
    ///
    /// # Errors
    /// [`ReadError`]; [`ReadError::Behind`] where the index is too far behind the rows.
    pub async fn search(&mut self, filter: &SearchFilter) -> Result<SearchPage, ReadError> {
        let limit = if filter.limit == 0 { 20 } else { filter.limit.min(LIMIT_MAX) };
        let size = self.index_is_near().await?;
        if filter.statuses.is_empty() {
            let hits = self.run(filter, filter.offset, limit).await?;
            return Ok(SearchPage { size, ..hits });
        }
        // The order of hits is the index's; each page of it is narrowed by the status that today gives.
        let (mut kept, mut offset, mut relaxed) = (Vec::new(), 0, false);
        loop {
            let page = self.run(filter, offset, LIMIT_MAX).await?;
            offset += LIMIT_MAX;
            relaxed |= page.relaxed;
            kept.extend(
                page.hits
                    .into_iter()
                    .filter(|hit| hit.matter.as_ref().is_some_and(|matter| filter.statuses.contains(&matter.status))),
            );
            if offset as u64 >= page.total || offset > OFFSET_MAX {
                break;
            }
        }
        let total = kept.len() as u64;
        let hits = kept.into_iter().skip(filter.offset).take(limit).collect();
        Ok(SearchPage { size, total, relaxed, hits })
    }

    async fn run(&mut self, filter: &SearchFilter, offset: usize, limit: usize) -> Result<SearchPage, ReadError> {
        let query = Query::new(QueryParams {
            text: filter.text.clone(),
            family: filter.family.clone(),
            org: filter.org.clone(),
            year: filter.year.map(i64::from),
            offset,
            limit,
            ..QueryParams::default()
        })?;
        let found = self.search_index().search(&query)?;
        let streams: Vec<&str> = found.hits.iter().map(|hit| hit.stream.as_str()).collect();
        let matters = self.matters_of(&streams).await?;
        let mut hits = Vec::with_capacity(found.hits.len());
        for hit in found.hits {
            let org = if hit.stream.starts_with("organization/") {
                self.organization_of_stream(&hit.stream).await?
            } else {
                None
            };
            hits.push(Found {
                matter: matters.get(&hit.stream).cloned(),
                org,
                title: pieces(hit.title),
                snippet: pieces(hit.snippet),
                index: hit.index,
                stream: hit.stream,
            });
        }
        Ok(SearchPage { size: 0, total: found.total as u64, relaxed: found.relaxed, hits })
    }
}

fn pieces(segments: Vec<Segment>) -> Vec<(String, bool)> {
    segments.into_iter().map(|segment| (segment.text, segment.hit)).collect()
}
