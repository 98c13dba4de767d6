//! The audit of what is sealed: judged again by whoever holds the vault.
//!
//! Pure: rows, what opens them, and the world as of the entry are handed in, in the order of receipt; reading them is
//! the store's, and so is what needs the whole vault (gaps, orders of erasure, keys). The same functions judge here
//! that judged when it was recorded. What is public is judged in [`crate::audit`].
//!
//! A [`Finding`] names an entry or the number of a sealed event, and a field. It never tells content: no value, no
//! stream, key or person of a sealed event, nor a refusal's own sentence, which may hold one.
//!
//! Something that is not there is a finding unless its erasure or withdrawal is on record; a [`Problem`] says with
//! [`Lack`] what would excuse it. To add a finding, add a [`Category`] and the place that notices it.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use gongkai_log::{Digest, List, Opening, Openings, Row, SLOTS, SignedStatement, Statement, Tier, sealed, slot};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::{
    command::Head,
    envelope::Envelope,
    event::{Context, Proposal, State},
    field::{Column, choices},
    judge,
    kind::{self, Kind},
    refusal::Refusal,
    schedule::{self, Scheduled, standing},
    submission,
    vault::Opened,
};

choices! {
    /// What a finding about something sealed is about.
    Category {
        Commitment = "commitment" "内容与封存值不符",
        Missing = "missing" "限阅库缺少内容",
        Stray = "stray" "内容没有封存值",
        Sequence = "sequence" "封存事项缺号或次序不符",
        Key = "missing_key" "缺少数据密钥",
        Older = "vault_older" "限阅库比账本旧",
        Withheld = "withheld" "公开内容不在而没有撤下记录",
        Erasure = "erasure" "删除与条目不符",
        Rule = "rule" "违反规则",
        Review = "review" "审核不成立",
        Period = "period" "封存时段与事项不符",
        Promise = "promise" "承诺到期没有入账",
        Late = "late" "入账晚于承诺",
        Unjudged = "unjudged" "内容已删除，无法复核",
        Spare = "spare_keys" "没有用处的数据密钥",
        Opening = "overdue_opening" "到期未启封",
        Lost = "lost_in_recovery" "补回时已丢失",
    }
}

impl Category {
    /// Whether something is wrong; everything else is only remarked on.
    pub fn is_breach(self) -> bool {
        !matches!(self, Self::Late | Self::Unjudged | Self::Spare | Self::Opening | Self::Lost)
    }
}

/// One thing that the audit of what is sealed noticed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What it is about.
    pub category: Category,
    /// Entry at which it shows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry: Option<u64>,
    /// Number of the sealed event at which it shows, in the order of receipt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sealed_event: Option<u64>,
    /// Wire name of the field or number of the slot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// What was noticed, one plain Chinese sentence without content.
    pub sentence: String,
}

/// What is not there, and what would excuse it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lack {
    /// Something sealed: an erasure of its subject, on record after it.
    Sealed,
    /// So many slots that were open: withdrawals of so many.
    Slots(usize),
    /// Lines that were open: their withdrawal.
    Lines(BTreeSet<u64>),
    /// The opening of a slot of a sealed event, by its place in the log: that it was opened, or erased.
    Opening {
        /// Entry of the period.
        entry: u64,
        /// Leaf in the period's tree.
        leaf: u64,
        /// Slot.
        slot: u8,
    },
}

/// Something that is wrong with one statement or sealed event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What it is about.
    pub category: Category,
    /// Wire name of the field or number of the slot.
    pub field: Option<String>,
    /// What was noticed, without content.
    pub sentence: String,
    /// What would excuse it; `None` where nothing does.
    pub lack: Option<Lack>,
}

impl Problem {
    /// Something that nothing excuses.
    pub fn new(category: Category, sentence: impl Into<String>) -> Self {
        Self { category, field: None, sentence: sentence.into(), lack: None }
    }

