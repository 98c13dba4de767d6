//! `read`: signs in at the internal side with a registered key, prints what is asked for, signs out.
//!
//! An address is printed as the JSON that it is. The timeline of a matter and what waits for whoever asks are told in
//! Chinese; with `--json` they are JSON as well, a timeline with all its pages in one.

use gongkai_domain::kind::access::Purpose;
use gongkai_log::StreamId;
use serde_json::{Value, json};

use super::sides::InternalSide;
use super::visit::{ROOT, Visit};
use super::{open, telling, terminal};
use crate::outcome::{Fault, Outcome, Verdict};

/// Options of `read`.
#[derive(Debug, clap::Args)]
#[command(
    group = clap::ArgGroup::new("what").required(true),
    after_help = "例子：\n  $ gongkai read --url https://nb.example.gov.cn:8081 --ca internal-tls.pem --key chen.key me\n  \
    $ gongkai read --url http://127.0.0.1:8081 --key chen.key /internal/api/v1/me\n  \
    $ gongkai read --url http://127.0.0.1:8081 --key chen.key --queue\n  \
    $ gongkai read --url http://127.0.0.1:8081 --key chen.key --purpose inspection --timeline nomination/018f0000-0000-7000-8000-000000000001\n\n\
    用登记过的钥匙登录（不用密码），读出一个内部地址的 JSON，然后退出登录。\n\
    --timeline 列出一件事项的完整经过：公开的、封存的、启封撤下删除的、谁查阅过；只列对您公开的，不含内容。\n\
    --queue 列出等您办理的送审稿。不对您公开的内容，和不存在的内容，得到的答复一样。"
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
    let path = args.path.as_deref().unwrap_or_default();
    visit.get(&if path.starts_with('/') { path.to_owned() } else { format!("{ROOT}{path}") })
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
