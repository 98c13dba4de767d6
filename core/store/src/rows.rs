//! What the ledger's tables say about entries, compared with the entries themselves.
//!
//! `fsck` over [`crate::DatabaseFetch`] proves entries, openings and lists by their bytes. Whatever else the public tables
//! hold is a copy for looking up: the stream of an entry, the files that it names, the request that it answered, the head.
//! A flipped bit or a row that somebody moved there changes no published byte, and yet a lookup goes wrong: each of them is
//! compared here with the bytes that decide, and the first that differs is named with table and column.
//!
//! Three columns have nothing to be compared with: the client's own word for a request (`requests.key`), the counter of
//! writers (`head.epoch`), and how far the disk is known to be safe (`publication.durable_size`, within its bounds). What
//! is sealed is `sealed_audit`'s. For another table, add a check to [`check_rows`] and a case to `tests/columns.rs`.

use std::{collections::BTreeSet, time::Duration};

use gongkai_domain::kind;
use gongkai_log::{Content, Digest, Edge, Entry, Finding, List, LogKeys, Row, TreeHash, tile::TILE_WIDTH};

use crate::{
    database::{self, Connection, Place, query},
    error::{OpenError, StoreError, sql},
    event_store::{LogHead, Publication},
    layout::Layout,
    reader::{chain, parse_list},
    row_store, tables,
};

const PAGE: i64 = 1_024;
const LOAD_PAGE: &str = "SELECT e.idx, e.stream, e.revision, e.bytes, o.idx IS NOT NULL, l.text FROM entries e \
                         LEFT JOIN openings o ON o.idx = e.idx LEFT JOIN lists l ON l.idx = e.idx \
                         WHERE e.idx >= $1 ORDER BY e.idx LIMIT $2";
const LOAD_REQUESTS: &str = "SELECT r.key, r.request, r.idx, e.bytes FROM requests r \
                             LEFT JOIN entries e ON e.idx = r.idx WHERE r.key > $1 ORDER BY r.key LIMIT $2";
// Rows of entries that are not there.
const STRAYS: [(&str, &str); 3] = [
    ("openings.idx", "SELECT min(idx) FROM openings WHERE idx >= $1"),
    ("lists.idx", "SELECT min(idx) FROM lists WHERE idx >= $1"),
    ("attachments.idx", "SELECT min(idx) FROM attachments WHERE idx >= $1"),
];

/// Why a check ended before its end.
enum Ended {
    Found(Finding),
    Failed(StoreError),
}

impl From<StoreError> for Ended {
    fn from(error: StoreError) -> Self {
        match error {
            // A row that cannot be read is what was looked for.
            StoreError::Row { index, field, reason } => {
                Self::Found(Finding { index: Some(index), field: format!("rows of {field}"), reason })
            }
            other => Self::Failed(other),
        }
    }
}

fn found(index: u64, column: &str, reason: impl Into<String>) -> Ended {
    Ended::Found(Finding { index: Some(index), field: format!("rows of {column}"), reason: reason.into() })
}

/// Compares every row of the public tables with its entry; the first that differs.
///
/// It reads one state of the database, also while a server writes.
///
/// # Errors
/// [`OpenError`] when the database cannot be read.
pub async fn check_rows(layout: &Layout, log: &LogKeys) -> Result<Option<Finding>, OpenError> {
    let place = Place::of(layout)?;
    row_store::examine(layout, &place, true).await?;
    check_place(&place, log).await
}

/// The same of a place that need not be in use yet.
pub(crate) async fn check_place(place: &Place, log: &LogKeys) -> Result<Option<Finding>, OpenError> {
    let mut connection = place.read(Duration::from_secs(5)).await?;
    connection.begin_reading().await?;
    let checked = check(&mut connection, log).await;
    connection.end_reading().await?;
    match checked {
        Ok(()) => Ok(None),
        Err(Ended::Found(finding)) => Ok(Some(finding)),
        Err(Ended::Failed(error)) => Err(error.into()),
    }
}

async fn check(connection: &mut Connection, log: &LogKeys) -> Result<(), Ended> {
    let (head, _) = tables::load_head(connection).await?;
    let published = published(connection, log, head.size).await?;
    let mut walked = Walked { edge: Edge::new(), last: None };
    loop {
        let next = walked.edge.size().cast_signed();
        let query = query(LOAD_PAGE).bind(next).bind(PAGE);
        let page = query.fetch_all(&mut *connection).await.map_err(sql("reading rows"))?;
        if page.is_empty() {
            break;
        }
        let to = walked.edge.size() + page.len() as u64;
        let mut files = tables::load_attachments(connection, next.cast_unsigned(), to).await?.into_iter().peekable();
        for row in &page {
            let index = walked.edge.size();
            let mut named = BTreeSet::new();
            while let Some((_, hash)) = files.next_if(|(of, _)| *of == index) {
                named.insert(hash);
            }
            walked.entry(row, &named)?;
            let mut published = published.iter().filter(|(size, _)| *size == walked.edge.size());
            if published.any(|(_, root)| *root != walked.edge.root()) {
                return Err(found(index, "publication.checkpoint", "is not over these entries"));
            }
        }
    }
    walked.end(&head)?;
    for (column, text) in STRAYS {
        let query = query(text).bind(head.size.cast_signed());
        let row = query.fetch_one(&mut *connection).await.map_err(sql("looking for strays"))?;
        if let Some(index) = row.get::<Option<i64>>(0) {
            return Err(found(index.cast_unsigned(), column, "there is no such entry"));
        }
    }
    requests(connection).await
}

