//! Reading a published log entry by entry, over anything that can be fetched: for the audit's look back,
//! for proofs and for exports.

use std::sync::Mutex;

use gongkai_domain::audit::Evidence;
use gongkai_log::tile::{self, TILE_WIDTH, decode_bundle, level_tiles, lines_path, openings_path};
use gongkai_log::{Checkpoint, Digest, Entry, Fetch, List, Note, Openings, TilePath};

use crate::outcome::{Fault, chain};

/// An entry with what is open of it.
#[derive(Debug)]
pub struct Published {
    /// The entry.
    pub entry: Entry,
    /// Its openings, if it has a line.
    pub openings: Option<Openings>,
    /// Its list, if it has one and it is published.
    pub list: Option<List>,
}

/// A log up to a checkpoint.
#[derive(Debug)]
pub struct Reading<'f, F> {
    fetch: &'f F,
    /// What the log says about itself; whether it is signed is not checked here.
    pub checkpoint: Checkpoint,
    /// The note, with all signatures.
    pub note: Note,
    bundle: Mutex<Option<(u64, Vec<Vec<u8>>)>>,
}

fn damaged(path: &str, reason: &dyn std::error::Error) -> Fault {
    Fault::ours(path, chain(reason)).mend("运行 gongkai verify 可以指出是哪一条")
}

impl<'f, F: Fetch> Reading<'f, F> {
    /// Begins with the current checkpoint.
    ///
    /// # Errors
    /// There is none, or it is malformed.
    pub fn new(fetch: &'f F) -> Result<Self, Fault> {
        let absent = |error| Fault::failed("checkpoint", &error).mend("请检查给的目录或网址是不是账本");
        let bytes = fetch.checkpoint().map_err(absent)?;
        let note = Note::parse(&String::from_utf8_lossy(&bytes)).map_err(|error| damaged("checkpoint", &error))?;
        let checkpoint = Checkpoint::parse(&note.text).map_err(|error| damaged("checkpoint", &error))?;
        Ok(Self { fetch, checkpoint, note, bundle: Mutex::new(None) })
    }

    fn path(&self, number: u64) -> Result<TilePath, Fault> {
        let width = level_tiles(self.checkpoint.size, 0).width(number);
        TilePath::entries(number, width).map_err(|error| damaged("tile", &error))
    }

    /// Exact bytes of the entries of one bundle.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn bundle(&self, number: u64) -> Result<Vec<Vec<u8>>, Fault> {
        let path = self.path(number)?;
        let bytes = self.fetch.tile(&path).map_err(|error| Fault::failed(path.to_string(), &error))?;
        let entries = decode_bundle(&bytes).map_err(|error| damaged(&path.to_string(), &error))?;
        Ok(entries.into_iter().map(<[u8]>::to_vec).collect())
    }

    /// Exact bytes of one entry; `None` beyond the end.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn bytes(&self, index: u64) -> Result<Option<Vec<u8>>, Fault> {
        if index >= self.checkpoint.size {
            return Ok(None);
        }
        let (number, place) = (index / TILE_WIDTH, usize::try_from(index % TILE_WIDTH).unwrap_or(usize::MAX));
        let mut kept = self.bundle.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some((known, entries)) = kept.as_ref()
            && *known == number
        {
            return Ok(entries.get(place).cloned());
        }
        let entries = self.bundle(number)?;
        let bytes = entries.get(place).cloned();
        *kept = Some((number, entries));
        Ok(bytes)
    }

    /// The openings lines of one bundle.
    ///
    /// # Errors
    /// The file cannot be read or is malformed.
    pub fn openings(&self, number: u64) -> Result<Vec<Openings>, Fault> {
        let path = openings_path(number);
        let bytes = self.fetch.extra(&path).map_err(|error| Fault::failed(path.clone(), &error))?;
        let text = String::from_utf8(bytes.unwrap_or_default()).map_err(|error| damaged(&path, &error))?;
        text.lines().map(|line| Openings::parse_line(line).map_err(|error| damaged(&path, &error))).collect()
    }

    /// The lines under a root; `None` when they are not published.
    ///
    /// # Errors
    /// The file cannot be read or is malformed.
    pub fn list(&self, root: &Digest) -> Result<Option<List>, Fault> {
        let path = lines_path(root);
        let Some(bytes) = self.fetch.extra(&path).map_err(|error| Fault::failed(path.clone(), &error))? else {
            return Ok(None);
        };
        let text = String::from_utf8(bytes).map_err(|error| damaged(&path, &error))?;
        List::parse(&text).map(Some).map_err(|error| damaged(&path, &error))
    }

    /// Calls `take` with every entry in order.
    ///
    /// # Errors
    /// Something cannot be read, or `take` fails.
    pub fn each(&self, mut take: impl FnMut(Published) -> Result<(), Fault>) -> Result<(), Fault> {
        for number in 0..self.checkpoint.size.div_ceil(TILE_WIDTH) {
            let mut openings = self.openings(number)?;
            for bytes in self.bundle(number)? {
                let entry = Entry::parse(bytes).map_err(|error| {
                    damaged(&self.path(number).map_or_else(|_| String::new(), |p| p.to_string()), &error)
                })?;
                let at = openings.iter().position(|line| line.index == entry.index);
                let list = match root_of(&entry) {
                    Some(root) => self.list(&root)?,
                    None => None,
                };
                take(Published { openings: at.map(|at| openings.swap_remove(at)), list, entry })?;
            }
        }
        Ok(())
    }
}

/// Root of the entry's list, if it has one.
pub fn root_of(entry: &Entry) -> Option<Digest> {
    entry.content.statement()?.statement.lines_root()
}

/// Numbers of the bundles of a log.
pub fn bundles(size: u64) -> impl Iterator<Item = u64> {
    0..size.div_ceil(tile::TILE_WIDTH)
}

/// Looking back while the log is read: a fault of reading shows in the check itself, so it is `None` here.
impl<F: Fetch> Evidence for &Reading<'_, F> {
    fn list(&self, root: &Digest) -> Option<List> {
        Reading::list(self, root).ok().flatten()
    }

    fn entry(&self, index: u64) -> Option<Entry> {
        Entry::parse(self.bytes(index).ok().flatten()?).ok()
    }
}
