//! `/internal/answers`: the questions and letters that wait for an answer, by age and with their clocks; and one of them.
//!
//! The list is the board's own ([`List::Unanswered`]), cleared row by row. The page of a question opens the original by a
//! signed access, and its script has question and answer judged while one writes, by the code that judges at recording:
//! what would name the asker is refused there too. A letter has a page of its own ([`super::letters`]); an objection is read
//! here and continued with the form of its kind.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use gongkai_domain::confidentiality::{self, Reader};
use gongkai_domain::kind::access::Purpose;
use gongkai_domain::kind::disclosure::{Answered, WithholdingGround};
use gongkai_domain::kind::intake::PointResult;
use gongkai_domain::kind::{self, Described as _};
use gongkai_domain::{KINDS, Role};
use gongkai_log::StreamId;
use gongkai_projections::Reader as Views;
use gongkai_projections::board::{self, Asking, List, ROOTS_MAX, Row as BoardRow};
use gongkai_projections::internal::read::{EventRow, MatterRow};
use gongkai_projections::read::{Disclosure, Question};
use serde_json::{Value, json};

use super::{answer, is_for, letters, roles, who};
use crate::http::App;
use crate::http::internal::matters::matter_id;
use crate::http::pages::next::latest;
use crate::http::pages::{Frame, frame, hand_in, nothing, parts};
use crate::http::problem::Problem;
use crate::http::query::{Params, push};
use crate::site::console_answers::{AnswerPage, AnswersPage, Awaiting};
use crate::site::format::{Count, Day};
use crate::site::parts::{Badge, Link, Row};

/// Most that are listed at once, those that wait longest.
const LISTED_MAX: u64 = 100;
/// The family of letters.
const LETTERS: &str = "letter";

pub(super) async fn list(State(app): State<App>, headers: HeaderMap, uri: Uri) -> Response {
    answer(&app, &headers, &uri, async |reader| {
        let Frame { site, .. } = frame(&app).await?;
        let mut views = current(&app).await?;
        let roots = app.ledger()?.with_world(|world| confidentiality::overseen(&reader, world));
        let (awaiting, total) = match roots.len() {
            1..=ROOTS_MAX => {
                let asking = Asking { reader: &reader, roots: &roots, inside: app.internal.as_ref() };
                let page = board::page(&asking, List::Unanswered, 0, LISTED_MAX, &mut views).await?;
                let today = app.today();
                (page.rows.iter().filter_map(|row| awaiting(row, today)).collect(), page.total)
            }
            _ => (Vec::new(), 0),
        };
        Ok(AnswersPage { site, who: who(&app, &reader, &mut views).await?, awaiting, total: Count(total) })
    })
    .await
}

/// The views once they reflect what is committed.
pub(super) async fn current(app: &App) -> Result<Views, Problem> {
    let committed = *app.ledger()?.committed().borrow();
    app.read_at(committed.checked_sub(1)).await
}

fn awaiting(row: &BoardRow, today: chrono::NaiveDate) -> Option<Awaiting> {
    let mut href = format!("/internal/answers/{}", row.stream.as_ref()?);
    if let Some(revision) = row.revision.filter(|_| !row.sealed) {
        push(&mut href, "question", &revision.to_string());
    }
    Some(Awaiting {
        label: row.label.clone(),
        title: row.title.clone().unwrap_or_default(),
        org: row.org_name.clone(),
        awaits: row.awaits.clone(),
        days: row.since.map_or(0, |since| (today - since).num_days()),
        due: row.due_on.map(Day),
        days_over: row.due_on.map_or(0, |due| (today - due).num_days().max(0)),
        rule: row.rule.clone(),
        href,
    })
}

pub(super) async fn show(
    State(app): State<App>,
    headers: HeaderMap,
    uri: Uri,
    Path((family, id)): Path<(String, String)>,
) -> Response {
    if family == LETTERS {
        return answer(&app, &headers, &uri, async |reader| {
            letters::make(&app, &reader, &matter_id(&family, &id)?).await
        })
        .await;
    }
    answer(&app, &headers, &uri, async |reader| {
        let params = Params::of(&uri)?;
        params.only(&["question"])?;
        match params.number("question", 0, u64::MAX)? {
            Some(revision) => question(&app, &reader, &super::super::pages::stream(&family, &id)?, revision).await,
            None => sealed(&app, &reader, &family, &id).await,
        }
    })
    .await
}

/// A question about a sheet, answered in public.
async fn question(app: &App, reader: &Reader, stream: &str, revision: u64) -> Result<AnswerPage, Problem> {
    let Frame { site, .. } = frame(app).await?;
    let mut views = current(app).await?;
    let sheet = views.disclosure(stream).await?.ok_or_else(nothing)?;
    let asked = sheet.questions.iter().find(|asked| asked.revision == revision).ok_or_else(nothing)?;
    let kind = kind::find(Answered::KIND).ok_or_else(nothing)?;
    if !is_for(kind, &roles(app, reader)?) {
        return Err(Problem::not_found("没有这件事，或者不由您的职责答复"));
    }
    let org = sheet.matter.org.as_str();
    let role = role_at(app, reader, kind.authors, org)?;
    let title = sheet.title.as_ref().and_then(|title| title.given()).unwrap_or("公开");
    let about = format!("{}#Q{}", parts::href(stream), asked.index);
    Ok(AnswerPage {
        site,
        who: who(app, reader, &mut views).await?,
        label: if asked.interpellation { "质询" } else { "询问" }.into(),
        about: Link::new(about, title),
        rows: facts(&sheet, asked),
        status: Some(Badge(asked.status)),
        table: json!({
            "stream": stream, "revision": revision, "org": org, "role": role, "key": reader.key(),
            "purpose": Purpose::Handling, "readings": [{"revision": revision}],
            "today": app.today(), "index": asked.index, "page": parts::href(stream),
            "grounds": WithholdingGround::CHOICES, "results": PointResult::CHOICES,
            "published": asked.text.as_ref().and_then(|text| text.given()),
            "withheld": said(&sheet, revision), "answered": asked.answer_index,
        })
        .to_string(),
        is_question: true,
        links: Vec::new(),
    })
}

