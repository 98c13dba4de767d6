//! The four-step procedure, 提出→审核→审批→实施 (党务公开条例 art. 15): which gates a statement passes before it
//! is published, as data.
//!
//! A *procedure* is a list of [`Step`]s in their order; a *scheme* says which procedure holds at which level;
//! a rule of the profile (one [`RuleCode`] a family, see [`FAMILIES`]) says which scheme holds at which
//! organization, from when and on which basis. The base profile demands none, so that a ledger can begin
//! before its reviewers are registered.
//!
//! To turn it on: register the people, grant `reviewer`, `approver` and in villages `supervisor` (each needs
//! a second registrar), then publish for the organization whose subtree it is for
//!
//! ```json
//! {"kind": "rule.published.v1", "org": "341599", "fields": {"rule": "disclosure_review", "value": 1,
//!  "unit": "scheme", "from": "2026-04-01", "basis": "青禾县公开审核办法"}}
//! ```
//!
//! signed by two registrars. `value` is a row of [`SCHEMES`]; 0 turns it off again. What counts is the day on which
//! a statement is recorded, in China's zone: a back-dated statement does not slip past.
//!
//! What is approved is the [`digest`]; the statement names its review in the slot [`REFERENCE`], which every
//! gated kind has, and carries the co-signatures of those who decided. The steps themselves are recorded as
//! [`crate::kind::review`]; the judgement at publication is in [`crate::judge`].
//!
//! Not here: who holds a role (the registry), how a draft is shown. To add a family, add its line to [`FAMILIES`]
//! and its rule; to add a procedure, a gate or a scheme, add its row here. `tests/golden/gates.txt` shows the change.

use chrono::{DateTime, FixedOffset, NaiveDate, Utc};
use gongkai_log::{Digest, Signer, Statement, StreamId, Tier, canonical};
use serde_json::json;

use crate::{
    event::Proposal,
    field::{Field, Place, Shape, choices},
    kind::{self, disclosure, registry::Level},
    refusal::Refusal,
    rules::{Rule, RuleCode},
    world::{Role, World},
};

/// The slot in which a gated statement names its review. `review` itself is the opinion on a pledge (审诺意见).
pub const REFERENCE: &str = "reviewed_in";

/// The families whose statements pass gates, and the rule that turns them on.
pub const FAMILIES: &[(&str, RuleCode)] = &[
    ("pledge", RuleCode::PledgeReview),
    ("vacancy", RuleCode::VacancyReview),
    ("nomination", RuleCode::NominationReview),
    ("notice", RuleCode::NoticeReview),
    ("disclosure", RuleCode::DisclosureReview),
];

const CONTEXT: &str = "gongkai 2026 review v1";

/// China has one zone and no summer time.
const ZONE: FixedOffset = match FixedOffset::east_opt(8 * 3_600) {
    Some(zone) => zone,
    None => panic!("eight hours are an offset"),
};

choices! {
    /// What is looked at, and by whom it is decided.
    Gate {
        Political = "political" "政治关",
        Policy = "policy" "政策关",
        Facts = "facts" "实事关",
        Wording = "wording" "文字关",
        Secrecy = "secrecy" "保密关",
        Supervision = "supervision" "村监会审核",
        Approval = "approval" "书记审批",
        Filing = "filing" "乡镇备案",
    }
}

choices! {
    /// A list of steps.
    Procedure { County = "county" "县级程序", Village = "village" "村级程序" }
}

/// Where somebody must hold the role of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seat {
    /// At the organization that publishes, or above it.
    Own,
    /// Above it.
    Above,
}

/// One step of a procedure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The gate.
    pub gate: Gate,
    /// In which capacity it is passed.
    pub role: Role,
    /// How many people pass it.
    pub people: u64,
    /// Where they hold the role.
    pub seat: Seat,
    /// Whether they sign the published statement as well, so that anyone sees it without a vault.
    pub cosigns: bool,
}

