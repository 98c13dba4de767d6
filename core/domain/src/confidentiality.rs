//! Who may read what that is not public, and who may call what: the one policy (confidentiality.md §5).
//!
//! [`clear`] decides every internal reading, [`counts`] and [`sums`] what ballots and ratings add up to,
//! [`Callers::admit`] every call; no view and no handler filters by hand. A reading needs a [`Clearance`], and nothing but [`clear`] makes one. What is not cleared does
//! not exist for whoever asked: there is no reason to give, so there is no refusal here but `None`. The world is
//! the current one at each question: a role withdrawn a second ago is gone, and so is a revoked key.
//!
//! Not here: opening a vault, recording that something was read (`kind::access`), the keys that decrypt.
//! A kind says itself who reads its tier `named` ([`Kind::named_readers`]) and whom it is about
//! ([`Kind::concerns`]); a new rule for all kinds is a line in `reads`, and then in `tests/golden/readers.txt`.

use gongkai_log::{Statement, StreamId, Tier};

use crate::{
    kind::{Kind, access::Purpose},
    matters::Tally,
    world::{Role, World},
};

/// Roles that keep registry and machines, and read nothing by virtue of that.
const BLIND: [Role; 5] = [Role::Registrar, Role::Operator, Role::Log, Role::Intake, Role::Recovery];

/// A registered person with a live key of theirs.
///
/// It was true when it was made; [`clear`] and [`Callers::admit`] look again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reader {
    person: StreamId,
    key: String,
}

impl Reader {
    /// The person whose key this is; `None` for a key that is unknown, revoked, or the ledger's own.
    pub fn of_key(name: &str, world: &World) -> Option<Self> {
        let key = world.key(name).filter(|key| key.revoked_at.is_none())?;
        let person = key.person.as_ref().filter(|person| world.has_person(person))?;
        Some(Self { person: person.clone(), key: name.to_owned() })
    }

    /// The person.
    pub fn person(&self) -> &StreamId {
        &self.person
    }

    /// Name of the key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Whether the key is still live and still this person's.
    pub fn is_current(&self, world: &World) -> bool {
        Self::of_key(&self.key, world).is_some_and(|reader| reader.person == self.person)
    }
}

/// One tier of one statement, as something to be read.
#[derive(Clone, Copy, Debug)]
pub struct Matter<'a> {
    /// Stream of the statement.
    pub stream: &'a StreamId,
    /// Its revision there.
    pub revision: u64,
    /// Its kind.
    pub kind: &'static Kind,
    /// The organization in whose name it was said.
    pub org: &'a str,
    /// The tier.
    pub tier: Tier,
    /// Persons whom it is about, from [`Kind::concerns`].
    pub concerns: &'a [StreamId],
    /// The person who said it; `None` for what the ledger took down for somebody without a key.
    pub author: Option<&'a StreamId>,
}

impl<'a> Matter<'a> {
    /// One tier of a statement that is at hand; whoever signed it first said it.
    pub fn of(
        statement: &'a Statement,
        (kind, tier): (&'static Kind, Tier),
        concerns: &'a [StreamId],
        world: &'a World,
    ) -> Self {
        let signer = statement.signers.first().and_then(|signer| world.key(&signer.key));
        Self {
            stream: &statement.stream,
            revision: statement.revision,
            kind,
            org: &statement.org,
            tier,
            concerns,
            author: signer.and_then(|key| key.person.as_ref()),
        }
    }
}

/// Leave to read one tier of one statement. Only [`clear`] makes one.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub struct Clearance {
    reader: Reader,
    purpose: Purpose,
    stream: StreamId,
    revision: u64,
    tier: Tier,
}

impl Clearance {
    /// Who reads.
    pub fn reader(&self) -> &Reader {
        &self.reader
    }

    /// Why, as it is going to be recorded.
    pub fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// Stream of the statement.
    pub fn stream(&self) -> &StreamId {
        &self.stream
    }

    /// Revision of the statement.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The tier.
    pub fn tier(&self) -> Tier {
        self.tier
    }

    /// Whether it is for this tier of this statement. A clearance for one matter opens no other.
    pub fn is_for(&self, stream: &StreamId, revision: u64, tier: Tier) -> bool {
        self.stream == *stream && self.revision == revision && self.tier == tier
    }
}

