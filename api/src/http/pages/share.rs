//! `/n/{index}`, its code to scan, the scripts for the loudspeaker, and the block 分享 of every matter's page.
//!
//! `/n/1310` is the short address of the matter that entry №1310 belongs to: it leads to the matter's page for ever,
//! because an entry never changes its stream. What is said in a text is chosen here by family, in falling importance.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, Uri, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use chrono::{Datelike as _, NaiveDate};
use gongkai_projections::Status;
use gongkai_projections::read::{Disclosure, Matter, Nomination, Notice, Pledge, Vacancy};

use super::{answer, frame, nothing, parts, stream};
use crate::http::caching::{self, IMMUTABLE};
use crate::http::problem::Problem;
use crate::http::query::{Params, push};
use crate::http::{App, zone};
use crate::share::loudspeaker::{self, Announcement, Sheet};
use crate::share::qr::Qr;
use crate::share::short::{self, Said};
use crate::share::short_path;
use crate::site::format::{Day, Fen};
use crate::site::parts::{Badge, Family, Link, Shown};
use crate::site::share::{LoudspeakerPage, Share};

/// Media type of a code.
pub const SVG: &str = "image/svg+xml";

/// From the short address to the page; with the hash that the code of a sheet holds, to where sheet and ledger are compared.
pub async fn short(State(app): State<App>, uri: Uri, Path(index): Path<u64>) -> Result<Response, Problem> {
    let event = app.read().await?.entry(index).await?;
    let params = Params::of(&uri).ok();
    if let Some((event, hash)) = event.as_ref().zip(params.as_ref().and_then(|params| params.text("h")))
        && ["disclosure/", "notice/"].iter().any(|family| event.stream.starts_with(family))
    {
        let mut href = format!("{}/wall", parts::href(&event.stream));
        push(&mut href, "h", hash);
        return Ok(Redirect::to(&href).into_response());
    }
    let href = match event {
        Some(event) => parts::href(&event.stream),
        // A period of sealed events has no matter, but it has a page.
        None if app.entry(index).await?.is_some() => format!("/entries/{index}/view"),
        None => return Err(nothing()),
    };
    let mut response = Redirect::permanent(&href).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static(IMMUTABLE));
    Ok(response)
}

/// The code of the short address.
pub async fn code(State(app): State<App>, headers: HeaderMap, Path(index): Path<u64>) -> Result<Response, Problem> {
    if app.entry(index).await?.is_none() {
        return Err(nothing());
    }
    let code = Qr::of(&address(&app, index)).ok_or_else(|| Problem::not_found("网址太长，做不成二维码"))?;
    Ok(caching::tagged(&headers, SVG, caching::REVALIDATE, code.to_svg().into_bytes()))
}

/// The short address, whole.
pub fn address(app: &App, index: u64) -> String {
    format!("{}{}", app.about.base_url, short_path(index))
}

/// The block of a matter: `facts` in falling importance, the recorded day among them.
fn block(app: &App, matter: &Matter, title: &Shown, facts: Vec<String>) -> Share {
    let family = parts::family(&matter.family);
    let address = address(app, matter.first_index);
    let said = Said {
        who: matter.org_name.clone(),
        what: title.plain().to_owned(),
        kind: family.label().to_owned(),
        facts,
        index: matter.first_index,
    };
    let has_script = matches!(family, Family::Nomination | Family::Notice | Family::Disclosure);
    Share {
        is_later: app.foreseen().is_some_and(|event| event.index == matter.first_index),
        text: short::text(&said, &address),
        address,
        path: short_path(matter.first_index),
        script: has_script.then(|| format!("{}/loudspeaker", parts::href(&matter.stream))),
        feeds: vec![
            Link::new(format!("/feeds/streams/{}", matter.stream), "这件事"),
            Link::new(format!("/feeds/organizations/{}", matter.org), matter.org_name.as_str()),
            Link::new(format!("/feeds{}", family.href()), family.label()),
        ],
    }
}

