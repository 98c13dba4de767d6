//! What happens after something was handed in, by when, and under which rule: said before one sends it.
//!
//! The days are computed as the ledger will compute them, by the rules and the calendar of today ([`clock::due`]). To say it
//! of another kind, add its line to [`of`]; a kind without a line has no limit that a rule sets.

use chrono::NaiveDate;
use gongkai_domain::clock::{self, Limit, Running};
use gongkai_domain::kind::notice;
use gongkai_domain::rules::RuleCode;
use gongkai_domain::{Kind, World};
use gongkai_log::StreamId;

use super::hand_in::slug;
use crate::site::format::Day;
use crate::site::hand_in::Next;

/// From the day on which it is handed in: what, and the rule.
type FromToday = (&'static str, &'static [RuleCode]);
/// From the day on which the office takes it up: what, and the rule.
type Later = (&'static str, RuleCode);

const ACCEPTED: &str = "受理之日起";

/// What follows a kind that is handed in to an organization about a matter; `report_on` is a day that the matter promises.
pub fn of(
    kind: &Kind,
    org: &str,
    about: Option<&StreamId>,
    report_on: Option<NaiveDate>,
    (today, world): (NaiveDate, &World),
) -> Vec<Next> {
    let (from_today, later) = limits(slug(kind), about, world);
    let dated = from_today.iter().filter_map(|(what, codes)| {
        let running = Running {
            what: (*what).into(),
            org: org.to_owned(),
            part: None,
            limit: Limit::Rules(today, codes.to_vec()),
        };
        let due = clock::due(running, world)?;
        let rule = due.rule.map(|rule| format!("{}（{}）", rule.code.label(), rule.basis)).unwrap_or_default();
        Some(Next { what: (*what).to_owned(), by: latest(due.due_on), rule })
    });
    let counted = later.iter().map(|(what, code)| {
        let rule = world.rule(*code, org, today);
        let by = format!("{ACCEPTED}{}{}内", rule.value, rule.unit.label());
        Next { what: (*what).to_owned(), by, rule: format!("{}（{}）", rule.code.label(), rule.basis) }
    });
    dated.chain(counted).chain(window(about, world)).chain(report_on.map(report)).collect()
}

fn limits(slug: &str, about: Option<&StreamId>, world: &World) -> (&'static [FromToday], &'static [Later]) {
    let is_voters =
        about.and_then(|about| world.matters.notice(about)).is_some_and(|it| it.category == notice::Type::Voters);
    match slug {
        "disclosure.questioned" => (&[("公开答复", &[RuleCode::QuestionDaysMax])], &[]),
        "letter.received" => (
            &[
                ("登记并告知您", &[RuleCode::LetterRouteDaysMax]),
                ("实名检举控告，告知是否受理", &[RuleCode::AccusationAcceptDaysMax]),
            ],
            &[("意见建议，给您答复", RuleCode::OpinionDaysMax), ("申诉求决，办结并答复", RuleCode::LetterCloseDaysMax)],
        ),
        "letter.escalated" => (&[("上一级作出复查意见", &[RuleCode::LetterReviewDaysMax])], &[]),
        "notice.objected" if is_voters => (&[("办结异议", &[RuleCode::VoterDecisionDaysMax])], &[]),
        "nomination.objected" | "notice.objected" => (&[("办结异议", &[RuleCode::ObjectionDaysMax])], &[]),
        _ => (&[], &[]),
    }
}

/// The last day of a window, which the matter itself sets.
fn window(about: Option<&StreamId>, world: &World) -> Option<Next> {
    let about = about?;
    let (window, what) = match about.family.as_str() {
        "vacancy" => (&world.matters.vacancy(about)?.window, "推荐截止，之后公布推荐票数和被推荐人数"),
        "consultation" => (world.matters.consultation(about)?, "征集截止"),
        "tally" => (&world.matters.tally(about)?.window, "投票截止，之后公布票数"),
        _ => return None,
    };
    let rule = "公告里写明的日期，逾期的不收，给您退件回执".to_owned();
    Some(Next { what: what.to_owned(), by: latest(window.closes_on), rule })
}

/// A last day, which counts.
pub fn latest(on: NaiveDate) -> String {
    format!("最迟{}", Day(on))
}

fn report(on: NaiveDate) -> Next {
    Next { what: "公布征集结果".into(), by: latest(on), rule: "公告里写明的日期".into() }
}

#[cfg(test)]
mod tests {
    use gongkai_domain::kind;

    use super::*;

    fn day() -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, 3, 10).unwrap()
    }

    #[test]
    fn whatever_an_office_must_act_on_says_by_when_and_under_which_rule() {
        let world = World::default();
        for (name, many) in [
            ("disclosure.questioned.v1", 1),
            ("letter.received.v1", 4),
            ("letter.escalated.v1", 1),
            ("nomination.objected.v1", 1),
            ("notice.objected.v1", 1),
            ("letter.rated.v1", 0),
        ] {
            let next = of(kind::find(name).unwrap(), "341599", None, None, (day(), &world));
            assert_eq!(next.len(), many, "{name}: {next:?}");
            assert!(
                next.iter()
                    .all(|next| next.rule.contains('（') && (next.by.starts_with("最迟") || next.by.ends_with('内'))),
                "{next:?}"
            );
        }
        let letter = of(kind::find("letter.received.v1").unwrap(), "341599", None, None, (day(), &world));
        assert_eq!(letter[0].by, "最迟2026年3月25日");
        assert_eq!(letter[3].by, "受理之日起60天内");
    }
}