/// Decides whether somebody may read something for a purpose. `None`: it does not exist for them.
pub fn clear(reader: &Reader, purpose: Purpose, matter: &Matter<'_>, world: &World) -> Option<Clearance> {
    if !reader.is_current(world) || !reads(&reader.person, purpose, matter, world) {
        return None;
    }
    Some(Clearance {
        reader: reader.clone(),
        purpose,
        stream: matter.stream.clone(),
        revision: matter.revision,
        tier: matter.tier,
    })
}

/// The rules, for a person whose key is live.
fn reads(person: &StreamId, purpose: Purpose, matter: &Matter<'_>, world: &World) -> bool {
    match matter.tier {
        Tier::Public => true,
        // Before every role and before authorship: nobody handles or watches what is said about them.
        _ if matter.concerns.contains(person) => false,
        Tier::Members => true,
        Tier::Unit => belongs(person, matter.org, world) || sees_as(person, matter.org, world, |_| true),
        Tier::Named => {
            matter.author == Some(person)
                || sees_as(person, matter.org, world, |role| matter.kind.named_readers.contains(&role))
                || purpose == Purpose::Inspection && sees_as(person, matter.org, world, |role| role == Role::Inspector)
        }
    }
}

/// Decides whether somebody may learn what the ballots of a tally add up to: who organizes, supervises or inspects it, and
/// nobody before it is closed. Single ballots are for nobody ([`clear`]).
pub fn counts(reader: &Reader, tally: &Tally, world: &World) -> bool {
    tally.window.ended && sums(reader, &tally.window.org, world)
}

/// Decides whether somebody may learn what things add up to that nobody reads one by one, such as ratings of an
/// organization's pledges: who publishes for it, supervises or inspects it.
pub fn sums(reader: &Reader, org: &str, world: &World) -> bool {
    let may = |role| matches!(role, Role::Publisher | Role::Supervisor | Role::Inspector);
    reader.is_current(world) && sees_as(&reader.person, org, world, may)
}

/// Whether a person was registered at the organization, above it, or below it.
fn belongs(person: &StreamId, org: &str, world: &World) -> bool {
    world.person_org(person).is_some_and(|at| world.is_within(at, org) || world.is_within(org, at))
}

/// Whether a person holds a role that the rule accepts, at the organization or above it.
fn sees_as(person: &StreamId, org: &str, world: &World, accepted: impl Fn(Role) -> bool) -> bool {
    let mut roles = Role::ALL.iter().copied().filter(|role| !BLIND.contains(role) && accepted(*role));
    roles.any(|role| world.holds(person, role, Some(org)))
}

/// Decides whether somebody may have an overview of an organization and what is below it: whoever holds a role there or
/// above that reads anything. What the overview then counts is cleared matter by matter.
pub fn oversees(reader: &Reader, org: &str, world: &World) -> bool {
    reader.is_current(world) && sees_as(&reader.person, org, world, |_| true)
}

/// The organizations at the top of what somebody oversees, in the order of their codes; none lies below another.
pub fn overseen(reader: &Reader, world: &World) -> Vec<String> {
    let grants = world.grants(&reader.person).iter().filter(|grant| !BLIND.contains(&grant.role));
    let mut tops: Vec<&str> = Vec::new();
    for grant in grants {
        match &grant.org {
            Some(org) => tops.push(org),
            None => tops.extend(world.organizations().filter(|(_, org)| org.parent.is_none()).map(|(code, _)| code)),
        }
    }
    tops.retain(|org| oversees(reader, org, world));
    tops.sort_unstable();
    tops.dedup();
    let below = |org: &str| tops.iter().any(|top| *top != org && world.is_within(org, top));
    tops.iter().filter(|org| !below(org)).map(|org| (*org).to_owned()).collect()
}

/// Who may call an endpoint of the internal side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Callers {
    /// Whoever reaches the listener: what they send carries its own signatures, or they are about to sign in.
    Anyone,
    /// Everybody who is signed in.
    SignedIn,
    /// Holders of one of these roles, at whichever organization; what they see there is decided matter by matter.
    Holding(&'static [Role]),
}

