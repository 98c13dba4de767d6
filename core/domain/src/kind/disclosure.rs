//! Disclosures (村务、党务、财务、政务公开): a sheet for a period, questions about it, corrections.
//!
//! Finance lines are checked in [`crate::finance`]; what binds one month to the next is the world's
//! books. Equal lines are separate payments and are never merged. A correction names lines of the
//! sheet and their new content; the old lines stay in the log. Questions are in [`super::question`].

use chrono::{Datelike as _, NaiveDate};
use gongkai_log::{Statement, Tier};
use serde_json::{Value, json};

pub use super::question::{
    Answered, Interpellated, PointAnswer, Question, QuestionPublished, QuestionWithheld, Questioned, Topic,
    WithholdingGround,
};
use super::{PUBLISHER, Payload, payload, registry::Level, sample_stream};
use crate::{
    event::{Context, Proposal, Recorded},
    field::{Attachment, Column, Fen, LINE_ATTACHMENTS_MAX, ListRule, ListShape, Period, Shape, choices},
    finance, kind, procedure,
    refusal::Refusal,
    rules::RuleCode,
    world::{Booked, Role, World},
};

choices! {
    /// Which of the disclosures (三务 and 政务).
    Class {
        Village = "village" "村务公开",
        Party = "party" "党务公开",
        Finance = "finance" "财务公开",
        Government = "government" "政务公开",
    }
}

choices! {
    /// What the sheet lists.
    Content {
        Text = "text" "文字",
        Finance = "finance" "资金收支",
        Assets = "assets" "资产",
        Resources = "resources" "资源与合同",
        Debts = "debts" "债权债务",
        Projects = "projects" "项目",
        Roster = "roster" "名册",
        Services = "services" "服务事项",
    }
}

choices! {
    /// How urgently it is disclosed.
    Priority { Active = "active" "主动公开", Key = "key" "重点公开", Prompt = "prompt" "及时公开" }
}

choices! {
    /// Who posted it. An agency that keeps the books is routine; substitution is not.
    PublishedBy {
        Own = "self" "本单位",
        Agency = "agency" "代理中心",
        Substitute = "substitute" "乡镇代为公开",
    }
}

choices! {
    /// Whose book.
    Book { Committee = "committee" "村委会", Cooperative = "cooperative" "经济合作社" }
}

macro_rules! columns {
    ($($name:literal $label:literal $shape:expr, $need:literal;)*) => {
        &[$(Column { name: $name, label: $label, shape: $shape, required: $need, tier: Tier::Public }),*]
    };
}

/// Finance lines (资金).
pub const FINANCE: ListShape = ListShape {
    name: "finance",
    label: "收支明细",
    columns: columns! {
        "date" "日期" Shape::Date, true;
        "voucher" "凭证号" Shape::Text(50), false;
        "summary" "摘要" Shape::Text(200), true;
        "account" "科目" Shape::Text(100), false;
        "category" "类别" Shape::Text(100), false;
        "income" "收入" Shape::Fen, false;
        "expense" "支出" Shape::Fen, false;
        "balance" "余额" Shape::Fen, false;
        "counterparty" "往来单位" Shape::Text(200), false;
        "source" "资金来源" Shape::Text(100), false;
        "handler" "经手人" Shape::Text(50), false;
        "approver" "审批人" Shape::Text(50), false;
        "supervisor" "监督人" Shape::Text(50), false;
        "attachments" "附件张数" Shape::Count, false;
        "project" "项目" Shape::Text(100), false;
        "flag" "凭证情况" Shape::Choice(finance::Flag::CHOICES), false;
        "reference" "冲红原凭证" Shape::Text(100), false;
        "files" "凭证文件" Shape::Attachments(LINE_ATTACHMENTS_MAX), false;
    },
};

const ASSETS: ListShape = ListShape {
    name: "assets",
    label: "资产明细",
    columns: columns! {
        "name" "资产名称" Shape::Text(200), true;
        "category" "类别" Shape::Text(50), false;
        "quantity" "数量" Shape::Text(50), false;
        "original" "原值" Shape::Fen, false;
        "net" "净值" Shape::Fen, false;
        "use" "使用情况" Shape::Text(200), false;
        "custodian" "管理单位" Shape::Text(100), false;
        "change" "本期变动" Shape::Text(500), false;
    },
};

