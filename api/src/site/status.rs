//! How the ledger stands in the eyes of others: its last checkpoint, who cosigned it, who copies it.

use askama::Template;

use super::format::{Count, Moment};
use super::parts::RootsCard;
use super::{Page, Section, Site};

/// A witness of the ledger's policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WitnessRow {
    /// Its name in the policy.
    pub name: String,
    /// When it cosigned the checkpoint that is shown; `None` when it did not.
    pub cosigned: Option<Moment>,
    /// What happened last when it was asked, in a sentence; only where it is asked from.
    pub sentence: Option<String>,
    /// Two histories may be about.
    pub is_alarm: bool,
}

/// A machine that copies the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MirrorRow {
    /// Its address, or its name.
    pub url: String,
    /// Where it stands, in a sentence.
    pub sentence: String,
    /// Something is wrong with it.
    pub is_alarm: bool,
}

/// Where people hand in across a network gap, and what the ledger owes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntakeRow {
    /// Origin of its log, or its place while it could not be read.
    pub name: String,
    /// Periods of its log, and up to which they are answered; `None` while it could not be read.
    pub batches: Option<(Count, Count)>,
    /// What is missing, in sentences; or why it could not be read.
    pub owed: Vec<String>,
}

/// That entries were brought back, because the ledger's database had lost them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecoveryRow {
    /// Entry that says so.
    pub index: u64,
    /// When it was recorded.
    pub at: Moment,
    /// First entry that was brought back.
    pub first: u64,
    /// Last entry that was.
    pub last: u64,
    /// Where they came from.
    pub source: &'static str,
    /// Values that are not public and are known to be lost.
    pub openings_lost: Count,
    /// Fields of which nobody can tell whether they were filled.
    pub openings_undecided: Count,
    /// Sealed periods whose content is lost.
    pub periods_lost: Count,
}

/// The checkpoint that is published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Entries.
    pub size: Count,
    /// Root of the tree.
    pub root: String,
    /// When it was published.
    pub at: Moment,
}

/// `/status`
#[derive(Debug, Clone, Template)]
#[template(path = "status.html")]
pub struct StatusPage {
    /// Frame.
    pub site: Site,
    /// The checkpoint; `None` before the first.
    pub checkpoint: Option<Standing>,
    /// The witnesses; none where the ledger has no policy.
    pub witnesses: Vec<WitnessRow>,
    /// Whether the policy's quorum cosigned the checkpoint.
    pub has_quorum: bool,
    /// The mirrors; none where none is known.
    pub mirrors: Vec<MirrorRow>,
    /// When they were looked at.
    pub looked_at: Option<Moment>,
    /// The mirrors that are handed the log from here, by the names of their keys.
    pub handed: Vec<MirrorRow>,
    /// Whether the root of the map is still logged.
    pub roots: RootsCard,
    /// When entries were brought back.
    pub recoveries: Vec<RecoveryRow>,
    /// The intakes that are followed here.
    pub intakes: Vec<IntakeRow>,
    /// The replicas of the database that pages are read from, by number.
    pub replicas: Vec<MirrorRow>,
}

impl Page for StatusPage {
    fn title(&self) -> String {
        "见证和镜像".into()
    }

    fn section(&self) -> Section {
        Section::About
    }
}

impl StatusPage {
    /// The demo ledger, watched by others.
    pub fn sample() -> Self {
        let row = |name: &str, cosigned, sentence: &str, is_alarm| WitnessRow {
            name: name.into(),
            cosigned,
            sentence: Some(sentence.into()),
            is_alarm,
        };
        Self {
            site: Site::sample(),
            checkpoint: Some(Standing {
                size: Count(1_024),
                root: "RWaggbuCPIZZYPHC1YZLLg0WXKAmIQQWEDBpAWFxNTE=".into(),
                at: Moment::of(2026, 3, 12, 9, 0),
            }),
            witnesses: vec![
                row("linxian", Some(Moment::of(2026, 3, 12, 9, 0)), "已联署到第 1024 条", false),
                row("daxue", None, "连不上", false),
                row("baoshe", None, "它说这本账和它联署过的对不上", true),
            ],
            has_quorum: true,
            mirrors: vec![
                MirrorRow { url: "https://mirror.example".into(), sentence: "已跟随撤下".into(), is_alarm: false },
                MirrorRow {
                    url: "https://old.example".into(),
                    sentence: "仍在提供已撤下的内容 1 处，最早的已撤下 9 天".into(),
                    is_alarm: true,
                },
            ],
            looked_at: Some(Moment::of(2026, 3, 12, 9, 0)),
            handed: vec![MirrorRow {
                url: "mirror.example/qinghe".into(),
                sentence: "已存到第 1024 条，并已联署".into(),
                is_alarm: false,
            }],
            roots: RootsCard::sample(),
            recoveries: vec![RecoveryRow {
                index: 1_020,
                at: Moment::of(2026, 3, 11, 9, 0),
                first: 996,
                last: 1_019,
                source: "镜像或网上公布的日志",
                openings_lost: Count(2),
                openings_undecided: Count(40),
                periods_lost: Count(3),
            }],
            intakes: vec![IntakeRow {
                name: "ledger.example/qinghe/intake".into(),
                batches: Some((Count(144), Count(140))),
                owed: vec!["网上收件第 140 至 143 批应于 2026-03-12 08:00 前答复，账本至今没有答复".into()],
            }],
            replicas: vec![
                MirrorRow { url: "从库 1".into(), sentence: "已跟上主库".into(), is_alarm: false },
                MirrorRow {
                    url: "从库 2".into(), sentence: "连不上，页面由主库应答".into(), is_alarm: false
                },
            ],
        }
    }
}
