//! The ledger's side: batches in, every packet recorded or refused, one public answer, capsules out.
//!
//! Everything of a file is checked before anything is recorded. A packet goes the way of every citizen's submission, with its
//! commitment as the idempotency key, after what was said about a public matter meanwhile; what became of it is kept before the next is taken. When all are through, their answers
//! become one root, and the ledger says so (`intake.answered`): that commit ends it. If we stop before, the same file is
//! taken again: nothing is recorded twice, and what was refused is not judged again. So it is where two nodes take it at once.
//!
//! Not here: where files come from (`carry`), the ledger's rules.

use chrono::{DateTime, NaiveDate, SubsecRound as _, Utc};
use gongkai_domain::gap::{
    self, AnswerProof, Batch, Batches, CAPSULE_BYTES, Capsules, Content, Continued, GapError, Matter, Outcome, Packet,
    Said, Status, capsules_count,
};
use gongkai_domain::vault::NONCE_BYTES;
use gongkai_domain::world::Intake;
use gongkai_domain::{Head, Refusal, Submission};
use gongkai_log::sealed::PERIOD_LEAVES;
use gongkai_log::{Digest, Entry, Statement, VerifierKey};
use gongkai_projections::follow_up;
use gongkai_store::taken::Place;
use gongkai_store::{Accepted, Ledger, StoreError, StoredEntry, SubmitError, Taken, TakenBook, TakenFault, VaultFault};
use serde_json::{Value, json};

use super::cosigning;
use crate::code;
use crate::http::citizen::for_citizens;
use crate::keyfile;

/// So often the place of what was overtaken is looked for, while others go on saying things there.
const OVERTAKEN_MAX: usize = 4;

