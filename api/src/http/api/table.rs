//! Whole results as tables: CSV and JSON lines, streamed page by page from one moment of the views.
//!
//! A download holds a read transaction, so all its rows are of the same moment. Only a few run at
//! once, so that slow readers cannot take every connection of the views.

use std::borrow::Cow;
use std::collections::VecDeque;

use axum::body::{Body, Bytes};
use axum::http::HeaderValue;
use axum::http::header::CONTENT_DISPOSITION;
use axum::response::Response;
use chrono::NaiveDate;
use futures_util::stream;
use gongkai_projections::read::{Filter, LIMIT_MAX, Matter, Reader};
use tokio::sync::OwnedSemaphorePermit;

use crate::http::caching::REVALIDATE;
use crate::http::log::{JSON_LINES, typed};
use crate::http::problem::Problem;
use crate::http::query::Format;

/// Media type of tables.
pub const CSV: &str = "text/csv; charset=utf-8; header=present";

/// Spreadsheets take a file for UTF-8 only when it says so.
const BYTE_ORDER_MARK: &str = "\u{feff}";

/// One record as CSV (RFC 4180).
pub fn record<'c>(cells: impl IntoIterator<Item = &'c str>) -> Vec<u8> {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    // Writing to memory cannot fail, and a record of one line has no length to disagree with.
    let _ = writer.write_record(cells);
    writer.into_inner().unwrap_or_default()
}

/// A cell of a table that officials open in a spreadsheet: a text that would be taken for a formula there is marked as
/// text. Public tables keep their values as they are, because programs read them and amounts can be negative.
pub fn plain(cell: &str) -> Cow<'_, str> {
    const FORMULA: &[char] = &['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];
    if cell.starts_with(FORMULA) { Cow::Owned(format!("'{cell}")) } else { Cow::Borrowed(cell) }
}

/// The first line of a table, with the mark before it.
pub fn head<'c>(names: impl IntoIterator<Item = &'c str>) -> Vec<u8> {
    let mut bytes = BYTE_ORDER_MARK.as_bytes().to_vec();
    bytes.extend(record(names));
    bytes
}

/// An answer that browsers save under a name.
pub fn download(media_type: &'static str, name: &str, body: impl Into<Body>) -> Response {
    let mut response = typed(media_type, REVALIDATE, body);
    if let Ok(name) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
        response.headers_mut().insert(CONTENT_DISPOSITION, name);
    }
    response
}

/// What a download still has to do.
struct Rest {
    reader: Reader,
    family: &'static str,
    filter: Filter,
    format: Format,
    ready: VecDeque<Bytes>,
    place: Place,
    _permit: OwnedSemaphorePermit,
}

/// How far it is.
enum Place {
    /// In the list of today, of so many rows once a page was read.
    Now(Option<u64>),
    /// In the list of a past day, before this entry once a page was read.
    Past(NaiveDate, Option<u64>),
    /// At its end.
    End,
}

impl Rest {
    /// The next piece; `None` at the end.
    async fn piece(&mut self) -> Result<Option<Bytes>, Problem> {
        if let Some(bytes) = self.ready.pop_front() {
            return Ok(Some(bytes));
        }
        loop {
            let Some(matters) = self.page().await? else { return Ok(None) };
            let bytes: Vec<u8> = matters.iter().flat_map(|matter| row(matter, self.format)).collect();
            // A page of a past day may have nothing and go on.
            if !bytes.is_empty() {
                return Ok(Some(bytes.into()));
            }
        }
    }

    /// The next matters; `None` at the end.
    async fn page(&mut self) -> Result<Option<Vec<Matter>>, Problem> {
        match self.place {
            Place::End => Ok(None),
            Place::Now(total) if total.is_some_and(|total| self.filter.offset >= total) => Ok(None),
            Place::Now(_) => {
                let page = self.reader.matters(self.family, &self.filter).await?;
                self.filter.offset += u64::from(self.filter.limit);
                self.place = Place::Now(Some(page.total));
                Ok(Some(page.items))
            }
            Place::Past(on, before) => {
                let page = self.reader.matters_on(self.family, &self.filter, on, before).await?;
                self.place = page.next.map_or(Place::End, |next| Place::Past(on, Some(next)));
                Ok(Some(page.items))
            }
        }
    }
}

fn row(matter: &Matter, format: Format) -> Vec<u8> {
    if format == Format::Csv {
        return record(matter.cells().iter().map(String::as_str));
    }
    let mut line = serde_json::to_vec(matter).unwrap_or_default();
    line.push(b'\n');
    line
}

/// All matters of a family under a filter, today or at the end of a past day.
pub fn matters(
    reader: Reader,
    permit: OwnedSemaphorePermit,
    family: &'static str,
    filter: Filter,
    on: Option<NaiveDate>,
    format: Format,
) -> Response {
    let (media_type, suffix) = if format == Format::Csv { (CSV, "csv") } else { (JSON_LINES, "jsonl") };
    let mut ready = VecDeque::new();
    if format == Format::Csv {
        let more = on.map(|_| Matter::AS_OF);
        ready.push_back(head(Matter::COLUMNS.iter().copied().chain(more).map(|(name, _)| name)).into());
    }
    let filter = Filter { offset: 0, limit: LIMIT_MAX, ..filter };
    let place = on.map_or(Place::Now(None), |on| Place::Past(on, None));
    let rest = Rest { reader, family, filter, format, ready, place, _permit: permit };
    let pieces = stream::try_unfold(rest, |mut rest| async move {
        match rest.piece().await {
            Ok(piece) => Ok(piece.map(|bytes| (bytes, rest))),
            // The status has left already: cutting the transfer is the only way to say that it is not whole.
            Err(problem) => Err(std::io::Error::other(problem.detail)),
        }
    });
    let day = on.map(|on| format!("-{on}")).unwrap_or_default();
    download(media_type, &format!("{family}{day}.{suffix}"), Body::from_stream(pieces))
}
