//! The review of a draft (审核): submitted, passed gate by gate, returned or approved.
//!
//! Every event is sealed at tier `unit`. Which gates there are, in which order and who passes them is data, see
//! [`crate::procedure`]. Each event names the person who acts, and `decide` refuses another signer, so that the
//! state follows from the recorded events alone. Nobody acts twice in one review, and the author never: the roles
//! of a village of five cadres are spread over agency, supervisors, secretary and township.
//!
//! Not here: the judgement on the statement that is published ([`crate::judge`]); it asks [`State::permits`].

use std::collections::BTreeSet;

use gongkai_log::{Digest, Statement, StreamId, Tier};
use serde_json::{Value, json};

use super::{NOT_THERE, PUBLISHER, Payload, payload, sample_stream, sealed_stream};
use crate::{
    command::{Command, Head, Prepared, Setting, prepare},
    draft::{Draft, Read},
    event::{self, Context, Proposal, Recorded},
    field::{PersonId, ReviewId},
    kind,
    procedure::{self, Gate, Procedure, REFERENCE, Step},
    refusal::Refusal,
    submission::Filled,
    world::{Role, World},
};

/// Wire name of the kind that opens a review.
pub const SUBMITTED: &str = "review.submitted.v1";
/// Wire name of the kind that sends a draft back.
pub const RETURNED: &str = "review.returned.v1";
/// The field in which a new review names the one that was returned.
pub const PREVIOUS: &str = "previous";

payload! {
    /// A draft goes to its reviewers (提出). What is approved is its digest; the organization is the statement's.
    Submitted = "review.submitted.v1" "送审";
    sealed {
        digest: Digest, Unit = "送审内容摘要",
        target: StreamId, Unit = "拟公开的事项",
        procedure: Procedure, Unit = "审核程序",
        author: PersonId, Unit = "送审人",
        withheld: Option<Vec<u64>>, Unit = "未示的字段槽",
        previous: Option<ReviewId>, Unit = "退回的审核",
    }
    slots { kind: Unit Text(128) required = "事项种类", draft: Unit Text(1_000_000) required = "送审稿" }
    authors PUBLISHER;
}

payload! {
    /// A gate is passed (审核), with an opinion.
    GatePassed = "review.gate_passed.v1" "通过审核关";
    sealed { gate: Gate, Unit = "审核关", person: PersonId, Unit = "审核人" }
    slots { opinion: Unit Text(2000) optional = "审核意见" }
    authors &[Role::Reviewer, Role::Supervisor];
}

payload! {
    /// The draft goes back to its author at the gate that it has reached. What is mended is submitted anew.
    Returned = "review.returned.v1" "退回修改";
    sealed { gate: Gate, Unit = "审核关", person: PersonId, Unit = "退回人" }
    slots { reason: Unit Text(2000) required = "退回原因" }
    authors &[Role::Reviewer, Role::Supervisor, Role::Approver];
}

payload! {
    /// The draft may be published (审批).
    Approved = "review.approved.v1" "审批通过";
    sealed { person: PersonId, Unit = "审批人" }
    slots { opinion: Unit Text(2000) optional = "审批意见" }
    authors &[Role::Approver];
}

