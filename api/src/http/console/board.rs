//! `/internal/board`, `/internal/board/{list}`: the secretary's board on a phone. Numbers first; each opens its list, whose
//! rows lead to what one may do about them.
//!
//! The numbers and rows are those of the internal API (`internal::board`), for the same organizations. What a row offers
//! follows from roles: a supervision (督办) by whoever holds a role above, of a letter by a sealed step of the letter's own, publishing in its place (代为公开) by a
//! publisher above, going on with it by a publisher of the organization itself. The ledger judges what is then written.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use chrono::NaiveDate;
use gongkai_domain::clock::SEALED_FAMILIES;
use gongkai_domain::confidentiality::{Reader, oversees};
use gongkai_domain::kind::{Described as _, disclosure, supervision};
use gongkai_domain::world::Grant;
use gongkai_domain::{Role, World};
use gongkai_projections::Reader as Views;
use gongkai_projections::board::{self, Asking, Count as Counted, List, Row};

use super::{answer, letters, who};
use crate::http::App;
use crate::http::internal::board::{current, roots};
use crate::http::pages::{Frame, frame, nothing, parts};
use crate::http::problem::Problem;
use crate::http::query::{Params, push};
use crate::site::console_board::{Awaited, Number, NumbersPage, RowsPage};
use crate::site::format::{Count, Day};
use crate::site::parts::{Choice, Filters, Link, Select, days_left};

/// The board.
pub(super) const PATH: &str = "/internal/board";
/// Rows of one page.
const ROWS: u64 = 50;
/// Organizations that the drop-down offers below the chosen one.
const BELOW_MAX: usize = 200;
/// Working days that a supervision's form proposes; whoever issues it sets the day.
const PROPOSED_DAYS: u32 = 5;
/// Characters of a title that are put into a form.
const TITLE_CHARS_MAX: usize = 100;
/// Lists in which every row is late.
const LATE: [List; 5] =
    [List::OverduePledges, List::WithoutOutcome, List::Consultations, List::Undisclosed, List::Unopened];

pub(super) async fn numbers(State(app): State<App>, headers: HeaderMap, uri: Uri) -> Response {
    answer(&app, &headers, &uri, async |reader| make_numbers(&app, &uri, &reader).await).await
}

pub(super) async fn list(
    State(app): State<App>,
    headers: HeaderMap,
    uri: Uri,
    Path(list): crate::http::pages::Id,
) -> Response {
    answer(&app, &headers, &uri, async |reader| make_list(&app, &uri, &list, &reader).await).await
}

async fn make_numbers(app: &App, uri: &Uri, reader: &Reader) -> Result<NumbersPage, Problem> {
    let params = Params::of(uri)?;
    params.only(&["org"])?;
    let org = params.text("org");
    let roots = roots(app, reader, org)?;
    let Frame { site, .. } = frame(app).await?;
    let mut views = current(app).await?;
    let asking = Asking { reader, roots: &roots, inside: app.internal.as_ref() };
    let board = board::board(&asking, &mut views).await?;
    let number = |count: Counted| Number {
        label: count.label,
        total: Count(count.total),
        is_alarm: LATE.contains(&count.list),
        spans: count.buckets.iter().filter(|span| span.total > 0).map(|span| (span.label, Count(span.total))).collect(),
        href: with_org(&format!("{PATH}/{}", count.list.wire()), org),
    };
    Ok(NumbersPage {
        site,
        who: who(app, reader, &mut views).await?,
        as_of: Day(board.today),
        scope: scope(&board.orgs),
        filters: filters(app, reader, org, PATH, &mut views).await?,
        sealed: board.sealed,
        numbers: board.counts.into_iter().map(number).collect(),
    })
}

