//! A citizen's side of handing in: everything that must not be left to the server is done here.
//!
//! The statement is built here, its values are salted and committed here, and what accuses somebody is encrypted here, to
//! a body that is chosen here, so the server never learns who is accused. The keys to which it is encrypted are taken from
//! entries that are proven to be in the log; without a verifier key from elsewhere that shows only that the log agrees
//! with itself. Nothing is kept here: what waits for its answer is `pending`, what is to be kept the command writes where it
//! was told.
//!
//! Not here: the command line (`cli::hand_in`, `cli::status`), files of content (`opening_file`).

use chrono::{DateTime, Utc};
use gongkai_domain::competence::{self, Body, Listed};
use gongkai_domain::envelope::{self, To};
use gongkai_domain::kind::{self, ledger, receiver, tally};
use gongkai_domain::submission::{self, Filled};
use gongkai_domain::vault::TierKey;
use gongkai_domain::{Command, Head, Kind, Refusal, Role, Setting, Submission, prepare};
use gongkai_log::refusal::RefusalReceipt;
use gongkai_log::{Digest, Entry, Promise, SignedStatement, Signer, Statement, StreamId, TlogProof, VerifierKey};
use gongkai_store::Accepted;
use serde_json::{Map, Value, json};

use crate::ballot;
use crate::cli::local::china_time;
use crate::fetch::{self, HttpFetch};
use crate::http::citizen::work;
use crate::keyfile;
use crate::outcome::{Fault, chain};
use crate::pending::Pending;

/// Most bytes of an answer: an entry with its proof, or a list of receivers.
const ANSWER_BYTES_MAX: u64 = 4 << 20;

/// The ledger to which something is handed in.
pub struct Office {
    agent: ureq::Agent,
    url: String,
    vkey: VerifierKey,
    /// The key that signs promises and receipts, as the genesis names it.
    pub intake: VerifierKey,
}

/// A statement with what is known of it here alone.
pub struct Written {
    /// Its kind.
    pub kind: &'static Kind,
    /// The text that is handed in.
    pub text: String,
    /// All 16 slots, open.
    pub openings: Vec<Filled>,
    /// The body to which it is encrypted, if it is.
    pub encrypted_to: Option<String>,
    /// Under which it is sent, each time again.
    pub idempotency_key: String,
    submission: Submission,
}

impl Written {
    /// What was written by an earlier run, to be sent again; without a PIN what was encrypted has no open slots here.
    ///
    /// # Errors
    /// It is no statement of a kind that is known.
    pub fn again(pending: Pending, pin: Option<&str>) -> Result<Self, Fault> {
        let wrong = || Fault::usage("没有答复的提交", "读不懂，没有提交");
        let text = pending.submission.note.clone();
        let statement = Statement::parse(&text).map_err(|_| wrong())?;
        let kind = kind::find(&statement.kind).ok_or_else(wrong)?;
        let openings = pending.openings(pin).unwrap_or_default();
        let Pending { idempotency_key, encrypted_to, submission, .. } = pending;
        Ok(Self { kind, text, openings, encrypted_to, idempotency_key, submission })
    }

    /// What is sent.
    pub fn submission(&self) -> &Submission {
        &self.submission
    }
}

/// A lawful no.
#[derive(Clone, Debug)]
pub struct No {
    /// Its code.
    pub code: String,
    /// The sentence for people.
    pub reason: String,
    /// The receipt, verified.
    pub receipt: Option<String>,
}

impl From<Refusal> for No {
    fn from(refusal: Refusal) -> Self {
        Self { code: refusal.code().to_owned(), reason: refusal.to_string(), receipt: None }
    }
}

impl Office {
    /// Asks the ledger at an address for its intake key. `vkey` is the log's key, from a source that is trusted; without
    /// it the log's own is taken.
    ///
    /// # Errors
    /// No ledger there, or one that does not prove its genesis.
    pub fn find(url: &str, agent: ureq::Agent, vkey: Option<VerifierKey>) -> Result<Self, Fault> {
        let url = url.trim_end_matches('/').to_owned();
        let vkey = match vkey {
            Some(vkey) => vkey,
            None => offered_key(&agent, &url)?,
        };
        let office = Self { intake: vkey.clone(), agent, url, vkey };
        let genesis = office.proven(0)?;
        let created = kind::body::<ledger::Created>(&genesis.kind, &genesis.body);
        let intake = created.and_then(|created| VerifierKey::parse(&created.intake_key.0).ok());
        let intake = intake.ok_or_else(|| Fault::ours(&office.url, "第一条不是创世条目"))?;
        Ok(Self { intake, ..office })
    }