/// The command that sends a draft to its reviewers. Its stream is the one that the draft names as its review, so
/// the draft is prepared first.
///
/// # Errors
/// [`Refusal::Field`] where the draft names no review; [`Refusal::Malformed`] where a value has no canonical form.
pub fn submission_of(
    prepared: &Prepared,
    procedure: Procedure,
    PersonId(author): &PersonId,
    previous: Option<&StreamId>,
) -> Result<Command, Refusal> {
    let statement = &prepared.statement;
    let open = prepared.openings.iter().filter_map(|filled| match filled {
        Filled::Open(opening) => Some(opening),
        Filled::Empty { .. } | Filled::Hidden { .. } => None,
    });
    let named = open.clone().find(|opening| opening.name == REFERENCE).and_then(|opening| opening.value.as_str());
    let review = named.and_then(|name| name.parse::<StreamId>().ok());
    let review = review.ok_or_else(|| Refusal::field(REFERENCE, "审核编号", "送审稿应写明审核编号"))?;
    let digest = procedure::digest(statement)
        .map_err(|e| Refusal::Malformed { place: "statement".into(), reason: e.to_string() })?;
    let withheld: Vec<u8> = open.filter(|opening| opening.tier == Tier::Named).map(|opening| opening.slot).collect();
    let mut fields = json!({
        "digest": digest, "target": statement.stream, "procedure": procedure, "author": author,
        "kind": statement.kind, "draft": Draft::of(prepared)?.to_text()?});
    if !withheld.is_empty() {
        fields["withheld"] = json!(withheld);
    }
    if let Some(previous) = previous {
        fields[PREVIOUS] = json!(previous);
    }
    Command::from_value(json!({"kind": SUBMITTED, "stream": review, "org": statement.org, "fields": fields}))
}

/// Who decided at a gate, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pass {
    /// The gate.
    pub gate: Gate,
    /// The person.
    pub person: StreamId,
    /// How many entries the log had: as of them the person held the role.
    pub index: u64,
}

/// State of a review.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// Organization that publishes.
    pub org: String,
    /// What is reviewed; `None` where the submission cannot be seen any more.
    pub digest: Option<Digest>,
    /// Stream of the statement.
    pub target: Option<StreamId>,
    /// The procedure.
    pub procedure: Option<Procedure>,
    /// Who made the draft.
    pub author: Option<StreamId>,
    /// Slots that the reviewers did not see.
    pub withheld: BTreeSet<u64>,
    /// The gates that it passed, approval among them, in their order.
    pub passes: Vec<Pass>,
    /// Where it was returned.
    pub returned: Option<Pass>,
}

