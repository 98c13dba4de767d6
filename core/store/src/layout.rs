//! Where things lie in a ledger's directory.
//!
//! Paths only; nothing here reads or writes a file. What is below `log/` is public and laid out as it is
//! served; everything else is the operator's.

use std::path::{Path, PathBuf};

use gongkai_log::{Digest, TilePath, log_keys::HISTORY_PATH, tile};

/// The directory of one ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    root: PathBuf,
}

impl Layout {
    /// A ledger in `root`; nothing is touched.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The directory itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The ledger database.
    pub fn database(&self) -> PathBuf {
        self.root.join("ledger.db")
    }

    /// The address of the PostgreSQL database that holds the rows, where that is not the file.
    pub fn server(&self) -> PathBuf {
        self.root.join("ledger.url")
    }

    /// Whether a ledger of ours has its rows here, or names where they are.
    pub fn has_ledger(&self) -> bool {
        self.database().exists() || self.server().exists()
    }

    /// The database while the genesis is not committed; a crash leaves it and `create` starts over.
    pub(crate) fn database_draft(&self) -> PathBuf {
        self.root.join("ledger.db.draft")
    }

    /// Held by the one process that writes.
    pub fn lock(&self) -> PathBuf {
        self.root.join("lock")
    }

    /// Which node of a ledger on a server it is.
    pub(crate) fn node(&self) -> PathBuf {
        self.root.join("node")
    }

    /// That entries are missing that others have seen, from a restore until they are brought back.
    pub fn unrecovered(&self) -> PathBuf {
        self.root.join("unrecovered.json")
    }

    /// What brings them back works here: a mirror of the log.
    pub fn recovery(&self) -> PathBuf {
        self.root.join("recovery")
    }

    /// Configuration.
    pub fn configuration(&self) -> PathBuf {
        self.root.join("gongkai.toml")
    }

    /// The ledger's own private keys.
    pub fn keys(&self) -> PathBuf {
        self.root.join("keys")
    }

    /// The vault: keys of what is not public, and internal views.
    pub fn vault(&self) -> PathBuf {
        self.root.join("vault")
    }

    /// The vault's database of wrapped data keys.
    pub fn wraps(&self) -> PathBuf {
        self.vault().join("wraps.db")
    }

    /// The working store where the rows are in the directory: drafts and what is half signed, encrypted; no part of the
    /// ledger.
    pub fn drafts(&self) -> PathBuf {
        self.vault().join("drafts.db")
    }

    /// The map over all statements, which is rebuilt where it is lost.
    pub fn map(&self) -> PathBuf {
        self.root.join("map.db")
    }

    /// What was taken in across a network gap, encrypted, where the rows are in the directory.
    pub fn taken(&self) -> PathBuf {
        self.vault().join("taken.db")
    }

    /// Files that were carried in across a network gap, and those that are to be carried out.
    pub fn gap(&self) -> PathBuf {
        self.root.join("gap")
    }

    /// The book of an intake. Only an intake has it.
    pub fn intake(&self) -> PathBuf {
        self.root.join("intake.db")
    }

    /// View databases.
    pub fn views(&self) -> PathBuf {
        self.root.join("views")
    }

    /// The search index.
    pub fn search(&self) -> PathBuf {
        self.root.join("search")
    }

    /// Attachments that were handed in and that no entry names yet, and those that one does.
    pub fn attachments(&self) -> PathBuf {
        self.root.join("attachments")
    }

    /// One attachment as it was handed in.
    pub fn attachment(&self, hash: &Digest) -> PathBuf {
        self.attachments().join(hash.to_hex())
    }

    /// Files that are still coming in. On the same disk as [`Layout::attachments`].
    pub fn incoming(&self) -> PathBuf {
        self.root.join("incoming")
    }

    /// What a mirror keeps for itself: the checkpoint that it accepted last, the staging folder. Only a mirror has it.
    pub fn mirror(&self) -> PathBuf {
        self.root.join("mirror")
    }

    /// Signed checkpoints that a mirror refused, each with the one that it held.
    pub fn evidence(&self) -> PathBuf {
        self.root.join("evidence")
    }

    /// When a mirror followed which withdrawal, a line each.
    pub fn withdrawals(&self) -> PathBuf {
        self.root.join("withdrawals.jsonl")
    }

    /// Everything public.
    pub fn log(&self) -> PathBuf {
        self.root.join("log")
    }

    /// The current checkpoint.
    pub fn checkpoint(&self) -> PathBuf {
        self.log().join("checkpoint")
    }

    /// The verifier key of the log.
    pub fn vkey(&self) -> PathBuf {
        self.log().join("vkey")
    }

    /// What brought the log's keys, once its first key was replaced.
    pub fn key_history(&self) -> PathBuf {
        self.log().join(HISTORY_PATH)
    }

    /// The policy by which readers judge cosignatures.
    pub fn policy(&self) -> PathBuf {
        self.log().join("policy")
    }

    /// A tile or bundle.
    pub fn tile(&self, path: &TilePath) -> PathBuf {
        self.log().join(path.to_string())
    }

    /// The openings of bundle `number`.
    pub fn openings(&self, number: u64) -> PathBuf {
        self.log().join(tile::openings_path(number))
    }

    /// The lines under a root.
    pub fn lines(&self, root: &Digest) -> PathBuf {
        self.log().join(tile::lines_path(root))
    }

    /// A published attachment.
    pub fn published_attachment(&self, hash: &Digest) -> PathBuf {
        self.log().join("attachment").join(hash.to_hex())
    }
}

/// A path with something added to its name.
pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