async fn make_list(app: &App, uri: &Uri, list: &str, reader: &Reader) -> Result<RowsPage, Problem> {
    let list = List::from_wire(list).ok_or_else(nothing)?;
    let params = Params::of(uri)?;
    params.only(&["org", "after"])?;
    let (org, after) = (params.text("org"), params.number("after", 0, u64::from(u32::MAX))?.unwrap_or(0));
    let roots = roots(app, reader, org)?;
    let Frame { site, .. } = frame(app).await?;
    let mut views = current(app).await?;
    let asking = Asking { reader, roots: &roots, inside: app.internal.as_ref() };
    let page = board::page(&asking, list, after, ROWS, &mut views).await?;
    let names = views.org_names(roots.iter().map(String::as_str)).await?;
    let orgs: Vec<_> = roots.iter().map(|org| (org.clone(), names.get(org).unwrap_or(org).clone())).collect();
    let path = format!("{PATH}/{}", list.wire());
    let here = with_org(&path, org);
    let mut csv = with_org(&format!("/internal/api/v1/board/{}", list.wire()), org);
    push(&mut csv, "format", "csv");
    let rows = app.ledger()?.with_world(|world| {
        let grants = world.grants(reader.person());
        page.rows.into_iter().map(|row| awaited(row, list, page.today, grants, world)).collect()
    });
    Ok(RowsPage {
        site,
        who: who(app, reader, &mut views).await?,
        as_of: Day(page.today),
        scope: scope(&orgs),
        label: page.label,
        board: with_org(PATH, org),
        total: Count(page.total),
        filters: filters(app, reader, org, &path, &mut views).await?,
        csv,
        rows,
        first: (after > 0).then(|| here.clone()),
        next: page.next.map(|next| {
            let mut href = here;
            push(&mut href, "after", &next.to_string());
            href
        }),
    })
}

/// What the reader's own organizations have to do within three days, and whether there is a board for them.
pub(super) async fn reminders(app: &App, reader: &Reader, views: &mut Views) -> Result<Option<Vec<Awaited>>, Problem> {
    let (overseen, own) = app.ledger()?.with_world(|world| {
        let orgs = world.grants(reader.person()).iter().filter_map(|grant| grant.org.clone());
        let mut own: Vec<String> = orgs.filter(|org| oversees(reader, org, world)).collect();
        own.sort_unstable();
        own.dedup();
        (gongkai_domain::confidentiality::overseen(reader, world), own)
    });
    if overseen.is_empty() {
        return Ok(None);
    }
    let asking = Asking { reader, roots: &overseen, inside: app.internal.as_ref() };
    let rows = board::reminders(&asking, &own, views).await?;
    let today = views.today();
    Ok(Some(app.ledger()?.with_world(|world| {
        let grants = world.grants(reader.person());
        rows.into_iter().map(|row| awaited(row, List::DueSoon, today, grants, world)).collect()
    })))
}

fn with_org(path: &str, org: Option<&str>) -> String {
    let mut href = path.to_owned();
    if let Some(org) = org {
        push(&mut href, "org", org);
    }
    href
}

fn scope(orgs: &[(String, String)]) -> String {
    orgs.iter().map(|(_, name)| name.as_str()).collect::<Vec<_>>().join("、")
}

/// The choice of a subtree: what the reader oversees, the way down to what is chosen, and what lies right below it.
async fn filters(
    app: &App,
    reader: &Reader,
    chosen: Option<&str>,
    action: &str,
    views: &mut Views,
) -> Result<Filters, Problem> {
    let (tops, way, below) = app.ledger()?.with_world(|world| {
        let tops = gongkai_domain::confidentiality::overseen(reader, world);
        let mut way: Vec<String> = chosen.map_or_else(Vec::new, |code| world.chain(code).map(str::to_owned).collect());
        way.retain(|code| oversees(reader, code, world));
        way.reverse();
        let parent = chosen.or(match tops.as_slice() {
            [only] => Some(only.as_str()),
            _ => None,
        });
        let mut below: Vec<String> = parent.map_or_else(Vec::new, |parent| {
            let children = world.organizations().filter(|(_, org)| org.parent.as_deref() == Some(parent));
            children.map(|(code, _)| code.to_owned()).collect()
        });
        below.sort_unstable();
        below.truncate(BELOW_MAX);
        (tops, way, below)
    });
    let depth = way.len().max(1);
    let mut codes: Vec<(usize, String)> = Vec::new();
    if way.is_empty() {
        // The only one is what is shown without a choice.
        codes.extend(tops.iter().filter(|_| tops.len() > 1).map(|code| (0, code.clone())));
    }
    codes.extend(way.into_iter().enumerate());
    codes.extend(below.into_iter().map(|code| (depth, code)));
    let names = views.org_names(codes.iter().map(|(_, code)| code.as_str())).await?;
    let all = Choice { value: String::new(), label: "您有职责的全部机构".into(), selected: chosen.is_none() };
    let choice = |(depth, code): (usize, String)| Choice {
        label: format!("{}{}", "— ".repeat(depth), names.get(&code).unwrap_or(&code)),
        selected: chosen == Some(code.as_str()),
        value: code,
    };
    let choices = std::iter::once(all).chain(codes.into_iter().map(choice)).collect();
    let select = Select { name: "org".into(), label: "机构（含下级）".into(), choices };
    Ok(Filters { action: action.to_owned(), query: None, selects: vec![select], day: None })
}