    /// Origin of the ledger.
    pub fn origin(&self) -> &str {
        self.vkey.name()
    }

    /// Gives a command its bytes, and encrypts them where that is demanded. What continues a matter follows `continued`
    /// where that is known, or asks the ledger with the matter's code.
    ///
    /// # Errors
    /// No such kind, no body that may receive it, a server that does not answer.
    pub fn write(
        &self,
        command: Command,
        code: Option<&str>,
        continued: Option<(StreamId, Head)>,
        now: DateTime<Utc>,
    ) -> Result<Result<Written, No>, Fault> {
        let mut command = match ballot::completed(self, command)? {
            Ok(command) => command,
            Err(no) => return Ok(Err(no)),
        };
        let kind = match command.kind() {
            Ok(kind) if kind.is_for_citizens() => kind,
            Ok(kind) => {
                return Err(Fault::usage(kind.name, "这种事项由办理人员用钥匙提交").mend("请用 gongkai submit"));
            }
            Err(refusal) => return Ok(Err(refusal.into())),
        };
        let hidden = envelope::is_demanded(kind, &command.fields);
        let against = kind.concerns(&command.fields);
        let body = if hidden { Some(self.competent(&command.org, &against)?) } else { None };
        if let Some(body) = &body {
            command.org.clone_from(&body.org);
        }
        let (stream, head) = if let Some((stream, head)) = continued {
            (stream, Some(head))
        } else if kind.opens {
            (command.stream.clone().unwrap_or_else(|| kind.new_stream(now, &mut keyfile::random)), None)
        } else {
            self.head(&command, code)?
        };
        let signers = vec![Signer { role: Role::Intake.wire().to_owned(), key: self.intake.name().to_owned() }];
        let declared_at = command.declared_at.unwrap_or_else(|| china_time(now));
        let setting = Setting { origin: self.origin(), stream, head, signers, declared_at };
        let prepared = match prepare(&command, &setting, &mut |buffer: &mut [u8]| keyfile::random(buffer)) {
            Ok(prepared) => prepared,
            Err(refusal) => return Ok(Err(refusal.into())),
        };
        let (openings, lines) = (prepared.openings.clone(), prepared.lines.clone());
        if let Err(refusal) = submission::check_draft(self.origin(), &prepared.statement, openings.clone(), lines) {
            return Ok(Err(refusal.into()));
        }
        let text = prepared.text.clone();
        let submission = match &body {
            None => prepared.into_submission(text.clone()),
            Some(body) => sealed(&prepared.statement, &openings, body, &against)?,
        };
        let (encrypted_to, idempotency_key) = (body.map(|body| body.org), random_id().to_string());
        Ok(Ok(Written { kind, text, openings, encrypted_to, idempotency_key, submission }))
    }

    /// Hands it in, with the work that is asked for.
    ///
    /// # Errors
    /// No answer, or one that is not signed by the intake key.
    pub fn hand_in(&self, written: &Written, code: Option<&str>) -> Result<Result<Accepted, No>, Fault> {
        let body = serde_json::to_vec(&written.submission).map_err(|error| Fault::failed("提交的内容", &error))?;
        let challenge = self.get("/api/v1/work")?;
        let bits = challenge["bits"].as_u64().and_then(|bits| u32::try_from(bits).ok()).unwrap_or(u32::MAX);
        let text = challenge["challenge"].as_str().unwrap_or_default();
        if bits > work::BITS_MAX {
            return Err(Fault::ours(&self.url, format!("要求的工作量（{bits} 位）太大")));
        }
        let solved = work::solve(text, &body, bits);
        let mut request = self.agent.post(format!("{}/api/v1/submissions", self.url));
        request = request.header("Idempotency-Key", &written.idempotency_key).header("Proof-Of-Work", &solved);
        if let Some(code) = code {
            request = request.header("Status-Code", code);
        }
        let sent = request.header("Content-Type", "application/json").send(&body[..]);
        let (status, answer) = self.answer(sent)?;
        if !(200..300).contains(&status) {
            return self.refused(status, &answer, &Digest::of(&body)).map(Err);
        }
        let accepted: Accepted = serde_json::from_value(answer).map_err(|error| Fault::failed(&self.url, &error))?;
        if let Accepted::Promise(promised) = &accepted {
            let promise = Promise::open(&promised.promise, &self.intake);
            let promise =
                promise.map_err(|error| Fault::ours(&self.url, format!("收件承诺不可信：{}", chain(&error))))?;
            if (promise.commitment, promise.origin.as_str()) != (promised.commitment, self.origin()) {
                return Err(Fault::ours(&self.url, "收件承诺说的是另一件事项"));
            }
        }
        Ok(Ok(accepted))
    }

