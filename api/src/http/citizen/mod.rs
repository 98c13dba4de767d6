//! The public listener for people without keys: what they may hand in there, and what limits it.
//!
//! Taken are kinds that the intake key may sign, as a text without signatures whose only signer is intake; the ledger
//! countersigns it. Everything else stays the internal side's. A sealed matter is continued (rating an answer, asking the
//! level above) only with its status code, which shows that one began it; the internal listener has the same rule
//! ([`own_word`]), because whoever enters something for somebody else there signs it, as a proxy. What must be encrypted to a body is refused in
//! the clear already by `prepare`: nothing that the operator must not read is worked on here.
//!
//! Against abuse there are sizes, a rate for each address ([`rate`]) and a little work for each submission ([`work`]).
//! None of it knows who somebody is; addresses are kept in memory only, shortened, and forgotten within minutes. To let
//! a further kind in, let the intake key sign it (`authors`); nothing changes here.
//!
//! Where the ledger is behind a network gap, a site of published files passes on to the intake beside it ([`outside`]).

pub mod address;
pub mod form;
pub mod hand_in;
pub mod openings;
pub mod outside;
pub mod promises;
pub mod rate;
pub mod receivers;
pub mod status;
pub mod work;

use std::time::Duration;

use axum::extract::DefaultBodyLimit;
use axum::http::HeaderMap;
use axum::http::header::CACHE_CONTROL;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{any, post};
use axum::{Json, Router};
use gongkai_domain::{Command, Kind, Refusal, Role, envelope, kind};
use gongkai_log::{Signer, Statement, StreamId};
use gongkai_projections::follow_up;
use gongkai_store::Ledger;
use serde::Serialize;
use serde_json::{Map, Value};

use self::address::Client;
use self::outside::Passing;
use self::rate::{Each, Rate, Total};
use self::work::Work;
use super::openapi::Endpoint;
use super::problem::Problem;
use super::{App, api};
use crate::code;

/// Largest submission of a citizen: 16 slots of the longest texts, encrypted, with 32 wraps, in base64.
pub const BODY_BYTES_MAX: usize = 256 << 10;
/// Largest body of a question by status code.
pub const CODE_BODY_BYTES_MAX: usize = 80 << 10;

/// Header with a solved challenge.
pub const WORK_HEADER: &str = "proof-of-work";
/// Header with the code of the matter that is continued.
pub const CODE_HEADER: &str = "status-code";

/// Submissions from one address. Behind one address there may be a village: many may come at once.
const SUBMISSIONS: Rate = Rate { burst: 60, every: Duration::from_secs(1) };
/// Questions that prepare a submission, from one address.
const QUESTIONS: Rate = Rate { burst: 120, every: Duration::from_millis(500) };
/// Codes that are tried from one address; the codes have 80 bits.
const CODES: Rate = Rate { burst: 20, every: Duration::from_secs(6) };
/// Codes that are tried by everybody together.
const CODES_OF_ALL: Rate = Rate { burst: 400, every: Duration::from_millis(50) };
/// Submissions without work by everybody together.
const SLOW_LANE: Rate = Rate { burst: 10, every: Duration::from_secs(6) };

/// What is known of those who hand in: how many come from where, and which work was done.
pub struct Citizens {
    submissions: Each,
    questions: Each,
    codes: Each,
    codes_of_all: Total,
    slow_lane: Total,
    work: Work,
    passing: Passing,
}

impl Default for Citizens {
    fn default() -> Self {
        Self {
            submissions: Each::new(SUBMISSIONS),
            questions: Each::new(QUESTIONS),
            codes: Each::new(CODES),
            codes_of_all: Total::new(CODES_OF_ALL),
            slow_lane: Total::new(SLOW_LANE),
            work: Work::default(),
            passing: Passing::default(),
        }
    }
}

impl Citizens {
    /// Lets a submission in, by its work or in the slower lane.
    pub(in crate::http) fn admit(
        &self,
        client: Client,
        headers: &HeaderMap,
        body: &[u8],
        now: Duration,
    ) -> Result<(), Problem> {
        self.submissions.take(client, now).map_err(too_many)?;
        match headers.get(WORK_HEADER) {
            Some(solved) => self.work.accept(solved.to_str().unwrap_or_default(), body, now),
            None => self.slow_lane.take(now).map_err(|wait| {
                let detail = "没有附工作量证明的提交现在太多。请稍后再试；或用本站页面（需打开脚本）或 gongkai hand-in 提交，\
                              它们会自动完成几秒钟的计算";
                later(detail, wait)
            }),
        }
    }

    /// Lets a submission through to an intake, which asks for the work itself.
    fn pass(&self, client: Client, now: Duration) -> Result<(), Problem> {
        self.submissions.take(client, now).map_err(too_many)
    }

    /// Lets a question in that prepares a submission.
    pub(in crate::http) fn ask(&self, client: Client, now: Duration) -> Result<(), Problem> {
        self.questions.take(client, now).map_err(too_many)
    }

    /// Lets a status code be tried.
    fn try_code(&self, client: Client, now: Duration) -> Result<(), Problem> {
        self.codes.take(client, now).and_then(|()| self.codes_of_all.take(now)).map_err(too_many)
    }
}