/// A row with what somebody in these roles may do about it.
fn awaited(row: Row, list: List, today: NaiveDate, grants: &[Grant], world: &World) -> Awaited {
    let acts = acts(&row, today, grants, world);
    // A sealed matter under supervision has no page but that of whoever handles it.
    let page = |stream: &str| if row.sealed { format!("/internal/answers/{stream}") } else { parts::href(stream) };
    let supervision = row.supervision.as_deref().map(page);
    let is_late = match list {
        List::Supervisions => row.days > 0,
        list if LATE.contains(&list) => true,
        _ => row.due_on.is_some_and(|due| due < today),
    };
    let days = match list {
        List::DueSoon | List::EndingThisWeek => days_left(Some(row.days)),
        List::Supervisions if row.days <= 0 => days_left(Some(-row.days)),
        List::WithoutOutcome => format!("期满 {} 天", row.days),
        List::Unanswered | List::Drafts if row.days == 0 => "今天到".to_owned(),
        List::Unanswered | List::Drafts => format!("已等 {} 天", row.days),
        _ => format!("逾期 {} 天", row.days),
    };
    Awaited {
        href: page_of(&row),
        title: title_of(&row),
        label: row.label,
        org: row.org_name,
        awaits: row.awaits,
        days,
        is_late,
        since: row.since.map(Day),
        due: row.due_on.map(Day),
        provisional: row.provisional,
        rule: row.rule,
        computed: row.computed,
        by: row.by_name,
        acts,
        supervision,
    }
}

fn title_of(row: &Row) -> String {
    match (&row.title, row.sealed) {
        (Some(month), _) if row.period.is_some() => format!("{} {month}财务收支", row.org_name),
        (Some(title), _) => title.clone(),
        (None, true) => "内容封存，按职责查看".to_owned(),
        (None, false) => "（标题已撤下）".to_owned(),
    }
}

/// The public page: a question's place on its sheet, a month's village; none of what is sealed.
fn page_of(row: &Row) -> Option<String> {
    let Some(stream) = row.stream.as_deref().filter(|_| !row.sealed) else {
        return (!row.sealed).then(|| format!("/organizations/{}", row.org));
    };
    let question = row.revision.is_some().then_some(row.index).flatten();
    Some(question.map_or_else(|| parts::href(stream), |index| format!("{}#Q{index}", parts::href(stream))))
}

fn acts(row: &Row, today: NaiveDate, grants: &[Grant], world: &World) -> Vec<Link> {
    let holds = |roles: &[Role], above: bool| {
        grants.iter().any(|grant| {
            let own = grant.org.as_deref() == Some(row.org.as_str());
            let reaches = grant.org.as_deref().is_none_or(|org| world.is_within(&row.org, org));
            roles.contains(&grant.role) && reaches && own != above
        })
    };
    let mut acts = Vec::new();
    if row.sealed {
        acts.extend(go_on_sealed(row));
        acts.extend(urge(row, today, grants, world));
        return acts;
    }
    if holds(&[Role::Publisher], false) {
        acts.push(go_on(row));
    }
    // A supervision is not supervised again, and one of a matter is enough.
    let is_supervised = row.supervision.is_some() || row.by.is_some();
    if !is_supervised && holds(supervision::Issued::AUTHORS, true) {
        acts.push(supervise(row, today, world));
    }
    if row.period.is_some() && row.due_on.is_some_and(|due| due < today) && holds(&[Role::Publisher], true) {
        acts.push(disclose("代为公开", row, Some(disclosure::PublishedBy::Substitute)));
    }
    acts
}