const RESOURCES: ListShape = ListShape {
    name: "resources",
    label: "资源与合同明细",
    columns: columns! {
        "name" "资源名称" Shape::Text(200), true;
        "location" "坐落" Shape::Text(200), false;
        "area" "面积" Shape::Text(50), false;
        "contract" "合同编号" Shape::Text(100), false;
        "contractor" "承包（承租）方" Shape::Text(100), false;
        "starts_on" "合同开始" Shape::Date, false;
        "ends_on" "合同结束" Shape::Date, false;
        "rent" "年租金" Shape::Fen, false;
        "paid" "已收" Shape::Fen, false;
        "owed" "欠缴" Shape::Fen, false;
    },
};

const DEBTS: ListShape = ListShape {
    name: "debts",
    label: "债权债务明细",
    columns: columns! {
        "kind" "性质" Shape::Choice(&[("claim", "债权"), ("debt", "债务")]), true;
        "counterparty" "对方" Shape::Text(200), true;
        "amount" "金额" Shape::Fen, true;
        "since" "发生日期" Shape::Date, false;
        "due" "到期日" Shape::Date, false;
        "reason" "事由" Shape::Text(500), false;
    },
};

const PROJECTS: ListShape = ListShape {
    name: "projects",
    label: "项目明细",
    columns: columns! {
        "name" "项目名称" Shape::Text(200), true;
        "milestone" "阶段" Shape::Choice(&[("approved", "立项"), ("tendered", "招标"), ("contracted", "签约"),
            ("started", "开工"), ("accepted", "验收"), ("settled", "决算"), ("audited", "审计")]), true;
        "on" "日期" Shape::Date, false;
        "budget" "预算" Shape::Fen, false;
        "paid" "已付" Shape::Fen, false;
        "contractor" "施工单位" Shape::Text(200), false;
        "note" "说明" Shape::Text(500), false;
    },
};

const ROSTER: ListShape = ListShape {
    name: "roster",
    label: "名册",
    columns: &[
        Column {
            name: "masked_name",
            label: "姓名（遮蔽）",
            shape: Shape::Text(50),
            required: true,
            tier: Tier::Public,
        },
        Column { name: "item", label: "享受项目", shape: Shape::Text(100), required: true, tier: Tier::Public },
        Column { name: "group", label: "组别", shape: Shape::Text(50), required: false, tier: Tier::Public },
        Column { name: "people", label: "人数", shape: Shape::Count, required: false, tier: Tier::Public },
        Column { name: "amount", label: "金额", shape: Shape::Fen, required: false, tier: Tier::Public },
        Column { name: "standard", label: "标准", shape: Shape::Text(100), required: false, tier: Tier::Public },
        Column { name: "full_name", label: "姓名", shape: Shape::Text(50), required: false, tier: Tier::Unit },
    ],
};

const SERVICES: ListShape = ListShape {
    name: "services",
    label: "服务事项",
    columns: columns! {
        "item" "事项" Shape::Text(200), true;
        "duty" "职能依据" Shape::Text(500), false;
        "procedure" "办理程序" Shape::Text(1000), false;
        "days" "办理时限（天）" Shape::Count, false;
        "result" "办理结果" Shape::Text(500), false;
        "office" "责任单位" Shape::Text(100), false;
    },
};

const LISTS: ListRule = ListRule::By {
    field: "content",
    shapes: &[
        ("finance", &FINANCE),
        ("assets", &ASSETS),
        ("resources", &RESOURCES),
        ("debts", &DEBTS),
        ("projects", &PROJECTS),
        ("roster", &ROSTER),
        ("services", &SERVICES),
    ],
};

payload! {
    /// The sheet of one period. Amounts are in fen; a month without movement says so.
    Published = "disclosure.published.v1" "公开";
    body {
        class: Class = "公开类别",
        content: Content = "内容形式",
        priority: Option<Priority> = "公开方式",
        period: Period = "所属期间",
        published_by: Option<PublishedBy> = "公开主体",
        book: Option<Book> = "账套",
        opening: Option<Fen> = "上期结存",
        income: Option<Fen> = "本期收入",
        expense: Option<Fen> = "本期支出",
        closing: Option<Fen> = "期末结存",
        no_movement: Option<bool> = "本期无收支",
        posted_on: Option<NaiveDate> = "上墙日期",
        attachments: Option<Vec<Attachment>> = "附件",
    }
    slots {
        title: Public Text(300) required = "标题",
        item: Public Text(100) optional = "公开目录",
        text: Public Text(16_000) optional = "正文",
        decision: Public Text(2000) optional = "决策依据（四议两公开）",
        prepared_by: Public Text(50) optional = "制表人",
        note: Public Text(2000) optional = "说明",
    }
    list LISTS;
    authors PUBLISHER;
}

