//! `/compliance`: who is late with what; each number opens its list.

use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use chrono::NaiveDate;
use gongkai_domain::field::{Period, is_org_code};
use gongkai_projections::Status;
use gongkai_projections::read::{self, Filter, MissingPeriod, Reader, ScheduledOpening, Unanswered, WithdrawalRow};

use super::board::orgs;
use super::home::counted;
use super::{Frame, charts, frame, kept, parts};
use crate::http::App;
use crate::http::problem::Problem;
use crate::http::query::{Params, push};
use crate::site::compliance::{CompliancePage, Panel};
use crate::site::dossier::Fulfilment;
use crate::site::format::{Count, Day};
use crate::site::parts::{Badge, Counted, Family, Filters, Item, Shown};
use crate::site::past::{AskDay, Past};

/// Rows of each list when all are shown.
const SHOWN: u32 = 5;
/// Rows of a list that is opened.
const OPENED: u32 = 100;

/// The board.
pub async fn show(State(app): State<App>, uri: Uri, headers: HeaderMap) -> Response {
    kept::answer(&app, &headers, &uri, Box::pin(make(&app, &uri))).await
}

async fn make(app: &App, uri: &Uri) -> Result<CompliancePage, Problem> {
    let params = Params::of(uri)?;
    params.only(&["org", "list", "on"])?;
    let org = params.text("org");
    if org.is_some_and(|code| !is_org_code(code)) {
        return Err(Problem::query("org", "不是机构代码"));
    }
    let list = params.text("list");
    let Frame { site, .. } = frame(app).await?;
    let mut reader = app.read().await?;
    let today = reader.today();
    let on = params.past_day("on", today)?;
    if on.is_some() && list.is_some() {
        return Err(Problem::query("on", "清单只有今天的，不与 list 同用"));
    }
    let scope = match org {
        Some(code) => parts::path(&mut reader, code).await?.pop().map(|link| link.label),
        None => None,
    };
    let selects = vec![orgs(&mut reader, org).await?];
    Ok(CompliancePage {
        site,
        as_of: Day(on.unwrap_or(today)),
        scope: scope.unwrap_or_else(|| "全部机构".to_owned()),
        filters: Filters { action: "/compliance".to_owned(), query: None, selects, day: None },
        panels: if on.is_some() { Vec::new() } else { present(&mut reader, org, list).await? },
        fulfilment: if list.is_some() { None } else { Some(fulfilment(&mut reader, org, on).await?) },
        past: on.map(|on| past(on, org)),
        day: AskDay {
            value: Day(on.unwrap_or(today)),
            max: Day(today),
            hidden: org.map(|org| ("org", org.to_owned())).into_iter().collect(),
        },
    })
}

/// The lists as they are today; one of them, if it is asked for.
async fn present(reader: &mut Reader, org: Option<&str>, list: Option<&str>) -> Result<Vec<Panel>, Problem> {
    let shown = if list.is_some() { OPENED } else { SHOWN };
    let mut panels = panels(reader.compliance(org, shown).await?, org);
    if let Some(list) = list {
        panels.retain(|panel| panel.id == list);
    }
    if panels.is_empty() {
        return Err(Problem::query("list", "没有这张清单"));
    }
    Ok(panels)
}

/// The rate now or on a past day, with its course until then.
async fn fulfilment(reader: &mut Reader, org: Option<&str>, on: Option<NaiveDate>) -> Result<Fulfilment, Problem> {
    let Some(on) = on else {
        let filter = Filter { org: org.map(str::to_owned), ..Filter::default() };
        let now = reader.fulfilment_rate(&filter).await?;
        return Ok(charts::fulfilment(now, reader.fulfilment_over_time(org).await?.as_deref()));
    };
    let course = reader.fulfilment_until(org, on).await?;
    let Some(then) = course.as_ref().and_then(|course| course.last()) else {
        return Err(Problem::query("on", "这个范围的记录太多，算不了过去的样子。请选一个乡镇或村"));
    };
    Ok(charts::fulfilment(then.rate, course.as_deref()))
}

fn past(on: NaiveDate, org: Option<&str>) -> Past {
    let mut now = "/compliance".to_owned();
    if let Some(org) = org {
        push(&mut now, "org", org);
    }
    Past {
        on: Day(on),
        records: None,
        notes: &[
            "只有承诺兑现率能照当天的账重算。其余各项要看后来公布的日历、规则和撤下的表，算不出当天的样子，所以这里不列。",
            "哪些机构算下级，按今天。",
        ],
        now,
    }
}

