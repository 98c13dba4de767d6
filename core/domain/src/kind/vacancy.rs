//! Vacancies (空缺职位): a batch of posts, its window, and what came of it.
//!
//! Public are the posts, the close and totals per post, never votes per name. A recommendation (who
//! recommends whom and why) is a sealed stream of its own, valid for a year; so is a shortlist.

use chrono::{Months, NaiveDate};
use gongkai_log::Tier;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{PUBLISHER, Payload, intake, payload, sample_stream, sealed_stream};
use crate::{
    event::{Context, Proposal, Recorded},
    field::{Column, Field, FieldType, ListRule, ListShape, OrgCode, Place, Shape, VacancyId, choices},
    matters::{Vacancy, Window},
    refusal::Refusal,
    world::{Role, World},
};

/// For how long a recommendation is valid.
pub const RECOMMENDATION_MONTHS: u32 = 12;

choices! {
    /// Who may recommend.
    Scope {
        Everyone = "everyone" "社会公开推荐",
        Members = "members" "党员推荐",
        Unit = "unit" "本单位推荐",
    }
}

choices! {
    /// Who recommends, and how.
    Channel {
        Individual = "individual" "实名个人推荐",
        Organization = "organization" "组织推荐",
        Leader = "leader" "领导推荐",
        Citizen = "citizen" "群众推荐",
        Oneself = "oneself" "自荐",
    }
}

choices! {
    /// Which part of the public the recommender belongs to.
    Standing { Member = "member" "党员", Citizen = "citizen" "群众" }
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

payload! {
    /// A person is recommended for one post of a batch. It has a stream of its own.
    Recommended = "vacancy.recommended.v1" "推荐人选";
    sealed {
        vacancy: VacancyId, Named = "空缺职位",
        post: u64, Named = "职位行号",
        channel: Channel, Named = "推荐方式",
        standing: Standing, Named = "推荐人身份",
        unit: Option<OrgCode>, Named = "推荐人所在单位",
    }
    slots {
        recommender: Named Text(100) required = "推荐人",
        contact: Named Text(200) optional = "推荐人联系方式",
        candidate: Named Text(50) required = "被推荐人",
        candidate_unit: Named Text(200) optional = "被推荐人单位及职务",
        reason: Named Text(4000) required = "推荐理由",
    }
    authors intake::CITIZEN;
}

payload! {
    /// A recommendation was looked into (核实).
    RecommendationVerified = "vacancy.recommendation_verified.v1" "核实推荐";
    sealed { valid: bool, Named = "推荐有效", verified_on: NaiveDate, Named = "核实日期" }
    slots { reason: Named Text(1000) optional = "核实情况或无效原因" }
    authors &[Role::Reviewer, Role::Publisher];
}

/// One of the shortlisted.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Shortlisted {
    /// Name.
    pub name: String,
    /// Unit and post.
    pub unit: Option<String>,
}

impl FieldType for Vec<Shortlisted> {
    const SHAPE: Shape = Shape::Records(&[
        Field { name: "name", label: "姓名", place: Place::Body, shape: Shape::Text(50), required: true },
        Field { name: "unit", label: "单位及职务", place: Place::Body, shape: Shape::Text(200), required: false },
    ]);
}

payload! {
    /// Who goes on to examination, for one post (人选入围). It has a stream of its own.
    ShortlistDecided = "vacancy.shortlisted.v1" "确定入围人选";
    sealed {
        vacancy: VacancyId, Named = "空缺职位",
        post: u64, Named = "职位行号",
        people: Vec<Shortlisted>, Named = "入围人选",
        decided_on: NaiveDate, Named = "确定日期",
    }
    slots { basis: Named Text(2000) optional = "依据" }
    authors &[Role::Publisher, Role::Approver];
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

/// State of a recommendation; of a stream whose values nobody here can see, only that it is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recommendation {
    /// The day on which it was made.
    pub made_on: Option<NaiveDate>,
    /// Whether it is valid, once that was looked into.
    pub valid: Option<bool>,
}

