//! `/hand-in` and `/hand-in/{kind}`: what can be handed in, the form of any kind, and the form as a browser without
//! scripts posts it.
//!
//! The form follows from the kind's own table (`citizen::form`); a posted one goes through the functions that judge the
//! API's submissions (`citizen::hand_in`). What it says to people stands in [`words`]; where a form is offered and where
//! not, in [`taking`]. Through an intake everything is encrypted, so such a form is never posted.

mod taking;
mod words;

pub use self::taking::{asked, continuations, is_open, letter, letter_about, links};

use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, REFERRER_POLICY};
use axum::http::{HeaderMap, HeaderValue, Uri};
use axum::response::{IntoResponse as _, Response};
use chrono::NaiveDate;
use gongkai_domain::field::{Choice, Field, Place, Shape};
use gongkai_domain::kind::{self, Described as _, KINDS, tally};
use gongkai_domain::{Kind, Role, envelope};
use gongkai_log::{Signer, StreamId};
use gongkai_projections::Reader;
use gongkai_projections::read::disclosures::Line;
use gongkai_projections::read::{Filter, HistoryEvent, OrganizationItem, history};
use serde_json::{Map, Value, json};

use super::{Frame, HTML, frame, next, nothing, parts, receipt};
use crate::http::api::body::{self, Arrived};
use crate::http::citizen::address::Client;
use crate::http::citizen::form::{Ask, Posted};
use crate::http::citizen::hand_in::{taken, written};
use crate::http::citizen::outside;
use crate::http::internal::gate;
use crate::http::problem::Problem;
use crate::http::query::{Params, push};
use crate::http::{App, pages};
use crate::keyfile;
use crate::site::Page;
use crate::site::format::Count;
use crate::site::hand_in::{
    AnswerPage, Ballot, Chosen, Control, Encrypted, FieldRow, FormPage, Offer, OffersPage, Person, Pick, Stage,
};
use crate::site::parts::{Family, Link};
use crate::site::problem::ProblemPage;
use taking::closed;
use words::{called, hint, place_in_order, promise};

/// Most organizations that are offered at once.
const ORGANIZATIONS_SHOWN: u32 = 30;
/// Most open matters that are offered at once, the newest.
const MATTERS_SHOWN: usize = 30;
/// Most levels that are walked down alone: province, city, county and a few to spare.
const LEVELS_MAX: usize = 6;
/// Most persons of one organization that can be chosen.
const PEOPLE_SHOWN: u32 = 100;
/// Texts of more characters get several lines.
const LINE_CHARS_MAX: usize = 200;

/// Everything that can be handed in.
pub async fn offers(State(app): State<App>, headers: HeaderMap) -> Response {
    let page = make_offers(&app).await;
    pages::answer(&app, &headers, page).await
}

async fn make_offers(app: &App) -> Result<OffersPage, Problem> {
    let Frame { site, .. } = frame(app).await?;
    let reader = app.read().await?;
    let is_beyond = outside::open(app, reader.world()).is_some();
    Ok(OffersPage {
        site,
        is_open: is_open(app, reader.world()),
        is_beyond,
        is_cut_off: taking::is_cut_off(app, reader.world()),
        offers: for_citizens().map(|kind| offer(kind, is_beyond)).collect(),
    })
}

/// The form of one kind.
pub async fn show(State(app): State<App>, uri: Uri, headers: HeaderMap, Path(slug): super::Id) -> Response {
    let page = make(&app, &uri, &slug).await;
    let is_form = page.as_ref().is_ok_and(|page| page.stage == Stage::Form);
    let response = pages::answer(&app, &headers, page).await;
    // The receipt takes the form's place, with its image.
    if is_form { receipt::with_image(response) } else { response }
}

/// The form as a browser without scripts posts it.
pub async fn post(
    State(app): State<App>,
    client: Client,
    headers: HeaderMap,
    Path(slug): super::Id,
    body: Arrived,
) -> Response {
    let answer = accept(&app, client, &headers, &slug, body).await;
    receipt::with_image(unkept(&app, answer).await)
}