    /// Names the field or slot.
    #[must_use]
    pub fn of(self, field: impl Into<String>) -> Self {
        Self { field: Some(field.into()), ..self }
    }

    /// Something that is not there.
    #[must_use]
    pub fn unless(self, lack: Lack) -> Self {
        Self { lack: Some(lack), ..self }
    }

    /// The finding at a public entry.
    pub fn at_entry(self, index: u64) -> Finding {
        let Self { category, field, sentence, .. } = self;
        Finding { category, entry: Some(index), sealed_event: None, field, sentence }
    }

    /// The finding at a sealed event.
    pub fn at_event(self, seq: u64) -> Finding {
        let Self { category, field, sentence, .. } = self;
        Finding { category, entry: None, sealed_event: Some(seq), field, sentence }
    }
}

/// What became of a row of the vault when it was opened.
#[derive(Clone, Debug)]
pub enum Content {
    /// It opens to its commitment.
    Open(Opened),
    /// Its data key is not there.
    NoKey,
    /// Its data key is there and does not open it, or opens something else.
    Bad,
}

/// A row of the vault: a sealed slot or cell.
#[derive(Clone, Debug)]
pub struct Held {
    /// Slot number; from 16 on a cell of the list.
    pub ordinal: u64,
    /// Line of the cell.
    pub line: Option<u64>,
    /// To whom it is disclosed.
    pub tier: Tier,
    /// The commitment that the row names.
    pub commitment: Digest,
    /// What it opens to.
    pub content: Content,
}

impl Held {
    fn spot(&self) -> String {
        match self.line {
            Some(line) => format!("line {line}"),
            None => format!("slot {}", self.ordinal),
        }
    }

    /// The opening of a slot.
    fn opening(&self) -> Option<Opening> {
        let (Content::Open(Opened { salt, name, value }), None) = (&self.content, self.line) else { return None };
        let slot = u8::try_from(self.ordinal).ok()?;
        Some(Opening { slot, salt: *salt, tier: self.tier, name: name.clone(), value: value.clone() })
    }

    fn problem(&self) -> Option<Problem> {
        match self.content {
            Content::Open(_) => None,
            Content::NoKey => {
                let problem = Problem::new(Category::Key, "限阅库里没有打开它的数据密钥，也没有删除记录");
                Some(problem.of(self.spot()).unless(Lack::Sealed))
            }
            Content::Bad => {
                Some(Problem::new(Category::Commitment, "打不开，或打开的不是当日封存的内容").of(self.spot()))
            }
        }
    }
}

/// The openings of the slots that could be opened.
pub fn openings(held: &[Held]) -> Vec<Opening> {
    held.iter().filter_map(Held::opening).collect()
}

/// What the vault wrote down of a statement when it sealed it: without that an empty slot and one whose row was taken
/// away look alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inventory {
    /// The statement is from before the vault.
    Before,
    /// It was lost with the vault that wrote it, on record: the statement was brought back from a copy.
    Lost,
    /// There is none, and there must be one.
    Missing,
    /// It is not what the vault wrote.
    Changed,
    /// The slots that were sealed, a bit each, slot 0 the lowest.
    Slots(u16),
}

impl Inventory {
    /// Compares it with what is held; whether something is missing.
    fn compare(self, held: &[Held], problems: &mut Vec<Problem>) -> bool {
        let slots = match self {
            Self::Before | Self::Lost => return false,
            Self::Missing => {
                let problem = Problem::new(Category::Missing, "封存清单不在，看不出封存的内容有没有被取走");
                problems.push(problem.of("inventory"));
                return false;
            }
            Self::Changed => {
                problems.push(Problem::new(Category::Commitment, "封存清单不是当日写下的").of("inventory"));
                return false;
            }
            Self::Slots(slots) => slots,
        };
        let mut lacks = false;
        for slot in 0..SLOTS {
            let was = slots >> slot & 1 == 1;
            let is = held.iter().any(|held| held.line.is_none() && held.ordinal == slot as u64);
            if was && !is {
                lacks = true;
                let problem = Problem::new(Category::Missing, "封存过的内容不在限阅库里，也没有删除记录");
                problems.push(problem.of(format!("slot {slot}")).unless(Lack::Sealed));
            } else if is && !was {
                problems.push(Problem::new(Category::Stray, "封存清单里没有这个字段槽").of(format!("slot {slot}")));
            }
        }
        lacks
    }
}