const fn reviewed(gate: Gate) -> Step {
    Step { gate, role: Role::Reviewer, people: 1, seat: Seat::Own, cosigns: false }
}

const APPROVED: Step = Step { gate: Gate::Approval, role: Role::Approver, people: 1, seat: Seat::Own, cosigns: true };

/// Five gates by named people, secrecy last, then the secretary.
const COUNTY: &[Step] = &[
    reviewed(Gate::Political),
    reviewed(Gate::Policy),
    reviewed(Gate::Facts),
    reviewed(Gate::Wording),
    reviewed(Gate::Secrecy),
    APPROVED,
];

/// The agency that keeps the books has made the sheet (its author); two supervisors, the secretary, the township.
const VILLAGE: &[Step] = &[
    Step { gate: Gate::Supervision, role: Role::Supervisor, people: 2, seat: Seat::Own, cosigns: true },
    APPROVED,
    Step { gate: Gate::Filing, role: Role::Reviewer, people: 1, seat: Seat::Above, cosigns: false },
];

impl Procedure {
    /// Its steps, in order.
    pub fn steps(self) -> &'static [Step] {
        match self {
            Self::County => COUNTY,
            Self::Village => VILLAGE,
        }
    }

    /// The procedure that suits a level.
    pub fn of(level: Level) -> Self {
        if LOWER.contains(&level) { Self::Village } else { Self::County }
    }

    /// The procedure of a statement in the name of an organization of a level. What an organization above publishes in
    /// place of a village that did not (乡镇代为公开) passes the gates of the one that does it: those of the village would
    /// be passed by the very people who did not publish.
    pub fn of_statement(level: Level, statement: &Statement) -> Self {
        if disclosure::is_substitution(statement) { Self::INSTEAD } else { Self::of(level) }
    }

    /// The procedure of what an organization above publishes in place of one below, whatever the level of that one.
    pub const INSTEAD: Self = Self::County;

    /// Where somebody must hold the role of a step of this procedure, for an organization of a level. Who publishes in
    /// place of a village passes none of the gates with its people.
    pub fn seat(self, step: &Step, level: Level) -> Seat {
        if self == Self::of(level) { step.seat } else { Seat::Above }
    }
}

/// Which levels a scheme binds; each by the procedure that suits it.
#[derive(Debug, PartialEq, Eq)]
pub struct Scheme {
    /// The value of the rule.
    pub value: u64,
    /// Chinese name.
    pub label: &'static str,
    /// The levels that are bound.
    pub levels: &'static [Level],
}

/// A village and what is inside it.
const LOWER: &[Level] = &[Level::Village, Level::Group, Level::Branch];

/// All schemes.
pub const SCHEMES: &[Scheme] = &[
    Scheme { value: 0, label: "不要求", levels: &[] },
    Scheme { value: 1, label: "各级都要求", levels: Level::ALL },
    Scheme {
        value: 2,
        label: "县级以上要求",
        levels: &[Level::Nation, Level::Province, Level::City, Level::County, Level::Department],
    },
    Scheme { value: 3, label: "村级要求", levels: LOWER },
];

/// The scheme of a rule's value.
pub fn scheme(value: u64) -> Option<&'static Scheme> {
    SCHEMES.iter().find(|scheme| scheme.value == value)
}

/// A procedure that a rule demands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Demanded {
    /// The procedure.
    pub procedure: Procedure,
    /// The rule.
    pub rule: Rule,
}

impl Demanded {
    fn because(&self) -> String {
        format!("{}须走{}，{}", self.rule.code.label(), self.procedure.label(), self.rule.basis)
    }
}

/// The rule that turns the procedure on for a kind's family, if its family has one.
pub const fn rule_of(kind: &str) -> Option<RuleCode> {
    let mut at = 0;
    while at < FAMILIES.len() {
        let (family, rule) = FAMILIES[at];
        if is_of(kind.as_bytes(), family.as_bytes()) {
            return Some(rule);
        }
        at += 1;
    }
    None
}

