//! Handing in: what is done with a submission on its way to the sequencer.

use std::{collections::VecDeque, num::NonZero, thread};

use gongkai_domain::{Command, Prepared, Refusal, Setting, Submission, kind, prepare, world::Role};
use gongkai_log::{KeyKind, SignedStatement, Signer, SigningKey, Statement};
use tokio::{
    sync::{mpsc, oneshot},
    task,
};

use super::{Ledger, Receipt, closed};
use crate::{
    admission::{self, Admitted},
    error::SubmitError,
    sequencer::{Answer, Item, Message, china_time},
    vault::{Tag, VaultFault},
};

/// Longest idempotency key: a UUID, a hash, a file name with a line number.
pub const IDEMPOTENCY_KEY_BYTES_MAX: usize = 200;

/// Most bytes of an attachment unless a ledger's settings say otherwise: a scan of some twenty pages.
pub const ATTACHMENT_BYTES_MAX: usize = 20 << 20;

/// Bytes of note and lines from which a submission is checked on a thread for long work.
const LONG_CHECK_BYTES: usize = 64 << 10;

/// Submissions that one thread checks at a time when many are handed in together.
const CHUNK: usize = 128;

impl Ledger {
    /// Records a public statement, and answers after it is durable.
    ///
    /// # Errors
    /// [`SubmitError`]; a sealed event is refused, it is handed in with [`Ledger::hand_in`].
    pub async fn submit(
        &self,
        idempotency_key: Option<String>,
        submission: Submission,
    ) -> Result<Receipt, SubmitError> {
        let admitted = self.check(idempotency_key.as_deref(), submission).await?;
        let sealed = || Refusal::Malformed { place: "kind".into(), reason: "封存事项没有条目回执".into() };
        if admitted.checked.kind.sealed {
            return Err(sealed().into());
        }
        self.sequence(idempotency_key, admitted).await?.entry().ok_or_else(|| sealed().into())
    }