payload! {
    /// Lines of the sheet get another content; a line number past the end adds a line. The totals
    /// are those of the sheet after the correction.
    Corrected = "disclosure.corrected.v1" "更正";
    body {
        content: Content = "内容形式",
        corrects: Option<Vec<u64>> = "更正的行号",
        opening: Option<Fen> = "上期结存",
        income: Option<Fen> = "本期收入",
        expense: Option<Fen> = "本期支出",
        closing: Option<Fen> = "期末结存",
    }
    slots {
        reason: Public Text(2000) required = "更正原因",
        title: Public Text(300) optional = "更正后的标题",
        text: Public Text(16_000) optional = "更正后的正文",
    }
    list LISTS;
    authors PUBLISHER;
}

payload! {
    /// Withdrawn with its reason; the trace stays.
    Withdrawn = "disclosure.withdrawn.v1" "撤回公开";
    body {}
    slots { reason: Public Text(1000) required = "撤回原因" }
    list ListRule::None;
    authors PUBLISHER;
}

/// State of a sheet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// Organization that it is about.
    pub org: String,
    /// What it lists.
    pub content: Option<Content>,
    /// Its book, if it has one.
    pub book: Option<Book>,
    /// Its period.
    pub period: Option<Period>,
    /// How many lines it has after corrections.
    pub lines_count: u64,
    /// Questions by revision.
    pub questions: std::collections::BTreeMap<u64, Question>,
    /// Latest totals: opening, income, expense, closing.
    pub totals: Totals,
    /// Whether it was withdrawn.
    pub withdrawn: bool,
}

/// Totals of a sheet, fen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// 上期结存.
    pub opening: Option<i64>,
    /// 本期收入.
    pub income: Option<i64>,
    /// 本期支出.
    pub expense: Option<i64>,
    /// 期末结存.
    pub closing: Option<i64>,
}

impl State {
    pub(super) fn standing(&self) -> Result<(), Refusal> {
        if self.withdrawn { Err(Refusal::state("这份公开已撤回")) } else { Ok(()) }
    }

    pub(super) fn has_line(&self, line: Option<u64>) -> Result<(), Refusal> {
        match line {
            Some(line) if line >= self.lines_count => {
                Err(Refusal::field("line", "行号", format!("共 {} 行，行号从 0 起", self.lines_count)))
            }
            _ => Ok(()),
        }
    }
}

/// Whether a statement is the publication by an organization above in place of one that did not publish.
pub fn is_substitution(statement: &Statement) -> bool {
    let by = kind::body::<Published>(&statement.kind, &statement.body).and_then(|sheet| sheet.published_by);
    by == Some(PublishedBy::Substitute)
}

impl Published {
    fn totals(&self) -> Totals {
        let fen = |amount: Option<Fen>| amount.map(|fen| fen.0);
        Totals {
            opening: fen(self.opening),
            income: fen(self.income),
            expense: fen(self.expense),
            closing: fen(self.closing),
        }
    }

    /// Whoever publishes in place of another (代为公开) acts for an organization above, in two persons, author and
    /// approver, and not before the other's own time was over. Those of the organization itself cannot say it.
    fn substituted(&self, proposal: &Proposal<'_>, world: &World) -> Result<(), Refusal> {
        if self.published_by != Some(PublishedBy::Substitute) {
            return Ok(());
        }
        let org = proposal.statement.org.as_str();
        let refused = |reason: String| Err(Refusal::field("published_by", "公开主体", reason));
        proposal.signed_by(Role::Approver, 1, "代为公开须由上级机构审批人会签")?;
        for signer in &proposal.statement.signers {
            let role = Role::from_wire(&signer.role).filter(|role| matches!(role, Role::Publisher | Role::Approver));
            if role.is_some_and(|role| !procedure::holds_above(&signer.key, role, org, world)) {
                return refused("代为公开应由上级机构的发布人和审批人签名，本机构的人不能代自己公开".to_owned());
            }
        }
        match self.own_time_until(org, world) {
            Some(last) if proposal.declared_on() <= last => {
                refused(format!("本机构到 {last} 都可以自己公开，过了这一天才能代为公开"))
            }
            _ => Ok(()),
        }
    }

