//! The ledger's side of signing from outside: a signature that came in is taken as one that was given at the desk, and what
//! waits goes out to whoever asked last with the key.
//!
//! Who has to sign a statement says itself; a signature proves itself. What came of each stands in the answer, which the
//! ledger puts on record like any other. What is shown outside is what the public will see.
//!
//! Not here: drafts and how they take a signature (`http::internal::working`), the forms of what crosses
//! (`gongkai_domain::gap`).

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use gongkai_domain::confidentiality::Reader;
use gongkai_domain::gap::{Asking, GapError, Given, Request, Waiting};
use gongkai_domain::{Refusal, draft};
use gongkai_log::VerifierKey;
use gongkai_store::{Accepted, Asked, Draft, Drafts, Ledger, Taken};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::take_in::TakeInFault;
use crate::http::internal::working::{self, Half, Unsigned, Working};
use crate::outcome::chain;

/// What came of a signature.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Came {
    /// The draft.
    pub draft: Uuid,
    /// What came of it.
    #[serde(flatten)]
    pub to: CameTo,
}

/// See [`Came`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum CameTo {
    /// It is kept; others have yet to sign.
    Kept,
    /// It was the last one, and the statement is in the ledger.
    Recorded {
        /// The receipt, or the promise of what is sealed.
        accepted: Accepted,
    },
    /// There is no such draft for this key any more: recorded, taken back, or expired.
    Gone,
    /// It is no signature that was waited for, or the ledger does not take the statement.
    Refused {
        /// Code of the refusal.
        code: String,
        /// The sentence for people.
        reason: String,
    },
}

/// Reads who asks; a note that is no asking of a live key is refused as a whole.
fn asking(ledger: &Ledger, intake: &str, note: &str) -> Result<(Reader, Asking), Refusal> {
    let malformed = |error: GapError| Refusal::Malformed { place: "asking".into(), reason: chain(&error) };
    let name = Asking::key_of(note).ok_or_else(|| malformed(GapError::Form("asking for signatures")))?;
    let known = |name: &str| -> Option<(Reader, VerifierKey)> {
        ledger.with_world(|world| Some((Reader::of_key(name, world)?, world.key(name)?.verifier.clone())))
    };
    let (reader, key) = known(&name).ok_or(Refusal::UnknownKey(name))?;
    match Asking::open(note, (ledger.origin(), intake), &key) {
        Ok(asking) => Ok((reader, asking)),
        Err(GapError::Signature) => Err(Refusal::Signature("不是这把钥匙签的".into())),
        Err(error) => Err(malformed(error)),
    }
}

/// Takes what somebody signed outside; gives who asked, and what the ledger says of it. Taking it again changes nothing.
///
/// # Errors
/// [`TakeInFault`] where it has to be tried again.
pub async fn answer(
    ledger: &Ledger,
    intake: &str,
    note: &str,
) -> Result<Result<(Asked, String), Refusal>, TakeInFault> {
    let (reader, Asking { asked_at, given }) = match asking(ledger, intake, note) {
        Ok(asking) => asking,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let drafts = ledger.drafts().ok_or(TakeInFault::NoVault)?;
    let mut came = Vec::with_capacity(given.len());
    for Given { draft, signature } in given {
        let to = signed(ledger, &drafts, &reader, (draft, &signature)).await?;
        came.push(Came { draft, to });
    }
    let said = serde_json::to_string(&came).map_err(|_| GapError::Form("answer"))?;
    Ok(Ok((Asked { key: reader.key().to_owned(), at: asked_at }, said)))
}

async fn signed(
    ledger: &Ledger,
    drafts: &Drafts,
    reader: &Reader,
    (draft, signature): (Uuid, &str),
) -> Result<CameTo, TakeInFault> {
    // The line is under the key that asks, whatever it says.
    let line = format!("— {} {signature}", reader.key());
    match working::sign((ledger, drafts), draft, reader.person(), Some(&line)).await {
        Ok(signed) => Ok(signed.accepted.map_or(CameTo::Kept, |accepted| CameTo::Recorded { accepted })),
        Err(Unsigned::Gone) => Ok(CameTo::Gone),
        Err(Unsigned::Refused(refusal)) => {
            Ok(CameTo::Refused { code: refusal.code().to_owned(), reason: refusal.to_string() })
        }
        Err(Unsigned::Ledger(error)) => Err(error.into()),
        Err(error) => Err(TakeInFault::Drafts(chain(&error))),
    }
}

/// The packets with which each key asked last, by their place among `taken`.
pub fn last_askings(taken: &[Taken]) -> BTreeMap<usize, String> {
    let mut last: BTreeMap<&str, (DateTime<Utc>, usize)> = BTreeMap::new();
    for (place, taken) in taken.iter().enumerate() {
        let Some(asked) = &taken.asked else { continue };
        let newest = last.entry(&asked.key).or_insert((asked.at, place));
        if asked.at >= newest.0 {
            *newest = (asked.at, place);
        }
    }
    last.into_iter().map(|(key, (_, place))| (place, key.to_owned())).collect()
}

/// What waits for the signature of a key now, in pieces; a key that is not live any more is shown nothing.
///
/// # Errors
/// [`TakeInFault`].
pub async fn waiting(ledger: &Ledger, key: &str) -> Result<Option<(Waiting, Vec<Vec<u8>>)>, TakeInFault> {
    let Some(reader) = ledger.with_world(|world| Reader::of_key(key, world)) else { return Ok(None) };
    let drafts = ledger.drafts().ok_or(TakeInFault::NoVault)?;
    let listed = drafts.list(reader.person(), ledger.clock().now()).await;
    let listed = listed.map_err(|error| TakeInFault::Drafts(chain(&error)))?;
    let requests = listed.iter().filter_map(|draft| request(draft, key)).collect();
    Ok(Some(Waiting::pack(requests)))
}

/// A draft as a request to a key; `None` when it does not wait for that key.
fn request(draft: &Draft, key: &str) -> Option<Request> {
    let working = Working::of(draft).ok()?;
    let half = working.signing()?;
    let statement = half.parsed().ok()?;
    let left: Vec<String> =
        statement.signers.iter().map(|signer| signer.key.clone()).filter(|key| !half.has(key)).collect();
    if !left.iter().any(|name| name == key) {
        return None;
    }
    let Half { statement, openings, lines, .. } = half.for_anybody().ok()?;
    let content = draft::Draft { statement, openings, lines };
    Some(Request { draft: draft.id, label: working.label.clone(), content, left })
}