const fn is_of(kind: &[u8], family: &[u8]) -> bool {
    if kind.len() <= family.len() || kind[family.len()] != b'.' {
        return false;
    }
    let mut at = 0;
    while at < family.len() {
        if kind[at] != family[at] {
            return false;
        }
        at += 1;
    }
    true
}

/// Whether a kind passes gates: what a publisher alone may say in a gated family. What others say there (a
/// question, an objection) must not wait for an approval, and what is sealed is not published.
pub const fn is_gated(kind: &str, authors: &[Role], sealed: bool) -> bool {
    !sealed && matches!(authors, [Role::Publisher]) && rule_of(kind).is_some()
}

/// The slot that every gated kind has besides its own.
const REFERENCE_FIELD: Field = Field {
    name: REFERENCE,
    label: "审核编号",
    place: Place::Slot(Tier::Unit),
    shape: Shape::Link("review"),
    required: false,
};

/// A kind's own fields, and the reference to its review where `N` leaves room for it.
pub(crate) const fn with_reference<const N: usize>(own: &[Field]) -> [Field; N] {
    let mut fields = [REFERENCE_FIELD; N];
    let mut at = 0;
    while at < own.len() {
        fields[at] = own[at];
        at += 1;
    }
    fields
}

/// What is approved: the hash of (kind, organization, stream, body, slots root).
///
/// BLAKE3 in `derive_key` mode over the canonical JSON list of the five. The slots' commitments bind origin and
/// revision, the body binds the lines. Who signs and when is not part of it, so a draft is signed after approval.
///
/// # Errors
/// [`canonical::CanonicalError`] where the body has no canonical form.
pub fn digest(statement: &Statement) -> Result<Digest, canonical::CanonicalError> {
    let Statement { kind, org, stream, body, slots, .. } = statement;
    let content = canonical::to_string(&json!([kind, org, stream, body, slots]))?;
    Ok(Digest::from_bytes(blake3::derive_key(CONTEXT, content.as_bytes())))
}

/// The day on which something is recorded.
pub fn recorded_on(now: DateTime<Utc>) -> NaiveDate {
    now.with_timezone(&ZONE).date_naive()
}

/// The procedure that a statement must pass when it is recorded on a day, if one is demanded.
///
/// A scheme that this version does not know demands as much as any.
pub fn demanded(world: &World, statement: &Statement, on: NaiveDate) -> Option<Demanded> {
    let demanded = demanded_at(world, &statement.kind, &statement.org, on)?;
    let level = world.organization(&statement.org)?.level;
    Some(Demanded { procedure: Procedure::of_statement(level, statement), ..demanded })
}

/// The procedure that an organization's own statements of a kind must pass, before one is written.
pub fn demanded_at(world: &World, kind: &str, org: &str, on: NaiveDate) -> Option<Demanded> {
    let rule = world.rule(rule_of(kind)?, org, on);
    let level = world.organization(org)?.level;
    let binds = scheme(rule.value).is_none_or(|scheme| scheme.levels.contains(&level));
    binds.then(|| Demanded { procedure: Procedure::of(level), rule })
}

/// Whose key a signer's is; `None` for the ledger's own and for one that nobody knows.
pub(crate) fn person<'w>(world: &'w World, signer: &Signer) -> Option<&'w StreamId> {
    world.key(&signer.key)?.person.as_ref()
}

/// Whether the person of a key holds a role above an organization: at it alone is not enough.
pub(crate) fn holds_above(key: &str, role: Role, org: &str, world: &World) -> bool {
    let who = world.key(key).and_then(|key| key.person.as_ref());
    let grants = who.map(|who| world.grants(who)).unwrap_or_default();
    let mut at = grants.iter().filter(|grant| grant.role == role).map(|grant| grant.org.as_deref());
    at.any(|at| at.is_none_or(|at| world.chain(org).skip(1).any(|above| above == at)))
}

