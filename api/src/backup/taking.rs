//! Taking a copy of everything that a backup holds, from a ledger that goes on.
//!
//! The order is what makes the parts fit, whatever is recorded meanwhile:
//!
//! 1. The published checkpoint. The ledger's copy that follows has at least as many entries.
//! 2. `drafts.db` and `taken.db`, written from the server where they are there. A draft leaves the first when it is published, a packet enters the second when it was
//!    recorded: copied before the ledger, a draft may be there twice but never nowhere, and no packet is held for taken that
//!    the ledger does not have; taking one in again records nothing twice.
//! 3. `ledger.db`.
//! 4. `wraps.db`. A data key is durable before the entry that it sealed is committed, so every entry of 3 has its key here.
//!    What was erased between 3 and 4 has none: an erasure is not undone by the copy of a moment before.
//! 5. Attachments. A file is kept before a statement may name it, so every file that 3 names is here, but for those that
//!    were withdrawn meanwhile.
//!
//! A master key that is replaced meanwhile would not fit the wraps, so the key files are compared before and after.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gongkai_log::{Checkpoint, Digest, VerifierKey};
use gongkai_store::backup::{copy_database, copy_file, measure, private_folder};
use gongkai_store::{Drafts, Layout, TakenBook, Vault, moving, published_keys};

use crate::cli::terminal::Progress;
use crate::config::Config;
use crate::outcome::{Fault, chain};
use crate::rotation::{FORMER_KEY, NEXT_KEY};

/// How often the bar is told how long a database's copy is by now.
const TELL_EVERY: Duration = Duration::from_millis(200);

/// What is wanted in a backup besides what always is.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// Private keys that no passphrase protects.
    pub open_keys: bool,
    /// The wrapped data keys and what they encrypt beside the ledger.
    pub vault: bool,
}

/// What was taken.
#[derive(Debug)]
pub struct Taken {
    /// The log's verifier key.
    pub vkey: VerifierKey,
    /// The checkpoint that was published before anything was copied.
    pub published: Checkpoint,
    /// Whether private keys without a passphrase were taken.
    pub open_keys: bool,
    /// Whether there are wrapped data keys.
    pub vault: bool,
}

/// Copies everything into an empty folder that is laid out like a ledger's.
///
/// # Errors
/// No ledger, no checkpoint of its key, a damaged attachment, a key that is being replaced, or the disk.
pub async fn take(from: &Layout, config: &Config, to: &Layout, wanted: Wanted) -> Result<Taken, Fault> {
    let vkey = published_key(from)?;
    let (published, note) = published_note(from, &vkey)?;
    let vault = wanted.vault && Vault::exists(from).await.map_err(|error| Fault::from(&error))?;
    let keys = master_keys(from)?;
    if vault {
        folder(&to.vault())?;
        working(from, to).await?;
    }
    ledger(from, to).await?;
    if vault {
        if Vault::is_on_server(from).await.map_err(|error| Fault::from(&error))? {
            Vault::back_up(from, &to.wraps()).await.map_err(crate::cli::vault::fault)?;
        } else {
            database(&from.wraps(), &to.wraps(), "复制限阅库").await?;
        }
        if master_keys(from)? != keys {
            return Err(Fault::no("keys/vault.key", "备份时主密钥正在更换，钥匙和库对不上")
                .mend("请等 gongkai vault rotate 结束后再备份"));
        }
    }
    let open_keys = small_files(from, config, to, wanted)?;
    // As it was read at first: the one that is published by now may be ahead of the copy.
    let written = fs::write(to.checkpoint(), note).and_then(|()| fs::File::open(to.checkpoint())?.sync_all());
    written.map_err(|error| Fault::failed(to.checkpoint().display().to_string(), &error))?;
    attachments(from, to)?;
    Ok(Taken { vkey, published, open_keys, vault })
}

/// The verifier key that is published with a log.
///
/// # Errors
/// None there, or no key.
pub fn published_key(layout: &Layout) -> Result<VerifierKey, Fault> {
    let path = layout.vkey();
    let text = fs::read_to_string(&path).map_err(|error| Fault::failed(path.display().to_string(), &error))?;
    VerifierKey::parse(text.trim()).map_err(|error| Fault::no(path.display().to_string(), chain(&error)))
}

/// The checkpoint that is published, under the log's key.
///
/// # Errors
/// None there, or not of this key.
pub fn published_checkpoint(layout: &Layout, vkey: &VerifierKey) -> Result<Checkpoint, Fault> {
    published_note(layout, vkey).map(|(checkpoint, _)| checkpoint)
}

/// The same with the note that says so.
fn published_note(layout: &Layout, vkey: &VerifierKey) -> Result<(Checkpoint, String), Fault> {
    let path = layout.checkpoint();
    let place = || path.display().to_string();
    let text = fs::read_to_string(&path).map_err(|error| Fault::failed(place(), &error));
    let text = text.map_err(|fault| fault.mend("请先启动网站，或运行 gongkai rebuild --log，补齐已发布的文件"))?;
    let keys = published_keys(layout, vkey).map_err(|error| Fault::from(&error))?;
    let opened = keys.open(&text).map_err(|error| Fault::no(place(), chain(&error)))?;
    Ok((opened.0, text))
}

fn folder(path: &Path) -> Result<(), Fault> {
    private_folder(path).map_err(|error| Fault::from(&error))
}

