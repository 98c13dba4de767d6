//! Submitting commands: prepare, sign, keep, send. To a ledger on this machine or over HTTP.
//!
//! Statements are built where the key is: the ledger tells a stream's head and nothing else, so nobody
//! signs bytes that somebody else made. The heads of streams that this run itself continued are known
//! without asking, so a file may open a matter and continue it (`stream_key`). With an [`Outbox`] every
//! signed statement is on disk before it is sent.
//!
//! Not here: reading files of commands (`cli::submit`, `exchange`). What the ledger answers is passed on
//! word for word.

use std::collections::HashMap;
use std::sync::Arc;

use gongkai_domain::command::Head;
use gongkai_domain::{Command, Kind, Prepared, Refusal, Role, Setting, Submission, judge, kind, prepare};
use gongkai_log::{Checkpoint, Note, SignedStatement, Signer, SigningKey, Statement, StreamId};
pub use gongkai_store::{Accepted, Promised, Receipt};
use gongkai_store::{Clock, Ledger, SubmitError};
use serde::Serialize;
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use crate::cli::local::china_time;
use crate::fetch::{self, FetchError, HttpFetch};
use crate::keyfile;
use crate::outbox::{Outbox, OutboxError};
use crate::outcome::{Fault, chain};

/// Commands that are prepared, kept and sent together to a ledger on this machine. One fsync and one
/// commit a batch.
const BATCH: usize = 1_000;
/// Most bytes of an answer to a submission.
const ANSWER_BYTES_MAX: u64 = 1 << 20;

/// Where a ledger is.
pub enum Target {
    /// On this machine; this process holds its lock.
    Dir(Ledger),
    /// Behind its internal or public listener.
    Url(String),
}

/// Who signs, and in which capacity; without a role it is found.
#[derive(Clone)]
pub struct Hand {
    /// The role, when it was named.
    pub role: Option<Role>,
    /// The key.
    pub key: Arc<SigningKey>,
}

/// One command with where it came from.
#[derive(Clone, Debug)]
pub struct Item {
    /// File and line, for people.
    pub place: String,
    /// Idempotency key.
    pub id: String,
    /// `{"kind", "stream"? or "stream_key"?, "org", "declared_at"?, "proxy"?, "fields"}`.
    pub command: Value,
}

/// A lawful no, from wherever it came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// Stable for programs.
    pub code: String,
    /// For people.
    pub reason: String,
}

impl From<&Refusal> for Refused {
    fn from(refusal: &Refusal) -> Self {
        Self { code: refusal.code().to_owned(), reason: refusal.to_string() }
    }
}

/// The answer to one command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is in the log.
    Recorded {
        /// The receipt.
        receipt: Receipt,
        /// The matter.
        stream: StreamId,
    },
    /// It is sealed, and promised to be in the log's next period.
    Promised {
        /// Promise and status code.
        promised: Promised,
        /// The matter.
        stream: StreamId,
    },
    /// It is not, for a reason.
    Refused(Refused),
}

impl Answer {
    fn of(accepted: Accepted, stream: StreamId) -> Self {
        match accepted {
            Accepted::Entry(receipt) => Self::Recorded { receipt, stream },
            Accepted::Promise(promised) => Self::Promised { promised, stream },
        }
    }
}

/// Submits commands to one ledger.
pub struct Client {
    target: Target,
    origin: String,
    clock: Arc<dyn Clock>,
    agent: ureq::Agent,
    entropy: Entropy,
    heads: HashMap<StreamId, Head>,
    streams: HashMap<(&'static str, String), StreamId>,
    /// The role in which a kind was last accepted from outside.
    held: HashMap<&'static str, Role>,
}

/// A command that has its bytes and signatures.
struct Signed {
    submission: Submission,
    stream: StreamId,
    is_new: bool,
}

impl Client {
    /// A client of a ledger on this machine.
    pub fn local(ledger: Ledger, clock: Arc<dyn Clock>) -> Self {
        let origin = ledger.origin().to_owned();
        Self::new(Target::Dir(ledger), origin, clock)
    }

    /// A client of a ledger at an address; asks it for its origin.
    ///
    /// # Errors
    /// No ledger answers there.
    pub fn remote(url: &str, agent: ureq::Agent, clock: Arc<dyn Clock>) -> Result<Self, Fault> {
        let url = url.trim_end_matches('/').to_owned();
        let origin = origin(&agent, &url)?;
        Ok(Self { agent, ..Self::new(Target::Url(url), origin, clock) })
    }