/// State of a shortlist.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shortlist {
    /// The batch; `None` when the values are erased.
    pub vacancy: Option<VacancyId>,
}

/// The last day on which a recommendation that was made on a day is valid: the same date a year later.
pub fn valid_until(made_on: NaiveDate) -> NaiveDate {
    made_on.checked_add_months(Months::new(RECOMMENDATION_MONTHS)).unwrap_or(NaiveDate::MAX)
}

impl Recommendation {
    /// The last day on which it is valid; `None` when it is not, or nobody knows.
    pub fn valid_until(&self) -> Option<NaiveDate> {
        if self.valid == Some(false) { None } else { self.made_on.map(valid_until) }
    }
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
    const TEACHES: bool = true;

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

    fn learn(&self, world: &mut World, event: &Recorded<'_>) {
        let org = event.statement.org.as_str().into();
        let window = Window { org, opens_on: self.opens_on, closes_on: self.closes_on, ended: false };
        let vacancy = Vacancy { window, scope: self.scope, posts_count: event.lines_count() };
        world.matters.add_vacancy(&event.statement.stream, vacancy);
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
    const TEACHES: bool = true;

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

    fn learn(&self, world: &mut World, event: &Recorded<'_>) {
        world.matters.change_vacancy(&event.statement.stream, |vacancy| vacancy.window.ended = true);
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
    const TEACHES: bool = true;

    fn decide(&self, state: &State, _: &Proposal<'_>, _: &Context<'_>) -> Result<(), Refusal> {
        state.standing()
    }

    fn evolve(self, state: State, _: &Recorded<'_>) -> State {
        State { withdrawn: true, ..state }
    }

    fn learn(&self, world: &mut World, event: &Recorded<'_>) {
        world.matters.change_vacancy(&event.statement.stream, |vacancy| vacancy.window.ended = true);
    }

    fn sample() -> Value {
        json!({"kind": "vacancy.withdrawn.v1", "stream": sample_stream("vacancy", 1), "org": "341599",
            "fields": {"reason": "机构改革，职位取消(虚构)"}})
    }
}

/// The batch that a sealed statement names, if it is there and of the organization or below.
fn batch<'w>(
    vacancy: &VacancyId,
    post: u64,
    proposal: &Proposal<'_>,
    world: &'w World,
) -> Result<&'w Vacancy, Refusal> {
    let Some(batch) = world.matters.vacancy(&vacancy.0) else {
        return Err(Refusal::field("vacancy", "空缺职位", "没有这批空缺职位"));
    };
    if proposal.statement.org != *batch.window.org {
        let reason = format!("这批职位由机构「{}」公布，应向它提交", batch.window.org);
        return Err(Refusal::field("org", "机构", reason));
    }
    if post >= batch.posts_count {
        let reason = format!("这批共 {} 个职位，行号从 0 起", batch.posts_count);
        return Err(Refusal::field("post", "职位行号", reason));
    }
    Ok(batch)
}

impl Recommended {
    /// Whether the batch takes recommendations from this part of the public.
    fn in_scope(&self, batch: &Vacancy, world: &World) -> Result<(), Refusal> {
        let institutional = matches!(self.channel, Channel::Organization | Channel::Leader);
        let within = || self.unit.as_ref().is_some_and(|unit| world.is_within(&unit.0, &batch.window.org));
        match batch.scope {
            Scope::Members if self.standing != Standing::Member && !institutional => {
                Err(Refusal::field("standing", "推荐人身份", "这批职位只接受党员推荐"))
            }
            Scope::Unit if !within() => {
                Err(Refusal::field("unit", "推荐人所在单位", "这批职位只接受本单位推荐，须写明所在单位的机构代码"))
            }
            _ => Ok(()),
        }
    }
}

impl Payload for Recommended {
    type State = Recommendation;
    const OPENS: bool = true;

