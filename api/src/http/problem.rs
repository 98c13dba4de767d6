//! Every "no" and every failure that leaves over HTTP: one table from codes to statuses and titles.
//!
//! The API answers `application/problem+json` (RFC 9457) with a Chinese `title` and `detail`, a stable
//! `code`, and `place` where one is known; the site shows the same problem as a page. A lawful
//! [`Refusal`] keeps its own sentence; of our failures only the code is told, the cause goes to the
//! log. To add a code: one line in [`TABLE`]; the golden test then asks for the new line.

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use gongkai_domain::Refusal;
pub use gongkai_log::chain;
use gongkai_projections::internal::InternalError;
use gongkai_projections::read::ReadError;
use gongkai_store::{StoreError, SubmitError, VaultFault};
use serde_json::{Map, Value, json};

use super::published::PublishedError;

/// Media type of a problem (RFC 9457 §3).
pub const MEDIA_TYPE: &str = "application/problem+json; charset=utf-8";

/// Where the codes are described, the start of every problem's `type`.
pub const TYPE_BASE: &str = "/api/v1/problems#";

/// One code: its HTTP status and its title.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// Stable for programs.
    pub code: &'static str,
    /// HTTP status.
    pub status: u16,
    /// Chinese title, the same for every problem of the code.
    pub title: &'static str,
}

const fn row(code: &'static str, status: u16, title: &'static str) -> Row {
    Row { code, status, title }
}

/// What a code that is not listed gets: a refusal that this version of the table does not know.
const UNLISTED: Row = row("refused", 422, "不予受理");

/// All codes: first the refusals of the domain, then what only HTTP can say.
pub const TABLE: &[Row] = &[
    row("malformed", 400, "格式不正确"),
    row("unknown_kind", 422, "没有这种事项"),
    row("wrong_origin", 422, "不是本账本的声明"),
    row("bad_signature", 403, "签名不符"),
    row("unknown_key", 403, "钥匙没有登记"),
    row("revoked_key", 403, "钥匙已注销"),
    row("no_role", 403, "没有这项职责"),
    row("wrong_author", 403, "不能由这一职责提出"),
    row("cosigners_missing", 422, "还缺签名"),
    row("same_person", 422, "不能一人签两次"),
    row("unknown_organization", 422, "机构没有登记"),
    row("ended_organization", 422, "机构已不存在"),
    row("stale_parent", 409, "事项已有更新"),
    row("stream_exists", 409, "事项已经存在"),
    row("stream_missing", 404, "事项不存在"),
    row("field", 422, "有一项填得不对"),
    row("tier_needs_vault", 422, "限阅库没有启用"),
    row("personal_data", 422, "含有个人信息"),
    row("too_large", 413, "内容过长"),
    row("state", 422, "事项目前不能这样办"),
    row("period_too_short", 422, "期限太短"),
    row("books", 422, "账目核对不通过"),
    row("future", 422, "申报时间晚于当前时间"),
    row("idempotency_conflict", 409, "提交编号重复"),
    row("missing_attachment", 422, "附件没有上传"),
    row("upload_offset", 409, "续传的位置不对"),
    row("bad_query", 400, "查询条件不正确"),
    row("bad_idempotency_key", 400, "缺少提交编号"),
    row("bad_json", 400, "不是可用的 JSON"),
    row("not_found", 404, "没有找到"),
    row("not_here", 403, "这里不能提交"),
    row("not_signed_in", 401, "没有登录"),
    row("sign_in_refused", 403, "登录没有通过"),
    row("bad_work", 403, "工作量证明不可用"),
    row("too_many", 429, "请求太多，请稍后再试"),
    row("cross_origin", 403, "请求来自别的网站"),
    row("method_not_allowed", 405, "不支持这种请求方法"),
    row("body_too_large", 413, "提交的内容太大"),
    row("uri_too_long", 414, "地址太长"),
    row("unsupported_media_type", 415, "内容类型不对"),
    row("internal", 500, "我们出错了"),
    row("busy", 429, "正忙，请稍后再试"),
    row("timeout", 503, "处理超时"),
    row("halted", 503, "账本暂停登记"),
    row("views_behind", 503, "查询库正在更新"),
    row("not_rooted", 503, "总目还没有登记"),
    row("disk_full", 507, "磁盘已满"),
];

/// The row of a code.
pub fn find(code: &str) -> Row {
    TABLE.iter().find(|row| row.code == code).copied().unwrap_or(UNLISTED)
}

/// A problem on its way to whoever asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    /// Its code's row.
    pub row: Row,
    /// What happened, in a Chinese sentence.
    pub detail: String,
    /// Where in the request, if known.
    pub place: Option<String>,
    /// Further members, such as the current head.
    pub more: Map<String, Value>,
    /// When to try again.
    pub retry_after_seconds: Option<u32>,
}