fn for_citizens() -> impl Iterator<Item = &'static Kind> {
    let mut kinds: Vec<&Kind> = KINDS.iter().filter(|kind| kind.is_for_citizens()).collect();
    kinds.sort_by_key(|kind| place_in_order(kind));
    kinds.into_iter()
}

/// The wire name without its version, as it stands in addresses.
pub fn slug(kind: &Kind) -> &'static str {
    kind.name.rsplit_once(".v").map_or(kind.name, |(name, _)| name)
}

fn find(slug: &str) -> Result<&'static Kind, Problem> {
    for_citizens().find(|kind| self::slug(kind) == slug).ok_or_else(|| Problem::not_found("没有这种事项"))
}

/// Address of the form of a kind about a matter.
pub fn href(kind: &Kind, about: &str) -> String {
    let mut href = format!("/hand-in/{}", slug(kind));
    push(&mut href, "about", about);
    href
}

fn offer(kind: &'static Kind, is_beyond: bool) -> Offer {
    let (label, gloss) = called(kind);
    let start = match kind.about() {
        Some(family) => {
            from_board(family).unwrap_or_else(|| Link::new(format!("/hand-in/{}", slug(kind)), "看正在进行的"))
        }
        None if needs_code(kind) => by_code(),
        None => Link::new(format!("/hand-in/{}", slug(kind)), format!("去{label}")),
    };
    let promise = promise(kind, is_beyond);
    Offer { label: label.into(), gloss: gloss.into(), start, promise, encrypted: encrypted(kind) }
}

/// It continues what one handed in oneself, which only its code finds.
fn needs_code(kind: &Kind) -> bool {
    kind.sealed && !kind.opens
}

fn by_code() -> Link {
    Link::new("/follow", "凭查询码打开那件事")
}

/// The board on which a family's matters are found; some families have none.
fn from_board(family: &str) -> Option<Link> {
    match parts::family(family) {
        Family::Registry => None,
        board => Some(Link::new(board.href(), format!("到“{}”里找", board.label()))),
    }
}

/// When a kind is encrypted, by the rule that the ledger applies.
fn encrypted(kind: &Kind) -> Encrypted {
    let chosen = |field: &Field| match Ask::of(kind, field) {
        Ask::Choose(choices) => choices.iter().any(|choice| must_encrypt(kind, field, choice)),
        _ => false,
    };
    if envelope::is_demanded(kind, &Map::new()) {
        Encrypted::Always
    } else if kind.fields.iter().any(chosen) {
        Encrypted::Sometimes
    } else {
        Encrypted::Never
    }
}

fn must_encrypt(kind: &Kind, field: &Field, (wire, _): &Choice) -> bool {
    envelope::is_demanded(kind, &Map::from_iter([(field.name.to_owned(), json!(wire))]))
}

/// The matter that something is about, as the page shows it.
struct Thing {
    stream: StreamId,
    org: String,
    link: Link,
    lines: Vec<Chosen>,
    choices_max: Option<u64>,
    /// Ballots of it are made from the codes on slips.
    has_slips: bool,
    /// The day on which it promises to publish what came of it.
    report_on: Option<NaiveDate>,
}

