//! One pledge with its whole history.

use askama::Template;
use gongkai_projections::Status;

use super::format::{Bytes, Day, Moment};
use super::parts::{
    Attachment, Badge, Check, Clock, Diff, Event, Family, Link, Period, Proxy, Row, Segment, Shown, Signer, days_left,
    sample_event, sample_tombstone,
};
use super::share::Share;
use super::{Page, Section, Site};

/// `/pledges/{id}`
#[derive(Debug, Clone, Template)]
#[template(path = "pledge.html")]
pub struct PledgePage {
    /// Frame.
    pub site: Site,
    /// How one says what one thinks of it.
    pub hand_in: Vec<Link>,
    /// Sessions with the people at which it was made.
    pub sessions: Vec<Link>,
    /// Entry number of the first statement.
    pub index: u64,
    /// What was pledged: action and object.
    pub item: Shown,
    /// Type (实事 …), year.
    pub kind: String,
    /// Year of the pledge.
    pub year: i32,
    /// State.
    pub status: Badge,
    /// Who pledged.
    pub pledger: Shown,
    /// Their role or post; empty for none.
    pub pledger_role: String,
    /// Organization and those above it, top first.
    pub path: Vec<Link>,
    /// Value before; absent is shown as 缺少基准值.
    pub baseline: Option<Shown>,
    /// Value promised; absent is shown as 缺少目标值.
    pub target: Option<Shown>,
    /// Measures.
    pub measures: Option<Shown>,
    /// Due date.
    pub due: Option<Day>,
    /// Days to it, negative after it; absent when the pledge is over.
    pub days_left: Option<i64>,
    /// How the due date was computed, when working days matter.
    pub due_period: Option<Period>,
    /// Whose report is missing, when the date has passed.
    pub failed_to_report: Option<Link>,
    /// The last report.
    pub reported: Option<Moment>,
    /// Reported progress, 0–100.
    pub progress_percent: Option<u8>,
    /// Supervising phone, digits and hyphens.
    pub phone: Option<String>,
    /// All events, newest first.
    pub history: Vec<Event>,
    /// What can be carried away.
    pub share: Share,
    /// Supervisions of it.
    pub clocks: Vec<Clock>,
    /// Check panel of the newest entry.
    pub check: Check,
}

impl Page for PledgePage {
    fn title(&self) -> String {
        self.item.plain().into()
    }

    fn section(&self) -> Section {
        Section::Family(Family::Pledge)
    }

    fn feeds(&self) -> Vec<Link> {
        self.share.feeds.clone()
    }
}

impl PledgePage {
    /// `还有 12 天` and so on; empty when the pledge is over.
    pub fn left(&self) -> String {
        days_left(self.days_left)
    }

    /// Whether the due date has passed and still matters.
    pub fn is_late(&self) -> bool {
        self.days_left.is_some_and(|days| days < 0)
    }

    /// A pledge with every kind of event.
    pub fn sample() -> Self {
        Self {
            site: Site::sample(),
            hand_in: vec![
                Link::new("/hand-in/pledge.rated?about=pledge%2F1", "评一评"),
                Link::new("/hand-in/letter.received?org=990101", "有话要说，写信"),
            ],
            sessions: vec![Link::new("/streams/session/1", "柳溪镇三月民情沟通面对面")],
            index: 1042,
            item: Shown::of("完成五里桥村电网改造，让老街不再一到夏天就跳闸"),
            kind: "实事".into(),
            year: 2025,
            status: Badge(Status::OverdueUnreported),
            pledger: Shown::of("方志远（虚构）"),
            pledger_role: "五里桥村党支部书记".into(),
            path: sample_path(),
            baseline: Some(Shown::of("户均停电 9 次/年")),
            target: Some(Shown::of("户均停电 2 次/年以下")),
            measures: Some(Shown::of("更换两台 200 千伏安变压器，改造低压线路 3.2 公里；每月底在村务栏贴一次进度。")),
            due: Some(Day::of(2026, 2, 28)),
            days_left: Some(-10),
            due_period: None,
            failed_to_report: Some(Link::new("/organizations/990101003", "五里桥村党支部")),
            reported: Some(Moment::of(2025, 11, 3, 15, 20)),
            progress_percent: Some(60),
            phone: Some("0000-0000000".into()),
            history: sample_history(),
            share: Share::sample(Family::Pledge),
            clocks: vec![Clock::sample()],
            check: Check::sample(),
        }
    }
}

pub(crate) fn sample_path() -> Vec<Link> {
    vec![
        Link::new("/organizations/9901", "清溪县"),
        Link::new("/organizations/990101", "河口镇"),
        Link::new("/organizations/990101003", "五里桥村"),
    ]
}

fn sample_history() -> Vec<Event> {
    let mut made = sample_event(1042, "作出承诺", Moment::of(2025, 3, 5, 10, 0), Moment::of(2025, 3, 5, 10, 14));
    made.status = Some(Badge(Status::NotReported));
    made.signers.push(Signer {
        role: "审批".into(), holder: "河口镇党委组织委员".into(), key: "hekou.zuwei/2".into()
    });
    made.rows = vec![
        Row::new("承诺", "完成五里桥村电网改造"),
        Row::new("完成时限", "2025年12月31日"),
        Row { label: "联系地址".into(), value: Shown::Withdrawn(sample_tombstone()) },
    ];
    made.attachments = vec![Attachment {
        name: Shown::of("承诺书扫描件.pdf"),
        href: Some("/log/attachment/19e3fb1a853c7404ecea15a5f00321dabc9ace8a68d36233ab50a17362dd2f6c".into()),
        size: Bytes(348_210),
        hash: "19e3fb1a853c7404ecea15a5f00321dabc9ace8a68d36233ab50a17362dd2f6c".into(),
    }];
    let mut amended = sample_event(1130, "调整承诺", Moment::of(2025, 9, 12, 9, 0), Moment::of(2025, 9, 12, 9, 31));
    amended.rows = vec![Row::new("调整原因", "变压器到货晚于合同，供电所已出具说明。")];
    amended.diffs = vec![
        Diff {
            label: "承诺".into(),
            segments: vec![
                Segment::Same("完成五里桥村电网改造".into()),
                Segment::Inserted("，让老街不再一到夏天就跳闸".into()),
            ],
        },
        Diff {
            label: "完成时限".into(),
            segments: vec![Segment::Deleted("2025年12月31日".into()), Segment::Inserted("2026年2月28日".into())],
        },
    ];
    let mut progressed =
        sample_event(1201, "报告进展", Moment::of(2025, 10, 20, 8, 0), Moment::of(2025, 11, 3, 15, 20));
    progressed.status = Some(Badge(Status::InProgress));
    progressed.late_days = Some(14);
    progressed.proxy =
        Some(Proxy { channel: "会议".into(), original: "GeP7GoU8dATs6hWl8AMh2ryazopo02Izq1Chc2LdL2w=".into() });
    progressed.rows = vec![Row::new("进度", "60%"), Row::new("情况", "变压器已换好 1 台，线路改造完成 1.9 公里。")];
    vec![progressed, amended, made]
}