impl Problem {
    /// A problem with its detail.
    pub fn new(code: &str, detail: impl Into<String>) -> Self {
        let row = find(code);
        let retry_after_seconds = matches!(row.status, 429 | 503).then_some(2);
        Self { row, detail: detail.into(), place: None, more: Map::new(), retry_after_seconds }
    }

    /// The same problem with the place where it is.
    #[must_use]
    pub fn at(mut self, place: impl Into<String>) -> Self {
        self.place = Some(place.into());
        self
    }

    /// A parameter of the query that cannot be used.
    pub fn query(name: &str, reason: &str) -> Self {
        Self::new("bad_query", format!("参数 {name}：{reason}")).at(name)
    }

    /// Nothing under this address.
    pub fn not_found(what: &str) -> Self {
        Self::new("not_found", what)
    }

    /// A failure of ours. The cause is logged with its sources, the reader learns only that it was us.
    pub fn internal(error: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error = %chain(error), "a request failed");
        Self::new("internal", "不是您的错。请过一会儿再试；反复出现时，请告诉账本的管理单位。")
    }

    /// HTTP status.
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.row.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The members of RFC 9457 with `code` and `place`.
    pub fn to_json(&self) -> Value {
        let mut members = self.more.clone();
        members.insert("type".into(), json!(format!("{TYPE_BASE}{}", self.row.code)));
        members.insert("title".into(), json!(self.row.title));
        members.insert("status".into(), json!(self.row.status));
        members.insert("detail".into(), json!(self.detail));
        members.insert("code".into(), json!(self.row.code));
        if let Some(place) = &self.place {
            members.insert("place".into(), json!(place));
        }
        Value::Object(members)
    }
}

impl From<&Refusal> for Problem {
    fn from(refusal: &Refusal) -> Self {
        let mut problem = Self::new(refusal.code(), refusal.to_string());
        problem.retry_after_seconds = None;
        match refusal {
            Refusal::Malformed { place, .. } => problem.place = Some(place.clone()),
            Refusal::Field { name, .. } | Refusal::Tier { name, .. } => problem.place = Some(name.clone()),
            Refusal::PersonalData { label, place, .. } => problem.place = Some(format!("{label}{place}")),
            Refusal::UnknownKey(key) | Refusal::RevokedKey { key, .. } | Refusal::NoRole { key, .. } => {
                problem.place = Some(key.clone());
            }
            Refusal::StaleParent { revision, head } => {
                problem.more.insert("head".into(), json!({ "revision": revision, "hash": head }));
            }
            Refusal::Books(reasons) => {
                problem.more.insert("reasons".into(), json!(reasons));
            }
            _ => {}
        }
        problem
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        Self::from(&refusal)
    }
}

impl From<PublishedError> for Problem {
    fn from(error: PublishedError) -> Self {
        Self::internal(&error)
    }
}

impl From<InternalError> for Problem {
    fn from(error: InternalError) -> Self {
        match error {
            InternalError::Behind => Self::new("views_behind", "刚才收下的事项还没有全部列入，请稍后再试。"),
            other => Self::internal(&other),
        }
    }
}

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Behind { size, wanted } => {
                Self::new("views_behind", format!("查询库已更新到第 {size} 条，第 {wanted} 条还没有进来"))
            }
            ReadError::NotReady | ReadError::Lost => Self::new("views_behind", "查询库正在建立。账本本身没有受影响。"),
            ReadError::Refused(refused) => Self::new("bad_query", refused.to_string()).at("q"),
            other => Self::internal(&other),
        }
    }
}

impl From<SubmitError> for Problem {
    fn from(error: SubmitError) -> Self {
        match error {
            SubmitError::Refused(refusal) => Self::from(refusal),
            SubmitError::Halted(reason) => Self::new("halted", format!("账本暂停收件：{reason}")),
            SubmitError::Busy => Self::new("busy", "等待登记的提交太多，请稍后用同一个提交编号再试"),
            SubmitError::Storage(error) => Self::not_recorded(&error),
            SubmitError::Vault(fault) => match &*fault {
                VaultFault::Store(error) => Self::not_recorded(error),
                fault => Self::internal(fault),
            },
        }
    }
}

impl Problem {
    /// Nothing was recorded, because of the storage. A connection that was lost is made again by whoever asks next.
    fn not_recorded(error: &StoreError) -> Self {
        match error {
            StoreError::Gone { .. } => {
                tracing::warn!(error = chain(error), "the database is gone");
                Self::new("halted", "与数据库的连接断了，正在重连。请稍后用同一个提交编号再试，不会重复登记")
            }
            error => Self::from(error),
        }
    }
}