/// A public statement with everything that is known of its commitments.
#[derive(Clone, Copy, Debug)]
pub struct Published<'a> {
    /// The statement.
    pub statement: &'a Statement,
    /// Its commitments and what is open.
    pub openings: Option<&'a Openings>,
    /// Its list.
    pub list: Option<&'a List>,
    /// What of it lies in the vault.
    pub held: &'a [Held],
    /// What the vault wrote down of it.
    pub inventory: Inventory,
}

/// Whether all that a public statement commits to is open, sealed, erased or withdrawn.
pub fn published(entry: &Published<'_>) -> Vec<Problem> {
    let mut problems: Vec<_> = entry.held.iter().filter_map(Held::problem).collect();
    let Some(kind) = kind::find(&entry.statement.kind) else {
        problems.push(Problem::new(Category::Rule, "没有这种事项"));
        return problems;
    };
    let lacks = entry.inventory.compare(entry.held, &mut problems);
    match entry.openings {
        Some(openings) => {
            slots(entry, openings, &mut problems);
            fields(kind, openings, entry.held, lacks, &mut problems);
        }
        None => problems.push(Problem::new(Category::Withheld, "字段槽的封存值不在，无从核对").of("openings")),
    }
    list(kind, entry, &mut problems);
    if entry.inventory == Inventory::Lost {
        // Told once, for all that were brought back.
        problems.retain(|problem| problem.category != Category::Missing);
    }
    problems
}

/// Every row has the commitment of its slot, and no slot is open and sealed at the same time.
fn slots(entry: &Published<'_>, openings: &Openings, problems: &mut Vec<Problem>) {
    for held in entry.held.iter().filter(|held| held.line.is_none()) {
        let slot = usize::try_from(held.ordinal).ok();
        if slot.and_then(|slot| openings.commitments.get(slot)) != Some(&held.commitment) {
            problems.push(Problem::new(Category::Stray, "这一行的封存值不在条目里").of(held.spot()));
        } else if openings.open.iter().any(|opening| u64::from(opening.slot) == held.ordinal) {
            problems.push(Problem::new(Category::Stray, "这个字段槽已经公开，不应再有封存的内容").of(held.spot()));
        }
    }
}

/// Every field of the kind that must be there is open, sealed or gone on record, each of its tier and once.
fn fields(kind: &Kind, openings: &Openings, held: &[Held], lacks: bool, problems: &mut Vec<Problem>) {
    let sealed = self::openings(held);
    tiers(kind, &sealed, problems);
    let unreadable = lacks || held.iter().filter(|held| held.line.is_none()).count() > sealed.len();
    let mut withheld = 0;
    for (field, tier) in kind.slot_fields().filter(|(field, _)| field.required) {
        if tier == Tier::Public {
            withheld += usize::from(!openings.open.iter().any(|opening| opening.name == field.name));
        } else if !unreadable && !sealed.iter().any(|opening| opening.name == field.name) {
            problems.push(missing(field.name));
        }
    }
    let kept = |slot: u8| held.iter().any(|held| held.line.is_none() && held.ordinal == u64::from(slot));
    for Scheduled { field, slot, .. } in schedule::of(&openings.open) {
        if !kept(slot) {
            let problem = Problem::new(Category::Missing, "安排启封的内容不在限阅库里，也没有删除记录");
            problems.push(problem.of(field).unless(Lack::Sealed));
        }
    }
    if withheld > 0 {
        let sentence = format!("必填的公开内容有 {withheld} 项不在，也没有撤下记录");
        problems.push(Problem::new(Category::Withheld, sentence).unless(Lack::Slots(withheld)));
    }
}

