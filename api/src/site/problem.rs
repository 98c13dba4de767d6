//! What a reader sees when there is no such page, or when we failed.

use askama::Template;

use super::format::Moment;
use super::{Halt, Page, Section, Site};

/// Any page with a status of 400 and above.
#[derive(Debug, Clone, Template)]
#[template(path = "problem.html")]
pub struct ProblemPage {
    /// Frame.
    pub site: Site,
    /// HTTP status.
    pub code: u16,
    /// Title.
    pub headline: String,
    /// What happened.
    pub detail: String,
    /// What to do, one sentence a step.
    pub advice: Vec<String>,
}

impl Page for ProblemPage {
    fn title(&self) -> String {
        self.headline.clone()
    }

    fn section(&self) -> Section {
        Section::None
    }
}

impl ProblemPage {
    /// 404.
    pub fn not_found(site: Site) -> Self {
        Self {
            site,
            code: 404,
            headline: "没有找到这一页".into(),
            detail: "地址可能抄漏了几个字。账本里的记录不会被删掉：记下的内容撤下了，也会留下撤回的痕迹。".into(),
            advice: vec!["核对地址，特别是最后几位。".into(), "在这里搜人名、村名或事情。".into()],
        }
    }

    /// A failure of ours, while the ledger is halted.
    pub fn sample() -> Self {
        let halt =
            Halt { since: Moment::of(2026, 3, 12, 8, 40), reason: "服务器时钟往回跳了 3 分钟".into() };
        Self {
            site: Site { halt: Some(halt), ..Site::sample() },
            code: 503,
            headline: "现在查不了".into(),
            detail: "查询库正在重建，已经重建到第 1,204 条（共 1,310 条）。账本本身没有受影响。".into(),
            advice: vec!["过几分钟再打开这一页。".into(), "等不及的话，可以直接下载账本原始文件核对。".into()],
        }
    }
}
