//! The judgement on a proposal, in the order of the log: continuity, authority, time, and the kind's
//! own `decide`.
//!
//! The same functions run in the sequencer before a statement is recorded and in `audit` after, so
//! "was this allowed at that index?" has one answer.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use gongkai_log::{Statement, StreamId, VerifierKey};

use crate::{
    command::Head,
    event::{Context, Named, Proposal, Recorded, State},
    kind::{self, Kind, review, rotation},
    procedure,
    refusal::Refusal,
    schedule,
    world::{Role, World},
};

/// How far an author's clock may be ahead of ours: five minutes, as Kerberos allows (RFC 4120 8.2).
pub const CLOCK_SKEW_SECONDS_MAX: i64 = 300;

/// Judges whether a proposal follows its stream's head.
///
/// # Errors
/// [`Refusal::StaleParent`], [`Refusal::StreamExists`], [`Refusal::StreamMissing`].
pub fn continuity(statement: &Statement, kind: &Kind, head: Option<Head>) -> Result<(), Refusal> {
    match head {
        None if !kind.opens => Err(Refusal::StreamMissing(statement.stream.to_string())),
        None if statement.revision != 0 => Err(Refusal::StreamMissing(statement.stream.to_string())),
        None => Ok(()),
        Some(_) if kind.opens => Err(Refusal::StreamExists(statement.stream.to_string())),
        Some(head) if statement.revision == head.revision + 1 && statement.parent == Some(head.hash) => Ok(()),
        Some(head) => Err(Refusal::StaleParent { revision: head.revision, head: head.hash }),
    }
}

/// Judges whether these signers may say this for this organization, and returns their keys in the
/// order of the signers. Verifying the signatures is the caller's.
///
/// # Errors
/// [`Refusal::UnknownKey`], [`Refusal::RevokedKey`], [`Refusal::NoRole`], [`Refusal::WrongAuthor`],
/// [`Refusal::SamePerson`], [`Refusal::UnknownOrganization`], [`Refusal::EndedOrganization`].
pub fn authority(statement: &Statement, kind: &Kind, world: &World) -> Result<Vec<VerifierKey>, Refusal> {
    if world.origin().is_none() {
        return genesis_authority(statement, kind);
    }
    if let Some(rotated) = kind::body::<rotation::KeyRotated>(&statement.kind, &statement.body) {
        return rotation::authority(statement, &rotated, world);
    }
    let at = (kind.authority_org)(&statement.body, &statement.org);
    if kind.family() != "ledger" {
        living(statement, at.as_deref(), world)?;
    }
    let mut persons = BTreeSet::new();
    let mut keys = Vec::with_capacity(statement.signers.len());
    for (place, signer) in statement.signers.iter().enumerate() {
        let role = Role::from_wire(&signer.role)
            .ok_or_else(|| Refusal::Signature(format!("没有「{}」这种职责", signer.role)))?;
        // A key of the ledger itself stands for nobody: it signs its own kinds, and is nobody's second person.
        if (place == 0 || role.is_ledger()) && !kind.authors.contains(&role) {
            return Err(Refusal::WrongAuthor { kind: kind.label.into(), role: role.label().into() });
        }
        let person = holder(&signer.key, role, at.as_deref(), world)?;
        if let Some(person) = person
            && !persons.insert(person)
        {
            return Err(Refusal::SamePerson(person.to_string()));
        }
        let key = world.key(&signer.key).ok_or_else(|| Refusal::UnknownKey(signer.key.clone()))?;
        keys.push(key.verifier.clone());
    }
    Ok(keys)
}

/// The organization must be alive; one that is being registered is not there yet, its parent is.
fn living(statement: &Statement, at: Option<&str>, world: &World) -> Result<(), Refusal> {
    match at {
        Some(at) => world.living(at).map(drop),
        None if statement.kind == "organization.registered.v1" => Ok(()),
        None => world.living(&statement.org).map(drop),
    }
}

/// Whose key it is, if that person may act in the role.
fn holder<'w>(name: &str, role: Role, at: Option<&str>, world: &'w World) -> Result<Option<&'w StreamId>, Refusal> {
    let key = world.key(name).ok_or_else(|| Refusal::UnknownKey(name.into()))?;
    if let Some(index) = key.revoked_at {
        return Err(Refusal::RevokedKey { key: name.into(), index });
    }
    let refused =
        || Refusal::NoRole { key: name.into(), role: role.label().into(), org: at.unwrap_or("全账本").into() };
    match &key.person {
        Some(person) if !role.is_ledger() && world.holds(person, role, at) => Ok(Some(person)),
        None if world.ledger_key(role) == Some(name) => Ok(None),
        _ => Err(refused()),
    }
}

/// Before the genesis nobody is known: it brings its own key, and is pinned by its hash.
fn genesis_authority(statement: &Statement, kind: &Kind) -> Result<Vec<VerifierKey>, Refusal> {
    let created = kind::body::<kind::ledger::Created>(&statement.kind, &statement.body)
        .ok_or_else(|| Refusal::WrongAuthor { kind: kind.label.into(), role: "任何人".into() })?;
    let key = VerifierKey::parse(&created.log_key.0).map_err(|e| Refusal::Signature(e.to_string()))?;
    match statement.signers.as_slice() {
        [signer] if signer.role == Role::Log.wire() && signer.key == key.name() && key.name() == statement.origin => {
            Ok(vec![key])
        }
        _ => Err(Refusal::Signature("创世条目只由账本钥匙签名，钥匙名就是账本名".into())),
    }
}