impl State {
    /// The step that it waits for; `None` when it is complete or nothing is known of it.
    pub fn next(&self) -> Option<&'static Step> {
        let steps = self.procedure?.steps();
        steps.iter().find(|step| (self.passed_by(step.gate).count() as u64) < step.people)
    }

    /// The step that this person may take now, if it waits for them: as `decide` will judge it, role and people
    /// included.
    pub fn waits_for(&self, who: &StreamId, world: &World) -> Option<&'static Step> {
        let step = self.next().filter(|_| self.returned.is_none())?;
        let step_of = (self.procedure?, step);
        self.untouched_by(who).and_then(|()| procedure::may_take(step_of, who, &self.org, world)).ok()?;
        Some(step)
    }

    /// How many people have yet to take the step that it waits for.
    pub fn people_left(&self) -> u64 {
        self.next().map_or(0, |step| step.people.saturating_sub(self.passed_by(step.gate).count() as u64))
    }

    /// Nobody acts on a draft of their own, nor twice in one review.
    fn untouched_by(&self, who: &StreamId) -> Result<(), Refusal> {
        if self.author.as_ref() == Some(who) {
            return Err(Refusal::state("送审人不能审核、审批自己的稿件"));
        }
        if self.passes.iter().any(|pass| pass.person == *who) {
            return Err(Refusal::state("同一人在一项审核中只能办理一关"));
        }
        Ok(())
    }

    /// Whether the secretary approved.
    pub fn is_approved(&self) -> bool {
        self.passed_by(Gate::Approval).next().is_some()
    }

    /// Whether every step is done, so that the statement may be published.
    pub fn is_complete(&self) -> bool {
        self.procedure.is_some() && self.returned.is_none() && self.next().is_none()
    }

    /// Who passed a gate.
    pub fn passed_by(&self, gate: Gate) -> impl Iterator<Item = &StreamId> {
        self.passes.iter().filter(move |pass| pass.gate == gate).map(|pass| &pass.person)
    }

    /// Whether this person may decide at this gate now.
    fn may_decide(
        &self,
        gate: Gate,
        PersonId(who): &PersonId,
        proposal: &Proposal<'_>,
        world: &World,
    ) -> Result<(), Refusal> {
        if self.returned.is_some() {
            return Err(Refusal::state("这项审核已经退回，请修改后另行送审"));
        }
        if proposal.statement.org != self.org {
            return Err(Refusal::field("org", "机构", format!("应以送审机构「{}」的名义", self.org)));
        }
        let step = self.next().ok_or_else(|| Refusal::state("这项审核已经走完"))?;
        if step.gate != gate {
            let reason = format!("现在应过「{}」，还不能过「{}」", step.gate.label(), gate.label());
            return Err(Refusal::state(reason));
        }
        signs_itself(who, "person", step.role.label(), proposal, world)?;
        if proposal.statement.signers.first().is_none_or(|signer| signer.role != step.role.wire()) {
            return Err(Refusal::state(format!("「{}」应由{}签署", gate.label(), step.role.label())));
        }
        self.untouched_by(who)?;
        let procedure = self.procedure.unwrap_or(Procedure::INSTEAD);
        procedure::may_take((procedure, step), who, &self.org, world)
    }

    /// Whether a statement may be published on this review: it is complete, it was about exactly this statement, its
    /// author made the draft, and those who decided sign where the procedure demands it.
    ///
    /// # Errors
    /// The [`Refusal`] that the author gets.
    pub(crate) fn permits(
        &self,
        proposal: &Proposal<'_>,
        demanded: Option<Procedure>,
        world: &World,
    ) -> Result<(), Refusal> {
        let refused = |reason: String| Err(Refusal::field(REFERENCE, "审核编号", reason));
        let (Some(procedure), Some(author)) = (self.procedure, &self.author) else {
            return refused("没有这项审核".into());
        };
        if self.returned.is_some() {
            return refused("这项审核已经退回，不能据以公开".into());
        }
        if let Some(step) = self.next() {
            return refused(format!("审核还没有走完，还缺「{}」", step.gate.label()));
        }
        if let Some(demanded) = demanded.filter(|demanded| *demanded != procedure) {
            return refused(format!("这里应走{}，所附审核走的是{}", demanded.label(), procedure.label()));
        }
        if self.digest.is_none() || procedure::digest(proposal.statement).ok() != self.digest {
            return refused("内容与审核通过的不一致，改动后须重新送审".into());
        }
        self.shown(proposal)?;
        self.different_people(author)?;
        self.signed(procedure, author, proposal, world)
    }

    /// Nothing is published that the reviewers could not read.
    fn shown(&self, proposal: &Proposal<'_>) -> Result<(), Refusal> {
        let mut readable = proposal.openings.iter().chain(proposal.sealed).filter(|o| o.tier != Tier::Named);
        let Some(opening) = readable.find(|opening| self.withheld.contains(&u64::from(opening.slot))) else {
            return Ok(());
        };
        let label = proposal.kind.field(&opening.name).map_or(opening.name.as_str(), |field| field.label);
        Err(Refusal::field(REFERENCE, "审核编号", format!("审核时没有出示「{label}」")))
    }

    /// `decide` has seen to it gate by gate; here it decides whether something is published.
    fn different_people(&self, author: &StreamId) -> Result<(), Refusal> {
        let mut people = BTreeSet::from([author]);
        match self.passes.iter().find(|pass| !people.insert(&pass.person)) {
            Some(pass) => Err(Refusal::SamePerson(pass.person.to_string())),
            None => Ok(()),
        }
    }

    fn signed(
        &self,
        procedure: Procedure,
        author: &StreamId,
        proposal: &Proposal<'_>,
        world: &World,
    ) -> Result<(), Refusal> {
        let signers = &proposal.statement.signers;
        if signers.first().and_then(|signer| procedure::person(world, signer)) != Some(author) {
            return Err(Refusal::state("公开时应由送审人签名"));
        }
        for step in procedure.steps().iter().filter(|step| step.cosigns) {
            let signs = |who: &StreamId| {
                let mut own = signers.iter().filter(|signer| signer.role == step.role.wire());
                own.any(|signer| procedure::person(world, signer) == Some(who))
            };
            if !self.passed_by(step.gate).all(signs) {
                let rule = format!("「{}」由谁办理，公开时就由谁签名", step.gate.label());
                let got = self.passed_by(step.gate).filter(|who| signs(who)).count() as u64;
                return Err(Refusal::Cosigners { role: step.role.label().into(), needed: step.people, got, rule });
            }
        }
        Ok(())
    }
}

