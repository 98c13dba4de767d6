//! Where somebody else's published log is read from: the word that names it, and one look of a mirror at it.
//!
//! Shared by `mirror`, which follows it, and `recover`, which takes back what a ledger has lost; each has its own sentences
//! for what is refused. To read from another kind of place, add it to [`Place`].

use std::path::PathBuf;

use gongkai_domain::kind::recovery::RecoverySource;
use gongkai_log::Finding;
use gongkai_store::bucket::{Bucket, BucketSource};
use gongkai_store::mirror::source::DirectorySource;
use gongkai_store::mirror::{Followed, Refused, Source};
use gongkai_store::{Mirror, MirrorFault, StoreError};
use tokio::runtime::Handle;

use super::terminal::Progress;
use crate::fetch::{HttpFetch, TarFetch};
use crate::outcome::{Fault, chain};

/// A published log.
#[derive(Debug, Clone)]
pub enum Place {
    /// A site, or wherever its `log/` is served.
    Url(String),
    /// A ledger's directory, or the `log/` of one.
    Directory(PathBuf),
    /// What `export` wrote.
    Archive(PathBuf),
    /// The bucket of the ledger itself.
    Bucket(Bucket),
}

/// Why a look did not end well.
#[derive(Debug)]
pub enum LookFault {
    /// What is shown is not accepted.
    Refused(Refused),
    /// It could not be read.
    Unreadable {
        /// Which file.
        path: String,
        /// Why.
        cause: String,
    },
    /// The mirror's own files are not what was verified.
    Damaged(Finding),
    /// The mirror's own disk.
    Own(StoreError),
    /// It is no archive.
    Wrong(Fault),
}

impl Place {
    /// Reads an option.
    ///
    /// # Errors
    /// Neither an address nor anything on this machine.
    pub fn of(text: &str) -> Result<Self, Fault> {
        if text.starts_with("http://") || text.starts_with("https://") {
            return Ok(Self::Url(text.to_owned()));
        }
        let path = PathBuf::from(text);
        match std::fs::metadata(&path) {
            Ok(found) if found.is_dir() => Ok(Self::Directory(path)),
            Ok(_) => Ok(Self::Archive(path)),
            Err(error) => Err(Fault::usage(format!("--source {text}"), error.to_string())
                .mend("请给出网址（https:// 开头）、目录或归档文件")),
        }
    }

    /// What is put on record of it.
    pub fn kind(&self) -> RecoverySource {
        match self {
            Self::Url(_) => RecoverySource::Site,
            Self::Directory(_) => RecoverySource::Directory,
            Self::Archive(_) => RecoverySource::Archive,
            Self::Bucket(_) => RecoverySource::Bucket,
        }
    }

    /// Looks once. What was refused is looked at once more, because a ledger may have published meanwhile. Blocks.
    ///
    /// # Errors
    /// [`LookFault`]; the mirror is as it was.
    pub fn look(&self, mirror: &mut Mirror) -> Result<Followed, LookFault> {
        match self {
            Self::Url(url) => follow(mirror, &HttpFetch::new(url)),
            Self::Directory(dir) => follow(mirror, &DirectorySource::new(dir)),
            Self::Archive(file) => {
                let place = file.display().to_string();
                let opened = TarFetch::open(file).map_err(|error| Fault::usage(place, chain(&error)));
                follow(mirror, &opened.map_err(LookFault::Wrong)?)
            }
            Self::Bucket(bucket) => follow(mirror, &BucketSource::new(bucket.clone(), Handle::current())),
        }
    }
}

fn follow<S: Source>(mirror: &mut Mirror, source: &S) -> Result<Followed, LookFault> {
    let progress = Progress::new("同步核验");
    let tell = |done, all| progress.tell(done, all);
    let ended = match mirror.follow(source, Some(&tell)) {
        Err(MirrorFault::Refused(Refused::Finding(_) | Refused::Incomplete(_))) => mirror.follow(source, Some(&tell)),
        ended => ended,
    };
    ended.map_err(|fault| match fault {
        MirrorFault::Refused(refused) => LookFault::Refused(refused),
        MirrorFault::Unreadable { path, source } => LookFault::Unreadable { path, cause: chain(&source) },
        MirrorFault::Damaged(finding) => LookFault::Damaged(finding),
        MirrorFault::Own(error) => LookFault::Own(error),
    })
}