/// The feed of a person.
pub fn feed_of(person: &str, name: &str) -> Link {
    let id = person.split_once('/').map_or(person, |(_, id)| id);
    Link::new(format!("/feeds/persons/{id}"), format!("有关{name}的"))
}

/// `3月12日入账`; of another year with the year.
fn recorded(app: &App, matter: &Matter) -> String {
    format!("{}入账", near(day_of(matter), app.today()))
}

pub fn day_of(matter: &Matter) -> NaiveDate {
    matter.recorded_at.with_timezone(&zone()).date_naive()
}

fn near(day: NaiveDate, today: NaiveDate) -> String {
    if day.year() == today.year() { Day(day).short() } else { Day(day).to_string() }
}

pub fn status(matter: &Matter) -> String {
    Badge(matter.status).label().to_owned()
}

/// Of a pledge: how it stands, until when, who pledged.
pub fn of_pledge(app: &App, pledge: &Pledge) -> Share {
    let matter = &pledge.matter;
    let title = parts::shown_or_dash(pledge.title.clone());
    let name = pledge.pledger.as_ref().and_then(|name| name.given());
    let mut facts = vec![status(matter)];
    facts.extend(pledge.due.map(|due| format!("限{}", near(due, app.today()))));
    facts.push(recorded(app, matter));
    facts.extend(name.map(|name| format!("承诺人{name}")));
    let mut share = block(app, matter, &title, facts);
    share.feeds.extend(pledge.person.as_deref().zip(name).map(|(person, name)| feed_of(person, name)));
    share
}

/// Of a batch of vacant posts: how it stands, how many, until when.
pub fn of_vacancy(app: &App, vacancy: &Vacancy) -> Share {
    let matter = &vacancy.matter;
    let title = parts::shown_or_dash(vacancy.title.clone());
    let mut facts = vec![status(matter)];
    facts.extend(matter.ends_on.map(|day| format!("推荐到{}截止", near(day, app.today()))));
    facts.push(recorded(app, matter));
    facts.push(format!("{}个职位", vacancy.posts.len()));
    block(app, matter, &title, facts)
}

/// Of a nomination: how it stands, how many people, until when.
pub fn of_nomination(app: &App, nomination: &Nomination) -> Share {
    let matter = &nomination.matter;
    let title = parts::shown_or_dash(nomination.title.clone());
    let mut facts = vec![status(matter)];
    facts.extend(matter.ends_on.map(|day| format!("公示到{}", near(day, app.today()))));
    facts.push(recorded(app, matter));
    facts.push(format!("共{}人", nomination.people.len()));
    block(app, matter, &title, facts)
}

/// Of a notice: how it stands, until when.
pub fn of_notice(app: &App, notice: &Notice) -> Share {
    let matter = &notice.matter;
    let title = parts::shown_or_dash(notice.title.clone());
    let mut facts = vec![status(matter)];
    facts.extend(matter.ends_on.map(|day| format!("公示到{}", near(day, app.today()))));
    facts.push(recorded(app, matter));
    block(app, matter, &title, facts)
}

/// Of a sheet: what was spent and came in; how it stands only where that says more than that it is there.
pub fn of_disclosure(app: &App, found: &Disclosure) -> Share {
    let matter = &found.matter;
    let title = parts::shown_or_dash(found.title.clone());
    let sum = |name: &str, fen: Option<i64>| fen.map(|fen| format!("{name}{}元", Fen(fen)));
    let [_, income, expense, closing] = if found.no_movement { [None; 4] } else { found.totals };
    let mut facts: Vec<String> = sum("支出", expense).into_iter().collect();
    if facts.is_empty() || matter.status != Status::Disclosed {
        facts.insert(0, status(matter));
    }
    facts.push(recorded(app, matter));
    facts.extend(sum("收入", income));
    facts.extend(sum("结存", closing));
    block(app, matter, &title, facts)
}

