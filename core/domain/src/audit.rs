//! The audit: what the log means, judged again by anyone, from what is published.
//!
//! [`Auditor`] is an authority for [`gongkai_log::fsck()`], so one pass checks bytes and meaning. It judges
//! every statement again with the functions that judged it when it was recorded (rules as of the
//! entry before, the recorded time as now), and collects what nobody may have to look for: missing
//! periods, back-fills, withdrawals, late answers, notices without outcome.
//!
//! A *breach* is a statement that the rules forbade or sums that are wrong; everything else is a
//! *remark*. What was withdrawn cannot be judged again, and is a remark that says so. To add a finding,
//! add a [`Category`] and the place that notices it: in `noticed` while the log is read, or in
//! `Auditor::finish` if it depends on today.

mod disclosures;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::NaiveDate;
use gongkai_log::{
    Authority, Beginning, Content, Digest, Entry, List, LogKeys, Opening, Openings, Row, SignedStatement, Statement,
    StreamId, Tier, VerifierKey, slot,
};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::{
    command::Head,
    event::{Context, Named, Proposal, State, Target},
    field::{self, choices},
    judge,
    kind::{
        self, Kind, erasure, nomination, notice, opening, pledge, recovery::BroughtBack, registry, slot::Withdrawn,
    },
    procedure,
    refusal::Refusal,
    replay::{Replay, recorded},
    rules::RuleCode,
    schedule::{self, Scheduled},
    world::World,
};

choices! {
    /// What a finding is about.
    Category {
        Breach = "breach" "违反规则",
        Totals = "totals" "更正后合计不符",
        MissingPeriod = "missing_period" "缺少月份",
        BackFilled = "back_filled" "补报",
        Withdrawal = "withdrawal" "撤回",
        LateAnswer = "late_answer" "逾期答复",
        MissingAnswer = "missing_answer" "逾期未答复",
        NoOutcome = "no_outcome" "期满未公布结果",
        OverduePledge = "overdue_pledge" "承诺到期未报告",
        OverdueOpening = "overdue_opening" "到期未启封",
        StolenKey = "stolen_key" "钥匙被盗前的签名",
        Unjudged = "unjudged" "内容已撤下，无法复核",
        BroughtBack = "brought_back" "从副本补回",
    }
}

impl Category {
    /// Whether a rule was broken; everything else is only remarked on.
    pub fn is_breach(self) -> bool {
        matches!(self, Self::Breach | Self::Totals)
    }
}

/// One thing that the audit noticed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What it is about.
    pub category: Category,
    /// Entry at which it shows.
    pub index: u64,
    /// The matter.
    pub stream: StreamId,
    /// Code of the organization that is concerned.
    pub org: String,
    /// What was noticed, one plain Chinese sentence.
    pub sentence: String,
}

/// How much there is that is judged only with the vault ([`crate::audit_sealed`]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Unseen {
    /// Slots that are not open: sealed, withdrawn or empty, which look the same.
    pub slots: u64,
    /// Cells of open lines that are sealed.
    pub cells: u64,
    /// Statements that were published after a review.
    pub reviews: u64,
}

/// What the auditor reads besides the entries that it is shown.
pub trait Evidence {
    /// The lines under a root; `None` when they are not published.
    fn list(&self, root: &Digest) -> Option<List>;
    /// An entry that was observed before.
    fn entry(&self, index: u64) -> Option<Entry>;
}

/// A question and its answer.
#[derive(Debug)]
struct Question {
    index: u64,
    rule: RuleCode,
    asked_on: NaiveDate,
    answered: bool,
}

/// What is kept of one stream.
#[derive(Debug)]
struct Stream {
    index: u64,
    org: String,
    head: Head,
    state: State,
    /// Whether a pledge was claimed to be fulfilled, partly or not.
    claimed: bool,
    questions: BTreeMap<u64, Question>,
    /// Income and expense of each line; `None` when a line cannot be read.
    amounts: Option<Vec<(i64, i64)>>,
}

/// What was taken out of an entry.
#[derive(Debug, Default)]
struct TakenOut {
    slots: BTreeSet<u64>,
    lines: BTreeSet<u64>,
}

/// An opening that a statement promises.
#[derive(Debug)]
struct Promised {
    index: u64,
    stream: StreamId,
    org: String,
    kind: &'static Kind,
    scheduled: Scheduled,
}