    /// What a code shows.
    ///
    /// # Errors
    /// No such code, no answer.
    pub fn status(&self, code: &str) -> Result<Value, Fault> {
        self.post("/api/v1/status", &json!({ "code": code }))
    }

    /// The signed note and the salt of its commitment, for the text that was handed in.
    ///
    /// # Errors
    /// A kind that has none, no answer.
    pub fn binding(&self, code: &str, text: &str) -> Result<(String, Digest), Fault> {
        let answer = self.post("/api/v1/openings", &json!({ "code": code, "statement": text }))?;
        let salt = answer["salt"].as_str().and_then(|salt| Digest::parse(salt).ok());
        let note = answer["note"].as_str().map(str::to_owned);
        note.zip(salt).ok_or_else(|| Fault::ours(&self.url, "应答里没有内容证明"))
    }

    /// An entry and its proof, as texts.
    ///
    /// # Errors
    /// No such entry, no answer.
    pub fn entry_and_proof(&self, index: u64) -> Result<(String, String), Fault> {
        let entry = self.text(&format!("/entries/{index}"))?;
        Ok((entry, self.text(&format!("/api/v1/entries/{index}/proof"))?))
    }

    /// The nearest body that may receive what is said against these people, with keys that are proven to be in the log.
    fn competent(&self, org: &str, against: &[StreamId]) -> Result<Body, Fault> {
        let listed = self.get(&format!("/api/v1/organizations/{org}/receivers"))?;
        let bodies: Vec<Body> =
            serde_json::from_value(listed["bodies"].clone()).map_err(|error| Fault::failed(&self.url, &error))?;
        let none = || {
            Fault::no(org, "这个机构和它的上级都没有可以受理的收件人，或都由所反映的人主管")
                .mend("请用书面方式寄给上级机关，或向账本的管理单位询问")
        };
        let body = competence::competent(&bodies, against).ok_or_else(none)?.clone();
        for listed in &body.receivers {
            self.is_appointed(&body.org, listed)?;
        }
        Ok(body)
    }

    /// The statement that opened a public stream, proven to be in the log.
    ///
    /// # Errors
    /// No such stream, or none that is proven.
    pub fn opened(&self, stream: &StreamId) -> Result<Statement, Fault> {
        let history = self.get(&format!("/api/v1/streams/{stream}"))?;
        let index = history["history"][0]["index"].as_u64();
        let opened = self.proven(index.ok_or_else(|| Fault::ours(&self.url, format!("{stream} 没有记在账本里")))?)?;
        if opened.stream == *stream {
            return Ok(opened);
        }
        Err(Fault::ours(&self.url, format!("应答里的条目不是 {stream} 的")))
    }

    /// The latest statement of a kind in a public stream, proven to be in the log; `None` when nothing of it was said.
    ///
    /// # Errors
    /// No such stream, or one that is not proven.
    pub fn said(&self, stream: &StreamId, kind: &str) -> Result<Option<Statement>, Fault> {
        let history = self.get(&format!("/api/v1/streams/{stream}"))?;
        let events = history["history"].as_array().into_iter().flatten();
        let last =
            events.filter(|event| event["kind"] == *kind).filter_map(|event| event["index"].as_u64()).next_back();
        let Some(index) = last else { return Ok(None) };
        let said = self.proven(index)?;
        if said.stream == *stream && said.kind == kind {
            return Ok(Some(said));
        }
        Err(Fault::ours(&self.url, format!("第 {index} 号条目不是 {stream} 的")))
    }

    /// What the next statement of a public stream follows, proven to be in the log: for where no ledger can be asked.
    ///
    /// # Errors
    /// No such stream, or one that is not proven.
    pub fn last(&self, stream: &StreamId) -> Result<Head, Fault> {
        let history = self.get(&format!("/api/v1/streams/{stream}"))?;
        let events = history["history"].as_array().into_iter().flatten();
        let last = events.filter_map(|event| Some((event["revision"].as_u64()?, event["index"].as_u64()?))).max();
        let (revision, index) = last.ok_or_else(|| Fault::ours(&self.url, format!("{stream} 没有记在账本里")))?;
        let said = self.proven(index)?;
        let text = said.text().map_err(|error| Fault::failed(&self.url, &error))?;
        if said.stream == *stream && said.revision == revision {
            return Ok(Head { revision, hash: Digest::of(text.as_bytes()) });
        }
        Err(Fault::ours(&self.url, format!("第 {index} 号条目不是 {stream} 的")))
    }

