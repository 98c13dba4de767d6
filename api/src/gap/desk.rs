//! The side of whoever hands in through an intake, or asks there: the same steps as on the page.
//!
//! Which intake and which key of the ledger is taken from a statement that is proven to be in the ledger's log. The packet is
//! sealed here, the promise verified; a capsule is opened here, and its answer proven under the root that the ledger put on
//! record. What was sent and not answered lies in a file beside the receipt, and is sent again as it was.

use std::path::Path;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use gongkai_domain::gap::{Content, Packet, Said, Secret, Status};
use gongkai_domain::kind::{self, gap};
use gongkai_domain::vault::TierKey;
use gongkai_domain::{Command, Submission};
use gongkai_log::sealed::commit_event;
use gongkai_log::{Digest, Promise, StreamId, VerifierKey};
use gongkai_store::HandedIn;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::carry;
use crate::citizen::Office;
use crate::code;
use crate::fetch;
use crate::http::citizen::work;
use crate::keyfile;
use crate::outcome::{Fault, chain};
use crate::pending;

/// Most bytes of an answer.
const ANSWER_BYTES_MAX: u64 = 1 << 20;

/// An intake of a ledger.
pub struct Desk<'o> {
    office: &'o Office,
    agent: ureq::Agent,
    url: String,
    /// Stream of the statement that opened it.
    pub stream: StreamId,
    /// The key of its log.
    pub key: VerifierKey,
    sealing_key: TierKey,
}

/// A packet that is about to be sent, with the code of whoever wrote it.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prepared {
    /// Origin of the intake.
    pub intake: String,
    /// The code under which the answer is found.
    pub code: String,
    /// The packet.
    pub packet: String,
    /// Random.
    salt: Digest,
    /// Hash of the salt and the command.
    command: Digest,
}

impl Prepared {
    /// What an earlier run left; `None` when there is nothing.
    ///
    /// # Errors
    /// A file that is none of these.
    pub fn read(path: &Path) -> Result<Option<Self>, Fault> {
        match std::fs::read_to_string(path) {
            Ok(text) => serde_json::from_str(&text).map(Some).map_err(|_| {
                let place = path.display().to_string();
                Fault::usage(place, "不是没有答复的提交，或没有写完，没有提交").mend("没有写完的可以删掉，再运行一次")
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Fault::failed(path.display().to_string(), &error)),
        }
    }

    /// Whether it is this command for this intake.
    ///
    /// # Errors
    /// The command has no text.
    pub fn is_of(&self, desk: &Desk<'_>, command: &Command) -> Result<bool, Fault> {
        Ok(self.intake == desk.key.name() && self.command == pending::digest(&self.salt, command)?)
    }

    /// Writes it and waits until it is on the disk; nothing is sent before.
    ///
    /// # Errors
    /// The disk.
    pub fn keep(&self, path: &Path) -> Result<(), Fault> {
        let text = serde_json::to_string(self).map_err(|error| Fault::failed("提交的内容", &error))?;
        Ok(keyfile::write_private(path, text.as_bytes())?)
    }
}

/// What a code stands for.
///
/// # Errors
/// No long code.
pub fn secret(code: &str) -> Result<Secret, Fault> {
    let normal = code::normal_long(code);
    let normal = normal.ok_or_else(|| Fault::usage(code, "收件处的查询码是 24 位字母和数字"))?;
    Ok(Secret::of_code(&normal.replace('-', "")))
}

impl<'o> Desk<'o> {
    /// Finds the intake at an address, as the ledger opened it.
    ///
    /// # Errors
    /// No intake of this ledger there, or one that the ledger does not prove.
    pub fn find(office: &'o Office, url: &str, agent: ureq::Agent) -> Result<Self, Fault> {
        let url = url.trim_end_matches('/').to_owned();
        let key = carry::offered(&agent, &url)?;
        let listed = office.intakes()?;
        let of_key = |row: &&Value| row["key"].as_str() == Some(key.to_string().as_str());
        let stream = listed.as_array().and_then(|rows| rows.iter().find(of_key)?["stream"].as_str()?.parse().ok());
        let none = || Fault::no(&url, format!("账本里没有设立「{}」这个收件处，没有提交", key.name()));
        let stream: StreamId = stream.ok_or_else(none)?;
        let statement = office.opened(&stream)?;
        let opened = kind::body::<gap::Opened>(&statement.kind, &statement.body).ok_or_else(none)?;
        if opened.key.0 != key.to_string() {
            return Err(none());
        }
        let sealing_key = opened.sealing_key.key().map_err(|error| Fault::failed("加密公钥", &error))?;
        Ok(Self { office, agent, url, stream, key, sealing_key })
    }

    /// Seals what a command became under a new code; `continued` is that of the matter which it continues.
    ///
    /// # Errors
    /// A submission that is too long.
    pub fn seal(
        &self,
        command: &Command,
        submission: &Submission,
        continued: Option<String>,
    ) -> Result<Prepared, Fault> {
        let mut salt = [0; 32];
        keyfile::random(&mut salt);
        let salt = Digest::from_bytes(salt);
        let said = Said::Submission { code: continued, submission: Box::new(submission.clone()) };
        let (code, packet) = self.seal_said(said)?;
        let command = pending::digest(&salt, command)?;
        Ok(Prepared { intake: self.key.name().to_owned(), code, packet, salt, command })
    }