fn panels(found: read::Compliance, org: Option<&str>) -> Vec<Panel> {
    let href = |id: &str| {
        let mut href = "/compliance".to_owned();
        push(&mut href, "list", id);
        if let Some(org) = org {
            push(&mut href, "org", org);
        }
        href
    };
    let list = |id, total, items| Counted { total: Count(total), items, href: href(id) };
    let within = org.map(|org| format!("&org={org}")).unwrap_or_default();
    let panel = |id, title, explanation, is_alarm, list| {
        let within = within.clone();
        Panel { id, title, explanation, is_alarm, list, within }
    };
    let missing = list("missing", found.missing.total, found.missing.items.into_iter().map(missing_item).collect());
    let open =
        list("unanswered", found.unanswered.total, found.unanswered.items.into_iter().map(question_item).collect());
    let due = list("unopened", found.unopened.total, found.unopened.items.into_iter().map(opening_item).collect());
    let late = list(
        "back-filled",
        found.back_filled.total,
        found.back_filled.items.into_iter().map(parts::entry_item).collect(),
    );
    let gone =
        list("withdrawn", found.withdrawn.total, found.withdrawn.items.into_iter().map(withdrawal_item).collect());
    vec![
        panel(
            "overdue",
            "承诺逾期",
            "到期了还没有兑现，或者没有报告结果。",
            true,
            counted(found.overdue, href("overdue")),
        ),
        panel("missing", "三务缺报", "该公开的月份没有公开。", true, missing),
        panel(
            "without-outcome",
            "公示期满·未公布结果",
            "公示结束了，结果没有公布。",
            true,
            counted(found.without_outcome, href("without-outcome")),
        ),
        panel("unanswered", "逾期未答复", "群众问了，过了期限还没有回答。", true, open),
        panel("unopened", "到期未启封", "说好到期公开的内容，过了日子还没有启封；内容本身仍然封存。", true, due),
        panel("back-filled", "补报", "公开了，但晚于应当公开的日子。", false, late),
        panel("withdrawn", "撤回留痕", "内容已撤下，谁撤的、为什么，都在账上。", false, gone),
    ]
}

fn blank(family: Family, title: String, href: String, org: String) -> Item {
    Item {
        family,
        kind: String::new(),
        title: Shown::of(title),
        href,
        org,
        status: None,
        remark: String::new(),
        declared: None,
        recorded: None,
        late_days: None,
        index: None,
    }
}

fn missing_item(period: MissingPeriod) -> Item {
    let title = format!("{}财务收支", Period(period.period).label());
    Item {
        status: Some(Badge(Status::Missing)),
        remark: format!("应于{}前公开，已过 {} 天", Day(period.due), period.days_late),
        ..blank(Family::Disclosure, title, format!("/organizations/{}", period.org), period.org_name)
    }
}

fn question_item(open: Unanswered) -> Item {
    let title = format!("关于{}的询问", open.question.topic);
    Item {
        status: Some(Badge(open.question.status)),
        remark: format!("已问 {} 天", open.age_days),
        index: Some(open.question.index),
        ..blank(Family::Disclosure, title, parts::href(&open.question.stream), open.org_name)
    }
}

fn opening_item(opening: ScheduledOpening) -> Item {
    let family = parts::family(opening.stream.split('/').next().unwrap_or_default());
    let title = format!("{}：{}", opening.label, opening.field_label);
    Item {
        status: Some(Badge(Status::OpeningOverdue)),
        remark: opening.sentence,
        index: Some(opening.index),
        ..blank(family, title, parts::href(&opening.stream), opening.org_name)
    }
}

fn withdrawal_item(row: WithdrawalRow) -> Item {
    let family = parts::family(row.target_stream.split('/').next().unwrap_or_default());
    let title = format!("{}：撤下一处内容", row.target_label);
    Item {
        kind: row.basis,
        status: Some(Badge(Status::Withdrawn)),
        recorded: Some(parts::moment(row.at)),
        index: Some(row.index),
        ..blank(family, title, parts::href(&row.target_stream), row.org_name)
    }
}
