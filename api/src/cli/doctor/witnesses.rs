//! What `doctor` looks at of the witnesses: whether they answer, and whether what they have cosigned is this ledger.

use gongkai_log::{Checkpoint, Note};
use gongkai_store::{DirectoryFetch, LogHead, ReadStore};

use super::{Doctor, continues};
use crate::cli::local;
use crate::config::Config;
use crate::cosigning::asking::Denial;
use crate::cosigning::{Cosigning, State};
use crate::outcome::{NEWER, chain};

impl Doctor {
    /// Asks every witness of the policy.
    pub(super) async fn witnesses(&mut self, store: &ReadStore, config: Option<&Config>) {
        let Some(config) = config else { return };
        let cosigning = match local::cosigning(&self.layout, config, &local::clock()) {
            Ok(Some(cosigning)) => cosigning,
            Ok(None) => {
                let what = "没有请见证方：别人看不出这本账有没有两个样子";
                let remedy = "请另一个县、学校或报社运行 gongkai witness，把它写进 gongkai.toml 的 witness_policy";
                return self.remark("no_witnesses", what, remedy);
            }
            Err(fault) => {
                let remedy = fault.remedy.clone().unwrap_or_else(|| "请改正 gongkai.toml 的 witness_policy".to_owned());
                return self.wrong("witness_policy", format!("{}：{}", fault.place, fault.cause), remedy);
            }
        };
        self.quorum(&cosigning);
        let Ok(head) = store.head().await else { return };
        let looked = tokio::task::spawn_blocking(move || cosigning.look()).await;
        for (name, answer) in looked.unwrap_or_default() {
            match answer {
                None => {}
                Some(Ok(None)) => {
                    let what = format!("见证方 {name} 还没有联署过这本账");
                    self.remark("witness_unasked", what, "请确认它的 --log 里有这本账的验证钥匙，网站也在运行");
                }
                Some(Ok(Some(note))) => self.witnessed(&name, &note, &head),
                Some(Err(denial)) => self.denied(&name, &denial),
            }
        }
    }

    /// The published checkpoint must be one that readers with the published policy accept.
    fn quorum(&mut self, cosigning: &Cosigning) {
        let text = std::fs::read_to_string(self.layout.checkpoint()).unwrap_or_default();
        let Ok(note) = Note::parse(&text) else { return };
        if let Err(error) = cosigning.judge(&note) {
            let what = format!("公布的检查点联署不够（{}）", chain(&error));
            self.wrong("no_quorum", what, "请启动网站，并确认见证方都在运行；联署够了检查点会自己更新");
        }
    }

    fn witnessed(&mut self, name: &str, note: &Note, head: &LogHead) {
        let Ok(keys) = local::log_keys(&self.layout) else { return };
        let Ok(seen) = keys.check(note) else {
            let what = format!("见证方 {name} 给出的检查点不是这本账的钥匙签名的");
            return self.wrong("witness_lies", what, "请和见证方核对它的地址和验证钥匙");
        };
        if seen.size > head.size {
            let state = State::Denied(Denial::Ahead { recorded: seen.size });
            let what = format!("见证方 {name}：{}", state.sentence());
            return self.wrong("witness_ahead", what, format!("{NEWER}；查明是谁用了这把日志钥匙"));
        }
        let here = Checkpoint { origin: seen.origin.clone(), size: head.size, root: head.edge.root() };
        // Where the files here cannot be read, nobody can say that it is ours.
        if continues(&seen, &here, &DirectoryFetch::new(self.layout.log())) != Some(true) {
            let what = format!("见证方 {name} 联署过的 {} 条和这本账的对不上", seen.size);
            let remedy = "这是两部历史：请保存见证方的检查点和这里的 log/，报督查部门查明";
            self.wrong("witness_forked", what, remedy);
        }
    }

    fn denied(&mut self, name: &str, denial: &Denial) {
        let state = State::Denied(denial.clone());
        let what = format!("见证方 {name} {}", state.sentence());
        if state.is_wrong() {
            self.wrong("witness_lies", what, "请和见证方核对它的地址和验证钥匙");
        } else {
            self.remark("witness_unreachable", what, "请检查网络和 witness_policy 里的地址，再联系见证方");
        }
    }
}
