//! Vacancies (空缺职位): a batch of posts, its window, and what came of it.
//!
//! Public are the posts, the close and totals per post, never votes per name. Recommendations
//! themselves are sealed and need the vault; they are not here.

use chrono::NaiveDate;
use gongkai_log::Tier;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{PUBLISHER, Payload, payload, sample_stream};
use crate::{
    event::{Context, Proposal, Recorded},
    field::{Column, Field, FieldType, ListRule, ListShape, Place, Shape, choices},
    refusal::Refusal,
};

choices! {
    /// Who may recommend.
    Scope {
        Everyone = "everyone" "社会公开推荐",
        Members = "members" "党员推荐",
        Unit = "unit" "本单位推荐",
    }
}

/// The posts of a batch.
pub const POSTS: ListShape = ListShape {
    name: "posts",
    label: "空缺职位",
    columns: &[
        Column { name: "post", label: "职位", shape: Shape::Text(100), required: true, tier: Tier::Public },
        Column { name: "unit", label: "单位", shape: Shape::Text(100), required: false, tier: Tier::Public },
        Column { name: "level", label: "职级", shape: Shape::Text(50), required: false, tier: Tier::Public },
        Column { name: "seats", label: "名额", shape: Shape::Count, required: false, tier: Tier::Public },
        Column { name: "nature", label: "岗位性质", shape: Shape::Text(500), required: false, tier: Tier::Public },
        Column {
            name: "conditions", label: "资格条件", shape: Shape::Text(2000), required: false, tier: Tier::Public
        },
        Column {
            name: "abilities", label: "能力要求", shape: Shape::Text(1000), required: false, tier: Tier::Public
        },
    ],
};

/// Totals for one post of the batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct PostTally {
    /// Line of the post in the announcement, from 0.
    pub post: u64,
    /// Recommendations received.
    pub received: u64,
    /// Of these, valid.
    pub valid: u64,
    /// Different people recommended.
    pub recommended: u64,
}

impl FieldType for Vec<PostTally> {
    const SHAPE: Shape = Shape::Records(&[
        Field { name: "post", label: "职位行号", place: Place::Body, shape: Shape::Count, required: true },
        Field { name: "received", label: "收到推荐", place: Place::Body, shape: Shape::Count, required: true },
        Field { name: "valid", label: "有效推荐", place: Place::Body, shape: Shape::Count, required: true },
        Field {
            name: "recommended", label: "被推荐人数", place: Place::Body, shape: Shape::Count, required: true
        },
    ]);
}

payload! {
    /// The batch is announced.
    Announced = "vacancy.announced.v1" "发布空缺职位";
    body {
        scope: Scope = "推荐范围",
        opens_on: NaiveDate = "推荐开始",
        closes_on: NaiveDate = "推荐截止",
    }
    slots {
        title: Public Text(200) required = "标题",
        text: Public Text(4000) optional = "说明",
        contact: Public Text(200) optional = "联系方式",
    }
    list ListRule::One { shape: &POSTS, required: true };
    authors PUBLISHER;
}

payload! {
    /// The window is closed.
    Closed = "vacancy.closed.v1" "推荐截止";
    body { closed_on: NaiveDate = "截止日期" }
    slots { note: Public Text(1000) optional = "说明" }
    list ListRule::None;
    authors PUBLISHER;
}

payload! {
    /// Totals per post.
    Tallied = "vacancy.tallied.v1" "公布推荐统计";
    body { totals: Vec<PostTally> = "各职位统计" }
    slots { note: Public Text(1000) optional = "说明" }
    list ListRule::None;
    authors PUBLISHER;
}

payload! {
    /// A post of the batch is filled.
    Filled = "vacancy.filled.v1" "职位已补";
    body { post: u64 = "职位行号", filled_on: NaiveDate = "补缺日期" }
    slots { person: Public Text(50) optional = "任职人", note: Public Text(1000) optional = "说明" }
    list ListRule::None;
    authors PUBLISHER;
}

payload! {
    /// The batch is withdrawn.
    Withdrawn = "vacancy.withdrawn.v1" "撤回空缺职位";
    body {}
    slots { reason: Public Text(1000) required = "撤回原因" }
    list ListRule::None;
    authors PUBLISHER;
}

/// State of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// How many posts it has.
    pub posts_count: u64,
    /// First day of the window.
    pub opens_on: Option<NaiveDate>,
    /// Last day of the window.
    pub closes_on: Option<NaiveDate>,
    /// Whether the window was closed.
    pub closed: bool,
    /// Whether totals were published.
    pub tallied: bool,
    /// Posts that are filled, by line.
    pub filled: Vec<u64>,
    /// Whether the batch was withdrawn.
    pub withdrawn: bool,
}

impl State {
    fn standing(&self) -> Result<(), Refusal> {
        if self.withdrawn { Err(Refusal::state("这批职位已撤回")) } else { Ok(()) }
    }

