//! What `doctor` looks at of the bucket: whether it can be reached and keeps to conditions, and whether what is published
//! there is what the ledger has. Nothing is put there but, where a store does not keep to its conditions, the bytes that it
//! has.

use gongkai_log::Checkpoint;
use gongkai_store::{Bucket, DirectoryFetch, LogHead, ReadStore, StoreError};

use super::{Doctor, continues};
use crate::cli::local;
use crate::config::{Config, bucket};
use crate::outcome::{NEWER, chain};

impl Doctor {
    /// Asks the bucket of the configuration, if there is one.
    pub(super) async fn bucket(&mut self, store: &ReadStore, config: Option<&Config>, running: bool) {
        let bucket = match config.map(bucket::open) {
            None | Some(Ok(None)) => return,
            Some(Ok(Some(bucket))) => bucket,
            Some(Err(fault)) => {
                let remedy = fault.remedy.unwrap_or_default();
                return self.wrong("bucket", format!("{}：{}", fault.place, fault.cause), remedy);
            }
        };
        let Ok(keys) = local::log_keys(&self.layout) else {
            let what = format!("{} 读不出账本公钥，对象存储没有核对", self.layout.vkey().display());
            return self.remark("bucket_unchecked", what, "请启动一次网站，它会重新写出公钥");
        };
        let there = match bucket.checkpoint(&keys).await {
            Ok(there) => there.map(|there| there.checkpoint),
            Err(error) => return self.bucket_unusable(&bucket, &error),
        };
        match bucket.keeps_conditions().await {
            Ok(true) => {}
            Ok(false) => {
                let error = StoreError::Unconditional { name: bucket.name().to_owned() };
                return self.bucket_unusable(&bucket, &error);
            }
            Err(error) => return self.bucket_unusable(&bucket, &error),
        }
        // The bucket is never ahead of a head that is read after it.
        match store.head().await {
            Ok(head) => self.compare_bucket(bucket.name(), there.as_ref(), &head, running),
            Err(error) => {
                self.wrong("database", chain(&error), "请运行 gongkai verify --dir，它会指出是哪一条；然后恢复备份");
            }
        }
    }

    fn bucket_unusable(&mut self, bucket: &Bucket, error: &StoreError) {
        let name = bucket.name();
        let (code, what, remedy) = match error {
            StoreError::Foreign { .. } => (
                "bucket_foreign",
                format!("对象存储 {name} 里放的不是这本账：{}", chain(error)),
                "请核对 gongkai.toml 的 bucket，换一个空的文件夹；别处的内容没有动",
            ),
            StoreError::Unconditional { .. } => (
                "bucket_unconditional",
                format!("对象存储 {name} 不支持条件写入，该拒绝的写入没有拒绝"),
                "请换用支持 If-Match 和 If-None-Match 的对象存储；用这一个，网站不会启动",
            ),
            _ => (
                "bucket_unreachable",
                format!("对象存储 {name} 连不上，或不准读写：{}", chain(error)),
                "请检查网络、bucket_endpoint 和钥匙（AWS_ACCESS_KEY_ID、AWS_SECRET_ACCESS_KEY）；恢复之前照常登记，但不公布新的检查点",
            ),
        };
        self.wrong(code, what, remedy);
    }

    fn compare_bucket(&mut self, name: &str, there: Option<&Checkpoint>, head: &LogHead, running: bool) {
        let dir = self.dir();
        let catches_up = if running {
            "网站会接着放进去；一直不变，请看网站的日志".to_owned()
        } else {
            format!("请运行 gongkai serve --dir {dir}，启动时会自动补齐")
        };
        let Some(there) = there else {
            let what = format!("对象存储 {name} 里还没有检查点，什么也没有公布");
            return self.remark("bucket_empty", what, catches_up);
        };
        if there.size > head.size {
            let what = format!(
                "对象存储 {name} 已公布 {} 条，数据库只有 {} 条：数据库是旧备份，或被截断",
                there.size, head.size
            );
            return self.wrong("bucket_ahead", what, format!("{NEWER}；不要用这份数据库启动"));
        }
        if self.is_another_history(there, head) {
            let what = format!("对象存储 {name} 公布的前 {} 条和这里的不是同一部历史", there.size);
            return self.wrong("bucket_other", what, "请查明另一部是谁写的；查明之前不要启动，两边的检查点都请留存");
        }
        let behind = head.size - there.size;
        if behind > 0 {
            self.remark("bucket_behind", format!("对象存储 {name} 比账本少 {behind} 条"), catches_up);
        } else {
            self.remark("bucket", format!("对象存储 {name} 与账本一致，共 {} 条，条件写入可用", there.size), "不用办");
        }
    }

    /// Whether the published files here show that the bucket's checkpoint is not a beginning of ours. What cannot be read here
    /// is told where the files are looked at.
    fn is_another_history(&self, there: &Checkpoint, head: &LogHead) -> bool {
        if there.size == head.size {
            return there.root != head.edge.root();
        }
        let Some(here) = self.checkpoint().filter(|here| here.size >= there.size) else { return false };
        continues(there, &here, &DirectoryFetch::new(self.layout.log())) == Some(false)
    }
}