fn missing(field: &str) -> Problem {
    Problem::new(Category::Missing, "必填的封存内容不在限阅库里，也没有删除记录").of(field).unless(Lack::Sealed)
}

/// The scheduled openings of a sealed event whose day has passed, by its place in the log: entry and leaf.
pub fn unopened(sealed: &[Opening], (entry, leaf): (u64, u64), today: NaiveDate) -> Vec<Problem> {
    let overdue = |scheduled: &Scheduled| standing(scheduled.on, today, false, false).days_over().is_some();
    let problem = |Scheduled { slot, .. }| {
        let sentence = format!("第 {entry} 号条目第 {leaf} 号叶子上的封存事项，启封日期已过，没有启封记录");
        let problem = Problem::new(Category::Opening, sentence).of(format!("slot {slot}"));
        problem.unless(Lack::Opening { entry, leaf, slot })
    };
    schedule::of(sealed).into_iter().filter(overdue).map(problem).collect()
}

/// Each sealed slot is one of the kind's, of the tier that the kind declares, and written once.
fn tiers(kind: &Kind, sealed: &[Opening], problems: &mut Vec<Problem>) {
    let mut seen = BTreeSet::new();
    for opening in sealed {
        let known = kind.slot_fields().find(|(field, _)| field.name == opening.name);
        if known.is_none_or(|(_, tier)| tier != opening.tier || tier == Tier::Public) {
            let problem = Problem::new(Category::Rule, "这种事项没有这一项，或公开范围不对");
            problems.push(problem.of(format!("slot {}", opening.slot)));
        } else if !seen.insert(opening.name.as_str()) {
            problems.push(Problem::new(Category::Rule, "同一项写了两次").of(&opening.name));
        }
    }
}

/// Every sealed cell of an open line has its row in the vault, and every such row its cell.
fn list(kind: &Kind, entry: &Published<'_>, problems: &mut Vec<Problem>) {
    let cells: Vec<_> = entry.held.iter().filter_map(|held| Some((held.line?, held))).collect();
    let count = entry.statement.lines_count().unwrap_or(0);
    for (line, held) in cells.iter().filter(|(line, _)| *line >= count) {
        let problem = Problem::new(Category::Stray, format!("声明没有第 {line} 行"));
        problems.push(problem.of(held.spot()));
    }
    let Some(list) = entry.list else {
        if count > 0 {
            let problem = Problem::new(Category::Withheld, "明细不在，也没有撤下记录").of("lines");
            problems.push(problem.unless(Lack::Lines((0..count).collect())));
        }
        return;
    };
    let withdrawn: BTreeSet<u64> =
        list.rows.iter().filter(|row| matches!(row, Row::Withdrawn { .. })).map(Row::line).collect();
    if !withdrawn.is_empty() {
        let problem = Problem::new(Category::Withheld, "有的行不在，也没有撤下记录").of("lines");
        problems.push(problem.unless(Lack::Lines(withdrawn)));
    }
    let Some((shape, _)) = kind.list.shape(&entry.statement.body) else { return };
    let mut bound = cells.iter().map(|(line, held)| ((*line, held.commitment.to_string()), *held)).collect();
    for row in &list.rows {
        if let Row::Open { line, row, .. } = row {
            line_cells(shape.columns, *line, row, &mut bound, problems);
        }
    }
    for ((line, _), held) in bound {
        // The row that it was bound to was withdrawn; what was sealed of it stays until it is erased.
        let open = list.rows.iter().any(|row| matches!(row, Row::Open { line: open, .. } if *open == line));
        if open {
            problems.push(Problem::new(Category::Stray, "这一行的封存值不在明细里").of(held.spot()));
        }
    }
}

/// Rows of the vault by line and commitment, as the cells name them.
type Bound<'a> = std::collections::BTreeMap<(u64, String), &'a Held>;