/// Why a file was not taken in.
#[derive(Debug, thiserror::Error)]
pub enum TakeInFault {
    /// No intake of this ledger has this key.
    #[error("no intake of this ledger has the key {0}")]
    Foreign(String),
    /// The file begins after what was answered last.
    #[error("batches {answered} to {from} are missing")]
    Gap {
        /// Up to which batch was answered.
        answered: u64,
        /// Where the file begins.
        from: u64,
    },
    /// A batch is not what the intake signed.
    #[error(transparent)]
    Refused(#[from] GapError),
    /// The ledger has no vault.
    #[error("the ledger has no vault")]
    NoVault,
    /// The ledger takes nothing at present; what was taken stays, and the same file goes on.
    #[error("the ledger")]
    Ledger(#[from] SubmitError),
    /// What was taken in could not be kept or read.
    #[error(transparent)]
    Taken(#[from] TakenFault),
    /// The vault failed.
    #[error("the vault")]
    Vault(#[from] VaultFault),
    /// The drafts that wait for signatures could not be read or changed.
    #[error("the working store: {0}")]
    Drafts(String),
    /// Something could not be signed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What came of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct TakenIn {
    /// First batch that was answered.
    pub from: u64,
    /// After the last one.
    pub to: u64,
    /// Packets that were recorded. Told to whoever runs the ledger, and to nobody else.
    pub accepted: u64,
    /// Packets that were refused.
    pub refused: u64,
    /// Packets that an earlier attempt, or another node, had taken.
    pub known: u64,
    /// Entry that says so; `None` when there was nothing new, or another node has said it.
    pub answered_at: Option<u64>,
}

/// The intake of a ledger with a key.
fn intake_of(ledger: &Ledger, key: &VerifierKey) -> Option<Intake> {
    ledger.with_world(|world| world.intakes().find(|intake| intake.key == *key).cloned())
}

/// Takes a file of batches in. Other nodes may take in the same one: each packet is answered by whoever comes first, and so
/// are its periods; what is left then is gone on with.
///
/// # Errors
/// [`TakeInFault`]; nothing of a file that is refused is recorded.
pub async fn take_in(ledger: &Ledger, batches: &Batches) -> Result<TakenIn, TakeInFault> {
    let foreign = || TakeInFault::Foreign(batches.intake.clone());
    let key = VerifierKey::parse(&batches.intake).map_err(|_| foreign())?;
    let taken = ledger.taken().ok_or(TakeInFault::NoVault)?;
    let mut done = TakenIn::default();
    loop {
        let intake = intake_of(ledger, &key).ok_or_else(foreign)?;
        let (answered, prev) = intake.answered();
        (done.from, done.to) = (answered, answered);
        if batches.from > answered {
            return Err(TakeInFault::Gap { answered, from: batches.from });
        }
        let known = usize::try_from(answered - batches.from).unwrap_or(usize::MAX);
        let new = batches.batches.get(known..).unwrap_or_default();
        let Some((new, last)) = checked(new, &intake, prev)? else { return Ok(done) };
        take_all(ledger, &taken, &intake, new, &mut done).await?;
        let to = answered + new.len() as u64;
        let now = ledger.clock().now();
        let answers = taken.root((&intake.stream, intake.key.name()), (answered, to), now).await?;
        let fields = json!({"from": answered, "to": to, "entry_hash": last, "answers": answers});
        match ledger.answer_intake(&intake.stream, &intake.org, fields).await {
            Ok(receipt) => {
                (done.to, done.answered_at) = (to, Some(receipt.index));
                return Ok(done);
            }
            // Whoever was refused in its turn has heard by then what others said before it.
            Err(SubmitError::Refused(_))
                if intake_of(ledger, &key).is_some_and(|intake| intake.answered().0 > answered) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Answers every packet of these batches that nobody has answered.
async fn take_all(
    ledger: &Ledger,
    taken: &TakenBook,
    intake: &Intake,
    batches: &[Batch],
    done: &mut TakenIn,
) -> Result<(), TakeInFault> {
    for (number, batch) in (done.from..).zip(batches) {
        for item in &batch.packets {
            let commitment = item.commitment();
            let place = Place { intake: &intake.stream, batch: number, leaf: item.leaf, commitment };
            let answer = answer(ledger, taken, intake, (number, commitment), &item.packet);
            match taken.once(place, ledger.clock().now(), Box::pin(answer)).await? {
                Some(Outcome::Accepted) => done.accepted += 1,
                Some(Outcome::Refused) => done.refused += 1,
                None => done.known += 1,
            }
        }
    }
    Ok(())
}

/// The batches that are taken at once, every one checked, with the hash of the last entry; `None` when there is none.
fn checked<'b>(
    batches: &'b [Batch],
    intake: &Intake,
    mut prev: Digest,
) -> Result<Option<(&'b [Batch], Digest)>, GapError> {
    let (from, _) = intake.answered();
    let mut end = (0, prev, 0);
    for (number, batch) in (from..).zip(batches) {
        prev = gap::check(batch, number, &prev, &intake.key)?.entry_hash;
        let packets = end.2 + batch.packets.len();
        // One tree holds so many answers; the rest of the file is taken next.
        if packets <= PERIOD_LEAVES && end.0 as u64 == number - from {
            end = (end.0 + 1, prev, packets);
        }
    }
    Ok((end.0 > 0).then(|| (&batches[..end.0], end.1)))
}

/// Records or refuses one packet.
async fn answer(
    ledger: &Ledger,
    taken: &TakenBook,
    intake: &Intake,
    (batch, commitment): (u64, Digest),
    packet: &str,
) -> Result<Taken, TakeInFault> {
    let of = |follow, outcome, note, code| Taken {
        commitment,
        batch,
        follow,
        outcome,
        note,
        code,
        asked: None,
        salt: taken.salt(),
        place: None,
    };
    let refused = |code: &str| ledger.receipt_of_refusal(Digest::of(packet.as_bytes()), code);
    let opened = Packet::parse(packet).and_then(|packet| ledger.open_packet(intake.key.name(), &packet));
    let Ok(Content { follow, said }) = opened else {
        return Ok(of(None, Outcome::Refused, refused("unreadable")?, None));
    };
    let (code, submission) = match said {
        Said::Submission { code, submission } => (code, *submission),
        Said::Asking(note) => {
            return Ok(match cosigning::answer(ledger, intake.key.name(), &note).await? {
                Ok((asked, said)) => Taken { asked: Some(asked), ..of(Some(follow), Outcome::Accepted, said, None) },
                Err(refusal) => of(Some(follow), Outcome::Refused, refused(refusal.code())?, None),
            });
        }
    };
    match hand_in(ledger, code.as_deref(), &commitment, submission).await? {
        Ok(Accepted::Promise(promised)) => {
            let code = code.unwrap_or(promised.status_code);
            Ok(of(Some(follow), Outcome::Accepted, promised.promise, Some(code)))
        }
        Ok(Accepted::Entry(receipt)) => Ok(of(Some(follow), Outcome::Accepted, json!(receipt).to_string(), None)),
        Err(refusal) => Ok(of(Some(follow), Outcome::Refused, refused(refusal.code())?, None)),
    }
}

/// The rules of the public listener for what somebody without a key hands in.
async fn hand_in(
    ledger: &Ledger,
    code: Option<&str>,
    commitment: &Digest,
    submission: Submission,
) -> Result<Result<Accepted, Refusal>, TakeInFault> {
    let malformed = |reason: &str| Refusal::Malformed { place: "note".into(), reason: reason.into() };
    let Ok(statement) = Statement::parse(&submission.note) else {
        return Ok(Err(malformed("不是没有签名的声明")));
    };
    let Some(kind) = for_citizens(&statement, ledger) else {
        return Ok(Err(malformed("网上收件处只收群众自己提交的事项")));
    };
    if kind.sealed && !kind.opens {
        let code = code.and_then(code::normal);
        let begun = match code {
            Some(code) => follow_up::begun(ledger, &code).await?,
            None => None,
        };
        if begun.as_ref() != Some(&statement.stream) {
            return Ok(Err(Refusal::StreamMissing(statement.stream.to_string())));
        }
    }
    let key = format!("intake:{}", commitment.to_hex());
    let is_movable = !kind.sealed && gap::is_movable(&statement, &submission);
    let answer = match ledger.hand_in(Some(key.clone()), submission.clone()).await {
        Err(SubmitError::Refused(refusal)) if is_movable && is_overtaken(&refusal) => {
            overtaken(ledger, &key, &statement, &submission, refusal).await?
        }
        answer => answer,
    };
    match answer {
        Ok(accepted) => Ok(Ok(accepted)),
        Err(SubmitError::Refused(refusal)) => Ok(Err(refusal)),
        Err(error) => Err(error.into()),
    }
}

/// The matter went on since, or an earlier attempt recorded it at another place under the same key.
fn is_overtaken(refusal: &Refusal) -> bool {
    matches!(refusal, Refusal::StaleParent { .. } | Refusal::IdempotencyConflict)
}

/// Says what was overtaken on its way in after the last statement of its matter. Should an earlier attempt have recorded it
/// and stopped before that was kept, its place is among those before: there the key finds it, and nothing is said twice.
async fn overtaken(
    ledger: &Ledger,
    key: &str,
    statement: &Statement,
    submission: &Submission,
    mut refusal: Refusal,
) -> Result<Result<Accepted, SubmitError>, TakeInFault> {
    for _ in 0..OVERTAKEN_MAX {
        for head in heads(ledger, statement).await? {
            let moved = gap::moved(submission, &head)?;
            match ledger.hand_in(Some(key.to_owned()), moved).await {
                Err(SubmitError::Refused(again)) if is_overtaken(&again) => refusal = again,
                answer => return Ok(answer),
            }
        }
    }
    Ok(Err(SubmitError::Refused(refusal)))
}

/// What a statement may follow: those of its stream from the one that it followed on, the last one first.
async fn heads(ledger: &Ledger, statement: &Statement) -> Result<Vec<Head>, TakeInFault> {
    let head = |stored: StoredEntry| {
        let entry = Entry::parse(stored.bytes).ok()?;
        let signed = entry.content.statement()?;
        Some(Head { revision: signed.statement.revision, hash: signed.hash })
    };
    let said = ledger.stream(&statement.stream).await?;
    let mut heads: Vec<Head> = said.into_iter().filter_map(head).collect();
    heads.retain(|head| head.revision + 1 >= statement.revision);
    heads.sort_unstable_by_key(|head| std::cmp::Reverse(head.revision));
    Ok(heads)
}

/// The file of capsules for an intake, as of now, signed.
///
/// # Errors
/// [`TakeInFault`].
pub async fn capsules(ledger: &Ledger, intake: &Intake, today: NaiveDate) -> Result<String, TakeInFault> {
    let taken = ledger.taken().ok_or(TakeInFault::NoVault)?;
    let origin = intake.key.name();
    let as_of = ledger.clock().now().trunc_subsecs(6);
    let (answered, _) = intake.answered();
    let mut capsules = Vec::new();
    let all = taken.all(intake).await?;
    let askings = cosigning::last_askings(&all);
    for (place, taken) in all.into_iter().enumerate() {
        let Some(follow) = taken.follow.clone() else { continue };
        let Some(mut status) = status(ledger, intake, taken, as_of, today).await? else { continue };
        let waiting = match askings.get(&place) {
            Some(key) => cosigning::waiting(ledger, key).await?,
            None => None,
        };
        if let Some((waiting, pieces)) = waiting {
            status.waiting = Some(waiting);
            for (number, piece) in (0..).zip(&pieces) {
                capsules.push(follow.piece(number).seal_text(origin, piece, nonce())?);
            }
        }
        capsules.push(match follow.seal(origin, &status, nonce()) {
            Err(GapError::Limit(_)) => follow.seal(origin, &cut(status), nonce())?,
            sealed => sealed?,
        });
    }
    for _ in capsules.len()..capsules_count(capsules.len()) {
        let mut random = vec![0; CAPSULE_BYTES];
        keyfile::random(&mut random);
        capsules.push(random);
    }
    // By their labels, which tell nothing: not by when they were handed in, nor the random ones last.
    capsules.sort_unstable();
    let file = Capsules { as_of, answered, capsules };
    Ok(ledger.sign_capsules(origin, &file)?)
}

fn nonce() -> [u8; NONCE_BYTES] {
    let mut nonce = [0; NONCE_BYTES];
    keyfile::random(&mut nonce);
    nonce
}

/// What a capsule says; `None` while its answer is under no root.
async fn status(
    ledger: &Ledger,
    intake: &Intake,
    taken: Taken,
    as_of: DateTime<Utc>,
    today: NaiveDate,
) -> Result<Option<Status>, TakeInFault> {
    let Taken { commitment, batch, outcome, note, code, salt, place, .. } = taken;
    let said = intake.answers.iter().find(|answered| answered.to > batch);
    let (Some((leaf, path)), Some(said)) = (place, said) else { return Ok(None) };
    let answer = AnswerProof { index: said.index, commitment, outcome, note, salt, leaf, path };
    let matter = match code {
        Some(code) => matter(ledger, code, today).await?,
        None => None,
    };
    Ok(Some(Status { as_of, answer, matter, waiting: None }))
}

async fn matter(ledger: &Ledger, code: String, today: NaiveDate) -> Result<Option<Matter>, TakeInFault> {
    let Some(followed) = follow_up::follow(ledger, &code, today).await? else { return Ok(None) };
    let continues = match (follow_up::begun(ledger, &code).await?, ledger.sealed_reader()) {
        (Some(stream), Some(reader)) => {
            let head = reader.stream_head(&stream).await?;
            head.map(|head| Continued { stream, revision: head.revision, hash: head.hash })
        }
        _ => None,
    };
    Ok(Some(Matter { code: Some(code), continues, shown: json!(followed), is_cut: false }))
}

/// The same without what was said in the steps: they are read where the matter is kept.
fn cut(mut status: Status) -> Status {
    if let Some(matter) = &mut status.matter {
        matter.is_cut = true;
        if let Some(steps) = matter.shown.get_mut("steps").and_then(Value::as_array_mut) {
            let gone = steps.len().saturating_sub(LAST_STEPS);
            steps.drain(..gone);
            for step in steps {
                step["fields"] = json!([]);
            }
        }
    }
    status
}

/// Steps that a status keeps when it has no room for all.
const LAST_STEPS: usize = 8;
