//! Tallies (民主评议、推荐投票): opened, cast, closed, counted. It does not claim to be a secret-ballot election.
//!
//! Who may cast is shown by a credential, not by a name. The organizer makes as many random codes as people are
//! eligible, prints each on a slip, and people draw the slips unseen, as they would draw lots: nobody knows who has
//! which. A code of 80 bits gives the credential ([`slip_credential`]). What opens the tally commits to the credentials'
//! hashes by the root of a tree and publishes the hashes as an attachment ([`hashes_text`]); a ballot shows, sealed, its
//! credential and the path to that root ([`credential_hash`], [`credentials_root`]). The ballot's stream is named by
//! the credential ([`ballot_stream`]), so a second ballot with the same one is the same stream and is refused by
//! continuity; no list of who has voted exists anywhere, and the public log never holds a code.
//!
//! What this does not do: whoever made the codes could cast with those that nobody uses, so the teller (监票人)
//! co-signs opening and counts, the number of codes is public, and whoever finds a code used up has proof of it.
//! Whoever holds the vault's key reads ballots with their codes, though not with names. A receipt says that a
//! ballot is in, never what it says; nobody reads single ballots here.
//!
//! The counts name a root over the accepted ballots' statement hashes ([`ballots_root`]): with the path that goes
//! with a receipt ([`ballot_path`]), each voter proves that their ballot was counted among so many. They are made from
//! the ballots by [`count`], and the audit of what is sealed makes them again.

use chrono::NaiveDate;
use gongkai_log::{Digest, StreamId, Tier, sealed};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{PUBLISHER, Payload, intake, payload, sample_stream};
use crate::{
    event::{Context, Proposal, Recorded},
    field::{Attachment, Column, Field, FieldType, ListRule, ListShape, Place, Shape, TallyId, choices},
    matters::{Tally, Window},
    refusal::Refusal,
    world::{Role, World},
};

/// Most credentials of one tally: the leaves of their tree, whose depth is fixed.
pub const CREDENTIALS_MAX: usize = sealed::PERIOD_LEAVES;

/// Fewest accepted ballots whose counts are published (confidentiality.md §4).
pub const BALLOTS_COUNTED_MIN: u64 = 5;

const SLIP_CONTEXT: &str = "gongkai 2026 tally slip v1";
const CREDENTIAL_CONTEXT: &str = "gongkai 2026 tally credential v1";
const STREAM_CONTEXT: &str = "gongkai 2026 tally ballot stream v1";

choices! {
    /// What is tallied.
    Purpose { Appraisal = "appraisal" "民主评议", Recommendation = "recommendation" "推荐投票" }
}

/// What can be chosen.
pub const OPTIONS: ListShape = ListShape {
    name: "options",
    label: "选项",
    columns: &[
        Column { name: "option", label: "选项", shape: Shape::Text(200), required: true, tier: Tier::Public },
        Column { name: "note", label: "说明", shape: Shape::Text(1000), required: false, tier: Tier::Public },
    ],
};

/// One hash on the way to the root.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Step {
    /// The neighbour's hash.
    pub hash: Digest,
}

impl FieldType for Vec<Step> {
    const SHAPE: Shape = Shape::Records(&[Field {
        name: "hash",
        label: "哈希值",
        place: Place::Body,
        shape: Shape::Hash,
        required: true,
    }]);
}

/// Votes for one option.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// Line of the option, from 0.
    pub option: u64,
    /// Votes.
    pub votes: u64,
}

impl FieldType for Vec<Count> {
    const SHAPE: Shape = Shape::Records(&[
        Field { name: "option", label: "选项行号", place: Place::Body, shape: Shape::Count, required: true },
        Field { name: "votes", label: "票数", place: Place::Body, shape: Shape::Count, required: true },
    ]);
}

