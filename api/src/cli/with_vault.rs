//! `--with-vault`: what `verify` and `audit` check besides, with the vault unlocked.
//!
//! The checks themselves are the store's ([`gongkai_store::sealed_audit`]); here is where the vault comes from, how what
//! was found is shown, and what is said of a vault that is lost: the public proofs hold without it, what it held is gone.

use std::collections::BTreeMap;
use std::path::PathBuf;

use chrono::{DateTime, Utc};
use gongkai_domain::audit_sealed::{Category, Finding};
use gongkai_store::{Layout, ReadStore, SealedReport, Vault, sealed_audit};
use serde_json::{Value, json};
use tokio::runtime::Handle;

use super::checking::Source;
use super::terminal::{self, Progress};
use super::vault;
use crate::config::Config;
use crate::outcome::Fault;

/// Findings of one category that are printed for people; a program gets all that are listed.
const SHOWN_MAX: usize = 20;

/// Options of a check with the vault.
#[derive(Debug, clap::Args)]
pub struct WithVault {
    /// 解锁限阅库一并核验：封存的内容、审核、承诺和删除（只读，网站可以在运行）
    #[arg(long, conflicts_with_all = ["url"])]
    with_vault: bool,
    /// 从文件第一行读取限阅库主密钥的口令
    #[arg(long, value_name = "文件", requires = "with_vault")]
    vault_passphrase_file: Option<PathBuf>,
}

/// How the check with the vault ended.
#[derive(Debug)]
pub enum Sealed {
    /// Everything was read.
    Checked(SealedReport),
    /// There is no vault any more: so many sealed events and values cannot be opened by anybody.
    Lost {
        /// Sealed events.
        events: u64,
        /// Sealed values of public entries.
        values: u64,
    },
}

/// A ledger's directory with its vault, before anything was checked.
pub struct Opened {
    layout: Layout,
    vault: Option<Vault>,
}

/// There is no vault where the log is read from.
pub fn nowhere() -> Fault {
    Fault::usage("--with-vault", "限阅库只在账本目录里").mend("请用 --dir 指到账本目录")
}

impl WithVault {
    /// Whether it was asked for.
    pub fn is_asked_for(&self) -> bool {
        self.with_vault
    }

    /// Unlocks the vault, so that a wrong passphrase shows before the long work; `None` when it was not asked for.
    ///
    /// # Errors
    /// No directory, no vault and nothing that needs one, or a wrong passphrase.
    pub fn open(&self, source: &Source) -> Result<Option<Opened>, Fault> {
        if !self.with_vault {
            return Ok(None);
        }
        let Source::Dir(layout, _) = source else { return Err(nowhere()) };
        if !layout.has_ledger() {
            let cause = "这里只有已发布的文件，没有数据库和限阅库";
            return Err(Fault::usage(layout.root().display().to_string(), cause));
        }
        let config = Config::read(layout)?;
        let unlocked = vault::unlock_to_read(layout, &config, self.vault_passphrase_file.as_ref());
        let vault = Handle::current().block_on(unlocked)?;
        Ok(Some(Opened { layout: layout.clone(), vault }))
    }
}

impl Opened {
    /// Where the ledger lies.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Checks everything; `now` decides which promises are overdue.
    ///
    /// # Errors
    /// Something cannot be read; or there is neither a vault nor anything that would be in one.
    pub fn check(&self, now: DateTime<Utc>) -> Result<Sealed, Fault> {
        Handle::current().block_on(self.run(now))
    }

    async fn run(&self, now: DateTime<Utc>) -> Result<Sealed, Fault> {
        let store = ReadStore::open(&self.layout).await?;
        let Some(vault) = &self.vault else {
            let (events, values) = sealed_audit::count(&store).await.map_err(|error| Fault::from(&error))?;
            store.close().await;
            if events + values == 0 {
                let cause = "这个账本没有限阅库，也没有封存的内容";
                return Err(Fault::usage("--with-vault", cause).mend("去掉 --with-vault 再核验"));
            }
            return Ok(Sealed::Lost { events, values });
        };
        let progress = Progress::new("核验限阅库");
        let tell = |done, all| progress.tell(done, all);
        let report = sealed_audit::run(&store, vault, now, &tell).await.map_err(|error| Fault::from(&error));
        vault.close().await.map_err(vault::fault)?;
        store.close().await;
        Ok(Sealed::Checked(report?))
    }
}

impl Sealed {
    /// How many things are wrong.
    pub fn breaches(&self) -> u64 {
        match self {
            Self::Checked(report) => report.breaches(),
            Self::Lost { .. } => 1,
        }
    }

    /// For programs.
    pub fn to_json(&self) -> Value {
        match self {
            Self::Checked(report) => json!({
                "ok": report.breaches() == 0, "lost": false, "breaches": report.breaches(),
                "remarks": report.remarks(), "events": report.events, "waiting": report.waiting,
                "erased": report.erased, "enveloped": report.enveloped, "values": report.values,
                "periods": report.periods, "brought_back": report.brought_back, "counts": report.counts, "findings": report.findings,
            }),
            Self::Lost { events, values } => json!({
                "ok": false, "lost": true, "breaches": 1, "remarks": 0, "events": events, "values": values,
            }),
        }
    }

    /// For people.
    ///
    /// # Errors
    /// Standard output takes nothing.
    pub fn tell(&self, all: bool) -> Result<(), Fault> {
        let report = match self {
            Self::Checked(report) => report,
            Self::Lost { events, values } => {
                return terminal::say(format_args!(
                    "限阅库已丢失：公开的证明全部成立，不受影响；{events} 件封存事项、{values} 处封存值谁也打不开了，\
                     只证明当时有过\n    怎么办：请从备份取回 vault/wraps.db（要与账本同时或更晚）和 keys/vault.key"
                ));
            }
        };
        terminal::say(summary(report))?;
        if report.counts.is_empty() {
            return Ok(());
        }
        let (breaches, remarks) = (report.breaches(), report.remarks());
        terminal::say(format_args!("限阅库里不符的 {breaches} 处，提示 {remarks} 处"))?;
        let mut by_category: BTreeMap<Category, Vec<&Finding>> = BTreeMap::new();
        for finding in &report.findings {
            by_category.entry(finding.category).or_default().push(finding);
        }
        for (category, findings) in by_category {
            let count = report.counts.get(&category).copied().unwrap_or_default();
            terminal::say(format_args!("\n{}（{count} 处）", category.label()))?;
            let shown = if all { findings.len() } else { SHOWN_MAX.min(findings.len()) };
            for finding in findings.iter().take(shown) {
                terminal::say(format_args!("  {}", line(finding)))?;
            }
            if count > shown as u64 {
                terminal::say(format_args!("  另有 {} 处", count - shown as u64))?;
            }
        }
        Ok(())
    }
}

fn summary(report: &SealedReport) -> String {
    let word = if report.breaches() == 0 { "限阅库核验通过" } else { "限阅库核验不通过" };
    format!(
        "{word}：封存事项 {} 件（已删除 {}、加密给受理机关 {}、等待入账 {}），公开事项的封存值 {} 处，封存时段 {} 个",
        report.events, report.erased, report.enveloped, report.waiting, report.values, report.periods
    )
}

fn line(finding: &Finding) -> String {
    let place = match (finding.entry, finding.sealed_event) {
        (Some(index), _) => format!("第 {index} 号条目  "),
        (None, Some(seq)) => format!("第 {seq} 号封存事项  "),
        (None, None) => String::new(),
    };
    let field = finding.field.as_ref().map_or(String::new(), |field| format!("  [{field}]"));
    format!("{place}{}{field}", finding.sentence)
}