/// The person whom an event names is the one who signs it.
fn signs_itself(
    who: &StreamId,
    field: &str,
    label: &str,
    proposal: &Proposal<'_>,
    world: &World,
) -> Result<(), Refusal> {
    let signer = proposal.statement.signers.first();
    if signer.and_then(|signer| procedure::person(world, signer)) == Some(who) {
        return Ok(());
    }
    Err(Refusal::field(field, label, "应是签名人本人"))
}

impl Submitted {
    /// The draft is usable, is what the digest says, and will name this review.
    fn check_draft(&self, proposal: &Proposal<'_>) -> Result<Statement, Refusal> {
        let statement = proposal.statement;
        let draft = Draft::parse(proposal.text("draft").unwrap_or_default())?;
        let Read { statement: drafted, open, withheld } = draft.read(&statement.origin)?;
        if kind::find(&drafted.kind).is_none_or(|kind| !kind.is_gated()) {
            return Err(Refusal::field("kind", "事项种类", "这种事项不须审核"));
        }
        if proposal.text("kind") != Some(&drafted.kind) {
            return Err(Refusal::field("kind", "事项种类", "与送审稿不一致"));
        }
        if drafted.org != statement.org {
            return Err(Refusal::field("org", "机构", "与送审稿不一致"));
        }
        if drafted.stream != self.target {
            return Err(Refusal::field("target", "拟公开的事项", "与送审稿不一致"));
        }
        if procedure::digest(&drafted).ok() != Some(self.digest) {
            return Err(Refusal::field("digest", "送审内容摘要", "与送审稿不一致"));
        }
        if !withheld.into_iter().map(u64::from).eq(self.withheld.iter().flatten().copied()) {
            return Err(Refusal::field("withheld", "未示的字段槽", "应按序列出送审稿中只给封存值的字段槽"));
        }
        let reference = open.iter().find(|opening| opening.name == REFERENCE).and_then(|o| o.value.as_str());
        if reference != Some(statement.stream.to_string().as_str()) {
            return Err(Refusal::field("draft", "送审稿", "送审稿的审核编号应是本审核"));
        }
        Ok(drafted)
    }
}

impl Payload for Submitted {
    type State = State;
    const OPENS: bool = true;
    const NAMES: Option<&'static str> = Some(PREVIOUS);

    fn decide(&self, _: &State, proposal: &Proposal<'_>, context: &Context<'_>) -> Result<(), Refusal> {
        let (org, world) = (proposal.statement.org.as_str(), context.world);
        signs_itself(&self.author.0, "author", "送审人", proposal, world)?;
        let level = world.living(org)?.level;
        let suits = Procedure::of_statement(level, &self.check_draft(proposal)?);
        if self.procedure == suits {
            return Ok(());
        }
        let whose = if suits == Procedure::of(level) { "这一层级" } else { "代为公开" };
        Err(Refusal::field("procedure", "审核程序", format!("{whose}走{}", suits.label())))
    }

    fn decide_named(&self, named: &event::State, proposal: &Proposal<'_>) -> Result<(), Refusal> {
        let refused = |reason: &str| Err(Refusal::field(PREVIOUS, "退回的审核", reason));
        match named.get::<State>() {
            None => refused(NOT_THERE),
            Some(previous) if previous.returned.is_none() => refused("这项审核没有退回"),
            Some(previous)
                if previous.org != proposal.statement.org || previous.target.as_ref() != Some(&self.target) =>
            {
                refused("这项审核说的是另一件事项")
            }
            Some(_) => Ok(()),
        }
    }

    fn evolve(self, _: State, event: &Recorded<'_>) -> State {
        State {
            org: event.statement.org.clone(),
            digest: Some(self.digest),
            target: Some(self.target),
            procedure: Some(self.procedure),
            author: Some(self.author.0),
            withheld: self.withheld.into_iter().flatten().collect(),
            passes: Vec::new(),
            returned: None,
        }
    }

