//! A visit to the internal side: signed in with a registered key, for as long as a command runs.
//!
//! Nothing is kept: no token, no cookie. What is signed is looked at before: it must be a login to the ledger
//! that was named, for this key, so that no server gets another thing signed.

use gongkai_log::{SigningKey, note};
use serde::Serialize;
use serde_json::{Value, json};

use crate::client::{self, told};
use crate::fetch;
use crate::login::Login;
use crate::outcome::Fault;

/// Where the addresses of the internal side begin.
pub const ROOT: &str = "/internal/api/v1/";
/// Most bytes of an answer.
const ANSWER_BYTES_MAX: u64 = 64 << 20;

/// Somebody who is signed in.
pub struct Visit<'a> {
    agent: ureq::Agent,
    url: &'a str,
    origin: String,
    // The header that shows who asks.
    token: String,
}

impl<'a> Visit<'a> {
    /// Signs in.
    ///
    /// # Errors
    /// No ledger there, no internal side, or the key may not sign in.
    pub fn sign_in(agent: ureq::Agent, url: &'a str, key: &SigningKey) -> Result<Self, Fault> {
        let url = url.trim_end_matches('/');
        let origin = client::origin(&agent, url)?;
        let mut visit = Self { agent, url, origin, token: String::new() };
        let challenge = visit.told("challenges", &json!({ "key": key.name() }))?;
        let text = challenge["challenge"].as_str().unwrap_or_default();
        let login = Login::parse(text).filter(|login| login.origin == visit.origin && login.key == key.name());
        if login.is_none() {
            return Err(Fault::ours(url, "给出的登录文字不是这个账本的，或不是给这把钥匙的，没有签名"));
        }
        let note = note::sign(text, &[key]).map_err(|error| Fault::failed("签名", &error))?;
        let session = visit.told("sessions", &json!({ "note": note }))?;
        let token = session["token"].as_str().ok_or_else(|| Fault::ours(url, "应答里没有会话凭证"))?;
        visit.token = format!("Bearer {token}");
        Ok(visit)
    }

    /// The ledger's origin.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    fn address(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    fn told(&self, name: &str, body: &Value) -> Result<Value, Fault> {
        let sent = self.agent.post(self.address(&format!("{ROOT}{name}"))).send_json(body);
        let (status, body) = self.answer(sent)?;
        match status {
            201 => serde_json::from_slice(&body).map_err(|error| Fault::failed(self.url, &error)),
            404 => Err(Fault::usage(self.url, "这个地址上没有内部页面").mend("请用内部监听的网址，不是公众网站的")),
            _ => Err(self.refused("登录", status, &body)),
        }
    }

    /// Reads an address.
    ///
    /// # Errors
    /// It is not there for this person, or no ledger answers.
    pub fn get(&self, path: &str) -> Result<String, Fault> {
        let sent = self.agent.get(self.address(path)).header("Authorization", &self.token).call();
        self.text(path, sent)
    }

    /// Hands something in at an address.
    ///
    /// # Errors
    /// As [`Visit::get`], and a refusal.
    pub fn post<T: Serialize>(&self, path: &str, id: &str, body: &T) -> Result<String, Fault> {
        let request = self.agent.post(self.address(path)).header("Authorization", &self.token);
        self.text(path, request.header("Idempotency-Key", id).send_json(body))
    }

    fn text(&self, path: &str, sent: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Result<String, Fault> {
        let (status, body) = self.answer(sent)?;
        match status {
            200 => String::from_utf8(body).map_err(|error| Fault::failed(path, &error)),
            404 => Err(Fault::no(path, "没有这个内容，或不对您公开")),
            _ => Err(self.refused(path, status, &body)),
        }
    }

    /// Signs out. What was read stands, whether or not this arrives: a session that nobody uses ends by itself.
    pub fn sign_out(self) {
        let path = self.address(&format!("{ROOT}sessions/current"));
        let _ = self.agent.delete(path).header("Authorization", &self.token).call();
    }

    fn answer(&self, sent: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Result<(u16, Vec<u8>), Fault> {
        let failed = |error: ureq::Error| fetch::unanswered(self.url, &error);
        let mut answer = sent.map_err(failed)?;
        let body = fetch::body(&mut answer, ANSWER_BYTES_MAX).map_err(failed)?;
        Ok((answer.status().as_u16(), body))
    }

    fn refused(&self, what: &str, status: u16, body: &[u8]) -> Fault {
        match told(status, body) {
            Ok(refused) => Fault::no(what, refused.reason),
            Err(reason) => Fault::ours(self.url, format!("应答 {status}：{reason}")),
        }
    }
}