    /// Records a statement, or promises to: answers after it is durable.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub async fn hand_in(&self, idempotency_key: Option<String>, submission: Submission) -> Answer {
        let admitted = self.check(idempotency_key.as_deref(), submission).await?;
        self.sequence(idempotency_key, admitted).await
    }

    /// Judges what nobody has signed yet, as of now, and records nothing. The note is the statement's text alone.
    ///
    /// # Errors
    /// [`SubmitError`], as [`Ledger::hand_in`] would give it for any reason but the signatures.
    pub async fn rehearse(&self, submission: Submission) -> Result<(), SubmitError> {
        let note = by_nobody(&submission.note)?;
        let admitted = self.admit(Submission { note, ..submission })?;
        self.have_files(&admitted).await?;
        if admitted.checked.needs_vault() && self.0.settings.vault.is_none() {
            return Err(admission::without_vault(&admitted.checked).into());
        }
        let (answer, _) = oneshot::channel();
        let item = Item { key: None, admitted: Box::new(admitted), answer };
        let (answer, judged) = oneshot::channel();
        match self.0.queue.try_send(Message::Rehearse(item, answer)) {
            Ok(()) => judged.await.unwrap_or_else(|_| Err(closed())),
            Err(mpsc::error::TrySendError::Full(_)) => Err(SubmitError::Busy),
            Err(mpsc::error::TrySendError::Closed(_)) => Err(closed()),
        }
    }

    async fn check(&self, idempotency_key: Option<&str>, submission: Submission) -> Result<Admitted, SubmitError> {
        let checked = self.check_alone(idempotency_key, submission).await;
        checked.map_err(|error| self.counted(error))
    }

    /// What does not come to the sequencer is counted here.
    fn counted(&self, error: SubmitError) -> SubmitError {
        self.0.shared.count(&Err(error.clone()));
        error
    }

    async fn check_alone(
        &self,
        idempotency_key: Option<&str>,
        submission: Submission,
    ) -> Result<Admitted, SubmitError> {
        check_idempotency_key(idempotency_key)?;
        if let Some(reason) = self.0.shared.halted() {
            return Err(SubmitError::Halted(reason));
        }
        let ledger = self.clone();
        let admitted = if submission_bytes(&submission) > LONG_CHECK_BYTES {
            join(task::spawn_blocking(move || ledger.admit(submission)).await)??
        } else {
            self.admit(submission)?
        };
        self.have_files(&admitted).await?;
        if !admitted.checked.needs_vault() {
            return Ok(admitted);
        }
        let ledger = self.clone();
        join(task::spawn_blocking(move || ledger.seal(admitted)).await)?
    }

    async fn sequence(&self, idempotency_key: Option<String>, admitted: Admitted) -> Answer {
        let Some(_place) = self.0.places.take(&admitted.checked.signed.statement.org) else {
            return Err(self.counted(SubmitError::Busy));
        };
        let (answer, receipt) = oneshot::channel();
        let item = Item { key: idempotency_key, admitted: Box::new(admitted), answer };
        match self.0.queue.try_send(Message::Submit(item)) {
            Ok(()) => receipt.await.unwrap_or_else(|_| Err(closed())),
            Err(mpsc::error::TrySendError::Full(_)) => Err(self.counted(SubmitError::Busy)),
            Err(mpsc::error::TrySendError::Closed(_)) => Err(closed()),
        }
    }

    /// Records many submissions in their order; checks them on all cores while earlier ones are
    /// committed. The answers are in the same order. It waits where [`Ledger::submit`] is busy.
    pub async fn submit_many(&self, submissions: Vec<(Option<String>, Submission)>) -> Vec<Answer> {
        let mut answers = Vec::with_capacity(submissions.len());
        let ahead_max = 2 * thread::available_parallelism().map_or(1, NonZero::get);
        let mut ahead = VecDeque::new();
        let mut submissions = submissions.into_iter();
        loop {
            while ahead.len() < ahead_max {
                let chunk: Vec<_> = submissions.by_ref().take(CHUNK).collect();
                if chunk.is_empty() {
                    break;
                }
                let ledger = self.clone();
                let size = chunk.len();
                ahead.push_back((size, task::spawn_blocking(move || ledger.admit_chunk(chunk))));
            }
            let Some((size, checked)) = ahead.pop_front() else { break };
            match join(checked.await) {
                Ok(chunk) => self.enqueue(chunk, &mut answers).await,
                Err(error) => answers.extend((0..size).map(|_| Pending::Known(Err(error.clone())))),
            }
        }
        let mut done = Vec::with_capacity(answers.len());
        for answer in answers {
            done.push(match answer {
                Pending::Known(answer) => answer,
                Pending::Awaited(receipt) => receipt.await.unwrap_or_else(|_| Err(closed())),
            });
        }
        done
    }

    fn admit(&self, submission: Submission) -> Result<Admitted, SubmitError> {
        let shared = &self.0.shared;
        Ok(admission::admit(&shared.origin, self.countersign(submission)?, |name| shared.key(name))?)
    }

    /// Encrypts what is for the vault. Blocks: call it on a thread for long work.
    fn seal(&self, admitted: Admitted) -> Result<Admitted, SubmitError> {
        let checked = &admitted.checked;
        if !checked.needs_vault() {
            return Ok(admitted);
        }
        let Some(vault) = &self.0.settings.vault else { return Err(admission::without_vault(checked).into()) };
        let tag = vault.tag(&checked.signed.statement.stream);
        loop {
            let _held = self.0.runtime.block_on(vault.load(&[tag]))?;
            match admission::seal(vault, checked) {
                // The keys were thrown out of the cache in between.
                Err(VaultFault::NotLoaded) => {}
                sealing => return Ok(Admitted { sealing: Some(sealing?), ..admitted }),
            }
        }
    }

    /// Looks up together the data keys that many submissions need: asking for each costs more than making one.
    fn look_up<'a>(&self, admitted: impl Iterator<Item = &'a Admitted>) {
        let Some(vault) = &self.0.settings.vault else { return };
        let sealed = admitted.filter(|admitted| admitted.checked.needs_vault());
        let tags: Vec<Tag> = sealed.map(|admitted| vault.tag(&admitted.checked.signed.statement.stream)).collect();
        // What fails here fails again where it is needed, and there it is told of which submission.
        let _ = self.0.runtime.block_on(vault.load(&tags));
    }

    /// Signs with the intake key what somebody without a key hands in: a text without signatures, whose only
    /// signer is intake, of a kind that the intake key may sign (design 3.4).
    fn countersign(&self, submission: Submission) -> Result<Submission, SubmitError> {
        let Some(note) = countersigned(&submission.note, &self.0.keys.intake) else { return Ok(submission) };
        Ok(Submission { note: note?, ..submission })
    }

    fn admit_chunk(
        &self,
        chunk: Vec<(Option<String>, Submission)>,
    ) -> Vec<(Option<String>, Result<Admitted, SubmitError>)> {
        let admit = |(key, submission): (Option<String>, Submission)| {
            let admitted = check_idempotency_key(key.as_deref()).and_then(|()| self.admit(submission));
            let admitted =
                admitted.and_then(|admitted| self.0.runtime.block_on(self.have_files(&admitted)).map(|()| admitted));
            (key, admitted)
        };
        let chunk: Vec<_> = chunk.into_iter().map(admit).collect();
        self.look_up(chunk.iter().filter_map(|(_, admitted)| admitted.as_ref().ok()));
        chunk.into_iter().map(|(key, admitted)| (key, admitted.and_then(|admitted| self.seal(admitted)))).collect()
    }

    async fn enqueue(&self, chunk: Vec<(Option<String>, Result<Admitted, SubmitError>)>, answers: &mut Vec<Pending>) {
        for (key, admitted) in chunk {
            answers.push(match admitted {
                Err(error) => Pending::Known(Err(self.counted(error))),
                Ok(admitted) => {
                    let (answer, receipt) = oneshot::channel();
                    let item = Item { key, admitted: Box::new(admitted), answer };
                    match self.0.queue.send(Message::Submit(item)).await {
                        Ok(()) => Pending::Awaited(receipt),
                        Err(_) => Pending::Known(Err(closed())),
                    }
                }
            });
        }
    }

    /// Gives a command the bytes to sign, at the head of its stream.
    ///
    /// A command that opens a stream and names none gets a new one (UUID version 7); one without
    /// `declared_at` gets the clock's reading.
    ///
    /// # Errors
    /// [`SubmitError::Refused`] for a command that has no bytes, [`SubmitError::Storage`].
    pub async fn prepare(
        &self,
        command: Command,
        signers: Vec<Signer>,
        entropy: &mut (dyn FnMut(&mut [u8]) + Send),
    ) -> Result<Prepared, SubmitError> {
        let kind = command.kind()?;
        let stream = match &command.stream {
            Some(stream) => stream.clone(),
            None if kind.opens => kind.new_stream(self.0.clock.now(), entropy),
            None => return Err(Refusal::StreamMissing(format!("{}/", kind.family())).into()),
        };
        let head = match &self.0.settings.vault {
            // What opens a sealed stream begins it: whether there is one of that name is not told here.
            _ if kind.sealed && kind.opens => None,
            Some(vault) if kind.sealed => self.sealed_with(vault).stream_head(&stream).await?,
            _ if kind.sealed => None,
            _ => self.0.reader.stream_head(&stream).await?,
        };
        let declared_at = command.declared_at.unwrap_or_else(|| china_time(self.0.clock.now()));
        let setting = Setting { origin: self.origin(), stream, head, signers, declared_at };
        Ok(prepare(&command, &setting, &mut |buffer| entropy(buffer))?)
    }
}