    fn new(target: Target, origin: String, clock: Arc<dyn Clock>) -> Self {
        Self {
            target,
            origin,
            clock,
            agent: fetch::agent(),
            entropy: Entropy::default(),
            heads: HashMap::new(),
            streams: HashMap::new(),
            held: HashMap::new(),
        }
    }

    /// Origin of the ledger.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The ledger, if it is on this machine.
    pub fn ledger(&self) -> Option<&Ledger> {
        match &self.target {
            Target::Dir(ledger) => Some(ledger),
            Target::Url(_) => None,
        }
    }

    /// Ends the session; a ledger on this machine publishes what it recorded and gives its lock back.
    pub async fn close(self) {
        if let Target::Dir(ledger) = self.target {
            ledger.shutdown().await;
        }
    }

    /// Submits commands in their order and tells each answer as it comes.
    ///
    /// # Errors
    /// A failure that is nobody's lawful no: what was told before it stands, and a run with the same
    /// commands and outbox goes on where this one stopped.
    pub async fn submit(
        &mut self,
        items: &[Item],
        hands: &[Hand],
        mut outbox: Option<&mut Outbox>,
        tell: &mut dyn FnMut(&Item, &Answer),
    ) -> Result<(), Fault> {
        let size = if self.ledger().is_some() { BATCH } else { 1 };
        for batch in items.chunks(size) {
            let answers = match batch {
                [item] if self.ledger().is_none() => {
                    vec![self.submit_from_outside(item, hands, outbox.as_deref_mut()).await?]
                }
                _ => self.submit_batch(batch, hands, outbox.as_deref_mut()).await?,
            };
            for (item, answer) in batch.iter().zip(&answers) {
                if let (Answer::Refused(_), Some(outbox)) = (answer, outbox.as_deref_mut()) {
                    outbox.forget(&item.id).map_err(|error| outbox_fault(&error))?;
                }
                tell(item, answer);
            }
        }
        Ok(())
    }

    async fn submit_batch(
        &mut self,
        batch: &[Item],
        hands: &[Hand],
        outbox: Option<&mut Outbox>,
    ) -> Result<Vec<Answer>, Fault> {
        let mut signed = Vec::with_capacity(batch.len());
        for item in batch {
            signed.push(self.sign(item, hands, outbox.as_deref()).await?);
        }
        if let Some(outbox) = outbox {
            let new = batch.iter().zip(&signed).filter_map(|(item, signed)| {
                let signed = signed.as_ref().ok().filter(|signed| signed.is_new)?;
                Some((item.id.as_str(), &signed.submission))
            });
            outbox.keep(new).map_err(|error| outbox_fault(&error))?;
        }
        self.send(batch, signed).await
    }

    /// From outside nothing but the answer tells in which of a kind's roles a key may sign: they are tried in their order,
    /// and the one that held is tried first from then on.
    async fn submit_from_outside(
        &mut self,
        item: &Item,
        hands: &[Hand],
        mut outbox: Option<&mut Outbox>,
    ) -> Result<Answer, Fault> {
        let kind = item.command["kind"].as_str().and_then(kind::find);
        let open = kind.filter(|kind| kind.authors.len() > 1 && hands.first().is_some_and(|hand| hand.role.is_none()));
        let known = open.map(|_| (self.heads.clone(), self.streams.clone()));
        let mut roles: Vec<Role> = open.map(|kind| kind.authors.to_vec()).unwrap_or_default();
        roles.sort_by_key(|role| open.is_some_and(|kind| self.held.get(kind.name) != Some(role)));
        let mut hands = hands.to_vec();
        let mut refused = None;
        for role in roles.into_iter().map(Some).chain(open.is_none().then_some(None)) {
            if let (Some(first), Some(_)) = (hands.first_mut(), role) {
                first.role = role;
            }
            let answers = self.submit_batch(std::slice::from_ref(item), &hands, outbox.as_deref_mut()).await?;
            let answer = answers.into_iter().next().ok_or_else(|| unfinished(item, "没有应答"))?;
            let is_other = matches!(&answer, Answer::Refused(refused) if refused.code == "no_role");
            let (Some(kind), Some(role), Some((heads, streams))) = (open, role, &known) else { return Ok(answer) };
            if !is_other {
                self.held.insert(kind.name, role);
                return Ok(answer);
            }
            // What was refused stands nowhere.
            (self.heads, self.streams) = (heads.clone(), streams.clone());
            if let Some(outbox) = outbox.as_deref_mut() {
                outbox.forget(&item.id).map_err(|error| outbox_fault(&error))?;
            }
            refused.get_or_insert(answer);
        }
        refused.ok_or_else(|| unfinished(item, "没有应答"))
    }

