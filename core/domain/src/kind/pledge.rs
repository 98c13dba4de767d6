//! Pledges (承诺事项): 提诺 → 审诺 → 示诺 → 践诺 → 评诺.
//!
//! Three silences are kept apart and none is stored: no report yet, reported without progress, and
//! overdue are computed when read, from dates. A pledger's claim (fulfilled, partly, not) may be
//! revised by a later claim; the earlier one stays on the page. Withdrawn, superseded and carried
//! over are final.

use chrono::NaiveDate;
use serde_json::{Value, json};

use super::{PUBLISHER, Payload, payload, rating::RATINGS_SHOWN_MIN, sample_stream};
use crate::{
    event::{Context, Proposal, Recorded},
    field::{Attachment, ListRule, OrgCode, Percent, PersonId, PledgeId, Year, choices},
    refusal::Refusal,
    world::Role,
};

choices! {
    /// Who pledges.
    Pledger {
        Official = "official" "有职党员干部",
        Member = "member" "无职党员",
        Organization = "organization" "党组织",
        Candidate = "candidate" "竞职人选",
    }
}

choices! {
    /// What is pledged.
    Category {
        Service = "service" "服务承诺",
        Post = "post" "岗位承诺",
        Practical = "practical" "实事承诺",
        Discipline = "discipline" "自律承诺",
        Candidacy = "candidacy" "竞职承诺",
        Enterprise = "enterprise" "创业承诺",
        Integrity = "integrity" "廉政承诺",
        Resignation = "resignation" "辞职承诺",
    }
}

choices! {
    /// How far a pledge is.
    Stage {
        NotStarted = "not_started" "未启动",
        Underway = "underway" "进行中",
        Stalled = "stalled" "受阻",
        NearlyDone = "nearly_done" "接近完成",
    }
}

choices! {
    /// Who evaluates.
    Evaluator {
        Own = "self" "自评",
        Peers = "peers" "互评",
        Public = "public" "群众评",
        Organization = "organization" "组织评",
        Online = "online" "网上反馈",
    }
}

payload! {
    /// The pledge is shown (示诺).
    Made = "pledge.made.v1" "作出承诺";
    body {
        year: Year = "年度",
        pledger_kind: Pledger = "承诺人类别",
        category: Category = "承诺类型",
        person: Option<PersonId> = "人员编号",
        branch: Option<OrgCode> = "所在支部",
        shown_on: Option<NaiveDate> = "示诺日期",
        due: Option<NaiveDate> = "完成时限",
        carried_from: Option<PledgeId> = "转自承诺",
    }
    slots {
        pledger: Public Text(50) required = "承诺人",
        post: Public Text(100) optional = "职务",
        title: Public Text(300) required = "承诺事项",
        baseline: Public Text(200) optional = "基准值",
        target: Public Text(200) optional = "目标值",
        measures: Public Text(4000) optional = "落实措施",
        review: Public Text(1000) optional = "审诺意见",
        phone: Public Text(50) optional = "监督电话",
        source: Public Text(2000) optional = "来源",
        contact: Named Text(200) optional = "承诺人联系方式",
    }
    list ListRule::None;
    authors PUBLISHER;
}

payload! {
    /// A report on the way (践诺).
    Progressed = "pledge.progressed.v1" "报告进展";
    body {
        percent: Option<Percent> = "完成比例",
        stage: Option<Stage> = "进展阶段",
        on: Option<NaiveDate> = "截至日期",
        evidence: Option<Vec<Attachment>> = "佐证材料",
    }
    slots { report: Public Text(4000) required = "进展情况", source: Public Text(2000) optional = "来源" }
    list ListRule::None;
    authors PUBLISHER;
}

payload! {
    /// Another text or date; the old one stays.
    Amended = "pledge.amended.v1" "变更承诺";
    body { due: Option<NaiveDate> = "新的完成时限" }
    slots {
        title: Public Text(300) optional = "新的承诺事项",
        baseline: Public Text(200) optional = "新的基准值",
        target: Public Text(200) optional = "新的目标值",
        measures: Public Text(4000) optional = "新的落实措施",
        reason: Public Text(1000) required = "变更原因",
    }
    list ListRule::None;
    authors PUBLISHER;
}

