//! The registry: organizations over time, posts, persons, keys, roles.
//!
//! It tells who may sign what for whom. Names are slots like every text; codes, levels and relations
//! are in the body, so authority never depends on an opening.

use std::borrow::Cow;

use chrono::NaiveDate;
use gongkai_log::VerifierKey;
use serde::Deserialize as _;
use serde_json::{Map, Value, json};

use super::{Payload, REGISTRAR, payload, sample_stream};
use crate::{
    event::{Context, Proposal, Recorded},
    field::{KeyText, ListRule, OrgCode, PersonId, PostId, choices},
    refusal::Refusal,
    world::{Ended, Grant, Organization, Role, World},
};

choices! {
    /// Level of an organization.
    Level {
        Nation = "nation" "国家",
        Province = "province" "省级",
        City = "city" "市级",
        County = "county" "县级",
        Township = "township" "乡镇级",
        Village = "village" "村级",
        Group = "group" "组级",
        Branch = "branch" "党支部",
        Department = "department" "部门",
    }
}

choices! {
    /// Why a key is revoked.
    RevocationReason {
        Lost = "lost" "遗失",
        Stolen = "stolen" "被盗",
        Left = "left" "离任",
        Replaced = "replaced" "更换",
    }
}

payload! {
    /// An organization enters the registry. A root stands for itself; any other is entered in the
    /// name of the organization above it or in its own.
    OrganizationRegistered = "organization.registered.v1" "登记机构";
    body {
        code: OrgCode = "机构代码",
        level: Level = "层级",
        parent: Option<OrgCode> = "上级机构",
        since: Option<NaiveDate> = "成立日期",
    }
    slots { name: Public Text(100) required = "机构名称" }
    list ListRule::None;
    authors REGISTRAR;
}

payload! {
    /// Another name, same organization.
    OrganizationRenamed = "organization.renamed.v1" "机构更名";
    body { effective_on: NaiveDate = "生效日期" }
    slots { name: Public Text(100) required = "新名称", reason: Public Text(500) optional = "依据" }
    list ListRule::None;
    authors REGISTRAR;
}

payload! {
    /// The organization goes up in another one.
    OrganizationMerged = "organization.merged.v1" "机构合并";
    body { into: OrgCode = "并入机构", effective_on: NaiveDate = "生效日期" }
    slots { reason: Public Text(500) optional = "依据" }
    list ListRule::None;
    authors REGISTRAR;
}

payload! {
    /// The organization becomes several.
    OrganizationSplit = "organization.split.v1" "机构拆分";
    body { into: Vec<OrgCode> = "拆分为", effective_on: NaiveDate = "生效日期" }
    slots { reason: Public Text(500) optional = "依据" }
    list ListRule::None;
    authors REGISTRAR;
}

payload! {
    /// The organization ends without a successor.
    OrganizationDissolved = "organization.dissolved.v1" "机构撤销";
    body { effective_on: NaiveDate = "生效日期" }
    slots { reason: Public Text(500) optional = "依据" }
    list ListRule::None;
    authors REGISTRAR;
}

payload! {
    /// A post at an organization.
    PostCreated = "post.created.v1" "设置职务";
    body { seats: Option<u64> = "职数", heads: Option<bool> = "机构主要负责人" }
    slots { title: Public Text(100) required = "职务名称", duties: Public Text(2000) optional = "职责" }
    list ListRule::None;
    authors REGISTRAR;
}

payload! {
    /// A person gets an opaque id. The name is that of an official in an official act.
    PersonRegistered = "person.registered.v1" "登记人员";
    body { post: Option<PostId> = "职务" }
    slots { name: Public Text(50) required = "姓名", contact: Named Text(200) optional = "联系方式" }
    list ListRule::None;
    authors REGISTRAR;
}

payload! {
    /// A person's key may sign from now on.
    KeyAuthorized = "key.authorized.v1" "启用签名钥匙";
    body { person: PersonId = "持有人", key: KeyText = "验证钥匙" }
    slots {}
    list ListRule::None;
    authors REGISTRAR;
}