/// The page of a letter or objection that waits; drafts and promised openings have theirs elsewhere.
fn go_on_sealed(row: &Row) -> Option<Link> {
    let stream = row.stream.as_deref().filter(|stream| SEALED_FAMILIES.iter().any(|family| is_of(stream, family)))?;
    row.title.is_none().then(|| Link::new(format!("/internal/answers/{stream}"), "接着办"))
}

/// A letter is put under supervision by a step that is sealed as the letter is: a public one would show that there is one.
fn urge(row: &Row, today: NaiveDate, grants: &[Grant], world: &World) -> Option<Link> {
    let stream = row.stream.as_deref().filter(|stream| is_of(stream, "letter"))?;
    if row.supervision.is_some() {
        return None;
    }
    let grant = letters::above(grants, &row.org, world)?;
    let mut href = "/internal/write/letter.urged".to_owned();
    push(&mut href, "about", stream);
    push(&mut href, "for", &row.org);
    let given = letters::urging(grant, &row.org, today, world);
    for (name, value) in given.as_object().into_iter().flatten() {
        push(&mut href, name, value.as_str().unwrap_or_default());
    }
    let since = row.due_on.map(|due| format!("（期限{}）", Day(due))).unwrap_or_default();
    push(&mut href, "text", &format!("请在办理时限前{}{since}，并答复来信人。", row.awaits));
    Some(Link::new(href, "督办"))
}

fn is_of(stream: &str, family: &str) -> bool {
    stream.split_once('/').is_some_and(|(own, _)| own == family)
}

/// Going on with a matter; a month without a sheet has none and begins with it.
fn go_on(row: &Row) -> Link {
    let Some(stream) = &row.stream else { return disclose("公开", row, None) };
    let mut href = "/internal/continue".to_owned();
    push(&mut href, "about", stream);
    Link::new(href, "接着办")
}

/// The day that a supervision's form proposes.
pub(super) fn proposed_day(today: NaiveDate, world: &World) -> NaiveDate {
    world.calendar.deadline_after(today, PROPOSED_DAYS).map_or(today, |computed| computed.end)
}

/// The form of a supervision, filled in; whoever issues it says the day and what is to be done.
fn supervise(row: &Row, today: NaiveDate, world: &World) -> Link {
    let title: String = title_of(row).chars().take(TITLE_CHARS_MAX).collect();
    let due = proposed_day(today, world);
    let mut href = "/internal/write/supervision.issued".to_owned();
    push(&mut href, "to", &row.org);
    if let Some(stream) = &row.stream {
        push(&mut href, "about", stream);
    }
    push(&mut href, "issued_on", &today.to_string());
    push(&mut href, "due_on", &due.to_string());
    push(&mut href, "title", &format!("限期办理“{title}”"));
    let since = row.due_on.map(|due| format!("（期限{}）", Day(due))).unwrap_or_default();
    push(&mut href, "text", &format!("{}：{title}{since}，请按时{}，并回复办理情况。", row.label, row.awaits));
    Link::new(href, "督办")
}

/// The form of a month's books.
fn disclose(label: &str, row: &Row, by: Option<disclosure::PublishedBy>) -> Link {
    let mut href = "/internal/write/disclosure.published".to_owned();
    push(&mut href, "for", &row.org);
    push(&mut href, "class", disclosure::Class::Finance.wire());
    push(&mut href, "content", disclosure::Content::Finance.wire());
    if let Some(period) = &row.period {
        push(&mut href, "period", period);
    }
    if let Some(by) = by {
        push(&mut href, "published_by", by.wire());
    }
    Link::new(href, label)
}