payload! {
    /// The pledger claims that it is done.
    Fulfilled = "pledge.fulfilled.v1" "报告已兑现";
    body { on: Option<NaiveDate> = "完成日期", evidence: Option<Vec<Attachment>> = "佐证材料" }
    slots { report: Public Text(4000) required = "完成情况", source: Public Text(2000) optional = "来源" }
    list ListRule::None;
    authors PUBLISHER;
}

payload! {
    /// The pledger claims that part of it is done.
    PartlyFulfilled = "pledge.partly_fulfilled.v1" "报告部分兑现";
    body {
        on: Option<NaiveDate> = "截至日期",
        percent: Option<Percent> = "完成比例",
        objective_cause: Option<bool> = "客观原因",
        evidence: Option<Vec<Attachment>> = "佐证材料",
    }
    slots { report: Public Text(4000) required = "说明", source: Public Text(2000) optional = "来源" }
    list ListRule::None;
    authors PUBLISHER;
}

payload! {
    /// The pledger says that it was not done.
    NotFulfilled = "pledge.not_fulfilled.v1" "报告未兑现";
    body {
        on: Option<NaiveDate> = "截至日期",
        objective_cause: Option<bool> = "客观原因",
        evidence: Option<Vec<Attachment>> = "佐证材料",
    }
    slots { report: Public Text(4000) required = "说明", source: Public Text(2000) optional = "来源" }
    list ListRule::None;
    authors PUBLISHER;
}

payload! {
    /// Counts by grade (评诺). A count at a meeting is co-signed by the teller (监票人); ratings on
    /// the web are 网上反馈 and never 群众评.
    Evaluated = "pledge.evaluated.v1" "评议承诺";
    body {
        by: Evaluator = "评议方式",
        held_on: NaiveDate = "评议日期",
        eligible: Option<u64> = "应到人数",
        present: Option<u64> = "实到人数",
        excellent: u64 = "优秀票",
        good: u64 = "良好票",
        fair: u64 = "一般票",
        poor: u64 = "较差票",
    }
    slots { opinion: Public Text(2000) optional = "评议意见" }
    list ListRule::None;
    authors PUBLISHER;
}

payload! {
    /// The pledge goes on in the next year.
    CarriedOver = "pledge.carried_over.v1" "结转下年";
    body { to_year: Year = "结转年度", next: Option<PledgeId> = "转为承诺" }
    slots { reason: Public Text(1000) required = "原因" }
    list ListRule::None;
    authors PUBLISHER;
}

payload! {
    /// The person moved; another pledge takes its place.
    Superseded = "pledge.superseded.v1" "由他人接续";
    body { by: Option<PledgeId> = "接续承诺" }
    slots { reason: Public Text(1000) required = "原因" }
    list ListRule::None;
    authors PUBLISHER;
}

payload! {
    /// Withdrawn with its reason; the trace stays (撤回留痕).
    Withdrawn = "pledge.withdrawn.v1" "撤回承诺";
    body {}
    slots { reason: Public Text(1000) required = "撤回原因" }
    list ListRule::None;
    authors PUBLISHER;
}

/// State of a pledge.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// The day on which it was declared.
    pub made_on: Option<NaiveDate>,
    /// The latest due date.
    pub due: Option<NaiveDate>,
    /// What ended it, as a Chinese label.
    pub ended: Option<&'static str>,
}

impl State {
    /// Whether anything can still be said about it.
    fn open(&self) -> Result<(), Refusal> {
        match self.ended {
            Some(how) => Err(Refusal::state(format!("承诺{how}，不能再变更"))),
            None => Ok(()),
        }
    }

    /// A day on which something happened: not before the pledge, not after the author's day.
    fn happened(&self, on: Option<NaiveDate>, name: &str, label: &str, proposal: &Proposal<'_>) -> Result<(), Refusal> {
        let Some(on) = on else { return Ok(()) };
        proposal.happened_by_then(on, name, label)?;
        if self.made_on.is_some_and(|made| on < made) {
            return Err(Refusal::field(name, label, "不能早于承诺日期"));
        }
        Ok(())
    }

    fn end(self, how: &'static str) -> Self {
        Self { ended: Some(how), ..self }
    }
}

