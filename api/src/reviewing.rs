//! Where a review stands, as whoever acts in it has to know: its organization, its latest statement, what is next.
//!
//! [`Desk::standing`] is the one place that tells the head of a review's stream: from the vault of a ledger on this
//! machine, or from the internal side of one elsewhere, after signing in. Nothing of a draft's content is read
//! here; that goes through an access on record. What is next follows from the steps alone, because `decide` takes
//! them in their order only.

use gongkai_domain::command::Head;
use gongkai_domain::kind::registry::Level;
use gongkai_domain::procedure::{Procedure, Seat, Step};
use gongkai_domain::{Role, World, procedure};
use gongkai_log::{Digest, Statement, StreamId};
use gongkai_store::Ledger;
use gongkai_store::vault::OpenedEvent;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::cli::visit::Visit;
use crate::client::Hand;
use crate::outcome::Fault;

const RETURNED: &str = "review.returned.v1";
const DECISIONS: [&str; 2] = ["review.gate_passed.v1", "review.approved.v1"];

/// From where a review is seen.
pub enum Desk<'a> {
    /// On this machine.
    Here(&'a Ledger),
    /// Elsewhere, signed in.
    There(&'a Visit<'a>),
}

/// An organization that publishes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    /// Its code.
    pub code: String,
    /// Its level.
    pub level: Level,
    /// Codes of those above it, the nearest first.
    pub above: Vec<String>,
    /// The procedure that its statements pass.
    pub procedure: Procedure,
}

/// A review without its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The organization that publishes.
    pub body: Body,
    /// Its latest statement; unknown right after one was handed in.
    pub head: Option<Head>,
    /// The kinds of its statements, in their order.
    pub kinds: Vec<String>,
}

/// What a review waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// So many people have yet to take this step.
    Step(&'static Step, u64),
    /// That the author mends it.
    Returned,
    /// That it is published.
    Publication,
}

/// What the internal side tells of a review.
#[derive(Deserialize)]
struct Told {
    matter: Matter,
    events: Vec<Event>,
}

#[derive(Deserialize)]
struct Matter {
    org: String,
    /// Absent where an older ledger answers.
    #[serde(default)]
    procedure: Option<Procedure>,
}

#[derive(Deserialize)]
struct Event {
    kind: String,
    revision: u64,
    hash: Digest,
}

