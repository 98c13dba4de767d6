//! `/pledges`, `/vacancies`, `/nominations`, `/notices`, `/disclosures`: one board for five families.

use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use chrono::NaiveDate;
use gongkai_domain::field::Choice as WireChoice;
use gongkai_domain::kind::{disclosure, notice, pledge, vacancy};
use gongkai_projections::read::{self, Filter, ReadError, Reader};
use gongkai_projections::status::statuses_of;

use super::{Frame, frame, kept, parts};
use crate::http::App;
use crate::http::api::boards::filter;
use crate::http::problem::Problem;
use crate::http::query::{Listing, Params};
use crate::site::board::{BoardPage, StatusCount};
use crate::site::format::{Count, Day};
use crate::site::parts::{Badge, Choice, DayChoice, Family, Filters, Select};
use crate::site::past::AsOf;

/// Organizations that the drop-down offers; others are reached from their own pages.
const ORG_CHOICES_MAX: usize = 60;

/// One page of a family's matters.
pub async fn show(family: Family, State(app): State<App>, uri: Uri, headers: HeaderMap) -> Response {
    kept::answer(&app, &headers, &uri, Box::pin(make(&app, family, &uri))).await
}

async fn make(app: &App, family: Family, uri: &Uri) -> Result<BoardPage, Problem> {
    let listing = Listing::of(&Params::of(uri)?, app.today())?;
    let wire = parts::wire(family);
    let filter = filter(wire, &listing)?;
    let Frame { site, .. } = frame(app).await?;
    let mut reader = app.read().await?;
    let path = family.href();
    let api = format!("/api/v1{path}");
    let page = BoardPage {
        site,
        family,
        filters: filters(&mut reader, family, &listing).await?,
        counts: Vec::new(),
        items: Vec::new(),
        total: None,
        pager: None,
        past: None,
        csv_href: listing.download(&api, "csv"),
        jsonl_href: listing.download(&api, "jsonl"),
    };
    match listing.on {
        Some(on) => past(page, &mut reader, &listing, (wire, &filter, on)).await,
        None => present(page, &mut reader, &listing, (wire, &filter)).await,
    }
}

/// The list of today.
async fn present(
    page: BoardPage,
    reader: &mut Reader,
    listing: &Listing,
    (wire, filter): (&str, &Filter),
) -> Result<BoardPage, Problem> {
    let path = page.family.href();
    let found = reader.matters(wire, filter).await?;
    let count = |count: read::StatusCount| StatusCount {
        status: Badge(count.status),
        total: Count(count.total),
        href: listing.with_status(path, count.status.wire()),
    };
    Ok(BoardPage {
        counts: reader.status_counts(wire, filter).await?.into_iter().map(count).collect(),
        items: found.items.into_iter().map(parts::item).collect(),
        total: Some(Count(found.total)),
        pager: Some(parts::pager(listing.page, listing.limit, found.total, |page| listing.href(path, page))),
        ..page
    })
}

/// What is said of every list of a past day.
const ALWAYS: &str = "机构名称和上下级按今天；后来依法撤下的内容，这里也看不到。";
/// What is said where periods are counted.
const COUNTED: &str = "期限照当天已经公布的规则和放假安排算。";

/// The list as it stood at the end of a day.
async fn past(
    page: BoardPage,
    reader: &mut Reader,
    listing: &Listing,
    (wire, filter, on): (&str, &Filter, NaiveDate),
) -> Result<BoardPage, Problem> {
    let path = page.family.href();
    let found = reader.matters_on(wire, filter, on, listing.before).await?;
    let notes: &[&str] =
        if matches!(page.family, Family::Notice | Family::Nomination) { &[COUNTED, ALWAYS] } else { &[ALWAYS] };
    let past = AsOf {
        on: Day(on),
        notes,
        now: listing.now(path),
        since: found.since.filter(|since| on < *since).map(Day),
        first: listing.before.map(|_| listing.href(path, 1)),
        further: found.next.map(|next| listing.further(path, next)),
    };
    Ok(BoardPage {
        items: found.items.into_iter().map(parts::item).collect(),
        total: found.total.map(Count),
        past: Some(past),
        ..page
    })
}