impl From<&StoreError> for Problem {
    fn from(error: &StoreError) -> Self {
        match error {
            StoreError::Full { .. } => Self::new("disk_full", "磁盘已满，什么都没有写入"),
            StoreError::File { source, .. } if source.kind() == std::io::ErrorKind::StorageFull => {
                Self::new("disk_full", "磁盘已满，什么都没有写入")
            }
            StoreError::Locked { .. } => Self::new("busy", "账本数据库正被别的程序占用，什么都没有写入"),
            StoreError::AttachmentTooLarge { bytes, bytes_max } => {
                Self::new("body_too_large", format!("附件有 {bytes} 字节，上限 {bytes_max} 字节"))
            }
            StoreError::Uploads => Self::new("busy", "同时上传的人太多，或另一个请求正在传这一份，请稍后再试"),
            StoreError::Bucket { .. } => {
                tracing::warn!(error = chain(error), "the bucket cannot be had");
                Self::new("busy", "存放附件的地方暂时连不上，请稍后再试")
            }
            other => Self::internal(other),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        Self::from(&error)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.to_json().to_string()));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use gongkai_log::Digest;

    use super::*;

    /// Whoever changes a status must look at this list: programs rely on it.
    const GOLDEN: &str = "\
malformed 400\nunknown_kind 422\nwrong_origin 422\nbad_signature 403\nunknown_key 403\nrevoked_key 403\nno_role 403\n\
wrong_author 403\ncosigners_missing 422\nsame_person 422\nunknown_organization 422\nended_organization 422\nstale_parent 409\n\
stream_exists 409\nstream_missing 404\nfield 422\ntier_needs_vault 422\npersonal_data 422\ntoo_large 413\nstate 422\n\
period_too_short 422\nbooks 422\nfuture 422\nidempotency_conflict 409\nmissing_attachment 422\nupload_offset 409\nbad_query 400\n\
bad_idempotency_key 400\nbad_json 400\nnot_found 404\nnot_here 403\nnot_signed_in 401\nsign_in_refused 403\n\
bad_work 403\ntoo_many 429\ncross_origin 403\nmethod_not_allowed 405\nbody_too_large 413\nuri_too_long 414\nunsupported_media_type 415\ninternal 500\nbusy 429\ntimeout 503\nhalted 503\nviews_behind 503\nnot_rooted 503\ndisk_full 507\n";

    #[test]
    fn the_statuses_of_all_codes_are_those_of_the_golden_list() {
        let table: Vec<String> = TABLE.iter().map(|row| format!("{} {}", row.code, row.status)).collect();
        assert_eq!(table, GOLDEN.lines().collect::<Vec<_>>());
    }

    #[test]
    fn every_code_of_a_refusal_is_in_the_table_and_none_is_there_twice() {
        let source = include_str!("../../../core/domain/src/refusal.rs");
        let codes: Vec<&str> = source
            .lines()
            .filter_map(|line| line.trim().strip_suffix("\",")?.split_once("=> \""))
            .map(|(_, code)| code)
            .collect();
        assert!(codes.len() >= 25, "{codes:?}");
        for code in &codes {
            if code.is_ascii() {
                assert_eq!(find(code).code, *code);
            }
        }
        let once: BTreeSet<&str> = TABLE.iter().map(|row| row.code).collect();
        assert_eq!(once.len(), TABLE.len());
    }

    #[test]
    fn a_stale_parent_is_told_the_current_head() {
        let problem = Problem::from(Refusal::StaleParent { revision: 3, head: Digest::ZERO });
        let json = problem.to_json();
        assert_eq!(json["status"], 409);
        assert_eq!(json["head"]["revision"], 3);
        assert_eq!(json["head"]["hash"], Digest::ZERO.to_string());
        assert_eq!(json["type"], "/api/v1/problems#stale_parent");
    }

    #[test]
    fn a_refused_field_is_named() {
        let refusal =
            Refusal::Field { name: "due".into(), label: "完成时限".into(), reason: "应是日期".into() };
        let json = Problem::from(refusal).to_json();
        assert_eq!(json["place"], "due");
        assert_eq!(json["detail"], "「完成时限」（due）：应是日期");
    }

    #[test]
    fn a_failure_of_ours_tells_nothing_of_its_cause() {
        let error = std::io::Error::other("/srv/secret/path");
        let problem = Problem::internal(&error);
        assert!(!problem.to_json().to_string().contains("secret"));
        assert_eq!(problem.status(), StatusCode::INTERNAL_SERVER_ERROR);
    }

    #[test]
    fn who_comes_at_a_bad_moment_is_told_when_to_come_again() {
        let response = Problem::new("busy", "排队的人太多").into_response();
        assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(response.headers()[RETRY_AFTER], "2");
        assert_eq!(response.headers()[CONTENT_TYPE], MEDIA_TYPE);
    }
}
