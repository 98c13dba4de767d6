//! What somebody without a key has handed in and was not answered: one file beside the receipt, until it is.
//!
//! It is written and fsynced before anything leaves, and removed once the receipt is written or the answer was a lawful
//! no. If we stop in between, or the answer is lost, a re-run sends the same bytes under the same idempotency key, and
//! the ledger answers with the same promise: never two. What was encrypted to a body is in it as it was encrypted; its
//! plain values only where a content file was asked for, and then under that file's PIN.
//!
//! Not here: sending (`citizen`), the receipts (`cli::hand_in`).

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use gongkai_domain::submission::Filled;
use gongkai_domain::{Command, Submission};
use gongkai_log::Digest;
use serde::{Deserialize, Serialize};

use crate::citizen::Written;
use crate::keyfile::{self, KeyFileError};
use crate::opening_file;
use crate::outcome::Fault;

/// First line of what is under a PIN.
const FORM: &str = "gongkai.pending/v1";
/// Most bytes of the file: a submission with its envelope, and 16 slots of the longest texts in base64.
const BYTES_MAX: u64 = 4 << 20;

/// What waits for its answer.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pending {
    /// Origin of the ledger.
    pub origin: String,
    /// Under which it was sent.
    pub idempotency_key: String,
    /// Random, so that the next hash tells nothing to whoever does not have this file.
    salt: Digest,
    /// Hash of the salt and the command.
    command: Digest,
    /// The body to which it is encrypted, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encrypted_to: Option<String>,
    /// What was sent.
    pub submission: Submission,
    /// All slots, open, under the PIN of the content file, where the submission itself does not show them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    locked: Option<String>,
}

/// Where something is kept until it is answered: beside its receipt, or else beside its command file.
pub fn path_beside(file: &Path) -> PathBuf {
    let mut name = OsString::from(file);
    name.push(".pending");
    PathBuf::from(name)
}

/// Salted, so that it tells nothing to whoever does not have the file.
///
/// # Errors
/// The command has no text.
pub fn digest(salt: &Digest, command: &Command) -> Result<Digest, Fault> {
    let text = serde_json::to_string(command).map_err(|error| Fault::failed("命令", &error))?;
    Ok(Digest::of(format!("{salt}\n{text}").as_bytes()))
}

impl Pending {
    /// What is about to be sent.
    ///
    /// # Errors
    /// A PIN that is too short.
    pub fn of(
        origin: &str,
        command: &Command,
        written: &Written,
        path: &Path,
        pin: Option<&str>,
    ) -> Result<Self, Fault> {
        let mut random = [0; 32];
        keyfile::random(&mut random);
        let salt = Digest::from_bytes(random);
        let locked = match pin {
            Some(pin) if written.encrypted_to.is_some() => {
                Some(opening_file::protect(path, FORM, &written.openings, pin)?)
            }
            _ => None,
        };
        Ok(Self {
            origin: origin.to_owned(),
            idempotency_key: written.idempotency_key.clone(),
            command: digest(&salt, command)?,
            salt,
            encrypted_to: written.encrypted_to.clone(),
            submission: written.submission().clone(),
            locked,
        })
    }

    /// What an earlier run left; `None` when there is nothing.
    ///
    /// # Errors
    /// A file that is none of these, the disk.
    pub fn read(path: &Path) -> Result<Option<Self>, Fault> {
        use std::io::Read as _;
        let place = path.display().to_string();
        let file = match std::fs::File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Fault::failed(place, &error)),
        };
        let mut text = String::new();
        file.take(BYTES_MAX).read_to_string(&mut text).map_err(|error| Fault::failed(&place, &error))?;
        let pending = serde_json::from_str(&text).map_err(|_| {
            // It is on the disk before anything is sent, so half a file was never sent.
            Fault::usage(&place, "不是没有答复的提交，或没有写完，没有提交").mend("没有写完的可以删掉，再运行一次")
        });
        pending.map(Some)
    }

    /// Writes it and waits until it is on the disk.
    ///
    /// # Errors
    /// The disk; nothing may be sent then.
    pub fn keep(&self, path: &Path) -> Result<(), Fault> {
        let text = serde_json::to_string(self).map_err(|error| Fault::failed("提交的内容", &error))?;
        keyfile::write_private(path, text.as_bytes()).map_err(|error| match error {
            KeyFileError::Io { .. } => Fault::from(error).mend("请用 --out 把回执写到可以写的目录"),
            error => error.into(),
        })
    }

    /// Whether it is this command for this ledger.
    ///
    /// # Errors
    /// The command has no text.
    pub fn is_of(&self, origin: &str, command: &Command) -> Result<bool, Fault> {
        Ok(self.origin == origin && self.command == digest(&self.salt, command)?)
    }

    /// All slots, open, as far as they can be had; `None` where the PIN is another, or none was asked for.
    pub fn openings(&self, pin: Option<&str>) -> Option<Vec<Filled>> {
        match &self.locked {
            Some(locked) => opening_file::reveal(locked, FORM, pin?),
            None => self.encrypted_to.is_none().then(|| self.submission.openings.clone()),
        }
    }
}

/// Removes what was answered. A file that is not there any more is as good.
///
/// # Errors
/// The disk: what was said stays readable for its owner.
pub fn forget(path: &Path) -> Result<(), Fault> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Fault::failed(path.display().to_string(), &error).mend("已有答复，请自行删掉这个文件"))
        }
        _ => Ok(()),
    }
}