/// Size and root of the last checkpoint that each node has published.
async fn published(connection: &mut Connection, log: &LogKeys, size: u64) -> Result<Vec<(u64, TreeHash)>, Ended> {
    let mut published = Vec::new();
    for publication in tables::load_publications(connection).await? {
        published.push(checkpoint_of(&publication, log, size)?);
    }
    Ok(published)
}

fn checkpoint_of(publication: &Publication, log: &LogKeys, size: u64) -> Result<(u64, TreeHash), Ended> {
    if publication.durable_size > size || !publication.durable_size.is_multiple_of(TILE_WIDTH) {
        return Err(found(size, "publication.durable_size", "is beyond the last entry, or within a bundle"));
    }
    let (checkpoint, _) =
        log.open(&publication.checkpoint).map_err(|error| found(size, "publication.checkpoint", chain(&error)))?;
    if checkpoint.size > size {
        return Err(found(checkpoint.size, "publication.checkpoint", "is beyond the last entry"));
    }
    Ok((checkpoint.size, checkpoint.root))
}

/// The entries so far.
struct Walked {
    edge: Edge,
    last: Option<Entry>,
}

impl Walked {
    /// One row with what lies beside it; `files` are those that the table of attachments says it names.
    fn entry(&mut self, row: &database::Row, files: &BTreeSet<Digest>) -> Result<(), Ended> {
        let index = self.edge.size();
        if row.number(0) != index {
            return Err(found(index, "entries.idx", "the row is missing"));
        }
        let entry = Entry::parse(row.get(3)).map_err(|error| found(index, "entries.bytes", chain(&error)))?;
        if entry.index != index {
            return Err(found(index, "entries.bytes", format!("are of entry {}", entry.index)));
        }
        let (stream, revision): (Option<String>, Option<i64>) = (row.get(1), row.get(2));
        let said = entry.content.statement().map(|signed| &signed.statement);
        if stream != said.map(|statement| statement.stream.to_string()) {
            return Err(found(index, "entries.stream", "is not that of the statement"));
        }
        if revision.map(i64::cast_unsigned) != said.map(|statement| statement.revision) {
            return Err(found(index, "entries.revision", "is not that of the statement"));
        }
        if row.get::<bool>(4) != said.is_some() {
            return Err(found(index, "openings.idx", "the row is missing, or of no statement"));
        }
        let list = row.get::<Option<String>>(5).map(|text| parse_list(index, &text)).transpose()?;
        beside(&entry, list.as_ref(), files)?;
        let full = self.edge.append(entry.leaf_hash());
        full.map_err(|error| found(index, "entries.idx", error.to_string()))?;
        self.last = Some(entry);
        Ok(())
    }

    /// The head is that of the last entry.
    fn end(&self, head: &LogHead) -> Result<(), Ended> {
        let (size, index) = (self.edge.size(), self.edge.size().saturating_sub(1));
        if head.size != size {
            return Err(found(size, "head.size", format!("counts {} entries, there are {size}", head.size)));
        }
        if head.edge != self.edge {
            return Err(found(index, "head.edge", "is not that of the entries"));
        }
        let Some(last) = &self.last else { return Ok(()) };
        if head.entry_hash != last.hash {
            return Err(found(index, "head.entry_hash", "is not that of the last entry"));
        }
        if head.recorded_at != last.recorded_at {
            return Err(found(index, "head.recorded_at", "is not that of the last entry"));
        }
        Ok(())
    }
}

/// List and files of an entry.
fn beside(entry: &Entry, list: Option<&List>, files: &BTreeSet<Digest>) -> Result<(), Ended> {
    let index = entry.index;
    let Content::Statement(signed) = &entry.content else {
        return match (list, files.first()) {
            (None, None) => Ok(()),
            (Some(_), _) => Err(found(index, "lists.idx", "a period has no list")),
            (_, Some(_)) => Err(found(index, "attachments.idx", "a period names no file")),
        };
    };
    let count = signed.statement.lines_root().and(signed.statement.lines_count());
    if count.unwrap_or(0) > 0 && list.is_none() || list.is_some() && count.is_none() {
        return Err(found(index, "lists.idx", "the row is missing, or of a statement without list"));
    }
    let rows = || list.into_iter().flat_map(|list| &list.rows);
    let open = rows().filter_map(|row| if let Row::Open { row, .. } = row { Some(row) } else { None });
    let Some(kind) = kind::find(&signed.statement.kind) else { return Ok(()) };
    let named = kind.files(&signed.statement.body, open);
    // A withdrawn line no longer says what it named.
    let may_be_more = rows().any(|row| matches!(row, Row::Withdrawn { .. }));
    if named.is_subset(files) && (may_be_more || files.is_subset(&named)) {
        return Ok(());
    }
    Err(found(index, "attachments.hash", "are not the files that the entry names"))
}

/// Every request is the note of its entry.
async fn requests(connection: &mut Connection) -> Result<(), Ended> {
    let mut after = String::new();
    loop {
        let query = query(LOAD_REQUESTS).bind(after.clone()).bind(PAGE);
        let page = query.fetch_all(&mut *connection).await.map_err(sql("reading requests"))?;
        let Some(last) = page.last() else { return Ok(()) };
        after = last.get(0);
        for row in &page {
            let (request, index): (Vec<u8>, i64) = (row.get(1), row.get(2));
            let index = index.cast_unsigned();
            let bytes = row.get::<Option<Vec<u8>>>(3);
            let bytes = bytes.ok_or_else(|| found(index, "requests.idx", "there is no such entry"))?;
            let entry = Entry::parse(bytes).map_err(|error| found(index, "entries.bytes", chain(&error)))?;
            if Digest::of(entry.content.note().to_string().as_bytes()).as_bytes().as_slice() != request {
                return Err(found(index, "requests.request", "is not the note of its entry"));
            }
        }
    }
}
