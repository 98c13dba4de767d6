//! What `doctor` looks at of the replicas that pages are read from: whether they can be, and how far behind they are.

use gongkai_projections::Home;
use gongkai_projections::replicas::{self, Standing, Stands};

use super::Doctor;
use crate::outcome::chain;

impl Doctor {
    /// Asks every replica of the configuration.
    pub(super) async fn replicas(&mut self, home: &Home) {
        match replicas::examine(home).await {
            Ok(found) => found.iter().for_each(|stands| self.replica(stands)),
            Err(error) => self.wrong("replicas", chain(&error), "请检查 PostgreSQL 主库是否在运行"),
        }
    }

    fn replica(&mut self, Stands { address, standing }: &Stands) {
        let (what, remedy) = match standing {
            Standing::Reading { behind } => {
                let what = format!("从库 {address} 可以读，比主库少 {behind} 条");
                return self.remark("replica", what, "少得不多就不用办；一直不减，请检查它的流复制");
            }
            Standing::Silent => ("连不上，或没有按时回答", "请检查它是否在运行、地址和口令（PGPASSWORD 或 ~/.pgpass）"),
            Standing::NotFollowing => {
                ("没有在跟随主库", "请把它重新做成流复制的从库；它若已升为主库，请从 read_replicas 里去掉")
            }
            Standing::Lacking => ("没有正在使用的查询库", "请检查流复制是否在进行，地址是不是账本所在的库"),
            Standing::Other => ("内容和主库不同", "它不是这本账的从库：请改正 read_replicas"),
        };
        self.wrong("replica", format!("从库 {address} {what}，页面由主库应答"), remedy);
    }
}
