//! Rules that provinces and practice set: data, not code.
//!
//! The base profile holds what applies everywhere; a `rule.published` event overrides a row for an
//! organization's subtree from a date on. To add a rule, add a row here and the one place that asks
//! for it.

use std::collections::BTreeMap;

use chrono::{Datelike as _, Months, NaiveDate};

use crate::field::choices;

choices! {
    /// A rule that some check asks for.
    RuleCode {
        NominationDaysMin = "nomination_days_min" "任前公示期",
        MemberDaysMin = "member_days_min" "发展党员公示期",
        AwardDaysMin = "award_days_min" "评优公示期",
        LandDaysMin = "land_days_min" "征地预公告期",
        CompensationDaysMin = "compensation_days_min" "补偿安置公告期",
        DisclosureSupervisorsMin = "disclosure_supervisors_min" "村务监督签字人数",
        DisclosureDueDay = "disclosure_due_day" "月度财务公开截止日",
        QuestionDaysMax = "question_days_max" "询问答复期限",
        InterpellationDaysMax = "interpellation_days_max" "质询答复期限",
        OtherFenMax = "other_fen_max" "其他收支须列明的金额",
        LateDaysMin = "late_days_min" "补报天数",
        PledgeReview = "pledge_review" "承诺事项审核程序",
        VacancyReview = "vacancy_review" "空缺职位审核程序",
        NominationReview = "nomination_review" "干部提名审核程序",
        NoticeReview = "notice_review" "公示公告审核程序",
        DisclosureReview = "disclosure_review" "三务公开审核程序",
        VoterObjectionDaysMax = "voter_objection_days_max" "选民名单异议期",
        VoterDecisionDaysMax = "voter_decision_days_max" "选民名单异议处理期限",
        ObjectionDaysMax = "objection_days_max" "公示异议处理期限",
        LetterRouteDaysMax = "letter_route_days_max" "来信登记告知期限",
        LetterCloseDaysMax = "letter_close_days_max" "来信办结期限",
        LetterExtensionDaysMax = "letter_extension_days_max" "来信延长期限",
        LetterReviewDaysMax = "letter_review_days_max" "复查期限",
        LetterRereviewDaysMax = "letter_rereview_days_max" "复核期限",
        LetterAppealDaysMax = "letter_appeal_days_max" "申请复查复核期限",
        AccusationAcceptDaysMax = "accusation_accept_days_max" "检举控告受理告知期限",
        AccusationResultDaysMax = "accusation_result_days_max" "检举控告结果反馈期限",
        HotlineDaysMax = "hotline_days_max" "热线事项办理期限",
        OpinionDaysMax = "opinion_days_max" "意见建议答复期限",
    }
}

choices! {
    /// What a rule's number counts.
    Unit {
        WorkingDays = "working_days" "个工作日",
        Days = "days" "天",
        People = "people" "人",
        DayOfMonth = "day_of_month" "日",
        Fen = "fen" "分",
        Scheme = "scheme" "号方案",
    }
}

/// One row of a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Which rule.
    pub code: RuleCode,
    /// Its number.
    pub value: u64,
    /// What the number counts.
    pub unit: Unit,
    /// The first day on which it holds.
    pub from: Option<NaiveDate>,
    /// Legal basis, in Chinese.
    pub basis: String,
}

impl Rule {
    /// The day of the month after `first`'s that a rule counted in [`Unit::DayOfMonth`] names; a day that a short month
    /// does not have is its last. `None` beyond the dates that exist.
    pub fn day_of_next_month(&self, first: NaiveDate) -> Option<NaiveDate> {
        let next = first.with_day(1)?.checked_add_months(Months::new(1))?;
        let last = next.checked_add_months(Months::new(1))?.pred_opt()?.day();
        next.with_day(u32::try_from(self.value).unwrap_or(last).clamp(1, last))
    }
}

/// The four steps; the base profile demands none of them (see [`crate::procedure`]).
const REVIEW_BASIS: &str = "中国共产党党务公开条例（试行）第十五条";

