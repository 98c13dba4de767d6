//! `POST /api/v1/submissions`: a signed statement in, a receipt out, after it is durable.
//!
//! Statements authenticate themselves, so there is no session. The same `Idempotency-Key` with the
//! same content gives the same receipt, so whoever lost the reply asks again. If we stop between the
//! commit and the answer, the next start publishes the entry and the repeated request gets its receipt.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use gongkai_domain::Submission;
use gongkai_log::Statement;
use gongkai_store::Accepted;

use super::body::{self, Arrived};
use crate::http::App;
use crate::http::citizen::{self, address::Client};
use crate::http::openapi::{Answer, Endpoint, JSON, Param};
use crate::http::problem::Problem;

/// Longest idempotency key: a UUID or a hash with a prefix.
pub const KEY_BYTES_MAX: usize = 128;

/// The header with the idempotency key.
pub const HEADER: &str = "idempotency-key";

/// What a submission can be answered instead of a receipt.
pub const PROBLEMS: &[&str] = &[
    "bad_json",
    "bad_idempotency_key",
    "malformed",
    "unknown_kind",
    "wrong_origin",
    "bad_signature",
    "unknown_key",
    "revoked_key",
    "no_role",
    "wrong_author",
    "cosigners_missing",
    "same_person",
    "unknown_organization",
    "ended_organization",
    "stale_parent",
    "stream_exists",
    "stream_missing",
    "field",
    "tier_needs_vault",
    "personal_data",
    "too_large",
    "state",
    "period_too_short",
    "books",
    "future",
    "idempotency_conflict",
    "missing_attachment",
    "body_too_large",
    "unsupported_media_type",
    "busy",
    "timeout",
    "halted",
    "disk_full",
    "internal",
    "not_here",
    "not_found",
    "bad_work",
    "too_many",
];

/// What a submission on the public listener brings along.
const WORK: Param = Param {
    name: "Proof-Of-Work",
    place: "header",
    about: "公众地址：解出的计算题（见 work）；没有也收，但收得很慢",
    schema: "Text",
};

/// What shows that a matter is one's own.
pub const CODE: Param = Param {
    name: "Status-Code",
    place: "header",
    about: "公众地址：继续自己提交过的封存事项时的查询码",
    schema: "Text",
};

/// The endpoint.
pub fn endpoint() -> Endpoint {
    Endpoint {
        method: "post",
        path: "/api/v1/submissions",
        id: "submit",
        summary: "提交一条已签名的声明，记入账本后返回回执",
        params: &[
            Param {
                name: "Idempotency-Key", place: "header", about: "提交编号；重发时不变", schema: "IdempotencyKey"
            },
            WORK,
            CODE,
        ],
        body: Some((JSON, "Submission")),
        answers: &[
            Answer { status: 201, about: "已记入账本", media: &[(JSON, "Receipt")] },
            Answer { status: 200, about: "先前已记入，同一份回执", media: &[(JSON, "Receipt")] },
            Answer {
                status: 202, about: "封存事项已收件，答应在期限前记入账本", media: &[(JSON, "Promised")]
            },
        ],
        problems: PROBLEMS,
        writes: true,
        handler: post(submit),
    }
}

async fn submit(
    State(app): State<App>,
    client: Client,
    headers: HeaderMap,
    body: Arrived,
) -> Result<(StatusCode, Json<Accepted>), Problem> {
    let key = key(&headers)?;
    let submission: Submission = body::json(&headers, body)?;
    let ledger = app.ledger()?;
    // What nobody signed is judged here as it is on the public listener.
    let unsigned = Statement::parse(&submission.note).ok();
    if let Some(statement) = unsigned.filter(|statement| citizen::by_intake(&statement.signers, ledger)) {
        let _ = citizen::own_word(&app, client, citizen::code(&headers), &statement)
            .await?
            .ok_or_else(unsigned_for_another)?;
    }
    let before = *ledger.committed().borrow();
    let accepted = ledger.hand_in(Some(key), submission).await?;
    Ok((status(&accepted, before), Json(accepted)))
}

/// What a citizen did not say themselves needs the signature of whoever enters it.
pub fn unsigned_for_another() -> Problem {
    let detail = "没有签名的内容只能是群众自己提交的；替别人录入的，请录入人用自己的钥匙签名，并写明代录的渠道和原件";
    Problem::new("not_here", detail)
}

/// The status of an answer, by how many entries there were when the request came.
pub fn status(accepted: &Accepted, before: u64) -> StatusCode {
    match accepted {
        // An entry that was committed before this request came is the answer to an earlier one.
        Accepted::Entry(receipt) if receipt.index < before => StatusCode::OK,
        Accepted::Entry(_) => StatusCode::CREATED,
        // The entry comes with the period.
        Accepted::Promise(_) => StatusCode::ACCEPTED,
    }
}

/// The idempotency key of a request.
///
/// # Errors
/// None, several, or one that cannot be used.
pub fn key(headers: &HeaderMap) -> Result<String, Problem> {
    let mut values = headers.get_all(HEADER).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        let detail = "请求头 Idempotency-Key 必须给出一次：重发同一份提交时用同一个编号";
        return Err(Problem::new("bad_idempotency_key", detail).at("Idempotency-Key"));
    };
    match value.to_str() {
        Ok(key) if (1..=KEY_BYTES_MAX).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic()) => {
            Ok(key.to_owned())
        }
        _ => {
            let detail = format!("提交编号应是 1–{KEY_BYTES_MAX} 个可见的 ASCII 字符");
            Err(Problem::new("bad_idempotency_key", detail).at("Idempotency-Key"))
        }
    }
}
