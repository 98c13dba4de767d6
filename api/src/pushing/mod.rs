//! Pushing: hands the log to a mirror that takes entries in (c2sp.org/tlog-mirror), until it has cosigned them.
//!
//! The mirror is given a checkpoint as a witness is, then the entries, in requests of a bounded size, each package with
//! the proof that it belongs to the checkpoint. What a mirror says of itself decides only where to go on; what counts in
//! the end is its cosignature over the checkpoint, which it gives when it has everything on its disk. An upload that breaks
//! off goes on where the mirror says, also after a restart here: nothing of it is kept on our disk.
//!
//! [`keeping`] does it for a ledger that runs, `cli/push` once. Not here: the bytes (`gongkai_log::upload`), mirrors that
//! fetch by themselves (`crate::mirrors` looks at them), being such a mirror.

pub mod keeping;

use std::io::Write as _;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use gongkai_log::tile::{TILE_WIDTH, decode_bundle, level_tiles};
use gongkai_log::upload::{MirrorState, PACKAGES_MAX, Package, Upload};
use gongkai_log::{Checkpoint, Fetch, Note, NoteSignature, TilePath, VerifierKey};

use crate::cosigning::asking::{Asking, Denial};
use crate::fetch::Tiles;
use crate::outcome::chain;

/// How long a mirror may take for one request: it writes what it got to its disk.
pub const ANSWER_TIME_MAX: Duration = Duration::from_mins(1);
/// A request is closed when it has this many bytes before they are packed, or [`PACKAGES_MAX`] packages.
const REQUEST_BYTES: usize = 8 << 20;
/// Requests of one call that bring a mirror nothing, because it tells where to go on instead.
const ASIDE_MAX: u32 = 16;

/// A mirror that is handed the log; remembers where to go on.
#[derive(Debug)]
pub struct Pushing<F> {
    asking: Asking<F>,
    // Nothing is known before the first answer.
    state: Option<MirrorState>,
}

/// What to do after an answer.
enum Next {
    /// The upload is complete; the body has the cosignature.
    Done(String),
    /// Something was taken, or an older checkpoint is complete.
    On,
    /// Nothing was taken: the mirror says where to go on, and up to which size.
    Aside(u64),
}

impl<F: Fetch> Pushing<F> {
    /// A mirror with this key at this address; `log` is what it is handed.
    pub fn new(key: &VerifierKey, url: &str, log: F) -> Self {
        Self { asking: Asking::new(key, url, log, ANSWER_TIME_MAX), state: None }
    }

    /// Hands over everything up to a checkpoint; gives the mirror's cosignature of it. `go_on` hears how many entries
    /// the mirror has, and ends the upload with `false`; it goes on there with the next call.
    ///
    /// # Errors
    /// [`Denial`].
    pub fn push(
        &mut self,
        checkpoint: &Checkpoint,
        note: &Note,
        mut go_on: impl FnMut(u64) -> bool,
    ) -> Result<Option<NoteSignature>, Denial> {
        self.asking.offer(checkpoint, note)?;
        let (mut end, mut aside) = (checkpoint.size, 0);
        while aside < ASIDE_MAX {
            match self.upload(&checkpoint.origin, end)? {
                Next::Done(body) if end == checkpoint.size => {
                    return self.asking.read(&note.text, &body).map(Some);
                }
                Next::Done(_) => end = checkpoint.size,
                Next::On => {}
                Next::Aside(pending) if pending > checkpoint.size => {
                    return Err(Denial::Ahead { recorded: pending });
                }
                Next::Aside(pending) => (end, aside) = (pending, aside + 1),
            }
            let has = self.state.as_ref().map_or(0, |state| state.next);
            if !go_on(has.min(checkpoint.size)) {
                return Ok(None);
            }
        }
        Err(Denial::Refused { status: 409 })
    }

    /// Entries that the mirror has, without handing it any.
    ///
    /// # Errors
    /// [`Denial`].
    pub fn has(&mut self, origin: &str) -> Result<u64, Denial> {
        self.state = None;
        self.upload(origin, 0)?;
        Ok(self.state.as_ref().map_or(0, |state| state.next))
    }

    /// One request.
    fn upload(&mut self, origin: &str, end: u64) -> Result<Next, Denial> {
        // A mirror that we know nothing of is asked for nothing, and tells what it has.
        let (start, to, ticket) = match &self.state {
            None => (0, 0, &[][..]),
            Some(state) => (state.next.min(end), end, &state.ticket[..]),
        };
        let body = self.body(origin, Upload::new(start, to).expect("it starts at its end at most"), ticket)?;
        let (status, body) = self.asking.send("add-entries", &body)?;
        match status {
            200 => {
                self.state = Some(MirrorState { pending: to, next: to, ticket: Vec::new() });
                Ok(Next::Done(body))
            }
            202 | 409 => {
                let lying = |what: &str| Denial::Lying(what.to_owned());
                let state = MirrorState::parse(&body).ok_or_else(|| lying("它没有说清已有多少条"))?;
                let (pending, is_further) = (state.pending, state.next > start);
                self.state = Some(state);
                match (status, is_further) {
                    (202, true) => Ok(Next::On),
                    (202, false) => Err(lying("它说收下了，却没有更多的条目")),
                    _ => Ok(Next::Aside(pending)),
                }
            }
            404 => Err(Denial::Unknown),
            422 => Err(Denial::Forked),
            status => Err(Denial::Refused { status }),
        }
    }

    /// The body of a request: as many packages of an upload as fit, packed.
    fn body(&self, origin: &str, upload: Upload, ticket: &[u8]) -> Result<Vec<u8>, Denial> {
        let ours = |error: &dyn std::error::Error| Denial::Ours(chain(error));
        let header = upload.header(origin, ticket).ok_or_else(|| Denial::Lying("它给的凭据太长".to_owned()))?;
        let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
        let mut bytes = header.len();
        packed.write_all(&header).map_err(|error| ours(&error))?;
        for package in upload.packages().take(PACKAGES_MAX) {
            let part = self.package(package, upload.end())?;
            packed.write_all(&part).map_err(|error| ours(&error))?;
            bytes += part.len();
            if bytes >= REQUEST_BYTES {
                break;
            }
        }
        packed.finish().map_err(|error| ours(&error))
    }

    /// Bytes of a package in the tree of `size` entries.
    fn package(&self, package: Package, size: u64) -> Result<Vec<u8>, Denial> {
        let ours = |error: &dyn std::error::Error| Denial::Ours(chain(error));
        let log = self.asking.tiles();
        let number = package.start / TILE_WIDTH;
        let path = TilePath::entries(number, level_tiles(size, 0).width(number)).map_err(|error| ours(&error))?;
        let bundle = log.tile(&path).map_err(|error| ours(&error))?;
        let entries = decode_bundle(&bundle).map_err(|error| ours(&error))?;
        let place = |index: u64| usize::try_from(index - number * TILE_WIDTH).unwrap_or(usize::MAX);
        let part = entries.get(place(package.start)..place(package.end));
        let part = part.ok_or_else(|| Denial::Ours(format!("{path} 不完整")))?;
        let proof = package.subtree().prove(size, &Tiles(log)).map_err(|error| ours(&error))?;
        package.encode(part, &proof).map_err(|error| ours(&error))
    }
}
