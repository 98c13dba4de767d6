//! What kinds share that citizens hand in and offices handle.
//!
//! Most people hold no key. What they send over the network is signed by the ledger's intake key; what they
//! bring on paper, by phone or to a meeting is entered by an officer, with `proxy` (代录：来源渠道和原件).
//! Whoever is complained of neither handles nor reads it. Not here: encrypting to a body
//! ([`crate::envelope`]), windows ([`crate::matters`]), time limits ([`crate::clock`]).

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use gongkai_log::{Statement, StreamId};
use serde::Deserialize;
use serde_json::Value;

use crate::{
    event::{Context, Proposal, Recorded},
    field::{Field, FieldType, PersonId, Place, Shape, choices},
    refusal::Refusal,
    world::{Role, World},
};

/// First signers of what citizens hand in: the intake key, or an officer who enters it.
pub(crate) const CITIZEN: &[Role] = &[Role::Intake, Role::Publisher, Role::Reviewer];

/// Who handles objections and letters at a body.
pub(crate) const HANDLERS: &[Role] = &[Role::Reviewer, Role::Approver, Role::Inspector];

/// Most persons that one complaint names.
pub const CONCERNED_MAX: usize = 20;

/// Most points that one answer takes up.
pub const POINTS_MAX: usize = 50;

/// A person whom a complaint is about.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Concerned {
    /// Opaque id of the person.
    pub person: PersonId,
}

impl FieldType for Vec<Concerned> {
    const SHAPE: Shape = Shape::Records(&[Field {
        name: "person",
        label: "人员编号",
        place: Place::Body,
        shape: Shape::Link("person"),
        required: true,
    }]);
}

/// The persons' streams.
pub(crate) fn streams(concerned: Option<&Vec<Concerned>>) -> Vec<StreamId> {
    concerned.into_iter().flatten().map(|concerned| concerned.person.0.clone()).collect()
}

choices! {
    /// What came of one point of a question or letter.
    PointResult {
        Done = "done" "已办结",
        Adopted = "adopted" "采纳，正在办理",
        Planned = "planned" "列入计划",
        Explained = "explained" "解释说明",
        NotNow = "not_now" "暂不办理",
    }
}

/// The answer to one point of a letter.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Point {
    /// What was asked.
    pub point: String,
    /// What came of it.
    pub result: PointResult,
    /// The answer.
    pub reply: String,
    /// Why not now.
    pub explanation: Option<String>,
}

const fn member(name: &'static str, label: &'static str, shape: Shape, required: bool) -> Field {
    Field { name, label, place: Place::Body, shape, required }
}

impl FieldType for Vec<Point> {
    const SHAPE: Shape = Shape::Records(&[
        member("point", "事项", Shape::Text(500), true),
        member("result", "办理结果", Shape::Choice(PointResult::CHOICES), true),
        member("reply", "答复", Shape::Text(2000), true),
        member("explanation", "暂不办理的说明", Shape::Text(1000), false),
    ]);
}

/// "Not now" (暂不办理) demands its explanation.
pub(crate) fn explained(points: &[Point]) -> Result<(), Refusal> {
    if points.len() > POINTS_MAX {
        return Err(Refusal::field("points", "逐项答复", format!("最多 {POINTS_MAX} 项")));
    }
    let silent = |point: &Point| point.result == PointResult::NotNow && point.explanation.is_none();
    match points.iter().position(silent) {
        Some(at) => {
            let reason = format!("第{}项「暂不办理的说明」必须填写：办理结果是暂不办理", at + 1);
            Err(Refusal::field("points", "逐项答复", reason))
        }
        None => Ok(()),
    }
}

/// Whether the ledger's intake key is the author.
pub(crate) fn by_intake(statement: &Statement) -> bool {
    statement.signers.first().is_some_and(|author| author.role == Role::Intake.wire())
}

