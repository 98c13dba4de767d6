//! Statuses as people read them, computed from what the events say and from today. None is stored.
//!
//! To add one: a variant with wire name and label here, and the place in `read/` that computes it.

use serde::{Serialize, Serializer};

macro_rules! statuses {
    ($($(#[$m:meta])* $name:ident = $wire:literal $label:literal),* $(,)?) => {
        /// What a badge says.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Status { $($(#[$m])* $name),* }

        impl Status {
            /// Every status.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// Wire value, as in addresses and JSON.
            pub fn wire(self) -> &'static str { match self { $(Self::$name => $wire),* } }

            /// Chinese label.
            pub fn label(self) -> &'static str { match self { $(Self::$name => $label),* } }

            /// From the wire value.
            pub fn from_wire(wire: &str) -> Option<Self> { match wire { $($wire => Some(Self::$name),)* _ => None } }
        }
    };
}

statuses! {
    /// Pledge, not due, nobody has reported yet.
    NotReported = "not_reported" "尚未报告",
    /// Pledge, past its date, and no report.
    OverdueUnreported = "overdue_unreported" "逾期未报告",
    /// Pledge, past its date, the last report says it is not finished.
    Overdue = "overdue" "逾期未完成",
    /// Pledge, reported, without progress.
    NoProgress = "no_progress" "已报告无进展",
    /// Pledge, reported, with progress.
    InProgress = "in_progress" "正在办理",
    /// Pledge kept, as the pledger claims.
    Fulfilled = "fulfilled" "已兑现",
    /// Pledge kept in part.
    PartlyFulfilled = "partly_fulfilled" "部分兑现",
    /// Pledge not kept.
    NotFulfilled = "not_fulfilled" "未兑现",
    /// Pledge taken over into the next year.
    CarriedOver = "carried_over" "结转下年",
    /// Replaced by a later matter.
    Superseded = "superseded" "已被替代",
    /// Withdrawn; the trace stays.
    Withdrawn = "withdrawn" "撤回留痕",
    /// Vacancy, the window is open.
    Recommending = "recommending" "正在推荐",
    /// Vacancy, the window is over.
    Closed = "closed" "推荐截止",
    /// Vacancy, totals were published.
    Tallied = "tallied" "已公布统计",
    /// Vacancy filled.
    Filled = "filled" "已补上",
    /// Inspection announced before the nomination.
    Previewed = "previewed" "考察预告",
    /// Period not begun.
    Upcoming = "upcoming" "尚未开始",
    /// Period running.
    PeriodRunning = "running" "公示期内",
    /// Period ended, outcome not published.
    NoOutcome = "no_outcome" "公示期满·未公布结果",
    /// Period prolonged and running.
    Extended = "extended" "公示延长",
    /// Outcome published.
    Concluded = "concluded" "已公布结果",
    /// To be appointed.
    ToBeAppointed = "to_be_appointed" "办理任职手续",
    /// To be recommended by law for election.
    ToBeElected = "to_be_elected" "依法推荐提名",
    /// Appointed.
    Appointed = "appointed" "已任职",
    /// Elected.
    Elected = "elected" "已当选",
    /// Not elected.
    NotElected = "not_elected" "未当选",
    /// Put off.
    Deferred = "deferred" "暂缓",
    /// Not to be appointed.
    NotAppointed = "not_appointed" "不予任用",
    /// Disclosed in time.
    Disclosed = "disclosed" "已公开",
    /// Recorded days after it was declared or due.
    BackFilled = "back_filled" "补报",
    /// Not disclosed, past its date.
    Missing = "missing" "缺",
    /// Not disclosed, not yet due.
    NotYetDue = "not_yet_due" "未到期",
    /// Disclosed, nothing moved.
    NoMovement = "no_movement" "本月无收支",
    /// Corrected after publication.
    Corrected = "corrected" "已更正",
    /// Question waiting for its answer.
    Asked = "asked" "待答复",
    /// Question past its date without an answer.
    AnswerOverdue = "answer_overdue" "逾期未答复",
    /// Question answered.
    Answered = "answered" "已答复",
    /// Something sealed, past the day on which it was promised to be opened.
    OpeningOverdue = "opening_overdue" "到期未启封",
    /// In force.
    InForce = "in_force" "现行",
    /// Dissolved or revoked.
    Ended = "ended" "已终止",
}

impl Serialize for Status {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.wire())
    }
}