    /// Seals what somebody says under a new code; gives the code and the packet.
    ///
    /// # Errors
    /// Something that is too long.
    pub fn seal_said(&self, said: Said) -> Result<(String, String), Fault> {
        let mut random = [0; gongkai_domain::gap::CODE_CHARS];
        keyfile::random(&mut random);
        let code = code::long_of_random(random);
        let content = Content { follow: secret(&code)?, said };
        let place = (self.ledger(), self.key.name());
        let packet = Packet::seal(&content, place, &self.sealing_key, &mut |buffer: &mut [u8]| keyfile::random(buffer));
        let packet = packet.map_err(|error| Fault::no("提交的内容", chain(&error)))?.to_text();
        Ok((code, packet))
    }

    /// Origin of the ledger.
    pub fn ledger(&self) -> &str {
        self.office.origin()
    }

    /// Hands a packet in, with the work that is asked for, and verifies the promise.
    ///
    /// # Errors
    /// No answer, or one that is not signed by the intake.
    pub fn send(&self, packet: &str) -> Result<HandedIn, Fault> {
        let challenge = self.json(self.agent.get(self.at("work")).call())?;
        let bits = challenge["bits"].as_u64().and_then(|bits| u32::try_from(bits).ok()).unwrap_or(u32::MAX);
        if bits > work::BITS_MAX {
            return Err(Fault::ours(&self.url, format!("要求的工作量（{bits} 位）太大")));
        }
        let body = packet.as_bytes();
        let solved = work::solve(challenge["challenge"].as_str().unwrap_or_default(), body, bits);
        let sent = self.agent.post(self.at("packets")).header("Proof-Of-Work", &solved);
        let answer = self.json(sent.header("Content-Type", "application/json").send(body))?;
        let handed: HandedIn = serde_json::from_value(answer).map_err(|error| Fault::failed(&self.url, &error))?;
        let promise = Promise::open(&handed.promise, &self.key);
        let promise = promise.map_err(|error| Fault::ours(&self.url, format!("收件承诺不可信：{}", chain(&error))))?;
        let bound = commit_event(handed.salt.as_bytes(), packet);
        if (promise.commitment, promise.origin.as_str(), handed.commitment) != (bound, self.key.name(), bound) {
            return Err(Fault::ours(&self.url, "收件承诺说的是另一件事项"));
        }
        Ok(handed)
    }

    /// The capsule under a code's label; nothing of it is believed yet.
    ///
    /// # Errors
    /// Nothing under this code yet.
    pub fn capsule(&self, secret: &Secret) -> Result<Vec<u8>, Fault> {
        let label = BASE64_STANDARD.encode(secret.label());
        let answer = self.json(self.agent.post(self.at("capsules")).send_json(json!({ "label": label })))?;
        Ok(answer["capsule"].as_str().and_then(|text| BASE64_STANDARD.decode(text).ok()).unwrap_or_default())
    }

    /// What the capsule of a code says, its answer proven under what the ledger put on record.
    ///
    /// # Errors
    /// Nothing under this code yet, or an answer that is not proven.
    pub fn status(&self, secret: &Secret) -> Result<Status, Fault> {
        let capsule = self.capsule(secret)?;
        let untrue = |reason: &str| Fault::ours(&self.url, reason);
        let status = secret.open(self.key.name(), &capsule).map_err(|_| untrue("答复打不开，或不是这个查询码的"))?;
        let said = self.office.proven(status.answer.index)?;
        let answered = kind::body::<gap::Answered>(&said.kind, &said.body).filter(|_| said.stream == self.stream);
        let proven = answered.is_some_and(|answered| status.answer.is_under(&answered.answers, self.key.name()));
        if proven { Ok(status) } else { Err(untrue("答复没有证明：和账本公布的封存根不符")) }
    }

    fn at(&self, path: &str) -> String {
        format!("{}/intake/v1/{path}", self.url)
    }

    fn json(&self, sent: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Result<Value, Fault> {
        let failed = |error: ureq::Error| fetch::unanswered(&self.url, &error);
        let mut answer = sent.map_err(failed)?;
        let status = answer.status().as_u16();
        let body = fetch::body(&mut answer, ANSWER_BYTES_MAX).map_err(failed)?;
        let value: Value = serde_json::from_slice(&body).unwrap_or_default();
        if (200..300).contains(&status) {
            return Ok(value);
        }
        let reason = value["detail"].as_str().map_or_else(|| format!("HTTP {status}"), str::to_owned);
        if (400..500).contains(&status) && status != 408 && status != 429 {
            return Err(Fault::no(&self.url, reason));
        }
        Err(Fault::ours(&self.url, reason).mend("没有收下；请稍后再试"))
    }
}