payload! {
    /// A tally is opened; the teller co-signs the number and the root of the credentials.
    Opened = "tally.opened.v1" "发起评议投票";
    body {
        purpose: Purpose = "类型",
        opens_on: NaiveDate = "投票开始",
        closes_on: NaiveDate = "投票截止",
        eligible: u64 = "发出票码数",
        credentials: Digest = "票码哈希树根",
        choices_max: u64 = "最多选项数",
        slips: Option<Vec<Attachment>> = "票码哈希清单",
    }
    slots {
        title: Public Text(300) required = "标题",
        text: Public Text(8000) optional = "说明",
        teller: Public Text(100) optional = "监票人",
    }
    list ListRule::One { shape: &OPTIONS, required: true };
    authors PUBLISHER;
}

payload! {
    /// A ballot. Its stream is named by its credential.
    Cast = "tally.cast.v1" "投票";
    sealed {
        tally: TallyId, Named = "评议投票",
        credential: Digest, Named = "票码",
        place: u64, Named = "票码序号",
        path: Vec<Step>, Named = "票码证明",
        choices: Vec<u64>, Named = "所选行号",
    }
    slots {}
    authors &[Role::Intake];
}

payload! {
    /// The tally is closed.
    Closed = "tally.closed.v1" "投票截止";
    body { closed_on: NaiveDate = "截止日期" }
    slots { note: Public Text(1000) optional = "说明" }
    list ListRule::None;
    authors PUBLISHER;
}

payload! {
    /// The counts, co-signed by the teller, with the root over all accepted ballots.
    Published = "tally.published.v1" "公布票数";
    body {
        accepted: u64 = "有效票数",
        ballots: Digest = "选票哈希树根",
        counts: Option<Vec<Count>> = "各选项票数",
    }
    slots { note: Public Text(2000) optional = "说明" }
    list ListRule::None;
    authors PUBLISHER;
}

/// State of a tally.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// Code of the organization.
    pub org: String,
    /// Last day of the window.
    pub closes_on: Option<NaiveDate>,
    /// How many credentials were given out.
    pub eligible: u64,
    /// How many options there are.
    pub options_count: u64,
    /// Most options on one ballot.
    pub choices_max: u64,
    /// Whether it was closed.
    pub closed: bool,
    /// Whether the counts were published.
    pub published: bool,
}

/// State of a ballot: that there is one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ballot;

fn derived(context: &str, tally: &StreamId, credential: &Digest) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key(context);
    hasher.update(tally.id.as_bytes()).update(credential.as_bytes());
    *hasher.finalize().as_bytes()
}

/// The credential that a slip's code stands for: 16 letters and digits in groups of four.
pub fn slip_credential(tally: &StreamId, code: &str) -> Digest {
    let mut hasher = blake3::Hasher::new_derive_key(SLIP_CONTEXT);
    hasher.update(tally.id.as_bytes()).update(code.as_bytes());
    Digest::from_bytes(*hasher.finalize().as_bytes())
}

/// The hashes of all credentials as they are attached to what opens the tally: one a line, in the order of their places.
pub fn hashes_text(hashes: &[Digest]) -> String {
    let lines: Vec<String> = hashes.iter().map(ToString::to_string).chain([String::new()]).collect();
    lines.join("\n")
}

/// Reads what [`hashes_text`] wrote; `None` for anything else.
pub fn read_hashes(text: &str) -> Option<Vec<Digest>> {
    let hashes: Vec<Digest> = text.lines().map(|line| Digest::parse(line).ok()).collect::<Option<_>>()?;
    (hashes.len() <= CREDENTIALS_MAX && hashes_text(&hashes) == text).then_some(hashes)
}

/// Hash of a credential for one tally: a leaf under the root that opens the tally.
pub fn credential_hash(tally: &StreamId, credential: &Digest) -> Digest {
    Digest::from_bytes(derived(CREDENTIAL_CONTEXT, tally, credential))
}

/// The stream of the ballot with that credential: there is one only.
pub fn ballot_stream(tally: &StreamId, credential: &Digest) -> StreamId {
    let mut id = [0; 16];
    id.copy_from_slice(&derived(STREAM_CONTEXT, tally, credential)[..16]);
    StreamId { family: tally.family.clone(), id: uuid::Builder::from_random_bytes(id).into_uuid() }
}

