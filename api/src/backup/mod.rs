//! A backup as it lies on the disk: a ledger's directory with what cannot be redone, and a manifest of it.
//!
//! The manifest (`MANIFEST.json`, `gongkai.backup/v1`) names each file with its size and BLAKE3, and what the ledger was:
//! size, root, last entry, the checkpoint published by then. `MANIFEST.b3` holds the manifest's own hash, in the form that
//! `b3sum --check` reads. Both say that nothing was damaged, not who made it: that the ledger is genuine follows from its
//! signatures, which whoever restores checks anew.
//!
//! What is in a backup: `ledger.db`, the vault's databases but no view, attachments, the configuration, the witness policy,
//! the last checkpoint and the verifier key, and keys that a passphrase protects (others only when they are asked for).
//! What is not: tiles, openings and lines, `map.db`, views, search (all redone from the database); `gap/` (an intake gives
//! again what was not answered); `outbox/` (a client's); passphrases. To take in another file, add it to [`taking`].
//!
//! Not here: the databases' SQL (`gongkai_store::backup`), what the commands say.

pub mod taking;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

use chrono::{DateTime, NaiveDateTime, Utc};
use gongkai_log::Digest;
use gongkai_store::backup::measure;
use serde::{Deserialize, Serialize};

use crate::outcome::Fault;

/// First member of a manifest.
pub const FORM: &str = "gongkai.backup/v1";
/// The manifest's file.
pub const MANIFEST: &str = "MANIFEST.json";
/// The file of the manifest's hash.
pub const MANIFEST_HASH: &str = "MANIFEST.b3";
/// Name of a backup: the second in which it was begun, so that names sort by time.
const NAME_FORM: &str = "gongkai-%Y%m%dT%H%M%SZ";
/// Most bytes of a manifest: some hundred a file, and a file for each attachment.
const MANIFEST_BYTES_MAX: u64 = 1 << 30;

/// What is in a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`FORM`].
    pub form: String,
    /// Version of the program that made it.
    pub program: String,
    /// Origin of the ledger.
    pub origin: String,
    /// Verifier key of its log.
    pub vkey: String,
    /// When it was begun.
    pub made_at: DateTime<Utc>,
    /// Entries.
    pub size: u64,
    /// Root over them, base64.
    pub root: String,
    /// BLAKE3 of the last entry, base64.
    pub entry_hash: String,
    /// When the last entry was recorded.
    pub recorded_at: DateTime<Utc>,
    /// Entries of the checkpoint that was published when the copy was begun.
    pub published: u64,
    /// Whether it has private keys that no passphrase protects.
    pub open_keys: bool,
    /// Whether it has the vault's wrapped data keys.
    pub vault: bool,
    /// All other files, in the order of their paths.
    pub files: Vec<Listed>,
}

/// A file of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listed {
    /// Below the backup, with `/` between names.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// BLAKE3, hex.
    pub blake3: String,
}

impl Listed {
    /// Measures a file of a folder.
    ///
    /// # Errors
    /// The disk.
    pub fn of(folder: &Path, path: &Path) -> Result<Self, Fault> {
        let (bytes, hash) = measure(path).map_err(|error| Fault::from(&error))?;
        let path = path.strip_prefix(folder).unwrap_or(path).display().to_string();
        Ok(Self { path, bytes, blake3: hash.to_hex() })
    }

    /// Why a file is not the listed one; `None` when it is.
    ///
    /// # Errors
    /// The disk, but for a file that is not there.
    pub fn differs(&self, folder: &Path) -> Result<Option<String>, Fault> {
        let path = folder.join(&self.path);
        if !path.is_file() {
            return Ok(Some("缺少".to_owned()));
        }
        let found = Self::of(folder, &path)?;
        Ok(if found.bytes != self.bytes {
            Some(format!("有 {} 字节，清单写的是 {}", found.bytes, self.bytes))
        } else if found.blake3 != self.blake3 {
            Some("散列值与清单不符，内容被改动或损坏".to_owned())
        } else {
            None
        })
    }
}

/// The name of a backup that is begun now.
pub fn name_at(now: DateTime<Utc>) -> String {
    now.format(NAME_FORM).to_string()
}

/// When the backup of this name was begun; `None` for what is none.
pub fn begun_at(name: &str) -> Option<DateTime<Utc>> {
    NaiveDateTime::parse_from_str(name, NAME_FORM).ok().map(|at| at.and_utc())
}

/// A name for a draft of a backup; what is called so is no backup.
pub fn draft_of(name: &str) -> String {
    format!(".{name}.draft")
}

/// Whether a name is a draft's.
pub fn is_draft(name: &str) -> bool {
    name.strip_prefix('.').and_then(|name| name.strip_suffix(".draft")).is_some_and(|name| begun_at(name).is_some())
}

/// All files below a folder, in order.
///
/// # Errors
/// The disk; something that is neither file nor folder.
pub fn files_below(folder: &Path) -> Result<Vec<PathBuf>, Fault> {
    let (mut found, mut folders) = (Vec::new(), vec![folder.to_path_buf()]);
    while let Some(folder) = folders.pop() {
        let failed = |error: std::io::Error| Fault::failed(folder.display().to_string(), &error);
        for entry in fs::read_dir(&folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let sort = entry.file_type().map_err(failed)?;
            if sort.is_dir() {
                folders.push(entry.path());
            } else if sort.is_file() {
                found.push(entry.path());
            } else {
                return Err(Fault::no(entry.path().display().to_string(), "既不是文件也不是目录"));
            }
        }
    }
    found.sort();
    Ok(found)
}

