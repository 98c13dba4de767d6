//! The author's file of a draft: the exact statement that is under review, with everything that opens it.
//!
//! What is approved is the hash of these bytes, so they are kept from the first step to the last: whoever loses the
//! file drafts and submits anew. It holds salts and sealed values, also those that the reviewers do not see, and
//! is therefore made with mode 0600, like a key. Not here: what the reviewers read (`gongkai_domain::draft`).

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use gongkai_domain::Prepared;
use gongkai_domain::submission::{Filled, Line};
use gongkai_log::{Digest, Statement, StreamId};
use serde::{Deserialize, Serialize};

use crate::keyfile::{check_mode, private_file};
use crate::outcome::Fault;

/// Value of the field `form`.
pub const DRAFT_FORM: &str = "gongkai.draft/v1";
/// Most bytes of a file: the largest draft that a review takes, with its salts in JSON.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// A prepared statement on its way through its review.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DraftFile {
    form: String,
    /// The review that the statement names.
    pub review: StreamId,
    /// The review that was returned before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<StreamId>,
    /// BLAKE3 of the command's file.
    pub command: Digest,
    /// Whether the command named the author's time; without, it is that of the publication.
    pub is_dated: bool,
    statement: String,
    openings: Vec<Filled>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    lines: Vec<Line>,
}

impl std::fmt::Debug for DraftFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DraftFile({}, hidden)", self.review)
    }
}

impl DraftFile {
    /// The file of a statement.
    pub fn new(
        prepared: Prepared,
        review: StreamId,
        previous: Option<StreamId>,
        command: Digest,
        is_dated: bool,
    ) -> Self {
        let Prepared { text, openings, lines, .. } = prepared;
        Self { form: DRAFT_FORM.to_owned(), review, previous, command, is_dated, statement: text, openings, lines }
    }

    /// The statement as it was prepared.
    ///
    /// # Errors
    /// The file was changed by hand.
    pub fn prepared(&self, path: &Path) -> Result<Prepared, Fault> {
        let statement =
            Statement::parse(&self.statement).map_err(|error| unusable(path, &format!("声明原文读不懂（{error}）")))?;
        Ok(Prepared {
            statement,
            text: self.statement.clone(),
            openings: self.openings.clone(),
            lines: self.lines.clone(),
        })
    }

    /// Names the file in an outbox: the same for the same draft.
    pub fn digest(&self) -> Digest {
        Digest::of(format!("{}\n{}", self.review, self.statement).as_bytes())
    }

    /// Reads a file; `None` where there is none.
    ///
    /// # Errors
    /// Others may read it, or it is something else.
    pub fn read(path: &Path) -> Result<Option<Self>, Fault> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Fault::failed(path.display().to_string(), &error)),
        };
        check_mode(path, &file).map_err(|_| {
            let place = path.display().to_string();
            Fault::usage(place, "送审稿文件别人也能读").mend(format!("请运行 chmod 600 {}", path.display()))
        })?;
        let mut text = String::new();
        let read = file.take(FILE_BYTES_MAX).read_to_string(&mut text);
        read.map_err(|error| Fault::failed(path.display().to_string(), &error))?;
        let draft: Self =
            serde_json::from_str(&text).map_err(|error| unusable(path, &format!("不是送审稿文件（{error}）")))?;
        if draft.form == DRAFT_FORM { Ok(Some(draft)) } else { Err(unusable(path, "不是送审稿文件")) }
    }

    /// Reads a file that must be there.
    ///
    /// # Errors
    /// As [`DraftFile::read`], or there is none.
    pub fn require(path: &Path) -> Result<Self, Fault> {
        Self::read(path)?.ok_or_else(|| {
            Fault::usage(path.display().to_string(), "没有这个送审稿文件").mend("请给出 gongkai draft --out 写下的文件")
        })
    }

    /// Writes a new file, readable by its owner only, and waits until it is on the disk.
    ///
    /// # Errors
    /// There is a file already, or the disk fails.
    pub fn write(&self, path: &Path) -> Result<(), Fault> {
        let failed = |error: &io::Error| match error.kind() {
            io::ErrorKind::AlreadyExists => exists(path),
            _ => Fault::failed(path.display().to_string(), error),
        };
        let text = serde_json::to_string(self).map_err(|error| Fault::failed("送审稿", &error))?;
        let mut file = private_file().open(path).map_err(|error| failed(&error))?;
        let parent =
            path.parent().filter(|parent| !parent.as_os_str().is_empty()).map_or(PathBuf::from("."), Path::to_owned);
        let written =
            file.write_all(text.as_bytes()).and_then(|()| file.write_all(b"\n")).and_then(|()| file.sync_all());
        written.and_then(|()| File::open(parent)?.sync_all()).map_err(|error| failed(&error))
    }
}

/// A draft is never overwritten: what is approved may be in it.
pub fn exists(path: &Path) -> Fault {
    Fault::usage(path.display().to_string(), "已经存在，里面是另一份稿件，不会覆盖").mend("请用 --out 换一个文件名")
}

fn unusable(path: &Path, reason: &str) -> Fault {
    Fault::usage(path.display().to_string(), reason).mend("请用 gongkai draft 重新送审；送审稿文件不能手工改动")
}