/// The statuses that the boards of a family can show, in the order of their filters.
pub fn statuses_of(family: &str) -> &'static [Status] {
    use Status as S;
    match family {
        "pledge" => &[
            S::NotReported,
            S::OverdueUnreported,
            S::Overdue,
            S::NoProgress,
            S::InProgress,
            S::Fulfilled,
            S::PartlyFulfilled,
            S::NotFulfilled,
            S::CarriedOver,
            S::Superseded,
            S::Withdrawn,
        ],
        "vacancy" => &[S::Upcoming, S::Recommending, S::Closed, S::Tallied, S::Filled, S::Withdrawn],
        "nomination" => &[S::Previewed, S::Upcoming, S::PeriodRunning, S::Extended, S::NoOutcome, S::Concluded],
        "notice" => &[S::InForce, S::Upcoming, S::PeriodRunning, S::Extended, S::NoOutcome, S::Concluded, S::Withdrawn],
        "disclosure" => &[S::Disclosed, S::BackFilled, S::NoMovement, S::Corrected, S::Withdrawn],
        _ => &[],
    }
}

/// The status that a row's key stands for; `None` when its period decides (notices, nominations).
///
/// A key is what the events say and, after it, what today or a flag adds: `!` past its date, `?` before
/// it, `*` back-filled, `0` without movement, `+` every post filled. The SQL is in `read/matters.rs`.
pub(crate) fn of_key(family: &str, key: &str) -> Option<Status> {
    use Status as S;
    let state = key.trim_end_matches(['!', '?', '*', '0', '+']);
    let late = key.ends_with('!');
    Some(match (family, state) {
        (_, "withdrawn") => S::Withdrawn,
        ("pledge", "made") if late => S::OverdueUnreported,
        ("pledge", "made") => S::NotReported,
        ("pledge", "no_progress" | "in_progress") if late => S::Overdue,
        ("pledge", "no_progress") => S::NoProgress,
        ("pledge", "in_progress") => S::InProgress,
        ("pledge", "fulfilled") => S::Fulfilled,
        ("pledge", "partly_fulfilled") => S::PartlyFulfilled,
        ("pledge", "not_fulfilled") => S::NotFulfilled,
        ("pledge", "carried_over") => S::CarriedOver,
        ("pledge", "superseded") => S::Superseded,
        ("vacancy", _) if key.ends_with('+') => S::Filled,
        ("vacancy", "open") if key.ends_with('?') => S::Upcoming,
        ("vacancy", "open") if late => S::Closed,
        ("vacancy", "open") => S::Recommending,
        ("vacancy", "closed") => S::Closed,
        ("vacancy", "tallied") => S::Tallied,
        ("disclosure", "corrected") => S::Corrected,
        ("disclosure", "published") if key.ends_with('*') => S::BackFilled,
        ("disclosure", "published") if key.ends_with('0') => S::NoMovement,
        ("disclosure", "published") => S::Disclosed,
        _ => return None,
    })
}

/// Every key that can stand for a status of a family.
pub(crate) fn keys_of(family: &str, statuses: &[Status]) -> String {
    const STATES: &[&str] = &[
        "made",
        "no_progress",
        "in_progress",
        "fulfilled",
        "partly_fulfilled",
        "not_fulfilled",
        "carried_over",
        "superseded",
        "withdrawn",
        "open",
        "closed",
        "tallied",
        "published",
        "corrected",
    ];
    let mut list = String::from(",");
    for state in STATES {
        for mark in ["", "!", "?", "*", "0", "+"] {
            let key = format!("{state}{mark}");
            if of_key(family, &key).is_some_and(|status| statuses.contains(&status)) {
                list.push_str(&key);
                list.push(',');
            }
        }
    }
    list
}
