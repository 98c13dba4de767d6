//! What `doctor` looks at of the map: whether its root is still logged, told from the published files.
//!
//! A ledger that nobody has open logs nothing, so there it is only good to know. A copy is judged by when it looked last:
//! what it has not fetched cannot tell.

use std::time::Duration;

use chrono::{DateTime, Utc};
use gongkai_store::mirror::records;

use super::{Doctor, spelled};
use crate::cli::local;
use crate::config::{Config, map_seconds_default};
use crate::http::published::Published;
use crate::outcome::chain;
use crate::roots::{Roots, Waiting};

/// Who is asked why there is no root.
enum Keeper {
    /// This ledger, which has been open since then.
    Open(DateTime<Utc>),
    /// This ledger, which nobody has open.
    Closed,
    /// The ledger that this directory copies.
    Source,
}

impl Doctor {
    /// Looks at the ledger's own log.
    pub(super) async fn roots(&mut self, config: Option<&Config>, running: bool) {
        let modified = || std::fs::metadata(self.layout.lock()).and_then(|lock| lock.modified());
        let keeper = match (running, modified()) {
            (false, _) => Keeper::Closed,
            (true, Ok(since)) => Keeper::Open(since.into()),
            (true, Err(_)) => Keeper::Open(DateTime::UNIX_EPOCH),
        };
        self.map(config, &keeper, local::clock().now()).await;
    }

    /// Looks at the log of a mirror, as of when it last saw its source.
    pub(super) async fn roots_of_source(&mut self, config: Option<&Config>) {
        let Some(status) = records::status(&self.layout) else { return };
        // What was refused or not seen may hold the root.
        if status.refused.is_none() && status.failed.is_none() {
            self.map(config, &Keeper::Source, status.looked_at).await;
        }
    }

    async fn map(&mut self, config: Option<&Config>, keeper: &Keeper, now: DateTime<Utc>) {
        let roots = match Roots::of(&Published::new(&self.layout.log())).await {
            Ok(roots) => roots,
            Err(error) => {
                let what = format!("总目有没有按时登记，没有看成（{}）", chain(&error));
                return self.remark("map_unchecked", what, "请先处理别的毛病，再运行一次 gongkai doctor");
            }
        };
        let seconds = config.map_or(map_seconds_default(), |config| config.map_seconds);
        let began = if let Keeper::Open(since) = keeper { *since } else { DateTime::UNIX_EPOCH };
        let Some(waiting) = roots.overdue(began, now, Duration::from_secs(seconds)) else { return };
        let Waiting { index, recorded_at } = waiting;
        let last = roots.last.map_or("最近的记录里没有登记过总目".to_owned(), |root| {
            format!("最近的总目在第 {} 号条目，{} 登记", root.index, spelled(root.recorded_at))
        });
        let what = format!("第 {index} 号条目 {} 入账，至今没有算进总目（{last}）", spelled(recorded_at));
        let dir = self.dir();
        match keeper {
            Keeper::Open(_) => {
                let remedy = format!(
                    "现在证明不了此后没有缺漏。请看网站日志里关于 map 的错误；再运行 gongkai verify --dir {dir} 核对已登记的总目，\
                     没有问题就重启网站，总目会接着登记"
                );
                self.wrong("map_stopped", what, remedy);
            }
            Keeper::Closed => {
                let remedy = format!("网站没有在运行；运行 gongkai serve --dir {dir}，{seconds} 秒后会登记");
                self.remark("map_waits", what, remedy);
            }
            Keeper::Source => {
                let remedy = "这要由账本的管理单位处理；请告诉他们，此后的记录有没有缺漏，谁也证明不了";
                self.wrong("map_stopped", what, remedy);
            }
        }
    }
}
