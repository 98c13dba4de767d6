//! The console's pages for what several people do: a draft under review, a statement that waits for a signature, the keys of
//! one person. What a draft says is opened by the page's script, after the access to it is on record.

use askama::Template;

use super::console::Who;
use super::{Page, Section, Site};

/// A step of a review.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepLine {
    /// The gate's name.
    pub gate: String,
    /// Who takes it.
    pub who: String,
    /// Those who took it, with the time.
    pub taken: Vec<String>,
    /// How many have yet to.
    pub missing: u64,
    /// Whether it is the one that is waited for.
    pub is_next: bool,
}

/// `/internal/reviews/{id}`
#[derive(Debug, Clone, Template)]
#[template(path = "console_review.html")]
pub struct ReviewPage {
    /// Frame.
    pub site: Site,
    /// Who is signed in.
    pub who: Who,
    /// The organization that publishes.
    pub org: String,
    /// Who made the draft, and when.
    pub submitted: String,
    /// The steps.
    pub steps: Vec<StepLine>,
    /// Who sent it back, and when.
    pub returned: Option<String>,
    /// The entry that published it.
    pub published: Option<u64>,
    /// What this reader can do: `pass`, `publish`, `mend` or nothing.
    pub act: &'static str,
    /// What the script needs, as JSON.
    pub facts: String,
}

impl Page for ReviewPage {
    fn title(&self) -> String {
        "送审稿".into()
    }

    fn section(&self) -> Section {
        Section::None
    }
}

impl ReviewPage {
    /// A supervisor's turn.
    pub fn sample() -> Self {
        let step = |gate: &str, who: &str, taken: &[&str], missing| StepLine {
            gate: gate.into(),
            who: who.into(),
            taken: taken.iter().map(|text| (*text).to_owned()).collect(),
            missing,
            is_next: gate == "村监会审核",
        };
        Self {
            site: Site::sample(),
            who: Who::sample(),
            org: "五里桥村".into(),
            submitted: "方会计（虚构）2026-03-20 09:00 送审".into(),
            steps: vec![
                step("村监会审核", "监督人", &["吴监督（虚构）2026-03-20 10:12"], 1),
                step("书记审批", "审批人", &[], 1),
                step("乡镇备案", "上级机构的审核人", &[], 1),
            ],
            returned: None,
            published: None,
            act: "pass",
            facts: r#"{"review":"review/5ea1ed00-0000-4000-8000-000000000001"}"#.into(),
        }
    }

    /// Through all gates, and published.
    pub fn published_sample() -> Self {
        Self { published: Some(33), act: "", ..Self::sample() }
    }

    /// Sent back to its author.
    pub fn returned_sample() -> Self {
        let returned = Some("吴监督（虚构）2026-03-20 10:12".into());
        Self { returned, act: "mend", ..Self::sample() }
    }
}

/// `/internal/drafts/{id}`
#[derive(Debug, Clone, Template)]
#[template(path = "console_cosign.html")]
pub struct CosignPage {
    /// Frame.
    pub site: Site,
    /// Who is signed in.
    pub who: Who,
    /// What the script needs, as JSON.
    pub facts: String,
}

impl Page for CosignPage {
    fn title(&self) -> String {
        "联署".into()
    }

    fn section(&self) -> Section {
        Section::None
    }
}

impl CosignPage {
    /// One that waits.
    pub fn sample() -> Self {
        Self { site: Site::sample(), who: Who::sample(), facts: r#"{"id":"1"}"#.into() }
    }
}

/// A key of one person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceLine {
    /// Name of the key.
    pub name: String,
    /// When it was approved, or revoked.
    pub state: String,
    /// Whether the session is with it.
    pub is_this: bool,
    /// The command that revokes it, as JSON; `None` when it is revoked already, or when this reader may not.
    pub revocation: Option<String>,
}

/// `/internal/devices`
#[derive(Debug, Clone, Template)]
#[template(path = "console_devices.html")]
pub struct DevicesPage {
    /// Frame.
    pub site: Site,
    /// Who is signed in.
    pub who: Who,
    /// Own keys.
    pub own: Vec<DeviceLine>,
    /// Whether the reader revokes others' keys.
    pub is_registrar: bool,
    /// The key that a registrar looked up, with its holder.
    pub found: Option<(String, DeviceLine)>,
    /// What was looked for.
    pub wanted: String,
}

impl Page for DevicesPage {
    fn title(&self) -> String {
        "我的钥匙".into()
    }

    fn section(&self) -> Section {
        Section::None
    }
}

impl DevicesPage {
    /// A phone and a PC; a registrar looks a third up.
    pub fn sample() -> Self {
        let line = |name: &str, is_this| DeviceLine {
            name: name.into(),
            state: "2026-03-01 启用".into(),
            is_this,
            revocation: (!is_this).then(|| r#"{"kind":"key.revoked.v1"}"#.to_owned()),
        };
        Self {
            site: Site::sample(),
            who: Who::sample(),
            own: vec![line("chen.qingxi.example/1", true), line("chen.qingxi.example/2", false)],
            is_registrar: true,
            found: Some(("吴监督（虚构）".into(), line("wu.qingxi.example/1", false))),
            wanted: "wu.qingxi.example/1".into(),
        }
    }
}
