//! Consultations (征集): opened, handed in, sorted into themes, assigned, resolved or explained, reported.
//!
//! What people hand in is a sealed stream for each; public are the themes with their shares, who takes each up,
//! what came of it, and the report at the end. Counts below five are not published, so that nobody is found in
//! them. A theme that is not taken up is explained, never dropped: the report waits for all of them.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use gongkai_log::Tier;
use serde_json::{Value, json};

use super::{FollowUp, PUBLISHER, Payload, intake, payload, sample_stream, sealed_stream};
use crate::{
    clock::{Limit, Running},
    event::{Context, Proposal, Recorded},
    field::{Attachment, Column, ConsultationId, ListRule, ListShape, OrgCode, Shape},
    matters::Window,
    refusal::Refusal,
    world::World,
};

/// Smallest count of people that is published (confidentiality.md §4).
pub const PEOPLE_SHOWN_MIN: u64 = 5;

/// The themes.
pub const THEMES: ListShape = ListShape {
    name: "themes",
    label: "意见归类",
    columns: &[
        Column { name: "theme", label: "主题", shape: Shape::Text(200), required: true, tier: Tier::Public },
        Column {
            name: "summary", label: "主要意见", shape: Shape::Text(2000), required: false, tier: Tier::Public
        },
        Column { name: "submissions", label: "件数", shape: Shape::Count, required: true, tier: Tier::Public },
    ],
};

payload! {
    /// Opinions are asked for.
    Opened = "consultation.opened.v1" "发起征集";
    body {
        opens_on: NaiveDate = "征集开始",
        closes_on: NaiveDate = "征集截止",
        report_on: Option<NaiveDate> = "公布结果日期",
        attachments: Option<Vec<Attachment>> = "附件",
    }
    slots {
        title: Public Text(300) required = "标题",
        text: Public Text(16_000) required = "征集内容",
        contact: Public Text(300) optional = "联系方式",
    }
    list ListRule::None;
    authors PUBLISHER;
}

payload! {
    /// An opinion is handed in. It has a stream of its own.
    Submitted = "consultation.submitted.v1" "提交意见";
    sealed {
        consultation: ConsultationId, Named = "征集",
        consent_to_publish: bool, Named = "同意公开",
        attachments: Option<Vec<Attachment>>, Named = "附件",
    }
    slots {
        text: Named Text(10_000) required = "意见",
        name: Named Text(50) optional = "姓名",
        contact: Named Text(200) optional = "联系方式",
    }
    authors intake::CITIZEN;
}

payload! {
    /// What was handed in, by themes, with how many speak of each.
    Themed = "consultation.themed.v1" "公布意见归类";
    body { received: u64 = "收到件数", valid: u64 = "有效件数" }
    slots { note: Public Text(2000) optional = "说明" }
    list ListRule::One { shape: &THEMES, required: true };
    authors PUBLISHER;
}

payload! {
    /// A theme is given to an organization.
    Assigned = "consultation.assigned.v1" "交办";
    body { theme: u64 = "主题行号", to: OrgCode = "承办单位", due_on: Option<NaiveDate> = "办理时限" }
    slots { note: Public Text(1000) optional = "说明" }
    list ListRule::None;
    authors PUBLISHER;
}

payload! {
    /// A theme was taken up.
    Resolved = "consultation.resolved.v1" "公布采纳情况";
    body { theme: u64 = "主题行号", resolved_on: NaiveDate = "日期" }
    slots { text: Public Text(4000) required = "采纳和办理情况" }
    list ListRule::None;
    authors PUBLISHER;
}

payload! {
    /// Why a theme was not taken up.
    Explained = "consultation.explained.v1" "说明未采纳理由";
    body { theme: u64 = "主题行号", explained_on: NaiveDate = "日期" }
    slots { text: Public Text(4000) required = "未采纳的理由" }
    list ListRule::None;
    authors PUBLISHER;
}

payload! {
    /// The report on all themes.
    Reported = "consultation.reported.v1" "公布征集结果";
    body { reported_on: NaiveDate = "日期", attachments: Option<Vec<Attachment>> = "附件" }
    slots { text: Public Text(16_000) required = "结果" }
    list ListRule::None;
    authors PUBLISHER;
}

/// What became of one theme.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Theme {
    /// Code of the organization that has it.
    pub to: Option<String>,
    /// By when.
    pub due_on: Option<NaiveDate>,
    /// Whether it was resolved or explained.
    pub settled: bool,
}

/// State of a consultation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// Code of the organization that asks.
    pub org: String,
    /// Last day of the window.
    pub closes_on: Option<NaiveDate>,
    /// When the report is promised.
    pub report_on: Option<NaiveDate>,
    /// Themes by line, once published.
    pub themes: BTreeMap<u64, Theme>,
    /// Whether it was reported.
    pub reported: bool,
}

/// State of one submission.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Submission {
    /// Whether its sender consents to publication.
    pub consent: bool,
}