/// What became of sealed slots: entries and slots that were opened, and of each matter the last order of erasure.
#[derive(Debug, Default)]
struct Fates {
    opened: BTreeSet<(u64, u64)>,
    erased: HashMap<StreamId, u64>,
}

/// Months that an organization published for one book, by first day.
type Series = BTreeMap<NaiveDate, (u64, StreamId)>;

/// Judges a log's meaning while it is read.
#[derive(Debug)]
pub struct Auditor<E> {
    replay: Replay,
    evidence: E,
    streams: HashMap<StreamId, Stream>,
    series: BTreeMap<(String, String), Series>,
    taken_out: BTreeMap<u64, TakenOut>,
    promised: Vec<Promised>,
    fates: Fates,
    signed_by: HashMap<String, Vec<u64>>,
    names: HashMap<String, String>,
    findings: Vec<Finding>,
    unseen: Unseen,
}

/// A statement with what is open of it.
struct Opened<'a> {
    kind: &'static Kind,
    statement: &'a Statement,
    open: &'a [Opening],
    rows: Vec<Map<String, Value>>,
    /// Whether everything that it commits to can be read.
    whole: bool,
}

impl<E: Evidence> Auditor<E> {
    /// Starts before the genesis of the ledger whose checkpoints `log` signs.
    pub fn new(log: &VerifierKey, evidence: E) -> Self {
        Self {
            replay: Replay::new(log),
            evidence,
            streams: HashMap::new(),
            series: BTreeMap::new(),
            taken_out: BTreeMap::new(),
            promised: Vec::new(),
            fates: Fates::default(),
            signed_by: HashMap::new(),
            names: HashMap::new(),
            findings: Vec::new(),
            unseen: Unseen::default(),
        }
    }

    /// What was not seen of the entries observed so far.
    pub fn unseen(&self) -> Unseen {
        self.unseen
    }

    /// Registry, calendar, rules and books as of the last observed entry.
    pub fn world(&self) -> &World {
        self.replay.world()
    }

    /// Everything noticed, in the order of the log; `today` decides what is overdue.
    pub fn finish(mut self, today: NaiveDate) -> Vec<Finding> {
        self.missing_periods(today);
        self.unopened(today);
        let streams = std::mem::take(&mut self.streams);
        for (id, stream) in &streams {
            self.overdue(id, stream, today);
            self.unanswered(id, stream, today);
        }
        // What could be read when it was recorded and cannot now is no breach.
        for finding in &mut self.findings {
            if finding.category == Category::Breach && self.taken_out.contains_key(&finding.index) {
                finding.category = Category::Unjudged;
            }
        }
        self.findings.sort_by(|a, b| (a.index, a.category, &a.org).cmp(&(b.index, b.category, &b.org)));
        self.findings
    }

    fn note(&mut self, category: Category, index: u64, stream: &StreamId, org: &str, sentence: String) {
        self.findings.push(Finding { category, index, stream: stream.clone(), org: org.to_owned(), sentence });
    }

    /// Name and code of an organization, as people know it.
    fn name(&self, org: &str) -> String {
        match self.names.get(org) {
            Some(name) => format!("{name}（{org}）"),
            None => org.to_owned(),
        }
    }

