//! `read`: signs in at the internal side with a registered key, prints the JSON of one address, signs out.
//!
//! Nothing is kept: no token, no cookie. What is signed is looked at before: it must be a login to the ledger
//! that was named, for this key, so that no server gets another thing signed.

use std::path::PathBuf;

use gongkai_domain::Submission;
use gongkai_log::{SigningKey, note};
use serde_json::{Value, json};

use super::{local, terminal};
use crate::client::{self, told};
use crate::fetch;
use crate::login::Login;
use crate::outcome::{Fault, Outcome, Verdict};

/// Where the addresses of the internal side begin.
const ROOT: &str = "/internal/api/v1/";
/// Most bytes of an answer.
const ANSWER_BYTES_MAX: u64 = 64 << 20;

/// Options of `read`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "例子：\n  $ gongkai read --url https://nb.example.gov.cn:8081 --ca internal-tls.pem --key chen.key me\n  \
    $ gongkai read --url http://127.0.0.1:8081 --key chen.key /internal/api/v1/me\n\n\
    用登记过的钥匙登录（不用密码），读出一个内部地址的 JSON，然后退出登录。\n\
    不对您公开的内容，和不存在的内容，得到的答复一样。"
)]
pub struct Args {
    /// 内部监听的网址
    #[arg(long, value_name = "网址")]
    url: String,
    /// 私钥文件
    #[arg(long, value_name = "文件")]
    key: PathBuf,
    /// https 网址只信任这个文件里的证书（PEM），例如账本目录的 keys/internal-tls.pem
    #[arg(long, value_name = "文件")]
    ca: Option<PathBuf>,
    /// 私钥有口令时，从文件第一行读取
    #[arg(long, value_name = "文件")]
    passphrase_file: Option<PathBuf>,
    /// 内部地址；不以 / 开头的，接在 /internal/api/v1/ 后面
    #[arg(value_name = "地址")]
    path: String,
}

/// Signs in, reads, signs out.
///
/// # Errors
/// A key that cannot be used or may not sign in, an address that is not there for its person, no ledger.
pub fn run(args: &Args) -> Outcome {
    let key = local::person_key(&args.key, args.passphrase_file.as_ref())?;
    let path = if args.path.starts_with('/') { args.path.clone() } else { format!("{ROOT}{}", args.path) };
    let visit = Visit::begin(local::agent(args.ca.as_ref())?, &args.url, &key)?;
    let read = visit.get(&path);
    visit.end();
    terminal::say(read?)?;
    Ok(Verdict::Yes)
}

/// A session at the internal side.
pub struct Visit {
    agent: ureq::Agent,
    url: String,
    token: String,
}

impl Visit {
    /// Signs in.
    ///
    /// # Errors
    /// No ledger there, or the key may not sign in.
    pub fn begin(agent: ureq::Agent, url: &str, key: &SigningKey) -> Result<Self, Fault> {
        let mut visit = Self { agent, url: url.trim_end_matches('/').to_owned(), token: String::new() };
        visit.token = visit.sign_in(key)?;
        Ok(visit)
    }

    /// Signs out. What was read stands, whether or not this arrives: a session that nobody uses ends by itself.
    pub fn end(self) {
        let address = self.address(&format!("{ROOT}sessions/current"));
        let _ = self.agent.delete(address).header("Authorization", &self.token).call();
    }

    fn address(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// Gives the header that shows who asks.
    fn sign_in(&self, key: &SigningKey) -> Result<String, Fault> {
        let origin = client::origin(&self.agent, &self.url)?;
        let challenge = self.post("challenges", &json!({ "key": key.name() }))?;
        let text = challenge["challenge"].as_str().unwrap_or_default();
        let login = Login::parse(text).filter(|login| login.origin == origin && login.key == key.name());
        if login.is_none() {
            return Err(Fault::ours(self.url.as_str(), "给出的登录文字不是这个账本的，或不是给这把钥匙的，没有签名"));
        }
        let note = note::sign(text, &[key]).map_err(|error| Fault::failed("签名", &error))?;
        let session = self.post("sessions", &json!({ "note": note }))?;
        let token = session["token"].as_str();
        token.map(|token| format!("Bearer {token}")).ok_or_else(|| Fault::ours(self.url.as_str(), "应答里没有会话凭证"))
    }

    fn post(&self, name: &str, body: &Value) -> Result<Value, Fault> {
        let sent = self.agent.post(self.address(&format!("{ROOT}{name}"))).send_json(body);
        let (status, body) = self.answer(sent)?;
        match status {
            201 => serde_json::from_slice(&body).map_err(|error| Fault::failed(self.url.as_str(), &error)),
            404 => {
                Err(Fault::usage(self.url.as_str(), "这个地址上没有内部页面")
                    .mend("请用内部监听的网址，不是公众网站的"))
            }
            _ => Err(self.refused("登录", status, &body)),
        }
    }

    /// The JSON at an address of the internal side, or of the public one.
    ///
    /// # Errors
    /// It does not exist for whoever is signed in, or no ledger answers.
    pub fn get(&self, path: &str) -> Result<String, Fault> {
        let sent = self.agent.get(self.address(path)).header("Authorization", &self.token).call();
        let (status, body) = self.answer(sent)?;
        match status {
            200 => String::from_utf8(body).map_err(|error| Fault::failed(path, &error)),
            404 => Err(Fault::no(path, "没有这个内容，或不对您公开")),
            _ => Err(self.refused(path, status, &body)),
        }
    }

    /// Hands in a signed access, and gives the content that it is about.
    ///
    /// # Errors
    /// It does not exist for whoever is signed in, or no ledger answers.
    pub fn read(&self, id: &str, access: &Submission) -> Result<Value, Fault> {
        let address = self.address(&format!("{ROOT}readings"));
        let sent = self.agent.post(address).header("Authorization", &self.token).header("Idempotency-Key", id);
        let (status, body) = self.answer(sent.send_json(access))?;
        match status {
            200 => serde_json::from_slice(&body).map_err(|error| Fault::failed(self.url.as_str(), &error)),
            404 => Err(Fault::no("查阅", "没有这个内容，或不对您公开")),
            _ => Err(self.refused("查阅", status, &body)),
        }
    }

    fn answer(&self, sent: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Result<(u16, Vec<u8>), Fault> {
        let failed = |error: ureq::Error| fetch::unanswered(&self.url, &error);
        let mut answer = sent.map_err(failed)?;
        let body = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec().map_err(failed)?;
        Ok((answer.status().as_u16(), body))
    }

    fn refused(&self, what: &str, status: u16, body: &[u8]) -> Fault {
        match told(status, body) {
            Ok(refused) => Fault::no(what, refused.reason),
            Err(reason) => Fault::ours(self.url.as_str(), format!("应答 {status}：{reason}")),
        }
    }
}