impl Callers {
    /// Decides whether somebody may call; `None` is somebody who is not signed in.
    pub fn admit(self, reader: Option<&Reader>, world: &World) -> bool {
        let reader = reader.filter(|reader| reader.is_current(world));
        match (self, reader) {
            (Self::Anyone, _) | (Self::SignedIn, Some(_)) => true,
            (Self::Holding(roles), Some(reader)) => {
                world.grants(&reader.person).iter().any(|grant| roles.contains(&grant.role))
            }
            (_, None) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use gongkai_log::{KeyKind, SigningKey};

    use super::*;
    use crate::{
        field::{Field, Place, Shape},
        kind::{self, registry::Level, sample_stream, sealed_stream},
        world::{Grant, Organization},
    };

    const COUNTY: &str = "341599";
    const TOWN: &str = "341599101";
    const VILLAGE: &str = "341599101201";
    const OTHER_TOWN: &str = "341599102";

    /// A county with two towns and a village in the first; 1..=9 are people registered in the other town.
    fn county() -> World {
        let mut world = World::default();
        let levels = [(COUNTY, None), (TOWN, Some(COUNTY)), (VILLAGE, Some(TOWN)), (OTHER_TOWN, Some(COUNTY))];
        for (number, (code, parent)) in (1..).zip(levels) {
            let stream = sample_stream("organization", number).parse().unwrap();
            let parent = parent.map(str::to_owned);
            world.add_organization(code.into(), Organization { stream, level: Level::Village, parent, ended: None });
        }
        for number in 1..10 {
            register(&mut world, number, OTHER_TOWN);
        }
        world
    }

    fn person(number: u64) -> StreamId {
        sample_stream("person", number).parse().unwrap()
    }

    fn key_stream(number: u64) -> StreamId {
        sample_stream("key", number).parse().unwrap()
    }

    fn register(world: &mut World, number: u64, org: &str) {
        let seed = [u8::try_from(number).unwrap(); 32];
        let key = SigningKey::from_seed(&key_name(number), KeyKind::Ed25519, seed).unwrap();
        world.add_person(person(number), org.into());
        world.add_key_of_stream(key.verifier(), person(number), 0, key_stream(number));
    }

    fn key_name(number: u64) -> String {
        format!("person{number}.example/1")
    }

    fn grant(world: &mut World, number: u64, role: Role, org: Option<&str>) -> StreamId {
        let stream: StreamId = sample_stream("role", number * 100 + role as u64).parse().unwrap();
        world.grant(person(number), Grant { stream: stream.clone(), role, org: org.map(str::to_owned) });
        stream
    }

    fn reader(world: &World, number: u64) -> Reader {
        Reader::of_key(&key_name(number), world).unwrap()
    }

    /// A sealed kind whose tier `named` the publisher reads.
    fn handled() -> &'static Kind {
        const FIELDS: &[Field] = &[Field {
            name: "text",
            label: "正文",
            place: Place::Slot(Tier::Named),
            shape: Shape::Text(500),
            required: true,
        }];
        const HANDLED: Kind = {
            let mut kind = Kind::of::<kind::access::Read>();
            kind.name = "test.handled.v1";
            kind.fields = FIELDS;
            kind.named_readers = &[Role::Publisher, Role::Registrar, Role::Operator];
            kind
        };
        &HANDLED
    }

    /// Asks for a tier of a statement of the village, about person 8, said by person 9.
    fn asks(world: &World, number: u64, purpose: Purpose, tier: Tier, kind: &'static Kind) -> bool {
        let stream = sealed_stream("letter", 1).parse().unwrap();
        let (concerns, author) = ([person(8)], person(9));
        let matter = Matter {
            stream: &stream,
            revision: 0,
            kind,
            org: VILLAGE,
            tier,
            concerns: &concerns,
            author: Some(&author),
        };
        let cleared = clear(&reader(world, number), purpose, &matter, world);
        assert!(cleared.iter().all(|cleared| cleared.is_for(&stream, 0, tier)));
        cleared.is_some()
    }

    fn handles(world: &World, number: u64, tier: Tier) -> bool {
        asks(world, number, Purpose::Handling, tier, handled())
    }

    fn inspects(world: &World, number: u64, tier: Tier) -> bool {
        asks(world, number, Purpose::Inspection, tier, handled())
    }

    #[test]
    fn a_registered_person_reads_what_is_open_to_members_and_nothing_narrower() {
        let world = county();
        assert!(handles(&world, 1, Tier::Members));
        assert!(!handles(&world, 1, Tier::Unit) && !handles(&world, 1, Tier::Named));
    }

    #[test]
    fn a_unit_is_the_organization_what_is_above_it_and_what_is_below_it() {
        let mut world = county();
        for (number, org, sees) in [(21, VILLAGE, true), (22, TOWN, true), (23, COUNTY, true), (24, OTHER_TOWN, false)]
        {
            register(&mut world, number, org);
            assert_eq!(handles(&world, number, Tier::Unit), sees, "{org}");
        }
        let stream = sealed_stream("review", 1).parse().unwrap();
        let matter = Matter {
            stream: &stream,
            revision: 0,
            kind: handled(),
            org: TOWN,
            tier: Tier::Unit,
            concerns: &[],
            author: None,
        };
        assert!(clear(&reader(&world, 21), Purpose::Handling, &matter, &world).is_some(), "a villager of the town's");
    }

    #[test]
    fn a_role_that_covers_the_unit_reads_it_and_one_beside_it_does_not() {
        let mut world = county();
        grant(&mut world, 1, Role::Supervisor, Some(TOWN));
        grant(&mut world, 2, Role::Supervisor, Some(OTHER_TOWN));
        assert!(handles(&world, 1, Tier::Unit));
        assert!(!handles(&world, 2, Tier::Unit));
    }

    #[test]
    fn what_is_for_named_people_is_read_by_the_kinds_readers_here_or_above() {
        let mut world = county();
        grant(&mut world, 1, Role::Publisher, Some(VILLAGE));
        grant(&mut world, 2, Role::Publisher, Some(COUNTY));
        grant(&mut world, 3, Role::Publisher, Some(OTHER_TOWN));
        grant(&mut world, 4, Role::Reviewer, Some(VILLAGE));
        let seen: Vec<bool> = (1..=4).map(|number| handles(&world, number, Tier::Named)).collect();
        assert_eq!(seen, [true, true, false, false]);
    }

    #[test]
    fn an_inspector_reads_for_inspection_and_for_nothing_else() {
        let mut world = county();
        grant(&mut world, 1, Role::Inspector, Some(TOWN));
        assert!(inspects(&world, 1, Tier::Named));
        for purpose in [Purpose::Handling, Purpose::Review, Purpose::Request] {
            assert!(!asks(&world, 1, purpose, Tier::Named, handled()), "{purpose:?}");
        }
    }

    #[test]
    fn an_inspector_reads_nothing_outside_their_subtree() {
        let mut world = county();
        grant(&mut world, 1, Role::Inspector, Some(OTHER_TOWN));
        assert!(!inspects(&world, 1, Tier::Unit) && !inspects(&world, 1, Tier::Named));
    }

    #[test]
    fn saying_inspection_makes_nobody_an_inspector() {
        let mut world = county();
        grant(&mut world, 1, Role::Reviewer, Some(VILLAGE));
        assert!(!inspects(&world, 1, Tier::Named));
    }

    #[test]
    fn an_author_reads_their_own_matters() {
        let world = county();
        assert!(handles(&world, 9, Tier::Named));
        assert!(!handles(&world, 9, Tier::Unit), "whose unit it is not");
    }

    #[test]
    fn an_official_reads_nothing_that_is_said_about_them_whatever_their_roles() {
        let mut world = county();
        for role in [Role::Publisher, Role::Inspector, Role::Approver] {
            grant(&mut world, 8, role, Some(COUNTY));
        }
        for tier in [Tier::Members, Tier::Unit, Tier::Named] {
            for purpose in Purpose::ALL {
                assert!(!asks(&world, 8, *purpose, tier, handled()), "{tier} {purpose:?}");
            }
        }
        assert!(handles(&world, 8, Tier::Public));
    }

    #[test]
    fn an_author_whom_their_own_statement_concerns_does_not_read_it_here() {
        let world = county();
        let (stream, own) = (sealed_stream("letter", 2).parse().unwrap(), person(1));
        let matter = Matter {
            stream: &stream,
            revision: 0,
            kind: handled(),
            org: VILLAGE,
            tier: Tier::Named,
            concerns: std::slice::from_ref(&own),
            author: Some(&own),
        };
        assert_eq!(clear(&reader(&world, 1), Purpose::Request, &matter, &world), None);
    }

    #[test]
    fn an_overview_begins_where_somebody_holds_a_role_that_reads_and_goes_down_from_there() {
        let mut world = county();
        grant(&mut world, 1, Role::Approver, Some(TOWN));
        grant(&mut world, 1, Role::Reviewer, Some(VILLAGE));
        grant(&mut world, 1, Role::Publisher, Some(OTHER_TOWN));
        grant(&mut world, 2, Role::Operator, Some(COUNTY));
        grant(&mut world, 3, Role::Registrar, None);
        grant(&mut world, 4, Role::Inspector, None);
        assert_eq!(overseen(&reader(&world, 1), &world), [TOWN, OTHER_TOWN], "the village is in its town");
        assert!(overseen(&reader(&world, 2), &world).is_empty() && overseen(&reader(&world, 3), &world).is_empty());
        assert_eq!(overseen(&reader(&world, 4), &world), [COUNTY]);
        let secretary = reader(&world, 1);
        let seen = [COUNTY, TOWN, VILLAGE, OTHER_TOWN].map(|org| oversees(&secretary, org, &world));
        assert_eq!(seen, [false, true, true, true]);
        world.revoke_key_of_stream(&key_stream(1), 7);
        assert!(!oversees(&secretary, TOWN, &world) && overseen(&secretary, &world).is_empty());
    }

    #[test]
    fn registrars_and_operators_read_no_contents_even_where_a_kind_names_them() {
        let mut world = county();
        grant(&mut world, 1, Role::Registrar, None);
        grant(&mut world, 2, Role::Operator, Some(COUNTY));
        for (number, tier) in [(1, Tier::Unit), (1, Tier::Named), (2, Tier::Unit), (2, Tier::Named)] {
            assert!(!handles(&world, number, tier) && !inspects(&world, number, tier), "{number} {tier}");
        }
    }

    #[test]
    fn two_roles_of_one_person_add_up_and_one_withdrawn_leaves_the_other() {
        let mut world = county();
        grant(&mut world, 1, Role::Inspector, Some(COUNTY));
        let publisher = grant(&mut world, 1, Role::Publisher, Some(VILLAGE));
        assert!(handles(&world, 1, Tier::Named) && inspects(&world, 1, Tier::Named));
        world.withdraw_grant(&publisher);
        assert!(!handles(&world, 1, Tier::Named) && inspects(&world, 1, Tier::Named));
    }

    #[test]
    fn a_role_withdrawn_a_second_ago_is_gone() {
        let mut world = county();
        let role = grant(&mut world, 1, Role::Publisher, Some(VILLAGE));
        let signed_in = reader(&world, 1);
        let holding = Callers::Holding(&[Role::Publisher]);
        assert!(handles(&world, 1, Tier::Named) && holding.admit(Some(&signed_in), &world));
        world.withdraw_grant(&role);
        assert!(!handles(&world, 1, Tier::Named) && !holding.admit(Some(&signed_in), &world));
    }

    #[test]
    fn a_revoked_key_reads_nothing_and_calls_nothing_even_for_who_signed_in_before() {
        let mut world = county();
        grant(&mut world, 1, Role::Publisher, Some(VILLAGE));
        let signed_in = reader(&world, 1);
        world.revoke_key_of_stream(&key_stream(1), 7);
        assert_eq!(Reader::of_key(&key_name(1), &world), None);
        let stream = sealed_stream("letter", 1).parse().unwrap();
        for tier in Tier::ALL {
            let matter = Matter {
                stream: &stream,
                revision: 0,
                kind: handled(),
                org: VILLAGE,
                tier,
                concerns: &[],
                author: Some(&signed_in.person),
            };
            assert_eq!(clear(&signed_in, Purpose::Handling, &matter, &world), None, "{tier}");
        }
        assert!(!Callers::SignedIn.admit(Some(&signed_in), &world));
        assert!(Callers::Anyone.admit(Some(&signed_in), &world));
    }

    #[test]
    fn an_unknown_key_and_the_ledgers_own_are_nobodys() {
        let mut world = county();
        let log = SigningKey::from_seed("ledger.example/test", KeyKind::Ed25519, [99; 32]).unwrap();
        world.add_key(log.verifier(), None, 0);
        assert_eq!(Reader::of_key("ledger.example/test", &world), None);
        assert_eq!(Reader::of_key("nobody.example/1", &world), None);
    }

    #[test]
    fn who_read_what_is_read_by_inspectors_of_the_subtree_and_by_the_reader_alone() {
        let mut world = county();
        let access = kind::find("access.recorded.v1").unwrap();
        assert!(access.slot_fields().all(|(_, tier)| tier == Tier::Named), "so one rule decides all of it");
        for (number, role) in (1..).zip(Role::ALL.iter().filter(|role| !role.is_ledger())) {
            grant(&mut world, number, *role, Some(COUNTY));
            let inspector = *role == Role::Inspector;
            assert_eq!(asks(&world, number, Purpose::Inspection, Tier::Named, access), inspector, "{role:?}");
            assert!(!asks(&world, number, Purpose::Handling, Tier::Named, access), "{role:?}");
        }
        assert!(asks(&world, 9, Purpose::Request, Tier::Named, access));
    }

    #[test]
    fn a_clearance_is_for_one_tier_of_one_statement() {
        let world = county();
        let (stream, other) =
            (sealed_stream("letter", 1).parse().unwrap(), sealed_stream("letter", 2).parse().unwrap());
        let matter = Matter {
            stream: &stream,
            revision: 3,
            kind: handled(),
            org: VILLAGE,
            tier: Tier::Members,
            concerns: &[],
            author: None,
        };
        let cleared = clear(&reader(&world, 1), Purpose::Request, &matter, &world).unwrap();
        assert!(cleared.is_for(&stream, 3, Tier::Members));
        assert!(!cleared.is_for(&other, 3, Tier::Members));
        assert!(!cleared.is_for(&stream, 2, Tier::Members));
        assert!(!cleared.is_for(&stream, 3, Tier::Named));
        assert_eq!((cleared.reader().person(), cleared.purpose()), (&person(1), Purpose::Request));
    }

    #[test]
    fn a_call_needs_what_its_endpoint_says() {
        let mut world = county();
        grant(&mut world, 1, Role::Inspector, Some(OTHER_TOWN));
        let (inspector, member) = (reader(&world, 1), reader(&world, 2));
        let holding = Callers::Holding(&[Role::Inspector, Role::Reviewer]);
        assert!(holding.admit(Some(&inspector), &world));
        assert!(!holding.admit(Some(&member), &world) && !holding.admit(None, &world));
        assert!(Callers::SignedIn.admit(Some(&member), &world) && !Callers::SignedIn.admit(None, &world));
        assert!(Callers::Anyone.admit(None, &world));
    }

    #[test]
    fn ballots_are_counted_after_the_end_by_whoever_organizes_supervises_or_inspects_and_by_nobody_else() {
        let mut world = county();
        grant(&mut world, 1, Role::Publisher, Some(VILLAGE));
        grant(&mut world, 2, Role::Supervisor, Some(VILLAGE));
        let watch = grant(&mut world, 3, Role::Inspector, Some(COUNTY));
        grant(&mut world, 4, Role::Publisher, Some(OTHER_TOWN));
        for (number, role) in [(5, Role::Registrar), (6, Role::Operator), (7, Role::Reviewer)] {
            grant(&mut world, number, role, Some(VILLAGE));
        }
        let day = chrono::NaiveDate::from_ymd_opt(2026, 3, 1).unwrap();
        let window = crate::matters::Window { org: VILLAGE.into(), opens_on: day, closes_on: day, ended: true };
        let ended = Tally { window, options_count: 2, choices_max: 1, credentials: gongkai_log::Digest::ZERO };
        let may = |world: &World, tally: &Tally| -> Vec<u64> {
            (1..10).filter(|number| counts(&reader(world, *number), tally, world)).collect()
        };
        assert_eq!(may(&world, &ended), [1, 2, 3]);
        let mut open = ended.clone();
        open.window.ended = false;
        assert!(may(&world, &open).is_empty(), "nobody sees how it stands");
        world.withdraw_grant(&watch);
        assert_eq!(may(&world, &ended), [1, 2]);
    }
}