impl Desk<'_> {
    /// The person whose key this is.
    ///
    /// # Errors
    /// Nobody's, or no ledger answers.
    pub fn person(&self, key: &str) -> Result<StreamId, Fault> {
        let person = match self {
            Self::Here(ledger) => ledger.with_world(|world| world.key(key)?.person.clone()),
            Self::There(visit) => {
                let me = answer(&visit.get("/internal/api/v1/me")?)?;
                me["person"].as_str().and_then(|text| text.parse().ok())
            }
        };
        person.ok_or_else(|| Fault::no(key, "这把钥匙没有登记在任何人名下").mend("请登记人登记人员和钥匙"))
    }

    /// The role in which somebody may act for an organization, of those that are asked for; here the ledger finds it.
    ///
    /// # Errors
    /// No ledger answers.
    pub fn role(&self, body: &Body, wanted: &[Role]) -> Result<Option<Role>, Fault> {
        let Self::There(visit) = self else { return Ok(None) };
        let me = answer(&visit.get("/internal/api/v1/me")?)?;
        let held = |role: &Role| {
            me["roles"].as_array().into_iter().flatten().any(|held| {
                let at = held["org"].as_str();
                let covers = at.is_none_or(|at| at == body.code || body.above.iter().any(|above| above == at));
                held["role"].as_str() == Some(role.wire()) && covers
            })
        };
        Ok(wanted.iter().copied().find(held))
    }

    /// An organization.
    ///
    /// # Errors
    /// There is none, or no ledger answers.
    pub fn body(&self, code: &str) -> Result<Body, Fault> {
        let found = match self {
            Self::Here(ledger) => ledger.with_world(|world| {
                let above = world.chain(code).skip(1).map(str::to_owned).collect();
                Some((world.organization(code)?.level, above))
            }),
            Self::There(visit) => {
                let told = answer(&visit.get(&format!("/api/v1/organizations/{code}"))?)?;
                let above = told["ancestors"].as_array().into_iter().flatten().rev();
                let above = above.filter_map(|pair| pair[0].as_str().map(str::to_owned)).collect();
                told["level"].as_str().and_then(Level::from_wire).map(|level| (level, above))
            }
        };
        let (level, above) = found.ok_or_else(|| Fault::no(code, "没有登记这个机构"))?;
        Ok(Body { code: code.to_owned(), level, above, procedure: Procedure::of(level) })
    }

    /// Where a review stands.
    ///
    /// # Errors
    /// It does not exist, or not for whoever asks; no ledger answers.
    pub async fn standing(&self, review: &StreamId) -> Result<Standing, Fault> {
        let none = || Fault::no(review.to_string(), "没有这项审核，或不对您公开");
        if review.family != "review" {
            return Err(Fault::usage(review.to_string(), "不是审核编号，应以 review/ 开头"));
        }
        let (org, procedure, events) = match self {
            Self::Here(ledger) => {
                let reader = ledger.sealed_reader().ok_or_else(locked)?;
                let events = reader.stream(review).await.map_err(|error| Fault::failed("限阅库", &error))?;
                let opened: Vec<_> = events.into_iter().filter_map(|event| event.opened).collect();
                let submitted = opened.first().and_then(OpenedEvent::values);
                let procedure = submitted.and_then(|values| Procedure::from_wire(values.get("procedure")?.as_str()?));
                let signed = opened.into_iter().map(|opened| opened.signed);
                let events: Vec<_> = signed.map(|signed| (signed.statement, signed.hash)).collect();
                let org = events.first().map(|(statement, _)| statement.org.clone());
                let event =
                    |(statement, hash): (gongkai_log::Statement, Digest)| (statement.kind, statement.revision, hash);
                (org.ok_or_else(none)?, procedure, events.into_iter().map(event).collect::<Vec<_>>())
            }
            Self::There(visit) => {
                let told = visit.get(&format!("/internal/api/v1/matters/{review}?purpose=review"))?;
                let told: Told =
                    serde_json::from_str(&told).map_err(|error| Fault::failed(review.to_string(), &error))?;
                let events = told.events.into_iter().map(|event| (event.kind, event.revision, event.hash));
                (told.matter.org, told.matter.procedure, events.collect())
            }
        };
        let head = events.last().map(|(_, revision, hash)| Head { revision: *revision, hash: *hash });
        let kinds = events.iter().map(|(kind, _, _)| kind.clone()).collect();
        let body = self.body(&org)?;
        // What is published in place of a village passes other gates than its own.
        let procedure = procedure.unwrap_or(body.procedure);
        Ok(Standing { body: Body { procedure, ..body }, head: Some(head.ok_or_else(none)?), kinds })
    }
}

fn answer(text: &str) -> Result<Value, Fault> {
    serde_json::from_str(text).map_err(|error| Fault::failed("应答", &error))
}

/// What a sealed step needs and is not there.
pub fn locked() -> Fault {
    Fault::usage("限阅库", "没有打开，审核事项读不出来也写不进去")
        .mend("请先运行 gongkai vault init；已有限阅库的，在 gongkai.toml 写 vault_passphrase_file")
}

impl Body {
    /// The same with the procedure of one statement, which may be another where it is published in its place.
    #[must_use]
    pub fn publishing(self, statement: &Statement) -> Self {
        Self { procedure: Procedure::of_statement(self.level, statement), ..self }
    }

    /// Who takes a step, in Chinese.
    pub fn who(&self, step: &Step) -> String {
        let place = match (self.procedure.seat(step, self.level), self.above.first()) {
            (Seat::Own, _) => format!("{} 或其上级机构", self.code),
            (Seat::Above, Some(above)) => format!("上级机构 {above}"),
            (Seat::Above, None) => "上级机构".to_owned(),
        };
        format!("{place}的{}", step.role.label())
    }
}

