//! A notice with its period, text and outcome.

use askama::Template;
use gongkai_projections::Status;

use super::format::{Bytes, Moment};
use super::parts::{Attachment, Badge, Check, Clock, Event, Family, Link, Period, Row, Shown, sample_event};
use super::share::Share;
use super::{Page, Section, Site};
use crate::paper::sheet::Seal;

/// `/notices/{id}`
#[derive(Debug, Clone, Template)]
#[template(path = "notice.html")]
pub struct NoticePage {
    /// Frame.
    pub site: Site,
    /// What can be handed in about it now.
    pub hand_in: Vec<Link>,
    /// Entry number of the notice.
    pub index: u64,
    /// Title.
    pub name: Shown,
    /// Type, such as 征地预公告.
    pub kind: String,
    /// State.
    pub status: Badge,
    /// Organization and those above it, top first.
    pub path: Vec<Link>,
    /// The period, when it has one.
    pub period: Option<Period>,
    /// Days since the period ended without a published outcome.
    pub days_without_outcome: Option<u32>,
    /// The text.
    pub text: Shown,
    /// Further labelled values, such as where to object.
    pub rows: Vec<Row>,
    /// Files.
    pub attachments: Vec<Attachment>,
    /// The published outcome.
    pub outcome: Option<Shown>,
    /// All events, newest first.
    pub history: Vec<Event>,
    /// What can be carried away.
    pub share: Share,
    /// What stands beside its printed sheet; absent before it is recorded.
    pub seal: Option<Seal>,
    /// Where a sheet on the wall is compared with this one.
    pub wall_href: String,
    /// Supervisions of it.
    pub clocks: Vec<Clock>,
    /// Check panel.
    pub check: Check,
}

impl Page for NoticePage {
    fn title(&self) -> String {
        self.name.plain().into()
    }

    fn section(&self) -> Section {
        Section::Family(Family::Notice)
    }

    fn feeds(&self) -> Vec<Link> {
        self.share.feeds.clone()
    }
}

impl NoticePage {
    /// A notice whose outcome was published.
    pub fn sample() -> Self {
        Self {
            site: Site::sample(),
            hand_in: vec![Link::new("/hand-in/notice.objected?about=notice%2F1", "对公示提异议")],
            index: 1287,
            name: Shown::of("五里桥村拟发展预备党员公示"),
            kind: "发展党员".into(),
            status: Badge(Status::Concluded),
            path: super::pledge::sample_path(),
            period: Some(Period { days_left: None, ..Period::sample() }),
            days_without_outcome: None,
            text: Shown::of(
                "经支部大会讨论，拟接收蒋小满（虚构）同志为预备党员，现予公示。\n公示期间，对公示对象有不同意见的，可以向五里桥村党支部或河口镇党委反映。反映情况请实事求是，提倡署真实姓名。",
            ),
            rows: vec![Row::new("反映意见", "河口镇党建办，电话 0000-0000000")],
            attachments: vec![Attachment {
                name: Shown::of("公示照片.jpg"),
                href: Some("/log/attachment/2d7ce7b7463db8a6bdf1e7c7634fb22c5fc4b0dcf667e1f11d62a8d5c932fe92".into()),
                size: Bytes(1_248_210),
                hash: "2d7ce7b7463db8a6bdf1e7c7634fb22c5fc4b0dcf667e1f11d62a8d5c932fe92".into(),
            }],
            outcome: Some(Shown::of("公示期满，经河口镇党委审批，同意接收为预备党员。")),
            history: vec![
                sample_event(1301, "公布结果", Moment::of(2025, 10, 11, 9, 0), Moment::of(2025, 10, 11, 9, 8)),
                sample_event(1287, "发布公示", Moment::of(2025, 9, 25, 17, 0), Moment::of(2025, 9, 25, 17, 8)),
            ],
            share: Share::sample(Family::Notice),
            seal: Some(Seal::sample()),
            wall_href: "/notices/1/wall".into(),
            clocks: Vec::new(),
            check: Check::sample(),
        }
    }
}
