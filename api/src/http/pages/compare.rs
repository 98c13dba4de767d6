//! `/compare`: two to four villages side by side, with what makes them not comparable.

use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use gongkai_domain::field::is_org_code;
use gongkai_domain::kind::registry::Level;
use gongkai_projections::Status;
use gongkai_projections::read::{Accounts, Dossier, Reader};

use super::home::month;
use super::{Frame, frame, kept, parts};
use crate::http::App;
use crate::http::problem::Problem;
use crate::http::query::Params;
use crate::site::chart::percent;
use crate::site::compare::{COMPARED_MAX, Column, ComparePage, MonthMark, Pick, Sum};
use crate::site::format::{Count, Fen};
use crate::site::parts::{Badge, Link};

/// Villages of a township that can be chosen on one page.
const PICKS_MAX: usize = 100;
/// Categories of spending that are named.
const LARGEST_SHOWN: usize = 3;

/// The page.
pub async fn show(State(app): State<App>, uri: Uri, headers: HeaderMap) -> Response {
    kept::answer(&app, &headers, &uri, Box::pin(make(&app, &uri))).await
}

async fn make(app: &App, uri: &Uri) -> Result<ComparePage, Problem> {
    let (params, chosen) = Params::of_several(uri, "org")?;
    params.only(&["under"])?;
    let under = params.text("under");
    if chosen.iter().map(String::as_str).chain(under).any(|code| !is_org_code(code)) {
        return Err(Problem::query(if under.is_some() { "under" } else { "org" }, "不是机构代码"));
    }
    let Frame { site, .. } = frame(app).await?;
    let mut reader = app.read().await?;
    let message = match chosen.len() {
        0 => None,
        1 => Some("再选一个村，才能比。".to_owned()),
        count if count > COMPARED_MAX => Some(format!("选了 {count} 个，最多比 {COMPARED_MAX} 个。请去掉几个。")),
        _ => None,
    };
    let mut found: Vec<(Dossier, Accounts)> = Vec::new();
    if (2..=COMPARED_MAX).contains(&chosen.len()) {
        for code in &chosen {
            let dossier = reader.dossier(code).await?;
            let dossier = dossier.ok_or_else(|| Problem::query("org", "没有这个机构"))?;
            let accounts = reader.accounts_of(&dossier).await?;
            found.push((dossier, accounts));
        }
    }
    let mut columns = Vec::with_capacity(found.len());
    for (dossier, accounts) in &found {
        let above = parts::path(&mut reader, &dossier.code).await?;
        let above = above.iter().rev().nth(1).map(|link| link.label.clone()).unwrap_or_default();
        columns.push(column(dossier, accounts, above));
    }
    let under = match (under, chosen.first()) {
        (Some(under), _) => Some(under.to_owned()),
        (None, Some(code)) => reader.world().chain(code).nth(1).map(str::to_owned),
        (None, None) => None,
    };
    Ok(ComparePage {
        site,
        under: match &under {
            Some(code) => parts::path(&mut reader, code).await?.pop(),
            None => None,
        },
        picks: picks(&mut reader, under.as_deref(), &chosen).await?,
        message,
        notes: notes(&found),
        columns,
    })
}

/// The villages right below an organization, and whoever is chosen from elsewhere.
async fn picks(reader: &mut Reader, under: Option<&str>, chosen: &[String]) -> Result<Vec<Pick>, Problem> {
    let Some(under) = under else { return Ok(Vec::new()) };
    let here = reader
        .world()
        .organizations()
        .filter(|(_, org)| org.parent.as_deref() == Some(under) && org.level == Level::Village && org.ended.is_none());
    let mut codes: Vec<String> = here.map(|(code, _)| code.to_owned()).collect();
    codes.sort_unstable();
    codes.truncate(PICKS_MAX);
    let elsewhere: Vec<String> =
        chosen.iter().take(COMPARED_MAX).filter(|code| !codes.contains(code)).cloned().collect();
    codes.extend(elsewhere);
    let names = reader.org_names(codes.iter().map(String::as_str)).await?;
    let pick =
        |code: String| Pick { name: names.get(&code).unwrap_or(&code).clone(), chosen: chosen.contains(&code), code };
    Ok(codes.into_iter().map(pick).collect())
}

fn column(dossier: &Dossier, accounts: &Accounts, above: String) -> Column {
    let with = dossier.money.iter().filter(|month| month.without.is_none()).count() as u64;
    let not_due = dossier.months.iter().filter(|month| month.status == Status::NotYetDue).count() as u64;
    let sum = |of: fn(&gongkai_projections::read::MonthMoney) -> Option<i64>| {
        let total = dossier.money.iter().filter_map(of).reduce(i64::saturating_add);
        let without = (dossier.months.len() as u64).saturating_sub(with + not_due);
        Sum { total: total.map(Fen), months: Count(with), without: Count(without) }
    };
    let largest = accounts.expense.iter().filter(|(_, fen)| *fen > 0).take(LARGEST_SHOWN);
    let rate = dossier.pledges;
    Column {
        link: Link::new(format!("/organizations/{}", dossier.code), &dossier.name),
        above,
        months: dossier
            .months
            .iter()
            .filter_map(|m| Some(MonthMark { month: month(&m.period)?, status: Badge(m.status) }))
            .collect(),
        on_time: Count(dossier.on_time()),
        late: Count(dossier.late()),
        missing: Count(dossier.missing()),
        income: sum(|month| month.income),
        expense: sum(|month| month.expense),
        largest: largest.map(|(name, fen)| (name.clone(), Fen(*fen))).collect(),
        due: Count(rate.due),
        fulfilled: Count(rate.fulfilled),
        rate: rate.permille.map_or_else(|| "—".to_owned(), percent),
        overdue: Count(rate.overdue),
        open: Count(dossier.questions_open),
        open_overdue: Count(dossier.questions_overdue),
        code: dossier.code.clone(),
    }
}

/// What a reader must know before comparing: what is always so, and what is so with these.
fn notes(found: &[(Dossier, Accounts)]) -> Vec<String> {
    let mut notes = vec!["账本里没有人口、面积和集体资产。村大村小不同，总额大小不说明办得好坏。".to_owned()];
    let owed = found.iter().map(|(dossier, _)| dossier.months.len()).max().unwrap_or(0);
    for (dossier, accounts) in found {
        let name = &dossier.name;
        let due = dossier.months.iter().filter(|month| month.status != Status::NotYetDue).count();
        let with = dossier.money.iter().filter(|month| month.without.is_none()).count();
        if dossier.months.is_empty() {
            notes.push(format!("{name}眼下没有应当公开的月份，收支没有可比的数。"));
        } else if dossier.months.len() < owed {
            notes.push(format!("{name}登记得晚，只有 {} 个月，合计比别的村少算几个月。", dossier.months.len()));
        }
        if with == 0 && due > 0 {
            notes.push(format!("{name}近一年没有一个月有数，收支比不了。"));
        } else if with < due {
            notes.push(format!(
                "{name}有 {} 个月没有数，合计只含有数的 {with} 个月，不能和月份齐的村直接比。",
                due - with
            ));
        }
        if dossier.money.iter().any(|month| month.partial) {
            notes.push(format!("{name}有的月份少一本账（村委会或经济合作社），合计偏小。"));
        }
        if accounts.withdrawn_lines {
            notes.push(format!("{name}有明细行已撤下，分类的数里没有这些行。"));
        }
    }
    notes.push("类别名称由各村自己写，同名不一定是同一种开支。".to_owned());
    notes
}
