//! A file on its way in: written to the disk and hashed as it comes, gone on with where it broke off.
//!
//! What has come lies in `incoming/` under the name of the upload, which nobody can guess and only who began it
//! was told. A length that was told is on the disk ([`Upload::pause`]): after a crash the file may be shorter than what
//! was sent, never than what was acknowledged. At the end it gets its hash for a name and is kept once, however often it
//! comes. Unfinished ones are few, and gone after a day; they are of this machine, and another node knows nothing of them.
//!
//! Not here: HTTP (`api/uploads`), and what becomes of a file that was handed in (`attachments`).

use std::{
    fs::{self, File, TryLockError},
    io::{self, Write as _},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use gongkai_log::Digest;
use uuid::Uuid;

use crate::{error::StoreError, layout::Layout};

/// Most uploads that are unfinished at a time: with the longest attachments some 1.3 GB.
pub const UPLOADS_MAX: usize = 64;
/// After how long without another byte an unfinished upload is forgotten.
const KEPT: Duration = Duration::from_hours(24);

/// A file that is coming in. Its methods block.
#[derive(Debug)]
pub struct Upload {
    id: Uuid,
    layout: Layout,
    // Locked: one request at a time writes.
    file: File,
    hasher: blake3::Hasher,
    bytes: u64,
    bytes_max: u64,
}

fn path_of(layout: &Layout, id: &Uuid) -> PathBuf {
    layout.incoming().join(id.simple().to_string())
}

impl Upload {
    /// Begins one under a name that nobody can guess.
    pub(crate) fn begin(layout: &Layout, id: Uuid, now: SystemTime, bytes_max: u64) -> Result<Self, StoreError> {
        let folder = layout.incoming();
        let failed = |error| StoreError::file("keeping", &folder, error);
        fs::create_dir_all(&folder).map_err(failed)?;
        if forget_old(&folder, now).map_err(failed)? >= UPLOADS_MAX {
            return Err(StoreError::Uploads);
        }
        let path = path_of(layout, &id);
        let file = File::options().create_new(true).append(true).read(true).open(&path);
        let file = file.map_err(|error| StoreError::file("keeping", &path, error))?;
        Self::locked(file, layout, id, bytes_max)
    }

    /// Goes on with one; `None` when there is none of this name.
    pub(crate) fn resume(layout: &Layout, id: Uuid, bytes_max: u64) -> Result<Option<Self>, StoreError> {
        let path = path_of(layout, &id);
        let file = match File::options().append(true).read(true).open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file.map_err(|error| StoreError::file("reading", &path, error))?,
        };
        let mut upload = Self::locked(file, layout, id, bytes_max)?;
        // What came before is hashed again: it is read from memory mostly, and nothing has to be kept of an upload but its file.
        let read = upload.hasher.update_reader(&upload.file).and_then(|_| upload.file.metadata());
        upload.bytes = read.map_err(|error| StoreError::file("reading", &path, error))?.len();
        Ok(Some(upload))
    }

    fn locked(file: File, layout: &Layout, id: Uuid, bytes_max: u64) -> Result<Self, StoreError> {
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StoreError::Uploads),
            Err(TryLockError::Error(error)) => return Err(StoreError::file("locking", path_of(layout, &id), error)),
        }
        Ok(Self { id, layout: layout.clone(), file, hasher: blake3::Hasher::new(), bytes: 0, bytes_max })
    }

    fn failed(&self, doing: &'static str) -> impl Fn(io::Error) -> StoreError {
        let path = path_of(&self.layout, &self.id);
        move |error| StoreError::file(doing, &path, error)
    }

    /// Its name.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// Bytes that have come.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Takes the bytes that come next.
    ///
    /// # Errors
    /// [`StoreError::AttachmentTooLarge`], of which nothing is taken; [`StoreError::File`].
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        let sum = self.bytes.saturating_add(bytes.len() as u64);
        if sum > self.bytes_max {
            return Err(StoreError::AttachmentTooLarge { bytes: sum, bytes_max: self.bytes_max });
        }
        self.file.write_all(bytes).map_err(self.failed("keeping"))?;
        self.hasher.update(bytes);
        self.bytes = sum;
        Ok(())
    }

    /// Stops for now: what has come is on the disk when its length is told. Gives that length.
    ///
    /// # Errors
    /// [`StoreError::File`].
    pub fn pause(self) -> Result<u64, StoreError> {
        self.file.sync_data().map_err(self.failed("flushing"))?;
        Ok(self.bytes)
    }

    /// Keeps it durably under its hash; a crash before leaves the unfinished upload.
    pub(crate) fn finish(self) -> Result<Digest, StoreError> {
        let failed = self.failed("keeping");
        let hash = Digest::from_bytes(*self.hasher.finalize().as_bytes());
        let (from, to) = (path_of(&self.layout, &self.id), self.layout.attachment(&hash));
        if to.is_file() {
            fs::remove_file(from).map_err(failed)?;
            return Ok(hash);
        }
        let folder = self.layout.attachments();
        let put = self
            .file
            .sync_all()
            .and_then(|()| fs::create_dir_all(&folder))
            .and_then(|()| fs::rename(from, to))
            .and_then(|()| File::open(folder)?.sync_all());
        put.map(|()| hash).map_err(failed)
    }

    /// Gives it up; nothing of it is left.
    ///
    /// # Errors
    /// [`StoreError::File`].
    pub fn give_up(self) -> Result<(), StoreError> {
        fs::remove_file(path_of(&self.layout, &self.id)).map_err(self.failed("removing"))
    }
}