/// The script of a sheet.
pub async fn disclosure_script(State(app): State<App>, headers: HeaderMap, Path(id): super::Id) -> Response {
    let page = script(&app, "disclosure", &id).await;
    answer(&app, &headers, page).await
}

/// The script of a notice.
pub async fn notice_script(State(app): State<App>, headers: HeaderMap, Path(id): super::Id) -> Response {
    let page = script(&app, "notice", &id).await;
    answer(&app, &headers, page).await
}

/// The script of a nomination.
pub async fn nomination_script(State(app): State<App>, headers: HeaderMap, Path(id): super::Id) -> Response {
    let page = script(&app, "nomination", &id).await;
    answer(&app, &headers, page).await
}

async fn script(app: &App, family: &str, id: &str) -> Result<LoudspeakerPage, Problem> {
    let stream = stream(family, id)?;
    let mut reader = app.read().await?;
    let (matter, title, sentences) = match family {
        "disclosure" => {
            let found = reader.disclosure(&stream).await?.ok_or_else(nothing)?;
            let sentences = loudspeaker::sheet(&sheet(&found));
            (found.matter, found.title, sentences)
        }
        "notice" => {
            let found = reader.notice(&stream).await?.ok_or_else(nothing)?;
            let title = found.title.as_ref().and_then(|title| title.given());
            let mut said = announcement(&found.matter, title, app.today());
            said.has_outcome |= found.outcome.is_some();
            (found.matter, found.title, loudspeaker::announcement(&said))
        }
        _ => {
            let found = reader.nomination(&stream).await?.ok_or_else(nothing)?;
            let title = found.title.as_ref().and_then(|title| title.given());
            let said = Announcement { people: people(&found), ..announcement(&found.matter, title, app.today()) };
            (found.matter, found.title, loudspeaker::announcement(&said))
        }
    };
    drop(reader);
    Ok(LoudspeakerPage {
        site: frame(app).await?.site,
        family: parts::family(family),
        name: parts::shown_or_dash(title),
        matter: Link::new(parts::href(&stream), matter.org_name),
        sentences,
        address: address(app, matter.first_index),
        path: short_path(matter.first_index),
    })
}

fn sheet(found: &Disclosure) -> Sheet {
    let matter = &found.matter;
    Sheet {
        org: matter.org_name.clone(),
        title: found.title.as_ref().and_then(|title| title.given()).unwrap_or_default().to_owned(),
        period: found.period.clone(),
        totals: Some(found.totals).filter(|totals| totals.iter().any(Option::is_some)),
        no_movement: found.no_movement,
        largest: found.expense_by_account.clone(),
        recorded: day_of(matter),
        index: matter.first_index,
    }
}

fn announcement(matter: &Matter, title: Option<&str>, today: NaiveDate) -> Announcement {
    Announcement {
        org: matter.org_name.clone(),
        kind: matter.category_label.clone().unwrap_or_default(),
        title: title.unwrap_or_default().to_owned(),
        people: Vec::new(),
        period: matter.starts_on.zip(matter.ends_on),
        is_over: matter.ends_on.is_some_and(|last| last < today),
        has_outcome: matter.status == Status::Concluded,
        is_withdrawn: matter.status == Status::Withdrawn,
        recorded: day_of(matter),
        index: matter.first_index,
    }
}

/// Names and intended posts; nobody is named once a line was withdrawn, because the others would stand out.
fn people(found: &Nomination) -> Vec<(String, String)> {
    let named = found.people.iter().map(|nominee| {
        let row = nominee.row.as_ref()?;
        let cell = |name: &str| row.get(name).and_then(serde_json::Value::as_str);
        Some((cell("name")?.to_owned(), cell("intended_post").map(intended).unwrap_or_default()))
    });
    named.collect::<Option<Vec<_>>>().unwrap_or_default()
}

fn intended(post: &str) -> String {
    if post.starts_with('拟') { post.to_owned() } else { format!("拟任{post}") }
}