    /// A published file.
    ///
    /// # Errors
    /// It is not there, or is another one.
    pub fn attachment(&self, hash: &Digest) -> Result<Vec<u8>, Fault> {
        let path = format!("/log/attachment/{}", hash.to_hex());
        let (status, bytes) = self.bytes(self.agent.get(format!("{}{path}", self.url)).call())?;
        if status != 200 {
            return Err(Fault::no(format!("{}{path}", self.url), format!("没有这个附件（HTTP {status}）")));
        }
        if Digest::of(&bytes) != *hash {
            return Err(Fault::ours(&self.url, "附件与登记的哈希不符"));
        }
        Ok(bytes)
    }

    /// A published list of hashes; `None` for a file that is none.
    ///
    /// # Errors
    /// As [`Office::attachment`].
    pub fn hashes(&self, file: &Digest) -> Result<Option<Vec<Digest>>, Fault> {
        let bytes = self.attachment(file)?;
        Ok(std::str::from_utf8(&bytes).ok().and_then(tally::read_hashes))
    }

    /// A receiver is believed who was appointed in public, with this key.
    fn is_appointed(&self, org: &str, listed: &Listed) -> Result<(), Fault> {
        let statement = self.opened(&listed.receiver)?;
        let appointed = kind::body::<receiver::Appointed>(&statement.kind, &statement.body);
        let agrees = appointed.is_some_and(|appointed| {
            appointed.person.0 == listed.person && appointed.sealing_key == listed.sealing_key
        });
        if agrees && statement.org == org {
            return Ok(());
        }
        Err(Fault::ours(&self.url, format!("收件人 {} 与账本里登记的不同，没有提交", listed.receiver))
            .mend("请把这件事告诉账本的管理单位和上级机关"))
    }

    /// The intakes that the ledger has opened, as the site lists them; [`Office::opened`] proves one.
    ///
    /// # Errors
    /// No answer.
    pub fn intakes(&self) -> Result<Value, Fault> {
        Ok(self.get("/api/v1/intakes")?["intakes"].take())
    }

    /// A statement that is proven to be in the log.
    ///
    /// # Errors
    /// No such entry, or one that is not proven.
    pub fn proven(&self, index: u64) -> Result<Statement, Fault> {
        let (entry, proof) = self.entry_and_proof(index)?;
        let wrong = |error: &dyn std::error::Error| {
            Fault::ours(&self.url, format!("第 {index} 号条目没有证明：{}", chain(error)))
        };
        let proof = TlogProof::parse(&proof).map_err(|error| wrong(&error))?;
        if proof.index != index {
            return Err(Fault::ours(&self.url, format!("证明的不是第 {index} 号条目")));
        }
        proof.verify(entry.as_bytes(), &self.vkey, None).map_err(|error| wrong(&error))?;
        let entry = Entry::parse(entry.into_bytes()).map_err(|error| wrong(&error))?;
        let statement = entry.content.statement().map(|signed| signed.statement.clone());
        statement.ok_or_else(|| Fault::ours(&self.url, format!("第 {index} 号条目不是声明")))
    }

    /// What a continuing statement follows; of a sealed matter with its code.
    fn head(&self, command: &Command, code: Option<&str>) -> Result<(StreamId, Option<Head>), Fault> {
        let mut asked = json!({"kind": command.kind, "org": command.org, "fields": {},
            "signers": [[Role::Intake.wire(), self.intake.name()]]});
        if let Some(stream) = &command.stream {
            asked["stream"] = json!(stream);
        }
        let mut request = self.agent.post(format!("{}/api/v1/prepare", self.url));
        if let Some(code) = code {
            request = request.header("Status-Code", code);
        }
        let (status, answer) = self.answer(request.send_json(asked))?;
        if status != 200 {
            let no = self.refused(status, &answer, &Digest::ZERO)?;
            return Err(Fault::no(no.code, no.reason));
        }
        let statement = answer["statement"].as_str().and_then(|text| Statement::parse(text).ok());
        let statement = statement.ok_or_else(|| Fault::ours(&self.url, "应答里没有声明原文"))?;
        let head = statement.parent.zip(statement.revision.checked_sub(1));
        Ok((statement.stream, head.map(|(hash, revision)| Head { revision, hash })))
    }