payload! {
    /// The key signs nothing after this entry; what it signed before stays valid.
    ///
    /// A registrar revokes any key. Everybody else revokes a key of their own, so that whoever lost a device does not wait
    /// for anybody.
    KeyRevoked = "key.revoked.v1" "注销签名钥匙";
    body { reason: RevocationReason = "原因" }
    slots {}
    list ListRule::None;
    authors &[
        Role::Registrar, Role::Publisher, Role::Reviewer, Role::Approver, Role::Supervisor, Role::Inspector,
        Role::Operator,
    ];
}

payload! {
    /// A person holds a role at the statement's organization and its subtree. A supervisor declares
    /// not to be a member of the committee, its accountant or next of kin; never the relationship.
    RoleGranted = "role.granted.v1" "授予职责";
    body {
        person: PersonId = "人员",
        role: Role = "职责",
        avoidance_declared: Option<bool> = "已作回避声明",
    }
    slots {}
    list ListRule::None;
    authors REGISTRAR;
}

payload! {
    /// The person no longer holds the role.
    RoleWithdrawn = "role.withdrawn.v1" "收回职责";
    body {}
    slots { reason: Public Text(500) optional = "原因" }
    list ListRule::None;
    authors REGISTRAR;
}

/// State of an organization's stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OrganizationState {
    /// Its code.
    pub code: String,
    /// Whether it was merged, split or dissolved.
    pub ended: bool,
}

impl OrganizationState {
    fn changeable(&self, proposal: &Proposal<'_>) -> Result<(), Refusal> {
        if self.ended {
            return Err(Refusal::EndedOrganization { org: self.code.clone(), reason: "已撤并".into() });
        }
        if proposal.statement.org != self.code {
            return Err(Refusal::field("org", "机构", format!("应以本机构「{}」的名义", self.code)));
        }
        Ok(())
    }

    fn ended(self) -> Self {
        Self { ended: true, ..self }
    }
}

impl Payload for OrganizationRegistered {
    type State = OrganizationState;
    const OPENS: bool = true;
    const TEACHES: bool = true;

    fn decide(&self, _: &OrganizationState, proposal: &Proposal<'_>, context: &Context<'_>) -> Result<(), Refusal> {
        if context.world.organization(&self.code.0).is_some() {
            return Err(Refusal::field("code", "机构代码", format!("「{}」已经登记", self.code.0)));
        }
        let org = proposal.statement.org.as_str();
        match &self.parent {
            Some(parent) => {
                context.world.living(&parent.0)?;
                if org != parent.0 && org != self.code.0 {
                    return Err(Refusal::field("org", "机构", "应是上级机构或本机构的代码"));
                }
            }
            None if org != self.code.0 => {
                return Err(Refusal::field("org", "机构", "没有上级的机构应以自己的代码登记"));
            }
            None => {}
        }
        Ok(())
    }

    fn evolve(self, _: OrganizationState, _: &Recorded<'_>) -> OrganizationState {
        OrganizationState { code: self.code.0, ended: false }
    }

    fn learn(&self, world: &mut World, event: &Recorded<'_>) {
        world.add_organization(
            self.code.0.clone(),
            Organization {
                stream: event.statement.stream.clone(),
                level: self.level,
                parent: self.parent.as_ref().map(|parent| parent.0.clone()),
                ended: None,
            },
        );
    }

    fn authority_org<'a>(body: &Map<String, Value>, statement_org: &'a str) -> Option<Cow<'a, str>> {
        match Self::deserialize(body) {
            Ok(registered) => registered.parent.map(|parent| parent.0.into()),
            Err(_) => Some(statement_org.into()),
        }
    }

    fn sample() -> Value {
        json!({"kind": "organization.registered.v1", "org": "341599", "fields": {
            "code": "341599101", "level": "township", "parent": "341599", "name": "柳溪镇(虚构)"}})
    }
}

impl Payload for OrganizationRenamed {
    type State = OrganizationState;
    const OPENS: bool = false;
    const HANDED_ON: bool = true;

    fn decide(&self, state: &OrganizationState, proposal: &Proposal<'_>, _: &Context<'_>) -> Result<(), Refusal> {
        state.changeable(proposal)
    }

    fn evolve(self, state: OrganizationState, _: &Recorded<'_>) -> OrganizationState {
        state
    }