/// Whether it was said already that the text is not published.
fn said(sheet: &Disclosure, revision: u64) -> bool {
    let kind = kind::disclosure::QuestionWithheld::KIND;
    gongkai_projections::read::said_of(&sheet.history, kind, revision).is_some()
}

fn facts(sheet: &Disclosure, asked: &Question) -> Vec<Row> {
    let line = asked.line.map_or_else(|| "整张表".to_owned(), |line| format!("第{}行", line + 1));
    let mut rows = vec![Row::new("问的是", format!("{} {line}，{}", sheet.matter.org_name, asked.topic))];
    if let Some(row) = asked.line.and_then(|line| sheet.lines.lines.iter().find(|found| found.line == line)) {
        let summary = row.row.as_ref().and_then(|row| row.get("summary")).and_then(Value::as_str);
        rows.extend(summary.map(|summary| Row::new("这一行", summary)));
    }
    rows.push(Row::new("提出", Day(asked.asked_on).to_string()));
    if let Some(due) = &asked.deadline {
        let rule = format!("{}，{}：{}（{}）", latest(due.end), due.rule, due.length, due.basis);
        rows.push(Row::new("公开答复", rule));
    }
    rows
}

/// The role in which somebody writes at an organization: the nearest grant that may.
pub(super) fn role_at(app: &App, reader: &Reader, authors: &[Role], org: &str) -> Result<&'static str, Problem> {
    let role = app.ledger()?.with_world(|world| {
        let grants = world.grants(reader.person()).iter();
        let mut able = grants.filter(|grant| authors.contains(&grant.role));
        able.find(|grant| grant.org.as_deref().is_none_or(|own| world.is_within(org, own)))
            .map(|grant| grant.role.wire())
    });
    role.ok_or_else(|| Problem::not_found("没有这件事，或者不由您的职责答复"))
}

/// By when what is awaited of a matter is due.
pub(super) fn dues(matter: &MatterRow) -> impl Iterator<Item = Row> + '_ {
    matter.dues.iter().map(|due| {
        let rule = due.rule.as_ref().map(|rule| format!("，{rule}")).unwrap_or_default();
        let over = if due.days_over > 0 { format!("（已超 {} 天）", due.days_over) } else { String::new() };
        Row::new(due.what.as_str(), format!("{}{over}{rule}", latest(due.due_on)))
    })
}

/// A sealed matter, for handling it or else for inspecting it.
pub(super) async fn sealed_matter(
    app: &App,
    reader: &Reader,
    stream: &StreamId,
) -> Result<(Purpose, MatterRow, Vec<EventRow>), Problem> {
    let internal = app.internal.as_ref().ok_or_else(nothing)?;
    for purpose in [Purpose::Handling, Purpose::Inspection] {
        if let Some((matter, events)) = internal.matter(reader, purpose, stream, app.today()).await? {
            return Ok((purpose, matter, events));
        }
    }
    Err(nothing())
}

/// An objection: read here, continued with the forms of its kinds.
async fn sealed(app: &App, reader: &Reader, family: &str, id: &str) -> Result<AnswerPage, Problem> {
    let stream = matter_id(family, id)?;
    let Frame { site, .. } = frame(app).await?;
    let mut views = current(app).await?;
    let (purpose, matter, _) = sealed_matter(app, reader, &stream).await?;
    let roles = roles(app, reader)?;
    let more =
        KINDS.iter().filter(|kind| !kind.opens && kind.sealed && kind.family() == family && is_for(kind, &roles));
    let links = more.map(|kind| {
        let mut href = format!("/internal/write/{}", hand_in::slug(kind));
        push(&mut href, "about", &stream.to_string());
        Link::new(href, kind.label)
    });
    let names = views.org_names([matter.org.as_str()]).await?;
    let mut rows = vec![
        Row::new("受理机构", names.get(&matter.org).unwrap_or(&matter.org).as_str()),
        Row::new("最近一步", matter.latest.as_str()),
    ];
    rows.extend(dues(&matter));
    let role = role_at(app, reader, kind::find(kind::access::KIND).ok_or_else(nothing)?.authors, &matter.org)?;
    Ok(AnswerPage {
        site,
        who: who(app, reader, &mut views).await?,
        label: matter.label.clone(),
        about: Link::new("/internal/answers", matter.stream.clone()),
        rows,
        status: None,
        table: json!({"stream": stream, "purpose": purpose, "readings": [{"revision": 0}], "org": matter.org,
            "role": role, "key": reader.key()})
        .to_string(),
        is_question: false,
        links: links.collect(),
    })
}
