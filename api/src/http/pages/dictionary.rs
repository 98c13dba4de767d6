//! `/dictionary`: every column of every download, from the lists that make the downloads.
//!
//! What only JSON lines have is written here, because a row's type has no words; a test holds them against real rows.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use gongkai_domain::KINDS;
use gongkai_domain::field::ListRule;
use gongkai_domain::kind::family_label;
use gongkai_projections::Status;
use gongkai_projections::read::Matter;

use super::board::categories;
use super::{Frame, answer, frame, parts};
use crate::http::App;
use crate::http::api::{compliance_lists, organizations};
use crate::site::dictionary::{Codes, DictionaryPage, Table};
use crate::site::parts::{Family, Link};

/// Members of a matter in JSON lines that the table does not have.
const MATTER_MORE: &[(&str, &str)] = &[
    ("category_label", "类型的名称"),
    ("provisional", "截止日期是不是暂定：有关年份的放假安排还没有公布"),
    ("days_left", "离截止还有几天，过了是负数"),
    ("class", "三务公开的类别"),
    ("content", "三务公开的内容形式"),
    ("back_filled", "是不是补报"),
    ("last_recorded_at", "末条的入账时间"),
];
/// The column that a table of a past day has more than one of today.
const AS_OF: (&str, &str) = (Matter::AS_OF.0, "截至哪一天；网址里写了 on 的下载才有这一栏，各栏都是那一天结束时的");
/// The same of an organization.
const ORGANIZATION_MORE: &[(&str, &str)] = &[("level_label", "级别的名称")];

/// The page.
pub async fn show(State(app): State<App>, headers: HeaderMap) -> Response {
    let page = frame(&app).await.map(|Frame { site, .. }| DictionaryPage { site, tables: tables(), codes: codes() });
    answer(&app, &headers, page).await
}

type Columns = [(&'static str, &'static str)];

fn table(id: &str, title: &str, path: &str, columns: &Columns, more: &Columns) -> Table {
    let column = |json: bool| move |(name, label): &(&str, &str)| ((*name).to_owned(), (*label).to_owned(), json);
    let downloads = [("csv", "CSV 表格"), ("jsonl", "JSONL")];
    Table {
        id: id.to_owned(),
        title: title.to_owned(),
        downloads: downloads.map(|(format, label)| Link::new(format!("{path}?format={format}"), label)).into(),
        columns: columns.iter().map(column(false)).chain(more.iter().map(column(true))).collect(),
    }
}

fn tables() -> Vec<Table> {
    let board = |family: Family| {
        let id = family.href().trim_start_matches('/');
        let columns = [Matter::COLUMNS, &[AS_OF]].concat();
        table(id, family.label(), &format!("/api/v1{}", family.href()), &columns, MATTER_MORE)
    };
    let mut tables: Vec<Table> = Family::BOARDS.into_iter().map(board).collect();
    tables.push(table("organizations", "机构", "/api/v1/organizations", organizations::COLUMNS, ORGANIZATION_MORE));
    for (list, title) in compliance_lists::LISTS.into_iter().zip(LIST_TITLES) {
        let path = format!("/api/v1/compliance/{list}");
        tables.push(table(&format!("compliance-{list}"), title, &path, compliance_lists::COLUMNS, &[]));
    }
    tables.extend(lines());
    tables
}

/// Titles of the compliance board's lists, in their order.
const LIST_TITLES: [&str; 7] =
    ["承诺逾期", "三务缺报", "公示期满·未公布结果", "逾期未答复", "到期未启封", "补报", "撤回留痕"];

/// The lines of sheets, by what they list.
fn lines() -> Vec<Table> {
    let published = KINDS.iter().find(|kind| kind.name == "disclosure.published.v1");
    let Some(ListRule::By { shapes, .. }) = published.map(|kind| kind.list) else { return Vec::new() };
    let one = |(wire, shape): &(&str, &'static gongkai_domain::field::ListShape)| {
        let columns = shape.columns.iter().map(|column| (column.name.to_owned(), column.label.to_owned(), false));
        let line = std::iter::once(("line".to_owned(), "行号，从 0 起，不会变".to_owned(), false));
        Table {
            id: format!("lines-{wire}"),
            title: format!("三务公开明细：{}", shape.label),
            downloads: Vec::new(),
            columns: line.chain(columns).collect(),
        }
    };
    shapes.iter().map(one).collect()
}

fn codes() -> Vec<Codes> {
    let words =
        |choices: &[(&str, &str)]| choices.iter().map(|(code, word)| ((*code).into(), (*word).into())).collect();
    let mut codes = vec![Codes {
        id: "status".into(),
        title: "状态（status）".into(),
        codes: Status::ALL.iter().map(|status| (status.wire().to_owned(), status.label().to_owned())).collect(),
    }];
    for family in Family::BOARDS {
        let wire = parts::wire(family);
        codes.push(Codes {
            id: format!("category-{wire}"),
            title: format!("{}的类型（category）", family_label(wire)),
            codes: words(categories(family)),
        });
    }
    codes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_list_of_the_board_has_a_title_and_every_table_its_columns() {
        let tables = tables();
        assert!(tables.iter().all(|table| !table.title.is_empty() && table.columns.len() > 3), "{tables:?}");
        assert!(tables.iter().any(|table| table.id == "lines-finance"));
        let codes = codes();
        assert!(codes.iter().all(|list| !list.codes.is_empty()), "{codes:?}");
    }
}
