//! From the rows of the views to the parts of a page: renaming and wording, no decision.
//!
//! A new field of a view gets its place here once, for every page that shows the part.

use std::sync::Arc;

use chrono::{DateTime, FixedOffset, NaiveDate, NaiveTime, Utc};
use gongkai_domain::kind::family_label;
use gongkai_log::{Content, Digest, Entry, MapKey, Signer, StreamId, TreeHash, tile};
use gongkai_projections::diff;
use gongkai_projections::read::{self, HistoryEvent, Matter, ReadError, Reader, ShownField, SignerName, TimelineItem};

use crate::http::problem::Problem;
use crate::http::published::Signed;
use crate::http::{App, zone};
use crate::site::format::{Bytes, Count, Day, Moment};
use crate::site::parts::{
    self, Attachment, Badge, Check, Checkpoint, Diff, Event, Family, HashText, Item, Link, Pager, Proxy, Row, Segment,
    Shown, SignatureLine, Tombstone, Whole, WholeOf, days_left,
};

/// What stands where a title was withdrawn; the tombstone is on the matter's page.
const WITHDRAWN_TITLE: &str = "（标题已撤下）";

/// A time of the log, as people in China read it.
pub fn moment(at: DateTime<Utc>) -> Moment {
    Moment(at.with_timezone(&zone()))
}

/// An author's time, in the author's own offset.
pub fn declared(at: DateTime<FixedOffset>) -> Moment {
    Moment(at)
}

/// A moment of a day in China.
pub fn at(day: NaiveDate, hour: u32, minute: u32) -> Option<Moment> {
    let time = NaiveTime::from_hms_opt(hour, minute, 0)?;
    Some(Moment(day.and_time(time).and_local_timezone(zone()).single()?))
}

/// Bounded for badges that count in 32 bits.
pub fn small(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// The site's family of a stream's family; everything without a board is the registry's.
pub fn family(wire: &str) -> Family {
    match wire {
        "pledge" => Family::Pledge,
        "vacancy" => Family::Vacancy,
        "nomination" => Family::Nomination,
        "notice" => Family::Notice,
        "disclosure" => Family::Disclosure,
        _ => Family::Registry,
    }
}

/// The wire name of a family that has a board.
pub fn wire(family: Family) -> &'static str {
    match family {
        Family::Pledge => "pledge",
        Family::Vacancy => "vacancy",
        Family::Nomination => "nomination",
        Family::Notice => "notice",
        Family::Disclosure => "disclosure",
        Family::Registry => "organization",
    }
}

/// The page of a matter: its board's, or the generic one.
pub fn href(stream: &str) -> String {
    let (name, id) = stream.split_once('/').unwrap_or((stream, ""));
    match family(name) {
        Family::Registry => format!("/streams/{stream}"),
        family => format!("{}/{id}", family.href()),
    }
}

/// The page of an organization.
pub fn org_link(code: &str, name: &str) -> Link {
    Link::new(format!("/organizations/{code}"), name)
}

/// The trace of a withdrawal.
pub fn tombstone(trace: read::Tombstone) -> Tombstone {
    let reason = if trace.reason.is_empty() { String::new() } else { format!("：{}", trace.reason) };
    Tombstone {
        by: trace.org_name,
        why: format!("{}{reason}", trace.basis),
        at: moment(trace.at),
        index: trace.index,
        appeal: trace.appeal,
    }
}

/// A value, or its trace.
pub fn shown(value: read::Shown) -> Shown {
    match value {
        read::Shown::Given(text) => Shown::Given(text),
        read::Shown::Withdrawn(trace) => Shown::Withdrawn(tombstone(trace)),
    }
}

/// A value that should be there; what is absent reads as a dash.
pub fn shown_or_dash(value: Option<read::Shown>) -> Shown {
    value.map_or_else(|| Shown::of("—"), shown)
}

/// A cell of a line, or the trace of the whole line.
pub fn cell(
    row: Option<&serde_json::Map<String, serde_json::Value>>,
    trace: Option<&read::Tombstone>,
    name: &str,
) -> Option<Shown> {
    match (row.and_then(|row| row.get(name)), trace) {
        (Some(serde_json::Value::String(text)), _) => Some(Shown::of(text.as_str())),
        (Some(other), _) => Some(Shown::of(other.to_string())),
        (None, Some(trace)) if row.is_none() => Some(Shown::Withdrawn(tombstone(trace.clone()))),
        (None, _) => None,
    }
}