    /// Tells the latest statement of a sealed stream, which no public page does.
    pub fn know(&mut self, stream: &StreamId, head: Head) {
        self.heads.insert(stream.clone(), head);
    }

    /// Gives a command its bytes at the head of its stream; nobody signs them yet.
    ///
    /// # Errors
    /// No ledger answers, or it cannot be read.
    pub async fn draft(&mut self, command: &Command, author: &Hand) -> Result<Result<Prepared, Refused>, Fault> {
        let kind = match command.kind() {
            Ok(kind) => kind,
            Err(refusal) => return Ok(Err((&refusal).into())),
        };
        let (stream, head) = match self.place(kind, None, command).await? {
            Ok(place) => place,
            Err(refused) => return Ok(Err(refused)),
        };
        let prepared = self.prepare(kind, command, stream, head, std::slice::from_ref(author));
        Ok(prepared.map_err(|refusal| (&refusal).into()))
    }

    /// Gives a command bytes and signatures without sending it.
    ///
    /// # Errors
    /// As [`Client::draft`].
    pub async fn signed(&mut self, command: &Command, hands: &[Hand]) -> Result<Result<Submission, Refused>, Fault> {
        let kind = match command.kind() {
            Ok(kind) => kind,
            Err(refusal) => return Ok(Err((&refusal).into())),
        };
        let signed = self.prepare_and_sign(kind, None, command, hands).await?;
        Ok(signed.map(|(submission, _)| submission))
    }

    /// Signs and sends what was prepared before, exactly as it is; or sends what an earlier run signed.
    ///
    /// # Errors
    /// As [`Client::submit`].
    pub async fn submit_prepared(
        &mut self,
        item: &Item,
        prepared: Prepared,
        keys: &[&SigningKey],
        outbox: &mut Outbox,
    ) -> Result<Answer, Fault> {
        let stream = prepared.statement.stream.clone();
        let signed = match outbox.signed(&item.id).cloned() {
            Some(submission) => Signed { submission, stream, is_new: false },
            None => match SignedStatement::sign(&prepared.statement, keys) {
                Ok(signed) => {
                    let submission = prepared.into_submission(signed.note.to_string());
                    Signed { submission, stream, is_new: true }
                }
                Err(error) => return Ok(Answer::Refused((&Refusal::Signature(chain(&error))).into())),
            },
        };
        if signed.is_new {
            outbox.keep([(item.id.as_str(), &signed.submission)]).map_err(|error| outbox_fault(&error))?;
        }
        let answers = self.send(std::slice::from_ref(item), vec![Ok(signed)]).await?;
        let answer = answers.into_iter().next().ok_or_else(|| unfinished(item, "没有应答"))?;
        if matches!(answer, Answer::Refused(_)) {
            outbox.forget(&item.id).map_err(|error| outbox_fault(&error))?;
        }
        Ok(answer)
    }

    /// Gives a command its bytes and signatures, or finds those that it has.
    async fn sign(
        &mut self,
        item: &Item,
        hands: &[Hand],
        outbox: Option<&Outbox>,
    ) -> Result<Result<Signed, Refused>, Fault> {
        let (key, command) = match split_stream_key(&item.command) {
            Ok(parts) => parts,
            Err(refusal) => return Ok(Err((&refusal).into())),
        };
        let kind = match command.kind() {
            Ok(kind) => kind,
            Err(refusal) => return Ok(Err((&refusal).into())),
        };
        if let Some(submission) = outbox.and_then(|outbox| outbox.signed(&item.id)) {
            let known = SignedStatement::parse(&submission.note)
                .map_err(|error| Fault::failed(format!("{} 的待发箱记录", item.place), &error))?;
            let (stream, submission) = (known.statement.stream.clone(), submission.clone());
            self.remember(kind, key, &known);
            return Ok(Ok(Signed { submission, stream, is_new: false }));
        }
        match self.prepare_and_sign(kind, key, &command, hands).await? {
            Ok((submission, stream)) => Ok(Ok(Signed { submission, stream, is_new: true })),
            Err(refused) => Ok(Err(refused)),
        }
    }

