//! `/organizations` and `/organizations/{code}`: the tree, and one organization with everything about it.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use chrono::NaiveDate;
use gongkai_domain::field::is_org_code;
use gongkai_projections::{
    Status,
    read::{self, Filter, OrganizationItem, Reader},
};

use super::home::{counted, month};
use super::{Frame, PAGE_LIMIT, charts, frame, hand_in, kept, nothing, organization_past, parts};
use crate::http::App;
use crate::http::problem::Problem;
use crate::http::query::{PAGE_MAX, Params, push};
use crate::site::chart::Chart;
use crate::site::dossier::{Fulfilment, RoleRow};
use crate::site::format::{Count, Day};
use crate::site::organization::{
    ComplianceRow, FamilyItems, FormerName, MonthCell, OrganizationPage, PostRow, Relation, TreeNode, TreePage,
};
use crate::site::parts::{Badge, Choice, Link};
use crate::site::past::AskDay;

/// Matters of each family on the page of an organization.
const SHOWN: u32 = 5;

/// One organization (一村一档).
pub async fn show(State(app): State<App>, uri: Uri, headers: HeaderMap, Path(code): super::Id) -> Response {
    let on = Params::of(&uri).and_then(|params| params.past_day("on", app.today()));
    match on {
        Ok(Some(on)) => kept::answer(&app, &headers, &uri, Box::pin(organization_past::make(&app, &code, on))).await,
        on => {
            kept::answer(
                &app,
                &headers,
                &uri,
                Box::pin(async {
                    on.map(|_| ())?;
                    make(&app, &code).await
                }),
            )
            .await
        }
    }
}

async fn make(app: &App, code: &str) -> Result<OrganizationPage, Problem> {
    if !is_org_code(code) {
        return Err(nothing());
    }
    let Frame { site, .. } = frame(app).await?;
    let mut reader = app.read().await?;
    let found = reader.organization(code, SHOWN).await?.ok_or_else(nothing)?;
    let compliance = compliance(&found);
    let compare = compare(&found);
    let figures = figures(&mut reader, &found).await?;
    let whole = parts::whole_of(app, &mut reader, code).await?;
    let former = found.names.into_iter().rev().filter_map(|name| {
        Some(FormerName {
            name: name.name.unwrap_or_else(|| "（名称已撤下）".into()),
            from: name.from.map(Day),
            to: Day(name.to?),
        })
    });
    let mut families = found.families;
    let boards = ["disclosure", "pledge", "notice", "nomination", "vacancy"].into_iter().filter_map(|wire| {
        let list = families.remove(wire).filter(|list| list.total > 0)?;
        let family = parts::family(wire);
        Some(FamilyItems { family, list: counted(list, format!("{}?org={code}", family.href())) })
    });
    Ok(OrganizationPage {
        site,
        hand_in: hand_in::letter(app, reader.world(), code),
        name: found.name,
        as_of: Day(reader.today()),
        code: found.code,
        level: found.level_label,
        status: Badge(found.status),
        parents: found.ancestors.iter().map(|(code, name)| parts::org_link(code, name)).collect(),
        former_names: former.collect(),
        relations: found.relations.iter().filter_map(relation).collect(),
        child_count: Count(found.children.total),
        children: found.children.items.iter().map(|child| parts::org_link(&child.code, &child.name)).collect(),
        posts: found.posts.into_iter().map(post).collect(),
        families: boards.collect(),
        months: found.months.iter().filter_map(cell).collect(),
        compliance,
        money: figures.money,
        spending: figures.spending,
        sheets: figures.sheets,
        fulfilment: figures.fulfilment,
        questions: figures.questions,
        roles: found.roles.into_iter().map(role).collect(),
        compare,
        whole,
        day: AskDay { value: Day(reader.today()), max: Day(reader.today()), hidden: Vec::new() },
    })
}

/// What is drawn on the page.
struct Figures {
    money: Option<Chart>,
    spending: Option<Chart>,
    sheets: Vec<Link>,
    fulfilment: Fulfilment,
    questions: Option<(Count, Count)>,
}

