//! What `doctor` looks at of the machines that copy the log: whether they followed what was withdrawn, and whether those
//! that are handed it have all of it.

use gongkai_log::{Checkpoint, Note};
use gongkai_store::{DirectoryFetch, ReadStore};

use super::Doctor;
use crate::cli::local;
use crate::config::{Config, PushTo};
use crate::cosigning::State as Standing;
use crate::mirrors::{self, Place, Report, State, StillShown};
use crate::outcome::chain;
use crate::pushing::{Pushing, keeping};

/// Places that are named of one mirror.
const NAMED_MAX: usize = 5;

impl Doctor {
    /// Asks every configured mirror.
    pub(super) async fn mirrors(&mut self, store: &ReadStore, config: Option<&Config>) {
        let urls = config.map(|config| config.mirrors.clone()).unwrap_or_default();
        if urls.is_empty() {
            return;
        }
        let Ok(keys) = local::log_keys(&self.layout) else {
            let what = format!("{} 读不出账本公钥，镜像没有核对", self.layout.vkey().display());
            return self.remark("mirror_unchecked", what, "请启动一次网站，它会重新写出公钥");
        };
        let withdrawals = match store.withdrawals().await {
            Ok(withdrawals) => withdrawals,
            Err(error) => {
                return self.wrong(
                    "database",
                    chain(&error),
                    "请运行 gongkai verify --dir，它会指出是哪一条；然后恢复备份",
                );
            }
        };
        let now = local::clock().now();
        let asked = tokio::task::spawn_blocking(move || mirrors::check(&urls, &withdrawals, &keys, now)).await;
        match asked {
            Ok(reports) => reports.iter().for_each(|report| self.mirror(report)),
            Err(error) => {
                self.remark("mirror_unchecked", format!("镜像没有核对：{error}"), "请再运行一次 gongkai doctor");
            }
        }
    }

    /// Asks every mirror that the log is handed to how much it has.
    pub(super) async fn handed(&mut self, config: Option<&Config>) {
        let Some(config) = config.filter(|config| !config.push_mirrors.is_empty()) else { return };
        let (to, origin, log) = (config.push_mirrors.clone(), config.origin.clone(), self.layout.log());
        let ask = move |to: &PushTo| {
            let mut pushing = Pushing::new(&to.key, &to.url, DirectoryFetch::new(&log));
            (to.key.name().to_owned(), pushing.has(&origin))
        };
        let asked = tokio::task::spawn_blocking(move || to.iter().map(ask).collect::<Vec<_>>()).await;
        let text = std::fs::read_to_string(self.layout.checkpoint()).unwrap_or_default();
        let published = Note::parse(&text).ok().and_then(|note| Checkpoint::parse(&note.text).ok());
        let size = published.map_or(0, |checkpoint| checkpoint.size);
        for (name, has) in asked.unwrap_or_default() {
            let about = format!("推送的镜像 {name}");
            match has {
                Ok(has) if has >= size => {}
                Ok(has) => {
                    let what = format!("{about} 只有 {has} 条，账本已公布 {size} 条");
                    self.remark("push_mirror_behind", what, "网站运行时会接着推送；一直不变，请看网站的日志");
                }
                Err(denial) => {
                    let what = format!("{about} {}", keeping::sentence(&Standing::Denied(denial)));
                    let remedy = "请检查网络和 gongkai.toml 的 push_mirrors，再联系镜像的管理人";
                    self.remark("push_mirror_unreachable", what, remedy);
                }
            }
        }
    }

    fn mirror(&mut self, report: &Report) {
        let Report { url, state, shown, unproven, reason, .. } = report;
        let because = reason.as_ref().map_or(String::new(), |reason| format!("（{reason}）"));
        let what = format!("镜像 {url} {}", state.sentence());
        let (code, what, remedy) = match state {
            State::Followed => return,
            State::StillShows { .. } => (
                "mirror_shows_withdrawn",
                format!("{what}：{}", named(shown)),
                "请通知镜像管理人重新同步 log/openings 和 log/lines，本账本没有的一律删去；撤下清单见 \
                 /api/v1/withdrawals，同步后再运行 gongkai doctor 核对",
            ),
            State::NotYetSeen { .. } => {
                ("mirror_behind", what, "请通知镜像管理人同步到最新的检查点，再运行 gongkai doctor 核对")
            }
            State::Unproven { .. } => (
                "mirror_unproven",
                format!("{what}{because}"),
                "请在网络空闲时再运行 gongkai doctor；仍然如此，请通知镜像管理人重新同步 log/openings 和 log/lines",
            ),
            State::Unreachable => (
                "mirror_unreachable",
                format!("{what}{because}"),
                "请检查网络和网址；不再使用的镜像请从 gongkai.toml 的 mirrors 里删去",
            ),
            State::Forged => (
                "mirror_forged",
                format!("{what}{because}"),
                "请查明那里提供的是谁的内容，不要引导群众去那里；不是镜像的请从 gongkai.toml 的 mirrors 里删去",
            ),
        };
        if state.is_wrong() {
            self.wrong(code, what, remedy);
        } else {
            self.remark(code, what, remedy);
        }
        if *unproven > 0 && !matches!(state, State::Unproven { .. }) {
            let what = format!("镜像 {url} 另有 {unproven} 个文件没能核对{because}");
            self.remark("mirror_unproven", what, "处理完上一条后再运行 gongkai doctor");
        }
    }
}

/// Where it is shown, as far as that fits a sentence.
fn named(shown: &[StillShown]) -> String {
    let place = |shown: &StillShown| match shown.place {
        Place::Slot(slot) => format!("第 {} 号条目第 {slot} 槽", shown.target),
        Place::Line(line) => format!("第 {} 号条目第 {} 行", shown.target, line + 1),
    };
    let mut named: Vec<String> = shown.iter().take(NAMED_MAX).map(place).collect();
    if shown.len() > NAMED_MAX {
        named.push("等".to_owned());
    }
    named.join("、")
}
