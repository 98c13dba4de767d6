//! `POST /internal/api/v1/reviews`: a command in; out come the draft, judged as its publication will be judged but for the
//! review itself, and the bytes that send it to its reviewers (送审). Nothing is recorded.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::post;
use gongkai_domain::confidentiality::Callers;
use gongkai_domain::field::PersonId;
use gongkai_domain::kind::review;
use gongkai_domain::procedure::{Procedure, REFERENCE};
use gongkai_domain::{Command, Prepared, Refusal, Role, kind};
use gongkai_log::{Signer, StreamId};
use gongkai_store::SubmitError;
use serde_json::{Map, Value, json};

use super::{Door, SignedIn, Unseen, rehearsals};
use crate::http::App;
use crate::http::api::body::{self, Arrived};
use crate::http::api::prepare;
use crate::http::openapi::{Answer, Endpoint, JSON, object, reference};
use crate::http::problem::Problem;
use crate::keyfile;

/// The endpoint.
pub fn door() -> Door {
    let endpoint = Endpoint {
        method: "post",
        path: "/internal/api/v1/reviews",
        id: "prepare_review",
        summary: "把一条命令变成送审稿和送审的原文，按公开时的规则查一遍，不记录",
        params: &[],
        body: Some((JSON, "PrepareRequest")),
        answers: &[Answer { status: 200, about: "送审稿和要签名的原文", media: &[(JSON, "PreparedReview")] }],
        problems: rehearsals::PROBLEMS,
        writes: true,
        handler: post(send),
    };
    Door { endpoint, callers: Callers::Holding(&[Role::Publisher]), unseen: Unseen::Absent }
}

async fn send(
    State(app): State<App>,
    SignedIn(reader): SignedIn,
    headers: HeaderMap,
    body: Arrived,
) -> Result<Json<Value>, Problem> {
    let mut request: Map<String, Value> = body::json(&headers, body)?;
    let malformed = |place: &str, reason: &str| Refusal::Malformed { place: place.into(), reason: reason.into() };
    let previous: Option<StreamId> = match request.remove("previous") {
        Some(previous) => serde_json::from_value(previous).map_err(|_| malformed("previous", "不是审核编号"))?,
        None => None,
    };
    request.remove("signers");
    let mut command = Command::from_value(Value::Object(request))?;
    let review = new_review(&app)?;
    command.fields.insert(REFERENCE.to_owned(), json!(review));
    let signers = vec![Signer { role: Role::Publisher.wire().into(), key: reader.key().into() }];
    let draft = prepare::prepared(&app, command, signers.clone()).await?;
    judged(&app, &draft).await?;
    let level = app.ledger()?.with_world(|world| world.organization(&draft.statement.org).map(|org| org.level));
    let level = level.ok_or_else(|| Refusal::UnknownOrganization(draft.statement.org.clone()))?;
    let procedure = Procedure::of_statement(level, &draft.statement);
    let author = PersonId(reader.person().clone());
    let submission = review::submission_of(&draft, procedure, &author, previous.as_ref())?;
    let submission = prepare::prepared(&app, submission, signers).await?;
    app.ledger()?.rehearse(submission.clone().into_submission(submission.text.clone())).await?;
    let steps: Vec<_> = procedure.steps().iter().map(|step| step.gate.label()).collect();
    Ok(Json(json!({
        "review": review, "procedure": procedure.label(), "steps": steps,
        "draft": prepare::as_json(&draft).0, "submission": prepare::as_json(&submission).0,
    })))
}

/// Judged as it will be when it is published. That it was not reviewed yet, and those who will sign then have not, is no
/// reason to refuse a draft; the judgement comes to that last.
async fn judged(app: &App, draft: &Prepared) -> Result<(), Problem> {
    match app.ledger()?.rehearse(draft.clone().into_submission(draft.text.clone())).await {
        Err(SubmitError::Refused(Refusal::Cosigners { .. })) => Ok(()),
        Err(SubmitError::Refused(Refusal::Field { name, .. })) if name == REFERENCE => Ok(()),
        other => Ok(other?),
    }
}

fn new_review(app: &App) -> Result<StreamId, Problem> {
    let submitted = kind::find(review::SUBMITTED).ok_or_else(|| Refusal::UnknownKind(review::SUBMITTED.into()))?;
    Ok(submitted.new_stream(app.now(), &mut |buffer| keyfile::random(buffer)))
}

/// The schema of the answer.
pub fn schemas() -> Map<String, Value> {
    let text = || json!({ "type": "string" });
    let prepared = object(
        "送审稿和送审的原文",
        &[
            ("review", reference("StreamId")),
            ("procedure", text()),
            ("steps", json!({ "type": "array", "items": text() })),
            ("draft", reference("Prepared")),
            ("submission", reference("Prepared")),
        ],
    );
    Map::from_iter([("PreparedReview".to_owned(), prepared)])
}