    /// A lawful no with its receipt verified, or a failure.
    fn refused(&self, status: u16, answer: &Value, submission: &Digest) -> Result<No, Fault> {
        let text = |name: &str| answer[name].as_str().map(str::to_owned);
        let reason = text("detail").unwrap_or_else(|| format!("HTTP {status}"));
        if !(400..500).contains(&status) || status == 408 || status == 429 {
            return Err(Fault::ours(&self.url, reason).mend("没有收下；请稍后再试"));
        }
        let receipt = text("receipt").filter(|receipt| {
            RefusalReceipt::open(receipt, &self.intake)
                .is_ok_and(|known| known.submission == *submission && known.origin == self.origin())
        });
        Ok(No { code: text("code").unwrap_or_else(|| status.to_string()), reason, receipt })
    }

    fn get(&self, path: &str) -> Result<Value, Fault> {
        let sent = self.agent.get(format!("{}{path}", self.url)).call();
        self.good(path, sent)
    }

    fn post(&self, path: &str, body: &Value) -> Result<Value, Fault> {
        let sent = self.agent.post(format!("{}{path}", self.url)).send_json(body);
        self.good(path, sent)
    }

    fn good(&self, path: &str, sent: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Result<Value, Fault> {
        let (status, answer) = self.answer(sent)?;
        if status == 200 {
            return Ok(answer);
        }
        let no = self.refused(status, &answer, &Digest::ZERO)?;
        Err(Fault::no(path, no.reason))
    }

    fn answer(&self, sent: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Result<(u16, Value), Fault> {
        let (status, body) = self.bytes(sent)?;
        Ok((status, serde_json::from_slice(&body).unwrap_or(Value::Object(Map::new()))))
    }

    fn text(&self, path: &str) -> Result<String, Fault> {
        let (status, body) = self.bytes(self.agent.get(format!("{}{path}", self.url)).call())?;
        match String::from_utf8(body) {
            Ok(text) if status == 200 => Ok(text),
            _ => Err(Fault::no(format!("{}{path}", self.url), format!("没有这一条（HTTP {status}）"))),
        }
    }

    fn bytes(&self, sent: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Result<(u16, Vec<u8>), Fault> {
        let failed = |error: ureq::Error| fetch::unanswered(&self.url, &error);
        let mut answer = sent.map_err(failed)?;
        let body = fetch::body(&mut answer, ANSWER_BYTES_MAX).map_err(failed)?;
        Ok((answer.status().as_u16(), body))
    }
}

/// The verifier key that a log offers of itself.
fn offered_key(agent: &ureq::Agent, url: &str) -> Result<VerifierKey, Fault> {
    let offered = HttpFetch::with(agent.clone(), url).get("vkey", 4_096);
    let text = offered.map_err(|error| Fault::failed(url, &error).mend("请检查网络和 --url"))?;
    let text = text.and_then(|bytes| String::from_utf8(bytes).ok());
    let vkey = text.and_then(|text| VerifierKey::parse(text.trim()).ok());
    vkey.ok_or_else(|| Fault::usage(url, "这个地址上没有公开账本").mend("请检查 --url"))
}

fn random_id() -> uuid::Uuid {
    let mut random = [0; 16];
    keyfile::random(&mut random);
    uuid::Builder::from_random_bytes(random).into_uuid()
}

/// The submission that only a body's receivers can read, without those of them who are accused.
fn sealed(statement: &Statement, openings: &[Filled], body: &Body, against: &[StreamId]) -> Result<Submission, Fault> {
    let unusable = |error: &dyn std::error::Error| Fault::failed("加密", error);
    let keys: Result<Vec<TierKey>, _> = body.receivers.iter().map(|listed| listed.sealing_key.key()).collect();
    let keys = keys.map_err(|error| unusable(&error))?;
    let to: Vec<To<'_>> = body
        .receivers
        .iter()
        .zip(&keys)
        .map(|(listed, key)| To { receiver: &listed.receiver, key, may_open: !against.contains(&listed.person) })
        .collect();
    let entropy = &mut |buffer: &mut [u8]| keyfile::random(buffer);
    let (envelope, hidden) = envelope::seal(statement, openings, &to, entropy).map_err(|error| unusable(&error))?;
    let note = statement.text().map_err(|error| unusable(&error))?;
    Ok(Submission { note, openings: hidden, lines: Vec::new(), envelope: Some(envelope) })
}

/// The statement of a signed note.
///
/// # Errors
/// What is wrong with it.
pub fn statement_of(note: &str) -> Result<SignedStatement, String> {
    SignedStatement::parse(note).map_err(|error| chain(&error))
}