/// A title of a list.
pub fn title(text: Option<String>) -> Shown {
    Shown::of(text.unwrap_or_else(|| WITHDRAWN_TITLE.to_owned()))
}

/// A matter in a list.
pub fn item(matter: Matter) -> Item {
    Item {
        family: family(&matter.family),
        kind: matter.category_label.unwrap_or_default(),
        title: title(matter.title),
        href: match matter.as_of {
            Some(on) => format!("/streams/{}?on={on}", matter.stream),
            None => href(&matter.stream),
        },
        org: matter.org_name,
        status: Some(Badge(matter.status)),
        remark: days_left(matter.days_left),
        declared: Some(declared(matter.declared_at)),
        recorded: Some(moment(matter.recorded_at)),
        late_days: matter.back_filled.then(|| small(matter.late_days)),
        index: Some(matter.first_index),
    }
}

/// An entry in a list.
pub fn entry_item(entry: TimelineItem) -> Item {
    let title = entry.title.unwrap_or_else(|| format!("{}登记", family_label(&entry.family)));
    Item {
        family: family(&entry.family),
        kind: if entry.label == title { String::new() } else { entry.label },
        title: Shown::of(title),
        href: href(&entry.stream),
        org: entry.org_name,
        status: None,
        remark: String::new(),
        declared: Some(declared(entry.declared_at)),
        recorded: Some(moment(entry.recorded_at)),
        late_days: entry.back_filled.then(|| small(entry.late_days)),
        index: Some(entry.index),
    }
}

/// Who signed.
pub fn signer(signer: SignerName) -> parts::Signer {
    let holder = signer
        .name
        .unwrap_or_else(|| if signer.person.is_some() { "未公开姓名".into() } else { "账本自身".into() });
    parts::Signer { role: signer.role_label, holder, key: signer.key }
}

/// A labelled value.
pub fn row(field: ShownField) -> Row {
    Row { label: field.label, value: shown(field.value) }
}

/// Files of an event; they have no names of their own.
pub fn attachments(files: Vec<read::Attachment>) -> Vec<Attachment> {
    let file = |(number, file): (usize, read::Attachment)| Attachment {
        name: Shown::of(format!("{} {number}（{}）", file.label, file.media_type)),
        href: Some(format!("/log/attachment/{}", file.hash)),
        size: Bytes(file.size),
        hash: file.hash,
    };
    (1..).zip(files).map(file).collect()
}

/// An event of a history.
pub fn event(event: HistoryEvent) -> Event {
    let segment = |segment| match segment {
        diff::Segment::Same(text) => Segment::Same(text),
        diff::Segment::Deleted(text) => Segment::Deleted(text),
        diff::Segment::Inserted(text) => Segment::Inserted(text),
    };
    Event {
        index: event.index,
        kind: event.label,
        status: None,
        declared: declared(event.declared_at),
        recorded: moment(event.recorded_at),
        late_days: event.back_filled.then(|| small(event.late_days)),
        org: org_link(&event.org, &event.org_name),
        signers: event.signers.into_iter().map(signer).collect(),
        proxy: event.proxy.map(|proxy| Proxy { channel: proxy.channel, original: proxy.original.to_string() }),
        rows: event.fields.into_iter().map(row).collect(),
        diffs: event
            .diffs
            .into_iter()
            .map(|diff| Diff { label: diff.label, segments: diff.segments.into_iter().map(segment).collect() })
            .collect(),
        attachments: attachments(event.attachments),
    }
}

/// A history, newest first.
pub fn history(events: Vec<HistoryEvent>) -> Vec<Event> {
    events.into_iter().rev().map(event).collect()
}

/// The supervisions of a matter with their clocks.
pub async fn clocks_of(reader: &mut Reader, matter: &read::Matter) -> Result<Vec<parts::Clock>, ReadError> {
    if matter.is_supervised == Some(false) {
        return Ok(Vec::new());
    }
    clocks(reader, &matter.stream).await
}