fn line_cells(
    columns: &[Column],
    line: u64,
    row: &Map<String, Value>,
    bound: &mut Bound<'_>,
    problems: &mut Vec<Problem>,
) {
    for column in columns.iter().filter(|column| column.tier != Tier::Public) {
        let Some(cell) = row.get(column.name) else { continue };
        let held = cell.as_str().and_then(|commitment| bound.remove(&(line, commitment.to_owned())));
        let place = format!("lines[{line}].{}", column.name);
        match held {
            None => problems.push(missing(&place)),
            Some(held) => {
                let named = !matches!(&held.content, Content::Open(opened) if opened.name != column.name);
                if !named || held.tier != column.tier {
                    problems.push(Problem::new(Category::Commitment, "封存的是另一栏，或公开范围不对").of(place));
                }
            }
        }
    }
}

/// Whether the sealed matter that a statement names permits it, as of the entry before: the review of what passes
/// gates, the letter whose answer is published.
pub fn named(proposal: &Proposal<'_>, context: &Context<'_>) -> Option<Problem> {
    let refusal = judge::named(proposal, context).err()?;
    let (category, unfit) = if proposal.kind.is_gated() {
        (Category::Review, "所附的审核不在、没有走完，或说的不是这份内容")
    } else {
        (Category::Rule, "所据的封存事项不在，或不允许这样公开")
    };
    let sentence = match &refusal {
        Refusal::Field { .. } | Refusal::State(_) => unfit,
        other => plain(other).0,
    };
    let problem = Problem::new(category, format!("按当时的规则不应公开：{sentence}"));
    let problem = problem.of(proposal.kind.names.unwrap_or_default());
    // Which matter it was is sealed itself.
    Some(if proposal.named().is_some() { problem } else { problem.unless(Lack::Sealed) })
}

/// A sealed event whose note opens.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    /// The note.
    pub signed: &'a SignedStatement,
    /// The commitments of its slots.
    pub commitments: &'a [Digest; SLOTS],
    /// Its slots.
    pub held: &'a [Held],
    /// What only the body's receivers can open.
    pub envelope: Option<&'a Envelope>,
    /// What the vault wrote down of it.
    pub inventory: Inventory,
}

impl Event<'_> {
    /// Whether the ledger can read all of it.
    pub fn is_readable(&self) -> bool {
        !self.held.is_empty() && self.held.iter().all(|held| matches!(held.content, Content::Open(_)))
    }
}

/// Judges a sealed event again: its form, its signatures, its authority and its rules, as of the entries before it.
///
/// `sealed` are its openings, [`openings`] of what is held.
pub fn event(
    event: &Event<'_>,
    sealed: &[Opening],
    head: Option<Head>,
    state: &State,
    context: &Context<'_>,
) -> Vec<Problem> {
    let statement = &event.signed.statement;
    let mut problems: Vec<_> = event.held.iter().filter_map(Held::problem).collect();
    if slot::root(event.commitments) != statement.slots {
        problems.push(Problem::new(Category::Commitment, "各字段槽的封存值得不出正文里的根").of("slots"));
    }
    for held in event.held {
        let slot = usize::try_from(held.ordinal).ok().filter(|_| held.line.is_none());
        if slot.and_then(|slot| event.commitments.get(slot)) != Some(&held.commitment) {
            problems.push(Problem::new(Category::Stray, "这一行的封存值不在事项里").of(held.spot()));
        }
    }
    let lacks = event.inventory.compare(event.held, &mut problems);
    let Some(origin) = context.world.origin() else { return problems };
    let kind = match submission::check_kind(origin, statement) {
        Ok(kind) if kind.sealed && statement.body.is_empty() => kind,
        _ => {
            problems.push(Problem::new(Category::Rule, "不是这个账本的封存事项"));
            return problems;
        }
    };
    let complete = !lacks && form(kind, event, sealed, &mut problems);
    let judged = if complete {
        let proposal = Proposal { kind, statement, openings: &[], sealed, lines: &[], envelope: event.envelope };
        judge::judge(&proposal, head, state, context)
    } else {
        // What is not there cannot be judged; who signed can.
        judge::continuity(statement, kind, head).and_then(|()| judge::authority(statement, kind, context.world))
    };
    let signed = judged.map_err(|refusal| plain(&refusal)).and_then(|keys| {
        let verified = event.signed.verify(|name| keys.iter().find(|key| key.name() == name));
        verified.map_err(|_| ("签名不成立", None))
    });
    if let Err((sentence, field)) = signed {
        let sentence = format!("按当时的规则不应受理：{sentence}");
        problems.push(Problem { field, ..Problem::new(Category::Rule, sentence) });
    }
    problems
}