/// Judges a proposal completely, but for the signatures' bytes.
///
/// Returns the signers' keys.
///
/// # Errors
/// The [`Refusal`] that the author gets.
pub fn judge(
    proposal: &Proposal<'_>,
    head: Option<Head>,
    state: &State,
    context: &Context<'_>,
) -> Result<Vec<VerifierKey>, Refusal> {
    continuity(proposal.statement, proposal.kind, head)?;
    let keys = authority(proposal.statement, proposal.kind, context.world)?;
    not_in_future(proposal.statement, context.now)?;
    at_home(proposal, state, context.world)?;
    (proposal.kind.decide)(state, proposal, context)?;
    let open = if proposal.kind.sealed { proposal.sealed } else { proposal.openings };
    schedule::check(proposal.kind, proposal.statement, open)?;
    named(proposal, context)?;
    addressed(proposal, context.world)?;
    Ok(keys)
}

/// Nobody speaks in another's matter: what an organization began is continued in its name, in that of one above it or,
/// once it is no more, of a successor. A matter that is handed on says in `decide` who has it.
fn at_home(proposal: &Proposal<'_>, state: &State, world: &World) -> Result<(), Refusal> {
    let Some(opener) = state.opened_by().filter(|_| !proposal.kind.opens && !proposal.kind.handed_on) else {
        return Ok(());
    };
    if world.continues(&proposal.statement.org, opener) {
        return Ok(());
    }
    let reason = format!("这件事项由机构「{opener}」发起，只能以它或其上级机构的名义接着办理");
    Err(Refusal::field("org", "机构", reason))
}

/// An envelope is for all receivers of the body and nobody else. Who among them can open it is the submitter's
/// secret; a further name would be a way in for somebody who is no receiver.
fn addressed(proposal: &Proposal<'_>, world: &World) -> Result<(), Refusal> {
    let Some(envelope) = proposal.envelope else { return Ok(()) };
    let receivers = world.receivers(&proposal.statement.org);
    let named: BTreeSet<_> = envelope.to.iter().map(|to| &to.receiver).collect();
    let demanded: BTreeSet<_> = receivers.iter().map(|receiver| &receiver.stream).collect();
    if named == demanded && named.len() == envelope.to.len() {
        return Ok(());
    }
    let reason = "信封应写给受理机关现任的全部收件人，不多不少；收件人有变动时请重新加密";
    Err(Refusal::Malformed { place: "envelope".into(), reason: reason.into() })
}

/// Judges whether a statement passed its procedure: in public that those who decide signed it, and where the vault
/// is, that its review was about exactly this statement and is complete.
///
/// A review publishes one statement once: its digest binds stream and revision, so another try fails on continuity.
/// A statement that names a review where none is demanded is held to it.
fn reviewed(proposal: &Proposal<'_>, context: &Context<'_>) -> Result<(), Refusal> {
    if !proposal.kind.is_gated() {
        return Ok(());
    }
    let (statement, world) = (proposal.statement, context.world);
    let on = procedure::recorded_on(context.now);
    let demanded = procedure::demanded(world, statement, on);
    if let Some(demanded) = &demanded {
        procedure::cosigned(demanded, proposal, world)?;
    }
    let refused = |reason: &str| Err(Refusal::field(procedure::REFERENCE, "审核编号", reason));
    let review = match (context.named, proposal.named()) {
        (Named::NotVisible, _) => return Ok(()),
        (_, None) if demanded.is_none() => return Ok(()),
        (_, None) => return refused("须先经审核、审批，并写明审核编号"),
        (Named::Missing, Some(_)) => None,
        (Named::Found(state), Some(_)) => state.get::<review::State>(),
    };
    match review {
        Some(review) => review.permits(proposal, demanded.map(|d| d.procedure), world),
        None => refused("没有这项审核"),
    }
}

/// Judges a statement by the sealed matter that it names, where the vault is: a review, a letter.
pub(crate) fn named(proposal: &Proposal<'_>, context: &Context<'_>) -> Result<(), Refusal> {
    if proposal.kind.is_gated() {
        return reviewed(proposal, context);
    }
    let (Some(field), Some(_)) = (proposal.kind.names, proposal.named()) else { return Ok(()) };
    match context.named {
        Named::NotVisible => Ok(()),
        Named::Found(state) => (proposal.kind.decide_named)(state, proposal),
        Named::Missing => {
            let label = proposal.kind.field(field).map_or(field, |field| field.label);
            Err(Refusal::field(field, label, kind::NOT_THERE))
        }
    }
}

fn not_in_future(statement: &Statement, now: DateTime<Utc>) -> Result<(), Refusal> {
    if statement.declared_at.to_utc() <= now + TimeDelta::seconds(CLOCK_SKEW_SECONDS_MAX) {
        return Ok(());
    }
    Err(Refusal::Future { declared: statement.declared_at.to_rfc3339(), now: now.to_rfc3339() })
}

/// Folds a recorded statement into its stream's state; a kind that this version does not know leaves
/// it as it was.
pub fn evolve(mut state: State, event: &Recorded<'_>) -> State {
    let Some(kind) = kind::find(&event.statement.kind) else { return state };
    let opener = state.take_opener();
    (kind.evolve)(state, event).with_opener(opener, &event.statement.org)
}