    /// The last day on which an organization can publish the period itself in time: for the books the day of the next
    /// month that the rule sets, for everything else the last day of the period.
    fn own_time_until(&self, org: &str, world: &World) -> Option<NaiveDate> {
        let (_, end) = self.period.days()?;
        if self.content != Content::Finance && self.class != Class::Finance {
            return Some(end);
        }
        let first = end.with_day(1)?;
        world.rule(RuleCode::DisclosureDueDay, org, first).day_of_next_month(first)
    }

    /// Supervisors' co-signatures on a village's finance sheet (the law's 村务监督机构 reviews it). Where somebody else
    /// publishes because the village did not, its supervisors may sign and need not: the page says who did.
    fn supervised(&self, proposal: &Proposal<'_>, world: &World, level: Level) -> Result<(), Refusal> {
        let substituted = self.published_by == Some(PublishedBy::Substitute);
        if self.content != Content::Finance || level != Level::Village || substituted {
            return Ok(());
        }
        let rule = world.rule(RuleCode::DisclosureSupervisorsMin, &proposal.statement.org, proposal.declared_on());
        proposal.signed_by(Role::Supervisor, rule.value, format!("{}：{}", rule.code.label(), rule.basis))
    }

    /// A book has one sheet a period; the balances of adjoining periods meet. A missing period between
    /// two sheets lets the balance jump, and shows as missing.
    fn continues(&self, proposal: &Proposal<'_>, world: &World) -> Result<Option<i64>, Refusal> {
        let (Some(book), Some((start, end))) = (self.book, self.period.days()) else { return Ok(None) };
        let Some(booked) = world.book(&proposal.statement.org, book.wire()) else { return Ok(None) };
        if let Some(known) = booked.get(&start) {
            return Err(Refusal::state(format!(
                "{}的{}账已经公开（{}），有误请用更正",
                self.period.label(),
                book.label(),
                known.stream
            )));
        }
        let next = end.succ_opt().and_then(|day| booked.get(&day)).and_then(|next| next.opening);
        if let (Some(closing), Some(next)) = (self.closing, next)
            && closing.0 != next
        {
            let (closing, next) = (finance::fen_text(closing.0), finance::fen_text(next));
            return Err(Refusal::Books(vec![format!("期末结存 {closing} 与下期已公开的上期结存 {next} 不符")]));
        }
        let adjoining = |last: &&Booked| last.ends_on.succ_opt() == Some(start);
        Ok(booked.range(..start).next_back().map(|(_, last)| last).filter(adjoining).and_then(|last| last.closing))
    }
}

/// Checks the amounts of a finance sheet against its lines.
fn balance(
    totals: &Totals,
    previous_closing: Option<i64>,
    period: &Period,
    proposal: &Proposal<'_>,
    world: &World,
) -> Result<(), Refusal> {
    let (Some(income), Some(expense)) = (totals.income, totals.expense) else {
        return Err(Refusal::field("income", "本期收入", "资金收支须填本期收入和本期支出合计"));
    };
    if totals.opening.is_some() != totals.closing.is_some() {
        return Err(Refusal::field("closing", "期末结存", "上期结存和期末结存须同时填写"));
    }
    let (period_start, period_end) =
        period.days().ok_or_else(|| Refusal::field("period", "所属期间", "不是有效的期间"))?;
    let rule = world.rule(RuleCode::OtherFenMax, &proposal.statement.org, proposal.declared_on());
    let sheet = finance::Sheet {
        period_start,
        period_end,
        opening: totals.opening,
        income,
        expense,
        closing: totals.closing,
        previous_closing: totals.opening.and(previous_closing),
    };
    let lines = proposal
        .lines
        .iter()
        .map(finance::Line::parse)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|e| Refusal::Malformed { place: "lines".into(), reason: e.to_string() })?;
    let limits = finance::Limits { other_fen_max: i64::try_from(rule.value).unwrap_or(i64::MAX) };
    let checked = finance::check(&sheet, &lines, &limits);
    if checked.problems.is_empty() {
        Ok(())
    } else {
        Err(Refusal::Books(checked.problems.into_iter().map(|problem| problem.message).collect()))
    }
}