/// An answer that is known, or will be.
enum Pending {
    Known(Answer),
    Awaited(oneshot::Receiver<Answer>),
}

fn join<T>(joined: Result<T, task::JoinError>) -> Result<T, SubmitError> {
    joined.map_err(|error| SubmitError::Halted(format!("检查提交时程序出错（{error}）")))
}

/// A text as a note with signatures of the right form under keys that prove nothing.
fn by_nobody(text: &str) -> Result<String, SubmitError> {
    let malformed = |reason: String| Refusal::Malformed { place: "note".into(), reason };
    let statement = Statement::parse(text).map_err(|error| malformed(error.to_string()))?;
    let keys = statement.signers.iter().map(|signer| SigningKey::from_seed(&signer.key, KeyKind::Ed25519, [0; 32]));
    let keys = keys.collect::<Result<Vec<_>, _>>().map_err(|error| malformed(error.to_string()))?;
    let signed = SignedStatement::sign(&statement, &keys.iter().collect::<Vec<_>>());
    Ok(signed.map_err(|error| malformed(error.to_string()))?.note.to_string())
}

/// The signed note for a text that has no signatures and is for the intake key alone to sign; `None` for
/// any other note, which is judged as it is.
fn countersigned(note: &str, intake: &SigningKey) -> Option<Result<String, SubmitError>> {
    if note.contains("\n\n") {
        return None;
    }
    let statement = Statement::parse(note).ok()?;
    let alone = matches!(statement.signers.as_slice(), [signer]
        if signer.role == Role::Intake.wire() && signer.key == intake.name());
    let kind = kind::find(&statement.kind)?;
    if !alone || !kind.authors.contains(&Role::Intake) || kind.is_own_word() {
        return None;
    }
    let signed = SignedStatement::sign(&statement, &[intake]);
    Some(signed.map(|signed| signed.note.to_string()).map_err(|e| Refusal::Signature(e.to_string()).into()))
}

fn submission_bytes(submission: &Submission) -> usize {
    // A line is rarely shorter than this.
    submission.note.len() + submission.lines.len() * 256
}

fn check_idempotency_key(key: Option<&str>) -> Result<(), SubmitError> {
    match key {
        Some(key) if key.is_empty() || key.len() > IDEMPOTENCY_KEY_BYTES_MAX || key.chars().any(char::is_control) => {
            let reason = format!("应有 1–{IDEMPOTENCY_KEY_BYTES_MAX} 字节，不含控制字符");
            Err(Refusal::Malformed { place: "Idempotency-Key".into(), reason }.into())
        }
        _ => Ok(()),
    }
}
