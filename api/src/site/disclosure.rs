//! A disclosure: books line by line, other lists, corrections, and what was asked about it.

use askama::Template;
use gongkai_projections::Status;

use super::format::{Bytes, Count, Day, Fen, Moment};
use super::parts::{
    Attachment, Badge, Check, Clock, Event, Family, Link, Row, Shown, Signer, Tombstone, sample_event, sample_tombstone,
};
use super::question::{Question, Wall};
use super::share::Share;
use super::{Page, Section, Site};
use crate::paper::sheet::Seal;

/// One arithmetic check of the books, such as 上期结存相符.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckMark {
    /// What was checked.
    pub label: String,
    /// Whether it holds; absent when it could not be checked (no earlier period).
    pub holds: Option<bool>,
    /// The figures, or why it could not be checked.
    pub detail: String,
}

/// A remark on a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flag {
    /// Without voucher.
    NoVoucher,
    /// A voucher that does not conform.
    PoorVoucher,
    /// A self-made voucher that conforms.
    SelfMade,
    /// A reversal.
    Reversal,
    /// Corrected later.
    Corrected,
}

impl Flag {
    /// The words.
    pub fn label(&self) -> &'static str {
        match self {
            Self::NoVoucher => "无凭证",
            Self::PoorVoucher => "白条",
            Self::SelfMade => "自制凭证（合规）",
            Self::Reversal => "冲红",
            Self::Corrected => "已更正",
        }
    }

    /// Its colour.
    pub fn class(&self) -> &'static str {
        match self {
            Self::NoVoucher | Self::PoorVoucher => "late",
            Self::SelfMade | Self::Reversal | Self::Corrected => "plain",
        }
    }
}

/// One line of the books.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FinanceLine {
    /// Line number, from 1; the line's anchor is `L` and this number.
    pub number: u32,
    /// Date.
    pub date: Option<Day>,
    /// Voucher number; empty for none.
    pub voucher: String,
    /// What for.
    pub summary: Shown,
    /// Account or plain category; empty for none.
    pub account: String,
    /// Money in.
    pub income: Option<Fen>,
    /// Money out.
    pub expense: Option<Fen>,
    /// Balance after it.
    pub balance: Option<Fen>,
    /// Counterparty, masked if a natural person.
    pub counterparty: Option<Shown>,
    /// Remarks.
    pub flags: Vec<Flag>,
    /// How its item stands to the period before, such as 比上月多37元.
    pub verdict: Option<String>,
    /// What it opens to: the sums that were compared, its voucher with its files, what it reverses, what was asked about it.
    pub behind: Vec<Behind>,
    /// The rest: source of funds, handler, approver, supervisor, attachments, project, reference.
    pub more: Vec<Row>,
}

impl FinanceLine {
    /// Whether there is something to open.
    pub fn opens(&self) -> bool {
        self.verdict.is_some() || !self.behind.is_empty()
    }
}

/// One thing behind a line, and where more of it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Behind {
    /// In words.
    pub text: String,
    /// Where it leads, if anywhere.
    pub link: Option<Link>,
    /// Files that it names.
    pub files: Vec<Attachment>,
}

impl Behind {
    /// Words that lead somewhere, or nowhere.
    pub fn new(text: impl Into<String>, link: Option<Link>) -> Self {
        Self { text: text.into(), link, files: Vec::new() }
    }
}

/// An account with its sum and its share of the largest one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountSum {
    /// Account or category.
    pub account: String,
    /// Sum.
    pub amount: Fen,
    /// Share of the total, per mille.
    pub share_permille: u16,
}

/// One book's month.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finance {
    /// Which book, such as 村委会账 or 经济合作社账.
    pub book: String,
    /// Balance before.
    pub opening: Fen,
    /// Total in.
    pub income: Fen,
    /// Total out.
    pub expense: Fen,
    /// Balance after.
    pub closing: Fen,
    /// Checks.
    pub checks: Vec<CheckMark>,
    /// Where the money went, largest first; may be empty.
    pub accounts: Vec<AccountSum>,
    /// Lines in order.
    pub lines: Vec<FinanceLine>,
    /// How many lines the statement counts; more than `lines` only when some were withdrawn or are on another page.
    pub line_count: Count,
    /// Lines that were withdrawn.
    pub withdrawn: Vec<(u32, Tombstone)>,
    /// The rest of a long list.
    pub more_href: Option<String>,
}

/// A column of another list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Label.
    pub label: String,
    /// Numbers stand on the right.
    pub is_number: bool,
}