/// The base profile: rule, number, unit, legal basis.
pub const BASE: &[(RuleCode, u64, Unit, &str)] = &[
    (RuleCode::NominationDaysMin, 5, Unit::WorkingDays, "党政领导干部选拔任用工作条例"),
    (RuleCode::MemberDaysMin, 5, Unit::WorkingDays, "中国共产党发展党员工作细则"),
    (RuleCode::AwardDaysMin, 5, Unit::WorkingDays, "评选表彰通行做法"),
    (RuleCode::LandDaysMin, 10, Unit::WorkingDays, "土地管理法实施条例"),
    (RuleCode::CompensationDaysMin, 30, Unit::Days, "土地管理法实施条例"),
    (RuleCode::DisclosureSupervisorsMin, 2, Unit::People, "村务监督通行做法"),
    (RuleCode::DisclosureDueDay, 10, Unit::DayOfMonth, "月度财务公开通行做法"),
    (RuleCode::QuestionDaysMax, 5, Unit::WorkingDays, "12345 热线条例（潍坊、济南）"),
    (RuleCode::InterpellationDaysMax, 15, Unit::Days, "浙江省实施《村民委员会组织法》办法第三十六条"),
    (RuleCode::OtherFenMax, 100_000, Unit::Fen, "农村集体经济组织财务公开规定"),
    (RuleCode::LateDaysMin, 7, Unit::Days, "补报标示通行做法"),
    (RuleCode::PledgeReview, 0, Unit::Scheme, REVIEW_BASIS),
    (RuleCode::VacancyReview, 0, Unit::Scheme, REVIEW_BASIS),
    (RuleCode::NominationReview, 0, Unit::Scheme, REVIEW_BASIS),
    (RuleCode::NoticeReview, 0, Unit::Scheme, REVIEW_BASIS),
    (RuleCode::DisclosureReview, 0, Unit::Scheme, REVIEW_BASIS),
    (RuleCode::VoterObjectionDaysMax, 5, Unit::Days, "村民委员会组织法第十四条、河南省实施办法第二十一条"),
    (RuleCode::VoterDecisionDaysMax, 3, Unit::Days, "村民委员会组织法第十四条、河南省实施办法第二十一条"),
    (RuleCode::ObjectionDaysMax, 15, Unit::WorkingDays, "公示异议比照实名检举控告办理的通行做法"),
    (RuleCode::LetterRouteDaysMax, 15, Unit::Days, "信访工作条例第二十二条"),
    (RuleCode::LetterCloseDaysMax, 60, Unit::Days, "信访工作条例第三十四条"),
    (RuleCode::LetterExtensionDaysMax, 30, Unit::Days, "信访工作条例第三十四条"),
    (RuleCode::LetterReviewDaysMax, 30, Unit::Days, "信访工作条例第三十五条"),
    (RuleCode::LetterRereviewDaysMax, 30, Unit::Days, "信访工作条例第三十六条"),
    (RuleCode::LetterAppealDaysMax, 30, Unit::Days, "信访工作条例第三十五条、第三十六条"),
    (RuleCode::AccusationAcceptDaysMax, 15, Unit::WorkingDays, "纪检监察机关处理检举控告工作规则"),
    (RuleCode::AccusationResultDaysMax, 15, Unit::WorkingDays, "纪检监察机关处理检举控告工作规则"),
    (RuleCode::HotlineDaysMax, 5, Unit::WorkingDays, "12345 热线条例（潍坊、济南）"),
    // Article 29 demands a reply and names no day; the sixty of article 34 are the nearest that is written down.
    (RuleCode::OpinionDaysMax, 60, Unit::Days, "信访工作条例第二十九条（研究论证并予以回复），期限比照第三十四条"),
];

/// Profiles in force: the base and what organizations published.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    published: BTreeMap<(RuleCode, String), Vec<Rule>>,
}

impl Rules {
    /// Records a published row for an organization's subtree.
    pub fn publish(&mut self, org: &str, rule: Rule) {
        let rows = self.published.entry((rule.code, org.to_owned())).or_default();
        rows.push(rule);
        rows.sort_by_key(|row| row.from);
    }

    /// The rule at an organization on a date: the nearest organization upwards that published one,
    /// and of its rows the latest that holds by then; else the base profile.
    ///
    /// `chain` is the organization's code and its ancestors', nearest first.
    pub fn get<'a>(&self, code: RuleCode, chain: impl IntoIterator<Item = &'a str>, on: NaiveDate) -> Rule {
        for org in chain {
            let rows = self.published.get(&(code, org.to_owned()));
            let held = rows.and_then(|rows| rows.iter().rev().find(|row| row.from.is_none_or(|from| from <= on)));
            if let Some(rule) = held {
                return rule.clone();
            }
        }
        let (_, value, unit, basis) = BASE[code as usize];
        Rule { code, value, unit, from: None, basis: basis.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_has_its_row_in_the_base_profile() {
        for (place, code) in RuleCode::ALL.iter().enumerate() {
            assert_eq!(BASE[place].0, *code);
        }
    }

    #[test]
    fn the_nearest_organization_and_the_latest_date_decide() {
        let day = |text: &str| text.parse::<NaiveDate>().unwrap();
        let rule = |value, from: &str| Rule {
            code: RuleCode::NominationDaysMin,
            value,
            unit: Unit::WorkingDays,
            from: Some(day(from)),
            basis: "试行办法".into(),
        };
        let mut rules = Rules::default();
        rules.publish("33", rule(7, "2025-01-01"));
        rules.publish("33", rule(8, "2026-01-01"));
        rules.publish("3301", rule(9, "2026-06-01"));
        let get = |chain: &[&str], on| rules.get(RuleCode::NominationDaysMin, chain.iter().copied(), day(on)).value;
        assert_eq!(get(&["330101", "3301", "33"], "2026-07-01"), 9);
        assert_eq!(get(&["330101", "3301", "33"], "2026-05-31"), 8);
        assert_eq!(get(&["33"], "2025-12-31"), 7);
        assert_eq!(get(&["34"], "2026-07-01"), 5);
    }
}