impl Standing {
    /// As it stands after one more statement.
    #[must_use]
    pub fn after(mut self, kind: &str) -> Self {
        self.kinds.push(kind.to_owned());
        Self { head: None, ..self }
    }

    /// What it waits for.
    pub fn next(&self) -> Next {
        if self.kinds.iter().any(|kind| kind == RETURNED) {
            return Next::Returned;
        }
        let mut done = self.kinds.iter().filter(|kind| DECISIONS.contains(&kind.as_str())).count() as u64;
        for step in self.body.procedure.steps() {
            if done < step.people {
                return Next::Step(step, step.people - done);
            }
            done -= step.people;
        }
        Next::Publication
    }

    /// What is next, who does it and how, in Chinese.
    pub fn sentence(&self, review: &StreamId) -> String {
        match self.next() {
            Next::Step(step, people) => {
                let act = if step.gate == procedure::Gate::Approval { "approve" } else { "pass" };
                let (gate, who) = (step.gate.label(), self.body.who(step));
                format!("下一步：「{gate}」，还差 {people} 人，由 {who}办理\n    gongkai review … {act} {review}")
            }
            Next::Returned => "这项审核已退回，不能据以公开。下一步：送审人看退回原因，改好后另行送审\n    \
                               gongkai draft … --after 原送审稿 --out 新送审稿 命令文件"
                .to_owned(),
            Next::Publication => {
                let steps = self.body.procedure.steps().iter().filter(|step| step.cosigns);
                let signers: Vec<_> = steps.map(|step| format!("{} {} 人", step.role.label(), step.people)).collect();
                format!(
                    "审核、审批已走完。下一步：送审人公开，{}共同签名（由谁办理，就由谁签名）\n    \
                     gongkai publish … --cosign 私钥文件 送审稿",
                    signers.join("、")
                )
            }
        }
    }

    /// What is next, for programs.
    pub fn to_json(&self) -> Value {
        let next = match self.next() {
            Next::Step(step, people) => json!({"gate": step.gate.wire(), "role": step.role.wire(), "people": people,
                "seat": match self.body.procedure.seat(step, self.body.level) { Seat::Own => "own", Seat::Above => "above" }}),
            Next::Returned | Next::Publication => Value::Null,
        };
        let state = match self.next() {
            Next::Step(..) => "under_review",
            Next::Returned => "returned",
            Next::Publication => "complete",
        };
        json!({"org": self.body.code, "state": state, "next": next})
    }
}

/// Roles in which the co-signers of a publication sign: those that were named stand, the others fill the steps that
/// still lack somebody, in the order of the procedure; where the world is at hand, by the roles that they hold.
pub fn cosigner_roles(procedure: Procedure, hands: &[Hand], org: &str, world: Option<&World>) -> Vec<Role> {
    let mut wanted: Vec<_> = procedure
        .steps()
        .iter()
        .filter(|step| step.cosigns)
        .flat_map(|step| std::iter::repeat_n(step.role, usize::try_from(step.people).unwrap_or(0)))
        .collect();
    for role in hands.iter().filter_map(|hand| hand.role) {
        if let Some(place) = wanted.iter().position(|wanted| *wanted == role) {
            wanted.remove(place);
        }
    }
    let fits = |hand: &Hand, role: Role| {
        let person = world.and_then(|world| Some((world, world.key(hand.key.name())?.person.as_ref()?)));
        person.is_none_or(|(world, person)| world.holds(person, role, Some(org)))
    };
    let mut roles = Vec::with_capacity(hands.len());
    for hand in hands {
        roles.push(hand.role.unwrap_or_else(|| {
            let place = wanted.iter().position(|role| fits(hand, *role)).unwrap_or(0);
            if place < wanted.len() { wanted.remove(place) } else { Role::Approver }
        }));
    }
    roles
}
