//! The lawful no: why a proposal is not recorded, with the sentence that a person reads.
//!
//! Not an error of ours: those live in the crate that failed. To add a reason, add a variant, its
//! stable code and its Chinese sentence here; which HTTP status it gets is decided in the API.

use gongkai_log::{Digest, Tier};

/// A lawful answer to a proposal that is not recorded.
///
/// `Display` is the Chinese sentence for people; [`Refusal::code`] is stable for programs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The bytes are not a well-formed submission, command or statement.
    #[error("格式不正确：{place}：{reason}")]
    Malformed {
        /// Where in the submission.
        place: String,
        /// What is wrong there.
        reason: String,
    },
    /// No such event kind in this version.
    #[error("没有这种事项：「{0}」")]
    UnknownKind(String),
    /// The statement is bound to another ledger.
    #[error("声明属于账本「{got}」，本账本是「{expected}」")]
    WrongOrigin {
        /// This ledger.
        expected: String,
        /// The statement's.
        got: String,
    },
    /// A signature line is missing, surplus, out of order or does not verify.
    #[error("签名不符：{0}")]
    Signature(String),
    /// The key was never authorized here.
    #[error("签名钥匙「{0}」没有登记")]
    UnknownKey(String),
    /// The key was revoked.
    #[error("签名钥匙「{key}」已在第 {index} 号记录注销")]
    RevokedKey {
        /// Key name.
        key: String,
        /// Log index of the revocation.
        index: u64,
    },
    /// The key's holder lacks the claimed role at the organization.
    #[error("钥匙「{key}」的持有人在机构「{org}」没有「{role}」职责")]
    NoRole {
        /// Key name.
        key: String,
        /// Chinese name of the role.
        role: String,
        /// Organization code.
        org: String,
    },
    /// This kind of event is not said by that role.
    #[error("「{kind}」不能由「{role}」提出")]
    WrongAuthor {
        /// Label of the kind.
        kind: String,
        /// Chinese name of the role.
        role: String,
    },
    /// More people must sign.
    #[error("还缺签名：需要至少 {needed} 名「{role}」共同签名，现有 {got} 名（{rule}）")]
    Cosigners {
        /// Chinese name of the role.
        role: String,
        /// How many are needed.
        needed: u64,
        /// How many there are.
        got: u64,
        /// The rule that demands it.
        rule: String,
    },
    /// Two signatures of one person where two people must act.
    #[error("同一个人不能以两把钥匙或两种职责共同签名（{0}）")]
    SamePerson(String),
    /// The organization is not in the registry.
    #[error("机构代码「{0}」没有登记")]
    UnknownOrganization(String),
    /// The organization was merged, split or dissolved.
    #[error("机构「{org}」已不存在（{reason}）")]
    EndedOrganization {
        /// Organization code.
        org: String,
        /// What became of it.
        reason: String,
    },
    /// The author did not see the stream's latest statement.
    #[error("事项已有更新：现为第 {revision} 次修订，请看过最新内容再提交")]
    StaleParent {
        /// The head's revision.
        revision: u64,
        /// The head's statement hash.
        head: Digest,
    },
    /// An opening statement for a stream that exists.
    #[error("事项「{0}」已经存在")]
    StreamExists(String),
    /// A following statement for a stream that does not exist.
    #[error("事项「{0}」不存在")]
    StreamMissing(String),
    /// A field is missing, unknown or has an unusable value.
    #[error("「{label}」（{name}）：{reason}")]
    Field {
        /// Wire name.
        name: String,
        /// Chinese label.
        label: String,
        /// What is wrong.
        reason: String,
    },
    /// The value's audience needs the vault, which is not in use.
    #[error("「{label}」（{name}）属于「{tier}」范围，限阅库没有启用，不能提交", tier = tier_label(*tier))]
    Tier {
        /// Wire name of the field.
        name: String,
        /// Chinese label.
        label: String,
        /// Its tier.
        tier: Tier,
    },
    /// Personal data in a text.
    #[error("「{label}」{place}含有个人信息：{what}，请删去或遮蔽后再提交")]
    PersonalData {
        /// Chinese label of the field.
        label: String,
        /// Which line, or empty.
        place: String,
        /// What was found and where, never the digits.
        what: String,
    },
    /// The entry would be too long for the log.
    #[error("内容过长：{bytes} 字节，上限 {bytes_max} 字节")]
    TooLarge {
        /// Size of the entry.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// The matter is not in a state in which this can be said.
    #[error("{0}")]
    State(String),
    /// A period is shorter than the rule.
    #[error("期限太短：{given} {unit}，「{rule}」规定不少于 {needed} {unit}（{basis}）")]
    PeriodTooShort {
        /// Label of the rule.
        rule: String,
        /// Legal basis.
        basis: String,
        /// Given length.
        given: u64,
        /// Required length.
        needed: u64,
        /// 个工作日 or 天.
        unit: String,
    },
    /// The books do not balance.
    #[error("账目核对不通过：{}", .0.join("；"))]
    Books(Vec<String>),
    /// The declared time lies in the future.
    #[error("申报时间 {declared} 晚于当前时间 {now}")]
    Future {
        /// The author's time.
        declared: String,
        /// The ledger's reading.
        now: String,
    },
    /// The same idempotency key with another content.
    #[error("提交编号已用于另一份内容")]
    IdempotencyConflict,
    /// An attachment is named that was never handed in.
    #[error("附件 {0} 没有上传")]
    MissingAttachment(String),
}

impl Refusal {
    /// Stable code for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed { .. } => "malformed",
            Self::UnknownKind(_) => "unknown_kind",
            Self::WrongOrigin { .. } => "wrong_origin",
            Self::Signature(_) => "bad_signature",
            Self::UnknownKey(_) => "unknown_key",
            Self::RevokedKey { .. } => "revoked_key",
            Self::NoRole { .. } => "no_role",
            Self::WrongAuthor { .. } => "wrong_author",
            Self::Cosigners { .. } => "cosigners_missing",
            Self::SamePerson(_) => "same_person",
            Self::UnknownOrganization(_) => "unknown_organization",
            Self::EndedOrganization { .. } => "ended_organization",
            Self::StaleParent { .. } => "stale_parent",
            Self::StreamExists(_) => "stream_exists",
            Self::StreamMissing(_) => "stream_missing",
            Self::Field { .. } => "field",
            Self::Tier { .. } => "tier_needs_vault",
            Self::PersonalData { .. } => "personal_data",
            Self::TooLarge { .. } => "too_large",
            Self::State(_) => "state",
            Self::PeriodTooShort { .. } => "period_too_short",
            Self::Books(_) => "books",
            Self::Future { .. } => "future",
            Self::IdempotencyConflict => "idempotency_conflict",
            Self::MissingAttachment(_) => "missing_attachment",
        }
    }

    /// A field refusal.
    pub(crate) fn field(name: &str, label: &str, reason: impl Into<String>) -> Self {
        Self::Field { name: name.into(), label: label.into(), reason: reason.into() }
    }

    /// A refusal because of the matter's state.
    pub(crate) fn state(reason: impl Into<String>) -> Self {
        Self::State(reason.into())
    }
}

/// Chinese name of an audience scope (党务公开条例 art. 15).
pub fn tier_label(tier: Tier) -> &'static str {
    match tier {
        Tier::Public => "向社会公开",
        Tier::Members => "在全党公开",
        Tier::Unit => "在本单位公开",
        Tier::Named => "对特定对象公开",
    }
}