    fn opened<'a>(&self, kind: &'static Kind, statement: &'a Statement, openings: Option<&'a Openings>) -> Opened<'a> {
        let root = statement.lines_root();
        let list = root.as_ref().map(|root| self.evidence.list(root).unwrap_or_default());
        let count = statement.body.get("count").and_then(Value::as_u64).unwrap_or(0);
        let rows: Vec<_> = list
            .into_iter()
            .flat_map(|list| list.rows)
            .filter_map(|row| match row {
                Row::Open { row, .. } => Some(row),
                Row::Withdrawn { .. } => None,
            })
            .collect();
        let whole = openings.is_some() && rows.len() as u64 == count;
        Opened { kind, statement, open: openings.map_or(&[], |openings| &openings.open), rows, whole }
    }

    /// Judges a statement again, as of the entry before.
    fn judge(&self, entry: &Entry, opened: &Opened<'_>) -> Result<(), Refusal> {
        let statement = opened.statement;
        let mut body = statement.body.clone();
        if body.contains_key("lines") {
            body.remove("lines");
            body.remove("count");
        }
        field::check_fields(opened.kind.body_fields(), &body)?;
        let named = opened.kind.target(&statement.body);
        let target = named.and_then(|index| self.target(index));
        let period = named.and_then(|index| self.period(index));
        let stream = self.streams.get(&statement.stream);
        let context = Context {
            target: target.as_ref(),
            named: Named::NotVisible,
            period: period.as_ref(),
            erasable: None,
            begins: None,
            ..Context::at(entry.recorded_at, self.world())
        };
        let proposal = Proposal {
            kind: opened.kind,
            statement,
            openings: opened.open,
            sealed: &[],
            lines: &opened.rows,
            envelope: None,
        };
        let empty = State::default();
        judge::judge(&proposal, stream.map(|s| s.head), stream.map_or(&empty, |s| &s.state), &context).map(drop)
    }

    /// Root of the period at an entry.
    fn period(&self, index: u64) -> Option<Digest> {
        match self.evidence.entry(index)?.content {
            Content::Sealed(period) => Some(period.root),
            Content::Statement(_) => None,
        }
    }

    /// The entry that a withdrawal is about, with everything open that was not taken out before.
    fn target(&self, index: u64) -> Option<Target> {
        let statement = self.evidence.entry(index)?.content.statement()?.statement.clone();
        let none = TakenOut::default();
        let taken = self.taken_out.get(&index).unwrap_or(&none);
        let slots = (0_u8..).take(slot::SLOTS).filter(|slot| !taken.slots.contains(&u64::from(*slot)));
        let count = statement.body.get("count").and_then(Value::as_u64).unwrap_or(0);
        Some(Target {
            index,
            open_slots: slots.map(|slot| (slot, String::new())).collect(),
            open_lines: (0..count).filter(|line| !taken.lines.contains(line)).collect(),
            statement,
        })
    }

    fn statement(
        &mut self,
        entry: &Entry,
        signed: &SignedStatement,
        openings: Option<&Openings>,
    ) -> Result<(), String> {
        let statement = &signed.statement;
        let Some(kind) = kind::find(&statement.kind) else {
            return Err(Refusal::UnknownKind(statement.kind.clone()).to_string());
        };
        let opened = self.opened(kind, statement, openings);
        if let Err(refusal) = self.judge(entry, &opened) {
            let category = if opened.whole { Category::Breach } else { Category::Unjudged };
            let sentence = format!("{}「{}」按当时的规则不应入账：{refusal}", self.name(&statement.org), kind.label);
            self.note(category, entry.index, &statement.stream, &statement.org, sentence);
        }
        self.noticed(entry, &opened);
        self.count_unseen(entry, &opened);
        self.replay.observe(entry, openings)?;
        self.fold(entry, signed, &opened);
        Ok(())
    }

    /// Counts what only the vault tells.
    fn count_unseen(&mut self, entry: &Entry, opened: &Opened<'_>) {
        let Opened { kind, statement, open, rows, .. } = opened;
        self.unseen.slots += (slot::SLOTS - open.len()) as u64;
        let columns = kind.list.shape(&statement.body).map_or(&[][..], |(shape, _)| shape.columns);
        let sealed: Vec<_> = columns.iter().filter(|column| column.tier != Tier::Public).collect();
        let cells = rows.iter().map(|row| sealed.iter().filter(|column| row.contains_key(column.name)).count());
        self.unseen.cells += cells.sum::<usize>() as u64;
        let on = procedure::recorded_on(entry.recorded_at);
        let demanded = || procedure::demanded(self.world(), statement, on).is_some();
        self.unseen.reviews += u64::from(kind.is_gated() && demanded());
    }

    /// Takes the statement into what is kept.
    fn fold(&mut self, entry: &Entry, signed: &SignedStatement, opened: &Opened<'_>) {
        let statement = opened.statement;
        for signer in &statement.signers {
            self.signed_by.entry(signer.key.clone()).or_default().push(entry.index);
        }
        if let Some(code) = statement.body.get("code").and_then(Value::as_str)
            && opened.kind.family() == "organization"
        {
            self.take_name(code, opened.open);
        } else if opened.kind.name == "organization.renamed.v1" {
            self.take_name(&statement.org, opened.open);
        }
        let head = Head { revision: statement.revision, hash: signed.hash };
        let stream = self.streams.entry(statement.stream.clone()).or_insert_with(|| Stream {
            index: entry.index,
            org: statement.org.clone(),
            head,
            state: State::default(),
            claimed: false,
            questions: BTreeMap::new(),
            amounts: None,
        });
        stream.head = head;
        stream.state = judge::evolve(std::mem::take(&mut stream.state), &recorded(entry, signed));
        stream.claimed |= matches!(
            statement.kind.as_str(),
            "pledge.fulfilled.v1" | "pledge.partly_fulfilled.v1" | "pledge.not_fulfilled.v1"
        );
        self.disclosed(entry.index, opened);
        self.promise(entry.index, opened);
    }

    /// Scheduled openings, and what became of them.
    fn promise(&mut self, index: u64, opened: &Opened<'_>) {
        let Opened { kind, statement, open, .. } = opened;
        let promised = |scheduled| {
            let (stream, org) = (statement.stream.clone(), statement.org.clone());
            Promised { index, stream, org, kind, scheduled }
        };
        if !kind.sealed && kind.field(schedule::FIELD).is_some() {
            self.promised.extend(schedule::of(open).into_iter().map(promised));
        }
        if let Some(opened) = kind::body::<opening::Opened>(&statement.kind, &statement.body) {
            self.fates.opened.insert((opened.entry, opened.slot_number));
        } else if let Some(ordered) = kind::body::<erasure::Ordered>(&statement.kind, &statement.body)
            && let Some(entry) = ordered.entry.and_then(|entry| self.evidence.entry(entry))
            && let Some(erased) = entry.content.statement()
        {
            self.fates.erased.insert(erased.statement.stream.clone(), index);
        }
    }

    /// Scheduled openings whose day has passed without one. What is sealed is not told, and not known here.
    fn unopened(&mut self, today: NaiveDate) {
        for Promised { index, stream, org, kind, scheduled } in std::mem::take(&mut self.promised) {
            let Scheduled { field, on, slot } = scheduled;
            let opened = self.fates.opened.contains(&(index, slot.into()));
            let erased = self.fates.erased.get(&stream).is_some_and(|order| *order > index);
            let standing = schedule::standing(on, today, opened, erased);
            if standing.days_over().is_some() {
                let label = schedule::sealed_label(kind, &field).unwrap_or(&field);
                let promise = standing.sentence(label, on);
                let sentence = format!("{}「{}」：{promise}", self.name(&org), kind.label);
                self.note(Category::OverdueOpening, index, &stream, &org, sentence);
            }
        }
    }

    fn take_name(&mut self, code: &str, open: &[Opening]) {
        let name = open.iter().find(|opening| opening.name == "name").and_then(|opening| opening.value.as_str());
        if let Some(name) = name {
            self.names.insert(code.to_owned(), name.to_owned());
        }
    }

    /// What shows at this entry alone: back-fills, withdrawals, stolen keys.
    fn noticed(&mut self, entry: &Entry, opened: &Opened<'_>) {
        let (statement, kind) = (opened.statement, opened.kind);
        let (id, org) = (&statement.stream, statement.org.as_str());
        if !kind.authors.iter().any(|role| role.is_ledger()) {
            self.back_filled(entry, opened);
        }
        if kind.name.ends_with(".withdrawn.v1") && !matches!(kind.family(), "role" | "slot") {
            let reason = opened.open.iter().find(|o| o.name == "reason").and_then(|o| o.value.as_str());
            let reason = reason.map_or(String::new(), |reason| format!("，原因：{reason}"));
            let sentence = format!("{}{}{reason}", self.name(org), kind.label);
            self.note(Category::Withdrawal, entry.index, id, org, sentence);
        }
        if let Some(withdrawn) = kind::body::<Withdrawn>(&statement.kind, &statement.body) {
            self.take_out(entry.index, statement, &withdrawn);
        }
        if let Some(revoked) = kind::body::<registry::KeyRevoked>(&statement.kind, &statement.body)
            && revoked.reason == registry::RevocationReason::Stolen
        {
            self.stolen(id);
        }
        if let Some(said) = kind::body::<BroughtBack>(&statement.kind, &statement.body) {
            let sentence = format!(
                "第 {} 至 {} 号条目是从{}补回的：数据库丢过这些条目",
                said.from_size,
                said.size.saturating_sub(1),
                said.source.label()
            );
            self.note(Category::BroughtBack, entry.index, id, org, sentence);
        }
    }

    fn back_filled(&mut self, entry: &Entry, opened: &Opened<'_>) {
        let statement = opened.statement;
        let declared = statement.declared_at;
        let recorded_on = entry.recorded_at.with_timezone(declared.offset()).date_naive();
        let days = recorded_on.signed_duration_since(declared.date_naive()).num_days();
        let rule = self.world().rule(RuleCode::LateDaysMin, &statement.org, declared.date_naive());
        if u64::try_from(days).is_ok_and(|days| days >= rule.value) {
            let sentence = format!(
                "{}「{}」申报于 {}，{recorded_on} 才入账，补报晚 {days} 天",
                self.name(&statement.org),
                opened.kind.label,
                declared.date_naive(),
            );
            self.note(Category::BackFilled, entry.index, &statement.stream, &statement.org, sentence);
        }
    }

    fn take_out(&mut self, index: u64, statement: &Statement, withdrawn: &Withdrawn) {
        let taken = self.taken_out.entry(withdrawn.entry).or_default();
        taken.slots.extend(withdrawn.slots());
        taken.lines.extend(withdrawn.lines());
        let sentence = format!(
            "{}撤下第 {} 号条目的 {} 个字段、{} 行，依据：{}",
            self.name(&statement.org),
            withdrawn.entry,
            withdrawn.slots().len(),
            withdrawn.lines().len(),
            withdrawn.basis.label(),
        );
        self.note(Category::Withdrawal, index, &statement.stream, &statement.org, sentence);
    }

    /// Lists what a stolen key signed while it was valid.
    fn stolen(&mut self, key_stream: &StreamId) {
        let name =
            self.streams.get(key_stream).and_then(|s| s.state.get::<registry::KeyState>()).map(|s| s.name.clone());
        let Some(name) = name else { return };
        for index in self.signed_by.get(&name).cloned().unwrap_or_default() {
            let Some(entry) = self.evidence.entry(index) else { continue };
            let Some(signed) = entry.content.statement() else { continue };
            let (id, org) = (&signed.statement.stream, &signed.statement.org);
            let sentence = format!("由钥匙「{name}」签名，该钥匙后来因被盗注销，请核对是否本人所签");
            self.note(Category::StolenKey, index, id, org, sentence);
        }
    }

    /// Pledges, notices and nominations whose day has passed in silence.
    fn overdue(&mut self, id: &StreamId, stream: &Stream, today: NaiveDate) {
        let (category, end, what) = if let Some(state) = stream.state.get::<pledge::State>() {
            let due = state.due.filter(|_| state.ended.is_none() && !stream.claimed);
            (Category::OverduePledge, due, "承诺的完成时限是")
        } else if let Some(state) = stream.state.get::<notice::State>() {
            (Category::NoOutcome, notice_end(state, &stream.org, self.world()), "公示期满于")
        } else if let Some(state) = stream.state.get::<nomination::State>() {
            (Category::NoOutcome, nomination_end(state, &stream.org, self.world()), "任前公示期满于")
        } else {
            return;
        };
        let Some(end) = end.filter(|end| *end < today) else { return };
        let days = today.signed_duration_since(end).num_days();
        let missing =
            if category == Category::OverduePledge { "没有报告完成情况" } else { "没有公布结果" };
        let sentence = format!("{}：{what} {end}，至今 {days} 天{missing}", self.name(&stream.org));
        self.note(category, stream.index, id, &stream.org, sentence);
    }
}