impl State {
    /// Themes with their days, and the promised report.
    pub(crate) fn running(&self) -> Vec<Running> {
        let themes = self.themes.iter().filter(|(_, theme)| !theme.settled).filter_map(|(line, theme)| {
            let org = theme.to.clone().unwrap_or_else(|| self.org.clone());
            Some(Running { what: "办理征集意见".into(), org, part: Some(*line), limit: Limit::On(theme.due_on?) })
        });
        let report = self.report_on.filter(|_| !self.reported).map(|day| Running {
            what: "公布征集结果".into(),
            org: self.org.clone(),
            part: None,
            limit: Limit::On(day),
        });
        themes.chain(report).collect()
    }

    fn unsettled(&self, line: u64) -> Result<&Theme, Refusal> {
        match self.themes.get(&line) {
            None => Err(Refusal::field("theme", "主题行号", format!("共 {} 个主题，行号从 0 起", self.themes.len()))),
            Some(theme) if theme.settled => Err(Refusal::state("这个主题已有结果")),
            Some(theme) => Ok(theme),
        }
    }

    fn change(mut self, line: u64, change: impl FnOnce(&mut Theme)) -> Self {
        if let Some(theme) = self.themes.get_mut(&line) {
            change(theme);
        }
        self
    }

    fn running_still(&self, proposal: &Proposal<'_>, world: &World) -> Result<(), Refusal> {
        if self.reported {
            return Err(Refusal::state("征集结果已经公布"));
        }
        intake::in_hand(proposal, &self.org, world)
    }
}

impl Payload for Opened {
    type State = State;
    const OPENS: bool = true;
    const TEACHES: bool = true;

    fn decide(&self, _: &State, _: &Proposal<'_>, _: &Context<'_>) -> Result<(), Refusal> {
        if self.closes_on < self.opens_on {
            return Err(Refusal::field("closes_on", "征集截止", "不能早于征集开始"));
        }
        if self.report_on.is_some_and(|day| day <= self.closes_on) {
            return Err(Refusal::field("report_on", "公布结果日期", "应晚于征集截止"));
        }
        Ok(())
    }

    fn evolve(self, _: State, event: &Recorded<'_>) -> State {
        let org = event.statement.org.clone();
        State { org, closes_on: Some(self.closes_on), report_on: self.report_on, ..State::default() }
    }

    fn learn(&self, world: &mut World, event: &Recorded<'_>) {
        let org = event.statement.org.as_str().into();
        let window = Window { org, opens_on: self.opens_on, closes_on: self.closes_on, ended: false };
        world.matters.add_consultation(&event.statement.stream, window);
    }

    fn sample() -> Value {
        json!({"kind": "consultation.opened.v1", "org": "341599101", "fields": {
            "opens_on": "2026-03-01", "closes_on": "2026-03-20", "report_on": "2026-04-30",
            "title": "通村公交线路意见征集(虚构)", "text": "拟调整两条通村公交线路，请提出意见。", "contact": "柳溪镇党政办"}})
    }
}

impl Payload for Submitted {
    type State = Submission;
    const OPENS: bool = true;
    const FOLLOW_UP: FollowUp = FollowUp::Content;

    fn decide(&self, _: &Submission, proposal: &Proposal<'_>, context: &Context<'_>) -> Result<(), Refusal> {
        intake::handed_in(proposal)?;
        let Some(window) = context.world.matters.consultation(&self.consultation.0) else {
            return Err(Refusal::field("consultation", "征集", "没有这次征集"));
        };
        if proposal.statement.org != *window.org {
            return Err(Refusal::field("org", "机构", format!("征集由机构「{}」发起，应向它提交", window.org)));
        }
        window.admits(intake::handed_in_on(proposal, context), "这次征集")
    }

    fn evolve(self, _: Submission, _: &Recorded<'_>) -> Submission {
        Submission { consent: self.consent_to_publish }
    }

    fn sample() -> Value {
        json!({"kind": "consultation.submitted.v1", "stream": sealed_stream("consultation", 1), "org": "341599101",
            "fields": {"consultation": sample_stream("consultation", 1), "consent_to_publish": false,
                "text": "早班车改到六点四十，孩子上学赶得上。(虚构)"}})
    }
}

impl Payload for Themed {
    type State = State;
    const OPENS: bool = false;
    const TEACHES: bool = true;