    fn sample() -> Value {
        json!({"kind": "organization.renamed.v1", "stream": sample_stream("organization", 2), "org": "341599101",
            "fields": {"effective_on": "2026-03-01", "name": "柳溪街道(虚构)", "reason": "撤镇设街道(虚构)"}})
    }
}

impl Payload for OrganizationMerged {
    type State = OrganizationState;
    const OPENS: bool = false;
    const HANDED_ON: bool = true;
    const TEACHES: bool = true;

    fn decide(&self, state: &OrganizationState, proposal: &Proposal<'_>, context: &Context<'_>) -> Result<(), Refusal> {
        state.changeable(proposal)?;
        context.world.living(&self.into.0)?;
        if context.world.is_within(&self.into.0, &state.code) {
            return Err(Refusal::field("into", "并入机构", "不能并入自己或自己的下级"));
        }
        Ok(())
    }

    fn evolve(self, state: OrganizationState, _: &Recorded<'_>) -> OrganizationState {
        state.ended()
    }

    fn learn(&self, world: &mut World, event: &Recorded<'_>) {
        end(world, event, "合并", vec![self.into.0.clone()]);
    }

    fn sample() -> Value {
        json!({"kind": "organization.merged.v1", "stream": sample_stream("organization", 3), "org": "341599101203",
            "fields": {"into": "341599101201", "effective_on": "2026-03-01", "reason": "合村并组(虚构)"}})
    }
}

impl Payload for OrganizationSplit {
    type State = OrganizationState;
    const OPENS: bool = false;
    const HANDED_ON: bool = true;
    const TEACHES: bool = true;

    fn decide(&self, state: &OrganizationState, proposal: &Proposal<'_>, context: &Context<'_>) -> Result<(), Refusal> {
        state.changeable(proposal)?;
        if self.into.len() < 2 {
            return Err(Refusal::field("into", "拆分为", "至少两个机构"));
        }
        for code in &self.into {
            context.world.living(&code.0)?;
            if code.0 == state.code {
                return Err(Refusal::field("into", "拆分为", "不能包括自己"));
            }
        }
        Ok(())
    }

    fn evolve(self, state: OrganizationState, _: &Recorded<'_>) -> OrganizationState {
        state.ended()
    }

    fn learn(&self, world: &mut World, event: &Recorded<'_>) {
        end(world, event, "拆分", self.into.iter().map(|code| code.0.clone()).collect());
    }

    fn sample() -> Value {
        json!({"kind": "organization.split.v1", "stream": sample_stream("organization", 4), "org": "341599101204",
            "fields": {"into": ["341599101201", "341599101202"], "effective_on": "2026-03-01"}})
    }
}

impl Payload for OrganizationDissolved {
    type State = OrganizationState;
    const OPENS: bool = false;
    const HANDED_ON: bool = true;
    const TEACHES: bool = true;

    fn decide(&self, state: &OrganizationState, proposal: &Proposal<'_>, _: &Context<'_>) -> Result<(), Refusal> {
        state.changeable(proposal)
    }

    fn evolve(self, state: OrganizationState, _: &Recorded<'_>) -> OrganizationState {
        state.ended()
    }

    fn learn(&self, world: &mut World, event: &Recorded<'_>) {
        end(world, event, "撤销", Vec::new());
    }

    fn sample() -> Value {
        json!({"kind": "organization.dissolved.v1", "stream": sample_stream("organization", 5), "org": "341599101205",
            "fields": {"effective_on": "2026-03-01"}})
    }
}

fn end(world: &mut World, event: &Recorded<'_>, how: &'static str, successors: Vec<String>) {
    if let Some(org) = world.organization_mut(&event.statement.org) {
        org.ended = Some(Ended { index: event.index, how, successors });
    }
}

impl Payload for PostCreated {
    type State = ();
    const OPENS: bool = true;
    const TEACHES: bool = true;

    fn decide(&self, (): &(), _: &Proposal<'_>, _: &Context<'_>) -> Result<(), Refusal> {
        Ok(())
    }

