//! `prepare` and `submissions` as the public listener has them.
//!
//! A refusal of what may be handed in here is receipted: the problem has a member `receipt`, signed by the intake key,
//! over the hash of the body as it was sent. So whoever came late can show that they came. What does not belong here at
//! all gets no receipt. Idempotency keys are apart from those of the internal side, so that nobody outside can ask
//! whether somebody inside used one.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use gongkai_domain::{Command, Prepared, Refusal, Submission};
use gongkai_log::{Digest, Signer, Statement};
use gongkai_store::{Accepted, Ledger, SubmitError};
use serde_json::{Map, Value, json};

use super::address::Client;
use super::{code, own_command, own_word};
use crate::http::App;
use crate::http::api::body::{self, Arrived};
use crate::http::api::{not_here, prepare as preparing, submissions};
use crate::http::problem::Problem;

/// A citizen's command in, the bytes to hand in out.
pub async fn prepare(
    State(app): State<App>,
    client: Client,
    headers: HeaderMap,
    body: Arrived,
) -> Result<Json<Value>, Problem> {
    app.ledger()?;
    app.citizens.ask(client, app.clock.monotonic())?;
    let mut request: Map<String, Value> = body::json(&headers, body)?;
    let signers: Vec<Signer> =
        serde_json::from_value(request.remove("signers").unwrap_or_default()).map_err(|_| not_here())?;
    let command = Command::from_value(Value::Object(request))?;
    Ok(preparing::as_json(&written(&app, client, code(&headers), command, signers).await?))
}

/// A citizen's command in, its bytes and openings out.
pub(in crate::http) async fn written(
    app: &App,
    client: Client,
    code: Option<&str>,
    command: Command,
    signers: Vec<Signer>,
) -> Result<Prepared, Problem> {
    let command = own_command(app, client, code, command, &signers).await?.ok_or_else(not_here)?;
    preparing::prepared(app, command, signers).await
}

/// A citizen's submission in, a receipt or promise out.
pub async fn submit(
    State(app): State<App>,
    client: Client,
    headers: HeaderMap,
    body: Arrived,
) -> Result<(StatusCode, Json<Accepted>), Problem> {
    let ledger = app.ledger()?;
    let key = submissions::key(&headers)?;
    let bytes = body::bytes(&headers, body)?;
    app.citizens.admit(client, &headers, &bytes, app.clock.monotonic())?;
    let submission: Submission =
        body::json(&headers, Ok(bytes.clone())).map_err(|problem| receipted(ledger, &bytes, problem))?;
    let before = *ledger.committed().borrow();
    let accepted = taken(&app, client, code(&headers), &key, &bytes, submission).await?;
    Ok((submissions::status(&accepted, before), Json(accepted)))
}

/// Takes a submission that was let in; `sent` are the bytes over which a refusal is receipted.
pub(in crate::http) async fn taken(
    app: &App,
    client: Client,
    code: Option<&str>,
    key: &str,
    sent: &[u8],
    submission: Submission,
) -> Result<Accepted, Problem> {
    let ledger = app.ledger()?;
    let receipted = |problem: Problem| receipted(ledger, sent, problem);
    // Whoever has signatures has a key, and the internal side for it.
    if submission.note.contains("\n\n") {
        return Err(not_here());
    }
    let statement = Statement::parse(&submission.note)
        .map_err(|error| Refusal::Malformed { place: "note".into(), reason: error.to_string() });
    let statement = statement.map_err(|refusal| receipted(refusal.into()))?;
    let _ = own_word(app, client, code, &statement).await?.ok_or_else(not_here)?;
    match ledger.hand_in(Some(format!("citizen:{key}")), submission).await {
        Ok(accepted) => Ok(accepted),
        Err(SubmitError::Refused(refusal)) => Err(receipted(refusal.into())),
        Err(error) => Err(error.into()),
    }
}

/// The same problem with a receipt that a submission was refused for it.
fn receipted(ledger: &Ledger, body: &[u8], mut problem: Problem) -> Problem {
    match ledger.receipt_of_refusal(Digest::of(body), problem.row.code) {
        Ok(receipt) => {
            problem.more.insert("receipt".into(), json!(receipt));
            problem
        }
        Err(error) => Problem::internal(&error),
    }
}