/// Whether it was handed in as its kind may be, with all that must be there; whether it can be judged.
fn form(kind: &Kind, event: &Event<'_>, sealed: &[Opening], problems: &mut Vec<Problem>) -> bool {
    let unseen = event.held.is_empty();
    if unseen && event.envelope.is_none() {
        problems.push(missing("slots"));
        return false;
    }
    let hidden = if unseen { SLOTS } else { 0 };
    if submission::check_secrecy(kind, hidden, event.envelope).is_err() {
        problems.push(Problem::new(Category::Rule, "这种事项不能这样提交，或信封的格式不对").of("envelope"));
        return false;
    }
    if unseen {
        return true;
    }
    tiers(kind, sealed, problems);
    if !event.is_readable() {
        return false;
    }
    let lacking = kind.slot_fields().filter(|(field, _)| field.required);
    let lacking: Vec<_> = lacking.filter(|(field, _)| !sealed.iter().any(|o| o.name == field.name)).collect();
    problems.extend(lacking.iter().map(|(field, _)| missing(field.name)));
    lacking.is_empty()
}

/// An event in a period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planted {
    /// Number of the event.
    pub seq: u64,
    /// Its commitment.
    pub commitment: Digest,
    /// Its leaf.
    pub leaf: u64,
    /// The path that its submitter was given, or will be.
    pub path: Vec<Digest>,
}

/// Builds a period's tree again from its events and the salts of its decoys. With the root in the entry it shows that
/// no event is missing and no decoy hides one. Gives the number of an event with what is wrong there; `None` stands for
/// the whole period.
pub fn period(root: &Digest, salts: impl Fn(usize) -> [u8; 32], events: &[Planted]) -> Vec<(Option<u64>, Problem)> {
    let mut leaves: Vec<Digest> = (0..sealed::PERIOD_LEAVES).map(|leaf| sealed::decoy(&salts(leaf))).collect();
    let mut problems = Vec::new();
    let mut taken = BTreeSet::new();
    for event in events {
        let leaf = usize::try_from(event.leaf).unwrap_or(usize::MAX);
        match leaves.get_mut(leaf) {
            Some(place) if taken.insert(leaf) => *place = event.commitment,
            _ => {
                let problem = Problem::new(Category::Period, "它的叶子已被占用或不存在");
                problems.push((Some(event.seq), problem.of("leaf")));
            }
        }
        if !sealed::verify_period_path(root, leaf, &event.commitment, &event.path) {
            let problem = Problem::new(Category::Period, "从它的叶子到不了条目里的根");
            problems.push((Some(event.seq), problem.of("path")));
        }
    }
    if sealed::period_root(&leaves).as_ref() != Ok(root) {
        let sentence = "用各事项和诱饵重建不出条目里的根：有事项缺失、多出，或诱饵里藏着事项";
        problems.push((None, Problem::new(Category::Period, sentence).of("root")));
    }
    problems
}