async fn make(app: &App, uri: &Uri, slug: &str) -> Result<FormPage, Problem> {
    let kind = find(slug)?;
    let params = Params::of(uri)?;
    let names = kind.fields.iter().map(|field| field.name);
    params.only(&["org", "about", "q", "under"].into_iter().chain(names).collect::<Vec<_>>())?;
    let Frame { site, .. } = frame(app).await?;
    let mut reader = app.read().await?;
    let thing = match (kind.about(), params.text("about")) {
        (Some(family), Some(about)) => Some(thing(&mut reader, family, about).await?),
        _ => None,
    };
    let org = thing.as_ref().map(|thing| thing.org.clone()).or_else(|| params.text("org").map(str::to_owned));
    let path = match &org {
        Some(org) if reader.world().organization(org).is_some() => parts::path(&mut reader, org).await?,
        Some(_) => return Err(Problem::not_found("没有这个机构")),
        None => Vec::new(),
    };
    let stage = stage(app, kind, thing.as_ref(), org.as_deref(), &params, &mut reader).await?;
    let fields = match &stage {
        Stage::Form => fields(app, kind, thing.as_ref(), &path, &mut reader).await?,
        _ => Vec::new(),
    };
    let (fields, refers) = filled(kind, fields, &params, &mut reader).await?;
    let about = thing.as_ref().map(|thing| &thing.stream);
    let next = org.as_deref().filter(|_| is_open(app, reader.world())).map(|org| {
        let report_on = thing.as_ref().and_then(|thing| thing.report_on);
        asked(app, reader.world(), |world| next::of(kind, org, about, report_on, (app.today(), world)))
    });
    let beyond = outside::open(app, reader.world()).map(|outside| outside.entry);
    let (label, gloss) = called(kind);
    let names: Map<String, Value> = path.iter().map(|link| (code(link).to_owned(), json!(link.label))).collect();
    Ok(FormPage {
        site,
        kind: kind.name.into(),
        slug: slug.into(),
        label: label.into(),
        gloss: gloss.into(),
        family: kind.family().into(),
        opens: kind.opens,
        ballot: ballot(kind, thing.as_ref()),
        needs_code: needs_code(kind),
        encrypted: encrypted(kind),
        promise: promise(kind, beyond.is_some()),
        beyond,
        next: next.unwrap_or_default(),
        refers,
        org_name: path.last().map(|link| link.label.clone()).unwrap_or_default(),
        org: org.unwrap_or_default(),
        about: thing.map(|thing| (thing.stream.to_string(), thing.link)),
        names: Value::Object(names).to_string(),
        fields,
        stage,
    })
}

fn code(link: &Link) -> &str {
    link.href.trim_start_matches("/organizations/")
}

async fn thing(reader: &mut Reader, family: &str, about: &str) -> Result<Thing, Problem> {
    let stream: StreamId = about.parse().map_err(|_| nothing())?;
    let events = reader.history(about).await?;
    let Some(first) = events.first().filter(|_| stream.family == family) else { return Err(nothing()) };
    let title = history::latest(&events, "title").map(parts::shown);
    let title = title.map_or_else(|| first.label.clone(), |title| title.plain().to_owned());
    // A sheet has too many lines to choose from; its lines are asked for by their numbers.
    let lines = if family == "disclosure" { Vec::new() } else { lines(reader, first).await? };
    let choices_max = first.body.get("choices_max").and_then(Value::as_u64);
    let has_slips = first.body.get("slips").and_then(Value::as_array).is_some_and(|files| !files.is_empty());
    let link = Link::new(parts::href(about), title);
    let report_on = first.body.get("report_on").and_then(Value::as_str).and_then(|day| day.parse().ok());
    Ok(Thing { org: first.org.clone(), link, stream, lines, choices_max, has_slips, report_on })
}

/// The lines of a matter's list by their first two texts: 姓名 and 拟任职务, 职位 and 单位.
async fn lines(reader: &mut Reader, first: &HistoryEvent) -> Result<Vec<Chosen>, Problem> {
    let Some(kind) = kind::find(&first.kind) else { return Ok(Vec::new()) };
    let Some((shape, _)) = kind.list.shape(&first.body) else { return Ok(Vec::new()) };
    let columns = shape.columns.iter().filter(|column| matches!(column.shape, Shape::Text(_)) && column.required);
    let columns: Vec<&str> = columns.map(|column| column.name).collect();
    let found = reader.lines_of_entry(first.index).await?;
    let label = |row: &Map<String, Value>| {
        let texts = columns.iter().filter_map(|name| row.get(*name)?.as_str());
        texts.take(3).collect::<Vec<_>>().join("　")
    };
    let line = |line: Line| {
        let label = line.row.as_ref().map(label)?;
        Some(Chosen { value: line.line.to_string(), label, is_encrypted: false })
    };
    Ok(found.into_iter().filter_map(line).collect())
}