    fn evolve(self, (): (), _: &Recorded<'_>) {}

    fn learn(&self, world: &mut World, event: &Recorded<'_>) {
        if self.heads == Some(true) {
            world.add_head_post(event.statement.stream.clone(), event.statement.org.clone());
        }
    }

    fn sample() -> Value {
        json!({"kind": "post.created.v1", "org": "341599101201",
            "fields": {"seats": 1, "title": "村党支部书记", "duties": "主持村党支部全面工作"}})
    }
}

impl Payload for PersonRegistered {
    type State = ();
    const OPENS: bool = true;
    const TEACHES: bool = true;

    fn decide(&self, (): &(), _: &Proposal<'_>, _: &Context<'_>) -> Result<(), Refusal> {
        Ok(())
    }

    fn evolve(self, (): (), _: &Recorded<'_>) {}

    fn learn(&self, world: &mut World, event: &Recorded<'_>) {
        world.add_person(event.statement.stream.clone(), event.statement.org.clone());
        if let Some(post) = &self.post {
            world.takes_post(event.statement.stream.clone(), &post.0);
        }
    }

    fn sample() -> Value {
        json!({"kind": "person.registered.v1", "org": "341599101201", "fields": {"name": "方禾生(虚构)"}})
    }
}

/// State of a key's stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyState {
    /// Name of the key.
    pub name: String,
    /// Whether it is revoked.
    pub revoked: bool,
}

impl Payload for KeyAuthorized {
    type State = KeyState;
    const OPENS: bool = true;
    const TEACHES: bool = true;

    fn decide(&self, _: &KeyState, _: &Proposal<'_>, context: &Context<'_>) -> Result<(), Refusal> {
        if !context.world.has_person(&self.person.0) {
            return Err(Refusal::field("person", "持有人", "没有登记"));
        }
        let key = VerifierKey::parse(&self.key.0).map_err(|e| Refusal::field("key", "验证钥匙", e.to_string()))?;
        if context.world.key(key.name()).is_some() {
            return Err(Refusal::field("key", "验证钥匙", format!("名称「{}」已经用过", key.name())));
        }
        // One private half under two names would let one person pass as two.
        if context.world.keys().any(|(_, known)| known.verifier.public() == key.public()) {
            return Err(Refusal::field("key", "验证钥匙", "这把钥匙已经以别的名称登记"));
        }
        Ok(())
    }

    fn evolve(self, _: KeyState, _: &Recorded<'_>) -> KeyState {
        KeyState { name: key_name(&self.key), revoked: false }
    }

    fn learn(&self, world: &mut World, event: &Recorded<'_>) {
        if let Ok(key) = VerifierKey::parse(&self.key.0) {
            world.add_key_of_stream(key, self.person.0.clone(), event.index, event.statement.stream.clone());
        }
    }

    fn sample() -> Value {
        json!({"kind": "key.authorized.v1", "org": "341599101201", "fields": {
            "person": sample_stream("person", 2),
            "key": "bob.example/1+33023257+AcqTrBcFGHBx1nuDx/8O/oEI6OxFMFdddyaHkzPb2r58"}})
    }
}

/// The name part of a verifier key's text.
fn key_name(key: &KeyText) -> String {
    key.0.split('+').next().unwrap_or_default().to_owned()
}

impl Payload for KeyRevoked {
    type State = KeyState;
    const OPENS: bool = false;
    const TEACHES: bool = true;

    fn decide(&self, state: &KeyState, proposal: &Proposal<'_>, context: &Context<'_>) -> Result<(), Refusal> {
        if state.revoked {
            return Err(Refusal::state("这把钥匙已经注销"));
        }
        let whose = |key: &str| context.world.key(key).and_then(|key| key.person.as_ref());
        match proposal.statement.signers.first() {
            Some(signer) if signer.role == Role::Registrar.wire() => Ok(()),
            Some(signer) if whose(&signer.key).is_some() && whose(&signer.key) == whose(&state.name) => Ok(()),
            _ => Err(Refusal::state("别人的钥匙由登记员注销，本人只能注销自己的")),
        }
    }

    fn evolve(self, state: KeyState, _: &Recorded<'_>) -> KeyState {
        KeyState { revoked: true, ..state }
    }