/// A row of another list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListRow {
    /// Line number, from 1.
    pub number: u32,
    /// One cell a column; empty when withdrawn.
    pub cells: Vec<Shown>,
    /// The whole line was withdrawn.
    pub withdrawn: Option<Tombstone>,
}

impl ListRow {
    /// Each cell with its column.
    pub fn pairs<'a>(&'a self, list: &'a List) -> impl Iterator<Item = (&'a Column, &'a Shown)> {
        list.columns.iter().zip(&self.cells)
    }
}

/// A list of another shape: assets, contracts, debts, projects, rosters, service items.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List {
    /// Name of the list.
    pub name: String,
    /// How many lines the statement counts.
    pub line_count: Count,
    /// Columns.
    pub columns: Vec<Column>,
    /// Rows.
    pub rows: Vec<ListRow>,
    /// Totals as labelled values.
    pub totals: Vec<Row>,
}

/// A correction of one field of one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Correction {
    /// Line number; absent when the text was corrected.
    pub line: Option<u32>,
    /// Field.
    pub field: String,
    /// Old value.
    pub old: Shown,
    /// New value.
    pub new: Shown,
    /// Reason.
    pub reason: Shown,
    /// When it was recorded.
    pub at: Moment,
    /// Entry that records it.
    pub index: u64,
}

/// `/disclosures/{id}`
#[derive(Debug, Clone, Template)]
#[template(path = "disclosure.html")]
pub struct DisclosurePage {
    /// Frame.
    pub site: Site,
    /// What can be handed in about it now.
    pub hand_in: Vec<Link>,
    /// Entry number of the disclosure.
    pub index: u64,
    /// Title.
    pub name: Shown,
    /// Class: 村务, 党务, 财务, 政务.
    pub class: String,
    /// Period in words, such as 2026年2月.
    pub period: String,
    /// State.
    pub status: Badge,
    /// Back-filled by so many days.
    pub late_days: Option<u32>,
    /// Organization and those above it, top first.
    pub path: Vec<Link>,
    /// The author's time.
    pub declared: Moment,
    /// The ledger's time.
    pub recorded: Moment,
    /// Who published it: 本村, 代理中心, 乡镇代为.
    pub published_by: String,
    /// That an organization above published it because this one did not, in a sentence.
    pub substitution: Option<String>,
    /// Who signed, author first.
    pub signers: Vec<Signer>,
    /// Further labelled values: catalogue item, priority, decision behind it.
    pub rows: Vec<Row>,
    /// Text.
    pub text: Option<Shown>,
    /// Published as 本月无收支.
    pub is_quiet: bool,
    /// Books, one or two.
    pub finances: Vec<Finance>,
    /// Other lists.
    pub lists: Vec<List>,
    /// Files of the sheet.
    pub attachments: Vec<Attachment>,
    /// Corrections, newest first.
    pub corrections: Vec<Correction>,
    /// Questions; the section appears only when there are any.
    pub questions: Vec<Question>,
    /// What was asked about the period before, which stands on this period's sheet (答复上墙).
    pub wall: Option<Wall>,
    /// The form of a question, to which a line's number is added.
    pub ask_href: Option<String>,
    /// The period before.
    pub previous: Option<Link>,
    /// The period after.
    pub next: Option<Link>,
    /// All lines as CSV.
    pub csv_href: Option<String>,
    /// Where a sheet on the wall is compared with this one.
    pub wall_href: String,
    /// All events, newest first.
    pub history: Vec<Event>,
    /// What can be carried away.
    pub share: Share,
    /// What stands beside its printed sheet; absent before it is recorded.
    pub seal: Option<Seal>,
    /// Supervisions of it.
    pub clocks: Vec<Clock>,
    /// Check panel.
    pub check: Check,
}

impl Page for DisclosurePage {
    fn title(&self) -> String {
        match self.path.last() {
            Some(org) => format!("{} {}", org.label, self.name.plain()),
            None => self.name.plain().into(),
        }
    }

    fn section(&self) -> Section {
        Section::Family(Family::Disclosure)
    }

    fn feeds(&self) -> Vec<Link> {
        self.share.feeds.clone()
    }
}