    fn sample() -> Value {
        let review = sealed_stream("review", 1);
        let (digest, draft) = sample_draft(&review).unwrap_or_default();
        json!({"kind": SUBMITTED, "stream": review, "org": "341599101201", "fields": {
            "digest": digest, "target": sample_stream("notice", 1), "procedure": "village",
            "author": sample_stream("person", 2), "kind": "notice.closed.v1", "draft": draft}})
    }
}

/// Digest and text of a made-up draft that names the review.
fn sample_draft(review: &str) -> Option<(String, String)> {
    let fields = json!({"closed_on": "2026-03-20", "outcome": "公示期满，没有异议(虚构)", REFERENCE: review});
    let command = json!({"kind": "notice.closed.v1", "org": "341599101201", "fields": fields});
    let command = Command::from_value(command).ok()?;
    let setting = Setting {
        origin: "ledger.example/vectors",
        stream: sample_stream("notice", 1).parse().ok()?,
        head: Some(Head { revision: 0, hash: Digest::ZERO }),
        signers: vec![gongkai_log::Signer { role: Role::Publisher.wire().into(), key: "clerk.example/1".into() }],
        declared_at: chrono::DateTime::parse_from_rfc3339("2026-03-20T09:00:00+08:00").ok()?,
    };
    let prepared = prepare(&command, &setting, &mut |buffer: &mut [u8]| buffer.fill(7)).ok()?;
    let digest = procedure::digest(&prepared.statement).ok()?;
    Some((digest.to_string(), Draft::of(&prepared).and_then(|draft| draft.to_text()).ok()?))
}

impl Payload for GatePassed {
    type State = State;
    const OPENS: bool = false;

    fn decide(&self, state: &State, proposal: &Proposal<'_>, context: &Context<'_>) -> Result<(), Refusal> {
        if self.gate == Gate::Approval {
            return Err(Refusal::field("gate", "审核关", "审批另行签署"));
        }
        state.may_decide(self.gate, &self.person, proposal, context.world)
    }

    fn evolve(self, mut state: State, event: &Recorded<'_>) -> State {
        state.passes.push(Pass { gate: self.gate, person: self.person.0, index: event.index });
        state
    }

    fn sample() -> Value {
        json!({"kind": "review.gate_passed.v1", "stream": sealed_stream("review", 1), "org": "341599101201",
            "fields": {"gate": "supervision", "person": sample_stream("person", 3), "opinion": "账实相符(虚构)"}})
    }
}

impl Payload for Returned {
    type State = State;
    const OPENS: bool = false;

    fn decide(&self, state: &State, proposal: &Proposal<'_>, context: &Context<'_>) -> Result<(), Refusal> {
        state.may_decide(self.gate, &self.person, proposal, context.world)
    }

    fn evolve(self, mut state: State, event: &Recorded<'_>) -> State {
        state.returned = Some(Pass { gate: self.gate, person: self.person.0, index: event.index });
        state
    }

    fn sample() -> Value {
        json!({"kind": "review.returned.v1", "stream": sealed_stream("review", 1), "org": "341599101201", "fields": {
            "gate": "supervision", "person": sample_stream("person", 3), "reason": "两笔电费缺少附件(虚构)"}})
    }
}

impl Payload for Approved {
    type State = State;
    const OPENS: bool = false;

    fn decide(&self, state: &State, proposal: &Proposal<'_>, context: &Context<'_>) -> Result<(), Refusal> {
        state.may_decide(Gate::Approval, &self.person, proposal, context.world)
    }

    fn evolve(self, mut state: State, event: &Recorded<'_>) -> State {
        state.passes.push(Pass { gate: Gate::Approval, person: self.person.0, index: event.index });
        state
    }

    fn sample() -> Value {
        json!({"kind": "review.approved.v1", "stream": sealed_stream("review", 1), "org": "341599101201",
            "fields": {"person": sample_stream("person", 4), "opinion": "同意公开(虚构)"}})
    }
}