fn due_after(due: Option<NaiveDate>, start: Option<NaiveDate>) -> Result<(), Refusal> {
    match (due, start) {
        (Some(due), Some(start)) if due < start => Err(Refusal::field("due", "完成时限", "不能早于承诺日期")),
        _ => Ok(()),
    }
}

impl Payload for Made {
    type State = State;
    const OPENS: bool = true;

    fn decide(&self, _: &State, proposal: &Proposal<'_>, context: &Context<'_>) -> Result<(), Refusal> {
        due_after(self.due, Some(self.shown_on.unwrap_or_else(|| proposal.declared_on())))?;
        if let Some(shown) = self.shown_on {
            proposal.happened_by_then(shown, "shown_on", "示诺日期")?;
        }
        if let Some(person) = self.person.as_ref().filter(|person| !context.world.has_person(&person.0)) {
            return Err(Refusal::field("person", "人员编号", format!("{} 没有登记", person.0)));
        }
        if let Some(branch) = &self.branch {
            context.world.living(&branch.0)?;
        }
        Ok(())
    }

    fn evolve(self, _: State, event: &Recorded<'_>) -> State {
        State { made_on: Some(self.shown_on.unwrap_or_else(|| event.declared_on())), due: self.due, ended: None }
    }

    fn sample() -> Value {
        json!({"kind": "pledge.made.v1", "org": "341599101201", "fields": {
            "year": 2026, "pledger_kind": "official", "category": "practical", "due": "2026-12-31",
            "pledger": "方禾生(虚构)", "post": "村党支部书记", "title": "完成五里桥自然村路灯改造",
            "baseline": "路灯 12 盏", "target": "路灯 40 盏", "measures": "争取镇级补助，分两批安装",
            "phone": "0564-0000000"}})
    }
}

impl Payload for Progressed {
    type State = State;
    const OPENS: bool = false;

    fn decide(&self, state: &State, proposal: &Proposal<'_>, _: &Context<'_>) -> Result<(), Refusal> {
        state.open()?;
        if self.percent.is_none() && self.stage.is_none() {
            return Err(Refusal::field("stage", "进展阶段", "完成比例和进展阶段至少填一项"));
        }
        state.happened(self.on, "on", "截至日期", proposal)
    }

    fn evolve(self, state: State, _: &Recorded<'_>) -> State {
        state
    }

    fn sample() -> Value {
        json!({"kind": "pledge.progressed.v1", "stream": sample_stream("pledge", 1), "org": "341599101201",
            "fields": {"percent": 60, "on": "2026-06-30", "report": "已安装 24 盏，余下待电力部门接线"}})
    }
}

impl Payload for Amended {
    type State = State;
    const OPENS: bool = false;

    fn decide(&self, state: &State, proposal: &Proposal<'_>, _: &Context<'_>) -> Result<(), Refusal> {
        state.open()?;
        due_after(self.due, state.made_on)?;
        let texts = ["title", "baseline", "target", "measures"];
        if self.due.is_none() && texts.iter().all(|name| proposal.text(name).is_none()) {
            return Err(Refusal::state("没有写明变更了什么"));
        }
        Ok(())
    }

    fn evolve(self, state: State, _: &Recorded<'_>) -> State {
        State { due: self.due.or(state.due), ..state }
    }

    fn sample() -> Value {
        json!({"kind": "pledge.amended.v1", "stream": sample_stream("pledge", 1), "org": "341599101201",
            "fields": {"due": "2027-03-31", "target": "路灯 36 盏", "reason": "四处灯位与拓宽道路冲突"}})
    }
}

/// The three claims differ only in their words.
macro_rules! claim {
    ($name:ident, $sample:expr) => {
        impl Payload for $name {
            type State = State;
            const OPENS: bool = false;

            fn decide(&self, state: &State, proposal: &Proposal<'_>, _: &Context<'_>) -> Result<(), Refusal> {
                state.open()?;
                state.happened(self.on, "on", "日期", proposal)
            }

            fn evolve(self, state: State, _: &Recorded<'_>) -> State {
                state
            }

            fn sample() -> Value {
                $sample
            }
        }
    };
}

