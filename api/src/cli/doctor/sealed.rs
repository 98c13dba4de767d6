//! What `doctor` looks at of the sealed side: the vault and its files, promises and periods, TLS of the internal side.
//!
//! It needs no passphrase, so it tells nothing of what is in the vault; that is `verify --with-vault`.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use chrono::TimeDelta;
use gongkai_store::{ReadStore, Settings, StoreError, Vault, VaultFault, sealed_audit};

use super::{Doctor, spelled};
use crate::cli::local;
use crate::config::Config;
use crate::http::tls;
use crate::keyfile;
use crate::outcome::chain;

/// A certificate that ends within so many days is renewed now, while its readers can be given the next one.
const CERTIFICATE_DAYS_LEFT_MIN: i64 = 30;
/// Periods without an entry after which something is wrong.
const PERIODS_MISSED_MAX: i32 = 2;

impl Doctor {
    /// Files of the vault that others can read, or that belong elsewhere.
    pub(super) async fn vault(&mut self, config: Option<&Config>) {
        match Vault::exists(&self.layout).await {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => {
                let remedy = "请检查 PostgreSQL 是否在运行、地址和权限对不对".to_owned();
                return self.wrong("vault", format!("限阅库读不出来（{}）", chain(&error)), remedy);
            }
        }
        self.mode(&self.layout.vault(), "限阅库目录", "700");
        let key = self.layout.keys().join("vault.key");
        let passphrase = config.and_then(|config| config.vault_passphrase_file.as_ref());
        let passphrase = passphrase.map(|file| self.layout.root().join(file));
        let by_command = config.is_some_and(|config| config.vault_key_command.is_some());
        for (path, what) in [(Some(key), "限阅库主密钥"), (passphrase, "限阅库口令文件")] {
            let Some(path) = path.filter(|_| !by_command) else { continue };
            if path.is_file() {
                self.mode(&path, what, "600");
            } else {
                let what = format!("{what} {} 不在，限阅库打不开", path.display());
                self.wrong("vault_key", what, format!("请从备份取回 {}", path.display()));
            }
        }
        match (Vault::origin_of(&self.layout).await, config) {
            (Ok(origin), Some(config)) if origin != config.origin => {
                let what = format!("限阅库是账本 {origin} 的，不是 {} 的", config.origin);
                let remedy = format!("请从备份取回这个账本自己的 {}", self.layout.wraps().display());
                self.wrong("vault_origin", what, remedy);
            }
            (Err(VaultFault::Newer { found, known }), _) => {
                let what = format!("限阅库的版本是 {found}，本程序只认识到 {known}");
                self.wrong("vault", what, "请换用新版本的程序".to_owned());
            }
            (Err(fault), _) => {
                let remedy = format!("请从备份取回 {}", self.layout.wraps().display());
                self.wrong("vault", format!("限阅库读不出来（{}）", chain(&fault)), remedy);
            }
            _ => {}
        }
    }

    fn mode(&mut self, path: &Path, what: &str, mode: &str) {
        let Ok(found) = fs::metadata(path) else { return };
        if found.permissions().mode() & 0o077 != 0 {
            let what = format!("{what} {} 别人也能打开", path.display());
            self.wrong("vault_mode", what, format!("请运行 chmod {mode} {}", path.display()));
        }
    }

    /// Promises, periods and erasures, as far as they show without a key.
    pub(super) async fn sealed(&mut self, store: &ReadStore, running: bool) {
        if let Err(error) = self.promises(store, running).await {
            self.wrong("database", chain(&error), "请运行 gongkai verify --dir，它会指出是哪一条；然后恢复备份");
        }
    }

    async fn promises(&mut self, store: &ReadStore, running: bool) -> Result<(), StoreError> {
        let (dir, now) = (self.dir(), local::clock().now());
        let start = format!("请用限阅库口令运行 gongkai serve --dir {dir} --vault-passphrase-file 口令文件");
        let (events, values) = sealed_audit::count(store).await?;
        let has_vault = Vault::exists(&self.layout).await?;
        if events + values > 0 && !has_vault {
            let what = format!("限阅库不在：{events} 件封存事项、{values} 处封存值打不开；公开的证明不受影响");
            let remedy = format!("请从备份取回 {} 和 keys/vault.key", self.layout.wraps().display());
            self.wrong("vault_lost", what, remedy);
        }
        let unfinished = sealed_audit::unfinished_erasures(store).await?;
        if unfinished > 0 {
            let what = format!("有 {unfinished} 项删除还没有完成，数据密钥没有销毁");
            let remedy = if running {
                format!("请停下网站，再{start}，启动时会做完")
            } else {
                format!("{start}，启动时会做完")
            };
            self.wrong("erasures", what, remedy);
        }
        if let (overdue @ 1.., Some(first)) = sealed_audit::overdue(store, now).await? {
            let what = format!("有 {overdue} 件封存事项过了承诺的期限还没有入账，最早的应于 {} 前入账", spelled(first));
            let remedy = if running {
                format!("请查看网站的日志，停下它，再{start}")
            } else {
                format!("{start}，到下一时段会入账")
            };
            self.wrong("promises", what, remedy);
        }
        let period = TimeDelta::from_std(Settings::default().period).unwrap_or(TimeDelta::MAX);
        let last = sealed_audit::last_period(store).await?.filter(|_| has_vault);
        if let Some(last) = last.filter(|last| now - *last > period * PERIODS_MISSED_MAX) {
            let what = format!("上一个封存时段记于 {}，之后没有新的", spelled(last));
            if running {
                let remedy = format!("刚启动的请等一个时段；否则请查看日志，停下网站，再{start}");
                self.wrong("periods", what, remedy);
            } else {
                self.remark("periods", what, format!("网站没有运行时没有时段；{start}"));
            }
        }
        Ok(())
    }

    /// Key and certificate of the internal side, where they were made.
    pub(super) fn tls(&mut self) {
        let keys = self.layout.keys();
        let (key, certificate) = (keys.join(tls::KEY_FILE), keys.join(tls::CERTIFICATE_FILE));
        if let Ok(file) = File::open(&key)
            && let Err(error) = keyfile::check_mode(&key, &file)
        {
            self.wrong("tls_key", chain(&error), format!("请运行 chmod 600 {}", key.display()));
        }
        if certificate.is_file() {
            self.certificate(&certificate);
        }
    }

    fn certificate(&mut self, path: &Path) {
        let now = local::clock().now();
        let renew =
            format!("请运行 mv {0} {0}.old，重新启动网站会生成新的，再交给办理人员；自备的请换新证书", path.display());
        let valid = tls::is_valid_at(path, now);
        let later = tls::is_valid_at(path, now + TimeDelta::days(CERTIFICATE_DAYS_LEFT_MIN));
        match (valid, later) {
            (Ok(true), Ok(true)) => {}
            (Ok(true), Ok(false)) => {
                let what = format!("内部网站的证书不到 {CERTIFICATE_DAYS_LEFT_MIN} 天就过期");
                self.remark("tls_certificate", what, renew);
            }
            (Ok(false), _) => self.wrong("tls_certificate", "内部网站的证书已过期，或还没有生效", renew),
            (Err(error), _) | (_, Err(error)) => self.wrong("tls_certificate", chain(&error), renew),
        }
    }
}
