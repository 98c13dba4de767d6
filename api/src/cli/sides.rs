//! The options that say at which side of a ledger a command asks, and as whom.
//!
//! Not here: commands that also work on a directory ([`super::local::Place`]).

use std::path::{Path, PathBuf};

use gongkai_log::{SigningKey, VerifierKey};

use super::local;
use super::visit::Visit;
use crate::citizen::Office;
use crate::outcome::Fault;

/// A ledger's public side, asked by somebody without a key.
#[derive(Debug, Clone, clap::Args)]
#[group(skip)]
pub struct PublicSide {
    /// 账本网站的网址
    #[arg(long, value_name = "网址")]
    pub url: String,
    /// https 网址只信任这个文件里的证书（PEM）
    #[arg(long, value_name = "文件")]
    pub ca: Option<PathBuf>,
    /// 账本的验证钥匙或它的文件，从可靠的途径得到
    #[arg(long, value_name = "钥匙")]
    pub vkey: Option<String>,
}

impl PublicSide {
    /// Finds the ledger there.
    ///
    /// # Errors
    /// A verifier key or certificate that is none; as [`Office::find`].
    pub fn office(&self) -> Result<Office, Fault> {
        let vkey = self.vkey.as_deref().map(vkey).transpose()?;
        Office::find(&self.url, local::agent(self.ca.as_ref())?, vkey)
    }
}

/// A verifier key, or the file with it.
fn vkey(text: &str) -> Result<VerifierKey, Fault> {
    let read = |path: &Path| std::fs::read_to_string(path).map_err(|error| Fault::failed(text, &error));
    let line = if Path::new(text).is_file() { read(Path::new(text))? } else { text.to_owned() };
    VerifierKey::parse(line.trim()).map_err(|error| Fault::usage("--vkey", error.to_string()))
}

/// A ledger's internal side, asked by somebody with a registered key.
#[derive(Debug, Clone, clap::Args)]
#[group(skip)]
pub struct InternalSide {
    /// 内部监听的网址
    #[arg(long, value_name = "网址")]
    pub url: String,
    /// 登录（并签名）的私钥文件
    #[arg(long, value_name = "文件")]
    key: PathBuf,
    /// https 网址只信任这个文件里的证书（PEM），例如账本目录的 keys/internal-tls.pem
    #[arg(long, value_name = "文件")]
    ca: Option<PathBuf>,
    /// 私钥有口令时，从文件第一行读取
    #[arg(long, value_name = "文件")]
    passphrase_file: Option<PathBuf>,
}

impl InternalSide {
    /// The key that signs in.
    ///
    /// # Errors
    /// A file that holds no key, or another passphrase.
    pub fn key(&self) -> Result<SigningKey, Fault> {
        local::person_key(&self.key, self.passphrase_file.as_ref())
    }

    /// The agent that trusts its certificate.
    ///
    /// # Errors
    /// A file that holds no certificate.
    pub fn agent(&self) -> Result<ureq::Agent, Fault> {
        local::agent(self.ca.as_ref())
    }

    /// Signs in.
    ///
    /// # Errors
    /// As [`Visit::sign_in`].
    pub fn visit(&self, key: &SigningKey) -> Result<Visit<'_>, Fault> {
        Visit::sign_in(self.agent()?, &self.url, key)
    }
}
