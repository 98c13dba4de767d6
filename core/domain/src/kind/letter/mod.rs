//! Letters (来信): opinions, accusations and appeals, from receipt to the last review.
//!
//! A letter is a sealed stream. One of class 检举控告 is encrypted by its submitter to the body's receivers, so
//! the ledger does not see even its class until the body registers it; who handles it says so by statements
//! whose kind everybody inside can see, and whose text may be encrypted too. What is handed on stays in the hands of
//! one body at a time ([`State::org`]); to hand on an encrypted text, a receiver sends it as a letter of its own,
//! encrypted to the other body, with `refers_to`. What is published is another stream, masked and only with
//! consent ([`Published`]).
//!
//! Here are the descriptions; what each does is in `steps`, what is kept and awaited in `state`, which step may follow in
//! `next`. A further step is a `payload!` here, an `impl` there, a line in `next`, and the line in the list of kinds.

use chrono::NaiveDate;
use gongkai_log::StreamId;

use super::{
    PUBLISHER,
    intake::{CITIZEN, Concerned, Point},
    payload,
};
use crate::{
    field::{Attachment, ListRule, OrgCode, choices},
    world::Role,
};

mod next;
mod plain;
mod state;
mod steps;

pub use next::Step;
pub use plain::plain;
pub use state::{Appeal, Publication, State};

/// Who handles letters.
const OFFICE: &[Role] = &[Role::Publisher, Role::Reviewer, Role::Approver, Role::Inspector];

/// Who asks the level above: the sender, an officer for them, or an inspector.
const SENDER: &[Role] = &[Role::Intake, Role::Publisher, Role::Reviewer, Role::Inspector];

choices! {
    /// What a letter is (信访工作条例).
    Class {
        Opinion = "opinion" "意见建议",
        Accusation = "accusation" "检举控告",
        Appeal = "appeal" "申诉求决",
    }
}

choices! {
    /// How a letter came.
    Channel {
        Letter = "letter" "来信",
        Visit = "visit" "来访",
        Web = "web" "网上",
        Phone = "phone" "来电",
        Hotline = "hotline" "12345 热线",
        Meeting = "meeting" "见面会",
    }
}

choices! {
    /// Why a letter is not accepted.
    Ground {
        NotCompetent = "not_competent" "不予受理：不属于受理范围",
        InCourt = "in_court" "不予受理：应当或已经通过诉讼、仲裁、行政复议解决",
        Pending = "pending" "不予受理：正在办理期限内",
        Final = "final" "不再受理：复核意见已经作出",
    }
}

choices! {
    /// What a sender is told of.
    Notice { Acceptance = "acceptance" "是否受理", Result = "result" "办理结果" }
}

choices! {
    /// How content a sender is.
    Satisfaction {
        Satisfied = "satisfied" "满意",
        Fair = "fair" "基本满意",
        Unsatisfied = "unsatisfied" "不满意",
    }
}

choices! {
    /// What a review decided.
    ReviewResult {
        Upheld = "upheld" "维持原办理意见",
        Changed = "changed" "变更办理意见",
        Remade = "remade" "责令重新办理",
    }
}

payload! {
    /// A letter is received. One that accuses somebody is encrypted to the body.
    Received = "letter.received.v1" "收到来信";
    sealed {
        class: Class, Named = "来信类别",
        channel: Channel, Named = "来信渠道",
        real_name: bool, Named = "实名",
        consent_to_publish: bool, Named = "同意公开",
        postmark_on: Option<NaiveDate>, Named = "邮戳日期",
        refers_to: Option<StreamId>, Named = "相关事项",
        concerns: Option<Vec<Concerned>>, Named = "所反映的人",
        attachments: Option<Vec<Attachment>>, Named = "附件",
    }
    slots {
        title: Named Text(200) required = "标题",
        text: Named Text(20_000) required = "内容",
        request: Named Text(2000) optional = "诉求",
        name: Named Text(50) optional = "姓名",
        contact: Named Text(200) optional = "联系方式",
    }
    authors CITIZEN;
}

payload! {
    /// The body takes it up, under the class that it found.
    Registered = "letter.registered.v1" "登记受理";
    sealed {
        class: Class, Named = "来信类别",
        channel: Channel, Named = "来信渠道",
        real_name: bool, Named = "实名",
        consent_to_publish: bool, Named = "同意公开",
        registered_on: NaiveDate, Named = "受理日期",
        told_on: Option<NaiveDate>, Named = "告知日期",
        concerns: Option<Vec<Concerned>>, Named = "所反映的人",
    }
    slots { note: Named Text(1000) optional = "说明" }
    authors OFFICE;
}

