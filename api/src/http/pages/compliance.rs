//! `/compliance`: who is late with what; each number opens its list.

use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use gongkai_domain::field::{Period, is_org_code};
use gongkai_projections::Status;
use gongkai_projections::read::{self, Filter, MissingPeriod, ScheduledOpening, Unanswered, WithdrawalRow};

use super::board::orgs;
use super::home::counted;
use super::{Frame, answer, charts, frame, parts};
use crate::http::App;
use crate::http::problem::Problem;
use crate::http::query::{Params, push};
use crate::site::compliance::{CompliancePage, Panel};
use crate::site::format::{Count, Day};
use crate::site::parts::{Badge, Counted, Family, Filters, Item, Shown};

/// Rows of each list when all are shown.
const SHOWN: u32 = 5;
/// Rows of a list that is opened.
const OPENED: u32 = 100;

/// The board.
pub async fn show(State(app): State<App>, uri: Uri, headers: HeaderMap) -> Response {
    let page = make(&app, &uri).await;
    answer(&app, &headers, page).await
}

async fn make(app: &App, uri: &Uri) -> Result<CompliancePage, Problem> {
    let params = Params::of(uri)?;
    params.only(&["org", "list"])?;
    let org = params.text("org");
    if org.is_some_and(|code| !is_org_code(code)) {
        return Err(Problem::query("org", "不是机构代码"));
    }
    let list = params.text("list");
    let Frame { site, .. } = frame(app).await?;
    let mut reader = app.read().await?;
    let shown = if list.is_some() { OPENED } else { SHOWN };
    let found = reader.compliance(org, shown).await?;
    let as_of = Day(found.today);
    let scope = match org {
        Some(code) => parts::path(&mut reader, code).await?.pop().map(|link| link.label),
        None => None,
    };
    let mut panels = panels(found, org);
    if let Some(list) = list {
        panels.retain(|panel| panel.id == list);
    }
    if panels.is_empty() {
        return Err(Problem::query("list", "没有这张清单"));
    }
    let fulfilment = match list {
        Some(_) => None,
        None => {
            let filter = Filter { org: org.map(str::to_owned), ..Filter::default() };
            let now = reader.fulfilment_rate(&filter).await?;
            Some(charts::fulfilment(now, reader.fulfilment_over_time(org).await?.as_deref()))
        }
    };
    let selects = vec![orgs(&mut reader, org).await?];
    Ok(CompliancePage {
        site,
        as_of,
        scope: scope.unwrap_or_else(|| "全部机构".to_owned()),
        filters: Filters { action: "/compliance".to_owned(), query: None, selects },
        panels,
        fulfilment,
    })
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
    let panel = |id, title, explanation, is_alarm, list| Panel { id, title, explanation, is_alarm, list };
    let missing = list("missing", found.missing.total, found.missing.items.into_iter().map(missing_item).collect());
    let open =
        list("unanswered", found.unanswered.total, found.unanswered.items.into_iter().map(question_item).collect());
    let due = list("unopened", found.unopened.total, found.unopened.items.into_iter().map(opening_item).collect());
    let late =
        list("back-filled", found.back_filled.total, found.back_filled.items.into_iter().map(back_filled).collect());
    let gone =
        list("withdrawn", found.withdrawn.total, found.withdrawn.items.into_iter().map(withdrawal_item).collect());
    vec![
        panel(
            "overdue",
            "承诺逾期",
            "到期了，没有报告结果，也没有说明。",
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
        remark: format!("应于 {} 前公开，已过 {} 天", Day(period.due), period.days_late),
        ..blank(Family::Disclosure, title, format!("/organizations/{}", period.org), period.org_name)
    }
}

fn question_item(open: Unanswered) -> Item {
    let title = format!("关于{}的询问", open.question.topic);
    Item {
        status: Some(Badge(open.question.status)),
        remark: format!("已问 {} 天", open.age_days),
        index: Some(open.question.index),
        ..blank(Family::Disclosure, title, parts::href(&open.question.stream), open.org)
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

fn back_filled(entry: read::TimelineItem) -> Item {
    Item { status: Some(Badge(Status::BackFilled)), ..parts::entry_item(entry) }
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