    async fn prepare_and_sign(
        &mut self,
        kind: &'static Kind,
        key: Option<String>,
        command: &Command,
        hands: &[Hand],
    ) -> Result<Result<(Submission, StreamId), Refused>, Fault> {
        let (stream, head) = match self.place(kind, key.as_deref(), command).await? {
            Ok(place) => place,
            Err(refused) => return Ok(Err(refused)),
        };
        let prepared = match self.prepare(kind, command, stream, head, hands) {
            Ok(prepared) => prepared,
            Err(refusal) => return Ok(Err((&refusal).into())),
        };
        let keys: Vec<&SigningKey> = hands.iter().map(|hand| hand.key.as_ref()).collect();
        let signed = match SignedStatement::sign(&prepared.statement, &keys) {
            Ok(signed) => signed,
            Err(error) => return Ok(Err((&Refusal::Signature(chain(&error))).into())),
        };
        self.remember(kind, key, &signed);
        let Prepared { openings, lines, .. } = prepared;
        Ok(Ok((Submission { note: signed.note.to_string(), openings, lines, envelope: None }, signed.statement.stream)))
    }

    fn remember(&mut self, kind: &'static Kind, key: Option<String>, signed: &SignedStatement) {
        let statement = &signed.statement;
        if let Some(key) = key {
            self.streams.insert((kind.family(), key), statement.stream.clone());
        }
        self.heads.insert(statement.stream.clone(), Head { revision: statement.revision, hash: signed.hash });
    }

    /// The command's stream, and what it follows there.
    async fn place(
        &mut self,
        kind: &'static Kind,
        key: Option<&str>,
        command: &Command,
    ) -> Result<Result<(StreamId, Option<Head>), Refused>, Fault> {
        let known = key.and_then(|key| self.streams.get(&(kind.family(), key.to_owned())).cloned());
        let Some(stream) = command.stream.clone().or(known) else {
            return Ok(if kind.opens {
                Ok((kind.new_stream(self.clock.now(), &mut |buffer| self.entropy.fill(buffer)), None))
            } else {
                let name = key.map_or_else(|| "（没有写 stream）".to_owned(), |key| format!("stream_key {key}"));
                Err((&Refusal::StreamMissing(name)).into())
            });
        };
        if let Some(head) = self.heads.get(&stream) {
            return Ok(Ok((stream, Some(*head))));
        }
        let head = match &self.target {
            Target::Dir(ledger) if kind.sealed => {
                let Some(reader) = ledger.sealed_reader() else {
                    return Ok(Err((&Refusal::StreamMissing(stream.to_string())).into()));
                };
                let head = reader.stream_head(&stream).await;
                Ok(head.map_err(|error| Fault::failed(format!("读取 {stream}"), &error))?)
            }
            Target::Dir(ledger) => {
                let head = ledger.reader().stream_head(&stream).await;
                Ok(head.map_err(|error| Fault::failed(format!("读取 {stream}"), &error))?)
            }
            Target::Url(url) => remote_head(&self.agent, url, command, &stream)?,
        };
        Ok(head.map(|head| (stream, head)))
    }

    /// Builds the statement; where a kind has several possible authors, in the first role that holds.
    fn prepare(
        &mut self,
        kind: &'static Kind,
        command: &Command,
        stream: StreamId,
        head: Option<Head>,
        hands: &[Hand],
    ) -> Result<Prepared, Refusal> {
        let given = hands.first().and_then(|hand| hand.role);
        let roles = given.map_or_else(|| kind.authors.to_vec(), |role| vec![role]);
        let mut setting = Setting {
            origin: &self.origin,
            stream,
            head,
            signers: Vec::new(),
            declared_at: command.declared_at.unwrap_or_else(|| china_time(self.clock.now())),
        };
        let mut first = None;
        for role in roles.iter().copied() {
            setting.signers = signers(kind, hands, role);
            let entropy = &mut self.entropy;
            let prepared = prepare(command, &setting, &mut |buffer: &mut [u8]| entropy.fill(buffer))?;
            if roles.len() == 1 || self.target.may_sign(kind, &prepared) {
                return Ok(prepared);
            }
            first.get_or_insert(prepared);
        }
        first.ok_or_else(|| Refusal::UnknownKind(kind.name.to_owned()))
    }