async fn figures(reader: &mut Reader, found: &read::Organization) -> Result<Figures, Problem> {
    if found.months.is_empty() {
        let filter = Filter { org: Some(found.code.clone()), ..Filter::default() };
        let now = reader.fulfilment_rate(&filter).await?;
        let over_time = reader.fulfilment_over_time(Some(&found.code)).await?;
        let fulfilment = charts::fulfilment(now, over_time.as_deref());
        return Ok(Figures { money: None, spending: None, sheets: Vec::new(), fulfilment, questions: None });
    }
    let dossier = reader.dossier(&found.code).await?.ok_or_else(nothing)?;
    let books = |latest: &read::LatestAccounts| {
        let number = |place: usize| if latest.sheets.len() > 1 { format!("（{place}）") } else { String::new() };
        let link =
            |(place, stream): (usize, &String)| Link::new(parts::href(stream), format!("这个月的账{}", number(place)));
        (1..).zip(&latest.sheets).map(link).collect()
    };
    Ok(Figures {
        money: Some(charts::money(&dossier)),
        spending: dossier.latest.as_ref().and_then(charts::spending),
        sheets: dossier.latest.as_ref().map_or_else(Vec::new, books),
        fulfilment: charts::fulfilment(dossier.pledges, dossier.pledges_over_time.as_deref()),
        questions: Some((Count(dossier.questions_open), Count(dossier.questions_overdue))),
    })
}

fn role(held: read::organizations::RoleHeld) -> RoleRow {
    RoleRow {
        role: held.role_label, holder: held.name.unwrap_or_else(|| "（姓名已撤下）".into()), index: held.index
    }
}

/// A village leads to a comparison with its neighbours, those above villages to one of these.
fn compare(found: &read::Organization) -> Option<Link> {
    let villages =
        found.children.items.iter().filter(|child| child.level == "village" && child.status == Status::InForce);
    if !found.months.is_empty() {
        Some(Link::new(format!("/compare?org={}", found.code), "和邻村比一比"))
    } else if villages.count() > 1 {
        Some(Link::new(format!("/compare?under={}", found.code), "比一比这里的村"))
    } else {
        None
    }
}

fn relation(relation: &read::organizations::Relation) -> Option<Relation> {
    let label = match relation.how {
        "merged_into" => "并入",
        "merged_from" => "由合并而来",
        "split_into" => "拆分为",
        _ => "由拆分而来",
    };
    Some(Relation {
        label: label.to_owned(),
        day: Day(relation.on?),
        others: relation.others.iter().map(|(code, name)| parts::org_link(code, name)).collect(),
        index: relation.index,
    })
}

fn post(post: read::PostHeld) -> PostRow {
    PostRow {
        post: post.title.unwrap_or_else(|| "（名称已撤下）".into()),
        is_vacant: (post.holders.len() as u64) < post.seats,
        holder: post.holders.join("、"),
        seats: parts::small(post.seats),
    }
}

fn cell(found: &read::compliance::Month) -> Option<MonthCell> {
    Some(MonthCell {
        month: month(&found.period)?,
        status: Badge(found.status),
        href: found.stream.as_deref().map(parts::href),
        late_days: found.days_late.map(parts::small),
    })
}

/// What is asked of the organization and those below it, and what is.
fn compliance(found: &read::Organization) -> Vec<ComplianceRow> {
    let code = &found.code;
    let row = |rule: &str, count: u64, none: &str, some: String, anchor: &str| ComplianceRow {
        rule: rule.to_owned(),
        finding: if count == 0 { none.to_owned() } else { some },
        holds: Some(count == 0),
        href: (count > 0).then(|| format!("/compliance?org={code}#{anchor}")),
    };
    let mut in_time =
        row("及时公开，不补报", found.back_filled, "没有补报", format!("补报 {} 次", found.back_filled), "back-filled");
    if in_time.holds == Some(true) && is_silent(found) {
        in_time = ComplianceRow { finding: "近一年没有公开".into(), holds: None, ..in_time };
    }
    vec![
        row("财务按月公开", found.missing, "没有缺报", format!("缺 {} 个月", found.missing), "missing"),
        row("到期承诺按时报告", found.overdue, "没有逾期", format!("{} 项逾期", found.overdue), "overdue"),
        in_time,
    ]
}

/// Whether nothing was published that could be in time.
fn is_silent(found: &read::Organization) -> bool {
    let owes_nothing = found.months.is_empty();
    let published = found.families.get("disclosure").is_some_and(|list| list.total > 0);
    found.months.iter().all(|month| month.stream.is_none()) && !(owes_nothing && published)
}

/// Most years that the tree can be shown at.
const YEARS_SHOWN: u32 = 30;

/// The tree of organizations.
pub async fn tree(State(app): State<App>, uri: Uri, headers: HeaderMap) -> Response {
    kept::answer(&app, &headers, &uri, Box::pin(make_tree(&app, &uri))).await
}