async fn stage(
    app: &App,
    kind: &Kind,
    thing: Option<&Thing>,
    org: Option<&str>,
    params: &Params,
    reader: &mut Reader,
) -> Result<Stage, Problem> {
    if let Some(reason) = closed(app, reader.world(), kind, thing, org) {
        return Ok(Stage::Closed(reason));
    }
    if let (Some(family), None) = (kind.about(), thing) {
        return matters(app, kind, family, reader).await;
    }
    if org.is_some() {
        return Ok(Stage::Form);
    }
    if needs_code(kind) {
        return Ok(Stage::Matter { open: None, board: Some(by_code()) });
    }
    organizations(kind, params, app.today(), reader).await
}

/// Matters to choose from: those that are open now where they have a window, and the family's board.
async fn matters(app: &App, kind: &Kind, family: &str, reader: &mut Reader) -> Result<Stage, Problem> {
    let board = from_board(family);
    let today = app.today();
    let streams = asked(app, reader.world(), |world| world.matters.open_on(family, today));
    let has_window = !streams.is_empty() || board.is_none();
    let mut open = Vec::new();
    for stream in streams.iter().rev().take(MATTERS_SHOWN) {
        let about = stream.to_string();
        // Just recorded, and in no view yet.
        if let Ok(thing) = thing(reader, family, &about).await {
            open.push(Link::new(href(kind, &about), thing.link.label));
        }
    }
    Ok(Stage::Matter { open: has_window.then_some(open), board })
}

/// Organizations to choose from: those with a part of a name, those below one, or from the top down to where it branches.
async fn organizations(kind: &Kind, params: &Params, today: NaiveDate, reader: &mut Reader) -> Result<Stage, Problem> {
    let filter = Filter { limit: ORGANIZATIONS_SHOWN, ..Filter::default() };
    let query = params.text("q").unwrap_or_default().to_owned();
    let under = params.text("under").filter(|_| query.is_empty());
    let mut page = match query.as_str() {
        "" => reader.children(under, Some(today), &filter).await?,
        part => reader.organizations_named(part, &filter).await?,
    };
    let (mut items, mut total) = (page.items, page.total);
    // A county's own ledger begins with its province and city, each alone.
    while query.is_empty() && under.is_none() && page.total == 1 && items.len() < LEVELS_MAX {
        let Some(only) = items.last().map(|item| item.code.clone()) else { break };
        page = reader.children(Some(&only), Some(today), &filter).await?;
        total += page.total;
        items.append(&mut page.items);
    }
    let under = match under {
        Some(code) if reader.world().organization(code).is_some() => parts::path(reader, code).await?.pop(),
        _ => None,
    };
    let under = under.map(|link| link.label);
    let found = items.iter().map(|item| pick(kind, item)).collect();
    Ok(Stage::Organization { query, under, found, total: Count(total) })
}

fn pick(kind: &Kind, item: &OrganizationItem) -> Pick {
    let to = |name: &str| {
        let mut href = format!("/hand-in/{}", slug(kind));
        push(&mut href, name, &item.code);
        href
    };
    Pick { name: item.name.clone(), href: to("org"), inside: (item.below > 0).then(|| to("under")) }
}