/// The supervisions about a stream, or the one that it is.
pub async fn clocks(reader: &mut Reader, stream: &str) -> Result<Vec<parts::Clock>, ReadError> {
    let clock = |found: read::supervisions::Supervised| parts::Clock {
        href: href(&found.stream),
        title: found.title.unwrap_or_else(|| WITHDRAWN_TITLE.to_owned()),
        by: found.by_name,
        to: found.to_name,
        due: Day(found.due_on),
        days_left: found.days_left,
        answer: found.answer.map(|(label, on)| match on {
            Some(on) => format!("{}回复：{label}", Day(on)),
            None => format!("回复：{label}"),
        }),
    };
    Ok(reader.supervisions_of(stream).await?.into_iter().map(clock).collect())
}

/// How calendars moved the last day of something.
pub fn moved(what: &'static str, steps: &[read::moved::Moved]) -> Vec<parts::Moved> {
    let step = |step: &read::moved::Moved| parts::Moved {
        what,
        from: Day(step.from),
        to: Day(step.to),
        year: step.year,
        at: moment(step.at),
        index: step.index,
    };
    steps.iter().map(step).collect()
}

/// The organizations from the top down to this one.
pub async fn path(reader: &mut Reader, code: &str) -> Result<Vec<Link>, ReadError> {
    let mut codes: Vec<String> = reader.world().chain(code).map(str::to_owned).collect();
    codes.reverse();
    let names = reader.org_names(codes.iter().map(String::as_str)).await?;
    Ok(codes.iter().map(|code| org_link(code, names.get(code).unwrap_or(code))).collect())
}

/// The place of a page in a list of `total` results.
pub fn pager(page: u64, limit: u64, total: u64, href: impl Fn(u64) -> String) -> Pager {
    let pages = total.div_ceil(limit.max(1)).max(1);
    Pager {
        page,
        pages,
        total: Count(total),
        prev: (page > 1).then(|| href((page - 1).min(pages))),
        next: (page < pages).then(|| href(page + 1)),
    }
}

fn both(base64: String, hex: String) -> HashText {
    HashText { base64, hex }
}

fn blake(digest: &Digest) -> HashText {
    both(digest.to_string(), digest.to_hex())
}

fn sha(hash: &TreeHash) -> HashText {
    both(hash.to_string(), hash.to_hex())
}

/// The check panel of a matter with all its events: that of the last one, and whether one is missing.
pub async fn check(
    app: &App,
    reader: &Reader,
    signed: Option<&Arc<Signed>>,
    events: &[HistoryEvent],
) -> Result<Check, Problem> {
    let mut check = check_last(app, reader, signed, events).await?;
    if !check.is_later {
        check.whole = whole(app, reader, events).await?;
    }
    Ok(check)
}

/// The check panel of the last of these events.
pub async fn check_last(
    app: &App,
    reader: &Reader,
    signed: Option<&Arc<Signed>>,
    events: &[HistoryEvent],
) -> Result<Check, Problem> {
    let HistoryEvent { index, withdrawn_count, .. } = events.last().ok_or_else(super::nothing)?;
    if app.foreseen().is_some_and(|event| event.index == *index) {
        return Ok(Check::later(*index, moment(app.now())));
    }
    check_of(app, reader, signed, &entry_of(app, *index).await?, *withdrawn_count).await
}

/// An entry, and whether it was found just now in what the log published; `None` before it is published.
pub type Looked = (Arc<Entry>, Option<bool>);

/// An entry as it was published, or for the moment until then as it was committed.
pub async fn entry_of(app: &App, index: u64) -> Result<Looked, Problem> {
    if let Some((entry, is_proven)) = app.published.proven(index, app.keys()).await? {
        return Ok((entry, Some(is_proven)));
    }
    let entry = app.entry(index).await?.ok_or_else(|| Problem::not_found("账本里没有这个序号的条目"))?;
    Ok((entry, None))
}