/// All leaves of the tree; `None` when there are more credentials than it takes.
fn leaves(hashes: &[Digest]) -> Option<Vec<Digest>> {
    (hashes.len() <= CREDENTIALS_MAX).then(|| {
        let mut leaves = hashes.to_vec();
        leaves.resize(CREDENTIALS_MAX, Digest::ZERO);
        leaves
    })
}

/// Root over the hashes of all credentials, in the order of their places; `None` beyond [`CREDENTIALS_MAX`].
pub fn credentials_root(hashes: &[Digest]) -> Option<Digest> {
    sealed::period_root(&leaves(hashes)?).ok()
}

/// What a ballot shows for the credential at a place; `None` beyond the credentials.
pub fn credential_path(hashes: &[Digest], place: usize) -> Option<Vec<Digest>> {
    if place < hashes.len() { sealed::period_path(&leaves(hashes)?, place).ok() } else { None }
}

/// Root over the accepted ballots' statement hashes, sorted, so that their order tells nothing.
pub fn ballots_root(hashes: &[Digest]) -> Digest {
    gongkai_log::list::root(&sorted(hashes))
}

fn sorted(hashes: &[Digest]) -> Vec<Digest> {
    let mut hashes = hashes.to_vec();
    hashes.sort_unstable_by_key(|hash| *hash.as_bytes());
    hashes
}

/// Place of a ballot among the accepted ones and its path to [`ballots_root`]; `None` when it is not among them.
pub fn ballot_path(hashes: &[Digest], ballot: &Digest) -> Option<(u64, Vec<Digest>)> {
    let hashes = sorted(hashes);
    let place = hashes.iter().position(|hash| hash == ballot)?;
    Some((place as u64, gongkai_log::list::path(&hashes, place)))
}

/// What the accepted ballots add up to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Counted {
    /// How many ballots.
    pub accepted: u64,
    /// Root over their hashes.
    pub ballots: Digest,
    /// Votes of each option; of so few ballots that they would show who chose what, nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counts: Option<Vec<Count>>,
}

/// Counts ballots: of each its statement's hash and the options that it chose.
pub fn count(ballots: &[(Digest, Vec<u64>)], options_count: u64) -> Counted {
    let hashes: Vec<Digest> = ballots.iter().map(|(hash, _)| *hash).collect();
    let votes = |option| ballots.iter().filter(|(_, choices)| choices.contains(&option)).count() as u64;
    let accepted = ballots.len() as u64;
    let counts = (0..options_count).map(|option| Count { option, votes: votes(option) }).collect();
    let counts = (accepted >= BALLOTS_COUNTED_MIN).then_some(counts);
    Counted { accepted, ballots: ballots_root(&hashes), counts }
}

impl Payload for Opened {
    type State = State;
    const OPENS: bool = true;
    const TEACHES: bool = true;

    fn decide(&self, _: &State, proposal: &Proposal<'_>, _: &Context<'_>) -> Result<(), Refusal> {
        if self.closes_on < self.opens_on {
            return Err(Refusal::field("closes_on", "投票截止", "不能早于投票开始"));
        }
        if !(1..=CREDENTIALS_MAX as u64).contains(&self.eligible) {
            return Err(Refusal::field("eligible", "发出票码数", format!("应是 1 到 {CREDENTIALS_MAX}")));
        }
        let options = proposal.statement.body.get("count").and_then(Value::as_u64).unwrap_or(0);
        if !(1..=options).contains(&self.choices_max) {
            return Err(Refusal::field("choices_max", "最多选项数", format!("应是 1 到 {options}")));
        }
        proposal.signed_by(Role::Supervisor, 1, "评议投票须监票人（以监督人职责）共同签名")
    }

    fn evolve(self, _: State, event: &Recorded<'_>) -> State {
        State {
            org: event.statement.org.clone(),
            closes_on: Some(self.closes_on),
            eligible: self.eligible,
            options_count: event.lines_count(),
            choices_max: self.choices_max,
            ..State::default()
        }
    }

