//! One witness, or a mirror, asked over HTTP (c2sp.org/tlog-witness): a request, and what its answer is worth.
//!
//! An answer counts only when it is a cosignature of this witness's key over this checkpoint. Everything else is a
//! [`Denial`] that says what happened; what a witness says of itself is never taken for more than that. Each call ends
//! within the agent's time.

use std::time::Duration;

use gongkai_log::note::NOTE_BYTES_MAX;
use gongkai_log::witness::monitoring_path;
use gongkai_log::{AddCheckpoint, Checkpoint, Fetch, Note, NoteSignature, VerifierKey, cosignature, merkle};

use crate::fetch::{self, Tiles};
use crate::outcome::chain;

/// Most bytes of an answer: some signature lines, a number, or what a mirror has.
const ANSWER_BYTES_MAX: u64 = 128 * 1_024;
/// Requests for one checkpoint: one that teaches what the witness has recorded, one that builds on it, and one more for
/// when somebody else was faster.
const ATTEMPTS_MAX: usize = 3;

/// Why there is no cosignature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Denial {
    /// No connection, or it broke.
    Unreachable(String),
    /// No answer in time.
    Slow,
    /// It does not know this log (404).
    Unknown,
    /// It has cosigned more entries than the log has: the log was put back, or another one runs under its key.
    Ahead {
        /// Entries that it has recorded.
        recorded: u64,
    },
    /// It says that this checkpoint does not continue what it has recorded (422).
    Forked,
    /// It refuses for another reason.
    Refused {
        /// HTTP status.
        status: u16,
    },
    /// Its answer is no answer of a witness: a cosignature that does not verify, another key, nonsense.
    Lying(String),
    /// Our own tiles could not be read.
    Ours(String),
}

/// How one witness is asked.
#[derive(Debug)]
pub struct Asking<F> {
    agent: ureq::Agent,
    url: String,
    key: VerifierKey,
    tiles: F,
    // Entries that it has recorded, as far as we know; a wrong guess costs one request.
    recorded: u64,
}

impl<F: Fetch> Asking<F> {
    /// Who has this key at this address; `tiles` are the log's own.
    pub fn new(key: &VerifierKey, url: &str, tiles: F, time_max: Duration) -> Self {
        let url = url.trim_end_matches('/').to_owned();
        Self { agent: fetch::agent_staying(time_max), url, key: key.clone(), tiles, recorded: 0 }
    }

    /// Asks for a cosignature.
    ///
    /// # Errors
    /// [`Denial`].
    pub fn cosignature(&mut self, checkpoint: &Checkpoint, note: &Note) -> Result<NoteSignature, Denial> {
        let answer = self.offer(checkpoint, note)?;
        self.read(&note.text, &answer)
    }

    /// Has a checkpoint recorded, and gives the body of the answer: cosignatures of a witness; a mirror's may be empty.
    ///
    /// # Errors
    /// [`Denial`].
    pub fn offer(&mut self, checkpoint: &Checkpoint, note: &Note) -> Result<String, Denial> {
        for _ in 0..ATTEMPTS_MAX {
            if self.recorded > checkpoint.size {
                return Err(Denial::Ahead { recorded: self.recorded });
            }
            let (status, body) = self.post(checkpoint, note)?;
            match status {
                200 => {
                    self.recorded = checkpoint.size;
                    return Ok(body);
                }
                409 => match body.strip_suffix('\n').and_then(|text| text.parse().ok()) {
                    Some(recorded) if recorded != self.recorded => self.recorded = recorded,
                    _ => return Err(Denial::Lying("它说的大小不是另一个大小".to_owned())),
                },
                404 => return Err(Denial::Unknown),
                422 => return Err(Denial::Forked),
                status => return Err(Denial::Refused { status }),
            }
        }
        Err(Denial::Refused { status: 409 })
    }

    fn post(&self, checkpoint: &Checkpoint, note: &Note) -> Result<(u16, String), Denial> {
        let proof = match self.recorded {
            0 => Vec::new(),
            old => merkle::prove_consistency(old, checkpoint.size, &Tiles(&self.tiles))
                .map_err(|error| Denial::Ours(chain(&error)))?,
        };
        let request = AddCheckpoint { old: self.recorded, proof, checkpoint: note.clone() };
        let sent = self.agent.post(format!("{}/add-checkpoint", self.url)).send(request.to_string());
        answered(sent)
    }

    /// Sends packed bytes to another endpoint below the address.
    ///
    /// # Errors
    /// [`Denial`] when there is no answer, or none of text.
    pub fn send(&self, endpoint: &str, packed: &[u8]) -> Result<(u16, String), Denial> {
        let request = self.agent.post(format!("{}/{endpoint}", self.url));
        let request = request.header("Content-Type", "application/octet-stream").header("Content-Encoding", "gzip");
        answered(request.send(packed))
    }

    /// Where the log's own tiles come from.
    pub fn tiles(&self) -> &F {
        &self.tiles
    }

    /// The cosignature in an answer; lines of other keys are passed over.
    ///
    /// # Errors
    /// [`Denial::Lying`].
    pub fn read(&self, text: &str, body: &str) -> Result<NoteSignature, Denial> {
        let mut lines = body.lines().filter_map(NoteSignature::parse).filter(|line| line.is_by(&self.key));
        let line = lines.next().ok_or_else(|| Denial::Lying("应答里没有它的联署".to_owned()))?;
        match cosignature::verify(text, &line, &self.key) {
            Ok(_) => Ok(line),
            Err(error) => Err(Denial::Lying(chain(&error))),
        }
    }

    /// The checkpoint of a log that it has recorded, with its cosignature; `None` when it has none.
    ///
    /// # Errors
    /// [`Denial`].
    pub fn recorded(&self, origin: &str) -> Result<Option<Note>, Denial> {
        let got = self.agent.get(format!("{}/{}", self.url, monitoring_path(origin))).call();
        let mut answer = got.map_err(|error| unheard(&error))?;
        match answer.status().as_u16() {
            200 => {}
            404 => return Ok(None),
            status => return Err(Denial::Refused { status }),
        }
        let bytes = fetch::body(&mut answer, NOTE_BYTES_MAX as u64).map_err(|error| unheard(&error))?;
        let note = String::from_utf8(bytes).ok().and_then(|text| Note::parse(&text).ok());
        let note = note.ok_or_else(|| Denial::Lying("它给出的不是检查点".to_owned()))?;
        match note.open(std::slice::from_ref(&self.key)) {
            Ok(_) => Ok(Some(note)),
            Err(error) => Err(Denial::Lying(chain(&error))),
        }
    }
}

/// Status and text of an answer.
fn answered(sent: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Result<(u16, String), Denial> {
    let mut answer = sent.map_err(|error| unheard(&error))?;
    let status = answer.status().as_u16();
    let body = fetch::body(&mut answer, ANSWER_BYTES_MAX).map_err(|error| unheard(&error))?;
    String::from_utf8(body).map(|body| (status, body)).map_err(|_| Denial::Lying("应答不是文字".to_owned()))
}

fn unheard(error: &ureq::Error) -> Denial {
    match error {
        ureq::Error::Timeout(_) => Denial::Slow,
        error => Denial::Unreachable(chain(error)),
    }
}