/// Whether a person may take a step of a procedure for an organization: holds the role there or above, in place of it
/// above alone, and as a supervisor is no publisher of it.
///
/// # Errors
/// The [`Refusal`] that the person gets.
pub(crate) fn may_take(
    (procedure, step): (Procedure, &Step),
    who: &StreamId,
    org: &str,
    world: &World,
) -> Result<(), Refusal> {
    let level = world.organization(org).map(|org| org.level);
    let seat = level.map_or(step.seat, |level| procedure.seat(step, level));
    let held = match seat {
        Seat::Own => world.holds(who, step.role, Some(org)),
        Seat::Above => world
            .grants(who)
            .iter()
            .filter(|grant| grant.role == step.role)
            .any(|grant| world.chain(org).skip(1).any(|above| grant.org.as_deref() == Some(above))),
    };
    if !held {
        let place = if seat == Seat::Above { "上级机构" } else { "本机构或上级机构" };
        return Err(Refusal::state(format!("「{}」应由{place}的{}办理", step.gate.label(), step.role.label())));
    }
    unentangled(step.role, who, org, world)
}

/// Who supervises does not publish (村民委员会组织法 art. 32). The registry refuses to grant both; here is where both
/// would do harm, so it is looked at again.
fn unentangled(role: Role, who: &StreamId, org: &str, world: &World) -> Result<(), Refusal> {
    if role == Role::Supervisor && world.holds(who, Role::Publisher, Some(org)) {
        return Err(Refusal::state("监督人不能同时是本机构的发布人（村民委员会组织法第三十二条）"));
    }
    Ok(())
}

/// Whether those who decide have signed the statement: what anyone can check without a vault. That all signers
/// are different people is a matter of authority, and was judged there.
///
/// # Errors
/// [`Refusal::Cosigners`]; [`Refusal::State`] where a supervisor is also a publisher.
pub(crate) fn cosigned(demanded: &Demanded, proposal: &Proposal<'_>, world: &World) -> Result<(), Refusal> {
    for step in demanded.procedure.steps().iter().filter(|step| step.cosigns) {
        proposal.signed_by(step.role, step.people, demanded.because())?;
        for signer in proposal.statement.signers.iter().filter(|signer| signer.role == step.role.wire()) {
            let who = person(world, signer).ok_or_else(|| Refusal::UnknownKey(signer.key.clone()))?;
            unentangled(step.role, who, &proposal.statement.org, world)?;
        }
    }
    Ok(())
}