    fn learn(&self, world: &mut World, event: &Recorded<'_>) {
        let org = event.statement.org.as_str().into();
        let tally = Tally {
            window: Window { org, opens_on: self.opens_on, closes_on: self.closes_on, ended: false },
            options_count: event.lines_count(),
            choices_max: self.choices_max,
            credentials: self.credentials,
        };
        world.matters.add_tally(&event.statement.stream, tally);
    }

    fn sample() -> Value {
        json!({"kind": "tally.opened.v1", "org": "341599101201", "fields": {
            "purpose": "appraisal", "opens_on": "2026-03-01", "closes_on": "2026-03-05", "eligible": 38,
            "credentials": Digest::of(b"sample"), "choices_max": 1, "title": "村“两委”成员民主评议(虚构)",
            "teller": "洪文禾(虚构)", "lines": [{"option": "满意"}, {"option": "基本满意"}, {"option": "不满意"}]}})
    }
}

impl Cast {
    fn eligible(&self, tally: &Tally, proposal: &Proposal<'_>) -> Result<(), Refusal> {
        let refused = || Refusal::field("credential", "票码", "不是这次投票发出的票码");
        let place = usize::try_from(self.place).map_err(|_| refused())?;
        let path: Vec<Digest> = self.path.iter().map(|step| step.hash).collect();
        let hash = credential_hash(&self.tally.0, &self.credential);
        if place >= CREDENTIALS_MAX || !sealed::verify_period_path(&tally.credentials, place, &hash, &path) {
            return Err(refused());
        }
        if proposal.statement.stream != ballot_stream(&self.tally.0, &self.credential) {
            return Err(Refusal::field("stream", "事项编号", "选票的编号应由票码算出，一个票码只能投一次"));
        }
        Ok(())
    }
}

impl Payload for Cast {
    type State = Ballot;
    const OPENS: bool = true;
    const NAMED_READERS: &'static [Role] = &[];

    fn decide(&self, _: &Ballot, proposal: &Proposal<'_>, context: &Context<'_>) -> Result<(), Refusal> {
        let Some(tally) = context.world.matters.tally(&self.tally.0) else {
            return Err(Refusal::field("tally", "评议投票", "没有这次投票"));
        };
        if proposal.statement.org != *tally.window.org {
            return Err(Refusal::field("org", "机构", format!("投票由机构「{}」组织", tally.window.org)));
        }
        tally.window.admits(intake::handed_in_on(proposal, context), "这次投票")?;
        let mut chosen = self.choices.clone();
        chosen.sort_unstable();
        chosen.dedup();
        let fits = chosen.len() == self.choices.len() && (chosen.len() as u64) <= tally.choices_max;
        if !fits || chosen.iter().any(|line| *line >= tally.options_count) {
            let (options, most) = (tally.options_count, tally.choices_max);
            let reason = format!("共 {options} 个选项，行号从 0 起，最多选 {most} 个，不能重复");
            return Err(Refusal::field("choices", "所选行号", reason));
        }
        self.eligible(tally, proposal)
    }

    fn evolve(self, _: Ballot, _: &Recorded<'_>) -> Ballot {
        Ballot
    }

    fn sample() -> Value {
        let tally = StreamId { family: "tally".into(), id: Uuid::nil() };
        let code = Digest::of(b"slip 1");
        json!({"kind": "tally.cast.v1", "stream": ballot_stream(&tally, &code), "org": "341599101201", "fields": {
            "tally": sample_stream("tally", 1), "credential": code, "place": 0, "choices": [0],
            "path": [{"hash": Digest::of(b"neighbour")}]}})
    }
}

impl Payload for Closed {
    type State = State;
    const OPENS: bool = false;
    const TEACHES: bool = true;

