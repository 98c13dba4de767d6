//! Sheets for the wall: what they say (`/api/v1/sheets/{of}` and the command `print` ask here), what binds them to the
//! ledger, and what somebody is told who scans the code of one.
//!
//! The code of a sheet is `/n/{index}?h={hash}`: the newest entry that changed the sheet itself, and its hash; what people
//! asked about it since does not change it. A hash that no entry of the matter has is told at once; one that is right leads
//! on to the figures, which paper can still get wrong.

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use gongkai_domain::kind::{Described as _, disclosure as disclosures, notice as notices};
use gongkai_log::{Digest, StreamId};
use gongkai_projections::Status;
use gongkai_projections::read::HistoryEvent;

use super::share::{SVG, address};
use super::{disclosure, nothing, notice, parts};
use crate::http::App;
use crate::http::api::entries;
use crate::http::caching;
use crate::http::problem::Problem;
use crate::paper::Sheet;
use crate::paper::sheet::Seal;
use crate::share::qr::Qr;
use crate::site::parts::Badge;
use crate::site::question::QuestionStep;
use crate::site::wall::{Checked, Verdict};

/// Least characters of a hash that tell one entry of a matter from another.
const HASH_CHARS_MIN: usize = 8;
/// Characters of a whole hash.
const HASH_CHARS: usize = 64;
/// What was recorded since, as far as it is listed.
const LATER_MAX: usize = 20;

/// The kinds that make a sheet or change it. Others are of the matter, but no part of what was published.
const SHEET_KINDS: [&str; 8] = [
    disclosures::Published::KIND,
    disclosures::Corrected::KIND,
    disclosures::Withdrawn::KIND,
    notices::Published::KIND,
    notices::Extended::KIND,
    notices::Corrected::KIND,
    notices::Closed::KIND,
    notices::Withdrawn::KIND,
];

/// What stands beside the sheet of a matter with this history; nothing for what is not recorded yet.
pub async fn seal_of(app: &App, history: &[HistoryEvent]) -> Result<Option<Seal>, Problem> {
    match history.iter().rev().find(|event| SHEET_KINDS.contains(&event.kind.as_str())) {
        Some(event) => seal(app, event.index).await,
        None => Ok(None),
    }
}

/// What stands beside a sheet whose newest version is this entry.
async fn seal(app: &App, index: u64) -> Result<Option<Seal>, Problem> {
    if app.foreseen().is_some() {
        return Ok(None);
    }
    // The hash of the bytes themselves, not what the views say of them.
    let Some(entry) = app.entry(index).await? else { return Ok(None) };
    let hotline = app.about.hotline.clone();
    Ok(Some(Seal { index, hash: entry.hash.to_hex(), address: address(app, index), hotline }))
}

/// The sheet of a matter, which is named by an entry of it or by its id.
pub async fn sheet(app: &App, of: &str) -> Result<Sheet, Problem> {
    let (family, id) = named(app, of).await?;
    match family.as_str() {
        "disclosure" => {
            let mut page = disclosure::whole(app, &id).await?;
            let seal = standing(page.status, page.seal.take())?;
            Ok(Sheet::of_disclosure(&page, seal))
        }
        "notice" => {
            let mut page = notice::make(app, &id).await?;
            let seal = standing(page.status, page.seal.take())?;
            Ok(Sheet::of_notice(&page, seal))
        }
        _ => Err(Problem::not_found("只有三务公开和公示公告有张贴表")),
    }
}

/// What was taken back hangs on no wall.
fn standing(status: Badge, seal: Option<Seal>) -> Result<Seal, Problem> {
    if status.0 == Status::Withdrawn {
        return Err(Problem::new("state", "这件事已经撤回，没有张贴表"));
    }
    seal.ok_or_else(nothing)
}

/// Family and id of a matter.
async fn named(app: &App, of: &str) -> Result<(String, String), Problem> {
    let mut reader = app.read().await?;
    if let Ok(index) = entries::index(of) {
        let event = reader.entry(index).await?.ok_or_else(nothing)?;
        let (family, id) = event.stream.split_once('/').ok_or_else(nothing)?;
        return Ok((family.to_owned(), id.to_owned()));
    }
    for family in ["disclosure", "notice"] {
        let Ok(stream) = StreamId::parse(&format!("{family}/{of}")) else { continue };
        if reader.matter(&stream.to_string()).await?.is_some() {
            return Ok((family.to_owned(), of.to_owned()));
        }
    }
    Err(nothing())
}

/// The code to scan of a sheet whose newest version is this entry.
pub async fn code(State(app): State<App>, headers: HeaderMap, Path(index): Path<u64>) -> Result<Response, Problem> {
    let seal = seal(&app, index).await?.ok_or_else(nothing)?;
    let code = Qr::of(&seal.link()).ok_or_else(|| Problem::not_found("网址太长，做不成二维码"))?;
    Ok(caching::tagged(&headers, SVG, caching::REVALIDATE, code.to_svg().into_bytes()))
}

/// What a code that was scanned or typed says against the history of the matter; nothing where none was given.
pub fn checked(history: &[HistoryEvent], typed: &str) -> Option<Checked> {
    if typed.is_empty() {
        return None;
    }
    let Some(code) = code_of(typed) else {
        return Some(Checked { typed: typed.to_owned(), verdict: Verdict::Unreadable, later: Vec::new() });
    };
    let hash =
        |event: &&HistoryEvent| Digest::parse(&event.entry_hash).is_ok_and(|hash| hash.to_hex().starts_with(&code));
    let Some(found) = history.iter().rev().find(hash) else {
        return Some(Checked { typed: typed.to_owned(), verdict: Verdict::Other, later: Vec::new() });
    };
    let later = history.iter().filter(|event| event.index > found.index).take(LATER_MAX).map(|event| QuestionStep {
        label: event.label.clone(),
        at: parts::moment(event.recorded_at),
        index: event.index,
    });
    Some(Checked { typed: typed.to_owned(), verdict: Verdict::Same(found.index), later: later.collect() })
}

/// The beginning of a hash as people type it: with or without spaces, in any case.
fn code_of(typed: &str) -> Option<String> {
    let bare: String = typed.chars().filter(|char| !char.is_whitespace() && *char != '-').collect();
    let is_code =
        (HASH_CHARS_MIN..=HASH_CHARS).contains(&bare.len()) && bare.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_code.then(|| bare.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_as_people_type_it_and_nothing_else_is_one() {
        for typed in ["19e3 fb1a 853c", "19E3FB1A853C", " 19e3-fb1a-853c "] {
            assert_eq!(code_of(typed).as_deref(), Some("19e3fb1a853c"), "{typed}");
        }
        for typed in ["19e3", "19e3 fb1a 853g", "№1344", &"a".repeat(65), "一九e3fb1a"] {
            assert_eq!(code_of(typed), None, "{typed}");
        }
    }
}