/// An officer's entry of what another person handed in names channel and original.
pub(crate) fn handed_in(proposal: &Proposal<'_>) -> Result<(), Refusal> {
    if by_intake(proposal.statement) || proposal.statement.proxy.is_some() {
        return Ok(());
    }
    Err(Refusal::field("proxy", "代录", "代他人提交须写明来源渠道，并附原件的哈希值"))
}

/// The day in China. The statement's own offset does not count: a sender could choose one that gains a day.
fn day_in_china(time: DateTime<Utc>) -> NaiveDate {
    (time + TimeDelta::hours(8)).date_naive()
}

/// The day that counts: over the network that of receipt, for a paper the one that the officer declares.
pub(crate) fn handed_in_on(proposal: &Proposal<'_>, context: &Context<'_>) -> NaiveDate {
    if by_intake(proposal.statement) { day_in_china(context.now) } else { proposal.declared_on() }
}

/// The same day, of what is recorded.
pub(crate) fn received_on(event: &Recorded<'_>) -> NaiveDate {
    if by_intake(event.statement) { day_in_china(event.recorded_at) } else { event.declared_on() }
}

/// Something is encrypted to a body only if somebody there can open it.
pub(crate) fn has_receiver(proposal: &Proposal<'_>, world: &World) -> Result<(), Refusal> {
    let org = proposal.statement.org.as_str();
    if world.receivers(org).is_empty() {
        return Err(Refusal::state(format!("机构「{org}」没有设立收件人，请提交给上级机构")));
    }
    Ok(())
}

/// What is said against people goes to no body that one of them leads.
pub(crate) fn not_to_the_accused(org: &str, against: &[StreamId], world: &World) -> Result<(), Refusal> {
    let led = |code: &str| against.iter().any(|person| world.leads(person, code));
    if !led(org) {
        return Ok(());
    }
    let above = world.chain(org).find(|code| !led(code));
    let to = above.map_or_else(|| "上级机构".to_owned(), |code| format!("机构「{code}」"));
    Err(Refusal::field("org", "机构", format!("所反映的人主管这个机构，应提交给{to}")))
}

/// Nobody handles what is said against them.
pub(crate) fn impartial(proposal: &Proposal<'_>, against: &[StreamId], world: &World) -> Result<(), Refusal> {
    let accused = |key: &str| world.key(key).and_then(|key| key.person.as_ref()).is_some_and(|p| against.contains(p));
    if proposal.statement.signers.iter().any(|signer| accused(&signer.key)) {
        return Err(Refusal::state("所反映的人不能办理反映自己的事项，应当回避"));
    }
    Ok(())
}

/// Said in the name of the body that has the matter, or of one above it.
pub(crate) fn in_hand(proposal: &Proposal<'_>, org: &str, world: &World) -> Result<(), Refusal> {
    if world.is_within(org, &proposal.statement.org) {
        return Ok(());
    }
    Err(Refusal::field("org", "机构", format!("这件事由机构「{org}」办理，应以它或其上级机构的名义")))
}

/// A public statement does not name a sealed matter: its random id would show that it exists.
pub(crate) fn not_sealed(about: Option<&StreamId>, name: &str, label: &str) -> Result<(), Refusal> {
    match about {
        Some(stream) if stream.id.get_version_num() == 4 => {
            Err(Refusal::field(name, label, "公开的声明不能指明封存的事项"))
        }
        _ => Ok(()),
    }
}

/// Who handed it in gives a name if they say that they do.
pub(crate) fn named_if_real(real_name: bool, proposal: &Proposal<'_>) -> Result<(), Refusal> {
    if real_name && proposal.text("name").is_none() {
        return Err(Refusal::field("name", "姓名", "实名提交须填写姓名"));
    }
    Ok(())
}

/// A record of one person, for samples.
pub(crate) fn sample_concerned(number: u64) -> Value {
    serde_json::json!([{"person": super::sample_stream("person", number)}])
}