impl kind::Kind {
    /// Whether its statements pass gates where a rule demands it.
    pub fn is_gated(&self) -> bool {
        is_gated(self.name, self.authors, self.sealed)
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use uuid::Uuid;

    use super::*;
    use crate::{
        KINDS,
        world::{Grant, Organization},
    };

    fn stream(family: &str, number: u128) -> StreamId {
        StreamId::new(family, Uuid::from_u128(number)).unwrap()
    }

    #[test]
    fn the_digest_is_over_the_canonical_list_of_the_five_in_its_own_domain() {
        let statement = Statement {
            origin: "ledger.example".into(),
            kind: "notice.closed.v1".into(),
            stream: stream("notice", 7),
            revision: 1,
            parent: Some(Digest::ZERO),
            org: "341599".into(),
            declared_at: DateTime::parse_from_rfc3339("2026-03-20T09:00:00+08:00").unwrap(),
            signers: Vec::new(),
            proxy: None,
            body: serde_json::from_value(json!({"closed_on": "2026-03-20"})).unwrap(),
            slots: Digest::ZERO,
        };
        let five = concat!(
            r#"["notice.closed.v1","341599","notice/00000000-0000-0000-0000-000000000007","#,
            r#"{"closed_on":"2026-03-20"},"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="]"#,
        );
        let expected = blake3::derive_key("gongkai 2026 review v1", five.as_bytes());
        assert_eq!(digest(&statement).unwrap(), Digest::from_bytes(expected));
        let later = Statement { declared_at: statement.declared_at + chrono::TimeDelta::days(1), ..statement.clone() };
        assert_eq!(digest(&later).unwrap(), digest(&statement).unwrap());
        let elsewhere = Statement { org: "341598".into(), ..statement.clone() };
        assert_ne!(digest(&elsewhere).unwrap(), digest(&statement).unwrap());
    }

    #[test]
    fn a_supervisor_who_is_also_a_publisher_takes_no_step() {
        let mut world = World::default();
        let level = Level::Village;
        world.add_organization(
            "1".into(),
            Organization { stream: stream("organization", 1), level, parent: None, ended: None },
        );
        let (who, step) = (stream("person", 1), VILLAGE[0]);
        let grant = |role, number| Grant { stream: stream("role", number), role, org: Some("1".into()) };
        world.grant(who.clone(), grant(Role::Supervisor, 1));
        may_take((Procedure::Village, &step), &who, "1", &world).unwrap();
        world.grant(who.clone(), grant(Role::Publisher, 2));
        assert_eq!(may_take((Procedure::Village, &step), &who, "1", &world).unwrap_err().code(), "state");
    }

    #[test]
    fn a_day_begins_at_midnight_in_china() {
        let at = |text: &str| recorded_on(text.parse().unwrap()).to_string();
        assert_eq!(at("2026-03-31T15:59:59Z"), "2026-03-31");
        assert_eq!(at("2026-03-31T16:00:00Z"), "2026-04-01");
    }

    #[test]
    fn every_gated_kind_names_its_review_and_no_other_does() {
        for kind in KINDS {
            assert_eq!(kind.field(REFERENCE).is_some(), kind.is_gated(), "{}", kind.name);
        }
        assert!(kind::find("disclosure.published.v1").unwrap().is_gated());
        assert!(!kind::find("disclosure.questioned.v1").unwrap().is_gated());
        assert!(!kind::find("slot.withdrawn.v1").unwrap().is_gated());
    }

    #[test]
    fn no_gated_kind_demands_a_text_that_its_reviewers_may_not_read() {
        for kind in KINDS.iter().filter(|kind| kind.is_gated()) {
            assert!(kind.slot_fields().all(|(field, tier)| tier != Tier::Named || !field.required), "{}", kind.name);
            // A draft shows its lines whole.
            let mut columns = kind.list.shapes().into_iter().flat_map(|list| list.columns);
            assert!(columns.all(|column| column.tier != Tier::Named), "{}", kind.name);
        }
    }

    #[test]
    fn the_secrecy_gate_is_the_last_before_the_secretary_of_a_county() {
        let gates: Vec<_> = Procedure::County.steps().iter().map(|step| step.gate).collect();
        assert_eq!(gates[gates.len() - 2..], [Gate::Secrecy, Gate::Approval]);
    }

    #[test]
    fn every_procedure_is_approved_once_and_the_approver_signs_what_is_published() {
        for procedure in Procedure::ALL {
            let approvals: Vec<_> = procedure.steps().iter().filter(|step| step.gate == Gate::Approval).collect();
            assert!(matches!(approvals.as_slice(), [step] if step.role == Role::Approver && step.cosigns));
        }
    }

    #[test]
    fn every_scheme_has_a_value_of_its_own_and_nothing_is_demanded_by_the_base_profile() {
        for (place, scheme) in (0_u64..).zip(SCHEMES) {
            assert_eq!(scheme.value, place);
        }
        assert!(scheme(0).is_some_and(|scheme| scheme.levels.is_empty()));
        for (_, rule) in FAMILIES {
            assert_eq!(crate::rules::BASE[*rule as usize].1, 0);
        }
    }
}