/// Signed amounts of the worked month of domain.md 1 with what they were for, in fen.
const WORKED_MONTH: [(u32, &str, &str, &str, i64); 11] = [
    (3, "记-01", "收村口门面上半年租金", "出租及承包收入", 1_200_000),
    (6, "记-02", "收镇财政拨付村级运转补助", "补助收入", 4_000_000),
    (9, "记-03", "1 月份村干部报酬", "干部报酬", -960_000),
    (10, "记-04", "村民代表会议用茶水、材料", "会议费", -45_000),
    (10, "记-05", "办公电话费", "电话费", -19_800),
    (12, "记-06", "2026 年度党报党刊", "邮寄报刊", -126_000),
    (13, "记-07", "老街公厕电费（1 月）", "水电费", -33_030),
    (13, "", "老街公厕电费（补上年 12 月）", "水电费", -34_306),
    (24, "记-09", "清理河道误工 24 工", "误工补贴", -240_000),
    (26, "记-10", "村文化广场路灯维修", "其他支出", -350_000),
    (28, "记-11", "存款利息", "其他收入", 31_826),
];

impl DisclosurePage {
    /// The worked month, corrected, with a question.
    pub fn sample() -> Self {
        let mut published =
            sample_event(1310, "公开财务", Moment::of(2026, 3, 9, 18, 0), Moment::of(2026, 3, 12, 9, 12));
        published.late_days = Some(2);
        Self {
            site: Site::sample(),
            hand_in: vec![Link::new("/hand-in/disclosure.questioned?about=disclosure%2F1", "对公开的账目提问")],
            index: 1310,
            name: Shown::of("2026年2月财务收支明细"),
            class: "财务".into(),
            period: "2026年2月".into(),
            status: Badge(Status::Corrected),
            late_days: Some(2),
            path: super::pledge::sample_path(),
            declared: published.declared,
            recorded: published.recorded,
            published_by: "代理中心（河口镇代理记账）".into(),
            substitution: None,
            signers: vec![
                Signer {
                    role: "制单".into(), holder: "代理会计 温岚（虚构）".into(), key: "hekou.daili/1".into()
                },
                Signer {
                    role: "监督".into(),
                    holder: "村监会 孟长河（虚构）".into(),
                    key: "wuliqiao.jianhui/1".into(),
                },
                Signer {
                    role: "监督".into(),
                    holder: "村监会 庄小满（虚构）".into(),
                    key: "wuliqiao.jianhui/2".into(),
                },
            ],
            rows: vec![
                Row::new("公开方式", "主动公开 · 每月"),
                Row::new("议事依据", "2026年1月村民代表会议（四议两公开）"),
            ],
            text: None,
            is_quiet: false,
            finances: vec![worked_month()],
            lists: Vec::new(),
            attachments: Vec::new(),
            corrections: vec![Correction {
                line: Some(8),
                field: "摘要".into(),
                old: Shown::of("老街公厕电费"),
                new: Shown::of("老街公厕电费（补上年 12 月）"),
                reason: Shown::of("两笔电费月份不同，原摘要没有写明。"),
                at: Moment::of(2026, 3, 20, 10, 5),
                index: 1344,
            }],
            questions: vec![Question::sample()],
            wall: Some(Wall::sample()),
            ask_href: Some("/hand-in/disclosure.questioned?about=1".into()),
            previous: Some(Link::new("/disclosures/0", "2026年1月")),
            next: None,
            csv_href: Some("/api/v1/disclosures/1/lines?format=csv".into()),
            wall_href: "/disclosures/1/wall".into(),
            history: vec![
                sample_event(1344, "更正", Moment::of(2026, 3, 20, 10, 0), Moment::of(2026, 3, 20, 10, 5)),
                published,
            ],
            share: Share::sample(Family::Disclosure),
            seal: Some(Seal::sample()),
            clocks: vec![Clock::sample()],
            check: Check::sample(),
        }
    }

    /// Contracts and a roster.
    pub fn lists_sample() -> Self {
        let column = |label: &str, is_number| Column { label: label.into(), is_number };
        let row = |number, cells: &[&str]| ListRow {
            number,
            cells: cells.iter().map(|cell| Shown::of(*cell)).collect(),
            withdrawn: None,
        };
        let list = List {
            name: "资源、合同".into(),
            line_count: Count(3),
            columns: vec![
                column("名称", false),
                column("承包方", false),
                column("期限", false),
                column("年租金（元）", true),
            ],
            rows: vec![
                row(1, &["村口门面 3 间", "陈**", "2025-01-01 至 2027-12-31", "24,000.00"]),
                row(2, &["东山果园 42 亩", "清溪果业合作社（虚构）", "2020-03-01 至 2030-02-28", "33,600.00"]),
                ListRow { number: 3, cells: Vec::new(), withdrawn: Some(sample_tombstone()) },
            ],
            totals: vec![Row::new("年租金合计", "57,600.00 元")],
        };
        Self {
            name: Shown::of("2026年第一季度集体资源合同"),
            class: "村务".into(),
            period: "2026年第一季度".into(),
            status: Badge(Status::Disclosed),
            late_days: None,
            text: Some(Shown::of("本季度没有新签合同，东山果园租金已按期收齐。")),
            finances: Vec::new(),
            lists: vec![list],
            corrections: Vec::new(),
            questions: Vec::new(),
            wall: None,
            ..Self::sample()
        }
    }