    fn has_post(&self, post: u64, name: &str) -> Result<(), Refusal> {
        if post < self.posts_count {
            Ok(())
        } else {
            Err(Refusal::field(name, "职位行号", format!("这批共 {} 个职位，行号从 0 起", self.posts_count)))
        }
    }
}

impl Payload for Announced {
    type State = State;
    const OPENS: bool = true;

    fn decide(&self, _: &State, _: &Proposal<'_>, _: &Context<'_>) -> Result<(), Refusal> {
        if self.closes_on < self.opens_on {
            return Err(Refusal::field("closes_on", "推荐截止", "不能早于推荐开始"));
        }
        Ok(())
    }

    fn evolve(self, _: State, event: &Recorded<'_>) -> State {
        State {
            posts_count: event.lines_count(),
            opens_on: Some(self.opens_on),
            closes_on: Some(self.closes_on),
            ..State::default()
        }
    }

    fn sample() -> Value {
        json!({"kind": "vacancy.announced.v1", "org": "341599", "fields": {
            "scope": "everyone", "opens_on": "2026-03-02", "closes_on": "2026-03-13",
            "title": "2026 年第一批空缺职位(虚构)", "text": "面向全县公开推荐",
            "lines": [{"post": "副镇长", "unit": "柳溪镇", "level": "乡科级副职", "seats": 1,
                "conditions": "大学本科以上，五年以上工龄", "abilities": "熟悉农业农村工作"}]}})
    }
}

impl Payload for Closed {
    type State = State;
    const OPENS: bool = false;

    fn decide(&self, state: &State, proposal: &Proposal<'_>, _: &Context<'_>) -> Result<(), Refusal> {
        state.standing()?;
        if state.closed {
            return Err(Refusal::state("推荐已经截止"));
        }
        if state.closes_on.is_some_and(|last| self.closed_on < last) {
            return Err(Refusal::field("closed_on", "截止日期", "不能早于公告的推荐截止日"));
        }
        proposal.happened_by_then(self.closed_on, "closed_on", "截止日期")
    }

    fn evolve(self, state: State, _: &Recorded<'_>) -> State {
        State { closed: true, ..state }
    }

    fn sample() -> Value {
        json!({"kind": "vacancy.closed.v1", "stream": sample_stream("vacancy", 1), "org": "341599",
            "fields": {"closed_on": "2026-03-13"}})
    }
}

impl Payload for Tallied {
    type State = State;
    const OPENS: bool = false;

    fn decide(&self, state: &State, _: &Proposal<'_>, _: &Context<'_>) -> Result<(), Refusal> {
        state.standing()?;
        if !state.closed {
            return Err(Refusal::state("推荐还没有截止，不能公布统计"));
        }
        for total in &self.totals {
            state.has_post(total.post, "totals")?;
            if total.valid > total.received || total.recommended > total.valid {
                return Err(Refusal::field("totals", "各职位统计", "有效不能多于收到，被推荐人数不能多于有效推荐"));
            }
        }
        Ok(())
    }

    fn evolve(self, state: State, _: &Recorded<'_>) -> State {
        State { tallied: true, ..state }
    }

    fn sample() -> Value {
        json!({"kind": "vacancy.tallied.v1", "stream": sample_stream("vacancy", 1), "org": "341599",
            "fields": {"totals": [{"post": 0, "received": 41, "valid": 38, "recommended": 9}]}})
    }
}

impl Payload for Filled {
    type State = State;
    const OPENS: bool = false;

    fn decide(&self, state: &State, proposal: &Proposal<'_>, _: &Context<'_>) -> Result<(), Refusal> {
        state.standing()?;
        state.has_post(self.post, "post")?;
        if !state.closed {
            return Err(Refusal::state("推荐还没有截止"));
        }
        if state.filled.contains(&self.post) {
            return Err(Refusal::state("这个职位已经补缺"));
        }
        proposal.happened_by_then(self.filled_on, "filled_on", "补缺日期")
    }

    fn evolve(self, mut state: State, _: &Recorded<'_>) -> State {
        state.filled.push(self.post);
        state
    }

    fn sample() -> Value {
        json!({"kind": "vacancy.filled.v1", "stream": sample_stream("vacancy", 1), "org": "341599",
            "fields": {"post": 0, "filled_on": "2026-05-20", "person": "叶青田(虚构)"}})
    }
}

impl Payload for Withdrawn {
    type State = State;
    const OPENS: bool = false;

    fn decide(&self, state: &State, _: &Proposal<'_>, _: &Context<'_>) -> Result<(), Refusal> {
        state.standing()
    }

    fn evolve(self, state: State, _: &Recorded<'_>) -> State {
        State { withdrawn: true, ..state }
    }

    fn sample() -> Value {
        json!({"kind": "vacancy.withdrawn.v1", "stream": sample_stream("vacancy", 1), "org": "341599",
            "fields": {"reason": "机构改革，职位取消(虚构)"}})
    }
}