/// Removes what nobody went on with; gives how many are left. Others end theirs meanwhile.
fn forget_old(folder: &Path, now: SystemTime) -> io::Result<usize> {
    let mut left = 0;
    for entry in fs::read_dir(folder)? {
        match is_left(&entry?, now) {
            Ok(is_left) => left += usize::from(is_left),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(left)
}

fn is_left(entry: &fs::DirEntry, now: SystemTime) -> io::Result<bool> {
    let age = now.duration_since(entry.metadata()?.modified()?).unwrap_or_default();
    if age > KEPT {
        fs::remove_file(entry.path())?;
    }
    Ok(age <= KEPT)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u128) -> Uuid {
        Uuid::from_u128(number)
    }

    /// Begins one, so much later than the others.
    fn begin(layout: &Layout, number: u128, later: Duration) -> Result<Upload, StoreError> {
        fs::create_dir_all(layout.root()).unwrap();
        let now = fs::metadata(layout.root()).unwrap().modified().unwrap();
        Upload::begin(layout, id(number), now + later, 10)
    }

    #[test]
    fn an_upload_that_broke_off_goes_on_and_is_kept_once_under_its_hash() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::new(folder.path());
        for number in [1, 2] {
            let mut upload = begin(&layout, number, Duration::ZERO).unwrap();
            upload.write(b"12345").unwrap();
            assert!(
                matches!(Upload::resume(&layout, id(number), 10), Err(StoreError::Uploads)),
                "one writes at a time"
            );
            assert_eq!(upload.pause().unwrap(), 5);
            let mut upload = Upload::resume(&layout, id(number), 10).unwrap().unwrap();
            upload.write(b"67890").unwrap();
            assert!(matches!(upload.write(b"x"), Err(StoreError::AttachmentTooLarge { bytes: 11, bytes_max: 10 })));
            let hash = upload.finish().unwrap();
            assert_eq!(hash, Digest::of(b"1234567890"));
            assert_eq!(fs::read(layout.attachment(&hash)).unwrap(), b"1234567890");
            assert!(Upload::resume(&layout, id(number), 10).unwrap().is_none());
        }
        let upload = begin(&layout, 3, Duration::ZERO).unwrap();
        upload.give_up().unwrap();
        assert_eq!(fs::read_dir(layout.incoming()).unwrap().count(), 0);
    }

    #[test]
    fn uploads_that_end_while_others_begin_hinder_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::new(folder.path());
        fs::create_dir_all(layout.root()).unwrap();
        std::thread::scope(|scope| {
            for client in 0..4_u128 {
                let layout = &layout;
                scope.spawn(move || {
                    for number in 0..500 {
                        let mut upload = begin(layout, client << 64 | number, Duration::ZERO).unwrap();
                        upload.write(&number.to_le_bytes()[..8]).unwrap();
                        upload.give_up().unwrap();
                    }
                });
            }
        });
        assert_eq!(fs::read_dir(layout.incoming()).unwrap().count(), 0);
    }

    #[test]
    fn unfinished_uploads_are_few_and_forgotten_after_a_day() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::new(folder.path());
        for number in 0..UPLOADS_MAX as u128 {
            begin(&layout, number, Duration::ZERO).unwrap().pause().unwrap();
        }
        assert!(matches!(begin(&layout, 1_000, Duration::ZERO), Err(StoreError::Uploads)));
        begin(&layout, 1_000, KEPT + Duration::from_mins(5)).unwrap().pause().unwrap();
        assert_eq!(fs::read_dir(layout.incoming()).unwrap().count(), 1, "the others are gone");
    }
}