claim!(
    Fulfilled,
    json!({"kind": "pledge.fulfilled.v1", "stream": sample_stream("pledge", 1), "org": "341599101201",
        "fields": {"on": "2026-11-20", "report": "40 盏路灯全部亮灯，村民代表已验收"}})
);
claim!(
    PartlyFulfilled,
    json!({"kind": "pledge.partly_fulfilled.v1", "stream": sample_stream("pledge", 1), "org": "341599101201",
        "fields": {"percent": 80, "objective_cause": true, "report": "余下 8 盏因线路迁改顺延"}})
);
claim!(
    NotFulfilled,
    json!({"kind": "pledge.not_fulfilled.v1", "stream": sample_stream("pledge", 1), "org": "341599101201",
        "fields": {"objective_cause": false, "report": "资金没有落实，向村民致歉"}})
);

impl Payload for Evaluated {
    type State = State;
    const OPENS: bool = false;

    fn decide(&self, state: &State, proposal: &Proposal<'_>, _: &Context<'_>) -> Result<(), Refusal> {
        if state.ended == Some("已撤回") {
            return state.open();
        }
        state.happened(Some(self.held_on), "held_on", "评议日期", proposal)?;
        let votes =
            [self.excellent, self.good, self.fair, self.poor].iter().try_fold(0_u64, |sum, n| sum.checked_add(*n));
        let Some(votes) = votes.filter(|votes| *votes > 0) else {
            return Err(Refusal::field("excellent", "优秀票", "各等次合计应大于零"));
        };
        // What another site counted is entered with its original.
        if self.by == Evaluator::Online && proposal.statement.proxy.is_none() && votes < RATINGS_SHOWN_MIN {
            let reason = format!("网上反馈不足 {RATINGS_SHOWN_MIN} 人，不分等次公布，以免看出是谁评的");
            return Err(Refusal::field("excellent", "优秀票", reason));
        }
        if self.by != Evaluator::Public {
            return Ok(());
        }
        let (Some(eligible), Some(present)) = (self.eligible, self.present) else {
            return Err(Refusal::field("present", "实到人数", "群众评须填应到和实到人数"));
        };
        if present > eligible || votes > present {
            return Err(Refusal::field("present", "实到人数", "票数不能多于实到，实到不能多于应到"));
        }
        if present * 2 <= eligible {
            return Err(Refusal::state(format!("到会人数不足：应到 {eligible} 人，实到 {present} 人，须过半数")));
        }
        if proposal.signers_as(Role::Supervisor.wire()) < 1 {
            return Err(Refusal::Cosigners {
                role: "监票人".into(),
                needed: 1,
                got: 0,
                rule: "群众评须监票人（以监督人职责）共同签名".into(),
            });
        }
        Ok(())
    }

    fn evolve(self, state: State, _: &Recorded<'_>) -> State {
        state
    }

    fn sample() -> Value {
        json!({"kind": "pledge.evaluated.v1", "stream": sample_stream("pledge", 1), "org": "341599101201", "fields": {
            "by": "organization", "held_on": "2026-12-28", "excellent": 3, "good": 2, "fair": 0, "poor": 0}})
    }
}

/// The three ends differ only in their words.
macro_rules! ending {
    ($name:ident, $how:literal, $sample:expr) => {
        impl Payload for $name {
            type State = State;
            const OPENS: bool = false;

            fn decide(&self, state: &State, _: &Proposal<'_>, _: &Context<'_>) -> Result<(), Refusal> {
                state.open()
            }

            fn evolve(self, state: State, _: &Recorded<'_>) -> State {
                state.end($how)
            }

            fn sample() -> Value {
                $sample
            }
        }
    };
}

ending!(
    CarriedOver,
    "已结转",
    json!({"kind": "pledge.carried_over.v1", "stream": sample_stream("pledge", 1), "org": "341599101201",
        "fields": {"to_year": 2027, "reason": "工程跨年"}})
);
ending!(
    Superseded,
    "已由他人接续",
    json!({"kind": "pledge.superseded.v1", "stream": sample_stream("pledge", 1), "org": "341599101201",
        "fields": {"reason": "承诺人调任，由继任者接续"}})
);
ending!(
    Withdrawn,
    "已撤回",
    json!({"kind": "pledge.withdrawn.v1", "stream": sample_stream("pledge", 1), "org": "341599101201",
        "fields": {"reason": "与镇级项目重复"}})
);