    /// Sends a batch; the answers stand in the order of the items.
    async fn send(&self, batch: &[Item], signed: Vec<Result<Signed, Refused>>) -> Result<Vec<Answer>, Fault> {
        match &self.target {
            Target::Dir(ledger) => send_local(ledger, batch, signed).await,
            Target::Url(url) => {
                let sent = batch.iter().zip(signed).map(|(item, signed)| match signed {
                    Err(refused) => Ok(Answer::Refused(refused)),
                    Ok(signed) => post(&self.agent, url, item, signed),
                });
                sent.collect()
            }
        }
    }
}

/// The origin of the ledger at an address, as its checkpoint says.
///
/// # Errors
/// No ledger answers there, or its certificate is not trusted.
pub fn origin(agent: &ureq::Agent, url: &str) -> Result<String, Fault> {
    let not_a_ledger = || Fault::usage(url, "这个地址上没有公开账本").mend("请检查 --url");
    let note = HttpFetch::with(agent.clone(), url).get("checkpoint", 1 << 20).map_err(|error| match &error {
        FetchError::Http { source, .. } => fetch::unanswered(url, source),
        error => Fault::failed(url, error),
    })?;
    let note = note.and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(not_a_ledger)?;
    let checkpoint = Note::parse(&note).ok().and_then(|note| Checkpoint::parse(&note.text).ok());
    Ok(checkpoint.ok_or_else(not_a_ledger)?.origin)
}

impl Target {
    /// Whether the signers hold their roles; over HTTP only the ledger knows, and says it.
    fn may_sign(&self, kind: &Kind, prepared: &Prepared) -> bool {
        match self {
            Self::Url(_) => true,
            Self::Dir(ledger) => ledger.with_world(|world| judge::authority(&prepared.statement, kind, world).is_ok()),
        }
    }
}

fn outbox_fault(error: &OutboxError) -> Fault {
    Fault::failed("待发箱", error).mend("没有发出的内容不会丢失，请腾出磁盘空间后用同样的命令再运行一次")
}

/// Takes `stream_key` out of a command: it is a name within one file, and never signed.
fn split_stream_key(command: &Value) -> Result<(Option<String>, Command), Refusal> {
    let mut command = command.clone();
    let key = match command.as_object_mut().and_then(|members| members.remove("stream_key")) {
        None => None,
        Some(Value::String(key)) => Some(key),
        Some(_) => {
            return Err(Refusal::Malformed { place: "stream_key".into(), reason: "应是文字".into() });
        }
    };
    Ok((key, Command::from_value(command)?))
}

/// Roles of all signers, author first.
fn signers(kind: &Kind, hands: &[Hand], author: Role) -> Vec<Signer> {
    let roles =
        std::iter::once(author).chain(hands.iter().skip(1).map(|hand| hand.role.unwrap_or(cosigner_role(kind))));
    hands
        .iter()
        .zip(roles)
        .map(|(hand, role)| Signer { role: role.wire().to_owned(), key: hand.key.name().to_owned() })
        .collect()
}

/// In which role a second signer signs when nothing was said.
pub fn cosigner_role(kind: &Kind) -> Role {
    match kind.family() {
        "disclosure" => Role::Supervisor,
        "pledge" if kind.name == "pledge.evaluated.v1" => Role::Supervisor,
        "organization" | "post" | "person" | "key" | "role" | "receiver" | "intake" | "calendar" | "rule" => {
            Role::Registrar
        }
        _ => Role::Approver,
    }
}

async fn send_local(
    ledger: &Ledger,
    batch: &[Item],
    signed: Vec<Result<Signed, Refused>>,
) -> Result<Vec<Answer>, Fault> {
    let mut answers: Vec<Option<Answer>> = Vec::with_capacity(batch.len());
    let (mut places, mut streams, mut submissions) = (Vec::new(), Vec::new(), Vec::new());
    for (place, (item, signed)) in batch.iter().zip(signed).enumerate() {
        match signed {
            Err(refused) => answers.push(Some(Answer::Refused(refused))),
            Ok(signed) => {
                answers.push(None);
                places.push(place);
                streams.push(signed.stream);
                submissions.push((Some(item.id.clone()), signed.submission));
            }
        }
    }
    let results = ledger.submit_many(submissions).await;
    for ((place, stream), result) in places.into_iter().zip(streams).zip(results) {
        answers[place] = Some(match result {
            Ok(accepted) => Answer::of(accepted, stream),
            Err(SubmitError::Refused(refusal)) => Answer::Refused((&refusal).into()),
            Err(error) => return Err(unfinished(&batch[place], &chain(&error))),
        });
    }
    Ok(answers.into_iter().flatten().collect())
}

fn unfinished(item: &Item, cause: &str) -> Fault {
    Fault::ours(item.place.clone(), cause)
        .mend("这一条是否入账尚不确定；请排除故障后用同样的命令再运行一次，已入账的不会重复")
}

fn post(agent: &ureq::Agent, url: &str, item: &Item, signed: Signed) -> Result<Answer, Fault> {
    let mut answer = agent
        .post(format!("{url}/api/v1/submissions"))
        .header("Idempotency-Key", &item.id)
        .send_json(&signed.submission)
        .map_err(|error| unfinished(item, &chain(&error)))?;
    let status = answer.status().as_u16();
    let body = fetch::body(&mut answer, ANSWER_BYTES_MAX);
    let body = body.map_err(|error| unfinished(item, &chain(&error)))?;
    if (200..300).contains(&status) {
        let accepted = serde_json::from_slice(&body).map_err(|error| unfinished(item, &chain(&error)))?;
        return Ok(Answer::of(accepted, signed.stream));
    }
    match told(status, &body) {
        Ok(refused) => Ok(Answer::Refused(refused)),
        Err(reason) => Err(unfinished(item, &format!("{url} 应答 {status}：{reason}"))),
    }
}

/// What an answer that is no success says: a lawful no, or the reason of a failure.
pub(crate) fn told(status: u16, body: &[u8]) -> Result<Refused, String> {
    let problem: Map<String, Value> = serde_json::from_slice(body).unwrap_or_default();
    let text = |name: &str| problem.get(name).and_then(Value::as_str).map(str::to_owned);
    let reason = text("detail").or_else(|| text("title")).unwrap_or_else(|| format!("HTTP {status}"));
    match status {
        400..=499 if status != 408 && status != 429 => {
            Ok(Refused { code: text("code").unwrap_or_else(|| status.to_string()), reason })
        }
        _ => Err(reason),
    }
}

/// The head of a stream, as the ledger would continue it. Only kind, stream and organization are sent.
fn remote_head(
    agent: &ureq::Agent,
    url: &str,
    command: &Command,
    stream: &StreamId,
) -> Result<Result<Option<Head>, Refused>, Fault> {
    let url = format!("{url}/api/v1/prepare");
    let failed = |error: ureq::Error| fetch::unanswered(&url, &error);
    let asked = json!({"kind": command.kind, "stream": stream, "org": command.org, "fields": {},
        "signers": [["publisher", "head"]]});
    let mut answer = agent.post(&url).send_json(asked).map_err(failed)?;
    let status = answer.status().as_u16();
    let body = fetch::body(&mut answer, ANSWER_BYTES_MAX).map_err(failed)?;
    if status != 200 {
        return told(status, &body).map(Err).map_err(|reason| Fault::ours(url, format!("应答 {status}：{reason}")));
    }
    let text =
        serde_json::from_slice::<Value>(&body).ok().and_then(|mut body| body.get_mut("statement").map(Value::take));
    let statement = text.as_ref().and_then(Value::as_str).and_then(|text| Statement::parse(text).ok());
    let statement = statement.ok_or_else(|| Fault::ours(url, "应答里没有声明原文"))?;
    let head = statement.parent.zip(statement.revision.checked_sub(1));
    Ok(Ok(head.map(|(hash, revision)| Head { revision, hash })))
}

/// Randomness, taken from the machine a page at a time: a statement needs some fifty small pieces.
struct Entropy {
    page: Zeroizing<[u8; 4_096]>,
    used: usize,
}

impl Default for Entropy {
    fn default() -> Self {
        Self { page: Zeroizing::new([0; 4_096]), used: 4_096 }
    }
}

impl Entropy {
    fn fill(&mut self, buffer: &mut [u8]) {
        if buffer.len() > self.page.len() - self.used {
            keyfile::random(&mut *self.page);
            self.used = 0;
        }
        match self.page.get_mut(self.used..self.used + buffer.len()) {
            // What was given is wiped, so that it is given once.
            Some(piece) => {
                buffer.copy_from_slice(piece);
                piece.fill(0);
                self.used += buffer.len();
            }
            None => keyfile::random(buffer),
        }
    }
}