async fn fields(
    app: &App,
    kind: &Kind,
    thing: Option<&Thing>,
    path: &[Link],
    reader: &mut Reader,
) -> Result<Vec<FieldRow>, Problem> {
    let lines: &[Chosen] = thing.map_or(&[], |thing| &thing.lines);
    let by_slip = ballot(kind, thing) == Ballot::BySlip;
    let mut rows = Vec::with_capacity(kind.fields.len());
    for field in kind.fields {
        let ask = Ask::of(kind, field);
        let control = match ask {
            Ask::Never => continue,
            Ask::Thing => Control::Hidden(thing.map(|thing| thing.stream.to_string()).unwrap_or_default()),
            Ask::Today => Control::Hidden(app.today().to_string()),
            Ask::Web => Control::Hidden("web".into()),
            Ask::Refers => Control::Hidden(String::new()),
            Ask::Write(chars_max) if chars_max > LINE_CHARS_MAX => Control::Area,
            Ask::Choose(choices) => Control::Select(choices.iter().map(|choice| chosen(kind, field, choice)).collect()),
            Ask::Tick => Control::Tick,
            Ask::Word(_) | Ask::Number | Ask::Hashes if by_slip => Control::Hidden(String::new()),
            Ask::Number if field.name != "place" && !lines.is_empty() => Control::Select(lines.to_vec()),
            Ask::Above => {
                let above =
                    |link: &Link| Chosen { value: code(link).into(), label: link.label.clone(), is_encrypted: false };
                Control::Select(path.iter().rev().skip(1).map(above).collect())
            }
            Ask::People => Control::People(people(path, reader).await?),
            Ask::Numbers if !lines.is_empty() => Control::Options(lines.to_vec()),
            Ask::Hashes => Control::Area,
            Ask::Number | Ask::Line => Control::Line { is_number: true },
            Ask::Write(_) | Ask::Word(_) | Ask::Numbers => Control::Line { is_number: false },
        };
        let mut row = row(kind, field, ask, control);
        if let (Control::Options(_), Some(most)) = (&row.control, thing.and_then(|thing| thing.choices_max)) {
            row.hint = format!("最多选 {most} 项。");
        }
        rows.push(row);
    }
    rows.sort_by_key(|row: &FieldRow| rank(&row.control, row.is_required));
    Ok(rows)
}

/// What is shown with a ballot.
fn ballot(kind: &Kind, thing: Option<&Thing>) -> Ballot {
    match thing {
        _ if kind.name != tally::Cast::KIND => Ballot::No,
        Some(thing) if thing.has_slips => Ballot::BySlip,
        _ => Ballot::ByPath,
    }
}

/// First what it is about, then what is said, then who says it.
fn rank(control: &Control, is_required: bool) -> u8 {
    match control {
        Control::Hidden(_) | Control::Select(_) | Control::Options(_) => 0,
        Control::People(_) => 1,
        Control::Line { is_number: true } if !is_required => 1,
        Control::Area | Control::Line { .. } if is_required => 2,
        Control::Area => 3,
        Control::Tick => 4,
        Control::Line { .. } => 5,
    }
}

fn chosen(kind: &Kind, field: &Field, choice: &Choice) -> Chosen {
    let (value, label) = *choice;
    Chosen { value: value.into(), label: label.into(), is_encrypted: must_encrypt(kind, field, choice) }
}

fn row(kind: &Kind, field: &Field, ask: Ask, control: Control) -> FieldRow {
    let full = format!("{}/{}", slug(kind), field.name);
    let (place, tier) = match field.place {
        Place::Body => ("body", String::new()),
        Place::Slot(tier) => ("slot", tier.to_string()),
    };
    let chars_max = match ask {
        Ask::Write(chars_max) | Ask::Word(chars_max) => Some(chars_max),
        _ => None,
    };
    let optional = |hint: String| if field.required { hint.replace("可以不写。", "") } else { hint };
    FieldRow {
        name: field.name.into(),
        // A line is asked for by what it says: 人员行号 is 人员 where there is something to choose from.
        label: match &control {
            Control::Select(_) | Control::Options(_) => field.label.trim_end_matches("行号").into(),
            _ => field.label.into(),
        },
        hint: hint(&full).or_else(|| hint(field.name)).map(|hint| optional(hint.to_owned())).unwrap_or_default(),
        shape: ask.shape(),
        place,
        tier,
        is_required: field.required && ask != Ask::Tick,
        chars_max,
        control,
        given: String::new(),
    }
}

/// The fields with what the address of the form fills in, and the public matter that it speaks of. Nothing is filled in
/// where it is always encrypted: what an address says is not secret.
async fn filled(
    kind: &Kind,
    mut rows: Vec<FieldRow>,
    params: &Params,
    reader: &mut Reader,
) -> Result<(Vec<FieldRow>, Option<Link>), Problem> {
    let mut refers = None;
    for row in rows.iter_mut().filter(|_| encrypted(kind) != Encrypted::Always) {
        let Some(text) = params.text(&row.name) else { continue };
        match &mut row.control {
            Control::Hidden(stream) if row.shape == Ask::Refers.shape() => {
                let Some(first) = reader.history(text).await?.into_iter().next() else { continue };
                let title = thing(reader, &stream_family(text), text).await?.link;
                stream.push_str(text);
                refers = Some(Link::new(title.href, format!("{} {}", first.org_name, title.label)));
            }
            Control::Select(choices) if choices.iter().any(|choice| choice.value == text) => row.given = text.into(),
            Control::Line { .. } | Control::Area => row.given = text.into(),
            _ => {}
        }
    }
    Ok((rows, refers))
}