    fn decide(&self, state: &State, proposal: &Proposal<'_>, context: &Context<'_>) -> Result<(), Refusal> {
        intake::in_hand(proposal, &state.org, context.world)?;
        if state.closed {
            return Err(Refusal::state("投票已经截止"));
        }
        if let Some(last) = state.closes_on.filter(|last| self.closed_on < *last) {
            return Err(Refusal::field("closed_on", "截止日期", format!("不能早于公告的截止日 {last}")));
        }
        proposal.happened_by_then(self.closed_on, "closed_on", "截止日期")
    }

    fn evolve(self, state: State, _: &Recorded<'_>) -> State {
        State { closed: true, ..state }
    }

    fn learn(&self, world: &mut World, event: &Recorded<'_>) {
        world.matters.change_tally(&event.statement.stream, |tally| tally.window.ended = true);
    }

    fn sample() -> Value {
        json!({"kind": "tally.closed.v1", "stream": sample_stream("tally", 1), "org": "341599101201",
            "fields": {"closed_on": "2026-03-05"}})
    }
}

impl Published {
    /// Whether it says what the ballots add up to, in whichever order the options are.
    pub fn is(&self, counted: &Counted) -> bool {
        let by_option = |counts: &Option<Vec<Count>>| {
            let mut counts = counts.clone();
            if let Some(counts) = &mut counts {
                counts.sort_unstable_by_key(|count| count.option);
            }
            counts
        };
        (self.accepted, self.ballots) == (counted.accepted, counted.ballots)
            && by_option(&self.counts) == by_option(&counted.counts)
    }

    /// Each option once, no more votes than the ballots allow; nothing of ballots so few that they show who
    /// chose what.
    fn sound(&self, state: &State) -> Result<(), Refusal> {
        let fault = |reason: &str| Err(Refusal::field("counts", "各选项票数", reason));
        let Some(counts) = &self.counts else {
            return if self.accepted < BALLOTS_COUNTED_MIN { Ok(()) } else { fault("必须填写") };
        };
        if self.accepted < BALLOTS_COUNTED_MIN {
            return fault("有效票不足五张，公布各选项票数会看出各人所选，只公布有效票数");
        }
        let options: std::collections::BTreeSet<u64> = counts.iter().map(|count| count.option).collect();
        if options.len() != counts.len() || !(0..state.options_count).eq(options) {
            return fault("每个选项应写一次，没有得票的写零");
        }
        if counts.iter().any(|count| count.votes > self.accepted) {
            return fault("一个选项的票数不能多于有效票数");
        }
        let votes = counts.iter().try_fold(0_u64, |sum, count| sum.checked_add(count.votes));
        let most = self.accepted.saturating_mul(state.choices_max);
        if votes.is_none_or(|votes| votes > most) {
            fault("票数合计多于有效票数所能投的")
        } else {
            Ok(())
        }
    }
}

impl Payload for Published {
    type State = State;
    const OPENS: bool = false;

    fn decide(&self, state: &State, proposal: &Proposal<'_>, context: &Context<'_>) -> Result<(), Refusal> {
        intake::in_hand(proposal, &state.org, context.world)?;
        if !state.closed {
            return Err(Refusal::state("投票还没有截止，不能公布票数"));
        }
        if state.published {
            return Err(Refusal::state("票数已经公布"));
        }
        if self.accepted > state.eligible {
            return Err(Refusal::field("accepted", "有效票数", format!("不能多于发出的 {} 个票码", state.eligible)));
        }
        self.sound(state)?;
        proposal.signed_by(Role::Supervisor, 1, "公布票数须监票人（以监督人职责）共同签名")
    }

    fn evolve(self, state: State, _: &Recorded<'_>) -> State {
        State { published: true, ..state }
    }

    fn sample() -> Value {
        json!({"kind": "tally.published.v1", "stream": sample_stream("tally", 1), "org": "341599101201", "fields": {
            "accepted": 35, "ballots": ballots_root(&[Digest::of(b"ballot")]), "counts": [
                {"option": 0, "votes": 24}, {"option": 1, "votes": 9}, {"option": 2, "votes": 2}]}})
    }
}
