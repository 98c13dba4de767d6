//! What one keeps of something that was handed in: in words, and as an image in the page itself.
//!
//! A code stands in no address and in no log, so its image has none either: it is drawn for the answer to a posted form, or
//! for the script that handed something in (`POST /follow/receipt`), and is kept by nobody. What it says is looked up by
//! the code as on `/follow`, never taken from whoever asks. Not here: how it is drawn ([`crate::share::receipt`]).

use askama::Template as _;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{Html, IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gongkai_domain::clock::{self, Limit, Running};
use gongkai_domain::kind::{self, Described as _, disclosure::Questioned};
use gongkai_domain::rules::RuleCode;
use gongkai_log::{Entry, Statement};
use gongkai_projections::follow_up::Followed;
use gongkai_projections::read::history;
use gongkai_store::Accepted;
use serde_json::Value;

use super::next::latest;
use super::parts;
use crate::http::api::body::{self, Arrived};
use crate::http::citizen::address::Client;
use crate::http::citizen::form::Posted;
use crate::http::citizen::status;
use crate::http::guard::CSP_RECEIPT;
use crate::http::internal::gate;
use crate::http::problem::Problem;
use crate::http::{App, pages};
use crate::share::receipt::{Receipt, draw};
use crate::site::hand_in::{Answer, Kept};
use crate::site::parts::Row;

/// Letters of a hash that people compare.
const HASH_CHARS: usize = 16;

/// Lets a page show the image that stands in it.
pub fn with_image(mut response: Response) -> Response {
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(CSP_RECEIPT));
    response
}

/// What a posted form is answered; `known` is the code of the matter that was continued.
pub async fn answer(app: &App, known: Option<&str>, accepted: Result<Accepted, Problem>) -> Result<Answer, Problem> {
    match accepted {
        Ok(Accepted::Entry(receipt)) => {
            let kept = of_entry(app, receipt.index).await?;
            Ok(Answer::Recorded { index: receipt.index, kept })
        }
        Ok(Accepted::Promise(promised)) => {
            let code = known.and_then(crate::code::normal).unwrap_or(promised.status_code);
            let followed = status::of_own(app, &code).await?;
            Ok(Answer::Promised {
                kept: Some(of_code(app, &code, followed).await?),
                code,
                is_known: known.is_some(),
                deadline: parts::moment(promised.deadline),
                promise: promised.promise,
            })
        }
        Err(problem) => match problem.more.get("receipt").and_then(Value::as_str) {
            Some(receipt) => Ok(Answer::Refused { reason: problem.detail.clone(), receipt: receipt.to_owned() }),
            None => Err(problem),
        },
    }
}

/// The same for the page's script: words and image of a `code` or of an `entry`, to be put into its page.
pub async fn post(
    State(app): State<App>,
    client: Client,
    headers: HeaderMap,
    body: Arrived,
) -> Result<Response, Problem> {
    app.ledger()?;
    if !gate::is_from_us(&headers, false) {
        return Err(Problem::new("cross_origin", "这个请求来自别的网站，没有执行"));
    }
    let posted = Posted::read(&headers, body::bytes(&headers, body)?).await?;
    let kept = if let Some(index) = posted.text("entry").and_then(|index| index.parse().ok()) {
        app.citizens.ask(client, app.clock.monotonic())?;
        of_entry(&app, index).await?.ok_or_else(pages::nothing)?
    } else {
        let code = posted.text("code").unwrap_or_default();
        let (followed, _) = status::shown(&app, client, code).await?;
        of_code(&app, &crate::code::normal(code).unwrap_or_default(), followed).await?
    };
    let part = kept.render().map_err(|error| Problem::internal(&error))?;
    Ok(([(CACHE_CONTROL, "no-store")], Html(part)).into_response())
}