fn stream_family(stream: &str) -> String {
    stream.split('/').next().unwrap_or_default().to_owned()
}

/// Whom the registry names at the organization and those above it, nearest first.
async fn people(path: &[Link], reader: &mut Reader) -> Result<Vec<Person>, Problem> {
    let mut people = Vec::new();
    for link in path.iter().rev() {
        for official in reader.officials(code(link), PEOPLE_SHOWN).await? {
            let post = official.post.map_or_else(|| link.label.clone(), |post| format!("{} {post}", link.label));
            people.push(Person { stream: official.person, name: official.name, post });
        }
    }
    Ok(people)
}

/// Judges a posted form as the API judges a submission.
async fn accept(
    app: &App,
    client: Client,
    headers: &HeaderMap,
    slug: &str,
    body: Arrived,
) -> Result<AnswerPage, Problem> {
    let kind = find(slug)?;
    let ledger = app.ledger()?;
    if !gate::is_from_us(headers, false) {
        return Err(Problem::new("cross_origin", "这个请求来自别的网站，没有执行"));
    }
    let bytes = body::bytes(headers, body)?;
    app.citizens.admit(client, headers, &bytes, app.clock.monotonic())?;
    let posted = Posted::read(headers, bytes.clone()).await?;
    let about = posted.text("_about").map(|about| about.parse::<StreamId>().map_err(|_| nothing())).transpose()?;
    let org = posted.text("_org").unwrap_or_default();
    let command = posted.command(kind, org, about.as_ref(), app.today());
    let signers = vec![Signer { role: Role::Intake.wire().into(), key: ledger.intake_key().name().into() }];
    let code = posted.text("_code");
    let prepared = written(app, client, code, command, signers).await?;
    let text = prepared.text.clone();
    let accepted = taken(app, client, code, &random_key(), &bytes, prepared.into_submission(text)).await;
    let Frame { site, .. } = frame(app).await?;
    Ok(AnswerPage { site, answer: receipt::answer(app, code.filter(|_| needs_code(kind)), accepted).await? })
}

/// Each posting counts for itself: a key that came from the content could be used to guess it.
fn random_key() -> String {
    let mut random = [0; 16];
    keyfile::random(&mut random);
    uuid::Builder::from_random_bytes(random).into_uuid().to_string()
}

/// A page for one person at one time: kept by nobody on the way, and its address told to nobody.
pub async fn unkept(app: &App, page: Result<impl Page, Problem>) -> Response {
    unkept_text(app, super::rendered(page)).await
}

/// The same of a page that is rendered already.
pub async fn unkept_text(app: &App, html: Result<String, Problem>) -> Response {
    let mut response = match html {
        Ok(html) => ([(CONTENT_TYPE, HeaderValue::from_static(HTML))], html).into_response(),
        Err(problem) => declined(app, problem).await,
    };
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.headers_mut().insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

/// A no without a receipt, with what to do about it.
async fn declined(app: &App, problem: Problem) -> Response {
    let Ok(Frame { site, .. }) = frame(app).await else { return problem.into_response() };
    let page = ProblemPage {
        site,
        code: problem.row.status,
        headline: problem.row.title.to_owned(),
        detail: problem.detail.clone(),
        advice: vec!["用浏览器的“后退”回到上一页，改好再提交；写过的内容一般还在。".into()],
    };
    let Ok(html) = askama::Template::render(&page) else { return problem.into_response() };
    let mut response = problem.into_response();
    *response.body_mut() = html.into();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(HTML));
    response
}
