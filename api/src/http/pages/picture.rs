//! `/n/{index}/picture` and its `picture.svg`: a matter in one long picture for chat groups.
//!
//! The address is that of any entry of the matter. What stands in the picture is chosen here by family; a withdrawn
//! title is not in it, and what was saved before a correction shows the entry number under which to look.

use askama::Template as _;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use gongkai_projections::Status;
use gongkai_projections::read::{Disclosure, Matter, Reader};

use super::share::{SVG, address, day_of, status};
use super::{answer, frame, nothing, parts};
use crate::http::App;
use crate::http::caching::{self, REVALIDATE};
use crate::http::problem::Problem;
use crate::share::picture::{Block, Facts, layout};
use crate::share::qr::Qr;
use crate::share::short_path;
use crate::site::format::{Day, Fen};
use crate::site::parts::{Link, Shown};
use crate::site::share::{Picture, PicturePage};

/// Largest items that are named.
const LARGEST: usize = 3;

/// The picture.
pub async fn svg(State(app): State<App>, headers: HeaderMap, Path(index): Path<u64>) -> Result<Response, Problem> {
    let (_, facts) = facts(&app, index).await?;
    let code = Qr::of(&facts.address).ok_or_else(|| Problem::not_found("网址太长，做不成二维码"))?;
    let picture = Picture { layout: layout(&facts), title: facts.title, code: code.path(), code_units: code.side() };
    let svg = picture.render().map_err(|error| Problem::internal(&error))?;
    Ok(caching::tagged(&headers, SVG, REVALIDATE, svg.into_bytes()))
}

/// The page around it.
pub async fn show(State(app): State<App>, headers: HeaderMap, Path(index): Path<u64>) -> Response {
    let page = make(&app, index).await;
    answer(&app, &headers, page).await
}

async fn make(app: &App, index: u64) -> Result<PicturePage, Problem> {
    let (matter, facts) = facts(app, index).await?;
    Ok(PicturePage {
        site: frame(app).await?.site,
        height: layout(&facts).height,
        name: Shown::of(facts.title),
        path: short_path(matter.first_index),
        matter: Link::new(parts::href(&matter.stream), matter.org_name),
        address: facts.address,
    })
}

/// What is said of the matter of an entry.
async fn facts(app: &App, index: u64) -> Result<(Matter, Facts), Problem> {
    let mut reader = app.read().await?;
    let event = reader.entry(index).await?.ok_or_else(nothing)?;
    let matter = reader.matter(&event.stream).await?.ok_or_else(nothing)?;
    let blocks = match matter.family.as_str() {
        "disclosure" => sheet(&reader.disclosure(&matter.stream).await?.ok_or_else(nothing)?),
        _ => vec![standing(&mut reader, &matter).await?],
    };
    let family = parts::family(&matter.family);
    let facts = Facts {
        site: app.about.name.clone(),
        above: format!("{} · {}", family.label(), matter.org_name),
        title: parts::title(matter.title.clone()).plain().to_owned(),
        blocks,
        recorded: format!("{}入账，№{}", Day(day_of(&matter)), matter.first_index),
        address: address(app, matter.first_index),
    };
    Ok((matter, facts))
}

fn row(label: &str, value: impl Into<String>) -> (String, String) {
    (label.to_owned(), value.into())
}

/// The sums of a sheet and where most of the money went.
fn sheet(found: &Disclosure) -> Vec<Block> {
    let yuan = |fen: i64| format!("{} 元", Fen(fen));
    let named = ["上期结存", "收入", "支出", "期末结存"].into_iter().zip(found.totals);
    let mut sums: Vec<(String, String)> = named.filter_map(|(label, fen)| Some(row(label, yuan(fen?)))).collect();
    if sums.is_empty() || found.no_movement {
        sums.insert(0, row("状态", status(&found.matter)));
    }
    let largest = found.expense_by_account.iter().filter(|(_, fen)| *fen > 0).take(LARGEST);
    let largest: Vec<(String, String)> = largest.map(|(name, fen)| row(name, yuan(*fen))).collect();
    vec![Block { heading: String::new(), rows: sums }, Block { heading: "花得最多的几项".into(), rows: largest }]
}

/// How another matter stands.
async fn standing(reader: &mut Reader, matter: &Matter) -> Result<Block, Problem> {
    let mut rows = vec![row("状态", status(matter))];
    let last = match matter.family.as_str() {
        "pledge" => "完成时限",
        "vacancy" => "推荐截止",
        _ => "公示到",
    };
    rows.extend(matter.ends_on.map(|day| row(last, Day(day).to_string())));
    match matter.family.as_str() {
        "pledge" => {
            let pledge = reader.pledge(&matter.stream).await?.ok_or_else(nothing)?;
            let name = pledge.pledger.as_ref().and_then(|name| name.given());
            rows.extend(name.map(|name| row("承诺人", name)));
            let percent = matter.percent.filter(|_| matter.status != Status::Fulfilled);
            rows.extend(percent.map(|percent| row("报告的进度", format!("{percent}%"))));
        }
        "nomination" => {
            let nomination = reader.nomination(&matter.stream).await?.ok_or_else(nothing)?;
            rows.push(row("公示对象", format!("{} 人", nomination.people.len())));
        }
        "vacancy" => {
            let vacancy = reader.vacancy(&matter.stream).await?.ok_or_else(nothing)?;
            rows.push(row("职位", format!("{} 个", vacancy.posts.len())));
        }
        _ => {}
    }
    Ok(Block { heading: String::new(), rows })
}