payload! {
    /// Another body is competent (转送).
    Forwarded = "letter.forwarded.v1" "转送";
    sealed {
        to: OrgCode, Named = "转送机构",
        forwarded_on: NaiveDate, Named = "转送日期",
        told_on: Option<NaiveDate>, Named = "告知日期",
    }
    slots { reason: Named Text(1000) required = "转送理由" }
    authors OFFICE;
}

payload! {
    /// The body to which it was forwarded is not competent (异议退回).
    Returned = "letter.returned.v1" "异议退回";
    sealed { returned_on: NaiveDate, Named = "退回日期" }
    slots { reason: Named Text(1000) required = "退回理由" }
    authors OFFICE;
}

payload! {
    /// It is not accepted (不予受理、不再受理).
    NotAccepted = "letter.not_accepted.v1" "不予受理";
    sealed {
        ground: Ground, Named = "不受理的依据",
        decided_on: NaiveDate, Named = "决定日期",
        told_on: Option<NaiveDate>, Named = "告知日期",
    }
    slots { reason: Named Text(2000) required = "理由" }
    authors OFFICE;
}

payload! {
    /// The time for an appeal is made longer, by whoever heads the body.
    Extended = "letter.extended.v1" "延长办理期限";
    sealed { extended_on: NaiveDate, Named = "批准日期" }
    slots { reason: Named Text(1000) required = "延长理由" }
    authors &[Role::Approver];
}

payload! {
    /// The sender was told.
    Notified = "letter.notified.v1" "告知来信人";
    sealed { what: Notice, Named = "告知事项", told_on: NaiveDate, Named = "告知日期" }
    slots { note: Named Text(1000) optional = "说明" }
    authors OFFICE;
}

payload! {
    /// The answer, as a whole and point by point.
    Answered = "letter.answered.v1" "答复来信";
    sealed {
        answered_on: NaiveDate, Named = "办结日期",
        told_on: Option<NaiveDate>, Named = "告知日期",
        points: Option<Vec<Point>>, Named = "逐项答复",
    }
    slots { text: Named Text(8000) required = "答复内容" }
    authors OFFICE;
}

payload! {
    /// A body above sets a day by which it must be dealt with (督办). It is sealed like the letter: a public supervision
    /// would show that there is one. It is said in the name of the body that has the letter, which goes on with it.
    Urged = "letter.urged.v1" "督办来信";
    sealed {
        by: OrgCode, Named = "督办机构",
        urged_on: NaiveDate, Named = "督办日期",
        due_on: NaiveDate, Named = "办理时限",
    }
    slots { text: Named Text(2000) required = "督办要求" }
    authors super::supervision::ISSUERS;
}

payload! {
    /// The sender rates the answer.
    Rated = "letter.rated.v1" "评价答复";
    sealed { satisfaction: Satisfaction, Named = "满意度", rated_on: NaiveDate, Named = "评价日期" }
    slots { comment: Named Text(2000) optional = "评价" }
    authors CITIZEN;
}

payload! {
    /// The level above is asked: the answer does not content, or did not come in time.
    Escalated = "letter.escalated.v1" "申请复查复核";
    sealed { to: OrgCode, Named = "上一级机构", escalated_on: NaiveDate, Named = "申请日期" }
    slots { reason: Named Text(4000) required = "理由" }
    authors SENDER;
}

payload! {
    /// The level above reviewed it (复查).
    Reviewed = "letter.reviewed.v1" "复查";
    sealed {
        result: ReviewResult, Named = "复查结果",
        reviewed_on: NaiveDate, Named = "复查日期",
        told_on: Option<NaiveDate>, Named = "告知日期",
    }
    slots { text: Named Text(8000) required = "复查意见" }
    authors OFFICE;
}

payload! {
    /// The level above that one reviewed it again (复核); after that it is at an end.
    ReReviewed = "letter.re_reviewed.v1" "复核";
    sealed {
        result: ReviewResult, Named = "复核结果",
        reviewed_on: NaiveDate, Named = "复核日期",
        told_on: Option<NaiveDate>, Named = "告知日期",
    }
    slots { text: Named Text(8000) required = "复核意见" }
    authors OFFICE;
}

payload! {
    /// Question and answer, masked, with the sender's consent. It has a public stream of its own; which letter
    /// it is stands in a slot that is not public.
    Published = "letter.published.v1" "公开来信答复";
    body {
        class: Class = "来信类别",
        received_on: NaiveDate = "来信日期",
        answered_on: NaiveDate = "答复日期",
        consent: bool = "来信人同意公开",
    }
    slots {
        title: Public Text(200) required = "标题",
        question: Public Text(8000) required = "来信内容（已遮蔽）",
        answer: Public Text(8000) required = "答复内容（已遮蔽）",
        letter: Named Text(100) required = "来信编号",
    }
    list ListRule::None;
    authors PUBLISHER;
}