/// What a refusal means, and its field; its own sentence may tell content.
fn plain(refusal: &Refusal) -> (&'static str, Option<String>) {
    let sentence = match refusal {
        Refusal::Malformed { place, .. } if place == "envelope" => {
            return ("信封不是写给受理机关当时的全部收件人", Some(place.clone()));
        }
        Refusal::Malformed { .. } | Refusal::UnknownKind(_) | Refusal::WrongOrigin { .. } => "格式不正确",
        Refusal::Signature(_) => "签名不成立",
        Refusal::UnknownKey(_) | Refusal::RevokedKey { .. } => "签名钥匙没有登记，或已注销",
        Refusal::NoRole { .. } => "签名人当时没有这个职责",
        Refusal::WrongAuthor { .. } => "这种事项不能由这种职责提出",
        Refusal::Cosigners { .. } => "缺少共同签名",
        Refusal::SamePerson(_) => "应由不同的人办理，而是同一个人",
        Refusal::UnknownOrganization(_) | Refusal::EndedOrganization { .. } => "机构当时没有登记，或已不存在",
        Refusal::StaleParent { .. } | Refusal::StreamExists(_) | Refusal::StreamMissing(_) => {
            "与同一事项的前一条接不上"
        }
        Refusal::Future { .. } => "申报时间晚于收到时间",
        Refusal::Field { name, .. } => return ("这一项不合规则", Some(name.clone())),
        _ => "事项当时的状态不允许",
    };
    (sentence, None)
}

#[cfg(test)]
mod tests {
    use gongkai_log::sealed::{PERIOD_LEAVES, PeriodTree, commit_event};

    use super::*;

    fn salts(leaf: usize) -> [u8; 32] {
        *Digest::of(&leaf.to_be_bytes()).as_bytes()
    }

    /// A period with one event at leaf 7.
    fn planted() -> (Digest, Planted) {
        let commitment = commit_event(&[1; 32], "note");
        let mut leaves: Vec<_> = (0..PERIOD_LEAVES).map(|leaf| sealed::decoy(&salts(leaf))).collect();
        leaves[7] = commitment;
        let tree = PeriodTree::new(&leaves).unwrap();
        (tree.root(), Planted { seq: 3, commitment, leaf: 7, path: tree.path(7) })
    }

    fn places(problems: &[(Option<u64>, Problem)]) -> Vec<Option<u64>> {
        problems.iter().map(|(seq, _)| *seq).collect()
    }

    #[test]
    fn a_period_is_built_again_from_its_events_and_decoys() {
        let (root, event) = planted();
        assert_eq!(period(&root, salts, std::slice::from_ref(&event)), Vec::new());
        assert_eq!(places(&period(&root, salts, &[])), [None], "an event is missing, or a decoy hides one");
        let other = Planted { leaf: 8, ..event.clone() };
        assert_eq!(places(&period(&root, salts, &[other])), [Some(3), None]);
        let twice = [event.clone(), Planted { seq: 4, ..event.clone() }];
        assert_eq!(places(&period(&root, salts, &twice)), [Some(4)], "two events at one leaf");
        let beyond = Planted { leaf: PERIOD_LEAVES as u64, ..event };
        assert_eq!(places(&period(&root, salts, &[beyond])), [Some(3), Some(3), None]);
    }

    #[test]
    fn what_a_refusal_tells_of_content_is_not_told_again() {
        let secret = "方禾生(虚构)";
        let refusals = [
            Refusal::Field { name: "contact".into(), label: "联系方式".into(), reason: secret.into() },
            Refusal::State(secret.into()),
            Refusal::SamePerson(secret.into()),
            Refusal::UnknownKey(secret.into()),
            Refusal::Malformed { place: "body".into(), reason: secret.into() },
        ];
        for refusal in refusals {
            let (sentence, field) = plain(&refusal);
            assert!(!format!("{sentence}{field:?}").contains(secret), "{refusal:?}");
        }
    }

    #[test]
    fn what_is_missing_may_be_excused_and_what_is_wrong_may_not() {
        let held = |content| Held { ordinal: 3, line: None, tier: Tier::Named, commitment: Digest::ZERO, content };
        assert_eq!(held(Content::NoKey).problem().unwrap().lack, Some(Lack::Sealed));
        assert_eq!(held(Content::Bad).problem().unwrap().lack, None);
    }
}
