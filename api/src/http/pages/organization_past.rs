//! `/organizations/{code}?on=`: an organization at the end of a past day, as far as it can be told of that day.
//!
//! Not here: months, money, posts and roles, which hang on what was said and withdrawn since; the page says so.

use chrono::NaiveDate;
use gongkai_domain::field::is_org_code;

use super::home::counted;
use super::{Frame, charts, frame, nothing, parts};
use crate::http::App;
use crate::http::problem::Problem;
use crate::http::query::push;
use crate::site::format::Day;
use crate::site::organization::{FamilyItems, OrganizationPastPage};
use crate::site::parts::Badge;
use crate::site::past::{AsOf, AskDay};

/// Matters of each family on the page.
const SHOWN: u32 = 5;

/// What is not as of that day, and what is missing.
const NOTES: &[&str] = &[
    "每月公开、钱、职务没有照当天重算，这里不列。",
    "清单里的机构名称和上下级按今天；后来依法撤下的内容，这里也看不到。",
];

/// The page.
pub async fn make(app: &App, code: &str, on: NaiveDate) -> Result<OrganizationPastPage, Problem> {
    if !is_org_code(code) {
        return Err(nothing());
    }
    let Frame { site, .. } = frame(app).await?;
    let mut reader = app.read().await?;
    if reader.world().organization(code).is_none() {
        return Err(nothing());
    }
    let found = reader.organization_on(code, on, SHOWN).await?;
    let mut found = found.ok_or_else(|| Problem::not_found("到这一天为止，账本里还没有登记这个机构"))?;
    let course = reader.fulfilment_until(Some(code), on).await?;
    let then = course.as_ref().and_then(|course| course.last());
    let boards = ["disclosure", "pledge", "notice", "nomination", "vacancy"].into_iter().filter_map(|wire| {
        let list = found.families.remove(wire).filter(|list| list.total > 0)?;
        let family = parts::family(wire);
        let mut href = format!("{}?org={code}", family.href());
        push(&mut href, "on", &on.to_string());
        Some(FamilyItems { family, list: counted(list, href) })
    });
    let families = boards.collect();
    let ancestors = reader.ancestors(code).await?;
    Ok(OrganizationPastPage {
        site,
        name: found.name,
        code: code.to_owned(),
        level: found.level_label,
        status: Badge(found.status),
        parents: ancestors.iter().map(|(code, name)| parts::org_link(code, name)).collect(),
        past: AsOf {
            on: Day(on),
            notes: NOTES,
            now: format!("/organizations/{code}"),
            since: None,
            first: None,
            further: None,
        },
        fulfilment: then.map(|then| charts::fulfilment(then.rate, course.as_deref())),
        day: AskDay { value: Day(on), max: Day(reader.today()), hidden: Vec::new() },
        families,
    })
}
