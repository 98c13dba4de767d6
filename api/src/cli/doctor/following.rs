//! What `doctor` looks at in the directory of a mirror: what it was shown and did not accept, and whether it still looks.

use chrono::TimeDelta;
use gongkai_store::mirror::records::{self, Status};

use super::{Doctor, spelled};
use crate::cli::local;
use crate::outcome::chain;

/// A mirror that has not looked for longer is not running, or cannot reach its source.
const SILENT_MAX: TimeDelta = TimeDelta::hours(1);

impl Doctor {
    /// Looks at the records of the mirror; its files are verified whenever it starts.
    pub(super) fn following(&mut self) {
        let evidence = match records::evidence(&self.layout) {
            Ok(evidence) => evidence,
            Err(error) => return self.wrong("evidence", chain(&error), "请检查磁盘"),
        };
        for found in evidence {
            let path = found.path.display();
            if found.is_fork {
                let what = format!("账本出示过两部互相矛盾的历史，证据是 {path}");
                let remedy = format!(
                    "请用 gongkai verify {path} --vkey 核验，并交给主办单位、见证方和监督机构；本镜像只保留先核验过的一部"
                );
                self.wrong("mirror_forked", what, remedy);
            } else {
                let remedy = "不是分叉；常见的原因是来源用了旧备份，不再出现就不必处理";
                self.remark("mirror_rolled_back", format!("来源出示过较旧的检查点，存在 {path}"), remedy);
            }
        }
        let dir = self.dir();
        let Some(Status { looked_at, size, refused, failed }) = records::status(&self.layout) else {
            let remedy = format!("请运行 gongkai mirror --dir {dir} --source …");
            return self.remark("mirror_unused", "还没有同步过", remedy);
        };
        if let Some(reason) = refused {
            let what = format!("{} 看来源时没有接受（{reason}），停在 {size} 条", spelled(looked_at));
            let remedy = format!("请运行 gongkai mirror --dir {dir} --once 看原因和怎么办");
            self.wrong("mirror_refused", what, remedy);
        }
        if let Some(reason) = failed {
            let what = format!("{} 的同步没有做成（{reason}）", spelled(looked_at));
            let remedy = format!("请检查网络、磁盘和 --source；再运行 gongkai mirror --dir {dir} --once 看怎么办");
            self.remark("mirror_failed", what, remedy);
        }
        if local::clock().now() - looked_at > SILENT_MAX {
            let what = format!("{} 以后没有看过来源", spelled(looked_at));
            self.remark("mirror_silent", what, "请检查 gongkai mirror 是否在运行；用磁盘传递的，到时候再同步一次即可");
        }
    }
}