/// Whether the map has as many records of the matter as the page; `None` where that cannot be told yet.
async fn whole(app: &App, reader: &Reader, events: &[HistoryEvent]) -> Result<Option<Whole>, Problem> {
    let Some(stream) = events.first().and_then(|event| StreamId::parse(&event.stream).ok()) else { return Ok(None) };
    let Some(counted) = app.counted(&MapKey::stream(&stream)).await? else { return Ok(None) };
    // The views follow; until they have, it cannot be told.
    if counted.size > reader.size() {
        return Ok(None);
    }
    let shown = events.iter().filter(|event| event.index < counted.size).count() as u64;
    Ok(Some(Whole {
        size: Count(counted.size),
        count: Count(counted.head.count),
        shown: Count(shown),
        later: Count(events.len() as u64 - shown),
        href: format!("/api/v1/streams/{stream}/proof"),
    }))
}

/// Whether the site has as many records in the name of an organization as the map; `None` where that cannot be told yet.
pub async fn whole_of(app: &App, reader: &mut Reader, code: &str) -> Result<Option<WholeOf>, Problem> {
    let Some(counted) = app.counted(&MapKey::organization(code)).await? else { return Ok(None) };
    if counted.size > reader.size() {
        return Ok(None);
    }
    let shown = reader.said_in_name_of(code, counted.size).await?;
    let all = reader.said_in_name_of(code, reader.size()).await?;
    Ok(Some(WholeOf(Whole {
        size: Count(counted.size),
        count: Count(counted.head.count),
        shown: Count(shown),
        later: Count(all - shown),
        href: format!("/api/v1/organizations/{code}/proof"),
    })))
}

/// The check panel of an entry that is at hand.
pub async fn check_of(
    app: &App,
    reader: &Reader,
    signed: Option<&Arc<Signed>>,
    (entry, proven): &Looked,
    withdrawn: u64,
) -> Result<Check, Problem> {
    let note = entry.content.note();
    let (statement, signers): (Digest, &[Signer]) = match &entry.content {
        Content::Statement(signed) => (signed.hash, &signed.statement.signers),
        Content::Sealed(_) => (Digest::of(note.text.as_bytes()), &[]),
    };
    let line = |(place, line): (usize, &gongkai_log::NoteSignature)| SignatureLine {
        role: signers.get(place).map_or_else(|| "收件".to_owned(), |signer| role_label(&signer.role)),
        key: line.name.clone(),
        public_key: public_key(reader, &line.name, entry.index),
        registered: reader.world().key_at(&line.name, entry.index).map(|(_, registered)| registered),
        // The entry's head has five lines, the text three, and a blank line follows.
        line: place + 10,
    };
    Ok(Check {
        is_later: false,
        // The page says that nothing was changed only after it has checked that just now.
        proven: *proven,
        index: entry.index,
        recorded: moment(entry.recorded_at),
        entry_hash: blake(&entry.hash),
        statement_hash: blake(&statement),
        previous_hash: blake(&entry.prev),
        leaf_hash: sha(&entry.leaf_hash()),
        checkpoint: match signed.filter(|signed| signed.checkpoint.size > entry.index) {
            Some(signed) => Some(checkpoint(app, signed).await?),
            None => None,
        },
        withdrawn: small(withdrawn),
        whole: None,
        openings: Some(format!("/log/{}", tile::openings_path(entry.index / tile::TILE_WIDTH))),
        signatures: note.signatures.iter().enumerate().map(line).collect(),
        base_url: app.about.base_url.clone(),
        vkey: app.vkey().to_string(),
        open: false,
    })
}

async fn checkpoint(app: &App, signed: &Arc<Signed>) -> Result<Checkpoint, Problem> {
    Ok(Checkpoint {
        size: Count(signed.checkpoint.size),
        root: signed.checkpoint.root.to_string(),
        at: moment(signed.written_at),
        witnesses: small(app.published.cosigned(signed).await?),
    })
}

fn role_label(wire: &str) -> String {
    gongkai_domain::Role::from_wire(wire).map_or_else(|| wire.to_owned(), |role| role.label().to_owned())
}

/// The last part of a verifier key: base64 of type and public key.
fn public_key(reader: &Reader, name: &str, index: u64) -> String {
    let text = reader.world().key_at(name, index).map(|(key, _)| key.to_string()).unwrap_or_default();
    // Base64 may itself hold a `+`.
    text.splitn(3, '+').nth(2).unwrap_or_default().to_owned()
}
