//! What the pages of handing in say: names, explanations, remarks, promises.
//!
//! A kind without words here has its own label; a field without a remark has none.

use gongkai_domain::Kind;
use gongkai_domain::kind::rating::Rated;
use gongkai_domain::kind::{Described as _, FollowUp, Secrecy, family_label};

use super::slug;
use crate::site::hand_in::Promise;

/// Wire name without version, what people call it, for what it is.
const WORDS: [(&str, &str, &str); 10] = [
    ("letter.received", "写信", "给村、乡镇、县里写信：提意见建议，求解决难处，检举控告。"),
    (
        "nomination.objected",
        "对拟任人选提异议",
        "公示的人选有问题，或公示的材料与实际不符，可以反映。过了公示期也可以。",
    ),
    ("notice.objected", "对公示提异议", "对征地、救助、选民名单、发展党员等公示有不同意见，可以反映。"),
    (
        "disclosure.questioned",
        "对公开的账目提问",
        "村里公开的收支、合同、名单，看不明白或者觉得不对，可以问。到期必须公开答复。",
    ),
    ("pledge.rated", "评一评", "承诺办得怎么样，选一个等次。不用写名字，只公布各等次有多少人。"),
    ("vacancy.recommended", "推荐人选", "有空缺职位公开推荐时，可以推荐别人，也可以自荐。"),
    ("consultation.submitted", "提意见", "公开征集意见时，可以写下您的意见。"),
    ("tally.cast", "投票", "民主评议、推荐投票时，凭抽到的票码投票。"),
    ("letter.rated", "评价答复", "来信答复以后，说说满意不满意。"),
    ("letter.escalated", "申请复查复核", "对答复不满意，或到期没有答复，可以请上一级机构复查、复核。"),
];

/// Remarks below labels: wire name without version and field, or a field of any kind; and the remark.
const HINTS: [(&str, &str); 19] = [
    ("pledge.rated/grade", "不用写名字。想说具体的事，请另外写信。"),
    ("nomination.objected/person", "公示里的哪一位；说整份公示的，不用选。"),
    ("letter.received/class", "检举控告会在您的设备上加密，其他来信由受理机构直接办理。"),
    (
        "letter.received/concerns",
        "勾选的人看不到这封信；检举控告还会跳过他主管的机构。名单来自公开登记；没有列出的，写在内容里。",
    ),
    ("concerns", "勾选的人打不开；他主管的机构也会跳过。名单来自公开登记；没有列出的，写在内容里。"),
    ("request", "可以不写。希望怎样解决。"),
    ("real_name", "不勾也照样受理。实名的要写姓名，便于告知结果。"),
    ("consent_to_publish", "公开前会遮蔽个人信息。不同意的不公开。"),
    ("text", "写清时间、地点、什么事。不要写身份证号。"),
    ("evidence", "有什么证据、在哪里可以看到。这里不能传文件，可以先写明，再按受理机关的要求送交。"),
    ("name", "可以不写。"),
    ("contact", "可以不写。写了才能通知到您。"),
    ("asker", "可以不写，不公开。"),
    ("line", "公开页面上每一行前面的行号；问整张表的不用填。"),
    ("unit", "机构代码，不知道的不用填。"),
    ("place", "纸条上票码前面的序号。"),
    ("credential", "抽到的纸条上的票码。"),
    ("path", "纸条上的票码证明，一行一个。"),
    ("choices", "选项的行号，从 0 起，用逗号隔开。"),
];

/// Place in the list of what can be handed in.
pub(super) fn place_in_order(kind: &Kind) -> usize {
    WORDS.iter().position(|(name, _, _)| *name == slug(kind)).unwrap_or(WORDS.len())
}

/// The remark below a field, by kind and field or by field.
pub(super) fn hint(name: &str) -> Option<&'static str> {
    HINTS.iter().find(|(known, _)| *known == name).map(|(_, hint)| *hint)
}

/// What people call a kind, and what it is for.
pub(super) fn called(kind: &Kind) -> (&'static str, &'static str) {
    let found = WORDS.iter().find(|(name, _, _)| *name == slug(kind));
    found.map_or((kind.label, family_label(kind.family())), |(_, label, gloss)| (*label, *gloss))
}

/// Who reads it, what is public of it, and what comes back; `is_beyond`: through an intake, which promises itself.
pub(super) fn promise(kind: &Kind, is_beyond: bool) -> Promise {
    let readers = match (kind.sealed, kind.secrecy, kind.opens) {
        (false, ..) => "您的姓名和问题原文不公开，只有公开这份表的单位和监督人员能看。",
        (true, Secrecy::Body, _) => {
            "在您的浏览器里加密给受理机关，只有它登记在账本里的收件人能解开来看。服务器、管理员和所反映的人都看不到。"
        }
        (true, Secrecy::Either, true) => {
            "检举控告在您的浏览器里加密，只有受理机关的收件人能看。其他来信封存起来，只有办理的人能看，看了都有签名记录。"
        }
        (true, ..) if kind.name == Rated::KIND => {
            "封存起来，没有人翻看单份评价。承诺的单位只能按月看到各等次有多少人，不足五人的看不到。"
        }
        (true, ..) if kind.named_readers.is_empty() => "封存起来，谁也翻看不到单张选票，只公布票数。票码不记名。",
        (true, ..) => "封存起来，只有办理的人能看，看了都有签名记录。",
    };
    let public = match (kind.sealed, kind.named_readers) {
        (true, _) if kind.name == Rated::KIND => {
            "只公布各等次有多少人，标明是网上反馈。不收集身份，一个人评了几次分不出来，所以不算群众评议。"
        }
        (true, []) => "截止后公布票数和选票编号清单。单张选票不公开，截止前连有多少票也看不出来。",
        (true, _) => "什么都不公开，连有没有这件事，外面也看不出来。账本里只记一个封存值，证明那一刻已经收到。",
        (false, _) => "问的是哪一项、哪方面、哪一天，立即公开。问题由公开的单位遮蔽个人信息后公布。",
    };
    let next = match (kind.sealed, kind.opens, kind.follow_up) {
        _ if is_beyond => "马上得到收件处的承诺和查询码：账本最迟什么时候记下，或说明为什么不受理。凭查询码看结果。",
        (false, ..) => "几秒钟就记入账本，答复期限从当天算起，谁都能查。",
        (true, false, _) => "记在原来那件事后面，用原来的查询码查看。",
        (true, true, FollowUp::Answers) => "马上得到收件承诺和查询码。凭查询码看办到哪一步、什么答复、还剩几天。",
        (true, true, FollowUp::Content) => "马上得到收件承诺和查询码。凭查询码看是否已记入账本。",
        (true, true, FollowUp::Receipt) => {
            "马上得到收件承诺和查询码。它们只证明收到过，证明不了您写了什么，谁也没法逼您出示。"
        }
    };
    Promise { readers: readers.into(), public: public.into(), next: next.into() }
}