async fn make_tree(app: &App, uri: &Uri) -> Result<TreePage, Problem> {
    let params = Params::of(uri)?;
    params.only(&["under", "q", "at", "page"])?;
    let page = params.number("page", 1, PAGE_MAX)?.unwrap_or(1);
    let query = params.text("q").unwrap_or_default().to_owned();
    // A name is looked for everywhere, among present and former ones: neither place nor year narrows it.
    let under = params.text("under").filter(|code| is_org_code(code) && query.is_empty());
    let year = params.number("at", 1, 9_999)?.and_then(|year| i32::try_from(year).ok()).filter(|_| query.is_empty());
    let on = year.and_then(|year| NaiveDate::from_ymd_opt(year, 1, 1));
    let Frame { site, .. } = frame(app).await?;
    let mut reader = app.read().await?;
    let limit = u32::try_from(PAGE_LIMIT).unwrap_or(u32::MAX);
    let filter = Filter { org: under.map(str::to_owned), offset: (page - 1) * PAGE_LIMIT, limit, ..Filter::default() };
    let found = match (query.as_str(), under) {
        ("", under) => reader.children(under, on, &filter).await?,
        (part, _) => reader.organizations_named(part, &filter).await?,
    };
    let path = match under {
        Some(code) => parts::path(&mut reader, code).await?,
        None => Vec::new(),
    };
    let more = found.total > page * PAGE_LIMIT;
    Ok(TreePage {
        site,
        path: path.into_iter().map(|link| browse(link, year)).collect(),
        total: Count(found.total),
        nodes: found.items.into_iter().map(|item| node(item, year)).collect(),
        next: more.then(|| next(under, &query, year, page + 1)),
        downloads: [("csv", "CSV 表格"), ("jsonl", "JSONL")]
            .map(|(format, label)| download(format, label, under, &query, on))
            .into(),
        under: under.unwrap_or_default().to_owned(),
        query,
        years: years(reader.years_of_change(YEARS_SHOWN).await?, year),
    })
}

/// The whole list that the page shows a part of.
fn download(format: &str, label: &str, under: Option<&str>, query: &str, on: Option<NaiveDate>) -> Link {
    let mut href = "/api/v1/organizations".to_owned();
    push(&mut href, "format", format);
    if let Some(org) = under {
        push(&mut href, "org", org);
    }
    if !query.is_empty() {
        push(&mut href, "q", query);
    }
    if let Some(on) = on.filter(|_| query.is_empty()) {
        push(&mut href, "on", &on.to_string());
    }
    Link::new(href, label)
}

/// The first days of the years in which something changed: what there was before.
fn years(found: Vec<i32>, chosen: Option<i32>) -> Vec<Choice> {
    let now = Choice { value: String::new(), label: "现在".into(), selected: chosen.is_none() };
    let mut found = found;
    found.extend(chosen.filter(|year| !found.contains(year)));
    found.sort_unstable_by(|a, b| b.cmp(a));
    let choice =
        |year: i32| Choice { value: year.to_string(), label: format!("{year} 年初"), selected: chosen == Some(year) };
    std::iter::once(now).chain(found.into_iter().map(choice)).collect()
}

/// In the tree a link leads on in the tree, not to the organization's page.
fn browse(link: Link, year: Option<i32>) -> Link {
    let code = link.href.trim_start_matches("/organizations/").to_owned();
    Link { href: place(&code, "", year, 1), ..link }
}

fn node(item: OrganizationItem, year: Option<i32>) -> TreeNode {
    TreeNode {
        link: parts::org_link(&item.code, &item.name),
        browse: (item.below > 0).then(|| place(&item.code, "", year, 1)),
        level: item.level_label,
        // In a past tree, what became of it since.
        ended: item.status == Status::Ended,
        below: Count(item.below),
        // What is late is late today.
        late: Count(if year.is_none() { item.late } else { 0 }),
    }
}

fn next(under: Option<&str>, query: &str, year: Option<i32>, page: u64) -> String {
    place(under.unwrap_or_default(), query, year, page)
}

/// The address of a place in the tree.
fn place(under: &str, query: &str, year: Option<i32>, page: u64) -> String {
    let mut href = "/organizations".to_owned();
    let year = year.map(|year| year.to_string()).unwrap_or_default();
    let page = if page > 1 { page.to_string() } else { String::new() };
    for (name, value) in [("under", under), ("q", query), ("at", &year), ("page", &page)] {
        if !value.is_empty() {
            push(&mut href, name, value);
        }
    }
    href
}