async fn filters(reader: &mut Reader, family: Family, listing: &Listing) -> Result<Filters, Problem> {
    let wire = parts::wire(family);
    let statuses: Vec<WireChoice> = statuses_of(wire).iter().map(|status| (status.wire(), status.label())).collect();
    let selects = vec![
        orgs(reader, listing.org.as_deref()).await?,
        years(reader.years(wire).await?, listing.year),
        select("status", "状态", &statuses, listing.status.as_deref()),
        select("type", "类型", categories(family), listing.kind.as_deref()),
    ];
    Ok(Filters {
        action: family.href().to_owned(),
        query: Some(listing.text.clone().unwrap_or_default()),
        selects,
        day: Some(DayChoice { chosen: listing.on.map(Day), max: Day(reader.today()) }),
    })
}

/// The types of a family.
pub fn categories(family: Family) -> &'static [WireChoice] {
    match family {
        Family::Pledge => pledge::Category::CHOICES,
        Family::Vacancy => vacancy::Scope::CHOICES,
        Family::Nomination => &[("announced", "任前公示"), ("previewed", "考察预告")],
        Family::Notice => notice::Type::CHOICES,
        Family::Disclosure => disclosure::Class::CHOICES,
        Family::Registry => &[],
    }
}

/// A drop-down whose first choice is 全部.
pub fn select(name: &str, label: &str, choices: &[WireChoice], chosen: Option<&str>) -> Select {
    let all = Choice { value: String::new(), label: "全部".into(), selected: chosen.is_none() };
    let choice = |(wire, label): &WireChoice| Choice {
        value: (*wire).to_owned(),
        label: (*label).to_owned(),
        selected: chosen == Some(*wire),
    };
    let choices = std::iter::once(all).chain(choices.iter().map(choice)).collect();
    Select { name: name.into(), label: label.into(), choices }
}

/// The years that there are.
pub fn years(years: Vec<i32>, chosen: Option<i32>) -> Select {
    let all = Choice { value: String::new(), label: "全部".into(), selected: chosen.is_none() };
    let choice =
        |year: i32| Choice { value: year.to_string(), label: format!("{year}年"), selected: chosen == Some(year) };
    let choices = std::iter::once(all).chain(years.into_iter().map(choice)).collect();
    Select { name: "year".into(), label: "年度".into(), choices }
}

/// Organizations: those above the chosen one, it, and those right below it.
pub async fn orgs(reader: &mut Reader, chosen: Option<&str>) -> Result<Select, ReadError> {
    let mut above: Vec<String> =
        chosen.map_or_else(Vec::new, |code| reader.world().chain(code).map(str::to_owned).collect());
    above.reverse();
    let below = |parent: Option<&str>| {
        let found = reader.world().organizations().filter(|(_, org)| org.parent.as_deref() == parent);
        let mut codes: Vec<String> = found.map(|(code, _)| code.to_owned()).collect();
        codes.sort_unstable();
        codes.truncate(ORG_CHOICES_MAX);
        codes
    };
    let roots = below(None);
    let mut children = below(chosen.or(match roots.as_slice() {
        [only] => Some(only.as_str()),
        _ => None,
    }));
    children.retain(|code| !above.contains(code));
    let depth = above.len();
    let mut codes = if chosen.is_none() { roots } else { above };
    let first = codes.len();
    children.retain(|code| !codes.contains(code));
    codes.extend(children);
    let names = reader.org_names(codes.iter().map(String::as_str)).await?;
    let all = Choice { value: String::new(), label: "全部".into(), selected: chosen.is_none() };
    let choice = |(place, code): (usize, String)| {
        let indent = if place >= first { depth.max(1) } else { place.min(depth) };
        Choice {
            label: format!("{}{}", "— ".repeat(indent), names.get(&code).unwrap_or(&code)),
            selected: chosen == Some(code.as_str()),
            value: code,
        }
    };
    let choices = std::iter::once(all).chain(codes.into_iter().enumerate().map(choice)).collect();
    Ok(Select { name: "org".into(), label: "机构（含下级）".into(), choices })
}