impl Manifest {
    /// Writes it with its hash, last of all files.
    ///
    /// # Errors
    /// The disk.
    pub fn write(&self, folder: &Path) -> Result<(), Fault> {
        let mut text = serde_json::to_string_pretty(self).map_err(|error| Fault::failed(MANIFEST, &error))?;
        text.push('\n');
        let hash = format!("{}  {MANIFEST}\n", Digest::of(text.as_bytes()).to_hex());
        for (name, text) in [(MANIFEST, text), (MANIFEST_HASH, hash)] {
            let path = folder.join(name);
            let written = fs::write(&path, text).and_then(|()| fs::File::open(&path)?.sync_all());
            written.map_err(|error| Fault::failed(path.display().to_string(), &error))?;
        }
        Ok(())
    }

    /// Reads the manifest of a backup and finds that it is whole.
    ///
    /// # Errors
    /// No backup there, one of another form, or a damaged manifest.
    pub fn read(folder: &Path) -> Result<Self, Fault> {
        let path = folder.join(MANIFEST);
        let place = || path.display().to_string();
        let size = fs::metadata(&path).map_err(|_| {
            Fault::usage(folder.display().to_string(), format!("不是备份（没有 {MANIFEST}）"))
                .mend("请用 --from 指到 gongkai backup 写的那个目录，名称是 gongkai- 加时间")
        })?;
        if size.len() > MANIFEST_BYTES_MAX {
            return Err(Fault::no(place(), "清单太大"));
        }
        let text = fs::read(&path).map_err(|error| Fault::failed(place(), &error))?;
        let beside = folder.join(MANIFEST_HASH);
        let hash = fs::read_to_string(&beside).unwrap_or_default();
        if hash != format!("{}  {MANIFEST}\n", Digest::of(&text).to_hex()) {
            let cause = format!("{MANIFEST} 或 {MANIFEST_HASH} 被改动或损坏，两个对不上");
            return Err(Fault::no(folder.display().to_string(), cause).mend("请用另一份备份"));
        }
        let manifest: Self = serde_json::from_slice(&text).map_err(|error| Fault::no(place(), error.to_string()))?;
        if manifest.form != FORM {
            let cause = format!("格式是 {}，本程序只认识 {FORM}", manifest.form);
            return Err(Fault::no(place(), cause).mend("请换用新版本的程序"));
        }
        let below = |path: &str| Path::new(path).components().all(|part| matches!(part, Component::Normal(_)));
        match manifest.files.iter().find(|file| !below(&file.path)) {
            Some(file) => Err(Fault::no(place(), format!("「{}」不是备份里的文件", file.path))),
            None => Ok(manifest),
        }
    }

    /// A file below the folder that it does not list; `None` when there is none.
    ///
    /// # Errors
    /// The disk.
    pub fn stranger(&self, folder: &Path) -> Result<Option<String>, Fault> {
        let listed: BTreeSet<&str> = self.files.iter().map(|file| file.path.as_str()).collect();
        let paths = files_below(folder)?;
        let names = paths.iter().map(|path| path.strip_prefix(folder).unwrap_or(path).display().to_string());
        let mut strangers =
            names.filter(|name| name != MANIFEST && name != MANIFEST_HASH && !listed.contains(name.as_str()));
        Ok(strangers.next())
    }

    /// Bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backup_is_told_from_its_draft_and_from_anything_else_by_its_name() {
        let now = "2026-03-02T01:02:03Z".parse().unwrap();
        let name = name_at(now);
        assert_eq!((name.as_str(), begun_at(&name)), ("gongkai-20260302T010203Z", Some(now)));
        assert!(is_draft(&draft_of(&name)) && !is_draft(&name) && begun_at(&draft_of(&name)).is_none());
        for other in ["gongkai-demo", ".x.draft", "gongkai-20260302", "备份"] {
            assert!(begun_at(other).is_none() && !is_draft(other), "{other}");
        }
    }

    #[test]
    fn a_manifest_survives_its_file_and_names_nothing_outside_of_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let listed = |path: &str| Listed { path: path.into(), bytes: 3, blake3: Digest::of(b"abc").to_hex() };
        let at = "2026-03-02T01:02:03Z".parse().unwrap();
        let manifest = Manifest {
            form: FORM.into(),
            program: "0.1.0".into(),
            origin: "ledger.example/test".into(),
            vkey: "k".into(),
            made_at: at,
            size: 1,
            root: "r".into(),
            entry_hash: "h".into(),
            recorded_at: at,
            published: 1,
            open_keys: false,
            vault: false,
            files: vec![listed("ledger.db")],
        };
        manifest.write(folder.path()).unwrap();
        assert_eq!(Manifest::read(folder.path()).unwrap(), manifest);
        assert_eq!(manifest.files[0].differs(folder.path()).unwrap().as_deref(), Some("缺少"));
        for outside in ["../ledger.db", "/ledger.db", "a/../../b"] {
            Manifest { files: vec![listed(outside)], ..manifest.clone() }.write(folder.path()).unwrap();
            assert!(Manifest::read(folder.path()).unwrap_err().to_string().contains(outside), "{outside}");
        }
    }
}