/// Too much came from one address, or from all.
pub fn too_many(wait: Duration) -> Problem {
    later("这个网络地址来的请求太多，请稍等再试", wait)
}

fn later(detail: &str, wait: Duration) -> Problem {
    let mut problem = Problem::new("too_many", detail);
    problem.retry_after_seconds = Some(u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).saturating_add(1));
    problem
}

/// The endpoints that both listeners have.
pub fn endpoints() -> [Endpoint; 5] {
    [work::endpoint(), receivers::endpoint(), promises::endpoint(), status::endpoint(), openings::endpoint()]
}

/// The schemas of their answers.
pub fn schemas() -> Map<String, Value> {
    let all = [work::schemas(), receivers::schemas(), promises::schemas(), status::schemas(), openings::schemas()];
    all.into_iter().flatten().collect()
}

/// Writing on the public listener.
pub fn routes() -> Router<App> {
    let refused = || async { api::not_here() };
    Router::new()
        .route("/api/v1/prepare", post(hand_in::prepare).layer(DefaultBodyLimit::max(BODY_BYTES_MAX)).fallback(refused))
        .route(
            "/api/v1/submissions",
            post(hand_in::submit).layer(DefaultBodyLimit::max(BODY_BYTES_MAX)).fallback(refused),
        )
        .route("/api/v1/attachments", any(refused))
        .route("/api/v1/uploads", any(refused))
        .route("/api/v1/uploads/{id}", any(refused))
        .merge(outside::routes())
}

/// An answer that nobody may keep on the way: it is for one, or for once.
fn unkept<T: Serialize>(answer: T) -> Response {
    ([(CACHE_CONTROL, "no-store")], Json(answer)).into_response()
}

/// The code of the matter that a request continues.
pub fn code(headers: &HeaderMap) -> Option<&str> {
    headers.get(CODE_HEADER).map(|code| code.to_str().unwrap_or_default())
}

/// The one rule of both listeners for what comes without a signature and the ledger countersigns: of a kind that
/// citizens hand in, in nobody's stead, and of a sealed matter what its status code continues. `None`: it is none.
///
/// # Errors
/// The matter that is continued does not exist for whoever asks.
pub async fn own_word(
    app: &App,
    client: Client,
    code: Option<&str>,
    statement: &Statement,
) -> Result<Option<&'static Kind>, Problem> {
    let Some(kind) = for_citizens(statement, app.ledger()?) else { return Ok(None) };
    if kind.sealed && !kind.opens {
        own(app, client, code, Some(&statement.stream)).await?;
    }
    Ok(Some(kind))
}

/// The same rule for a command that is to be prepared, with the stream that its code continues. What must be encrypted
/// to a body is not worked on in the clear. `None`: it is none.
///
/// # Errors
/// As [`own_word`]; an unknown kind; what must be encrypted.
pub async fn own_command(
    app: &App,
    client: Client,
    code: Option<&str>,
    mut command: Command,
    signers: &[Signer],
) -> Result<Option<Command>, Problem> {
    let kind = command.kind()?;
    if !by_intake(signers, app.ledger()?) || !kind.is_for_citizens() || command.proxy.is_some() {
        return Ok(None);
    }
    if envelope::is_demanded(kind, &command.fields) {
        let reason = "这种事项应在您自己的设备上加密后提交，不能让服务器看到内容".to_owned();
        return Err(Refusal::Malformed { place: "kind".into(), reason }.into());
    }
    if kind.sealed && !kind.opens {
        command.stream = Some(own(app, client, code, command.stream.as_ref()).await?);
    }
    Ok(Some(command))
}

/// The sealed matter that is continued, if the request's code began it; what others began does not exist.
///
/// # Errors
/// There is none, or the code is another's.
async fn own(app: &App, client: Client, code: Option<&str>, named: Option<&StreamId>) -> Result<StreamId, Problem> {
    let begun = continued(app, client, code).await?;
    begun.filter(|begun| named.is_none_or(|named| named == begun)).ok_or_else(|| {
        Problem::new("not_found", "没有这件事项，或查询码不对；继续办理自己提交的事项，请附上它的查询码")
    })
}

/// Whether these signers are the intake key alone.
pub fn by_intake(signers: &[Signer], ledger: &Ledger) -> bool {
    matches!(signers, [signer] if signer.role == Role::Intake.wire() && signer.key == ledger.intake_key().name())
}

/// The kind of a statement that a citizen may hand in here: unsigned, for the intake key alone, in nobody's stead.
pub fn for_citizens(statement: &Statement, ledger: &Ledger) -> Option<&'static Kind> {
    let kind = kind::find(&statement.kind).filter(|kind| kind.is_for_citizens())?;
    (by_intake(&statement.signers, ledger) && statement.proxy.is_none()).then_some(kind)
}

/// The matter that a code began. Codes that are unknown or malformed are all the same.
async fn continued(app: &App, client: Client, code: Option<&str>) -> Result<Option<StreamId>, Problem> {
    let Some(code) = code else { return Ok(None) };
    app.citizens.try_code(client, app.clock.monotonic())?;
    let Some(code) = code::normal(code) else { return Ok(None) };
    follow_up::begun(app.ledger()?, &code).await.map_err(|fault| Problem::internal(&fault))
}