    fn learn(&self, world: &mut World, event: &Recorded<'_>) {
        world.revoke_key_of_stream(&event.statement.stream, event.index);
    }

    fn sample() -> Value {
        json!({"kind": "key.revoked.v1", "stream": sample_stream("key", 1), "org": "341599101201",
            "fields": {"reason": "lost"}})
    }
}

/// State of a role's stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoleState {
    /// The organization at which it was granted.
    pub org: String,
    /// Who holds it; `None` once withdrawn.
    pub holder: Option<PersonId>,
}

impl Payload for RoleGranted {
    type State = RoleState;
    const OPENS: bool = true;
    const TEACHES: bool = true;

    fn decide(&self, _: &RoleState, proposal: &Proposal<'_>, context: &Context<'_>) -> Result<(), Refusal> {
        let world = context.world;
        let org = proposal.statement.org.as_str();
        if self.role.is_ledger() {
            return Err(Refusal::field("role", "职责", "账本自己的职责不能授予"));
        }
        if !world.has_person(&self.person.0) {
            return Err(Refusal::field("person", "人员", "没有登记"));
        }
        if world.grants(&self.person.0).iter().any(|g| g.role == self.role && g.org.as_deref() == Some(org)) {
            return Err(Refusal::state("此人已有这项职责"));
        }
        if self.role.needs_second_registrar() {
            proposal.signed_by(Role::Registrar, 2, format!("授予「{}」职责须两名登记员", self.role.label()))?;
        }
        let conflicting = match self.role {
            Role::Supervisor => Some(Role::Publisher),
            Role::Publisher => Some(Role::Supervisor),
            _ => None,
        };
        if let Some(other) = conflicting.filter(|other| self.collides(world, org, *other)) {
            return Err(Refusal::state(format!("同一人在同一机构不能兼任{}和{}", self.role.label(), other.label())));
        }
        if self.role == Role::Supervisor && self.avoidance_declared != Some(true) {
            return Err(Refusal::field(
                "avoidance_declared",
                "已作回避声明",
                "监督人须声明不是村委会成员、会计及其近亲属（村民委员会组织法第三十二条）",
            ));
        }
        Ok(())
    }

    fn evolve(self, _: RoleState, event: &Recorded<'_>) -> RoleState {
        RoleState { org: event.statement.org.clone(), holder: Some(self.person) }
    }

    fn learn(&self, world: &mut World, event: &Recorded<'_>) {
        let grant =
            Grant { stream: event.statement.stream.clone(), role: self.role, org: Some(event.statement.org.clone()) };
        world.grant(self.person.0.clone(), grant);
    }

    fn sample() -> Value {
        json!({"kind": "role.granted.v1", "org": "341599101201",
            "fields": {"person": sample_stream("person", 2), "role": "publisher"}})
    }
}

impl RoleGranted {
    /// Whether the person holds another role at the organization, above it, or below it.
    fn collides(&self, world: &World, org: &str, other: Role) -> bool {
        world.grants(&self.person.0).iter().filter(|grant| grant.role == other).any(|grant| match &grant.org {
            None => true,
            Some(at) => world.is_within(org, at) || world.is_within(at, org),
        })
    }
}

impl Payload for RoleWithdrawn {
    type State = RoleState;
    const OPENS: bool = false;
    const TEACHES: bool = true;

    fn decide(&self, state: &RoleState, proposal: &Proposal<'_>, _: &Context<'_>) -> Result<(), Refusal> {
        if state.holder.is_none() {
            return Err(Refusal::state("这项职责已经收回"));
        }
        if proposal.statement.org != state.org {
            return Err(Refusal::field("org", "机构", format!("应以授予时的机构「{}」的名义", state.org)));
        }
        Ok(())
    }

    fn evolve(self, state: RoleState, _: &Recorded<'_>) -> RoleState {
        RoleState { holder: None, ..state }
    }

    fn learn(&self, world: &mut World, event: &Recorded<'_>) {
        world.withdraw_grant(&event.statement.stream);
    }

    fn sample() -> Value {
        json!({"kind": "role.withdrawn.v1", "stream": sample_stream("role", 1), "org": "341599101201",
            "fields": {"reason": "换届(虚构)"}})
    }
}