    /// A month without movement.
    pub fn quiet_sample() -> Self {
        Self {
            name: Shown::of("2025年12月财务收支明细"),
            period: "2025年12月".into(),
            status: Badge(Status::NoMovement),
            late_days: None,
            is_quiet: true,
            finances: Vec::new(),
            corrections: Vec::new(),
            questions: Vec::new(),
            wall: Some(Wall::empty_sample()),
            csv_href: None,
            ..Self::sample()
        }
    }
}

fn sample_voucher() -> Vec<Attachment> {
    let hash = "2d7ce7b7463db8a6bdf1e7c7634fb22c5fc4b0dcf667e1f11d62a8d5c932fe92";
    vec![Attachment {
        name: Shown::of("凭证文件 1（image/jpeg）"),
        href: Some(format!("/log/attachment/{hash}")),
        size: Bytes(182_400),
        hash: hash.into(),
    }]
}

fn worked_month() -> Finance {
    let opening = 18_642_035;
    let mut balance = opening;
    let mut number = 0;
    let lines: Vec<FinanceLine> = WORKED_MONTH
        .into_iter()
        .map(|(day, voucher, summary, account, amount)| {
            balance += amount;
            number += 1;
            FinanceLine {
                number,
                date: Some(Day::of(2026, 2, day)),
                voucher: voucher.into(),
                summary: Shown::of(summary),
                account: account.into(),
                income: (amount > 0).then_some(Fen(amount)),
                expense: (amount < 0).then_some(Fen(-amount)),
                balance: Some(Fen(balance)),
                counterparty: (number % 3 == 0).then(|| Shown::of("陈**")),
                verdict: Some(if number == 7 { "比上月多37元".into() } else { "上月没有这一项".into() }),
                behind: vec![
                    Behind::new(
                        "水电费：这一期2笔共673.36元；2026年1月1笔共636.36元。",
                        Some(Link::new("/disclosures/0", "看2026年1月")),
                    ),
                    Behind { files: sample_voucher(), ..Behind::new(format!("凭证{voucher}，后附1张。"), None) },
                ],
                flags: match number {
                    8 => vec![Flag::NoVoucher, Flag::Corrected],
                    9 => vec![Flag::SelfMade],
                    _ => Vec::new(),
                },
                more: if amount < 0 {
                    vec![Row::new("经手", "报账员"), Row::new("审批", "村党支部书记"), Row::new("附件", "1 张")]
                } else {
                    Vec::new()
                },
            }
        })
        .collect();
    let mark = |label: &str, detail: &str, holds| CheckMark { label: label.into(), holds, detail: detail.into() };
    let share = |account: &str, amount: i64| AccountSum {
        account: account.into(),
        amount: Fen(amount),
        share_permille: u16::try_from(amount * 1000 / 1_808_136).expect("a share is at most 1000"),
    };
    Finance {
        book: "村委会账".into(),
        opening: Fen(opening),
        income: Fen(5_231_826),
        expense: Fen(1_808_136),
        closing: Fen(balance),
        checks: vec![
            mark("上期结存相符", "1 月末 186,420.35 元", Some(true)),
            mark("收支平衡", "期初 + 收入 − 支出 = 期末", Some(true)),
            mark("合计等于逐笔相加", "11 笔", Some(true)),
            mark("“其他”已逐项列明", "超过 1,000.00 元的 1 笔", Some(true)),
        ],
        accounts: vec![
            share("干部报酬", 960_000),
            share("其他支出", 350_000),
            share("误工补贴", 240_000),
            share("邮寄报刊", 126_000),
            share("水电费", 67_336),
            share("会议费", 45_000),
            share("电话费", 19_800),
        ],
        lines,
        line_count: Count(11),
        withdrawn: Vec::new(),
        more_href: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worked_month_balances() {
        let month = worked_month();
        assert_eq!(month.closing, Fen(22_065_725));
        let spent: i64 = month.lines.iter().filter_map(|line| line.expense).map(|fen| fen.0).sum();
        assert_eq!(Fen(spent), month.expense);
        assert_eq!(month.accounts.iter().map(|sum| sum.amount.0).sum::<i64>(), month.expense.0);
    }
}