/// Of something sealed, by its code.
async fn of_code(app: &App, code: &str, followed: Followed) -> Result<Kept, Problem> {
    let mut reader = app.read().await?;
    let orgs = followed.dues.iter().map(|due| due.org.as_str()).chain([followed.to.as_str()]);
    let names = reader.org_names(orgs).await?;
    let name = |org: &str| names.get(org).cloned().unwrap_or_else(|| org.to_owned());
    let mut rows = vec![
        pair("登记为", followed.label),
        pair("交给", &name(&followed.to)),
        pair("收到时间", &parts::moment(followed.received_at).to_string()),
        pair("最迟记入账本", &parts::moment(followed.deadline).to_string()),
    ];
    rows.extend(followed.dues.iter().map(|due| {
        let rule = due.rule.as_ref().map(|rule| format!("，{rule}")).unwrap_or_default();
        let other = if due.org == followed.to { String::new() } else { format!("{}：", name(&due.org)) };
        (due.what.clone(), format!("{other}{}{rule}", latest(due.due_on)))
    }));
    rows.push(pair("封存值", &followed.commitment.to_hex()[..HASH_CHARS]));
    let receipt = Receipt {
        site: app.about.name.clone(),
        mark: ("查询码".into(), code.to_owned()),
        remark: "只此一份，丢了不补。凭它能看到办理情况，不要发到群里。".into(),
        rows,
        address: format!("{}/follow", app.about.base_url),
        there: "看办到哪一步：扫右边的码，输入上面的查询码。不用登录。".into(),
    };
    Ok(kept(&receipt))
}

/// Of a question, which is public at once: its number leads to the sheet and everything that follows.
async fn of_entry(app: &App, index: u64) -> Result<Option<Kept>, Problem> {
    let Some(stored) = app.ledger()?.entry(index).await? else { return Ok(None) };
    let entry = Entry::parse(stored.bytes).map_err(|error| Problem::internal(&error))?;
    let question = |statement: &&Statement| statement.kind == Questioned::KIND;
    let Some(signed) = entry.content.statement().filter(|signed| question(&&signed.statement)) else { return Ok(None) };
    let mut rows = asked(app, &signed.statement).await?;
    rows.insert(1, pair("收到时间", &parts::moment(entry.recorded_at).to_string()));
    rows.push(pair("记录校验值", &entry.hash.to_hex()[..HASH_CHARS]));
    let receipt = Receipt {
        site: app.about.name.clone(),
        mark: ("账本记录号".into(), format!("№{index}")),
        remark: "问题已经公开登记，姓名和问题原文不公开。".into(),
        rows,
        address: format!("{}{}", app.about.base_url, crate::share::short_path(index)),
        there: "看答复：扫右边的码，打开这份公开表，找到这个记录号。不用登录。".into(),
    };
    Ok(Some(kept(&receipt)))
}

/// What a question is about, and when its answer is due.
async fn asked(app: &App, statement: &Statement) -> Result<Vec<(String, String)>, Problem> {
    let Some(said) = kind::body::<Questioned>(&statement.kind, &statement.body) else { return Err(pages::nothing()) };
    let mut reader = app.read().await?;
    let events = reader.history(&statement.stream.to_string()).await?;
    let title = history::latest(&events, "title").map(parts::shown);
    let names = reader.org_names([statement.org.as_str()]).await?;
    let org = names.get(&statement.org).unwrap_or(&statement.org);
    let sheet = title.map(|title| title.plain().to_owned()).unwrap_or_default();
    let line = said.line.map(|line| format!(" 第{}行", line + 1)).unwrap_or_default();
    let mut rows = vec![
        pair("登记为", "对公开的账目提问"),
        pair(
            "问的是",
            &if sheet.starts_with(org.as_str()) { format!("{sheet}{line}") } else { format!("{org} {sheet}{line}") },
        ),
        pair("问什么", said.topic.label()),
    ];
    let limit = Limit::Rules(said.asked_on, vec![RuleCode::QuestionDaysMax]);
    let running = Running { what: "公开答复".into(), org: statement.org.clone(), part: None, limit };
    if let Some(due) = app.ledger()?.with_world(|world| clock::due(running, world)) {
        let rule = due.rule.map(|rule| format!("，{}（{}）", rule.code.label(), rule.basis)).unwrap_or_default();
        rows.push((due.what.into_owned(), format!("{}{rule}", latest(due.due_on))));
    }
    Ok(rows)
}

fn pair(label: &str, value: &str) -> (String, String) {
    (label.to_owned(), value.to_owned())
}

fn kept(receipt: &Receipt) -> Kept {
    let rows = receipt.rows.iter().map(|(label, value)| Row::new(label.as_str(), value.as_str())).collect();
    Kept { rows, image: format!("data:image/png;base64,{}", STANDARD.encode(draw(receipt))) }
}