impl Payload for Published {
    type State = State;
    const OPENS: bool = true;
    const TEACHES: bool = true;

    fn decide(&self, _: &State, proposal: &Proposal<'_>, context: &Context<'_>) -> Result<(), Refusal> {
        let world = context.world;
        let (start, _) = self.period.days().ok_or_else(|| Refusal::field("period", "所属期间", "不是有效的期间"))?;
        if start > proposal.declared_on() {
            return Err(Refusal::field("period", "所属期间", "还没有开始"));
        }
        let level = world.living(&proposal.statement.org)?.level;
        self.substituted(proposal, world)?;
        if self.content == Content::Text {
            if proposal.text("text").is_none() {
                return Err(Refusal::field("text", "正文", "文字公开须有正文"));
            }
            return Ok(());
        }
        let without_movement = self.no_movement == Some(true);
        if without_movement && !proposal.lines.is_empty() {
            return Err(Refusal::field("no_movement", "本期无收支", "有明细行，不能写无收支"));
        }
        if !without_movement && proposal.lines.is_empty() {
            return Err(Refusal::field("lines", "明细", "至少一行；没有收支请写明本期无收支"));
        }
        if self.content != Content::Finance {
            return Ok(());
        }
        if level == Level::Village && (self.book.is_none() || self.opening.is_none()) {
            return Err(Refusal::field("opening", "上期结存", "村级资金收支须填账套、上期结存和期末结存"));
        }
        self.supervised(proposal, world, level)?;
        let previous = self.continues(proposal, world)?;
        balance(&self.totals(), previous, &self.period, proposal, world)
    }

    fn evolve(self, _: State, event: &Recorded<'_>) -> State {
        State {
            org: event.statement.org.clone(),
            content: Some(self.content),
            book: self.book,
            totals: self.totals(),
            lines_count: event.lines_count(),
            period: Some(self.period),
            ..State::default()
        }
    }

    fn learn(&self, world: &mut World, event: &Recorded<'_>) {
        let (Some(book), Content::Finance, Some((start, ends_on))) = (self.book, self.content, self.period.days())
        else {
            return;
        };
        let booked = Booked {
            ends_on,
            stream: event.statement.stream.clone(),
            opening: self.opening.map(|fen| fen.0),
            closing: self.closing.map(|fen| fen.0),
        };
        world.book_mut(&event.statement.org, book.wire()).insert(start, booked);
    }

    fn sample() -> Value {
        json!({"kind": "disclosure.published.v1", "org": "341599", "fields": {
            "class": "finance", "content": "finance", "period": "2026-02", "published_by": "self",
            "income": 0, "expense": 67_336, "title": "2026 年 2 月收支公开表(虚构)", "item": "月度收支",
            "lines": [
                {"date": "2026-02-03", "voucher": "记-12", "summary": "公厕电费", "account": "管理费用", "expense": 33_030},
                {"date": "2026-02-21", "voucher": "记-19", "summary": "公厕电费", "account": "管理费用", "expense": 34_306}]}})
    }
}

impl Payload for Corrected {
    type State = State;
    const OPENS: bool = false;
    const TEACHES: bool = true;

    fn decide(&self, state: &State, proposal: &Proposal<'_>, context: &Context<'_>) -> Result<(), Refusal> {
        state.standing()?;
        if state.content != Some(self.content) {
            return Err(Refusal::field("content", "内容形式", "应与原公开一致"));
        }
        let corrects = self.corrects.as_deref().unwrap_or_default();
        if corrects.len() != proposal.lines.len() {
            return Err(Refusal::field("corrects", "更正的行号", "应与更正后的明细行一一对应"));
        }
        let mut lines_count = state.lines_count;
        for line in corrects {
            match *line {
                line if line < lines_count => {}
                line if line == lines_count => lines_count += 1,
                _ => return Err(Refusal::field("corrects", "更正的行号", format!("共 {lines_count} 行，行号从 0 起"))),
            }
        }
        if corrects.is_empty() && proposal.text("title").is_none() && proposal.text("text").is_none() {
            return Err(Refusal::state("没有写明更正了什么"));
        }
        if self.content == Content::Finance && !corrects.is_empty() {
            self.balanced(state, context.world)?;
        }
        Ok(())
    }