impl<E: Evidence> Authority for Auditor<E> {
    fn key(&self, name: &str) -> Option<&VerifierKey> {
        self.replay.key(name)
    }

    fn observe(&mut self, entry: &Entry, openings: Option<&Openings>) -> Result<(), String> {
        match &entry.content {
            Content::Statement(signed) => self.statement(entry, signed, openings),
            Content::Sealed(_) => self.replay.observe(entry, openings),
        }
    }

    fn log_keys(&self) -> Option<&LogKeys> {
        self.replay.log_keys()
    }

    fn beginning(&self, entry: &Entry) -> Option<Beginning> {
        self.replay.beginning(entry)
    }
}

fn notice_end(state: &notice::State, org: &str, world: &World) -> Option<NaiveDate> {
    let (None, Some(category), Some(stated)) = (state.ended, state.category, state.stated) else { return None };
    let rule = notice::period_rule(category, &stated, org, world)?;
    stated.computed(rule.value, rule.unit, world).ok().map(|computed| computed.end)
}

fn nomination_end(state: &nomination::State, org: &str, world: &World) -> Option<NaiveDate> {
    let stated = state.stated.filter(|_| (state.outcomes.len() as u64) < state.people_count)?;
    let rule = world.rule(RuleCode::NominationDaysMin, org, stated.starts_on);
    stated.computed(rule.value, rule.unit, world).ok().map(|computed| computed.end)
}