/// Copies the ledger's rows. From a server they come by way of a file that is removed again, so that the copy is the same
/// kind of file as every other.
async fn ledger(from: &Layout, to: &Layout) -> Result<(), Fault> {
    if !from.server().exists() {
        return database(&from.database(), &to.database(), "复制账本").await;
    }
    let passing = to.root().join("passing");
    folder(&passing)?;
    let file = passing.join("ledger.db");
    let progress = Progress::new("复制账本");
    moving::copy_to_file(from, &file, |copied, size| progress.tell(copied, size)).await?;
    drop(progress);
    database(&file, &to.database(), "整理账本").await?;
    fs::remove_dir_all(&passing).map_err(|error| Fault::failed(passing.display().to_string(), &error))
}

/// Copies what lies beside the ledger.
async fn working(from: &Layout, to: &Layout) -> Result<(), Fault> {
    if from.server().exists() {
        Drafts::back_up(from, &to.drafts()).await.map_err(|error| Fault::failed("没有提交的草稿", &error))?;
        TakenBook::back_up(from, &to.taken()).await.map_err(|error| Fault::failed("收下的网上收件", &error))?;
        return Ok(());
    }
    for (source, target) in [(from.drafts(), to.drafts()), (from.taken(), to.taken())] {
        if source.is_file() {
            database(&source, &target, "复制限阅库").await?;
        }
    }
    Ok(())
}

/// Copies a database, and tells how far it is by the length of the copy.
async fn database(from: &Path, to: &Path, label: &'static str) -> Result<(), Fault> {
    let progress = Progress::new(label);
    let length = |path: &Path| fs::metadata(path).map_or(0, |file| file.len());
    let copying = copy_database(from, to);
    tokio::pin!(copying);
    let mut every = tokio::time::interval(TELL_EVERY);
    loop {
        tokio::select! {
            copied = &mut copying => return copied.map_err(|error| Fault::from(&error)),
            _ = every.tick() => progress.tell(length(to), length(from)),
        }
    }
}

fn key_files(layout: &Layout) -> Result<Vec<PathBuf>, Fault> {
    let failed = |error: std::io::Error| Fault::failed(layout.keys().display().to_string(), &error);
    let entries = fs::read_dir(layout.keys()).map_err(failed)?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>().map_err(failed)?;
    let mut keys: Vec<_> = paths.into_iter().filter(|path| path.is_file()).collect();
    keys.sort();
    Ok(keys)
}

/// The files of the vault's master key, by their hashes.
fn master_keys(layout: &Layout) -> Result<BTreeMap<PathBuf, Digest>, Fault> {
    let is_master = |path: &PathBuf| path.file_name().is_some_and(|n| n.to_string_lossy().starts_with("vault.key"));
    let files = key_files(layout)?.into_iter().filter(is_master);
    files
        .map(|path| {
            let (_, hash) = measure(&path).map_err(|error| Fault::from(&error))?;
            Ok((path, hash))
        })
        .collect()
}

/// Configuration, policy, verifier key and keys; whether an unprotected key was among them.
fn small_files(from: &Layout, config: &Config, to: &Layout, wanted: Wanted) -> Result<bool, Fault> {
    let copy = |source: &Path, target: &Path| {
        target.parent().map_or(Ok(()), folder)?;
        copy_file(source, target).map_err(|error| Fault::from(&error))
    };
    copy(&from.configuration(), &to.configuration())?;
    if from.key_history().is_file() {
        copy(&from.key_history(), &to.key_history())?;
    }
    copy(&from.vkey(), &to.vkey())?;
    // One that lies elsewhere is the operator's to keep.
    if let Some(policy) = config.witness_policy.as_ref().filter(|path| path.is_relative()) {
        copy(&from.root().join(policy), &to.root().join(policy))?;
    }
    folder(&to.keys())?;
    let mut open_keys = false;
    for path in key_files(from)? {
        let Some(name) = path.file_name().map(|name| name.to_string_lossy().into_owned()) else { continue };
        let text = fs::read_to_string(&path).unwrap_or_default();
        let is_protected = text.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----");
        let is_own = ["log.key", "intake.key", FORMER_KEY, NEXT_KEY].contains(&name.as_str());
        if is_protected || (is_own && wanted.open_keys) {
            copy(&path, &to.keys().join(&name))?;
            open_keys |= !is_protected;
        }
    }
    Ok(open_keys)
}

/// Files that were handed in, by their hashes; a damaged one is no backup of it.
fn attachments(from: &Layout, to: &Layout) -> Result<(), Fault> {
    let mut found: BTreeMap<Digest, PathBuf> = BTreeMap::new();
    for folder in [from.log().join("attachment"), from.attachments()] {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries {
            let path = entry.map_err(|error| Fault::failed(folder.display().to_string(), &error))?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            // What is being written has another name until it is whole.
            if let Ok(hash) = Digest::from_hex(name) {
                found.insert(hash, path);
            }
        }
    }
    if found.is_empty() {
        return Ok(());
    }
    folder(&to.attachments())?;
    let progress = Progress::new("复制附件");
    let all = found.len() as u64;
    for (done, (hash, path)) in (0..).zip(&found) {
        progress.tell(done, all);
        let target = to.attachment(hash);
        match copy_file(path, &target) {
            Ok(()) => {}
            // Withdrawn since the folder was read.
            Err(_) if !path.exists() => continue,
            Err(error) => return Err((&error).into()),
        }
        if measure(&target).map_err(|error| Fault::from(&error))?.1 != *hash {
            return Err(Fault::no(path.display().to_string(), "附件已损坏，与文件名所写的散列值不符，没有备份")
                .mend("请从上一份备份的 attachments/ 取回这个文件"));
        }
    }
    Ok(())
}