    fn evolve(self, state: State, _: &Recorded<'_>) -> State {
        let appended = self.corrects.iter().flatten().filter(|line| **line >= state.lines_count).count() as u64;
        let totals = self.totals().unwrap_or(state.totals);
        State { lines_count: state.lines_count + appended, totals, ..state }
    }

    fn learn(&self, world: &mut World, event: &Recorded<'_>) {
        world.correct_book(&event.statement.org, &event.statement.stream, self.totals());
    }

    fn sample() -> Value {
        json!({"kind": "disclosure.corrected.v1", "stream": sample_stream("disclosure", 1), "org": "341599", "fields": {
            "content": "finance", "corrects": [1], "income": 0, "expense": 67_336, "reason": "补写用电地点",
            "lines": [{"date": "2026-02-21", "voucher": "记-19", "summary": "公厕电费（村北）", "expense": 34_306}]}})
    }
}

impl Corrected {
    /// The totals after the correction, if it gives any.
    fn totals(&self) -> Option<Totals> {
        let (income, expense) = (self.income?.0, self.expense?.0);
        Some(Totals {
            opening: self.opening.map(|fen| fen.0),
            income: Some(income),
            expense: Some(expense),
            closing: self.closing.map(|fen| fen.0),
        })
    }

    /// The new totals hold together, and with the neighbouring periods. Whether they are the sums of
    /// all lines is re-checked by `audit`, which has the old lines at hand.
    fn balanced(&self, state: &State, world: &World) -> Result<(), Refusal> {
        let Some(totals) = self.totals() else {
            return Err(Refusal::field("income", "本期收入", "更正明细须给出更正后的收支合计"));
        };
        if state.totals.opening != totals.opening {
            return Err(Refusal::field("opening", "上期结存", "更正不能改变上期结存"));
        }
        let (Some(opening), Some(income), Some(expense), Some(closing)) =
            (totals.opening, totals.income, totals.expense, totals.closing)
        else {
            return if state.totals.closing.is_some() {
                Err(Refusal::field("closing", "期末结存", "必须填写"))
            } else {
                Ok(())
            };
        };
        let computed = opening.checked_add(income).and_then(|sum| sum.checked_sub(expense));
        if computed != Some(closing) {
            return Err(Refusal::Books(vec![format!(
                "上期结存 {} 加收入 {} 减支出 {} 不等于期末结存 {}",
                finance::fen_text(opening),
                finance::fen_text(income),
                finance::fen_text(expense),
                finance::fen_text(closing)
            )]));
        }
        let day_after = state.period.as_ref().and_then(Period::days).and_then(|(_, end)| end.succ_opt());
        let (Some(day_after), Some(book)) = (day_after, state.book) else { return Ok(()) };
        let next =
            world.book(&state.org, book.wire()).and_then(|booked| booked.get(&day_after)).and_then(|next| next.opening);
        match next.filter(|next| *next != closing) {
            Some(next) => Err(Refusal::Books(vec![format!(
                "期末结存 {} 与下期已公开的上期结存 {} 不符",
                finance::fen_text(closing),
                finance::fen_text(next)
            )])),
            None => Ok(()),
        }
    }
}

impl Payload for Withdrawn {
    type State = State;
    const OPENS: bool = false;
    const TEACHES: bool = true;

    fn decide(&self, state: &State, _: &Proposal<'_>, _: &Context<'_>) -> Result<(), Refusal> {
        state.standing()
    }

    fn evolve(self, state: State, _: &Recorded<'_>) -> State {
        State { withdrawn: true, ..state }
    }

    fn learn(&self, world: &mut World, event: &Recorded<'_>) {
        world.unbook(&event.statement.org, &event.statement.stream);
    }

    fn sample() -> Value {
        json!({"kind": "disclosure.withdrawn.v1", "stream": sample_stream("disclosure", 1), "org": "341599",
            "fields": {"reason": "误传其他村的表(虚构)"}})
    }
}