    fn decide(&self, _: &Recommendation, proposal: &Proposal<'_>, context: &Context<'_>) -> Result<(), Refusal> {
        intake::handed_in(proposal)?;
        let batch = batch(&self.vacancy, self.post, proposal, context.world)?;
        batch.window.admits(intake::handed_in_on(proposal, context), "推荐")?;
        self.in_scope(batch, context.world)?;
        if self.channel == Channel::Organization && self.unit.is_none() {
            return Err(Refusal::field("unit", "推荐人所在单位", "组织推荐须写明单位的机构代码"));
        }
        let same = proposal.text("recommender") == proposal.text("candidate");
        match self.channel {
            Channel::Oneself if !same => Err(Refusal::field("candidate", "被推荐人", "自荐的推荐人应是被推荐人自己")),
            channel if channel != Channel::Oneself && same => {
                Err(Refusal::field("channel", "推荐方式", "推荐自己应选自荐"))
            }
            _ => Ok(()),
        }
    }

    fn evolve(self, _: Recommendation, event: &Recorded<'_>) -> Recommendation {
        Self::evolve_unseen(Recommendation::default(), event)
    }

    fn evolve_unseen(_: Recommendation, event: &Recorded<'_>) -> Recommendation {
        Recommendation { made_on: Some(intake::received_on(event)), valid: None }
    }

    fn sample() -> Value {
        json!({"kind": "vacancy.recommended.v1", "stream": sealed_stream("vacancy", 1), "org": "341599", "fields": {
            "vacancy": sample_stream("vacancy", 1), "post": 0, "channel": "individual", "standing": "member",
            "recommender": "周柏舟(虚构)", "contact": "青禾县柳溪镇(虚构)", "candidate": "叶青田(虚构)",
            "candidate_unit": "柳溪镇党政办主任", "reason": "熟悉农业农村工作，群众基础好(虚构)"}})
    }
}

impl Payload for RecommendationVerified {
    type State = Recommendation;
    const OPENS: bool = false;

    fn decide(&self, state: &Recommendation, proposal: &Proposal<'_>, _: &Context<'_>) -> Result<(), Refusal> {
        if state.valid.is_some() {
            return Err(Refusal::state("这份推荐已经核实"));
        }
        if !self.valid && proposal.text("reason").is_none() {
            return Err(Refusal::field("reason", "无效原因", "推荐无效须写明原因"));
        }
        proposal.happened_by_then(self.verified_on, "verified_on", "核实日期")
    }

    fn evolve(self, state: Recommendation, _: &Recorded<'_>) -> Recommendation {
        Recommendation { valid: Some(self.valid), ..state }
    }

    fn sample() -> Value {
        json!({"kind": "vacancy.recommendation_verified.v1", "stream": sealed_stream("vacancy", 1), "org": "341599",
            "fields": {"valid": true, "verified_on": "2026-03-14", "reason": "推荐人身份属实(虚构)"}})
    }
}

impl Payload for ShortlistDecided {
    type State = Shortlist;
    const OPENS: bool = true;

    fn decide(&self, _: &Shortlist, proposal: &Proposal<'_>, context: &Context<'_>) -> Result<(), Refusal> {
        let batch = batch(&self.vacancy, self.post, proposal, context.world)?;
        if !batch.window.ended {
            return Err(Refusal::state(format!("推荐到 {} 截止并公布后，才能确定入围人选", batch.window.closes_on)));
        }
        if self.people.is_empty() {
            return Err(Refusal::field("people", "入围人选", "至少一人"));
        }
        proposal.happened_by_then(self.decided_on, "decided_on", "确定日期")
    }

    fn evolve(self, _: Shortlist, _: &Recorded<'_>) -> Shortlist {
        Shortlist { vacancy: Some(self.vacancy) }
    }

    fn sample() -> Value {
        json!({"kind": "vacancy.shortlisted.v1", "stream": sealed_stream("vacancy", 2), "org": "341599", "fields": {
            "vacancy": sample_stream("vacancy", 1), "post": 0, "decided_on": "2026-04-08", "basis": "县委组织部部务会(虚构)",
            "people": [{"name": "叶青田(虚构)", "unit": "柳溪镇党政办主任"}, {"name": "何芷汀(虚构)"}]}})
    }
}