    fn decide(&self, state: &State, proposal: &Proposal<'_>, context: &Context<'_>) -> Result<(), Refusal> {
        state.running_still(proposal, context.world)?;
        if !state.themes.is_empty() {
            return Err(Refusal::state("意见归类已经公布"));
        }
        if let Some(last) = state.closes_on.filter(|last| proposal.declared_on() <= *last) {
            return Err(Refusal::state(format!("征集到 {last} 才截止，截止后才能公布归类")));
        }
        if self.valid > self.received {
            return Err(Refusal::field("valid", "有效件数", "不能多于收到件数"));
        }
        for (line, row) in proposal.lines.iter().enumerate() {
            let count = row.get("submissions").and_then(Value::as_u64).unwrap_or(0);
            if count < PEOPLE_SHOWN_MIN {
                let reason = format!("第{}行少于 {PEOPLE_SHOWN_MIN} 件，应并入“其他”，以免看出是谁提的", line + 1);
                return Err(Refusal::field("submissions", "件数", reason));
            }
            if count > self.valid {
                return Err(Refusal::field("submissions", "件数", format!("第{}行多于有效件数", line + 1)));
            }
        }
        Ok(())
    }

    fn evolve(self, state: State, event: &Recorded<'_>) -> State {
        State { themes: (0..event.lines_count()).map(|line| (line, Theme::default())).collect(), ..state }
    }

    fn learn(&self, world: &mut World, event: &Recorded<'_>) {
        world.matters.change_consultation(&event.statement.stream, |window| window.ended = true);
    }

    fn sample() -> Value {
        json!({"kind": "consultation.themed.v1", "stream": sample_stream("consultation", 1), "org": "341599101",
            "fields": {"received": 61, "valid": 58, "lines": [
                {"theme": "早班车时间", "summary": "希望提早二十分钟", "submissions": 34},
                {"theme": "增设站点", "summary": "五里桥、河湾各设一站", "submissions": 21}]}})
    }
}

impl Payload for Assigned {
    type State = State;
    const OPENS: bool = false;

    fn decide(&self, state: &State, proposal: &Proposal<'_>, context: &Context<'_>) -> Result<(), Refusal> {
        state.running_still(proposal, context.world)?;
        state.unsettled(self.theme)?;
        if self.due_on.is_some_and(|due| due < proposal.declared_on()) {
            return Err(Refusal::field("due_on", "办理时限", "不能早于交办日期"));
        }
        context.world.living(&self.to.0).map(drop)
    }

    fn evolve(self, state: State, _: &Recorded<'_>) -> State {
        state.change(self.theme, |theme| {
            theme.to = Some(self.to.0);
            theme.due_on = self.due_on;
        })
    }

    fn sample() -> Value {
        json!({"kind": "consultation.assigned.v1", "stream": sample_stream("consultation", 1), "org": "341599101",
            "fields": {"theme": 0, "to": "341599101201", "due_on": "2026-04-10"}})
    }
}

/// The two results of a theme differ in their words. They are said by who asked, or by who has the theme.
macro_rules! settled {
    ($name:ident, $on:ident, $sample:expr) => {
        impl Payload for $name {
            type State = State;
            const OPENS: bool = false;
            const HANDED_ON: bool = true;

            fn decide(&self, state: &State, proposal: &Proposal<'_>, context: &Context<'_>) -> Result<(), Refusal> {
                let theme = state.unsettled(self.theme)?;
                if theme.to.as_deref() != Some(proposal.statement.org.as_str()) {
                    state.running_still(proposal, context.world)?;
                }
                proposal.happened_by_then(self.$on, stringify!($on), "日期")
            }

            fn evolve(self, state: State, _: &Recorded<'_>) -> State {
                state.change(self.theme, |theme| theme.settled = true)
            }

            fn sample() -> Value {
                $sample
            }
        }
    };
}

settled!(
    Resolved,
    resolved_on,
    json!({"kind": "consultation.resolved.v1", "stream": sample_stream("consultation", 1), "org": "341599101",
        "fields": {"theme": 0, "resolved_on": "2026-04-08", "text": "早班车自4月15日起提早二十分钟"}})
);
settled!(
    Explained,
    explained_on,
    json!({"kind": "consultation.explained.v1", "stream": sample_stream("consultation", 1), "org": "341599101",
        "fields": {"theme": 1, "explained_on": "2026-04-08", "text": "河湾路面宽度不够停车，待拓宽后再设站"}})
);

impl Payload for Reported {
    type State = State;
    const OPENS: bool = false;

    fn decide(&self, state: &State, proposal: &Proposal<'_>, context: &Context<'_>) -> Result<(), Refusal> {
        state.running_still(proposal, context.world)?;
        if state.themes.is_empty() {
            return Err(Refusal::state("还没有公布意见归类"));
        }
        if let Some((line, _)) = state.themes.iter().find(|(_, theme)| !theme.settled) {
            return Err(Refusal::state(format!("第{}个主题还没有采纳情况或未采纳的理由", line + 1)));
        }
        proposal.happened_by_then(self.reported_on, "reported_on", "日期")
    }

    fn evolve(self, state: State, _: &Recorded<'_>) -> State {
        State { reported: true, ..state }
    }

    fn sample() -> Value {
        json!({"kind": "consultation.reported.v1", "stream": sample_stream("consultation", 1), "org": "341599101",
            "fields": {"reported_on": "2026-04-20", "text": "收到意见61件，采纳早班车时间一项，站点一项说明了理由。"}})
    }
}
