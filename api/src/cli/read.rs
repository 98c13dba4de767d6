//! `read`: signs in at the internal side with a registered key, prints what is asked for, signs out.
//!
//! An address is printed as the JSON that it is. The timeline of a matter and what waits for whoever asks are told in
//! Chinese; with `--json` they are JSON as well, a timeline with all its pages in one.

use std::path::PathBuf;

use gongkai_domain::kind::access::Purpose;
use gongkai_log::StreamId;
use gongkai_projections::board::List;
use serde_json::{Value, json};

use super::sides::InternalSide;
use super::visit::{ROOT, Visit};
use super::{open, telling, terminal};
use crate::http::query;
use crate::keyfile;
use crate::outcome::{Fault, Outcome, Verdict};

/// Rows of the board that are asked for at a time.
const PAGE: u64 = 100;

/// Options of `read`.
#[derive(Debug, clap::Args)]
#[command(
    group = clap::ArgGroup::new("what").required(true),
    after_help = "例子：\n  $ gongkai read --url https://nb.example.gov.cn:8081 --ca internal-tls.pem --key chen.key me\n  \
    $ gongkai read --url http://127.0.0.1:8081 --key chen.key /internal/api/v1/me\n  \
    $ gongkai read --url http://127.0.0.1:8081 --key chen.key --queue\n  \
    $ gongkai read --url http://127.0.0.1:8081 --key chen.key --board --org 341599101\n  \
    $ gongkai read --url http://127.0.0.1:8081 --key chen.key --board --list overdue_pledges --csv overdue.csv\n  \
    $ gongkai read --url http://127.0.0.1:8081 --key chen.key --purpose inspection --timeline nomination/018f0000-0000-7000-8000-000000000001\n\n\
    用登记过的钥匙登录（不用密码），读出一个内部地址的 JSON，然后退出登录。\n\
    --timeline 列出一件事项的完整经过：公开的、封存的、启封撤下删除的、谁查阅过；只列对您公开的，不含内容。\n\
    --queue 列出等您办理的送审稿。\n\
    --board 列出您有职责的机构里逾期、快到期、没有公布结果、没有公开、没有答复、待审、督办的各有多少；加 --list 看其中一张清单。\n\
    不对您公开的内容，和不存在的内容，得到的答复一样。"
)]
pub struct Args {
    #[command(flatten)]
    at: InternalSide,
    /// 一件事项的完整经过；公开事项或封存事项的编号
    #[arg(long, value_name = "事项", group = "what")]
    timeline: Option<StreamId>,
    /// 看经过的用途：handling（办理，默认）、review（审核）、inspection（督查）、request（当事人申请）
    #[arg(long, value_name = "用途", requires = "timeline", value_parser = open::purpose)]
    purpose: Option<Purpose>,
    /// 等您办理的送审稿
    #[arg(long, group = "what")]
    queue: bool,
    /// 督办看板：您有职责的机构（含全部下级）里，逾期和快到期的事项各有多少
    #[arg(long, group = "what")]
    board: bool,
    /// 看板只看这个机构和它的下级
    #[arg(long, value_name = "机构代码", requires = "board")]
    org: Option<String>,
    /// 看板上的一张清单
    #[arg(long, value_name = "清单", requires = "board", value_parser = list)]
    list: Option<List>,
    /// 整张清单写到哪个文件（CSV，只有本人能读；已有的文件不会覆盖）
    #[arg(long, value_name = "文件", requires = "list", conflicts_with = "json")]
    csv: Option<PathBuf>,
    /// 输出 JSON（读内部地址时本来就是）
    #[arg(long)]
    json: bool,
    /// 内部地址；不以 / 开头的，接在 /internal/api/v1/ 后面
    #[arg(value_name = "地址", group = "what")]
    path: Option<String>,
}

impl Args {
    /// Whether a machine reads what is printed.
    pub fn is_json(&self) -> bool {
        self.json || self.path.is_some()
    }
}

/// Signs in, reads, signs out.
///
/// # Errors
/// A key that cannot be used or may not sign in, an address that is not there for its person, no ledger.
pub fn run(args: &Args) -> Outcome {
    let visit = args.at.visit(&args.at.key()?)?;
    let read = told(args, &visit);
    visit.sign_out();
    terminal::say(read?)?;
    Ok(Verdict::Yes)
}

fn told(args: &Args, visit: &Visit<'_>) -> Result<String, Fault> {
    if let Some(stream) = &args.timeline {
        let rows = timeline(visit, stream, args.purpose.unwrap_or(Purpose::Handling))?;
        let told = || telling::timeline(&stream.to_string(), &rows);
        return Ok(if args.json { json!({"stream": stream, "rows": rows}).to_string() } else { told() });
    }
    if args.queue {
        let queue = visit.get(&format!("{ROOT}queue"))?;
        return if args.json { Ok(queue) } else { Ok(telling::queue(&rows(&value(&queue)?["queue"]))) };
    }
    if args.board {
        return board(args, visit);
    }
    let path = args.path.as_deref().unwrap_or_default();
    visit.get(&if path.starts_with('/') { path.to_owned() } else { format!("{ROOT}{path}") })
}

/// The numbers of the board, or one of its lists.
fn board(args: &Args, visit: &Visit<'_>) -> Result<String, Fault> {
    let mut org = String::new();
    if let Some(code) = &args.org {
        org.push_str("org=");
        query::escape(&mut org, code);
        org.push('&');
    }
    let Some(list) = args.list else {
        let board = visit.get(&format!("{ROOT}board?{org}"))?;
        return if args.json { Ok(board) } else { Ok(telling::board(&value(&board)?)) };
    };
    let path = format!("{ROOT}board/{}?{org}", list.wire());
    if let Some(file) = &args.csv {
        let table = visit.get(&format!("{path}format=csv"))?;
        keyfile::write_private(file, table.as_bytes())?;
        return Ok(format!("「{}」写在 {}，可以用表格软件打开", list.label(), file.display()));
    }
    let mut page = value(&visit.get(&format!("{path}limit={PAGE}"))?)?;
    // People get the first page and the number of all; a machine gets every row.
    while let Some(after) = page["next"].as_u64().filter(|_| args.json) {
        let mut next = value(&visit.get(&format!("{path}limit={PAGE}&after={after}"))?)?;
        let mut all = rows(&page["rows"]);
        all.extend(rows(&next["rows"]));
        next["rows"] = Value::Array(all);
        page = next;
    }
    Ok(if args.json { page.to_string() } else { telling::board_list(&page) })
}

fn list(text: &str) -> Result<List, String> {
    List::from_wire(text).ok_or_else(|| {
        let all: Vec<_> = List::ALL.iter().map(|list| format!("{}（{}）", list.wire(), list.label())).collect();
        format!("没有这张清单，可用的有 {}", all.join("、"))
    })
}

/// All rows of a timeline, page by page.
fn timeline(visit: &Visit<'_>, stream: &StreamId, purpose: Purpose) -> Result<Vec<Value>, Fault> {
    let (mut all, mut after) = (Vec::new(), String::new());
    loop {
        let path = format!("{ROOT}timelines/{stream}?purpose={}&limit=200{after}", purpose.wire());
        let page = value(&visit.get(&path)?)?;
        all.extend(rows(&page["rows"]));
        let Some(next) = page["next"].as_str() else { return Ok(all) };
        after = format!("&after={next}");
    }
}

fn value(text: &str) -> Result<Value, Fault> {
    serde_json::from_str(text).map_err(|error| Fault::failed("应答", &error))
}

fn rows(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}
